"""Layers that tell wrong backward passes from right ones, from the plainest on, with telling numbers."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from operator import index
from typing import Any, SupportsIndex, Unpack

import numpy as np

from cnngrad.arrays import Array, Operand, read_tensor
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.search import OF_ONE_NUMBER, hidden_by
from cnngrad.compute import Backward, Forward
from cnngrad.errors import CnngradError
from cnngrad.layer import Axis, Layer, Shape, layer_of
from cnngrad.layer.layout import read_layouts
from cnngrad.settings import LayerOptions
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["CONDITIONS", "FEATURES", "SUITES", "SuiteLayer", "features", "numbered", "sizes", "suite"]

SUITES = ("quick", "standard", "thorough")
# How many layers the thorough suite has, with those of the standard one.
_THOROUGH = 300
# X is made larger by up to 2^11 positions on each axis for a window to fit.
_MOST_DOUBLED = 12
# Numbers are drawn again if they hide a zero: in dE/db, or in a result of few elements.
_MOST_DRAWS, _FEW, _CANCELLED = 100, 4, 0.5


@dataclass(frozen=True, eq=False)
class SuiteLayer:
    """One layer of a suite, with its numbers.

    Attributes:
        name: its name, such as `stride-2`.
        layer: the layer.
        arrays: X, W, dE/dO and, where the layer has one, b; with the layer's axes, in cnngrad's order.
        instead_of: the suite's layer in whose place it stands; None for those of the suite itself.
    """

    name: str
    layer: Layer
    arrays: dict[Tensor, Array]
    instead_of: Layer | None = None

    @property
    def folder(self) -> str:
        """The name of a folder for its files."""
        return self.name.replace(" ", "-")

    @property
    def problem(self) -> dict[str, Any]:
        """The layer as a problem's keys."""
        return {tensor.key: array for tensor, array in self.written.items()} | self.layer.options

    @property
    def written(self) -> dict[Tensor, Array]:
        """The arrays with their axes in the layer's layout."""
        return {tensor: self.layer.layouts.written(tensor, array) for tensor, array in self.arrays.items()}

    @property
    def operands(self) -> dict[Tensor, Operand]:
        """The arrays as the library computes with them."""
        return {tensor: read_tensor(tensor.key, array) for tensor, array in self.arrays.items()}

    def with_lead(self, lead: int) -> "SuiteLayer":
        """The layer with so many axes in front of the spatial ones of X: 0, 1 (channel) or 2 (sample, channel)."""
        layer = replace(self.layer, x_lead=lead, w_lead=2 if lead else 0)
        arrays = {tensor: array.reshape(layer.shapes[tensor]) for tensor, array in self.arrays.items()}
        return replace(self, layer=layer, arrays=arrays)

    @property
    def work(self) -> int:
        """How many products of an element of dE/dO with one of W there are, a measure of its size."""
        return self.arrays[Tensor.DEDO].size * self.arrays[Tensor.W].size

    @cached_property
    def shows(self) -> tuple[str, ...]:
        """The ids of the mistakes that its numbers show, and that have a name there."""
        results = RESULTS if self.layer.has_bias else RESULTS[:-1]
        # A single number is many mistakes' result.
        several = tuple(result for result in results if prod(self.layer.canonical[result]) > 1)
        hidden, unnamed = (set(hidden_by(self.layer, self.arrays, some)) for some in (results, several))
        unnamed -= {name for name in OF_ONE_NUMBER if name not in hidden}
        return tuple(mistake.id for mistake in CATALOGUE if mistake.id not in unnamed)


