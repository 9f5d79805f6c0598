"""Central finite differences of `forward`: gradients computed without any part of `backward`.

E = sum(O * dE/dO) is linear in X, in W and in b, so a central difference is the same at every point and has no
truncation error at any step size. It is taken around zero, with the whole moved array and the bias set to 0: so large
elements can't drown a small one by rounding, and if the step is a power of two every change dO is exact, for integers
and for decimals; only the sum over dO * dE/dO is rounded.
Elements that never share a window are moved together, since each changes outputs of its own (Curtis, Powell and Reid,
1974), so that the number of forward passes depends only on the filter.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array, Arrays, DType, Operand, Operands, check_result, common_dtype, may_overflow
from cnngrad.blas import one_thread
from cnngrad.compute import Progress, Work
from cnngrad.compute.exact import exact_dtype_of
from cnngrad.layer import Axis, Layer, Positions
from cnngrad.tensor import DB, DEDO, DW, DX, GRADIENTS, B, O, Tensor, W, X

__all__ = ["Colour", "colours", "numeric_gradient"]

# Bytes of the largest block that makes glibc keep freed blocks (DEFAULT_MMAP_THRESHOLD_MAX), less its header.
_LARGEST_BLOCK = 2**25 - 2**13
# Outputs computed together: fewer are slower, more need more memory.
_TOGETHER = 2**18


def numeric_gradient(layer: Layer, given: Operands, result: Tensor, step: float, progress: Progress | None) -> Array:
    """The numeric gradient dE/dX, dE/dW or dE/db, by moving X, W or b: in int64 if all is integer, else in float64.

    Several samples are computed together. In X or W, one channel of every group moves at a time and the others are 0,
    so only the layer of that channel is computed.

    Args:
        layer: the layer.
        given: X, W, dE/dO and, if the layer has one, b; they are not modified.
        result: the gradient.
        step: the distance by which elements are moved if there are decimals; integers are moved by 1.
        progress: called with the number of steps done and the number of all steps.

    Raises:
        CnngradError: the gradient is too large for float64, or integer sums for int64.
    """
    exact = common_dtype(*(operand.dtype for operand in given.values())).kind == "i"
    arrays = {tensor: operand.array.reshape(layer.canonical[tensor]) for tensor, operand in given.items()}
    if exact:
        # Other steps give the same differences, but need larger integers.
        step = 1.0
        exact_dtype_of(layer, GRADIENTS, {layer.role[tensor]: array for tensor, array in arrays.items()})
    # glibc returns blocks of megabytes to the system and fetches them anew, page by page, until a block of this size
    # has been freed; then it keeps them. This block is never touched and costs nothing. On 512x512 with 3x3 it saves
    # 30,000 page faults and 40 % of the time.
    np.empty(_LARGEST_BLOCK, np.uint8)
    value = np.zeros(layer.canonical[result], np.int64 if exact else np.float64)
    size = max(1, _TOGETHER // math.prod(layer.canonical[O][1:]))
    done = 0
    blocks = [slice(first, first + size) for first in range(0, layer.batch, size)]
    channels = range(1 if result is DB else layer.group_channels)
    moves = _moves(layer, result)
    with may_overflow():
        for samples, channel in product(blocks, channels):
            dedo = np.ascontiguousarray(arrays[DEDO][samples], value.dtype)
            here = _part(layer, result, value, samples, channel)
            changes = _changes(layer, arrays, result.array, samples, channel, step, value.dtype, moves)
            for (elements, together), change in zip(moves, changes, strict=True):
                if result is DX:
                    change *= dedo
                    _separate(here, change, layer, together)
                else:
                    with one_thread():
                        shares = np.vecdot(*(array.reshape(*dedo.shape[:2], -1) for array in (change, dedo)))
                    here[elements] += shares.sum(axis=0).reshape(here[elements].shape)
                done += 1
                if progress is not None:
                    progress(done, len(moves) * len(channels) * len(blocks))
        if not exact:
            np.multiply(value, 0.5 / step, out=value)
    value = value.reshape(layer.shapes[result])
    check_result(result.key, value)
    return value


def _part(layer: Layer, tensor: Tensor, array: Array, samples: slice, channel: int) -> Array:
    """A view of some samples and one channel of every group of X, W or their gradients; all of dE/db."""
    if tensor is DB:
        return array
    if tensor.array is W and layer.transposed:
        return array.reshape(layer.by_groups)[:, channel]
    some = array[samples] if tensor.array is X else array
    return some.reshape(len(some), -1, layer.group_channels, *some.shape[2:])[:, :, channel]


def _changes(
    layer: Layer,
    arrays: Arrays,
    moved: Tensor,
    samples: slice,
    channel: int,
    step: float,
    dtype: DType,
    moves: Sequence["_Move"],
) -> Iterator[Array]:
    """O(h) - O(-h), for integers divided by 2, for each move of some elements of one array; all others are 0."""
    batch = len(arrays[DEDO][samples])
    thin = replace(layer, batch=batch, channels=layer.groups, x_lead=2, w_lead=2)
    # Fill the moved array with the step, its largest value, for the bounds on integers.
    operands = {tensor: np.full(thin.canonical[tensor], step * (tensor is moved), dtype) for tensor in (X, W, moved)}
    if moved is not B:
        other = X if moved is W else W
        operands[other] = _part(layer, other, arrays[other], samples, channel).astype(dtype)
    # The norm is not used.
    forward = Work(thin, {tensor: Operand(array, dtype, math.inf) for tensor, array in operands.items()})
    plus, minus = (np.empty(thin.canonical[O], dtype) for _ in range(2))
    operands[moved].fill(0)
    for elements, _ in moves:
        for o, size in ((plus, step), (minus, -step)):
            operands[moved][elements] = size
            forward.write(o)
        operands[moved][elements] = 0
        if dtype.kind == "i":
            # Halve each, so that their difference stays within int64; both are odd, or both even.
            plus //= 2
            minus //= 2
        plus -= minus
        yield plus


class Colour(NamedTuple):
    """Inputs of an axis, at equal distances: no output reads two of them.

    Attributes:
        moved: all of these inputs.
        inputs: those that any output reads.
        outputs: the outputs that read them: those of the first input, then those of the next.
        starts: the place in `outputs` of the first one for each input.
    """

    moved: slice
    inputs: Positions
    outputs: Positions
    starts: Positions


def colours(axis: Axis) -> Iterator[Colour]:
    """The colours of an axis with at least one input that is read."""
    # In a circle the last input is next to the first: each input after the last whole span has a colour of its own.
    whole = axis.size - axis.size % axis.apart if axis.mode == "circular" else axis.size
    for first in (*range(min(axis.apart, whole)), *range(whole, axis.size)):
        moved = slice(first, whole if first < whole else first + 1, axis.apart)
        inputs = np.arange(axis.size)[moved]
        readers = axis.outputs(inputs)
        met = readers >= 0
        # An output may read an input of the padding through several taps.
        owners, outputs = np.unique([np.nonzero(met)[0], readers[met]], axis=1)
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        if outputs.size:
            yield Colour(moved, inputs[owners[starts]], outputs, starts)


# An index of the elements that move, and, for X, their colours on all axes.
_Move = tuple[tuple[Any, ...], tuple[Colour, ...]]


def _moves(layer: Layer, result: Tensor) -> list[_Move]:
    """The moves: for X one per colour; for W one per filter element, in every filter; for b a single one."""
    if result is not DX:
        return [((..., *u), ()) for u in np.ndindex(layer.kernel)] if result is DW else [((...,), ())]
    # Elements that no output reads are moved too, and change nothing.
    return [
        ((..., *(colour.moved for colour in together)), together) for together in product(*map(colours, layer.axes))
    ]


def _separate(gradient: Array, shares: Array, layer: Layer, together: tuple[Colour, ...]) -> None:
    """Write to dE/dX the sum of the shares (N, F, *out) of the outputs that each moved element feeds."""
    shares = shares.reshape(len(shares), layer.groups, layer.group_filters, *layer.out)
    shares = shares.sum(axis=2) if layer.group_filters > 1 else shares[:, :, 0]
    for number, (_, _, outputs, starts) in enumerate(together, start=2):
        shares = np.add.reduceat(shares.take(outputs, number), starts, number)
    gradient[np.ix_(*map(range, shares.shape[:2]), *(colour.inputs for colour in together))] = shares
