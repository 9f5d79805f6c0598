"""The one search for what explains a result: single mistakes, one with a factor, two, or a relation without a name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import prod
from typing import NamedTuple, Protocol

import numpy as np

from cnngrad.arrays import Array, fractions, rms
from cnngrad.causes.catalogue import CATALOGUE, PLACES, Mistake
from cnngrad.causes.changes import Change, some_axes
from cnngrad.causes.evaluate import Data, computed, made, probed, spread_places
from cnngrad.causes.recipe import Recipe, recipe_by, right_recipe
from cnngrad.layer import Layer, Relation
from cnngrad.tensor import Tensor

__all__ = [
    "FEWEST_NUMBERS", "OF_ONE_NUMBER", "TRIES", "Diagnosis", "alike", "diagnose", "hidden_by", "hidden_mistakes",
    "hidden_words", "relations_of", "set_of", "truncated",
]  # fmt: skip

# Tries to find what is wrong with one array, and as many to find the relation that it follows.
TRIES = 4000
# One number fits too many mistakes: these alone can be told from it.
OF_ONE_NUMBER = ("zero", "sign-flipped", "scaled")
# Numbers other than 0 from which a factor, or two mistakes, can be told from chance.
FEWEST_NUMBERS = 4
# Pairs of mistakes that are looked for.
_MOST_PAIRS = 3
# Compare 512 elements first. Arrays of more than 64 elements are probed before they are computed in full.
_FIRST, _MANY = 512, 64
# Upper bound on a wrong result's magnitude, relative to the right one.
_MORE = 100
# Four equal errors are no coincidence; this many wrong elements are looked at first.
_ALIKE, _PROBES = 4, 8
# The relations that are tried: up to these factors of i and u, with windows that begin so far from the right place.
_MOST_STRIDE, _MOST_DILATION, _FURTHEST = 4, 3, 4
# Rounding of decimals that should be the same, relative to the largest.
_ROUNDING = 1e-9


class Allowed(Protocol):
    """How far the elements of a claim may be off, by the sums of absolute terms and the right numbers, if known."""

    def __call__(self, claim: Array, magnitude: Array, right: Array | None = None, /) -> Array: ...


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Attributes:
        mistake: the id of the likeliest known mistake that reproduces it, None where none does.
        also: the ids of the others that reproduce it.
        says: what the mistake is, or where the wrong elements are.
        fix: how to fix it, and which other mistakes it may be; empty where no mistake is known.
        together: the ids of the mistakes that were made as well, where it takes two.
        code: a line of NumPy that makes just this mistake, and the right one; None where there are no such lines.
        recipe: what was computed; None where no mistake is known.
    """

    mistake: str | None = None
    also: tuple[str, ...] = ()
    says: str = ""
    fix: str = ""
    together: tuple[str, ...] = ()
    code: tuple[str, str] | None = None
    recipe: Recipe | None = field(default=None, repr=False, compare=False)

    @property
    def hint(self) -> str:
        """What is wrong and how to fix it, in sentences."""
        return " ".join(filter(None, (self.says, self.fix)))


