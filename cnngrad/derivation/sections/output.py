"""The layer as it is given, and O as a convolution, element by element."""

from itertools import islice

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import Block, Expansions, Formula, Section
from cnngrad.derivation.board import MOST_MATRICES, Board, Items, say
from cnngrad.derivation.matrices import bias_grid, framed_input
from cnngrad.derivation.names import Values, scalar
from cnngrad.layer import indices
from cnngrad.tensor import Tensor

__all__ = ["given", "section"]


def given(board: Board, with_dedo: bool = False) -> Section:
    """The arrays, in symbols and in numbers."""
    layer = board.layer

    def arrays(values: Values) -> Items:
        items: Items = [*board.grids(Tensor.X, values), "  ", *board.grids(Tensor.W, values)]
        if layer.has_bias:
            items += ["  ", bias_grid(board.names, Tensor.B, values)]
        if with_dedo:
            items += ["  ", *board.grids(Tensor.DEDO, values)]
        return items

    blocks = board.rows(arrays, said=words.first_matrices(layer))
    if words.is_padded(layer):
        tracks = [framed_input(axis) for axis in layer.axes]
        blocks.append(say("With its padding of zeros, X is"))
        blocks += board.rows(lambda values: board.tracked("X, padded", Tensor.X, tracks, values))
    return Section(("The layer",), tuple(blocks))


def section(board: Board, result: bool = False) -> Section:
    """O = Conv(X, W), element by element."""
    layer = board.layer

    title = "X, padded" if words.is_padded(layer) else "X"
    padded = [framed_input(axis) for axis in layer.axes]

    def convolution(values: Values) -> Items:
        items: Items = []
        for c in range(min(layer.group_channels, MOST_MATRICES)):
            items += [*(["+"] if items else []), *board.tracked(title, Tensor.X, padded, values, (0, c)), "∗"]
            items += board.sliding_filter(values, c)
        if layer.group_channels > MOST_MATRICES:
            items.append("+ …")
        if layer.has_bias:
            items += ["+", scalar(values[Tensor.B], (0,)) if Tensor.B in values else board.symbol(Tensor.B, (0,))]
        return [*items, "=", *board.grids(Tensor.O, values)]

    rotation = "is rotated by 180° before it slides (flip)" if layer.flip else "is not rotated before it slides"
    blocks: list[Block] = [
        *board.rows(convolution, said=words.first_matrices(layer, "The first output channel of the first sample: ")),
        Formula(formulas.rule_of_output(layer)),
        *([say(words.groups(layer))] if layer.groups > 1 else []),
        say(f"The filter {rotation}{words.how_it_moves(layer)}.{_omitted_zeros(board)}"),
        board.table(Tensor.O),
        *_hanging_window(board),
        *board.unreached(),
    ]
    if result:
        blocks += board.result(Tensor.O)
    return Section(("O = Conv(X, W)",), tuple(blocks))


def _omitted_zeros(board: Board) -> str:
    if board.choice.zeros or not words.is_padded(board.layer):
        return ""
    return " Products with a 0 of the padding are omitted; their number is in parentheses."


def _hanging_window(board: Board) -> list[Block]:
    """Where a window hangs over the padding, its zero terms once."""
    layer = board.layer
    if not words.is_padded(layer) or board.choice.zeros:
        return []
    for index in islice(indices(layer.canonical[Tensor.O]), board.choice.limit):
        expansion = board.expander.expand(Tensor.O, index, zeros=True, limit=board.choice.limit)
        if any(None in term.factors for term in expansion.terms):
            return [
                say(
                    "The window of ",
                    expansion.target,
                    " hangs over the padding. In full, with the terms that are omitted above, it is",
                ),
                Expansions((expansion,), total=1),
            ]
    return []
