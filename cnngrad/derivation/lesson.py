"""The order of the argument: which sections a derivation of O or of the gradients has."""

from collections.abc import Sequence

from cnngrad.derivation.blocks import Derivation, Section, Source
from cnngrad.derivation.board import Board
from cnngrad.derivation.choice import Choice, explained_tensors
from cnngrad.derivation.sections import element, filter_gradient, full_convolution, input_gradient, mlp, output, summary
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.layer.names import Index, Values
from cnngrad.tensor import Tensor

__all__ = ["backward_lesson", "forward_lesson"]


def forward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of O."""
    board = Board(layer, values, choice)
    chosen = choice.chosen(board.names, [Tensor.O])
    if chosen:
        return _of_elements(board, chosen, backward=False)
    return _derivation(board, [output.given(board), output.section(board, result=True)], backward=False)


def backward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of dE/dW, dE/dX and dE/db."""
    board = Board(layer, values, choice)
    tensors = explained_tensors(layer, choice.only)
    chosen = choice.chosen(board.names, tensors)
    if chosen:
        return _of_elements(board, chosen, backward=True)
    sections: list[Section] = [output.given(board, with_dedo=True), output.section(board)]
    if Tensor.DW in tensors:
        sections += [filter_gradient.by_chain_rule(board), filter_gradient.as_convolution(board)]
    if Tensor.DX in tensors:
        sections += [mlp.section(board), input_gradient.section(board), full_convolution.section(board)]
    if Tensor.DB in tensors:
        sections.append(summary.bias_gradient(board))
    return _derivation(board, [*sections, summary.section(board, tensors)], backward=True)


def _of_elements(board: Board, chosen: Sequence[tuple[Tensor, Index]], backward: bool) -> Derivation:
    """A section for each element."""
    sections = tuple(element.section(board, *one) for one in chosen)
    return Derivation(board.layer.describe(), sections, Source(board.layer, board.values, backward))


def _derivation(board: Board, sections: Sequence[Section], backward: bool) -> Derivation:
    """The sections that are wanted."""
    wanted = board.choice.sections
    shown = [section for section in sections if not wanted or section.name in wanted]
    if not shown:
        there = ", ".join(section.name for section in sections)
        raise CnngradError(f"section {', '.join(wanted)} does not belong here: there are {there}")
    return Derivation(board.layer.describe(), tuple(shown), Source(board.layer, board.values, backward))
