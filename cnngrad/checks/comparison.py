"""Comparing a claim with the right numbers, element by element, and where it is wrong.

Elements are compared in blocks, so that a large layer does not need an array for each step. Numbers may overflow: the
caller silences NumPy's warnings.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, largest_magnitude
from cnngrad.checks.tolerance import Tolerance
from cnngrad.layer import Layer, Shape
from cnngrad.tensor import DX, Tensor

__all__ = ["COARSE", "Comparison", "compare", "counts", "difference", "locate"]

# Elements per block.
_BLOCK = 2**15
# If rounding exceeds 10 % of the right numbers, a claim is not judged.
COARSE = 0.1
# A border with more than this fraction of the elements does not locate an error.
_MOST_BORDER = 0.9
# Rows of an axis are counted in at most this many bands.
_MOST_BANDS = 8


class Comparison(NamedTuple):
    """How far a claim is from the right numbers.

    Attributes:
        wrong: for each element whether it is off by more than its tolerance.
        max_abs_error: the largest |claim - right|.
        max_rel_error: the largest |claim - right| / max(|claim|, |right|).
        worst: the index of the element that is furthest outside its tolerance.
        coarse: whether some element is off by more than the rounding of the sums, and the root mean square of the
            tolerances exceeds a tenth of that of the right numbers.
        is_double: whether every error is within the rounding of sums in float64.
    """

    wrong: Array
    max_abs_error: int | float
    max_rel_error: float
    worst: Shape
    coarse: bool
    is_double: bool


def compare(claim: Array, right: Array, sizes: Array, tolerance: Tolerance) -> Comparison:
    """Compare a claim with the right numbers, of the same shape.

    Args:
        claim: finite numbers.
        right: what they should be.
        sizes: for each element the sum of its absolute terms.
        tolerance: the tolerance of each element.
    """
    error = difference(claim, right).reshape(-1)
    relative = 0.0
    wrong = np.zeros(claim.size, bool)
    excess = np.zeros(claim.size)
    inputs = np.broadcast_to(tolerance.inputs, claim.shape)
    flat = [array.reshape(-1) for array in (claim, right, sizes, inputs, error, excess)]
    # Whether all errors are within the rounding of the sums, all within that of float64, and all tolerances above 0.
    held = np.ones(3, bool)
    squares = np.zeros(2)
    for first in range(0, claim.size, _BLOCK):
        block = slice(first, first + _BLOCK)
        some, wanted, magnitude, inputs, off, by_tolerance = (array[block] for array in flat)
        here = replace(tolerance, inputs=inputs)
        allowed = here.allowed(some, magnitude, wanted)
        wrong[block] = off > allowed
        limits = here.sums(magnitude), here.rounding("float64", magnitude)
        held &= [*((off <= limit).all() for limit in limits), allowed.all()]
        size = np.maximum(*(np.abs(array.astype(np.float64)) for array in (some, wanted)))
        relative = max(relative, np.divide(off, size, out=np.zeros(off.shape), where=size > 0).max().item())
        np.divide(off, allowed, out=by_tolerance, where=allowed > 0)
        squares += [np.square(array / (tolerance.largest or 1)).sum() for array in (allowed, wanted)]
    within, double, bounded = held.tolist()
    # If some tolerance is 0, the worst element is the one with the largest error.
    worst = np.unravel_index((excess if bounded else np.where(wrong, error, 0)).argmax(), claim.shape)
    coarse = not within and math.sqrt(squares[0]) > COARSE * math.sqrt(squares[1])
    return Comparison(wrong.reshape(claim.shape), error.max().item(), relative, tuple(map(int, worst)), coarse, double)


def difference(claim: Array, right: Array) -> Array:
    """|claim - right|; in float64 for integers whose difference may exceed int64."""
    are_whole = claim.dtype.kind == right.dtype.kind == "i"
    kind: type = np.int64 if are_whole else np.float64
    if are_whole and largest_magnitude(claim) + largest_magnitude(right) > INT64_MAX:
        claim, right, kind = claim.astype(object), right.astype(object), object
    error: Array = np.abs(np.subtract(claim, right, dtype=kind))
    return error.astype(np.float64) if kind is object else error


def locate(layer: Layer, result: Tensor, wrong: Array) -> str:
    """Where the wrong elements are, in words.

    Args:
        layer: the layer.
        result: O, dE/dW, dE/dX or dE/db.
        wrong: True for each wrong element, in canonical shape.
    """
    count = int(wrong.sum())
    if count == wrong.size:
        return "every element is wrong"
    if count == 1:
        return "only one element is wrong"
    limits = []
    axes = zip(layer.words_of(result), wrong.shape, np.nonzero(wrong), strict=False)
    for word, size, places in axes:
        distinct = np.unique(places)
        first, last = distinct[[0, -1]].tolist()
        if distinct.size < size and distinct.size == last - first + 1:
            text = f"{word} {first + 1}" if first == last else f"{word}s {first + 1} to {last + 1}"
            limits.append(f"{text} (the last)" if last == size - 1 else f"{text} (the first)" if first == 0 else text)
    border = _border(layer, result)
    is_bordered = border is not None and not (wrong & ~border).any()
    where = f"all in {', '.join(limits)}" if limits else "all on the border" if is_bordered else "here and there"
    return f"{count} of {wrong.size} elements are wrong, {where}"


def counts(layer: Layer, result: Tensor, wrong: Array) -> list[str]:
    """The number of wrong elements in each sample, channel and band of rows that has any, and on the border."""
    lines = []
    words = zip(layer.words_of(result), wrong.shape, strict=False)
    for axis, (word, size) in enumerate(words):
        rows = np.moveaxis(wrong, axis, 0)
        step = -(-size // _MOST_BANDS)
        bands = []
        for first in range(0, size, step):
            band = rows[first : first + step]
            where = f"{first + 1}" if len(band) == 1 else f"{first + 1} to {first + len(band)}"
            bands += [f"{where}: {band.sum()} of {band.size}"] if band.any() else []
        lines += [f"{word}: {', '.join(bands)}"] if size > 1 else []
    border = _border(layer, result)
    if border is not None:
        places = (("border", border), ("inside", ~border))
        found = (f"{word} {(wrong & here).sum()} of {here.sum()}" for word, here in places)
        lines.append(f"place: {', '.join(found)}")
    return lines


def _border(layer: Layer, result: Tensor) -> Array | None:
    """The elements of dE/dX near the edge, where padding and crops matter; None for other results, or if most are."""
    if result is not DX:
        return None
    border = np.ones(layer.canonical[DX], bool)
    border[:, :, *(slice(reach := max(1, axis.span - 1), -reach) for axis in layer.axes)] = False
    return border if border.mean() <= _MOST_BORDER else None
