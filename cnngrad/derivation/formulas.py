"""The rules of a layer as formulas, with its own stride, padding and dilation put in.

Positions count from 1, as in the notes: output i reads input s*i + d*u + (1 - s - d - p) through filter element u.
"""

from cnngrad.derivation.blocks import Maths
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


def rule_of_output(layer: Layer) -> Maths:
    """o(i,j) = Σ w(u,v)·x(i+u−1, j+v−1), plus b where the layer has one."""
    f, w, x = _index(layer, "o"), _index(layer, "w"), _index(layer, "x")
    bias_plain = bias_latex = ""
    if layer.has_bias:
        b = _Index(("f",) if layer.w_lead == 2 else (), ())
        bias_plain, bias_latex = f" + {b.plain('b')}", f" + {b.latex('b')}"
    over = _over(layer, [*(["c"] if layer.w_lead else []), *_letters(layer, _FILTER_LETTERS)])
    return Maths(
        f"{f.plain('o')} = Σ {w.plain('w')}·{x.plain('x')}{bias_plain}{_tail(over)}",
        f"{f.latex('o')} = \\sum_{{{over}}} {w.latex('w')}\\, {x.latex('x')}{bias_latex}",
    )


def rule_of_filter_gradient(layer: Layer) -> Maths:
    """∂E/∂w(u,v) = Σ ∂E/∂o(i,j)·x(i+u−1, j+v−1)."""
    o, w, x = _index(layer, "o"), _index(layer, "w"), _index(layer, "x")
    over = _over(layer, [*(["n"] if layer.lead[Tensor.O] == 2 else []), *_letters(layer, _OUTPUT_LETTERS)])
    return Maths(
        f"∂E/∂{w.plain('w')} = Σ ∂E/∂{o.plain('o')}·{x.plain('x')}{_tail(over)}",
        f"{_partial(w.latex('w'))} = \\sum_{{{over}}} {_partial(o.latex('o'))}\\, {x.latex('x')}",
    )


def rule_of_input_gradient(layer: Layer) -> Maths:
    """∂E/∂x(h,l) = Σ ∂E/∂o(i,j)·w(u,v) over all i, u with i+u−1 = h and so on."""
    o, w = _index(layer, "o"), _index(layer, "w")
    x = _Index(_index(layer, "x").lead, tuple(_letters(layer, _INPUT_LETTERS)))
    positions = ", ".join(
        f"{_position(axis, i, u)} = {h}"
        for axis, i, u, h in zip(
            layer.axes,
            _letters(layer, _OUTPUT_LETTERS),
            _letters(layer, _FILTER_LETTERS),
            _letters(layer, _INPUT_LETTERS),
            strict=True,
        )
    )
    filters = "f" if layer.groups == 1 else "f of the group of c'"
    over = f"{filters}, {positions}" if layer.w_lead == 2 else positions
    latex_over = (
        over.replace("f of the group of c'", r"f \text{ of the group of } c'").replace("·", "").replace("−", "-")
    )
    return Maths(
        f"∂E/∂{x.plain('x')} = Σ ∂E/∂{o.plain('o')}·{w.plain('w')}{_tail(f'all with {over}')}",
        f"{_partial(x.latex('x'))} = \\sum_{{{latex_over}}} {_partial(o.latex('o'))}\\, {w.latex('w')}",
    )


def rule_of_bias_gradient(layer: Layer) -> Maths:
    """∂E/∂b = Σ ∂E/∂o(i,j)."""
    o, b = _index(layer, "o"), _Index(("f",) if layer.w_lead == 2 else (), ())
    over = _over(layer, [*(["n"] if layer.lead[Tensor.O] == 2 else []), *_letters(layer, _OUTPUT_LETTERS)])
    return Maths(
        f"∂E/∂{b.plain('b')} = Σ ∂E/∂{o.plain('o')}{_tail(over)}",
        f"{_partial(b.latex('b'))} = \\sum_{{{over}}} {_partial(o.latex('o'))}",
    )


