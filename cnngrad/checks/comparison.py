"""Comparing a claim with the right numbers, element by element, and what that comes to.

It is done some elements at a time, so that a check of a large layer does not hold an array for each step.
"""

import math
from dataclasses import dataclass

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, largest_magnitude
from cnngrad.checks.tolerance import Tolerance

__all__ = ["COARSE", "Comparison", "compare", "difference"]

# Elements that are compared at a time.
_BLOCK = 2**15
# A claim that is accepted thanks to its writing alone must leave so much of the right gradient, at least.
COARSE = 0.1


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far a claim is from the right numbers.

    Attributes:
        wrong: for each element whether it is off by more than its tolerance.
        max_abs_error: the largest |claim - right|.
        max_rel_error: the largest |claim - right| / max(|claim|, |right|).
        worst: the index of the element that is furthest outside its tolerance.
        beyond_sums: whether some element is off by more than the rounding of the sums.
        coarse: whether the tolerance (root mean square) exceeds a tenth of the right numbers (likewise).
        is_double: whether it is as right as float64 can be.
    """

    wrong: Array
    max_abs_error: int | float
    max_rel_error: float
    worst: tuple[int, ...]
    beyond_sums: bool
    coarse: bool
    is_double: bool


class _Largest:
    """The largest of some numbers that come in blocks, and its flat index: the first one of equals."""

    def __init__(self) -> None:
        self.number: int | float = -1
        self.index = 0

    def look(self, first: int, numbers: Array) -> None:
        """Look at the numbers of a block that begins at `first`."""
        index = int(numbers.argmax())
        if numbers[index] > self.number:
            self.number, self.index = numbers[index].item(), first + index


def compare(claim: Array, right: Array, sizes: Array, tolerance: Tolerance) -> Comparison:
    """Compare a claim with the right numbers, of the same shape.

    Args:
        claim: finite numbers.
        right: what they should be.
        sizes: for each element the sum of its absolute terms.
        tolerance: how far each may be off.
    """
    wrong = np.zeros(claim.size, bool)
    flat = [array.reshape(-1) for array in (claim, right, sizes)]
    error, relative, excess, wrong_error = _Largest(), _Largest(), _Largest(), _Largest()
    beyond, double, bounded, squares = False, True, True, np.zeros(2)
    largest = float(sizes.max(initial=0.0))
    exponent = math.frexp(largest)[1]
    for first in range(0, claim.size, _BLOCK):
        block = slice(first, first + _BLOCK)
        some, wanted, magnitude = (array[block] for array in flat)
        here = tolerance.of(block, largest)
        off, allowed = difference(some, wanted), here.allowed(some, magnitude, wanted)
        wrong[block] = off > allowed
        beyond = beyond or bool((off > here.sums(magnitude)).any())
        double = double and here.is_double(off, magnitude)
        bounded = bounded and bool(allowed.all())
        with np.errstate(over="ignore"):
            squares += [np.square(np.ldexp(a.astype(np.float64), -exponent)).sum() for a in (allowed, wanted)]
            excess.look(first, np.divide(off, allowed, out=np.zeros(off.shape), where=allowed > 0))
        error.look(first, off)
        wrong_error.look(first, np.where(wrong[block], off, 0))
        relative.look(first, _relative(off, some, wanted))
    # Where some tolerance is 0, the worst element is the one with the largest error.
    worst = np.unravel_index((excess if bounded else wrong_error).index, claim.shape)
    return Comparison(
        wrong.reshape(claim.shape),
        error.number,
        float(relative.number),
        tuple(int(k) for k in worst),
        beyond,
        math.sqrt(squares[0]) > COARSE * math.sqrt(squares[1]),
        double,
    )


def difference(claim: Array, right: Array) -> Array:
    """|claim - right|; in float64 for integers whose difference may exceed int64."""
    if claim.dtype.kind == right.dtype.kind == "i":
        if largest_magnitude(claim) + largest_magnitude(right) > INT64_MAX:
            error: Array = np.abs(claim.astype(object) - right.astype(object)).astype(np.float64)
            return error
        return np.abs(np.subtract(claim, right))
    with np.errstate(over="ignore"):
        return np.abs(np.subtract(claim, right, dtype=np.float64))


def _relative(error: Array, claim: Array, right: Array) -> Array:
    """|claim - right| / max(|claim|, |right|)."""
    size = np.maximum(np.abs(claim.astype(np.float64)), np.abs(right.astype(np.float64)))
    return np.divide(error.astype(np.float64), size, out=np.zeros(error.shape), where=size > 0)
