"""The numbers' core against SciPy and PyTorch, where they are installed."""

import numpy as np
import pytest

import cnngrad
from tests.cases import CASES
from tests.peers import padded, transposed, worst_error


@pytest.mark.parametrize("shape", [((40, 30), (5, 7)), ((6, 7, 8), (2, 3, 4)), ((50,), (9,)), ((300, 600), (9, 9))])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_scipy_gives_the_same_output_and_gradients(shape, dtype):
    signal = pytest.importorskip("scipy.signal")
    generator = np.random.default_rng(0)
    x, w = (generator.integers(-9, 10, s).astype(dtype) for s in shape)
    dims = x.ndim
    o = cnngrad.forward(x, w, dims=dims)
    np.testing.assert_allclose(o, signal.correlate(x, w, mode="valid", method="direct"))
    np.testing.assert_allclose(
        cnngrad.forward(x, w, dims=dims, flip=True), signal.convolve(x, w, mode="valid", method="direct")
    )
    dedo = generator.integers(-9, 10, o.shape).astype(dtype)
    grads = cnngrad.backward(x, w, dedo, dims=dims)
    np.testing.assert_allclose(grads.dw, signal.correlate(x, dedo, mode="valid", method="direct"))
    np.testing.assert_allclose(grads.dx, signal.convolve(dedo, w, mode="full", method="direct"))


SYMMETRIC = {name: case for name, case in CASES.items() if not case.flip}


@pytest.mark.parametrize("case", SYMMETRIC.values(), ids=SYMMETRIC.keys())
def test_pytorch_gives_the_same_output_and_gradients(case):
    torch = pytest.importorskip("torch")
    conv = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}[case.dims]
    x, w, b, dedo = (torch.tensor(a, dtype=torch.float64) for a in case.data())
    leaves = [t.requires_grad_() for t in (x, w, b)]
    if case.transposed:
        o = transposed(x, w, b, case.stride, case.pads, case.dilation, case.groups, case.extra)
    else:
        o = conv(padded(x, case.pads, case.mode), w, b, stride=case.stride, dilation=case.dilation, groups=case.groups)
    dx, dw, db = torch.autograd.grad(o, leaves, dedo)
    mine = cnngrad.backward(*(t.detach().numpy() for t in (x, w, dedo)), **case.options)
    np.testing.assert_allclose(
        cnngrad.forward(*(t.detach().numpy() for t in leaves), **case.options), o.detach().numpy(), atol=1e-9
    )
    for found, expected in ((mine.dw, dw), (mine.dx, dx), (mine.db, db)):
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-9)


@pytest.mark.parametrize("integers", [True, False])
def test_random_layers_agree_with_pytorch(integers):
    pytest.importorskip("torch")
    generator = np.random.default_rng(25)
    worst = max(worst_error(generator, integers) for _ in range(25))
    assert worst == 0 if integers else worst < 1e-14
