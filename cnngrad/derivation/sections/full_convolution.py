"""∂E/∂X as a full convolution of ∂E/∂O with the rotated filter, and why it is rotated."""

from dataclasses import replace
from math import prod

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import Block, Formula, GridRow, Hint, Part, Section
from cnngrad.derivation.board import MOST_MATRICES, Board, Items, quoted, say
from cnngrad.derivation.matrices import framed_input, framed_output, turned_filter
from cnngrad.derivation.pictures import IN_BRACKETS, pictures
from cnngrad.derivation.telling import telling
from cnngrad.layer.names import Symbol, Values, scalar
from cnngrad.tensor import Tensor

__all__ = ["section"]

# A picture of a larger grid shows only the surroundings of the covered cells.
_MOST_POSITIONS = 6
# Of filters up to this width, symbols and numbers stand beside each other.
_NARROW = 2


def section(board: Board) -> Section:
    """dE/dX = Full-Conv(dE/dO with zeros and frame, W rotated by 180 degrees)."""
    blocks: list[Block] = [
        Formula(formulas.full_convolution(board.layer)),
        *_why_rotated(board),
        *_in_matrices(board),
        *_shifts(board),
        *_scattering(board),
    ]
    return Section(("∂E/∂X as a full convolution",), tuple(blocks), "dx-conv")


def _in_matrices(board: Board) -> list[Block]:
    """The rotation, the equation, and how dE/dO is framed for it."""
    layer = board.layer
    framed = [framed_output(axis) for axis in layer.axes]

    def filter_as_it_lies(values: Values) -> Items:
        return [*turned_filter(board.names, "W" if layer.flip else "W rotated", (0, 0), values)]

    blocks: list[Block] = []
    if not layer.flip:
        rotation = [
            ["rotate 180°", *board.grids(Tensor.W, values), "=", *filter_as_it_lies(values)]
            for values in ([{}, board.values] if board.has_numbers else [{}])
        ]
        if layer.w_lead or layer.kernel[-1] > _NARROW:
            blocks += [GridRow(tuple(row)) for row in rotation]
        else:
            blocks.append(GridRow(tuple(rotation[0] + [item for row in rotation[1:] for item in ("  ", *row)])))
    few = max(layer.size) <= _MOST_POSITIONS - 1
    if layer.group_filters > 1 and few:
        blocks.append(say(f"∂E/∂X is a sum over the {layer.group_filters} filters. For the first of them:"))
    if few:
        blocks.append(
            GridRow(
                (
                    *board.grids(Tensor.DX, {}),
                    "=",
                    "Full-Conv(",
                    *board.grids(Tensor.DEDO, {}),
                    ",",
                    *filter_as_it_lies({}),
                    ")",
                    *(["+ …"] if layer.group_filters > 1 else []),
                )
            )
        )
    blocks.append(say(words.how_framed(layer)))
    if all(track.size <= _MOST_POSITIONS for track in framed):
        blocks.append(GridRow(tuple(board.tracked("∂E/∂O, framed", Tensor.DEDO, framed, {}))))
    return blocks


def _shifts(board: Board) -> list[Block]:
    """The filter on framed dE/dO, at the telling cells."""
    layer = board.layer
    shown = board.shown(Tensor.DX, pictures=True)
    blocks: list[Block] = [
        say(
            f"Shifted one cell at a time, the filter gives ∂E/∂X{words.crop(layer)}. The products stand ",
            IN_BRACKETS,
            ":",
        )
    ]
    if words.is_strided(layer):
        steps = words.per_axis([a.stride for a in layer.axes], "cell")
        blocks.append(
            say(
                f"The filter moves one cell at a time here, though W moved {steps} at a time over X: neighbours in "
                "∂E/∂O lie as far apart on X, and the zeros between them keep that distance."
            )
        )
    for number, told in enumerate(shown):
        x = board.symbol(Tensor.DX, told.place)
        blocks.append(say("For ", x, f", {told.why}:" if told.why else ":"))
        for picture in pictures(board.names, board.values, Tensor.DX, told.place):
            # Once the names have been seen, numbers are enough.
            in_numbers = number > 0 and picture.numbers is not None and board.choice.limit is not None
            blocks.append(replace(picture, symbols=None) if in_numbers else picture)
        if Tensor.DX in board.values:
            blocks.append(say("The products add up to ", x, " = ", scalar(board.values[Tensor.DX], told.place), "."))
    rest = prod(layer.canonical[Tensor.X]) - len(shown)
    if rest:
        last = board.symbol(Tensor.X, tuple(n - 1 for n in layer.canonical[Tensor.X])).name
        blocks.append(Hint(f"--element gives the picture of any other, as --element {quoted(last)}."))
    return blocks


def _why_rotated(board: Board) -> list[Block]:
    """The answer to the question asked most: why is W rotated here?"""
    layer = board.layer
    if prod(layer.kernel) == 1:
        return [say("W has one element for each channel here, so that a rotation changes nothing.")]
    told = (
        board.shown(Tensor.DX, pictures=True)[0].place if board.choice.limit else telling(layer, Tensor.DX, 1)[0].place
    )
    expansion = board.expander.expand(Tensor.DX, told, limit=MOST_MATRICES)
    readers: list[Part] = []
    for term in expansion.parts[0] if expansion.parts else ():
        dedo, w = term.factors
        if isinstance(dedo, Symbol) and isinstance(w, Symbol):
            readers += [", by " if readers else "", dedo.of_array, " through ", w]
    more = ", …" if expansion.left_out or len(expansion.parts) > 1 else ""
    way = "from first to last" if layer.flip else "from last to first"
    moves = "moves on too" if layer.flip else "moves back"
    reason: list[Part] = [f"Along ∂E/∂O an input meets the elements of W {way}. "]
    if len(readers) > 4:
        x = board.symbol(Tensor.X, told)
        reason = [x, " is read by ", *readers, f"{more}: as the output moves on, the element of W {moves}. "]
    if layer.flip:
        turned = "W was rotated before it slid (flip); a second rotation brings it back."
    else:
        turned = "Laid out in the order of ∂E/∂O these elements are W rotated by 180°."
    return [say("Why not rotated? " if layer.flip else "Why rotated? ", *reason, turned)]


def _scattering(board: Board) -> list[Block]:
    """The form without a rotation: each window of dX receives W * dE/do."""
    layer = board.layer
    o = board.symbol(Tensor.DEDO, board.origin(Tensor.DEDO))
    window = [
        framed_input(axis, {axis.position(0, u): u for u in range(axis.kernel)}).around(_MOST_POSITIONS, word)
        for axis, word in zip(layer.axes, formulas.axis_words(layer.dims), strict=True)
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
