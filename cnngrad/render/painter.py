"""The terminal's view of blocks: sentences, sums and rows of matrices, readable from 80 columns on."""

import re
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Any, NamedTuple

from rich.box import Box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from cnngrad.derivation.blocks import (
    Code,
    Expansions,
    Formula,
    Grids,
    Heading,
    Hint,
    Labelled,
    Part,
    ReportBlock,
    Sentence,
    Together,
)
from cnngrad.derivation.blocks import Table as TextTable
from cnngrad.errors import visible
from cnngrad.layer import counted
from cnngrad.layer.expansion import Expansion
from cnngrad.render.maths import plain
from cnngrad.render.matrix import Fitting, grouped, style_of
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["Painter", "Written"]

# Only the heading has a line under it.
_HEADED = Box("    \n    \n ── \n    \n    \n    \n    \n    \n", ascii=False)
# Maximum number of characters of a row's name, its first cell, which is not broken.
_LONGEST_NAME = 26
# Maximum number of lines of a shortened sum.
_MOST_LINES = 2
# Where a line of a formula may be broken.
_BREAKS = re.compile(r"(?<=\))·|(?<= [pqr]), ")


class Painter(Fitting):
    """Turns blocks into renderables in lines of a given length."""

    # Whether long lines of code are folded, for a view that can't show them.
    folded = False

    def blocks(self, blocks: Iterable[ReportBlock]) -> Iterator[RenderableType]:
        """All blocks, with an empty line between them."""
        for number_of, block in enumerate(blocks):
            yield from [Text()] if number_of else []
            yield from self._block(block)

    def _block(self, block: ReportBlock) -> Iterator[RenderableType]:
        match block:
            case Sentence(parts, strong):
                yield Text.assemble(*map(self._part, parts), style="bold" if strong else "")
            case Heading(parts):
                yield Rule(Text.assemble(*map(self._part, parts)), align="left", style=DIM)
            case Formula(row):
                # Letters have their tensor's colour: o(i, j), w[f,c](u, v), ∂E/∂x(p, q).
                # A line that is too long is broken behind factors and conditions, not within an index.
                lines = plain(*row).splitlines()
                long = (_BREAKS.sub(r"\g<0>\n    ", line) if len(line) > self.line - 4 else line for line in lines)
                formula = Text("\n".join(long))
                for tensor, style in STYLES.items():
                    formula.highlight_regex(rf"(?:∂E/∂)?\b{tensor}(?:\[[^]]*\])?\([^)]*\)", style)
                yield Padding.indent(formula, 4)
            case Together(blocks):
                for part in blocks:
                    yield from self._block(part)
            case Hint(text):
                yield Text(text, style=DIM)
            case Code(texts):
                # In a group, since a text that is printed alone loses `overflow`.
                overflow: Any = "fold" if self.folded else "ignore"
                yield Group(*(Text(text, no_wrap=not self.folded, overflow=overflow) for text in texts))
            case Expansions(indent=indent):
                yield Padding.indent(self._expansions(block), indent)
            case Labelled(rows):
                table = Table.grid(Column(no_wrap=True), "", padding=(0, 1, 0, 0))
                for label, each in rows:
                    if isinstance(each, Expansion):
                        table.add_row(label, Written(self, each, valued=True))
                    else:
                        table.add_row(label, f"= {self.number(each)}")
                yield Padding.indent(table, 2)
            case TextTable(headings, rows, right):
                table = Table(box=None, pad_edge=False, header_style="bold")
                for place, heading in enumerate(headings):
                    justify: Any = "right" if heading in right else "left"
                    table.add_column(heading, justify=justify, no_wrap=not place)
                for name, *others in rows:
                    table.add_row(visible(name, _LONGEST_NAME), *others)
                yield table
            case Grids():
                drawn = [line for items in self.rows(block) for line in ([], *self.lines(items))][1:]
                yield Group(*(Text.assemble(*line, no_wrap=True, overflow="ellipsis") for line in drawn))

    def _part(self, part: Part | None) -> Text:
        return Text(self.part(part), style=style_of(part))

    def product_of(self, values: Iterable[Any], factors: Iterable[Any]) -> Text:
        """A product of elements or numbers in the colours of the elements."""
        each = zip(values, factors, strict=True)
        return Text("·").join(Text(self.factor(value), style_of(factor)) for value, factor in each)

    def _expansions(self, table: Expansions) -> RenderableType:
        """A table with a row for each element: the element, its sum, the numbers below, and the value."""
        rows = Table(
            box=_HEADED, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM, border_style=DIM
        )
        rows.add_column("element", no_wrap=True)
        rows.add_column("sum by the chain rule" if table.chain else "sum")
        if any(expansion.value is not None for expansion in table.expansions):
            rows.add_column("value", justify="right", vertical="bottom", no_wrap=True)
        most_lines = _MOST_LINES if table.in_short else inf
        for expansion in table.expansions:
            value = Text("" if expansion.value is None else self.number(expansion.value), "bold")
            cells = self._part(expansion.target), Written(self, expansion, most_lines), value
            rows.add_row(*cells[: len(rows.columns)])
        return rows


class Written(NamedTuple):
    """A sum in symbols, and below it in numbers if there are any, in lines that continue under the first term.

    Attributes:
        painter: what writes it.
        expansion: the sum.
        most_lines: if it has more lines in symbols, terms are left out.
        valued: whether the numbers end with their sum.
    """

    painter: Painter
    expansion: Expansion
    most_lines: float = inf
    valued: bool = False

    def lines(self, width: float) -> list[Text]:
        """The lines of both sums."""
        painter = self.painter
        symbols = [painter.product_of(term.factors, term.factors) for term in self.expansion.terms] or [Text("0")]
        for most in range(len(symbols), 0, -1):
            short = self.expansion.cut(most)
            more = short.left_out
            left_out = [Text(f"… {more} more", DIM)] * bool(more)
            lines = _broken([*symbols[: len(short.terms) or 1], *left_out], width)
            if len(lines) <= self.most_lines:
                break
        if short.zeros:
            zeros = Text(f"  ({counted(short.zeros, 'product')} with 0)", DIM)
            if lines[-1].cell_len + len(zeros) > width:
                lines.append(Text())
            lines[-1] += zeros
        numbers = [painter.product_of(term.values, term.factors) for term in short.terms * short.is_worked]
        if numbers and more:
            numbers.append(Text(f"({more} more = {painter.number(short.rest)})", DIM))
        is_valued = self.valued and short.total is not None
        return lines + _broken(numbers, width, [Text.assemble("= ", (painter.part(short.total), "bold"))] * is_valued)

    def __str__(self) -> str:
        """Both sums, a line for each."""
        return "\n".join(line.plain.replace("  ", " ") for line in self.lines(inf))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines that fit the column."""
        yield from self.lines(options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """The width of the column: whole sums, and a gap."""
        longest = max(line.cell_len for line in self.lines(inf))
        return Measurement(0, longest + 3).with_maximum(options.max_width)


def _broken(terms: list[Text], width: float, value: Sequence[Text] = ()) -> list[Text]:
    """The lines of a sum, which breaks between terms only."""
    parts = [*(term + " +" for term in terms[:-1]), *terms[-1:], *value]
    rows = grouped(parts, lambda part: part.cell_len + 1, width - 1)
    return [Text("  " if number else "= ") + Text(" ").join(row) for number, row in enumerate(rows)]
