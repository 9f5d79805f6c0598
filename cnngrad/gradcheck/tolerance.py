"""How far a claimed gradient may be from the right one, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cnngrad.arrays import Array, DType
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["Precision", "evident_rounding", "precision_of", "spread"]

# Elements that are looked at to see to how many significant digits a claim is rounded.
_MOST_LOOKED_AT = 2000


@dataclass(frozen=True)
class Precision:
    """How precisely a claimed gradient is written.

    Attributes:
        fraction: the rounding of its sums, as a fraction of the sum of absolute terms; 0 for exact integers.
        unit: the last decimal place of a claim that is evidently rounded, else 0.
        digits: the significant digits of a claim that is evidently rounded to them, else 0.
        eps: the relative rounding of each result alone, as for float16.
        worst: as `fraction`, for a plain loop that rounds after every term.
    """

    fraction: float
    unit: float = 0.0
    digits: int = 0
    eps: float = 0.0
    worst: float = 0.0

    def loose(self, values: Array, magnitude: Array) -> Array:
        """How far a claim may be from `values` that a plain loop has summed."""
        return replace(self, fraction=max(self.fraction, self.worst)).allowed(values, magnitude)

    def allowed(self, values: Array, magnitude: Array) -> Array:
        """How far a claim may be from `values`, whose terms' absolute values add up to `magnitude`."""
        allowed: Array = self.fraction * magnitude + self.eps * np.abs(values) + 0.5 * self.unit * (1 + 1e-9)
        if self.digits:
            size = np.floor(np.log10(np.where(values == 0, 1, np.abs(values).astype(np.float64))))
            allowed = allowed + np.where(values == 0, 0, 0.5 * 10.0 ** (size - self.digits + 1) * (1 + 1e-9))
        return allowed


def precision_of(
    layer: Layer, result: Tensor, claim: Array, exact: bool, given: Sequence[DType], rtol: float | None
) -> tuple[Precision, str]:
    """How precisely a claim is to be judged, and the reason for it in words.

    Args:
        layer: the layer.
        result: dE/dW, dE/dX or dE/db.
        claim: the claimed gradient.
        exact: whether the right gradient is of integers.
        given: the dtypes of X, W and dE/dO.
        rtol: the tolerance as a fraction of the sum of absolute terms that was asked for; None where none was.
    """
    if rtol is not None:
        return Precision(rtol), f"{rtol:g} of the sum of absolute terms, as asked for"
    if claim.dtype.kind == "i" and exact:
        return Precision(0.0), "none: integers are exact"
    terms = layer.group_filters * math.prod(layer.kernel) if result is Tensor.DX else layer.batch * math.prod(layer.out)
    half = claim.dtype == np.float16
    single = half or {np.dtype(np.float16), np.dtype(np.float32)} & {claim.dtype, *given} or _is_single(claim)
    computed = np.float32 if single else np.float64
    fraction = spread(computed, terms)
    # A plain loop over terms of one sign drifts: a rounding each, most of them in the same direction.
    worst = max(spread(claim.dtype if half else computed, terms), terms / 4 * float(np.finfo(computed).eps))
    reason = f"{fraction:.1e} of the sum of absolute terms: rounding of {terms} terms in {np.dtype(computed)}"
    if half:
        info = np.finfo(np.float16)
        precision = Precision(fraction, 2 * float(info.smallest_subnormal), eps=float(info.eps), worst=worst)
        return precision, f"{reason}, and of the result to float16"
    unit, digits = evident_rounding(claim)
    if unit:
        reason += f"; yours is rounded to {unit:g}"
    elif digits:
        reason += f"; yours is rounded to {digits} significant digits"
    tiny = terms * float(np.finfo(computed).smallest_subnormal)
    return Precision(fraction, max(unit, tiny), digits, worst=worst), reason


def evident_rounding(claim: Array) -> tuple[float, int]:
    """The last decimal place, or the number of significant digits, to which all of a claim's numbers are rounded.

    Both are 0 where the numbers are not evidently rounded, or so coarsely that little of them is left.

    >>> evident_rounding(np.array([1.2346, 0.5, -3.1416]))
    (0.0001, 0)
    """
    largest = float(np.abs(claim).max()) if claim.size else 0.0
    if largest == 0:
        return 0.0, 0
    for places in range(9):
        unit = 10.0**-places
        if unit <= 0.01 * largest and np.array_equal(np.round(claim, places), claim):
            return unit, 0
    some = claim.ravel()[:: max(1, claim.size // _MOST_LOOKED_AT)].tolist()
    for digits in range(3, 8):
        if all(claim.dtype.type(f"{value:.{digits}g}") == value for value in some):
            return 0.0, digits
    return 0.0, 0


def _is_single(claim: Array) -> bool:
    """Whether decimals given as float64 are all float32 numbers."""
    if claim.dtype != np.float64 or not claim.any():
        return False
    with np.errstate(over="ignore"):
        return bool(np.array_equal(claim.astype(np.float32), claim))


def spread(dtype: npt.DTypeLike, terms: int) -> float:
    """How far a sum of `terms` products may be off by rounding, as a fraction of the sum of absolute terms."""
    return float(np.finfo(dtype).eps) * (8 + 2 * math.sqrt(terms))
