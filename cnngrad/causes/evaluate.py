"""The one evaluator of recipes: all of a result, or a few of its elements, from the tables of positions."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.edits import at, taken
from cnngrad.causes.recipe import Collect, Read, Recipe, as_user, right_recipe
from cnngrad.layer import Layer, Positions, Relation, Shape
from cnngrad.layer.expansion import OPERANDS
from cnngrad.layer.names import canonical_values
from cnngrad.tensor import Tensor

__all__ = ["Data", "Tries", "computed", "factors_of", "made", "probed", "remade", "spread_places", "traced"]

# Elements that are read or written in the time that one try takes in a small layer.
_ELEMENTS_A_TRY = 100_000
# Below this many products, computing everything is as fast as probing.
_FEW_PRODUCTS = 100_000
# Number of probes; spacing by the golden ratio spreads them over all rows.
_PROBES, _GOLDEN = 8, 0.618034


@dataclass
class Tries:
    """How many results may still be computed, so that a search ends at the same point on every machine.

    Attributes:
        left: results of a small layer; one of a large layer counts as several.
    """

    left: float = math.inf


@dataclass(frozen=True)
class Data:
    """A layer with its numbers in canonical shape, as a convolution without flip, and what is known of its results.

    Attributes:
        layer: the layer.
        x: X, shape (N, C, *S).
        w: W, shape (F, C/g, *K), rotated where the layer has flip.
        dedo: dE/dO, shape (N, F, *S_out).
        b: the bias, shape (F,); None where the layer has none.
        known: recipes whose results are known, and these in canonical shape; dE/dW as for W, not rotated back.
        tries: counts what is computed from these numbers.
    """

    layer: Layer
    x: Array
    w: Array
    dedo: Array
    b: Array | None = None
    known: tuple[tuple[Recipe, Array], ...] = ()
    tries: Tries = field(default_factory=Tries, compare=False, repr=False)

    @classmethod
    def of(cls, layer: Layer, arrays: Mapping[Tensor, Array], known: tuple[tuple[Recipe, Array], ...] = ()) -> "Data":
        """The numbers of a layer's X, W, dE/dO and, where it has one, b, as the user has them."""
        values = canonical_values(layer, arrays)
        w = layer.rotated(values[Tensor.W])
        return cls(layer, values[Tensor.X], w, values[Tensor.DEDO], values.get(Tensor.B), known)

    def read(self, read: Read) -> Array:
        """An operand as a recipe reads it."""
        array: Array | None = self._output if read.tensor is Tensor.O else getattr(self, read.tensor.keyword)
        assert array is not None
        for edit in read.edits:
            array = edit(array)
        return array

    def given(self, recipe: Recipe) -> Array | None:
        """What a recipe is known to give before anything is done to it; None where it is to be computed."""
        sums = recipe.sums
        return next((array for known, array in self.known if known == sums), None)

    @cached_property
    def _output(self) -> Array:
        return computed(right_recipe(self.layer, Tensor.O), self)


def _cost(recipe: Recipe) -> float:
    """How many tries it counts as to compute a recipe."""
    shapes = recipe.layer.canonical
    moved = math.prod(shapes[Tensor.W][2:]) * (math.prod(shapes[Tensor.X]) + math.prod(shapes[Tensor.O]))
    return 1 + moved / _ELEMENTS_A_TRY


def made(recipe: Recipe, data: Data) -> Array:
    """What a recipe gives, in the user's shape."""
    return as_user(recipe, computed(recipe, data))


def remade(recipe: Recipe, data: Data, arrays: Mapping[Tensor, Array]) -> Array:
    """What a recipe gives with other numbers in some arrays, all in canonical shape, W as the user has it."""
    given: dict[str, Any] = {tensor.keyword: array for tensor, array in arrays.items()}
    if Tensor.W in arrays:
        given["w"] = data.layer.rotated(arrays[Tensor.W])
    return made(recipe, replace(data, known=(), **given)).reshape(data.layer.canonical[recipe.result])


def computed(recipe: Recipe, data: Data) -> Array:
    """What a recipe gives, in canonical shape, or in the wrong shape that it leads to."""
    with np.errstate(over="ignore", invalid="ignore"):  # what a mistake gives may be too large
        array = data.given(recipe)
        data.tries.left -= 1 if array is not None else _cost(recipe)
        if array is None:
            array = _sums(recipe, data)
        for edit in recipe.done:
            array = edit(array)
        return array if recipe.factor == 1 else recipe.factor * array


