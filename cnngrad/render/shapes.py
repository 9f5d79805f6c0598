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

# SVG keeps only blanks of this kind.
_KEPT = {ord(" "): "&#160;"}
# The width of a character.
CHARACTER = 0.6
# The colours of the terminal's text.
_COLOURS = {style: letter for letter, style in STYLES.items()}


def pieces(segments: Iterable[Segment]) -> list[tuple[str, str]]:
    """A line of the terminal's text as the parts of a text."""
    found = []
    for text, style, _ in segments:
        colour = style.color.name if style and style.color else ""
        found.append((text, _COLOURS.get(colour, "dim" if style and style.dim else "ink")))
    return found


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {0:.2f} {1:.2f} {2:.2f}" role="img" \
font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace">
<title>{3}</title>
<rect y="{0:.2f}" width="100%" height="100%" fill="{4}"/>
"""


def svg_figure(shapes: Sequence[Shape], frame: tuple[float, float, float], title: str, style: Style) -> str:
    """The figure as a picture on its own, as wide as its place; `frame` is its top, width and height."""
    palette = {"": "none"} | PALETTES[style.theme]
    lines = [_SVG.format(*frame, escape(title), palette["paper"])]
    for shape in shapes:
        match shape:
            case Box(x, y, width, height, border, thickness, fill):
                look = f'fill="{palette[fill]}" stroke="{palette[border]}" stroke-width="{thickness}"'
                lines.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" {look}/>\n')
            case Arrow(x, y, lane, tip, end):
                way = f'd="M{x:.2f} {y:.2f}V{lane:.2f}H{tip:.2f}V{end + 0.3:.2f}" fill="none"'
                lines.append(f'<path {way} stroke="{palette["ink"]}" stroke-width="0.1"/>\n')
                lines.append(f'<path d="M{tip:.2f} {end:.2f}l.25 .5h-.5z" fill="{palette["ink"]}"/>\n')
            case Words(x, y, parts, scale, anchor):
                spans = (
                    f'<tspan fill="{palette[colour]}">{escape(part).translate(_KEPT)}</tspan>' for part, colour in parts
                )
                place = f'x="{x:.2f}" y="{y:.2f}" font-size="{scale}" text-anchor="{anchor}"'
                lines.append(f"<text {place}>{''.join(spans)}</text>\n")
    return "".join([*lines, "</svg>\n"])


# As large as the line and the page admit, in one of LaTeX's sizes.
_PICTURE = r"""\begingroup\setlength{{\unitlength}}{{12pt}}%
\loop\ifdim{1:.2f}\unitlength>\linewidth\advance\unitlength by -1pt\repeat
\loop\ifdim{2:.2f}\unitlength>0.8\textheight\advance\unitlength by -1pt\repeat
\noindent\begin{{picture}}({1:.2f},{2:.2f})(0,{3:.2f})
"""
_FONT = r"\fontsize{{{0}\unitlength}}{{\unitlength}}\selectfont"


def latex_figure(shapes: Sequence[Shape], frame: tuple[float, float, float], style: Style) -> str:
    """The figure as a fragment, or as a document."""
    palette = {name: colour[1:] for name, colour in PALETTES[style.theme].items()}
    lines = [_PICTURE.format(*frame, -frame[0] - frame[2])]
    put = r"\put({:.2f},{:.2f}){{\color[HTML]{{{}}}{}}}".format
    for shape in shapes:
        match shape:
            case Box(x, y, width, height, border, thickness, fill):
                inside = rf"\rule{{{width:.2f}\unitlength}}{{{height:.2f}\unitlength}}"
                edge = rf"\linethickness{{{thickness}\unitlength}}\framebox({width:.2f},{height:.2f}){{}}"
                drawn = [(fill, inside), (border, edge)]
                lines += [put(x, -y - height, palette[colour], each) for colour, each in drawn if colour]
            case Arrow(x, y, lane, tip, end):
                down, along, up = rf"\line(0,-1){{{lane - y:.2f}}}", rf"\line(1,0){{{tip - x:.2f}}}", lane - end
                corners = [(x, -y, down), (x, -lane, along), (tip, -lane, rf"\vector(0,1){{{up:.2f}}}")]
                lines += [put(left, high, palette["ink"], each) for left, high, each in corners]
            case Words(x, y, parts, scale, anchor):
                text = "".join(rf"\color[HTML]{{{palette[colour]}}}{_in_latex(part)}" for part, colour in parts)
                text = rf"\makebox[0pt][{'l' if anchor == 'start' else 'c'}]{{{_FONT.format(scale)}{text}}}"
                lines.append(put(x, -y, palette["ink"], text))
    picture = "\n".join([*lines, "\\end{picture}\\endgroup\n"])
    paper = rf"\pagecolor[HTML]{{{palette['paper']}}}"
    if style.fragment:
        return picture
    return f"{ARTICLE}{paper}\n\\begin{{document}}\n{picture}\\end{{document}}\n"


_WORDS = Writer(0, 0)


def _in_latex(text: str) -> str:
    """Words as they are, and all else as a formula."""
    if re.search("[a-z]{2}", text):
        return _WORDS.text(text)
    named = re.sub(r"([xwob])(\[[\d,]+])?([\d,]*)", r"\1^{\2}_{\3}", text)
    spaced = named.replace(" ", r"\ ").replace("·", r"\cdot ")
    return f"${spaced.translate(IN_FORMULAS)}$"
