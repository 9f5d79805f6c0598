"""The blocks of lessons and reports: sentences, formulas, sums and grids, as plain data.

Every output format is a view of these blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cnngrad.derivation.grids import Fill, Item
from cnngrad.layer import Layer
from cnngrad.layer.expansion import Expansion, Partial
from cnngrad.layer.names import Number, Symbol, Values
from cnngrad.tensor import Tensor


class Letter(NamedTuple):
    """A letter with its indices: o[n,f](i, j)."""

    name: str
    lead: tuple[str, ...] = ()
    place: tuple[str, ...] = ()


class Derivative(NamedTuple):
    """A fraction: ∂E/∂x, or ∂o/∂w."""

    by: Letter
    of: Letter = Letter("E")


class Phrase(NamedTuple):
    """Words in a formula; plain text has `plain` instead."""

    text: str
    plain: str = ""

    def __str__(self) -> str:
        """The words in plain text."""
        return self.plain or self.text


class Sum(NamedTuple):
    """The sum of a product over some letters, or over all that fulfil conditions."""

    factors: tuple[Letter | Derivative, ...]
    over: "tuple[Row, ...]"


# A formula is a row of these; a string holds letters, numbers and signs.
Node = str | Letter | Derivative | Sum | Phrase
Row = tuple[Node, ...]

Part = str | Symbol | Partial | Phrase | Number | Fill


@dataclass(frozen=True)
class Sentence:
    """Running text with symbols and formulas; `strong` for emphasis."""

    parts: tuple[Part, ...]
    strong: bool = False


@dataclass(frozen=True)
class Heading:
    """A heading, which begins a section."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Formula:
    """A formula on a line of its own."""

    row: Row


@dataclass(frozen=True)
class Code:
    """Lines that are not broken."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of text under headings, each with its name first, whose middle is left out if it is long.

    The cells after the name may be broken into lines.

    Attributes:
        right: the headings of right-aligned columns.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """Sums or numbers below each other, each behind a label."""

    rows: "tuple[tuple[str, Expansion | Number], ...]"


@dataclass(frozen=True)
class Together:
    """Blocks without a gap between them."""

    blocks: "tuple[ReportBlock, ...]"


@dataclass(frozen=True)
class Hint:
    """A hint for users of the command line on how to see more; documents omit it."""

    text: str


@dataclass(frozen=True)
class Expansions:
    """A table of elements, each written out.

    Attributes:
        chain: whether they are sums by the chain rule, without numbers: ∂E/∂w11 = ∂E/∂o11·∂o11/∂w11 + …
        in_short: whether long sums are cut to two lines.
        indent: the blanks in front of it in plain text.
    """

    expansions: tuple[Expansion, ...]
    chain: bool = False
    in_short: bool = False
    indent: int = 0

    @property
    def has_zeros(self) -> bool:
        """Whether products with 0 are omitted."""
        return any(expansion.zeros for expansion in self.expansions)


@dataclass(frozen=True)
class Grids:
    """Grids and the signs between them, side by side: X ∗ ∂E/∂O = ∂E/∂W.

    Attributes:
        rows: the row, or the same one in symbols and in numbers, of which a narrow view shows only those that fit; the
            last one in any case.
        apart: two arrays that lie on each other in these rows side by side, the covered cells marked, for a view that
            is too narrow for all rows; None if the middle is omitted there.
    """

    rows: tuple[Sequence[Item], ...]
    apart: Sequence[Item] | None = None


# The blocks of a lesson; reports have others too.
Block = Sentence | Formula | Expansions | Grids | Hint
ReportBlock = Block | Code | Heading | Labelled | Table | Together


@dataclass(frozen=True)
class Section:
    """A heading and the blocks under it; `name` selects it, and is empty for the section of an element."""

    title: tuple[Part, ...]
    blocks: tuple[Block, ...]
    name: str = ""


class Source(NamedTuple):
    """What a derivation explains.

    Attributes:
        layer: the layer.
        values: its numbers, if there are any.
        backward: whether gradients are derived.
        asked: the result that a page asks for; None if it shows all.
    """

    layer: Layer
    values: Values
    backward: bool
    asked: Tensor | None = None


@dataclass(frozen=True, repr=False)
class Derivation:
    """The whole argument for one layer.

    Attributes:
        layer: the layer in one line.
        sections: in the order of the notes.
        source: its layer and numbers, for views that compute.
    """

    layer: str
    sections: tuple[Section, ...]
    source: Source = field(compare=False)

    @property
    def title(self) -> str:
        """The heading of a document."""
        return self.layer

    @property
    def elements(self) -> list[Section]:
        """The sections of elements, if this is a derivation of elements; otherwise none."""
        return [section for section in self.sections if not section.name]

    def blocks(self, precision: int, hints: bool = False) -> Iterator[ReportBlock]:
        """All blocks; with `hints` those that tell users of the command line how to see more."""
        names = [section.name for section in self.sections if section.name]
        hint = [Hint(f"Sections: {', '.join(names)}; --section shows one.")] if hints and len(names) > 1 else []
        yield Together((Sentence((self.layer,), strong=True), *hint))
        for section in self.sections:
            yield Heading(section.title)
            yield from (block for block in section.blocks if hints or not isinstance(block, Hint))

    def __repr__(self) -> str:
        """The layer and the number of sections, in one line."""
        return f"<cnngrad derivation: {self.layer}; {len(self.sections)} sections>"
