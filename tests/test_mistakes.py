"""The checker is checked: wrong backward passes are found and named, right ones never accused."""

import itertools
import json
import runpy
import tracemalloc
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnngrad
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.hard import hard_problem
from cnngrad.checks.tolerance import form_shown
from cnngrad.cli.main import main
from cnngrad.compute import Work
from cnngrad.layer import make_layer
from cnngrad.tensor import DX, Tensor
from tests import buggy, golden, reference
from tests.cases import Case, layers

LAYERS = [
    Case((2, 2, 7, 6), (3, 2, 3, 3), (2, 3), ((1, 2), (0, 1)), (1, 1)),
    Case((2, 4, 6, 5), (4, 2, 2, 2), (1, 1), ((1, 1), (1, 1)), (1, 1), groups=2),
    Case((3, 1, 8, 7), (2, 1, 2, 3), (3, 2), ((0, 0), (0, 0)), (1, 1)),
    Case((2, 2, 8, 9), (2, 2, 3, 2), (1, 2), ((2, 1), (1, 0)), (2, 2)),
    Case((2, 3, 9, 8), (2, 3, 3, 3), (2, 2), ((1, 1), (1, 1)), (2, 1)),
    Case((2, 4, 7, 8), (6, 2, 3, 2), (3, 3), ((2, 0), (1, 2)), (1, 2), groups=2),
    Case((2, 2, 9, 9), (2, 2, 2, 2), (3, 3), ((1, 0), (0, 1)), (1, 1)),
    Case((2, 1, 10, 9), (1, 1, 2, 2), (3, 4), ((0, 0), (0, 0)), (1, 1)),
    Case((2, 2, 8, 7), (2, 2, 2, 2), (3, 3), ((0, 0), (0, 0)), (1, 1)),
    Case((2, 6, 6, 7), (6, 2, 3, 2), (1, 2), ((0, 1), (1, 0)), (1, 1), groups=3),
]

SMALL_LAYER = Case((1, 2, 5, 4), (3, 2, 3, 2), (1, 1), ((0, 0), (1, 1)), (1, 1))

# Layers whose padding holds elements of X.
FILLED = [
    Case((2, 2, 6, 5), (2, 2, 3, 2), (1, 1), ((2, 1), (1, 2)), (1, 1), mode="reflect"),
    Case((2, 2, 6, 7), (3, 2, 2, 3), (1, 2), ((1, 2), (2, 1)), (1, 1), mode="replicate"),
    Case((1, 4, 5, 6), (4, 2, 3, 2), (1, 1), ((1, 2), (2, 1)), (1, 1), groups=2, mode="circular"),
    Case((2, 1, 7, 6), (2, 1, 3, 3), (2, 1), ((3, 2), (2, 3)), (1, 1), mode="reflect"),
    Case((2, 2, 5, 6), (2, 2, 3, 2), (1, 1), ((2, 2), (3, 1)), (2, 1), mode="replicate"),
    Case((2, 2, 6, 5), (2, 2, 2, 3), (1, 1), ((3, 1), (1, 2)), (1, 1), mode="circular"),
]
PASSES = [
    (name, number, gradient, wrong, needs)
    for name, entries in buggy.BUGGY.items()
    for number, (gradient, wrong, needs) in enumerate(entries)
]
# Rare mistakes are looked for last, which takes time.
RARE = {mistake.id for mistake in CATALOGUE if not mistake.short}
USUAL = {mistake.id for mistake in CATALOGUE} - RARE


def suits(q, needs):
    if needs == buggy.SQUARE:
        return q.kh == q.kw
    return needs is None or needs(q)


def checked(q, gradient, claim):
    return cnngrad.check(q.x, q.w, q.g, b=np.zeros(q.F, int), **q.case.options, **{gradient: claim})


def graded(q, gradient, claim):
    return checked(q, gradient, claim).gradients[{"dw": "dEdW", "dx": "dEdX", "db": "dEdb"}[gradient]]


@pytest.mark.parametrize(
    ("name", "number", "gradient", "wrong", "needs"),
    [pytest.param(*p, marks=pytest.mark.whole if p[1] >= (1 if p[0] in RARE else 2) else ()) for p in PASSES],
    ids=[f"{p[0]}-{p[1]}" for p in PASSES],
)
def test_a_known_mistake_is_named_in_several_layers(name, number, gradient, wrong, needs, whole):
    least = 3 if whole else 1
    # A rare mistake takes time, and has no name of its own if a usual one explains the result.
    is_usual = whole and name not in RARE
    named = 0
    for place, case in enumerate(LAYERS + FILLED):
        # With --whole the ways to make a usual mistake take turns at the other layers.
        if named >= least and not (is_usual and place % 2 == number % 2):
            continue
        q = buggy.Layer(case)
        if not suits(q, needs):
            continue
        claim = wrong(q)
        right = {"dw": buggy.right_dw, "dx": buggy.right_dx, "db": buggy.right_db}[gradient](q)
        if claim.shape == right.shape and (claim == right).all():
            continue
        if claim.size == 1 and name not in ("zero", "sign-flipped", "scaled"):
            # One number fits too many mistakes.
            continue
        forms = (claim, claim.astype(np.float32), np.asfortranarray(claim).astype(">f8"))
        whole_report = checked(q, gradient, forms[named % len(forms)])
        (report,) = whole_report.gradients.values()
        if name in RARE and report.mistake in USUAL:
            continue
        assert not report.passed
        assert name in (report.mistake, *report.also), (case, report.mistake, report.hint)
        assert report.hint
        # Names such as dX begin a sentence as they are.
        assert "DX" not in report.hint
        assert "DE/d" not in report.hint
        named += 1
        # The whole report can be shown.
        assert named > 1 or (number and not whole) or str(whole_report)
    assert named >= least


TRANSPOSED = [
    Case((2, 2, 4, 3), (2, 3, 3, 2), (2, 3), ((1, 2), (0, 1)), (1, 1), transposed=True, extra=(1, 2)),
    Case((2, 4, 3, 4), (4, 2, 3, 3), (1, 2), ((1, 0), (1, 2)), (2, 1), groups=2, transposed=True, extra=(0, 1)),
    Case((1, 3, 4, 4), (3, 3, 2, 2), (3, 2), ((0, 1), (2, 0)), (1, 2), transposed=True, extra=(2, 1)),
    Case((3, 2, 3, 5), (2, 2, 3, 3), (2, 1), ((2, 1), (1, 1)), (1, 2), transposed=True, extra=(1, 1)),
    Case((2, 4, 4, 3), (4, 1, 2, 3), (2, 2), ((1, 1), (2, 1)), (1, 1), groups=2, transposed=True, extra=(1, 1)),
    Case((2, 4, 3, 3), (4, 2, 2, 2), (1, 1), ((1, 0), (0, 1)), (2, 2), groups=2, transposed=True, extra=(0, 0)),
]
OF_TRANSPOSED = [(name, *entry) for name, entries in buggy.TRANSPOSED.items() for entry in entries]


def of_transposed(q, result, claim):
    report = cnngrad.check(q.x, q.w, q.g, b=q.b, **q.case.options, **{result: claim})
    return report.gradients["O" if result == "o" else f"dEd{result[1:].upper() if result != 'db' else 'b'}"]


@pytest.mark.parametrize(
    ("name", "result", "wrong", "needs"), OF_TRANSPOSED, ids=[f"{p[0]}-{p[1]}-{k}" for k, p in enumerate(OF_TRANSPOSED)]
)
def test_a_mistake_in_a_transposed_layer_is_named(name, result, wrong, needs, whole):
    named, least = 0, 2 if whole else 1
    for case in TRANSPOSED:
        if named == least and not whole:
            break
        q = buggy.Transposed(case)
        if needs is None or needs(q):
            claim, right = wrong(q), buggy.RIGHT[result](q)
            if claim.shape != right.shape or (claim != right).any():
                report = of_transposed(q, result, claim)
                assert not report.passed
                assert name in (report.mistake, *report.also), (case, report.mistake, report.hint)
                named += 1
    assert named >= least or name in ("channels-swapped", "groups-mixed", "output-padding-wrong-side")
    assert named


def test_a_mistake_that_is_made_before_b_is_added_is_named():
    q = buggy.Transposed(TRANSPOSED[0])
    report = of_transposed(q, "o", buggy.zeros_behind(q, False) + q.b.reshape(-1, 1, 1))
    assert (report.passed, report.mistake) == (False, "output-padding-zeros")
    x, w, b, _ = LAYERS[0].data()
    o = cnngrad.forward(x, w, **LAYERS[0].options)[..., ::-1, ::-1] + b.reshape(-1, 1, 1)
    assert cnngrad.check(x, w, b=b, o=o, **LAYERS[0].options).gradients["O"].mistake == "result-rotated"


def test_the_loops_of_transposed_layers_without_a_mistake_are_right():
    for case in TRANSPOSED:
        q = buggy.Transposed(case)
        for result, loops in buggy.RIGHT.items():
            assert of_transposed(q, result, loops(q)).passed


PAIRS = {
    ("filter-not-rotated", "stride-ignored"): lambda q: buggy.crop(
        q, buggy.scatter(q, w=q.w[:, :, ::-1, ::-1], sh=1, sw=1)
    ),
    ("filter-not-rotated", "dilation-ignored"): lambda q: buggy.crop(
        q, buggy.scatter(q, w=q.w[:, :, ::-1, ::-1], dh=1, dw=1)
    ),
    ("filter-not-rotated", "padding-ignored"): lambda q: buggy.crop(q, buggy.scatter(q, w=q.w[:, :, ::-1, ::-1]), 0, 0),
    ("stride-ignored", "padding-ignored"): lambda q: buggy.crop(q, buggy.scatter(q, sh=1, sw=1), 0, 0),
    ("filter-not-rotated", "scaled"): lambda q: buggy.crop(q, buggy.scatter(q, w=q.w[:, :, ::-1, ::-1])) / q.N,
    ("filter-not-rotated", "sign-flipped"): lambda q: -buggy.crop(q, buggy.scatter(q, w=q.w[:, :, ::-1, ::-1])),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("pair", "wrong"), PAIRS.items(), ids=["+".join(pair) for pair in PAIRS])
