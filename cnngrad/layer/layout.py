"""The order in which users write the axes of their arrays: NCHW or NHWC, OIHW or HWIO, and any other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnngrad.errors import CnngradError
from cnngrad.tensor import B, Tensor, W

Shape = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[Any]]
# A layer's arrays, by what each is.
Arrays = Mapping[Tensor, Array]

# Exchanges the letters of W's first axes.
EXCHANGED = str.maketrans("io", "oi")
# The letters of all axes in cnngrad's own order: X, O and their gradients; W and its gradient.
_DATA, _FILTER = "ncdhw", "oidhw"
_SPATIAL = "dhw"


@dataclass(frozen=True)
class Layouts:
    """The orders of the axes, as letters; empty for cnngrad's own.

    Attributes:
        data: the order for X, O and their gradients: n sample, c channel (or filter of O), d depth, h row, w column.
        filter: the order for W and dE/dW: o filter, i channel, and the same spatial letters.
    """

    data: str = ""
    filter: str = ""

    def of(self, tensor: Tensor) -> str:
        """The order of a tensor's axes; empty for cnngrad's own."""
        return self.filter if tensor.array is W else "" if tensor.array is B else self.data

    def places(self, tensor: Tensor, ndim: int) -> tuple[int, ...]:
        """The positions, from 0, of cnngrad's axes in a user's array of `ndim` axes; further axes stay in front.

        >>> Layouts("nhwc").places(Tensor.X, 4), Layouts("nhwc").places(Tensor.X, 3)
        ((0, 3, 1, 2), (2, 0, 1))
        >>> Layouts(filter="hwio").places(Tensor.DW, 5)
        (0, 4, 3, 1, 2)
        """
        word, letters = self.of(tensor), _FILTER if tensor.array is W else _DATA
        # A layout of one spatial axis may call it l.
        own = sorted(word, key=f"{letters}l".index)[max(0, len(word) - ndim) :]
        written = [letter for letter in word if letter in own]
        more = ndim - len(own)
        return (*range(more), *(more + written.index(letter) for letter in own))

    def standard(self, tensor: Tensor, array: Array) -> Array:
        """A view of a user's array with its axes in cnngrad's order."""
        return array.transpose(self.places(tensor, array.ndim))

    def written(self, tensor: Tensor, array: Array) -> Array:
        """A view of an array in cnngrad's order with its axes as the user writes them."""
        return array.transpose(np.argsort(self.places(tensor, array.ndim)))

    def standard_shape(self, tensor: Tensor, shape: Shape) -> Shape:
        """A shape, from the user's order to cnngrad's."""
        return tuple(shape[place] for place in self.places(tensor, len(shape)))

    def check(self, tensor: Tensor, shape: Shape) -> None:
        """Raise a CnngradError if an array has more or fewer axes than its layout allows."""
        word = self.of(tensor)
        fewest = len(re.findall("[dhwl]", word))
        if word and not fewest <= len(shape) <= len(word):
            kind = "filter layout" if tensor.array is W else "layout"
            most = f"{fewest} to {len(word)}" if fewest < len(word) else str(fewest)
            raise CnngradError(f"{tensor.key} has shape {shape}, but {kind} {word} is for arrays of {most} axes")

    def written_shape(self, tensor: Tensor, shape: Shape) -> Shape:
        """A shape, or an index, from cnngrad's order to the user's."""
        return tuple(shape[k] for k in np.argsort(self.places(tensor, len(shape))))


def read_layouts(layout: object, filter_layout: object, transposed: bool) -> tuple[Layouts, int | None]:
    """The layouts that two words such as `nhwc` and `hwio` name, and the number of their spatial axes.

    Args:
        layout: letters n c d h w (l or w for a single spatial axis), in any order; None for cnngrad's own.
        filter_layout: letters o i d h w, likewise.
        transposed: whether the layer is, so that i comes before o in cnngrad's own order; o is written as i then.

    Raises:
        CnngradError: not such a word, or two words with different numbers of spatial axes.

    >>> read_layouts("NHWC", None, transposed=False)
    (Layouts(data='nhwc', filter=''), 2)
    """
    data, dims = _read("layout", layout, _DATA)
    if transposed and isinstance(filter_layout, str):
        filter_layout = filter_layout.lower().translate(EXCHANGED)
    filters, others = _read("filter_layout", filter_layout, _FILTER)
    if dims and others and dims != others:
        raise CnngradError(
            f"the numbers of spatial axes differ: layout {layout} has {dims}, "
            f"filter_layout {filter_layout} has {others}"
        )
    return Layouts(data, filters), dims or others


def _read(name: str, value: object, letters: str) -> tuple[str, int | None]:
    if value is None:
        return "", None
    word = value.lower() if isinstance(value, str) else ""
    plain = word.replace("l", "w") if "w" not in word else word
    own = "".join(sorted(plain, key=letters.find))
    if not re.fullmatch(f"({letters[0]}?{letters[1]})?(d?h)?w", own):
        example = "nchw, nhwc or hwc" if letters is _DATA else "oihw or hwio"
        raise CnngradError(
            f"{name} is {str(value)[:40]!r}: it must have each of the letters {' '.join(letters[:2])} and of d h w at "
            f"most once, such as {example} (ncw or ncl for one spatial axis)"
        )
    # A layout in cnngrad's own order changes nothing, but gives the number of axes.
    return ("" if plain == own else word), len(re.findall("[dhwl]", word))


def channels_last(dims: int) -> str:
    """The layout of TensorFlow: `nhwc`."""
    return f"n{_SPATIAL[-dims:]}c"
