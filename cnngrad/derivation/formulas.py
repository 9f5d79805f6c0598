"""The rules of a layer as formulas with its own stride, padding and dilation.

Positions count from 1, as in the notes: output i reads input s*i + d*u + (1 - s - d - p) through filter element u.
"""

from collections.abc import Iterable, Sequence

from cnngrad.derivation.blocks import Derivative, Letter, Phrase, Row, Sum
from cnngrad.layer import Layer, joined
from cnngrad.layer.expansion import OPERANDS
from cnngrad.tensor import DB, DEDO, DW, DX, B, O, Tensor, W, X

_LETTERS = {O: "ijk", W: "uvt", X: "pqr"}


def counted_by(layer: Layer, tensor: Tensor) -> str:
    """What the letters of an array's positions count: `i, j count the rows and columns of O`."""
    count, positions = "counts" if layer.dims == 1 else "count", joined([f"{word}s" for word in layer.axis_words])
    return f"{', '.join(letters(layer, tensor))} {count} the {positions} of {tensor.title}"


def letters(layer: Layer, tensor: Tensor) -> Sequence[str]:
    """The letters that count an array's positions: i for windows, u for the filter, p for what the windows lie on."""
    return _LETTERS[layer.role[tensor].array][: layer.dims]


def rules(layer: Layer) -> dict[Tensor, Row]:
    """The rule of O and of each gradient.

    o(i,j)     = Σ w(u,v)·x(i+u−1, j+v−1), plus b if the layer has one
    ∂E/∂w(u,v) = Σ ∂E/∂o(i,j)·x(i+u−1, j+v−1)
    ∂E/∂x(p,q) = Σ ∂E/∂o(i,j)·w(u,v) over all i, u with i+u−1 = p and so on
    ∂E/∂b      = Σ ∂E/∂o(i,j)

    In a transposed layer X and ∂E/∂O change places; so do O and ∂E/∂X.
    """
    windows, wide = layer.role[O].array, layer.role[X].array
    i, u, p = (tuple(letters(layer, tensor)) for tensor in (windows, W, wide))
    outer, inner = "cf" if layer.transposed else "fc"
    # With groups, W's second axis counts within the group: c or f there differs from c' of X or f' of O.
    own = inner + "'" * (layer.groups > 1)
    of_bias = own if layer.transposed else outer
    lettered = {windows: (("n", outer), i), W: ((outer, inner), u), wide: (("n", own), p), B: ((of_bias,), ())}
    here = {
        array: Letter(array.letter, lead[len(lead) - layer.lead[array] :], place)
        for array, (lead, place) in lettered.items()
    }
    # The position that a window reads, in place of its own letter.
    read = [axis.relation.from_1().written(*each) for axis, *each in zip(layer.axes, i, u, strict=True)]
    there = here | {wide: here[wide]._replace(place=tuple(read))}

    def total(tensor: Tensor, at: dict[Tensor, Letter], over: Iterable[Row]) -> Row:
        factors = tuple(_element(operand, at) for operand in OPERANDS[tensor])
        bias = (" + ", here[B]) if tensor is O and layer.has_bias else ()
        return _element(tensor, here), " = ", Sum(factors, tuple(over)), *bias

    # A position in the padding may stand for an element of X.
    meets = " = " if layer.mode == "zeros" else Phrase(" standing for ")
    met = [(position, meets, letter) for position, letter in zip(read, p, strict=True)]
    summed = (outer,) if layer.groups == 1 else (outer, Phrase(" of the group of "), own)
    plain, full = layer.role[O], layer.role[DX]
    return {
        plain: total(plain, there, zip((*here[W].lead[-1:], *u), strict=True)),
        DW: total(DW, there, zip((*here[windows].lead[:-1], *i), strict=True)),
        full: total(full, here, (*[summed][: layer.lead[B]], *met)),
        DB: total(DB, here, zip((*here[O].lead[:-1], *here[O].place), strict=True)),
    }


def _element(tensor: Tensor, letters: dict[Tensor, Letter]) -> Letter | Derivative:
    letter = letters[tensor.array]
    return Derivative(letter) if tensor.is_gradient else letter


def convolutions(layer: Layer, summary: bool = False) -> dict[Tensor, Row]:
    """O, dE/dW and dE/dX as convolutions; the summary names the arrays as the notes do.

    O     = Conv(X, W), with flip W is rotated
    ∂E/∂W = Conv(X, ∂E/∂O), with flip the result is rotated
    ∂E/∂X = Full-Conv(∂E/∂O, Rotated 180°(W)), with flip the rotations cancel; Fold(…) if the padding is not zeros

    In a transposed layer X and ∂E/∂O change places; so do O and ∂E/∂X.
    """
    turned = (Phrase("Rotated "), "180°")
    named = {
        X: (Phrase("Input "), "X"),
        DEDO: (Phrase("Loss gradient "), Derivative(Letter("O"))),
    }
    wide, windows = (named[layer.role[tensor]][0 if summary else 1 :] for tensor in (X, DEDO))
    as_it_is, rotated = (("W",), (*turned, "(W)"))[:: -1 if layer.flip else 1]
    made = (Phrase("Conv"), "(", *wide, ", ", *windows, ")")
    full = (Phrase("Full-Conv"), "(", *windows, ", ", *rotated, ")")
    rows = {
        layer.role[O]: (Phrase("Conv"), "(", *wide, ", ", *as_it_is, ")"),
        DW: (*turned, "(", *made, ")") if layer.flip else made,
        layer.role[DX]: full if layer.mode == "zeros" else (Phrase("Fold"), "(", *full, ")"),
    }
    if layer.has_bias:
        rows[O] += (" + b",)
    return {t: (Derivative(Letter(t.array.key)) if t.is_gradient else t.key, " = ", *row) for t, row in rows.items()}
