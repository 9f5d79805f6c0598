"""Bands: where every filter reads one channel, and every channel feeds one filter, some rows of the output at once.

The products of columns would have a single row. Instead R rows of O are the product of a band matrix and of rows of X
that lie in memory as they are needed, so that nothing is copied; for each position v of the filter's last axis

    O[i..i+R] += T_v X[i..i+R+d*(k-1), v..]          T_v[r, r + d*u] = w[u, v]

and dE/dw[u, v] is the sum of the diagonal r, r + d*u of dE/dO[i..i+R] X[i..i+R+d*(k-1), v..]^T. Where rows are long, R
is 1 and T_v the column v of the filter. For short rows a band has more: then most of T is 0, but a product of many rows
takes less time than many calls. Measured on an EPYC with AVX2, 1024x1024, 3x3 in float64, one thread: 7 ms with R = 1
and 11 with R = 8, where a loop over the taps takes 12; with images of 28x28, 7.2 with R = 1 and 6.4 with R = 8.

T is a strip of the matrix M with o = M x: a convolution as a fully connected layer, of which one block is used again.
"""

from collections.abc import Iterator
from functools import partial
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.conv.tiles import Tile, slab, tiles
from cnngrad.geometry import Layer
from cnngrad.threads import Job, in_order

__all__ = ["filter_gradient", "fits", "output"]

# Positions of a row from which it is a band by itself.
_LONG = 2**7
# Rows of a band where they are shorter; more for dE/dW, where a row's length is what is summed over. On 4x128x28x28
# with 3x3 in float32 dE/dW takes 5.8 ms with 8 rows, 4.7 with 16.
_ROWS = 8
_ROWS_TO_SUM = 16
# Rows of X may be so many times those of the filter, which keeps the zeros of wide dilations out.
_MOST_ZEROS = 16
# Output positions of a tile: threads that change hands more often wait for Python's lock, and larger tiles leave the
# cache. Measured with one thread on 1024x1024, 3x3 in float64: 7.8 ms with 2**15, 7.0 with 2**17, 9.0 with 2**18.
_TILE = 2**17
# Positions along its last axis: products of up to 10**6 multiplications are OpenBLAS's quickest, see columns.
_WIDTH = 2**12
# Numbers in all bands.
_MOST_NUMBERS = 2**21


def fits(layer: Layer) -> bool:
    """Whether bands are a way for this layer, which is not flipped."""
    if layer.dims < 2 or layer.group_channels > 1 or layer.group_filters > 1:
        return False
    rows = layer.axes[-2]
    most = _rows(layer, _ROWS)
    reach = most + rows.span - 1
    numbers = layer.channels * prod(layer.kernel) // rows.kernel * most * reach
    return (
        all(axis.stride == 1 for axis in layer.axes) and reach <= _MOST_ZEROS * rows.kernel and numbers < _MOST_NUMBERS
    )


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array) -> list[Job[int]]:
    """What writes O, a job for each tile; arguments as for columns."""
    most = _rows(layer, _ROWS)
    every = _tiles(layer, most)
    bands = {rows: _bands(layer, w, rows) for rows in {rows for tile in every for rows, _, _ in _strips(tile, most)}}

    def compute(tile: Tile) -> int:
        part = slab(x, tile, w.dtype)
        target = tile.of(o)
        result = target if o.dtype == w.dtype else np.empty(target.shape, w.dtype)
        for rows, first, count in _strips(tile, most):
            strip = _strip(result, rows, first, count)
            operands = _operands(layer, tile, part, rows, first, count)
            more = np.empty(strip.shape, w.dtype)
            for number, tap in enumerate(np.ndindex(operands.shape[: layer.dims - 1])):
                band = bands[rows][tap][tile.channels]
                np.matmul(band, operands[tap], out=more if number else strip)
                if number:
                    strip += more
        if b is not None:
            result += b[tile.filters].reshape(-1, *(1,) * layer.dims)
        if result is not target:
            target[...] = result
        return tile.count

    return [partial(compute, tile) for tile in every]


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array) -> Iterator[int]:
    """Add dE/dW to `dw`, tile by tile; arguments as for columns."""
    # Axes (*taps but the row's, channel, row's tap), so that a tap of the other axes has one place.
    total = np.moveaxis(dw[:, 0], (0, -2), (-2, -1))
    most = _rows(layer, _ROWS_TO_SUM)

    def compute(tile: Tile) -> tuple[Tile, Array]:
        part, above = slab(x, tile, dw.dtype), tile.of(dedo).astype(dw.dtype, copy=False)
        found = np.zeros((*total.shape[: layer.dims - 1], tile.size[1], total.shape[-1]), dw.dtype)
        for rows, first, count in _strips(tile, most):
            operands = _operands(layer, tile, part, rows, first, count).swapaxes(-1, -2)
            strip = _strip(above, rows, first, count)
            products = np.empty((*found.shape[:-1], rows, operands.shape[-1]), dw.dtype)
            for tap in np.ndindex(found.shape[: layer.dims - 1]):
                np.matmul(strip, operands[tap]).sum(axis=(0, *range(2, strip.ndim - 2)), out=products[tap])
            found += _diagonals(layer, products).sum(axis=-1)
        return tile, found

    for tile, found in in_order([partial(compute, tile) for tile in _tiles(layer, most)]):
        total[..., tile.channels, :] += found
        yield tile.count


