"""Makes a failing layer smaller while it fails in the same way: first its sizes, then its numbers."""

import time
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.programs.suites import SuiteLayer, features, numbered, sizes, with_options
from cnngrad.programs.verdicts import Outcome
from cnngrad.tensor import X

# The name of the smallest layer found.
SMALLEST = "smallest"
# Maximum number of runs.
_MOST_RUNS = 200
# Seconds after which no further run is begun.
_LONGEST = 20.0

# Called with the name of a stage, the number of steps done and of all steps, and words for the current one.
Progress = Callable[[str, int, int, str], None]


def shrunk(
    best: Outcome, failing: Callable[[SuiteLayer], Outcome | None], without: Collection[str], progress: Progress
) -> Outcome:
    """The outcome of the smallest layer found to fail, in steps from one to a smaller one, the largest first.

    Args:
        best: the outcome of the layer to begin with.
        failing: runs a layer, and returns its outcome if it fails in the same way.
        without: the features, of `FEATURES`, that the layer may not need.
        progress: called before each layer.
    """
    until = time.monotonic() + _LONGEST
    tried = set[Hashable]()

    def untried(layers: Iterator[SuiteLayer]) -> Iterator[SuiteLayer]:
        for layer in layers:
            key = sizes(layer.layer), *(array.tobytes() for array in layer.arrays.values())
            if key in tried or not set(without).isdisjoint(features(layer.layer)):
                continue
            if len(tried) >= _MOST_RUNS or time.monotonic() > until:
                return
            tried.add(key)
            progress("smaller", len(tried), _MOST_RUNS, "a smaller layer that fails")
            yield replace(layer, name=SMALLEST)

    for smaller in (_with_smaller_sizes, _with_smaller_numbers):
        while found := next(filter(None, map(failing, untried(smaller(best.layer)))), None):
            best = found
    return best


def _with_smaller_sizes(best: SuiteLayer) -> Iterator[SuiteLayer]:
    """The layers with one size or option smaller that keep the options asked of all layers of the suite."""
    decimals = any(array.dtype.kind == "f" for array in best.arrays.values())
    for smaller in _smaller(best.layer):
        # At least one window must fit on every axis.
        with suppress(CnngradError):
            layer = with_options(smaller, best.asked)
            # With fewer groups, each group is larger.
            is_larger = prod(layer.canonical[X]) > best.arrays[X].size or layer.filters > best.layer.filters
            if not is_larger and sizes(layer) != sizes(best.layer):
                yield numbered(replace(best, layer=layer), decimals)


def _smaller(layer: Layer) -> Iterator[Layer]:
    """A layer with one of its sizes or options smaller, the plainest first.

    All axes change together, then each alone, as programs may refuse axes that differ; so do both sides of the padding,
    and channels with filters.
    """
    some = [slice(None), *(slice(number, number + 1) for number in range(layer.dims))]

    def with_axes(part: slice, **changes: Any) -> Layer:
        axes = [*layer.axes]
        axes[part] = [replace(axis, **changes) for axis in axes[part]]
        return replace(layer, axes=tuple(axes))

    for part in some:
        yield with_axes(part, **_PLAIN)
    yield layer.with_axes(mode="zeros")
    groups = layer.groups
    yield replace(layer, groups=1, channels=layer.group_channels, filters=layer.group_filters)
    yield replace(layer, groups=1)
    for names in (("channels", "filters"), ("channels",), ("batch",), ("filters",)):
        times: Any = 1 if names == ("batch",) else groups
        most = min(getattr(layer, name) for name in names) // times
        yield from (replace(layer, **dict.fromkeys(names, fewer * times)) for fewer in _fewer(most, 1))
    yield replace(layer, has_bias=False)
    for names, part in product((("before", "after"), *zip(_PLAIN, strict=True)), some):
        axes = layer.axes[part]
        least = _PLAIN[names[0]]
        if names == ("size",):
            least = max([1, *(axis.span - axis.before - axis.after for axis in axes if not axis.transposed)])
        most = min(getattr(axis, name) for axis in axes for name in names)
        yield from (with_axes(part, **dict.fromkeys(names, fewer)) for fewer in _fewer(most, least))


# The minimum of each number of an axis; that of a size also depends on the window.
_PLAIN = {"kernel": 1, "dilation": 1, "stride": 1, "before": 0, "after": 0, "extra": 0, "size": 1}


def _fewer(number: int, least: int) -> list[int]:
    """Smaller numbers, the least first; several, since a program may take only multiples, or only large numbers."""
    tried = dict.fromkeys((*range(least, least + 5), number // 2, number - 2, number - 1))
    return [smaller for smaller in tried if least <= smaller < number]


def _with_smaller_numbers(best: SuiteLayer) -> Iterator[SuiteLayer]:
    """The layers with simpler numbers."""
    for tensor, array in best.arrays.items():
        for smaller in _closer(array):
            if not np.array_equal(smaller, array):
                yield replace(best, arrays=best.arrays | {tensor: smaller})


def _closer(array: Array) -> Iterator[Array]:
    """The array with all numbers simpler, or some of them."""
    yield np.ones_like(array)
    yield np.abs(array)
    count = array.size
    for size in (count // 2 or 1, count // 4 or 1, 1):
        for first, value in product(range(0, count, size), (0, 1)):
            changed = array.flatten()
            part = changed[first : first + size]
            # Never turn 0 into 1: that is not simpler.
            part[part != 0] = value
            yield changed.reshape(array.shape)
