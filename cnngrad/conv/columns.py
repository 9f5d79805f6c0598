"""Columns: the windows of X side by side as a matrix, and one matrix product for each tile.

With C the columns (C/g * K, positions) of a group, W (F/g, C/g * K) and dE/dO (F/g, positions) as matrices:

    O = W C        dE/dW = dE/dO C^T        dE/dC = W^T dE/dO, which is added up where windows meet

Known as im2col and col2im: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for Document
Processing, 2006.
"""

from collections.abc import Iterator
from functools import partial, reduce
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.conv.tiles import Tile, slab, tiles, whole_rows, windows
from cnngrad.geometry import Layer
from cnngrad.threads import Job, in_order

__all__ = ["filter_gradient", "input_gradient", "output"]

# Bytes of a tile's columns: beyond the second-level cache, but then threads seldom wait for Python's lock. On an
# EPYC with 4x64x56x56, 64 of 3x3 in float64: 20 ms with 2**20, 14 with 2**22.
_TILE = 2**22
# Multiplications that one thread does in a millisecond or less, and tiles to make of more.
_SMALL_WORK = 2**23
_FEWEST_TILES = 4
# OpenBLAS computes a product of up to 10**6 multiplications straight from the operands, which it copies otherwise.
# Measured on an EPYC with 16x216 times 216xP in float32: 105 GFLOP/s for P = 256, 46 for P = 1024.
_SMALL_PRODUCT = 10**6
_FEWEST_POSITIONS = 64
# Bytes of dE/dW from which it is not added up from tiles, but a part of its channels at a time.
_LARGE_SUM = 5 * 2**20


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array) -> list[Job[int]]:
    """What writes O, a job for each tile; a job gives the number of positions that it has done.

    Args:
        layer: the layer, not flipped.
        x: X, canonical; another dtype than W's is converted tile by tile.
        w: W, canonical, in the dtype to compute in.
        b: the bias (F,) in that dtype, or None.
        o: an array (N, F, *S_out) to write to, of any strides and any dtype that holds the sums.
    """
    rows = w.reshape(layer.groups, layer.group_filters, -1)
    width = _SMALL_PRODUCT // rows[0].size
    if width < _FEWEST_POSITIONS:
        width = 0

    def compute(tile: Tile) -> int:
        _store(layer, tile, o, rows, _columns(layer, tile, x, w.dtype), b, width)
        return tile.count

    return [partial(compute, tile) for tile in _tiles(layer, w.dtype)]


