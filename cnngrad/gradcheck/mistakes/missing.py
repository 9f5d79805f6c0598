"""Mistakes in what takes part: a filter, channel, sample, group, row, column or element that a loop leaves out."""

from collections.abc import Iterator

from cnngrad.gradcheck.edits import Edit, only, without
from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_all
from cnngrad.gradcheck.recipe import Recipe
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]

# Of so many things each may be the one that is missing.
_FEW = 4
# What the axes of each array count, and how its positions are told from those of others.
_WHAT = {
    Tensor.X: (("sample", "channel"), "input"),
    Tensor.W: (("filter", "channel"), "kernel"),
    Tensor.O: (("sample", "filter"), "output"),
}
# In which operands, and in which result's own axes, something may be missing, in the order in which they are tried.
_PARTS = {
    Tensor.O: (Tensor.W, Tensor.O, Tensor.X),
    Tensor.DX: (Tensor.DEDO, Tensor.W),
    Tensor.DW: (Tensor.DEDO, Tensor.DW),
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
            yield Change(less, f"{words} is missing")
    if result is not Tensor.DB:
        yield from _groups(recipe)


def _without(layer: Layer, tensor: Tensor) -> Iterator[tuple[Edit, str]]:
    """One slice along one axis set to 0; the first and the last, or any where there are few."""
    lead, what = _WHAT[Tensor.O if tensor is Tensor.DEDO else tensor.array]
    words = (*lead, *(f"{what} {axis}" for axis in layer.axis_words))
    for axis, (word, size) in enumerate(zip(words, layer.canonical[tensor], strict=True)):
        for k in range(size) if 1 < size <= _FEW else (0, size - 1) if size > 1 else ():
            which = f"the last {word}" if k == size - 1 else f"the first {word}" if k == 0 else f"{word} {k + 1}"
            yield without(axis, k, k + 1), which


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
