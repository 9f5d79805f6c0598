"""The plan: which way computes O, dE/dW and dE/dX of a layer, by its shape.

| way | for |
| --- | --- |
| columns | everything: matrix products, with a copy of X's windows |
| rows | wide images, few filters: with a part of that copy, and a product for each row |
| shifted columns | dE/dW of many channels for a filter: with a part of that copy, and a product for each shift |
| spectra | O of large filters of floats |
| gathering | small layers |

dE/dX is a convolution of dE/dO with the rotated filter for each phase of the stride, and computed as such; where
there are far fewer channels than filters, it is added up from columns instead.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain, product
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.conv import columns, gather, rows, shifted, spectrum
from cnngrad.geometry import Layer
from cnngrad.threads import Job, in_order, warm_up

__all__ = ["filter_gradient", "input_gradient", "is_transformed", "output"]

# What writes O, from X, W and b, in jobs: `columns.output` tells what they are.
Way = Callable[[Layer, Array, Array, Array | None, Array], list[Job[int]]]

# For one phase of the stride: its places in X, those in W, and the layer from O back to X.
Back = tuple[Any, Any, Layer]

# Filter elements from which a transform, always in float64, is quicker than rows. Measured on an EPYC, 512x512: in
# float64 4.3 ms beside 5.0 with 11x11; in float32 4.0 beside 4.0 with 15x15, and 4.3 beside 6.6 with 21x21.
_LARGE_FILTER = {"float64": 120, "float32": 200}

# Multiplications for a row of O, and length of one for dE/dW, from which it may be a product by itself.
_LARGE_ROW = 2**7
_LONG_ROW = 2**5
# Outputs of an image, for each filter, from which each shift may be a product by itself.
_LARGE_IMAGE = 2**4

# Filter positions up to which dE/dX is added up; of more, each adds little at once. With 8 of 800x3 on 4000x34 it took
# 9.8 s, and the full convolution 0.3.
_MOST_ADDED = 2**8

# Multiplications that take some milliseconds.
_LARGE_WORK = 2**25

# Bytes of W that are copied at once.
_LARGEST_COPY = 2**24


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array, rounded: bool) -> Iterable[float]:
    """Write O, piece by piece; gives the number of its positions that each piece has done.

    Args:
        layer: the layer.
        x: X, canonical, of any dtype.
        w: W, canonical, in the dtype to compute in.
        b: the bias (F,) in that dtype, or None.
        o: an array (N, F, *S_out) to write to.
        rounded: whether sums may be rounded as parts of larger sums, by 1e-13 of the largest term.
    """
    _prepare(layer, w.dtype)
    jobs = _jobs(layer, x, w, b, o, rounded)
    return in_order(jobs) if jobs else ()


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array) -> Iterable[float]:
    """Write dE/dW to `dw`, an array (F, C/g, *K) in the dtype to compute in; gives positions of O as they are done.

    A product for each row has as many results as dE/dW, one for each shift reads dE/dO anew: both must be few beside
    what is multiplied. Measured on an EPYC in float64, one thread, columns beside shifted columns and rows:
    1024x1024 with 3x3 13, 13 and 6.4 ms; 4x64x56x56 with 64 of 3x3 80, 70 and 95; 4x256x14x14 with 256 62, 66 and
    200; 3x224x224 with 64 of 7x7, stride 2, 73, 85 and 78; depthwise 4x128x28x28 with 3x3 7.0, 4.0 and 6.3.
    """
    if gather.fits(layer):
        gather.filter_gradient(layer, x, dedo, dw)
        return ()
    _prepare(layer, dw.dtype)
    layer, dw = _unflipped(layer, dw)
    if _has_large_rows(layer) and layer.out[-1] >= max(_LONG_ROW, layer.group_filters * layer.kernel[-2]):
        return rows.filter_gradient(layer, x, dedo, dw)
    large = prod(layer.out) >= _LARGE_IMAGE * layer.group_filters and layer.kernel[0] > 1
    if large and shifted.column(layer) >= layer.group_filters:
        return shifted.filter_gradient(layer, x, dedo, dw)
    return columns.filter_gradient(layer, x, dedo, dw)


def input_gradient(layer: Layer, w: Array, dedo: Array, dx: Array) -> Iterable[float]:
    """Write dE/dX to `dx`, an array (N, C, *S); W is in the dtype to compute in. Gives positions as they are done.

    The columns of the full convolution hold F/g * K numbers for each position of O, those that are added up C/g * K,
    but with fewer terms in each; for each phase of a stride the full convolution is one more, and along one axis there
    are no rows. Measured on an EPYC in float64, added up beside the full convolution: 4x64x56x56 with 64 of 3x3 47 and
    40 ms; with 128 of 3x3, stride 2, 19 and 23; 3x224x224 with 64 of 7x7, stride 2, 60 and 311; 16x32x4096 with 64 of
    9 106 and 120.
    """
    _prepare(layer, w.dtype)
    backs, reached = _backs(layer)
    if not reached:
        dx.fill(0)
    slow = layer.dims == 1 or any(axis.stride > 1 for axis in layer.axes)
    many = layer.group_filters + slow > 2 * layer.group_channels and prod(layer.kernel) <= _MOST_ADDED
    if many and dx.dtype != np.float16:
        return columns.input_gradient(*_multiplied(layer, w), dedo, dx)
    # W is copied as the rotated filters lie; a large one a part of the channels at a time.
    parts = 1 if layer.groups > 1 else -(-w.nbytes // _LARGEST_COPY)
    if parts == 1:
        jobs = _back_jobs(backs, layer, w, dedo, dx, slice(None))
        return _as_positions_of_output(layer, in_order(jobs), 1) if jobs else ()
    channels = -(-layer.channels // parts)
    starts = range(0, layer.channels, channels)
    done = chain.from_iterable(
        in_order(_back_jobs(backs, layer, w, dedo, dx, slice(first, min(first + channels, layer.channels))))
        for first in starts
    )
    return _as_positions_of_output(layer, done, len(starts))


def _as_positions_of_output(layer: Layer, done: Iterable[int], times: int) -> Iterator[float]:
    """Positions of dE/dX, of all of which each is done so many times, as so many of O."""
    share = prod(layer.out) / (times * sum(prod(back.out) for _, _, back in _backs(layer)[0]))
    return (share * positions for positions in done)


@lru_cache(maxsize=256)
def _prepare(layer: Layer, dtype: DType) -> None:
    """Make BLAS ready for a layer that takes longer than that."""
    work = layer.batch * layer.filters * layer.group_channels * prod(layer.kernel) * prod(layer.out)
    if dtype == np.float32 and work > _LARGE_WORK:
        warm_up()


def _back_jobs(backs: list[Back], layer: Layer, w: Array, dedo: Array, dx: Array, channels: slice) -> list[Job[int]]:
    """What is left to do to write dE/dX of some channels, or of all."""
    turned = w.reshape(layer.groups, layer.group_filters, layer.group_channels, *layer.kernel).swapaxes(1, 2)
    jobs: list[Job[int]] = []
    for inputs, taps, back in backs:
        own, target = turned[taps], dx[inputs]
        if channels != slice(None):
            back = _narrowed(back, channels.stop - channels.start)
            own, target = own[:, channels], target[:, channels]
        jobs += _jobs(back, dedo, own.reshape(back.canonical["W"]), None, target, rounded=False)
    return jobs


def _jobs(layer: Layer, x: Array, w: Array, b: Array | None, o: Array, rounded: bool) -> list[Job[int]]:
    """What is left to do to write O: a small layer is written at once."""
    if gather.fits(layer):
        gather.output(layer, x, w, b, o)
        return []
    way = _way(layer, w.dtype, rounded)
    layer, w = _multiplied(layer, w)
    return way(layer, x, w, b, o)


@lru_cache(maxsize=64)
def _narrowed(back: Layer, filters: int) -> Layer:
    """The same layer of so many filters; kept, since layers are told apart by identity."""
    return replace(back, filters=filters)


@lru_cache(maxsize=64)
def _backs(layer: Layer) -> tuple[list[Back], bool]:
    """The layers from O back to X, and whether they reach all of X."""
    backs: list[Back] = []
    for phases in product(*(axis.phases for axis in layer.axes)):
        axes = tuple(phase.axis for phase in phases)
        back = replace(layer, axes=axes, channels=layer.filters, filters=layer.channels, x_lead=2, w_lead=2)
        backs.append(((..., *(phase.inputs for phase in phases)), (..., *(phase.taps for phase in phases)), back))
    return backs, sum(prod(back.out) for _, _, back in backs) == prod(layer.size)


@lru_cache(maxsize=256)
def _way(layer: Layer, dtype: DType, rounded: bool) -> Way:
    """The way to write O of a layer that is not small, in a dtype to compute in.

    A product for each row reads W anew, which must be little beside what is multiplied. Measured on an EPYC in float64,
    one thread, columns beside rows: 1024x1024 with 3x3 13 and 6.7 ms; 16x256x256 with 16 of 3x3 36 and 27; 4x64x56x56
    with 64 of 3x3 77 and 71; with 128 of 3x3, stride 2, 34 and 37; depthwise 4x128x28x28 with 3x3 7.6 and 5.4.
    """
    if rounded and is_transformed(layer, dtype):
        return spectrum.output
    # Rows copy W.
    few = 4 * layer.out[-1] >= 3 * layer.group_filters
    if few and _has_large_rows(layer) and prod(layer.canonical["W"]) * dtype.itemsize <= _LARGEST_COPY // 2:
        return rows.output
    return columns.output


@lru_cache(maxsize=256)
def is_transformed(layer: Layer, dtype: DType) -> bool:
    """Whether the plan computes O in this dtype by transforms, where it may be rounded."""
    if gather.fits(layer):
        return False
    large = prod(layer.kernel) * min(1, prod(layer.out) / spectrum.block(layer)) >= _LARGE_FILTER[dtype.name]
    return large and spectrum.fits(layer)


def _has_large_rows(layer: Layer) -> bool:
    """Whether rows are a way, and each of them is worth a product."""
    row = layer.out[-1] * layer.group_filters * layer.group_channels * prod(layer.kernel)
    return row >= _LARGE_ROW and prod(layer.kernel) > 1 and rows.fits(layer)


def _unflipped(layer: Layer, w: Array) -> tuple[Layer, Array]:
    """The same layer with W rotated by 180 degrees, so that the window need not be flipped; a view."""
    if not layer.flip:
        return layer, w
    turn: tuple[Any, ...] = (..., *(slice(None, None, -1),) * (w.ndim - 2))
    return layer.unflipped, w[turn]


def _multiplied(layer: Layer, w: Array) -> tuple[Layer, Array]:
    """The same, W in memory as BLAS multiplies it, which takes no rotated filter as it lies."""
    layer, w = _unflipped(layer, w)
    return layer, np.ascontiguousarray(w)
