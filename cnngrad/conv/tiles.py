"""Tiles: the parts of a layer's output that are computed one at a time, and the windows of the input that they read.

A way of computing works through tiles, so that what it needs besides inputs and results is a few megabytes, whatever
the layer's size. Layers here are canonical and never flipped: `Layer.unflipped` and a rotated filter stand in.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from math import prod
from operator import add
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.layer import Axis, Layer, Shape, indices
from cnngrad.threads import in_order

__all__ = [
    "FEWEST_TILES",
    "Tile",
    "Tiles",
    "fitting",
    "room",
    "settle",
    "slab",
    "summed",
    "windows",
    "windows_by_tap",
]

# Bytes of what one thread works on: beyond the second-level cache, but then threads seldom wait for Python's lock. On
# an EPYC, dE/dW of 4x3x224x224 with 64 of 7x7, stride 2, in float64: 52 ms with 2**19, 41 with 2**20, 37 with this and
# with 2**22.
_TILE = 3 * 2**20
# Multiplications that one thread does in a millisecond or less, and the fewest tiles to make of more.
_SMALL_WORK = 2**23
FEWEST_TILES = 4


class Tile(NamedTuple):
    """Some samples, channels and positions of a layer's output, and what they read.

    Attributes:
        samples: the samples.
        channels: the channels of X; all of them, or those of some groups.
        filters: the filters of those groups.
        positions: the positions of O, a slice for each spatial axis.
        shape: (n, *i), the numbers of samples and of positions.
        size: (n, c, *h), the shape of the slab: the part of padded X that the windows span.
        inner: the part of X, an index of (N, C, *S), that the slab covers.
        outer: the same part as an index of the slab.
        padded: whether the slab reaches beyond X.
    """

    samples: slice
    channels: slice
    filters: slice
    positions: tuple[slice, ...]
    shape: tuple[int, ...]
    size: tuple[int, ...]
    inner: tuple[slice, ...]
    outer: tuple[slice, ...]
    padded: bool

    @property
    def number(self) -> int:
        """How many positions of O there are in it."""
        return prod(self.shape)

    def of(self, outputs: Array) -> Array:
        """This tile of an array shaped like O: a view (n, f, *i)."""
        return outputs[(self.samples, self.filters, *self.positions)]


class Tiles(Iterable[Tile]):
    """All tiles of a layer, in order, each made when its turn comes: long computations have hundreds of thousands.

    Attributes:
        counts: how many samples, channels and positions make a tile.
    """

    def __init__(self, layer: Layer, counts: Shape) -> None:
        """Tiles of at most `counts` (samples, channels, *positions); of groups they hold whole ones."""
        self.counts = counts
        self._layer = layer
        self._sizes = (layer.batch, layer.channels, *layer.out)
        # How many tiles there are along each of those.
        self._numbers = tuple(-(-size // count) for size, count in zip(self._sizes, counts, strict=True))

    def __iter__(self) -> Iterator[Tile]:
        """The tiles, the last positions first."""
        return map(self._at, indices(self._numbers))

    @property
    def first(self) -> Tile:
        """The first tile, which none is larger than."""
        return self._at((0,) * len(self.counts))

    def by_channels(self) -> Iterator[Iterator[Tile]]:
        """The tiles in runs, those of the same channels in each."""
        return map(self._run, range(self._numbers[1]))

    def _run(self, channels: int) -> Iterator[Tile]:
        for sample, *places in indices((self._numbers[0], *self._numbers[2:])):
            yield self._at((sample, channels, *places))

    def _at(self, places: tuple[int, ...]) -> Tile:
        firsts = tuple(place * count for place, count in zip(places, self.counts, strict=True))
        stops = tuple(map(min, map(add, firsts, self.counts), self._sizes))
        return _tile(self._layer, firsts, stops)


def fitting(layer: Layer, numbers: int, dtype: DType, channels: int | None = None, fewest: int = 1) -> Tiles:
    """Tiles of at most `_TILE` bytes, about, the last axes whole where they fit.

    Args:
        layer: the layer.
        numbers: how many numbers there are for each position.
        dtype: their dtype.
        channels: how many channels make a tile; where None all, and tiles go round where there is work for threads.
        fewest: positions on the first axis that a tile has at least, for which it may be a part of the others.
    """
    positions = layer.batch * prod(layer.out)
    most = max(1, _TILE // (numbers * dtype.itemsize))
    work = positions * layer.channels * prod(layer.kernel) * layer.group_filters
    if channels is None and work > _SMALL_WORK:
        most = min(most, -(-positions // FEWEST_TILES))
    first = max(1, min(fewest, layer.out[0], most))
    counts = []
    left = most // first
    for out in reversed(layer.out[1:]):
        counts.append(max(1, min(out, left)))
        left //= out
    first = max(first, min(layer.out[0], most // prod(counts)))
    return Tiles(layer, (max(1, most // prod(layer.out)), channels or layer.channels, first, *reversed(counts)))


def slab(x: Array, tile: Tile, dtype: DType) -> Array:
    """The part of X, with its padding, that the tile's windows span: (n, c, *h), of any strides.

    A view where nothing is padded and X holds numbers of this dtype.
    """
    here = x[tile.inner]
    if not tile.padded:
        return here if here.dtype == dtype else here.astype(dtype)
    padded = np.zeros(tile.size, dtype)
    padded[tile.outer] = here
    return padded


def windows(layer: Layer, tile: Tile, part: Array) -> Array:
    """A view (n, c, *u, *i) of a tile's slab: output i reads its position s*i + d*u through filter element u."""
    steps = [axis.dilation * step for axis, step in zip(layer.axes, part.strides[2:], strict=True)]
    moves = [axis.stride * step for axis, step in zip(layer.axes, part.strides[2:], strict=True)]
    return np.lib.stride_tricks.as_strided(
        part, (*part.shape[:2], *layer.kernel, *tile.shape[1:]), (*part.strides[:2], *steps, *moves)
    )


