"""Where the wrong elements of a gradient are, in words."""

import numpy as np

from cnngrad.arrays import Array
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["counts", "locate"]

# Where more of the elements are on the border, that tells nothing.
_MOST_BORDER = 0.9


def locate(layer: Layer, result: Tensor, wrong: Array) -> str:
    """Where the wrong elements are, in words.

    Args:
        layer: the layer.
        result: dE/dW, dE/dX or dE/db.
        wrong: True where an element is wrong, in the user's layout.
    """
    total, count = wrong.size, int(wrong.sum())
    if count == total:
        return "every element is wrong"
    if count == 1:
        return "one element alone is wrong"
    axes = _axis_names(layer, result, wrong.ndim)
    places = np.argwhere(wrong)
    limits = [
        _range(words, min(column), max(column), wrong.shape[axis])
        for axis, (words, column) in enumerate(zip(axes, places.T.tolist(), strict=True))
        if len(set(column)) < wrong.shape[axis] and len(set(column)) == max(column) - min(column) + 1
    ]
    if limits:
        return f"{count} of {total} elements are wrong, all in {', '.join(limits)}"
    if result is Tensor.DX and _on_border(layer, wrong):
        return f"{count} of {total} elements are wrong, all on the border"
    return f"{count} of {total} elements are wrong, here and there"


def counts(layer: Layer, result: Tensor, wrong: Array) -> list[str]:
    """How many elements are wrong in each part that has any: by sample, channel, row band, and on the border."""
    lines = []
    for axis, (word, _) in enumerate(_axis_names(layer, result, wrong.ndim)):
        if wrong.shape[axis] == 1:
            continue
        other = tuple(a for a in range(wrong.ndim) if a != axis)
        per = wrong.sum(axis=other) if other else wrong.astype(int)
        each = wrong.size // wrong.shape[axis]
        bands = _bands(per, each)
        lines.append(f"{word}: {', '.join(bands)}")
    if result is Tensor.DX:
        border = _border(layer, wrong)
        if border.mean() > _MOST_BORDER:
            return lines
        lines.append(
            f"place: border {int((wrong & border).sum())} of {int(border.sum())}, "
            f"inside {int((wrong & ~border).sum())} of {int((~border).sum())}"
        )
    return lines


def _bands(per: Array, each: int, most: int = 8) -> list[str]:
    """`3 to 4: 12 of 16` for each band of positions with a wrong element; at most `most` bands, of equal width."""
    size = len(per)
    step = -(-size // most)
    bands = []
    for first in range(0, size, step):
        last = min(first + step, size)
        number = int(per[first:last].sum())
        if number:
            where = f"{first + 1}" if last == first + 1 else f"{first + 1} to {last}"
            bands.append(f"{where}: {number} of {each * (last - first)}")
    return bands


def _axis_names(layer: Layer, result: Tensor, ndim: int) -> list[tuple[str, str]]:
    """What the axes of a user's array are called, singular and plural."""
    words = [*result.lead_words, *(() if result is Tensor.DB else layer.axis_words)]
    return [(word, f"{word}s") for word in words[len(words) - ndim :]]


def _range(words: tuple[str, str], first: int, last: int, size: int) -> str:
    """`rows 5 to 6 (the last)`."""
    text = f"{words[0]} {first + 1}" if first == last else f"{words[1]} {first + 1} to {last + 1}"
    return f"{text} (the last)" if last == size - 1 else f"{text} (the first)" if first == 0 else text


def _border(layer: Layer, wrong: Array) -> Array:
    """The elements within a window's reach of the edge, where padding and crops matter."""
    border = np.zeros(wrong.shape, bool)
    for number, axis in enumerate(layer.axes, start=wrong.ndim - layer.dims):
        reach = min(max(1, axis.span - 1), axis.size)
        here = (slice(None),) * number
        border[(*here, slice(0, reach))] = True
        border[(*here, slice(axis.size - reach, None))] = True
    return border


def _on_border(layer: Layer, wrong: Array) -> bool:
    """Whether all wrong elements are on the border, and enough elements are not."""
    border = _border(layer, wrong)
    return bool(border.mean() <= _MOST_BORDER and (~wrong | border).all())
