"""The layer as it is given, and O as a convolution, element by element."""

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import Block, Expansions, Formula, GridRow, Section
from cnngrad.derivation.board import Board, Items, say
from cnngrad.derivation.matrices import bias_grid, framed_input
from cnngrad.layer.names import Values
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
    names = {
        Tensor.X: ["n"][: layer.x_lead == 2] + ["c"][: layer.x_lead > 0],
        Tensor.W: ["f"][: layer.w_lead == 2] + ["c"][: layer.w_lead > 0],
    }
    if names[Tensor.X] or names[Tensor.W]:
        spoken = {"n": "sample n", "c": "channel c", "f": "filter f"}
        of = [
            f"{tensor.letter}[{','.join(lead)}] is of {' and '.join(spoken[letter] for letter in lead)}"
            for tensor, lead in names.items()
            if lead
        ]
        blocks.append(say(f"Brackets come first: {', '.join(of)}. All count from 1."))
    if with_dedo:
        blocks.append(
            say("E is the error, a number that training makes smaller; ∂E/∂O has come back from the next layer.")
        )
    if words.is_padded(layer):
        tracks = [framed_input(axis) for axis in layer.axes]
        blocks.append(say("With its padding of zeros, X is"))
        blocks += board.rows(lambda values: board.tracked("X, padded", Tensor.X, tracks, values))
    return Section(("The layer",), tuple(blocks), "layer")


def section(board: Board, result: bool = False) -> Section:
    """O = Conv(X, W), element by element."""
    layer = board.layer
    rotation = "is rotated by 180° before it slides (flip)" if layer.flip else "is not rotated before it slides"
    kind = (
        "This is the convolution of mathematics."
        if layer.flip
        else "Mathematics calls this cross-correlation; convolution in mathematics rotates the filter first."
    )
    first = "The first output channel of the first sample: " if layer.batch * layer.filters > 1 else ""
    letters = f"{formulas.counted_by(layer, Tensor.O, 'O')}, and {formulas.letters(layer, Tensor.W)} those of W"
    blocks: list[Block] = [
        *([say(words.first_matrices(layer, first))] if first else []),
        GridRow(tuple(_convolution(board))),
        say(f"∗ says that the filter slides over X; it {rotation}{words.how_it_moves(layer)}. {kind}"),
        Formula(formulas.rule_of_output(layer)),
        say(f"{letters}, from 1."),
        *([say(words.groups(layer))] if layer.groups > 1 else []),
        *([say(_OMITTED)] if words.is_padded(layer) and not board.choice.zeros else []),
        *board.table(Tensor.O),
        *_hanging_window(board),
        *board.unreached(gradient=False),
        *(board.result(Tensor.O) if result else []),
    ]
    plus_b = " + b" if layer.has_bias else ""
    return Section((f"O = Conv(X, {'W rotated' if layer.flip else 'W'}){plus_b}",), tuple(blocks), "output")


_OMITTED = "Products with a 0 of the padding are omitted; their number is in parentheses."


def _convolution(board: Board) -> Items:
    """O = X ∗ W in symbols, a sum over the channels of a filter."""
    layer = board.layer
    items: Items = []
    title = "X, padded" if words.is_padded(layer) else "X"
    padded = [framed_input(axis) for axis in layer.axes]
    # The channels have the same form: of many, the first is enough.
    for c in range(layer.group_channels if layer.group_channels < 3 else 1):
        items += [*(["+"] if items else []), *board.tracked(title, Tensor.X, padded, {}, (0, c)), "∗"]
        items += board.sliding_filter({}, c)
    if layer.group_channels > 2:
        items.append("+ …")
    if layer.has_bias:
        items += ["+", board.symbol(Tensor.B, (0,))]
    return [*board.grids(Tensor.O, {}), "=", *items]


def _hanging_window(board: Board) -> list[Block]:
    """Where a window hangs over the padding, its zero terms once."""
    if not words.is_padded(board.layer) or board.choice.zeros:
        return []
    for told in board.shown(Tensor.O):
        expansion = board.expander.expand(Tensor.O, told.place, zeros=True, limit=board.choice.most_terms)
        if any(None in term.factors for term in expansion.terms):
            return [
                say(
                    "The window of ",
                    expansion.target,
                    " hangs over the padding. In full, with the terms that are omitted above, it is",
                ),
                Expansions((expansion,), in_short=board.choice.in_short),
            ]
    return []
