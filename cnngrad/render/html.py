"""A derivation as one self-contained page: grids whose cells show their terms, and the lesson below.

The page gets the layer and its given numbers. Its script computes every other number from a table of its own.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from html import escape
from importlib.resources import files
from math import prod
from string import Template
from typing import Any

import numpy as np

from cnngrad.derivation.blocks import (
    Block,
    Derivation,
    Expansions,
    Formula,
    Grids,
    Phrase,
    Sentence,
    Source,
)
from cnngrad.derivation.grids import Grid, Item
from cnngrad.errors import CnngradError
from cnngrad.layer.expansion import Partial
from cnngrad.layer.layout import Array
from cnngrad.layer.names import Symbol
from cnngrad.render.maths import mathml, node_of
from cnngrad.render.painter import Painter, Written
from cnngrad.render.style import Style
from cnngrad.render.terminal import DIM
from cnngrad.tensor import DEDO, GRADIENTS, B, O, Tensor, W, X

__all__ = ["filled", "framed", "html_document"]

# Maximum number of cells of a page.
_MOST_CELLS = 60_000
# The largest integer up to which JavaScript's numbers are exact.
_LARGEST = 2**53 - 1
# The page's script, a module after those that it uses.
_SCRIPTS = (
    "dom", "layer", "numbers", "equations", "state", "sheets", "panels", "drawing", "sums", "choosing",
    "controls", "editing", "writing", "page", "typeset",
)  # fmt: skip


def html_document(derivation: Derivation, style: Style) -> str:
    """The page.

    Raises:
        CnngradError: the layer is too large for a page.
    """
    data = _data(derivation.source)
    layer = f'<span id="layer">{escape(derivation.layer)}</span>'
    # The lesson's sections, which can be folded.
    painter = Painter(style.precision)
    sections = []
    for section in derivation.sections:
        title = escape("".join(map(str, section.title)))
        blocks = "\n".join(_block(block, painter) for block in section.blocks)
        name = f' id="section-{section.name}"' if section.name else ""
        sections.append(f"<details open{name}><summary>{title}</summary>\n{blocks}\n</details>")
    return filled(
        "page",
        _SCRIPTS,
        title=style.title or f"cnngrad · {derivation.layer}",
        # Without a title of its own the page's title is the layer.
        heading=escape(style.title) or f"cnngrad · {layer}",
        author=f"<p>{escape(style.author)}</p>" if style.author else "",
        layer=f'<p class="layer">{layer}</p>' if style.title else "",
        data=data,
        sections="\n".join(sections),
    )


def filled(name: str, scripts: Sequence[str], title: str, data: Any, **parts: str) -> str:
    """A page of `render/page/` with its scripts and style, whose hashes are in its policy.

    Args:
        name: the page.
        scripts: its scripts, in order; a name that one exports is known in those after it.
        title: the heading, as text.
        data: the script's data.
        parts: the page's other parts, as HTML.
    """
    script = "".join(_short(f"{script}.js") for script in scripts)
    css = _short("page.css")
    # No name can end the script element.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    body = Template(_read(f"{name}.html")).substitute(parts, title=escape(title), script=script, data=text)
    digests = (b64encode(sha256(part.encode()).digest()).decode() for part in (script, css))
    sources = "script-src 'sha256-{}'; style-src 'sha256-{}'".format(*digests)
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    return framed(title, body.rstrip("\n"), policy, f"<style>{css}</style>\n")


def framed(title: str, body: str, policy: str, style: str = "") -> str:
    """An HTML document with a Content-Security-Policy; `title` is text, `body` and the `style` element are HTML."""
    return Template(_read("frame.html")).substitute(title=escape(title), body=body, policy=policy, style=style)


def _short(name: str) -> str:
    """A script or style without indentation and lines of comment. All scripts of a page share one scope."""
    lines = (line.strip().removeprefix("export ") for line in _read(name).splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "/*")))


def _read(name: str) -> str:
    return (files("cnngrad") / "render" / "page" / name).read_text(encoding="utf-8")


def _data(source: Source) -> dict[str, Any]:
    """The script's data: the layer and its given numbers; the script computes all others."""
    layer = source.layer
    values = source.values
    given = [X, W, *[B] * layer.has_bias, *[DEDO] * source.backward]
    if sum(prod(layer.canonical[tensor]) for tensor in (*given, O, *GRADIENTS * source.backward)) > _MOST_CELLS:
        raise CnngradError(f"the layer has more than {_MOST_CELLS} elements: a page would be too large")
    return {
        "layer": {
            **{name: getattr(layer, name) for name in ("batch", "channels", "filters", "groups")},
            "axes": list(map(asdict, layer.axes)),
            "bias": layer.has_bias,
            "lead": {tensor.letter: layer.lead[tensor] for tensor in (X, W, B, O)},
        },
        "backward": source.backward,
        "asked": address(source.asked) if source.asked else "",
        "values": {address(tensor): _numbers(np.asarray(values[tensor])) for tensor in given if tensor in values},
    }


