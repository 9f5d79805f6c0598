"""A problem for a layer, with data that reveals every mistake that the layer can reveal."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data
from cnngrad.causes.search import hidden_mistakes, hidden_words
from cnngrad.layer import Axis, Layer
from cnngrad.schema import SCHEMA, Json
from cnngrad.tensor import DEDO, GRADIENTS, B, Tensor, W, X

__all__ = ["HardProblem", "hard_problem", "random_arrays"]

# Number of seeds tried; the one whose data hides the fewest mistakes is used.
_SEEDS = 8
# Size of an axis, in positions, beyond which an image reveals no further mistakes.
_MOST_POSITIONS = 12


class HardProblem(NamedTuple):
    """A problem whose data hides as few mistakes as its layer allows.

    Attributes:
        keys: the problem, as its file's keys.
        note: the mistakes that the shape still hides, or how it was changed, in a sentence; empty if neither applies.
    """

    keys: Json
    note: str


def hard_problem(layer: Layer, grow: bool = False) -> HardProblem:
    """X, W, b and dE/dO for a layer: small integers without symmetries.

    Args:
        layer: the layer.
        grow: whether X's shape may change: equal sizes become unequal, a batch of one becomes two, and large images
            become small. Filter and options stay, and hide what they rule out (a wrong stride if the stride is 1).

    >>> from cnngrad.layer import make_layer
    >>> hard_problem(make_layer((9, 9), (2, 2), stride=2)).keys["X"].shape
    (9, 9)
    >>> hard_problem(make_layer((9, 9), (2, 2), stride=2), grow=True).note
    'X is 9×10 instead of 9×9, which reveals more mistakes'
    """
    telling = _small(layer, unequal=True)
    target = telling if grow else layer
    # Try large images at a small size; equal sizes stay equal.
    tried = target if grow else _small(layer, unequal=False)
    seed = min(range(_SEEDS), key=lambda seed: len(_hidden(tried, seed)))
    found = random_arrays(target, seed)
    if target.has_bias:
        found[B] = np.arange(1, target.filters + 1)
    arrays = {t.key: target.layouts.written(t, found[t].reshape(target.shapes[t])) for t in Tensor if t in found}
    keys = {"schema": SCHEMA} | arrays | target.options
    if grow:
        before, after = ("×".join(map(str, each.written[X])) for each in (layer, telling))
        return HardProblem(
            keys, "" if before == after else f"X is {after} instead of {before}, which reveals more mistakes"
        )
    words = hidden_words(set(_hidden(tried, seed)) - set(_hidden(telling, seed)))
    return HardProblem(keys, f"this shape hides some mistakes: {words}; --grow changes the shape" if words else "")


def _small(layer: Layer, unequal: bool) -> Layer:
    """The layer with small images; if asked, also with unequal sizes and at least two samples."""
    axes: list[Axis] = []
    for axis in layer.axes:
        # The size at which three windows fit.
        three = axis.span + 2 * axis.stride - axis.before - axis.after
        # The padding may be no larger than the image.
        least = max(three, axis.before + 1, axis.after + 1, _MOST_POSITIONS)
        size = axis.size if axis.size <= _MOST_POSITIONS else least
        while replace(axis, size=size).out < 1 or (unequal and any(size == other.size for other in axes)):
            size += 1
        axes.append(replace(axis, size=size))
    least_batch = 2 if unequal and layer.x_lead == 2 else 1
    return replace(layer, axes=tuple(axes), batch=max(least_batch, min(layer.batch, 3)))


def random_arrays(layer: Layer, seed: int) -> dict[Tensor, Array]:
    """X, W and dE/dO of small integers, in canonical shape."""
    generator = np.random.default_rng(seed)
    found: dict[Tensor, Array] = {t: generator.integers(1, 10, layer.canonical[t]) for t in (X, W, DEDO)}
    found[DEDO] *= generator.choice([-1, 1], found[DEDO].shape)
    return found


def _hidden(layer: Layer, seed: int) -> tuple[str, ...]:
    return hidden_mistakes(Data.of(layer.unflipped, random_arrays(layer, seed)), GRADIENTS)
