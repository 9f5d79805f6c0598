"""Calls a program again on layers that it computes right: with other numbers, and with arrays that lie otherwise."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from cnngrad.arrays import Array
from cnngrad.layer import joined
from cnngrad.programs.calling import MEMORY
from cnngrad.programs.findings import Outcome
from cnngrad.programs.programs import Answer, Program
from cnngrad.programs.suites import SuiteLayer, features
from cnngrad.programs.verdicts import Fault, Verdict
from cnngrad.tensor import Tensor

# Judges the answer for a layer.
Judge = Callable[[SuiteLayer, Answer], Outcome]

# Calls may differ by this fraction of the largest number, as sums in another order do.
_ROUNDING = 1e-5
VARIES = Fault("not-deterministic", "its results are not the same twice")
_KEPT = Fault("keeps-state", "its results depend on an earlier call")
_VALUES = Fault("depends-on-values", "its results are wrong for other numbers in the same arrays")


def called_again(
    program: Program, outcomes: Sequence[Outcome], judge: Judge, strided: bool
) -> tuple[list[Outcome], list[str]]:
    """The outcomes with the faults that further calls show in a few layers, and sentences on what is no fault.

    These are the first layer that is wrong in no known way, and, if the program keeps running, the plainest right one
    and the one that needs most.
    """
    more, told = dict[str, list[Fault]](), dict[str, None]()
    wrong = [outcome for outcome in outcomes if outcome.verdicts & {Verdict.WRONG, Verdict.NOT_FINITE}]
    passing = sorted(
        (outcome for outcome in outcomes if outcome.passed),
        key=lambda each: (len(features(each.layer.layer)), each.layer.work),
    )
    for outcome in [each for each in wrong if not any(found.mistakes for found in each.results.values())][:1]:
        more[outcome.layer.name] = [*why_wrong(program, outcome, next(iter(passing), None), judge)]
    for outcome in passing[:: max(1, len(passing) - 1)] if program.keeps_running else ():
        faults = [*with_other_numbers(program, outcome, judge)]
        for found in in_other_memory(program, outcome, judge) if strided and not faults and program.in_memory else ():
            if isinstance(found, Fault):
                faults.append(found)
            else:
                told[found] = None
        more[outcome.layer.name] = faults
    return [replace(o, faults=(*o.faults, *more.get(o.layer.name, ()))) for o in outcomes], list(told)


def with_other_numbers(program: Program, outcome: Outcome, judge: Judge) -> Iterator[Fault]:
    """What is wrong if the numbers of X, then of W, then of dE/dO change, at the same addresses, and come back.

    The first number, the last, and the sum of each array stay the same.
    """
    layers = [outcome.layer]
    for tensor, array in outcome.layer.arrays.items():
        other = array.flatten()
        other[1:-1] = other[-2:0:-1]
        layers.append(replace(outcome.layer, arrays=layers[-1].arrays | {tensor: other.reshape(array.shape)}))
    for layer in (*layers[1:], outcome.layer):
        found = judge(layer, program.run(layer))
        if found.passed is False:
            earlier, wrong = _claims(outcome), [t for t, each in found.results.items() if not each.verdict.passed]
            same = all(np.array_equal(_claims(found).get(t, ()), earlier.get(t, ())) for t in wrong)
            yield from [_KEPT] if same else why_wrong(program, found, outcome, judge, [_VALUES])
            return


def why_wrong(
    program: Program, wrong: Outcome, right: Outcome | None, judge: Judge, otherwise: Sequence[Fault] = ()
) -> Sequence[Fault]:
    """Why a program gives wrong results for a layer, if it is that calls differ; otherwise what is given."""
    if not is_same(program.run(wrong.layer), wrong, _ROUNDING):
        return [VARIES]
    if right is not None and not is_same(program.run(right.layer), right, _ROUNDING):
        return [_KEPT]
    program.close()
    return [_KEPT] if judge(wrong.layer, program.run(wrong.layer)).passed else otherwise


def in_other_memory(program: Program, outcome: Outcome, judge: Judge) -> Iterator[Fault | str]:
    """What is wrong if arrays lie in memory otherwise, and, in a sentence, in which order it takes none."""
    every, first = tuple(outcome.layer.arrays), next(iter(MEMORY))
    for memory, tensors in (*((memory, every) for memory in MEMORY), *((first, (tensor,)) for tensor in every)):
        layer = replace(outcome.layer, memory=dict.fromkeys(tensors, memory))
        answer = program.run(layer)
        if is_same(answer, outcome) or (found := judge(layer, answer)).passed:
            continue
        if found.verdicts <= {Verdict.FAILED, Verdict.SKIPPED}:
            yield f"It takes no arrays {memory}."
        else:
            says = f"right for C-contiguous arrays alone: wrong for {joined([t.title for t in tensors])} {memory}"
            yield from why_wrong(program, found, outcome, judge, [Fault("ignores-strides", says)])


def is_same(answer: Answer, outcome: Outcome, but_for: float = 0.0) -> bool:
    """Whether an answer has the results of an earlier one, but for a fraction of the largest number."""
    known = _claims(outcome)
    found = {tensor: array for tensor, array in answer.results.items() if isinstance(array, np.ndarray)}
    return found.keys() == known.keys() and all(_is_close(array, known[each], but_for) for each, array in found.items())


def _is_close(array: Array, other: Array, but_for: float) -> bool:
    most = but_for * np.abs(other[np.isfinite(other)]).max(initial=0)
    return array.shape == other.shape and np.allclose(array, other, 0, most, equal_nan=True)


def _claims(outcome: Outcome) -> dict[Tensor, Array]:
    return {tensor: found.report.analytic for tensor, found in outcome.results.items() if found.report is not None}
