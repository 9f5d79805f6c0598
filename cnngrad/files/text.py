r"""Arrays from text, as people's tools print and write them: a grammar for brackets, one for tables, a few wrappers.

    text     = { comment | header | brackets | table }
    header   = a label [type] name [sizes], and = or := or : or <- or <<, or a single word in a line of its own
             | a page "(:,:,1) =", "Columns 1 through 6", a factor "1.0e+03 *", sizes "4x3 Matrix{Float64}:"
    brackets = open {number | brackets, apart by commas or by blanks} close; in [] a semicolon ends a row
    open     = one of [ ( { or a function that leaves an array as it is, such as tensor( or np.float64(
    table    = lines of equally many numbers, apart by one of | ; tab comma, else by blanks; empty lines part planes
    number   = a decimal number; in brackets also with the suffixes, exponents and bases of programming languages

What stands between two headers is read as a whole: with an n for each number and no blanks its text must be the string
that its first row, first plane and so on predict, such as [[n,n],[n,n]], and NumPy must find as many numbers in it. A
table's planes and rows are brackets of their own there. All steps are linear in the text. What can be read in two ways
is refused with both readings.
"""

import re
import warnings
from itertools import chain, pairwise
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
# What follows digits in programming languages: 1_000, 2.5f, 3UL, 2.5_f32; and exponents in Julia, Fortran, Mathematica.
_SPELLINGS = (
    (b"inf", b"INF"),
    *((suffix + b" ", b" ") for suffix in b"_f32 _f64 _i32 f32 f64 i32 l l u f d".split()),
    *((sign, b"e") for sign in (b"f", b"d", b"*^")),
)
_BASED = re.compile(
    rb"0x(?<![\w.]0x)(?:[0-9a-f]{1,16}+(?![0-9a-f.p])"
    rb"|(?=\.?[0-9a-f])[0-9a-f]{0,6}+\.?[0-9a-f]*+p[-+]?[0-9]{1,3}+(?![0-9]))"
)
_UNDERSCORE = re.compile(rb"_(?<=[0-9]_)(?=[0-9]{3}(?![0-9]))")
_LEADING_ZERO = re.compile(rb"0[0-9](?<![\w.]..)(?<!e[-+]..)[\w.]*+")
_HIGHEST_BIT = re.compile(r"0[xX][89a-fA-F](?:[\da-fA-F]{2}){0,7}[\da-fA-F](?![\da-fA-F])")
_INTEGER = re.compile(r"(?<![a-z])(unsigned\s++|u)?(int(?:8|16|32|64)?|char|short|long)(?![a-z])", re.I)
_INTEGERS = {"char": "int8", "short": "int16", "int": "int32", "long": "int64"}
# Numbers whose points may part thousands; numbers that may be binary or hexadecimal.
_MAYBE_THOUSANDS = re.compile(r"(?:[\s|;\"]++|[-+]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})?|0)(?![\w.]))*+")
_OTHER_BASE = re.compile(r"(?:\s*+[01]{4,}+)++\s*+\Z|[0-9\s]*\s[0-9]++[eE][0-9]++")
_REFUSED = {
    r"[.…⋮⋯⋱<](?:(?<=[…⋮⋯⋱])|(?<=\.)\.\.(?!\][a-z])|(?<=<)repeats)": "numbers are omitted here",
    r"[\u00a0\u202f\u2009'’](?<=[0-9].)[0-9]{3}(?![0-9])": "one number with a separator of thousands, or two",
    r"[\0-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]": "a control character in a text",
}
# What says nothing, in the second group: comments, prompts with what was typed, the line in front of cnngrad's results,
# R's numbers of rows, titles of columns.
_COMMENT = r"(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z))"
_SILENT = re.compile(
    rf"(\n)([ \t]*+(?:{_COMMENT}|(?:#(?=[\sa-z=!-]|\Z)|%%?(?=\s|\Z))[^\n]*+"
    r"|X [0-9x×]+ [·*] W [^\n]*|\[[0-9]+,\](?=[ \t])|Out ?\[[0-9]+\][:=]"
    r"|(?:>{1,3}|In ?\[[0-9]+\]:)(?:[ \t]*+[A-Za-z_][\w.]*;?[ \t]*+(?=\n|\Z)|(?=[ \t]*+\w+ ?=))"
    r"|\|(?=[^|\n]*[^|\s])[^\n]*\|[ \t]*+\n[ \t]*+\|(?=[ \t:|]*+-)[ \t:|-]*+(?=\n|\Z)))"
)
_TRAILING = re.compile(rf"([,;{{}}][ \t]*+)({_COMMENT})")
# Functions that leave an array as it is, and the keywords beside it.
_CALL = re.compile(
    r"[A-Za-z_<](?<![\w.].)(?:(?<=<)tf\.\w++:?(?:\s++'[^'\n]*+')?|(?<!<)(?:[\w.]|::)*+\((?![0-9]+\)\s*\[))"
)
_KNOWN = re.compile(
    r"<.*|(?:(?:np|numpy|cp|cupy|jnp|jax|torch|tf|mx|nd|onp|nn|paddle)(?:\.|::)){0,2}"
    r"(?:(?:(?:as|to)_?)?(?:array|tensor)(?:[1-5]d)?|constant|[mM]atrix|(?:Device|ND|Float(?:32|64)|Int(?:8|32))?Array"
    r"|(?:Eager|Float|Double|Long|Int)?Tensor|Parameter|arr[123]|(?:float|u?int)[0-9]{1,2})\("
)
_BESIDE = "size|device|requires_grad|grad_fn|weak_type|place|stop_gradient|strides|layout|const ndim|id"
_VALUE = r"(?:\([^()]*+\)|\[[0-9, ]*+\]|<[^<>]*+>|'[^'\n]*+'|[\w.:]*+(?:\([^()]*+\)| \(\w+\))?)"
_KEYWORDS = re.compile(
    rf"numpy=|value=|dtype=(?P<type>{_VALUE}),?|shape=(?P<sizes>{_VALUE}),?"
    + "".join(f"|{key}={_VALUE},?" for key in _BESIDE.split("|"))
)
_BOXES = re.compile(
    r"\n(?P<titles>[^\n\[\]{}|┌+]{0,300}\n)?(?P<frame>[ \t]*+[┌+][ ]+[┐+][ ┌┐+]*\n)(?P<rows>(?:[ \t]*+\|[^\n]*\n)+)"
    r"[ \t]*+[└+][ └┘+]*(?=\n|\Z)"
)
_END = r"[ \t]*+(?=\n|\Z)"
_NAME = r"[A-Za-z_$@∂](?:[\w$./∂]|::)*+(?:\[[\"']\w+[\"']\])?"
_TYPE = rf"(?>(?:{_NAME}|<[^=\n()]{{0,200}}>|\[(?:[\[ &]*+[A-Za-z][^\]\n=]*+|[, ]*+)\]|[*&])[ \t]*+)"
_AXIS = r"[ ]*(?:[:.]|[0-9]+)[ ]*"
_ROUND = r"\([0-9]+(?:[ ]*[x×,][ ]*[0-9]+)*,?\)"
# A type or a macro in front of brackets.
_TYPED = re.compile(
    r"\s*+(?:new\s[\w.]*(?:\[[0-9,\s]{0,99}\])*|\w+Array\([0-9]+\)|(?:\[[0-9.]*\])+[a-z]\w*(?=\s*\{))?\s*+"
)
# Lines that say something of the array below, or above; a group is called as what it says.
_HEADER = re.compile(
    rf"[\n\1][ \t]*+(?![\"|\[ ]*+[-+.0-9][-+.0-9eE,;|\" \t\]]*+(?:\n|\Z))"
    rf"(?:(?P<page1>, (?:, [0-9]+)+){_END}|(?P<factor>10*+(?:\.0*+)?(?:[eE][-+]?[0-9]++)?|0\.0*+1)[ \t]*+\*{_END}"
    rf"|(?:ans|val|(?P<label1>[A-Za-z][\w.]*+))?[ \t]*+[(\[](?P<page2>(?:{_AXIS},)+(?:{_AXIS})?)[)\]][ ]*={_END}"
    rf"|(?P<label2>{_NAME}) [·*] (?P<page3>[a-z]+ [0-9]+(?:, [a-z]+ [0-9]+)*){_END}"
    rf"|Columns?[ \t]++(?P<column1>[0-9]+)(?:[ \t]++(?:through|to|and|-)[ \t]++[0-9]+)?:?{_END}"
    rf"|\[,(?P<column2>[0-9]+)\](?:[ \t]++\[,[0-9]+\])*{_END}"
    rf"|(?P<sizes1>[0-9]++(?:[x×][0-9]+)+|[0-9]++(?=-element)|{_ROUND}(?=[ \t]*+\n\s*+[\[{{\w.+-]))(?:-element)?"
    rf"[ \t]*+(?P<type1>[A-Za-z][^\n=]{{0,120}}?)?:?{_END}"
    rf"|(?:\[ ?[\w.]*(?:Type|Tensor)|Tensor\[\[|<NDArray )[^0-9\n]*+(?P<sizes2>[0-9x, ]+)[^\n]*+"
    rf"|(?!\[)(?P<type2>{_TYPE}*?)[*&]?[\"']?(?!(?:dtype|shape|{_BESIDE})=)(?P<label3>{_NAME})[\"']?[ \t]*+"
    rf"(?P<sizes3>(?:\[[0-9]*\][ \t]*+)+|{_ROUND})?[ \t]*+"
    rf"(?::[ \t]*+(?P<type3>(?:{_TYPE}|[;0-9 \]])*+)=|:=|=(?!=)|<-|<<|:|(?={{))"
    rf"|(?!(?i:nan|inf))(?P<label4>{_NAME}){_END})"
)
# Each character of a number becomes an n, blanks become one blank; brackets and what stands between numbers stay.
_BLANKS, _APART = b"\v\f\r ", b'\n\t\1[](){},;|"'
_ASCII = str.maketrans("−\u00a0\u202f│⎡⎢⎣⎤⎥⎦", "-  |||||||")
_USUAL = bytes({*range(32, 127)} - {*b"'"})
_PLAIN = b"0123456789+-.eE,;[](){} \t\n"
_FLAT = bytes.maketrans(bytes(range(65, 91)) + _BLANKS + _APART, bytes(range(97, 123)) + b" " * 17)
_LETTERS = bytes(32 if code in _BLANKS else code if code in _APART else ord("n") for code in range(256))
# Numbers in a row, and the innermost brackets: those of the text, those that stand for a function, a plane and a row.
_ROW = rb"n(?:(?:,n)++|n*+)"
_INNERMOST = re.compile(rb"[(\x01]%b,?\)|\[%b,?\]|\{%b,?\}|\x02%b\x03|\x04%b\x05".replace(b"%b", _ROW))
_PIECE = re.compile(rb".{1,65536}[^ ]*+")
_OPENS, _DEEPEST = "[({\1", 32
_LINES = "its lines are rows, or one row: write each row in brackets of its own"
_ZERO = "begins with 0: a decimal number, or an octal or hexadecimal one"
_INDICES = "its lines begin with counts: an index and a number each, or numbers alone"
# Where a part of the text between two headers begins, of which column and factor it is, and its pieces.
Chunk = tuple[int, dict[str, str], list[str]]


