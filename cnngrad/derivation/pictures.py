"""Pictures of one element: its window on X, the outputs it feeds, or the shift of the full convolution."""

from collections.abc import Callable, Iterator
from functools import partial

from cnngrad.derivation.blocks import Block, GridRow, Maths, Part, Picture, Sentence
from cnngrad.derivation.formulas import axis_words
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.matrices import Track, framed_input, framed_output, plain, plain_grids, track_grids
from cnngrad.derivation.words import is_padded
from cnngrad.layer import Axis
from cnngrad.layer.names import Index, Names, Values
from cnngrad.tensor import Tensor

__all__ = ["IN_BRACKETS", "described_picture", "pictures"]

# A picture of a larger grid shows only the surroundings of the covered cells, and this many channels or filters.
_MOST_POSITIONS = 6
_MOST_PICTURES = 4

# How covered cells are marked: in brackets, or with a line around them.
IN_BRACKETS = Maths("in [brackets]", r"\text{in boxes}")

Words = tuple[Part, ...]
# What lies on what: the grids of one, and the tensor, its sample, filter or channel, and its grids.
Row = tuple[str, Tensor, Index, list[Track], tuple[Tensor, Index], Callable[[Values], list[Grid]]]


def described_picture(names: Names, values: Values, tensor: Tensor, index: Index) -> Iterator[Block]:
    """A sentence, and the pictures in symbols, and in numbers where there are any."""
    if tensor in _PICTURES:
        sentence, _ = _PICTURES[tensor]
        yield Sentence(sentence(names, index))
        if names.layer.dims == 3:
            yield Sentence(("Depths without a marked cell are left out.",))
        yield from pictures(names, values, tensor, index)


def pictures(names: Names, values: Values, tensor: Tensor, index: Index) -> Iterator[Picture]:
    """Where the terms of an element of o, dE/dw or dE/dx come from: their factors lie on each other."""
    _, rows = _PICTURES[tensor]
    for title, below, lead, tracks, partner, other in rows(names, index):
        if not all(track.covered for track in tracks):
            continue
        lying = partial(track_grids, names, title, below, lead, tracks)
        yield Picture(
            GridRow((*lying({}, partner),)),
            GridRow((*lying(values, partner),)) if Tensor.X in values else None,
            GridRow((*lying(values), "and", *other(values))),
        )


def _window_words(names: Names, index: Index) -> Words:
    layer = names.layer
    padded = "X with its padding" if is_padded(layer) else "X"
    w = "W rotated by 180°" if layer.flip else "W"
    return ("For ", names.symbol(Tensor.O, index), f", {w} lies on {padded}", *_each(layer.group_channels, "channel"))


def _window(names: Names, index: Index) -> Iterator[Row]:
    """The window of an output on X, channel by channel."""
    layer, (n, f, *i) = names.layer, index
    first = f // layer.group_filters * layer.group_channels
    tracks = [
        framed_input(axis, {axis.position(i_a, u): u for u in range(axis.kernel)}).around(_MOST_POSITIONS, word)
        for axis, i_a, word in zip(layer.axes, i, axis_words(layer.dims), strict=True)
    ]
    for c in range(min(layer.group_channels, _MOST_PICTURES)):
        yield "X", Tensor.X, (n, first + c), tracks, (Tensor.W, (f, c)), _filter(names, (f, c), layer.flip)


def _fed_words(names: Names, index: Index) -> Words:
    w, layer = names.symbol(Tensor.DW, index), names.layer
    return ("For ", w, ", ∂E/∂O lies on X", *_each(layer.batch, "sample"))


def _fed_outputs(names: Names, index: Index) -> Iterator[Row]:
    """The inputs that a filter element multiplies, and the outputs that it feeds, sample by sample."""
    layer, (f, c, *u) = names.layer, index
    channel = f // layer.group_filters * layer.group_channels + c
    pairs = [axis.inputs_of_tap(u_a) for axis, u_a in zip(layer.axes, u, strict=True)]
    words = axis_words(layer.dims)
    inputs = [
        plain(a.size, {h: i for i, h in p}).around(_MOST_POSITIONS, word)
        for a, p, word in zip(layer.axes, pairs, words, strict=True)
    ]
    outputs = [
        plain(a.out, {i: h for i, h in p}).around(_MOST_POSITIONS, word)
        for a, p, word in zip(layer.axes, pairs, words, strict=True)
    ]
    for n in range(min(layer.batch, _MOST_PICTURES)):

        def dedo(values: Values, n: int = n) -> list[Grid]:
            return list(track_grids(names, "∂E/∂O", Tensor.DEDO, (n, f), outputs, values))

        yield "X", Tensor.X, (n, channel), inputs, (Tensor.DEDO, (n, f)), dedo


def _shift_words(names: Names, index: Index) -> Words:
    w = "W" if names.layer.flip else "W rotated by 180°"
    x = names.symbol(Tensor.DX, index)
    return ("For ", x, f", {w} lies on framed ∂E/∂O", *_each(names.layer.group_filters, "filter"))


def _shift(names: Names, index: Index) -> Iterator[Row]:
    """The filter lying on framed dE/dO where the full convolution computes an input's gradient, filter by filter."""
    layer, (n, c, *h) = names.layer, index
    group, channel = divmod(c, layer.group_channels)
    tracks = [
        framed_output(axis, _from_the_end(axis, h_a)).around(_MOST_POSITIONS, word)
        for axis, h_a, word in zip(layer.axes, h, axis_words(layer.dims), strict=True)
    ]
    for f in range(group * layer.group_filters, (group + 1) * layer.group_filters)[:_MOST_PICTURES]:
        turned = _filter(names, (f, channel), not layer.flip)
        yield "∂E/∂O, framed", Tensor.DEDO, (n, f), tracks, (Tensor.W, (f, channel)), turned


def _from_the_end(axis: Axis, h: int) -> dict[int, int]:
    """The positions of framed dE/dO that the filter covers for an input, each with the filter's element there."""
    order = range(axis.kernel) if axis.flip else range(axis.kernel)[::-1]
    return dict(zip(sorted(axis.cover(h)), order, strict=True))


def _filter(names: Names, lead: Index, turned: bool) -> Callable[[Values], list[Grid]]:
    title = "W rotated" if turned else "W"
    return lambda values: list(plain_grids(names, title, Tensor.W, lead, values, turned=turned))


_PICTURES: dict[Tensor, tuple[Callable[[Names, Index], Words], Callable[[Names, Index], Iterator[Row]]]] = {
    Tensor.O: (_window_words, _window),
    Tensor.DW: (_fed_words, _fed_outputs),
    Tensor.DX: (_shift_words, _shift),
}


def _each(count: int, word: str) -> Words:
    if count == 1:
        return (", the products ", IN_BRACKETS, ":")
    shown = f", the first {_MOST_PICTURES} of {count}" if count > _MOST_PICTURES else ""
    return (f", {word} by {word}{shown}, the products ", IN_BRACKETS, ":")
