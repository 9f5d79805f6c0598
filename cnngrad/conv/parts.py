"""Parts of a layer that are layers themselves: some groups, filters, channels or filter elements, the others left out.

So little of W and of a window is copied at a time, however large they are. O's parts of other groups and filters,
dE/dX's of other groups and channels and dE/dW's of any lie beside each other; O's of other channels and filter elements
add up.
"""

from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

from cnngrad.arrays import DType
from cnngrad.conv.tiles import FEWEST_TILES
from cnngrad.layer import Axis, Layer

__all__ = [
    "LARGEST_COPY",
    "Part",
    "channels_at_once",
    "copied_at_once",
    "divided",
    "parts_of_gradient",
    "parts_of_window",
]

# Bytes of W that are copied at once; and of the taps of all filters, where some of them are.
LARGEST_COPY = 2**24
_TOGETHER = 2**22
# Bytes of a window, so that a tile holds some.
LARGEST_COLUMN = 2**19
# Bytes of dE/dW from which a thread adds up all tiles for some of its channels, so that there is one of it.
_LARGE_SUM = 2**20


class Part(NamedTuple):
    """A part of a layer.

    Attributes:
        layer: the part, as a layer.
        channels: its channels in X.
        filters: its filters in O and b.
        weights: its place in W by groups, an index of (g, F/g, C/g, *K).
    """

    layer: Layer
    channels: slice
    filters: slice
    weights: tuple[slice, ...]


@lru_cache(maxsize=64)
def divided(
    layer: Layer, groups: int, filters: int | None = None, channels: int | None = None, taps: int | None = None
) -> tuple[Part, ...]:
    """A layer in parts.

    Args:
        layer: the layer; not flipped where its taps are parted.
        groups: of how many groups a part is, at most; more than one only where nothing else is parted.
        filters: how many filters of each group; None for all.
        channels: how many channels of each group, likewise.
        taps: how many positions of the filter's longest axis, likewise.
    """
    wanted = (groups, filters, channels, taps)
    sizes = (layer.groups, layer.group_filters, layer.group_channels, layer.kernel[_longest(layer)])
    every = [_blocks(size, size if most is None else most) for size, most in zip(sizes, wanted, strict=True)]
    return tuple(_part(layer, *part) for part in product(*every))


def copied_at_once(groups: int, each: int, numbers: int, dtype: DType) -> tuple[int, int]:
    """How many groups, or how many of one group's filters or channels, are worked on at once where W is copied.

    Args:
        groups: how many groups there are.
        each: how many filters or channels a group has.
        numbers: how many of W's numbers each of those has.
        dtype: the dtype to compute in.
    """
    most = LARGEST_COPY // (numbers * dtype.itemsize)
    # The windows of all groups are copied too.
    groups = min(groups, most // each, LARGEST_COLUMN // (numbers * dtype.itemsize))
    return (groups, each) if groups > 1 else (1, max(1, min(each, most)))


def channels_at_once(layer: Layer, dtype: DType) -> int | None:
    """Of how many channels a large dE/dW is computed at a time; None for one that is added up from tiles."""
    size = prod(layer.canonical["W"]) * dtype.itemsize
    if layer.groups > 1 or size <= _LARGE_SUM:
        return None
    return -(-layer.channels // max(FEWEST_TILES, -(-size // (2 * _LARGE_SUM))))


@lru_cache(maxsize=256)
def parts_of_window(layer: Layer, dtype: DType) -> tuple[Part, ...]:
    """Parts of channels and taps whose outputs add up, each with a window that is not large."""
    numbers, window = LARGEST_COLUMN // dtype.itemsize, prod(layer.kernel)
    if layer.groups > 1 or layer.channels * window <= numbers:
        return divided(layer, layer.groups)
    along = _longest(layer)
    if prod(layer.kernel[:along]) > 1:
        # Taps that don't lie together are copied for every filter.
        numbers = min(numbers, _TOGETHER // (layer.filters * dtype.itemsize))
    across = window // layer.kernel[along]
    return divided(layer, 1, channels=max(1, numbers // window), taps=max(1, numbers // across))


@lru_cache(maxsize=256)
def parts_of_gradient(layer: Layer, dtype: DType) -> tuple[Part, ...]:
    """Parts whose windows are not large, and whose dE/dW is not, either that of several groups or of one channel."""
    numbers, window = LARGEST_COLUMN // dtype.itemsize, prod(layer.kernel)
    if layer.groups > 1:
        size = layer.group_channels * window
        groups = min(numbers // size, _LARGE_SUM // (layer.group_filters * size * dtype.itemsize))
        if groups > 1:
            return divided(layer, groups)
    filters = min(layer.group_filters, numbers)
    taps = max(1, numbers // (window // max(layer.kernel) * filters))
    return divided(layer, 1, filters, layer.group_channels if taps >= max(layer.kernel) else 1, taps)


def _blocks(size: int, count: int) -> list[slice]:
    """So many things, `count` at a time."""
    return [slice(first, min(first + count, size)) for first in range(0, size, count)]


def _longest(layer: Layer) -> int:
    """The axis along which the filter has the most elements."""
    return layer.kernel.index(max(layer.kernel))


def _part(layer: Layer, groups: slice, filters: slice, channels: slice, taps: slice) -> Part:
    count = groups.stop - groups.start
    along = _longest(layer)
    axes = tuple(_axis(axis, taps) if k == along else axis for k, axis in enumerate(layer.axes))
    numbers = [count * (inside.stop - inside.start) for inside in (channels, filters)]
    part = layer
    if (axes, *numbers) != (layer.axes, layer.channels, layer.filters):
        part = replace(layer, axes=axes, channels=numbers[0], filters=numbers[1], groups=count, x_lead=2, w_lead=2)
    weights: list[Any] = [groups, filters, channels, *(slice(None),) * layer.dims]
    weights[3 + along] = taps
    return Part(
        part,
        _together(groups, channels, layer.group_channels),
        _together(groups, filters, layer.group_filters),
        tuple(weights),
    )


def _together(groups: slice, inside: slice, size: int) -> slice:
    """Where some of the things of each group are, when each has so many."""
    return slice(groups.start * size + inside.start, (groups.stop - 1) * size + inside.stop)


def _axis(axis: Axis, taps: slice) -> Axis:
    """The axis of some of the filter's elements: the window begins further on, and ends earlier."""
    if taps == slice(0, axis.kernel):
        return axis
    return replace(
        axis,
        kernel=taps.stop - taps.start,
        before=axis.before - axis.dilation * taps.start,
        after=axis.after - axis.dilation * (axis.kernel - taps.stop),
    )
