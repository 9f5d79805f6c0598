"""The terminal's view: sentences, expansions and matrices as Rich renderables, readable from 80 columns on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cnngrad.derivation.blocks import (
    Block,
    Cell,
    Derivation,
    Expansions,
    Fill,
    Form,
    Formula,
    Grid,
    GridRow,
    Hint,
    Maths,
    Part,
    Section,
    Sentence,
)
from cnngrad.expansion import Expansion, Factor, Number, Partial, Symbol, Term
from cnngrad.render.numbers import DEFAULT_PRECISION, align, factor, number

__all__ = ["PLAIN_WIDTH", "Painter", "make_console", "show"]

# Redirected output has this width, whatever the window.
PLAIN_WIDTH = 80
_MOST_ROWS = 24
_MOST_MATRICES = 12

# One colour each for x, w and o (with dE/do); of medium brightness, so that they are legible on dark and on light.
STYLES = {"x": "#2288cc", "w": "#c8641e", "o": "#a05ad0", "b": "#2a9d6a"}
_ZERO = "dim"
_VALUE = "bold"

_BRACKETS = Box("┌  ┐\n│  │\n│  │\n│  │\n│  │\n│  │\n│  │\n└  ┘\n")


def make_console(file: TextIO) -> Console:
    """A console for a stream: in colour and as wide as the window on a terminal, else plain and 80 columns wide."""
    if file.isatty():
        return Console(file=file, markup=False, highlight=False, emoji=False)
    return Console(
        file=file,
        width=PLAIN_WIDTH,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )


def show(console: Console, renderables: Iterable[RenderableType]) -> None:
    """Print to the console, without blanks at the ends of lines where it is no terminal."""
    for renderable in renderables:
        if console.is_terminal:
            console.print(renderable)
        else:
            with console.capture() as capture:
                console.print(renderable)
            lines = capture.get().splitlines()
            console.file.write("".join(f"{line.rstrip()}\n" for line in lines))


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
        yield Rule(self._parts(section.title), align="left", style="dim")
        for block in section.blocks:
            if self._hints or not isinstance(block, Hint):
                yield Text()
                yield self.block(block)

    def results(self, layer: str, results: Iterable[Iterable[Grid]]) -> Iterator[RenderableType]:
        """The layer's line, and the matrices of each result; of many matrices the first."""
        yield Text(layer, style="bold")
        for grids in results:
            matrices = list(grids)
            yield Text()
            yield self.block(GridRow(tuple(matrices[:_MOST_MATRICES])))
            if len(matrices) > _MOST_MATRICES:
                yield Text(f"… {len(matrices) - _MOST_MATRICES} more matrices; -o FILE saves them all", _ZERO)

    def block(self, block: Block) -> RenderableType:
        """One block."""
        if isinstance(block, Sentence):
            return self._parts(block.parts)
        if isinstance(block, Formula):
            return Padding(_coloured(block.maths.plain), (0, 0, 0, 4))
        if isinstance(block, Hint):
            return Text(block.text, style=_ZERO)
        if isinstance(block, Expansions):
            return self._expansions(block)
        return _SideBySide([self._item(item) for item in block.items])

    def _item(self, item: Grid | Symbol | Number | str) -> "_Matrix | Text":
        if isinstance(item, Grid):
            return _Matrix(item, self._precision)
        return Text(factor(item, self._precision)) if isinstance(item, int | float) else self._part(item)

    def _parts(self, parts: Sequence[Part]) -> Text:
        return Text.assemble(*(self._part(part) for part in parts))

    def _part(self, part: Part) -> Text:
        if isinstance(part, Symbol):
            return Text(str(part), style=STYLES[part.tensor])
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
        return Group(rows, Text(hint, style="dim"))

    def _sum(self, expansion: Expansion, form: Form) -> "_Lines":
        sums = [self._symbols(expansion)]
        if form is Form.WORKED and expansion.value is not None and expansion.terms:
            sums.append(self._worked(expansion, expansion.value))
        return _Lines(sums)

    def _symbols(self, expansion: Expansion) -> list[list[Text]]:
        parts = _joined([[self._product(term.factors) for term in part] for part in expansion.parts])
        parts = parts or [[Text("0")]]
        if expansion.left_out:
            word = "term" if expansion.left_out == 1 else "terms"
            parts[-1].append(Text(f"+ … ({expansion.left_out} more {word})", style=_ZERO))
        if expansion.zeros:
            word = "product" if expansion.zeros == 1 else "products"
            parts[-1].append(Text(f"  ({expansion.zeros} {word} with 0)", style=_ZERO))
        return parts

    def _worked(self, expansion: Expansion, value: Number) -> list[list[Text]]:
        result = Text(number(value, self._precision), style=_VALUE)
        if not expansion.terms or expansion.left_out or expansion.terms[0].values is None:
            return [[result]]
        parts = _joined([[self._numbers(term) for term in part] for part in expansion.parts])
        if parts[-1][-1].plain != result.plain:
            parts[-1].append(Text("= ") + result)
        return parts

    def _product(self, factors: Sequence[Factor]) -> Text:
        return Text("·").join(Text("0", style=_ZERO) if f is None else self._part(f) for f in factors)

    def _numbers(self, term: Term) -> Text:
        return Text("·").join(
            Text(factor(value, self._precision), style=STYLES[f.tensor] if isinstance(f, Symbol) else _ZERO)
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


class _Matrix:
    """A grid as a table between brackets, its middle left out where it is too high or too wide."""

    def __init__(self, grid: Grid, precision: int) -> None:
        self._grid = grid
        self._precision = precision

    def within(self, width: int) -> Group:
        """The matrix, its title above it, in no more than `width` columns."""
        grid = self._grid
        texts = self._columns(1)
        for most in range(min(grid.width, width // 3), 0, -1):
            texts = self._columns(most)
            if sum(column[0].cell_len + 2 for column in texts) + 2 <= width:
                break
        table = Table(box=_BRACKETS, show_header=False, padding=(0, 1), collapse_padding=True)
        for _ in texts:
            table.add_column(no_wrap=True)
        for row in zip(*texts, strict=True):
            table.add_row(*row)
        lines: list[RenderableType] = [Text(grid.title, STYLES.get(grid.kind, "")), table]
        if any("…" in text.plain for column in texts for text in column):
            lines.append(Text(f"({grid.height}×{grid.width} in all)", _ZERO))
        return Group(*lines)

    def _columns(self, most: int) -> list[list[Text]]:
        """The cells of at most so many columns (and one for those left out) as texts of one width each."""
        pictured = any(cell.marked for row in self._grid.cut(_MOST_ROWS, most) for cell in row)
        columns = zip(*self._grid.cut(_MOST_ROWS, most), strict=True)
        return [self._column(column, pictured) for column in columns]

    def _column(self, column: Sequence[Cell], pictured: bool) -> list[Text]:
        plain = [self._plain(cell) for cell in column]
        if all(isinstance(cell.content, int | float) for cell in column):
            plain = align(plain)
        if pictured:
            plain = [_bracketed(text) if cell.marked else f" {text} " for cell, text in zip(column, plain, strict=True)]
        width = max(map(cell_len, plain))
        return [
            Text(" " * (width - cell_len(text)) + text, self._style(cell))
            for cell, text in zip(column, plain, strict=True)
        ]

    def _plain(self, cell: Cell) -> str:
        if isinstance(cell.content, Fill):
            return "…" if cell.content is Fill.MORE else "0"
        return str(cell.content) if isinstance(cell.content, Symbol) else number(cell.content, self._precision)

    def _style(self, cell: Cell) -> str:
        style = _ZERO if isinstance(cell.content, Fill) else STYLES.get(self._grid.kind, "")
        return f"{style} bold" if cell.marked else style


def _bracketed(text: str) -> str:
    """The text in brackets, its leading blanks outside."""
    inner = text.lstrip()
    return f"{' ' * (len(text) - len(inner))}[{inner}]"


# Signs that stand behind a matrix; all others stand in front of one.
_CLOSING = {")", ",", "…", "+ …"}


class _SideBySide:
    """Grids and the signs between them in one line, or in several where the line is too narrow."""

    def __init__(self, items: Sequence[_Matrix | Text]) -> None:
        # Each unit is a matrix with the signs in front of it and those that close it.
        self._units: list[list[_Matrix | Text]] = [[]]
        for item in items:
            complete = any(isinstance(part, _Matrix) for part in self._units[-1])
            if complete and not (isinstance(item, Text) and item.plain.strip() in _CLOSING):
                self._units.append([])
            self._units[-1].append(item)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sized = [self._sized(unit, console, options) for unit in self._units]
        whole = sum(width for _, width in sized) <= options.max_width
        line: list[Group | Text] = []
        used = 0
        for parts, width in sized:
            # A row that is too long breaks before its equals sign first of all.
            equals = not whole and isinstance(parts[0], Text) and parts[0].plain.strip() == "="
            if line and (equals or used + width > options.max_width):
                yield _aligned(line)
                yield Text()
                blank = isinstance(parts[0], Text) and not parts[0].plain.strip()
                line, used = [], 0
                parts = parts[1:] if blank else parts
            line += parts
            used += width
        yield _aligned(line)

    @staticmethod
    def _sized(
        unit: Sequence[_Matrix | Text], console: Console, options: ConsoleOptions
    ) -> tuple[list[Group | Text], int]:
        """A unit's parts, its matrix as wide as the signs beside it leave room, and their width."""
        signs = sum(item.cell_len + 1 for item in unit if isinstance(item, Text))
        room = options.max_width - signs - 1
        parts = [_lowered(item) if isinstance(item, Text) else item.within(room) for item in unit]
        return parts, sum(Measurement.get(console, options, part).maximum + 1 for part in parts)


def _lowered(sign: Text) -> Text:
    """A sign one line lower, so that it stands beside the numbers of a matrix, not beside its title."""
    return Text("\n") + sign


def _aligned(items: Sequence[Group | Text]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    for _ in items:
        table.add_column(vertical="middle", no_wrap=True)
    table.add_row(*items)
    return table
