"""Layers that tell wrong backward passes from right ones, from the plainest on, with telling numbers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, Operand, read_tensor
from cnngrad.errors import CnngradError
from cnngrad.gradcheck.diagnosis import OF_ONE_NUMBER
from cnngrad.gradcheck.hidden import hidden_by
from cnngrad.gradcheck.mistakes import CATALOGUE
from cnngrad.layer import Layer, layer_of
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["FEATURES", "SUITES", "SuiteLayer", "features", "numbered", "suite"]

SUITES = ("quick", "standard", "thorough")
# How many layers the thorough suite has, with those of the standard one.
_THOROUGH = 300
# What `--without` takes: layers that need it are left out.
FEATURES = ("batch", "channels", "groups", "stride", "padding", "dilation", "bias", "asymmetric", "non-square")


@dataclass(frozen=True, eq=False)
class SuiteLayer:
    """One layer of a suite, with its numbers.

    Attributes:
        name: its name, such as `stride-2`.
        layer: the layer.
        arrays: X, W, dE/dO and, where the layer has one, b; with the layer's axes, in cnngrad's order.
    """

    name: str
    layer: Layer
    arrays: dict[Tensor, Array]

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


def features(layer: Layer) -> set[str]:
    """Which of `FEATURES` a backward pass must have for a layer."""
    axes = layer.axes
    needed = {
        "batch": layer.batch > 1,
        "channels": layer.channels > 1 or layer.filters > 1,
        "groups": layer.groups > 1,
        "stride": any(axis.stride > 1 for axis in axes),
        "padding": any(axis.before or axis.after for axis in axes),
        "dilation": any(axis.dilation > 1 for axis in axes),
        "bias": layer.has_bias,
        "asymmetric": any(axis.before != axis.after for axis in axes),
        "non-square": len(set(axes)) > 1,
    }
    return {feature for feature, is_needed in needed.items() if is_needed}


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
    dims: int = 2,
    without: Collection[str] = (),
    decimals: bool = False,
    seed: int = 0,
) -> list[SuiteLayer]:
    """The layers of a suite, from the plainest on.

    Args:
        name: `"quick"` (12 layers), `"standard"` (some 50) or `"thorough"` (300).
        dims: the number of spatial axes.
        without: what the code does not have: any of `batch`, `channels`, `groups`, `stride`, `padding`, `dilation`,
            `bias`, `asymmetric`, `non-square`; layers that need it are left out. Without `batch`, arrays have no sample
            axis; without `batch` and `channels` they are plain matrices.
        decimals: numbers that aren't integers.
        seed: another seed gives other numbers, and other random layers.

    Raises:
        CnngradError: an unknown suite or feature.

    >>> [layer.name for layer in suite("quick")][:3]
    ['impulse', 'square', 'plain']
    """
    if name not in SUITES:
        raise CnngradError(f"the suite {name[:40]!r} is unknown: use {', '.join(SUITES)}")
    for feature in without:
        if feature not in FEATURES:
            raise CnngradError(f"without {feature[:40]!r} is unknown: use {', '.join(FEATURES)}")
    if dims not in (1, 2, 3):
        raise CnngradError(f"dims is {dims}: it must be 1, 2 or 3, the number of spatial axes")
    rows: list[_Row] = [*_QUICK]
    if name != "quick":
        rows += _STANDARD
    if name == "thorough":
        rows += _random_rows(_THOROUGH - len(rows), seed)
    missing = frozenset(without)
    layers = [(row, _layer(row, dims, missing)) for row in rows]
    return [
        _with_numbers(row, layer, decimals, seed + number)
        for number, (row, layer) in enumerate(layers)
        if not features(layer) & missing
    ]


def _random_rows(count: int, seed: int) -> Iterator[_Row]:
    """Layers with everything at once."""
    generator = np.random.default_rng(seed)

    def several(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(number) for number in generator.integers(low, high, 3))

    for number in range(count):
        kernel, dilation, groups = several(1, 4), several(1, 3), int(generator.integers(1, 3))
        pads = tuple((int(before), int(after)) for before, after in generator.integers(0, 3, (3, 2)))
        size = tuple(d * (k - 1) + 1 + int(more) for d, k, more in zip(dilation, kernel, several(0, 5), strict=True))
        yield _Row(
            f"random-{number + 1}", size, kernel, several(1, 4), pads, dilation, int(generator.integers(1, 3)),
            groups * int(generator.integers(1, 3)), groups * int(generator.integers(1, 4)), groups,
            bias=bool(generator.integers(0, 2)),
        )  # fmt: skip


def _layer(row: _Row, dims: int, without: frozenset[str]) -> Layer:
    """A row's layer of so many spatial axes, without the leading axes that are not wanted."""
    shapes = {
        Tensor.X: (row.batch, row.channels, *row.size[-dims:]),
        Tensor.W: (row.filters, row.channels // row.groups, *row.kernel[-dims:]),
    }
    if row.bias:
        shapes[Tensor.B] = (row.filters,)
    layer = layer_of(
        shapes, stride=row.stride[-dims:], padding=row.pads[-dims:], dilation=row.dilation[-dims:], groups=row.groups,
        dims=dims,
    )  # fmt: skip
    lead = 2 - ("batch" in without) - ({"batch", "channels"} <= without)
    return replace(layer, x_lead=lead, w_lead=2 if lead else 0, other_layout="")


def _with_numbers(row: _Row, layer: Layer, decimals: bool, seed: int) -> SuiteLayer:
    made = numbered(SuiteLayer(row.name, layer, {}), decimals, seed, row.largest)
    if row.impulse:
        dedo = np.zeros_like(made.arrays[Tensor.DEDO]).reshape(-1)
        dedo[dedo.size // 2] = 1
        made.arrays[Tensor.DEDO] = dedo.reshape(layer.shapes[Tensor.DEDO])
    return made


def numbered(layer: SuiteLayer, decimals: bool, seed: int = 0, largest: int = 9) -> SuiteLayer:
    """The layer with telling numbers in all of its arrays, up to a largest one."""
    generator = np.random.default_rng(seed)
    arrays = {
        tensor: _numbers(generator, layer.layer.shapes[tensor], decimals, largest)
        for tensor in (Tensor.X, Tensor.W, Tensor.B, Tensor.DEDO)
        if tensor is not Tensor.B or layer.layer.has_bias
    }
    return replace(layer, arrays=arrays)


def _numbers(generator: np.random.Generator, shape: tuple[int, ...], decimals: bool, largest: int) -> Array:
    """Numbers from 1 to the largest with either sign, without 0: a 0 hides what it multiplies."""
    numbers: Array = generator.integers(1, largest + 1, shape) * generator.choice([-1, 1], shape)
    return numbers + generator.uniform(0, 0.9, shape).round(3) if decimals else numbers
