"""∂E/∂b, and the formulas once more with this layer's own zeros, frame and crop."""

from collections.abc import Sequence

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import Block, Formula, Section
from cnngrad.derivation.board import Board, say
from cnngrad.tensor import Tensor

__all__ = ["bias_gradient", "section"]


def bias_gradient(board: Board) -> Section:
    """dE/db."""
    blocks: list[Block] = [
        say("b is added to every output of its filter with factor 1, so its gradient is the sum of theirs:"),
        Formula(formulas.rule_of_bias_gradient(board.layer)),
        *board.table(Tensor.DB),
    ]
    return Section(("∂E/∂b",), (*blocks, *board.result(Tensor.DB)), "db")


def section(board: Board, tensors: Sequence[Tensor]) -> Section:
    """The formulas with this layer's zeros, frame and crop."""
    layer = board.layer
    blocks: list[Block] = []
    zeros = (
        f" with {words.per_axis([a.stride - 1 for a in layer.axes], 'zero')} between its elements"
        if words.is_strided(layer)
        else ""
    )
    if Tensor.DW in tensors:
        blocks += [Formula(formulas.convolution(layer, summary=True)), say(f"Here: {words.slides(layer)}.")]
    if Tensor.DX in tensors:
        blocks += [
            Formula(formulas.full_convolution(layer, summary=True)),
            say(f"Here: ∂E/∂O{zeros}, in a frame of {words.frame(layer)}{_apart(board)}{words.crop(layer)}."),
        ]
    if Tensor.DB in tensors:
        blocks.append(Formula(formulas.rule_of_bias_gradient(layer)))
    if Tensor.DX in tensors:
        blocks.append(say("∂E/∂X of this layer is ∂E/∂O of the layer before it, where the same steps follow."))
    return Section(("Summary",), tuple(blocks), "summary")


def _apart(board: Board) -> str:
    """How far the filter's elements lie apart; empty without dilation."""
    layer = board.layer
    if not words.is_dilated(layer):
        return ""
    return f", under a filter whose elements lie {words.per_axis([a.dilation for a in layer.axes], 'cell')} apart"
