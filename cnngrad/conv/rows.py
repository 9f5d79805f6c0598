"""Rows: windows side by side along all axes but that of the rows, and one matrix product for each row of O.

With S the columns (rows of X, C/g * K/k, width) for the filter's positions on the other axes, the rows s*i to s*i + k-1
that row i of O reads lie behind each other in memory. So they are a matrix (k * C/g * K/k, width) as they are, and

    O[i] = W S[s*i..s*i+k]        dE/dW = sum over i of dE/dO[i] S[s*i..s*i+k]^T

copy X K/k times instead of K times.

Cho and Brand, MEC: Memory-efficient Convolution for Deep Neural Network, 2017.
"""

from collections.abc import Iterator
from functools import partial
from math import prod

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.conv.tiles import Tile, Tiles, slab, summed
from cnngrad.layer import Layer
from cnngrad.threads import Job

__all__ = ["filter_gradient", "fits", "output"]

# Bytes of a tile's columns and outputs. Measured with two threads on an EPYC, one channel in float64: 1024x1024, 3x3
# 3.7 ms with 2**21 and 5.2 with 2**22; 2048x2048, 5x5 29 ms and 38.
_TILE = 2**21
# Bytes of the products of rows that are added up at once.
_PRODUCTS = 2**20
# A tile's rows are so many times those that its outputs share, at least, so that most are copied once; for that it may
# be a part of a row wide.
_FEWEST_ROWS = 3
# The width that such a part should have at least, so that it is worth a product.
_LEAST_WIDTH = 32


def fits(layer: Layer, itemsize: int, narrow: bool) -> bool:
    """Whether rows are a way for this layer: what they read lies behind each other, and is little for one row of O.

    Args:
        layer: the layer.
        itemsize: of the dtype to compute in.
        narrow: whether the products may be of few columns.
    """
    if layer.dims == 1 or any(axis.dilation > 1 for axis in layer.axes):
        return False
    width = 1 if narrow else min(layer.out[-1], _LEAST_WIDTH)
    return (_FEWEST_ROWS + 1) * layer.channels * prod(layer.kernel) * width * itemsize <= _TILE


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array) -> Iterator[Job[float]]:
    """What writes O, a job for each tile; arguments as for columns."""
    filters = np.moveaxis(w, -2, 2).reshape(layer.groups, *(1,) * (layer.dims - 1), layer.group_filters, -1)

    def compute(tile: Tile) -> int:
        target = _by_rows(layer, tile, o)
        direct = o.dtype == w.dtype and target.strides[-1] == o.itemsize
        result = np.matmul(filters, _columns(layer, tile, slab(x, tile, w.dtype)), out=target if direct else None)
        if b is not None:
            result += b.reshape(layer.groups, *(1,) * (layer.dims - 1), layer.group_filters, 1)
        if not direct:
            target[...] = result
        return tile.number

    return (partial(compute, tile) for tile in _tiles(layer, w.itemsize))


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array, dtype: DType) -> Iterator[float]:
    """Write dE/dW to `dw`, tile by tile; arguments as for columns."""

    def compute(tile: Tile) -> Array:
        above = _by_rows(layer, tile, dedo).astype(dtype, copy=False)
        columns = _columns(layer, tile, slab(x, tile, dtype))
        found = np.zeros((layer.groups, layer.group_filters, columns.shape[-2]), dtype)
        samples, *deep, lines, _ = tile.shape
        most = max(1, _PRODUCTS // (samples * prod(deep) * found.nbytes))
        for first in range(0, lines, most):
            here = (..., slice(first, first + most), slice(None), slice(None))
            products = np.matmul(above[here], columns[here].swapaxes(-1, -2))
            found += products.sum(axis=(0, *range(2, layer.dims + 1)))
        return found

    return summed(layer, _tiles(layer, dtype.itemsize), compute, np.moveaxis(dw, -2, 2), None)


def _by_rows(layer: Layer, tile: Tile, outputs: Array) -> Array:
    """A tile of an array like O, for each row a matrix: a view (n, g, *i but the width, F/g, width)."""
    here = tile.of(outputs)
    here = here.reshape(here.shape[0], layer.groups, layer.group_filters, *here.shape[2:])
    return np.moveaxis(here, 2, -2)


def _tiles(layer: Layer, itemsize: int) -> Tiles:
    """Tiles of as many rows as fit."""
    row = layer.axes[-2]
    # For each position of a row: of X, in the columns and where a stride steps over it, and of O.
    others = [axis for axis in layer.axes if axis is not row]
    numbers = layer.channels * max(prod(a.kernel for a in others), prod(a.stride for a in others)) + layer.filters
    most = _TILE // (numbers * itemsize)
    height = min(row.out, max(_FEWEST_ROWS * row.kernel // row.stride, 1))
    width = max(1, min(layer.out[-1], most // (row.stride * (height - 1) + row.kernel)))
    rows = max(height, (most // width - row.kernel) // row.stride + 1)
    depth = [max(1, min(out, rows // row.out)) for out in layer.out[:-2]]
    samples = max(1, rows // (row.out * prod(depth)))
    return Tiles(layer, (samples, layer.channels, *depth, min(row.out, rows), width))


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
