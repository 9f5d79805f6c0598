"""Runs a program on many layers, and looks for the mistake behind its failures."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from cnngrad.arrays import is_whole
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.search import TRIES
from cnngrad.checks.tolerance import HALVES, SHORT, form_shown
from cnngrad.errors import CnngradError
from cnngrad.files.kept import Kept
from cnngrad.layer import Layer
from cnngrad.programs.calls import call_again, see_transforms
from cnngrad.programs.explaining import explain
from cnngrad.programs.findings import Findings
from cnngrad.programs.judge import Judge
from cnngrad.programs.probing import probe
from cnngrad.programs.programs import Program
from cnngrad.programs.shrinking import SMALLEST, Progress, shrunk
from cnngrad.programs.suites import STRIDED, SuiteLayer
from cnngrad.programs.verdicts import Outcome, Result, Verdict, grouped
from cnngrad.tensor import DB, RESULTS, Tensor

# Maximum number of notes that are shown.
_MOST_NOTES = 3
# After this many layers in a row whose array no mistake gives, only the usual mistakes are sought in the others.
_UNKNOWN = 4
# Give up if the first three layers end in the same way, without results, or if two have no answer.
_ENOUGH = 3
_ENOUGH_HANGS = 2
_ONE_SAMPLE = "Its arrays have a sample axis of length 1."
_TRANSFORMS = "Its errors are rounding alone, as of a transform such as Winograd's."
# With these faults results depend on more than the arrays, so other layers and numbers would show nothing.
_UNSTEADY = {"keeps-state", "not-deterministic"}


def expected(names: Iterable[str]) -> list[Tensor]:
    """The results with these names, as for `--expect`.

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
    progress: Progress = lambda *_: None,
    *,
    without: Collection[str] = (),
    whole: Sequence[SuiteLayer] = (),
    keep: Kept | None = None,
    give_up: bool = True,
) -> Findings:
    """Run a program on layers, grade its results, and look for the mistake behind its failures.

    Args:
        programs: copies of the program, one for each layer that may run at the same time.
        layers: the layers.
        expect: the results that it must give.
        progress: called before each layer.
        without: the features that the program does not support, so that the smallest failing layer may not need them.
        whole: all layers of the suite from which `layers` were chosen; empty if these are the user's own, which are not
            made smaller: the program may support no others.
        keep: the folder in which to keep the files of failing layers; None to keep none.
        give_up: whether to stop if the first three layers end in the same way, without results.
    """
    judge = Judge(programs[0])
    lead = layers[0].layer.x_lead
    if "batch" in without:
        layers = _with_lead(judge, layers)
    outcomes = _outcomes(programs, layers, progress, keep, give_up)
    _see_bits(judge, outcomes)
    see_transforms(judge, outcomes)
    _seek(judge, outcomes)
    _complete(outcomes, expect)
    call_again(judge, outcomes, STRIDED not in without, programs[0] is not programs[-1])
    said = [_ONE_SAMPLE] * (layers[0].layer.x_lead > lead) + [_TRANSFORMS] * judge.transforms
    said += [note for outcome in outcomes for note in outcome.notes]
    notes = [*dict.fromkeys(filter(None, said))][:_MOST_NOTES] + _in_common(outcomes, judge.program.written is not None)
    found = Findings(outcomes, explain(outcomes), note=" ".join(notes), whole=whole)
    return _with_smallest(judge, found, without, progress, keep) if found.failing else found


def _with_smallest(
    judge: Judge, found: Findings, without: Collection[str], progress: Progress, keep: Kept | None
) -> Findings:
    """The findings with the smallest layer that fails, and with what the program computes there."""
    failing = _typical(found)
    # Wrong numbers tell more than an exception.
    smallest = min(failing, key=lambda o: (not _way(o), o.end is not None, o.layer.work))
    if any(fault.id in _UNSTEADY for fault in found.faults):
        return replace(found, smallest=smallest.layer, alone=False)
    is_telling = bool(_way(smallest))
    if found.whole and (is_telling or not smallest.end) and found.outcomes[-1].verdicts != {Verdict.NOT_RUN}:
        smaller, alike = _smallest(judge, smallest, without, progress) if is_telling else (smallest, [])
        alone = judge.in_new_process(smaller.layer).passed is False
        found = replace(found, alike=alike, alone=alone)
        if alone:
            smallest = smaller
        if keep is not None and smallest.name == SMALLEST:
            judge.program.run(smallest.layer, partial(keep.put, SMALLEST))
    return probe(judge.program, found, smallest, failing)


