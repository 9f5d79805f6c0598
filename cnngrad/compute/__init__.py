"""The numbers of a convolution layer: O, dE/dW, dE/dX and dE/db.

The letters mean the same in every formula: n sample, f filter, c channel, i output position, u filter position,
s stride, d dilation, p padding; x is 0 outside the input.

This module defines what is computed; `plan` chooses the method for each shape.
"""

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from cnngrad.arrays import SAFE, Array, DType, Operands, check_result, common_dtype, is_finite, may_overflow
from cnngrad.compute.exact import exact_dtype_of
from cnngrad.compute.plan import add_up, make_plan, write
from cnngrad.layer import Layer, Shape
from cnngrad.memory import require
from cnngrad.tensor import DB, DEDO, DW, DX, GRADIENTS, B, O, Tensor, W, X
from cnngrad.threads import Progress

__all__ = ["Progress", "Work"]

# Number of elements of an array above which memory for the results is checked first.
_LARGE = 2**20


class Work:
    """The results of one layer, each computed on request: O, or with dE/dO the gradients.

    If the arrays are changed in place, later computations use the new numbers.

    Attributes:
        layer: the layer.
        dtype: the dtype of the results.
        results: which they are.
    """

    def __init__(self, layer: Layer, given: Operands) -> None:
        """The work for X, W and, if there is one, b; or for X, W and dE/dO; their axes in cnngrad's order.

        Raises:
            CnngradError: integer sums beyond int64.
        """
        self.layer = layer
        self.results: Sequence[Tensor] = (O,)
        if DEDO in given:
            self.results = GRADIENTS
            given = {tensor: given[tensor] for tensor in (X, W, DEDO)}
        self.dtype = common_dtype(*[operand.dtype for operand in given.values()])
        # Integer sums are exact.
        self._is_safe = self.dtype.kind == "i" or all(each.norm < SAFE.get(each.dtype, 0.0) for each in given.values())
        # Everything is computed by `conv`, the convolution of the same products.
        self._arrays = {layer.role[t]: each.array.reshape(layer.canonical[t]) for t, each in given.items()}
        self._work = np.promote_types(self.dtype, np.float32)
        if self.dtype.kind == "i":
            self._work = exact_dtype_of(layer, self.results, self._arrays)
        self._w = layer.rotated(self._arrays[W].reshape(layer.by_groups))

    @property
    def planned(self) -> dict[Tensor, tuple[Shape, DType]]:
        """The shape, as the user writes it, and the dtype of each result."""
        return {result: (self.layer.written[result], self.dtype) for result in self.results}

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
        # Numbers that are too large are an error, so NumPy need not warn.
        with nullcontext() if self._is_safe else may_overflow():
            self._write(result, found, True, progress)
            if not (self._is_safe or is_finite(found)):
                # Sums in a transform can overflow although the result itself is finite.
                self._write(result, found, False, progress)
                check_result(result.key, found.reshape(self.layer.shapes[result]))
        return found.reshape(self.layer.shapes[result])

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
