r"""A derivation in LaTeX: an article, or a fragment that another document takes in with \input.

It compiles with pdflatex and needs only the packages amsmath and xcolor.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from cnngrad.derivation.blocks import (
    Block,
    Derivation,
    Expansions,
    Figure,
    Form,
    Formula,
    GridRow,
    Hint,
    Part,
    Phrase,
    Picture,
    Sentence,
)
from cnngrad.derivation.grids import Cell, Grid
from cnngrad.derivation.notation import Notation
from cnngrad.layer import counted
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Number, Symbol
from cnngrad.render.maths import latex, node_of
from cnngrad.render.style import Style

__all__ = ["MOST_CHARACTERS", "Writer", "latex_document"]

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
    "\\": r"\textbackslash{}", **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$",
    "°": r"$^\circ$", "…": r"\dots{}", "ᵀ": r"$^T$", "−": "$-$", "∗": "$*$", "-": "{-}",
    "Σ": r"$\sum$", "δ": r"$\delta$",
}  # fmt: skip
# A figure in millimetres: where its columns of nodes are, and the height of a row.
_LEFT, _RIGHT, _ROW = 15, 55, 9


# The width of a line in ems, roughly: a page with 17 cm of text in 10 points.
_LINE = 44.0
_MOST_ROWS, _MOST_COLUMNS = 10, 14
# The terms of a sum in short.
_GLANCE = 6
# The characters between two cells of a matrix.
_BETWEEN = 3
# MathJax, which GitHub uses, takes no more than 5 kB in one formula.
MOST_CHARACTERS = 4000

_SIGNS = {
    "∗": "*",
    "·": r"\cdot",
    "+=": r"\mathrel{+}=",
    "Full-Conv(": r"\text{Full-Conv}\Bigl(",
    ")": r"\Bigr)",
    "and": r"\quad\text{and}\quad",
    "…": r"\cdots",
    "+ …": r"+ \cdots",
    "  ": r"\quad",
    "rotate 180°": r"\text{rotate } 180^\circ",
}


def latex_document(derivation: Derivation, style: Style) -> str:
    """The article, or the fragment."""
    writer = Writer(style.precision, *([_NARROW] if style.fragment else []))
    title = writer.text(style.title or derivation.layer)
    body = writer.sections(derivation, r"\textbf{{{}}}" if style.fragment else r"\subsection*{{{}}}")
    if style.fragment:
        return f"% Needs amsmath and xcolor.\n{_COLOURS}\n{_SPACING}\n{title}\n\n{body}\n"
    begin = f"\\begin{{document}}\n\\section*{{{title}}}\n"
    by = f"{writer.text(style.author)}\n" if style.author else ""
    return f"{_ARTICLE}{_COLOURS}\n{_SPACING}{begin}\n{by}\n{body}\n\\end{{document}}\n"


class Writer(Notation):
    """Writes blocks in LaTeX."""

    times, product, more = r" \cdot ", r"\,", r"\cdots"
    # The signs around a formula in running text, and whether elements have their tensor's colour.
    signs, coloured = ("$", "$"), True

    def __init__(self, precision: int, line: float = _LINE) -> None:
        """A writer of decimals with `precision` significant digits, in lines of so many ems."""
        super().__init__(precision)
        self._line = line

    def text(self, text: str) -> str:
        """Running text."""
        pieces = re.split(r"(∂E/∂\w|∂o/∂x)", text)
        return "".join(
            f"${piece.replace('∂', chr(92) + 'partial ')}$" if k % 2 else "".join(_CHARACTERS.get(c, c) for c in piece)
            for k, piece in enumerate(pieces)
        )

    def equations(self, lines: Sequence[str], aligned: bool = False) -> str:
        """Several formulas; aligned ones stand below each other's &."""
        name = "align*" if aligned else "gather*"
        return "\n".join([rf"\begin{{{name}}}", " \\\\\n".join(lines), rf"\end{{{name}}}"])

    def formula(self, line: str) -> str:
        """A formula on a line of its own."""
        return rf"\[ {line} \]"

    def figure(self, figure: Figure) -> str:
        """The input, its connections, and what comes back; drawn by LaTeX itself: nodes in two columns."""
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

    def sentence(self, parts: Sequence[Part]) -> str:
        """Running text with formulas in it."""
        return "".join(self.text(part) if isinstance(part, str) else self.part(part).join(self.signs) for part in parts)

    def block(self, block: Block) -> str:
        """One block."""
        match block:
            case Sentence(parts):
                return self.sentence(parts)
            case Formula(row):
                return self.formula(latex(row))
            case Expansions():
                return self.equations(list(self.sums(block)), aligned=True)
            case Figure():
                return self.figure(block)
            case GridRow():
                return self.equations(self.row(block))
            case Picture():
                return self.equations(self.picture(block))
        return ""

    def sections(self, derivation: Derivation, heading: str) -> str:
        """All sections, each under its heading."""
        parts = []
        for section in derivation.sections:
            parts.append(heading.format(self.sentence(section.title)))
            parts += [self.block(block) for block in section.blocks if not isinstance(block, Hint)]
        return "\n\n".join(parts)

    def named(self, part: Symbol | Partial | Phrase) -> str:
        """An element, a derivative or words, without the signs around them."""
        text = latex((part if isinstance(part, Phrase) else node_of(part),))
        if not (self.coloured and isinstance(part, Symbol)):
            return text
        return rf"{{\color{{c{part.tensor.letter}}}{text}}}"

    def number(self, value: Number) -> str:
        r"""1.5 \times 10^{-9}."""
        mantissa, _, exponent = super().number(value).partition("e")
        return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa

    def sign(self, item: Symbol | Number | str) -> str:
        """What stands between grids, or at a node of a figure."""
        return _SIGNS.get(item, item.strip()) if isinstance(item, str) else self.part(item)

    def sums(self, table: Expansions) -> Iterator[str]:
        """The lines of each expansion, with & before the first sign, for an `align` or `aligned` environment."""
        for whole in table.expansions:
            expansion = replace(whole, terms=whole.terms[:_GLANCE]) if table.in_short else whole
            left_out, worked = expansion.left_out, expansion.worked if table.form is Form.WORKED else None
            lines = self._broken([[self.symbols(term.factors) for term in part] for part in expansion.parts])
            if left_out:
                self._append(lines, rf" + \cdots \quad\text{{({counted(left_out, 'more term')})}}")
            if expansion.zeros:
                self._append(lines, rf" \quad\text{{({counted(expansion.zeros, 'product')} with 0)}}")
            yield f"{self.part(expansion.target)} &= {lines[0]}"
            yield from lines[1:]
            if worked is not None and not worked.parts:
                yield f"&= {self.number(worked.value or 0)}"
            elif worked is not None:
                lines = self._broken([[self.factors(term.values or ()) for term in part] for part in worked.parts])
                lines[-1] += r" + \cdots" if left_out else ""
                lines[-1] += "" if worked.value is None else f" = {self.number(worked.value)}"
                yield f"&= {lines[0]}"
                yield from lines[1:]

    def row(self, row: GridRow) -> list[str]:
        """The grids and signs of a row, broken into as many lines as the page's width requires."""
        lines: list[str] = []
        used, sign = self._line, ""
        for item in row.items:
            if not isinstance(item, Grid):
                sign += f" {self.sign(item)}"
                continue
            grid, width = self._grid(item)
            if used + width > self._line or len(lines[-1]) + len(grid) > MOST_CHARACTERS:
                lines.append("")
                used = 0.0
            lines[-1] += f"{sign or (chr(92) + 'quad' if lines[-1] else '')} {grid}"
            used, sign = used + width + 2, ""
        lines[-1] += sign
        return list(map(str.strip, lines))

    def _broken(self, parts: Sequence[Sequence[str]]) -> list[str]:
        """The terms of a sum in lines that fit; each channel, sample or filter begins a new one."""
        lines: list[list[str]] = []
        for part in parts:
            used = self._line
            for term in part:
                if used + _width(term) + 1.2 > self._line - 8:
                    lines.append([])
                    used = 0
                lines[-1].append(term)
                used += _width(term) + 1.2
        joined = [" + ".join(line) for line in lines] or ["0"]
        return " + {}\n&\\phantom{=}\\ ".join(joined).split("\n")

    def _grid(self, grid: Grid) -> tuple[str, float]:
        columns = _MOST_COLUMNS
        while not self._is_small(rows := self._texts(grid, columns)) and columns > 1:
            columns -= 1
        lines = [" & ".join(row) for row in rows]
        space = r" \\[6pt] " if any(mark in line for line in lines for mark in ("frac", "^{")) else r" \\ "
        matrix = rf"\begin{{bmatrix}} {space.join(lines)} \end{{bmatrix}}"
        if (columns < grid.width and len(rows[0]) < grid.width) or grid.height > _MOST_ROWS:
            matrix = rf"\underset{{\text{{{grid.height}$\times${grid.width}, the middle left out}}}}{{{matrix}}}"
        title = _title(grid.title)
        return rf"\overset{{{title}}}{{{matrix}}}", max(_matrix_width(rows), _width(title) * 0.7)

    def _cell(self, cell: Cell) -> str:
        text = self.cell(cell.content).replace(r"\frac", r"\tfrac")
        return rf"\boxed{{{text}}}" if cell.marked else text

    def picture(self, picture: Picture) -> list[str]:
        """The lines of a picture: products in symbols and in numbers, as far as these fit, or both arrays."""
        rows = [row for row in (picture.symbols, picture.numbers) if row is not None and self._fits(row)]
        if not rows:
            pieces = (self._pieces(item) if isinstance(item, Grid) else [item] for item in picture.apart.items)
            rows = [GridRow(tuple(chain.from_iterable(pieces)))]
        return [line for row in rows for line in self.row(row)]

    def _pieces(self, grid: Grid) -> list[Grid]:
        """A grid cut into some that are shown whole."""
        texts = [self._cell(cell) for cells in grid.cells for cell in cells]
        widest, longest = max(map(_width, texts)) + 1, max(map(len, texts)) + _BETWEEN
        columns = max(1, min(_MOST_COLUMNS, int((self._line - 1) / widest)))
        return grid.pieces(max(1, min(_MOST_ROWS, MOST_CHARACTERS // (columns * longest))), columns)

    def _fits(self, row: GridRow) -> bool:
        """Whether every grid of a row is whole within the width of a line and the length of a formula."""
        return all(
            item.height <= _MOST_ROWS and item.width <= _MOST_COLUMNS and self._is_small(self._texts(item))
            for item in row.items
            if isinstance(item, Grid)
        )

    def _texts(self, grid: Grid, columns: int = _MOST_COLUMNS) -> list[list[str]]:
        return [[self._cell(cell) for cell in row] for row in grid.cut(_MOST_ROWS, columns)]

    def _is_small(self, rows: list[list[str]]) -> bool:
        """Whether a matrix fits into a line, and its formula is not too long."""
        characters = sum(len(text) + _BETWEEN for row in rows for text in row)
        return _matrix_width(rows) <= self._line and characters <= MOST_CHARACTERS

    def _append(self, lines: list[str], note: str) -> None:
        """Add a note to the end of the last line, or below it where it would not fit."""
        if _width(lines[-1]) + _width(note) > self._line - 8:
            lines.append(rf"&\phantom{{=}}\ {note}")
        else:
            lines[-1] += note


def _matrix_width(rows: Sequence[Sequence[str]]) -> float:
    """About how many ems a matrix of formulas takes."""
    return sum(max(map(_width, column)) + 1 for column in zip(*rows, strict=True)) + 1


def _title(title: str) -> str:
    """A grid's title: words as text, ∂E/∂X and Mᵀ as mathematics."""
    parts = re.split(r"(∂E/∂\w|Mᵀ|·)", title)
    maths = {"Mᵀ": "M^T", "·": r"\cdot"}
    return "".join(
        maths.get(part, part.replace("∂", r"\partial ")) if k % 2 else rf"\text{{{part}}}" if part else ""
        for k, part in enumerate(parts)
    )


_COLOUR = re.compile(r"\\color\{\w+\}")
_FRACTION = re.compile(r"\\t?frac\{((?:[^{}]|\{[^{}]*\})*)\}\{((?:[^{}]|\{[^{}]*\})*)\}")
_SCRIPTS = re.compile(r"(?:\^\{([^{}]*)\})?_\{([^{}]*)\}|\^\{([^{}]*)\}")
_COMMAND = re.compile(r"\\(?:[a-zA-Z]+|.)")


def _width(latex: str) -> float:
    """About how many ems a formula takes: fractions by their wider half, indices small and above each other."""
    latex = _COLOUR.sub("", latex)
    fractions = [max(_width(part) for part in parts) * 1.1 for parts in _FRACTION.findall(latex)]
    latex = _FRACTION.sub("", latex)
    scripts = [0.37 * max(map(len, parts)) for parts in _SCRIPTS.findall(latex)]
    latex = _SCRIPTS.sub("", latex)
    spaces = 1.0 * latex.count(r"\quad") + 0.5 * latex.count(r"\boxed") + 0.55 * latex.count(r"\partial")
    operators = 1.2 * len(re.findall(r"[+=]", latex)) + 0.8 * latex.count(r"\cdot")
    letters = 0.52 * len(re.sub(r"[{}&\s+=]", "", _COMMAND.sub("", latex)))
    return sum(fractions) + sum(scripts) + spaces + operators + letters