def test_two_mistakes_are_named_together(pair, wrong, whole):
    named, least = 0, 3 if whole else 1
    for case in LAYERS:
        if named == least and not whole:
            break
        q = buggy.Layer(case)
        report = graded(q, "dx", wrong(q))
        assert report.passed is False
        if report.together:
            found = {report.mistake, *report.together}
            assert found == set(pair) or "+".join(pair) in report.also or "+".join(pair[::-1]) in report.also
            assert report.as_json()["and"] == list(report.together)
            named += 1
    assert named >= least


def test_every_mistake_is_tried_after_a_common_one():
    """W not rotated, and rows and columns of dE/dO exchanged in memory."""
    q = buggy.Layer(LAYERS[4])
    turned = q.g.reshape(q.N, q.F, q.Wo, q.Ho).swapaxes(2, 3)
    report = graded(q, "dx", buggy.crop(q, buggy.scatter(q, w=q.w[:, :, ::-1, ::-1], g=turned)))
    assert (report.mistake, report.together) == ("filter-not-rotated", ("operand-layout",))


def test_a_cause_does_not_depend_on_the_clock(monkeypatch):
    """A machine so slow that each look at the clock is an hour later finds the same cause."""
    hours = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: 3600.0 * next(hours))
    q = buggy.Layer(LAYERS[0])
    report = graded(q, "dx", PAIRS["filter-not-rotated", "sign-flipped"](q))
    assert (report.mistake, report.together) == ("sign-flipped", ("filter-not-rotated",))
    assert report.compare(report.worst_at).made is not None
    unnamed = graded(q, "dx", buggy.crop(q, buggy.scatter(q, sh=4)))
    assert unnamed.mistake is None
    assert unnamed.relation


def test_the_loops_without_a_mistake_are_right():
    for case in LAYERS + FILLED:
        q = buggy.Layer(case)
        for gradient, loops in (("dw", buggy.right_dw), ("dx", buggy.right_dx), ("db", buggy.right_db)):
            assert graded(q, gradient, loops(q)).passed


def test_every_entry_of_the_catalogue_is_tried_here():
    assert {mistake.id for mistake in CATALOGUE} == {*buggy.BUGGY, *buggy.TRANSPOSED}


@pytest.mark.parametrize("name", golden.TOLD)
def test_the_words_for_mistakes_are_those_that_people_have_seen(name):
    assert golden.words(name) == golden.kept("words", name)


def test_mistakes_are_told_and_made_as_people_have_seen():
    assert golden.mistakes() == (golden.FOLDER / "mistakes.txt").read_text(encoding="utf-8")


def test_entries_read_as_sentences():
    for mistake in CATALOGUE:
        assert not mistake.says.endswith(".")
        assert not mistake.fix.endswith(".")


@given(layers(), st.integers(0, 2**16), st.sampled_from([np.float64, np.float32, np.float16]))
def test_right_gradients_are_never_accused(case, seed, dtype):
    x, w, b, dedo = case.data(seed, dtype)
    grads = cnngrad.backward(x, w, dedo, **case.options)
    report = cnngrad.check(x, w, dedo, b=b, dw=grads.dw, dx=grads.dx, db=grads.db, **case.options)
    assert report.passed, report
    exact = cnngrad.backward(*(a.astype(np.float64) for a in (x, w, dedo)), **case.options)
    wide = [getattr(exact, name) for name in ("dw", "dx", "db")]
    if min(np.abs(a).max() for a in wide) > 0.1:
        rounded = [np.round(a, 4).tolist() for a in wide]
        assert cnngrad.check(x, w, dedo, b=b, dw=rounded[0], dx=rounded[1], db=rounded[2], **case.options).passed


@pytest.mark.parametrize("case", LAYERS)
def test_special_data_is_judged_rightly(case):
    x, w, b, dedo = case.data()
    for x_, w_, g_ in (
        (x, w + w[:, :, ::-1, ::-1], dedo),
        (x, w, 0 * dedo),
        (0 * x, w, dedo),
        (x, w, np.ones_like(dedo)),
        (x * 1e-12, w * 1e12, dedo * 1.0),
        (x * 1e12, w * 1e-12, dedo * 1e-12),
    ):
        grads = cnngrad.backward(x_, w_, g_, **case.options)
        assert cnngrad.check(x_, w_, g_, b=b, dw=grads.dw, dx=grads.dx, db=grads.db, **case.options).passed


@pytest.mark.sampled(13)
@pytest.mark.parametrize(
    ("case", "dtype"), [*((case, np.int64) for case in LAYERS), *((case, np.float64) for case in LAYERS[::3])]
)
def test_unknown_errors_get_no_name_and_are_located(case, dtype):
    generator = np.random.default_rng(0)
    x, w, b, dedo = case.data(1, dtype)
    grads = cnngrad.backward(x, w, dedo, **case.options)
    for gradient, right in (("dw", grads.dw), ("dx", grads.dx)):
        noisy = right + generator.permuted(np.arange(1, right.size + 1)).reshape(right.shape).astype(dtype)
        report = cnngrad.check(x, w, dedo, b=b, **case.options, **{gradient: noisy}).gradients[
            f"dEd{gradient[1].upper()}"
        ]
        assert (report.passed, report.mistake, report.also) == (False, None, ())
        assert report.hint == "No known mistake gives this: every element is wrong."


def located(index, value=1):
    case = Case((2, 2, 6, 5), (2, 2, 2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1))
    x, w, _, dedo = case.data(3)
    dx = cnngrad.backward(x, w, dedo, **case.options).dx.copy()
    dx[index] += np.arange(1, dx[index].size + 1).reshape(dx[index].shape) * 7
    report = cnngrad.check(x, w, dedo, dx=dx, **case.options).gradients["dEdX"]
    assert report.mistake is None
    return report.hint.removeprefix("No known mistake gives this: ")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ((1, 0, 2, 3), "only one element is wrong."),
        (np.s_[1], "60 of 120 elements are wrong, all in sample 2 (the last)."),
        (np.s_[:, 0], "60 of 120 elements are wrong, all in channel 1 (the first)."),
        (np.s_[..., -2:, :], "40 of 120 elements are wrong, all in rows 5 to 6 (the last)."),
        (np.s_[..., 2], "24 of 120 elements are wrong, all in column 3."),
    ],
)
def test_unknown_errors_are_located(index, words):
    assert located(index) == words


def counted(rows, wrong):
    """What a report says on dE/dX with 2 samples, a 2x2 filter and some wrong elements."""
    x, w, _, dedo = Case((2, 1, rows, 4), (1, 1, 2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)).data(3)
    dx = cnngrad.backward(x, w, dedo).dx.copy()
    for number, index in enumerate(wrong):
        dx[index] += 7 + number
    text = str(cnngrad.check(x, w, dedo, dx=dx))
    return text.partition("Wrong elements,\n")[2].partition("\n\n")[0].splitlines()


@pytest.mark.usefixtures("undiagnosed")
def test_wrong_elements_are_counted_in_bands_of_rows_and_the_first_five_are_listed():
    wrong = [(1, 0, 0, 0), (1, 0, 4, 1), (1, 0, 16, 2), (1, 0, 16, 3), (1, 0, 15, 1)]
    lines = counted(17, wrong)
    assert [line.strip() for line in lines[:4]] == [
        "by sample: 2: 5 of 68",
        "by row: 1 to 3: 1 of 24, 4 to 6: 1 of 24, 16 to 17: 3 of 16",
        "by column: 1: 1 of 34, 2: 2 of 34, 3: 1 of 34, 4: 1 of 34",
        "by place: border 3 of 76, inside 2 of 60",
    ]
    assert len(lines) == 9
    assert lines[4].startswith("  dEdX[1][0][0][0] (from 0) is ")
    lines = counted(17, [*wrong, (0, 0, 2, 2)])
    assert lines[4].startswith("  dEdX[0][0][2][2] (from 0) is ")
    assert lines[9] == "  and 1 more"


@pytest.mark.usefixtures("undiagnosed")
def test_up_to_eight_rows_are_counted_one_by_one():
    wrong = [(0, 0, 0, 0), (0, 0, 7, 1)]
    assert counted(8, wrong)[1] == "  by row: 1: 1 of 8, 8: 1 of 8"
    assert counted(9, wrong)[1] == "  by row: 1 to 2: 1 of 16, 7 to 8: 1 of 16"


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize(
    ("shape", "kernel", "told"),
    [
        ((6, 5), 2, "18 of 30 elements are wrong, all on the border."),
        ((7, 6), 3, "36 of 42 elements are wrong, all on the border."),
        ((5, 8), 3, "36 of 40 elements are wrong, all on the border."),
        # A border of more than nine tenths of the elements locates nothing.
        ((5, 7), 3, "32 of 35 elements are wrong, here and there."),
    ],
)
def test_a_wrong_border_is_told(shape, kernel, told):
    """It is as wide as the windows overlap."""
    case = Case((1, 1, *shape), (1, 1, kernel, kernel), (1, 1), ((0, 0), (0, 0)), (1, 1))
    x, w, _, dedo = case.data(3)
    dx = cnngrad.backward(x, w, dedo, **case.options).dx.copy()
    rim = np.ones(dx.shape, bool)
    rim[..., kernel - 1 : 1 - kernel, kernel - 1 : 1 - kernel] = False
    dx[rim] += np.arange(1, rim.sum() + 1)
    hint = cnngrad.check(x, w, dedo, dx=dx, **case.options).gradients["dEdX"].hint
    assert hint.endswith(told)


@pytest.mark.parametrize("factor", [3, 0.37, -2, 1 / 7])
def test_any_factor_is_found_and_told(factor):
    q = buggy.Layer(LAYERS[0])
    report = graded(q, "dw", factor * buggy.right_dw(q))
    assert report.mistake == "scaled"
    assert f"by {factor:.6g}" in report.hint


