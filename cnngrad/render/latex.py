r"""A derivation in LaTeX: an article, or a fragment that another document includes with \input.

It compiles with pdflatex and needs only the packages amsmath and xcolor.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

from cnngrad.derivation.blocks import (
    Derivation,
    Expansions,
    Formula,
    Grids,
    Heading,
    Part,
    Phrase,
    Sentence,
)
from cnngrad.derivation.grids import Cell, Grid, Item
from cnngrad.layer import counted
from cnngrad.layer.expansion import Partial
from cnngrad.layer.names import Number, Symbol
from cnngrad.render.maths import latex, node_of
from cnngrad.render.matrix import Fitting, grouped
from cnngrad.render.style import Style

__all__ = ["ARTICLE", "IN_FORMULAS", "LINE", "MOST_CHARACTERS", "Writer", "latex_document"]

ARTICLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{amsmath}
\usepackage{xcolor}
\setlength{\textwidth}{17cm}
\setlength{\oddsidemargin}{-0.5cm}
\setlength{\textheight}{24.5cm}
\setlength{\topmargin}{-1.5cm}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
"""
# The colours, and more space between lines of equations.
_SETTINGS = r"""\providecolor{cx}{HTML}{1A6FAE}
\providecolor{cw}{HTML}{B2541A}
\providecolor{co}{HTML}{8347B5}
\providecolor{cb}{HTML}{1F7A52}
\setlength{\jot}{7pt}
\value{MaxMatrixCols}=50\relax
\allowdisplaybreaks
"""
# A group keeps the settings from the document around it. In a frame of Beamer the text is cut into parts that fit below
# a title, each on a slide of its own; a part that can't be cut is made smaller. A box of the fragment's own keeps what
# is left for later slides, for each of which Beamer reads the text anew.
_BEGIN_FRAGMENT = r"""% Needs amsmath and xcolor. In a frame of Beamer it takes as many slides as it needs.
\begingroup
\expandafter\let\expandafter\ifbroken\csname ifbeamer@autobreak\endcsname
\def\rest{{\csname cnngrad{0:x}\endcsname}}
\ifcsname cnngrad{0:x}\endcsname\else\expandafter\newbox\csname cnngrad{0:x}\endcsname\fi
\def\slide{{\ifbroken 1\else\insertslidenumber\fi}}
\def\parts{{\par\boxmaxdepth=0pt \loop
  \setbox2=\vsplit\rest to .8\textheight \setbox2=\vbox{{\unvbox2}}%
  \ifdim\ht2>.8\textheight \setbox2=\vbox{{\hbox{{\resizebox{{!}}{{.8\textheight}}{{\box2}}}}}}\fi
  \box2 \count255=\ifbroken 1\else 0\fi\relax \ifvoid\rest\count255=0 \fi
  \ifnum\count255=1 \repeat
  \ifvoid\rest\else\only<\the\numexpr\insertslidenumber+1\relax>{{}}\fi}}
\splitmaxdepth=0pt \vfuzz=\maxdimen
\setlength{{\abovedisplayskip}}{{6pt plus 2pt}}
\setlength{{\belowdisplayskip}}{{6pt plus 2pt}}
"""
_BEGIN_PARTS = r"""\ifnum\ifcsname insertslidenumber\endcsname\slide\else1\fi=1
\global\setbox\rest=\vbox\bgroup"""
_END_FRAGMENT = r"""\par\egroup\fi
\ifcsname insertslidenumber\endcsname\parts\else\unvbox\rest\fi
\endgroup
"""

# Approximate width of a line in ems: a page with 17 cm of text in 10 points.
LINE = 44.0
# The same for a fragment, for a slide of 128 mm.
_NARROW = 30.0
# Number of terms of a sum in short.
_GLANCE = 6
# Number of characters between two cells of a matrix.
_BETWEEN = 3
# Maximum number of characters in one formula: MathJax, which GitHub uses, accepts 5 kB.
MOST_CHARACTERS = 4000

# LaTeX for characters of running text, for those that are formulas, and for signs between grids.
_CHARACTERS = str.maketrans({
    "\\": r"\textbackslash{}", **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "…": r"\dots{}", "-": "{-}",
})  # fmt: skip
_FORMULAS = {
    "×": r"\times", "·": r"\cdot", "→": r"\to", "°": r"^\circ", "ᵀ": "^T", "−": "-", "∗": "*", "Σ": r"\sum",
    "δ": r"\delta", "∂": r"\partial ", "′": "'",
}  # fmt: skip
IN_FORMULAS = str.maketrans(_FORMULAS)
_SIGNS = {
    "+=": r"\mathrel{+}=",
    "Full-Conv(": r"\text{Full-Conv}\Big(",
    "Fold(Full-Conv(": r"\text{Fold}\Big(\text{Full-Conv}\Big(",
    ")": r"\Big)",
    "))": r"\Big)\Big)",
    "and": r"\quad\text{and}\quad",
    "…": r"\cdots",
    "←": r"\gets",
    "+ …": r"+ \cdots",
    "  ": r"\quad",
    "rotate 180°": r"\text{rotate } 180^\circ",
}


