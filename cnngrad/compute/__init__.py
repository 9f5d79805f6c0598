"""The numbers of a convolution layer: O, dE/dW, dE/dX and dE/db.

The letters mean the same in every formula: n sample, f filter, c channel, i output position, u filter position,
s stride, d dilation, p padding; x is 0 outside the input.

This module defines what is computed; `plan` decides how, that is by which method for which shape.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from cnngrad.arrays import (
    Array,
    DType,
    Operand,
    check_result,
    common_dtype,
    is_finite,
    is_sure,
    read_tensor,
    working_dtype,
)
from cnngrad.compute.exact import exact_gradient_dtype, exact_output_dtype
from cnngrad.compute.plan import Plan, add_up, make_plan, write
from cnngrad.layer import Layer, Padding, PerAxis, Shape, make_layer
from cnngrad.memory import require
from cnngrad.tensor import GRADIENTS, Tensor
from cnngrad.threads import Progress

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Backward", "Forward", "Gradients", "Progress", "backward", "forward"]

# For layers with a larger array than this many elements, memory for the results is checked first.
_LARGE = 2**20


@dataclass(frozen=True, eq=False)
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
    x: "npt.ArrayLike",
    w: "npt.ArrayLike",
    b: "npt.ArrayLike | None" = None,
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
        dims: the number of spatial axes, where the shapes leave it open (see README's table).

    Returns:
        O in X's layout: (*S_out), (F, *S_out) or (N, F, *S_out). Integers give exact int64; otherwise the widest
        float among the inputs (float16 is computed in float32).

    Raises:
        CnngradError: shapes, options or numbers that don't make a layer, integer sums beyond int64, or a result
            that there is no memory for.

    Source: the notes *Back Prop in CNN*, "filter is not rotated for sake of simplicity"; options as in PyTorch.

    >>> forward([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]])
    array([[12, 17],
           [27, 32]])
    """
    x_, w_, b_ = read_tensor("X", x), read_tensor("W", w), None if b is None else read_tensor("b", b)
    layer = make_layer(
        x_.shape,
        w_.shape,
        b_shape=None if b_ is None else b_.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        flip=flip,
        dims=dims,
    )
    work = Forward(layer, x_, w_, b_)
    work.require_memory()
    return work.output()


