r"""Reads arrays from text, as programs print and people write them: brackets or tables, with labels around them.

    text     = { comment | header | brackets | table }
    header   = a label [type] name [sizes], and = or := or : or <- or <<; or the name of a gradient alone in its line
             | a page "(:,:,1) =", "Columns 1 through 6", a factor "1.0e+03 *", sizes "4x3 Matrix{Float64}:"
    brackets = open {number | brackets, separated by commas or blanks} close; in [] a semicolon ends a row
    open     = one of [ ( {, perhaps behind a type or a macro, or behind a function that leaves an array as it is,
               such as tensor( or np.float64(
    table    = lines with equal counts of numbers, separated by | ; tab, comma or blanks; empty lines separate planes
    number   = a decimal number; in brackets also with the suffixes, exponents and bases of programming languages

The text is cut into pieces at its headers. A piece is read twice: NumPy's loadtxt reads its numbers as one sequence,
and the marks between them give the shape; for this, rows of a table count as brackets too. A text that can be read in
two ways is refused; the error names both readings.
"""

import re
from collections.abc import Callable
from itertools import islice, pairwise
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
# What code writes besides numbers of Python, in lower case: types and groups of digits (3ul, 0x1_u8, 1_000), types of
# decimals (2.5f), other powers of ten (1.5*^3, 1f0), and octal digits.
_TYPED = r"[_iul](?<=[0-9a-f.].)(?:(?:(?<=[ul])l{0,2}|[iu]?(?<=[iu])(?:8|16|32|64))(?= )|(?<=[0-9]_)(?=[0-9]{3}(?!\d)))"
_SUFFIX = r"[_fd](?<=[0-9.].)(?:(?<!_)|(?:(?<=_)f|(?<=f))(?:8|16|32|64))(?= )"
_POWER = r"[fd*](?<=[0-9.].)(?:(?<=\*)\^|(?<!\*))(?=[-+]?[0-9])"
_OCTAL = r" (0[0-7]{1,29}+)(?= )"
# Without a declared type these may be hexadecimal.
_LETTERED = r" [-+]?[0-9]++[df][0-9]*+(?= )"
# Numbers with fewer decimals, of at least three, than their power of ten: their last digit stands left of the point.
_ROUNDED = re.compile(r"\.(?<=[1-9].)(?<![\w.]..)([0-9]{3,17}+)[eE]\+?0*+([4-9]|[1-9][0-9]{1,2})(?![\w.]| \*)")
_CHUNK = re.compile(r"(?s).{1,65536}[^\s,;]*+")
_INTEGER = r"(?i)(?<![a-z])(u)?(char|short|long(?! double)|int(?![0-9])|(?:int|i|(?<=u))(8|16|32|64)(?!x))"
# Numbers whose points may separate thousands; numbers that may be binary or hexadecimal.
_THOUSANDS = r"\A(?=(?:[\s|;]++|[-+]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})?|0)(?![\w.]))*+\Z)[^.]*?([-+0-9]++)\.([0-9]{3})"
_OTHER_BASE = r"\A(?:(?:\s*+[01_]{4,}+)++\s*+\Z|[0-9\s]*\s[0-9]++[eE][0-9]++)"
_REFUSED = {
    r"\.\.\.(?!\][a-z])|[…⋮⋯⋱]|<repeats": "numbers are omitted here",
    r"[\u00a0\u202f\u2007\u2009'’](?<=[0-9].)[0-9]{3}(?![0-9])": "one number with a separator of thousands, or two",
    r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]": "a control character in a text",
}
_END = r"[ \t]*+(?=\n|\Z)"
# The end of a line above numbers, or above the numbers of their columns.
_ABOVE = r"[ \t]*+(?=\n\s*+(?:Columns?\b|[-+.0-9NI|](?![^\n]*\*)))"
_NAME = r"[A-Za-z_$@∂](?:[\w$.∂]|/(?=[A-Za-z∂])|::)*+(?:\[[\"']\w+[\"']\])?"
# Words that name an array without a sign behind them: no number in any base, nor a word for one.
_GRADIENT = r"(?:[dD∂](?:E/?[dD∂])?(?:[bB]|[g-zG-Z]\w{0,8})|[A-Za-z]|[g-zG-Z][0-9]|(?>[\w.]*?grad)[\w.]*+)"
_COMMENT = r"(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)"
_COMMENTS = re.compile(rf"[,;{{}}][ \t]*+(?P<comment>{_COMMENT})")
# What stands in front of a bracket and leaves the array as it is: a function, a macro, or a type, perhaps with sizes.
_FRONT = re.compile(
    r"[A-Za-z_<&\[](?<![\w.\]].)(?!(?<=\[)[^\]0-9.])"
    r"(?:(?<=<)tf\.\w++:?(?:\s++'[^'\n]*+')?|(?<=&)\[|(?:(?<=v)ec|(?<=a)rray)!\["
    r"|(?:(?<=F)loat|(?<=U)Int|(?<=I)nt)[0-9]{1,2}\[|(?<=\[)(?P<new1>[0-9.]*\](?:\[[0-9.]*\])*+)[a-z]\w*+\s*+\{"
    r"|(?<=n)ew(?:\s++[\w.]++)?\s*+\[(?P<new2>[0-9,\s]{0,99}\](?:\[[0-9,\s]{0,99}\])*+)\s*+\{"
    r"|(?<![<&\[])(?:(?<=n)ew\s++)?(?:[\w.]|::)*+"
    r"(?:(?<=Array)\([0-9]+\)\s*+\[|\((?!(?<=Array\()\s*+[0-9]+\s*+\)|(?<=[0-9]\()\s*+\[)))"
)
_FUNCTIONS = re.compile(
    r"(?:new\s+)?(?:\w+(?:\.|::)){0,2}(?:(?:(?:as|to|nested)_?)?(?:array|tensor)(?:[1-5]d)?|[A-Z]\w*(?:Array|Tensor)"
    r"|Array|Tensor|constant|[mM]atrix|Parameter|arr[123]|(?:float|u?int)[0-9]{1,2})\("
)
_KEYS = "dtype|shape|size|device|requires_grad|grad_fn|weak_type|place|stop_gradient|strides|layout|names|const ndim|id"
_VALUE = r"(?:\([^()]*+\)|\[[0-9, ]*+\]|<[^<>]*+>|'[^'\n]*+'|[\w.:]*+(?:\([^()]*+\)| \(\w+\))?)"
_FACTOR = r"(?P<factor>10*+(?:\.0*+)?(?:[eE][-+]?0?[0-9]{1,2})?|0\.0*+1)[ \t]*+\*"
_KEYWORD = re.compile(
    rf"(?<![\w.])(?:(?:dtype=(?P<type>{_VALUE})|shape=(?P<sizes>{_VALUE})|(?:{_KEYS})={_VALUE}),?|numpy=|value="
    rf"|(?<=\x01){_FACTOR})"
)
_BOXES = re.compile(
    r"\n(?P<titles>[^\n\[\]{}|┌+]{0,300}+\n)?+(?P<frame>[ \t]*+[┌+][ ]+[┐+][ ┌┐+]*\n)(?P<rows>(?:[ \t]*+\|[^\n]*\n)+)"
    r"[ \t]*+[└+][ └┘+]*(?=\n|\Z)"
)
_TYPE = rf"(?>(?:{_NAME}|<[^=\n()]{{0,200}}>|\[(?:[\[ &]*+[A-Za-z][^\]\n=]*+|[, ]*+)\]|[*&])[ \t]*+)"
_AXIS = r"[ ]*(?:[:.]|[0-9]{1,9})[ ]*"
_ROUND, _TIMES = r"\([0-9]{1,9}(?:[ ]*[x×,][ ]*[0-9]{1,9})*,?\)", r"[1-9][0-9]{0,8}+(?:[x×][1-9][0-9]{0,8})+"
# The number of a row, or of a vector's element that begins a line, as R prints it.
_NUMBERED = re.compile(r"\n[ \t]*+\[(?:(1|[0-9]{1,9},)|[0-9]{1,9})\](?=[ \t]+[-+.0-9NI][^\[\]\n]*+(?:\n|\Z))")
# Sizes in C that are macros or products.
_NAMED_SIZES = r"(?:\[[\w *+]{0,30}\][ \t]*+){1,9}(?=[= \t\n]*+\{)"
# Lines that say nothing of numbers: comments, prompts, Excel's `sep=`, the first line of cnngrad's results, titles.
_PROMPT = r"(?:>{1,3}|In ?\[[0-9]+\]:|julia>|\(i?[Pp]db\)|\[[^\]\n]{1,200}\.rs:[0-9:]++\])[ \t]*+"
_SILENT = (
    rf"Out ?\[[0-9]+\][:=]|#[ \t]*(?i:(?:new )?slice[ \t]*[0-9]*){_END}"
    rf"|(?P<comment>{_COMMENT}|%%?(?=\s|\Z)[^\n]*+"
    r"|#(?=[\sa-z=!-]|\Z)(?!if|el(?:se|if)|endif|n/a|define[^\n]*\{| type: (?!matrix|scalar))[^\n]*+)"
    rf"|torch_tensor{_END}|sep=[;,|\t](?=\n)|X [0-9x×]+ [·*] W [^\n]*|{_PROMPT}(?:[\w.]++\([^\n()]*+\))?{_END}"
    r"|(?![^\n]*\|[ \t]*+(?:[-+.0-9]++|(?i:nan|inf))[ \t]*+\|)\|[ \t]*+(?=[^\W\d])[^\n]*\|[ \t]*+\n"
    r"[ \t]*+\|(?=[ \t:|]*+-)[ \t:|-]*+(?=\n|\Z)"
)
# Lines that describe the array below or above them, behind comment signs and prompts too. A group's name, without its
# digit, tells what it holds.
_HEADER = re.compile(
    rf"\n[ \t]*+(?![{{}}]|[\"|\[ ]*+[-+.0-9][-+.0-9eE,;|\" \t\]]*+(?:\n|\Z))"
    rf"(?:(?:(?:#|%|//)[ \t]++(?![^\n]*+\n[^\n=]*+=))?(?P<label5>{_GRADIENT}):?{_END}|{_SILENT}"
    rf"|{_PROMPT}(?!(?i:nan|inf|na|infinity);?{_END})(?P<label6>{_NAME});?{_END}"
    rf"|(?P<page1>, (?:, [0-9]+)+){_END}|{_FACTOR}{_ABOVE}"
    rf"|(?:ans|val|(?P<label1>[A-Za-z][\w.]*+))?[ \t]*+[(\[](?P<page2>(?:{_AXIS},)+(?:{_AXIS})?)[)\]][ ]*={_END}"
    rf"|(?P<label2>{_NAME}) [·*] (?P<page3>[a-z]+ [0-9]+(?:(?:,| [·*]) [a-z]+ [0-9]+)*){_END}"
    rf"|Columns?[ \t]++(?P<column1>[0-9]{{1,9}})(?:[ \t]++(?:through|to|and|-)[ \t]++[0-9]++)?:?{_ABOVE}"
    rf"|Columns (?P<column2>[0-9]{{1,9}}) to [0-9]++(?=[ ]+[-.0-9])|\[,(?P<column3>[0-9]{{1,9}})\][][,0-9 \t]*+{_ABOVE}"
    rf"|torch\.Size\(\[(?P<sizes5>[0-9]+(?:, [0-9]+)*)\]\){_END}|(?:[0-9]+-element (?=Vector\{{(?:Vector|Matrix|Array))"
    rf"|(?P<sizes1>{_TIMES}|[0-9]{{1,9}}+(?=-element)"
    rf"|(?=\([0-9]+[ ]*[x×,]){_ROUND}(?=[ \t]*+\n\s*+[\[{{\w.+-]))(?:-element)?)"
    rf"[ \t]*+(?P<type1>[A-Za-z][^\n=]{{0,120}}?)?:?{_END}"
    rf"|(?:\[ ?[\w.]*(?:Type|Tensor)|Tensor\[\[|<NDArray )[^0-9\n]*+(?P<sizes2>[0-9x, ]{{1,99}})[^\n]*+"
    rf"|(?:{_PROMPT})?(?!\[|new\b)(?P<type2>{_TYPE}*?)[*&]?(?P<quote>[\"']?)(?!(?:{_KEYS})=)(?P<label3>{_NAME})"
    rf"(?P=quote)[ \t]*+(?P<sizes3>(?:\[[0-9]{{0,9}}\][ \t]*+){{1,9}}|{_ROUND}|{_NAMED_SIZES})?[ \t]*+"
    rf"(?::[ \t]*+(?P<type3>(?:{_TYPE}|[;0-9 \]])*+)=|:=|=(?:[ \t]*+(?P<sizes4>{_TIMES})"
    rf"(?:[ \t]++(?P<type4>[A-Za-z][^\n=]{{0,120}}?))?{_END}|(?!=))|<-|<<|:|(?={{))"
    rf"|(?!new )(?P<label4>{_NAME})(?:\s++(?=\[)|[ \t]++(?=[\w.]++\()))"
)
# Where a piece of the text begins, what its header says, and the piece with blanks in place of the header.
_Piece = tuple[int, dict[str, str], str]
_Steps = list[tuple[str, str | Callable[[re.Match[str]], str]]]
_CHARACTERS = str.maketrans("−\u00a0\u202f│⎡⎢⎣⎤⎥⎦", "-  |||||||")
# Texts of these characters alone need no search for marks of other kinds.
_PLAIN = bytes({*range(32, 127), *b"\t\r\n"} - {*b"<'|"})
# A comment becomes \f, which Python counts as a blank, and the bracket of a function \1. Neither is left in a text.
# Maps each byte to its role: a bracket, a separator or a blank; 0 for all others, which are parts of numbers.
_SIGNS = bytes(code if code in b",;\n[](){}\1\f" else 32 if code in b" \t" else 48 for code in range(256))
_DEPTHS = np.array([(code in b"[({\1") - (code in b"])}") for code in range(256)], np.int8)
_APART = str.maketrans(dict.fromkeys("[](){}\1\f,;\n\t", " "))
_ROW = re.compile(rb"\[(?:0++|0(?:,0)*+,?)\]|[(\1](?:0++|0(?:,0)*+,?)\)|\{(?:0++|0(?:,0)*+,?)\}")
_FUNCTION, _DEEPEST = 1, 32
_BY_LINES = "its lines are rows, or one row: write each row in brackets of its own"
_COMMENTED = "a comment between rows: of one, or of two"
_UNEVEN = "rows nested or parted in different ways, several arrays without labels, or brackets that are not closed"
_COUNTED = "its first line or column counts: indices, titles or sizes, or numbers (write each row in brackets)"
_COMMAS = "its commas part numbers, or are decimal ones, or thousands: write decimal points, and no other mark"


