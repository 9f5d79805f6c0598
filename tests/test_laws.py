"""Laws that hold for every layer, over random layers in 1, 2 and 3 dimensions."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import cnngrad
from tests import reference
from tests.cases import layers

SEEDS = st.integers(0, 2**16)


@given(layers(), SEEDS)
def test_the_core_is_the_definition(case, seed):
    x, w, b, dedo = case.data(seed)
    np.testing.assert_array_equal(
        cnngrad.forward(x, w, b, **case.options), reference.forward(x, w, b, *case.definition)
    )
    grads = cnngrad.backward(x, w, dedo, **case.options)
    for mine, loops in zip(
        (grads.dw, grads.dx, grads.db), reference.backward(x, w, dedo, *case.definition), strict=True
    ):
        np.testing.assert_array_equal(mine, loops)


@given(layers(), SEEDS)
def test_the_adjoint_identity(case, seed):
    x, w, _, dedo = case.data(seed)
    grads = cnngrad.backward(x, w, dedo, **case.options)
    total = (cnngrad.forward(x, w, **case.options) * dedo).sum()
    assert total == (x * grads.dx).sum() == (w * grads.dw).sum()


@given(layers(), SEEDS)
def test_o_is_linear_in_x_and_in_w(case, seed):
    x, w, _, _ = case.data(seed)
    y, v, _, _ = case.data(seed + 1)
    o = cnngrad.forward(x, w, **case.options)
    np.testing.assert_array_equal(
        cnngrad.forward(2 * x - y, w, **case.options), 2 * o - cnngrad.forward(y, w, **case.options)
    )
    np.testing.assert_array_equal(
        cnngrad.forward(x, 3 * w + v, **case.options), 3 * o + cnngrad.forward(x, v, **case.options)
    )


@given(layers(), SEEDS)
def test_a_batch_is_the_sum_of_its_samples(case, seed):
    x, w, _, dedo = case.data(seed)
    whole = cnngrad.backward(x, w, dedo, **case.options)
    samples = [cnngrad.backward(x[n : n + 1], w, dedo[n : n + 1], **case.options) for n in range(len(x))]
    np.testing.assert_array_equal(whole.dw, sum(s.dw for s in samples))
    np.testing.assert_array_equal(whole.db, sum(s.db for s in samples))
    np.testing.assert_array_equal(whole.dx, np.concatenate([s.dx for s in samples]))


@given(layers(plain=True), SEEDS)
def test_stride_s_is_stride_1_sampled(case, seed):
    x, w, b, _ = case.data(seed)
    dense = cnngrad.forward(x, w, b, **case.options | {"stride": 1})
    sampled = dense[(..., *(slice(None, None, s) for s in case.stride))]
    np.testing.assert_array_equal(cnngrad.forward(x, w, b, **case.options), sampled)


@given(layers(plain=True), SEEDS)
def test_a_zero_row_in_front_shifts_the_output(case, seed):
    case = replace(case, mode="zeros")
    x, w, _, _ = case.data(seed)
    shifted = np.pad(x, [(0, 0), (0, 0), (case.stride[0], 0)] + [(0, 0)] * (case.dims - 1))
    o = cnngrad.forward(x, w, **case.options)
    later = cnngrad.forward(shifted, w, **case.options)
    np.testing.assert_array_equal(later[:, :, 1 : 1 + o.shape[2]], o[:, :, : later.shape[2] - 1])


@given(layers(), SEEDS)
def test_flip_is_the_rotated_filter(case, seed):
    x, w, _, dedo = case.data(seed)
    turned = w[(..., *[slice(None, None, -1)] * case.dims)]
    options = case.options | {"flip": False}
    np.testing.assert_array_equal(
        cnngrad.forward(x, w, **options | {"flip": True}), cnngrad.forward(x, turned, **options)
    )
    flipped = cnngrad.backward(x, w, dedo, **options | {"flip": True}).dw
    plain = cnngrad.backward(x, turned, dedo, **options).dw
    np.testing.assert_array_equal(flipped, plain[(..., *[slice(None, None, -1)] * case.dims)])


@given(layers(), SEEDS)
def test_the_finite_differences_find_every_gradient_right(case, seed):
    for dtype in (np.int64, np.float64, np.float32, np.float16):
        x, w, b, dedo = case.data(seed, dtype)
        report = cnngrad.check(x, w, dedo, b=b, **case.options)
        assert report.passed, report
        assert set(report.gradients) == {"dEdW", "dEdX", "dEdb"}


@given(layers(plain=True), SEEDS)
def test_a_transposed_layer_is_its_twin_with_the_roles_exchanged(case, seed):
    """Its O is the twin's dE/dX, its dE/dX the twin's O, and dE/dW exchanges X and dE/dO."""
    case = replace(case, mode="zeros")
    x, w, _, dedo = case.data(seed)
    twin = cnngrad.backward(x, w, dedo, **case.options)
    spare = [
        size - (s * (o - 1) + d * (k - 1) + 1 - sum(p))
        for size, o, k, s, d, p in zip(
            x.shape[2:], dedo.shape[2:], w.shape[2:], case.stride, case.dilation, case.pads, strict=True
        )
    ]
    options = case.options | {"transposed": True, "output_padding": spare}
    np.testing.assert_array_equal(cnngrad.forward(dedo, w, **options), twin.dx)
    grads = cnngrad.backward(dedo, w, x, **options)
    np.testing.assert_array_equal(grads.dx, cnngrad.forward(x, w, **case.options))
    np.testing.assert_array_equal(grads.dw, twin.dw)
