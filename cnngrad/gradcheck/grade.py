"""Grading one gradient of a layer against its finite differences: verdict, tolerance, and what is wrong."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, Operand, largest_magnitude, read_tensor
from cnngrad.compute import Backward
from cnngrad.derivation.expansion import Expander, Expansion
from cnngrad.derivation.names import Names, canonical_values
from cnngrad.errors import CnngradError
from cnngrad.gradcheck.diagnosis import Diagnosis, diagnose, hidden_mistakes
from cnngrad.gradcheck.location import locate
from cnngrad.gradcheck.mistakes import Data
from cnngrad.gradcheck.report import GradientReport, Worst
from cnngrad.gradcheck.tolerance import Precision, precision_of
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["Grader"]

# Terms of the worst element that are written out.
_MOST_TERMS = 64
# Elements that are compared at a time.
_BLOCK = 2**18


class Grader:
    """Compares claimed gradients of one layer with their finite differences."""

    def __init__(self, layer: Layer, given: Mapping[Tensor, Operand], rtol: float | None, claimed: bool) -> None:
        """A grader of gradients of a layer with these numbers.

        Args:
            layer: the layer.
            given: X, W, dE/dO and, where the layer has one, b.
            rtol: the tolerance that was asked for; None where none was.
            claimed: whether the gradients are the user's own.
        """
        self._layer, self._rtol, self._claimed = layer, rtol, claimed
        self._dtypes = [given[tensor].dtype for tensor in (Tensor.X, Tensor.W, Tensor.DEDO)]
        self._arrays = {tensor: operand.converted() for tensor, operand in given.items()}
        self._sizes: Backward | None = None

    def grade(self, result: Tensor, claim: Array, numeric: Array) -> GradientReport:
        """The verdict on a claimed gradient, in the user's layout."""
        if claim.shape == (1,) and numeric.shape == ():
            claim = claim.reshape(())
        exact = numeric.dtype.kind == "i"
        precision, reason = precision_of(self._layer, result, claim, exact, self._dtypes, self._rtol)
        sizes = self._absolute_sums(result).reshape(numeric.shape)
        if claim.shape != numeric.shape:
            found = self._diagnose(result, claim, numeric, sizes, precision)
            other = result.array.key
            shape = f"{result.key} has shape {claim.shape}, but it must be {numeric.shape}, the shape of {other}."
            return GradientReport(
                result, False, 0, None, None, None, "", self._claimed, found.mistake, found.also,
                f"{shape} {found.hint}".strip(), analytic=claim, numeric=numeric,
            )  # fmt: skip
        tolerance = precision.allowed(numeric, sizes)
        error = _difference(claim, numeric)
        wrong = error > tolerance
        index = _worst(error, tolerance)
        report = GradientReport(
            result,
            passed=not wrong.any(),
            count=error.size,
            max_abs_error=error.max().item(),
            max_rel_error=_relative(error, claim, numeric),
            worst=Worst(self._element(result, index), index, numeric[index].item(), claim[index].item()),
            tolerance=reason,
            claimed=self._claimed,
            analytic=claim,
            numeric=numeric,
            wrong=wrong,
        )
        if report.passed:
            hidden = hidden_mistakes(self._data(result, claim, numeric), (result,)) if self._claimed else ()
            return replace(report, hidden=hidden)
        found = self._diagnose(result, claim, numeric, sizes, precision)
        if found.mistake is None and (error <= precision.loose(numeric, sizes)).all():
            note = "right, but less precise than a sum of these terms needs to be: it loses what a plain loop loses"
            return replace(report, passed=True, hint=f"It is {note}.")
        return replace(
            report,
            mistake=found.mistake,
            also=found.also,
            hint=found.hint or f"No known mistake gives this: {locate(self._layer, result, wrong)}.",
            expansion=self._expansion(result, index, numeric),
        )

    def _diagnose(self, result: Tensor, claim: Array, numeric: Array, sizes: Array, precision: Precision) -> Diagnosis:
        data = self._data(result, claim, numeric)
        magnitude = sizes.reshape(data.right[result].shape)
        if result is Tensor.DW:
            magnitude = self._layer.rotated(magnitude)
        return diagnose(data, result, claim, magnitude, precision)

    def _absolute_sums(self, result: Tensor) -> Array:
        """For each element the sum of its terms' absolute values, the scale of rounding in any formula for it.

        It is the gradient of the absolute values; of the tolerance it is the scale alone, and the numeric gradient has
        no part of it.
        """
        if self._sizes is None:
            half = {np.dtype(np.float16), np.dtype(np.float32)}
            self._sizes = self._absolute(np.float32 if set(self._dtypes) <= half else np.float64)
        try:
            return self._sizes.gradient(result)
        except CnngradError:
            self._sizes = self._absolute(np.float64)
            return self._sizes.gradient(result)

    def _absolute(self, dtype: type[np.floating]) -> Backward:
        arrays = (np.abs(self._arrays[t].astype(dtype, copy=False)) for t in (Tensor.X, Tensor.W, Tensor.DEDO))
        x, w, dedo = (read_tensor("terms", array) for array in arrays)
        return Backward(self._layer, x, w, dedo)

    def _data(self, result: Tensor, claim: Array, numeric: Array) -> Data:
        """The layer's numbers for the catalogue, with the finite differences as the right gradient."""
        layer = self._layer
        canonical = {
            tensor: array.reshape(layer.canonical[tensor]).astype(numeric.dtype, copy=False)
            for tensor, array in self._arrays.items()
        }
        right = numeric.reshape(layer.canonical[result])
        return Data(
            layer,
            canonical[Tensor.X],
            layer.rotated(canonical[Tensor.W]),
            canonical[Tensor.DEDO],
            {result: layer.rotated(right) if result is Tensor.DW else right},
            claim.shape,
            canonical.get(Tensor.B),
        )

    def _element(self, result: Tensor, index: tuple[int, ...]) -> str:
        return Names(self._layer).symbol(result, self._canonical(result, index)).name

    def _canonical(self, result: Tensor, index: tuple[int, ...]) -> tuple[int, ...]:
        return (0,) * (len(self._layer.canonical[result]) - len(index)) + index

    def _expansion(self, result: Tensor, index: tuple[int, ...], numeric: Array) -> Expansion:
        expander = Expander(self._layer, canonical_values(self._layer, self._arrays | {result: numeric}))
        return expander.expand(result, self._canonical(result, index), limit=_MOST_TERMS)


