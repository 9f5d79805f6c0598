"""Makes layers from users' shapes and options, and raises the errors if these do not make a layer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import prod
from types import SimpleNamespace
from typing import Any, Unpack

from cnngrad.errors import CnngradError
from cnngrad.layer.axis import BORDERS, Axis
from cnngrad.layer.layer import Layer, counted
from cnngrad.layer.layout import EXCHANGED, Layouts, Shape, channels_last, read_layouts
from cnngrad.layer.options import integer, one_per_axis, padded_axes, padding_mode, plain_option
from cnngrad.settings import DEFAULTS, OPTIONS, LayerOptions
from cnngrad.tensor import DEDO, B, Tensor, W, X

_MOST_NUMBERS = 2**40
_AXIS_LETTERS = {1: "L", 2: "HW", 3: "DHW"}


def make_layer(
    x_shape: Shape,
    w_shape: Shape,
    *,
    b_shape: Shape | None = None,
    dedo_shape: Shape | None = None,
    **options: Unpack[LayerOptions],
) -> Layer:
    """The layer that arrays of these shapes make.

    Args:
        x_shape: X's shape as its user writes it: (*S), (C, *S) or (N, C, *S), or in the order of `layout`.
        w_shape: W's shape: (*K), (C, *K) or (F, C/g, *K), or in the order of `filter_layout`.
        b_shape: the bias's shape; None for a layer without a bias.
        dedo_shape: the shape of dE/dO, which must be O's; None if it is unknown.
        options: the layer's options, as for `cnngrad.forward`.

    Raises:
        CnngradError: the shapes or options don't make a layer.
        TypeError: an option that a layer does not have.
    """
    for name in options:
        if name not in OPTIONS:
            raise TypeError(f"{name!r} is not an option of a layer: use {', '.join(OPTIONS)}")
    plain = {name: plain_option(name, value) for name, value in options.items()}
    return _make_layer(x=tuple(x_shape), w=tuple(w_shape), b=b_shape, dedo=dedo_shape, **plain)


def layer_of(shapes: Mapping[Tensor, Shape], **options: Unpack[LayerOptions]) -> Layer:
    """The layer that X and W make, with b and dE/dO if their shapes are given; options as for `make_layer`."""
    return make_layer(shapes[X], shapes[W], b_shape=shapes.get(B), dedo_shape=shapes.get(DEDO), **options)


@lru_cache(maxsize=256)
def _make_layer(**written: Any) -> Layer:
    # Shapes and options as the user writes them.
    asked = SimpleNamespace(**DEFAULTS | written)
    is_chosen = asked.layout is not None or asked.filter_layout is not None
    try:
        layer = _in_layouts(asked)
    except CnngradError as error:
        raise CnngradError(f"{error}{_hint(asked, is_chosen)}") from None
    last = channels_last(layer.dims)
    if not is_chosen and layer.x_lead and next(_in_other_layouts(asked, layer.dims, last), None):
        own, other = (word[2 - layer.x_lead :] for word in (f"nc{last[1:-1]}", last))
        others = f"{layer.others} (X read as {own.upper()}; for {other.upper()} use --layout {other})"
        return replace(layer, others=others)
    return layer


def _in_other_layouts(asked: SimpleNamespace, dims: int, *layouts: str | None) -> Iterator[Layer]:
    """The layers that the same arrays make in some layouts, and in the filter layouts of other libraries."""
    spatial = channels_last(dims)[1:-1]
    # TensorFlow, TensorFlow Lite, and transposed convolutions.
    words = (f"{spatial}io", f"o{spatial}i", f"io{spatial}")
    written = [word.translate(EXCHANGED) if asked.transposed else word for word in words]
    for data, kernel in product(layouts, (*written, None)):
        with suppress(CnngradError):
            yield _in_layouts(SimpleNamespace(**vars(asked) | {"layout": data, "filter_layout": kernel, "dims": dims}))


def _hint(asked: SimpleNamespace, is_chosen: bool) -> str:
    """Advice on shapes that make no layer: another shape of a depthwise W, or another layout; empty if neither fits."""
    groups, w = asked.groups, asked.w
    # Our W of a depthwise layer from one of shape (C, *K) or (*K, C, M); X may have a batch axis.
    if not asked.transposed and groups != 1:
        if w[:1] == (groups,) and len(w) == len(asked.x) - 1:
            return f"; for a depthwise layer type W.reshape{(groups, 1, *w[1:])}"
        if w[-2:-1] == (groups,) and len(w) > 2 and len(asked.x) in (len(w) - 1, len(w)):
            shape, word = (*w[:-2], 1, groups * w[-1]), f"{channels_last(len(w) - 2)[1:-1]}io"
            typed = f"W.reshape{shape} with --filter-layout {word} (filter_layout= in Python)"
            return f"; for a depthwise layer type {typed}"
    for dims in () if is_chosen else (2, 1, 3):
        if asked.dims in (None, dims) and len(asked.x) > dims:
            for layer in _in_other_layouts(asked, dims, channels_last(dims), None):
                chosen = (("layout", layer.layouts.data), ("filter-layout", layer.filter_word(layer.layouts.filter)))
                flags = {flag: word for flag, word in chosen if word}
                # If the kernel's sizes differ, the fit is probably a coincidence.
                if flags and len(set(layer.kernel)) == 1:
                    say = " ".join(f"--{flag} {word}" for flag, word in flags.items())
                    fit = " with ".join(map(str.upper, flags.values()))
                    return f"; these shapes would fit as {fit}: use {say} (layout=, filter_layout= in Python)"
    return ""


def _in_layouts(asked: SimpleNamespace) -> Layer:
    layouts, told = read_layouts(asked.layout, asked.filter_layout, transposed=asked.transposed)
    for tensor, shape in ((X, asked.x), (W, asked.w)):
        if not shape:
            raise CnngradError(f"{tensor.key} is a single number: it must be an array with at least one axis")
        if 0 in shape:
            axis = shape.index(0) + 1
            raise CnngradError(f"{tensor.key} has shape {shape}: axis {axis} is empty, it must hold a number")
        layouts.check(tensor, shape)
    if asked.dims is not None:
        d = integer("dims", asked.dims, least=1)
        if d > 3:
            raise CnngradError(f"dims is {d}: it must be 1, 2 or 3, the number of spatial axes")
        if told not in (None, d):
            raise CnngradError(f"dims is {d}, but the layout has {counted(told, 'spatial axis', 'spatial axes')}")
    else:
        axes = len(asked.x), len(asked.w)
        d = told or (1 if axes == (1, 1) else 3 if 5 in axes else 2)
    others = _other_dims(d, asked, layouts) if told is None else iter(())
    try:
        layer = _with_axes(d, asked, layouts)
    except CnngradError as error:
        if (dims := next(others, None)) is None:
            raise
        raise CnngradError(
            f"{error}; for a layer with {counted(dims, 'spatial axis', 'spatial axes')} "
            f"use --dims {dims} (dims={dims} in Python)"
        ) from None
    if asked.dims is not None or (dims := next(others, None)) is None:
        return layer
    return replace(layer, others=f" ({d} spatial axes; for {dims} use --dims {dims})")


def _other_dims(d: int, asked: SimpleNamespace, layouts: Layouts) -> Iterator[int]:
    """The other numbers of spatial axes for which the same arrays and options also make a layer."""
    for dims in {1, 2, 3} - {d}:
        with suppress(CnngradError):
            yield _with_axes(dims, asked, layouts).dims


def _with_axes(d: int, asked: SimpleNamespace, layouts: Layouts) -> Layer:
    """The layer with `d` spatial axes."""
    x_lead, w_lead = len(asked.x) - d, len(asked.w) - d
    if (x_lead, w_lead) not in _ROWS - ({(1, 1)} if asked.transposed else set()):
        x = ", ".join(_AXIS_LETTERS[d])
        w = ", ".join(f"k{letter.lower()}" for letter in _AXIS_LETTERS[d])
        lead, full = (f"; (C, {x}) with (C, {w})", f"F, C/g, {w}") if not asked.transposed else ("", f"C, F/g, {w}")
        rows = f"({x}) with ({w}){lead}; (C, {x}) with ({full}); (N, C, {x}) with ({full})"
        raise CnngradError(
            f"X {asked.x} and W {asked.w} don't fit together with {counted(d, 'spatial axis', 'spatial axes')}. "
            f"X with W may be {rows}"
        )
    batch, channels, *sizes = (1,) * (2 - x_lead) + layouts.standard_shape(X, asked.x)
    filters, reads, *kernels = (1,) * (2 - w_lead) + layouts.standard_shape(W, asked.w)
    groups = integer("groups", asked.groups, least=1)
    given = f"X {asked.x} has {counted(channels, 'channel')}"
    if channels % groups:
        raise CnngradError(f"{given}, which groups {groups} does not divide: groups must divide the channels")
    if asked.transposed:
        if filters != channels:
            raise CnngradError(
                f"{given}, but W {asked.w} has {filters}: a transposed layer's W has the shape (C, F/g, …), with the "
                f"channels of X first"
            )
        filters, reads = groups * reads, channels // groups
    if filters % groups:
        raise CnngradError(
            f"W {asked.w} has {counted(filters, 'filter')}, which groups {groups} does not divide: "
            f"groups must divide the filters"
        )
    if reads != channels // groups:
        fits = channels % reads == 0 and filters % (channels // reads) == 0
        hint = f", or groups {channels // reads}" if fits else ""
        raise CnngradError(
            f"{given}, but W {asked.w} reads {reads} with groups {groups}: W must read {channels // groups}{hint}"
        )
    axes = tuple(_axes(asked, sizes, kernels))
    numbers = batch * filters * prod(axis.out for axis in axes)
    if numbers > _MOST_NUMBERS:
        raise CnngradError(f"O would have {numbers:.1e} numbers, more than any memory holds: use less padding")
    layer = Layer(axes, batch, channels, filters, groups, x_lead, w_lead, asked.b is not None, layouts=layouts)
    if asked.b is not None:
        layer.check_bias(asked.b)
    if asked.dedo is not None:
        layer.check_dedo(asked.dedo)
    return layer


def _axes(asked: SimpleNamespace, sizes: Sequence[int], kernels: Sequence[int]) -> Iterable[Axis]:
    d = len(sizes)
    strides = one_per_axis("stride", asked.stride, d, least=1)
    dilations = one_per_axis("dilation", asked.dilation, d, least=1)
    mode = padding_mode(asked.padding_mode)
    each = zip(sizes, kernels, strides, dilations, strict=True)
    bare = [Axis(*numbers, flip=asked.flip, mode=mode, transposed=asked.transposed) for numbers in each]
    if asked.transposed:
        return _transposed_axes(asked, bare)
    for name in ("output_padding", "output_size"):
        if getattr(asked, name) not in (0, None):
            raise CnngradError(f"{name} belongs to a transposed convolution: say transposed too, or leave it out")
    axes = padded_axes(asked.padding, bare)
    for axis, letter in zip(axes, _AXIS_LETTERS[d], strict=True):
        pad = max(axis.before, axis.after)
        if pad > (most := axis.size + BORDERS[mode].most):
            raise CnngradError(
                f"padding {pad} is too large for padding_mode {mode}: along {letter} the input is {axis.size}, which "
                f"fills at most {most} positions on each side"
            )
        if axis.span > axis.padded:
            dilated = f" (dilation {axis.dilation}: {axis.span})" if axis.dilation > 1 else ""
            padded = f" (padded: {axis.padded})" if axis.padded > axis.size else ""
            raise CnngradError(
                f"W {asked.w} does not fit into X {asked.x}: along {letter} the kernel is {axis.kernel}{dilated} and "
                f"the input {axis.size}{padded}: use a smaller kernel or more padding"
            )
    return axes


def _transposed_axes(asked: SimpleNamespace, bare: list[Axis]) -> Iterator[Axis]:
    d = len(bare)
    if asked.padding_mode != "zeros":
        raise CnngradError(
            f"padding_mode {asked.padding_mode} has no meaning with transposed: there, padding is cut off O"
        )
    extra = one_per_axis("output_padding", asked.output_padding, d, least=0)
    is_same = isinstance(asked.padding, str) and asked.padding.lower().startswith("same")
    is_sized = is_same or asked.output_size is not None
    if any(extra) and is_sized:
        reason = "padding same gives O" if is_same else "output_size gives O"
        raise CnngradError(f"{reason} its size: leave out output_padding")
    if asked.output_size is not None:
        sizes = one_per_axis("output_size", asked.output_size, d, least=1)
        extra = tuple(size - axis.stride * axis.size for size, axis in zip(sizes, bare, strict=True))
    # Padding `same` depends on how much O exceeds stride * size.
    bare = [replace(axis, extra=more) for axis, more in zip(bare, extra, strict=True)]
    for made, letter in zip(padded_axes(asked.padding, bare), _AXIS_LETTERS[d], strict=True):
        if is_sized:
            made = replace(made, extra=made.extra + (made.stride * made.size + made.extra - made.out))
        if made.extra < 0:
            least = made.out - made.extra
            raise CnngradError(
                f"output_size {made.out} is too small along {letter}: X {asked.x} makes {least} at least"
            )
        if made.out < 1:
            raise CnngradError(
                f"the padding cuts off all of O along {letter}: {made.before} and {made.after} positions of the "
                f"{made.out + made.before + made.after} that X makes"
            )
        yield made


# How many axes X and W have in front of the spatial ones, for each row of the shapes table.
_ROWS = {(0, 0), (1, 1), (1, 2), (2, 2)}
