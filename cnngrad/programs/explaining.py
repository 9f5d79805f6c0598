"""The mistakes behind the failures of a program: the fewest that explain the most wrong arrays of all layers."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.catalogue import CATALOGUE, PLACES, told
from cnngrad.causes.evaluate import made
from cnngrad.causes.recipe import Recipe, right_recipe
from cnngrad.causes.search import named_factors
from cnngrad.checks.report import Graded, GradientReport
from cnngrad.layer import Relation, joined
from cnngrad.programs.verdicts import Outcome, grouped, named
from cnngrad.schema import Json

__all__ = ["Explanation", "Wrong", "explain", "unexplained"]

# Up to this number of wrong arrays, each is tried with every mistake that explains another one.
_FEW = 12


@dataclass(frozen=True)
class Explanation:
    """Mistakes that are made together, and explain arrays of several failing layers.

    Attributes:
        mistakes: their ids.
        hint: what they are, and how to fix them.
        outcomes: the failing layers in which they explain an array.
    """

    mistakes: tuple[str, ...]
    hint: str
    outcomes: Sequence[Outcome]

    @property
    def explains(self) -> int:
        """The number of these layers."""
        return len(self.outcomes)

    def as_json(self) -> Json:
        """As plain data."""
        layers = [outcome.name for outcome in self.outcomes]
        return named(self.mistakes) | {"hint": self.hint, "explains": self.explains, "layers": layers}


class Wrong(NamedTuple):
    """A wrong array of a failing layer, the mistakes that explain it with their recipe, and its report."""

    outcome: Outcome
    known: dict[tuple[str, ...], Recipe | None]
    report: GradientReport

    def by(self, mistakes: Iterable[str]) -> set[str]:
        """The given mistakes that occur in an explanation of this array that needs no other mistake."""
        return {name for names in self.known if {*names} <= {*mistakes} for name in names}

    def try_also(self, mistakes: tuple[str, ...]) -> None:
        """Keep a mistake that explains other arrays, if it gives this one too.

        A small array shows no mistake by itself, or another one by chance.
        """
        layer = self.outcome.layer.layer
        right = right_recipe(layer.conv, layer.role[self.report.gradient])
        name, *others = mistakes
        # `not-finite` and `truncated` are not in the catalogue.
        if name in PLACES and not others and mistakes not in self.known:
            recipe = next(filter(self.is_given_by, CATALOGUE[PLACES[name]].changed(right)), None)
            self.known.update({mistakes: recipe} if recipe else {})
        # In a small array the part that is left out may be everything.
        if ("zero",) in self.known and mistakes == ("incomplete",):
            self.known.setdefault(mistakes, None)

    def is_given_by(self, recipe: Recipe) -> bool:
        """Whether a recipe gives the array's numbers."""
        layer = self.outcome.layer
        given = layer.layer.layouts.standard(self.report.gradient, self.report.analytic)
        gives = made(recipe, layer.data)
        return gives.shape == given.shape and np.allclose(gives, given)


def explain(outcomes: Sequence[Outcome]) -> list[Explanation]:
    """The fewest mistakes that explain the most wrong arrays, then those that explain the most of the others.

    Empty if no mistake is known.
    """
    wrong = [
        Wrong(outcome, {**found.report.found}, found.report)
        for outcome in outcomes
        for found in outcome.results.values()
        if found.verdict.passed is False and found.report is not None
    ]
    hints = _BESIDE | _see_fixed_numbers(wrong)
    passing = [set(outcome.layer.shows) for outcome in outcomes if outcome.passed and wrong]

    def rank(names: tuple[str, ...]) -> tuple[int, int, list[int]]:
        return len(names), sum(map(set(names).issubset, passing)), [PLACES.get(name, -1) for name in names]

    chosen = list[tuple[str, ...]]()
    mistakes = set[str]()
    rest = wrong

    def most() -> list[tuple[str, ...]]:
        """The mistakes that are known to explain some of the rest, the most frequent first."""
        explained = Counter(names for each in rest for names in each.known)
        return sorted(explained, key=lambda names: (-explained[names], rank(names)))

    while candidates := most():
        # If few arrays are wrong, none of these need be the most frequent one.
        for names, each in product(candidates if len(rest) <= _FEW else candidates[:1], rest):
            each.try_also(names)
        best = most()[0]
        others = [each for each in rest if not each.by(mistakes.union(best))]
        # A mistake that explains only one array may be a coincidence.
        if others and len(rest) - len(others) == 1 and (chosen or len({each.outcome for each in wrong}) > 1):
            break
        chosen, mistakes, rest = [*chosen, best], mistakes.union(best), others
    explained_by = [(names, [each for each in wrong if each.by(mistakes).issuperset(names)]) for names in chosen]
    if chosen and rest:
        explained_by.append(((), rest))
    return [_explanation(names, some, wrong, hints) for names, some in explained_by]


