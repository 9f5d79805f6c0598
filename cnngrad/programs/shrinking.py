"""Makes a failing layer smaller as long as it fails in the same way: first the layer, then its numbers."""

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.layer import Axis, Layer
from cnngrad.programs.suites import SuiteLayer, features, numbered, sizes

__all__ = ["Shrinker"]

# The most runs, and the seconds after which none is begun.
_MOST_RUNS, _LONGEST = 200, 20.0


class Shrinker:
    """Looks for the smallest layer that fails like another."""

    def __init__(self, start: SuiteLayer, without: frozenset[str]) -> None:
        """A search that has not begun.

        Args:
            start: the layer that fails.
            without: the features, of `FEATURES`, that the layer may not need.
        """
        self._best, self._without = start, without
        self._decimals = any(array.dtype.kind == "f" for array in start.arrays.values())
        self.runs, self.most = 0, _MOST_RUNS
        self._tried: set[Hashable] = set()

    def shrink(self, fails: Callable[[SuiteLayer], bool], name: str) -> None:
        """Try smaller layers, the largest steps first, and go on from each that fails.

        Args:
            fails: whether a layer fails in the same way.
            name: the name of the layers that are tried.
        """
        until = time.monotonic() + _LONGEST
        for smaller in (self._smaller_layers, self._smaller_numbers):
            tried = True
            while tried:
                tried = False
                for key, candidate in smaller():
                    if key in self._tried:
                        continue
                    self._tried.add(key)
                    if self.runs >= self.most or time.monotonic() > until:
                        return
                    self.runs += 1
                    if fails(replace(candidate, name=name)):
                        self._best, tried = candidate, True
                        break

    def _smaller_layers(self) -> Iterator[tuple[Hashable, SuiteLayer]]:
        """The best layer with one thing smaller, each with what tells it from others."""
        for layer in _smaller(self._best.layer):
            if _is_whole(layer) and not features(layer) & self._without:
                yield sizes(layer), numbered(replace(self._best, layer=layer), self._decimals)

    def _smaller_numbers(self) -> Iterator[tuple[Hashable, SuiteLayer]]:
        """The best layer with numbers closer to 0 and 1, each with what tells it from others."""
        for tensor, array in self._best.arrays.items():
            for smaller in _closer(array):
                if not np.array_equal(smaller, array):
                    arrays = self._best.arrays | {tensor: smaller}
                    yield tuple(each.tobytes() for each in arrays.values()), replace(self._best, arrays=arrays)


def _smaller(layer: Layer) -> Iterator[Layer]:
    """A layer with one of its sizes or options smaller, the plainest first."""
    axes = layer.axes
    for number in range(len(axes)):
        yield _with_axis(layer, number, Axis(1, 1))
    c, f = layer.group_channels, layer.group_filters
    if layer.groups > 1:
        yield replace(layer, groups=1, channels=c, filters=f)
    for fewer in _fewer(c, 1):
        yield replace(layer, channels=fewer * layer.groups)
    for fewer in _fewer(layer.batch, 1):
        yield replace(layer, batch=fewer)
    for fewer in _fewer(f, 1):
        yield replace(layer, filters=fewer * layer.groups)
    if layer.has_bias:
        yield replace(layer, has_bias=False)
    for name, least in (("kernel", 1), ("dilation", 1), ("stride", 1), ("before", 0), ("after", 0)):
        for number, axis in enumerate(axes):
            for fewer in _fewer(getattr(axis, name), least):
                changed: dict[str, Any] = {name: fewer}
                yield _with_axis(layer, number, replace(axis, **changed))
    for number, axis in enumerate(axes):
        for fewer in _fewer(axis.size, max(1, axis.span - axis.before - axis.after)):
            yield _with_axis(layer, number, replace(axis, size=fewer))


def _fewer(number: int, least: int) -> Iterator[int]:
    """Smaller numbers, the least first."""
    tried = (least, least + 1, least + 2, number // 2, number - 2, number - 1)
    yield from (smaller for smaller in dict.fromkeys(tried) if least <= smaller < number)


def _with_axis(layer: Layer, number: int, axis: Axis) -> Layer:
    axes = list(layer.axes)
    axes[number] = replace(axis, flip=layer.flip)
    return replace(layer, axes=tuple(axes))


def _is_whole(layer: Layer) -> bool:
    """Whether at least one window fits on every axis."""
    return all(axis.padded >= axis.span for axis in layer.axes)


def _closer(array: Array) -> Iterator[Array]:
    """An array with all of its numbers smaller, or some of them."""
    yield np.ones_like(array)
    yield np.abs(array)
    flat = array.reshape(-1)
    for size in (len(flat) // 2, len(flat) // 4, 1):
        for first in range(0, len(flat), max(size, 1)):
            for value in (0, 1):
                changed = flat.copy()
                here = slice(first, first + max(size, 1))
                # A 0 stays: 1 is no step towards it.
                changed[here] = np.where(changed[here] == 0, 0, value)
                yield changed.reshape(array.shape)
