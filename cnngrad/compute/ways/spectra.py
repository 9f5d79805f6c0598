"""Spectra: a large filter by the fast Fourier transform, which turns the sums over windows into products.

With ^ a transform that is long enough for a block of X and the filter's span, and * the complex conjugate,

    O_f^ = sum over c of X_c^ W_fc^*

Blocks overlap by the filter's span minus one (overlap-save: Oppenheim and Schafer, Discrete-Time Signal Processing).
The rounding error of every output is about the same, some 1e-15 of the largest term, however small its own terms are.
float32 is computed in float64, where the transform's rounding error is negligible; in float32 it would exceed 1e-6 of
the largest term at 15x15.
"""

from functools import cached_property
from itertools import count
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute import measured
from cnngrad.compute.tiles import Tile, Tiles, slab
from cnngrad.compute.way import Way
from cnngrad.layer import Axis

__all__ = ["Spectra"]


class Spectra(Way):
    """For large filters of floats: O_f^ = sum over c of X_c^ W_fc^*, block by block."""

    @cached_property
    def _transform(self) -> dict[str, Any]:
        """The transform's lengths, and the axes that are transformed."""
        return {"s": tuple(map(self._length, self.layer.axes)), "axes": tuple(range(-self.layer.dims, 0))}

    def can(self) -> bool:
        """Only for floats, stride 1, a filter large enough for a transform, and spectra small enough to be held."""
        layer = self.layer
        if self.dtype.kind != "f" or any(axis.stride > 1 for axis in layer.axes):
            return False
        block: int = prod(self._transform["s"])
        spectra = block // 2 * (layer.filters * layer.group_channels + 2)
        least = measured.TRANSFORMED_FLOAT32 if self.dtype == np.float32 else measured.TRANSFORMED_FLOAT64
        return spectra <= measured.SPECTRA and self.taps * min(1, prod(layer.out) / block) >= least

    def tiles(self) -> Tiles:
        """A tile is a block: the outputs of one transform, of one sample and group."""
        layer = self.layer
        counts = (length - axis.span + 1 for length, axis in zip(self._transform["s"], layer.axes, strict=True))
        return Tiles(layer, (layer.group_channels, 1, *counts))

    def prepared(self, w: Array) -> Array:
        """W^*: (g, F/g, C/g, *frequencies)."""
        spread = np.zeros((*w.shape[:3], *(axis.span for axis in self.layer.axes)))
        spread[:, :, :, *(slice(None, None, axis.dilation) for axis in self.layer.axes)] = w
        spectra = np.fft.rfftn(spread, **self._transform)
        return np.conj(spectra, out=spectra)

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        """One block, some filters at a time."""
        (spectra,) = w[tile.groups]
        (here,) = tile.of(target)[0]
        blocks = np.fft.rfftn(slab(tile, source, np.dtype(np.float64))[0], **self._transform)
        step = max(1, measured.SPECTRA_AT_ONCE // blocks[0].size)
        for first in range(0, len(spectra), step):
            some = slice(first, first + step)
            sums = spectra[some, 0] * blocks[0]
            for channel in range(1, len(blocks)):
                sums += spectra[some, channel] * blocks[channel]
            numbers = np.fft.irfftn(sums, **self._transform)[:, *map(slice, tile.shape[1:])]
            if b is not None:
                numbers += b.reshape(self.layer.groups, -1, *(1,) * self.layer.dims)[tile.groups][0, some]
            here[some] = numbers

    def _length(self, axis: Axis) -> int:
        """The transform's length on an axis, such that blocks are about equally long; no prime factor is above 5."""
        reach = axis.span - 1
        length = max(measured.BLOCK, 4 * axis.span)
        blocks = -(-axis.out // (length - reach))
        # Such a number divides a power of 30.
        return next(n for n in count(-(-axis.out // blocks) + reach) if 30**64 % n == 0)
