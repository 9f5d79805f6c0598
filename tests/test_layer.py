"""The one relation, and the errors of shapes and options."""

import numpy as np
import pytest
from hypothesis import given

import cnngrad
from cnngrad import CnngradError
from cnngrad.checks.differences import colours
from cnngrad.derivation.grids import framed_output
from cnngrad.layer import Axis, Relation, make_layer, parse_shape
from cnngrad.tensor import Tensor
from tests import golden
from tests.cases import layers
from tests.reference import standing


@pytest.mark.parametrize("name", golden.LAYERS)
def test_shapes_and_options_are_read_or_refused_as_people_have_seen(name):
    assert golden.read(name) == golden.kept("layers", name)


@given(layers())
def test_an_input_stands_in_no_more_places_than_its_axis_says(case):
    for axis in axes_of(case):
        border = np.asarray(axis.border)
        places = np.bincount(border[border >= 0])
        assert places.max() <= axis.copies
        assert axis.mode != "zeros" or axis.copies == 1


def axes_of(case):
    return make_layer(case.x, case.w, **case.options).axes


def triples_of(axis):
    """Output, filter and input positions that meet, by the definition: input position = s*i + d*u - p."""
    taps = [axis.kernel - 1 - u if axis.flip else u for u in range(axis.kernel)]
    if axis.transposed:
        stamped = (
            (axis.stride * h + axis.dilation * taps[u] - axis.before, u, h)
            for h in range(axis.size)
            for u in range(axis.kernel)
        )
        return {(i, u, h) for i, u, h in stamped if 0 <= i < axis.out}
    every = (
        (i, u, standing(axis.stride * i + axis.dilation * taps[u] - axis.before, axis.size, axis.mode))
        for i in range(axis.out)
        for u in range(axis.kernel)
    )
    return {(i, u, h) for i, u, h in every if h is not None}


@given(layers())
def test_every_view_of_the_table_names_the_triples_of_the_definition(case):
    for axis in axes_of(case):
        triples = triples_of(axis)
        table = axis.inputs(range(axis.out), range(axis.kernel))
        assert triples == {(i, u, h) for (i, u), h in np.ndenumerate(table) if h >= 0}
        assert triples == {(i, u, h) for i in range(axis.out) for u, h in axis.terms(Tensor.O, i)}
        assert triples == {(i, u, h) for u in range(axis.kernel) for i, h in axis.terms(Tensor.DW, u)}
        assert triples == {(i, u, h) for h in range(axis.size) for i, u in axis.terms(Tensor.DX, h)}
        assert set(axis.unreached) == set(range(axis.size)) - {h for _, _, h in triples}


@pytest.mark.parametrize("relation", [(2, 1, -1), (1, -2, 3), (-2, 1, 4), (-1, -1, 5), (3, 2, 0)])
def test_the_table_of_any_relation_is_the_same_by_outputs_and_by_inputs(relation):
    a, b, c = relation
    table = Relation(*relation).inputs(range(6), range(3), size=5)
    assert table.tolist() == [[h if 0 <= (h := a * i + b * u + c) < 5 else -1 for u in range(3)] for i in range(6)]
    read_by = Relation(*relation).outputs(range(5), range(3), out=6)
    assert {(i, u, h) for i in range(6) for u in range(3) if (h := table[i, u]) >= 0} == {
        (i, u, h) for h in range(5) for u in range(3) if (i := read_by[h, u]) >= 0
    }


@given(layers())
def test_elements_of_one_colour_share_no_window_and_the_colours_hold_every_reached_element(case):
    for axis in axes_of(case):
        coloured = []
        for colour in colours(axis):
            parts = np.split(colour.outputs, colour.starts[1:])
            for h, outputs in zip(colour.inputs, parts, strict=True):
                assert sorted({i for i, _, read in triples_of(axis) if read == h}) == outputs.tolist()
            assert len(set(colour.outputs.tolist())) == len(colour.outputs)
            coloured += colour.inputs.tolist()
        assert sorted(coloured) == sorted(set(range(axis.size)) - set(axis.unreached))