def _sizes(text: str) -> tuple[int | None, ...]:
    """Sizes or indices; None for an empty bracket, or for a whole axis of a page.

    >>> _sizes("[][3]"), _sizes("(2, 3)"), _sizes(":,:,1")
    ((None, 3), (2, 3), (None, None, 1))
    """
    found = re.findall(r"\[\s*+\]|[0-9]+|[:.]|(?:^|,)\s*(?=,)", text)
    return tuple(int(size) if size.isdigit() else None for size in found)


def _gap(text: str) -> str:
    """As many blanks; line breaks and the openings of functions stay."""
    return re.sub(r"[^\n\1]", " ", text)


def _flat(source: str, in_code: bool) -> bytes:
    """Numbers as Python writes them, with blanks between; in code also as programming languages do."""
    flat = source.encode().translate(_FLAT) + b" "
    if not in_code or not (others := {*flat.translate(None, _PLAIN)}):
        return flat
    if b"0x" in flat:
        flat = b"".join(_BASED.sub(_decimal, piece[0]) for piece in _PIECE.finditer(flat))
    flat = _UNDERSCORE.sub(b"", flat)
    for old, new in _SPELLINGS:
        flat = flat.replace(old, new) if old[0] in others else flat
    return flat


def _decimal(match: re.Match[bytes]) -> bytes:
    """A hexadecimal number as a decimal one."""
    return repr(float.fromhex(match[0].decode())).encode() if b"p" in match[0] else b"%d" % int(match[0], 16)


