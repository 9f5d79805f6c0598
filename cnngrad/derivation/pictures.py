"""Pictures: the window of an element, the outputs it feeds, or the shift of the full convolution; and the matrix M."""

from collections.abc import Iterator
from functools import cache, partial
from itertools import product

import numpy as np

from cnngrad.derivation.blocks import Grids, Phrase
from cnngrad.derivation.board import Board
from cnngrad.derivation.grids import Added, Cell, Fill, Grid, framed_input, framed_output, grids, titled
from cnngrad.derivation.words import laid_out, parts
from cnngrad.layer import Axis, Layer
from cnngrad.layer.expansion import OPERANDS, Expander, leads
from cnngrad.layer.names import Index, Names
from cnngrad.tensor import DEDO, DW, DX, O, Tensor, W, X

# Maximum number of channels, filters or samples in which an element is pictured.
MOST_PICTURES = 4

# How covered cells are marked: in brackets in plain text, otherwise with a line around them.
IN_BRACKETS = Phrase("in boxes", "in [brackets]")


def one_by_one(layer: Layer, tensor: Tensor) -> str:
    """The order of an element's pictures, `, filter by filter, the first 4 of 8`; empty if it has one."""
    count, word = parts(layer, tensor)
    only = f", the first {MOST_PICTURES} of {count}" if count > MOST_PICTURES else ""
    return f", {word} by {word}{only}" if count > 1 else ""


def pictures(board: Board, tensor: Tensor, index: Index, heading: str = "") -> Iterator[Grids]:
    """Pictures of the terms of an element of o, dE/dw or dE/dx: their factors lie on each other."""
    layer, names = board.layer, board.names
    role = layer.role[tensor]
    # For dE/dW the positions that the filter element meets are covered, each with its output.
    cover = {O: Axis.window, DW: Axis.reads, DX: Axis.cover}[role]
    track = framed_output if role is DX else framed_input
    still = layer.role[DEDO if role is DX else X]
    state = laid_out(layer) if role is DX else ", padded" * layer.is_padded
    # An x may stand in the padding too: each place has a picture of its own.
    inside = [
        [place for place in (axis.places([k])[0].tolist() if role is DX else [k]) if place >= -axis.before]
        for axis, k in zip(layer.axes, index[2:], strict=True)
    ]
    for place, pair in product(product(*inside), leads(layer, tensor, index[:2])[:MOST_PICTURES]):
        covered = list(map(cover, layer.axes, place))
        # ∂E/∂O is too large to be shown whole beside X.
        taken = [{i: h for h, i in each.items()} for each in covered] if role is DW else ()
        upper, (lower, lead) = sorted(zip(OPERANDS[tensor], pair, strict=True), key=lambda each: each[0] is still)
        title = heading or titled(layer, lower, lead, f"{still.title}{state}")
        if place != index[2:]:
            title += f", for {names.symbol(tensor.array, index)}′"
        below = partial(grids, tensor=lower, lead=lead, title=title, track=track, covered=covered)
        turned = upper[0] is W and layer.flip != (role is DX)
        beside = grids(names, *upper, turned=turned, covered=taken)
        yield Grids(tuple([*below(each, partner=upper)] for each in board.views), [*below(names), "and", *beside])


def layer_matrix(names: Names, result: Tensor) -> Grid:
    """The matrix that gives O from X, or dE/dX from dE/dO, for one sample; each entry is a w or zero.

    It is M, whose rows are outputs and columns inputs, or its transpose. In a transposed layer M is that of the twin.
    """
    other, expander = X if result is O else DEDO, Expander(names.layer)
    rows, columns = _first_sample(names, result), _first_sample(names, other)

    @cache
    def products(row: int) -> list[dict[Tensor, Index]]:
        return [*map(dict, expander.products(result, rows[row])[0])]

    def cell(row: int, column: int) -> Cell:
        found = [names.shown(W, product[W]) for product in products(row) if product.get(other) == columns[column]]
        # An output may read an x more than once if this x stands in the padding too.
        return Cell(Added(found) if len(found) > 1 else [*found, Fill.ZERO][0])

    return Grid("M" if names.layer.role[result] is O else "Mᵀ", len(rows), len(columns), cell, W)


def column(names: Names, tensor: Tensor) -> Grid:
    """The first sample of X or O, or of its gradient, written as a column."""
    places = _first_sample(names, tensor)
    title = f"∂E/∂{tensor.letter}" if tensor.is_gradient else tensor.letter
    return Grid(title, len(places), 1, lambda row, _: Cell(names.shown(tensor, places[row])), tensor)


def _first_sample(names: Names, tensor: Tensor) -> list[Index]:
    return list(np.ndindex((1, *names.layer.canonical[tensor][1:])))
