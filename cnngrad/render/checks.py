"""The view of a check: a verdict for each gradient, where it is wrong, and the mistake's name."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cnngrad.arrays import Array
from cnngrad.derivation.blocks import Expansions, GridRow
from cnngrad.derivation.grids import Cell, Grid
from cnngrad.gradcheck import GradientReport, Report
from cnngrad.gradcheck.hidden import hidden_words
from cnngrad.gradcheck.location import counts
from cnngrad.gradcheck.report import Compared
from cnngrad.layer.expansion import Expansion
from cnngrad.render.numbers import DEFAULT_PRECISION, apart, number
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import DIM, text_of
from cnngrad.tensor import Tensor

__all__ = ["code_lines", "report_blocks", "report_text", "verdict"]

# An array of at most this many rows and columns is shown whole, with its wrong elements marked.
_MOST_ROWS, _MOST_COLUMNS = 12, 8
# Of a larger one, this many wrong elements are listed.
_MOST_LISTED = 5
# So many terms of the worst one's sums are shown.
_MOST_TERMS = 12


def report_blocks(report: Report, precision: int) -> Iterator[RenderableType]:
    """The layer's line, a table with a row per gradient, the tolerances, what is wrong, and the verdict."""
    yield Text(report.layer.describe(), style="bold")
    if set(report.gradients) != {Tensor.O.key}:
        yield Text(f"finite differences of E = sum(O·∂E/∂O), ∂E/∂O {report.dedo}")
    yield Text()
    yield _table(report, precision)
    if any(gradient.tolerance for gradient in report.gradients.values()):
        yield Text()
    for gradient in report.gradients.values():
        if gradient.tolerance:
            yield Text(f"{_title(gradient)}: tolerance {gradient.tolerance}")
        if gradient.worst is not None and gradient.max_abs_error:
            analytic, numeric = apart(gradient.worst.analytic, gradient.worst.numeric, precision)
            where = f"{_spoken(gradient.worst.element)}, index {list(gradient.worst.index)} from 0"
            yours = "yours" if gradient.claimed else "by the formulas"
            yield Text(f"{_title(gradient)}: furthest apart at {where}: {yours} {analytic}, {_by(gradient)} {numeric}")
        if gradient.passed is not False and gradient.hint:
            yield Text(f"{_title(gradient)}: {gradient.hint}")
    if report.identity is not None:
        texts = [number(value, precision) for value in report.identity]
        sums = (" = " if len(set(texts)) == 1 else " ≈ ").join(texts)
        if not np.isfinite(report.identity).all():
            yield Text("sum(O·∂E/∂O), sum(X·∂E/∂X), sum(W·∂E/∂W): not all are within float64's range")
        elif _agree(report.identity):
            yield Text(f"sum(O·∂E/∂O) = sum(X·∂E/∂X) = sum(W·∂E/∂W): {sums}")
        else:
            yield Text(_apart(report, precision))
    for gradient in report.gradients.values():
        if gradient.passed is False:
            yield from _wrong(report, gradient, precision)
    for gradient in report.gradients.values():
        for compared in gradient.explained:
            yield Text()
            yield Rule(Text(str(compared.right.target)), align="left", style=DIM)
            yield _compared(compared, Painter(precision))
    yield from _hidden(report)
    yield Text()
    yield Text(verdict(report), style="bold")


def report_text(report: Report) -> str:
    """The report as `cnngrad check` prints it to a file."""
    return text_of(report_blocks(report, DEFAULT_PRECISION)).rstrip("\n")


def code_lines(gradient: GradientReport) -> list[str]:
    """The line of code that makes the mistake, and the right one; nothing where there are no such lines."""
    return [f"{word:<13}{line}" for word, line in zip(("for example", "instead of"), gradient.code or (), strict=False)]


def verdict(report: Report) -> str:
    """The verdict on everything, in a sentence."""
    gradients = [gradient for gradient in report.gradients.values() if gradient.gradient is not Tensor.O]
    if report.passed:
        return "O is right." if not gradients else "All gradients are right."
    o = report.gradients.get(Tensor.O.key)
    found = [] if o is None or o.passed is not report.passed else ["O"]
    found += ["a gradient"] if any(gradient.passed is report.passed for gradient in gradients) else []
    words = " and ".join(found) + (" are" if len(found) > 1 else " is")
    sentence = f"{words} wrong." if report.passed is False else f"{words.rsplit(' ', 1)[0]} can't be judged."
    return sentence[0].upper() + sentence[1:]


def _by(gradient: GradientReport) -> str:
    """What a claim is compared with."""
    return "right" if gradient.gradient is Tensor.O else "by differences"


def _agree(identity: tuple[float, ...]) -> bool:
    return max(identity) - min(identity) <= 1e-4 * max(map(abs, identity))


def _apart(report: Report, precision: int) -> str:
    first, second, third = (number(value, precision) for value in report.identity or ())
    return f"sum(O·∂E/∂O) = {first}, sum(X·∂E/∂X) = {second}, sum(W·∂E/∂W) = {third} should be equal"


