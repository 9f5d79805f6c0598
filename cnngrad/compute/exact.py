"""Chooses the dtype in which integer sums are exact, from bounds on O and the gradients."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, Arrays, DType, largest_magnitude
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.tensor import DB, DEDO, DW, B, O, Tensor, W, X

__all__ = ["exact_dtype_of"]

# Number of elements that are converted to Python's integers at a time.
_TOGETHER = 2**16
_EXACT_IN_FLOAT64 = 2**53


def exact_dtype_of(layer: Layer, results: Iterable[Tensor], arrays: Arrays) -> DType:
    """The dtype in which the integer sums of some results are all exact: float64 (BLAS) up to 2**53, else int64.

    Args:
        layer: the layer.
        results: its results.
        arrays: the arrays that they need, in canonical shape; of a transposed layer those of its twin.

    Raises:
        CnngradError: some sums may exceed int64's largest integer.

    |o| <= max|x| * sum|w| + max|b|, and so on.
    """
    conv = layer.conv
    role = layer.role
    tops = {tensor: largest_magnitude(array) for tensor, array in arrays.items()}
    found = []
    for result in results:
        if result is DB:
            products = 1, tops[role[DEDO]], arrays[role[DEDO]].swapaxes(0, 1)
        elif role[result] is O:
            products = tops[X], tops[W], arrays[W].reshape(conv.canonical[W])
        elif role[result] is DW:
            products = tops[X], tops[DEDO], arrays[DEDO].swapaxes(0, 1)
        else:
            by_channel = arrays[W].reshape(conv.by_groups).swapaxes(1, 2).reshape(conv.channels, -1)
            products = tops[DEDO] * conv.copies, tops[W], by_channel
        found.append(_exact(result.key, *products, tops.get(B, 0) if result is O else 0))
    return max(found, key=lambda dtype: dtype.kind == "i")


def _exact(name: str, top: int, largest: int, factors: Array, added: int) -> DType:
    """The dtype in which all sums of products are exact.

    Args:
        name: the result's name, for the error.
        top: the largest magnitude of the first factors.
        largest: the largest magnitude of the second factors.
        factors: the second factors; the first axis counts the sums.
        added: the largest magnitude of a bias that is added to a sum.
    """
    bound = top * largest * (factors.size // len(factors)) + added
    if bound > INT64_MAX:
        bound = top * max(map(_absolute_sum, factors)) + added
    if bound > INT64_MAX:
        raise CnngradError(
            f"{name} may reach {bound:.3g} in magnitude, beyond int64's {INT64_MAX} (2**63 - 1), so it can't be "
            f"exact: use smaller integers, or decimals (1.0 for 1) to compute in float64"
        )
    return np.dtype(np.float64 if bound <= _EXACT_IN_FLOAT64 else np.int64)


def _absolute_sum(array: Array) -> int:
    """The sum of absolute values of integers, however large it is.

    >>> _absolute_sum(np.array([-(2**63), 2**62])) == 2**63 + 2**62
    True
    """
    parts: Iterable[Any] = np.nditer(array, ["external_loop", "buffered"], buffersize=_TOGETHER)
    return sum(sum(map(abs, part.tolist())) for part in parts)
