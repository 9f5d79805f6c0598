"""Rows: windows side by side along all axes but that of the rows, and one matrix product for each row of O.

With S the columns (rows of X, C/g * K/k, width) for the filter's positions on the other axes, the rows s*i to s*i + k-1
that row i of O reads are contiguous in memory. So they are a matrix (k * C/g * K/k, width) as they are, and

    O[i] = W S[s*i..s*i+k]        dE/dW = sum over i of dE/dO[i] S[s*i..s*i+k]^T

copy X K/k times instead of K times.

Cho and Brand, MEC: Memory-efficient Convolution for Deep Neural Network, 2017.
"""

from math import prod

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.measured import Measured
from cnngrad.compute.tiles import Tile, Tiles, channels_at_once, slab
from cnngrad.compute.way import SummingWay, Way, WritingWay
from cnngrad.layer import Layer

__all__ = ["RowsForFilterGradient", "RowsForOutput"]


class _Rows(Way):
    """What O and dE/dW have in common."""

    name = "rows"

    def tiles(self) -> Tiles:
        """As many rows as fit; long rows are cut, so that tiles are high and share few rows."""
        layer = self.layer
        row = layer.axes[-2]
        others = [axis for axis in layer.axes if axis is not row]
        # Numbers for each position of a row: those of X, in the columns or skipped by a stride, and those of O.
        numbers = layer.channels * max(prod(a.kernel for a in others), prod(a.stride for a in others)) + layer.filters
        most = self.measured.row_tile // (numbers * self.dtype.itemsize)
        height = min(row.out, max(self.measured.shared_rows * row.kernel // row.stride, 1))
        width = max(1, min(layer.out[-1], most // (row.stride * (height - 1) + row.kernel)))
        rows = max(height, (most // width - row.kernel) // row.stride + 1)
        depth = [max(1, min(out, rows // row.out)) for out in layer.out[:-2]]
        samples = max(1, rows // (row.out * prod(depth)))
        sizes = (layer.batch, layer.channels, *layer.out)
        return Tiles(sizes, (samples, layer.channels, *depth, min(row.out, rows), width))


class RowsForOutput(_Rows, WritingWay):
    """O[i] = W S[s*i..s*i+k]."""

    suits = "wide rows and few filters, of which X need not be copied K times"

    def can(self) -> bool:
        """The product for each row reads all of W again, so W must be small compared with the row.

        Measured in float64, one thread, columns against rows: 1024x1024 with 3x3 13 and 6.7 ms; 16x256x256 with 16 of
        3x3 36 and 27; 4x64x56x56 with 64 of 3x3 77 and 71; depthwise 4x128x28x28 with 3x3 7.6 and 5.4.
        """
        layer = self.layer
        few = 4 * layer.out[-1] >= 3 * layer.group_filters
        return few and _has_large_rows(
            layer, self.dtype, self.measured, narrow=layer.group_filters <= self.measured.few_filters
        )

    def prepared(self, w: Array) -> Array:
        """W with the filter's rows in front: (g, F/g, k * C/g * K/k), and an axis for each of O's in front of rows."""
        layer = self.layer
        filters = np.ascontiguousarray(np.moveaxis(w, -2, 2), self.dtype)
        return filters.reshape(layer.groups, *(1,) * (layer.dims - 1), layer.group_filters, -1)

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        layer = self.layer
        here = _by_rows(layer, tile, target)
        columns = _columns(layer, tile, slab(layer, tile, source, w.dtype))
        if b is None:
            np.matmul(w, columns, out=here, casting="unsafe")
        else:
            here[...] = np.matmul(w, columns) + b.reshape(
                layer.groups, *(1,) * (layer.dims - 1), layer.group_filters, 1
            )


class RowsForFilterGradient(_Rows, SummingWay):
    """dE/dW = sum over i of dE/dO[i] S[s*i..s*i+k]^T."""

    suits = "long rows and few filter elements"

    def can(self) -> bool:
        """The product for each row has the size of dE/dW, which must be small compared with the row.

        Measured in float64, one thread, columns against rows: 1024x1024 with 3x3 13 and 6.4 ms; 4x64x56x56 with 64 of
        3x3 80 and 95; 3x224x224 with 64 of 7x7, stride 2, 73 and 78; depthwise 4x128x28x28 with 3x3 7.0 and 6.3.
        """
        layer = self.layer
        return (
            channels_at_once(layer, self.dtype, self.measured) is None
            and _has_large_rows(layer, self.dtype, self.measured, narrow=False)
            and layer.out[-1] >= max(self.measured.row_length, layer.group_filters * layer.kernel[-2])
        )

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """The products of all rows, some at a time."""
        layer = self.layer
        above = _by_rows(layer, tile, dedo).astype(self.dtype, copy=False)
        columns = _columns(layer, tile, slab(layer, tile, x, self.dtype))
        found = np.zeros((layer.groups, layer.group_filters, columns.shape[-2]), self.dtype)
        samples, *deep, lines, _ = tile.shape
        most = max(1, self.measured.row_products // (samples * prod(deep) * found.nbytes))
        for first in range(0, lines, most):
            here = (..., slice(first, first + most), slice(None), slice(None))
            products = np.matmul(above[here], columns[here].swapaxes(-1, -2))
            found += products.sum(axis=(0, *range(2, layer.dims + 1)))
        *deep, height, width = layer.kernel
        by_rows = found.reshape(*found.shape[:2], height, layer.group_channels, *deep, width)
        return np.moveaxis(by_rows, 2, -2)


def _has_large_rows(layer: Layer, dtype: DType, measured: Measured, narrow: bool) -> bool:
    """Whether a row of O reads contiguous memory that is small enough, and is long enough to be worth a product.

    Args:
        layer: the layer.
        dtype: the dtype to compute in.
        measured: the limits.
        narrow: whether the products may be of few columns.
    """
    if layer.dims == 1 or any(axis.dilation > 1 for axis in layer.axes) or prod(layer.kernel) == 1:
        return False
    width = 1 if narrow else min(layer.out[-1], measured.row_width)
    window = layer.channels * prod(layer.kernel) * dtype.itemsize
    work = layer.out[-1] * layer.group_filters * layer.group_channels * prod(layer.kernel)
    return work >= measured.row_work and (measured.shared_rows + 1) * window * width <= measured.row_tile


def _by_rows(layer: Layer, tile: Tile, outputs: Array) -> Array:
    """A tile of an array like O, for each row a matrix: a view (n, g, *i but the width, F/g, width)."""
    here = tile.of(layer, outputs)
    here = here.reshape(here.shape[0], layer.groups, layer.group_filters, *here.shape[2:])
    return np.moveaxis(here, 2, -2)


def _columns(layer: Layer, tile: Tile, part: Array) -> Array:
    """The rows that each row of O reads, as a view (n, g, *i but the width, k * C/g * K/k, width)."""
    *deep, row, last = layer.axes
    steps = part.strides[2:]
    channels = layer.group_channels
    others = [axis for axis in layer.axes if axis is not row]
    rows = row.stride * (tile.shape[-2] - 1) + row.kernel
    view = np.lib.stride_tricks.as_strided(
        part,
        (tile.shape[0], layer.groups, *tile.shape[1:-2], rows, channels, *(a.kernel for a in others), tile.shape[-1]),
        (
            part.strides[0],
            channels * part.strides[1],
            *(axis.stride * step for axis, step in zip(deep, steps[:-2], strict=True)),
            steps[-2],
            part.strides[1],
            *(axis.dilation * step for axis, step in zip(others, (*steps[:-2], steps[-1]), strict=True)),
            last.stride * steps[-1],
        ),
    )
    columns = np.ascontiguousarray(view).reshape(*view.shape[: layer.dims + 1], -1, tile.shape[-1])
    height = columns.shape[-2]
    return np.lib.stride_tricks.as_strided(
        columns,
        (*columns.shape[:-3], tile.shape[-2], row.kernel * height, tile.shape[-1]),
        (*columns.strides[:-3], row.stride * columns.strides[-3], *columns.strides[-2:]),
    )
