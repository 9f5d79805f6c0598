"""Grading a gradient, ours or the user's, against finite differences: verdict, tolerance, and what is wrong."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from cnngrad.arrays import INT64_MAX, Array, as_tensor, common_dtype, is_number, largest_magnitude
from cnngrad.conv import Gradients, backward, forward
from cnngrad.diagnosis import Diagnosis, Precision, diagnose, hidden_mistakes, locate
from cnngrad.differences import Differences, spread
from cnngrad.errors import CnngradError
from cnngrad.expansion import Expander, Expansion, Values
from cnngrad.layer import Layer, Padding, PerAxis, make_layer
from cnngrad.mistakes import Data
from cnngrad.names import Names, Number

__all__ = ["GradientReport", "Report", "Worst", "check", "evident_rounding"]

# The seed of the dE/dO that is used where none is given.
_SEED = 0
# In place of a gradient: that of `backward` is checked. None is an error, since a missing gradient often is None.
_OURS: Any = object()


@dataclass(frozen=True)
class Worst:
    """The element in which two gradients differ most.

    Attributes:
        element: its name, e.g. `dE/dx22` (counted from 1).
        index: its index in the user's array (counted from 0).
        numeric: the finite difference.
        analytic: the claimed gradient.
    """

    element: str
    index: tuple[int, ...]
    numeric: Number
    analytic: Number


@dataclass(frozen=True)
class GradientReport:
    """How one gradient compares with its finite differences.

    Attributes:
        name: `"dEdW"`, `"dEdX"` or `"dEdb"`.
        passed: whether every element agrees within the tolerance.
        count: the number of elements compared.
        max_abs_error: the largest |analytic - numeric|; None where the shapes differ.
        max_rel_error: the largest |analytic - numeric| / max(|analytic|, |numeric|); both zero counts as equal.
        worst: the element furthest outside its tolerance, None where there is nothing to compare.
        tolerance: how the tolerance was chosen, in words.
        claimed: whether the gradient is the user's own.
        mistake: the id of the known mistake that explains a wrong gradient, None where there is none.
        also: the ids of the other mistakes that explain it as well.
        hint: what the mistake is and how to fix it, or where the wrong elements are; empty where all is right.
        hidden: for a right gradient of the user's, the ids of the mistakes that this layer and data can't show.
        analytic: the gradient compared, in the user's layout.
        numeric: the finite differences.
        wrong: True where an element is outside its tolerance.
        expansion: the worst element written out, where one is wrong.
    """

    name: str
    passed: bool
    count: int
    max_abs_error: Number | None
    max_rel_error: float | None
    worst: Worst | None
    tolerance: str
    claimed: bool = False
    mistake: str | None = None
    also: tuple[str, ...] = ()
    hint: str = ""
    hidden: tuple[str, ...] = ()
    analytic: Array | None = field(default=None, repr=False, compare=False)
    numeric: Array | None = field(default=None, repr=False, compare=False)
    wrong: Array | None = field(default=None, repr=False, compare=False)
    expansion: Expansion | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether the gradient passed."""
        return self.passed

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        worst = self.worst
        return {
            "passed": self.passed,
            "max_abs_error": self.max_abs_error,
            "max_rel_error": self.max_rel_error,
            "worst": None
            if worst is None
            else {
                "element": worst.element,
                "index": list(worst.index),
                "numeric": worst.numeric,
                "analytic": worst.analytic,
            },
            "mistake": self.mistake,
            "also": list(self.also),
            "hint": self.hint,
            "hidden": list(self.hidden),
        }


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        passed: whether every gradient passed.
        gradients: a report for each gradient, by name.
        layer: the layer.
        dedo: where dE/dO came from, in words.
        identity: sum(O*dE/dO), sum(X*dE/dX) and sum(W*dE/dW), without bias, which must agree; None where one of the
            two gradients was not checked.
    """

    passed: bool
    gradients: dict[str, GradientReport]
    layer: Layer
    dedo: str
    identity: tuple[Number, Number, Number] | None = None

    def __bool__(self) -> bool:
        """Whether every gradient passed, so that `assert check(...)` says what it means."""
        return self.passed

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, with the keys that `cnngrad check --json` prints."""
        names = ("sum(O*dEdO)", "sum(X*dEdX)", "sum(W*dEdW)")
        return {
            "passed": self.passed,
            "gradients": {name: gradient.as_json() for name, gradient in self.gradients.items()},
            "identity": None if self.identity is None else dict(zip(names, self.identity, strict=True)),
        }


