r"""A derivation in LaTeX: an article, or a fragment that another document takes in with \input.

It compiles with pdflatex and needs only the packages amsmath and xcolor.
"""

import re
from collections.abc import Sequence

from cnngrad.derivation.blocks import Derivation, Figure, Phrase
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Symbol
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


# A figure in millimetres: where its columns of nodes are, and the height of a row.
_LEFT, _RIGHT, _ROW = 15, 55, 9


def latex_document(derivation: Derivation, style: Style) -> str:
    """The article, or the fragment."""
    writer = _Writer(style.precision, *([_NARROW] if style.fragment else []))
    title = writer.text(style.title or derivation.layer)
    body = writer.sections(derivation, r"\textbf{{{}}}" if style.fragment else r"\subsection*{{{}}}")
    if style.fragment:
        return f"% Needs amsmath and xcolor.\n{_COLOURS}\n{_SPACING}\n{title}\n\n{body}\n"
    begin = f"\\begin{{document}}\n\\section*{{{title}}}\n"
    by = f"{writer.text(style.author)}\n" if style.author else ""
    return f"{_ARTICLE}{_COLOURS}\n{_SPACING}{begin}\n{by}\n{body}\n\\end{{document}}\n"


class _Writer(MathsWriter):
    """Writes blocks in LaTeX, elements in their tensor's colour."""

    def named(self, part: Symbol | Partial | Phrase) -> str:
        text = super().named(part)
        return rf"{{\color{{c{part.tensor.letter}}}{text}}}" if isinstance(part, Symbol) else text

    def text(self, text: str) -> str:
        pieces = re.split(r"(∂E/∂\w|∂o/∂x)", text)
        return "".join(
            f"${piece.replace('∂', chr(92) + 'partial ')}$" if k % 2 else "".join(_CHARACTERS.get(c, c) for c in piece)
            for k, piece in enumerate(pieces)
        )

    def equations(self, lines: Sequence[str], aligned: bool = False) -> str:
        name = "align*" if aligned else "gather*"
        return "\n".join([rf"\begin{{{name}}}", " \\\\\n".join(lines), rf"\end{{{name}}}"])

    def formula(self, line: str) -> str:
        return rf"\[ {line} \]"

    def figure(self, figure: Figure) -> str:
        # Drawn by LaTeX itself: nodes in two columns, and one input's connections.
        rows = figure.rows
        heights = [_ROW * (len(rows) - 1 - k) for k in range(len(rows))]
        start = next(height for height, row in zip(heights, rows, strict=True) if row.is_source)
        parts = []
        for height, row in zip(heights, rows, strict=True):
            if row.source:
                parts.append(rf"\put({_LEFT - 3},{height}){{\makebox(0,0)[r]{{${self.sign(row.source)}$}}}}")
            if isinstance(row.source, Symbol):
                parts.append(rf"\put({_LEFT},{height}){{\circle*{{1.5}}}}")
            if row.link is None:
                continue
            weight, node, back = map(self.sign, row.link)
            ends = f"({_LEFT},{start})({(_LEFT + _RIGHT) / 2:g},{(start + height) / 2:g})({_RIGHT},{height})"
            # Where the connections are apart from each other.
            near = f"{_LEFT + 0.75 * (_RIGHT - _LEFT):g},{start + 0.75 * (height - start) + 0.8:g}"
            parts.append(rf"\qbezier{ends}\put({near}){{\makebox(0,0)[b]{{$\scriptstyle {weight}$}}}}")
            parts.append(rf"\put({_RIGHT},{height}){{\circle*{{1.5}}}}")
            behind = rf"{node} \;\longleftarrow\; {back}"
            parts.append(rf"\put({_RIGHT + 3},{height}){{\makebox(0,0)[l]{{${behind}$}}}}")
        size = f"({_RIGHT + 40},{heights[0] + 4})(0,-2)"
        inner = "\n".join(parts)
        begin = rf"\begin{{center}}\setlength{{\unitlength}}{{1mm}}\begin{{picture}}{size}"
        return f"{begin}\n{inner}\n\\end{{picture}}\\end{{center}}"
