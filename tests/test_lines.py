"""The lines of NumPy and the fixes are run for every order of axes: wrong lines make the mistake, fixes make it right.

The programs are written with the axes of each layout, as the catalogue is: `{x:n,c,*place}` is an index of x.
"""

import re

import numpy as np
import pytest

import cnngrad
from cnngrad.causes.axes import spelled
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.layer import make_layer
from cnngrad.tensor import Tensor
from tests.cases import Case
from tests.test_mistakes import FILLED, LAYERS, TRANSPOSED

DX = """
def computed():
    w = memory.reshape(shape)
    rotated = w[{w:,,*::-1}]
    # A loop over windows walks back along the way that the forward pass came.
    kernel = rotated[{w:,,*::-1}]
    result = np.zeros_like(x)
    for n, f in np.ndindex(N, F):
        for i in np.ndindex(*out):
            for c in range(channels):
                for u in np.ndindex(*taps):
                    channel = f // per_group * channels + c
                    place = stride * i + dilation * u - before
                    product = dedo[{o:n,f,*i}] * kernel[{w:f,c,*u}]
                    if (place >= 0).all() and (place < size).all():
                        result[{x:n,channel,*place}] += product
    return result
"""
PADDED = """
def computed():
    w = memory.reshape(shape)
    used = stride * (out - 1) + dilation * (taps - 1) + 1
    covered = zeros_x(used)
    for n, f in np.ndindex(N, F):
        for i in np.ndindex(*out):
            for c, *u in np.ndindex(channels, *taps):
                channel, place = f // per_group * channels + c, stride * i + dilation * u
                covered[{x:n,channel,*place}] += dedo[{o:n,f,*i}] * w[{w:f,c,*u}]
    left = size + before + after - used
    behind, in_front = along_x(0 * left, left), along_x(left, 0 * left)
    padded = np.pad(covered, behind)
    inside = [slice(p, p + n) for p, n in zip(before, size)]
    return padded[{x:,,*inside}]
"""
DW = """
def computed():
    pads, in_front, behind = along_x(before, after), along_x(before, 0 * after), along_x(0 * before, after)
    framed = np.pad(x, pads)
    moving = dedo
    reached = [slice(s * (o - 1) + d * (k - 1) + 1) for s, d, o, k in zip(stride, dilation, out, taps)]
    used = framed[{x:,,*reached}]
    # As many filter elements as there are places for dE/dO.
    places = (sizes_of_x(used) - stride * (out - 1) - 1) // dilation + 1
    each = np.stack([zeros_w(places)] * N)
    for n, f in np.ndindex(N, F):
        for i in np.ndindex(*out):
            for c, *u in np.ndindex(channels, *places):
                channel = f // per_group * channels + c
                place = stride * i + dilation * u
                each[n][{w:f,c,*u}] += moving[{o:n,f,*i}] * used[{x:n,channel,*place}]
    return each.sum(axis=0)
"""
FLAT = """
def computed():
    result, kernel = np.zeros(x.size, x.dtype), memory.reshape(shape)
    globals().update(zip("WHD", size[::-1]), C=F // per_group * channels, OW=out[-1])
    for n, f, k in np.ndindex(N, F, channels):
        for i in np.ndindex(*out):
            for u in np.ndindex(*taps):
                c, inside = f // per_group * channels + k, stride * i + dilation * u - before
                if (0 <= inside).all() and (inside < size).all():
                    globals().update(zip("whd", inside[::-1]))
                    place = {x:flat * W}
                    result[place] += dedo[{o:n,f,*i}] * kernel[{w:f,k,*u}]
    return result.reshape(x.shape)
"""
IM2COL = """
def computed():
    framed, dw = np.pad(x, along_x(before, after)), np.zeros(shape, x.dtype)
    rows = dedo.swapaxes(0, 1).reshape(F, -1)
    for f, c, *u in np.ndindex(*shape):
        under = [slice(k, k + s * (n - 1) + 1, s) for k, s, n in zip(dilation * u, stride, out)]
        dw[f, c, *u] = rows[f] @ framed[:, f // per_group * channels + c, *under].ravel()
    return dw
"""
FILLED_DX = """
def computed():
    w, padded = memory.reshape(shape), zeros_x(size + before + after)
    for n, f in np.ndindex(N, F):
        for i in np.ndindex(*out):
            for c, *u in np.ndindex(channels, *taps):
                channel, place = f // per_group * channels + c, stride * i + dilation * u
                padded[{x:n,channel,*place}] += dedo[{o:n,f,*i}] * w[{w:f,c,*u}]
    inside = [slice(p, p + n) for p, n in zip(before, size)]
    repeated = every_x([np.pad(range(n), pads, mode) for n, *pads in zip(size, before, after)])
    dx = np.zeros_like(x)
    np.add.at(dx, np.ix_(*repeated), padded)
    return dx
"""
TRANSPOSED_O = """
def computed():
    w, full = memory.reshape(shape), zeros_x(size + before + after)
    for n, c in np.ndindex(N, F):
        for i in np.ndindex(*out):
            for f, *u in np.ndindex(channels, *taps):
                channel, place = c // per_group * channels + f, stride * i + dilation * u
                if (place < size + before + after).all():
                    full[{x:n,channel,*place}] += dedo[{o:n,f,*i}] * w[{w:f,c,*u}]
    behind = along_x(0 * extra, extra)
    fewer = [slice(p, p + n) for p, n in zip(before, size - extra)]
    inside = [slice(p, p + n) for p, n in zip(before, size)]
    o = full[{x:,,*inside}]
    return o
"""
FILLED_DW = DW.replace("np.pad(x, pads)", "np.pad(x, pads, mode)")
SUM = """
def computed():
    return dedo.sum(axis={summed})
"""
PROGRAMS = [("dx", DX), ("dx", PADDED), ("dw", DW), ("db", SUM), ("dx", FLAT), ("dw", IM2COL)]
# Programs for layers whose padding holds elements of X, and for transposed layers.
FILLING = [("dx", FILLED_DX), ("dw", FILLED_DW)]
TRANSPOSING = [("o", TRANSPOSED_O)]
OF_MEMORY = ("operand-layout", "memory-order", "im2col-order", "multiplier-order")
# Orders of X and W; in the last two the spatial axes don't stand together, or not in order.
LAYOUTS = [("nchw", "oihw"), ("nhwc", "hwio"), ("cnwh", "owhi"), ("hnwc", "woih")]
# One and three spatial axes, and arrays without axes for samples, channels and filters.
OTHERS = [
    (Case((2, 2, 9), (4, 1, 3), (2,), ((1, 2),), (2,), groups=2), "nwc", "wio"),
    (Case((2, 2, 4, 5, 3), (2, 2, 2, 3, 2), (1, 2, 1), ((1, 0), (0, 1), (1, 0)), (1, 1, 2)), "ndhwc", "dhwio"),
    (Case((1, 1, 8, 7), (1, 1, 3, 3), (2, 1), ((1, 1), (1, 1)), (1, 2)), "hw", "hw"),
    (Case((1, 1, 8, 7), (1, 1, 3, 3), (3, 2), ((1, 0), (0, 1)), (1, 1)), "wh", "hw"),
    (Case((1, 3, 6, 5), (4, 3, 2, 2), (1, 2), ((1, 1), (2, 2)), (2, 1)), "hwc", "hwio"),
]