def _structure(source: str) -> bytes:
    """One n for each number, brackets, and what stands between, without blanks."""
    codes = np.frombuffer(source.encode().translate(_LETTERS), np.uint8)
    kept = codes != ord(" ")
    kept[1:] &= (codes[1:] != ord("n")) | (codes[:-1] != ord("n"))
    return bytes(codes[kept])


def _shape(structure: bytes) -> Shape:
    """The shape of numbers that are nested regularly, the outermost first; () if they are not.

    From the innermost brackets on, all that is in brackets must be the same, and counts as a number.

    >>> _shape(b"[n,n,n][n,n,n]"), _shape(b"[[n,n],[n]]")
    ((2, 3), ())
    """
    shape = Shape()
    for _ in range(_DEEPEST):
        if not (found := _INNERMOST.search(structure)):
            break
        structure, count = structure.replace(found[0], b"N"), found[0].count(b"n")
        if b"n" in structure:
            return ()
        structure = structure.lower()
        # A function holds one array; if it holds more, the shape has too few numbers.
        shape = shape if found[0].startswith(b"\1") else (count, *shape)
    return (structure.count(b"n"), *shape) if re.fullmatch(_ROW, structure) else ()


def _counting(array: Array) -> int:
    """How many first columns of a table count its rows; -1 if its first line counts."""
    lead, first = array[:, :-1], array[0]
    if len(array) > 2 and first.size > 1 and first[0] in (0, 1) and (np.diff(first) == 1).all():
        return -1
    if len(lead) < 2 or not lead.size or {*lead.min(axis=0).tolist()} - {0, 1}:
        return 0
    counts = prod((np.ptp(lead, axis=0) + 1).tolist())
    return lead[0].size if counts == len(lead) == len(np.unique(lead, axis=0)) else 0


