"""What can be said of a wrong gradient that no known mistake gives: the relation that it follows, or what it misses."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.matching import made
from cnngrad.gradcheck.mistakes import CATALOGUE, PLACES
from cnngrad.gradcheck.mistakes.mistake import some_axes
from cnngrad.gradcheck.probes import probed, spread_places
from cnngrad.gradcheck.recipe import Data, right_recipe
from cnngrad.gradcheck.relation import recipe_by, right_relations
from cnngrad.layer import Layer, Relation
from cnngrad.tensor import Tensor

__all__ = ["alike", "relations_of", "set_of"]

# So many wrong elements are looked at first; so many that are alike are so by no chance.
_PROBES, _ALIKE = 8, 4
# The relations that are tried: up to these factors of i and u, with windows that begin so far from the right place.
_MOST_STRIDE, _MOST_DILATION, _FURTHEST = 4, 3, 4


def relations_of(data: Data, result: Tensor, claim: Array, allowed: Array) -> list[Relation] | None:
    """The relations between positions that a claim follows, one for each axis; None where none are found.

    Args:
        data: the layer and its numbers, with the tries that are left for the search.
        result: the result that is claimed.
        claim: the claim, in the user's layout.
        allowed: how far each element may be off.
    """
    places = spread_places(claim.size)
    for relations in _others(data.layer):
        if data.tries.left < 0:
            break
        recipe = recipe_by(data.layer, result, relations)
        few = probed(recipe, data, claim.shape, places)
        if few is not None and (np.abs(claim.reshape(-1)[places] - few) > allowed.reshape(-1)[places]).any():
            continue
        array = made(recipe, data)
        if array.any() and (np.abs(claim - array) <= allowed).all():
            return relations
    return None


def _others(layer: Layer) -> Iterator[list[Relation]]:
    """Relations other than the right ones: changed in the same way on all axes, or on one."""
    right = right_relations(layer)
    strides = range(1, _MOST_STRIDE + 1)
    dilations = [sign * number for sign in (1, -1) for number in range(1, _MOST_DILATION + 1)]
    shifts = sorted(range(-_FURTHEST, _FURTHEST + 1), key=abs)
    for axes in some_axes(layer.dims):
        for shift, stride, dilation in product(shifts, strides, dilations):
            begun, turned_round = list(right), list(right)
            for number in axes:
                # Windows that begin so many positions from the right place; or the first element lies so far from it.
                axis = layer.axes[number]
                # Of a factor that multiplies 0 alone nothing is known.
                s = stride if axis.out > 1 else right[number].output
                d = dilation if axis.kernel > 1 else right[number].filter
                begun[number] = Relation(s, d, shift - axis.before - min(0, d * (axis.kernel - 1)))
                turned_round[number] = Relation(s, d, shift + right[number].constant)
            yield from (relations for relations in (begun, turned_round) if relations != right)


def alike(claim: Array, wrong: Array) -> str:
    """What all wrong elements are, where they are one number, or one number with either sign; empty else."""
    found = claim[wrong]
    if found.size < _ALIKE:
        return ""
    if (found == found[0]).all():
        return f"Every wrong element is {found[0].item():g}"
    if (np.abs(found) == np.abs(found[0])).all():
        return f"Every wrong element is {abs(found[0].item()):g} or {-abs(found[0].item()):g}"
    return ""


def _misses(claim: Array, right: Array, less: Array, places: Array, allowed: Array) -> bool:
    """Whether some elements of a claim are the right ones less something, or that once more."""
    claimed, whole, off = (array.reshape(-1)[places] for array in (claim, right, allowed))
    return bool(any((np.abs(claimed - array) <= off).all() for array in (less, 2 * whole - less)))


def set_of(data: Data, result: Tensor, claim: Array, wrong: Array, allowed: Array) -> str:
    """Which filter, sample, row or element is missing, or counts twice, in all wrong elements; empty where none is.

    Args:
        data: the layer and its numbers.
        result: the result that is claimed.
        claim: the claim, in the user's layout.
        wrong: True where an element of the claim is wrong.
        allowed: how far each element may be off.
    """
    if wrong.sum() < _ALIKE:
        return ""
    recipe = right_recipe(data.layer, result)
    right = made(recipe, data)
    some = np.flatnonzero(wrong)[:: 1 + int(wrong.sum()) // _PROBES]
    for change in CATALOGUE[PLACES["incomplete"]].changed(recipe):
        if not change.detail.endswith("is missing"):
            continue
        few = probed(change.recipe, data, claim.shape, some)
        if few is not None and not (few.size and _misses(claim, right, few, some, allowed)):
            continue
        less = made(change.recipe, data)
        if less.shape == claim.shape == wrong.shape and (less != right)[wrong].all():
            for array, happens in ((less, "is missing"), (2 * right - less, "counts twice")):
                if (np.abs(claim - array) <= allowed)[wrong].all():
                    return f"In every wrong element {change.detail.replace('is missing', happens)}"
    return ""
