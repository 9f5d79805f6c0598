"""The lines of NumPy that the catalogue shows are run: the wrong one makes the mistake, the right one does not."""

import numpy as np
import pytest

import cnngrad
from cnngrad.causes.catalogue import CATALOGUE
from tests import buggy
from tests.test_mistakes import FILLED, LAYERS, TRANSPOSED, of_transposed

DX = """
def computed(x, memory, dedo, o, stride, dilation, before, after, groups, shape):
    w = memory.reshape(shape)
    rotated = w[..., ::-1, ::-1]
    # A loop over windows walks back along the way that the forward pass came.
    kernel = rotated[..., ::-1, ::-1]
    channels, per_group = w.shape[1], len(w) // groups
    result = np.zeros_like(x)
    for n, f in np.ndindex(dedo.shape[:2]):
        for i in np.ndindex(dedo.shape[2:]):
            for c in range(channels):
                for u in np.ndindex(w.shape[2:]):
                    channel = f // per_group * channels + c
                    place = stride * i + dilation * u - before
                    product = dedo[n, f][i] * kernel[f, c][u]
                    if (place >= 0).all() and (place < x.shape[2:]).all():
                        result[n, channel, *place] += product
    return result
"""
PADDED = """
def computed(x, memory, dedo, o, stride, dilation, before, after, groups, shape):
    w, size = memory.reshape(shape), x.shape[2:]
    channels, per_group = w.shape[1], len(w) // groups
    span = dilation * (np.array(w.shape[2:]) - 1) + 1
    used = stride * (np.array(dedo.shape[2:]) - 1) + span
    covered = np.zeros((*x.shape[:2], *used), x.dtype)
    for n, f in np.ndindex(dedo.shape[:2]):
        for i in np.ndindex(dedo.shape[2:]):
            for c, *u in np.ndindex(w.shape[1:]):
                place = (n, f // per_group * channels + c, *(stride * i + dilation * u))
                covered[place] += dedo[n, f][i] * w[f, c, *u]
    left = size + before + after - used
    behind, in_front = (((0, 0), (0, 0), *zip(a, b)) for a, b in ((0 * left, left), (left, 0 * left)))
    padded = np.pad(covered, behind)
    inside = [slice(p, p + n) for p, n in zip(before, size)]
    return padded[(..., *inside)]
"""
DW = """
def computed(x, memory, dedo, o, stride, dilation, before, after, groups, shape):
    pads = ((0, 0), (0, 0), *zip(before, after))
    framed = np.pad(x, pads)
    moving = dedo
    reached = [slice(s * (o - 1) + d * (k - 1) + 1)
               for s, d, o, k in zip(stride, dilation, dedo.shape[2:], shape[2:])]
    used = framed[(..., *reached)]
    # As many filter elements as there are places for dE/dO.
    taps = (np.array(used.shape[2:]) - stride * (np.array(dedo.shape[2:]) - 1) - 1) // dilation + 1
    channels, per_group = shape[1], shape[0] // groups
    each = np.zeros((len(x), *shape[:2], *taps), x.dtype)
    for n, f in np.ndindex(dedo.shape[:2]):
        for i in np.ndindex(dedo.shape[2:]):
            for c, *u in np.ndindex(channels, *taps):
                channel = f // per_group * channels + c
                each[(n, f, c, *u)] += moving[n, f][i] * used[(n, channel, *(stride * i + dilation * u))]
    return each.sum(axis=0)
"""
FILLED_DX = """
def computed(x, memory, dedo, o, stride, dilation, before, after, groups, shape):
    w, size = memory.reshape(shape), x.shape[2:]
    channels, per_group = w.shape[1], len(w) // groups
    padded = np.zeros((*x.shape[:2], *(size + before + after)), x.dtype)
    for n, f in np.ndindex(dedo.shape[:2]):
        for i in np.ndindex(dedo.shape[2:]):
            for c, *u in np.ndindex(w.shape[1:]):
                place = (n, f // per_group * channels + c, *(stride * i + dilation * u))
                padded[place] += dedo[n, f][i] * w[f, c, *u]
    inside = [slice(p, p + n) for p, n in zip(before, size)]
    repeated = [np.pad(range(n), pads, mode) for n, *pads in zip(size, before, after)]
    dx = np.zeros_like(x)
    np.add.at(dx, (..., *np.ix_(*repeated)), padded)
    return dx
"""
TRANSPOSED_O = """
def computed(x, memory, dedo, o, stride, dilation, before, after, groups, shape):
    w, size = memory.reshape(shape), dedo.shape[2:]
    filters, per_group = w.shape[1], len(w) // groups
    full = np.zeros((*dedo.shape[:2], *(size + before + after)), x.dtype)
    for n, c in np.ndindex(x.shape[:2]):
        for i in np.ndindex(x.shape[2:]):
            for f, *u in np.ndindex(w.shape[1:]):
                place = stride * i + dilation * u
                if (place < full.shape[2:]).all():
                    full[n, c // per_group * filters + f, *place] += x[n, c][i] * w[c, f, *u]
    behind = ((0, 0), (0, 0), *((0, e) for e in extra))
    fewer = [slice(p, p + n) for p, n in zip(before, size - extra)]
    inside = [slice(p, p + n) for p, n in zip(before, size)]
    o = full[(..., *inside)]
    return o
"""
FILLED_DW = DW.replace("np.pad(x, pads)", "np.pad(x, pads, mode)")
DB = """
def computed(x, memory, dedo, o, stride, dilation, before, after, groups, shape):
    return dedo.sum(axis=(0, 2, 3))
"""
PROGRAMS = [("dx", DX), ("dx", PADDED), ("dw", DW), ("db", DB)]
# For layers in whose padding elements of X stand, and for transposed ones.
FILLING = [("dx", FILLED_DX), ("dw", FILLED_DW)]
TRANSPOSING = [("o", TRANSPOSED_O)]


