"""What a check found as a page: a gradient, the right one and the difference, and the sums of every element.

Each element's right sum comes from the expansions, the sum that a known mistake makes of it from the mistake.
"""

from collections.abc import Iterator
from html import escape
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.derivation.notation import apart, number
from cnngrad.gradcheck import GradientReport, Report
from cnngrad.gradcheck.recipe import Tries
from cnngrad.gradcheck.report import Compared
from cnngrad.gradcheck.shown import code_lines
from cnngrad.layer import Layer, counted
from cnngrad.layer.expansion import Expansion
from cnngrad.layer.names import Index, Number
from cnngrad.render.html import filled, sum_lines
from cnngrad.tensor import Tensor

__all__ = ["check_page"]

# Matrices of a gradient that are shown, elements of one, and elements whose sums are written out.
_MOST_MATRICES, _MOST_ELEMENTS, _MOST_SUMS = 6, 900, 300
# Tries to find what a mistake makes of all these elements.
_TRIES = 20_000


def check_page(report: Report, precision: int, text: str) -> str:
    """The page, with the report's text beneath.

    Args:
        report: what a check found.
        precision: the significant digits of decimals.
        text: the report as text.
    """
    tries = Tries(_TRIES)
    sums: dict[str, list[str]] = {}
    grids = "\n".join(_gradient(report, gradient, precision, sums, tries) for gradient in report.gradients.values())
    return filled(
        "check",
        ["grid.js", "check.js"],
        title=f"cnngrad check · {report.layer.describe()}",
        data=sums,
        grids=grids,
        report=escape(text),
    )


def _gradient(
    report: Report, gradient: GradientReport, precision: int, sums: dict[str, list[str]], tries: Tries
) -> str:
    """The matrices of a gradient that are wrong, or the first where all is right; `sums` gets what they are made of."""
    verdict = {True: "right", False: "wrong", None: "can't be judged"}[gradient.passed]
    parts = [f"<h2>{gradient.gradient.title} is {verdict}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in (gradient.hint, gradient.relation) if text]
    if lines := code_lines(gradient):
        parts.append(f"<pre>{escape(chr(10).join(lines))}</pre>")
    layer, result = report.layer, gradient.gradient
    if gradient.analytic is None or gradient.numeric is None or gradient.wrong is None:
        return "\n".join(parts)
    shape = layer.canonical[result]
    yours, right, wrong = (
        layer.layouts.standard(result, array).reshape(shape)
        for array in (gradient.analytic, gradient.numeric, gradient.wrong)
    )
    leads = list(np.ndindex(shape[:-2] if len(shape) > 1 else ()))
    shown = [lead for lead in leads if wrong[lead].any()] or leads[:1]
    for lead in shown[:_MOST_MATRICES]:
        parts.append(_matrices(report, gradient, lead, (yours[lead], right[lead], wrong[lead]), precision))
    if len(shown) > _MOST_MATRICES:
        more = counted(len(shown) - _MOST_MATRICES, "more matrix has", "more matrices have")
        parts.append(f"<p>{more} wrong elements.</p>")
    if gradient.compare is None:
        return "\n".join(parts)
    without = len(shape) - len(layer.shapes[result])
    for lead in shown[:_MOST_MATRICES]:
        if yours[lead].size > _MOST_ELEMENTS:
            continue
        # The wrong ones first: those are looked at.
        places = sorted((lead + place for place in np.ndindex(yours[lead].shape)), key=lambda place: not wrong[place])
        for place in places[: max(0, _MOST_SUMS - len(sums))]:
            compared = gradient.compare(place[without:], tries)
            sums[_key(result.key, place)] = list(_sums(compared, bool(wrong[place]), precision))
    return "\n".join(parts)


def _matrices(
    report: Report, gradient: GradientReport, lead: Index, arrays: tuple[Array, Array, Array], precision: int
) -> str:
    """Yours, the right one, and the difference, as tables beside each other."""
    yours, right, wrong = (np.atleast_2d(array) for array in arrays)
    if yours.size > _MOST_ELEMENTS:
        return f"<p>A matrix of {yours.shape[0]}×{yours.shape[1]} elements is too large to be shown.</p>"
    words = _which(report.layer, gradient.gradient, lead)
    title = "right" if gradient.gradient is Tensor.O else "by differences"
    tables = []
    numbers = zip(yours.ravel().tolist(), right.ravel().tolist(), wrong.ravel().tolist(), strict=True)
    texts = [_texts(*each, precision) for each in numbers]
    for number_of, name in enumerate((f"yours · {words}" if words else "yours", title, "yours − right")):
        rows = []
        for r in range(len(yours)):
            cells = []
            for c in range(yours.shape[1]):
                place = lead + ((r, c) if arrays[0].ndim == 2 else (c,))
                kind = ' class="wrong"' if wrong[r, c] and name != title else ""
                text = escape(texts[r * yours.shape[1] + c][number_of])
                cells.append(f'<td{kind} data-at="{_key(gradient.gradient.key, place)}">{text}</td>')
            rows.append(f'<tr><th scope="row">{r + 1}</th>{"".join(cells)}</tr>')
        head = "".join(f'<th scope="col">{c + 1}</th>' for c in range(yours.shape[1]))
        rows.insert(0, f'<tr><td class="corner"></td>{head}</tr>')
        tables.append(f'<table class="grid"><caption>{escape(name)}</caption>{"".join(rows)}</table>')
    return f'<div class="row">{"".join(tables)}</div>'


def _which(layer: Layer, result: Tensor, lead: Index) -> str:
    """Which matrix it is, where there are several, and what its rows and columns are, where they are not the layer's.

    The last two axes of a gradient are a matrix: of a layer with one spatial axis also its channels, of dE/db its
    filters alone.
    """
    shape, words = layer.canonical[result], result.lead_words
    found = [f"{word} {k + 1}" for word, k in zip((*words, *layer.axis_words), lead, strict=False)]
    parts = [", ".join(found)] if prod(shape[: len(lead)]) > 1 else []
    if len(lead) < len(words) and shape[len(words) - 1] > 1:
        parts.append(f"a {'row' if len(shape) > len(words) else 'column'} for each {words[-1]}")
    return "; ".join(parts)


def _texts(yours: Number, right: Number, wrong: bool, precision: int) -> tuple[str, str, str]:
    """Both numbers, of a wrong one with so many digits that they can be told apart, and their difference."""
    both = apart(yours, right, precision) if wrong else (number(yours, precision), number(right, precision))
    return (*both, number(yours - right, precision))


def _key(result: str, place: Index) -> str:
    return f"{result} {' '.join(map(str, place))}"


def _sums(compared: Compared, wrong: bool, precision: int) -> Iterator[str]:
    """What an element is, what it should be, and both sums as far as they are known."""
    name = str(compared.right.target)
    mine, right, _ = _texts(compared.yours, compared.right.value or 0, wrong, precision)
    yield f"{name} is {mine}{f', but it should be {right}' if wrong else ', as it should be'}"
    yield from _lines("right", compared.right, precision, right)
    if wrong and compared.made is not None:
        yield from _lines("yours", compared.made, precision, mine)


def _lines(word: str, expansion: Expansion, precision: int, value: str) -> Iterator[str]:
    symbols, *numbers = sum_lines(expansion, precision)
    yield f"{word} {symbols}{'' if numbers else f' = {value}'}"
    for line in numbers:
        yield f"{' ' * len(word)} {line} = {value}"
