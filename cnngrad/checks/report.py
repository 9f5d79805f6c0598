"""What a check found, as data and as blocks: a verdict for each gradient, where it is wrong, and the mistake's name."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array, Arrays
from cnngrad.causes.catalogue import PLACES
from cnngrad.causes.evaluate import Data
from cnngrad.causes.reading import Product, as_expansion, products_of
from cnngrad.causes.relation import spoken
from cnngrad.causes.search import Diagnosis, hidden_mistakes, hidden_words
from cnngrad.checks.comparison import counts
from cnngrad.derivation.blocks import (
    Code,
    Expansions,
    Grids,
    Heading,
    Labelled,
    ReportBlock,
    Sentence,
    Table,
    Together,
)
from cnngrad.derivation.grids import Cell, Grid
from cnngrad.derivation.notation import apart, number
from cnngrad.layer import Layer, Relation
from cnngrad.layer.expansion import Expander, Expansion
from cnngrad.layer.names import Index, Number
from cnngrad.schema import SCHEMA, Json
from cnngrad.tensor import O, Tensor

__all__ = [
    "SAYS", "VERDICTS", "Compared", "Graded", "GradientReport", "Report", "Worst", "WrongShape", "code_lines",
    "labelled", "sentences",
]  # fmt: skip

# Maximum number of terms written out for an element.
_MOST_TERMS = 64
# The rounding error allowed in a sum of products, as a fraction of the sum of their absolute values, by precision.
_ROUNDING = {"bfloat16 values": 2**-6, "float16 values": 2**-9}
# Maximum number of terms of the worst element, which stands beside its array.
_GLANCE = 12
# Arrays of up to this many rows are shown whole, with their wrong elements marked.
_MOST_ROWS = 12
# The same for columns.
_MOST_COLUMNS = 8
# Number of wrong elements listed for a larger array.
_MOST_LISTED = 5
# JSON keys that differ from the Python names.
_KEYS = {"count": "elements", "together": "and"}
_BEYOND = "a sum or an error is beyond float64's range: it is null"
# The verdict on a claim in words, by whether it passed; the worst first.
SAYS: dict[bool | None, str] = {False: "is WRONG", None: "can't be judged", True: "is right"}
# The same in a table.
VERDICTS: dict[bool | None, str] = {False: "WRONG", None: "unclear", True: "right"}


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
    index: Index
    numeric: Number
    analytic: Number


class Compared(NamedTuple):
    """One element of a claim beside its right sum.

    Attributes:
        yours: the claimed number.
        right: the right sum, with its number.
        made: the sum that gives the claimed number; None if the mistake is not known, or gives no sum of products.
    """

    yours: Number
    right: Expansion
    made: Expansion | None

    def as_json(self) -> Json:
        """As plain data."""
        right = self.right.as_json()
        return {
            "element": right["element"],
            "yours": _finite(self.yours),
            "right": right["value"],
            "right_terms": right["terms"],
            "your_terms": None if self.made is None else self.made.as_json()["terms"],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judged(Diagnosis):
    """What every report on a gradient or O holds: a verdict, and the diagnosis of a wrong one.

    Attributes:
        gradient: O, dE/dW, dE/dX or dE/db.
        passed: whether every element agrees within the tolerance; None if the claim is too coarse to judge.
        claimed: whether the gradient is the user's own.
        analytic: the gradient, in the user's layout.
        numeric: the finite differences, or the right O, in the user's layout.
        tolerance: how the tolerance was chosen, in words.
        judged_as: how the claim's numbers are written, in a phrase; empty if they are not rounded.
        precision: in words, how fewer bits or digits explain the error; empty if they don't.
        relations: the relations between positions that a wrong gradient follows, one for each axis; empty if none are
            known.
        where: where the wrong elements are, in words; empty if all is right.
        data: the layer's numbers for the catalogue, if the gradient is the user's and right.
    """

    gradient: Tensor
    passed: bool | None
    claimed: bool
    analytic: Array = field(repr=False)
    numeric: Array = field(repr=False)
    tolerance: str = ""
    judged_as: str = ""
    precision: str = ""
    relations: Sequence[Relation] = ()
    where: str = ""
    data: Data | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        """Whether the gradient passed."""
        return self.passed is True

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """If the gradient is the user's and right, the ids of the mistakes that this layer and data can't reveal."""
        return () if self.data is None else hidden_mistakes(self.data, (self.gradient,))

    def as_json(self) -> Json:
        """The report as plain data; NaN and infinity in a claim are the strings "nan", "inf" and "-inf"."""
        names = (
            "passed", "claimed", "count", "wrong", "where", "tolerance", "judged_as", "max_abs_error", "max_rel_error",
            "worst", "mistake", "together", "also", "hint", "code", "relation", "hidden",
        )  # fmt: skip
        values = {
            _KEYS.get(name, name): list(value) if type(value := getattr(self, name)) is tuple else value
            for name in names
        }
        return values | {"code": self.code and dict(zip(("wrong", "right"), self.code, strict=True))}


@dataclass(frozen=True, kw_only=True, eq=False)
class WrongShape(_Judged):
    """A gradient whose shape is not that of its array, so that no element can be compared."""

    count = 0
    max_abs_error = max_rel_error = worst = wrong = None
    explained = ()
    relation = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Graded(_Judged):
    """How a gradient compares with its finite differences, or O with the right one.

    Attributes:
        wrong: True for each element outside its tolerance.
        worst: the element furthest outside its tolerance.
        worst_at: its canonical index.
        max_abs_error: the largest |analytic - numeric|; None if some are not finite.
        max_rel_error: the largest |analytic - numeric| / max(|analytic|, |numeric|); both zero counts as equal.
        layer: the layer.
        values: its numbers, in canonical shape.
        asked: the canonical indices of the elements to explain.
    """

    wrong: Array = field(repr=False)
    worst: Worst
    worst_at: Index
    max_abs_error: Number | None = None
    max_rel_error: float | None = None
    layer: Layer = field(repr=False)
    values: Arrays = field(repr=False)
    asked: tuple[Index, ...] = ()

    @property
    def count(self) -> int:
        """The number of elements compared."""
        return self.wrong.size

    @property
    def relation(self) -> str:
        """Which of the relations are wrong, and which they should be, in a sentence; empty if none is."""
        words = spoken(self.layer, self.relations)
        return words and f"Your numbers follow {words}."

    @cached_property
    def canonical(self) -> list[Array]:
        """The gradient, the right one, and which elements are wrong, in canonical shape."""
        layer = self.layer
        gradient = self.gradient
        arrays = (self.analytic, self.numeric, self.wrong)
        return [layer.layouts.standard(gradient, array).reshape(layer.canonical[gradient]) for array in arrays]

    def compare(self, index: Index, products: list[Product] | None = None) -> Compared:
        """The element at a canonical index beside its right sum, and beside the sum that gives its number.

        That is a sum of the given products, or else of those of the known mistake.
        """
        analytic, numeric, _ = self.canonical
        values, yours = {**self.values, self.gradient: numeric}, analytic[index].item()
        right = Expander(self.layer, values).expand(self.gradient, index, limit=_MOST_TERMS)
        if isinstance(right.value, int) and float(yours).is_integer():
            yours = int(yours)
        if products is None and self.recipe is not None:
            products = products_of(self.recipe, index)
        if products is None:
            return Compared(yours, right, None)
        rounding = _ROUNDING.get(self.judged_as, 1e-5)
        return Compared(yours, right, as_expansion(self.layer, self.gradient, index, products, values, yours, rounding))

    @cached_property
    def explained(self) -> tuple[Compared, ...]:
        """The elements that were asked for."""
        return tuple(map(self.compare, self.asked))

    def as_json(self) -> Json:
        """The report as plain data, with its numbers."""
        numbers = {
            "wrong": int(self.wrong.sum()),
            "max_abs_error": _or_null(self.max_abs_error),
            "max_rel_error": _or_null(self.max_rel_error),
            "worst": vars(self.worst) | {"index": list(self.worst.index), "analytic": _finite(self.worst.analytic)},
        }
        explained = {"explained": [element.as_json() for element in self.explained]} if self.asked else {}
        return super().as_json() | numbers | explained


GradientReport = Graded | WrongShape


def _or_null(value: Number | None) -> Number | None:
    return None if value is None or not math.isfinite(value) else value


def _finite(value: Number) -> Number | str:
    return value if math.isfinite(value) else str(value)


@dataclass(frozen=True, repr=False)
class Report:
    """What `check` found.

    Attributes:
        gradients: a report for each gradient, by its name in files: `dEdW`, `dEdX`, `dEdb`.
        layer: the layer.
        dedo: where dE/dO came from, in words.
        title: the heading of a document.
        identity: sum(O*dE/dO), sum(X*dE/dX) and sum(W*dE/dW), without bias, which must agree; None if one of the
            two gradients was not checked.
    """

    gradients: dict[str, GradientReport]
    layer: Layer
    dedo: str
    identity: tuple[Number, ...] | None

    title = "cnngrad check"

    def __bool__(self) -> bool:
        """Whether every gradient passed, so that `assert check(...)` says what it means."""
        return self.passed is True

    @property
    def passed(self) -> bool | None:
        """Whether every gradient passed; False if one is wrong, else None if one is too coarse to judge."""
        found = {gradient.passed for gradient in self.gradients.values()}
        return next(passed for passed in SAYS if passed in found)

    def __repr__(self) -> str:
        """The summary, or that all is right, in a line."""
        return f"<cnngrad report: {' | '.join((self.summary or _sentence(self)).splitlines())}>"

    @property
    def summary(self) -> str:
        """For each wrong gradient a line each for the verdict, the mistake and the fix."""
        lines = []
        for gradient in self.gradients.values():
            if not gradient:
                name = f": {'+'.join(gradient.mistakes)}" if gradient.mistakes else ""
                lines += [f"{gradient.gradient.title} {SAYS[gradient.passed]}{name}", gradient.says, gradient.fix]
        return "\n".join(filter(None, lines))

    def as_json(self) -> Json:
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

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """What `cnngrad check` shows: the layer's line, a row for each gradient, what is wrong, and the verdict."""
        gradients = self.gradients.values()
        layer: list[ReportBlock] = [Sentence((self.layer.describe(),), strong=True)]
        if set(self.gradients) != {O.key}:
            layer += sentences([f"finite differences of E = sum(O·∂E/∂O), ∂E/∂O {self.dedo}"])
        yield Together(tuple(layer))
        headings = ("gradient", "verdict", "elements", "largest error", "relative", "worst element")
        yield Table(headings, tuple(tuple(_row(gradient, precision)) for gradient in gradients), right=("elements",))
        if lines := sentences(_lines(self, precision)):
            yield Together(lines)
        for gradient in gradients:
            if gradient.passed is False:
                yield from _wrong(gradient, precision)
        for gradient in gradients:
            for compared in gradient.explained:
                yield Together((Heading((str(compared.right.target),)), labelled(compared)))
        hidden = {name for gradient in gradients for name in gradient.hidden}
        if words := hidden_words(hidden):
            yield from sentences([
                f"This problem does not reveal some mistakes: {words}. cnngrad check --hard prints a problem of the "
                "same layer that reveals all that its shape allows."
            ])  # fmt: skip
        yield Sentence((_sentence(self),), strong=True)
        named = dict.fromkeys(name for gradient in gradients for name in gradient.mistakes if name in PLACES)
        if named:
            yield from sentences([f"More on {' and '.join(named)}: cnngrad check --mistakes {next(iter(named))}"])


