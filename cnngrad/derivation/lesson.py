"""The argument: the sections of a derivation of O or of the gradients, in the order of the notes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import (
    Block,
    Derivation,
    Expansions,
    Figure,
    Form,
    Formula,
    GridRow,
    Hint,
    Part,
    Section,
    Source,
)
from cnngrad.derivation.board import MOST_MATRICES, Board, Items, quoted, say
from cnngrad.derivation.choice import Choice, explained_tensors
from cnngrad.derivation.grids import column, framed_input, framed_output, grids, layer_matrix, spread_output
from cnngrad.derivation.pictures import IN_BRACKETS, MOST_POSITIONS, around, described_picture, pictures
from cnngrad.derivation.telling import Told, telling
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Index, Symbol, Values, scalar
from cnngrad.tensor import DB, DEDO, DW, DX, GRADIENTS, B, O, Tensor, W, X

# A matrix with at most this many characters per row fits a screen of 80 columns; nobody reads one with more rows.
_MATRIX_WIDTH, _MATRIX_HEIGHT = 70, 24
# So many connections of an input are drawn.
_MOST_CONNECTIONS = 6
# Of filters up to this width, symbols and numbers stand beside each other.
_NARROW = 2


def forward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of O."""
    return _lesson(Board(layer, values, choice, [O]))


