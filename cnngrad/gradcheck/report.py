"""What a check found, as data: a verdict for each gradient, where it is wrong, and the mistake's name."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from cnngrad.arrays import Array
from cnngrad.derivation.expansion import Expansion
from cnngrad.derivation.names import Number
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["GradientReport", "Report", "Worst"]


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


@dataclass(frozen=True)
class GradientReport:
    """How one gradient compares with its finite differences.

    Attributes:
        gradient: dE/dW, dE/dX or dE/db.
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
        where: where the wrong elements are, in words; empty where all is right.
        hidden: if the gradient is the user's and right, the ids of the mistakes that this layer and data can't reveal.
        analytic: the gradient compared, in the user's layout.
        numeric: the finite differences.
        wrong: True where an element is outside its tolerance.
        expansion: the worst element written out, where one is wrong.
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
    where: str = ""
    hidden: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    analytic: Array | None = field(default=None, repr=False, compare=False)
    numeric: Array | None = field(default=None, repr=False, compare=False)
    wrong: Array | None = field(default=None, repr=False, compare=False)
    expansion: Expansion | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether the gradient passed."""
        return self.passed is True

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
        """The report as plain data; NaN and infinity are the strings "nan", "inf" and "-inf"."""
        worst = self.worst
        return {
            "passed": self.passed,
            "claimed": self.claimed,
            "elements": self.count,
            "wrong": None if self.wrong is None else int(self.wrong.sum()),
            "where": self.where,
            "tolerance": self.tolerance,
            "judged_as": self.judged_as,
            "max_abs_error": self.max_abs_error,
            "max_rel_error": self.max_rel_error,
            "worst": None
            if worst is None
            else {
                "element": worst.element,
                "index": list(worst.index),
                "numeric": worst.numeric,
                "analytic": worst.analytic if math.isfinite(worst.analytic) else str(worst.analytic),
            },
            "mistake": self.mistake,
            "and": list(self.together),
            "also": list(self.also),
            "hint": self.hint,
            "hidden": list(self.hidden),
        }


@dataclass(frozen=True)
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

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, with the keys that `cnngrad check --json` prints."""
        names = ("sum(O*dEdO)", "sum(X*dEdX)", "sum(W*dEdW)")
        return {
            "passed": self.passed,
            "gradients": {name: gradient.as_json() for name, gradient in self.gradients.items()},
            "identity": None if self.identity is None else dict(zip(names, self.identity, strict=True)),
        }
