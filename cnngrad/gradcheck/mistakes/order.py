"""Mistakes in the order of things: rotations, transposed axes, channels, groups."""

from collections.abc import Callable, Sequence
from itertools import combinations, permutations

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses, at, on_axes, turned
from cnngrad.tensor import Tensor

__all__ = [
    "axes_swapped",
    "channels_swapped_o",
    "channels_swapped_w",
    "channels_swapped_x",
    "filter_rotated",
    "flipped_one_axis",
    "groups_mixed_o",
    "groups_mixed_w",
    "groups_mixed_x",
    "not_rotated",
    "operand_rotated",
    "permuted",
    "result_rotated",
    "transposed",
]


def not_rotated(result: Tensor) -> Callable[[Data], Guesses]:
    """The filter slides over framed dE/dO as it is; or in true convolution over X as it is."""

    def guesses(data: Data) -> Guesses:
        if result is Tensor.DX or data.layer.flip:
            yield Guess(data.compute(result, w=turned(data.w, data.spatial)))

    return guesses


def flipped_one_axis(result: Tensor) -> Callable[[Data], Guesses]:
    """The filter is flipped along some of its axes."""

    def guesses(data: Data) -> Guesses:
        for count in range(1, data.layer.dims):
            for axes in combinations(data.spatial, count):
                words = f"flipped along {on_axes([a - 2 for a in axes])}"
                yield Guess(data.compute(result, w=turned(data.w, axes)), words)

    return guesses


def transposed(result: Tensor) -> Callable[[Data], Guesses]:
    """The filter is transposed, or turned by a quarter, where it is to be rotated."""
    words = ("transposed instead of rotated", "transposed before it is rotated")
    if result is Tensor.O:
        words = ("transposed and rotated", "transposed")

    def guesses(data: Data) -> Guesses:
        for a, b in combinations(data.spatial, 2):
            other = data.w.swapaxes(a, b)
            if other.shape == data.w.shape:
                yield Guess(data.compute(result, w=turned(other, (a, b))), words[0])
                yield Guess(data.compute(result, w=other), words[1])
                yield Guess(data.compute(result, w=turned(other, (b,))), "turned by 90°, as np.rot90(w, 1) does")
                yield Guess(data.compute(result, w=turned(other, (a,))), "turned by 270°, as np.rot90(w, 3) does")

    return guesses


def filter_rotated(data: Data) -> Guesses:
    """O by a function that rotates the filter, as convolve2d does."""
    if not data.layer.flip:
        yield Guess(data.convolve(w=turned(data.w, data.spatial)), "W is rotated")


def operand_rotated(data: Data) -> Guesses:
    """A convolution that rotates one operand, as convolve2d does, in place of a correlation."""
    yield Guess(data.gather(dedo=turned(data.dedo, data.spatial)), "dE/dO is rotated")
    pads = [(0, 0), (0, 0), *((a.before, a.after) for a in data.axes)]
    padded = turned(np.pad(data.x, pads), data.spatial)
    yield Guess(data.gather(padded, before=(0,) * data.layer.dims), "X is rotated")
    if any(data.leftover):
        cut = np.pad(data.x, pads)[at(..., *(slice(0, a.padded - a.leftover) for a in data.axes))]
        yield Guess(data.gather(turned(cut, data.spatial), before=(0,) * data.layer.dims), "X is rotated")


def result_rotated(result: Tensor) -> Callable[[Data], Guesses]:
    """The right gradient rotated by 180 degrees, or reversed along one axis."""

    def guesses(data: Data) -> Guesses:
        yield Guess(turned(data.right[result], data.spatial), "by 180°")
        for axis in data.spatial if data.layer.dims > 1 else ():
            yield Guess(turned(data.right[result], (axis,)), f"reversed along {on_axes([axis - 2])}")

    return guesses


def axes_swapped(result: Tensor) -> Callable[[Data], Guesses]:
    """The right gradient with its spatial axes in another order."""

    def guesses(data: Data) -> Guesses:
        for axes in permutations(data.spatial):
            if axes != data.spatial:
                yield Guess(data.right[result].transpose(0, 1, *axes))

    return guesses


def permuted(axes: Sequence[int], result: Tensor) -> Callable[[Data], Guesses]:
    """The right gradient with its channels or filters in another order; diagnosis matches any order."""

    def guesses(data: Data) -> Guesses:
        right = data.right[result]
        for axis in axes:
            size = right.shape[axis]
            word = "filters" if (result, axis) in ((Tensor.DW, 0), (Tensor.DB, 0), (Tensor.O, 1)) else "channels"
            if size > 1:
                yield Guess(np.flip(right, axis), f"{word} in reverse")
                for shift in range(1, min(size, 4)):
                    yield Guess(np.roll(right, shift, axis), f"{word} moved on by {shift}")
            if 2 < size <= 5:
                for order in permutations(range(size)):
                    if order != tuple(range(size)):
                        shown = ", ".join(str(k + 1) for k in order)
                        yield Guess(np.take(right, order, axis), f"{word} in the order {shown}")

    return guesses


def channels_swapped_w(data: Data) -> Guesses:
    """Filters and channels of dE/dW in another order, swapped with each other, or last in memory."""
    yield from permuted((0, 1), Tensor.DW)(data)
    right = data.right[Tensor.DW]
    if right.shape[0] * right.shape[1] > 1:
        yield Guess(right.swapaxes(0, 1), "filters and channels swapped")
        moved = np.moveaxis(right, 1, -1)
        yield Guess(moved.reshape(right.shape), "channels last in memory")
        yield Guess(moved, "channels last")


