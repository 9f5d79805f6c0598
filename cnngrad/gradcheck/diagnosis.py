"""What is wrong with a gradient: which known mistakes reproduce it, or else where the wrong elements are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes import CATALOGUE, Data, Guess, Mistake
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["Diagnosis", "as_user", "diagnose", "hidden_mistakes", "rms", "truncated"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Attributes:
        mistake: the id of the likeliest known mistake that reproduces it, None where none does.
        also: the ids of the others that reproduce it.
        hint: what the mistake is and how to fix it, or where the wrong elements are.
    """

    mistake: str | None = None
    also: tuple[str, ...] = ()
    hint: str = ""


# Numbers other than 0 from which a free factor can be told from chance, and what can be said of a single number.
_FEWEST_NUMBERS = 4
_OF_ONE_NUMBER = ("zero", "sign-flipped", "scaled")
# So many elements of a guess are compared first.
_PROBES = 512


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
            detail = _reproduced(mistake, data, result, claim, magnitude, tolerance)
        if detail is not None:
            found.append((mistake, detail))
    if not found:
        return Diagnosis()
    (first, detail), *others = found
    told = f"{first.says}{f' ({detail})' if detail else ''}. To fix it: {first.fix}."
    if others:
        told += " Or: " + "; or ".join(f"{m.says}{f' ({d})' if d else ''}" for m, d in others) + "."
    return Diagnosis(first.id, tuple(mistake.id for mistake, _ in others), _as_sentence(told))


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
    """With a capital, unless it begins with a name such as dE/dO, W or np.rot90, which is written as it is."""
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
    for guess in _guesses(mistake, data, result):
        if guess.bare or guess.array.shape != right.shape or not np.array_equal(guess.array, right):
            return True
    return False


def _guesses(mistake: Mistake, data: Data, result: Tensor) -> Iterator[Guess]:
    make: Callable[[Data], Iterator[Guess]] | None = mistake.guesses.get(result)
    return iter(()) if make is None else make(data)


def _reproduced(
    mistake: Mistake, data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance
) -> str | None:
    """The detail of the first guess that is the claim, to the claim's precision; None where there is none."""
    scale = float(magnitude.max()) if magnitude.size else 0.0
    for number, guess in enumerate(_guesses(mistake, data, result)):
        array = as_user(data.layer, result, guess)
        if array.size == claim.size == 1:
            array = array.reshape(claim.shape)
        if array.shape != claim.shape:
            continue
        if not claim.size:
            return guess.detail
        # Few numbers tell most guesses from the claim.
        few = slice(None, None, 1 + claim.size // _PROBES)
        some = array.reshape(-1)[few]
        claimed = claim.reshape(-1)[few]
        if (np.abs(claimed - some) > tolerance.allowed(claimed, np.full(some.shape, 100 * scale))).any():
            continue
        error = np.abs(claim - array)
        sizes = next(islice(_guesses(mistake, _sizes(data, result), result), number, None))
        if (error <= tolerance.allowed(claim, np.abs(as_user(data.layer, result, sizes)).reshape(array.shape))).all():
            return guess.detail
    return None


def _sizes(data: Data, result: Tensor) -> Data:
    """The same layer with absolute values, so that a mistake's sums become sums of absolute terms."""
    x, w, dedo = (np.abs(a.astype(np.float64)) for a in (data.x, data.w, data.dedo))
    if result == Tensor.DB:
        right = dedo.sum(axis=(0, *data.spatial))
    else:
        right = data.scatter(w, dedo) if result == Tensor.DX else data.gather(x, dedo)
    b = None if data.b is None else np.abs(data.b.astype(np.float64))
    return replace(data, x=x, w=w, b=b, dedo=dedo, right={result: right})


def as_user(layer: Layer, result: Tensor, guess: Guess) -> Array:
    """A guess in the user's layout: rotated back where the layer has flip, without the axes that are not there."""
    array = guess.array
    if result is Tensor.DW and array.ndim == 2 + layer.dims:
        array = layer.rotated(array)
    if guess.bare:
        return array
    if result is Tensor.DB:
        return array.reshape(()) if layer.w_lead < 2 and array.size == 1 else array
    return array.reshape(array.shape[2 - layer.lead[result] :])


def _factor(data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance) -> str | None:
    """By which factor a claim is the right gradient, with the factor's names; None where it is not."""
    right = as_user(data.layer, result, Guess(data.right[result])).astype(np.float64)
    if claim.shape != right.shape or not right.any() or not claim.any():
        return None
    factor = float((claim * right).sum() / (right * right).sum())
    sizes = as_user(data.layer, result, Guess(magnitude.reshape(data.right[result].shape)))
    for value, words in _named_factors(data.layer).items():
        near = abs(factor - value) <= 0.1 * abs(value)
        if near and (np.abs(claim - value * right) <= tolerance.allowed(claim, abs(value) * sizes)).all():
            return f"by {' = '.join([f'{value:.6g}', *words])}"
    # Few elements have some factor always, and one close to 1 is rounding.
    allowed = tolerance.allowed(claim, abs(factor) * sizes)
    if np.count_nonzero(claim) < _FEWEST_NUMBERS or abs(abs(factor) - 1) * rms(right) <= 4 * rms(allowed):
        return None
    return f"by {factor:.6g}" if (np.abs(claim - factor * right) <= 4 * allowed).all() else None


def rms(array: Array) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(array.astype(np.float64)))))


def _named_factors(layer: Layer) -> dict[float, list[str]]:
    """Factors that people forget or put in too often, by value; all the names that a value has, the likeliest first."""
    positions, taps = prod(layer.out), prod(layer.kernel)
    counts = [
        (layer.batch, "N"),
        (positions, "H'·W'" if layer.dims == 2 else "positions of O"),
        (layer.batch * positions, "N·H'·W'" if layer.dims == 2 else "N · positions of O"),
        (layer.filters, "F"),
        (layer.channels, "C"),
        (taps, "kh·kw" if layer.dims == 2 else "size of the kernel"),
        (prod(a.stride for a in layer.axes), "product of the strides"),
    ]
    factors: dict[float, list[str]] = {}
    for count, word in counts:
        # What there is one of multiplies nothing, nor does it change the name of a product.
        if count > 1 and not (word.startswith("N") and word != "N" and layer.batch == 1):
            factors.setdefault(1 / count, []).append(f"1/({word})" if "·" in word or " " in word else f"1/{word}")
            factors.setdefault(float(count), []).append(word)
    return {0.5: [], 2.0: []} | factors
