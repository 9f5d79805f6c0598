"""The terminal's view of blocks: sentences, sums and rows of matrices, readable from 80 columns on."""

import re
from collections.abc import Iterable, Iterator
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
    Figure,
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
from cnngrad.derivation.notation import Notation
from cnngrad.errors import visible
from cnngrad.layer import counted
from cnngrad.layer.expansion import Expansion
from cnngrad.render.connections import connections
from cnngrad.render.maths import plain
from cnngrad.render.matrix import Fitting, grouped, style_of
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["Painter"]

# Only the heading has a line under it.
_HEADED = Box("    \n    \n ── \n    \n    \n    \n    \n    \n", ascii=False)
# Maximum number of characters of a row's name, its first cell, which is not broken.
_LONGEST_NAME = 26
# Maximum number of lines of a shortened sum.
_MOST_LINES = 2
# A line of a formula that does not fit 80 columns, and where it may be broken.
_LONG = re.compile(r"^.{77,}", re.MULTILINE)
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
                formula = Text(_LONG.sub(lambda line: _BREAKS.sub(r"\g<0>\n    ", line[0]), plain(*row)))
                for tensor, style in STYLES.items():
                    formula.highlight_regex(rf"(?:∂E/∂)?\b{tensor}(?:\[[^]]*\])?\([^)]*\)", style)
                yield Padding.indent(formula, 4)
            case Figure():
                yield Padding.indent(connections(block), 4)
            case Together(blocks):
                for part in blocks:
                    yield from self._block(part)
            case Hint(text):
                yield Text(text, style=DIM)
            case Code(lines):
                # In a group, since a text that is printed alone loses `overflow`.
                overflow: Any = "fold" if self.folded else "ignore"
                yield Group(*(Text(line, no_wrap=not self.folded, overflow=overflow) for line in lines))
            case Expansions(indent=indent):
                yield Padding.indent(self._expansions(block), indent)
            case Labelled(rows):
                table = Table.grid(Column(no_wrap=True), "", padding=(0, 1, 0, 0))
                for label, each in rows:
                    written = self.sum(each, valued=True) if isinstance(each, Expansion) else f"= {self.number(each)}"
                    table.add_row(label, written)
                yield Padding.indent(table, 2)
            case TextTable(headings, rows, right, wrapped):
                table = Table(box=None, pad_edge=False, header_style="bold")
                for place, heading in enumerate(headings):
                    justify: Any = "right" if heading in right else "left"
                    table.add_column(heading, justify=justify, no_wrap=not (wrapped and place))
                for name, *others in rows:
                    table.add_row(visible(name, _LONGEST_NAME), *others)
                yield table
            case Grids():
                shown = list[Text]()
                for items in self.rows(block):
                    shown += [Text()] * bool(shown)
                    shown += (Text.assemble(*line, no_wrap=True, overflow="ellipsis") for line in self.lines(items))
                yield Group(*shown)

    def _part(self, part: Part | None) -> Text:
        return Text(self.part(part), style=style_of(part))

    def _expansions(self, table: Expansions) -> RenderableType:
        """A table with a row for each element: the element, its sum, the numbers below, and the value."""
        rows = Table(
            box=_HEADED, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM, border_style=DIM
        )
        rows.add_column("element", no_wrap=True)
        rows.add_column("sum by the chain rule" if table.chain else "sum")
        if any(expansion.value is not None for expansion in table.expansions):
            rows.add_column("value", justify="right", vertical="bottom", no_wrap=True)
        for expansion in table.expansions:
            value = Text("" if expansion.value is None else self.number(expansion.value), "bold")
            cells = self._part(expansion.target), self.sum(expansion, _MOST_LINES if table.in_short else inf), value
            rows.add_row(*cells[: len(rows.columns)])
        return rows

    def sum(self, expansion: Expansion, most_lines: float = inf, valued: bool = False) -> "_Sum":
        """A sum in symbols, and below it in numbers if there are any; `valued` adds the value."""
        dot = Text("·")
        symbols = [dot.join(map(self._part, term.factors)) for term in expansion.terms] or [Text("0")]
        numbers = []
        for term in expansion.terms if expansion.is_worked else ():
            pairs = zip(term.factors, term.values, strict=True)
            numbers.append(dot.join(Text(self.factor(v), style_of(f) or DIM) for f, v in pairs))
        value = []
        if valued and expansion.total is not None:
            value.append(Text.assemble("= ", (self.number(expansion.total), "bold")))
        zeros = Text(f"  ({counted(expansion.zeros, 'product')} with 0)" if expansion.zeros else "", DIM)
        return _Sum(symbols, numbers, value, expansion, self, zeros, most_lines)


class _Sum(NamedTuple):
    """A sum in symbols and in numbers; lines break between terms only and continue under the first term.

    `zeros` says how many products have a 0. Terms that would fill more than `most_lines` in symbols are left out, if
    they are several.
    """

    symbols: list[Text]
    numbers: list[Text]
    value: list[Text]
    expansion: Expansion
    notation: Notation
    zeros: Text
    most_lines: float

    def lines(self, width: int) -> list[Text]:
        """The lines of both sums."""
        every = len(self.symbols)
        # A single term is not left out, since words are no shorter.
        for shown in (every, *range(every - 1 - (not self.expansion.left_out), 0, -1)):
            both = []
            for terms in self._summed(shown):
                rows = grouped(terms, lambda term: term.cell_len + 1, width - 1)
                both.append([Text("  " if number else "= ") + Text(" ").join(row) for number, row in enumerate(rows)])
            lines, numbers = both
            if len(lines) <= self.most_lines:
                break
        if self.zeros and lines[-1].cell_len + len(self.zeros) > width:
            lines.append(Text("  ") + self.zeros[2:])
        else:
            lines[-1] += self.zeros
        return lines + numbers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(options.max_width)

    def _summed(self, shown: int) -> list[list[Text]]:
        """The first terms in symbols and in numbers, a + after each but the last, and the number of the others."""
        rest = self.expansion.left_out + len(self.symbols) - shown
        sums = []
        behind = f"({rest} more = {self.notation.number(self.expansion.rest(shown))})"
        for terms, more in ((self.symbols, f"… {rest} more"), (self.numbers, behind)):
            terms = [*terms[:shown], *[Text(more, DIM)] * bool(rest and terms)]
            sums.append([*(term + " +" for term in terms[:-1]), *terms[-1:]])
        return [sums[0], sums[1] + self.value]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        sums = self._summed(len(self.symbols))
        widest = max(text.cell_len for terms in sums for text in terms)
        longest = max(sum(text.cell_len + 1 for text in terms) for terms in sums) + len(self.zeros) + 2
        return Measurement(widest + 4, longest + 2).with_maximum(options.max_width)
