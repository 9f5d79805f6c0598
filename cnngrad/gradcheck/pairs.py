"""Pairs of mistakes: one changes the numbers or the layer that the other is made with, or its sign or a factor.

A mistake of the catalogue computes its wrong gradient from the layer's data. Given data that another mistake has
changed already, a filter turned, a stride forgotten, it computes what both give.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.gradcheck.factors import FEWEST_NUMBERS, named_factors, told_factor, true_factor
from cnngrad.gradcheck.matching import Found, absolute, as_user, guesses_of, remade, reproduced
from cnngrad.gradcheck.mistakes import CATALOGUE, PLACES, Data, Mistake
from cnngrad.gradcheck.mistakes.sums import turned
from cnngrad.gradcheck.tolerance import Tolerance
from cnngrad.tensor import Tensor

__all__ = ["reproduced_by_two"]

Pair = tuple[str, str]
_MINUS = -1.0
# What can be computed with changed data as with the layer's own.
_SECOND = {
    "filter-not-rotated", "filter-flipped-one-axis", "filter-transposed", "stride-ignored", "stride-gap-wrong",
    "stride-axes-swapped", "stride-dilation-swapped", "dilation-ignored", "dilation-off-by-one", "padding-ignored",
    "padding-wrong-side", "operand-rotated", "result-rotated", "axes-swapped", "channels-swapped", "last-batch-only",
    "first-batch-only", "border-not-zero", "incomplete", "shifted", "other-layout", "overwritten",
}  # fmt: skip


def reproduced_by_two(
    data: Data, result: Tensor, claim: Array, tolerance: Tolerance, until: float
) -> Iterator[tuple[Pair, Found]]:
    """The pairs of mistakes that give a claim, with the second's detail.

    Args:
        data: the layer and its numbers.
        result: dE/dW, dE/dX or dE/db.
        claim: the wrong gradient, in the user's layout.
        tolerance: how far it may be off.
        until: when to stop, as `time.monotonic` tells it.
    """
    yield from _with_a_factor(data, result, claim, tolerance, until)
    for name, change in _CHANGES.get(result, {}).items():
        changed = _changed(change, result, data)
        if changed is None:
            continue
        magnitude = absolute(changed, result).right[result]
        for mistake in CATALOGUE:
            if time.monotonic() > until:
                return
            if mistake.id in _SECOND and mistake.id != name:
                found = reproduced(mistake, changed, result, claim, magnitude, tolerance)
                if found is not None:
                    again = partial(_remade_changed, change, result, found.remake)
                    yield _ordered(name, mistake.id), Found(found.detail, again)


def _changed(change: Callable[[Data], Data | None], result: Tensor, data: Data) -> Data | None:
    changed = change(data)
    return None if changed is None else replace(changed, right={result: changed.compute(result)})


def _remade_changed(
    change: Callable[[Data], Data | None], result: Tensor, remake: Callable[[Data], Array], data: Data
) -> Array:
    changed = _changed(change, result, data)
    assert changed is not None
    return remake(changed)


def _with_a_factor(
    data: Data, result: Tensor, claim: Array, tolerance: Tolerance, until: float
) -> Iterator[tuple[Pair, Found]]:
    """A mistake whose result has the wrong sign besides, or a factor that has a name."""
    factors: dict[float, list[str]] = {_MINUS: []} | named_factors(data.layer)
    sizes = absolute(data, result)
    for mistake in CATALOGUE:
        if mistake.id in ("scaled", "sign-flipped", "zero"):
            continue
        pairs = zip(guesses_of(mistake, data, result), guesses_of(mistake, sizes, result), strict=True)
        for number, (guess, size) in enumerate(pairs):
            if time.monotonic() > until:
                return
            array = as_user(data.layer, result, guess).astype(np.float64)
            if array.shape != claim.shape or np.count_nonzero(array) < FEWEST_NUMBERS:
                continue
            factor = true_factor(factors, claim, array, np.abs(as_user(data.layer, result, size)), tolerance)
            if factor is None:
                continue
            again = partial(_scaled, factor, mistake, result, number)
            if factor == _MINUS:
                yield _ordered(mistake.id, "sign-flipped"), Found(guess.detail, again)
            else:
                told = (guess.detail, told_factor(factor, factors[factor]))
                yield _ordered(mistake.id, "scaled"), Found(", ".join(part for part in told if part), again)


def _scaled(factor: float, mistake: Mistake, result: Tensor, number: int, data: Data) -> Array:
    return factor * remade(mistake, result, number, data)


def _ordered(one: str, other: str) -> Pair:
    first, second = sorted((one, other), key=PLACES.__getitem__)
    return first, second


def _with_axes(**fixed: Any) -> Callable[[Data], Data | None]:
    """The layer with one of its options as if it were not there; None where it is not there."""

    def change(data: Data) -> Data | None:
        axes = tuple(replace(axis, **fixed) for axis in data.axes)
        return None if axes == data.axes else replace(data, layer=replace(data.layer, axes=axes))

    return change


def _without_padding(data: Data) -> Data | None:
    if not any(axis.before for axis in data.axes):
        return None
    axes = tuple(replace(axis, before=0, after=axis.before + axis.after) for axis in data.axes)
    return replace(data, layer=replace(data.layer, axes=axes))


def _one_sample(sample: slice) -> Callable[[Data], Data | None]:
    def change(data: Data) -> Data | None:
        if data.layer.batch == 1:
            return None
        return replace(data, layer=replace(data.layer, batch=1), x=data.x[sample], dedo=data.dedo[sample])

    return change


def _filter_not_rotated(data: Data) -> Data:
    return replace(data, w=turned(data.w, data.spatial))


_STEPS: dict[str, Callable[[Data], Data | None]] = {
    "stride-ignored": _with_axes(stride=1),
    "dilation-ignored": _with_axes(dilation=1),
    "padding-ignored": _without_padding,
}
_CHANGES: dict[Tensor, dict[str, Callable[[Data], Data | None]]] = {
    Tensor.O: _STEPS,
    Tensor.DX: {"filter-not-rotated": _filter_not_rotated, **_STEPS},
    Tensor.DW: {**_STEPS, "last-batch-only": _one_sample(slice(-1, None)), "first-batch-only": _one_sample(slice(1))},
}
