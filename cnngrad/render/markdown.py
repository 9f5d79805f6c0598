"""A derivation in Markdown: GitHub's, with formulas in fenced `math` blocks, or with formulas between dollars."""

import re
from collections.abc import Iterable
from itertools import chain

from cnngrad.derivation.blocks import Derivation
from cnngrad.render.latex import LINE, MOST_CHARACTERS, Writer
from cnngrad.render.matrix import grouped
from cnngrad.render.style import Style

__all__ = ["markdown_document"]

# The width in ems of a line of text in the PDF that pandoc makes.
_PAGE = 34.0


def markdown_document(derivation: Derivation, style: Style) -> str:
    """The document."""
    writer = _DollarWriter(style.precision, _PAGE) if style.maths == "dollar" else _Writer(style.precision, LINE)
    head = [f"# {writer.text(style.title or derivation.layer)}", *([writer.text(style.author)] if style.author else [])]
    return "\n\n".join([*head, writer.sections(derivation, "## {}")]) + "\n"


class _Writer(Writer):
    """Writes blocks with formulas in fenced blocks, as on GitHub."""

    signs = "$`", "`$"
    coloured = False
    fence = "```math", "```"
    before_display = "\n\n"
    # Pandoc's LaTeX has matrices of 10 columns.
    most_columns = 9

    def text(self, text: str) -> str:
        # Characters that pandoc's PDF lacks are formulas.
        return self.with_formulas(re.sub(r"([\\*_<\[\]`$])", r"\\\1", text), "ᵀ−∗Σδ′")

    def formula(self, line: str) -> str:
        return f"\n{line}\n".join(self.fence)

    def equations(self, lines: Iterable[str], name: str = "") -> str:
        return "\n\n".join(map(self.formula, lines))

    def expansions(self, sums: Iterable[list[str]]) -> str:
        # In parts that are short enough for MathJax.
        texts = map(" \\\\\n".join, grouped(chain.from_iterable(sums), len, MOST_CHARACTERS))
        return self.equations(f"\\begin{{aligned}}\n{text}\n\\end{{aligned}}" for text in texts)


class _DollarWriter(_Writer):
    """Writes formulas between dollars."""

    signs = "$", "$"
    fence = "$$", "$$"
