"""Comparing a claim with what a mistake would have given."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.mistakes import Data, Guess, Mistake
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["absolute", "as_user", "guesses_of", "reproduced"]

# So many elements of a guess are compared first.
_PROBES = 512


def guesses_of(mistake: Mistake, data: Data, result: Tensor) -> Iterator[Guess]:
    """What a mistake leads to in one gradient; nothing where it can't be made there."""
    make: Callable[[Data], Iterator[Guess]] | None = mistake.guesses.get(result)
    return iter(()) if make is None else make(data)


def reproduced(
    mistake: Mistake, data: Data, result: Tensor, claim: Array, magnitude: Array, tolerance: Tolerance
) -> str | None:
    """The detail of the first guess that is the claim, to the claim's precision; None where there is none."""
    scale = float(magnitude.max()) if magnitude.size else 0.0
    for number, guess in enumerate(guesses_of(mistake, data, result)):
        array = as_user(data.layer, result, guess)
        if array.size == claim.size == 1:
            array = array.reshape(claim.shape)
        if array.shape != claim.shape:
            continue
        if not claim.size:
            return guess.detail
        # Few numbers tell most guesses from the claim.
        few = slice(None, None, 1 + claim.size // _PROBES)
        some = array.reshape(-1)[few]
        claimed = claim.reshape(-1)[few]
        if (np.abs(claimed - some) > tolerance.allowed(claimed, np.full(some.shape, 100 * scale))).any():
            continue
        error = np.abs(claim - array)
        sizes = next(islice(guesses_of(mistake, absolute(data, result), result), number, None))
        if (error <= tolerance.allowed(claim, np.abs(as_user(data.layer, result, sizes)).reshape(array.shape))).all():
            return guess.detail
    return None


def absolute(data: Data, result: Tensor) -> Data:
    """The same layer with absolute values, so that a mistake's sums become sums of absolute terms."""
    x, w, dedo = (np.abs(a.astype(np.float64)) for a in (data.x, data.w, data.dedo))
    b = None if data.b is None else np.abs(data.b.astype(np.float64))
    sizes = replace(data, x=x, w=w, b=b, dedo=dedo)
    return replace(sizes, right={result: sizes.gradient(result)})


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
