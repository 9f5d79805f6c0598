"""Grading one gradient of a layer against its finite differences: verdict, tolerance, and what is wrong."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from cnngrad.arrays import Array, Operand, fractions, read_tensor, rms
from cnngrad.causes.evaluate import Data, remade
from cnngrad.causes.recipe import right_recipe
from cnngrad.causes.relation import followed, spoken
from cnngrad.causes.search import (
    TRIES,
    Diagnosis,
    alike,
    diagnose,
    hidden_mistakes,
    relations_of,
    set_of,
    truncated,
)
from cnngrad.checks.comparison import COARSE, compare, difference
from cnngrad.checks.location import locate
from cnngrad.checks.remaking import compared
from cnngrad.checks.report import Compared, GradientReport, Worst
from cnngrad.checks.tolerance import HALVES, Form, Tolerance, form_shown, input_rounding
from cnngrad.compute import Backward, Forward
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.layer.names import Index, Names
from cnngrad.tensor import Tensor

__all__ = ["Grader"]


class Grader:
    """Compares claimed gradients of one layer with their finite differences."""

    def __init__(
        self,
        layer: Layer,
        given: Mapping[Tensor, Operand],
        rtol: float | None,
        forms: Mapping[Tensor, Form],
        whole: bool,
        claimed: bool,
        elements: Sequence[tuple[Tensor, Index]] = (),
        tries: float = TRIES,
    ) -> None:
        """A grader of gradients of a layer with these numbers.

        Args:
            layer: the layer.
            given: X, W and, where the layer has one, b; dE/dO for gradients.
            rtol: the tolerance that was asked for; None where none was.
            forms: what each claim's numbers are rounded to.
            whole: whether X, W, b and dE/dO hold integers alone.
            claimed: whether the gradients are the user's own.
            elements: the elements to explain, by result and canonical index.
            tries: how much is computed to find what is wrong with one array, and again to find its relation.
        """
        self._elements, self._tries = elements, tries
        self._layer, self._rtol, self._forms, self._claimed, self._whole = layer, rtol, forms, claimed, whole
        self._arrays = {tensor: operand.converted() for tensor, operand in given.items()}
        if Tensor.DEDO not in given:
            self._arrays[Tensor.DEDO] = np.broadcast_to(np.int64(0), layer.shapes[Tensor.DEDO])

    @np.errstate(over="ignore", invalid="ignore")  # a claim, or what a mistake gives, may be too large to compare
    def grade(self, result: Tensor, claim: Array, numeric: Array) -> GradientReport:
        """The verdict on a claimed O or gradient.

        Args:
            result: O, dE/dW, dE/dX or dE/db.
            claim: the claim, its axes in cnngrad's order.
            numeric: the right numbers: O, or finite differences.
        """
        if claim.shape == (1,) and numeric.shape == ():  # of one filter
            claim = claim.reshape(())
        form = self._forms[result]
        if claim.dtype.kind == "i" and (numeric.dtype.kind == "f" or form.asked):
            claim = claim.astype(np.float64)
        tolerance = self._tolerance(result, claim, numeric, form)
        exact = tolerance.exact
        if claim.shape != numeric.shape:
            return self._of_another_shape(result, claim, numeric, tolerance)
        if not np.isfinite(claim).all():
            return self._not_finite(result, claim, numeric, tolerance)
        sizes = self._absolute_sums(result).reshape(numeric.shape)
        # What is right without the rounding of X, W and dE/dO is judged without it.
        found = compare(claim, numeric, sizes, replace(tolerance, inputs=0.0))
        if found.wrong.any() and isinstance(tolerance.inputs, np.ndarray):
            found = compare(claim, numeric, sizes, tolerance)
        index = found.worst
        report = GradientReport(
            result,
            passed=not found.wrong.any(),
            count=claim.size,
            max_abs_error=found.max_abs_error,
            max_rel_error=found.max_rel_error,
            worst=Worst(self._element(result, index), index, numeric[index].item(), claim[index].item()),
            tolerance=str(tolerance),
            judged_as=str(form) if form.is_rounded and not exact else "",
            claimed=self._claimed,
            analytic=claim,
            numeric=numeric,
            wrong=found.wrong,
        )
        if not report.passed:
            return self._wrong(report, tolerance, sizes)
        right = Diagnosis()
        report = replace(
            report, explained=self._explained(report, right), compare=partial(self._compared, report, right)
        )
        if found.beyond_sums and found.coarse:
            coarse = f"It is written too coarsely to judge: {form}. Write more digits"
            return replace(report, passed=None, hint=f"{coarse}, or say how precise it is (--as).")
        hidden = hidden_mistakes(self._data(result, numeric), (result,)) if self._claimed else ()
        single = self._claimed and form.format == "float64" and not found.is_double
        note = "It is right to float32's precision, not to float64's." if single and not exact else ""
        return replace(report, hidden=hidden, hint=note)

    def _wrong(self, report: GradientReport, tolerance: Tolerance, sizes: Array) -> GradientReport:
        """What is the matter with a claim that is off by more than its tolerance."""
        result, claim, numeric, wrong = report.gradient, report.analytic, report.numeric, report.wrong
        assert claim is not None
        assert numeric is not None
        assert wrong is not None
        found = self._diagnose(result, claim, numeric, sizes, tolerance)
        precision = ""
        # Of 16-bit numbers some pair of mistakes gives much the same as the right ones.
        is_known = found.mistake and not (found.together and tolerance.form.format in HALVES)
        if not tolerance.exact and not is_known:
            passed, words, advice = self._precision(result, claim, numeric, sizes, tolerance)
            precision = words and f"It {words}: {advice}."
            report = replace(report, precision=words)
            if passed is not False:
                return replace(report, passed=passed, hint=precision)
        located = locate(self._layer, result, wrong)
        missing, relation = self._in_common(report, found, sizes, tolerance)
        missing = f" {missing}." if missing else ""
        return replace(
            report,
            mistake=found.mistake,
            also=found.also,
            together=found.together,
            code=found.code,
            hint=found.hint or precision or f"No known mistake gives this: {located}.{missing}",
            relation=f"Your numbers follow {relation}." if relation else "",
            where=located,
            compare=partial(self._compared, report, found),
            worst_at=report.worst.index if report.worst else (),
            explained=self._explained(report, found),
        )

    def _precision(
        self, result: Tensor, claim: Array, numeric: Array, sizes: Array, tolerance: Tolerance
    ) -> tuple[bool | None, str, str]:
        """The verdict on a claim that is as far off as fewer bits make it, what it does, and what to do about it."""
        form, error = tolerance.form, difference(claim, numeric)
        loose = tolerance.loose(sizes)
        if not form.asked and (error <= loose).all() and rms(loose) <= COARSE * rms(numeric):
            words = "is right, but less precise than a sum of these terms needs to be"
            return True, words, "it loses what a plain loop loses"

        def within(other: Form, walk: float | Array = 0.0) -> bool:
            allowed = self._tolerance(result, claim, numeric, other).allowed(claim, sizes)
            return bool((error <= allowed + walk).all())

        norms, is_half = self._norms(result), form.format in HALVES
        seen = form if is_half else form_shown([claim], self._whole)
        meant = "say --as {} if it is meant to"
        if seen.format in HALVES:
            words = f"adds up in {seen.format}, or is as far off as that makes it"
            if within(seen, tolerance.walk(seen.format, norms + np.abs(numeric), sizes)):
                if not is_half:
                    return False, words, f"use {tolerance.computed}, or {meant.format(seen.name)}"
                return True if rms(error) <= COARSE * rms(numeric) else None, words, "float32 is more precise"
        elif not form.is_rounded:
            for alone in (replace(seen, digits=None), replace(seen, places=None)):
                if alone.is_rounded and within(alone):
                    return False, f"is rounded to {alone}", f"{meant.format(alone.name)} be"
        tf32 = input_rounding("tf32", norms)
        # Numbers of fewer digits than TF32 loses are no sign of it.
        is_sign = form.base == "float32" and not form.asked and rms(form.rounding(claim)) < 0.1 * rms(tf32)
        if is_sign and self._loses("tf32") and (error <= tolerance.allowed(claim, sizes) + tf32).all():
            words = "is as far off as TF32 makes it, whose values can't be told from float32's"
            return None, words, "say --as tf32, or turn TF32 off"
        return False, "", ""

    def _in_common(
        self, report: GradientReport, found: Diagnosis, sizes: Array, tolerance: Tolerance
    ) -> tuple[str, str]:
        """What is missing in all wrong elements of an unknown mistake, and which relation a claim follows, in words."""
        result, claim, numeric, wrong = report.gradient, report.analytic, report.numeric, report.wrong
        assert claim is not None
        assert numeric is not None
        assert wrong is not None
        data = self._data(result, numeric)
        allowed = tolerance.allowed(claim, np.full(claim.shape, float(sizes.max(initial=0.0))))
        missing, relations = "", None
        if found.recipe is not None:
            with suppress(ValueError):
                relations = followed(data, result, partial(remade, found.recipe, data), claim, allowed)
        elif found.mistake is None:
            missing = alike(claim, wrong) or set_of(data, result, claim, wrong, tolerance.allowed(claim, sizes))
            if not missing:
                relations = relations_of(data, result, claim, tolerance.allowed, self._tries)
        return missing, "" if relations is None else spoken(self._layer, relations)

    def _of_another_shape(self, result: Tensor, claim: Array, numeric: Array, tolerance: Tolerance) -> GradientReport:
        sizes = self._absolute_sums(result).reshape(numeric.shape)
        layouts, found = self._layer.layouts, Diagnosis()
        if np.isfinite(claim).all():
            known = self._known(result, claim, numeric, sizes, tolerance)
            found = self._diagnose(result, claim, numeric, sizes, tolerance)
            if known and claim.size == numeric.size:
                # A single number in another shape is many mistakes' result.
                found = Diagnosis(hint=known) if claim.size == 1 else replace(found, hint=known)
            elif found.mistake is None:
                found = Diagnosis(hint=known)
        is_shape, must = (layouts.written_shape(result, array.shape) for array in (claim, numeric))
        shape = f"{result.key} has shape {is_shape}, but it must be {must}, the shape of {result.array.key}."
        return GradientReport(
            result, False, 0, None, None, None, "", claimed=self._claimed, mistake=found.mistake, also=found.also,
            hint=f"{shape} {found.hint}".strip(), beside_shape=found.hint, together=found.together, code=found.code,
            analytic=claim, numeric=numeric,
        )  # fmt: skip

    def _known(self, result: Tensor, claim: Array, numeric: Array, sizes: Array, tolerance: Tolerance) -> str:
        """What is said of right numbers in another shape, or of their beginning or end; empty for other numbers."""
        if claim.size == numeric.size:
            layouts = self._layer.layouts
            memory = layouts.written(result, claim).reshape(layouts.written_shape(result, numeric.shape))
            reshaped = layouts.standard(result, memory)
            is_right = (difference(reshaped, numeric) <= tolerance.allowed(reshaped, sizes, numeric)).all()
            return f"Its numbers are right: reshape it to {memory.shape}." if is_right else ""
        few = [(m - n, axis) for axis, (n, m) in enumerate(zip(claim.shape, numeric.shape, strict=False)) if n != m]
        if claim.ndim != numeric.ndim or not claim.size or len(few) != 1 or few[0][0] < 0:
            return ""
        (missing, axis), words = few[0], (*result.lead_words, *self._layer.axis_words)[-claim.ndim :]
        for end, start in (("last", 0), ("first", missing)):
            place = (*[slice(None)] * axis, slice(start, start + claim.shape[axis]))
            right = numeric[place]
            if (difference(claim, right) <= tolerance.allowed(claim, sizes[place], right)).all():
                which = f"{words[axis]} is" if missing == 1 else f"{missing} {words[axis]}s are"
                return f"Its numbers are right, but the {end} {which} missing."
        return ""

    def _not_finite(self, result: Tensor, claim: Array, numeric: Array, tolerance: Tolerance) -> GradientReport:
        """A claim with NaN or infinity in it, and what the others are like."""
        bad = ~np.isfinite(claim)
        index = tuple(int(k) for k in np.argwhere(bad)[0])
        element, value, count = self._element(result, index), claim[index].item(), int(bad.sum())
        where = locate(self._layer, result, bad)
        if count == bad.size:
            why = "all of it is: look for a division by 0 or a memory that is never filled"
        elif np.isnan(value):
            why = "NaN comes of 0/0, of infinity minus infinity, or of memory that is never filled"
        else:
            why = "infinity comes of a division by 0, or of numbers too large for their type"
        sizes = self._absolute_sums(result).reshape(numeric.shape)
        others = np.where(bad, numeric, claim).astype(numeric.dtype if tolerance.exact else np.float64)
        off = difference(others, numeric) > tolerance.allowed(others, sizes, numeric)
        rest = (
            ""
            if count == bad.size
            else " The others are right."
            if not off.any()
            else " The others are not right either."
        )
        report = GradientReport(
            result, False, bad.size, None, None, Worst(element, index, numeric[index].item(), value), str(tolerance),
            claimed=self._claimed, mistake="not-finite", where=where,
            hint=f"{count} of {bad.size} elements are not finite, first {element}, which is {value}: {why}.{rest}",
            analytic=claim, numeric=numeric, wrong=bad | off, worst_at=index,
        )  # fmt: skip
        found = Diagnosis()
        return replace(report, compare=partial(self._compared, report, found), explained=self._explained(report, found))

    def _diagnose(self, result: Tensor, claim: Array, numeric: Array, sizes: Array, tolerance: Tolerance) -> Diagnosis:
        data = self._data(result, numeric)
        whole = truncated(claim, numeric, tolerance.sums(sizes))
        return diagnose(data, result, claim, tolerance.allowed, self._tries) if whole is None else whole

    def _tolerance(self, result: Tensor, claim: Array, numeric: Array, form: Form) -> Tolerance:
        """The tolerance of a claim in some form."""
        layer = self._layer
        terms = {
            Tensor.O: layer.group_channels * math.prod(layer.kernel) + layer.has_bias,
            Tensor.DX: layer.group_filters * math.prod(layer.kernel),
        }.get(result, layer.batch * math.prod(layer.out))
        exact = claim.dtype.kind == numeric.dtype.kind == "i" and self._rtol is None
        finite = [array[np.isfinite(array)] for array in (claim, numeric) if self._whole and not exact]
        peak = max((float(np.abs(array).max(initial=0)) for array in finite), default=0.0)
        inputs = input_rounding(form.format, self._norms(result)) if self._loses(form.format) else 0.0
        return Tolerance(form, terms, self._whole, exact, peak, self._rtol, inputs)

    def _loses(self, format_: str) -> bool:
        """Whether a short format does not hold the problem's own numbers."""
        return format_ in ("tf32", *HALVES) and not Form(format_).holds(self._arrays.values())

    def _norms(self, result: Tensor) -> Array:
        """For each element the root of the sum of its squared terms."""
        layer = self._layer
        small = {tensor: fractions(array) for tensor, array in self._arrays.items() if tensor is not Tensor.B}
        exponent = sum(small[tensor][1] for tensor in small if not tensor.is_apart(result))
        squared: dict[Tensor, Array] = {tensor: np.square(array) for tensor, (array, _) in small.items()}
        root = np.sqrt(self._work(squared, result).computed(result).astype(np.float64, copy=False))
        with np.errstate(over="ignore"):
            norms: Array = np.ldexp(root, exponent)
        if result is Tensor.O and Tensor.B in self._arrays:
            b = self._arrays[Tensor.B].astype(np.float64).reshape(-1, *[1] * layer.dims)
            norms = np.hypot(norms.reshape(layer.canonical[result]), b)
        return norms.reshape(layer.shapes[result])

    def _work(self, arrays: Mapping[Tensor, Array], result: Tensor) -> Forward | Backward:
        """What computes a result from other numbers."""
        operands = {tensor: read_tensor("terms", array) for tensor, array in arrays.items()}
        if result is Tensor.O:
            return Forward(self._layer, operands[Tensor.X], operands[Tensor.W], operands.get(Tensor.B))
        return Backward(self._layer, operands[Tensor.X], operands[Tensor.W], operands[Tensor.DEDO])

    def _absolute_sums(self, result: Tensor) -> Array:
        """For each element the sum of its terms' absolute values, the scale of rounding in any formula for it.

        It is computed by `backward` from the absolute values. It only scales the tolerance: the numeric gradient
        stays independent of `backward`.
        """
        half = {np.dtype(np.float16), np.dtype(np.float32)}
        if {array.dtype for array in self._arrays.values()} <= half:
            with suppress(CnngradError):
                return self._absolute(np.float32, result)
        return self._absolute(np.float64, result)

    def _absolute(self, dtype: type[np.floating], result: Tensor) -> Array:
        """A result of the absolute values."""
        # What the result does not depend on takes no memory.
        absolute = {
            tensor: np.broadcast_to(np.zeros((), dtype), array.shape)
            if tensor.is_apart(result)
            else np.abs(array.astype(dtype, copy=False))
            for tensor, array in self._arrays.items()
        }
        return self._work(absolute, result).computed(result)

    def _data(self, result: Tensor, numeric: Array) -> Data:
        """The layer's numbers for the catalogue, with the finite differences as the right gradient."""
        layer = self._layer
        canonical = {
            tensor: array.reshape(layer.canonical[tensor]).astype(numeric.dtype, copy=False)
            for tensor, array in self._arrays.items()
        }
        right = numeric.reshape(layer.canonical[result])
        right = layer.rotated(right) if result is Tensor.DW else right
        return Data(
            layer,
            canonical[Tensor.X],
            layer.rotated(canonical[Tensor.W]),
            canonical[Tensor.DEDO],
            canonical.get(Tensor.B),
            ((right_recipe(layer, result), right),),
        )

    def _element(self, result: Tensor, index: tuple[int, ...]) -> str:
        return Names(self._layer).symbol(result, self._layer.canonical_index(result, index)).name

    def _explained(self, report: GradientReport, found: Diagnosis) -> tuple[Compared, ...]:
        """The elements of a result that were asked for."""
        asked = [index for result, index in self._elements if result is report.gradient]
        if not asked:
            return ()
        lead = len(self._layer.canonical[report.gradient]) - len(self._layer.shapes[report.gradient])
        return tuple(self._compared(report, found, index[lead:]) for index in asked)

    def _compared(self, report: GradientReport, found: Diagnosis, index: tuple[int, ...]) -> Compared:
        """An element of a claim beside its right sum."""
        return compared(self._layer, self._arrays, report, found.recipe, index)
