"""Mistakes in what the padding holds: X's nearest, opposite or mirrored elements in place of zeros."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses, at

__all__ = ["border_not_zero_o", "border_not_zero_w", "border_not_zero_x"]

_MODES: dict[Any, str] = {
    "edge": "the nearest element",
    "wrap": "the opposite side",
    "reflect": "the mirror image",
    "symmetric": "the mirror image with the edge",
}


def border_not_zero_w(data: Data) -> Guesses:
    """X's frame is filled with elements of X."""
    for framed, words in _framed(data):
        yield Guess(data.gather(framed, before=(0,) * data.layer.dims), words)


def _framed(data: Data) -> Iterator[tuple[Array, str]]:
    pads = [(0, 0), (0, 0), *((axis.before, axis.after) for axis in data.axes)]
    if any(before or after for before, after in pads):
        for mode, words in _MODES.items():
            yield np.pad(data.x, pads, mode=mode), f"the padding holds {words}"


def border_not_zero_o(data: Data) -> Guesses:
    """X's frame is filled with elements of X."""
    for framed, words in _framed(data):
        yield Guess(data.convolve(framed, before=(0,) * data.layer.dims), words)


def border_not_zero_x(data: Data) -> Guesses:
    """What belongs to the frame is added to the elements of X that it would be filled with."""
    padded = tuple(axis.padded for axis in data.axes)
    if padded == data.layer.size:
        return
    whole = data.scatter(before=(0,) * data.layer.dims, size=padded)
    for mode, words in _MODES.items():
        sources = [np.pad(np.arange(axis.size), (axis.before, axis.after), mode=mode) for axis in data.axes]
        folded = np.zeros((*whole.shape[:2], *data.layer.size), whole.dtype)
        for places in product(*map(range, padded)):
            here = tuple(int(source[k]) for source, k in zip(sources, places, strict=True))
            folded[at(..., *here)] += whole[at(..., *places)]
        yield Guess(folded, f"the padding holds {words}")
