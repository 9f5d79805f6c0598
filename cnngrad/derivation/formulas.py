"""The rules of a layer as formulas with its own stride, padding and dilation.

Positions count from 1, as in the notes: output i reads input s*i + d*u + (1 - s - d - p) through filter element u.
"""

from collections.abc import Iterable, Sequence

from cnngrad.derivation.blocks import Derivative, Letter, Phrase, Product, Row, Sum
from cnngrad.layer import Layer
from cnngrad.tensor import DB, DW, DX, B, O, Tensor, W, X

_LETTERS = {O: "ijk", W: "uvt", X: "hlm"}


def counted_by(layer: Layer, tensor: Tensor) -> str:
    """What the letters of an array's positions count: `i, j count the rows and columns of O`."""
    *others, last = (f"{word}s" for word in layer.axis_words)
    positions = f"{', '.join(others)} and {last}" if others else last
    return f"{', '.join(letters(layer, tensor))} {'count' if others else 'counts'} the {positions} of {tensor.title}"


def letters(layer: Layer, tensor: Tensor) -> Sequence[str]:
    """The letters that count the positions of O, W or X."""
    return _LETTERS[tensor][: layer.dims]


def rules(layer: Layer) -> dict[Tensor, Row]:
    """The rule of O and of each gradient.

    o(i,j)     = Σ w(u,v)·x(i+u−1, j+v−1), plus b if the layer has one
    ∂E/∂w(u,v) = Σ ∂E/∂o(i,j)·x(i+u−1, j+v−1)
    ∂E/∂x(h,l) = Σ ∂E/∂o(i,j)·w(u,v) over all i, u with i+u−1 = h and so on
    ∂E/∂b      = Σ ∂E/∂o(i,j)
    """
    taken, (i, u, h) = layer.lead, (letters(layer, tensor) for tensor in (O, W, X))
    read = [axis.relation.from_1().written(*each) for axis, *each in zip(layer.axes, i, u, strict=True)]
    # With groups, X's channel c' differs from the filter's c, which counts within the group.
    channel = "c" if layer.groups == 1 else "c'"
    o = Letter("o", ("n", "f")[2 - taken[O] :], tuple(i))
    w = Letter("w", ("f", "c")[2 - taken[W] :], tuple(u))
    x = Letter("x", ("n", channel)[2 - taken[X] :], tuple(read))
    b = Letter("b", ("f",)[: taken[B]])
    dedo, outputs = Derivative(o), (*o.lead[:-1], *i)
    filters: Row = ("f",) if layer.groups == 1 else ("f", Phrase(" of the group of "), channel)
    # A position in the padding may stand for an element of X.
    meets = " = " if layer.mode == "zeros" else Phrase(" standing for ")
    met = [(position, meets, letter) for position, letter in zip(read, h, strict=True)]
    conditions = Sum(Product((dedo, w)), (*[filters][: taken[B]], *met), True)
    return {
        O: (o, " = ", _over((w, x), (*w.lead[-1:], *u)), *((" + ", b) if layer.has_bias else ())),
        DW: (Derivative(w), " = ", _over((dedo, x), outputs)),
        DX: (Derivative(x._replace(place=tuple(h))), " = ", conditions),
        DB: (Derivative(b), " = ", _over((dedo,), outputs)),
    }


def _over(factors: tuple[Letter | Derivative, ...], letters: Iterable[str]) -> Sum:
    return Sum(Product(factors), tuple(zip(letters, strict=True)))


def convolutions(layer: Layer, summary: bool = False) -> dict[Tensor, Row]:
    """dE/dW and dE/dX as convolutions; the summary names the arrays as the notes do.

    ∂E/∂W = Conv(X, ∂E/∂O), with flip the result is rotated
    ∂E/∂X = Full-Conv(∂E/∂O, Rotated 180°(W)), with flip the rotations cancel; Fold(…) if the padding is not zeros
    """
    turned, output_gradient = (Phrase("Rotated "), "180°"), Derivative(Letter("O"))
    x: Row = (Phrase("Input "), "X") if summary else ("X",)
    dedo: Row = (Phrase("Loss gradient "), output_gradient) if summary else (output_gradient,)
    made: Row = (Phrase("Conv"), "(", *x, ", ", *dedo, ")")
    w: Row = ("W",) if layer.flip else (*turned, "(W)")
    full: Row = (Phrase("Full-Conv"), "(", *dedo, ", ", *w, ")")
    return {
        DW: (Derivative(Letter("W")), " = ", *((*turned, "(", *made, ")") if layer.flip else made)),
        DX: (Derivative(Letter("X")), " = ", *(full if layer.mode == "zeros" else (Phrase("Fold"), "(", *full, ")"))),
    }


def matrix_product(layer: Layer) -> Row:
    """O = M x, plus b if the layer has one, and ∂E/∂x = Mᵀ ∂E/∂o."""
    bias = " + b" if layer.has_bias else ""
    return (f"o = M x{bias}", "     ", Derivative(Letter("x")), " = Mᵀ ", Derivative(Letter("o")))
