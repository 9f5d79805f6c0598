"""Mistakes that a layer and its data can't reveal: they give the right result, or can't be made."""

from collections.abc import Iterable, Mapping

import numpy as np

from cnngrad.arrays import Array, read_tensor
from cnngrad.compute import Backward, Forward
from cnngrad.gradcheck.mistakes import CATALOGUE, Mistake
from cnngrad.gradcheck.recipe import Data, computed, right_recipe
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["hidden_by", "hidden_mistakes", "hidden_words"]


# How far decimals that should be the same may be apart, as a part of the largest.
_ROUNDING = 1e-9


def hidden_mistakes(data: Data, results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that can't be seen in this layer and data: they give the right result, or none."""
    return tuple(
        mistake.id
        for mistake in CATALOGUE
        if any(result in mistake.changes for result in results)
        and not any(_shows(mistake, data, result) for result in results)
    )


def hidden_by(layer: Layer, arrays: Mapping[Tensor, Array], results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that these numbers of a layer can't show.

    Args:
        layer: the layer.
        arrays: X, W, dE/dO and, where the layer has one, b, with their axes in cnngrad's order.
        results: the results in which the mistakes would show.
    """
    given = {tensor: read_tensor(tensor.key, array) for tensor, array in arrays.items()}
    forward = Forward(layer, given[Tensor.X], given[Tensor.W], given.get(Tensor.B))
    backward = Backward(layer, given[Tensor.X], given[Tensor.W], given[Tensor.DEDO])
    right = {result: (forward if result is Tensor.O else backward).computed(result) for result in results}
    own = {tensor: array.reshape(layer.canonical[tensor]) for tensor, array in {**arrays, **right}.items()}
    own |= {tensor: layer.rotated(own[tensor]) for tensor in (Tensor.W, Tensor.DW) if tensor in own}
    found = {result: own[result] for result in results}
    data = Data(layer, own[Tensor.X], own[Tensor.W], own[Tensor.DEDO], found, b=own.get(Tensor.B))
    return hidden_mistakes(data, results)


def _shows(mistake: Mistake, data: Data, result: Tensor) -> bool:
    right = data.right[result]
    alike = others = False
    for recipe, *_ in mistake.changed(right_recipe(data.layer, result)):
        # People make it in the right shape where they can: then the numbers must show it.
        if not recipe.may_give(right.shape):
            others = True
            continue
        alike = True
        array = computed(recipe, data)
        if recipe.bare or array.shape != right.shape or not _alike(array, right):
            return True
    return others and not alike


def _alike(array: Array, right: Array) -> bool:
    """Whether two results are the same, in decimals but for their rounding."""
    if right.dtype.kind == "i":
        return np.array_equal(array, right)
    return np.allclose(array, right, rtol=_ROUNDING, atol=_ROUNDING * float(np.abs(right).max(initial=0.0)))


def hidden_words(layer: Layer, ids: Iterable[str]) -> str:
    """The mistakes of some ids that people make in such a layer, in one phrase; empty where there are none.

    >>> from cnngrad.layer import make_layer
    >>> hidden_words(make_layer((3, 3), (2, 2)), ["stride-ignored", "stride-gap-wrong", "groups-mixed", "scaled"])
    'a factor; a wrong stride'
    """
    wanted = set(ids)
    found = dict.fromkeys(each.short for each in CATALOGUE if each.id in wanted and each.is_made_in(layer))
    return "; ".join(found)
