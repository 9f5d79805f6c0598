"""The layers of a suite: which ones replace others, what is the same in all, and what was never tried."""

import json
from math import prod

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.layer import make_layer
from cnngrad.programs.conditions import CONDITIONS
from cnngrad.programs.shrinking import shrunk
from cnngrad.programs.suites import FEATURES, features
from cnngrad.programs.verdicts import Outcome, Verdict
from cnngrad.tensor import Tensor
from tests import golden

# Each feature, and what a suite without it never tries.
NEVER = {
    "batch": {"batch > 1"},
    "channels": {"channels > 1", "filters > 1", "groups > 1"},
    "groups": {"groups > 1"},
    "stride": {"stride > 1"},
    "padding": {"padding > 0", "an uneven padding"},
    "dilation": {"dilation > 1"},
    "bias": {"a bias"},
    "asymmetric": {"an uneven padding"},
    "non-square": {"axes that differ"},
    "padding-modes": {"padding that is not zeros"},
}


def right(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw, found.dx, found.db


def of_four_axes(x, w, dedo, **options):
    assert x.ndim == 4
    return right(x, w, dedo, **options)


def test_the_layers_are_the_ones_that_people_have_seen():
    assert golden.suite() == (golden.FOLDER / "suite.txt").read_text(encoding="utf-8")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", golden.ASKED_OF_ALL)
def test_layers_with_what_is_asked_of_all_are_those_that_people_have_seen(name):
    assert golden.asked(name) == golden.kept("asked", name)


def test_no_layer_hides_a_zero():
    for dims, seed, decimals in ((1, 0, False), (2, 0, False), (2, 1, True), (3, 2, False)):
        for layer in cnngrad.suite("standard", dims=dims, seed=seed, decimals=decimals):
            arrays = {tensor.keyword: array for tensor, array in layer.arrays.items() if tensor is not Tensor.B}
            found = cnngrad.backward(**arrays, **layer.layer.options)
            assert found.dw.any(), layer.name
            assert found.dx.any(), layer.name
            dedo = layer.arrays[Tensor.DEDO]
            # A wrong dE/db may add up over filters or groups.
            by_group = found.db.reshape(layer.layer.groups, -1)
            for sums in (by_group, by_group.sum(0), by_group.sum(1), by_group.sum()):
                assert (np.abs(sums) > 0.1 * np.abs(dedo[dedo != 0]).min()).all(), layer.name


@pytest.mark.sampled(7)
@pytest.mark.parametrize("feature", FEATURES)
def test_a_layer_without_it_stands_in_the_place_of_each_that_has_it(feature):
    whole, without = cnngrad.suite("standard"), cnngrad.suite("standard", without=[feature])
    assert len(without) == len(whole)
    for old, new in zip(whole, without, strict=True):
        needs = features(old.layer)
        assert feature not in features(new.layer)
        assert new.name == (f"{old.name} without {feature}" if feature in needs else old.name)
        assert (new.instead_of is None) == (feature not in needs)
    # The quick suite pads with zeros alone.
    name = "standard" if feature == "padding-modes" else "quick"
    findings = cnngrad.check_function(right, name, without=[feature])
    assert findings
    assert set(findings.never_tried) == NEVER[feature]
    assert "never tried" in findings.summary
    assert findings.as_json()["left_out"] > 0


def test_without_all_that_may_be_missing_every_layer_is_plain():
    layers = cnngrad.suite("standard", without=FEATURES)
    assert len(layers) == 71
    assert not any(test(layer.layer) for layer in layers for test in CONDITIONS.values())


def test_an_axis_of_one_sample_stays_where_the_program_has_it():
    for without in (["batch"], ["batch", "channels"]):
        findings = cnngrad.check_function(of_four_axes, "quick", without=without)
        assert findings.passed
        assert findings.note == "Its arrays have a sample axis of length 1."
        assert cnngrad.check_function(right, "quick", without=without).note == ""


def test_a_program_that_computes_wrongly_without_the_axis_of_one_sample_gets_it():
    def wrong_without(x, w, dedo, **options):
        dw, dx, db = right(x, w, dedo, **options)
        return dw if x.ndim == 4 else -dw, dx, db

    findings = cnngrad.check_function(wrong_without, "quick", without=["batch"])
    assert findings.passed
    assert findings.note == "Its arrays have a sample axis of length 1."


@pytest.mark.usefixtures("undiagnosed", "few_smaller_layers")
def test_a_program_with_wrong_shapes_without_the_axis_of_one_sample_is_judged_with_it():
    def wrong(x, w, dedo, **options):
        dw, dx, db = right(x, w, dedo, **options)
        return dw + 1 if x.ndim == 4 else dw[0], dx, db

    findings = cnngrad.check_function(wrong, "quick", without=["batch"])
    assert "Its arrays have a sample axis of length 1." in findings.note
    assert {Verdict.WRONG} <= findings.failing[0].verdicts


FIXED = {"stride": 2, "padding": "same", "dilation": 2, "groups": 3}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("option", FIXED)
def test_an_option_is_the_same_in_all_layers_and_need_not_be_taken(option):
    fixed = {option: FIXED[option]}

    def hard_coded(x, w, dedo, **others):
        return right(x, w, dedo, **{**others, **fixed})

    layers = cnngrad.suite("standard", **fixed)
    same = {str(layer.layer.options[option]) for layer in layers}
    assert len(layers) == 71
    assert same == {str(FIXED[option])} or option == "padding"
    # Smaller layers keep it.
    smaller = []
    shrunk(Outcome(layers[11], None), smaller.append, (), lambda *_: None)
    assert min(prod(each.layer.size) for each in smaller) < 9
    for layer in (each.layer for each in smaller):
        kept = make_layer(layer.shapes[Tensor.X], layer.shapes[Tensor.W], **layer.options | fixed)
        assert (kept.axes, kept.groups) == (layer.axes, layer.groups)
    findings = cnngrad.check_function(hard_coded, "quick", **fixed)
    assert findings, str(findings)
    plain = cnngrad.check_function(lambda x, w, dedo: right(x, w, dedo, **fixed), "quick", **fixed)
    assert plain.passed
    assert plain.outcomes[2].passed


def test_padding_same_and_an_output_size_hold_for_all_transposed_layers():
    for layer in cnngrad.suite("quick", transposed=True, padding="same"):
        sizes = zip(layer.layer.axes, layer.layer.out, strict=True)
        assert all(out == axis.stride * axis.size for axis, out in sizes)
    assert {each.layer.out for each in cnngrad.suite("quick", transposed=True, output_size=99)} == {(99, 99)}


def test_a_function_that_a_command_names_need_not_take_a_given_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import cnngrad\n"
        "def f(x, w, dedo):\n"
        "    r = cnngrad.backward(x, w, dedo, stride=2)\n"
        "    return r.dw, r.dx, r.db\n"
    )
    assert main(["check", "--run", "mine:f", "--suite", "quick", "--stride", "2", "--run-only", "plain"]) == 0


