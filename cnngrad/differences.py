"""Central finite differences of `forward`: gradients that use nothing of `backward`.

E = sum(O * dE/dO) is linear in X, in W and in b, so a central difference has no truncation error at any step: the
step is a power of two near the data's scale, which leaves rounding alone, and on integers the difference is exact.
Elements whose windows never meet are moved together and told apart in the output (Curtis, Powell and Reid, 1974), so
that the number of forward passes depends on the filter alone.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from cnngrad.arrays import INT64_MAX, Array, common_dtype, largest_magnitude
from cnngrad.conv import exact_gradient_dtype, forward
from cnngrad.errors import CnngradError
from cnngrad.expansion import Number
from cnngrad.geometry import Layer

__all__ = ["Differences", "NumericGradient", "Progress", "spread"]

# Called after each step with the number of steps done and of all steps.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class NumericGradient:
    """A gradient by finite differences.

    Attributes:
        value: the gradient, in the user's layout; int64 and exact on integers, else float64.
        magnitude: for each element the sum of its terms' absolute values, the scale of rounding in any formula.
        noise: for each element a bound on what rounding in the differences themselves can contribute.
    """

    value: Array
    magnitude: Array
    noise: Array


class Differences:
    """Central differences of `forward` for one layer and its data, in float64, or in int64 where all is integer."""

    def __init__(
        self,
        layer: Layer,
        x: Array,
        w: Array,
        b: Array | None,
        dedo: Array,
        options: Mapping[str, Any],
        step: float | None = None,
    ) -> None:
        """Copies of the arrays to move, so that the user's stay as they are; `step` instead of our own choice."""
        if step is not None and not (math.isfinite(step) and step > 0):
            raise CnngradError(f"step is {step}: it must be larger than 0")
        self._layer = layer
        self._options = options
        self.exact = common_dtype(x, w, b, dedo).kind == "i"
        if step is not None and not (self.exact and step == int(step)):
            self.exact = False
        self._wanted_step = step
        work = np.dtype(np.int64 if self.exact else np.float64)
        if self.exact:
            exact_gradient_dtype(layer, x, w, dedo)
        bias = np.zeros(layer.shapes["b"], work) if b is None else b
        self._arrays = {"X": x.astype(work), "W": w.astype(work), "b": bias.astype(work)}
        self._dedo = dedo.astype(work, copy=False).reshape(layer.canonical["O"])

    def gradient(self, name: str, progress: Progress | None = None) -> NumericGradient:
        """The numeric gradient `"dEdX"`, `"dEdW"` or `"dEdb"`, by moving X, W or b."""
        moved = name.removeprefix("dEd")
        h = self._step(self._arrays[moved])
        shape = self._layer.canonical[moved]
        value = np.zeros(shape, self._dedo.dtype)
        magnitude, noise = np.zeros(shape), np.zeros(shape)
        per_output = self._noise_per_output(moved, h)
        moves = list(_MOVES[moved](self._layer))
        for done, move in enumerate(moves, start=1):
            change = self._change(moved, move.elements, h) * self._dedo
            move.store(value, change)
            move.store(magnitude, np.abs(change).astype(np.float64))
            move.store(noise, per_output)
            if progress is not None:
                progress(done, len(moves))
        user = self._arrays[moved].shape
        return NumericGradient(value.reshape(user), magnitude.reshape(user), noise.reshape(user))

    def _change(self, moved: str, elements: tuple[Any, ...], h: Number) -> Array:
        """dO/dt for the moved elements t: (O(t + h) - O(t - h)) / 2h."""
        array = self._arrays[moved].reshape(self._layer.canonical[moved])
        saved = array[elements].copy()
        array[elements] = saved + h
        plus = self._forward()
        array[elements] = saved - h
        minus = self._forward()
        array[elements] = saved
        change: Array = plus - minus
        return change // (2 * int(h)) if self.exact else change / (2 * h)

    def _forward(self) -> Array:
        o = forward(self._arrays["X"], self._arrays["W"], self._arrays["b"], **self._options)
        return o.reshape(self._layer.canonical["O"])

    def _step(self, array: Array) -> Number:
        """The step that was asked for; else 1 for integers, and a power of two near the largest magnitude."""
        if self.exact:
            h = int(self._wanted_step or 1)
            if largest_magnitude(array) + h > INT64_MAX:
                raise CnngradError(
                    f"{largest_magnitude(array)} can't be moved by {h} within int64: use smaller integers"
                )
            return h
        if self._wanted_step is not None:
            return self._wanted_step
        largest = float(np.abs(array).max())
        return 2.0 ** math.floor(math.log2(largest)) if largest > 0 else 1.0

    def _noise_per_output(self, moved: str, h: Number) -> Array:
        """What rounding in the two forward passes can add to each output's part of a difference."""
        if self.exact:
            return np.zeros(self._dedo.shape)
        sizes = {name: np.abs(array) for name, array in self._arrays.items()}
        sizes[moved] = sizes[moved] + h
        o = forward(sizes["X"], sizes["W"], sizes["b"], **self._options).reshape(self._dedo.shape)
        terms = self._layer.group_channels * math.prod(self._layer.kernel)
        noise: Array = o * np.abs(self._dedo) * (spread(np.float64, terms) / h)
        return noise


