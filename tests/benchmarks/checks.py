"""`check` beside torch.autograd.gradcheck, and beside a forward pass of its own layer."""

import math
import sys
import time
from functools import partial

import numpy as np
import torch

import cnngrad
from tests.benchmarks.timing import Row, medians, peak_of


def checks(runs):
    generator = np.random.default_rng(0)
    w = generator.standard_normal((3, 3))
    x, dedo = generator.standard_normal((64, 64)), generator.standard_normal((62, 62))
    inputs = [torch.tensor(a)[None, None].requires_grad_() for a in (x, w)]

    def check():
        assert cnngrad.check(x, w, dedo).passed

    def gradcheck():
        assert torch.autograd.gradcheck(torch.nn.functional.conv2d, inputs, fast_mode=False)

    # Once is enough for what takes seconds.
    began = time.perf_counter()
    gradcheck()
    theirs = 1e3 * (time.perf_counter() - began)
    yield Row("check, every element, 64x64, 3x3", "gradcheck", medians([check], runs)[0], theirs, limit=1 / 500)

    large, above = generator.standard_normal((512, 512)), generator.standard_normal((510, 510))
    dx = cnngrad.backward(large, w, above).dx
    wrong = dx + generator.standard_normal(dx.shape)

    def check_large():
        assert cnngrad.check(large, w, above).passed

    def check_right():
        assert cnngrad.check(large, w, above, dx=dx).passed

    def grade():
        assert not cnngrad.check(large, w, above, dx=wrong).passed

    pair = medians([check_large, lambda: cnngrad.forward(large, w)], runs)
    yield Row("check, 512x512, 3x3", "a forward pass", *pair, limit=60)
    deep, filters = generator.standard_normal((4, 64, 28, 28)), generator.standard_normal((64, 64, 3, 3))
    bias, behind = generator.standard_normal(64), generator.standard_normal((4, 64, 26, 26))
    began = time.perf_counter()
    assert cnngrad.check(deep, filters, behind, b=bias).passed
    whole = 1e3 * (time.perf_counter() - began)
    forward = medians([lambda: cnngrad.forward(deep, filters, b=bias)], runs)[0]
    yield Row("check, 4x64x28x28, 64 of 3x3", "a forward pass", whole, forward, limit=300)
    yield Row("grading a wrong dE/dX, 512x512", "a right one", *medians([grade, check_right], runs), limit=3)
    yield from _padded(large, w, generator, runs)

    for x, w, g in (
        ((8, 64, 56, 56), (64, 64, 1, 1), (8, 64, 56, 56)),
        ((4, 64, 28, 28), (64, 64, 3, 3), (4, 64, 26, 26)),
    ):
        yield _memory(x, w, g)


def _padded(x, w, generator, runs):
    """Right and wrong claims with padding 1 beside the same without."""
    plain, framed = (generator.standard_normal((size, size)) for size in (510, 512))
    for name in ("dw", "dx"):
        sides = []
        for dedo, padding in ((framed, 1), (plain, 0)):
            right = getattr(cnngrad.backward(x, w, dedo, padding=padding), name)
            # Several, since a wrong number that happens to be another mistake's costs more tries.
            wrong = [right + right.std() * generator.standard_normal(right.shape) for _ in range(4)]
            sides.append((dedo, padding, [right], wrong))

        def graded(dedo, padding, claims, passed, name=name):
            for claim in claims:
                assert cnngrad.check(x, w, dedo, padding=padding, **{name: claim}).passed is passed

        for kind, passed in (("right", True), ("wrong", False)):
            calls = [partial(graded, g, p, right if passed else wrong, passed) for g, p, right, wrong in sides]
            what = f"grading a {kind} dE/d{name[1].upper()}, 512x512, padding 1"
            yield Row(what, "without padding", *medians(calls, runs), limit=1.5)


def _memory(x, w, g):
    """The memory of a check beyond X, W and dE/dO, beside all that a layer has: these, O and the gradients."""
    made = f"import numpy as np, cnngrad; x = np.ones({x}); w = np.ones({w}); g = np.ones({g}); "
    without = peak_of([sys.executable, "-c", made + "cnngrad.forward(x[:1, :, :3], w)"])
    with_check = peak_of([sys.executable, "-c", made + "assert cnngrad.check(x, w, g).passed"])
    arrays = 8 * 2 * sum(map(math.prod, (x, w, g)))
    shapes = f"{'x'.join(map(str, x))}, {w[0]} of {w[2]}x{w[3]}"
    what = f"memory of check beyond what it is given, {shapes}"
    return Row(what, "all arrays of the layer", (with_check - without) / 2**20, arrays / 2**20, limit=3, unit="MiB")