def check(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    dedo: npt.ArrayLike | None = None,
    *,
    b: npt.ArrayLike | None = None,
    dw: npt.ArrayLike = _OURS,
    dx: npt.ArrayLike = _OURS,
    db: npt.ArrayLike = _OURS,
    rtol: float | None = None,
    step: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    dims: SupportsIndex | None = None,
) -> Report:
    """Compare gradients with central finite differences of `forward`, every element of them.

    (E(h) - E(-h)) / 2h for each element t of W, X and b, with E = sum(O * dE/dO), around t = 0: E is linear in each.

    Args:
        x: X, as for `forward`.
        w: W, as for `forward`.
        dedo: dE/dO, shape of O; without it a fixed pseudo-random one, small integers where X and W are integers.
        b: the bias, as for `forward`; with it dE/db is checked too.
        dw: a dE/dW to grade; where `dw`, `dx` or `db` is given, what is given is graded instead of `backward`.
        dx: a dE/dX to grade.
        db: a dE/db to grade.
        rtol: the tolerance as a fraction of the sum of absolute terms; chosen by the dtype where None.
        step: the step of the differences; by default 1, at which every one is exact.
        progress: called with a gradient's name and its numbers of steps done and of all steps.
        stride: as for `forward`, and so the other options.
        padding: see `forward`.
        dilation: see `forward`.
        groups: see `forward`.
        flip: see `forward`.
        dims: see `forward`.

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
    options: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "flip": flip,
        "dims": dims,
    }
    x, w = as_tensor("X", x), as_tensor("W", w)
    b = None if b is None else as_tensor("b", b)
    dedo = None if dedo is None else as_tensor("dEdO", dedo)
    layer = make_layer(
        x.shape,
        w.shape,
        b_shape=None if b is None else b.shape,
        dedo_shape=None if dedo is None else dedo.shape,
        **options,
    )
    source = "given"
    yours = {key: claim for key, claim in (("dw", dw), ("dx", dx), ("db", db)) if claim is not _OURS}
    for key, claim in yours.items():
        if claim is None:
            raise CnngradError(
                f"{key} is None: give the gradient to grade, or leave {key} out to check ours "
                f"(in PyTorch .grad is None before backward() has run)"
            )
    if dedo is None and yours:
        raise CnngradError(
            "dEdO is missing: a gradient of yours can be graded with the dE/dO alone that it was computed with "
            "(-g FILE, or -g ones for E = sum of O)"
        )
    if dedo is None:
        dedo = _pseudo_random(layer, common_dtype(x.dtype, w.dtype))
        source = "pseudo-random (none was given), the same every time"
    if rtol is not None and not (is_number(rtol) and rtol >= 0):
        raise CnngradError(f"rtol is {rtol!r}: it must be a number of 0 or more")
    keys = {"dw": "dEdW", "dx": "dEdX", "db": "dEdb"}
    claims = {keys[key]: as_tensor(keys[key], claim) for key, claim in yours.items()}
    claimed = bool(claims)
    if not claims:
        grads = backward(x, w, dedo, **options)
        claims = {"dEdW": grads.dw, "dEdX": grads.dx} | ({"dEdb": grads.db} if b is not None else {})
    differences = Differences(layer, x, w, b, dedo, options, step)
    grader = _Grader(layer, x, w, b, dedo, options, rtol, claimed)
    reports = {}
    for name, claim in claims.items():
        numeric = differences.gradient(name, None if progress is None else partial(progress, name))
        reports[name] = grader.grade(name, claim, numeric)
    identity = _identity(x, w, dedo, reports, options)
    return Report(all(r.passed for r in reports.values()), reports, layer, source, identity)


def _identity(
    x: Array, w: Array, dedo: Array, reports: Mapping[str, GradientReport], options: Mapping[str, Any]
) -> tuple[Number, Number, Number] | None:
    """The three sums that must agree; None where one of the two gradients was not checked, or has a wrong shape."""
    parts = [(x, reports.get("dEdX")), (w, reports.get("dEdW"))]
    gradients = [(array, report.analytic) for array, report in parts if report is not None and report.wrong is not None]
    if len(gradients) < 2:
        return None
    try:
        pairs = [(forward(x, w, **options), dedo), *gradients]
    except CnngradError:
        # O itself is too large for its dtype, though its gradients are not.
        return None
    decimals = any(a.dtype.kind == "f" for pair in pairs for a in pair if a is not None)
    first, second, third = (_inner(a, g, decimals) for a, g in pairs if g is not None)
    return first, second, third


def _inner(first: Array, second: Array, decimals: bool) -> Number:
    """sum(first * second), exact on integers."""
    if decimals:
        return float(np.vdot(first.astype(np.float64, copy=False), second.astype(np.float64, copy=False)))
    return int((first.astype(object) * second.astype(object)).sum())


class _Grader:
    """Compares claimed gradients of one layer with their finite differences."""

    def __init__(
        self,
        layer: Layer,
        x: Array,
        w: Array,
        b: Array | None,
        dedo: Array,
        options: Mapping[str, Any],
        rtol: float | None,
        claimed: bool,
    ) -> None:
        self._layer, self._x, self._w, self._b, self._dedo = layer, x, w, b, dedo
        self._options = options
        self._sizes: Gradients | None = None
        self._rtol = rtol
        self._claimed = claimed

    def grade(self, name: str, claim: Array, numeric: Array) -> GradientReport:
        if claim.shape == (1,) and numeric.shape == ():
            claim = claim.reshape(())
        precision, reason = self._precision(name, claim, numeric)
        sizes = self._absolute_sums(name).reshape(numeric.shape)
        if claim.shape != numeric.shape:
            found = self._diagnose(name, claim, numeric, sizes, precision)
            shape = f"{name} has shape {claim.shape}, but it must be {numeric.shape}, the shape of {name[3:]}."
            return GradientReport(
                name, False, 0, None, None, None, "", self._claimed, found.mistake, found.also,
                f"{shape} {found.hint}".strip(), analytic=claim, numeric=numeric,
            )  # fmt: skip
        tolerance = precision.allowed(numeric, sizes)
        error = _difference(claim, numeric)
        wrong = error > tolerance
        index = _worst(error, tolerance)
        report = GradientReport(
            name,
            passed=not wrong.any(),
            count=error.size,
            max_abs_error=error.max().item(),
            max_rel_error=_relative(error, claim, numeric),
            worst=Worst(self._element(name, index), index, numeric[index].item(), claim[index].item()),
            tolerance=reason,
            claimed=self._claimed,
            analytic=claim,
            numeric=numeric,
            wrong=wrong,
        )
        if report.passed:
            hidden = hidden_mistakes(self._data(name, claim, numeric), (name,)) if self._claimed else ()
            return replace(report, hidden=hidden)
        found = self._diagnose(name, claim, numeric, sizes, precision)
        if found.mistake is None and (error <= precision.loose(numeric, sizes)).all():
            note = "right, but less precise than a sum of these terms needs to be: it loses what a plain loop loses"
            return replace(report, passed=True, hint=f"It is {note}.")
        located = locate(self._layer, name, wrong)
        return replace(
            report,
            mistake=found.mistake,
            also=found.also,
            hint=found.hint or f"No known mistake gives this: {located}.",
            expansion=self._expansion(name, index, numeric),
        )

    def _diagnose(self, name: str, claim: Array, numeric: Array, sizes: Array, precision: Precision) -> Diagnosis:
        data = self._data(name, claim, numeric)
        magnitude = sizes.reshape(data.right[name].shape)
        if self._layer.flip and name == "dEdW":
            magnitude = np.flip(magnitude, data.spatial)
        return diagnose(data, name, claim, magnitude, precision)

    def _absolute_sums(self, name: str) -> Array:
        """For each element the sum of its terms' absolute values, the scale of rounding in any formula for it.

        It is the gradient of the absolute values; of the tolerance it is the scale alone, and the numeric gradient has
        no part of it.
        """
        if self._sizes is None:
            given = (self._x, self._w, self._dedo)
            wide = np.float32 if all(a.dtype in (np.float16, np.float32) for a in given) else np.float64
            try:
                self._sizes = backward(*(np.abs(a.astype(wide, copy=False)) for a in given), **self._options)
            except CnngradError:
                self._sizes = backward(*(np.abs(a.astype(np.float64)) for a in given), **self._options)
        return {"dEdW": self._sizes.dw, "dEdX": self._sizes.dx, "dEdb": self._sizes.db}[name]

    def _data(self, name: str, claim: Array, numeric: Array) -> Data:
        """The layer's numbers for the catalogue, with the finite differences as the right gradient."""
        layer = self._layer
        work = numeric.dtype
        w, right = self._w.reshape(layer.canonical["W"]), numeric.reshape(layer.canonical[name[3:]])
        if layer.flip:
            spatial = tuple(range(2, 2 + layer.dims))
            w = np.flip(w, spatial)
            right = np.flip(right, spatial) if name == "dEdW" else right
        return Data(
            layer,
            self._x.reshape(layer.canonical["X"]).astype(work, copy=False),
            w.astype(work, copy=False),
            self._dedo.reshape(layer.canonical["O"]).astype(work, copy=False),
            {name: right},
            claim.shape,
            None if self._b is None else self._b.reshape(layer.canonical["b"]).astype(work, copy=False),
        )

    def _element(self, name: str, index: tuple[int, ...]) -> str:
        return Names(self._layer).symbol(name[3:].lower(), self._canonical(name, index), gradient=True).name

    def _canonical(self, name: str, index: tuple[int, ...]) -> tuple[int, ...]:
        return (0,) * (len(self._layer.canonical[name[3:]]) - len(index)) + index

    def _expansion(self, name: str, index: tuple[int, ...], numeric: Array) -> Expansion:
        arrays = {"X": self._x, "W": self._w, "dEdO": self._dedo, name: numeric}
        expander = Expander(self._layer, Values.of(self._layer, arrays))
        return expander.expand(name[3:].lower(), self._canonical(name, index), limit=_MOST_TERMS)

    def _precision(self, name: str, claim: Array, numeric: Array) -> tuple[Precision, str]:
        """How precisely the claim is to be judged, and the reason for it in words."""
        if self._rtol is not None:
            return Precision(self._rtol), f"{self._rtol:g} of the sum of absolute terms, as asked for"
        if claim.dtype.kind == "i" and numeric.dtype.kind == "i":
            return Precision(0.0), "none: integers are exact"
        layer = self._layer
        terms = layer.batch * math.prod(layer.out)
        if name == "dEdX":
            terms = layer.group_filters * math.prod(layer.kernel)
        given = [a.dtype for a in (claim, self._x, self._w, self._dedo)]
        half = claim.dtype == np.float16
        single = half or np.float32 in given or np.float16 in given or _is_single(claim)
        computed = np.float32 if single else np.float64
        fraction = spread(computed, terms)
        # A plain loop over terms of one sign drifts: a rounding each, most of them in the same direction.
        worst = max(spread(claim.dtype if half else computed, terms), terms / 4 * float(np.finfo(computed).eps))
        reason = f"{fraction:.1e} of the sum of absolute terms: rounding of {terms} terms in {np.dtype(computed)}"
        tiny = terms * float(np.finfo(computed).smallest_subnormal)
        if half:
            info = np.finfo(np.float16)
            precision = Precision(fraction, 2 * float(info.smallest_subnormal), eps=float(info.eps), worst=worst)
            return precision, f"{reason}, and of the result to float16"
        unit, digits = evident_rounding(claim)
        if unit:
            reason += f"; yours is rounded to {unit:g}"
        elif digits:
            reason += f"; yours is rounded to {digits} significant digits"
        return Precision(fraction, max(unit, tiny), digits, worst=worst), reason


