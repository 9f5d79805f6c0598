"""Matrices as text: in brackets, side by side, large ones without their middle."""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from cnngrad.derivation.grids import Fill, Grid, Item, result_grids
from cnngrad.derivation.notation import DEFAULT_PRECISION, Notation, align
from cnngrad.layer import Layer
from cnngrad.layer.layout import Arrays
from cnngrad.layer.names import Names, Symbol, canonical_values
from cnngrad.render.terminal import DIM, PLAIN_WIDTH, STYLES, chosen_color, make_console, show

if TYPE_CHECKING:
    from cnngrad.derivation.blocks import Grids

__all__ = ["Fitting", "grouped", "show_results", "style_of"]

_MOST_MATRICES = 12
# Signs that belong to the matrix before them; all others belong to the next one.
_CLOSING = {")", ",", "…", "+ …", "=", "+", "∗", "+=", "·"}

_T = TypeVar("_T")
# A line as texts with their styles, not Rich's: loading Rich takes a tenth of a short command's time.
Line = list[tuple[str, str]]


def show_results(file: TextIO, layer: Layer, results: Arrays, precision: int, color: str) -> None:
    """Print the layer's line, and the first matrices of each result."""
    console = make_console(file, color) if file.isatty() or chosen_color(color) == "always" else None
    width = console.width if console else PLAIN_WIDTH
    fitting = Fitting(precision, width, not (file.encoding or "utf-8").lower().startswith("utf"))
    names = Names(layer, canonical_values(layer, results))
    lines = [[(line, "bold")] for line in textwrap.wrap(layer.describe(), width)]
    for tensor in results:
        matrices = tuple(result_grids(names, tensor))
        more = len(matrices) - _MOST_MATRICES
        lines += [[], *fitting.lines(matrices[:_MOST_MATRICES])]
        lines += [[(f"… {more} more matrices; -o FILE saves them all", DIM)]] * (more > 0)
    if console:
        from rich.text import Text

        show(console, (Text.assemble(*line, no_wrap=True, overflow="ellipsis") for line in lines))
    else:
        file.writelines(f"{_plain(line).rstrip()}\n" for line in lines)


def style_of(part: object) -> str:
    """The style of an element: its tensor's colour, or dim for a zero."""
    return DIM if part is None else STYLES[part.tensor.letter] if isinstance(part, Symbol) else ""


def grouped(items: Iterable[_T], size: Callable[[_T], float], most: float) -> list[list[_T]]:
    """The items in groups whose sizes add up to at most `most`; a larger item is a group of its own."""
    groups: list[list[_T]] = []
    used = 0.0
    for item in items:
        used += (needed := size(item))
        if not groups or used > most:
            groups.append([])
            used = needed
        groups[-1].append(item)
    return groups


def _plain(line: Line) -> str:
    return "".join(text for text, _ in line)


