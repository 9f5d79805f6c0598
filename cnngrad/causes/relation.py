"""The relation between positions that a wrong backward pass follows.

A right layer has input position = s*i + d*u - p along each axis, for output position i and filter position u. Wrong
code often follows another relation of this form, which a few of its products reveal.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cnngrad.causes.catalogue import exchanged
from cnngrad.causes.evaluate import spread_places
from cnngrad.causes.reading import reader_of
from cnngrad.causes.recipe import Recipe
from cnngrad.layer import Layer, Relation
from cnngrad.layer.expansion import OPERANDS
from cnngrad.tensor import O, W, X

__all__ = ["Relations", "read_relations", "spoken"]

Relations = tuple[Relation, ...]

# Number of elements whose products are examined.
_ELEMENTS = 64


def spoken(layer: Layer, relations: Sequence[Relation]) -> str:
    """The wrong relations that are followed, with the right ones, in words; empty if all are right."""
    along: dict[tuple[Relation, Relation], list[str]] = {}
    for found, axis, word in zip(relations, layer.axes, layer.axis_words, strict=False):
        if found != axis.relation:
            along.setdefault((found, axis.relation), []).append(f"{word}s")
    told = []
    for (found, right), words in along.items():
        where = "" if layer.dims == 1 else f" along the {' and '.join(words)}"
        told.append(f"input position = {found}{where}; it should be {right}")
    text = f"{', and '.join(told)} (output position i and filter position u count from 0)" if told else ""
    # Where a transposed layer writes, its twin reads.
    return exchanged(text) if layer.transposed else text


def read_relations(recipe: Recipe) -> list[Relations]:
    """The relations that a few products of a recipe follow, to be verified on all.

    Args:
        recipe: the recipe of a result in the right shape, but for dE/db.

    Returns:
        The relations; empty if the recipe follows none, or if too few positions are known to determine them.
    """
    result, shapes = recipe.result, recipe.layer.canonical
    tensors = [recipe.reads[operand].tensor for operand in OPERANDS[result]]
    if (read := reader_of(recipe)) is None or {tensor.array for tensor in (result, *tensors)} != {O, W, X}:
        return []
    # The positions of O, W and X in some products of some elements.
    met: list[list[Any]] = []
    for number in spread_places(prod(recipe.size), _ELEMENTS):
        place = np.unravel_index(number, recipe.size)
        products, _ = read((0, 0, *place))
        count = products.shape[1]
        for numbers in products.T[spread_places(count)[:count]]:
            at = {t.array: np.unravel_index(k, shapes[t])[2:] for t, k in zip(tensors, numbers, strict=True)}
            at[result.array] = place
            met.append([at[O], at[W], at[X]])
    relations = []
    for axis, (outputs, taps, inputs) in zip(
        recipe.layer.axes, np.reshape(met, (-1, 3, recipe.layer.dims)).T, strict=True
    ):
        factors, relation = np.column_stack([outputs, taps, np.ones_like(taps)]), axis.relation
        if (factors @ relation != inputs).any():
            # If some products don't follow it, the whole claim does not either.
            relation = Relation(*np.rint(np.linalg.lstsq(factors, inputs)[0]).astype(int).tolist())
            # Too few positions give a factor of 0.
            if not (relation.output and relation.filter):
                return []
        relations.append(relation)
    return [tuple(relations)]
