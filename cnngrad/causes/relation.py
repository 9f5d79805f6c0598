"""The relation between positions that some code follows.

A right layer has input position = s*i + d*u - p along each axis, for output position i and filter position u. Wrong
code often follows another relation of this form, which a few computations with telling numbers show.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import recipe_by
from cnngrad.layer import Layer, Positions, Relation, indices
from cnngrad.layer.expansion import OPERANDS
from cnngrad.tensor import Tensor

__all__ = ["followed", "read_relations", "spoken"]

# Computes all of a result, in canonical shape, from its operands in canonical shape; b of O is 0 too.
Compute = Callable[[Mapping[Tensor, Array]], Array]
# So many positions of the first operand are tried, at most.
_MOST_TRIED = 24
# Which of output, filter and input position the impulse, its partner's number, and the element itself stand for.
_ROLES = {Tensor.O: (1, 2, 0), Tensor.DW: (0, 2, 1), Tensor.DX: (0, 1, 2)}


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
        result: the result that the code computes.
        compute: computes it.
        claim: what it computed of these numbers, in the user's layout.
        allowed: how far an element may be off.
    """
    relations = read_relations(data.layer, result, compute)
    if relations is None:
        return None
    off = np.abs(claim - made(recipe_by(data.layer, result, relations), data).reshape(claim.shape))
    return None if (off > allowed).any() else relations


def read_relations(layer: Layer, result: Tensor, compute: Compute) -> list[Relation] | None:
    """The relations that some code follows for one filter and channel; None where there are none, or too few to tell.

    Args:
        layer: the layer.
        result: the result that the code computes; dE/db follows no relation.
        compute: computes it.
    """
    if result not in _ROLES:
        return None
    places = _places(layer, result, compute)
    if not len(places):
        return None
    found = []
    for number, axis in enumerate(layer.axes):
        on_axis = places[:, :, number]
        relation = axis.relation if _holds(axis.relation, on_axis) else _followed(on_axis)
        if relation is None or not relation.output or not relation.filter:
            return None
        found.append(relation)
    return found


def _places(layer: Layer, result: Tensor, compute: Compute) -> Positions:
    """Output, filter and input positions that the code brings together, a row of three for each product.

    With a single 1 in the first operand, and a number for each position in the second, every element of the result is
    the number of the position that it reads. One sample, one filter and one channel take part. The numbers are so
    large that neither a sum of two nor a multiple is another one of them.
    """
    first, second = OPERANDS[result]
    shapes, dims = layer.canonical, layer.dims
    spatial = list(indices(shapes[first][2:]))
    partners = np.array(list(indices(shapes[second][2:])))
    numbered = np.zeros(shapes[second])
    least = 2 * len(partners)
    numbered[0, 0] = np.arange(least, least + len(partners)).reshape(shapes[second][2:])
    found = []
    for place in spatial[:: -(-len(spatial) // _MOST_TRIED)]:
        impulse = np.zeros(shapes[first])
        impulse[(0, 0, *place)] = 1
        filled = compute({first: impulse, second: numbered})[0, 0]
        for element in zip(*np.nonzero(filled), strict=True):
            number = int(filled[element]) - least
            if number != filled[element] - least or not 0 <= number < len(partners):
                return np.zeros((0, 3, dims), np.int64)
            three = (place, partners[number], element)
            found.append([three[_ROLES[result].index(role)] for role in range(3)])
    return np.array(found, np.int64).reshape(-1, 3, dims)


def _holds(relation: Relation, places: Positions) -> bool:
    """Whether all places, rows of an output, a filter and an input position, follow a relation."""
    return bool((places @ [relation.output, relation.filter, -1] + relation.constant == 0).all())


def _followed(places: Positions) -> Relation | None:
    """The one relation that all places follow; None where there is none, or more than one."""
    factors = np.column_stack([places[:, :2], np.ones(len(places), np.int64)])
    if np.linalg.matrix_rank(factors) < factors.shape[1]:
        return None
    solution = np.linalg.lstsq(factors, places[:, 2])[0]
    found = Relation(*(round(float(number)) for number in solution))
    return found if _holds(found, places) else None
