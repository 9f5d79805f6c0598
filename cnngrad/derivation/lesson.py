"""The order of the argument: which sections a derivation of O or of the gradients has."""

from cnngrad.derivation.blocks import Derivation, Section
from cnngrad.derivation.board import Board
from cnngrad.derivation.choice import Choice, explained_tensors
from cnngrad.derivation.names import Values
from cnngrad.derivation.sections import element, filter_gradient, full_convolution, input_gradient, mlp, output, summary
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["backward_lesson", "forward_lesson"]


def forward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of O."""
    board = Board(layer, values, choice)
    chosen = choice.chosen(board.names, [Tensor.O])
    sections = [element.section(board, *one) for one in chosen] or [
        output.given(board),
        output.section(board, result=True),
    ]
    return Derivation(layer.describe(), tuple(sections))


def backward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of dE/dW, dE/dX and dE/db."""
    board = Board(layer, values, choice)
    tensors = explained_tensors(layer, choice.only)
    chosen = choice.chosen(board.names, tensors)
    if chosen:
        return Derivation(layer.describe(), tuple(element.section(board, *one) for one in chosen))
    sections: list[Section] = [output.given(board, with_dedo=True), output.section(board)]
    if Tensor.DW in tensors:
        sections += [filter_gradient.by_chain_rule(board), filter_gradient.as_convolution(board)]
    if Tensor.DX in tensors:
        sections += [input_gradient.section(board), full_convolution.section(board)]
    if Tensor.DB in tensors:
        sections.append(summary.bias_gradient(board))
    if Tensor.DX in tensors:
        sections.append(mlp.section(board))
    return Derivation(layer.describe(), (*sections, summary.section(board, tensors)))