def backward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of dE/dW, dE/dX and dE/db."""
    return _lesson(Board(layer, values, choice, explained_tensors(layer, choice.only)))


def _lesson(board: Board) -> Derivation:
    layer, choice, tensors = board.layer, board.choice, board.tensors
    sections = [
        Section((board.symbol(tensor, index),), tuple(_element(board, tensor, index)))
        for tensor, index in choice.chosen(board.names, tensors)
    ]
    if not sections:
        made = {name: (title, make) for name, title, of, make in _SECTIONS if not of or set(of) & set(tensors)}
        w, b = "W rotated" if layer.flip else "W", " + b" if layer.has_bias else ""
        sections = [
            Section((title.format(w=w, b=b),), tuple(make(board)), name)
            for name, (title, make) in made.items()
            if not choice.sections or name in choice.sections
        ]
        if not sections:
            there = ", ".join(made)
            raise CnngradError(f"section {', '.join(choice.sections)} does not belong here: there are {there}")
    return Derivation(layer.describe(), tuple(sections), Source(layer, board.values, O not in tensors))


def _given(board: Board) -> Iterator[Block]:
    """The arrays, in symbols and in numbers."""
    layer, backward = board.layer, O not in board.tensors
    shown: list[tuple[Tensor, Index]] = [(X, (0, 0)), (W, (0, 0))]
    shown += [(B, ())] if layer.has_bias else []
    shown += [(DEDO, (0, 0))] if backward else []
    yield from _said(words.first_matrices(layer))
    yield from board.rows(
        lambda values: [item for tensor, lead in shown for item in ("  ", *board.grids(tensor, values, lead=lead))][1:]
    )
    x = ("", "x[c] is of channel c", "x[n,c] is of sample n and channel c")[layer.x_lead]
    w = ("", "w[c] is of channel c", "w[f,c] is of filter f and channel c")[layer.w_lead]
    if x or w:
        yield say(f"Brackets come first: {', '.join(filter(None, (x, w)))}. All count from 1.")
    if backward:
        yield say("E is the error, a number that training makes smaller; ∂E/∂O has come back from the next layer.")
    if words.is_padded(layer):
        yield say("With its padding of zeros, X is")
        yield from board.rows(board.padded)


def _said(text: str) -> list[Block]:
    """A sentence, if there is something to say."""
    return [say(text)] if text else []


def _output(board: Board) -> Iterator[Block]:
    """O = Conv(X, W), element by element."""
    layer = board.layer
    padded = words.is_padded(layer) and not board.choice.zeros
    if layer.batch * layer.filters > 1:
        yield from _said(words.first_matrices(layer, "The first output channel of the first sample: "))
    yield GridRow(tuple(_sliding(board)))
    rotation = "is rotated by 180° before it slides (flip)" if layer.flip else "is not rotated before it slides"
    kind = (
        "This is the convolution of mathematics."
        if layer.flip
        else "Mathematics calls this cross-correlation; convolution in mathematics rotates the filter first."
    )
    yield say(f"∗ says that the filter slides over X; it {rotation}{words.how_it_moves(layer)}. {kind}")
    yield Formula(formulas.rules(layer)[O])
    letters = ", ".join(formulas.letters(layer, W))
    yield say(f"{formulas.counted_by(layer, O)}, and {letters} those of W, from 1.")
    yield from _said(words.groups(layer))
    if padded:
        yield say("Products with a 0 of the padding are omitted; their number is in parentheses.")
    yield from board.table(O)
    if padded:
        yield from _hanging_window(board)
    yield from _said(words.unreached(layer, gradient=False))
    if O in board.tensors:
        yield from board.result(O)


def _sliding(board: Board) -> Items:
    """O = X ∗ W in symbols, a sum over the channels of a filter."""
    layer, items = board.layer, board.grids(O, {})
    # The channels have the same form: of many, the first is enough.
    for c in range(layer.group_channels if layer.group_channels < 3 else 1):
        items += ["+" if c else "=", *board.padded({}, (0, c)), "∗"]
        items += board.grids(W, {}, lead=(0, c), turned=layer.flip)
    items += ["+ …"] if layer.group_channels > 2 else []
    return items + (["+", board.symbol(B, (0,))] if layer.has_bias else [])


def _hanging_window(board: Board) -> Iterator[Block]:
    """Where a window hangs over the padding, its zero terms once."""
    for told in board.shown(O):
        expansion = board.expander.expand(O, told.place, zeros=True, limit=board.choice.most_terms)
        if any(None in term.factors for term in expansion.terms):
            over = " hangs over the padding. In full, with the terms that are omitted above, it is"
            yield say("The window of ", expansion.target, over)
            yield Expansions((expansion,), in_short=board.choice.in_short)
            return


def _filter_gradient(board: Board) -> Iterator[Block]:
    """dE/dW by the chain rule."""
    shown = board.shown(DW)
    w = board.symbol(W, shown[0].place)
    yield say(w, " takes part in the outputs of its filter, so the chain rule adds up its share through each:")
    yield board.sums(DW, shown, Form.CHAIN)
    yield from _evaluated(board, DW, shown[:1])
    yield Formula(formulas.rules(board.layer)[DW])
    yield from board.table(DW)
    yield from board.result(DW)


def _evaluated(board: Board, tensor: Tensor, shown: Sequence[Told]) -> list[Block]:
    """What the partial derivative of an output is, for the first element with terms."""
    for told in shown:
        by = board.symbol(tensor.array, told.place)
        for dedo, factor in board.factors(tensor, told.place, 1)[0]:
            o, times = dedo.of_array, " is multiplied by "
            return [say("In ", o, ", ", by, times, factor, ", so ", Partial(o, by), " = ", factor, ". This gives")]
    return []


def _convolution(board: Board) -> Iterator[Block]:
    """dE/dW = Conv(X, dE/dO)."""
    layer = board.layer
    strided, leftover = words.is_strided(layer), any(axis.leftover for axis in layer.axes)
    steps = f", but {words.per_axis([a.dilation for a in layer.axes], 'cell')} at a time" if strided else ""
    yield say(f"In these sums ∂E/∂O slides over X as W did before{steps}:")
    yield Formula(formulas.convolution(layer))
    if layer.batch > 1:
        yield say(f"It is a sum over the {layer.batch} samples.")
    if strided:
        zeros = words.per_axis([a.stride - 1 for a in layer.axes], "zero")
        yield say(
            "Neighbouring outputs lie a stride apart on X, so ∂E/∂O is spread out in the same way: "
            f"{zeros} between its elements."
        )
    if words.is_dilated(layer):
        steps = words.per_axis([a.dilation for a in layer.axes], "position")
        yield say(f"With dilation ∂E/∂O moves in steps of {steps} from one ∂E/∂w to the next.")
    if leftover:
        yield say("What the stride leaves over at the end of X takes no part and is cut off.")
    if layer.flip:
        yield say("Since W is rotated before it slides, the result comes out rotated by 180°.")
    if layer.filters * layer.group_channels > 1:
        yield from _said(words.first_matrices(layer, "For the first filter and channel: "))
    yield GridRow(tuple(_summed(board, {})))
    # In numbers too where these are not the matrices that stand above already.
    if board.has_numbers and (strided or leftover or layer.flip):
        yield GridRow(tuple(_summed(board, board.values)))


def _summed(board: Board, values: Values) -> Items:
    """dE/dW = X ∗ dE/dO, a sum over the samples; in symbols they have the same form: the first is enough."""
    layer = board.layer
    dedo = "∂E/∂O, with zeros" if words.is_strided(layer) else "∂E/∂O"
    outputs = [spread_output(axis) for axis in layer.axes]
    items = board.grids(DW, values, title="∂E/∂W, rotated" if layer.flip else "", turned=layer.flip)
    shown = min(layer.batch, MOST_MATRICES) if values else 1
    for n in range(shown):
        items += ["+" if n else "=", *board.padded(values, (n, 0), cropped=True), "∗"]
        items += board.grids(DEDO, values, lead=(n, 0), title=dedo, tracks=outputs)
    return items + (["+ …"] if layer.batch > shown else [])


def _mlp(board: Board) -> Iterator[Block]:
    """The layer as a matrix, o = M x, dE/dx = Mᵀ dE/do: a fully connected layer with shared weights."""
    layer = board.layer
    yield say(
        "If X is the output of another layer, that layer needs ∂E/∂X. In an MLP, a network of fully connected "
        "layers, one sees how the error comes back:"
    )
    yield from _connections(board)
    bias = " (b is added to it)" if layer.has_bias else ""
    yield say(
        "A convolution is a fully connected layer whose weight matrix M holds each w once for every output that "
        "it takes part in, and 0 elsewhere. With the inputs of one sample in a column x and its outputs in a "
        f"column o{bias}, each row of M belongs to an output, each column to an input, and an entry is the w "
        "between them, or 0:"
    )
    yield Formula(formulas.matrix_product(layer))

    def product(values: Values, result: Tensor, other: Tensor) -> Items:
        matrix = layer_matrix(board.names, values, transposed=result is DX)
        return [column(board.names, result, values), "=", matrix, column(board.names, other, values)]

    outputs, inputs = layer.filters * prod(layer.out), layer.channels * prod(layer.size)
    name = len(board.symbol(W, tuple(size - 1 for size in layer.canonical[W])).element) + 1
    fits = inputs * name <= _MATRIX_WIDTH and outputs <= _MATRIX_HEIGHT
    fits_turned = outputs * name <= _MATRIX_WIDTH - 20 and inputs <= _MATRIX_HEIGHT
    if fits:
        yield GridRow(tuple(product({}, O, X)))
    if fits_turned:
        yield from board.rows(lambda values: product(values, DX, DEDO))
    if not (fits and fits_turned):
        which = "M itself" if fits_turned else "Mᵀ" if fits else "it"
        yield say(f"M is {outputs}×{inputs} here; {which} is too large to print.")
    shared = (
        "the same w stands in many rows, and ∂E/∂w is the sum of the gradients of all entries in which it stands."
        if prod(layer.out) > 1
        else "too, since O has one element for each filter."
    )
    yield say(f"In an MLP every entry of M is a weight of its own and has its own gradient ∂E/∂o·x. Here {shared}")


def _connections(board: Board) -> Iterator[Block]:
    """The connections of one input, and what comes back through them."""
    place = telling(board.layer, DX, 1)[0].place
    factors, count = board.factors(DX, place, _MOST_CONNECTIONS)
    if not factors:
        return
    x, links = board.symbol(X, place), tuple((w, dedo.of_array, dedo) for dedo, w in factors)
    # The input with the one before and the one after it in the column of its sample's inputs.
    shape = board.layer.canonical[X]
    own, size = int(np.ravel_multi_index(place, shape)), prod(shape[1:])
    near = range(max(0, own - 1), min(size, own + 2))
    beside: list[Symbol | str] = ["…"] if near.start else []
    beside += [board.symbol(X, tuple(map(int, np.unravel_index(number, shape)))) for number in near]
    beside += ["…"] if near.stop < size else []
    yield Figure(tuple(beside), x, links, count > len(links))
    forward = (
        " sends its value along each connection, times the weight w on it. Backward, the gradient "
        "∂E/∂o of each node, often written δ, returns along the same connection times the same w, and "
    )
    yield say("Forward, ", x, forward, board.symbol(DX, place), " is the sum of what arrives.")


def _input_gradient(board: Board) -> Iterator[Block]:
    """dE/dX by the chain rule."""
    omitted = "" if board.choice.zeros else "; their products are left out, and their number is in parentheses"
    yield say(f"An x reaches E through the outputs whose windows hold it. For all others ∂o/∂x is 0{omitted}:")
    shown = board.shown(DX)
    yield board.sums(DX, board.pictured() if board.choice.limit is not None else shown, Form.CHAIN)
    yield from _evaluated(board, DX, shown)
    yield Formula(formulas.rules(board.layer)[DX])
    yield say(f"{formulas.counted_by(board.layer, X)}, from 1.")
    yield from board.table(DX)
    yield from _said(words.unreached(board.layer, gradient=True))
    yield from board.result(DX)


def _full_convolution(board: Board) -> Iterator[Block]:
    """dE/dX = Full-Conv(dE/dO with zeros and frame, W rotated by 180 degrees), and why W is rotated."""
    yield Formula(formulas.full_convolution(board.layer))
    yield _why_rotated(board)
    yield from _in_matrices(board)
    yield from _shifts(board)
    yield from _scattering(board)


def _why_rotated(board: Board) -> Block:
    """The answer to the question asked most: why is W rotated here?"""
    layer = board.layer
    if prod(layer.kernel) == 1:
        return say("W has one element for each channel here, so that a rotation changes nothing.")
    place = (board.pictured() if board.choice.limit else telling(layer, DX, 1))[0].place
    factors, count = board.factors(DX, place, MOST_MATRICES)
    readers = [(dedo, w) for dedo, w in factors if dedo.lead == factors[0][0].lead]
    if len(readers) > 1:
        through = [part for dedo, w in readers for part in (", by ", dedo.of_array, " through ", w)]
        more, moves = ", …" if count > len(readers) else "", "moves on too" if layer.flip else "moves back"
        onwards = f"{more}: as the output moves on, the element of W {moves}. "
        reason: list[Part] = [board.symbol(X, place), " is read by ", *through[1:], onwards]
    else:
        way = "from first to last" if layer.flip else "from last to first"
        reason = [f"Along ∂E/∂O an input meets the elements of W {way}. "]
    if layer.flip:
        turned = "W was rotated before it slid (flip); a second rotation brings it back."
        return say("Why not rotated? ", *reason, turned)
    return say("Why rotated? ", *reason, "Laid out in the order of ∂E/∂O these elements are W rotated by 180°.")


def _in_matrices(board: Board) -> Iterator[Block]:
    """The rotation, the equation, and how dE/dO is framed for it."""
    layer = board.layer

    def lying(values: Values) -> Items:
        return [*grids(board.names, W, values, turned=not layer.flip)]

    if not layer.flip:
        rotation = board.rows(lambda values: ["rotate 180°", *board.grids(W, values), "=", *lying(values)])
        if layer.w_lead or layer.kernel[-1] > _NARROW:
            yield from rotation
        else:
            yield GridRow(tuple(item for row in rotation for item in ("  ", *row.items))[1:])
    if max(layer.size) < MOST_POSITIONS:
        several = layer.group_filters > 1
        if several:
            yield say(f"∂E/∂X is a sum over the {layer.group_filters} filters. For the first of them:")
        dx, dedo = board.grids(DX, {}), board.grids(DEDO, {})
        yield GridRow((*dx, "=", "Full-Conv(", *dedo, ",", *lying({}), ")", *(["+ …"] if several else [])))
    yield say(words.how_framed(layer))
    framed = [framed_output(axis) for axis in layer.axes]
    if all(track.size <= MOST_POSITIONS for track in framed):
        yield GridRow(tuple(board.grids(DEDO, {}, title="∂E/∂O, framed", tracks=framed)))


def _shifts(board: Board) -> Iterator[Block]:
    """The filter on framed dE/dO, at the telling cells."""
    layer = board.layer
    shift = f"Shifted one cell at a time, the filter gives ∂E/∂X{words.crop(layer)}. The products stand "
    yield say(shift, IN_BRACKETS, ":")
    if words.is_strided(layer):
        steps = words.per_axis([a.stride for a in layer.axes], "cell")
        yield say(
            f"The filter moves one cell at a time here, though W moved {steps} at a time over X: neighbours in "
            "∂E/∂O lie as far apart on X, and the zeros between them keep that distance."
        )
    shown = board.pictured()
    for number, told in enumerate(shown):
        x = board.symbol(DX, told.place)
        yield say("For ", x, f", {told.why}:" if told.why else ":")
        for picture in pictures(board.names, board.values, DX, told.place):
            # Once the names have been seen, numbers are enough.
            in_numbers = number > 0 and picture.numbers is not None and board.choice.limit is not None
            yield replace(picture, symbols=None) if in_numbers else picture
        if DX in board.values:
            yield say("The products add up to ", x, " = ", scalar(board.values[DX], told.place), ".")
    shape = layer.canonical[X]
    if prod(shape) > len(shown):
        last = quoted(board.symbol(X, tuple(n - 1 for n in shape)).name)
        yield Hint(f"--element gives the picture of any other, as --element {last}.")


def _scattering(board: Board) -> Iterator[Block]:
    """The form without a rotation: each window of dX receives W * dE/do."""
    layer, origin = board.layer, (0,) * (2 + board.layer.dims)
    o = board.symbol(DEDO, origin)
    numbers = board.values.get(DEDO)
    value: list[Part] = [] if numbers is None else [" = ", scalar(numbers, origin)]
    scatters = (
        "Code that scatters, dX[window] += W·∂E/∂o for one output after the other, walks from outputs to "
        "inputs: each w goes back along the way it came, nothing is rotated, and it is right too. "
        "It adds the same products in another order. For "
    )
    yield say(scatters, o, *value, " it is")
    window = around(layer, [framed_input(axis, axis.window(0)) for axis in layer.axes])
    marked = board.grids(DX, {}, title="∂E/∂X, the window marked", tracks=window)
    yield GridRow((*marked, "+=", *board.grids(W, {}, turned=layer.flip), "·", o))


def _bias_gradient(board: Board) -> Iterator[Block]:
    """dE/db."""
    yield say("b is added to every output of its filter with factor 1, so its gradient is the sum of theirs:")
    yield Formula(formulas.rules(board.layer)[DB])
    yield from board.table(DB)
    yield from board.result(DB)


def _summary(board: Board) -> Iterator[Block]:
    """The formulas with this layer's zeros, frame and crop."""
    layer, tensors = board.layer, board.tensors
    if DW in tensors:
        yield Formula(formulas.convolution(layer, summary=True))
        yield say(f"Here: {words.slides(layer)}.")
    if DX in tensors:
        yield Formula(formulas.full_convolution(layer, summary=True))
        zeros = f" with {words.per_axis([a.stride - 1 for a in layer.axes], 'zero')} between its elements"
        lie = words.per_axis([a.dilation for a in layer.axes], "cell")
        apart = f", under a filter whose elements lie {lie} apart" if words.is_dilated(layer) else ""
        zeros = zeros if words.is_strided(layer) else ""
        yield say(f"Here: ∂E/∂O{zeros}, in a frame of {words.frame(layer)}{apart}{words.crop(layer)}.")
    if DB in tensors:
        yield Formula(formulas.rules(layer)[DB])
    if DX in tensors:
        yield say("∂E/∂X of this layer is ∂E/∂O of the layer before it, where the same steps follow.")


