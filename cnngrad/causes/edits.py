"""What can be done to an array that is read, or to a result.

Axes are those of arrays in canonical shape: (sample, channel, ...) or (filter, channel, ...), then the spatial ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.layer import Shape

__all__ = [
    "Edit", "at", "cut", "flipped", "moved", "only", "reshaped", "summed_groups", "taken", "transposed", "without",
    "without_one",
]  # fmt: skip

# An edit moves numbers, leaves them out or puts zeros in.
Edit = Callable[[Array], Array]


def at(*index: Any) -> Any:
    """An index made of integers, slices and an ellipsis, as NumPy takes it."""
    return index


def flipped(*axes: int) -> Edit:
    """Reversed along some axes."""
    return lambda array: np.flip(array, axes)


def transposed(*order: int) -> Edit:
    """With its axes in another order."""
    return lambda array: array.transpose(order)


def reshaped(*shape: int) -> Edit:
    """The same memory, row-major, in another shape."""
    return lambda array: array.reshape(shape)


def taken(axis: int, order: int | Sequence[int]) -> Edit:
    """With its positions along an axis in another order, which may repeat some; one position takes the axis away."""
    return lambda array: np.take(array, order, axis)


def cut(axis: int, start: int, stop: int | None) -> Edit:
    """Some positions along an axis alone, in a smaller array."""
    index = _slots(axis, start, stop)
    return lambda array: array[index]


def only(axis: int, start: int, stop: int | None, step: int = 1) -> Edit:
    """Some positions along an axis alone: the others are 0."""
    index = _slots(axis, start, stop, step)

    def edit(array: Array) -> Array:
        kept = np.zeros_like(array)
        kept[index] = array[index]
        return kept

    return edit


def without(axis: int, start: int, stop: int | None, step: int = 1) -> Edit:
    """Without some positions along an axis, which are 0."""
    return without_one(*_slots(axis, start, stop, step), ...)


def without_one(*place: Any) -> Edit:
    """Without the elements at an index, which are 0."""

    def edit(array: Array) -> Array:
        less = array.copy()
        less[place] = 0
        return less

    return edit


def moved(shift: Shape) -> Edit:
    """Moved by whole positions along the last axes, zeros moving in."""
    to, of = (
        at(..., *(slice(max(s, 0), min(s, 0) or None) for s in signed)) for signed in (shift, [-s for s in shift])
    )

    def edit(array: Array) -> Array:
        found = np.zeros_like(array)
        found[to] = array[of]
        return found

    return edit


def summed_groups(groups: int, filled: str) -> Edit:
    """All groups of channels added up: in every group, in the first alone, or as the one group that there is."""

    def edit(array: Array) -> Array:
        blocks = array.reshape(array.shape[0], groups, -1, *array.shape[2:])
        total: Array = blocks.sum(axis=1, keepdims=True)
        if filled == "one":
            return total[:, 0]
        result: Array = np.zeros_like(blocks)
        result[:, slice(None) if filled == "every" else slice(0, 1)] = total
        return result.reshape(array.shape)

    return edit


def _slots(axis: int, start: int, stop: int | None, step: int = 1) -> Any:
    """The index of some positions along one axis."""
    return (slice(None),) * axis + (slice(start, stop, step),)
