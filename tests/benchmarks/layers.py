"""O, dE/dW and dE/dX beside PyTorch; one channel beside OpenCV and SciPy too."""

from functools import partial

import cv2
import numpy as np
import scipy.signal
import torch

import cnngrad
from cnngrad.compute import Work
from cnngrad.functions import read_layer
from cnngrad.tensor import Tensor
from tests.benchmarks.timing import Row, medians

# name: X, W, options of cnngrad and of torch's conv
SHAPES = {
    "4x3x224x224, 64 of 7x7, stride 2": ((4, 3, 224, 224), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
    "4x64x56x56, 64 of 3x3": ((4, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}),
    "4x256x14x14, 256 of 3x3": ((4, 256, 14, 14), (256, 256, 3, 3), {"padding": 1}),
    "4x256x14x14, 512 of 1x1": ((4, 256, 14, 14), (512, 256, 1, 1), {}),
    "4x64x56x56, 128 of 3x3, stride 2": ((4, 64, 56, 56), (128, 64, 3, 3), {"stride": 2, "padding": 1}),
    "depthwise 4x128x28x28, 3x3": ((4, 128, 28, 28), (128, 1, 3, 3), {"padding": 1, "groups": 128}),
    "4x64x28x28, 64 of 3x3, dilation 2": ((4, 64, 28, 28), (64, 64, 3, 3), {"dilation": 2}),
    "1024x1024, 3x3": ((1, 1, 1024, 1024), (1, 1, 3, 3), {}),
    "2048x2048, 5x5": ((1, 1, 2048, 2048), (1, 1, 5, 5), {}),
    "512x512, 15x15": ((1, 1, 512, 512), (1, 1, 15, 15), {}),
    "512x512, 31x31": ((1, 1, 512, 512), (1, 1, 31, 31), {}),
    "16x32x4096, 64 of 9": ((16, 32, 4096), (64, 32, 9), {}),
    "2x8x32x32x32, 16 of 3x3x3": ((2, 8, 32, 32, 32), (16, 8, 3, 3, 3), {"padding": 1}),
    "the notes' 3x3": ((1, 1, 3, 3), (1, 1, 2, 2), {}),
}
# Upper limits of the ratios.
LIMITS = {"float64": 1.0, "float32": 2.0}
DEPTHWISE_LIMIT = {"float64": 1.0, "float32": 8.0}
OPENCV_LIMITS = {"float64": 2.0, "float32": 3.0}


def beside_pytorch(dtype, runs):
    """Three rows for each shape."""
    generator = np.random.default_rng(0)
    kind = np.dtype(dtype).name
    for name, (x_shape, w_shape, options) in SHAPES.items():
        dims = len(x_shape) - 2
        conv = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[dims - 1]
        x, w = (generator.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
        tx, tw = torch.from_numpy(x), torch.from_numpy(w)
        dedo = generator.standard_normal(conv(tx, tw, **options).shape).astype(dtype)
        above = torch.from_numpy(dedo)
        # One graph for each gradient, which then computes that alone.
        leaves = {"dE/dW": tw.clone().requires_grad_(), "dE/dX": tx.clone().requires_grad_()}
        graphs = {
            "dE/dW": conv(tx, leaves["dE/dW"], **options),
            "dE/dX": conv(leaves["dE/dX"], tw, **options),
        }

        def ours(what, x=x, w=w, dedo=dedo, options=options | {"dims": dims}):
            if what == "O":
                return cnngrad.forward(x, w, **options)
            layer, given = read_layer({Tensor.X: x, Tensor.W: w, Tensor.DEDO: dedo}, options)
            return Work(layer, given).computed(Tensor.result_named(what.replace("/", "")))

        def theirs(what, conv=conv, tx=tx, tw=tw, dedo=above, leaves=leaves, graphs=graphs, o=options):
            if what == "O":
                with torch.no_grad():
                    return conv(tx, tw, **o)
            return torch.autograd.grad(graphs[what], leaves[what], dedo, retain_graph=True)[0]

        limit = (DEPTHWISE_LIMIT if name.startswith("depthwise") else LIMITS)[kind]
        for what in ("O", "dE/dW", "dE/dX"):
            expected = theirs(what).numpy()
            # Float32 sums of up to 50,000 terms are compared with the largest of their array.
            error = np.abs(ours(what) - expected).max() / np.abs(expected).max()
            assert error < (1e-4 if kind == "float32" else 1e-12), (name, what, error)
            pair = medians([lambda what=what: ours(what), lambda what=what: theirs(what)], runs)
            yield Row(f"{what}, {name}, {kind}", "PyTorch", *pair, group=f"{kind} beside PyTorch", limit=limit)


def one_channel(dtype, runs):
    """O of one image and one filter beside OpenCV's filter2D and the quickest of SciPy's ways."""
    generator = np.random.default_rng(0)
    kind = np.dtype(dtype).name
    for name in ("1024x1024, 3x3", "2048x2048, 5x5", "512x512, 15x15", "512x512, 31x31"):
        shapes = (shape[2:] for shape in SHAPES[name][:2])
        x, w = (generator.standard_normal(shape).astype(dtype) for shape in shapes)
        half = len(w) // 2

        def ours(x=x, w=w):
            return cnngrad.forward(x, w)

        def opencv(x=x, w=w):
            # As large as the image, a frame of `half` wider than ours.
            return cv2.filter2D(x, -1, w, borderType=cv2.BORDER_CONSTANT)

        ways = {
            "correlate2d": lambda x=x, w=w: scipy.signal.correlate2d(x, w, "valid"),
            "fftconvolve": lambda x=x, w=w: scipy.signal.fftconvolve(x, w[::-1, ::-1], "valid"),
            "oaconvolve": lambda x=x, w=w: scipy.signal.oaconvolve(x, w[::-1, ::-1], "valid"),
        }
        expected = ours()
        close = {"rtol": 0, "atol": np.abs(expected).max() * (1e-4 if kind == "float32" else 1e-12)}
        np.testing.assert_allclose(opencv()[half:-half, half:-half], expected, **close)
        first = {}
        for way, function in ways.items():
            np.testing.assert_allclose(function(), expected, **close)
            first[way] = medians([function], 1)[0]
        # Leave out ways that are far slower: they would only take time.
        ways = {way: ways[way] for way in ways if first[way] < 4 * min(first.values())}
        mine, cv, *scipys = medians([ours, opencv, *ways.values()], runs)
        yield Row(f"O, {name}, {kind}", "OpenCV", mine, cv, limit=OPENCV_LIMITS[kind])
        best = min(scipys)
        yield Row(f"O, {name}, {kind}", f"SciPy's {list(ways)[scipys.index(best)]}", mine, best, limit=1.0)


def growth(runs):
    """Twice the batch, and twice either side of the image, beside once."""
    generator = np.random.default_rng(0)
    w = generator.standard_normal((32, 16, 3, 3))
    shapes = {"": (4, 16, 64, 64), "batch": (8, 16, 64, 64), "height": (4, 16, 128, 64), "width": (4, 16, 64, 128)}
    jobs = {}
    for name, shape in shapes.items():
        x = generator.standard_normal(shape)
        dedo = generator.standard_normal(cnngrad.forward(x, w).shape)
        jobs[name] = lambda x=x, dedo=dedo: (cnngrad.forward(x, w), cnngrad.backward(x, w, dedo))
    once, *twice = medians(list(jobs.values()), runs)
    for name, time in zip(list(jobs)[1:], twice, strict=True):
        yield Row(
            f"forward and backward, {'x'.join(map(str, shapes['']))}, twice the {name}", "once", time, once, "", 2.2
        )


def notes(runs):
    """The notes' layer, in Python, in microseconds."""
    x, w, dedo = np.arange(1.0, 10).reshape(3, 3), np.arange(1.0, 5).reshape(2, 2), np.arange(1.0, 5).reshape(2, 2)
    tx, tw = (torch.from_numpy(a)[None, None].requires_grad_() for a in (x, w))
    tg = torch.from_numpy(dedo)[None, None]

    def ours():
        for _ in range(1000):
            cnngrad.forward(x, w)
            cnngrad.backward(x, w, dedo)

    def theirs():
        for _ in range(1000):
            torch.autograd.grad(torch.nn.functional.conv2d(tx, tw), (tx, tw), tg)

    pair = medians([ours, theirs], runs)
    yield Row("forward and backward, the notes' 3x3, float64", "PyTorch", *pair, unit="µs")


def transposed(runs):
    """O and dE/dX of transposed layers beside dE/dX and O of their twins."""
    generator = np.random.default_rng(0)
    for x_shape, w_shape, options in (
        ((512, 512), (3, 3), {}),
        ((4, 64, 56, 56), (64, 32, 3, 3), {"stride": 2, "padding": 1}),
        ((16, 32, 1024), (32, 64, 9), {"dims": 1}),
    ):
        x, w = generator.standard_normal(x_shape), generator.standard_normal(w_shape)
        dedo = generator.standard_normal(cnngrad.forward(x, w, transposed=True, **options).shape)
        own = {Tensor.X: x, Tensor.W: w}
        twin = {Tensor.X: dedo, Tensor.W: w}
        turned = options | {"transposed": True}
        pairs = {
            "O": ((own, turned, Tensor.O), (twin | {Tensor.DEDO: x}, options, Tensor.DX)),
            "∂E/∂X": ((own | {Tensor.DEDO: dedo}, turned, Tensor.DX), (twin, options, Tensor.O)),
        }
        for name, sides in pairs.items():
            what = f"{name}, transposed, {'x'.join(map(str, x_shape))}, {'x'.join(map(str, w_shape))}"
            calls = [partial(Work(*read_layer(given, settings)).computed, result) for given, settings, result in sides]
            yield Row(what, "the same of its twin", *medians(calls, runs), limit=1.1)
