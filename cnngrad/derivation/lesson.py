"""The argument: the sections of a derivation of O or of the gradients, in the order of the notes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from shlex import quote

from cnngrad.derivation.blocks import (
    Derivation,
    Derivative,
    Formula,
    Grids,
    Hint,
    Letter,
    Part,
    Section,
    Source,
)
from cnngrad.derivation.board import MOST_MATRICES, Board, Items, Said, apart, blocks, matrices, padded
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.formulas import convolutions, counted_by, letters
from cnngrad.derivation.grids import Cell, Grid, framed_input, framed_output, grids, spread_output
from cnngrad.derivation.pictures import (
    IN_BRACKETS,
    MOST_PICTURES,
    column,
    layer_matrix,
    one_by_one,
    pictures,
)
from cnngrad.derivation.telling import TELLING, telling
from cnngrad.derivation.words import (
    crop,
    dilations,
    first,
    frame,
    gaps,
    laid_out,
    leftover,
    output_size,
    padding,
    parts,
    standing,
    strides,
    summed,
)
from cnngrad.errors import CnngradError
from cnngrad.layer import Axis, Layer, counted
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Index, Names, Symbol, Values
from cnngrad.tensor import DB, DEDO, DW, DX, GRADIENTS, RESULTS, B, O, Tensor, W, X

# Maximum width of the matrix M in characters, for a screen of 80 columns, and its maximum number of rows.
_MATRIX_WIDTH, _MATRIX_HEIGHT = 75, 24
# Maximum number of pictures of elements, even if all are asked for.
_MOST_PICTURED = 25
# Maximum number of connections of an input that are drawn.
_MOST_CONNECTIONS = 6


def lesson(layer: Layer, values: Values, choice: Choice, tensors: Sequence[Tensor]) -> Derivation:
    """The derivation of O, or of the gradients in `tensors`; without `values` in symbols only."""
    for name in choice.sections:
        if name not in SECTIONS:
            raise CnngradError(f"section {name[:40]!r} is unknown: use {', '.join(SECTIONS)}")
    board = Board(layer, values, choice, tensors)
    sections = [
        Section((board.symbol(*element),), tuple(blocks(_element(board, *element))))
        for element in choice.chosen(board.names, tensors)
    ]
    if not sections:
        made = SECTIONS | (_TRANSPOSED if layer.transposed else {})
        there = {name: section for name, section in made.items() if {*section[1]} & {*tensors}}
        w, b = "W rotated" if layer.flip else "W", " + b" * layer.has_bias
        for name, (title, _, make) in there.items():
            if name in (choice.sections or there):
                sections.append(Section((title.format(w=w, b=b),), tuple(blocks(make(board))), name))
        if not sections:
            asked = ", ".join(choice.sections)
            raise CnngradError(f"section {asked} is not in this derivation: use {', '.join(there)}")
    return Derivation(layer.describe(), tuple(sections), Source(layer, board.names.values, O not in tensors))


def _given(board: Board) -> Said:
    """The arrays, in symbols and in numbers."""
    layer, backward = board.layer, O not in board.tensors
    given = [X, W, *[B] * layer.has_bias, *[DEDO] * backward]
    yield first(layer, X, W, O)
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
    if layer.is_padded and not layer.transposed:
        yield standing(layer)
        yield f"With its padding{' of zeros' if layer.mode == 'zeros' else ''}, X is"
        yield board.in_both(padded)


def _output(board: Board) -> Said:
    layer = board.layer
    yield first(layer, O)
    yield from _sliding(board, O)
    yield from board.derived(
        O,
        f"{counted_by(layer, O)}, and {', '.join(letters(layer, W))} those of W, from 1.",
        _groups(layer),
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
    yield (
        f"∗ means that the filter slides over {layer.role[X].title}; it is ",
        "rotated by 180° before it slides (flip)" if layer.flip else "not rotated before it slides",
        f"; it moves in steps of {strides(layer, 'position')} (stride)" * layer.is_strided,
        f"; its elements lie {dilations(layer, 'position')} apart (dilation)" * layer.is_dilated,
        f".{' This is what mathematics calls a convolution.' if layer.flip else kind if result is O else ''}",
    )


def _groups(layer: Layer) -> str:
    """What groups mean, in words; empty without groups."""
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
        f" The stamps of neighbouring x lie {strides(layer, 'position')} apart (stride)." * layer.is_strided,
        f" The elements of W lie {dilations(layer, 'position')} apart (dilation)." * layer.is_dilated,
        " Stamps that overlap add up."
        * any(len(axis.terms(O, place)) > 1 for axis in layer.axes for place in range(axis.out)),
        f" The padding of {padding(layer, 'position')} is cut off (shown as -)." * layer.is_padded,
        " b is added to every o of its filter." * layer.has_bias,
    )
    yield from _scattering(board)
    yield from board.derived(
        O,
        f"{counted_by(layer, O)}, {', '.join(letters(layer, X))} those of X, and {', '.join(letters(layer, W))} those "
        f"of W, from 1.",
        _groups(layer),
    )
    yield from output_size(layer)
    yield "Gathered for one o after another, the same sums are a full convolution:"
    yield from _full_convolution(board)
    yield (
        "A transposed convolution is also called deconvolution, but it does not undo a convolution: it brings back "
        "the size that the convolution's input had, not the numbers."
    )


def _filter_gradient(board: Board) -> Said:
    layer, shown = board.layer, board.shown(DW)
    w, sums = board.symbol(W, shown[0]), board.sums(DW, shown, chain=True)
    if layer.transposed:
        cut = ", unless the padding cuts it off" * layer.is_padded
        others = ". For the others ∂o/∂w = 0; their products are omitted" * sums.has_zeros
        yield "Each x of its channel stamps ", w, f" onto an output of its own{cut}{others}:"
    else:
        zeros = "; terms with a 0 of the padding are omitted" * sums.has_zeros
        yield w, f" is used in every output of its filter, so the chain rule has one term for each{zeros}:"
    yield sums
    yield from _evaluated(board, DW, shown[:1])
    yield from board.derived(DW)


def _input_gradient(board: Board) -> Said:
    places = telling(board.layer, DX, TELLING) if board.choice.limit else board.shown(DX)
    sums = board.sums(DX, places, chain=True)
    reached = "that it is stamped on" if board.layer.transposed else "whose windows cover it"
    others = ". For the others ∂o/∂x = 0; their products are omitted" * sums.has_zeros
    yield f"An x affects only the outputs {reached}{others}:"
    yield sums
    yield from _evaluated(board, DX, places)
    yield from board.derived(DX, f"{counted_by(board.layer, X)}, from 1.")


def _bias_gradient(board: Board) -> Said:
    yield "b is added to every output of its filter, so its gradient is the sum of their gradients:"
    yield from board.derived(DB)


def _evaluated(board: Board, tensor: Tensor, places: Iterable[Index]) -> Said:
    """The value of one partial derivative: one that is a sum if an output reads an element several times."""
    found = defaultdict(list)
    for place in places:
        # Only in padding other than zeros does an output read an x several times.
        for dedo, factor in board.factors(tensor, place, 1 if board.layer.mode == "zeros" else None)[0]:
            found[dedo.of_array, board.symbol(tensor.array, place)].append(factor)
    if found:
        (o, by), factors = max(found.items(), key=lambda each: len(each[1]))
        times, plus = ([part for factor in factors for part in (word, factor)][1:] for word in (" and by ", " + "))
        yield "In ", o, ", ", by, " is multiplied by ", *times, ", so ", Partial(o, by), " = ", *plus, ". This gives"


def _convolution(board: Board) -> Said:
    layer = board.layer
    wide, moving = layer.role[X], layer.role[DEDO]
    steps = f"{dilations(layer, 'cell')} at a time{' (dilation)' * layer.is_dilated}"
    slides = f"slides over {wide.title}, {steps}" if prod(layer.kernel) > 1 else f"lies on {wide.title}"
    yield f"In these sums {moving.title} {slides}:"
    yield Formula(convolutions(layer)[DW])
    yield summed(layer, DW)
    if layer.is_strided:
        apart = "Neighbouring x lie" if layer.transposed else "The windows of neighbouring outputs lie"
        far = f"{strides(layer, 'cell')} apart on {'O' if layer.transposed else 'X'}"
        yield f"{apart} {far}, so {moving.title} is spread out in the same way: {gaps(layer)}."
    yield _cropped(layer)
    if layer.flip:
        yield "Since W is rotated before it slides, the result comes out rotated by 180°."
    yield first(layer, DW)

    def equation(names: Names) -> Items:
        items = matrices(names, DW, title="∂E/∂W, rotated" * layer.flip, turned=layer.flip)
        # All samples have the same form: if there are many, the first is enough.
        shown = layer.batch if names.values and layer.batch < 3 else 1
        title = f"{moving.title}, with zeros" * layer.is_strided
        for n in range(shown):
            items += ["+" if n else "=", *padded(names, (n, 0), cropped=True), "∗"]
            items += matrices(names, moving, lead=(n, 0), title=title, track=spread_output)
        return items + ["+ …"] * (layer.batch > shown)

    yield board.in_both(equation)
    another = f"{moving.title} lies in another place for each ∂E/∂w. " if prod(layer.kernel) > 1 else ""
    yield another, *_add_up(board, DW)
    yield from _pictured(board, DW)


def _cropped(layer: Layer) -> str:
    """A sentence that the end of X, or of a transposed layer's dE/dO, is cut off; empty if windows reach it."""
    wide = f"{layer.role[X].title}{' with its padding' if layer.is_padded else ''}"
    return f"{wide} is cut here: no window reaches {leftover(layer)}." if leftover(layer) else ""


