"""The argument: the sections of a derivation of O or of the gradients, in the order of the notes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from shlex import quote

import numpy as np

from cnngrad.derivation.blocks import Derivation, Figure, Formula, Hint, Part, Section, Source
from cnngrad.derivation.board import MOST_MATRICES, Board, Items, Said, apart, blocks, matrices, padded
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.formulas import convolutions, counted_by, letters, matrix_product
from cnngrad.derivation.grids import MOST_POSITIONS, framed_input, framed_output, grids, spread_output
from cnngrad.derivation.pictures import IN_BRACKETS, column, described_picture, layer_matrix, pictures
from cnngrad.derivation.telling import telling
from cnngrad.derivation.words import (
    crop,
    dilations,
    first_matrices,
    frame,
    gaps,
    is_dilated,
    is_padded,
    is_strided,
    padding,
    standing,
    strides,
)
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, counted
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Index, Values
from cnngrad.tensor import DB, DEDO, DW, DX, GRADIENTS, RESULTS, B, O, Tensor, W, X

# The most characters in a row of the matrix M, for a screen of 80 columns, and its most rows.
_MATRIX_WIDTH, _MATRIX_HEIGHT = 70, 24
# The most connections of an input that are drawn.
_MOST_CONNECTIONS = 6
# The largest filter width for which symbols and numbers stand side by side.
_NARROW = 2


def lesson(layer: Layer, values: Values, choice: Choice, tensors: Sequence[Tensor]) -> Derivation:
    """The derivation of O, or of the gradients in `tensors`; without `values` in symbols only."""
    board = Board(layer, values, choice, tensors)
    sections = [
        Section((board.symbol(*element),), tuple(blocks(_element(board, *element))))
        for element in choice.chosen(board.names, tensors)
    ]
    if not sections:
        made = {name: (title, make) for name, title, of, make in _SECTIONS if {*of} & {*tensors}}
        w, b = "W rotated" if layer.flip else "W", " + b" if layer.has_bias else ""
        sections = [
            Section((title.format(w=w, b=b),), tuple(blocks(make(board))), name)
            for name, (title, make) in made.items()
            if name in (choice.sections or made)
        ]
        if not sections:
            there = ", ".join(made)
            raise CnngradError(f"section {', '.join(choice.sections)} is not in this derivation: use {there}")
    return Derivation(layer.describe(), tuple(sections), Source(layer, board.names.values, O not in tensors))


def _given(board: Board) -> Said:
    """The arrays, in symbols and in numbers."""
    layer, backward = board.layer, O not in board.tensors
    given = [X, W, *[B] * layer.has_bias, *[DEDO] * backward]
    yield first_matrices(layer)
    for names in board.views:
        yield apart(matrices(names, tensor) for tensor in given)
    x = ("", "x[c] belongs to channel c", "x[n,c] belongs to sample n and channel c")[layer.x_lead]
    w = ("", "w[c] belongs to channel c", "w[f,c] belongs to filter f and channel c")[layer.w_lead]
    if x or w:
        yield f"Indices in brackets: {', '.join(filter(None, (x, w)))}. All indices count from 1."
    if backward:
        yield "E is the error, which training minimizes; ∂E/∂O comes back from the next layer."
    if is_padded(layer):
        yield standing(layer)
        yield f"With its padding{' of zeros' if layer.mode == 'zeros' else ''}, X is"
        yield from map(padded, board.views)


def _output(board: Board) -> Said:
    layer, names, items = board.layer, board.symbols, matrices(board.symbols, O)
    if layer.batch * layer.filters > 1:
        yield first_matrices(layer, "The first output channel of the first sample")
    # All channels have the same form: if there are many, the first is enough.
    for c in range(layer.group_channels if layer.group_channels < 3 else 1):
        items += ["+" if c else "=", *padded(names, (0, c)), "∗"]
        items += matrices(names, W, lead=(0, c), turned=layer.flip)
    items += ["+ …"] * (layer.group_channels > 2)
    yield [*items, "+", board.symbol(B, (0,))] if layer.has_bias else items
    kind = "In mathematics this is called cross-correlation; a convolution rotates the filter first."
    strided = any(axis.stride > 1 for axis in layer.axes)
    yield (
        "∗ means that the filter slides over X; it is ",
        "rotated by 180° before it slides (flip)" if layer.flip else "not rotated before it slides",
        f"; it moves in steps of {strides(layer, 'position')} (stride)" if strided else "",
        f"; its elements lie {dilations(layer, 'position')} apart (dilation)" if is_dilated(layer) else "",
        f". {'This is what mathematics calls a convolution.' if layer.flip else kind}",
    )
    reads = counted(layer.group_channels, "channel")
    filters = counted(layer.group_filters, "filter")
    yield from board.derived(
        O,
        f"{counted_by(layer, O)}, and {', '.join(letters(layer, W))} those of W, from 1.",
        f"The layer has {layer.groups} groups of {reads} and {filters}: a filter reads only the channels of its own "
        f"group. c counts them within the group, c' in X: c' = c + {layer.group_channels}·(number of the group − 1)."
        if layer.groups > 1
        else "",
        "Products with a 0 of the padding are omitted; their number is in parentheses." if board.omits else "",
    )


def _filter_gradient(board: Board) -> Said:
    shown = board.shown(DW)
    first = next(iter(shown))
    through = " is used in every output of its filter, so the chain rule has one term for each:"
    yield board.symbol(W, first), through
    yield from _chain_rule(board, DW, shown, [first])
    yield from board.derived(DW)


def _input_gradient(board: Board) -> Said:
    omitted = "" if board.choice.zeros else "; their products are omitted, and their number is in parentheses"
    yield f"An x affects only the outputs whose windows cover it. For the others ∂o/∂x = 0{omitted}:"
    shown = board.shown(DX)
    yield from _chain_rule(board, DX, board.pictured() if board.choice.limit else shown, shown)
    yield from board.derived(DX, f"{counted_by(board.layer, X)}, from 1. {standing(board.layer)}".rstrip())


def _bias_gradient(board: Board) -> Said:
    yield "b is added to every output of its filter, so its gradient is the sum of their gradients:"
    yield from board.derived(DB)


def _chain_rule(board: Board, tensor: Tensor, shown: Iterable[Index], evaluated: Iterable[Index]) -> Said:
    """Sums of partial derivatives, and the value of one: of an output by the first element with terms."""
    yield board.sums(tensor, shown, chain=True)
    for place in evaluated:
        by = board.symbol(tensor.array, place)
        # An output may read an x several times, in the padding too.
        found = board.factors(tensor, place, 1 if board.layer.mode == "zeros" else None)[0]
        for dedo, _ in found[:1]:
            o, factors = dedo.of_array, [factor for other, factor in found if other == dedo]
            times, plus = ([part for factor in factors for part in (word, factor)][1:] for word in (" and by ", " + "))
            yield (
                "In ",
                o,
                ", ",
                by,
                " is multiplied by ",
                *times,
                ", so ",
                Partial(o, by),
                " = ",
                *plus,
                ". This gives",
            )
            return


def _convolution(board: Board) -> Said:
    layer = board.layer
    strided, leftover = is_strided(layer), any(axis.leftover for axis in layer.axes)
    steps = f", but {dilations(layer, 'cell')} at a time" if strided else ""
    yield f"In these sums ∂E/∂O slides over X, as W does in the forward pass{steps}:"
    yield Formula(convolutions(layer)[DW])
    if layer.batch > 1:
        yield f"It is a sum over the {layer.batch} samples."
    if strided:
        spread = "Neighbouring outputs lie a stride apart on X, so ∂E/∂O is spread out in the same way"
        yield f"{spread}: {gaps(layer)}."
    if is_dilated(layer):
        yield f"With dilation ∂E/∂O moves in steps of {dilations(layer, 'position')} from one ∂E/∂w to the next."
    if leftover:
        yield "The end of X that no window reaches is cut off."
    if layer.flip:
        yield "Since W is rotated before it slides, the result comes out rotated by 180°."
    if layer.filters * layer.group_channels > 1:
        yield first_matrices(layer, "For the first filter and channel")
    # In numbers too, unless the same matrices stand above already.
    for names in board.views if strided or leftover or layer.flip else [board.symbols]:
        items = matrices(names, DW, title="∂E/∂W, rotated" if layer.flip else "", turned=layer.flip)
        # In symbols all samples have the same form: the first is enough.
        shown = min(layer.batch, MOST_MATRICES) if names.values else 1
        for n in range(shown):
            items += ["+" if n else "=", *padded(names, (n, 0), cropped=True), "∗"]
            title = "∂E/∂O, with zeros" if strided else "∂E/∂O"
            tracks = list(map(spread_output, layer.axes))
            items += matrices(names, DEDO, lead=(n, 0), title=title, tracks=tracks)
        yield items + ["+ …"] * (layer.batch > shown)


def _mlp(board: Board) -> Said:
    """The layer as a matrix, o = M x, dE/dx = Mᵀ dE/do: a fully connected layer with shared weights."""
    layer, symbols = board.layer, board.symbols
    yield (
        "If X is the output of another layer, that layer needs ∂E/∂X. In an MLP, a network of fully connected "
        "layers, the error comes back like this:"
    )
    yield from _connections(board)
    bias = " (to which b is added)" if layer.has_bias else ""
    yield (
        "A convolution is a fully connected layer whose weight matrix M holds each w once for every output that "
        "uses it, and 0 elsewhere. If the inputs of one sample are written as a column x and its outputs as a "
        f"column o{bias}, each row of M belongs to an output and each column to an input, and each entry is the "
        "w that connects them, or 0:"
    )
    yield Formula(matrix_product(layer))
    outputs, inputs = (prod(layer.canonical[tensor][1:]) for tensor in (O, X))
    name = len(symbols.last(W).element) + 1
    fits = inputs * name <= _MATRIX_WIDTH and outputs <= _MATRIX_HEIGHT
    fits_turned = outputs * name <= _MATRIX_WIDTH - 20 and inputs <= _MATRIX_HEIGHT
    if fits:
        yield [column(symbols, O), "=", layer_matrix(symbols), column(symbols, X)]
    for names in board.views if fits_turned else ():
        yield [column(names, DX), "=", layer_matrix(names, transposed=True), column(names, DEDO)]
    if not (fits and fits_turned):
        which = "M itself" if fits_turned else "Mᵀ" if fits else "it"
        yield f"M is {outputs}×{inputs} here; {which} is too large to print."
    shared = (
        "the same w occurs in many rows, and ∂E/∂w is the sum of the gradients of all its entries."
        if prod(layer.out) > 1
        else "too, since O has one element for each filter."
    )
    yield f"In an MLP every entry of M is a separate weight with its own gradient ∂E/∂o·x. Here {shared}"


def _connections(board: Board) -> Said:
    """The connections of one input, and what comes back through them."""
    (place,) = telling(board.layer, DX, 1)
    factors, count = board.factors(DX, place, _MOST_CONNECTIONS)
    if not factors:
        return
    x = board.symbol(X, place)
    links = tuple((w, dedo.of_array, dedo) for dedo, w in factors)
    # The input with its neighbours in the column of its sample's inputs.
    shape = board.layer.canonical[X]
    own, size = int(np.ravel_multi_index(place, shape)), prod(shape[1:])
    near = range(max(0, own - 1), min(size, own + 2))
    beside = [board.symbol(X, index) for index in zip(*np.unravel_index(near, shape), strict=True)]
    first, last = ("…",) * (near.start > 0), ("…",) * (near.stop < size)
    yield Figure((*first, *beside, *last), x, links, count > len(links))
    forward = (
        " sends its value along each connection, multiplied by the weight w on it. In the backward pass the gradient "
        "∂E/∂o of each output, often written δ, returns along the same connection, multiplied by the same w, and "
    )
    yield "In the forward pass ", x, forward, board.symbol(DX, place), " is the sum of what arrives."


def _full_convolution(board: Board) -> Said:
    """dE/dX = Full-Conv(dE/dO with zeros and frame, W rotated by 180 degrees), and why W is rotated."""
    yield Formula(convolutions(board.layer)[DX])
    if board.layer.mode != "zeros":
        yield (
            "The full convolution gives a gradient for each position of X with its padding. Fold adds each one to the "
            "x that stands there."
        )
    yield _why_rotated(board)
    yield from _in_matrices(board)
    yield from _shifts(board)
    yield from _scattering(board)


def _why_rotated(board: Board) -> tuple[Part, ...]:
    """The answer to the most frequent question: why is W rotated here?"""
    layer = board.layer
    if prod(layer.kernel) == 1:
        return ("W has one element for each channel here, so a rotation changes nothing.",)
    (place,) = telling(layer, DX, 1)
    factors, count = board.factors(DX, place, MOST_MATRICES, inside=True)
    readers = [(dedo, w) for dedo, w in factors if dedo.lead == factors[0][0].lead]
    why, way, moves, so = (
        ("Why not", "first to last", "on too", "W was rotated before it slid (flip); a second rotation brings it back.")
        if layer.flip
        else ("Why", "last to first", "back", "Laid out in the order of ∂E/∂O these elements are W rotated by 180°.")
    )
    if len(readers) < 2:
        return f"{why} rotated? Along ∂E/∂O an input meets the elements of W from {way}. ", so
    through = [part for dedo, w in readers for part in (", by ", dedo.of_array, " through ", w)][1:]
    more = ", …" if count > len(readers) else ""
    onwards = f"{more}: as the output moves on, the element of W moves {moves}. "
    return f"{why} rotated? ", board.symbol(X, place), " is read by ", *through, onwards, so


def _in_matrices(board: Board) -> Said:
    """The rotation, the equation, and how dE/dO is framed for it."""
    layer, symbols = board.layer, board.symbols
    if not layer.flip:
        rotation: list[Items] = [
            ["rotate 180°", *matrices(names, W), "=", *grids(names, W, turned=True)] for names in board.views
        ]
        yield from rotation if layer.w_lead or layer.kernel[-1] > _NARROW else [apart(rotation)]
    if max(layer.size) < MOST_POSITIONS:
        several = layer.group_filters > 1
        if several:
            yield f"∂E/∂X is a sum over the {layer.group_filters} filters. For the first:"
        lying = grids(symbols, W, turned=not layer.flip)
        before, behind = ("", "") if layer.mode == "zeros" else ("Fold(", ")")
        convolved: Items = [
            f"{before}Full-Conv(",
            *matrices(symbols, DEDO),
            ",",
            *lying,
            f"){behind}",
            *["+ …"] * several,
        ]
        yield [*matrices(symbols, DX), "=", *convolved]
    yield (
        f"Because of the stride ∂E/∂O gets {gaps(layer)}. " if is_strided(layer) else "",
        "Full means that the filter starts where it covers only a corner of ∂E/∂O. So ∂E/∂O has a frame of ",
        f"{frame(layer)}.",
        " At the end it is wider by what the stride leaves over." if any(a.leftover for a in layer.axes) else "",
        f" With dilation the filter's elements lie {dilations(layer, 'cell')} apart." if is_dilated(layer) else "",
    )
    framed = list(map(framed_output, layer.axes))
    if all(track.size <= MOST_POSITIONS for track in framed):
        yield matrices(symbols, DEDO, title="∂E/∂O, framed", tracks=framed)


def _shifts(board: Board) -> Said:
    """The filter on framed dE/dO, at the telling cells."""
    layer, names, limit = board.layer, board.names, board.choice.limit
    if is_strided(layer):
        yield (
            f"The filter moves one cell at a time here, though W moved {strides(layer, 'cell')} at a time over "
            "X: the windows of neighbouring outputs lie that far apart on X, and the zeros keep this distance."
        )
    yield f"Shifted one cell at a time, the filter gives ∂E/∂X{crop(layer)}. The products are ", IN_BRACKETS, ":"
    shown = board.pictured()
    for number, (place, why) in enumerate(shown.items()):
        x = board.symbol(DX, place)
        yield "For ", x, f", {why}:" if why else ":"
        for part, picture in enumerate(pictures(names, DX, place)):
            # After the first picture numbers are enough.
            short = limit and picture.numbers and (number or (part and layer.mode != "zeros"))
            yield replace(picture, symbols=None) if short else picture
        if (value := names.number(DX, place)) is not None:
            yield "The products add up to ", x, " = ", value, "."
    if prod(layer.canonical[X]) > len(shown):
        last = names.last(X).name
        yield Hint(f"--element shows the picture of any other element: --element {quote(last)}.")


def _scattering(board: Board) -> Said:
    """The form without a rotation: each window of dX receives W * dE/do."""
    layer, names, origin = board.layer, board.symbols, (0,) * (2 + board.layer.dims)
    o, value = names.symbol(DEDO, origin), board.names.number(DEDO, origin)
    scatters = (
        "Code that scatters, dX[window] += W·∂E/∂o for one output after another, is right too. It goes from "
        "outputs to inputs, so W lies as in the forward pass, and adds the same products in another order. "
        "For "
    )
    yield scatters, o, *(() if value is None else (" = ", value)), " it is"
    tracks = list(map(framed_input, layer.axes))
    window = [axis.window(0) for axis in layer.axes]
    marked = matrices(names, DX, title="∂E/∂X, the window marked", tracks=tracks, covered=window)
    yield [*marked, "+=", *matrices(names, W, turned=layer.flip), "·", o]


def _summary(board: Board) -> Said:
    """The formulas with this layer's zeros, frame and crop."""
    layer, tensors = board.layer, board.tensors
    rules, dilated = convolutions(layer, summary=True), is_dilated(layer)
    here = f"Here: ∂E/∂O with {gaps(layer)}" if is_strided(layer) else "Here: ∂E/∂O"
    over = " and ".join(
        f"the last {word}" if axis.leftover == 1 else f"the last {axis.leftover} {word}s"
        for axis, word in zip(layer.axes, layer.axis_words, strict=True)
        if axis.leftover
    )
    if DW in tensors:
        yield Formula(rules[DW])
        yield (
            f"{here} slides over X",
            f" with its padding of {padding(layer)}" if is_padded(layer) else "",
            f", without {over}, which the stride leaves over" if over else "",
            f", in steps of {dilations(layer, 'position')} (dilation)" if dilated else "",
            "; the result is rotated by 180°." if layer.flip else ".",
        )
    if DX in tensors:
        yield Formula(rules[DX])
        lying = f", under a filter whose elements lie {dilations(layer, 'cell')} apart" if dilated else ""
        yield f"{here}, in a frame of {frame(layer)}{lying}{crop(layer)}."
    if DB in tensors:
        yield Formula(board.rules[DB])
    if DX in tensors:
        yield "∂E/∂X of this layer is ∂E/∂O of the layer before it, which follows the same steps."


