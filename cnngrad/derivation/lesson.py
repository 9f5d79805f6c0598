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
    output_size,
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
        every = _SECTIONS + _TRANSPOSED if layer.transposed else _SECTIONS
        made = {name: (title, make) for name, title, of, make in every if {*of} & {*tensors}}
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
    both = (
        "w[c,f] belongs to channel c and filter f" if layer.transposed else "w[f,c] belongs to filter f and channel c"
    )
    w = ("", "w[c] belongs to channel c", both)[layer.w_lead]
    if x or w:
        yield f"Indices in brackets: {', '.join(filter(None, (x, w)))}. All indices count from 1."
    if backward:
        yield "E is the error, which training minimizes; ∂E/∂O comes back from the next layer."
    if is_padded(layer) and not layer.transposed:
        yield standing(layer)
        yield f"With its padding{' of zeros' if layer.mode == 'zeros' else ''}, X is"
        yield from map(padded, board.views)


def _output(board: Board) -> Said:
    layer = board.layer
    if layer.batch * layer.filters > 1:
        yield first_matrices(layer, "The first output channel of the first sample")
    yield from _sliding(board, O)
    yield from board.derived(
        O,
        f"{counted_by(layer, O)}, and {', '.join(letters(layer, W))} those of W, from 1.",
        _groups(layer),
        "Products with a 0 of the padding are omitted; their number is in parentheses." if board.omits else "",
    )


def _sliding(board: Board, result: Tensor) -> Said:
    """O, or dE/dX of a transposed layer: the filter slides as it lies in the forward pass."""
    layer, names, items = board.layer, board.symbols, matrices(board.symbols, result)
    # All channels have the same form: if there are many, the first is enough.
    channels = layer.conv.group_channels
    for c in range(channels if channels < 3 else 1):
        items += ["+" if c else "=", *padded(names, (0, c), cropped=layer.transposed), "∗"]
        items += matrices(names, W, lead=(0, c), turned=layer.flip)
    items += ["+ …"] * (channels > 2)
    yield [*items, "+", board.symbol(B, (0,))] if layer.has_bias and result is O else items
    kind = " In mathematics this is called cross-correlation; a convolution rotates the filter first."
    strided = any(axis.stride > 1 for axis in layer.axes)
    yield (
        f"∗ means that the filter slides over {layer.role[X].title}; it is ",
        "rotated by 180° before it slides (flip)" if layer.flip else "not rotated before it slides",
        f"; it moves in steps of {strides(layer, 'position')} (stride)" if strided else "",
        f"; its elements lie {dilations(layer, 'position')} apart (dilation)" if is_dilated(layer) else "",
        f".{' This is what mathematics calls a convolution.' if layer.flip else kind if result is O else ''}",
    )


def _groups(layer: Layer) -> str:
    """What groups mean; empty without."""
    if layer.groups == 1:
        return ""
    channels, filters = counted(layer.group_channels, "channel"), counted(layer.group_filters, "filter")
    letter, reads = "c", "a filter reads only the channels"
    if layer.transposed:
        letter, reads = "f", "a channel is stamped only onto the filters"
    each, array = layer.conv.group_channels, layer.role[X].array.key
    return (
        f"The layer has {layer.groups} groups of {channels} and {filters}: {reads} of its own group. {letter} counts "
        f"them within the group, {letter}' in {array}: {letter}' = {letter} + {each}·(number of the group − 1)."
    )