class _Claim:
    """A claimed result, and whether a recipe gives it."""

    def __init__(self, data: Data, result: Tensor, claim: Array, allowed: Allowed) -> None:
        """A claim in the user's layout of a result, which may be off as far as is allowed."""
        self.data, self.array, self._allowed = data, claim, allowed
        self.right = right_recipe(data.layer, result)
        x, w, dedo = (np.abs(a.astype(np.float64)) for a in (data.x, data.w, data.dedo))
        b = None if data.b is None else np.abs(data.b.astype(np.float64))
        # Without signs, so that a recipe's sums become sums of absolute terms.
        self._positive = Data(data.layer, x, w, dedo, b)
        sums = computed(self.right, self._positive)
        self._positive = replace(self._positive, known=((self.right, sums),))
        self._largest = max(float(array.max(initial=0.0)) for array in (sums, np.abs(claim)))

    def after(self, recipe: Recipe) -> "_Claim":
        """The same claim, with what a recipe gives computed once: the base of others."""
        claim, positive = copy(self), computed(recipe, self._positive)
        claim.data = replace(self.data, known=(*self.data.known, (recipe, computed(recipe, self.data))))
        claim._positive = replace(self._positive, known=(*self._positive.known, (recipe, positive)))
        claim._largest = max(self._largest, float(positive.max(initial=0.0)))
        return claim

    def factor_of(self, recipe: Recipe, factors: Iterable[float] = (1,)) -> float | None:
        """The first of some factors by which a recipe gives the claim, to the claim's precision; None where none is."""
        claim = self.array
        if not recipe.may_give(claim.shape) and claim.size > 1:
            return None
        places = spread_places(claim.size) if claim.size >= _MANY else np.empty(0, int)
        # The first tells most recipes from the claim.
        for some in (places[:1], places[1:]) if places.size else ():
            few = probed(recipe, self.data, claim.shape, some)
            if few is None:
                break
            factors = self._near(claim.reshape(-1)[some], few, factors) if few.size else ()
            if not factors:
                return None
        array = made(recipe, self.data)
        if array.size == claim.size == 1:
            array = array.reshape(claim.shape)
        if array.shape != claim.shape:
            return None
        # Few numbers tell most arrays from the claim.
        step = 1 + claim.size // _FIRST
        factors = self._near(claim.reshape(-1)[::step], array.reshape(-1)[::step], factors)
        terms = self.terms(recipe).reshape(array.shape) if factors else array
        return next((f for f in factors if self._is(claim, array, f, terms)), None)

    def terms(self, recipe: Recipe) -> Array:
        """The sums of the absolute terms of what a recipe gives, in the user's shape."""
        return np.abs(made(recipe, self._positive))

    def _near(self, claim: Array, array: Array, factors: Iterable[float]) -> list[float]:
        """The factors by which some elements may be those of the claim."""
        bound = np.full(array.shape, _MORE * self._largest)
        return [factor for factor in factors if self._is(claim, array, factor, bound)]

    def _is(self, claim: Array, array: Array, factor: float, terms: Array) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):
            made = array if factor == 1 else factor * array.astype(np.float64)
            return bool((np.abs(claim - made) <= self._allowed(claim, (abs(factor) or 1) * terms, made)).all())

    def scaled(self) -> Change | None:
        """The factor between the claim and the right gradient, with its names; None where there is no such factor."""
        right, layer = made(self.right, self.data), self.data.layer
        if self.array.shape != right.shape or not right.any() or not self.array.any():
            return None
        named = named_factors(layer)
        factor = self.factor_of(self.right, named)
        if factor is not None:
            # With a batch, 1/N is the usual wrong factor.
            coded = factor == 1 / layer.batch and layer.batch > 1
            return Change(self.right.but(factor=factor), told_factor(factor, named[factor]), coded)
        factor = _closest_factor(self.array, right)
        if not np.isfinite(factor) or np.count_nonzero(self.array) < FEWEST_NUMBERS:
            return None
        # A factor close to 1 is rounding.
        allowed = 4 * self._allowed(self.array, abs(factor) * self.terms(self.right))
        is_one = abs(abs(factor) - 1) * rms(right) <= rms(allowed)
        if is_one or (np.abs(self.array - factor * right.astype(np.float64)) > allowed).any():
            return None
        return Change(self.right.but(factor=factor), told_factor(factor))

    def ways(self, recipe: Recipe, factors: Iterable[float] = (1,), skip: Iterable[str] = ()) -> Iterator["_Way"]:
        """The mistakes that make a recipe give the claim, or one of some factors of it, each in its first way."""
        # One number fits too many mistakes.
        tried = [m for m in CATALOGUE if m.id not in skip and (self.array.size != 1 or m.id in OF_ONE_NUMBER)]
        for mistake in tried:
            for change in mistake.changed(recipe):
                if self.data.tries.left < 0:
                    return
                factor = self.factor_of(change.recipe, factors)
                if factor is not None:
                    yield _Way((mistake,), change, factor)
                    break

    def singles(self) -> list["_Way"]:
        """The single mistakes that give the claim."""
        found, scaled = list(self.ways(self.right, skip=("scaled",))), self.scaled()
        return found if scaled is None else [*found, _Way((_named("scaled"),), scaled)]

    def pairs(self) -> Iterator["_Way"]:
        """Two mistakes that give the claim, as far as the tries last: one with a factor, or one after another."""
        factors: dict[float, list[str]] = {-1.0: []} | named_factors(self.data.layer)
        for (mistake,), (recipe, detail, _), factor in self.ways(self.right, factors, OF_ONE_NUMBER):
            told = (detail, "" if factor == -1 else told_factor(factor, factors[factor]))
            change = Change(recipe.but(factor=factor * recipe.factor), ", ".join(part for part in told if part))
            yield _Way((mistake, _named("sign-flipped" if factor == -1 else "scaled")), change)
        for first in CATALOGUE:
            base = next((c.recipe for c in first.changed(self.right) if c.recipe.size == self.right.size), None)
            # A second mistake needs what the first leaves undone: another way to add up, in the same shape.
            if first.joins and base is not None and base.size and not base.done:
                for (second,), change, _ in self.after(base).ways(base, skip=(*OF_ONE_NUMBER, first.id)):
                    yield _Way((first, second), change)

    def relations(self) -> list[Relation] | None:
        """The relations between positions that the claim follows, one for each axis; None where none are found."""
        for relations in _other_relations(self.data.layer):
            if self.data.tries.left < 0:
                break
            recipe = recipe_by(self.data.layer, self.right.result, relations)
            if self.factor_of(recipe) is not None:
                return relations
        return None


