"""The only evaluator of recipes: it computes a result, or a few of its elements, from the tables of positions."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array, Arrays, may_overflow
from cnngrad.causes.edits import Edit, Mixed
from cnngrad.causes.recipe import Recipe, as_user, right_recipe
from cnngrad.layer import Layer, Positions, Relation, Shape, bordered
from cnngrad.layer.expansion import OPERANDS
from cnngrad.layer.names import canonical_values
from cnngrad.tensor import DB, DEDO, DW, DX, B, O, Tensor, W, X

__all__ = ["Data", "Tries", "computed", "factors_of", "made", "probed", "spread_places", "traced"]

# Number of products that are added up in the time that one try takes in a small layer.
_PRODUCTS_A_TRY = 50_000
# Below this many products, computing everything is as fast as probing.
_FEW_PRODUCTS = 100_000
# Number of probes; spacing by the golden ratio spreads them over all rows.
_PROBES, _GOLDEN = 8, 0.618034


@dataclass
class Tries:
    """A budget of results to compute, so that a search ends at the same point on every machine.

    Attributes:
        left: how many results may still be computed, counted in those of a small layer.
    """

    left: float = math.inf


@dataclass(frozen=True)
class Data:
    """A layer with its numbers and the results that are already known.

    Attributes:
        layer: the layer, as a convolution.
        arrays: X, W, dE/dO and, if the layer has one, b in canonical shape; W is rotated if the layer has flip.
        known: recipes with their known results, in canonical shape; dE/dW is that of the rotated W.
        tries: the budget for computations from these numbers.
    """

    layer: Layer
    arrays: Arrays
    known: tuple[tuple[Recipe, Array], ...] = ()
    tries: Tries = field(default_factory=Tries, compare=False, repr=False)

    @classmethod
    def of(cls, layer: Layer, arrays: Arrays, known: tuple[tuple[Recipe, Array], ...] = ()) -> "Data":
        """Data from the user's X, W, dE/dO and, if the layer has one, b; for a transposed layer, data of its twin."""
        values = {layer.role[tensor]: array for tensor, array in canonical_values(layer, arrays).items()}
        return cls(layer.conv, {**values, W: layer.rotated(values[W])}, known)

    def read(self, recipe: Recipe, place: Tensor) -> Array:
        """The array that a recipe reads in place of an operand."""
        tensor, edits = recipe.reads[place]
        return self.edited(self._array(tensor), edits)

    def edited(self, array: Array, edits: Iterable[Edit]) -> Array:
        """An array after some edits."""
        for edit in edits:
            if isinstance(edit, Mixed):
                others = () if edit.tensor is None else (edit.function(self._array(edit.tensor)),)
                array = edit.combine(array, *others)
            else:
                array = edit(array)
        return array

    def given(self, recipe: Recipe) -> Array | None:
        """The result of a recipe before its edits; None if it must be computed."""
        return next((array for known, array in self.known if known == recipe.sums), None)

    def knowing(self, recipe: Recipe) -> "Data":
        """The same data, with the result of a recipe computed once and kept."""
        return replace(self, known=(*self.known, (recipe, computed(recipe, self))))

    def _array(self, tensor: Tensor) -> Array:
        return self._output if tensor is O else self.arrays[tensor]

    @cached_property
    def _output(self) -> Array:
        return computed(right_recipe(self.layer, O), self)


def made(recipe: Recipe, data: Data) -> Array:
    """The result of a recipe, in the user's shape."""
    return as_user(recipe, computed(recipe, data))


def computed(recipe: Recipe, data: Data) -> Array:
    """The result of a recipe, in canonical shape or in the wrong shape that it leads to."""
    layer, array = recipe.layer, data.given(recipe)
    data.tries.left -= 1
    with may_overflow():  # a mistake may overflow
        if array is None:
            data.tries.left -= layer.products / _PRODUCTS_A_TRY
            array = _sums(recipe, data)
        array = data.edited(array, recipe.done.edits)
        return array if recipe.factor == 1 else recipe.factor * array


