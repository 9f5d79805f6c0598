"""Gathering: for small layers, where calls cost more than numbers, one index picks the elements of all windows.

    O = W C        dE/dW = dE/dO C^T        dE/dX = W^T D

C are the columns as elsewhere, and D (F/g * K, positions of X) those of dE/dO: of each filter the output that reads the
position through each filter element, 0 where none does. The places of their elements depend on the layer alone, and are
kept.
"""

from functools import lru_cache
from math import prod

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.blas import one_thread
from cnngrad.layer import Layer, Shape

__all__ = ["filter_gradient", "fits", "fits_back", "input_gradient", "output"]

# Places in a flat array, and whether some are padding: those are one place behind its end.
Places = tuple[Array, bool]

# Elements of all windows, and of X; measured on an EPYC, forward and backward of 16x16 with 3x3 (2**11 of them) take a
# fifth of the time of the other ways, of 64x64 (2**15) two thirds. Their places, half a megabyte, are kept for some.
_MOST_ELEMENTS = 2**16
# Multiplications that OpenBLAS does in one thread; but with one row or column in that many elements.
_SMALL_WORK = 2**18
_SMALL = 2**13


@lru_cache(maxsize=256)
def fits(layer: Layer) -> bool:
    """Whether O and dE/dW of a layer are small."""
    return _is_small(layer, layer.channels, layer.out, layer.size, layer.group_filters)


@lru_cache(maxsize=256)
def fits_back(layer: Layer) -> bool:
    """Whether dE/dX of a layer is small."""
    return _is_small(layer, layer.filters, layer.size, layer.out, layer.group_channels)


def _is_small(layer: Layer, rows: int, positions: Shape, read: Shape, times: int) -> bool:
    elements = layer.batch * rows * max(prod(layer.kernel) * prod(positions), prod(read))
    return elements <= _MOST_ELEMENTS and elements * times <= _SMALL_WORK


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array) -> None:
    """Write O; arguments as for columns, but the layer may be flipped, and W has any shape and strides."""
    rows = _matrices(layer, w, layer.group_filters)
    columns = _gathered(x, _places(layer), w.dtype)
    if b is None:
        _multiply(rows, columns, o)
    else:
        o[...] = (_product(rows, columns) + _matrices(layer, b, layer.group_filters)).reshape(o.shape)


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array, dtype: DType) -> None:
    """Write dE/dW to `dw`; arguments as for columns, but the layer may be flipped, and `dw` has any shape."""
    above = _matrices(layer, dedo.astype(dtype, copy=False), layer.group_filters, by_sample=True)
    columns = _gathered(x, _places(layer), dtype).swapaxes(-1, -2)
    if layer.batch == 1:
        _multiply(above, columns, dw)
    else:
        dw[...] = _product(above, columns).sum(axis=0).reshape(dw.shape)


def input_gradient(layer: Layer, w: Array, dedo: Array, dx: Array, dtype: DType) -> None:
    """Write dE/dX to `dx`, all of it; arguments as for columns, but W and `dx` have any shape and strides."""
    w = w.astype(dtype, copy=False)
    if layer.group_filters > 1:
        w = w.reshape(layer.groups, layer.group_filters, layer.group_channels, -1).swapaxes(1, 2)
    _multiply(_matrices(layer, w, layer.group_channels), _gathered(dedo, _places_of_outputs(layer), dtype), dx)


def _matrices(layer: Layer, array: Array, rows: int, by_sample: bool = False) -> Array:
    """An array as a matrix of so many rows for each group and, where it has them, each sample; or one for all."""
    if layer.batch == layer.groups == 1:
        return array.reshape(rows, -1)
    return array.reshape(*((layer.batch,) if by_sample else ()), layer.groups, rows, -1)


def _multiply(left: Array, right: Array, out: Array) -> None:
    """Write a product of matrices to an array of another shape."""
    if out.dtype == right.dtype and out.flags.c_contiguous:
        _product(left, right, out.reshape(*right.shape[:-2], left.shape[-2], right.shape[-1]))
    else:
        out[...] = _product(left, right).reshape(out.shape)


def _product(left: Array, right: Array, out: Array | None = None) -> Array:
    product: Array
    if left.size <= _SMALL and right.size <= _SMALL:
        # Of two matrices, in a third of the time.
        product = left.dot(right, out) if right.ndim == 2 else np.matmul(left, right, out)
        return product
    with one_thread():
        product = np.matmul(left, right, out)
        return product


def _gathered(array: Array, places: Places, dtype: DType) -> Array:
    """The elements of an array at these places, in the dtype to compute in."""
    where, padded = places
    flat = array.reshape(-1)
    if padded:
        longer = np.zeros(array.size + 1, array.dtype)
        longer[:-1] = flat
        flat = longer
    return flat[where].astype(dtype, copy=False)


@lru_cache(maxsize=32)
def _places(layer: Layer) -> Places:
    """Where the columns' elements are in flat X: (n, g, C/g * K, positions)."""
    read = [
        np.array([[axis.position(i, u) for i in range(axis.out)] for u in range(axis.kernel)], np.intp)
        for axis in layer.axes
    ]
    return _flat_places(layer, layer.group_channels, layer.size, read)


@lru_cache(maxsize=32)
def _places_of_outputs(layer: Layer) -> Places:
    """Where the elements of dE/dO's columns are in flat dE/dO: (n, g, F/g * K, positions of X)."""
    read = []
    for axis in layer.axes:
        steps = np.array([[h - axis.position(0, u) for h in range(axis.size)] for u in range(axis.kernel)], np.intp)
        read.append(np.where(steps % axis.stride == 0, steps // axis.stride, -1))
    return _flat_places(layer, layer.group_filters, layer.out, read)


def _flat_places(layer: Layer, rows: int, size: Shape, read: list[Array]) -> Places:
    """Places in a flat (n, g * rows, *size), each axis of which is read at (u, i), as columns (n, g, rows * K, *i)."""
    places = np.arange(layer.batch * layer.groups * rows).reshape(-1, *(1,) * (2 * layer.dims))
    inside = np.ones(places.shape, bool)
    for number, (length, here) in enumerate(zip(size, read, strict=True)):
        shape = [1] * (1 + 2 * layer.dims)
        shape[1 + number], shape[1 + layer.dims + number] = here.shape
        places = places * length + here.reshape(shape)
        inside = inside & ((here >= 0) & (here < length)).reshape(shape)
    places = np.where(inside, places, layer.batch * layer.groups * rows * prod(size))
    return _matrices(layer, places, rows * prod(layer.kernel), by_sample=True), not bool(inside.all())
