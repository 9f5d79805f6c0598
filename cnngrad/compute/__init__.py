"""The numbers of a convolution layer: O, dE/dW, dE/dX and dE/db.

The letters mean the same in every formula: n sample, f filter, c channel, i output position, u filter position,
s stride, d dilation, p padding; x is 0 outside the input.

This module defines what is computed; `plan` chooses the method for each shape.
"""

import numpy as np

from cnngrad.arrays import Array, DType, Operands, check_result, common_dtype, is_finite, is_sure, may_overflow
from cnngrad.compute.exact import exact_dtype_of
from cnngrad.compute.plan import add_up, make_plan, write
from cnngrad.layer import Layer, Shape
from cnngrad.memory import require
from cnngrad.tensor import DB, DEDO, DW, DX, B, O, Tensor, W, X
from cnngrad.threads import Progress

__all__ = ["Progress", "Work"]

# Number of elements of an array above which memory for the results is checked first.
_LARGE = 2**20


class Work:
    """The results of one layer, each computed on request: O, or with dE/dO the gradients.

    If the arrays are changed in place, later computations use the new numbers, but the bounds of the old ones.

    Attributes:
        layer: the layer.
        dtype: the dtype of the results.
        bounds: for each result an upper bound on the magnitude of its elements and of all intermediate sums.
    """

    def __init__(self, layer: Layer, given: Operands) -> None:
        """The work for X, W and, if there is one, b; or for X, W and dE/dO; their axes in cnngrad's order.

        Raises:
            CnngradError: integer sums beyond int64.
        """
        self.layer = layer
        # Cauchy-Schwarz inequality: no sum of products of elements of X and W exceeds the product of their norms.
        x = given[X].norm * layer.copies
        w = given[W].norm * layer.copies
        if DEDO not in given:
            self.bounds = {O: x * given[W].norm + (given[B].norm if B in given else 0)}
        else:
            given = {tensor: given[tensor] for tensor in (X, W, DEDO)}
            # For dE/db: no element is larger than the norm, so no sum is larger than the norm times the size.
            dedo = given[DEDO].norm
            self.bounds = {DW: x * dedo, DX: w * dedo, DB: dedo * given[DEDO].array.size}
        self.dtype = common_dtype(*[operand.dtype for operand in given.values()])
        # Everything is computed by `conv`, the convolution of the same products.
        self._arrays = {layer.role[t]: each.array.reshape(layer.canonical[t]) for t, each in given.items()}
        self._work = np.promote_types(self.dtype, np.float32)
        if self.dtype.kind == "i":
            self._work = exact_dtype_of(layer, self.bounds, self._arrays)
        self._w = layer.rotated(self._arrays[W].reshape(layer.by_groups))

    @property
    def planned(self) -> dict[Tensor, tuple[Shape, DType]]:
        """The shape, as the user writes it, and the dtype of each result."""
        return {result: (self.layer.written[result], self.dtype) for result in self.bounds}

    def require_memory(self) -> None:
        """Raise a CnngradError unless there is memory for the results."""
        if self.layer.largest > _LARGE:
            require({result.key: plan for result, plan in self.planned.items()})

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
        with may_overflow():
            self._write(result, found, True, progress)
            if self.layer.role[result] is O and not is_finite(found):
                # Sums in a transform can overflow although the result itself is finite.
                self._write(result, found, False, progress)
        found = found.reshape(self.layer.shapes[result])
        check_result(result.key, found)
        return found

    def write(self, o: Array) -> None:
        """Write O, computed without transforms, to an array (N, F, *S_out); overflow is no error, NumPy may warn."""
        self._write(O, o, False, None)

    def _write(self, result: Tensor, found: Array, rounded: bool, progress: Progress | None) -> None:
        """Write a result to an array of canonical shape.

        Without `rounded` O is computed without a transform, so that each output is as precise as its terms.
        """
        computed = self.layer.role[result]
        conv = self.layer.conv
        # The ways of computing leave out the products with zeros of the padding.
        padded = conv if conv.mode == "zeros" else conv.framed
        arrays = self._arrays
        if result is DB:
            dedo = arrays[self.layer.role[DEDO]]
            found[...] = np.add.reduce(dedo, axis=(0, *range(2, dedo.ndim)), dtype=self._work)
            return
        plan = make_plan(padded.unflipped, computed, self._work, rounded and self.dtype.kind == "f")
        b = arrays[B].astype(self._work, copy=False) if result is O and B in arrays else None
        if computed is O:
            write(plan, conv.bordered(arrays[X]), self._w, b, found, progress)
        elif computed is DW:
            target = self.layer.rotated(found.reshape(self.layer.by_groups))
            add_up(plan, conv.bordered(arrays[X]), arrays[DEDO], target, progress)
        else:
            sums = found if padded is conv else np.empty(padded.canonical[DX], self._work)
            write(plan, arrays[DEDO], self._w, b, sums, progress)
            if sums is not found:
                found[...] = conv.folded(sums)
