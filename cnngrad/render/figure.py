"""The figure of one element: the window on its array, the array that lies there, the result, and the sum beneath."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from rich.console import Console

from cnngrad.derivation.blocks import Derivation, Expansions, Grids, Section, Source
from cnngrad.derivation.grids import Fill, Grid, Pair, grids, titled
from cnngrad.derivation.pictures import MOST_PICTURES
from cnngrad.layer.expansion import leads
from cnngrad.layer.names import Names
from cnngrad.render.matrix import grouped
from cnngrad.render.painter import Painter, Written
from cnngrad.render.shapes import CHARACTER, Arrow, Box, Shape, Words, latex_figure, pieces, svg_figure
from cnngrad.render.style import Style
from cnngrad.tensor import DB, DEDO

__all__ = ["figures"]

# Lengths in ems.
_MARGIN = 0.2
_SIGN = 1  # a sign with its space
_HIGH = 1.9  # the height of a cell
_LANE = 0.8  # a lane for arrows
_LINE = 1.2  # a line of text
_LEAST = 20  # the least width of a figure
# The sizes of small text, and of the sum.
_SMALL, _SUM = 0.7, 0.8
# Maximum number of rows and columns of a grid, and of lines of a shortened sum.
_MOST, _MOST_LINES = 9, 4
# The height of a figure by its width.
_RATIO = 9 / 16
_CONSOLE = Console()


def figures(derivation: Derivation, style: Style, ending: str) -> list[str]:
    """A figure of each element, 16 by 9 as a slide, for files with this ending; grids have the same place in all."""
    drawings = [_Drawing(each, derivation.source, style) for each in derivation.elements]
    width = max(_LEAST, *(drawing.breadth(unit) for drawing in drawings for unit in drawing.units)) + 2 * _MARGIN
    while (used := max(drawing.lay(width) for drawing in drawings)) > width * _RATIO:
        width += 0.5
    frame = ((used - width * _RATIO) / 2, width, width * _RATIO)
    if ending == ".tex":
        return [latex_figure(drawing.shapes, frame, style) for drawing in drawings]
    return [svg_figure(each.shapes, frame, f"{each.target} · {derivation.layer}", style) for each in drawings]


class _Tile(NamedTuple):
    """A grid, the tensor that lies on its marked cells, and in each cell the lines of text and the colour behind them.

    A line is a text with its colour and size.
    """

    title: str
    colour: str
    on: str
    rows: list[list[tuple[list[tuple[str, str, float]], str]]]


class _Drawing(Painter):
    """The grids, signs and texts of a figure, laid out in a given width.

    Attributes:
        heading: the title and the author, if there are any.
        target: the element.
        units: tiles and signs that stay beside each other; the last one ends with the result.
        wide: the width of all cells.
        shapes: the layout.
    """

    def __init__(self, section: Section, source: Source, style: Style) -> None:
        super().__init__(style.precision)
        self.wide = _HIGH
        self.heading = [text for text in (style.title, style.author) if text]
        *_, table = (block for block in section.blocks if isinstance(block, Expansions))
        (expansion,) = table.expansions
        most_lines = _MOST_LINES if table.in_short else inf
        self.target, self.terms = expansion.target, Written(self, expansion, most_lines, valued=True)
        names = Names(layer := source.layer, source.values)
        tensor, index = names.parse(self.target.name)
        operands = [self.operands(block) for block in section.blocks if isinstance(block, Grids)]
        lead, summed = 2, leads(layer, tensor, index[:2])
        count = len(summed)
        if tensor is DB:
            # b has no sample and no position: its gradient is the sum of whole matrices.
            given = [grid for at, _ in summed for grid in grids(names, DEDO, at, titled(layer, DEDO, at))]
            operands = [["Σ", self.tile(grid, "o")] for grid in given[:MOST_PICTURES]]
            lead, count = 0, len(given)
        operands += [["…"]] * (count > MOST_PICTURES)
        found = grids(names, tensor, index[:lead], covered=[{k: k} for k in index[lead:]])
        self.units = [operands[0], *(["+", *each] for each in operands[1:])]
        self.units[-1] += ["=", *(self.tile(grid, tensor.letter) for grid in found)]

    def operands(self, picture: Grids) -> list[_Tile | str]:
        """The array with its window, and the array that lies there."""
        rows = (picture.rows[-1], picture.apart)
        under, both = ([item for item in row if isinstance(item, Grid)] for row in rows if row)
        over = both[len(under) :]
        on = over[0].letter
        return [*(self.tile(grid, on) for grid in under), "∗", *(self.tile(grid, on) for grid in over)]

    def tile(self, grid: Grid, on: str) -> _Tile:
        """A grid with its texts; without marked cells all are marked."""
        while grid.around and max(grid.height, grid.width) > _MOST:
            grid = grid.around
        tile = _Tile(grid.title, grid.letter, on, [])
        cells = grid.cut(_MOST, _MOST)
        is_whole = not any(cell.marked for row in cells for cell in row)
        for row in cells:
            tile.rows.append([])
            for content, is_marked in row:
                under, *over = content if isinstance(content, Pair) else (content,)
                text = self.part(under)
                is_fill = isinstance(under, Fill)
                lines = [(text, "dim" if is_fill else grid.letter, 1 if len(text) < 6 else _SMALL)]
                lines += [(f"·{self.factor(each)}", on, _SMALL) for each in over]
                self.wide = max(self.wide, *(len(text) * CHARACTER * size + 0.15 for text, _, size in lines))
                fill = f"on {on}" if is_whole or is_marked else "zero" if is_fill else ""
                tile.rows[-1].append((lines, fill))
        return tile

    def breadth(self, unit: Sequence[_Tile | str]) -> float:
        """The width of tiles and signs."""
        return sum(
            max(len(item.rows[0]) * self.wide, len(item.title) * CHARACTER * _SMALL) + _MARGIN
            if isinstance(item, _Tile)
            else _SIGN
            for item in unit
        )

    def lay(self, room: float) -> float:
        """Lay the figure out in this width; return its height."""
        self.shapes: list[Shape] = []
        add = self.shapes.append
        top = _MARGIN
        for text in self.heading:
            add(Words(room / 2, top + 1, [(text, "ink")]))
            top += _LINE
        for units in grouped(self.units, self.breadth, room - 2 * _MARGIN):
            items = [item for unit in units for item in unit]
            half = max(len(item.rows) for item in items if isinstance(item, _Tile)) * _HIGH / 2
            left = _MARGIN
            middle = top + 1 + half
            starts = []
            sign = ""
            for item in items:
                breadth = self.breadth([item])
                centre = left + breadth / 2
                if isinstance(item, str):
                    sign = item
                    add(Words(centre, middle + 0.3, [(sign, "ink")]))
                else:
                    corner = self.place(item, centre, middle)
                    starts += [corner] if sign != "∗" else []
                left += breadth
            top = middle + half + _LANE
        *starts, (tip, end) = starts
        self.shapes += [Arrow(x, y, top - _LANE / 2, tip - self.wide, end) for x, y in starts]
        name = f"{self.target} "
        # LaTeX's small letters are wider.
        start = _MARGIN + (len(name) + 1) * CHARACTER * _SUM
        lines = self.terms.lines(int((room - _MARGIN - start) / CHARACTER / _SUM))
        add(Words(_MARGIN, top + _SUM, [(name, self.target.tensor.letter)], _SUM, "start"))
        for line in lines:
            line.end = ""
            add(Words(start, top + _SUM, pieces(line.render(_CONSOLE)), _SUM, "start"))
            top += _LINE * _SUM
        return top + _MARGIN

    def place(self, tile: _Tile, centre: float, middle: float) -> tuple[float, float]:
        """Draw a grid around a point; return the lower right corner of its marked cells."""
        add = self.shapes.append
        wide = self.wide
        left = centre - len(tile.rows[0]) * wide / 2
        top = middle - len(tile.rows) * _HIGH / 2
        add(Words(centre, top - 0.3, [(tile.title, tile.colour)], _SMALL))
        marked = []
        for r, row in enumerate(tile.rows):
            for c, (lines, fill) in enumerate(row):
                x = left + c * wide
                y = top + r * _HIGH
                add(Box(x, y, wide, _HIGH, "rule", 0.05, fill))
                marked += [(x, y)] * (fill == f"on {tile.on}")
                y += _HIGH / 2 + 0.35 - 0.5 * (len(lines) - 1)
                for text, colour, size in lines:
                    add(Words(x + wide / 2, y, [(text, colour)], size))
                    y += 0.8
        x, y = marked[0]
        right, low = marked[-1]
        add(Box(x, y, right + wide - x, low + _HIGH - y, tile.on, 0.1))
        return right + wide, low + _HIGH
