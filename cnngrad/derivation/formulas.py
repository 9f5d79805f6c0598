"""The rules of a layer as formulas, with its own stride, padding and dilation put in.

Positions count from 1, as in the notes: output i reads input s*i + d*u + (1 - s - d - p) through filter element u.
"""

from collections.abc import Sequence

from cnngrad.derivation.blocks import Derivative, Letter, Phrase, Product, Row, Sum
from cnngrad.layer import Axis, Layer
from cnngrad.tensor import Tensor

__all__ = [
    "axis_words",
    "convolution",
    "counted_by",
    "full_convolution",
    "letters",
    "matrix_product",
    "rule_of_bias_gradient",
    "rule_of_filter_gradient",
    "rule_of_input_gradient",
    "rule_of_output",
]

_OUTPUT_LETTERS, _FILTER_LETTERS, _INPUT_LETTERS = "ijk", "uvt", "hlm"


def axis_words(dims: int) -> tuple[str, ...]:
    """What the positions along each spatial axis are called, in the plural."""
    return {1: ("positions",), 2: ("rows", "columns"), 3: ("depths", "rows", "columns")}[dims]


def counted_by(layer: Layer, tensor: Tensor, title: str) -> str:
    """What the letters of an array's positions count: `i, j count the rows and columns of O`."""
    *others, last = axis_words(layer.dims)
    positions = f"{', '.join(others)} and {last}" if others else last
    return f"{letters(layer, tensor)} {'count' if others else 'counts'} the {positions} of {title}"


def letters(layer: Layer, tensor: Tensor) -> str:
    """The letters that count the positions of O, W or X: `i, j`."""
    every = {Tensor.O: _OUTPUT_LETTERS, Tensor.W: _FILTER_LETTERS, Tensor.X: _INPUT_LETTERS}
    return ", ".join(_letters(layer, every[tensor]))


def rule_of_output(layer: Layer) -> Row:
    """o(i,j) = Σ w(u,v)·x(i+u−1, j+v−1), plus b where the layer has one."""
    bias: Row = (" + ", _bias(layer)) if layer.has_bias else ()
    over = [*(["c"] if layer.w_lead else []), *_letters(layer, _FILTER_LETTERS)]
    return (_index(layer, "o"), " = ", _sum([_index(layer, "w"), _index(layer, "x")], over), *bias)


def rule_of_filter_gradient(layer: Layer) -> Row:
    """∂E/∂w(u,v) = Σ ∂E/∂o(i,j)·x(i+u−1, j+v−1)."""
    summed = _sum([Derivative(_index(layer, "o")), _index(layer, "x")], _over_outputs(layer))
    return (Derivative(_index(layer, "w")), " = ", summed)


def rule_of_input_gradient(layer: Layer) -> Row:
    """∂E/∂x(h,l) = Σ ∂E/∂o(i,j)·w(u,v) over all i, u with i+u−1 = h and so on."""
    x = _index(layer, "x")._replace(place=_letters(layer, _INPUT_LETTERS))
    letters = (_letters(layer, each) for each in (_OUTPUT_LETTERS, _FILTER_LETTERS, _INPUT_LETTERS))
    positions = [(f"{_position(axis, i, u)} = {h}",) for axis, i, u, h in zip(layer.axes, *letters, strict=True)]
    filters: Row = ("f",) if layer.groups == 1 else ("f", Phrase(" of the group of "), "c'")
    over = ((filters,) if layer.w_lead == 2 else ()) + tuple(positions)
    return (Derivative(x), " = ", Sum(Product((Derivative(_index(layer, "o")), _index(layer, "w"))), over, True))


def rule_of_bias_gradient(layer: Layer) -> Row:
    """∂E/∂b = Σ ∂E/∂o(i,j)."""
    return (Derivative(_bias(layer)), " = ", _sum([Derivative(_index(layer, "o"))], _over_outputs(layer)))


def convolution(layer: Layer, summary: bool = False) -> Row:
    """∂E/∂W = Conv(X, ∂E/∂O), with flip the result is rotated; the summary names the arrays as the notes do."""
    x, dedo = (_INPUT, _LOSS) if summary else ((), ())
    made: Row = (Phrase("Conv"), "(", *x, "X, ", *dedo, _OUTPUT_GRADIENT, ")")
    return (Derivative(Letter("W")), " = ", *((*_ROTATED, "(", *made, ")") if layer.flip else made))


def full_convolution(layer: Layer, summary: bool = False) -> Row:
    """∂E/∂X = Full-Conv(∂E/∂O, Rotated 180°(W)); with flip the rotations cancel."""
    w: Row = ("W",) if layer.flip else (*_ROTATED, "(W)")
    dedo = (*(_LOSS if summary else ()), _OUTPUT_GRADIENT)
    return (Derivative(Letter("X")), " = ", Phrase("Full-Conv"), "(", *dedo, ", ", *w, ")")


def matrix_product(layer: Layer) -> Row:
    """O = M x, plus b where the layer has one, and ∂E/∂x = Mᵀ ∂E/∂o."""
    bias = " + b" if layer.has_bias else ""
    return (f"o = M x{bias}", "     ", Derivative(Letter("x")), " = Mᵀ ", Derivative(Letter("o")))


_INPUT, _LOSS, _ROTATED = (Phrase("Input "),), (Phrase("Loss gradient "),), (Phrase("Rotated "), "180°")
_OUTPUT_GRADIENT = Derivative(Letter("O"))


def _sum(factors: "Sequence[Letter | Derivative]", over: Sequence[str]) -> Sum:
    return Sum(Product(tuple(factors)), tuple((letter,) for letter in over))


def _bias(layer: Layer) -> Letter:
    return Letter("b", ("f",) if layer.w_lead == 2 else ())


def _index(layer: Layer, name: str) -> Letter:
    """An element with letters in place of numbers."""
    outputs, taps = _letters(layer, _OUTPUT_LETTERS), _letters(layer, _FILTER_LETTERS)
    if name == "w":
        return Letter("w", ("f", "c")[2 - layer.w_lead :], taps)
    if name == "o":
        return Letter("o", ("n", "f")[2 - layer.lead[Tensor.O] :], outputs)
    # With groups X's channel differs from the filter's, which counts within the group.
    lead = ("n", "c" if layer.groups == 1 else "c'")[2 - layer.x_lead :]
    return Letter("x", lead, tuple(_position(*each) for each in zip(layer.axes, outputs, taps, strict=True)))


def _letters(layer: Layer, letters: str) -> tuple[str, ...]:
    return tuple(letters[: layer.dims])


def _over_outputs(layer: Layer) -> list[str]:
    return [*(["n"] if layer.lead[Tensor.O] == 2 else []), *_letters(layer, _OUTPUT_LETTERS)]


def _position(axis: Axis, i: str, u: str) -> str:
    """The input position, from 1, as a sum in the letters of output and filter position, from 1."""
    stride, step, first = axis.relation
    constant = first - stride - step + 1
    text = f"{_times(stride)}{i}"
    text += f" {'−' if step < 0 else '+'} {_times(abs(step))}{u}"
    if constant:
        text += f" {'−' if constant < 0 else '+'} {abs(constant)}"
    return text


def _times(factor: int) -> str:
    return "" if factor == 1 else f"{factor}·"
