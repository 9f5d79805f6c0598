"""Numbers as people read them: significant digits, aligned decimal points, and never a non-zero shown as 0."""

from collections.abc import Sequence

from cnngrad.layer.names import Number

__all__ = ["DEFAULT_PRECISION", "align", "apart", "factor", "number"]

DEFAULT_PRECISION = 6


def number(value: Number, precision: int = DEFAULT_PRECISION) -> str:
    """An integer in full, or a decimal with `precision` significant digits.

    >>> number(20), number(20.0), number(1 / 3), number(1.5e-9)
    ('20', '20.0', '0.333333', '1.5e-09')
    """
    if isinstance(value, int):
        return str(value)
    # Adding 0.0 turns -0.0 into 0.0.
    text = f"{value + 0.0:.{precision}g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"


def apart(first: Number, second: Number, precision: int = DEFAULT_PRECISION) -> tuple[str, str]:
    """Two different numbers, with enough digits to look different.

    >>> apart(20, 20.00000001)
    ('20', '20.00000001')
    """
    for digits in range(precision, 18):
        texts = number(first, digits), number(second, digits)
        if float(texts[0]) != float(texts[1]):
            break
    return texts


def factor(value: Number, precision: int = DEFAULT_PRECISION) -> str:
    """A number as a factor of a product: negative ones in parentheses.

    >>> factor(-2)
    '(-2)'
    """
    text = number(value, precision)
    return f"({text})" if text.startswith("-") else text


def align(column: Sequence[str]) -> list[str]:
    """The texts of one column, padded so that their decimal points stand below each other.

    >>> align(["1.25", "10.0", "7"])
    [' 1.25', '10.0 ', ' 7   ']
    """
    split = [text.partition(".") for text in column]
    before = max((len(whole) for whole, _, _ in split), default=0)
    after = max((len(point + rest) for _, point, rest in split), default=0)
    return [f"{whole:>{before}}{point + rest:<{after}}" for whole, point, rest in split]
