r"""Arrays from text, as people's tools print and write them: a grammar for brackets, one for tables, a few wrappers.

    text     = { comment | mark | label | array }
    label    = [type] name [sizes], and = or := or : or <- or <<; or a single word in a line of its own
    mark     = a page "(:,:,1) =", "Columns 1 through 6", a factor "1.0e+03 *", sizes "4x3 Matrix{Float64}:", a prompt
    array    = {wrapper} brackets {keyword} | table
    brackets = open {number | array, apart by commas or by blanks} close; in [] a semicolon ends a row
    table    = lines of equally many numbers, apart by one of | ; tab comma, else by blanks; empty lines part planes
    number   = a decimal number; with the suffixes, exponents and hexadecimal digits of programming languages

An array is read as a whole: with an n for each number and no blanks its text must be the string that its first row,
first plane and so on predict, such as [[n,n],[n,n]], and NumPy must find as many numbers in it. All steps are linear.
What can be read in two ways is refused with both readings.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from math import prod
from typing import NoReturn

import numpy as np

from cnngrad.arrays import INT64_MAX, Array, Marked
from cnngrad.errors import CnngradError
from cnngrad.files.advice import text_advice
from cnngrad.files.loose import Labelled, Loose
from cnngrad.layer import Shape, counted

__all__ = ["parse_text"]


def parse_text(where: str, text: str) -> Loose | Labelled:
    r"""The array in a text, or several by their labels.

    Raises:
        CnngradError: another text; the message says where, and how to write it.

    >>> parse_text("x.txt", "tensor([[1, 2],\n        [3, 4]], dtype=torch.int32)").array.tolist()
    [[1, 2], [3, 4]]
    >>> parse_text("x.csv", "1,5;2\n3;4\n").array.tolist(), parse_text("x.csv", "1 2 3 4").axes
    ([[1.5, 2.0], [3.0, 4.0]], 0)
    """
    with warnings.catch_warnings():
        # NumPy's sign that it found something other than a number.
        warnings.simplefilter("error", DeprecationWarning)
        return _Reader(where, text).read()


# Patterns begin with a character, where they can, since the search for one is quick.
_NUMBER = r"(?:[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?|[-+]?(?i:nan|inf(?:inity)?))(?![\w.])"
# What programming languages write: 2.5f and 3UL, 1_000, 0x1.8p1, 2.5_f32, 1D3 or 1*^3.
_SPELLINGS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"[fFdDlLuU](?<=[0-9.].)[lL]{0,2}(?![\w.+-])"), ""),
    (re.compile(r"_(?<=[0-9]_)(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"0[xX][\da-fA-F.]++[pP][-+]?\d++"), lambda match: repr(float.fromhex(match[0]))),
    (re.compile(r"[_fiu](?<=[0-9.].)(?:(?<=_)[fiu]|(?<=[fiu]))(?:8|16|32|64)(?![\w.+-])"), ""),
    (re.compile(r"[dDf](?<=[0-9.].)(?=[-+]?[0-9])|\*\^(?<=[0-9.]..)(?=[-+]?[0-9])"), "e"),
)
_BASED = re.compile(
    r"0[0-7xX](?<![\w.]..)(?<![eEdDf^][-+]..)(?:(?<=[xX])[\da-fA-F]++|(?<=[0-7])[0-7]*+)[uUlL]*(?![\w.])"
)
_LEADING_ZERO = re.compile(rb"0[0-9](?<![\w.]..)(?<![eE][-+]..)")
_INTEGER = re.compile(r"(?<![^\W_])(unsigned\s++|u)?(?:int(\d*)|i(\d+)|(char|short|long))(?:_t)?(?![^\W_])", re.I)
_BITS = {"char": 8, "short": 16, "long": 64}
# A number whose point may part thousands; numbers that may be binary or hexadecimal if all are equally long.
_MAYBE_THOUSANDS = re.compile(r"[-+]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})?|0)")
_ALIKE = ({2}, {4}, {8}, {16}, {32})
_OTHER_BASE = re.compile(r"(?:\s*+[01]{4,}+)++\s*+\Z|[0-9\s]++[eE][0-9]")
_REFUSED = (
    (re.compile(r"[.…⋮⋯⋱<](?:(?<=[…⋮⋯⋱])|(?<=\.)\.\.(?!\][a-z])|(?<=<)repeats)"), "numbers are omitted here"),
    (
        re.compile(r"[\u00a0\u202f\u2009'’](?<=[0-9].)[0-9]{3}(?![0-9])"),
        "one number with a separator of thousands, or two",
    ),
    (re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]"), "a control character in a text"),
)
# What says nothing: comments, prompts with what was typed, the line in front of cnngrad's results, R's numbers of rows,
# titles of columns.
_COMMENT = r"(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z))"
_SILENT = re.compile(
    rf"\n[ \t]*+(?:{_COMMENT}|(?:#(?=[\sa-z=!-]|\Z)|%%?(?=\s|\Z))[^\n]*+|X [0-9x×]+ [·*] W [^\n]*|\[[0-9]+,\](?=[ \t])"
    r"|Out ?\[[0-9]+\][:=]|(?:>{1,3}|In ?\[[0-9]+\]:)(?:[ \t]*+[A-Za-z_][\w.]*;?[ \t]*+(?=\n|\Z)|(?=[ \t]*+\w+ ?=))"
    r"|\|(?=[^|\n]*[^|\s])[^\n]*\|[ \t]*+\n[ \t]*+\|(?=[ \t:|]*+-)[ \t:|-]*+(?=\n|\Z))"
)
_TRAILING = re.compile(rf"[,;{{}}][ \t]*+{_COMMENT}")
# Functions that leave an array as it is, and the keywords beside it.
_KNOWN = re.compile(
    r"(?:<.*|(?:new\s++)?(?:(?:np|numpy|cp|cupy|jnp|jax|torch|tf|mx|onp|nn|paddle)\.)*(?:(?:as|to_)?array"
    r"|(?:as_|to_)?tensor(?:[1-5]d)?|constant|[mM]atrix|\w*Array|\w*Tensor|Parameter|arr[123]|(?:float|u?int)[0-9]+)\()"
)
_KEYWORDS = (
    r"(?:\s*+,?+\s*+(?:(?:numpy|value)\s*+=|(?:dtype|device|requires_grad|grad_fn|shape|size|weak_type|place"
    r"|stop_gradient|strides|layout|const ndim|id)\s*+=\s*+(?:\([^()]*+\)|\[[0-9, ]*+\]|<[^<>]*+>|'[^'\n]*+'"
    r"|[\w.:]*+(?:\([^()]*+\)| \(\w+\))?)))*+"
)
_SAID = re.compile(r"(dtype|shape|size)\s*+=\s*+(\([^()]*\)|\[[^\[\]]*\]|[\w.']*)")
_WORDS = r"(?<=[0-9.])(?:[A-Za-z_]\w*+|\*\^)|(?i:nan|inf(?:inity)?)(?!\w)"
_WRAPPER = re.compile(
    r"[A-Za-z<](?<![\w.].)(?:(?<=<)tf\.\w+:?(?:\s++'[^'\n]*')?|(?<!<)(?:ew\s++)?[\w.]*+\()"
    rf"(?P<before>{_KEYWORDS}\s*+,?\s*+&?)(?P<held>(?:\s*+{_NUMBER}\s*+\*[ ]*\n)?"
    rf"(?:[-+.0-9,;\s\[\]{{}}]++|{_WORDS}|\([-+.0-9eE,\s]*+\))++)(?P<after>{_KEYWORDS})\s*+,?+\s*+[)>](?!\s*[\[{{])"
)
_BOXES = re.compile(
    r"\n(?P<titles>[^\n\[\]{}|┌+]{0,300}\n)?(?P<frame>[ \t]*+[┌+][ ]+[┐+][ ┌┐+]*\n)(?P<rows>(?:[ \t]*+\|[^\n]*\n)+)"
    r"[ \t]*+[└+][ └┘+]*(?=\n|\Z)"
)
_END = r"[ \t]*+(?:\n|\Z)"
_NAME = r"[A-Za-z_$@∂](?:[\w$./∂]|::)*+(?:\[[\"']\w+[\"']\])?"
_TYPE = rf"(?>(?:{_NAME}|<[^=\n()]{{0,200}}>|\[[^\]\n=]*+\]|[*&])[ \t]*+)"
_AXIS = r"[ ]*(?:[:.]|[0-9]+)[ ]*"
_TYPED = r"(?:new\s[\w.]*(?:\[[0-9,\s]{0,99}\])+|&(?:mut )?|\w+Array\([0-9]+\)|(?:\[[0-9.]*\])+[a-z]\w*(?=\s*\{))?\s*+"
_ROUND = r"\([0-9]+(?:[ ]*[x×,][ ]*[0-9]+)*,?\)"
# The forms, tried in this order; a group is called as what it says of an array.
_FORMS = re.compile(
    rf"(?:[ \t]*+\n)++|[ \t]++\Z|(?P<page1>, (?:, [0-9]+)+){_END}"
    rf"|[ \t]*+(?:ans|val|(?P<label1>[\w.]+))?[ \t]*+[(\[](?P<page2>(?:{_AXIS},)+(?:{_AXIS})?)[)\]][ ]*={_END}"
    rf"|[ \t]*+Columns?[ \t]++(?P<column1>[0-9]+)(?:[ \t]++(?:through|to|and|-)[ \t]++[0-9]+)?:?{_END}"
    rf"|[ \t]*+\[,(?P<column2>[0-9]+)\](?:[ \t]++\[,[0-9]+\])*{_END}|[ \t]*+(?P<factor1>{_NUMBER})[ \t]*+\*{_END}"
    rf"|[ \t]*+(?P<sizes1>[0-9]+(?:[x×][0-9]+)+|[0-9]+(?=-element)|{_ROUND}(?=[ \t]*+\n\s*+[\[{{\w.+-]))(?:-element)?"
    rf"[ \t]*+(?P<type1>[A-Za-z][^\n=]{{0,120}}?)?:?{_END}"
    rf"|(?:\[ ?[\w.]*(?:Type|Tensor)|Tensor\[\[|<NDArray )[^0-9\n]*+(?P<behind1>[0-9x, ]+)[^\n]*+(?:\n|\Z)"
    rf"|(?P<table>(?:(?<=[\n:=])(?!, ,)[ \t]*+(?:[-+.0-9\",;|]|(?i:nan|inf)(?!\w))[^\n\[\](){{}}=<>:*]*+"
    rf"(?:\n(?:[ \t]*+\n)*+|\Z))++)"
    rf"|[ \t]*+{_TYPED}(?P<brackets>[\[({{](?:(?:[-+.0-9,;\s\[({{]++|{_WORDS})*+[\])}}]++)++)(?P<after>{_KEYWORDS})"
    rf"[ \t]*+(?:;|,?+(?:{_END}|[ \t]*+(?P<stray>\S+)))"
    rf"|[ \t]*+(?P<type2>{_TYPE}*?)[*&]?[\"']?(?P<label2>{_NAME})[\"']?[ \t]*+"
    rf"(?P<sizes2>(?:\[[0-9]*\][ \t]*+)+|{_ROUND})?[ \t]*+"
    rf"(?::[ \t]*+(?P<type3>(?:{_TYPE}|[;0-9 \]])*+)=|:=|=(?!=)|<-|<<|:)"
    rf"|[ \t]*+(?P<type4>{_TYPE}+?)(?P<label4>{_NAME})(?=[{{])|[ \t]*+(?P<label3>{_NAME}){_END}"
)
# Each character of a number becomes an n, blanks become one blank; brackets and what stands between numbers stay.
_BLANKS, _APART = b"\t\n\v\f\r ", b'[](){},;|"'
_USUAL = bytes({*range(32, 127), *_BLANKS} - {*b"'"})
_PLAIN = b"0123456789+-.eE,;[](){} \t\n"
_FLAT = bytes.maketrans(_BLANKS + _APART, b" " * 16)
_IN_BRACKETS = bytes(32 if code in _BLANKS else code if code in _APART else ord("n") for code in range(256))
_IN_TABLE = bytes(code if code in b"\t\n" else letter for code, letter in enumerate(_IN_BRACKETS))
_CLOSES = {b"[": b"]", b"(": b")", b"{": b"}"}
_PIECE = re.compile(r".{1,65536}[^\s,]*+", re.S)
_ALL = _DEEPEST = 32
_FIELDS = {"dtype": "type", "shape": "sizes", "size": "sizes"}
_ZERO = "begins with 0: a decimal number, or an octal or hexadecimal one"
_INDICES = "its lines begin with counts: an index and a number each, or numbers alone"
Sizes = tuple[int | None, ...]


@dataclass
class _Part:
    """An array of the text, or a part of one, its place there, and what the text says about it."""

    numbers: Array
    place: int
    about: dict[str, str]
    axes: int = 0
    doubt: str = ""


def _sizes(text: str) -> Sizes:
    """Sizes or indices; None for an empty bracket, or for a whole axis of a page.

    >>> _sizes("[][3]"), _sizes("(2, 3)"), _sizes(":,:,1")
    ((None, 3), (2, 3), (None, None, 1))
    """
    found = re.findall(r"\[\s*+\]|[0-9]+|[:.]|(?:^|,)\s*(?=,)", text)
    return tuple(int(size) if size.isdigit() else None for size in found)


def _times(sizes: Sizes) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes)


def _gap(text: str) -> str:
    """As many blanks; line breaks and a mark at the beginning stay."""
    return re.sub(r"(?!\A)[^\n]|\A[^\n,;{}]", " ", text) if "\n" in text or text[:1] in ",;{}" else " " * len(text)


def _in_pieces(change: Callable[[str], str], text: str) -> str:
    """A change of numbers, piece by piece: many changes at once need much memory."""
    return "".join(change(piece[0]) for piece in _PIECE.finditer(text))


def _spelled(text: str, in_brackets: bool) -> str:
    """Numbers as Python writes them; of the spellings of languages a table has Fortran's exponents alone."""
    for pattern, change in _SPELLINGS if in_brackets else _SPELLINGS[-1:]:
        text = pattern.sub(change, text) if text.encode().translate(None, _PLAIN) else text
    return text


