"""Makes layers from users' shapes and options, and raises the errors where these do not make a layer."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple, Unpack

from cnngrad.errors import CnngradError
from cnngrad.layer.axis import Axis
from cnngrad.layer.layer import Layer, Shape, counted
from cnngrad.layer.layout import Layouts, channels_last, filter_layouts, read_layouts
from cnngrad.layer.options import integer, one_per_axis, pads_per_axis, plain_option
from cnngrad.settings import OPTIONS, LayerOptions
from cnngrad.tensor import Tensor

__all__ = ["layer_of", "make_layer", "shapes_table"]

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
        dedo_shape: the shape of dE/dO, which must be O's; None where it is not known.
        options: the layer's options, as for `cnngrad.forward`.

    Raises:
        CnngradError: the shapes or options don't make a layer.
        TypeError: an option that a layer does not have.
    """
    if unknown := options.keys() - OPTIONS.keys():
        raise TypeError(f"{unknown.pop()!r} is not an option of a layer: use {', '.join(OPTIONS)}")
    plain = {name: bool(value) if name == "flip" else plain_option(name, value) for name, value in options.items()}
    return _make_layer(_Asked(tuple(x_shape), tuple(w_shape), b_shape, dedo_shape, **plain))


def layer_of(shapes: Mapping[Tensor, Shape], **options: Unpack[LayerOptions]) -> Layer:
    """The layer that X and W make, with b and dE/dO where their shapes are given; options as for `make_layer`."""
    return make_layer(
        shapes[Tensor.X],
        shapes[Tensor.W],
        b_shape=shapes.get(Tensor.B),
        dedo_shape=shapes.get(Tensor.DEDO),
        **options,
    )


class _Asked(NamedTuple):
    """Shapes and options as the user writes them, equal where they are the same."""

    x: Shape
    w: Shape
    b: Shape | None
    dedo: Shape | None
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: Any = 1
    flip: bool = False
    dims: Any = None
    layout: Any = None
    filter_layout: Any = None


@lru_cache(maxsize=256)
def _make_layer(asked: _Asked) -> Layer:
    if asked.layout is not None or asked.filter_layout is not None:
        return _in_layouts(asked)
    try:
        layer = _in_layouts(asked)
    except CnngradError as error:
        raise CnngradError(f"{error}{_would_fit(asked)}") from None
    if layer.x_lead == 0:
        return layer
    last = channels_last(layer.dims)
    for filters in (None, *filter_layouts(layer.dims)):
        with suppress(CnngradError):
            _in_layouts(asked._replace(layout=last, filter_layout=filters, dims=layer.dims))
            return replace(layer, other_layout=last[2 - layer.x_lead :])
    return layer


def _would_fit(asked: _Asked) -> str:
    """In which layouts shapes that make no layer would make one, in words; empty where in none."""
    for dims in (2, 1, 3):
        if asked.dims not in (None, dims) or len(asked.x) <= dims:
            continue
        last, filters = channels_last(dims), filter_layouts(dims)
        for data, kernel in [*((last, word) for word in (*filters, None)), *((None, word) for word in filters)]:
            with suppress(CnngradError):
                layer = _in_layouts(asked._replace(layout=data, filter_layout=kernel, dims=dims))
                # An accident where the kernel is of no usual shape.
                if len(set(layer.kernel)) == 1:
                    words = [word.upper() for word in (data, kernel) if word]
                    flags = [f"--layout {data}" if data else "", f"--filter-layout {kernel}" if kernel else ""]
                    say = " ".join(filter(None, flags))
                    return f"; they would fit as {' with '.join(words)}: say {say} (layout=, filter_layout= in Python)"
    return ""


