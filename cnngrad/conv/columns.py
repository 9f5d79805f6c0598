"""Columns: the windows of X side by side as a matrix, and one matrix product for each tile.

With C the columns (C/g * K, positions) of a group, W (F/g, C/g * K) and dE/dO (F/g, positions) as matrices:

    O = W C        dE/dW = dE/dO C^T        dE/dC = W^T dE/dO, which is added up where windows meet

Known as im2col and col2im: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for Document
Processing, 2006.
"""

from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.conv.parts import channels_at_once, parts_of_window
from cnngrad.conv.tiles import (
    FEWEST_TILES,
    Tile,
    Tiles,
    fitting,
    room,
    settle,
    slab,
    summed,
    windows,
    windows_by_tap,
)
from cnngrad.layer import Axis, Layer, Phase
from cnngrad.threads import Job, in_order

__all__ = ["adds", "filter_gradient", "input_gradient", "output"]

# OpenBLAS computes a product of up to 10**6 multiplications straight from the operands, which it copies otherwise.
# Measured on an EPYC with 16x216 times 216xP in float32: 105 GFLOP/s for P = 256, 46 for P = 1024.
_SMALL_PRODUCT = 10**6
_FEWEST_POSITIONS = 64
# For dE/dX: bytes of the parts that are added up at once; positions of a product, for which BLAS takes memory; bytes of
# what is added to; and rows of W^T that there should be at least. Measured on an EPYC with 4x3x224x224, 64 of 7x7,
# stride 2, in float64: 82 ms with parts of 2**21 bytes, 58 with 2**22, 51 with 2**23; but each thread holds them.
_PARTS = 6 * 2**20
_MOST_POSITIONS = 2**13
_LARGEST_SUM = 2**21
_FEWEST_ROWS = 48
# Numbers of a slab for each of its columns, up to which it is copied; less where each tap has many numbers to copy.
_LARGEST_SHARE = 4.0
_LARGEST_SHARE_OF_MANY = 0.5
_MANY = 2**9


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array) -> Iterator[Job[float]]:
    """What writes O, a job for each tile; a job gives the number of positions that it has done.

    Args:
        layer: the layer, not flipped.
        x: X, canonical; another dtype than W's is converted tile by tile.
        w: W by groups, (g, F/g, C/g, *K), in the dtype to compute in, C-contiguous or, of single elements, turned.
        b: the bias (F,) in that dtype, or None.
        o: an array (N, F, *S_out) to write to, of any strides and any dtype that holds the sums.
    """
    pieces = parts_of_window(layer, w.dtype)
    samples, _, *counts = _tiles(pieces[0].layer, w.dtype).counts
    every = [Tiles(piece.layer, (samples, piece.layer.channels, *counts)) for piece in pieces]

    def compute(own: tuple[Tile, ...]) -> int:
        tile = own[0]
        result = room(layer, tile, o, w.dtype)
        for number, (piece, part) in enumerate(zip(pieces, own, strict=True)):
            rows = w[piece.weights].reshape(layer.groups, layer.group_filters, -1)
            columns = _columns(piece.layer, part, x[:, piece.channels], w.dtype)
            if number:
                result += np.matmul(rows, columns)
            else:
                _multiply(rows, columns, result)
        settle(layer, tile, o, result, b)
        return tile.number

    return (partial(compute, own) for own in zip(*every, strict=True))


def _multiply(rows: Array, columns: Array, out: Array) -> None:
    """The product, in blocks that BLAS need not copy where it is small."""
    width = _SMALL_PRODUCT // rows[0].size
    even = columns.shape[3] - columns.shape[3] % width if width >= _FEWEST_POSITIONS else 0
    if even:
        blocks = (*out.shape[:2], -1, even // width, width)
        np.matmul(
            rows[:, np.newaxis],
            columns[..., :even].reshape(blocks).swapaxes(2, 3),
            out=out[..., :even].reshape(blocks).swapaxes(2, 3),
        )
    if even < columns.shape[3]:
        np.matmul(rows, columns[..., even:], out=out[..., even:])


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array, dtype: DType) -> Iterator[float]:
    """Write dE/dW to `dw`, tile by tile; gives the number of positions of O that are done each time.

    Args:
        layer: the layer, not flipped.
        x: X, canonical; another dtype than the one to compute in is converted tile by tile.
        dedo: dE/dO, canonical, likewise.
        dw: an array to write to, by groups, (g, F/g, C/g, *K), of any strides and any dtype that holds the sums.
        dtype: the dtype to compute in.
    """
    channels = channels_at_once(layer, dtype)
    every = _tiles(layer, dtype, channels)

    def compute(tile: Tile) -> Array:
        above = _as_rows(layer, tile, dedo, dtype)
        product: Array = np.matmul(above, _columns(layer, tile, x, dtype, together=True).swapaxes(1, 2))
        return product

    return summed(layer, every, compute, dw, None if channels is None else 2)


