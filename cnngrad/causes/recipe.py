"""A backward pass as a value: how one result is computed. A wrong pass is a recipe with a part or two changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.edits import Edit, Mixed
from cnngrad.causes.loops import Loops
from cnngrad.layer import Axis, Layer, Relation, Shape
from cnngrad.tensor import DB, DEDO, DW, DX, O, Tensor

__all__ = ["Read", "Recipe", "as_user", "held", "right_recipe"]


class Read(NamedTuple):
    """The array that a recipe uses in place of an operand, or returns as the result.

    Attributes:
        tensor: the array.
        edits: its edits, in order.
    """

    tensor: Tensor
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How one result is computed.

    Attributes:
        layer: the layer, as a convolution without flip.
        result: O, dE/dW, dE/dX or dE/db.
        relations: for each axis the input position that each output meets under each filter position.
        size: the spatial shape of the sums: that of O, W or X if the recipe is right.
        reads: the array used in place of each operand and of the result.
        last: O or W if an element of dE/dX keeps only the product of its last window or of its last filter element; DW
            if an element of dE/dW keeps only that of the last window that lies on X; None if all are added up.
        borders: for each axis the input that each position of X with its padding stands for, -1 for a zero; in dE/dX
            the gradient of the position is added to that of the input. Empty if the padding holds zeros.
        over: the axes of dE/dO over which dE/dW and dE/db are added up.
        factor: the factor by which the result is multiplied.
        loops: loops over flat arrays, with a slip in them, that compute the result; None if there is no such slip.
        detail: in words, how a mistake changes the right recipe; empty if there is only one way.
        coded: whether the mistake's line of code makes this change.
    """

    layer: Layer = field(compare=False, repr=False)
    result: Tensor
    relations: tuple[Relation, ...]
    size: Shape
    reads: Mapping[Tensor, Read]
    last: Tensor | None = None
    borders: tuple[Shape, ...] = ()
    over: tuple[int, ...] = ()
    factor: float = 1
    loops: Loops | None = None
    detail: str = field(default="", compare=False)
    coded: bool = field(default=False, compare=False)

    def but(self, detail: str = "", coded: bool = False, **parts: Any) -> "Recipe":
        """The recipe with some parts changed; `detail` and `coded` describe this change alone."""
        return replace(self, detail=detail, coded=coded, **parts)

    def by(self, relations: Sequence[Relation]) -> "Recipe":
        """The recipe with other relations, which are given for the filter positions of the user's W."""
        if self.layer.flip:
            relations = [found.rotated(k) for found, k in zip(relations, self.layer.kernel, strict=True)]
        return self.but(relations=tuple(relations))

    def at(
        self, place: Tensor, detail: str, *edits: Edit, tensor: Tensor | None = None, coded: bool = False
    ) -> "Recipe":
        """The recipe with edits of an operand or of the result, or with another array in its place."""
        there = self.reads[place]
        read = Read(tensor or there.tensor, (*there.edits, *edits))
        return self.but(detail, coded, reads={**self.reads, place: read})

    @cached_property
    def done(self) -> Read:
        """The array that is returned as the result, and its edits."""
        return self.reads[self.result]

    @cached_property
    def sums(self) -> "Recipe":
        """The recipe without factor and edits of the result."""
        if self.factor == 1 and not self.done.edits:
            return self
        reads = {**self.reads, self.result: Read(self.done.tensor)}
        return self.but(reads=reads, factor=1)

    @property
    def numbers(self) -> Array:
        """The relations' factors of output positions, their factors of filter positions, and their constants."""
        return np.transpose(self.relations)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The numbers of the spatial axes of X, W and O."""
        return tuple(range(2, 2 + self.layer.dims))

    @property
    def shape(self) -> Shape:
        """The canonical shape of the sums, before the result is edited."""
        canonical = self.layer.canonical
        if self.result is DB:
            summed = canonical[self.reads[DEDO].tensor]
            return tuple(size for axis, size in enumerate(summed) if axis not in self.over)
        each = () if 0 in self.over else (self.layer.batch,)
        return (*each, *canonical[self.result][:2], *self.size)

    @property
    def is_sum(self) -> bool:
        """Whether each element of the result is 0 or one of its sums, added up over the batch if it is dE/dW."""
        added_up = self.result is DB or 0 in self.over
        is_mixed = any(isinstance(edit, Mixed) for edit in self.done.edits)
        return added_up and self.done.tensor is self.result and not is_mixed and self.loops is None

    def may_give(self, shape: Shape) -> bool:
        """Whether the result can have this shape, as far as is known before it is computed."""
        known = self.result is not DB and self.done == Read(self.result)
        return not known or shape[-self.layer.dims :] == self.size


def right_recipe(layer: Layer, result: Tensor) -> Recipe:
    """The right recipe of a result; for a transposed layer, that of the twin's result."""
    reads = {place: Read(layer.own.role[place] if result is DB else place) for place in Tensor}
    layer, result = layer.conv, layer.role[result]
    size = {O: layer.out, DW: layer.kernel, DX: layer.size, DB: ()}[result]
    relations = tuple(axis.relation for axis in layer.unflipped.axes)
    over, borders = (0, *range(2, 2 + layer.dims)), held(layer, layer.mode)
    return Recipe(layer, result, relations, size, reads, borders=borders, over=over)


def held(layer: Layer, modes: Any) -> tuple[Shape, ...]:
    """`Recipe.borders` for padding with these modes: one for all, or for each axis one in front and one behind."""
    sides = np.broadcast_to(modes, (layer.dims, 2)).tolist()
    return tuple(_border(axis, *each) for axis, each in zip(layer.axes, sides, strict=True))


@lru_cache
def _border(axis: Axis, front: str, behind: str) -> Shape:
    found = axis.held(front, behind)
    return () if (found == axis.held("zeros", "zeros")).all() else tuple(found.tolist())


def as_user(recipe: Recipe, array: Array) -> Array:
    """A recipe's result in the user's shape: rotated back if the layer has flip, without axes that the user omits.

    Several filters, samples or channels stay where the right result has one without an axis, and an array with more or
    fewer axes stays as it is.
    """
    layer = recipe.layer
    if recipe.result is DW and array.ndim == 2 + layer.dims:
        array = layer.rotated(array)
    omitted = len(recipe.result.lead_words) - layer.lead[recipe.result]
    is_whole = array.ndim == len(layer.canonical[recipe.result])
    return array.reshape(array.shape[omitted:]) if is_whole and prod(array.shape[:omitted]) == 1 else array
