"""The numbers of a convolution layer: O, dE/dW, dE/dX and dE/db, by matrix products over tiles of the output.

The letters mean the same in every formula: n sample, f filter, c channel, i output position, u filter position,
s stride, d dilation, p padding; x is 0 outside the input.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from cnngrad.arrays import (
    Array,
    DType,
    as_tensor,
    check_result,
    common_dtype,
    exact_dtype,
    largest_magnitude,
    working_dtype,
)
from cnngrad.geometry import Axis, Layer, Padding, PerAxis, make_layer

__all__ = ["Gradients", "backward", "forward"]

# Bytes of the column matrix of one tile: it should stay in the second-level cache, and be large enough for BLAS.
_TILE_BYTES = 2**20


@dataclass(frozen=True)
class Gradients:
    """The gradients of the error E with respect to one layer's arrays, each in that array's shape and layout.

    Attributes:
        dw: dE/dW, shape of W.
        dx: dE/dX, shape of X.
        db: dE/db, one number per filter: shape (F,), or () for one filter without a filter axis.
    """

    dw: Array
    dx: Array
    db: Array


def forward(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    b: npt.ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    dims: SupportsIndex | None = None,
) -> Array:
    """The layer's output O.

    o[n,f,i] = b[f] + sum over c,u of w[f,c,u] * x[n,c, s*i + d*u - p]

    Args:
        x: X, shape (*S), (C, *S) or (N, C, *S) with 1, 2 or 3 spatial axes.
        w: W, shape (*K), (C, *K) for one filter, or (F, C/g, *K).
        b: the bias, shape (F,), or a single number for one filter.
        stride: s, one integer or one per axis.
        padding: p, one integer, one per axis, a (before, after) pair per axis, `"valid"`, `"same"`,
            `"same-lower"` or `"full"`.
        dilation: d, one integer or one per axis; 1 = none.
        groups: g, as in PyTorch and ONNX.
        flip: True for true convolution (SciPy, MATLAB): W is rotated by 180 degrees before it slides.
        dims: the number of spatial axes, where the shapes don't tell (see README's table).

    Returns:
        O in X's layout: (*S_out), (F, *S_out) or (N, F, *S_out). Integers give exact int64; otherwise the widest
        float among the inputs (float16 is computed in float32).

    Raises:
        CnngradError: shapes, options or numbers that don't make a layer, or integer sums beyond int64.

    Source: the notes *Back Prop in CNN*, "filter is not rotated for sake of simplicity"; options as in PyTorch.

    >>> forward([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, 4]])
    array([[37, 47],
           [67, 77]])
    """
    x, w = as_tensor("X", x), as_tensor("W", w)
    b = None if b is None else as_tensor("b", b)
    layer = make_layer(
        x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip, dims=dims
    )
    if b is not None:
        layer.check_bias(b.shape)
    dtype = common_dtype(x, w, b)
    work = working_dtype(dtype)
    if dtype.kind == "i":
        work = _exact_output_dtype(layer, x, w, b)
    with np.errstate(over="ignore", invalid="ignore"):
        o = _output(layer, _canonical(layer, "X", x, work), _canonical(layer, "W", w, work))
        if b is not None:
            o += b.astype(work, copy=False).reshape(-1, *(1,) * layer.dims)
        o = o.astype(dtype, copy=False).reshape(layer.shapes["O"])
    check_result("O", o)
    return o


def backward(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    dedo: npt.ArrayLike,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    dims: SupportsIndex | None = None,
) -> Gradients:
    """The gradients dE/dW, dE/dX and dE/db of the layer that `forward` computes.

    dE/dw[f,c,u] = sum over n,i of dE/do[n,f,i] * x[n,c, s*i + d*u - p]
    dE/dx[n,c,h] = sum over f,u of dE/do[n,f,i] * w[f,c,u]   where s*i + d*u - p = h
    dE/db[f]     = sum over n,i of dE/do[n,f,i]

    Args:
        x: X, as for `forward`.
        w: W, as for `forward`.
        dedo: dE/dO, the gradient of the error with respect to the layer's output, shape of O.
        stride: as for `forward`, and so the other options.
        padding: see `forward`.
        dilation: see `forward`.
        groups: see `forward`.
        flip: see `forward`.
        dims: see `forward`.

    Returns:
        The gradients `dw`, `dx` and `db`, each in the layout of its array; dtypes as for `forward`.

    Raises:
        CnngradError: as for `forward`, and where dE/dO has not O's shape.

    Source: the notes *Back Prop in CNN*, with the slips listed in README put right.

    >>> grads = backward([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, 4]], [[1, 2], [3, 4]])
    >>> grads.dw
    array([[37, 47],
           [67, 77]])
    >>> grads.dx
    array([[ 1,  4,  4],
           [ 6, 20, 16],
           [ 9, 24, 16]])
    >>> int(grads.db)
    10
    """
    x, w, dedo = as_tensor("X", x), as_tensor("W", w), as_tensor("dEdO", dedo)
    layer = make_layer(
        x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip, dims=dims
    )
    layer.check_dedo(dedo.shape)
    dtype = common_dtype(x, w, dedo)
    work = working_dtype(dtype)
    if dtype.kind == "i":
        work = exact_gradient_dtype(layer, x, w, dedo)
    given = [_canonical(layer, name, array, work) for name, array in (("X", x), ("W", w), ("O", dedo))]
    with np.errstate(over="ignore", invalid="ignore"):
        dw = _filter_gradient(layer, given[0], given[2]).astype(dtype, copy=False)
        dx = _input_gradient(layer, given[1], given[2]).astype(dtype, copy=False)
        db = _bias_gradient(given[2]).astype(dtype, copy=False)
    grads = Gradients(dw.reshape(w.shape), dx.reshape(x.shape), db.reshape(layer.shapes["b"]))
    check_result("dEdW", grads.dw)
    check_result("dEdX", grads.dx)
    check_result("dEdb", grads.db)
    return grads


def _output(layer: Layer, x: Array, w: Array) -> Array:
    """O without bias: per tile one product of W (F, C*K) with the windows as columns (C*K, positions)."""
    o = np.empty(layer.canonical["O"], x.dtype)
    rows = w.reshape(layer.groups, layer.group_filters, -1)
    columns = _Columns(layer, x)
    for tile in _tiles(layer, x.itemsize):
        tile.of(o)[...] = _as_outputs(layer, tile, np.matmul(rows, columns.of(tile)))
    return o


def _filter_gradient(layer: Layer, x: Array, dedo: Array) -> Array:
    """dE/dW = Conv(X, dE/dO): per tile one product of dE/dO (F, positions) with the columns' transpose."""
    shape = (layer.groups, layer.group_filters, layer.group_channels * prod(layer.kernel))
    dw = np.zeros(shape, x.dtype)
    columns = _Columns(layer, x)
    for tile in _tiles(layer, x.itemsize):
        dw += np.matmul(_as_rows(layer, tile.of(dedo)), columns.of(tile).swapaxes(1, 2))
    return dw.reshape(layer.canonical["W"])