def labelled(compared: Compared) -> Labelled:
    """A claimed element, as its sum if that is known, beside the right sum."""
    yours = compared.yours if compared.made is None else compared.made
    return Labelled((("yours", yours), ("right", compared.right)))


def code_lines(gradient: GradientReport) -> list[str]:
    """A line of code with the mistake, and the right line; empty if there are no such lines."""
    return [f"{word:<16}{line}" for word, line in zip(("wrong, such as", "right"), gradient.code or (), strict=False)]


def _sentence(report: Report) -> str:
    found = {name == O.key for name, gradient in report.gradients.items() if gradient.passed is report.passed}
    if report and found != {True}:
        return "All gradients are right."
    says = SAYS[report.passed].lower()
    if len(found) > 1:
        return f"O and a gradient {says.replace('is ', 'are ')}."
    return f"{'O' if True in found else 'A gradient'} {says}."


def sentences(texts: Iterable[str]) -> tuple[ReportBlock, ...]:
    """A sentence for each text."""
    return tuple(Sentence((text,)) for text in texts)


def _lines(report: Report, precision: int) -> Iterator[str]:
    """The tolerance and the worst element of each gradient, and the sums that must agree."""
    for gradient in report.gradients.values():
        title = _title(gradient)
        worst = gradient.worst
        if gradient.tolerance:
            yield f"{title}: tolerance {gradient.tolerance}"
        if worst is not None and gradient.max_abs_error:
            analytic, numeric = apart(worst.analytic, worst.numeric, precision)
            where = f"{_spoken(worst)}, index {list(worst.index)} from 0"
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


