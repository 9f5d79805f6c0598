"""Matrices as text: between brackets, side by side, their middle left out where they are large."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TextIO

from cnngrad.derivation.grids import Cell, Fill, Grid
from cnngrad.derivation.notation import align
from cnngrad.layer.names import Symbol
from cnngrad.render.fitting import Fitting, Item
from cnngrad.render.terminal import DIM, PLAIN_WIDTH, STYLES, chosen_color, make_console, show

__all__ = ["Beside", "show_results", "style_of"]

_MOST_MATRICES = 12
# Signs that stand behind a matrix; all others stand in front of one.
_CLOSING = {")", ",", "…", "+ …", "=", "+", "∗", "+="}

# A line as texts with their styles. Rich takes a tenth of a short command's time to load.
Line = list[tuple[str, str]]


def show_results(
    file: TextIO, layer: str, grids: Iterable[Iterable[Grid]], precision: int, color: str = "auto"
) -> None:
    """Print the layer's line, and the matrices of each result; of many matrices the first."""
    results = []
    for result in grids:
        matrices = tuple(result)
        more = len(matrices) - _MOST_MATRICES
        note = [f"… {more} more matrices; -o FILE saves them all"] * (more > 0)
        results.append((matrices[:_MOST_MATRICES], note))
    if file.isatty() or chosen_color(color) == "always":
        from cnngrad.derivation.blocks import GridRow, Hint, Sentence, Together
        from cnngrad.render.painter import Painter

        blocks = (Together((GridRow(matrices), *map(Hint, note))) for matrices, note in results)
        show(make_console(file, color), Painter(precision).blocks([Sentence((layer,), strong=True), *blocks]))
        return
    beside = Beside(precision, PLAIN_WIDTH, not (file.encoding or "utf-8").lower().startswith("utf"))
    print(textwrap.fill(layer, PLAIN_WIDTH), file=file)
    for matrices, note in results:
        for line in ["", *map(_plain, beside.lines(matrices)), *note]:
            print(line.rstrip(), file=file)


def style_of(part: object) -> str:
    """The colour of an element; zeros matter less."""
    return DIM if part is None else STYLES[part.tensor.letter] if isinstance(part, Symbol) else ""


def _plain(line: Line) -> str:
    return "".join(text for text, _ in line)


