r"""Reads arrays from text, as programs print and people write them: brackets or tables, with labels around them.

    text     = { comment | header | brackets | table }
    header   = a label [type] name [sizes], and = or := or : or <- or <<, or a single word in a line of its own
             | a page "(:,:,1) =", "Columns 1 through 6", a factor "1.0e+03 *", sizes "4x3 Matrix{Float64}:"
    brackets = open {number | brackets, separated by commas or blanks} close; in [] a semicolon ends a row
    open     = one of [ ( { or a function that leaves an array as it is, such as tensor( or np.float64(
    table    = lines with equal counts of numbers, separated by | ; tab, comma or blanks; empty lines separate planes
    number   = a decimal number; in brackets also with the suffixes, exponents and bases of programming languages

The text between two headers is read twice: NumPy's loadtxt reads the numbers as one sequence, and the marks between
them give the shape; for this, rows of a table count as brackets too. A text that can be read in two ways is refused;
the error names both readings.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from math import prod
from typing import Any, NoReturn

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, Marked
from cnngrad.errors import CnngradError
from cnngrad.files.advice import text_advice
from cnngrad.files.loose import Loose
from cnngrad.layer import Shape, counted

__all__ = ["parse_text"]


def parse_text(where: str, text: str) -> Loose | dict[str, Loose]:
    r"""The array in a text; if there are several, all of them by label.

    Raises:
        CnngradError: the text is ambiguous or can't be read; the message says where, and how to write it.

    >>> parse_text("x.txt", "tensor([[1, 2],\n        [3, 4]], dtype=torch.int32)").array.tolist()
    [[1, 2], [3, 4]]
    >>> parse_text("x.csv", "1,5;2\n3;4\n").array.tolist(), parse_text("x.csv", "1 2 3 4").axes
    ([[1.5, 2.0], [3.0, 4.0]], 0)
    """
    return _Reader(where, text).read()


# Patterns begin with a character if possible, and look behind from there, since `re` finds a character quickly.
# What numbers in code have besides those of Python: hexadecimal and octal digits, suffixes and groups of digits (3UL,
# 2.5_f32, inff, 1_000), and other powers of ten (1.5*^3, 1f0).
_HEXADECIMAL = re.compile(
    r"0[xX](?<![\w.]..)(?:(?P<whole>(?:_?[0-9a-fA-F])++)(?:_?[iu](?:8|16|32|64)|[uU]?[lL]{0,2})"
    r"|(?P<real>[0-9a-fA-F.]++[pP][-+]?[0-9]++)[fFdDlL]?)(?![\w.])"
)
_OCTAL = re.compile(r"0(?<![\w.].)(?<![eE][-+].)[0-7]{1,29}+(?![\w.])")
_SUFFIX = re.compile(
    r"[_iuUlLfFdD](?:(?<=[0-9.].)(?:(?:(?<=_)[fiu]|(?<=[fiuF]))(?:8|16|32|64)|(?<=[^_i])[lL]{0,2})(?![^ ])"
    r"|(?<=[0-9]_)(?=[0-9]{3}(?![0-9]))|(?<=inff|nanf|ityf)(?![^ ]))"
)
_POWER = re.compile(r"[fFdD*](?<=[0-9.].)(?:(?<=\*)\^|(?<!\*))(?=[-+]?[0-9])")
# Fortran writes powers of ten with D, in tables too.
_FORTRAN = re.compile("D(?=[-+])")
# Without a declared type numbers in code may be hexadecimal: those with d at the end or inside, and those that end in
# f if others have no letter. 1.5f32 has a type in Rust, a power in Julia.
_SIZED = r"[0-9.](?<![\w.].)[0-9.]*+f(?:16|32|64)(?![\w.])"
_UNTYPED = re.compile(r"(?:const|var|val|static|final|let|\s)*")
_WITH_D, _WITH_F, _WITHOUT = (
    rf"[0-9](?<![\w.].)[0-9]*+{end}(?![-+\w.])" for end in ("(?:[dD]|[dDfF][0-9]++)", "[fF]", "")
)
# Numbers of this size may have fewer decimals, of at least three, than their power of ten.
_LARGE = 1e4
_ROUNDED = re.compile(r"[1-9](?<![\w.].)\.([0-9]{3,17})[eE]\+?0*+([4-9]|[1-9][0-9]{1,2})(?![\w.])")
_CHUNK = re.compile(r"(?s).{1,65536}[^\s,;]*+")
_LEADING_ZERO = re.compile(r"0[0-9](?<![\w.]..)(?<![eEdD][-+]..)")
_INTEGER = (
    r"(?i)(?<![a-z])(unsigned\s++|u)?(char|short|long(?!\s++double)|int(?![0-9])|(?:int|i|(?<=u))(8|16|32|64))"
    r"(?=(?:_t|array|tensor|clamped)*+\b)"
)
# Numbers whose points may separate thousands; lines with bars at their ends only; numbers that may be binary or
# hexadecimal.
_MAYBE_THOUSANDS = (
    r"\A(?=(?:[\s|;]++|[-+]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})?|0)(?![\w.]))*+\Z)[^.]*?([-+0-9]++)\.([0-9]{3})"
)
_AT_ENDS = r"(?:[ \t]*+\|?[^|\n]*+(?:\|[ \t]*+)?(?:\n|\Z))*+"
_OTHER_BASE = r"\A(?:(?:\s*+[01]{4,}+)++\s*+\Z|[0-9\s]*\s[0-9]++[eE][0-9]++)"
_NUMBERED_LINES = r"\A(?:[ \t]*+[0-9]++\.[ \t]++[^.\n]*+\n?){2,}+\Z"
_REFUSED = {
    r"[.…⋮⋯⋱<](?:(?<=[…⋮⋯⋱])|(?<=\.)\.\.(?!\][a-z])|(?<=<)repeats)": "numbers are omitted here",
    r"[\u00a0\u202f\u2007\u2009'’](?<=[0-9].)[0-9]{3}(?![0-9])": "one number with a separator of thousands, or two",
    r"\[\|": "a list whose semicolons part rows, or elements",
    r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]": "a control character in a text",
}
# Text without meaning, as the second group, by a sign of it: comment signs before a label, comments, Excel's `sep=`,
# the first line of cnngrad's results, prompts, column titles.
_END = r"[ \t]*+(?=\n|\Z)"
_NAME = r"[A-Za-z_$@∂](?:[\w$.∂]|/(?=[A-Za-z∂])|::)*+(?:\[[\"']\w+[\"']\])?"
# What is not a name: words that stand for a number, such as nan, and words that may be hexadecimal.
_NO_NAME = (
    r"(?!(?:(?i:nan|inf(?:inity)?|n\.?a\.?|n/a|nat|none|null|nil|nothing|missing|undef(?:ined)?|true|false|oo"
    r"|[$@_]?[a-f]*+[0-9][0-9a-f]*+)|[0-9a-f]{3,}+|[0-9A-F]{3,}+|[abcef][a-f]);?[ \t]*+(?:\n|\Z))"
)
_ARRAYS_NAME = rf"{_NO_NAME}(?:[dD∂]\S{{1,8}}|[A-Za-z]\w?|(?:(?!grad)\S)*+grad\S*+)"
_COMMENT = r"(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)"
_SILENT = {
    "\n": (
        rf"(\n)([ \t]*+(?:(?:#|%|//)(?=[ \t]++{_ARRAYS_NAME}:?{_END})"
        r"|#(?=[\sa-z])(?i:[ \t]*(?:new )?slice[ \t]*[0-9]*(?=\n|\Z))"
        rf"|(?P<comment>{_COMMENT}"
        r"|(?:#(?=[\sa-z=!-]|\Z)(?!if|el(?:se|if)|endif|n/a|define[^\n]*\{| type: (?!matrix|scalar))"
        r"|%%?(?=\s|\Z))[^\n]*+)"
        r"|sep=[;,|\t](?=\n)|X [0-9x×]+ [·*] W [^\n]*|Out ?\[[0-9]+\][:=]"
        rf"|(?:>{{1,3}}|In ?\[[0-9]+\]:|julia>|\(i?[Pp]db\))(?:(?=[ \t]*+(?:{_NAME};?{_END}|\w+ ?=|\n|\Z))"
        rf"|[ \t]*+[\w.]++\([^\n()]*+\){_END})"
        r"|(?![^\n]*\|[ \t]*+(?:[-+.0-9]++|(?i:nan|inf))[ \t]*+\|)\|[ \t]*+(?=[^\W\d])[^\n]*\|[ \t]*+\n"
        r"[ \t]*+\|(?=[ \t:|]*+-)[ \t:|-]*+(?=\n|\Z)))"
    ),
    # Between the numbers of a line comments stand in brackets alone.
    r"\A[^\[({]*+[\[({][^/]*+/": rf"([,;{{}}][ \t]*+)(?P<comment>{_COMMENT})",
    r"vec!|array!|&\[": r"()(vec!|array!|&(?=\[))",
    # The type in front of inner brackets, which repeats that of the outer ones.
    r"\[\]|Array\(": (r"([{\[,]\s*+)(new[\s\w.]*\[\](?=\s*[{\[])|(?:\[\]\w+|\w+Array\([0-9]+\))(?=\s*[{\[]))"),
}
# Calls around an array: any call, the functions that leave an array as it is, and their keyword arguments.
_CALL = re.compile(
    r"[A-Za-z_<](?<![\w.].)(?:(?<=n)ew\s+(?=\w+Array\())?"
    r"(?:(?<=<)tf\.\w++:?(?:\s++'[^'\n]*+')?|(?<!<)(?:[\w.]|::)*+\((?!(?<=Array\()\s*+[0-9]+\s*+\)))"
)
_KNOWN = re.compile(
    r"<.*|(?:new\s+)?(?:(?:np|numpy|cp|cupy|jnp|jax|torch|tf|mx|nd|onp|nn|paddle)(?:\.|::)){0,2}"
    r"(?:(?:(?:as|to)_?)?(?:array|tensor)(?:[1-5]d)?|constant|[mM]atrix"
    r"|(?:Device|ND|Float(?:32|64)|(?:Big)?(?:Ui|I)nt(?:8|16|32|64)(?:Clamped)?)?Array"
    r"|(?:Eager|Float|Double|Long|Int)?Tensor|Parameter|arr[123]|(?:float|u?int)[0-9]{1,2}|single|double)\("
)
_BESIDE = "dtype|shape|size|device|requires_grad|grad_fn|weak_type|place|stop_gradient|strides|layout|const ndim|id"
_VALUE = r"(?:\([^()]*+\)|\[[0-9, ]*+\]|<[^<>]*+>|'[^'\n]*+'|[\w.:]*+(?:\([^()]*+\)| \(\w+\))?)"
_KEYWORD = re.compile(
    rf"(?<![\w.])(?:(?:dtype=(?P<type>{_VALUE})|shape=(?P<sizes>{_VALUE})|(?:{_BESIDE})={_VALUE}),?|numpy=|value=)"
)
_BOXES = re.compile(
    r"\n(?P<titles>[^\n\[\]{}|┌+]{0,300}\n)?(?P<frame>[ \t]*+[┌+][ ]+[┐+][ ┌┐+]*\n)(?P<rows>(?:[ \t]*+\|[^\n]*\n)+)"
    r"[ \t]*+[└+][ └┘+]*(?=\n|\Z)"
)
_TYPE = rf"(?>(?:{_NAME}|<[^=\n()]{{0,200}}>|\[(?:[\[ &]*+[A-Za-z][^\]\n=]*+|[, ]*+)\]|[*&])[ \t]*+)"
_AXIS = r"[ ]*(?:[:.]|[0-9]{1,9})[ ]*"
_ROUND, _TIMES = r"\([0-9]{1,9}(?:[ ]*[x×,][ ]*[0-9]{1,9})*,?\)", r"[1-9][0-9]{0,8}+(?:[x×][1-9][0-9]{0,8})+"
# A row, or a part of a vector, as R prints it: behind the number of its row or of its first element.
_NUMBERED = r"\n[ \t]*+\[([0-9]{1,9})(,?)\](?=[ \t]+[-+.0-9NI])([^\[\]\n]*+)(?=\n|\Z)"
# Sizes in C that are macros or products.
_NAMED_SIZES = r"(?:\[[\w *+]{0,30}\][ \t]*+){1,9}(?=[= \t\n]*+\{)"
# A type or a macro in front of brackets.
_TYPED = re.compile(
    r"[\s\2]*+(?:new(?:\s(?P<type2>[\w.]*)|(?=\[))(?P<new1>(?:\[[0-9,\s]{0,99}\])*)(?!\()|\w+Array\([0-9]+\)"
    r"|(?P<new2>(?:\[[0-9.]*\])+)[a-z]\w*(?=\s*\{)|(?P<type>(?:Float|U?Int)[0-9]{1,2})(?=\[))?\s*+"
)
# Lines that describe the array below or above them. A group's name, without its digit, tells what it holds.
_HEADER = re.compile(
    rf"[\n\1][ \t]*+(?![{{}}]|[\"|\[ ]*+[-+.0-9][-+.0-9eE,;|\" \t\]]*+(?:\n|\Z))"
    rf"(?:(?P<page1>, (?:, [0-9]+)+){_END}|(?P<factor>10*+(?:\.0*+)?(?:[eE][-+]?0?[0-9]{{1,2}})?|0\.0*+1)[ \t]*+\*"
    rf"{_END}"
    rf"|(?:ans|val|(?P<label1>[A-Za-z][\w.]*+))?[ \t]*+[(\[](?P<page2>(?:{_AXIS},)+(?:{_AXIS})?)[)\]][ ]*={_END}"
    rf"|(?P<label2>{_NAME}) [·*] (?P<page3>[a-z]+ [0-9]+(?:(?:,| [·*]) [a-z]+ [0-9]+)*){_END}"
    rf"|Columns?[ \t]++(?P<column1>[0-9]{{1,9}})(?:[ \t]++(?:through|to|and|-)[ \t]++(?P<last1>[0-9]{{1,9}}))?:?{_END}"
    rf"|Columns (?P<column2>[0-9]{{1,9}}) to (?P<last2>[0-9]{{1,9}})(?=[ ]+[-.0-9])"
    rf"|\[,(?P<column3>[0-9]{{1,9}})\](?:[ \t]++\[,(?P<last3>[0-9]{{1,9}})\])*{_END}"
    rf"|torch\.Size\(\[(?P<sizes5>[0-9]+(?:, [0-9]+)*)\]\){_END}|(?:[0-9]+-element (?=Vector\{{(?:Vector|Matrix|Array))"
    rf"|(?P<sizes1>{_TIMES}|[0-9]{{1,9}}+(?=-element)"
    rf"|(?=\([0-9]+[ ]*[x×,]){_ROUND}(?=[ \t]*+\n\s*+[\[{{\w.+-]))(?:-element)?)"
    rf"[ \t]*+(?P<type1>[A-Za-z][^\n=]{{0,120}}?)?:?{_END}"
    rf"|(?:\[ ?[\w.]*(?:Type|Tensor)|Tensor\[\[|<NDArray )[^0-9\n]*+(?P<sizes2>[0-9x, ]{{1,99}})[^\n]*+"
    rf"|(?!\[)(?P<type2>{_TYPE}*?)[*&]?(?P<quote>[\"']?)(?!(?:{_BESIDE})=)(?P<label3>{_NAME})(?P=quote)"
    rf"[ \t]*+(?P<sizes3>(?:\[[0-9]{{0,9}}\][ \t]*+){{1,9}}|{_ROUND}|{_NAMED_SIZES})?[ \t]*+"
    rf"(?::[ \t]*+(?P<type3>(?:{_TYPE}|[;0-9 \]])*+)=|:=|=(?:[ \t]*+(?P<sizes4>{_TIMES})"
    rf"(?:[ \t]++(?P<type4>[A-Za-z][^\n=]{{0,120}}?))?{_END}|(?!=))|<-|<<|:|(?={{))"
    rf"|{_NO_NAME}(?P<label4>{_NAME})(?:;?{_END}|[ \t]++(?=[\[\1])))"
)
_Parts = list[tuple[int, dict[str, str]]]
_CHARACTERS = str.maketrans("−\u00a0\u202f│⎡⎢⎣⎤⎥⎦", "-  |||||||")
_USUAL = bytes({*range(32, 127)} - {*b"'"})
_PLAIN = b"0123456789+-.eE,;[](){} \t\n"
# Maps each byte to its role: a bracket, a separator or a blank; 0 for all others, which are parts of numbers.
_SIGNS = bytes(code if code in b",;\n[](){}\1\2" else 32 if code in b" \t" else 48 for code in range(256))
_DEPTHS = np.array([(code in b"[({\1") - (code in b"])}") for code in range(256)], np.int8)
_APART = str.maketrans(dict.fromkeys("[](){}\1\2,;\n\t", " "))
_ROW = re.compile(rb"\[(?:0++|0(?:,0)*+,?)\]|[(\1](?:0++|0(?:,0)*+,?)\)|\{(?:0++|0(?:,0)*+,?)\}")
_OPENS, _EMPTY, _FUNCTION, _DEEPEST = "[({\1", "\2 \t\n", 1, 32
# Maximum number of different functions that are removed from a text.
_MOST_FUNCTIONS = 20
_BY_LINES = "its lines are rows, or one row: write each row in brackets of its own"
_COMMENTED = "a comment between rows: of one, or of two"
_UNEVEN = "rows nested or parted in different ways, several arrays without labels, or brackets that are not closed"
_LINES = r"\n"
_TITLES = "its first line counts: titles or sizes, or numbers (write each row in brackets)"
_INDICES = "its lines begin with counts: an index and a number each, or numbers alone (write each row in brackets)"
_COMMAS = "its commas part numbers, or are decimal ones, or thousands: write decimal points, and no other mark"


def _said(match: re.Match[str]) -> dict[str, str]:
    """The groups of a match that are not empty, by their names without digits."""
    return {key.rstrip("12345"): value for key, value in match.groupdict().items() if value}


def _sizes(text: str) -> Shape:
    """Sizes or indices; -1 for a bracket that is empty or holds more than a number, and for a whole axis of a page.

    >>> _sizes("[][3]"), _sizes("[K * K]"), _sizes("(2, 3)"), _sizes(":,:,1")
    ((-1, 3), (-1,), (2, 3), (-1, -1, 1))
    """
    found = re.findall(r"\[(?:\s*|[^\],]*[a-zA-Z_*+][^\]]*)\]|[0-9]+|[:.]|(?:^|,)\s*(?=,)", text)
    return tuple(int(size) if size.isdigit() else -1 for size in found)


def _decimal(number: re.Match[str]) -> str:
    """A hexadecimal number as a decimal one."""
    with suppress(OverflowError, ValueError):
        return str(int(number["whole"], 16) if number["whole"] else float.fromhex(number[0].rstrip("fFdDlL")))
    return number[0]


def _plain(words: str, power: str, in_code: bool) -> Array | None:
    """Numbers as Python writes them, with a power of ten added; None if there are others.

    >>> _plain("1 -2", "", False), _plain("1 2.5 ", "e+1", False), _plain("0x10 8", "", True), _plain("010", "", True)
    (array([ 1, -2]), array([10., 25.]), array([16,  8]), None)
    """
    # NumPy misreads characters beyond ASCII as digits.
    if not words.isascii() or _LEADING_ZERO.search(words):
        return None
    words = re.sub("(?<=[0-9.]) ", f"{power} ", words) if power else words
    with suppress(ValueError, OverflowError):
        if in_code and "x" in words.lower():
            return np.array([int(word, 0) for word in words.split()], np.int64)
        dtype = float if re.search("[.nNeE]", words) else np.int64
        return np.loadtxt([words], dtype, comments=None, ndmin=1) if words.strip() else np.empty(0, np.int64)
    return None


def _long(sizes: Shape) -> list[int]:
    return [size for size in sizes if size != 1]


def _marks(source: str) -> bytes:
    r"""The structure of a text: its brackets and separators, with 0 for each word and without blanks.

    Line breaks and comments are kept only outside brackets.

    >>> _marks("[[1, 2.5],\n [3, 4]]\n")
    b'[[0,0],[0,0]]\n'
    """
    signs = source.encode().translate(_SIGNS)
    while b"00" in signs:
        signs = signs.replace(b"00", b"0")
    codes = np.frombuffer(signs.translate(None, b" "), np.uint8)
    # int8 is enough: no array is nested more than 127 deep.
    depth = np.cumsum(_DEPTHS[codes], dtype=np.int8)
    kept: Array = codes[(depth == 0) | ((codes != ord("\n")) & (codes != ord("\2")))]
    return kept.tobytes()


def _levels(marks: bytes) -> tuple[list[int], bytes]:
    r"""The sizes of nested brackets, outermost first, and the marks outside them, with 0 for each outermost bracket.

    >>> _levels(b"[[0,0],[0,0]]\n[[0,0],[0,0]]"), _levels(b"[[0,0],[0]]")
    (([2, 2], b'0\n0'), ([], b''))
    """
    sizes, forms = list[int](), set[tuple[int, bool]]()
    while (row := _ROW.search(marks)) and len(sizes) <= _DEEPEST:
        forms.add((row[0].count(b"0"), b"00" in row[0]))
        if len(forms) > 1:
            return [], b""
        marks = marks.replace(row[0], b"1")
        if b"0" not in marks:
            sizes, marks = [forms.pop()[0], *sizes], marks.replace(b"1", b"0")
    return sizes, marks


def _grid(indices: Any) -> list[int]:
    """The size of each axis if the indices, from 0 or 1, fill a grid; empty if some are missing or occur twice."""
    if {*np.min(indices, axis=0).tolist()} - {0, 1}:
        return []
    sizes: list[int] = (np.ptp(indices, axis=0) + 1).tolist()
    return sizes if prod(sizes) == len(indices) == len(np.unique(indices, axis=0)) else []


def _counts(line: Array) -> bool:
    """Whether numbers count from 0 or 1."""
    return line[0] in (0, 1) and bool((np.diff(line) == 1).all())


def _counting(array: Array) -> int:
    """The number of first columns that are row numbers or indices; -1 if the first line holds column numbers."""
    by_rows, by_columns = _counts(array[:, 0]), _counts(array[0])
    rows, columns = array.shape
    if min(rows, columns) > 2 and _counts(array[1:, 0]) and _counts(array[0, 1:]):
        return -1
    if rows > 1 and columns > 2 and by_rows:
        return 1
    if rows > 2 and columns > 1 and by_columns:
        return -1
    return columns - 1 if rows > 1 and _grid(array[:, :-1]) else 0


def _silenced(match: re.Match[str]) -> str:
    """Blanks in place of text without meaning; comments get a mark of their own."""
    return match[1] + re.sub("[^\n\1]", "\2" if match.groupdict().get("comment") else " ", match[2])


class _Reader:
    """Reads one text."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        # What the text declares about the current array, and the functions that stand around arrays.
        self.about, self.called = dict[str, str](), ""
        # In MATLAB, ... continues a row on the next line.
        self.text = re.sub(r";[ \t]*+\.\.\.(?=[ \t]*\n)", ";", "\n" + re.sub("\r\n?", "\n", text))
        raw = text.encode(errors="surrogatepass").translate(None, _PLAIN)
        if raw.translate(None, _USUAL) or "..." in self.text or "<repeats" in text or "[|" in text:
            for refused, words in _REFUSED.items():
                self.refuse(0, re.search(refused, self.text), f"{{0!r}}: {words}")
        self.text = re.sub(rf"{_NUMBERED}(?:{_NUMBERED})*+", self.unnumbered, self.text)
        if not raw:
            return
        self.text = self.text.translate(_CHARACTERS) if not text.isascii() else self.text
        for sign, pattern in _SILENT.items():
            if re.search(sign, self.text):
                self.text = re.sub(pattern, _silenced, self.text)
        self.text = _BOXES.sub(_beside, self.text)
        found = _CALL.search(self.text) if "(" in text else None
        while found and self.called.count("(") < _MOST_FUNCTIONS:
            if _KNOWN.fullmatch(found[0]):
                self.text = self.text.replace(found[0], " " * (len(found[0]) - 1) + "\1")
                self.called += f"{found[0]} "
            found = _CALL.search(self.text, found.end())
        # Calls around single numbers, such as float32(1.5).
        if "(" not in self.text and re.fullmatch(r"(?:[\w.]*(?:(?:float|int)[0-9]+|single|double)\( )+", self.called):
            self.text = self.text.replace("\1", " ").replace(")", " ")

    def unnumbered(self, block: re.Match[str]) -> str:
        """R's rows without their numbers, or the lines of a vector without those of their first elements, in one."""
        count, lines = 1, ""
        for line in re.finditer(_NUMBERED, block[0]):
            if int(line[1]) != count:
                said = f"[{line[1]}{line[2]}] stands in front of {'row' if line[2] else 'element'} {count}"
                self.fail(block.start() + line.start(1) - 1, said)
            lines += ("\n" if line[2] or count == 1 else " ") + line[3].rjust(len(line[0]) - 1)
            count += 1 if line[2] else len(line[3].split())
        return lines

    def fail(self, place: int, words: str) -> NoReturn:
        """Raise an error with line and column, and advice on how to write the text."""
        # The text begins with an added line break, so its first line has number 1.
        line = self.text.count("\n", 0, place + 1)
        column = place - self.text.rfind("\n", 0, place)
        advice = text_advice(self.where, self.text[1:])
        raise CnngradError(f"{self.where}, line {line}, column {column}: {words}; {advice}")

    def refuse(self, place: int, found: re.Match[str] | None, words: str) -> None:
        """Raise an error if something is found; in the words {0} is the match, {1} its first group."""
        if found:
            self.fail(place + found.start(), words.format(found[0][:30], *found.groups()))

    def read(self) -> Loose | dict[str, Loose]:
        """The arrays of the text, by label if there are several."""
        headers, arrays, after = [*_HEADER.finditer(self.text)], dict[str, Loose](), 0
        bare = _HEADER.sub(lambda header: header[0][0].ljust(len(header[0])), self.text)
        # Each array's label, where its headers stand, and what they declare.
        groups: list[tuple[str, _Parts]] = [("", [(0, {})])]
        for header in headers:
            label, parts = groups[-1]
            said, place = _said(header), header.start()
            if "factor" in said and bare[after:place].strip(_EMPTY):
                self.fail(place, "a factor between numbers: of those below, or of all")
            after, new = header.end(), said.pop("label", "")
            if not new or (new == label and "page" in said):
                parts.append((place, said))
                continue
            # MATLAB prints the name twice.
            if new == label and not bare[parts[0][0] : place].strip(_EMPTY):
                groups.pop()
            groups.append((new, [(place + 1, said)]))
        groups.append(("", [(len(bare), {})]))
        for (label, parts), (_, following) in pairwise(groups):
            array = self.array(bare, parts, following[0][0])
            if label and (label in arrays or not array):
                words = f"a second array is called {label}" if array else f"no array follows {label}"
                self.fail(parts[0][0], words)
            arrays |= {label: array} if array else {}
        if not arrays:
            self.fail(0, "the text is empty: there is no number in it")
        if "" in arrays and len(arrays) > 1:
            self.fail(0, f"an array without a label beside {', '.join(filter(None, arrays))}")
        return arrays if len(arrays) > 1 else next(iter(arrays.values()))

    def array(self, bare: str, parts: _Parts, end: int) -> Loose | None:
        """The array behind some headers, in its declared sizes and type; None if there are no numbers."""
        self.about = {key: value for _, said in reversed(parts) for key, value in said.items()}
        array, axes, doubt = self.joined(bare, parts, end)
        if not array.size:
            return None
        kind = self.about.get("type", "")
        sizes = _sizes(self.about.get("sizes") or self.about.get("new") or "")
        if not sizes and re.search("array<|;", kind):
            # A type may declare the sizes of the last axes alone.
            sizes = tuple(map(int, re.findall(r"[,;]\s*([0-9]{1,9})\s*[>\]]", kind)[::-1]))
            sizes = (*_long(array.shape)[: max(0, len(_long(array.shape)) - len(_long(sizes)))], *sizes)
        if (inner := sizes[1:]) and sizes[0] < 0 <= min(inner):
            # The first size is not declared: it follows from the number of elements.
            sizes = (len(array) if array.ndim == len(sizes) else -(-array.size // max(prod(inner), 1)), *inner)
        if sizes and -1 not in sizes:
            is_other = array.ndim > 1 and _long(array.shape) != _long(sizes)
            if prod(sizes) != array.size or len(sizes) > _DEEPEST or is_other:
                said, there = ("x".join(map(str, shape)) for shape in (sizes, array.shape))
                self.fail(parts[0][0], f"{said} is declared, but {there} is there")
            array, axes, doubt = array.reshape(sizes), _DEEPEST, ""
        axes = 0 if array.ndim == 1 else min(axes, array.ndim)
        # Whole numbers in sequence beside decimals are probably row or column numbers, which R adds by itself.
        is_doubtful = axes == 0 < array.ndim - 1 or (doubt in (_INDICES, _TITLES) and array.dtype.kind == "f")
        marked = array.view(Marked)
        marked.named = next(iter(re.findall("b?float(?:16|32)", kind)), "")
        # If the last digit of a number stands left of its point, as in 1.0278e+05, further digits are left out.
        powers = _ROUNDED.finditer(bare, parts[0][0], end) if (np.abs(array) >= _LARGE).any() else ()
        marked.digits = max((1 + len(found[1]) for found in powers if len(found[1]) < int(found[2])), default=0)
        return Loose(marked, axes, is_doubtful, "" if marked.named == "bfloat16" else marked.named, doubt)

    def joined(self, bare: str, parts: _Parts, end: int) -> tuple[Array, int, str]:
        """The array made of some parts of the text without headers: columns, pages or planes.

        Also returns how many axes are written, and another possible reading.
        """
        lines, following, doubt, is_table, factor = list[list[Array]](), 1, "", False, ""
        # Without columns and factors all parts are read as one.
        has_marks = any({"column", "factor"} & said.keys() for _, said in parts)
        for (start, said), (stop, below) in pairwise([*(parts if has_marks else parts[:1]), (end, dict[str, str]())]):
            source, factor = bare[start:stop].rstrip(_EMPTY), said.get("factor", "" if "page" in said else factor)
            typed = _TYPED.match(source)
            if not typed or typed.end() == len(source):
                if "column" in said or ("factor" in said and "column" not in below):
                    self.fail(start, "no numbers follow a factor, or the number of a column")
                continue
            begin, self.about = typed.end(), {**self.about, **_said(typed), "factor": factor}
            is_table = source[begin] not in _OPENS
            # The first line of a table may begin with a tab.
            begin = source.rfind("\n", 0, begin) + 1 if is_table else begin
            read = self.table if is_table else self.brackets
            array, doubt = read(start + begin, source[begin:])
            if "\n" not in source[: typed.end()] and prod(array.shape[: 1 + is_table]) > 1:
                self.fail(start + typed.end(), "numbers beside a label, and others below them")
            column = int(said.get("column", 1))
            if column in (0, 1) or not lines:
                lines, following = [*lines, []], min(column, 1)
            lines[-1].append(array)
            last, there = said.get("last", f"{column}"), f"{following} to {following + array.shape[-1] - 1}"
            if "column" in said and f"{column} to {last}" != there:
                self.fail(start, f"columns {column} to {last} are said, but {there} are there")
            following, doubt = following + array.shape[-1], "" if "column" in said else doubt
        try:
            array = np.concatenate([np.concatenate(row, axis=-1) for row in lines]) if lines else np.empty(0)
        except ValueError:
            self.fail(parts[0][0], "several arrays without labels, or parts of one, of different sizes")
        if lines and (pages := [_sizes(said["page"]) for _, said in parts if "page" in said]):
            return *self.placed(parts[0][0], array, pages), doubt
        if is_table:
            columns, array = array.shape[-1], array.reshape(_long(array.shape) or [1])
            return array, 0 if columns == 1 else array.ndim - 1, doubt
        return array[0] if len(array) == 1 else array, 0 if doubt else array.ndim - 1, doubt

    def placed(self, place: int, array: Array, pages: list[Shape]) -> tuple[Array, int]:
        """The pages put in place by their indices, counted from 0 or 1; and how many axes are written."""
        if -1 not in pages[0]:
            pages = [(*page, -1, -1) for page in pages]
        free = [axis for axis, index in enumerate(pages[0]) if index < 0]
        fixed = [[index for index in page if index >= 0] for page in pages]
        if len({*map(len, fixed)}) > 1 or not fixed[0] or len(free) != 2 or array.ndim != 3:
            self.fail(place, "pages with indices: not two whole axes each, and a number for each other axis")
        sizes = _grid(fixed)
        if len(array) != len(fixed) or not sizes:
            self.fail(place, f"{len(fixed)} pages with indices: some are missing or stand twice")
        array = array[np.lexsort(np.transpose(fixed)[::-1])].reshape(*sizes, *array.shape[1:])
        # Pages of one row may be vectors.
        return np.moveaxis(array, (-2, -1), free), 0 if free[0] and array.shape[-2] == 1 else _DEEPEST

    def brackets(self, place: int, source: str) -> tuple[Array, str]:
        """The array in brackets, or in a row of them; in a single [], semicolons or lines end rows, as in MATLAB."""
        has_end, doubt, rows = source.endswith(";"), "", r"\[\](){}\1"
        begin = max(source.find("=") - 20, 0)
        source = source[:begin] + _KEYWORD.sub(self.beside, source[begin:]) if "=" in source else source
        source = source.replace(">", ")").rstrip(";, \n")
        marks = _marks(source)
        if inside := re.fullmatch(r"\[([^\[\](){}\1]*)\]", source):
            self.refuse(place, re.search("\2", source), _COMMENTED)
            several = re.search(r";\s*;|\A\[[^;]*;\s*[1-9][0-9_]*\s*\]\Z", source) if ";" in source else None
            self.refuse(place, several, "{0!r}: rows as in MATLAB, or a number repeated, or axes as in Julia")
            in_rows = _marks(inside[1]).replace(b",\n", b",").strip(b";\n")
            by_lines = not re.search(b"[,;]", in_rows)
            in_rows = in_rows.replace(b"\n", b";")
            while b";;" in in_rows:
                in_rows = in_rows.replace(b";;", b";")
            in_rows = b"[[%b]]" % in_rows.replace(b";", b"],[")
            if b"],[" in in_rows and (not by_lines or _levels(in_rows)[1] == b"0"):
                marks, rows, doubt = in_rows, r"\[;\n\]", _BY_LINES if by_lines and not has_end else ""
        array, apart = self.shaped(place, source, marks, rows, ",")
        return self.one_array(place, source, marks, apart, array), doubt

    def shaped(self, place: int, source: str, marks: bytes, rows: str, mark: str) -> tuple[Array, bytes]:
        """The numbers of a source in the shape that its marks give, several arrays along a first axis.

        Also returns the marks between these. Rows are what lies between the characters `rows`, and cells are apart by
        `mark`.
        """
        array = self.numbers(place, source.replace(mark, ","), rows != _LINES)
        sizes, apart = _levels(marks)
        if not array.size or not re.fullmatch(rb"0(?:[,\n\2]*+0)*+", apart):
            self.explain(place, source, rows, mark)
        return array.reshape(-1, *sizes), apart

    def beside(self, keyword: re.Match[str]) -> str:
        """Blanks in place of a keyword argument, after its type or sizes are noted."""
        self.about |= _said(keyword)
        return " " * len(keyword[0])

    def one_array(self, place: int, source: str, marks: bytes, apart: bytes, array: Array) -> Array:
        """The array of nested brackets, without axes that calls and parentheses add; an error for several arrays."""
        opened = marks[: marks.index(b"0")][: array.ndim - 1]
        functions = [axis for axis, kind in enumerate(opened, 1) if kind == _FUNCTION]
        # All gaps between arrays must be alike: nothing, a line break, or several.
        if b"\2" in apart or len({gap.replace(b",", b"")[:2] for gap in apart.split(b"0")[1:-1]}) > 1:
            self.fail(place, "several arrays in a line, or parted by comments: rows of one, or without labels")
        # A function holds one array.
        other = rb"[\])}]{%d}[,\n]*+(?!%b)[\[({\1]" % (array.ndim - 1, re.escape(marks[:1]))
        is_uneven = len(array) > 1 and (functions[:1] == [1] or re.search(other, marks))
        if is_uneven or any(array.shape[axis] > 1 for axis in functions):
            self.fail(place, _UNEVEN)
        has_pairs = array.shape[-1] == 2 and re.search(r"\)[ \t]+\(", source)
        if has_pairs or b"(0)" in marks or (opened[:2] == b"(\1" and array.shape[1] > 1):
            self.fail(
                place, "round brackets: rows, several arrays, complex or negative numbers (write square brackets)"
            )
        # Round brackets without a comma are no axis in Python, nor is a list of one function.
        around = [found.end() for found in re.finditer(rb"[\[(](?=[\1])", opened)]
        around += [found.end() for found in re.finditer(rb"\((?=[\[{])", opened) if b",)" not in marks]
        array = array.squeeze((*functions, *(axis for axis in around if array.shape[axis] == 1)))
        return array if array.ndim > 1 else array[None]

    def table(self, place: int, source: str) -> tuple[Array, str]:
        """Lines of a table, or of several planes with empty lines between."""
        lines, mark = self.cells(place, source)
        marks = _marks(lines.replace(mark, ","))
        marks = (b"\n%b" % marks).replace(b"\n,", b"\n") if mark == "|" else marks
        rows = re.sub(rb"\n\n+", b"]],[[", marks.strip(b"\n")).replace(b"\n", b"],[")
        ((array,), _) = self.shaped(place, lines, b"[[[%b]]]" % rows, _LINES, mark)
        planes, height, width = array.shape
        count = _counting(array[0])
        # A number in quotation marks in each line is its index, as R writes it.
        if count > 1 or (width > 1 and source.count('"') == 2 * planes * height):
            self.fail(place, _INDICES)
        if height > 2 and array[0, 0].tolist() == [height - 1, 2]:
            self.fail(place, _TITLES)
        has_pairs = mark == "," in lines and width == 2 and array.dtype.kind == "i"
        return array, _COMMAS if has_pairs else ("", _INDICES, _TITLES)[count]

    def cells(self, place: int, source: str) -> tuple[str, str]:
        """The lines of a table with decimal points only, and the mark between its cells; a comma for blanks too."""
        self.refuse(place, re.search("\2", source), _COMMENTED)
        if re.search(r"[\[\](){}]", source):
            self.numbers(place, source, False)
            self.fail(place, _UNEVEN)
        # Remove lines of only bars, as in a drawn matrix; bars at the ends of lines separate nothing.
        lines = re.sub(r"(?m)^[ \t]*+\|[| \t]*+(?:\n|\Z)", "", source)
        has_bars = "|" in lines and not re.fullmatch(_AT_ENDS, lines)
        lines = lines if has_bars else lines.replace("|", " ")
        # If all cells stand in quotation marks, commas in them are decimal ones.
        quoted = lines.replace('","', '";"')
        lines = lines if '",' in quoted or ',"' in quoted else quoted
        has_tabs = "\t" in lines and re.search(r"\S *\t[ \t]*\S", lines)
        mark = "|" if has_bars else ";" if ";" in lines else "\t" if has_tabs else ","
        # What is left behind the quoted cells that neither are empty nor contain the mark between cells.
        apart = rf"\s{mark if mark in lines else ' '}"
        rest = re.sub(rf'\A(?:[^"]*+(?<![^{apart}])" *+[^"\n{apart[2:]}]++ *+"(?![^{apart}]))*+[^"]*+', "", lines)
        said = "{0} in quotation marks: one number, or several, or none"
        self.refuse(place + len(lines) - len(rest), re.match('"[^"\n]*"?', rest), said)
        lines = lines.replace('"', " ")
        # Beside another mark between cells, a comma is a decimal comma.
        is_decimal = mark != "," and "," in lines
        if is_decimal:
            self.refuse(place, re.search(r"\.|,[0-9]*+,|;[ ]*+(?=\n|\Z)", lines), _COMMAS)
        lines = lines.replace(",", ".") if is_decimal else lines
        if (mark == ";" or is_decimal) and "." in lines:
            self.refuse(place, re.search(_MAYBE_THOUSANDS, lines), "{1}.{2} is a decimal number, or {1}{2}")
        self.refuse(place, re.search(_NUMBERED_LINES, lines), _INDICES)
        self.refuse(place, re.search(_OTHER_BASE, lines), "{0!r}: decimal numbers, or binary or hexadecimal ones")
        return lines, mark

    def numbers(self, place: int, source: str, in_code: bool) -> Array:
        """The numbers of a source times the factor above it, one after another."""
        kind, parts = self.about.get("type", ""), [np.empty(0, np.int64)]
        integer, is_julia = re.search(_INTEGER, kind or self.called), re.search(r"\bFloat", kind) is not None
        in_code |= is_julia
        based = re.search("0[xX]", source) if in_code else None
        known = integer or (based and re.search(r"(?i)float|double|0x[0-9a-f.]++(?:_?u|p)", f"{kind} {source}"))
        if based and not known:
            self.fail(place + based.start(), "hexadecimal numbers without a type: some may be negative")
        is_untyped = in_code and (_UNTYPED.fullmatch(kind) or (based and integer))
        has_letters = is_untyped and any(letter in source for letter in "dDfF")
        if has_letters and not ("let" in kind and re.search(_SIZED, source)):
            either = re.search(_WITHOUT, source) and re.search(_WITH_F, source)
            either = re.search(_WITH_D, source) or re.search(_SIZED, source) or either
            self.refuse(place, either, "{0} is hexadecimal, or has a type or a power behind it")
        steps: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [(_FORTRAN, "e")]
        if in_code:
            steps = [(_HEXADECIMAL, _decimal), *[(_SUFFIX, ""), (_POWER, "e")][:: -1 if is_julia else 1]]
        if in_code and "{" in source and ("[" in self.about.get("sizes", "") or "std::" in kind):
            steps.insert(0, (_OCTAL, lambda number: str(int(number[0], 8))))
        power = f"{float(factor):.0e}"[1:] if (factor := self.about.get("factor")) else ""
        # In chunks, since lists of words take much memory.
        for chunk in _CHUNK.finditer(source):
            words = f"{chunk[0].translate(_APART)} "
            array, plain = _plain(words, power, in_code), words
            if array is None:
                for pattern, put in steps:
                    plain = pattern.sub(put, plain)
                array = _plain(plain, power, False)
            if array is None:
                self.no_number(place + chunk.start(), words, plain, power)
            parts.append(array)
        array = np.concatenate(parts)
        if np.isinf(array).any() and "inf" not in source.lower():
            self.fail(place, "a number beyond float64's largest")
        return self.declared(place, array, integer, based is not None)

    def no_number(self, place: int, words: str, plain: str, power: str) -> NoReturn:
        """Raise an error that names the first of some words that is not a number; `plain` has them as Python's."""
        found = zip(re.finditer("[^ ]+", words), re.findall("[^ ]+", plain), strict=True)
        word, number = next((word, number) for word, number in found if _plain(f"{number} ", power, False) is None)
        said = f"{word[0][:20]!r} is not a number"
        if _LEADING_ZERO.match(number.lstrip("-+")):
            said = f"{word[0][:20]!r} begins with 0: a decimal number, or an octal or hexadecimal one"
        elif number.lstrip("-+").isdecimal() and number.isascii():
            said = f"an integer beyond int64's largest, {INT64_MAX} (2**63 - 1)"
        self.fail(place + word.start(), said)

    def declared(self, place: int, array: Array, integer: re.Match[str] | None, is_hex: bool) -> Array:
        """The numbers as integers of the declared type, if there is one; an error if it can't hold them."""
        if not integer:
            return array
        if array.dtype.kind == "f":
            self.fail(place, f"decimals where {integer[0]} is declared")
        # Python's int is taken to have 64 bits. C's has 32: the highest bit of a hexadecimal number is its sign.
        bits = integer[3] or {"char": 8, "short": 16, "int": 32 if is_hex else 64}.get(integer[2].lower(), 64)
        held = array.astype(f"{'u' * bool(integer[1] or 'unsigned' in integer.string)}int{bits}")
        if ((held != array) & (not is_hex or array.astype(f"uint{bits}") != array)).any():
            self.fail(place, f"a number that {integer[0]} does not hold")
        return held.astype(np.int64)

    def explain(self, place: int, source: str, apart: str, mark: str) -> NoReturn:
        """Raise an error that says what is wrong in a row, or that its length differs from that of the first."""
        rows = [row for row in re.finditer(f"[^{apart}]++", source) if row[0].strip(" ,\n")]
        is_marked, first = any(mark in row[0].strip().removesuffix(mark) for row in rows), 0
        for number, row in enumerate(rows, 1):
            said, text = re.sub(r"\s+", " ", row[0].strip()[:30]), row[0].strip(" \n\1\2").removesuffix(mark)
            cells = [cell.split() for cell in (text.removeprefix("|").split(mark) if is_marked else text.split())]
            if mark != ";" and ";" in said:
                self.fail(place, f"';' may end a row, or an element; {_UNEVEN}")
            has = "commas and blanks: decimal commas" if "," in said else "blanks and other marks: one number each"
            at = place + row.start()
            if first and len(cells) != first:
                count = counted(len(cells), "number")
                self.fail(at, f"row {number} has {count}, row 1 has {first}: all rows must be equally long")
            if any(len(cell) > 1 for cell in cells):
                self.fail(at, f"{said!r} has {has}, or two numbers each")
            if [] in cells:
                self.fail(at, f"a number is missing in {said!r}")
            first = first or len(cells)
        self.fail(place, _UNEVEN)


def _beside(boxes: re.Match[str]) -> str:
    """Framed matrices that stand side by side, as cnngrad prints them, rewritten one below the other."""
    starts = [found.start() for found in re.finditer(r"[┌+] +[┐+]", boxes["frame"])]
    lines = [boxes["titles"] or "", "", *boxes["rows"].splitlines(), ""]
    text = "\n".join(line[start:end].strip() for start, end in pairwise([*starts, None]) for line in lines)
    return "\n" + re.sub("[d∂]E/[d∂]", "dEd", text)
