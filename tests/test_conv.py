"""The numbers' core against the definitions written as nested loops."""

import numpy as np
import pytest

import cnngrad
from tests import reference
from tests.cases import CASES, SMALL


@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL.keys())
def test_integers_equal_the_nested_loops_exactly(case):
    x, w, b, dedo = case.data()
    o = cnngrad.forward(x, w, b, **case.options)
    grads = cnngrad.backward(x, w, dedo, **case.options)
    dw, dx, db = reference.backward(x, w, dedo, *case.definition)
    np.testing.assert_array_equal(o, reference.forward(x, w, b, *case.definition))
    np.testing.assert_array_equal(grads.dw, dw)
    np.testing.assert_array_equal(grads.dx, dx)
    np.testing.assert_array_equal(grads.db, db)
    assert {o.dtype, grads.dw.dtype, grads.dx.dtype, grads.db.dtype} == {np.dtype(np.int64)}


def test_a_layer_of_several_tiles_equals_one_sum_over_windows():
    case = CASES["many rows, so several tiles"]
    x, w, b, dedo = case.data()
    padded = np.pad(x, [(0, 0), (0, 0), *case.pads])
    windows = np.lib.stride_tricks.sliding_window_view(padded, case.w[2:], axis=(2, 3))
    grads = cnngrad.backward(x, w, dedo, **case.options)
    by_filter = np.tensordot(windows, w, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(cnngrad.forward(x, w, b, **case.options), by_filter + b.reshape(-1, 1, 1))
    np.testing.assert_array_equal(grads.dw, np.tensordot(dedo, windows, axes=([0, 2, 3], [0, 2, 3])))
    scattered = np.zeros_like(padded)
    for u, v in np.ndindex(*case.w[2:]):
        part = np.tensordot(dedo, w[:, :, u, v], axes=(1, 0)).transpose(0, 3, 1, 2)
        scattered[:, :, u : u + case.o[2], v : v + case.o[3]] += part
    np.testing.assert_array_equal(grads.dx, scattered[:, :, 4:-4, 4:-4])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL.keys())
def test_floats_equal_the_nested_loops_to_rounding_and_keep_their_dtype(case, dtype):
    x, w, b, dedo = case.data(dtype=dtype)
    o = cnngrad.forward(x, w, b, **case.options)
    grads = cnngrad.backward(x, w, dedo, **case.options)
    exact = [a.astype(np.float64) for a in (x, w, b, dedo)]
    dw, dx, db = reference.backward(exact[0], exact[1], exact[3], *case.definition)
    close = {"rtol": 100 * np.finfo(dtype).eps, "atol": 100 * np.finfo(dtype).eps}
    np.testing.assert_allclose(o, reference.forward(*exact[:3], *case.definition), **close)
    np.testing.assert_allclose(grads.dw, dw, **close)
    np.testing.assert_allclose(grads.dx, dx, **close)
    np.testing.assert_allclose(grads.db, db, **close)
    assert {o.dtype, grads.dw.dtype, grads.dx.dtype, grads.db.dtype} == {np.dtype(dtype)}


LAYOUTS = [
    # X, W, O, dims
    ((4, 5), (2, 3), (3, 3), None),
    ((3, 4, 5), (3, 2, 3), (3, 3), None),
    ((3, 4, 5), (2, 3, 2, 3), (2, 3, 3), None),
    ((2, 3, 4, 5), (2, 3, 2, 3), (2, 2, 3, 3), None),
    ((7,), (3,), (5,), None),
    ((2, 7), (2, 3), (5,), 1),
    ((2, 7), (4, 2, 3), (4, 5), 1),
    ((3, 2, 7), (4, 2, 3), (3, 4, 5), 1),
    ((3, 4, 5), (2, 2, 2), (2, 3, 4), 3),
    ((2, 3, 4, 5), (2, 2, 2, 2), (2, 3, 4), 3),
    ((2, 3, 4, 5), (3, 2, 2, 2, 2), (3, 2, 3, 4), None),
    ((2, 2, 3, 4, 5), (3, 2, 2, 2, 2), (2, 3, 2, 3, 4), None),
]


