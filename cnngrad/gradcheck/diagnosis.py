"""What is wrong with a gradient: which known mistakes reproduce it, or else where the wrong elements are."""

from dataclasses import dataclass, field

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.comparison import rms
from cnngrad.gradcheck.factors import (
    FEWEST_NUMBERS,
    closest_factor,
    named_factors,
    near_factors,
    told_factor,
    true_factor,
)
from cnngrad.gradcheck.matching import Sized, absolute, made, reproduced, sizes_of
from cnngrad.gradcheck.mistakes import CATALOGUE, PLACES, Change, Mistake
from cnngrad.gradcheck.pairs import reproduced_by_two
from cnngrad.gradcheck.recipe import Data, Recipe, right_recipe
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.tensor import Tensor

__all__ = ["OF_ONE_NUMBER", "TRIES", "Diagnosis", "diagnose", "truncated"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Attributes:
        mistake: the id of the likeliest known mistake that reproduces it, None where none does.
        also: the ids of the others that reproduce it.
        hint: what the mistake is and how to fix it, or where the wrong elements are.
        together: the ids of the mistakes that were made as well, where it takes two.
        code: a line of NumPy that makes just this mistake, and the right one; None where there are no such lines.
        recipe: what was computed; None where no mistake is known.
    """

    mistake: str | None = None
    also: tuple[str, ...] = ()
    hint: str = ""
    together: tuple[str, ...] = ()
    code: tuple[str, str] | None = None
    recipe: Recipe | None = field(default=None, repr=False, compare=False)


# What can be said of a single number.
OF_ONE_NUMBER = ("zero", "sign-flipped", "scaled")
# Tries to find what is wrong with one array, and as many to find the relation that it follows.
TRIES = 4000
# Pairs of mistakes that are looked for.
_MOST_PAIRS = 3


def diagnose(data: Data, result: Tensor, claim: Array, tolerance: Tolerance) -> Diagnosis:
    """Name the mistakes that reproduce a wrong gradient.

    Args:
        data: the layer and its numbers, with the tries after which no more pairs of mistakes are looked for.
        result: dE/dW, dE/dX or dE/db.
        claim: the wrong gradient, in the user's layout.
        tolerance: how far the claim may be off.
    """
    right, sizes = right_recipe(data.layer, result), sizes_of(data, result, claim)
    found: list[tuple[Mistake, Change]] = []
    for mistake in CATALOGUE:
        # A single number is many mistakes' result.
        if claim.size == 1 and mistake.id not in OF_ONE_NUMBER:
            continue
        if mistake.id == "scaled":
            change = _factor(right, data, claim, sizes, tolerance)
        else:
            change = reproduced(mistake.changed(right), data, claim, sizes, tolerance)
        if change is not None:
            found.append((mistake, change))
    if not found:
        return _in_pairs(right, data, claim, sizes, tolerance)
    (first, change), *others = found
    flip = data.layer.flip
    # The lines are those of a backward pass without flip.
    code = first.code if change.coded and result is not Tensor.O and not flip else None
    told = f"{_said(first, result, flip, change.detail)}. To fix it: {first.words(result, flip)[1]}."
    if others:
        told += " Or: " + "; or ".join(_said(other, result, flip, words.detail) for other, words in others) + "."
    return Diagnosis(
        first.id, tuple(mistake.id for mistake, _ in others), _as_sentence(told), code=code, recipe=change.recipe
    )


def _in_pairs(right: Recipe, data: Data, claim: Array, sizes: Sized, tolerance: Tolerance) -> Diagnosis:
    """Two mistakes that together reproduce a gradient which none does alone, in the catalogue's order."""
    if np.count_nonzero(claim) < FEWEST_NUMBERS:
        return Diagnosis()
    found: dict[tuple[str, str], Change] = {}
    for pair, change in reproduced_by_two(right, data, claim, sizes, tolerance):
        found.setdefault(pair, change)
        if len(found) > _MOST_PAIRS:
            break
    if not found:
        return Diagnosis()
    pair, *others = sorted(found, key=lambda pair: [PLACES[name] for name in pair])
    result, flip = right.result, data.layer.flip
    one, other = (CATALOGUE[PLACES[name]] for name in pair)
    fixes = "; and ".join(mistake.words(result, flip)[1] for mistake in (one, other))
    says = f"{one.words(result, flip)[0]}, and {_said(other, result, flip, found[pair].detail)}. To fix it: {fixes}."
    also = tuple("+".join(names) for names in others)
    return Diagnosis(one.id, also, _as_sentence(says), (other.id,), recipe=found[pair].recipe)


def _said(mistake: Mistake, result: Tensor, flip: bool, detail: str) -> str:
    return f"{mistake.words(result, flip)[0]}{f' ({detail})' if detail else ''}"


def truncated(claim: Array, right: Array, rounding: Array) -> Diagnosis | None:
    """The diagnosis of whole numbers that are decimals cut towards 0; None where a claim is something else."""
    if claim.shape != right.shape or right.dtype.kind == "i" or (claim != np.trunc(claim)).any() or not claim.any():
        return None
    off = (np.abs(claim - right) < 1 + rounding) & (np.abs(claim) <= np.abs(right) + rounding)
    if off.all():
        words = "Every element is cut to a whole number. To fix it: make the array of floats, np.zeros(x.shape, float)."
        return Diagnosis("truncated", (), words)
    return None


def _as_sentence(words: str) -> str:
    """`words` with a capital first letter, unless they begin with a name such as dE/dO, W or np.rot90."""
    first = words.split()[0]
    is_name = not first.isalpha() or (first.startswith("d") and first[1:2].isupper())
    return words if is_name else words[0].upper() + words[1:]


def _factor(right: Recipe, data: Data, claim: Array, sizes: Sized, tolerance: Tolerance) -> Change | None:
    """The factor between the claim and the right gradient, with its names; None where there is no such factor."""
    array = made(right, data).astype(np.float64)
    if claim.shape != array.shape or not array.any() or not claim.any():
        return None
    terms = absolute(right, sizes)
    named = named_factors(data.layer)
    factor = true_factor(near_factors(named, claim, array), claim, array, terms, tolerance)
    if factor is not None:
        # Of several samples the factor that is put in most often.
        of_batch = factor == 1 / data.layer.batch and data.layer.batch > 1
        return Change(right.but(factor=factor), told_factor(factor, named[factor]), coded=of_batch)
    factor = closest_factor(claim, array)
    if not np.isfinite(factor):
        return None
    # Few elements have some factor always, and one close to 1 is rounding.
    allowed = tolerance.allowed(claim, abs(factor) * terms)
    if np.count_nonzero(claim) < FEWEST_NUMBERS or abs(abs(factor) - 1) * rms(array) <= 4 * rms(allowed):
        return None
    if (np.abs(claim - factor * array) <= 4 * allowed).all():
        return Change(right.but(factor=factor), told_factor(factor))
    return None
