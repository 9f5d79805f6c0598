"""How far a claim may be from the right numbers: by the rounding of its sums, and by the form that it is written in.

The claim's dtype gives the form, or the user names it, or the numbers of a text show it. Numbers that the form holds
exactly must be exact, such as sums of integers below 2^24 in float32. All other sums are judged as if computed in
float32, unless the user asks for float64.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from cnngrad.arrays import Array, Marked, form_of, may_overflow
from cnngrad.errors import CnngradError
from cnngrad.layer import counted

__all__ = [
    "HALVES",
    "SHORT",
    "Form",
    "Tolerance",
    "as_meant",
    "eps",
    "form_shown",
    "form_stated",
    "parse_form",
]

# Significant bits of each format, and the exponent of its smallest step.
_BITS = {"float64": 53, "float32": 24, "float16": 11, "tf32": 11, "bfloat16": 8}
_SMALLEST = {"float64": -1074, "float32": -149, "tf32": -136, "float16": -24, "bfloat16": -133}
HALVES = ("float16", "bfloat16")
SHORT = ("tf32", *HALVES)
# A form is evident if its probability by chance is below one in a thousand; decimal logarithm.
_EVIDENT = math.log10(1e-3)
# Number of values examined for evidence of a form, which is then verified on all values.
_MOST_LOOKED_AT = 2000
# Rounding that transforms spread over all elements, in units of eps times the largest sum of absolute terms.
_SHARED = 8
# The same if errors are known to be those of a transform; Winograd's with tiles of 6x6 has up to 20.
_SHARED_BY_TRANSFORMS = 64
# The same for sums that can be exact, in units of eps times the largest number.
_SHARED_OF_EXACT = 4


@dataclass(frozen=True)
class Form:
    """What each number of a claim is rounded to.

    Attributes:
        format: the numbers' format: `float64`, `float32`, `tf32`, `float16` or `bfloat16`.
        units: as far as they are evident, the numbers of significant `digits` and of decimal `places` that are written
            (-1 for multiples of 10); or `fixed`, which is K for fixed-point numbers in steps of 2^-K.
        asked: whether the user named it.
    """

    format: str = "float32"
    units: dict[str, int] = field(default_factory=dict)
    asked: bool = False

    def __str__(self) -> str:
        """In a phrase: `3 significant digits`, `bfloat16 values`."""
        words = {"digits": "significant digit", "places": "decimal place"}
        phrases = [counted(n, words[part]) if part in words else f"steps of 2^-{n}" for part, n in self.units.items()]
        if self.units.get("places", 0) < 0:
            phrases[-1] = f"multiples of {10 ** -self.units['places']}"
        if self.format in SHORT or not phrases:
            phrases.insert(0, f"{self.format} values")
        return " and ".join(phrases)

    @property
    def name(self) -> str:
        """The text that `parse_form` reads as this form."""
        return next((f"{part}:{n}" for part, n in self.units.items() if self.format not in SHORT), self.format)

    @property
    def is_rounded(self) -> bool:
        """Whether it is coarser than the format of the sums."""
        return self.format in SHORT or bool(self.units)

    @property
    def base(self) -> str:
        """The format of the sums: float64 or float32."""
        return "float64" if self.format == "float64" else "float32"

    def step(self, values: Array) -> Array:
        """The distance between neighbouring numbers of this form, around these numbers."""
        steps: Array = np.maximum(_step(values, self.format), self._unit(values))
        return steps

    def rounding(self, values: Array) -> Array:
        """How far rounding to this form may have moved each of these numbers."""
        values = values.astype(np.float64, copy=False)
        # Slightly more than a half, since ties go either way; fixed-point numbers may also be truncated.
        off: Array = (1.0 if "fixed" in self.units else 0.5) * self._unit(values) * (1 + 1e-9)
        return off + 0.5 * _step(values, self.format) if self.format in SHORT else off

    def shift(self, right: Array) -> Array:
        """How far rounding to this form may move these numbers: 0 for those that it holds."""
        values = right.astype(np.float64, copy=False)
        step = _step(values, self.format)
        nearest = _nearest(values, step)
        unit = self._unit(nearest)
        # Rounding to the format once more changes nothing.
        moved = np.abs(_nearest(nearest, np.where(unit > 0, unit, step)) - values)
        return np.where(moved > 0, unit, 0.0) if "fixed" in self.units else moved

    def holds(self, values: Array, source: str) -> Array:
        """Whether these numbers of `source` may be of this form: of its format, or rounded from it to the unit."""
        step, unit, off = _step(values, self.format), self._unit(values), self.moved(values)
        written = np.abs(_nearest(values, np.where(unit > 0, unit, step)) - values)
        held: Array = np.minimum(off, np.maximum(off - 0.5 * unit, written)) <= 2 * _step(values, source)
        return held

    def moved(self, values: Array) -> Array:
        """How far these numbers are from those of the format."""
        off: Array = np.abs(_nearest(values, _step(values, self.format)) - values)
        return off

    def _unit(self, values: Array) -> Array:
        """The unit of the last written digit of these numbers; 0 if unknown."""
        units = self.units
        fixed = 2.0 ** -units["fixed"] if "fixed" in units else 0.0
        unit: Array = np.full(values.shape, 10.0 ** -units["places"] if "places" in units else fixed)
        if "digits" in units:
            first = np.floor(np.log10(np.where(values == 0, 1, np.abs(values))) + 1e-12)
            unit = np.maximum(unit, np.where(values == 0, 0, 10.0 ** (first - units["digits"] + 1)))
        return unit


def parse_form(text: str) -> Form:
    """What `--as` and `written=` take: float64, float32, tf32, float16, bfloat16, digits:N, places:N or fixed:K.

    Raises:
        CnngradError: the text is none of these.

    >>> parse_form("digits:3")
    Form(format='float32', units={'digits': 3}, asked=True)
    """
    text = str(text)
    match = re.fullmatch(r"(digits|places|fixed):((?<=places:)-\d{1,2}|\d{1,3})", text)
    if match and text != "digits:0":
        return Form(units={match[1]: int(match[2])}, asked=True)
    if text in _BITS:
        return Form(text, asked=True)
    raise CnngradError(
        f"as is {text[:40]!r}: write float64, float32, tf32, float16, bfloat16, digits:N, places:N or fixed:K"
    )


def form_stated(claim: Array) -> Form | None:
    """The form that a claim's dtype states; None for text, which has none."""
    stated = form_of(claim)
    if stated == "float64" and not _all_single(claim):
        return Form("float64")
    return None if stated == "text" else Form(stated if stated in HALVES else "float32")