def backward(
    x: "npt.ArrayLike",
    w: "npt.ArrayLike",
    dedo: "npt.ArrayLike",
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
        stride: see `forward`.
        padding: see `forward`.
        dilation: see `forward`.
        groups: see `forward`.
        flip: see `forward`.
        dims: see `forward`.

    Returns:
        The gradients `dw`, `dx` and `db`, each in the layout of its array; dtypes as for `forward`.

    Raises:
        CnngradError: as for `forward`, and if dE/dO does not have O's shape.

    Source: the notes *Back Prop in CNN*, with the mistakes listed in samples/README.md corrected.

    >>> grads = backward([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]], [[4, -2], [-3, 5]])
    >>> grads.dw
    array([[13, 17],
           [25, 29]])
    >>> grads.dx
    array([[  4,   6,  -4],
           [  9, -11,  12],
           [ -9,  18,  -5]])
    >>> int(grads.db)
    4
    """
    x_, w_, dedo_ = read_tensor("X", x), read_tensor("W", w), read_tensor("dEdO", dedo)
    layer = make_layer(
        x_.shape,
        w_.shape,
        dedo_shape=dedo_.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        flip=flip,
        dims=dims,
    )
    work = Backward(layer, x_, w_, dedo_)
    work.require_memory()
    return Gradients(*map(work.gradient, GRADIENTS))


class _Work(ABC):
    """Results of one layer that are not computed yet: dtype and sizes are known, the caller chooses the target.

    Attributes:
        layer: the layer.
        dtype: the results' dtype.
        bounds: for each result, an upper bound on the magnitude of its elements and of all intermediate sums.
    """

    def __init__(self, layer: Layer, dtype: DType, bounds: dict[Tensor, float]) -> None:
        self.layer, self.dtype, self.bounds = layer, dtype, bounds

    @property
    def planned(self) -> dict[Tensor, tuple[Shape, DType]]:
        """The shape and dtype of each result."""
        return {result: (self.layer.shapes[result], self.dtype) for result in self.bounds}

    def require_memory(self) -> None:
        """Raise a CnngradError unless there is memory for the results."""
        if self.layer.largest > _LARGE:
            require({result.key: plan for result, plan in self.planned.items()})

    def computed(self, result: Tensor, out: Array | None, progress: Progress | None) -> Array:
        """A result in the user's layout, written to `out`, or to new memory where it is None.

        Raises:
            CnngradError: it is too large for its dtype.
        """
        shape = self.layer.canonical[result]
        found = np.empty(shape, self.dtype) if out is None else out.reshape(shape)
        if is_sure(self.bounds[result], self.dtype):
            self._write(result, found, True, progress)
            return found.reshape(self.layer.shapes[result])
        # Numbers that are too large are found below; NumPy need not warn of them.
        with np.errstate(over="ignore", invalid="ignore"):
            self._write(result, found, True, progress)
            if result is Tensor.O and not is_finite(found):
                # Sums in a transform can overflow where O itself is finite.
                self._write(result, found, False, progress)
        found = found.reshape(self.layer.shapes[result])
        check_result(result.key, found)
        return found

    @abstractmethod
    def _write(self, result: Tensor, found: Array, rounded: bool, progress: Progress | None) -> None:
        """Write a result to an array of canonical shape; `rounded` as for `Forward.plan`."""


class Forward(_Work):
    """One layer's O, not computed yet.

    Where the arrays are changed in place, the next `output` uses the new numbers, but the bounds of the first ones.
    """

    def __init__(self, layer: Layer, x: Operand, w: Operand, b: Operand | None = None) -> None:
        """O of a layer with these numbers, in the user's layout.

        Raises:
            CnngradError: integer sums beyond int64.
        """
        dtype, bound = common_dtype(x.dtype, w.dtype), x.norm * w.norm
        if b is not None:
            dtype, bound = common_dtype(dtype, b.dtype), bound + b.norm
        # By the Cauchy-Schwarz inequality no sum of products of X's and W's elements is larger.
        super().__init__(layer, dtype, {Tensor.O: bound})
        self._work = working_dtype(dtype)
        if dtype.kind == "i":
            self._work = exact_output_dtype(layer, x.array, w.array, None if b is None else b.array)
        self._x = x.array.reshape(layer.canonical[Tensor.X])
        self._w = layer.rotated(w.array.reshape(layer.by_groups))
        self._b = None if b is None else b.array.reshape(-1)

    def plan(self, rounded: bool = True) -> Plan:
        """How O is computed; without `rounded` by no transform, so that each output is as precise as its terms."""
        return make_plan(self.layer.unflipped, Tensor.O, self._work, rounded and self.dtype.kind == "f")

    def output(self, out: Array | None = None, progress: Progress | None = None) -> Array:
        """O in the user's layout.

        Args:
            out: where to write it, a C-contiguous array of O's shape and dtype; new memory where None.
            progress: called with the number of tiles done and the number of all tiles.

        Raises:
            CnngradError: O is too large for its dtype.
        """
        return self.computed(Tensor.O, out, progress)

    def write(self, o: Array) -> None:
        """Write O, computed without transforms, to an array (N, F, *S_out); overflow is no error, NumPy may warn."""
        self._write(Tensor.O, o, False, None)

    def _write(self, result: Tensor, found: Array, rounded: bool, progress: Progress | None) -> None:
        b = None if self._b is None else self._b.astype(self._work, copy=False)
        write(self.plan(rounded), self._x, self._w, b, found, progress)


class Backward(_Work):
    """One layer's gradients, not computed yet; each can be computed by itself."""

    def __init__(self, layer: Layer, x: Operand, w: Operand, dedo: Operand) -> None:
        """The gradients of a layer with these numbers, in the user's layout.

        Raises:
            CnngradError: integer sums beyond int64.
        """
        # As for O. For dE/db: no element is larger than the norm, so no sum is larger than the norm times the size.
        bounds = {
            Tensor.DW: x.norm * dedo.norm,
            Tensor.DX: w.norm * dedo.norm,
            Tensor.DB: dedo.norm * dedo.array.size,
        }
        super().__init__(layer, common_dtype(x.dtype, w.dtype, dedo.dtype), bounds)
        self._work = working_dtype(self.dtype)
        if self.dtype.kind == "i":
            self._work = exact_gradient_dtype(layer, x.array, w.array, dedo.array)
        self._x = x.array.reshape(layer.canonical[Tensor.X])
        self._w = layer.rotated(w.array.reshape(layer.by_groups))
        self._dedo = dedo.array.reshape(layer.canonical[Tensor.DEDO])

    def plan(self, result: Tensor) -> Plan:
        """How dE/dW or dE/dX is computed."""
        return make_plan(self.layer.unflipped, result, self._work)

    def gradient(self, result: Tensor, out: Array | None = None, progress: Progress | None = None) -> Array:
        """One of dE/dW, dE/dX and dE/db in the user's layout; arguments and errors as for O."""
        return self.computed(result, out, progress)

    def _write(self, result: Tensor, found: Array, rounded: bool, progress: Progress | None) -> None:
        if result is Tensor.DB:
            found[...] = np.add.reduce(self._dedo, axis=(0, *range(2, self._dedo.ndim)), dtype=self._work)
        elif result is Tensor.DX:
            write(self.plan(result), self._dedo, self._w, None, found, progress)
        else:
            target = self.layer.rotated(found.reshape(self.layer.by_groups))
            add_up(self.plan(result), self._x, self._dedo, target, progress)
