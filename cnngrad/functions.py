"""The functions `forward` and `backward`: from a user's arrays to a user's arrays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np

from cnngrad.arrays import Array, Operand, read_tensor
from cnngrad.compute import Work
from cnngrad.layer import Layer, layer_of
from cnngrad.settings import LayerOptions
from cnngrad.tensor import DEDO, GRADIENTS, B, O, Tensor, W, X

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

__all__ = ["Gradients", "backward", "forward", "read_layer"]


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

    def __repr__(self) -> str:
        """The shapes of the gradients, in a line."""
        shapes = ", ".join(f"{name} {getattr(self, name).shape}" for name in ("dw", "dx", "db"))
        return f"<cnngrad gradients: {shapes}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: each gradient as NumPy prints it."""
        from html import escape

        texts = (f"{name} = {np.array2string(getattr(self, name), prefix=name + ' = ')}" for name in ("dw", "dx", "db"))
        return f"<pre>{escape(chr(10).join(texts))}</pre>"


def forward(
    x: "npt.ArrayLike",
    w: "npt.ArrayLike",
    b: "npt.ArrayLike | None" = None,
    **options: Unpack[LayerOptions],
) -> Array:
    """The layer's output O.

    o[n,f,i] = b[f] + sum over c,u of w[f,c,u] * x[n,c, s*i + d*u - p]

    Outside X are zeros, or what `padding_mode` says. The O of a transposed layer is dE/dX of its twin, a convolution:

    o[n,f,h] = b[f] + sum over c,i,u with s*i + d*u - p = h of w[c,f,u] * x[n,c,i]

    Args:
        x: X, shape (*S), (C, *S) or (N, C, *S) with 1, 2 or 3 spatial axes.
        w: W, shape (*K), (C, *K) for one filter, or (F, C/g, *K); for a transposed layer (*K) or (C, F/g, *K).
        b: the bias, shape (F,), or a single number for one filter.
        options: the layer's options `stride`, `padding`, `padding_mode`, `dilation`, `groups`, `flip`, `transposed`,
            `output_padding`, `output_size`, `dims`, `layout` and `filter_layout`;
            `help(cnngrad.settings.LayerOptions)` describes each. Stride and dilation take one integer or one per axis,
            padding also a (before, after) pair per axis or a word.

    Returns:
        O in X's layout: (*S_out), (F, *S_out) or (N, F, *S_out). Integers give exact int64; otherwise the widest
        float among the inputs (float16 is computed in float32).

    Raises:
        CnngradError: shapes, options or numbers that don't make a layer, integer sums beyond int64, or too little
            memory for the result.

    Source: the notes *Back Prop in CNN*, "filter is not rotated for sake of simplicity"; options as in PyTorch, whose
    `conv_transpose2d` is the transposed layer, with any output padding.

    >>> forward([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]])
    array([[12, 17],
           [27, 32]])
    """
    work = Work(*read_layer({X: x, W: w} if b is None else {X: x, W: w, B: b}, options))
    work.require_memory()
    return _written(work, O)


def backward(
    x: "npt.ArrayLike",
    w: "npt.ArrayLike",
    dedo: "npt.ArrayLike",
    **options: Unpack[LayerOptions],
) -> Gradients:
    """The gradients dE/dW, dE/dX and dE/db of the layer that `forward` computes.

    dE/dw[f,c,u] = sum over n,i of dE/do[n,f,i] * x[n,c, s*i + d*u - p]
    dE/dx[n,c,h] = sum over f,u of dE/do[n,f,i] * w[f,c,u]   where s*i + d*u - p = h, or stands for h
    dE/db[f]     = sum over n,i of dE/do[n,f,i]

    Args:
        x: X, as for `forward`.
        w: W, as for `forward`.
        dedo: dE/dO, the gradient of the error with respect to the layer's output, shape of O.
        options: the layer's options, as for `forward`.

    Returns:
        The gradients `dw`, `dx` and `db`, each in the layout of its array; dtypes as for `forward`.

    Raises:
        CnngradError: as for `forward`, and if dE/dO does not have O's shape.

    In a transposed layer dE/dX is the twin's O, and X and dE/dO change places in dE/dW.

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
    work = Work(*read_layer({X: x, W: w, DEDO: dedo}, options))
    work.require_memory()
    return Gradients(*(_written(work, result) for result in GRADIENTS))


def read_layer(arrays: "Mapping[Tensor, npt.ArrayLike]", options: LayerOptions) -> tuple[Layer, dict[Tensor, Operand]]:
    """The layer that a user's arrays make, and the arrays with their axes in cnngrad's order."""
    given = {tensor: read_tensor(tensor.key, array) for tensor, array in arrays.items()}
    layer = layer_of({tensor: operand.array.shape for tensor, operand in given.items()}, **options)
    if layer.layouts.data or layer.layouts.filter:
        given = {tensor: operand.standard(layer, tensor) for tensor, operand in given.items()}
    return layer, given


def _written(work: Work, result: Tensor) -> Array:
    """A result in the user's layout, in memory of its own."""
    layouts = work.layer.layouts
    if not layouts.of(result):
        return work.computed(result)
    found = np.empty(*work.planned[result])
    work.computed(result, layouts.standard(result, found))
    return found