def _said(match: re.Match[str]) -> dict[str, str]:
    """What a match tells of an array: its groups that are not empty, by their names without digits."""
    return {key.rstrip("123456"): value for key, value in match.groupdict().items() if value and key != "comment"}


def _sizes(text: str) -> Shape:
    """Sizes or indices; -1 for a bracket that is empty or holds more than a number, and for a whole axis of a page.

    >>> _sizes("[][3]"), _sizes("[K * K]"), _sizes("(2, 3)"), _sizes(":,:,1")
    ((-1, 3), (-1,), (2, 3), (-1, -1, 1))
    """
    found = re.findall(r"\[(?:\s*|[^\],]*[a-zA-Z_*+][^\]]*)\]|[0-9]+|[:.]|(?:^|,)\s*(?=,)", text)
    return tuple(int(size) if size.isdigit() else -1 for size in found)


def _numbers(words: str, steps: _Steps, power: str) -> Array:
    """Numbers as programs write them after some steps, with a power of ten added.

    Raises:
        ValueError, OverflowError: one is no number, or too large.

    >>> _numbers(" 1 -2 ", [], ""), _numbers(" 1 2.5d ", [(_SUFFIX, "")], "e+1"), _numbers(" 0x1f 2 ", [], "")
    (array([ 1, -2]), array([10., 25.]), array([31,  2]))
    """
    words = words.lower()
    if "0x" in words:
        split = re.sub(_TYPED, "", words).split()
        others = iter(_numbers(f" {' '.join(word for word in split if 'x' not in word)} ", steps, power).tolist())
        values = [
            next(others) if "x" not in word else float.fromhex(word.rstrip("fd")) if "p" in word else int(word, 16)
            for word in split
        ]
        return np.array(values, float if float in {*map(type, values)} else np.int64)
    for pattern, put in steps:
        words = re.sub(pattern, put, words)
    # NumPy misreads characters beyond ASCII as digits.
    if not words.isascii() or re.search(" [-+]?0[0-9]", words):
        raise ValueError(words)
    words = re.sub("(?<=[0-9.]) ", f"{power} ", words) if power else words
    dtype = float if re.search("[.ne]", words) else np.int64
    return np.loadtxt([words], dtype, comments=None, ndmin=1) if words.strip() else np.empty(0, np.int64)