def form_shown(claims: Sequence[Array], whole: bool = False) -> Form:
    """The form that the numbers of some claims evidently have.

    Args:
        claims: the claims.
        whole: whether the right numbers are integers, so that whole numbers are no evidence.

    >>> str(form_shown([np.array([1.23, 4.56, 78.9, 0.123, 5.67])]))
    '3 significant digits and 3 decimal places'
    """
    arrays = [claim[np.isfinite(claim)] for claim in claims if claim.dtype.kind == "f" or not whole]
    values = np.concatenate([np.empty(0), *arrays])
    values = values[values != 0]
    if not values.size:
        return Form()
    some = np.unique(values[:: max(1, values.size // _MOST_LOOKED_AT)])
    source = "float32" if _all_single(values) else "float64"
    written = [Decimal(text).normalize().as_tuple() for text in some.astype(source).astype(str).tolist()]
    most = {"digits": max(len(each.digits) for each in written), "places": max(-int(each.exponent) for each in written)}
    shown = Form(source)
    grain = np.maximum(shown.step(some), 1.0 if whole else 0.0)

    def is_evident(form: Form) -> bool:
        """Whether all numbers have a form, which multiples of the grain would hardly have by chance."""
        with may_overflow():
            chances = np.minimum(1.0, grain / form.step(some))
        return float(np.log10(chances).sum()) < _EVIDENT and bool(form.holds(values, source).all())

    units = {part: n for part, n in most.items() if is_evident(replace(shown, units={part: n}))}
    digits = max(claim.digits if isinstance(claim, Marked) else 0 for claim in claims)
    shown = replace(shown, units={"digits": digits} | units if digits else units)
    grain = np.maximum(grain, shown.step(some))
    for half in (replace(shown, format=format_) for format_ in reversed(HALVES)):
        if is_evident(half):
            return half
    # float32 numbers may be written with as many digits.
    float32 = replace(shown, format="float32")
    return float32 if float32.holds(values, source).all() else shown


@dataclass(frozen=True, eq=False)
class Tolerance:
    """How far the elements of one claim may be off.

    Attributes:
        form: what the claim's numbers are rounded to.
        terms: the maximum number of terms of an element.
        whole: whether X, W, b and dE/dO hold only integers, so that sums are exact in a format that is long enough.
        exact: whether the claim holds only integers as well, and so must be exactly right.
        peak: the largest of the right numbers and of the claim.
        asked: the fraction of the sum of absolute terms that replaces all other tolerances; None for the default.
        inputs: how far each element may be off because a short format rounds the problem's own numbers.
        largest: the largest sum of absolute terms of the right numbers.
        transforms: whether the errors are known to be those of a transform, in which no sum is exact.
    """

    form: Form
    terms: int
    whole: bool
    exact: bool
    peak: float
    asked: float | None
    inputs: Array
    largest: float
    transforms: bool = False

    @property
    def computed(self) -> str:
        """The least precise format in which the sums may be computed."""
        return self.form.base if self.form.asked else "float32"

    @property
    def _of_exact(self) -> float:
        """The rounding of a sum that can be exact, as a fraction of the largest number."""
        return _SHARED_OF_EXACT * eps(self.form.base)

    def allowed(self, claim: Array, magnitude: Array, right: Array | None = None) -> Array:
        """The total tolerance of each element of a claim.

        Args:
            claim: the claim.
            magnitude: the sums of absolute terms.
            right: the right numbers; without them, numbers that the form holds exactly are treated like all others.
        """
        off = self.sums(magnitude)
        if self.asked is not None:
            return off
        # In another shape, every element gets the largest tolerance.
        off = off + (self.inputs.reshape(claim.shape) if self.inputs.size == claim.size else self.inputs.max())
        if not self.form.is_rounded:
            return off
        # Rounding moves a number by half a step at most. If it moves the right number less, a sum that is slightly off
        # is rounded to the same number, or to the next one if a tie lies between the two.
        total: Array = off + self.form.rounding(claim)
        return total if right is None else np.minimum(total, self.form.shift(right) + 2 * off)

    def sums(self, magnitude: Array) -> Array:
        """The rounding of the sums alone, by the sums of absolute terms."""
        if self.asked is not None:
            return self.asked * magnitude
        off = self.rounding(self.computed, magnitude)
        return self.but_exact(off, magnitude, self.computed, self._of_exact * self.peak)

    def rounding(self, format_: str, magnitude: Array) -> Array:
        """The rounding of sums computed in a format, even if they can be exact in it."""
        top = max(self.largest, float(magnitude.max(initial=0.0)))
        shared = (_SHARED_BY_TRANSFORMS if self.transforms else _SHARED) * eps(format_) * top
        off: Array = _spread(format_, self.terms) * magnitude + (shared + self.terms * 2.0**-1074)
        return off

    def but_exact(self, off: Array, magnitude: Array, format_: str, most: float = 0.0) -> Array:
        """Tolerances, limited to `most` for sums that are exact in a format."""
        return np.where(magnitude <= 2.0 ** _BITS[format_], np.minimum(off, most), off) if self.whole else off

    def __str__(self) -> str:
        """How it was chosen, in words."""
        if self.exact:
            return "0: integers are exact"
        if self.asked is not None:
            return f"{self.asked:g} of the sum of absolute terms, as asked for"
        fraction = _spread(self.computed, self.terms)
        found = f"{fraction:.1e} of the sum of absolute terms: rounding of {self.terms} terms in {self.computed}"
        if self.whole:
            exact = f"{self._of_exact:.1e} of the largest number, since sums of integers up to 2^{_BITS[self.computed]}"
            found = f"{exact} are exact in {self.computed}; beyond it {found}"
        return found + (f"; yours are {self.form}" if self.form.is_rounded else "")


def as_meant(values: Array) -> Array:
    """The numbers of a text as those of float16 whose shortest decimals they are.

    NumPy, Julia and others write no more digits of a number than tell it from its neighbours.

    >>> as_meant(np.array([178.2, 0.1, 0.123456])).tolist()
    [178.25, 0.0999755859375, 0.123456]
    """
    own = values.astype(np.float16)
    return np.where(own.astype(str).astype(np.float64) == values, own, values)


def eps(format_: str) -> float:
    """The distance from 1 to a format's next number."""
    return 2.0 ** (1 - _BITS[format_])


def _spread(format_: str, terms: int) -> float:
    """How far a sum of products may be off by rounding, as a fraction of the sum of absolute terms."""
    return eps(format_) * (8 + 2 * math.sqrt(terms))


def _nearest(values: Array, steps: Array) -> Array:
    """The nearest multiples of some steps."""
    return np.rint(values / steps) * steps


def _step(values: Array, format_: str) -> Array:
    """The distance from one number of a format to the next, around these numbers."""
    smallest = _SMALLEST[format_]
    exponents = np.where(values == 0, smallest, np.frexp(values)[1] - _BITS[format_])
    steps: Array = np.ldexp(1.0, np.maximum(exponents, smallest))
    return steps


def _all_single(array: Array) -> bool:
    with may_overflow():
        return array.dtype.itemsize <= 4 or bool((array.astype(np.float32) == array).all())
