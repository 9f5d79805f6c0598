"""The style of a document: what its user may choose besides its content."""

from typing import NamedTuple

from cnngrad.derivation.notation import DEFAULT_PRECISION

__all__ = ["PALETTES", "Style"]

# The colours of each theme: of ink, paper, dim text and lines; behind zeros; of the tensors, and behind their windows.
PALETTES = {
    "light": {
        "ink": "#1a1a1a", "paper": "#ffffff", "dim": "#666666", "rule": "#9a9a9a", "zero": "#f1f1f1",
        "x": "#155f96", "w": "#95440f", "o": "#6f35a5", "b": "#17633f",
        "on x": "#d5e8f7", "on w": "#fde3cf", "on o": "#eadcf8", "on b": "#d3eede",
    },
    "dark": {
        "ink": "#e6e6e6", "paper": "#121418", "dim": "#a0a0a0", "rule": "#6a6f78", "zero": "#23262c",
        "x": "#74bdf0", "w": "#f0a26b", "o": "#c9a2f2", "b": "#7fd3a6",
        "on x": "#12405e", "on w": "#5a3013", "on o": "#41285f", "on b": "#1a4a30",
    },
}  # fmt: skip


class Style(NamedTuple):
    r"""The user's choices for a document.

    Attributes:
        precision: the significant digits of decimals.
        title: the heading; empty for the layer in one line.
        author: the author; empty for none.
        fragment: whether to write LaTeX for `\input` in another document.
        maths: `github` for Markdown's formulas in fenced `math` blocks, `dollar` for dollar signs.
        theme: the colours of an SVG or of a figure, `light` or `dark`.
        form: `junit`, `github` or `gradescope` for findings, `moodle` for exercises, as other programs read them; empty
            for a document.
        points: Gradescope's points for all tests together; one for each if it is None.
        partial: what a number that a known mistake gives is worth in Moodle, in percent.
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
    partial: float = 0.0