class _Axis(NamedTuple):
    """Which positions of O, W and X meet along one axis of a recipe.

    Attributes:
        last: O or W if only the last window or the last filter element counts for an input, DW if only the last window
            counts for a filter element; None if all count.
        relation: the relation between the positions.
        out: the number of positions of O.
        taps: the number of positions of W.
        size: the number of positions of X, including its padding if there is a frame.
        frame: the element of X that stands at each position, if X includes its padding here; otherwise empty.
    """

    last: Tensor | None
    relation: Relation
    out: int
    taps: int
    size: int
    frame: tuple[int, ...]

    def met(self, result: Tensor, place: int) -> tuple[Positions, Positions]:
        """The positions of the two operands whose products make up one position of the result."""
        if result is DX:
            places = [k for k, stands in enumerate(self.frame) if stands == place] if self.frame else [place]
            met = self.relation.outputs(places, range(self.taps), self.out)
            counts = met >= 0
            if self.last is not None:
                # Only one product counts at each place: that of the last window, and so the first tap, or the last tap.
                step = 1 if self.last is O else -1
                counts &= np.cumsum(counts[:, ::step], axis=1)[:, ::step] == 1
            return met[counts], np.nonzero(counts)[1]
        outputs, under = ([place], range(self.taps)) if result is O else (range(self.out), [place])
        inputs = self.relation.inputs(outputs, under, self.size).ravel()
        found = np.flatnonzero(inputs >= 0)[-1 if self.last is DW else None :]
        return found, inputs[found]


@lru_cache(maxsize=1024)
def _under(axis: _Axis, u: int) -> tuple[slice, slice]:
    """The outputs and the inputs that meet under one tap."""
    (outs, ins), step = axis.met(DW, u), axis.relation.output
    first, start, stop = (outs[0], ins[0], ins[-1] + step) if outs.size else (0, 0, 0)
    return slice(first, first + outs.size), slice(start, None if stop < 0 else stop, step)


def _arrays(recipe: Recipe, data: Data) -> tuple[Array, dict[Tensor, Array], list[_Axis]]:
    """Zeros for the result; dE/dO (n, g, f, *S_out), W (g, f, c, *K) and X (n, g, c, *S), one a view of them; the axes.

    X, or its gradient, includes the padding along the axes whose padding is not zeros.
    """
    layer, result, spatial = recipe.layer, recipe.result, slice(-recipe.layer.dims, None)
    arrays = {tensor.array: data.read(recipe, tensor) for tensor in OPERANDS[result]}
    arrays[result.array] = np.zeros(recipe.shape, np.result_type(*arrays.values()))
    # A dE/dX of another size still includes the padding: nothing is folded.
    is_kept = result is DX and recipe.size != layer.size
    borders = ((),) * layer.dims if is_kept else recipe.borders
    arrays[X] = bordered(arrays[X], borders)
    n, g, f, c = layer.batch, layer.groups, layer.group_filters, layer.group_channels
    # A dE/dW that is not added up over the batch has the sample axis in front.
    leads = {O: (n, g, f), W: (*arrays[W].shape[: -2 - layer.dims], g, f, c), X: (n, g, c)}
    split = {tensor: arrays[tensor].reshape(*lead, *arrays[tensor].shape[spatial]) for tensor, lead in leads.items()}
    sizes, axes = (array.shape[spatial] for array in split.values()), []
    for relation, axis, border, out, taps, size in zip(recipe.relations, layer.axes, borders, *sizes, strict=True):
        begun = relation._replace(constant=relation.constant + (border != ()) * axis.before)
        axes.append(_Axis(recipe.last, begun, out, taps, size, border))
    return arrays[result.array], split, axes


def _sums(recipe: Recipe, data: Data) -> Array:
    """The result of a recipe before its edits."""
    layer, result = recipe.layer, recipe.result
    if recipe.done.tensor is not result:
        return data.read(recipe.sums, result)
    if result is DB:
        total: Array = data.read(recipe, DEDO).sum(axis=recipe.over)
        return total
    if recipe.loops is not None:
        operands = {tensor.array: data.read(recipe, tensor) for tensor in OPERANDS[result]}
        if result is DX:
            return _folded(recipe.loops.filled(operands), recipe.borders, recipe.size)
        return recipe.loops.filled(operands | {X: bordered(operands[X], recipe.borders)})
    found, split, axes = _arrays(recipe, data)
    filled, spatial = np.zeros(split[X].shape[3:], bool), "xyz"[: layer.dims]
    letters = {O: f"ngf{spatial}", W: "n" * (0 not in recipe.over) + "gfc", X: f"ngc{spatial}"}
    # If only one product per input counts, it is the first one here: the first tap belongs to the last window.
    step = -1 if recipe.last is W else 1
    for met in product(*([(u, *_under(axis, u)) for u in range(axis.taps)[::step]] for axis in axes)):
        taps, outs, ins = zip(*met, strict=True)
        operands = {tensor: split[tensor][..., *index] for tensor, index in {O: outs, W: taps, X: ins}.items()}
        part = operands.pop(result.array)
        subscripts = f"{','.join(letters[tensor] for tensor in operands)}->{letters[result.array]}"
        products = np.einsum(subscripts, *operands.values())
        if recipe.last in (O, W):
            products = np.where(filled[ins], 0, products)
            filled[ins] = True
        part += products
    if result is DX:
        found = _folded(found, [axis.frame for axis in axes], recipe.size)
    has_bias = result is layer.own.role[O] and B in data.arrays
    return found + data.read(recipe, B).reshape(-1, *(1,) * layer.dims) if has_bias else found


