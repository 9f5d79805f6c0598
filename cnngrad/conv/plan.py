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
from cnngrad.conv.parts import LARGEST_COPY, Part, channels_at_once, copied_at_once, divided, parts_of_gradient
from cnngrad.layer import Layer
from cnngrad.threads import Job, in_order, warm_up

__all__ = ["filter_gradient", "input_gradient", "is_transformed", "output"]

# What writes O, from X, W and b, in jobs: `columns.output` tells what they are.
Way = Callable[[Layer, Array, Array, Array | None, Array], Iterator[Job[float]]]

# For one phase of the stride: its places in X, those in W, and the layer from O back to X.
Back = tuple[Any, Any, Layer]

# A layer whose output is to be written, its W by groups, as it lies, and where to.
Task = tuple[Layer, Array, Array]

# Filter elements from which a transform, always in float64, is quicker than rows. Measured on an EPYC, 512x512: in
# float64 4.3 ms beside 5.0 with 11x11; in float32 4.0 beside 4.0 with 15x15, and 4.3 beside 6.6 with 21x21.
_LARGE_FILTER = {"float64": 120, "float32": 200}

# Multiplications for a row of O, and length of one for dE/dW, from which it may be a product by itself.
_LARGE_ROW = 2**7
_LONG_ROW = 2**5
# Filters for which copying columns takes longer than narrow products. Measured on an EPYC in float64, columns beside
# rows: dE/dX of 400x400 with 31 of 31x31, which has one filter, 4.1 and 2.4 s; 600x50x400 with 12 of 4x3 0.19 and 0.29.
_FEW_FILTERS = 4
# Outputs of an image, for each filter, from which each shift may be a product by itself.
_LARGE_IMAGE = 2**4

# Filter positions up to which dE/dX is added up; of more, each adds little at once. With 8 of 800x3 on 4000x34 it took
# 9.8 s, and the full convolution 0.3.
_MOST_ADDED = 2**8

# Multiplications that take some milliseconds.
_LARGE_WORK = 2**25


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array, dtype: DType, rounded: bool) -> Iterable[float]:
    """Write O, piece by piece; gives the number of its positions that each piece has done.

    Args:
        layer: the layer.
        x: X, canonical, of any dtype and strides, and so W.
        w: W, canonical.
        b: the bias (F,) in the dtype to compute in, or None.
        o: an array (N, F, *S_out) to write to.
        dtype: the dtype to compute in.
        rounded: whether sums may be rounded as parts of larger sums, by 1e-13 of the largest term.
    """
    if gather.fits(layer):
        gather.output(layer, x, w.astype(dtype, copy=False), b, o)
        return ()
    _prepare(layer, dtype)
    return _written([(layer, w.reshape(layer.by_groups), o)], x, b, dtype, rounded)


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array, dtype: DType) -> Iterable[float]:
    """Write dE/dW to `dw`, an array (F, C/g, *K) of any dtype that holds it; gives positions of O as they are done."""
    if gather.fits(layer):
        gather.filter_gradient(layer, x, dedo, dw, dtype)
        return ()
    _prepare(layer, dtype)
    layer, dw = _unflipped(layer, dw.reshape(layer.by_groups))
    return chain.from_iterable(
        _in_share(
            prod(part.layer.canonical["W"]) / dw.size,
            _filter_gradient_way(part.layer, dtype)(
                part.layer, x[:, part.channels], dedo[:, part.filters], dw[part.weights], dtype
            ),
        )
        for part in parts_of_gradient(layer, dtype)
    )