def latex_document(derivation: Derivation, style: Style) -> str:
    """The article, or the fragment."""
    writer = Writer(style.precision, _NARROW if style.fragment else LINE)
    title = writer.text(style.title or derivation.layer)
    if style.fragment:
        body = writer.sections(derivation, r"\textbf{{{}}}")
        begin = _BEGIN_FRAGMENT.format(crc32(body.encode()))
        return f"{begin}{_SETTINGS}{_BEGIN_PARTS}\n{title}\n\n{body}\n{_END_FRAGMENT}"
    body = writer.sections(derivation, r"\subsection*{{{}}}")
    begin = f"\\begin{{document}}\n\\section*{{{title}}}\n"
    by = f"{writer.text(style.author)}\n" if style.author else ""
    return f"{ARTICLE}{_SETTINGS}{begin}\n{by}\n{body}\n\\end{{document}}\n"


class Writer(Fitting):
    """Writes blocks in LaTeX, in lines whose width is given in ems."""

    most_rows = 10
    most_columns = 14
    margin = 0
    times = r" \cdot "
    more = r"\cdots"
    prime = "'"
    blank = r"\underline{\rule{0pt}{1.5em}\qquad}"
    # The signs around a formula in running text.
    signs = "$", "$"
    # Whether elements have their tensor's colour.
    coloured = True
    # A formula belongs to the paragraph before it: the page is not broken between them.
    before_display = "\n"

    def text(self, text: str) -> str:
        """Running text."""
        return self.with_formulas(text.translate(_CHARACTERS), _FORMULAS)

    def with_formulas(self, text: str, characters: Iterable[str]) -> str:
        """Running text with these characters, and partial derivatives, as formulas."""
        formulas = rf"∂\w/∂\w|−[0-9]+|[{''.join(characters)}]"
        return re.sub(formulas, lambda each: each[0].translate(IN_FORMULAS).join(self.signs), text)

    def equations(self, lines: Iterable[str], name: str = "gather*") -> str:
        """Several formulas below each other."""
        return "\n".join([rf"\begin{{{name}}}", " \\\\\n".join(lines), rf"\end{{{name}}}"])

    def expansions(self, sums: Iterable[list[str]]) -> str:
        """Sums, aligned at their &; no page ends within one."""
        return self.equations(map(" \\\\*\n".join, sums), "align*")

    def formula(self, line: str) -> str:
        """A formula on a line of its own."""
        return rf"\[ {line} \]"

    def sentence(self, parts: Sequence[Part]) -> str:
        """Running text with formulas in it."""
        return "".join(self.text(part) if isinstance(part, str) else self.part(part).join(self.signs) for part in parts)

    def sections(self, derivation: Derivation, heading: str) -> str:
        """All sections, each under its heading."""
        # The layer stands in the document's head.
        _, *blocks = derivation.blocks(self.precision)
        text = ""
        for block in blocks:
            match block:
                case Heading(parts):
                    text += f"\n\n{heading.format(self.sentence(parts))}"
                case Sentence(parts):
                    text += f"\n\n{self.sentence(parts)}"
                case Formula(row):
                    text += self.before_display + self.formula(latex(*row))
                case Expansions():
                    text += self.before_display + self.expansions(self.sums(block))
                case Grids():
                    lines = [line for items in self.rows(block) for line in self.row(items)]
                    text += self.before_display + self.equations(lines)
        return text.strip()

    def named(self, part: Symbol | Partial | Phrase) -> str:
        """An element, a derivative or words, without the signs around them."""
        text = latex(node_of(part))
        return rf"{{\color{{c{part.tensor.letter}}}{text}}}" if self.coloured and isinstance(part, Symbol) else text

    def number(self, value: Number) -> str:
        r"""1.5 \times 10^{-9}."""
        mantissa, _, exponent = super().number(value).partition("e")
        return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa

    def sums(self, table: Expansions) -> Iterator[list[str]]:
        """The lines of each expansion, with & before the first sign, for `align` or `aligned`."""
        for expansion in table.expansions:
            expansion = expansion.cut(_GLANCE) if table.in_short else expansion
            symbols = [self.product(term.factors, r"\,") for term in expansion.terms]
            numbers = [self.product(term.values) for term in expansion.terms]
            if more := expansion.left_out:
                symbols.append(rf"\cdots \quad\text{{({counted(more, 'more term')})}}")
                numbers.append(rf"(\text{{{more} more}} = {self.number(expansion.rest)})")
            lines = self._broken(symbols)
            if expansion.zeros:
                note = rf" \quad\text{{({counted(expansion.zeros, 'product')} with 0)}}"
                if _width(lines[-1] + note) > self.line - 8:
                    lines.append(r"&\phantom{=}\ ")
                lines[-1] += note
            lines[0] = f"{self.part(expansion.target)} &= {lines[0]}"
            if expansion.is_worked:
                below = self._broken(numbers)
                below[0] = f"&= {below[0]}"
                if expansion.total is not None:
                    below[-1] += f" = {self.number(expansion.total)}"
                lines += below
            yield lines

    def row(self, items: Iterable[Item]) -> list[str]:
        """The grids and signs of a row, broken into as many lines as the page's width requires."""
        lines: list[str] = []
        used = self.line
        sign = ""
        for item in items:
            if not isinstance(item, Grid):
                words = _SIGNS.get(item, item.strip()) if isinstance(item, str) else self.part(item)
                sign += f" {words.translate(IN_FORMULAS)}"
                continue
            item, columns = self.fitted(item, self.line)
            rows = [" & ".join(row) for row in zip(*columns, strict=True)]
            space = r" \\[6pt] " if re.search(r"frac|\^{", "".join(rows)) else r" \\ "
            grid = rf"\begin{{bmatrix}} {space.join(rows)} \end{{bmatrix}}"
            if any(self.more in column for column in columns):
                grid = rf"\underset{{\text{{{item.height}$\times${item.width}, the middle left out}}}}{{{grid}}}"
            # Words are text, names and Mᵀ are mathematics.
            words = _NAMES.sub(r"}\1^{\2}_{\3}\4\\text{", item.title)
            title = re.sub(r"\\text\{\}|[_^]\{\}", "", rf"\text{{{words}}}").translate(IN_FORMULAS)
            grid = rf"\overset{{{title}}}{{{grid}}}"
            width = max(_matrix_width(columns), _width(title) * 0.7)
            if used + width > self.line or len(lines[-1]) + len(grid) > MOST_CHARACTERS:
                lines.append("")
                used = 0.0
            lines[-1] += f"{sign or (chr(92) + 'quad' if lines[-1] else '')} {grid}"
            used += width + 2
            sign = ""
        lines[-1] += sign
        return list(map(str.strip, lines))

    def _broken(self, terms: Iterable[str]) -> list[str]:
        """The terms of a sum in lines that fit."""
        lines = grouped(terms, lambda term: _width(term) + 1.2, self.line - 8)
        joined = [" + ".join(line) for line in lines] or ["0"]
        return " + {}\n&\\phantom{=}\\ ".join(joined).split("\n")

    def columns(self, grid: Grid, most: int) -> list[list[str]]:
        """The cells as formulas."""
        return [list(map(self._cell, column)) for column in zip(*grid.cut(self.most_rows, most), strict=True)]

    def is_small(self, columns: list[list[str]], room: float) -> bool:
        """Whether a matrix fits, and its formula is not too long."""
        characters = sum(len(text) + _BETWEEN for column in columns for text in column)
        return _matrix_width(columns) <= room and characters <= MOST_CHARACTERS

    def _cell(self, cell: Cell) -> str:
        text = self.cell(cell.content).replace(r"\frac", r"\tfrac")
        return rf"\boxed{{{text}}}" if cell.marked else text


