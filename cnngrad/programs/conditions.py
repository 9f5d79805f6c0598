"""What some layers have in common that others don't have: options, and limits beyond which a program fails."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import prod
from operator import attrgetter

import numpy as np

from cnngrad.arrays import Array
from cnngrad.layer import Layer
from cnngrad.programs.suites import Condition, needing
from cnngrad.tensor import O, W, X

__all__ = ["CONDITIONS", "separating", "shared"]

# Functions that count something in a layer, by words for it.
_Counts = Mapping[str, Callable[[Layer], int]]


def separating(right: Sequence[Layer], wrong: Sequence[Layer]) -> str:
    """What all wrong layers have and no right layer has, such as `channels > 8`; empty if nothing separates them."""
    layers = [*right, *wrong]
    is_wrong = np.arange(len(layers)) >= len(right)
    fits = {words: np.array([*map(test, layers)]) for words, test in _PREDICATES.items()}
    fits |= _limits(_COUNTS, layers, is_wrong)
    fits |= {f"{one} and {other}": fits[one] & fits[other] for one, other in combinations(CONDITIONS, 2)}
    # Sizes come last: if options separate the layers too, they tell more.
    fits |= _limits(_SIZES, layers, is_wrong)
    return next((words for words, found in fits.items() if (found == is_wrong).all()), "")


def shared(layers: Sequence[Layer], others: Sequence[Layer]) -> str:
    """The property of all `layers` that the fewest `others` have; empty if more than half of these have it."""
    fitting = {words: sum(map(test, others)) for words, test in _PREDICATES.items() if all(map(test, layers))}
    words = min(fitting, key=fitting.__getitem__, default="")
    return words if words and len(layers) > 1 and 2 * fitting[words] <= len(others) > 0 else ""


def _limits(counts: _Counts, layers: Sequence[Layer], is_wrong: Array) -> dict[str, Array]:
    """Which layers are beyond a limit that fits all wrong ones, or are no multiple of a tile, by words for it."""
    fits = {}
    for words, count in counts.items():
        numbers = np.array([*map(count, layers)])
        least = numbers[is_wrong].min()
        most = numbers[is_wrong].max()
        fits[f"{words} > {least - 1}"] = numbers >= least
        fits[f"{words} < {most + 1}"] = numbers <= most
        for tile in _TILES:
            fits[f"{words} > {tile} is no multiple of {tile}"] = (numbers > tile) & (numbers % tile > 0)
    return fits


# Conditions that a layer may meet, by words; the report names those that were never tried.
CONDITIONS: dict[str, Condition] = {
    "stride > 1": needing("stride"),
    "padding > 0": needing("padding"),
    "output padding > 0": lambda layer: any(axis.extra for axis in layer.axes),
    "an uneven padding": needing("asymmetric"),
    "padding that is not zeros": needing("padding-modes"),
    "dilation > 1": needing("dilation"),
    "groups > 1": needing("groups"),
    "batch > 1": needing("batch"),
    "channels > 1": lambda layer: layer.channels > 1,
    "filters > 1": lambda layer: layer.filters > 1,
    "a bias": needing("bias"),
    "axes that differ": needing("non-square"),
}
# Sizes of tiles, and numbers on which a fault may depend, by words.
_TILES = (2, 4, 8, 16, 32)
_COUNTS: _Counts = {
    **{name: attrgetter(name) for name in ("batch", "channels", "filters", "groups")},
    "channels of a group": attrgetter("group_channels"),
    "filters of a group": attrgetter("group_filters"),
    "stride": lambda layer: max(axis.stride for axis in layer.axes),
    "dilation": lambda layer: max(axis.dilation for axis in layer.axes),
    "padding − d·(k − 1)": lambda layer: max(max(axis.before, axis.after) - axis.span + 1 for axis in layer.axes),
}
_SIZES: _Counts = {
    "an axis of W": lambda layer: max(layer.kernel),
    "elements of X": lambda layer: prod(layer.canonical[X]),
    "elements of W": lambda layer: prod(layer.canonical[W]),
    "elements of O": lambda layer: prod(layer.canonical[O]),
    "the width of O": lambda layer: layer.out[-1],
    "the height of O": lambda layer: layer.out[-2:][0],
}
# Properties that failing layers may have in common, by words.
_PREDICATES: dict[str, Condition] = CONDITIONS | {
    "a kernel larger than 1": lambda layer: prod(layer.kernel) > 1,
    "rows left over by the stride": lambda layer: any(axis.conv.leftover for axis in layer.axes),
    "as many filters as channels": lambda layer: layer.groups == 1 < layer.filters == layer.channels,
    "strides that differ": lambda layer: len({axis.stride for axis in layer.axes}) > 1,
}
