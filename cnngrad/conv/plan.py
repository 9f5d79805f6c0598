"""The plan: which way computes O, dE/dW and dE/dX of a layer, by its shape.

| way | for |
| --- | --- |
| columns | everything: matrix products, with a copy of X's windows |
| bands | one channel and one filter per group, stride 1: matrix products without a copy |
| spectra | O of large filters of floats |

dE/dX is a convolution of dE/dO with the rotated filter for each phase of the stride, and computed as such; where
there are far fewer channels than filters, it is added up from columns instead.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.conv import bands, columns, spectrum
from cnngrad.conv.tiles import Tile
from cnngrad.geometry import Layer

__all__ = ["filter_gradient", "input_gradient", "output"]

Way = Callable[[Layer, Array, Array, Array | None, Array], Iterator[Tile]]

# Filter elements from which a transform is quicker than bands.
_LARGE_FILTER = 200


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array, rounded: bool) -> Iterator[int]:
    """Write O, piece by piece; gives the number of its positions that each piece has done.

    Args:
        layer: the layer.
        x: X, canonical, of any dtype.
        w: W, canonical, in the dtype to compute in.
        b: the bias (F,) in that dtype, or None.
        o: an array (N, F, *S_out) to write to.
        rounded: whether sums may be rounded as parts of larger sums, by 1e-13 of the largest term.
    """
    layer, w = _unflipped(layer, w)
    for tile in _way(layer, w, rounded)(layer, x, w, b, o):
        yield prod(tile.shape)


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array) -> Iterator[int]:
    """Write dE/dW to `dw`, an array (F, C/g, *K) in the dtype to compute in; gives positions of O as they are done."""
    dw[...] = 0
    layer, dw = _unflipped(layer, dw)
    way = bands if bands.fits(layer) and dw.dtype.kind == "f" else columns
    for tile in way.filter_gradient(layer, x, dedo, dw):
        yield prod(tile.shape)


def input_gradient(layer: Layer, w: Array, dedo: Array, dx: Array) -> Iterator[int]:
    """Write dE/dX to `dx`, an array (N, C, *S); W is in the dtype to compute in. Gives positions of O as they are done.

    The columns of the full convolution hold F/g * K numbers for each position of O, those that are scattered C/g * K,
    but they are read and added up besides. Measured on one image of 512x512 with 3x3 in float64, the full
    convolution takes 0.4 of the time.
    """
    backs = _backs(layer)
    if sum(back.batch * prod(back.out) for _, _, back in backs) < layer.batch * prod(layer.size):
        dx[...] = 0
    if layer.group_filters > 2 * layer.group_channels and dx.dtype != np.float16:
        dx[...] = 0
        for tile in columns.input_gradient(*_unflipped(layer, w), dedo, dx):
            yield prod(tile.shape)
        return
    turned = w.reshape(layer.groups, layer.group_filters, layer.group_channels, *layer.kernel).swapaxes(1, 2)
    for inputs, taps, back in backs:
        own = turned[taps].reshape(back.canonical["W"])
        yield from output(back, dedo, own, None, dx[inputs], rounded=False)


@lru_cache(maxsize=64)
def _backs(layer: Layer) -> list[tuple[tuple[Any, ...], tuple[Any, ...], Layer]]:
    """For each phase, its places in X, those in W, and the layer from O back to X: C filters over F channels."""
    backs = []
    for phases in product(*(axis.phases for axis in layer.axes)):
        axes = tuple(phase.axis for phase in phases)
        back = replace(layer, axes=axes, channels=layer.filters, filters=layer.channels, x_lead=2, w_lead=2)
        backs.append(((..., *(phase.inputs for phase in phases)), (..., *(phase.taps for phase in phases)), back))
    return backs


def is_transformed(layer: Layer) -> bool:
    """Whether the plan computes O of floats, where they may be rounded, by transforms."""
    outputs, block = prod(layer.out), spectrum.block(layer)
    return prod(layer.kernel) * min(1, outputs / block) >= _LARGE_FILTER and spectrum.fits(layer)


def _way(layer: Layer, w: Array, rounded: bool) -> Way:
    if w.dtype.kind != "f":
        # BLAS multiplies floats only: here each multiplication by zero costs as much as another.
        return columns.output
    if rounded and is_transformed(layer):
        return spectrum.output
    return bands.output if bands.fits(layer) else columns.output


def _unflipped(layer: Layer, w: Array) -> tuple[Layer, Array]:
    """The same layer with W rotated, a view, so that its window need not be."""
    if not layer.flip:
        return layer, w
    return layer.unflipped, np.flip(w, tuple(range(2, w.ndim)))