def _structure(letters: bytes) -> bytes:
    """One n for each run of them, without blanks."""
    codes = np.frombuffer(letters, np.uint8)
    kept = codes != ord(" ")
    kept[1:] &= (codes[1:] != ord("n")) | (codes[:-1] != ord("n"))
    return bytes(codes[kept])


def _shape(structure: bytes, opens: list[bytes], closes: list[bytes]) -> Shape:
    """The shape of numbers that are nested regularly in brackets, the outermost first; () if they are not."""
    unit, ends, shape = b"n", b"", Shape()
    for level in reversed(range(len(opens))):
        ends += closes[level]
        start, end = sum(map(len, opens[: level + 1])), len(structure)
        if closes[level]:
            end = structure.find(ends) + len(ends) - len(closes[level])
        apart = b"," if unit[-1:] != b"\n" and structure.startswith(b",", start + len(unit)) else b""
        count, rest = divmod(end - start + len(apart), len(unit + apart))
        if rest or count < 1:
            return ()
        unit = opens[level] + (unit + apart) * (count - 1) + unit + closes[level]
        shape = (count, *shape)
    return shape if unit == structure else ()


def _counting(array: Array) -> int:
    """How many first columns of a table count its rows; -1 if its first line counts."""
    lead, first = array[:, :-1], array[0]
    if len(array) > 2 and first.size > 1 and first[0] in (0, 1) and (np.diff(first) == 1).all():
        return -1
    if len(lead) > 1 and lead.size and np.isfinite(lead).all() and set(lead[0].tolist()) <= {0, 1}:
        sizes = [int(size) + 1 for size in lead[-1] - lead[0]]
        if min(sizes) > 0 and prod(sizes) == len(lead) and (lead - lead[0] == np.argwhere(np.ones(sizes))).all():
            return len(sizes)
    return 0


