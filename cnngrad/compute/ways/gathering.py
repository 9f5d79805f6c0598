"""Gathering: for small layers, where calls take longer than arithmetic, one index picks the elements of all windows.

    O = W C        dE/dW = dE/dO C^T

C is the matrix of columns, as in `columns`. Where its elements lie in X depends only on the layer, and is cached.
"""

from functools import lru_cache
from math import prod

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.compute.way import SummingWay, Way, WritingWay
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["Gathering", "GatheringForFilterGradient", "GatheringForOutput"]

# Positions in a flat array, and whether some are padding: those point one place past its end.
Places = tuple[Array, bool]


class Gathering(Way):
    """What the two have in common: the whole layer is one tile."""

    name, suits = "gathering", "small layers"

    def can(self) -> bool:
        """Whether all windows are small."""
        layer = self.layer
        elements = layer.batch * layer.channels * max(prod(layer.kernel) * prod(layer.out), prod(layer.size))
        return elements <= self.measured.gathered and elements * layer.group_filters <= self.measured.gathered_work

    def tiles(self) -> Tiles:
        layer = self.layer
        sizes = (layer.batch, layer.channels, *layer.out)
        return Tiles(sizes, sizes)


class GatheringForOutput(Gathering, WritingWay):
    """O = W C."""

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        layer = self.layer
        columns = _gathered(source, _places(layer), w.dtype)
        rows = w.reshape(layer.groups, layer.group_filters, -1)
        # A product of only two matrices takes half the time with dot.
        alone = len(rows) == len(columns) == 1
        found: Array = rows[0].dot(columns[0, 0]) if alone else np.matmul(rows, columns)
        if b is not None:
            found = found + b.reshape(self.layer.groups, self.layer.group_filters, 1)
        target[...] = found.reshape(target.shape)


class GatheringForFilterGradient(Gathering, SummingWay):
    """dE/dW = dE/dO C^T."""

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        layer = self.layer
        above, columns = dedo.astype(self.dtype, copy=False), _gathered(x, _places(layer), self.dtype)
        if layer.batch == layer.groups == 1:
            product: Array = above.reshape(layer.filters, -1).dot(columns[0, 0].T)
            return product.reshape(layer.by_groups)
        above = above.reshape(layer.batch, layer.groups, layer.group_filters, -1)
        products: Array = np.matmul(above, columns.swapaxes(2, 3))
        whole: Array = products.sum(axis=0)
        return whole.reshape(layer.by_groups)


def _gathered(array: Array, places: Places, dtype: DType) -> Array:
    """The elements at some places of an array, 0 where they are padding."""
    index, padded = places
    flat = array.astype(dtype, copy=False).reshape(-1)
    if padded:
        longer = np.zeros(flat.size + 1, dtype)
        longer[:-1] = flat
        flat = longer
    found: Array = flat.take(index)
    return found


@lru_cache(maxsize=32)
def _places(layer: Layer) -> Places:
    """Where the elements of X's columns are in flat X: (n, g, C/g * K, positions of O)."""
    places = np.arange(layer.batch * layer.channels).reshape(-1, *(1,) * (2 * layer.dims))
    inside = np.ones(places.shape, bool)
    for number, axis in enumerate(layer.axes):
        read = axis.inputs(range(axis.out), range(axis.kernel)).T
        shape = [1] * (1 + 2 * layer.dims)
        shape[1 + number], shape[1 + layer.dims + number] = read.shape
        places = places * axis.size + read.reshape(shape)
        inside = inside & (read >= 0).reshape(shape)
    places = np.where(inside, places, prod(layer.canonical[Tensor.X]))
    shape = [layer.batch, layer.groups, layer.group_channels * prod(layer.kernel), -1]
    return places.reshape(shape), not bool(inside.all())
