"""The products in an element of a result, read from a recipe or, with impulses, from somebody's code.

Every result of a layer is linear in each of its two operands. If each operand holds a single 1, an element of the
result is the coefficient of the product of these two positions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from operator import or_

import numpy as np

from cnngrad.arrays import Array, Arrays
from cnngrad.causes.edits import Mixed
from cnngrad.causes.evaluate import Data, factors_of, traced
from cnngrad.causes.recipe import Recipe
from cnngrad.layer import Layer, Shape
from cnngrad.layer.expansion import OPERANDS, Expansion, Term
from cnngrad.layer.names import Index, Names, Number
from cnngrad.tensor import DEDO, B, O, Tensor, W, X

__all__ = ["Product", "as_expansion", "products_of", "read_elements", "reader_of"]

# Maximum number of products of an element that are written out.
_MOST_PRODUCTS = 500
# Computes a whole result from its operands, all in canonical shape.
Compute = Callable[[Arrays], Array]


@dataclass(frozen=True)
class Product:
    """One product in an element's sum.

    Attributes:
        factors: its factors, each a tensor and a canonical index.
        coefficient: how often it occurs in the sum, usually 1.
    """

    factors: tuple[tuple[Tensor, Index], ...]
    coefficient: float


def read_elements(
    layer: Layer, result: Tensor, compute: Compute, worst: Index, most: int
) -> dict[Index, list[Product]] | None:
    """The products in every element of a result, by canonical index; only in the worst one if all would take too long.

    Args:
        layer: the layer.
        result: the result.
        compute: computes it from the arrays that `OPERANDS` names for it, and b for O; all in canonical shape.
        worst: the canonical index of the worst element.
        most: how many computations are allowed; None is returned if they don't suffice for one element.
    """
    shapes, operands = layer.canonical, OPERANDS[result]

    def impulse(tensor: Tensor, place: int) -> dict[Tensor, Array]:
        return {tensor: (np.arange(prod(shapes[tensor])) == place).reshape(shapes[tensor]).astype(float)}

    # Positive numbers in the other operand can't cancel: the result shows whether the impulse takes part.
    generator = np.random.default_rng(0)
    spread = {tensor: generator.uniform(1, 2, shapes[tensor]) for tensor in operands}
    parts: dict[Tensor, Sequence[int]] = {tensor: range(prod(shapes[tensor])) for tensor in operands}
    read: Iterable[Index] = np.ndindex(shapes[result])
    for tensor in operands:
        if prod(map(len, parts.values())) > most:
            most -= len(parts[tensor])
            if most < 0:
                return None
            parts[tensor] = [k for k in parts[tensor] if compute(spread | impulse(tensor, k))[worst]]
            read = [worst]
    if prod(map(len, parts.values())) > most:
        return None
    together = list(product(*([(tensor, k) for k in part] for tensor, part in parts.items())))
    if result is O and layer.has_bias:
        together += [((B, k),) for k in range(layer.filters)]
    found: dict[Index, list[Product]] = {index: [] for index in read}
    zeros = {tensor: np.zeros(shapes[tensor]) for tensor in operands}
    for places in together:
        array = compute(reduce(or_, (impulse(*place) for place in places), zeros))
        factors = tuple((tensor, _index(k, shapes[tensor])) for tensor, k in places)
        for index, products in found.items():
            if array[index]:
                products.append(Product(factors, array[index].item()))
    return found


def products_of(recipe: Recipe, index: Index) -> list[Product] | None:
    """The products of the user's arrays that a recipe adds up to an element; None if it is no such sum, or too long.

    Args:
        recipe: the recipe of a result in the right shape.
        index: the element's canonical index.
    """
    role, shapes = recipe.layer.own.role, recipe.layer.canonical
    if (read := reader_of(recipe)) is None or (found := read(index))[0].shape[1] > _MOST_PRODUCTS:
        return None
    tensors = [recipe.reads[operand].tensor for operand in OPERANDS[recipe.result]]
    counts = Counter(sorted(map(tuple, found[0].T.tolist())))
    products = [
        Product(tuple((role[t], _index(k, shapes[t])) for t, k in zip(tensors, places, strict=True)), recipe.factor * n)
        for places, n in counts.items()
    ]
    return products + [Product(((B, (k,)),), recipe.factor) for k in found[1]]


def reader_of(recipe: Recipe) -> Callable[[Index], tuple[Array, list[int]]] | None:
    """A function from an element's index to its products; None if a recipe adds up no products of the user's arrays.

    The function gives the flat index of each product's factors, a row for each operand, and those of b that are added.
    """
    layer, result, shapes = recipe.layer, recipe.result, recipe.layer.canonical
    reads = [recipe.reads[tensor] for tensor in OPERANDS[result]]
    computes = any(isinstance(edit, Mixed) for read in reads for edit in read.edits)
    if not recipe.is_sum or computes or any(read.tensor is O for read in reads):
        return None
    given = [X, W, DEDO, *[B] * layer.has_bias]
    # Counted from 1: a 0 is a zero of no array.
    data = Data.of(layer, {tensor: np.arange(1, prod(shapes[tensor]) + 1) for tensor in given})
    sums, factors = traced(recipe).reshape(shapes[result]), factors_of(recipe, data)
    b = data.read(recipe, B).tolist() if result is layer.own.role[O] and layer.has_bias else []

    def read(index: Index) -> tuple[Array, list[int]]:
        number = int(sums[index])
        if not number or not recipe.factor:
            return np.empty((len(reads), 0), int), []
        place = _index(number - 1, recipe.shape)
        found = np.array([factor.ravel() for factor in factors(place)])
        return found[:, found.all(axis=0)] - 1, [k - 1 for k in b[place[1] :][:1] if k] if b else []

    return read


def _index(number: int, shape: Shape) -> Index:
    return tuple(map(int, np.unravel_index(number, shape)))


def as_expansion(
    layer: Layer,
    result: Tensor,
    index: Index,
    products: list[Product],
    values: Arrays,
    value: Number,
    rounding: float,
) -> Expansion | None:
    """An element's sum, made of its products; None if their values don't add up to the element's number.

    Args:
        layer: the layer.
        result: the tensor that the element belongs to.
        index: the element's canonical index.
        products: its products.
        values: the numbers of the arrays, in canonical shape.
        value: the element's number.
        rounding: the allowed error, as a fraction of the sum of the products' absolute values.
    """
    names = Names(layer)
    terms, total, size = [], 0.0, 0.0
    for each in products:
        numbers = [values[tensor][place].item() for tensor, place in each.factors]
        symbols = [names.symbol(tensor, place) for tensor, place in each.factors]
        factor = each.coefficient
        term = factor * prod(map(float, numbers))
        total, size = total + term, size + abs(term)
        shown = () if factor == 1 else (int(factor) if factor == int(factor) else factor,)
        terms.append(Term((*shown, *symbols), (*shown, *numbers)))
    if abs(total - value) > rounding * size + 1e-12:
        return None
    return Expansion(names.symbol(result, index), tuple(terms), value, len(terms), 0)
