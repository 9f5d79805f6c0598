"""A derivation in Markdown: GitHub's, with formulas in fenced `math` blocks, or with formulas between dollars."""

import re
from collections.abc import Iterator, Sequence

from cnngrad.derivation.blocks import (
    Derivation,
    Expansions,
    Figure,
    Formula,
    GridRow,
    Hint,
    Part,
    Picture,
    Sentence,
)
from cnngrad.render.maths import latex
from cnngrad.render.style import Style
from cnngrad.render.tex import MOST_CHARACTERS, MathsWriter

__all__ = ["markdown_document"]


def markdown_document(derivation: Derivation, style: Style) -> str:
    """The document."""
    writer = _Writer(style)
    parts = [f"# {_text(style.title or derivation.layer)}", *([_text(style.author)] if style.author else [])]
    for section in derivation.sections:
        parts.append(f"## {writer.sentence(section.title)}")
        for block in section.blocks:
            if not isinstance(block, Hint):
                parts += writer.block(block)
    return "\n\n".join(parts) + "\n"


class _Writer:
    """Writes blocks with their formulas in fenced blocks, or between dollars."""

    def __init__(self, style: Style) -> None:
        self._maths, self._dollars = MathsWriter(style.precision), style.maths == "dollar"

    def block(self, block: Sentence | Formula | Expansions | GridRow | Picture | Figure) -> Iterator[str]:
        """A block."""
        if isinstance(block, Sentence):
            yield self.sentence(block.parts)
        elif isinstance(block, Formula):
            yield self._alone([latex(block.row)])
        elif isinstance(block, Expansions):
            for part in _in_blocks([line for lines in self._maths.sums(block) for line in lines]):
                yield self._alone([r"\begin{aligned}", *_broken(part), r"\end{aligned}"])
        elif isinstance(block, Figure):
            yield self._alone([self._maths.figure(block)])
        else:
            for line in self._maths.picture(block) if isinstance(block, Picture) else self._maths.row(block):
                yield self._alone([line])

    def _alone(self, lines: Sequence[str]) -> str:
        """A formula in lines of its own."""
        return "\n".join(["$$", *lines, "$$"] if self._dollars else ["```math", *lines, "```"])

    def sentence(self, parts: Sequence[Part]) -> str:
        """Running text with formulas in it."""
        signs = ("$", "$") if self._dollars else ("$`", "`$")
        return "".join(_text(part) if isinstance(part, str) else self._maths.part(part).join(signs) for part in parts)


def _in_blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """The lines grouped into blocks that are short enough for MathJax."""
    block: list[str] = []
    for line in lines:
        if block and sum(map(len, block)) + len(line) > MOST_CHARACTERS:
            yield block
            block = []
        block.append(line)
    yield block


def _broken(lines: Sequence[str]) -> list[str]:
    return [rf"{line} \\" for line in lines[:-1]] + list(lines[-1:])


def _text(text: str) -> str:
    return re.sub(r"([\\*_<\[\]`])", r"\\\1", text)
