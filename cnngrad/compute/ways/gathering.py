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
from cnngrad.layer import Shape
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

    def columns(self, tile: Tile, x: Array, together: bool = False) -> Array:
        longer = np.zeros(x.size + 1, self.dtype)
        longer[1:] = x.reshape(-1)
        return longer.take(_places(self))

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        layer = self.layer
        found = _product((layer.groups,), w, self.columns(tile, source))
        if b is not None:
            found = found + b.reshape(layer.groups, layer.group_filters, 1)
        target[...] = found.reshape(target.shape)

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        layer = self.layer
        above = dedo.astype(self.dtype, copy=False)
        found = _product((layer.batch, layer.groups), above, self.columns(tile, x).swapaxes(-1, -2))
        return (found if found.ndim == 2 else found.sum(axis=0)).reshape(layer.by_groups)


def _product(lead: Shape, rows: Array, columns: Array) -> Array:
    """The products of matrices; `lead` counts those of the rows. For a single one, dot takes half the time."""
    shape = (-1, columns.shape[-2])
    found: Array = rows.reshape(shape).dot(columns) if columns.ndim == 2 else rows.reshape(*lead, *shape) @ columns
    return found


@lru_cache(maxsize=64)
def _places(way: Gathering) -> Array:
    """The index of each element of the columns in flat X, from 1; 0 for padding. A single matrix has two axes."""
    shape = way.layer.canonical[X]
    numbers = np.arange(1, prod(shape) + 1).reshape(shape)
    # Every dtype to compute in holds integers up to `measured.GATHERED` exactly.
    found = Columns.columns(way, way.tiles()[0], numbers).astype(np.intp)
    return found.reshape(found.shape[2:]) if found.shape[:2] == (1, 1) else found
