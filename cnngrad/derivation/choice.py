"""Which parts of a derivation are wanted: elements, one gradient, a limit, the zero terms."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnngrad.derivation.names import Index, Names
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.tensor import GRADIENTS, Tensor

__all__ = ["DEFAULT_LIMIT", "Choice", "explained_tensors", "one_gradient"]

DEFAULT_LIMIT = 64


@dataclass(frozen=True)
class Choice:
    """Which parts of a derivation are wanted.

    Attributes:
        elements: names of the elements to show, each with its picture; empty for the whole derivation.
        only: the only gradient wanted; None for all.
        limit: the most elements in a table and terms in an element; None for all.
        zeros: whether zero terms are written too.
    """

    elements: tuple[str, ...] = ()
    only: Tensor | None = None
    limit: int | None = DEFAULT_LIMIT
    zeros: bool = False

    def __post_init__(self) -> None:
        """Raise a CnngradError for a limit that is not positive."""
        if self.limit is not None and self.limit < 1:
            raise CnngradError(f"limit is {self.limit}: it must be at least 1")

    def chosen(self, names: Names, tensors: Sequence[Tensor]) -> list[tuple[Tensor, Index]]:
        """The chosen elements as tensor and index; each must belong to one of the tensors.

        Raises:
            CnngradError: an element of another tensor, or one that the layer does not have.
        """
        found = []
        for text in self.elements:
            tensor, index = names.parse(text)
            if tensor not in tensors:
                here = ", ".join(_SUCH_AS[explained] for explained in tensors)
                raise CnngradError(f"element {text!r} is not explained here: {_WHERE[tensor]}; here it can be {here}")
            found.append((tensor, index))
        return found


_SUCH_AS = {
    Tensor.O: "an o such as o11",
    Tensor.DW: "a w such as w11",
    Tensor.DX: "an x such as x11",
    Tensor.DB: "b",
}
_WHERE = {
    Tensor.O: "o belongs to forward",
    Tensor.DW: "w belongs to backward, and there to dW",
    Tensor.DX: "x belongs to backward, and there to dX",
    Tensor.DB: "b belongs to backward of a layer with a bias, and there to db",
}


def one_gradient(name: str | None) -> Tensor | None:
    """The gradient that a user calls `dW`, `dw` or `dEdW`; None if no name is given.

    Raises:
        CnngradError: another name.
    """
    found = None if name is None else Tensor.gradient_named(name)
    if name is not None and found is None:
        raise CnngradError(f"only is {name!r}: it must be {', '.join(g.short for g in GRADIENTS)}, or left out")
    return found


def explained_tensors(layer: Layer, only: Tensor | None) -> tuple[Tensor, ...]:
    """The gradients that `backward` explains: dE/dW and dE/dX, and dE/db where the layer has b; or only `only`."""
    if only is not None:
        return (only,)
    return GRADIENTS if layer.has_bias else (Tensor.DW, Tensor.DX)
