"""Mistakes in what takes part: a filter, channel, sample, group, row, column or element that a loop leaves out."""

from collections.abc import Callable, Iterator

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses
from cnngrad.tensor import Tensor

__all__ = ["incomplete"]


def incomplete(result: Tensor) -> Callable[[Data], Guesses]:
    """The first, the last or another one of something is missing from the sums, or from the result."""

    def guesses(data: Data) -> Guesses:
        if result is Tensor.O:
            yield from _of_output(data)
            return
        for array, words in _without(data.dedo, ("sample", "filter", *_spatial(data, "output"))):
            yield Guess(data.compute(result, dedo=array), f"{words} is missing")
        if result is Tensor.DX:
            for array, words in _without(data.w, ("filter", "channel", *_spatial(data, "kernel"))):
                yield Guess(data.scatter(w=array), f"{words} is missing")
            yield from _groups(data, result)
        if result is Tensor.DW:
            for array, words in _without(data.right[result], ("filter", "channel", *_spatial(data, "kernel"))):
                yield Guess(array, f"{words} is missing")
            yield from _groups(data, result)

    return guesses


def _of_output(data: Data) -> Guesses:
    if data.b is not None:
        yield Guess(data.convolve(biased=False), "b is missing")
    for array, words in _without(data.w, ("filter", "channel", *_spatial(data, "kernel"))):
        yield Guess(data.convolve(w=array), f"{words} is missing")
    for array, words in _without(data.right[Tensor.O], ("sample", "filter", *_spatial(data, "output"))):
        yield Guess(array, f"{words} is missing")
    for array, words in _without(data.x, ("sample", "channel", *_spatial(data, "input"))):
        yield Guess(data.convolve(array), f"{words} is missing")
    yield from _groups(data, Tensor.O)


def _spatial(data: Data, what: str) -> list[str]:
    """What the spatial axes count: `output row`, `kernel column`."""
    return [f"{what} {axis}" for axis in data.layer.axis_words]


def _without(array: Array, words: tuple[str, ...]) -> Iterator[tuple[Array, str]]:
    """The array with one slice along one axis set to 0; the first and the last, or any where there are few."""
    for axis, word in enumerate(words):
        size = array.shape[axis]
        for k in range(size) if 1 < size <= _FEW else (0, size - 1) if size > 1 else ():
            less = array.copy()
            less[(slice(None),) * axis + (k,)] = 0
            yield less, f"the last {word}" if k == size - 1 else f"the first {word}" if k == 0 else f"{word} {k + 1}"


def _groups(data: Data, result: Tensor) -> Guesses:
    """One group alone is computed, or one is not."""
    layer = data.layer
    if layer.groups == 1:
        return
    each = layer.group_channels if result is Tensor.DX else layer.group_filters
    axis = 0 if result is Tensor.DW else 1
    right = data.right[result]
    for k in (0, layer.groups - 1):
        here = (slice(None),) * axis + (slice(k * each, (k + 1) * each),)
        less, only = right.copy(), np.zeros_like(right)
        less[here], only[here] = 0, right[here]
        yield Guess(less, f"the {'last' if k else 'first'} group is missing")
        yield Guess(only, f"the {'last' if k else 'first'} group alone is there")


# Of so many things each may be the one that is missing.
_FEW = 4
