"""Numbers whose first axes are not written: those of a line, a flat list, a table, or a raw file."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from cnngrad.arrays import Array, may_overflow
from cnngrad.layer import Shape

__all__ = ["Loose"]


@dataclass(frozen=True, eq=False)
class Loose:
    """Numbers whose first axes may not be written.

    Attributes:
        array: the numbers, those of a text in int64 or float64.
        axes: how many of the last axes are written: 0 for one line or list, 1 for a table, 2 for planes.
        needs_shape: whether they mean nothing without a shape.
        dtype: float16 or float32 where a text says so.
        doubt: another way to read them, if they don't fit.
    """

    array: Array
    axes: int = 0
    needs_shape: bool = False
    dtype: str = ""
    doubt: str = ""

    @property
    def typed(self) -> Array:
        """The numbers in their own type."""
        with may_overflow():
            return self.array.astype(self.dtype or self.array.dtype, copy=False)

    def shaped(self, shape: Shape, order: Literal["C", "F"]) -> Array:
        """The numbers in a shape, if there are as many and the axes that are written agree; else as they are."""
        own = self.array.shape[self.array.ndim - self.axes :]
        if self.array.size != prod(shape) or shape[max(0, len(shape) - self.axes) :] != own:
            return self.array
        return np.reshape(self.array.reshape(-1), shape, order)
