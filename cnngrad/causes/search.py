"""The only search for the cause of a wrong result: one mistake, one with a factor, two, or a wrong relation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import product, takewhile
from math import prod
from operator import itemgetter
from typing import Any

import numpy as np

from cnngrad.arrays import Array, may_overflow, rms
from cnngrad.causes.axes import spelled
from cnngrad.causes.catalogue import (
    CATALOGUE,
    Mistake,
    added,
    missing_parts,
    negative,
    old_contents,
    products_rounded,
    scaled,
    some_axes,
    told,
    weight_decay,
)
from cnngrad.causes.evaluate import Data, made, probed, spread_places
from cnngrad.causes.recipe import Recipe, as_user, right_recipe
from cnngrad.causes.relation import Relations, read_relations
from cnngrad.layer import Layer, Relation
from cnngrad.layer.names import Names
from cnngrad.tensor import DB, B, O, Tensor

__all__ = [
    "OF_ONE_NUMBER", "TRIES", "Diagnosis", "Search", "hidden_mistakes", "hidden_words", "named_factors", "truncated",
]  # fmt: skip

# Budget of tries to find the mistake in one array, and again to find the relation that it follows.
TRIES = 2700
# One number fits too many mistakes: only these are named for it.
OF_ONE_NUMBER = ("zero", "sign-flipped", "scaled")
# Minimum number of nonzero elements: fewer fit some factor, or some pair of mistakes, by chance.
_FEWEST_NUMBERS = 4
# The search ends once it has found more pairs of mistakes than this; at most one more is reported.
_MOST_PAIRS = 3
# Compare 512 elements first.
_FIRST = 512
# Four equal errors are no coincidence. Eight wrong elements are compared first.
_ALIKE, _PROBES = 4, 8
# Bounds of the relations tried: the factors of i and u, and the shift of the windows in positions.
_MOST_STRIDE, _MOST_DILATION, _FURTHEST = 4, 3, 3
# The recipes that give a claim, by the mistakes that are made together in each.
Found = dict[tuple[Mistake, ...], Recipe]
# The mistakes that a factor of 1 or -1 stands for; any other factor is the mistake `scaled`.
_OF_SIGN: dict[float, tuple[Mistake, ...]] = {1.0: (), -1.0: (negative,)}
# The allowed error of each element, from a claim, the factor by which its sums are multiplied, and what it should be.
Allowed = Callable[..., Array]
# Rounding of decimals that should be equal, relative to the largest.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Attributes:
        found: the recipes that reproduce it, by the ids of the mistakes that are made together in each, the likeliest
            first; None for a mistake without a recipe.
        says: what the mistake is, or where the wrong elements are.
        fix: how to fix it, and which other mistakes it may be; empty if no mistake is known.
        code: a line of NumPy with this mistake, and the right line; None if there are no such lines.
    """

    found: Mapping[tuple[str, ...], Recipe | None] = field(default_factory=dict)
    says: str = ""
    fix: str = ""
    code: tuple[str, ...] | None = None

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The ids of the mistakes that were made, by the likeliest explanation; empty if none is known."""
        return next(iter(self.found), ())

    @property
    def mistake(self) -> str | None:
        """The first of them; None if none is known."""
        return next(iter(self.mistakes), None)

    @property
    def together(self) -> tuple[str, ...]:
        """The others, if only several mistakes together explain the gradient."""
        return self.mistakes[1:]

    @property
    def also(self) -> tuple[str, ...]:
        """The ids of the mistakes in the other explanations, with a plus between those that are made together."""
        return tuple("+".join(names) for names in [*self.found][1:])

    @property
    def recipe(self) -> Recipe | None:
        """The recipe of the wrong gradient; None if no mistake is known."""
        return next(iter(self.found.values()), None)

    @property
    def hint(self) -> str:
        """What is wrong and how to fix it, in sentences."""
        return " ".join(filter(None, (self.says, self.fix)))


class Search:
    """The search for what explains a claimed result, which is compared with the results of recipes.

    Attributes:
        array: the claim, in the user's layout.
        right: the recipe of the right result.
        wanted: the right result, in the user's shape.
        alone: the single mistakes that give the claim.
        together: the combinations of mistakes that give the claim.
        nearly: the mistakes that give all elements of the claim but one.
    """

    def __init__(self, data: Data, user: Tensor, claim: Array, allowed: Allowed) -> None:
        """Compute the right result and its absolute terms once.

        Args:
            data: the layer and its numbers.
            user: O, dE/dW, dE/dX or dE/db of the user's layer.
            claim: the claimed result, in the user's layout.
            allowed: the allowed error of each element.
        """
        self.array, self._allowed, self._user, self._own = claim, allowed, user, data.layer.own
        self.right = right_recipe(self._own, user)
        # The elements that are compared, and the flat indices of those that are compared first.
        self._some: Any = slice(None)
        self._places = spread_places(claim.size)
        self.data = data.knowing(self.right)
        self.wanted = made(self.right, self.data)
        # Factors that people apply by mistake, in words; a wrong sign has a name of its own.
        self.factors = {1.0: "", -1.0: ""} | {f: told_factor(f, n) for f, n in named_factors(data.layer).items()}
        self.alone, self.together, self.nearly = Found(), Found(), Found()
        # An upper bound of the allowed error of any element, whatever the recipe.
        top = np.full(1, np.abs(claim).max(initial=0))
        self._bounds = {factor: np.max(allowed(top, factor)) for factor in self.factors}

    def fit(self, recipe: Recipe, factors: Iterable[float] = (1.0,), spare: int = 0) -> tuple[int, float] | None:
        """In how many elements the claim differs from a recipe's result times a factor, and the factor that fits best.

        Args:
            recipe: the recipe.
            factors: the factors to try, out of `self.factors`.
            spare: how many elements of a larger array may differ; None is returned if more do.
        """
        claim, flat = self.array, self.array.reshape(-1)
        if not recipe.may_give(claim.shape) and claim.size > 1:
            return None
        # One element rules out most recipes.
        for some in (self._places[:1], self._places[1:]) if claim.size > 1 else ():
            few = probed(recipe, self.data, claim.shape, some)
            if few is None:
                break
            factors = self._fitting(flat[some], few, factors, spare)
            if not factors:
                return None
        array = made(recipe, self.data)
        if array.shape != claim.shape and not array.size == claim.size == 1:
            return None
        off = self._fitting(flat[self._some], array.reshape(-1)[self._some], factors, spare)
        return min(((off[factor], factor) for factor in off), key=itemgetter(0), default=None)

    def _fitting(self, claim: Array, array: Array, factors: Iterable[float], spare: int) -> dict[float, int]:
        """The factors with which an array gives the claim, and how many elements differ."""
        most, some = min(spare, (claim.size + 2) // _PROBES), slice(None, None, 1 + claim.size // _FIRST)
        with may_overflow():
            # A few elements rule out most arrays.
            off = np.abs(claim[some] - np.multiply.outer([*factors], array[some].astype(np.float64))).T
            wrong = (~(off <= [self._bounds[factor] for factor in factors])).sum(axis=0)
            likely = [factor for factor, count in zip(factors, wrong, strict=True) if count <= most]
            found = {}
            for factor in likely:
                made = array if factor == 1 else factor * array.astype(np.float64)
                right = np.abs(claim - made) <= self._allowed(claim, factor, made)
                if (count := int((~right).sum())) <= most:
                    found[factor] = count
        return found

    def look(self, recipe: Recipe, mistakes: Iterable[Mistake], *first: Mistake, spare: int = 0) -> None:
        """Find which of some mistakes make a recipe give the claim, and keep the first way of each.

        After a first mistake the match must be exact. Otherwise it may be up to a factor, or up to `spare` elements.
        """
        for mistake in mistakes:
            for changed in mistake.changed(recipe):
                if self.data.tries.left < 0 or (first and len(self.together) > _MOST_PAIRS):
                    return
                # A factor times another would be the right result with a wider bound.
                is_exact = first or self.alone or mistake is scaled
                fits = self.fit(changed) if is_exact else self.fit(changed, self.factors, spare)
                if fits is None or (fits[0] and fits[1] != 1):
                    continue
                off, factor = fits
                words = ", ".join(filter(None, (changed.detail, self.factors[factor])))
                way = changed.but(words, changed.coded, factor=factor * changed.factor)
                found = self._keep_way(way, off, *first, mistake, *_OF_SIGN.get(factor, (scaled,)))
                # Another way may need no factor.
                if found is self.alone or first:
                    break

    def _keep_way(self, way: Recipe, off: int, *mistakes: Mistake) -> Found:
        """Keep the first way in which some mistakes give the claim up to `off` elements; returns where it is kept."""
        found = self.nearly if off else self.together if mistakes[1:] else self.alone
        found.setdefault(tuple(sorted(mistakes)), way)
        return found

    def scale(self) -> None:
        """Find the factor by which the claim differs from the right result, in all elements or in all but one."""
        right = self.wanted
        if self.array.shape != right.shape or not right.any() or not self.array.any():
            return
        off, factor = self.fit(self.right, [f for f in self.factors if abs(f) != 1], spare=1) or (0, 0.0)
        if not factor:
            # Rounding matters least in the largest element.
            largest = np.abs(right).argmax()
            with may_overflow():
                factor = float(self.array.flat[largest] / right.flat[largest])
            if not np.isfinite(factor) or np.count_nonzero(self.array) < _FEWEST_NUMBERS:
                return
            # A factor close to 1 is rounding.
            allowed = 4 * self._allowed(self.array, factor)
            is_one = abs(abs(factor) - 1) * rms(right) <= rms(allowed)
            if is_one or (np.abs(self.array - factor * right.astype(np.float64)) > allowed).any():
                return
        # With a batch, 1/N is the usual wrong factor.
        words, coded = self.factors.get(factor) or told_factor(factor, ()), factor == 1 / self.data.layer.batch
        self._keep_way(self.right.but(words, coded, factor=factor), off, scaled)

    def add(self, spare: int) -> None:
        """Find a multiple of X or W, or a number, that is added to the right result or to a multiple of it."""
        result, right = self.right.result, self.wanted
        if self.array.shape != right.shape:
            return
        least = rms(self._allowed(self.array)) + _ROUNDING * rms(self.array)
        for tensor in (*[result.array] * (result in weight_decay.results), None):
            own = as_user(self.right, self.data.arrays[tensor]) if tensor else np.ones_like(right)
            both = np.stack([right, own, self.array]).reshape(3, -1).astype(np.float64)
            scale, _ = np.linalg.lstsq(both[:2].T, both[2])[0]
            factors = [1.0, min(self.factors, key=lambda known: abs(known - scale))]
            # Fewer numbers fit some factor and some multiple by chance.
            for factor in dict.fromkeys(factors[: 1 + (np.count_nonzero(self.array) > _FEWEST_NUMBERS + 1)]):
                with may_overflow():
                    rates = (self.array - factor * right)[own != 0] / own[own != 0]
                    rate = float(np.median(rates)) if rates.size else 0.0
                    # Anything smaller is rounding.
                    is_more = min(abs(factor) * rms(right), abs(rate) * rms(own)) > least
                # The shortest number near the rate that gives the claim.
                for digits in range(1, 9) if is_more else ():
                    number = float(f"{rate:.{digits}g}")
                    words = ", ".join(filter(None, (self.factors[factor], added(self.right, number, tensor).detail)))
                    way = added(self.right, number / factor, tensor).but(words, factor=factor)
                    if fits := self.fit(way, spare=spare):
                        # With a factor of 1 or -1, the array was there before: old contents.
                        mistake = weight_decay if tensor and abs(number) != 1 else old_contents
                        self._keep_way(way, fits[0], mistake, *_OF_SIGN.get(factor, (scaled,)))
                        break

    def besides(self) -> Found:
        """The mistakes that give all elements of the claim but one, which their words name."""
        found, right = Found(), self.wanted
        # In another shape there is no right number beside each one.
        for mistakes, recipe in self.nearly.items() if self.array.shape == right.shape else ():
            array = made(recipe, self.data)
            off = np.abs(array - right) > self._allowed(right, recipe.factor, array)
            # With fewer differences, the mistake's result is hardly distinguishable from the right one.
            if off.sum() >= _ALIKE:
                index = np.unravel_index(np.abs(self.array - array).argmax(), right.shape)
                place = self._own.canonical_index(self._user, tuple(map(int, index)))
                name = Names(self._own).symbol(self._user, place).name
                found[mistakes] = recipe.but(f"{recipe.detail}, but for {name}".removeprefix(", "))
        return found

    def search(self, tries: float) -> Found:
        """All explanations of the claim: single mistakes; if there are none, also rare mistakes and pairs."""
        if self.fit(self.right):
            # A mistake that hardly changes the right result would explain it as well.
            return Found()
        usual, rare = ([m for m in CATALOGUE if bool(m.short) is short] for short in (True, False))
        if self.array.size == 1:
            usual = [mistake for mistake in usual if mistake.id in OF_ONE_NUMBER]
        self.scale()
        self.look(self.right, usual, spare=1)
        if self.alone:
            return self.alone
        self.data.tries.left = tries
        if np.count_nonzero(self.array) < _FEWEST_NUMBERS:
            # Two decimals tell how their products were rounded.
            if self.array.dtype.kind == "f" and np.count_nonzero(self.array) > 1:
                self.look(self.right, [products_rounded])
            return self.alone
        spare = int(not self.nearly)
        self.look(self.right, rare, spare=spare)
        if not self.alone:
            self.add(spare)
        for first in () if self.alone else usual:
            base = next((made for made in first.changed(self.right) if made.size == self.right.size), None)
            # The second mistake needs the original shape, and a result without edits.
            if first.joins and base is not None and base.size and not base.done.edits:
                after = copy(self)
                after.data = self.data.knowing(base)
                after.look(base, [m for m in usual if m is not first and m.id not in OF_ONE_NUMBER], first)
        return self.alone or dict([*self.together.items()][: _MOST_PAIRS + 1]) or self.besides()

    def diagnosis(self, tries: float) -> Diagnosis:
        """Name the mistakes that reproduce a wrong result: single ones, or else two together.

        Args:
            tries: the budget of the search for pairs of mistakes.
        """
        own, user = self._own, self._user
        found = self.search(tries)
        if not found:
            b = self.data.arrays.get(B)
            if user is not O or b is None or self.array.shape != own.shapes[O]:
                return Diagnosis()
            # The mistake may have been made before b was added.
            less = Data(self.data.layer, {t: array for t, array in self.data.arrays.items() if t is not B})
            added = b.reshape(-1, *(1,) * own.dims) if own.lead[O] else b.reshape(())
            return Search(less, user, self.array - added, self._allowed).diagnosis(self.data.tries.left)

        def said(mistakes: tuple[Mistake, ...]) -> str:
            says = ", and ".join(mistake.words(user, own)[0] for mistake in mistakes)
            detail = told(own, user, found[mistakes].detail)
            return f"{says} ({detail})" if detail else says

        explained = sorted(found)
        first, *others = explained
        likeliest, *more = first
        fix = f"To fix it: {'; and '.join(mistake.words(user, own)[1] for mistake in first)}."
        if others and not more:
            fix += f" Or: {'; or '.join(map(said, others))}."
        # The lines of code belong to the backward pass of a convolution without flip, or to O of a transposed layer.
        is_theirs = likeliest.needs == "transposed" if own.transposed else user is not O
        coded = found[first].coded and not more and not own.flip and is_theirs
        return Diagnosis(
            {tuple(mistake.id for mistake in mistakes): found[mistakes] for mistakes in explained},
            _as_sentence(f"{said(first)}."),
            fix,
            spelled(likeliest.code, self.data.layer, self.right.result) if coded else None,
        )

    def unread(self, wrong: Array) -> Diagnosis | None:
        """The diagnosis if no window reads any of the wrong elements; otherwise None."""
        ones = Data(self.data.layer, {tensor: np.ones_like(array) for tensor, array in self.data.arrays.items()})
        if made(self.right, ones)[wrong].any():
            return None
        says = "Every wrong element is one that no window reads: it must be 0."
        return Diagnosis({(old_contents.id,): None}, says, f"To fix it: {old_contents.fix}.")

    def shared(self, wrong: Array) -> str:
        """In words, what all wrong elements share: a number, or a part that they lack or count twice; may be empty."""
        found = self.array[wrong]
        if found.size < _ALIKE:
            return ""
        if (np.abs(found) == np.abs(found[0])).all():
            number = found[0].item()
            return f"Every wrong element is {number:g}" + (f" or {-number:g}" if (found != number).any() else "")
        some, places, right = copy(self), np.flatnonzero(wrong), self.wanted
        some._some, some._places = places, places[spread_places(places.size)]
        for part in missing_parts(self.right):
            # What counts a part twice is as far from what lacks it as the right result, on the other side.
            for words, some.array in (("is missing", self.array), ("counts twice", 2 * right - self.array)):
                if some.fit(part):
                    return f"In every wrong element {told(self._own, self._user, part.detail)} {words}"
        return ""

    def relations(self, recipe: Recipe | None, tries: float) -> Relations:
        """The relations that the claim follows; empty if none are found.

        Args:
            recipe: the recipe that gives the claim; None to try other relations.
            tries: the budget for them.
        """
        is_chance = recipe is None and np.count_nonzero(self.array) <= _FEWEST_NUMBERS
        if is_chance or self.right.result is DB:
            return ()
        self.data.tries.left = tries
        found = read_relations(recipe) if recipe is not None else _other_relations(self.data.layer)
        tried = takewhile(lambda _: self.data.tries.left >= 0, found)
        return next((each for each in tried if self.fit(self.right.by(each))), ())

    def shows(self, mistake: Mistake) -> bool:
        """Whether a mistake changes the claim, if that is right. If it keeps the shape, only numbers can reveal it."""
        others = alike = False
        for recipe in mistake.changed(self.right):
            if not recipe.may_give(self.array.shape):
                others = True
            elif self.fit(recipe) is None:
                return True
            else:
                alike = True
        return others and not alike


def _as_sentence(words: str) -> str:
    """`words` with a capital first letter, unless they begin with a name such as dE/dO, W or np.rot90."""
    first = words.split()[0]
    return words[0].upper() + words[1:] if first.isalpha() and first.islower() else words


def truncated(claim: Array, right: Array, rounding: Array) -> Diagnosis | None:
    """The diagnosis of decimals that were cut to whole numbers; None for any other claim."""
    if claim.shape != right.shape or right.dtype.kind == "i" or (claim != np.trunc(claim)).any() or not claim.any():
        return None
    off = (np.abs(claim - right) < 1 + rounding) & (np.abs(claim) <= np.abs(right) + rounding)
    if off.all():
        fix = "To fix it: create an array of floats, np.zeros(x.shape, float)."
        return Diagnosis({("truncated",): None}, "Every element is cut to a whole number.", fix)
    return None


# Factors.


def named_factors(layer: Layer) -> dict[float, list[str]]:
    """Factors that people often forget or apply twice, by value, each with its names, the likeliest first."""
    positions, plane = prod(layer.out), layer.dims == 2
    layer = layer.own
    counts = {
        "N": layer.batch,
        "H'·W'" if plane else "positions of O": positions,
        "N·H'·W'" if plane else "N · positions of O": layer.batch * positions if layer.batch > 1 else 1,
        "F": layer.filters,
        "C": layer.channels,
        "kh·kw" if plane else "size of the kernel": prod(layer.kernel),
        "product of the strides": prod(axis.stride for axis in layer.axes),
    }
    factors: dict[float, list[str]] = {0.5: [], 2.0: []}
    for word, count in counts.items():
        if count > 1:
            factors.setdefault(1 / count, []).append(f"1/{word}" if word.isalpha() else f"1/({word})")
            factors.setdefault(float(count), []).append(word)
    return factors


def told_factor(factor: float, names: Sequence[str]) -> str:
    """A factor in words, with enough digits to tell it from 1: `by 0.5 = 1/N`, `by 0.99999999`."""
    digits = next(digits for digits in range(6, 18) if float(f"{abs(factor):.{digits}g}") != 1)
    return f"by {' = '.join([f'{factor:.{digits}g}', *names])}"


def _other_relations(layer: Layer) -> list[Relations]:
    """Wrong relations: changed in the same way on all axes, or on one axis."""
    right = [axis.relation for axis in layer.axes]
    found = dict.fromkeys([tuple(right)])
    dilations = [sign * number for sign in (1, -1) for number in range(1, _MOST_DILATION + 1)]
    shifts = sorted(range(-_FURTHEST, _FURTHEST + 1), key=abs)
    steps = product(shifts, range(1, _MOST_STRIDE + 1), dilations, (True, False), some_axes(layer.dims))
    for shift, stride, dilation, begun, axes in steps:
        others = list(right)
        for number in np.flatnonzero(axes):
            axis, own = layer.axes[number], right[number]
            # On an axis with one position the factor cannot be determined.
            s = stride if axis.out > 1 else own.output
            d = dilation if axis.kernel > 1 else own.filter
            # Shift the beginning of the windows, or their first elements: they differ if d is negative.
            first = -axis.before - min(0, d * (axis.kernel - 1)) if begun else own.constant
            others[number] = Relation(s, d, first + shift)
        found[tuple(others)] = None
    return [*found][1:]


# Mistakes that don't show.


@may_overflow()
def hidden_mistakes(data: Data, results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that can be made in some results but change none of them, with these numbers."""
    claims = []
    for result in results:
        right = made(right_recipe(data.layer.own, result), data)
        rounding = _ROUNDING * np.abs(right).max(initial=0)
        claims.append(Search(data, result, right, lambda *_, off=rounding: off))
    computed = {claim.right.result for claim in claims}
    made_here = [each for each in CATALOGUE if each.short and computed & {*each.results} and each.suits(data.layer)]
    return tuple(mistake.id for mistake in made_here if not any(claim.shows(mistake) for claim in claims))


def hidden_words(ids: Iterable[str]) -> str:
    """A phrase that lists the given mistakes; may be empty.

    >>> hidden_words(["stride-ignored", "stride-gap-wrong", "scaled"])
    'a factor; a wrong stride'
    """
    wanted = set(ids)
    return "; ".join(dict.fromkeys(each.short for each in CATALOGUE if each.id in wanted))
