"""The one relation: input position = stride*i + dilation*u - padding; and the shapes that follow from it.

An output position i, a filter position u and an input position h belong together exactly where the relation
holds. Which terms make an output, a filter gradient, an input gradient, a picture or a colour is asked here
and nowhere else. All positions count from 0; names shown to people count from 1.
"""

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import gcd, prod
from typing import Any, NamedTuple, SupportsIndex

from cnngrad.errors import CnngradError

__all__ = [
    "Axis",
    "Layer",
    "Padding",
    "PerAxis",
    "Phase",
    "Shape",
    "indices",
    "make_layer",
    "parse_shape",
    "shapes_table",
]

PerAxis = SupportsIndex | Sequence[SupportsIndex]
Padding = str | SupportsIndex | Sequence[SupportsIndex | Sequence[SupportsIndex]]
Shape = tuple[int, ...]

PADDING_WORDS = ("valid", "same", "same-lower", "full")
# Larger strides and paddings are slips of the pen, and pass what an array's strides can hold.
_MOST = 2**31 - 1
_MOST_NUMBERS = 2**40
_AXIS_LETTERS = {1: "L", 2: "HW", 3: "DHW"}


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a layer.

    Attributes:
        size: H, the input's size.
        kernel: k, the filter's size.
        stride: s, the step of the window from one output to the next.
        dilation: d, the step from one filter element to the next; 1 = none.
        before: p, zeros in front of the input.
        after: zeros behind the input.
        flip: the filter is rotated before it slides (true convolution).
    """

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    flip: bool = False

    @property
    def step(self) -> int:
        """How far the input position moves when u grows by one: d, or -d with `flip`."""
        return -self.dilation if self.flip else self.dilation

    @property
    def origin(self) -> int:
        """The input position of i = 0, u = 0: -p, or d*(k-1) - p with `flip`."""
        return (self.span - 1 if self.flip else 0) - self.before

    def position(self, i: int, u: int) -> int:
        """The input position that output i reads through filter element u; outside 0..size-1 it is padding.

        >>> Axis(size=5, kernel=3, stride=2, before=1).position(i=1, u=0)
        1
        """
        return self.stride * i + self.step * u + self.origin

    @property
    def span(self) -> int:
        """The width of a window on the input: d*(k-1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def padded(self) -> int:
        """The input's size with its padding."""
        return self.before + self.size + self.after

    @property
    def out(self) -> int:
        """H_out = floor((H + p_before + p_after - d*(k-1) - 1) / s) + 1.

        >>> Axis(size=5, kernel=2, stride=2).out
        2
        """
        return (self.padded - self.span) // self.stride + 1

    @property
    def leftover(self) -> int:
        """Positions at the end of the padded input that no window reaches since the stride does not divide."""
        return (self.padded - self.span) % self.stride

    def inside(self, position: int) -> bool:
        """Whether a position is an element of the input, not padding."""
        return 0 <= position < self.size

    def inputs_of_output(self, i: int) -> list[tuple[int, int]]:
        """(u, h) for every filter element u under which output i reads an input element h, u ascending."""
        return [(u, h) for u in range(self.kernel) if self.inside(h := self.position(i, u))]

    def inputs_of_tap(self, u: int) -> list[tuple[int, int]]:
        """(i, h) for every output i that reads an input element h through filter element u, i ascending."""
        return [(i, self.position(i, u)) for i in self.inside_of(self.position(0, u), self.out)]

    def inside_of(self, first: int, count: int) -> range:
        """Which of the positions first, first + s, first + 2s, … are elements of the input, of so many.

        >>> Axis(size=5, kernel=3, stride=2).inside_of(-1, 4)
        range(1, 3)
        """
        low = min(max(0, -(first // self.stride)), count)
        return range(low, max(low, min(count, (self.size - 1 - first) // self.stride + 1)))

    def outputs_of_input(self, h: int) -> list[tuple[int, int]]:
        """(i, u) for every output i whose window holds the input element h, i ascending.

        >>> Axis(size=3, kernel=2).outputs_of_input(1)
        [(0, 1), (1, 0)]
        """
        pairs = []
        for u in range(self.kernel):
            i, rest = divmod(h - self.position(0, u), self.stride)
            if rest == 0 and 0 <= i < self.out:
                pairs.append((i, u))
        return sorted(pairs)

    def tap(self, i: int, h: int) -> int | None:
        """The filter element through which output i reads input position h; None where its window does not.

        >>> Axis(size=3, kernel=2).tap(i=1, h=2)
        1
        """
        u, rest = divmod(h - self.position(i, 0), self.step)
        return u if rest == 0 and 0 <= u < self.kernel else None

    @property
    def spread(self) -> int:
        """The size of dE/dO with s-1 zeros between its elements."""
        return self.stride * (self.out - 1) + 1

    @property
    def frame(self) -> tuple[int, int]:
        """Zeros to add before and behind `spread` so that a full convolution covers every padded input position."""
        return self.span - 1, self.span - 1 + self.leftover

    def cover(self, h: int) -> list[int]:
        """The positions of framed dE/dO under the rotated filter's elements when it computes dE/dx at h.

        The full convolution cut back by the padding: the filter starts `before` positions further in.
        """
        return [h + self.before + self.dilation * v for v in range(self.kernel)]

    def colour(self, r: int) -> list[tuple[int, int, int]]:
        """(h, first, stop) for the input positions h = r, r + span, …: outputs first..stop-1 read h.

        Positions a span apart never share a window, so they can be moved together and told apart in the output
        (Curtis, Powell and Reid, 1974). Only positions that some window spans are listed.

        >>> Axis(size=4, kernel=2).colour(1)
        [(1, 0, 2), (3, 2, 3)]
        """
        span, out, stride = self.span, self.out, self.stride
        segments = []
        for h in range(r, self.size, span):
            # The window of output i spans s*i - p .. s*i - p + span - 1.
            first = max(0, -((span - 1 - h - self.before) // stride))
            stop = min(out, (h + self.before) // stride + 1)
            if first < stop:
                segments.append((h, first, stop))
        return segments

    @property
    def phases(self) -> list["Phase"]:
        """The way back from O to the input, as one window sliding with stride 1 over O for each phase of the stride.

        Input positions h, h + s, h + 2s, ... are read through the same filter elements, those a stride apart, and so
        each of these phases is a convolution of its own, without the zeros between the elements of dE/dO. Input
        positions that are in no phase are read by no output.

        >>> [(phase.inputs, phase.taps) for phase in Axis(size=4, kernel=3, stride=2, before=1).phases]
        [(slice(1, 4, 2), slice(0, 3, 2)), (slice(0, 4, 2), slice(1, 3, 2))]
        """
        found = []
        common = gcd(self.stride, self.dilation)
        apart, dilation = self.stride // common, self.dilation // common
        for u in range(min(apart, self.kernel)):
            first = self.position(0, u) % self.stride
            if first >= self.size:
                continue
            taps = slice(u, self.kernel, apart)
            kernel = len(range(self.kernel)[taps])
            inputs = slice(first, self.size, self.stride)
            # Input `first` is read by this output through the first tap, and by those before it through the next.
            start = (first - self.position(0, u)) // self.stride
            reach = dilation * (kernel - 1)
            before = -start if self.flip else reach - start
            after = len(range(self.size)[inputs]) + reach - before - self.out
            found.append(Phase(inputs, taps, Axis(self.out, kernel, 1, dilation, before, after, not self.flip)))
        return found

    @cached_property
    def unreached(self) -> tuple[int, ...]:
        """The input positions that no window reads, so that their gradient is exactly zero."""
        return tuple(h for h in range(self.size) if not self.outputs_of_input(h))


class Phase(NamedTuple):
    """One phase of a stride: see `Axis.phases`.

    Attributes:
        inputs: the input positions of this phase.
        taps: the filter elements that they are read through.
        axis: the window's axis over O: `axis.position(j, m)` is the output that reads input j of this phase through
            tap m. Where it begins behind O's first output or ends before its last, its padding is negative.
    """

    inputs: slice
    taps: slice
    axis: Axis


# Compared and hashed by identity, which is quick: `make_layer` gives the same layer for the same shapes and options.
@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution layer's sizes, and the layout in which its user writes the arrays.

    Attributes:
        axes: the spatial axes, slowest first.
        batch: N, the number of samples (1 where X has no batch axis).
        channels: C, the input channels (1 where X has no channel axis).
        filters: F, the number of filters, which is the number of output channels.
        groups: g; filter f reads the C/g channels of its group only.
        x_lead: how many axes X has in front of its spatial ones: 0, 1 (channel) or 2 (batch, channel).
        w_lead: the same for W: 0, 1 (channel) or 2 (filter, channel).
        has_bias: whether the layer adds b.
    """

    axes: tuple[Axis, ...]
    batch: int
    channels: int
    filters: int
    groups: int
    x_lead: int
    w_lead: int
    has_bias: bool = False

    @cached_property
    def dims(self) -> int:
        """The number of spatial axes."""
        return len(self.axes)

    @cached_property
    def flip(self) -> bool:
        """Whether W is rotated before it slides."""
        return self.axes[0].flip

    @cached_property
    def unflipped(self) -> "Layer":
        """The layer that computes the same without `flip`, once W is rotated by 180 degrees."""
        if not self.flip:
            return self
        return replace(self, axes=tuple(replace(axis, flip=False) for axis in self.axes))

    @cached_property
    def size(self) -> Shape:
        """The spatial shape of X."""
        return tuple(a.size for a in self.axes)

    @cached_property
    def kernel(self) -> Shape:
        """The spatial shape of W."""
        return tuple(a.kernel for a in self.axes)

    @cached_property
    def out(self) -> Shape:
        """The spatial shape of O."""
        return tuple(a.out for a in self.axes)

    @cached_property
    def group_channels(self) -> int:
        """C/g, the channels that one filter reads."""
        return self.channels // self.groups

    @cached_property
    def group_filters(self) -> int:
        """F/g, the filters of one group."""
        return self.filters // self.groups

    @property
    def o_lead(self) -> int:
        """How many axes O has in front of its spatial ones: 0, 1 (channel) or 2 (batch, channel)."""
        return self.x_lead if self.w_lead == 2 else 0

    @cached_property
    def canonical(self) -> dict[str, Shape]:
        """The shapes inside the program: X (N, C, *S), W (F, C/g, *K), O (N, F, *S_out), b (F,)."""
        return {
            "X": (self.batch, self.channels, *self.size),
            "W": (self.filters, self.group_channels, *self.kernel),
            "O": (self.batch, self.filters, *self.out),
            "b": (self.filters,),
        }

    @cached_property
    def by_groups(self) -> Shape:
        """The shape of W by groups, (g, F/g, C/g, *K)."""
        return (self.groups, self.group_filters, self.group_channels, *self.kernel)

    @cached_property
    def largest(self) -> int:
        """The number of elements of the layer's largest array."""
        return max(map(prod, self.canonical.values()))

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shapes as the user writes them."""
        canonical = self.canonical
        return {
            "X": canonical["X"][2 - self.x_lead :],
            "W": canonical["W"][2 - self.w_lead :],
            "O": canonical["O"][2 - self.o_lead :],
            "b": canonical["b"] if self.w_lead == 2 else (),
        }

    def describe(self) -> str:
        """The layer in one line, e.g. `X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2`.

        >>> make_layer((3, 3), (2, 2)).describe()
        'X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2'
        """
        shapes = self.shapes
        arrays = ["X", "W", "b"] if self.has_bias and self.w_lead == 2 else ["X", "W"]
        parts = [f"{name} {'×'.join(map(str, shapes[name]))}" for name in arrays]
        if self.has_bias and self.w_lead < 2:
            parts.append("b")
        return " · ".join([*parts, *self.settings()]) + f" → O {'×'.join(map(str, shapes['O']))}"

    def settings(self) -> list[str]:
        """Stride and padding, and the other options where they differ from their default, in words."""
        words = [f"stride {_per_axis([a.stride for a in self.axes])}"]
        words.append(f"padding {_padding_word([(a.before, a.after) for a in self.axes])}")
        if any(a.dilation > 1 for a in self.axes):
            words.append(f"dilation {_per_axis([a.dilation for a in self.axes])}")
        if self.groups > 1:
            words.append(f"groups {self.groups}")
        if self.flip:
            words.append("flip")
        return words

    def given(self) -> str:
        """The layer in an error's words: `X (3, 3) with W (2, 2), stride 1, padding 0`."""
        return f"X {self.shapes['X']} with W {self.shapes['W']}, {', '.join(self.settings())}"

    def check_dedo(self, shape: Shape) -> None:
        """Raise a CnngradError unless `shape` is O's."""
        if shape != self.shapes["O"]:
            raise CnngradError(
                f"dEdO has shape {shape}, but {self.given()} gives O {self.shapes['O']}: dEdO must have O's shape"
            )

    def check_bias(self, shape: Shape) -> None:
        """Raise a CnngradError unless b has one number per filter (for one filter without axis also a scalar)."""
        accepted = [(self.filters,)] if self.w_lead == 2 else [(), (1,)]
        if shape not in accepted:
            one = "one number per filter" if self.w_lead == 2 else "one number for the one filter"
            raise CnngradError(
                f"b has shape {shape}, but W {self.shapes['W']} has {_count(self.filters, 'filter')}: "
                f"b must have {one}, shape {' or '.join(map(str, accepted))}"
            )


def make_layer(
    x_shape: Shape,
    w_shape: Shape,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    dims: SupportsIndex | None = None,
    has_bias: bool = False,
) -> Layer:
    """The layer that X and W of these shapes make.

    Args:
        x_shape: X's shape as its user writes it: (*S), (C, *S) or (N, C, *S).
        w_shape: W's shape: (*K), (C, *K) or (F, C/g, *K).
        stride: s, one integer or one per axis.
        padding: p, one integer, one per axis, a (before, after) pair per axis, or `"valid"` (none), `"same"`
            (O has ceil(H/s) positions; a surplus zero goes to the end, as in TensorFlow and ONNX SAME_UPPER),
            `"same-lower"` (the surplus goes to the front), `"full"` (d*(k-1) on both sides).
        dilation: d, one integer or one per axis; 1 = none.
        groups: g, as in PyTorch and ONNX.
        flip: rotate W by 180 degrees before it slides.
        dims: the number of spatial axes; needed where the shapes don't tell (see README's table).
        has_bias: whether the layer adds b.

    Raises:
        CnngradError: the shapes or options don't make a layer.
    """
    return _make_layer(
        tuple(x_shape),
        tuple(w_shape),
        _frozen("stride", stride),
        _frozen("padding", padding),
        _frozen("dilation", dilation),
        _frozen("groups", groups),
        bool(flip),
        _frozen("dims", dims),
        bool(has_bias),
    )


@lru_cache(maxsize=256)
def _make_layer(
    x_shape: Shape,
    w_shape: Shape,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    flip: bool,
    dims: object,
    has_bias: bool,
) -> Layer:
    for name, shape in (("X", x_shape), ("W", w_shape)):
        if not shape:
            raise CnngradError(f"{name} is a single number: it must be an array with at least one axis")
        if 0 in shape:
            raise CnngradError(f"{name} has shape {shape}: axis {shape.index(0) + 1} is empty, it must hold a number")
    d = _spatial_axes(x_shape, w_shape, dims)
    x_lead, w_lead = len(x_shape) - d, len(w_shape) - d
    if (x_lead, w_lead) not in _ROWS:
        raise CnngradError(_no_such_row(x_shape, w_shape, d))
    x_full = (1,) * (2 - x_lead) + x_shape
    w_full = (1,) * (2 - w_lead) + w_shape
    g = _integer("groups", groups, least=1)
    _check_groups(x_shape, w_shape, x_full[1], w_full[0], w_full[1], g)
    strides = _one_per_axis("stride", stride, d, least=1)
    dilations = _one_per_axis("dilation", dilation, d, least=1)
    sizes, kernels = x_full[2:], w_full[2:]
    pads = _pads(padding, sizes, kernels, strides, dilations)
    axes = tuple(
        Axis(size, kernel, s, dil, before, after, flip)
        for size, kernel, s, dil, (before, after) in zip(sizes, kernels, strides, dilations, pads, strict=True)
    )
    for number, axis in enumerate(axes):
        if axis.span > axis.padded:
            raise CnngradError(_kernel_too_large(x_shape, w_shape, axis, _AXIS_LETTERS[d][number]))
    numbers = x_full[0] * w_full[0] * prod(axis.out for axis in axes)
    if numbers > _MOST_NUMBERS:
        raise CnngradError(f"O would have {numbers:.1e} numbers, more than any memory holds: use less padding")
    return Layer(axes, x_full[0], x_full[1], w_full[0], g, x_lead, w_lead, has_bias)


def indices(shape: Shape) -> Iterator[tuple[int, ...]]:
    """Every index of a shape in order, one by one, however large it is.

    >>> list(indices((2, 2)))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    if not shape:
        yield ()
        return
    for first in range(shape[0]):
        for rest in indices(shape[1:]):
            yield (first, *rest)


def parse_shape(text: str) -> Shape | None:
    """The shape that a word such as `3x3` stands for; None where it is no shape.

    >>> parse_shape("2x3x5")
    (2, 3, 5)
    """
    return tuple(map(int, re.split("[x×]", text))) if re.fullmatch(r"\d+([x×]\d+)*", text) else None


# X's and W's numbers of axes in front of the spatial ones, for each row of the shapes table.
_ROWS = {(0, 0), (1, 1), (1, 2), (2, 2)}


def _spatial_axes(x_shape: Shape, w_shape: Shape, dims: object) -> int:
    if dims is not None:
        d = _integer("dims", dims, least=1)
        if d > 3:
            raise CnngradError(f"dims is {d}: it must be 1, 2 or 3, the number of spatial axes")
        return d
    if len(x_shape) == len(w_shape) == 1:
        return 1
    return 3 if 5 in (len(x_shape), len(w_shape)) else 2


def shapes_table(d: int) -> list[tuple[str, str, str]]:
    """The accepted shapes of X, W and O for `d` spatial axes, a row each, in words.

    >>> shapes_table(1)[0]
    ('(L)', '(kl)', "(L')")
    """
    letters = list(_AXIS_LETTERS[d])
    kernel = [f"k{letter.lower()}" for letter in letters]
    out = [f"{letter}'" for letter in letters]
    rows = [
        (letters, kernel, out),
        (["C", *letters], ["C", *kernel], out),
        (["C", *letters], ["F", "C/g", *kernel], ["F", *out]),
        (["N", "C", *letters], ["F", "C/g", *kernel], ["N", "F", *out]),
    ]
    return [(f"({', '.join(x)})", f"({', '.join(w)})", f"({', '.join(o)})") for x, w, o in rows]


def _no_such_row(x_shape: Shape, w_shape: Shape, d: int) -> str:
    rows = "; ".join(f"{x} with {w}" for x, w, _ in shapes_table(d))
    others = [other for other in (2, 1, 3) if other != d and (len(x_shape) - other, len(w_shape) - other) in _ROWS]
    hint = f", or --dims {others[0]} (dims={others[0]} in Python)" if others else ""
    return (
        f"X {x_shape} and W {w_shape} don't go together with {_count(d, 'spatial axis', 'spatial axes')}.\n"
        f"X with W may be {rows}{hint}"
    )


def _check_groups(x_shape: Shape, w_shape: Shape, channels: int, filters: int, reads: int, groups: int) -> None:
    given = f"X {x_shape} has {_count(channels, 'channel')}"
    if channels % groups:
        raise CnngradError(f"{given}, which groups {groups} does not divide: groups must divide the channels")
    if filters % groups:
        raise CnngradError(
            f"W {w_shape} has {_count(filters, 'filter')}, which groups {groups} does not divide: "
            f"groups must divide the filters"
        )
    if reads != channels // groups:
        hint = ""
        if channels % reads == 0 and filters % (channels // reads) == 0:
            hint = f", or groups {channels // reads}"
        raise CnngradError(
            f"{given}, but W {w_shape} reads {reads} with groups {groups}: W must read {channels // groups}{hint}"
        )


def _kernel_too_large(x_shape: Shape, w_shape: Shape, axis: Axis, letter: str) -> str:
    dilated = f" (dilation {axis.dilation}: {axis.span})" if axis.dilation > 1 else ""
    padded = f" (padded: {axis.padded})" if axis.padded > axis.size else ""
    return (
        f"W {w_shape} does not fit into X {x_shape}: along {letter} the kernel is {axis.kernel}{dilated} and the input "
        f"{axis.size}{padded}: use a smaller kernel or more padding"
    )


def _pads(
    padding: object, sizes: Shape, kernels: Shape, strides: Shape, dilations: Shape
) -> tuple[tuple[int, int], ...]:
    d = len(sizes)
    if isinstance(padding, str):
        if padding not in PADDING_WORDS:
            raise CnngradError(
                f"padding {padding!r} is unknown: use {', '.join(PADDING_WORDS)}, a number, one per axis, "
                f"or before:after per axis"
            )
        totals = zip(sizes, kernels, strides, dilations, strict=True)
        return tuple(_worded_pad(padding, *axis) for axis in totals)
    if not isinstance(padding, tuple):
        p = _integer("padding", padding, least=0)
        return ((p, p),) * d
    if len(padding) != d:
        raise CnngradError(
            f"padding has {_count(len(padding), 'value')} for {_count(d, 'spatial axis', 'spatial axes')}: "
            f"give one number, one per axis, or a (before, after) pair per axis"
        )
    pads = []
    for entry in padding:
        pair = entry if isinstance(entry, tuple) else (entry, entry)
        if len(pair) != 2:
            raise CnngradError(f"padding {entry} is not a (before, after) pair: give two numbers per axis")
        pads.append((_integer("padding", pair[0], least=0), _integer("padding", pair[1], least=0)))
    return tuple(pads)


def _worded_pad(word: str, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    reach = dilation * (kernel - 1)
    if word == "valid":
        return 0, 0
    if word == "full":
        return reach, reach
    total = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0)
    less, more = total // 2, total - total // 2
    return (more, less) if word == "same-lower" else (less, more)


def _one_per_axis(name: str, value: object, d: int, least: int) -> Shape:
    if not isinstance(value, tuple):
        return (_integer(name, value, least),) * d
    if len(value) != d:
        raise CnngradError(
            f"{name} has {_count(len(value), 'value')} for {_count(d, 'spatial axis', 'spatial axes')}: "
            f"give one number, or one per axis"
        )
    return tuple(_integer(name, entry, least) for entry in value)


def _integer(name: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise CnngradError(f"{name} is {value!r}: it must be an integer of at least {least}") from None
    if number < least:
        raise CnngradError(f"{name} is {number}: it must be at least {least}")
    if number > _MOST:
        raise CnngradError(f"{name} is {number}: it must be at most {_MOST}")
    return number


def _frozen(name: str, value: Any) -> Any:
    """An option as integers, words and tuples of them, so that equal options find the same cached layer."""
    if type(value) is int or isinstance(value, str) or value is None:
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(name, entry) for entry in value)
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise CnngradError(f"{name} is {value!r}: it must be an integer")


def _per_axis(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else ",".join(map(str, values))


def _padding_word(pads: Sequence[tuple[int, int]]) -> str:
    if all(before == after for before, after in pads):
        return _per_axis([before for before, _ in pads])
    return ",".join(f"{before}:{after}" for before, after in pads)


def _count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
