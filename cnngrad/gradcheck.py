"""Finite differences of `forward`, and the grading of a claimed gradient against them.

Nothing of `backward` is used to get the numeric gradient. E = sum(O * dE/dO) is linear in X, in W and in b, so a
central difference has no truncation error at any step: the step is a power of two near the data's scale, and on
integers the difference is exact.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from cnngrad.arrays import INT64_MAX, Array, as_tensor, common_dtype, largest_magnitude
from cnngrad.conv import backward, exact_gradient_dtype, forward
from cnngrad.errors import CnngradError
from cnngrad.expansion import Names, Number
from cnngrad.geometry import Layer, Padding, PerAxis, make_layer

__all__ = ["GradientReport", "NumericGradient", "Report", "Worst", "check"]

# The seed of the dE/dO that is used where none is given.
_SEED = 0


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
class NumericGradient:
    """A gradient by finite differences.

    Attributes:
        value: the gradient, in the user's layout; int64 and exact on integers, else float64.
        magnitude: for each element the sum of its terms' absolute values, the scale of rounding in any formula.
        noise: for each element a bound on what rounding in the differences themselves can contribute.
    """

    value: Array
    magnitude: Array
    noise: Array


@dataclass(frozen=True)
class GradientReport:
    """How one gradient compares with its finite differences.

    Attributes:
        name: `"dEdW"`, `"dEdX"` or `"dEdb"`.
        passed: whether every element agrees within the tolerance.
        count: the number of elements compared.
        max_abs_error: the largest |analytic - numeric|.
        max_rel_error: the largest |analytic - numeric| / max(|analytic|, |numeric|); both zero counts as equal.
        worst: the element furthest outside its tolerance, None where there is nothing to compare.
        tolerance: how the tolerance was chosen, in words.
        claimed: whether the gradient is the user's own.
        mistake: the id of the known mistake that explains a wrong gradient, None where there is none.
        hint: what the mistake is and how to mend it; empty where nothing is known.
    """

    name: str
    passed: bool
    count: int
    max_abs_error: Number
    max_rel_error: float
    worst: Worst | None
    tolerance: str
    claimed: bool = False
    mistake: str | None = None
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        passed: whether every gradient passed.
        gradients: a report for each gradient, by name.
        layer: the layer in one line.
        dedo: where dE/dO came from, in words.
    """

    passed: bool
    gradients: dict[str, GradientReport]
    layer: str
    dedo: str

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, with the keys that `cnngrad check --json` prints."""
        return {"passed": self.passed, "gradients": {name: _plain(g) for name, g in self.gradients.items()}}


def _plain(report: GradientReport) -> dict[str, Any]:
    worst = report.worst
    return {
        "passed": report.passed,
        "max_abs_error": report.max_abs_error,
        "max_rel_error": report.max_rel_error,
        "worst": worst
        and {
            "element": worst.element,
            "index": list(worst.index),
            "numeric": worst.numeric,
            "analytic": worst.analytic,
        },
        "mistake": report.mistake,
        "hint": report.hint,
    }


def check(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    dedo: npt.ArrayLike | None = None,
    *,
    b: npt.ArrayLike | None = None,
    dw: npt.ArrayLike | None = None,
    dx: npt.ArrayLike | None = None,
    db: npt.ArrayLike | None = None,
    rtol: float | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    dims: SupportsIndex | None = None,
) -> Report:
    """Compare gradients with central finite differences of `forward`, every element of them.

    (E(t + h) - E(t - h)) / 2h for each element t of W, X and b, with E = sum(O * dE/dO).

    Args:
        x: X, as for `forward`.
        w: W, as for `forward`.
        dedo: dE/dO, shape of O; without it a fixed pseudo-random one, small integers where X and W are integers.
        b: the bias, as for `forward`; with it dE/db is checked too.
        dw: a dE/dW to grade; where `dw`, `dx` or `db` is given, what is given is graded instead of `backward`.
        dx: a dE/dX to grade.
        db: a dE/db to grade.
        rtol: the tolerance as a fraction of the sum of absolute terms; chosen by the dtype where None.
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

    >>> check([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, 4]], [[1, 2], [3, 4]]).passed
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
    layer = make_layer(x.shape, w.shape, **options, has_bias=b is not None)
    if b is not None:
        layer.check_bias(b.shape)
    source = "given"
    if dedo is None:
        dedo, source = _pseudo_random(layer, common_dtype(x, w)), "pseudo-random (none was given), the same every time"
    dedo = as_tensor("dEdO", dedo)
    layer.check_dedo(dedo.shape)
    if rtol is not None and not rtol >= 0:
        raise CnngradError(f"rtol is {rtol}: it must be 0 or more")
    claims = {
        name: as_tensor(name, claim) for name, claim in (("dEdW", dw), ("dEdX", dx), ("dEdb", db)) if claim is not None
    }
    claimed = bool(claims)
    if not claims:
        grads = backward(x, w, dedo, **options)
        claims = {"dEdW": grads.dw, "dEdX": grads.dx} | ({"dEdb": grads.db} if b is not None else {})
    differences = Differences(layer, x, w, b, dedo, options)
    reports = {}
    for name, claim in claims.items():
        reports[name] = _grade(layer, name, claim, differences.gradient(name), rtol, claimed)
    return Report(all(r.passed for r in reports.values()), reports, layer.describe(), source)


