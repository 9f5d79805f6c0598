"""Matrices as text: between brackets, side by side, their middle left out where they are large."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TextIO

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
        if len(matrices) > _MOST_MATRICES:
            shown.append([(f"… {len(matrices) - _MOST_MATRICES} more matrices; -o FILE saves them all", DIM)])
    if file.isatty() or chosen_color(color) == "always":
        from cnngrad.render.painter import Beside, styled

        show(make_console(file, color), (styled(each) if isinstance(each, list) else Beside(each) for each in shown))
        return
    ascii_only = not (file.encoding or "utf-8").lower().startswith("utf")
    for part in shown:
        if isinstance(part, list):
            lines = textwrap.wrap(_plain(part), PLAIN_WIDTH) or [""]
        else:
            lines = [_plain(line).rstrip() for line in part.lines(PLAIN_WIDTH, ascii_only)]
        file.write("".join(f"{line}\n" for line in lines))


def _plain(line: Line) -> str:
    return "".join(text for text, _ in line)


class Matrix:
    """A grid between brackets, its middle left out where it is too high or too wide."""

    def __init__(self, grid: Grid, notation: Notation) -> None:
        """The view of a grid, its cells in this notation."""
        self._grid, self._notation = grid, notation
        self._style = "" if grid.tensor is None else STYLES[grid.tensor.letter]

    def within(self, width: int, brackets: str = _BRACKETS) -> list[Line]:
        """The matrix, its title above it, in no more than `width` columns."""
        grid = self._grid
        for most in range(max(1, min(grid.width, width // 3)), 0, -1):
            columns = self._columns(most)
            inner = sum(len(column[0][0]) + 2 for column in columns)
            if inner + 2 <= width:
                break
        top_left, top_right, side, low_left, low_right = (*brackets,)
        lines: list[Line] = [[(grid.title, self._style)], [(f"{top_left}{' ' * inner}{top_right}", "")]]
        for row in zip(*columns, strict=True):
            cells = [run for cell in row for run in (("  ", ""), cell)][1:]
            lines.append([(f"{side} ", ""), *cells, (f" {side}", "")])
        lines.append([(f"{low_left}{' ' * inner}{low_right}", "")])
        if any("…" in _plain(line) for line in lines[1:]):
            lines.append([(f"({grid.height}×{grid.width} in all)", DIM)])
        return lines

    def fits(self, width: int) -> bool:
        """Whether it is whole within a width."""
        columns = self._columns(self._grid.width)
        return self._grid.height <= _MOST_ROWS and sum(len(column[0][0]) + 2 for column in columns) + 2 < width

    def pieces(self, width: int) -> "list[Matrix]":
        """The matrix whole, or cut into some of at most this width where it does not fit, row by row."""
        whole = Matrix(replace(self._grid, in_short=False), self._notation)
        if whole.fits(width):
            return [whole]
        wide = max(len(column[0][0]) + 2 for column in whole._columns(self._grid.width))
        pieces = self._grid.pieces(_MOST_ROWS, max(1, (width - 3) // wide))
        return [Matrix(piece, self._notation) for piece in pieces]

    def _columns(self, most: int) -> list[Line]:
        """The cells of at most `most` columns (and one for those left out), as texts of equal width within a column."""
        rows = self._grid.cut(_MOST_ROWS, most)
        pictured = any(cell.marked for row in rows for cell in row)
        return [self._column(column, pictured) for column in zip(*rows, strict=True)]

    def _column(self, column: Sequence[Cell], pictured: bool) -> Line:
        texts = [self._notation.cell(cell.content) for cell in column]
        if all(isinstance(cell.content, int | float) for cell in column):
            texts = align(texts)
        if pictured:
            texts = [_bracketed(text) if cell.marked else f" {text} " for cell, text in zip(column, texts, strict=True)]
        width = max(map(len, texts))
        return [(text.rjust(width), self._style_of(cell)) for cell, text in zip(column, texts, strict=True)]

    def _style_of(self, cell: Cell) -> str:
        style = DIM if isinstance(cell.content, Fill) else self._style
        return f"{style} bold" if cell.marked else style


def _bracketed(text: str) -> str:
    """The text in brackets, its leading blanks outside."""
    inner = text.lstrip()
    return f"{' ' * (len(text) - len(inner))}[{inner}]"


# Signs that stand behind a matrix; all others stand in front of one.
_CLOSING = {")", ",", "…", "+ …", "=", "+", "∗", "+="}


class SideBySide:
    """Grids and the signs between them in one line, or in several where the line is too narrow."""

    def __init__(self, items: Sequence[Matrix | Line]) -> None:
        """Matrices and signs in their order."""
        # Each unit is a matrix with the signs in front of it and those that close it.
        self._units: list[list[Matrix | Line]] = [[]]
        for item in items:
            complete = any(isinstance(part, Matrix) for part in self._units[-1])
            if complete and (isinstance(item, Matrix) or _plain(item).strip() not in _CLOSING):
                self._units.append([])
            self._units[-1].append(item)

    def fits(self, width: int) -> bool:
        """Whether every matrix is whole within a width."""
        return all(item.fits(width) for unit in self._units for item in unit if isinstance(item, Matrix))

    def pieces(self, width: int) -> "SideBySide":
        """The same with every cell of every matrix, those that do not fit cut into some that do."""
        every = [item for unit in self._units for item in unit]
        # The signs beside a matrix need room too.
        room = width - 2 - _signs(every)
        items: list[Matrix | Line] = []
        for item in every:
            items += item.pieces(room) if isinstance(item, Matrix) else [item]
        return SideBySide(items)

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
                parts = parts[not (isinstance(unit[0], Matrix) or _plain(unit[0]).strip()) :]
            after_equals = not isinstance(unit[-1], Matrix) and _plain(unit[-1]).strip() == "="
            line += parts
            used += width
        yield from _beside(line)


def _signs(items: Iterable[Matrix | Line]) -> int:
    """The width of the signs among some items."""
    return sum(len(_plain(item)) + 1 for item in items if not isinstance(item, Matrix))


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
