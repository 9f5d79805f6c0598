"""Runs a program on many layers, grades its results, and looks for the mistake behind its failures."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import attrgetter

import numpy as np

from cnngrad.arrays import Arrays, form_of, is_whole, read_tensor
from cnngrad.causes.catalogue import PLACES
from cnngrad.causes.search import TRIES
from cnngrad.checks import GradientReport, WrongShape, check_layer
from cnngrad.checks.tolerance import HALVES, SHORT, Form, form_shown
from cnngrad.errors import CnngradError, visible
from cnngrad.files.kept import Kept
from cnngrad.layer import Layer
from cnngrad.programs.calls import called_again, is_same
from cnngrad.programs.findings import Findings, Outcome, Wrong, explain
from cnngrad.programs.probing import probe
from cnngrad.programs.programs import Program
from cnngrad.programs.shrinking import SMALLEST, Progress, smaller_layers
from cnngrad.programs.suites import NUMBERS, STRIDED, SuiteLayer
from cnngrad.programs.verdicts import VARIES, Answer, Fault, Result, Verdict, grouped
from cnngrad.tensor import DB, RESULTS, Tensor

# The most notes of layers that are shown.
_MOST_NOTES = 3
# Give up if the first three layers end in the same way, without results, or if two have no answer.
_ENOUGH = 3
_ENOUGH_HANGS = 2
# Only one thread grades at a time, even if several run programs.
_GRADING = threading.Lock()
_ONE_SAMPLE = "Its arrays have a sample axis of length 1."
_ROUNDED = "Rounding alone may explain the error here, but not in other layers."
_OTHER_ORDER = "Its results differ from call to call by rounding alone, as sums in another order do."
# Verdicts on runs that are not repeated.
_LAST = {Verdict.UNANSWERED, Verdict.SILENT, Verdict.SKIPPED}
# Faults of programs whose results are no function of the arrays: other layers and numbers tell nothing of them.
_UNSTEADY = {"keeps-state", "not-deterministic"}
_IN_ONE_OF_TWO = "A layer was run twice, and one run alone ended without results."


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
    without: Collection[str] | None = (),
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
        without: the features that the program does not support, so that the smallest failing layer may not need them;
            None if that layer must be one of `layers`.
        whole: all layers of the suite from which `layers` were chosen; empty if these are the user's own.
        keep: the folder in which to keep the files of failing layers; None to keep none.
        give_up: whether to stop if the first three layers end in the same way, without results.
    """
    program = programs[0]
    unsupported = without or ()
    own = layers[0].layer.x_lead
    lead = _lead(program, layers[0]) if "batch" in unsupported else own
    taken = layers if lead == own else [layer.with_lead(lead) for layer in layers]
    outcomes = list(_outcomes(programs, taken, progress, keep, give_up))
    judge = partial(_judged, program, shown=_see_bits(program, outcomes))
    outcomes, told = called_again(program, _together(outcomes, expect), judge, STRIDED not in unsupported)
    if any(VARIES in outcome.faults for outcome in outcomes):
        # Chance decides over the numbers: no mistake can be read off them.
        outcomes = [replace(each, results=_without_cause(each.results)) for each in outcomes]
    said = [*told, _ONE_SAMPLE if lead > own else "", *(outcome.note for outcome in outcomes)]
    notes = [*dict.fromkeys(filter(None, said))][:_MOST_NOTES] + _in_common(outcomes, program.written is not None)
    found = Findings(outcomes, explain(outcomes), note=" ".join(notes), whole=whole)
    if not found.failing:
        return found
    failing = _typical(found)
    # Wrong numbers tell more than an exception.
    failing = [o for o in failing if _way(o) and o.end is None] or list(filter(_way, failing)) or failing
    smallest = min(failing, key=attrgetter("layer.work"))
    if any(fault.id in _UNSTEADY for fault in found.faults):
        return replace(found, smallest=smallest.layer, alone=False)
    # A relation can be read only if every axis has several outputs and filter elements.
    telling = [o for o in failing if all(min(axis.out, axis.kernel) > 1 for axis in o.layer.layer.axes)]
    is_telling = bool(_way(smallest))
    if without is not None and (is_telling or not smallest.end) and outcomes[-1].verdicts != {Verdict.NOT_RUN}:
        smaller, alike = _smallest(program, smallest, without, progress) if is_telling else (smallest, [])
        found = replace(found, alike=alike)
        program.close()
        if judge(smaller.layer).passed is False:
            smallest = smaller
        else:
            found = replace(found, alone=False)
        if keep is not None and smallest.layer.name == SMALLEST:
            program.run(smallest.layer, partial(keep.put, SMALLEST))
    return probe(program, found, smallest, (telling or failing)[0])