class Differences:
    """Central differences of `forward` for one layer and its data, in float64, or in int64 where all is integer."""

    def __init__(
        self, layer: Layer, x: Array, w: Array, b: Array | None, dedo: Array, options: Mapping[str, Any]
    ) -> None:
        """Copies of the arrays to move, so that the user's stay as they are."""
        self._layer = layer
        self._options = options
        self.exact = common_dtype(x, w, b, dedo).kind == "i"
        work = np.dtype(np.int64 if self.exact else np.float64)
        if self.exact:
            exact_gradient_dtype(layer, x, w, dedo)
        bias = np.zeros(layer.shapes["b"], work) if b is None else b
        self._arrays = {"X": x.astype(work), "W": w.astype(work), "b": bias.astype(work)}
        self._dedo = dedo.astype(work, copy=False).reshape(layer.canonical["O"])

    def gradient(self, name: str) -> NumericGradient:
        """The numeric gradient `"dEdX"`, `"dEdW"` or `"dEdb"`, by moving X, W or b."""
        moved = name.removeprefix("dEd")
        h = self._step(self._arrays[moved])
        shape = self._layer.canonical[moved]
        value = np.zeros(shape, self._dedo.dtype)
        magnitude, noise = np.zeros(shape), np.zeros(shape)
        per_output = self._noise_per_output(moved, h)
        for move in _MOVES[moved](self._layer):
            change = self._change(moved, move.elements, h) * self._dedo
            move.store(value, change)
            move.store(magnitude, np.abs(change).astype(np.float64))
            move.store(noise, per_output)
        user = self._arrays[moved].shape
        return NumericGradient(value.reshape(user), magnitude.reshape(user), noise.reshape(user))

    def _change(self, moved: str, elements: tuple[Any, ...], h: Number) -> Array:
        """dO/dt for the moved elements t: (O(t + h) - O(t - h)) / 2h."""
        array = self._arrays[moved].reshape(self._layer.canonical[moved])
        saved = array[elements].copy()
        array[elements] = saved + h
        plus = self._forward()
        array[elements] = saved - h
        minus = self._forward()
        array[elements] = saved
        change: Array = plus - minus
        return change // 2 if self.exact else change / (2 * h)

    def _forward(self) -> Array:
        o = forward(self._arrays["X"], self._arrays["W"], self._arrays["b"], **self._options)
        return o.reshape(self._layer.canonical["O"])

    def _step(self, array: Array) -> Number:
        """1 for integers, else the power of two at or below the largest magnitude."""
        if self.exact:
            if largest_magnitude(array) == INT64_MAX:
                raise CnngradError(f"{INT64_MAX} can't be moved by 1 within int64: use smaller integers")
            return 1
        largest = float(np.abs(array).max())
        return 2.0 ** math.floor(math.log2(largest)) if largest > 0 else 1.0

    def _noise_per_output(self, moved: str, h: Number) -> Array:
        """What rounding in the two forward passes can add to each output's part of a difference."""
        if self.exact:
            return np.zeros(self._dedo.shape)
        sizes = {name: np.abs(array) for name, array in self._arrays.items()}
        sizes[moved] = sizes[moved] + h
        o = forward(sizes["X"], sizes["W"], sizes["b"], **self._options).reshape(self._dedo.shape)
        terms = self._layer.group_channels * math.prod(self._layer.kernel)
        noise: Array = o * np.abs(self._dedo) * (_spread(np.float64, terms) / h)
        return noise


@dataclass(frozen=True)
class _Move:
    """Elements to move in one pass, and how to tell their shares in a change of the output apart.

    Attributes:
        elements: an index into the canonical array: what moves.
        store: adds up a (N, F, *out) array over the outputs that each moved element feeds, into a gradient.
    """

    elements: tuple[Any, ...]
    store: Callable[[Array, Array], None]


def _moves_of_x(layer: Layer) -> Iterator[_Move]:
    """One move per channel of a group and colour: elements whose windows never meet, in all samples and groups."""
    per_axis = [[axis.colour(r) for r in range(axis.span)] for axis in layer.axes]
    for c in range(layer.group_channels):
        for colours in product(*per_axis):
            if all(colours):
                yield _move_of_x(layer, c, colours)


