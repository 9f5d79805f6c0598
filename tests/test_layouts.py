"""Layouts: arrays whose axes are in another order than NCHW and OIHW."""

from itertools import permutations

import numpy as np
import pytest

import cnngrad
from cnngrad.layer import make_layer
from tests.cases import CASES

ORDERS = {1: ("ncw", "oiw"), 2: ("nchw", "oihw"), 3: ("ncdhw", "oidhw")}


def to(word, own):
    return [own.index(letter) for letter in word]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_results_in_a_layout_are_those_of_nchw_with_their_axes_moved(dims, reverse):
    case = CASES[{1: "one axis", 2: "dilation and padding", 3: "three axes"}[dims]]
    x, w, b, dedo = case.data()
    o, right = cnngrad.forward(x, w, b, **case.options), cnngrad.backward(x, w, dedo, **case.options)
    data, filters = ORDERS[dims]
    for number, word in enumerate(permutations(data)):
        kernel = list(permutations(filters))[-number if reverse else number]
        there, here = to(word, data), to(kernel, filters)
        options = case.options | {"layout": "".join(word).upper(), "filter_layout": "".join(kernel)}
        arrays = x.transpose(there), w.transpose(here)
        np.testing.assert_array_equal(cnngrad.forward(*arrays, b, **options), o.transpose(there))
        found = cnngrad.backward(*arrays, dedo.transpose(there), **options)
        np.testing.assert_array_equal(found.dx, right.dx.transpose(there))
        np.testing.assert_array_equal(found.dw, right.dw.transpose(here))
        np.testing.assert_array_equal(found.db, right.db)


def test_without_sample_or_channel_axis_the_others_keep_their_order():
    x, w = np.arange(30).reshape(2, 3, 5), np.arange(16).reshape(2, 2, 2, 2)[:, :, :, :1].repeat(2, 3)
    o = cnngrad.forward(x, w)
    last = cnngrad.forward(x.transpose(1, 2, 0), w.transpose(2, 3, 1, 0), layout="hwc", filter_layout="hwio")
    np.testing.assert_array_equal(last, o.transpose(1, 2, 0))
    one = cnngrad.forward(x.transpose(1, 2, 0), w[0].transpose(1, 2, 0), layout="nhwc", filter_layout="hwio")
    np.testing.assert_array_equal(one, cnngrad.forward(x, w[0]))
    turned = cnngrad.forward(x[0].T, w[0, 0].T, layout="wh", filter_layout="wh")
    np.testing.assert_array_equal(turned, cnngrad.forward(x[0], w[0, 0]).T)


def test_l_is_w_where_there_is_one_axis_and_a_layout_tells_the_number_of_axes():
    x, w = np.arange(12).reshape(2, 6), np.arange(12).reshape(3, 2, 2)
    np.testing.assert_array_equal(cnngrad.forward(x.T, w, layout="lc"), cnngrad.forward(x, w, dims=1).T)


def test_a_report_gives_the_index_in_the_users_own_array():
    x, w, _, dedo = CASES["groups"].data()
    options = CASES["groups"].options | {"layout": "nhwc", "filter_layout": "hwio"}
    x, dedo, w = x.transpose(0, 2, 3, 1), dedo.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)
    right = cnngrad.backward(x, w, dedo, **options)
    dx = right.dx.copy()
    dx[1, 4, 2, 3] += 1
    report = cnngrad.check(x, w, dedo, dx=dx, dw=right.dw, **options)
    assert report.gradients["dEdW"].passed
    found = report.gradients["dEdX"]
    assert found.worst.index == (1, 4, 2, 3)
    assert found.worst.element == "dE/dx[2,4]53"
    assert np.argwhere(found.wrong).tolist() == [[1, 4, 2, 3]]


def test_channels_first_is_not_told_as_channels_last():
    x, w, dedo = (np.random.default_rng(0).integers(-9, 9, shape) for shape in ((2, 7, 3), (3, 3, 4), (2, 5, 4)))
    options = {"layout": "nwc", "filter_layout": "wio"}
    dx = cnngrad.backward(x, w, dedo, **options).dx
    (found,) = cnngrad.check(x, w, dedo, dx=dx.transpose(0, 2, 1), **options).gradients.values()
    assert (found.mistake, found.also) == ("other-layout", ())
    assert "the order is NCW: transpose(0, 2, 1) restores the right one" in found.hint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "nhw"}, "layout is 'nhw': it must have each of the letters n c and of d h w at most once"),
        ({"layout": 3}, "layout is '3'"),
        ({"filter_layout": "hwoi", "layout": "ncw"}, "differ: layout ncw has 1, filter_layout hwoi has 2"),
        ({"layout": "hwc"}, r"X has shape \(2, 4, 3, 4\), but layout hwc is for arrays of 2 to 3 axes"),
        ({"layout": "nhwc", "dims": 1}, "dims is 1, but the layout has 2 spatial axes"),
    ],
)
def test_a_layout_that_does_not_fit_is_told(options, words):
    with pytest.raises(cnngrad.CnngradError, match=words):
        cnngrad.forward(np.ones((2, 4, 3, 4)), np.ones((3, 4, 2, 2)), **options)


