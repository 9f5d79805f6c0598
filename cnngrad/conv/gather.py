"""Gathering: for small layers, where calls cost more than numbers, one index picks the elements of all windows.

The same columns as elsewhere, W C = O and dE/dO C^T = dE/dW, in as few calls as there can be: the places in X that
the windows read depend on the layer alone, and are kept.
"""

from functools import lru_cache
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.blas import one_thread
from cnngrad.geometry import Layer

__all__ = ["filter_gradient", "fits", "output"]

# Elements of all windows, and of X; measured on an EPYC, forward and backward of 16x16 with 3x3 (2**11 of them) take a
# fifth of the time of the other ways, of 64x64 (2**15) two thirds. Their places, half a megabyte, are kept for some.
_MOST_ELEMENTS = 2**16
# Multiplications that OpenBLAS does in one thread; but with one row or column in that many elements.
_SMALL_WORK = 2**18
_SMALL = 2**13


@lru_cache(maxsize=256)
def fits(layer: Layer) -> bool:
    """Whether a layer is small."""
    elements = layer.batch * layer.channels * max(prod(layer.kernel) * prod(layer.out), prod(layer.size))
    return elements <= _MOST_ELEMENTS and elements * layer.group_filters <= _SMALL_WORK


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array) -> None:
    """Write O; arguments as for columns, but the layer may be flipped."""
    direct = o.dtype == w.dtype and o.flags.c_contiguous
    out = o.reshape(layer.batch, layer.groups, layer.group_filters, -1) if direct else None
    result = _product(w.reshape(layer.groups, layer.group_filters, -1), _columns(layer, x, w.dtype), out)
    if b is not None:
        result += b.reshape(layer.groups, -1, 1)
    if not direct:
        o[...] = result.reshape(o.shape)


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array) -> None:
    """Write dE/dW to `dw`; arguments as for columns, but the layer may be flipped."""
    rows = dedo.astype(dw.dtype, copy=False).reshape(layer.batch, layer.groups, layer.group_filters, -1)
    products = _product(rows, _columns(layer, x, dw.dtype).swapaxes(2, 3))
    dw[...] = (products[0] if layer.batch == 1 else products.sum(axis=0)).reshape(dw.shape)


def _product(left: Array, right: Array, out: Array | None = None) -> Array:
    if left.size <= _SMALL and right.size <= _SMALL:
        product: Array = np.matmul(left, right, out)
        return product
    with one_thread():
        product = np.matmul(left, right, out)
        return product


def _columns(layer: Layer, x: Array, dtype: np.dtype) -> Array:
    """The windows as columns: (n, g, C/g * K, positions)."""
    places, padded = _places(layer)
    flat = x.reshape(-1)
    if padded:
        longer = np.zeros(x.size + 1, x.dtype)
        longer[:-1] = flat
        flat = longer
    return flat.take(places).astype(dtype, copy=False)


@lru_cache(maxsize=32)
def _places(layer: Layer) -> tuple[Array, bool]:
    """Where the columns' elements are in flat X, and whether some are padding: those are one place behind its end."""
    places = np.arange(layer.batch * layer.channels).reshape(-1, *(1,) * (2 * layer.dims))
    inside = np.ones(places.shape, bool)
    for number, axis in enumerate(layer.axes):
        here = np.array([[axis.position(i, u) for i in range(axis.out)] for u in range(axis.kernel)], np.intp)
        shape = [1] * (1 + 2 * layer.dims)
        shape[1 + number], shape[1 + layer.dims + number] = here.shape
        places = places * axis.size + here.reshape(shape)
        inside = inside & ((here >= 0) & (here < axis.size)).reshape(shape)
    places = np.where(inside, places, layer.batch * layer.channels * prod(layer.size))
    places = places.reshape(layer.batch, layer.groups, layer.group_channels * prod(layer.kernel), prod(layer.out))
    return places, not bool(inside.all())
