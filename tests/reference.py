"""The definitions as nested loops, one multiplication at a time: the oracle that shares no code with the package."""

from itertools import product

import numpy as np


def standing(h, size, mode):
    """The input that stands at a position, inside or in the padding; None for a zero."""
    while not 0 <= h < size:
        if mode == "zeros":
            return None
        if mode == "replicate":
            h = 0 if h < 0 else size - 1
        elif mode == "circular":
            h += size if h < 0 else -size
        else:
            h = -h if h < 0 else 2 * (size - 1) - h
    return h


def stamps(x_shape, w_shape, o_shape, stride, pads, dilation, groups, flip):
    """Every (output, filter, input) index triple of a transposed layer: an input stamps the filter onto the output."""
    for n, c in product(range(x_shape[0]), range(x_shape[1])):
        group = c // (x_shape[1] // groups)
        for f in range(w_shape[1]):
            for i in product(*map(range, x_shape[2:])):
                for u in product(*map(range, w_shape[2:])):
                    tap = [k - 1 - t for k, t in zip(w_shape[2:], u, strict=True)] if flip else u
                    h = [s * a + d * t - p[0] for s, a, d, t, p in zip(stride, i, dilation, tap, pads, strict=True)]
                    if all(0 <= a < size for a, size in zip(h, o_shape[2:], strict=True)):
                        yield (n, group * w_shape[1] + f, *h), (c, f, *u), (n, c, *i)


def pairs(x_shape, w_shape, o_shape, stride, pads, dilation, groups, flip, mode="zeros", transposed=False, extra=()):
    """Every (output, filter, input) index triple of a layer in canonical shape."""
    if transposed:
        yield from stamps(x_shape, w_shape, o_shape, stride, pads, dilation, groups, flip)
        return
    for n, f in product(range(o_shape[0]), range(o_shape[1])):
        group = f // (o_shape[1] // groups)
        for c in range(w_shape[1]):
            for i in product(*map(range, o_shape[2:])):
                for u in product(*map(range, w_shape[2:])):
                    tap = [k - 1 - t for k, t in zip(w_shape[2:], u, strict=True)] if flip else u
                    h = tuple(
                        standing(s * a + d * t - p[0], size, mode)
                        for s, a, d, t, p, size in zip(stride, i, dilation, tap, pads, x_shape[2:], strict=True)
                    )
                    if None not in h:
                        yield (n, f, *i), (f, c, *u), (n, group * w_shape[1] + c, *h)


def out_shape(x_shape, w_shape, stride, pads, dilation):
    sizes = zip(x_shape[2:], w_shape[2:], stride, pads, dilation, strict=True)
    return (x_shape[0], w_shape[0], *((h + sum(p) - d * (k - 1) - 1) // s + 1 for h, k, s, p, d in sizes))


def transposed_shape(x_shape, w_shape, stride, pads, dilation, groups, extra):
    sizes = zip(x_shape[2:], w_shape[2:], stride, pads, dilation, extra, strict=True)
    spatial = ((n - 1) * s + d * (k - 1) + 1 - sum(p) + e for n, k, s, p, d, e in sizes)
    return (x_shape[0], groups * w_shape[1], *spatial)


def forward(x, w, b, stride, pads, dilation, groups, flip, mode="zeros", transposed=False, extra=()):
    shape = out_shape(x.shape, w.shape, stride, pads, dilation)
    if transposed:
        shape = transposed_shape(x.shape, w.shape, stride, pads, dilation, groups, extra)
    o = np.zeros(shape, np.result_type(x, w))
    for at_o, at_w, at_x in pairs(
        x.shape, w.shape, o.shape, stride, pads, dilation, groups, flip, mode, transposed, extra
    ):
        o[at_o] += w[at_w] * x[at_x]
    return o if b is None else o + b.reshape(1, -1, *[1] * (x.ndim - 2))


def backward(x, w, dedo, stride, pads, dilation, groups, flip, mode="zeros", transposed=False, extra=()):
    dw, dx = np.zeros_like(w), np.zeros_like(x)
    for at_o, at_w, at_x in pairs(
        x.shape, w.shape, dedo.shape, stride, pads, dilation, groups, flip, mode, transposed, extra
    ):
        dw[at_w] += dedo[at_o] * x[at_x]
        dx[at_x] += dedo[at_o] * w[at_w]
    return dw, dx, dedo.sum(axis=(0, *range(2, dedo.ndim)))