@dataclass(frozen=True)
class _Move:
    """Elements to move in one pass, and how to tell their shares in a change of the output apart.

    Attributes:
        elements: an index into the canonical array: what moves.
        store: adds up a (N, F, *out) array over the outputs that each moved element feeds, into a gradient.
    """

    elements: tuple[Any, ...]
    store: Callable[[Array, Array], None]


def _moves_of_x(layer: Layer) -> Iterator[_Move]:
    """One move per channel of a group and colour: elements whose windows never meet, in all samples and groups."""
    per_axis = [[axis.colour(r) for r in range(axis.span)] for axis in layer.axes]
    for c in range(layer.group_channels):
        for colours in product(*per_axis):
            if all(colours):
                yield _move_of_x(layer, c, colours)


def _move_of_x(layer: Layer, c: int, colours: tuple[list[tuple[int, int, int]], ...]) -> _Move:
    positions = [[h for h, _, _ in segments] for segments in colours]
    chosen = np.ix_(range(layer.batch), range(c, layer.channels, layer.group_channels), *positions)

    def store(gradient: Array, change: Array) -> None:
        shares = change.reshape(layer.batch, layer.groups, layer.group_filters, *layer.out).sum(axis=2)
        for axis, segments in enumerate(colours, start=2):
            # Windows that hold a moved element stand side by side, those of the next element follow.
            first, last = segments[0][1], segments[-1][2]
            reached = shares[(slice(None),) * axis + (slice(first, last),)]
            starts = [start - first for _, start, _ in segments]
            shares = np.add.reduceat(reached, starts, axis=axis)
        gradient[chosen] = shares

    return _Move(chosen, store)


def _moves_of_w(layer: Layer) -> Iterator[_Move]:
    """One move per channel of a group and filter position: that element of every filter."""
    for c in range(layer.group_channels):
        for u in np.ndindex(layer.kernel):
            yield _move_of_filters((slice(None), c, *u))


def _moves_of_b(layer: Layer) -> Iterator[_Move]:
    """One move: the bias of every filter."""
    yield _move_of_filters((slice(None),))


def _move_of_filters(elements: tuple[Any, ...]) -> _Move:
    def store(gradient: Array, change: Array) -> None:
        gradient[elements] = change.sum(axis=(0, *range(2, change.ndim)))

    return _Move(elements, store)


_MOVES: dict[str, Callable[[Layer], Iterator[_Move]]] = {"X": _moves_of_x, "W": _moves_of_w, "b": _moves_of_b}


def spread(dtype: npt.DTypeLike, terms: int) -> float:
    """How far a sum of `terms` products may be off by rounding, as a fraction of the sum of absolute terms."""
    return float(np.finfo(dtype).eps) * (8 + 2 * math.sqrt(terms))
