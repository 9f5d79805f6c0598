"""Matrices as text: between brackets, side by side, their middle left out where they are large."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple, TextIO

from cnngrad.derivation.grids import Cell, Fill, Grid
from cnngrad.derivation.notation import Notation, align
from cnngrad.render.terminal import DIM, PLAIN_WIDTH, STYLES, chosen_color, make_console, show

__all__ = ["Line", "Matrix", "SideBySide", "show_results"]

_MOST_ROWS = 24
_MOST_MATRICES = 12

# Corners and sides of the brackets, and replacements for encodings that lack these characters.
_BRACKETS, _ASCII_BRACKETS = "┌┐│└┘", "++|++"

# A line as texts with their styles. Rich takes a tenth of a short command's time to load.
Line = list[tuple[str, str]]


def show_results(
    file: TextIO, layer: str, grids: Iterable[Iterable[Grid]], precision: int, color: str = "auto"
) -> None:
    """Print the layer's line, and the matrices of each result; of many matrices the first."""
    shown: list[Line | SideBySide] = [[(layer, "bold")]]
    for result in grids:
        matrices = [Matrix(grid, Notation(precision)) for grid in result]
        shown += [[("", "")], SideBySide(matrices[:_MOST_MATRICES])]
        if (more := len(matrices) - _MOST_MATRICES) > 0:
            shown.append([(f"… {more} more matrices; -o FILE saves them all", DIM)])
    if file.isatty() or chosen_color(color) == "always":
        from cnngrad.render.painter import Beside, styled

        show(make_console(file, color), (styled(each) if isinstance(each, list) else Beside([each]) for each in shown))
        return
    ascii_only = not (file.encoding or "utf-8").lower().startswith("utf")
    for part in shown:
        lines = [part] if isinstance(part, list) else part.lines(PLAIN_WIDTH, ascii_only)
        for line in map(_plain, lines):
            file.write(f"{textwrap.fill(line, PLAIN_WIDTH) if isinstance(part, list) else line.rstrip()}\n")


def _plain(line: Line) -> str:
    return "".join(text for text, _ in line)


