"""A formula in three notations: plain text for the terminal, LaTeX for documents, MathML for pages."""

import re
from html import escape

from cnngrad.derivation.blocks import Derivative, Letter, Node, Phrase, Sum
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Symbol

__all__ = ["latex", "mathml", "node_of", "plain"]


def node_of(part: Symbol | Partial | Phrase) -> Letter | Derivative | Phrase:
    """An element, a partial derivative or words as a part of a formula."""
    match part:
        case Partial(of, by):
            return Derivative(_letter(by), _letter(of))
        case Symbol():
            return Derivative(_letter(part)) if part.tensor.is_gradient else _letter(part)
    return part


def _letter(symbol: Symbol) -> Letter:
    return Letter(symbol.tensor.letter, tuple(map(str, symbol.lead)), (symbol.position,) * bool(symbol.place))


def plain(*row: Node) -> str:
    r"""A formula as text; the range of a sum has a line of its own, so that lines need no other breaks.

    >>> plain(Derivative(Letter("x")), " = ", Sum((Letter("o", (), ("i",)),), (("i",),)))
    '∂E/∂x = Σ o(i)\n    over i'
    """
    text = tails = ""
    for node in row:
        match node:
            case Letter(name, lead, place):
                text += name + (f"[{','.join(lead)}]" if lead else "") + (f"({', '.join(place)})" if place else "")
            case Derivative(by, of):
                text += f"∂{plain(of)}/∂{plain(by)}"
            case Sum(factors, over):
                text += f"Σ {'·'.join(map(plain, factors))}"
                tails += f"\n    over {', '.join(plain(*each) for each in over)}"
            case _:
                text += str(node)
    return text + tails


# Signs in LaTeX and MathML; a number times a letter has no sign.
_LATEX = {"     ": r" \qquad ", "Mᵀ": "M^T", "180°": r"180^\circ ", "·": "", "−": "-"}
_MATHML = {
    "     ": '<mspace width="2em"/>', "Mᵀ": "<msup><mi>M</mi><mi>T</mi></msup>", "·": "", "∂": "<mi>∂</mi>",
    "180°": "<msup><mn>180</mn><mo>°</mo></msup>", "'": "<mo>′</mo>",
}  # fmt: skip
_SIGNS = re.compile(rf"{'|'.join(_LATEX)}|\d+|\S|\s+")
_THIN = '<mspace width="0.17em"/>'


def latex(*row: Node) -> str:
    r"""A formula in LaTeX.

    >>> latex(Derivative(Letter("x", (), ("22",))), " = M")
    '\\frac{\\partial E}{\\partial x_{22}} = M'
    """
    text = ""
    for node in row:
        match node:
            case Letter(name, lead, place):
                text += name + (f"^{{[{','.join(lead)}]}}" if lead else "")
                lower = r",\,".join(map(latex, place))
                text += f"_{{{lower}}}" if place else ""
            case Derivative(by, of):
                text += rf"\frac{{\partial {latex(of)}}}{{\partial {latex(by)}}}"
            case Phrase(words):
                text += rf"{' ' * words.startswith(' ')}\text{{{words}}}{' ' * words.endswith(' ')}"
            case Sum(factors, over):
                product = r"\, ".join(map(latex, factors))
                text += rf"\sum_{{{', '.join(latex(*each) for each in over)}}} {product}"
            case _:
                text += _SIGNS.sub(lambda found: _LATEX.get(found[0], found[0]), node)
    return text


def mathml(*row: Node, display: bool = False) -> str:
    """A formula as a `math` element; `display` for one on a line of its own.

    >>> mathml(Letter("x", (), ("22",)))
    '<math><mrow><msub><mi>x</mi><mrow><mn>22</mn></mrow></msub></mrow></math>'
    """
    block = ' display="block"' if display else ""
    return f"<math{block}>{_row(*row)}</math>"


def _row(*nodes: Node) -> str:
    return f"<mrow>{''.join(map(_mathml, nodes))}</mrow>"


def _mathml(node: Node) -> str:
    match node:
        case Letter(name, lead, place):
            lower = f"<mrow>{f'<mo>,</mo>{_THIN}'.join(map(_mathml, place))}</mrow>" if place else ""
            upper = _row(f"[{','.join(lead)}]") if lead else ""
            kind = f"m{'sub' if place else ''}{'sup' if lead else ''}"
            return f"<{kind}><mi>{name}</mi>{lower}{upper}</{kind}>" if lead or place else f"<mi>{name}</mi>"
        case Derivative(by, of):
            return f"<mfrac>{_row('∂', of)}{_row('∂', by)}</mfrac>"
        case Phrase(text):
            return f"<mtext>{escape(text).replace(' ', '&#160;')}</mtext>"
        case Sum(factors, over):
            commas = "<mo>,</mo>".join("".join(map(_mathml, each)) for each in over)
            return f"<munder><mo>∑</mo><mrow>{commas}</mrow></munder>{_THIN.join(map(_mathml, factors))}"
    return "".join(map(_sign, _SIGNS.findall(node)))


def _sign(text: str) -> str:
    kind = "mn" if text.isdigit() else "mi" if text.isalpha() else "mo"
    return _MATHML.get(text, "" if text.isspace() else f"<{kind}>{escape(text)}</{kind}>")
