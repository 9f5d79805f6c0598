"""The interface of every way of computing: whether it suits a layer, how it cuts it, how it computes a tile."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.measured import Measured
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.layer import Layer

__all__ = ["SummingWay", "Way", "WritingWay"]


class Way(ABC):
    """A way to compute one result of a layer.

    Attributes:
        name: what the plan calls it.
        suits: what it is good for, in a few words.
        layer: the layer, which is not flipped.
        dtype: the dtype to compute in.
        measured: the limits and sizes.
    """

    name: str
    suits: str

    def __init__(self, layer: Layer, dtype: DType, measured: Measured) -> None:
        """The way for a layer."""
        self.layer, self.dtype, self.measured = layer, dtype, measured

    @abstractmethod
    def can(self) -> bool:
        """Whether it is possible and quick for this layer."""

    @abstractmethod
    def tiles(self) -> Tiles:
        """The tiles in which it computes; each thread holds the data of one tile."""


class WritingWay(Way):
    """A way to compute O or dE/dX: every tile writes its own part of the result."""

    def prepared(self, w: Array) -> Any:
        """W by groups, (g, F/g, C/g, *K), as all tiles read it; C-contiguous in the dtype to compute in by default."""
        return np.ascontiguousarray(w, self.dtype)

    @abstractmethod
    def write(self, tile: Tile, source: Array, w: Any, b: Array | None, target: Array) -> None:
        """Write a tile of the result.

        Args:
            tile: the tile.
            source: X for O, dE/dO for dE/dX; canonical, of any dtype and strides, which is converted tile by tile.
            w: what `prepared` gave.
            b: the bias (F,) in the dtype to compute in; None for none, and for dE/dX.
            target: the whole result, canonical, of any strides and any dtype that holds the sums.
        """


class SummingWay(Way):
    """A way to compute dE/dW: the results of the tiles are added up."""

    @abstractmethod
    def part(self, tile: Tile, x: Array, dedo: Array) -> Array:
        """What a tile adds to the gradient of its channels, (g, F/g, C/g, *K) of its groups, in new memory."""
