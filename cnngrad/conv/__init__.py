"""The numbers of a convolution layer: O, dE/dW, dE/dX and dE/db.

The letters mean the same in every formula: n sample, f filter, c channel, i output position, u filter position,
s stride, d dilation, p padding; x is 0 outside the input.

What is computed is written here; how, by which way for which shape, is the plan's.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from cnngrad.arrays import (
    Array,
    DType,
    check_result,
    common_dtype,
    is_finite,
    is_sure,
    read_tensor,
    working_dtype,
)
from cnngrad.conv import plan
from cnngrad.conv.exact import exact_gradient_dtype, exact_output_dtype
from cnngrad.layer import Layer, Padding, PerAxis, Shape, make_layer
from cnngrad.memory import require

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Backward", "Forward", "Gradients", "Progress", "backward", "forward"]

# Elements of an array from which it is asked whether there is memory for results.
_LARGE = 2**20

# Called after each step with the number of steps done and of all steps.
Progress = Callable[[int, int], None]


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
        dims: the number of spatial axes, where the shapes don't tell (see README's table).

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
    work = Forward(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip, dims=dims)
    if work.layer.largest > _LARGE:
        require(work.planned)
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
    work = Backward(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip, dims=dims)
    if work.layer.largest > _LARGE:
        require(work.planned)
    return Gradients(work.gradient("dEdW"), work.gradient("dEdX"), work.gradient("dEdb"))


class Forward:
    """One layer's O, still to be computed: its dtype and size are known, and where it goes can be chosen.

    Numbers of the arrays that change in place are those of the next `output`; their bounds are those of the first.
    """

    def __init__(
        self, x: "npt.ArrayLike", w: "npt.ArrayLike", b: "npt.ArrayLike | None" = None, **options: Any
    ) -> None:
        """The layer of these arrays and options; arguments and errors as for `forward`."""
        self._x, x_dtype, x_norm = read_tensor("X", x)
        self._w, w_dtype, w_norm = read_tensor("W", w)
        # By Cauchy and Schwarz no sum of products of X's and W's elements is larger.
        self._bound = x_norm * w_norm
        if b is None:
            self._b = None
            b_shape = None
            self.dtype = common_dtype(x_dtype, w_dtype)
        else:
            self._b, b_dtype, b_norm = read_tensor("b", b)
            b_shape = self._b.shape
            self.dtype = common_dtype(x_dtype, w_dtype, b_dtype)
            self._bound += b_norm
        self.layer = make_layer(self._x.shape, self._w.shape, b_shape=b_shape, **options)
        self._work = working_dtype(self.dtype)
        if self.dtype.kind == "i":
            self._work = exact_output_dtype(self.layer, self._x, self._w, self._b)

    @property
    def planned(self) -> dict[str, tuple[Shape, DType]]:
        """The shape and dtype of O."""
        return {"O": (self.layer.shapes["O"], self.dtype)}

    def output(self, out: Array | None = None, progress: Progress | None = None) -> Array:
        """O in the user's layout.

        Args:
            out: where to write it, a C-contiguous array of O's shape and dtype; new memory where None.
            progress: called with the positions of O that are done, and with all.

        Raises:
            CnngradError: O is too large for its dtype.
        """
        o = _given_or_new(out, self.layer.canonical["O"], self.dtype)
        if is_sure(self._bound, self.dtype):
            self.write(o, self.dtype.kind == "f", progress)
            return o.reshape(self.layer.shapes["O"])
        with _overflow_ignored():
            self.write(o, True, progress)
            if not is_finite(o):
                # A transform's sums are larger than O's own.
                self.write(o, False, progress)
        o = o.reshape(self.layer.shapes["O"])
        check_result("O", o)
        return o

    def write(self, o: Array, rounded: bool, progress: Progress | None = None) -> None:
        """Write O to an array (N, F, *S_out), whether or not its dtype holds what comes out; NumPy may warn.

        Args:
            o: a C-contiguous array of O's dtype.
            rounded: False keeps every output as precise as its own terms are: no transforms.
            progress: as for `output`.
        """
        layer = self.layer
        canonical = layer.canonical
        x, w = self._x.reshape(canonical["X"]), self._w.reshape(canonical["W"])
        b = None if self._b is None else self._b.astype(self._work, copy=False).reshape(-1)
        _work_through(plan.output(layer, x, w, b, o, self._work, rounded), layer, progress)


class Backward:
    """One layer's gradients, still to be computed, each by itself: their dtype and sizes are known."""

    def __init__(self, x: "npt.ArrayLike", w: "npt.ArrayLike", dedo: "npt.ArrayLike", **options: Any) -> None:
        """The layer of these arrays and options; arguments and errors as for `backward`."""
        self._x, x_dtype, x_norm = read_tensor("X", x)
        self._w, w_dtype, w_norm = read_tensor("W", w)
        self._dedo, dedo_dtype, dedo_norm = read_tensor("dEdO", dedo)
        self.layer = make_layer(self._x.shape, self._w.shape, dedo_shape=self._dedo.shape, **options)
        # As for O; and no sum of some elements is larger than all of them as large as they are together.
        self._bounds = {"W": x_norm * dedo_norm, "X": w_norm * dedo_norm, "b": dedo_norm * self._dedo.size}
        self.dtype = common_dtype(x_dtype, w_dtype, dedo_dtype)
        self._work = working_dtype(self.dtype)
        if self.dtype.kind == "i":
            self._work = exact_gradient_dtype(self.layer, self._x, self._w, self._dedo)

    @property
    def planned(self) -> dict[str, tuple[Shape, DType]]:
        """The shape and dtype of each gradient."""
        return {f"dEd{array}": (self.layer.shapes[array], self.dtype) for array in ("W", "X", "b")}

    def gradient(self, name: str, out: Array | None = None, progress: Progress | None = None) -> Array:
        """One gradient in the user's layout.

        Args:
            name: `"dEdW"`, `"dEdX"` or `"dEdb"`.
            out: where to write it, a C-contiguous array of its shape and dtype; new memory where None.
            progress: called with the positions of O that are done, and with all.

        Raises:
            CnngradError: the gradient is too large for its dtype.
        """
        layer = self.layer
        array = name.removeprefix("dEd")
        found = _given_or_new(out, layer.canonical[array], self.dtype)
        if is_sure(self._bounds[array], self.dtype):
            self._write(array, found, progress)
            return found.reshape(layer.shapes[array])
        with _overflow_ignored():
            self._write(array, found, progress)
        found = found.reshape(layer.shapes[array])
        check_result(name, found)
        return found

    def _write(self, array: str, found: Array, progress: Progress | None) -> None:
        """Write the gradient of X, W or b to an array of the canonical shape."""
        layer, canonical = self.layer, self.layer.canonical
        dedo = self._dedo.reshape(canonical["O"])
        if array == "X":
            w = self._w.reshape(canonical["W"])
            _work_through(plan.input_gradient(layer, w, dedo, found, self._work), layer, progress)
        elif array == "W":
            x = self._x.reshape(canonical["X"])
            _work_through(plan.filter_gradient(layer, x, dedo, found, self._work), layer, progress)
        else:
            found[...] = np.add.reduce(dedo, axis=(0, *range(2, dedo.ndim)), dtype=self._work)


def _overflow_ignored() -> np.errstate:
    """Inside, NumPy does not warn of numbers too large for their dtype: `check_result` finds them."""
    return np.errstate(over="ignore", invalid="ignore")


def _given_or_new(out: Array | None, shape: Shape, dtype: DType) -> Array:
    return np.empty(shape, dtype) if out is None else out.reshape(shape)


def _work_through(parts: Iterable[float], layer: Layer, progress: Progress | None) -> None:
    """Do all the work of the plan, which tells how many positions of O are done."""
    if progress is None:
        for _ in parts:
            pass
        return
    done, whole = 0.0, layer.batch * prod(layer.out)
    for positions in parts:
        done += positions
        progress(round(done), whole)
    if round(done) < whole:
        # What is small is done at once, and not counted.
        progress(whole, whole)
