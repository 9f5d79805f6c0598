"""Central finite differences of `forward`: gradients computed without any part of `backward`.

E = sum(O * dE/dO) is linear in X, in W and in b, so a central difference is the same at every point and has no
truncation error at any step size. It is taken around zero, with the whole moved array and the bias set to 0: so large
elements can't drown a small one by rounding, and if the step is a power of two every change dO is exact, for integers
and for decimals; only the sum over dO * dE/dO is rounded.
Elements that never share a window are moved together, since each changes outputs of its own (Curtis, Powell and Reid,
1974), so that the number of forward passes depends only on the filter.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array, Operand, check_result, common_dtype, is_number
from cnngrad.blas import one_thread
from cnngrad.compute import Forward, Progress
from cnngrad.compute.exact import exact_gradient_dtype
from cnngrad.errors import CnngradError
from cnngrad.layer import Axis, Layer, Positions
from cnngrad.tensor import DB, DEDO, DW, DX, O, Tensor, W, X

# The largest freed block that makes glibc keep blocks of its size (DEFAULT_MMAP_THRESHOLD_MAX), less its own header.
_LARGEST_BLOCK = 2**25 - 2**13

# Larger steps leave integers too little room in int64.
_LARGEST_EXACT_STEP = 2**16

# Outputs that are computed together: fewer take longer for each, more take more memory.
_TOGETHER = 2**18

# As many outputs as fit into the second-level cache while they are worked on.
_CACHED = 2**14


class Differences:
    """Central differences of `forward` for one layer and its data, in float64, or in int64 where all is integer."""

    def __init__(self, layer: Layer, given: Mapping[Tensor, Operand], step: float | None = None) -> None:
        """Differences for a layer with these numbers, which are not modified.

        Args:
            layer: the layer.
            given: X, W, dE/dO and, where the layer has one, b.
            step: the step; 1 where None.
        """
        if step is not None and not (is_number(step) and math.isfinite(step) and step > 0):
            raise CnngradError(f"step is {step!r}: it must be a number larger than 0")
        self._layer = layer
        self.exact = common_dtype(*(operand.dtype for operand in given.values())).kind == "i"
        if step is not None and not (step <= _LARGEST_EXACT_STEP and step == int(step)):
            self.exact = False
        # Arrays of megabytes come and go here. glibc hands such blocks back to the system and fetches them anew, page
        # by page, until it has seen a block of this size freed; then it keeps them. Never touched, it costs nothing.
        # Measured on 512x512 with 3x3: 30,000 page faults and 40 % of the time less.
        np.empty(_LARGEST_BLOCK, np.uint8)
        self._step = float(step or 1)
        self._work = np.dtype(np.int64 if self.exact else np.float64)
        arrays = {tensor: operand.array for tensor, operand in given.items()}
        if self.exact:
            exact_gradient_dtype(layer, arrays[X], arrays[W], arrays[DEDO])
        self._arrays = arrays
        self._dedo = arrays[DEDO].reshape(layer.canonical[DEDO])

    def gradient(self, result: Tensor, progress: Progress | None = None) -> Array:
        """The numeric gradient dE/dX, dE/dW or dE/db in the user's layout, by moving X, W or b.

        Some samples are computed together. Of X and W one channel of every group moves at a time; all others are 0
        then, and so they are left out: what is computed is the layer of that channel alone.

        Raises:
            CnngradError: the gradient is too large for float64.
        """
        value = np.zeros(self._layer.canonical[result], self._work)
        channels = 1 if result is DB else self._layer.group_channels
        # Each block has as many outputs as are worth computing together.
        size, done = max(1, _TOGETHER // math.prod(self._layer.canonical[O][1:])), 0
        blocks = [slice(first, first + size) for first in range(0, self._layer.batch, size)]
        with np.errstate(over="ignore", invalid="ignore"):
            for samples in blocks:
                dedo = np.ascontiguousarray(self._dedo[samples], self._work)
                thin = replace(self._layer, batch=len(dedo), channels=self._layer.groups, x_lead=2, w_lead=2)
                moves = _moves(thin, result)
                for channel in range(channels):
                    mover = self._mover(thin, result, channel, samples)
                    here = value if result is DB else self._of_channel(value, result, channel)
                    here = here[samples] if result is DX else here
                    for elements, together in moves:
                        mover.move(elements)
                        if result is DX:
                            _separate(here, mover.shares(dedo), thin, together)
                        else:
                            here[elements] += mover.sums(dedo)
                        done += 1
                        if progress is not None:
                            progress(done, len(moves) * channels * len(blocks))
            if not self.exact:
                np.multiply(value, 0.5 / self._step, out=value)
        given = self._arrays.get(result.array)
        value = value.reshape(self._layer.shapes[result] if given is None else given.shape)
        check_result(result.key, value)
        return value

    def _mover(self, thin: Layer, result: Tensor, channel: int, samples: slice) -> "_Mover":
        """What moves elements of X's or W's channel, or b, with the other factor of O as it is given."""
        arrays = {tensor: np.zeros(thin.canonical[tensor], self._work) for tensor in (X, W)}
        # Filled with the step, the largest value its elements will have, for the bounds on integers.
        arrays[result.array] = np.full(thin.canonical[result.array], self._step, self._work)
        if result is not DB:
            other = W if result is DX else X
            given = self._arrays[other].reshape(self._layer.canonical[other])
            given = given[samples] if other is X else given
            arrays[other] = self._of_channel(given, other, channel).astype(self._work)
        # Nothing here asks for the norm.
        forward = Forward(thin, *(Operand(array, self._work, math.inf) for array in arrays.values()))
        return _Mover(forward, arrays[result.array], self._step)

    def _of_channel(self, array: Array, tensor: Tensor, channel: int) -> Array:
        """One channel of every group of X, W or their gradients: a view."""
        if tensor.array is X:
            return array[:, channel :: self._layer.group_channels]
        return array[:, channel : channel + 1]


class _Mover:
    """Moves some elements of one array, all others being 0, and computes how O changes."""

    def __init__(self, forward: Forward, array: Array, step: float) -> None:
        self._forward = forward
        self._array = array
        self._step = step
        shape = forward.layer.canonical[O]
        self._plus, self._minus = (np.empty(shape, array.dtype) for _ in range(2))
        array.fill(0)

    def move(self, elements: tuple[Any, ...]) -> None:
        """Compute O with these elements moved forth and back."""
        # Not rounded as part of a larger sum: each difference is compared with what its own terms allow.
        self._array[elements] = self._step
        self._forward.write(self._plus)
        self._array[elements] = -self._step
        self._forward.write(self._minus)
        self._array[elements] = 0

    def shares(self, dedo: Array) -> Array:
        """(O(h) - O(-h)) * dE/dO, for integers divided by 2h; overwrites O(h), so call it once for each move."""
        flat = [array.reshape(-1) for array in (self._plus, self._minus, dedo)]
        for first in range(0, dedo.size, _CACHED):
            plus, minus, given = (array[first : first + _CACHED] for array in flat)
            if plus.dtype.kind == "i":
                # Each half by itself, so that their difference stays within int64; both are odd, or both even.
                plus //= 2
                minus //= 2
                plus -= minus
                plus //= int(self._step)
            else:
                plus -= minus
            plus *= given
        return self._plus

    def sums(self, dedo: Array) -> Array:
        """The shares added up for each filter."""
        shape = (*dedo.shape[:2], -1)
        if dedo.dtype.kind == "i":
            sums: Array = self.shares(dedo).reshape(shape).sum(axis=2)
        else:
            # The two sums are of opposite signs, so that nothing cancels between them.
            with one_thread():
                plus, minus = (np.vecdot(o.reshape(shape), dedo.reshape(shape)) for o in (self._plus, self._minus))
            sums = plus - minus
        total: Array = sums.sum(axis=0)
        return total


class Colour(NamedTuple):
    """The inputs first, first + span, … of an axis that any output reads: no window holds two of them.

    Attributes:
        first: the first input of this colour, read or not.
        inputs: those that are read.
        starts: the first output that reads each of them.
        stop: the position after the last output that reads one.
    """

    first: int
    inputs: Positions
    starts: Positions
    stop: int


def colours(axis: Axis) -> Iterator[Colour]:
    """The colours of an axis that hold an input which is read."""
    for first in range(min(axis.span, axis.size)):
        inputs = np.arange(first, axis.size, axis.span)
        readers = axis.outputs(inputs, range(axis.kernel))
        read = readers.max(axis=1) >= 0
        if read.any():
            stop = int(readers.max()) + 1
            readers[readers < 0] = stop
            yield Colour(first, inputs[read], readers.min(axis=1)[read], stop)


def _moves(layer: Layer, result: Tensor) -> list[tuple[tuple[Any, ...], tuple[Colour, ...]]]:
    """The moves of X, a colour each; of W, an element of every filter each; or the one of b, of every filter.

    Each is an index of the elements that move, with their colours on all axes.
    """
    every = slice(None)
    if result is DW:
        return [((every, 0, *u), ()) for u in np.ndindex(layer.kernel)]
    if result is DB:
        return [((every,), ())]
    # Elements that no output reads are moved too, and change nothing.
    spans = [axis.span for axis in layer.axes]
    return [
        ((every, every, *(slice(c.first, None, span) for c, span in zip(together, spans, strict=True))), together)
        for together in product(*map(colours, layer.axes))
    ]


def _separate(gradient: Array, shares: Array, layer: Layer, together: tuple[Colour, ...]) -> None:
    """Write to dE/dX the sum of the shares (N, F, *out) of the outputs that each moved element feeds."""
    shares = shares.reshape(layer.batch, layer.groups, layer.group_filters, *layer.out)
    shares = shares.sum(axis=2) if layer.group_filters > 1 else shares[:, :, 0]
    for axis, (_, _, starts, stop) in enumerate(together, start=2):
        # The outputs that read one moved element are followed by those of the next; others between them read none.
        reached = shares[(slice(None),) * axis + (slice(starts[0], stop),)]
        shares = _sums_between(reached, (starts - starts[0]).tolist(), axis)
    gradient[np.ix_(*map(range, shares.shape[:2]), *(colour.inputs for colour in together))] = shares


def _sums_between(array: Array, starts: list[int], axis: int) -> Array:
    """The sums from each start to the next along an axis, as `np.add.reduceat` gives them.

    Where all but the first and the last stretch have one length, adding strided views takes a third of its time.
    """
    lead: tuple[Any, ...] = (slice(None),) * axis
    length = starts[2] - starts[1] if len(starts) > 3 else 0
    inner = starts[1:]
    if length == 0 or inner != list(range(inner[0], inner[-1] + 1, length)):
        result: Array = np.add.reduceat(array, starts, axis=axis)
        return result
    sums = np.empty((*array.shape[:axis], len(starts), *array.shape[axis + 1 :]), array.dtype)
    sums[(*lead, 0)] = array[(*lead, slice(0, inner[0]))].sum(axis=axis)
    sums[(*lead, -1)] = array[(*lead, slice(inner[-1], None))].sum(axis=axis)
    middle = sums[(*lead, slice(1, -1))]
    middle[...] = array[(*lead, slice(inner[0], inner[-1], length))]
    for k in range(1, length):
        middle += array[(*lead, slice(inner[0] + k, inner[-1], length))]
    return sums
