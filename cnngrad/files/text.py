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
from functools import partial
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
# Parts of numbers in programming languages that NumPy does not read: 1_000, 3UL, 2.5_f32, 1.5*^3 and 1f0. Hexadecimal
# numbers have a pattern of their own, since f and d are digits there.
_SIZED = re.compile(r"f(?<=[0-9.]f)(16|32|64)(?![\w.])")
_MORE = re.compile(
    r"[_iuUlLfFdD](?![-+])(?:(?<=[0-9.].)(?:(?:(?<=_)[fiu]|(?<=[fiuF]))(?:8|16|32|64)|(?<=[^_i])[lL]{0,2})(?![^ ])"
    r"|(?<=[0-9]_)(?=[0-9]{3}(?![0-9]))|(?<=inff|nanf|ityf)(?![^ ]))"
)
_MORE_IN_HEXADECIMAL = re.compile(r"[_iuUlL](?:(?:(?<=_)[iu]|(?<=[iu]))(?:8|16|32|64)|(?<=[uUlL])[lL]{0,2})(?![^ ])")
# Without a declared type these may be hexadecimal: numbers with d at the end or inside; numbers that end in f, if
# others have no letter.
_WITH_D, _WITH_F, _WITHOUT = (
    re.compile(rf"[-+,;\s\[({{\1]([0-9]++{end})(?![-+\w.])") for end in ("(?:[dD]|[dDfF][0-9]++)", "[fF]", "")
)
# The suffix of the first number: if all numbers have it, removing it as plain text is quicker.
_SUFFIX = re.compile(r"\s*[-+.0-9]++(?:[eE][-+]?[0-9]++)?(_?[fiu](?:8|16|32|64)|[uU]?[lL]{1,2}|[uUfFdD]) ")
_POWER = re.compile(r"[fFdD*](?<=[0-9.].)(?:(?<=\*)\^|(?<!\*))(?=[-+]?[0-9])")
_CHUNK = re.compile(r"(?s).{1,65536}[^\s,;]*+")
_WORDS_END = re.compile("(?<=[0-9.])(?![^ ])")
_LEADING_ZERO = r"0[0-9](?<![\w.]..)(?<![eEdD][-+]..)"
_OCTAL = rf"{_LEADING_ZERO}(?<=[0-7])[0-7]{{0,29}}+(?![\w.])"
_INTEGER = (
    r"(?i)(?<![a-z])(unsigned\s++|u)?(char|short|long(?!\s++double)|int(?![0-9])|(?:int|i|(?<=u))(8|16|32|64))"
    r"(?=(?:_t|array|tensor|clamped)*+\b)"
)
# Numbers whose points may separate thousands; lines with bars at their ends only; numbers that may be binary or
# hexadecimal.
_MAYBE_THOUSANDS = re.compile(r"(?:[\s|;\"]++|[-+]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})?|0)(?![\w.]))*+")
_AT_ENDS = r"(?:[ \t]*+\|?[^|\n]*+(?:\|[ \t]*+)?(?:\n|\Z))*+"
_OTHER_BASE = re.compile(r"(?:\s*+[01]{4,}+)++\s*+\Z|[0-9\s]*\s[0-9]++[eE][0-9]++")
_REFUSED = {
    r"[.…⋮⋯⋱<](?:(?<=[…⋮⋯⋱])|(?<=\.)\.\.(?!\][a-z])|(?<=<)repeats)": "numbers are omitted here",
    r"[\u00a0\u202f\u2007\u2009'’](?<=[0-9].)[0-9]{3}(?![0-9])": "one number with a separator of thousands, or two",
    r"\[\|": "a list whose semicolons part rows, or elements",
    r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]": "a control character in a text",
}
# Text without meaning, as the second group: comment signs before a label, comments, Excel's `sep=`, the first line of
# cnngrad's results, R's row numbers, prompts, column titles.
_END = r"[ \t]*+(?=\n|\Z)"
_NAME = r"[A-Za-z_$@∂](?:[\w$.∂]|/(?=[A-Za-z∂])|::)*+(?:\[[\"']\w+[\"']\])?"
# What is not a name: words that stand for a number, such as nan, and words that may be hexadecimal.
_NO_NAME = (
    r"(?!(?:(?i:nan|inf(?:inity)?|n\.?a\.?|n/a|nat|none|null|nil|nothing|missing|undef(?:ined)?|true|false|oo"
    r"|[$@_]?[a-f]*+[0-9][0-9a-f]*+)|[0-9a-f]{3,}+|[0-9A-F]{3,}+|[abcef][a-f]);?[ \t]*+(?:\n|\Z))"
)
_ARRAYS_NAME = rf"{_NO_NAME}(?:[dD∂]\S{{1,8}}|[A-Za-z]\w?|(?:(?!grad)\S)*+grad\S*+)"
_COMMENT = r"(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)"
_SILENT = re.compile(
    rf"(\n)([ \t]*+(?:(?:#|%|//)(?=[ \t]++{_ARRAYS_NAME}:?{_END})"
    r"|#(?=[\sa-z])(?i:[ \t]*(?:new )?slice[ \t]*[0-9]*(?=\n|\Z))"
    rf"|(?P<comment>{_COMMENT}"
    r"|(?:#(?=[\sa-z=!-]|\Z)(?!if|el(?:se|if)|endif|n/a|define[^\n]*\{)|%%?(?=\s|\Z))[^\n]*+)"
    r"|sep=[;,|\t](?=\n)|X [0-9x×]+ [·*] W [^\n]*|\[(?:[0-9]+,|1)\](?=[ \t]+[-+.0-9NI])|Out ?\[[0-9]+\][:=]"
    rf"|(?:>{{1,3}}|In ?\[[0-9]+\]:|julia>|\(i?[Pp]db\))(?:(?=[ \t]*+(?:{_NAME};?{_END}|\w+ ?=|\n|\Z))"
    rf"|[ \t]*+[\w.]++\([^\n()]*+\){_END})"
    r"|(?![^\n]*\|[ \t]*+(?:[-+.0-9]++|(?i:nan|inf))[ \t]*+\|)\|[ \t]*+(?=[^\W\d])[^\n]*\|[ \t]*+\n"
    r"[ \t]*+\|(?=[ \t:|]*+-)[ \t:|-]*+(?=\n|\Z)))"
)
_TRAILING = re.compile(rf"([,;{{}}][ \t]*+)({_COMMENT})")
# Calls around an array: any call, the functions that leave an array as it is, and their keyword arguments.
_CALL = re.compile(
    r"[A-Za-z_<](?<![\w.].)(?:(?<=n)ew\s+(?=\w+Array\())?"
    r"(?:(?<=<)tf\.\w++:?(?:\s++'[^'\n]*+')?|(?<!<)(?:[\w.]|::)*+\((?![0-9]+\)\s*\[))"
)
_KNOWN = re.compile(
    r"<.*|(?:new\s+)?(?:(?:np|numpy|cp|cupy|jnp|jax|torch|tf|mx|nd|onp|nn|paddle)(?:\.|::)){0,2}"
    r"(?:(?:(?:as|to)_?)?(?:array|tensor)(?:[1-5]d)?|constant|[mM]atrix"
    r"|(?:Device|ND|Float(?:32|64)|(?:Big)?(?:Ui|I)nt(?:8|16|32|64)(?:Clamped)?)?Array"
    r"|(?:Eager|Float|Double|Long|Int)?Tensor|Parameter|arr[123]|(?:float|u?int)[0-9]{1,2}|single|double)\("
)
_BESIDE = "dtype|shape|size|device|requires_grad|grad_fn|weak_type|place|stop_gradient|strides|layout|const ndim|id"
_VALUE = r"(?:\([^()]*+\)|\[[0-9, ]*+\]|<[^<>]*+>|'[^'\n]*+'|[\w.:]*+(?:\([^()]*+\)| \(\w+\))?)"
_KEYWORD = re.compile(rf"(?P<key>[a-z](?<![\w.].)[a-z_ ]*+)=(?:(?<=numpy=)|(?<=value=)|(?P<value>{_VALUE}),?)")
_BOXES = re.compile(
    r"\n(?P<titles>[^\n\[\]{}|┌+]{0,300}\n)?(?P<frame>[ \t]*+[┌+][ ]+[┐+][ ┌┐+]*\n)(?P<rows>(?:[ \t]*+\|[^\n]*\n)+)"
    r"[ \t]*+[└+][ └┘+]*(?=\n|\Z)"
)
_TYPE = rf"(?>(?:{_NAME}|<[^=\n()]{{0,200}}>|\[(?:[\[ &]*+[A-Za-z][^\]\n=]*+|[, ]*+)\]|[*&])[ \t]*+)"
_AXIS = r"[ ]*(?:[:.]|[0-9]{1,9})[ ]*"
_ROUND, _TIMES = r"\([0-9]{1,9}(?:[ ]*[x×,][ ]*[0-9]{1,9})*,?\)", r"[1-9][0-9]{0,8}+(?:[x×][1-9][0-9]{0,8})+"
# The type in front of inner brackets, which repeats that of the outer ones.
_AGAIN = re.compile(r"(?<=[{\[,])\s*+(?:new[\s\w.]*\[\]|\[\]\w+|\w+Array\([0-9]+\))(?=\s*[{\[])")
# A vector as R prints it: each line begins with the number of its first element.
_VECTOR = re.compile(r"(?:\n[ \t]*+\[[0-9]++\][ \t]++[^\[\]\n]++)++\s*+")
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
    rf"(?:(?P<page1>, (?:, [0-9]+)+){_END}|(?P<factor>10*+(?:\.0*+)?(?:[eE][-+]?[0-9]++)?|0\.0*+1)[ \t]*+\*{_END}"
    rf"|(?:ans|val|(?P<label1>[A-Za-z][\w.]*+))?[ \t]*+[(\[](?P<page2>(?:{_AXIS},)+(?:{_AXIS})?)[)\]][ ]*={_END}"
    rf"|(?P<label2>{_NAME}) [·*] (?P<page3>[a-z]+ [0-9]+(?:(?:,| [·*]) [a-z]+ [0-9]+)*){_END}"
    rf"|Columns?[ \t]++(?P<column1>[0-9]{{1,9}})(?:[ \t]++(?:through|to|and|-)[ \t]++(?P<last1>[0-9]{{1,9}}))?:?{_END}"
    rf"|Columns (?P<column2>[0-9]{{1,9}}) to (?P<last2>[0-9]{{1,9}})(?=[ ]+[-.0-9])"
    rf"|\[,(?P<column3>[0-9]{{1,9}})\](?:[ \t]++\[,(?P<last3>[0-9]{{1,9}})\])*{_END}"
    rf"|torch\.Size\(\[(?P<sizes5>[0-9]+(?:, [0-9]+)*)\]\){_END}|(?P<sizes1>{_TIMES}|[0-9]{{1,9}}+(?=-element)"
    rf"|(?=\([0-9]+[ ]*[x×,]){_ROUND}(?=[ \t]*+\n\s*+[\[{{\w.+-]))(?:-element)?"
    rf"[ \t]*+(?P<type1>[A-Za-z][^\n=]{{0,120}}?)?:?{_END}"
    rf"|(?:\[ ?[\w.]*(?:Type|Tensor)|Tensor\[\[|<NDArray )[^0-9\n]*+(?P<sizes2>[0-9x, ]{{1,99}})[^\n]*+"
    rf"|(?!\[)(?P<type2>{_TYPE}*?)[*&]?(?P<quote>[\"']?)(?!(?:{_BESIDE})=)(?P<label3>{_NAME})(?P=quote)"
    rf"[ \t]*+(?P<sizes3>(?:\[[0-9]{{0,9}}\][ \t]*+){{1,9}}|{_ROUND}|{_NAMED_SIZES})?[ \t]*+"
    rf"(?::[ \t]*+(?P<type3>(?:{_TYPE}|[;0-9 \]])*+)=|:=|=(?:[ \t]*+(?P<sizes4>{_TIMES})"
    rf"(?:[ \t]++(?P<type4>[A-Za-z][^\n=]{{0,120}}?))?{_END}|(?!=))|<-|<<|:|(?={{))"
    rf"|{_NO_NAME}(?P<label4>{_NAME})(?:;?{_END}|[ \t]++(?=[\[\1])))"
)
_USUAL = bytes({*range(32, 127)} - {*b"'"})
_PLAIN = b"0123456789+-.eE,;[](){} \t\n"
# Maps each byte to its role: a bracket, a separator or a blank; 0 for all others, which are parts of numbers.
_SIGNS = bytes(code if code in b",;\n[](){}\1\2" else 32 if code in b" \t" else 48 for code in range(256))
_DEPTHS = np.array([(code in b"[({\1") - (code in b"])}") for code in range(256)], np.int8)
_APART = str.maketrans(dict.fromkeys("[](){}\1\2,;\n\t", " "))
_ROW = re.compile(rb"\[(?:0++|0(?:,0)*+,?)\]|[(\1](?:0++|0(?:,0)*+,?)\)|\{(?:0++|0(?:,0)*+,?)\}")
_OPENS, _FUNCTION, _DEEPEST = "[({\1", 1, 32
# Maximum number of different functions that are removed from a text.
_MOST_FUNCTIONS = 20
# Maximum length of a keyword, and of a size after a function's bracket; beyond it, numbers are not searched for them.
_LONGEST = 99
_BY_LINES = "its lines are rows, or one row: write each row in brackets of its own"
_COMMENTED = "a comment between rows: of one, or of two"
_QUOTED = "{0} in quotation marks: one number, or several"
_TITLES = "its first line counts: titles, or numbers (write each row in brackets)"
_INDICES = "its lines begin with counts: an index and a number each, or numbers alone (write each row in brackets)"
_COMMAS = "its commas part numbers, or are decimal ones: write decimal points"