class _Reader:
    """Reads one text."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        # The label of the array that is read, what is said of it, the indices of its pages, and its parts.
        self.label, self.about, self.pages = "", dict[str, str](), list[str]()
        self.chunks: list[Chunk] = [(0, {}, [])]
        self.text = "\n" + text.replace("\r\n", "\n").replace("\r", "\n")
        raw = self.text.encode(errors="surrogatepass").translate(None, _PLAIN)
        if raw.translate(None, _USUAL) or "..." in text or "<repeats" in text:
            for pattern, words in _REFUSED.items():
                if found := re.search(pattern, self.text):
                    self.fail(found.start(), f"{found[0]!r}: {words}")
        # Numbers and brackets alone need no more.
        if not raw and ",]" not in text:
            return
        if not text.isascii():
            self.text = self.text.translate(_ASCII)
        for silent in (_SILENT, _TRAILING) if b"/" in raw else (_SILENT,):
            self.text = silent.sub(lambda match: match[1] + _gap(match[2]), self.text)
        self.text = _BOXES.sub(_beside, self.text.replace("vec!", "    ").replace("&[", " ["))
        found = _CALL.search(self.text) if "(" in text else None
        while found:
            if _KNOWN.fullmatch(found[0]):
                self.text = self.text.replace(found[0], " " * (len(found[0]) - 1) + "\1")
            found = _CALL.search(self.text, found.end())

    def fail(self, place: int, words: str) -> NoReturn:
        """Raise an error with line and column, and how the text becomes readable."""
        # A line break stands in front of the first line.
        line = self.text.count("\n", 0, place + 1)
        column = place - self.text.rfind("\n", 0, place)
        advice = text_advice(self.where, self.text)
        raise CnngradError(f"{self.where}, line {line}, column {column}: {words}; {advice}")

    def read(self) -> Loose | Labelled:
        """The arrays of the text, by label if there are several."""
        arrays = dict[str, Loose]()
        for header, following in pairwise(chain([None], _HEADER.finditer(self.text), [None])):
            found = header.groupdict() if header else {}
            said = {key.rstrip("1234"): value for key, value in found.items() if value}
            label, page = said.pop("label", ""), said.pop("page", "")
            marks = {key: said.pop(key) for key in ("column", "factor") if key in said}
            start, before = header.end() if header else 0, self.chunks[-1][1]
            gap = header[0][0] + " " * (len(header[0]) - 1) if header else ""
            if label and not (page and label == self.label):
                self.finish(arrays)
                self.label, self.about, self.pages = label, {}, []
                self.chunks = [(start, {}, [])]
            elif marks or before:
                self.chunks.append((start - len(gap), ({} if page else before) | marks, [gap]))
            else:
                self.chunks[-1][2].append(gap)
            self.chunks[-1][2].append(self.text[start : following.start() if following else None])
            self.pages += [page] if page else []
            self.about = said | self.about
        self.finish(arrays)
        if self.label and self.label not in arrays:
            self.fail(self.chunks[0][0] - 1, f"no array follows {self.label}")
        if not arrays:
            self.fail(0, "the text is empty: there is no number in it")
        if "" in arrays and len(arrays) > 1:
            self.fail(0, f"an array without a label beside {', '.join(filter(None, arrays))}")
        return Labelled(arrays) if len(arrays) > 1 else next(iter(arrays.values()))

    def finish(self, arrays: dict[str, Loose]) -> None:
        """Put the array that is read, if there is one, to the others by its label."""
        place, (array, axes, doubt) = self.chunks[0][0], self.joined()
        if not array.size:
            return
        if self.label in arrays:
            self.fail(place, f"a second array is called {self.label}")
        kind = self.about.get("type", "")
        nested = "x".join(reversed(re.findall(r"[,;]\s*([0-9]+)\s*[>\]]", kind)))
        sizes = _sizes(self.about.get("sizes", nested))
        want = tuple(size for size in sizes if size is not None)
        if sizes and len(want) == len(sizes):
            bare, asked = ([size for size in shape if size != 1] for shape in (array.shape, want))
            if prod(want) != array.size or (array.ndim > 1 and bare != asked):
                said, there = ("x".join(map(str, shape)) for shape in (want, array.shape))
                self.fail(place, f"{said} is declared, but {there} is there")
            array, axes = array.reshape(want), _DEEPEST
        few = re.search(r"float(?:16|32)", kind)
        axes = 0 if array.ndim == 1 else min(axes, array.ndim)
        arrays[self.label] = Loose(array.view(Marked), axes, axes == 0 < array.ndim - 1, few[0] if few else "", doubt)

    def joined(self) -> tuple[Array, int, str]:
        """The array that consecutive columns, pages or planes make, how many axes are written, and a doubt."""
        lines, first, doubt, is_table = list[list[Array]](), 0, "", False
        for start, marks, pieces in self.chunks:
            source = "".join(pieces).rstrip()
            begin = len(source) - len(_TYPED.sub("", source, count=1))
            if begin == len(source):
                continue
            is_table = source[begin] not in _OPENS
            read = self.table if is_table else self.brackets
            # The first line of a table may begin with a tab.
            begin = source.rfind("\n", 0, begin) + 1 if is_table else begin
            array, doubt = read(start + begin, source[begin:], marks.get("factor", ""))
            column = int(marks.get("column", 1))
            if column in (0, 1):
                lines, first = [*lines, []], column
            if not lines or column != first + sum(part.shape[-1] for part in lines[-1]):
                self.fail(start, f"column {column} does not continue the columns in front of it")
            lines[-1].append(array)
        try:
            array = np.concatenate([np.concatenate(parts, axis=-1) for parts in lines]) if lines else np.empty(0)
        except ValueError:
            self.fail(self.chunks[0][0], "several arrays without labels, or parts of one, of different sizes")
        if self.pages and lines:
            return *self.placed(self.chunks[0][0], array), doubt
        if is_table:
            planes, rows, columns = array.shape
            axes = 0 if columns == 1 else 1 if 1 in (planes, rows) else 2
            return array.reshape([size for size in array.shape if size > 1] or [1]), axes, doubt
        axes = 0 if doubt else array.ndim - 1
        return array[0] if len(array) == 1 else array, axes, doubt

    def placed(self, place: int, array: Array) -> tuple[Array, int]:
        """Pages where their indices, counted from 0 or 1, name; and how many axes are written."""
        pages = [_sizes(page) for page in self.pages]
        if None not in pages[0]:
            pages = [(*page, None, None) for page in pages]
        free = [axis for axis, index in enumerate(pages[0]) if index is None]
        fixed = [[index for index in page if index is not None] for page in pages]
        if len({*map(len, fixed)}) > 1 or not fixed[0] or len(free) != 2 or array.ndim != 3:
            self.fail(place, "pages with indices: not two whole axes each, and a number for each other axis")
        sizes = (np.ptp(fixed, axis=0) + 1).tolist()
        distinct = len(np.unique(fixed, axis=0))
        if {*np.min(fixed, axis=0).tolist()} - {0, 1} or not len(array) == len(fixed) == distinct == prod(sizes):
            self.fail(place, f"{len(fixed)} pages with indices: some are missing or stand twice")
        array = array[np.lexsort(np.transpose(fixed)[::-1])].reshape(*sizes, *array.shape[1:])
        # Pages of one row may be vectors.
        return np.moveaxis(array, (-2, -1), free), 0 if free[0] and array.shape[-2] == 1 else _DEEPEST

    def brackets(self, place: int, source: str, factor: str) -> tuple[Array, str]:
        """Brackets, or several one behind the other; as in MATLAB, semicolons or lines end the rows of [] alone."""
        has_end = source.endswith(";")

        def noted(keyword: re.Match[str]) -> str:
            self.about |= {key: value for key, value in keyword.groupdict().items() if value}
            return _gap(keyword[0])

        source = _KEYWORDS.sub(noted, source) if "=" in source else source
        source = source.replace(">", ")").rstrip(";, \n")
        structure = _structure(source).replace(b"\t", b"")
        if re.fullmatch(rb"\[[^\[\](){}\1]*\]", structure):
            if b";;" in structure or re.fullmatch(r"[^;]*;\s*[1-9][0-9]*\s*\]", source):
                words = "rows as in MATLAB, or a number repeated, or axes as in Julia"
                self.fail(place, f"{source[1:-1][:30]!r}: {words}")
            rows = structure[1:-1].replace(b",\n", b",").replace(b";", b"\n").replace(b"\n\n", b"\n").strip(b"\n")
            rows = b"\2\4" + rows.replace(b"\n", b"\5\4") + b"\5\3"
            by_lines = b"," not in structure and b";" not in structure
            if b"\5\4" in rows and (_shape(rows) or not by_lines):
                return self.array(place, source, rows, factor), _LINES if by_lines and not has_end else ""
        return self.array(place, source, structure.replace(b"\n", b""), factor), ""

    def table(self, place: int, source: str, factor: str) -> tuple[Array, str]:
        """Lines of a table, or of several planes with empty lines between."""
        if any(bracket in source for bracket in "[](){}"):
            self.explain(place, source, in_code=False)
        # If all cells stand in quotation marks, commas in them are decimal ones.
        quoted = source.replace('","', '";"')
        lines = source if '",' in quoted or ',"' in quoted else quoted
        if "\t" in lines and not re.search(r"\S[ ]*\t[ \t]*\S", lines):
            lines = lines.replace("\t", " ")
        mark = next((mark for mark in "|;\t" if mark in lines), ",")
        # Beside all other marks a comma is a decimal one.
        if has_decimal := mark != "," and "," in lines:
            if mark == ";" and re.search(r";[ ]*$", lines, re.M):
                self.fail(place, "commas in lines that end in ';': decimal ones, or separators")
            if found := re.search(r"[.,][0-9]*+,|,[0-9]*+\.", lines):
                self.fail(place + found.start(), "a separator of thousands beside a decimal one: leave it out")
            lines = lines.replace(",", ".")
        if (mark == ";" or has_decimal) and "." in lines and _MAYBE_THOUSANDS.fullmatch(lines):
            pointed = next(word for word in re.split(r"[\s|;\"]+", lines) if "." in word)
            self.fail(place, f"{pointed} is a decimal number, or {pointed.replace('.', '')}")
        if found := _OTHER_BASE.match(lines):
            self.fail(place, f"{found[0].split()[-1]} is a decimal number, or a binary or hexadecimal one")
        structure = _structure(lines if mark == "\t" else lines.replace("\t", " ")).replace(b'"n"', b"n")
        sign = mark.encode()
        structure = (structure + b"\n").replace(sign + b"\n", b"\n")
        if mark == "|":
            structure = (b"\n" + structure).replace(b"\n|", b"\n")
        structure = re.sub(rb"\n{3,}", b"\n\n", structure.strip(b"\n").replace(sign, b","))
        structure = b"\2\4" + structure.replace(b"\n\n", b"\5\3\2\4").replace(b"\n", b"\5\4") + b"\5\3"
        array = self.array(place, lines, structure, factor)
        if (count := _counting(array[0])) > 1:
            self.fail(place, _INDICES)
        return array, ("", _INDICES, "its first line counts: titles, or numbers")[count]

    def array(self, place: int, source: str, structure: bytes, factor: str) -> Array:
        """The numbers of a source in the shape of their structure, times a factor."""
        in_code, kind = source[0] in _OPENS, self.about.get("type", "")
        flat, shape, integer = _flat(source, in_code), _shape(structure), _INTEGER.search(kind)
        if in_code and not kind and (found := _HIGHEST_BIT.search(source)):
            self.fail(place + found.start(), "hexadecimal numbers without a type: some may be negative")
        has_zero = _LEADING_ZERO.search(flat) is not None
        if factor:
            power = f"{float(factor):.0e} ".encode()[1:]
            flat = b"".join(power.join([*piece[0].split(), b""]) for piece in _PIECE.finditer(flat))
            flat = flat.replace(b"nan" + power, b"nan ")
        kind_of = "d" if re.search(rb"[.enN]", flat) else "q"
        try:
            if has_zero and in_code and ("[" in self.about.get("sizes", "") or "std::" in kind):
                has_zero, flat = False, _LEADING_ZERO.sub(lambda match: str(int(match[0], 8)).encode(), flat)
            numbers: Array = np.fromstring(flat, kind_of, sep=" ")
        except (ValueError, DeprecationWarning):
            self.explain(place, source, in_code)
        blank = np.frombuffer(flat, np.uint8) == ord(" ")
        words = np.count_nonzero(blank[1:] > blank[:-1])
        if has_zero or not shape or not words == numbers.size == prod(shape):
            self.explain(place, source, in_code)
        # NumPy gives the nearest of its integers in place of one that is too large.
        is_full = kind_of == "q" and {numbers.max(), numbers.min()} & {INT64_MAX, -INT64_MAX - 1}
        if is_full and not all(-INT64_MAX - 1 <= int(word[:21]) <= INT64_MAX for word in flat.split()):
            self.fail(place, f"an integer beyond int64's largest, {INT64_MAX} (2**63 - 1)")
        if integer and kind_of == "d":
            self.fail(place, f"decimals where {integer[0]} is declared")
        if integer and "0x" in source.lower():
            # The highest bit is the sign.
            name = integer[2].lower()
            numbers = numbers.astype(("u" if integer[1] else "") + _INTEGERS.get(name, name)).astype(np.int64)
        return numbers.reshape(shape)

    def explain(self, place: int, source: str, in_code: bool) -> NoReturn:
        """Say which word is not a number, or where numbers are not apart, or not as many, as in the grammar."""
        sizes = list[int]()
        for found in re.finditer(r"[^\s\[\](){}\1][^\[\](){}\1]*+" if in_code else r"[^ \n][^\n]*+", source):
            start = place + found.start()
            for word in re.finditer(r"[^\s,;|\"\[\](){}\1]++", found[0]):
                spelled = word[0] if re.fullmatch(_NUMBER, word[0]) else _flat(word[0], in_code).decode().rstrip()
                zero = re.match("[-+]?0[0-9]", word[0]) and _ZERO
                if zero or not re.fullmatch(_NUMBER, spelled):
                    self.fail(start + word.start(), f"{word[0][:20]!r} {zero or 'is not a number'}")
            row = re.sub(r"[^\s,;|]+", "n", found[0].strip(" \n" if in_code else " "))
            if "n" not in row:
                continue
            said = re.sub(r"\s+", " ", found[0].strip()[:30])
            if re.search(r"^[,;\t]|[,;\t] *[,;\t]", row):
                self.fail(start, f"a number is missing in {said!r}")
            if re.search(r"n +n", row) and re.search("[,|\t]" if in_code else "[,;|\t]", row):
                self.fail(start, f"{said!r} has commas and blanks: decimal commas, or two numbers each")
            sizes.append(row.count("n"))
            if sizes[-1] != sizes[0]:
                words = f"row {len(sizes)} has {counted(sizes[-1], 'number')}, row 1 has {sizes[0]}"
                self.fail(start, f"{words}: all rows must be equally long")
        semicolon = "';' may end a row, or an element; " if in_code and ";" in source else ""
        self.fail(place, f"{semicolon}rows nested or parted in different ways, or brackets that are not closed")


def _beside(boxes: re.Match[str]) -> str:
    """Matrices between frames, side by side, as cnngrad itself prints them, one below the other."""
    starts = [found.start() for found in re.finditer(r"[┌+] +[┐+]", boxes["frame"])]
    lines = [boxes["titles"] or "", "", *boxes["rows"].splitlines(), ""]
    text = "\n".join(line[start:end].strip() for start, end in pairwise([*starts, None]) for line in lines)
    return "\n" + re.sub("[d∂]E/[d∂]", "dEd", text)
