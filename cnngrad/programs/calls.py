"""Calls a program again: right layers with other numbers and in other memory, wrong ones with simpler numbers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from operator import attrgetter

import numpy as np

from cnngrad.arrays import Array, rms
from cnngrad.causes.evaluate import Data, computed
from cnngrad.causes.recipe import right_recipe
from cnngrad.checks.report import Graded
from cnngrad.programs.calling import MEMORY, REPEATED
from cnngrad.programs.judge import OTHER_ORDER, Judge, is_same
from cnngrad.programs.suites import SuiteLayer, features, sizes
from cnngrad.programs.verdicts import VARIES, Fault, Outcome, Result, Verdict, grouped
from cnngrad.tensor import DB, DEDO, GRADIENTS, B, Tensor

_WORK = attrgetter("layer.work")

# Up to this fraction of errors, a difference between them is none.
_ALIKE = 0.2
# Larger errors, as a fraction of the largest number, are not those of a transform.
_NEAR = 1e-3
KEPT = Fault("keeps-state", "its results depend on an earlier call")
_IN_ONE_PROCESS = Fault(KEPT.id, "its results depend on its process, or on earlier calls")
_VALUES = Fault("depends-on-values", "its results are wrong for other numbers of a layer that it computes right")
_STRIDES = "ignores-strides"
# Kinds of numbers for which only a program may be right; how to make numbers of this kind, and how to spoil them again.
_Change = Callable[[Array], Array]
_SIMPLER: dict[str, tuple[_Change, _Change]] = {
    "whole numbers alone": (np.rint, lambda array: array + 0.25),
    "numbers other than 0 alone": (
        lambda array: np.where(array == 0, 1, array),
        lambda array: array * (np.arange(array.size).reshape(array.shape) % 2),
    ),
    "non-negative numbers alone": (np.abs, np.negative),
    "small numbers alone: larger ones overflow or are clipped": (
        lambda array: np.clip(array, -2, 2),
        lambda array: array * 64,
    ),
    "large numbers alone: smaller ones are lost": (
        lambda array: array / (np.abs(array).max(initial=0) or 1),
        lambda array: array * 2.0**-40,
    ),
}


def see_transforms(judge: Judge, outcomes: Sequence[Outcome]) -> None:
    """Judge the results as those of a transform, such as Winograd's, if the errors of some are its rounding."""
    allowing = replace(judge, transforms=True)
    found = dict[Outcome, dict[Tensor, Result]]()
    for outcome in outcomes:
        graded = allowing.graded(outcome.layer, {t: outcome.claims[t] for t in _nearly_right(outcome)}, 0)
        if graded and all(result.verdict.passed for result in graded.values()):
            found[outcome] = graded
    if found and _is_rounding(judge, max(found, key=_WORK)):
        judge.transforms = True
        for outcome, graded in found.items():
            outcome.results |= graded


def _nearly_right(outcome: Outcome) -> list[Tensor]:
    """The wrong results of a layer whose errors may be those of a transform."""
    wrong = {t: each.report for t, each in outcome.results.items() if each.verdict is Verdict.WRONG}
    return [
        tensor
        for tensor, report in wrong.items()
        if isinstance(report, Graded) and (report.max_abs_error or 0) < _NEAR * np.abs(report.numeric).max()
    ]


def _is_rounding(judge: Judge, wrong: Outcome) -> bool:
    """Whether the errors of a layer are rounding: 4 times as large for doubled arrays, others for 15 times these.

    What is wrong otherwise fails one of these: dW + 0.0001·W the first, as decimal places do, and 1.0001·dW the second.
    """

    def errors(times: int) -> dict[Tensor, Array]:
        """The errors for arrays multiplied by a number, divided by the number by which this multiplies the results."""
        arrays = {tensor: array * times ** (1 + (tensor is B)) for tensor, array in wrong.layer.arrays.items()}
        results = judge(replace(wrong.layer, arrays=arrays)).results
        reports = {tensor: results[tensor].report for tensor in _nearly_right(wrong) if tensor in results}
        return {
            tensor: (report.analytic - report.numeric) / (times if tensor is DB else times**2)
            for tensor, report in reports.items()
            if isinstance(report, Graded)
        }

    own, doubled, others = map(errors, (1, 2, 15))
    return own.keys() == doubled.keys() == others.keys() and all(
        rms(doubled[tensor] - off) <= _ALIKE * rms(off) <= rms(others[tensor] - off) for tensor, off in own.items()
    )


