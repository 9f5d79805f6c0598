"""The figure of a fully connected layer: inputs and outputs as two columns of nodes, one input's connections drawn."""

import re
from html import escape

from rich.text import Text

from cnngrad.derivation.blocks import Figure, FigureRow
from cnngrad.layer.names import Symbol
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["drawn", "in_text", "space_for"]


def in_text(figure: Figure) -> Text:
    """The figure in characters."""
    rows = figure.rows
    linked = [k for k, row in enumerate(rows) if row.link is not None]
    left = max(len(str(row.source)) for row in rows)
    weight, output = (max(len(str(row.link[k])) for row in rows if row.link) for k in range(2))
    lines = []
    for k, row in enumerate(rows):
        gap = " " * (left - len(str(row.source)) + 1) + ("─" if row.is_source else " ") * 5
        line = Text.assemble(_styled(row.source, dim=not row.is_source), gap)
        if row.link is not None:
            joint = _JOINTS[row.is_source][(k != linked[0]) + 2 * (k != linked[-1])]
            there, node, back = map(_styled, row.link, (weight, output, 0))
            line += Text.assemble(joint, "── ", there, " ──▶ ", node, "    ◀── ", back)
        lines.append(line)
    return Text("\n", no_wrap=True).join(lines)


# How a connection leaves: with others neither above nor below, above, below, and both; and the same beside the input.
_JOINTS = {False: "─└┌├", True: "─┴┬┼"}


def _styled(name: Symbol | str, width: int = 0, dim: bool = False) -> Text:
    return Text(str(name).ljust(width), DIM if dim or isinstance(name, str) else STYLES[name.tensor.letter])


# The size of Rich's characters in an SVG, lines for each row of the figure, and how far the columns are apart.
_WIDE, _HIGH = 12.2, 24.4
_LINES = 2
_APART = 260
# Private characters that stand where the drawing will.
_BEGIN, _END = "\ue000", "\ue001"


def space_for(figure: Figure) -> Text:
    """Blank lines of the drawing's size, marked so that `drawn` finds them."""
    rows = figure.rows
    left, output, back = _widths(rows)
    columns = int((left + _APART + output + back) / _WIDE)
    return Text(f"{_BEGIN}{' ' * columns}{_END}" + "\n" * (_LINES * len(rows) - 1), no_wrap=True)


def drawn(svg: str, figures: list[Figure], ink: str, paper: str) -> str:
    """An SVG with the figures drawn where space was left for them, in their order."""
    rest = iter(figures)
    place = re.compile(rf'<text [^>]*x="([^"]+)" y="([^"]+)"[^>]*>{_BEGIN}[^<]*{_END}</text>')
    return place.sub(lambda found: _drawing(next(rest), float(found[1]), float(found[2]), ink, paper), svg)


def _widths(rows: tuple[FigureRow, ...]) -> tuple[float, float, float]:
    """The widths of the names on the left, of the outputs, and of what comes back."""
    links = [row.link for row in rows if row.link is not None]
    left = max(len(str(row.source)) for row in rows) + 1
    output, back = (max(len(str(link[k])) for link in links) for k in (1, 2))
    return left * _WIDE, (output + 2) * _WIDE, (back + 3) * _WIDE


def _drawing(figure: Figure, x: float, y: float, ink: str, paper: str) -> str:
    rows, high = figure.rows, _LINES * _HIGH
    left, output, _ = _widths(rows)
    right = left + _APART
    start = next(k for k, row in enumerate(rows) if row.is_source) * high
    lines, names = [], []
    for k, row in enumerate(rows):
        here = k * high
        if row.source:
            names.append(_name(left - 10, here, row.source, "end", 1 if row.is_source else 0.55))
            names.append(_dot(left, here, ink, row.source))
        if row.link is None:
            continue
        weight, node, back = row.link
        shade = 'stroke-dasharray="2 5" ' if isinstance(node, str) else ""
        lines.append(f'<line x1="{left:g}" y1="{start:g}" x2="{right:g}" y2="{here:g}" stroke="{ink}" {shade}/>')
        if not shade:
            # The connections are apart from each other here.
            names.append(_name(left + 0.7 * _APART, start + 0.7 * (here - start), weight, "middle", 1, paper))
        names += [_dot(right, here, ink, node), _name(right + 10, here, node, "start")]
        names.append(_name(right + output, here, f"← {back}", "start"))
    return f'<g transform="translate({x} {y - 0.3 * _HIGH})" fill="{ink}">{"".join(lines + names)}</g>'


def _dot(x: float, y: float, ink: str, name: Symbol | str) -> str:
    """The node of an element; nothing for others that are not drawn."""
    return "" if isinstance(name, str) else f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{ink}" />'


def _name(x: float, y: float, name: Symbol | str, anchor: str, opacity: float = 1, paper: str = "") -> str:
    """A name, its middle at this height; on paper of its own where something runs beneath it."""
    halo = f' stroke="{paper}" stroke-width="8" paint-order="stroke"' if paper else ""
    place = f'x="{x:g}" y="{y:g}" dominant-baseline="central" text-anchor="{anchor}"'
    return f'<text {place} opacity="{opacity:g}"{halo}>{escape(str(name))}</text>'
