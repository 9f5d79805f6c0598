"""Arrays from text: tables of numbers, and arrays as NumPy, PyTorch, MATLAB and C print or write them."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from cnngrad.arrays import Array, from_lists
from cnngrad.errors import CnngradError

__all__ = ["Loose", "parse_text"]


@dataclass(frozen=True, eq=False)
class Loose:
    """Numbers whose shape is not written: those of one line or column, or of a raw file.

    Attributes:
        array: the numbers, one after another.
        needs_shape: whether they mean nothing without a shape.
    """

    array: Array
    needs_shape: bool = False


class _Token(NamedTuple):
    """A piece of the text, and where it begins, counted from 0."""

    text: str
    start: int


_COMMENT = re.compile(r"#[^\n]*|%[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER = re.compile(
    r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?[fFlL]?|inf(?:inity)?|nan)(?![\w.])", re.IGNORECASE
)
_TOKEN = re.compile(r"[\[\](){},;]|[^\s\[\](){},;]+|\n")
# What stands in front of an array: its name in a program, and the function or type that makes it.
_PREFIX = re.compile(r"\s*(?:[A-Za-z_][\w\s*:<>,.]*(?:\[[\w\s]*\]\s*)*=)?\s*(?:[A-Za-z_][\w.]*\s*\((?=\s*[\[{(]))?")
# What stands behind one: the keywords of NumPy and PyTorch, the end of a statement.
_SUFFIX = re.compile(r"(?:,\s*\w+\s*=\s*[^,\[\]{}]+(?:\[[^\]]*\])?)*\s*,?\s*\)?\s*;?\s*\Z")
_OPEN, _CLOSE = "[({", "])}"
_DEEPEST = 16


def parse_text(where: str, text: str) -> Array | Loose:
    r"""The array in a text: nested as its brackets are, else a table, else loose numbers.

    Args:
        where: the file's name, for messages.
        text: the text: numbers separated by commas, semicolons or white space; from # on, a line is a comment.

    Raises:
        CnngradError: something that is not a number, rows of different lengths, a bracket too many or too few; the
            message names line and column.

    >>> parse_text("x.txt", "tensor([[1, 2],\n        [3, 4]], dtype=torch.int32)").tolist()
    [[1, 2], [3, 4]]
    >>> parse_text("x.csv", "1;2\n3;4\n").tolist(), parse_text("x.csv", "1 2 3 4").array.tolist()
    ([[1, 2], [3, 4]], [1, 2, 3, 4])
    """
    plain = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    if "..." in plain or "…" in plain:
        raise CnngradError(f"{_at(where, text, plain.find('...'))}: numbers are omitted here: print the whole array")
    prefix = _PREFIX.match(plain)
    start = prefix.end() if prefix else 0
    tokens = [_Token(match[0], match.start()) for match in _TOKEN.finditer(plain, start)]
    if any(token.text in _OPEN for token in tokens):
        return _nested(where, text, plain, [token for token in tokens if token.text != "\n"])
    return _table(where, text, tokens)


def _table(where: str, text: str, tokens: list[_Token]) -> Array | Loose:
    """Numbers without brackets: a row a line."""
    rows: list[list[Any]] = [[]]
    after = "\n"
    for token in tokens:
        if token.text == "\n":
            # Two commas in a row leave a number out; one at the end of a line does not.
            rows.append([])
        elif token.text in ",;":
            if after in ",;\n":
                raise CnngradError(f"{_at(where, text, token.start)}: a number is missing in front of {token.text!r}")
        else:
            rows[-1].append(_number(where, text, token))
        after = token.text
    rows = [row for row in rows if row]
    if not rows:
        raise CnngradError(f"{where} is empty: there is no number in it")
    for line, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise CnngradError(
                f"{where}: row {line} has {len(row)} numbers, row 1 has {len(rows[0])}: all rows must be equally long"
            )
    if len(rows) == 1 or len(rows[0]) == 1:
        return Loose(from_lists(where, [number for row in rows for number in row]))
    return from_lists(where, rows)


def _nested(where: str, text: str, plain: str, tokens: list[_Token]) -> Array:
    """Numbers in brackets or braces; a semicolon inside them begins a row, as in MATLAB."""
    levels: list[list[list[Any]]] = []
    opened: list[_Token] = []
    after = ""
    for token in tokens:
        if token.text in ",;" and after in ("", ",", *_OPEN):
            raise CnngradError(f"{_at(where, text, token.start)}: a number is missing in front of {token.text!r}")
        after = token.text
        if token.text in _OPEN:
            opened.append(token)
            levels.append([[]])
            if len(opened) > _DEEPEST:
                raise CnngradError(f"{where} is nested too deeply: a layer's arrays have at most 5 axes")
        elif not opened:
            raise CnngradError(f"{_at(where, text, token.start)}: {token.text[:20]!r} is outside the brackets")
        elif token.text in _CLOSE:
            last = opened.pop()
            if _CLOSE.index(token.text) != _OPEN.index(last.text):
                raise CnngradError(f"{_at(where, text, token.start)}: {token.text!r} does not close {last.text!r}")
            rows = [row for row in levels.pop() if row]
            value = rows if len(rows) > 1 else rows[0] if rows else []
            if not levels:
                rest = _SUFFIX.match(plain, token.start + 1)
                if rest is None:
                    raise CnngradError(f"{_at(where, text, token.start + 1)}: something follows behind the array")
                return from_lists(where, value)
            levels[-1][-1].append(value)
        elif token.text == ";":
            levels[-1].append([])
        elif token.text != ",":
            levels[-1][-1].append(_number(where, text, token))
    raise CnngradError(f"{_at(where, text, opened[-1].start)}: {opened[-1].text!r} is never closed")


def _number(where: str, text: str, token: _Token) -> int | float:
    if not _NUMBER.fullmatch(token.text):
        raise CnngradError(f"{_at(where, text, token.start)}: {token.text[:20]!r} is not a number")
    digits = token.text.rstrip("fFlL") if not token.text.lower().endswith("inf") else token.text
    digits = re.sub("[dD]", "e", digits) if re.search(r"\d[dD]", digits) else digits
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _at(where: str, text: str, start: int) -> str:
    """`x.txt, line 3, column 5`."""
    line = text.count("\n", 0, start) + 1
    return f"{where}, line {line}, column {start - (text.rfind(chr(10), 0, start) + 1) + 1}"