def _mlp(board: Board) -> Said:
    """The layer as a matrix, o = M x, dE/dx = Mᵀ dE/do, or transposed: a fully connected layer with shared weights."""
    layer, symbols = board.layer, board.symbols
    yield (
        "If X is the output of another layer, that layer needs ∂E/∂X. In an MLP, a network of fully connected "
        "layers, the error comes back like this:"
    )
    yield from _connections(board)
    bias = " (to which b is added)" * layer.has_bias
    beyond = ", with positions behind it that are left out" * any(axis.extra >= axis.stride > 0 for axis in layer.axes)
    yield (
        "A convolution is a fully connected layer whose weight matrix M holds each w once for every output that "
        "uses it, and 0 elsewhere. If the inputs of one sample are written as a column x and its outputs as a "
        f"column o{bias}, each row of M belongs to an output and each column to an input, and each entry is the "
        f"w that connects them{', the sum of several' * (layer.mode != 'zeros')}, or 0:"
        if not layer.transposed
        else "A transposed convolution is a fully connected layer, too. A convolution with the same W, stride and "
        f"padding goes the other way, from an array of O's size to one of X's{beyond}. Its weight matrix M has a row "
        "for each x here and a column for each o; each entry is the w that connects them, or 0. If the inputs of one "
        f"sample are written as a column x and its outputs as a column o{bias}, this layer multiplies by M transposed, "
        "hence its name:"
    )
    there, back = ("Mᵀ", "M") if layer.transposed else ("M", "Mᵀ")
    o, x = Derivative(Letter("o")), Derivative(Letter("x"))
    yield Formula((f"o = {there} x{' + b' * layer.has_bias}", "     ", x, f" = {back} ", o))
    outputs, inputs = (prod(layer.canonical[tensor][1:]) for tensor in (O, X))
    # With other padding than zeros an entry may be a sum.
    entry = (len(symbols.last(W).element) + 2) * (1 + (layer.mode != "zeros"))
    fits, fits_turned = (
        height <= _MATRIX_HEIGHT and width * entry <= _MATRIX_WIDTH
        for height, width in ((outputs, inputs), (inputs, outputs))
    )
    if fits:
        yield [column(symbols, O), "=", layer_matrix(symbols, O), column(symbols, X)]
    for names in board.views if fits_turned else ():
        yield [column(names, DX), "=", layer_matrix(names, DX), column(names, DEDO)]
    if not (fits or fits_turned):
        yield f"{there} is {outputs}×{inputs} here, too large to print."
    entries = board.expander.products(DW, telling(layer, DW, 1)[0])[1] // layer.batch
    yield (
        "In an MLP every entry of M is a separate weight with its own gradient ∂E/∂o·x. Here a w stands in at most "
        f"{counted(entries, 'entry', 'entries')}, and ∂E/∂w adds up the gradients of its entries."
    )


