"""Adding up: dE/dX from what each output sends back to its window.

With W^T (C/g * K, F/g) and dE/dO (F/g, positions) as matrices, the columns W^T dE/dO hold what each output sends back
through each filter element; where windows overlap, these numbers are added up. Known as col2im.
"""

from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.compute.tiles import Tile, Tiles, spanned
from cnngrad.compute.way import WritingWay
from cnngrad.layer import Layer

__all__ = ["AddingForInputGradient"]


class AddingForInputGradient(WritingWay):
    """dE/dX as the sum of what comes back through every filter element; its tiles are rows of X."""

    name, suits = "adding up", "far fewer channels than filters, above all with a stride"

    def can(self) -> bool:
        """The columns hold C/g * K numbers for each output, those of the full convolution F/g * K.

        The products of the full convolution have fewer terms each; but with a stride there is one full convolution for
        each phase, and layers with one spatial axis can't use rows. Measured in float64, adding up against the full
        convolution: 4x64x56x56 with 64 of 3x3 47 and 40 ms; with 128 of 3x3, stride 2, 19 and 23; 3x224x224 with 64 of
        7x7, stride 2, 60 and 311; 16x32x4096 with 64 of 9 106 and 120.
        """
        layer = self.layer
        slow = layer.dims == 1 or any(axis.stride > 1 for axis in layer.axes)
        if layer.group_filters + slow <= 2 * layer.group_channels or prod(layer.kernel) > self.measured.added:
            return False
        rows = self.tiles().counts[2]
        return rows >= min(layer.size[0], self.measured.added_lines * layer.axes[0].span)

    def tiles(self) -> Tiles:
        """Whole images of as many channels as fit; of large images, as many rows as fit."""
        layer = self.layer
        row = prod(layer.size[1:]) * self.dtype.itemsize
        channels = layer.channels
        if layer.groups == 1:
            fit = max(1, self.measured.added_sum // (row * layer.size[0]))
            blocks = max(-(-channels // fit), -(-self.measured.fewest_tiles // layer.batch))
            channels = max(-(-channels // blocks), min(channels, -(-self.measured.added_rows // prod(layer.kernel))))
        rows = max(1, self.measured.added_sum // (row * channels))
        return Tiles((layer.batch, layer.channels, *layer.size), (1, channels, rows, *layer.size[1:]))

    def write(self, tile: Tile, source: Array, w: Array, b: Array | None, target: Array) -> None:
        """Add up what the outputs that reach the tile's rows send there, some lines of outputs at a time."""
        layer = self.layer
        own = w[:, :, tile.channels] if layer.groups == 1 else w
        kernel = own.reshape(layer.groups, layer.group_filters, -1).swapaxes(1, 2)
        rows = tile.positions[0]
        outputs = layer.axes[0].outputs_reaching(rows)
        # What the outputs' windows span: the part inside X, its place among the sums, and how many sums there are.
        spans = [spanned(axis, slice(0, axis.out)) for axis in layer.axes[1:]]
        inside, place, length = spanned(layer.axes[0], slice(outputs.start, outputs.stop))
        sums = np.zeros((own.shape[2] * layer.groups, max(0, length), *(size for _, _, size in spans)), w.dtype)
        numbers = layer.groups * max(kernel.shape[1], 2 * kernel.shape[2])
        most = min(self.measured.added_parts // (numbers * w.itemsize), self.measured.added_positions)
        lines = max(1, most // prod(layer.out[1:]))
        for first in range(outputs.start, outputs.stop, lines):
            block = source[tile.samples, :, first : min(first + lines, outputs.stop)].astype(w.dtype, copy=False)
            parts = np.matmul(kernel, block.reshape(layer.groups, layer.group_filters, -1))
            parts = parts.reshape(-1, *layer.kernel, *block.shape[2:])
            _add(layer, parts, sums[:, layer.axes[0].stride * (first - outputs.start) :])
            # Free their memory before the next ones are computed.
            del block, parts
        here = target[tile.samples, tile.channels][0]
        here[:, rows] = 0
        low, high = max(inside.start, rows.start), min(inside.stop, rows.stop)
        if low < high:
            moved = place.start - inside.start
            places = (slice(None), slice(low, high), *(inner for inner, _, _ in spans))
            here[places] = sums[(slice(None), slice(low + moved, high + moved), *(outer for _, outer, _ in spans))]


def _add(layer: Layer, parts: Array, sums: Array) -> None:
    """Add what some outputs send (c, *u, *i) to sums (c, *position) that begin where the first output's window does."""
    counts = parts.shape[1 + layer.dims :]
    for taps in np.ndindex(layer.kernel):
        places = (
            slice(axis.dilation * u, axis.dilation * u + axis.stride * (count - 1) + 1, axis.stride)
            for axis, u, count in zip(layer.axes, taps, counts, strict=True)
        )
        sums[(slice(None), *places)] += parts[(slice(None), *taps)]