def _input_gradient(layer: Layer, w: Array, dedo: Array) -> Array:
    """dE/dX, by the cheaper of two ways.

    As a full convolution its columns hold F/g * K numbers for each position, scattered they hold C/g * K, but are read
    and added up besides; zeros between the elements of dE/dO would be multiplied in vain. Measured on one image of
    512x512 with 3x3 in float64, the full convolution takes 0.4 of the time.
    """
    if all(axis.stride == 1 for axis in layer.axes) and layer.group_filters <= 2 * layer.group_channels:
        return _full_convolution(layer, w, dedo)
    return _scattered(layer, w, dedo)


def _full_convolution(layer: Layer, w: Array, dedo: Array) -> Array:
    """dE/dX = Full-Conv(dE/dO, W rotated by 180 degrees), for stride 1: a layer of its own, from O back to X.

    Its padding is d*(k-1) - p: the frame, cut back by the layer's own padding.
    """
    axes = tuple(
        Axis(a.out, a.kernel, 1, a.dilation, a.span - 1 - a.before, a.span - 1 - a.after, not a.flip)
        for a in layer.axes
    )
    back = replace(layer, axes=axes, channels=layer.filters, filters=layer.channels, x_lead=2, w_lead=2)
    turned = w.reshape(layer.groups, layer.group_filters, layer.group_channels, *layer.kernel).swapaxes(1, 2)
    return _output(back, dedo, turned.reshape(back.canonical["W"]))