def test_known_factors_are_told_by_name():
    q = buggy.Layer(LAYERS[1])
    assert "(by 0.5 = 1/N)" in graded(q, "dw", buggy.right_dw(q) / q.N).hint
    assert "= 1/(N·H'·W'))" in graded(q, "dw", buggy.right_dw(q) / (q.N * q.Ho * q.Wo)).hint
    # There is one sample, and nothing else of which there are two.
    q = buggy.Layer(Case((1, 1, 5, 5), (1, 1, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    assert "(by 2)" in graded(q, "dw", 2 * buggy.right_dw(q)).hint


def test_only_a_mean_over_the_batch_has_lines_of_code():
    q = buggy.Layer(LAYERS[2])
    assert graded(q, "dw", buggy.right_dw(q) / q.N).code is not None
    assert graded(q, "dw", buggy.right_dw(q) * q.N).code is None


def test_the_parameter_of_a_mistake_is_told():
    q = buggy.Layer(LAYERS[4])
    gap = graded(q, "dx", buggy.crop(q, buggy.scatter(q, sh=3, sw=3)))
    assert "2,2 zeros instead of 1,1" in gap.hint
    shifted = graded(q, "dx", buggy.crop(q, buggy.scatter(q), 2, 2))
    assert "2,2 zeros in front of X: shifted by -1,-1" in shifted.hint
    q = buggy.Layer(LAYERS[7])
    for parts, words in ((1, "at the wrong end (the zeros stand in front)."), (2, "at the wrong end. To fix it")):
        assert words in graded(q, "dx", buggy.misplaced(q, parts)).hint


def test_im2cols_matrix_that_is_reshaped_is_told():
    q = buggy.Layer(SMALL_LAYER)
    told = "reshaped from one row for each element of a filter to one for each position of O, not transposed)"
    assert told in graded(q, "dw", buggy.reshaped_columns(q)).hint


@pytest.mark.parametrize("columns", [3, 1])
def test_a_wrong_dilation_on_the_one_axis_that_has_any_is_told(columns):
    q = buggy.Layer(Case((2, 2, 9, 10), (2, 2, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 2)))
    assert f"(1,{columns} was used)" in graded(q, "dx", buggy.crop(q, buggy.scatter(q, dw=columns))).hint


def test_a_dilation_that_is_wrong_on_one_axis_alone_is_not_told_of_both():
    q = buggy.Layer(Case((2, 2, 9, 10), (2, 2, 3, 3), (1, 1), ((0, 0), (0, 0)), (2, 2)))
    assert "3,3 was used" not in graded(q, "dx", buggy.crop(q, buggy.scatter(q, dh=3))).hint


@pytest.mark.parametrize(
    ("filters", "place", "which"),
    [
        (2, 1, "the last filter"),
        (3, 1, "filter 2"),
        (4, 2, "filter 3"),
        (7, 0, "the first filter"),
        (7, 6, "the last filter"),
    ],
)
def test_the_filter_that_is_left_out_is_told(filters, place, which):
    q = buggy.Layer(Case((1, 2, 6, 5), (filters, 2, 3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    dx = buggy.crop(q, buggy.scatter(q, g=buggy.without(q.g, 1, place)))
    assert graded(q, "dx", dx).hint.startswith(f"A part is left out ({which} is missing).")


@pytest.mark.parametrize(
    ("left", "which"),
    [
        (np.s_[2:], "the first group is missing"),
        (np.s_[:4], "the last group is missing"),
        (np.s_[:2], "only the first group is there"),
        (np.s_[4:], "only the last group is there"),
    ],
)
def test_the_group_that_is_left_out_is_told(left, which):
    """There are three groups, with two filters and two channels each."""
    q = buggy.Layer(LAYERS[9])
    dw, dx = np.zeros_like(q.w), np.zeros_like(q.x)
    dw[left], dx[:, left] = buggy.right_dw(q)[left], buggy.right_dx(q)[:, left]
    for gradient, claim in (("dw", dw), ("dx", dx)):
        assert graded(q, gradient, claim).hint.startswith(f"A part is left out ({which}).")


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_the_phase_of_the_stride_that_is_left_out_is_told(phase):
    """With a row of padding, X's first row is in the second phase."""
    q = buggy.Layer(Case((1, 1, 11, 5), (2, 1, 6, 2), (3, 1), ((1, 0), (0, 0)), (1, 1)))
    framed = buggy.scatter(q)
    framed[:, :, phase::3] = 0
    hint = graded(q, "dx", buggy.crop(q, framed)).hint
    assert f"(phase {phase + 1} of the stride along the rows is missing)" in hint


@pytest.mark.parametrize(("kernel", "place"), [((3, 4), (1, 2)), ((3, 4), (2, 1)), ((3, 5), (0, 4)), ((3, 5), (2, 0))])
def test_the_element_that_every_filter_lacks_is_told(kernel, place):
    q = buggy.Layer(Case((1, 1, 7, 8), (2, 1, *kernel), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    hint = graded(q, "dx", buggy.crop(q, buggy.scatter(q, w=buggy.without_tap(q.w, *place)))).hint
    assert f"(element {place[0] + 1},{place[1] + 1} of every filter is missing)" in hint


def test_the_edges_that_are_left_out_together_are_told():
    q = buggy.Layer(Case((1, 1, 7, 8), (2, 1, 3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    for k, word in ((0, "first"), (-1, "last")):
        less = buggy.without(buggy.without(q.g, 2, k), 3, k)
        for gradient, claim in (("dx", buggy.crop(q, buggy.scatter(q, g=less))), ("dw", buggy.gather(q, g=less))):
            assert f"(the {word} output row and column are missing)" in graded(q, gradient, claim).hint
        less = buggy.without(buggy.without(q.w, 2, k), 3, k)
        hint = graded(q, "dx", buggy.crop(q, buggy.scatter(q, w=less))).hint
        assert f"(the {word} kernel row and column are missing)" in hint


def test_of_many_parts_only_the_outermost_are_tried():
    """One of the others would fit too many results by chance."""
    q = buggy.Layer(Case((1, 2, 4, 29), (5, 2, 1, 27), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    for parts in ({"g": buggy.without(q.g, 1, 2)}, {"w": buggy.without_tap(q.w, 0, 2)}):
        assert graded(q, "dx", buggy.crop(q, buggy.scatter(q, **parts))).mistake is None


def test_a_loop_that_ends_at_another_axis_s_size_is_told():
    q = buggy.Layer(Case((1, 1, 7, 8), (2, 1, 3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    hint = graded(q, "dw", buggy.gather(q, g=buggy.first_square(q.g))).hint
    assert "(of the 7 columns of O only the first 5 take part: the loop uses another axis's size)" in hint


def test_a_bound_that_is_off_by_one_is_not_called_another_length():
    """No window reaches further than one row beyond X: the length of padded X would give the same."""
    q = buggy.Layer(Case((1, 2, 7, 5), (1, 2, 3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1)))
    report = graded(q, "dw", buggy.flat(q, "w", test=(1, 0)))
    assert report.mistake == "loop-bound"
    assert "the test of the rows of X runs from 0 to below 8 (one too many), not from 0 to below 7" in report.hint


@pytest.mark.parametrize("kernel", [(1, 1), (1, 2), (2, 2)])
def test_what_there_is_one_of_is_not_called_missing(kernel):
    """Without its only channel, or its only kernel row, every element is 0: that has a name."""
    q = buggy.Layer(Case((1, 1, 4, 4), (1, 1, *kernel), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    report = graded(q, "dx", 0 * q.x)
    assert (report.mistake, report.also) == ("zero", ())


def test_a_wrong_shape_is_a_finding_with_its_cause():
    q = buggy.Layer(LAYERS[1])
    report = graded(q, "dx", buggy.scatter(q)[:, :, : q.Hp, : q.Wp])
    assert (report.passed, report.mistake, report.max_abs_error) == (False, "padding-not-cropped", None)
    assert report.hint.startswith("dEdX has shape (2, 4, 8, 7), but it must be (2, 4, 6, 5), the shape of X. dX still")


@pytest.mark.parametrize(("ignored", "steps"), [("stride", (1, 1, 2, 3)), ("dilation", (2, 3, 1, 1))])
def test_what_is_ignored_is_told_by_the_shape_that_results(ignored, steps):
    q = buggy.Layer(Case((2, 1, 12, 14), (2, 1, 3, 2), (2, 3), ((2, 1), (1, 3)), (2, 3), bias=False))
    sh, sw, dh, dw = steps
    other = replace(q.case, stride=(sh, sw), dilation=(dh, dw))
    o = reference.forward(q.x, q.w, np.zeros(2, int), *other.definition)
    # All filter elements that stay within X, and all of X that the windows cover.
    kh, kw = (q.Hp - 1 - sh * (q.Ho - 1)) // dh + 1, (q.Wp - 1 - sw * (q.Wo - 1)) // dw + 1
    covered = buggy.scatter(q, sh=sh, sw=sw, dh=dh, dw=dw)
    rows, columns = sh * (q.Ho - 1) + dh * (q.kh - 1) + 1, sw * (q.Wo - 1) + dw * (q.kw - 1) + 1
    claims = {
        "o": o,
        "dw": buggy.gather(q, sh=sh, sw=sw, dh=dh, dw=dw, kh=kh, kw=kw),
        "dx": covered[:, :, q.pt : rows - q.pb, q.pl : columns - q.pr],
    }
    for key, claim in claims.items():
        (found,) = cnngrad.check(q.x, q.w, q.g, **q.case.options, **{key: claim}).gradients.values()
        assert f"has shape {claim.shape}, but it must be" in found.hint
        assert found.mistake == f"{ignored}-ignored"


@pytest.mark.parametrize("dx", [-3, [-3], [[[-3]]]])
def test_a_number_in_another_shape_has_a_cause_too(dx):
    hint = cnngrad.check([[5]], [[1]], [[3]], dx=dx).gradients["dEdX"].hint
    assert hint.startswith(
        f"dEdX has shape {np.shape(dx)}, but it must be (1, 1), the shape of X. Every element has the"
    )


def test_a_wrong_shape_of_unknown_cause_is_told_as_such():
    q = buggy.Layer(LAYERS[1])
    report = graded(q, "dx", np.ones((3, 3)))
    assert report.mistake is None
    assert report.hint == "dEdX has shape (3, 3), but it must be (2, 4, 6, 5), the shape of X."


def test_one_wrong_element_in_another_shape_has_no_name():
    x, w, dedo, grads = decimals(0, (4, 5), (2, 3), stride=2)
    claim = grads.dw.ravel()
    claim[1] += 0.0625
    report = cnngrad.check(x, w, dedo, dw=claim, stride=2).gradients["dEdW"]
    assert (report.passed, report.mistake) == (False, None)


def test_db_of_one_filter_may_be_a_list_of_one():
    report = cnngrad.check([[1, 2], [3, 4]], [[1]], [[1, 2], [3, 4]], db=[10])
    assert report.passed


def test_a_symmetric_filter_hides_a_missing_rotation_and_the_report_says_so():
    x, w, dedo = np.arange(12).reshape(3, 4), np.array([[1, 2], [2, 1]]), np.arange(1, 7).reshape(2, 3)
    dx = cnngrad.backward(x, w, dedo).dx
    hidden = cnngrad.check(x, w, dedo, dx=dx).gradients["dEdX"].hidden
    assert {"filter-not-rotated", "stride-ignored"} <= set(hidden)
    assert "filter-flipped-one-axis" not in hidden


@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", LAYERS + FILLED)
def test_the_hard_problem_shows_what_the_layer_allows(case):
    problem, note = hard_problem(make_layer(case.x, case.w, **case.options), grow=True)
    assert not note or note.startswith("X is ")
    del problem["schema"]
    arrays = {key: problem.pop(key) for key in ("X", "W", "dEdO")}
    grads = cnngrad.backward(*arrays.values(), **problem)
    report = cnngrad.check(*arrays.values(), dw=grads.dw, dx=grads.dx, db=grads.db, **problem)
    hidden = {name for gradient in report.gradients.values() for name in gradient.hidden}
    allowed = {
        "stride-ignored",
        "stride-gap-wrong",
        "stride-axes-swapped",
        "stride-dilation-swapped",
        "dilation-ignored",
    }
    allowed |= {"groups-mixed", "channels-swapped", "filter-transposed", "empty-crop", "batch-not-summed"}
    allowed |= {"padding-ignored", "padding-wrong-side", "padding-not-cropped", "overwritten", "border-not-zero"}
    allowed |= {name for name in hidden if name.startswith("leftover")}
    assert report.passed
    assert hidden <= allowed


def test_the_hard_problem_breaks_symmetry():
    problem, note = hard_problem(make_layer((1, 1, 9, 9), (1, 1, 2, 2), stride=2), grow=True)
    assert note == "X is 2×1×9×10 instead of 1×1×9×9, which reveals more mistakes"
    assert problem["X"].shape == (2, 1, 9, 10)
    assert problem["W"].tolist() != problem["W"][..., ::-1, ::-1].tolist()
    assert hard_problem(make_layer((5, 1, 9, 9), (1, 1, 2, 2)), grow=True).keys["X"].shape == (3, 1, 9, 10)


@pytest.mark.parametrize(
    ("size", "options", "shape"),
    [
        (11, {}, (11, 12)),
        (12, {}, (12, 13)),
        (13, {}, (12, 13)),
        (40, {}, (12, 13)),
        # Three windows, or X as large as the padding needs.
        (40, {"stride": 9}, (20, 21)),
        (40, {"dilation": 20}, (23, 24)),
        (40, {"padding": ((15, 0), (0, 14))}, (16, 15)),
        # A small X does not grow for more windows.
        (12, {"stride": 9}, (12, 13)),
    ],
)
def test_the_hard_problem_is_small(size, options, shape):
    problem, note = hard_problem(make_layer((size, size), (2, 2), **options), grow=True)
    assert problem["X"].shape == shape
    assert note.startswith("X is {}×{} instead of {}×{}, ".format(*shape, size, size))


@pytest.mark.parametrize(
    ("numbers", "seen"),
    [
        ([1.2346, 0.5, -3.1416], "5 significant digits and 4 decimal places"),
        ([123.0, -45.0, 6.0], "3 significant digits and 0 decimal places"),
        ([1 / 3, 2 / 3, 1e-3 / 7], "float64 values"),
        ([1.234e-7, 5.678e-3, 9.012e4], "4 significant digits and 10 decimal places"),
        ([0.0, 0.0], "float32 values"),
        (np.float32([1 / 3, 2 / 3, 1e-3 / 7]).tolist(), "float32 values"),
        ([1.2890625, -0.33984375, 0.018310546875, 3.34375, 1.0859375], "bfloat16 values"),
    ],
)
def test_how_numbers_are_written_is_seen(numbers, seen):
    assert seen in str(form_shown([np.array(numbers)]))


@pytest.mark.parametrize("off", [1, 2, 4, 6, 10])
@pytest.mark.parametrize("right", [[54], [50], [60, 40], [100, 300, 200], [7, 1000]])
def test_whole_numbers_among_integers_are_not_rounded_ones(right, off):
    x, w, dedo = [[1] * len(right)], [[1]], [right]
    claim = np.array(dedo, float)
    assert cnngrad.check(x, w, dedo, dx=claim)
    claim[0, 0] -= off
    assert not cnngrad.check(x, w, dedo, dx=claim)


def test_the_three_sums_agree():
    x, w, b, dedo = LAYERS[0].data()
    first, second, third = cnngrad.check(x, w, dedo, b=b, **LAYERS[0].options).identity
    assert first == second == third


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize("name", ["dw", "dx", "db"])
def test_check_notices_every_single_element(name, whole):
    case = Case((2, 2, 4, 3), (2, 1, 2, 2), (1, 1), ((1, 0), (0, 1)), (1, 1), groups=2)
    for dtype in (np.int64, np.float64, np.float32):
        x, w, b, dedo = case.data(0, dtype)
        right = getattr(cnngrad.backward(x, w, dedo, **case.options), name)
        # The step has no divisor in common with the sizes of the axes.
        for index in list(np.ndindex(right.shape))[:: 1 if whole and dtype == np.int64 else 7]:
            wrong = right.copy()
            wrong[index] += 1 if dtype == np.int64 else dtype(1e-3)
            report = cnngrad.check(x, w, dedo, b=b, **case.options, **{name: wrong})
            assert not report.passed


def test_a_broken_backward_is_noticed(monkeypatch):
    x, w, _, dedo = LAYERS[0].data()
    real = Work.computed

    def broken(self, result, *args):
        gradient = real(self, result, *args)
        if result is Tensor.DX:
            gradient[0, 1, 2, 3] += 1
        return gradient

    monkeypatch.setattr(Work, "computed", broken)
    report = cnngrad.check(x, w, dedo, **LAYERS[0].options)
    assert report.gradients["dEdW"].passed
    assert report.gradients["dEdX"].worst.element == "dE/dx[1,2]34"


@pytest.mark.parametrize("step", [0.5, 3, 2.0**-10])
def test_another_step_gives_the_same_verdict(step):
    x, w, b, dedo = LAYERS[0].data(dtype=np.float64)
    assert cnngrad.check(x, w, dedo, b=b, step=step, **LAYERS[0].options).passed


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf")])
def test_a_step_that_is_none_is_an_error(step):
    with pytest.raises(cnngrad.CnngradError, match=r"step is .*: it must be a number larger than 0"):
        cnngrad.check([[1]], [[1]], step=step)


def test_the_wrong_sample_is_what_its_script_makes_and_its_mend_mends_it():
    folder = Path(__file__).parents[1] / "samples" / "wrong"
    problem = json.loads((folder / "problem.json").read_text())
    x, w, dedo = (np.array(problem.pop(key)) for key in ("X", "W", "dEdO"))
    code = runpy.run_path(str(folder / "backward.py"))["backward_x"]
    wrong = code(x, w, dedo, **problem)
    assert wrong.tolist() == json.loads((folder / "dEdX.json").read_text())
    assert cnngrad.check(x, w, dedo, dx=wrong, **problem).gradients["dEdX"].mistake == "filter-not-rotated"
    assert cnngrad.check(x, w, dedo, dx=code(x, w[::-1, ::-1], dedo, **problem), **problem).passed


# A transform in float32 would be off by some 10**11 of these.
BIG = 1.2345678901234567e17
ONES = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))


@pytest.mark.parametrize(
    ("x", "w", "dedo", "options"),
    [
        (*ONES, {"b": [1e-16], "db": [3.0]}),
        (1e17 * ONES[0], ONES[1], ONES[2], {"b": [0.0], "db": [3.0]}),
        (*ONES, {"b": [1e17], "dw": np.full((1, 1, 2, 2), 7.0)}),
        ([BIG, 1, 1, 1], [1.0, 1.0], [1.0, 1.0], {"stride": 2, "dw": [BIG + 1, 5e12]}),
        ([1.0, 1.0, 1.0, 1.0], [BIG, 1.0], [1.0, 1.0], {"stride": 2, "dx": [BIG, 5e12, BIG, 1]}),
        ([4], [1], [1], {"dw": [4 - 2**63]}),
        ([2**62 + 5], [0], [1], {"dw": [-4611686018427387899]}),
        ([2**40], [2**30], [1], {"dw": [2**40 + 1]}),
        ([2**60], [1], [1], {"dw": [2**60 + 1]}),
        ([1e-200, 2e-200], [1e-200], [1.0, 1.0], {"dw": [0.0]}),
    ],
    ids=[
        "tiny b",
        "b of 0",
        "large b",
        "large x",
        "large w",
        "int64 wraps",
        "int64 wraps too",
        "large O",
        "beyond 2^53",
        "tiny data",
    ],
)
def test_large_neighbours_hide_no_wrong_element(x, w, dedo, options):
    report = cnngrad.check(x, w, dedo, **options)
    assert not report.passed
    ours = cnngrad.check(x, w, dedo, **{key: value for key, value in options.items() if key in ("b", "stride")})
    assert ours.passed


def test_a_gradient_beyond_float64_is_an_error():
    with pytest.raises(cnngrad.CnngradError, match=r"dEdW\[1\] is too large for float64"):
        cnngrad.check([1e200, 1e200], [1e100], [1e200, 1e200], dw=[5.0])


@pytest.mark.parametrize("size", [64, 512])
def test_a_plain_loop_in_float32_is_less_precise_but_right(size):
    x, dedo = np.full((size, size), 0.1, np.float32), np.ones((size, size), np.float32)
    dw = np.cumsum((x * dedo).ravel(), dtype=np.float32)[-1:].reshape(1, 1)
    report = cnngrad.check(x, np.ones((1, 1), np.float32), dedo, dw=dw).gradients["dEdW"]
    assert report.passed
    assert report.hint == (
        "It is right, but with the rounding error of a plain float32 loop: pairwise sums are more precise."
    )


def test_a_large_stride_takes_no_memory():
    x, w, dedo = np.arange(9.0).reshape(3, 3), np.ones((2, 2)), [[2.0]]
    tracemalloc.start()
    report = cnngrad.check(x, w, dedo, stride=2**31 - 1, dx=x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not report.passed
    assert peak < 2**27


def test_what_a_plain_loop_in_float32_gives_is_known_by_such_loops():
    """Numbers of one size, whose roundings add up, are right; one product less of many is not."""
    x, dedo = np.full((32, 1, 64, 64), 0.1, np.float32), np.full((32, 1, 63, 63), 0.1, np.float32)
    products = (x[:, 0, 1:, 1:] * dedo[:, 0]).ravel()
    dw = np.full((1, 1, 2, 2), np.add.accumulate(products)[-1])
    report = cnngrad.check(x, np.ones((1, 1, 2, 2)), dedo, dw=dw).gradients["dEdW"]
    assert (report.passed, report.mistake) == (True, None)
    random = np.random.default_rng(0)
    x, dedo = (random.standard_normal((16, 1, size, size)) for size in (32, 30))
    dw = cnngrad.backward(x, np.ones((1, 1, 3, 3)), dedo).dw
    dw -= dedo[-1, 0, -1, -1] * x[-1, 0, -3:, -3:]
    assert not cnngrad.check(x, np.ones((1, 1, 3, 3)), dedo, dw=dw).passed


def test_float32_gradients_may_come_as_lists():
    x, w, _, dedo = LAYERS[0].data(dtype=np.float32)
    grads = cnngrad.backward(x, w, dedo, **LAYERS[0].options)
    assert cnngrad.check(x, w, dedo, dw=grads.dw.tolist(), dx=grads.dx.tolist(), **LAYERS[0].options).passed
    lists = [a.tolist() for a in (x, w, dedo)]
    assert cnngrad.check(*lists, dw=grads.dw.tolist(), dx=grads.dx.tolist(), **LAYERS[0].options).passed


def test_gradients_summed_in_float16_are_less_precise_but_right():
    x, w, _, dedo = LAYERS[0].data(dtype=np.float16)
    exact = cnngrad.backward(*(a.astype(np.float64) for a in (x, w, dedo)), **LAYERS[0].options).dx
    drift = np.random.default_rng(0).choice([-0.002, 0.002], exact.shape)
    dx = (exact * (1 + drift)).astype(np.float16)
    assert cnngrad.check(x, w, dedo, dx=dx, **LAYERS[0].options).passed


def test_two_wrong_integers_the_worse_is_named():
    report = cnngrad.check(
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, 4]], [[1, 2], [3, 4]], dw=[[42, 47], [67, 1077]]
    )
    assert report.gradients["dEdW"].worst.element == "dE/dw22"


def test_a_gradient_of_yours_needs_the_dedo_it_was_computed_with():
    with pytest.raises(cnngrad.CnngradError, match="dEdO is missing: to grade a gradient of yours"):
        cnngrad.check([[1, 2]], [[1]], dx=[[1, 1]])


@given(layers(), st.integers(0, 2**16), st.sampled_from([np.int64, np.float64, np.float32]), st.data())
def test_any_claim_gets_a_report(case, seed, dtype, data):
    x, w, b, dedo = case.data(seed, dtype)
    name = data.draw(st.sampled_from(["dw", "dx", "db"]))
    shape = data.draw(st.lists(st.integers(0, 3), max_size=5))
    report = cnngrad.check(x, w, dedo, b=b, **case.options, **{name: np.ones(shape, dtype)})
    assert json.dumps(report.as_json())
    assert str(report)


def test_none_is_no_gradient_to_grade():
    x, w, g = [[1, 2, 3]], [[1, 2]], [[1, 2]]
    for key in ("dw", "dx", "db"):
        with pytest.raises(cnngrad.CnngradError, match=f"{key} is None: give the gradient to grade"):
            cnngrad.check(x, w, g, **{key: None})
    assert cnngrad.check(x, w, g, b=None)


def test_a_report_is_true_where_it_passed():
    x, w, g = [[1, 2, 3]], [[1, 2]], [[1, 2]]
    right, wrong = cnngrad.check(x, w, g), cnngrad.check(x, w, g, dx=[[1, 1, 1]])
    assert right
    assert not wrong
    assert not wrong.gradients["dEdX"]
    assert right.gradients["dEdX"]


@pytest.mark.parametrize("value", ["a", -1, float("nan"), [1e-3], True])
def test_a_tolerance_that_is_none_is_an_error(value):
    with pytest.raises(cnngrad.CnngradError, match=r"rtol is .*: it must be a number of 0 or more"):
        cnngrad.check([[1]], [[1]], rtol=value)


@pytest.mark.parametrize(
    ("x", "w", "words"),
    [
        ((2, 1, 3, 3), (3, 1, 2, 2), "by 0.5 = 1/N."),
        ((3, 2, 4, 4), (3, 2, 2, 2), "by 0.333333 = 1/N = 1/F."),
        ((9, 1, 5, 4), (2, 1, 3, 3), "by 0.111111 = 1/N = 1/(kh·kw)."),
        ((1, 1, 3, 3), (1, 1, 2, 2), "by 0.25 = 1/(H'·W') = 1/(kh·kw)."),
    ],
)
def test_a_factor_is_told_by_all_its_names_the_batch_first(x, w, words):
    q = buggy.Layer(Case(x, w, (1, 1), ((0, 0), (0, 0)), (1, 1)))
    divisor = q.N if q.N > 1 else q.Ho * q.Wo
    assert f"({words[:-1]})" in graded(q, "dw", buggy.right_dw(q) / divisor).hint


def test_a_factor_close_to_1_is_told_by_as_many_digits_as_it_needs():
    q = buggy.Layer(LAYERS[0])
    assert "(by 0.99999999)" in graded(q, "dw", buggy.right_dw(q) / (1 + 1e-8)).hint


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_quarter_turn_is_told(quarters):
    """The filter that slides over framed dE/dO is rot90(w, quarters) where rot90(w, 2) is right."""
    q = buggy.Layer(LAYERS[0])
    slid = np.rot90(q.w, quarters, (2, 3))
    hint = graded(q, "dx", buggy.crop(q, buggy.scatter(q, w=slid[:, :, ::-1, ::-1]))).hint
    assert "(turned by 90°)" in hint


READINGS = {
    "NCHW, but is read as NHWC": lambda a: a.reshape(2, 2, 2, 2).transpose(0, 3, 1, 2),
    "NHWC, but is read as NCHW": lambda a: a.transpose(0, 2, 3, 1).reshape(a.shape),
    "NCHW, but is read as CNHW": lambda a: a.swapaxes(0, 1),
    "NCHW, but is read as NCWH": lambda a: a.swapaxes(2, 3),
}


@pytest.mark.parametrize(("reading", "read"), READINGS.items(), ids=READINGS)
def test_the_order_in_which_an_operand_is_read_is_told(reading, read):
    """Two samples, channels and filters are enough to confuse their axes."""
    q = buggy.Layer(Case((2, 2, 3, 3), (2, 2, 2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    of_w = reading.replace("N", "O").replace("COHW", "IOHW").replace("C", "I")
    for name, operand, orders in (("dE/dO", {"g": read(q.g)}, reading), ("W", {"w": read(q.w)}, of_w)):
        hint = graded(q, "dx", buggy.crop(q, buggy.scatter(q, **operand))).hint
        assert f"{name} lies in memory as {orders}" in hint


@pytest.mark.parametrize(("axes", "told"), [((), "none"), ((0,), "0"), ((0, 1, 3), "0, 1, 3")])
def test_the_axes_that_db_is_summed_over_are_told(axes, told):
    q = buggy.Layer(LAYERS[0])
    assert f"(axes summed over: {told})" in graded(q, "db", q.g.sum(axes)).hint


def test_hints_do_not_capitalise_names():
    q = buggy.Layer(LAYERS[1])
    assert ". dX still has the padding" in graded(q, "dx", buggy.scatter(q)[:, :, : q.Hp, : q.Wp]).hint
    assert graded(q, "db", q.g.sum(axis=(1, 2, 3))).hint.startswith(("dE/dO is summed", "dEdb has shape"))


@pytest.mark.usefixtures("undiagnosed")
def test_the_border_is_told_only_where_it_leaves_something_out():
    """A 2x2 filter's border of 3x3 leaves the middle out, of 2x3 nothing."""
    for rows, told in ((3, True), (2, False)):
        x, w, dedo = np.arange(3 * rows).reshape(rows, 3), np.array([[1, 2], [3, 5]]), np.arange(1, 2 * rows - 1)
        dx = cnngrad.backward(x, w, dedo.reshape(rows - 1, 2)).dx.copy()
        dx[0, 0] += 1
        dx[-1, -1] += 3
        hint = cnngrad.check(x, w, dedo.reshape(rows - 1, 2), dx=dx).gradients["dEdX"].hint
        assert ("all on the border" in hint) is told
        assert hint.endswith(("border.", "here and there."))


def test_a_huge_step_is_taken_without_a_warning():
    """NumPy warns if a step beyond int64 becomes an integer; every warning is an error here."""
    for step in (1e300, 2.0**62, 3):
        assert cnngrad.check([[1, 2, 3]], [[1, 2]], [[1, 2]], step=step).passed


WRITTEN = {
    "%.3g": lambda a: np.array([float(f"{v:.3g}") for v in a.ravel()]).reshape(a.shape),
    "%.4f": lambda a: np.round(a, 4),
    "%.6f": lambda a: np.round(a, 6),
    "%.12f of float32": lambda a: np.round(a.astype(np.float32).astype(np.float64), 12),
    "float32": lambda a: a.astype(np.float32),
    "float16 in a float32 file": lambda a: a.astype(np.float16).astype(np.float32),
    "bfloat16 in a float32 file": lambda a: as_bfloat16(a),
    "bfloat16, %.4f": lambda a: np.round(as_bfloat16(a).astype(np.float64), 4),
    "by FFT": lambda a: a + np.abs(a).max() * 1e-7 * np.sin(np.arange(a.size)).reshape(a.shape),
    "integers would do": lambda a: a,
}


def as_bfloat16(a):
    """The nearest bfloat16 numbers: the upper halves of float32's bits."""
    bits = a.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.sampled(3)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
@pytest.mark.parametrize("case", LAYERS[:4])
def test_right_gradients_are_right_however_they_are_written(case, written):
    x, w, b, dedo = case.data(5, np.float64)
    x, w, dedo = (np.round(a, 3) for a in (x, w, dedo))
    grads = cnngrad.backward(x, w, dedo, **case.options)
    claims = {name: written(getattr(grads, name)) for name in ("dw", "dx", "db")}
    texts = {name: claim.tolist() for name, claim in claims.items()}
    report = cnngrad.check(x, w, dedo, b=b.astype(float), **case.options, **texts)
    assert report.passed, [(g.judged_as, g.hint) for g in report.gradients.values()]
    name = list(claims)[case.x[3] % 3]
    wrong = claims[name].copy()
    wrong.flat[wrong.size // 2] += 0.2 * np.abs(wrong).max()
    gradient = {"dw": "dEdW", "dx": "dEdX", "db": "dEdb"}[name]
    report = cnngrad.check(x, w, dedo, b=b.astype(float), **case.options, **texts | {name: wrong.tolist()})
    assert report.gradients[gradient].passed is False


def test_what_is_written_too_coarsely_is_neither_right_nor_wrong(tmp_path, capsys):
    x, w, dedo = np.arange(1.0, 10).reshape(3, 3), np.array([[0.1, 0.2], [0.3, -0.1]]), np.array([[4.0, -2], [-3, 5]])
    dx = cnngrad.backward(x, w, dedo).dx
    report = cnngrad.check(x, w, dedo, dx=np.round(dx).tolist())
    assert report.passed is None
    assert not report
    assert "written too coarsely to judge" in report.gradients["dEdX"].hint
    assert report.summary.splitlines()[0] == "∂E/∂X can't be judged"
    report.save(tmp_path / "page.html")
    assert "<h2>∂E/∂X can't be judged</h2>" in (tmp_path / "page.html").read_text()
    problem = {"X": x.tolist(), "W": w.tolist(), "dEdO": dedo.tolist()}
    (tmp_path / "p.json").write_text(json.dumps(problem))
    (tmp_path / "dx.json").write_text(json.dumps(np.round(dx).tolist()))
    assert main(["check", str(tmp_path / "p.json"), "--dx", str(tmp_path / "dx.json")]) == 2
    assert capsys.readouterr().out.endswith("A gradient can't be judged.\n")
    assert main(["check", str(tmp_path / "p.json"), "--dx", str(tmp_path / "dx.json"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["passed"] is None


def test_whole_numbers_cut_towards_zero_are_named():
    x, w, _, dedo = LAYERS[0].data(5, np.float64)
    dw = np.trunc(100 * cnngrad.backward(x, 100 * w, dedo, **LAYERS[0].options).dw)
    report = cnngrad.check(100 * x, w, dedo, dw=dw, **LAYERS[0].options)
    assert report.gradients["dEdW"].mistake == "truncated"


def test_decimals_that_are_cut_are_told():
    x, w, _, dedo = LAYERS[0].data(5, np.float64)
    right = cnngrad.backward(x, w, dedo, **LAYERS[0].options)
    for key in ("dw", "dx"):
        cut = np.trunc(100 * getattr(right, key)) / 100
        for claim in (cut, cut.tolist()):
            report = cnngrad.check(x, w, dedo, **{key: claim}, **LAYERS[0].options)
            (found,) = report.gradients.values()
            assert found.passed is False
            assert found.mistake is None
            assert found.hint.startswith("It is cut to ")
            assert found.hint.endswith("2 decimal places, not rounded: round to the nearest number.")


def test_a_claim_that_is_not_finite_is_a_finding(tmp_path, capsys):
    x, w, _, dedo = LAYERS[0].data()
    dx = cnngrad.backward(x, w, dedo, **LAYERS[0].options).dx.astype(float)
    dx[0, 1, 2, 3] = np.nan
    report = cnngrad.check(x, w, dedo, dx=dx, **LAYERS[0].options).gradients["dEdX"]
    assert (report.passed, report.mistake) == (False, "not-finite")
    assert "1 of 168 elements are not finite, first dE/dx[1,2]34, which is nan: NaN comes from 0/0" in report.hint
    assert report.hint.endswith("The others are right.")
    assert report.as_json()["worst"]["analytic"] == "nan"
    (tmp_path / "dx.json").write_text("[[4, 6, -4], [9, NaN, 12], [-9, 18, -Infinity]]")
    assert main(["check", "samples/notes.json", "--dx", str(tmp_path / "dx.json"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["gradients"]["dEdX"]
    assert (found["mistake"], found["worst"]["analytic"], found["wrong"]) == ("not-finite", "nan", 2)


@pytest.mark.parametrize(
    ("written", "passed"),
    [("float64", False), ("float32", True), ("digits:3", True), ("places:2", True), ("fixed:6", True), (None, True)],
)
def test_how_precise_a_claim_is_can_be_said(written, passed):
    x, w, _, dedo = LAYERS[0].data(5, np.float64)
    dx = cnngrad.backward(x, w, dedo, **LAYERS[0].options).dx
    claim = dx + 1e-7 * np.abs(dx).max() * np.sin(np.arange(dx.size)).reshape(dx.shape)
    report = cnngrad.check(x, w, dedo, dx=claim, written=written, **LAYERS[0].options)
    assert report.passed is passed
    if written is None:
        assert report.gradients["dEdX"].hint == "It is right to float32's precision, not to float64's."


@pytest.mark.parametrize("text", ["", "digits", "digits:0", "float8", "places:x", "fixed:1.5"])
def test_a_form_that_is_none_is_an_error(text):
    with pytest.raises(cnngrad.CnngradError, match="write float64, float32, tf32, float16, bfloat16, digits:N"):
        cnngrad.check([[1.0]], [[1.0]], [[1.0]], dw=[[1.0]], written=text)


def test_tf32_is_named_where_it_alone_would_accept():
    x, w, _, dedo = (a.astype(np.float32) for a in LAYERS[0].data(5, np.float64))
    dx = cnngrad.backward(x, w, dedo, **LAYERS[0].options).dx
    rough = dx * (1 + 3e-4 * np.sin(np.arange(dx.size, dtype=np.float32)).reshape(dx.shape))
    report = cnngrad.check(x, w, dedo, dx=rough, **LAYERS[0].options)
    assert report.passed is None
    assert "TF32" in report.gradients["dEdX"].hint
    assert cnngrad.check(x, w, dedo, dx=rough, written="tf32", **LAYERS[0].options).passed


@pytest.mark.sampled(9)
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("which", ["x", "w", "dedo", "b"])
def test_numbers_whose_squares_float64_does_not_hold_are_judged_as_others(size, which):
    rng = np.random.default_rng(0)
    arrays = {"x": rng.random((4, 4)), "w": rng.random((2, 2)), "dedo": rng.random((3, 3)), "b": np.array(0.3)}
    arrays[which] = arrays[which] * size
    o = cnngrad.forward(arrays["x"], arrays["w"], b=arrays["b"])
    grads = cnngrad.backward(arrays["x"], arrays["w"], arrays["dedo"])
    changes = {"sign-flipped": lambda a: -a, "scaled": lambda a: 2 * a, None: lambda a: a * (1 + rng.random(a.shape))}
    for mistake, change in changes.items():
        report = cnngrad.check(**arrays, dx=change(grads.dx), dw=change(grads.dw), o=change(o))
        assert [each.mistake for each in report.gradients.values() if each.mistake != "wrong-operand"] == [mistake] * 3
    # Numbers this small are 0 in the short formats.
    for form in ("tf32", "bfloat16") if size > 1 else ():
        rounded = {name: array * (1 + 2.0**-12 * rng.random(array.shape)) for name, array in arrays.items()}
        o = cnngrad.forward(rounded["x"], rounded["w"], b=rounded["b"])
        grads = cnngrad.backward(rounded["x"], rounded["w"], rounded["dedo"])
        assert cnngrad.check(**arrays, dx=grads.dx, dw=grads.dw, o=o, written=form).passed is True


@pytest.mark.parametrize("result", ["o", "dx", "dw"])
def test_noise_in_a_layer_with_padding_behind_it_alone_has_no_name(result):
    """Without its padding, O has another shape."""
    rng = np.random.default_rng(0)
    x, w, options = rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 3, 2)), {"padding": [[0, 2]], "dims": 1}
    o = cnngrad.forward(x, w, **options)
    dedo = rng.standard_normal(o.shape)
    right = {"o": o, **vars(cnngrad.backward(x, w, dedo, **options))}[result]
    report = cnngrad.check(x, w, dedo, **options, **{result: right + rng.standard_normal(right.shape)})
    assert [each.mistake for each in report.gradients.values()] == [None]


def decimals(seed, *shapes, **options):
    rng = np.random.default_rng(seed)
    x, w = (rng.standard_normal(shape) for shape in shapes)
    dedo = rng.standard_normal(cnngrad.forward(x, w, **options).shape)
    return x, w, dedo, cnngrad.backward(x, w, dedo, **options)


def test_each_claim_is_judged_as_it_is_written_itself():
    x, w, dedo, grads = decimals(0, (2, 3, 8, 8), (4, 3, 3, 3), padding=1)
    dw, dx, db = np.round(grads.dw, 1).tolist(), grads.dx.astype(np.float32), grads.db.astype(np.float16)
    report = cnngrad.check(x, w, dedo, b=np.zeros(4), padding=1, dw=dw, dx=dx, db=db)
    assert report.passed
    judged = [report.gradients[key].judged_as for key in ("dEdW", "dEdb")]
    assert "1 decimal place" in judged[0]
    assert judged[1] == "float16 values"


def test_sums_in_float16_are_told_from_tf32():
    x, w, dedo, grads = decimals(1, (8, 1, 8, 8), (1, 1, 3, 3), padding=1)
    framed, dw = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(np.float16), np.zeros((1, 1, 3, 3), np.float16)
    for n, i, j in np.ndindex(8, 8, 8):
        dw[0, 0] += np.float16(dedo[n, 0, i, j]) * framed[n, 0, i : i + 3, j : j + 3]
    assert np.abs(dw - grads.dw).max() > 0.01
    report = cnngrad.check(x, w, dedo, padding=1, dw=dw).gradients["dEdW"]
    assert report.passed
    assert report.hint.startswith("It adds up in float16")
    assert cnngrad.check(x, w, dedo, padding=1, dw=(grads.dw + 3).astype(np.float16)).passed is False


def test_the_largest_numbers_are_compared_without_a_warning():
    """A warning is an error in the tests."""
    dedo = np.linspace(-1, 1, 16).reshape(4, 4)
    for claim in (-8e307 * dedo, 1.2e308 * dedo, np.full((4, 4), 1.7e308)):
        assert cnngrad.check(np.ones((4, 4)), [[8e307]], dedo, dx=claim).passed is False
    report = cnngrad.check(np.ones((4, 4)), [[1e307]], dedo, dx=1e307 * dedo).gradients["dEdX"]
    assert report.passed
    assert "filter-not-rotated" in report.hidden


def test_a_factor_beyond_float64_is_none():
    x, w, dedo, _ = decimals(0, (4, 4), (2, 2))
    report = cnngrad.check(x * 1e-5, w, dedo * 1e-5, dw=np.full((2, 2), 1e308))
    assert report.gradients["dEdW"].mistake is None


def test_what_is_not_finite_and_what_is_wrong_besides():
    x, w, dedo, _ = decimals(0, (3, 3), (2, 2))
    claim = np.zeros((3, 3))
    claim[0, 0], claim[1, 1] = np.nan, np.inf
    report = cnngrad.check(x, w, dedo, dx=claim).gradients["dEdX"]
    assert report.wrong.all()
    assert "2 of 9 elements are not finite, first dE/dx11, which is nan: NaN comes from" in report.hint
    assert report.hint.endswith("The others are not right either.")


def test_with_flip_the_advice_is_that_of_flip():
    x, w, dedo, grads = decimals(0, (5, 5), (3, 3), flip=True)
    plain = cnngrad.backward(x, w, dedo)
    report = cnngrad.check(x, w, dedo, flip=True, dx=plain.dx, dw=grads.dw[::-1, ::-1])
    dx, dw = report.gradients["dEdX"], report.gradients["dEdW"]
    assert (dx.mistake, dw.mistake) == ("filter-not-rotated", "result-rotated")
    assert "slide W over dE/dO as it is" in dx.hint
    assert "rotate it at the end" in dw.hint
    assert dx.code is dw.code is None


def test_one_wrong_element_has_no_cause_by_chance(whole):
    case = LAYERS[0]
    q = buggy.Layer(case)
    for change in range(1, 10) if whole else (6,):
        claim = buggy.right_dx(q).copy()
        claim[0, 0, 2, 2] += change
        assert "In every wrong element" not in graded(q, "dx", claim).hint
    claim = np.minimum(buggy.right_dx(q), 0)
    assert graded(q, "dx", claim).hint.endswith("Every wrong element is 0.")


def test_old_numbers_where_no_window_reads_are_told():
    x, w, dedo = np.arange(49).reshape(7, 7), np.array([[1, 2], [3, 5]]), np.array([[4, -2], [1, 3]])
    dx = cnngrad.backward(x, w, dedo, stride=4).dx
    claim = np.where(dx == 0, x, dx)
    hint = cnngrad.check(x, w, dedo, stride=4, dx=claim).gradients["dEdX"].hint
    assert hint.startswith("Every wrong element is one that no window reads: it must be 0. To fix it: begin with zeros")
    claim[0, 0] += 1
    assert "no window reads" not in cnngrad.check(x, w, dedo, stride=4, dx=claim).gradients["dEdX"].hint


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("result", "claim", "told"),
    [
        ("dw", lambda q: buggy.flat(q, "w", x=lambda s: ((s.n * q.C + s.channel) * q.H + s.h) * q.Wo + s.k),
         "X is read with length 5 (the columns of O), not 6 (columns of X)"),
        ("dx", lambda q: buggy.flat(q, "x", g=lambda s: ((s.n * q.F + s.f) * q.Ho + s.i) * q.Wo + s.i),
         "dE/dO is read at i, not j: the columns of O are replaced by the rows of O"),
        ("dw", lambda q: buggy.flat(q, "w", row=lambda s: s.u - q.pt),
         "X is read at 0·i + u − 1, not i + u − 1: the rows of O are left out"),
        ("dx", lambda q: buggy.flat(q, "x", ends={"v": q.kw + 1}),
         "the loop over the columns of W runs from 0 to below 3 (one too many), not from 0 to below 2"),
        ("dw", lambda q: buggy.flat(q, "w", test=(1, 0)),
         "the test of the rows of X runs from 0 to below 8 (one too many), not from 0 to below 7"),
        ("dx", lambda q: buggy.flat(q, "x", each=lambda product: product // 4 * 4),
         "each product is rounded down to a multiple of 2^2"),
        ("dx", lambda q: buggy.crop(q, buggy.scatter(q), q.pt + 3, q.pl), "4,0 zeros in front of X, not 1,0"),
        ("dw", lambda q: buggy.right_dw(q) + 0.01 * q.w, "0.01·W is added"),
        ("dx", lambda q: buggy.flat(q, "x", w=lambda s: (s.f * q.Cg + s.c) * q.kh * q.kh + s.u * q.kw + s.v),
         "W is read with length 3 (the rows of W or the filters of O), not 2 (columns of W)"),
        ("dx", lambda q: buggy.right_dx(q) - q.x, "X is subtracted"),
        ("dx", lambda q: 0.5 * buggy.right_dx(q) + 3 * q.x, "by 0.5 = 1/N = 1/C, 3·X is added"),
        ("dw", lambda q: buggy.flat(q, "w", row=lambda s: s.u - q.pt, column=lambda s: s.v),
         "X is read at (0·i + u − 1, 0·j + v), not (i + u − 1, j + v): all positions of O are left out"),
        ("dx", lambda q: buggy.flat(q, "x", g=lambda s: ((s.n * q.F + s.f) * q.Ho + s.h) * q.Wo + s.j),
         "dE/dO is read at i + u − 1, not i: it is the index of the rows of X"),
        ("dx", lambda q: buggy.flat(q, "x", x=lambda s: ((s.n * q.C + s.channel) * q.H + s.i) * q.W + s.k),
         "dX is written at i, not i + u − 1: it is the index of the rows of O"),
        ("dx", lambda q: buggy.right_dx(q) * (q.x > 0), "dE/dX times the derivative of ReLU at X"),
        ("dx", lambda q: buggy.right_dx(q) * (q.x >= 0), "dE/dX times the derivative of ReLU (1 at 0) at X"),
        ("dx", lambda q: (buggy.right_dx(q) + 128) % 256 - 128, "as int8"),
        ("dx", lambda q: buggy.right_dx(q).clip(-127, 127), "as int8"),
        ("dx", lambda q: buggy.flat(q, "x", x=lambda s: ((s.n * q.C + s.channel) * q.H + s.h) * q.W),
         "dX is written at 0, not j + v: the whole index is left out"),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_the_user_s_words(result, claim, told):
    q = buggy.Layer(Case((2, 2, 7, 6), (3, 2, 3, 2), (1, 1), ((1, 2), (0, 0)), (1, 1)))
    assert f"({told})" in graded(q, result, claim(q)).hint


def test_advice_on_axes_names_those_of_the_layer():
    x, w, dedo = (np.random.default_rng(0).integers(-9, 9, shape) for shape in ((5, 6, 7), (2, 2, 2), (4, 5, 6)))
    dw = cnngrad.backward(x, w, dedo, dims=3).dw
    wrong = str(cnngrad.check(x, w, dedo, dims=3, dw=dw.swapaxes(0, 2)))
    assert "Spatial axes are swapped. To fix it: depths come first, then rows and columns: look" in " ".join(
        wrong.split()
    )
    wrong = str(cnngrad.check(x[0], w[0], dedo[0], dw=cnngrad.backward(x[0], w[0], dedo[0]).dw.T))
    assert "Height and width are swapped. To fix it: rows come first, then columns: look" in " ".join(wrong.split())
    # An element of dE/dX is no sum over samples, and that of a transposed layer one over the same axes.
    scaled = next(mistake for mistake in CATALOGUE if mistake.id == "scaled")
    for layer in (make_layer((3, 3), (2, 2)), make_layer((3, 3), (2, 2), transposed=True)):
        assert scaled.words(DX, layer)[1] == "remove the factor: dE/dX is a plain sum over filters and filter elements"
    # The letters of a place in memory are those of the user's layer, not of its twin.
    (flat,) = (mistake for mistake in CATALOGUE if mistake.id == "flat-index")
    indices = "(f·H' + i)·W' + j in dE/dO, ((c·F + f)·kh + u)·kw + v in W and (c·H + h)·W + w in X"
    assert flat.words(DX, make_layer((2, 3, 3), (2, 3, 2, 2), transposed=True))[1] == f"the index is {indices}"


def with_parts(q, **parts):
    """The layer with other arrays."""
    other = copy(q)
    vars(other).update(parts)
    return other


@pytest.mark.parametrize(
    ("case", "result", "claim", "told"),
    [
        # The step from group to group is another array's.
        (Case((1, 6, 4, 4), (4, 3, 2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), groups=2), "dx",
         lambda q: buggy.flat(q, "x", g=lambda s: ((s.f // 2 * 3 + s.f % 2) * q.Ho + s.i) * q.Wo + s.j),
         "dE/dO is read at 3·g + f, not 2·g + f: a group has 3 channels"),
        # A row that is too far wraps into the next one.
        (Case((2, 2, 5, 4), (2, 2, 3, 3), (1, 1), ((0, 0), (1, 1)), (1, 1)), "dw",
         lambda q: buggy.flat(q, "w", test=(0, 99), front=99), "the test of the columns of X is missing"),
        # Slips in loops over X with its padding, whatever it holds.
        (FILLED[0], "dw", lambda q: buggy.right_dw(with_parts(q, xp=q.xp[:, [0] * q.C])),
         "X is read at 0·c, not c"),
        # One step alone has a wrong length in it.
        (Case((2, 2, 5, 4), (3, 2, 3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)), "dw",
         lambda q: buggy.flat(
             q, "w", x=lambda s: s.n * q.C * q.H * q.W + s.channel * q.H * q.Wo + s.h * q.W + s.k
         ),
         "X is read with length 3"),
        # One zero fewer in front.
        (Case((1, 2, 5, 5), (2, 2, 3, 3), (1, 1), ((2, 2), (2, 2)), (1, 1)), "dx",
         lambda q: buggy.crop(q, buggy.scatter(q), 1, 2), "1,2 zeros in front of X: shifted by 1,0"),
        # dE/dO has the shape of X.
        (Case((1, 2, 5, 5), (2, 2, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)), "dx",
         lambda q: buggy.right_dx(q) + q.g, "dE/dO is added"),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_other_layers(case, result, claim, told):
    q = buggy.Layer(case)
    assert told in graded(q, result, claim(q)).hint


def test_a_slip_in_a_transposed_layer_has_the_letters_of_its_user():
    generator = np.random.default_rng(2)
    x, w, dedo = (generator.integers(-9, 10, shape) for shape in ((2, 2, 4, 3), (2, 3, 3, 2), (2, 3, 6, 4)))
    wrong = cnngrad.backward(x, w[:, [0] * 3], dedo, transposed=True).dx
    hint = cnngrad.check(x, w, dedo, transposed=True, dx=wrong).gradients["dEdX"].hint
    assert "(W is read at 0·f, not f" in hint
    assert "x[n, c, i[0], i[1]], w[c, f, u[0], u[1]], dedo[n, f, place[0], place[1]]" in hint
    added = cnngrad.backward(x, w, dedo, transposed=True).dx + x
    report = cnngrad.check(x, w, dedo, transposed=True, dx=added).gradients["dEdX"]
    assert (report.mistake, "(X is added)" in report.hint) == ("old-contents", True)


def test_a_slip_is_told_if_w_is_rotated_too():
    generator = np.random.default_rng(2)
    x, w, dedo = (generator.integers(-9, 10, shape) for shape in ((2, 2, 5, 5), (3, 2, 3, 2), (2, 3, 3, 4)))
    wrong = cnngrad.backward(x, w[[0] * 3], dedo, flip=True).dx
    assert "(W is read at 0·f, not f: " in cnngrad.check(x, w, dedo, flip=True, dx=wrong).gradients["dEdX"].hint


def test_products_that_are_rounded_are_no_sums_in_16_bits():
    """Multiples of 1/4 look like bfloat16's values, but no rounding of a sum makes all of them."""
    generator = np.random.default_rng(3)
    x, w, dedo = (generator.integers(-40, 40, shape) / 16 for shape in ((1, 2, 5, 5), (2, 2, 2, 2), (1, 2, 4, 4)))
    q = buggy.Layer(Case((1, 2, 5, 5), (2, 2, 2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    q.x, q.w, q.g = x, w, dedo
    claim = buggy.flat(q, "w", each=lambda product: np.rint(product * 4) / 4)
    report = cnngrad.check(x, w, dedo, dw=np.array(claim.tolist())).gradients["dEdW"]
    assert (report.passed, report.mistake) == (False, "products-rounded")


def test_tests_that_end_too_far_along_all_axes_are_told():
    q = buggy.Layer(LAYERS[1])
    report = graded(q, "dw", buggy.flat(q, "w", test=(1, 1)))
    assert (report.mistake, report.also) == ("loop-bound", ())
    assert "(the tests along all axes of X end one too far)" in report.hint


def test_a_slip_with_another_sign_or_factor_is_told_with_it():
    q = buggy.Layer(SMALL_LAYER)
    left_out = buggy.flat(q, "x", w=lambda s: (s.f * q.Cg * q.kh + s.u) * q.kw + s.v)
    for factor, other in ((-1, "sign-flipped"), (2, "scaled")):
        report = graded(q, "dx", factor * left_out)
        assert {report.mistake, *report.together} == {"index-left-out", other}


def test_numbers_that_are_cut_are_not_said_to_have_something_added():
    q = buggy.Layer(SMALL_LAYER)
    right = buggy.right_dw(q) * 0.37
    assert graded(q, "dw", np.floor(right * 100) / 100).mistake is None
    assert graded(q, "dw", buggy.right_dw(q) - 0.005).mistake == "old-contents"


@pytest.mark.parametrize("seed", range(3))
def test_rounding_that_hides_a_mistake_is_none(seed):
    """The last row of dE/dX is 0: without it, the result is the same."""
    generator = np.random.default_rng(seed)
    x, w, dedo = (generator.standard_normal(shape).round(3) for shape in ((2, 2, 10), (3, 2, 3), (2, 3, 4)))
    options = {"stride": 3, "padding": ((1, 2),), "dims": 1}
    dx = np.rint(2**14 * cnngrad.backward(x, w, 2 * dedo, **options).dx) / 2**14
    report = cnngrad.check(x, w, 2 * dedo, dx=dx, **options).gradients["dEdX"]
    assert report.passed is None
    assert not report.found


@pytest.mark.parametrize(("size", "named"), [(2, "weight-decay"), (4, None)])
def test_a_little_weight_decay_is_told_of_decimals_where_rounding_lets_it(size, named):
    generator = np.random.default_rng(1)
    x, w, dedo = (generator.standard_normal(shape).round(3) for shape in ((2, 2, 5, 6), (3, 2, 3, 2), (2, 3, 5, 7)))
    dw = cnngrad.backward(x, w, size * dedo, padding=1).dw + 0.0005 * w
    report = cnngrad.check(x, w, size * dedo, dw=dw, padding=1).gradients["dEdW"]
    assert report.passed is False
    assert report.mistake == named


def test_two_decimals_tell_how_their_products_were_rounded():
    x, w, dedo = (
        np.array([[1.51, -0.75, 2.27], [0.5, 1.25, -1.12]]),
        np.ones((1, 2)),
        np.array([[0.3, -1.18], [1.6, 0.2]]),
    )
    claim = [[sum(np.floor(dedo[i, j] * x[i, j + v] * 256) / 256 for i in (0, 1) for j in (0, 1)) for v in (0, 1)]]
    graded = cnngrad.check(x, w, dedo, dw=claim, written="fixed:8").gradients["dEdW"]
    assert graded.mistake == "products-rounded"
    assert "each product is rounded down to a multiple of 2^-8" in graded.hint
    claim[0][0] += 2**-8
    assert "float16" not in cnngrad.check(x, w, dedo, dw=claim, written="fixed:8").gradients["dEdW"].hint


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("factor", "mistake"), [(-1, "sign-flipped"), (0.5, "scaled"), (2, "scaled")])
def test_a_mistake_is_told_with_one_wrong_element_besides(factor, mistake):
    q = buggy.Layer(SMALL_LAYER)
    claim = factor * buggy.right_dw(q).astype(float)
    claim[1, 0, 2, 1] += 5
    report = graded(q, "dw", claim)
    assert (report.passed, report.mistake) == (False, mistake)
    assert "but for dE/dw[2,1]32" in report.hint
    claim[2, 1, 0, 0] += 3
    assert graded(q, "dw", claim).mistake is None


def test_a_factor_is_told_with_six_digits():
    x, w, dedo, grads = decimals(0, (3, 3), (2, 2))
    report = cnngrad.check(x, w, dedo, dx=grads.dx / 7).gradients["dEdX"]
    assert report.mistake == "scaled"
    assert "by 0.142857)" in report.hint


def test_a_wrong_array_is_told_with_one_wrong_element_besides_but_not_with_a_factor_too():
    q = buggy.Layer(SMALL_LAYER)
    claim = buggy.crop(q, buggy.scatter(q, w=q.w[:, :, ::-1, ::-1])).astype(float)
    claim[0, 1, 2, 1] += 5
    report = graded(q, "dx", claim)
    assert (report.passed, report.mistake) == (False, "filter-not-rotated")
    assert "but for dE/dx[1,2]32" in report.hint
    assert graded(q, "dx", 2 * claim).mistake is None


def test_a_mistake_that_changes_two_elements_has_no_name_with_another_wrong_one():
    q = buggy.Layer(LAYERS[2])
    claim = buggy.right_dw(q).copy()
    claim[..., 0, 0] = 0
    assert graded(q, "dw", claim).mistake == "incomplete"
    claim[1, 0, 1, 2] += 5
    assert graded(q, "dw", claim).mistake is None


@given(layers(), st.integers(0, 2**16), st.sampled_from([0.1, 0.5, 1]))
@settings(max_examples=2)
def test_random_numbers_have_no_name(case, seed, share):
    """A share of the elements, from two up to all, is changed at random."""
    rng = np.random.default_rng(seed)
    x, w, b, dedo = case.data(seed)
    grads = cnngrad.backward(x, w, dedo, **case.options)
    for name in ("dw", "dx"):
        right = getattr(grads, name)
        changed = rng.random(right.shape) < share
        changed.flat[:2] = True
        claim = right + changed * rng.integers(1, 999, right.shape)
        # Numbers where no window reads have a name of their own.
        if right.size > 7 and right[changed].any():
            (report,) = cnngrad.check(x, w, dedo, b=b, **case.options, **{name: claim}).gradients.values()
            assert (report.passed, report.mistake) == (False, None), report.hint


def test_symmetric_decimals_hide_what_symmetric_integers_hide():
    x, w, dedo, _ = decimals(0, (5, 5), (3, 3))
    even = (w + w[::-1, ::-1]) / 2
    report = cnngrad.check(x, even, dedo, dx=cnngrad.backward(x, even, dedo).dx)
    assert "filter-not-rotated" in report.gradients["dEdX"].hidden


@pytest.mark.sampled(5)
@pytest.mark.parametrize("which", [("X",), ("W",), ("dE/dO",), ("X", "W", "dE/dO")])
@pytest.mark.parametrize(
    ("to", "change"),
    [
        ("float16 or TF32", lambda a: a.astype(np.float16).astype(float)),
        ("whole numbers", np.trunc),
        ("the nearest whole numbers", np.rint),
        ("one decimal place", lambda a: a.round(1)),
    ],
)
def test_operands_that_are_rounded_are_told(which, to, change):
    generator = np.random.default_rng(0)
    x, w, g = (generator.normal(size=shape) * 9 for shape in ((2, 2, 5, 6), (3, 2, 2, 3), (2, 3, 4, 4)))
    rounded = [change(a) if k in which else a for k, a in (("X", x), ("W", w), ("dE/dO", g))]
    wrong = cnngrad.backward(*rounded)
    report = cnngrad.check(x, w, g, dw=wrong.dw, dx=wrong.dx)
    # The products that a rounded operand takes part in are not those of the array's own numbers.
    assert "products-rounded" in str(report)
    for gradient, pair in (("dEdW", {"X", "dE/dO"}), ("dEdX", {"W", "dE/dO"})):
        found, told = report.gradients[gradient], pair & set(which)
        if told:
            assert found.mistake == "products-rounded"
            assert f"({'both operands' if len(told) > 1 else told.pop()} to {to})" in found.hint
        else:
            assert found.passed
