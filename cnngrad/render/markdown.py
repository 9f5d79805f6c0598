"""A derivation in Markdown: GitHub's, with formulas in fenced `math` blocks, or with formulas between dollars."""

import re
from collections.abc import Sequence

from cnngrad.derivation.blocks import Derivation, Figure
from cnngrad.render.latex import LINE, MOST_CHARACTERS, Writer
from cnngrad.render.matrix import grouped
from cnngrad.render.style import Style

__all__ = ["markdown_document"]


def markdown_document(derivation: Derivation, style: Style) -> str:
    """The document."""
    writer = (_DollarWriter if style.maths == "dollar" else _Writer)(style.precision, LINE)
    head = [f"# {writer.text(style.title or derivation.layer)}", *([writer.text(style.author)] if style.author else [])]
    return "\n\n".join([*head, writer.sections(derivation, "## {}")]) + "\n"


class _Writer(Writer):
    """Writes blocks with formulas in fenced blocks, as on GitHub."""

    signs, coloured = ("$`", "`$"), False
    fence = ("```math", "```")

    def text(self, text: str) -> str:
        return re.sub(r"([\\*_<\[\]`])", r"\\\1", text)

    def formula(self, line: str) -> str:
        return f"\n{line}\n".join(self.fence)

    def equations(self, lines: Sequence[str], aligned: bool = False) -> str:
        if not aligned:
            return "\n\n".join(map(self.formula, lines))
        # In parts that are short enough for MathJax.
        parts = map(" \\\\\n".join, grouped(lines, len, MOST_CHARACTERS))
        return "\n\n".join(self.formula(f"\\begin{{aligned}}\n{part}\n\\end{{aligned}}") for part in parts)

    def figure(self, figure: Figure) -> str:
        rows = [
            rf"\xrightarrow{{\;{self.part(weight)}\;}} & {self.part(output)} & \longleftarrow & {self.part(back)}"
            for weight, output, back in figure.links
        ]
        rows += [r"\cdots & \cdots & & \cdots"] if figure.more else []
        lines = r" \\[5pt] ".join(rows)
        return self.formula(
            rf"{self.part(figure.source)} \left\lbrace \begin{{array}}{{llll}} {lines} \end{{array}} \right."
        )


class _DollarWriter(_Writer):
    """Writes formulas between dollars."""

    signs = ("$", "$")
    fence = ("$$", "$$")
