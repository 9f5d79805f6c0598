"""One table of layers for all tests, and random ones for Hypothesis."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tests import reference


@dataclass(frozen=True)
class Case:
    """A layer in canonical shape; pads are (before, after) per axis."""

    x: tuple
    w: tuple
    stride: tuple
    pads: tuple
    dilation: tuple
    groups: int = 1
    flip: bool = False
    bias: bool = True
    mode: str = "zeros"
    transposed: bool = False
    extra: tuple = ()

    @property
    def dims(self):
        return len(self.x) - 2

    @property
    def o(self):
        if self.transposed:
            return reference.transposed_shape(
                self.x, self.w, self.stride, self.pads, self.dilation, self.groups, self.extra
            )
        return reference.out_shape(self.x, self.w, self.stride, self.pads, self.dilation)

    @property
    def options(self):
        return (
            {
                "stride": self.stride,
                "padding": self.pads,
                "dilation": self.dilation,
                "groups": self.groups,
                "flip": self.flip,
                "dims": self.dims,
            }
            | ({"padding_mode": self.mode} if self.mode != "zeros" else {})
            | ({"transposed": True, "output_padding": self.extra} if self.transposed else {})
        )

    @property
    def definition(self):
        return (self.stride, self.pads, self.dilation, self.groups, self.flip, self.mode, self.transposed, self.extra)

    def data(self, seed=0, dtype=np.int64):
        """X, W, b and dE/dO; small integers, or decimals of a float dtype."""
        generator = np.random.default_rng(seed)
        shapes = (self.x, self.w, self.o[1:2], self.o)
        if np.dtype(dtype).kind == "i":
            return [generator.integers(-9, 10, shape) for shape in shapes]
        return [generator.standard_normal(shape).astype(dtype) for shape in shapes]


CASES = {
    "notes": Case((1, 1, 3, 3), (1, 1, 2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "leftover rows": Case((1, 1, 6, 5), (1, 1, 2, 2), (4, 2), ((0, 0), (0, 0)), (1, 1)),
    "stride larger than the kernel": Case((2, 1, 9, 8), (2, 1, 2, 1), (3, 4), ((1, 0), (0, 1)), (1, 1)),
    "kernel as large as the padded input": Case((1, 2, 3, 2), (3, 2, 5, 3), (1, 2), ((1, 1), (0, 1)), (1, 1)),
    "1x1": Case((2, 4, 3, 3), (3, 4, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "a single number": Case((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "dilation and padding": Case((2, 2, 7, 6), (2, 2, 3, 2), (1, 2), ((2, 1), (0, 3)), (2, 3)),
    "groups": Case((2, 6, 5, 5), (4, 3, 2, 3), (2, 1), ((1, 1), (1, 1)), (1, 1), groups=2),
    "depthwise": Case((1, 3, 5, 4), (6, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), groups=3),
    "flip": Case((2, 2, 5, 5), (2, 2, 3, 2), (2, 1), ((1, 0), (0, 1)), (1, 2), flip=True),
    "padding wider than the kernel": Case((1, 1, 2, 2), (1, 1, 2, 2), (1, 1), ((3, 4), (4, 3)), (1, 1)),
    "one axis": Case((2, 2, 9), (3, 2, 3), (2,), ((1, 2),), (2,)),
    "one axis, flip": Case((1, 4, 8), (4, 2, 2), (3,), ((0, 1),), (1,), groups=2, flip=True),
    "three axes": Case((2, 2, 4, 5, 3), (2, 2, 2, 3, 2), (1, 2, 1), ((1, 0), (0, 1), (0, 0)), (1, 1, 2)),
    "reflect": Case((2, 2, 5, 4), (2, 2, 3, 2), (2, 1), ((2, 1), (0, 3)), (1, 2), mode="reflect"),
    "replicate": Case((1, 4, 4, 5), (2, 2, 2, 3), (1, 2), ((1, 3), (2, 1)), (2, 1), groups=2, mode="replicate"),
    "circular, flip": Case((2, 1, 4, 6), (2, 1, 3, 3), (1, 1), ((4, 2), (1, 6)), (1, 2), flip=True, mode="circular"),
    "one axis, reflect": Case((1, 2, 7), (2, 2, 3), (2,), ((2, 2),), (2,), mode="reflect"),
    "three axes, circular": Case(
        (1, 1, 3, 2, 4), (1, 1, 2, 2, 3), (1, 1, 2), ((1, 0), (2, 1), (1, 1)), (1,) * 3, mode="circular"
    ),
    "transposed": Case((1, 1, 2, 3), (1, 1, 3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), transposed=True, extra=(0, 0)),
    "transposed, all": Case(
        (2, 4, 3, 2), (4, 3, 3, 2), (2, 3), ((1, 2), (0, 1)), (1, 2), groups=2, transposed=True, extra=(1, 2)
    ),
    "transposed, output padding beyond the stride": Case(
        (1, 2, 3, 3), (2, 1, 2, 2), (2, 1), ((0, 1), (1, 0)), (1, 1), transposed=True, extra=(5, 2)
    ),
    "transposed, filter smaller than the stride": Case(
        (2, 1, 3, 2), (1, 2, 2, 1), (3, 3), ((0, 0), (0, 0)), (1, 1), flip=True, transposed=True, extra=(0, 1)
    ),
    "transposed, one axis": Case((2, 2, 4), (2, 3, 3), (2,), ((1, 1),), (2,), transposed=True, extra=(1,)),
    "transposed, three axes": Case(
        (1, 2, 2, 3, 2),
        (2, 1, 2, 2, 3),
        (1, 2, 2),
        ((0, 1), (1, 0), (1, 1)),
        (1, 1, 1),
        transposed=True,
        extra=(0, 1, 0),
    ),
    "many rows, so several tiles": Case((2, 3, 300, 60), (2, 3, 9, 9), (1, 1), ((4, 4), (4, 4)), (1, 1)),
}

SMALL = {name: case for name, case in CASES.items() if np.prod(case.x) < 1000}
PLAIN = {name: case for name, case in SMALL.items() if not case.transposed}


@st.composite
def layers(draw, most=6, counts=2, plain=False):
    """A random layer in 1, 2 or 3 dimensions whose kernel fits its padded input; `plain`: a convolution."""
    dims = draw(st.integers(1, 3))
    size = most if dims < 3 else 4
    per_axis = [draw(axes(size)) for _ in range(dims)]
    groups, channels, filters, batch = (draw(st.integers(1, counts)) for _ in range(4))
    sizes, kernels, strides, pads, dilations = zip(*per_axis, strict=True)
    if not plain and draw(st.integers(0, 3)) == 0:
        # Cut off no more than leaves a position of O.
        extra = tuple(draw(st.integers(0, 3)) + sum(pair) for pair in pads)
        shapes = (batch, groups * channels, *sizes), (groups * channels, filters, *kernels)
        bits = draw(st.booleans()), draw(st.booleans())
        return Case(*shapes, strides, pads, dilations, groups, *bits, transposed=True, extra=extra)
    widest = [max(pair) - size for pair, size in zip(pads, sizes, strict=True)]
    fitting = ["zeros", "zeros", "replicate"] + ["circular"] * (max(widest) <= 0) + ["reflect"] * (max(widest) < 0)
    return Case(
        (batch, groups * channels, *sizes),
        (groups * filters, channels, *kernels),
        strides,
        pads,
        dilations,
        groups,
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(fitting)),
    )


@st.composite
def axes(draw, most):
    size, kernel, stride, dilation = (draw(st.integers(1, high)) for high in (most, 3, 4, 2))
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    missing = dilation * (kernel - 1) + 1 - (size + before + after)
    return size, kernel, stride, (before, after + max(0, missing)), dilation
