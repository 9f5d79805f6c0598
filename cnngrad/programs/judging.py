"""Runs a program over many layers, grades what it gives, and looks for the one mistake behind its failures."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from cnngrad.arrays import read_tensor
from cnngrad.causes.search import TRIES
from cnngrad.checks import GradientReport, WrongShape, check_layer
from cnngrad.errors import CnngradError, visible
from cnngrad.files.kept import Kept
from cnngrad.programs.findings import Findings, Outcome, Result, Verdict, explain
from cnngrad.programs.probing import probe
from cnngrad.programs.processes import End, Fault
from cnngrad.programs.programs import Answer, Program
from cnngrad.programs.shrinking import SMALLEST, Progress, shrink
from cnngrad.programs.suites import SuiteLayer
from cnngrad.tensor import DB, RESULTS, Tensor

# The most notes that are shown of those that layers may have, each its own.
_MOST_NOTES = 3
# Give up once the first three layers have ended in the same way, without results.
_ENOUGH = 3
# What a program that hangs or writes nothing does, no smaller layer shows better.
_TELLING_ENDS = (End.CRASHED, End.FAILED, End.FLOODED)
_TELLING_VERDICTS = (Verdict.WRONG, Verdict.WRONG_SHAPE, Verdict.NOT_FINITE)
# Results are graded by one thread at a time, however many run programs.
_GRADING = threading.Lock()


def expected(names: Iterable[str]) -> list[Tensor]:
    """The results of some names, as for `--expect`.

    Raises:
        CnngradError: an unknown name.
    """
    found = []
    for name in names:
        tensor = Tensor.result_named(name)
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
    without: Collection[str] | None = (),
    whole: Sequence[SuiteLayer] = (),
    keep: Kept | None = None,
    give_up: bool = True,
) -> Findings:
    """Run a program over some layers, grade what it gives, and look for the one mistake behind its failures.

    Args:
        programs: the program, as often as it may run at the same time.
        layers: the layers.
        expect: the results that it must give.
        progress: is told how far it has come.
        without: what the program does not have, and the smallest failing layer may not need; None where that layer is
            to be one of `layers`.
        whole: the layers of the suite of which `layers` are some; none where these are the user's own.
        keep: the folder in which to keep the files of the layers that fail; None to keep none.
        give_up: whether to run no further layers once the first three have ended in the same way, without results.
    """
    taken = _as_taken(programs[0], layers) if "batch" in (without or ()) else layers
    note = "Its arrays have an axis of one sample." if taken is not layers else ""
    outcomes = _decided(_outcomes(programs, taken, progress, keep, give_up))
    outcomes = _with_missing(outcomes, expect)
    notes = list(dict.fromkeys(filter(None, [note, *(outcome.note for outcome in outcomes)])))[:_MOST_NOTES]
    notes += _shapes(outcomes) + _on_precision(outcomes)
    run = {layer.name for layer in layers}
    left_out = [layer.instead_of or layer.layer for layer in whole if layer.instead_of or layer.name not in run]
    left_out += [outcome.layer.layer for outcome in outcomes if whole and not outcome.was_tried]
    not_chosen = max(len(whole) - len(layers), 0)
    found = Findings(outcomes, explain(outcomes), note=" ".join(notes), left_out=left_out, not_chosen=not_chosen)
    failing = found.failing
    if found.explanation is not None:
        wanted = frozenset(found.explanation.mistakes)
        failing = [o for o in failing if any(wanted in result.explanations for result in o.results.values())]
    if not failing:
        return found
    failing = list(filter(_way, failing)) or failing
    smallest = min(failing, key=lambda outcome: outcome.layer.work)
    # A relation shows where there are several outputs and filter elements on every axis.
    telling = [o for o in failing if all(min(axis.out, axis.kernel) > 1 for axis in o.layer.layer.axes)]
    larger = (telling or failing)[0]
    if without is not None and _way(smallest) and not any(o.end is End.NOT_RUN for o in outcomes):
        smallest = _smallest(programs[0], smallest, without, found.explanation is not None, progress)
    if keep is not None and smallest.layer.name == SMALLEST:
        programs[0].run(smallest.layer, partial(keep.put, SMALLEST))
    probed = probe(programs[0], smallest, larger)
    return replace(
        found,
        smallest=smallest.layer,
        compared=tuple(probed.worst),
        others=tuple(probed.others),
        note=" ".join([*notes, *probed.notes]),
    )


def _on_precision(outcomes: Iterable[Outcome]) -> list[str]:
    """A sentence on results that are as far off as fewer bits make them; of an array, what most layers show."""
    shown: dict[Tensor, list[str]] = {}
    for tensor, result in _each(outcomes):
        if result.precision:
            shown.setdefault(tensor, []).append(result.precision)
    titles: dict[str, list[str]] = {}
    for tensor, found in shown.items():
        titles.setdefault(Counter(found).most_common(1)[0][0], []).append(tensor.title)
    return [f"{', '.join(named)}: it {words}." for words, named in titles.items()]


def _as_taken(program: Program, layers: Sequence[SuiteLayer]) -> Sequence[SuiteLayer]:
    """The layers with the leading axes that the program has, if those of layers without them make it fail."""
    best, least = layers, 3
    for lead in range(layers[0].layer.x_lead, 3):
        made = [each.with_lead(lead) for each in layers] if lead > layers[0].layer.x_lead else layers
        outcome = _judged(made[0], program.run(made[0]), program.written, 0)
        fails = 0 if outcome.passed else 2 if outcome.fault or Verdict.WRONG_SHAPE in outcome.verdicts else 1
        if fails < least:
            best, least = made, fails
        if not fails or outcome.end is End.UNANSWERED:
            break
    return best


def _outcomes(
    programs: Sequence[Program],
    layers: Sequence[SuiteLayer],
    progress: Progress | None,
    keep: Kept | None,
    give_up: bool,
) -> list[Outcome]:
    """What becomes of every layer, in their order; as many are run at the same time as there are programs."""
    done: list[Outcome] = []
    idle = list(programs)

    def one(layer: SuiteLayer) -> Outcome:
        program = idle.pop()
        try:
            return _outcome(program, layer, keep)
        finally:
            idle.append(program)

    with ThreadPoolExecutor(len(programs)) as pool:
        running = pool.map(one, layers) if len(programs) > 1 else map(one, layers)
        try:
            for number, layer in enumerate(layers):
                if progress is not None:
                    progress(layer.name, number, len(layers), sum(outcome.passed is False for outcome in done))
                if give_up and _is_hopeless(done):
                    return done + [Outcome(each, Fault(End.NOT_RUN)) for each in layers[number:]]
                done.append(next(running))
        finally:
            if len(done) < len(layers):
                pool.shutdown(wait=False, cancel_futures=True)
                # What still runs is ended, and with it the thread that waits for it.
                for program in programs:
                    program.close()
    return done


def _is_hopeless(done: Sequence[Outcome]) -> bool:
    """Whether the first layers that were tried are enough and have all ended in the same way, without results."""
    tried = [outcome for outcome in done if outcome.end is not End.SKIPPED]
    ends = {outcome.end if outcome.fault or outcome.results else End.SILENT for outcome in tried}
    return len(tried) == _ENOUGH and len(ends) == 1 and None not in ends


def _outcome(program: Program, layer: SuiteLayer, keep: Kept | None) -> Outcome:
    """Run a layer; one that fails is run again, since what differs then is a mistake of its own kind."""
    answer = program.run(layer)
    outcome = _judged(layer, answer, program.written, TRIES)
    if outcome.passed is not False or (outcome.end is End.UNANSWERED and keep is None):
        return outcome
    again = program.run(layer, None if keep is None else partial(keep.put, layer.folder))
    if answer.fault != again.fault:
        failed = answer if answer.fault is not None else again
        return replace(outcome, fault=failed.fault, said=failed.said, results={}, note=_IN_ONE_OF_TWO)
    for tensor, before in answer.results.items():
        after = again.results.get(tensor)
        if isinstance(before, str):
            continue
        has_nan = before.dtype.kind == "f"
        if not isinstance(after, np.ndarray) or not np.array_equal(before, after, equal_nan=has_nan):
            outcome.results[tensor] = Result(Verdict.VARIES)
    return outcome


_ROUNDED = "It may be off by its rounding alone, but not so in other layers."
_IN_ONE_OF_TWO = "Of two runs of the same layer one ended so, the other did not."


def _judged(layer: SuiteLayer, answer: Answer, written: str | None, tries: int) -> Outcome:
    """The verdict on one run."""
    claims = {tensor: array for tensor, array in answer.results.items() if not isinstance(array, str)}
    found = {t: Result(Verdict.UNREADABLE, why=why) for t, why in answer.results.items() if isinstance(why, str)}
    if claims:
        given = {tensor: read_tensor(tensor.key, array) for tensor, array in layer.arrays.items()}
        with _GRADING:
            report = check_layer(layer.layer, given, claims, written=written, tries=tries)
        found |= {tensor: _result(report.gradients[tensor.key]) for tensor in claims}
    said = "\n".join(visible(line.expandtabs()) for line in answer.said.splitlines())
    return Outcome(layer, answer.fault, _in_order(found), said, visible(answer.note))


def _in_order(results: dict[Tensor, Result]) -> dict[Tensor, Result]:
    return {tensor: results[tensor] for tensor in RESULTS if tensor in results}


def _result(report: GradientReport) -> Result:
    verdict, hint = Verdict.RIGHT if report.passed else Verdict.WRONG, report.hint
    if report.passed is None:
        verdict = Verdict.COARSE
    elif isinstance(report, WrongShape):
        verdict = Verdict.WRONG_SHAPE
        shapes = [array.shape for array in (report.analytic, report.numeric)]
        words = "; it must be ".join("×".join(map(str, shape)) or "()" for shape in shapes)
        hint = f"{report.gradient.title} has shape {words}. {report.beside_shape}".strip()
    elif report.mistake == "not-finite":
        verdict = Verdict.NOT_FINITE
    explanations = [report.mistakes, *(each.split("+") for each in report.also)] if report.mistakes else []
    return Result(verdict, report, "", hint, report.precision, list(map(frozenset, explanations)))


def _shapes(outcomes: list[Outcome]) -> list[str]:
    """What is wrong with the shape of each result, in the first layer in which it is."""
    said: dict[Tensor, str] = {}
    for outcome in outcomes:
        for tensor, result in outcome.results.items():
            if result.verdict is Verdict.WRONG_SHAPE:
                said.setdefault(tensor, f"In {outcome.layer.name} {result.hint}" if outcomes[1:] else result.hint)
    return list(said.values())


def _decided(outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes; what is too coarse to judge is wrong if another layer has an error that fewer bits don't explain.

    An error of a known mistake that this layer would not show, such as a wrong stride, decides nothing.
    """
    beyond = {
        (tensor, result.mistakes)
        for tensor, result in _each(outcomes)
        if result.verdict is Verdict.WRONG and not result.precision
    }
    for outcome in outcomes:
        for tensor, result in outcome.results.items():
            shown = {mistakes for wrong, mistakes in beyond if wrong is tensor}
            if result.verdict is Verdict.COARSE and shown and any(map(set(outcome.layer.shows).issuperset, shown)):
                outcome.results[tensor] = replace(result, verdict=Verdict.WRONG, hint=_ROUNDED)
    return outcomes