def convolution(layer: Layer, summary: bool = False) -> Maths:
    """∂E/∂W = Conv(X, ∂E/∂O), with flip the result is rotated; the summary names the arrays as the notes do."""
    x, dedo = ("Input X", "Loss gradient ∂E/∂O") if summary else ("X", "∂E/∂O")
    plain, latex = f"Conv({x}, {dedo})", rf"\text{{Conv}}({_named(x)}, {_named(dedo)})"
    if layer.flip:
        plain, latex = f"Rotated 180°({plain})", rf"\text{{Rotated }} 180^\circ ({latex})"
    return Maths(f"∂E/∂W = {plain}", f"{_partial('W')} = {latex}")


def full_convolution(layer: Layer, summary: bool = False) -> Maths:
    """∂E/∂X = Full-Conv(∂E/∂O, Rotated 180°(W)); with flip the rotations cancel."""
    dedo = "Loss gradient ∂E/∂O" if summary else "∂E/∂O"
    w = "W" if layer.flip else "Rotated 180°(W)"
    return Maths(
        f"∂E/∂X = Full-Conv({dedo}, {w})", rf"{_partial('X')} = \text{{Full-Conv}}({_named(dedo)}, {_named(w)})"
    )


def matrix_product(layer: Layer) -> Maths:
    """O = M x, plus b where the layer has one, and ∂E/∂x = Mᵀ ∂E/∂o."""
    bias = " + b" if layer.has_bias else ""
    return Maths(f"o = M x{bias}     ∂E/∂x = Mᵀ ∂E/∂o", rf"o = M x{bias} \qquad {_partial('x')} = M^T {_partial('o')}")


def _named(words: str) -> str:
    """An array with words in front of it, in LaTeX."""
    latex = {
        "∂E/∂O": _partial("O"),
        "Loss gradient ∂E/∂O": rf"\text{{Loss gradient }} {_partial('O')}",
        "Input X": r"\text{Input } X",
        "Rotated 180°(W)": r"\text{Rotated } 180^\circ (W)",
    }
    return latex.get(words, words)


class _Index:
    """An element with letters in place of numbers: o[n,f](i,j)."""

    def __init__(self, lead: tuple[str, ...], place: tuple[str, ...]) -> None:
        self.lead, self.place = lead, place

    def plain(self, tensor: str) -> str:
        brackets = f"[{','.join(self.lead)}]" if self.lead else ""
        return f"{tensor}{brackets}" + (f"({', '.join(self.place)})" if self.place else "")

    def latex(self, tensor: str) -> str:
        upper = f"^{{[{','.join(self.lead)}]}}" if self.lead else ""
        place = r",\,".join(self.place)
        lower = f"_{{{place}}}" if place else ""
        return f"{tensor}{upper}{lower}".replace("·", "").replace("−", "-")


def _index(layer: Layer, tensor: str) -> _Index:
    if tensor == "w":
        return _Index(("f", "c")[2 - layer.w_lead :], tuple(_letters(layer, _FILTER_LETTERS)))
    if tensor == "o":
        return _Index(("n", "f")[2 - layer.lead[Tensor.O] :], tuple(_letters(layer, _OUTPUT_LETTERS)))
    pairs = zip(layer.axes, _letters(layer, _OUTPUT_LETTERS), _letters(layer, _FILTER_LETTERS), strict=True)
    return _Index(
        ("n", _input_channel(layer))[2 - layer.x_lead :], tuple(_position(axis, i, u) for axis, i, u in pairs)
    )


def _input_channel(layer: Layer) -> str:
    """The letter of X's channel: with groups it differs from the filter's, which counts within the group."""
    return "c" if layer.groups == 1 else "c'"


def _tail(over: str) -> str:
    """What a sum runs over; on a separate line, so that a formula is broken nowhere else."""
    return f"\n    over {over}"


def _letters(layer: Layer, letters: str) -> list[str]:
    return list(letters[: layer.dims])


def _over(layer: Layer, letters: list[str]) -> str:
    return ", ".join(letters)


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


def _partial(latex: str) -> str:
    return f"\\frac{{\\partial E}}{{\\partial {latex}}}"
