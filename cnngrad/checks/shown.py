"""A check's report as blocks: a verdict for each gradient, where it is wrong, and the mistake's name."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.search import hidden_words
from cnngrad.checks.location import counts
from cnngrad.derivation.blocks import (
    Code,
    Expansions,
    GridRow,
    Heading,
    Labelled,
    ReportBlock,
    Sentence,
    Table,
    Together,
)
from cnngrad.derivation.grids import Cell, Grid
from cnngrad.derivation.notation import apart, number
from cnngrad.layer.expansion import Expansion
from cnngrad.tensor import O

if TYPE_CHECKING:
    from cnngrad.checks.report import Compared, GradientReport, Report

__all__ = ["code_lines", "labelled", "report_blocks", "verdict"]

# An array of at most this many rows and columns is shown whole, with its wrong elements marked.
_MOST_ROWS, _MOST_COLUMNS = 12, 8
# Number of wrong elements that are listed of a larger one, and of terms in the worst one's sums.
_MOST_LISTED, _MOST_TERMS = 5, 12


def report_blocks(report: "Report", precision: int) -> Iterator[ReportBlock]:
    """The layer's line, a table with a row per gradient, the tolerances, what is wrong, and the verdict."""
    gradients = report.gradients.values()
    layer: list[ReportBlock] = [Sentence((report.layer.describe(),), strong=True)]
    if set(report.gradients) != {O.key}:
        layer += _said([f"finite differences of E = sum(O·∂E/∂O), ∂E/∂O {report.dedo}"])
    yield Together(tuple(layer))
    headings = ("gradient", "verdict", "elements", "largest error", "relative", "worst element")
    yield Table(headings, tuple(tuple(_row(gradient, precision)) for gradient in gradients), right=("elements",))
    if lines := _said(_lines(report, precision)):
        yield Together(lines)
    for gradient in gradients:
        if gradient.passed is False:
            yield from _wrong(report, gradient, precision)
    for gradient in gradients:
        for compared in gradient.explained:
            yield Together((Heading((str(compared.right.target),)), labelled(compared)))
    hidden = {name for gradient in gradients if gradient.claimed and gradient.passed for name in gradient.hidden}
    if words := hidden_words(report.layer, hidden):
        yield from _said([
            f"In this problem some mistakes would not show: {words}. cnngrad check --hard prints one of the same layer "
            "that shows all that its shape allows."
        ])  # fmt: skip
    yield Sentence((verdict(report),), strong=True)


def labelled(compared: "Compared") -> Labelled:
    """A claimed element, as the sum that makes it where that is known, beside the right sum."""
    yours = compared.yours if compared.made is None else compared.made
    return Labelled((("yours", yours), ("right", compared.right)))


def code_lines(gradient: "GradientReport") -> list[str]:
    """The line of code that makes the mistake, and the right one; nothing where there are no such lines."""
    return [f"{word:<13}{line}" for word, line in zip(("for example", "instead of"), gradient.code or (), strict=False)]


def verdict(report: "Report") -> str:
    """The verdict on everything, in a sentence."""
    found = {name == O.key for name, gradient in report.gradients.items() if gradient.passed is report.passed}
    if report.passed:
        return "O is right." if found == {True} else "All gradients are right."
    who, be = ("O and a gradient", "are") if len(found) > 1 else ("O" if True in found else "A gradient", "is")
    return f"{who} {be} wrong." if report.passed is False else f"{who} can't be judged."


def _said(texts: Iterable[str]) -> tuple[ReportBlock, ...]:
    return tuple(Sentence((text,)) for text in texts)


def _lines(report: "Report", precision: int) -> Iterator[str]:
    """How each gradient was judged, where it is furthest from the right one, and the sums that must agree."""
    for gradient in report.gradients.values():
        title, worst = _title(gradient), gradient.worst
        if gradient.tolerance:
            yield f"{title}: tolerance {gradient.tolerance}"
        if worst is not None and gradient.max_abs_error:
            analytic, numeric = apart(worst.analytic, worst.numeric, precision)
            where = f"{_spoken(worst.element)}, index {list(worst.index)} from 0"
            yours = "yours" if gradient.claimed else "by the formulas"
            by = "right" if gradient.gradient is O else "by differences"
            yield f"{title}: furthest apart at {where}: {yours} {analytic}, {by} {numeric}"
        if gradient.passed is not False and gradient.hint:
            yield f"{title}: {gradient.hint}"
    if report.identity is not None:
        names = ("sum(O·∂E/∂O)", "sum(X·∂E/∂X)", "sum(W·∂E/∂W)")
        texts = [number(value, precision) for value in report.identity]
        if not np.isfinite(report.identity).all():
            yield f"{', '.join(names)}: not all are within float64's range"
        elif max(report.identity) - min(report.identity) <= 1e-4 * max(map(abs, report.identity)):
            yield f"{' = '.join(names)}: {(' = ' if len(set(texts)) == 1 else ' ≈ ').join(texts)}"
        else:
            yield f"{', '.join(map(' = '.join, zip(names, texts, strict=True)))} should be equal"