def _stamping(board: Board) -> Said:
    """O of a transposed layer: scattered, then gathered as a full convolution."""
    layer = board.layer
    yield (
        f"Each x stamps W onto O: W{', rotated by 180° (flip),' if layer.flip else ''} times this x is added to O.",
        " An x of channel c stamps w[c,f] onto filter f." if layer.w_lead else "",
        f" The stamps of neighbouring x lie {strides(layer, 'position')} apart (stride)." if is_strided(layer) else "",
        f" The elements of W lie {dilations(layer, 'position')} apart (dilation)." if is_dilated(layer) else "",
        " Where stamps overlap, they add up.",
        f" The padding of {padding(layer, 'position')} is cut off (-)." if is_padded(layer) else "",
        " b is added to every o of its filter." if layer.has_bias else "",
    )
    yield from _scattering(board)
    yield from board.derived(
        O,
        f"{counted_by(layer, O)}, {', '.join(letters(layer, X))} those of X, and {', '.join(letters(layer, W))} those "
        f"of W, from 1.",
        _groups(layer),
        "Elements of W that meet no x at an o give no product there; their number is in parentheses."
        if board.omits
        else "",
    )
    yield from output_size(layer)
    yield "Gathered for one o after another, the same sums are a full convolution:"
    yield from _full_convolution(board)
    yield (
        "A transposed convolution is also called deconvolution, but it does not undo a convolution: it brings back "
        "the size that the convolution's input had, not the numbers."
    )


def _filter_gradient(board: Board) -> Said:
    shown = board.shown(DW)
    first = next(iter(shown))
    w = board.symbol(W, first)
    if board.layer.transposed:
        cut = ", unless the padding cuts it off" if is_padded(board.layer) else ""
        yield "Each x of its channel stamps ", w, f" onto an output of its own{cut}. {_others(board, 'w')}"
    else:
        yield w, " is used in every output of its filter, so the chain rule has one term for each:"
    yield from _chain_rule(board, DW, shown, [first])
    yield from board.derived(DW)


def _input_gradient(board: Board) -> Said:
    reached = "that it is stamped on" if board.layer.transposed else "whose windows cover it"
    yield f"An x affects only the outputs {reached}. {_others(board, 'x')}"
    shown = board.shown(DX)
    yield from _chain_rule(board, DX, board.pictured(DX) if board.choice.limit else shown, shown)
    yield from board.derived(DX, f"{counted_by(board.layer, X)}, from 1. {standing(board.layer)}".rstrip())


def _others(board: Board, letter: str) -> str:
    omitted = "" if board.choice.zeros else "; their products are omitted, and their number is in parentheses"
    return f"For the others ∂o/∂{letter} = 0{omitted}:"


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
    wide, moving = layer.role[X], layer.role[DEDO]
    strided, leftover = is_strided(layer), any(axis.leftover for axis in layer.axes)
    as_w, but = ("", "") if layer.transposed else (", as W does in the forward pass", " but")
    steps = f",{but} {dilations(layer, 'cell')} at a time" if strided else ""
    yield f"In these sums {moving.title} slides over {wide.title}{as_w}{steps}:"
    yield Formula(convolutions(layer)[DW])
    if layer.batch > 1:
        yield f"It is a sum over the {layer.batch} samples."
    if strided:
        apart = "x lie a stride apart on O" if layer.transposed else "outputs lie a stride apart on X"
        yield f"Neighbouring {apart}, so {moving.title} is spread out in the same way: {gaps(layer)}."
    if is_dilated(layer):
        steps = dilations(layer, "position")
        yield f"With dilation {moving.title} moves in steps of {steps} from one ∂E/∂w to the next."
    yield _cropped(layer)
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
            title = f"{moving.title}, with zeros" if strided else ""
            tracks = list(map(spread_output, layer.axes))
            items += matrices(names, moving, lead=(n, 0), title=title, tracks=tracks)
        yield items + ["+ …"] * (layer.batch > shown)


def _cropped(layer: Layer) -> str:
    """That the end of X, or of a transposed layer's dE/dO, is cut off; empty if no window leaves it over."""
    leftover = any(axis.leftover for axis in layer.axes)
    return f"The end of {layer.role[X].title} that no window reaches is cut off." if leftover else ""


