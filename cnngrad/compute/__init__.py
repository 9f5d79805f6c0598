"""The numbers of a convolution layer: O, dE/dW, dE/dX and dE/db.

The letters mean the same in every formula: n sample, f filter, c channel, i output position, u filter position,
s stride, d dilation, p padding; x is 0 outside the input.

This module defines what is computed; `plan` chooses the method for each shape.
"""

from abc import ABC, abstractmethod

import numpy as np

from cnngrad.arrays import Array, DType, Operand, check_result, common_dtype, is_finite, is_sure, working_dtype
from cnngrad.compute.exact import exact_gradient_dtype, exact_output_dtype
from cnngrad.compute.plan import Plan, add_up, make_plan, write
from cnngrad.layer import Layer, Shape
from cnngrad.memory import require
from cnngrad.tensor import DB, DEDO, DW, DX, O, Tensor, X
from cnngrad.threads import Progress

__all__ = ["Backward", "Forward", "Progress"]

# Number of elements of an array above which memory for the results is checked first.
_LARGE = 2**20


class _Work(ABC):
    """Results of one layer that are not computed yet: dtype and sizes are known, the caller chooses the target.

    `bounds` has for each result an upper bound on the magnitude of its elements and of all intermediate sums.
    """

    def __init__(self, layer: Layer, bounds: dict[Tensor, float], x: Operand, w: Operand, *others: Operand) -> None:
        self.layer, self.bounds = layer, bounds
        self.dtype = common_dtype(x.dtype, w.dtype, *[other.dtype for other in others])
        self._work = working_dtype(self.dtype)
        if self.dtype.kind == "i":
            exact = exact_output_dtype if O in bounds else exact_gradient_dtype
            self._work = exact(layer, x.array, w.array, *[other.array for other in others])
        self._x = x.array.reshape(layer.canonical[X])
        self._w = layer.rotated(w.array.reshape(layer.by_groups))

    @property
    def planned(self) -> dict[Tensor, tuple[Shape, DType]]:
        """The shape, as the user writes it, and the dtype of each result."""
        return {result: (self.layer.written[result], self.dtype) for result in self.bounds}

    def require_memory(self) -> None:
        """Raise a CnngradError unless there is memory for the results."""
        if self.layer.largest > _LARGE:
            require({result.key: plan for result, plan in self.planned.items()})

    def plan(self, result: Tensor, rounded: bool = True) -> Plan:
        """How O, dE/dW or dE/dX is computed.

        Without `rounded` O is computed without a transform, so that each output is as precise as its terms.
        """
        return make_plan(self.layer.framed.unflipped, result, self._work, rounded and self.dtype.kind == "f")

    def computed(self, result: Tensor, out: Array | None = None, progress: Progress | None = None) -> Array:
        """A result in the user's layout.

        Args:
            result: which one.
            out: where to write it, a C-contiguous array of its shape and dtype; None for new memory.
            progress: called with the number of tiles done and the number of all tiles.

        Raises:
            CnngradError: a number is too large for the result's dtype.
        """
        shape = self.layer.canonical[result]
        found = np.empty(shape, self.dtype) if out is None else out.reshape(shape)
        if is_sure(self.bounds[result], self.dtype):
            self._write(result, found, True, progress)
            return found.reshape(self.layer.shapes[result])
        # `check_result` reports numbers that are too large, so NumPy need not warn.
        with np.errstate(over="ignore", invalid="ignore"):
            self._write(result, found, True, progress)
            if result is O and not is_finite(found):
                # Sums in a transform can overflow although O itself is finite.
                self._write(result, found, False, progress)
        found = found.reshape(self.layer.shapes[result])
        check_result(result.key, found)
        return found

    @abstractmethod
    def _write(self, result: Tensor, found: Array, rounded: bool, progress: Progress | None) -> None:
        """Write a result to an array of canonical shape; `rounded` as for `plan`."""


class Forward(_Work):
    """One layer's O, not computed yet.

    If the arrays are changed in place, later computations use the new numbers, but the bounds of the old ones.
    """

    def __init__(self, layer: Layer, x: Operand, w: Operand, b: Operand | None = None) -> None:
        """O of a layer with these numbers, in the user's layout.

        Raises:
            CnngradError: integer sums beyond int64.
        """
        # Cauchy-Schwarz inequality: no sum of products of elements of X and W exceeds the product of their norms.
        bound = x.norm * w.norm * layer.copies
        if b is None:
            super().__init__(layer, {O: bound}, x, w)
        else:
            super().__init__(layer, {O: bound + b.norm}, x, w, b)
        self._b = None if b is None else b.array.reshape(-1)

    def write(self, o: Array) -> None:
        """Write O, computed without transforms, to an array (N, F, *S_out); overflow is no error, NumPy may warn."""
        self._write(O, o, False, None)

    def _write(self, result: Tensor, found: Array, rounded: bool, progress: Progress | None) -> None:
        b = None if self._b is None else self._b.astype(self._work, copy=False)
        write(self.plan(result, rounded), self.layer.bordered(self._x), self._w, b, found, progress)


class Backward(_Work):
    """One layer's gradients, not computed yet; each can be computed by itself."""

    def __init__(self, layer: Layer, x: Operand, w: Operand, dedo: Operand) -> None:
        """The gradients of a layer with these numbers, in the user's layout.

        Raises:
            CnngradError: integer sums beyond int64.
        """
        # As for O. For dE/db: no element is larger than the norm, so no sum is larger than the norm times the size.
        bounds = {
            DW: x.norm * dedo.norm * layer.copies,
            DX: w.norm * dedo.norm * layer.copies,
            DB: dedo.norm * dedo.array.size,
        }
        super().__init__(layer, bounds, x, w, dedo)
        self._dedo = dedo.array.reshape(layer.canonical[DEDO])

    def _write(self, result: Tensor, found: Array, rounded: bool, progress: Progress | None) -> None:
        if result is DB:
            found[...] = np.add.reduce(self._dedo, axis=(0, *range(2, self._dedo.ndim)), dtype=self._work)
        elif result is DX:
            framed = self.layer.framed
            sums = found if framed is self.layer else np.empty(framed.canonical[DX], self._work)
            write(self.plan(result), self._dedo, self._w, None, sums, progress)
            if sums is not found:
                found[...] = self.layer.folded(sums)
        else:
            target = self.layer.rotated(found.reshape(self.layer.by_groups))
            add_up(self.plan(result), self.layer.bordered(self._x), self._dedo, target, progress)