def _typical(found: Findings) -> Sequence[Outcome]:
    """The layers that fail as most do: those that show the first explanation's mistakes, if these explain most."""
    if found.explanation is None:
        return found.failing
    # A mistake that explains few layers may be a coincidence; the last explanation is that of the others.
    if 2 * found.explanation.explains <= len(found.failing):
        return found.explanations[-1].outcomes
    mistakes, outcomes = found.explanation.mistakes, found.explanation.outcomes
    return [o for o in outcomes if any(each.mistakes == mistakes for each in o.results.values())] or outcomes


def _without_cause(results: Mapping[Tensor, Result]) -> dict[Tensor, Result]:
    return {t: Result(Verdict.WRONG) if each.verdict is Verdict.WRONG else each for t, each in results.items()}


def _of(outcomes: Iterable[Outcome]) -> dict[Tensor, list[tuple[Outcome, Result]]]:
    return grouped((tensor, (outcome, result)) for outcome in outcomes for tensor, result in outcome.results.items())


def _in_common(outcomes: list[Outcome], is_stated: bool) -> list[str]:
    """Sentences on wrong shapes, each from the first layer that has it, and on results of too few bits.

    Right numbers may have too few bits for more than their own format, unless the precision is stated.
    """
    shapes = list[str]()
    fewer = list[tuple[str, str]]()
    judged = list[tuple[str, str]]()
    for tensor, found in _of(outcomes).items():
        wrong = [(o, result.hint) for o, result in found if result.verdict is Verdict.WRONG_SHAPE]
        shapes += [f"In layer {o.layer.name} {hint}" if outcomes[1:] else hint for o, hint in wrong[:1]]
        # The most frequent one.
        most = Counter(result.precision for _, result in found if result.precision).most_common(1)
        fewer += [(f"it {words}.", tensor.title) for words, _ in most]
        # A report is true if it is on right numbers.
        forms = dict.fromkeys(result.report.judged_as for _, result in found if result.report and not is_stated)
        judged += [
            (f"judged as {words}; --as float32 asks for more.", tensor.title)
            for words in forms
            if words.startswith(SHORT)
        ]
    return shapes + [f"{', '.join(titles)}: {says}" for says, titles in grouped(fewer + judged).items()]


def _see_bits(program: Program, outcomes: list[Outcome]) -> dict[Tensor, Form]:
    """Grade wrong results again whose numbers have 16 bits, as all layers show together, if one alone does not.

    The evidence is the numbers of the same tensor, or else of all tensors. Returns the form of each tensor that has it.
    """
    whole = any(all(map(is_whole, outcome.layer.arrays.values())) for outcome in outcomes)
    reports = dict[Tensor, list[tuple[Outcome, GradientReport]]]()
    shown = dict[Tensor, Form]()
    for tensor, found in _of(outcomes).items():
        judged = ((o, each.report) for o, each in found if each.verdict in (Verdict.RIGHT, Verdict.WRONG))
        # If a report names a form, the form is known.
        reports[tensor] = [(o, report) for o, report in judged if report is not None and not report.judged_as]
    together = form_shown([report.analytic for given in reports.values() for _, report in given], whole)
    for tensor, given in reports.items():
        alone = form_shown([report.analytic for _, report in given], whole)
        form = alone if alone.format in HALVES else together
        if form.format in HALVES:
            shown[tensor] = form
            for outcome, report in given:
                if report.passed is False and not report.mistake and not report.precision:
                    # Numbers of a text are then right.
                    claims = {tensor: outcome.claims[tensor]}
                    outcome.results.update(_graded(program, outcome.layer, claims, TRIES, shown))
    return shown