@given(layers(plain=True))
def test_the_full_convolution_covers_just_the_outputs_that_read_an_input(case):
    for axis in axes_of(case):
        slots = dict(enumerate(framed_output(axis).slots.tolist()))
        for h in range(axis.size):
            covers = [axis.cover(place) for place in axis.places([h])[0].tolist()]
            pairs = {(slot, u) for cover in covers for q, u in cover.items() if (slot := slots.get(q, -1)) >= 0}
            assert pairs == {(i, u) for i, u, read in triples_of(axis) if read == h}


@pytest.mark.parametrize(
    ("x", "w", "options", "message"),
    [
        ((3, 3), (2, 2), {"flip": "false"}, "flip is .false.: it must be true or false"),
        ((3, 3), (2, 2), {"transposed": 1}, "transposed is 1: it must be true or false"),
        (
            (3, 3),
            (2, 2, 2),
            {},
            r"don't fit together with 2 spatial axes\. X with W may be \(H, W\) with \(kh, kw\);",
        ),
        ((3,), (2, 2), {}, r"don't fit together with 2 spatial axes"),
        ((3, 3), (2, 2), {"dims": 4}, "dims is 4: it must be 1, 2 or 3"),
        ((3, 3), (2, 2), {"output_padding": 1}, "output_padding belongs to a transposed convolution"),
        ((3, 3), (2, 2), {"output_size": (4, 4)}, "output_size belongs to a transposed convolution"),
        ((2, 3, 3), (2, 2, 2), {"transposed": True, "dims": 2}, r"\(C, H, W\) with \(C, F/g, kh, kw\)"),
        (
            (2, 3, 3),
            (3, 4, 2, 2),
            {"transposed": True},
            r"X .* has 2 channels, but W \(3, 4, 2, 2\) has 3: a transposed layer's W has the shape \(C, F/g, …\)",
        ),
        ((3, 4), (2, 2), {"transposed": True, "padding_mode": "reflect"}, "reflect has no meaning with transposed"),
        (
            (3, 4),
            (2, 2),
            {"transposed": True, "padding": "full"},
            "padding 'full' is unknown: use valid, same, same-low",
        ),
        (
            (3, 4),
            (3, 2),
            {"transposed": True, "padding": (2, 3)},
            "cuts off all of O along W: 3 and 3 positions of the 5",
        ),
        (
            (3, 4),
            (3, 2),
            {"transposed": True, "stride": 2, "output_size": (6, 8)},
            r"output_size 6 is too small along H: X \(3, 4\) makes 7 at least",
        ),
        (
            (3, 4),
            (3, 2),
            {"transposed": True, "output_size": (6, 8), "output_padding": 1},
            "output_size gives O its size: leave out output_padding",
        ),
        (
            (3, 4),
            (3, 2),
            {"transposed": True, "padding": "SAME_LOWER", "output_padding": (0, 1)},
            "padding same gives O its size: leave out output_padding",
        ),
        (
            (3, 4),
            (2, 2),
            {"padding": 3, "padding_mode": "reflect"},
            "padding 3 is too large for padding_mode reflect: along H the input is 3, which fills at most 2 positions",
        ),
        ((3, 4), (2, 2), {"padding": 4, "padding_mode": "circular"}, "along H the input is 3, which fills at most 3"),
        ((3, 3), (2, 2), {"padding_mode": "edge"}, r"'edge': it must be zeros, .* or reflect: write replicate"),
        ((3, 3), (2, 2), {"padding_mode": ["reflect"]}, r"padding_mode is .*: it must be zeros"),
        (
            (2, 3, 3),
            (3, 2, 2),
            {},
            r"X \(2, 3, 3\) has 2 channels, but W \(3, 2, 2\) reads 3 with groups 1: W must read 2",
        ),
        ((4, 3, 3), (2, 2, 2, 2), {}, "W must read 4, or groups 2"),
        ((3, 3, 3), (2, 1, 2, 2), {"groups": 2}, "3 channels, which groups 2 does not divide"),
        ((4, 3, 3), (3, 2, 2, 2), {"groups": 2}, "3 filters, which groups 2 does not divide"),
        ((3, 3), (4, 2), {}, r"along H the kernel is 4 and the input 3: use a smaller kernel or more padding"),
        ((3, 3), (2, 2), {"dilation": 3}, r"the kernel is 2 \(dilation 3: 4\)"),
        ((3, 3), (2, 2), {"stride": 0}, "stride is 0: it must be at least 1"),
        ((3, 3), (2, 2), {"stride": 1.5}, r"stride is 1\.5: it must be an integer"),
        ((3, 3), (2, 2), {"stride": True}, "stride is True: it must be an integer"),
        ((3, 3), (2, 2), {"stride": (1, 2, 3)}, "stride has 3 values for 2 spatial axes"),
        ((3, 3), (2, 2), {"dilation": -1}, "dilation is -1: it must be at least 1"),
        ((3, 3), (2, 2), {"padding": -1}, "padding is -1: it must be at least 0"),
        ((3, 3), (2, 2), {"padding": "some"}, "padding 'some' is unknown: use valid, same, same-lower, full"),
        ((3, 3), (2, 2), {"padding": [(1, 2, 3), 1]}, r"not a \(before, after\) pair"),
        ((3, 3), (2, 2), {"padding": [1]}, "padding has 1 value for 2 spatial axes"),
        ((3, 0), (2, 2), {}, r"X has shape \(3, 0\): axis 2 is empty"),
        ((3, 3), (2, 2), {"groups": "two"}, "groups is 'two': it must be an integer"),
    ],
)
def test_what_makes_no_layer_is_an_error_that_says_why(x, w, options, message):
    with pytest.raises(CnngradError, match=message):
        make_layer(x, w, **options)