# The padding in front is wider than the output padding.
WIDE = Case((2, 2, 5, 4), (2, 3, 3, 4), (2, 2), ((3, 0), (4, 1)), (1, 1), transposed=True, extra=(1, 2))


class Program:
    """A layer's numbers with their axes in some order, under the names that the programs use."""

    def __init__(self, case, data, filters):
        spatial = "dhw"[-case.dims :]
        # The user's order of the axes of cnngrad's own.
        self.x_order = [("nc" + spatial).index(letter) for letter in data]
        self.w_order = [(("io" if case.transposed else "oi") + spatial).index(letter) for letter in filters]
        x, w, b, g = case.data()
        self.x, self.g = (self.written(array) for array in (x, g))
        self.w = self.written(w, self.w_order)
        # b takes no part in the programs of gradients.
        b = b if case.transposed else 0 * b
        self.b = b if "o" in filters else b[0]
        self.options = case.options | {"layout": data, "filter_layout": filters}
        shapes = self.x.shape, self.w.shape
        self.layer = make_layer(*shapes, **self.options)
        out = x.shape[2:] if case.transposed else g.shape[2:]
        mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[case.mode]
        before, after = np.array(case.pads).T
        sizes = g.shape[2:] if case.transposed else x.shape[2:]
        self.names = {
            "np": np, "x": self.x, "o": None, "dedo": self.x if case.transposed else self.g, "memory": self.w.ravel(),
            "shape": self.w.shape, "N": len(x), "F": len(w), "channels": w.shape[1],
            "per_group": len(w) // case.groups, "per": len(w) // case.groups, "w": self.w,
            "groups": case.groups, "out": np.array(out),
            "taps": np.array(w.shape[2:]), "size": np.array(sizes), "stride": np.array(case.stride),
            "dilation": np.array(case.dilation), "before": before, "after": after, "mode": mode,
            "extra": np.array(case.extra),
            "zeros_x": lambda size: self.written(np.zeros((*(g if case.transposed else x).shape[:2], *size), int)),
            "zeros_w": lambda size: self.written(np.zeros((*w.shape[:2], *size), int), self.w_order),
            "along_x": lambda one, other: [[(0, 0), (0, 0), *zip(one, other, strict=True)][k] for k in self.x_order],
            "sizes_of_x": lambda array: np.array([array.shape[self.x_order.index(2 + k)] for k in range(case.dims)]),
            "every_x": lambda each: [[range(len(x)), range(x.shape[1]), *each][k] for k in self.x_order],
        }  # fmt: skip
        if not case.transposed:
            self.names["o"] = cnngrad.forward(self.x, self.w, **self.options)

    def written(self, array, order=None):
        order = order or self.x_order
        return array.transpose([*(k for k in range(array.ndim) if k not in order), *order]).reshape(
            [array.shape[k] for k in order]
        )

    def line(self, text, gradient):
        result = {"dx": Tensor.DX, "dw": Tensor.DW, "db": Tensor.DB, "o": Tensor.DX}[gradient]
        (line,) = spelled([text], self.layer.conv, result)
        return line

    def run(self, text):
        names = dict(self.names)
        exec(text, names)
        return names["computed"]()

    def right(self, gradient):
        if gradient == "o":
            return cnngrad.forward(self.x, self.w, **self.options)
        return getattr(cnngrad.backward(self.x, self.w, self.g, **self.options), gradient)

    def found(self, gradient, claim):
        added = 0
        if gradient == "o":
            shape = [1] * self.layer.dims
            added = self.written(self.b.reshape(1, -1, *shape) + np.zeros((1, 1, *shape), int))
        report = cnngrad.check(self.x, self.w, self.g, b=self.b, **self.options, **{gradient: claim + added})
        (found,) = report.gradients.values()
        assert found.passed is False
        return found


