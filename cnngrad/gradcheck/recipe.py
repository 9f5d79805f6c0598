"""A backward pass as a value: how one result is computed, right or wrong, and the one evaluator of all of them.

A wrong pass is the right recipe with a part or two changed. For positions i of O, u of W and h of X along each axis the
recipe has h = stride*i + dilation*u - before, all counted from 0; a negative stride or dilation goes the other way.
"""

import math
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.edits import Edit, at, edited, folded, padded
from cnngrad.layer import Axis, Layer, Shape
from cnngrad.tensor import Tensor

__all__ = [
    "ELEMENTS_A_TRY", "Collect", "Data", "Read", "Recipe", "Tries", "as_user", "computed", "cost", "right_recipe",
    "with_border",
]  # fmt: skip

# Elements that are read or written in the time that one try takes in a small layer.
ELEMENTS_A_TRY = 100_000


class Collect(Enum):
    """How the products that belong to one element are collected."""

    ADDED = "added"
    LAST_WINDOW = "the last window wins"
    LAST_TAP = "the last filter element wins"


@dataclass(frozen=True)
class Read:
    """An operand as it is read.

    Attributes:
        tensor: the array that stands there.
        edits: how it is read: turned, in another order, with parts left out.
    """

    tensor: Tensor
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How one result is computed.

    Attributes:
        layer: the layer, as a convolution without flip.
        result: O, dE/dW, dE/dX or dE/db.
        stride: how far the window moves from one output to the next, for each axis.
        dilation: how far neighbours in the filter lie apart, for each axis.
        before: how far in front of X the first window begins, for each axis.
        size: the spatial shape that is filled: that of O, of W or of X.
        x: what stands where X belongs.
        w: what stands where W belongs.
        dedo: what stands where dE/dO belongs.
        b: what stands where b belongs; None where no bias is added.
        collect: how products are collected.
        border: what the padding holds, as `numpy.pad` names it: "constant" for zeros.
        over: the axes of dE/dO over which a gradient is added up; dE/dX has its own.
        instead: an array that is handed in as the result; None where it is computed.
        done: what is done to the result.
        factor: what it is multiplied by.
        bare: whether the result has the axes of the user's own array already.
    """

    layer: Layer = field(compare=False, repr=False)
    result: Tensor
    stride: Shape
    dilation: Shape
    before: Shape
    size: Shape
    x: Read = Read(Tensor.X)
    w: Read = Read(Tensor.W)
    dedo: Read = Read(Tensor.DEDO)
    b: Read | None = Read(Tensor.B)
    collect: Collect = Collect.ADDED
    border: str = "constant"
    over: tuple[int, ...] = ()
    instead: Tensor | None = None
    done: tuple[Edit, ...] = ()
    factor: float = 1
    bare: bool = False

    def but(self, **parts: Any) -> "Recipe":
        """The recipe with some parts changed."""
        return replace(self, **parts)

    def reading(self, tensor: Tensor, *edits: Edit) -> "Recipe":
        """The recipe with an operand read otherwise."""
        read: Read | None = getattr(self, tensor.keyword)
        if read is None:
            return self
        return self.but(**{tensor.keyword: Read(read.tensor, (*read.edits, *edits))})

    def then(self, *edits: Edit, bare: bool = False) -> "Recipe":
        """The recipe with something done to its result."""
        return replace(self, done=(*self.done, *edits), bare=bare or self.bare)

    @cached_property
    def sums(self) -> "Recipe":
        """The recipe without what is done to the result."""
        if not self.done and self.factor == 1 and not self.bare:
            return self
        return replace(self, done=(), factor=1, bare=False)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The numbers of the spatial axes of X, W and O."""
        return tuple(range(2, 2 + self.layer.dims))

    def may_give(self, shape: Shape) -> bool:
        """Whether the result may have a shape, as far as that is known before it is computed."""
        if self.result is Tensor.DB or self.done or self.instead or self.bare:
            return True
        return shape[len(shape) - self.layer.dims :] == self.size


def right_recipe(layer: Layer, result: Tensor) -> Recipe:
    """The right recipe of a result."""
    per_axis = [(axis.stride, axis.dilation, axis.before) for axis in layer.axes]
    stride, dilation, before = zip(*per_axis, strict=True)
    size = {Tensor.O: layer.out, Tensor.DW: layer.kernel, Tensor.DX: layer.size, Tensor.DB: ()}[result]
    over = tuple(range(2, 2 + layer.dims))
    return Recipe(layer, result, stride, dilation, before, size, over=(0, *over))


@dataclass
class Tries:
    """How many results may still be computed, so that a search ends at the same point on every machine.

    Attributes:
        left: results of a small layer; one of a large layer counts as several.
    """

    left: float = math.inf


