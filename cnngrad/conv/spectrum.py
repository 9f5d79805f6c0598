"""Spectra: a large filter by the fast Fourier transform, which turns the sums over windows into products.

With ^ a transform that is long enough for a block of X and the filter's span, and * the complex conjugate,

    O_f^ = sum over c of X_c^ W_fc^*

Blocks overlap by the filter's span less one (overlap-save: Oppenheim and Schafer, Discrete-Time Signal Processing).
Every output is rounded by about the same, some 1e-15 of the largest term, however small its own terms are. float32
goes through float64, where the transform's rounding is too small to be seen; in float32 it passes 1e-6 of the largest
term at 15x15.
"""

from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.conv.parts import Part, divided
from cnngrad.conv.tiles import Tile, Tiles, slab
from cnngrad.layer import Axis, Layer
from cnngrad.threads import Job

__all__ = ["block", "fits", "output"]

# A block's transform has about so many numbers on each axis, or four times the filter's. In float64 on an EPYC,
# 512x512 with 15x15: 7.6 ms with 128, 4.6 with 256, 10 with 512; 2048x2048 with 31x31: 105, 57 and 65.
_BLOCK = 256
# Numbers in the spectra of all filters and of a block; and in the products with some filters, which each thread holds.
_MOST_NUMBERS = 2**20
_MOST_AT_ONCE = 2**18


def fits(layer: Layer) -> bool:
    """Whether spectra are a way for this layer."""
    spectra = layer.filters * layer.group_channels + 2
    return all(axis.stride == 1 for axis in layer.axes) and block(layer) // 2 * spectra <= _MOST_NUMBERS


def block(layer: Layer) -> int:
    """The numbers that one transform takes, for at most so many outputs."""
    return prod(_length(axis) for axis in layer.axes)


def output(layer: Layer, x: Array, w: Array, b: Array | None, o: Array) -> Iterator[Job[float]]:
    """What writes O, a job for each block and some filters of a group; arguments as for columns."""
    lengths = tuple(_length(axis) for axis in layer.axes)
    spread = np.zeros((*w.shape[:3], *(axis.span for axis in layer.axes)))
    taps: tuple[Any, ...] = (..., *(slice(None, None, axis.dilation) for axis in layer.axes))
    spread[taps] = w
    spectra = np.conj(_spectrum(spread.reshape(-1, *spread.shape[3:]), lengths))
    spectra = spectra.reshape(*w.shape[:3], *spectra.shape[1:])

    def compute(tile: Tile, part: Part) -> float:
        (factors,) = spectra[part.weights[:2]]
        sums = np.empty(0)
        for channel in range(layer.group_channels):
            here = x[:, part.channels][:, channel : channel + 1]
            spectrum = _spectrum(slab(here, tile, np.dtype(np.float64))[0], lengths)
            if channel == 0:
                sums = np.multiply(spectrum, factors[:, 0], out=spectrum if len(factors) == 1 else None)
            else:
                for total, factor in zip(sums, factors[:, channel], strict=True):
                    total += spectrum[0] * factor
        numbers = _inverse(sums, lengths[-1], tile.shape[1:])
        if b is not None:
            numbers += b[part.filters].reshape(-1, *(1,) * layer.dims)
        o[(tile.samples, part.filters, *tile.positions)] = numbers
        return tile.number * part.layer.filters / layer.filters

    counts = tuple(length - axis.span + 1 for length, axis in zip(lengths, layer.axes, strict=True))
    one = divided(layer, 1, channels=1)[0].layer
    every = divided(layer, 1, filters=max(1, _MOST_AT_ONCE // (block(layer) // 2 + 1)))
    return (partial(compute, tile, part) for tile in Tiles(one, (1, 1, *counts)) for part in every)


def _spectrum(blocks: Array, lengths: tuple[int, ...]) -> Array:
    """The transforms of real blocks (m, *h), with zeros behind them up to `lengths`."""
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


def _length(axis: Axis) -> int:
    """The transform's length on an axis, which blocks share evenly; it has no prime factor above 5."""
    reach = axis.span - 1
    length = max(_BLOCK, 4 * axis.span)
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
