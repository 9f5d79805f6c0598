"""Which parts of a derivation are wanted: elements, one gradient, a limit, the zero terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.layer.names import Index, Names, Values
from cnngrad.layer.options import integer
from cnngrad.schema import Json
from cnngrad.tensor import DB, DW, DX, GRADIENTS, O, Tensor


class ElsewhereError(CnngradError):
    """An element that is not explained here; `element` is its name if it is explained elsewhere, else None."""

    def __init__(self, message: str, element: str | None) -> None:
        """The error for an element."""
        super().__init__(message)
        self.element = element


@dataclass(frozen=True)
class Choice:
    """Which parts of a derivation are wanted.

    Attributes:
        elements: names of the elements to show, each with its picture; empty for the whole derivation.
        limit: maximum number of rows in a table of more than 9 elements; None for all.
        terms: maximum number of terms of an element; None for all, or, with a limit, for as many as fit two lines.
        zeros: whether zero terms are written too.
        sections: the names of the sections to show; empty for all.
    """

    elements: tuple[str, ...] = ()
    limit: int | None = None
    zeros: bool = False
    terms: int | None = None
    sections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise a CnngradError for a limit that is not positive."""
        for name in ("limit", "terms"):
            if getattr(self, name) is not None:
                integer(name, getattr(self, name), 1)

    def chosen(self, names: Names, tensors: Sequence[Tensor]) -> list[tuple[Tensor, Index]]:
        """The chosen elements as tensor and index; each must belong to one of the tensors.

        Raises:
            CnngradError: an element of another tensor, or one that the layer does not have.
        """
        found = []
        for text in self.elements:
            tensor, index = names.parse(text, tensors)
            if tensor not in tensors:
                where, here = _ELSEWHERE[tensor], names.ranges(tensors)
                message = f"element {text!r} is not explained here: {where}; here it can be {here}"
                elsewhere = tensor is not DB or names.layer.has_bias
                raise ElsewhereError(message, names.symbol(tensor.array, index).name if elsewhere else None)
            found.append((tensor, index))
        return found


# Where the elements of each result are explained.
_ELSEWHERE = {
    O: "o belongs to forward",
    DW: "w belongs to backward, and there to dW",
    DX: "x belongs to backward, and there to dX",
    DB: "b belongs to backward of a layer with a bias, and there to db",
}


def explained_tensors(layer: Layer, only: str | None) -> tuple[Tensor, ...]:
    """The gradients that `backward` explains: dE/dW, dE/dX and a bias's dE/db, or `only` one such as `dW` or `dEdW`.

    Raises:
        CnngradError: another name.
    """
    if only is None:
        return GRADIENTS if layer.has_bias else GRADIENTS[:2]
    found = Tensor.result_named(only)
    if found not in GRADIENTS:
        raise CnngradError(f"only is {only!r}: it must be {', '.join(g.short for g in GRADIENTS)}, or omitted")
    return (found,)


def list_expansions(layer: Layer, values: Values, choice: Choice, tensors: Sequence[Tensor]) -> dict[str, list[Json]]:
    """The expansions of the tensors' elements by tensor: `{"dE/dx": [{"element": …, "terms": …, "value": …}, …]}`.

    `choice` gives the elements, or a limit for each tensor; the terms are always complete.
    """
    # Loaded here since commands that only compute do not need it.
    from cnngrad.layer.expansion import Expander

    expander = Expander(layer, values)
    found = choice.chosen(expander.names, tensors)
    listed = {}
    for tensor in tensors:
        every = islice(np.ndindex(layer.canonical[tensor]), choice.limit)
        wanted = [index for other, index in found if other is tensor] if found else every
        expansions = [expander.expand(tensor, index, zeros=choice.zeros).as_json() for index in wanted]
        if expansions or not found:
            listed[tensor.elements] = expansions
    return listed
