"""The catalogue of mistakes in backward passes: the words for each, and how it changes a recipe.

Each function yields a recipe in every way in which one mistake changes it, the likeliest first: by other relations
between positions, by an edit of an operand or of the result, or by other parts of a recipe. To add a mistake, write
such a function, with its words, behind the likelier mistakes.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, combinations, permutations, product
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.axes import Axes, spelled
from cnngrad.causes.edits import (
    Edit,
    Function,
    Mixed,
    along,
    by_part,
    flipped,
    only,
    relaid,
    reshaped,
    swapped,
    taken,
    transposed,
    without,
)
from cnngrad.causes.loops import Loops, Slips, right_loops
from cnngrad.causes.recipe import Recipe, held
from cnngrad.layer import BORDERS, Layer, Relation, Shape
from cnngrad.layer.expansion import OPERANDS
from cnngrad.tensor import DB, DEDO, DW, DX, RESULTS, B, O, Tensor, W, X

__all__ = [
    "CATALOGUE", "PLACES", "Mistake", "added", "exchanged", "missing_parts", "some_axes", "told",
]  # fmt: skip

# The results that have spatial axes.
ARRAYS = (O, DW, DX)
# Up to this size every index is tried, otherwise only the first and the last.
_FEW = 4
# Filters of up to this size may lack any of their elements.
_FEW_TAPS = 25
# Loops over flat arrays are tried up to this number of products.
_FEW_PRODUCTS = 20_000
_AS_IT_IS = "slide W over dE/dO as it is: it was rotated before it slid over X (flip), and two rotations cancel"
# Operands and results of which a part may be missing, in the order in which they are tried.
_PARTS = {O: (W, O, X), DX: (DEDO, W, DX), DW: (DEDO, DW, X), DB: (DEDO,)}
_WHAT = {X: "input", W: "kernel", O: "output"}
# Lines of a right pass, by the beginnings of wrong ones. stride, dilation, before and after (zeros) have a number for
# each axis; i and u are positions of O and W, place is one of X, all from 0.
_RIGHT = {
    "return": "return result",
    "return each": "return each.sum(axis=0)",
    "return padded": "return padded[{x:,,*inside}]",
    "return dedo": "return dedo.sum(axis={summed})",
    "place": "place = stride * i + dilation * u - before",
    "place = {": "place = {x:flat * W}",
    "product": "product = dedo[{o:n,f,*i}] * kernel[{w:f,c,*u}]",
    "rotated": "rotated = w[{w:,,*::-1}]",
    "moving": "moving = dedo",
    "framed": "framed = np.pad(x, pads)",
    'framed = np.pad(x, pads, "': "framed = np.pad(x, pads, mode)",
    "used": "used = framed[{x:,,*reached}]",
    "inside": "inside = [slice(p, p + n) for p, n in zip(before, size)]",
    "padded": "padded = np.pad(covered, behind)",
    "o =": "o = full[{x:,,*inside}]",
    "w =": "w = memory.reshape(shape)",
    "dx": "np.add.at(dx, np.ix_(*repeated), padded)",
    "rows": "rows = dedo.swapaxes(0, 1).reshape(F, -1)",
    "channel": "channel = f // per_group * channels + c",
    "result =": "result = np.zeros_like(x)",
    "result[": "result[{x:n,channel,*place}] += product",
    "for c": "for c in range(channels):",
    "for i": "for i in np.ndindex(*out):",
}
# Likeliest first: if several fit a claim, the first is named, and the others follow after "Or".
CATALOGUE: list["Mistake"] = []
Changes = Iterable[Recipe]
# What is wrong, and how to fix it; or a wrong line of code and the right one.
Words = tuple[str, str]


@dataclass(eq=False)
class Mistake:
    """A known mistake. As a decorator it adds itself, with the function that changes a recipe, to the catalogue.

    Attributes:
        id: its name in `--json`.
        results: the results in which it can be made.
        says: what is wrong, as a sentence.
        fix: how to fix it, as a sentence.
        line: a line of NumPy with the mistake, in place of one of `_RIGHT`. Axes are written as `spelled` takes them,
            here and in the sentences.
        short: a phrase for the list of mistakes that numbers hide; several mistakes may share one. A mistake without
            such a phrase is rare: it is tried only if no other mistake explains a result.
        needs: the layers in which people make it: those with several `channels` or filters, with a `batch` axis or with
            `groups`; `transposed` or `plain` ones, or plain ones whose padding is `zeros` or `filled`; empty for all.
        joins: whether it often occurs together with another mistake, so that all others are tried after it.
        forward: `says` and `fix` for O, if they differ.
        of_dx: `says` and `fix` for dE/dX, if they differ.
        flipped: `says` and `fix` by result, for layers with flip, if they differ.
        change: yields a recipe in every way in which the mistake changes it.
    """

    id: str
    results: tuple[Tensor, ...]
    says: str
    fix: str
    line: str
    short: str = ""
    needs: str = ""
    joins: bool = False
    forward: Words | None = None
    of_dx: Words | None = None
    flipped: dict[Tensor, Words] = field(default_factory=dict)
    change: Callable[[Recipe], Changes] = field(init=False)

    def __call__(self, change: Callable[[Recipe], Changes]) -> "Mistake":
        """Add the mistake to the catalogue."""
        self.change = change
        CATALOGUE.append(self)
        return self

    def __lt__(self, other: "Mistake") -> bool:
        """Whether it is likelier than another one."""
        return PLACES[self.id] < PLACES[other.id]

    @property
    def code(self) -> Words:
        """The line with the mistake, and the right line."""
        return self.line, _RIGHT[max(filter(self.line.startswith, _RIGHT), key=len)]

    def changed(self, recipe: Recipe) -> Iterator[Recipe]:
        """The changed recipes, each once; none if the mistake can't be made in this one."""
        seen = [recipe]
        for change in self.change(recipe) if recipe.result in self.results and self.suits(recipe.layer) else ():
            # Edits are functions, which never compare equal.
            is_new = change.reads is not recipe.reads or change.loops is not None or change not in seen
            if is_new and min(change.size, default=1) > 0 and all(r.output * r.filter for r in change.relations):
                seen.append(change)
                yield change

    def suits(self, layer: Layer) -> bool:
        """Whether people make the mistake in a layer, or in the one whose twin it is."""
        is_plain, is_filled = not layer.own.transposed, layer.mode != "zeros"
        return {
            "": True,
            "transposed": not is_plain,
            "plain": is_plain,
            "zeros": is_plain and not is_filled,
            "filled": is_filled,
            "channels": max(layer.filters, layer.channels) > 1,
            "batch": layer.x_lead > 1,
            "groups": layer.groups > 1,
        }[self.needs]

    def words(self, result: Tensor, layer: Layer) -> Words:
        """What the mistake is, and how to fix it, in one result of a layer."""
        made = layer.role[result]
        usual = {O: self.forward, DX: self.of_dx}.get(made) or (self.says, self.fix)
        says, fix = spelled(self.flipped.get(made, usual) if layer.flip else usual, layer.conv, made)
        if self.needs != "transposed":
            says, fix = told(layer, result, says), told(layer, result, fix)
        return says.replace("the gradient", "O") if layer.transposed and result is O else says, fix


# The names of a transposed layer's tensors, by those of its twin.
_EXCHANGED = {"dE/dO": "X", "X": "dE/dO", "dE/dX": "O", "dX": "O", "O": "dE/dX", "dx": "o", "dedo": "x", "x": "dedo"}
_EXCHANGED |= {"input": "output", "output": "input"}


def exchanged(words: str) -> str:
    """Words about a convolution, with the names of the transposed layer whose twin it is.

    >>> exchanged("slide W over X as it is"), exchanged("crop it: dx[..., before : before + H]")
    ('slide W over dE/dO as it is', 'crop it: o[..., before : before + H]')
    """
    # A filter of the twin is a channel of X; but "filter" may also mean W as a whole.
    swapped = {"filter": "channel", "channel": "filter", "F/g": "C/g", "C/g": "F/g"}
    axes = r"\b(?:(?:filter|channel)(?=s?\b(?! element| position|'s| over))|[FC]/g)"
    words = re.sub(axes, lambda match: swapped[match[0]], words)
    return re.sub(r"(?<![\w/])(?:dE/d)?\w+\b(?!/)", lambda match: _EXCHANGED.get(match[0], match[0]), words)


def told(layer: Layer, result: Tensor, words: str) -> str:
    """Words about a result of a convolution, with the names of arrays, channels and filters in the user's layer."""
    return exchanged(words) if layer.transposed and result is not DB else words