class Fitting(Notation):
    """Fits grids and the signs between them into lines: whole, without their middle, or in pieces.

    It writes text; formats with other units override `columns` and `is_small`.
    """

    # Maximum number of rows and columns that are shown; 0 for as many as fit a line.
    most_rows = 24
    most_columns = 0
    # The margin beside a whole grid.
    margin = 1

    def __init__(self, precision: int = DEFAULT_PRECISION, line: float = PLAIN_WIDTH, ascii_only: bool = False) -> None:
        """Decimals have `precision` significant digits; brackets are in ASCII if the encoding has no others."""
        super().__init__(precision)
        self.line, self.most_columns = line, self.most_columns or int(line // 3)
        self._brackets = "++|++" if ascii_only else "┌┐│└┘"

    def rows(self, block: "Grids") -> list[Sequence[Item]]:
        """The rows that fit, otherwise two arrays that lie on each other in pieces, or else the last row."""
        whole = [
            row
            for row in block.rows
            if all(self.fits(self.seen(item, self.line), self.line) for item in row if isinstance(item, Grid))
        ]
        if whole or block.apart is None:
            return whole or [block.rows[-1]]
        return [[piece for item in block.apart for piece in (self.pieces(item) if isinstance(item, Grid) else [item])]]

    def pieces(self, grid: Grid) -> list[Grid]:
        """The grid whole or in pieces that fit, with room for the sign between a picture's arrays."""
        room = self.line - 6
        grid = self.seen(grid, room)
        parts = [grid]
        for columns in range(min(grid.width, self.most_columns), 0, -1):
            if all(self.fits(part, room) for part in parts):
                break
            parts = grid.pieces(self.most_rows, columns)
        return parts

    def seen(self, grid: Grid, room: float) -> Grid:
        """A grid whole if it fits, otherwise its marked cells if it has any, with those next to them if they fit."""
        while grid.around and not self.fits(grid, room):
            grid = grid.around
        return grid

    def fitted(self, grid: Grid, room: float) -> tuple[Grid, list[Any]]:
        """What is shown of a grid, and its columns that fit, as many as possible."""
        grid = self.seen(grid, room)
        for most in range(max(1, min(grid.width, self.most_columns)), 0, -1):
            columns = self.columns(grid, most)
            if self.is_small(columns, room):
                break
        return grid, columns

    def fits(self, grid: Grid, room: float) -> bool:
        """Whether the whole grid fits."""
        few = grid.height <= self.most_rows and grid.width <= self.most_columns
        return few and self.is_small(self.columns(grid, grid.width), room - self.margin)

    def columns(self, grid: Grid, most: int) -> list[Any]:
        """The cells with their styles, of equal width within a column."""
        rows = grid.cut(self.most_rows, most)
        columns = []
        colour = STYLES.get(grid.letter, "")
        pictured = any(cell.marked for row in rows for cell in row)
        for column in zip(*rows, strict=True):
            texts = [self.cell(cell.content) for cell in column]
            if all(isinstance(cell.content, int | float) for cell in column):
                texts = align(texts)
            if pictured:
                # Leading blanks stay outside the brackets.
                texts = [
                    re.sub("^ *", r"\g<0>[", f"{text}]") if cell.marked else f" {text} "
                    for cell, text in zip(column, texts, strict=True)
                ]
            width = max(map(len, texts))
            columns.append([
                (text.rjust(width), (DIM if isinstance(cell.content, Fill) else colour) + " bold" * cell.marked)
                for cell, text in zip(column, texts, strict=True)
            ])  # fmt: skip
        return columns

    def is_small(self, columns: list[Any], room: float) -> bool:
        """Whether the columns and their brackets fit."""
        return _inner(columns) + 2 <= room

    def lines(self, items: Iterable[Item]) -> Iterator[Line]:
        """The lines of a row."""
        # Each unit is a matrix with the signs that belong to it.
        units: list[list[Item]] = [[]]
        for item in items:
            begins = isinstance(item, Grid) or (isinstance(item, str) and item.strip() not in _CLOSING)
            if begins and any(isinstance(each, Grid) for each in units[-1]):
                units.append([])
            units[-1].append(item)
        placed = []
        for unit in units:
            room = self.line - sum(1 if isinstance(item, Grid) else len(self.factor(item)) + 1 for item in unit)
            parts = [self._drawn(item, room) for item in unit]
            placed.append((unit, parts, sum(map(_width, parts))))
        is_long = sum(width for _, _, width in placed) > self.line
        line: list[list[Line]] = []
        used = 0.0
        for unit, parts, width in placed:
            # A row that is too long is first broken after its equals sign.
            if line and used + width > self.line:
                yield from _beside(line)
                yield []
                line = []
                used = 0
                parts = parts[unit[0] == "  " :]
            line += parts
            used = self.line if unit[-1] == "=" and is_long else used + width
        yield from _beside(line)

    def _drawn(self, item: Item, room: float) -> list[Line]:
        """A matrix, its title above it, or a sign."""
        if not isinstance(item, Grid):
            # An empty line above each sign keeps it beside the numbers, not beside a title.
            return [[], [(self.factor(item), style_of(item))]]
        grid, columns = self.fitted(item, room)
        top_left, top_right, side, low_left, low_right = (*self._brackets,)
        bar = " " * _inner(columns)
        # A title is broken only in front of its parts: "depth" stays beside its number.
        held = re.sub(r"(?<!,) (?![·(=])", "\xa0", grid.title)
        titles = [line.replace("\xa0", " ") for line in textwrap.wrap(held, int(room))] or [""]
        lines = [[(title, STYLES.get(grid.letter, ""))] for title in titles]
        lines.append([(f"{top_left}{bar}{top_right}", "")])
        for row in zip(*columns, strict=True):
            cells = [run for cell in row for run in ((" ", ""), cell, (" ", ""))]
            lines.append([(side, ""), *cells, (side, "")])
        lines.append([(f"{low_left}{bar}{low_right}", "")])
        if any("…" in _plain(line) for line in lines[1:]):
            note = "; the middle counts too" * any(" bold" in style for column in columns for _, style in column)
            lines.append([(f"({grid.height}×{grid.width} in all{note})", DIM)])
        return lines


def _inner(columns: list[Line]) -> int:
    """The width between the brackets of a matrix."""
    return sum(len(column[0][0]) + 2 for column in columns)


def _width(lines: Sequence[Line]) -> int:
    """The width of a part and the blank after it."""
    return max(len(_plain(line)) for line in lines) + 1


def _beside(parts: Sequence[Sequence[Line]]) -> Iterator[Line]:
    """The parts side by side, with their middles at the same height."""
    height = max(map(len, parts))
    placed = [[*[[]] * ((height - len(part)) // 2), *part] for part in parts]
    for row in zip_longest(*placed, fillvalue=[]):
        line = []
        for part, runs in zip(parts, row, strict=True):
            line += [*runs, (" " * (_width(part) - len(_plain(runs))), "")]
        yield line