def _scattered(layer: Layer, w: Array, dedo: Array) -> Array:
    """dE/dX, scattered: each window of X receives W^T * dE/do; where windows meet, the parts add up."""
    dx = np.zeros(layer.canonical["X"], w.dtype)
    rows = w.reshape(layer.groups, layer.group_filters, -1).swapaxes(1, 2)
    for tile in _tiles(layer, w.itemsize):
        parts = np.matmul(rows, _as_rows(layer, tile.of(dedo)))
        parts = parts.reshape(layer.channels, *layer.kernel, *tile.shape)
        slab = np.zeros((tile.shape[0], layer.channels, *tile.size), w.dtype)
        windows = _windows(layer, slab, tile.shape[1:])
        for tap in np.ndindex(layer.kernel):
            here = (slice(None), slice(None), *tap)
            windows[here] += parts[(slice(None), *tap)].swapaxes(0, 1)
        dx[tile.inner] += slab[tile.outer]
    return dx


def _bias_gradient(dedo: Array) -> Array:
    """dE/db: the sum of dE/dO over samples and positions."""
    db: Array = dedo.sum(axis=(0, *range(2, dedo.ndim)), dtype=dedo.dtype)
    return db


@dataclass(frozen=True)
class _Tile:
    """Some samples and some rows (positions of the first spatial axis) of the output.

    Attributes:
        samples: the samples.
        rows: the rows of O.
        shape: (n, *i), the samples and positions of O in it.
        size: the padded positions of X that its windows span, its slab.
        inner: the part of X, an index of (N, C, *S), that the slab covers.
        outer: the same part as an index of the slab.
    """

    samples: slice
    rows: slice
    shape: tuple[int, ...]
    size: tuple[int, ...]
    inner: tuple[slice, ...]
    outer: tuple[slice, ...]

    def of(self, outputs: Array) -> Array:
        """This tile of an array shaped like O."""
        return outputs[self.samples, :, self.rows]


