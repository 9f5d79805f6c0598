"""Numbers with which each known mistake shows in every asked cell that it affects, and no two mistakes look alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array, Arrays
from cnngrad.causes.catalogue import CATALOGUE, Mistake
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import Recipe, right_recipe
from cnngrad.layer import Layer
from cnngrad.tensor import DEDO, B, Tensor, W, X

__all__ = ["DECIMALS", "Telling", "Way"]

# Maximum number of draws.
_DRAWS = 2000
# The largest number in the first draws.
_LARGEST = 9
# Number of draws after which the largest number grows by one.
_EACH = 10
# Number of decimal places of results, if the given numbers have one.
DECIMALS = 2
# Largest number of a draw in which different products and sums are hardly ever equal by chance.
_GENERIC = 10**6


class Way(NamedTuple):
    """A way in which known mistakes change the asked cells of a result.

    Attributes:
        mistake: the likeliest of the mistakes that give these numbers.
        recipe: how it computes them.
        changes: the asked cells that it changes, unless numbers are equal by chance.
    """

    mistake: Mistake
    recipe: Recipe
    changes: Array


@dataclass(frozen=True)
class Telling:
    """Draws numbers for a layer.

    Attributes:
        layer: the layer.
        asked: the canonical indices of the asked cells along each axis, by result.
        with_decimals: whether numbers have a decimal place.
    """

    layer: Layer
    asked: Mapping[Tensor, tuple[Array, ...]]
    with_decimals: bool

    @cached_property
    def ways(self) -> dict[Tensor, list[Way]]:
        """The ways in which known mistakes change each asked result in its own shape."""
        data = Data.of(self.layer, self._drawn(np.random.default_rng(0), _GENERIC))
        found = {}
        for result in self.asked:
            right = self._cells(result, right_recipe(self.layer, result), data)
            alike = dict[bytes, Way]()
            for mistake in CATALOGUE:
                for recipe in mistake.changed(right_recipe(self.layer, result)) if mistake.short else ():
                    wrong = self._cells(result, recipe, data)
                    if wrong.shape == right.shape and (wrong != right).any():
                        alike.setdefault(wrong.astype(float).tobytes(), Way(mistake, recipe, wrong != right))
            found[result] = list(alike.values())
        return found

    def _cells(self, result: Tensor, recipe: Recipe, data: Data) -> Array:
        """The asked cells of a result as a recipe computes it; none if it has another shape."""
        array = self.made(recipe, data)
        if array.shape != self.layer.shapes[result]:
            return np.empty(0)
        cells: Array = array.reshape(self.layer.canonical[result])[self.asked[result]]
        return cells

    def drawn(self, generator: np.random.Generator) -> tuple[Arrays, bool]:
        """X, W, b and dE/dO in the user's shapes, and whether every mistake shows."""
        for number in range(_DRAWS):
            arrays = self._drawn(generator, _LARGEST + number // _EACH)
            if self.with_decimals:
                arrays = {tensor: array / 10 for tensor, array in arrays.items()}
            if is_telling := not self._is_chance(arrays):
                break
        return arrays, is_telling

    def made(self, recipe: Recipe, data: Data) -> Array:
        """What a recipe computes, as it is asked for: without the rounding of float64 if there are decimals."""
        array = made(recipe, data)
        return np.round(array, DECIMALS) + 0.0 if self.with_decimals else array

    def _drawn(self, generator: np.random.Generator, largest: int) -> Arrays:
        given = [X, W, DEDO, *[B] * self.layer.has_bias]
        arrays = {tensor: generator.integers(1, largest + 1, self.layer.shapes[tensor]) for tensor in given}
        return {t: array * generator.choice([-1, 1], array.shape) for t, array in arrays.items()}

    def _is_chance(self, arrays: Mapping[Tensor, Array]) -> bool:
        """Whether an asked cell is right in spite of a mistake, or two mistakes give the same cells."""
        data = Data.of(self.layer, dict(arrays))
        for result, ways in self.ways.items():
            recipe = right_recipe(self.layer, result)
            data = data.knowing(recipe)
            right = self._cells(result, recipe, data)
            seen = set()
            for number, way in enumerate(ways):
                cells = self._cells(result, way.recipe, data)
                if (way.changes & (cells == right)).any() or (key := cells.astype(float).tobytes()) in seen:
                    # A mistake that is hidden once is often hidden again: test it first in the next draw.
                    ways.insert(0, ways.pop(number))
                    return True
                seen.add(key)
        return False