@pytest.mark.parametrize(("x_shape", "w_shape", "o_shape", "dims"), LAYOUTS)
def test_every_row_of_the_shapes_table_gives_back_the_users_layout(x_shape, w_shape, o_shape, dims):
    x, w = np.ones(x_shape, int), np.ones(w_shape, int)
    o = cnngrad.forward(x, w, dims=dims)
    grads = cnngrad.backward(x, w, np.ones(o_shape, int), dims=dims)
    assert o.shape == o_shape
    assert (grads.dw.shape, grads.dx.shape) == (x_shape and w_shape, x_shape)
    spatial = dims or (1 if len(x_shape) == 1 else 3 if 5 in (len(x_shape), len(w_shape)) else 2)
    reads = np.prod(w_shape[-spatial:]) * (1 if len(w_shape) == spatial else w_shape[-spatial - 1])
    assert (o == reads).all()


@pytest.mark.parametrize(
    ("word", "pads"),
    [("valid", (0, 0)), ("same", (0, 1)), ("same-lower", (1, 0)), ("full", (3, 3)), (2, (2, 2))],
)
def test_words_for_padding_mean_their_zeros(word, pads):
    x, w = np.arange(1, 6), np.array([1, -2])
    given = cnngrad.forward(x, w, padding=word, dilation=3 if word == "full" else 1)
    written = cnngrad.forward(x, w, padding=[pads], dilation=3 if word == "full" else 1)
    np.testing.assert_array_equal(given, written)


def test_same_padding_gives_one_output_for_each_started_stride():
    assert cnngrad.forward(np.ones((7, 8)), np.ones((3, 4)), padding="same", stride=(2, 3)).shape == (4, 3)


def test_leftover_rows_have_gradient_zero_and_are_there():
    grads = cnngrad.backward(np.ones((5, 4), int), np.ones((2, 2), int), np.ones((2, 2), int), stride=2)
    assert grads.dx.shape == (5, 4)
    assert (grads.dx[4] == 0).all()
    assert (grads.dx[:4] == 1).all()


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.repeat(np.repeat(a, 2, -1), 2, -2)[..., ::2, ::2],
        lambda a: a[..., ::-1].copy()[..., ::-1],
    ],
    ids=["Fortran order", "big-endian", "strided view", "negative strides"],
)
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
def test_any_memory_layout_gives_the_same_numbers(change, dtype):
    x, w, _, dedo = (a.astype(dtype) for a in CASES["groups"].data())
    options = CASES["groups"].options
    plain, changed = cnngrad.backward(x, w, dedo, **options), cnngrad.backward(*map(change, (x, w, dedo)), **options)
    np.testing.assert_array_equal(plain.dw, changed.dw)
    np.testing.assert_array_equal(plain.dx, changed.dx)
    o = cnngrad.forward(change(x), change(w), **options)
    np.testing.assert_array_equal(o, cnngrad.forward(x, w, **options))
    assert o.dtype.isnative


def test_inputs_are_never_modified_and_may_be_read_only():
    arrays = CASES["dilation and padding"].data(dtype=np.float64)
    copies = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    x, w, b, dedo = arrays
    cnngrad.forward(x, w, b, **CASES["dilation and padding"].options)
    cnngrad.backward(x, w, dedo, **CASES["dilation and padding"].options)
    cnngrad.check(x, w, dedo, b=b, **CASES["dilation and padding"].options)
    for a, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(a, copy)


def test_float16_is_computed_in_float32_and_given_back():
    x = np.full((1, 3000), 1.0, np.float16)
    o = cnngrad.forward(x, np.full((1, 3000), 0.3, np.float16))
    assert o.dtype == np.float16
    assert o[0, 0] == np.float16(np.float32(np.float16(0.3)) * 3000)


def test_integers_adopt_the_dtype_of_the_decimals_beside_them():
    assert cnngrad.forward(np.ones((2, 2), np.float32), [[1]]).dtype == np.float32
    assert cnngrad.forward([[1, 2]], [[0.5]]).dtype == np.float64