class _Axis(NamedTuple):
    """Which positions of O, W and X meet along one axis of a recipe.

    Attributes:
        relation: the relation between them.
        out: the number of positions of O.
        taps: that of W.
        size: that of X.
        collect: which pairs of an output and a tap count for an input.
        stands: the input that stands at each place of the padded X; empty where there are zeros around it.
        before: how many places lie in front of X.
    """

    relation: Relation
    out: int
    taps: int
    size: int
    collect: Collect
    stands: tuple[int, ...] = ()
    before: int = 0

    def inputs(self, outputs: range, taps: range) -> Positions:
        """The input that each output meets under each tap; -1 for a zero."""
        if not self.stands:
            return self.relation.inputs(outputs, taps, self.size)
        s, d, first = self.relation
        return np.array([*self.stands, -1])[Relation(s, d, first + self.before).inputs(outputs, taps, len(self.stands))]

    def outputs(self, h: int) -> tuple[Positions, Positions]:
        """The outputs that meet an input, and the taps."""
        places = [k - self.before for k, stands in enumerate(self.stands) if stands == h] if self.stands else [h]
        met = self.relation.outputs(places, range(self.taps), self.out)
        outputs, taps = met[met >= 0], np.nonzero(met >= 0)[1]
        if self.collect is Collect.ADDED or not taps.size:
            return outputs, taps
        last = [taps.argmin() if self.collect is Collect.LAST_WINDOW else taps.argmax()]
        return outputs[last], taps[last]


@lru_cache(maxsize=128)
def _met(axis: _Axis) -> list[list[tuple[slice, slice]]]:
    """For each tap the outputs and the inputs that meet under it, in evenly spaced runs."""
    found: list[list[tuple[slice, slice]]] = [[] for _ in range(axis.taps)]
    filled = np.zeros(axis.size + 1, bool)
    # The last window, in reading order, that holds an element holds it under its first tap.
    for u in range(axis.taps) if axis.collect is not Collect.LAST_TAP else reversed(range(axis.taps)):
        column = axis.inputs(range(axis.out), range(u, u + 1))[:, 0]
        if axis.collect is not Collect.ADDED:
            column[filled[column]] = -1
            filled[column[column >= 0]] = True
        outs = np.flatnonzero(column >= 0)
        found[u] = list(_runs(outs, column[outs]))
    return found


def _runs(outs: Positions, ins: Positions) -> Iterable[tuple[slice, slice]]:
    while outs.size:
        steps = np.stack([np.diff(outs), np.diff(ins)])
        uneven = np.flatnonzero((steps != steps[:, :1]).any(axis=0))
        # What stands at one place cannot be written to in one step.
        count = 1 if outs.size == 1 or not steps[1, 0] else int(uneven[0]) + 1 if uneven.size else outs.size
        step, jump = (1, 1) if count == 1 else (int(steps[0, 0]), int(steps[1, 0]))
        yield _evenly(int(outs[0]), step, count), _evenly(int(ins[0]), jump, count)
        outs, ins = outs[count:], ins[count:]


def _evenly(first: int, step: int, count: int) -> slice:
    stop = first + step * count
    return slice(first, None if stop < 0 else stop, step)


def _axes(recipe: Recipe, *arrays: Array) -> list[_Axis]:
    """The axes of a recipe that reads or fills these arrays: dE/dO or O, W and X."""
    found = []
    for number, (axis, relation) in enumerate(zip(recipe.layer.axes, recipe.relations, strict=True)):
        out, taps, size = (array.shape[3 + number] for array in arrays)
        stands: tuple[int, ...] = ()
        if recipe.border != "constant":
            mode: Any = recipe.border
            stands = tuple(np.pad(np.arange(size), (axis.before, axis.after), mode=mode).tolist())
        found.append(_Axis(relation, out, taps, size, recipe.collect, stands, axis.before))
    return found


def _grouped(recipe: Recipe, data: Data) -> tuple[Array, Array, Array]:
    """X (n, g, c, *S), W (g, f, c, *K) and dE/dO (n, g, f, *S_out); zeros for the one that is computed."""
    layer, operands = recipe.layer, OPERANDS[recipe.result]
    read = {tensor: data.read(getattr(recipe, tensor.keyword)) for tensor in operands}
    batch = len(read[Tensor.X if Tensor.X in read else Tensor.DEDO])
    channels, filters = layer.group_channels, layer.group_filters
    leads = {Tensor.X: (batch, layer.groups, channels), Tensor.W: (layer.groups, filters, channels)}
    leads[Tensor.DEDO] = (batch, layer.groups, filters)
    dtype = np.result_type(*read.values())
    x, w, dedo = (
        read[tensor].reshape(*lead, *read[tensor].shape[2:])
        if tensor in read
        else np.zeros((*lead, *recipe.size), dtype)
        for tensor, lead in leads.items()
    )
    return x, w, dedo


def _sums(recipe: Recipe, data: Data) -> Array:
    """What a recipe gives before anything is done to it."""
    layer, result = recipe.layer, recipe.result
    if recipe.instead is not None:
        return data.read(Read(recipe.instead))
    if result is Tensor.DB:
        total: Array = data.read(recipe.dedo).sum(axis=recipe.over)
        return total
    if 0 not in recipe.over:
        each = [
            recipe.but(over=(0,)).at(Tensor.X, taken(0, [n])).at(Tensor.DEDO, taken(0, [n])) for n in range(layer.batch)
        ]
        return np.stack([_sums(sample, data) for sample in each])
    x, w, o = _grouped(recipe, data)
    met = [_met(axis) for axis in _axes(recipe, o, w, x)]
    for tap in product(*map(range, w.shape[3:])):
        here = w[at(..., *tap)]
        for runs in product(*(found[u] for found, u in zip(met, tap, strict=True))):
            outs, ins = (at(..., *part) for part in zip(*runs, strict=True))
            if result is Tensor.O:
                o[outs] += _by_channel(x[ins], here.swapaxes(1, 2))
            elif result is Tensor.DX:
                x[ins] += _by_channel(o[outs], here)
            else:
                here += _by_filter(o[outs], x[ins])
    if result is Tensor.DX:
        return x.reshape(len(x), layer.channels, *recipe.size)
    if result is Tensor.DW:
        return w.reshape(layer.filters, layer.group_channels, *recipe.size)
    o = o.reshape(len(o), layer.filters, *recipe.size)
    return o if data.b is None or recipe.b is None else o + data.read(recipe.b).reshape(-1, *(1,) * layer.dims)


