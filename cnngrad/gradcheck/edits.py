"""What can be done to an array that is read, or to a result: each an edit of a recipe, by a function and its arguments.

Axes are those of arrays in canonical shape: (sample, channel, ...) or (filter, channel, ...), then the spatial ones.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.layer import Shape

__all__ = [
    "Edit", "at", "cut", "flipped", "folded", "moved", "only", "padded", "picked", "reshaped", "slots",
    "summed_groups", "taken", "transposed", "without", "without_one",
]  # fmt: skip

# Zeros in front of and behind each axis.
Pads = tuple[tuple[int, int], ...]


class Edit(NamedTuple):
    """One change of an array.

    Attributes:
        do: the function.
        args: its arguments, after the array.
        adds: whether it adds numbers up; others move them, or leave them out.
    """

    do: Callable[..., Array]
    args: tuple[Hashable, ...] = ()
    adds: bool = False

    def __call__(self, array: Array) -> Array:
        """The array as it is after this."""
        return self.do(array, *self.args)


def edited(array: Array, edits: Iterable[Edit]) -> Array:
    """The array after all of some edits."""
    for edit in edits:
        array = edit(array)
    return array


def at(*index: Any) -> Any:
    """An index made of integers, slices and an ellipsis, as NumPy takes it."""
    return index


def slots(axis: int, start: int, stop: int | None, step: int = 1) -> Any:
    """The index of some positions along one axis."""
    return (slice(None),) * axis + (slice(start, stop, step),)


def flipped(*axes: int) -> Edit:
    """Reversed along some axes."""
    return Edit(np.flip, (axes,))


def transposed(*order: int) -> Edit:
    """With its axes in another order."""
    return Edit(np.transpose, (order,))


def reshaped(*shape: int) -> Edit:
    """The same memory, row-major, in another shape."""
    return Edit(np.reshape, (shape,))


def taken(axis: int, order: Iterable[int]) -> Edit:
    """With its positions along an axis in another order; one may come several times."""
    return Edit(_take, (axis, tuple(int(k) for k in order)))


def picked(axis: int, position: int) -> Edit:
    """One position along an axis, which goes."""
    return Edit(_take, (axis, position))


def cut(axis: int, start: int, stop: int | None) -> Edit:
    """Some positions along an axis alone, in a smaller array."""
    return Edit(_cut, (axis, start, stop))


def only(axis: int, start: int, stop: int | None, step: int = 1) -> Edit:
    """Some positions along an axis alone: the others are 0."""
    return Edit(_only, (axis, start, stop, step))


def without(axis: int, start: int, stop: int | None, step: int = 1) -> Edit:
    """Without some positions along an axis, which are 0."""
    return Edit(_without, (slots(axis, start, stop, step),))


def without_one(*place: int) -> Edit:
    """Without the element at a place of the last axes, which is 0."""
    return Edit(_without, ((Ellipsis, *place),))


def moved(shift: Shape) -> Edit:
    """Moved by whole positions along the last axes, zeros moving in."""
    return Edit(_move, (shift,))


def padded(pads: Pads, mode: str = "constant") -> Edit:
    """With a frame around its last axes: zeros, or what `numpy.pad` puts there."""
    return Edit(_pad, (pads, mode))


def folded(pads: Pads, mode: str) -> Edit:
    """Without the frame around its last axes, whose numbers are added where `padded` took the frame's from."""
    return Edit(_fold, (pads, mode), adds=True)


def summed_groups(groups: int, filled: str) -> Edit:
    """All groups of channels added up: in every group, in the first alone, or as the one group that there is."""
    return Edit(_sum_groups, (groups, filled), adds=True)


def _take(array: Array, axis: int, places: int | tuple[int, ...]) -> Array:
    found: Array = np.take(array, places, axis)
    return found


def _cut(array: Array, axis: int, start: int, stop: int | None) -> Array:
    found: Array = array[slots(axis, start, stop)]
    return found


def _only(array: Array, axis: int, start: int, stop: int | None, step: int) -> Array:
    here, kept = slots(axis, start, stop, step), np.zeros_like(array)
    kept[here] = array[here]
    return kept


def _without(array: Array, index: Any) -> Array:
    less = array.copy()
    less[index] = 0
    return less


def _move(array: Array, shift: Shape) -> Array:
    found, sizes = np.zeros_like(array), array.shape[array.ndim - len(shift) :]
    to = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in zip(shift, sizes, strict=True))
    of = tuple(slice(max(-s, 0), n + min(-s, 0)) for s, n in zip(shift, sizes, strict=True))
    found[at(..., *to)] = array[at(..., *of)]
    return found


def _pad(array: Array, pads: Pads, mode: Any) -> Array:
    framed: Array = np.pad(array, ((0, 0),) * (array.ndim - len(pads)) + pads, mode=mode)
    return framed


def _fold(array: Array, pads: Pads, mode: Any) -> Array:
    for axis, (before, after) in enumerate(pads, start=array.ndim - len(pads)):
        places = range(before, array.shape[axis] - after)
        sources = np.pad(np.arange(len(places)), (before, after), mode=mode)
        result = array[slots(axis, places.start, places.stop)].copy()
        for k in (*range(before), *range(places.stop, array.shape[axis])):
            source = int(sources[k])
            result[slots(axis, source, source + 1)] += array[slots(axis, k, k + 1)]
        array = result
    return array


def _sum_groups(array: Array, groups: int, filled: str) -> Array:
    blocks = array.reshape(array.shape[0], groups, -1, *array.shape[2:])
    if filled == "one":
        total: Array = blocks.sum(axis=1)
        return total
    first: Array = np.zeros_like(blocks)
    first[:, slice(None) if filled == "every" else slice(0, 1)] = blocks.sum(axis=1, keepdims=True)
    return first.reshape(array.shape)