def _connections(board: Board) -> Said:
    """The connections of one input, and what comes back through them."""
    (place,) = telling(board.layer, DX, 1)
    factors, count = board.factors(DX, place, _MOST_CONNECTIONS)
    if not factors:
        return
    x = board.symbol(X, place)
    dedos, weights = zip(*factors, strict=True)

    def nodes(name: str, symbols: Sequence[Symbol]) -> Grid:
        title = f"{name}, {len(symbols)} of {count}" if len(symbols) < count else name
        return Grid(title, len(symbols), 1, lambda row, _: Cell(symbols[row]), symbols[0].tensor)

    outputs = [dedo.of_array for dedo in dedos]
    yield [x, "→", nodes("weights", weights), "→", nodes("outputs", outputs), "←", nodes("gradients", dedos)]
    forward = (
        " sends its value along each connection, multiplied by the weight w on it. In the backward pass the gradient "
        "∂E/∂o of each output, often written δ, returns along the same connection, multiplied by the same w, and "
    )
    yield "In the forward pass ", x, forward, board.symbol(DX, place), " is the sum of what arrives."


def _full_convolution(board: Board) -> Said:
    """dE/dX = Full-Conv(dE/dO with zeros and frame, W rotated by 180 degrees), and why W is rotated.

    In a transposed layer O is such a convolution of X.
    """
    layer, result = board.layer, board.layer.role[DX]
    yield Formula(convolutions(layer)[result])
    if layer.mode != "zeros":
        yield (
            "The full convolution gives a gradient for each position of X with its padding. Fold adds each one to the "
            "x that stands there."
        )
    yield _why_rotated(board, result)
    yield from _in_matrices(board)
    if layer.is_strided:
        apart = strides(layer, "cell")
        reason = (
            f", though W moved {apart} at a time over X: the windows of neighbouring outputs lie that far apart on X"
        )
        if layer.transposed:
            reason = f": the stamps of neighbouring x lie {apart} apart on O"
        yield f"The filter moves one cell at a time here{reason}, and the zeros keep this distance."
    yield f"Shifted one cell at a time, the filter gives {result.title}{crop(layer)}. ", *_add_up(board, result)
    yield from _pictured(board, result)
    if not layer.transposed:
        yield from _scattering(board)


