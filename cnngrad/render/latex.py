r"""A derivation as a LaTeX article that compiles with pdflatex and needs only the packages amsmath and xcolor."""

import re
from collections.abc import Iterator, Sequence

from cnngrad.derivation.blocks import (
    Derivation,
    Expansions,
    Figure,
    Formula,
    GridRow,
    Hint,
    Part,
    Picture,
    Section,
    Sentence,
)
from cnngrad.render.tex import MathsWriter

__all__ = ["latex_document"]

_HEAD = r"""\documentclass[10pt,a4paper]{article}
\usepackage{amsmath}
\usepackage{xcolor}
\setlength{\textwidth}{17cm}
\setlength{\oddsidemargin}{-0.5cm}
\setlength{\textheight}{24.5cm}
\setlength{\topmargin}{-1.5cm}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\setcounter{MaxMatrixCols}{50}
\allowdisplaybreaks
\definecolor{cx}{HTML}{1A6FAE}
\definecolor{cw}{HTML}{B2541A}
\definecolor{co}{HTML}{8347B5}
\definecolor{cb}{HTML}{1F7A52}
"""

# How characters of running text are written in LaTeX.
_CHARACTERS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$",
    "°": r"$^\circ$", "…": r"\dots{}", "ᵀ": r"$^T$", "−": "$-$", "∗": "$*$", "-": "{-}", "Σ": r"$\sum$", "δ": r"$\delta$",
}  # fmt: skip


def latex_document(derivation: Derivation, precision: int) -> str:
    """The article."""
    writer = MathsWriter(precision, lambda tensor, latex: rf"{{\color{{c{tensor}}}{latex}}}")
    body = [rf"\section*{{{_text(derivation.layer)}}}"]
    for section in derivation.sections:
        body += _section(section, writer)
    return f"{_HEAD}\\begin{{document}}\n" + "\n\n".join(body) + "\n\\end{document}\n"


def _section(section: Section, writer: MathsWriter) -> Iterator[str]:
    yield rf"\subsection*{{{_sentence(section.title, writer)}}}"
    for block in section.blocks:
        if not isinstance(block, Hint):
            yield _block(block, writer)


def _block(block: Sentence | Formula | Expansions | GridRow | Picture | Figure, writer: MathsWriter) -> str:
    if isinstance(block, Sentence):
        return _sentence(block.parts, writer)
    if isinstance(block, Formula):
        return f"\\[ {block.maths.latex} \\]"
    if isinstance(block, Expansions):
        lines = [line for lines in writer.sums(block) for line in lines]
        return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"
    if isinstance(block, Figure):
        return _figure(block)
    if isinstance(block, Picture):
        return "\\begin{gather*}\n" + " \\\\\n".join(writer.picture(block)) + "\n\\end{gather*}"
    return "\\begin{gather*}\n" + " \\\\\n".join(writer.row(block)) + "\n\\end{gather*}"


def _figure(figure: Figure) -> str:
    """The drawing as verse, its lines of one height."""
    lines = (
        line.replace("──▶", "-->")
        .replace("◀──", "<--")
        .replace("─", "-")
        .translate(dict.fromkeys(map(ord, "┌┬├┼└"), "+"))
        for line in figure.lines
    )
    plain = "\n".join(lines).replace("∂", "d").replace("…", "...")
    return f"\\begin{{verbatim}}\n{plain}\n\\end{{verbatim}}"


def _sentence(parts: Sequence[Part], writer: MathsWriter) -> str:
    return "".join(_text(part) if isinstance(part, str) else f"${writer.inline(part)}$" for part in parts)


def _text(text: str) -> str:
    pieces = re.split(r"(∂E/∂\w|∂o/∂x)", text)
    return "".join(
        f"${piece.replace('∂', chr(92) + 'partial ')}$" if k % 2 else "".join(_CHARACTERS.get(c, c) for c in piece)
        for k, piece in enumerate(pieces)
    )
