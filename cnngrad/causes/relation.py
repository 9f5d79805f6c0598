"""The relation between positions that some code follows.

A right layer has input position = s*i + d*u - p along each axis, for output position i and filter position u. Wrong
code often follows another relation of this form, which a few computations with telling numbers show.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import recipe_by
from cnngrad.layer import Layer, Positions, Relation
from cnngrad.layer.expansion import OPERANDS
from cnngrad.tensor import Tensor

__all__ = ["followed", "spoken"]

# Computes all of a result, in canonical shape, from its operands in canonical shape; b of O is 0 too.
Compute = Callable[[Mapping[Tensor, Array]], Array]
# So many positions of the first operand are tried, at most.
_MOST_TRIED = 24
# Which of the impulse (0), its partner (1) and the element itself (2) are output, filter and input position.
_ROLES = {Tensor.O: (2, 0, 1), Tensor.DW: (0, 2, 1), Tensor.DX: (0, 1, 2)}


def spoken(layer: Layer, relations: Sequence[Relation]) -> str:
    """Which relations are followed where they should be others, in words; empty where all are right."""
    along: dict[tuple[Relation, Relation], list[str]] = {}
    for found, axis, word in zip(relations, layer.axes, layer.axis_words, strict=True):
        if found != axis.relation:
            along.setdefault((found, axis.relation), []).append(f"{word}s")
    told = []
    for (found, right), words in along.items():
        where = "" if layer.dims == 1 else f" along the {' and '.join(words)}"
        told.append(f"input position = {found}{where}; it should be {right}")
    return f"{', and '.join(told)} (output position i and filter position u count from 0)" if told else ""


def followed(
    data: Data, result: Tensor, compute: Compute, claim: Array, allowed: Array | float
) -> list[Relation] | None:
    """The relations that some code follows, read for one filter and channel and verified on all it computed.

    Args:
        data: the layer and its numbers.
        result: the result that the code computes; dE/db follows no relation.
        compute: computes it.
        claim: what it computed of these numbers, in the user's layout.
        allowed: how far an element may be off.

    Returns:
        The relations; None if there are none, or too few places to tell.
    """
    places = _places(data.layer, result, compute) if result in _ROLES else np.zeros((0, 3, 0), np.int64)
    if not len(places):
        return None
    relations = []
    for number, axis in enumerate(data.layer.axes):
        # An output and a filter position, and 1; and the input position that belongs to them.
        factors, inputs = np.insert(places[:, :2, number], 2, 1, axis=1), places[:, 2, number]
        relation: Relation | None = axis.relation
        if (factors @ axis.relation != inputs).any():
            # One relation alone fits if the places are independent.
            found = np.rint(np.linalg.lstsq(factors, inputs)[0]).astype(int)
            is_one = np.linalg.matrix_rank(factors) == len(found) and (factors @ found == inputs).all()
            relation = Relation(*found.tolist()) if is_one and found[:2].all() else None
        if relation is None:
            return None
        relations.append(relation)
    off = np.abs(claim - made(recipe_by(data.layer, result, relations), data).reshape(claim.shape))
    return None if (off > allowed).any() else relations


def _places(layer: Layer, result: Tensor, compute: Compute) -> Positions:
    """Output, filter and input positions that the code brings together, a row of three for each product.

    With a single 1 in the first operand, and a number for each position in the second, every element of the result is
    the number of the position that it reads. One sample, one filter and one channel take part. The numbers are so
    large that neither a sum of two nor a multiple is another one of them.
    """
    first, second = OPERANDS[result]
    shapes = layer.canonical
    count, size = prod(shapes[first][2:]), prod(shapes[second][2:])
    numbered = np.zeros(shapes[second])
    numbered[0, 0] = np.arange(2 * size, 3 * size).reshape(shapes[second][2:])
    found = []
    for number in range(0, count, -(-count // _MOST_TRIED)):
        impulse = np.zeros(shapes[first])
        impulse[0, 0].flat[number] = 1
        filled = compute({first: impulse, second: numbered})[0, 0]
        read, elements = filled[filled != 0] - 2 * size, np.argwhere(filled)
        if not np.isin(read, np.arange(size)).all():
            return np.zeros((0, 3, layer.dims), np.int64)
        place = np.unravel_index(number, shapes[first][2:])
        partners = np.transpose(np.unravel_index(read.astype(int), shapes[second][2:]))
        three = (np.broadcast_to(place, elements.shape), partners, elements)
        found.append(np.stack([three[role] for role in _ROLES[result]], axis=1))
    return np.concatenate(found)
