"""∂E/∂X by the chain rule."""

from cnngrad.derivation import formulas
from cnngrad.derivation.blocks import Block, Formula, Section
from cnngrad.derivation.board import Board, evaluated, say
from cnngrad.layer.names import Symbol
from cnngrad.tensor import Tensor

__all__ = ["section"]


def section(board: Board) -> Section:
    """dE/dX by the chain rule."""
    layer = board.layer
    blocks: list[Block] = [
        say(f"An x reaches E through the outputs whose windows hold it. {_others(board)}:"),
        board.telling_chain(Tensor.DX),
        *_evaluated(board),
        Formula(formulas.rule_of_input_gradient(layer)),
        say(f"{formulas.counted_by(layer, Tensor.X, 'X')}, from 1."),
    ]
    blocks += [*board.table(Tensor.DX), *board.unreached(gradient=True), *board.result(Tensor.DX)]
    return Section(("∂E/∂X by the chain rule",), tuple(blocks), "dx")


def _evaluated(board: Board) -> list[Block]:
    """What one of the partial derivatives is, as it was for W."""
    for told in board.shown(Tensor.DX):
        for term in board.expander.expand(Tensor.DX, told.place, limit=1).terms:
            dedo, w = term.factors
            if isinstance(dedo, Symbol) and isinstance(w, Symbol):
                return [evaluated(dedo.of_array, board.symbol(Tensor.X, told.place), w)]
    return []


def _others(board: Board) -> str:
    """What becomes of the outputs that do not hold an x."""
    if board.choice.zeros:
        return "For all others ∂o/∂x is 0"
    return "For all others ∂o/∂x is 0; their products are left out, and their number is in parentheses"