def _element(board: Board, tensor: Tensor, index: Index) -> Iterator[Block]:
    """One element, written out, with its picture."""
    told, symbol = [Told(index)], board.symbol(tensor.array, index)
    if tensor in (DW, DX):
        yield board.sums(tensor, told, Form.CHAIN)
    table = board.sums(tensor, told)
    yield table
    (expansion,) = table.expansions
    if tensor is DX and not expansion.count:
        yield say("No window reaches ", symbol, ", so its gradient is exactly 0.")
    elif tensor is DW and not expansion.count:
        yield say(symbol, " meets the padding alone, so its gradient is exactly 0.")
    elif tensor is O and expansion.zeros and expansion.count <= board.layer.has_bias:
        yield say("The window of ", symbol, " lies in the padding alone.")
    yield from described_picture(board.names, board.values, tensor, index)


# The sections in their order: name, heading, the tensors that they belong to (none for all), and what makes them.
_SECTIONS: tuple[tuple[str, str, tuple[Tensor, ...], Callable[[Board], Iterator[Block]]], ...] = (
    ("layer", "The layer", (), _given),
    ("output", "O = Conv(X, {w}){b}", (), _output),
    ("dw", "∂E/∂W by the chain rule", (DW,), _filter_gradient),
    ("dw-conv", "∂E/∂W as a convolution", (DW,), _convolution),
    ("mlp", "In an MLP", (DX,), _mlp),
    ("dx", "∂E/∂X by the chain rule", (DX,), _input_gradient),
    ("dx-conv", "∂E/∂X as a full convolution", (DX,), _full_convolution),
    ("db", "∂E/∂b", (DB,), _bias_gradient),
    ("summary", "Summary", GRADIENTS, _summary),
)