def _typical(found: Findings) -> Sequence[Outcome]:
    """The layers that fail as most do: those that show the first explanation's mistakes, if these explain most."""
    if found.explanation is None:
        return found.failing
    # A mistake that explains few layers may be a coincidence; the last explanation is that of the others.
    if 2 * found.explanation.explains <= len(found.failing):
        return found.explanations[-1].outcomes
    mistakes, outcomes = found.explanation.mistakes, found.explanation.outcomes
    return [o for o in outcomes if any(each.mistakes == mistakes for each in o.results.values())] or outcomes


def _of(outcomes: Iterable[Outcome]) -> dict[Tensor, list[tuple[Outcome, Result]]]:
    return grouped((tensor, (outcome, result)) for outcome in outcomes for tensor, result in outcome.results.items())


def _in_common(outcomes: list[Outcome], is_stated: bool) -> list[str]:
    """Sentences on wrong shapes, each from the first layer that has it, and on results of too few bits.

    A result that is right for its short format gets a remark too, unless the user has stated the precision.
    """
    shapes = list[str]()
    said = list[tuple[str, str]]()
    for tensor, found in _of(outcomes).items():
        wrong = [(o, result.hint) for o, result in found if result.verdict is Verdict.WRONG_SHAPE]
        shapes += [f"In layer {o.name} {hint}" if outcomes[1:] else hint for o, hint in wrong[:1]]
        # The most frequent one.
        most = Counter(result.precision for _, result in found if result.precision).most_common(1)
        said += [(f"it {words}.", tensor.title) for words, _ in most]
        # A report is truthy if its numbers are right.
        forms = dict.fromkeys(result.report.judged_as for _, result in found if result.report and not is_stated)
        said += [
            (f"judged as {words}; --as float32 asks for more.", tensor.title)
            for words in forms
            if words.startswith(SHORT)
        ]
    return shapes + [f"{', '.join(titles)}: {says}" for says, titles in grouped(said).items()]


def _see_bits(judge: Judge, outcomes: list[Outcome]) -> None:
    """Keep in `judge.shown` the forms of numbers that have 16 bits, as all layers together show.

    A single layer may be too small to show it. The evidence is the numbers of the same tensor, or else of all tensors.
    """
    whole = any(all(map(is_whole, outcome.layer.arrays.values())) for outcome in outcomes)
    # If a report names a form, the form is known already.
    given = {
        tensor: [
            each.report.analytic
            for _, each in found
            if each.verdict in (Verdict.RIGHT, Verdict.WRONG, Verdict.COARSE)
            and each.report is not None
            and not each.report.judged_as
        ]
        for tensor, found in _of(outcomes).items()
    }
    together = form_shown([*chain(*given.values())], whole)
    for tensor, arrays in given.items():
        alone = form_shown(arrays, whole)
        form = alone if alone.format in HALVES else together
        if form.format in HALVES:
            judge.shown[tensor] = form


def _seek(judge: Judge, outcomes: list[Outcome]) -> None:
    """Grade wrong results again that none of the usual mistakes gives: in the form that is shown, by all mistakes.

    The layers are in order. Numbers read from text may be right in 16 bits.
    """
    for tensor, found in _of(outcomes).items():
        unknown, is_short = 0, tensor in judge.shown
        for outcome, result in found:
            is_wrong = result.verdict in (Verdict.WRONG, Verdict.WRONG_SHAPE)
            is_unknown = is_wrong and not (result.mistakes or result.precision) and (unknown < _UNKNOWN or is_short)
            if is_unknown or (is_short and result.verdict is Verdict.COARSE):
                claims = {tensor: outcome.claims[tensor]}
                again = outcome.results[tensor] = judge.graded(outcome.layer, claims, TRIES)[tensor]
                unknown = 0 if again.mistakes else unknown + 1


