"""What is wrong with a gradient: which known mistakes reproduce it, or else where the wrong elements are."""

import time
from dataclasses import dataclass

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.factors import FEWEST_NUMBERS, closest_factor, named_factors, told_factor, true_factor
from cnngrad.gradcheck.matching import as_user, guesses_of, reproduced
from cnngrad.gradcheck.mistakes import CATALOGUE, PLACES, Data, Guess, Mistake
from cnngrad.gradcheck.pairs import reproduced_by_two
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.tensor import Tensor

__all__ = ["Diagnosis", "diagnose", "hidden_mistakes", "rms", "truncated"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Attributes:
        mistake: the id of the likeliest known mistake that reproduces it, None where none does.
        also: the ids of the others that reproduce it.
        hint: what the mistake is and how to fix it, or where the wrong elements are.
        together: the ids of the mistakes that were made as well, where it takes two.
    """

    mistake: str | None = None
    also: tuple[str, ...] = ()
    hint: str = ""
    together: tuple[str, ...] = ()


# What can be said of a single number.
_OF_ONE_NUMBER = ("zero", "sign-flipped", "scaled")
# Seconds that are spent on pairs of mistakes, and pairs that are looked for.
_PATIENCE = 2.0
_MOST_PAIRS = 3


def diagnose(data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance) -> Diagnosis:
    """Name the mistakes that reproduce a wrong gradient.

    Args:
        data: the layer and its numbers.
        result: dE/dW, dE/dX or dE/db.
        claim: the wrong gradient, in the user's layout.
        magnitude: the sums of absolute terms of the right gradient, in canonical shape.
        tolerance: how far the claim may be off.
    """
    found: list[tuple[Mistake, str]] = []
    for mistake in CATALOGUE:
        # A single number is many mistakes' result.
        if claim.size == 1 and mistake.id not in _OF_ONE_NUMBER:
            continue
        if mistake.id == "scaled":
            detail = _factor(data, result, claim, magnitude, tolerance)
        else:
            detail = reproduced(mistake, data, result, claim, magnitude, tolerance)
        if detail is not None:
            found.append((mistake, detail))
    if not found:
        return _in_pairs(data, result, claim, magnitude, tolerance)
    (first, detail), *others = found
    told = f"{_said(first, detail)}. To fix it: {first.fix}."
    if others:
        told += " Or: " + "; or ".join(_said(*other) for other in others) + "."
    return Diagnosis(first.id, tuple(mistake.id for mistake, _ in others), _as_sentence(told))


def _in_pairs(data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance) -> Diagnosis:
    """Two mistakes that together reproduce a gradient which none does alone, in the catalogue's order."""
    if np.count_nonzero(claim) < FEWEST_NUMBERS:
        return Diagnosis()
    found: dict[tuple[str, str], str] = {}
    for pair, detail in reproduced_by_two(data, result, claim, tolerance, time.monotonic() + _PATIENCE):
        found.setdefault(pair, detail)
        if len(found) > _MOST_PAIRS:
            break
    if not found:
        return Diagnosis()
    pair, *others = sorted(found, key=lambda pair: [PLACES[name] for name in pair])
    one, other = (CATALOGUE[PLACES[name]] for name in pair)
    says = f"{one.says}, and {_said(other, found[pair])}. To fix it: {one.fix}; and {other.fix}."
    return Diagnosis(one.id, tuple("+".join(names) for names in others), _as_sentence(says), (other.id,))


def _said(mistake: Mistake, detail: str) -> str:
    return f"{mistake.says}{f' ({detail})' if detail else ''}"


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


def hidden_mistakes(data: Data, results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that can't be seen in this layer and data: they give the right gradient, or none."""
    return tuple(
        mistake.id
        for mistake in CATALOGUE
        if any(result in mistake.guesses for result in results)
        and not any(_shows(mistake, data, result) for result in results)
    )


def _shows(mistake: Mistake, data: Data, result: Tensor) -> bool:
    right = data.right[result]
    for guess in guesses_of(mistake, data, result):
        if guess.bare or guess.array.shape != right.shape or not np.array_equal(guess.array, right):
            return True
    return False


def _factor(data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance) -> str | None:
    """The factor between the claim and the right gradient, with its names; None where there is no such factor."""
    right = as_user(data.layer, result, Guess(data.right[result])).astype(np.float64)
    if claim.shape != right.shape or not right.any() or not claim.any():
        return None
    sizes = as_user(data.layer, result, Guess(magnitude.reshape(data.right[result].shape)))
    named = named_factors(data.layer)
    factor = true_factor(named, claim, right, sizes, tolerance)
    if factor is not None:
        return told_factor(factor, named[factor])
    factor = closest_factor(claim, right)
    # Few elements have some factor always, and one close to 1 is rounding.
    allowed = tolerance.allowed(claim, abs(factor) * sizes)
    if np.count_nonzero(claim) < FEWEST_NUMBERS or abs(abs(factor) - 1) * rms(right) <= 4 * rms(allowed):
        return None
    return told_factor(factor) if (np.abs(claim - factor * right) <= 4 * allowed).all() else None


def rms(array: Array) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(array.astype(np.float64)))))