def _said(match: re.Match[str]) -> dict[str, str]:
    """The groups of a match that are not empty, by their names without digits."""
    return {key.rstrip("12345"): value for key, value in match.groupdict().items() if value}


def _sizes(text: str) -> Shape:
    """Sizes or indices; -1 for a bracket that is empty or holds more than a number, and for a whole axis of a page.

    >>> _sizes("[][3]"), _sizes("[K * K]"), _sizes("(2, 3)"), _sizes(":,:,1")
    ((-1, 3), (-1,), (2, 3), (-1, -1, 1))
    """
    text = re.sub(r"\[[^\],]*[a-zA-Z_*+][^\]]*\]", "[]", text)
    found = re.findall(r"\[\s*+\]|[0-9]+|[:.]|(?:^|,)\s*(?=,)", text)
    return tuple(int(size) if size.isdigit() else -1 for size in found)


def _of_its_base(word: str) -> float:
    """The value of a number as C writes it: decimal, octal or hexadecimal.

    >>> [_of_its_base(word) for word in ("0xff", "-010", "0x1p-1f", "1.5", "8")]
    [255, -8, 0.5, 1.5, 8]
    """
    if "p" in (lower := word.lower()):
        return float.fromhex(lower.rstrip("fdl"))
    if "." in lower or "n" in lower:
        return float(lower)
    digits = lower.lstrip("-+")
    return int(lower, 8 if digits[0] == "0" and digits.isdigit() else 0)