def _together(outcomes: list[Outcome], expect: Sequence[Tensor]) -> list[Outcome]:
    """The outcomes, each revised in the light of the others.

    A result too coarse to judge is wrong if that of another layer has an error which fewer bits don't explain, unless
    the error is a known mistake that this layer can't show, such as a wrong stride. If a layer lacks a result that is
    expected, or that other layers have, the result is marked as not written.
    """
    every = _of(outcomes)
    for tensor, found in every.items():
        beyond = {each.mistakes for _, each in found if each.verdict is Verdict.WRONG and not each.precision}
        for outcome, result in found:
            if result.verdict is Verdict.COARSE and any(map(set(outcome.layer.shows).issuperset, beyond)):
                outcome.results[tensor] = replace(result, verdict=Verdict.WRONG, hint=_ROUNDED)

    def filled(outcome: Outcome) -> Outcome:
        # A layer without a bias has no dE/db.
        usual = {*expect, *every} - ({DB} if not outcome.layer.layer.has_bias else set())
        results = dict.fromkeys(usual, Result(Verdict.NOT_WRITTEN)) | outcome.results
        return replace(outcome, results={tensor: results[tensor] for tensor in RESULTS if tensor in results})

    return [filled(outcome) if outcome.fault is None else outcome for outcome in outcomes]


def _lead(program: Program, layer: SuiteLayer) -> int:
    """The number of X's axes in front of the spatial ones: the layer's, or more if the program fails with these."""
    fails: dict[int, int] = {}
    for lead in range(layer.layer.x_lead, 3):
        outcome = _judged(program, layer.with_lead(lead))
        fails[lead] = 0 if outcome.passed else 2 if outcome.end or Verdict.WRONG_SHAPE in outcome.verdicts else 1
        if outcome.passed or Verdict.UNANSWERED in outcome.verdicts:
            break
    return min(fails, key=fails.__getitem__)


def _outcomes(
    programs: Sequence[Program],
    layers: Sequence[SuiteLayer],
    progress: Progress,
    keep: Kept | None,
    give_up: bool,
) -> Iterator[Outcome]:
    """The outcomes of the layers, in order; each of the programs runs one layer at a time."""
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
                progress(layer.name, number, len(layers), sum(outcome.passed is False for outcome in done))
                if give_up and _is_hopeless(done):
                    yield from (Outcome(each, Result(Verdict.NOT_RUN)) for each in layers[number:])
                    return
                done.append(next(running))
                yield done[-1]
        except BaseException:
            for program in programs:
                program.end()
            raise
        finally:
            if len(done) < len(layers):
                pool.shutdown(wait=False, cancel_futures=True)
                # Ending the programs ends the threads that wait for them.
                for program in programs:
                    program.close()


def _is_hopeless(done: Sequence[Outcome]) -> bool:
    """Whether the first layers that were tried have all ended in the same way, without results."""
    tried = [outcome for outcome in done if Verdict.SKIPPED not in outcome.verdicts]
    ends = {outcome.end and outcome.end.verdict for outcome in tried}
    enough = _ENOUGH_HANGS if ends == {Verdict.UNANSWERED} else _ENOUGH
    return len(tried) == enough and len(ends) == 1 and None not in ends


def _outcome(program: Program, layer: SuiteLayer, keep: Kept | None) -> Outcome:
    """Run a layer, and again if it fails, or if the program keeps running: results may vary from call to call."""
    answer = program.run(layer)
    outcome = _judged(program, layer, answer, TRIES)
    fails = outcome.passed is False
    if not (fails or program.keeps_running) or (keep is None and outcome.verdicts & _LAST):
        return outcome
    again = program.run(layer, partial(keep.put, layer.folder) if keep is not None and fails else None)
    if answer.fault != again.fault:
        failed = again if answer.fault is None else answer
        return replace(_judged(program, layer, failed), faults=outcome.faults, note=_IN_ONE_OF_TWO)
    if is_same(again, outcome):
        return outcome
    if not fails and _judged(program, layer, again).passed:
        return replace(outcome, note=_OTHER_ORDER)
    return replace(outcome, faults=(*outcome.faults, *_varied(outcome, again)))


def _varied(outcome: Outcome, again: Answer) -> Iterator[Fault]:
    """What is wrong with the results of an outcome that are not the same in a second answer; they become `VARIES`."""
    for tensor, before in outcome.claims.items():
        after = again.results.get(tensor)
        report = outcome.results[tensor].report
        if after is None or after.shape != before.shape:
            outcome.results[tensor] = Result(Verdict.VARIES)
        elif not np.array_equal(before, after, equal_nan=True):
            with np.errstate(invalid="ignore"):  # both may be infinite
                off = after - before
            differ = f"{np.count_nonzero(off)} of {off.size} elements of {tensor.title} differ from call to call"
            outcome.results[tensor] = Result(Verdict.VARIES, hint=f"{differ}, by up to {np.abs(off).max():.6g}")
            adds_up = report is not None and off.shape == report.numeric.shape and np.allclose(off, report.numeric)
            says = f"its {tensor.title} adds up over calls, as nothing resets it"
            yield Fault("keeps-state", says) if adds_up else VARIES


