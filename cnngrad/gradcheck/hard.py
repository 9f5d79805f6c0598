"""A problem for a layer, with data that reveals every mistake that the layer can reveal."""

from dataclasses import replace
from typing import Any

import numpy as np

from cnngrad.arrays import Array, read_tensor
from cnngrad.compute import Backward
from cnngrad.gradcheck.diagnosis import hidden_mistakes
from cnngrad.gradcheck.mistakes import Data
from cnngrad.layer import Axis, Layer
from cnngrad.tensor import GRADIENTS, Tensor

__all__ = ["hard_problem"]

# The number of seeds tried; the one whose data hides the fewest mistakes is used.
_SEEDS = 8
# Images larger than this reveal no further mistakes.
_MOST_POSITIONS = 12


def hard_problem(layer: Layer) -> dict[str, Any]:
    """X, W, b and dE/dO for a layer, as a problem's keys: small integers without symmetries.

    Sizes of X that are equal become unequal, a batch of one becomes two, and large images small: the filter and the
    options stay. What the layer itself rules out (a wrong stride where the stride is 1) can't be shown by any data.

    >>> from cnngrad.layer import make_layer
    >>> hard_problem(make_layer((9, 9), (2, 2), stride=2))["X"].shape
    (9, 10)
    """
    small = _telling_sizes(layer)
    best = min((_random(small, seed) for seed in range(_SEEDS)), key=lambda arrays: len(_hidden(small, arrays)))
    found = dict(zip((Tensor.X, Tensor.W, Tensor.DEDO), best, strict=True))
    if layer.has_bias:
        found[Tensor.B] = np.arange(1, layer.filters + 1)
    arrays = {t.key: layer.layouts.written(t, found[t].reshape(small.shapes[t])) for t in Tensor if t in found}
    return arrays | _options(layer)


def _telling_sizes(layer: Layer) -> Layer:
    axes: list[Axis] = []
    for axis in layer.axes:
        # At least three windows fit, where the image has as many.
        least = axis.span + 2 * axis.stride - axis.before - axis.after
        size = axis.size if axis.size <= _MOST_POSITIONS else max(least, min(axis.size, _MOST_POSITIONS))
        while any(size == other.size for other in axes):
            size += 1
        axes.append(replace(axis, size=size))
    batch = max(2, min(layer.batch, 3)) if layer.x_lead == 2 else 1
    return replace(layer, axes=tuple(axes), batch=batch)


def _random(layer: Layer, seed: int) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng(seed)
    x, w, dedo = (generator.integers(1, 10, layer.canonical[tensor]) for tensor in (Tensor.X, Tensor.W, Tensor.O))
    signs = generator.choice([-1, 1], dedo.shape)
    return x, w, dedo * signs


def _hidden(layer: Layer, arrays: tuple[Array, Array, Array]) -> tuple[str, ...]:
    x, w, dedo = arrays
    gradients = Backward(layer.unflipped, *(read_tensor("data", array) for array in arrays))
    right = {result: gradients.gradient(result).reshape(layer.canonical[result]) for result in GRADIENTS}
    return hidden_mistakes(Data(layer.unflipped, x, w, dedo, right), GRADIENTS)


def _options(layer: Layer) -> dict[str, Any]:
    return {
        "stride": [axis.stride for axis in layer.axes],
        "padding": [[axis.before, axis.after] for axis in layer.axes],
        "dilation": [axis.dilation for axis in layer.axes],
        "groups": layer.groups,
        "flip": layer.flip,
        "dims": layer.dims,
    }