def cost(recipe: Recipe) -> float:
    """How many tries it counts as to compute a recipe."""
    shapes = recipe.layer.canonical
    moved = math.prod(shapes[Tensor.W][2:]) * (math.prod(shapes[Tensor.X]) + math.prod(shapes[Tensor.O]))
    return 1 + moved / ELEMENTS_A_TRY


@dataclass(frozen=True)
class Data:
    """A layer with its numbers in canonical shape, as a convolution without flip, and what is known of its results.

    Attributes:
        layer: the layer.
        x: X, shape (N, C, *S).
        w: W, shape (F, C/g, *K), rotated where the layer has flip.
        dedo: dE/dO, shape (N, F, *S_out).
        right: the right O and gradients in canonical shape, as far as they are known; dE/dW as for W, not rotated back.
        b: the bias, shape (F,); None where the layer has none.
        base: a recipe whose result is known besides, and the result.
        tries: counts what is computed from these numbers.
    """

    layer: Layer
    x: Array
    w: Array
    dedo: Array
    right: dict[Tensor, Array]
    b: Array | None = None
    base: tuple[Recipe, Array] | None = None
    tries: Tries = field(default_factory=Tries, compare=False, repr=False)

    @cached_property
    def output(self) -> Array:
        """O, shape (N, F, *S_out)."""
        return computed(right_recipe(self.layer, Tensor.O), self)

    def read(self, read: Read) -> Array:
        """An operand as a recipe reads it."""
        arrays = {Tensor.X: self.x, Tensor.W: self.w, Tensor.DEDO: self.dedo, Tensor.B: self.b}
        array = self.output if read.tensor is Tensor.O else arrays[read.tensor]
        assert array is not None
        return edited(array, read.edits)

    def known(self, recipe: Recipe) -> Array | None:
        """What a recipe is known to give; None where it is to be computed."""
        if self.base is not None and recipe == self.base[0]:
            return self.base[1]
        right = self._recipes.get(recipe.result)
        return self.right[recipe.result] if recipe == right else None

    @cached_property
    def _recipes(self) -> dict[Tensor, Recipe]:
        """The right recipes of the results that are known."""
        return {result: right_recipe(self.layer, result) for result in self.right}


def computed(recipe: Recipe, data: Data) -> Array:
    """What a recipe gives, in canonical shape, or in the wrong shape that it leads to."""
    with np.errstate(over="ignore", invalid="ignore"):  # what a mistake gives may be too large
        recipe = with_border(recipe)
        array = data.known(recipe.sums)
        data.tries.left -= 1 if array is not None else cost(recipe)
        array = edited(_sums(recipe, data) if array is None else array, recipe.done)
        return array if recipe.factor == 1 else recipe.factor * array


def as_user(recipe: Recipe, array: Array) -> Array:
    """What a recipe gave in the user's shape: rotated back where the layer has flip, without axes that it has not."""
    layer = recipe.layer
    if recipe.result is Tensor.DW and array.ndim == 2 + layer.dims:
        array = layer.rotated(array)
    if recipe.bare:
        return array
    if recipe.result is Tensor.DB:
        return array.reshape(()) if layer.w_lead < 2 and array.size == 1 else array
    return array.reshape(array.shape[2 - layer.lead[recipe.result] :])


def _sums(recipe: Recipe, data: Data) -> Array:
    if recipe.instead is not None:
        return data.read(Read(recipe.instead))
    if recipe.result is Tensor.DB:
        total: Array = data.read(recipe.dedo).sum(axis=recipe.over)
        return total
    return {Tensor.O: _convolved, Tensor.DX: _scattered, Tensor.DW: _gathered}[recipe.result](recipe, data)


def with_border(recipe: Recipe) -> Recipe:
    """The same recipe with what the padding holds written into X, or folded back from dE/dX."""
    if recipe.border == "constant":
        return recipe
    axes = recipe.layer.axes
    pads = tuple((axis.before, axis.after) for axis in axes)
    within = tuple(p - axis.before for p, axis in zip(recipe.before, axes, strict=True))
    inner = recipe.but(border="constant", before=within)
    if recipe.result is not Tensor.DX:
        return inner.reading(Tensor.X, padded(pads, recipe.border))
    return inner.but(size=tuple(axis.padded for axis in axes), done=(folded(pads, recipe.border), *recipe.done))


def _convolved(recipe: Recipe, data: Data) -> Array:
    """O, shape (N, F, *size)."""
    layer, x, w = recipe.layer, data.read(recipe.x), data.read(recipe.w)
    filters = w.reshape(layer.groups, layer.group_filters, *w.shape[1:])
    inputs = x.reshape(len(x), layer.groups, w.shape[1], *x.shape[2:])
    o = np.zeros((len(x), layer.groups, layer.group_filters, *recipe.size), np.result_type(x, w))
    for tap in product(*map(range, w.shape[2:])):
        found = _reach(recipe, tap, recipe.size, x.shape[2:])
        if found is not None:
            outs, ins = found
            o[at(..., *outs)] += _by_channel(inputs[at(..., *ins)], filters[at(..., *tap)].swapaxes(1, 2))
    o = o.reshape(len(x), layer.filters, *recipe.size)
    if data.b is None or recipe.b is None:
        return o
    return o + data.read(recipe.b).reshape(-1, *(1,) * layer.dims)


