"""The terminal's view of matrices: between brackets, side by side, their middle left out where they are large."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len
from rich.text import Text

from cnngrad.derivation.grids import Cell, Fill, Grid, Pair
from cnngrad.layer.names import Number, Symbol
from cnngrad.render.numbers import align, factor, number
from cnngrad.render.terminal import DIM, PLAIN_WIDTH, STYLES, chosen_color, make_console, show

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["Matrix", "SideBySide", "show_results"]

_MOST_ROWS = 24
_MOST_MATRICES = 12

# Corners and sides of the brackets, and replacements for encodings that lack these characters.
_BRACKETS, _ASCII_BRACKETS = "┌┐│└┘", "++|++"

# Lines of text, top to bottom. Rich's tables would do as well, but take a tenth of a short command's time to load.
Lines = list[Text]


def show_results(
    file: TextIO, layer: str, grids: Iterable[Iterable[Grid]], precision: int, color: str = "auto"
) -> None:
    """Print the layer's line, and the matrices of each result; of many matrices the first.

    Rich's console takes long to load, and is only used for a terminal.
    """
    shown = _results(layer, grids, precision)
    if file.isatty() or chosen_color(color) == "always":
        show(make_console(file, color), shown)
        return
    ascii_only = not (file.encoding or "utf-8").lower().startswith("utf")
    for part in shown:
        if isinstance(part, Text):
            lines = textwrap.wrap(part.plain, PLAIN_WIDTH) or [""]
        else:
            lines = [line.plain.rstrip() for line in part.lines(PLAIN_WIDTH, ascii_only)]
        file.write("".join(f"{line}\n" for line in lines))


def _results(layer: str, grids: Iterable[Iterable[Grid]], precision: int) -> "Iterator[Text | SideBySide]":
    yield Text(layer, style="bold")
    for result in grids:
        matrices = [Matrix(grid, precision) for grid in result]
        yield Text()
        yield SideBySide(matrices[:_MOST_MATRICES])
        if len(matrices) > _MOST_MATRICES:
            yield Text(f"… {len(matrices) - _MOST_MATRICES} more matrices; -o FILE saves them all", DIM)


class Matrix:
    """A grid between brackets, its middle left out where it is too high or too wide."""

    def __init__(self, grid: Grid, precision: int) -> None:
        """The view of a grid, with decimals of `precision` significant digits."""
        self._grid = grid
        self._precision = precision

    def within(self, width: int, brackets: str = _BRACKETS) -> Lines:
        """The matrix, its title above it, in no more than `width` columns."""
        grid = self._grid
        texts = self._columns(1)
        for most in range(min(grid.width, width // 3), 0, -1):
            texts = self._columns(most)
            if sum(column[0].cell_len + 2 for column in texts) + 2 <= width:
                break
        rows = [Text("  ").join(row) for row in zip(*texts, strict=True)]
        blank = " " * (rows[0].cell_len + 2)
        top_left, top_right, side, low_left, low_right = (*brackets,)
        lines = [Text(grid.title, _style_of(grid)), Text(f"{top_left}{blank}{top_right}")]
        lines += [Text.assemble(f"{side} ", row, f" {side}") for row in rows]
        lines.append(Text(f"{low_left}{blank}{low_right}"))
        if any("…" in row.plain for row in rows):
            lines.append(Text(f"({grid.height}×{grid.width} in all)", DIM))
        return lines

    def fits(self, width: int) -> bool:
        """Whether it is whole within a width."""
        return self._grid.height <= _MOST_ROWS and self._width < width

    @property
    def _width(self) -> int:
        return sum(column[0].cell_len + 2 for column in self._columns(self._grid.width)) + 2

    def pieces(self, width: int) -> "list[Matrix]":
        """The matrix whole, or cut into some of at most this width where it does not fit, row by row."""
        whole = Matrix(replace(self._grid, in_short=False), self._precision)
        if whole.fits(width):
            return [whole]
        wide = max(column[0].cell_len + 2 for column in whole._columns(self._grid.width))
        pieces = self._grid.pieces(_MOST_ROWS, max(1, (width - 3) // wide))
        return [Matrix(piece, self._precision) for piece in pieces]

    def _columns(self, most: int) -> list[list[Text]]:
        """The cells of at most `most` columns (and one for those left out), as texts of equal width within a column."""
        pictured = any(cell.marked for row in self._grid.cut(_MOST_ROWS, most) for cell in row)
        columns = zip(*self._grid.cut(_MOST_ROWS, most), strict=True)
        return [self._column(column, pictured) for column in columns]

    def _column(self, column: Sequence[Cell], pictured: bool) -> list[Text]:
        plain = [self._plain(cell) for cell in column]
        if all(isinstance(cell.content, int | float) for cell in column):
            plain = align(plain)
        if pictured:
            plain = [_bracketed(text) if cell.marked else f" {text} " for cell, text in zip(column, plain, strict=True)]
        width = max(map(cell_len, plain))
        return [
            Text(" " * (width - cell_len(text)) + text, self._style(cell))
            for cell, text in zip(column, plain, strict=True)
        ]

    def _plain(self, cell: Cell) -> str:
        if isinstance(cell.content, Pair):
            return f"{self._factor(cell.content.left)}·{self._factor(cell.content.right)}"
        if isinstance(cell.content, Fill):
            return "…" if cell.content is Fill.MORE else "0"
        return number(cell.content, self._precision) if isinstance(cell.content, int | float) else str(cell.content)

    def _factor(self, content: Symbol | Number | Fill) -> str:
        if isinstance(content, int | float):
            return factor(content, self._precision)
        return "0" if isinstance(content, Fill) else str(content)

    def _style(self, cell: Cell) -> str:
        style = DIM if isinstance(cell.content, Fill) else _style_of(self._grid)
        return f"{style} bold" if cell.marked else style


def _style_of(grid: Grid) -> str:
    return "" if grid.tensor is None else STYLES[grid.tensor.letter]


def _bracketed(text: str) -> str:
    """The text in brackets, its leading blanks outside."""
    inner = text.lstrip()
    return f"{' ' * (len(text) - len(inner))}[{inner}]"


# Signs that stand behind a matrix; all others stand in front of one.
_CLOSING = {")", ",", "…", "+ …", "=", "+", "∗", "+="}


class SideBySide:
    """Grids and the signs between them in one line, or in several where the line is too narrow."""

    def __init__(self, items: Sequence[Matrix | Text]) -> None:
        """Matrices and signs in their order."""
        # Each unit is a matrix with the signs in front of it and those that close it.
        self._units: list[list[Matrix | Text]] = [[]]
        for item in items:
            complete = any(isinstance(part, Matrix) for part in self._units[-1])
            if complete and not (isinstance(item, Text) and item.plain.strip() in _CLOSING):
                self._units.append([])
            self._units[-1].append(item)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """The lines, as Rich asks for them."""
        yield from self.lines(options.max_width, options.ascii_only)

    def fits(self, width: int) -> bool:
        """Whether every matrix is whole within a width."""
        return all(item.fits(width) for unit in self._units for item in unit if isinstance(item, Matrix))

    def pieces(self, width: int) -> "SideBySide":
        """The same with every cell of every matrix, those that do not fit cut into some that do."""
        every = [item for unit in self._units for item in unit]
        # The signs beside a matrix need room too.
        room = width - 2 - sum(item.cell_len + 1 for item in every if isinstance(item, Text))
        items: list[Matrix | Text] = []
        for item in every:
            items += item.pieces(room) if isinstance(item, Matrix) else [item]
        return SideBySide(items)

    def lines(self, most: int, ascii_only: bool) -> Iterator[Text]:
        """The lines, of at most `most` characters where that is possible."""
        sized = [_sized(unit, most, _ASCII_BRACKETS if ascii_only else _BRACKETS) for unit in self._units]
        whole = sum(width for _, width in sized) <= most
        line: list[Lines] = []
        used, after_equals = 0, False
        for (parts, width), unit in zip(sized, self._units, strict=True):
            first, last = unit[0], unit[-1]
            # A row that is too long is broken behind its equals sign first.
            if line and (used + width > most or (after_equals and not whole)):
                yield from _beside(line)
                yield Text()
                line, used = [], 0
                parts = parts[1:] if isinstance(first, Text) and not first.plain.strip() else parts
            after_equals = isinstance(last, Text) and last.plain.strip() == "="
            line += parts
            used += width
        yield from _beside(line)


def _sized(unit: Sequence[Matrix | Text], width: int, brackets: str) -> tuple[list[Lines], int]:
    """A unit's parts and their width; the matrix takes the width that its signs leave free."""
    signs = sum(item.cell_len + 1 for item in unit if isinstance(item, Text))
    # A sign stands beside the numbers of a matrix, not beside its title.
    parts = [[Text(), item] if isinstance(item, Text) else item.within(width - signs - 1, brackets) for item in unit]
    return parts, sum(_width(part) + 1 for part in parts)


def _width(lines: Lines) -> int:
    return max(line.cell_len for line in lines)


def _beside(parts: Sequence[Lines]) -> Iterator[Text]:
    """The parts beside each other, all with their middle at one height."""
    height = max(map(len, parts))
    for r in range(height):
        line = Text(no_wrap=True, overflow="ellipsis")
        for part in parts:
            k = r - (height - len(part)) // 2
            here = part[k] if 0 <= k < len(part) else Text()
            line.append_text(here).append(" " * (_width(part) - here.cell_len + 1))
        yield line
