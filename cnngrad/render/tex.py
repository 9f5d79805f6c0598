r"""LaTeX mathematics for documents: symbols, sums and matrices, both for a LaTeX article and for Markdown."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace

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
from cnngrad.layer.expansion import Partial, Worked
from cnngrad.layer.names import Number, Symbol
from cnngrad.render.maths import latex, node_of

__all__ = ["MOST_CHARACTERS", "MathsWriter"]

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


class MathsWriter(Notation, ABC):
    """Writes blocks whose formulas are in LaTeX."""

    times, product, more = r" \cdot ", r"\,", r"\cdots"
    # The signs around a formula in running text.
    signs = ("$", "$")

    def __init__(self, precision: int, line: float = _LINE) -> None:
        """A writer of decimals with `precision` significant digits, in lines of so many ems."""
        super().__init__(precision)
        self._line = line

    @abstractmethod
    def text(self, text: str) -> str:
        """Running text."""

    @abstractmethod
    def figure(self, figure: Figure) -> str:
        """The input, its connections, and what comes back through them."""

    @abstractmethod
    def formula(self, line: str) -> str:
        """A formula on a line of its own."""

    @abstractmethod
    def equations(self, lines: Sequence[str], aligned: bool = False) -> str:
        """Several formulas; aligned ones stand below each other's &."""

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
                return self.equations([line for lines in self.sums(block) for line in lines], aligned=True)
            case Figure():
                return self.figure(block)
            case GridRow():
                return self.equations(self.row(block))
            case Picture():
                return self.equations(self.picture(block))
        return ""

    def sections(self, derivation: Derivation, heading: str) -> str:
        """All sections, each under its heading."""
        return "\n\n".join(
            part
            for section in derivation.sections
            for part in (
                heading.format(self.sentence(section.title)),
                *(self.block(block) for block in section.blocks if not isinstance(block, Hint)),
            )
        )

    def named(self, part: Symbol | Partial | Phrase) -> str:
        """An element, a derivative or words, without the signs around them."""
        return latex((node_of(part) if isinstance(part, Symbol | Partial) else part,))

    def number(self, value: Number) -> str:
        r"""1.5 \times 10^{-9}."""
        mantissa, _, exponent = super().number(value).partition("e")
        return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa

    def sign(self, item: Symbol | Number | str) -> str:
        """What stands between grids, or at a node of a figure."""
        return _SIGNS.get(item, item.strip()) if isinstance(item, str) else self.part(item)

    def sums(self, table: Expansions) -> Iterator[list[str]]:
        """The lines of each expansion, with & before the first sign, for an `align` or `aligned` environment."""
        for whole in table.expansions:
            expansion = replace(whole, terms=whole.terms[:_GLANCE]) if table.in_short else whole
            lines = self._broken([[self.symbols(term.factors) for term in part] for part in expansion.parts])
            if expansion.left_out:
                self._append(lines, rf" + \cdots \quad\text{{({counted(expansion.left_out, 'more term')})}}")
            if expansion.zeros:
                self._append(lines, rf" \quad\text{{({counted(expansion.zeros, 'product')} with 0)}}")
            lines[0] = f"{self.part(expansion.target)} &= {lines[0]}"
            if table.form is Form.WORKED and (worked := expansion.worked) is not None:
                lines += self._worked(worked, expansion.left_out)
            yield lines

    def row(self, row: GridRow) -> list[str]:
        """The grids and signs of a row, broken into as many lines as the page's width requires."""
        lines: list[str] = []
        used = self._line
        sign = ""
        for item in row.items:
            if not isinstance(item, Grid):
                sign += f" {self.sign(item)}"
                continue
            grid, width = self._grid(item)
            if used + width > self._line or len(lines[-1]) + len(grid) > MOST_CHARACTERS:
                lines.append("")
                used = 0.0
            lines[-1] += f"{sign or (chr(92) + 'quad' if lines[-1] else '')} {grid}"
            used += width + 2
            sign = ""
        lines[-1] += sign
        return [line.strip() for line in lines]

    def _worked(self, worked: Worked, left_out: int) -> Iterator[str]:
        if not worked.parts:
            yield f"&= {self.number(worked.value or 0)}"
            return
        lines = self._broken([[self.factors(term.values or ()) for term in part] for part in worked.parts])
        lines[0] = f"&= {lines[0]}"
        if left_out:
            lines[-1] += r" + \cdots"
        if worked.value is not None:
            lines[-1] += f" = {self.number(worked.value)}"
        yield from lines

    def _broken(self, parts: Sequence[Sequence[str]]) -> list[str]:
        """The terms of a sum in lines that fit; each channel, sample or filter begins a new one."""
        lines: list[str] = []
        for part in parts:
            used = self._line
            for term in part:
                if used + _width(term) + 1.2 > self._line - 8:
                    lines.append(term)
                    used = 0
                else:
                    lines[-1] += f" + {term}"
                used += _width(term) + 1.2
        lines = lines or ["0"]
        joined = [f"{line} + {{}}" for line in lines[:-1]] + lines[-1:]
        return [joined[0], *(rf"&\phantom{{=}}\ {line}" for line in joined[1:])]

    def _grid(self, grid: Grid) -> tuple[str, float]:
        columns = _MOST_COLUMNS
        while True:
            rows = [[self._cell(cell) for cell in row] for row in grid.cut(_MOST_ROWS, columns)]
            width, characters = _size(rows)
            if (width <= self._line and characters <= MOST_CHARACTERS) or columns == 1:
                break
            columns -= 1
        space = (
            r" \\[6pt] " if any(mark in text for row in rows for text in row for mark in ("frac", "^{")) else r" \\ "
        )
        matrix = rf"\begin{{bmatrix}} {space.join(' & '.join(row) for row in rows)} \end{{bmatrix}}"
        if (columns < grid.width and len(rows[0]) < grid.width) or grid.height > _MOST_ROWS:
            matrix = rf"\underset{{\text{{{grid.height}$\times${grid.width}, the middle left out}}}}{{{matrix}}}"
        title = _title(grid.title)
        return rf"\overset{{{title}}}{{{matrix}}}", max(width, _width(title) * 0.7)

    def _cell(self, cell: Cell) -> str:
        text = self.cell(cell.content).replace(r"\frac", r"\tfrac")
        return rf"\boxed{{{text}}}" if cell.marked else text

    def picture(self, picture: Picture) -> list[str]:
        """The lines of a picture: products in symbols and in numbers, as far as these fit, or both arrays."""
        rows = [row for row in (picture.symbols, picture.numbers) if row is not None and self._fits(row)]
        return [line for row in rows or [self._in_pieces(picture.apart)] for line in self.row(row)]

    def _in_pieces(self, row: GridRow) -> GridRow:
        """A row whose grids are cut into some that are shown whole."""
        items: list[Grid | Symbol | Number | str] = []
        for item in row.items:
            if not isinstance(item, Grid):
                items.append(item)
                continue
            texts = [self._cell(cell) for cells in item.cells for cell in cells]
            widest, longest = max(map(_width, texts)) + 1, max(map(len, texts)) + _BETWEEN
            columns = max(1, min(_MOST_COLUMNS, int((self._line - 1) / widest)))
            items += item.pieces(max(1, min(_MOST_ROWS, MOST_CHARACTERS // (columns * longest))), columns)
        return GridRow(tuple(items))

    def _fits(self, row: GridRow) -> bool:
        """Whether every grid of a row is whole within the width of a line and the length of a formula."""
        grids = [item for item in row.items if isinstance(item, Grid)]
        if any(grid.height > _MOST_ROWS or grid.width > _MOST_COLUMNS for grid in grids):
            return False
        sizes = [_size([[self._cell(cell) for cell in cells] for cells in grid.cells]) for grid in grids]
        return all(width <= self._line and characters <= MOST_CHARACTERS for width, characters in sizes)

    def _append(self, lines: list[str], note: str) -> None:
        """Add a note to the end of the last line, or below it where it would not fit."""
        if _width(lines[-1]) + _width(note) > self._line - 8:
            lines.append(rf"&\phantom{{=}}\ {note}")
        else:
            lines[-1] += note


def _size(rows: Sequence[Sequence[str]]) -> tuple[float, int]:
    """About how many ems a matrix of formulas takes, and how many characters."""
    width = sum(max(map(_width, column)) + 1 for column in zip(*rows, strict=True)) + 1
    return width, sum(len(text) + _BETWEEN for row in rows for text in row)


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
