"""Grids fitted into the width of a line: whole, with their middle left out, or in pieces."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from cnngrad.derivation.grids import Grid
from cnngrad.derivation.notation import Notation
from cnngrad.layer.names import Number, Symbol

if TYPE_CHECKING:
    from cnngrad.derivation.blocks import Picture

__all__ = ["Fitting", "Item"]

# A grid, or a sign between grids.
Item = Grid | Symbol | Number | str


class Fitting(Notation):
    """Fits grids into lines; a format says how columns are written, how wide they are, and where a grid is cut."""

    # The most rows and columns that are shown.
    most_rows, most_columns = 0, 0

    def __init__(self, precision: int, line: float) -> None:
        """Decimals have `precision` significant digits, and lines are so wide."""
        super().__init__(precision)
        self.line = line

    @abstractmethod
    def columns(self, grid: Grid, most: int) -> list[Any]:
        """At most `most` columns (and one for those left out), written."""

    @abstractmethod
    def is_small(self, columns: list[Any], room: float) -> bool:
        """Whether these columns fit."""

    @abstractmethod
    def pieces(self, grid: Grid, row: Sequence[Item]) -> list[Grid]:
        """A grid of a row, cut into some that fit."""

    def fitted(self, grid: Grid, room: float) -> list[Any]:
        """As many columns as fit."""
        for most in range(max(1, min(grid.width, self.most_columns)), 0, -1):
            columns = self.columns(grid, most)
            if self.is_small(columns, room):
                break
        return columns

    def fits(self, grid: Grid, room: float) -> bool:
        """Whether the whole grid fits."""
        few = grid.height <= self.most_rows and grid.width <= self.most_columns
        return few and self.is_small(self.columns(grid, grid.width), room)

    def rows(self, picture: "Picture") -> list[Sequence[Item]]:
        """A picture's products in symbols and in numbers, as far as these fit, or both arrays in pieces."""
        rows: list[Sequence[Item]] = [row.items for row in (picture.symbols, picture.numbers) if row is not None]
        whole = [row for row in rows if all(self.fits(item, self.line) for item in row if isinstance(item, Grid))]
        apart = picture.apart.items
        pieces = (self.pieces(item, apart) if isinstance(item, Grid) else [item] for item in apart)
        return whole or [list(chain.from_iterable(pieces))]
