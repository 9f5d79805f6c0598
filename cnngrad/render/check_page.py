"""The report of a check as a page: each gradient beside the right one and their difference, and the sums of elements.

An element's right sum comes from the expansions, its wrong sum from the mistake if that is known.
"""

from collections.abc import Iterator
from html import escape

import numpy as np

from cnngrad.checks import Graded, GradientReport, Report, WrongShape
from cnngrad.checks.report import SAYS, code_lines
from cnngrad.derivation.grids import titled
from cnngrad.derivation.notation import apart, number
from cnngrad.layer import counted
from cnngrad.layer.names import Index, Number
from cnngrad.render.html import filled
from cnngrad.render.painter import Painter, Written
from cnngrad.tensor import O, Tensor

__all__ = ["check_page"]

# Maximum number of matrices of a gradient.
_MOST_MATRICES = 6
# Maximum number of elements of a matrix.
_MOST_ELEMENTS = 900
# Maximum number of elements whose sums are written out.
_MOST_SUMS = 300


def check_page(report: Report, precision: int, text: str) -> str:
    """The page; `text` is the report as text, which stands at its end."""
    sums: dict[str, list[str]] = {}
    parts = (part for gradient in report.gradients.values() for part in _gradient(gradient, precision, sums))
    return filled(
        "check",
        ("dom", "typeset", "check"),
        title=f"cnngrad check · {report.layer.describe()}",
        grids="\n".join(parts),
        data=sums,
        report=escape(text),
    )


def _gradient(gradient: GradientReport, precision: int, sums: dict[str, list[str]]) -> Iterator[str]:
    """The wrong matrices of a gradient, or the first if all are right; adds the elements' sums to `sums`."""
    yield f"<h2>{gradient.gradient.title} {SAYS[gradient.passed].lower()}</h2>"
    yield from (f"<p>{escape(text)}</p>" for text in (gradient.hint, gradient.relation) if text)
    if code := "\n".join(code_lines(gradient)):
        yield f"<pre>{escape(code)}</pre>"
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
        # Wrong elements first, since readers look at those.
        places = sorted((lead + place for place in np.ndindex(wrong[lead].shape)), key=lambda place: not wrong[place])
        for place in places[: max(0, _MOST_SUMS - len(sums))]:
            # The element's value, the right value, and both sums as far as they are known.
            compared, is_wrong = gradient.compare(place), bool(wrong[place])
            mine, right, _ = _texts(compared.yours, compared.right.value or 0, is_wrong, precision)
            should = f", but it should be {right}" if is_wrong else ", as it should be"
            lines = [f"{compared.right.target} is {mine}{should}"]
            both = ("right", compared.right, right), ("yours", compared.made if is_wrong else None, mine)
            for word, expansion, value in both:
                if expansion is not None:
                    symbols, *numbers = str(Written(Painter(precision), expansion)).splitlines()
                    lines.append(f"{word} {symbols}{'' if numbers else f' = {value}'}")
                    lines += (f"{' ' * len(word)} {line} = {value}" for line in numbers)
            sums[_key(gradient.gradient, place)] = lines
    if len(shown) > _MOST_MATRICES:
        more = counted(len(shown) - _MOST_MATRICES, "more matrix has", "more matrices have")
        yield f"<p>{more} wrong elements.</p>"


def _matrices(gradient: Graded, lead: Index, precision: int) -> str:
    """The user's matrix, the right one and their difference as tables side by side."""
    result, layer = gradient.gradient, gradient.layer
    arrays = [array[lead] for array in gradient.canonical]
    width = arrays[0].shape[-1]
    # The caption says which of several matrices it is, and what its rows are if not the layer's: the last two axes make
    # a matrix, which with one spatial axis includes the channels, and for dE/db has only filters.
    title, words, shape = titled(layer, result, lead, "yours"), layer.lead_words(result), layer.canonical[result]
    if len(lead) < len(words) and shape[len(words) - 1] > 1:
        title += f"; a {'row' if len(shape) > len(words) else 'column'} for each {words[-1]}"
    names = title, "right" if result is O else "by differences", "yours − right"
    every = []
    for place in np.ndindex(arrays[0].shape):
        mine, by, wrong = (array[place].item() for array in arrays)
        mark = ' class="wrong"' * bool(wrong)
        texts = _texts(mine, by, wrong, precision)
        at = f'data-at="{_key(result, lead + place)}"'
        every.append([f"<td{kind} {at}>{text}</td>" for kind, text in zip((mark, "", mark), texts, strict=True)])
    head = "".join(f'<th scope="col">{c + 1}</th>' for c in range(width))
    tables = ""
    for name, cells in zip(names, zip(*every, strict=True), strict=True):
        rows = f'<tr><td class="corner" role="presentation"></td>{head}</tr>'
        for number_of, row in enumerate(np.reshape(cells, (-1, width)), start=1):
            rows += f'<tr><th scope="row">{number_of}</th>{"".join(row)}</tr>'
        tables += f'<table class="grid" role="grid"><caption>{name}</caption>{rows}</table>'
    return f'<div class="row">{tables}</div>'


def _texts(yours: Number, right: Number, wrong: bool, precision: int) -> tuple[str, str, str]:
    """Both numbers, with enough digits to differ if one is wrong, and their difference."""
    both = apart(yours, right, precision) if wrong else (number(yours, precision), number(right, precision))
    return (*both, number(yours - right, precision))


def _key(result: Tensor, place: Index) -> str:
    return f"{result.key} {' '.join(map(str, place))}"
