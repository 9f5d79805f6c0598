"""Runs a program on one layer, and grades its results."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from cnngrad.arrays import Array, Arrays, form_of, read_tensor
from cnngrad.checks import GradientReport, WrongShape, check_layer
from cnngrad.checks.tolerance import Form
from cnngrad.errors import visible
from cnngrad.files.kept import Kept
from cnngrad.programs.programs import Program
from cnngrad.programs.suites import NUMBERS, SuiteLayer
from cnngrad.programs.verdicts import VARIES, Answer, Fault, Outcome, Result, Verdict
from cnngrad.tensor import RESULTS, Tensor

# Only one thread grades at a time, even if several run programs.
_GRADING = threading.Lock()
# Verdicts on runs that are not repeated.
_LAST = {Verdict.UNANSWERED, Verdict.SILENT, Verdict.SKIPPED}
_IN_ONE_OF_TWO = "A layer was run twice, and one run alone ended without results."
OTHER_ORDER = "Its results differ from call to call by rounding alone, as sums in another order do."


@dataclass
class Judge:
    """Judges what a program gives.

    Attributes:
        program: the program.
        shown: the form of each tensor's numbers, if all layers together show it.
        transforms: whether the program's errors are known to be those of a transform.
    """

    program: Program
    shown: dict[Tensor, Form] = field(default_factory=dict)
    transforms: bool = False

    def __call__(self, layer: SuiteLayer, answer: Answer | None = None, tries: int = 0) -> Outcome:
        """The outcome of a layer, for an answer or a new run; `tries` is the budget of the search for a mistake."""
        answer = answer or self.program.run(layer)
        claims = answer.results
        found = {**answer.unread, **self.graded(layer, claims, tries)}
        results = {tensor: found[tensor] for tensor in RESULTS if tensor in found}
        is_coarse = any(each.verdict is Verdict.COARSE for each in results.values())
        if layer.name.startswith(NUMBERS) and (is_coarse or "float16" in map(form_of, claims.values())):
            return Outcome(layer, Result(Verdict.SKIPPED), said="its results do not hold such numbers")
        end = answer.end and replace(answer.end, words=visible(answer.end.words))
        end = end or (None if results else Result(Verdict.SILENT))
        said = "\n".join(visible(line.expandtabs()) for line in answer.said.splitlines())
        return Outcome(layer, end, results, said, [visible(answer.note)], [*answer.faults], claims)

    def in_new_process(self, layer: SuiteLayer) -> Outcome:
        """The outcome of a layer that no other run precedes."""
        self.program.close()
        return self(layer)

    def graded(self, layer: SuiteLayer, claims: Arrays, tries: int) -> dict[Tensor, Result]:
        """The verdicts on arrays."""
        if not claims:
            return {}
        given = {tensor: read_tensor(tensor.key, array) for tensor, array in layer.arrays.items()}
        written = self.program.written
        with _GRADING:
            report = check_layer(
                layer.layer, given, claims, written=written, tries=tries, shown=self.shown, transforms=self.transforms
            )
        return {tensor: _result(report.gradients[tensor.key], claim) for tensor, claim in claims.items()}

    def first(self, layer: SuiteLayer, keep: Kept | None) -> Outcome:
        """Run a layer, and again if it fails, or if the program keeps running: results may vary from call to call.

        `keep`, if given, keeps the files of a layer that fails.
        """
        answer = self.program.run(layer)
        outcome = self(layer, answer)
        fails = outcome.passed is False
        if not (fails or self.program.keeps_running) or (keep is None and outcome.verdicts & _LAST):
            return outcome
        again = self.program.run(layer, partial(keep.put, layer.folder) if keep is not None and fails else None)
        if answer.end != again.end:
            ended = self(layer, again if answer.end is None else answer)
            return replace(ended, faults=outcome.faults, notes=[_IN_ONE_OF_TWO])
        if not is_same(again.results, outcome.claims):
            if not fails and self(layer, again).passed:
                outcome.notes = [OTHER_ORDER]
            else:
                outcome.faults += _varied(outcome, again)
        return outcome


def is_same(found: Arrays, known: Arrays) -> bool:
    """Whether results are those of an earlier call, to the last bit."""
    return found.keys() == known.keys() and all(np.array_equal(found[t], known[t], equal_nan=True) for t in known)


def _varied(outcome: Outcome, again: Answer) -> Iterator[Fault]:
    """The faults of results that differ in a second answer; the outcome's verdict on them becomes `VARIES`."""
    for tensor, before in outcome.claims.items():
        after = again.results.get(tensor)
        first = outcome.results[tensor]
        if after is None or after.shape != before.shape:
            outcome.results[tensor] = Result(Verdict.VARIES)
        elif not np.array_equal(before, after, equal_nan=True):
            with np.errstate(invalid="ignore"):  # both may be infinite
                off = after - before
            differ = f"{np.count_nonzero(off)} of {off.size} elements of {tensor.title} differ from call to call"
            outcome.results[tensor] = Result(Verdict.VARIES, hint=f"{differ}, by up to {np.abs(off).max():.6g}")
            adds_up = first.verdict is Verdict.RIGHT and np.allclose(off, before)
            says = f"its {tensor.title} adds up over calls, as nothing resets it"
            yield Fault("keeps-state", says) if adds_up else VARIES


def _result(report: GradientReport, claim: Array) -> Result:
    verdict = Verdict.RIGHT
    if isinstance(report, WrongShape):
        verdict = Verdict.WRONG_SHAPE
    elif report.passed is None:
        # Errors of TF32's size in float32 numbers count as wrong: the dtype promises more. A text promises nothing.
        is_wrong = report.precision and not report.judged_as and form_of(claim) != "text"
        verdict = Verdict.WRONG if is_wrong else Verdict.COARSE
    elif not report:
        verdict = Verdict.NOT_FINITE if report.mistake == "not-finite" else Verdict.WRONG
    return Result(verdict, report=report, hint=report.hint)