def filter_gradient(layer: Layer, x: Array, dedo: Array, dw: Array) -> Iterator[int]:
    """Add dE/dW to `dw`, tile by tile; gives the number of positions of O that are done each time.

    Args:
        layer: the layer, not flipped.
        x: X, canonical; another dtype than dw's is converted tile by tile.
        dedo: dE/dO, canonical, likewise.
        dw: an array (F, C/g, *K) of zeros, in the dtype to compute in.
    """
    large = dw.nbytes > _LARGE_SUM
    channels = layer.channels
    if large and layer.groups == 1:
        channels = max(1, channels // max(_FEWEST_TILES, -(-dw.nbytes // _LARGE_SUM)))
    total = dw.reshape(layer.groups, layer.group_filters, layer.group_channels, -1)
    every = _tiles(layer, dw.dtype, channels, spread=not large)
    runs: dict[Any, list[Tile]] = {}
    for tile in every:
        # A large sum stays in one job, which adds up all positions for some of the channels.
        runs.setdefault(tile.channels.start if large else tile, []).append(tile)

    def compute(run: list[Tile]) -> Array:
        parts = (
            np.matmul(
                _as_rows(layer, tile, dedo, dw.dtype),
                _columns(layer, tile, x, dw.dtype, together=True).swapaxes(1, 2),
            )
            for tile in run
        )
        return reduce(lambda found, part: np.add(found, part, out=found), parts)

    jobs = [partial(compute, run) for run in runs.values()]
    for run, found in zip(runs.values(), in_order(jobs), strict=True):
        here = total[:, :, run[0].channels] if layer.groups == 1 else total
        here += found.reshape(here.shape)
        yield sum(tile.count for tile in run)


def input_gradient(layer: Layer, w: Array, dedo: Array, dx: Array) -> Iterator[int]:
    """Add dE/dX to `dx`: each window of X receives W^T dE/do; where windows meet, the parts add up.

    Args:
        layer: the layer, not flipped.
        w: W, canonical, in the dtype to compute in.
        dedo: dE/dO, canonical; another dtype is converted tile by tile.
        dx: an array (N, C, *S) of zeros, in the dtype to compute in, or int64.
    """
    rows = w.reshape(layer.groups, layer.group_filters, -1).swapaxes(1, 2)

    def compute(tile: Tile) -> tuple[Tile, Array]:
        parts = np.matmul(rows, _as_rows(layer, tile, dedo, w.dtype))
        parts = parts.reshape(layer.channels, *layer.kernel, *tile.shape).swapaxes(0, 1 + layer.dims)
        scattered = np.zeros(tile.size, w.dtype)
        meeting = windows(layer, tile, scattered)
        for tap in np.ndindex(layer.kernel):
            here = meeting[(slice(None), slice(None), *tap)]
            here += parts[(slice(None), *tap)]
        return tile, scattered

    for tile, scattered in in_order([partial(compute, tile) for tile in _tiles(layer, w.dtype)]):
        target = dx[tile.inner]
        target += scattered[tile.outer].astype(dx.dtype, copy=False)
        yield tile.count


def _tiles(layer: Layer, dtype: DType, channels: int | None = None, spread: bool = True) -> tuple[Tile, ...]:
    """Tiles whose columns, and what is multiplied with them, have at most `_TILE` bytes, about.

    To `spread` is to make them small enough to go round, where there is work for several threads.
    """
    channels = channels or layer.channels
    numbers = channels * prod(layer.kernel) + layer.filters
    positions = layer.batch * prod(layer.out)
    most = max(1, _TILE // (numbers * dtype.itemsize))
    if spread and positions * channels * prod(layer.kernel) * layer.group_filters > _SMALL_WORK:
        most = min(most, -(-positions // _FEWEST_TILES))
    samples, counts = whole_rows(layer, most)
    return tiles(layer, samples, channels, counts)


def _columns(layer: Layer, tile: Tile, x: Array, dtype: DType, together: bool = False) -> Array:
    """The tile's windows as columns: (n, g, C/g * K, positions), or for all samples (g, C/g * K, n * positions)."""
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


def _store(layer: Layer, tile: Tile, o: Array, rows: Array, columns: Array, b: Array | None, width: int = 0) -> None:
    """The tile's output, `rows` times `columns` plus `b`; in products of `width` positions, unless that is 0."""
    target = tile.of(o)
    shape = (*columns.shape[:2], layer.group_filters, columns.shape[3])
    direct = o.dtype == rows.dtype and _positions_are_even(target)
    result = target.reshape(shape) if direct else np.empty(shape, rows.dtype)
    even = shape[3] - shape[3] % width if width else 0
    if even:
        blocks = (*shape[:2], -1, even // width, width)
        np.matmul(
            rows[:, np.newaxis],
            columns[..., :even].reshape(blocks).swapaxes(2, 3),
            out=result[..., :even].reshape(blocks).swapaxes(2, 3),
        )
    if even < shape[3]:
        np.matmul(rows, columns[..., even:], out=result[..., even:])
    if b is not None:
        result += b.reshape(*rows.shape[:2], 1)
    if not direct:
        target[...] = result.reshape(target.shape)


def _positions_are_even(array: Array) -> bool:
    """Whether the positions of an array (n, f, *i) lie one step apart each, as those of a matrix's row."""
    step = array.itemsize
    for size, stride in zip(array.shape[:1:-1], array.strides[:1:-1], strict=True):
        if size > 1 and stride != step:
            return False
        step *= size
    return True