def _plain_convolution(board: Board) -> Said:
    """dE/dX of a transposed layer = Conv(dE/dO, W), and why W is not rotated."""
    layer = board.layer
    yield Formula(convolutions(layer)[DX])
    yield _why_rotated(board, DX)
    yield _cropped(layer)
    yield first(layer, DX)
    yield from _sliding(board, DX)
    yield _add_up(board, DX)
    yield from _pictured(board, DX)


def _why_rotated(board: Board, result: Tensor) -> tuple[Part, ...]:
    """The answer to the most frequent question: why is W rotated here?"""
    layer = board.layer
    if prod(layer.kernel) == 1:
        return (f"W has one element{' for each channel' * bool(layer.w_lead)} here, so a rotation changes nothing.",)
    is_full, array = result is layer.role[DX], (X if result is O else DEDO).title
    why, moves, lying = ("Why not", "on too", "") if is_full == layer.flip else ("Why", "back", " rotated by 180°")
    so = f"Laid out in the order of {array} these elements lie as in W{lying}."
    if is_full and layer.flip:
        before = "is rotated before it is stamped" if layer.transposed else "was rotated before it slid"
        so = f"W {before} (flip); a second rotation brings it back."
    (place,) = telling(layer, result, 1)
    factors, count = board.factors(result, place, MOST_MATRICES, inside=True)
    # Pairs with W's element last, sorted by the other element.
    pairs = [pair[:: -1 if result is O else 1] for pair in factors if len(pair) > 1]
    readers = sorted((pair for pair in pairs if pair[0].lead == pairs[0][0].lead), key=lambda pair: pair[0].place)
    if len(readers) < 2:
        because = (
            "A filter meets the first cell that it covers with its first element, and the last cell with its last. "
            f"As it slides over {array}, an element of {array} lies at its end for the first cell, and at its "
            f"beginning for the last. {so if layer.flip else 'So the filter is turned round.'}"
        )
        return (f"{why} rotated? {because if is_full else 'Each ∂E/∂x collects what its stamp covers.'}",)
    one, met, by = ("x", "is reached", " by") if result is O else ("the output", "reaches", "")
    through = [part for reader, w in readers for part in (f",{by} ", reader.of_array, " through ", w)][1:]
    more = ", …" if count - (result is O and layer.has_bias) > len(readers) else ""
    onwards = f"{more}: as {one} moves on, the element of W moves {moves}. "
    return f"{why} rotated? ", board.symbol(result.array, place), f" {met}{by} ", *through, onwards, so


