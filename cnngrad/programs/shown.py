"""The findings of a run as blocks: a row a layer, and what the failures have in common."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cnngrad.checks.report import labelled
from cnngrad.derivation.blocks import Heading, ReportBlock, Sentence, Table, Together
from cnngrad.layer import counted
from cnngrad.tensor import RESULTS

if TYPE_CHECKING:
    from cnngrad.programs.findings import Findings

# Lines of standard error that are shown of a program that failed.
_MOST_LINES = 5


def findings_blocks(findings: "Findings") -> Iterator[ReportBlock]:
    """A table of the layers, what the failing programs said, the smallest failing layer, and the sentence for all."""
    yield _table(findings)
    yield from _said(findings)
    if (layer := findings.smallest) is not None:
        is_given = any(layer is outcome.layer for outcome in findings.outcomes)
        heading = Heading((f"The smallest layer that fails{f': {layer.name}' if is_given else ''}",))
        command = [Sentence((findings.command,))] if findings.command else []
        yield Together((heading, Sentence((layer.layer.describe(),), strong=True), *command))
        for compared in (*findings.compared, *(findings.others if findings.explained else ())):
            yield Together((Sentence((str(compared.right.target),)), labelled(compared)))
        if findings.others and not findings.explained:
            others = counted(len(findings.others), "other element")
            yield Sentence((f"{others} can be read off too: --explain shows all.",))
    if findings.note:
        yield Sentence((findings.note,))
    yield Sentence((findings.sentence,), strong=True)


def _table(findings: "Findings") -> Table:
    shown = [tensor for tensor in RESULTS if any(tensor in outcome.results for outcome in findings.outcomes)]
    rows = []
    for outcome in findings.outcomes:
        status = outcome.status
        cells = [outcome.results[tensor].word if tensor in outcome.results else "" for tensor in shown]
        rows.append((outcome.layer.name, *([status, *([""] * len(cells[1:]))] if status else cells)))
    headings = [tensor.title for tensor in shown] or ["what happened"]
    return Table(("layer", *headings), tuple(rows), wrapped=True)


def _said(findings: "Findings") -> Iterator[ReportBlock]:
    """The last lines that a program wrote, once for all layers in which it ended in the same way; why it skips some."""
    seen = set()
    for outcome in findings.outcomes:
        said = outcome.said.strip()
        if not outcome.was_tried and said and said not in seen:
            seen.add(said)
            yield Sentence((f"{outcome.layer.name}: {outcome.status}: {said}",))
        elif outcome.was_tried and said and outcome.status not in seen:
            seen.add(outcome.status)
            lines = _excerpt(outcome.said.rstrip().splitlines())
            heading = f"{outcome.layer.name}: {outcome.status}; the program said:"
            yield Together(tuple(Sentence((line,)) for line in (heading, *(f"  {line[:200]}" for line in lines))))


def _excerpt(lines: list[str]) -> list[str]:
    """The last lines, or those from the line on that says the error, where a stack of calls follows it."""
    errors = (number for number, line in enumerate(lines) if _ERROR.match(line))
    first = min(max(errors, default=len(lines)), max(len(lines) - _MOST_LINES, 0))
    return lines[first : first + _MOST_LINES]


# Lines of a stack are indented, or begin with a number.
_ERROR = re.compile(r"(?i)(?![\s#\d]).*(error|exception|panic(ked)?|fatal|assert\w*|fault|caused by)\b")
