"""Chooses the dtype in which integer sums are exact, from bounds on O and the gradients."""

from math import prod

import numpy as np

from cnngrad.arrays import Array, DType, exact_dtype, largest_magnitude
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["exact_gradient_dtype", "exact_output_dtype"]

# Elements that are added up at once, and the bits of half an element: 2**19 halves add up to less than 2**64.
_SUMMED = 2**19
_HALF = 32


def exact_output_dtype(layer: Layer, x: Array, w: Array, b: Array | None) -> DType:
    """The dtype in which O's integer sums are exact: |o| <= max|x| * sum|w| + max|b|."""
    top_x, top_b = largest_magnitude(x), 0 if b is None else largest_magnitude(b)
    terms = layer.group_channels * prod(layer.kernel)

    def exact() -> int:
        return top_x * max(map(_absolute_sum, w.reshape(layer.canonical[Tensor.W]))) + top_b

    return exact_dtype("O", top_x * largest_magnitude(w) * terms + top_b, exact)


def exact_gradient_dtype(layer: Layer, x: Array, w: Array, dedo: Array) -> DType:
    """The dtype in which all three gradients' integer sums are exact."""
    top_x, top_w, top_g = (largest_magnitude(a) for a in (x, w, dedo))
    positions = layer.batch * prod(layer.out)
    terms = layer.group_filters * prod(layer.kernel)

    def sums_by_filter() -> int:
        return max(map(_absolute_sum, dedo.reshape(layer.canonical[Tensor.O]).swapaxes(0, 1)))

    def sums_by_channel() -> int:
        groups = w.reshape(layer.by_groups).swapaxes(1, 2)
        return max(_absolute_sum(channel) for group in groups for channel in group)

    dtypes = (
        exact_dtype("dEdW", top_x * top_g * positions, lambda: top_x * sums_by_filter()),
        exact_dtype("dEdX", top_w * top_g * terms, lambda: top_g * sums_by_channel()),
        exact_dtype("dEdb", top_g * positions, sums_by_filter),
    )
    return np.dtype(np.int64) if np.dtype(np.int64) in dtypes else dtypes[0]


def _absolute_sum(array: Array) -> int:
    """The sum of absolute values of integers that int64 holds, however large it is.

    >>> _absolute_sum(np.array([-(2**63), 2**62])) == 2**63 + 2**62
    True
    """
    if array.size > _SUMMED:
        step = _SUMMED * len(array) // array.size
        parts = (array[first : first + step] for first in range(0, len(array), step)) if step else array
        return sum(map(_absolute_sum, parts))
    # In int64, abs(-2**63) is -2**63 again; read as uint64 it is right.
    magnitudes = np.abs(array.astype(np.int64, copy=False)).view(np.uint64)
    return (int((magnitudes >> _HALF).sum()) << _HALF) + int((magnitudes & (2**_HALF - 1)).sum())
