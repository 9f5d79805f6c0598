"""Running a backward pass over many layers, and a function for Python that does."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.derivation.expansion import Expander
from cnngrad.derivation.names import canonical_values
from cnngrad.errors import CnngradError
from cnngrad.gradcheck import check_layer
from cnngrad.gradcheck.reading import OPERANDS, as_expansion, read_element
from cnngrad.gradcheck.report import Compared, GradientReport
from cnngrad.running.calling import UnsupportedLayerError, call
from cnngrad.running.findings import Findings, Outcome, Result, explain
from cnngrad.running.programs import Answer, Program
from cnngrad.running.suites import SuiteLayer
from cnngrad.running.suites import suite as suite_layers
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["check_function", "run_layers"]

# Seconds that are spent on pairs of mistakes in one array.
_PATIENCE = 0.3
# How often the program is run to read its products.
_MOST_READINGS = 200

# Called with a layer's name, the number of layers done, that of all, and that of failures so far.
Progress = Callable[[str, int, int, int], None]


def check_function(
    function: Callable[..., Any],
    suite: str = "standard",
    *,
    dims: int = 2,
    without: Collection[str] = (),
    decimals: bool = False,
    seed: int = 0,
    expect: Sequence[str] = (),
    convert: Callable[[Array], Any] | None = None,
) -> Findings:
    """Run a backward pass of your own over the layers of a suite, and find the mistake behind its failures.

    Args:
        function: called as f(x, w, dedo, *, stride, padding, dilation, groups), each option an int where all axes
            agree, else a tuple (padding of (before, after)). Options that it does not take are left out, and layers
            that need them skipped, as where it raises NotImplementedError. It returns (dw, dx), (dw, dx, db), a
            mapping, or an object with these names.
        suite: `"quick"`, `"standard"` or `"thorough"`.
        dims: the number of spatial axes.
        without: what it does not have, as for `suite`.
        decimals: numbers that aren't integers.
        seed: another seed gives other numbers.
        expect: the results that it must give, such as `["dEdW", "dEdX"]`.
        convert: makes its arrays from NumPy's, such as `torch.from_numpy`.

    Returns:
        Findings: `passed`, the text with `str`, `as_json()`, `raise_if_wrong()`.

    Raises:
        CnngradError: an unknown suite, feature or result.

    >>> findings = check_function(lambda x, w, dedo: (0 * w, 0 * x), "quick", without=["stride", "bias"])
    >>> findings.passed, findings.explanation.mistakes
    (False, ('zero',))
    """
    layers = suite_layers(suite, dims=dims, without=without, decimals=decimals, seed=seed)
    return run_layers(_InProcess(function, convert), layers, expect=expected(expect))


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


class _InProcess(Program):
    """A Python function, called in this process."""

    def __init__(self, function: Callable[..., Any], convert: Callable[[Array], Any] | None) -> None:
        self._function, self._convert = function, convert

    def run(self, layer: SuiteLayer) -> Answer:
        """Call it; what it raises is its status."""
        try:
            return Answer("", {**call(self._function, layer.layer, layer.arrays, self._convert)})
        except (UnsupportedLayerError, NotImplementedError):
            return Answer("", {}, skipped=True)
        except Exception as error:
            return Answer(f"exception ({type(error).__name__})", {}, f"{type(error).__name__}: {error}")


def run_layers(
    program: Program, layers: Sequence[SuiteLayer], expect: Sequence[Tensor] = (), progress: Progress | None = None
) -> Findings:
    """Run a program on some layers, grade what it gives, and look for the one mistake behind its failures."""
    outcomes: list[Outcome] = []
    for number, layer in enumerate(layers):
        if progress is not None:
            progress(layer.name, number, len(layers), sum(outcome.passed is False for outcome in outcomes))
        outcomes.append(_outcome(program, layer))
    outcomes = _with_missing(outcomes, expect)
    found = Findings(outcomes, explain(outcomes))
    failing = found.failing
    if found.explanation is not None:
        wanted = frozenset(found.explanation.mistakes)
        failing = [o for o in failing if any(wanted in result.explanations for result in o.results.values())]
    if not failing:
        return found
    smallest = min(failing, key=lambda outcome: _size(outcome.layer))
    compared, note = _read_off(program, smallest)
    return replace(found, smallest=smallest.layer, compared=compared, note=note)


def _size(layer: SuiteLayer) -> int:
    return layer.arrays[Tensor.DEDO].size * layer.arrays[Tensor.W].size


def _outcome(program: Program, layer: SuiteLayer) -> Outcome:
    """Run a layer; one that fails is run again, since what differs then is a mistake of its own kind."""
    answer = program.run(layer)
    if answer.skipped:
        return Outcome(layer, said=answer.said, skipped=True)
    results = {} if answer.status else _graded(layer, answer, program.written)
    outcome = Outcome(layer, answer.status, results, answer.said)
    if outcome.passed is not False or answer.status:
        return outcome
    again = program.run(layer)
    for tensor, before in answer.results.items():
        after = again.results.get(tensor)
        if isinstance(before, np.ndarray) and not _same(before, after):
            results[tensor] = Result("not the same twice")
    return outcome


def _same(before: Array, after: object) -> bool:
    return isinstance(after, np.ndarray) and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")


def _graded(layer: SuiteLayer, answer: Answer, written: str | None) -> dict[Tensor, Result]:
    claims = {tensor: array for tensor, array in answer.results.items() if not isinstance(array, str)}
    found = {tensor: Result(words) for tensor, words in answer.results.items() if isinstance(words, str)}
    if claims:
        ordered = {tensor: claims[tensor] for tensor in RESULTS if tensor in claims}
        report = check_layer(layer.layer, layer.operands, ordered, written=written, patience=_PATIENCE)
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


def _read_off(program: Program, outcome: Outcome) -> tuple[tuple[Compared, ...], str]:
    """The worst element of every wrong array as the program computes it, read off with impulses."""
    compared, notes = [], []
    for result, found in outcome.results.items():
        report = found.report
        if found.status != "wrong" or report is None or report.worst is None or report.analytic is None:
            continue
        layer, arrays = outcome.layer.layer, outcome.layer.arrays
        index = report.worst.index
        canonical = layer.canonical_index(result, layer.layouts.standard_shape(result, index))
        values = canonical_values(layer, arrays)
        expansion = replace(Expander(layer, values).expand(result, canonical), value=report.worst.numeric)
        yours = report.analytic[index].item()
        if isinstance(expansion.value, int) and yours == int(yours):
            yours = int(yours)
        try:
            compute = _Reader(program, outcome.layer, result, index)
            if compute({}) != 0:
                notes.append(f"With zeros in its arrays, {result.title} is not 0: something is not reset.")
                continue
            products = read_element(layer, result, compute, _MOST_READINGS)
        except _NoAnswerError:
            notes.append(f"{result.title} could not be read off: the program did not answer on impulses.")
            continue
        made = None if products is None else as_expansion(layer, result, canonical, products, values, yours)
        if products is not None and made is None:
            others = " and ".join(tensor.title for tensor in OPERANDS[result])
            notes.append(f"{result.title} is not a sum of products of {others} alone: it depends on something else.")
        compared.append(Compared(yours, expansion, made))
    return tuple(compared), " ".join(notes)


class _NoAnswerError(Exception):
    """The program gave no array."""


class _Reader:
    """Computes one element by running the program with other arrays."""

    def __init__(self, program: Program, layer: SuiteLayer, result: Tensor, index: tuple[int, ...]) -> None:
        self._program, self._layer, self._result, self._index = program, layer, result, index

    def __call__(self, arrays: Any) -> float:
        """The element, with these arrays in canonical shape; operands of the result that are not given are 0."""
        layer = self._layer.layer
        changed = dict(self._layer.arrays)
        for tensor in (*OPERANDS[self._result], Tensor.B):
            if tensor in changed and (tensor is not Tensor.B or self._result is Tensor.O):
                zeros = np.zeros(layer.canonical[tensor])
                changed[tensor] = np.asarray(arrays.get(tensor, zeros)).reshape(layer.shapes[tensor])
        answer = self._program.run(SuiteLayer(self._layer.name, layer, changed))
        found = answer.results.get(self._result)
        if answer.status or not isinstance(found, np.ndarray) or found.ndim != len(self._index):
            raise _NoAnswerError
        value: float = found[self._index].item()
        return value