def _marks(source: str) -> bytes:
    r"""The structure of a text: its brackets and separators, with 0 for each word and without blanks.

    Line breaks and comments are kept only outside brackets.

    >>> _marks("[[1, 2.5],\n [3, 4]]\n")
    b'[[0,0],[0,0]]\n'
    """
    parts = [np.empty(0, np.uint8)]
    for chunk in _CHUNK.finditer(source):
        codes = np.frombuffer(chunk[0].encode().translate(_SIGNS), np.uint8)
        is_new = codes != ord(" ")
        is_new[1:] &= (codes[1:] != ord("0")) | (codes[:-1] != ord("0"))
        parts.append(codes[is_new])
    codes = np.concatenate(parts)
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
    ends = array[:, 0], array[0]
    by_rows, by_columns = (_counts(line) for line in ends)
    rows, columns = array.shape
    if min(rows, columns) > 2 and _counts(array[1:, 0]) and _counts(array[0, 1:]):
        return -1
    if rows > 1 and columns > 2 and by_rows:
        return 1
    if rows > 2 and columns > 1 and by_columns:
        return -1
    return columns - 1 if rows > 1 and _grid(array[:, :-1]) else 0


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _silenced(match: re.Match[str]) -> str:
    """Blanks in place of text without meaning; comments get a mark of their own."""
    return match[1] + re.sub("[^\n\1]", "\2" if match.groupdict().get("comment") else " ", match[2])