negative = Mistake(
    "sign-flipped",
    RESULTS,
    "every element has the wrong sign",
    "look for an extra minus: dE/dO is not negated",
    line="return -result",
    short="a wrong sign",
    forward=("every element has the wrong sign", "look for an extra minus"),
)(lambda recipe: [recipe.but(factor=-recipe.factor, coded=True)])


zero = Mistake(
    "zero",
    RESULTS,
    "every element is 0",
    "the array is created but never filled: add the products to it",
    line="return np.zeros_like(result)",
    short="an array that is never filled",
)(lambda recipe: [recipe.but(factor=0, coded=True)])


scaled = Mistake(
    "scaled",
    RESULTS,
    "every element is multiplied by the same factor",
    "remove the factor: the gradient is a plain sum over samples and positions",
    line="return result / N",
    short="a factor",
    forward=(
        "every element is multiplied by the same factor",
        "remove the factor: O is a plain sum over channels and filter elements",
    ),
    of_dx=(
        "every element is multiplied by the same factor",
        "remove the factor: dE/dX is a plain sum over filters and filter elements",
    ),
)(
    lambda recipe: [
        recipe.but("by 2", factor=2 * recipe.factor),
        recipe.but("by 1/N", True, factor=recipe.factor / recipe.layer.batch),
    ]
)


@Mistake(
    "filter-not-rotated",
    (O, DX),
    "W is not rotated by 180° in the full convolution",
    "rotate W before it slides over dE/dO: w[{w:,,*::-1}]",
    line="rotated = w",
    short="a filter that is not rotated",
    joins=True,
    forward=(
        "W is not rotated by 180°, as true convolution requires",
        "rotate W before it slides over X: w[{w:,,*::-1}]",
    ),
    flipped={DX: ("W is rotated by 180° in the full convolution", _AS_IT_IS)},
)
def not_rotated(recipe: Recipe) -> Changes:
    """The filter slides over framed dE/dO unrotated; or, in true convolution, over X unrotated."""
    if recipe.result is DX or recipe.layer.flip:
        yield recipe.at(W, "", flipped(*recipe.spatial), coded=True)


@Mistake(
    "filter-flipped-one-axis",
    (O, DX),
    "W is flipped along some axes only",
    "flip W along every spatial axis: w[{w:,,*::-1}]",
    line="rotated = w[{w:,,,::-1}]",
    short="a filter that is flipped along one axis",
    forward=("W is flipped along some axes", "slide W over X as it is; true convolution flips it along every axis"),
    flipped={
        DX: ("W is flipped along some axes", _AS_IT_IS),
        O: ("W is flipped along some axes only", "flip W along every spatial axis: w[{w:,,*::-1}]"),
    },
)
def flipped_one_axis(recipe: Recipe) -> Changes:
    """The filter is flipped along some of its axes."""
    for axes in chain.from_iterable(combinations(recipe.spatial, count) for count in range(1, recipe.layer.dims)):
        coded = axes == (2,) and recipe.layer.dims == 2
        yield recipe.at(W, f"flipped along {_on_axes(recipe, W, axes)}", flipped(*axes), coded=coded)


@Mistake(
    "filter-transposed",
    (O, DX),
    "W is transposed or turned by 90° instead of rotated by 180°",
    "rotate W by 180°: w[{w:,,*::-1}]",
    line="rotated = w.swapaxes({w.spatial[0]}, {w.spatial[1]})",
    short="a transposed filter",
    forward=(
        "W is transposed or turned by 90°",
        "slide W over X as it is: look for a transpose, or [j][i] instead of [i][j]",
    ),
    flipped={
        DX: ("W is transposed or turned by 90°", _AS_IT_IS),
        O: (
            "W is transposed or turned by 90° instead of rotated by 180°",
            "rotate W by 180°: w[{w:,,*::-1}]",
        ),
    },
)
def turned_by_90(recipe: Recipe) -> Changes:
    """The filter is transposed or turned by 90° instead of rotated by 180°."""
    words = ("transposed instead of rotated", "transposed before it is rotated")
    if recipe.result is O:
        words = ("transposed and rotated", "transposed")
    for a, b in combinations(recipe.spatial, 2):
        if recipe.layer.kernel[a - 2] == recipe.layer.kernel[b - 2]:
            yield recipe.at(W, words[0], swapped(a, b), flipped(a, b), coded=recipe.layer.dims == 2)
            yield recipe.at(W, words[1], swapped(a, b))
            for axis in (a, b):
                yield recipe.at(W, "turned by 90°", swapped(a, b), flipped(axis))


Mistake(
    "stride-ignored",
    ARRAYS,
    "the stride is not used",
    "window i begins at stride*i - padding; in a full convolution put stride-1 zeros between the elements of dE/dO",
    line="place = i + dilation * u - before",
    short="a wrong stride",
    joins=True,
    forward=(
        "the stride is not used",
        "window i begins at stride*i - padding, and O has a window for every stride-th position",
    ),
)(lambda recipe: _followed(recipe, coded=True, output=1))


@Mistake(
    "stride-axes-swapped",
    ARRAYS,
    "a stride is used on the wrong axis",
    "the first stride belongs to the {first}, the next to the {others}",
    line="place = stride[::-1] * i + dilation * u - before",
    short="strides of swapped axes",
)
def stride_axes_swapped(recipe: Recipe) -> Changes:
    """The strides of the axes in another order, or that of one axis on all."""
    strides = tuple(relation.output for relation in recipe.relations)
    for used in product(strides, repeat=len(strides)):
        yield from _followed(recipe, f"{_numbers(used)} was used", used == strides[::-1], output=used)


@Mistake(
    "stride-dilation-swapped",
    ARRAYS,
    "stride and dilation are swapped",
    "as a filter over X, dE/dO has the layer's stride as its dilation, and the layer's dilation as its stride",
    line="place = dilation * i + stride * u - before",
    short="stride and dilation swapped",
    forward=(
        "stride and dilation are swapped",
        "window i begins at stride*i - padding, and its element u lies dilation*u positions from there",
    ),
)
def stride_dilation_swapped(recipe: Recipe) -> Changes:
    """The stride in place of the dilation, and the dilation in place of the stride."""
    strides, dilations, _ = recipe.numbers
    yield from _followed(recipe, coded=True, output=dilations, filter=strides)


