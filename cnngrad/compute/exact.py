"""Chooses the dtype in which integer sums are exact, from bounds on O and the gradients."""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType, exact_dtype, largest_magnitude
from cnngrad.layer import Layer
from cnngrad.tensor import O

__all__ = ["exact_gradient_dtype", "exact_output_dtype"]

# Number of elements that are converted to Python's integers at a time.
_TOGETHER = 2**16


def exact_output_dtype(layer: Layer, x: Array, w: Array, b: Array | None = None) -> DType:
    """The dtype in which O's integer sums are exact: |o| <= max|x| * sum|w| + max|b|."""
    added = 0 if b is None else largest_magnitude(b)
    return _exact("O", largest_magnitude(x), largest_magnitude(w), w, added=added)


def exact_gradient_dtype(layer: Layer, x: Array, w: Array, dedo: Array) -> DType:
    """The dtype in which all three gradients' integer sums are exact."""
    top_x, top_w, top_g = map(largest_magnitude, (x, w, dedo))
    by_filter = dedo.reshape(layer.canonical[O]).swapaxes(0, 1)
    by_channel = w.reshape(layer.by_groups).swapaxes(1, 2)
    dtypes = (
        _exact("dEdW", top_x, top_g, by_filter),
        _exact("dEdX", top_g * layer.copies, top_w, by_channel, lead=2),
        _exact("dEdb", 1, top_g, by_filter),
    )
    return max(dtypes, key=lambda dtype: dtype.kind == "i")


def _exact(name: str, top: int, largest: int, factors: Array, lead: int = 1, added: int = 0) -> DType:
    """The dtype in which all sums of products are exact.

    Args:
        name: the result's name, for the error.
        top: the largest magnitude of the first factors.
        largest: the largest magnitude of the second factors.
        factors: the second factors; the first axes count the sums.
        lead: the number of these axes.
        added: the largest magnitude of a bias that is added to a sum.
    """
    sums = factors.shape[:lead]

    def exact() -> int:
        return top * max(_absolute_sum(factors[index]) for index in np.ndindex(sums)) + added

    return exact_dtype(name, top * largest * (factors.size // prod(sums)) + added, exact)


def _absolute_sum(array: Array) -> int:
    """The sum of absolute values of integers, however large it is.

    >>> _absolute_sum(np.array([-(2**63), 2**62])) == 2**63 + 2**62
    True
    """
    parts: Iterable[Any] = np.nditer(array, ["external_loop", "buffered"], buffersize=_TOGETHER)
    return sum(sum(map(abs, part.tolist())) for part in parts)
