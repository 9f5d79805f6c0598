"""Comparing a claim with what a mistake would have given."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes import Data, Guess, Mistake
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["Found", "absolute", "as_user", "guesses_of", "remade", "reproduced"]

# So many elements of a guess are compared first.
_PROBES = 512


def guesses_of(mistake: Mistake, data: Data, result: Tensor) -> Iterator[Guess]:
    """What a mistake leads to in one gradient; nothing where it can't be made there."""
    make: Callable[[Data], Iterator[Guess]] | None = mistake.guesses.get(result)
    return iter(()) if make is None else make(data)


class Found(NamedTuple):
    """A guess that is the claim.

    Attributes:
        detail: the mistake's parameter in words.
        remake: computes the same guess, in the user's layout, from other data of the same layer.
    """

    detail: str
    remake: Callable[[Data], Array]


def reproduced(
    mistake: Mistake, data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance
) -> Found | None:
    """The first guess that is the claim, to the claim's precision; None where there is none."""
    scale = float(magnitude.max()) if magnitude.size else 0.0
    for number, guess in enumerate(guesses_of(mistake, data, result)):
        array = as_user(data.layer, result, guess)
        if array.size == claim.size == 1:
            array = array.reshape(claim.shape)
        if array.shape != claim.shape:
            continue
        found = Found(guess.detail, partial(remade, mistake, result, number))
        if not claim.size:
            return found
        # Few numbers tell most guesses from the claim.
        few = slice(None, None, 1 + claim.size // _PROBES)
        some = array.reshape(-1)[few]
        claimed = claim.reshape(-1)[few]
        if (np.abs(claimed - some) > tolerance.allowed(claimed, np.full(some.shape, 100 * scale))).any():
            continue
        error = np.abs(claim - array)
        sizes = np.abs(remade(mistake, result, number, absolute(data, result))).reshape(array.shape)
        if (error <= tolerance.allowed(claim, sizes)).all():
            return found
    return None


def remade(mistake: Mistake, result: Tensor, number: int, data: Data) -> Array:
    """A mistake's guess of a number, counted from 0, from other data."""
    return as_user(data.layer, result, next(islice(guesses_of(mistake, data, result), number, None)))


def absolute(data: Data, result: Tensor) -> Data:
    """The same layer with absolute values, so that a mistake's sums become sums of absolute terms."""
    x, w, dedo = (np.abs(a.astype(np.float64)) for a in (data.x, data.w, data.dedo))
    b = None if data.b is None else np.abs(data.b.astype(np.float64))
    sizes = replace(data, x=x, w=w, b=b, dedo=dedo)
    return replace(sizes, right={result: sizes.compute(result)})


def as_user(layer: Layer, result: Tensor, guess: Guess) -> Array:
    """A guess in the user's layout: rotated back where the layer has flip, without the axes that are not there."""
    array = guess.array
    if result is Tensor.DW and array.ndim == 2 + layer.dims:
        array = layer.rotated(array)
    if guess.bare:
        return array
    if result is Tensor.DB:
        return array.reshape(()) if layer.w_lead < 2 and array.size == 1 else array
    return array.reshape(array.shape[2 - layer.lead[result] :])