def test_flip_and_shapes_are_the_same_in_all_layers(tmp_path, monkeypatch, capsys):
    assert cnngrad.check_function(lambda *a, **o: right(*a, **o, flip=True), "quick", flip=True)
    monkeypatch.chdir(tmp_path)
    words = ["check", "--run", "true", "--suite", "quick", "--run-only", "p*", "--json"]
    for given, of_all in {
        ("-w", "5x4"): {"W": [5, 4]},
        ("-w", "4x3x3x3"): {"W": [4, 3, 3, 3]},
        ("-x", "2x3x4x4", "--groups", "1"): {"X": [2, 3, 4, 4]},
        ("-x", "9x9", "-w", "3x3"): {"X": [9, 9], "W": [3, 3]},
        ("-x", "9x9", "--groups", "2"): {"X": [2, 9, 9]},
    }.items():
        main([*words, *given])
        layers = json.loads(capsys.readouterr().out)["layers"]
        assert len(layers) == 2
        for layer in layers:
            for key, shape in of_all.items():
                assert layer["layer"]["shapes"][key][-len(shape) :] == shape
    assert main([*words, "-w", "5"]) == 2
    assert "W has shape (5,): write the 2 sizes of its spatial axes, or all sizes" in capsys.readouterr().out
    assert main([*words, "--run-only", "*", "-x", "3x8x8"]) == 2
    assert "the suite's layer groups: X (1, 3, 8, 8) has 3 channels" in capsys.readouterr().out
    assert main([*words, "--stride", "0"]) == 2
    assert "stride is 0" in capsys.readouterr().out


