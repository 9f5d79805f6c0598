"""Mistakes in where numbers stand: shifted by whole positions, or in another order of axes or of memory."""

from collections.abc import Callable, Iterator
from itertools import permutations, product
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses, at
from cnngrad.tensor import Tensor

__all__ = ["operand_layout", "other_layout", "shifted"]

_NAMES = {Tensor.O: "NCDHW", Tensor.DX: "NCDHW", Tensor.DW: "OIDHW"}


def shifted(result: Tensor) -> Callable[[Data], Guesses]:
    """The right gradient moved by one or two positions, zeros moving in."""

    def guesses(data: Data) -> Guesses:
        right = data.right[result]
        for shift in product((0, 1, -1, 2, -2), repeat=data.layer.dims):
            if any(shift) and all(abs(s) < n for s, n in zip(shift, right.shape[2:], strict=True)):
                moved = np.zeros_like(right)
                to = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in zip(shift, right.shape[2:], strict=True))
                of = tuple(slice(max(-s, 0), n + min(-s, 0)) for s, n in zip(shift, right.shape[2:], strict=True))
                moved[at(..., *to)] = right[at(..., *of)]
                yield Guess(moved, f"by {','.join(f'{s:+d}' for s in shift)} positions")

    return guesses


def other_layout(result: Tensor) -> Callable[[Data], Guesses]:
    """The right numbers with their axes in another order, as they are or squeezed into the right shape; or flat."""

    def guesses(data: Data) -> Guesses:
        right = data.right[result]
        letters = _NAMES[result][:2] + _NAMES[result][5 - data.layer.dims :]
        for order in permutations(range(right.ndim)):
            name = "".join(letters[k] for k in order)
            turned = right.transpose(order)
            if turned.shape != right.shape or order != tuple(range(right.ndim)):
                back = ", ".join(str(k) for k in np.argsort(order))
                yield Guess(turned, f"they lie as {name}: transpose({back}) brings them back", bare=True)
                if order != tuple(range(right.ndim)):
                    yield Guess(turned.reshape(right.shape), f"the memory is {name}, read as if it were {letters}")
        yield Guess(right.reshape(-1), "they are flat", bare=True)
        yield Guess(right.reshape(len(right), -1), "they are a matrix of a row for each filter, as im2col's", bare=True)
        yield Guess(right.reshape(len(right), -1).T, "they are im2col's matrix, transposed", bare=True)

    return guesses


def operand_layout(result: Tensor) -> Callable[[Data], Guesses]:
    """X, W or dE/dO read in another order of axes than it lies in."""

    def guesses(data: Data) -> Guesses:
        if result is not Tensor.O:
            for array, words in _read_otherwise(data.dedo):
                yield Guess(data.compute(result, dedo=array), f"dE/dO {words}")
        if result is not Tensor.DX:
            for array, words in _read_otherwise(data.x):
                yield Guess(data.compute(result, x=array), f"X {words}")
        if result is not Tensor.DW:
            for array, words in _read_otherwise(data.w):
                yield Guess(data.compute(result, w=array), f"W {words}")

    return guesses


def _read_otherwise(array: Array) -> Iterator[tuple[Array, str]]:
    """An array whose memory is taken for channels last, or that lies channels last and is taken for channels first."""
    first, second, *spatial = array.shape
    if second * prod(spatial) > max(second, prod(spatial)):
        yield np.moveaxis(array.reshape(first, *spatial, second), -1, 1), "is read with its channels last"
        yield np.moveaxis(array, 1, -1).reshape(array.shape), "lies with its channels last, and is read as if first"
    if first * second > max(first, second):
        yield array.reshape(second, first, *spatial).swapaxes(0, 1), "is read with its first two axes swapped"
    if len(spatial) == 2 and min(spatial) > 1:
        yield array.reshape(first, second, *spatial[::-1]).swapaxes(2, 3), "is read with rows and columns swapped"