@lru_cache(maxsize=64)
def _tiles(layer: Layer, itemsize: int) -> tuple[_Tile, ...]:
    """Tiles of O whose column matrix has about `_TILE_BYTES`: whole samples where one fits, else rows of one."""
    row_bytes = layer.channels * prod(layer.kernel) * prod(layer.out[1:]) * itemsize
    rows = max(1, _TILE_BYTES // row_bytes)
    height = layer.out[0]
    samples = max(1, rows // height)
    return tuple(
        _tile(layer, slice(n, min(n + samples, layer.batch)), slice(i, min(i + rows, height)))
        for n in range(0, layer.batch, samples)
        for i in range(0, height, rows)
    )


def _tile(layer: Layer, samples: slice, rows: slice) -> _Tile:
    counts = (rows.stop - rows.start, *layer.out[1:])
    size, inner, outer = [], [samples, slice(None)], [slice(None), slice(None)]
    for axis, count, start in zip(layer.axes, counts, (rows.start, 0, 0), strict=False):
        span = axis.stride * (count - 1) + axis.span
        first = axis.stride * start - axis.before
        high = max(min(first + span, axis.size), 0)
        low = min(max(first, 0), high)
        size.append(span)
        inner.append(slice(low, high))
        outer.append(slice(low - first, high - first))
    return _Tile(samples, rows, (samples.stop - samples.start, *counts), tuple(size), tuple(inner), tuple(outer))


class _Columns:
    """The windows of one tile after the other as the columns of a matrix, in memory that is used again."""

    def __init__(self, layer: Layer, x: Array) -> None:
        self._layer = layer
        self._x = x
        self._memory = np.empty(0, x.dtype)
        padded = any(axis.before or axis.after for axis in layer.axes)
        self._whole = None if padded else _windows(layer, x, layer.out)

    def of(self, tile: _Tile) -> Array:
        """The tile's windows as columns: (g, C/g * K, samples * positions)."""
        layer = self._layer
        if self._whole is None:
            windows = _windows(layer, _slab(self._x, tile), tile.shape[1:])
        else:
            windows = self._whole[(tile.samples, slice(None), *(slice(None),) * layer.dims, tile.rows)]
        taps, outputs = range(2, 2 + layer.dims), range(2 + layer.dims, 2 + 2 * layer.dims)
        ordered = windows.transpose(1, *taps, 0, *outputs)
        if self._memory.size < ordered.size:
            self._memory = np.empty(ordered.size, self._x.dtype)
        columns = self._memory[: ordered.size].reshape(ordered.shape)
        np.copyto(columns, ordered)
        return columns.reshape(layer.groups, layer.group_channels * prod(layer.kernel), -1)


def _windows(layer: Layer, slab: Array, out: tuple[int, ...]) -> Array:
    """A view (n, c, *u, *i) of X or a slab of it: output i of `out` reads position s*i + d*u."""
    steps = [axis.step * stride for axis, stride in zip(layer.axes, slab.strides[2:], strict=True)]
    moves = [axis.stride * stride for axis, stride in zip(layer.axes, slab.strides[2:], strict=True)]
    # With flip the first tap reads the window's last position and the step is negative.
    corner = tuple(slice(axis.origin + axis.before, None) for axis in layer.axes)
    return np.lib.stride_tricks.as_strided(
        slab[(slice(None), slice(None), *corner)],
        (*slab.shape[:2], *layer.kernel, *out),
        (*slab.strides[:2], *steps, *moves),
    )


def _slab(x: Array, tile: _Tile) -> Array:
    """The part of X, with its padding, that the tile's windows span; a view where nothing is padded."""
    here = x[tile.inner]
    if here.shape[2:] == tile.size:
        return here
    slab = np.zeros((*here.shape[:2], *tile.size), x.dtype)
    slab[tile.outer] = here
    return slab


def _as_rows(layer: Layer, outputs: Array) -> Array:
    """A tile of outputs (n, F, *i) as a matrix per group: (g, F/g, samples * positions)."""
    return outputs.swapaxes(0, 1).reshape(layer.groups, layer.group_filters, -1)


def _as_outputs(layer: Layer, tile: _Tile, rows: Array) -> Array:
    """The inverse of `_as_rows`."""
    return rows.reshape(layer.filters, *tile.shape).swapaxes(0, 1)


def _canonical(layer: Layer, name: str, array: Array, dtype: DType) -> Array:
    return array.astype(dtype, copy=False).reshape(layer.canonical[name])


def _exact_output_dtype(layer: Layer, x: Array, w: Array, b: Array | None) -> DType:
    """The dtype in which O's integer sums are exact: |o| <= max|x| * sum|w| + max|b|."""
    top_x, top_b = largest_magnitude(x), 0 if b is None else largest_magnitude(b)
    terms = layer.group_channels * prod(layer.kernel)

    def exact() -> int:
        return top_x * max(_absolute_sums(w.reshape(layer.filters, -1))) + top_b

    return exact_dtype("O", top_x * largest_magnitude(w) * terms + top_b, exact)


def exact_gradient_dtype(layer: Layer, x: Array, w: Array, dedo: Array) -> DType:
    """The dtype in which all three gradients' integer sums are exact."""
    top_x, top_w, top_g = (largest_magnitude(a) for a in (x, w, dedo))
    positions = layer.batch * prod(layer.out)
    by_filter = dedo.reshape(layer.canonical["O"]).swapaxes(0, 1).reshape(layer.filters, -1)
    w_groups = w.reshape(layer.groups, layer.group_filters, layer.group_channels, -1)
    by_channel = w_groups.swapaxes(1, 2).reshape(layer.channels, -1)
    dtypes = (
        exact_dtype("dEdW", top_x * top_g * positions, lambda: top_x * max(_absolute_sums(by_filter))),
        exact_dtype("dEdX", top_w * top_g * by_channel.shape[1], lambda: top_g * max(_absolute_sums(by_channel))),
        exact_dtype("dEdb", top_g * positions, lambda: max(_absolute_sums(by_filter))),
    )
    return np.dtype(np.int64) if np.dtype(np.int64) in dtypes else dtypes[0]


def _absolute_sums(rows: Array) -> list[int]:
    """The sum of absolute values of each row, in Python's unbounded integers."""
    return [int(total) for total in np.abs(rows.astype(object)).sum(axis=1)]
