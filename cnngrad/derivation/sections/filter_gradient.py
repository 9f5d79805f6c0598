"""∂E/∂W: by the chain rule, and as a convolution."""

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import Block, Form, Formula, GridRow, Section
from cnngrad.derivation.board import MOST_MATRICES, Board, Items, evaluated, say
from cnngrad.derivation.matrices import framed_input, spread_output
from cnngrad.layer import Layer
from cnngrad.layer.names import Symbol, Values
from cnngrad.tensor import Tensor

__all__ = ["as_convolution", "by_chain_rule"]


def by_chain_rule(board: Board) -> Section:
    """dE/dW by the chain rule."""
    place = board.shown(Tensor.DW)[0].place
    w, terms = board.symbol(Tensor.W, place), board.expander.expand(Tensor.DW, place, limit=1).terms
    blocks: list[Block] = [
        say(w, " takes part in the outputs of its filter, so the chain rule adds up its share through each:"),
        *board.table(Tensor.DW, Form.CHAIN, said=False),
    ]
    if terms:
        dedo, x = terms[0].factors
        if isinstance(dedo, Symbol) and isinstance(x, Symbol):
            blocks.append(evaluated(dedo.of_array, w, x))
    blocks += [
        Formula(formulas.rule_of_filter_gradient(board.layer)),
        *board.table(Tensor.DW),
        *board.result(Tensor.DW),
    ]
    return Section(("∂E/∂W by the chain rule",), tuple(blocks), "dw")


def as_convolution(board: Board) -> Section:
    """dE/dW = Conv(X, dE/dO)."""
    layer = board.layer
    inputs = [framed_input(axis, cropped=True) for axis in layer.axes]
    outputs = [spread_output(axis) for axis in layer.axes]

    def convolution(values: Values) -> Items:
        items: Items = []
        # In symbols the samples have the same form: of many, the first is enough.
        shown = min(layer.batch, MOST_MATRICES) if values else 1
        for n in range(shown):
            title = "X, padded" if words.is_padded(layer) else "X"
            items += [*(["+"] if items else []), *board.tracked(title, Tensor.X, inputs, values, (n, 0)), "∗"]
            title = "∂E/∂O, with zeros" if words.is_strided(layer) else "∂E/∂O"
            items += board.tracked(title, Tensor.DEDO, outputs, values, (n, 0))
        items += ["+ …"] if layer.batch > shown else []
        rotated = "∂E/∂W, rotated" if layer.flip else None
        return [*board.grids(Tensor.DW, values, title=rotated, turned=layer.flip), "=", *items]

    blocks: list[Block] = [
        say(f"In these sums ∂E/∂O slides over X as W did before{_steps(layer)}:"),
        Formula(formulas.convolution(layer)),
    ]
    if layer.batch > 1:
        blocks.append(say(f"It is a sum over the {layer.batch} samples."))
    if words.is_strided(layer):
        blocks.append(
            say(
                "Neighbouring outputs lie a stride apart on X, so ∂E/∂O is spread out in the same way: "
                f"{words.per_axis([a.stride - 1 for a in layer.axes], 'zero')} between its elements."
            )
        )
    if words.is_dilated(layer):
        steps = words.per_axis([a.dilation for a in layer.axes], "position")
        blocks.append(say(f"With dilation ∂E/∂O moves in steps of {steps} from one ∂E/∂w to the next."))
    if any(axis.leftover for axis in layer.axes):
        blocks.append(say("What the stride leaves over at the end of X takes no part and is cut off."))
    if layer.flip:
        blocks.append(say("Since W is rotated before it slides, the result comes out rotated by 180°."))
    said = words.first_matrices(layer, "For the first filter and channel: ")
    if layer.filters * layer.group_channels == 1:
        said = ""
    blocks += [*([say(said)] if said else []), GridRow(tuple(convolution({})))]
    # In numbers too where these are not the matrices that stand above already.
    if board.has_numbers and (words.is_strided(layer) or any(axis.leftover for axis in layer.axes) or layer.flip):
        blocks.append(GridRow(tuple(convolution(board.values))))
    return Section(("∂E/∂W as a convolution",), tuple(blocks), "dw-conv")


def _steps(layer: Layer) -> str:
    """How far it moves, where that is another step than W's."""
    if not words.is_strided(layer):
        return ""
    return f", but {words.per_axis([a.dilation for a in layer.axes], 'cell')} at a time"
