"""What a derivation is made of: sections of sentences, formulas, expansions and grids, as plain data.

Every output format is a view of these blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from cnngrad.expansion import Expansion, Number, Partial, Symbol

__all__ = [
    "Block",
    "Cell",
    "Derivation",
    "Expansions",
    "Fill",
    "Form",
    "Formula",
    "Grid",
    "GridRow",
    "Hint",
    "Maths",
    "Part",
    "Partial",
    "Section",
    "Sentence",
]


@dataclass(frozen=True)
class Maths:
    """A formula in both writings: plain for the terminal and text, LaTeX for documents."""

    plain: str
    latex: str


Part = str | Symbol | Partial | Maths | Number


@dataclass(frozen=True)
class Sentence:
    """Running text with symbols and formulas in it."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Formula:
    """A formula on a line of its own."""

    maths: Maths


@dataclass(frozen=True)
class Hint:
    """How to see more, for someone at the command line; documents leave it out."""

    text: str


class Form(Enum):
    """How the expansions of a table are written."""

    CHAIN = "chain"  # ∂E/∂w11 = ∂E/∂o11·∂o11/∂w11 + …
    WORKED = "worked"  # symbols, then the same with numbers, then the value


@dataclass(frozen=True)
class Expansions:
    """A table of elements, each written out.

    Attributes:
        expansions: those that are shown.
        form: with partial derivatives, or worked out.
        total: how many elements the table would have without a limit.
    """

    expansions: tuple[Expansion, ...]
    form: Form = Form.WORKED
    total: int = 0

    @property
    def left_out(self) -> int:
        """How many elements the limit cut."""
        return max(0, self.total - len(self.expansions))


class Fill(Enum):
    """A cell that holds no element."""

    FRAME = "frame"  # a zero of the padding, or of the frame of a full convolution
    GAP = "gap"  # a zero between the elements of dE/dO, since the stride is larger than 1
    NONE = "none"  # a zero of the layer's matrix: the output does not read this input
    MORE = "more"  # rows or columns that are not shown


@dataclass(frozen=True)
class Cell:
    """One cell of a grid; `marked` where a picture covers it."""

    content: Symbol | Number | Fill
    marked: bool = False


@dataclass(frozen=True)
class Grid:
    """A matrix with a title; its cells are made when they are asked for.

    Attributes:
        title: what it is.
        height: the number of rows.
        width: the number of columns.
        cell: makes the cell of a row and column, from 0.
        kind: the tensor whose colour it has: `"x"`, `"w"`, `"o"` or `"b"`.
    """

    title: str
    height: int
    width: int
    cell: Callable[[int, int], Cell]
    kind: str = ""

    @cached_property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """Every cell."""
        return self.cut(self.height, self.width)

    def cut(self, rows: int, columns: int) -> tuple[tuple[Cell, ...], ...]:
        """The cells, with the middle left out where there are more rows or columns than asked for."""
        more = Cell(Fill.MORE)
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


@dataclass(frozen=True)
class GridRow:
    """Grids and the signs between them, side by side: X ∗ ∂E/∂O = ∂E/∂W."""

    items: tuple[Grid | Symbol | Number | str, ...]


Block = Sentence | Formula | Expansions | GridRow | Hint


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: tuple[Part, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Derivation:
    """The whole argument for one layer.

    Attributes:
        layer: the layer in one line.
        sections: in the order of the notes.
    """

    layer: str
    sections: tuple[Section, ...]
