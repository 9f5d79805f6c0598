"""The expansions as plain data, for programs: every element, however many there are."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from cnngrad.derivation.choice import Choice
from cnngrad.layer import Layer, indices
from cnngrad.layer.expansion import Expander
from cnngrad.layer.names import Values
from cnngrad.tensor import Tensor

__all__ = ["list_expansions"]


def list_expansions(
    layer: Layer, values: Values, choice: Choice, tensors: Sequence[Tensor]
) -> dict[str, list[dict[str, Any]]]:
    """The expansions of the tensors' elements by tensor: `{"dE/dx": [{"element": …, "terms": …, "value": …}, …]}`.

    Args:
        layer: the layer.
        values: its numbers; without them every value is None.
        choice: the elements, or a limit for each tensor; the terms are always complete.
        tensors: the tensors wanted: O, or gradients.
    """
    expander = Expander(layer, values)
    found = choice.chosen(expander.names, tensors)
    listed = {}
    for tensor in tensors:
        every = islice(indices(layer.canonical[tensor]), choice.limit)
        wanted = [index for other, index in found if other is tensor] if found else every
        expansions = [expander.expand(tensor, index, zeros=choice.zeros).as_json() for index in wanted]
        if expansions or not found:
            listed[tensor.elements] = expansions
    return listed
