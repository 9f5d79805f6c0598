"""Documents by the file's ending: one registry for lessons, reports and findings."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cnngrad.checks import Report
from cnngrad.derivation.blocks import Derivation, Grids, ReportBlock
from cnngrad.errors import CnngradError, visible
from cnngrad.files.opening import write_document
from cnngrad.files.write import check_target, numbered
from cnngrad.render.check_page import check_page
from cnngrad.render.figure import figures
from cnngrad.render.html import framed, html_document
from cnngrad.render.latex import latex_document
from cnngrad.render.machines import github, gradescope, junit
from cnngrad.render.markdown import markdown_document
from cnngrad.render.moodle import moodle
from cnngrad.render.painter import Painter
from cnngrad.render.shapes import CHARACTER, Words, pieces, svg_figure
from cnngrad.render.style import Style
from cnngrad.render.terminal import AS_IT_IS, PLAIN_WIDTH, text_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Shown", "check_ending", "document", "html_of", "write"]


class Shown(Protocol):
    """A lesson, a report or findings."""

    @property
    def title(self) -> str:
        """The heading of a document."""

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """Its content."""


_PLAIN = Style()
# The endings of figures.
_FIGURES = (".svg", ".tex")


def document(ending: str, shown: Shown, style: Style = _PLAIN) -> str:
    """The document for a file with this ending, e.g. `".md"`; the first figure of a derivation of elements."""
    return _documents(ending, shown, style)[0]


def _documents(ending: str, shown: Shown, style: Style) -> list[str]:
    """The document, or a figure of each element."""
    title, author = (visible(" ".join(text.split())) for text in (style.title, style.author))
    style = style._replace(title=title, author=author)
    if ending in _FIGURES and isinstance(shown, Derivation) and shown.elements:
        return figures(shown, style, ending)
    return [_DOCUMENTS[style.form or ending](shown, style)]


def check_ending(target: str, latex: bool, form: str = "") -> None:
    """Raise a CnngradError unless such a document can be written to `target`; called before any work."""
    # Only derivations and exercises can be written in LaTeX.
    plain = [ending for ending in _DOCUMENTS if ending not in _ENDINGS and (ending != ".tex" or latex)]
    endings = [_ENDINGS[form]] if form else plain
    if (ending := Path(target).suffix) not in endings:
        elsewhere = f"; {_ELSEWHERE[ending]}" if ending in _ELSEWHERE else ""
        raise CnngradError(f"{target} has an unknown ending for a report: use {', '.join(endings)}{elsewhere}")
    check_target(target, endings)


# How to make documents of other kinds.
_ELSEWHERE = {
    ".pdf": "for a PDF open the .html in a browser and print it, or compile the .tex of a lesson with pdflatex",
    ".xml": "for JUnit's XML of --run add --format junit, for Moodle's of exercises --format moodle",
    ".json": "for the numbers write -o, for Gradescope's results of --run --format gradescope",
    ".png": "for a PNG open the .svg in a browser, or convert it with rsvg-convert",
}


def write(target: str, shown: Shown, style: Style = _PLAIN) -> list[str]:
    """Write the document for the file's ending, or a figure of each element; gives the files.

    Raises:
        CnngradError: an unknown ending, or a failure of the file system.
    """
    check_ending(target, isinstance(shown, Derivation), style.form)
    texts = _documents(Path(target).suffix, shown, style)
    files = numbered(target, len(texts))
    for file, text in zip(files, texts, strict=True):
        write_document(file, text)
    return files


def _text(shown: Shown, style: Style) -> str:
    """What the terminal shows, as plain text of 80 columns."""
    return text_of(_painted(shown, style))


def _painted(shown: Shown, style: Style, painter: type[Painter] = Painter) -> "Iterator[RenderableType]":
    if isinstance(shown, Derivation):
        lines = filter(None, (style.title or shown.layer, style.author))
        shown = replace(shown, layer="\n".join(lines))
    return painter(style.precision).blocks(shown.blocks(style.precision))


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
        # The page shows the matrices as tables, so its text needs none.
        blocks = (block for block in shown.blocks(style.precision) if not isinstance(block, Grids))
        return check_page(shown, style.precision, text_of(Painter(style.precision).blocks(blocks)))
    title = style.title or shown.title
    body = f"<h1>{escape(title)}</h1>\n{html_of(shown, style)}"
    return framed(title, body, "default-src 'none'; style-src 'unsafe-inline'")


def html_of(shown: Shown, style: Style = _PLAIN) -> str:
    """A report in a notebook: the terminal's text with its colours."""
    console = _console()
    for renderable in _painted(shown, style):
        console.print(renderable, crop=False)
    return console.export_html(code_format='<pre style="line-height: 1.2">{code}</pre>', inline_styles=True)


def _svg(shown: Shown, style: Style) -> str:
    """A picture of a terminal of 80 columns."""
    from rich.console import Group

    lines = _console().render_lines(Group(*_painted(shown, style, _FoldingPainter)))
    texts = [Words(1, _LEADING * row, pieces(line), 1, "start") for row, line in enumerate(lines, start=1)]
    return svg_figure(
        texts, (0, 2 + PLAIN_WIDTH * CHARACTER, _LEADING * (len(lines) + 1)), shown.title, style, is_text=True
    )


class _FoldingPainter(Painter):
    """Paints for a picture, whose lines are as long as the terminal's at most."""

    folded = True


def _console() -> "Console":
    """A console that records the output of a terminal of 80 columns, in all colours."""
    from rich.console import Console

    return Console(
        file=io.StringIO(), record=True, width=PLAIN_WIDTH, color_system="truecolor", force_terminal=True,
        legacy_windows=False, **AS_IT_IS,
    )  # fmt: skip


# The distance of lines in ems.
_LEADING = 1.17

_DOCUMENTS: dict[str, Callable[[Any, Style], str]] = {
    ".txt": _text,
    ".md": _markdown,
    ".tex": latex_document,
    ".svg": _svg,
    ".html": _html,
    # The forms that other programs read.
    "junit": junit,
    "github": github,
    "gradescope": gradescope,
    "moodle": moodle,
}
# The endings of the forms.
_ENDINGS = {"junit": ".xml", "github": ".txt", "gradescope": ".json", "moodle": ".xml"}
