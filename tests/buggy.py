"""Wrong backward passes as learners write them, in plain loops over a layer of two spatial axes."""

import itertools
from types import SimpleNamespace

import numpy as np

from tests.cases import Case


class Layer:
    """A layer's numbers under the names that learners use."""

    def __init__(self, case: Case, seed=0):
        self.case = case
        self.x, self.w, _, self.g = case.data(seed)
        self.N, self.C, self.H, self.W = self.x.shape
        self.F, self.Cg, self.kh, self.kw = self.w.shape
        self.Ho, self.Wo = self.g.shape[2:]
        self.sh, self.sw = case.stride
        self.dh, self.dw = case.dilation
        (self.pt, self.pb), (self.pl, self.pr) = case.pads
        self.groups = case.groups
        self.Hp, self.Wp = self.H + self.pt + self.pb, self.W + self.pl + self.pr
        self.rh, self.rw = (
            (self.Hp - self.dh * (self.kh - 1) - 1) % self.sh,
            (self.Wp - self.dw * (self.kw - 1) - 1) % self.sw,
        )
        # NumPy's word for what stands in the padding, and the row and column of X that each position repeats.
        self.mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[case.mode]
        self.xp = framed(self, self.mode)

    def padded(self, x):
        return framed(self, self.mode, x)

    def channel(self, f, c):
        return f // (self.F // self.groups) * self.Cg + c


def scatter(q, w=None, g=None, sh=None, sw=None, dh=None, dw=None, assign=False, channel=None, frame=0):
    """dX with its padding, by adding every window: the loop that most people write, with something in it changed."""
    w = q.w if w is None else w
    g = q.g if g is None else g
    sh, sw, dh, dw = sh or q.sh, sw or q.sw, dh or q.dh, dw or q.dw
    channel = channel or q.channel
    room = 4 * (q.Hp + q.Wp + q.sh + q.sw) + frame
    dxp = np.zeros((q.N, q.C, room, room), int)
    for n in range(q.N):
        for f in range(q.F):
            for i in range(q.Ho):
                for j in range(q.Wo):
                    for c in range(q.Cg):
                        for u in range(w.shape[2]):
                            for v in range(w.shape[3]):
                                product = w[f, c, u, v] * g[n, f, i, j]
                                at = (n, channel(f, c), i * sh + u * dh, j * sw + v * dw)
                                dxp[at] = product if assign else dxp[at] + product
    return dxp


def stands(q, front, behind=None):
    """The row and the column of X that each position of its padding repeats, whose sides may be filled differently."""
    sizes = (q.H, q.pt, q.pb), (q.W, q.pl, q.pr)
    return [
        np.append(np.pad(range(n), (first, 0), front), np.pad(range(n), (0, last), behind or front)[n:])
        for n, first, last in sizes
    ]


def folded(q, dxp, front, behind=None):
    """dX: the gradient of each position of the padding is added to the element that stands there."""
    rows, columns = stands(q, front, behind)
    dx = np.zeros_like(q.x)
    for n, c, h, k in np.ndindex(q.N, q.C, q.Hp, q.Wp):
        dx[n, c, rows[h], columns[k]] += dxp[n, c, h, k]
    return dx


def folded_rows(q, dxp):
    """The same for rows; columns in the padding are dropped."""
    rows = np.pad(range(q.H), (q.pt, q.pb), q.mode)
    dx = np.zeros_like(q.x)
    for n, c, h, k in np.ndindex(q.N, q.C, q.Hp, q.W):
        dx[n, c, rows[h], k] += dxp[n, c, h, q.pl + k]
    return dx


def crop(q, dxp, top=None, left=None):
    if q.mode != "constant" and top is None:
        return folded(q, dxp, q.mode)
    top, left = q.pt if top is None else top, q.pl if left is None else left
    return dxp[:, :, top : top + q.H, left : left + q.W]


def gather(q, xp=None, g=None, sh=None, sw=None, dh=None, dw=None, kh=None, kw=None, samples=None, channel=None):
    """dW, one weight after the other; what lies outside X counts as 0."""
    xp = q.xp if xp is None else xp
    g = q.g if g is None else g
    sh, sw, dh, dw, kh, kw = sh or q.sh, sw or q.sw, dh or q.dh, dw or q.dw, kh or q.kh, kw or q.kw
    channel = channel or q.channel
    result = np.zeros((q.F, q.Cg, kh, kw), int)
    for n in range(q.N) if samples is None else samples:
        for f in range(q.F):
            for c in range(q.Cg):
                for u in range(kh):
                    for v in range(kw):
                        for i in range(g.shape[2]):
                            for j in range(g.shape[3]):
                                row, column = i * sh + u * dh, j * sw + v * dw
                                if row < xp.shape[2] and column < xp.shape[3]:
                                    result[f, c, u, v] += g[n, f, i, j] * xp[n, channel(f, c), row, column]
    return result


def right_dx(q):
    return crop(q, scatter(q))


def right_dw(q):
    return gather(q)


def right_db(q):
    return q.g.sum(axis=(0, 2, 3))


def untested_remainders(q, rows=True):
    """dX, one pixel after the other: whether the stride divides its distance from the window's start isn't tested."""
    dx = np.zeros_like(q.x)
    for n, f, c, h, k, u, v in np.ndindex(q.N, q.F, q.Cg, q.H, q.W, q.kh, q.kw):
        (i, row), j = divmod(h + q.pt - u * q.dh, q.sh), (k + q.pl - v * q.dw) // q.sw
        if 0 <= i < q.Ho and 0 <= j < q.Wo and (rows or row == 0):
            dx[n, q.channel(f, c), h, k] += q.w[f, c, u, v] * q.g[n, f, i, j]
    return dx


def stride_ignored_shape(q):
    size = q.Ho - 1 + q.dh * (q.kh - 1) + 1 - q.pt - q.pb, q.Wo - 1 + q.dw * (q.kw - 1) + 1 - q.pl - q.pr
    return scatter(q, sh=1, sw=1)[:, :, q.pt : q.pt + size[0], q.pl : q.pl + size[1]]


def reads(q):
    """(n, f, c, u, v, i, j) and the pixel, output by output and in each of them weight by weight."""
    for n, f, i, j, c, u, v in np.ndindex(q.N, q.F, q.Ho, q.Wo, q.Cg, q.kh, q.kw):
        yield (n, f, c, u, v, i, j), q.xp[n, q.channel(f, c), i * q.sh + u * q.dh, j * q.sw + v * q.dw]


