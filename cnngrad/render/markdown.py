"""A derivation in GitHub's Markdown, with its mathematics in fenced `math` blocks."""

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
    Section,
    Sentence,
)
from cnngrad.render.tex import MOST_CHARACTERS, MathsWriter

__all__ = ["markdown_document"]


def markdown_document(derivation: Derivation, precision: int) -> str:
    """The document."""
    writer = MathsWriter(precision)
    parts = [f"# {_text(derivation.layer)}"]
    for section in derivation.sections:
        parts += _section(section, writer)
    return "\n\n".join(parts) + "\n"


def _section(section: Section, writer: MathsWriter) -> Iterator[str]:
    yield f"## {_sentence(section.title, writer)}"
    for block in section.blocks:
        if not isinstance(block, Hint):
            yield from _block(block, writer)


def _block(block: Sentence | Formula | Expansions | GridRow | Picture | Figure, writer: MathsWriter) -> Iterator[str]:
    if isinstance(block, Sentence):
        yield _sentence(block.parts, writer)
    elif isinstance(block, Formula):
        yield _fenced([block.maths.latex])
    elif isinstance(block, Expansions):
        for part in _in_blocks([line for lines in writer.sums(block) for line in lines]):
            yield _fenced([r"\begin{aligned}", *_broken(part), r"\end{aligned}"])
    elif isinstance(block, Figure):
        yield "\n".join(["```text", *block.lines, "```"])
    elif isinstance(block, Picture):
        for line in writer.picture(block):
            yield _fenced([line])
    else:
        for line in writer.row(block):
            yield _fenced([line])


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


def _fenced(lines: Sequence[str]) -> str:
    return "\n".join(["```math", *lines, "```"])


def _sentence(parts: Sequence[Part], writer: MathsWriter) -> str:
    return "".join(_text(part) if isinstance(part, str) else f"$`{writer.inline(part)}`$" for part in parts)


def _text(text: str) -> str:
    return re.sub(r"([\\*_<\[\]`])", r"\\\1", text)
