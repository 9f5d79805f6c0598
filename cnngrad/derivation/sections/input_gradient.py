"""∂E/∂X by the chain rule."""

from cnngrad.derivation import formulas
from cnngrad.derivation.blocks import Block, Formula, Hint, Section
from cnngrad.derivation.board import Board, say
from cnngrad.tensor import Tensor

__all__ = ["section"]


def section(board: Board) -> Section:
    """dE/dX by the chain rule."""
    layer = board.layer
    x = board.symbol(Tensor.X, board.origin(Tensor.X))
    blocks: list[Block] = [
        say(
            "If X is the activation of a hidden layer, the layer before needs ∂E/∂X. ",
            x,
            " reaches E through the outputs whose windows hold it; for all others ∂o/∂x is 0.",
        ),
        Formula(formulas.rule_of_input_gradient(layer)),
    ]
    if not board.choice.zeros:
        blocks += [say("Zero products are omitted; their number is in parentheses."), Hint("--zeros writes them.")]
    blocks += [board.table(Tensor.DX), *board.unreached(), *board.result(Tensor.DX)]
    return Section(("∂E/∂X by the chain rule",), tuple(blocks))
