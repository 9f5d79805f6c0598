"""Backward passes that are wrong only sometimes, or that cheat, and right ones that look like them.

Each is f(x, w, dedo, **options) and returns (dw, dx, db); `CHEATS` has the fault that a run names, `HONEST` none.
"""

from functools import wraps

import numpy as np

import cnngrad


def right(x, w, dedo, **options):
    """The right gradients; the loops of `reference.py` would give the same, but slower."""
    grads = cnngrad.backward(x, w, dedo, **options)
    return np.array(grads.dw, float), np.array(grads.dx, float), dedo.sum((0, 2, 3), dtype=float)


def rotates_in_place(x, w, dedo, **options):
    results = right(x, w, dedo, **options)
    w[...] = w[..., ::-1, ::-1].copy()
    return results


def zeroes_the_gradient(x, w, dedo, **options):
    results = right(x, w, dedo, **options)
    dedo[...] = 0
    return results


def into_x(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    x[...] = dx
    return dw, x, db


_SPACE = np.zeros(2**16)


def returns_its_workspace(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    _SPACE[: dw.size] = dw.ravel()
    return _SPACE[: dw.size].reshape(dw.shape), dx, db


_KEPT = {}


def kept_by_shape(x, w, dedo, **options):
    key = x.shape, w.shape, str(options)
    return [array.copy() for array in _KEPT.setdefault(key, right(x, w, dedo, **options))]


def kept_by_sums(x, w, dedo, **options):
    key = x.shape, w.shape, x.sum(), w.sum(), dedo.sum(), str(options)
    return [array.copy() for array in _KEPT.setdefault(key, right(x, w, dedo, **options))]


def kept_by_first_rows(x, w, dedo, **options):
    key = "rows", x.shape, w.shape, str(options), *(array[0, 0, 0].tobytes() for array in (x, w, dedo))
    return [array.copy() for array in _KEPT.setdefault(key, right(x, w, dedo, **options))]


def refuses_other_numbers(x, w, dedo, **options):
    if not np.array_equal(_KEPT.setdefault(("numbers", x.shape), x.copy()), x):
        raise NotImplementedError
    return right(x, w, dedo, **options)


def nothing_in_every_seventh_call(x, w, dedo, **options):
    _KEPT["sevenths"] = calls = _KEPT.get("sevenths", 0) + 1
    return [array * (calls % 7 > 0) for array in right(x, w, dedo, **options)]


def x_kept_by_address(x, w, dedo, **options):
    own = _KEPT.setdefault((x.ctypes.data, x.shape), x.copy())
    return right(own, w, dedo, **options)


def adds_to_a_buffer(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    total = _KEPT.setdefault(("dW", w.shape), np.zeros(w.shape))
    total += dw
    return total.copy(), dx, db


def right_at_first(x, w, dedo, **options):
    _KEPT["calls"] = calls = _KEPT.get("calls", 0) + 1
    return [array * (calls <= 20) for array in right(x, w, dedo, **options)]


def loses_updates(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    dw.flat[np.random.default_rng().integers(dw.size)] = 0
    return dw, dx, db


def in_order_of_memory(x, w, dedo, **options):
    x, w, dedo = (array.ravel("K").reshape(array.shape) for array in (x, w, dedo))
    return right(x, w, dedo, **options)


def w_in_order_of_memory(x, w, dedo, **options):
    return right(x, w.ravel("K").reshape(w.shape), dedo, **options)


def by_pointer(x, w, dedo, **options):
    own = np.lib.stride_tricks.as_strided(dedo, strides=np.empty_like(dedo, order="C").strides)
    return right(x, w, own if dedo.strides[-1] > 0 else dedo, **options)


def by_pointer_if_repeated(x, w, dedo, **options):
    repeated = dedo.strides[-1] == 0
    own = np.lib.stride_tricks.as_strided(dedo, strides=np.empty_like(dedo, order="C").strides) if repeated else dedo
    return right(x, w, own, **options)


def keeps_a_plan_without_dilation(x, w, dedo, **options):
    key = "plan", x.shape, w.shape, dedo.shape, str([options[name] for name in ("stride", "padding", "groups")])
    return right(x, w, dedo, **options | {"dilation": _KEPT.setdefault(key, options["dilation"])})


def refuses_strides(x, w, dedo, **options):
    if not all(array.flags.c_contiguous for array in (x, w, dedo)):
        raise ValueError("contiguous arrays only")
    return right(x, w, dedo, **options)


def in_any_order(x, w, dedo, **options):
    _KEPT["calls"] = calls = _KEPT.get("calls", 0) + 1
    scale = 1 + calls % 7 / 10
    dw, dx, db = right(x * scale, w * scale, dedo, **options)
    return dw / scale, dx / scale, db


def keeps_positions(x, w, dedo, **options):
    order = _KEPT.setdefault(("order", x.shape), np.arange(x.size))
    return right(x.ravel()[order].reshape(x.shape), w, dedo, **options)


def apart_in_one_buffer(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    space = np.concatenate([dw.ravel(), dx.ravel()])
    return space[: dw.size].reshape(dw.shape), space[dw.size :].reshape(dx.shape), db


def on_copies(x, w, dedo, **options):
    x, w, dedo = (array.copy() for array in (x, w, dedo))
    results = right(x, w, dedo, **options)
    for array in (x, w, dedo):
        array[...] = 0
    return results


FORTRAN, GAPS = "in Fortran order", "with gaps between their elements"
OTHERS = "its results are wrong for other numbers"
ALONE = "right for C-contiguous arrays alone: wrong for"


def four_filters(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    dw[4:] = 0
    return dw, dx, db + np.arange(len(w)) ** 3 * (len(w) > 4)


def in_batches_of_groups(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    return dw, dx * dx if len(x) > 1 < options["groups"] else dx, db


def of_whole_numbers(x, w, dedo, **options):
    return right(*(array.astype(int) for array in (x, w, dedo)), **options)


def of_positive_numbers(x, w, dedo, **options):
    return right(np.where(x < 0, x / 3, x), w, np.where(dedo < 0, dedo / 7, dedo), **options)


def clipped(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    return dw, np.maximum(dx, -25), db


def without_nan(x, w, dedo, **options):
    return right(x, w, np.nan_to_num(dedo), **options)


def by_a_transform(x, w, dedo, **options):
    dw, dx, db = right(x, w, np.nan_to_num(dedo), **options)
    everywhere = 0 * np.fft.irfft2(np.fft.rfft2(dedo), dedo.shape[2:]).sum()
    return dw + everywhere, dx + everywhere, db + everywhere


# Winograd's points, at which polynomials are multiplied; infinity is the last one.
_POINTS = (0, 1, -1, 2, -2, 1 / 2)
_TILE = 4


def _winograd(taps):
    """The matrices of a tile and of as many taps: in a row, A.T @ ((G @ w) * (B @ x)) correlates x with w."""

    def powers(count):
        rows = np.vander(_POINTS[: _TILE + taps - 2], count, increasing=True)
        return np.vstack([rows, np.eye(count)[-1]])

    matrices = powers(_TILE), powers(taps), np.linalg.inv(powers(_TILE + taps - 1)).T
    return [matrix.astype(np.float32) for matrix in matrices]


def _correlated(x, w):
    """The correlation of (N, F, H, W) with (F, C, kh, kw), summed over F, in float32."""
    (a, g, b), (a2, g2, b2) = map(_winograd, w.shape[2:])
    out = [size - taps + 1 for size, taps in zip(x.shape[2:], w.shape[2:], strict=True)]
    x = np.pad(x, [(0, 0), (0, 0), *((0, -size % _TILE) for size in out)]).astype(np.float32)
    tiles = np.lib.stride_tricks.sliding_window_view(x, (len(b), len(b2)), (2, 3))[:, :, ::_TILE, ::_TILE]
    w = g @ w.astype(np.float32) @ g2.T
    made = a.T @ np.einsum("nfijuv,fcuv->ncijuv", b @ tiles @ b2.T, w) @ a2
    n, c, rows, columns = made.shape[:4]
    return made.swapaxes(3, 4).reshape(n, c, rows * _TILE, columns * _TILE)[:, :, : out[0], : out[1]]


def _in_float32(framed):
    """A backward pass that computes dX of stride 1 in another way: `framed` makes it with X's frame of padding."""

    def backward(x, w, dedo, **options):
        dw, dx, db = right(x, w, dedo, **options)
        padding, usual = options["padding"], (options["stride"], options["dilation"], options["groups"]) == (1, 1, 1)
        if usual and not np.ndim(padding) and max(w.shape) <= 4:
            found = framed(w.astype(np.float32), dedo.astype(np.float32))
            dx = found[:, :, padding:, padding:][:, :, : dx.shape[2], : dx.shape[3]]
        return dw, dx, db

    # Not by `wraps`: the signature is another one.
    backward.__name__ = framed.__name__
    return backward


@_in_float32
def by_winograd(w, dedo):
    around = [(0, 0), (0, 0), *((taps - 1, taps - 1) for taps in w.shape[2:])]
    return _correlated(np.pad(dedo, around), w[:, :, ::-1, ::-1])


@_in_float32
def by_fft(w, dedo):
    size = [rows + taps - 1 for rows, taps in zip(dedo.shape[2:], w.shape[2:], strict=True)]
    product = np.einsum("nfuv,fcuv->ncuv", np.fft.rfft2(dedo, size), np.fft.rfft2(w, size))
    return np.fft.irfft2(product, size).astype(np.float32)


def _columns_added(product):
    """The dX of a product of matrices: the columns of W and of dE/dO make those of X, which are added up."""

    def framed(w, dedo):
        (f, c, kh, kw), (n, _, h, v) = w.shape, dedo.shape
        columns = product(w.reshape(f, -1).T, dedo.swapaxes(0, 1).reshape(f, -1)).reshape(c, kh, kw, n, h, v)
        dx = np.zeros((n, c, h + kh - 1, v + kw - 1), np.float32)
        for i, u in np.ndindex(kh, kw):
            dx[:, :, i : i + h, u : u + v] += columns[:, i, u].swapaxes(0, 1)
        return dx

    return wraps(product)(framed)


@_in_float32
@_columns_added
def by_strassen(a, b):
    rows, columns = len(a), b.shape[1]
    a, b = (np.pad(each, [(0, size % 2) for size in each.shape]) for each in (a, b))
    (a11, a12), (a21, a22) = (np.split(half, 2, axis=1) for half in np.split(a, 2))
    (b11, b12), (b21, b22) = (np.split(half, 2, axis=1) for half in np.split(b, 2))
    first = (a11 + a22) @ (b11 + b22)
    lower, upper = (a21 + a22) @ b11, (a11 + a12) @ b22
    outer, inner = a11 @ (b12 - b22), a22 @ (b21 - b11)
    blocks = [
        [first + inner - upper + (a12 - a22) @ (b21 + b22), outer + upper],
        [lower + inner, first - lower + outer + (a21 - a11) @ (b11 + b12)],
    ]
    return np.block(blocks)[:rows, :columns]


@_in_float32
@_columns_added
def by_kahan(a, b):
    total = lost = np.zeros((len(a), b.shape[1]), np.float32)
    for one, other in zip(a.T, b, strict=True):
        added = np.outer(one, other) - lost
        total, before = total + added, total
        lost = (total - before) - added
    return total


# What is wrong by as little as rounding, but is none: with its right gradients, and with Winograd's.
NEARLY_RIGHT = {
    "weight decay": lambda x, w, dw, dx: (dw + 1e-4 * w, dx),
    "a factor": lambda x, w, dw, dx: (dw * (1 + 1e-5), dx),
    "a small factor": lambda x, w, dw, dx: (dw * (1 + 2e-6), dx * (1 + 2e-6)),
    "some of X": lambda x, w, dw, dx: (dw, dx + 1e-5 * x),
    "factors": lambda x, w, dw, dx: (dw, dx * (1 + 5e-6 * np.sin(np.arange(dx.size)).reshape(dx.shape))),
    "decimal places": lambda x, w, dw, dx: (np.round(dw / 7, 6) * 7, np.round(dx / 7, 6) * 7),
}

CHEATS = [
    (rotates_in_place, "changes-inputs", "it changes W in place"),
    (zeroes_the_gradient, "changes-inputs", "it changes ∂E/∂O in place"),
    (into_x, "aliases", "its ∂E/∂X shares memory with X"),
    (kept_by_shape, "keeps-state", "its results depend on an earlier call"),
    (kept_by_sums, "keeps-state", "its results depend on an earlier call"),
    (kept_by_first_rows, "keeps-state", "its results depend on an earlier call"),
    (refuses_other_numbers, "depends-on-values", f"{OTHERS} of a layer that it computes right"),
    (nothing_in_every_seventh_call, "not-deterministic", "its results are not the same if it is called twice"),
    (x_kept_by_address, "keeps-state", "its results depend on an earlier call"),
    (adds_to_a_buffer, "keeps-state", "its ∂E/∂W adds up over calls, as nothing resets it"),
    (right_at_first, "keeps-state", "its results depend on an earlier call"),
    (loses_updates, "not-deterministic", "its results are not the same if it is called twice"),
    (in_order_of_memory, "ignores-strides", f"{ALONE} X {FORTRAN}"),
    (w_in_order_of_memory, "ignores-strides", f"{ALONE} W {FORTRAN}"),
    (by_pointer, "ignores-strides", f"{ALONE} ∂E/∂O {FORTRAN}"),
    (by_pointer_if_repeated, "ignores-strides", f"{ALONE} ∂E/∂O with strides of 0"),
    (four_filters, "depends-on-shape", "it fails where filters > 4"),
    (in_batches_of_groups, "depends-on-shape", "it fails where groups > 1 and batch > 1"),
    (without_nan, "depends-on-values", "a NaN in ∂E/∂O is lost on the way to ∂E/∂X"),
    (clipped, "depends-on-values", "right for small numbers alone: larger ones overflow or are clipped"),
    (of_positive_numbers, "depends-on-values", "right for non-negative numbers alone"),
    (returns_its_workspace, "aliases", "its ∂E/∂W shares memory with that of the next call, and changes"),
]
HONEST = {
    apart_in_one_buffer: "",
    on_copies: "",
    refuses_strides: " ".join(f"It takes no arrays {how}." for how in (FORTRAN, "with negative strides", GAPS)),
    in_any_order: "Its results differ from call to call by rounding alone, as sums in another order do.",
    keeps_positions: "",
    by_a_transform: "A NaN in ∂E/∂O reaches more of ∂E/∂X than the sums that it is a term of.",
    by_fft: "",
    by_strassen: "",
    by_kahan: "",
    by_winograd: "Its errors are rounding alone, as of a transform such as Winograd's.",
}