class Beside(Fitting):
    """Grids and the signs between them in one line, or in several if the line is too narrow."""

    most_rows = 24

    def __init__(self, precision: int, width: int, ascii_only: bool = False) -> None:
        """Lines of this width, for an encoding that may lack the characters of brackets."""
        super().__init__(precision, width)
        self.most_columns, self._brackets = width // 3, "++|++" if ascii_only else "┌┐│└┘"

    def columns(self, grid: Grid, most: int) -> list[Line]:
        """The cells with their styles, of equal width within a column."""
        rows, columns = grid.cut(self.most_rows, most), []
        pictured = any(cell.marked for row in rows for cell in row)
        for column in zip(*rows, strict=True):
            texts = [self.cell(cell.content) for cell in column]
            if all(isinstance(cell.content, int | float) for cell in column):
                texts = align(texts)
            if pictured:
                # The brackets stand beside the text, its leading blanks outside.
                boxed = zip(column, texts, strict=True)
                texts = [re.sub("^ *", r"\g<0>[", f"{text}]") if cell.marked else f" {text} " for cell, text in boxed]
            width, styles = max(map(len, texts)), [_style(grid, cell) for cell in column]
            columns.append([(text.rjust(width), style) for text, style in zip(texts, styles, strict=True)])
        return columns

    def is_small(self, columns: list[Line], room: float) -> bool:
        """Whether the columns and their brackets fit."""
        return _inner(columns) + 2 <= room

    def fits(self, grid: Grid, room: float) -> bool:
        """Whether the whole grid fits, with a blank beside it."""
        return super().fits(grid, room - 1)

    def pieces(self, grid: Grid, row: Sequence[Item]) -> list[Grid]:
        """The grid whole, or in parts."""
        room, whole = self._room(row) - 2, replace(grid, in_short=False)
        if self.fits(whole, room):
            return [whole]
        wide = max(len(column[0][0]) + 2 for column in self.columns(whole, grid.width))
        return grid.pieces(self.most_rows, max(1, int(room - 3) // wide))

    def lines(self, items: Iterable[Item]) -> Iterator[Line]:
        """The lines of a row."""
        # Each unit is a matrix with the signs in front of it and those that close it.
        units: list[list[Item]] = [[]]
        for item in items:
            if any(isinstance(each, Grid) for each in units[-1]) and self._sign(item).strip() not in _CLOSING:
                units.append([])
            units[-1].append(item)
        # A sign stands beside the numbers of a matrix, not beside its title.
        parts_of = [
            [
                self._matrix(i, self._room(unit) - 1) if isinstance(i, Grid) else [[], [(self._sign(i), style_of(i))]]
                for i in unit
            ]
            for unit in units
        ]
        widths = [sum(map(_width, parts)) for parts in parts_of]
        line: list[list[Line]] = []
        used, after_equals = 0, False
        for unit, parts, width in zip(units, parts_of, widths, strict=True):
            # A row that is too long is broken behind its equals sign first.
            if line and (used + width > self.line or (after_equals and sum(widths) > self.line)):
                yield from _beside(line)
                yield []
                line, used = [], 0
                parts = parts[isinstance(unit[0], str) and not unit[0].strip() :]
            after_equals = unit[-1] == "="
            line += parts
            used += width
        yield from _beside(line)

    def _sign(self, item: Item) -> str:
        return item if isinstance(item, str) else "" if isinstance(item, Grid) else self.factor(item)

    def _room(self, items: Sequence[Item]) -> float:
        """What the signs of a row leave to its matrices."""
        return self.line - sum(len(self._sign(item)) + 1 for item in items if not isinstance(item, Grid))

    def _matrix(self, grid: Grid, room: float) -> list[Line]:
        """A matrix, its title above it."""
        columns = self.fitted(grid, room)
        top_left, top_right, side, low_left, low_right = (*self._brackets,)
        bar = " " * _inner(columns)
        lines: list[Line] = [[(grid.title, _style(grid))], [(f"{top_left}{bar}{top_right}", "")]]
        for row in zip(*columns, strict=True):
            cells = [run for cell in row for run in (("  ", ""), cell)][1:]
            lines.append([(f"{side} ", ""), *cells, (f" {side}", "")])
        lines.append([(f"{low_left}{bar}{low_right}", "")])
        if any("…" in _plain(line) for line in lines[1:]):
            lines.append([(f"({grid.height}×{grid.width} in all)", DIM)])
        return lines


def _style(grid: Grid, cell: Cell | None = None) -> str:
    """The style of a cell, or of the title."""
    content, marked = cell or (None, False)
    style = DIM if isinstance(content, Fill) else STYLES[grid.tensor.letter] if grid.tensor else ""
    return style + " bold" * marked


def _inner(columns: list[Line]) -> int:
    """The width between the brackets of a matrix."""
    return sum(len(column[0][0]) + 2 for column in columns)


def _width(lines: Sequence[Line]) -> int:
    """The width of a part, with a blank behind it."""
    return max(len(_plain(line)) for line in lines) + 1


def _beside(parts: Sequence[Sequence[Line]]) -> Iterator[Line]:
    """The parts beside each other, all with their middle at one height."""
    height = max(map(len, parts))
    placed = [[*[[]] * ((height - len(part)) // 2), *part] for part in parts]
    for row in zip_longest(*placed, fillvalue=[]):
        runs = ((*line, (" " * (_width(part) - len(_plain(line))), "")) for part, line in zip(parts, row, strict=True))
        yield list(chain.from_iterable(runs))
