r"""A derivation in LaTeX: an article, or a fragment that another document takes in with \input.

It compiles with pdflatex and needs only the packages amsmath and xcolor.
"""

import re
from collections.abc import Sequence

from cnngrad.derivation.blocks import (
    Derivation,
    Expansions,
    Figure,
    Formula,
    GridRow,
    Hint,
    Part,
    Picture,
    Sentence,
)
from cnngrad.render.maths import latex
from cnngrad.render.style import Style
from cnngrad.render.tex import MathsWriter

__all__ = ["latex_document"]

_COLOURS = "\n".join(
    rf"\providecolor{{c{tensor}}}{{HTML}}{{{colour}}}"
    for tensor, colour in (("x", "1A6FAE"), ("w", "B2541A"), ("o", "8347B5"), ("b", "1F7A52"))
)
_ARTICLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{amsmath}
\usepackage{xcolor}
\setlength{\textwidth}{17cm}
\setlength{\oddsidemargin}{-0.5cm}
\setlength{\textheight}{24.5cm}
\setlength{\topmargin}{-1.5cm}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
"""
# In lines of equations fractions stand close to each other.
_SPACING = "\\setlength{\\jot}{7pt}\n\\setcounter{MaxMatrixCols}{50}\n\\allowdisplaybreaks\n"
# The width of a line of a fragment in ems: it fits a slide of 128 mm.
_NARROW = 30.0

# How characters of running text are written in LaTeX.
_CHARACTERS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$",
    "°": r"$^\circ$", "…": r"\dots{}", "ᵀ": r"$^T$", "−": "$-$", "∗": "$*$", "-": "{-}",
    "Σ": r"$\sum$", "δ": r"$\delta$",
}  # fmt: skip


def latex_document(derivation: Derivation, style: Style) -> str:
    """The article, or the fragment."""

    def coloured(tensor: str, latex: str) -> str:
        return rf"{{\color{{c{tensor}}}{latex}}}"

    writer = MathsWriter(style.precision, coloured, *([_NARROW] if style.fragment else []))
    title = _text(style.title or derivation.layer)
    parts = []
    for section in derivation.sections:
        blocks = [_block(block, writer) for block in section.blocks if not isinstance(block, Hint)]
        heading = _sentence(section.title, writer)
        command = "textbf" if style.fragment else "subsection*"
        parts.append("\n\n".join([rf"\{command}{{{heading}}}", *blocks]))
    body = "\n\n".join(parts)
    if style.fragment:
        return f"% Needs amsmath and xcolor.\n{_COLOURS}\n{_SPACING}\n{title}\n\n{body}\n"
    begin = f"\\begin{{document}}\n\\section*{{{title}}}\n"
    by = f"{_text(style.author)}\n" if style.author else ""
    return f"{_ARTICLE}{_COLOURS}\n{_SPACING}{begin}\n{by}\n{body}\n\\end{{document}}\n"


def _block(block: Sentence | Formula | Expansions | GridRow | Picture | Figure, writer: MathsWriter) -> str:
    if isinstance(block, Sentence):
        return _sentence(block.parts, writer)
    if isinstance(block, Formula):
        return f"\\[ {latex(block.row)} \\]"
    if isinstance(block, Expansions):
        lines = [line for lines in writer.sums(block) for line in lines]
        return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"
    if isinstance(block, Figure):
        return writer.drawing(block)
    if isinstance(block, Picture):
        return "\\begin{gather*}\n" + " \\\\\n".join(writer.picture(block)) + "\n\\end{gather*}"
    return "\\begin{gather*}\n" + " \\\\\n".join(writer.row(block)) + "\n\\end{gather*}"


def _sentence(parts: Sequence[Part], writer: MathsWriter) -> str:
    return "".join(_text(part) if isinstance(part, str) else f"${writer.part(part)}$" for part in parts)


def _text(text: str) -> str:
    pieces = re.split(r"(∂E/∂\w|∂o/∂x)", text)
    return "".join(
        f"${piece.replace('∂', chr(92) + 'partial ')}$" if k % 2 else "".join(_CHARACTERS.get(c, c) for c in piece)
        for k, piece in enumerate(pieces)
    )
