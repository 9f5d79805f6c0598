"""The options of the lesson: which parts of a derivation are shown, and how a report of it is dressed."""

from pathlib import Path
from typing import TYPE_CHECKING

from cnngrad.cli.options import Group, option
from cnngrad.errors import CnngradError

if TYPE_CHECKING:
    from cnngrad.derivation.blocks import Derivation
    from cnngrad.derivation.choice import Choice
    from cnngrad.render.style import Style
    from cnngrad.tensor import Tensor

__all__ = ["Document", "Lesson", "Only"]


class Only(Group):
    """Which gradients are wanted."""

    TITLE = "The lesson"

    only: str | None = option("--only dW|dX|db", "Only this gradient.")


class Lesson(Group):
    """Which parts of the derivation to show, and how."""

    TITLE = "The lesson"

    explain: bool = option("--explain", "Show the derivation, in the order of the notes.")
    element: list[str] | None = option("--element x22", "Explain only this element, with its picture (repeatable).")
    section: str | None = option(
        "--section NAME",
        "Only these sections: layer, output, dw, dw-conv, mlp, dx, dx-conv, db, summary (dx,dx-conv for two).",
    )
    every: bool = option("--all", "Show every element, and every term.")
    limit: int | None = option("--limit N", "The most elements in a large table.  [default: 4; all with --json]", min=1)
    terms: int | None = option("--terms N", "The most terms in a sum.  [default: what fits on two lines]", min=1)
    zeros: bool = option("--zeros", "Write the products with 0 too, as the notes do.")

    @property
    def explained(self) -> bool:
        """Whether the derivation is to be shown."""
        return self.explain or bool(self.element) or self.section is not None or self.every

    def choice(self, only: "Tensor | None" = None, whole: bool = False) -> "Choice":
        """What is to be derived.

        Args:
            only: the only gradient that is wanted; None for all.
            whole: whether all elements and terms are wanted unless the user limits them.
        """
        from cnngrad.derivation.choice import Choice
        from cnngrad.derivation.telling import TELLING

        names = tuple(name.strip() for name in (self.section or "").split(",") if name.strip())
        limit = self.limit if self.limit is not None or whole or self.every else TELLING
        return Choice(tuple(self.element or ()), only, limit, self.zeros, self.terms, names)


class Document(Group):
    """How a report is dressed."""

    TITLE = "The report's form"

    title: str | None = option("--title TEXT", "The heading of the report.")
    author: str | None = option("--author TEXT", "The author of the report.")
    open_it: bool = option("--open", "Open an .html report in the browser.")
    fragment: bool = option("--fragment", "A .tex report that another document takes in with \\input.")
    math: str = option("--math KIND", "Formulas of a .md report: github, or dollar for pandoc and notebooks.", "github")
    theme: str = option("--theme KIND", "The colours of an .svg report: light or dark.", "light")

    def style(self, target: str, precision: int) -> "Style":
        """How the report is dressed.

        Raises:
            CnngradError: no report can be written under the name `target`; a choice that does not exist.
        """
        from cnngrad.derivation.blocks import Derivation
        from cnngrad.render.documents import check_ending
        from cnngrad.render.style import Style

        check_ending(target, Derivation)
        for name, value, known in (("math", self.math, ("github", "dollar")), ("theme", self.theme, ("light", "dark"))):
            if value not in known:
                raise CnngradError(f"{name} is {value[:40]!r}: use {' or '.join(known)}")
        return Style(precision, self.title or "", self.author or "", self.fragment, self.math, self.theme)

    def write(self, target: str, derivation: "Derivation", style: "Style") -> None:
        """Write the report, and open it where that is asked for."""
        from cnngrad.render.documents import write

        write(target, derivation, style)
        if self.open_it:
            import webbrowser

            webbrowser.open(Path(target).resolve().as_uri())
