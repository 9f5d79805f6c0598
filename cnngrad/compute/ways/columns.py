"""Columns: the windows of X side by side as a matrix, and one matrix product for each tile.

With C the columns (C/g * K, positions) of a group, W (F/g, C/g * K) and dE/dO (F/g, positions) as matrices:

    O = W C        dE/dW = dE/dO C^T

Known as im2col: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for Document Processing,
2006.
"""

from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute import measured
from cnngrad.compute.tiles import Tile, Tiles, filled, meetings, slab, slid
from cnngrad.compute.way import Way
from cnngrad.tensor import DW

__all__ = ["Columns"]

# A slab is copied only if its size is at most this multiple of what the windows read.
_WIDE = 2


class Columns(Way):
    """For any layer."""

    def can(self) -> bool:
        return True

    def tiles(self) -> Tiles:
        """Tiles whose columns and outputs fit into `TILE`; those of a large dE/dW have only some channels each."""
        layer = self.layer
        channels = self.channels_at_once() if self.result is DW else layer.channels
        most = measured.TILE // ((channels * self.taps + layer.filters) * self.dtype.itemsize)
        sizes = (layer.batch, *layer.out)
        work = prod(sizes) * layer.channels * self.taps * layer.group_filters
        if channels == layer.channels and work > measured.SMALL_WORK:
            most = min(most, -(-prod(sizes) // measured.FEWEST_TILES))
        return Tiles(layer, (channels, *filled(most, sizes)))

    def columns(self, tile: Tile, x: Array) -> Array:
        """The columns of a tile, (g, C/g * K, samples and positions)."""
        layer = self.layer
        counts = tile.shape[1:]
        groups = tile.groups.stop - tile.groups.start
        spans = [axis.stride * (count - 1) + axis.span for axis, count in zip(layer.axes, counts, strict=True)]
        if prod(spans) > _WIDE * self.taps * prod(counts):
            # With wide gaps from dilation and stride most of a slab would never be read.
            part = x[tile.samples, tile.channels]
            found = np.zeros((*part.shape[:2], *layer.kernel, *counts), self.dtype)
            for taps, outputs, inputs in meetings(layer.axes, tile.positions):
                found[:, :, *taps, *outputs] = part[:, :, *inputs]
        else:
            found = slid(slab(tile, x, self.dtype), layer.axes)
        return np.ascontiguousarray(np.moveaxis(found, 0, 1 + layer.dims)).reshape(groups, -1, prod(tile.shape))

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        """O = W C."""
        layer = self.layer
        here = np.moveaxis(tile.of(target), 0, 2)
        found = np.matmul(w.reshape(layer.groups, layer.group_filters, -1), self.columns(tile, source))
        if b is not None:
            found += b.reshape(layer.groups, layer.group_filters, 1)
        here[...] = found.reshape(here.shape)

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """dE/dW = dE/dO C^T: one product for each group, over all samples and positions of the tile."""
        above = np.moveaxis(tile.of(dedo).astype(self.dtype, copy=False), 0, 2)
        columns = self.columns(tile, x)
        found: Array = np.matmul(above.reshape(*above.shape[:2], -1), columns.swapaxes(1, 2))
        return found.reshape(*above.shape[:2], -1, *self.layer.kernel)