def _long(sizes: Shape) -> list[int]:
    return [size for size in sizes if size != 1]


def _marks(source: str) -> bytes:
    r"""The structure of a text: its brackets and separators, with 0 for each word and without blanks.

    Line breaks and comments are kept only outside brackets.

    >>> _marks("[[1, 2.5],\n [3, 4]]\n")
    b'[[0,0],[0,0]]\n'
    """
    codes = np.frombuffer(source.encode().translate(_SIGNS), np.uint8)
    # Of each word the first 0 is left; blanks only divide words.
    is_word = codes == ord("0")
    is_word[1:] &= ~is_word[:-1]
    codes = codes[is_word | ((codes != ord("0")) & (codes != ord(" ")))]
    # int8 is enough: no array is nested more than 127 deep.
    depth = np.cumsum(_DEPTHS[codes], dtype=np.int8)
    kept: Array = codes[(depth == 0) | ((codes != ord("\n")) & (codes != ord("\f")))]
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


def _is_counted(planes: Array) -> bool:
    """Whether the first line or column of a table, or the first numbers of a single one, may be indices or sizes."""
    if planes.size in planes.shape:
        return any(prod(planes.flat[:axes].tolist()) == planes.size - axes for axes in range(1, min(6, planes.size)))
    array, (rows, columns) = planes[0], planes.shape[1:]
    is_index = rows > 1 and columns > 1 and _counts(array[:, 0])
    is_title = rows > 2 and columns > 1 and (_counts(array[0]) or array[0].tolist() == [rows - 1, columns])
    return is_index or is_title or (min(rows, columns) > 2 and _counts(array[1:, 0]) and _counts(array[0, 1:]))


