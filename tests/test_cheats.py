"""A run is not fooled by a backward pass that is wrong only sometimes, and accuses none that looks like one."""

import threading
from itertools import count

import numpy as np
import pytest

import cnngrad
from cnngrad.causes.search import TRIES, Diagnosis
from cnngrad.programs import calling
from cnngrad.programs.calling import Caller
from cnngrad.programs.functions import _InProcess
from cnngrad.programs.judging import run_layers
from cnngrad.programs.verdicts import Fault
from cnngrad.tensor import Tensor
from tests.cheats import (
    CHEATS,
    HONEST,
    NEARLY_RIGHT,
    by_winograd,
    in_order_of_memory,
    keeps_a_plan_without_dilation,
    nothing_in_every_seventh_call,
    of_whole_numbers,
    right,
    zeroes_the_gradient,
)


@pytest.mark.usefixtures("few_smaller_layers")
@pytest.mark.whole
def test_operands_that_are_cut_to_whole_numbers_are_a_mistake_of_the_catalogue():
    findings = cnngrad.check_function(of_whole_numbers, "quick", padding_mode="zeros", decimals=True)
    assert findings.explanation.mistakes == ("products-rounded",)
    assert "both operands to whole numbers" in findings.explanation.hint


@pytest.mark.sampled(7)
@pytest.mark.parametrize(("function", "fault", "says"), CHEATS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_cheat_is_told_by_its_fault(function, fault, says):
    findings = cnngrad.check_function(function, "quick", padding_mode="zeros", decimals=True)
    assert findings.passed is False
    assert (fault, says) in findings.faults
    assert says in " ".join(str(findings).split())


@pytest.fixture(scope="module")
def of_the_same_shapes():
    """Two layers that differ in their dilation alone; and the plainest, and those with most features and most work."""
    named = {layer.name: layer for layer in cnngrad.suite(padding_mode="zeros")}
    return [named[name] for name in ("leftover", "leftover-dilation", "impulse", "all", "many")]


def test_a_plan_that_is_kept_without_the_dilation_is_wrong_in_a_layer_of_the_same_shapes(of_the_same_shapes):
    findings = run_layers([_InProcess(keeps_a_plan_without_dilation)], of_the_same_shapes)
    assert [outcome.layer.name for outcome in findings.failing] == ["leftover-dilation"]


def test_such_a_plan_shows_if_these_layers_run_in_different_processes(of_the_same_shapes):
    both_run = threading.Barrier(2, timeout=30)

    def a_process():
        plans = {}

        def backward(x, w, dedo, *, dilation, **options):
            if not plans:
                both_run.wait()
            return right(x, w, dedo, **options, dilation=plans.setdefault((x.shape, w.shape, dedo.shape), dilation))

        return _InProcess(backward)

    findings = run_layers([a_process(), a_process()], of_the_same_shapes)
    assert [fault.id for fault in findings.faults] == ["keeps-state"]


@pytest.mark.usefixtures("few_smaller_layers")
def test_a_result_that_the_next_call_changes_has_no_other_fault():
    own = {}

    def in_its_own_array(x, w, dedo, **options):
        dw, dx, db = right(x, w, dedo, **options)
        kept = own.setdefault(dx.shape, np.empty(dx.shape))
        kept[...] = dx
        return dw, kept, db

    findings = cnngrad.check_function(in_its_own_array, "quick", padding_mode="zeros")
    assert {fault.id for fault in findings.faults} == {"aliases"}


def test_what_sometimes_adds_nothing_does_not_add_up():
    findings = cnngrad.check_function(nothing_in_every_seventh_call, "quick", padding_mode="zeros")
    assert {fault.id for fault in findings.faults} == {"not-deterministic"}


def test_nothing_that_a_function_replaces_hides_what_it_changes(monkeypatch):
    for name in ("array_equal", "shares_memory"):
        monkeypatch.setattr(np, name, lambda *_, **__: True)
        monkeypatch.setattr(calling, name, lambda *_, **__: True, raising=False)
    findings = cnngrad.check_function(zeroes_the_gradient, "quick", padding_mode="zeros")
    assert ("changes-inputs", "it changes ∂E/∂O in place") in findings.faults


@pytest.mark.whole
@pytest.mark.usefixtures("few_smaller_layers")
def test_axes_are_told_apart_also_if_there_are_as_many_filters_as_channels():
    def turned(x, w, dedo, **options):
        dw, dx, db = right(x, w, dedo, **options)
        return dw.swapaxes(0, 1) if dw.shape[0] == dw.shape[1] else dw, dx, db

    findings = cnngrad.check_function(turned, padding_mode="zeros")
    assert "it fails with as many filters as channels" in findings.summary


def test_after_some_layers_that_no_mistake_gives_only_the_usual_ones_are_sought(monkeypatch):
    sought = []
    diagnosis = "cnngrad.causes.search.Search.diagnosis"
    monkeypatch.setattr(diagnosis, lambda *given: sought.append(given[-1]) or Diagnosis())
    findings = cnngrad.check_function(lambda *a, **o: (right(*a, **o)[0] + 1, None), "quick", padding_mode="zeros")
    assert len(findings.failing) == 12
    assert sought.count(TRIES) == 4


def test_arrays_in_other_memory_are_not_tried_if_the_program_takes_none():
    ways = {"padding_mode": "zeros", "without": ["strided"]}
    findings = cnngrad.check_function(in_order_of_memory, "quick", **ways)
    assert findings.passed, str(findings)
    assert findings.faults == {}


@pytest.mark.whole
@pytest.mark.usefixtures("few_smaller_layers")
def test_numbers_are_no_cause_where_an_array_has_one_number():
    """Divided by its largest number, a single ∂E/∂o is 1 or -1, for which many wrong passes are right."""

    def squares_the_only_gradient(x, w, dedo, *, stride, padding, dilation, groups):
        r = cnngrad.backward(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return r.dw * dedo.flat[0] if dedo.size == 1 else r.dw, r.dx

    findings = cnngrad.check_function(squares_the_only_gradient, without=["bias", "padding-modes"])
    assert findings.faults == {("depends-on-shape", "it fails where elements of O < 2"): ["kernel-as-large-as-x"]}


def test_of_results_that_chance_decides_over_no_cause_is_told():
    """Updates are lost, as in a race of threads; in some layers both calls agree, as if the batch were not added up."""
    calls = count()

    def races(x, w, dedo, **options):
        lost = len(w) > 1 or next(calls) > 4
        return cnngrad.backward(x[-1:], w, dedo[-1:], **options).dw * (1 if lost else 1 + next(calls)), None

    findings = cnngrad.check_function(races, "quick", without=["groups", "bias"])
    assert findings.explanations == []
    assert {fault.id for fault in findings.faults} == {"not-deterministic"}
    (varied, *_) = (outcome for outcome in findings.failing if outcome.faults)
    size = varied.layer.arrays[Tensor.W].size
    differ = f"in {varied.layer.name} {size} of {size} elements of ∂E/∂W differ from call to call, by up to"
    assert differ in findings.summary
    words = {result.word for outcome in findings.failing for result in outcome.results.values()}
    assert words <= {"wrong", "not the same twice"}


def test_a_layer_that_is_right_by_chance_is_no_proof_that_others_depend_on_their_numbers():
    """The one 1 in ∂E/∂O of `impulse` is in the first column; with other numbers it is in the last one."""

    def doubled(x, w, dedo):
        return None, cnngrad.backward(x, w, dedo).dx * (2 if dedo[..., 1:].any() else 1)

    findings = cnngrad.check_function(doubled, "quick")
    assert findings.faults == {}
    assert [outcome.layer.name for outcome in findings.outcomes if outcome.passed] == ["impulse"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("function", "note"), HONEST.items())
def test_a_right_pass_that_looks_like_a_cheat_passes(function, note):
    findings = cnngrad.check_function(function, "quick", padding_mode="zeros")
    assert findings.passed, str(findings)
    assert findings.faults == {}
    assert findings.note == note


@pytest.mark.usefixtures("few_smaller_layers")
@pytest.mark.sampled(3)
@pytest.mark.parametrize("base", [right, by_winograd])
@pytest.mark.parametrize("change", NEARLY_RIGHT.values(), ids=NEARLY_RIGHT)
def test_what_is_wrong_by_as_little_as_rounding_is_wrong(change, base):
    def backward(x, w, dedo, **options):
        dw, dx, db = base(x, w, dedo, **options)
        return (*change(x, w, dw, dx), db)

    layers = [layer for layer in cnngrad.suite("quick") if layer.name in ("impulse", "square", "channels", "bias")]
    findings = run_layers([_InProcess(backward)], layers)
    assert findings.passed is False
    assert "rounding" not in findings.note


@pytest.mark.parametrize("seed", range(3))
def test_other_numbers_of_a_transform_are_right_too(seed):
    findings = cnngrad.check_function(by_winograd, "quick", padding_mode="zeros", seed=seed)
    assert findings.passed, str(findings)


def test_results_that_share_memory_with_each_other_are_told():
    (layer,) = [each for each in cnngrad.suite("quick") if each.name == "square"]
    both = np.zeros(30)
    caller = Caller(lambda x, w, dedo: (both[:9].reshape(w.shape), both[8:24].reshape(1, 1, 4, 4)))
    assert caller.call(layer.layer, layer.arrays, {}).faults == (
        Fault("aliases", "its ∂E/∂X shares memory with ∂E/∂W"),
    )
    caller = Caller(lambda x, w, dedo: (both[:9].reshape(w.shape), both[9:25].reshape(1, 1, 4, 4)))
    assert caller.call(layer.layer, layer.arrays, {}).faults == ()
