"""Spectra: a large filter by the fast Fourier transform, which turns the sums over windows into products.

With ^ a transform that is long enough for a block of X and the filter's span, and * the complex conjugate,

    O_f^ = sum over c of X_c^ W_fc^*

Blocks overlap by the filter's span less one (overlap-save: Oppenheim and Schafer, Discrete-Time Signal Processing).
The rounding error of every output is about the same, some 1e-15 of the largest term, however small its own terms are.
float32 is computed in float64, where the transform's rounding error is negligible; in float32 it would exceed 1e-6 of
the largest term at 15x15.
"""

from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute.measured import Measured
from cnngrad.compute.tiles import Tile, Tiles, slab
from cnngrad.compute.way import WritingWay
from cnngrad.layer import Axis, Shape

__all__ = ["SpectraForOutput"]


class SpectraForOutput(WritingWay):
    """O_f^ = sum over c of X_c^ W_fc^*, block by block."""

    name, suits = "spectra", "large filters of floats"

    def can(self) -> bool:
        """Only for floats, stride 1, a filter large enough for a transform, and spectra small enough to be held."""
        layer, measured = self.layer, self.measured
        if self.dtype.kind != "f" or any(axis.stride > 1 for axis in layer.axes):
            return False
        block = prod(self._lengths)
        spectra = block // 2 * (layer.filters * layer.group_channels + 2)
        least = measured.transformed_float32 if self.dtype == np.float32 else measured.transformed_float64
        return spectra <= measured.spectra and prod(layer.kernel) * min(1, prod(layer.out) / block) >= least

    @cached_property
    def _lengths(self) -> Shape:
        """The transform's lengths."""
        return tuple(_length(axis, self.measured) for axis in self.layer.axes)

    @cached_property
    def _last(self) -> Shape:
        """The axes that are transformed, counted from the last."""
        return tuple(range(-self.layer.dims, 0))

    def tiles(self) -> Tiles:
        """A tile is a block: the outputs of one transform, of one sample and group."""
        layer = self.layer
        counts = (length - axis.span + 1 for length, axis in zip(self._lengths, layer.axes, strict=True))
        return Tiles((layer.batch, layer.channels, *layer.out), (1, layer.group_channels, *counts))

    def prepared(self, w: Array) -> Array:
        """W^*: (g, F/g, C/g, *frequencies)."""
        spread = np.zeros((*w.shape[:3], *(axis.span for axis in self.layer.axes)))
        taps: tuple[Any, ...] = (..., *(slice(None, None, axis.dilation) for axis in self.layer.axes))
        spread[taps] = w
        spectra = np.fft.rfftn(spread, self._lengths, self._last)
        return np.conj(spectra, out=spectra)

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        """One block, some filters at a time."""
        groups = tile.groups(self.layer)
        (spectra,), here = w[groups], tile.of(self.layer, target)[0]
        bias = None if b is None else b.reshape(self.layer.groups, -1)[groups][0]
        block = slab(self.layer, tile, source, np.dtype(np.float64))[0]
        blocks = np.fft.rfftn(block, self._lengths, self._last)
        whole: tuple[Any, ...] = (..., *map(slice, tile.shape[1:]))
        step = max(1, self.measured.spectra_at_once // blocks[0].size)
        for first in range(0, len(spectra), step):
            some = slice(first, first + step)
            sums = spectra[some, 0] * blocks[0]
            for channel in range(1, len(blocks)):
                for total, factor in zip(sums, spectra[some, channel], strict=True):
                    total += factor * blocks[channel]
            numbers = np.fft.irfftn(sums, self._lengths, self._last)[whole]
            if bias is not None:
                numbers += bias[some].reshape(-1, *(1,) * self.layer.dims)
            here[some] = numbers


def _length(axis: Axis, measured: Measured) -> int:
    """The transform's length on an axis, such that blocks are about equally long; no prime factor is above 5."""
    reach = axis.span - 1
    length = max(measured.block, 4 * axis.span)
    blocks = -(-axis.out // (length - reach))
    if 4 * (axis.out + reach) <= 5 * length:
        blocks = 1
    length = -(-axis.out // blocks) + reach
    while not _is_smooth(length):
        length += 1
    return length


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1
