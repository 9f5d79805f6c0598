"""Calls a backward pass that is a Python function, and reads what it returns."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy import shares_memory

from cnngrad.arrays import Array, Arrays, as_claim
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, joined
from cnngrad.programs.verdicts import Answer, Fault, by_name
from cnngrad.settings import DEFAULTS
from cnngrad.tensor import DEDO, GRADIENTS, RESULTS, B, Tensor, W, X

# The options that a function may take: the usual ones, and those that came later.
_USUAL = ("stride", "padding", "dilation", "groups")
_LATER = ("padding_mode", "transposed", "output_padding")

# Memory layouts other than plain C order, by words: each takes an array in C order, and returns one of its shape.
MEMORY: dict[str, Callable[[Array], Array]] = {
    "in Fortran order": np.asfortranarray,
    "with negative strides": lambda array: _part(array, slice(None, None, -1)),
    "with gaps between their elements": lambda array: _part(np.tile(array, [2] * array.ndim), slice(1, None, 2)),
    (READ_ONLY := "that are read-only"): np.asarray,
    # One number for all elements, as in the dE/dO of a sum; the rest of its memory holds zeros.
    (REPEATED := "with strides of 0"): lambda array: np.broadcast_to(_part(array, slice(1)), array.shape),
}


def _part(array: Array, part: slice) -> Array:
    """The same part of each axis."""
    parts: list[Any] = [part] * array.ndim
    return array[(..., *parts)]


class UnreadableError(CnngradError):
    """A function returns something other than results."""


def called(error: Exception) -> str:
    """What an exception is called in findings."""
    return "unreadable results" if isinstance(error, UnreadableError) else type(error).__name__


@dataclass(eq=False)
class Caller:
    """Calls a function as f(x, w, dedo, *, stride, padding, dilation, groups), with b too if it takes one.

    Arrays of one shape lie at the same address in all calls, as those of a training loop do.

    Attributes:
        function: returns (dw, dx), (dw, dx, db), a mapping, or an object with these names.
        convert: converts NumPy's arrays to those that the function takes; None for no conversion.
        fixed: the options that are the same in all layers, which the function need not take.
    """

    function: Callable[..., Any]
    convert: Callable[[Array], Any] | None = None
    fixed: Collection[str] = ()

    def __post_init__(self) -> None:
        """Begin without a call."""
        self._parameters: Mapping[str, inspect.Parameter] = {}
        # Some functions have no signature.
        with suppress(TypeError, ValueError):
            self._parameters = inspect.signature(self.function).parameters
        # The order in which the function returns its results, once shapes have shown that it differs from ours.
        self._order: dict[tuple[Tensor, ...], tuple[Tensor, ...]] = {}
        # The arrays passed to the function, by tensor, shape, dtype and layout; its last results, and their bytes.
        self._own: dict[tuple[Any, ...], Array] = {}
        self._last: list[tuple[Tensor, Array, bytes]] = []

    def call(self, layer: Layer, arrays: Arrays, memory: Mapping[Tensor, str]) -> Answer:
        """Call the function on a layer, with arrays in C order, or in the layouts of `MEMORY` that `memory` names.

        Raises:
            NotImplementedError: the layer needs a keyword that the function does not take.
            UnreadableError: it returns something other than results.
        """
        own = {tensor: self._filled(tensor, array, memory.get(tensor, "")) for tensor, array in arrays.items()}
        given = {tensor: self.convert(array) if self.convert else array for tensor, array in own.items()}
        # Bytes are compared: if the function replaces NumPy's comparisons, nothing changes.
        before = {tensor: as_claim(tensor.key, each).tobytes() for tensor, each in given.items()}
        returned = self._returned(layer, given)
        changed = [
            tensor.title for tensor, old in before.items() if as_claim(tensor.key, given[tensor]).tobytes() != old
        ]
        faults = [Fault("changes-inputs", f"it changes {joined(changed)} in place")] if changed else []
        return returned._replace(faults=(*faults, *self._aliases(returned.results, own)))

    def _filled(self, tensor: Tensor, array: Array, memory: str) -> Array:
        """A copy of an array in the layout `memory`, at the same address as the last such array of its shape."""
        key = tensor, array.shape, array.dtype, memory
        if key not in self._own:
            self._own[key] = MEMORY.get(memory, np.asarray)(np.zeros_like(array, order="C"))
        own = self._own[key]
        own.flags.writeable = True
        own[...] = array
        own.flags.writeable = memory != READ_ONLY
        return own

    # Bound here for the same reason.
    _shares_memory = staticmethod(shares_memory)

    def _aliases(self, results: Arrays, own: Arrays) -> Iterator[Fault]:
        """Results that share memory with an input or with each other, and earlier ones that this call has changed."""
        for (first, one), (second, other) in combinations([*own.items(), *results.items()], 2):
            if second in results and self._shares_memory(one, other):
                yield Fault("aliases", f"its {second.title} shares memory with {first.title}")
        for tensor, earlier, before in self._last:
            if earlier.tobytes() != before:
                yield Fault("aliases", f"its {tensor.title} shares memory with that of the next call, and changes")
        self._last = [(tensor, array, array.tobytes()) for tensor, array in results.items()]

    def _returned(self, layer: Layer, given: Mapping[Tensor, Any]) -> Answer:
        positional = [given[tensor] for tensor in (X, W, DEDO)]
        keywords = self._keywords(layer)
        for place, name in enumerate(self._parameters):
            if name in ("b", "bias"):
                if place < len(positional):
                    positional.insert(place, given.get(B))
                else:
                    keywords[name] = given.get(B)
        returned = self.function(*positional, **keywords)
        try:
            if isinstance(returned, tuple | list) and not hasattr(returned, "_fields"):
                return self._by_place(layer, returned)
            return Answer({result: as_claim(result.key, value) for result, value in _named(returned).items()})
        except CnngradError as error:
            raise UnreadableError(str(error)) from None

    def _keywords(self, layer: Layer) -> dict[str, Any]:
        """The options that the function takes: each an int if all axes agree, otherwise a tuple."""
        known = self._parameters
        every = not known or any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values())
        found = {}
        for name in (*_USUAL, *_LATER):
            default = DEFAULTS[name]
            value = _as_tuples(layer.options.get(name, default))
            # A function with **kwargs may ignore a newer option, so it gets one only if the user has asked for it.
            told = name in _USUAL or name in self.fixed or (layer.transposed and value != default)
            if name in known or (every and told):
                found[name] = value
            elif value != default and name not in self.fixed:
                raise NotImplementedError(f"it takes no {name}")
        return found

    def _by_place(self, layer: Layer, returned: Sequence[Any]) -> Answer:
        """Results in our order, or in another one if only that one fits the shapes here or in an earlier layer."""
        if not 1 <= len(returned) <= len(GRADIENTS):
            raise CnngradError(f"the function returned {len(returned)} values: it must return (dw, dx) or (dw, dx, db)")
        values = zip(GRADIENTS, returned, strict=False)
        found = {result: as_claim(result.key, value) for result, value in values if value is not None}
        usual = tuple(found)
        shapes = [array.shape for array in found.values()]
        fitting = [order for order in permutations(usual) if [layer.written[result] for result in order] == shapes]
        if len(fitting) == 1:
            self._order[usual] = fitting[0]
        order = self._order.get(usual, usual)
        if order not in fitting:
            order = usual
        names = ", ".join(result.keyword for result in order)
        note = "" if order == usual else f"It returns ({names}), as the shapes show."
        return Answer(dict(zip(order, found.values(), strict=True)), note=note)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _named(returned: Any) -> dict[Tensor, Any]:
    if not isinstance(returned, Mapping):
        kind = type(returned).__name__
        names = (name for result in RESULTS for name in result.names)
        returned = {name: value for name in names if (value := getattr(returned, name, None)) is not None}
        if not returned:
            raise CnngradError(f"the function returned {kind}: it must return (dw, dx), (dw, dx, db), or these by name")
    return by_name(returned, "the function returned")