def of(line, programs):
    """The programs that have this line, by the gradient that they compute."""
    return [(gradient, text) for gradient, text in programs if f" {line}\n" in text]


def fixed(program, gradient, text, wrong, found, claim):
    """What each piece of code in a fix gives, applied to the wrong pass literally."""
    for code in re.findall(r"\bw\[[^\]]*\]", found.fix):
        yield program.run(text.replace(f" {wrong}\n", f" rotated = {code}\n"))
    for code in re.findall(r"np\.pad\([^)]*\)", found.fix) if gradient == "dw" else ():
        yield program.run(text.replace(f" {wrong}\n", f" framed = {code}\n"))
    for code, line in re.findall(r": (dx\[.*?\]) with (inside = .*\])", found.fix):
        names = dict(program.names)
        names["dx"] = np.pad(program.right("dx"), names["along_x"](names["before"], names["after"]))
        exec(line, names)
        yield eval(code, names)
    for code in re.findall(r"dedo\.sum\(axis=\([^)]*\)\)", found.fix):
        yield eval(code, program.names)
    for code in re.findall(r"transpose\([^)]*\)", found.says):
        yield eval(f"claim.{code}", {"claim": claim})


def tried(mistake, program, programs):
    """Whether the mistake's line is named and shown in each program; every fix must make it right."""
    for gradient, text in programs:
        wrong, right = (program.line(line, gradient) for line in mistake.code)
        text = program.line(text, gradient)
        good = program.run(text)
        np.testing.assert_array_equal(good, program.right(gradient))
        try:
            claim = program.run(text.replace(f" {right}\n", f" {wrong}\n"))
        except (IndexError, ValueError):
            continue  # the shapes of this layer do not allow it
        if claim.shape == good.shape and (claim == good).all():
            continue
        found = program.found(gradient, claim)
        is_first = found.mistake == mistake.id
        # The lines are shown if they make just what was made.
        shown = is_first and found.code == (wrong, right)
        if is_first:
            for array in fixed(program, gradient, text, wrong, found, claim):
                np.testing.assert_array_equal(array, good)
        yield mistake.id in (found.mistake, *found.also), shown


