"""Adding up: dE/dX from what each output sends back to its window.

With W^T (C/g * K, F/g) and dE/dO (F/g, positions) as matrices, the columns W^T dE/dO hold what each output sends back
through each filter element; where windows overlap, these numbers are added up. Known as col2im.

Outputs a stride apart send to positions a stride apart. So the sums of each phase of the stride lie side by side, and
every addition is of numbers that are contiguous in memory.
"""

from itertools import product
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.measured import Measured
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.compute.way import WritingWay
from cnngrad.layer import Layer

__all__ = ["AddingForInputGradient"]


class AddingForInputGradient(WritingWay):
    """dE/dX as the sum of what comes back through every filter element; its tiles are rows of X."""

    name, suits = "adding up", "far fewer channels than filters, above all with a stride"

    def can(self, layer: Layer, dtype: DType, measured: Measured) -> bool:
        """The columns hold C/g * K numbers for each output, those of the full convolution F/g * K.

        The products of the full convolution have fewer terms each; but with a stride there is one full convolution for
        each phase, and layers with one spatial axis can't use rows. Measured in float64, adding up against the full
        convolution: 4x64x56x56 with 64 of 3x3 47 and 40 ms; with 128 of 3x3, stride 2, 19 and 23; 3x224x224 with 64 of
        7x7, stride 2, 60 and 311; 16x32x4096 with 64 of 9 106 and 120.
        """
        slow = layer.dims == 1 or any(axis.stride > 1 for axis in layer.axes)
        if layer.group_filters + slow <= 2 * layer.group_channels or prod(layer.kernel) > measured.added:
            return False
        rows = self.tiles(layer, dtype, measured).counts[2]
        return rows >= min(layer.size[0], measured.added_lines * layer.axes[0].span)

    def tiles(self, layer: Layer, dtype: DType, measured: Measured) -> Tiles:
        """Whole images of as many channels as fit; of large images, as many rows as fit."""
        row = prod(layer.size[1:]) * dtype.itemsize
        channels = layer.channels
        if layer.groups == 1:
            fit = max(1, measured.added_sum // (row * layer.size[0]))
            blocks = max(-(-channels // fit), -(-measured.fewest_tiles // layer.batch))
            channels = max(-(-channels // blocks), min(channels, -(-measured.added_rows // prod(layer.kernel))))
        rows = max(1, measured.added_sum // (row * channels))
        return Tiles((layer.batch, layer.channels, *layer.size), (1, channels, rows, *layer.size[1:]))

    def write(
        self, layer: Layer, tile: Tile, source: Array, w: Array, b: Array | None, target: Array, measured: Measured
    ) -> None:
        """Add up what the outputs that reach the tile's rows send there, some lines of outputs at a time."""
        own = w[:, :, tile.channels] if layer.groups == 1 else w
        kernel = own.reshape(layer.groups, layer.group_filters, -1).swapaxes(1, 2)
        rows, outputs = tile.positions[0], layer.axes[0].outputs_reaching(tile.positions[0])
        sums = _Sums(layer, own.shape[2] * layer.groups, outputs, w.dtype)
        numbers = layer.groups * max(kernel.shape[1], 2 * kernel.shape[2])
        most = min(measured.added_parts // (numbers * w.itemsize), measured.added_positions)
        lines = max(1, most // prod(layer.out[1:]))
        for first in range(outputs.start, outputs.stop, lines):
            block = source[tile.samples, :, first : min(first + lines, outputs.stop)].astype(w.dtype, copy=False)
            parts = np.matmul(kernel, block.reshape(layer.groups, layer.group_filters, -1))
            sums.add(parts.reshape(-1, *layer.kernel, *block.shape[2:]), first)
            # Free their memory before the next ones are computed.
            del block, parts
        sums.store(target[tile.samples, tile.channels][0], rows)


class _Sums:
    """Sums for padded positions of X, those of each phase of the stride side by side: (c, *phase, *number)."""

    def __init__(self, layer: Layer, channels: int, outputs: range, dtype: DType) -> None:
        self._axes = layer.axes
        # The first padded position that the outputs reach is a multiple of the stride.
        self._first = outputs.start
        counts = [len(outputs), *layer.out[1:]]
        sizes = [n + (a.span - 1) // a.stride for n, a in zip(counts, self._axes, strict=True)]
        self._total = np.zeros((channels, *(axis.stride for axis in self._axes), *sizes), dtype)

    def add(self, parts: Array, first: int) -> None:
        """Add what outputs from `first` on the first axis send: (c, *u, *i)."""
        counts = parts.shape[1 + len(self._axes) :]
        starts = (first - self._first, *(0,) * (len(self._axes) - 1))
        for taps in product(*(range(axis.kernel) for axis in self._axes)):
            steps = [divmod(a.dilation * u, a.stride) for a, u in zip(self._axes, taps, strict=True)]
            phases = (phase for _, phase in steps)
            places = (
                slice(start + number, start + number + count)
                for start, (number, _), count in zip(starts, steps, counts, strict=True)
            )
            here: Any = (slice(None), *phases, *places)
            there: Any = (slice(None), *taps)
            self._total[here] += parts[there]

    def store(self, target: Array, rows: slice) -> None:
        """Write the sums for some rows of X to a target (c, *S); what nothing reaches becomes 0."""
        here = target[:, rows]
        here[...] = 0
        firsts = [rows.start + self._axes[0].before - self._axes[0].stride * self._first]
        firsts += [axis.before for axis in self._axes[1:]]
        for phases in product(*(range(axis.stride) for axis in self._axes)):
            places: list[Any] = []
            read: list[Any] = []
            for axis, phase, first, size, number in zip(
                self._axes, phases, firsts, here.shape[1:], self._total.shape[1 + len(self._axes) :], strict=True
            ):
                # Position h of the rows is number (h + first) // stride of this phase.
                low = (phase - first) % axis.stride
                start = (low + first) // axis.stride
                skipped = max(0, -start)
                count = max(0, min(len(range(low, size, axis.stride)), number - start) - skipped)
                low += skipped * axis.stride
                places.append(slice(low, low + count * axis.stride, axis.stride))
                read.append(slice(start + skipped, start + skipped + count))
            there: Any = (slice(None), *phases, *read)
            here[(slice(None), *places)] = self._total[there]
