r"""Arrays from text, as people's tools print and write them: a grammar for brackets, one for tables, and a few wrappers.

    text     = { comment | mark | label | array }
    label    = [type] name [sizes], and = or := or : or <- or <<; or a single word in a line of its own
    mark     = a page "(:,:,1) =", "Columns 1 through 6", a factor "1.0e+03 *", sizes "4x3 Matrix{Float64}:", a prompt
    array    = {wrapper} brackets {keyword} | table | lines such as "dx[0][1] = 2.5"
    brackets = open {number | array, apart by commas or by blanks} close; in [] a semicolon ends a row
    table    = lines of equally many numbers, apart by one of | ; tab comma, else by blanks; an empty line ends it
    number   = a decimal number; with the suffixes, exponents and hexadecimal digits of programming languages

The numbers are taken out of the text first: a character that stands for the shape is left in the place of innermost
brackets, which the brackets around them then take up, level by level. Each pass takes time linear in the text's length.
What can be read in two ways is refused with both readings.
"""

import re
from array import array as Store
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import prod
from typing import Any, NoReturn

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, Marked
from cnngrad.errors import CnngradError
from cnngrad.files.advice import text_advice
from cnngrad.layer import Shape, counted

__all__ = ["Labelled", "Loose", "parse_text"]

Sizes = tuple[int | None, ...]
Match = re.Match[str]


@dataclass(frozen=True, eq=False)
class Loose:
    """Numbers of a text, a raw file or a flat list, whose first axes may not be written.

    Attributes:
        array: the numbers.
        axes: how many of its last axes are written: 0 for one line or list, 1 for a table, 2 for planes.
        needs_shape: whether they mean nothing without a shape.
        dtype: float16 or float32 where the text says so.
        doubt: another way to read them, if they don't fit.
    """

    array: Array
    axes: int = 0
    needs_shape: bool = False
    dtype: str = ""
    doubt: str = ""

    @property
    def typed(self) -> Array:
        """The numbers in their own type."""
        return self.array.astype(self.dtype or self.array.dtype, copy=False)

    def shaped(self, shape: Shape, order: str) -> Array:
        """The numbers in this shape, if there are as many and the axes that are written agree; else as they are."""
        own = self.array.shape[self.array.ndim - self.axes :]
        if self.array.size != prod(shape) or shape[max(0, len(shape) - self.axes) :] != own:
            return self.array
        return np.reshape(self.array.reshape(-1), shape, "F" if order == "F" and not self.axes else "C")


class Labelled(dict[str, Loose]):
    """The arrays of a text that has several, by their labels."""


def parse_text(where: str, text: str) -> Loose | Labelled:
    r"""The array in a text, or several by their labels.

    Args:
        where: the file's name, for messages.
        text: the text, in the grammar above.

    Raises:
        CnngradError: something else, or something that can be read in two ways; the message says where, and in a second
            line how to write it.

    >>> parse_text("x.txt", "tensor([[1, 2],\n        [3, 4]], dtype=torch.int32)").array.tolist()
    [[1, 2], [3, 4]]
    >>> parse_text("x.csv", "1,5;2\n3;4\n").array.tolist(), parse_text("x.csv", "1 2 3 4").axes
    ([[1.5, 2.0], [3.0, 4.0]], 0)
    """
    return _Reader(where, text).read()