def test_a_stride_of_decimals_is_refused_whatever_ran_before():
    make_layer((7,), (2,), stride=2)
    with pytest.raises(CnngradError, match=r"stride is 2\.0: it must be an integer"):
        make_layer((7,), (2,), stride=2.0)


def test_dedo_of_another_shape_is_told_in_full():
    layer = make_layer((3, 3), (2, 2))
    with pytest.raises(CnngradError) as error:
        layer.check_dedo((2, 3))
    assert str(error.value) == (
        "dEdO has shape (2, 3), but X (3, 3) with W (2, 2), stride 1, padding 0 gives O (2, 2): "
        "dEdO must have O's shape"
    )


def test_b_needs_a_number_per_filter():
    with pytest.raises(CnngradError, match=r"b has shape \(3,\), but W \(2, 1, 2, 2\) has 2 filters"):
        make_layer((1, 3, 3), (2, 1, 2, 2)).check_bias((3,))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "X 5×5 · W 2×2 · stride 1 · padding 0 → O 4×4"),
        ({"stride": (2, 1), "padding": ((1, 0), (2, 1))}, "X 5×5 · W 2×2 · stride 2,1 · padding 1:0,2:1 → O 3×7"),
        ({"dilation": 2, "flip": True}, "X 5×5 · W 2×2 · stride 1 · padding 0 · dilation 2 · flip → O 3×3"),
    ],
)
def test_the_layer_in_one_line(options, words):
    assert make_layer((5, 5), (2, 2), **options).describe() == words


@pytest.mark.parametrize(("text", "shape"), [("3x3", (3, 3)), ("7", (7,)), ("2×3", (2, 3)), ("a", None), ("3x", None)])
def test_a_word_such_as_3x3_is_a_shape(text, shape):
    assert parse_shape(text) == shape


