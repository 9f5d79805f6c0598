"""Runs a program over many layers, grades what it gives, and looks for the one mistake behind its failures."""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial

import numpy as np

from cnngrad.arrays import Array
from cnngrad.errors import CnngradError, visible
from cnngrad.files.kept import Kept
from cnngrad.gradcheck import check_layer
from cnngrad.gradcheck.diagnosis import TRIES
from cnngrad.gradcheck.report import GradientReport
from cnngrad.running.findings import Findings, Outcome, Result, explain
from cnngrad.running.probing import probe
from cnngrad.running.processes import UNANSWERED
from cnngrad.running.programs import Answer, Program
from cnngrad.running.shrinking import Shrinker
from cnngrad.running.suites import SuiteLayer
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["SMALLER", "SMALLEST", "expected", "run_layers"]

# What progress says while a smaller layer is looked for.
SMALLER = "a smaller layer that fails"

# The name of the smallest failing layer, once it is another one than the suite's.
SMALLEST = "smallest"
_DIFFERS = "not the same twice"
# Results are graded by one thread at a time, however many run programs.
_GRADING = threading.Lock()

# Called with what is going on, the number of steps done, that of all, and that of failures so far.
Progress = Callable[[str, int, int, int], None]


def expected(names: Iterable[str]) -> list[Tensor]:
    """The results of some names, as for `--expect`.

    Raises:
        CnngradError: an unknown name.
    """
    found = []
    for name in names:
        tensor = Tensor.O if name in ("O", "o") else Tensor.gradient_named(name)
        if tensor is None:
            raise CnngradError(f"expect {name[:40]!r} is unknown: use {', '.join(result.key for result in RESULTS)}")
        found.append(tensor)
    return found


def run_layers(
    programs: Sequence[Program],
    layers: Sequence[SuiteLayer],
    expect: Sequence[Tensor] = (),
    progress: Progress | None = None,
    *,
    without: Iterable[str] | None = (),
    keep: Kept | None = None,
) -> Findings:
    """Run a program over some layers, grade what it gives, and look for the one mistake behind its failures.

    Args:
        programs: the program, as often as it may run at the same time.
        layers: the layers.
        expect: the results that it must give.
        progress: is told how far it has come.
        without: what the program does not have, and the smallest failing layer may not need; None where that layer is
            to be one of `layers`.
        keep: the folder in which to keep the files of the layers that fail; None to keep none.
    """
    outcomes = _with_missing(_outcomes(programs, layers, progress, keep), expect)
    notes = list(dict.fromkeys(outcome.note for outcome in outcomes if outcome.note))
    found = Findings(outcomes, explain(outcomes), note=" ".join(notes))
    failing = found.failing
    if found.explanation is not None:
        wanted = frozenset(found.explanation.mistakes)
        failing = [o for o in failing if any(wanted in result.explanations for result in o.results.values())]
    if not failing:
        return found
    smallest = min(failing, key=lambda outcome: outcome.layer.work)
    # A relation shows where there are several outputs and filter elements on every axis.
    telling = [o for o in failing if all(min(axis.out, axis.kernel) > 1 for axis in o.layer.layer.axes)]
    larger = (telling or failing)[0]
    # A program that hangs would do so in every attempt.
    if without is not None and not smallest.status.startswith(UNANSWERED):
        shrinker = Shrinker(smallest.layer, frozenset(without))
        smallest = _smallest(programs[0], smallest, shrinker, found.explanation is not None, progress)
    if keep is not None and smallest.layer.name == SMALLEST:
        programs[0].run(smallest.layer, partial(keep.put, SMALLEST))
    probed = probe(programs[0], smallest, larger)
    return replace(
        found,
        smallest=smallest.layer,
        compared=probed.worst,
        others=probed.others,
        note=" ".join([*notes, *probed.notes]),
    )


