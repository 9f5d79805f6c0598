"""A backward pass of the user's own, run over many layers: what is found."""

import json
from dataclasses import replace

import numpy as np
import pytest

import cnngrad
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.files.write import to_json
from cnngrad.layer import make_layer
from cnngrad.programs.conditions import separating
from cnngrad.programs.functions import _InProcess
from cnngrad.programs.judging import run_layers
from cnngrad.programs.shrinking import shrunk
from cnngrad.programs.suites import FEATURES, SuiteLayer, features, numbered, sizes
from cnngrad.programs.verdicts import Outcome
from cnngrad.tensor import Tensor
from tests import claims, golden, reference, schema


def right(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw, found.dx, found.db


@pytest.mark.sampled(7)
@pytest.mark.parametrize("name", claims.FUNCTIONS)
def test_the_findings_on_a_function_are_those_that_people_have_seen(name):
    assert claims.findings(name) == golden.kept("functions", name)


@pytest.mark.parametrize("suite", ["quick", "standard"])
def test_what_layers_have_in_common_is_told_as_people_have_seen(suite):
    assert golden.common(suite) == golden.kept("common", suite)


def test_a_right_function_passes_everywhere(whole):
    suite = "standard" if whole else "quick"
    for dims in (1, 2, 3):
        findings = cnngrad.check_function(lambda *a, dims=dims, **o: right(*a, dims=dims, **o), suite, dims=dims)
        assert findings.passed, str(findings)
    assert cnngrad.check_function(right, "thorough" if whole else "quick", decimals=True, seed=3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_right_function_of_another_precision_passes(dtype, whole):
    @np.errstate(over="ignore")  # float16 does not hold the numbers of some layers: they are skipped
    def rounded(x, w, dedo, **options):
        return tuple(
            array.astype(dtype) for array in right(x.astype(float), w.astype(float), dedo.astype(float), **options)
        )

    # test_control.py has right passes in these dtypes over the standard suite.
    findings = cnngrad.check_function(rounded, "standard" if whole else "quick", decimals=True)
    assert findings.passed is not False, str(findings)


def loops(x, w, dedo, stride, padding, dilation, groups):
    stride, dilation = (np.broadcast_to(option, 2).tolist() for option in (stride, dilation))
    pads = np.broadcast_to(padding, (2, 2)).tolist() if np.ndim(padding) == 0 else padding
    return reference.backward(x, w, dedo, stride, pads, dilation, groups, False)


def test_nested_loops_pass_the_quick_suite():
    def named(*arrays, **options):
        dw, dx, db = loops(*arrays, **options)
        return {"dEdX": dx, "dw": dw, "db": db}

    assert cnngrad.check_function(named, "quick")


@pytest.mark.usefixtures("few_smaller_layers")
def test_with_flip_the_fix_is_that_of_true_convolution():
    def rotated(x, w, dedo, **options):
        dw, _, db = right(x, w, dedo, flip=True, **options)
        return dw, right(x, w, dedo, **options)[1], db

    findings = cnngrad.check_function(rotated, "quick", flip=True)
    assert findings.explanation.mistakes == ("filter-not-rotated",)
    assert "W is rotated by 180° in the full convolution. To fix it: slide W over dE/dO as it is" in findings.summary


def test_the_finding_names_the_one_mistake_and_what_the_layers_have_in_common():
    def stride_ignored(x, w, dedo, *, stride, padding, dilation, groups):
        dw, _, db = right(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)
        _, dx, _ = loops(x, w, dedo, 1, padding, dilation, groups)
        return dw, dx, db

    findings = cnngrad.check_function(stride_ignored, "quick")
    assert findings.explanation.mistakes == ("stride-ignored",)
    assert (
        "all failing layers have stride > 1; all are explained by stride-ignored: the stride is not used"
        in findings.summary
    )
    assert findings.smallest.work <= min(outcome.layer.work for outcome in findings.failing)
    (compared,) = findings.compared
    assert compared.made is not None
    assert [term.factors for term in compared.made.terms] != [term.factors for term in compared.right.terms]
    with pytest.raises(AssertionError, match="stride-ignored"):
        findings.raise_if_wrong()


@pytest.mark.usefixtures("undiagnosed")
def test_what_your_code_computes_is_read_off_it():
    def odd(x, w, dedo):
        dw, dx, _ = right(x, w, dedo)
        dx[..., 0, 0] = 3 * dedo[..., 0, 0] * w[..., 1, 1]
        return dw, dx

    findings = cnngrad.check_function(odd, "quick", without=FEATURES[:-1])
    assert findings.explanation is None
    (term,) = findings.as_json()["expansions"][0]["yours"]
    assert term["coefficient"] == 3
    assert [name[-2:] for name in term["factors"]] == ["11", "22"]


def test_the_smallest_layer_is_shrunk_and_fails_in_the_same_way():
    def wrong(x, w, dedo, **options):
        _, dx, _ = right(x, w[..., ::-1, ::-1], dedo, **options)
        return right(x, w, dedo, **options)[0], dx

    smallest = cnngrad.check_function(wrong, "quick").smallest
    assert smallest.work <= 3
    dx = cnngrad.backward(*(smallest.arrays[t] for t in (Tensor.X, Tensor.W, Tensor.DEDO)), **smallest.layer.options).dx
    turned = wrong(*(smallest.arrays[t] for t in (Tensor.X, Tensor.W, Tensor.DEDO)), **smallest.layer.options)[1]
    report = cnngrad.check(**{t.keyword: a for t, a in smallest.arrays.items()}, **smallest.layer.options, dx=turned)
    assert not np.array_equal(dx, turned)
    assert report.gradients["dEdX"].mistake == "filter-not-rotated"


@pytest.mark.whole
@pytest.mark.usefixtures("few_smaller_layers")
def test_a_failure_that_two_mistakes_explain_is_shrunk_while_they_explain_it():
    """Sign and one axis of the filter are wrong: the pair must be found again in every smaller layer."""

    def wrong(x, w, dedo, **options):
        return None, -right(x, w[..., ::-1, :], dedo, **options)[1]

    findings = cnngrad.check_function(wrong, "quick", without=FEATURES[:-2])
    assert findings.explanation.mistakes == ("sign-flipped", "filter-flipped-one-axis")
    assert findings.smallest.name == "smallest"


@pytest.mark.whole
def test_a_failure_that_a_rare_mistake_explains_is_shrunk_while_the_mistake_is_found():
    """Such a mistake is not looked for in every smaller layer."""

    def wrong(x, w, dedo, **options):
        read = np.moveaxis(dedo, 0, -1).reshape(dedo.shape)
        return right(x, w, read, **options)[0], None

    findings = cnngrad.check_function(wrong, "quick", without=FEATURES[1:])
    assert findings.explanation.mistakes == ("memory-order",)
    assert findings.smallest.work <= 32
    assert findings.smallest.layer.batch > 1


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize("feature", FEATURES)
def test_the_smallest_layer_needs_nothing_that_the_program_does_not_have(feature, whole):
    suite = "standard" if whole else "quick"
    findings = cnngrad.check_function(
        lambda x, w, dedo, **o: (None, -right(x, w, dedo, **o)[1]), suite, without=[feature]
    )
    assert feature not in features(findings.smallest.layer)


def tried(x, w, **options):
    """The layers that are tried if none of them fails, and the layer itself."""
    best = numbered(SuiteLayer("best", make_layer(x, w, **options), {}), decimals=False)
    found = []
    shrunk(Outcome(best, None), found.append, (), lambda *_: None)
    return best, found


def test_one_product_on_all_axes_is_tried_first_and_then_on_each():
    for options in ({"dilation": 2}, {"transposed": True, "output_padding": 1}):
        _, smaller = tried((7, 8), (3, 2), stride=2, padding=1, **options)
        axes = smaller[0].layer.axes
        found = {(a.size, a.kernel, a.stride, a.dilation, a.before, a.after, a.extra) for a in axes}
        assert found == {(1, 1, 1, 1, 0, 0, 0)}
        assert [each.layer.size for each in smaller[1:3]] == [(1, 8), (7, 1)]


def test_a_few_sizes_and_the_next_ones_are_tried():
    _, smaller = tried((14, 14, 1, 1), (14, 14, 1, 1))
    found = {(each.layer.batch, each.layer.channels, each.layer.filters) for each in smaller}
    fewer = (1, 2, 3, 4, 5, 7, 12, 13)
    assert found == {(14, 14, 14)}.union(*({(n, 14, 14), (14, n, 14), (14, 14, n), (14, n, n)} for n in fewer))


def test_one_group_all_channels_in_one_group_and_fewer_in_each_are_tried():
    best, smaller = tried((1, 6, 1, 1), (9, 2, 1, 1), groups=3)
    found = {(each.layer.groups, each.layer.channels, each.layer.filters) for each in smaller}
    assert found == {(3, 6, 9), (1, 2, 3), (1, 6, 9), (3, 3, 3), (3, 3, 9), (3, 6, 3), (3, 6, 6)}
    # The layer itself is tried with other numbers alone.
    assert all(each.layer is best.layer or sizes(each.layer) != sizes(best.layer) for each in smaller)


@pytest.mark.parametrize(("name", "most", "number"), [("_MOST_RUNS", 9, 9), ("_LONGEST", -1.0, 0)])
def test_runs_and_time_are_limited(name, most, number, monkeypatch):
    monkeypatch.setattr(f"cnngrad.programs.shrinking.{name}", most)
    assert len(tried((4, 4), (2, 2))[1]) == number


def test_at_most_200_smaller_layers_are_tried():
    assert len(tried((9, 9), (3, 3))[1]) == 200


def test_a_layer_is_tried_with_zeros_in_its_padding():
    best, smaller = tried((4, 4), (2, 2), padding=1, padding_mode="reflect")
    axes = tuple(replace(axis, mode="zeros") for axis in best.layer.axes)
    assert axes in {each.layer.axes for each in smaller}
    # Reflection needs at least two elements.
    assert min(a.size for each in smaller for a in each.layer.axes if a.before and a.mode == "reflect") == 2


def test_halves_quarters_and_single_numbers_are_tried_as_0_and_1():
    best, smaller = tried((1, 8), (1, 1))
    array = best.arrays[Tensor.X]
    wanted = {np.ones_like(array).tobytes(), np.abs(array).tobytes(), array.tobytes()}
    for size in (4, 2, 1):
        for first in range(0, 8, size):
            for value in (0, 1):
                changed = array.copy()
                changed[0, first : first + size] = value
                wanted.add(changed.tobytes())
    assert {each.arrays[Tensor.X].tobytes() for each in smaller if each.layer is best.layer} == wanted


def test_no_step_to_the_smallest_layer_adds_what_the_program_does_not_have():
    """One zero on one side is less than one on both."""

    def crashing(x, w, dedo, padding, **options):
        if np.any(padding):
            raise IndexError
        return right(x, w, dedo, padding=padding, **options)

    for without, uneven in ((), True), (["asymmetric"], False):
        smallest = cnngrad.check_function(crashing, "quick", without=without).smallest
        assert ("asymmetric" in features(smallest.layer)) is uneven


def test_a_failure_that_no_mistake_explains_is_shrunk_too():
    def crashing(x, w, dedo, **options):
        if w.shape[1] > 1:
            raise IndexError
        return right(x, w, dedo, **options)

    findings = cnngrad.check_function(crashing)
    assert findings.smallest.layer.channels == 2
    assert findings.smallest.work <= 2
    assert "it fails where channels of a group > 1" in findings.summary


@pytest.mark.sampled(2)
@pytest.mark.parametrize("side", [1, 0])
def test_nothing_stays_in_the_smallest_layer_that_the_failure_does_not_need(side):
    def crashing(x, w, dedo, *, stride, padding, dilation, groups):
        pads = padding if np.ndim(padding) else np.full((2, 2), padding)
        if min(np.broadcast_to(stride, 2)) > 1 and pads[1][side] > 0:
            raise IndexError
        return right(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)

    findings = cnngrad.check_function(crashing)
    assert findings.failing[0].status == "exception (IndexError)"
    layer = findings.smallest.layer
    assert [(axis.before, axis.after) for axis in layer.axes] == [(0, 0), (1 - side, side)]
    assert [(axis.size, axis.kernel, axis.stride, axis.dilation) for axis in layer.axes] == [(1, 1, 2, 1)] * 2
    assert (layer.batch, layer.channels, layer.filters, layer.groups, layer.has_bias) == (1, 1, 1, 1, False)
    assert all(set(array.ravel().tolist()) <= {0, 1} for array in findings.smallest.arrays.values())


def test_output_padding_stays_no_more_than_other_padding():
    def crashing(x, w, dedo, *, stride, **options):
        if max(np.broadcast_to(stride, 2)) == 3:
            raise IndexError
        return cnngrad.backward(x, w, dedo, stride=stride, **options)

    findings = cnngrad.check_function(crashing, "quick", transposed=True)
    assert {layer.name for layer in findings.failing} == {"leftover", "all"}
    axes = findings.smallest.layer.axes
    assert [(axis.extra, axis.size, axis.kernel, axis.stride) for axis in axes] == [(0, 1, 1, 3), (0, 1, 1, 1)]


@pytest.mark.usefixtures("few_smaller_layers")
def test_what_two_failing_layers_have_in_common_is_said_and_of_one_it_is_not():
    def failing(layers):
        def crashing(x, w, dedo, *, groups, **options):
            if groups > 1 and (layers > 1 or len(x) > 1):
                raise IndexError
            return right(x, w, dedo, groups=groups, **options)

        return cnngrad.check_function(crashing, "quick").summary

    assert failing(2) == "2 of 12 layers fail; it fails where groups > 1."
    assert failing(1) == "1 of 12 layers fails; it fails where groups > 1 and batch > 1."


@pytest.mark.usefixtures("few_smaller_layers")
def test_an_option_that_failing_layers_have_is_told_rather_than_their_size():
    """The layer with different strides has the fewest outputs too."""

    def swapped(x, w, dedo, *, stride=1, padding=0):
        dw, dx, _ = right(x, w, dedo, stride=stride, padding=padding)
        return dw if np.ndim(stride) == 0 else dw**2, dx

    findings = cnngrad.check_function(swapped, "quick")
    assert "1 of 12 layers fails" in findings.summary
    assert "it fails with strides that differ" in findings.summary


def test_a_limit_is_the_least_one_at_which_a_layer_fails():
    """With five filters the mistake looks like another one, that the last filter is left out."""

    def four_filters(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo, **options)
        dw[4:] = 0
        return dw, dx

    findings = cnngrad.check_function(four_filters, "quick")
    assert "it fails where filters > 4" in findings.summary


@pytest.mark.parametrize("tile", [2, 4, 8, 16, 32])
def test_a_program_that_is_right_for_whole_tiles_alone_is_told_as_such(tile):
    right, wrong = (
        [make_layer((1, channels, 3, 3), (1, channels, 2, 2)) for channels in some]
        for some in ((tile // 2, tile, 2 * tile, 3 * tile), (tile + 1, 3 * tile // 2, 5 * tile // 2))
    )
    assert separating(right, wrong) == f"channels > {tile} is no multiple of {tile}"


def test_few_numbers_are_explained_by_what_others_show():
    """With a filter of one element dE/dW has one number, which shows no mistake by itself."""

    def lost_row(x, w, dedo, *, stride):
        read = dedo.copy()
        read[..., -1, :] = 0
        grads = cnngrad.backward(x, w, read, stride=stride)
        return grads.dw, grads.dx

    findings = found(lost_row, "square", "plain", "stride-2", "leftover", "1x1", "1x1-stride")
    assert "wrong otherwise" not in findings.summary
    (explanation, *_) = findings.explanations
    assert explanation.mistakes == ("incomplete",)
    assert {"1x1", "1x1-stride"} <= {outcome.layer.name for outcome in explanation.outcomes}


@pytest.mark.usefixtures("few_smaller_layers")
def test_every_element_and_the_relation_are_read_off():
    def ignored(x, w, dedo, *, stride, padding, dilation, groups):
        _, dx, db = right(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return loops(x, w, dedo, 1, padding, dilation, groups)[0], dx, db

    findings = cnngrad.check_function(ignored, "quick")
    elements = findings.as_json()["expansions"]
    assert len(elements) == findings.smallest.arrays[Tensor.W].size
    assert all(element["yours"] is not None for element in elements)
    assert (
        "In layer stride-2 your numbers for ∂E/∂W follow input position = 1·i + 1·u along the rows and columns; it "
        in findings.note
    )


@pytest.mark.usefixtures("undiagnosed")
def test_what_a_result_must_not_depend_on_is_found():
    findings = cnngrad.check_function(lambda x, w, dedo: (None, right(x, w, dedo)[1] * x), "quick")
    assert "∂E/∂X changes if only X changes, but must not depend on it." in findings.note
    assert all(compared.made is None for compared in findings.compared)


@pytest.mark.usefixtures("undiagnosed")
def test_code_that_is_not_a_sum_of_products_is_said_to_be_none():
    squared = cnngrad.check_function(lambda x, w, dedo: (None, right(x, w, dedo)[1] ** 2), "quick")
    assert "is not a sum of products" in str(squared)
    constant = cnngrad.check_function(lambda x, w, dedo: (None, right(x, w, dedo)[1] + 1), "quick")
    assert "If all of its arrays are zeros, ∂E/∂X is not 0: some memory is not reset." in constant.note
    decayed = cnngrad.check_function(lambda x, w, dedo: (right(x, w, dedo)[0] + 0.01 * w**3, None), "quick")
    assert decayed.note == "∂E/∂W changes if only W changes, but must not depend on it."


@pytest.mark.usefixtures("undiagnosed")
def test_an_error_that_rounding_does_not_explain_in_one_layer_decides_for_all():
    def decayed(x, w, dedo):
        return (right(x, w, dedo)[0] + 1e-2 * np.abs(w)).astype(np.float32), None

    findings = cnngrad.check_function(decayed, "quick", without=FEATURES[:-1], decimals=True)
    results = [outcome.results[Tensor.DW] for outcome in findings.outcomes]
    assert {result.status for result in results} == {"wrong"}
    assert any(result.report.passed is None for result in results)


@pytest.mark.usefixtures("undiagnosed")
def test_layers_that_can_not_be_judged_are_counted():
    def rounded(array):
        """The 11 bits that TF32 keeps."""
        bits = array.astype(np.float32).view(np.uint32) + np.uint32(0x1000)
        return (bits & np.uint32(0xFFFFE000)).view(np.float32).astype(float)

    def tf32(x, w, dedo):
        return right(rounded(x), w, rounded(dedo))[0].astype(np.float32), None

    findings = cnngrad.check_function(tf32, "quick", without=FEATURES[:-1], decimals=True)
    assert {outcome.passed for outcome in findings.outcomes} == {False}
    assert "∂E/∂W: it has errors as large as TF32's, whose values look like float32's." in findings.note
    assert cnngrad.check_function(tf32, "quick", without=FEATURES[:-1], decimals=True, written="tf32").passed

    def one_digit(x, w, dedo):
        return [[float(f"{number:.1g}") for number in row] for row in right(x, w, dedo)[0].tolist()], None

    findings = cnngrad.check_function(one_digit, "quick", without=FEATURES[:-1], decimals=True)
    unjudged = sum(outcome.passed is None for outcome in findings.outcomes)
    assert unjudged > 6
    assert f"{unjudged} of 12 layers can't be judged" in findings.summary


@pytest.mark.usefixtures("few_smaller_layers")
def test_each_of_two_results_has_its_own_explanation():
    def wrong(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo, **options)
        return -dw, np.concatenate([dx[:1], 0 * dx[1:]])

    findings = cnngrad.check_function(wrong, "quick", without=["groups", "bias"])
    batches = [outcome for outcome in findings.outcomes if outcome.layer.layer.batch > 1]
    assert all(outcome.results[Tensor.DX].mistakes == ("first-batch-only",) for outcome in batches)
    assert findings.explanation.mistakes == ("sign-flipped",)
    assert (
        "all are explained by sign-flipped: in ∂E/∂W every element has the wrong sign. To fix it:" in findings.summary
    )
    told = f"; {len(batches)} ({', '.join(o.layer.name for o in batches[:-1])} and {batches[-1].layer.name}"
    assert told in findings.summary
    assert "in ∂E/∂X only the first sample is computed (the others are 0). To fix it: loop over all" in findings.summary


def test_layers_that_need_what_a_function_does_not_take_are_skipped():
    findings = cnngrad.check_function(lambda x, w, dedo, padding: right(x, w, dedo, padding=padding), "quick")
    assert findings
    assert findings.summary == (
        "All 7 layers pass; 5 skipped (not supported); stride > 1, an uneven padding, dilation > 1 and groups > 1 were "
        "never tried: 5 layers left out."
    )
    assert "skipped (not supported): it takes no stride" in str(findings)

    def not_implemented(*_, **__):
        raise NotImplementedError

    findings = cnngrad.check_function(not_implemented, "quick")
    assert findings.passed is None
    assert "skipped (not supported):" not in str(findings)


@pytest.mark.usefixtures("few_smaller_layers", "undiagnosed")
def test_other_ways_to_return_and_other_failures():
    reversed_order = cnngrad.check_function(lambda *a, **o: right(*a, **o)[1::-1], "quick")
    assert reversed_order
    assert "It returns (dx, dw), as the shapes show." in str(reversed_order)
    seconds = iter(range(10**6))
    noise = cnngrad.check_function(lambda x, w, dedo: (0 * w, x + next(seconds)), "quick")
    assert {outcome.results[Tensor.DX].status for outcome in noise.failing} == {"not the same twice"}
    times = iter(range(10**6))
    sometimes = cnngrad.check_function(
        lambda x, w, dedo, **o: right(x, w, dedo, **o)[:2] if next(times) % 2 else 1 / 0, "quick"
    )
    assert {outcome.status for outcome in sometimes.failing} == {"exception (ZeroDivisionError)"}
    assert "A layer was run twice, and one run alone ended without results" in sometimes.note
    raising = cnngrad.check_function(lambda x, w, dedo: 1 / 0, "quick")
    assert raising.failing[0].status == "exception (ZeroDivisionError)"
    assert cnngrad.check_function(right, "quick", expect=["O"]).failing[0].results[Tensor.O].status == "not written"
    for wrong in ({"suite": "slow"}, {"without": ["speed"]}, {"expect": ["dEdY"]}, {"dims": 4}):
        with pytest.raises(cnngrad.CnngradError, match=r"unknown|must be"):
            cnngrad.check_function(right, **wrong)


@pytest.mark.usefixtures("few_smaller_layers", "undiagnosed")
@pytest.mark.parametrize("second", [lambda dx: {}, lambda dx: {"dx": dx[..., :-1]}], ids=["lacking", "smaller"])
def test_a_result_that_the_second_call_lacks_or_has_in_another_shape_is_not_the_same_twice(second):
    calls = iter(range(10**6))

    def program(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo, **options)
        return {"dw": dw} | (second(dx) if next(calls) % 2 else {"dx": -dx})

    findings = cnngrad.check_function(program, "quick")
    assert {outcome.results[Tensor.DX].status for outcome in findings.failing} == {"not the same twice"}


def test_a_layer_that_lacks_a_result_which_others_have_does_not_fail_alone():
    findings = cnngrad.check_function(lambda x, w, dedo, **o: right(x, w, dedo, **o)[: 2 + (len(x) > 1)], "quick")
    assert {outcome.results[Tensor.DB].status for outcome in findings.failing} == {"not written"}
    assert not findings.alone


def test_a_suite_is_data_for_parametrize():
    layers = cnngrad.suite("standard")
    assert len({layer.name for layer in layers}) == len(layers) > 45
    transposed = cnngrad.suite("standard", transposed=True)
    assert len(transposed) == 65
    for layer in cnngrad.suite("quick"):
        assert cnngrad.check(**{t.keyword: a for t, a in layer.arrays.items()}, **layer.layer.options)
    plain = cnngrad.suite("standard", without=["batch", "channels"])
    assert all(layer.arrays[Tensor.X].ndim == 2 for layer in plain)


@pytest.mark.whole
def test_every_usual_mistake_shows_in_a_layer_of_the_standard_suite():
    layers = *cnngrad.suite("standard"), *cnngrad.suite("standard", transposed=True)
    # The others are looked for only if none of these explains a result.
    assert {name for layer in layers for name in layer.shows} == {mistake.id for mistake in CATALOGUE if mistake.short}


def test_a_layer_with_flip_shows_what_it_shows():
    x, w, dedo = (np.arange(1, size + 1).reshape(shape) for size, shape in ((9, (3, 3)), (4, (2, 2)), (4, (2, 2))))
    layer = make_layer((3, 3), (2, 2), flip=True)
    shows = SuiteLayer("flip", layer, {Tensor.X: x, Tensor.W: w, Tensor.DEDO: dedo}).shows
    assert {"filter-not-rotated", "sign-flipped", "result-rotated"} <= set(shows)
    assert "stride-ignored" not in shows


def test_a_mistake_whose_numbers_are_right_here_is_not_shown_for_another_shape_that_it_may_give():
    (layer,) = (layer for layer in cnngrad.suite("standard") if layer.name == "1x1-stride")
    assert "dilation-off-by-one" not in layer.shows
    assert "stride-ignored" in layer.shows


LAYERS = {layer.name: layer for layer in cnngrad.suite("standard")}


def found(function, *names):
    """The findings in some layers of the standard suite, which are not made smaller."""
    findings = run_layers([_InProcess(function)], [LAYERS[name] for name in names])
    schema.validate(json.loads(to_json(findings.as_json())))
    return findings


def test_a_nan_must_reach_the_sums_that_it_is_a_term_of():
    findings = found(lambda x, w, dedo, **options: right(x, w, np.nan_to_num(dedo), **options), "plain")
    assert "a NaN in ∂E/∂O is lost on the way to ∂E/∂X" in [fault.says for fault in findings.faults]


def with_dx(change):
    """A function that is right except for dE/dX, which it computes with changed options."""

    def wrong(x, w, dedo, *, stride, padding, dilation, groups):
        dw, _, db = right(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)
        options = {"stride": stride, "padding": padding, "dilation": dilation} | change(stride, padding, dilation)
        return dw, loops(x, w, dedo, **options, groups=groups)[1], db

    return wrong


def test_the_part_that_all_failing_layers_lack_is_told():
    def without_b(x, w, b, dedo, **options):
        return {"o": cnngrad.forward(x, w, **options)}

    findings = found(without_b, "plain", "bias", "many-bias")
    assert "all are explained by incomplete: a part is left out (b is missing). To fix it:" in findings.summary


def test_the_factor_that_all_failing_layers_share_is_told_by_its_name():
    """1/3 is 1/N in one layer, and 1/N = 1/F in another one."""

    def mean(x, w, dedo, **options):
        return right(x, w, dedo, **options)[0] / len(x), None

    findings = found(mean, "plain", "batch", "many")
    assert "every element is multiplied by the same factor (by 1/N). To fix it" in findings.summary

    def half(x, w, dedo, **options):
        return right(x, w, dedo, **options)[0] / 2, None

    # It is 1/N or 1/F in some layers by chance.
    assert "every element is multiplied by the same factor (by 0.5). To fix it" in found(half, "plain", "all").summary


def test_a_detail_with_other_numbers_in_each_layer_is_shown_for_the_first():
    def backward(x, w, dedo, **options):
        samples, filters, rows, columns = np.indices(dedo.shape)
        place = ((samples * dedo.shape[1] + filters) * dedo.shape[2] + rows) * dedo.shape[2] + columns
        return right(x, w, np.append(dedo, 0)[place], **options)[:2]

    assert (
        "all are explained by flat-index: a length is wrong in the flat index of an array (in dilation-2: dE/dO is "
        "read with length 3 (the rows of O or the rows of W), not 4 (columns of O)). To fix it"
    ) in found(backward, "plain", "dilation-2", "leftover").summary


def test_a_detail_that_most_layers_share_is_told_with_their_number():
    def mean(x, w, dedo, **options):
        dw = right(x, w, dedo, **options)[0]
        return dw / (7 if len(x) > 1 else dedo[0, 0].size), None

    layers = ("plain", "padding-1", "leftover", "batch")
    assert "(by 1/(H'·W') in 3 of 4 layers). To fix it" in found(mean, *layers).summary


@pytest.mark.whole
def test_a_mistake_that_explains_few_layers_is_told_too_and_what_is_not_explained():
    def wrong(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo, **options)
        dx[..., -1, :] += dx[..., -1, :] ** 3 * (len(w) > 1)
        return dw, dx if len(w) > 1 else -dx

    findings = found(wrong, "plain", "square", "channels", "groups", "bias")
    assert findings.explanation.mistakes == ("sign-flipped",)
    assert "; 2 (plain and square) are explained by sign-flipped: every element has the wrong sign." in findings.summary
    assert findings.summary.endswith(
        "3 (channels, groups and bias; all have channels > 1) are wrong otherwise: no known mistake gives it: only "
        "elements of ∂E/∂X in the last row are wrong."
    )
    findings = found(wrong, "channels", "groups", "bias")
    assert findings.explanation is None
    assert findings.summary == (
        "3 of 3 layers fail; no known mistake gives it: only elements of ∂E/∂X in the last row are wrong."
    )
    findings = found(lambda *a, **o: {"db": right(*a, **o)[2] ** np.arange(1, len(a[1]) + 1)}, "bias", "many-bias")
    assert findings.summary.startswith(
        "2 of 2 layers fail; no known mistake gives it: only elements of ∂E/∂b outside the first filter are wrong"
    )


@pytest.mark.whole
@pytest.mark.usefixtures("few_smaller_layers")
def test_the_smallest_layer_is_one_of_those_that_no_mistake_explains_if_these_are_most():
    def wrong(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo, **options)
        if len(x) > 1 or len(w) > 1:
            return dw, -dx
        dx[..., 0, 0] *= 3
        dx[..., -1, -1] += 5
        return dw, dx

    findings = cnngrad.check_function(wrong, "quick")
    assert (findings.explanation.mistakes, findings.explanation.explains) == (("sign-flipped",), 5)
    assert (len(findings.failing), findings.smallest.layer.batch, findings.smallest.layer.filters) == (12, 1, 1)


@pytest.mark.parametrize(
    ("decimals", "names", "told"),
    [
        # No windows of `leftover` overlap, so that each sum is one product.
        (True, ("leftover", "plain", "square"), "all are explained by products-rounded"),
        # `edge-column` has one column of outputs, the last one.
        (False, ("plain", "square", "edge-column"), "all are explained by incomplete: a part is left out"),
    ],
)
def test_a_mistake_that_explains_all_layers_is_the_only_one_told(decimals, names, told):
    def lost(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo * (np.arange(dedo.shape[-1]) < dedo.shape[-1] - 1), **options)
        return dw, dx

    def cut(x, w, dedo, stride):
        dx = np.zeros(x.shape)
        strides = np.broadcast_to(stride, 2).tolist()
        for o, f, h in reference.pairs(x.shape, w.shape, dedo.shape, strides, ((0, 0), (0, 0)), (1, 1), 1, False):
            dx[h] += np.trunc(dedo[o] * w[f])
        return None, dx

    layers = {layer.name: layer for layer in cnngrad.suite("standard", decimals=decimals)}
    findings = run_layers([_InProcess(cut if decimals else lost)], [layers[name] for name in names])
    assert told in findings.summary
    assert len(findings.explanations) == 1
    # The other one shows another mistake too.
    assert findings.smallest.name in ("plain", "square")


def own_layer(**options):
    """A layer of 14 by 13 with a filter of 3 by 2."""
    layer = make_layer((1, 1, 14, 13), (1, 1, 3, 2), **options)
    return numbered(SuiteLayer(" ".join(f"{name} {value}" for name, value in options.items()), layer, {}), False)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("name", "given", "used", "told"),
    [
        ("stride", (1, 2, 3, 4), (1, 2, 2, 2), "stride-fixed: your windows move by 2, whatever the stride above 1. To"),
        ("stride", (1, 2, 3, 4), (3, 3, 3, 3), "stride-fixed: your windows move by 3, whatever the stride. To fix it:"),
        # If one number replaces only one other, that has a name of its own.
        ("stride", (1, 2, 3), (1, 2, 2), "stride-gap-wrong"),
        (
            "dilation",
            (1, 2, 3, 4),
            (1, 2, 2, 2),
            "dilation-fixed: the elements of your filter stand 2 apart, whatever the dilation above 1",
        ),
        (
            "padding",
            (0, 2, 4),
            (0, 3, 3),
            "padding-fixed: your windows begin 3 in front of X, whatever the padding above",
        ),
        ("padding", (0, 1, 3), (0, 0, 0), "padding-ignored"),
    ],
)
def test_a_number_in_place_of_those_of_the_layers_is_told(name, given, used, told):
    numbers = dict(zip(given, used, strict=True))

    def change(stride, padding, dilation):
        if name == "padding":
            return {name: [[numbers[padding], 2 * padding - numbers[padding]]] * 2}
        return {name: numbers[{"stride": stride, "dilation": dilation}[name]]}

    layers = [own_layer(**{name: number}) for number in given]
    findings = run_layers([_InProcess(with_dx(change))], layers)
    assert f"explained by {told}" in findings.summary
    assert len(findings.explanations) == 1


def test_each_of_two_mistakes_is_told_with_its_layers():
    findings = found(
        with_dx(lambda *_: {"stride": 1, "dilation": 1}), "plain", "square", "stride-2", "dilation-2", "leftover", "all"
    )
    stride, dilation = findings.as_json()["explanations"]
    assert (stride["mistake"], stride["layers"]) == ("stride-ignored", ["stride-2", "leftover", "all"])
    assert (dilation["mistake"], dilation["layers"]) == ("dilation-ignored", ["dilation-2", "all"])
    assert findings.as_json()["explanation"] == stride
    assert (stride["explains"], stride["failing"]) == (3, 4)
    assert "4 of 6 layers fail; 3 (stride-2, leftover and all; all have stride > 1) are explained by stride-ignored"
    assert "; 2 (dilation-2 and all; all have dilation > 1) are explained by dilation-ignored" in findings.summary


def test_a_mistake_that_fits_one_layer_by_chance_is_not_told_beside_the_one_that_fits_all():
    """In front along the rows the padding holds the nearest row; behind, no window of `all` reads it."""

    def wrong(x, w, dedo, *, padding, **options):
        (top, bottom), columns = [(padding, padding)] * 2 if isinstance(padding, int) else padding
        framed = np.pad(x, ((0, 0), (0, 0), (top, 0), (0, 0)), "edge")
        framed = np.pad(framed, ((0, 0), (0, 0), (0, bottom), columns))
        return right(framed, w, dedo, padding=0, **options)[0], right(x, w, dedo, padding=padding, **options)[1]

    findings = found(wrong, "plain", "padding-1", "all")
    (explanation,) = findings.as_json()["explanations"]
    assert (explanation["mistake"], explanation["layers"]) == ("border-side", ["padding-1", "all"])


def test_a_limited_norm_is_told_though_the_smallest_wrong_layer_has_an_array_of_one_number():
    def clipped(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo, **options)
        return dw * min(1.0, 50 / np.linalg.norm(dw)), dx

    findings = found(clipped, "impulse", "1x1", "plain", "square")
    assert [outcome.layer.has_one_number for outcome in findings.failing] == [True, False, False]
    assert "right for small numbers alone: larger ones overflow or are clipped" in findings.summary


def test_a_layer_that_raises_hides_none_with_wrong_numbers():
    def wrong(x, w, dedo, *, groups, **options):
        if groups > 1:
            raise IndexError
        dw, dx, _ = right(x, w, dedo, **options)
        return (dw if len(x) == 1 else right(x[-1:], w, dedo[-1:], **options)[0]), dx

    findings = found(wrong, "groups", "depthwise", "plain", "square", "batch", "batch-padding", "many")
    assert findings.smallest.name == "batch"
    assert "3 (batch, batch-padding and many; all have batch > 1) are explained by last-batch-only" in findings.summary
    assert "; 2 (groups and depthwise; all have groups > 1) have no results: exception (IndexError)" in findings.summary


def test_arrays_that_no_mistake_explains_are_told_too():
    def wrong(x, w, dedo, **options):
        dw, dx, _ = right(x, w, dedo, **options)
        return dw * np.arange(1, dw.size + 1).reshape(dw.shape) if len(w) > 1 else dw, -dx

    findings = found(wrong, "plain", "square", "channels")
    assert findings.explanation.mistakes == ("sign-flipped",)
    last = findings.as_json()["explanations"][1]
    assert (last["mistake"], last["layers"]) == (None, ["channels"])
    assert "; 1 (channels) is wrong otherwise: in ∂E/∂W no known mistake gives it." in findings.summary


def test_five_layers_are_not_all_named():
    names = ["batch", "batch-padding", "batch-stride", "many", "many-padding"]
    findings = found(
        lambda x, w, dedo, **o: (None, right(x, w, dedo, **o)[1] * (-1 if len(w) == 2 else 1 / len(x))),
        "channels", *names, "square",
    )  # fmt: skip
    assert "5 (batch, batch-padding, batch-stride, many and others; all have batch > 1) are" in findings.summary


@pytest.mark.parametrize(
    ("name", "takes", "smallest"),
    [
        (
            "square-stride-2-padding-1",
            lambda layer: len({(a.size, a.kernel) for a in layer.axes}) == 1,
            {"size": (1, 1)},
        ),
        ("padding-2", lambda layer: all(a.before == a.after for a in layer.axes), {"pads": [(0, 0), (0, 0)]}),
        ("channels-fewer", lambda layer: layer.channels % 2, {"channels": 1, "filters": 1}),
        ("depthwise", lambda layer: layer.channels == layer.filters, {"channels": 1, "filters": 1, "groups": 1}),
        ("groups", lambda layer: layer.filters > 4, {"channels": 1, "filters": 5, "groups": 1}),
        ("stride-over-kernel", lambda layer: min(layer.kernel) > 1, {"kernel": (2, 2), "size": (2, 2)}),
    ],
)
def test_the_way_to_a_smaller_layer_goes_round_those_that_a_program_refuses(name, takes, smallest):
    def failing(layer):
        return Outcome(layer, None) if takes(layer.layer) else None

    layer = shrunk(Outcome(LAYERS[name], None), failing, (), lambda *_: None).layer.layer
    found = {name: getattr(layer, name, None) for name in smallest}
    if "pads" in found:
        found["pads"] = [(axis.before, axis.after) for axis in layer.axes]
    assert found == smallest
    assert takes(layer)


def test_a_number_in_place_of_those_of_the_layers_explains_arrays_of_few_numbers_too():
    """Four elements of dE/dW are too few to read a relation from."""

    def wrong(x, w, dedo, *, stride, padding, dilation, groups):
        return loops(x, w, dedo, np.minimum(stride, 2), padding, dilation, groups)

    findings = found(wrong, "plain", "stride-2", "leftover", "stride-3", "stride-over-kernel")
    assert findings.outcomes[-1].results[Tensor.DW].report.relation == ""
    assert "all are explained by stride-fixed: your windows move by 2, whatever the stride above 1" in findings.summary
    assert len(findings.explanations) == 1