@lru_cache(maxsize=256)
def adds(layer: Layer, dtype: DType) -> bool:
    """Whether dE/dX can be added up in little memory: a tile's outputs lie so close that it adds to few positions."""
    return prod(_scattered_tiles(layer, dtype).first.size) * dtype.itemsize <= _LARGEST_SUM


def input_gradient(layer: Layer, w: Array, dedo: Array, dx: Array) -> Iterator[float]:
    """Write dE/dX to `dx`: each window of X receives W^T dE/do; where windows meet, the parts add up.

    Args:
        layer: the layer, not flipped.
        w: W by groups, in the dtype to compute in, C-contiguous.
        dedo: dE/dO, canonical; another dtype is converted tile by tile.
        dx: an array (N, C, *S) in the dtype to compute in, or int64; written but where a stride steps over X.
    """
    rows = w.reshape(layer.groups, layer.group_filters, layer.group_channels, -1)
    every = _scattered_tiles(layer, w.dtype)
    # Windows of one tile do not meet those of another where a tile has whole images.
    apart = every.counts[2:] == layer.out
    if not apart:
        dx.fill(0)

    def compute(tile: Tile) -> list[tuple[Array, Array]]:
        own = rows[:, :, tile.channels] if layer.groups == 1 else rows
        own = own.reshape(*own.shape[:2], -1).swapaxes(1, 2)
        above = tile.of(dedo)
        sums = [_Sum(layer, tile, phases, w.dtype) for phases in product(*(axis.phases for axis in layer.axes))]
        # What comes from a converted dE/dO is there beside it.
        numbers = tile.shape[0] * own.shape[0] * max(own.shape[1], 2 * own.shape[2])
        most = min(_PARTS // (numbers * w.itemsize), _MOST_POSITIONS)
        lines = max(1, most // prod(tile.shape[2:]))
        for first in range(0, tile.shape[1], lines):
            block = above[:, :, first : first + lines].astype(w.dtype, copy=False)
            parts = np.matmul(own, block.reshape(block.shape[0], layer.groups, layer.group_filters, -1))
            parts = parts.reshape(*tile.size[:2], *layer.kernel, *block.shape[2:])
            for phase in sums:
                phase.add(parts, first)
            # Not to be held while the next are computed.
            del block, parts
        found = [(dx[(tile.samples, tile.channels, *phase.places)], phase.inside) for phase in sums]
        if apart:
            for target, total in found:
                target[...] = total
        return found

    for tile, found in zip(every, in_order(partial(compute, tile) for tile in every), strict=True):
        if not apart:
            for target, total in found:
                target += total.astype(dx.dtype, copy=False)
        yield tile.number * (tile.channels.stop - tile.channels.start) / layer.channels


class _Sum:
    """What the outputs of a tile add to in one phase of the stride, where neighbours lie side by side.

    Attributes:
        places: the phase's positions in X that the outputs add to.
    """

    def __init__(self, layer: Layer, tile: Tile, phases: tuple[Phase, ...], dtype: DType) -> None:
        pieces = list(map(_piece, layer.axes, phases, tile.positions))
        self.places = tuple(piece.places for piece in pieces)
        self._inside: Any = (..., *(piece.inside for piece in pieces))
        self._taps = [piece.taps for piece in pieces]
        self._total = np.zeros((*tile.size[:2], *(piece.size for piece in pieces)), dtype)

    def add(self, parts: Array, first: int) -> None:
        """Add the parts (n, c, *u, *i) of outputs that begin at `first` on the tile's first axis."""
        counts = parts.shape[2 + len(self._taps) :]
        for taps in product(*self._taps):
            places = [offset + (0 if axis else first) for axis, (_, offset) in enumerate(taps)]
            here: Any = (..., *(slice(k, k + count) for k, count in zip(places, counts, strict=True)))
            there: Any = (slice(None), slice(None), *(u for u, _ in taps))
            self._total[here] += parts[there]

    @property
    def inside(self) -> Array:
        """The sums that come to `places`."""
        inside: Array = self._total[self._inside]
        return inside


class _Piece(NamedTuple):
    """What some outputs add to along one axis, in one phase of the stride.

    Attributes:
        size: the number of positions that they add to.
        taps: (u, offset) for each filter element: the first of those positions that the outputs add to through it.
        inside: the positions that are in X, not in its padding.
        places: and where those are in X.
    """

    size: int
    taps: list[tuple[int, int]]
    inside: slice
    places: slice


def _piece(axis: Axis, phase: Phase, outputs: slice) -> _Piece:
    inputs = range(axis.size)[phase.inputs]
    # Output i adds to input j = i - shift of the phase.
    shifts = [(u, phase.axis.position(0, m)) for m, u in enumerate(range(axis.kernel)[phase.taps])]
    first = outputs.start - max(shift for _, shift in shifts)
    stop = outputs.stop - min(shift for _, shift in shifts)
    if outputs == slice(0, axis.out):
        # What no window reaches becomes 0 too.
        first, stop = min(first, 0), max(stop, len(inputs))
    taps = [(u, outputs.start - shift - first) for u, shift in shifts]
    low = min(max(first, 0), len(inputs))
    high = max(min(stop, len(inputs)), low)
    places = slice(inputs.start + low * axis.stride, inputs.start + high * axis.stride, axis.stride)
    return _Piece(stop - first, taps, slice(low - first, high - first), places)


def _scattered_tiles(layer: Layer, dtype: DType) -> Tiles:
    """Tiles for dE/dX: whole images of some channels, where that is enough work for each; else parts of images."""
    fit = _LARGEST_SUM // (prod(layer.size) * dtype.itemsize)
    if layer.groups > 1 or fit == 0:
        return _tiles(layer, dtype)
    channels = -(-layer.channels // max(-(-layer.channels // fit), -(-FEWEST_TILES // layer.batch)))
    taps = channels * prod(layer.kernel)
    if taps < _FEWEST_ROWS or taps * prod(layer.out[1:]) * dtype.itemsize > _PARTS:
        return _tiles(layer, dtype)
    return Tiles(layer, (1, channels, *layer.out))


def _tiles(layer: Layer, dtype: DType, channels: int | None = None) -> Tiles:
    """Tiles that fit with their columns and what is multiplied with them."""
    # Where a stride steps over X, more of it is copied than the windows hold.
    window = max(prod(layer.kernel), prod(axis.stride for axis in layer.axes))
    return fitting(layer, (channels or layer.channels) * window + layer.filters, dtype, channels)


def _has_wide_slab(layer: Layer, tile: Tile) -> bool:
    """Whether a slab, which dilation and stride leave gaps in, is too large beside its columns to be copied."""
    by_tap = tile.size[1] * tile.number
    share = prod(tile.size) / (by_tap * prod(layer.kernel))
    return share > (_LARGEST_SHARE if by_tap < _MANY else _LARGEST_SHARE_OF_MANY)


def _columns(layer: Layer, tile: Tile, x: Array, dtype: DType, together: bool = False) -> Array:
    """The tile's windows as columns: (n, g, C/g * K, positions), or for all samples (g, C/g * K, n * positions)."""
    if (tile.padded or x.dtype != dtype) and _has_wide_slab(layer, tile):
        firsts = [axis.position(where.start, 0) for axis, where in zip(layer.axes, tile.positions, strict=True)]
        view = windows_by_tap(x, tile, layer.axes, firsts, layer.kernel, tile.shape[1:], dtype)
    else:
        view = windows(layer, tile, slab(x, tile, dtype))
    channels = view.shape[1] // layer.groups
    shape: tuple[int, ...] = (view.shape[0], layer.groups, channels * prod(layer.kernel), -1)
    if together:
        view, shape = np.moveaxis(view, 0, 1 + layer.dims), shape[1:]
    if prod(layer.kernel) > 1:
        view = np.ascontiguousarray(view)
    # A filter of one element reads X as it is.
    return view.reshape(shape)


def _as_rows(layer: Layer, tile: Tile, outputs: Array, dtype: DType) -> Array:
    """A tile of an array like O as a matrix per group: (g, F/g, n * positions)."""
    rows = tile.of(outputs).astype(dtype, copy=False).swapaxes(0, 1)
    return rows.reshape(layer.groups, layer.group_filters, -1)
