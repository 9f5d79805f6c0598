"""The terminal's view of a derivation: sentences, expansions and rows of matrices, readable from 80 columns on."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cnngrad.derivation.blocks import (
    Block,
    Derivation,
    Expansions,
    Form,
    Formula,
    Hint,
    Maths,
    Part,
    Section,
    Sentence,
)
from cnngrad.derivation.expansion import Expansion, Factor, Partial, Term, Worked
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.names import Number, Symbol
from cnngrad.layer import counted
from cnngrad.render.matrix import Matrix, SideBySide
from cnngrad.render.numbers import DEFAULT_PRECISION, factor, number
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["Painter"]

_VALUE = "bold"


class Painter:
    """Turns blocks into renderables."""

    def __init__(self, precision: int = DEFAULT_PRECISION, hints: bool = True) -> None:
        """A painter of decimals with `precision` significant digits, with hints for the command line or without."""
        self._precision = precision
        self._hints = hints

    def derivation(self, derivation: Derivation) -> Iterator[RenderableType]:
        """The layer's line and every section."""
        yield Text(derivation.layer, style="bold")
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
        if isinstance(block, Hint):
            return Text(block.text, style=DIM)
        if isinstance(block, Expansions):
            return self._expansions(block)
        return SideBySide([self._item(item) for item in block.items])

    def labelled(self, rows: Mapping[str, Expansion | Number]) -> RenderableType:
        """Sums or numbers below each other, each behind its label."""
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for label, row in rows.items():
            shown = (
                self._sum(row, Form.WORKED) if isinstance(row, Expansion) else Text(f"= {number(row, self._precision)}")
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
        rows = Table.grid(padding=(0, 1, 0, 0))
        rows.add_column(no_wrap=True)
        rows.add_column()
        for expansion in table.expansions:
            rows.add_row(self._part(expansion.target), self._sum(expansion, table.form))
        if not table.left_out:
            return rows
        hint = f"… {table.left_out} more of {table.total} are not shown: --limit {table.total} shows all."
        return Group(rows, Text(hint, style=DIM))

    def _sum(self, expansion: Expansion, form: Form) -> "_Lines":
        sums = [self._symbols(expansion)]
        if form is Form.WORKED and expansion.worked is not None:
            sums.append(self._worked(expansion.worked))
        return _Lines(sums)

    def _symbols(self, expansion: Expansion) -> list[list[Text]]:
        parts = _joined([[self._product(term.factors) for term in part] for part in expansion.parts])
        parts = parts or [[Text("0")]]
        if expansion.left_out:
            parts[-1].append(Text(f"+ … ({counted(expansion.left_out, 'more term')})", style=DIM))
        if expansion.zeros:
            parts[-1].append(Text(f"  ({counted(expansion.zeros, 'product')} with 0)", style=DIM))
        return parts

    def _worked(self, worked: Worked) -> list[list[Text]]:
        parts = _joined([[self._numbers(term) for term in part] for part in worked.parts])
        if worked.value is None:
            return parts
        result = Text(number(worked.value, self._precision), style=_VALUE)
        if not parts:
            return [[result]]
        parts[-1].append(Text("= ") + result)
        return parts

    def _product(self, factors: Sequence[Factor]) -> Text:
        return Text("·").join(Text("0", style=DIM) if f is None else self._part(f) for f in factors)

    def _numbers(self, term: Term) -> Text:
        return Text("·").join(
            Text(factor(value, self._precision), style=STYLES[f.tensor.letter] if isinstance(f, Symbol) else DIM)
            for f, value in zip(term.factors, term.values or (), strict=True)
        )


def _coloured(formula: str) -> Text:
    """A rule with its letters in the colours of their tensors: o(i, j), w[f,c](u, v), ∂E/∂x(h, l)."""
    text = Text(formula)
    for tensor, style in STYLES.items():
        text.highlight_regex(rf"(?:∂E/∂)?\b{tensor}(?:\[[^]]*\])?\([^)]*\)", style)
    return text


def _joined(parts: list[list[Text]]) -> list[list[Text]]:
    """The terms with a + behind each but the last."""
    flat = [term for part in parts for term in part]
    return [[term if term is flat[-1] else term + Text(" +") for term in part] for part in parts]


class _Lines:
    """Sums below each other; lines break between terms only and continue under the first term."""

    def __init__(self, sums: Sequence[list[list[Text]]]) -> None:
        self._sums = sums

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for parts in self._sums:
            lines = [line for part in parts for line in _wrapped(part, options.max_width - 2)]
            for k, line in enumerate(lines):
                yield Text("  " if k else "= ") + line

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        parts = [part for parts in self._sums for part in parts]
        widest = max(text.cell_len for part in parts for text in part)
        longest = max(sum(text.cell_len + 1 for text in part) for part in parts)
        return Measurement(widest + 2, longest + 2).with_maximum(options.max_width)


def _wrapped(terms: Sequence[Text], width: int) -> Iterator[Text]:
    line = terms[0]
    for term in terms[1:]:
        if line.cell_len + 1 + term.cell_len > width:
            yield line
            line = term
        else:
            line = line + Text(" ") + term
    yield line