def _in_matrices(board: Board) -> Said:
    """The rotation, the equation, and how dE/dO, or a transposed layer's X, is framed for it."""
    layer, symbols = board.layer, board.symbols
    result, array = layer.role[DX], layer.role[DEDO]
    if not layer.flip:
        yield board.in_both(lambda names: ["rotate 180°", *matrices(names, W), "=", *grids(names, W, turned=True)])
    if several := summed(layer, result):
        yield f"{several} For the first:"
    before, behind = ("", "") if layer.mode == "zeros" else ("Fold(", ")")
    lying = matrices(symbols, W, turned=not layer.flip)
    convolved = [f"{before}Full-Conv(", *matrices(symbols, array), ",", *lying, f"){behind}", *["+ …"] * bool(several)]
    if result is O and layer.has_bias:
        convolved += ["+", symbols.symbol(B, (0,))]
    yield [*matrices(symbols, result), "=", *convolved]
    wider = "the output padding" if layer.transposed else "what the stride leaves over"
    ends = f" At the end it is wider by {wider}." if leftover(layer) else ""
    full = f"Full means that the filter starts where it covers only the first element of {array.title}, so "
    yield (
        f"Because of the stride {array.title} gets {gaps(layer)}. " * layer.is_strided,
        f"{full}{array.title} has a frame of {frame(layer)}.{ends}" if frame(layer) else "",
        f" With dilation the filter's elements lie {dilations(layer, 'cell')} apart." * layer.is_dilated,
    )
    if state := laid_out(layer):
        yield board.in_both(lambda names: matrices(names, array, title=array.title + state, track=framed_output))


def _add_up(board: Board, result: Tensor) -> tuple[Part, ...]:
    """How pictures are read."""
    bias = " and b" if result is O and board.layer.has_bias else ""
    are = "add up to" if parts(board.layer, result)[0] <= MOST_PICTURES else "are some of the terms of"
    return "The products ", IN_BRACKETS, f"{bias} {are} the element:"


def _pictured(board: Board, result: Tensor) -> Said:
    """The pictures of a result: side by side if a few elements have one each, otherwise those of the telling ones."""
    layer, shown = board.layer, board.shown(result)[:_MOST_PICTURED]
    few = layer.dims < 3 and len(shown) == prod(layer.canonical[result])
    made = [each for at in shown if few for each in pictures(board, result, at, str(board.symbol(result, at)))]
    if len(made) == len(shown):
        symbols, *numbers = zip(*(each.rows for each in made), strict=True)
        # After the first picture numbers are enough.
        symbols = symbols[:1] if numbers and board.choice.limit else symbols
        yield Grids(tuple(map(apart, (symbols, *numbers))))
        return
    if board.choice.limit:
        shown = telling(layer, result, TELLING)
    for number, place in enumerate(shown):
        yield (
            "For ",
            *board.valued(result, place),
            f", {board.remark(result, place)}{one_by_one(layer, result)}:",
        )
        for part, picture in enumerate(pictures(board, result, place)):
            if board.choice.limit and (number or part):
                picture = replace(picture, rows=picture.rows[-1:])
            # dE/dO is too large to stand beside X.
            yield replace(picture, apart=None) if layer.role[result] is DW else picture
    if prod(layer.canonical[result]) > len(shown):
        last = board.names.last(result.array).name
        yield Hint(f"--element shows the picture of any other element: --element {quote(last)}.")


def _scattering(board: Board) -> Said:
    """The form without a rotation: each window of dX receives W * dE/do; each x of a transposed layer stamps W."""
    layer, names = board.layer, board.symbols
    result, array = layer.role[DX], layer.role[DEDO]
    (middle,) = telling(layer, layer.role[O], 1)
    numbered = board.valued(array, middle)
    if layer.transposed:
        yield "For ", *numbered, " the stamp is"
    else:
        back = "cut off at the end (shown as -)" if layer.mode == "zeros" else "folded back at the end"
        yield (
            "Code that scatters, dX[window] += W·∂E/∂o for one output after another, is right too",
            f", if dX has the padding of X, which is {back}" * layer.is_padded,
            ". It goes from outputs to inputs, so W lies as in the forward pass, and adds the same products in another "
            "order. For ",
            *numbered,
            " it is",
        )
    title = f"{result.title}, the {'stamp' if layer.transposed else 'window'} marked"
    covered = list(map(Axis.window, layer.axes, middle[2:]))
    marked = matrices(names, result, title=title, track=framed_input, covered=covered)
    yield [*marked, "+=", *matrices(names, W, turned=layer.flip), "·", names.symbol(array, middle)]


