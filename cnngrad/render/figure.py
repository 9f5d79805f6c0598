"""The figure of a fully connected layer: inputs and outputs as two columns of nodes, one input's connections drawn."""

import re
from collections.abc import Sequence

from rich.text import Text

from cnngrad.derivation.blocks import Figure, FigureRow
from cnngrad.layer.names import Symbol
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["drawn", "in_text", "space_for"]

# The start of a connection, with others neither above nor below, above, below, and both; then beside the input.
_JOINTS = "─└┌├", "─┴┬┼"
# In an SVG: a character's width and height, lines of text for each row of the figure, distance of its columns.
_WIDE, _HIGH = 12.2, 24.4
_LINES = 2
_APART = 260
# Private characters around the space for the drawing.
_BEGIN, _END = "\ue000", "\ue001"
_NAME = '<text x="{:g}" y="{:g}" dominant-baseline="central" text-anchor="{}" opacity="{:g}"{}>{}</text>'.format
_NODE = '<circle cx="{:g}" cy="{:g}" r="5" fill="{}" />'.format


def in_text(figure: Figure) -> Text:
    """The figure in characters."""
    rows, lines = figure.rows, []
    line: list[str | tuple[str, str]]
    linked = [k for k, row in enumerate(rows) if row.link]
    left, weight, output, _ = _lengths(rows)
    for k, (source, is_source, link) in enumerate(rows):
        name = _styled(source, dim=not is_source)
        line = [name, " " * (left - len(name[0]) + 1), ("─" if is_source else " ") * 5]
        if link:
            joint = _JOINTS[is_source][(k != linked[0]) + 2 * (k != linked[-1])]
            there, node, back = map(_styled, link, (weight, output, 0))
            line += [joint, "── ", there, " ──▶ ", node, "    ◀── ", back]
        lines.append(Text.assemble(*line))
    return Text("\n", no_wrap=True).join(lines)


def _styled(name: Symbol | str, width: int = 0, dim: bool = False) -> tuple[str, str]:
    return str(name).ljust(width), DIM if dim or isinstance(name, str) else STYLES[name.tensor.letter]


def _lengths(rows: Sequence[FigureRow]) -> list[int]:
    """The lengths of the longest input, weight, output and returned gradient."""
    names = zip(*((row.source, *(row.link or [""] * 3)) for row in rows), strict=True)
    return [max(len(str(name)) for name in column) for column in names]


def space_for(figure: Figure) -> Text:
    """Blank lines of the drawing's size, marked so that `drawn` finds them."""
    left, _, output, back = _lengths(figure.rows)
    columns = left + output + back + 6 + int(_APART / _WIDE)
    return Text(f"{_BEGIN}{' ' * columns}{_END}" + "\n" * (_LINES * len(figure.rows) - 1), no_wrap=True)


def drawn(svg: str, figures: Sequence[Figure], ink: str, paper: str) -> str:
    """An SVG with the figures drawn, in order, into the spaces for them."""
    rest = iter(figures)
    place = rf'<text [^>]*x="([^"]+)" y="([^"]+)"[^>]*>{_BEGIN}[^<]*{_END}</text>'
    return re.sub(place, lambda found: _drawing(next(rest), ink, paper, *map(float, found.groups())), svg)


def _drawing(figure: Figure, ink: str, paper: str, x: float, y: float) -> str:
    rows, high = figure.rows, _LINES * _HIGH
    left, _, output, _ = (_WIDE * length for length in _lengths(rows))
    left, right, start = left + _WIDE, left + _WIDE + _APART, high * [row.is_source for row in rows].index(True)
    # A halo in the paper's colour separates a weight from the lines.
    halo = f' stroke="{paper}" stroke-width="8" paint-order="stroke"'
    lines, names = [], []
    for k, (source, is_source, link) in enumerate(rows):
        here = k * high
        if source:
            names.append(_NAME(left - 10, here, "end", 1 if is_source else 0.55, "", source))
        if isinstance(source, Symbol):
            names.append(_NODE(left, here, ink))
        if link is None:
            continue
        weight, node, back = link
        shade = 'stroke-dasharray="2 5" ' if isinstance(node, str) else ""
        lines.append(f'<line x1="{left:g}" y1="{start:g}" x2="{right:g}" y2="{here:g}" stroke="{ink}" {shade}/>')
        if not shade:
            near = start + 0.7 * (here - start)
            names += [_NAME(left + 0.7 * _APART, near, "middle", 1, halo, weight), _NODE(right, here, ink)]
        names.append(_NAME(right + 10, here, "start", 1, "", node))
        names.append(_NAME(right + output + 2 * _WIDE, here, "start", 1, "", f"← {back}"))
    return f'<g transform="translate({x} {y - 0.3 * _HIGH})" fill="{ink}">{"".join(lines + names)}</g>'
