"""A formula in three notations: plain text for the terminal, LaTeX for documents, MathML for pages."""

import re
from html import escape

from cnngrad.derivation.blocks import Derivative, Letter, Node, Phrase, Product, Row, Sum
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Symbol

__all__ = ["latex", "mathml", "node_of", "plain"]


def node_of(part: Symbol | Partial) -> Letter | Derivative:
    """An element or a partial derivative as a part of a formula."""
    if isinstance(part, Partial):
        return Derivative(_letter(part.by), _letter(part.of))
    return Derivative(_letter(part)) if part.tensor.is_gradient else _letter(part)


def _letter(symbol: Symbol) -> Letter:
    return Letter(symbol.tensor.letter, tuple(map(str, symbol.lead)), (symbol.position,) if symbol.place else ())


def plain(row: Row) -> str:
    r"""A formula as text; what a sum runs over stands on a line of its own, so that nothing else is broken.

    >>> plain((Derivative(Letter("x")), " = ", Sum(Letter("o", (), ("i",)), (("i",),))))
    '∂E/∂x = Σ o(i)\n    over i'
    """
    tails = [
        f"\n    over {'all with ' if node.conditions else ''}{', '.join(map(plain, node.over))}"
        for node in row
        if isinstance(node, Sum)
    ]
    return "".join(map(_plain, row)) + "".join(tails)


def _plain(node: Node) -> str:
    match node:
        case Letter(name, lead, place):
            upper = f"[{','.join(lead)}]" if lead else ""
            lower = f"({', '.join(place)})" if place else ""
            return f"{name}{upper}{lower}"
        case Derivative(by, of):
            return f"∂{_plain(of)}/∂{_plain(by)}"
        case Product(factors):
            return "·".join(map(_plain, factors))
        case Phrase():
            return str(node)
        case Sum(body):
            return f"Σ {_plain(body)}"
    return node


# Signs as LaTeX and MathML write them; products of a number and a letter have none.
_LATEX = {"     ": r" \qquad ", "Mᵀ": "M^T", "180°": r"180^\circ ", "·": "", "−": "-"}
_MATHML = {
    "     ": '<mspace width="2em"/>', "Mᵀ": "<msup><mi>M</mi><mi>T</mi></msup>", "·": "", "∂": "<mi>∂</mi>",
    "180°": "<msup><mn>180</mn><mo>°</mo></msup>", "'": "<mo>′</mo>",
}  # fmt: skip
_SIGNS = re.compile(rf"{'|'.join(_LATEX)}|\d+|\S|\s+")


def latex(row: Row) -> str:
    r"""A formula in LaTeX.

    >>> latex((Derivative(Letter("x", (), ("22",))), " = M"))
    '\\frac{\\partial E}{\\partial x_{22}} = M'
    """
    return "".join(map(_latex, row))


def _latex(node: Node) -> str:
    match node:
        case Letter(name, lead, place):
            upper = f"^{{[{','.join(lead)}]}}" if lead else ""
            lower = r",\,".join(map(_latex, place))
            return f"{name}{upper}_{{{lower}}}" if place else f"{name}{upper}"
        case Derivative(by, of):
            return rf"\frac{{\partial {_latex(of)}}}{{\partial {_latex(by)}}}"
        case Product(factors):
            return r"\, ".join(map(_latex, factors))
        case Phrase(text):
            before, after = (" " if blank == " " else "" for blank in (text[0], text[-1]))
            return rf"{before}\text{{{text}}}{after}"
        case Sum(body, over):
            return rf"\sum_{{{', '.join(map(latex, over))}}} {_latex(body)}"
    return _SIGNS.sub(lambda found: _LATEX.get(found[0], found[0]), node)


def mathml(row: Row, display: bool = False) -> str:
    """A formula as a `math` element; `display` for one on a line of its own.

    >>> mathml((Letter("x", (), ("22",)),))
    '<math><mrow><msub><mi>x</mi><mrow><mn>22</mn></mrow></msub></mrow></math>'
    """
    block = ' display="block"' if display else ""
    return f"<math{block}>{_row(*row)}</math>"


def _row(*nodes: Node) -> str:
    return f"<mrow>{''.join(map(_mathml, nodes))}</mrow>"


_THIN = '<mspace width="0.17em"/>'


def _mathml(node: Node) -> str:
    match node:
        case Letter(name, lead, place):
            lower = f"<mrow>{f'<mo>,</mo>{_THIN}'.join(map(_mathml, place))}</mrow>" if place else ""
            upper = _row(f"[{','.join(lead)}]") if lead else ""
            kind = f"m{'sub' if place else ''}{'sup' if lead else ''}"
            return f"<{kind}><mi>{name}</mi>{lower}{upper}</{kind}>" if lead or place else f"<mi>{name}</mi>"
        case Derivative(by, of):
            return f"<mfrac>{_row('∂', of)}{_row('∂', by)}</mfrac>"
        case Product(factors):
            return _THIN.join(map(_mathml, factors))
        case Phrase(text):
            return f"<mtext>{escape(text).replace(' ', '&#160;')}</mtext>"
        case Sum(body, over):
            commas = "<mo>,</mo>".join("".join(map(_mathml, each)) for each in over)
            return f"<munder><mo>∑</mo><mrow>{commas}</mrow></munder>{_mathml(body)}"
    return "".join(map(_sign, _SIGNS.findall(node)))


def _sign(text: str) -> str:
    if text in _MATHML or text.isspace():
        return _MATHML.get(text, "")
    kind = "mn" if text.isdigit() else "mi" if text.isalpha() else "mo"
    return f"<{kind}>{escape(text)}</{kind}>"