def test_what_was_left_out_is_said(mine, capsys):
    words = ["check", "--run", mine("return r.dw, r.dx, r.db"), "--suite", "quick"]
    assert main([*words, "--run-only", "s*"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "All 2 layers pass; padding > 0, an uneven padding, dilation > 1" in said
    assert "were never tried: 7 layers left out" in said
    assert main([*words, "--run-only", "all"]) == 0
    assert "The layer passes; 11 other layers of the suite not run." in " ".join(capsys.readouterr().out.split())


def test_an_output_may_be_one_number(mine):
    program = mine("return r.dw, r.dx, r.db")
    words = ["check", "--run", program, "--suite", "quick", "--run-only", "plain"]
    assert main([*words, "-x", "2x2", "-w", "2x2"]) == 0


def test_the_suites_have_as_many_layers_as_the_readme_says():
    assert [len(cnngrad.suite(name)) for name in ("quick", "standard", "thorough")] == [12, 71, 300]
    assert "on 71 layers" in (golden.FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")


def test_layers_have_sizes_at_the_edges_of_tiles_and_numbers_at_those_of_types():
    layers = {layer.name: layer for layer in cnngrad.suite("standard", decimals=True)}
    shapes = {name: layer.layer.canonical for name, layer in layers.items()}
    assert shapes["edge-outputs"][Tensor.O] == (1, 1, 39, 18)
    assert shapes["edge-channels"][Tensor.DX][1] == 11
    assert min(np.prod(shapes["edge-channels"][result]) for result in (Tensor.DW, Tensor.DX)) > 1024
    assert shapes["edge-groups"][Tensor.X][0] == layers["edge-groups"].layer.groups == 5
    assert shapes["channels-more"][Tensor.W][0] == 5
    assert shapes["edge-kernel"][Tensor.W][2:] == (7, 8)
    assert shapes["edge-column"][Tensor.O][3] == 1
    axes = layers["edge-padding"].layer.axes
    assert all(min(axis.before, axis.after) > axis.dilation * (axis.kernel - 1) for axis in axes)
    # Few decimals, so that a failing layer's numbers are short.
    assert all(np.array_equal(array, array.round(3)) for array in layers["plain"].arrays.values())
    sizes = {name: {t: np.abs(array) for t, array in layers[name].arrays.items()} for name in layers if "numb" in name}
    for name, least in (("numbers-above-127", 128), ("numbers-above-32767", 2**15)):
        assert all(array.max() > least for array in sizes[name].values())
    assert all(array.max() < 2**-36 for array in sizes["numbers-tiny"].values())
    assert all(array.max() > 500 * array.min() for array in sizes["numbers-apart"].values())
    assert all(0 < np.count_nonzero(array) < array.size for array in sizes["numbers-zero"].values())


def test_random_layers_reach_the_edges_of_tiles():
    layers = [layer.layer for layer in cnngrad.suite("thorough")[71:]]
    assert max(max(layer.out) for layer in layers) > 60
    assert max(layer.batch for layer in layers) > 60
    assert max(layer.group_channels for layer in layers) > 60
    assert max(layer.group_filters for layer in layers) > 60


def test_numbers_that_a_format_does_not_hold_say_nothing_of_the_program():
    def half(x, w, dedo, **options):
        x, w, dedo = (np.asarray(array, np.float16).astype(np.float32) for array in (x, w, dedo))
        with np.errstate(over="ignore", invalid="ignore"):
            found = cnngrad.backward(*(np.clip(array, -65504, 65504) for array in (x, w, dedo)), **options)
            return found.dw.astype(np.float16), found.dx.astype(np.float16)

    findings = cnngrad.check_function(half, "standard", decimals=True, padding_mode="zeros")
    assert findings.passed, str(findings)
    skipped = {outcome.layer.name for outcome in findings.outcomes if not outcome.was_tried}
    assert skipped == {name for name in skipped if name.startswith("numbers-")}
    assert len(skipped) == 5