class _Reader:
    """Reads one text."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        # The headers of the text, what they declare about the current array, and what stands in front of its brackets.
        self.heads, self.about, self.fronts = list[re.Match[str]](), dict[str, str](), dict[str, str]()
        self.text = "\n" + re.sub("\r\n?", "\n", text)
        self.unended(r"(?<=\n)[ \t]*+/\*", 0, self.text)
        if text.encode(errors="surrogatepass").translate(None, _PLAIN) or "..." in text:
            # In MATLAB, ... goes on with the next line.
            self.text = re.sub(r"([;\[])[ \t]*+\.\.\.(?=[ \t]*\n)", r"\1", self.text)
            for refused, words in _REFUSED.items():
                self.refuse(0, re.search(refused, self.text), f"{{0!r}}: {words}")
            self.text = _BOXES.sub(_beside, self.text.translate(_CHARACTERS))

    def blank(self, head: re.Match[str]) -> str:
        """Blanks, or the mark of a comment, in place of a header behind its first character; it is noted."""
        if _said(head):
            self.heads.append(head)
        return head[0][0] + re.sub("[^\n]", "\f" if head["comment"] else " ", head[0][1:])

    def fail(self, place: int, words: str) -> NoReturn:
        """Raise an error with line and column, and advice on how to write the text."""
        # The text begins with an added line break, so its first line has number 1.
        line = self.text.count("\n", 0, place + 1)
        column = place - self.text.rfind("\n", 0, place)
        advice = text_advice(self.where, self.text[1:])
        raise CnngradError(f"{self.where}, line {line}, column {column}: {words}; {advice}")

    def refuse(self, place: int, found: object, words: str) -> None:
        """Raise an error if something is true or found; in the words {0} is a match, {1} its first group."""
        if isinstance(found, re.Match):
            self.fail(place + found.start(), words.format(found[0][:30], *found.groups()))
        if found:
            self.fail(place, words)

    def unended(self, opening: str, place: int, source: str) -> None:
        """Refuse a comment without an end: each such beginning would be searched for its end up to the text's."""
        found = "/*" in source and re.compile(opening).search(source, source.rfind("*/") + 1)
        self.refuse(place, found, "a comment that does not end")

    def read(self) -> Loose | dict[str, Loose]:
        """The arrays of the text, by label if there are several."""
        # The lines of R's vectors become one.
        text = _NUMBERED.sub(lambda line: ("\n" if line[1] else " ").ljust(len(line[0])), self.text)
        bare = _HEADER.sub(self.blank, text)
        places = pairwise([0, *(head.start() + 1 for head in self.heads), len(bare)])
        label, groups = "", {"": list[_Piece]()}
        for said, (place, stop) in zip([{}, *map(_said, self.heads)], places, strict=True):
            is_between = "factor" in said and groups[label][-1][2].strip()
            self.refuse(place, is_between, "a factor between numbers: of those below, or of all")
            # MATLAB prints the name twice, and in front of each page.
            if "label" in said and not ("page" in said and said["label"] == label):
                label = said["label"]
                is_second = any(text.strip() for _, _, text in groups.get(label, []))
                self.refuse(place, is_second, f"a second array is called {label}")
                groups[label] = []
            groups[label].append((place, said, bare[place:stop]))
        arrays = {label: array for label, pieces in groups.items() if (array := self.array(label, pieces))}
        self.refuse(0, not arrays, "the text is empty: there is no number in it")
        others = ", ".join(filter(None, arrays))
        self.refuse(0, "" in arrays and others, f"an array without a label beside {others}")
        return arrays if len(arrays) > 1 else next(iter(arrays.values()))

    def array(self, label: str, pieces: list[_Piece]) -> Loose | None:
        """The array of some pieces of the text, in its declared sizes and type; None if there are no numbers."""
        place, self.fronts = pieces[0][0], {}
        self.about = {key: value for _, said, _ in reversed(pieces) for key, value in said.items()}
        array, axes, doubt = self.joined(pieces)
        if not array.size:
            self.refuse(place, label, f"no array follows {label}")
            return None
        kind = self.about.get("type", "")
        written, sizes = _DEEPEST, _sizes(self.about.get("sizes") or f"[{self.about.get('new', '')}")
        if not sizes and re.search("array<|;", kind):
            # A type may declare the sizes of the last axes alone.
            sizes = tuple(map(int, re.findall(r"[,;]\s*([0-9]{1,9})\s*[>\]]", kind)[::-1]))
            sizes = (*_long(array.shape)[: max(0, len(_long(array.shape)) - len(_long(sizes)))], *sizes)
        if (inner := sizes[1:]) and sizes[0] < 0 <= min(inner):
            # The first size is not declared: it follows from the number of elements, and may be that of several axes.
            first = len(array) if array.ndim == len(sizes) else -(-array.size // max(prod(inner), 1))
            written, sizes = len(inner), (first, *inner)
        if sizes and -1 not in sizes:
            is_same = prod(sizes) == array.size and (array.ndim == 1 or _long(array.shape) == _long(sizes))
            said, there = ("x".join(map(str, shape)) for shape in (sizes, array.shape))
            self.refuse(place, not is_same or len(sizes) > _DEEPEST, f"{said} is declared, but {there} is there")
            array, axes, doubt = array.reshape(sizes), written, ""
        axes = 0 if array.ndim == 1 else min(axes, array.ndim)
        # Whole numbers in sequence beside decimals are probably row or column numbers, which R adds by itself.
        is_doubtful = array.ndim > 1 and (axes == 0 or (doubt == _COUNTED and array.dtype.kind == "f"))
        marked = array.view(Marked)
        marked.named = next(iter(re.findall("b?float(?:16|32)", kind)), "")
        text = "".join(source for _, _, source in pieces)
        # A thousand numbers such as 1.0278e+05 show how many digits all have.
        powers = islice(_ROUNDED.finditer(text), 1_000) if (np.abs(array) >= 1e4).any() else ()
        marked.digits = max((1 + len(found[1]) for found in powers if len(found[1]) < int(found[2])), default=0)
        if not array.any():
            # Exact zeros are usually written as 0. or 0.0, and without signs.
            places = max(map(len, re.findall("0[.,](0*)", text)), default=0)
            marked.places = places if places > 1 or np.signbit(array).any() else None
        return Loose(marked, axes, is_doubtful, "" if marked.named == "bfloat16" else marked.named, doubt)

    def joined(self, pieces: list[_Piece]) -> tuple[Array, int, str]:
        """The array made of some pieces: columns, pages or planes.

        Also returns how many axes are written, and another possible reading.
        """
        place, pages = pieces[0][0], [_sizes(said["page"]) for _, said, _ in pieces if "page" in said]
        if not any({"column", "factor"} & said.keys() for _, said, _ in pieces):
            pieces = [(place, pieces[0][1], "".join(source for _, _, source in pieces))]
        rows, following, doubt, is_table, factor = list[list[Array]](), 1, "", False, ""
        for start, said, text in pieces:
            source, factor = text.rstrip(), said.get("factor", "" if "page" in said else factor)
            if not source:
                continue
            source, self.about["factor"] = _FRONT.sub(self.unwrapped, source), factor
            # The first line of a table may begin with a tab.
            begin = len(source) - len(source.lstrip(" \n\f"))
            is_table = not any(bracket in source for bracket in "[](){}\1")
            read = self.table if is_table else self.brackets
            array, doubt = read(start + begin, source[begin:])
            is_beside = "label" in said and "\n" not in source[:begin] and prod(array.shape[: 1 + is_table]) > 1
            self.refuse(start + begin, is_beside, "numbers beside a label, and others below them")
            column = int(said.get("column", 1))
            if column < 2 or not rows:
                rows, following = [*rows, []], min(column, 1)
            is_other = "column" in said and column != following
            self.refuse(start, is_other, f"column {column} is said, but column {following} follows")
            rows[-1].append(array)
            following, doubt = following + array.shape[-1], "" if "column" in said else doubt
        try:
            array = np.concatenate([np.concatenate(row, axis=-1) for row in rows]) if rows else np.empty(0)
        except ValueError:
            self.fail(place, "several arrays without labels, or parts of one, of different sizes")
        if rows and pages:
            return *self.placed(place, array, pages), doubt
        if is_table:
            columns, array = array.shape[-1], array.reshape(_long(array.shape) or [1])
            return array, 0 if columns == 1 else array.ndim - 1, doubt
        return array[0] if len(array) == 1 else array, 0 if doubt else array.ndim - 1, doubt

    def unwrapped(self, front: re.Match[str]) -> str:
        """Blanks in place of what stands in front of brackets, after it is noted; a function's bracket is marked."""
        if front[0] not in self.fronts:
            last, is_other = front[0][-1], front[0][-1] == "(" and not _FUNCTIONS.fullmatch(front[0])
            blank = " " * (len(front[0]) - 1) + (last if last in "[{" else "\1")
            self.fronts[front[0]], self.about = front[0] if is_other else blank, _said(front) | self.about
        return self.fronts[front[0]]

    def placed(self, place: int, array: Array, pages: list[Shape]) -> tuple[Array, int]:
        """The pages put in place by their indices, counted from 0 or 1; and how many axes are written."""
        if -1 not in pages[0]:
            pages = [(*page, -1, -1) for page in pages]
        free = [axis for axis, index in enumerate(pages[0]) if index < 0]
        fixed = [[index for index in page if index >= 0] for page in pages]
        is_even = len({*map(len, fixed)}) == 1 and fixed[0] and len(free) == 2 and array.ndim == 3
        sizes = _grid(fixed) if is_even and len(array) == len(fixed) else []
        self.refuse(place, not sizes, "pages with indices: some are missing or stand twice, or not two whole axes each")
        array = array[np.lexsort(np.transpose(fixed)[::-1])].reshape(*sizes, *array.shape[1:])
        # Pages of one row may be vectors.
        return np.moveaxis(array, (-2, -1), free), 0 if free[0] and array.shape[-2] == 1 else _DEEPEST

    def brackets(self, place: int, source: str) -> tuple[Array, str]:
        """The array in brackets, or in a row of them; in a single [], semicolons or lines end rows, as in MATLAB."""
        has_end, doubt, rows = source.endswith(";"), "", r"\[\](){}\1"
        if keywords := [source.index(mark) for mark in "=*" if mark in source]:
            begin = max(min(keywords) - 20, 0)
            source = source[:begin] + _KEYWORD.sub(self.beside, source[begin:])
        # Between the numbers of a line comments stand in brackets alone.
        self.unended(r"[,;{}][ \t]*+/\*", place, source)
        source = _COMMENTS.sub(self.blank, source) if "/" in source else source
        source = source.replace(">", ")").rstrip(";, \n\f")
        marks = _marks(source)
        if inside := re.fullmatch(r"\t*\[([^\[\](){}\1]*)\]", source):
            self.refuse(place, re.search("\f", source), _COMMENTED)
            several = re.search(r";\s*;|\A[^;]*;\s*[1-9][0-9_]*\s*\]\Z", source) if ";" in source else None
            self.refuse(place, several, "{0!r}: rows as in MATLAB, or a number repeated, or axes as in Julia")
            lines = _marks(inside[1]).replace(b",\n", b",").strip(b";\n")
            by_lines, lines = not re.search(b"[,;]", lines), re.sub(b";;+", b";", lines.replace(b"\n", b";"))
            in_rows = b"[[%b]]" % lines.replace(b";", b"],[")
            if b"]," in in_rows and (not by_lines or _levels(in_rows)[1] == b"0"):
                marks, rows, doubt = in_rows, r"\[;\n\]", _BY_LINES if by_lines and not has_end else ""
        array, apart = self.shaped(place, source, marks, rows, ",")
        return self.one_array(place, source, marks, apart, array), doubt

    def shaped(self, place: int, source: str, marks: bytes, rows: str, mark: str) -> tuple[Array, bytes]:
        """The numbers of a source in the shape that its marks give, several arrays along a first axis.

        Also returns the marks between these. Rows are what lies between the characters `rows`, and cells are apart by
        `mark`.
        """
        array = self.numbers(place, source.replace(mark, ","))
        sizes, apart = _levels(marks)
        if not array.size or not re.fullmatch(rb"0(?:[,\n\f]*+0)*+", apart):
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
        is_mixed = b"\f" in apart or len({gap.replace(b",", b"")[:2] for gap in apart.split(b"0")[1:-1]}) > 1
        self.refuse(place, is_mixed, "several arrays in a line, or parted by comments: rows of one, or without labels")
        # A function holds one array.
        has_fronts = functions[:1] == [1] or any(front[-1] in "[{" for front in self.fronts)
        is_several = (has_fronts and len(array) > 1) or any(array.shape[axis] > 1 for axis in functions)
        self.refuse(place, is_several, _UNEVEN)
        has_pairs = array.shape[-1] == 2 and re.search(r"\)[ \t]+\(", source)
        is_round = has_pairs or b"(0)" in marks or (opened[:2] == b"(\1" and array.shape[1] > 1)
        self.refuse(place, is_round, "round brackets: rows, several arrays, complex or negative numbers (write [])")
        # Round brackets around one array are no axis, nor is a list of one function.
        around = [found.end() for found in re.finditer(rb"[\[(](?=\x01.)|\((?=[\[{])", opened)]
        array = array.squeeze((*functions, *(axis for axis in around if array.shape[axis] == 1)))
        return array if array.ndim > 1 else array[None]

    def table(self, place: int, source: str) -> tuple[Array, str]:
        """Lines of a table, or of several planes with empty lines between."""
        lines, mark = self.cells(place, source)
        marks = _marks(lines.replace(mark, ","))
        marks = (b"\n%b" % marks).replace(b"\n,", b"\n") if mark == "|" else marks
        rows = re.sub(rb"\n\n+", b"]],[[", marks.strip(b"\n")).replace(b"\n", b"],[")
        ((array,), _) = self.shaped(place, lines, b"[[[%b]]]" % rows, r"\n", mark)
        height, width = array.shape[1:]
        is_counted = _is_counted(array)
        # A number in quotation marks in each line is its index, as R writes it.
        is_index = width > 1 and source.count('"') == 2 * len(array) * height
        is_index = is_index or (not is_counted and height > 2 < width and _grid(array[0, :, :-1]))
        self.refuse(place, is_index and {"column", "page", "sizes"}.isdisjoint(self.about), _COUNTED)
        has_pairs = mark == "," in lines and width == 2 and array.dtype.kind == "i"
        return array, _COMMAS if has_pairs else _COUNTED if is_counted else ""

    def cells(self, place: int, source: str) -> tuple[str, str]:
        """The lines of a table with decimal points only, and the mark between its cells; a comma for blanks too."""
        self.refuse(place, re.search("\f", source), _COMMENTED)
        # Remove lines of only bars, as in a drawn matrix; bars at the ends of lines separate nothing.
        lines = re.sub(r"(?m)^[ \t]*+\|[| \t]*+(?:\n|\Z)", "", source) if "|" in source else source
        has_bars = "|" in lines and re.search(r"\S[ \t]*+\|[ \t]*+\S", lines)
        lines = lines if has_bars else lines.replace("|", " ")
        # If all cells stand in quotation marks, commas in them are decimal ones.
        quoted = lines.replace('","', '";"')
        lines = lines if '",' in quoted or ',"' in quoted else quoted
        has_tabs = "\t" in lines and re.search(r"\S *\t[ \t]*\S", lines)
        mark = "|" if has_bars else ";" if ";" in lines else "\t" if has_tabs else ","
        lines = re.sub(rf'"(?<![^\s{mark}]")( *+[^\s"{mark}]++ *+)"(?![^\s{mark}])', r" \1 ", lines)
        self.refuse(place, re.search('"[^"\n]*"?', lines), "{0} in quotation marks: one number, or several, or none")
        # Beside another mark between cells, a comma is a decimal comma.
        if mark == ";" or (mark != "," and "," in lines):
            self.refuse(place, "," in lines and re.search(r"\.|,[0-9]*+,|;[ ]*+(?=\n|\Z)", lines), _COMMAS)
            lines = lines.replace(",", ".")
            self.refuse(place, re.search(_THOUSANDS, lines), "{1}.{2} is a decimal number, or {1}{2}")
        self.refuse(place, re.search(_OTHER_BASE, lines), "{0!r}: decimal numbers, or binary or hexadecimal ones")
        return lines, mark

    def numbers(self, place: int, source: str) -> Array:
        """The numbers of a source times the factor above it, one after another."""
        kind, parts = " ".join([self.about.get("type", ""), *self.fronts]), [np.empty(0, np.int64)]
        integer, based = re.search(_INTEGER, kind), re.search("0[xX]", source)
        is_float = re.search(r"(?i)float|double|half|f(?:16|32|64)\b|vec!|new", kind)
        if based and not (integer or is_float or re.search(r"(?i)0x[0-9a-f.]++(?:_?u|p)", source)):
            self.fail(place + based.start(), "hexadecimal numbers without a type: some may be negative")
        factor = self.about.get("factor")
        self.refuse(place, factor and based, "hexadecimal numbers below a factor of ten")
        has_octal = "{" in source and ("[" in self.about.get("sizes", "") or "std::" in kind)
        octal: _Steps = [(_OCTAL, lambda digits: f" {int(digits[1], 8)}")] if has_octal else []
        # In a table a letter behind a number is a unit, or 10**-6 for u.
        is_code = any(mark in source for mark in "[({\1")
        suffixes: _Steps = [(_TYPED, ""), *octal, (_SUFFIX, "")] if is_code else []
        # A question mark makes a word no number.
        steps = [*([] if is_float else [(_LETTERED, " ?")]), *suffixes, (_POWER, "e")]
        power = f"{float(factor):.0e}"[1:] if factor else ""
        # In chunks, since lists of words take much memory.
        for chunk in _CHUNK.finditer(source):
            words = f" {chunk[0].translate(_APART)} "
            is_plain = not has_octal and not re.search("[A-DF-Za-df-z_*]", words)
            parts.append(self.checked(place + chunk.start() - 1, words, [] if is_plain else steps, power))
        array = np.concatenate(parts)
        self.refuse(place, np.isinf(array).any() and "inf" not in source.lower(), "a number beyond float64's largest")
        return self.declared(place, array, integer, based is not None) if integer else array

    def checked(self, place: int, words: str, steps: _Steps, power: str) -> Array:
        """The numbers of some words after some steps; an error for the first word that is no number."""
        try:
            return _numbers(words, steps, power)
        except (ValueError, OverflowError):
            *others, wrong = re.finditer("[^ ]+", words)
            for other in others:
                self.checked(place + other.start() - 1, f" {other[0]} ", steps, power)
        word, said = wrong[0], "is not a number"
        if re.match("[-+]?0[0-9]", word):
            said = "begins with 0: a decimal number, or an octal or hexadecimal one"
        elif re.match(_LETTERED, f" {word.lower()} "):
            said = "is hexadecimal, or has a type or a power behind it"
        elif re.fullmatch("[-+]?(?:0x[0-9a-fA-F]{17,}|[0-9]{19,})", word):
            said = f"is an integer beyond int64's largest, {INT64_MAX} (2**63 - 1)"
        self.fail(place + wrong.start(), f"{word[:20]!r} {said}")

    def declared(self, place: int, array: Array, integer: re.Match[str], is_hex: bool) -> Array:
        """The numbers as integers of the declared type; an error if it can't hold them."""
        self.refuse(place, array.dtype.kind == "f", f"decimals where {integer[0]} is declared")
        # Python's int is taken to have 64 bits. C's has 32: the highest bit of a hexadecimal number is its sign.
        bits = integer[3] or {"char": 8, "short": 16, "int": 32 if is_hex else 64}.get(integer[2].lower(), 64)
        held = array.astype(f"{'u' * bool(integer[1] or 'unsigned' in integer.string)}int{bits}")
        is_beyond = (held != array) & (not is_hex or array.astype(f"uint{bits}") != array)
        self.refuse(place, is_beyond.any(), f"a number that {integer[0]} does not hold")
        return held.astype(np.int64)

    def explain(self, place: int, source: str, apart: str, mark: str) -> NoReturn:
        """Raise an error that says what is wrong in a row, or that its length differs from that of the first."""
        self.refuse(place, ";" in source and ";" not in apart + mark, f"';' may end a row, or an element; {_UNEVEN}")
        rows = [row for row in re.finditer(f"[^{apart}]++", source) if row[0].strip(" ,\n")]
        texts = [row[0].strip(" \n\1\f").removeprefix("|").removesuffix(mark) for row in rows]
        parted, first = mark if any(mark in text for text in texts) else None, 0
        for number, (row, text) in enumerate(zip(rows, texts, strict=True), 1):
            cells, at, has = [cell.split() for cell in text.split(parted)], place + row.start(), f"row {number} has"
            first = first or len(cells)
            lengths = f"{counted(len(cells), 'number')}, row 1 has {first}: all rows must be equally long"
            self.refuse(at, len(cells) != first, f"{has} {lengths}")
            marks = "commas and blanks: decimal commas" if "," in text else "blanks and other marks: one number each"
            self.refuse(at, any(len(cell) > 1 for cell in cells), f"{has} {marks}, or two numbers each")
            self.refuse(at, [] in cells, f"{has} an empty cell: a number is missing")
        self.fail(place, _UNEVEN)


def _beside(boxes: re.Match[str]) -> str:
    """Framed matrices that stand side by side, as cnngrad prints them, rewritten one below the other."""
    starts = [found.start() for found in re.finditer(r"[┌+] +[┐+]", boxes["frame"])]
    lines = [boxes["titles"] or "", "", *boxes["rows"].splitlines(), ""]
    text = "\n".join(line[start:end].strip() for start, end in pairwise([*starts, None]) for line in lines)
    return "\n" + re.sub("[d∂]E/[d∂]", "dEd", text)