class _Reader:
    """Reads one text."""

    def __init__(self, where: str, text: str) -> None:
        self.where, self.text = where, "\n" + text.replace("\r\n", "\n").replace("\r", "\n")
        # What wrappers say of the arrays in them, by their places; what the text says of the array that comes next.
        self.wrapped, self.about = list[tuple[int, str]](), dict[str, str]()
        raw = self.text.encode(errors="surrogatepass")
        if raw.translate(None, _USUAL) or "..." in text or "<repeats" in text:
            for pattern, words in _REFUSED:
                if found := pattern.search(self.text):
                    self.fail(found.start(), f"{found[0]!r}: {words}")
        # Numbers and brackets alone need no more.
        if not raw.translate(None, _PLAIN) and ",]" not in text:
            return
        if not text.isascii():
            self.text = re.sub("[│⎡⎢⎣⎤⎥⎦]", "|", re.sub("[\u00a0\u202f]", " ", self.text.replace("−", "-")))
        for pattern in (_SILENT, _TRAILING) if "/" in text else (_SILENT,):
            self.text = pattern.sub(lambda match: _gap(match[0]), self.text)
        self.text = _BOXES.sub(self.boxes, self.text.replace("vec!", "    "))
        for _ in range(_DEEPEST):
            before, self.text = self.text, _WRAPPER.sub(self.unwrapped, self.text)
            if before == self.text:
                break

    def fail(self, place: int, words: str) -> NoReturn:
        """Raise an error with line and column, and how the text becomes readable."""
        # A line break stands in front of the first line.
        line = self.text.count("\n", 0, place + 1)
        column = place - self.text.rfind("\n", 0, place)
        advice = text_advice(self.where, self.text)
        raise CnngradError(f"{self.where}, line {line}, column {column}: {words}; {advice}")

    def unwrapped(self, match: re.Match[str]) -> str:
        """What a function that leaves an array as it is holds, where it stands."""
        if not _KNOWN.match(match[0]):
            return match[0]
        if said := match["before"] + match["after"]:
            self.wrapped.append((match.start(), said))
        before = match.start("held") - match.start()
        after = match.end("held") - match.start()
        return _gap(match[0][:before]) + match["held"] + _gap(match[0][after:])

    def boxes(self, match: re.Match[str]) -> str:
        """Matrices between frames, side by side, as cnngrad itself prints them, as pages one below the other."""
        starts = [found.start() for found in re.finditer(r"[┌+] +[┐+]", match["frame"])]
        cells = [re.findall(r"\|([^|]*)\|", line) for line in match["rows"].splitlines()]
        text = "\n"
        for number, (start, end) in enumerate(pairwise([*starts, None])):
            name, *place = re.split(" [·*] ", (match["titles"] or "")[start:end].strip())
            page = f"({','.join(re.findall('[0-9]+', place[0]))},:,:)" if place else ""
            text += name and f"{name.replace('∂E/∂', 'dEd').replace('dE/d', 'dEd')}{page} ="
            text += "\n".join(["", *(row[number] for row in cells if row[number:] and row[number].strip()), "", ""])
        return text

    def based(self, match: re.Match[str], place: int) -> str:
        """A hexadecimal number, or an octal one of C, as a decimal one."""
        digits, kind = match[0].rstrip("uUlL"), self.about.get("type", "")
        if digits[1] not in "xX":
            return str(int(digits, 8)) if kind and ("sizes" in self.about or "std::" in kind) else match[0]
        value = int(digits, 16)
        bits = 4 * len(digits) - 8
        integer = _INTEGER.search(kind)
        if not kind and bits in (8, 16, 32, 64) and value >> (bits - 1):
            self.fail(place, f"hexadecimal numbers without a type: in {bits} bits some are negative")
        if integer and not integer[1]:
            # The highest bit is the sign.
            bits = int(integer[2] or integer[3] or _BITS.get((integer[4] or "").lower(), 32))
            value -= (value >> (bits - 1) == 1) << bits
        return str(value)

    def array(self, place: int, source: str, opens: list[bytes], structure: bytes) -> _Part:
        """The array of a structure in these brackets, whose numbers stand in `source`."""
        flat, in_brackets = source.encode().translate(_FLAT) + b" ", opens[-1] != b""
        others, starts_zero = flat.translate(None, _PLAIN), _LEADING_ZERO.search(flat)
        if in_brackets and others and not others.strip(b"f") and not starts_zero:
            # The most frequent suffix, quickly; an f elsewhere stays and is no number's.
            flat = flat.replace(b"f ", b" ")
        elif others or starts_zero:
            based = _BASED.sub(lambda match: self.based(match, place), source) if in_brackets else source
            flat = _in_pieces(lambda piece: _spelled(piece, in_brackets), based).encode().translate(_FLAT)
        kind = "d" if re.search(rb"[.eEnN]", flat) else "q"
        try:
            numbers: Array = np.fromstring(flat, kind, sep=" ")
        except (ValueError, DeprecationWarning):
            self.explain(place, source)
        # NumPy gives the nearest of its integers in place of one that is too large.
        is_full = kind == "q" and {numbers.max(initial=0), numbers.min(initial=0)} & {INT64_MAX, -INT64_MAX - 1}
        if is_full and not all(-INT64_MAX - 1 <= int(word[:21]) <= INT64_MAX for word in flat.split()):
            self.fail(place, f"an integer beyond int64's largest, {INT64_MAX} (2**63 - 1)")
        shape = _shape(structure, opens, [_CLOSES.get(each, b"\n" * (level > 0)) for level, each in enumerate(opens)])
        if not shape or numbers.size != prod(shape) or (starts_zero and _LEADING_ZERO.search(flat)):
            self.explain(place, source)
        return _Part(numbers.reshape(shape), place, self.about)

    def explain(self, place: int, source: str) -> NoReturn:
        """Say which word is not a number, or where numbers are not apart, or not as many, as in the grammar."""
        in_brackets = source[:1] in "[({"
        for word in re.finditer(r"[^\s,;|\"\[\](){}]++", source):
            is_zero = re.match("[-+]?0[0-9]", word[0])
            if is_zero or not (re.fullmatch(_NUMBER, word[0]) or re.fullmatch(_NUMBER, _spelled(word[0], in_brackets))):
                self.fail(place + word.start(), f"{word[0][:20]!r} {_ZERO if is_zero else 'is not a number'}")
        row = r"[^\s\[\](){}][^\[\](){}]*+" if in_brackets else r"[^ \n][^\n]*+"
        rows = [found for found in re.finditer(row, source) if re.search(r"[^\s,]", found[0])]
        sizes = [len(re.findall(r"[^\s,;|\"]+", row[0])) for row in rows]
        for number, (found, size) in enumerate(zip(rows, sizes, strict=True), 1):
            start = place + found.start()
            said = re.sub(r"\s+", " ", found[0].strip()[:30])
            if re.search(r"^\s*[,;\t]|[,;\t][ ]*[,;\t]", found[0]):
                self.fail(start, f"a number is missing in {said!r}")
            if re.search(r"[,;|\t]", found[0].strip()) and re.search(r"[\w.][ ]++[-+.\w]", found[0]):
                self.fail(start, f"{said!r} has commas and blanks: decimal commas, or two numbers each")
            if size != sizes[0]:
                words = f"row {number} has {counted(size, 'number')}, row 1 has {sizes[0]}"
                self.fail(start, f"{words}: all rows must be equally long")
        self.fail(place, "rows that are nested or parted in different ways, or brackets that are not closed")

    def brackets(self, place: int, source: str) -> _Part:
        """Brackets, or several one behind the other; as in MATLAB, semicolons or lines end the rows of [] alone."""
        found = re.match(r"[\s\[({]+", source)
        opens = [b"", *(bytes([code]) for code in "".join(found[0].split()).encode())] if found else []
        if len(opens) > _DEEPEST:
            raise CnngradError(f"{self.where} is nested too deeply: a layer's arrays have at most 5 axes")
        if re.search(r"[;\n]", source) and re.fullmatch(r"\[[^\[\](){}]*\]", source):
            held = source[1:-1].replace("\n", " ") if re.search(r",[ \t]*+\n", source) else source[1:-1]
            lines = re.sub(r"\n\s*\n", "\n", held.replace(";", "\n")).strip()
            by_lines = not re.search("[,;]", source)
            if ";;" in source or re.search(r"\A\[[^;]*;\s*[1-9][0-9]*\s*\]\Z", source):
                words = "rows as in MATLAB, or a number repeated, or axes as in Julia"
                self.fail(place, f"{source[1:-1][:30]!r}: {words}")
            if "\n" in lines and not (by_lines and len({len(row.split()) for row in lines.split("\n")}) > 1):
                part = self.table(place + 1, lines)
                part.axes, part.doubt = 2, ""
                if by_lines and self.text[place + len(source) :].lstrip()[:1] != ";":
                    part.axes, part.doubt = 0, "its lines are rows, or one row: write each row in brackets of its own"
                return part
        if ";" in source:
            self.fail(place + source.index(";"), "';' in these brackets: the end of a row, or of an element")
        structure = _structure(source.encode().translate(_IN_BRACKETS))
        closes = {_CLOSES[each] for each in opens[1:]}
        for close, other in product(closes, (*closes, *opens[1:])):
            structure = structure.replace(b"," + close, close).replace(close + b"," + other, close + other)
        part = self.array(place, source, opens, structure)
        part.axes = part.numbers.ndim - 1
        if len(part.numbers) == 1:
            part.numbers = part.numbers[0]
        return part

    def table(self, place: int, source: str) -> _Part:
        """Lines of a table, or of several planes with empty lines between."""
        lines = source.rstrip()
        quoted = re.compile(r'("[-+]?[0-9]+),([0-9]+")')
        if '"' in lines and quoted.search(lines):
            lines = _in_pieces(lambda piece: quoted.sub(r"\1.\2", piece), lines)
        if "\t" in lines and not re.search(r"\S[ ]*\t[ \t]*\S", lines):
            lines = lines.replace("\t", " ")
        mark = next((mark for mark in "|;\t," if mark in lines), "")
        has_decimal = "," in lines and mark != ","
        ends = mark != "|" and not re.search(rf"[^ {mark}\n][ ]*$", lines, re.M)
        if has_decimal and ends and mark == ";":
            self.fail(place, "commas in lines that end in ';': decimal ones, or separators")
        # Beside all other marks a comma is a decimal one.
        if has_decimal and (found := re.search(r"[.,][0-9]*+,|,[0-9]*+\.", lines)):
            self.fail(place + found.start(), "a separator of thousands beside a decimal one: leave it out")
        lines = lines.replace(",", ".") if has_decimal else lines
        found = re.search(r"(?<![-+\w])[-+\w]*+\.\w*", lines) if mark == ";" or lines != source.rstrip() else None
        if found and all(_MAYBE_THOUSANDS.fullmatch(word[0]) for word in re.finditer(r"[^\s|;,\"]+", lines)):
            self.fail(place, f"{found[0]} is a decimal number, or {found[0].replace('.', '')}")
        if _OTHER_BASE.match(lines) and {len(word) for word in re.findall(r"[^\s,;|]+", lines)} in _ALIKE:
            self.fail(place, "numbers of as many digits each: decimal, or binary or hexadecimal ones")
        structure = _structure(lines.encode().translate(_IN_TABLE).replace(b"\t", b"\t" if mark == "\t" else b" "))
        structure = structure.replace(b'"n"', b"n")
        if mark == "|":
            structure = (b"\n" + structure + b"\n").replace(b"\n|", b"\n").replace(b"|\n", b"\n")[1:-1]
        elif ends and mark:
            structure = re.sub(mark.encode() + rb"$", b"", structure, flags=re.M)
        structure = re.sub(rb"\n{3,}", b"\n\n", structure.replace(mark.encode() or b",", b",")) + b"\n\n"
        part = self.array(place, lines, [b"", b"", b""], structure)
        planes, rows, columns = part.numbers.shape
        if (count := _counting(part.numbers[0])) > 1:
            self.fail(place, _INDICES)
        part.doubt = ("", _INDICES, "its first line counts: titles, or numbers")[count]
        part.axes = 0 if columns == 1 or planes * rows == 1 else 1 if 1 in (planes, rows) else 2
        sizes = [size for size in (planes, rows, columns) if size > 1]
        part.numbers = part.numbers[0] if planes == 1 else part.numbers.reshape(sizes)
        return part

    def read(self) -> Loose | Labelled:
        """The arrays of the text, by label if there are several."""
        groups, label, place = dict[str, list[_Part]](), "", 0
        while place < len(self.text):
            match = _FORMS.match(self.text, place)
            if not match or match["stray"]:
                place = match.start("stray") if match else place + len(re.findall(r"\A\s*", self.text[place:])[0])
                words = re.findall(r"\A(?:[^\s\[{(]*[(]|\S+)", self.text[place : place + 30])[0]
                self.fail(place, f"{words!r} belongs to no array of numbers")
            said = {key.rstrip("1234"): value.strip() for key, value in match.groupdict().items() if value}
            after = said.pop("after", "")
            form = next((form for form in ("brackets", "table") if form in said), "")
            if form:
                while self.wrapped and self.wrapped[0][0] < match.end():
                    after += self.wrapped.pop(0)[1]
                self.about |= {_FIELDS[key]: value for key, value in _SAID.findall(after)}
                part: _Part = getattr(self, form)(match.start(form), match[form])
                if "label" in self.about and (self.about["label"] != label or "page" not in self.about):
                    label = self.about["label"]
                    if label in groups:
                        self.fail(part.place, f"a second array is called {label}")
                groups.setdefault(label, []).append(part)
                self.about = {key: value for key, value in self.about.items() if key == "factor"}
            elif "behind" in said and label in groups:
                groups[label][0].about.setdefault("sizes", said["behind"])
            else:
                kept = {} if "label" in said else self.about
                self.about = {key: value for key, value in kept.items() if key != "factor" or "page" not in said} | said
            place = match.end()
        if left := [self.about[key] for key in ("label", "page", "column", "sizes", "type") if key in self.about]:
            self.fail(len(self.text) - 1, f"no array follows {left[0]}")
        if not groups:
            raise CnngradError(f"{self.where} is empty: there is no number in it")
        if "" in groups and len(groups) > 1:
            self.fail(groups[""][0].place, f"an array without a label beside {', '.join(filter(None, groups))}")
        arrays = {label: self.joined(parts) for label, parts in groups.items()}
        return Labelled(arrays) if len(arrays) > 1 else next(iter(arrays.values()))

    def joined(self, parts: list[_Part]) -> Loose:
        """The array that consecutive columns, pages or planes make."""
        wholes: list[_Part] = []
        for part in parts:
            if factor := part.about.get("factor"):
                power = Decimal(factor)
                if power != Decimal(10) ** power.adjusted():
                    self.fail(part.place, f"the factor {factor} is no power of ten")
                scaled = [float(Decimal(repr(value)) * power) for value in part.numbers.ravel().tolist()]
                part.numbers = np.reshape(scaled, part.numbers.shape)
            column, rows = int(part.about.get("column", 1)), len(part.numbers)
            if column == 1:
                wholes.append(part)
            elif wholes and wholes[-1].numbers.size == rows * (column - 1):
                sides = [each.numbers.reshape(rows, -1) for each in (wholes[-1], part)]
                wholes[-1].numbers, wholes[-1].axes = np.hstack(sides), 1
            else:
                self.fail(part.place, f"column {column} does not continue the columns in front of it")
        first = wholes[0]
        shapes = dict.fromkeys(_times(part.numbers.shape) for part in wholes)
        if len(shapes) > 1:
            words = f"several arrays without labels, or parts of one: {' and '.join(list(shapes)[:9])}"
            self.fail(wholes[1].place, words)
        array, axes = first.numbers, first.axes
        if any("page" in part.about for part in wholes):
            array, axes = self.placed(wholes)
        elif len(wholes) > 1:
            array = np.stack([part.numbers if axes else part.numbers.ravel() for part in wholes])
            axes = _ALL if axes == 2 else array.ndim - 1
        elif not axes and not first.doubt and 1 in array.shape:
            array = array.ravel()
        kind = first.about.get("type", "")
        nested = "x".join(reversed(re.findall(r"[,;]\s*([0-9]+)\s*[>\]]", kind)))
        sizes = _sizes(first.about.get("sizes") or nested)
        want = tuple(size for size in sizes if size is not None)
        if sizes and len(want) == len(sizes):
            bare, asked = ([size for size in shape if size != 1] for shape in (array.shape, want))
            if prod(want) != array.size or (array.ndim > 1 and bare != asked):
                self.fail(first.place, f"{_times(sizes)} is declared, but {_times(array.shape)} is there")
            array, axes = array.reshape(want), _ALL
        if integer := _INTEGER.search(kind):
            if not np.isfinite(array).all() or (array != np.floor(array)).any():
                self.fail(first.place, f"decimals where {integer[0]} is declared")
            array = array.astype(np.int64)
        few = re.search(r"float(?:16|32)", kind)
        axes = 0 if array.ndim == 1 else min(axes, array.ndim)
        return Loose(array.view(Marked), axes, axes == 0 < array.ndim - 1, few[0] if few else "", first.doubt)

    def placed(self, parts: list[_Part]) -> tuple[Array, int]:
        """Pages where their indices, counted from 0 or 1, name; and how many axes are written."""
        pages = [_sizes(part.about.get("page", "")) for part in parts]
        free = [axis for axis, index in enumerate(pages[0]) if index is None]
        fixed = [tuple(index for index in page if index is not None) for page in pages]
        least = min(map(min, fixed)) if all(fixed) else -1
        sizes = tuple(max(column) - least + 1 for column in zip(*fixed, strict=False))
        is_whole = parts[0].numbers.ndim == len(free) and len({*map(len, fixed)}) == 1
        if not is_whole or least not in (0, 1) or not len(set(fixed)) == len(fixed) == prod(sizes):
            self.fail(parts[0].place, f"{len(fixed)} pages with indices: some are missing or stand twice")
        stacked = np.stack([part.numbers for part in parts])[np.lexsort(np.transpose(fixed)[::-1])]
        array = stacked.reshape(*sizes, *stacked.shape[1:] if free else ())
        # Pages of one row may be vectors.
        axes = 0 if free and free[0] and array.shape[-2] == 1 else _ALL
        return np.moveaxis(array, range(len(sizes), array.ndim), free), axes