def _title(gradient: "GradientReport") -> str:
    return f"{gradient.gradient.title}{' (yours)' if gradient.claimed else ''}"


def _row(gradient: "GradientReport", precision: int) -> list[str]:
    verdict, worst = {True: "right", False: "WRONG", None: "unclear"}[gradient.passed], gradient.worst
    if worst is None:
        return [_title(gradient), verdict, "0", "-", "-", "wrong shape"]
    errors, where = ["not finite", "-"], _spoken(worst.element)
    if gradient.max_abs_error is not None and gradient.max_rel_error is not None:
        errors = [number(error, precision) for error in (gradient.max_abs_error, gradient.max_rel_error)]
        where = where if gradient.max_abs_error else "none differs"
    return [_title(gradient), verdict, str(gradient.count), *errors, where]


def _spoken(element: str) -> str:
    return element.replace("dE/d", "∂E/∂")


def _wrong(report: "Report", gradient: "GradientReport", precision: int) -> Iterator[ReportBlock]:
    """What is wrong with a gradient: the mistake, the wrong elements, and the worst of them written out."""
    lines = tuple(f"  {line}" for line in code_lines(gradient))
    yield Together((*_said([f"{_title(gradient)} is wrong. {gradient.hint}"]), Code(lines)))
    yield from _said([gradient.relation] if gradient.relation else [])
    analytic, numeric, off, worst = gradient.analytic, gradient.numeric, gradient.wrong, gradient.worst
    if analytic is None or numeric is None or off is None or worst is None:
        return
    is_o = gradient.gradient is O
    if off.ndim <= 2 and off.shape[-1:] <= (_MOST_COLUMNS,) and off.size <= _MOST_ROWS * _MOST_COLUMNS:
        right = _marked("right" if is_o else "finite differences", numeric, np.zeros_like(off))
        yield GridRow((_marked("compared, wrong ones marked", analytic, off), "  ", right))
    else:
        found: list[str] = []
        if not off.all():
            standard = report.layer.layouts.standard(gradient.gradient, off)
            found = ["Wrong elements,", *(f"  by {line}" for line in counts(report.layer, gradient.gradient, standard))]
        for index in map(tuple, np.argwhere(off)[:_MOST_LISTED].tolist()):
            place = "".join(f"[{k}]" for k in index)
            value, wanted = apart(analytic[index].item(), numeric[index].item(), precision)
            found.append(f"  {gradient.gradient.key}{place} (from 0) is {value}, not {wanted}")
        if (more := int(off.sum()) - _MOST_LISTED) > 0:
            found.append(f"  and {more} more")
        yield Together(_said(found))
    if (compared := gradient.compared) is not None:
        yours, wanted = apart(worst.analytic, worst.numeric, precision)
        should = "it should be" if is_o else "the finite difference is"
        right_sum, made = _cut(compared.right), compared.made
        sums: ReportBlock = Expansions((right_sum,), indent=2)
        if made is not None:
            sums = labelled(replace(compared, right=right_sum, made=_cut(made)))
        yield Together((*_said([f"{_spoken(worst.element)} is {yours}, but {should} {wanted}:"]), sums))


def _cut(expansion: Expansion) -> Expansion:
    """A sum with as many terms as one sees at a glance."""
    return replace(expansion, terms=expansion.terms[:_MOST_TERMS])


def _marked(title: str, array: Array, wrong: Array) -> Grid:
    rows, marks = np.atleast_2d(array), np.atleast_2d(wrong)
    height, width = rows.shape
    return Grid(title, height, width, lambda r, c: Cell(rows[r, c].item(), bool(marks[r, c])))