class Matrix(NamedTuple):
    """A grid between brackets, its middle left out where it is too high or too wide; its cells in this notation."""

    grid: Grid
    notation: Notation

    def within(self, width: int, brackets: str = _BRACKETS) -> list[Line]:
        """The matrix, its title above it, in no more than `width` columns."""
        grid = self.grid
        for most in range(max(1, min(grid.width, width // 3)), 0, -1):
            columns = self._columns(most)
            inner = _inner(columns)
            if inner + 2 <= width:
                break
        top_left, top_right, side, low_left, low_right = (*brackets,)
        lines: list[Line] = [[(grid.title, self._style())], [(f"{top_left}{' ' * inner}{top_right}", "")]]
        for row in zip(*columns, strict=True):
            cells = [run for cell in row for run in (("  ", ""), cell)][1:]
            lines.append([(f"{side} ", ""), *cells, (f" {side}", "")])
        lines.append([(f"{low_left}{' ' * inner}{low_right}", "")])
        if any("…" in _plain(line) for line in lines[1:]):
            lines.append([(f"({grid.height}×{grid.width} in all)", DIM)])
        return lines

    def fits(self, width: int) -> bool:
        """Whether it is whole within a width."""
        return self.grid.height <= _MOST_ROWS and _inner(self._columns(self.grid.width)) + 2 < width

    def pieces(self, width: int) -> "list[Matrix]":
        """The matrix whole, or cut into some of at most this width where it does not fit, row by row."""
        whole = self._replace(grid=replace(self.grid, in_short=False))
        if whole.fits(width):
            return [whole]
        wide = max(len(column[0][0]) + 2 for column in whole._columns(self.grid.width))
        return [self._replace(grid=piece) for piece in self.grid.pieces(_MOST_ROWS, max(1, (width - 3) // wide))]

    def _columns(self, most: int) -> list[Line]:
        """The cells of at most `most` columns (and one for those left out), as texts of equal width within a column."""
        rows = self.grid.cut(_MOST_ROWS, most)
        pictured = any(cell.marked for row in rows for cell in row)
        return [self._column(column, pictured) for column in zip(*rows, strict=True)]

    def _column(self, column: Sequence[Cell], pictured: bool) -> Line:
        texts = [self.notation.cell(cell.content) for cell in column]
        if all(isinstance(cell.content, int | float) for cell in column):
            texts = align(texts)
        if pictured:
            # The brackets stand beside the text, its leading blanks outside.
            boxed = zip(column, texts, strict=True)
            texts = [re.sub("^ *", r"\g<0>[", f"{text}]") if cell.marked else f" {text} " for cell, text in boxed]
        width = max(map(len, texts))
        return [(text.rjust(width), self._style(cell)) for cell, text in zip(column, texts, strict=True)]

    def _style(self, cell: Cell | None = None) -> str:
        """The style of a cell, or of the title."""
        style = "" if self.grid.tensor is None else STYLES[self.grid.tensor.letter]
        if cell is None:
            return style
        style = DIM if isinstance(cell.content, Fill) else style
        return f"{style} bold" if cell.marked else style


# Signs that stand behind a matrix; all others stand in front of one.
_CLOSING = {")", ",", "…", "+ …", "=", "+", "∗", "+="}


class SideBySide:
    """Grids and the signs between them in one line, or in several where the line is too narrow."""

    def __init__(self, items: Sequence[Matrix | Line]) -> None:
        """Matrices and signs in their order."""
        # Each unit is a matrix with the signs in front of it and those that close it.
        self._units: list[list[Matrix | Line]] = [[]]
        for item in items:
            if None in map(_sign, self._units[-1]) and _sign(item) not in _CLOSING:
                self._units.append([])
            self._units[-1].append(item)

    def fits(self, width: int) -> bool:
        """Whether every matrix is whole within a width."""
        return all(item.fits(width) for item in chain.from_iterable(self._units) if isinstance(item, Matrix))

    def pieces(self, width: int) -> "SideBySide":
        """The same with every cell of every matrix, those that do not fit cut into some that do."""
        every = list(chain.from_iterable(self._units))
        # The signs beside a matrix need room too.
        room = width - 2 - _signs(every)
        pieces = (item.pieces(room) if isinstance(item, Matrix) else [item] for item in every)
        return SideBySide(list(chain.from_iterable(pieces)))

    def lines(self, most: int, ascii_only: bool) -> Iterator[Line]:
        """The lines, of at most `most` characters where that is possible."""
        brackets = _ASCII_BRACKETS if ascii_only else _BRACKETS
        # A sign stands beside the numbers of a matrix, not beside its title; the matrix has the room that signs leave.
        rooms = [most - _signs(unit) - 1 for unit in self._units]
        parts_of = [
            [item.within(room, brackets) if isinstance(item, Matrix) else [[], item] for item in unit]
            for room, unit in zip(rooms, self._units, strict=True)
        ]
        widths = [sum(_width(part) + 1 for part in parts) for parts in parts_of]
        line: list[list[Line]] = []
        used, after_equals = 0, False
        for unit, parts, width in zip(self._units, parts_of, widths, strict=True):
            # A row that is too long is broken behind its equals sign first.
            if line and (used + width > most or (after_equals and sum(widths) > most)):
                yield from _beside(line)
                yield []
                line, used = [], 0
                parts = parts[_sign(unit[0]) == "" :]
            after_equals = _sign(unit[-1]) == "="
            line += parts
            used += width
        yield from _beside(line)


def _sign(item: Matrix | Line) -> str | None:
    """A sign without the blanks around it; None for a matrix."""
    return None if isinstance(item, Matrix) else _plain(item).strip()


def _signs(items: Iterable[Matrix | Line]) -> int:
    """The width of the signs among some items."""
    return sum(len(_plain(item)) + 1 for item in items if not isinstance(item, Matrix))


def _inner(columns: Sequence[Line]) -> int:
    """The width between the brackets of a matrix."""
    return sum(len(column[0][0]) + 2 for column in columns)


def _width(lines: Sequence[Line]) -> int:
    return max(len(_plain(line)) for line in lines)


def _beside(parts: Sequence[Sequence[Line]]) -> Iterator[Line]:
    """The parts beside each other, all with their middle at one height."""
    height = max(map(len, parts))
    for r in range(height):
        line: Line = []
        for part in parts:
            k = r - (height - len(part)) // 2
            here = part[k] if 0 <= k < len(part) else []
            line += [*here, (" " * (_width(part) - len(_plain(here)) + 1), "")]
        yield line
