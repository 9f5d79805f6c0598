"""Shifted columns, for dE/dW: windows side by side along all axes but the first, along which the columns are shifted.

With S the columns (C/g * K/k, rows of X, positions on the other axes) for the filter's positions on the other axes, and
dE/dW_u the gradient's slice at position u of the first axis, of length k,

    dE/dW_u = dE/dO S[s*i + d*u]^T

Rows that lie behind each other are one operand of a matrix product, which for the next u begins further on. So X is
copied K/k times, not K times.

Between columns (im2col) and the products of single filter positions in Vasudevan, Anderson and Gregg, Parallel Multi
Channel Convolution using General Matrix Multiplication, 2017.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.conv.tiles import Tile, fitting, parts_of_channels, summed
from cnngrad.geometry import Axis, Layer

__all__ = ["column", "filter_gradient"]

# A tile has so many times the positions on the first axis that its outputs share, at least: most are copied once then.
# Measured on an EPYC with 2048x2048, 31x31 in float64: dE/dW takes 2.2 s with whole rows, 0.8 with so many.
_FEWEST_SHARED = 3

# Columns (n, g, C/g * K/k, positions), and for positions u of the filter's first axis which of them its outputs read.
Columns = tuple[Array, list[tuple[int, slice]]]


def column(layer: Layer) -> int:
    """How many numbers one column has: C/g * K/k."""
    return layer.group_channels * prod(layer.kernel[1:])


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array) -> Iterator[float]:
    """Write dE/dW to `dw`, tile by tile; arguments as for columns."""
    channels = parts_of_channels(layer, dw)

    def compute(tile: Tile) -> Array:
        above = tile.of(dedo).astype(dw.dtype, copy=False).reshape(tile.shape[0], layer.groups, layer.group_filters, -1)
        found = np.empty(
            (layer.kernel[0], layer.groups, layer.group_filters, column(layer) * tile.size[1] // layer.channels),
            dw.dtype,
        )
        for columns, reads in _columns(layer, tile, x, dw.dtype):
            for u, where in reads:
                if tile.shape[0] == 1:
                    np.matmul(above[0], columns[0, ..., where].swapaxes(1, 2), out=found[u])
                else:
                    np.matmul(above, columns[..., where].swapaxes(2, 3)).sum(axis=0, out=found[u])
        return found

    numbers = (channels or layer.channels) * prod(layer.kernel[1:])
    if dedo.dtype != dw.dtype:
        numbers += layer.filters
    fewest = _FEWEST_SHARED * (layer.axes[0].span - 1) // layer.axes[0].stride
    every = fitting(layer, numbers, dw.dtype, channels, fewest)
    by_position = dw.reshape(layer.groups, layer.group_filters, layer.group_channels, layer.kernel[0], -1)
    return summed(layer, every, compute, np.moveaxis(by_position, 3, 0), by_channels=channels is not None)


def _columns(layer: Layer, tile: Tile, x: Array, dtype: DType) -> Iterator[Columns]:
    """The tile's shifted columns, those of each phase of the first axis's stride by themselves."""
    axis, *others = layer.axes
    outputs, *rest = tile.positions
    lines = outputs.stop - outputs.start
    behind = prod(tile.shape[2:])
    for first, reads in _phases(axis, outputs):
        count = lines + max(shift for _, shift in reads)
        columns = np.zeros((*tile.size[:2], *layer.kernel[1:], count, *tile.shape[2:]), dtype)
        rows, inputs = _inside(axis, first, count)
        for taps in np.ndindex(layer.kernel[1:]):
            spans = [
                _inside(a, a.position(where.start, u), where.stop - where.start)
                for a, where, u in zip(others, rest, taps, strict=True)
            ]
            here: Any = (slice(None), slice(None), *taps, rows, *(filled for filled, _ in spans))
            columns[here] = x[(tile.samples, tile.channels, inputs, *(read for _, read in spans))]
        parts = [(u, slice(shift * behind, (shift + lines) * behind)) for u, shift in reads]
        yield columns.reshape(tile.shape[0], layer.groups, -1, count * behind), parts


def _phases(axis: Axis, outputs: slice) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each phase of the stride the first position that is read, and (u, shift): how much further on u begins."""
    firsts = [axis.position(outputs.start, u) for u in range(axis.kernel)]
    for phase in sorted({first % axis.stride for first in firsts}):
        own = [(u, first) for u, first in enumerate(firsts) if first % axis.stride == phase]
        least = min(first for _, first in own)
        yield least, [(u, (first - least) // axis.stride) for u, first in own]


def _inside(axis: Axis, first: int, count: int) -> tuple[slice, slice]:
    """Of so many positions a stride apart those inside X: which of them, and where they are."""
    found = axis.inside_of(first, count)
    start = first + found.start * axis.stride
    return slice(found.start, found.stop), slice(
        start, start + len(found) * axis.stride, axis.stride
    ) if found else slice(0)