def _each(outcomes: Iterable[Outcome]) -> Iterator[tuple[Tensor, Result]]:
    for outcome in outcomes:
        yield from outcome.results.items()


def _with_missing(outcomes: list[Outcome], expect: Sequence[Tensor]) -> list[Outcome]:
    """The outcomes with what a layer lacks: results that are expected, or that other layers have."""
    usual = {*expect, *(tensor for tensor, _ in _each(outcomes))}
    filled = []
    for outcome in outcomes:
        if outcome.fault is None:
            # A layer without a bias has no dE/db to give.
            wanted = usual if outcome.layer.layer.has_bias else usual - {DB}
            results = _in_order({tensor: Result(Verdict.NOT_WRITTEN) for tensor in wanted} | outcome.results)
            fault = None if results else Fault(End.SILENT)
            outcome = replace(outcome, results=results, fault=fault)
        filled.append(outcome)
    return filled


def _smallest(
    program: Program, start: Outcome, without: Collection[str], explained: bool, progress: Progress | None
) -> Outcome:
    """The smallest layer that fails in the same way, as far as few runs find it."""
    wanted = _way(start)
    # Where it is one mistake, or none that is known, pairs need not be looked for.
    tries = TRIES if explained and any(len(result.mistakes) > 1 for result in start.results.values()) else 0
    smallest = start

    def fails(layer: SuiteLayer) -> bool:
        nonlocal smallest
        try:
            outcome = _judged(layer, program.run(layer), program.written, tries)
        except CnngradError:
            return False
        if _way(outcome) == wanted:
            smallest = outcome
        return smallest is outcome

    shrink(start.layer, without, fails, progress)
    return smallest


def _way(outcome: Outcome) -> dict[Tensor, str] | Fault | None:
    """In which way a layer fails: what happened to the program, or to each array that is not right.

    Nothing if no smaller layer would show the failure better.
    """
    if outcome.fault is not None:
        return outcome.fault if outcome.end in _TELLING_ENDS else None
    return {tensor: result.word for tensor, result in outcome.results.items() if result.verdict in _TELLING_VERDICTS}
