"""A derivation as one self-contained page: grids whose cells show their terms, and the lesson below.

The page knows nothing of convolution: it gets every element's terms from the expansions and adds them up.
"""

import json
import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from math import prod
from string import Template
from typing import Any

import numpy as np

from cnngrad.derivation import words
from cnngrad.derivation.blocks import Block, Derivation, Expansions, Form, Formula, Hint, Sentence, Source
from cnngrad.derivation.grids import framed_input, framed_output, plain
from cnngrad.derivation.notation import Notation, number
from cnngrad.derivation.telling import TELLING, telling
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, counted, indices
from cnngrad.layer.expansion import Expander, Expansion, Partial
from cnngrad.layer.names import Symbol
from cnngrad.render.maths import mathml, node_of
from cnngrad.render.painter import Painter
from cnngrad.render.style import Style
from cnngrad.render.terminal import text_of
from cnngrad.tensor import DB, DEDO, DW, DX, RESULTS, B, O, Tensor, W, X

__all__ = ["filled", "framed", "html_document", "sum_lines"]

# The most products with which a page has the terms of all elements, and the most cells that it can show.
_MOST_PRODUCTS, _MOST_CELLS = 20_000, 60_000
# The largest integer up to which JavaScript's numbers are exact.
_LARGEST = 2**53 - 1
_BETWEEN = (
    "A zero between elements of ∂E/∂O: in the forward pass the window moves by the stride, so neighbours lie that far "
    "apart on X.",
    "A zero between elements of X: neighbours stamp W onto O a stride apart.",
)
# The page's names of the tensors, in its order.
_IDS = {tensor: "do" if tensor is DEDO else tensor.keyword for tensor in (X, W, B, DEDO, O, DW, DX, DB)}


def html_document(derivation: Derivation, style: Style) -> str:
    """The page.

    Raises:
        CnngradError: the layer is too large for a page.
    """
    return filled(
        "page",
        ["grid.js", "numbers.js", "page.js"],
        title=style.title or f"cnngrad · {derivation.layer}",
        author=f"<p>{escape(style.author)}</p>" if style.author else "",
        # Without a title of its own the page's title is the layer.
        layer=f'<p class="layer">{escape(derivation.layer)}</p>' if style.title else "",
        data=_data(derivation.source),
        sections="\n".join(_sections(derivation, style.precision)),
    )


def filled(name: str, scripts: Sequence[str], title: str, data: Any, **parts: str) -> str:
    """A page of `render/page/` with its scripts and style, whose hashes are in its policy.

    Args:
        name: the page.
        scripts: its scripts, in order.
        title: the heading, as text.
        data: the script's data.
        parts: the page's other parts, as HTML.
    """
    script, css = "".join(map(_read, scripts)), _read("page.css")
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


def _read(name: str) -> str:
    return (files("cnngrad") / "render" / "page" / name).read_text(encoding="utf-8")


def _data(source: Source) -> dict[str, Any]:
    """The script's data: shapes, names, numbers, every element's terms, and the grids."""
    layer, values, sizes = source.layer, source.values, source.layer.canonical
    there = set(_IDS) if source.backward else {X, W, B, O}
    tensors = [t for t in _IDS if t in there and (layer.has_bias or t.array is not B)]
    if sum(prod(sizes[tensor]) for tensor in tensors) > _MOST_CELLS:
        raise CnngradError(f"the layer has more than {_MOST_CELLS} elements: a page would be too large")
    expander = Expander(layer, values)
    names, given = expander.names, [tensor for tensor in values if tensor in tensors]
    symbols = {t: [names.symbol(t, index) for index in indices(sizes[t])] for t in tensors}

    def each(made: Callable[[Tensor], Iterable[Any]], some: Iterable[Tensor] = tensors) -> dict[str, list[Any]]:
        return {_IDS[tensor]: list(made(tensor)) for tensor in some}

    return {
        "shapes": each(lambda t: sizes[t]),
        "written": each(lambda t: layer.shapes[t]),
        "names": each(lambda t: map(str, symbols[t])),
        "short": each(lambda t: (symbol.element for symbol in symbols[t])),
        "values": each(lambda t: (_number(names.number(t, index)) for index in indices(sizes[t])), given),
        "exact": all(np.asarray(values[t]).dtype.kind == "i" for t in given if t not in RESULTS),
        "terms": each(lambda t: _terms(expander, t), (t for t in tensors if t in RESULTS)),
        "grids": list(_grids(layer, tensors)),
        "leads": [dict(zip(("name", "word", "size"), lead, strict=True)) for lead in _leads(layer)],
        # The page copies arrays in cnngrad's own order of axes.
        "options": {name: option for name, option in layer.options.items() if "layout" not in name},
        "gap": _BETWEEN[layer.transposed],
        "unread": {_IDS[tensor]: words.unreached(layer, tensor) for tensor in (DX, O)[: 1 + layer.transposed]},
        # What W is stamped onto, by each element of what.
        "stamped": _IDS[layer.role[DX]],
        "stamping": _IDS[layer.role[DEDO]],
    }


def _number(value: Any) -> Any:
    """A number for the script; as text if JavaScript's numbers cannot hold it."""
    held = abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)
    return value if held else str(value)


