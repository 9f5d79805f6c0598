"""The plan: which way computes a result of a layer, in how many tiles, and why.

Each result is computed by the first way in its row that suits the layer:

| result | ways |
| --- | --- |
| O | gathering, spectra (if sums may be rounded as parts of larger ones), rows, columns |
| dE/dW | gathering, rows, columns |
| dE/dX | adding up; else for each phase of the stride a convolution of dE/dO, by one of O's ways |
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, reduce
from itertools import product
from math import prod
from operator import iadd
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.compute import measured
from cnngrad.compute.tiles import Tile, Tiles
from cnngrad.compute.way import Way
from cnngrad.compute.ways.adding import AddingUp
from cnngrad.compute.ways.columns import Columns
from cnngrad.compute.ways.gathering import Gathering
from cnngrad.compute.ways.rows import Rows
from cnngrad.compute.ways.spectra import Spectra
from cnngrad.layer import Layer
from cnngrad.tensor import DW, DX, O, Tensor
from cnngrad.threads import Progress, run_jobs, tally

__all__ = ["Plan", "Step", "add_up", "make_plan", "write"]

_WAYS: dict[Tensor, tuple[type[Way], ...]] = {
    O: (Gathering, Spectra, Rows, Columns),
    DW: (Gathering, Rows, Columns),
    DX: (AddingUp,),
}


class Step(NamedTuple):
    """A part of a result that one way computes.

    Attributes:
        way: the way, with its layer; for dE/dX, one phase of the stride, written as a layer from dE/dO to X.
        tiles: the tiles in which it is computed.
        taps: the index of a phase's filter elements in W; None for a step that uses W unchanged.
        places: the index of the step's part of the result.
    """

    way: Way
    tiles: Tiles
    taps: tuple[Any, ...] | None = None
    places: tuple[Any, ...] = ()


class Plan(NamedTuple):
    """How one result of a layer is computed.

    Attributes:
        steps: the parts; only dE/dX has several, or none if no window reaches X.
        reached: whether the steps write every element of the result.
        whole: the only tile, if gathering computes the result and BLAS would use one thread anyway; otherwise None.
    """

    steps: tuple[Step, ...]
    reached: bool
    whole: Tile | None


@lru_cache(maxsize=256)
def make_plan(layer: Layer, result: Tensor, dtype: DType, rounded: bool = True) -> Plan:
    """The plan for O, dE/dW or dE/dX of a layer that is not flipped, computed in `dtype`.

    With `rounded` O's sums may be rounded as parts of larger sums, by 1e-13 of the largest term.
    """
    ways = (way(layer, result, dtype) for way in _WAYS[result] if rounded or way is not Spectra)
    way = next((way for way in ways if way.can()), None)
    steps = tuple(_phases(layer, dtype)) if way is None else (Step(way, way.tiles()),)
    reached = way is not None or sum(prod(step.way.layer.out) for step in steps) == prod(layer.size)
    positions = max(prod(layer.out), prod(layer.size)) * prod(layer.kernel)
    small = layer.batch * max(layer.channels, layer.filters) * positions <= measured.ONE_THREAD
    alone = small and reached and len(steps) == 1 and isinstance(steps[0].way, Gathering)
    return Plan(steps, reached, steps[0].tiles[0] if alone else None)


def _phases(layer: Layer, dtype: DType) -> Iterator[Step]:
    """dE/dX as a convolution of dE/dO with W rotated, for each phase of the stride, without zeros between elements."""
    for phases in product(*(axis.phases for axis in layer.axes)):
        inputs, taps, axes = zip(*phases, strict=True)
        back = replace(layer, axes=axes, channels=layer.filters, filters=layer.channels, x_lead=2, w_lead=2)
        (step,) = make_plan(back, O, dtype, False).steps
        yield step._replace(taps=(..., *taps), places=(..., *inputs))


def write(
    plan: Plan, source: Array, w: Array, b: Array | None, target: Array, progress: Progress | None = None
) -> None:
    """Write O or dE/dX.

    Args:
        plan: the plan.
        source: X, or for dE/dX dE/dO; canonical, of any dtype and strides.
        w: W by groups, (g, F/g, C/g, *K), of any dtype and strides.
        b: the bias (F,) in the dtype to compute in; None for none.
        target: where to write; canonical, of any dtype that holds the sums.
        progress: called as tiles are done.
    """
    # All steps together hold at most one copy of W.
    weights = [step.way.prepared(w if step.taps is None else w.swapaxes(1, 2)[step.taps]) for step in plan.steps]
    if plan.whole is not None:
        plan.steps[0].way.write(plan.whole, source, weights[0], b, target)
        return
    if not plan.reached:
        target[...] = 0 if b is None else b.reshape(-1, *(1,) * (target.ndim - 2))
    count = sum(len(step.tiles) for step in plan.steps)
    done = tally(count, progress)

    def job(number: int) -> None:
        for step, own in zip(plan.steps, weights, strict=True):
            if number < len(step.tiles):
                step.way.write(step.tiles[number], source, own, b, target[step.places])
                break
            number -= len(step.tiles)
        done()

    run_jobs(count, job)


def add_up(plan: Plan, x: Array, dedo: Array, target: Array, progress: Progress | None = None) -> None:
    """Write dE/dW to `target`, by groups, (g, F/g, C/g, *K), of any strides and any dtype that holds the sums.

    X and dE/dO are canonical, of any dtype and strides; `progress` is called as tiles are done.
    """
    way, tiles = plan.steps[0][:2]
    if plan.whole is not None:
        target[...] = way.part(plan.whole, x, dedo)
        return
    # Jobs with channels of their own need one sum each; otherwise the number of partial sums does not depend on the
    # number of threads.
    each = len(tiles) // tiles.blocks
    sums = 1 if tiles.blocks > 1 else min(each, measured.SUMS)
    found: list[Any] = [None] * sums
    done = tally(len(tiles), progress)

    def parts(numbers: range) -> Iterator[Array]:
        for number in numbers:
            yield way.part(tiles[number], x, dedo)
            done()

    def job(number: int) -> None:
        some = range(number * each // sums, (number + 1) * each // sums)
        total = reduce(iadd, parts(some))
        if tiles.blocks > 1:
            target[tiles[some[0]].weights] = total
        else:
            found[number] = total

    run_jobs(tiles.blocks * sums, job)
    if tiles.blocks == 1:
        target[...] = reduce(np.add, found)