def _move_of_x(layer: Layer, c: int, colours: tuple[list[tuple[int, int, int]], ...]) -> _Move:
    positions = [[h for h, _, _ in segments] for segments in colours]
    chosen = np.ix_(range(layer.batch), range(c, layer.channels, layer.group_channels), *positions)

    def store(gradient: Array, change: Array) -> None:
        shares = change.reshape(layer.batch, layer.groups, layer.group_filters, *layer.out).sum(axis=2)
        for axis, segments in enumerate(colours, start=2):
            # Windows that hold a moved element stand side by side, those of the next element follow.
            first, last = segments[0][1], segments[-1][2]
            reached = shares[(slice(None),) * axis + (slice(first, last),)]
            starts = [start - first for _, start, _ in segments]
            shares = np.add.reduceat(reached, starts, axis=axis)
        gradient[chosen] = shares

    return _Move(chosen, store)


def _moves_of_w(layer: Layer) -> Iterator[_Move]:
    """One move per channel of a group and filter position: that element of every filter."""
    for c in range(layer.group_channels):
        for u in np.ndindex(layer.kernel):
            yield _move_of_filters((slice(None), c, *u))


def _moves_of_b(layer: Layer) -> Iterator[_Move]:
    """One move: the bias of every filter."""
    yield _move_of_filters((slice(None),))


def _move_of_filters(elements: tuple[Any, ...]) -> _Move:
    def store(gradient: Array, change: Array) -> None:
        gradient[elements] = change.sum(axis=(0, *range(2, change.ndim)))

    return _Move(elements, store)


_MOVES: dict[str, Callable[[Layer], Iterator[_Move]]] = {"X": _moves_of_x, "W": _moves_of_w, "b": _moves_of_b}


def _grade(
    layer: Layer, name: str, claim: Array, numeric: NumericGradient, rtol: float | None, claimed: bool
) -> GradientReport:
    if claim.shape != numeric.value.shape:
        return GradientReport(
            name,
            passed=False,
            count=0,
            max_abs_error=math.inf,
            max_rel_error=math.inf,
            worst=None,
            tolerance="",
            claimed=claimed,
            hint=f"{name} has shape {claim.shape}: it must be {numeric.value.shape}, the shape of {name[3:]}",
        )
    tolerance, reason = _tolerance(layer, name, claim, numeric, rtol)
    error = np.abs(claim - numeric.value)
    size = np.maximum(np.abs(claim), np.abs(numeric.value))
    relative = np.divide(error, size, out=np.zeros(error.shape), where=size > 0)
    excess = np.where(error > 0, error / np.maximum(tolerance, np.finfo(np.float64).tiny), 0)
    index = tuple(int(k) for k in np.unravel_index(int(excess.argmax()), excess.shape))
    tensor = name[3:].lower()
    canonical = (0,) * (len(layer.canonical[name[3:]]) - len(index)) + index
    symbol = Names(layer).symbol(tensor, canonical, gradient=True)
    return GradientReport(
        name,
        passed=bool((error <= tolerance).all()),
        count=error.size,
        max_abs_error=error.max().item(),
        max_rel_error=float(relative.max()),
        worst=Worst(symbol.name, index, numeric.value[index].item(), claim[index].item()),
        tolerance=reason,
        claimed=claimed,
    )


def _tolerance(
    layer: Layer, name: str, claim: Array, numeric: NumericGradient, rtol: float | None
) -> tuple[Array, str]:
    """The allowed |analytic - numeric| of each element, and the reason for it in words."""
    if claim.dtype.kind == "i" and numeric.value.dtype.kind == "i" and rtol is None:
        return np.zeros(claim.shape), "none: integers are exact"
    if rtol is not None:
        return rtol * numeric.magnitude + numeric.noise, f"{rtol:g} of the sum of absolute terms, as --rtol asks"
    terms = layer.batch * math.prod(layer.out)
    if name == "dEdX":
        terms = layer.group_filters * math.prod(layer.kernel)
    computed = np.float32 if claim.dtype in (np.float16, np.float32) else np.float64
    fraction = _spread(computed, terms)
    allowed = fraction * numeric.magnitude + numeric.noise + terms * np.finfo(computed).smallest_subnormal
    reason = f"{fraction:.1e} of the sum of absolute terms: rounding of {terms} terms in {np.dtype(computed)}"
    if claim.dtype == np.float16:
        half = np.finfo(np.float16)
        allowed = allowed + float(half.eps) * np.abs(numeric.value) + float(half.smallest_subnormal)
        reason += ", and of the result to float16"
    return allowed, reason


def _spread(dtype: npt.DTypeLike, terms: int) -> float:
    """How far a sum of `terms` products may be off by rounding, as a fraction of the sum of absolute terms."""
    return float(np.finfo(dtype).eps) * (8 + 2 * math.sqrt(terms))


def _pseudo_random(layer: Layer, dtype: Any) -> Array:
    generator = np.random.default_rng(_SEED)
    shape = layer.shapes["O"]
    if dtype.kind == "i":
        return generator.integers(-9, 10, shape)
    return generator.standard_normal(shape).astype(dtype)
