"""Documents by their file's ending: each shows the same sections."""

import io
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnngrad.derivation.blocks import Derivation
from cnngrad.errors import CnngradError
from cnngrad.files.write import write_document
from cnngrad.render.latex import latex_document
from cnngrad.render.markdown import markdown_document
from cnngrad.render.numbers import DEFAULT_PRECISION
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import PLAIN_WIDTH, text_of

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["BLOCKS", "check_report", "document", "write_blocks", "write_report"]


def text_document(derivation: Derivation, precision: int) -> str:
    """What the terminal shows, as plain text of 80 columns."""
    return text_of(Painter(precision, hints=False).derivation(derivation))


def svg_document(derivation: Derivation, precision: int) -> str:
    """The picture of a terminal of 80 columns."""
    return _svg_of(Painter(precision, hints=False).derivation(derivation), f"cnngrad · {derivation.layer}")


def _svg_of(renderables: "Iterable[RenderableType]", title: str) -> str:
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        record=True,
        width=PLAIN_WIDTH,
        color_system="truecolor",
        force_terminal=True,
        legacy_windows=False,
    )
    for renderable in renderables:
        console.print(renderable)
    return console.export_svg(title=title, unique_id="cnngrad")


_DOCUMENTS: dict[str, Callable[[Derivation, int], str]] = {
    ".txt": text_document,
    ".md": markdown_document,
    ".tex": latex_document,
    ".svg": svg_document,
}


# The endings of documents that show what a check found.
BLOCKS = (".txt", ".md", ".svg")


def check_report(target: str, endings: Collection[str] = tuple(_DOCUMENTS)) -> None:
    """Raise a CnngradError unless a document can be written under `target`; called before any work."""
    if Path(target).suffix not in endings:
        raise CnngradError(f"{target} has an unknown ending for a report: use {', '.join(endings)}")


def write_blocks(target: str, title: str, blocks: "Sequence[RenderableType]") -> None:
    """Write what a check found as the document that the file's ending asks for, one of `BLOCKS`."""
    ending = Path(target).suffix
    text = _svg_of(blocks, title) if ending == ".svg" else text_of(blocks)
    write_document(target, f"# {title}\n\n```text\n{text.rstrip()}\n```\n" if ending == ".md" else text)


def document(ending: str, derivation: Derivation, precision: int = DEFAULT_PRECISION) -> str:
    """The document of a derivation for a file with this ending, e.g. `".md"`."""
    return _DOCUMENTS[ending](derivation, precision)


def write_report(target: str, derivation: Derivation, precision: int = DEFAULT_PRECISION) -> None:
    """Write a derivation as the document that the file's ending asks for.

    Raises:
        CnngradError: an unknown ending, or a failure of the file system.
    """
    check_report(target)
    write_document(target, document(Path(target).suffix, derivation, precision))
