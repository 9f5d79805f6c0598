"""Shapes of a figure: texts, boxes and arrows, which SVG and LaTeX's `picture` draw in the same places.

All lengths are in ems of the figure's text; x counts from the left, y from the top.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from rich.segment import Segment

from cnngrad.render.latex import ARTICLE, IN_FORMULAS, Writer
from cnngrad.render.style import PALETTES, Style
from cnngrad.render.terminal import STYLES

__all__ = ["CHARACTER", "Arrow", "Box", "Shape", "Words", "latex_figure", "pieces", "svg_figure"]


class Words(NamedTuple):
    """A line of text.

    Attributes:
        x: its start or middle.
        y: its baseline.
        parts: words, names and numbers, each with its colour in the palette.
        size: 1, or less for small text.
        anchor: what x is: `start` or `middle`.
    """

    x: float
    y: float
    parts: Sequence[tuple[str, str]]
    size: float = 1
    anchor: str = "middle"


class Box(NamedTuple):
    """A rectangle, filled or not."""

    x: float
    y: float
    width: float
    height: float
    border: str
    thickness: float
    fill: str = ""


class Arrow(NamedTuple):
    """From a point down to a lane, along it, and up to a tip."""

    x: float
    y: float
    lane: float
    tip: float
    end: float


Shape = Words | Box | Arrow

# Browsers collapse other blanks. Other viewers keep blanks at the ends of a text only with `xml:space="preserve"`.
_KEPT = {ord(" "): "&#160;"}
# The width of a character.
CHARACTER = 0.6
# The colours of the terminal's text.
_COLOURS = {style: letter for letter, style in STYLES.items()}


def pieces(segments: Iterable[Segment]) -> list[tuple[str, str]]:
    """A line of the terminal's text as parts with their colours, for `Words`."""
    found = []
    for text, style, _ in segments:
        colour = style.color.name if style and style.color else ""
        found.append((text, _COLOURS.get(colour, "dim" if style and style.dim else "ink")))
    return found


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {0:.2f} {1:.2f} {2:.2f}"{5} role="img" \
xml:space="preserve" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace">
<title>{3}</title>
<rect y="{0:.2f}" width="100%" height="100%" fill="{4}"/>
"""


def svg_figure(
    shapes: Sequence[Shape], frame: tuple[float, float, float], title: str, style: Style, is_text: bool = False
) -> str:
    """The figure as a picture on its own, as wide as its place, or a text; `frame` is its top, width and height."""
    palette = {"": "none"} | PALETTES[style.theme]
    # In a viewer of its own a text is not made smaller until its last line is in sight.
    size = f' width="{frame[1]:.2f}em" height="{frame[2]:.2f}em"' if is_text else ""
    svg = _SVG.format(*frame, escape(title), palette["paper"], size)
    for shape in shapes:
        place = f'x="{shape.x:.2f}" y="{shape.y:.2f}"'
        match shape:
            case Box():
                svg += (
                    f'<rect {place} width="{shape.width:.2f}" height="{shape.height:.2f}" fill="{palette[shape.fill]}" '
                    f'stroke="{palette[shape.border]}" stroke-width="{shape.thickness}"/>\n'
                )
            case Arrow():
                svg += (
                    f'<path d="M{shape.x:.2f} {shape.y:.2f}V{shape.lane:.2f}H{shape.tip:.2f}V{shape.end + 0.3:.2f}" '
                    f'fill="none" stroke="{palette["ink"]}" stroke-width="0.1"/>\n'
                    f'<path d="M{shape.tip:.2f} {shape.end:.2f}l.25 .5h-.5z" fill="{palette["ink"]}"/>\n'
                )
            case Words():
                svg += (
                    f'<text x="{shape.x:.2f}" y="{shape.y:.2f}" font-size="{shape.size}" text-anchor="{shape.anchor}">'
                )
                for part, colour in shape.parts:
                    svg += f'<tspan fill="{palette[colour]}">{escape(part).translate(_KEPT)}</tspan>'
                svg += "</text>\n"
    return svg + "</svg>\n"


# As large as the line and the page admit, in one of LaTeX's sizes.
_PICTURE = r"""\begingroup\setlength{{\unitlength}}{{12pt}}%
\loop\ifdim{1:.2f}\unitlength>\linewidth\advance\unitlength by -1pt\repeat
\loop\ifdim{2:.2f}\unitlength>0.8\textheight\advance\unitlength by -1pt\repeat
\noindent\begin{{picture}}({1:.2f},{2:.2f})(0,{3:.2f})
"""
_FONT = r"\fontsize{{{0}\unitlength}}{{\unitlength}}\selectfont"


def latex_figure(shapes: Sequence[Shape], frame: tuple[float, float, float], style: Style) -> str:
    """The figure as a fragment, or as a document."""
    palette = {name: rf"\color[HTML]{{{colour[1:]}}}" for name, colour in PALETTES[style.theme].items()}
    picture = _PICTURE.format(*frame, -frame[0] - frame[2])
    for shape in shapes:
        match shape:
            case Box():
                picture += rf"\put({shape.x:.2f},{-shape.y - shape.height:.2f}){{"
                if shape.fill:
                    rule = rf"\rule{{{shape.width:.2f}\unitlength}}{{{shape.height:.2f}\unitlength}}"
                    picture += rf"{palette[shape.fill]}\rlap{{{rule}}}"
                picture += (
                    rf"{palette[shape.border]}\linethickness{{{shape.thickness}\unitlength}}"
                    rf"\framebox({shape.width:.2f},{shape.height:.2f}){{}}}}"
                )
            case Arrow():
                picture += (
                    rf"{palette['ink']}\put({shape.x:.2f},{-shape.y:.2f}){{\line(0,-1){{{shape.lane - shape.y:.2f}}}}}"
                    rf"\put({shape.x:.2f},{-shape.lane:.2f}){{\line(1,0){{{shape.tip - shape.x:.2f}}}}}"
                    rf"\put({shape.tip:.2f},{-shape.lane:.2f}){{\vector(0,1){{{shape.lane - shape.end:.2f}}}}}"
                )
            case Words():
                text = "".join(palette[colour] + _in_latex(part) for part, colour in shape.parts)
                where = {"start": "l", "middle": "c"}[shape.anchor]
                picture += (
                    rf"\put({shape.x:.2f},{-shape.y:.2f}){{\makebox[0pt][{where}]{{{_FONT.format(shape.size)}{text}}}}}"
                )
        picture += "\n"
    picture += "\\end{picture}\\endgroup\n"
    if style.fragment:
        return picture
    paper = palette["paper"].replace("color", "pagecolor")
    return f"{ARTICLE}{paper}\n\\begin{{document}}\n{picture}\\end{{document}}\n"


_WORDS = Writer(0, 0)


def _in_latex(text: str) -> str:
    """Words as they are, and all else as a formula."""
    if re.search("[a-z]{2}", text):
        # A colour swallows the blanks behind it.
        return "~".join(map(_WORDS.text, text.split(" ")))
    named = re.sub(r"([xwob])(\[[\d,]+])?([\d,]*)", r"\1^{\2}_{\3}", text)
    spaced = named.replace(" ", r"\ ").replace("·", r"\cdot ")
    return f"${spaced.translate(IN_FORMULAS)}$"
