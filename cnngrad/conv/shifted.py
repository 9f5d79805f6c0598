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

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.conv.parts import channels_at_once
from cnngrad.conv.tiles import Tile, fitting, summed, windows_by_tap
from cnngrad.layer import Axis, Layer

__all__ = ["column", "filter_gradient", "fits"]

# A tile has so many times the positions on the first axis that its outputs share, at least: most are copied once then.
# Measured on an EPYC with 2048x2048, 31x31 in float64: dE/dW takes 2.2 s with whole rows, 0.8 with so many.
_FEWEST_SHARED = 3
# Bytes of the columns of so many positions, for one on the other axes.
_LARGEST_SHARED = 2**22

# Columns (n, g, C/g * K/k, positions), and for positions u of the filter's first axis which of them its outputs read.
Columns = tuple[Array, list[tuple[int, slice]]]


def column(layer: Layer) -> int:
    """How many numbers one column has: C/g * K/k."""
    return layer.group_channels * prod(layer.kernel[1:])


def fits(layer: Layer, dtype: DType) -> bool:
    """Whether shifted columns are a way for this layer: outputs share most of what is copied for them."""
    axis = layer.axes[0]
    shared = _numbers(layer, channels_at_once(layer, dtype)) * _fewest(layer) * dtype.itemsize
    return layer.kernel[0] > 1 and axis.span - 1 <= axis.stride * axis.out and shared <= _LARGEST_SHARED


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array, dtype: DType) -> Iterator[float]:
    """Write dE/dW to `dw`, tile by tile; arguments as for columns."""
    channels = channels_at_once(layer, dtype)

    def compute(tile: Tile) -> Array:
        above = tile.of(dedo).astype(dtype, copy=False).reshape(tile.shape[0], layer.groups, layer.group_filters, -1)
        found = np.empty(
            (layer.kernel[0], layer.groups, layer.group_filters, column(layer) * tile.size[1] // layer.channels),
            dtype,
        )
        for columns, reads in _columns(layer, tile, x, dtype):
            for u, where in reads:
                if tile.shape[0] == 1:
                    np.matmul(above[0], columns[0, ..., where].swapaxes(1, 2), out=found[u])
                else:
                    np.matmul(above, columns[..., where].swapaxes(2, 3)).sum(axis=0, out=found[u])
            del columns
        return found

    numbers = _numbers(layer, channels)
    if dedo.dtype != dtype:
        numbers += layer.filters
    every = fitting(layer, numbers, dtype, channels, _fewest(layer))
    return summed(layer, every, compute, np.moveaxis(dw, 3, 0), None if channels is None else 3)


def _numbers(layer: Layer, channels: int | None) -> int:
    """How many numbers the columns of all or some channels have for each position, with what outputs share."""
    lines = max(1, min(_fewest(layer), layer.out[0]))
    return (channels or layer.channels) * prod(layer.kernel[1:]) * (lines + _shared(layer)) // lines


def _fewest(layer: Layer) -> int:
    """The positions on the first axis that a tile has at least."""
    return _FEWEST_SHARED * _shared(layer)


def _shared(layer: Layer) -> int:
    """The positions on the first axis that a tile's columns have beyond those of its outputs."""
    return (layer.axes[0].span - 1) // layer.axes[0].stride


def _columns(layer: Layer, tile: Tile, x: Array, dtype: DType) -> Iterator[Columns]:
    """The tile's shifted columns, those of each phase of the first axis's stride by themselves."""
    axis = layer.axes[0]
    outputs, *rest = tile.positions
    lines = outputs.stop - outputs.start
    behind = prod(tile.shape[2:])
    others = [a.position(where.start, 0) for a, where in zip(layer.axes[1:], rest, strict=True)]
    for first, reads in _phases(axis, outputs):
        count = lines + max(shift for _, shift in reads)
        counts = (count, *tile.shape[2:])
        parts = [(u, slice(shift * behind, (shift + lines) * behind)) for u, shift in reads]
        shape = (tile.shape[0], layer.groups, -1, count * behind)
        # Neither here nor there are they held while the next are copied.
        yield (
            windows_by_tap(x, tile, layer.axes, (first, *others), (1, *layer.kernel[1:]), counts, dtype).reshape(shape),
            parts,
        )


def _phases(axis: Axis, outputs: slice) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each phase of the stride the first position that is read, and (u, shift): how much further on u begins."""
    firsts = [axis.position(outputs.start, u) for u in range(axis.kernel)]
    for phase in sorted({first % axis.stride for first in firsts}):
        own = [(u, first) for u, first in enumerate(firsts) if first % axis.stride == phase]
        least = min(first for _, first in own)
        yield least, [(u, (first - least) // axis.stride) for u, first in own]