@pytest.mark.parametrize("size", [2**27, 2**30, 2**31])
def test_large_integers_stay_exact_beyond_what_float64_holds(size):
    assert cnngrad.forward([[size + 1]], [[size - 1]]).tolist() == [[size * size - 1]]


def test_a_tight_bound_is_tried_before_integers_are_refused():
    x, w = np.full((1, 4), 2**61), np.array([[1, 0, 0, -2]])
    assert cnngrad.forward(x, w).tolist() == [[-(2**61)]]


@pytest.mark.parametrize("call", [cnngrad.forward, lambda x, w: cnngrad.backward(x, w, [[2**40]])])
def test_integers_beyond_int64_are_an_error_that_names_the_bound(call):
    with pytest.raises(cnngrad.CnngradError, match=r"in magnitude, beyond int64's 9223372036854775807"):
        call([[2**40]], [[2**40]])


def test_a_bias_counts_for_the_bound_of_o_alone():
    with pytest.raises(cnngrad.CnngradError, match=r"O may reach 9.22e\+18 in magnitude"):
        cnngrad.forward([[1]], [[1]], b=[2**63 - 1])
    assert cnngrad.check([[1]], [[1]], [[1]], b=[2**63 - 1], dw=[[1]]).passed


def test_decimals_too_large_for_their_dtype_are_an_error():
    with pytest.raises(cnngrad.CnngradError, match=r"O\[1\]\[1\] is too large for float32"):
        cnngrad.forward(np.full((1, 1), 1e30, np.float32), np.full((1, 1), 1e30, np.float32))


@pytest.mark.parametrize(
    ("dtype", "size", "name"),
    [(np.float16, 300.0, "O"), (np.float32, 1e19, "O"), (np.float64, 1e154, "O")],
)
def test_each_result_that_is_too_large_is_an_error(dtype, size, name):
    x, w = np.full((3, 3), size, dtype), np.full((2, 2), size, dtype)
    with pytest.raises(cnngrad.CnngradError, match=rf"{name}\[1\]\[1\] is too large for {np.dtype(dtype)}"):
        cnngrad.forward(x, w)
    one = np.ones((2, 2), dtype)
    with pytest.raises(cnngrad.CnngradError, match=r"dEdW.* is too large"):
        cnngrad.backward(x, one, w)
    with pytest.raises(cnngrad.CnngradError, match=r"dEdX.* is too large"):
        cnngrad.backward(np.ones((3, 3), dtype), w, w)
    assert np.isfinite(cnngrad.forward(x, one / dtype(8))).all()


def test_a_sum_and_a_bias_that_are_too_large_are_errors():
    with pytest.raises(cnngrad.CnngradError, match="dEdb is too large"):
        cnngrad.backward(np.zeros((3, 3)), np.zeros((2, 2)), np.full((2, 2), 1e308))
    with pytest.raises(cnngrad.CnngradError, match=r"O.* is too large"):
        cnngrad.forward(np.full((1, 1), 1.2e154), np.full((1, 1), 1.2e154), 1e308)
    with pytest.raises(cnngrad.CnngradError, match=r"O.* is too large"):
        cnngrad.forward([[100]], [[1e307]])


def test_a_filter_of_zeros_next_to_infinite_memory_is_nothing_special():
    assert cnngrad.forward(np.full((2, 2), 1e300), np.zeros((1, 1))).tolist() == [[0, 0], [0, 0]]


def test_masked_arrays_are_refused():
    with pytest.raises(cnngrad.CnngradError, match="X is a masked array"):
        cnngrad.forward(np.ma.array([1.0, 2.0], mask=[0, 1]), [1.0])
    assert cnngrad.forward(np.ma.array([1.0, 2.0]), [1.0]).tolist() == [1, 2]


def test_what_numpy_can_not_read_is_an_error_of_ours():
    class Strange:
        def __array__(self, *_, **__):
            raise TypeError("no numbers here")

    with pytest.raises(cnngrad.CnngradError, match="X can't be read as an array: no numbers here"):
        cnngrad.forward(Strange(), [1.0])