@pytest.mark.parametrize(
    ("x", "w", "say"),
    [
        ((2, 5, 6, 3), (3, 3, 3, 4), "--layout nhwc --filter-layout hwio"),
        ((2, 5, 6, 3), (4, 2, 2, 3), "--layout nhwc --filter-layout ohwi"),
        ((2, 5, 6, 3), (4, 3, 2, 2), "--layout nhwc "),
        ((2, 3, 5, 6), (2, 2, 3, 4), "--filter-layout hwio"),
        ((2, 3, 5, 6), (3, 4, 2, 2), "--filter-layout iohw"),
    ],
)
def test_shapes_that_fit_another_layout_say_so(x, w, say):
    with pytest.raises(cnngrad.CnngradError, match=f"these shapes would fit as .*: use {say}"):
        cnngrad.forward(np.ones(x), np.ones(w))


def test_sizes_that_differ_are_no_sign_of_another_layout():
    with pytest.raises(cnngrad.CnngradError, match=r"W must read 5$"):
        cnngrad.forward(np.ones((2, 5, 6, 3)), np.ones((3, 2, 3, 4)))


def test_the_layers_line_names_the_layout_and_says_which_was_taken_where_both_fit():
    assert (
        "layout nhwc · filter layout hwio"
        in make_layer((2, 5, 6, 3), (2, 2, 3, 4), layout="nhwc", filter_layout="hwio").describe()
    )
    assert make_layer((3, 5, 3), (2, 3, 2, 2)).describe().endswith("(X read as CHW; for HWC use --layout hwc)")
    assert "read as" not in make_layer((3, 5, 3), (2, 3, 2, 2), layout="chw").describe()
    assert "read as" not in make_layer((3, 5, 4), (2, 3, 2, 2)).describe()
    assert "read as" not in make_layer((3, 5, 3), (4, 3, 2, 2), dedo_shape=(4, 4, 2)).describe()


@pytest.mark.parametrize(
    ("x", "w", "given", "typed", "options"),
    [
        ((2, 3, 9), (3, 4), {"dims": 1}, "W.reshape(3, 1, 4)", {"dims": 1}),
        ((2, 3, 6, 5), (3, 2, 4), {}, "W.reshape(3, 1, 2, 4)", {}),
        (
            (2, 6, 5, 3),
            (2, 4, 3, 5),
            {"layout": "nhwc"},
            "W.reshape(2, 4, 1, 15) with --filter-layout hwio (filter_layout= in Python)",
            {"layout": "nhwc", "filter_layout": "hwio"},
        ),
        (
            (2, 3, 7),
            (4, 3, 2),
            {},
            "W.reshape(4, 1, 6) with --filter-layout wio (",
            {"dims": 1, "filter_layout": "wio"},
        ),
        ((2, 4, 5, 4), (4, 3, 2, 2), {"filter_layout": "hwio"}, "", {}),
        ((4, 5), (4, 2), {}, "", {}),
        ((2, 4, 5, 5), (5, 4, 2), {}, "", {}),
    ],
)
def test_a_depthwise_filter_of_another_library_gets_the_line_that_reshapes_it(x, w, given, typed, options):
    """Literally typed, it gives each channel its own filters."""
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-9, 9, shape) for shape in (x, w))
    groups = 4 if not typed else 3
    with pytest.raises(cnngrad.CnngradError) as caught:
        cnngrad.forward(x, w, groups=groups, **given)
    assert ("; for a depthwise layer type " + typed in str(caught.value)) is bool(typed)
    if typed:
        made = eval(typed.partition(" with")[0], {"W": w})
        o = cnngrad.forward(x, made, groups=groups, **options)
        one = {name: word for name, word in options.items() if name != "groups"}
        axis = -1 if "layout" in options else 1
        first = x.take([0], axis)
        of_first = made[..., : made.shape[-1] // 3] if "filter_layout" in options else made[:1]
        np.testing.assert_array_equal(cnngrad.forward(first, of_first, **one), o.take(range(o.shape[axis] // 3), axis))
