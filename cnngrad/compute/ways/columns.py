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
from cnngrad.compute.tiles import Tile, Tiles, filled, windows
from cnngrad.compute.way import Way
from cnngrad.tensor import DW

__all__ = ["Columns"]


class Columns(Way):
    """For any layer."""

    def can(self) -> bool:
        return True

    def tiles(self) -> Tiles:
        """Tiles for whose columns and outputs there is room; those of a large dE/dW have only some channels each."""
        layer = self.layer
        channels = self.channels_at_once() if self.result is DW else layer.channels
        most = measured.TILE // ((channels * self.taps + layer.filters) * self.dtype.itemsize)
        sizes = (layer.batch, *layer.out)
        work = prod(sizes) * layer.channels * self.taps * layer.group_filters
        if channels == layer.channels and work > measured.SMALL_WORK:
            most = min(most, -(-prod(sizes) // measured.FEWEST_TILES))
        return Tiles(layer, (channels, *filled(most, sizes)))

    def columns(self, tile: Tile, x: Array, together: bool = False) -> Array:
        """The columns of a tile (n, g, C/g * K, positions); or `together`, (g, C/g * K, samples and positions)."""
        groups, shape = len(range(self.layer.groups)[tile.groups]), tile.shape
        samples, positions = ((), prod(shape)) if together else (shape[:1], prod(shape[1:]))
        return windows(tile, x, self.dtype, together).reshape(*samples, groups, -1, positions)

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        """O = W C."""
        layer, here = self.layer, tile.of(target)
        found = np.matmul(w.reshape(layer.groups, layer.group_filters, -1), self.columns(tile, source))
        if b is not None:
            found += b.reshape(layer.groups, layer.group_filters, 1)
        here[...] = found.reshape(here.shape)

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """dE/dW = dE/dO C^T: one product for each group, over all samples and positions of the tile."""
        above = np.moveaxis(tile.of(dedo).astype(self.dtype, copy=False), 0, 2)
        columns = self.columns(tile, x, together=True)
        found: Array = np.matmul(above.reshape(*above.shape[:2], -1), columns.swapaxes(1, 2))
        return found.reshape(*above.shape[:2], -1, *self.layer.kernel)