def _difference(claim: Array, numeric: Array) -> Array:
    """|claim - numeric|; of integers whose difference may pass int64, as float64."""
    if claim.dtype.kind == numeric.dtype.kind == "i":
        if largest_magnitude(claim) + largest_magnitude(numeric) > INT64_MAX:
            error: Array = np.abs(claim.astype(object) - numeric.astype(object)).astype(np.float64)
            return error
        return np.abs(np.subtract(claim, numeric))
    with np.errstate(over="ignore"):
        return np.abs(np.subtract(claim, numeric, dtype=np.float64))


def _worst(error: Array, tolerance: Array) -> tuple[int, ...]:
    """The element furthest outside its tolerance."""
    # Where nothing is tolerated, the largest error is the worst.
    with np.errstate(over="ignore"):
        excess = error / tolerance if tolerance.all() else np.where(error > tolerance, error, 0)
    return tuple(int(k) for k in np.unravel_index(int(excess.argmax()), excess.shape))


def _relative(error: Array, claim: Array, numeric: Array) -> float:
    """The largest |analytic - numeric| / max(|analytic|, |numeric|), block by block to save memory."""
    largest = 0.0
    flat = [a.reshape(-1) for a in (error, claim, numeric)]
    for first in range(0, error.size, _BLOCK):
        off, left, right = (a[first : first + _BLOCK].astype(np.float64) for a in flat)
        size = np.maximum(np.abs(left), np.abs(right))
        largest = max(largest, float(np.divide(off, size, out=np.zeros(off.shape), where=size > 0).max()))
    return largest
