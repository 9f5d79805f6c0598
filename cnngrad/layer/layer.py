"""A layer: its sizes, the layout in which its user writes the arrays, and its description in words."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from cnngrad.errors import CnngradError
from cnngrad.layer.axis import Axis, Places
from cnngrad.layer.layout import EXCHANGED, Array, Layouts, Shape
from cnngrad.schema import Json
from cnngrad.tensor import DEDO, DX, B, O, Tensor, W, X


# Compared and hashed by identity, which is quick: `make_layer` gives the same layer for the same shapes and options.
@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution layer's sizes, and which axes its user writes, in which order.

    Inside cnngrad axes are in the order (sample, channel, *spatial); `layouts` has the order in which users write them.

    Attributes:
        axes: the spatial axes, slowest first.
        batch: N, the number of samples (1 if X has no batch axis).
        channels: C, the input channels (1 if X has no channel axis).
        filters: F, the number of filters, which is the number of output channels.
        groups: g; filter f reads the C/g channels of its group only.
        x_lead: the number of axes that X has in front of its spatial ones: 0, 1 (channel) or 2 (batch, channel).
        w_lead: the same for W: 0, 1 (channel) or 2 (filter, channel).
        has_bias: whether the layer adds b.
        layouts: the order of the axes in the user's arrays.
        others: the options with which the same arrays would make another layer, in brackets; empty if there are none,
            or if the user has chosen.
        twin: the transposed layer whose products this convolution makes; None for a layer of its own.
    """

    axes: tuple[Axis, ...]
    batch: int
    channels: int
    filters: int
    groups: int
    x_lead: int
    w_lead: int
    has_bias: bool = False
    layouts: Layouts = field(default_factory=Layouts)
    others: str = ""
    twin: "Layer | None" = None

    @cached_property
    def dims(self) -> int:
        """The number of spatial axes."""
        return len(self.axes)

    @property
    def axis_words(self) -> tuple[str, ...]:
        """What the spatial axes count: rows and columns, or positions if there is only one axis."""
        return ("position",) if self.dims == 1 else ("depth", "row", "column")[-self.dims :]

    @property
    def named_axes(self) -> "zip[tuple[Axis, str]]":
        """The axes, each with what it counts."""
        return zip(self.axes, self.axis_words, strict=True)

    @cached_property
    def flip(self) -> bool:
        """Whether W is rotated before it slides."""
        return self.axes[0].flip

    @cached_property
    def mode(self) -> str:
        """What the padding holds: zeros, or elements of X."""
        return self.axes[0].mode

    @cached_property
    def transposed(self) -> bool:
        """Whether this is a transposed convolution."""
        return self.axes[0].transposed

    @cached_property
    def is_padded(self) -> bool:
        """Whether X has any padding."""
        return any(axis.before or axis.after for axis in self.axes)

    @cached_property
    def is_strided(self) -> bool:
        """Whether zeros stand between the elements of dE/dO, or of a transposed layer's X."""
        return any(axis.stride > 1 and axis.windows > 1 for axis in self.axes)

    @cached_property
    def is_dilated(self) -> bool:
        """Whether there are gaps between the filter's elements."""
        return any(axis.dilation > 1 and axis.kernel > 1 for axis in self.axes)

    @cached_property
    def conv(self) -> "Layer":
        """The convolution that makes the same products: the layer itself, or the twin of a transposed one.

        The twin reads an array of O's shape and gives one of X's, with the same W: its filters are the channels of X.
        """
        if not self.transposed:
            return self
        axes = tuple(axis.conv for axis in self.axes)
        return replace(self, axes=axes, channels=self.filters, filters=self.channels, twin=self)

    @property
    def own(self) -> "Layer":
        """The user's layer: the transposed one whose twin this is, or this one."""
        return self.twin or self

    @cached_property
    def role(self) -> dict[Tensor, Tensor]:
        """Which tensor of `conv` each tensor is: in a transposed layer X and dE/dO change places; so do O and dE/dX."""
        changed = {X: DEDO, DEDO: X, O: DX, DX: O} if self.transposed else {}
        return {tensor: changed.get(tensor, tensor) for tensor in Tensor}

    @cached_property
    def framed(self) -> "Layer":
        """The layer without padding whose X is this layer's padded X."""
        return replace(self, axes=tuple(replace(a, size=a.padded, before=0, after=0, mode="zeros") for a in self.axes))

    def with_axes(self, **changes: Any) -> "Layer":
        """The layer with the same changes of all its axes."""
        return replace(self, axes=tuple(replace(axis, **changes) for axis in self.axes))

    def bordered(self, x: Array) -> Array:
        """X with the elements that stand in its padding; X itself if these are zeros."""
        return bordered(x, [axis.border if axis.mode != "zeros" else () for axis in self.axes])

    def folded(self, sums: Array) -> Array:
        """dE/dX from the gradient of X with its padding: the sum over all places where an element stands.

        Args:
            sums: the gradient of X with its padding; it is changed, and returned in part.
        """
        for number, axis in enumerate(self.axes, -self.dims):
            if axis.mode != "zeros":
                along = np.moveaxis(sums, number, 0)
                inside = along[axis.before : axis.before + axis.size]
                for place in axis.around:
                    inside[axis.border[place]] += along[place]
                sums = np.moveaxis(inside, 0, number)
        return sums

    @cached_property
    def copies(self) -> int:
        """An upper bound on the number of places where an element of X stands, its own and those in the padding."""
        return prod(axis.copies for axis in self.axes)

    @cached_property
    def unflipped(self) -> "Layer":
        """The layer that computes the same without `flip`, once W is rotated by 180 degrees."""
        return self.with_axes(flip=False) if self.flip else self

    def rotated(self, w: Array) -> Array:
        """A view of W or its gradient, rotated by 180 degrees if the layer has `flip`: for `unflipped`, or back.

        Args:
            w: an array whose last axes are the filter's.
        """
        return np.flip(w, tuple(range(-self.dims, 0))) if self.flip else w

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

    @cached_property
    def canonical(self) -> dict[Tensor, Shape]:
        """The shapes used internally: X (N, C, *S), W (F, C/g, *K), O (N, F, *S_out), b (F,); same for gradients.

        In a transposed layer W is (C, F/g, *K).
        """
        shapes = {
            X: (self.batch, self.channels, *self.size),
            W: (self.conv.filters, self.conv.group_channels, *self.kernel),
            O: (self.batch, self.filters, *self.out),
            B: (self.own.filters,),
        }
        return {tensor: shapes[tensor.array] for tensor in Tensor}

    @cached_property
    def by_groups(self) -> Shape:
        """The shape of W by groups, (g, F/g, C/g, *K), or (g, C/g, F/g, *K) in a transposed layer."""
        return (self.groups, self.conv.group_filters, self.conv.group_channels, *self.kernel)

    @cached_property
    def products(self) -> int:
        """The number of products that a convolution adds up in O, as in dE/dW and in dE/dX."""
        return prod(self.canonical[O]) * prod(self.canonical[W][1:])

    @cached_property
    def largest(self) -> int:
        """The number of elements of the layer's largest array."""
        return max(map(prod, self.canonical.values()))

    @cached_property
    def lead(self) -> dict[Tensor, int]:
        """The number of axes that each tensor has in front of its spatial ones."""
        # Without a filter axis in W, b has no axis, and O has spatial axes only.
        leads = {X: self.x_lead, W: self.w_lead, B: self.w_lead // 2, O: self.w_lead // 2 * self.x_lead}
        return {tensor: leads[tensor.array] for tensor in Tensor}

    def lead_words(self, tensor: Tensor) -> tuple[str, ...]:
        """What the axes in front of the spatial ones count: in a transposed layer W's are channel and filter."""
        return tensor.lead_words[:: -1 if self.transposed and tensor.array is W else 1]

    def words_of(self, tensor: Tensor) -> tuple[str, ...]:
        """What all axes of an array count."""
        return (*self.lead_words(tensor), *self.axis_words)

    @cached_property
    def shapes(self) -> dict[Tensor, Shape]:
        """The shapes without the leading axes that the user's arrays don't have, in cnngrad's order of axes."""
        return {tensor: shape[len(tensor.lead_words) - self.lead[tensor] :] for tensor, shape in self.canonical.items()}

    @cached_property
    def written(self) -> dict[Tensor, Shape]:
        """The shapes as the user writes them."""
        return {tensor: self.layouts.written_shape(tensor, shape) for tensor, shape in self.shapes.items()}

    def canonical_index(self, tensor: Tensor, index: Shape) -> Shape:
        """The canonical index of an element, from its index in an array of `shapes`."""
        return (0,) * (len(tensor.lead_words) - self.lead[tensor]) + index

    @property
    def line(self) -> str:
        """The layer in one line, e.g. `X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2`.

        >>> from cnngrad.layer import make_layer
        >>> make_layer((3, 3), (2, 2)).line
        'X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2'
        """
        shapes = self.written
        arrays = [X, W, *[B] * self.has_bias]
        # Without a filter axis in W, b has no axis: nothing follows its key.
        parts = [f"{tensor.key} {'×'.join(map(str, shapes[tensor]))}".rstrip() for tensor in arrays]
        return " · ".join([*parts, *self.settings()]) + f" → O {'×'.join(map(str, shapes[O]))}"

    def describe(self) -> str:
        """The layer in one line, with the options that would read the same arrays in another way."""
        return self.line + self.others

    def settings(self) -> list[str]:
        """Stride and padding, and the other options if they differ from their default, in words."""
        layouts, extra, dilation = self.layouts, self._each("extra"), self._each("dilation")
        pads = ",".join(f"{axis.before}:{axis.after}" for axis in self.axes)
        even = all(axis.before == axis.after for axis in self.axes)
        words = {
            "transposed": self.transposed,
            f"stride {_in_short(self._each('stride'))}": True,
            f"padding {_in_short(self._each('before')) if even else pads}": True,
            self.mode: self.mode != "zeros",
            f"output padding {_in_short(extra)}": extra != 0,
            f"dilation {_in_short(dilation)}": dilation != 1,
            f"groups {self.groups}": self.groups > 1,
            "flip": self.flip,
            f"layout {layouts.data}": layouts.data,
            f"filter layout {self.filter_word(layouts.filter)}": layouts.filter,
        }
        return [word for word, differs in words.items() if differs]

    def filter_word(self, word: str) -> str:
        """A filter layout in the user's letters, or back: in a transposed layer the twin's filters are its channels."""
        return word.translate(EXCHANGED) if self.transposed else word

    @cached_property
    def options(self) -> Json:
        """The layer's options as users write them: one number if all axes agree.

        >>> from cnngrad.layer import make_layer
        >>> layer = make_layer((5, 6), (2, 2), stride=2, padding="same")
        >>> layer.options["stride"], layer.options["padding"], layer.options["layout"]
        (2, [[0, 1], [0, 0]], 'nchw')
        """
        pads = [[axis.before, axis.after] for axis in self.axes]
        transposed = {"transposed": True, "output_padding": self._each("extra")} if self.transposed else {}
        same = len({*chain(*pads)}) == 1
        return {
            "stride": self._each("stride"),
            "padding": pads[0][0] if same else pads,
            **({"padding_mode": self.mode} if self.mode != "zeros" else {}),
            "dilation": self._each("dilation"),
            "groups": self.groups,
            "flip": self.flip,
            "dims": self.dims,
            "layout": self.layouts.data or f"nc{'dhw'[-self.dims :]}",
            "filter_layout": self.filter_word(self.layouts.filter or f"oi{'dhw'[-self.dims :]}"),
        } | transposed

    def _each(self, name: str) -> int | list[int]:
        """What an attribute of the axes is: one number if all axes agree."""
        values = [getattr(axis, name) for axis in self.axes]
        return values if len(set(values)) > 1 else values[0]

    def as_json(self) -> Json:
        """The layer as plain data: the shapes as the user writes them, and the options."""
        named = (X, W, *[B] * self.has_bias, O)
        return {"shapes": {tensor.key: list(self.written[tensor]) for tensor in named}} | self.options

    def check_dedo(self, shape: Shape) -> None:
        """Raise a CnngradError unless `shape` is O's, as the user writes it."""
        shapes = self.written
        if shape != shapes[O]:
            raise CnngradError(
                f"dEdO has shape {shape}, but X {shapes[X]} with W {shapes[W]}, {', '.join(self.settings())} gives O "
                f"{shapes[O]}: dEdO must have O's shape"
            )

    def check_bias(self, shape: Shape) -> None:
        """Raise a CnngradError unless b has one number per filter (a scalar is accepted if W has no filter axis)."""
        accepted = [(self.filters,)] if self.w_lead == 2 else [(), (1,)]
        if shape not in accepted:
            one = "one number per filter" if self.w_lead == 2 else "one number for the one filter"
            raise CnngradError(
                f"b has shape {shape}, but W {self.written[W]} has {counted(self.filters, 'filter')}: "
                f"b must have {one}, shape {' or '.join(map(str, accepted))}"
            )


def bordered(x: Array, borders: Sequence[Places]) -> Array:
    """X with its padding: the input that each position of an axis stands for, -1 for a zero; empty if it has none."""
    for axis, border in enumerate(borders, -len(borders)):
        if len(border):
            x = x.take(border, axis)
            np.moveaxis(x, axis, 0)[np.less(border, 0)] = 0
    return x


def _in_short(values: int | list[int]) -> str:
    return ",".join(map(str, np.ravel(values)))


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun, in the singular or plural.

    >>> counted(1, "axis", "axes"), counted(2, "axis", "axes")
    ('1 axis', '2 axes')
    """
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def joined(words: Sequence[str], last: str = "and") -> str:
    """Words in a list, as in a sentence.

    >>> joined(["X", "W", "b"]), joined(["X", "W"], "or")
    ('X, W and b', 'X or W')
    """
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