@lru_cache(maxsize=256)
def _filter_gradient_way(layer: Layer, dtype: DType) -> Callable[..., Iterator[float]]:
    """The way to write dE/dW of a layer that is not flipped.

    A product for each row has as many results as dE/dW, one for each shift reads dE/dO anew: both must be few beside
    what is multiplied. Measured on an EPYC in float64, one thread, columns beside shifted columns and rows:
    1024x1024 with 3x3 13, 13 and 6.4 ms; 4x64x56x56 with 64 of 3x3 80, 70 and 95; 4x256x14x14 with 256 62, 66 and
    200; 3x224x224 with 64 of 7x7, stride 2, 73, 85 and 78; depthwise 4x128x28x28 with 3x3 7.0, 4.0 and 6.3.
    """
    # Rows give all of dE/dW for each tile.
    if (
        channels_at_once(layer, dtype) is None
        and _has_large_rows(layer, dtype, narrow=False)
        and layer.out[-1] >= max(_LONG_ROW, layer.group_filters * layer.kernel[-2])
    ):
        return rows.filter_gradient
    large = prod(layer.out) >= _LARGE_IMAGE * layer.group_filters and shifted.fits(layer, dtype)
    if large and shifted.column(layer) >= layer.group_filters:
        return shifted.filter_gradient
    return columns.filter_gradient


def input_gradient(layer: Layer, w: Array, dedo: Array, dx: Array, dtype: DType) -> Iterable[float]:
    """Write dE/dX to `dx`, an array (N, C, *S) of any dtype that holds it; gives positions of O as they are done.

    The columns of the full convolution hold F/g * K numbers for each position of O, those that are added up C/g * K,
    but with fewer terms in each; for each phase of a stride the full convolution is one more, and along one axis there
    are no rows. Measured on an EPYC in float64, added up beside the full convolution: 4x64x56x56 with 64 of 3x3 47 and
    40 ms; with 128 of 3x3, stride 2, 19 and 23; 3x224x224 with 64 of 7x7, stride 2, 60 and 311; 16x32x4096 with 64 of
    9 106 and 120.
    """
    if gather.fits_back(layer):
        gather.input_gradient(layer, w, dedo, dx, dtype)
        return ()
    backs, reached = _backs(layer)
    if not reached:
        dx.fill(0)
    if not backs:
        return ()
    _prepare(layer, dtype)
    weights = w.reshape(layer.by_groups)
    slow = layer.dims == 1 or any(axis.stride > 1 for axis in layer.axes)
    many = layer.group_filters + slow > 2 * layer.group_channels and prod(layer.kernel) <= _MOST_ADDED
    if many and dx.dtype != np.float16 and columns.adds(layer, dtype):
        return _added_up(layer, weights, dedo, dx, dtype)
    turned = weights.swapaxes(1, 2)
    done = _written([(back, turned[taps], dx[inputs]) for inputs, taps, back in backs], dedo, None, dtype, False)
    return _in_share(prod(layer.out) / sum(prod(back.out) for _, _, back in backs), done)