class _Way(NamedTuple):
    """How a claim came about: mistakes, and the recipe that they make together, times a factor."""

    mistakes: tuple[Mistake, ...]
    change: Change
    factor: float = 1


def _named(name: str) -> Mistake:
    return CATALOGUE[PLACES[name]]


def diagnose(data: Data, result: Tensor, claim: Array, allowed: Allowed, tries: float = TRIES) -> Diagnosis:
    """Name the mistakes that reproduce a wrong gradient: single ones, or else two together.

    Args:
        data: the layer and its numbers.
        result: O, dE/dW, dE/dX or dE/db.
        claim: the wrong result, in the user's layout.
        allowed: how far it may be off.
        tries: after these no more pairs of mistakes are looked for.
    """
    searched, flip = _Claim(data, result, claim, allowed), data.layer.flip
    # By their places in the catalogue.
    found: dict[tuple[int, ...], _Way] = {(PLACES[way.mistakes[0].id],): way for way in searched.singles()}
    data.tries.left = tries
    for way in searched.pairs() if not found and np.count_nonzero(claim) >= FEWEST_NUMBERS else ():
        pair = tuple(sorted(PLACES[mistake.id] for mistake in way.mistakes))
        found.setdefault(pair, way._replace(mistakes=tuple(CATALOGUE[place] for place in pair)))
        if len(found) > _MOST_PAIRS:
            break
    if not found:
        return Diagnosis()
    first, *others = (found[places] for places in sorted(found))
    (likeliest, *more), change, _ = first
    says = [mistake.words(result, flip)[0] for mistake in first.mistakes[:-1]]
    fixes = "; and ".join(mistake.words(result, flip)[1] for mistake in first.mistakes)
    told = _as_sentence(f"{', and '.join([*says, _said(first, result, flip)])}.")
    fix = f"To fix it: {fixes}."
    if others and not more:
        fix += f" Or: {'; or '.join(_said(other, result, flip) for other in others)}."
    # The lines are those of a backward pass without flip.
    coded = change.coded and not more and result is not Tensor.O and not flip
    also = tuple("+".join(mistake.id for mistake in other.mistakes) for other in others)
    together = tuple(mistake.id for mistake in more)
    return Diagnosis(likeliest.id, also, told, fix, together, likeliest.code if coded else None, change.recipe)


def _said(way: _Way, result: Tensor, flip: bool) -> str:
    detail = way.change.detail
    return f"{way.mistakes[-1].words(result, flip)[0]}{f' ({detail})' if detail else ''}"


def _as_sentence(words: str) -> str:
    """`words` with a capital first letter, unless they begin with a name such as dE/dO, W or np.rot90."""
    first = words.split()[0]
    is_name = not first.isalpha() or (first.startswith("d") and first[1:2].isupper())
    return words if is_name else words[0].upper() + words[1:]


