"""Rows: windows side by side along all axes but that of the rows, and one matrix product for each row of O.

With S the columns (rows of X, C/g * K/k, width) for the filter's positions on the other axes, the rows s*i to s*i + k-1
that row i of O reads are contiguous in memory. So they are a matrix (k * C/g * K/k, width) as they are, and

    O[i] = W S[s*i..s*i+k]        dE/dW = sum over i of dE/dO[i] S[s*i..s*i+k]^T

copy X K/k times instead of K times.

Cho and Brand, MEC: Memory-efficient Convolution for Deep Neural Network, 2017.
"""

from dataclasses import replace
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute import measured
from cnngrad.compute.tiles import Tile, Tiles, filled, slab, slid
from cnngrad.compute.way import Way
from cnngrad.tensor import DW

__all__ = ["Rows"]


class Rows(Way):
    """For wide rows and few filters: a product for each row of O, without K copies of X."""

    def can(self) -> bool:
        """Whether a row of O reads little enough contiguous memory, and is long enough to be worth a product.

        The product for each row reads all of W again, or has the size of dE/dW, which must be small compared with the
        row. Measured in float64, one thread, columns against rows, O: 1024x1024 with 3x3 13 and 6.7 ms; 16x256x256 with
        16 of 3x3 36 and 27; 4x64x56x56 with 64 of 3x3 77 and 71; depthwise 4x128x28x28 with 3x3 7.6 and 5.4. dE/dW:
        1024x1024 with 3x3 13 and 6.4 ms; 4x64x56x56 with 64 of 3x3 80 and 95; 3x224x224 with 64 of 7x7, stride 2, 73
        and 78; depthwise 4x128x28x28 with 3x3 8.9 and 6.4.
        """
        layer = self.layer
        if layer.dims == 1 or any(axis.dilation > 1 for axis in layer.axes) or self.taps == 1:
            return False
        length = layer.out[-1]
        filters = layer.group_filters
        if self.result is DW:
            if self.channels_at_once() < layer.channels:
                return False
            narrow = False
            long = length >= filters * layer.kernel[-2]
        else:
            narrow = filters <= measured.FEW_FILTERS
            long = 4 * length >= 3 * filters
        width = 1 if narrow else min(length, measured.ROW_WIDTH)
        window = layer.channels * self.taps * self.dtype.itemsize
        return long and (measured.SHARED_ROWS + 1) * window * width <= measured.ROW_TILE

    def tiles(self) -> Tiles:
        """As many rows as fit; long rows are cut, so that tiles are high and share few rows."""
        layer = self.layer
        row = layer.axes[-2]
        others = (*layer.axes[:-2], layer.axes[-1])
        # Numbers for each position of a row: those of X, in the columns or skipped by a stride, and those of O.
        numbers = layer.channels * max(prod(a.kernel for a in others), prod(a.stride for a in others)) + layer.filters
        most = measured.ROW_TILE // (numbers * self.dtype.itemsize)
        height = min(row.out, max(measured.SHARED_ROWS * row.kernel // row.stride, 1))
        width = max(1, min(layer.out[-1], most // (row.stride * (height - 1) + row.kernel)))
        rows = max(height, (most // width - row.kernel) // row.stride + 1)
        return Tiles(layer, (layer.channels, *filled(rows, (layer.batch, *layer.out[:-1])), width))

    def prepared(self, w: Array) -> Array:
        """W with the filter's rows in front: (g, F/g, k * C/g * K/k), and an axis for each of O's in front of rows."""
        layer = self.layer
        filters = np.ascontiguousarray(np.moveaxis(w, -2, 2), self.dtype)
        return filters.reshape(layer.groups, *(1,) * (layer.dims - 1), layer.group_filters, -1)

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        """O[i] = W S[s*i..s*i+k]."""
        here = np.moveaxis(tile.of(target), 2, -2)
        columns = self._columns(tile, source)
        if b is None:
            np.matmul(w, columns, out=here, casting="unsafe")
        else:
            here[...] = np.matmul(w, columns) + b.reshape(*w.shape[:-1], 1)

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """dE/dW = sum over i of dE/dO[i] S[s*i..s*i+k]^T: the products of all rows, some at a time."""
        layer = self.layer
        above = np.moveaxis(tile.of(dedo), 2, -2).astype(self.dtype, copy=False)
        columns = self._columns(tile, x)
        found = np.zeros((layer.groups, layer.group_filters, columns.shape[-2]), self.dtype)
        *others, lines, _ = tile.shape
        most = max(1, measured.ROW_PRODUCTS // (prod(others) * found.nbytes))
        for first in range(0, lines, most):
            here = (..., slice(first, first + most), slice(None), slice(None))
            products = np.matmul(above[here], columns[here].swapaxes(-1, -2))
            found += products.sum(axis=(0, *range(2, layer.dims + 1)))
        *deep, height, width = layer.kernel
        return np.moveaxis(found.reshape(*found.shape[:2], height, -1, *deep, width), 2, -2)

    def _columns(self, tile: Tile, x: Array) -> Array:
        """The rows that each row of O reads, as a view (n, g, *i but the width, k * C/g * K/k, width)."""
        layer = self.layer
        row = layer.axes[-2]
        axes = (*layer.axes[:-2], replace(row, kernel=1, stride=1), layer.axes[-1])
        seen = slid(slab(tile, x, self.dtype), axes)
        seen = seen.reshape(len(seen), layer.groups, -1, *seen.shape[2:])
        last = seen.ndim - 1
        seen = seen.transpose(0, 1, *range(3 + layer.dims, last), *range(2, 3 + layer.dims), last)
        columns = np.ascontiguousarray(seen).reshape(*seen.shape[: 1 + layer.dims], -1, seen.shape[-1])
        *lead, step, inner, outer = columns.strides
        shape = (*columns.shape[:-3], tile.shape[-2], row.kernel * columns.shape[-2], columns.shape[-1])
        return np.lib.stride_tricks.as_strided(columns, shape, (*lead, row.stride * step, inner, outer))
