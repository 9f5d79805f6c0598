"""∂E/∂X as a full convolution of ∂E/∂O with the rotated filter, and why it is rotated."""

from math import prod

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import Block, Expansions, Formula, GridRow, Hint, Part, Section
from cnngrad.derivation.board import MOST_MATRICES, Board, Items, say
from cnngrad.derivation.matrices import framed_input, framed_output, turned_filter
from cnngrad.derivation.names import Symbol, Values, scalar
from cnngrad.derivation.pictures import picture
from cnngrad.layer import indices
from cnngrad.tensor import Tensor

__all__ = ["section"]

# The shifts of the full convolution are pictured one by one for at most this many elements.
_MOST_SHIFTS = 25
_MOST_POSITIONS = 10


def section(board: Board) -> Section:
    """dE/dX = Full-Conv(dE/dO with zeros and frame, W rotated by 180 degrees)."""
    blocks: list[Block] = [
        Formula(formulas.full_convolution(board.layer)),
        *_why_rotated(board),
        *_in_matrices(board),
        *_shifts(board),
        *_scattering(board),
        *board.result(Tensor.DX),
    ]
    return Section(("∂E/∂X as a full convolution",), tuple(blocks))


def _in_matrices(board: Board) -> list[Block]:
    """The rotation, the equation, and how dE/dO is framed for it."""
    layer = board.layer
    framed = [framed_output(axis) for axis in layer.axes]

    def filter_as_it_lies(values: Values) -> Items:
        return [*turned_filter(board.names, "W" if layer.flip else "W rotated", (0, 0), values)]

    blocks: list[Block] = []
    if not layer.flip:
        blocks += board.rows(
            lambda values: ["rotate 180°", *board.grids(Tensor.W, values), "=", *filter_as_it_lies(values)]
        )
    several = f"∂E/∂X is a sum over the {layer.group_filters} filters; the first gives its first part:"
    blocks += board.rows(
        lambda values: [
            *board.grids(Tensor.DX, values),
            "=",
            "Full-Conv(",
            *board.grids(Tensor.DEDO, values),
            ",",
            *filter_as_it_lies(values),
            ")",
            *(["+ …"] if layer.group_filters > 1 else []),
        ],
        said=several if layer.group_filters > 1 else "",
    )
    blocks.append(say(words.how_framed(layer)))
    blocks += board.rows(
        lambda values: [
            *board.tracked("∂E/∂O, framed", Tensor.DEDO, framed, values),
            "∗",
            *filter_as_it_lies(values),
        ],
        said=words.first_matrices(layer, "For the first filter and channel: "),
    )
    return blocks


def _shifts(board: Board) -> list[Block]:
    """The filter on framed dE/dO, cell by cell where there are few."""
    shape = board.layer.canonical[Tensor.X]
    size = prod(shape)
    few = size <= min(board.choice.limit or size, _MOST_SHIFTS)
    chosen = list(indices(shape)) if few else [board.origin(Tensor.X)]
    cells = "cell by cell" if len(chosen) == size else "for the first cell"
    blocks: list[Block] = [say(f"Shifted one cell at a time it gives, {cells}{words.crop(board.layer)}:")]
    for index in chosen:
        expansion = board.expander.expand(Tensor.DX, index, limit=board.choice.limit)
        blocks += picture(board.names, Tensor.DX, index)
        blocks.append(Expansions((expansion,), total=1))
    if len(chosen) < size:
        last = board.symbol(Tensor.X, tuple(n - 1 for n in shape)).name
        blocks.append(Hint(f"--element gives the picture of any other, as --element '{last}'."))
    return blocks


def _why_rotated(board: Board) -> list[Block]:
    """The answer to the question asked most: why is W rotated here?"""
    layer = board.layer
    middle = (0, 0, *(min(axis.size - 1, axis.span - 1) for axis in layer.axes))
    parts = board.expander.expand(Tensor.DX, middle, limit=MOST_MATRICES).parts
    terms = parts[0] if parts else ()
    readers: list[Part] = []
    for term in terms:
        dedo, w = term.factors
        if isinstance(dedo, Symbol) and isinstance(w, Symbol):
            readers += [", by " if readers else "", dedo.of_array, " through ", w]
    way = "from first to last" if layer.flip else "from last to first"
    moves = "moves on too" if layer.flip else "moves back"
    reason: list[Part] = [f"Along ∂E/∂O an input meets the elements of W {way}. "]
    if len(terms) > 1:
        x = board.symbol(Tensor.X, middle)
        reason = [x, " is read by ", *readers, ": as the output moves on, the element of W ", f"{moves}. "]
    if layer.flip:
        turned = "W was rotated before it slid (flip); a second rotation brings it back."
    else:
        turned = "Read in the order of ∂E/∂O that is W rotated by 180°."
    return [say("Why not rotated? " if layer.flip else "Why rotated? ", *reason, turned)]


def _scattering(board: Board) -> list[Block]:
    """The form without a rotation: each window of dX receives W * dE/do."""
    layer = board.layer
    o = board.symbol(Tensor.DEDO, board.origin(Tensor.DEDO))
    window = [
        framed_input(axis, [axis.position(0, u) for u in range(axis.kernel)]).around(_MOST_POSITIONS)
        for axis in layer.axes
    ]
    numbers = board.values.get(Tensor.DEDO)
    value: list[Part] = [] if numbers is None else [" = ", scalar(numbers, board.origin(Tensor.O))]
    blocks: list[Block] = [
        say(
            "Code that scatters, dX[window] += W·∂E/∂o for one output after the other, walks from outputs to "
            "inputs: each w goes back along the way it came, nothing is rotated, and it is right too. "
            "It adds the same products in another order. For ",
            o,
            *value,
            " it is",
        )
    ]
    return [
        *blocks,
        GridRow(
            (
                *board.tracked("∂E/∂X, the window marked", Tensor.DX, window, {}),
                "+=",
                *board.sliding_filter({}, 0),
                "·",
                o,
            )
        ),
    ]