class _Reader:
    """Reads one text."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        # What the text declares about the current array, and a function in it that gives integers.
        self.about, self.called = dict[str, str](), ""
        self.text = "\n" + text.replace("\r\n", "\n").replace("\r", "\n")
        # In MATLAB, ... continues a row on the next line.
        self.text = re.sub(r";[ \t]*+\.\.\.(?=[ \t]*\n)", ";", self.text)
        raw = self.text.encode(errors="surrogatepass").translate(None, _PLAIN)
        if raw.translate(None, _USUAL) or "..." in self.text or "<repeats" in text or "[|" in text:
            for pattern, words in _REFUSED.items():
                self.refuse(0, self.text, pattern, f"{{0!r}}: {words}")
        # A text of only numbers and brackets is ready now, unless it has R's element numbers.
        if not raw and ",]" not in text and not re.match(r"\s*\[1\][ \t]+[^ \t\[]", text):
            return
        if re.match(r"\s*\[1\][^\n]*\n", text) and _VECTOR.fullmatch(self.text):
            self.text = self.vector(self.text)
        for page in re.split(r"\n(?![ \t]*\[[0-9]++,\])", self.text) if ",]" in text else ():
            for number, row in enumerate(re.finditer(r"\n[ \t]*+(\[([0-9]+),\])(?=[ \t]+[-+.0-9NI])", page), 1):
                if int(row[2]) != number:
                    self.fail(self.text.index(row[1]), f"{row[1]} stands in front of row {number}")
        self.refuse(0, self.text, r"#(?= type: (?!matrix|scalar))[^\n]*", "{0!r}: numbers in a form of Octave's own")
        for character, usual in zip("−\u00a0\u202f│⎡⎢⎣⎤⎥⎦", "-  |||||||", strict=True):
            self.text = self.text.replace(character, usual)
        if (begun := self.text.rfind("/*")) > self.text.rfind("*/"):
            self.fail(begun, "a comment that does not end")
        # Between the numbers of a line comments stand in brackets alone.
        for silent in (_SILENT, _TRAILING) if b"/" in raw and re.search(r"[\[({]", text) else (_SILENT,):
            self.text = silent.sub(_silenced, self.text)
        self.text = _BOXES.sub(_beside, re.sub(r"\b(?:vec|array)!|&(?=\[)", _blank, self.text))
        if "[]" in text or "Array(" in text:
            self.text = _AGAIN.sub(_blank, self.text)
        self.refuse(0, self.text, r"Array\(\s*+[0-9]++\s*+\)(?!\s*\[)", "{0!r} is a size, without numbers")
        found, opened = _CALL.search(self.text) if "(" in text else None, list[str]()
        while found and len(opened) < _MOST_FUNCTIONS:
            if _KNOWN.fullmatch(found[0]):
                self.text = self.text.replace(found[0], " " * (len(found[0]) - 1) + "\1")
                opened.append(found[0])
            found = _CALL.search(self.text, found.end(), self.text.rfind("(") + _LONGEST)
        self.called = next((name for name in opened if "int" in name.lower()), "")
        # Calls around single numbers, such as float32(1.5).
        single = re.compile(r"(?:float|int)[0-9]+\(|single|double")
        if opened and "(" not in self.text and all(map(single.search, opened)):
            self.text = self.text.replace("\1", " ").replace(")", " ")

    def vector(self, text: str) -> str:
        """The elements of R's vector in one line; an error if a line does not begin with its element's number."""
        count, rows = 1, re.findall(r"\[([0-9]+)\]([^\n]*)", text)
        for number, row in rows:
            if int(number) != count:
                self.fail(self.text.index(f"[{number}]"), f"[{number}] stands in front of element {count}")
            count += len(row.split())
        return "\n" + " ".join(row for _, row in rows)

    def fail(self, place: int, words: str) -> NoReturn:
        """Raise an error with line and column, and advice on how to write the text."""
        # The text begins with an added line break, so its first line has number 1.
        line = self.text.count("\n", 0, place + 1)
        column = place - self.text.rfind("\n", 0, place)
        advice = text_advice(self.where, self.text[1:])
        raise CnngradError(f"{self.where}, line {line}, column {column}: {words}; {advice}")

    def refuse(self, place: int, source: str, pattern: str | re.Pattern[str], words: str) -> None:
        """Raise an error if a pattern occurs in a text; in the words {0} stands for the match, {1} for its group."""
        if found := re.search(pattern, source):
            self.fail(place + found.start(), words.format(found[0], *found.groups()))

    def read(self) -> Loose | dict[str, Loose]:
        """The arrays of the text, by label if there are several."""
        arrays = dict[str, Loose]()
        headers: list[re.Match[str] | None] = [*_HEADER.finditer(self.text)]
        bare = _HEADER.sub(lambda found: found[0][0].ljust(len(found[0])), self.text) if headers else self.text
        # The current array's label, its pages' indices, where its parts begin, with what each header declares, and
        # where the last header ends.
        label, pages, parts, after = "", list[Shape](), [(0, dict[str, str]())], 0
        for header in [*headers, None]:
            said, place = (_said(header), header.start()) if header else ({}, len(bare) - 1)
            if "factor" in said and bare[after:place].strip("\2 \t\n"):
                self.fail(place, "a factor between numbers: of those below, or of all")
            after = header.end() if header else place
            new, page = said.pop("label", ""), said.pop("page", "")
            # MATLAB prints the name twice.
            if new and new == label and not page and not bare[parts[-1][0] : place].strip():
                parts[-1] = place + 1, parts[-1][1]
            elif not header or (new and not (page and new == label)):
                parts.append((place + 1, {}))
                array = self.finished(parts[0][0], *self.joined(bare, parts, pages))
                if label and (label in arrays or not array):
                    words = f"no array follows {label}" if not array else f"a second array is called {label}"
                    self.fail(parts[0][0] - (not array), words)
                arrays |= {label: array} if array else {}
                label, pages, parts, self.about = new, [], parts[-1:], {}
            elif "column" in said or "factor" in said or (page and parts[-1][1]):
                inherited = {} if page else {"factor": parts[-1][1].get("factor", "")}
                parts.append((place, inherited | said))
            pages += [_sizes(page)] if page else []
            self.about = said | self.about
        if not arrays:
            self.fail(0, "the text is empty: there is no number in it")
        if "" in arrays and len(arrays) > 1:
            self.fail(0, f"an array without a label beside {', '.join(filter(None, arrays))}")
        return arrays if len(arrays) > 1 else next(iter(arrays.values()))

    def finished(self, place: int, array: Array, axes: int, doubt: str) -> Loose | None:
        """The array from `joined`, in its declared sizes and type; None if it has no numbers."""
        if not array.size:
            return None
        kind = self.about.get("type", "")
        # The type of a vector declares only the sizes of its elements.
        has_sizes = re.match(r"(?!.*[vV]ec).*(?:array|;)", kind)
        nested = re.findall(r"[,;]\s*([0-9]{1,9})\s*[>\]]", kind) if has_sizes else []
        # Rust's slices have no size.
        slices = "[]" * max(kind.count("[") - len(nested), 0) if nested else ""
        sizes = _sizes(self.about.get("sizes") or self.about.get("new") or slices + "x".join(reversed(nested)))
        if re.match(r"Vector\{(?:Vector|Matrix|Array)", kind):
            sizes = ()
        if (inner := sizes[1:]) and sizes[0] < 0 <= min(inner):
            # The first size is not declared: it follows from the number of elements.
            sizes = (len(array) if array.ndim == len(sizes) else -(-array.size // max(prod(inner), 1)), *inner)
        if sizes and -1 not in sizes:
            read, asked = ([size for size in shape if size != 1] for shape in (array.shape, sizes))
            if prod(sizes) != array.size or len(sizes) > _DEEPEST or (array.ndim > 1 and read != asked):
                said, there = ("x".join(map(str, shape)) for shape in (sizes, array.shape))
                self.fail(place, f"{said} is declared, but {there} is there")
            array, axes, doubt = array.reshape(sizes), _DEEPEST, ""
        axes = 0 if array.ndim == 1 else min(axes, array.ndim)
        # Whole numbers in sequence beside decimals are probably row or column numbers, which R adds by itself.
        is_doubtful = axes == 0 < array.ndim - 1 or (doubt in (_INDICES, _TITLES) and array.dtype.kind == "f")
        marked = array.view(Marked)
        marked.named = next(iter(re.findall("b?float(?:16|32)", kind)), "")
        return Loose(marked, axes, is_doubtful, "" if marked.named == "bfloat16" else marked.named, doubt)

    def joined(self, bare: str, parts: list[tuple[int, dict[str, str]]], pages: list[Shape]) -> tuple[Array, int, str]:
        """The array made of some parts of the text without headers: columns, pages or planes.

        Each part ends where the next one begins. Also returns how many axes are written, and another possible reading.
        """
        lines, following, doubt, is_table = list[list[Array]](), -1, "", False
        for (start, marks), (end, below) in pairwise(parts):
            source = bare[start:end].rstrip("\2 \t\n")
            typed = _TYPED.match(source)
            if not typed or typed.end() == len(source):
                if "column" in marks or marks.get("factor", "") not in ("", below.get("factor")):
                    self.fail(start, "no numbers follow a factor, or the number of a column")
                continue
            begin, self.about = typed.end(), self.about | _said(typed)
            is_table = source[begin] not in _OPENS
            read = self.table if is_table else self.brackets
            # The first line of a table may begin with a tab.
            begin = source.rfind("\n", 0, begin) + 1 if is_table else begin
            array, doubt = read(start + begin, source[begin:], marks.get("factor", ""))
            if "\n" not in source[: typed.end()] and prod(array.shape[: 1 + is_table]) > 1:
                self.fail(start + typed.end(), "numbers beside a label, and others below them")
            column = int(marks.get("column", 1))
            if column in (0, 1):
                lines, following = [*lines, []], column
            if column != following:
                self.fail(start, f"column {column} does not continue the columns in front of it")
            lines[-1].append(array)
            following, doubt = following + array.shape[-1], "" if "column" in marks else doubt
            if "column" in marks and following - 1 != int(last := marks.get("last", column)):
                self.fail(start, f"columns {column} to {last} are said, {array.shape[-1]} are there")
        try:
            array = np.concatenate([np.concatenate(row, axis=-1) for row in lines]) if lines else np.empty(0)
        except ValueError:
            self.fail(parts[0][0], "several arrays without labels, or parts of one, of different sizes")
        if pages and lines:
            return *self.placed(parts[0][0], array, pages), doubt
        if is_table:
            columns, array = array.shape[-1], array.reshape([size for size in array.shape if size > 1] or [1])
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

    def brackets(self, place: int, source: str, factor: str) -> tuple[Array, str]:
        """The array in brackets, or in a row of them; in a single [], semicolons or lines end rows, as in MATLAB."""
        has_end, doubt, rows = source.endswith(";"), "", r"\[\](){}\1"
        if "=" in source:
            begin = max(source.index("=") - _LONGEST, 0)
            source = source[:begin] + _KEYWORD.sub(self.beside, source[begin:])
        source = source.replace(">", ")").rstrip(";, \n")
        marks = _marks(source)
        if inside := re.fullmatch(r"\[([^\[\](){}\1]*)\]", source):
            self.refuse(place, source, "\2", _COMMENTED)
            if ";" in source and re.search(r";\s*;|^[^;]*;\s*[1-9][0-9_]*\s*\]$", source):
                said = "rows as in MATLAB, or a number repeated, or axes as in Julia"
                self.fail(place, f"{inside[1][:30]!r}: {said}")
            in_rows = _marks(inside[1]).replace(b",\n", b",").strip(b";\n")
            by_lines = not re.search(b"[,;]", in_rows)
            in_rows = in_rows.replace(b"\n", b";")
            while b";;" in in_rows:
                in_rows = in_rows.replace(b";;", b";")
            in_rows = b"[[%b]]" % in_rows.replace(b";", b"],[")
            if b"],[" in in_rows and (not by_lines or _levels(in_rows)[1] == b"0"):
                marks, rows, doubt = in_rows, r"\[;\n\]", _BY_LINES if by_lines and not has_end else ""
        array = self.numbers(place, source, factor, True)
        sizes, apart = _levels(marks)
        if not array.size or not re.fullmatch(rb"0(?:[,\n\2]*+0)*+", apart):
            self.explain(place, source, rows)
        array = array.reshape(-1, *sizes) if sizes else array[None]
        return self.one_array(place, source, marks, apart, array), doubt

    def beside(self, keyword: re.Match[str]) -> str:
        """Blanks in place of a keyword argument, after its type or sizes are noted."""
        if not re.fullmatch(f"numpy|value|{_BESIDE}", keyword["key"]):
            return keyword[0]
        if said := {"dtype": "type", "shape": "sizes"}.get(keyword["key"]):
            self.about[said] = keyword["value"]
        return " " * len(keyword[0])

    def one_array(self, place: int, source: str, marks: bytes, apart: bytes, array: Array) -> Array:
        """The array of nested brackets, without axes that calls and parentheses add; an error for several arrays."""
        # All gaps between arrays must be alike: nothing, a line break, or several.
        if b"\2" in apart or len({gap.replace(b",", b"")[:2] for gap in apart.split(b"0")[1:-1]}) > 1:
            self.fail(place, "several arrays in a line, or parted by comments: rows of one, or without labels")
        other = rb"[\])}]{%d}[,\n]*+(?!%b)[\[({\1]" % (array.ndim - 1, re.escape(marks[:1]))
        if len(array) > 1 and re.search(other, marks):
            self.uneven(place, source)
        if array.shape[-1] == 2 and re.search(r"\)[ \t]+\(", source):
            self.fail(place, "pairs in round brackets: complex numbers, as in C++, or rows of two")
        if b"(0)" in marks:
            self.fail(place, "single numbers in round brackets: negative ones, as in accounting, or not")
        # A function holds one array; round brackets without a comma are no axis in Python.
        opened = marks[: marks.index(b"0")][: array.ndim - 1]
        if opened.startswith(b"(\1") and array.shape[1] > 1:
            self.fail(place, "several arrays in round brackets: parts of one, or an array each")
        functions = [axis for axis, kind in enumerate(opened, 1) if kind == _FUNCTION]
        if any(array.shape[axis] > 1 for axis in functions) or (functions[:1] == [1] and len(array) > 1):
            self.uneven(place, source)
        # Nor is a list of one function.
        around = [found.end() for found in re.finditer(rb"[\[(](?=[\1])", opened)]
        around += [found.end() for found in re.finditer(rb"\((?=[\[{])", opened) if b",)" not in marks]
        array = array.squeeze((*functions, *(axis for axis in around if array.shape[axis] == 1)))
        return array if array.ndim > 1 else array[None]

    def table(self, place: int, source: str, factor: str) -> tuple[Array, str]:
        """Lines of a table, or of several planes with empty lines between."""
        self.refuse(place, source, "\2", _COMMENTED)
        if re.search(r"[\[\](){}]", source):
            self.numbers(place, source, factor, False)
            self.uneven(place, source)
        lines, mark = self.cells(place, source)
        if re.fullmatch(r"(?:[ \t]*+[0-9]++\.[ \t]++[^.\n]*+\n?){2,}+", lines):
            self.fail(place, _INDICES)
        if found := _OTHER_BASE.match(lines):
            self.fail(place, f"{found[0].split()[-1]} is a decimal number, or a binary or hexadecimal one")
        even = lines.replace(mark, ",") if mark else lines
        array, marks = self.numbers(place, even, factor, False), _marks(even)
        marks = (b"\n%b" % marks).replace(b"\n,", b"\n") if mark == "|" else marks
        rows = re.sub(rb"\n\n+", b"]],[[", marks.strip(b"\n")).replace(b"\n", b"],[")
        sizes, left = _levels(b"[[[%b]]]" % rows)
        if left != b"0":
            self.explain(place, lines, r"\n", mark or ",")
        array = array.reshape(sizes)
        if array.shape[2] > 1 and source.count('"') == 2 * array.shape[0] * array.shape[1]:
            self.fail(place, "a number in quotation marks in each line: its index, or a number")
        if array.shape[1] > 2 and array[0, 0].tolist() == [array.shape[1] - 1, 2]:
            self.fail(place, "its first line may be a row, or the numbers of rows and columns below")
        if (count := _counting(array[0])) > 1:
            self.fail(place, _INDICES)
        has_pairs = mark == "," and array.shape[2] == 2 and array.dtype.kind == "i"
        return array, _COMMAS if has_pairs else ("", _INDICES, _TITLES)[count]

    def cells(self, place: int, source: str) -> tuple[str, str]:
        """The lines of a table with decimal points only, and the mark between its cells; empty for blanks."""
        self.refuse(place, "\n" + source, r"[\n,;|\t] *\" *\"", "a number is missing between quotation marks")
        # If all cells stand in quotation marks, commas in them are decimal ones.
        quoted = source.replace('","', '";"')
        lines = source if '",' in quoted or ',"' in quoted else quoted
        # Remove lines of only bars, as in a drawn matrix; bars at the ends of lines separate nothing.
        lines = re.sub(r"(?m)^[ \t]*+\|[| \t]*+(?:\n|\Z)", "", lines) if "|" in lines else lines
        has_bars = "|" in lines and not re.fullmatch(_AT_ENDS, lines)
        lines = lines if has_bars else lines.replace("|", " ")
        has_tabs = "\t" in lines and re.search(r"\S *\t[ \t]*\S", lines)
        mark = "|" if has_bars else ";" if ";" in lines else "\t" if has_tabs else "," if "," in lines else ""
        # The beginning up to which no quoted cell contains the mark between cells.
        apart = mark or " "
        whole = re.match(rf'(?:[^"]*+(?<![^\s{apart}])"[ ]*+[^"\n{apart}]*+[ ]*+"(?![^\s{apart}]))*+[^"]*+', lines)
        if whole and whole.end() < len(lines):
            self.refuse(place + whole.end(), lines[whole.end() :], '^"[^"]*+"', _QUOTED)
            self.uneven(place, source)
        lines = lines.replace('"', " ")
        # If cells are separated by another mark, a comma is a decimal comma.
        if has_decimal := mark != "," and "," in lines:
            if mark == ";" and re.search(r";[ ]*$", lines, re.M):
                self.fail(place, "commas in lines that end in ';': decimal ones, or separators")
            self.refuse(place, lines, r"\.|,[0-9]*+,", "a separator of thousands beside a decimal one: leave it out")
            lines = lines.replace(",", ".")
        if (mark == ";" or has_decimal) and "." in lines and _MAYBE_THOUSANDS.fullmatch(lines):
            pointed = next(word for word in re.split(r"[\s|;]+", lines) if "." in word)
            self.fail(place, f"{pointed} is a decimal number, or {pointed.replace('.', '')}")
        return lines, mark

    def numbers(self, place: int, source: str, factor: str, in_code: bool) -> Array:
        """The numbers of a source times a factor, one after another."""
        kind = self.about.get("type", "")
        # NumPy misreads such characters as digits.
        if not source.isascii():
            self.refuse(place, source, r"[^\0-\x7f]{1,20}", "{0!r} is not a number")
        convert, power = self.converter(place, source, in_code), f"{float(factor or 1):.0e}"[1:]
        if not 0 < float(factor or 1) < np.inf:
            self.fail(place, f"the factor {factor} is beyond float64's range")
        steps = [(_MORE_IN_HEXADECIMAL, "")] if convert else [(_MORE, ""), (_POWER, "e")]
        steps = steps[::-1] if re.search(r"\bFloat", kind) else steps if in_code else []
        parts = [np.empty(0, np.int64)]
        # In chunks, since loadtxt takes much memory for a line.
        for chunk in _CHUNK.finditer(source):
            words = plain = f"{chunk[0].translate(_APART)} "
            if not in_code:
                # Fortran writes powers of ten with D, in tables too.
                plain = plain.replace("D+", "e+").replace("D-", "e-")
            elif steps[0][0] is _MORE and (suffix := _SUFFIX.match(plain)) and f" {suffix[1]} " not in plain:
                without = plain.replace(f"{suffix[1]} ", " ")
                plain = plain if without.encode().translate(None, _PLAIN) else without
            for pattern, put in steps if plain.encode().translate(None, _PLAIN) else []:
                plain = pattern.sub(put, plain)
            plain = _WORDS_END.sub(power, plain) if factor else plain
            is_decimal = factor or re.search("[.nNpP]" if convert else "[.nNeE]", plain)
            try:
                if not plain.isspace():
                    dtype = float if is_decimal else np.int64
                    parts.append(np.loadtxt([plain], dtype, comments=None, converters=convert, ndmin=1))
            except ValueError as error:
                self.no_number(place + chunk.start(), words, str(error))
        array = np.concatenate(parts)
        if np.isinf(array).any() and "inf" not in source.lower():
            self.fail(place, "a number beyond float64's largest")
        return self.declared(place, array, kind, convert is not None and "0x" in source.lower())

    def no_number(self, place: int, words: str, error: str) -> NoReturn:
        """Raise an error that names the word that is not a number, as far as NumPy's error tells it."""
        found = re.search(r"string (['\"])(.*?)\1? to (\w+) at", error, re.S)
        quote, word, form = found.groups() if found else ("'", "", "")
        said = f"{quote}{word[:20]}{quote} is not a number"
        if form == "int64" and re.fullmatch("[-+]?(?:0[xX][0-9a-fA-F]{15,}|[0-9]{18,})", word):
            said = f"an integer beyond int64's largest, {INT64_MAX} (2**63 - 1)"
        at = re.search(rf"(?<![^ ]){re.escape(word)}(?![-+.0-9])", words)
        self.fail(place + (at.start() if at else 0), said)

    def declared(self, place: int, array: Array, kind: str, is_hex: bool) -> Array:
        """The numbers as integers of the declared type, if there is one; an error if it can't hold them."""
        if not (integer := re.search(_INTEGER, kind or self.called)):
            return array
        if array.dtype.kind == "f":
            self.fail(place, f"decimals where {integer[0]} is declared")
        # Python's int is taken to have 64 bits. C's has 32: the highest bit of a hexadecimal number is its sign.
        bits = integer[3] or {"char": 8, "short": 16, "int": 32 if is_hex else 64}.get(integer[2].lower(), 64)
        held = array.astype(f"{'u' * bool(integer[1] or 'unsigned' in kind)}int{bits}")
        if ((held != array) & (not is_hex or array.astype(f"uint{bits}") != array)).any():
            self.fail(place, f"a number that {integer[0]} does not hold")
        return held.astype(np.int64)

    def converter(self, place: int, source: str, in_code: bool) -> Callable[[str], float] | None:
        """The function that reads hexadecimal and octal numbers, if any; an error if a number's base is unclear."""
        kind = self.about.get("type", "")
        integer = re.search(_INTEGER, kind or self.called)
        kind = re.sub(r"\b(?:const|var|val|static|final)\b", "", kind).strip()
        lower = source.lower() if in_code and not integer else ""
        if "0x" in lower and not re.search(r"float|double|0x[0-9a-f.]++(?:_?u|p)", kind + lower):
            self.fail(place + lower.index("0x"), "hexadecimal numbers without a type: some may be negative")
        has_letters = in_code and kind in ("", "let") and any(letter in source for letter in "dDfF")
        if has_letters and (found := _WITH_D.search(source) or (_WITHOUT.search(source) and _WITH_F.search(source))):
            self.fail(place + found.start(1), f"{found[1]} is hexadecimal, or has a type or a power behind it")
        if not kind:
            self.refuse(place, source, _SIZED, "{0} behind a number is a type in Rust, 10**{1} in Julia")
        if re.search(_LEADING_ZERO, source):
            in_c = in_code and "{" in source and ("[" in self.about.get("sizes", "") or "std::" in kind)
            octal = rf"(?!{_OCTAL})" * in_c
            words = "{0!r} begins with 0: a decimal number, or an octal or hexadecimal one"
            self.refuse(place, source, rf"{octal}{_LEADING_ZERO}[\w.]{{0,18}}+", words)
            return _of_its_base
        if not in_code or "0x" not in (lower := source.lower()):
            return None
        return _of_its_base if "p" in lower else partial(int, base=0)

    def explain(self, place: int, source: str, apart: str, mark: str = ",") -> NoReturn:
        """Raise an error that says what is wrong in a row, or that its length differs from that of the first."""
        rows = [row for row in re.finditer(f"[^{apart}]++", source) if row[0].strip() not in ("", ",")]
        is_marked, first = any(mark in row[0].strip().removesuffix(mark) for row in rows), 0
        for number, row in enumerate(rows, 1):
            # 0 for each number, with the marks between them.
            marks = re.sub(r"[\s\1\2]+", "", re.sub(r"[^\s,;\1\2]+", "0", row[0].replace(mark, ",")))
            marks = marks.removesuffix(",").removeprefix("," if mark == "|" else "")
            count = marks.count(",") + 1 if is_marked else marks.count("0")
            at, said = place + row.start(), re.sub(r"\s+", " ", row[0].strip()[:30])
            if first and count != first and ";" not in said:
                words = f"row {number} has {counted(count, 'number')}, row 1 has {first}"
                self.fail(at, f"{words}: all rows must be equally long")
            if is_marked and "00" in marks:
                has = "commas and blanks: decimal commas" if "," in said else "blanks and other marks: one number each"
                self.fail(at, f"{said!r} has {has}, or two numbers each")
            if ",," in f",{marks}," and ";" not in said:
                self.fail(at, f"a number is missing in {said!r}")
            first = first or count
        self.uneven(place, source)

    def uneven(self, place: int, source: str) -> NoReturn:
        """Raise an error for numbers that form no array."""
        semicolon = "';' may end a row, or an element; " if source[:1] in _OPENS and ";" in source else ""
        said = "rows nested or parted in different ways, several arrays without labels, or brackets that are not closed"
        self.fail(place, semicolon + said)


def _beside(boxes: re.Match[str]) -> str:
    """Framed matrices that stand side by side, as cnngrad prints them, rewritten one below the other."""
    starts = [found.start() for found in re.finditer(r"[┌+] +[┐+]", boxes["frame"])]
    lines = [boxes["titles"] or "", "", *boxes["rows"].splitlines(), ""]
    text = "\n".join(line[start:end].strip() for start, end in pairwise([*starts, None]) for line in lines)
    return "\n" + re.sub("[d∂]E/[d∂]", "dEd", text)
