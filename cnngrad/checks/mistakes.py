"""A page on each known mistake: what it is, how it looks in code, a layer that shows it, and how it is fixed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from cnngrad.causes.catalogue import CATALOGUE, PLACES, Mistake
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.hard import random_arrays
from cnngrad.causes.recipe import right_recipe
from cnngrad.checks.checking import check
from cnngrad.checks.report import Report
from cnngrad.derivation.blocks import Grids, Heading, ReportBlock, Sentence, Table
from cnngrad.derivation.grids import result_grids
from cnngrad.errors import CnngradError, nearest
from cnngrad.layer import Shape, make_layer
from cnngrad.layer.names import Names, canonical_values
from cnngrad.schema import SCHEMA, Json
from cnngrad.tensor import DB, DEDO, DW, DX, O, W, X

__all__ = ["Mistakes", "known_mistakes", "shown"]

# Layers in which a mistake is looked for, the simplest first: the shapes of X, W and b, and options.
_LAYERS: tuple[tuple[Shape, Shape, dict[str, Any]], ...] = (
    ((3, 3), (2, 2), {}),
    ((5, 5), (2, 2), {"stride": 2}),
    ((4, 5), (3, 3), {"padding": 1}),
    ((4, 4), (3, 3), {"padding": 1, "padding_mode": "reflect"}),
    ((7, 8), (2, 3), {"stride": (2, 1), "padding": ((0, 1), (1, 0)), "dilation": (1, 2)}),
    ((2, 3, 3), (3, 2, 2, 2), {}),
    ((2, 2, 3, 3), (2, 2, 2, 2), {}),
    ((1, 4, 3, 3), (4, 2, 2, 2), {"groups": 2}),
    ((3, 3), (3, 3), {"transposed": True, "stride": 2, "padding": 1, "output_padding": 1}),
)
# The results that are graded; a mistake is shown in the first one in which it gets its name.
_CLAIMED = (DX, DW, DB, O)


@cache
def shown(mistake: Mistake) -> tuple[Grids, Report]:
    """The arrays of the first layer in which a wrong result gets a mistake's name, and the report on it.

    A result that the mistake's line of code gives is preferred.
    """
    for coded, (x, w, settings) in product((True, False), _LAYERS):
        layer = make_layer(x, w, **settings)
        arrays = random_arrays(layer, 0)
        given = [layer.layouts.written(t, arrays[t].reshape(layer.shapes[t])) for t in (X, W, DEDO)]
        for result in _CLAIMED:
            for recipe in (way for way in mistake.changed(right_recipe(layer, result)) if way.coded >= coded):
                options: dict[str, Any] = {**settings, result.keyword: made(recipe, Data.of(layer, arrays))}
                report = check(*given, **options)
                graded = report.gradients[result.key]
                if graded.mistakes == (mistake.id,) and (graded.code or not coded):
                    names = Names(layer, canonical_values(layer, arrays))
                    row = tuple(grid for t in (X, W, DEDO) for grid in result_grids(names, t))
                    return Grids((row,)), report
    raise AssertionError(f"no layer shows {mistake.id}")


@dataclass(frozen=True)
class Mistakes:
    """Known mistakes, as a list or as pages.

    Attributes:
        mistakes: the mistakes.
        listed: whether only their names are shown.
    """

    mistakes: tuple[Mistake, ...]
    listed: bool = False

    passed = True

    @property
    def title(self) -> str:
        """The heading of a document."""
        return "Mistakes in backward passes" if len(self.mistakes) > 1 else self.mistakes[0].id

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A table of the mistakes; or for each its arrays, and the report on a result with it."""
        if self.listed:
            rows = ((m.id, ", ".join(t.title for t in m.results), m.short or m.says) for m in self.mistakes)
            yield Table(("mistake", "made in", "what it is"), tuple(rows))
            yield Sentence(("cnngrad check --mistakes NAME shows one.",))
            return
        for mistake in self.mistakes:
            grids, report = shown(mistake)
            # Without the last line, which names this page.
            layer, *found, _ = report.blocks(precision)
            yield from (Heading((mistake.id,)), layer, grids, *found)

    def as_json(self) -> Json:
        """The mistakes as plain data, and if they aren't only listed the report on each."""
        return {
            "schema": SCHEMA,
            "mistakes": [
                {
                    "mistake": mistake.id,
                    "made_in": [t.key for t in mistake.results],
                    "is": mistake.short or mistake.says,
                }
                | ({} if self.listed else {"report": shown(mistake)[1].as_json()})
                for mistake in self.mistakes
            ],
        }


def known_mistakes(name: str | None = None, listed: bool = False) -> Mistakes:
    """All known mistakes, or one.

    Raises:
        CnngradError: an unknown name; the message suggests the nearest.
    """
    found = tuple(mistake for mistake in CATALOGUE if name in (None, mistake.id))
    if not found:
        near = nearest(name or "", PLACES)
        hint = near and f"did you mean {near}? "
        raise CnngradError(f"no mistake is called {name!r}: {hint}cnngrad check --mistakes lists them")
    return Mistakes(found, listed)
