"""A backward pass as a value: how one result is computed. A wrong pass is a recipe with a part or two changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

from cnngrad.arrays import Array
from cnngrad.causes.edits import Edit
from cnngrad.layer import Layer, Relation, Shape
from cnngrad.tensor import Tensor

__all__ = ["Collect", "Read", "Recipe", "as_user", "recipe_by", "right_recipe"]


class Collect(Enum):
    """Which of the products that belong to one element of dE/dX are in it."""

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
        relations: for each axis which input position each output meets under each filter position.
        size: the spatial shape that is filled: that of O, of W or of X.
        x: what stands where X belongs.
        w: what stands where W belongs.
        dedo: what stands where dE/dO belongs.
        b: what stands where b belongs; None where no bias is added.
        collect: which products are added up.
        border: what the padding holds, as `numpy.pad` names it: "constant" for zeros.
        over: the axes of dE/dO over which a gradient is added up; dE/dX has its own.
        instead: an array that is handed in as the result; None where it is computed.
        done: what is done to the result.
        factor: what it is multiplied by.
        bare: whether the result has the axes of the user's own array already.
        mixed: whether what is done to the result adds up its elements.
    """

    layer: Layer = field(compare=False, repr=False)
    result: Tensor
    relations: tuple[Relation, ...]
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
    mixed: bool = False

    def but(self, **parts: Any) -> "Recipe":
        """The recipe with some parts changed."""
        return replace(self, **parts)

    def at(self, place: Tensor, *edits: Edit, **parts: Any) -> "Recipe":
        """The recipe with an operand read otherwise, or with something done to its result."""
        if place is self.result:
            return replace(self, done=(*self.done, *edits), **parts)
        read: Read | None = getattr(self, place.keyword)
        return self if read is None else self.but(**{place.keyword: Read(read.tensor, (*read.edits, *edits))})

    @cached_property
    def sums(self) -> "Recipe":
        """The recipe without what is done to the result."""
        if not self.done and self.factor == 1 and not self.bare:
            return self
        return replace(self, done=(), factor=1, bare=False, mixed=False)

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
    size = {Tensor.O: layer.out, Tensor.DW: layer.kernel, Tensor.DX: layer.size, Tensor.DB: ()}[result]
    relations = tuple(Relation(axis.stride, axis.dilation, -axis.before) for axis in layer.axes)
    return Recipe(layer, result, relations, size, over=(0, *range(2, 2 + layer.dims)))


def recipe_by(layer: Layer, result: Tensor, relations: Sequence[Relation]) -> Recipe:
    """The recipe of O, dE/dW or dE/dX by other relations, in the filter positions of the user's W."""
    if layer.flip:
        relations = [found.turned(k) for found, k in zip(relations, layer.kernel, strict=True)]
    return right_recipe(layer, result).but(relations=tuple(relations))


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