def _element(board: Board, tensor: Tensor, index: Index) -> Said:
    """One element, written out, with its picture."""
    symbol, table = board.symbol(tensor.array, index), board.sums(tensor, [index])
    if tensor in (DW, DX):
        yield board.sums(tensor, [index], chain=True)
    yield table
    (expansion,) = table.expansions
    if tensor is DX and not expansion.count:
        yield "No window reaches ", symbol, ", so its gradient is exactly 0."
    elif tensor is DW and not expansion.count:
        yield symbol, " meets only padding, so its gradient is exactly 0."
    elif tensor is O and expansion.zeros and expansion.count <= board.layer.has_bias:
        yield "The window of ", symbol, " covers only padding."
    yield from described_picture(board.names, tensor, index)


# The sections in their order: name, heading, the tensors that they belong to, and the function that writes them.
_SECTIONS = (
    ("layer", "The layer", RESULTS, _given),
    ("output", "O = Conv(X, {w}){b}", RESULTS, _output),
    ("dw", "∂E/∂W by the chain rule", (DW,), _filter_gradient),
    ("dw-conv", "∂E/∂W as a convolution", (DW,), _convolution),
    ("mlp", "In an MLP", (DX,), _mlp),
    ("dx", "∂E/∂X by the chain rule", (DX,), _input_gradient),
    ("dx-conv", "∂E/∂X as a full convolution", (DX,), _full_convolution),
    ("db", "∂E/∂b", (DB,), _bias_gradient),
    ("summary", "Summary", GRADIENTS, _summary),
)
