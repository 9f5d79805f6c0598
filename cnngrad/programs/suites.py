"""Layers that distinguish wrong backward passes from right ones, with numbers that reveal mistakes."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import count, islice
from math import prod
from operator import methodcaller
from typing import Any, Unpack

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data, computed
from cnngrad.causes.recipe import right_recipe
from cnngrad.causes.search import OF_ONE_NUMBER, hidden_mistakes
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, Shape, make_layer
from cnngrad.layer.layout import Layouts, read_layouts
from cnngrad.layer.options import integer, shortened
from cnngrad.schema import Json
from cnngrad.settings import LayerOptions
from cnngrad.tensor import DEDO, DW, DX, RESULTS, B, O, Tensor, W, X

SUITES = ("quick", "standard", "thorough")
# The number of layers in the thorough suite, including those of the standard one.
_THOROUGH = 300
# The positions by which X is enlarged on each axis until a window fits.
_MORE = (0, *(2**doubled for doubled in range(12)))
# Maximum number of draws of numbers.
_MOST_DRAWS = 100
# A result of at most this many elements must not be 0.
_FEW = 4
# Minimum magnitude of dE/db's elements and of sums of them, as a fraction of dE/dO's smallest nonzero magnitude.
_CANCELLED = 0.1

# The sizes and options of a layer, as keywords of `_row`; and a test of a layer.
_Row = dict[str, Any]
Condition = Callable[[Layer], bool]


@dataclass(frozen=True, eq=False)
class SuiteLayer:
    """One layer of a suite, with its numbers.

    Attributes:
        name: its name, such as `stride-2`.
        layer: the layer.
        arrays: X, W, dE/dO and, if the layer has a bias, b; with the layer's axes, in cnngrad's order.
        instead_of: the suite's layer that it replaces; None for a layer of the suite itself.
        asked: the options and shapes that the user asks of all layers, as keywords of `suite`.
        memory: the memory layout of arrays that are not in C order, in words; only for functions.
    """

    name: str
    layer: Layer
    arrays: dict[Tensor, Array]
    instead_of: Layer | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[Tensor, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The name of a folder for its files."""
        return self.name.replace(" ", "-")

    @property
    def problem(self) -> Json:
        """The layer as a problem's keys."""
        return {tensor.key: array for tensor, array in self.written.items()} | self.layer.options

    @property
    def written(self) -> dict[Tensor, Array]:
        """The arrays with their axes in the layer's layout."""
        return {tensor: self.layer.layouts.written(tensor, array) for tensor, array in self.arrays.items()}

    @property
    def data(self) -> Data:
        """The arrays in the form in which recipes take them."""
        return Data.of(self.layer, self.arrays)

    def with_lead(self, lead: int) -> "SuiteLayer":
        """The layer with `lead` axes in front of X's spatial ones: 0, 1 (channel) or 2 (sample, channel)."""
        layer = replace(self.layer, x_lead=lead, w_lead=2 if lead else 0)
        arrays = {tensor: array.reshape(layer.shapes[tensor]) for tensor, array in self.arrays.items()}
        return replace(self, layer=layer, arrays=arrays)

    @property
    def work(self) -> int:
        """A measure of its size: the number of products of an element of dE/dO with one of W."""
        return self.arrays[DEDO].size * self.arrays[W].size

    @property
    def has_one_number(self) -> bool:
        """Whether one of its arrays has a single number."""
        return min(array.size for array in self.arrays.values()) == 1

    @cached_property
    def shows(self) -> tuple[str, ...]:
        """The ids of the mistakes that its numbers reveal and identify."""
        results = RESULTS if self.layer.has_bias else RESULTS[:-1]
        # One number fits too many mistakes.
        several = tuple(result for result in results if prod(self.layer.canonical[result]) > 1)
        hidden = {some: set(hidden_mistakes(self.data, some)) for some in {results, several}}
        unnamed = hidden[several] - ({*OF_ONE_NUMBER} - hidden[results])
        return tuple(each.id for each in CATALOGUE if each.short and each.id not in unnamed and each.suits(self.layer))


