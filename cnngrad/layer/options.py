"""Turns the options and shapes that users write into numbers, and raises the errors for invalid ones."""

import operator
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cnngrad.errors import CnngradError
from cnngrad.layer.axis import MODES, Axis
from cnngrad.layer.layer import counted, joined
from cnngrad.layer.layout import Shape
from cnngrad.settings import OPTIONS

# Largest stride or padding: larger ones are typing errors, and NumPy could not address such arrays.
_MOST = 2**31 - 1
# Deepest nesting of an option: a list of pairs, one per axis.
_DEEPEST = 2


def parse_shape(text: str) -> Shape | None:
    """The shape that a word such as `3x3` stands for; None if the word is not a shape.

    Raises:
        CnngradError: a size larger than any array has.

    >>> parse_shape("2x3x5")
    (2, 3, 5)
    """
    if not re.fullmatch(r"\d+([x×]\d+)*", text):
        return None
    sizes = re.split("[x×]", text)
    # Python refuses integers of thousands of digits.
    if any(int(size[:20]) > _MOST for size in sizes):
        raise CnngradError(f"the shape {shortened(text)} has a size of more than {_MOST}: write one such as 3x3")
    return tuple(map(int, sizes))


def parse_per_axis(name: str, text: str) -> Any:
    """An option as `forward` takes it, from `2` or `2,1`; a padding also from `1:0,2:1`, or a word such as `same`."""
    padding = name == "padding"
    # A size may be written as a shape is.
    text = text.replace("x", ",") if name == "output_size" else text
    if padding and re.fullmatch(r"[A-Za-z_-]*[A-Za-z]", text):
        return text
    try:
        entries = [tuple(map(int, part.split(":"))) for part in text.split(",")]
    except ValueError:
        entries = []
    if not entries or max(map(len, entries)) > 1 + padding:
        raise CnngradError(f"{name} {shortened(text)!r} is not {_FORMS[padding]}")
    numbers = tuple(entry if len(entry) > 1 else entry[0] for entry in entries)
    return numbers[0] if list(map(len, entries)) == [1] else numbers


# How to write a number for each axis, and a padding.
_FORMS = (
    "an integer or one per axis: write 2 or 2,1",
    "understood: write 1, 1,2 (one per axis), 1:0,2:1 (before:after per axis), valid, same, same-lower or full",
)


def shortened(text: str) -> str:
    """A text cut to fit into a message of one line."""
    return text if len(text) <= 40 else f"{text[:30]}…"


def padded_axes(padding: object, axes: Sequence[Axis]) -> list[Axis]:
    """The axes, which are without padding, with the padding that a number, numbers, pairs or a word stand for."""
    if isinstance(padding, str):
        # TensorFlow and ONNX write SAME, VALID, SAME_UPPER and SAME_LOWER.
        word = padding.lower().replace("_", "-")
        word = "same" if word == "same-upper" else word
        pads = [axis.pads for axis in axes]
        if word not in pads[0]:
            raise CnngradError(
                f"padding {shortened(padding)!r} is unknown: use {', '.join(pads[0])}, a number, one per axis, "
                f"or before:after per axis"
            )
        sides = [each[word] for each in pads]
    else:
        sides = []
        for entry in _per_axis("padding", padding, len(axes), "one per axis, or a (before, after) pair per axis"):
            pair = entry if isinstance(entry, tuple) else (entry, entry)
            if len(pair) != 2:
                raise CnngradError(f"padding {entry} is not a (before, after) pair: give two numbers per axis")
            before, after = (integer("padding", each, least=0) for each in pair)
            sides.append((before, after))
    return [replace(axis, before=before, after=after) for axis, (before, after) in zip(axes, sides, strict=True)]


def padding_mode(value: Any) -> str:
    """What the padding holds, as one of `MODES`."""
    if value not in MODES:
        # The words of NumPy and TensorFlow.
        other = {"edge": "replicate", "wrap": "circular", "constant": "zeros", "mirror": "reflect"}
        meant = f": write {other[value]}" if value in other else ""
        raise CnngradError(f"padding_mode is {shortened(repr(value))}: it must be {joined(MODES, 'or')}{meant}")
    return str(value)


def one_per_axis(name: str, value: object, d: int, least: int) -> Shape:
    """An option as one integer for each of `d` axes."""
    return tuple(integer(name, entry, least) for entry in _per_axis(name, value, d, "or one per axis"))


def _per_axis(name: str, value: object, d: int, how: str) -> tuple[object, ...]:
    if not isinstance(value, tuple):
        return (value,) * d
    if len(value) != d:
        values = counted(len(value), "value")
        axes = counted(d, "spatial axis", "spatial axes")
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
    """An option as integers, words and tuples of them, or true or false: equal options find the same cached layer."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if OPTIONS[name][0] is bool:
        if isinstance(value, bool):
            return value
        raise CnngradError(f"{name} is {shortened(repr(value))}: it must be true or false")
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        if depth == _DEEPEST:
            raise CnngradError(f"{name} is nested too deeply: it must be a number, one per axis, or pairs")
        return tuple(plain_option(name, entry, depth + 1) for entry in value)
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return operator.index(value)
    raise CnngradError(f"{name} is {shortened(repr(value))}: it must be an integer")