def _judged(
    program: Program,
    layer: SuiteLayer,
    answer: Answer | None = None,
    tries: int = 0,
    shown: Mapping[Tensor, Form] = {},
) -> Outcome:
    """The outcome of a layer, for an answer or a new run."""
    answer = answer or program.run(layer)
    claims = answer.results
    found = {**answer.unread, **_graded(program, layer, claims, tries, shown)}
    results = {tensor: found[tensor] for tensor in RESULTS if tensor in found}
    is_coarse = any(each.verdict is Verdict.COARSE for each in results.values())
    if layer.name.startswith(NUMBERS) and (is_coarse or "float16" in map(form_of, claims.values())):
        return Outcome(layer, Result(Verdict.SKIPPED), said="its results do not hold such numbers")
    said = "\n".join(visible(line.expandtabs()) for line in answer.said.splitlines())
    fault = answer.fault and replace(answer.fault, words=visible(answer.fault.words))
    return Outcome(layer, fault, results, said, visible(answer.note), answer.faults, claims)


def _graded(
    program: Program, layer: SuiteLayer, claims: Arrays, tries: int, shown: Mapping[Tensor, Form]
) -> dict[Tensor, Result]:
    if not claims:
        return {}
    given = {tensor: read_tensor(tensor.key, array) for tensor, array in layer.arrays.items()}
    with _GRADING:
        report = check_layer(layer.layer, given, claims, written=program.written, tries=tries, shown=shown)
    return {tensor: _result(report.gradients[tensor.key]) for tensor in claims}


def _result(report: GradientReport) -> Result:
    if isinstance(report, WrongShape):
        shapes = [array.shape for array in (report.analytic, report.numeric)]
        words = "; it must be ".join("×".join(map(str, shape)) or "()" for shape in shapes)
        hint = f"{report.gradient.title} has shape {words}. {report.beside_shape}".strip()
        return Result(Verdict.WRONG_SHAPE, report=report, hint=hint)
    if report.passed is None:
        # The dtype of short numbers promises more than TF32.
        verdict = Verdict.WRONG if report.precision and not report.judged_as else Verdict.COARSE
    elif report:
        verdict = Verdict.RIGHT
    else:
        verdict = Verdict.NOT_FINITE if report.mistake == "not-finite" else Verdict.WRONG
    return Result(verdict, report=report, hint=report.hint)


def _smallest(
    program: Program, start: Outcome, without: Collection[str], progress: Progress
) -> tuple[Outcome, list[Layer]]:
    """The smallest layer found to fail in the same way, after a limited number of runs, and all that fail too."""
    # A search for pairs of mistakes is needed only if a pair explains the failure.
    tries = TRIES if any(len(result.mistakes) > 1 for result in start.results.values()) else 0
    wanted = _way(start)
    failed = [start]
    alike = list[Layer]()
    for layer in smaller_layers(lambda: failed[-1].layer, without, progress):
        with suppress(CnngradError):
            answer = program.run(layer)
            outcome = _judged(program, layer, answer, tries)
            # Rare mistakes are looked for only if they give an array, as this takes long.
            if isinstance(wanted, dict) and any(_gives(name, outcome, tensor) for tensor, name in wanted.items()):
                outcome = _judged(program, layer, answer, TRIES)
            if _way(outcome) == wanted:
                failed.append(outcome)
            if (outcome.end, outcome.verdicts) == (start.end, start.verdicts):
                alike.append(layer.layer)
    return failed[-1], alike


def _gives(name: str, outcome: Outcome, tensor: Tensor) -> bool:
    """Whether a mistake gives a wrong array for which none is known."""
    result = outcome.results.get(tensor)
    if name not in PLACES or result is None or result.report is None or result.verdict is not Verdict.WRONG:
        return False
    return not result.mistakes and any(Wrong(outcome, {}, result.report).made_by(name))


def _way(outcome: Outcome) -> dict[Tensor, str] | Result | None:
    """The way in which a layer fails: the end of the program, or the mistake or status of each array that is not right.

    Empty or None if no smaller layer would show the failure better.
    """
    if outcome.end is not None:
        return outcome.end if outcome.end.verdict.is_telling else None
    return {tensor: result.word for tensor, result in outcome.results.items() if result.verdict.is_telling}
