"""Numbers whose shape is not fully known: those of a line, a flat list, a table, or a raw file."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from cnngrad.arrays import Array, may_overflow
from cnngrad.layer import Shape

__all__ = ["Loose"]


@dataclass(frozen=True, eq=False)
class Loose:
    """Numbers of which perhaps only the last axes are known.

    Attributes:
        array: the numbers, those of a text in int64 or float64.
        axes: the number of last axes that are known: 0 for one line or list, 1 for a table, 2 for planes.
        needs_shape: whether a shape must be given for them.
        dtype: `float16` or `float32` if a text names it; otherwise empty.
        doubt: another way to read them, in words, for the error if they don't fit; empty if there is none.
    """

    array: Array
    axes: int = 0
    needs_shape: bool = False
    dtype: str = ""
    doubt: str = ""

    @property
    def typed(self) -> Array:
        """The numbers in the dtype that the text names."""
        with may_overflow():
            return self.array.astype(self.dtype or self.array.dtype, copy=False)

    def shaped(self, shape: Shape, order: Literal["C", "F"]) -> Array:
        """The numbers in a shape if their count and the known axes fit it; otherwise unchanged."""
        own = self.array.shape[self.array.ndim - self.axes :]
        if self.array.size != prod(shape) or shape[len(shape) - self.axes :] != own:
            return self.array
        return np.reshape(self.array.reshape(-1), shape, order)