def _summary(board: Board) -> Said:
    """The formulas with this layer's zeros, frame and crop."""
    layer, tensors = board.layer, board.tensors
    rules, dilated = board.rules | convolutions(layer, summary=True), layer.is_dilated
    wide, moving = layer.role[X].title, layer.role[DEDO].title
    spread = f"{moving} with {gaps(layer)}" if layer.is_strided else moving
    reached = "no stamp reaches" if layer.transposed else "the stride leaves over"
    over = f", without {leftover(layer)}, which {reached}" if leftover(layer) else ""
    lying = f", under a filter whose elements lie {dilations(layer, 'cell')} apart" * dilated
    padded = f"{wide} with its padding of {padding(layer)}" if layer.is_padded else wide
    framed = f" in a frame of {frame(layer)}" if frame(layer) else ""
    full = f"{spread}{framed}{lying}{crop(layer)}"
    slides = f"{spread} slides over {padded}{over}"
    slides += f", in steps of {dilations(layer, 'position')} (dilation)" * dilated
    slides += "; the result is rotated by 180°" * layer.flip
    steps = f"the filter slides over {padded}{over}"
    steps += f", in steps of {strides(layer, 'position')}" * layer.is_strided
    steps += f"; its elements lie {dilations(layer, 'position')} apart" * dilated
    said = {
        O: f"{full}{'; b is added' if layer.has_bias else ''}",
        DW: slides,
        DX: steps if layer.transposed else full,
    }
    for tensor in (*[O] * layer.transposed, *tensors):
        yield Formula(rules[tensor])
        if here := said.get(tensor):
            # Do not repeat what the formula itself says.
            plain = (moving, f"{moving}; b is added", f"{moving} slides over {wide}", f"the filter slides over {wide}")
            yield f"Here: {here}." * (here not in plain)
            yield summed(layer, tensor)
    if DX in tensors:
        yield "∂E/∂X of this layer is ∂E/∂O of the layer before it, which follows the same steps."


def _element(board: Board, tensor: Tensor, index: Index) -> Said:
    """One element, written out, with its picture."""
    layer = board.layer
    if tensor in (DW, DX):
        yield board.sums(tensor, [index], chain=True)
    yield board.sums(tensor, [index])
    if alone := board.alone(tensor, index):
        has = "has a gradient of exactly 0"
        if tensor is O:
            has = f"adds up {'no products' if layer.transposed else 'only products with 0'}"
        yield board.symbol(tensor.array, index), f", {alone}, {has}."
    if tensor is DB:
        return
    role = layer.role[tensor]
    wide, windows = (layer.role[each].title for each in (X, DEDO))
    w = "W rotated by 180°" if layer.flip != (role is DX) else "W"
    padded = f"{wide}{' with its padding' if layer.is_padded else ''}"
    said = {
        O: f"{w} lies on {padded}",
        DW: f"{windows} lies on {padded}",
        DX: f"{w} lies on {'framed ' * bool(frame(layer))}{windows}",
    }[role]
    yield standing(layer)
    yield "Depths without a marked cell are not shown." if layer.dims == 3 else ""
    yield "For ", board.symbol(tensor, index), f", {said}{one_by_one(layer, tensor)}, the products ", IN_BRACKETS, ":"
    yield from pictures(board, tensor, index)


# The sections by name: heading, the tensors that they belong to, and the function that writes them.
SECTIONS = {
    "layer": ("The layer", RESULTS, _given),
    "output": ("O = Conv(X, {w}){b}", RESULTS, _output),
    "dw": ("∂E/∂W by the chain rule", (DW,), _filter_gradient),
    "dw-conv": ("∂E/∂W as a convolution", (DW,), _convolution),
    "mlp": ("In an MLP", (DX,), _mlp),
    "dx": ("∂E/∂X by the chain rule", (DX,), _input_gradient),
    "dx-conv": ("∂E/∂X as a full convolution", (DX,), _full_convolution),
    "db": ("∂E/∂b", (DB,), _bias_gradient),
    "summary": ("Summary", GRADIENTS, _summary),
}
# The sections that differ in a transposed layer.
_TRANSPOSED = {
    "output": ("O = Transposed-Conv(X, {w}){b}", RESULTS, _stamping),
    "dx-conv": ("∂E/∂X as a convolution", (DX,), _plain_convolution),
}