def address(tensor: Tensor) -> str:
    """A tensor's name in the page and in addresses of its elements: `dx`, as in `#dx-x22`."""
    return "d" * tensor.is_gradient + tensor.letter


def _numbers(array: Array) -> Any:
    """An array for the script: integers, as text if JavaScript's numbers cannot hold them, or the bytes of decimals."""
    if array.dtype.kind != "f":
        return [n if abs(n) <= _LARGEST else str(n) for n in array.ravel().tolist()]
    kind = "f4" if array.itemsize <= 4 else "f8"
    return {kind: b64encode(array.astype(f"<{kind}").tobytes()).decode()}


def _block(block: Block, painter: Painter) -> str:
    match block:
        case Sentence(parts):
            text = ""
            for part in parts:
                if isinstance(part, Symbol | Partial):
                    text += mathml(node_of(part))
                else:
                    text += escape(part.text if isinstance(part, Phrase) else painter.part(part))
            return f"<p>{text}</p>"
        case Formula(row):
            return mathml(*row, display=True)
        case Expansions():
            body = ""
            is_valued = any(expansion.value is not None for expansion in block.expansions)
            for expansion in block.expansions:
                value = "" if expansion.value is None else painter.number(expansion.value)
                lines = escape(str(Written(painter, expansion))).replace("\n", "<br>")
                cells = f"<td>{expansion.target}</td><td>{lines}</td>"
                body += f"<tr>{cells}{f'<td>{value}</td>' * is_valued}</tr>\n"
            head = f"<th>element</th><th>{'sum by the chain rule' if block.chain else 'sum'}</th>"
            head += "<th>value</th>" * is_valued
            return f'<table class="sums"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>'
        case Grids():
            return "\n".join(_row(items, painter) for items in painter.rows(block))
    return ""


def _row(items: Sequence[Item], painter: Painter) -> str:
    """Matrices and the signs between them, which a narrow window or paper breaks into lines between matrices.

    Matrices are in MathML; the page's script typesets their names.
    """
    row = ""
    for item in items:
        if not isinstance(item, Grid):
            row += f"<span>{escape(text)}</span>" if (text := painter.factor(item).strip()) else ""
            continue
        grid, columns = painter.fitted(item, painter.line)
        rows = ""
        for cells in zip(*columns, strict=True):
            rows += "<mtr>"
            for text, style in cells:
                # Marked cells are in brackets in plain text; here they have a box.
                is_marked = style.endswith(" bold")
                kind = ' class="boxed"' if is_marked else ' class="zero"' if style == DIM else ""
                content = text.strip()[1:-1] if is_marked else text.strip()
                token = "mi" if {*content} & {*"xwob∂"} else "mn"
                rows += f"<mtd{kind}><{token}>{escape(content)}</{token}></mtd>"
            rows += "</mtr>"
        colour = f" of-{grid.letter}" if grid.letter else ""
        size = f" ({grid.height}×{grid.width} in all)" if "…" in rows else ""
        caption = f"<figcaption>{escape(grid.title)}{size}</figcaption>"
        matrix = f"<math><mo>[</mo><mtable>{rows}</mtable><mo>]</mo></math>"
        row += f'<figure class="matrix{colour}">{caption}{matrix}</figure>'
    return f'<div class="row">{row}</div>'
