"""The expansions as plain data, for programs: every element, however many there are."""

from itertools import islice
from typing import Any

from cnngrad.derivation.choice import Choice
from cnngrad.expansion import Expander, Values
from cnngrad.layer import Layer, indices

__all__ = ["list_expansions"]

_TITLES = {"o": "o", "w": "dE/dw", "x": "dE/dx", "b": "dE/db"}
_SHAPES = {"o": "O", "w": "W", "x": "X", "b": "b"}


def list_expansions(layer: Layer, values: Values, choice: Choice, tensors: str) -> dict[str, list[dict[str, Any]]]:
    """The expansions of the tensors' elements by tensor: `{"dE/dx": [{"element": …, "terms": …, "value": …}, …]}`.

    Args:
        layer: the layer.
        values: its numbers; without them every value is None.
        choice: the elements, or a limit for each tensor; the terms are always complete.
        tensors: the letters of the tensors wanted, of `"owxb"`.
    """
    expander = Expander(layer, values)
    found = choice.chosen(expander.names, tensors)
    listed = {}
    for tensor in tensors:
        every = islice(indices(layer.canonical[_SHAPES[tensor]]), choice.limit)
        wanted = [index for letter, index in found if letter == tensor] if found else every
        expansions = [expander.expand(tensor, index, zeros=choice.zeros).as_json() for index in wanted]
        if expansions or not found:
            listed[_TITLES[tensor]] = expansions
    return listed
