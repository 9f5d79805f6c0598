"""The view of a program that was run over many layers: a row a layer, and what the failures have in common."""

import re
from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cnngrad.layer import counted
from cnngrad.render.numbers import DEFAULT_PRECISION
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import DIM, text_of
from cnngrad.running.findings import Findings
from cnngrad.tensor import RESULTS

__all__ = ["findings_blocks", "findings_text"]

# Lines of standard error that are shown of a program that failed.
_MOST_LINES = 5


def findings_text(findings: Findings) -> str:
    """The findings as `cnngrad check --run` prints them to a file."""
    return text_of(findings_blocks(findings, DEFAULT_PRECISION)).rstrip("\n")


def findings_blocks(findings: Findings, precision: int, explain: bool = False) -> Iterator[RenderableType]:
    """A table of the layers, what the failing programs said, the smallest failing layer, and the sentence for all."""
    yield _table(findings)
    yield from _said(findings)
    if findings.smallest is not None:
        layer = findings.smallest
        yield Text()
        is_given = any(layer is outcome.layer for outcome in findings.outcomes)
        name = f": {layer.name}" if is_given else ""
        yield Rule(Text(f"The smallest layer that fails{name}"), align="left", style=DIM)
        yield Text(layer.layer.describe(), style="bold")
        if findings.command:
            yield Text(findings.command)
        painter = Painter(precision)
        for compared in (*findings.compared, *(findings.others if explain else ())):
            yield Text()
            yield Text(str(compared.right.target))
            yours = compared.yours if compared.made is None else compared.made
            yield Padding(painter.labelled({"yours": yours, "right": compared.right}), (0, 0, 0, 2))
        if findings.others and not explain:
            yield Text()
            yield Text(f"{counted(len(findings.others), 'other element')} can be read off too: --explain shows all.")
    if findings.note:
        yield Text()
        yield Text(findings.note)
    yield Text()
    yield Text(findings.sentence, style="bold")


def _table(findings: Findings) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    shown = [tensor for tensor in RESULTS if any(tensor in outcome.results for outcome in findings.outcomes)]
    for tensor in shown:
        table.add_column(tensor.title)
    if not shown:
        table.add_column("what happened")
    for outcome in findings.outcomes:
        words = outcome.status
        cells = [outcome.results[tensor].word if tensor in outcome.results else "" for tensor in shown]
        if words:
            cells = [words, *[""] * (max(len(shown), 1) - 1)]
        table.add_row(outcome.layer.name, *cells)
    return table


def _said(findings: Findings) -> Iterator[RenderableType]:
    """The last lines that a program wrote, once for all layers in which it ended in the same way."""
    seen = set()
    for outcome in findings.outcomes:
        if outcome.was_tried and outcome.said.strip() and outcome.status not in seen:
            seen.add(outcome.status)
            yield Text()
            yield Text(f"{outcome.layer.name}: {outcome.status}; the program said:")
            for line in _excerpt(outcome.said.rstrip().splitlines()):
                yield Text(f"  {line[:200]}")


def _excerpt(lines: list[str]) -> list[str]:
    """The last lines, or those from the line on that says the error, where a stack of calls follows it."""
    errors = (number for number, line in enumerate(lines) if _ERROR.match(line))
    first = min(max(errors, default=len(lines)), max(len(lines) - _MOST_LINES, 0))
    return lines[first : first + _MOST_LINES]


# Lines of a stack are indented, or begin with a number.
_ERROR = re.compile(r"(?i)(?![\s#\d]).*(error|exception|panic(ked)?|fatal|assert\w*|fault|caused by)\b")
