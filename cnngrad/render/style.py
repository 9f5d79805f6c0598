"""How a document is dressed: what its user may choose beside its contents."""

from typing import NamedTuple

from cnngrad.derivation.notation import DEFAULT_PRECISION

__all__ = ["Style"]


class Style(NamedTuple):
    r"""What can be chosen for a document.

    Attributes:
        precision: the significant digits of decimals.
        title: the heading; empty for the layer in one line.
        author: who made it; empty for nobody.
        fragment: LaTeX that another document takes in with `\input`, in place of a document of its own.
        maths: Markdown's formulas in fenced `math` blocks, as GitHub has them, or between dollars.
        theme: the colours of an SVG.
    """

    precision: int = DEFAULT_PRECISION
    title: str = ""
    author: str = ""
    fragment: bool = False
    maths: str = "github"
    theme: str = "light"
