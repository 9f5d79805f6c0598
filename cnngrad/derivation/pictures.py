"""Pictures of one element: its window on X, the outputs it feeds, or the shift of the full convolution."""

from collections.abc import Callable, Iterator

from cnngrad.derivation.blocks import Block, GridRow, Part, Sentence
from cnngrad.derivation.matrices import framed_input, framed_output, plain, plain_grids, track_grids, turned_filter
from cnngrad.derivation.names import Index, Names, Values
from cnngrad.derivation.words import is_padded
from cnngrad.tensor import Tensor

__all__ = ["described_picture", "picture"]

# A picture of a larger grid shows only the surroundings of the covered cells, and this many channels or filters.
_MOST_POSITIONS = 10
_MOST_PICTURES = 4


def described_picture(names: Names, values: Values, tensor: Tensor, index: Index) -> Iterator[Block]:
    """A sentence, and the picture in symbols, and in numbers where there are any."""
    if tensor in _PICTURES:
        sentence, _ = _PICTURES[tensor]
        yield Sentence(sentence(names, index))
        if names.layer.dims == 3:
            yield Sentence(("Depths without a marked cell are left out.",))
        yield from picture(names, tensor, index)
        if Tensor.X in values:
            yield from picture(names, tensor, index, values)


def picture(names: Names, tensor: Tensor, index: Index, values: Values | None = None) -> Iterator[GridRow]:
    """Where the terms of an element of o, dE/dw or dE/dx come from; covered cells are marked."""
    _, rows = _PICTURES[tensor]
    yield from rows(names, values or {}, index)


Words = tuple[Part, ...]


def _window_words(names: Names, index: Index) -> Words:
    padded = "X with its padding" if is_padded(names.layer) else "X"
    o = names.symbol(Tensor.O, index)
    return (
        "The window of ",
        o,
        f" on {padded} is marked; W lies on it",
        *_each(names.layer.group_channels, "channel"),
    )


def _window(names: Names, values: Values, index: Index) -> Iterator[GridRow]:
    """The window of an output on X, channel by channel."""
    layer, (n, f, *i) = names.layer, index
    first = f // layer.group_filters * layer.group_channels
    tracks = [
        framed_input(axis, [axis.position(i_a, u) for u in range(axis.kernel)]).around(_MOST_POSITIONS)
        for axis, i_a in zip(layer.axes, i, strict=True)
    ]
    for c in range(min(layer.group_channels, _MOST_PICTURES)):
        window = track_grids(names, "X", Tensor.X, (n, first + c), tracks, values)
        w = plain_grids(names, "W rotated" if layer.flip else "W", Tensor.W, (f, c), values, turned=layer.flip)
        yield GridRow((*window, "∗", *w))


def _fed_words(names: Names, index: Index) -> Words:
    w = names.symbol(Tensor.W, index)
    return (w, " multiplies the marked inputs and feeds the marked outputs", *_each(names.layer.batch, "sample"))


def _fed_outputs(names: Names, values: Values, index: Index) -> Iterator[GridRow]:
    """The inputs that a filter element multiplies, and the outputs that it feeds, sample by sample."""
    layer, (f, c, *u) = names.layer, index
    channel = f // layer.group_filters * layer.group_channels + c
    pairs = [axis.inputs_of_tap(u_a) for axis, u_a in zip(layer.axes, u, strict=True)]
    inputs = [plain(a.size, {h for _, h in p}) for a, p in zip(layer.axes, pairs, strict=True)]
    outputs = [plain(a.out, {i for i, _ in p}) for a, p in zip(layer.axes, pairs, strict=True)]
    for n in range(min(layer.batch, _MOST_PICTURES)):
        x = track_grids(names, "X", Tensor.X, (n, channel), inputs, values)
        dedo = track_grids(names, "∂E/∂O", Tensor.DEDO, (n, f), outputs, values)
        yield GridRow((*x, "·", *dedo))


def _shift_words(names: Names, index: Index) -> Words:
    x = names.symbol(Tensor.DX, index)
    lying = "W lies" if names.layer.flip else "W rotated by 180° lies"
    return ("For ", x, f", {lying} on the marked cells of framed ∂E/∂O", *_each(names.layer.group_filters, "filter"))


def _shift(names: Names, values: Values, index: Index) -> Iterator[GridRow]:
    """The filter lying on framed dE/dO where the full convolution computes an input's gradient, filter by filter."""
    layer, (n, c, *h) = names.layer, index
    group, channel = divmod(c, layer.group_channels)
    tracks = [
        framed_output(axis, axis.cover(h_a)).around(_MOST_POSITIONS) for axis, h_a in zip(layer.axes, h, strict=True)
    ]
    for f in range(group * layer.group_filters, (group + 1) * layer.group_filters)[:_MOST_PICTURES]:
        framed = track_grids(names, "∂E/∂O, framed", Tensor.DEDO, (n, f), tracks, values)
        title = "W" if layer.flip else "W rotated"
        yield GridRow((*framed, "∗", *turned_filter(names, title, (f, channel), values)))


_PICTURES: dict[Tensor, tuple[Callable[[Names, Index], Words], Callable[[Names, Values, Index], Iterator[GridRow]]]] = {
    Tensor.O: (_window_words, _window),
    Tensor.DW: (_fed_words, _fed_outputs),
    Tensor.DX: (_shift_words, _shift),
}


def _each(count: int, word: str) -> Words:
    if count == 1:
        return (":",)
    shown = f", the first {_MOST_PICTURES} of {count}" if count > _MOST_PICTURES else ""
    return (f", {word} by {word}{shown}:",)
