"""The plan: which way computes a result of a layer, in how many tiles, and why; made first, then carried out.

Each result is computed by the first way in its row that suits the layer:

| result | ways |
| --- | --- |
| O | gathering, spectra (where sums may be rounded as parts of larger ones), rows, columns |
| dE/dW | gathering, rows, columns |
| dE/dX | adding up; else for each phase of the stride a convolution of dE/dO, by one of O's ways |
"""

from bisect import bisect
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, reduce
from itertools import accumulate, product
from math import prod
from typing import Any, cast

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute.measured import MEASURED, Measured
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.compute.way import SummingWay, Way, WritingWay
from cnngrad.compute.ways.adding import AddingForInputGradient
from cnngrad.compute.ways.columns import ColumnsForFilterGradient, ColumnsForOutput
from cnngrad.compute.ways.gathering import Gathering, GatheringForFilterGradient, GatheringForOutput
from cnngrad.compute.ways.rows import RowsForFilterGradient, RowsForOutput
from cnngrad.compute.ways.spectra import SpectraForOutput
from cnngrad.layer import Layer, counted
from cnngrad.tensor import Tensor
from cnngrad.threads import Counted, Progress, run_jobs

__all__ = ["Plan", "Step", "add_up", "make_plan", "write"]

_WAYS: dict[Tensor, tuple[type[Way], ...]] = {
    Tensor.O: (GatheringForOutput, SpectraForOutput, RowsForOutput, ColumnsForOutput),
    Tensor.DW: (GatheringForFilterGradient, RowsForFilterGradient, ColumnsForFilterGradient),
    Tensor.DX: (AddingForInputGradient,),
}


@dataclass(frozen=True, eq=False)
class Step:
    """A part of a result that one way computes.

    Attributes:
        way: the way, with its layer; for dE/dX, one phase of the stride, written as a layer from dE/dO to X.
        taps: where a phase's filter elements are in W; None for a step that takes all of W, as it is.
        places: where the step's part of the result is.
    """

    way: Way
    taps: tuple[Any, ...] | None = None
    places: tuple[Any, ...] = ()

    @cached_property
    def tiles(self) -> Tiles:
        """The tiles in which it is computed."""
        return self.way.tiles()

    @cached_property
    def first(self) -> Tile:
        """The first tile."""
        return self.tiles[0]

    def weights(self, w: Array) -> Array:
        """The step's part of W by groups."""
        return w if self.taps is None else w.swapaxes(1, 2)[self.taps]


@dataclass(frozen=True, eq=False)
class Plan:
    """How one result of a layer is computed.

    Attributes:
        result: O, dE/dW or dE/dX.
        dtype: the dtype to compute in.
        steps: the parts; several for dE/dX alone, and none where no window reaches X.
        reached: whether the steps write every element of the result.
        measured: the limits and sizes with which the plan was made.
    """

    result: Tensor
    dtype: DType
    steps: tuple[Step, ...]
    reached: bool
    measured: Measured

    @cached_property
    def is_small(self) -> bool:
        """Whether gathering computes the whole result, and it is so small that BLAS works in one thread anyway."""
        if len(self.steps) != 1 or not self.reached or not isinstance(self.steps[0].way, Gathering):
            return False
        layer = self.steps[0].way.layer
        positions = max(prod(layer.out), prod(layer.size)) * prod(layer.kernel)
        return layer.batch * max(layer.channels, layer.filters) * positions <= self.measured.one_thread

    def __str__(self) -> str:
        """Which way, why, and in how many tiles.

        >>> from cnngrad.layer import make_layer
        >>> print(make_plan(make_layer((1024, 1024), (3, 3)), Tensor.O, np.dtype(float)))
        O by rows (wide rows and few filters, of which X need not be copied K times), 17 tiles
        """
        if not self.steps:
            return f"{self.result.key}: no window reaches X, so all is 0"
        steps = [f"{s.way.name} ({s.way.suits}), {counted(len(s.tiles), 'tile')}" for s in self.steps]
        if self.steps[0].taps is None:
            return f"{self.result.key} by {steps[0]}"
        return f"{self.result.key} by {counted(len(steps), 'convolution')} of dEdO: {'; '.join(steps)}"


@lru_cache(maxsize=256)
def make_plan(layer: Layer, result: Tensor, dtype: DType, rounded: bool = True, measured: Measured = MEASURED) -> Plan:
    """The plan for a result of a layer that is not flipped.

    Args:
        layer: the layer.
        result: O, dE/dW or dE/dX.
        dtype: the dtype to compute in.
        rounded: whether O's sums may be rounded as parts of larger sums, by 1e-13 of the largest term.
        measured: the limits and sizes.
    """
    way = _chosen(result, layer, dtype, rounded, measured)
    return _by_phases(layer, dtype, measured) if way is None else Plan(result, dtype, (Step(way),), True, measured)


