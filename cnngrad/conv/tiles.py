"""Tiles: the parts of a layer's output that are computed one at a time, and the windows of the input that they read.

A way of computing works through tiles, so that what it needs besides inputs and results is a few megabytes, whatever
the layer's size. Layers here are canonical and never flipped: `Layer.unflipped` and a rotated filter stand in.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.geometry import Layer

__all__ = ["Tile", "slab", "tiles", "whole_rows", "windows"]


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


def whole_rows(layer: Layer, most: int) -> tuple[int, tuple[int, ...]]:
    """How many samples and positions to take for about `most` positions: the last axes whole where they fit."""
    counts = []
    for out in reversed(layer.out):
        counts.append(max(1, min(out, most)))
        most //= out
    return max(1, most), tuple(reversed(counts))


def slab(x: Array, tile: Tile, dtype: DType) -> Array:
    """The part of X, with its padding, that the tile's windows span: (n, c, *h), C-contiguous or a part of such.

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
