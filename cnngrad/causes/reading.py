"""Which products stand in one element of a result: read off a recipe, or off some code with impulses.

Every result of a layer is linear in each of two arrays. With a single 1 in each of them, and 0 everywhere else, an
element is the coefficient of the product of these two.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data, factors_of, traced
from cnngrad.causes.recipe import Recipe
from cnngrad.layer import Layer, Shape, indices
from cnngrad.layer.expansion import OPERANDS, Expansion, Term
from cnngrad.layer.names import Index, Names, Number
from cnngrad.tensor import Tensor

__all__ = ["Product", "as_expansion", "products_of", "read_all", "read_element"]

# An element with more products is not written out.
_MOST_PRODUCTS = 500
# Computes a result, or one element of it, from arrays in canonical shape.
Compute = Callable[[Mapping[Tensor, Array]], float]


@dataclass(frozen=True)
class Product:
    """One product in an element's sum.

    Attributes:
        factors: its factors, each a tensor and a canonical index.
        coefficient: how often it stands in the sum: 1 as a rule.
    """

    factors: tuple[tuple[Tensor, Index], ...]
    coefficient: float


def read_element(layer: Layer, result: Tensor, compute: Compute, most: int) -> list[Product] | None:
    """The products whose sum an element is; None where reading them takes more than `most` computations.

    Args:
        layer: the layer.
        result: the tensor that the element belongs to.
        compute: computes the element from the arrays that `OPERANDS` names for the result, and b for O.
        most: how many computations it may take.
    """
    first, *others = OPERANDS[result]
    shapes = layer.canonical
    if prod(shapes[first]) > most:
        return None
    empty = {tensor: np.zeros(shapes[tensor]) for tensor in OPERANDS[result]}
    if result is Tensor.O and layer.has_bias:
        empty[Tensor.B] = np.zeros(shapes[Tensor.B])
    # With numbers whose sums don't cancel in the other array, an impulse shows whether its element takes part.
    generator = np.random.default_rng(0)
    spread = {tensor: generator.uniform(1, 2, shapes[tensor]) for tensor in OPERANDS[result]}
    full = empty | {each: spread[each] for each in others}
    reaching = _reaching(first, shapes[first], lambda part: compute(full | part))
    if not others:
        return [Product(((first, index),), value) for index, _, value in reaching]
    second, left = others[0], most - prod(shapes[first])
    partners = list(_impulses(shapes[second]))
    if len(reaching) * len(partners) > left:
        left -= len(partners)
        if left < 0:
            return None
        taking_part = _reaching(second, shapes[second], lambda part: compute(empty | {first: spread[first]} | part))
        partners = [(index, impulse) for index, impulse, _ in taking_part]
    if len(reaching) * len(partners) > left:
        return None
    products = [
        Product(((first, index), (second, other)), value)
        for index, impulse, _ in reaching
        for other, unit in partners
        if (value := compute(empty | {first: impulse, second: unit}))
    ]
    if Tensor.B in empty:
        for index, unit in _impulses(shapes[Tensor.B]):
            if value := compute(empty | {Tensor.B: unit}):
                products.append(Product(((Tensor.B, index),), value))
    return products


def read_all(
    layer: Layer, result: Tensor, compute: Callable[[Mapping[Tensor, Array]], Array], most: int
) -> dict[Index, list[Product]] | None:
    """The products in every element of a result, by canonical index; None where that takes more than `most` runs.

    Args:
        layer: the layer.
        result: the result.
        compute: computes all of the result, in canonical shape, from the arrays that `read_element` names.
        most: how many computations it may take.
    """
    shapes = layer.canonical
    empty = {tensor: np.zeros(shapes[tensor]) for tensor in OPERANDS[result]}
    parts: list[tuple[tuple[tuple[Tensor, Index], ...], dict[Tensor, Array]]] = [((), empty)]
    for tensor in OPERANDS[result]:
        if len(parts) * prod(shapes[tensor]) > most:
            return None
        parts = [
            ((*factors, (tensor, index)), given | {tensor: impulse})
            for factors, given in parts
            for index, impulse in _impulses(shapes[tensor])
        ]
    if result is Tensor.O and layer.has_bias:
        empty[Tensor.B] = np.zeros(shapes[Tensor.B])
        parts = [(factors, given | {Tensor.B: empty[Tensor.B]}) for factors, given in parts]
        parts += [(((Tensor.B, index),), empty | {Tensor.B: unit}) for index, unit in _impulses(shapes[Tensor.B])]
    found: dict[Index, list[Product]] = {index: [] for index in indices(shapes[result])}
    for factors, given in parts:
        made = compute(given)
        for place in zip(*np.nonzero(made), strict=True):
            index = tuple(int(k) for k in place)
            found[index].append(Product(factors, made[index].item()))
    return found


def products_of(recipe: Recipe, index: Index) -> list[Product] | None:
    """The products whose sum a recipe makes of an element; None where it is no such sum, or too long to be written out.

    Args:
        recipe: the recipe of a result in the right shape.
        index: the element's canonical index.
    """
    layer, result = recipe.layer, recipe.result
    tensors = [getattr(recipe, tensor.keyword).tensor for tensor in OPERANDS[result]]
    added_up = result is Tensor.DB or 0 in recipe.over
    if recipe.mixed or recipe.instead or Tensor.O in tensors or not added_up:
        return None
    shapes = layer.canonical
    # Each number says from which place of an array it comes; 0 from none.
    given = [Tensor.X, Tensor.W, Tensor.DEDO, *([Tensor.B] if layer.has_bias else [])]
    data = Data.of(layer, {tensor: np.arange(1, prod(shapes[tensor]) + 1) for tensor in given})
    whole: Shape = (*shapes[result][:2], *recipe.size)
    if result is Tensor.DB:
        dedo = data.read(recipe.dedo)
        kept = [axis for axis in range(dedo.ndim) if axis not in recipe.over]
        whole = tuple(dedo.shape[axis] for axis in kept)
    number = int(traced(recipe, whole).reshape(shapes[result])[index]) - 1
    if number < 0 or not recipe.factor:
        return []
    place = tuple(int(k) for k in np.unravel_index(number, whole))
    if result is Tensor.DB:
        sources = [dedo.transpose(*kept, *recipe.over)[place].ravel()]
    else:
        sources = [array.ravel() for array in factors_of(recipe, data)(place)]
    if sources[0].size > _MOST_PRODUCTS:
        return None
    together = zip(*(source.tolist() for source in sources), strict=True)
    counts = Counter(sorted(places for places in together if all(places)))
    products = [
        Product(tuple((t, _index(k, shapes[t])) for k, t in zip(places, tensors, strict=True)), recipe.factor * count)
        for places, count in counts.items()
    ]
    if result is Tensor.O and recipe.b is not None and data.b is not None and (k := int(data.read(recipe.b)[place[1]])):
        products.append(Product(((Tensor.B, (k - 1,)),), recipe.factor))
    return products


def _index(number: int, shape: Shape) -> Index:
    return tuple(int(k) for k in np.unravel_index(number - 1, shape))


def _reaching(
    tensor: Tensor, shape: Index, compute: Callable[[dict[Tensor, Array]], float]
) -> list[tuple[Index, Array, float]]:
    """The elements of a tensor that take part in a sum: their index, their impulse, and what it gives."""
    found = ((index, impulse, compute({tensor: impulse})) for index, impulse in _impulses(shape))
    return [(index, impulse, value) for index, impulse, value in found if value]


def _impulses(shape: Index) -> Iterator[tuple[Index, Array]]:
    """Every index of a shape, and an array of zeros with a single 1 there."""
    for index in indices(shape):
        impulse = np.zeros(shape)
        impulse[index] = 1
        yield index, impulse


def as_expansion(
    layer: Layer,
    result: Tensor,
    index: Index,
    products: list[Product],
    values: Mapping[Tensor, Array],
    value: Number,
    rounding: float = 1e-5,
) -> Expansion | None:
    """Products as an element's sum; None where, with the values put in, they don't give its number.

    Args:
        layer: the layer.
        result: the tensor that the element belongs to.
        index: the element's canonical index.
        products: its products.
        values: the numbers of the arrays, in canonical shape.
        value: the element's number.
        rounding: how far it may be off, as a part of the sum of the products' absolute values.
    """
    names = Names(layer)
    terms, total, size = [], 0.0, 0.0
    for product in products:
        numbers = [values[tensor][place].item() for tensor, place in product.factors]
        term = product.coefficient * float(np.prod([float(number) for number in numbers]))
        total, size = total + term, size + abs(term)
        symbols = tuple(names.symbol(tensor, place) for tensor, place in product.factors)
        factor = product.coefficient
        if factor == 1:
            terms.append(Term(symbols, tuple(numbers)))
        else:
            shown = int(factor) if factor == int(factor) else factor
            terms.append(Term((shown, *symbols), (shown, *numbers)))
    if abs(total - value) > rounding * size + 1e-12:
        return None
    return Expansion(names.symbol(result, index), tuple(terms), value, len(terms), 0)
