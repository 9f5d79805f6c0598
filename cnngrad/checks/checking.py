"""Checking gradients, ours or the user's, against finite differences of forward."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from cnngrad.arrays import (
    Array,
    Arrays,
    Marked,
    Operands,
    as_claim,
    common_dtype,
    is_number,
    is_whole,
    may_overflow,
    read_tensor,
)
from cnngrad.causes.search import TRIES
from cnngrad.checks.differences import numeric_gradient
from cnngrad.checks.grade import Grader
from cnngrad.checks.report import Graded, GradientReport, Report
from cnngrad.checks.tolerance import HALVES, Form, form_shown, form_stated, parse_form
from cnngrad.compute import Work
from cnngrad.derivation.choice import Choice
from cnngrad.errors import CnngradError
from cnngrad.functions import read_layer
from cnngrad.layer import Layer
from cnngrad.layer.names import Names, Number, canonical_values
from cnngrad.settings import LayerOptions
from cnngrad.tensor import DEDO, GRADIENTS, RESULTS, B, O, Tensor, W, X

__all__ = ["check", "check_layer"]

# Seed of the dE/dO that is used if none is given.
_SEED = 0
# Default of each gradient: the one from `backward` is checked. None is an error, since a gradient that was never
# computed is often None.
_OURS: Any = object()


def check(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    dedo: npt.ArrayLike | None = None,
    *,
    b: npt.ArrayLike | None = None,
    o: npt.ArrayLike = _OURS,
    dw: npt.ArrayLike = _OURS,
    dx: npt.ArrayLike = _OURS,
    db: npt.ArrayLike = _OURS,
    rtol: float | None = None,
    step: float | None = None,
    written: str | None = None,
    elements: Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
    **options: Unpack[LayerOptions],
) -> Report:
    """Compare every element of the gradients with central finite differences of `forward`.

    These are (E(h) - E(-h)) / 2h for each element t of W, X and b, with E = sum(O * dE/dO) at t = h and t = -h: E is
    linear in t.

    Args:
        x: X, as for `forward`.
        w: W, as for `forward`.
        dedo: dE/dO, shape of O; by default fixed pseudo-random numbers, small integers if X and W are integers.
        b: the bias, as for `forward`; with it dE/db is checked too.
        o: an O to grade.
        dw: a dE/dW to grade; if any of `o`, `dw`, `dx` and `db` is given, only these are graded, not those of
            `backward`.
        dx: a dE/dX to grade.
        db: a dE/db to grade.
        rtol: the tolerance as a fraction of the sum of absolute terms; by default the dtype decides.
        step: the step of the differences of decimals; by default 1, at which every change of O is exact.
        written: how precise the graded gradients are: `"float64"`, `"float32"`, `"tf32"`, `"float16"`, `"bfloat16"`,
            `"digits:3"`, `"places:6"`, or `"fixed:8"` for steps of 2^-8; by default their dtype decides, and for lists
            the digits of their numbers.
        elements: names such as `"x22"` or `"dE/dw11"`, counted from 1: the report shows your number of each beside the
            right sum.
        progress: called with a gradient's name, the number of steps done and the number of all steps.
        options: the layer's options, as for `forward`.

    Returns:
        A report; `report.passed` is the verdict.

    Raises:
        CnngradError: as for `forward`.

    >>> check([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]], [[4, -2], [-3, 5]]).passed
    True
    >>> report = check([[1, 2, 3]], [[1, 2]], [[1, 2]], dx=[[2, 5, 2]])
    >>> report.gradients["dEdX"].worst
    Worst(element='dE/dx13', index=(0, 2), numeric=4, analytic=2)
    """
    others = {tensor: value for tensor, value in ((B, b), (DEDO, dedo)) if value is not None}
    layer, given = read_layer({X: x, W: w, **others}, options)
    claims = {result: claim for result, claim in zip(RESULTS, (o, dw, dx, db), strict=True) if claim is not _OURS}
    for result, claim in claims.items():
        if claim is None:
            raise CnngradError(
                f"{result.keyword} is None: give the gradient to grade, or leave {result.keyword} out to check ours "
                f"(in PyTorch .grad is None before backward() has run)"
            )
    return check_layer(layer, given, claims, rtol, step, progress, written, elements)


def check_layer(
    layer: Layer,
    given: Operands,
    claims: Mapping[Tensor, npt.ArrayLike],
    rtol: float | None = None,
    step: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    written: str | None = None,
    elements: Sequence[str] = (),
    tries: float = TRIES,
    shown: Mapping[Tensor, Form] = MappingProxyType({}),
    transforms: bool = False,
) -> Report:
    """Check gradients as `check` does, for a layer that is already made and arrays that are already read.

    Args:
        layer: the layer.
        given: X and W, and b and dE/dO if there are any, with their axes in cnngrad's order.
        claims: what to grade, in the user's layout; the gradients of `backward` if empty.
        rtol: as for `check`.
        step: as for `check`.
        progress: as for `check`.
        written: as for `check`.
        elements: as for `check`.
        tries: the budget of the search for what is wrong with one array, as for `Grader`.
        shown: for each result the form that several claims together show, as for `Grader`.
        transforms: whether their errors are known to be those of a transform.
    """
    if rtol is not None and not (is_number(rtol) and 0 <= rtol <= sys.float_info.max):
        raise CnngradError(f"rtol is {rtol!r}: it must be a number of 0 or more")
    if step is not None and not (is_number(step) and 0 < step <= sys.float_info.max):
        raise CnngradError(f"step is {step!r}: it must be a number larger than 0")
    source = "given"
    if DEDO not in given and set(claims) != {O}:
        if claims:
            raise CnngradError(
                "dEdO is missing: to grade a gradient of yours, give the dE/dO that it was computed with "
                "(-g FILE, or -g ones for E = sum of O)"
            )
        dtype = common_dtype(given[X].dtype, given[W].dtype)
        shape = layer.shapes[DEDO]
        random = np.random.default_rng(_SEED)
        dedo = random.integers(-9, 10, shape) if dtype.kind == "i" else random.standard_normal(shape).astype(dtype)
        given = {**given, DEDO: read_tensor("dEdO", dedo)}
        source = "pseudo-random (none was given), the same every time"
    if claims:
        graded = {t: layer.layouts.standard(t, as_claim(t.key, claim)) for t, claim in claims.items()}
    else:
        ours = Work(layer, given)
        graded = {result: ours.computed(result) for result in GRADIENTS[: 2 + layer.has_bias]}
    whole = all(is_whole(operand.array) for operand in given.values())
    asked = None if written is None else parse_form(written)
    chosen = Choice(tuple(elements)).chosen(Names(layer), tuple(graded))
    arrays = canonical_values(layer, {tensor: operand.converted() for tensor, operand in given.items()})
    arrays.setdefault(DEDO, np.broadcast_to(np.int64(0), layer.canonical[DEDO]))
    reports = {}
    for result, claim in graded.items():
        if result is O:
            right = _right_output(layer, given)
        else:
            told = progress and partial(progress, result.key)
            right = numeric_gradient(layer, given, result, 1.0 if step is None else float(step), told)
        form, is_text = _form(result, graded, whole, shown, asked), form_stated(claim) is None
        claim = np.asarray(claim)
        if claim.shape == (1,) and right.shape == ():  # of one filter
            claim = claim.reshape(())
        if claim.dtype.kind == "i" and (right.dtype.kind == "f" or form.asked):
            claim = claim.astype(np.float64)
        indices = tuple(index for tensor, index in chosen if tensor is result)
        judged = (rtol, tries, result, claim, right, form, indices, shown.get(result), transforms, is_text)
        reports[result] = Grader(layer, arrays, whole, bool(claims), *judged).grade()
    named = {result.key: report for result, report in reports.items()}
    return Report(named, layer, source, _identity(layer, given, reports))


def _form(result: Tensor, claims: Arrays, whole: bool, shown: Mapping[Tensor, Form], asked: Form | None) -> Form:
    """The form of a claim: its dtype's; for text, the form that its numbers show, or else several texts together.

    A text in the format that the user asks for may be rounded once more, to the digits that it shows.
    """
    claim = claims[result]
    stated = form_stated(claim)
    if asked and (stated is not None or asked.format not in HALVES):
        return asked
    if stated is not None:
        return stated
    alone = form_shown([claim], whole)
    if asked:
        return replace(asked, units=alone.units)
    if isinstance(claim, Marked) and claim.named in HALVES:
        return replace(alone, format=claim.named)
    if claim.dtype.kind == "f" and not claim.any():
        places = claim.places if isinstance(claim, Marked) else None
        return Form(units={"places": 4 if places is None else places})
    texts = [each for each in claims.values() if form_stated(each) is None]
    return alone if alone.is_rounded else shown.get(result) or form_shown(texts, whole)


def _right_output(layer: Layer, given: Operands) -> Array:
    """O in float64, or exact if all arrays are integers."""
    wide = np.dtype(np.float64)
    operands = {t: o._replace(dtype=wide) if o.dtype.kind == "f" else o for t, o in given.items() if t is not DEDO}
    forward = Work(layer, operands)
    o = np.empty(layer.canonical[O], forward.dtype)
    forward.write(o)
    return o.reshape(layer.shapes[O])


def _identity(layer: Layer, given: Operands, reports: Mapping[Tensor, GradientReport]) -> tuple[Number, ...] | None:
    """The three sums that must agree; None if dE/dW or dE/dX was not checked, or has a wrong shape."""
    pairs = [
        (given[tensor].converted(), report.canonical[0])
        for tensor in (X, W)
        if isinstance(report := reports.get(tensor.gradient), Graded)
    ]
    if len(pairs) < 2:
        return None
    try:
        o = Work(layer, {X: given[X], W: given[W]}).computed(O)
    except CnngradError:
        # O is too large for its dtype, although its gradients are not.
        return None
    pairs.insert(0, (o, given[DEDO].converted()))
    decimals = any(array.dtype.kind == "f" for pair in pairs for array in pair)
    kind, number = (np.float64, float) if decimals else (object, int)
    with may_overflow():  # the report mentions sums beyond float64
        return tuple(number(np.vdot(*(array.astype(kind, copy=False) for array in pair))) for pair in pairs)