# A number as Python reads it, but none that begins with 0; and runs of such numbers, each run ended by a bar.
_NUMBER = (
    r"(?:[-+]?(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?"
    r"|[-+]?(?i:nan|inf(?:inity)?))(?![\w.])"
)
_PLAIN = re.compile(_NUMBER)
_RUNS = re.compile(rf"(?:\s*+(?:{_NUMBER}\s*+(?:,\s*+{_NUMBER}\s*+)++|{_NUMBER}(?:\s++{_NUMBER})*+\s*+)\|)*+")
_WORD, _SEPARATOR = re.compile(r"[^\s,|\[\](){};]++"), re.compile(r"[\s,|]")
# What programming languages write besides: 1_000; the suffixes of 2.5f, 3UL, 1.5_f32; the exponents of 1D3, 1f0, 1*^3.
_SPELLINGS = (
    (re.compile(r"(?<=[0-9])_(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"(?<![\w.])[-+]?0x[\da-f.]++p[-+]?\d++", re.I), lambda match: repr(float.fromhex(match[0]))),
    (re.compile(r"(?<![\w.])([-+]?[0-9.]++(?:[eE][-+]?[0-9]++)?)(?:_?[fiu](?:8|16|32|64)|[fFdDmM]|[uU]?[lL]{0,2})(?![\w.])"), r"\1"),
    (re.compile(r"(?<=[0-9.])(?:[dDf]|\*\^)(?=[-+]?[0-9])"), "e"),
)
_BASED = re.compile(r"(?<![\w.])([-+]?)0(?:[xX]([\da-fA-F]++)|([0-7]++))[uUlL]*(?![\w.])")
_INTEGER = re.compile(r"(?<![^\W_])(unsigned\s+|u)?(?:int(\d*)|i(\d+)|(char|short|long))(?:_t)?(?![^\W_])", re.I)
_COMMENT = re.compile(
    r"(?:^[ \t]*+|(?<=[,;{}])[ \t]*+)(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z))"
    r"|^[ \t]*+(?:#(?=[\sa-z=!-]|\Z)|%%?(?=\s|\Z))[^\n]*+",
    re.M,
)
_REFUSED = (
    (re.compile(r"\.\.\.(?!\][a-z])|[…⋮⋯⋱]|<repeats"), "numbers are omitted here"),
    (re.compile(r"[0-9][\u00a0\u202f\u2009'’][0-9]{3}(?![0-9])"), "one number with a separator of thousands, or two numbers"),
    (re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x9f]"), "a control character in a text"),
)
_MAYBE_THOUSANDS = re.compile(r"[-+]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})?|0)")
_OTHER_BASE = re.compile(r"(?:\s*+[01]{4,}+)++\s*+\Z|[0-9\s]*?[0-9][eE][0-9]")
# In place of a comma between quotation marks.
_QUOTED = "\0"
# Texts are worked through in pieces of so many characters or lines, so that they need little memory besides.
_PIECE, _LINES = 2**16, 2**10

# Characters that stand for shapes; one more for an array that is no part of brackets.
_SHAPES = "\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f" + "".join(map(chr, range(128, 160)))
_APART, _SHAPE = "\x01", f"[{_SHAPES}]"
_DEEPEST = 16

_END = r"[ \t]*(?:\n|\Z)"
_INDEX = r"(?:\[[0-9]+(?:,[ ]*[0-9]+)*\])+|\([0-9]+(?:,[ ]*[0-9]+)*\)"
_ELEMENT = rf"[ \t]*[\w.]*(?:{_INDEX})[ \t]*[:=][ \t]*[-+.\w]+[;,]?{_END}"
_ROW = r"[ \t]*+(?:\[[0-9]+,?\](?=[ \t]))?[ \t]*+(?:[-+.0-9\",;|]|(?i:nan|inf)(?!\w))[^\n\[\](){}=<>:*]*+(?:\n|\Z)"
_FRAME = r"[ \t]*[┌+][ ]+[┐+][ ┌┐+]*\n"
_HELD = r"\s*+(?:[-+.0-9]|(?i:nan|inf))[^\[\](){}<>=]*+"
_LIST = r"(?:listOf|\w*[aA]rrayOf|List(?:\.of)?|Arrays\.asList|Seq|Vector|Array|c)\s*"
_LEAF = rf"(?:(?<![\w\]])\[{_HELD}\]|\{{{_HELD}\}}|(?<![\w.!])(?:{_LIST})?\({_HELD}\))"
# The numbers of a text. What has numbers in it but is no array is named first, and stays in the text.
_NUMBERS = re.compile(
    rf"(?P<elements>^(?:{_ELEMENT}){{1,{_LINES}}})"
    rf"|(?P<boxes>^(?:[^\n\[\]{{}}|]{{0,300}}\n)?{_FRAME}(?:[ \t]*\|[^\n]*\n)+[ \t]*[└+][ └┘+]*$)"
    r"|(?P<other>(?:shape|size|strides)\s*=\s*[\[(][0-9, ]*+[)\]]|layout=\w+ \(\w+\)|^(?:In|Out) ?\[[0-9]+\]:|^, (?:, [0-9]+)+$|^X [0-9x×]+ [^\n]*"
    r"|^[ \t]*[0-9]+(?:[x×][0-9]+)+[ \t][A-Za-z][^\n]*|^[ \t]*\|[^\n]*\|[ \t]*\n[ \t]*\|[ \t:|-]*-[ \t:|-]*\|[ \t]*$"
    r"|^Tensor\[\[[0-9, ]+\][^\n]*|(?<!\w)\w{1,40}Type\{[0-9,]*\}|\([0-9]+(?:[ ]*[x×,][ ]*[0-9]+)*,?\)(?=[ \t]*(?:[:=]|$))|\([ 0-9]+,[^()]*\.\)"
    r"|(?:\[[0-9]*\]|\[\.\.\.\]){1,9}(?=[a-z]\w*\s*\{))"
    rf"|(?P<table>^(?:{_ROW}){{1,{_LINES}}})"
    rf"|(?P<rows>(?<![\w\]])\[(?=[^\[\]]*[\n;]){_HELD}\](?!\s*[\[\](){{}},]))"
    rf"|(?P<leaves>{_LEAF}(?:\s*,?\s*{_LEAF}){{0,{_LINES}}})",
    re.M,
)
_SAME = (
    r"(?<![\w.])(?:new\s+)?(?:(?:np|numpy|cp|cupy|jnp|jax|torch|tf|mx|onp|nn|paddle)\.)*(?:array|asarray|as_tensor|to_tensor"
    r"|constant|matrix|Matrix|\w*Array|Parameter|arr[123]|\w*[tT]ensor|(?:float|int|uint)[0-9]+|float_|single|double)\("
)
_WORDS = (
    r"(?:\s*+,?\s*+(?:dtype|device|requires_grad|grad_fn|shape|size|weak_type|numpy|value|place|stop_gradient|strides|layout"
    r"|const ndim)\s*+=\s*+(?:\([^()]*+\)|\[[0-9, ]*+\]|<[^<>]*+>|'[^'\n]*+'|[\w.:]*+(?:\([^()]*+\)| \(\w+\))?))*+"
)
_TYPED = (
    r"(?:(?:(?:vec|array|d?matrix)!|&(?:mut )?|new\s+[\w.]*\s*(?:\[[0-9,\s]{0,99}\]){1,9}|(?:\[(?:[0-9]*|\.\.\.)\]){1,9}[a-z]\w*"
    r"|(?:std::)?(?:vector|array)\s*<[^{}()=;\n]{0,99}>|\w+Array\([0-9]+\))\s*)*+"
)
_SCALAR = re.compile(rf"(?<![\w.])(?:\w+\.)?(?:[aA]rray|[tT]ensor|DeviceArray|(?:float|u?int)[0-9]+)\(\s*({_NUMBER}){_WORDS}\s*\)|(?<!\w)(?:(?:Float|U?Int)[0-9]+|N?Array|Matrix|Vector)(?=\[)")
_BRACKET = re.compile(
    rf"(?:{_SAME}|<tf\.\w+:?(?:\s+'[^'\n]*')?)((?:\s*{_NUMBER}\s*\*[ ]*\n)?{_WORDS}\s*{_TYPED}[{_SHAPES}{_APART}]{_WORDS})\s*,?\s*[)>]"
    rf"|((?<![\w.])(?:{_LIST})?[\[(]|\{{)\s*({_TYPED}({_SHAPE}){_WORDS}(?:\s*,?\s*{_TYPED}\4{_WORDS})*+)\s*,?\s*([\])}}])"
)


@dataclass
class _Part:
    """A table, or the rows of brackets."""

    shape: Shape
    axes: int = 1
    needs_shape: bool = False
    doubt: str = ""
    is_decimal: bool = False
    end: int = 0
    indices: list[Shape] = field(default_factory=list)


@dataclass
class _Item:
    """An array of the text, and what the text says about it."""

    label: str = ""
    place: int = 0
    type: str = ""
    in_c: bool = False
    sizes: Sizes = ()
    page: Sizes = ()
    column: int = 1
    factor: str = ""
    more: Sizes = ()
    title: bool = False
    part: _Part = field(default_factory=lambda: _Part(()))
    array: Array = field(default_factory=lambda: np.empty(0))


class _Reader:
    """Reads one text."""

    def __init__(self, where: str, text: str) -> None:
        self.where, self.text = where, text.replace("\r\n", "\n").replace("\r", "\n")
        for pattern, words in _REFUSED:
            if found := pattern.search(self.text):
                self.fail(found.start(), f"{found[0]!r}: {words}")
        if not text.isascii():
            self.text = re.sub("[\u00a0\u202f]", " ", self.text.replace("−", "-")).replace("│", "|")
        self.text = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), self.text)
        self.text = _SCALAR.sub(lambda match: f"{match[1] or '':{len(match[0])}}", self.text)
        self.store: Any = Store("q")
        self.kinds: list[tuple[int, str]] = []
        self.shapes: dict[Shape, str] = {}
        self.parts: list[_Part] = []
        self.octal = self.hexadecimal = self.bits = -1

    def fail(self, place: int, words: str) -> NoReturn:
        """Raise an error with line and column, and the line that makes something readable of the text."""
        line, column = self.text.count("\n", 0, place) + 1, place - self.text.rfind("\n", 0, place)
        advice = text_advice(self.where, self.text, place)
        raise CnngradError(f"{self.where}, line {line}, column {column}: {words}\n{advice}")

    def read(self) -> Loose | Labelled:
        """The arrays of the text."""
        text = _NUMBERS.sub(lambda match: getattr(self, str(match.lastgroup))(match), self.text)
        for _ in range(_DEEPEST):
            text, changes = _BRACKET.subn(self.bracket, text)
            if not changes:
                break
        else:
            raise CnngradError(f"{self.where} is nested too deeply: a layer's arrays have at most 5 axes")
        return self.found(text)

    # Numbers, and what is left of the text in their place.

    def convert(self, runs: str, source: str, place: int) -> int:
        """Store the numbers of runs, each ended by a bar; how many there are. `source` is the text that has them."""
        plain, before = runs, len(self.store)
        if not _RUNS.fullmatch(plain):
            for pattern, change in _SPELLINGS:
                plain = pattern.sub(change, plain)
            plain = _BASED.sub(lambda match: self.based(match, place), plain)
            if not _RUNS.fullmatch(plain):
                self.refuse(plain, source, place)
        last = 0
        while last < len(plain):
            first, cut = last, _SEPARATOR.search(plain, last + _PIECE)
            last = cut.end() if cut else len(plain)
            words = plain[first:last].replace(",", " ").replace("|", " ").split()
            kind = "d" if re.search(r"[.eEnN]", plain[first:last]) else "q"
            if not self.kinds or self.kinds[-1][1] != kind:
                self.kinds.append((len(self.store), kind))
            try:
                self.store.frombytes(Store(kind, map(float if kind == "d" else int, words)).tobytes())
            except OverflowError:
                self.fail(place, f"an integer beyond int64's largest, {INT64_MAX} (2**63 - 1)")
        return len(self.store) - before

    def based(self, match: Match, place: int) -> str:
        """A hexadecimal or octal number of C as a decimal one."""
        if match[3]:
            self.octal = max(self.octal, place)
            return f"{match[1]}{int(match[3], 8)}"
        self.hexadecimal, self.bits = place, max(self.bits, 4 * len(match[2]))
        return f"{match[1]}{int(match[2], 16)}"

    def refuse(self, plain: str, source: str, place: int) -> NoReturn:
        """Say which word is not a number, or where numbers are not apart as in the grammar."""
        good = _RUNS.match(plain)
        after = good.end() if good else 0
        words = list(_WORD.finditer(source))
        for word, changed in zip(words, _WORD.finditer(plain), strict=False):
            if not _PLAIN.fullmatch(changed[0]):
                zero = re.fullmatch(r"[-+]?0[0-9]+\.?[0-9]*", word[0])
                said = "begins with 0: a decimal number, or an octal or hexadecimal one" if zero else "is not a number"
                self.fail(place + word.start(), f"{word[0][:20]!r} {said}")
        run = plain[after:].partition("|")[0]
        start = words[min(len(_WORD.findall(plain, 0, after)), len(words) - 1)].start() if words else 0
        if not run.strip() or re.search(r"(?:^|,)\s*(?:,|$)", run):
            self.fail(place + start, "a number is missing")
        self.fail(place + start, f"{run.strip()[:30]!r} has commas and blanks: decimal commas, or two numbers each")

    def other(self, match: Match) -> str:
        """Numbers that are no array's stay."""
        if match[0].lstrip().startswith("|") and not match[0].split("|")[1].strip():
            self.fail(match.start(), "a first column without a title: numbers of rows, or numbers")
        return match[0]

    def leaves(self, match: Match) -> str:
        """Innermost brackets, one behind the other."""
        held = [each.rstrip().removesuffix(",") for each in re.findall(r"[\[({]([^\[\](){}]*+)[\])}]", match[0])]
        if ";" in match[0]:
            self.fail(match.start() + match[0].index(";"), "';' in these brackets: the end of a row, or of an element")
        count = self.convert("".join(f"{each}|" for each in held), match[0], match.start())
        sizes = [count] if len(held) == 1 else map(_count, held)
        return "\n" * match[0].count("\n") + "".join(self.shape((size,)) for size in sizes)

    def rows(self, match: Match) -> str:
        """Brackets with several lines, or with semicolons: rows as in MATLAB, if all have as many numbers."""
        held, lines = match[0][1:-1], match[0].count("\n")
        by_lines = ";" not in held and not re.search(r",[ \t]*\n", held.strip())
        if ";;" in held:
            self.fail(match.start() + held.index(";;"), "';;' joins arrays in Julia")
        each = [row for row in re.split(r"[\n;]" if by_lines else r"[;]", re.sub(r";\s*\n", ";", held)) if row.strip()]
        if len(each) == 1 or by_lines and "," not in held and len(set(map(_count, each))) > 1:
            return self.leaves(match)
        if len(each) == 2 and re.fullmatch(r"\s*[1-9][0-9]*\s*", each[1]) and _count(each[0]) == 1:
            self.fail(match.start(), f"{match[0]} is two rows, or in Rust {each[1].strip()} times the same number")
        self.convert("".join(f"{row.strip().removesuffix(',')}|" for row in each), match[0], match.start())
        width = self.width(each, match.start(), 0, 0)
        open_ended = by_lines and "," not in held and self.text[match.end() : match.end() + 1] != ";"
        doubt = "its lines are rows or one row: write each row in brackets of its own" if open_ended else ""
        self.parts.append(_Part((len(each), width), 0 if open_ended else 2, open_ended, doubt, True))
        return "\n" * lines + _APART

    def width(self, rows: list[str], place: int, before: int, width: int) -> int:
        """How many numbers each row has."""
        for number, row in enumerate(rows, before + 1):
            width, here = width or _count(row), _count(row)
            if here != width:
                self.fail(place, f"row {number} has {counted(here, 'number')}, row 1 has {width}: all must be equally long")
        return width

    def table(self, match: Match) -> str:
        """Lines of a table; it begins with them, or goes on."""
        place, lines = match.start(), match[0].rstrip("\n")
        begins = not self.parts or self.parts[-1].end != place
        if begins:
            self.parts.append(_Part((0, 0)))
        part = self.parts[-1]
        part.end = match.end()
        vector = re.match(r"[ \t]*\[[0-9]+\]", lines)
        lines = re.sub(r"(?m)^[ \t]*\[[0-9]+,?\]", lambda label: " " * len(label[0]), lines)
        if vector:
            lines = lines.replace("\n", " ")
        lines = self.with_commas(part, lines, place)
        count = self.convert(lines.replace("\n", "|") + "|", lines, place)
        rows = lines.split("\n")
        width = count if len(rows) == 1 and begins else self.width(rows, place, part.shape[0], part.shape[1])
        part.shape = part.shape[0] + len(rows), width
        return (_APART if begins else "") + "\n" * match[0].count("\n")

    def with_commas(self, part: _Part, lines: str, place: int) -> str:
        """Lines with commas, or with blanks alone, between plain numbers."""
        lines = re.sub(r"(?m)^([ \t]*)\||\|([ \t]*)$", r"\1 \2", lines)
        lines = re.sub(r'"([^"\n]*+)"', lambda cell: f" {cell[1].replace(',', _QUOTED)} ", lines)
        if not re.search(r"[^\s][ ]*\t[ \t]*[^\s]", lines):
            lines = lines.replace("\t", " ")
        mark = next((mark for mark in "|;\t," if mark in lines), " ")
        ends = re.compile(rf"(?m)\{mark}[ ]*$")
        if mark != " " and lines.count("\n") + 1 == len(ends.findall(lines)):
            lines = ends.sub(" ", lines)
        if mark == "|" and "," in lines:
            self.fail(place + lines.index(","), "a comma in a cell: a decimal comma, or a separator of thousands")
        decimal = "," if mark in ";\t" else _QUOTED
        if found := re.search(rf"[.{decimal}][0-9]*{decimal}|{decimal}[0-9]*\.", lines):
            self.fail(place + found.start(), "a separator of thousands beside a decimal one: leave it out")
        if mark == ";" or decimal in lines:
            lines = lines.replace(decimal, ".")
            words = re.findall(r"[^\s;,]+", lines)
            part.doubt = part.doubt or next((word for word in words if "." in word), "")
            part.is_decimal = part.is_decimal or not all(map(_MAYBE_THOUSANDS.fullmatch, words))
        if len(set(map(len, _WORD.findall(lines, 0, _PIECE)))) == 1 and _OTHER_BASE.match(lines):
            self.fail(place, "numbers of as many digits each: decimal, or binary or hexadecimal ones")
        return lines if mark == " " else lines.replace(mark, ",")

    def boxes(self, match: Match) -> str:
        """Matrices between frames, side by side, as cnngrad prints them: the title of each, and its place in the text."""
        head, *lines = match[0].splitlines()
        if not re.fullmatch(_FRAME, head + "\n"):
            titles, head, lines = head, lines[0], lines[1:]
        else:
            titles = ""
        starts = [found.start() for found in re.finditer(r"[┌+] ", head)] 
        text = ""
        for number, start in enumerate(starts):
            each = [re.findall(r"\|([^|]*)(?=\|)", line)[:: 2] for line in lines[:-1]]
            rows = [row[number] if number < len(row) else "" for row in each]
            rows = [row for row in rows if row.strip()]
            self.convert("".join(f"{row}|" for row in rows), match[0], match.start())
            width = self.width(rows, match.start(), 0, 0)
            self.parts.append(_Part((len(rows), width), 0 if 1 in (len(rows), width) else 1))
            text += f"{titles[start : (*starts, None)[number + 1]].strip()}\n{_APART}\n"
        return text + "\n" * (match[0].count("\n") - text.count("\n"))

    def elements(self, match: Match) -> str:
        """Lines of an index and a number each."""
        found = _ELEMENT_PARTS.findall(match[0])
        names = {name for name, _, _ in found}
        if len(names) > 1:
            self.fail(match.start(), f"elements of several arrays: {', '.join(sorted(names))}")
        self.convert("".join(f"{number}|" for _, _, number in found), match[0], match.start())
        indices = [tuple(map(int, re.findall(r"[0-9]+", index))) for _, index, _ in found]
        self.parts.append(_Part((len(found),), 0, indices=indices))
        return f"{names.pop()}\n{_APART}" + "\n" * (match[0].count("\n") - 1)

    # Brackets.

    def shape(self, shape: Shape) -> str:
        """The character that stands for a shape."""
        if shape not in self.shapes and len(self.shapes) == len(_SHAPES):
            raise CnngradError(f"{self.where} has brackets of more than {len(_SHAPES)} shapes: all rows must be equally long")
        return self.shapes.setdefault(shape, _SHAPES[min(len(self.shapes), len(_SHAPES) - 1)])

    def bracket(self, match: Match) -> str:
        """Brackets around equal shapes are a shape with one more axis; an array's function leaves it as it is."""
        same, opened, held, shape, closed = match.groups()
        if same is not None:
            return str(same)
        if opened[-1] + closed not in ("[]", "()", "{}"):
            return match[0]
        inner = next(key for key, character in self.shapes.items() if character == shape)
        return "\n" * match[0].count("\n") + self.shape((held.count(shape), *inner))

    # Arrays.

    def stray(self, text: str, place: int, words: str = "") -> NoReturn:
        """Raise an error at a place of what is left of the text: its line is that of the text itself."""
        if not words and (found := _OPEN.search(text, place)):
            place = found.start()
            shape, other = ({to: shape for shape, to in self.shapes.items()}.get(each) for each in (found[2], found[3]))
            if not found[3]:
                words = f"{found[1]!r} is never closed"
            elif other:
                words = f"brackets of {_times(shape or ())} and of {_times(other)}: all rows must be equally long"
            elif found[3] in "])}":
                words = f"{found[3]!r} does not close {found[1]!r}"
        line, found = text.count("\n", 0, place), re.compile(rf"\s*([^{_SHAPES}{_APART}\s]{{0,30}})").match(text, place)
        start = sum(map(len, self.text.split("\n", line)[:line])) + line
        word = found[1] if found else ""
        self.fail(max(start, self.text.find(word, start)), words or f"{word!r} belongs to no array of numbers")

    def found(self, text: str) -> Loose | Labelled:
        """The arrays of what is left of the text: one, or several by label."""
        shapes, parts = {character: shape for shape, character in self.shapes.items()}, iter(self.parts)
        groups: dict[str, list[_Item]] = {}
        item, label, place, first = _Item(), "", 0, 0
        while place < len(text):
            match = _FORMS.match(text, place)
            if match is None:
                self.stray(text, place)
            said = {key: value for key, value in match.groupdict().items() if value is not None}
            if "shape" not in said:
                item = self.said(item, said, groups.get(label, []))
                place = match.end()
                continue
            own = shapes.get(said["shape"])
            item.part = next(parts) if own is None else _Part(own, 0 if len(own) == 1 else len(own))
            last = first + prod(item.part.shape)
            item.array, first = self.numbers(first, last).reshape(item.part.shape), last
            for words in (said["before"], said["behind"]):
                self.keywords(item, words)
            if item.label and (item.label != label or not item.page):
                if item.label in groups:
                    self.stray(text, place, f"a second array is called {item.label}")
                label = item.label
            item.place, place = place, match.end()
            groups.setdefault(label, []).append(item)
            item = _Item(factor=item.factor)
        if not groups:
            raise CnngradError(f"{self.where} is empty: there is no number in it")
        if "" in groups and len(groups) > 1:
            self.stray(text, groups[""][0].place, f"an array without a label beside {', '.join(filter(None, groups))}")
        arrays = {name: self.joined(items, text) for name, items in groups.items()}
        return Labelled(arrays) if len(arrays) > 1 else arrays[label]

    def numbers(self, first: int, last: int) -> Array:
        """Numbers from the store: integers, unless there are decimals among them."""
        edges = [*(max(start, first) for start, _ in self.kinds), last]
        bits = np.frombuffer(self.store, np.int64)
        pieces = [
            bits[start:end].view(np.float64 if kind == "d" else np.int64)
            for (_, kind), start, end in zip(self.kinds, edges, edges[1:], strict=False)
            if start < min(end, last)
        ]
        return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]

    def said(self, item: _Item, said: dict[str, str], behind: list[_Item]) -> _Item:
        """What the text says of the array that follows, or of the one in front."""
        if name := said.get("name") or said.get("word"):
            kind, own = said.get("kind", ""), re.search(r"(?:\[[0-9]*\][ \t]*)*\Z", name)
            written = own[0] if own else ""
            plain = name[: len(name) - len(written)].strip()
            last = re.sub(r"<.*>", " ", plain).split()[-1].strip("*&\"'")
            kind = kind or plain[: plain.rfind(last)]
            item = _Item(_key(last), type=kind, in_c=bool(kind) and (bool(written) or "std::" in kind))
            nested = [int(size) for size in re.findall(r"[,;]\s*([0-9]+)\s*[>\]]", kind)]
            item.sizes = _sizes(written) or _sizes(said.get("round", "")) or tuple(reversed(nested))
        if page := said.get("page"):
            item = _Item(item.label if said["of"] in ("ans", "val", "") else _key(said["of"]))
            item.page = tuple(int(part) if part.isdigit() else None for part in re.sub("[ ]", "", page).split(","))
        if slices := said.get("slices"):
            item = _Item(item.label, page=(None, None, *map(int, re.findall(r"[0-9]+", slices))))
        if title := said.get("title"):
            item = _Item(_key(title), title=True, page=(*map(int, re.findall(r"[0-9]+", said["at"])), None, None))
        if column := said.get("column") or said.get("first"):
            item.column = int(column)
        if "factor" in said:
            item.factor = said["factor"]
        if sizes := said.get("sizes"):
            item.sizes, item.type = _sizes(sizes), said.get("type", "")
        for more in ("more", "size", "candle", "nd"):
            if more in said and behind:
                behind[-1].more = _sizes(said[more])
        return item

    def keywords(self, item: _Item, words: str) -> None:
        """What the keywords beside an array, and the type in front of it, say of it."""
        for name, value in re.findall(r"(dtype|shape|size)\s*=\s*(\([^()]*\)|\[[^\[\]]*\]|[\w.']*)", words):
            if name == "dtype":
                item.type = value
            else:
                item.sizes = _sizes(value)
        typed = re.sub(r"[\w ]+=\s*(?:\([^()]*\)|\[[^\[\]]*\]|<[^<>]*>)?|<.*>", "", words)
        item.sizes, item.type = item.sizes or _sizes(typed), item.type or typed

    def joined(self, items: list[_Item], text: str) -> Loose:
        """The array that consecutive columns, pages or planes make."""
        first, parts = items[0], list[_Item]()
        for item in items:
            self.finish(item, text)
            if item.column == 1:
                parts.append(item)
            elif parts and item.array.shape[0] == parts[-1].array.shape[0] and item.column == parts[-1].array.shape[1] + 1:
                parts[-1].array, parts[-1].part.axes = np.hstack([parts[-1].array, item.array]), 1
            else:
                self.stray(text, item.place, f"column {item.column} does not continue the columns in front of it")
        shapes = list(dict.fromkeys(_times(part.array.shape) for part in parts))
        if len(shapes) > 1:
            said = "several arrays without labels, or parts of one"
            self.stray(text, parts[1].place, f"{said}: {' and '.join(shapes[:9])}")
        array, axes = first.array, first.part.axes
        if first.part.indices:
            array, axes = self.by_index(first, first.part.indices, array, text), 9
        elif any(part.page for part in parts):
            array, axes = self.pages(parts, text)
        elif len(parts) > 1:
            array = np.stack([part.array if axes else part.array.reshape(-1) for part in parts])
            axes = array.ndim - 1 if isinstance(first.part.end, int) else 9
        elif not axes and not first.part.needs_shape:
            array = array.reshape(-1)
        for sizes in filter(None, (first.sizes, items[-1].more)):
            array, axes = self.sized(first, array, sizes, text), 9
        few = re.search(r"float(?:16|32)", first.type)
        axes = 0 if array.ndim == 1 else min(axes, array.ndim)
        return Loose(array.view(Marked), axes, first.part.needs_shape, few[0] if few else "", first.part.doubt)

    def finish(self, item: _Item, text: str) -> None:
        """Do with an array's numbers what its type and factor say, and refuse those that have two readings."""
        part, integer = item.part, _INTEGER.search(item.type)
        if self.octal >= 0 and not item.in_c:
            self.fail(self.octal, "a number begins with 0: a decimal number, or an octal or hexadecimal one")
        if part.doubt and not part.is_decimal:
            self.stray(text, item.place, f"{part.doubt} is a decimal number, or {part.doubt.replace('.', '')}")
        if part.end:
            part.doubt = ""
            part.axes = 0 if 1 in part.shape else 1
            self.weigh(item, text)
        if item.factor:
            power = Decimal(item.factor)
            if power != Decimal(10) ** power.adjusted():
                self.stray(text, item.place, f"the factor {item.factor} is no power of ten")
            scaled = [float(Decimal(repr(value)) * power) for value in item.array.ravel().tolist()]
            item.array = np.reshape(scaled, item.array.shape)
        if not integer:
            if self.bits in (8, 16, 32, 64) and not item.type and np.any(item.array >= 2 ** (self.bits - 1)):
                self.fail(self.hexadecimal, f"hexadecimal numbers without a type: those of {self.bits} bits may be negative")
            return
        bits = int(integer[2] or integer[3] or {"char": 8, "short": 16, "long": 64}.get(str(integer[4]).lower(), 0))
        if self.bits > 0 and not integer[1]:
            item.array = np.where(item.array >= 2 ** ((bits or 32) - 1), item.array - 2 ** (bits or 32), item.array)
        least, most = (0, 2**bits) if integer[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1)) if bits else (-(2**63), 2**63)
        if item.array.dtype.kind == "f" and not np.array_equal(item.array, np.floor(item.array)):
            self.stray(text, item.place, f"decimals in an array of {integer[0]}")
        if bits and not (least <= item.array.min() and item.array.max() < most):
            self.stray(text, item.place, f"numbers that {integer[0]} does not hold")
        item.array = item.array.astype(np.int64)

    def weigh(self, item: _Item, text: str) -> None:
        """Whether the first columns of a table count its lines: then they may be indices."""
        lead = item.array[:, :-1]
        if len(lead) < 2 or not lead.size or not np.isfinite(lead).all() or not set(lead[0].tolist()) <= {0, 1}:
            return
        sizes = tuple(int(size) + 1 for size in lead[-1] - lead[0])
        if min(sizes) < 1 or prod(sizes) != len(lead):
            return
        if np.array_equal(lead - lead[0], np.transpose(np.unravel_index(np.arange(len(lead)), sizes))):
            item.part.doubt = "its lines begin with counts: an index and a number each, or numbers alone"
            if len(sizes) > 1:
                self.stray(text, item.place, item.part.doubt)

    def pages(self, parts: list[_Item], text: str) -> tuple[Array, int]:
        """An array of the pages that are called by their indices."""
        free = [axis for axis, index in enumerate(parts[0].page) if index is None]
        fixed = [tuple(index for index in part.page if index is not None) for part in parts]
        if len(free) != 2 or any(len(part.page) != len(parts[0].page) for part in parts) or not all(fixed):
            self.stray(text, parts[0].place, "not every page has its indices")
        stacked = self.by_index(parts[0], fixed, np.stack([part.array for part in parts]), text)
        array = np.moveaxis(stacked, (-2, -1), free)
        # One row is a vector as well.
        return (array.reshape(-1), 0) if parts[0].title and array.shape[-2] == 1 else (array, 9)

    def by_index(self, item: _Item, indices: list[Shape], parts: Array, text: str) -> Array:
        """Parts in the places that their indices, counted from 0 or from 1, name."""
        if len(set(map(len, indices))) == 1:
            least = min(map(min, indices))
            sizes = tuple(max(column) - least + 1 for column in zip(*indices, strict=True))
            where = {tuple(k - least for k in index): number for number, index in enumerate(indices)}
            if least in (0, 1) and len(where) == len(indices) == prod(sizes):
                return parts[[where[index] for index in np.ndindex(sizes)]].reshape(*sizes, *parts.shape[1:])
        self.stray(text, item.place, f"{len(indices)} elements or pages: some are missing or stand twice")

    def sized(self, item: _Item, array: Array, sizes: Sizes, text: str) -> Array:
        """An array in the sizes that are declared, None where one is left open."""
        known = prod(size for size in sizes if size is not None)
        want = array.shape if None in sizes[1:] or not known else tuple(size or array.size // known for size in sizes)
        bare, asked = ([size for size in shape if size != 1] for shape in (array.shape, want))
        if prod(want) != array.size or (array.ndim > 1 and bare != asked):
            self.stray(text, item.place, f"{_times(sizes)} is declared, but {_times(array.shape)} is there")
        return array.reshape(want)


def _count(run: str) -> int:
    """How many numbers a run has."""
    if "," in run:
        return run.count(",") + 1
    return len(run.split()) if len(run) < _PIECE else sum(1 for _ in _WORD.finditer(run))


def _sizes(text: str) -> Sizes:
    """Sizes such as 2x3, (2, 3) or [2][3]; None for an empty bracket.

    >>> _sizes("[][3]"), _sizes("(2, 3)")
    ((None, 3), (2, 3))
    """
    found = re.findall(r"\[\s*\]|[0-9]+", re.sub(r"\b[A-Za-z]\w*", "", text))
    return tuple(int(size) if size.isdigit() else None for size in found)


def _times(sizes: Sizes) -> str:
    """Sizes in words: 2x3."""
    return "x".join("?" if size is None else str(size) for size in sizes)


def _key(label: str) -> str:
    """A label as it is typed: the screen's ∂E/∂X is dEdX."""
    return label.replace("∂E/∂", "dEd").replace("dE/d", "dEd")


_OPEN = re.compile(rf"([\[({{])\s*(?:({_SHAPE})(?:\s*,?\s*\2)*+\s*,?\s*(\S|\Z)|\Z)")
_ELEMENT_PARTS = re.compile(rf"([\w.]*)({_INDEX})[ \t]*[:=][ \t]*([-+.\w]+)")
_NAME = r"[A-Za-z_$@∂](?:[\w$./∂@]|::)*+"
_TYPE = rf"(?:{_NAME}|<[^=\n()]{{0,200}}>|\[[^\]\n=]*+\]|\"[\w.]*+\"|'[\w.]*+'|[*&])[ \t]*+"
_ROUND = r"(?:\([0-9]+(?:[ ]*[x×,][ ]*[0-9]+)*,?\))"
# What is left of a text when its numbers are taken out.
_FORMS = re.compile(
    rf"(?:[ \t]*\n)++|[ \t]+\Z|X [0-9x×]+ [·*] W [^\n]*(?:\n|\Z)|Out ?\[[0-9]+\]:|[ \t]*\|[^\n]*\|[ \t]*\n[ \t]*\|[ \t:|-]*\|{_END}"
    rf"|[ \t]*(?:>>>?|In ?\[[0-9]+\]:|julia>|octave:[0-9]+>)[ \t]*(?:[\w.]*(?:\([\w.]*\))?;?{_END}|(?=\w+[ \t]*=))"
    rf"|[ \t]*(?P<of>[\w.]*)[ \t]*[(\[](?P<page>[ ]*(?:[:.]|[0-9]+)(?:[ ]*,[ ]*(?:[:.]|[0-9]+))+)[)\]][ ]*={_END}"
    rf"|,(?P<slices> (?:, [0-9]+)+){_END}"
    rf"|(?P<title>\S+) [·*] (?P<at>\w+ [0-9]+(?:, \w+ [0-9]+)*){_END}"
    rf"|[ \t]*(?:Columns?[ \t]+(?P<column>[0-9]+)(?:[ \t]+(?:through|to|and|-)[ \t]+[0-9]+)?:?"
    rf"|\[,(?P<first>[0-9]+)\](?:[ \t]+\[,[0-9]+\])*){_END}"
    rf"|[ \t]*(?P<factor>{_NUMBER})[ \t]*\*{_END}"
    rf"|[ \t]*(?P<sizes>[0-9]+(?:[x×][0-9]+)+|[0-9]+(?=-element)|{_ROUND}(?={_END}))(?:-element)?[ \t]*(?P<type>[A-Za-z][^\n=]{{0,120}}?)?:?{_END}"
    rf"|\[ ?[\w.]*(?:Type|Tensor)(?:\{{(?P<more>[0-9,]*)\}}| of size (?P<size>[0-9x]+)(?: \(GPU [0-9]+\))?) ?\]{_END}"
    rf"|Tensor\[\[(?P<candle>[0-9, ]+)\][^\n]*(?:\n|\Z)|<NDArray (?P<nd>[0-9x]+)[^\n]*(?:\n|\Z)"
    rf"|(?P<before>{_WORDS}\s*{_TYPED})(?P<shape>[{_SHAPES}{_APART}])(?P<behind>{_WORDS})(?:[ \t]*;|[ \t]*,?{_END}|(?=\s*[{_SHAPES}]))"
    rf"|[ \t]*(?P<name>(?:{_NAME}|\"[\w.]*+\"|'[\w.]*+')[ \t]*(?:{_TYPE})*+)(?P<round>{_ROUND})?[ \t]*"
    rf"(?::[ \t]*(?P<kind>(?:{_TYPE}|[;0-9 \]])*+)=|:=|=(?!=)|<-|<<|:|(?=\{{|[{_SHAPES}]))[ \t]*"
    rf"|[ \t]*(?P<word>{_NAME}){_END}"
)