def test_the_axis_is_the_notes_relation():
    assert Axis(size=5, kernel=2, stride=2, dilation=3, before=1).position(i=2, u=1) == 2 * 2 + 3 * 1 - 1


@pytest.mark.parametrize(
    ("options", "out", "extra"),
    [
        ({}, (7, 5), (0, 0)),
        ({"padding": 1}, (5, 3), (0, 0)),
        ({"padding": ((1, 0), (0, 2)), "output_padding": (3, 1)}, (9, 4), (3, 1)),
        ({"output_size": (9, 5)}, (9, 5), (2, 0)),
        ({"output_size": 8, "padding": 1}, (8, 8), (3, 5)),
        ({"padding": "same"}, (6, 4), (0, 0)),
        ({"padding": "same", "stride": (4, 1)}, (12, 2), (1, 0)),
        ({"padding": "same", "output_size": (5, 3)}, (5, 3), (0, 0)),
    ],
)
def test_the_size_of_a_transposed_layers_o(options, out, extra):
    """X is 3x2 and W 3x3; stride 2 unless it is given. SAME is TensorFlow's: O is the stride times X, or its size."""
    layer = make_layer((3, 2), (3, 3), transposed=True, **{"stride": 2} | options)
    assert layer.out == out
    assert tuple(axis.extra for axis in layer.axes) == extra
    assert layer.conv.out == layer.size
    again = make_layer((3, 2), (3, 3), **layer.options)
    assert again.axes == layer.axes


def test_padding_same_of_a_transposed_layer_is_its_twins():
    for size, kernel, stride in ((3, 3, 2), (4, 2, 1), (3, 5, 3), (2, 4, 2)):
        twin = make_layer((stride * size,), (kernel,), stride=stride, padding="same").axes[0]
        own = make_layer((size,), (kernel,), stride=stride, padding="same", transposed=True).axes[0]
        assert (own.before, own.after, own.out) == (twin.before, twin.after, stride * size)


def test_the_filter_layout_of_a_transposed_layer_has_its_own_order():
    layer = make_layer((4, 4, 3), (2, 2, 5, 3), transposed=True, layout="hwc", filter_layout="hwoi")
    assert (layer.channels, layer.filters, layer.options["filter_layout"]) == (3, 5, "hwoi")
    assert "filter layout hwoi" in layer.describe()
    assert make_layer((3, 4, 4), (3, 5, 2, 2), transposed=True).options["filter_layout"] == "iohw"
    x, w = np.arange(48).reshape(4, 4, 3), np.arange(60).reshape(2, 2, 5, 3)
    o = cnngrad.forward(x, w, transposed=True, layout="hwc", filter_layout="hwoi", stride=2)
    right = cnngrad.forward(x.transpose(2, 0, 1), w.transpose(3, 2, 0, 1), transposed=True, stride=2)
    np.testing.assert_array_equal(o, right.transpose(1, 2, 0))
    with pytest.raises(CnngradError, match="use --layout nhwc --filter-layout hwoi "):
        make_layer((4, 4, 3), (2, 2, 5, 3), transposed=True)


def test_the_samples_and_filters_of_o_count_for_its_numbers():
    with pytest.raises(CnngradError, match=r"O would have 2.2e\+12 numbers"):
        make_layer((2**20, 1, 1, 1), (2**21, 1, 1, 1))


@pytest.mark.parametrize(
    ("filters", "b", "must"),
    [
        ((1, 1), (2,), r"one number for the one filter, shape \(\) or \(1,\)"),
        ((1, 1, 1), (2,), r"one number for the one filter, shape \(\) or \(1,\)"),
        ((2, 1, 1, 1), (1,), r"one number per filter, shape \(2,\)"),
    ],
)
def test_how_many_numbers_b_must_have_depends_on_the_axes_of_w(filters, b, must):
    x = np.ones((1,) * len(filters))
    with pytest.raises(cnngrad.CnngradError, match=f"b must have {must}"):
        cnngrad.forward(x, np.ones(filters), np.ones(b))
