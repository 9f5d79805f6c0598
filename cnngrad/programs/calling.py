"""Calls a backward pass that is a Python function, and reads what it returns."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import permutations
from typing import Any

from cnngrad.arrays import Array, as_claim
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.tensor import DEDO, GRADIENTS, RESULTS, B, Tensor, W, X

# Further names of the results, for an error message.
_OTHERS = "dW, dEdW, grad_w and the like"
# The options that a function may take, and their values for a function that does not take them.
_DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_LATER = {"padding_mode": "zeros", "transposed": False, "output_padding": 0}


class Caller:
    """Calls a function as f(x, w, dedo, *, stride, padding, dilation, groups), with b too if it takes one."""

    def __init__(
        self,
        function: Callable[..., Any],
        convert: Callable[[Array], Any] | None = None,
        fixed: Collection[str] = (),
    ) -> None:
        """A function that has not been called yet.

        Args:
            function: returns (dw, dx), (dw, dx, db), a mapping, or an object with these names.
            convert: converts NumPy's arrays to those that the function takes; None for no conversion.
            fixed: the options that are the same in all layers, which the function need not take.
        """
        self._function, self._convert, self._fixed = function, convert or (lambda array: array), fixed
        self._parameters: Mapping[str, inspect.Parameter] = {}
        # Some functions have no signature.
        with suppress(TypeError, ValueError):
            self._parameters = inspect.signature(function).parameters
        # The order in which the function returns its results, once shapes have shown that it differs from ours.
        self._order: dict[tuple[Tensor, ...], tuple[Tensor, ...]] = {}

    def call(self, layer: Layer, arrays: Mapping[Tensor, Array]) -> tuple[dict[Tensor, Array], str]:
        """The function's results for a layer, and a note on how they were understood, or an empty one.

        Raises:
            NotImplementedError: the layer needs a keyword that the function does not take.
            CnngradError: it returns something else than results.
        """
        given = {tensor: self._convert(array.copy()) for tensor, array in arrays.items()}
        positional = [given[tensor] for tensor in (X, W, DEDO)]
        keywords = self._keywords(layer)
        for place, name in enumerate(self._parameters):
            if name in ("b", "bias"):
                if place < len(positional):
                    positional.insert(place, given.get(B))
                else:
                    keywords[name] = given.get(B)
        returned = self._function(*positional, **keywords)
        if isinstance(returned, tuple | list) and not hasattr(returned, "_fields"):
            return self._by_place(layer, returned)
        return {result: as_claim(result.key, value) for result, value in _named(returned).items()}, ""

    def _keywords(self, layer: Layer) -> dict[str, Any]:
        """The options that the function takes: each an int if all axes agree, otherwise a tuple."""
        known = self._parameters
        every = not known or any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values())
        found = {}
        for name, default in (_DEFAULTS | _LATER).items():
            value = _as_tuples(layer.options.get(name, default))
            # A function that takes any keyword may not look at one that it is not told of.
            told = name in _DEFAULTS or name in self._fixed or (layer.transposed and value != default)
            if name in known or (every and told):
                found[name] = value
            elif value != default and name not in self._fixed:
                raise NotImplementedError(f"it takes no {name}")
        return found

    def _by_place(self, layer: Layer, returned: Sequence[Any]) -> tuple[dict[Tensor, Array], str]:
        """Results in our order, or in another one if only that one fits the shapes here or in an earlier layer."""
        if not 1 <= len(returned) <= len(GRADIENTS):
            raise CnngradError(f"the function returned {len(returned)} values: it must return (dw, dx) or (dw, dx, db)")
        values = zip(GRADIENTS, returned, strict=False)
        found = {result: as_claim(result.key, value) for result, value in values if value is not None}
        usual, shapes = tuple(found), [array.shape for array in found.values()]
        fitting = [order for order in permutations(usual) if [layer.written[result] for result in order] == shapes]
        if len(fitting) == 1:
            self._order[usual] = fitting[0]
        order = self._order.get(usual, usual)
        if order == usual or order not in fitting:
            return found, ""
        names = ", ".join(result.keyword for result in order)
        return dict(zip(order, found.values(), strict=True)), f"It returns ({names}), as the shapes show."


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _named(returned: Any) -> dict[Tensor, Any]:
    if hasattr(returned, "_asdict"):
        returned = returned._asdict()
    if not isinstance(returned, Mapping):
        kind = type(returned).__name__
        names = [name for result in RESULTS for name in result.names]
        returned = {name: getattr(returned, name) for name in names if getattr(returned, name, None) is not None}
        if not returned:
            raise CnngradError(f"the function returned {kind}: it must return (dw, dx), (dw, dx, db), or these by name")
    return by_name(returned, "the function returned")


def by_name(returned: Mapping[str, Any], who: str) -> dict[Tensor, Any]:
    """The results in a mapping; None stands for a result that is not given.

    Raises:
        CnngradError: a name of no result, or two names of one result.
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
    return found