def _chosen(result: Tensor, layer: Layer, dtype: DType, rounded: bool, measured: Measured) -> Way | None:
    """The first way in the table that suits the layer."""
    ways = (way(layer, dtype, measured) for way in _WAYS[result] if rounded or way is not SpectraForOutput)
    return next((way for way in ways if way.can()), None)


def _by_phases(layer: Layer, dtype: DType, measured: Measured) -> Plan:
    """dE/dX as a convolution of dE/dO with W rotated, for each phase of the stride, without zeros between elements."""
    steps = []
    for phases in product(*(axis.phases for axis in layer.axes)):
        # The way back is flipped: W is rotated instead.
        axes = tuple(replace(phase.axis, flip=False) for phase in phases)
        back = replace(layer, axes=axes, channels=layer.filters, filters=layer.channels, x_lead=2, w_lead=2)
        way = cast(Way, _chosen(Tensor.O, back, dtype, False, measured))
        taps = (..., *(_reversed(phase.taps, axis.kernel) for phase, axis in zip(phases, layer.axes, strict=True)))
        places = (..., *(phase.inputs for phase in phases))
        steps.append(Step(way, taps, places))
    reached = sum(prod(step.way.layer.out) for step in steps) == prod(layer.size)
    return Plan(Tensor.DX, dtype, tuple(steps), reached, measured)


def _reversed(taps: slice, size: int) -> slice:
    """The same elements of an axis from the last to the first."""
    numbers = range(size)[taps]
    return slice(numbers[-1], numbers[0] - 1 if numbers[0] else None, -numbers.step)


def write(
    plan: Plan, source: Array, w: Array, b: Array | None, target: Array, progress: Progress | None = None
) -> None:
    """Write O or dE/dX.

    Args:
        plan: the plan for it.
        source: X, or for dE/dX dE/dO; canonical, of any dtype and strides.
        w: W by groups, (g, F/g, C/g, *K), of any dtype and strides.
        b: the bias (F,) in the dtype to compute in; None for none.
        target: where to write; canonical, of any dtype that holds the sums.
        progress: called as tiles are done.
    """
    if plan.is_small:
        step, way = plan.steps[0], cast(WritingWay, plan.steps[0].way)
        way.write(step.first, source, way.prepared(step.weights(w)), b, target)
        return
    if not plan.reached:
        target[...] = 0
    # One copy of W at most.
    ways = [cast(WritingWay, step.way) for step in plan.steps]
    weights = [way.prepared(step.weights(w)) for way, step in zip(ways, plan.steps, strict=True)]
    targets = [target[step.places] for step in plan.steps]
    ends = list(accumulate(len(step.tiles) for step in plan.steps))
    tally = Counted(ends[-1] if ends else 0, progress)

    def job(number: int) -> None:
        k = bisect(ends, number)
        step = plan.steps[k]
        tile = step.tiles[number - (ends[k - 1] if k else 0)]
        ways[k].write(tile, source, weights[k], b, targets[k])
        tally.add()

    run_jobs(ends[-1] if ends else 0, job)


def add_up(plan: Plan, x: Array, dedo: Array, target: Array, progress: Progress | None = None) -> None:
    """Write dE/dW.

    Args:
        plan: the plan for it.
        x: X, canonical, of any dtype and strides.
        dedo: dE/dO, canonical, of any dtype and strides.
        target: where to write, by groups, (g, F/g, C/g, *K), of any strides and any dtype that holds the sums.
        progress: called as tiles are done.
    """
    (step,) = plan.steps
    way = cast(SummingWay, step.way)
    if plan.is_small:
        target[...] = way.part(step.first, x, dedo)
        return
    # Where each job has channels of its own, each needs one sum; otherwise the number of partial sums is fixed,
    # whatever the number of threads.
    blocks, each = step.tiles.blocks, len(step.tiles) // step.tiles.blocks
    sums = 1 if blocks > 1 else min(each, plan.measured.sums)
    found: dict[int, Array] = {}
    tally = Counted(len(step.tiles), progress)

    def job(number: int) -> None:
        block, part = divmod(number, sums)
        first, stop = part * each // sums, (part + 1) * each // sums
        total = np.empty(0)
        for k in range(first, stop):
            tile = step.tiles[block * each + k]
            own = way.part(tile, x, dedo)
            total = own if k == first else np.add(total, own, out=total)
            tally.add()
        if sums == 1:
            target[tile.weights(way.layer)] = total
        else:
            found[number] = total

    run_jobs(blocks * sums, job)
    if found:
        target[...] = reduce(np.add, (found[number] for number in range(sums)))
