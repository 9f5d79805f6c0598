"""The terminal's view of blocks: sentences, sums and rows of matrices, readable from 80 columns on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from rich.box import Box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cnngrad.derivation.blocks import (
    Code,
    Expansions,
    Figure,
    Form,
    Formula,
    GridRow,
    Heading,
    Hint,
    Labelled,
    Part,
    Picture,
    ReportBlock,
    Sentence,
    Together,
)
from cnngrad.derivation.blocks import Table as TextTable
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.notation import DEFAULT_PRECISION, Notation
from cnngrad.layer import counted
from cnngrad.layer.expansion import Expansion
from cnngrad.layer.names import Symbol
from cnngrad.render.figure import in_text
from cnngrad.render.maths import plain
from cnngrad.render.matrix import Line, Matrix, SideBySide
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["Painter"]

_VALUE = "bold"
# A line under the heading alone.
_HEADED = Box("    \n    \n ── \n    \n    \n    \n    \n    \n", ascii=False)


class Painter:
    """Turns blocks into renderables."""

    def __init__(self, precision: int = DEFAULT_PRECISION, figure: Callable[[Figure], Text] = in_text) -> None:
        """A painter of decimals with `precision` significant digits, which shows a figure in this way."""
        self._notation, self._figure = Notation(precision), figure

    def blocks(self, blocks: Iterable[ReportBlock]) -> Iterator[RenderableType]:
        """All blocks, an empty line between them."""
        for number_of, block in enumerate(blocks):
            yield from [Text()] if number_of else []
            yield from self._block(block)

    def _block(self, block: ReportBlock) -> Iterator[RenderableType]:
        match block:
            case Together(blocks):
                for each in blocks:
                    yield from self._block(each)
            case Sentence(parts, strong):
                yield self._parts(parts, "bold" if strong else "")
            case Heading(parts):
                yield Rule(self._parts(parts), align="left", style=DIM)
            case Formula(row):
                yield Padding(_coloured(plain(row)), (0, 0, 0, 4))
            case Figure():
                yield Padding(self._figure(block), (0, 0, 0, 4))
            case Hint(text):
                yield Text(text, style=DIM)
            case Code(lines):
                yield from (Text(line, no_wrap=True) for line in lines)
            case Expansions(indent=indent):
                yield Padding(self._expansions(block), (0, 0, 0, indent)) if indent else self._expansions(block)
            case Labelled(rows):
                table = Table.grid("", "", padding=(0, 1, 0, 0))
                table.columns[0].no_wrap = True
                for label, found in rows:
                    if isinstance(found, Expansion):
                        table.add_row(label, self._sum(found, Form.WORKED, valued=True))
                    else:
                        table.add_row(label, f"= {self._notation.number(found)}")
                yield Padding(table, (0, 0, 0, 2))
            case TextTable(headings, rows, right, wrapped):
                table = Table(box=None, pad_edge=False, header_style="bold")
                for place, heading in enumerate(headings):
                    justify: Literal["left", "right"] = "right" if heading in right else "left"
                    table.add_column(heading, justify=justify, no_wrap=not (wrapped and place))
                for cells in rows:
                    table.add_row(*cells)
                yield table
            case Picture(symbols, numbers, apart):
                yield Beside([self.row(each) for each in (symbols, numbers) if each is not None], self.row(apart))
            case GridRow():
                yield Beside([self.row(block)])

    def row(self, row: GridRow) -> SideBySide:
        """The matrices and signs of a row."""
        items: list[Matrix | Line] = []
        for item in row.items:
            sign = item if isinstance(item, str | Grid) else self._notation.factor(item)
            items.append(Matrix(sign, self._notation) if isinstance(sign, Grid) else [(sign, _style_of(item))])
        return SideBySide(items)

    def _parts(self, parts: Sequence[Part], style: str = "") -> Text:
        return Text.assemble(*map(self._part, parts), style=style)

    def _part(self, part: Part | None) -> Text:
        return Text(self._notation.part(part), style=_style_of(part))

    def _expansions(self, table: Expansions) -> RenderableType:
        """A table with a row for each element: the element, its sum, and beneath it the numbers, and their value."""
        rows = Table(
            box=_HEADED, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM, border_style=DIM
        )
        rows.add_column("element", no_wrap=True)
        rows.add_column("sum by the chain rule" if table.form is Form.CHAIN else "sum")
        if any(e.value is not None for e in table.expansions) and table.form is Form.WORKED:
            rows.add_column("value", justify="right", vertical="bottom", no_wrap=True)
        for expansion in table.expansions:
            value = Text("" if expansion.value is None else self._notation.number(expansion.value), style=_VALUE)
            cells = self._part(expansion.target), self._sum(expansion, table.form, table.in_short), value
            rows.add_row(*cells[: len(rows.columns)])
        return rows

    def _sum(self, expansion: Expansion, form: Form, in_short: bool = False, valued: bool = False) -> "_Lines":
        """A sum in symbols, and beneath it in numbers where there are any.

        Args:
            expansion: the element.
            form: how it is written.
            in_short: whether it is cut to the terms that fit on two lines.
            valued: whether the value stands behind the numbers; else it has a place of its own.
        """
        times, terms = Text("·"), expansion.terms
        symbols = [times.join(map(self._part, term.factors)) for term in terms] or [Text("0")]
        numbers, value = [], None
        if form is Form.WORKED and (worked := expansion.worked) is not None:
            for term in terms if worked.parts else ():
                pairs = zip(term.factors, term.values or (), strict=True)
                numbers.append(times.join(Text(self._notation.factor(v), _style_of(f) or DIM) for f, v in pairs))
            if valued and worked.value is not None:
                value = Text("= " if numbers else "") + Text(self._notation.number(worked.value), style=_VALUE)
        zeros = f"  ({counted(expansion.zeros, 'product')} with 0)" if expansion.zeros else ""
        return _Lines(symbols, numbers, value, expansion.left_out, zeros, in_short)


def _style_of(part: object) -> str:
    """The colour of an element; zeros matter less."""
    if part is None:
        return DIM
    return STYLES[part.tensor.letter] if isinstance(part, Symbol) else ""


def styled(line: Line) -> Text:
    """A line of text for Rich."""
    return Text.assemble(*line)


class Beside(NamedTuple):
    """Rows of matrices, an empty line between them, as Rich asks for them.

    Attributes:
        rows: the rows; of a picture those that fit are shown: symbols, and numbers beneath.
        apart: what a picture shows if none fits: both arrays, cut to fit.
    """

    rows: Sequence[SideBySide]
    apart: SideBySide | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines within the width that there is."""
        rows, width = self.rows, options.max_width
        if self.apart is not None:
            rows = [row for row in rows if row.fits(width)] or [self.apart.pieces(width)]
        for number_of, row in enumerate(rows):
            yield from [Text()] if number_of else []
            for line in row.lines(width, options.ascii_only):
                yield Text.assemble(*line, no_wrap=True, overflow="ellipsis")


