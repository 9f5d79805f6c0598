"""What a mistake is: the changes that it makes in a recipe, and the words for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cnngrad.gradcheck.recipe import Recipe
from cnngrad.layer import Layer, Shape
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["Change", "Changes", "Mistake", "in_all", "in_arrays", "on_axes", "some_axes", "with_values"]


class Change(NamedTuple):
    """A recipe with a part changed.

    Attributes:
        recipe: the changed recipe.
        detail: the change's parameter in words; empty where it has none.
        coded: whether it is this change that the mistake's line of code makes.
    """

    recipe: Recipe
    detail: str = ""
    coded: bool = False


Changes = Iterator[Change]
# Changes a recipe in every way in which a mistake is made.
Make = Callable[[Recipe], Changes]


@dataclass(frozen=True)
class Mistake:
    """A known mistake.

    Attributes:
        id: its name in `--json`.
        says: what it is, as a sentence.
        fix: how to fix it, as a sentence.
        changes: for each result in which it can be made, how it changes a recipe.
        code: a line of NumPy that makes it, and the right one. stride, dilation, before and after (zeros) have a number
            for each axis; i and u are positions of O and W, place is one of X, all from 0.
        short: a phrase for it in a list; several mistakes may share one.
        needs: what a layer must have for people to make it there: channels, batch or groups; empty for nothing.
        forward: what it is and how to fix it, where it is made in O; None where the same words say it.
        flipped: the same for layers whose W is rotated before it slides, by result, where these need other words.
    """

    id: str
    says: str
    fix: str
    changes: dict[Tensor, Make]
    code: tuple[str, str]
    short: str
    needs: str = ""
    forward: tuple[str, str] | None = None
    flipped: dict[Tensor, tuple[str, str]] = field(default_factory=dict)

    def changed(self, recipe: Recipe) -> Changes:
        """A recipe in every way in which the mistake changes it; nothing where it can't be made."""
        make = self.changes.get(recipe.result)
        return iter(()) if make is None else make(recipe)

    def is_made_in(self, layer: Layer) -> bool:
        """Whether people make it in such a layer: one with several filters or channels, a batch axis, or groups."""
        return {
            "": True,
            "channels": max(layer.filters, layer.channels) > 1,
            "batch": layer.x_lead == 2,
            "groups": layer.groups > 1,
        }[self.needs]

    def words(self, result: Tensor, flip: bool = False) -> tuple[str, str]:
        """What the mistake is, and how to fix it, in one result of a layer with or without flip."""
        if flip and result in self.flipped:
            return self.flipped[result]
        return self.forward if result is Tensor.O and self.forward is not None else (self.says, self.fix)


def in_all(make: Make) -> dict[Tensor, Make]:
    """The same mistake in O and in all three gradients."""
    return dict.fromkeys(RESULTS, make)


def in_arrays(make: Make) -> dict[Tensor, Make]:
    """The same mistake in O, dE/dW and dE/dX, which have spatial axes."""
    return dict.fromkeys((Tensor.DW, Tensor.DX, Tensor.O), make)


def on_axes(axes: Sequence[int]) -> str:
    """Which spatial axes, in words."""
    return "axis " + " and ".join(str(axis + 1) for axis in axes)


def some_axes(dims: int) -> list[Shape]:
    """All the axes together, then each by itself where there are several."""
    alone = [(axis,) for axis in range(dims)] if dims > 1 else []
    return [tuple(range(dims)), *alone]


def with_values(values: Shape, axes: Sequence[int], others: Sequence[int]) -> Shape:
    """The values, on some axes replaced by others."""
    return tuple(others[k] if k in axes else value for k, value in enumerate(values))
