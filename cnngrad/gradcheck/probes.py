"""A few elements of what a recipe gives, without the others: enough to tell most recipes from a claim."""

from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.edits import at, edited
from cnngrad.gradcheck.reading import OPERANDS
from cnngrad.gradcheck.recipe import ELEMENTS_A_TRY, Collect, Data, Recipe, as_user, with_border
from cnngrad.layer import Shape
from cnngrad.tensor import Tensor

__all__ = ["probed", "spread_places"]

# Up to so many products a result is as quick to compute as its probes.
_FEW_PRODUCTS = 100_000
# So many elements are looked at, apart by the golden ratio of the whole.
_PROBES, _GOLDEN = 8, 0.618034


def spread_places(size: int) -> Array:
    """A few flat numbers of an array of some size, spread evenly, at every phase of its rows."""
    return np.unique((np.arange(1, _PROBES + 1) * _GOLDEN % 1 * size).astype(int))


def probed(recipe: Recipe, data: Data, shape: Shape, places: Array) -> Array | None:
    """Some elements of what a recipe gives; None where all are as quick to compute, or none can be without the others.

    Args:
        recipe: the recipe.
        data: the layer and its numbers.
        shape: the shape, in the user's layout, that the result must have.
        places: the flat numbers of the elements.

    Returns:
        The elements, or nothing (shape (0,)) where the result has another shape.
    """
    if recipe.result is Tensor.DB or recipe.instead or recipe.collect is not Collect.ADDED or 0 not in recipe.over:
        return None
    recipe = with_border(recipe)
    if any(edit.adds for edit in recipe.done):
        return None
    products = prod(recipe.layer.canonical[Tensor.O]) * prod(recipe.layer.canonical[Tensor.W][1:])
    if products <= _FEW_PRODUCTS:
        return None
    elements = _Elements(recipe, data)
    # Where each element comes from, counted from 1: a 0 moved in, or was left out.
    numbers = np.arange(1, prod(elements.shape) + 1).reshape(elements.shape)
    come_from = as_user(recipe, edited(numbers, recipe.done))
    if come_from.shape != shape:
        return np.empty(0)
    wanted = come_from.reshape(-1)[places] - 1
    data.tries.left -= 1 + len(places) * products / prod(elements.shape) / ELEMENTS_A_TRY
    with np.errstate(over="ignore", invalid="ignore"):  # what a mistake gives may be too large
        return recipe.factor * np.array([elements.of(int(number)) if number >= 0 else 0 for number in wanted])


class _Elements:
    """The elements of O, dE/dW or dE/dX by a recipe, each by itself."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        """The elements that a recipe gives, before anything is done to the result."""
        self._recipe, self._known = recipe, data.known(recipe.sums)
        self._b = data.read(recipe.b) if recipe.result is Tensor.O and recipe.b and data.b is not None else None
        # The two operands of the result, in the order of OPERANDS.
        first, second = OPERANDS[recipe.result]
        self._left, self._right = (data.read(getattr(recipe, tensor.keyword)) for tensor in (first, second))
        layer = recipe.layer
        lead = {
            Tensor.O: (len(self._right), layer.filters),
            Tensor.DW: (layer.filters, layer.group_channels),
            Tensor.DX: (len(self._left), layer.groups * self._right.shape[1]),
        }[recipe.result]
        self.shape = (*lead, *recipe.size)

    def of(self, number: int) -> float:
        """The element with a flat number."""
        if self._known is not None:
            known: float = self._known.reshape(-1)[number].item()
            return known
        index = tuple(int(k) for k in np.unravel_index(number, self.shape))
        left, right = self._factors(*index[:2])
        pairs = [self._pairs(axis, position) for axis, position in enumerate(index[2:])]
        firsts, seconds = (np.ix_(*(np.array(each, int) for each in part)) for part in zip(*pairs, strict=True))
        total: float = (left[at(slice(None), *firsts)] * right[at(slice(None), *seconds)]).sum().item()
        return total if self._b is None else total + self._b[index[1]].item()

    def _factors(self, first: int, second: int) -> tuple[Array, Array]:
        """The parts of both operands whose products are in one matrix of the result, each with one axis in front."""
        layer, left, right = self._recipe.layer, self._left, self._right
        if self._recipe.result is Tensor.O:
            group = second // layer.group_filters
            return left[second], right[first].reshape(layer.groups, -1, *right.shape[2:])[group]
        if self._recipe.result is Tensor.DW:
            return left[:, first], right[:, first // layer.group_filters * layer.group_channels + second]
        group, channel = divmod(second, right.shape[1])
        filters = slice(group * layer.group_filters, (group + 1) * layer.group_filters)
        return left[first, filters], right[filters, channel]

    def _pairs(self, axis: int, position: int) -> tuple[list[int], list[int]]:
        """The positions in both operands that belong together along an axis, for one position of the result."""
        s, d, p = (part[axis] for part in (self._recipe.stride, self._recipe.dilation, self._recipe.before))
        left, right = self._left.shape[2 + axis], self._right.shape[2 + axis]
        if self._recipe.result is Tensor.O:
            found = [(u, s * position + d * u - p) for u in range(left)]
        elif self._recipe.result is Tensor.DW:
            found = [(i, s * i + d * position - p) for i in range(left)]
        else:
            steps = [(divmod(position + p - d * u, s), u) for u in range(right)]
            found = [(i, u) for (i, rest), u in steps if rest == 0]
        inside = [(a, b) for a, b in found if 0 <= a < left and 0 <= b < right]
        return [a for a, _ in inside], [b for _, b in inside]
