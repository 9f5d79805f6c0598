"""Tiles: the parts of a result that are computed one at a time, and the parts of the input that they read.

All layers are cut here, so that a layer of any size needs only some megabytes besides inputs and results.
Layers here are canonical and not flipped.
"""

from collections.abc import Iterator, Sequence
from math import prod
from operator import getitem
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnngrad.arrays import Array, DType
from cnngrad.layer import Axis, Layer, Shape

__all__ = ["Tile", "Tiles", "filled", "meetings", "slab", "slid"]

Slices = tuple[Any, ...]


class Tile(NamedTuple):
    """Some channels, samples and positions of a layer.

    Attributes:
        layer: the layer.
        channels: the channels of X: all of them, some of a layer without groups, or those of some groups.
        samples: the samples.
        positions: the positions, a slice for each spatial axis.
    """

    layer: Layer
    channels: slice
    samples: slice
    positions: tuple[slice, ...]

    @property
    def shape(self) -> Shape:
        """(n, *i): the numbers of samples and of positions."""
        return tuple(part.stop - part.start for part in (self.samples, *self.positions))

    @property
    def groups(self) -> slice:
        """The groups that its channels belong to."""
        each = self.layer.group_channels
        return slice(self.channels.start // each, -(-self.channels.stop // each))

    def of(self, outputs: Array) -> Array:
        """This tile of an array shaped like O: a view (n, g, F/g, *i)."""
        layer = self.layer
        by_groups = outputs.reshape(layer.batch, layer.groups, layer.group_filters, *outputs.shape[2:])
        return by_groups[self.samples, self.groups, :, *self.positions]

    @property
    def weights(self) -> tuple[slice, ...]:
        """The place of its channels in W by groups, an index of (g, F/g, C/g, *K)."""
        return (self.groups, slice(None), slice(None) if self.layer.groups > 1 else self.channels)


class Tiles:
    """The tiles of a layer, made on demand; those of one block of channels are consecutive.

    Attributes:
        counts: the numbers of channels, samples and positions of a tile.
    """

    def __init__(self, layer: Layer, counts: Sequence[int], positions: Shape | None = None) -> None:
        """Tiles of at most these numbers of channels, samples and positions: O's, or those of the given shape."""
        sizes = (layer.channels, layer.batch, *(positions or layer.out))
        self._layer = layer
        self.counts = tuple(map(min, counts, sizes))
        self._parts = list(map(_cut, sizes, self.counts))

    def __len__(self) -> int:
        """The number of tiles."""
        return prod(map(len, self._parts))

    def __getitem__(self, number: int) -> Tile:
        """The tile with this number, counted from 0.

        Raises:
            ValueError: there is no such tile.
        """
        places = np.unravel_index(number, [*map(len, self._parts)])
        channels, samples, *positions = map(getitem, self._parts, places)
        return Tile(self._layer, channels, samples, tuple(positions))

    @property
    def blocks(self) -> int:
        """The number of blocks into which the channels are cut."""
        return len(self._parts[0])


def _cut(size: int, count: int) -> list[slice]:
    """The parts of an axis, of at most `count` positions each."""
    return [slice(first, min(first + count, size)) for first in range(0, size, count)]


def filled(most: int, sizes: Shape) -> list[int]:
    """The sizes of a tile of at most `most` elements along each axis, the last axes whole if they fit."""
    return [max(1, most // prod(sizes[axis + 1 :])) for axis in range(len(sizes))]


def slid(part: Array, axes: Sequence[Axis]) -> Array:
    """The windows that slide over an array (n, c, *h) without padding: a view (n, c, *u, *i)."""
    last = tuple(range(2, part.ndim))
    found = sliding_window_view(part, tuple(axis.span for axis in axes), last)
    steps = (slice(None, None, step) for step in (*(a.stride for a in axes), *(a.dilation for a in axes)))
    return np.moveaxis(found[:, :, *steps], last, tuple(range(part.ndim, found.ndim)))


def meetings(axes: Sequence[Axis], outputs: Sequence[slice]) -> Iterator[tuple[Slices, Slices, Slices]]:
    """For each filter element the outputs that meet X, counted from the first given one, and the inputs they meet."""
    for taps in np.ndindex(*(axis.kernel for axis in axes)):
        met, inputs = zip(*map(Axis.meeting, axes, taps, outputs), strict=True)
        yield taps, met, inputs


def slab(tile: Tile, x: Array, dtype: DType) -> Array:
    """The part of X, with its padding, that the windows of a tile's outputs span: (n, c, *h), of any strides.

    A view if nothing is padded and X has this dtype.
    """
    inner = []
    outer = []
    size = []
    for axis, outputs in zip(tile.layer.axes, tile.positions, strict=True):
        first = axis.position(outputs.start, 0)
        stop = axis.position(outputs.stop - 1, axis.kernel - 1) + 1
        high = max(min(stop, axis.size), 0)
        low = min(max(first, 0), high)
        inner.append(slice(low, high))
        outer.append(slice(low - first, high - first))
        size.append(stop - first)
    here = x[tile.samples, tile.channels, *inner]
    if here.shape[2:] == tuple(size):
        return here.astype(dtype, copy=False)
    padded = np.zeros((*here.shape[:2], *size), dtype)
    padded[:, :, *outer] = here
    return padded