def _explanation(
    names: tuple[str, ...], explained: Sequence[Wrong], wrong: Sequence[Wrong], hints: Mapping[str, str]
) -> Explanation:
    """The explanation of some of the wrong arrays by mistakes; `hints` is for mistakes outside the catalogue."""
    tensors, every = (dict.fromkeys(each.report.gradient.title for each in some) for some in (explained, wrong))
    where = "" if tensors == every else f"in {joined([*tensors])} "
    hint = hints.get("".join(names))
    if not names:
        hint = unexplained([each.report for each in explained if isinstance(each.report, Graded)])
    if hint is None:
        tensor = explained[0].report.gradient
        layer = explained[0].outcome.layer.layer
        recipes = [(each.outcome.name, recipe) for each in explained if (recipe := each.known.get(names))]
        detail = told(layer, tensor, _shared(recipes))
        words = [CATALOGUE[PLACES[name]].words(tensor, layer) for name in names]
        says = " and ".join(says for says, _ in words) + (detail and f" ({detail})")
        hint = f"{says}. To fix it: {'; and '.join(fix for _, fix in words)}"
    return Explanation(names, where + hint, [*dict.fromkeys(each.outcome for each in explained)])


def _see_fixed_numbers(wrong: Sequence[Wrong]) -> dict[str, str]:
    """Add the explanation that one number replaces different ones of the layers, to arrays that fit; its hint."""
    seen = list[tuple[tuple[int, int], int]]()
    for each in wrong:
        right = np.abs([axis.relation for axis in each.outcome.layer.layer.axes])
        used = np.abs(each.report.relations or right)
        off = used != right
        fixed = [*zip(np.nonzero(off)[1].tolist(), used[off].tolist(), strict=True)]
        if len({*fixed}) == 1:
            seen += zip(fixed, right[off].tolist(), strict=True)
    (place, number), replaced = max(grouped(seen).items(), key=lambda pair: len(pair[1]), default=((0, 1), []))
    name, words, usual = _FIXED[place]
    # If it is the usual number that replaces the others, the catalogue has a name for this.
    if len({*replaced}) < 2 or number == usual:
        return {}
    least, above = (usual, f" above {usual}") if min(replaced) > usual else (-1, "")
    made_with = {Relation._fields[place]: -number if place == 2 else number}
    for each in wrong:
        layer = each.outcome.layer.layer
        every = [axis.relation for axis in layer.axes]
        relations = [right._replace(**made_with) if abs(right[place]) > least else right for right in every]
        if each.is_given_by(right_recipe(layer, each.report.gradient).by(relations)):
            each.known[name,] = None
    return {name: f"{words.format(number)}{above}. To fix it: use the layer's own number, on each axis"}


def _shared(recipes: Sequence[tuple[str, Recipe]]) -> str:
    """The detail that the recipes of most layers share, or the name or value of their factor; may be empty.

    If details differ only in numbers, and in the brackets after these, the first layer's detail is the example.
    """
    factors = [
        (word, name)
        for name, recipe in recipes
        if abs(recipe.factor) not in (0, 1)
        for word in (*named_factors(recipe.layer).get(recipe.factor, ()), f"{recipe.factor:.6g}")
    ]
    said = [(recipe.detail, recipe.detail, name) for name, recipe in recipes]
    said += [(word, f"by {word}", name) for word, name in factors]
    said += [(_NUMBER.sub("", recipe.detail), f"in {name}: {recipe.detail}", name) for name, recipe in recipes]
    alike = grouped((key, (name, says)) for key, says, name in said if key).values()
    most = max(alike, key=lambda some: len(dict(some)), default=[])
    count, every = len(dict(most)), len(dict(recipes))
    if 2 * count <= every:
        return ""
    words = most[0][1]
    return words if count == every else f"{words} in {count} of {every} layers"


# Mistakes outside the catalogue.
_BESIDE = {
    "not-finite": "some numbers are NaN or infinite. To fix it: look for a division by 0, for memory that is never "
    "filled, or for numbers too large for their type",
    "truncated": "every element is cut to a whole number. To fix it: use an array of floats",
}

# A number in a detail, and what it is.
_NUMBER = re.compile(r"-?\d+( \([^)]*\))?")
# Mistakes that use one number for all layers, in the order of a relation's numbers: id, words, and the usual number.
_FIXED = (
    ("stride-fixed", "your windows move by {}, whatever the stride", 1),
    ("dilation-fixed", "the elements of your filter stand {} apart, whatever the dilation", 1),
    ("padding-fixed", "your windows begin {} in front of X, whatever the padding", 0),
)


def unexplained(reports: Sequence[Graded]) -> str:
    """That no known mistake gives these arrays, and where their wrong elements are in all layers."""
    found = []
    for tensor, some in grouped((report.gradient, report) for report in reports).items():
        masks = [report.canonical[-1] for report in some]
        layer = some[0].layer
        if all(mask.all() for mask in masks):
            found.append(f"all elements of {tensor.title}")
            continue
        for axis, word in enumerate(layer.words_of(tensor)[: masks[0].ndim]):
            places = [(np.nonzero(mask)[axis], mask.shape[axis] - 1) for mask in masks]
            fits = (words for words, test in _ENDS.items() if all(test(*place).all() for place in places))
            if any(last > 0 for _, last in places) and (words := next(fits, "")):
                found.append(f"only elements of {tensor.title} {words} {word}")
    where = f": {joined(found)} are wrong" if found else ""
    return f"no known mistake gives it{where}"


# Where the wrong elements may be on an axis, by words; each test takes their positions and the last position.
_ENDS: dict[str, Callable[[Array, int], Array]] = {
    "in the first": lambda places, _: places == 0,
    "in the last": lambda places, last: places == last,
    "outside the first": lambda places, _: places > 0,
    "outside the last": lambda places, last: places < last,
}
