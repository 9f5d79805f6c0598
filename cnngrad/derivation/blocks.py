"""What a derivation is made of: sections of sentences, formulas, expansions and grids, as plain data.

Every output format is a view of these blocks.
"""

from dataclasses import dataclass
from enum import Enum

from cnngrad.derivation.expansion import Expansion, Partial
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.names import Number, Symbol

__all__ = [
    "Block",
    "Derivation",
    "Expansions",
    "Form",
    "Formula",
    "GridRow",
    "Hint",
    "Maths",
    "Part",
    "Section",
    "Sentence",
]


@dataclass(frozen=True)
class Maths:
    """A formula in two notations: plain text for the terminal, LaTeX for documents."""

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
    """A hint for users of the command line on how to see more; documents leave it out."""

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
