"""∂E/∂W: by the chain rule, and as a convolution."""

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import Block, Form, Formula, Section
from cnngrad.derivation.board import Board, Items, say
from cnngrad.derivation.expansion import Partial
from cnngrad.derivation.matrices import framed_input, spread_output
from cnngrad.derivation.names import Symbol, Values
from cnngrad.tensor import Tensor

__all__ = ["as_convolution", "by_chain_rule"]


def by_chain_rule(board: Board) -> Section:
    """dE/dW by the chain rule."""
    w = board.symbol(Tensor.W, board.origin(Tensor.W))
    terms = board.expander.expand(Tensor.DW, board.origin(Tensor.W), limit=1).terms
    blocks: list[Block] = [
        say(w, " takes part in the outputs of its filter, so the chain rule adds up its share through each:"),
        board.table(Tensor.DW, Form.CHAIN),
    ]
    if terms:
        dedo, x = terms[0].factors
        if isinstance(dedo, Symbol) and isinstance(x, Symbol):
            o = dedo.of_array
            blocks.append(
                say("In ", o, " it multiplies ", x, ", so ", Partial(o, w), " = ", x, "; likewise the others.")
            )
    blocks += [
        say("This evaluates to"),
        Formula(formulas.rule_of_filter_gradient(board.layer)),
        board.table(Tensor.DW),
        *board.result(Tensor.DW),
    ]
    return Section(("∂E/∂W by the chain rule",), tuple(blocks))


def as_convolution(board: Board) -> Section:
    """dE/dW = Conv(X, dE/dO)."""
    layer = board.layer
    inputs = [framed_input(axis, cropped=True) for axis in layer.axes]
    outputs = [spread_output(axis) for axis in layer.axes]

    def convolution(values: Values) -> Items:
        return [
            *board.tracked("X, padded" if words.is_padded(layer) else "X", Tensor.X, inputs, values),
            "∗",
            *board.tracked("∂E/∂O, with zeros" if words.is_strided(layer) else "∂E/∂O", Tensor.DEDO, outputs, values),
            *(["+ …"] if layer.batch > 1 else []),
            "=",
            *board.grids(Tensor.DW, values, title="∂E/∂W, rotated" if layer.flip else None, turned=layer.flip),
        ]

    blocks: list[Block] = [
        say("In these sums ∂E/∂O slides over X as W did before:"),
        Formula(formulas.convolution(layer)),
    ]
    if layer.batch > 1:
        blocks.append(say(f"It is a sum over the {layer.batch} samples; the first is shown."))
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
    blocks += board.rows(
        convolution,
        said=words.first_matrices(layer, "For the first filter and channel: "),
    )
    if not words.is_single(layer):
        blocks += board.result(Tensor.DW)
    return Section(("∂E/∂W as a convolution",), tuple(blocks))
