"""What of a derivation is wanted: elements, one gradient, a limit, the zero terms."""

from dataclasses import dataclass

from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.names import Index, Names

__all__ = ["DEFAULT_LIMIT", "Choice", "explained_tensors"]

DEFAULT_LIMIT = 64


@dataclass(frozen=True)
class Choice:
    """What of a derivation is wanted.

    Attributes:
        elements: names of the elements to show, each with its picture; empty for the whole derivation.
        only: `"dW"`, `"dX"` or `"db"` for one gradient alone.
        limit: the most elements in a table and terms in an element; None for all.
        zeros: whether zero terms are written too.
    """

    elements: tuple[str, ...] = ()
    only: str | None = None
    limit: int | None = DEFAULT_LIMIT
    zeros: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no choice."""
        if self.only not in (None, *_LETTERS):
            raise CnngradError(f"only is {self.only!r}: it must be {', '.join(_LETTERS)}, or left out")
        if self.limit is not None and self.limit < 1:
            raise CnngradError(f"limit is {self.limit}: it must be at least 1")

    def chosen(self, names: Names, tensors: str) -> list[tuple[str, Index]]:
        """The chosen elements as letter and index; each must belong to one of the tensors.

        Raises:
            CnngradError: an element of another tensor, or none of the layer's.
        """
        found = []
        for text in self.elements:
            tensor, index = names.parse(text)
            if tensor not in tensors:
                here = ", ".join(_EXPLAINED[letter] for letter in tensors)
                raise CnngradError(f"element {text!r} is not explained here: {_WHERE[tensor]}; here it can be {here}")
            found.append((tensor, index))
        return found


_LETTERS = {"dW": "w", "dX": "x", "db": "b"}
_EXPLAINED = {"o": "an o such as o11", "w": "a w such as w11", "x": "an x such as x11", "b": "b"}
_WHERE = {
    "o": "o belongs to forward",
    "w": "w belongs to backward, and there to dW",
    "x": "x belongs to backward, and there to dX",
    "b": "b belongs to backward of a layer with a bias, and there to db",
}


def explained_tensors(layer: Layer, only: str | None) -> str:
    """The letters of the tensors that `backward` explains: w and x, and b where the layer has it; or one alone."""
    return _LETTERS[only] if only else "wxb" if layer.has_bias else "wx"