def overwritten_dw(q):
    result = np.zeros_like(q.w)
    for (n, f, c, u, v, i, j), pixel in reads(q):
        result[f, c, u, v] = q.g[n, f, i, j] * pixel
    return result


def overwritten_inside(q):
    """The padding is no array: a test leaves out what lies outside X."""
    result = np.zeros_like(q.w)
    for (n, f, c, u, v, i, j), pixel in reads(q):
        h, w = i * q.sh + u * q.dh - q.pt, j * q.sw + v * q.dw - q.pl
        if 0 <= h < q.H and 0 <= w < q.W:
            result[f, c, u, v] = q.g[n, f, i, j] * pixel
    return result


def padding_subtracted(q):
    """A window begins behind the first element by the padding, not in front of it."""
    return gather(q, xp=np.pad(q.x[:, :, q.pt :, q.pl :], ((0, 0), (0, 0), (0, q.Hp), (0, q.Wp))))


def overwritten_vectorised(q):
    """dX[:, window] = the sum over filters, sample by sample in one line, but = for +=."""
    dxp = np.zeros((q.N, q.C, q.Hp, q.Wp), int)
    each = q.F // q.groups
    for i in range(q.Ho):
        for j in range(q.Wo):
            for u in range(q.kh):
                for v in range(q.kw):
                    for k in range(q.groups):
                        fs = slice(k * each, (k + 1) * each)
                        part = q.g[:, fs, i, j] @ q.w[fs, :, u, v]
                        dxp[:, k * q.Cg : (k + 1) * q.Cg, i * q.sh + u * q.dh, j * q.sw + v * q.dw] = part
    return crop(q, dxp)