def call_again(judge: Judge, outcomes: Sequence[Outcome], strided: bool, in_several: bool) -> None:
    """Add to the outcomes what further calls show: faults, and remarks that are none.

    `in_several` says that layers ran in several processes, so that none may have run all layers of the same shapes.

    If results vary, no mistake can be read from them, and no fault in other calls is certain; what they do in new
    processes tells whether they do so by chance.
    """
    if not any(VARIES in outcome.faults for outcome in outcomes):
        for outcome in _alike(outcomes) if in_several and judge.program.keeps_running else ():
            outcome.faults += [KEPT] * (judge(outcome.layer).passed is False and outcome.passed is True)
        _call_again(judge, outcomes, strided)
    varied = [outcome for outcome in outcomes if VARIES in outcome.faults]
    is_kept = bool(varied) and _repeats(judge, max(varied, key=_WORK).layer)
    for outcome in outcomes if varied else ():
        outcome.notes = [note for note in outcome.notes if note != OTHER_ORDER]
        _forget_mistakes(outcome)
        faults = [fault for fault in outcome.faults if fault != KEPT and fault.id not in (_VALUES.id, _STRIDES)]
        outcome.faults = [KEPT if is_kept and fault == VARIES else fault for fault in faults]


def _alike(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """The outcomes of layers with other options but the same shapes, those of the same shapes in a row."""
    by_shapes = grouped((tuple(map(np.shape, outcome.layer.arrays.values())), outcome) for outcome in outcomes)
    for some in by_shapes.values():
        by_options = {sizes(outcome.layer.layer): outcome for outcome in some}
        yield from by_options.values() if len(by_options) > 1 else ()


def _call_again(judge: Judge, outcomes: Sequence[Outcome], strided: bool) -> None:
    """Call the program again for a few layers.

    These are the smallest wrong one that no mistake explains, or only mistakes that right layers would reveal; and, if
    the program keeps running, the plainest right layer, the one with most features, and the one with most work. If
    nothing is wrong, the plainest one runs again in a new process.
    """
    right = [outcome for outcome in outcomes if outcome.passed]
    right.sort(key=lambda outcome: (len(features(outcome.layer.layer)), outcome.layer.work))
    wrong = [outcome for outcome in outcomes if outcome.verdicts & {Verdict.NOT_FINITE, Verdict.WRONG}]
    shown = {"not-finite"}.union(*(outcome.layer.shows for outcome in right if wrong))
    unknown = [
        outcome
        for outcome in wrong
        if not any(found.precision or set(found.mistakes) - shown for found in outcome.results.values())
    ]
    if unknown:
        # A layer with an array of one number may be right by chance.
        each = min(unknown, key=lambda outcome: (outcome.layer.has_one_number, outcome.layer.work))
        kept = _if_kept(judge, each, right[:1])
        each.faults += kept or _if_simpler(judge, each.layer)
        # No mistake is read from layers that are right in a new process.
        for outcome in unknown if kept else ():
            if judge.in_new_process(outcome.layer).passed:
                outcome.faults += [KEPT] * (KEPT not in outcome.faults)
                _forget_mistakes(outcome)
    if not right or not judge.program.keeps_running:
        return
    for each in dict.fromkeys((right[0], right[-1], max(right, key=_WORK))):
        each.faults += _in_other_ways(judge, each, strided)
    if judge.program.in_memory and not any(outcome.faults for outcome in outcomes):
        right[0].faults += _with_nan(judge, right[0])
    if all(outcome.passed is not False for outcome in outcomes):
        again = judge.in_new_process(right[0].layer)
        # A first call may take too long.
        right[0].faults += [_IN_ONE_PROCESS] * (again.passed is False and again.end is None)
    # If every right layer is wrong for other numbers, they were right by chance.
    if wrong and all(_VALUES in outcome.faults for outcome in right):
        for outcome in right:
            outcome.faults.remove(_VALUES)


def _forget_mistakes(outcome: Outcome) -> None:
    wrong = [tensor for tensor, result in outcome.results.items() if result.verdict is Verdict.WRONG]
    outcome.results.update(dict.fromkeys(wrong, Result(Verdict.WRONG)))


def _repeats(judge: Judge, layer: SuiteLayer) -> bool:
    """Whether results that differ from call to call do so in the same way in every new process."""
    one, other = ([judge.in_new_process(layer).claims, judge(layer).claims] for _ in range(2))
    return all(map(is_same, one, other)) and not is_same(*one)


def _in_other_ways(judge: Judge, right: Outcome, strided: bool) -> Iterable[Fault]:
    """The fault in the first variation of a right layer that is wrong; what the program refuses is noted."""
    last = right
    for layer, fault in _ways(right.layer, judge.program.in_memory and strided):
        answer = judge.program.run(layer)
        if layer.memory and is_same(answer.results, right.claims):
            continue
        outcome = judge(layer, answer)
        see_transforms(judge, [outcome])
        if layer.memory and outcome.verdicts <= {Verdict.FAILED, Verdict.SKIPPED}:
            right.notes.append(f"It takes no arrays {next(iter(layer.memory.values()))}.")
        elif outcome.passed is False or (answer.end and answer.end.verdict is Verdict.SKIPPED):
            return outcome.faults or _why(judge, outcome, (right, last)) or _if_kept(judge, outcome, [right]) or [fault]
        last = outcome
    return []


def _why(judge: Judge, wrong: Outcome, before: Iterable[Outcome]) -> list[Fault]:
    """Why a variation of a right layer is wrong, as far as its results and those of earlier calls tell."""
    if not is_same(judge.program.run(wrong.layer).results, wrong.claims):
        return [VARIES]
    off = {tensor: found.precision for tensor, found in wrong.results.items() if found.verdict is Verdict.WRONG}
    if fewer := min(off.values(), default=""):
        return [Fault(_VALUES.id, f"it {fewer}")]
    is_kept = off and any(all(np.array_equal(wrong.claims[t], old.claims.get(t, ())) for t in off) for old in before)
    return [KEPT] if is_kept else []


def _ways(layer: SuiteLayer, in_memory: bool) -> Iterator[tuple[SuiteLayer, Fault]]:
    """Variations of a layer, each with the fault if it fails: arrays changed one after another, none, other memory.

    The first number, the last number, and the sum of each array stay the same; in the end also the first half.
    """
    changed = layer
    for half, (tensor, array) in product((False, True), layer.arrays.items()):
        other = array.flatten()
        part = slice(array.size // 2 if half else 1, -1)
        other[part] = other[part][::-1]
        changed = replace(changed, arrays=changed.arrays | {tensor: other.reshape(array.shape)})
        yield changed, _VALUES
    yield layer, _VALUES
    for memory, (tensor, array) in product(MEMORY, layer.arrays.items()) if in_memory else ():
        says = f"right for C-contiguous arrays alone: wrong for {tensor.title} {memory}"
        same = {tensor: np.full_like(array, array.flat[0])} if memory == REPEATED else {}
        yield replace(layer, arrays=layer.arrays | same, memory={tensor: memory}), Fault(_STRIDES, says)


def _with_nan(judge: Judge, right: Outcome) -> Iterator[Fault]:
    """What becomes of a NaN in dE/dO: it must reach every sum that it is a term of, and may reach others."""
    layer = right.layer.layer
    arrays = right.layer.arrays
    first = np.zeros(arrays[DEDO].shape)
    first.flat[0] = 1
    dedo = np.where(first, np.nan, arrays[DEDO])
    results = judge.program.run(replace(right.layer, arrays=arrays | {DEDO: dedo})).results
    for tensor in () if layer.transposed else GRADIENTS:
        needed = computed(right_recipe(layer, tensor), Data.of(layer, arrays | {DEDO: first})) != 0
        found = results.get(tensor)
        # Integers hold no NaN.
        if found is not None and found.dtype.kind == "f" and found.size == needed.size:
            lost = np.isfinite(layer.layouts.standard(tensor, found).reshape(needed.shape))
            if (lost & needed).any():
                yield Fault("depends-on-values", f"a NaN in {DEDO.title} is lost on the way to {tensor.title}")
            elif not (lost | needed).all():
                reached = f"A NaN in {DEDO.title} reaches more of {tensor.title} than the sums that it is a term of."
                right.notes.append(reached)


def _if_kept(judge: Judge, wrong: Outcome, right: Sequence[Outcome]) -> list[Fault]:
    """The fault if a wrong layer is right now or in a new process, or if a right layer is no longer right."""
    is_kept = (
        judge(wrong.layer).passed
        or not all(judge(each.layer).passed for each in right)
        or judge.in_new_process(wrong.layer).passed
    )
    return [KEPT] if is_kept else []


def _if_simpler(judge: Judge, layer: SuiteLayer) -> Iterator[Fault]:
    """For which simpler numbers a wrong layer is right."""
    given = layer.arrays

    def passed(arrays: Iterable[Array]) -> bool | None:
        return judge(replace(layer, arrays=dict(zip(given, arrays, strict=True)))).passed

    for words, (simpler, other) in () if layer.has_one_number else _SIMPLER.items():
        made = [*map(simpler, given.values())]
        # Any program is right for an array of only zeros. For few different numbers it may be right by chance.
        if (
            not all(map(np.array_equal, made, given.values()))
            and all(map(np.any, made))
            and passed(made)
            and passed(np.roll(array, 1) for array in made)
            and passed(map(other, made)) is False
        ):
            yield Fault("depends-on-values", f"right for {words}")
            return