def _in_layouts(asked: _Asked) -> Layer:
    """The layer in the layouts that are asked for."""
    layouts, told = read_layouts(asked.layout, asked.filter_layout)
    for name, shape in (("X", asked.x), ("W", asked.w)):
        if not shape:
            raise CnngradError(f"{name} is a single number: it must be an array with at least one axis")
        if 0 in shape:
            raise CnngradError(f"{name} has shape {shape}: axis {shape.index(0) + 1} is empty, it must hold a number")
    for tensor, shape in ((Tensor.X, asked.x), (Tensor.W, asked.w)):
        layouts.check(tensor, shape)

    def read(d: int) -> Layer:
        layer = _with_axes(d, asked, layouts)
        if asked.b is not None:
            layer.check_bias(asked.b)
        if asked.dedo is not None:
            layer.check_dedo(asked.dedo)
        return layer

    if asked.dims is not None:
        d = integer("dims", asked.dims, least=1)
        if d > 3:
            raise CnngradError(f"dims is {d}: it must be 1, 2 or 3, the number of spatial axes")
        if told not in (None, d):
            raise CnngradError(f"dims is {d}, but the layout has {counted(told, 'spatial axis', 'spatial axes')}")
    else:
        d = told or _likely_dims(asked.x, asked.w)
    try:
        layer = read(d)
    except CnngradError as error:
        others = [] if told else _other_readings(read, d)
        if not others:
            raise
        raise CnngradError(
            f"{error}; or is it a layer of {counted(others[0], 'spatial axis', 'spatial axes')}? "
            f"Then say --dims {others[0]} (dims={others[0]} in Python)"
        ) from None
    if asked.dims is None and not told and (others := _other_readings(read, d)):
        return replace(layer, other_dims=others[0])
    return layer


def _other_readings(read: Callable[[int], Layer], d: int) -> list[int]:
    """The other numbers of spatial axes for which the same arrays and options also make a layer."""
    found = []
    for other in (1, 2, 3):
        if other != d:
            with suppress(CnngradError):
                read(other)
                found.append(other)
    return found


def _with_axes(d: int, asked: _Asked, layouts: Layouts) -> Layer:
    """The layer with `d` spatial axes."""
    x_lead, w_lead = len(asked.x) - d, len(asked.w) - d
    if (x_lead, w_lead) not in _ROWS:
        raise CnngradError(_no_such_row(asked.x, asked.w, d))
    x_full = (1,) * (2 - x_lead) + layouts.standard_shape(Tensor.X, asked.x)
    w_full = (1,) * (2 - w_lead) + layouts.standard_shape(Tensor.W, asked.w)
    g = integer("groups", asked.groups, least=1)
    _check_groups(asked.x, asked.w, x_full[1], w_full[0], w_full[1], g)
    strides = one_per_axis("stride", asked.stride, d, least=1)
    dilations = one_per_axis("dilation", asked.dilation, d, least=1)
    sizes, kernels = x_full[2:], w_full[2:]
    pads = pads_per_axis(asked.padding, sizes, kernels, strides, dilations)
    axes = tuple(
        Axis(size, kernel, s, dil, before, after, asked.flip)
        for size, kernel, s, dil, (before, after) in zip(sizes, kernels, strides, dilations, pads, strict=True)
    )
    for number, axis in enumerate(axes):
        if axis.span > axis.padded:
            raise CnngradError(_kernel_too_large(asked.x, asked.w, axis, _AXIS_LETTERS[d][number]))
    numbers = x_full[0] * w_full[0] * prod(axis.out for axis in axes)
    if numbers > _MOST_NUMBERS:
        raise CnngradError(f"O would have {numbers:.1e} numbers, more than any memory holds: use less padding")
    return Layer(
        axes, x_full[0], x_full[1], w_full[0], g, x_lead, w_lead, has_bias=asked.b is not None, layouts=layouts
    )


# How many axes X and W have in front of the spatial ones, for each row of the shapes table.
_ROWS = {(0, 0), (1, 1), (1, 2), (2, 2)}


def _likely_dims(x_shape: Shape, w_shape: Shape) -> int:
    """The number of spatial axes that the shapes alone suggest."""
    if len(x_shape) == len(w_shape) == 1:
        return 1
    return 3 if 5 in (len(x_shape), len(w_shape)) else 2


def shapes_table(d: int) -> list[tuple[str, str, str]]:
    """The accepted shapes of X, W and O for `d` spatial axes, one tuple of texts per row.

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
    return (
        f"X {x_shape} and W {w_shape} don't go together with {counted(d, 'spatial axis', 'spatial axes')}. "
        f"X with W may be {rows}"
    )


def _check_groups(x_shape: Shape, w_shape: Shape, channels: int, filters: int, reads: int, groups: int) -> None:
    given = f"X {x_shape} has {counted(channels, 'channel')}"
    if channels % groups:
        raise CnngradError(f"{given}, which groups {groups} does not divide: groups must divide the channels")
    if filters % groups:
        raise CnngradError(
            f"W {w_shape} has {counted(filters, 'filter')}, which groups {groups} does not divide: "
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
