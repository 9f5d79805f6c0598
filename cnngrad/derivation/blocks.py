"""What a derivation is made of: sections of sentences, formulas, expansions and grids, as plain data.

Every output format is a view of these blocks.
"""

from dataclasses import dataclass, field
from enum import Enum
from html import escape
from typing import Any, NamedTuple

from cnngrad.derivation.grids import Grid
from cnngrad.layer import Layer
from cnngrad.layer.expansion import Expansion, Partial
from cnngrad.layer.names import Number, Symbol, Values

__all__ = [
    "Block",
    "Derivation",
    "Expansions",
    "Figure",
    "FigureRow",
    "Form",
    "Formula",
    "GridRow",
    "Hint",
    "Maths",
    "Part",
    "Picture",
    "Section",
    "Sentence",
    "Source",
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
        in_short: whether sums of many terms are cut to what is seen at a glance.
    """

    expansions: tuple[Expansion, ...]
    form: Form = Form.WORKED
    in_short: bool = False


@dataclass(frozen=True)
class GridRow:
    """Grids and the signs between them, side by side: X ∗ ∂E/∂O = ∂E/∂W."""

    items: tuple[Grid | Symbol | Number | str, ...]


class FigureRow(NamedTuple):
    """A line of a figure.

    Attributes:
        source: the node on the left; "…" for others, "" for none.
        is_source: whether it is the input whose connections are drawn.
        link: the connection's weight, its output and what comes back, "…" thrice for others; None for none.
    """

    source: Symbol | str
    is_source: bool
    link: tuple[Symbol | str, Symbol | str, Symbol | str] | None


@dataclass(frozen=True)
class Figure:
    """Inputs and outputs as in a fully connected layer, with the connections of one input.

    Attributes:
        inputs: the input and those beside it, "…" for others.
        source: the input.
        links: for each connection its weight, the output that it leads to, and what comes back from there.
        more: whether there are others.
    """

    inputs: tuple[Symbol | str, ...]
    source: Symbol
    links: tuple[tuple[Symbol, Symbol, Symbol], ...]
    more: bool = False

    @property
    def rows(self) -> tuple[FigureRow, ...]:
        """The lines of the figure, the input at the height of the middle of its connections."""
        links: list[tuple[Symbol | str, Symbol | str, Symbol | str]] = [*self.links]
        links += [("…", "…", "…")] if self.more else []
        own, middle = self.inputs.index(self.source), (len(links) - 1) // 2
        top = max(own, middle)
        rows = []
        for k in range(top + max(len(self.inputs) - own, len(links) - middle)):
            left, right = k - top + own, k - top + middle
            source = self.inputs[left] if 0 <= left < len(self.inputs) else ""
            rows.append(FigureRow(source, left == own, links[right] if 0 <= right < len(links) else None))
        return tuple(rows)


@dataclass(frozen=True)
class Picture:
    """Two arrays that lie on each other, the products in the covered cells.

    Attributes:
        symbols: with symbols in the cells; a view that is too narrow for it leaves it out. None where numbers do.
        numbers: with numbers; None where there are none.
        apart: the two arrays side by side, the covered cells marked, for a view that is too narrow for both.
    """

    symbols: GridRow | None
    numbers: GridRow | None
    apart: GridRow


Block = Sentence | Formula | Expansions | GridRow | Picture | Figure | Hint


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Attributes:
        title: the heading.
        blocks: what stands under it.
        name: what the section is asked for by; empty for one of an element.
    """

    title: tuple[Part, ...]
    blocks: tuple[Block, ...]
    name: str = ""


class Source(NamedTuple):
    """What a derivation is made of.

    Attributes:
        layer: the layer.
        values: its numbers; empty for a derivation in symbols.
        backward: whether its gradients are derived, not O alone.
    """

    layer: Layer
    values: Values
    backward: bool


@dataclass(frozen=True, repr=False)
class Derivation:
    """The whole argument for one layer.

    Attributes:
        layer: the layer in one line.
        sections: in the order of the notes.
        source: what it is made of, for views that compute; None where they may not.
    """

    layer: str
    sections: tuple[Section, ...]
    source: Source | None = field(default=None, compare=False)

    # The views are loaded where they are asked for: the library itself needs NumPy alone.

    def __str__(self) -> str:
        """The derivation as `--explain` prints it to a file."""
        from cnngrad.render.report import document

        return document(".txt", self).rstrip("\n")

    def __repr__(self) -> str:
        """The layer and how many sections there are, in a line."""
        return f"<cnngrad derivation: {self.layer}; {len(self.sections)} sections>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows: text and formulas."""
        from cnngrad.render.report import notebook_markdown

        return notebook_markdown(self)

    def page(self) -> Any:
        """The page to play with, for a notebook's cell: an object that shows itself."""
        from cnngrad.render.report import document

        return _Page(document(".html", self))

    def save(self, path: str, *, title: str = "", author: str = "", **choices: Any) -> None:
        """Write the derivation as a document: `.txt`, `.md`, `.tex`, `.svg` or `.html`.

        Args:
            path: the file, whose ending decides.
            title: the heading; the layer where it is empty.
            author: who made it.
            choices: what `--fragment`, `--slides`, `--math` (here `maths`), `--theme` and `--precision` choose.

        Raises:
            CnngradError: an unknown ending, or a failure of the file system.
        """
        from cnngrad.render.report import write_report
        from cnngrad.render.style import Style

        write_report(path, self, Style(title=title, author=author, **choices))


@dataclass(frozen=True, repr=False)
class _Page:
    """A page in a notebook, in a frame of its own."""

    text: str

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.text)}" width="100%" height="900" sandbox="allow-scripts"></iframe>'