def _row(
    size: Sequence[int] = (4, 6, 5),
    kernel: Sequence[int] = (2, 3, 2),
    *,
    batch: int = 1,
    channels: int = 1,
    filters: int = 1,
    groups: int = 1,
    bias: bool = False,
    **options: Any,
) -> Layer:
    """A layer with three spatial axes; a suite uses the last `dims` of them."""
    w_shape = (filters, channels // groups, *kernel)
    b_shape = (filters,) if bias else None
    return make_layer((batch, channels, *size), w_shape, b_shape=b_shape, groups=groups, layout="ncdhw", **options)


def _with_each(layer: Layer, **changes: Iterable[int]) -> Layer:
    """The layer with other values of some attributes of its axes, one for each axis."""
    rows = zip(*changes.values(), strict=True)
    axes = (replace(axis, **dict(zip(changes, row, strict=True))) for axis, row in zip(layer.axes, rows, strict=True))
    return replace(layer, axes=tuple(axes))


def _turned(row: Layer) -> Layer:
    """The transposed layer whose twin is a layer of the suite."""
    turned = _with_each(row, size=row.out, extra=[axis.leftover for axis in row.axes]).with_axes(transposed=True)
    return replace(turned, channels=row.filters, filters=row.channels)


def _even(layer: Layer) -> Layer:
    """The layer with the larger padding of each axis on both sides."""
    pads = [max(axis.before, axis.after) for axis in layer.axes]
    return _with_each(layer, before=pads, after=pads)


def _square(layer: Layer) -> Layer:
    """The layer with its largest size, kernel, stride, dilation and padding on all axes."""
    padded = max(layer.axes, key=lambda axis: axis.before + axis.after)
    names = ("size", "kernel", "stride", "dilation")
    largest: _Row = {name: max(getattr(axis, name) for axis in layer.axes) for name in names}
    return replace(layer, axes=(replace(padded, **largest),) * layer.dims)


# The features that `--without` takes, and how to remove each from a layer.
_WITHOUT: dict[str, Callable[[Layer], Layer]] = {
    "batch": partial(replace, batch=1),
    "channels": partial(replace, channels=1, filters=1, groups=1),
    "groups": partial(replace, groups=1),
    "stride": methodcaller("with_axes", stride=1),
    "padding": methodcaller("with_axes", before=0, after=0, mode="zeros"),
    "dilation": methodcaller("with_axes", dilation=1),
    "bias": partial(replace, has_bias=False),
    "asymmetric": _even,
    "non-square": _square,
    "padding-modes": methodcaller("with_axes", mode="zeros"),
}
FEATURES = tuple(_WITHOUT)
# A further word for `--without`: arrays that are not in C order.
STRIDED = "strided"


def features(layer: Layer) -> list[str]:
    """Those of `FEATURES` that a backward pass must support for a layer."""
    return [name for name in FEATURES if needing(name)(layer)]


def needing(feature: str) -> Condition:
    """Whether a backward pass must support a feature for a layer."""
    return lambda layer: sizes(_WITHOUT[feature](layer)) != sizes(layer)


# Sizes and options that layers of the suites share, as keywords of `_row`.
_SQUARE = {"size": (5, 5, 5), "kernel": (3, 3, 3)}
_1X1 = {"kernel": (1, 1, 1)}
_PADDING_1 = {"padding": 1}
_UNEVEN = {"padding": ((0, 1), (1, 0), (0, 2))}
_FULL = {"padding": (1, 2, 1)}
_STRIDE_2 = {"size": (5, 7, 6), "stride": 2}
_LEFTOVER = {"size": (5, 8, 7), "stride": (2, 3, 2)}
_DILATION_2 = {"size": (5, 7, 6), "dilation": 2}
_BATCH = {"batch": 2}
_MANY = {"batch": 2, "channels": 3, "filters": 4}
_GROUPS = {"channels": 4, "filters": 6, "groups": 2}
_BIAS = {"bias": True}
# The beginning of the names of layers by which a format is not judged that can't hold their numbers.
NUMBERS = "numbers-"
# The layers by name.
_QUICK: dict[str, _Row] = {
    "impulse": {},
    "square": _SQUARE,
    "plain": {},
    "padding-1": _PADDING_1,
    "stride-2": _STRIDE_2,
    "dilation-2": _DILATION_2,
    "leftover": _LEFTOVER,
    "batch": {"batch": 3},
    "channels": {"channels": 3, "filters": 2},
    "groups": _GROUPS,
    # Where a number of filters is one of channels, an exchange of their axes does not show in the shapes.
    "bias": {"channels": 2, "filters": 2, "bias": True},
    "all": _UNEVEN | _GROUPS | _BIAS | _BATCH | {"size": (6, 9, 8), "stride": (1, 2, 3), "dilation": (1, 2, 1)},
}
_STANDARD: dict[str, _Row] = {
    "impulse-padding": _PADDING_1,
    "impulse-stride": _STRIDE_2,
    "1x1": _1X1,
    "1x1-channels": _MANY | _1X1,
    "1x1-stride": _1X1 | {"stride": (1, 2, 2)},
    "square-padding-1": _SQUARE | _PADDING_1,
    "square-stride-2": _STRIDE_2 | _SQUARE,
    "square-stride-2-padding-1": _STRIDE_2 | _SQUARE | _PADDING_1,
    "square-many": _SQUARE | _MANY,
    "padding-2": {"padding": (0, 2, 1)},
    "padding-uneven": _UNEVEN,
    "padding-front": {"padding": ((1, 0), (2, 0), (1, 0))},
    "padding-behind": {"padding": ((0, 1), (0, 2), (0, 1))},
    "padding-full": _FULL,
    "stride-3": {"size": (7, 9, 8), "stride": 3},
    "stride-uneven": {"size": (5, 7, 8), "stride": (1, 2, 3)},
    "stride-1-2": _STRIDE_2 | {"stride": (2, 1, 2)},
    "stride-2-padding-1": _STRIDE_2 | _PADDING_1,
    "stride-2-padding-uneven": _STRIDE_2 | _UNEVEN,
    "stride-over-kernel": {"size": (7, 8, 9), "kernel": (1, 2, 2), "stride": (2, 3, 4)},
    "leftover-padding": {"size": (5, 8, 8), "stride": (2, 3, 3), "padding": 1},
    "leftover-channels": _LEFTOVER | {"channels": 2, "filters": 3},
    "kernel-as-large-as-x": {"size": (3, 4, 3), "kernel": (3, 4, 3)},
    "kernel-over-x": {"size": (2, 3, 2), "kernel": (3, 4, 3), "padding": 1},
    "dilation-uneven": {"size": (5, 8, 7), "dilation": (1, 2, 3)},
    "dilation-padding": _DILATION_2 | _PADDING_1,
    "dilation-stride": {"size": (6, 9, 8), "dilation": 2, "stride": (1, 2, 2)},
    "dilation-3-stride-2": {"size": (6, 10, 9), "dilation": (1, 3, 3), "stride": 2},
    "batch-padding": _PADDING_1 | _BATCH,
    "batch-stride": _STRIDE_2 | _BATCH,
    "channels-more": {"channels": 2, "filters": 5},
    "channels-fewer": {"channels": 5, "filters": 2},
    "channels-as-filters": {"channels": 3, "filters": 3},
    "many": _MANY,
    "many-padding": _MANY | _PADDING_1,
    "many-stride": _MANY | _STRIDE_2,
    "many-dilation": _MANY | _DILATION_2,
    "many-bias": _MANY | _BIAS,
    "depthwise": {"channels": 3, "filters": 3, "groups": 3},
    "groups-stride-padding": _GROUPS | _STRIDE_2 | _PADDING_1 | _BATCH,
    "reflect": _FULL | {"padding_mode": "reflect"},
    "reflect-stride-2": _STRIDE_2 | _UNEVEN | {"padding_mode": "reflect"},
    "replicate": {"padding": 2, "padding_mode": "replicate"},
    "replicate-many": _MANY | _DILATION_2 | _PADDING_1 | {"padding_mode": "replicate"},
    "circular": _FULL | {"padding_mode": "circular"},
    "circular-groups": _GROUPS | _UNEVEN | {"padding_mode": "circular"},
    # Sizes that are larger than tiles and blocks, and no multiples of them.
    "edge-outputs": {"size": (3, 40, 20), "kernel": (1, 2, 3)},
    "edge-channels": {"size": (3, 10, 10), "kernel": (1, 3, 3), "channels": 11, "filters": 17},
    "edge-groups": _BIAS | {"batch": 5, "channels": 10, "filters": 10, "groups": 5},
    "edge-kernel": {"size": (3, 9, 11), "kernel": (1, 7, 8)},
    "edge-column": {"size": (3, 20, 3), "kernel": (1, 3, 3)},
    "edge-padding": {"padding": (2, 4, 5)},
    "edge-steps": {"size": (9, 19, 17), "stride": (3, 5, 4), "dilation": (2, 4, 5)},
    # Numbers that overflow, vanish, or are special.
    **{f"{NUMBERS}{kind}": _MANY for kind in ("above-127", "above-32767", "apart", "tiny", "zero")},
    # Apart from its dilation it is `leftover`, with the same shapes: a plan that is kept without it is wrong here.
    "leftover-dilation": _LEFTOVER | {"dilation": 2},
}
# A layer's largest number, if not 9. In `many`, sums exceed 2^11, where float16 loses bits, but not its limit of 2^16.
_LARGEST = {"many": 40, "numbers-above-127": 200, "numbers-above-32767": 2**16}
# Changes of a layer's numbers; each takes a generator of random numbers and an array.
_CHANGED: dict[str, Callable[[np.random.Generator, Array], Array]] = {
    "numbers-apart": lambda generator, array: array * 2 ** generator.integers(0, 12, array.shape),
    "numbers-tiny": lambda _, array: array * 2.0**-40 if array.dtype.kind == "f" else array,
    "numbers-zero": lambda generator, array: array * (generator.random(array.shape) < _NOT_ZERO),
}
_NOT_ZERO = 0.6
# The least numbers of random layers, and those above the largest: kernel, stride, dilation, padding on both sides and
# further positions of each axis; then groups, bias, batch, and the channels and filters of a group.
_OF_AXES = (1, 1, 1, 0, 0, 0), (4, 4, 3, 3, 3, 5)
_OF_LAYER = (1, 0, 1, 1, 1), (3, 2, 3, 3, 4)
# Sizes that are no multiples of a tile's, in every fourth random layer.
_EDGES = (7, 9, 15, 17, 31, 33, 65)


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
    """The layers of a suite, the plainest first.

    Args:
        name: `"quick"` (12 layers), `"standard"` (71) or `"thorough"` (300).
        without: the features that your code does not support: any of `batch`, `channels`, `groups`, `stride`,
            `padding`, `dilation`, `bias`, `asymmetric`, `non-square`, `padding-modes` (any but zeros). They are removed
            from each layer that has them. Without `batch`, arrays have no sample axis; without `batch` and `channels`
            they are plain matrices. `strided`, arrays that don't lie in C order, concerns no layer.
        decimals: whether to use numbers that aren't integers.
        seed: another seed gives other numbers, and other random layers.
        x_shape: the last axes of X's shape in all layers, in cnngrad's order; None for each layer's own.
        w_shape: the same for W.
        options: options of all layers, such as `stride=2`; `dims` is the number of spatial axes, 2 by default;
            `transposed=True` gives the transposed layers whose twins these are.

    Raises:
        CnngradError: an unknown suite or feature, or options that don't make a layer.

    >>> [layer.name for layer in suite("quick")][:3]
    ['impulse', 'square', 'plain']
    """
    if name not in SUITES:
        raise CnngradError(f"the suite {shortened(repr(name))} is unknown: use {', '.join(SUITES)}")
    seed = integer("seed", seed, 0)
    for feature in without:
        if feature not in (*FEATURES, STRIDED):
            raise CnngradError(f"without {shortened(repr(feature))} is unknown: use {', '.join((*FEATURES, STRIDED))}")
    named = [(title, _row(**row)) for title, row in (_QUICK | (_STANDARD if name != "quick" else {})).items()]
    if name == "thorough":
        more = islice(_random_rows(seed), _THOROUGH - len(named))
        named += [(f"random-{number}", row) for number, row in enumerate(more, 1)]
    if options.get("transposed"):
        named = [(title, _turned(row)) for title, row in named if row.mode == "zeros"]
    lead = 2 - ("batch" in without) - ({"batch", "channels"} <= {*without})
    every = {"x_shape": x_shape, "w_shape": w_shape, **options}
    asked = {keyword: value for keyword, value in every.items() if value is not None}
    layers = []
    dims = integer("dims", options.get("dims") or 2, least=1)
    for number, (title, row) in enumerate(named):
        original = layer = replace(row, axes=row.axes[-dims:])
        lost = [feature for feature in features(original) if feature in without]
        # In reverse, so that padding is made even before it is removed.
        for feature in reversed(lost):
            layer = _WITHOUT[feature](layer)
        layer = _fitted(title, layer, asked)
        instead_of = None if sizes(layer) == sizes(original) else original
        made = SuiteLayer(f"{title} without {','.join(lost)}" if lost else title, layer, {}, instead_of, asked)
        change = {"change": partial(_CHANGED[title], np.random.default_rng(seed))} if title in _CHANGED else {}
        made = numbered(made, decimals, seed + number, _LARGEST.get(title, 9), **change)
        if title.startswith("impulse"):
            by_filter = made.arrays[DEDO].reshape(layer.batch, layer.filters, -1)
            by_filter[:] = 0
            by_filter[:, :, by_filter.shape[2] // 2] = 1
        layers.append(made.with_lead(lead))
    return layers


def _fitted(title: str, layer: Layer, asked: Mapping[str, Any]) -> Layer:
    """The layer with the options asked of all; if no window fits, X grows or, if X is given, the windows shrink."""
    x_shape = asked.get("x_shape")
    tried = [_with_each(layer, size=[size + more for size in layer.size]) for more in _MORE]
    if x_shape is not None:
        plain = layer.with_axes(dilation=1)
        last = (*layer.size, *x_shape)[-layer.dims :]
        tried = [layer, plain, _with_each(plain, kernel=map(min, layer.kernel, last))]
    errors = []
    for each in tried:
        try:
            return with_options(each, asked)
        except CnngradError as error:
            errors.append(error)
    is_plain = None is x_shape is asked.get("w_shape")
    raise errors[0] if is_plain else CnngradError(f"the suite's layer {title}: {errors[0]}")


def with_options(layer: Layer, asked: Mapping[str, Any]) -> Layer:
    """The layer with the options, and the last axes of X and W, that are asked of all layers of a suite.

    The size of a group stays the same.

    Args:
        layer: the layer; its own options and sizes need not make one.
        asked: those of the keywords of `suite` that are given.

    Raises:
        CnngradError: they don't make a layer.
    """
    given = {name: value for name, value in asked.items() if not name.endswith(("layout", "shape"))}
    groups = integer("groups", given.get("groups", layer.groups), least=1)
    x = [*layer.canonical[X]]
    w = [layer.conv.group_filters * groups, layer.conv.group_channels, *layer.kernel]
    shapes = x_shape, _ = [asked.get(name, ()) for name in ("x_shape", "w_shape")]
    for own, last in zip((x, w), shapes, strict=True):
        own[len(own) - len(last) :] = last
    # The channels of X decide those of W, or those of W the channels of X.
    place, times = (0, 1) if layer.transposed else (1, groups)
    if len(x_shape) > layer.dims:
        w[place] = x[1] // times
    else:
        x[1] = w[place] * times
    b = (w[1] * groups if layer.transposed else w[0],) if layer.has_bias else None
    options = replace(layer, layouts=Layouts()).options
    # These determine the size of O, so the layer's own output padding must not.
    if layer.transposed and ("output_size" in given or str(given.get("padding")).lower().startswith("same")):
        del options["output_padding"]
    options |= given
    made = make_layer(tuple(x), tuple(w), b_shape=b, **options)
    layouts = read_layouts(asked.get("layout"), asked.get("filter_layout"), transposed=layer.transposed)[0]
    return replace(made, layouts=layouts, x_lead=layer.x_lead, w_lead=layer.w_lead)


def sizes(layer: Layer) -> tuple[Hashable, ...]:
    """A key that identifies a layer, apart from the layout of its arrays."""
    return layer.batch, layer.channels, layer.filters, layer.groups, layer.has_bias, layer.axes


def _random_rows(seed: int) -> Iterator[Layer]:
    """Random layers with every feature."""
    generator = np.random.default_rng(seed)
    for number in count():
        kernel, stride, dilation, *pads, more = generator.integers(*_OF_AXES, (3, 6)).T.tolist()
        groups, bias, *counts = generator.integers(*_OF_LAYER).tolist()
        counts = [*more, *counts]
        if number % 4 == 0:
            # Not the depth: volumes are slow.
            counts[1 + number // 4 % 5] = _EDGES[number // 4 % len(_EDGES)]
        *more, batch, channels, filters = counts
        row = _row(
            [d * (k - 1) + 1 + extra for d, k, extra in zip(dilation, kernel, more, strict=True)],
            kernel,
            stride=stride,
            padding=[*zip(*pads, strict=True)],
            dilation=dilation,
            batch=batch,
            channels=groups * channels,
            filters=groups * filters,
            groups=groups,
            bias=bool(bias),
        )
        # If no window reads X, everything is 0, also in a wrong pass.
        if all(len(axis.unreached) < axis.size for axis in row.axes):
            yield row


def numbered(
    layer: SuiteLayer,
    decimals: bool,
    seed: int = 0,
    largest: int = 9,
    change: Callable[[Array], Array] = lambda array: array,
) -> SuiteLayer:
    """The layer with numbers of both signs, up to `largest` in magnitude, that reveal mistakes.

    None of them is 0, which would hide its factors, unless `change` makes it 0.
    """
    generator = np.random.default_rng(seed)
    for _ in range(_MOST_DRAWS):
        arrays: dict[Tensor, Array] = {}
        for tensor in (X, W, *[B] * layer.layer.has_bias, DEDO):
            shape = layer.layer.shapes[tensor]
            numbers: Array = generator.integers(1, largest + 1, shape) * generator.choice([-1, 1], shape)
            arrays[tensor] = change((numbers + generator.uniform(0, 0.9, shape)).round(3) if decimals else numbers)
        made = replace(layer, arrays=arrays)
        if not _hides_zero(made):
            break
    return made


def _hides_zero(made: SuiteLayer) -> bool:
    """Whether a result of few elements, or a sum of dE/dO over samples and positions, is 0.

    This would hide a wrong 0. A wrong dE/db may add up over filters or groups too.
    """
    layer = made.layer
    dedo = made.arrays[DEDO]
    by_group = dedo.reshape(layer.batch, layer.groups, layer.group_filters, -1).sum((0, 3))
    sums = (by_group, by_group.sum(0), by_group.sum(1), by_group.sum())
    least = min(np.abs(dedo[dedo != 0]).tolist(), default=1)
    if min(np.abs(each).min() for each in sums) <= _CANCELLED * least:
        return True
    few = [result for result in (O, DW, DX) if prod(layer.canonical[result]) <= _FEW]
    return not all(computed(right_recipe(layer, result), made.data).any() for result in few)
