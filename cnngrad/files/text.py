r"""Arrays from text, as people's tools print and write them: a grammar for brackets, one for tables, a few wrappers.

    text     = { comment | mark | label | array }
    label    = [type] name [sizes], and = or := or : or <- or <<; or a single word in a line of its own
    mark     = a page "(:,:,1) =", "Columns 1 through 6", a factor "1.0e+03 *", sizes "4x3 Matrix{Float64}:", a prompt
    array    = {wrapper} brackets {keyword} | table | lines such as "dx[0][1] = 2.5"
    brackets = open {number | array, apart by commas or by blanks} close; in [] a semicolon ends a row
    table    = lines of equally many numbers, apart by one of | ; tab comma, else by blanks; an empty line ends it
    number   = a decimal number; with the suffixes, exponents and hexadecimal digits of programming languages

The numbers are taken out of the text first: a character that stands for its shape is left in the place of an innermost
bracket, and the brackets around take these up, level by level. Each pass takes time linear in the text's length.
What can be read in two ways is refused with both readings.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from math import prod
from typing import Any, NoReturn

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, Marked
from cnngrad.errors import CnngradError
from cnngrad.files.advice import text_advice
from cnngrad.files.loose import Labelled, Loose
from cnngrad.layer import Shape, counted

__all__ = ["parse_text"]

Sizes = tuple[int | None, ...]
Match = re.Match[str]


def parse_text(where: str, text: str) -> Loose | Labelled:
    r"""The array in a text, or several by their labels.

    Args:
        where: the file's name, for messages.
        text: a text in the grammar above.

    Raises:
        CnngradError: another text; the message says where, and how to write it.

    >>> parse_text("x.txt", "tensor([[1, 2],\n        [3, 4]], dtype=torch.int32)").array.tolist()
    [[1, 2], [3, 4]]
    >>> parse_text("x.csv", "1,5;2\n3;4\n").array.tolist(), parse_text("x.csv", "1 2 3 4").axes
    ([[1.5, 2.0], [3.0, 4.0]], 0)
    """
    return _Reader(where, text).read()


# A number as Python reads it, but none that begins with 0; and runs of such numbers, each run ended by a bar.
_DECIMAL = r"(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?|\.[0-9]++"
_NUMBER = rf"(?:[-+]?(?:{_DECIMAL})(?:[eE][-+]?[0-9]++)?|[-+]?(?i:nan|inf(?:inity)?))(?![\w.])"
_RUNS = re.compile(rf"(?:\s*+{_NUMBER}(?:\s*+(?:,\s*+{_NUMBER}\s*+)++|(?:\s++{_NUMBER})*+\s*+)\|)*+")
_WORD = re.compile(r"[^\s,|\[\](){};]++")
# What programming languages write besides: 1_000, 0x1.8p1, the suffixes of 2.5f or 3UL, the exponents of 1D3 or 1*^3.
# Patterns begin with a character, where they can, since the search for one is quick.
_SPELLINGS = (
    (re.compile(r"_(?<=[0-9]_)(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"0(?<![\w.]0)[xX][\da-fA-F.]++[pP][-+]?\d++"), lambda match: repr(float.fromhex(match[0]))),
    (re.compile(r"[_fiu](?<=[0-9.].)(?:(?<=_)[fiu]|(?<=[fiu]))(?:8|16|32|64)(?![\w.+-])"), ""),
    (re.compile(r"[fFdDlLuU](?<=[0-9.].)[lL]{0,2}(?![\w.+-])"), ""),
    (re.compile(r"[dDf](?<=[0-9.].)(?=[-+]?[0-9])|\*\^(?<=[0-9.]..)(?=[-+]?[0-9])"), "e"),
)
_BASED = re.compile(r"0(?<![\w.]0)(?<![eEdDf^][-+]0)(?:[xX]([\da-fA-F]++)|([0-7]++))[uUlL]*(?![\w.])")
_INTEGER = re.compile(r"(?<![^\W_])(unsigned\s++|u)?(?:int(\d*)|i(\d+)|(char|short|long))(?:_t)?(?![^\W_])", re.I)
# A number whose point may part thousands; numbers that may be binary or hexadecimal if all are equally long.
_MAYBE_THOUSANDS = re.compile(r"[-+]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})?|0)")
_OTHER_BASE = re.compile(r"(?:\s*+[01]{4,}+)++\s*+\Z|[0-9\s]++[eE][0-9]")
_ALIKE = ({2}, {4}, {8}, {16}, {32})
_REFUSED = (
    (re.compile(r"\.\.\.(?!\][a-z])"), "numbers are omitted here"),
    (re.compile(r"[…⋮⋯⋱]"), "numbers are omitted here"),
    (re.compile(r"<repeats"), "numbers are omitted here"),
    (
        re.compile(r"[\u00a0\u202f\u2009'’](?<=[0-9].)[0-9]{3}(?![0-9])"),
        "one number with a separator of thousands, or two",
    ),
    (re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x9f]"), "a control character in a text"),
)
# What says nothing: comments, prompts with what was typed, the line in front of cnngrad's results, titles of columns.
_COMMENT = r"(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z))"
_SILENT = re.compile(
    rf"\n(?:[ \t]*+{_COMMENT}|[ \t]*+(?:#(?=[\sa-z=!-]|\Z)|%%?(?=\s|\Z))[^\n]*+|X [0-9x×]+ [·*] W [^\n]*"
    r"|Out ?\[[0-9]+\][:=]|[ \t]*+(?:>{1,3}|In ?\[[0-9]+\]:|julia>|octave:[0-9]+>)"
    r"(?:[ \t]*+(?:[A-Za-z_][\w.]*(?:\([\w.]*\))?;?)?[ \t]*+(?=\n|\Z)|(?=[ \t]*+\w+ ?=))|[ \t]*+\[[0-9]+,\](?=[ \t])"
    r"|[ \t]*+\|(?=[^|\n]*[^|\s])[^\n]*\|[ \t]*+\n[ \t]*+\|[ \t:|-]*-[ \t:|-]*\|[ \t]*+(?=\n|\Z))"
)
_TRAILING = re.compile(rf"[,;{{}}][ \t]*+{_COMMENT}")
# Where none of this is in a text, it has numbers and brackets alone.
_MORE = re.compile(r"[^-+.0-9eE,;\s\[\](){}]|,\]")
# Texts are worked through in pieces of so many characters or lines, so that they need little memory besides.
_PIECE, _LINES = 2**16, 2**10
_CUT = re.compile(rf".{{1,{_PIECE}}}[^\s,]*+\s*+,?", re.S)
# Characters for the shapes of brackets, for an array that is no part of brackets, and for a quoted comma.
_SHAPES = "".join(map(chr, (*range(14, 28), *range(134, 160))))
_APART, _QUOTED = "\x01", "\0"
_ALL = _DEEPEST = 32
_ZERO = "begins with 0: a decimal number, or an octal or hexadecimal one"
_SAID = re.compile(r"(dtype|shape|size)\s*+=\s*+(\([^()]*\)|\[[^\[\]]*\]|[\w.']*)")

_END = r"[ \t]*+(?:\n|\Z)"
_INDEX = r"(?:\[[0-9]+(?:,[ ]*[0-9]+)*\])+|\([0-9]+(?:,[ ]*[0-9]+)*\)"
_ELEMENT = re.compile(rf"\n[ \t]*+([\w.]*)({_INDEX})[ \t]*+[:=][ \t]*+({_NUMBER})[;,]?[ \t]*+(?=\n|\Z)")
_BOXES = re.compile(
    r"\n(?P<titles>[^\n\[\]{}|┌+]{0,300}\n)?(?P<frame>[ \t]*+[┌+][ ]+[┐+][ ┌┐+]*\n)(?P<rows>(?:[ \t]*+\|[^\n]*\n)+)"
    r"[ \t]*+[└+][ └┘+]*(?=\n|\Z)"
)
_ROW = r"(?!, ,)[ \t]*+(?:[-+.0-9\",;|]|(?i:nan|inf)(?!\w))[^\n\[\](){}=<>:*]*+(?:\n|\Z)"
_HELD = r"\s*+(?:[-+.0-9]|(?i:nan|inf))[^\[\](){}<>=]*+"
_LIST = r"(?:listOf|\w*[aA]rrayOf|List(?:\.of)?|Arrays\.asList|Seq|Vector|Array|c)\s*+"
_LEAF = rf"(?:(?<![\w\]])\[{_HELD}\]|\{{{_HELD}\}}|(?<![\w.!])(?:{_LIST})?\({_HELD}\))"
_ROUND = r"\([0-9]+(?:[ ]*[x×,][ ]*[0-9]+)*,?\)"
# The numbers of a text. What has numbers in it but is no array is named first, and stays in the text.
_NUMBERS = re.compile(
    r"(?:shape|size|strides)\s*+=\s*+[\[(][0-9, ]*+[)\]]|layout=\w+ \(\w+\)|^, (?:, [0-9]+)+$|\([ 0-9]+,[^()\n]*[.:]\)"
    r"|^[ \t]*+[0-9]+(?:[x×][0-9]+)+[ \t][A-Za-z][^\n]*|^Tensor\[\[[0-9, ]+\][^\n]*|(?<!\w)\w{1,40}Type\{[0-9,]*\}"
    rf"|{_ROUND}(?=[ \t]*+(?:[:=]|\n\s*+[\[{{\w.+-]))|(?:\[[0-9]*\]|\[\.\.\.\]){{1,9}}(?=[a-z]\w*\s*+\{{)"
    rf"|(?P<table>(?:^|(?<=[:=][ ]))(?:{_ROW}){{1,{_LINES}}})"
    rf"|(?P<rows>(?<![\w\]])\[(?=[^\[\]]*[\n;]){_HELD}\](?!\s*+[\[\]{{}},]))"
    rf"|(?P<leaves>{_LEAF}(?:\s*+,?+\s*+{_LEAF}){{0,{_LINES}}})",
    re.M,
)
# Functions that leave an array as it is, keywords beside it, and types in front of brackets.
_MODULE = r"(?<![\w.])(?:new\s++)?(?:(?:np|numpy|cp|cupy|jnp|jax|torch|tf|mx|onp|nn|paddle)\.)*"
_SAME = (
    rf"{_MODULE}(?:(?:as|to_)?array|(?:as_|to_)?tensor(?:[1-5]d)?|constant|[mM]atrix|\w*Array|\w*Tensor|Parameter"
    r"|arr[123]|single|double|u?int[0-9]+)\("
)
_SCALAR = re.compile(rf"[A-Za-z](?<![\w.].)[\w.]*+(?:\(\s*+({_NUMBER})(?:,\s*+dtype=[\w.']+)?\s*+\)|(?=\[))")
_SCALAR_NAME = re.compile(r"(?:\w+\.)?(?:[aA]rray|[tT]ensor|DeviceArray|(?:float|u?int)[0-9]+)\(")
_TYPE_NAME = re.compile(r"(?:Float|U?Int)[0-9]+|N?Array|Matrix|Vector")
_KEYWORDS = (
    r"(?:\s*+,?+\s*+(?:dtype|device|requires_grad|grad_fn|shape|size|weak_type|numpy|value|place|stop_gradient|strides"
    r"|layout|const ndim|id)\s*+=\s*+(?:\([^()]*+\)|\[[0-9, ]*+\]|<[^<>]*+>|'[^'\n]*+'"
    r"|[\w.:]*+(?:\([^()]*+\)| \(\w+\))?))*+"
)
_TYPED = (
    r"(?:(?:(?:vec|array|d?matrix)!|&(?:mut )?|new\b\s*+[\w.]*\s*+(?:\[[0-9,\s]{0,99}\]){1,9}|\w+Array\([0-9]+\)"
    r"|(?:\[(?:[0-9]*|\.\.\.)\]){1,9}[a-z]\w*|(?:std::)?(?:vector|array)\s*+<[^{}()=;\n]{0,99}>)\s*+)*+"
)
_BRACKET = re.compile(
    rf"(?:{_SAME}|<tf\.\w+:?(?:\s++'[^'\n]*')?)(?P<same>(?:\s*+{_NUMBER}\s*+\*[ ]*\n)?{_KEYWORDS}\s*+,?+\s*+{_TYPED}"
    rf"[{_SHAPES}{_APART}]{_KEYWORDS})\s*+,?+\s*+[)>]"
    rf"|(?P<open>(?<![\w.])(?:{_LIST})?[\[(]|\{{)\s*+(?P<held>{_TYPED}(?P<shape>[{_SHAPES}]){_KEYWORDS}"
    rf"(?:\s*+,?+\s*+{_TYPED}(?P=shape){_KEYWORDS})*+)\s*+,?+\s*+(?P<close>[\])}}])"
)
_STRAY = re.compile(rf"[{_SHAPES}{_APART}\s]*([^{_SHAPES}{_APART}\s]{{0,30}})")
_NAME = r"[A-Za-z_$@∂](?:[\w$./∂]|::)*+(?:\[[\"']\w+[\"']\])?"
_TYPE = rf"(?>(?:{_NAME}|<[^=\n()]{{0,200}}>|\[[^\]\n=]*+\]|[*&])[ \t]*+)"
_AXIS = r"[ ]*(?:[:.]|[0-9]+)[ ]*"
# What is left of a text when its numbers are taken out; a group is called as what it says of an array.
_FORMS = re.compile(
    rf"(?:[ \t]*+\n)++|[ \t]++\Z|(?P<page1>, (?:, [0-9]+)+){_END}"
    rf"|[ \t]*+(?:ans|val|(?P<label1>[\w.]+))?[ \t]*+[(\[](?P<page2>(?:{_AXIS},)+(?:{_AXIS})?)[)\]][ ]*={_END}"
    rf"|[ \t]*+Columns?[ \t]++(?P<column1>[0-9]+)(?:[ \t]++(?:through|to|and|-)[ \t]++[0-9]+)?:?{_END}"
    rf"|[ \t]*+\[,(?P<column2>[0-9]+)\](?:[ \t]++\[,[0-9]+\])*{_END}|[ \t]*+(?P<factor1>{_NUMBER})[ \t]*+\*{_END}"
    rf"|[ \t]*+(?P<sizes1>[0-9]+(?:[x×][0-9]+)+|[0-9]+(?=-element)|{_ROUND}(?={_END}))(?:-element)?[ \t]*+"
    rf"(?P<type1>[A-Za-z][^\n=]{{0,120}}?)?:?{_END}"
    rf"|\[ ?[\w.]*(?:Type|Tensor)(?:\{{(?P<behind1>[0-9,]*)\}}| of size (?P<behind2>[0-9x]+)[ ()\w]*) ?\]{_END}"
    rf"|(?:Tensor\[\[|<NDArray )(?P<behind3>[0-9x, ]+)[^\n]*(?:\n|\Z)"
    rf"|(?P<before>{_KEYWORDS}\s*+,?+\s*+{_TYPED})(?P<shape>[{_SHAPES}{_APART}])(?P<after>{_KEYWORDS})"
    rf"(?:[ \t]*+;|[ \t]*+,?+{_END}|(?=\s*+[{_SHAPES}]))"
    rf"|[ \t]*+(?P<type2>{_TYPE}*?)[*&]?[\"']?(?P<label2>{_NAME})[\"']?[ \t]*+"
    rf"(?P<sizes2>(?:\[[0-9]*\][ \t]*+)+|{_ROUND})?[ \t]*+"
    rf"(?::[ \t]*+(?P<type3>(?:{_TYPE}|[;0-9 \]])*+)=|:=|=(?!=)|<-|<<|:)[ \t]*+"
    rf"|[ \t]*+(?P<type4>{_TYPE}+?)(?P<label4>{_NAME})(?=[{_SHAPES}])|[ \t]*+(?P<label3>{_NAME}){_END}"
)


def _sizes(text: str) -> Sizes:
    """Sizes such as 2x3, (2, 3) or [2][3]; None for an empty bracket.

    >>> _sizes("[][3]"), _sizes("(2, 3)")
    ((None, 3), (2, 3))
    """
    return tuple(int(size) if size.isdigit() else None for size in re.findall(r"\[\s*+\]|[0-9]+", text))


def _page(text: str) -> Sizes:
    parts = text.removesuffix(",").split(",")
    return tuple(int(part) if part.strip().isdigit() else None for part in parts)


def _times(sizes: Sizes) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes)


def _pieces(rows: Sequence[str]) -> Iterator[list[str]]:
    """Rows, those that are long in parts, some at a time."""
    piece, size = list[str](), 0
    for row in rows:
        for part in [row] if len(row) <= _PIECE else (found[0] for found in _CUT.finditer(row)):
            piece.append(part.rstrip().removesuffix(","))
            size += len(part)
            if size > _PIECE:
                yield piece
                piece, size = [], 0
    if piece:
        yield piece


def _count(row: str) -> int:
    """How many numbers a row has."""
    if "," in row:
        return row.count(",") + 1
    return len(row.split()) if len(row) <= _PIECE else sum(len(part.split()) for part in _CUT.findall(row))


_FIELDS = {"dtype": "type", "shape": "sizes", "size": "sizes"}
_MEANINGS: dict[str, Callable[[str], Any]] = {"sizes": _sizes, "behind": _sizes, "page": _page, "column": int}


@dataclass
class _Array:
    """An array of the text, and what the text says about it; where it stands in what is left of the text."""

    shape: Shape
    axes: int
    doubt: str = ""
    is_decimal: bool = False
    end: int = -1
    label: str = ""
    type: str = ""
    sizes: Sizes = ()
    behind: Sizes = ()
    page: Sizes = ()
    column: int = 1
    factor: str = ""
    place: int = 0
    numbers: Array = field(default_factory=lambda: np.empty(0))


class _Reader:
    """Reads one text."""

    def __init__(self, where: str, text: str) -> None:
        self.where, self.text, self.left = where, "\n" + text.replace("\r\n", "\n").replace("\r", "\n"), ""
        for pattern, words in _REFUSED:
            if found := pattern.search(self.text):
                self.fail(found.start(), f"{found[0]!r}: {words}")
        if not text.isascii():
            self.text = re.sub("[│⎡⎢⎣⎤⎥⎦]", "|", re.sub("[\u00a0\u202f]", " ", self.text.replace("−", "-")))
        if _MORE.search(self.text):
            for pattern in (_SILENT, _TRAILING) if "/" in self.text else (_SILENT,):
                self.text = pattern.sub(lambda match: match[0][0] + re.sub(r"[^\n]", " ", match[0][1:]), self.text)
            self.text = _SCALAR.sub(self.scalar, self.text)
            self.text = _ELEMENT.sub(self.element, self.text)
            self.text = _BOXES.sub(self.boxes, self.text)
        # All numbers, integers until there is a decimal one; the characters of shapes; the arrays apart from brackets.
        self.store: Any = array("q")
        self.shapes, self.apart = dict[Shape, str](), list[_Array]()
        # The bits of hexadecimal numbers, and whether there are octal ones.
        self.bits, self.octal = 0, False

    def read(self) -> Loose | Labelled:
        """The arrays of the text."""
        self.left, changes = _NUMBERS.sub(self.take, self.text), 1
        passes = 0
        while changes and re.search(r"[\[({<]", self.left):
            self.left, changes = _BRACKET.subn(self.bracket, self.left)
            passes += 1
            if passes == _DEEPEST:
                raise CnngradError(f"{self.where} is nested too deeply: a layer's arrays have at most 5 axes")
        groups = self.groups()
        if not groups:
            raise CnngradError(f"{self.where} is empty: there is no number in it")
        if "" in groups and len(groups) > 1:
            self.stray(groups[""][0].place, f"an array without a label beside {', '.join(filter(None, groups))}")
        arrays = {label: self.joined(parts) for label, parts in groups.items()}
        return Labelled(arrays) if len(arrays) > 1 else next(iter(arrays.values()))

    def fail(self, place: int, words: str) -> NoReturn:
        """Raise an error with line and column, and how the text becomes readable."""
        # A line break stands in front of the first line.
        line, column = self.text.count("\n", 0, place + 1), place - self.text.rfind("\n", 0, place)
        advice = text_advice(self.where, self.text)
        raise CnngradError(f"{self.where}, line {line}, column {column}: {words}; {advice}")

    def stray(self, place: int, words: str = "") -> NoReturn:
        """The same for a place of what is left of the text, whose lines are those of the text."""
        line, found = self.left.count("\n", 0, place), _STRAY.findall(self.left, place)[0]
        if not words and found[:1] in "[({" and self.shapes:
            words = f"brackets of {' and '.join(map(_times, list(self.shapes)[:3]))}: not equally long, or not closed"
        start = sum(map(len, self.text.split("\n", line)[:line])) + line
        self.fail(max(start, self.text.find(found, start)), words or f"{found!r} belongs to no array of numbers")

    # The numbers, and what is left of the text in their place.

    def scalar(self, match: Match) -> str:
        """A number alone in place of a function of it, and brackets without the type in front of them."""
        if match[1] is not None and _SCALAR_NAME.match(match[0]):
            return f"{match[1]:{len(match[0])}}"
        return " " * len(match[0]) if match[1] is None and _TYPE_NAME.fullmatch(match[0]) else match[0]

    def element(self, match: Match) -> str:
        """A number with its index as a page that has one number."""
        return f"\n{match[1]}({','.join(re.findall('[0-9]+', match[2]))},) =\n{match[3]}"

    def boxes(self, match: Match) -> str:
        """Matrices between frames, side by side, as cnngrad itself prints them, as pages one below the other."""
        starts = [found.start() for found in re.finditer(r"[┌+] +[┐+]", match["frame"])]
        cells, text = [re.findall(r"\|([^|]*)\|", line) for line in match["rows"].splitlines()], "\n"
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True)):
            name, *place = re.split(" [·*] ", (match["titles"] or "")[start:end].strip())
            page = f"({','.join(re.findall('[0-9]+', place[0]))},:,:)" if place else ""
            text += name and f"{name.replace('∂E/∂', 'dEd').replace('dE/d', 'dEd')}{page} ="
            text += "\n".join(["", *(row[number] for row in cells if row[number:] and row[number].strip()), "", ""])
        return text

    def take(self, match: Match) -> str:
        """What is left in the place of numbers: all of it where they are no array's."""
        return str(getattr(self, match.lastgroup)(match)) if match.lastgroup else match[0]

    def convert(self, rows: Sequence[str], source: str, place: int) -> list[int]:
        """Store the numbers of rows; how many each has. `source` is the text that has them."""
        before = len(self.store)
        for piece in _pieces(rows):
            runs = "|".join(piece) + "|"
            if not _RUNS.fullmatch(runs):
                # Of the spellings of programming languages a table has Fortran's exponents alone.
                spellings = _SPELLINGS if source[-1] in "])}" else _SPELLINGS[-1:]
                runs = _BASED.sub(self.based, runs)
                for pattern, change in spellings:
                    runs = pattern.sub(change, runs)
                if not _RUNS.fullmatch(runs):
                    self.refuse(runs, source, place, len(self.store) - before)
            words = runs.replace(",", " ").replace("|", " ")
            if self.store.typecode == "q" and re.search(r"[.eEnN]", words):
                self.store = array("d", self.store)
            found: Array = np.fromstring(words, self.store.typecode, sep=" ")
            # NumPy gives the nearest of its integers in place of one that is too large.
            is_full = found.dtype.kind == "i" and (found.max() == INT64_MAX or found.min() == -INT64_MAX - 1)
            if is_full and any(not -INT64_MAX - 1 <= int(word) <= INT64_MAX for word in words.split()):
                self.fail(place, f"an integer beyond int64's largest, {INT64_MAX} (2**63 - 1)")
            self.store.frombytes(found.tobytes())
        return list(map(_count, rows)) if len(rows) > 1 else [len(self.store) - before]

    def based(self, match: Match) -> str:
        """A hexadecimal or octal number of C as a decimal one."""
        self.octal, self.bits = self.octal or match[1] is None, max(self.bits, 4 * len(match[1] or ""))
        return str(int(match[1] or match[2], 16 if match[1] else 8))

    def refuse(self, runs: str, source: str, place: int, before: int) -> NoReturn:
        """Say which word is not a number, or where numbers are not apart as in the grammar."""
        starts = [word.start() + place for word in _WORD.finditer(source)][before:]
        for start, word in zip(starts, _WORD.findall(runs), strict=False):
            if not re.fullmatch(_NUMBER, word):
                self.fail(start, f"{word[:20]!r} {_ZERO if re.match('[-+]?0[0-9]', word) else 'is not a number'}")
        good = _RUNS.match(runs)
        after = good.end() if good else 0
        start, run = [place, *starts][len(_WORD.findall(runs, 0, after))], runs[after:].partition("|")[0].strip()
        if not run or re.search(r"(?:^|,)\s*(?:,|$)", run):
            self.fail(start, f"a number is missing in {run[:30]!r}")
        self.fail(start, f"{run[:30]!r} has commas and blanks: decimal commas, or two numbers each")

    def leaves(self, match: Match) -> str:
        """Innermost brackets, one behind the other."""
        held = [each.rstrip().removesuffix(",") for each in re.findall(r"[\[({]([^\[\](){}]*+)[\])}]", match[0])]
        if ";" in match[0]:
            self.fail(match.start() + match[0].index(";"), "';' in these brackets: the end of a row, or of an element")
        sizes = self.convert(held, match[0], match.start())
        alike = sizes if len(set(sizes)) > 1 else sizes[:1]
        return "\n" * match[0].count("\n") + "".join(self.character((size,)) for size in alike) * (
            len(sizes) // len(alike)
        )

    def rows(self, match: Match) -> str:
        """Brackets with several lines or with semicolons: rows as in MATLAB, if all have as many numbers."""
        held, behind = match[0][1:-1].strip(), self.text[match.end() : match.end() + 9].lstrip()[:1]
        each = [row for row in re.split(";" if re.search(r",[ \t]*\n", held) else r"[\n;]", held) if row.strip()]
        counts, by_lines = [len(row.replace(",", " ").split()) for row in each], not set(",;") & set(held)
        if len(each) == 1 or (by_lines and (behind == ")" or len(set(counts)) > 1)):
            return self.leaves(match)
        if ";;" in held or (counts == [1, 1] and re.fullmatch(r"\s*[1-9][0-9]*", each[1])):
            self.fail(match.start(), f"{held[:30]!r}: rows as in MATLAB, or a number repeated, or axes as in Julia")
        doubt = (
            "its lines are rows, or one row: write each row in brackets of its own"
            if by_lines and behind != ";"
            else ""
        )
        self.apart.append(_Array((0, 0), 0 if doubt else 2, doubt=doubt))
        self.add_rows([row.strip().removesuffix(",") for row in each], match[0], match.start())
        return "\n" * match[0].count("\n") + _APART

    def table(self, match: Match) -> str:
        """Lines of a table; it begins with them, or goes on."""
        begins = not self.apart or self.apart[-1].end != match.start()
        if begins:
            self.apart.append(_Array((0, 0), 1))
        self.apart[-1].end = match.end()
        lines = self.with_commas(match[0].rstrip("\n"), match.start())
        self.add_rows(lines.split("\n") if "\n" in lines else [lines], lines, match.start())
        return (_APART if begins else "") + "\n" * match[0].count("\n")

    def add_rows(self, rows: Sequence[str], source: str, place: int) -> None:
        """Rows of equally many numbers for the last of the arrays that are apart."""
        array, widths = self.apart[-1], self.convert(rows, source, place)
        before, width = array.shape[0], array.shape[1] or widths[0]
        for number, here in enumerate(widths):
            if here != width:
                place += sum(len(row) + 1 for row in rows[:number])
                said = f"row {before + number + 1} has {counted(here, 'number')}, row 1 has {width}"
                self.fail(place, f"{said}: all rows must be equally long")
        array.shape = before + len(rows), width

    def with_commas(self, lines: str, place: int) -> str:
        """Lines with commas, or with blanks alone, between plain numbers."""
        array = self.apart[-1]
        lines = re.sub(r"(?m)^([ \t]*)\||\|([ \t]*)$", r"\1 \2", lines) if "|" in lines else lines
        lines = re.sub(r'"([^"\n]*+)"', lambda cell: f" {cell[1].replace(',', _QUOTED)} ", lines)
        if "\t" in lines and not re.search(r"\S[ ]*\t[ \t]*\S", lines):
            lines = lines.replace("\t", " ")
        mark = next((mark for mark in "|;\t," if mark in lines), " ")
        if mark != " " and not re.search(rf"(?m)[^ {mark}\n][ ]*$", lines):
            lines = re.sub(rf"(?m)\{mark}([ ]*)$", r" \1", lines)
            if mark == ";" and "," in lines:
                self.fail(place, "commas in lines that end in ';': decimal ones, or separators")
        # Beside all other marks a comma is a decimal one.
        lines, decimal = (lines.replace(_QUOTED, ","), ",") if mark in "|;\t" else (lines, _QUOTED)
        if decimal in lines and (found := re.search(rf"[.{decimal}][0-9]*{decimal}|{decimal}[0-9]*\.", lines)):
            self.fail(place + found.start(), "a separator of thousands beside a decimal one: leave it out")
        if mark == ";" or decimal in lines:
            lines = lines.replace(decimal, ".")
            words = [word[0] for word in islice(re.finditer(r"[^\s|;,]+", lines), _LINES)]
            array.doubt = array.doubt or next((word for word in words if "." in word), "")
            array.is_decimal = array.is_decimal or not all(map(_MAYBE_THOUSANDS.fullmatch, words))
        if _OTHER_BASE.match(lines) and set(map(len, _WORD.findall(lines, 0, _PIECE))) in _ALIKE:
            self.fail(place, "numbers of as many digits each: decimal, or binary or hexadecimal ones")
        return lines if mark == " " else lines.replace(mark, ",")

    # Brackets.

    def character(self, shape: Shape) -> str:
        """The character that stands for a shape."""
        if shape not in self.shapes and len(self.shapes) == len(_SHAPES):
            raise CnngradError(f"{self.where} has brackets of too many lengths: all rows must be equally long")
        return self.shapes.setdefault(shape, _SHAPES[len(self.shapes) % len(_SHAPES)])

    def bracket(self, match: Match) -> str:
        """Brackets around equal shapes are a shape with one more axis; an array's function leaves it as it is."""
        if match["same"] is not None:
            return match["same"]
        if match["open"][-1] + match["close"] not in ("[]", "()", "{}"):
            return match[0]
        inner = next(shape for shape, character in self.shapes.items() if character == match["shape"])
        return "\n" * match[0].count("\n") + self.character((match["held"].count(match["shape"]), *inner))

    # What the rest of the text says.

    def groups(self) -> dict[str, list[_Array]]:
        """The arrays of the text by label, each with what is said about it."""
        shapes, apart = {character: shape for shape, character in self.shapes.items()}, iter(self.apart)
        groups, about = dict[str, list[_Array]](), dict[str, Any]()
        numbers, label, place, first = np.frombuffer(self.store, self.store.typecode), "", 0, 0
        while place < len(self.left):
            match = _FORMS.match(self.left, place) or self.stray(place)
            said = {key.rstrip("1234"): value for key, value in match.groupdict().items() if value}
            if "label" in said:
                about = {}
            if character := said.pop("shape", None):
                shape = shapes.get(character)
                array = next(apart) if shape is None else _Array(shape, 0 if len(shape) == 1 else len(shape))
                words = re.findall(_SAID, said.pop("before", "") + said.pop("after", ""))
                said = {_FIELDS[key]: value for key, value in words}
            about |= {key: _MEANINGS.get(key, str.strip)(value) for key, value in said.items()}
            if character:
                vars(array).update(about, place=place)
                last = first + prod(array.shape)
                array.numbers, first = numbers[first:last].reshape(array.shape), last
                if array.label and (array.label != label or not array.page):
                    label = array.label
                    if label in groups:
                        self.stray(place, f"a second array is called {label}")
                groups.setdefault(label, []).append(array)
                about = {"factor": array.factor}
            elif "behind" in about and label in groups:
                groups[label][-1].behind = about.pop("behind")
            elif "page" in said:
                about["factor"] = ""
            place = match.end()
        if about.get("label"):
            self.stray(place, f"no array follows {about['label']}")
        return groups

    # Whole arrays.

    def joined(self, parts: list[_Array]) -> Loose:
        """The array that consecutive columns, pages or planes make."""
        for part in parts:
            self.settle(part)
        for part in [part for part in parts if part.column > 1]:
            before = parts[parts.index(part) - 1]
            if before.numbers.shape != (len(part.numbers), part.column - 1):
                self.stray(part.place, f"column {part.column} does not continue the columns in front of it")
            parts.remove(part)
            before.numbers, before.axes = np.hstack([before.numbers, part.numbers]), 1
        first, shapes = parts[0], dict.fromkeys(_times(part.numbers.shape) for part in parts)
        if len(shapes) > 1:
            shown = " and ".join(list(shapes)[:9])
            self.stray(parts[1].place, f"several arrays without labels, or parts of one: {shown}")
        array, axes = first.numbers, first.axes
        if first.page:
            array, axes = self.placed(parts)
        elif len(parts) > 1:
            array = np.stack([part.numbers if axes else part.numbers.reshape(-1) for part in parts])
            # Planes of one column may be vectors.
            axes = _ALL if axes == 2 else 0 if first.shape[1:] == (1,) else array.ndim - 1
        elif not axes and not first.doubt:
            array = array.reshape(-1)
        nested = tuple(map(int, reversed(re.findall(r"[,;]\s*([0-9]+)\s*[>\]]", first.type))))
        for sizes in filter(None, (first.sizes or nested, first.behind, parts[-1].behind)):
            want = tuple(size for size in sizes if size is not None)
            if len(want) == len(sizes):
                bare, asked = ([size for size in shape if size != 1] for shape in (array.shape, want))
                if prod(want) != array.size or (array.ndim > 1 and bare != asked):
                    self.stray(first.place, f"{_times(sizes)} is declared, but {_times(array.shape)} is there")
                array, axes = array.reshape(want), _ALL
        few = re.search(r"float(?:16|32)", first.type)
        axes = 0 if array.ndim == 1 else min(axes, array.ndim)
        return Loose(array.view(Marked), axes, axes == 0 < array.ndim - 1, few[0] if few else "", first.doubt)

    def settle(self, array: _Array) -> None:
        """Do with an array's numbers what its type and factor say, and refuse those that have two readings."""
        if self.octal and not (array.type and (array.sizes or "std::" in array.type)):
            self.stray(array.place, f"a number {_ZERO}")
        if array.end >= 0:
            if array.doubt and not array.is_decimal:
                self.stray(array.place, f"{array.doubt} is a decimal number, or {array.doubt.replace('.', '')}")
            array.axes, array.doubt = (0 if 1 in array.shape else 1), self.counting(array)
        if array.factor:
            power = Decimal(array.factor)
            if power != Decimal(10) ** power.adjusted():
                self.stray(array.place, f"the factor {array.factor} is no power of ten")
            scaled = [float(Decimal(repr(value)) * power) for value in array.numbers.ravel().tolist()]
            array.numbers = np.reshape(scaled, array.shape)
        numbers, integer = array.numbers, _INTEGER.search(array.type)
        if integer:
            widths = {"char": 8, "short": 16, "long": 64}
            bits = int(integer[2] or integer[3] or widths.get((integer[4] or "").lower(), 32))
            if self.bits and not integer[1]:
                # The highest bit of a hexadecimal number is its sign.
                numbers = np.where(numbers >= 2 ** (bits - 1), numbers - 2**bits, numbers)
            if not np.array_equal(numbers, np.floor(numbers)):
                self.stray(array.place, f"decimals where {integer[0]} is declared")
            array.numbers = numbers.astype(np.int64)
        elif self.bits in (8, 16, 32, 64) and not array.type and np.any(numbers >= 2 ** (self.bits - 1)):
            self.stray(array.place, f"hexadecimal numbers without a type: in {self.bits} bits some are negative")

    def counting(self, array: _Array) -> str:
        """A doubt where the first columns or the first line of a table count, so that they may be indices or titles."""
        lead, first = array.numbers[:, :-1], array.numbers[0]
        if (
            len(lead) > 2
            and first.size > 1
            and first[0] in (0, 1)
            and (first == first[0] + np.arange(first.size)).all()
        ):
            return "its first line counts: titles, or numbers"
        if len(lead) > 1 and lead.size and np.isfinite(lead).all() and set(lead[0].tolist()) <= {0, 1}:
            sizes = [int(size) + 1 for size in lead[-1] - lead[0]]
            if (
                min(sizes) > 0
                and prod(sizes) == len(lead)
                and np.array_equal(lead - lead[0], np.argwhere(np.ones(sizes)))
            ):
                words = "its lines begin with counts: an index and a number each, or numbers alone"
                return words if len(sizes) == 1 else self.stray(array.place, words)
        return ""

    def placed(self, parts: list[_Array]) -> tuple[Array, int]:
        """Numbers, or pages, where their indices, counted from 0 or 1, name; and how many axes are written."""
        free = [axis for axis, index in enumerate(parts[0].page) if index is None]
        fixed = [tuple(index for index in part.page if index is not None) for part in parts]
        least = min(map(min, fixed)) if all(fixed) else -1
        sizes = tuple(max(column) - least + 1 for column in zip(*fixed, strict=False))
        if len(set(map(len, fixed))) > 1 or least not in (0, 1) or not len(set(fixed)) == len(fixed) == prod(sizes):
            self.stray(parts[0].place, f"{len(fixed)} numbers or pages with indices: some are missing or stand twice")
        stacked = np.stack([part.numbers for part in parts])[np.lexsort(np.transpose(fixed)[::-1])]
        array = stacked.reshape(*sizes, *stacked.shape[1:] if free else ())
        # Pages of one row may be vectors.
        axes = 0 if free and free[0] and array.shape[-2] == 1 else _ALL
        return np.moveaxis(array, range(len(sizes), array.ndim), free), axes
