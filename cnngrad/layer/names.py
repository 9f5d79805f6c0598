"""The names of a layer's elements, as in the notes: x11, w[2,1]22, dE/do12; and their numbers, at the same index."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnngrad.errors import CnngradError
from cnngrad.layer.layer import Layer, joined
from cnngrad.layer.layout import Array, Arrays
from cnngrad.tensor import DB, DW, DX, RESULTS, O, Tensor

Index = tuple[int, ...]
Number = int | float


@dataclass(frozen=True)
class Symbol:
    """The name of one element.

    Attributes:
        tensor: the array or gradient that the element belongs to.
        lead: batch and channel numbers, from 1; only those for which the tensor has axes.
        place: the spatial position, from 1; empty for b.
        commas: whether the position's numbers are separated by commas.
    """

    tensor: Tensor
    lead: Index
    place: Index
    commas: bool

    @property
    def of_array(self) -> "Symbol":
        """The element that a gradient belongs to: o11 of dE/do11."""
        return replace(self, tensor=self.tensor.array)

    @property
    def position(self) -> str:
        """The position as written behind the letter: `22`, or `1,12` with commas."""
        return ("," if self.commas else "").join(map(str, self.place))

    @property
    def element(self) -> str:
        """The element without dE/d: `x[2,1]34`."""
        brackets = f"[{','.join(map(str, self.lead))}]" if self.lead else ""
        return f"{self.tensor.letter}{brackets}{self.position}"

    @property
    def name(self) -> str:
        """The name as it is typed and as it appears in JSON: `x22`, `dE/do[1,2]11`."""
        return f"dE/d{self.element}" if self.tensor.is_gradient else self.element

    def __str__(self) -> str:
        """The name on the screen: `x22`, `∂E/∂o[1,2]11`."""
        return f"∂E/∂{self.element}" if self.tensor.is_gradient else self.element


class Names:
    """Converts between a layer's elements and their names.

    Elements are numbered from 1, as in the notes: `x11` while every index has one digit, `x1,12` for all of them
    otherwise; batch and channel in brackets in front, if the tensor has such an axis.

    >>> from cnngrad.layer import make_layer
    >>> from cnngrad.tensor import X
    >>> names = Names(make_layer((2, 3, 3), (2, 2, 2, 2)))
    >>> names.symbol(X, (0, 1, 2, 2)).name
    'x[2]33'
    >>> tensor, index = names.parse("dE/dw[2,1]12")
    >>> tensor.key, index
    ('dEdW', (1, 0, 0, 1))
    """

    def __init__(self, layer: Layer, values: "Values | None" = None) -> None:
        """Names for the elements of `layer`, and their numbers, as far as they are known."""
        self.layer, self.values = layer, values or {}
        self._commas = layer.dims > 1 and max(*layer.size, *layer.kernel, *layer.out) > 9

    def symbol(self, tensor: Tensor, index: Index) -> Symbol:
        """The symbol of the element at a canonical index, from 0: (n, c, *h), (f, c, *u), (n, f, *i) or (f,)."""
        numbers, count = tuple([i + 1 for i in index]), len(tensor.lead_words)
        return Symbol(tensor, numbers[count - self.layer.lead[tensor] : count], numbers[count:], self._commas)

    def number(self, tensor: Tensor, index: Index) -> Number | None:
        """An element's number as Python's int or float; None if its tensor has no numbers."""
        return np.asarray(self.values[tensor][index]).item() if tensor in self.values else None

    def shown(self, tensor: Tensor, index: Index) -> Symbol | Number:
        """What stands for an element: its number if it has one, otherwise its symbol."""
        number = self.number(tensor, index)
        return self.symbol(tensor, index) if number is None else number

    def parse(self, text: str, offered: Sequence[Tensor] = ()) -> tuple[Tensor, Index]:
        """The explained tensor and the canonical index, from 0, of an element typed as `x22` or `dE/dx22`.

        For x, w and b the explained tensor is their gradient. The error names the elements of the tensors `offered`.

        Raises:
            CnngradError: not an element's name, or not an element of this layer.
        """
        if match := re.fullmatch(_ELEMENT, text.strip()):
            letter, bracket, position = match.groups(default="")
            tensor = _EXPLAINED[letter]
            lead, shape = re.findall(r"\d+", bracket), self.layer.shapes[tensor]
            place = re.findall(r"\d+" if "," in position or self.layer.dims == 1 else r"\d", position)
            index = tuple(int(n) - 1 for n in [*lead, *place])
            right = len(lead) == self.layer.lead[tensor] and len(index) == len(shape)
            if right and all(0 <= n < size for n, size in zip(index, shape, strict=True)):
                return tensor, self.layer.canonical_index(tensor, index)
        several = "; repeat --element for each of several" if re.search(r",\s*[^\s\d]", text) else ""
        raise CnngradError(f"{text!r} is not an element of this layer: write {self.ranges(offered)}{several}")

    def last(self, tensor: Tensor) -> Symbol:
        """The symbol of a tensor's last element."""
        return self.symbol(tensor, tuple(size - 1 for size in self.layer.canonical[tensor]))

    def ranges(self, tensors: Sequence[Tensor]) -> str:
        """The elements of some results, by default of all: `w11 to w22 or x11 to x33`."""
        found = []
        for tensor in tensors or RESULTS[: 3 + self.layer.has_bias]:
            first = self.symbol(tensor.array, (0,) * len(self.layer.canonical[tensor])).name
            last = self.last(tensor.array).name
            found.append(first if first == last else f"{first} to {last}")
        return joined(found, "or")


_EXPLAINED = {"o": O, "x": DX, "w": DW, "b": DB}
_ELEMENT = r"(?:dE/d|∂E/∂|d)?([xwob])(?:\[(\d+(?:,\d+)*)\])?(\d+(?:,\d+)*)?"


# The known numbers by tensor, at a canonical index: arrays, or objects that compute them on demand. Empty for a
# derivation in symbols only.
Values = Mapping[Tensor, Any]


def canonical_values(layer: Layer, arrays: Arrays) -> dict[Tensor, Array]:
    """Arrays whose axes are in cnngrad's order as values: in canonical shape."""
    return {tensor: array.reshape(layer.canonical[tensor]) for tensor, array in arrays.items()}
