"""Calls a backward pass that is a Python function, and reads what it returns."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnngrad.arrays import Array, as_claim
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.tensor import GRADIENTS, RESULTS, Tensor

__all__ = ["UnsupportedLayerError", "call"]

_OPTIONS = ("stride", "padding", "dilation", "groups")


class UnsupportedLayerError(Exception):
    """The function does not take an option that the layer needs."""


def call(
    function: Callable[..., Any], layer: Layer, arrays: Mapping[Tensor, Array], convert: Callable[[Array], Any] | None
) -> dict[Tensor, Array]:
    """What a function gives for a layer: it is called as f(x, w, dedo, *, stride, padding, dilation, groups).

    Args:
        function: returns (dw, dx), (dw, dx, db), a mapping, or an object with these names.
        layer: the layer.
        arrays: X, W and dE/dO.
        convert: makes the arrays that the function takes from NumPy's; None for NumPy's own.

    Raises:
        UnsupportedLayerError: the layer needs a keyword that the function does not take.
        CnngradError: what it returns is none of these.
    """
    given = [arrays[tensor].copy() for tensor in (Tensor.X, Tensor.W, Tensor.DEDO)]
    returned = function(*(given if convert is None else map(convert, given)), **_keywords(function, layer))
    found = {result: as_claim(result.key, value) for result, value in _named(returned)}
    dw, dx = found.get(Tensor.DW), found.get(Tensor.DX)
    if isinstance(returned, tuple) and dw is not None and dx is not None and _are_swapped(layer, dw, dx):
        found |= {Tensor.DW: dx, Tensor.DX: dw}
    return found


def _are_swapped(layer: Layer, dw: Array, dx: Array) -> bool:
    """Whether the shapes tell that a function returns (dx, dw)."""
    shapes = (layer.written[Tensor.DX], layer.written[Tensor.DW])
    return (dw.shape, dx.shape) == shapes and shapes[0] != shapes[1]


def _keywords(function: Callable[..., Any], layer: Layer) -> dict[str, Any]:
    """The options that a function takes: an int where all axes agree, else a tuple."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    every = not parameters or any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    known = {parameter.name for parameter in parameters}
    default = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    found = {}
    for name in _OPTIONS:
        value = _as_tuples(layer.options[name])
        if every or name in known:
            found[name] = value
        elif value != default[name]:
            raise UnsupportedLayerError(f"it takes no {name}")
    return found


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _named(returned: Any) -> list[tuple[Tensor, Any]]:
    """The results in what a function returned, by name or by place."""
    if isinstance(returned, tuple | list) and not hasattr(returned, "_fields"):
        if not 1 <= len(returned) <= len(GRADIENTS):
            raise CnngradError(f"the function returned {len(returned)} values: it must return (dw, dx) or (dw, dx, db)")
        return [(result, value) for result, value in zip(GRADIENTS, returned, strict=False) if value is not None]
    found = []
    for result in RESULTS:
        for name in (result.keyword, result.key):
            value = returned.get(name) if isinstance(returned, Mapping) else getattr(returned, name, None)
            if value is not None:
                found.append((result, value))
                break
    if not found or isinstance(returned, np.ndarray):
        raise CnngradError(
            f"the function returned {type(returned).__name__}: it must return (dw, dx), (dw, dx, db), or these by name"
        )
    return found
