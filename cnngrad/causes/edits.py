"""Edits of an operand or of a result: they move numbers, leave them out or replace them by zeros.

Axes are those of arrays in canonical shape: (sample, channel, ...) or (filter, channel, ...), then the spatial ones.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.tensor import Tensor

__all__ = [
    "Edit", "Using", "along", "at", "flipped", "moved", "only", "reshaped", "summed_groups", "swapped", "taken",
    "transposed", "without",
]  # fmt: skip


class Using(NamedTuple):
    """An edit that combines an array with what a function makes of another one.

    Attributes:
        combine: gives the new array from both.
        tensor: the other array.
        function: makes something of it.
    """

    combine: Callable[[Array, Array], Array]
    tensor: Tensor
    function: Callable[[Array], Array]


Edit = Callable[[Array], Array] | Using


def at(*index: Any) -> Any:
    """A NumPy index of integers, slices and an ellipsis."""
    return index


def flipped(*axes: int) -> Edit:
    """Reverse an array along some axes."""
    return lambda array: np.flip(array, axes)


def swapped(one: int, other: int) -> Edit:
    """Swap two axes."""
    return lambda array: array.swapaxes(one, other)


def transposed(*order: int) -> Edit:
    """Put the axes into another order."""
    return lambda array: array.transpose(order)


def reshaped(*shape: int) -> Edit:
    """Read the same memory, row-major, in another shape."""
    return lambda array: array.reshape(shape)


def taken(axis: int, places: int | slice | Sequence[int] | Array) -> Edit:
    """Keep only some positions along an axis, in the given order; a single integer removes the axis."""
    return lambda array: array[along(axis, places)]


def only(axis: int, places: slice) -> Edit:
    """Set all but some positions along an axis to 0."""
    return lambda array: array - without(*along(axis, places))(array)


def without(*place: Any) -> Callable[[Array], Array]:
    """Set the elements at an index to 0."""

    def edit(array: Array) -> Array:
        less = array.copy()
        less[place] = 0
        return less

    return edit


def moved(shift: Sequence[int]) -> Edit:
    """Shift by whole positions along the last axes; zeros move in."""
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
    """Replace each group of channels by the sum of all groups."""

    def edit(array: Array) -> Array:
        blocks = array.reshape(len(array), groups, -1, *array.shape[2:])
        return np.concatenate([blocks.sum(axis=1)] * groups, axis=1)

    return edit
