"""What a check found as a page: a gradient, the right one and the difference, and the sums of every element.

Each element's right sum comes from the expansions, the sum that a known mistake makes of it from the mistake.
"""

from collections.abc import Iterator
from html import escape
from math import prod

import numpy as np

from cnngrad.checks import Graded, GradientReport, Report, WrongShape
from cnngrad.checks.report import Compared, code_lines
from cnngrad.derivation.notation import apart, number
from cnngrad.layer import counted
from cnngrad.layer.names import Index, Number
from cnngrad.render.html import filled, sum_lines
from cnngrad.tensor import O, Tensor

__all__ = ["check_page"]

# Matrices of a gradient that are shown, elements of one, and elements whose sums are written out.
_MOST_MATRICES, _MOST_ELEMENTS, _MOST_SUMS = 6, 900, 300


def check_page(report: Report, precision: int, text: str) -> str:
    """The page, with the report's text beneath.

    Args:
        report: what a check found.
        precision: the significant digits of decimals.
        text: the report as text.
    """
    sums: dict[str, list[str]] = {}
    parts = (part for gradient in report.gradients.values() for part in _gradient(gradient, precision, sums))
    return filled(
        "check",
        ["grid.js", "check.js"],
        title=f"cnngrad check · {report.layer.describe()}",
        grids="\n".join(parts),
        data=sums,
        report=escape(text),
    )


def _gradient(gradient: GradientReport, precision: int, sums: dict[str, list[str]]) -> Iterator[str]:
    """The matrices of a gradient that are wrong, or the first where all is right; `sums` gets what they are made of."""
    yield f"<h2>{gradient.gradient.title} is {gradient.verdict.words}</h2>"
    yield from (f"<p>{escape(text)}</p>" for text in (gradient.hint, gradient.relation) if text)
    if lines := "\n".join(code_lines(gradient)):
        yield f"<pre>{escape(lines)}</pre>"
    if isinstance(gradient, WrongShape):
        return
    wrong = gradient.canonical[-1]
    leads = list(np.ndindex(wrong.shape[:-2]))
    shown = [lead for lead in leads if wrong[lead].any()] or leads[:1]
    for lead in shown[:_MOST_MATRICES]:
        height, width = np.atleast_2d(wrong[lead]).shape
        if height * width > _MOST_ELEMENTS:
            yield f"<p>A matrix of {height}×{width} elements is too large to be shown.</p>"
            continue
        yield _matrices(gradient, lead, precision)
        # The wrong ones first: those are looked at.
        places = sorted((lead + place for place in np.ndindex(wrong[lead].shape)), key=lambda place: not wrong[place])
        for place in places[: max(0, _MOST_SUMS - len(sums))]:
            sums[_key(gradient.gradient, place)] = list(_sums(gradient.compare(place), bool(wrong[place]), precision))
    if len(shown) > _MOST_MATRICES:
        more = counted(len(shown) - _MOST_MATRICES, "more matrix has", "more matrices have")
        yield f"<p>{more} wrong elements.</p>"


def _matrices(gradient: Graded, lead: Index, precision: int) -> str:
    """Yours, the right one, and the difference, as tables beside each other."""
    result, arrays = gradient.gradient, [array[lead] for array in gradient.canonical]
    layer, width = gradient.layer, arrays[0].shape[-1]
    # Which matrix it is, if there are several, and what its rows and columns are, if they are not the layer's. The last
    # two axes are a matrix: of a layer with one spatial axis also its channels, of dE/db its filters alone.
    shape, words = layer.canonical[result], result.lead_words
    found = (f"{word} {k + 1}" for word, k in zip((*words, *layer.axis_words), lead, strict=False))
    parts = [", ".join(found)] if prod(shape[: len(lead)]) > 1 else []
    if len(lead) < len(words) and shape[len(words) - 1] > 1:
        parts.append(f"a {'row' if len(shape) > len(words) else 'column'} for each {words[-1]}")
    right = "right" if result is O else "by differences"
    names = f"yours{' · ' if parts else ''}{'; '.join(parts)}", right, "yours − right"
    columns: list[list[str]] = [[], [], []]
    for place in np.ndindex(arrays[0].shape):
        mine, by, wrong = (array[place].item() for array in arrays)
        for name, column, text in zip(names, columns, _texts(mine, by, wrong, precision), strict=True):
            mark = ' class="wrong"' if wrong and name != right else ""
            column.append(f'<td{mark} data-at="{_key(result, lead + place)}">{text}</td>')
    head = "".join(f'<th scope="col">{c + 1}</th>' for c in range(width))
    tables = []
    for name, cells in zip(names, columns, strict=True):
        rows = [f'<tr><td class="corner"></td>{head}</tr>']
        for row in range(len(cells) // width):
            shown = "".join(cells[row * width : (row + 1) * width])
            rows.append(f'<tr><th scope="row">{row + 1}</th>{shown}</tr>')
        tables.append(f'<table class="grid"><caption>{name}</caption>{"".join(rows)}</table>')
    return f'<div class="row">{"".join(tables)}</div>'


def _texts(yours: Number, right: Number, wrong: bool, precision: int) -> tuple[str, str, str]:
    """Both numbers, of a wrong one with so many digits that they can be told apart, and their difference."""
    both = apart(yours, right, precision) if wrong else (number(yours, precision), number(right, precision))
    return (*both, number(yours - right, precision))


def _key(result: Tensor, place: Index) -> str:
    return f"{result.key} {' '.join(map(str, place))}"


def _sums(compared: Compared, wrong: bool, precision: int) -> Iterator[str]:
    """What an element is, what it should be, and both sums as far as they are known."""
    mine, right, _ = _texts(compared.yours, compared.right.value or 0, wrong, precision)
    should = f", but it should be {right}" if wrong else ", as it should be"
    yield f"{compared.right.target} is {mine}{should}"
    for word, expansion, value in ("right", compared.right, right), ("yours", compared.made if wrong else None, mine):
        if expansion is not None:
            symbols, *numbers = sum_lines(expansion, precision)
            yield f"{word} {symbols}{'' if numbers else f' = {value}'}"
            yield from (f"{' ' * len(word)} {line} = {value}" for line in numbers)
