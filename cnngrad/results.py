"""The results of the Python functions, which print and save themselves, and show themselves in a notebook.

The renderers load on first use: the library itself needs only NumPy.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from html import escape
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cnngrad import checks
from cnngrad.derivation import blocks
from cnngrad.derivation import derive as derivation
from cnngrad.derivation.choice import Choice, explained_tensors
from cnngrad.derivation.lesson import lesson
from cnngrad.errors import CnngradError
from cnngrad.programs import findings, functions
from cnngrad.tensor import O

if TYPE_CHECKING:
    from cnngrad.render.documents import Shown

__all__ = ["Derivation", "Findings", "Report", "check", "check_function", "derive"]

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


def _document(ending: str, shown: "Shown", **choices: Any) -> str:
    from cnngrad.render.documents import document
    from cnngrad.render.style import Style

    return document(ending, shown, Style(**choices))


class _Shown:
    def __str__(self: "Shown") -> str:
        """The text that the command prints to a file."""
        return _document(".txt", self).rstrip("\n")

    def save(self: "Shown", path: str | PathLike[str], **choices: Any) -> None:
        """Save it as a document: `.txt`, `.md`, `.svg` or `.html`; a derivation also as `.tex`.

        Args:
            path: the file; its ending chooses the format.
            choices: `title` and `precision`; for a derivation also `author`, `fragment`, `maths` and `theme`, as the
                command's `--author`, `--fragment`, `--math` and `--theme`.

        Raises:
            CnngradError: an unknown ending, or a failure of the file system.
        """
        from cnngrad.render.documents import write
        from cnngrad.render.style import Style

        if "slides" in choices:
            raise CnngradError("slides is gone: save sections with fragment=True, and \\input them into frames")
        write(fspath(path), self, Style(**choices))


class _Verdict(_Shown):
    summary: str

    def _repr_html_(self: "Shown") -> str:
        from cnngrad.render.documents import html_of

        return html_of(self)

    def raise_if_wrong(self) -> None:
        """Raise an AssertionError unless all is right; its message is the summary, then the full text."""
        if not self:
            raise AssertionError(f"{self.summary}\n\n{self}")


class Report(_Verdict, checks.Report):
    """What `check` found."""


class Findings(_Verdict, findings.Findings):
    """What `check_function` found."""


class Derivation(_Shown, blocks.Derivation):
    """The whole argument for one layer."""

    def _repr_markdown_(self) -> str:
        return _document(".md", self, maths="dollar")

    def figure(self, element: str) -> "_Figure":
        """The figure of an element such as `"x22"`, for a notebook's cell, or to save as `.svg` or `.tex`."""
        layer, values, backward, _ = self.source
        tensors = explained_tensors(layer, None) if backward else [O]
        return _giving(_Figure, lesson)(layer, values, Choice((element,)), tensors)

    def page(self) -> "_Page":
        """The page to play with, for a notebook's cell: an object that shows itself."""
        return _Page(_document(".html", self))


class _Figure(_Shown, blocks.Derivation):
    """An element's derivation, whose figure a notebook shows."""

    def _repr_svg_(self) -> str:
        return _document(".svg", self)


@dataclass(frozen=True, repr=False)
class _Page:
    """A page in a notebook, in a frame of its own."""

    text: str

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.text)}" width="100%" height="900" sandbox="allow-scripts"></iframe>'


def _giving(kind: Callable[..., _Result], function: Callable[_P, Any]) -> Callable[_P, _Result]:
    """The function with its result converted to `kind`, which can show itself."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _Result:
        found = function(*args, **kwargs)
        return kind(**{field.name: getattr(found, field.name) for field in fields(found)})

    # A process pool looks the function up in this module.
    call.__module__ = __name__
    return call


check = _giving(Report, checks.check)
check_function = _giving(Findings, functions.check_function)
derive = _giving(Derivation, derivation.derive)
