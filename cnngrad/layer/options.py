"""Turns the options and shapes that users write into numbers, and raises the errors for invalid ones."""

import operator
import re
from functools import partial
from typing import Any

from cnngrad.errors import CnngradError
from cnngrad.layer.layer import counted
from cnngrad.layer.layout import Shape

PADDING_WORDS = ("valid", "same", "same-lower", "full")
# Larger strides and paddings are typing errors, and an array's strides could not hold them.
_MOST = 2**31 - 1
# An option is nested at most this deep: a list of pairs, one per axis.
_DEEPEST = 2


def parse_shape(text: str) -> Shape | None:
    """The shape that a word such as `3x3` stands for; None where the word is not a shape.

    Raises:
        CnngradError: a size larger than any array has.

    >>> parse_shape("2x3x5")
    (2, 3, 5)
    """
    if not re.fullmatch(r"\d+([x×]\d+)*", text):
        return None
    sizes = re.split("[x×]", text)
    for size in sizes:
        if len(size.lstrip("0")) > len(str(_MOST)) or int(size) > _MOST:
            raise CnngradError(f"the shape {shortened(text)} has a size of more than {_MOST}: write one such as 3x3")
    return tuple(map(int, sizes))


def parse_per_axis(name: str, text: str) -> int | tuple[int, ...]:
    """One integer or one per axis, from `2` or `2,1`."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise CnngradError(f"{name} {shortened(text)!r} is not an integer or one per axis: write 2 or 2,1") from None
    return numbers[0] if len(numbers) == 1 else numbers


def parse_padding(text: str) -> str | int | tuple[int | tuple[int, ...], ...]:
    """A padding as `forward` takes it, from `1`, `1,2`, `1:0,2:1` or a word such as `same`."""
    if re.fullmatch(r"[A-Za-z_-]*[A-Za-z]", text):
        return text

    def entry(part: str) -> int | tuple[int, ...]:
        numbers = tuple(map(int, part.split(":")))
        if len(numbers) > 2:
            raise ValueError
        return numbers if len(numbers) == 2 else numbers[0]

    try:
        entries = tuple(map(entry, text.split(",")))
    except ValueError:
        raise CnngradError(
            f"padding {shortened(text)!r} is not understood: write 1, 1,2 (one per axis), "
            f"1:0,2:1 (before:after per axis), valid, same, same-lower or full"
        ) from None
    return entries[0] if len(entries) == 1 and isinstance(entries[0], int) else entries


def shortened(text: str) -> str:
    """A text cut to fit into a message of one line."""
    return text if len(text) <= 40 else f"{text[:30]}…"


def pads_per_axis(
    padding: object, sizes: Shape, kernels: Shape, strides: Shape, dilations: Shape
) -> tuple[tuple[int, int], ...]:
    """The padding as (before, after) for each axis, from a number, numbers, pairs or a word."""
    d = len(sizes)
    if isinstance(padding, str):
        # TensorFlow and ONNX write SAME, VALID, SAME_UPPER and SAME_LOWER.
        word = padding.lower().replace("_", "-")
        word = "same" if word == "same-upper" else word
        if word not in PADDING_WORDS:
            raise CnngradError(
                f"padding {shortened(padding)!r} is unknown: use {', '.join(PADDING_WORDS)}, a number, one per axis, "
                f"or before:after per axis"
            )
        return tuple(map(partial(_worded_pad, word), sizes, kernels, strides, dilations))
    pads = []
    for entry in _per_axis("padding", padding, d, "one per axis, or a (before, after) pair per axis"):
        pair = entry if isinstance(entry, tuple) else (entry, entry)
        if len(pair) != 2:
            raise CnngradError(f"padding {entry} is not a (before, after) pair: give two numbers per axis")
        pads.append((integer("padding", pair[0], least=0), integer("padding", pair[1], least=0)))
    return tuple(pads)


def _worded_pad(word: str, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    reach = dilation * (kernel - 1)
    if word == "valid":
        return 0, 0
    if word == "full":
        return reach, reach
    total = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0)
    less, more = total // 2, total - total // 2
    return (more, less) if word == "same-lower" else (less, more)


def one_per_axis(name: str, value: object, d: int, least: int) -> Shape:
    """An option as one integer for each of `d` axes."""
    return tuple(integer(name, entry, least) for entry in _per_axis(name, value, d, "or one per axis"))


def _per_axis(name: str, value: object, d: int, how: str) -> tuple[object, ...]:
    if not isinstance(value, tuple):
        return (value,) * d
    if len(value) != d:
        values, axes = counted(len(value), "value"), counted(d, "spatial axis", "spatial axes")
        raise CnngradError(f"{name} has {values} for {axes}: give one number, {how}")
    return value


def integer(name: str, value: Any, least: int) -> int:
    """An option that is one integer."""
    try:
        number = operator.index(value)
    except TypeError:
        raise CnngradError(f"{name} is {shortened(repr(value))}: it must be an integer of at least {least}") from None
    if number < least:
        raise CnngradError(f"{name} is {number}: it must be at least {least}")
    if number > _MOST:
        raise CnngradError(f"{name} is {number if number < 10**30 else 'huge'}: it must be at most {_MOST}")
    return number


def plain_option(name: str, value: Any, depth: int = 0) -> Any:
    """An option as integers, words and tuples of them, so that equal options find the same cached layer."""
    if type(value) is int or isinstance(value, str) or value is None:
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        if depth == _DEEPEST:
            raise CnngradError(f"{name} is nested too deeply: it must be a number, one per axis, or pairs")
        return tuple(plain_option(name, entry, depth + 1) for entry in value)
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise CnngradError(f"{name} is {shortened(repr(value))}: it must be an integer")