# Elements that are compared at a time.
_BLOCK = 2**18
# Terms of the worst element that are written out.
_MOST_TERMS = 64
# Elements that are looked at to see to how many significant digits a claim is rounded.
_MOST_LOOKED_AT = 2000


def evident_rounding(claim: Array) -> tuple[float, int]:
    """The last decimal place, or the number of significant digits, to which all of a claim's numbers are rounded.

    Both are 0 where the numbers are not evidently rounded, or so coarsely that little of them is left.

    >>> evident_rounding(np.array([1.2346, 0.5, -3.1416]))
    (0.0001, 0)
    """
    largest = float(np.abs(claim).max()) if claim.size else 0.0
    if largest == 0:
        return 0.0, 0
    for places in range(9):
        unit = 10.0**-places
        if unit <= 0.01 * largest and np.array_equal(np.round(claim, places), claim):
            return unit, 0
    some = claim.ravel()[:: max(1, claim.size // _MOST_LOOKED_AT)].tolist()
    for digits in range(3, 8):
        if all(claim.dtype.type(f"{value:.{digits}g}") == value for value in some):
            return 0.0, digits
    return 0.0, 0


def _is_single(claim: Array) -> bool:
    """Whether decimals given as float64 are all float32 numbers."""
    if claim.dtype != np.float64 or not claim.any():
        return False
    with np.errstate(over="ignore"):
        return bool(np.array_equal(claim.astype(np.float32), claim))


def _difference(claim: Array, numeric: Array) -> Array:
    """|claim - numeric|; of integers whose difference may pass int64, as float64."""
    if claim.dtype.kind == numeric.dtype.kind == "i":
        if largest_magnitude(claim) + largest_magnitude(numeric) > INT64_MAX:
            error: Array = np.abs(claim.astype(object) - numeric.astype(object)).astype(np.float64)
            return error
        return np.abs(np.subtract(claim, numeric))
    with np.errstate(over="ignore"):
        return np.abs(np.subtract(claim, numeric, dtype=np.float64))


def _worst(error: Array, tolerance: Array) -> tuple[int, ...]:
    """The element furthest outside its tolerance."""
    # Where nothing is tolerated, the largest error is the worst.
    with np.errstate(over="ignore"):
        excess = error / tolerance if tolerance.all() else np.where(error > tolerance, error, 0)
    return tuple(int(k) for k in np.unravel_index(int(excess.argmax()), excess.shape))


def _relative(error: Array, claim: Array, numeric: Array) -> float:
    """The largest |analytic - numeric| / max(|analytic|, |numeric|), block by block to save memory."""
    largest = 0.0
    flat = [a.reshape(-1) for a in (error, claim, numeric)]
    for first in range(0, error.size, _BLOCK):
        off, left, right = (a[first : first + _BLOCK].astype(np.float64) for a in flat)
        size = np.maximum(np.abs(left), np.abs(right))
        largest = max(largest, float(np.divide(off, size, out=np.zeros(off.shape), where=size > 0).max()))
    return largest


def _pseudo_random(layer: Layer, dtype: Any) -> Array:
    generator = np.random.default_rng(_SEED)
    shape = layer.shapes["O"]
    if dtype.kind == "i":
        return generator.integers(-9, 10, shape)
    return generator.standard_normal(shape).astype(dtype)
