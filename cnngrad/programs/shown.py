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
    outcomes = findings.outcomes
    shown = [tensor for tensor in RESULTS if any(tensor in outcome.results for outcome in outcomes)]
    rows = []
    for outcome in outcomes:
        words = {tensor: result.word for tensor, result in outcome.results.items()}
        cells = [words.get(tensor, "") for tensor in shown] or [""]
        rows.append((outcome.layer.name, outcome.status or cells[0], *cells[1:]))
    headings = [tensor.title for tensor in shown] or ["what happened"]
    yield Table(("layer", *headings), tuple(rows), wrapped=True)
    yield from _said(findings)
    if (layer := findings.smallest) is not None:
        is_given = any(layer is outcome.layer for outcome in outcomes)
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
    yield Sentence((findings.summary,), strong=True)


def _said(findings: "Findings") -> Iterator[ReportBlock]:
    """The last lines that a program wrote, once for all layers in which it ended in the same way; why it skips some."""
    seen = set()
    for outcome in findings.outcomes:
        heading, said = f"{outcome.layer.name}: {outcome.status}", outcome.said.rstrip()
        kind = outcome.status if outcome.was_tried else said.strip()
        if said.strip() and kind not in seen:
            seen.add(kind)
            if outcome.was_tried:
                lines = (f"{heading}; the program said:", *(f"  {line[:200]}" for line in _excerpt(said.splitlines())))
                yield Together(tuple(Sentence((line,)) for line in lines))
            else:
                yield Sentence((f"{heading}: {said.strip()}",))


def _excerpt(lines: list[str]) -> list[str]:
    """The last lines, or those from the line on that says the error, where a stack of calls follows it."""
    errors = (number for number, line in enumerate(lines) if _ERROR.match(line))
    first = min(max(errors, default=len(lines)), max(len(lines) - _MOST_LINES, 0))
    return lines[first : first + _MOST_LINES]


# Lines of a stack are indented, or begin with a number.
_ERROR = re.compile(r"(?i)(?![\s#\d]).*(error|exception|panic(ked)?|fatal|assert\w*|fault|caused by)\b")