@dataclass(frozen=True)
class _Row:
    """A layer of up to three axes, of which the last ones are used; one number stands for all axes."""

    name: str
    size: Sequence[int] = (4, 6, 5)
    kernel: Sequence[int] = (2, 3, 2)
    stride: Sequence[int] = (1, 1, 1)
    pads: Sequence[tuple[int, int]] = ((0, 0), (0, 0), (0, 0))
    dilation: Sequence[int] = (1, 1, 1)
    batch: int = 1
    channels: int = 1
    filters: int = 1
    groups: int = 1
    bias: bool = False
    impulse: bool = False
    largest: int = 9

    def of(self, dims: int) -> "_Row":
        """The row with the last axes alone."""
        last = slice(-dims, None)
        return replace(
            self, size=self.size[last], kernel=self.kernel[last], stride=self.stride[last], pads=self.pads[last],
            dilation=self.dilation[last],
        )  # fmt: skip

    def lacking(self, missing: Collection[str]) -> "_Row":
        """The row without some of `FEATURES`, else as it is."""
        dims, one_filter = len(self.size), "channels" in missing
        row = self
        if "non-square" in missing:
            largest = [[max(each)] * dims for each in (self.size, self.kernel, self.stride, self.dilation)]
            size, kernel, stride, dilation = largest
            pads = [max(self.pads, key=sum)] * dims
            row = replace(self, size=size, kernel=kernel, stride=stride, dilation=dilation, pads=pads)
        if "asymmetric" in missing:
            row = replace(row, pads=[(max(pair), max(pair)) for pair in row.pads])
        return replace(
            row,
            stride=[1] * dims if "stride" in missing else row.stride,
            pads=[(0, 0)] * dims if "padding" in missing else row.pads,
            dilation=[1] * dims if "dilation" in missing else row.dilation,
            batch=1 if "batch" in missing else self.batch,
            channels=1 if one_filter else self.channels,
            filters=1 if one_filter else self.filters,
            groups=1 if one_filter or "groups" in missing else self.groups,
            bias=self.bias and "bias" not in missing,
        )

    def shaped(self, x_shape: Shape | None, w_shape: Shape | None, groups: SupportsIndex | None) -> "_Row":
        """The row with so many groups, each as large as before, and the last axes of X and W in these shapes."""
        number = self.groups if groups is None else max(1, index(groups))
        x = [self.batch, self.channels // self.groups * number, *self.size]
        w = [self.filters // self.groups * number, 0, *self.kernel]
        for own, given in ((x, x_shape or ()), (w, w_shape or ())):
            own[len(own) - len(given) :] = given
        if w[1] and len(x_shape or ()) <= len(self.size):
            x[1] = w[1] * number
        return replace(self, batch=x[0], channels=x[1], size=x[2:], filters=w[0], kernel=w[2:], groups=number)

    def layer(self, options: LayerOptions) -> Layer:
        """The layer of the row, with these options in place of its own."""
        own: dict[str, Any] = {"stride": self.stride, "padding": self.pads, "dilation": self.dilation}
        own |= {"groups": self.groups, "dims": len(self.size)}
        own |= {name: value for name, value in options.items() if "layout" not in name and value is not None}
        shapes = {Tensor.X: (self.batch, self.channels, *self.size)}
        shapes[Tensor.W] = (self.filters, self.channels // self.groups, *self.kernel)
        if self.bias:
            shapes[Tensor.B] = (self.filters,)
        return replace(layer_of(shapes, **own), other_layout="")

    def fitting(self, x_is_given: bool, w_is_given: bool) -> Iterator["_Row"]:
        """The row, and others in which a window may fit where it does not in this one: larger X, or smaller windows."""
        yield self
        if x_is_given:
            plain = replace(self, dilation=[1] * len(self.size))
            yield plain
            if not w_is_given:
                yield replace(plain, kernel=[min(pair) for pair in zip(self.kernel, self.size, strict=True)])
            return
        for doubled in range(_MOST_DOUBLED):
            yield replace(self, size=[size + 2**doubled for size in self.size])


def _on_an_axis(test: Callable[[Axis], bool]) -> Callable[[Layer], bool]:
    return lambda layer: any(map(test, layer.axes))


# What a layer may have, in words.
CONDITIONS: dict[str, Callable[[Layer], bool]] = {
    "stride > 1": _on_an_axis(lambda axis: axis.stride > 1),
    "padding > 0": _on_an_axis(lambda axis: axis.before + axis.after > 0),
    "an uneven padding": _on_an_axis(lambda axis: axis.before != axis.after),
    "dilation > 1": _on_an_axis(lambda axis: axis.dilation > 1),
    "groups > 1": lambda layer: layer.groups > 1,
    "batch > 1": lambda layer: layer.batch > 1,
    "channels > 1": lambda layer: layer.channels > 1,
    "filters > 1": lambda layer: layer.filters > 1,
    "a bias": lambda layer: layer.has_bias,
    "axes that differ": lambda layer: len(set(layer.axes)) > 1,
}
# What `--without` takes, and which of these conditions it rules out.
_RULED_OUT = {
    "batch": ("batch > 1",),
    "channels": ("channels > 1", "filters > 1"),
    "groups": ("groups > 1",),
    "stride": ("stride > 1",),
    "padding": ("padding > 0",),
    "dilation": ("dilation > 1",),
    "bias": ("a bias",),
    "asymmetric": ("an uneven padding",),
    "non-square": ("axes that differ",),
}
FEATURES = tuple(_RULED_OUT)


def features(layer: Layer) -> set[str]:
    """Which of `FEATURES` a backward pass must have for a layer."""
    return {name for name, ruled in _RULED_OUT.items() if any(CONDITIONS[words](layer) for words in ruled)}


_P1, _P2 = ((1, 1),) * 3, ((0, 0), (2, 2), (1, 1))
_UNEVEN = ((0, 1), (1, 0), (0, 2))
_SQUARE: dict[str, Any] = {"size": (5, 5, 5), "kernel": (3, 3, 3)}
_MANY: dict[str, Any] = {"batch": 2, "channels": 3, "filters": 4}
_QUICK = (
    _Row("impulse", impulse=True),
    _Row("square", **_SQUARE),
    _Row("plain"),
    _Row("padding-1", pads=_P1),
    _Row("stride-2", size=(5, 7, 6), stride=(2, 2, 2)),
    _Row("dilation-2", size=(5, 7, 6), dilation=(2, 2, 2)),
    _Row("leftover", size=(5, 8, 7), kernel=(2, 3, 2), stride=(2, 3, 2)),
    _Row("batch", batch=3),
    _Row("channels", channels=3, filters=2),
    _Row("groups", channels=4, filters=6, groups=2),
    _Row("bias", channels=2, filters=3, bias=True),
    _Row("all", (6, 9, 8), (2, 3, 2), (1, 2, 3), _UNEVEN, (1, 2, 1), 2, 4, 6, 2, bias=True),
)
_STANDARD = (
    _Row("impulse-padding", pads=_P1, impulse=True),
    _Row("impulse-stride", size=(5, 7, 6), stride=(2, 2, 2), impulse=True),
    _Row("1x1", kernel=(1, 1, 1)),
    _Row("1x1-channels", kernel=(1, 1, 1), **_MANY),
    _Row("1x1-stride", kernel=(1, 1, 1), stride=(1, 2, 2)),
    _Row("square-padding-1", pads=_P1, **_SQUARE),
    _Row("square-stride-2", stride=(2, 2, 2), **_SQUARE),
    _Row("square-stride-2-padding-1", stride=(2, 2, 2), pads=_P1, **_SQUARE),
    _Row("square-many", **_SQUARE, **_MANY),
    _Row("padding-2", pads=_P2),
    _Row("padding-uneven", pads=_UNEVEN),
    _Row("padding-front", pads=((1, 0), (2, 0), (1, 0))),
    _Row("padding-behind", pads=((0, 1), (0, 2), (0, 1))),
    _Row("padding-full", pads=((1, 1), (2, 2), (1, 1))),
    _Row("stride-3", size=(7, 9, 8), stride=(3, 3, 3)),
    _Row("stride-uneven", size=(5, 7, 8), stride=(1, 2, 3)),
    _Row("stride-1-2", size=(5, 7, 6), stride=(2, 1, 2)),
    _Row("stride-2-padding-1", size=(5, 7, 6), stride=(2, 2, 2), pads=_P1),
    _Row("stride-2-padding-uneven", size=(5, 7, 6), stride=(2, 2, 2), pads=_UNEVEN),
    _Row("stride-over-kernel", size=(7, 8, 9), kernel=(1, 2, 2), stride=(2, 3, 4)),
    _Row("leftover-padding", size=(5, 8, 8), stride=(2, 3, 3), pads=_P1),
    _Row("leftover-channels", size=(5, 8, 7), stride=(2, 3, 2), channels=2, filters=3),
    _Row("kernel-as-large-as-x", size=(3, 4, 3), kernel=(3, 4, 3)),
    _Row("kernel-over-x", size=(2, 3, 2), kernel=(3, 4, 3), pads=_P1),
    _Row("dilation-uneven", size=(5, 8, 7), dilation=(1, 2, 3)),
    _Row("dilation-padding", size=(5, 7, 6), dilation=(2, 2, 2), pads=_P1),
    _Row("dilation-stride", size=(6, 9, 8), dilation=(2, 2, 2), stride=(1, 2, 2)),
    _Row("dilation-3-stride-2", size=(6, 10, 9), dilation=(1, 3, 3), stride=(2, 2, 2)),
    _Row("batch-padding", batch=2, pads=_P1),
    _Row("batch-stride", size=(5, 7, 6), batch=2, stride=(2, 2, 2)),
    _Row("channels-more", channels=2, filters=5),
    _Row("channels-fewer", channels=5, filters=2),
    # Sums beyond 2^11, where float16 loses bits, and below 2^16, where it ends.
    _Row("many", largest=40, **_MANY),
    _Row("many-padding", pads=_P1, **_MANY),
    _Row("many-stride", size=(5, 7, 6), stride=(2, 2, 2), **_MANY),
    _Row("many-dilation", size=(5, 7, 6), dilation=(2, 2, 2), **_MANY),
    _Row("many-bias", bias=True, **_MANY),
    _Row("depthwise", channels=3, filters=3, groups=3),
    _Row("groups-stride-padding", (5, 7, 6), stride=(2, 2, 2), pads=_P1, channels=4, filters=6, groups=2, batch=2),
)


def suite(
    name: str = "standard",
    *,
    without: Collection[str] = (),
    decimals: bool = False,
    seed: int = 0,
    x_shape: Shape | None = None,
    w_shape: Shape | None = None,
    **options: Unpack[LayerOptions],
) -> list[SuiteLayer]:
    """The layers of a suite, from the plainest on.

    Args:
        name: `"quick"` (12 layers), `"standard"` (some 50) or `"thorough"` (300).
        without: what the code does not have: any of `batch`, `channels`, `groups`, `stride`, `padding`, `dilation`,
            `bias`, `asymmetric`, `non-square`. A layer without that stands in the place of each that has it. Without
            `batch`, arrays have no sample axis; without `batch` and `channels` they are plain matrices.
        decimals: numbers that aren't integers.
        seed: another seed gives other numbers, and other random layers.
        x_shape: the last axes of X's shape in cnngrad's order, the same in all layers; each layer's own where None.
        w_shape: the same for W.
        options: options that all layers have, such as `stride=2`; `dims` is the number of spatial axes, 2 by default.

    Raises:
        CnngradError: an unknown suite or feature, or options that make no layer.

    >>> [layer.name for layer in suite("quick")][:3]
    ['impulse', 'square', 'plain']
    """
    if name not in SUITES:
        raise CnngradError(f"the suite {name[:40]!r} is unknown: use {', '.join(SUITES)}")
    for feature in without:
        if feature not in FEATURES:
            raise CnngradError(f"without {feature[:40]!r} is unknown: use {', '.join(FEATURES)}")
    dims = options.get("dims") or 2
    if dims not in (1, 2, 3):
        raise CnngradError(f"dims is {dims}: it must be 1, 2 or 3, the number of spatial axes")
    rows: list[_Row] = [*_QUICK]
    if name != "quick":
        rows += _STANDARD
    if name == "thorough":
        rows += _random_rows(_THOROUGH - len(rows), seed)
    missing, layers = frozenset(without), []
    layouts, _ = read_layouts(options.get("layout"), options.get("filter_layout"))
    for number, row in enumerate(rows):
        own = row.of(int(dims))
        fixed = own.lacking(missing).shaped(x_shape, w_shape, options.get("groups"))
        lead = 2 - ("batch" in missing) - ({"batch", "channels"} <= missing)
        original = own.layer({})
        made = _first_layer(fixed.fitting(x_shape is not None, w_shape is not None), options)
        layer = replace(made, layouts=layouts)
        lost = [each for each in FEATURES if each in features(original) & missing]
        title = f"{row.name} without {','.join(lost)}" if lost else row.name
        each = SuiteLayer(title, layer, {}, original if sizes(layer) != sizes(original) else None)
        layers.append(_with_numbers(each, row, decimals, seed + number).with_lead(lead))
    return layers


def _first_layer(rows: Iterable[_Row], options: LayerOptions) -> Layer:
    """The first layer that one of some rows makes."""
    errors = []
    for row in rows:
        try:
            return row.layer(options)
        except CnngradError as error:
            errors.append(error)
    raise errors[0]


def sizes(layer: Layer) -> tuple[Hashable, ...]:
    """What tells a layer from others, but for the layout of its arrays."""
    return layer.batch, layer.channels, layer.filters, layer.groups, layer.has_bias, layer.axes


def _random_rows(count: int, seed: int) -> Iterator[_Row]:
    """Layers with everything at once."""
    generator = np.random.default_rng(seed)

    def several(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(number) for number in generator.integers(low, high, 3))

    number = 0
    while number < count:
        kernel, dilation, groups = several(1, 4), several(1, 3), int(generator.integers(1, 3))
        pads = tuple((int(before), int(after)) for before, after in generator.integers(0, 3, (3, 2)))
        size = tuple(d * (k - 1) + 1 + int(more) for d, k, more in zip(dilation, kernel, several(0, 5), strict=True))
        row = _Row(
            f"random-{number + 1}", size, kernel, several(1, 4), pads, dilation, int(generator.integers(1, 3)),
            groups * int(generator.integers(1, 3)), groups * int(generator.integers(1, 4)), groups,
            bias=bool(generator.integers(0, 2)),
        )  # fmt: skip
        # Where no window reads X, all is 0, and so would a wrong pass give it.
        if all(len(axis.unreached) < axis.size for axis in row.layer({}).axes):
            number += 1
            yield row


def _with_numbers(suite_layer: SuiteLayer, row: _Row, decimals: bool, seed: int) -> SuiteLayer:
    made = numbered(suite_layer, decimals, seed, row.largest)
    if row.impulse:
        dedo = np.zeros_like(made.arrays[Tensor.DEDO])
        by_filter = dedo.reshape(made.layer.batch, made.layer.filters, -1)
        by_filter[:, :, by_filter.shape[2] // 2] = 1
        made.arrays[Tensor.DEDO] = dedo
    return made


def numbered(layer: SuiteLayer, decimals: bool, seed: int = 0, largest: int = 9) -> SuiteLayer:
    """The layer with telling numbers in all of its arrays, up to a largest one."""
    generator = np.random.default_rng(seed)
    given = (Tensor.X, Tensor.W, Tensor.B, Tensor.DEDO) if layer.layer.has_bias else (Tensor.X, Tensor.W, Tensor.DEDO)
    for _ in range(_MOST_DRAWS):
        made = replace(layer, arrays={t: _numbers(generator, layer.layer.shapes[t], decimals, largest) for t in given})
        if not _hides_zero(made):
            break
    return made


def _hides_zero(made: SuiteLayer) -> bool:
    """Whether a result, or an element of dE/db, is 0 since its terms cancel: then a wrong 0 would not show."""
    layer, dedo = made.layer, made.arrays[Tensor.DEDO].reshape(made.layer.canonical[Tensor.DEDO])
    if (np.abs(dedo.sum((0, *range(2, dedo.ndim)))) < _CANCELLED).any():
        return True
    positive = replace(made, arrays={tensor: np.abs(array) for tensor, array in made.arrays.items()})
    few = (result for result in (Tensor.O, Tensor.DW, Tensor.DX) if prod(layer.canonical[result]) <= _FEW)
    return any(bool(_sums(positive, result).any() and not _sums(made, result).any()) for result in few)


def _sums(made: SuiteLayer, result: Tensor) -> Array:
    given, layer = made.operands, made.layer
    if result is Tensor.O:
        return Forward(layer, given[Tensor.X], given[Tensor.W], given.get(Tensor.B)).computed(result)
    return Backward(layer, given[Tensor.X], given[Tensor.W], given[Tensor.DEDO]).computed(result)


def _numbers(generator: np.random.Generator, shape: tuple[int, ...], decimals: bool, largest: int) -> Array:
    """Numbers from 1 to the largest with either sign, without 0: a 0 hides what it multiplies."""
    numbers: Array = generator.integers(1, largest + 1, shape) * generator.choice([-1, 1], shape)
    return numbers + generator.uniform(0, 0.9, shape).round(3) if decimals else numbers