def _terms(expander: Expander, tensor: Tensor) -> Iterator[list[list[list[Any]]] | None]:
    """The terms of every element, each factor as its tensor and flat index; None if they are omitted.

    In a large layer only the telling elements and their neighbours have terms.
    """
    layer, sizes = expander.layer, expander.layer.canonical
    whole = prod(layer.conv.canonical[O]) * prod(sizes[W][1:]) <= _MOST_PRODUCTS
    told = [] if whole else list(telling(layer, tensor, TELLING))
    for index in indices(sizes[tensor]):
        # Neighbours on up to three axes are less than 2 apart.
        if whole or any(index[:2] == at[:2] and math.dist(index[2:], at[2:]) < 2 for at in told):
            yield [
                [[_IDS[t], int(np.ravel_multi_index(at, sizes[t]))] for t, at in filter(None, term)]
                for term in expander.products(tensor, index)[0]
            ]
        else:
            yield None


# The meaning of a zero around the elements.
_ZEROS = {
    X: "A zero of the padding around {}.",
    DEDO: "A zero of the frame: there is no {} here, since the rotated filter overlaps the edge.",
}


def _grids(layer: Layer, tensors: Sequence[Tensor]) -> Iterator[dict[str, Any]]:
    """The grids, which stand side by side."""
    wide, windows = layer.role[X], layer.role[DEDO]
    sample, first, *others = (name for name, _, _ in _leads(layer))
    leads = {wide.array: [sample, others[-1]], W: [first, others[0]], windows.array: [sample, first], B: []}
    shown = {"x": X, "w": W, "b": B, "o": O, "do": DEDO, "wr": W, "dw": DW, "dx": DX, "db": DB}
    zeros = {wide: _ZEROS[X].format(wide.title), windows: _ZEROS[DEDO].format("x" if layer.transposed else "output")}
    for name, tensor in shown.items():
        if tensor not in tensors or (name == "wr" and layer.role[DX] not in tensors):
            continue
        lead = leads[tensor.array]
        tracks = [plain(size, turned=name == "wr") for size in layer.canonical[tensor][len(lead) :]]
        if tensor in zeros:
            tracks = [(framed_input if tensor is wide else framed_output)(axis) for axis in layer.axes]
        title = "W rotated" if name == "wr" else f"{tensor.title}, framed" if tensor is windows else tensor.title
        yield {
            "id": name, "tensor": _IDS[tensor], "title": title, "letter": tensor.letter,
            "axes": [list(map(track.slot, range(track.size))) for track in tracks],
            "inside": [[0, t.size] if t.mode == "zeros" else [t.first, t.first + t.elements] for t in tracks],
            "lead": lead, "zeros": zeros.get(tensor, ""),
        }  # fmt: skip


def _leads(layer: Layer) -> Iterator[tuple[str, str, int]]:
    """What tabs choose: its name, meaning and number; after n both axes of W, and the second of all groups."""
    grouped = layer.groups > 1
    yield "n", "sample (∂E/∂W is a sum over all)", layer.batch
    if layer.transposed:
        yield "c", "channel (O is a sum over all that stamp its filter)", layer.channels
        yield "f", f"filter{' of the channel' * grouped} (∂E/∂X is a sum over all)", layer.group_filters
    else:
        yield "f", "filter (∂E/∂X is a sum over all that read its channel)", layer.filters
        yield "c", f"channel{' of the filter' * grouped} (O is a sum over all)", layer.group_channels
    if grouped:
        yield ("fo", "filter of O", layer.filters) if layer.transposed else ("cx", "channel of X", layer.channels)


def _sections(derivation: Derivation, precision: int) -> Iterator[str]:
    """The lesson's sections, which can be folded."""
    for section in derivation.sections:
        title = escape("".join(map(str, section.title)))
        blocks = "\n".join(_block(block, precision) for block in section.blocks if not isinstance(block, Hint))
        name = f' id="section-{section.name}"' if section.name else ""
        yield f"<details open{name}><summary>{title}</summary>\n{blocks}\n</details>"


def _block(block: Block, precision: int) -> str:
    match block:
        case Sentence(parts):
            formulas, notation = (Symbol, Partial), Notation(precision)
            texts = (mathml(node_of(p)) if isinstance(p, formulas) else escape(notation.part(p)) for p in parts)
            return f"<p>{''.join(texts)}</p>"
        case Formula(row):
            return mathml(*row, display=True)
        case Expansions():
            return _sums(block, precision)
    return f"<pre>{escape(text_of(Painter(precision).blocks([block])).rstrip())}</pre>"


def _sums(table: Expansions, precision: int) -> str:
    headings = ["element", "sum by the chain rule" if table.form is Form.CHAIN else "sum"]
    rows = []
    headings += ["value"] * any(expansion.value is not None for expansion in table.expansions)
    for expansion in table.expansions:
        value = "" if expansion.value is None else number(expansion.value, precision)
        cells = [str(expansion.target), "<br>".join(sum_lines(expansion, precision)), value][: len(headings)]
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table class="sums"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'


def sum_lines(expansion: Expansion, precision: int) -> list[str]:
    """A sum in symbols and, if there are any, in numbers."""
    notation, left_out, zeros = Notation(precision), expansion.left_out, expansion.zeros
    terms = " + ".join(notation.symbols(term.factors) for term in expansion.terms)
    more, omitted = f" + … {left_out} more", f" ({counted(zeros, 'product')} with 0)"
    lines = [f"= {terms or '0'}{more if left_out else ''}{omitted if zeros else ''}"]
    if expansion.worked and expansion.worked.parts:
        numbers = " + ".join(notation.factors(term.values or ()) for term in expansion.terms)
        rest = f" + ({left_out} more = {notation.number(expansion.rest(len(expansion.terms)))})" if left_out else ""
        lines.append(f"= {numbers}{rest}")
    return lines
