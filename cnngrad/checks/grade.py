"""Grading one gradient of a layer against its finite differences: verdict, tolerance, and what is wrong."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np

from cnngrad.arrays import Array, Arrays, fractions, may_overflow, read_tensor, rms
from cnngrad.causes.catalogue import products_rounded
from cnngrad.causes.edits import along
from cnngrad.causes.evaluate import Data, factors_of, spread_places
from cnngrad.causes.recipe import right_recipe
from cnngrad.causes.relation import Relations
from cnngrad.causes.search import Diagnosis, Search, truncated
from cnngrad.checks.comparison import COARSE, compare, difference, locate
from cnngrad.checks.report import Graded, GradientReport, Worst, WrongShape
from cnngrad.checks.tolerance import HALVES, SHORT, Form, Tolerance, as_meant, eps, form_shown
from cnngrad.compute import Work
from cnngrad.layer import Layer
from cnngrad.layer.names import Index, Names
from cnngrad.tensor import DEDO, DW, DX, B, O, Tensor, W, X

__all__ = ["Grader"]

# Tolerance for rounded X, W and dE/dO, in units of eps times the root of the sum of squared terms.
_INPUTS = 3
# Factor by which a plain float32 loop's errors may exceed the largest error of the loops that are tried.
_LOOPS = 8
# Number of elements that rounding moves all towards 0 with a probability below one in a thousand.
_MANY = 10
# Fixed-point numbers in a text have fewer bits behind the point.
_MOST_BITS = 24
# Advice for numbers that may be rounded on purpose.
_MEANT = "say --as {} if it is meant to"


@dataclass(frozen=True)
class Grader:
    """Grades one claimed O or gradient of a layer.

    Attributes:
        layer: the layer.
        arrays: X, W, dE/dO and, if the layer has one, b, in canonical shape.
        whole: whether these hold only integers.
        claimed: whether the gradient is the user's own.
        rtol: the tolerance that the user asked for; None for the default.
        tries: the budget of the search for the mistake, and again for the relation that the claim follows.
        result: O, dE/dW, dE/dX or dE/db.
        claim: the claim, its axes in cnngrad's order.
        right: the right numbers: O, or finite differences.
        form: what the claim's numbers are rounded to.
        asked: the canonical indices of the elements to explain.
        shown: the form that several claims together show; None to use the one that this claim shows.
        transforms: whether the claim's errors are known to be those of a transform.
        is_text: whether the claim was written as text, which has no dtype.
    """

    layer: Layer
    arrays: Arrays
    whole: bool
    claimed: bool
    rtol: float | None
    tries: float
    result: Tensor
    claim: Array
    right: Array
    form: Form
    asked: tuple[Index, ...]
    shown: Form | None = None
    transforms: bool = False
    is_text: bool = False

    @may_overflow()  # a claim or a mistake may overflow
    def grade(self) -> GradientReport:
        """The verdict."""
        claim = self.claim
        right = self.right
        tolerance = self.tolerance
        if claim.shape != right.shape:
            return self._of_another_shape()
        if not np.isfinite(claim).all():
            return self._not_finite()
        # Allow for the rounding of X, W and dE/dO only if the claim needs it.
        found = compare(claim, right, self.sizes, replace(tolerance, inputs=np.zeros(())))
        if found.wrong.any():
            found = compare(claim, right, self.sizes, tolerance)
        judged_as = str(self.form) if self.form.is_rounded and not tolerance.exact else ""
        report = self._graded(
            found.wrong,
            found.worst,
            judged_as=judged_as,
            max_abs_error=found.max_abs_error,
            max_rel_error=found.max_rel_error,
        )
        if not report:
            return self._wrong(report)
        if found.coarse:
            coarse = f"It is written too coarsely to judge: {self.form}. Write more digits"
            return replace(report, passed=None, says=f"{coarse}, or say how precise it is (--as).")
        single = self.claimed and self.form.format == "float64" and not found.is_double and not tolerance.exact
        note = "It is right to float32's precision, not to float64's." if single else ""
        return replace(report, data=self.data if self.claimed else None, says=note)

    def _graded(self, wrong: Array, worst: Index, **more: Any) -> Graded:
        layer = self.layer
        result = self.result
        layouts = self.layer.layouts
        analytic, numeric, off = (layouts.written(result, array) for array in (self.claim, self.right, wrong))
        worst_at = layer.canonical_index(result, worst)
        numbers = self.right[worst].item(), self.claim[worst].item()
        return Graded(
            gradient=result,
            passed=not wrong.any(),
            claimed=self.claimed,
            analytic=analytic,
            numeric=numeric,
            wrong=off,
            worst=Worst(Names(layer).symbol(result, worst_at).name, layouts.written_shape(result, worst), *numbers),
            worst_at=worst_at,
            tolerance=str(self.tolerance),
            layer=layer,
            values=self.arrays,
            asked=self.asked,
            **more,
        )

    def _wrong(self, report: Graded) -> Graded:
        """The report on a claim that is off by more than its tolerance, with the cause as far as it is found."""
        rounded = self._rounded()
        found = Diagnosis() if rounded else self._diagnosed()
        # No proof: of few bits some pair of mistakes fits by chance, and a format may round the operands. But no format
        # rounds each product to a multiple of the same number.
        rounds = found.mistake == products_rounded.id and found.recipe is not None and found.recipe.loops is None
        is_close = rounds or bool(found.together)
        is_known = self.tolerance.exact or (found.mistake and not is_close)
        report = replace(report, **rounded or ({} if is_known else self._precision()))
        if report.passed is not False:
            return report
        wrong, shared, says = report.canonical[-1], "", found.says or report.says
        where = locate(self.layer, self.result, wrong)
        is_unknown = found.mistake is None and not rounded
        if is_unknown:
            shared = self._search.shared(wrong.reshape(self.claim.shape))
            says = says or f"No known mistake gives this: {where}.{shared and f' {shared}.'}"
        relations: Relations = ()
        if found.recipe is not None or (is_unknown and not shared):
            relations = self._search.relations(found.recipe, self.tries)
        return replace(report, **vars(found) | {"says": says}, relations=relations, where=where)

    def _rounded(self) -> dict[str, Any]:
        """What the report says if rounding alone explains the error; otherwise nothing."""
        form, sizes, tolerance, seen = self.form, self.sizes, self.tolerance, self._seen
        sums = tolerance.sums(sizes)
        towards_0 = (self._error < seen.step(self.claim) + sums) & (np.abs(self.claim) <= np.abs(self.right) + sums)
        is_cut = seen.units and towards_0.all() and (self.claim != np.trunc(self.claim)).any()
        # Rounding hardly ever moves so many numbers towards 0.
        is_evident = is_cut and self.claim.size >= _MANY
        if self.is_text and not (form.asked or is_evident) and (other := next(self._possible(), None)):
            return _precise(None, f"is right only if its numbers are {other}", f"say --as {other.name} if they are")
        if is_cut:
            return _precise(False, f"is cut to {seen}, not rounded", "round to the nearest number")
        if not form.asked and not tolerance.exact:
            more = tolerance.but_exact(_LOOPS * self._loop() * sizes, sizes, "float32")
            if self._within(form, more) and rms(more) <= COARSE * rms(self.right):
                words = "is right, but with the rounding error of a plain float32 loop"
                return _precise(True, words, "pairwise sums are more precise")
        if not (form.is_rounded or tolerance.exact or seen.format in HALVES):
            for part, number in reversed(seen.units.items()):
                alone = replace(seen, units={part: number})
                if self._within(alone):
                    return _precise(False, f"is rounded to {alone}", f"{_MEANT.format(alone.name)} be")
        return {}

    def _possible(self) -> Iterator[Form]:
        """Forms that a text's numbers may have on purpose, though it may be chance, in which they are right."""
        for half in reversed(HALVES):
            other = replace(self._seen, format=half)
            # What the numbers mean is read from the text of each: first see whether they are near enough.
            is_near = self._within(other, other.moved(self.claim))
            # Programs print numbers of bfloat16 with float32's digits.
            if is_near and other.holds(as_meant(self.claim) if half == "float16" else self.claim, "float32").all():
                yield Form(half)
        bits = next((n for n in range(_MOST_BITS) if not (self.claim * 2.0**n % 1).any()), 0)
        fixed = Form(units={"fixed": bits})
        if bits and (self._error <= self._tolerance(fixed).allowed(self.claim, self.sizes, self.right)).all():
            yield fixed

    @cached_property
    def _error(self) -> Array:
        return difference(self.claim, self.right)

    @cached_property
    def _seen(self) -> Form:
        """The form that several claims together show, otherwise the form that this claim shows."""
        return self.shown or form_shown([self.claim], self.whole)

    def _within(self, other: Form, more: float | Array = 0.0) -> bool:
        """Whether rounding to another form explains all errors, up to `more`."""
        return bool((self._error <= self._tolerance(other).allowed(self.claim, self.sizes) + more).all())

    def _precision(self) -> dict[str, Any]:
        """What the report says if fewer bits explain the error; otherwise nothing."""
        form = self.form
        tolerance = self.tolerance
        is_half = form.format in HALVES
        seen = form if is_half else self._seen
        if seen.format in HALVES:
            # The numbers of float16 and TF32 have as many bits.
            alike = "float16 or tf32" if seen.format == "float16" and not is_half else seen.format
            words = f"adds up in {alike}, or has errors of that size"
            # Each partial sum is rounded, in either direction.
            walk = math.sqrt(tolerance.terms) * eps(seen.format) * (self.norms + np.abs(self.right))
            if self._within(seen, tolerance.but_exact(walk, self.sizes, seen.format)):
                if not is_half:
                    return _precise(False, words, f"use {tolerance.computed}, or {_MEANT.format(seen.name)}")
                passed = rms(self._error) <= COARSE * rms(self.right) or None
                return _precise(passed, words, "float32 is more precise")
        tf32 = _INPUTS * eps("tf32") * self.norms
        # Numbers written with fewer digits than TF32 has show nothing about TF32.
        is_sign = form.base == "float32" and not form.asked and rms(form.rounding(self.claim)) < 0.1 * rms(tf32)
        if is_sign and self._loses("tf32") and self._within(form, tf32):
            words = "has errors as large as TF32's, whose values look like float32's"
            return _precise(None, words, "say --as tf32, or turn TF32 off")
        return {}

    def _loop(self) -> float:
        """The largest error of some sums added up one by one in float32, as a fraction of the sum of absolute terms."""
        recipe, errors = right_recipe(self.layer, self.result), [0.0]
        factors = factors_of(recipe, self.data)
        for index in np.transpose(np.unravel_index(spread_places(math.prod(recipe.shape)), recipe.shape)).tolist():
            terms = reduce(np.multiply, factors(tuple(index))).astype(np.float64)
            for order in (terms.ravel(), terms.T.ravel(), terms[::-1].ravel()) if terms.any() else ():
                added = np.add.accumulate(order.astype(np.float32))[-1]
                errors.append(abs(float(added) - terms.sum()) / np.abs(terms).sum())
        return max(errors)

    def _of_another_shape(self) -> WrongShape:
        claim = self.claim
        right = self.right
        layouts = self.layer.layouts
        found = Diagnosis()
        if np.isfinite(claim).all():
            known = self._known()
            found = self._diagnosed()
            if (known and claim.size == right.size) or found.mistake is None:
                # One number fits too many mistakes.
                found = replace(found if claim.size > 1 else Diagnosis(), says=known, fix="")
        is_shape, must = (layouts.written_shape(self.result, array.shape) for array in (claim, right))
        shape = f"{self.result.key} has shape {is_shape}, but it must be {must}, the shape of {self.result.array.key}."
        return WrongShape(
            **vars(found) | {"says": f"{shape} {found.says}".strip()},
            gradient=self.result,
            passed=False,
            claimed=self.claimed,
            analytic=layouts.written(self.result, claim),
            numeric=layouts.written(self.result, right),
        )

    def _known(self) -> str:
        """A sentence on right numbers in another shape, or with one end missing; empty for other numbers."""
        claim = self.claim
        right = self.right
        result = self.result
        layouts = self.layer.layouts
        if claim.size == right.size:
            memory = layouts.written(result, claim).reshape(layouts.written_shape(result, right.shape))
            is_right = not self._off(layouts.standard(result, memory)).any()
            return f"Its numbers are right: reshape it to {memory.shape}." if is_right else ""
        if claim.ndim != right.ndim or not claim.size:
            return ""
        lacking = np.subtract(right.shape, claim.shape)
        axis, missing = int(lacking.argmax()), int(lacking.max())
        word = self.layer.words_of(result)[axis - claim.ndim]
        for end, start in (("last", 0), ("first", missing)) if np.abs(lacking).sum() == missing else ():
            place = along(axis, slice(start, start + claim.shape[axis]))
            if not self._off(claim, place).any():
                which = f"{word} is" if missing == 1 else f"{missing} {word}s are"
                return f"Its numbers are right, but the {end} {which} missing."
        return ""

    def _off(self, claim: Array, place: Any = ...) -> Array:
        """Which numbers of a claim, or of the part at `place`, are off by more than the tolerance."""
        right = self.right[place]
        return difference(claim, right) > self.tolerance.allowed(claim, self.sizes[place], right)

    def _not_finite(self) -> Graded:
        """The report on a claim that holds NaN or infinity."""
        bad = ~np.isfinite(self.claim)
        off = self._off(np.where(bad, self.right, self.claim).astype(np.float64))
        report = self._graded(bad | off, tuple(np.argwhere(bad)[0].tolist()), found={("not-finite",): None})
        value = report.worst.analytic
        why = "infinity comes from a division by 0, or from numbers too large for their type"
        if np.isnan(value):
            why = "NaN comes from 0/0, from infinity minus infinity, or from memory that is never filled"
        rest = "" if bad.all() else f" The others are {'not right either' if off.any() else 'right'}."
        first = f"first {report.worst.element}, which is {value}"
        says = f"{bad.sum()} of {bad.size} elements are not finite, {first}: {why}.{rest}"
        where = locate(self.layer, self.result, bad.reshape(self.layer.canonical[self.result]))
        return replace(report, where=where, says=says)

    def _diagnosed(self) -> Diagnosis:
        cut = truncated(self.claim, self.right, self.tolerance.sums(self.sizes))
        found = cut or self._search.diagnosis(self.tries)
        if found.mistake is None and self.claim.shape == self.right.shape:
            found = self._search.unread(self._off(self.claim)) or found
        return found

    @cached_property
    def _search(self) -> Search:
        most, top = self.sizes.max(initial=0), np.abs(self.claim).max(initial=0)

        def allowed(claim: Array, factor: float = 1, right: Array | None = None) -> Array:
            # The sums of a wrong result may have more terms than the right ones: all may be as large as the largest.
            return self.tolerance.allowed(claim, np.full(1, max(abs(factor) * most, top)), right)

        return Search(self.data, self.result, self.claim, allowed)

    @cached_property
    def tolerance(self) -> Tolerance:
        """How far the claim may be off."""
        return self._tolerance(self.form)

    def _tolerance(self, form: Form) -> Tolerance:
        layer = self.layer
        terms = {
            O: layer.group_channels * math.prod(layer.kernel) + layer.has_bias,
            DX: layer.group_filters * math.prod(layer.kernel) * layer.copies,
        }.get(self.result, layer.batch * math.prod(layer.conv.out))
        arrays = (self.claim, self.right)
        exact = all(array.dtype.kind == "i" for array in arrays) and self.rtol is None and form.format not in HALVES
        peak = max(float(np.abs(array[np.isfinite(array)]).max(initial=0)) for array in arrays) if self.whole else 0.0
        inputs = _INPUTS * eps(form.format) * self.norms if self._loses(form.format) else np.zeros(())
        whole = self.whole and not self.transforms
        rtol = 0.0 if exact else self.rtol
        largest = float(self.sizes.max(initial=0.0))
        return Tolerance(form, terms, whole, exact, peak, rtol, inputs, largest, self.transforms)

    def _loses(self, format_: str) -> bool:
        """Whether a short format rounds the problem's own numbers."""
        return format_ in SHORT and any(Form(format_).shift(array).any() for array in self.arrays.values())

    @cached_property
    def norms(self) -> Array:
        """For each element the root of the sum of its squared terms."""
        small = {t: fractions(array) for t, array in self._operands.items() if t is not B}
        root = np.sqrt(self._summed({t: np.square(array) for t, (array, _) in small.items()}))
        norms: Array = np.ldexp(root, sum(exponent for _, exponent in small.values()))
        if self.result is O and self.layer.has_bias:
            b = self.arrays[B].astype(np.float64).reshape(-1, *[1] * self.layer.dims)
            norms = np.hypot(norms.reshape(self.layer.canonical[self.result]), b)
        return norms.reshape(self.right.shape)

    @cached_property
    def sizes(self) -> Array:
        """For each element the sum of its terms' absolute values, the scale of rounding in any formula for it.

        It is computed by `backward` from the absolute values. It only scales the tolerance: the numeric gradient
        stays independent of `backward`.
        """
        return self._summed({t: np.abs(array.astype(np.float64, copy=False)) for t, array in self._operands.items()})

    @property
    def _operands(self) -> Arrays:
        return {tensor: array for tensor, array in self.arrays.items() if not tensor.is_apart(self.result)}

    def _summed(self, numbers: Arrays) -> Array:
        """The result for other numbers; arrays that are not given are 0, and take no memory."""
        layer = self.layer
        given = {
            t: read_tensor("terms", numbers.get(t, np.broadcast_to(np.float32(0), layer.canonical[t])))
            for t in (X, W, B if self.result is O else DEDO)
        }
        return Work(layer, given).computed(self.result).reshape(self.right.shape)

    @cached_property
    def data(self) -> Data:
        """The layer's numbers for the catalogue, with the finite differences as the right gradient."""
        own = {tensor: array.astype(self.right.dtype, copy=False) for tensor, array in self.arrays.items()}
        right = self.right.reshape(self.layer.canonical[self.result])
        right = self.layer.rotated(right) if self.result is DW else right
        return Data.of(self.layer, own, ((right_recipe(self.layer, self.result), right),))


def _precise(passed: bool | None, words: str, advice: str) -> dict[str, Any]:
    """A verdict because of the claim's precision, as attributes of its report."""
    return {"passed": passed, "precision": words, "says": f"It {words}: {advice}."}