def _table(report: Report, precision: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("gradient", "verdict", "elements", "largest error", "relative", "worst element"):
        table.add_column(heading, justify="right" if heading == "elements" else "left", no_wrap=True)
    for gradient in report.gradients.values():
        table.add_row(*_row(gradient, precision))
    return table


def _title(gradient: GradientReport) -> str:
    return f"{gradient.gradient.title}{' (yours)' if gradient.claimed else ''}"


def _row(gradient: GradientReport, precision: int) -> list[str]:
    verdict = {True: "right", False: "WRONG", None: "unclear"}[gradient.passed]
    if gradient.worst is None:
        return [_title(gradient), verdict, "0", "-", "-", "wrong shape"]
    if gradient.max_abs_error is None or gradient.max_rel_error is None:
        return [_title(gradient), verdict, str(gradient.count), "not finite", "-", _spoken(gradient.worst.element)]
    return [
        _title(gradient),
        verdict,
        str(gradient.count),
        number(gradient.max_abs_error, precision),
        number(gradient.max_rel_error, precision),
        _spoken(gradient.worst.element) if gradient.max_abs_error else "none differs",
    ]


def _spoken(element: str) -> str:
    return element.replace("dE/d", "∂E/∂")


def _wrong(report: Report, gradient: GradientReport, precision: int) -> Iterator[RenderableType]:
    """What is wrong with a gradient: the mistake, the wrong elements, and the worst of them written out."""
    yield Text()
    yield Text(f"{_title(gradient)} is wrong. {gradient.hint}")
    for line in code_lines(gradient):
        yield Text(f"  {line}", no_wrap=True)
    if gradient.relation:
        yield Text()
        yield Text(gradient.relation)
    analytic, numeric, off, worst = gradient.analytic, gradient.numeric, gradient.wrong, gradient.worst
    if analytic is None or numeric is None or off is None or worst is None:
        return
    yield Text()
    painter = Painter(precision)
    right = "right" if gradient.gradient is Tensor.O else "finite differences"
    if off.ndim <= 2 and off.shape[-1:] <= (_MOST_COLUMNS,) and off.size <= _MOST_ROWS * _MOST_COLUMNS:
        yield painter.block(
            GridRow((_marked("compared, wrong ones marked", analytic, off), "  ", _marked(right, numeric)))
        )
    else:
        if not off.all():
            yield Text("Wrong elements,")
            for line in counts(report.layer, gradient.gradient, report.layer.layouts.standard(gradient.gradient, off)):
                yield Text(f"  by {line}")
        yield from _first_wrong(gradient, precision)
    yield Text()
    if gradient.compared is not None:
        yours, numeric_text = apart(worst.analytic, worst.numeric, precision)
        right = "it should be" if gradient.gradient is Tensor.O else "the finite difference is"
        yield Text(f"{_spoken(worst.element)} is {yours}, but {right} {numeric_text}:")
        if gradient.compared.made is None:
            yield Padding(painter.block(Expansions((_cut(gradient.compared.right),))), (0, 0, 0, 2))
        else:
            short = replace(gradient.compared, right=_cut(gradient.compared.right), made=_cut(gradient.compared.made))
            yield _compared(short, painter)


def _cut(expansion: Expansion) -> Expansion:
    """A sum with as many terms as one sees at a glance."""
    return replace(expansion, terms=expansion.terms[:_MOST_TERMS])


def _compared(compared: Compared, painter: Painter) -> RenderableType:
    """A claimed element, as the sum that makes it where that is known, beside the right sum."""
    yours = compared.yours if compared.made is None else compared.made
    return Padding(painter.labelled({"yours": yours, "right": compared.right}), (0, 0, 0, 2))


def _marked(title: str, array: Array, wrong: Array | None = None) -> Grid:
    rows: Array = np.atleast_2d(array)
    marks = np.zeros(rows.shape, bool) if wrong is None else np.atleast_2d(wrong)
    height, width = rows.shape
    return Grid(title, height, width, lambda r, c: Cell(rows[r, c].item(), bool(marks[r, c])))


def _first_wrong(gradient: GradientReport, precision: int) -> Iterator[RenderableType]:
    analytic, numeric, wrong = gradient.analytic, gradient.numeric, gradient.wrong
    if analytic is None or numeric is None or wrong is None:
        return
    for index in np.argwhere(wrong)[:_MOST_LISTED].tolist():
        place = "".join(f"[{k}]" for k in index)
        value, right = apart(analytic[tuple(index)].item(), numeric[tuple(index)].item(), precision)
        yield Text(f"  {gradient.gradient.key}{place} (from 0) is {value}, not {right}")
    if (more := int(wrong.sum()) - _MOST_LISTED) > 0:
        yield Text(f"  and {more} more")


def _hidden(report: Report) -> Iterator[RenderableType]:
    """What the data can't show, where the user's own gradients are graded."""
    passed = [gradient for gradient in report.gradients.values() if gradient.claimed and gradient.passed]
    words = hidden_words(report.layer, {name for gradient in passed for name in gradient.hidden})
    if words:
        yield Text()
        yield Text(
            f"In this problem some mistakes would not show: {words}. cnngrad check --hard prints one of the same layer "
            "that shows all that its shape allows."
        )
