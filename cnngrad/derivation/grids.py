"""Matrices as grids of cells, as plain data: elements, and the zeros between and around them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property, partial
from typing import NamedTuple

from cnngrad.layer.names import Number, Symbol
from cnngrad.tensor import Tensor

__all__ = ["Cell", "Fill", "Grid", "Pair"]


class Fill(Enum):
    """A cell that holds no element."""

    FRAME = "frame"  # a zero of the padding, or of the frame of a full convolution
    GAP = "gap"  # a zero between the elements of dE/dO, since the stride is larger than 1
    NONE = "none"  # a zero of the layer's matrix: the output does not read this input
    MORE = "more"  # rows or columns that are not shown


class Pair(NamedTuple):
    """Two factors that a picture lays on each other."""

    left: Symbol | Number | Fill
    right: Symbol | Number


class Cell(NamedTuple):
    """One cell of a grid; `marked` where a picture covers it."""

    content: Symbol | Number | Fill | Pair
    marked: bool = False


# A matrix in short has so many rows and columns, if it has more than that of either.
_LARGE, _SHORT = 5, 3


@dataclass(frozen=True, eq=False)
class Grid:
    """A matrix with a title; its cells are made on demand.

    Attributes:
        title: the heading over the matrix.
        height: the number of rows.
        width: the number of columns.
        cell: makes the cell of a row and column, from 0.
        tensor: the tensor whose elements it shows and whose colour it has; None for numbers that belong to no tensor.
        in_short: whether a large one shows the pattern of its elements alone, as in x11 x12 … x18.
    """

    title: str
    height: int
    width: int
    cell: Callable[[int, int], Cell]
    tensor: Tensor | None = None
    in_short: bool = False

    @cached_property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """Every cell."""
        return tuple(tuple(self.cell(r, c) for c in range(self.width)) for r in range(self.height))

    def pieces(self, rows: int, columns: int) -> "list[Grid]":
        """The whole grid, not in short, or pieces of at most so many rows and columns where it has more, row by row."""
        corners = [(top, left) for top in range(0, self.height, rows) for left in range(0, self.width, columns)]
        return [
            replace(
                self,
                title=f"{self.title} (part {k} of {len(corners)})" if len(corners) > 1 else self.title,
                height=min(rows, self.height - top),
                width=min(columns, self.width - left),
                cell=partial(self._moved, top, left),
                in_short=False,
            )
            for k, (top, left) in enumerate(corners, start=1)
        ]

    def _moved(self, top: int, left: int, row: int, column: int) -> Cell:
        return self.cell(top + row, left + column)

    def cut(self, rows: int, columns: int) -> tuple[tuple[Cell, ...], ...]:
        """The cells, with the middle left out where there are more rows or columns than asked for."""
        more = Cell(Fill.MORE)
        if self.in_short and max(self.height, self.width) > _LARGE:
            rows, columns = (most if size <= _SHORT + 1 else min(most, _SHORT) for most, size in (
                (rows, self.height), (columns, self.width)))  # fmt: skip
        shown = elided(self.width, columns)
        return tuple(
            tuple(more if r is None or c is None else self.cell(r, c) for c in shown) for r in elided(self.height, rows)
        )


def elided(size: int, most: int) -> Sequence[int | None]:
    """Positions 0..size-1, or the first and last of them around None where there are more than `most`.

    >>> elided(9, 4)
    [0, 1, None, 7, 8]
    """
    if size <= max(most, 1):
        return list(range(size))
    last = most // 2
    first = most - last
    return [*range(first), None, *range(size - last, size)]
