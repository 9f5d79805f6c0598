"""Factors that people forget or put in too often, by their names."""

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.comparison import fractions
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.layer import Layer

__all__ = ["FEWEST_NUMBERS", "closest_factor", "named_factors", "near_factors", "told_factor", "true_factor"]

# Numbers other than 0 from which a factor can be told from chance.
FEWEST_NUMBERS = 4


def named_factors(layer: Layer) -> dict[float, list[str]]:
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


def closest_factor(claim: Array, array: Array) -> float:
    """The factor of an array, not all 0, that comes closest to a claim: least squares; infinity beyond float64."""
    (claimed, one), (made, other) = fractions(claim), fractions(array)
    with np.errstate(over="ignore"):
        return float(np.ldexp((claimed * made).sum() / (made * made).sum(), one - other))


def near_factors(factors: Iterable[float], claim: Array, array: Array) -> list[float]:
    """Those of some factors of an array, not all 0, that come near to a claim."""
    closest = closest_factor(claim, array)
    return [factor for factor in factors if abs(closest - factor) <= 0.1 * abs(factor)]


def true_factor(
    factors: Iterable[float], claim: Array, array: Array, magnitude: Array, tolerance: Tolerance
) -> float | None:
    """The first of some factors with which an array is the claim, to the claim's precision; None where none is.

    Args:
        factors: the factors, all near.
        claim: the claim.
        array: what is multiplied, of the claim's shape.
        magnitude: the sums of absolute terms of its elements.
        tolerance: how far the claim may be off.
    """
    for factor in factors:
        made = factor * array
        if (np.abs(claim - made) <= tolerance.allowed(claim, abs(factor) * magnitude, made)).all():
            return factor
    return None


def told_factor(factor: float, names: Sequence[str] = ()) -> str:
    """`by 0.5 = 1/N`."""
    return f"by {' = '.join([f'{factor:.6g}', *names])}"