def channels_swapped_x(data: Data) -> Guesses:
    """Channels of dE/dX in another order, swapped with the filters, or last in memory."""
    yield from permuted((1,), Tensor.DX)(data)
    right = data.right[Tensor.DX]
    if data.layer.groups == 1 and data.layer.channels == data.layer.filters > 1:
        yield Guess(data.scatter(data.w.swapaxes(0, 1)), "filters and channels of W swapped")
    if data.layer.channels > 1:
        moved = np.moveaxis(right, 1, -1)
        yield Guess(moved.reshape(right.shape), "channels last in memory")
        yield Guess(moved, "channels last")


def channels_swapped_o(data: Data) -> Guesses:
    """The filters of O in another order, or those of W taken for its channels."""
    yield from permuted((1,), Tensor.O)(data)
    if data.layer.groups == 1 and data.layer.channels == data.layer.filters > 1:
        yield Guess(data.convolve(w=data.w.swapaxes(0, 1)), "filters and channels of W swapped")


def _interleaved(count: int, groups: int) -> Array:
    """The order of filters or channels if number k belongs to group k mod g."""
    return np.arange(count).reshape(-1, groups).T.ravel()


def groups_mixed_x(data: Data) -> Guesses:
    """Filters and channels are assigned to the wrong groups, or all to all."""
    layer = data.layer
    if layer.groups == 1:
        return
    g, reads = layer.groups, layer.group_channels
    interleaved_f, interleaved_c = (_interleaved(count, g) for count in (layer.filters, layer.channels))
    by_filter = data.scatter(data.w[interleaved_f], data.dedo[:, interleaved_f])
    yield Guess(by_filter, "filter f belongs to group f mod g")
    back = np.argsort(interleaved_c)
    yield Guess(data.right[Tensor.DX][:, back], "channel c belongs to group c mod g")
    yield Guess(by_filter[:, back], "filters and channels are taken mod g")
    blocks = data.right[Tensor.DX].reshape(layer.batch, g, reads, *layer.size)
    summed = np.repeat(blocks.sum(axis=1, keepdims=True), g, axis=1)
    yield Guess(summed.reshape(data.right[Tensor.DX].shape), "all filters reach every group")
    first = blocks.copy()
    first[:, 0], first[:, 1:] = blocks.sum(axis=1), 0
    yield Guess(first.reshape(data.right[Tensor.DX].shape), "all filters reach the first group alone")
    yield Guess(blocks.sum(axis=1), "there is one group only")
    for shift in range(1, g):
        yield Guess(
            np.roll(blocks, shift, 1).reshape(data.right[Tensor.DX].shape), f"the groups are moved on by {shift}"
        )
    yield Guess(blocks[:, ::-1].reshape(data.right[Tensor.DX].shape), "the groups are in reverse")


def groups_mixed_o(data: Data) -> Guesses:
    """Filters read the channels of another group."""
    layer = data.layer
    if layer.groups == 1:
        return
    interleaved_f, interleaved_c = (_interleaved(count, layer.groups) for count in (layer.filters, layer.channels))
    back, filters = np.argsort(interleaved_f), data.w[interleaved_f]
    # b belongs to its filter, whichever channels that reads.
    b = 0 if data.b is None else data.b.reshape(-1, *(1,) * layer.dims)
    by_filter = data.convolve(w=filters, biased=False)[:, back] + b
    yield Guess(by_filter, "filter f belongs to group f mod g")
    moved = data.x[:, interleaved_c]
    yield Guess(data.convolve(moved), "channel c belongs to group c mod g")
    yield Guess(data.convolve(moved, filters, biased=False)[:, back] + b, "filters and channels are taken mod g")
    blocks = data.x.reshape(layer.batch, layer.groups, layer.group_channels, *layer.size)
    for shift in range(1, layer.groups):
        yield Guess(
            data.convolve(np.roll(blocks, shift, 1).reshape(data.x.shape)), f"the groups are moved on by {shift}"
        )
    yield Guess(data.convolve(blocks[:, ::-1].reshape(data.x.shape)), "the groups are in reverse")
    first = np.repeat(blocks[:, :1], layer.groups, axis=1).reshape(data.x.shape)
    yield Guess(data.convolve(first), "every filter reads the first group's channels")


def groups_mixed_w(data: Data) -> Guesses:
    """Filters read the channels of another group."""
    layer = data.layer
    if layer.groups == 1:
        return
    g, reads = layer.groups, layer.group_channels
    interleaved_f, interleaved_c = (_interleaved(count, g) for count in (layer.filters, layer.channels))
    by_filter = data.gather(dedo=data.dedo[:, interleaved_f])[np.argsort(interleaved_f)]
    yield Guess(by_filter, "filter f belongs to group f mod g")
    yield Guess(data.gather(data.x[:, interleaved_c]), "channel c belongs to group c mod g")
    both = data.gather(data.x[:, interleaved_c], data.dedo[:, interleaved_f])[np.argsort(interleaved_f)]
    yield Guess(both, "filters and channels are taken mod g")
    blocks = data.x.reshape(layer.batch, g, reads, *layer.size)
    for shift in range(1, g):
        moved = np.roll(blocks, shift, 1).reshape(data.x.shape)
        yield Guess(data.gather(moved), f"the groups are moved on by {shift}")
    yield Guess(data.gather(blocks[:, ::-1].reshape(data.x.shape)), "the groups are in reverse")
    first = np.repeat(blocks[:, :1], g, axis=1).reshape(data.x.shape)
    yield Guess(data.gather(first), "every filter reads the first group's channels")
