"""How far a claimed gradient may be from the right one: the rounding of its sums, and how its numbers are written.

Integers among integers are exact. Decimals are judged as computed in float32 at the finest. Beyond that a claim may be
off by what its own writing rounds away: decimal places, significant digits, or the steps of a 16-bit format, where the
numbers show it so clearly that chance would do so less than once in a thousand times.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, counted
from cnngrad.tensor import Tensor

__all__ = [
    "Tolerance",
    "Writing",
    "as_computed",
    "holds",
    "input_rounding",
    "parse_writing",
    "spread",
    "tolerance_of",
    "writing_of",
]

# Significant bits of each format, and the exponent of its smallest step.
_BITS = {"float64": 53, "float32": 24, "tf32": 11, "float16": 11, "bfloat16": 8}
_SMALLEST = {"float64": -1074, "float32": -149, "tf32": -136, "float16": -24, "bfloat16": -133}
# Evidence counts from here: the logarithm of a chance of one in a thousand.
_EVIDENT = math.log10(1e-3)
# Numbers that are looked at for evidence; what they show is then verified on all.
_MOST_LOOKED_AT = 2000
# The rounding of the array's largest sum that any element may share, in units of eps, as transforms have it.
_SHARED = 8


@dataclass(frozen=True)
class Writing:
    """How the numbers of a claim are written.

    Attributes:
        base: the format that they are computed in, as far as they show: `"float64"` or `"float32"`.
        digits: the significant digits that all are rounded to; None where that is not evident.
        places: the decimal places, likewise.
        form: `"bfloat16"`, `"float16"` or `"tf32"` for values of that format.
        fixed: K for fixed-point numbers, in steps of 2^-K.
        asked: whether the user has said so.
    """

    base: str = "float32"
    digits: int | None = None
    places: int | None = None
    form: str | None = None
    fixed: int | None = None
    asked: bool = False

    def __str__(self) -> str:
        """In a phrase: `3 significant digits`, `bfloat16 values`."""
        phrases = []
        if self.form is not None:
            phrases.append(f"{self.form} values")
        if self.digits is not None:
            phrases.append(counted(self.digits, "significant digit"))
        if self.places is not None:
            phrases.append(counted(self.places, "decimal place"))
        if self.fixed is not None:
            phrases.append(f"steps of 2^-{self.fixed}")
        return " and ".join(phrases) or f"{self.base} values"

    @property
    def is_rounded(self) -> bool:
        """Whether the writing rounds more than the format that the numbers are computed in."""
        return any(part is not None for part in (self.digits, self.places, self.form, self.fixed))

    def rounding(self, values: Array) -> Array:
        """How far the writing may have moved each number."""
        size = np.abs(values.astype(np.float64, copy=False))
        digits = 0.0 if self.digits is None else np.where(size == 0, 0, 0.5 * _unit(size, self.digits))
        places = 0.0 if self.places is None else 0.5 * 10.0**-self.places
        # A hair more, since a half is rounded to either side.
        off: Array = np.maximum(digits, places) * (1 + 1e-9)
        if self.form is not None:
            off = off + 0.5 * _step(size, self.form)
        return off if self.fixed is None else off + 2.0**-self.fixed


def parse_writing(text: str) -> Writing:
    """What `--as` and `written=` take: float64, float32, tf32, float16, bfloat16, digits:N, places:N or fixed:K.

    Raises:
        CnngradError: anything else.

    >>> parse_writing("digits:3")
    Writing(base='float32', digits=3, places=None, form=None, fixed=None, asked=True)
    """
    match = re.fullmatch(r"(digits|places|fixed):(\d{1,3})", text)
    if match and not (match[1] == "digits" and int(match[2]) == 0):
        number = int(match[2])
        return Writing(
            digits=number if match[1] == "digits" else None,
            places=number if match[1] == "places" else None,
            fixed=number if match[1] == "fixed" else None,
            asked=True,
        )
    if text in ("float64", "float32"):
        return Writing(base=text, asked=True)
    if text in ("tf32", "float16", "bfloat16"):
        return Writing(form=text, asked=True)
    raise CnngradError(
        f"as is {text[:40]!r}: write float64, float32, tf32, float16, bfloat16, digits:N, places:N or fixed:K"
    )


def as_computed(dtype: DType) -> Writing:
    """How numbers are written that come straight out of a computation: as its dtype holds them."""
    if dtype == np.float16:
        return Writing(form="float16")
    return Writing("float64" if dtype == np.float64 else "float32")


def writing_of(claims: Sequence[Array], whole: bool = False) -> Writing:
    """How the numbers of all claims of one check are written, as far as they show it evidently.

    Args:
        claims: the claims.
        whole: whether the right numbers are integers: then that a number is whole shows nothing.

    >>> str(writing_of([np.array([1.23, 4.56, 78.9, 0.123, 5.67])]))
    '3 significant digits and 3 decimal places'
    """
    arrays = [claim[np.isfinite(claim)] for claim in claims if claim.dtype.kind == "f"]
    if claims and all(claim.dtype == np.float16 for claim in claims):
        return Writing(form="float16")
    values = np.concatenate([array.astype(np.float64).ravel() for array in arrays] or [np.empty(0)])
    values = values[values != 0]
    if not values.size:
        return Writing()
    some = np.unique(values[:: max(1, values.size // _MOST_LOOKED_AT)])
    single = all(array.dtype == np.float32 or _all_single(array) for array in arrays)
    written = [_shortest(value, single) for value in some.tolist()]
    digits, places = max(d for d, _ in written), max(p for _, p in written)
    single_step = np.maximum(_step(np.abs(some), "float32" if single else "float64"), 1.0 if whole else 0.0)
    by_digits, by_places = _unit(some, digits), np.full(some.shape, 10.0**-places)
    # A step far above the unit, which may be too small for float64, rules the unit out.
    with np.errstate(over="ignore", divide="ignore"):
        beside_digits, beside_places = single_step / by_digits, single_step / by_places
    evident_digits = _chance(beside_digits) < _EVIDENT and _multiples(values, _unit(values, digits))
    evident_places = _chance(beside_places) < _EVIDENT and _multiples(values, 10.0**-places)
    unit = np.maximum(by_digits if evident_digits else single_step, by_places if evident_places else single_step)
    # Whether these are float32 numbers, written with as many digits.
    base = "float32" if single or _chance_of_format(some, "float32", unit) is not None else "float64"
    form = None
    for name in ("bfloat16", "float16"):
        chance = _chance_of_format(some, name, unit)
        if chance is not None and chance < _EVIDENT:
            form = name
            break
    return Writing(base, digits if evident_digits else None, places if evident_places else None, form)


@dataclass(frozen=True, eq=False)
class Tolerance:
    """How far the elements of one claim may be off.

    Attributes:
        exact: integers among integers: not at all.
        fraction: the rounding of an element's sum, as a fraction of the sum of its absolute terms.
        eps: the rounding unit of the format that it is judged in.
        writing: how its numbers are written.
        asked: the fraction of the sum of absolute terms that the user asks for, in place of all others; else None.
        inputs: how far each element may be off since a 16-bit format does not hold the problem's own numbers.
        terms: how many terms an element has at most.
        largest: the largest sum of absolute terms; None for that of the elements that it is asked about.
    """

    exact: bool
    fraction: float
    eps: float
    writing: Writing
    asked: float | None = None
    inputs: float | Array = 0.0
    terms: int = 1
    largest: float | None = None

    def of(self, block: slice, largest: float) -> "Tolerance":
        """The tolerance of some elements, of a flat array whose largest sum of absolute terms is given."""
        inputs = self.inputs.reshape(-1)[block] if isinstance(self.inputs, np.ndarray) else self.inputs
        return replace(self, inputs=inputs, largest=largest)

    def sums(self, magnitude: Array) -> Array:
        """The rounding of the sums alone, by the sums of absolute terms."""
        if self.exact:
            return np.zeros(magnitude.shape)
        if self.asked is not None:
            return self.asked * magnitude
        off: Array = self.fraction * magnitude + (_SHARED * self.eps * self._top(magnitude) + self.terms * 2.0**-1074)
        return off

    def _top(self, magnitude: Array) -> float:
        return float(magnitude.max(initial=0.0)) if self.largest is None else self.largest

    def allowed(self, claim: Array, magnitude: Array) -> Array:
        """How far a claim may be off altogether."""
        off = self.sums(magnitude)
        if self.exact or self.asked is not None:
            return off
        inputs = self.inputs
        if isinstance(inputs, np.ndarray):
            # Of another shape, each may be off as far as the worst.
            inputs = inputs.reshape(claim.shape) if inputs.size == claim.size else float(inputs.max())
        return off + self.writing.rounding(claim) + inputs

    def is_double(self, error: Array, magnitude: Array) -> bool:
        """Whether a claim is as right as float64 can be."""
        eps = _eps("float64")
        return bool((error <= spread(eps, self.terms) * magnitude + _SHARED * eps * self._top(magnitude)).all())

    def walk(self, reach: Array) -> Array:
        """How far sums in float16 may drift whose partial sums reach so far: each rounds, in either direction."""
        return math.sqrt(self.terms) * _eps("float16") * reach

    def loose(self, magnitude: Array) -> Array:
        """How far a plain loop's sums may drift: a rounding a term, most of them in the same direction.

        Or sums that are made in float16.
        """
        drift = self.terms / 4 * _eps("float32")
        if self.writing.form == "float16":
            drift += math.sqrt(self.terms) / 2 * _eps("float16")
        return self.sums(magnitude) + (0.0 if self.exact else drift) * magnitude

    def __str__(self) -> str:
        """How it was chosen, in words."""
        if self.exact:
            return "0: integers are exact"
        if self.asked is not None:
            return f"{self.asked:g} of the sum of absolute terms, as asked for"
        rounding = f"{self.fraction:.1e} of the sum of absolute terms: rounding of {self.terms} terms in float32"
        if self.writing.base == "float64" and self.writing.asked:
            rounding = rounding.replace("float32", "float64")
        seen = f"; yours are {self.writing}" if self.writing.is_rounded else ""
        return rounding + seen


def tolerance_of(
    layer: Layer, result: Tensor, exact: bool, writing: Writing, rtol: float | None, inputs: float | Array = 0.0
) -> Tolerance:
    """The tolerance of one gradient's claim.

    Args:
        layer: the layer.
        result: dE/dW, dE/dX or dE/db.
        exact: whether claim and right gradient are of integers.
        writing: how the claim's numbers are written.
        rtol: the fraction that was asked for; None where none was.
        inputs: as for `Tolerance`.
    """
    terms = {
        Tensor.O: layer.group_channels * math.prod(layer.kernel) + layer.has_bias,
        Tensor.DX: layer.group_filters * math.prod(layer.kernel),
    }.get(result, layer.batch * math.prod(layer.out))
    computed = writing.base if writing.asked else "float32"
    return Tolerance(
        exact and rtol is None, spread(_eps(computed), terms), _eps(computed), writing, rtol, inputs, terms
    )


def input_rounding(form: str, norms: Array) -> Array:
    """How far sums may be off since a format rounded their numbers first, by the roots of their squared terms."""
    off: Array = 6 * 2.0 ** -_BITS[form] * norms
    return off


def holds(form: str, arrays: Sequence[Array]) -> bool:
    """Whether a format has all numbers of some arrays."""
    return all(bool((_rounded(a.astype(np.float64), form) == a).all()) for a in arrays)


def spread(eps: float, terms: int) -> float:
    """How far a sum of `terms` products may be off by rounding, as a fraction of the sum of absolute terms."""
    return eps * (8 + 2 * math.sqrt(terms))


def _eps(form: str) -> float:
    return 2.0 ** (1 - _BITS[form])


def _step(size: Array, form: str) -> Array:
    """The distance from one number of a format to the next, around numbers of this size."""
    exponents = np.frexp(size)[1] - _BITS[form]
    steps: Array = np.ldexp(1.0, np.maximum(exponents, _SMALLEST[form]))
    return steps


def _rounded(values: Array, form: str) -> Array:
    """The numbers of a format that lie nearest."""
    step = _step(np.abs(values), form)
    nearest: Array = np.rint(values / step) * step
    return nearest


def _unit(values: Array, digits: int) -> Array:
    """The unit of the last of so many significant digits, for each number."""
    unit: Array = 10.0 ** (_exponent10(np.abs(values)) - digits + 1)
    return unit


def _exponent10(size: Array) -> Array:
    """The exponent of the first significant digit; 0 for 0."""
    exponents: Array = np.floor(np.log10(np.where(size == 0, 1, size)) + 1e-12)
    return exponents


def _all_single(array: Array) -> bool:
    """Whether decimals given as float64 are all float32 numbers."""
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float32) == array).all())


def _shortest(value: float, single: bool) -> tuple[int, int]:
    """The significant digits and the decimal places of a number's shortest writing."""
    _, digits, exponent = Decimal(str(np.float32(value)) if single else repr(value)).normalize().as_tuple()
    return len(digits), max(0, -int(exponent))


def _chance(ratios: Array) -> float:
    """The logarithm of a product of chances, none of which is more than 1."""
    return float(np.log10(np.minimum(1.0, ratios)).sum())


def _multiples(values: Array, unit: Array | float) -> bool:
    """Whether all numbers are multiples of a unit, as far as the nearest float32 or float64 number can be."""
    off = np.abs(np.rint(values / unit) * unit - values)
    fuzz = 2.0**-24 if _all_single(values) else 2.0**-51
    return bool((off <= fuzz * np.abs(values)).all())


def _chance_of_format(values: Array, form: str, unit: Array) -> float | None:
    """The logarithm of the chance that all numbers, written in these units, are numbers of a format; None if not."""
    off = np.abs(_rounded(values, form) - values)
    if not (off <= 0.5 * unit * (1 + 1e-9)).all():
        return None
    return _chance(unit / _step(np.abs(values), form))
