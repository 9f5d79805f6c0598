"""Pictures of one element: its window on X, the outputs it feeds, or the shift of the full convolution."""

from collections.abc import Iterator, Sequence
from functools import partial

from cnngrad.derivation.blocks import Block, GridRow, Part, Phrase, Picture, Sentence
from cnngrad.derivation.grids import Track, framed_input, framed_output, grids, plain
from cnngrad.derivation.words import is_padded
from cnngrad.layer import Layer
from cnngrad.layer.expansion import OPERANDS, leads
from cnngrad.layer.names import Index, Names, Values
from cnngrad.tensor import DB, DW, DX, O, Tensor, W, X

# A picture of a larger grid shows only the surroundings of the covered cells, and this many channels or filters.
MOST_POSITIONS = 6
_MOST_PICTURES = 4

# How covered cells are marked: in brackets, or with a line around them.
IN_BRACKETS = Phrase("in boxes", "in [brackets]")


def described_picture(names: Names, values: Values, tensor: Tensor, index: Index) -> Iterator[Block]:
    """A sentence, and the pictures in symbols, and in numbers where there are any."""
    if tensor is DB:
        return
    layer, count = names.layer, len(leads(names.layer, tensor, index[:2]))
    said, word = {
        O: (f"{_w(layer.flip)} lies on {'X with its padding' if is_padded(layer) else 'X'}", "channel"),
        DW: ("∂E/∂O lies on X", "sample"),
        DX: (f"{_w(not layer.flip)} lies on framed ∂E/∂O", "filter"),
    }[tensor]
    shown = f", the first {_MOST_PICTURES} of {count}" if count > _MOST_PICTURES else ""
    each = f", {word} by {word}{shown}" if count > 1 else ""
    parts: tuple[Part, ...] = ("For ", names.symbol(tensor, index), f", {said}", f"{each}, the products ", IN_BRACKETS)
    yield Sentence((*parts, ":"))
    if layer.dims == 3:
        yield Sentence(("Depths without a marked cell are left out.",))
    yield from pictures(names, values, tensor, index)


def _w(turned: bool) -> str:
    return "W rotated by 180°" if turned else "W"


def pictures(names: Names, values: Values, tensor: Tensor, index: Index) -> Iterator[Picture]:
    """Where the terms of an element of o, dE/dw or dE/dx come from: their factors lie on each other."""
    layer, axes = names.layer, list(zip(names.layer.axes, index[2:], strict=True))
    title, lying = "X", []
    if tensor is O:
        tracks = [framed_input(axis, axis.window(i)) for axis, i in axes]
    elif tensor is DX:
        title, tracks = "∂E/∂O, framed", [framed_output(axis, axis.cover(h)) for axis, h in axes]
    else:
        tracks = [plain(axis.size, {h: i for i, h in axis.terms(DW, u)}) for axis, u in axes]
        lying = around(layer, [plain(axis.out, dict(axis.terms(DW, u))) for axis, u in axes])
    if not all(track.covered for track in tracks):
        return
    for pair in leads(layer, tensor, index[:2])[:_MOST_PICTURES]:
        upper, (lower, lead) = list(zip(OPERANDS[tensor], pair, strict=True))[:: -1 if tensor is DX else 1]
        below = partial(grids, names, lower, lead=lead, title=title, tracks=around(layer, tracks))
        turned = upper[0] is W and layer.flip != (tensor is DX)
        beside = grids(names, upper[0], values, upper[1], tracks=lying, turned=turned)
        yield Picture(
            GridRow((*below(values={}, partner=upper),)),
            GridRow((*below(values=values, partner=upper),)) if X in values else None,
            GridRow((*below(values=values), "and", *beside)),
        )


def around(layer: Layer, tracks: Sequence[Track]) -> list[Track]:
    """Tracks cut to the surroundings of what is covered, where they are long."""
    return [track.around(MOST_POSITIONS, f"{word}s") for track, word in zip(tracks, layer.axis_words, strict=True)]
