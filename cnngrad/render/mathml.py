"""The derivation's formulas in MathML, which browsers show, from their LaTeX, whose few commands are known here."""

import re
from collections.abc import Iterator
from html import escape

__all__ = ["mathml"]

_TOKENS = re.compile(r"\\text\{([^}]*)\}|\\[a-zA-Z]+|\\.|\d+|\S")
_SPACES = {r"\,": "0.17em", r"\qquad": "2em"}
_NAMES = {
    r"\partial": "<mi>∂</mi>",
    r"\sum": "<mo>∑</mo>",
    r"\circ": "<mo>°</mo>",
    "'": "<mo>′</mo>",
    "-": "<mo>−</mo>",
}


def mathml(latex: str, display: bool = False) -> str:
    r"""A formula as a `math` element; `display` for one on a line of its own.

    Raises:
        ValueError: a command that the derivation's formulas don't have.

    >>> mathml(r"x_{22}")
    '<math><mrow><msub><mi>x</mi><mrow><mn>22</mn></mrow></msub></mrow></math>'
    """
    tokens = _TOKENS.finditer(latex)
    block = ' display="block"' if display else ""
    return f"<math{block}>{_row(tokens)}</math>"


def _row(tokens: Iterator[re.Match[str]]) -> str:
    """What stands up to the closing brace or the end, with indices and exponents at what they belong to."""
    made: list[list[str]] = []
    for token in tokens:
        text = token[0]
        if text == "}":
            break
        if text in "_^":
            # The last atom with its index, its exponent, or both.
            made[-1] += [text, _argument(tokens)]
        else:
            made.append([_atom(token, tokens)])
    return f"<mrow>{''.join(map(_with_scripts, made))}</mrow>"


def _argument(tokens: Iterator[re.Match[str]]) -> str:
    """What follows: a group in braces, or a single atom."""
    token = next(tokens)
    return _row(tokens) if token[0] == "{" else _atom(token, tokens)


def _atom(token: re.Match[str], tokens: Iterator[re.Match[str]]) -> str:
    text = token[0]
    if token[1] is not None:
        return f"<mtext>{escape(token[1]).replace(' ', '&#160;')}</mtext>"
    if text == "{":
        return _row(tokens)
    if text == r"\frac":
        return f"<mfrac>{_argument(tokens)}{_argument(tokens)}</mfrac>"
    if text in _SPACES:
        return f'<mspace width="{_SPACES[text]}"/>'
    if text in _NAMES:
        return _NAMES[text]
    if text.startswith("\\"):
        raise ValueError(f"{text} is not known")
    kind = "mn" if text.isdigit() else "mi" if text.isalpha() else "mo"
    return f"<{kind}>{escape(text)}</{kind}>"


def _with_scripts(parts: list[str]) -> str:
    base, *scripts = parts
    by_sign = dict(zip(scripts[::2], scripts[1::2], strict=True))
    if not by_sign:
        return base
    if base == _NAMES[r"\sum"]:
        return f"<munder>{base}{by_sign['_']}</munder>"
    if len(by_sign) == 2:
        return f"<msubsup>{base}{by_sign['_']}{by_sign['^']}</msubsup>"
    return f"<msub>{base}{by_sign['_']}</msub>" if "_" in by_sign else f"<msup>{base}{by_sign['^']}</msup>"