def truncated(claim: Array, right: Array, rounding: Array) -> Diagnosis | None:
    """The diagnosis of whole numbers that are decimals cut towards 0; None where a claim is something else."""
    if claim.shape != right.shape or right.dtype.kind == "i" or (claim != np.trunc(claim)).any() or not claim.any():
        return None
    off = (np.abs(claim - right) < 1 + rounding) & (np.abs(claim) <= np.abs(right) + rounding)
    if off.all():
        fix = "To fix it: make the array of floats, np.zeros(x.shape, float)."
        return Diagnosis("truncated", (), "Every element is cut to a whole number.", fix)
    return None


# Factors.


def named_factors(layer: Layer) -> dict[float, list[str]]:
    """Factors that people forget or put in too often, by value; all the names that a value has, the likeliest first."""
    positions, taps, plane = prod(layer.out), prod(layer.kernel), layer.dims == 2
    counts = [
        (layer.batch, "N"),
        (positions, "H'·W'" if plane else "positions of O"),
        (layer.batch * positions if layer.batch > 1 else 1, "N·H'·W'" if plane else "N · positions of O"),
        (layer.filters, "F"),
        (layer.channels, "C"),
        (taps, "kh·kw" if plane else "size of the kernel"),
        (prod(a.stride for a in layer.axes), "product of the strides"),
    ]
    factors: dict[float, list[str]] = {}
    for count, word in counts:
        # Counts of 1 are skipped.
        if count > 1:
            factors.setdefault(1 / count, []).append(f"1/({word})" if "·" in word or " " in word else f"1/{word}")
            factors.setdefault(float(count), []).append(word)
    return {0.5: [], 2.0: []} | factors


def told_factor(factor: float, names: Sequence[str] = ()) -> str:
    """`by 0.5 = 1/N`."""
    return f"by {' = '.join([f'{factor:.6g}', *names])}"


def _closest_factor(claim: Array, array: Array) -> float:
    """The factor of an array, not all 0, that comes closest to a claim: least squares; infinity beyond float64."""
    (claimed, one), (fractioned, other) = fractions(claim), fractions(array)
    with np.errstate(over="ignore"):
        return float(np.ldexp((claimed * fractioned).sum() / np.square(fractioned).sum(), one - other))


# What is said of a result that no known mistake gives.


def relations_of(
    data: Data, result: Tensor, claim: Array, allowed: Allowed, tries: float = TRIES
) -> list[Relation] | None:
    """The relations between positions that a claim follows, as far as the tries last; arguments as for `diagnose`."""
    if result is Tensor.DB or np.count_nonzero(claim) <= FEWEST_NUMBERS:
        return None
    data.tries.left = tries
    return _Claim(data, result, claim, allowed).relations()


def _other_relations(layer: Layer) -> Iterator[list[Relation]]:
    """Relations other than the right ones: changed in the same way on all axes, or on one."""
    right = [axis.relation for axis in layer.axes]
    seen = {tuple(right)}
    dilations = [sign * number for sign in (1, -1) for number in range(1, _MOST_DILATION + 1)]
    shifts = sorted(range(-_FURTHEST, _FURTHEST + 1), key=abs)
    steps = product(shifts, range(1, _MOST_STRIDE + 1), dilations, (True, False), some_axes(layer.dims))
    for shift, stride, dilation, begun, axes in steps:
        others = list(right)
        for number in axes:
            axis, own = layer.axes[number], right[number]
            # On an axis with one position the factor cannot be determined.
            s, d = stride if axis.out > 1 else own.output, dilation if axis.kernel > 1 else own.filter
            # Windows that begin so many positions from the right place; or the first element lies so far from it.
            first = -axis.before - min(0, d * (axis.kernel - 1)) if begun else own.constant
            others[number] = Relation(s, d, first + shift)
        if tuple(others) not in seen:
            seen.add(tuple(others))
            yield others


