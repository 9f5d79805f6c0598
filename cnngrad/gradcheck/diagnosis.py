"""What is wrong with a gradient: which known mistakes reproduce it, or else where the wrong elements are."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.comparison import rms
from cnngrad.gradcheck.factors import FEWEST_NUMBERS, closest_factor, named_factors, told_factor, true_factor
from cnngrad.gradcheck.matching import Found, as_user, reproduced
from cnngrad.gradcheck.mistakes import CATALOGUE, PLACES, Data, Guess, Mistake
from cnngrad.gradcheck.pairs import reproduced_by_two
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.tensor import Tensor

__all__ = ["OF_ONE_NUMBER", "PATIENCE", "Diagnosis", "diagnose", "truncated"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Attributes:
        mistake: the id of the likeliest known mistake that reproduces it, None where none does.
        also: the ids of the others that reproduce it.
        hint: what the mistake is and how to fix it, or where the wrong elements are.
        together: the ids of the mistakes that were made as well, where it takes two.
        remake: computes what the mistakes give, in the user's layout, from other data; None where no mistake is known.
    """

    mistake: str | None = None
    also: tuple[str, ...] = ()
    hint: str = ""
    together: tuple[str, ...] = ()
    remake: Callable[[Data], Array] | None = field(default=None, repr=False, compare=False)


# What can be said of a single number.
OF_ONE_NUMBER = ("zero", "sign-flipped", "scaled")
# Seconds that are spent on pairs of mistakes, and pairs that are looked for.
PATIENCE = 2.0
_MOST_PAIRS = 3


def diagnose(
    data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance, patience: float = PATIENCE
) -> Diagnosis:
    """Name the mistakes that reproduce a wrong gradient.

    Args:
        data: the layer and its numbers.
        result: dE/dW, dE/dX or dE/db.
        claim: the wrong gradient, in the user's layout.
        magnitude: the sums of absolute terms of the right gradient, in canonical shape.
        tolerance: how far the claim may be off.
        patience: the seconds that are spent on pairs of mistakes.
    """
    found: list[tuple[Mistake, Found]] = []
    for mistake in CATALOGUE:
        # A single number is many mistakes' result.
        if claim.size == 1 and mistake.id not in OF_ONE_NUMBER:
            continue
        if mistake.id == "scaled":
            made = _factor(data, result, claim, magnitude, tolerance)
        else:
            made = reproduced(mistake, data, result, claim, magnitude, tolerance)
        if made is not None:
            found.append((mistake, made))
    if not found:
        return _in_pairs(data, result, claim, tolerance, patience)
    (first, made), *others = found
    told = f"{_said(first, result, made.detail)}. To fix it: {first.words(result)[1]}."
    if others:
        told += " Or: " + "; or ".join(_said(other, result, words.detail) for other, words in others) + "."
    return Diagnosis(first.id, tuple(mistake.id for mistake, _ in others), _as_sentence(told), remake=made.remake)


def _in_pairs(data: Data, result: Tensor, claim: Array, tolerance: Tolerance, patience: float) -> Diagnosis:
    """Two mistakes that together reproduce a gradient which none does alone, in the catalogue's order."""
    if np.count_nonzero(claim) < FEWEST_NUMBERS:
        return Diagnosis()
    found: dict[tuple[str, str], Found] = {}
    for pair, made in reproduced_by_two(data, result, claim, tolerance, time.monotonic() + patience):
        found.setdefault(pair, made)
        if len(found) > _MOST_PAIRS:
            break
    if not found:
        return Diagnosis()
    pair, *others = sorted(found, key=lambda pair: [PLACES[name] for name in pair])
    one, other = (CATALOGUE[PLACES[name]] for name in pair)
    fixes = "; and ".join(mistake.words(result)[1] for mistake in (one, other))
    says = f"{one.words(result)[0]}, and {_said(other, result, found[pair].detail)}. To fix it: {fixes}."
    also = tuple("+".join(names) for names in others)
    return Diagnosis(one.id, also, _as_sentence(says), (other.id,), found[pair].remake)


def _said(mistake: Mistake, result: Tensor, detail: str) -> str:
    return f"{mistake.words(result)[0]}{f' ({detail})' if detail else ''}"


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


def _factor(data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance) -> Found | None:
    """The factor between the claim and the right gradient, with its names; None where there is no such factor."""
    right = as_user(data.layer, result, Guess(data.right[result])).astype(np.float64)
    if claim.shape != right.shape or not right.any() or not claim.any():
        return None
    sizes = as_user(data.layer, result, Guess(magnitude.reshape(data.right[result].shape)))
    named = named_factors(data.layer)
    factor = true_factor(named, claim, right, sizes, tolerance)
    if factor is not None:
        return Found(told_factor(factor, named[factor]), partial(_scaled, factor, result))
    factor = closest_factor(claim, right)
    # Few elements have some factor always, and one close to 1 is rounding.
    allowed = tolerance.allowed(claim, abs(factor) * sizes)
    if np.count_nonzero(claim) < FEWEST_NUMBERS or abs(abs(factor) - 1) * rms(right) <= 4 * rms(allowed):
        return None
    if (np.abs(claim - factor * right) <= 4 * allowed).all():
        return Found(told_factor(factor), partial(_scaled, factor, result))
    return None


def _scaled(factor: float, result: Tensor, data: Data) -> Array:
    return factor * as_user(data.layer, result, Guess(data.right[result]))
