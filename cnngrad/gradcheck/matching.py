"""Comparing a claim with what a changed recipe gives."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes import Change
from cnngrad.gradcheck.probes import probed, spread_places
from cnngrad.gradcheck.recipe import Data, Recipe, as_user, computed, right_recipe
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.tensor import Tensor

__all__ = ["absolute", "made", "may_be", "reproduced", "sizes_of"]

# So many elements of an array are compared first; one with more than so many has a few computed before the others.
_FIRST, _MANY = 512, 64
# A mistake's sums of absolute terms are no larger than so many times the largest number of all.
_MORE = 100


def made(recipe: Recipe, data: Data) -> Array:
    """What a recipe gives, in the user's shape."""
    return as_user(recipe, computed(recipe, data))


class Sized(NamedTuple):
    """Absolute numbers, so that a recipe's sums become sums of absolute terms.

    Attributes:
        data: the layer's numbers without their signs.
        largest: the largest of the right sums, or of the claim where that is larger.
    """

    data: Data
    largest: float


def sizes_of(data: Data, result: Tensor, claim: Array) -> Sized:
    """The absolute numbers of a layer, with the right sums of one result that is claimed."""
    x, w, dedo = (np.abs(a.astype(np.float64)) for a in (data.x, data.w, data.dedo))
    b = None if data.b is None else np.abs(data.b.astype(np.float64))
    positive = Data(data.layer, x, w, dedo, {}, b)
    sums = computed(right_recipe(data.layer, result), positive)
    largest = max(float(array.max(initial=0.0)) for array in (sums, np.abs(claim)))
    return Sized(replace(positive, right={result: sums}), largest)


def absolute(recipe: Recipe, sizes: Sized) -> Array:
    """The sums of the absolute terms of what a recipe gives, in the user's shape."""
    return np.abs(made(recipe, sizes.data))


def may_be(
    recipe: Recipe, data: Data, claim: Array, sizes: Sized, tolerance: Tolerance, factors: Iterable[float] = (1.0,)
) -> bool:
    """Whether a recipe, or a multiple of it by one of some factors, may give a claim, as far as a few elements tell."""
    if claim.size < _MANY:
        return True
    places = spread_places(claim.size)
    found = probed(recipe, data, claim.shape, places)
    if found is None:
        return True
    if not found.size:
        return False
    claimed = claim.reshape(-1)[places]
    allowed = tolerance.allowed(claimed, np.full(found.shape, _MORE * sizes.largest))
    with np.errstate(over="ignore", invalid="ignore"):
        return any(bool((np.abs(claimed - factor * found) <= (abs(factor) or 1) * allowed).all()) for factor in factors)


def reproduced(
    changes: Iterable[Change], data: Data, claim: Array, sizes: Sized, tolerance: Tolerance
) -> Change | None:
    """The first of some changes that gives the claim, to the claim's precision; None where there is none."""
    for change in changes:
        if not change.recipe.may_give(claim.shape) and claim.size > 1:
            continue
        if not may_be(change.recipe, data, claim, sizes, tolerance):
            continue
        array = made(change.recipe, data)
        if array.size == claim.size == 1:
            array = array.reshape(claim.shape)
        if array.shape != claim.shape:
            continue
        if not claim.size:
            return change
        # Few numbers tell most arrays from the claim.
        few = slice(None, None, 1 + claim.size // _FIRST)
        some, claimed = array.reshape(-1)[few], claim.reshape(-1)[few]
        with np.errstate(over="ignore", invalid="ignore"):
            far = np.abs(claimed - some) > tolerance.allowed(claimed, np.full(some.shape, _MORE * sizes.largest))
        if far.any():
            continue
        terms = absolute(change.recipe, sizes).reshape(array.shape)
        if (np.abs(claim - array) <= tolerance.allowed(claim, terms, array)).all():
            return change
    return None