def of(line, programs):
    """The programs that have this line, by the gradient that they compute."""
    return [(gradient, text) for gradient, text in programs if f" {line}\n" in text]


def run(text, q):
    before, after = np.array(q.case.pads).T
    o = cnngrad.forward(q.x, q.w, **q.case.options)
    names = {"np": np, "mode": getattr(q, "mode", ""), "extra": np.array(q.case.extra)}
    exec(text, names)
    stride, dilation = np.array(q.case.stride), np.array(q.case.dilation)
    return names["computed"](q.x, q.w.ravel(), q.g, o, stride, dilation, before, after, q.case.groups, q.w.shape)


@pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda mistake: mistake.id)
def test_the_wrong_line_makes_the_mistake_and_the_right_one_does_not(mistake, whole):
    wrong, right = mistake.code
    assert max(map(len, mistake.code)) <= 65  # within 80 columns
    kinds = {"filled": (FILLED, FILLING), "transposed": (TRANSPOSED, TRANSPOSING)}
    cases, programs = kinds.get(mistake.only, (LAYERS, PROGRAMS))
    programs, named, shown = of(right, programs), 0, 0
    assert programs
    for case in cases:
        if named >= 2 and shown and not whole:
            break
        q = (buggy.Transposed if case.transposed else buggy.Layer)(case)
        for gradient, text in programs:
            good = run(text, q)
            grads = cnngrad.backward(q.x, q.w, q.g, **q.case.options)
            ours = cnngrad.forward(q.x, q.w, **q.case.options) if gradient == "o" else getattr(grads, gradient)
            np.testing.assert_array_equal(good, ours)
            try:
                claim = run(text.replace(f" {right}\n", f" {wrong}\n"), q)
            except (IndexError, ValueError):
                continue  # the shapes of this layer do not allow it
            if claim.shape == good.shape and (claim == good).all():
                continue
            if gradient == "o":
                found = of_transposed(q, "o", claim + q.b.reshape(-1, 1, 1))
                assert not found.passed
                named += mistake.id in (found.mistake, *found.also)
                shown += found.code is None
                continue
            key = {"dx": "dEdX", "dw": "dEdW", "db": "dEdb"}[gradient]
            options = q.case.options | {"b": np.zeros(len(q.w), int)}
            found = cnngrad.check(q.x, q.w, q.g, **options, **{gradient: claim}).gradients[key]
            assert found.passed is False
            named += mistake.id in (found.mistake, *found.also)
            # The lines are shown where they make just what was made.
            if found.mistake == mistake.id:
                shown += found.code == mistake.code
    assert named >= 2
    assert shown
