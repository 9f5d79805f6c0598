"""Pairs of mistakes: a second change of a recipe that one mistake has changed already, or its sign or a factor."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.factors import FEWEST_NUMBERS, named_factors, near_factors, told_factor, true_factor
from cnngrad.gradcheck.matching import Sized, absolute, made, may_be, reproduced
from cnngrad.gradcheck.mistakes import CATALOGUE, PLACES, Change
from cnngrad.gradcheck.recipe import Data, Recipe, computed
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.tensor import Tensor

__all__ = ["reproduced_by_two"]

Pair = tuple[str, str]
_MINUS = -1.0
# The mistakes that are tried first, by what they change, each in the first way that it is made.
_FIRST = {
    Tensor.O: ("stride-ignored", "dilation-ignored", "padding-ignored"),
    Tensor.DX: ("filter-not-rotated", "stride-ignored", "dilation-ignored", "padding-ignored"),
    Tensor.DW: ("stride-ignored", "dilation-ignored", "padding-ignored", "last-batch-only", "first-batch-only"),
    Tensor.DB: (),
}
# Those that are tried with each of them.
_SECOND = {
    "filter-not-rotated", "filter-flipped-one-axis", "filter-transposed", "stride-ignored", "stride-gap-wrong",
    "stride-axes-swapped", "stride-dilation-swapped", "dilation-ignored", "dilation-off-by-one", "padding-ignored",
    "padding-wrong-side", "operand-rotated", "result-rotated", "axes-swapped", "channels-swapped", "last-batch-only",
    "first-batch-only", "border-not-zero", "incomplete", "shifted", "other-layout", "overwritten",
}  # fmt: skip


def reproduced_by_two(
    right: Recipe, data: Data, claim: Array, sizes: Sized, tolerance: Tolerance
) -> Iterator[tuple[Pair, Change]]:
    """The pairs of mistakes that give a claim, with the second's detail.

    Args:
        right: the right recipe of the result.
        data: the layer and its numbers, with the tries that are left for the search.
        claim: the wrong gradient, in the user's layout.
        sizes: the absolute numbers.
        tolerance: how far it may be off.
    """
    yield from _with_a_factor(right, data, claim, sizes, tolerance)
    for name in _FIRST[right.result]:
        # In another shape it would be no operand of the second.
        change = next((each for each in CATALOGUE[PLACES[name]].changed(right) if each.recipe.size == right.size), None)
        if change is None:
            continue
        # What the first gives is computed once.
        known = replace(data, base=(change.recipe, computed(change.recipe, data)))
        positive = computed(change.recipe, sizes.data)
        changed = Sized(
            replace(sizes.data, base=(change.recipe, positive)), max(sizes.largest, float(positive.max(initial=0.0)))
        )
        for mistake in CATALOGUE:
            if data.tries.left < 0:
                return
            if mistake.id in _SECOND and mistake.id != name:
                found = reproduced(mistake.changed(change.recipe), known, claim, changed, tolerance)
                if found is not None:
                    yield _ordered(name, mistake.id), found


def _with_a_factor(
    right: Recipe, data: Data, claim: Array, sizes: Sized, tolerance: Tolerance
) -> Iterator[tuple[Pair, Change]]:
    """A mistake whose result has the wrong sign besides, or a factor that has a name."""
    factors: dict[float, list[str]] = {_MINUS: []} | named_factors(data.layer)
    for mistake in CATALOGUE:
        if mistake.id in ("scaled", "sign-flipped", "zero"):
            continue
        for recipe, detail, _ in mistake.changed(right):
            if data.tries.left < 0:
                return
            if not recipe.may_give(claim.shape) or not may_be(recipe, data, claim, sizes, tolerance, factors):
                continue
            array = made(recipe, data).astype(np.float64)
            if array.shape != claim.shape or np.count_nonzero(array) < FEWEST_NUMBERS:
                continue
            if not np.isfinite(array).all():
                continue
            near = near_factors(factors, claim, array)
            factor = true_factor(near, claim, array, absolute(recipe, sizes), tolerance) if near else None
            if factor is None:
                continue
            twice = recipe.but(factor=factor * recipe.factor)
            if factor == _MINUS:
                yield _ordered(mistake.id, "sign-flipped"), Change(twice, detail)
            else:
                told = (detail, told_factor(factor, factors[factor]))
                yield _ordered(mistake.id, "scaled"), Change(twice, ", ".join(part for part in told if part))


def _ordered(one: str, other: str) -> Pair:
    first, second = sorted((one, other), key=PLACES.__getitem__)
    return first, second
