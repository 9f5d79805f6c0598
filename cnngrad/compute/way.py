"""The interface of every way of computing: whether it suits a layer, its tiles, and how it computes one."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.measured import Measured
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["Way"]


class Way(ABC):
    """A way to compute a result of a layer: `write` for O and dE/dX, `part` for dE/dW.

    Attributes:
        layer: the layer, which is not flipped.
        result: O, dE/dW or dE/dX.
        dtype: the dtype to compute in.
        measured: the limits and sizes.
    """

    def __init__(self, layer: Layer, result: Tensor, dtype: DType, measured: Measured) -> None:
        """The way for a result of a layer."""
        self.layer, self.result, self.dtype, self.measured = layer, result, dtype, measured

    @abstractmethod
    def can(self) -> bool:
        """Whether it is possible and quick for this layer."""

    @abstractmethod
    def tiles(self) -> Tiles:
        """The tiles in which it computes; each thread holds the data of one tile."""

    def prepared(self, w: Array) -> Array:
        """W by groups, (g, F/g, C/g, *K), as all tiles read it; C-contiguous in the dtype to compute in by default."""
        return np.ascontiguousarray(w, self.dtype)

    def write(self, tile: Tile, source: Array, w: Any, b: Array | None, target: Array) -> None:
        """Write a tile of O or dE/dX.

        Args:
            tile: the tile.
            source: X for O, dE/dO for dE/dX; canonical, of any dtype and strides, which is converted tile by tile.
            w: what `prepared` gave.
            b: the bias (F,) in the dtype to compute in; None for none, and for dE/dX.
            target: the whole result, canonical, of any strides and any dtype that holds the sums.
        """
        raise NotImplementedError

    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """What a tile adds to the gradient of its channels, (g, F/g, C/g, *K) of its groups, in new memory."""
        raise NotImplementedError
