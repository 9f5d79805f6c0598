"""The names of a layer's elements, as in the notes: x11, w[2,1]22, dE/do12; and their numbers, by the same index."""

import re
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cnngrad.errors import CnngradError
from cnngrad.layer import Layer

__all__ = ["Index", "Names", "Number", "Numbers", "Symbol", "scalar"]

Index = tuple[int, ...]
Number = int | float

TENSOR_TITLES = {"x": "X", "w": "W", "o": "O", "b": "b"}


@dataclass(frozen=True)
class Symbol:
    """The name of one element.

    Attributes:
        tensor: `"x"`, `"w"`, `"o"` or `"b"`.
        lead: batch and channel numbers, from 1, as far as the tensor has such axes.
        place: the spatial position, from 1; empty for b.
        gradient: True for dE/d(element).
        commas: the position's numbers are separated by commas.
    """

    tensor: str
    lead: Index
    place: Index
    gradient: bool = False
    commas: bool = False

    @property
    def position(self) -> str:
        """The position as written behind the letter: `22`, or `1,12` with commas."""
        return ("," if self.commas else "").join(map(str, self.place))

    @property
    def element(self) -> str:
        """The element without dE/d: `x[2,1]34`."""
        brackets = f"[{','.join(map(str, self.lead))}]" if self.lead else ""
        return f"{self.tensor}{brackets}{self.position}"

    @property
    def name(self) -> str:
        """The name as it is typed and stands in JSON: `x22`, `dE/do[1,2]11`."""
        return f"dE/d{self.element}" if self.gradient else self.element

    def __str__(self) -> str:
        """The name on the screen: `x22`, `∂E/∂o[1,2]11`."""
        return f"∂E/∂{self.element}" if self.gradient else self.element


class Names:
    """Names of a layer's elements, and elements of names.

    Elements are numbered from 1, as in the notes: `x11` while every index has one digit, `x1,12` for all of them
    otherwise; batch and channel in brackets in front, where the tensor has such an axis.

    >>> from cnngrad.layer import make_layer
    >>> names = Names(make_layer((2, 3, 3), (2, 2, 2, 2)))
    >>> names.symbol("x", (0, 1, 2, 2)).name
    'x[2]33'
    >>> names.parse("dE/dw[2,1]12")
    ('w', (1, 0, 0, 1))
    """

    def __init__(self, layer: Layer) -> None:
        """Names for the elements of `layer`."""
        self.layer = layer
        self._commas = layer.dims > 1 and max(*layer.size, *layer.kernel, *layer.out) > 9
        self._leads = {"x": layer.x_lead, "w": layer.w_lead, "o": layer.o_lead, "b": layer.w_lead // 2}

    def symbol(self, tensor: str, index: Index, gradient: bool = False) -> Symbol:
        """The symbol of the element at a canonical index, from 0: (n, c, *h), (f, c, *u), (n, f, *i) or (f,)."""
        numbers = tuple(i + 1 for i in index)
        lead, place = (numbers, ()) if tensor == "b" else (numbers[:2], numbers[2:])
        kept = lead[len(lead) - self._leads[tensor] :]
        return Symbol(tensor, kept, place, gradient, self._commas)

    def parse(self, text: str) -> tuple[str, Index]:
        """The tensor's letter and the canonical index, from 0, of an element typed as `x22` or `dE/dx22`.

        Raises:
            CnngradError: not an element's name, or none of this layer's elements.
        """
        match = re.fullmatch(_ELEMENT, text.strip())
        if match is None:
            raise CnngradError(f"{text!r} is not an element: write {self._range('x')}, or w, o, b likewise")
        tensor, bracket, position = match.group(1), match.group(2), match.group(3)
        lead = [int(n) for n in bracket.split(",")] if bracket else []
        place = self._split(position or "")
        canonical = self.layer.canonical[TENSOR_TITLES[tensor]]
        sizes = canonical[:1] if tensor == "b" else canonical
        spatial = 0 if tensor == "b" else self.layer.dims
        missing = len(sizes) - spatial - self._leads[tensor]
        numbers = [1] * missing + lead + place
        right = len(lead) == self._leads[tensor] and len(place) == spatial
        if not right or not all(1 <= n <= size for n, size in zip(numbers, sizes, strict=True)):
            raise CnngradError(f"{text!r} is none of this layer's elements: {tensor} has {self._range(tensor)}")
        return tensor, tuple(n - 1 for n in numbers)

    def _split(self, position: str) -> list[int]:
        if "," in position or self.layer.dims == 1:
            return [int(n) for n in position.split(",") if n]
        return [int(digit) for digit in position]

    def _range(self, tensor: str) -> str:
        shape = self.layer.canonical[TENSOR_TITLES[tensor]]
        first = self.symbol(tensor, (0,) * len(shape)).name
        last = self.symbol(tensor, tuple(size - 1 for size in shape)).name
        return first if first == last else f"{first} to {last}"


_ELEMENT = r"(?:dE/d|∂E/∂)?([xwob])(?:\[(\d+(?:,\d+)*)\])?(\d+(?:,\d+)*)?"


class Numbers(Protocol):
    """A tensor's numbers by canonical index: an array, or something that computes them when they are asked for."""

    def __getitem__(self, index: Index, /) -> Any:
        """The number at a canonical index, as Python's or NumPy's scalar."""


def scalar(numbers: Numbers, index: Index) -> Number:
    """One of the numbers as Python's int or float."""
    value: Number = np.asarray(numbers[index]).item()
    return value
