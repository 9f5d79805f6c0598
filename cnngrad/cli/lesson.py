"""The options of the lesson: which parts of a derivation are shown, and how a report of it is dressed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnngrad.cli.options import Group
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

    only: Annotated[str | None, typer.Option(metavar="dW|dX|db", help="Only this gradient.")] = None


class Lesson(Group):
    """Which parts of the derivation to show, and how."""

    TITLE = "The lesson"

    explain: Annotated[bool, typer.Option("--explain", help="Show the derivation, in the order of the notes.")] = False
    element: Annotated[
        list[str] | None, typer.Option(metavar="x22", help="Explain only this element, with its picture (repeatable).")
    ] = None
    section: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only these sections: layer, output, dw, dw-conv, mlp, dx, dx-conv, db, summary (dx,dx-conv for two).",
        ),
    ] = None
    every: Annotated[bool, typer.Option("--all", help="Show every element, and every term.")] = False
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="The most elements in a large table.  [default: 4; all with --json]"),
    ] = None
    terms: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The most terms in a sum.  [default: what fits on two lines]")
    ] = None
    zeros: Annotated[bool, typer.Option("--zeros", help="Write the products with 0 too, as the notes do.")] = False

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

    title: Annotated[str | None, typer.Option(metavar="TEXT", help="The heading of the report.")] = None
    author: Annotated[str | None, typer.Option(metavar="TEXT", help="The author of the report.")] = None
    open_it: Annotated[bool, typer.Option("--open", help="Open an .html report in the browser.")] = False
    fragment: Annotated[
        bool, typer.Option("--fragment", help="A .tex report that another document takes in with \\input.")
    ] = False
    math: Annotated[
        str, typer.Option(metavar="KIND", help="Formulas of a .md report: github, or dollar for pandoc and notebooks.")
    ] = "github"
    theme: Annotated[str, typer.Option(metavar="KIND", help="The colours of an .svg report: light or dark.")] = "light"

    def style(self, target: str | None, precision: int) -> "Style":
        """How the report is dressed.

        Raises:
            CnngradError: no report can be written under the name `target`; a choice that does not exist.
        """
        from cnngrad.render.style import Style

        if target is not None:
            from cnngrad.derivation.blocks import Derivation
            from cnngrad.render.documents import check_ending

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