def _mlp(board: Board) -> Said:
    """The layer as a matrix, o = M x, dE/dx = Mᵀ dE/do, or transposed: a fully connected layer with shared weights."""
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
        if not layer.transposed
        else "A transposed convolution is a fully connected layer, too. A convolution with the same W, stride and "
        "padding goes the other way, from an array of O's size to one of X's. Its weight matrix M has a row for each x "
        "here and a column for each o; each entry is the w that connects them, or 0. If the inputs of one sample are "
        f"written as a column x and its outputs as a column o{bias}, this layer multiplies by M transposed, hence its "
        "name:"
    )
    yield Formula(matrix_product(layer))
    outputs, inputs = (prod(layer.canonical[tensor][1:]) for tensor in (O, X))
    name = len(symbols.last(W).element) + 1
    fits = inputs * name <= _MATRIX_WIDTH and outputs <= _MATRIX_HEIGHT
    fits_turned = outputs * name <= _MATRIX_WIDTH - 20 and inputs <= _MATRIX_HEIGHT
    if fits:
        yield [column(symbols, O), "=", layer_matrix(symbols, O), column(symbols, X)]
    for names in board.views if fits_turned else ():
        yield [column(names, DX), "=", layer_matrix(names, DX), column(names, DEDO)]
    if not (fits and fits_turned):
        there, back = ("Mᵀ", "M") if layer.transposed else ("M", "Mᵀ")
        which = f"{there} itself" if fits_turned else back if fits else "it"
        yield f"{there} is {outputs}×{inputs} here; {which} is too large to print."
    each = "O has one element for each filter"
    shared = (
        "the same w occurs in many rows, and ∂E/∂w is the sum of the gradients of all its entries."
        if prod(layer.conv.out) > 1
        else f"too, since {'X has one element for each channel' if layer.transposed else each}."
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
    """dE/dX = Full-Conv(dE/dO with zeros and frame, W rotated by 180 degrees), and why W is rotated.

    In a transposed layer O is such a convolution of X.
    """
    result = board.layer.role[DX]
    yield Formula(convolutions(board.layer)[result])
    if board.layer.mode != "zeros":
        yield (
            "The full convolution gives a gradient for each position of X with its padding. Fold adds each one to the "
            "x that stands there."
        )
    yield _why_rotated(board, result)
    yield from _in_matrices(board)
    yield from _shifts(board)
    if not board.layer.transposed:
        yield from _scattering(board)


def _plain_convolution(board: Board) -> Said:
    """dE/dX of a transposed layer = Conv(dE/dO, W), and why W is not rotated."""
    layer = board.layer
    yield Formula(convolutions(layer)[DX])
    yield _why_rotated(board, DX)
    yield _cropped(layer)
    yield first_matrices(layer, "For the first sample and channel")
    yield from _sliding(board, DX)
    yield "Where the filter lies, the products are ", IN_BRACKETS, ":"
    yield from _pictured(board, DX)


def _why_rotated(board: Board, result: Tensor) -> tuple[Part, ...]:
    """The answer to the most frequent question: why is W rotated here?"""
    layer = board.layer
    if prod(layer.kernel) == 1:
        return ("W has one element for each channel here, so a rotation changes nothing.",)
    (place,) = telling(layer, result, 1)
    factors, count = board.factors(result, place, MOST_MATRICES, inside=True)
    # W's element last, in the order of the other one.
    pairs = [pair[:: -1 if result is O else 1] for pair in factors if len(pair) > 1]
    readers = sorted((pair for pair in pairs if pair[0].lead == pairs[0][0].lead), key=lambda pair: pair[0].place)
    is_full, array = result is layer.role[DX], (X if result is O else DEDO).title
    why, way, moves, lying = ("Why", "last to first", "back", "rotated by 180°")
    if is_full == layer.flip:
        why, way, moves, lying = ("Why not", "first to last", "on too", "as it is")
    so = f"Laid out in the order of {array} these elements are W {lying}."
    if is_full and layer.flip:
        before = "is rotated before it is stamped" if layer.transposed else "was rotated before it slid"
        so = f"W {before} (flip); a second rotation brings it back."
    one, other = ("an output", "x") if result is O else ("an input", "the output")
    if len(readers) < 2:
        return f"{why} rotated? Along {array} {one} meets the elements of W from {way}. ", so
    met, by = "is reached" if layer.transposed else "is read", " by"
    if not is_full:
        met, by = "reaches", ""
    through = [part for reader, w in readers for part in (f",{by} ", reader.of_array, " through ", w)][1:]
    more = ", …" if count - (result is O and layer.has_bias) > len(readers) else ""
    onwards = f"{more}: as {other} moves on, the element of W moves {moves}. "
    return f"{why} rotated? ", board.symbol(result.array, place), f" {met}{by} ", *through, onwards, so


def _in_matrices(board: Board) -> Said:
    """The rotation, the equation, and how dE/dO, or a transposed layer's X, is framed for it."""
    layer, symbols = board.layer, board.symbols
    result, array = layer.role[DX], layer.role[DEDO]
    if not layer.flip:
        rotation: list[Items] = [
            ["rotate 180°", *matrices(names, W), "=", *grids(names, W, turned=True)] for names in board.views
        ]
        yield from rotation if layer.w_lead or layer.kernel[-1] > _NARROW else [apart(rotation)]
    if max(layer.size) < MOST_POSITIONS:
        several = layer.conv.group_filters > 1
        if several:
            over = "channels" if layer.transposed else "filters"
            yield f"{result.title} is a sum over the {layer.conv.group_filters} {over}. For the first:"
        lying = grids(symbols, W, turned=not layer.flip)
        before, behind = ("", "") if layer.mode == "zeros" else ("Fold(", ")")
        convolved: Items = [
            f"{before}Full-Conv(",
            *matrices(symbols, array),
            ",",
            *lying,
            f"){behind}",
            *["+ …"] * several,
        ]
        if result is O and layer.has_bias:
            convolved += ["+", symbols.symbol(B, (0,))]
        yield [*matrices(symbols, result), "=", *convolved]
    wider = "the output padding" if layer.transposed else "what the stride leaves over"
    yield (
        f"Because of the stride {array.title} gets {gaps(layer)}. " if is_strided(layer) else "",
        f"Full means that the filter starts where it covers only a corner of {array.title}. ",
        f"So {array.title} has a frame of {frame(layer)}.",
        f" At the end it is wider by {wider}." if any(a.leftover for a in layer.axes) else "",
        f" With dilation the filter's elements lie {dilations(layer, 'cell')} apart." if is_dilated(layer) else "",
    )
    framed = list(map(framed_output, layer.axes))
    if all(track.size <= MOST_POSITIONS for track in framed):
        yield matrices(symbols, array, title=f"{array.title}, framed", tracks=framed)


def _shifts(board: Board) -> Said:
    """The filter on framed dE/dO, or on a transposed layer's X, at the telling cells."""
    layer, result = board.layer, board.layer.role[DX]
    if is_strided(layer):
        apart = strides(layer, "cell")
        reason = (
            f", though W moved {apart} at a time over X: the windows of neighbouring outputs lie that far apart on X"
        )
        if layer.transposed:
            reason = f": the stamps of neighbouring x lie {apart} apart on O"
        yield f"The filter moves one cell at a time here{reason}, and the zeros keep this distance."
    shifted = f"Shifted one cell at a time, the filter gives {result.title}{crop(layer)}."
    yield f"{shifted} The products are ", IN_BRACKETS, ":"
    yield from _pictured(board, result)


def _pictured(board: Board, result: Tensor) -> Said:
    """The pictures of the telling elements of a result."""
    layer, names, limit = board.layer, board.names, board.choice.limit
    shown = board.pictured(result)
    for number, (place, why) in enumerate(shown.items()):
        element = board.symbol(result, place)
        yield "For ", element, f", {why}:" if why else ":"
        for part, picture in enumerate(pictures(names, result, place)):
            # After the first picture numbers are enough.
            short = limit and picture.numbers and (number or (part and layer.mode != "zeros"))
            yield replace(picture, symbols=None) if short else picture
        if (value := names.number(result, place)) is not None:
            bias = " and b" if result is O and layer.has_bias else ""
            yield f"The products{bias} add up to ", element, " = ", value, "."
    if prod(layer.canonical[result]) > len(shown):
        last = names.last(result.array).name
        yield Hint(f"--element shows the picture of any other element: --element {quote(last)}.")


def _scattering(board: Board) -> Said:
    """The form without a rotation: each window of dX receives W * dE/do; each x of a transposed layer stamps W."""
    layer, names, origin = board.layer, board.symbols, (0,) * (2 + board.layer.dims)
    result, array = layer.role[DX], layer.role[DEDO]
    each, value = names.symbol(array, origin), board.names.number(array, origin)
    numbered = (each, *(() if value is None else (" = ", value)))
    window = "window"
    if layer.transposed:
        window = "stamp"
        yield "For ", *numbered, " the stamp is"
    else:
        yield (
            "Code that scatters, dX[window] += W·∂E/∂o for one output after another, is right too. It goes from "
            "outputs to inputs, so W lies as in the forward pass, and adds the same products in another order. For ",
            *numbered,
            " it is",
        )
    title, tracks = f"{result.title}, the {window} marked", list(map(framed_input, layer.axes))
    marked = matrices(names, result, title=title, tracks=tracks, covered=[axis.window(0) for axis in layer.axes])
    yield [*marked, "+=", *matrices(names, W, turned=layer.flip), "·", each]


def _summary(board: Board) -> Said:
    """The formulas with this layer's zeros, frame and crop."""
    layer, tensors = board.layer, board.tensors
    rules, dilated = convolutions(layer, summary=True), is_dilated(layer)
    wide, moving = layer.role[X].title, layer.role[DEDO].title
    here = f"Here: {moving} with {gaps(layer)}" if is_strided(layer) else f"Here: {moving}"
    over = " and ".join(
        f"the last {word}" if axis.leftover == 1 else f"the last {axis.leftover} {word}s"
        for axis, word in zip(layer.axes, layer.axis_words, strict=True)
        if axis.leftover
    )
    over = (
        f", without {over}, which {'no stamp reaches' if layer.transposed else 'the stride leaves over'}"
        if over
        else ""
    )
    lying = f", under a filter whose elements lie {dilations(layer, 'cell')} apart" if dilated else ""
    padded = f"{wide} with its padding of {padding(layer)}" if is_padded(layer) else wide
    full = f"{here}, in a frame of {frame(layer)}{lying}{crop(layer)}"
    if layer.transposed:
        yield Formula(rules[O])
        yield f"{full}{'; b is added' if layer.has_bias else ''}."
    if DW in tensors:
        yield Formula(rules[DW])
        yield (
            f"{here} slides over {padded}{over}",
            f", in steps of {dilations(layer, 'position')} (dilation)" if dilated else "",
            "; the result is rotated by 180°." if layer.flip else ".",
        )
    if DX in tensors:
        yield Formula(rules[DX])
        steps = f"Here: the filter slides over {padded}{over}, in steps of {strides(layer, 'position')}"
        apart = f"; its elements lie {dilations(layer, 'position')} apart" if dilated else ""
        yield f"{f'{steps}{apart}' if layer.transposed else full}."
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
    transposed = board.layer.transposed
    if tensor is not O and transposed and not expansion.count:
        yield "The padding cuts off all products of ", symbol, ", so its gradient is exactly 0."
    elif tensor is DX and not expansion.count:
        yield "No window reaches ", symbol, ", so its gradient is exactly 0."
    elif tensor is DW and not expansion.count:
        yield symbol, " meets only padding, so its gradient is exactly 0."
    elif tensor is O and expansion.zeros and expansion.count <= board.layer.has_bias:
        before, after = ("No x reaches ", ".") if transposed else ("The window of ", " covers only padding.")
        yield before, symbol, after
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
# Those of a transposed layer that are others.
_TRANSPOSED = (
    ("output", "O = Transposed-Conv(X, {w}){b}", RESULTS, _stamping),
    ("dx-conv", "∂E/∂X as a convolution", (DX,), _plain_convolution),
)
