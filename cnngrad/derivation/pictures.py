"""Pictures of one element: its window on X, the outputs it feeds, or the shift of the full convolution."""

from collections.abc import Iterator, Sequence
from functools import partial

from cnngrad.derivation.blocks import Block, GridRow, Part, Phrase, Picture, Sentence
from cnngrad.derivation.formulas import axis_words
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
    layer, (left, right) = names.layer, OPERANDS[tensor]
    title, tracks, lying = _tracks(layer, tensor, index[2:])
    if not all(track.covered for track in tracks):
        return
    for left_lead, right_lead in leads(layer, tensor, index[:2])[:_MOST_PICTURES]:
        upper, lower = (left, left_lead), (right, right_lead)
        if tensor is DX:
            upper, lower = lower, upper
        below = partial(grids, names, lower[0], lead=lower[1], title=title, tracks=tracks)
        turned = upper[0] is W and layer.flip != (tensor is DX)
        beside = grids(names, upper[0], values, upper[1], tracks=lying, turned=turned)
        yield Picture(
            GridRow((*below(values={}, partner=upper),)),
            GridRow((*below(values=values, partner=upper),)) if X in values else None,
            GridRow((*below(values=values), "and", *beside)),
        )


def _tracks(layer: Layer, tensor: Tensor, place: Index) -> tuple[str, list[Track], list[Track]]:
    """The title and the tracks of what lies below, with the cells that are covered, and the tracks of what covers it.

    The latter are empty for W as it is.
    """
    axes = list(zip(layer.axes, place, strict=True))
    if tensor is O:
        return "X", around(layer, [framed_input(axis, axis.window(i)) for axis, i in axes]), []
    if tensor is DX:
        return "∂E/∂O, framed", around(layer, [framed_output(axis, axis.cover(h)) for axis, h in axes]), []
    pairs = [axis.terms(tensor, u) for axis, u in axes]
    inputs = [plain(size, {h: i for i, h in found}) for size, found in zip(layer.size, pairs, strict=True)]
    outputs = [plain(size, dict(found)) for size, found in zip(layer.out, pairs, strict=True)]
    return "X", around(layer, inputs), around(layer, outputs)


def around(layer: Layer, tracks: Sequence[Track]) -> list[Track]:
    """Tracks cut to the surroundings of what is covered, where they are long."""
    words = axis_words(layer.dims)
    return [track.around(MOST_POSITIONS, word) for track, word in zip(tracks, words, strict=True)]