@Mistake(
    "stride-gap-wrong",
    ARRAYS,
    "the wrong number of zeros is put between the elements of dE/dO",
    "put stride-1 zeros between neighbouring elements",
    line="place = (stride + 1) * i + dilation * u - before",
    short="a wrong stride",
    forward=("the stride is off by one", "window i begins at stride*i - padding"),
)
def gap_wrong(recipe: Recipe) -> Changes:
    """One zero too many or too few between the elements of dE/dO; or copies of them in place of zeros."""
    strides, *_ = recipe.numbers
    for change in (1, -1, 2):
        used = strides + change * (strides > 1)
        detail = f"{_numbers(used - 1)} zeros instead of {_numbers(strides - 1)}"
        yield from _followed(recipe, detail, change == 1 < min(strides), output=used)
    # Copies beyond the padded X meet no element of it.
    most = _borders(recipe)[3]
    strided = [axes for axes in some_axes(len(most)) if max(strides[axes]) > 1 and recipe.result is not O]
    for axes, less in product(strided, (0, 1)):
        used = np.where(axes, strides, 1)
        counts = np.minimum(used * recipe.layer.out - less * (used - 1), most)
        copies = [taken(2 + axis, np.arange(count) // used[axis]) for axis, count in enumerate(counts)]
        words = f"copies of its elements {_along(recipe, axes)}".strip()
        yield _on(recipe, axes, output=1).at(DEDO, f"{words} instead, as np.repeat makes", *copies)


Mistake(
    "dilation-ignored",
    ARRAYS,
    "the dilation is not used",
    "filter element u lies dilation*u positions after the beginning of the window",
    line="place = stride * i + u - before",
    short="a wrong dilation",
    joins=True,
)(lambda recipe: _followed(recipe, coded=True, filter=1))


@Mistake(
    "dilation-off-by-one",
    ARRAYS,
    "a wrong dilation is used",
    "dilation d puts d-1 zeros between the filter's elements, and dilation 1 none",
    line="place = stride * i + (dilation + 1) * u - before",
    short="a wrong dilation",
)
def dilation_off_by_one(recipe: Recipe) -> Changes:
    """Dilation d*d, d+1 or d-1, on all axes or on those with a dilation."""
    _, d, _ = recipe.numbers
    for used in (d * d, d + 1, d + (d > 1), d - 1, d - (d > 1)):
        yield from _followed(recipe, f"{_numbers(used)} was used", all(used == d + 1), filter=used)


@Mistake(
    "padding-ignored",
    ARRAYS,
    "the gradient is computed as if there were no padding",
    "dX: cut `before` positions from the front of the padded result; dW: use X with its padding",
    line="place = stride * i + dilation * u",
    short="a wrong padding",
    joins=True,
    forward=(
        "O is computed as if there were no padding",
        "put the padding around X first, or begin window i at stride*i - padding",
    ),
)
def padding_ignored(recipe: Recipe) -> Changes:
    """Windows begin at stride*i; O also in the shape that it has without padding."""
    yield from _each(recipe, coded=True, constant=0)
    if recipe.result is O:
        size = recipe.layer.with_axes(before=0, after=0).out
        yield from _each(recipe, "O is as small as without padding", size=size, constant=0)


@Mistake(
    "padding-wrong-side",
    ARRAYS,
    "the padding in front is wrong",
    "the padded result begins `before` positions in front of X",
    line="place = stride * i + dilation * u - after",
    short="a wrong padding",
    forward=(
        "the padding in front is wrong",
        "window i begins at stride*i - padding, with the padding in front",
    ),
)
def wrong_side(recipe: Recipe) -> Changes:
    """Other numbers of zeros in front: those behind, all of them, none, one more or fewer."""
    before, after, *_ = _borders(recipe)
    own = -recipe.numbers[2]
    for front, axes in product((after, before + after, 0 * own, own + 1, own - 1), some_axes(len(own))):
        zeros = np.where(axes, front, own)
        if min(zeros) >= 0 < max(before + after):
            detail = f"{_numbers(zeros)} zeros in front of X: shifted by {_numbers(own - zeros)}"
            yield _on(recipe, axes, detail, all(zeros == after), constant=-zeros)


@Mistake(
    "padding-not-cropped",
    (DX,),
    "dX still has the padding around it",
    "crop it: dx[{x:,,*inside}] with inside = [slice(p, p + n) for p, n in zip(before, size)]",
    line="return padded",
    short="a wrong padding",
)
def not_cropped(recipe: Recipe) -> Changes:
    """The padded dE/dX as it is, on all axes or on one, with or without the rows left over."""
    _, _, leftover, padded, _ = _borders(recipe)
    for axes, size in product(some_axes(len(padded)), (padded, padded - leftover)):
        if any((padded != recipe.layer.size) & axes):
            # If this is the right dE/dX, the mistake is hidden: by `at` it has new reads, so `changed` yields it.
            yield _on(recipe, axes, size=size, constant=0).at(DX, "", coded=all(axes) and size is padded)


@Mistake(
    "empty-crop",
    (DX,),
    "the crop is empty: dx[p:-p] with p = 0 keeps nothing",
    "crop with dx[p:p + n] for n positions, which is right for p = 0 too",
    line="inside = [slice(p, -p) for p in before]",
    short="a crop with p = 0",
)
def empty_crop(recipe: Recipe) -> Changes:
    """A slice up to -0, which is empty, on all axes or on one."""
    before, after, *_ = _borders(recipe)
    for sides in (after, before) if 0 in after else ():
        yield from _cut(recipe, np.where(sides == 0, 0, recipe.layer.size), coded=all(sides == before))


@Mistake(
    "leftover-dropped",
    (DX,),
    "the rows that the stride leaves over are missing",
    "create dX in X's shape: the last rows, which no window reaches, are 0",
    line="padded = covered",
    short="rows left over by the stride",
    needs="plain",
)
def leftover_dropped(recipe: Recipe) -> Changes:
    """The right dE/dX without the rows that no window reaches."""
    before, after, leftover, padded, _ = _borders(recipe)
    yield from _cut(recipe, padded - leftover - before)
    reached = padded - leftover - before - after
    if min(reached) > 0:
        yield from _cut(recipe, reached, coded=False)


@Mistake(
    "leftover-misplaced",
    (DX,),
    "the rows that the stride leaves over stand at the wrong end",
    "the zeros belong behind the last window, not in front of the first",
    line="padded = np.pad(covered, in_front)",
    short="rows left over by the stride",
    needs="plain",
)
def leftover_misplaced(recipe: Recipe) -> Changes:
    """dE/dX moved towards the end by the rows left over, or by half of them."""
    first, leftover = recipe.numbers[2], _borders(recipe)[2]
    yield from _each(recipe, "the zeros stand in front", coded=True, constant=first + leftover)
    yield from _each(recipe, constant=first + (leftover + 1) // 2)


Mistake(
    "output-padding-zeros",
    (DX,),
    "the output padding holds zeros",
    "compute O with its output padding: these rows hold sums of x·w where an x reaches them",
    line="o = np.pad(full[{x:,,*fewer}], behind)",
    short="an output padding of zeros",
    needs="transposed",
)(lambda recipe: _cut(recipe, recipe.layer.size - _borders(recipe)[-1], only))


@Mistake(
    "output-padding-wrong-side",
    (O, DW, DX),
    "dE/dO is read as if the output padding were in front of O",
    "read it from its first position on: the output padding is behind",
    line="inside = [slice(p, p + n) for p, n in zip(before - extra, size)]",
    short="an output padding at the wrong side",
    of_dx=(
        "the output padding is added in front of O",
        "add it behind: cut `before` positions off the front, and fewer off the end",
    ),
    needs="transposed",
)
def output_padding_wrong_side(recipe: Recipe) -> Changes:
    """The output padding stands in front of O, not behind; its rows of dE/dO may be set to 0 first."""
    first, extra = recipe.numbers[2], _borders(recipe)[-1]
    for axes in some_axes(len(extra)):
        shifted = _on(recipe, axes, "", all(axes) and recipe.result is DX, constant=first + extra)
        yield shifted
        if recipe.result is not DX:
            yield shifted.at(X, "", *(only(2 + k, slice(extra[k], None)) for k in np.flatnonzero(axes).tolist()))


Mistake(
    "output-padding-ignored",
    (DX,),
    "O is as small as without output padding",
    "compute O with its output padding: it adds rows and columns behind",
    line="o = full[{x:,,*fewer}]",
    short="an output padding that is ignored",
    needs="transposed",
)(lambda recipe: _cut(recipe, recipe.layer.size - _borders(recipe)[-1]))


@Mistake(
    "leftover-counted",
    (DW,),
    "positions that the stride leaves over take part in dW",
    "crop X to where the last window ends, then convolve it with dE/dO",
    line="used = framed",
    short="rows left over by the stride",
)
def leftover_counted(recipe: Recipe) -> Changes:
    """dE/dW of a convolution over all of X, which has more rows than W; or its last rows."""
    leftover = _borders(recipe)[2]
    _, dilations, first = recipe.numbers
    kernel, extra = recipe.layer.kernel, leftover // dilations
    yield from _each(recipe, "an extra row for each position left over", coded=True, size=kernel + extra)
    yield from _each(recipe, "the last rows instead of the first", constant=first + extra * dilations)


@Mistake(
    "wrong-operand",
    RESULTS,
    "another array is used in place of dE/dO or W, or returned as the result",
    "dE/dW takes X and dE/dO, dE/dX takes dE/dO and W: check the order of the arguments",
    line="product = o[{o:n,f,*i}] * kernel[{w:f,c,*u}]",
    short="a wrong operand",
    forward=("another array is returned in place of O", "check the order of the arguments, and what is returned"),
)
def wrong_operand(recipe: Recipe) -> Changes:
    """Another array of the same shape is used in place of an operand, or returned as the result."""
    shape, result = recipe.layer.canonical, recipe.result
    for place, tensor in product((*OPERANDS[result], result)[-1 if result is O else 0 :], (O, W, X, DEDO)):
        if shape[tensor] == shape[place] and tensor is not place:
            words = f"{tensor.key} is used in place of {_name(place)}"
            words = f"the result is {tensor.key}" if place is result else words
            yield recipe.at(place, words, tensor=tensor, coded=(result, place, tensor) == (DX, DEDO, O))


@Mistake(
    "operand-rotated",
    ARRAYS,
    "an operand of the convolution is rotated",
    "slide dE/dO over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
    line="moving = dedo[{o:,,*::-1}]",
    short="a rotated operand",
    forward=(
        "W is rotated by 180°",
        "slide W over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
    ),
    of_dx=("dE/dO is rotated by 180° in the full convolution", "rotate W alone, and slide it over dE/dO as it is"),
)
def operand_rotated(recipe: Recipe) -> Changes:
    """A convolution that rotates one operand, as convolve2d does, in place of a correlation."""
    if recipe.result is O:
        if not recipe.layer.flip:
            yield recipe.at(W, "W is rotated", flipped(*recipe.spatial))
        return
    yield recipe.at(DEDO, "dE/dO is rotated", flipped(*recipe.spatial), coded=recipe.result is DW)
    strides, dilations, first = recipe.numbers
    before, _, leftover, padded, _ = _borders(recipe)
    # Rotate X with its padding, with or without what the stride leaves over.
    for left in (0, leftover) if recipe.result is DW else ():
        end = padded - 2 * before - 1 - left - first
        yield _on(recipe, True, "X is rotated", output=-strides, filter=-dilations, constant=end)


@Mistake(
    "result-rotated",
    ARRAYS,
    "the result is rotated",
    "return it as it is: nothing is flipped at the end",
    line="return result[{result:,,*::-1}]",
    short="a rotated result",
    flipped={
        DW: (
            "the result is not rotated by 180° as W was, or along other axes",
            "rotate it at the end: dw[{w:,,*::-1}]",
        )
    },
)
def result_rotated(recipe: Recipe) -> Changes:
    """The right gradient rotated by 180 degrees, or reversed along one axis."""
    yield recipe.at(recipe.result, "by 180°", flipped(*recipe.spatial), coded=True)
    for axis in recipe.spatial if recipe.layer.dims > 1 else ():
        yield recipe.at(recipe.result, f"reversed along {_on_axes(recipe, recipe.result, [axis])}", flipped(axis))


@Mistake(
    "axes-swapped",
    ARRAYS,
    "{swapped} are swapped",
    "{first} come first, then {others}: look for a transpose, or (w, h) instead of (h, w)",
    line="return result.swapaxes({result.spatial[0]}, {result.spatial[1]})",
    short="rows and columns swapped",
)
def axes_swapped(recipe: Recipe) -> Changes:
    """The right gradient with its spatial axes in another order."""
    for axes in [*permutations(recipe.spatial)][1:]:
        yield recipe.at(recipe.result, "", transposed(0, 1, *axes), coded=recipe.layer.dims == 2)


@Mistake(
    "groups-mixed",
    RESULTS,
    "filters and channels of different groups are mixed",
    "filter f belongs to group f // (F/g), which reads C/g channels, the first of them group*(C/g)",
    line="channel = f % groups * channels + c",
    short="mixed groups",
    needs="groups",
)
def groups_mixed(recipe: Recipe) -> Changes:
    """Filters and channels are assigned to the wrong groups, or all to all."""
    layer, result = recipe.layer, recipe.result
    g = layer.groups
    across = int(result in (O, DX))
    count = recipe.shape[across] // g
    summed = Mixed(lambda array: np.concatenate([sum(np.split(array, g, across))] * g, across))
    yield recipe.at(result, "all groups are added to the first", summed, only(across, slice(count)))
    if result is DB:
        return
    # The axes of filters and those of channels; b belongs to its filter, whatever channels the filter reads.
    used = {*OPERANDS[result], result, B if result is O else result}
    axes_of = {"filter f": {W: 0, DEDO: 1, B: 0, O: 1, DW: 0}, "channel c": {X: 1, DX: 1}}
    for what, axes in axes_of.items():
        count, way = layer.channels if X in axes else layer.filters, recipe
        order = np.arange(count).reshape(-1, g).T.ravel()
        for tensor in used & axes.keys():
            way = way.at(tensor, "", taken(axes[tensor], np.argsort(order) if tensor is result else order))
        yield way.but(f"{what} belongs to group {what[-1]} mod g", W in axes)
    every = recipe
    for tensor in OPERANDS[result]:
        each = layer.group_channels if tensor is X else layer.group_filters
        repeated = taken(int(tensor is not W), [*range(each)] * g)
        yield recipe.at(tensor, f"every group reads the first group's {_name(tensor)}", repeated)
        every = every.at(tensor, "every group reads the first group's numbers", repeated)
    yield every


@Mistake(
    "channels-swapped",
    RESULTS,
    "channels or filters are in another order",
    "keep channels and filters in the order that X, W and dE/dO have",
    line="return result[{result:,::-1}]",
    short="filters or channels in another order",
    needs="channels",
)
def channels_swapped(recipe: Recipe) -> Changes:
    """Channels or filters in another order, swapped with each other, or last in memory."""
    layer, result = recipe.layer, recipe.result
    shape = layer.canonical[result]
    for axis in {DB: (0,), DW: (0, 1)}.get(result, (1,)):
        if shape[axis] > 1:
            yield recipe.at(result, f"{result.lead_words[axis]}s in reverse", flipped(axis), coded=axis == 1)
    is_square = layer.group_channels == layer.group_filters > 1
    exchanged = reshaped(*layer.by_groups), swapped(1, 2), reshaped(*layer.canonical[W])
    if result in (DX, O):
        if is_square:
            yield recipe.at(W, "filters and channels of W swapped", *exchanged)
        turned = f"w[{Axes(layer, W):::-1,::-1}] puts them, and W not rotated"
        calls = {"np.flip(w) without axes puts them": (), turned: recipe.spatial}
        for call, axes in calls.items():
            yield recipe.at(W, f"filters and channels of W in reverse, as {call}", flipped(0, 1, *axes))
    if result is DW:
        if is_square and layer.groups > 1:
            yield recipe.at(DW, "filters and channels swapped in each group", *exchanged)
        yield recipe.at(DW, "filters and channels swapped", swapped(0, 1))
    # With a layout of the user's own, channels last may be right.
    if (result is DW or (result is DX and shape[1] > 1)) and not layer.layouts.of(result):
        yield recipe.at(result, "channels last", transposed(0, *recipe.spatial, 1))


Mistake(
    "border-not-zero",
    ARRAYS,
    "the padding is not zeros",
    "pad X with zeros: np.pad(x, pads), and drop the frame of dE/dX",
    line='framed = np.pad(x, pads, mode="edge")',
    short="a padding that is not zeros",
    needs="zeros",
)(lambda recipe: _other_borders(recipe))


Mistake(
    "border-wrong",
    ARRAYS,
    "the padding holds something else than padding_mode says",
    "fill it as the mode says: np.pad(x, pads, mode), where replicate is NumPy's edge, and circular its wrap",
    line='framed = np.pad(x, pads, "edge")',
    short="a padding that is filled in another way",
    needs="filled",
    of_dx=(
        "the gradients of the padding are added to other elements than those that stand there",
        "add the gradient of each position of the padding to the element of X that stands there",
    ),
)(lambda recipe: _other_borders(recipe))


def _other_borders(recipe: Recipe) -> Changes:
    for mode, border in BORDERS.items():
        # For dE/dX, padding with zeros is `border-not-folded`.
        if (mode, recipe.result) != ("zeros", DX):
            coded = mode == "replicate" and recipe.result is DW
            yield _bordered(recipe, f"the padding holds {border.words}", mode, coded=coded)


@Mistake(
    "border-not-folded",
    (DX,),
    "the gradients of the padding are dropped",
    "add the gradient of each position of the padding to the element of X that stands there, and crop then",
    line="dx = padded[{x:,,*inside}]",
    short="gradients of the padding that are dropped",
    needs="filled",
    joins=True,
)
def border_not_folded(recipe: Recipe) -> Changes:
    """The padding is cut off, along all axes or one, and its gradients with it."""
    for axes in some_axes(recipe.layer.dims):
        yield _bordered(recipe, _along(recipe, axes), "zeros", axes[:, None], coded=all(axes))


Mistake(
    "last-batch-only",
    RESULTS,
    "only the last sample counts",
    "add up over the batch: += in the loop over samples",
    line="return each[-1]",
    short="only a part of the batch",
    joins=True,
    needs="batch",
    forward=("only the last sample is computed", "loop over all samples, and keep the O of each"),
    of_dx=("only the last sample is computed", "loop over all samples, and keep the dX of each"),
)(lambda recipe: _one_sample(recipe, -1))


Mistake(
    "first-batch-only",
    RESULTS,
    "only the first sample is read",
    "add up over the whole batch, not x[0] alone",
    line="return each[0]",
    short="only a part of the batch",
    joins=True,
    needs="batch",
    forward=("only the first sample is computed", "loop over all samples, not x[0] alone"),
    of_dx=("only the first sample is computed", "loop over all samples, and keep the dX of each"),
)(lambda recipe: _one_sample(recipe, 0))


@Mistake(
    "overwritten",
    RESULTS,
    "values are overwritten instead of added up (= instead of +=)",
    "begin with zeros and use += for every window; for indices that repeat, NumPy needs np.add.at",
    line="result[{x:n,channel,*place}] = product",
    short="= instead of +=",
    forward=(
        "values are overwritten instead of added up (= instead of +=)",
        "begin with zeros and use += for every channel and filter element",
    ),
)
def overwritten(recipe: Recipe) -> Changes:
    """Only the last product of each element is kept: = instead of +=."""
    layer, result, each = recipe.layer, recipe.result, recipe.layer.group_filters
    corner = [only(axis, -1) for axis in recipe.spatial]
    place, axis, of_what, several = {
        O: (W, 1, "channel", layer.group_channels),
        DW: (DEDO, 0, "sample", layer.batch),
        DX: (DEDO, 1, "filter", each),
        DB: (DEDO, 0, "sample", layer.batch),
    }[result]
    # What the inner loops run over, and `Recipe.last` if they end elsewhere for each element of the result.
    inner: dict[Tensor, dict[str, Tensor | None]] = {
        O: {"filter element": None},
        DW: {"position": None, "position whose window lies on X": DW},
        DX: {"window": O, "filter element": W},
        DB: {"element": None},
    }
    last = recipe.at(place, f"the last {of_what} wins", only(axis, slice(each - 1, None, each) if result is DX else -1))
    for what, kept in inner[result].items():
        if kept is not DW or layer.is_padded:
            for outer, words in ((recipe, ""), (last, f" of the last {of_what}"))[: 1 + (several > 1)]:
                coded = kept is O and (outer is last or each == 1)
                way = outer.but(last=kept) if kept else outer.at(place, "", *corner)
                yield way.but(f"the last {what}{words} wins", coded)
    if several > 1:
        yield last


@Mistake(
    "batch-not-summed",
    (DW, DB),
    "the samples are not added up",
    "sum over the batch axis: all samples share W and b",
    line="return each",
    short="a batch that is not added up",
    needs="batch",
)
def not_summed(recipe: Recipe) -> Changes:
    """A gradient per sample: the batch axis is still there."""
    yield recipe.but(over=recipe.spatial, coded=True)


@Mistake(
    "incomplete",
    RESULTS,
    "a part is left out",
    "check where the loop begins and ends, perhaps at the length of another axis, and the sizes of the arrays",
    line="for c in range(channels - 1):",
    short="a missing part",
)
def incomplete(recipe: Recipe) -> Changes:
    """A part, such as the last filter or the first row, is missing from the sums or from the result."""
    layer, result = recipe.layer, recipe.result
    for part in missing_parts(recipe):
        yield part.but(f"{part.detail} is missing", part.coded)
    if result is DB:
        return
    several = [place for place in _PARTS[result] if min(layer.canonical[place][2:]) > 1]
    for place, (word, k) in product(several, (("first", 0), ("last", -1))):
        which = f"the {word} {_WHAT[place.array]} {' and '.join(layer.axis_words)}"
        yield recipe.at(place, f"{which} are missing", *(without(*along(axis, k)) for axis in recipe.spatial))
    each, axis = layer.group_channels if result is DX else layer.group_filters, int(result is not DW)
    for word, group in (("first", slice(each)), ("last", slice(-each, None))) if layer.groups > 1 else ():
        yield recipe.at(result, f"the {word} group is missing", without(*along(axis, group)))
        yield recipe.at(result, f"only the {word} group is there", only(axis, group))
    # A loop over one axis ends at another's size: OH instead of OW.
    for tensor, what in ((DEDO, "O"), (W, "the filter")):
        sizes, place = layer.canonical[tensor][2:], result if result.array is tensor.array else tensor
        for a, b in permutations(range(layer.dims), 2):
            if sizes[a] < sizes[b]:
                words = f"of the {sizes[b]} {layer.axis_words[b]}s of {what} only the first {sizes[a]} take part"
                some = only(2 + b, slice(sizes[a]))
                yield recipe.at(place, f"{words}: the loop uses another axis's size", some)


@Mistake(
    "shifted",
    ARRAYS,
    "every element is shifted",
    "count positions from the first element of X, behind its padding",
    line="return np.insert(result, 0, 0, axis={result.spatial[0]})[{result:,,:-1}]",
    short="a shift by whole positions",
)
def shifted(recipe: Recipe) -> Changes:
    """The right gradient shifted by one or two positions; zeros move in."""
    for by, axes in product((1, -1, 2, -2), product((1, 0), repeat=recipe.layer.dims)):
        shift = [by * axis for axis in axes]
        if any(shift) and np.less(np.abs(shift), recipe.shape[-len(shift) :]).all():
            words = f"by {','.join(f'{s:+d}' for s in shift)} positions"
            ends = (slice(s) if s >= 0 else slice(s, None) for s in shift)
            zeros = (without(*along(axis, end)) for axis, end in enumerate(ends, 2))
            moved = partial(np.roll, shift=shift, axis=recipe.spatial)
            yield recipe.at(recipe.result, words, moved, *zeros, coded=shift == [1, 0])


@Mistake(
    "other-layout",
    ARRAYS,
    "the numbers are right, but in another order or shape",
    "bring the axes into the layout of the array that the gradient belongs to",
    line="return result.transpose(0, 2, 3, 1)",
    short="another order of axes",
)
def other_layout(recipe: Recipe) -> Changes:
    """The right numbers with their axes in another order, in that shape or reshaped to the right one; or flat."""
    layer, result, shape = recipe.layer, recipe.result, recipe.layer.canonical[recipe.result]
    own = Axes(layer, result).order
    lacking = range(len(shape) - len(own))
    for order in permutations(sorted(own)):
        if order != own:
            name, right = (_letters(layer, result, axes) for axes in (order, own))
            restored, memory = tuple(map(order.index, own)), (*lacking, *order)
            words = f"the order is {name}: transpose{restored} restores the right one"
            edits = transposed(*memory), reshaped(*(shape[axis] for axis in order)), transposed(*np.argsort(own))
            yield recipe.at(result, words, *edits, coded=restored == (0, 3, 1, 2))
            words = f"{_name(result)} lies in memory as {name}, but is read as {right}"
            yield recipe.at(result, words, relaid(memory, (*lacking, *own)))
    matrix = reshaped(shape[0], -1)
    yield recipe.at(result, "they are flat", reshaped(-1))
    yield recipe.at(result, "they are a matrix with a row for each filter, as im2col makes it", matrix)
    yield recipe.at(result, "they are im2col's matrix, transposed", matrix, swapped(0, 1))


@Mistake(
    "operand-layout",
    ARRAYS,
    "an operand is read in another order than it is stored in",
    "check how the array was saved, and transpose it before it is used",
    line="w = memory.reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)",
    short="an operand read in another order",
    needs="channels",
)
def operand_layout(recipe: Recipe) -> Changes:
    """X, W or dE/dO is read in another order of axes than it is stored in."""
    own, last = (0, 1, *recipe.spatial), (0, *recipe.spatial, 1)
    others = (1, 0, *recipe.spatial), (0, 1, *recipe.spatial[::-1])
    pairs = (own, last), (last, own), *((own, other) for other in others)
    for tensor in OPERANDS[recipe.result]:
        yield from _read_as(recipe, tensor, pairs, "W lies in memory as OIHW, but is read as IOHW")


@Mistake(
    "db-wrong-axes",
    (DB,),
    "dE/dO is summed over the wrong axes",
    "sum over the batch and all spatial axes: dedo.sum(axis={summed})",
    line="return dedo.sum(axis={fewer})",
    short="sums over the wrong axes",
)
def db_wrong_axes(recipe: Recipe) -> Changes:
    """Sums of dE/dO over wrong axes, in the shape that results."""
    shape, order = recipe.layer.canonical[recipe.reads[DEDO].tensor], Axes(recipe.layer, O).order
    every = range(len(shape))
    for axes in chain.from_iterable(combinations(every, count) for count in range(len(shape) + 1)):
        if axes != recipe.over:
            # Leave out axes that the user's O does not have.
            kept = reshaped(*(shape[axis] for axis in sorted(order) if axis not in axes))
            summed = [str(place) for place, axis in enumerate(order) if axis in axes]
            changed = recipe.but(over=axes)
            words = f"axes summed over: {', '.join(summed) or 'none'}"
            yield changed.at(DB, words, kept, coded=axes == (0, 1, 2) and len(shape) == 4)
    # The last of these sums is that over all axes.
    yield changed.at(DB, f"{words}, for all filters alike", lambda total: np.full(shape[1], total))


@Mistake(
    "flat-index",
    ARRAYS,
    "a length is wrong in the flat index of an array",
    "the index is {x:flat·} in X, {w:flat·} in W and {o:flat·} in dE/dO",
    line="place = {x:flat * OW}",
)
def flat_index(recipe: Recipe) -> Changes:
    """An array in flat memory, X also with its padding, is read or written with a length of another axis."""
    coded = r"dX is written with length \d+ \(the columns of O( or .*)?\), not \d+ \(columns of X\)$"
    yield from _slipped(recipe, Loops.lengths_slipped, coded)
    if recipe.layer.is_padded and not any(recipe.borders):
        zeros = recipe.but(borders=tuple(tuple(axis.border.tolist()) for axis in recipe.layer.axes))
        yield from _slipped(zeros, Loops.lengths_slipped, coded)


Mistake(
    "index-left-out",
    ARRAYS,
    "an index is left out",
    "use every index of each array: dedo[{o:n,f,*i}], w[{w:f,c,*u}], x[{x:n,c,*place}] with place = stride*i + "
    "dilation*u - padding",
    line="product = dedo[{o:n,f,*i}] * kernel[{w:f,0,*u}]",
)(lambda recipe: _slipped(recipe, partial(Loops.indices_slipped, left_out=True), "W is read at 0·c, "))


Mistake(
    "index-replaced",
    ARRAYS,
    "an index is used in place of another",
    "use each index at its place: dedo[{o:n,f,*i}], w[{w:f,c,*u}], x[{x:n,c,*place}] with place = stride*i + "
    "dilation*u - padding",
    line="product = dedo[{o:n,f,*i}] * kernel[{w:f,f,*u}]",
)(lambda recipe: _slipped(recipe, partial(Loops.indices_slipped, left_out=False), "W is read at f, not c"))


Mistake(
    "loop-bound",
    ARRAYS,
    "a loop begins or ends at the wrong place",
    "loops run from 0 to below the length of their own axis, and only positions from 0 to below H count",
    line="for i in np.ndindex(out[0] - 2, *out[1:]):",
)(lambda recipe: _slipped(recipe, Loops.bounds_slipped, r"the loop over the rows of O .*\(two too few\)"))


@Mistake(
    "memory-order",
    RESULTS,
    "an array is read in another order than it lies in memory",
    "transpose it before it is reshaped, or compute the index in the order in which it lies",
    line="w = memory.reshape(shape[::-1]).T",
)
def memory_order(recipe: Recipe) -> Changes:
    """An operand lies in one order of axes and is read in another, such as Fortran's."""
    for tensor in OPERANDS[recipe.result]:
        own = Axes(recipe.layer, tensor).memory
        pairs = [pair for other in (own[::-1], *_orders_of_blocks(recipe)) for pair in ((own, other), (other, own))]
        for groups in sorted({1, recipe.layer.groups}):
            yield from _read_as(recipe, tensor, pairs, "W lies in memory as OIHW, but is read as WHIO", groups)


@Mistake(
    "im2col-order",
    ARRAYS,
    "the rows and columns of im2col's matrices are in different orders",
    "transpose before you reshape, so that the axes in both matrices come in the same order",
    line="rows = dedo.transpose(1, 2, 3, 0).reshape(F, -1)",
)
def im2col_order(recipe: Recipe) -> Changes:
    """An array lies as one matrix, such as (i·j, n), and is read as another, such as (n, i·j)."""
    for tensor in (*OPERANDS[recipe.result], recipe.result):
        pairs = permutations(_orders_of_blocks(recipe), 2)
        yield from _read_as(recipe, tensor, pairs, "dE/dO lies in memory as CHWN, but is read as CNHW")
    yield from _slipped(recipe, Loops.columns_slipped)


@Mistake(
    "multiplier-order",
    ARRAYS,
    "the filters of the groups are read in another order",
    "filter m of group c is filter c·M + m of W and O, not m·C + c",
    line="w = memory.reshape(per, groups, -1).swapaxes(0, 1).reshape(shape)",
    needs="groups",
)
def multiplier_order(recipe: Recipe) -> Changes:
    """One array has its filters or channels by their number in the group first, then by group."""
    for tensor in (*OPERANDS[recipe.result], recipe.result):
        axis = int(tensor.array is not W)
        count = recipe.layer.canonical[tensor][axis]
        for rows in (recipe.layer.groups, count // recipe.layer.groups):
            order = np.arange(count).reshape(rows, -1).T.ravel()
            words = f"{_name(tensor)} with the multiplier in front"
            yield recipe.at(tensor, words, taken(axis, order), coded=tensor is W)


@Mistake(
    "old-contents",
    RESULTS,
    "something is added to the gradient",
    "begin with zeros: what was in the array before is not part of the gradient",
    line="result = x.copy()",
    forward=("something is added to O", "begin with zeros: what was in the array before is not part of O"),
)
def old_contents(recipe: Recipe) -> Changes:
    """What the array held before is still in it: the array that the gradient belongs to, or another of its shape."""
    result, role, shapes = recipe.result, recipe.layer.own.role, recipe.layer.canonical
    yield added(recipe, 1)
    own = role[role[result].array]
    for tensor in (own, *OPERANDS[result]) if role[result] is not O else ():
        if shapes[tensor] == shapes[result] and (tensor is not B or recipe.layer.has_bias):
            yield added(recipe, 1, tensor, coded=result is DX and tensor is own)


@Mistake(
    "not-reset",
    RESULTS,
    "sums go on from those of other elements",
    "set a sum to 0 before its loops begin, and a buffer before each sample, filter and row that it is used for",
    line="return result.cumsum(axis={result.spatial[0]})",
)
def not_reset(recipe: Recipe) -> Changes:
    """A sum, or a buffer for a part of the result, still holds what was added to it for the elements before."""
    result, memory, part = recipe.result, Axes(recipe.layer, recipe.result).memory, "the whole array"
    for axis, word in _longer(recipe).items():
        yield recipe.at(result, f"{word} by {word}", Mixed(partial(np.cumsum, axis=axis)), coded=axis == 2)
        outer = memory.index(axis)
        going_on = Mixed(lambda array, k=outer: array.reshape(*array.shape[:k], -1).cumsum(k).reshape(array.shape))
        edits = transposed(*memory), going_on, transposed(*np.argsort(memory))
        yield recipe.at(result, f"element by element through {part}", *edits)
        part = f"each {word}"


@Mistake(
    "rows-shared",
    ARRAYS,
    "several rows are one and the same list",
    "make each row anew: [[0] * n] * m in Python, and fill in JavaScript, repeat a single row",
    line="return 0 * result + result.sum({result.spatial[0]}, keepdims=True)",
)
def rows_shared(recipe: Recipe) -> Changes:
    """All rows along some axes are the same list, so that each holds the sum of all, or what was written last."""
    result, shape, longer = recipe.result, recipe.shape, _longer(recipe)
    for first, last in combinations(range(len(longer)), 2):
        axes = tuple(longer)[first:last]
        which = " and ".join(f"{longer[axis]}s" for axis in axes)
        one = Mixed(lambda array, axes=axes: np.broadcast_to(array.sum(axes, keepdims=True), array.shape))
        yield recipe.at(result, f"all {which} hold the sum", one, coded=axes == (2,))
        yield recipe.at(result, f"all {which} hold the last", *(taken(axis, [-1] * shape[axis]) for axis in axes))


@Mistake(
    "weight-decay",
    (DW, DX),
    "a multiple of the array itself is added to its gradient",
    "leave weight decay to the update: dE/dW is the gradient of E alone",
    line="return each.sum(axis=0) + 0.01 * w",
    of_dx=(
        "a multiple of the array itself is added to its gradient",
        "begin with zeros: dE/dX is the gradient of E alone",
    ),
)
def weight_decay(recipe: Recipe) -> Changes:
    """Weight decay is part of the gradient."""
    yield added(recipe, 0.01, recipe.result.array, coded=True)


def added(recipe: Recipe, number: float, tensor: Tensor | None = None, coded: bool = False) -> Recipe:
    """The recipe with a multiple of an array, or with a number, added to the result."""
    if tensor is None:
        words, edit = f"{number:g} is added to every element", Mixed(partial(np.add, number))
    else:
        name = _name(tensor)
        words = {1.0: f"{name} is added", -1.0: f"{name} is subtracted"}.get(number, f"{number:g}·{name} is added")
        edit = Mixed(np.add, tensor, partial(np.multiply, number))
    return recipe.at(recipe.result, words, edit, coded=coded)


@Mistake(
    "padding-wrong",
    ARRAYS,
    "the padding is wrong",
    "window i begins at stride*i - padding, with the padding in front",
    line="place = stride * i + dilation * u - before - 2",
)
def padding_wrong(recipe: Recipe) -> Changes:
    """Any number of zeros in front of X along each axis."""
    own = -recipe.numbers[2]
    # From a padding that is added instead of subtracted to one with which no window meets X.
    for zeros in product(*(range(-axis.before, 2 * axis.before + axis.span + 2) for axis in recipe.layer.axes)):
        words = f"{_numbers(zeros)} zeros in front of X, not {_numbers(own)}"
        yield _on(recipe, True, words, all(zeros - own == 2), constant=np.negative(zeros))


@Mistake(
    "activation-applied",
    (DW, DX, DB),
    "the derivative of an activation is part of the gradient",
    "dE/dO is the gradient of this layer's own output: multiply by the activation's derivative before this layer",
    line="moving = dedo * (o > 0)",
    needs="plain",
)
def activation_applied(recipe: Recipe) -> Changes:
    """dE/dO is multiplied by the derivative of an activation of O, or dE/dX by that of one of X."""
    slopes: dict[str, Function] = {
        "ReLU": lambda a: a > 0,
        "ReLU (1 at 0)": lambda a: a >= 0,
        "sigmoid": lambda a: (1 - np.tanh(a / 2) ** 2) / 4,
        "tanh": lambda a: 1 - np.tanh(a) ** 2,
        # Derivatives in terms of the activation's output y.
        "sigmoid, y·(1 - y),": lambda a: a * (1 - a),
        "tanh, 1 - y²,": lambda a: 1 - a**2,
    }
    slopes |= {f"leaky ReLU ({low})": partial(_leaky, low) for low in (0.01, 0.1, 0.2)}
    for name, slope in slopes.items():
        for place, at in ((DEDO, O), (DEDO, DEDO), (DX, X))[: 2 + (recipe.result is DX)]:
            words = f"{_name(place)} times the derivative of {name} at {_name(at)}"
            yield recipe.at(place, words, Mixed(np.multiply, at, slope), coded=(name, at) == ("ReLU", O))


def _leaky(low: float, array: Array) -> Array:
    """The derivative of leaky ReLU, which is `low` for negative numbers."""
    return np.where(array > 0, 1, low)


@Mistake(
    "products-rounded",
    RESULTS,
    "numbers are rounded before they are added up",
    "add up the products of the numbers as they are, and round the sum",
    line="result[{x:n,channel,*place}] += product >> 2 << 2",
)
def products_rounded(recipe: Recipe) -> Changes:
    """An operand is rounded to few bits or to integers, or each product to a multiple of a power of two or ten."""
    ways: dict[str, Function] = {
        "float16 or TF32": partial(_short, 11),
        "bfloat16": partial(_short, 8),
        "whole numbers": np.trunc,
        "the nearest whole numbers": np.rint,
        "one decimal place": lambda array: array.round(1),
    }
    for words, change in ways.items():
        every, edit = recipe, Mixed(change)
        for tensor in OPERANDS[recipe.result]:
            yield recipe.at(tensor, f"{_name(tensor)} to {words}", edit)
            every = every.at(tensor, f"both operands to {words}", edit)
        yield every
    if recipe.result is not DB:
        yield from _slipped(recipe, Loops.products_slipped, r"each product is rounded down to a multiple of 2\^2$")


Mistake(
    "wrapped",
    RESULTS,
    "sums overflow: they wrap around",
    "use a wider type for the sums",
    line="return result.astype(np.int8)",
)(lambda recipe: _stored(recipe, lambda array, least, most: (array - least) % (most - least + 1) + least))


Mistake(
    "saturated",
    RESULTS,
    "sums are limited to the range of a type",
    "use a wider type for the sums",
    line="return result.clip(-128, 127)",
)(
    lambda recipe: chain(
        _stored(recipe, np.clip),
        # A type may be limited to the numbers whose negatives it holds too.
        _stored(recipe, lambda array, least, most: array.clip(-most if least else least, most)),
    )
)


@Mistake(
    "border-side",
    ARRAYS,
    "the padding is right on some sides only",
    "treat the padding in front and behind alike, along every axis, as far from X's edge as padding_mode says; "
    "in Python test place >= 0 as well, since x[-1] is the last element",
    line='framed = np.pad(np.pad(x, in_front, "edge"), behind)',
)
def border_side(recipe: Recipe) -> Changes:
    """The padding is filled in another way in front or behind, along all axes or one, or on both sides of one axis."""
    layer, sides = recipe.layer, {"in front": (True, False), "behind": (False, True), "on both sides": (True, True)}
    for (mode, border), (side, mask), axes in product(BORDERS.items(), sides.items(), some_axes(layer.dims)):
        words = f"{border.words} {side} {_along(recipe, axes)}".strip()
        coded = words == "the nearest element in front"
        yield _bordered(recipe, words, mode, np.outer(axes, mask), coded=coded)


@Mistake(
    "index-repeated",
    (DX,),
    "of several positions that stand for one element of X only the last counts",
    "np.add.at(dx, index, padded) adds up what dx[index] += padded overwrites if an index occurs twice",
    line="dx[np.ix_(*repeated)] += padded",
    needs="filled",
)
def index_repeated(recipe: Recipe) -> Changes:
    """An element keeps only the gradient of the last position that stands for it."""
    borders = []
    for border in recipe.borders:
        last = {stands: place for place, stands in enumerate(border)}
        borders.append(tuple(stands if last[stands] == place else -1 for place, stands in enumerate(border)))
    yield recipe.but(coded=True, borders=tuple(borders))


@Mistake(
    "wraps-around",
    ARRAYS,
    "what leaves an array at one end comes back at the other",
    "shift by slices, not by np.roll; make FFTs as long as X with its padding, and for dW conjugate that of dE/dO",
    line="return np.roll(result, 1, axis={result.spatial[0]})",
)
def wraps_around(recipe: Recipe) -> Changes:
    """An operand or the result is rolled, or positions count modulo a length, some of them backwards."""
    layer, one = recipe.layer, np.ones(recipe.layer.dims, int)
    before, _, _, padded, _ = _borders(recipe)
    for place, axes in product((recipe.result, *OPERANDS[recipe.result]), some_axes(layer.dims)):
        for shift in (one, -one, np.floor_divide(layer.canonical[place][2:], 2)):
            by = (axes * shift).tolist()
            coded = place is recipe.result and by[0] == sum(by) == 1
            rolled = partial(np.roll, shift=by, axis=recipe.spatial)
            yield recipe.at(place, f"{_name(place)} is rolled by {_numbers(by)}", rolled, coded=coded)
    strides, dilations, _ = recipe.numbers
    reach = strides * np.subtract(layer.out, 1) + dilations * np.subtract(layer.kernel, 1)
    signs = {"": (1, 1), ", with -i for i": (-1, 1), ", with -u for u": (1, -1)}
    full, others = padded + layer.kernel, np.array([layer.size, layer.out])
    for length, (words, (o, w)) in product((padded, full - 1, full, *others), signs.items()):
        each = zip(reach, length, before, layer.size, strict=True)
        borders = (BORDERS["zeros"].held(np.arange(-far, far + 1) % n - p, size).tolist() for far, n, p, size in each)
        changed = _on(recipe, True, output=o * strides, filter=w * dilations, constant=reach - before)
        words = f"positions count modulo {_numbers(length)}{words}"
        yield changed.but(words, borders=tuple(map(tuple, borders)))


# Used by several mistakes.


def missing_parts(recipe: Recipe) -> Changes:
    """Every part that may be missing alone, as a recipe without it; the detail names the part."""
    layer, result = recipe.layer, recipe.result
    if result is layer.own.role[O] and layer.has_bias:
        yield recipe.at(B, "b", np.zeros_like)
    for place in _PARTS[result]:
        words = (*place.lead_words, *(f"{_WHAT[place.array]} {axis}" for axis in layer.axis_words))
        sizes = layer.canonical[recipe.reads[place].tensor]
        for axis, (one, size) in enumerate(zip(words, sizes, strict=True)):
            ends = {0: f"the first {one}", size - 1: f"the last {one}"}
            for k in (range(size) if size <= _FEW else ends) if size > 1 else ():
                which = ends.get(k, f"{one} {k + 1}")
                coded = which == "the last channel" and place is not X
                yield recipe.at(place, which, without(*along(axis, k)), coded=coded)
    if result is DB:
        return
    for tap in np.ndindex(layer.kernel) if layer.dims > 1 and 1 < prod(layer.kernel) <= _FEW_TAPS else ():
        which = f"element {_numbers(np.add(tap, 1))} of every filter"
        yield recipe.at(DW if result is DW else W, which, without(..., *tap))
    for number, (of_x, word) in enumerate(layer.named_axes if result is DX else (), 2):
        # A stride may be larger than X.
        for h in range(min(of_x.stride, of_x.size)) if of_x.stride > 1 else ():
            phase = (h + of_x.before) % of_x.stride + 1
            missing = without(*along(number, slice(h, None, of_x.stride)))
            yield recipe.at(DX, f"phase {phase} of the stride along the {word}s", missing)


def _slipped(recipe: Recipe, slips: Callable[[Loops], Slips], coded: str = "") -> Changes:
    """The recipe with each slip in its loops; `coded` is a pattern for the words of the slip in the line of code."""
    inside = recipe.layer if any(recipe.borders) else None
    layer = recipe.layer.framed if inside else recipe.layer
    if layer.products <= _FEW_PRODUCTS:
        for words, loops in slips(right_loops(layer, recipe.result, inside)):
            yield recipe.but(words, bool(coded and re.match(coded, words)), loops=loops)


def _short(bits: int, array: Array) -> Array:
    """Numbers rounded to some significant bits."""
    unit = np.exp2(np.frexp(array)[1] - bits)
    found: Array = np.rint(array / unit) * unit
    return found


def _stored(recipe: Recipe, change: Callable[..., Array]) -> Changes:
    """The result in integers of 8, 16 or 32 bits; `change` takes it and their limits."""
    for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32"):
        limits = np.iinfo(name)
        edit = Mixed(lambda array, limits=limits: change(array, limits.min, limits.max))
        yield recipe.at(recipe.result, f"as {name}", edit, coded=name == "int8")


def _longer(recipe: Recipe) -> dict[int, str]:
    """The axes of a result that have several positions, in the user's order, with a word for each."""
    words = recipe.layer.words_of(recipe.result)
    return {axis: words[axis] for axis in Axes(recipe.layer, recipe.result).memory if recipe.shape[axis] > 1}


def _orders_of_blocks(recipe: Recipe) -> list[Shape]:
    """The orders of axes in which the spatial ones stand together, as in im2col's matrices."""
    return [tuple(chain(*order)) for order in permutations(((0,), (1,), recipe.spatial))]


def _letters(layer: Layer, tensor: Tensor, axes: Iterable[int]) -> str:
    """The letters of some of an array's axes."""
    lead = "NC" if tensor.array is not W else "IO" if layer.own.transposed else "OI"
    letters = lead + "DHW"[-layer.dims :]
    return "".join(letters[axis] for axis in axes)


def _read_as(
    recipe: Recipe, tensor: Tensor, pairs: Iterable[tuple[Shape, Shape]], coded: str, groups: int = 1
) -> Changes:
    """An array, or each group of it, is stored in one order and read in another; `coded`: words of the line of code."""
    for lies, read in pairs:
        one, other = (_letters(recipe.layer, tensor, order) for order in (lies, read))
        words = f"{_name(tensor)} lies in memory as {one}, but is read as {other}{', group by group' * (groups > 1)}"
        edit = by_part(int(tensor.array is not W), groups, relaid(lies, read))
        yield recipe.at(tensor, words, edit, coded=words == coded)


def some_axes(dims: int) -> list[Array]:
    """Masks of the axes to change: all of them, then each alone if there are several."""
    return [np.ones(dims, bool), *np.eye(dims if dims > 1 else 0, dtype=bool)]


def _on(recipe: Recipe, axes: Any, detail: str = "", coded: bool = False, size: Any = None, **numbers: Any) -> Recipe:
    """The recipe with another size and other numbers in the relations of some axes; one number is for all of them."""
    own = recipe.numbers
    changed = np.broadcast_arrays(*Relation(*own)._replace(**numbers))
    relations = tuple(Relation(*row) for row in np.where(axes, changed, own).T.tolist())
    sizes = np.where(axes, recipe.size if size is None else size, recipe.size)
    return recipe.but(detail, coded, relations=relations, size=tuple(sizes.tolist()))


def _each(recipe: Recipe, detail: str = "", coded: bool = False, **numbers: Any) -> Changes:
    """The change that `_on` makes, along all axes, as the line of code does, and along each axis alone."""
    for axes in some_axes(recipe.layer.dims):
        yield _on(recipe, axes, detail, coded and all(axes), **numbers)


def _bordered(recipe: Recipe, detail: str, mode: str, sides: Any = True, coded: bool = False) -> Recipe:
    """The recipe with padding that is filled in another way on some sides: in front and behind, by axis."""
    return recipe.but(detail, coded, borders=held(recipe.layer, np.where(sides, mode, recipe.layer.mode)))


def _followed(recipe: Recipe, detail: str | None = None, coded: bool = False, **numbers: Any) -> Changes:
    """Other relations on all axes, in the right shape and in the one that results.

    Without a detail also on each axis alone, which the words name.
    """
    layer, (before, after, _, padded, _) = recipe.layer, _borders(recipe)
    steps, reach = np.subtract(layer.out, 1), np.subtract(layer.kernel, 1)
    for axes in some_axes(layer.dims)[: 1 if detail is not None else None]:
        words = _along(recipe, axes) if detail is None else detail
        changed = _on(recipe, axes, words, coded and all(axes), **numbers)
        yield changed
        s, d, _ = changed.numbers
        if all(s * d) and changed.relations != recipe.relations:
            filled = {
                O: (padded - d * reach - 1) // s + 1,
                DW: (padded - s * steps - 1) // d + 1,
                DX: s * steps + d * reach + 1 - before - after,
            }
            yield _on(changed, True, words, size=filled[recipe.result])


def _cut(recipe: Recipe, size: Array, edit: Callable[[int, slice], Edit] = taken, coded: bool = True) -> Changes:
    """The first rows of dE/dX, along all axes or one: the others are cut off, or set to 0."""
    for axes in some_axes(recipe.layer.dims):
        sizes = np.where(axes, np.minimum(size, recipe.layer.size), recipe.layer.size)
        if any(sizes != recipe.layer.size):
            edits = (edit(2 + axis, slice(stop)) for axis, stop in enumerate(sizes))
            yield recipe.at(DX, "", *edits, coded=coded and all(axes))


def _borders(recipe: Recipe) -> Array:
    """For each axis: zeros before and behind X, positions left over, X's size with its zeros, and output padding."""
    # The twin of a transposed layer may have fewer zeros behind; what counts is how many its user cuts off.
    each = zip(recipe.layer.axes, recipe.layer.own.axes, strict=True)
    return np.transpose(
        [(a.before, own.after, a.leftover, a.before + a.size + own.after, own.extra) for a, own in each]
    )


def _one_sample(recipe: Recipe, n: int) -> Changes:
    batch, result = recipe.layer.batch, recipe.result
    if batch == 1:
        return
    if result in (DW, DB):
        yield recipe.at(DEDO, "", only(0, n), coded=True)
    else:
        yield recipe.at(result, "the others are 0", only(0, n))
        yield recipe.at(result, "without its batch axis", taken(0, n))
    # A pointer that does not advance with the sample.
    for tensor in OPERANDS[result]:
        if tensor is not W:
            yield recipe.at(tensor, f"{_name(tensor)} of this sample is used for all", taken(0, [n] * batch))


def _along(recipe: Recipe, axes: Array) -> str:
    """The only axis that is changed, in words; empty if all are."""
    return "" if all(axes) else f"along the {recipe.layer.axis_words[np.argmax(axes)]}s"


def _on_axes(recipe: Recipe, tensor: Tensor, axes: Iterable[int]) -> str:
    """Axes of an array by their numbers in NumPy, in the user's order."""
    order = Axes(recipe.layer, tensor).order
    return "axis " + " and ".join(str(order.index(axis)) for axis in axes)


def _numbers(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


def _name(tensor: Tensor) -> str:
    return tensor.key.replace("dEd", "dE/d")


# A mistake's place in the catalogue, by its id.
PLACES = {mistake.id: place for place, mistake in enumerate(CATALOGUE)}
