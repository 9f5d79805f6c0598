"""The layer as a matrix, o = M x: a convolution is a fully connected layer with shared weights."""

from math import prod

import numpy as np

from cnngrad.derivation import formulas
from cnngrad.derivation.blocks import Block, Figure, Formula, GridRow, Section
from cnngrad.derivation.board import Board, Items, say
from cnngrad.derivation.matrices import column, layer_matrix
from cnngrad.derivation.telling import telling
from cnngrad.layer.names import Index, Symbol, Values
from cnngrad.tensor import Tensor

__all__ = ["section"]

# A matrix with at most this many characters per row fits a screen of 80 columns; nobody reads one with more rows.
_MATRIX_WIDTH, _MATRIX_HEIGHT = 70, 24
# So many connections of an input are drawn.
_MOST_CONNECTIONS = 6


def section(board: Board) -> Section:
    """The layer as a matrix: o = M x, dE/dx = Mᵀ dE/do."""
    layer = board.layer
    outputs, inputs = layer.filters * prod(layer.out), layer.channels * prod(layer.size)
    bias = " (b is added to it)" if layer.has_bias else ""
    blocks: list[Block] = [
        say(
            "If X is the output of another layer, that layer needs ∂E/∂X. In an MLP, a network of fully connected "
            "layers, one sees how the error comes back:"
        ),
        *_connections(board),
        say(
            "A convolution is a fully connected layer whose weight matrix M holds each w once for every output that "
            "it takes part in, and 0 elsewhere. With the inputs of one sample in a column x and its outputs in a "
            f"column o{bias}, each row of M belongs to an output, each column to an input, and an entry is the w "
            "between them, or 0:"
        ),
        Formula(formulas.matrix_product(layer)),
    ]
    name = len(board.symbol(Tensor.W, tuple(size - 1 for size in layer.canonical[Tensor.W])).element) + 1
    fits = inputs * name <= _MATRIX_WIDTH and outputs <= _MATRIX_HEIGHT
    fits_turned = outputs * name <= _MATRIX_WIDTH - 20 and inputs <= _MATRIX_HEIGHT
    if fits:
        blocks.append(GridRow(tuple(_matrix_product(board, {}))))
    if fits_turned:
        blocks += board.rows(lambda values: _transposed_product(board, values))
    if not (fits and fits_turned):
        shape = f"{outputs}×{inputs}"
        which = "it" if not fits_turned else "M itself"
        which = "Mᵀ" if fits else which
        blocks.append(say(f"M is {shape} here; {which} is too large to print."))
    shared = (
        "the same w stands in many rows, and ∂E/∂w is the sum of the gradients of all entries in which it stands."
        if prod(layer.out) > 1
        else "too, since O has one element for each filter."
    )
    blocks.append(
        say(f"In an MLP every entry of M is a weight of its own and has its own gradient ∂E/∂o·x. Here {shared}")
    )
    return Section(("In an MLP",), tuple(blocks), "mlp")


def _connections(board: Board) -> list[Block]:
    """The connections of one input, and what comes back through them."""
    layer = board.layer
    place = telling(layer, Tensor.DX, 1)[0].place
    expansion = board.expander.expand(Tensor.DX, place, limit=_MOST_CONNECTIONS)
    x, links = board.symbol(Tensor.X, place), []
    for term in expansion.terms:
        back, weight = term.factors
        if isinstance(back, Symbol) and isinstance(weight, Symbol):
            links.append((weight, back.of_array, back))
    if not links:
        return []
    return [
        Figure(_beside(board, place), x, tuple(links), expansion.left_out > 0),
        say(
            "Forward, ",
            x,
            " sends its value along each connection, times the weight w on it. Backward, the gradient "
            "∂E/∂o of each node, often written δ, returns along the same connection times the same w, and ",
            board.symbol(Tensor.DX, place),
            " is the sum of what arrives.",
        ),
    ]


def _beside(board: Board, place: Index) -> tuple[Symbol | str, ...]:
    """An input with the one before and the one after it in the column of its sample's inputs."""
    shape = board.layer.canonical[Tensor.X][1:]
    own, count = int(np.ravel_multi_index(place[1:], shape)), prod(shape)
    near = range(max(0, own - 1), min(count, own + 2))
    places = [(place[0], *map(int, np.unravel_index(number, shape))) for number in near]
    nodes = [board.symbol(Tensor.X, each) for each in places]
    return (*(["…"] if near.start else []), *nodes, *(["…"] if near.stop < count else []))


def _matrix_product(board: Board, values: Values) -> Items:
    return [
        column(board.names, Tensor.O, 0, values),
        "=",
        layer_matrix(board.names, values),
        column(board.names, Tensor.X, 0, values),
    ]


def _transposed_product(board: Board, values: Values) -> Items:
    return [
        column(board.names, Tensor.DX, 0, values),
        "=",
        layer_matrix(board.names, values, transposed=True),
        column(board.names, Tensor.DEDO, 0, values),
    ]
