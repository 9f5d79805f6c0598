"""Numbers and elements as people read them: significant digits, and never a non-zero shown as 0."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from cnngrad.derivation.grids import Added, Copy, Fill, Pair
from cnngrad.layer.names import Number

DEFAULT_PRECISION = 6


def number(value: Number, precision: int = DEFAULT_PRECISION) -> str:
    """An integer in full, or a decimal with `precision` significant digits.

    >>> number(20), number(20.0), number(1 / 3), number(1.5e-9), number(149004.768)
    ('20', '20.0', '0.333333', '1.5e-09', '149005')
    """
    if isinstance(value, int):
        return str(value)
    # Adding 0.0 turns -0.0 into 0.0.
    text = f"{value + 0.0:.{precision}g}"
    return text if any(mark in text for mark in ".en") or float(text) != value else f"{text}.0"


def apart(first: Number, second: Number, precision: int = DEFAULT_PRECISION) -> tuple[str, str]:
    """Two different numbers with enough digits to tell them apart.

    >>> apart(20, 20.00000001)
    ('20', '20.00000001')
    """
    for digits in range(precision, 18):
        texts = number(first, digits), number(second, digits)
        if float(texts[0]) != float(texts[1]):
            break
    return texts


def align(column: Sequence[str]) -> list[str]:
    """The texts of one column, padded so that their decimal points, or places of these, stand below each other.

    >>> align(["1.25", "10.0", "7", "9e-05"])
    [' 1.25 ', '10.0  ', ' 7    ', ' 9e-05']
    """
    # An exponent is no part of the whole number.
    split = [re.split("(?=[.e])|$", text, maxsplit=1) for text in column]
    before = max(len(whole) for whole, _ in split)
    after = max(len(rest) for _, rest in split)
    return [f"{whole:>{before}}{rest:<{after}}" for whole, rest in split]


class Notation:
    """Elements, numbers and their products as plain text.

    >>> notation = Notation()
    >>> notation.product([-2, 1 / 3]), notation.part(None)
    ('(-2)·0.333333', '0')
    """

    times, more, prime, blank = "·", "…", "′", "____"

    def __init__(self, precision: int = DEFAULT_PRECISION) -> None:
        """A notation of decimals with `precision` significant digits."""
        self.precision = precision

    def part(self, part: Any) -> str:
        """An element, a number, a derivative or words; 0 for None and for a cell without an element."""
        if isinstance(part, Copy):
            return self.part(part.of) + self.prime
        if part is None or isinstance(part, Fill):
            return {Fill.MORE: self.more, Fill.CUT: "-", Fill.BLANK: self.blank}.get(part or Fill.ZERO, "0")
        return self.number(part) if isinstance(part, int | float) else self.named(part)

    def number(self, value: Number) -> str:
        """A number."""
        return number(value, self.precision)

    def named(self, part: Any) -> str:
        """An element, a derivative or words."""
        return str(part)

    def factor(self, part: Any) -> str:
        """A factor of a product: negative numbers in parentheses."""
        text = self.part(part)
        return f"({text})" if text.startswith("-") else text

    def product(self, factors: Iterable[Any], times: str = "") -> str:
        """A product of elements or numbers; `times` is another sign between them."""
        return (times or self.times).join(map(self.factor, factors))

    def cell(self, content: Any) -> str:
        """What a cell of a grid holds."""
        if isinstance(content, Added):
            return "+".join(map(self.part, content))
        return self.product(content) if isinstance(content, Pair) else self.part(content)
