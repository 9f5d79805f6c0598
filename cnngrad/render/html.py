"""A derivation as one self-contained page: grids whose cells light up what they are made of, and the lesson beneath.

The page knows no convolution: it gets every element's terms from the expansions, and adds them up.
"""

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import product
from math import prod
from string import Template
from typing import Any

import numpy as np

from cnngrad.derivation import words
from cnngrad.derivation.blocks import Block, Derivation, Expansions, Form, Formula, Hint, Part, Sentence, Source
from cnngrad.derivation.grids import Fill, Track, framed_input, framed_output, plain
from cnngrad.derivation.notation import Notation, number
from cnngrad.derivation.telling import TELLING, telling
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, Shape, counted, indices
from cnngrad.layer.expansion import Expander, Expansion, Factor, OutputsOnDemand, Partial
from cnngrad.layer.names import Index, Number, Symbol
from cnngrad.render.maths import mathml, node_of
from cnngrad.render.painter import Painter
from cnngrad.render.style import Style
from cnngrad.render.terminal import text_of
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["filled", "framed", "html_document", "sum_lines"]

# A layer of more products than these has the terms of its telling elements alone; more cells than these it can't show.
_MOST_PRODUCTS, _MOST_CELLS = 20_000, 60_000
# The largest integer up to which JavaScript's numbers hold all.
_LARGEST = 2**53 - 1
_BETWEEN = (
    "A zero between elements of ∂E/∂O: in the forward pass the window moves by the stride, so neighbours lie that far "
    "apart on X."
)
# What the page calls the tensors.
_IDS = {
    Tensor.X: "x", Tensor.W: "w", Tensor.B: "b", Tensor.DEDO: "do", Tensor.O: "o", Tensor.DW: "dw", Tensor.DX: "dx",
    Tensor.DB: "db",
}  # fmt: skip


def html_document(derivation: Derivation, style: Style) -> str:
    """The page.

    Raises:
        CnngradError: a derivation without its layer, or a layer that is too large for a page.
    """
    if derivation.source is None:
        raise CnngradError("this derivation does not know its layer: a page is made of what derive returns")
    return filled(
        "page",
        ["grid.js", "numbers.js", "page.js"],
        title=style.title or f"cnngrad · {derivation.layer}",
        author=f"<p>{escape(style.author)}</p>" if style.author else "",
        # By itself the title is the layer.
        layer=f'<p class="layer">{escape(derivation.layer)}</p>' if style.title else "",
        data=_data(derivation.source),
        sections="\n".join(_section(derivation, style)),
    )


def filled(name: str, scripts: Sequence[str], title: str, data: Any, **parts: str) -> str:
    """A page of `render/page/` with its scripts and the style of all, by whose hashes its policy knows them.

    Args:
        name: the page.
        scripts: its scripts, in their order.
        title: the heading, as text.
        data: what the script reads.
        parts: the rest of what the page has a place for, as HTML.
    """
    script, css = "".join(map(_read, scripts)), _read("page.css")
    # Names and numbers stay text, whatever is in them.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    body = Template(_read(f"{name}.html")).substitute(parts, title=escape(title), script=script, data=text)
    sources = f"script-src 'sha256-{_hash(script)}'; style-src 'sha256-{_hash(css)}'"
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    return framed(title, body.rstrip("\n"), policy, f"<style>{css}</style>\n")


def framed(title: str, body: str, policy: str, style: str = "") -> str:
    """An HTML document.

    Args:
        title: the title, as text.
        body: what is in it, as HTML.
        policy: its Content-Security-Policy.
        style: a `style` element; empty for none.
    """
    return Template(_read("frame.html")).substitute(title=escape(title), body=body, policy=policy, style=style)


