"""Tiles: the parts of a result that are computed one at a time, and the parts of the input that they read.

All layers are cut here, so that besides inputs and results only some megabytes are needed, whatever the layer's size.
Layers here are canonical and not flipped.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.measured import Measured
from cnngrad.layer import Axis, Layer, Shape
from cnngrad.tensor import Tensor

__all__ = ["Tile", "Tiles", "channels_at_once", "fitting", "slab", "spanned", "windows"]

# A slab is copied only if it holds at most this many times what the windows read.
_WIDE = 2


class Tile(NamedTuple):
    """Some samples, channels and positions.

    Attributes:
        samples: the samples.
        channels: the channels of X: all of them, some of a layer without groups, or those of some groups.
        positions: the positions, a slice for each spatial axis.
    """

    samples: slice
    channels: slice
    positions: tuple[slice, ...]

    @property
    def shape(self) -> Shape:
        """(n, *i): the numbers of samples and of positions."""
        return tuple(map(_length, (self.samples, *self.positions)))

    def groups(self, layer: Layer) -> slice:
        """The groups that its channels belong to."""
        return slice(self.channels.start // layer.group_channels, -(-self.channels.stop // layer.group_channels))

    def of(self, layer: Layer, outputs: Array) -> Array:
        """This tile of an array shaped like O, with the filters of its groups: a view (n, f, *i)."""
        groups = self.groups(layer)
        filters = slice(groups.start * layer.group_filters, groups.stop * layer.group_filters)
        return outputs[(self.samples, filters, *self.positions)]

    def weights(self, layer: Layer) -> tuple[slice, ...]:
        """The place of its channels in W by groups, an index of (g, F/g, C/g, *K)."""
        return (self.groups(layer),) if layer.groups > 1 else (slice(None), slice(None), self.channels)


class Tiles:
    """All the tiles of some samples, channels and positions, each made when its turn comes.

    Attributes:
        sizes: the total numbers of samples, channels and positions.
        counts: how many of each a tile has.
    """

    def __init__(self, sizes: Shape, counts: Shape) -> None:
        """Tiles of at most `counts` of `sizes`."""
        self.sizes = sizes
        self.counts = tuple(map(min, counts, sizes))
        self._numbers = tuple(-(-size // count) for size, count in zip(sizes, self.counts, strict=True))

    def __len__(self) -> int:
        """How many there are."""
        return prod(self._numbers)

    def __getitem__(self, number: int) -> Tile:
        """The tile with this number, counted from 0: those of one block of channels follow each other.

        Raises:
            ValueError: there are not so many.
        """
        samples, channels, *positions = self._numbers
        channel, sample, *others = np.unravel_index(number, (channels, samples, *positions))
        first, second, *rest = (
            slice(int(place) * count, min((int(place) + 1) * count, size))
            for place, count, size in zip((sample, channel, *others), self.counts, self.sizes, strict=True)
        )
        return Tile(first, second, tuple(rest))

    @property
    def blocks(self) -> int:
        """The number of blocks into which the channels are cut."""
        return self._numbers[1]


def fitting(layer: Layer, numbers: int, dtype: DType, measured: Measured, channels: int | None = None) -> Tiles:
    """Tiles of O's positions, of about `measured.tile` bytes, the last axes whole where they fit.

    Args:
        layer: the layer.
        numbers: how many numbers there are for each position.
        dtype: their dtype.
        measured: the sizes.
        channels: how many channels a tile has; None for all, and then a large layer is cut into several tiles at least.
    """
    positions = layer.batch * prod(layer.out)
    most = max(1, measured.tile // (numbers * dtype.itemsize))
    if channels is None and positions * layer.channels * prod(layer.kernel) * layer.group_filters > measured.small_work:
        most = min(most, -(-positions // measured.fewest_tiles))
    counts: list[int] = []
    left = most
    for out in reversed(layer.out):
        counts.append(max(1, min(out, left)))
        left //= out
    sizes = (layer.batch, layer.channels, *layer.out)
    return Tiles(sizes, (max(1, left), channels or layer.channels, *reversed(counts)))


def channels_at_once(layer: Layer, dtype: DType, measured: Measured) -> int | None:
    """How many channels of a large dE/dW one tile computes; None for a small dE/dW, which is summed as a whole."""
    size = prod(layer.canonical[Tensor.W]) * dtype.itemsize
    if size <= measured.large_sum:
        return None
    unit = layer.group_channels if layer.groups > 1 else 1
    blocks = max(measured.fewest_tiles, -(-size // (2 * measured.large_sum)))
    return unit * -(-layer.channels // unit // min(blocks, layer.channels // unit))


def windows(layer: Layer, tile: Tile, x: Array, dtype: DType, together: bool = False) -> Array:
    """The windows of a tile's outputs, padding included: (n, c, *u, *i), a copy whose memory is in this order.

    Or `together`, (c, *u, n, *i).
    """
    spans = [axis.stride * (count - 1) + axis.span for axis, count in zip(layer.axes, tile.shape[1:], strict=True)]
    if prod(spans) > _WIDE * prod(layer.kernel) * prod(tile.shape[1:]):
        # Where dilation and stride leave wide gaps, a slab would hold little that is read.
        view = _windows_by_tap(layer, tile, x, dtype)
    else:
        part = slab(layer, tile, x, dtype)
        steps = [axis.dilation * step for axis, step in zip(layer.axes, part.strides[2:], strict=True)]
        moves = [axis.stride * step for axis, step in zip(layer.axes, part.strides[2:], strict=True)]
        shape = (*part.shape[:2], *layer.kernel, *tile.shape[1:])
        view = np.lib.stride_tricks.as_strided(part, shape, (*part.strides[:2], *steps, *moves))
    return np.ascontiguousarray(np.moveaxis(view, 0, 1 + layer.dims) if together else view)


def _windows_by_tap(layer: Layer, tile: Tile, x: Array, dtype: DType) -> Array:
    """The windows, copied from X for each element of the filter."""
    samples, channels = _length(tile.samples), _length(tile.channels)
    found = np.zeros((samples, channels, *layer.kernel, *tile.shape[1:]), dtype)
    for taps in np.ndindex(layer.kernel):
        filled, read = [], []
        for axis, u, where in zip(layer.axes, taps, tile.positions, strict=True):
            first = axis.position(where.start, u)
            inside = axis.inside_of(first, _length(where))
            filled.append(slice(inside.start, inside.stop))
            low = first + axis.stride * inside.start
            read.append(slice(low, low + axis.stride * len(inside), axis.stride) if inside else slice(0))
        found[(slice(None), slice(None), *taps, *filled)] = x[(tile.samples, tile.channels, *read)]
    return found


def slab(layer: Layer, tile: Tile, x: Array, dtype: DType) -> Array:
    """The part of X, with its padding, that the windows of a tile's outputs span: (n, c, *h), of any strides.

    A view where nothing is padded and X holds numbers of this dtype.
    """
    spans = list(map(spanned, layer.axes, tile.positions))
    here = x[(tile.samples, tile.channels, *(inner for inner, _, _ in spans))]
    size = tuple(length for _, _, length in spans)
    if here.shape[2:] == size:
        return here.astype(dtype, copy=False)
    padded = np.zeros((*here.shape[:2], *size), dtype)
    padded[(slice(None), slice(None), *(outer for _, outer, _ in spans))] = here
    return padded


def spanned(axis: Axis, outputs: slice) -> tuple[slice, slice, int]:
    """What some outputs' windows span on an axis: the part inside X, its place in the span, the span's length."""
    length = axis.stride * (_length(outputs) - 1) + axis.span
    first = axis.position(outputs.start, 0)
    high = max(min(first + length, axis.size), 0)
    low = min(max(first, 0), high)
    return slice(low, high), slice(low - first, high - first), length


def _length(part: slice) -> int:
    length: int = part.stop - part.start
    return length
