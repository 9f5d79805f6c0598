"""What a check found, as data: a verdict for each gradient, where it is wrong, and the mistake's name."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cnngrad.arrays import Array
from cnngrad.checks.shown import report_blocks
from cnngrad.derivation.blocks import ReportBlock
from cnngrad.layer import Layer
from cnngrad.layer.expansion import Expansion
from cnngrad.layer.names import Number
from cnngrad.schema import SCHEMA
from cnngrad.tensor import Tensor

__all__ = ["Compared", "GradientReport", "Report", "Worst"]


@dataclass(frozen=True)
class Worst:
    """The element in which two gradients differ most.

    Attributes:
        element: its name, e.g. `dE/dx22` (counted from 1).
        index: its index in the user's array (counted from 0).
        numeric: the finite difference.
        analytic: the claimed gradient.
    """

    element: str
    index: tuple[int, ...]
    numeric: Number
    analytic: Number


@dataclass(frozen=True, eq=False)
class Compared:
    """One element of a claim beside its right sum.

    Attributes:
        yours: the claimed number.
        right: the right sum, with its number.
        made: the sum that gives the claimed number, where the mistake is known; None where it is not, or not a sum of
            products.
    """

    yours: Number
    right: Expansion
    made: Expansion | None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        right = self.right.as_json()
        return {
            "element": right["element"],
            "yours": _finite(self.yours),
            "right": right["value"],
            "right_terms": right["terms"],
            "your_terms": None if self.made is None else self.made.as_json()["terms"],
        }


@dataclass(frozen=True)
class GradientReport:
    """How one gradient compares with its finite differences, or O with the right one.

    Attributes:
        gradient: O, dE/dW, dE/dX or dE/db.
        passed: whether every element agrees within the tolerance; None where the claim is too coarse to judge.
        count: the number of elements compared.
        max_abs_error: the largest |analytic - numeric|; None where the shapes differ.
        max_rel_error: the largest |analytic - numeric| / max(|analytic|, |numeric|); both zero counts as equal.
        worst: the element furthest outside its tolerance, None where there is nothing to compare.
        tolerance: how the tolerance was chosen, in words.
        judged_as: how the claim's numbers are written, in a phrase; empty where they are not rounded.
        claimed: whether the gradient is the user's own.
        mistake: the id of the known mistake that explains a wrong gradient, None where there is none.
        together: the ids of the mistakes that were made as well, where it takes two to explain it.
        also: the ids of other mistakes that would explain it.
        hint: what the mistake is and how to fix it, or where the wrong elements are; empty where all is right.
        beside_shape: what else is known of a gradient that has another shape, in a sentence.
        precision: in words, that it is as far off as sums in fewer bits are, or as rounding; empty if it is not.
        code: a line of NumPy that makes just this mistake, and the right one; None where there are no such lines.
        relation: which relation between positions a wrong gradient follows, and which it should, in a sentence; empty
            where none is known, or it is the right one.
        where: where the wrong elements are, in words; empty where all is right.
        hidden: if the gradient is the user's and right, the ids of the mistakes that this layer and data can't reveal.
        analytic: the gradient compared, in the user's layout.
        numeric: the finite differences.
        wrong: True where an element is outside its tolerance.
        compare: writes the element at an index out, its axes in cnngrad's order; None where the shapes differ.
        worst_at: the worst element's index, its axes in cnngrad's order.
        explained: the elements that were asked for.
    """

    gradient: Tensor
    passed: bool | None
    count: int
    max_abs_error: Number | None
    max_rel_error: float | None
    worst: Worst | None
    tolerance: str
    judged_as: str = ""
    claimed: bool = False
    mistake: str | None = None
    also: tuple[str, ...] = ()
    hint: str = ""
    beside_shape: str = ""
    precision: str = ""
    relation: str = ""
    where: str = ""
    hidden: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    code: tuple[str, str] | None = None
    analytic: Array | None = field(default=None, repr=False, compare=False)
    numeric: Array | None = field(default=None, repr=False, compare=False)
    wrong: Array | None = field(default=None, repr=False, compare=False)
    compare: Callable[[tuple[int, ...]], Compared] | None = field(default=None, repr=False, compare=False)
    worst_at: tuple[int, ...] = field(default=(), repr=False, compare=False)
    explained: tuple[Compared, ...] = field(default=(), repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether the gradient passed."""
        return self.passed is True

    @cached_property
    def compared(self) -> Compared | None:
        """The worst element written out; only once it is asked for."""
        return self.compare(self.worst_at) if self.compare is not None and self.passed is False else None

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The ids of the mistakes that were made, by the likeliest explanation; empty where none is known."""
        return () if self.mistake is None else (self.mistake, *self.together)

    def written(self, layer: Layer) -> "GradientReport":
        """The same report with its arrays' axes, and the worst element's index, in the user's order."""
        layouts, result, worst = layer.layouts, self.gradient, self.worst
        analytic, numeric, wrong = (
            None if array is None else layouts.written(result, array)
            for array in (self.analytic, self.numeric, self.wrong)
        )
        worst = worst and replace(worst, index=layouts.written_shape(result, worst.index))
        return replace(self, worst=worst, analytic=analytic, numeric=numeric, wrong=wrong)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data; NaN and infinity in a claim are the strings "nan", "inf" and "-inf"."""
        worst = self.worst
        return {
            "passed": self.passed,
            "claimed": self.claimed,
            "elements": self.count,
            "wrong": None if self.wrong is None else int(self.wrong.sum()),
            "where": self.where,
            "tolerance": self.tolerance,
            "judged_as": self.judged_as,
            "max_abs_error": _or_null(self.max_abs_error),
            "max_rel_error": _or_null(self.max_rel_error),
            "worst": None
            if worst is None
            else {
                "element": worst.element,
                "index": list(worst.index),
                "numeric": worst.numeric,
                "analytic": _finite(worst.analytic),
            },
            "mistake": self.mistake,
            "and": list(self.together),
            "also": list(self.also),
            "hint": self.hint,
            "code": None if self.code is None else dict(zip(("wrong", "right"), self.code, strict=True)),
            "relation": self.relation,
            "hidden": list(self.hidden),
        } | ({"explained": [element.as_json() for element in self.explained]} if self.explained else {})


def _or_null(value: Number | None) -> Number | None:
    return None if value is None or not math.isfinite(value) else value


def _finite(value: Number) -> Number | str:
    return value if math.isfinite(value) else str(value)


_BEYOND = "a sum or an error is beyond float64's range: it is null"
_VERDICTS = {True: "right", False: "WRONG", None: "can't be judged"}


def _in_a_line(report: GradientReport) -> str:
    name = f" ({'+'.join(report.mistakes)})" if report.mistakes else ""
    return f"{report.gradient.key} {_VERDICTS[report.passed]}{name}{'. ' + report.hint if report.hint else ''}"


def _in_lines(report: GradientReport) -> str:
    """The gradient and its verdict, the mistake, and the fix, a line each."""
    name = f": {'+'.join(report.mistakes)}" if report.mistakes else ""
    what, _, fix = report.hint.partition(" To fix it: ")
    lines = [f"{report.gradient.title} is {_VERDICTS[report.passed]}{name}", what, f"To fix it: {fix}" if fix else ""]
    return "\n".join(line for line in lines if line)


@dataclass(frozen=True, repr=False)
class Report:
    """What `check` found.

    Attributes:
        passed: whether every gradient passed; False where one is wrong, else None where one is too coarse to judge.
        gradients: a report for each gradient, by its name in files: `dEdW`, `dEdX`, `dEdb`.
        layer: the layer.
        dedo: where dE/dO came from, in words.
        identity: sum(O*dE/dO), sum(X*dE/dX) and sum(W*dE/dW), without bias, which must agree; None where one of the
            two gradients was not checked.
    """

    passed: bool | None
    gradients: dict[str, GradientReport]
    layer: Layer
    dedo: str
    identity: tuple[Number, Number, Number] | None = None

    def __bool__(self) -> bool:
        """Whether every gradient passed, so that `assert check(...)` says what it means."""
        return self.passed is True

    @property
    def title(self) -> str:
        """The heading of a document."""
        return "cnngrad check"

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """What `cnngrad check` shows."""
        return report_blocks(self, precision)

    def __repr__(self) -> str:
        """The verdict on each gradient and what is wrong with it, in a line."""
        return f"<cnngrad report: {'; '.join(map(_in_a_line, self.gradients.values()))}>"

    @property
    def summary(self) -> str:
        """What is wrong with each gradient that is, a line each for the verdict, the mistake and the fix."""
        return "\n".join(_in_lines(gradient) for gradient in self.gradients.values() if not gradient)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, with the keys that `cnngrad check --json` prints."""
        names = ("sum(O*dEdO)", "sum(X*dEdX)", "sum(W*dEdW)")
        sums = [*(self.identity or ())]
        errors = [e for g in self.gradients.values() for e in (g.max_abs_error, g.max_rel_error) if e is not None]
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "layer": self.layer.as_json(),
            "gradients": {name: gradient.as_json() for name, gradient in self.gradients.items()},
            "identity": dict(zip(names, map(_or_null, sums), strict=True)) if sums else None,
            "note": _BEYOND if not all(map(math.isfinite, sums + errors)) else "",
        }