def windows_by_tap(
    x: Array, tile: Tile, axes: Sequence[Axis], firsts: Sequence[int], kernel: Shape, counts: Shape, dtype: DType
) -> Array:
    """The windows of a tile's samples and channels, padding included, without a slab: copied tap by tap.

    Args:
        x: X, canonical.
        tile: the tile.
        axes: the spatial axes; their strides and dilations count.
        firsts: the position in X of the first window's first element, for each axis.
        kernel: how many elements a window has.
        counts: how many windows there are.
        dtype: of what is given.

    Returns:
        (n, c, *u, *i), in new memory.
    """
    found = np.zeros((*tile.size[:2], *kernel, *counts), dtype)
    for taps in np.ndindex(kernel):
        filled, read = [], []
        for axis, first, u, count in zip(axes, firsts, taps, counts, strict=True):
            start = first + axis.dilation * u
            inside = axis.inside_of(start, count)
            filled.append(slice(inside.start, inside.stop))
            low = start + axis.stride * inside.start
            read.append(slice(low, low + axis.stride * len(inside), axis.stride) if inside else slice(0))
        found[(slice(None), slice(None), *taps, *filled)] = x[(tile.samples, tile.channels, *read)]
    return found


def room(layer: Layer, tile: Tile, o: Array, dtype: DType) -> Array:
    """Where to compute a tile's outputs (n, g, F/g, positions): in O itself where that is possible, else new memory."""
    target = tile.of(o)
    shape = (tile.shape[0], layer.groups, layer.group_filters, prod(tile.shape[1:]))
    return target.reshape(shape) if _is_even(target, dtype) else np.empty(shape, dtype)


def settle(layer: Layer, tile: Tile, o: Array, result: Array, b: Array | None) -> None:
    """Add the bias to the outputs that were computed where `room` told, and bring them to O."""
    if b is not None:
        result += b.reshape(layer.groups, layer.group_filters, 1)
    target = tile.of(o)
    if not _is_even(target, result.dtype):
        target[...] = result.reshape(target.shape)


def summed(
    layer: Layer, every: Tiles, compute: Callable[[Tile], Array], total: Array, along: int | None
) -> Iterator[float]:
    """Add up what tiles give to a filter's gradient; gives the number of positions of O that are done each time.

    Args:
        layer: the layer.
        every: the tiles.
        compute: a tile's part of the gradient, in the dtype to compute in.
        total: where to write the gradient, by groups, of any order of axes, strides and dtype.
        along: the axis of `total` along which tiles of some channels write theirs: those of the same channels are one
            thread's, which suits a large gradient. None where every tile has all channels.
    """
    if along is None:
        whole: Array | None = None
        for tile, found in zip(every, in_order(partial(compute, tile) for tile in every), strict=True):
            whole = found if whole is None else np.add(whole, found, out=whole)
            yield tile.number
        if whole is not None:
            total[...] = whole.reshape(total.shape)
        return

    def add_up(run: Iterator[Tile]) -> float:
        first = next(run)
        found, count = compute(first), first.number
        for tile in run:
            np.add(found, compute(tile), out=found)
            count += tile.number
        here = total[(*(slice(None),) * along, first.channels)]
        here[...] = found.reshape(here.shape)
        return count * _length(first.channels) / layer.channels

    yield from in_order(partial(add_up, run) for run in every.by_channels())


def _is_even(target: Array, dtype: DType) -> bool:
    """Whether an array (n, f, *i) has this dtype, and its positions lie one step apart, as those of a matrix's row."""
    step = target.itemsize
    for size, stride in zip(target.shape[:1:-1], target.strides[:1:-1], strict=True):
        if size > 1 and stride != step:
            return False
        step *= size
    return target.dtype == dtype


@lru_cache(maxsize=2**10)
def _tile(layer: Layer, firsts: tuple[int, ...], stops: tuple[int, ...]) -> Tile:
    samples, channels, *positions = map(slice, firsts, stops)
    shape = [_length(samples)]
    size, inner, outer = [_length(samples), _length(channels)], [samples, channels], [slice(None), slice(None)]
    padded = False
    for axis, where in zip(layer.axes, positions, strict=True):
        shape.append(_length(where))
        span = axis.stride * (_length(where) - 1) + axis.span
        first = axis.position(where.start, 0)
        high = max(min(first + span, axis.size), 0)
        low = min(max(first, 0), high)
        size.append(span)
        inner.append(slice(low, high))
        outer.append(slice(low - first, high - first))
        padded = padded or high - low < span
    filters = slice(None)
    if layer.groups > 1:
        group = layer.group_channels
        filters = slice(*(bound // group * layer.group_filters for bound in (channels.start, channels.stop)))
    return Tile(
        samples, channels, filters, tuple(positions), tuple(shape), tuple(size), tuple(inner), tuple(outer), padded
    )


def _length(part: slice) -> int:
    length: int = part.stop - part.start
    return length
