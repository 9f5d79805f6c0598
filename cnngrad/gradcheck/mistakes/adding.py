"""Mistakes in adding up: overwritten values, the batch, factors and signs, the axes of dE/db."""

from collections.abc import Callable
from itertools import chain, combinations

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses, at
from cnngrad.tensor import RESULTS, Tensor

__all__ = [
    "db_wrong_axes",
    "in_all",
    "negative",
    "not_summed_b",
    "not_summed_w",
    "one_sample",
    "overwritten_b",
    "overwritten_o",
    "overwritten_w",
    "overwritten_x",
    "scaled",
    "zero",
]


def in_all(make: Callable[[Tensor], Callable[[Data], Guesses]]) -> dict[Tensor, Callable[[Data], Guesses]]:
    """The same mistake in O and in all three gradients."""
    return {result: make(result) for result in RESULTS}


def scaled(result: Tensor) -> Callable[[Data], Guesses]:
    """Twice the right gradient, as a sample of this mistake; diagnosis finds any factor."""

    def guesses(data: Data) -> Guesses:
        yield Guess(2 * data.right[result], "by 2")

    return guesses


def negative(result: Tensor) -> Callable[[Data], Guesses]:
    """The right gradient with the wrong sign."""

    def guesses(data: Data) -> Guesses:
        yield Guess(-data.right[result])

    return guesses


def zero(result: Tensor) -> Callable[[Data], Guesses]:
    """A gradient that was never filled in."""

    def guesses(data: Data) -> Guesses:
        yield Guess(np.zeros_like(data.right[result]))

    return guesses


def overwritten_x(data: Data) -> Guesses:
    """Windows that overwrite each other where they are to add up: = for +=."""
    yield Guess(data.scatter(overwrite=True), "the last window wins")
    yield Guess(data.scatter(overwrite=True, outermost=True), "the last filter element wins")
    if data.layer.group_filters > 1:
        last = np.zeros_like(data.dedo)
        each = data.layer.group_filters
        last[:, each - 1 :: each] = data.dedo[:, each - 1 :: each]
        yield Guess(data.scatter(dedo=last, overwrite=True), "the last window of the last filter wins")
        yield Guess(data.scatter(dedo=last), "the last filter wins")
        yield Guess(data.scatter(dedo=last, overwrite=True, outermost=True), "the last filter element of it wins")


def overwritten_o(data: Data) -> Guesses:
    """Only the last product of a loop over channels or filter elements is kept: = for +=."""
    last = np.zeros_like(data.w)
    last[at(..., *[-1] * data.layer.dims)] = data.w[at(..., *[-1] * data.layer.dims)]
    yield Guess(data.convolve(w=last), "the last filter element wins")
    if data.layer.group_channels > 1:
        yield Guess(data.convolve(w=_last_channel(data.w)), "the last channel wins")
        yield Guess(data.convolve(w=_last_channel(last)), "the last filter element of the last channel wins")


def _last_channel(w: Array) -> Array:
    last = np.zeros_like(w)
    last[:, -1] = w[:, -1]
    return last


def overwritten_w(data: Data) -> Guesses:
    """Only the last product of a loop over positions, or over samples, is kept: = for +=."""
    corner = np.zeros_like(data.dedo)
    corner[at(..., *[-1] * data.layer.dims)] = data.dedo[at(..., *[-1] * data.layer.dims)]
    yield Guess(data.gather(dedo=corner), "the last position wins")
    if data.layer.batch > 1:
        yield Guess(data.gather(data.x[-1:], corner[-1:]), "the last position of the last sample wins")
        yield Guess(data.gather(data.x[-1:], data.dedo[-1:]), "the last sample wins")


def overwritten_b(data: Data) -> Guesses:
    """Only the last element, or the last sample, is kept: = for +=."""
    yield Guess(data.dedo[at(-1, slice(None), *[-1] * data.layer.dims)], "the last element wins")
    if data.layer.batch > 1:
        yield Guess(data.dedo[-1].sum(axis=tuple(range(1, 1 + data.layer.dims))), "the last sample wins")


def one_sample(n: int, result: Tensor) -> Callable[[Data], Guesses]:
    """Only sample n (0 for the first, -1 for the last) counts."""

    def guesses(data: Data) -> Guesses:
        if data.layer.batch == 1:
            return
        if result in (Tensor.DW, Tensor.DB):
            sample = slice(n, None) if n else slice(0, 1)
            yield Guess(data.compute(result, x=data.x[sample], dedo=data.dedo[sample]))
            return
        right = data.right[result]
        only = np.zeros_like(right)
        only[n] = right[n]
        yield Guess(only, "the others are 0")
        yield Guess(np.broadcast_to(right[n], only.shape), "for all of them")
        yield Guess(right[n], "without its batch axis", bare=True)

    return guesses


def not_summed_w(data: Data) -> Guesses:
    """A gradient per sample: the batch axis is still there."""
    samples = [data.gather(data.x[n : n + 1], data.dedo[n : n + 1]) for n in range(data.layer.batch)]
    if data.layer.x_lead == 2:
        yield Guess(np.stack(samples), bare=True)


def not_summed_b(data: Data) -> Guesses:
    """A sum over positions alone: the batch axis is still there."""
    if data.layer.x_lead == 2:
        yield Guess(data.dedo.sum(axis=data.spatial), bare=True)


def db_wrong_axes(data: Data) -> Guesses:
    """Sums of dE/dO over any other axes, in the shape that they give."""
    dedo = data.dedo
    every = range(dedo.ndim)
    right = (0, *data.spatial)
    for axes in chain.from_iterable(combinations(every, count) for count in range(dedo.ndim + 1)):
        if axes != right:
            kept = [axis for axis in every if axis not in axes]
            shown = ", ".join(str(axis) for axis in axes) or "none"
            total = dedo.sum(axis=axes) if axes else dedo
            present = [axis for axis in kept if axis >= 2 or axis >= 2 - data.layer.lead[Tensor.O]]
            shape = tuple(dedo.shape[axis] for axis in present)
            yield Guess(total.reshape(shape), f"summed over axes {shown}", bare=True)