def _read(name: str) -> str:
    return (files("cnngrad") / "render" / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A hash by which a Content-Security-Policy knows a script or a style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data(source: Source) -> dict[str, Any]:
    """What the script needs: shapes, names, numbers, every element's terms, and what the grids show."""
    layer, values = source.layer, source.values
    there = set(_IDS) if source.backward else {Tensor.X, Tensor.W, Tensor.B, Tensor.O}
    tensors = [t for t in _IDS if t in there and (layer.has_bias or t.array is not Tensor.B)]
    shapes = {tensor: layer.canonical[tensor] for tensor in tensors}
    if sum(map(prod, shapes.values())) > _MOST_CELLS:
        raise CnngradError(f"the layer has more than {_MOST_CELLS} elements: a page would be too large")
    expander = Expander(layer, {})
    symbols = {
        tensor: [expander.names.symbol(tensor, index) for index in indices(shapes[tensor])] for tensor in tensors
    }
    products = prod(layer.canonical[Tensor.O]) * prod(layer.canonical[Tensor.W][1:])
    whole = products <= _MOST_PRODUCTS
    return {
        "shapes": {_IDS[tensor]: list(shape) for tensor, shape in shapes.items()},
        "written": {_IDS[tensor]: list(layer.shapes[tensor]) for tensor in tensors},
        "names": {_IDS[tensor]: list(map(str, found)) for tensor, found in symbols.items()},
        "short": {_IDS[tensor]: [symbol.element for symbol in found] for tensor, found in symbols.items()},
        "values": {_IDS[tensor]: list(map(_number, numbers)) for tensor, numbers in _numbers(source, tensors).items()},
        "exact": all(np.asarray(values[t]).dtype.kind == "i" for t in tensors if t not in RESULTS and t in values),
        "terms": {_IDS[tensor]: _terms(expander, tensor, whole) for tensor in tensors if tensor in RESULTS},
        "grids": [
            _grid(layer, *each) for each in _grids(layer) if each[1] in there and (source.backward or each[0] != "wr")
        ],
        "leads": [{"name": name, "word": word, "size": size} for name, word, size in _leads(layer)],
        # The page copies arrays in cnngrad's own order of axes.
        "options": {name: option for name, option in layer.options.items() if "layout" not in name},
        "gap": _BETWEEN,
        "unread": words.unreached(layer, gradient=True),
    }


def _numbers(source: Source, tensors: list[Tensor]) -> dict[Tensor, list[Number]]:
    """The numbers of each tensor, as far as there are any; those of O are computed where they are not given."""
    layer, values = source.layer, source.values
    if Tensor.X not in values:
        return {}
    found = {t: np.asarray(values[t]).reshape(-1).tolist() for t in tensors if isinstance(values.get(t), np.ndarray)}
    if Tensor.O not in found:
        outputs = OutputsOnDemand(layer, values)
        found[Tensor.O] = [outputs[index] for index in indices(layer.canonical[Tensor.O])]
    return found


def _number(value: Number) -> Number | str:
    """A number as the script reads it: as text what JavaScript's numbers do not hold."""
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else str(value)
    return value if math.isfinite(value) else str(value)


def _terms(expander: Expander, tensor: Tensor, whole: bool) -> list[list[list[list[Any]]] | None]:
    """The terms of every element, each factor as its tensor and flat number; None where they are left out."""
    shape = expander.layer.canonical[tensor]
    chosen = None if whole else set(_around([told.place for told in telling(expander.layer, tensor, TELLING)], shape))
    return [
        [[_ref(expander.layer, f) for f in term.factors] for term in expander.expand(tensor, index).terms]
        if chosen is None or index in chosen
        else None
        for index in indices(shape)
    ]


def _around(places: Sequence[Index], shape: Shape) -> Iterator[Index]:
    """Some elements and those beside them."""
    for place in places:
        near = (range(max(0, k - 1), min(size, k + 2)) for k, size in zip(place[2:], shape[2:], strict=True))
        yield from ((*place[:2], *index) for index in product(*near))


def _ref(layer: Layer, symbol: Factor) -> list[Any]:
    assert isinstance(symbol, Symbol)
    shape = layer.canonical[symbol.tensor]
    lead = (0,) * (len(shape) - len(symbol.lead) - len(symbol.place))
    index = (*lead, *(k - 1 for k in (*symbol.lead, *symbol.place)))
    return [_IDS[symbol.tensor], int(np.ravel_multi_index(index, shape))]


# An id, the tensor, a title, its axes, and what a zero of its frame is.
Grid = tuple[str, Tensor, str, list[Track], str]
# What stands where no element does, as the script knows it.
_FRAME, _GAP = -1, -2


def _grids(layer: Layer) -> list[Grid]:
    """What is shown side by side."""
    padding = "A zero of the padding around X."
    frame = "A zero of the frame: no output is there, where the rotated filter hangs over the edge."
    bias = [("b", Tensor.B, "b", [plain(layer.filters)], "")] if layer.has_bias else []
    bias_gradient = [("db", Tensor.DB, "∂E/∂b", [plain(layer.filters)], "")] if layer.has_bias else []
    return [
        ("x", Tensor.X, "X", [framed_input(axis) for axis in layer.axes], padding),
        ("w", Tensor.W, "W", [plain(axis.kernel) for axis in layer.axes], ""),
        *bias,
        ("o", Tensor.O, "O", [plain(axis.out) for axis in layer.axes], ""),
        ("do", Tensor.DEDO, "∂E/∂O, framed", [framed_output(axis) for axis in layer.axes], frame),
        ("wr", Tensor.W, "W rotated", [plain(axis.kernel, turned=True) for axis in layer.axes], ""),
        ("dw", Tensor.DW, "∂E/∂W", [plain(axis.kernel) for axis in layer.axes], ""),
        ("dx", Tensor.DX, "∂E/∂X", [plain(axis.size) for axis in layer.axes], ""),
        *bias_gradient,
    ]


def _grid(layer: Layer, name: str, tensor: Tensor, title: str, tracks: list[Track], zeros: str) -> dict[str, Any]:
    channel = "c" if layer.groups == 1 or tensor.array is Tensor.W else "cx"
    leads = {Tensor.X: ["n", channel], Tensor.W: ["f", "c"], Tensor.O: ["n", "f"], Tensor.B: []}
    slots = [list(map(_slot, map(track.slot, range(track.size)))) for track in tracks]
    return {
        "id": name, "tensor": _IDS[tensor], "title": title, "letter": tensor.letter, "axes": slots,
        "lead": leads[tensor.array], "zeros": zeros,
    }  # fmt: skip


def _slot(slot: int | Fill) -> int:
    return slot if isinstance(slot, int) else _GAP if slot is Fill.GAP else _FRAME


def _leads(layer: Layer) -> list[tuple[str, str, int]]:
    """What can be chosen by tabs: its name, what it is, and how many there are."""
    chosen = [
        ("n", "sample (∂E/∂W adds up over all)", layer.batch),
        ("f", "filter (∂E/∂X adds up over all that read its channel)", layer.filters),
    ]
    if layer.groups == 1:
        return [*chosen, ("c", "channel (O adds up over all)", layer.channels)]
    within = "channel of the filter (O adds up over all of them)"
    return [*chosen, ("c", within, layer.group_channels), ("cx", "channel of X", layer.channels)]


def _section(derivation: Derivation, style: Style) -> list[str]:
    """The lesson's sections, which can be folded."""
    painter = Painter(style.precision, hints=False)
    made = []
    for section in derivation.sections:
        title = escape("".join(map(str, section.title)))
        blocks = "\n".join(_block(block, painter, style) for block in section.blocks if not isinstance(block, Hint))
        name = f' id="section-{section.name}"' if section.name else ""
        made.append(f"<details open{name}><summary>{title}</summary>\n{blocks}\n</details>")
    return made


def _block(block: Block, painter: Painter, style: Style) -> str:
    if isinstance(block, Sentence):
        return f"<p>{''.join(_part(part, style) for part in block.parts)}</p>"
    if isinstance(block, Formula):
        return mathml(block.row, display=True)
    if isinstance(block, Expansions):
        return _sums(block, style)
    return f"<pre>{escape(text_of(painter.blocks([block])).rstrip())}</pre>"


def _part(part: Part, style: Style) -> str:
    if isinstance(part, Symbol | Partial):
        return mathml((node_of(part),))
    return escape(Notation(style.precision).part(part))


def _sums(table: Expansions, style: Style) -> str:
    heading = "sum by the chain rule" if table.form is Form.CHAIN else "sum"
    valued = any(expansion.value is not None for expansion in table.expansions)
    rows = []
    for expansion in table.expansions:
        lines = sum_lines(expansion, style.precision, table.form is Form.WORKED)
        value = "" if expansion.value is None else number(expansion.value, style.precision)
        cells = [str(expansion.target), "\n".join(lines), *([value] if valued else [])]
        rows.append("<tr>" + "".join(f"<td>{escape(cell).replace(chr(10), '<br>')}</td>" for cell in cells) + "</tr>")
    head = f"<tr><th>element</th><th>{heading}</th>{'<th>value</th>' if valued else ''}</tr>"
    return f'<table class="sums"><thead>{head}</thead><tbody>\n{chr(10).join(rows)}\n</tbody></table>'


def sum_lines(expansion: Expansion, precision: int, worked: bool = True) -> list[str]:
    """A sum in symbols and, where there are numbers and `worked`, in numbers."""
    notation = Notation(precision)
    terms = [notation.symbols(term.factors) for term in expansion.terms]
    lines = [f"= {' + '.join(terms) or '0'}{f' + … {expansion.left_out} more' if expansion.left_out else ''}"]
    if expansion.zeros:
        lines[0] += f" ({counted(expansion.zeros, 'product')} with 0)"
    with_numbers = expansion.worked if worked else None
    if with_numbers is not None and with_numbers.parts:
        numbers = [notation.factors(term.values or ()) for part in with_numbers.parts for term in part]
        lines.append(f"= {' + '.join(numbers)}{' + …' if expansion.left_out else ''}")
    return lines
