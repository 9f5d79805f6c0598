"""Columns: the windows of X side by side as a matrix, and one matrix product for each tile.

With C the columns (C/g * K, positions) of a group, W (F/g, C/g * K) and dE/dO (F/g, positions) as matrices:

    O = W C        dE/dW = dE/dO C^T

Known as im2col: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for Document Processing,
2006.
"""

from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute.tiles import Tile, Tiles, channels_at_once, fitting, windows
from cnngrad.compute.way import SummingWay, WritingWay

__all__ = ["ColumnsForFilterGradient", "ColumnsForOutput"]


class ColumnsForOutput(WritingWay):
    """O = W C, for every layer."""

    name, suits = "columns", "any layer"

    def can(self) -> bool:
        return True

    def tiles(self) -> Tiles:
        layer = self.layer
        return fitting(layer, layer.channels * prod(layer.kernel) + layer.filters, self.dtype, self.measured)

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        layer = self.layer
        here = tile.of(layer, target)
        columns = windows(layer, tile, source, w.dtype).reshape(len(here), layer.groups, -1, prod(tile.shape[1:]))
        result = np.matmul(w.reshape(layer.groups, layer.group_filters, -1), columns)
        if b is not None:
            result += b.reshape(layer.groups, layer.group_filters, 1)
        here[...] = result.reshape(here.shape)


class ColumnsForFilterGradient(SummingWay):
    """dE/dW = dE/dO C^T, for every layer."""

    name, suits = "columns", "any layer"

    def can(self) -> bool:
        return True

    def tiles(self) -> Tiles:
        """Tiles for whose columns and outputs there is room; those of a large dE/dW have only some channels each."""
        layer = self.layer
        channels = channels_at_once(layer, self.dtype, self.measured)
        numbers = (channels or layer.channels) * prod(layer.kernel) + layer.filters
        return fitting(layer, numbers, self.dtype, self.measured, channels)

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """One product for each group, over all samples and positions of the tile."""
        layer = self.layer
        above = tile.of(layer, dedo).astype(self.dtype, copy=False).swapaxes(0, 1)
        columns = windows(layer, tile, x, self.dtype, together=True)
        groups = len(range(layer.groups)[tile.groups(layer)])
        shape = (groups, layer.group_filters, len(columns) // groups, *layer.kernel)
        columns = columns.reshape(groups, prod(shape[2:]), -1)
        product: Array = np.matmul(above.reshape(groups, layer.group_filters, -1), columns.swapaxes(1, 2))
        return product.reshape(shape)
