"""Mistakes in what takes part: a filter, channel, sample, group, row, column or element that a loop leaves out."""

from collections.abc import Iterator
from itertools import combinations, product
from math import prod

from cnngrad.gradcheck.edits import Edit, only, without, without_one
from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_all
from cnngrad.gradcheck.recipe import Recipe
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]

# Of so many things each may be the one that is missing.
_FEW, _FEW_TAPS = 4, 12
# What the axes of each array count, and how its positions are told from those of others.
_WHAT = {
    Tensor.X: (("sample", "channel"), "input"),
    Tensor.W: (("filter", "channel"), "kernel"),
    Tensor.O: (("sample", "filter"), "output"),
}
# In which operands, and in which result's own axes, something may be missing, in the order in which they are tried.
_PARTS = {
    Tensor.O: (Tensor.W, Tensor.O, Tensor.X),
    Tensor.DX: (Tensor.DEDO, Tensor.W, Tensor.DX),
    Tensor.DW: (Tensor.DEDO, Tensor.DW, Tensor.X),
    Tensor.DB: (Tensor.DEDO,),
}


def incomplete(recipe: Recipe) -> Changes:
    """The first, the last or another one of something is missing from the sums, or from the result."""
    layer, result = recipe.layer, recipe.result
    if result is Tensor.O and layer.has_bias:
        yield Change(recipe.but(b=None), "b is missing")
    for tensor in _PARTS[result]:
        for edit, words in _without(layer, tensor):
            less = recipe.then(edit) if tensor is result else recipe.reading(tensor, edit)
            yield Change(less, f"{words} is missing", coded=words == "the last channel" and tensor is not Tensor.X)
    if result is Tensor.DB:
        return
    yield from _margins(recipe)
    yield from _groups(recipe)
    yield from _taps(recipe)
    yield from _phases(recipe)
    yield from _miscounted(recipe)


def _without(layer: Layer, tensor: Tensor) -> Iterator[tuple[Edit, str]]:
    """One slice along one axis set to 0; the first and the last, or any where there are few."""
    lead, what = _WHAT[Tensor.O if tensor is Tensor.DEDO else tensor.array]
    words = (*lead, *(f"{what} {axis}" for axis in layer.axis_words))
    for axis, (word, size) in enumerate(zip(words, layer.canonical[tensor], strict=True)):
        for k in range(size) if 1 < size <= _FEW else (0, size - 1) if size > 1 else ():
            which = f"the last {word}" if k == size - 1 else f"the first {word}" if k == 0 else f"{word} {k + 1}"
            yield without(axis, k, k + 1), which


def _margins(recipe: Recipe) -> Changes:
    """The first of every axis, or the last: the first row and the first column."""
    layer = recipe.layer
    for tensor in _PARTS[recipe.result] if layer.dims > 1 else ():
        what = _WHAT[Tensor.O if tensor is Tensor.DEDO else tensor.array][1]
        sizes = layer.canonical[tensor][2:]
        for word, ends in (("first", [0] * layer.dims), ("last", [size - 1 for size in sizes])):
            edits = [without(2 + number, k, k + 1) for number, k in enumerate(ends)]
            less = recipe.then(*edits) if tensor is recipe.result else recipe.reading(tensor, *edits)
            yield Change(less, f"the {word} {what} {' and '.join(layer.axis_words)} are missing")


def _groups(recipe: Recipe) -> Changes:
    """One group alone is computed, or one is not."""
    layer = recipe.layer
    if layer.groups == 1:
        return
    each = layer.group_channels if recipe.result is Tensor.DX else layer.group_filters
    axis = 0 if recipe.result is Tensor.DW else 1
    for k, word in ((0, "first"), (layer.groups - 1, "last")):
        yield Change(recipe.then(without(axis, k * each, (k + 1) * each)), f"the {word} group is missing")
        yield Change(recipe.then(only(axis, k * each, (k + 1) * each)), f"the {word} group alone is there")


def _taps(recipe: Recipe) -> Changes:
    """One element of every filter is missing; any where there are few, or one at a corner."""
    layer = recipe.layer
    if layer.dims == 1 or prod(layer.kernel) == 1:
        return
    places = product(*(range(k) if prod(layer.kernel) <= _FEW_TAPS else sorted({0, k - 1}) for k in layer.kernel))
    for place in places:
        less = without_one(*place)
        which = f"element {','.join(str(k + 1) for k in place)} of every filter"
        changed = recipe.then(less) if recipe.result is Tensor.DW else recipe.reading(Tensor.W, less)
        yield Change(changed, f"{which} is missing")


def _phases(recipe: Recipe) -> Changes:
    """Of the positions of X that lie a stride apart, a set in dE/dX is never filled."""
    if recipe.result is not Tensor.DX:
        return
    for number, axis in enumerate(recipe.layer.axes):
        word = recipe.layer.axis_words[number]
        for phase in range(axis.stride) if axis.stride > 1 else ():
            missing = without(2 + number, (phase - axis.before) % axis.stride, None, axis.stride)
            yield Change(recipe.then(missing), f"phase {phase + 1} of the stride along the {word}s is missing")


def _miscounted(recipe: Recipe) -> Changes:
    """As many rows as there are columns take part, or the other way round: OH for OW."""
    layer = recipe.layer
    for tensor, what in ((Tensor.DEDO, "O"), (Tensor.W, "the filter")):
        sizes = layer.canonical[tensor][2:]
        for a, b in combinations(range(layer.dims), 2):
            few = min(sizes[a], sizes[b])
            if sizes[a] == sizes[b]:
                continue
            longer = 2 + (a if sizes[a] > sizes[b] else b)
            less = only(longer, 0, few)
            of_result = recipe.result is (Tensor.O if tensor is Tensor.DEDO else Tensor.DW)
            counted = f"{max(sizes[a], sizes[b])} {layer.axis_words[longer - 2]}s of {what}"
            words = f"of {counted} the first {few} alone take part: another axis's count stands for theirs"
            yield Change(recipe.then(less) if of_result else recipe.reading(tensor, less), words)


MISTAKES = (
    Mistake(
        "incomplete",
        "something is left out",
        "look at where the loop begins and ends, and at the sizes of the arrays that it fills",
        in_all(incomplete),
        code=("for c in range(channels - 1):", "for c in range(channels):"),
        short="a missing part",
    ),
)