def _folded(found: Array, borders: Iterable[Shape], sizes: Shape) -> Array:
    """The gradient of X from that of X with its padding: that of all positions which stand for an input, added up."""
    for number, (border, size) in enumerate(zip(borders, sizes, strict=True), 2):
        if border:
            # The gradient of a zero, -1, goes to an extra row.
            parts = np.moveaxis(found, number, 0)
            total = np.zeros((size + 1, *parts.shape[1:]), parts.dtype)
            for stands, part in zip(border, parts, strict=True):
                total[stands] += part
            found = np.moveaxis(total[:-1], 0, number)
    return found


@lru_cache
def spread_places(size: int, most: int = _PROBES) -> Array:
    """Flat indices of a few elements of an array, spread evenly over it and over its rows."""
    return np.unique((np.arange(1, most + 1) * _GOLDEN % 1 * size).astype(int))


def probed(recipe: Recipe, data: Data, shape: Shape, places: Array) -> Array | None:
    """Some elements of a recipe's result; None if computing all is as fast, or none can be computed alone.

    Args:
        recipe: the recipe.
        data: the layer and its numbers.
        shape: the shape, in the user's layout, that the result must have.
        places: the flat indices of the elements.

    Returns:
        The elements; NaN if the result has another shape.
    """
    layer, result, whole = recipe.layer, recipe.result, recipe.shape
    if not recipe.is_sum or result is DB or layer.products <= _FEW_PRODUCTS:
        return None
    come_from = places
    if recipe.done.edits or result is DW or as_user(recipe, np.broadcast_to(0, whole)).shape != shape:
        numbers = traced(recipe)
        if numbers.shape != shape:
            return np.full(len(places), np.nan)
        come_from = numbers.reshape(-1)[places] - 1
    data.tries.left -= 1 + len(places) * layer.products / math.prod(whole) / _PRODUCTS_A_TRY
    known, factors, found = data.given(recipe), factors_of(recipe, data), []
    has_bias = result is layer.own.role[O] and B in data.arrays
    b = data.read(recipe, B) if has_bias else np.zeros(layer.canonical[result][1], int)
    with may_overflow():  # a mistake may overflow
        for index in map(tuple, np.transpose(np.unravel_index(np.maximum(come_from, 0), whole)).tolist()):
            found.append(np.vecdot(*factors(index)).sum() + b[index[1]] if known is None else known[index])
        return recipe.factor * np.where(come_from < 0, 0, found)


def traced(recipe: Recipe) -> Array:
    """For each element, in the user's shape, the flat number, from 1, of the sum that it holds; 0 for none."""
    numbers = np.arange(1, math.prod(recipe.shape) + 1).reshape(recipe.shape)
    return as_user(recipe, Data(recipe.layer, {}).edited(numbers, recipe.done.edits))


def factors_of(recipe: Recipe, data: Data) -> Callable[[Shape], tuple[Array, ...]]:
    """A function from an index to the arrays whose products that element adds up, before the result's edits."""
    layer, result = recipe.layer, recipe.result
    if result is DB:
        dedo = data.read(recipe, DEDO)
        kept = [axis for axis in range(dedo.ndim) if axis not in recipe.over]
        return lambda index: (dedo.transpose(*kept, *recipe.over)[index],)
    _, split, axes = _arrays(recipe, data)
    o, w, x = split.values()

    def factors(index: Shape) -> tuple[Array, Array]:
        first, second, *places = index
        each = zip(axes, places, strict=True)
        if result is DW:
            group, f = divmod(first, layer.group_filters)
            # Slices avoid a copy of the numbers at many positions.
            outs, ins = zip(*(_under(axis, place) for axis, place in each), strict=True)
            return o[:, group, f, *outs], x[:, group, second, *ins]
        group, k = divmod(second, layer.group_filters if result is O else layer.group_channels)
        left, right = (w[group, k], x[first, group]) if result is O else (o[first, group], w[group, :, k])
        lefts, rights = (np.ix_(*part) for part in zip(*(axis.met(result, place) for axis, place in each), strict=True))
        return left[:, *lefts], right[:, *rights]

    return factors