def _scattered(recipe: Recipe, data: Data) -> Array:
    """dE/dX, shape (N, C, *size)."""
    layer, w, dedo = recipe.layer, data.read(recipe.w), data.read(recipe.dedo)
    outputs = dedo.reshape(len(dedo), layer.groups, layer.group_filters, *dedo.shape[2:])
    filters = w.reshape(layer.groups, layer.group_filters, *w.shape[1:])
    dx = np.zeros((len(dedo), layer.groups, w.shape[1], *recipe.size), np.result_type(w, dedo))
    taps = list(product(*map(range, w.shape[2:])))
    # The last window, in reading order, that holds an element holds it under its first tap.
    for tap in taps if recipe.collect is Collect.LAST_TAP else reversed(taps):
        found = _reach(recipe, tap, dedo.shape[2:], recipe.size)
        if found is not None:
            outs, ins = found
            part = _by_channel(outputs[at(..., *outs)], filters[at(..., *tap)])
            if recipe.collect is Collect.ADDED:
                dx[at(..., *ins)] += part
            else:
                dx[at(..., *ins)] = part
    return dx.reshape(len(dedo), layer.groups * w.shape[1], *recipe.size)


def _gathered(recipe: Recipe, data: Data) -> Array:
    """dE/dW, shape (F, C/g, *size), or (N, F, C/g, *size) where the samples are not added up."""
    layer, x, dedo = recipe.layer, data.read(recipe.x), data.read(recipe.dedo)
    outputs = dedo.reshape(len(dedo), layer.groups, layer.group_filters, *dedo.shape[2:])
    inputs = x.reshape(len(x), layer.groups, layer.group_channels, *x.shape[2:])
    samples = () if 0 in recipe.over else (len(x),)
    lead = (*samples, layer.groups, layer.group_filters, layer.group_channels)
    dw = np.zeros((*lead, *recipe.size), np.result_type(x, dedo))
    for tap in product(*map(range, recipe.size)):
        found = _reach(recipe, tap, dedo.shape[2:], x.shape[2:])
        if found is not None:
            outs, ins = found
            each = _by_filter(outputs[at(..., *outs)], inputs[at(..., *ins)])
            dw[at(..., *tap)] = each if samples else each.sum(axis=0)
    return dw.reshape(*samples, layer.filters, layer.group_channels, *recipe.size)


def _reach(recipe: Recipe, tap: Shape, out: Shape, size: Shape) -> tuple[list[slice], list[slice]] | None:
    """The outputs that read an input through a tap, and those inputs, as slices; None where there are none."""
    outs, ins = [], []
    per_axis = zip(tap, out, recipe.stride, recipe.dilation, recipe.before, size, strict=True)
    for u, count, s, d, p, length in per_axis:
        axis = Axis(size=length, kernel=1, stride=abs(s))
        # Where the window moves backwards, it is the last output that reads the first input.
        first = d * u - p + min(0, s) * (count - 1)
        inside = axis.inside_of(first, count)
        if not inside:
            return None
        last = count - 1 - inside.stop
        outs.append(slice(count - 1 - inside.start, None if last < 0 else last, -1) if s < 0 else _slice(inside))
        ins.append(slice(first + abs(s) * inside.start, first + abs(s) * inside[-1] + 1, abs(s)))
    return outs, ins


def _slice(found: range) -> slice:
    return slice(found.start, found.stop)


def _by_channel(outputs: Array, w: Array) -> Array:
    """(n, g, f, …) and (g, f, c): the sum over f, as (n, g, c, …); and for O with f and c swapped."""
    if outputs.shape[2] == 1:
        # One filter a group: nothing is to be added up, and nothing copied.
        only: Array = outputs * w.reshape(1, w.shape[0], w.shape[2], *(1,) * (outputs.ndim - 3))
        return only
    flat = outputs.reshape(*outputs.shape[:3], -1)
    result: Array = np.matmul(w.swapaxes(1, 2), flat)
    return result.reshape(*result.shape[:3], *outputs.shape[3:])


def _by_filter(outputs: Array, inputs: Array) -> Array:
    """(n, g, f, …) and (n, g, c, …): the sum over positions, as (n, g, f, c)."""
    left, right = (a.reshape(*a.shape[:3], -1) for a in (outputs, inputs))
    result: Array = np.matmul(left, right.swapaxes(2, 3))
    return result