def alike(claim: Array, wrong: Array) -> str:
    """What all wrong elements are, where they are one number, or one number with either sign; empty else."""
    found = claim[wrong]
    if found.size < _ALIKE or (np.abs(found) != np.abs(found[0])).any():
        return ""
    number = found[0].item()
    one = f"{number:g}" if (found == number).all() else f"{abs(number):g} or {-abs(number):g}"
    return f"Every wrong element is {one}"


def set_of(data: Data, result: Tensor, claim: Array, wrong: Array, allowed: Array) -> str:
    """Which filter, sample, row or element is missing, or counts twice, in all wrong elements; empty where none is.

    Args:
        data: the layer and its numbers.
        result: the result that is claimed.
        claim: the claim, in the user's layout.
        wrong: True where an element of the claim is wrong.
        allowed: how far each element may be off.
    """
    if wrong.sum() < _ALIKE:
        return ""
    recipe = right_recipe(data.layer, result)
    right, off, claimed = made(recipe, data)[wrong], allowed[wrong], claim[wrong]
    places = np.flatnonzero(wrong)
    step = 1 + places.size // _PROBES
    for change in _named("incomplete").changed(recipe):
        if not change.detail.endswith("is missing"):
            continue
        few = probed(change.recipe, data, claim.shape, places[::step])
        if few is not None and not any(_meets(claimed, right, few, off, twice, step) for twice in (False, True)):
            continue
        less = made(change.recipe, data)
        if less.shape != claim.shape or (less[wrong] == right).any():
            continue
        for twice, happens in ((False, "is missing"), (True, "counts twice")):
            if _meets(claimed, right, less[wrong], off, twice):
                return f"In every wrong element {change.detail.replace('is missing', happens)}"
    return ""


def _meets(claimed: Array, right: Array, less: Array, off: Array, twice: bool, step: int = 1) -> bool:
    """Whether elements of a claim are the right ones without a part, or with that part twice."""
    claimed, right, off = claimed[::step], right[::step], off[::step]
    if less.shape != right.shape:
        return False
    return bool((np.abs(claimed - (2 * right - less if twice else less)) <= off).all())


# Mistakes that don't show.


def hidden_mistakes(data: Data, results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that can't be seen in this layer and data: they give the right result, or none."""
    claims = []
    for result in results:
        right = made(right_recipe(data.layer, result), data)
        rounding = 0 if right.dtype.kind == "i" else _ROUNDING * float(np.abs(right).max(initial=0.0))
        claims.append(_Claim(data, result, right, partial(_within, rounding)))
    return tuple(
        mistake.id
        for mistake in CATALOGUE
        if any(result in mistake.results for result in results) and not any(_shows(mistake, claim) for claim in claims)
    )


def _within(off: float, claim: Array, _: Array, __: Array | None = None) -> Array:
    return np.full(claim.shape, off)


def _shows(mistake: Mistake, claim: _Claim) -> bool:
    """Whether a mistake changes a right result. If it keeps the shape, only numbers can reveal it."""
    others = alike = False
    for recipe, *_ in mistake.changed(claim.right):
        if not recipe.may_give(claim.array.shape):
            others = True
        elif recipe.bare or claim.factor_of(recipe) is None:
            return True
        else:
            alike = True
    return others and not alike


def hidden_by(layer: Layer, arrays: Mapping[Tensor, Array], results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that these numbers of a layer can't show.

    Args:
        layer: the layer.
        arrays: X, W, dE/dO and, where the layer has one, b, with their axes in cnngrad's order.
        results: the results in which the mistakes would show.
    """
    data = Data.of(layer, arrays)
    right = (right_recipe(layer, result) for result in results)
    return hidden_mistakes(replace(data, known=tuple((recipe, computed(recipe, data)) for recipe in right)), results)


def hidden_words(layer: Layer, ids: Iterable[str]) -> str:
    """The mistakes of some ids that people make in such a layer, in one phrase; empty where there are none.

    >>> from cnngrad.layer import make_layer
    >>> hidden_words(make_layer((3, 3), (2, 2)), ["stride-ignored", "stride-gap-wrong", "groups-mixed", "scaled"])
    'a factor; a wrong stride'
    """
    wanted = set(ids)
    found = dict.fromkeys(each.short for each in CATALOGUE if each.id in wanted and each.is_made_in(layer))
    return "; ".join(found)