def _coloured(formula: str) -> Text:
    """A rule with its letters in the colours of their tensors: o(i, j), w[f,c](u, v), ∂E/∂x(h, l)."""
    text = Text(formula)
    for tensor, style in STYLES.items():
        text.highlight_regex(rf"(?:∂E/∂)?\b{tensor}(?:\[[^]]*\])?\([^)]*\)", style)
    return text


class _Lines(NamedTuple):
    """A sum in symbols and in numbers; lines break between terms only and continue under the first term.

    Attributes:
        symbols: the terms.
        numbers: the terms in numbers; none where there are none.
        value: what stands behind the numbers.
        left_out: how many terms are left out already.
        zeros: how many products are with 0, in words.
        in_short: whether only those terms are shown that fit on two lines.
    """

    symbols: list[Text]
    numbers: list[Text]
    value: Text | None
    left_out: int
    zeros: str
    in_short: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for shown in range(len(self.symbols), 0, -1):
            symbols, numbers = self._summed(shown, self.left_out)
            lines = _wrapped(symbols, options.max_width)
            if not self.in_short or len(lines) <= _MOST_LINES:
                break
        if self.zeros:
            if lines[-1].cell_len + len(self.zeros) > options.max_width:
                lines.append(Text("  ") + Text(self.zeros.strip(), style=DIM))
            else:
                lines[-1] += Text(self.zeros, style=DIM)
        yield from lines
        yield from _wrapped(numbers, options.max_width) if numbers else ()

    def _summed(self, shown: int, left_out: int) -> list[list[Text]]:
        """The first terms in symbols and in numbers, a + behind each but the last, and how many others there are."""
        rest, sums = left_out + len(self.symbols) - shown, []
        for terms, more in ((self.symbols, f"… {rest} more"), (self.numbers, "…")):
            last = [Text(more, DIM)] if rest and terms else terms[shown - 1 : shown]
            sums.append([*(term + Text(" +") for term in terms[: shown if rest else shown - 1]), *last])
        sums[1] += [] if self.value is None else [self.value]
        return sums

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        sums = self._summed(len(self.symbols), 0)
        widest = max(text.cell_len for terms in sums for text in terms)
        longest = max(sum(text.cell_len + 1 for text in terms) for terms in sums) + len(self.zeros) + 2
        longest += len(f" + … {self.left_out} more") if self.left_out else 0
        return Measurement(widest + 4, longest + 2).with_maximum(options.max_width)


# Number of lines of a sum in short.
_MOST_LINES = 2


def _wrapped(terms: Sequence[Text], width: int) -> list[Text]:
    lines = [Text("= ") + terms[0]]
    for term in terms[1:]:
        if lines[-1].cell_len + 1 + term.cell_len > width:
            lines.append(Text("  ") + term)
        else:
            lines[-1] += Text(" ") + term
    return lines
