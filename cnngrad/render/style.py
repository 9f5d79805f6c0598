"""The style of a document: what its user may choose besides its content."""

from typing import NamedTuple

from cnngrad.derivation.notation import DEFAULT_PRECISION

__all__ = ["Style"]


class Style(NamedTuple):
    r"""The user's choices for a document.

    Attributes:
        precision: the significant digits of decimals.
        title: the heading; empty for the layer in one line.
        author: the author; empty for none.
        fragment: whether to write LaTeX for `\input` in another document.
        maths: `github` for Markdown's formulas in fenced `math` blocks, `dollar` for dollar signs.
        theme: the colours of an SVG, `light` or `dark`.
        form: `junit`, `github` or `gradescope` for findings as other programs read them; empty for a document.
        points: Gradescope's points for all tests together; one for each if it is None.
        hidden: a pattern of the names of layers that Gradescope hides from students.
    """

    precision: int = DEFAULT_PRECISION
    title: str = ""
    author: str = ""
    fragment: bool = False
    maths: str = "github"
    theme: str = "light"
    form: str = ""
    points: float | None = None
    hidden: str = ""
