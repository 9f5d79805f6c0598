"""What can be done to an array that is read, or to a result: an edit moves numbers, leaves them out or puts zeros in.

Axes are those of arrays in canonical shape: (sample, channel, ...) or (filter, channel, ...), then the spatial ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnngrad.arrays import Array

__all__ = [
    "Edit", "along", "at", "flipped", "moved", "only", "reshaped", "summed_groups", "swapped", "taken", "transposed",
    "without",
]  # fmt: skip

Edit = Callable[[Array], Array]


def at(*index: Any) -> Any:
    """An index made of integers, slices and an ellipsis, as NumPy takes it."""
    return index


def flipped(*axes: int) -> Edit:
    """Reversed along some axes."""
    return lambda array: np.flip(array, axes)


def swapped(one: int, other: int) -> Edit:
    """With two of its axes swapped."""
    return lambda array: array.swapaxes(one, other)


def transposed(*order: int) -> Edit:
    """With its axes in another order."""
    return lambda array: array.transpose(order)


def reshaped(*shape: int) -> Edit:
    """The same memory, row-major, in another shape."""
    return lambda array: array.reshape(shape)


def taken(axis: int, places: int | slice | Sequence[int] | Array) -> Edit:
    """With some positions along an axis alone, or with them in another order; one position takes the axis away."""
    return lambda array: array[along(axis, places)]


def only(axis: int, places: slice) -> Edit:
    """With some positions along an axis alone: the others are 0."""
    return lambda array: array - without(*along(axis, places))(array)


def without(*place: Any) -> Edit:
    """Without the elements at an index, which are 0."""

    def edit(array: Array) -> Array:
        less = array.copy()
        less[place] = 0
        return less

    return edit


def moved(shift: Sequence[int]) -> Edit:
    """Moved by whole positions along the last axes, zeros moving in."""
    to, of = (at(..., *(slice(max(s, 0), min(s, 0) or None) for s in part)) for part in (shift, [-s for s in shift]))

    def edit(array: Array) -> Array:
        found = np.zeros_like(array)
        found[to] = array[of]
        return found

    return edit


def along(axis: int, places: int | slice | Sequence[int] | Array) -> Any:
    """The index of some positions along one axis."""
    return at(*[slice(None)] * axis, places)


def summed_groups(groups: int) -> Edit:
    """In every group of channels all of them added up."""

    def edit(array: Array) -> Array:
        blocks = array.reshape(len(array), groups, -1, *array.shape[2:])
        return np.concatenate([blocks.sum(axis=1)] * groups, axis=1)

    return edit
