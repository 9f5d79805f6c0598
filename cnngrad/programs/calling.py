"""Calls a backward pass that is a Python function, and reads what it returns."""

import inspect
from collections.abc import Callable, Collection, Mapping
from itertools import permutations
from typing import Any

from cnngrad.arrays import Array, as_claim
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, Shape
from cnngrad.tensor import GRADIENTS, RESULTS, Tensor

__all__ = ["Caller", "UnsupportedLayerError", "by_name"]

# Other names of the results, as an error gives them.
_OTHERS = "dW, dEdW, grad_w and the like"
_OPTIONS = ("stride", "padding", "dilation", "groups")


class UnsupportedLayerError(Exception):
    """The function does not take an option that the layer needs."""


class Caller:
    """Calls a function as f(x, w, dedo, *, stride, padding, dilation, groups), with b too where it takes that."""

    def __init__(
        self,
        function: Callable[..., Any],
        convert: Callable[[Array], Any] | None = None,
        fixed: Collection[str] = (),
    ) -> None:
        """A function that has not been called yet.

        Args:
            function: returns (dw, dx), (dw, dx, db), a mapping, or an object with these names.
            convert: makes the arrays that the function takes from NumPy's; None for NumPy's own.
            fixed: the options that are the same in all layers, which the function need not take.
        """
        self._function, self._convert, self._fixed = function, convert, fixed
        # In which order the function returns its results, once shapes have told that it is another one than ours.
        self._order: dict[tuple[Tensor, ...], tuple[Tensor, ...]] = {}

    def call(self, layer: Layer, arrays: Mapping[Tensor, Array]) -> tuple[dict[Tensor, Array], str]:
        """What the function gives for a layer, and how it was understood where that needs saying.

        Args:
            layer: the layer.
            arrays: X, W, dE/dO and, where the layer has one, b.

        Raises:
            UnsupportedLayerError: the layer needs a keyword that the function does not take.
            CnngradError: what it returns is none of what it may return.
        """
        given: dict[Tensor, Any] = {tensor: array.copy() for tensor, array in arrays.items()}
        if self._convert is not None:
            given = {tensor: self._convert(array) for tensor, array in given.items()}
        positional = [given[tensor] for tensor in (Tensor.X, Tensor.W, Tensor.DEDO)]
        keywords, parameters = _keywords(self._function, layer, self._fixed), _parameters(self._function)
        for place, name in enumerate(parameters):
            if name in ("b", "bias") and place < len(positional):
                positional.insert(place, given.get(Tensor.B))
            elif name in ("b", "bias"):
                keywords[name] = given.get(Tensor.B)
        returned = self._function(*positional, **keywords)
        named = _named(returned)
        found = {result: as_claim(result.key, value) for result, value in named}
        if not _is_by_place(returned):
            return found, ""
        order = self._ordered(layer, tuple(found), tuple(array.shape for array in found.values()))
        if order == tuple(found):
            return found, ""
        names = ", ".join(result.keyword for result in order)
        return dict(zip(order, found.values(), strict=True)), f"It returns ({names}), as the shapes tell."

    def _ordered(self, layer: Layer, usual: tuple[Tensor, ...], shapes: tuple[Shape, ...]) -> tuple[Tensor, ...]:
        """The order in which results of such shapes are returned: the usual one, unless shapes tell another."""
        fitting = [
            order
            for order in permutations(usual)
            if all(layer.written[result] == shape for result, shape in zip(order, shapes, strict=True))
        ]
        if len(fitting) == 1:
            self._order[usual] = fitting[0]
        told = self._order.get(usual, usual)
        return told if told in fitting else usual


def _keywords(function: Callable[..., Any], layer: Layer, fixed: Collection[str]) -> dict[str, Any]:
    """The options that a function takes: an int where all axes agree, else a tuple."""
    known = _parameters(function)
    every = not known or any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values())
    default = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    found = {}
    for name in _OPTIONS:
        value = _as_tuples(layer.options[name])
        if every or name in known:
            found[name] = value
        elif value != default[name] and name not in fixed:
            raise UnsupportedLayerError(f"it takes no {name}")
    return found


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function by name; nothing where it does not tell them."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _is_by_place(returned: Any) -> bool:
    """Whether results are known by their place, not by their name."""
    return isinstance(returned, tuple | list) and not hasattr(returned, "_fields")


def _named(returned: Any) -> list[tuple[Tensor, Any]]:
    """The results in what a function returned, by name or by place."""
    if _is_by_place(returned):
        if not 1 <= len(returned) <= len(GRADIENTS):
            raise CnngradError(f"the function returned {len(returned)} values: it must return (dw, dx) or (dw, dx, db)")
        return [(result, value) for result, value in zip(GRADIENTS, returned, strict=False) if value is not None]
    if hasattr(returned, "_asdict"):
        returned = returned._asdict()
    if isinstance(returned, Mapping):
        return by_name(returned, "the function returned")
    names = {name: getattr(returned, name, None) for result in RESULTS for name in result.names}
    found = by_name(names, "the function returned")
    if not found:
        raise CnngradError(
            f"the function returned {type(returned).__name__}: it must return (dw, dx), (dw, dx, db), or these by name"
        )
    return found


def by_name(returned: Mapping[str, Any], who: str) -> list[tuple[Tensor, Any]]:
    """The results in a mapping; None stands for one that is not given.

    Raises:
        CnngradError: a name that no result has, two names of one, or no result at all.
    """
    found: dict[Tensor, Any] = {}
    for name, value in returned.items():
        result = Tensor.result_named(name) if isinstance(name, str) else None
        if result is None:
            known = ", ".join(each.keyword for each in RESULTS)
            raise CnngradError(f"{who} the unknown name {name!r:.40}: the names are {known}, or {_OTHERS}")
        if value is not None:
            if result in found:
                raise CnngradError(f"{who} {result.keyword} under two names, one of them {name!r}: give it once")
            found[result] = value
    return list(found.items())
