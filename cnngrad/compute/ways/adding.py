"""Adding up: dE/dX from what each output sends back to its window.

With W^T (C/g * K, F/g) and dE/dO (F/g, positions) as matrices, the columns W^T dE/dO hold what each output sends back
through each filter element; where windows overlap, these numbers are added up. Known as col2im.
"""

from dataclasses import replace
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute import measured
from cnngrad.compute.tiles import Tile, Tiles, meetings
from cnngrad.compute.way import Way

__all__ = ["AddingUp"]


class AddingUp(Way):
    """For far fewer channels than filters, above all with a stride: dE/dX as a sum over filter elements.

    The tiles are rows of X.
    """

    def can(self) -> bool:
        """The columns hold C/g * K numbers for each output, those of the full convolution F/g * K.

        The products of the full convolution have fewer terms each; but with a stride there is one full convolution for
        each phase, and layers with one spatial axis can't use rows. Measured in float64, adding up against the full
        convolution: 4x64x56x56 with 64 of 3x3 47 and 40 ms; with 128 of 3x3, stride 2, 19 and 23; 3x224x224 with 64 of
        7x7, stride 2, 60 and 311; 16x32x4096 with 64 of 9 106 and 120.
        """
        layer = self.layer
        slow = layer.dims == 1 or any(axis.stride > 1 for axis in layer.axes)
        if layer.group_filters + slow <= 2 * layer.group_channels or self.taps > measured.ADDED:
            return False
        rows = self.tiles().counts[2]
        return rows >= min(layer.size[0], measured.ADDED_LINES * layer.axes[0].span)

    def tiles(self) -> Tiles:
        """Whole images of as many channels as fit; of large images, as many rows as fit."""
        layer = self.layer
        row = prod(layer.size[1:]) * self.dtype.itemsize
        channels = layer.channels
        if layer.groups == 1:
            fit = max(1, measured.ADDED_SUM // (row * layer.size[0]))
            blocks = max(-(-channels // fit), -(-measured.FEWEST_TILES // layer.batch))
            channels = max(-(-channels // blocks), min(channels, -(-measured.ADDED_ROWS // self.taps)))
        rows = max(1, measured.ADDED_SUM // (row * channels))
        return Tiles(layer, (channels, 1, rows, *layer.size[1:]), layer.size)

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        """Add up what the outputs that reach the tile's rows send there, some lines of outputs at a time."""
        layer = self.layer
        rows = tile.positions[0]
        lines = layer.axes[0]
        own = w[tile.weights]
        kernel = own.reshape(layer.groups, layer.group_filters, -1).swapaxes(1, 2)
        sums = np.zeros((layer.groups * own.shape[2], rows.stop - rows.start, *layer.size[1:]), self.dtype)
        # The tile's rows as if they were all of X.
        axes = (replace(lines, size=sums.shape[1], before=lines.before + rows.start), *layer.axes[1:])
        numbers = layer.groups * max(kernel.shape[1], 2 * kernel.shape[2])
        most = min(measured.ADDED_PARTS // (numbers * self.dtype.itemsize), measured.ADDED_POSITIONS)
        outputs = lines.outputs_reaching(rows)
        step = max(1, most // prod(layer.out[1:]))
        for first in outputs[::step]:
            some = slice(first, min(first + step, outputs.stop))
            block = source[tile.samples, :, some].astype(self.dtype, copy=False)
            parts = np.matmul(kernel, block.reshape(layer.groups, layer.group_filters, -1))
            parts = parts.reshape(-1, *layer.kernel, *block.shape[2:])
            for taps, sent, reached in meetings(axes, (some, *(slice(0, out) for out in layer.out[1:]))):
                sums[:, *reached] += parts[:, *taps, *sent]
            # Free their memory before the next ones are computed.
            del block, parts
        if b is not None:
            sums += b[tile.channels].reshape(-1, *(1,) * layer.dims)
        target[tile.samples, tile.channels, rows] = sums
