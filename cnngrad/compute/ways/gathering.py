"""Gathering: one index picks the elements of all windows, for small layers, in which calls take longer than arithmetic.

The result is the matrix of `columns`. Its index into X depends only on the layer, and is cached.
"""

from functools import lru_cache
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute import measured
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.compute.ways.columns import Columns
from cnngrad.tensor import X

__all__ = ["Gathering"]


class Gathering(Columns):
    """For small layers: columns of the whole layer, which is one tile."""

    def can(self) -> bool:
        """Whether all windows are small."""
        layer = self.layer
        elements = layer.batch * layer.channels * max(self.taps * prod(layer.out), prod(layer.size))
        return elements <= measured.GATHERED and elements * layer.group_filters <= measured.GATHERED_WORK

    def tiles(self) -> Tiles:
        return Tiles(self.layer, (self.layer.channels, self.layer.batch, *self.layer.out))

    def columns(self, tile: Tile, x: Array) -> Array:
        longer = np.zeros(x.size + 1, self.dtype)
        longer[1:] = x.reshape(-1)
        return longer.take(_places(self))

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        layer = self.layer
        found = _product(w, self.columns(tile, source))
        if b is not None:
            found = found + b.reshape(layer.groups, layer.group_filters, 1)
        target[...] = found.reshape(layer.filters, layer.batch, *layer.out).swapaxes(0, 1)

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        above = dedo.swapaxes(0, 1).astype(self.dtype, copy=False)
        return _product(above, self.columns(tile, x).swapaxes(-1, -2)).reshape(self.layer.by_groups)


def _product(left: Array, right: Array) -> Array:
    """The products of each group's matrices. For a single group, dot takes half the time."""
    shape = (-1, right.shape[-2])
    found: Array = left.reshape(shape).dot(right) if right.ndim == 2 else left.reshape(len(right), *shape) @ right
    return found


@lru_cache(maxsize=64)
def _places(way: Gathering) -> Array:
    """The index of each element of the columns in flat X, from 1; 0 for padding. A single group's have two axes."""
    shape = way.layer.canonical[X]
    numbers = np.arange(1, prod(shape) + 1).reshape(shape)
    # Every dtype to compute in holds integers up to `measured.GATHERED` exactly.
    found = Columns.columns(way, way.tiles()[0], numbers).astype(np.intp)
    return found[0] if len(found) == 1 else found