def _added_up(layer: Layer, weights: Array, dedo: Array, dx: Array, dtype: DType) -> Iterator[float]:
    """Write dE/dX by columns that are added up; W by groups, as it lies."""
    layer, weights = _unflipped(layer, weights)
    groups, channels = layer.groups, layer.group_channels
    if groups > 1 or _is_copied(weights, dtype):
        groups, channels = copied_at_once(groups, channels, weights.size // layer.channels, dtype)
    for part in divided(layer, groups, channels=channels):
        # Without names here, nothing of a part is held while the next is copied.
        yield from _in_share(
            part.layer.channels / layer.channels,
            columns.input_gradient(
                part.layer,
                np.ascontiguousarray(weights[part.weights], dtype),
                dedo[:, part.filters],
                dx[:, part.channels],
            ),
        )


def _written(tasks: list[Task], x: Array, b: Array | None, dtype: DType, rounded: bool) -> Iterator[float]:
    """Write the outputs of layers that have all but their axes in common; gives positions as they are done.

    W is copied where BLAS can't multiply it as it lies: a large one a part of the filters at a time.
    """
    tasks = [(*_unflipped(layer, w), o) for layer, w, o in tasks]
    first = tasks[0][0]
    groups, filters = first.groups, first.group_filters
    if groups > 1 or any(_is_copied(w, dtype) for _, w, _ in tasks):
        groups, filters = copied_at_once(groups, filters, sum(w.size for _, w, _ in tasks) // first.filters, dtype)

    def jobs(several: tuple[Part, ...]) -> Iterator[Job[float]]:
        found: list[Iterator[Job[float]]] = []
        for (_, w, o), part in zip(tasks, several, strict=True):
            own = w[part.weights]
            if _is_copied(own, dtype):
                own = np.ascontiguousarray(own, dtype)
            bias = None if b is None else b[part.filters]
            found.append(_jobs(part.layer, x[:, part.channels], own, bias, o[:, part.filters], rounded))
        return chain.from_iterable(found)

    for several in zip(*(divided(layer, groups, filters) for layer, _, _ in tasks), strict=True):
        yield from _in_share(several[0].layer.filters / first.filters, in_order(jobs(several)))


def _in_share(share: float, done: Iterable[float]) -> Iterator[float]:
    """What is done of a part, as so much of the whole."""
    return (share * positions for positions in done)


def _jobs(layer: Layer, x: Array, w: Array, b: Array | None, o: Array, rounded: bool) -> Iterator[Job[float]]:
    """What is left to do to write O: a small layer is written at once."""
    if gather.fits(layer):
        gather.output(layer, x, w, b, o)
        return iter(())
    return _way(layer, w.dtype, rounded)(layer, x, w, b, o)


@lru_cache(maxsize=256)
def _prepare(layer: Layer, dtype: DType) -> None:
    """Make BLAS ready for a layer that takes longer than that."""
    work = layer.batch * layer.filters * layer.group_channels * prod(layer.kernel) * prod(layer.out)
    if dtype == np.float32 and work > _LARGE_WORK:
        warm_up()


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
    """The way to write O of a layer that is neither small nor flipped, in a dtype to compute in.

    A product for each row reads W anew, which must be little beside what is multiplied. Measured on an EPYC in float64,
    one thread, columns beside rows: 1024x1024 with 3x3 13 and 6.7 ms; 16x256x256 with 16 of 3x3 36 and 27; 4x64x56x56
    with 64 of 3x3 77 and 71; with 128 of 3x3, stride 2, 34 and 37; depthwise 4x128x28x28 with 3x3 7.6 and 5.4.
    """
    if rounded and is_transformed(layer, dtype):
        return spectrum.output
    few = 4 * layer.out[-1] >= 3 * layer.group_filters
    narrow = layer.group_filters <= _FEW_FILTERS
    # Rows copy W.
    if (
        few
        and _has_large_rows(layer, dtype, narrow)
        and prod(layer.canonical["W"]) * dtype.itemsize <= LARGEST_COPY // 2
    ):
        return rows.output
    return columns.output


@lru_cache(maxsize=256)
def is_transformed(layer: Layer, dtype: DType) -> bool:
    """Whether the plan computes O in this dtype by transforms, where it may be rounded."""
    if gather.fits(layer):
        return False
    large = prod(layer.kernel) * min(1, prod(layer.out) / spectrum.block(layer)) >= _LARGE_FILTER[dtype.name]
    return large and spectrum.fits(layer)


def _has_large_rows(layer: Layer, dtype: DType, narrow: bool) -> bool:
    """Whether rows are a way, and each of them is worth a product; or a part of them that is narrow."""
    row = layer.out[-1] * layer.group_filters * layer.group_channels * prod(layer.kernel)
    return row >= _LARGE_ROW and prod(layer.kernel) > 1 and rows.fits(layer, dtype.itemsize, narrow)


def _unflipped(layer: Layer, w: Array) -> tuple[Layer, Array]:
    """The same layer with W rotated by 180 degrees, so that the window need not be flipped; a view."""
    if not layer.flip:
        return layer, w
    turn: tuple[Any, ...] = (..., *(slice(None, None, -1),) * layer.dims)
    return layer.unflipped, w[turn]


def _is_copied(w: Array, dtype: DType) -> bool:
    """Whether BLAS can't multiply W, by groups, as it lies in memory."""
    # Where filters have one element, it can with filters and channels exchanged.
    turned = w.swapaxes(1, 2) if prod(w.shape[3:]) == 1 else w
    return w.dtype != dtype or not (w.flags.c_contiguous or turned.flags.c_contiguous)
