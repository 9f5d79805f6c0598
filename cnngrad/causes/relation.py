"""The relation between positions that some code follows.

A right layer has input position = s*i + d*u - p along each axis, for output position i and filter position u. Wrong
code often follows another relation of this form, which a few computations reveal.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from cnngrad.arrays import Array, Arrays
from cnngrad.causes.catalogue import exchanged
from cnngrad.causes.evaluate import Data, made, spread_places
from cnngrad.causes.reading import Compute
from cnngrad.causes.recipe import right_recipe
from cnngrad.layer import Layer, Positions, Relation
from cnngrad.layer.expansion import OPERANDS
from cnngrad.tensor import DW, DX, O, Tensor

__all__ = ["followed", "spoken"]

# Up to this many positions of the first operand are all tried, of more only a few.
_FEW = 24
# Which of impulse (0), partner (1) and element of the result (2) gives the output, filter and input position.
_ROLES = {O: (2, 0, 1), DW: (0, 2, 1), DX: (0, 1, 2)}


def spoken(layer: Layer, relations: Sequence[Relation]) -> str:
    """The wrong relations that are followed, with the right ones, in words; empty if all are right."""
    along: dict[tuple[Relation, Relation], list[str]] = {}
    for found, axis, word in zip(relations, layer.axes, layer.axis_words, strict=True):
        if found != axis.relation:
            along.setdefault((found, axis.relation), []).append(f"{word}s")
    told = []
    for (found, right), words in along.items():
        where = "" if layer.dims == 1 else f" along the {' and '.join(words)}"
        told.append(f"input position = {found}{where}; it should be {right}")
    text = f"{', and '.join(told)} (output position i and filter position u count from 0)" if told else ""
    # Where a transposed layer writes, its twin reads.
    return exchanged(text) if layer.transposed else text


def followed(
    data: Data, result: Tensor, compute: Compute, claim: Array, allowed: Array | float
) -> list[Relation] | None:
    """The relations that some code follows, read for one filter and channel and verified on the whole claim.

    Args:
        data: the layer and its numbers.
        result: the user's result that the code computes; dE/db follows no relation.
        compute: computes it from the user's arrays.
        claim: what it computed from these numbers, in the user's layout.
        allowed: the allowed error of each element.

    Returns:
        The relations; None if the code follows none, or if too few positions are known to determine them.
    """
    role = data.layer.own.role
    result = role[result]
    if result not in _ROLES:
        return None

    def made_of(arrays: Arrays) -> Array:
        return compute({role[tensor]: array for tensor, array in arrays.items()})

    places = _places(data.layer, result, made_of)
    if places is None or not len(places):
        return None
    relations = []
    for number, axis in enumerate(data.layer.axes):
        # Output position, filter position and 1; and the input position that they meet.
        factors = np.insert(places[:, :2, number], 2, 1, axis=1)
        inputs = places[:, 2, number]
        relation = axis.relation
        if (factors @ relation != inputs).any():
            # The relation is unique if the factors have full rank.
            found, _, rank, _ = np.linalg.lstsq(factors, inputs)
            relation = Relation(*np.rint(found).astype(int).tolist())
            is_one = rank == len(found) and (factors @ relation == inputs).all()
            if not (is_one and relation.output and relation.filter):
                return None
        relations.append(relation)
    off = np.abs(claim - made(right_recipe(data.layer, result).by(relations), data).reshape(claim.shape))
    return None if (off > allowed).any() else relations


def _places(layer: Layer, result: Tensor, compute: Compute) -> Positions | None:
    """The output, filter and input position of each product that the code makes, one row each; None if it reads others.

    The first operand holds a single 1, the second a different number at each position, so every element of the result
    is the number of the position that it reads. One sample, one filter and one channel take part. The numbers run from
    2n to 3n-1 for n positions, so that no sum or multiple of them is another one.
    """
    first, second = OPERANDS[result]
    shapes = layer.canonical
    count, size = prod(shapes[first][2:]), prod(shapes[second][2:])
    numbered = np.zeros(shapes[second])
    numbered[0, 0] = np.arange(2 * size, 3 * size).reshape(shapes[second][2:])
    found = []
    for number in range(count) if count <= _FEW else spread_places(count):
        impulse = np.zeros(shapes[first])
        impulse[0, 0].flat[number] = 1
        filled = compute({first: impulse, second: numbered})[0, 0]
        read, elements = filled[filled != 0] - 2 * size, np.argwhere(filled)
        if not np.isin(read, np.arange(size)).all():
            return None
        place = np.unravel_index(number, shapes[first][2:])
        partners = np.transpose(np.unravel_index(read.astype(int), shapes[second][2:]))
        three = (np.broadcast_to(place, elements.shape), partners, elements)
        found.append(np.stack([three[role] for role in _ROLES[result]], axis=1))
    return np.concatenate(found)