def _by_channel(outputs: Array, w: Array) -> Array:
    """(n, g, f, …) and (g, f, c): the sum over f, as (n, g, c, …); and for O with f and c swapped."""
    if outputs.shape[2] == 1:
        # One filter a group: nothing is to be added up, and nothing copied.
        only: Array = outputs * w.reshape(1, w.shape[0], w.shape[2], *(1,) * (outputs.ndim - 3))
        return only
    result: Array = np.matmul(w.swapaxes(1, 2), outputs.reshape(*outputs.shape[:3], -1))
    return result.reshape(*result.shape[:3], *outputs.shape[3:])


def _by_filter(outputs: Array, inputs: Array) -> Array:
    """(n, g, f, …) and (n, g, c, …): the sum over samples and positions, as (g, f, c)."""
    left, right = (a.reshape(*a.shape[:3], -1) for a in (outputs, inputs))
    result: Array = np.matmul(left, right.swapaxes(2, 3)).sum(axis=0)
    return result


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
    layer, result = recipe.layer, recipe.result
    if result is Tensor.DB or recipe.instead or recipe.mixed or 0 not in recipe.over:
        return None
    products = math.prod(layer.canonical[Tensor.O]) * math.prod(layer.canonical[Tensor.W][1:])
    if products <= _FEW_PRODUCTS:
        return None
    whole = (*layer.canonical[result][:2], *recipe.size)
    come_from = places
    if recipe.done or result is Tensor.DW or as_user(recipe, np.broadcast_to(0, whole)).shape != shape:
        numbers = traced(recipe, whole)
        if numbers.shape != shape:
            return np.empty(0)
        come_from = numbers.reshape(-1)[places] - 1
    data.tries.left -= 1 + len(places) * products / math.prod(whole) / _ELEMENTS_A_TRY
    known, factors = data.given(recipe), factors_of(recipe, data)
    b = data.read(recipe.b) if result is Tensor.O and recipe.b and data.b is not None else None
    found = []
    with np.errstate(over="ignore", invalid="ignore"):  # what a mistake gives may be too large
        for number in come_from:
            index = tuple(map(int, np.unravel_index(max(number, 0), whole)))
            if number < 0 or known is not None:
                found.append(0 if number < 0 or known is None else known[index].item())
            else:
                left, right = factors(index)
                found.append((left * right).sum().item() + (0 if b is None else b[index[1]].item()))
        return recipe.factor * np.array(found)


def traced(recipe: Recipe, whole: Shape) -> Array:
    """Where each element of a result of some shape comes from, in the user's shape: a number from 1, 0 from nowhere."""
    numbers = np.arange(1, math.prod(whole) + 1).reshape(whole)
    for edit in recipe.done:
        numbers = edit(numbers)
    return as_user(recipe, numbers)


def factors_of(recipe: Recipe, data: Data) -> Callable[[Shape], tuple[Array, Array]]:
    """The two arrays whose products an element of O, dE/dW or dE/dX adds up, before anything is done to the result."""
    layer, result = recipe.layer, recipe.result
    x, w, o = _grouped(recipe, data)
    axes = _axes(recipe, o, w, x)

    def factors(index: Shape) -> tuple[Array, Array]:
        first, second, *places = index
        if result is Tensor.O:
            group, f = divmod(second, layer.group_filters)
            left, right = w[group, f], x[first, group]
            pairs = [axis.inputs(range(i, i + 1), range(axis.taps))[0] for axis, i in zip(axes, places, strict=True)]
        elif result is Tensor.DW:
            group, f = divmod(first, layer.group_filters)
            left, right = o[:, group, f], x[:, group, second]
            pairs = [axis.inputs(range(axis.out), range(u, u + 1))[:, 0] for axis, u in zip(axes, places, strict=True)]
        else:
            group, c = divmod(second, layer.group_channels)
            left, right = o[first, group], w[group, :, c]
            met = [axis.outputs(h) for axis, h in zip(axes, places, strict=True)]
        if result is not Tensor.DX:
            met = [(np.flatnonzero(pair >= 0), pair[pair >= 0]) for pair in pairs]
        firsts, seconds = (np.ix_(*part) for part in zip(*met, strict=True))
        return left[at(slice(None), *firsts)], right[at(slice(None), *seconds)]

    return factors