@pytest.mark.parametrize(
    ("number", "mistake"),
    # Without --whole, every second mistake is tried, and every fourth of the rare ones.
    [
        pytest.param(*p, marks=pytest.mark.whole if p[0] % (2 if p[1].short else 4) else ())
        for p in enumerate(CATALOGUE)
    ],
    ids=[each.id for each in CATALOGUE],
)
def test_the_wrong_line_makes_the_mistake_and_the_fix_makes_it_right(number, mistake, whole):
    kinds = {"filled": (FILLED, FILLING), "transposed": ([WIDE, *TRANSPOSED], TRANSPOSING)}
    cases, programs = kinds.get(mistake.needs, (LAYERS, PROGRAMS))
    programs = of(mistake.code[1], programs)
    assert programs
    least = 2 if whole else 1
    # Mistakes in reading memory are tried only in cnngrad's own order.
    layouts = LAYOUTS[:1] if mistake.id in OF_MEMORY else LAYOUTS[number % 4 :][:1]
    # Rare mistakes take time, so each is tried in one layout.
    for data, filters in LAYOUTS if whole and mistake.short and mistake.id not in OF_MEMORY else layouts:
        told = []
        for case in cases:
            # In one layout all cases are tried, in others as many as show the mistake.
            is_enough = sum(named for named, _ in told) >= least and any(shown for _, shown in told)
            if is_enough and not (whole and mistake.short and (data, filters) == LAYOUTS[0]):
                break
            program = Program(case, data, filters.translate(str.maketrans("oi", "io")) if case.transposed else filters)
            assert max(map(len, (program.line(line, programs[0][0]) for line in mistake.code))) <= 65  # in 80 columns
            told += tried(mistake, program, programs)
        assert sum(named for named, _ in told) >= least
        assert any(shown for _, shown in told)


@pytest.mark.parametrize(("case", "data", "filters"), OTHERS, ids=[f"{data}-{filters}" for _, data, filters in OTHERS])
def test_lines_and_fixes_suit_any_number_of_axes(case, data, filters, whole):
    """Tried for every mistake that is named in such a layer."""
    program, told = Program(case, data, filters), []
    for mistake in [each for each in CATALOGUE if each.short] if whole else CATALOGUE[3:30:9]:
        needs = {"spatial[0]": 2, "fewer": 2, ",,,": 2}
        fits = all(program.layer.dims == dims for part, dims in needs.items() if part in "".join(mistake.code))
        is_theirs = not mistake.needs.startswith(("f", "t")) and mistake.id not in OF_MEMORY
        if fits and is_theirs and (len(data) > 2 or mistake.needs not in ("channels", "batch")):
            told += tried(mistake, program, of(mistake.code[1], PROGRAMS))
    assert sum(shown for _, shown in told) >= (12 if whole else 1), told
