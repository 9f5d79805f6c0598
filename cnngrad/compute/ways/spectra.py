"""Spectra: a large filter by the fast Fourier transform, which turns the sums over windows into products.

With ^ a transform that is long enough for a block of X and the filter's span, and * the complex conjugate,

    O_f^ = sum over c of X_c^ W_fc^*

Blocks overlap by the filter's span less one (overlap-save: Oppenheim and Schafer, Discrete-Time Signal Processing).
The rounding error of every output is about the same, some 1e-15 of the largest term, however small its own terms are.
float32 is computed in float64, where the transform's rounding error is negligible; in float32 it would exceed 1e-6 of
the largest term at 15x15.
"""

from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.measured import Measured
from cnngrad.compute.tiles import Tile, Tiles, slab
from cnngrad.compute.way import WritingWay
from cnngrad.layer import Axis, Layer

__all__ = ["SpectraForOutput"]


class SpectraForOutput(WritingWay):
    """O_f^ = sum over c of X_c^ W_fc^*, block by block."""

    name, suits = "spectra", "large filters of floats"

    def can(self, layer: Layer, dtype: DType, measured: Measured) -> bool:
        """Only for floats, stride 1, a filter large enough for a transform, and spectra small enough to be held."""
        if dtype.kind != "f" or any(axis.stride > 1 for axis in layer.axes):
            return False
        block = prod(_length(axis, measured) for axis in layer.axes)
        spectra = block // 2 * (layer.filters * layer.group_channels + 2)
        least = measured.transformed_float32 if dtype == np.float32 else measured.transformed_float64
        return spectra <= measured.spectra and prod(layer.kernel) * min(1, prod(layer.out) / block) >= least

    def tiles(self, layer: Layer, dtype: DType, measured: Measured) -> Tiles:
        """A tile is a block: the outputs of one transform, of one sample and group."""
        counts = (_length(axis, measured) - axis.span + 1 for axis in layer.axes)
        return Tiles((layer.batch, layer.channels, *layer.out), (1, layer.group_channels, *counts))

    def prepared(self, layer: Layer, w: Array, dtype: DType, measured: Measured) -> Array:
        """W^*: (g, F/g, C/g, *frequencies)."""
        spread = np.zeros((*w.shape[:3], *(axis.span for axis in layer.axes)))
        taps: tuple[Any, ...] = (..., *(slice(None, None, axis.dilation) for axis in layer.axes))
        spread[taps] = w
        lengths = tuple(_length(axis, measured) for axis in layer.axes)
        spectra = np.conj(_spectrum(spread.reshape(-1, *spread.shape[3:]), lengths))
        return spectra.reshape(*w.shape[:3], *spectra.shape[1:])

    def write(
        self, layer: Layer, tile: Tile, source: Array, w: Array, b: Array | None, target: Array, measured: Measured
    ) -> None:
        """One block, some filters at a time."""
        lengths = tuple(_length(axis, measured) for axis in layer.axes)
        (spectra,), here = w[tile.groups(layer)], tile.of(layer, target)[0]
        bias = None if b is None else b.reshape(layer.groups, -1)[tile.groups(layer)][0]
        blocks = _spectrum(slab(layer, tile, source, np.dtype(np.float64))[0], lengths)
        step = max(1, measured.spectra_at_once // blocks[0].size)
        for first in range(0, len(spectra), step):
            some = slice(first, first + step)
            sums = spectra[some, 0] * blocks[0]
            for channel in range(1, len(blocks)):
                for total, factor in zip(sums, spectra[some, channel], strict=True):
                    total += factor * blocks[channel]
            numbers = _inverse(sums, lengths[-1], tile.shape[1:])
            if bias is not None:
                numbers += bias[some].reshape(-1, *(1,) * layer.dims)
            here[some] = numbers


def _spectrum(blocks: Array, lengths: tuple[int, ...]) -> Array:
    """The transforms of real blocks (m, *h), padded with zeros at the end to `lengths`."""
    spectrum = np.zeros((len(blocks), *lengths[:-1], lengths[-1] // 2 + 1), np.complex128)
    # Rows of zeros stay zeros.
    filled = spectrum[(slice(None), *(slice(size) for size in blocks.shape[1:-1]))]
    np.fft.rfft(blocks, lengths[-1], out=filled)
    for axis in range(1, spectrum.ndim - 1):
        np.fft.fft(spectrum, axis=axis, out=spectrum)
    return spectrum


def _inverse(spectra: Array, length: int, shape: tuple[int, ...]) -> Array:
    """The first `shape` numbers of the inverse transforms (m, *h); writes over the spectra."""
    for axis in range(1, spectra.ndim - 1):
        np.fft.ifft(spectra, axis=axis, out=spectra)
    wanted = spectra[(slice(None), *(slice(size) for size in shape[:-1]))]
    numbers: Array = np.fft.irfft(wanted, length)[..., : shape[-1]]
    return numbers


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