def _complete(outcomes: Sequence[Outcome], expect: Sequence[Tensor]) -> None:
    """Mark results as not written that are expected, or that other layers have, if a layer lacks them."""
    every = {*expect}.union(*(outcome.results for outcome in outcomes))
    for outcome in outcomes:
        if outcome.end is None or outcome.end.verdict is Verdict.SILENT:
            # A layer without a bias has no dE/db.
            usual = every if outcome.layer.layer.has_bias else every - {DB}
            found = dict.fromkeys(usual, Result(Verdict.NOT_WRITTEN)) | outcome.results
            outcome.results = {tensor: found[tensor] for tensor in RESULTS if tensor in found}
            outcome.end = None if found else outcome.end


def _with_lead(judge: Judge, layers: Sequence[SuiteLayer]) -> list[SuiteLayer]:
    """The layers with their axes in front of X's spatial ones, or with more if the program fails with these."""
    tried = []
    for lead in range(layers[0].layer.x_lead, 3):
        outcome = judge(layers[0].with_lead(lead))
        tried.append((not outcome.passed, bool(outcome.end) or Verdict.WRONG_SHAPE in outcome.verdicts, lead))
        if outcome.passed or Verdict.UNANSWERED in outcome.verdicts:
            break
    return [layer.with_lead(min(tried)[-1]) for layer in layers]


def _outcomes(
    programs: Sequence[Program], layers: Sequence[SuiteLayer], progress: Progress, keep: Kept | None, give_up: bool
) -> list[Outcome]:
    """The outcomes of the layers, in order; each of the programs runs one layer at a time."""
    done: list[Outcome] = []
    idle = list(programs)

    def one(layer: SuiteLayer) -> Outcome:
        program = idle.pop()
        try:
            return Judge(program).first(layer, keep)
        finally:
            idle.append(program)

    with ThreadPoolExecutor(len(programs)) as pool:
        running = pool.map(one, layers) if len(programs) > 1 else map(one, layers)
        try:
            for number, layer in enumerate(layers):
                failing = sum(outcome.passed is False for outcome in done)
                told = f"{layer.name}, {failing} failing so far" if failing else layer.name
                progress("layers", number, len(layers), told)
                if give_up and _is_hopeless(done):
                    break
                done.append(next(running))
        finally:
            if len(done) < len(layers):
                pool.shutdown(wait=False, cancel_futures=True)
                # Ending the programs ends the threads that wait for them.
                for program in programs:
                    program.end()
    return done + [Outcome(layer, Result(Verdict.NOT_RUN)) for layer in layers[len(done) :]]


def _is_hopeless(done: Sequence[Outcome]) -> bool:
    """Whether the first layers that were tried have all ended in the same way, without results."""
    tried = [outcome for outcome in done if Verdict.SKIPPED not in outcome.verdicts]
    ends = {outcome.end and outcome.end.verdict for outcome in tried}
    enough = _ENOUGH_HANGS if ends == {Verdict.UNANSWERED} else _ENOUGH
    return len(tried) == enough and len(ends) == 1 and None not in ends


def _smallest(
    judge: Judge, start: Outcome, without: Collection[str], progress: Progress
) -> tuple[Outcome, list[Layer]]:
    """The smallest layer found to fail in the same way, after a limited number of runs, and others that fail."""
    # The long search is repeated only if it has explained the failure, by a pair of mistakes or by a rare one.
    usual = {(mistake.id,) for mistake in CATALOGUE if mistake.short} | {()}
    tries = 0 if usual.issuperset(result.mistakes for result in start.results.values()) else TRIES
    wanted = _way(start)
    alike = list[Layer]()

    def failing(layer: SuiteLayer) -> Outcome | None:
        with suppress(CnngradError):
            outcome = judge(layer, tries=tries)
            if (outcome.end, outcome.verdicts) == (start.end, start.verdicts):
                alike.append(layer.layer)
            return outcome if _way(outcome) == wanted else None
        return None

    return shrunk(start, failing, without, progress), alike


def _way(outcome: Outcome) -> dict[Any, str]:
    """The way in which a layer fails: the status of its run, or the mistake or status of each array that is not right.

    Empty if no smaller layer would show the failure better.
    """
    return {tensor: result.word for tensor, result in outcome.judged.items() if result.verdict.is_telling}