def misplaced(q, parts=1):
    """dX with the rows left over in front, or with a half of them there."""
    rh, rw = -(-q.rh // parts), -(-q.rw // parts)
    dxp = scatter(q)[:, :, : q.Hp, : q.Wp]
    moved = np.zeros_like(dxp)
    moved[:, :, rh:, rw:] = dxp[:, :, : q.Hp - rh, : q.Wp - rw]
    return crop(q, moved)


def output(q):
    o = np.zeros_like(q.g)
    for (n, f, c, u, v, i, j), pixel in reads(q):
        o[n, f, i, j] += q.w[f, c, u, v] * pixel
    return o


def groups_by_remainder(q):
    return lambda f, c: f % q.groups * q.Cg + c


def interleaved_channels(q):
    return lambda f, c: c * q.groups + f // (q.F // q.groups)


def framed(q, mode, x=None):
    pads = [(0, 0), (0, 0), (q.pt, q.pb), (q.pl, q.pr)]
    return np.pad(q.x if x is None else x, pads, mode=mode)


def clamped_dx(q):
    """Gradients of positions in the padding are added to X's nearest element."""
    whole = scatter(q)[:, :, : q.Hp, : q.Wp]
    dx = np.zeros_like(q.x)
    for i in range(q.Hp):
        for j in range(q.Wp):
            dx[:, :, np.clip(i - q.pt, 0, q.H - 1), np.clip(j - q.pl, 0, q.W - 1)] += whole[:, :, i, j]
    return dx


def without(array, axis, k):
    less = array.copy()
    np.moveaxis(less, axis, 0)[k] = 0
    return less


def moved_down(array):
    moved = np.zeros_like(array)
    moved[..., 1:, :] = array[..., :-1, :]
    return moved


def as_channels_last(array):
    """Memory that lies channels first, read as if they were last."""
    n, c, h, w = array.shape
    return array.reshape(n, h, w, c).transpose(0, 3, 1, 2)


SQUARE = "square kernel"


# id: (gradient, wrong function, what a layer must have for it to make sense)
def without_tap(w, u, v):
    """One element of every filter is missing."""
    less = w.copy()
    less[:, :, u, v] = 0
    return less


def one_phase(q):
    """The rows that the first filter row reaches are never filled."""
    dx = right_dx(q).copy()
    for h in range(q.H):
        if (h + q.pt) % q.sh == 0:
            dx[:, :, h] = 0
    return dx


def first_square(g):
    """The smaller of height and width is used for both."""
    few = min(g.shape[2:])
    less = np.zeros_like(g)
    less[:, :, :few, :few] = g[:, :, :few, :few]
    return less


def of_first_group(q, array, axis):
    """Every group uses the first group's filters: the pointer does not advance."""
    return np.take(array, [f % (q.F // q.groups) for f in range(q.F)], axis)


def exchanged(q, w):
    """Filters and channels are exchanged inside each group."""
    each = q.F // q.groups
    blocks = [w[k * each : (k + 1) * each].swapaxes(0, 1) for k in range(q.groups)]
    return np.concatenate(blocks)


def flat(
    q,
    result,
    x=None,
    w=None,
    g=None,
    row=None,
    column=None,
    ends=None,
    test=(0, 0),
    front=0,
    each=lambda product: product,
):
    """A gradient (x or w) over flat arrays, product by product, with a place, position, loop or test changed.

    Places outside an array's memory hold 0. `ends` has the ends of loops, by letter, `test` how far beyond X the
    positions of its last row and column may lie, and `front` how far in front of its first column.
    """
    x = x or (lambda s: ((s.n * q.C + s.channel) * q.H + s.h) * q.W + s.k)
    w = w or (lambda s: ((s.f * q.Cg + s.c) * q.kh + s.u) * q.kw + s.v)
    g = g or (lambda s: ((s.n * q.F + s.f) * q.Ho + s.i) * q.Wo + s.j)
    row = row or (lambda s: s.i * q.sh + s.u * q.dh - q.pt)
    column = column or (lambda s: s.j * q.sw + s.v * q.dw - q.pl)
    sizes = {"n": q.N, "f": q.F, "c": q.Cg, "i": q.Ho, "j": q.Wo, "u": q.kh, "v": q.kw} | (ends or {})
    memory = {"x": q.x.ravel(), "w": q.w.ravel(), "g": q.g.ravel()}
    found = np.zeros_like(memory[result])
    first, second = (name for name in memory if name != result)
    for places in itertools.product(*map(range, sizes.values())):
        s = SimpleNamespace(**dict(zip(sizes, places, strict=True)))
        s.channel, s.h, s.k = q.channel(s.f, s.c), row(s), column(s)
        if 0 <= s.h < q.H + test[0] and -front <= s.k < q.W + test[1]:
            at = {"x": x(s), "w": w(s), "g": g(s)}
            if all(0 <= at[name] < array.size for name, array in memory.items()):
                found[at[result]] += each(memory[first][at[first]] * memory[second][at[second]])
    return found.reshape({"x": q.x, "w": q.w}[result].shape)


def plain(needs=None):
    """The condition that a layer is padded with zeros, and meets `needs` too."""
    return lambda q: q.mode == "constant" and (needs is None or needs(q))


def widened(q):
    """Whether a layer has columns of zeros as padding."""
    return q.mode == "constant" and q.pl + q.pr > 0


def framed_with(q, array, height, width):
    """An array with the shape of padded X in flat memory, read as if it had other lengths."""
    memory = np.append(array[:, :, : q.Hp, : q.Wp], np.zeros(q.Hp * q.Wp, int))
    n, c, h, k = np.ix_(range(q.N), range(q.C), range(q.Hp), range(q.Wp))
    return memory[((n * q.C + c) * height + h) * width + k]


def other_matrix(q):
    """dE/dO as the matrix (F, H'·W'·N), read as (F, N·H'·W')."""
    return q.g.transpose(1, 2, 3, 0).reshape(q.F, q.N, q.Ho, q.Wo).swapaxes(0, 1)


def reshaped_columns(q):
    """dW by im2col, with each sample's columns reshaped where they must be transposed."""
    dw = np.zeros_like(q.w)
    for n, f in itertools.product(range(q.N), range(q.F)):
        taps = itertools.product(range(q.Cg), range(q.kh), range(q.kw))
        windows = [
            q.xp[n, q.channel(f, c), u * q.dh :: q.sh, v * q.dw :: q.sw][: q.Ho, : q.Wo].ravel() for c, u, v in taps
        ]
        dw[f] += (q.g[n, f].ravel() @ np.reshape(windows, (-1, len(windows)))).reshape(dw[f].shape)
    return dw


def multiplier_first(q, w):
    """Filter m of group k is read at m·groups + k."""
    each = q.F // q.groups
    return w[[m * q.groups + k for k in range(q.groups) for m in range(each)]]


def group_by_group(q):
    """Each group's filters as the matrix (F/g, C/g·kh·kw), read as (C/g·kh·kw, F/g)."""
    groups = [part.reshape(-1, len(part)).T.reshape(part.shape) for part in np.split(q.w, q.groups)]
    return np.concatenate(groups)


def samples_for_filters(q):
    """dE/dO of each group is stored by filters, but read by samples."""
    return np.concatenate([g.swapaxes(0, 1).reshape(g.shape) for g in np.split(q.g, q.groups, axis=1)], axis=1)


def running_sums(array):
    """A sum that is never reset to 0, for each element in turn."""
    return np.reshape([*itertools.accumulate(array.flat)], array.shape)


def one_row(array):
    """All rows of each plane are one list, which holds the sum of them all."""
    return np.array([[[[*np.add.reduce(plane)]] * len(plane) for plane in planes] for planes in array])


def into_the_first_group(q, array):
    """Filter f of each group is written to the filter f of the first."""
    found = np.zeros_like(array)
    for f, numbers in enumerate(array):
        found[f % (q.F // q.groups)] += numbers
    return found


def clamped_in_front(q):
    """Padded X with the nearest element in the padding in front: `if h < 0: h = 0`."""
    front = np.pad(q.x, ((0, 0), (0, 0), (q.pt, 0), (q.pl, 0)), mode="edge")
    return np.pad(front, ((0, 0), (0, 0), (0, q.pb), (0, q.pr)))


def set_once(q):
    """NumPy keeps the last of several numbers that are written to the same element."""
    rows, columns = stands(q, q.mode)
    dx = np.zeros_like(q.x)
    dx[:, :, rows[:, None], columns] = scatter(q)[:, :, : q.Hp, : q.Wp]
    return dx


def round_again(q, dxp, rows, columns):
    """Transforms with only so many rows and columns: what lies beyond the last wraps around to the front."""
    short = np.zeros_like(dxp)
    for h, k in np.ndindex(q.Hp, q.Wp):
        short[:, :, h % rows, k % columns] += dxp[:, :, h, k]
    return crop(q, short)


def not_conjugated(q):
    """dW by transforms of X with its padding and of dE/dO, neither of them conjugated."""
    spread = np.zeros((q.N, q.F, q.Hp, q.Wp))
    spread[:, :, : q.sh * (q.Ho - 1) + 1 : q.sh, : q.sw * (q.Wo - 1) + 1 : q.sw] = q.g
    each = (np.fft.fft2(array, (q.Hp + q.kh, q.Wp + q.kw)) for array in (spread, q.xp))
    return np.rint(np.fft.ifft2(np.einsum("nfij,ncij->fcij", *each)).real[:, :, : q.kh, : q.kw])


def is_filled(q):
    """Whether elements of X stand in the padding."""
    return q.mode != "constant"


BUGGY = {
    "flat-index": [
        (
            "dx",
            lambda q: flat(q, "x", x=lambda s: ((s.n * q.C + s.channel) * q.H + s.h) * q.Wo + s.k),
            plain(lambda q: q.Wo not in (1, q.W)),
        ),
        (
            "dw",
            lambda q: flat(q, "w", g=lambda s: ((s.n * q.F + s.f) * q.Ho + s.i) * q.Ho + s.j),
            plain(lambda q: q.Ho not in (1, q.Wo)),
        ),
        (
            "dx",
            lambda q: flat(q, "x", w=lambda s: (s.f * q.Cg + s.c) * q.kh * q.kw + s.u * q.kh + s.v),
            plain(lambda q: q.kh != q.kw),
        ),
        ("dx", lambda q: framed_with(q, scatter(q), q.Hp, q.W)[:, :, q.pt : q.pt + q.H, q.pl : q.pl + q.W], widened),
        ("dx", lambda q: framed_with(q, scatter(q), q.H, q.W)[:, :, q.pt : q.pt + q.H, q.pl : q.pl + q.W], widened),
        ("dw", lambda q: gather(q, xp=framed_with(q, q.xp, q.Hp, q.W)), widened),
        ("dw", lambda q: gather(q, xp=framed_with(q, q.xp, q.H, q.W)), widened),
    ],
    "index-left-out": [
        ("dx", lambda q: flat(q, "x", w=lambda s: (s.f * q.Cg * q.kh + s.u) * q.kw + s.v), plain(lambda q: q.Cg > 1)),
        (
            "dw",
            lambda q: flat(q, "w", column=lambda s: s.v * q.dw - q.pl),
            plain(lambda q: q.Wo > 1),
        ),
        ("dx", lambda q: flat(q, "x", row=lambda s: s.u - q.pt, column=lambda s: s.v - q.pl), plain()),
        ("dw", lambda q: flat(q, "w", row=lambda s: s.i * q.sh - q.pt, column=lambda s: s.j * q.sw - q.pl), plain()),
        (
            "dx",
            lambda q: flat(q, "x", g=lambda s: (s.n * q.F * q.Ho + s.i) * q.Wo + s.j),
            plain(lambda q: q.groups > 1),
        ),
    ],
    "index-replaced": [
        ("dx", lambda q: flat(q, "x", g=lambda s: ((s.n * q.F + s.f) * q.Ho + s.i) * q.Wo + s.i), plain()),
        (
            "dw",
            lambda q: flat(q, "w", x=lambda s: ((s.n * q.C + s.f) * q.H + s.h) * q.W + s.k if s.f < q.C else -1),
            plain(lambda q: q.groups == 1 and q.C > 1),
        ),
        ("dx", lambda q: flat(q, "x", row=lambda s: (q.sh + q.dh) * s.i - q.pt), plain()),
        (
            "dx",
            lambda q: flat(q, "x", w=lambda s: ((s.f * q.Cg + s.channel) * q.kh + s.u) * q.kw + s.v),
            plain(lambda q: q.groups > 1),
        ),
    ],
    "loop-bound": [
        ("dx", lambda q: flat(q, "x", ends={"v": q.kw + 1}), plain()),
        ("dw", lambda q: flat(q, "w", test=(1, 0)), plain(lambda q: q.pb > 0)),
    ],
    "memory-order": [
        ("dx", lambda q: crop(q, scatter(q, w=q.w.reshape(q.w.shape[::-1]).T)), None),
        ("db", lambda q: q.g.reshape(q.F, -1).sum(axis=1), lambda q: q.F > 3 and q.N > 1),
        ("dx", lambda q: crop(q, scatter(q, w=group_by_group(q))), lambda q: min(q.groups, q.Cg, q.F // q.groups) > 1),
        ("dw", lambda q: gather(q, g=samples_for_filters(q)), lambda q: min(q.groups, q.N, q.F // q.groups) > 1),
    ],
    "im2col-order": [
        ("dw", lambda q: gather(q, g=other_matrix(q)), lambda q: min(q.N, q.F, q.Ho * q.Wo) > 1),
        ("dx", lambda q: crop(q, scatter(q, g=other_matrix(q))), lambda q: min(q.N, q.F, q.Ho * q.Wo) > 1),
        (
            "dw",
            lambda q: right_dw(q).transpose(1, 2, 3, 0).reshape(q.kh, q.kw, q.Cg, q.F).transpose(3, 2, 0, 1),
            lambda q: min(q.F, q.Cg) > 1,
        ),
        ("dw", reshaped_columns, plain()),
    ],
    "multiplier-order": [
        (
            "dx",
            lambda q: crop(q, scatter(q, w=multiplier_first(q, q.w))),
            lambda q: q.groups > 1 and q.F // q.groups > 1,
        ),
    ],
    "old-contents": [
        ("dx", lambda q: right_dx(q) + q.x, None),
        ("dw", lambda q: right_dw(q) + 1, None),
        ("dw", lambda q: right_dw(q) + q.w, None),
        ("dx", lambda q: right_dx(q) - 0.25, None),
    ],
    "not-reset": [
        ("dx", lambda q: running_sums(right_dx(q)), None),
        ("dx", lambda q: np.array([running_sums(sample) for sample in right_dx(q)]), None),
        ("dw", lambda q: np.array([*itertools.accumulate(right_dw(q))]), lambda q: q.F > 1),
        ("db", lambda q: running_sums(right_db(q)), lambda q: q.F > 3),
    ],
    "rows-shared": [
        ("dx", lambda q: one_row(right_dx(q)), None),
        ("dw", lambda q: np.array([right_dw(q)[-1]] * q.F), lambda q: q.F > 1),
    ],
    "border-side": [
        ("dw", lambda q: gather(q, xp=clamped_in_front(q)), plain(lambda q: q.pt + q.pl > 0)),
        ("dx", lambda q: folded(q, scatter(q), q.mode, "symmetric"), is_filled),
        ("dx", lambda q: folded(q, scatter(q), "wrap", q.mode), lambda q: q.mode != "wrap"),
    ],
    "index-repeated": [("dx", set_once, is_filled)],
    "wraps-around": [
        ("dx", lambda q: np.roll(right_dx(q), 1, 2), None),
        ("dw", lambda q: np.fft.fftshift(right_dw(q), (2, 3)), None),
        ("dx", lambda q: round_again(q, scatter(q), q.Ho, q.Wo), plain(lambda q: q.Ho < q.Hp and q.Wo < q.Wp)),
        ("dw", not_conjugated, plain(lambda q: q.groups * q.dh * q.dw == 1)),
    ],
    "weight-decay": [
        ("dw", lambda q: right_dw(q) + 0.01 * q.w, None),
        ("dw", lambda q: right_dw(q) + 5e-4 * q.w, None),
        ("dw", lambda q: right_dw(q) + 0.03 * q.w, None),
        ("dx", lambda q: right_dx(q) - 2 * q.x, None),
    ],
    "padding-wrong": [
        ("dx", lambda q: crop(q, scatter(q), q.pt + 2, q.pl + 3), plain()),
        ("dw", lambda q: gather(q, xp=np.pad(q.xp, ((0, 0), (0, 0), (2, 0), (3, 0)))), plain()),
        ("dw", padding_subtracted, plain(lambda q: q.pt + q.pl > 0)),
    ],
    "activation-applied": [
        ("dx", lambda q: crop(q, scatter(q, g=q.g * (output(q) > 0))), None),
        ("dw", lambda q: gather(q, g=q.g * (output(q) > 0)), None),
        ("dx", lambda q: right_dx(q) * (q.x > 0), None),
        ("dx", lambda q: right_dx(q) * np.where(q.x > 0, 1, 0.1), None),
        ("dx", lambda q: right_dx(q) * q.x * (1 - q.x), None),
        ("dw", lambda q: gather(q, g=q.g * (q.g >= 0)), None),
    ],
    "products-rounded": [
        ("dx", lambda q: flat(q, "x", each=lambda product: product // 4 * 4), plain()),
        ("dw", lambda q: flat(q, "w", each=lambda product: int(product / 8) * 8), plain()),
    ],
    "wrapped": [("dx", lambda q: right_dx(q).astype(np.int8).astype(int), None)],
    "saturated": [("dw", lambda q: np.clip(right_dw(q), -128, 127), None)],
    "filter-not-rotated": [
        ("dx", lambda q: crop(q, scatter(q, w=q.w[:, :, ::-1, ::-1])), None),
    ],
    "filter-transposed": [
        ("dx", lambda q: crop(q, scatter(q, w=q.w.swapaxes(2, 3)[:, :, ::-1, ::-1])), SQUARE),
        ("dx", lambda q: crop(q, scatter(q, w=np.rot90(q.w, 1, (2, 3)))), SQUARE),
        ("dx", lambda q: crop(q, scatter(q, w=np.rot90(q.w, 3, (2, 3)))), SQUARE),
        ("dx", lambda q: crop(q, scatter(q, w=q.w.swapaxes(2, 3))), SQUARE),
    ],
    "filter-flipped-one-axis": [
        ("dx", lambda q: crop(q, scatter(q, w=q.w[:, :, ::-1])), None),
        ("dx", lambda q: crop(q, scatter(q, w=q.w[:, :, :, ::-1])), None),
    ],
    "stride-ignored": [
        ("dx", lambda q: crop(q, scatter(q, sh=1, sw=1)), lambda q: q.sh * q.sw > 1),
        ("dx", stride_ignored_shape, lambda q: q.sh * q.sw > 1),
        ("dw", lambda q: gather(q, sh=1, sw=1), lambda q: q.sh * q.sw > 1),
    ],
    "stride-gap-wrong": [
        ("dx", lambda q: crop(q, scatter(q, sh=q.sh + 1, sw=q.sw + 1)), lambda q: min(q.sh, q.sw) > 1),
        ("dw", lambda q: gather(q, sh=q.sh + 1, sw=q.sw + 1), lambda q: min(q.sh, q.sw) > 1),
        ("dx", lambda q: crop(q, scatter(q, sh=q.sh - 1, sw=q.sw - 1)), lambda q: min(q.sh, q.sw) > 2),
        ("dx", untested_remainders, lambda q: q.mode == "constant" and min(q.sh, q.sw) > 1),
        ("dx", lambda q: untested_remainders(q, rows=False), lambda q: q.mode == "constant" and q.sw > 1),
    ],
    "stride-dilation-swapped": [
        (
            "dx",
            lambda q: crop(q, scatter(q, sh=q.dh, sw=q.dw, dh=q.sh, dw=q.sw)),
            lambda q: (q.sh, q.sw) != (q.dh, q.dw),
        ),
        ("dx", lambda q: crop(q, scatter(q, sw=q.dw, dw=q.sw)), lambda q: q.sw != q.dw),
        ("dw", lambda q: gather(q, sh=q.dh, sw=q.dw, dh=q.sh, dw=q.sw), lambda q: (q.sh, q.sw) != (q.dh, q.dw)),
    ],
    "stride-axes-swapped": [
        ("dx", lambda q: crop(q, scatter(q, sh=q.sw, sw=q.sh)), lambda q: q.sh != q.sw),
        ("dw", lambda q: gather(q, sh=q.sw, sw=q.sh), lambda q: q.sh != q.sw),
        ("dx", lambda q: crop(q, scatter(q, sh=q.sw, sw=q.sw)), lambda q: q.sh != q.sw),
        ("dw", lambda q: gather(q, sh=q.sh, sw=q.sh), lambda q: q.sh != q.sw),
    ],
    "dilation-ignored": [
        ("dx", lambda q: crop(q, scatter(q, dh=1, dw=1)), lambda q: q.dh * q.dw > 1),
        ("dw", lambda q: gather(q, dh=1, dw=1), lambda q: q.dh * q.dw > 1),
    ],
    "dilation-off-by-one": [
        ("dx", lambda q: crop(q, scatter(q, dh=q.dh + 1, dw=q.dw + 1)), None),
        ("dw", lambda q: gather(q, dh=q.dh + 1, dw=q.dw + 1), None),
        ("dx", lambda q: crop(q, scatter(q, dh=q.dh**2, dw=q.dw**2)), lambda q: q.dh * q.dw > 1),
        ("dw", lambda q: gather(q, dh=q.dh**2, dw=q.dw**2), lambda q: q.dh * q.dw > 1),
    ],
    "padding-ignored": [
        ("dx", lambda q: crop(q, scatter(q), 0, 0), lambda q: q.pt + q.pl > 0),
        ("dw", lambda q: gather(q, xp=q.x), lambda q: q.pt + q.pl > 0),
    ],
    "padding-wrong-side": [
        ("dx", lambda q: crop(q, scatter(q), q.pb, q.pr), lambda q: (q.pt, q.pl) != (q.pb, q.pr)),
        ("dx", lambda q: crop(q, scatter(q), q.pt + q.pb, q.pl + q.pr), lambda q: q.pb + q.pr > 0),
    ],
    "padding-not-cropped": [
        ("dx", lambda q: scatter(q)[:, :, : q.Hp, : q.Wp], lambda q: (q.Hp, q.Wp) != (q.H, q.W)),
    ],
    "empty-crop": [
        (
            "dx",
            lambda q: scatter(q)[:, :, : q.Hp, : q.Wp][:, :, q.pt : -q.pb, q.pl : -q.pr],
            lambda q: q.pb * q.pr == 0,
        ),
    ],
    "leftover-dropped": [
        (
            "dx",
            lambda q: scatter(q)[:, :, q.pt : min(q.pt + q.H, q.Hp - q.rh), q.pl : min(q.pl + q.W, q.Wp - q.rw)],
            lambda q: q.rh > q.pb or q.rw > q.pr,
        ),
    ],
    "leftover-misplaced": [("dx", misplaced, lambda q: q.rh + q.rw > 0)],
    "leftover-counted": [
        ("dw", lambda q: gather(q, kh=q.kh + q.rh, kw=q.kw + q.rw), lambda q: q.rh + q.rw > 0 and q.dh * q.dw == 1),
        (
            "dw",
            lambda q: gather(q, kh=q.kh + q.rh, kw=q.kw + q.rw)[:, :, q.rh :, q.rw :],
            lambda q: q.rh + q.rw > 0 and q.dh * q.dw == 1,
        ),
    ],
    "border-not-zero": [
        ("dw", lambda q: gather(q, xp=framed(q, "edge")), lambda q: q.Hp > q.H and q.mode == "constant"),
        ("dw", lambda q: gather(q, xp=framed(q, "wrap")), lambda q: q.Hp > q.H and q.mode == "constant"),
        ("dx", clamped_dx, lambda q: q.Hp > q.H and q.mode == "constant"),
    ],
    "border-wrong": [
        ("dw", lambda q: gather(q, xp=framed(q, "constant")), is_filled),
        ("dw", lambda q: gather(q, xp=framed(q, "symmetric")), is_filled),
        ("dw", lambda q: gather(q, xp=framed(q, "edge")), lambda q: is_filled(q) and q.mode != "edge"),
        ("dx", lambda q: folded(q, scatter(q), "symmetric"), is_filled),
        ("dx", lambda q: folded(q, scatter(q), "wrap"), lambda q: is_filled(q) and q.mode != "wrap"),
    ],
    "border-not-folded": [
        ("dx", lambda q: crop(q, scatter(q), q.pt, q.pl), is_filled),
        ("dx", lambda q: folded_rows(q, scatter(q)), is_filled),
    ],
    "incomplete": [
        ("dx", lambda q: crop(q, scatter(q, g=without(q.g, 1, -1))), lambda q: q.F > 2),
        ("dw", lambda q: gather(q, g=without(q.g, 2, -1)), lambda q: q.Ho > 1),
        ("dw", lambda q: without(right_dw(q), 0, 0), lambda q: q.F > 1),
        ("dx", lambda q: crop(q, scatter(q, w=without(q.w, 2, -1))), lambda q: q.kh > 1),
        ("dx", lambda q: crop(q, scatter(q, w=without_tap(q.w, 1, 0))), None),
        ("dw", lambda q: without_tap(right_dw(q), 1, 1), None),
        ("dx", one_phase, lambda q: q.sh > 1),
        ("dx", lambda q: crop(q, scatter(q, g=first_square(q.g))), lambda q: q.Ho != q.Wo),
        ("dw", lambda q: gather(q, g=first_square(q.g)), lambda q: q.Ho != q.Wo),
    ],
    "shifted": [
        ("dw", lambda q: moved_down(right_dw(q)), lambda q: q.kh > 1),
        ("dx", lambda q: moved_down(right_dx(q)), lambda q: q.pt == 0),
    ],
    "other-layout": [
        ("dw", lambda q: right_dw(q).transpose(2, 3, 1, 0), None),
        ("dw", lambda q: right_dw(q).reshape(q.F, -1), None),
        ("dx", lambda q: right_dx(q).transpose(0, 2, 3, 1), lambda q: q.C > 1),
        ("dw", lambda q: right_dw(q).ravel(), None),
    ],
    "operand-layout": [
        ("dw", lambda q: gather(q, xp=Layer.padded(q, as_channels_last(q.x))), lambda q: q.C > 1),
        ("dx", lambda q: crop(q, scatter(q, g=as_channels_last(q.g))), lambda q: q.F > 1),
    ],
    "wrong-operand": [
        ("dw", lambda q: gather(q, g=output(q)), None),
        ("dx", lambda q: crop(q, scatter(q, g=output(q))), None),
        ("db", lambda q: output(q).sum(axis=(0, 2, 3)), None),
        ("dw", lambda q: q.w, None),
        ("dx", lambda q: q.x, None),
    ],
    "operand-rotated": [
        ("dw", lambda q: gather(q, g=q.g[:, :, ::-1, ::-1]), None),
        ("dw", lambda q: gather(q, xp=q.xp[:, :, ::-1, ::-1]), None),
        ("dx", lambda q: crop(q, scatter(q, g=q.g[:, :, ::-1, ::-1])), None),
    ],
    "result-rotated": [
        ("dw", lambda q: right_dw(q)[:, :, ::-1, ::-1], None),
        ("dx", lambda q: right_dx(q)[:, :, ::-1, ::-1], None),
    ],
    "axes-swapped": [
        ("dw", lambda q: right_dw(q).swapaxes(2, 3), None),
        ("dx", lambda q: right_dx(q).swapaxes(2, 3), None),
    ],
    "groups-mixed": [
        (
            "dx",
            lambda q: crop(q, scatter(q, channel=groups_by_remainder(q))),
            lambda q: q.groups > 1 and q.groups < q.F,
        ),
        ("dx", lambda q: crop(q, scatter(q, channel=interleaved_channels(q))), lambda q: q.groups > 1 and q.Cg > 1),
        ("dw", lambda q: gather(q, channel=groups_by_remainder(q)), lambda q: q.groups > 1 and q.groups < q.F),
        ("dw", lambda q: gather(q, channel=interleaved_channels(q)), lambda q: q.groups > 1 and q.Cg > 1),
        ("dw", lambda q: gather(q, channel=lambda f, c: c), lambda q: q.groups > 1),
        ("dx", lambda q: crop(q, scatter(q, w=of_first_group(q, q.w, 0))), lambda q: q.groups > 1),
        ("dx", lambda q: crop(q, scatter(q, g=of_first_group(q, q.g, 1))), lambda q: q.groups > 1),
        (
            "dx",
            lambda q: crop(q, scatter(q, g=of_first_group(q, q.g, 1), w=of_first_group(q, q.w, 0))),
            lambda q: q.groups > 1,
        ),
        ("dw", lambda q: gather(q, g=of_first_group(q, q.g, 1)), lambda q: q.groups > 1),
        ("dw", lambda q: into_the_first_group(q, right_dw(q)), lambda q: q.groups > 1),
        ("db", lambda q: into_the_first_group(q, right_db(q)), lambda q: q.groups > 1),
    ],
    "channels-swapped": [
        ("dx", lambda q: right_dx(q)[:, ::-1], lambda q: q.C > 1),
        ("dw", lambda q: right_dw(q)[:, ::-1], lambda q: q.Cg > 1),
        ("dw", lambda q: right_dw(q)[::-1], lambda q: q.F > 1),
        ("dw", lambda q: right_dw(q).transpose(1, 0, 2, 3), lambda q: q.F * q.Cg > 1),
        ("dx", lambda q: right_dx(q).transpose(0, 2, 3, 1), lambda q: q.C > 1),
        ("db", lambda q: right_db(q)[::-1], lambda q: q.F > 1),
        ("dx", lambda q: crop(q, scatter(q, w=exchanged(q, q.w))), lambda q: q.F // q.groups == q.Cg > 1),
        ("dw", lambda q: exchanged(q, right_dw(q)), lambda q: q.F // q.groups == q.Cg > 1),
    ],
    "last-batch-only": [
        ("dw", lambda q: gather(q, samples=[q.N - 1]), lambda q: q.N > 1),
        ("db", lambda q: q.g[-1].sum(axis=(1, 2)), lambda q: q.N > 1),
    ],
    "first-batch-only": [
        ("dw", lambda q: gather(q, samples=[0]), lambda q: q.N > 1),
        ("db", lambda q: q.g[0].sum(axis=(1, 2)), lambda q: q.N > 1),
        ("db", lambda q: q.N * q.g[0].sum(axis=(1, 2)), lambda q: q.N > 1),
        ("dx", lambda q: right_dx(q)[0], lambda q: q.N > 1),
        ("dw", lambda q: gather(q, xp=q.xp[[0] * q.N]), lambda q: q.N > 1),
        ("dw", lambda q: gather(q, g=q.g[[0] * q.N]), lambda q: q.N > 1),
        ("dx", lambda q: crop(q, scatter(q, g=q.g[[0] * q.N])), lambda q: q.N > 1),
    ],
    "overwritten": [
        ("dx", lambda q: crop(q, scatter(q, assign=True)), None),
        ("dx", overwritten_vectorised, None),
        ("dw", overwritten_dw, None),
        ("dw", overwritten_inside, plain()),
        ("db", lambda q: q.g[-1, :, -1, -1], None),
    ],
    "batch-not-summed": [
        ("dw", lambda q: np.stack([gather(q, samples=[n]) for n in range(q.N)]), None),
        ("db", lambda q: q.g.sum(axis=(2, 3)), None),
    ],
    "scaled": [
        ("dw", lambda q: right_dw(q) / q.N, lambda q: q.N > 1),
        ("dx", lambda q: right_dx(q) / (q.N * q.Ho * q.Wo), lambda q: q.N * q.Ho * q.Wo > 1),
        ("dx", lambda q: 2 * right_dx(q), None),
        ("dw", lambda q: 0.37 * right_dw(q), lambda q: q.w.size > 2),
        ("db", lambda q: right_db(q) / q.N, lambda q: q.N > 1),
    ],
    "sign-flipped": [
        ("dw", lambda q: -right_dw(q), None),
        ("dx", lambda q: -right_dx(q), None),
        ("db", lambda q: -right_db(q), None),
    ],
    "zero": [("dw", lambda q: 0 * q.w, None), ("dx", lambda q: 0 * q.x, None)],
    "db-wrong-axes": [
        ("db", lambda q: q.g.sum(axis=(0, 1)), None),
        ("db", lambda q: q.g.sum(axis=(1, 2, 3)), None),
        ("db", lambda q: np.full(q.F, q.g.sum()), lambda q: q.F > 1),
    ],
}


class Transposed:
    """The numbers of a transposed layer."""

    def __init__(self, case: Case, seed=0):
        self.case = case
        self.x, self.w, self.b, self.g = case.data(seed)
        self.N, self.C, self.H, self.W = self.x.shape
        _, self.Fg, self.kh, self.kw = self.w.shape
        self.F, self.Ho, self.Wo = self.g.shape[1:]
        (self.sh, self.sw), (self.dh, self.dw), (self.eh, self.ew) = case.stride, case.dilation, case.extra
        (self.pt, self.pb), (self.pl, self.pr) = case.pads
        self.groups = case.groups

    def filter(self, c, f):
        return c // (self.C // self.groups) * self.Fg + f


def stamped(q, x=None, w=None, sh=None, sw=None, dh=None, dw=None, assign=False, of=None):
    """O before padding is cut off, with room behind: each x stamps W, with one thing changed."""
    x, w = q.x if x is None else x, q.w if w is None else w
    sh, sw, dh, dw, of = sh or q.sh, sw or q.sw, dh or q.dh, dw or q.dw, of or q.filter
    room = 5 * (q.Ho + q.Wo + sum(map(sum, q.case.pads)))
    full = np.zeros((q.N, q.F, room, room), int)
    for n, c, i, j in np.ndindex(x.shape):
        for f, u, v in np.ndindex(w.shape[1:]):
            at = (n, of(c, f), i * sh + u * dh, j * sw + v * dw)
            full[at] = x[n, c, i, j] * w[c, f, u, v] + (0 if assign else full[at])
    return full


def cut(q, full, top=None, left=None, rows=None, columns=None, bias=True):
    """O: the padding is cut off, and b added."""
    top, left = q.pt if top is None else top, q.pl if left is None else left
    rows, columns = rows or q.Ho, columns or q.Wo
    return full[:, :, top : top + rows, left : left + columns] + q.b.reshape(-1, 1, 1) * bias


def slid(q, g=None, w=None, sh=None, sw=None, dh=None, dw=None, top=None, left=None):
    """dE/dX: W slides over dE/dO."""
    g, w = q.g if g is None else g, q.w if w is None else w
    sh, sw, dh, dw = sh or q.sh, sw or q.sw, dh or q.dh, dw or q.dw
    top, left = q.pt if top is None else top, q.pl if left is None else left
    dx = np.zeros_like(q.x)
    for n, c, i, j in np.ndindex(q.x.shape):
        for f, u, v in np.ndindex(w.shape[1:]):
            row, column = i * sh + u * dh - top, j * sw + v * dw - left
            if 0 <= row < g.shape[2] and 0 <= column < g.shape[3]:
                dx[n, c, i, j] += g[n, q.filter(c, f), row, column] * w[c, f, u, v]
    return dx


def met(q, x=None, g=None, sh=None, sw=None, dh=None, dw=None, top=None, left=None, samples=None):
    """dE/dW: X lies, spread by the stride, on dE/dO."""
    x, g = q.x if x is None else x, q.g if g is None else g
    sh, sw, dh, dw = sh or q.sh, sw or q.sw, dh or q.dh, dw or q.dw
    top, left = q.pt if top is None else top, q.pl if left is None else left
    result = np.zeros_like(q.w)
    for c, f, u, v in np.ndindex(q.w.shape):
        for n, i, j in ((n, i, j) for n in samples or range(q.N) for i in range(q.H) for j in range(q.W)):
            row, column = i * sh + u * dh - top, j * sw + v * dw - left
            if 0 <= row < g.shape[2] and 0 <= column < g.shape[3]:
                result[c, f, u, v] += x[n, c, i, j] * g[n, q.filter(c, f), row, column]
    return result


def strided(q):
    return q.sh * q.sw > 1


def extended(q):
    return q.eh * q.ew > 0


def padded_in_front(q):
    return q.pt + q.pl > 0


def zeros_behind(q, bias):
    """The rows of the output padding are zeros, put on before or after b."""
    o = cut(q, stamped(q), bias=bias)
    o[:, :, q.Ho - q.eh :], o[:, :, :, q.Wo - q.ew :] = 0, 0
    return o


def exchanged_filters(q):
    """W is read as (F, C/g) in place of (C, F/g)."""
    each = q.C // q.groups
    return np.concatenate([q.w[k * each : (k + 1) * each].swapaxes(0, 1) for k in range(q.groups)])


ROTATED = (..., slice(None, None, -1), slice(None, None, -1))
# id: (result, wrong function, what a layer must have for it to make sense), for transposed layers
TRANSPOSED = {
    "filter-not-rotated": [("o", lambda q: cut(q, stamped(q, w=q.w[ROTATED])), None)],
    "filter-flipped-one-axis": [("o", lambda q: cut(q, stamped(q, w=q.w[:, :, ::-1])), None)],
    "filter-transposed": [
        ("o", lambda q: cut(q, stamped(q, w=q.w.swapaxes(2, 3))), lambda q: q.kh == q.kw),
        ("dx", lambda q: slid(q, w=q.w.swapaxes(2, 3)), lambda q: q.kh == q.kw),
    ],
    "operand-rotated": [
        ("dx", lambda q: slid(q, w=q.w[ROTATED]), None),
        ("dw", lambda q: met(q, x=q.x[ROTATED]), None),
    ],
    "result-rotated": [("dw", lambda q: met(q)[ROTATED], None), ("dx", lambda q: slid(q)[ROTATED], None)],
    "stride-ignored": [
        ("o", lambda q: cut(q, stamped(q, sh=1, sw=1)), strided),
        ("dx", lambda q: slid(q, sh=1, sw=1), strided),
        ("dw", lambda q: met(q, sh=1, sw=1), strided),
    ],
    "stride-gap-wrong": [("o", lambda q: cut(q, stamped(q, sh=q.sh + 1, sw=q.sw + 1)), lambda q: min(q.sh, q.sw) > 1)],
    "stride-axes-swapped": [
        ("o", lambda q: cut(q, stamped(q, sh=q.sw, sw=q.sh)), lambda q: q.sh != q.sw),
        ("dw", lambda q: met(q, sh=q.sw, sw=q.sh), lambda q: q.sh != q.sw),
    ],
    "dilation-ignored": [
        ("o", lambda q: cut(q, stamped(q, dh=1, dw=1)), lambda q: q.dh * q.dw > 1),
        ("dx", lambda q: slid(q, dh=1, dw=1), lambda q: q.dh * q.dw > 1),
        ("dw", lambda q: met(q, dh=1, dw=1), lambda q: q.dh * q.dw > 1),
    ],
    "padding-ignored": [
        ("o", lambda q: cut(q, stamped(q), 0, 0), padded_in_front),
        ("dx", lambda q: slid(q, top=0, left=0), padded_in_front),
        ("dw", lambda q: met(q, top=0, left=0), padded_in_front),
    ],
    "padding-wrong-side": [
        ("o", lambda q: cut(q, stamped(q), q.pb, q.pr), lambda q: (q.pt, q.pl) != (q.pb, q.pr)),
        ("dx", lambda q: slid(q, top=q.pb, left=q.pr), lambda q: (q.pt, q.pl) != (q.pb, q.pr)),
    ],
    "padding-not-cropped": [
        ("o", lambda q: cut(q, stamped(q), 0, 0, q.Ho + q.pt + q.pb, q.Wo + q.pl + q.pr), padded_in_front),
    ],
    "output-padding-zeros": [("o", lambda q: zeros_behind(q, True), extended)],
    "output-padding-wrong-side": [
        (
            "o",
            lambda q: cut(q, stamped(q), q.pt - q.eh, q.pl - q.ew),
            lambda q: extended(q) and q.pt >= q.eh and q.pl >= q.ew,
        ),
        ("dx", lambda q: slid(q, top=q.pt - q.eh, left=q.pl - q.ew), extended),
        ("dw", lambda q: met(q, top=q.pt - q.eh, left=q.pl - q.ew), extended),
        ("dx", lambda q: slid(q, g=q.g[:, :, q.eh :, q.ew :]), extended),
        ("dw", lambda q: met(q, g=q.g[:, :, q.eh :, q.ew :]), extended),
    ],
    "output-padding-ignored": [
        ("o", lambda q: cut(q, stamped(q), rows=q.Ho - q.eh, columns=q.Wo - q.ew), extended),
    ],
    "overwritten": [("o", lambda q: cut(q, stamped(q, assign=True)), None)],
    "channels-swapped": [
        ("o", lambda q: cut(q, stamped(q, w=exchanged_filters(q))), lambda q: q.C == q.F and q.C // q.groups > 1),
        ("dx", lambda q: slid(q, w=exchanged_filters(q)), lambda q: q.C == q.F and q.C // q.groups > 1),
        ("dx", lambda q: slid(q)[:, ::-1], lambda q: q.C > 1),
    ],
    "groups-mixed": [
        ("o", lambda q: cut(q, stamped(q, of=lambda c, f: c % q.groups * q.Fg + f)), lambda q: 1 < q.groups < q.C),
    ],
    "incomplete": [
        ("o", lambda q: cut(q, stamped(q), bias=False), None),
        ("o", lambda q: cut(q, stamped(q, x=without(q.x, 1, -1))), lambda q: q.C > 1),
        ("dx", lambda q: slid(q, g=without(q.g, 1, -1)), lambda q: q.F > 1),
        ("dw", lambda q: met(q, x=without(q.x, 2, -1)), lambda q: q.H > 1),
    ],
    "shifted": [("dx", lambda q: moved_down(slid(q)), None)],
    "last-batch-only": [("dw", lambda q: met(q, samples=[q.N - 1]), lambda q: q.N > 1)],
    "first-batch-only": [("dw", lambda q: met(q, samples=[0]), lambda q: q.N > 1)],
    "sign-flipped": [("dw", lambda q: -met(q), None), ("o", lambda q: -cut(q, stamped(q)), None)],
    "scaled": [("dw", lambda q: met(q) / q.N, lambda q: q.N > 1), ("dx", lambda q: 2 * slid(q), None)],
    "zero": [("dx", lambda q: 0 * slid(q), None)],
    "other-layout": [("dw", lambda q: met(q).swapaxes(0, 1).reshape(q.w.shape), lambda q: q.C > 1 < q.Fg)],
    "db-wrong-axes": [("db", lambda q: q.g.sum((0, 2)), None)],
}
RIGHT = {"o": lambda q: cut(q, stamped(q)), "dx": slid, "dw": met, "db": lambda q: q.g.sum((0, 2, 3))}