def _title(gradient: GradientReport) -> str:
    return f"{gradient.gradient.title}{' (yours)' if gradient.claimed else ''}"


def _spoken(worst: Worst) -> str:
    return worst.element.replace("dE/d", "∂E/∂")


def _row(gradient: GradientReport, precision: int) -> list[str]:
    first = [_title(gradient), VERDICTS[gradient.passed]]
    if isinstance(gradient, WrongShape):
        return [*first, "0", "-", "-", "wrong shape"]
    found = (gradient.max_abs_error, gradient.max_rel_error)
    errors = [number(error, precision) for error in found if error is not None] or ["not finite", "-"]
    worst = "none differs" if gradient.max_abs_error == 0 else _spoken(gradient.worst)
    return [*first, str(gradient.count), *errors, worst]


def _wrong(gradient: GradientReport, precision: int) -> Iterator[ReportBlock]:
    """What is wrong with a gradient: the mistake, the wrong elements, and the worst of them written out."""
    lines = tuple(f"  {line}" for line in code_lines(gradient))
    yield Together((*sentences([f"{_title(gradient)} is wrong. {gradient.hint}"]), Code(lines)))
    if isinstance(gradient, WrongShape):
        return
    yield from sentences([gradient.relation] if gradient.relation else [])
    analytic = gradient.analytic
    numeric = gradient.numeric
    off = gradient.wrong
    worst = gradient.worst
    is_o = gradient.gradient is O
    if off.ndim <= 2 and off.shape[-1:] <= (_MOST_COLUMNS,) and off.size <= _MOST_ROWS * _MOST_COLUMNS:
        right = _marked("right" if is_o else "finite differences", numeric, np.zeros_like(off))
        yield Grids(((_marked("checked, wrong elements marked", analytic, off), "  ", right),))
    else:
        found: list[str] = []
        if not off.all():
            here = counts(gradient.layer, gradient.gradient, gradient.canonical[-1])
            found = ["Wrong elements,", *(f"  by {line}" for line in here)]
        for index in map(tuple, np.argwhere(off)[:_MOST_LISTED].tolist()):
            place = "".join(f"[{k}]" for k in index)
            value, wanted = apart(analytic[index].item(), numeric[index].item(), precision)
            found.append(f"  {gradient.gradient.key}{place} (from 0) is {value}, not {wanted}")
        if (more := int(off.sum()) - _MOST_LISTED) > 0:
            found.append(f"  and {more} more")
        yield Together(sentences(found))
    yours, wanted = apart(worst.analytic, worst.numeric, precision)
    should = "it should be" if is_o else "the finite difference is"
    compared = gradient.compare(gradient.worst_at)
    compared = compared._replace(right=compared.right.cut(_GLANCE))
    sums: ReportBlock = Expansions((compared.right,), indent=2)
    if compared.made is not None:
        sums = labelled(compared._replace(made=compared.made.cut(_GLANCE)))
    yield Together((*sentences([f"{_spoken(worst)} is {yours}, but {should} {wanted}:"]), sums))


def _marked(title: str, array: Array, wrong: Array) -> Grid:
    rows = np.atleast_2d(array)
    marks = np.atleast_2d(wrong)
    height, width = rows.shape
    return Grid(title, height, width, lambda r, c: Cell(rows[r, c].item(), bool(marks[r, c])))