def _tiles(layer: Layer, rows: int) -> tuple[Tile, ...]:
    """Tiles of many bands where one image is large, of many channels and samples where it is small."""
    width = min(layer.out[-1], _WIDTH)
    height = min(layer.out[-2], max(1, _TILE // width // rows) * rows)
    depth = min(layer.out[0], max(1, _TILE // (width * height))) if layer.dims == 3 else 1
    channels = min(layer.channels, max(1, _TILE // (width * height * depth)))
    samples = max(1, _TILE // (width * height * depth * layer.channels))
    return tiles(layer, samples, channels, (*(depth,) * (layer.dims - 2), height, width))


def _rows(layer: Layer, most: int) -> int:
    """Rows of a band: one where they are long, else as many as the height is evenly divided into, at most so many."""
    height = layer.out[-2]
    return 1 if layer.out[-1] >= _LONG else -(-height // -(-height // most))


def _strips(tile: Tile, rows: int) -> Iterator[tuple[int, int, int]]:
    """The tile's rows as (rows of a band, first row, bands): whole bands, and what is left as one smaller."""
    height = tile.shape[-2]
    if height >= rows:
        yield rows, 0, height // rows
    if height % rows:
        yield height % rows, height - height % rows, 1


def _strip(array: Array, rows: int, first: int, count: int) -> Array:
    """Rows of an array like O, a band for itself each: a view (n, c, ..., bands, rows, width)."""
    here = array[..., first : first + rows * count, :]
    return here.reshape(*here.shape[:-2], count, rows, here.shape[-1])


def _bands(layer: Layer, w: Array, rows: int) -> Array:
    """T: axes (*taps but the row's, channel, 1, ..., rows of O, rows of X)."""
    taps = np.moveaxis(w[:, 0], (0, -2), (-2, -1))
    bands = np.zeros((*taps.shape[:-1], rows, rows - 1 + layer.axes[-2].span), w.dtype)
    _diagonals(layer, bands)[...] = taps[..., np.newaxis]
    return bands.reshape(*taps.shape[:-1], *(1,) * (layer.dims - 1), *bands.shape[-2:])


def _diagonals(layer: Layer, products: Array) -> Array:
    """The diagonals r, r + d*u of (..., rows of O, rows of X): a view (..., u, r)."""
    axis = layer.axes[-2]
    *steps, row, column = products.strides
    shape = (*products.shape[:-2], axis.kernel, products.shape[-2])
    return np.lib.stride_tricks.as_strided(products, shape, (*steps, axis.dilation * column, row + column))


def _operands(layer: Layer, tile: Tile, part: Array, rows: int, first: int, count: int) -> Array:
    """Rows of X: a view (*taps but the row's, n, c, ..., bands, rows of X, width) of a tile's slab."""
    *others, axis, last = layer.axes
    steps = part.strides[2:]
    taps = [a.kernel for a in (*others, last)]
    tap_steps = [a.dilation * step for a, step in zip((*others, last), (*steps[:-2], steps[-1]), strict=True)]
    return np.lib.stride_tricks.as_strided(
        part[..., first:, :],
        (*taps, *part.shape[:2], *tile.shape[1:-2], count, rows - 1 + axis.span, tile.shape[-1]),
        (*tap_steps, *part.strides[:2], *steps[:-2], rows * steps[-2], steps[-2], steps[-1]),
    )
