"""In which dtype integer sums are exact: bounds on O and on the gradients, from the numbers themselves."""

from math import prod

import numpy as np

from cnngrad.arrays import Array, DType, exact_dtype, largest_magnitude
from cnngrad.geometry import Layer

__all__ = ["exact_gradient_dtype", "exact_output_dtype"]


def exact_output_dtype(layer: Layer, x: Array, w: Array, b: Array | None) -> DType:
    """The dtype in which O's integer sums are exact: |o| <= max|x| * sum|w| + max|b|."""
    top_x, top_b = largest_magnitude(x), 0 if b is None else largest_magnitude(b)
    terms = layer.group_channels * prod(layer.kernel)

    def exact() -> int:
        return top_x * max(_absolute_sums(w.reshape(layer.filters, -1))) + top_b

    return exact_dtype("O", top_x * largest_magnitude(w) * terms + top_b, exact)


def exact_gradient_dtype(layer: Layer, x: Array, w: Array, dedo: Array) -> DType:
    """The dtype in which all three gradients' integer sums are exact."""
    top_x, top_w, top_g = (largest_magnitude(a) for a in (x, w, dedo))
    positions = layer.batch * prod(layer.out)
    terms = layer.group_filters * prod(layer.kernel)

    def sums_by_filter() -> int:
        return max(_absolute_sums(dedo.reshape(layer.canonical["O"]).swapaxes(0, 1).reshape(layer.filters, -1)))

    def sums_by_channel() -> int:
        groups = w.reshape(layer.groups, layer.group_filters, layer.group_channels, -1)
        return max(_absolute_sums(groups.swapaxes(1, 2).reshape(layer.channels, -1)))

    dtypes = (
        exact_dtype("dEdW", top_x * top_g * positions, lambda: top_x * sums_by_filter()),
        exact_dtype("dEdX", top_w * top_g * terms, lambda: top_g * sums_by_channel()),
        exact_dtype("dEdb", top_g * positions, sums_by_filter),
    )
    return np.dtype(np.int64) if np.dtype(np.int64) in dtypes else dtypes[0]


def _absolute_sums(rows: Array) -> list[int]:
    """The sum of absolute values of each row, in Python's unbounded integers."""
    return [int(total) for total in np.abs(rows.astype(object)).sum(axis=1)]
