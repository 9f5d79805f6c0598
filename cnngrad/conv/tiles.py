"""Tiles: the parts of a layer's output that are computed one at a time, and the windows of the input that they read.

A way of computing works through tiles, so that what it needs besides inputs and results is a few megabytes, whatever
the layer's size. Layers here are canonical and never flipped: `Layer.unflipped` and a rotated filter stand in.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from itertools import product
from math import prod

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.geometry import Layer
from cnngrad.threads import in_order

__all__ = [
    "FEWEST_TILES",
    "Tile",
    "fitting",
    "parts_of_channels",
    "room",
    "settle",
    "slab",
    "summed",
    "tiles",
    "windows",
]

# Bytes of what one thread works on: beyond the second-level cache, but then threads seldom wait for Python's lock. On
# an EPYC with the columns of 4x64x56x56, 64 of 3x3 in float64: 20 ms with 2**20, 14 with 2**22.
_TILE = 2**22
# Multiplications that one thread does in a millisecond or less, and the fewest tiles to make of more.
_SMALL_WORK = 2**23
FEWEST_TILES = 4
# Bytes of dE/dW from which a thread adds up all tiles for some of its channels, so that there is one of it.
_LARGE_SUM = 2**20


@dataclass(frozen=True, eq=False)
class Tile:
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
    def count(self) -> int:
        """The positions of O in it."""
        return prod(self.shape)

    def of(self, outputs: Array) -> Array:
        """This tile of an array shaped like O: a view (n, f, *i)."""
        return outputs[(self.samples, self.filters, *self.positions)]


@lru_cache(maxsize=64)
def tiles(layer: Layer, samples: int, channels: int, counts: tuple[int, ...]) -> tuple[Tile, ...]:
    """All tiles of a layer, in order.

    Args:
        layer: the layer.
        samples: how many samples make a tile, at most.
        channels: how many channels; where there are groups, those of whole groups.
        counts: how many positions, for each spatial axis.
    """
    blocks = [_blocks(layer.batch, samples), _blocks(layer.channels, channels)]
    blocks += [_blocks(out, count) for out, count in zip(layer.out, counts, strict=True)]
    return tuple(_tile(layer, block[0], block[1], block[2:]) for block in product(*blocks))


def fitting(layer: Layer, numbers: int, dtype: DType, channels: int | None = None, fewest: int = 1) -> tuple[Tile, ...]:
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
    return tiles(layer, max(1, most // prod(layer.out)), channels or layer.channels, (first, *reversed(counts)))


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
    layer: Layer, every: tuple[Tile, ...], compute: Callable[[Tile], Array], total: Array, by_channels: bool
) -> Iterator[float]:
    """Add up what tiles give to a filter's gradient; gives the number of positions of O that are done each time.

    Args:
        layer: the layer.
        every: the tiles.
        compute: a tile's part of the gradient.
        total: where to write the gradient, with axes (..., C/g, filter positions).
        by_channels: all tiles of the same channels are one thread's, which suits a large gradient.
    """
    if not by_channels:
        total[...] = 0
        for tile, found in zip(every, in_order([partial(compute, tile) for tile in every]), strict=True):
            total += found.reshape(total.shape)
            yield tile.count
        return
    runs: dict[int, list[Tile]] = {}
    for tile in every:
        runs.setdefault(tile.channels.start, []).append(tile)

    def add(run: list[Tile]) -> float:
        here = total[..., run[0].channels, :] if layer.groups == 1 else total
        found = reduce(lambda found, part: np.add(found, part, out=found), map(compute, run))
        here[...] = found.reshape(here.shape)
        share: float = here.shape[-2] / total.shape[-2]
        return share * sum(tile.count for tile in run)

    yield from in_order([partial(add, run) for run in runs.values()])


def parts_of_channels(layer: Layer, dw: Array) -> int | None:
    """Of how many channels a large dE/dW is computed at a time; None for one that is added up from tiles."""
    if dw.nbytes <= _LARGE_SUM:
        return None
    if layer.groups > 1:
        return layer.channels
    return -(-layer.channels // max(FEWEST_TILES, -(-dw.nbytes // (2 * _LARGE_SUM))))


def _is_even(target: Array, dtype: DType) -> bool:
    """Whether an array (n, f, *i) has this dtype, and its positions lie one step apart, as those of a matrix's row."""
    step = target.itemsize
    for size, stride in zip(target.shape[:1:-1], target.strides[:1:-1], strict=True):
        if size > 1 and stride != step:
            return False
        step *= size
    return target.dtype == dtype


def _blocks(size: int, count: int) -> list[slice]:
    return [slice(first, min(first + count, size)) for first in range(0, size, count)]


def _tile(layer: Layer, samples: slice, channels: slice, positions: tuple[slice, ...]) -> Tile:
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
    return Tile(samples, channels, filters, positions, tuple(shape), tuple(size), tuple(inner), tuple(outer), padded)


def _length(part: slice) -> int:
    length: int = part.stop - part.start
    return length
