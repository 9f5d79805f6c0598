"""Documents by the file's ending: one registry for lessons, reports and findings."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cnngrad.checks import Report
from cnngrad.derivation.blocks import Derivation, Figure, ReportBlock
from cnngrad.errors import CnngradError, visible
from cnngrad.files.write import check_target, write_document
from cnngrad.render.check_page import check_page
from cnngrad.render.figure import drawn, in_text, space_for
from cnngrad.render.html import framed, html_document
from cnngrad.render.latex import latex_document
from cnngrad.render.machines import github, gradescope, junit
from cnngrad.render.markdown import markdown_document
from cnngrad.render.painter import Painter
from cnngrad.render.style import Style
from cnngrad.render.terminal import AS_IT_IS, PLAIN_WIDTH, text_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = ["Shown", "check_ending", "document", "html_of", "write"]


class Shown(Protocol):
    """A lesson, a report or findings."""

    @property
    def title(self) -> str:
        """The heading of a document."""

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """Its content."""


_PLAIN = Style()


def document(ending: str, shown: Shown, style: Style = _PLAIN) -> str:
    """The document for a file with this ending, e.g. `".md"`."""
    title, author = (visible(" ".join(text.split())) for text in (style.title, style.author))
    return _DOCUMENTS[style.form or ending](shown, style._replace(title=title, author=author))


def check_ending(target: str, kind: type, form: str = "") -> None:
    """Raise a CnngradError unless such a document can be written to `target`; called before any work."""
    # Reports cannot be written in LaTeX.
    plain = [ending for ending in _DOCUMENTS if ending != ".tex" or issubclass(kind, Derivation)]
    endings = [_ENDINGS[form]] if form else [ending for ending in plain if ending.startswith(".")]
    if (ending := Path(target).suffix) not in endings:
        elsewhere = f"; {_ELSEWHERE[ending]}" if ending in _ELSEWHERE else ""
        raise CnngradError(f"{target} has an unknown ending for a report: use {', '.join(endings)}{elsewhere}")
    check_target(target, ["report"], endings)


# How to make documents of other kinds.
_ELSEWHERE = {
    ".pdf": "for a PDF open the .html in a browser and print it, or compile the .tex with pdflatex",
    ".xml": "for JUnit's XML of --run add --format junit",
    ".json": "for the numbers write -o, for Gradescope's results of --run --format gradescope",
    ".png": "for a PNG open the .svg in a browser, or convert it with rsvg-convert",
}


def write(target: str, shown: Shown, style: Style = _PLAIN) -> None:
    """Write the document for the file's ending.

    Raises:
        CnngradError: an unknown ending, or a failure of the file system.
    """
    check_ending(target, type(shown), style.form)
    write_document(target, document(Path(target).suffix, shown, style))


def _text(shown: Shown, style: Style) -> str:
    """What the terminal shows, as plain text of 80 columns."""
    return text_of(_painted(shown, style))


def _painted(shown: Shown, style: Style, figure: "Callable[[Figure], Text]" = in_text) -> "list[RenderableType]":
    if isinstance(shown, Derivation):
        lines = filter(None, (style.title or shown.layer, style.author))
        shown = replace(shown, layer="\n".join(lines))
    return list(Painter(style.precision, figure).blocks(shown.blocks(style.precision)))


def _markdown(shown: Shown, style: Style) -> str:
    if isinstance(shown, Derivation):
        return markdown_document(shown, style)
    text = _text(shown, style).rstrip()
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"# {style.title or shown.title}\n\n{fence}text\n{text}\n{fence}\n"


def _html(shown: Shown, style: Style) -> str:
    """An interactive page, or the terminal's text."""
    if isinstance(shown, Derivation):
        return html_document(shown, style)
    if isinstance(shown, Report):
        return check_page(shown, style.precision, _text(shown, _PLAIN).rstrip("\n"))
    title = style.title or shown.title
    body = f"<h1>{escape(title)}</h1>\n{html_of(shown, style)}"
    return framed(title, body, "default-src 'none'; style-src 'unsafe-inline'")


def html_of(shown: Shown, style: Style = _PLAIN) -> str:
    """A report in a notebook: the terminal's text with its colours."""
    console = _recorded(_painted(shown, style), PLAIN_WIDTH)
    return console.export_html(code_format='<pre style="line-height: 1.2">{code}</pre>', inline_styles=True)


# Colours of ink, paper and dim text.
_COLOURS = {"light": ("#1a1a1a", "#ffffff", "#666666"), "dark": ("#e6e6e6", "#121418", "#a0a0a0")}


def _svg(shown: Shown, style: Style) -> str:
    """A picture, at most 80 columns wide, as large as its content."""
    from rich.color import Color
    from rich.terminal_theme import TerminalTheme

    painted = _painted(shown, style, space_for)
    # Measured first, since a rule fills the width.
    lines = _recorded(painted, PLAIN_WIDTH).export_text().splitlines()
    recorded = _recorded(painted, max(len(line.rstrip()) for line in lines))
    ink, paper, dim = (Color.parse(colour).get_truecolor() for colour in _COLOURS[style.theme])
    theme = TerminalTheme(paper, ink, [ink] * 8, [dim] * 8)
    svg = recorded.export_svg(theme=theme, code_format=_SVG.replace("PAPER", paper.hex), unique_id="cnngrad")
    figures = [block for block in shown.blocks(style.precision) if isinstance(block, Figure)]
    return drawn(svg, figures, ink.hex, paper.hex)


def _recorded(renderables: "Sequence[RenderableType]", width: int) -> "Console":
    """A console that has recorded the output of a terminal of this width, in all colours."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(), record=True, width=width, color_system="truecolor", force_terminal=True,
        legacy_windows=False, **AS_IT_IS,
    )  # fmt: skip
    for renderable in renderables:
        console.print(renderable)
    return console


# Rich's SVG without its window and without fonts from a network.
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

_DOCUMENTS: dict[str, Callable[[Any, Style], str]] = {
    ".txt": _text,
    ".md": _markdown,
    ".tex": latex_document,
    ".svg": _svg,
    ".html": _html,
    "junit": junit,
    "github": github,
    "gradescope": gradescope,
}
# The endings of the forms that other programs read.
_ENDINGS = {"junit": ".xml", "github": ".txt", "gradescope": ".json"}
