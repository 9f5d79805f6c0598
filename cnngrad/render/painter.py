"""The terminal's view of a derivation: sentences, expansions and rows of matrices, readable from 80 columns on."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.box import Box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cnngrad.derivation.blocks import (
    Block,
    Derivation,
    Expansions,
    Figure,
    Form,
    Formula,
    GridRow,
    Hint,
    Maths,
    Part,
    Picture,
    Section,
    Sentence,
)
from cnngrad.derivation.grids import Grid
from cnngrad.layer import counted
from cnngrad.layer.expansion import Expansion, Factor, Partial, Term, Worked
from cnngrad.layer.names import Number, Symbol
from cnngrad.render.figure import in_text
from cnngrad.render.matrix import Matrix, SideBySide
from cnngrad.render.numbers import DEFAULT_PRECISION, factor, number
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["Painter"]

_VALUE = "bold"
# A line under the heading alone.
_HEADED = Box("    \n    \n ── \n    \n    \n    \n    \n    \n", ascii=False)


class Painter:
    """Turns blocks into renderables."""

    def __init__(
        self, precision: int = DEFAULT_PRECISION, hints: bool = True, figure: Callable[[Figure], Text] = in_text
    ) -> None:
        """A painter.

        Args:
            precision: the significant digits of decimals.
            hints: whether hints for the command line are shown.
            figure: how a figure is shown.
        """
        self._precision, self._hints, self._figure = precision, hints, figure

    def derivation(self, derivation: Derivation) -> Iterator[RenderableType]:
        """The layer's line and every section."""
        yield Text(derivation.layer, style="bold")
        names = [section.name for section in derivation.sections if section.name]
        if self._hints and len(names) > 1:
            yield Text(f"Sections: {', '.join(names)}; --section shows one.", style=DIM)
        for section in derivation.sections:
            yield from self.section(section)

    def section(self, section: Section) -> Iterator[RenderableType]:
        """A heading and its blocks, an empty line before each."""
        yield Text()
        yield Rule(self._parts(section.title), align="left", style=DIM)
        for block in section.blocks:
            if self._hints or not isinstance(block, Hint):
                yield Text()
                yield self.block(block)

    def block(self, block: Block) -> RenderableType:
        """One block."""
        if isinstance(block, Sentence):
            return self._parts(block.parts)
        if isinstance(block, Formula):
            return Padding(_coloured(block.maths.plain), (0, 0, 0, 4))
        if isinstance(block, Figure):
            return Padding(self._figure(block), (0, 0, 0, 4))
        if isinstance(block, Hint):
            return Text(block.text, style=DIM)
        if isinstance(block, Expansions):
            return self._expansions(block)
        return self._row(block) if isinstance(block, GridRow) else _Fitting(self, block)

    def _row(self, row: GridRow) -> SideBySide:
        return SideBySide([self._item(item) for item in row.items])

    def labelled(self, rows: Mapping[str, Expansion | Number]) -> RenderableType:
        """Sums or numbers below each other, each behind its label."""
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for label, row in rows.items():
            shown = (
                self._sum(row, Form.WORKED, valued=True)
                if isinstance(row, Expansion)
                else Text(f"= {number(row, self._precision)}")
            )
            table.add_row(label, shown)
        return table

    def _item(self, item: Grid | Symbol | Number | str) -> Matrix | Text:
        if isinstance(item, Grid):
            return Matrix(item, self._precision)
        return Text(factor(item, self._precision)) if isinstance(item, int | float) else self._part(item)

    def _parts(self, parts: Sequence[Part]) -> Text:
        return Text.assemble(*(self._part(part) for part in parts))

    def _part(self, part: Part) -> Text:
        if isinstance(part, Symbol):
            return Text(str(part), style=STYLES[part.tensor.letter])
        if isinstance(part, Partial):
            return Text(str(part))
        if isinstance(part, int | float):
            return Text(number(part, self._precision))
        return Text(part.plain if isinstance(part, Maths) else part)

    def _expansions(self, table: Expansions) -> RenderableType:
        """A table with a row for each element: the element, its sum, and beneath it the numbers, and their value."""
        has_values = any(e.value is not None for e in table.expansions) and table.form is Form.WORKED
        rows = Table(
            box=_HEADED, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM, border_style=DIM
        )
        rows.add_column("element", no_wrap=True)
        rows.add_column("sum by the chain rule" if table.form is Form.CHAIN else "sum")
        if has_values:
            rows.add_column("value", justify="right", vertical="bottom", no_wrap=True)
        for expansion in table.expansions:
            cells: list[RenderableType] = [
                self._part(expansion.target),
                self._sum(expansion, table.form, table.in_short),
            ]
            if has_values:
                value = expansion.value
                cells.append(Text("" if value is None else number(value, self._precision), style=_VALUE))
            rows.add_row(*cells)
        return rows

    def _sum(self, expansion: Expansion, form: Form, in_short: bool = False, valued: bool = False) -> "_Lines":
        """A sum in symbols, and beneath it in numbers where there are any.

        Args:
            expansion: the element.
            form: how it is written.
            in_short: whether it is cut to the terms that fit on two lines.
            valued: whether the value stands behind the numbers; else it has a place of its own.
        """
        worked = expansion.worked if form is Form.WORKED else None
        numbers = None if worked is None else self._worked(worked, valued)
        return _Lines(self._symbols(expansion), numbers, self._notes(expansion), in_short)

    def _symbols(self, expansion: Expansion) -> list[Text]:
        terms = [self._product(term.factors) for part in expansion.parts for term in part]
        return _joined(terms) or [Text("0")]

    @staticmethod
    def _notes(expansion: Expansion) -> tuple[int, str]:
        """How many terms are left out already, and how many products are with 0."""
        zeros = f"  ({counted(expansion.zeros, 'product')} with 0)" if expansion.zeros else ""
        return expansion.left_out, zeros

    def _worked(self, worked: Worked, valued: bool) -> list[Text]:
        terms = _joined([self._numbers(term) for part in worked.parts for term in part])
        if worked.value is None or not valued:
            return terms
        result = Text(number(worked.value, self._precision), style=_VALUE)
        if not terms:
            return [result]
        return [*terms, Text("= ") + result]

    def _product(self, factors: Sequence[Factor]) -> Text:
        return Text("·").join(Text("0", style=DIM) if f is None else self._part(f) for f in factors)

    def _numbers(self, term: Term) -> Text:
        return Text("·").join(
            Text(factor(value, self._precision), style=STYLES[f.tensor.letter] if isinstance(f, Symbol) else DIM)
            for f, value in zip(term.factors, term.values or (), strict=True)
        )


