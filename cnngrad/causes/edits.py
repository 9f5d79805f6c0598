"""Edits of an operand or of a result: they move, drop or zero numbers, or compute new ones.

Axes are those of arrays in canonical shape: (sample, channel, ...) or (filter, channel, ...), then the spatial ones.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.tensor import Tensor

__all__ = [
    "Edit", "Function", "Mixed", "along", "by_part", "flipped", "only", "relaid", "reshaped", "swapped", "taken",
    "transposed", "without",
]  # fmt: skip


Function = Callable[[Array], Array]


class Mixed(NamedTuple):
    """An edit that computes new numbers from an array, or from it and a second array.

    Attributes:
        combine: computes the new array.
        tensor: the second array; None if there is none.
        function: is applied to the second array first.
    """

    combine: Callable[..., Array]
    tensor: Tensor | None = None
    function: Function = np.positive


Edit = Function | Mixed


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


def only(axis: int, places: int | slice) -> Edit:
    """Set all but some positions along an axis to 0."""
    return lambda array: array - without(*along(axis, places))(array)


def without(*place: Any) -> Function:
    """Set the elements at an index to 0."""

    def edit(array: Array) -> Array:
        less = array.copy()
        less[place] = 0
        return less

    return edit


def relaid(lies: Sequence[int], read: Sequence[int]) -> Function:
    """Read the memory of an array whose axes lie in one order as if they lay in another."""
    return lambda array: array.transpose(lies).reshape([array.shape[k] for k in read]).transpose(np.argsort(read))


def by_part(axis: int, count: int, edit: Function) -> Edit:
    """Edit each of some equal parts along an axis by itself."""
    return lambda array: np.concatenate([edit(part) for part in np.split(array, count, axis)], axis)


def along(axis: int, places: int | slice | Sequence[int] | Array) -> Any:
    """The index of some positions along one axis."""
    return *[slice(None)] * axis, places
