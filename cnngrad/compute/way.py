"""The interface of every way of computing: whether it suits a layer, its tiles, and how it computes one."""

from abc import ABC, abstractmethod
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute import measured
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor, W

__all__ = ["Way"]


class Way(ABC):
    """A way to compute a result of a layer: `write` for O and dE/dX, `part` for dE/dW.

    Attributes:
        layer: the layer, which is not flipped.
        result: O, dE/dW or dE/dX.
        dtype: the dtype to compute in.
        taps: the number of a filter's elements for one channel.
    """

    def __init__(self, layer: Layer, result: Tensor, dtype: DType) -> None:
        """The way for a result of a layer."""
        self.layer = layer
        self.result = result
        self.dtype = dtype
        self.taps = prod(layer.kernel)

    @abstractmethod
    def can(self) -> bool:
        """Whether it is possible and quick for this layer."""

    @abstractmethod
    def tiles(self) -> Tiles:
        """The tiles in which it computes; each thread holds the data of one tile."""

    def channels_at_once(self) -> int:
        """The number of channels of dE/dW that one tile computes: all of a small dE/dW, which is summed as a whole."""
        layer = self.layer
        size = prod(layer.canonical[W]) * self.dtype.itemsize
        if size <= measured.LARGE_SUM:
            return layer.channels
        unit = layer.group_channels if layer.groups > 1 else 1
        blocks = max(measured.FEWEST_TILES, -(-size // (2 * measured.LARGE_SUM)))
        return unit * -(-layer.channels // unit // min(blocks, layer.channels // unit))

    def prepared(self, w: Array) -> Array:
        """W by groups, (g, F/g, C/g, *K), as all tiles read it; C-contiguous in the dtype to compute in by default."""
        return np.ascontiguousarray(w, self.dtype)

    def write(self, tile: Tile, source: Array, w: Any, b: Array | None, target: Array) -> None:
        """Write a tile of O or dE/dX.

        Args:
            tile: the tile.
            source: X for O, dE/dO for dE/dX; canonical, of any dtype and strides, which is converted tile by tile.
            w: what `prepared` gave.
            b: the bias (F,) in the dtype to compute in; None for none.
            target: the whole result, canonical, of any strides and any dtype that holds the sums.
        """
        raise NotImplementedError

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """What a tile adds to the gradient of its channels, (g, F/g, C/g, *K) of its groups, in new memory."""
        raise NotImplementedError