class _Fitting:
    """A picture in the fullest form that fits: symbols, and numbers beneath; numbers; or both arrays, cut to fit."""

    def __init__(self, painter: Painter, picture: Picture) -> None:
        self._rows = [
            None if row is None else painter._row(row) for row in (picture.symbols, picture.numbers, picture.apart)
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        symbols, numbers, apart = self._rows
        fitting = [row for row in (symbols, numbers) if row is not None and row.fits(options.max_width)]
        assert apart is not None
        for k, row in enumerate(fitting or [apart.pieces(options.max_width)]):
            yield from [Text()] if k else []
            yield row


def _coloured(formula: str) -> Text:
    """A rule with its letters in the colours of their tensors: o(i, j), w[f,c](u, v), ∂E/∂x(h, l)."""
    text = Text(formula)
    for tensor, style in STYLES.items():
        text.highlight_regex(rf"(?:∂E/∂)?\b{tensor}(?:\[[^]]*\])?\([^)]*\)", style)
    return text


def _joined(terms: list[Text]) -> list[Text]:
    """The terms with a + behind each but the last."""
    return [term if term is terms[-1] else term + Text(" +") for term in terms]


class _Lines:
    """A sum in symbols and in numbers; lines break between terms only and continue under the first term.

    Of a sum in short those terms are shown that fit on two lines.
    """

    def __init__(self, symbols: list[Text], numbers: list[Text] | None, notes: tuple[int, str], in_short: bool) -> None:
        self._symbols, self._numbers, self._in_short = symbols, numbers, in_short
        self._left_out, self._zeros = notes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 2
        shown, lines = len(self._symbols), list(_wrapped(self._cut(len(self._symbols)), width))
        while self._in_short and shown > 1 and len(lines) > _MOST_LINES:
            shown -= 1
            lines = list(_wrapped(self._cut(shown), width))
        if self._zeros:
            if lines[-1].cell_len + len(self._zeros) > width:
                lines.append(Text(self._zeros.strip(), style=DIM))
            else:
                lines[-1] = lines[-1] + Text(self._zeros, style=DIM)
        yield from _indented(lines)
        numbers = self._numbers or []
        if self._left_out + len(self._symbols) - shown and len(numbers) >= shown:
            # What stands behind the terms is the value.
            numbers = [*self._plus(numbers, shown), Text("…", style=DIM), *numbers[len(self._symbols) :]]
        if numbers:
            yield from _indented(list(_wrapped(numbers, width)))

    def _cut(self, shown: int) -> list[Text]:
        """The first terms in symbols, and how many others there are."""
        rest = self._left_out + len(self._symbols) - shown
        if not rest:
            return self._symbols
        return [*self._plus(self._symbols, shown), Text(f"… {rest} more", style=DIM)]

    def _plus(self, terms: list[Text], shown: int) -> list[Text]:
        """The first terms, with a + behind the last of them too."""
        last = terms[shown - 1]
        return [*terms[: shown - 1], last + Text(" +") if shown == len(self._symbols) else last]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        sums = [self._symbols, self._numbers or []]
        widest = max(text.cell_len for terms in sums for text in terms)
        longest = max(sum(text.cell_len + 1 for text in terms) for terms in sums) + len(self._zeros) + 2
        longest += len(f" + … {self._left_out} more") if self._left_out else 0
        return Measurement(widest + 4, longest + 2).with_maximum(options.max_width)


# A sum in short has so many lines.
_MOST_LINES = 2


def _indented(lines: Sequence[Text]) -> Iterator[Text]:
    for k, line in enumerate(lines):
        yield Text("  " if k else "= ") + line


def _wrapped(terms: Sequence[Text], width: int) -> Iterator[Text]:
    line = terms[0]
    for term in terms[1:]:
        if line.cell_len + 1 + term.cell_len > width:
            yield line
            line = term
        else:
            line = line + Text(" ") + term
    yield line