def _outcomes(
    programs: Sequence[Program], layers: Sequence[SuiteLayer], progress: Progress | None, keep: Kept | None
) -> list[Outcome]:
    """What becomes of every layer, in their order."""
    done: dict[int, Outcome] = {}

    def advance(name: str) -> None:
        if progress is not None:
            failures = sum(outcome.passed is False for outcome in done.values())
            progress(name, len(done), len(layers), failures)

    if len(programs) == 1:
        for number, layer in enumerate(layers):
            advance(layer.name)
            done[number] = _outcome(programs[0], layer, keep)
        return list(done.values())
    idle: queue.SimpleQueue[Program] = queue.SimpleQueue()
    for program in programs:
        idle.put(program)

    def one(layer: SuiteLayer) -> Outcome:
        program = idle.get()
        try:
            return _outcome(program, layer, keep)
        finally:
            idle.put(program)

    with ThreadPoolExecutor(len(programs)) as pool:
        numbers: dict[Future[Outcome], int] = {pool.submit(one, layer): k for k, layer in enumerate(layers)}
        try:
            for future in as_completed(numbers):
                done[numbers[future]] = future.result()
                advance(layers[numbers[future]].name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # What still runs is ended, and with it the thread that waits for it.
            for program in programs:
                program.close()
            raise
    return [done[number] for number in range(len(layers))]


def _outcome(program: Program, layer: SuiteLayer, keep: Kept | None) -> Outcome:
    """Run a layer; one that fails is run again, since what differs then is a mistake of its own kind."""
    answer = program.run(layer)
    outcome = _judged(layer, answer, program.written, TRIES)
    if outcome.passed is not False or (answer.status.startswith(UNANSWERED) and keep is None):
        return outcome
    again = program.run(layer, None if keep is None else partial(keep.put, layer.folder))
    if answer.status:
        return outcome if again.status == answer.status else replace(outcome, status=_DIFFERS)
    for tensor, before in answer.results.items():
        after = again.results.get(tensor)
        if isinstance(before, np.ndarray) and not _same(before, after):
            outcome.results[tensor] = Result(_DIFFERS)
    return outcome


def _same(before: Array, after: object) -> bool:
    return isinstance(after, np.ndarray) and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")


def _judged(layer: SuiteLayer, answer: Answer, written: str | None, tries: int) -> Outcome:
    """The verdict on one run."""
    said = "\n".join(visible(line.expandtabs()) for line in answer.said.splitlines())
    if answer.skipped:
        return Outcome(layer, said=said, skipped=True)
    results = {} if answer.status else _graded(layer, answer, written, tries)
    return Outcome(layer, visible(answer.status), results, said, note=visible(answer.note))


def _graded(layer: SuiteLayer, answer: Answer, written: str | None, tries: int) -> dict[Tensor, Result]:
    claims = {tensor: array for tensor, array in answer.results.items() if not isinstance(array, str)}
    found = {tensor: Result(words) for tensor, words in answer.results.items() if isinstance(words, str)}
    if claims:
        ordered = {tensor: claims[tensor] for tensor in RESULTS if tensor in claims}
        with _GRADING:
            report = check_layer(layer.layer, layer.operands, ordered, written=written, tries=tries)
        found |= {tensor: _result(report.gradients[tensor.key]) for tensor in ordered}
    return {tensor: found[tensor] for tensor in RESULTS if tensor in found}


def _result(report: GradientReport) -> Result:
    if report.passed is None:
        return Result("too coarse to judge", report)
    if report.mistake == "not-finite":
        return Result("not finite", report)
    return Result("right" if report.passed else "wrong", report)


def _with_missing(outcomes: list[Outcome], expect: Sequence[Tensor]) -> list[Outcome]:
    """The outcomes with what a layer lacks: results that are expected, or that other layers have."""
    ran = [outcome for outcome in outcomes if not outcome.skipped and not outcome.status]
    usual = {tensor for outcome in ran for tensor in outcome.results}
    filled = []
    for outcome in outcomes:
        if outcome.skipped or outcome.status:
            filled.append(outcome)
            continue
        # A layer without a bias has no dE/db to give.
        wanted = {*expect, *usual} - ({Tensor.DB} if not outcome.layer.layer.has_bias else set())
        missing = {tensor: Result("not written") for tensor in wanted - set(outcome.results)}
        status = "" if outcome.results or missing else "nothing written"
        results = outcome.results | missing
        ordered = {tensor: results[tensor] for tensor in RESULTS if tensor in results}
        filled.append(replace(outcome, results=ordered, status=status))
    return filled


def _smallest(
    program: Program, start: Outcome, shrinker: Shrinker, explained: bool, progress: Progress | None
) -> Outcome:
    """The smallest layer that fails in the same way, as far as few runs find it."""
    wanted = _way(start)
    # Where it is one mistake, or none that is known, pairs need not be looked for.
    tries = TRIES if explained and any(len(result.mistakes) > 1 for result in start.results.values()) else 0
    smallest = start

    def fails(layer: SuiteLayer) -> bool:
        nonlocal smallest
        if progress is not None:
            progress(SMALLER, shrinker.runs, shrinker.most, 0)
        try:
            outcome = _judged(layer, program.run(layer), program.written, tries)
        except CnngradError:
            return False
        if _way(outcome) != wanted:
            return False
        smallest = outcome
        return True

    shrinker.shrink(fails, SMALLEST)
    return smallest


def _way(outcome: Outcome) -> dict[Tensor | str, str]:
    """In which way a layer fails: what happened to the program, or to each array that is not right."""
    if outcome.status:
        return {"status": outcome.status}
    return {tensor: result.word for tensor, result in outcome.results.items() if result.status != "right"}