def _matrix_width(columns: list[list[str]]) -> float:
    """The approximate width in ems of a matrix of formulas."""
    return sum(max(map(_width, column)) + 1 for column in columns) + 1


# In the title of a matrix: an array or an element, with its brackets and its position; and signs.
_NAMES = re.compile(r"(∂E/∂\w|\b[xwo](?=[\[\d])|Mᵀ|·|′)(\[[\d,]+\])?((?:,?\d)+)?(′)?")
_FRACTION = re.compile(r"\\t?frac\{((?:[^{}]|\{[^{}]*\})*)\}\{((?:[^{}]|\{[^{}]*\})*)\}")
_SCRIPTS = re.compile(r"(?:\^\{([^{}]*)\})?_\{([^{}]*)\}|\^\{([^{}]*)\}")


def _width(latex: str) -> float:
    """The approximate width in ems; a fraction counts as its wider half, stacked scripts as the longer."""
    latex = re.sub(r"\\color\{\w+\}", "", latex)
    fractions = sum(max(map(_width, parts)) * 1.1 for parts in _FRACTION.findall(latex))
    latex = _FRACTION.sub("", latex)
    scripts = sum(0.37 * max(map(len, parts)) for parts in _SCRIPTS.findall(latex))
    latex = _SCRIPTS.sub("", latex)
    spaces = latex.count(r"\quad") + 0.5 * latex.count(r"\boxed") + 0.55 * latex.count(r"\partial")
    operators = 1.2 * len(re.findall(r"[+=]", latex)) + 0.8 * latex.count(r"\cdot")
    letters = 0.52 * len(re.sub(r"\\(?:[a-zA-Z]+|.)|[{}&\s+=]", "", latex))
    return fractions + scripts + spaces + operators + letters
