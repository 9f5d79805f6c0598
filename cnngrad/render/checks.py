"""The view of a check: a verdict for each gradient, with its errors, its worst element and its tolerance."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cnngrad.gradcheck import GradientReport, Report
from cnngrad.render.numbers import number

__all__ = ["report_blocks"]


def report_blocks(report: Report, precision: int) -> Iterator[RenderableType]:
    """The layer's line, a table with a row per gradient, and the verdict."""
    yield Text(report.layer, style="bold")
    yield Text(f"finite differences of E = sum(O·∂E/∂O), ∂E/∂O {report.dedo}")
    yield Text()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("gradient", "verdict", "elements", "largest error", "relative", "worst element"):
        table.add_column(heading, justify="right" if heading in ("elements",) else "left", no_wrap=True)
    for gradient in report.gradients.values():
        table.add_row(*_row(gradient, precision))
    yield table
    yield Text()
    for gradient in report.gradients.values():
        yield from _details(gradient, precision)
    yield Text("All gradients are right." if report.passed else "A gradient is wrong.", style="bold")


def _title(gradient: GradientReport) -> str:
    return f"∂E/∂{gradient.name.removeprefix('dEd')}{' (yours)' if gradient.claimed else ''}"


def _row(gradient: GradientReport, precision: int) -> list[str]:
    verdict = "right" if gradient.passed else "WRONG"
    if gradient.worst is None:
        return [_title(gradient), verdict, "0", "-", "-", "-"]
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


def _details(gradient: GradientReport, precision: int) -> Iterator[RenderableType]:
    if gradient.tolerance:
        yield Text(f"{_title(gradient)}: tolerance {gradient.tolerance}")
    if not gradient.passed and gradient.worst is not None:
        worst = gradient.worst
        yield Text(
            f"{_title(gradient)}: {_spoken(worst.element)} is {number(worst.analytic, precision)}, "
            f"but the finite difference is {number(worst.numeric, precision)}"
        )
    if gradient.hint:
        yield Text(gradient.hint)
