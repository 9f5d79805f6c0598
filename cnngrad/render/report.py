"""Documents by their file's ending: each shows the same sections."""

import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from cnngrad.derivation.blocks import Derivation, Figure
from cnngrad.errors import CnngradError, visible
from cnngrad.files.write import check_target, write_document
from cnngrad.gradcheck import Report
from cnngrad.render.check_page import check_page
from cnngrad.render.checks import report_blocks
from cnngrad.render.figure import drawn, in_text, space_for
from cnngrad.render.html import framed, html_document
from cnngrad.render.latex import latex_document
from cnngrad.render.markdown import markdown_document
from cnngrad.render.numbers import DEFAULT_PRECISION
from cnngrad.render.painter import Painter
from cnngrad.render.style import Style
from cnngrad.render.terminal import AS_IT_IS, PLAIN_WIDTH, text_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = [
    "BLOCKS",
    "check_report",
    "document",
    "html_of",
    "notebook_markdown",
    "write_blocks",
    "write_check",
    "write_report",
]


_PLAIN = Style()


def text_document(derivation: Derivation, style: Style) -> str:
    """What the terminal shows, as plain text of 80 columns."""
    return text_of(_painted(derivation, style))


def _painted(
    derivation: Derivation, style: Style, figure: "Callable[[Figure], Text]" = in_text
) -> "Iterator[RenderableType]":
    heading = style.title or derivation.layer
    told = f"{heading}\n{style.author}" if style.author else heading
    return Painter(style.precision, hints=False, figure=figure).derivation(replace(derivation, layer=told))


def svg_document(derivation: Derivation, style: Style) -> str:
    """A picture, 80 columns wide and no larger than what it shows."""
    figures = [block for section in derivation.sections for block in section.blocks if isinstance(block, Figure)]
    return drawn(_svg_of(_painted(derivation, style, space_for), style.theme), figures, *_COLOURS[style.theme])


# Ink and paper.
_COLOURS = {"light": ("#1a1a1a", "#ffffff"), "dark": ("#e6e6e6", "#121418")}
_GREYS = {"light": (0x66, 0x66, 0x66), "dark": (0xA0, 0xA0, 0xA0)}


def _svg_of(renderables: "Iterable[RenderableType]", theme: str = "light") -> str:
    from rich.color import Color
    from rich.rule import Rule
    from rich.terminal_theme import TerminalTheme

    # Once to see how wide it is.
    shown = list(renderables)
    plain = _recorded(shown, PLAIN_WIDTH)
    width = max((len(line.rstrip()) for line in plain.export_text().splitlines()), default=1)
    recorded = _recorded(shown, width if not any(isinstance(each, Rule) for each in shown) else PLAIN_WIDTH)
    ink, paper = (Color.parse(colour).get_truecolor() for colour in _COLOURS[theme])
    colours = TerminalTheme(paper, ink, [ink] * 8, [_GREYS[theme]] * 8)
    form = _SVG.replace("PAPER", colours.background_color.hex)
    return recorded.export_svg(theme=colours, code_format=form, unique_id="cnngrad")


def _recorded(renderables: "Iterable[RenderableType]", width: int) -> "Console":
    """A console that has recorded what a terminal of this width shows, in all colours."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(), record=True, width=width, color_system="truecolor", force_terminal=True,
        legacy_windows=False, **AS_IT_IS,
    )  # fmt: skip
    for renderable in renderables:
        console.print(renderable)
    return console


# The text as text, on paper; no window around it, no font from a network.
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
<rect width="100%" height="100%" fill="PAPER" />
<g clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


_DOCUMENTS: dict[str, Callable[[Derivation, Style], str]] = {
    ".txt": text_document,
    ".md": markdown_document,
    ".tex": latex_document,
    ".svg": svg_document,
    ".html": html_document,
}


# The endings of documents that show what a check found.
BLOCKS = (".txt", ".md", ".svg", ".html")


# How the user makes documents of other kinds.
_ELSEWHERE = {
    ".pdf": "for a PDF open the .html in a browser and print it, or compile the .tex with pdflatex",
    ".png": "for a PNG open the .svg in a browser, or convert it with rsvg-convert",
}


def notebook_markdown(derivation: Derivation) -> str:
    """What a notebook shows of a derivation: Markdown with formulas between dollars."""
    return markdown_document(derivation, Style(maths="dollar"))


def html_of(renderables: "Iterable[RenderableType]") -> str:
    """What a notebook shows of a report: the text of the terminal, with its colours."""
    console = _recorded(renderables, PLAIN_WIDTH)
    return console.export_html(code_format='<pre style="line-height: 1.2">{code}</pre>', inline_styles=True)


def check_report(target: str, endings: Collection[str] = tuple(_DOCUMENTS)) -> None:
    """Raise a CnngradError unless a document can be written under `target`; called before any work."""
    if (ending := Path(target).suffix) not in endings:
        words = f"{target} has an unknown ending for a report: use {', '.join(endings)}"
        raise CnngradError(f"{words}; {_ELSEWHERE[ending]}" if ending in _ELSEWHERE else words)
    check_target(target, ["report"], endings)


def write_blocks(target: str, title: str, blocks: "Sequence[RenderableType]") -> None:
    """Write what a check found as the document that the file's ending asks for, one of `BLOCKS`."""
    ending = Path(target).suffix
    if ending == ".svg":
        text = _svg_of(blocks)
    elif ending == ".html":
        body = f"<h1>{escape(title)}</h1>\n{html_of(blocks)}"
        text = framed(title, body, "default-src 'none'; style-src 'unsafe-inline'")
    elif ending == ".md":
        shown = text_of(blocks).rstrip()
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", shown))])
        text = f"# {title}\n\n{fence}text\n{shown}\n{fence}\n"
    else:
        text = text_of(blocks)
    write_document(target, text)


def write_check(target: str, report: Report, precision: int = DEFAULT_PRECISION) -> None:
    """Write a check's report as the document that the file's ending asks for, one of `BLOCKS`."""
    if Path(target).suffix == ".html":
        write_document(target, check_page(report, precision))
    else:
        write_blocks(target, "cnngrad check", list(report_blocks(report, precision)))


def document(ending: str, derivation: Derivation, style: Style = _PLAIN) -> str:
    """The document of a derivation for a file with this ending, e.g. `".md"`."""
    title, author = (visible(" ".join(text.split())) for text in (style.title, style.author))
    return _DOCUMENTS[ending](derivation, style._replace(title=title, author=author))


def write_report(target: str, derivation: Derivation, style: Style = _PLAIN) -> None:
    """Write a derivation as the document that the file's ending asks for.

    Raises:
        CnngradError: an unknown ending, or a failure of the file system.
    """
    check_report(target)
    write_document(target, document(Path(target).suffix, derivation, style))
