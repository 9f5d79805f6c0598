"""A backward pass as nested loops over flat arrays, and the slips of one length, index or bound in them.

Loops run over the letters n, g, f and c (sample, group, filter and channel in the group), i j k (output position) and
u v t (filter position); a letter with one value is left out. An index is a sum of letters, each times a factor, and a
place in memory a sum of indices, each times a step.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.axes import Axes
from cnngrad.layer import Layer, Relation, Shape
from cnngrad.tensor import DX, O, Tensor, W, X

__all__ = [
    "Loops", "Slips", "bounds_slipped", "indices_slipped", "lengths_slipped", "products_slipped", "right_loops",
]  # fmt: skip

# Letters of the positions of O and of W, by spatial axis.
_OUTPUTS, _TAPS = "ijk", "uvt"
Axis = tuple[Tensor, int]
Slips = Iterator[tuple[str, "Loops"]]


@dataclass(frozen=True)
class Loops:
    """Nested loops that add up products.

    Attributes:
        ranges: where the loop over each letter begins and ends, and which indices along some axes count.
        index: the index along each axis of X, W and O: the factor of each letter, and a constant under "".
        steps: how far apart in memory neighbours along each axis lie.
        shapes: the shapes of X, W and O in memory.
        frame: the zeros in front of and behind X along its axes, if they lie in memory too.
        reading: the steps by which the result is read from its memory.
        orders: the axes of X, W and O in the order of memory.
        rounded: how each product is rounded, and to a multiple of which number.
    """

    ranges: Mapping[str | Axis, tuple[int, int]]
    index: Mapping[Axis, Mapping[str, int]]
    steps: dict[Axis, int]
    shapes: Mapping[Tensor, Shape]
    frame: tuple[tuple[int, int], ...]
    reading: Mapping[Axis, int]
    orders: Mapping[Tensor, Shape]
    rounded: tuple[Callable[[Array], Array], float] = (np.positive, 1)

    def filled(self, operands: Mapping[Tensor, Array], result: Tensor) -> Array:
        """A result; what lies outside an array's memory is 0, or is lost."""
        letters = [key for key in self.ranges if isinstance(key, str)]
        grid = np.ix_(*(np.arange(*self.ranges[letter]) for letter in letters))
        values = dict(zip(letters, grid, strict=True))
        at = {axis: sum(f * values.get(letter, 1) for letter, f in each.items()) for axis, each in self.index.items()}

        def places(tensor: Tensor, size: int) -> Array:
            place = np.asarray(sum(step * at[axis] for axis, step in self.steps.items() if axis[0] is tensor))
            return np.where((place >= 0) & (place < size), place, size)

        products = np.ones([each.size for each in grid])
        for axis in at.keys() & self.ranges:
            first, end = self.ranges[axis]
            products *= (at[axis] >= first) & (at[axis] < end)
        for tensor, array in operands.items():
            framed = np.pad(array, self.frame) if tensor is X and self.frame else array
            products *= np.append(framed.transpose(self.orders[tensor]), 0)[places(tensor, framed.size)]
        (cut, unit), shape = self.rounded, self.shapes[result]
        size = prod(shape)
        there = np.broadcast_to(places(result, size), products.shape)
        memory = np.bincount(there.ravel(), unit * cut(products / unit).ravel(), size + 1)
        memory[size] = 0
        sides = self.frame if result is X and self.frame else [(0, 0)] * len(shape)
        kept = np.ix_(*(np.arange(front, end - back) for end, (front, back) in zip(shape, sides, strict=True)))
        read: Array = np.asarray(sum(self.reading[result, axis] * each for axis, each in enumerate(kept)))
        return memory[np.minimum(read, size)]


def right_loops(layer: Layer, relations: Sequence[Relation], is_framed: bool = False) -> Loops:
    """The loops of a layer that is padded with zeros, by the relations of its axes; the zeros may lie in memory."""
    outputs, taps = _OUTPUTS[: layer.dims], _TAPS[: layer.dims]
    sizes = (layer.batch, layer.groups, layer.group_filters, layer.group_channels, *layer.out, *layer.kernel)
    counts = dict(zip("ngfc" + outputs + taps, sizes, strict=True))
    ranges: dict[str | Axis, tuple[int, int]] = {letter: (0, count) for letter, count in counts.items() if count > 1}
    index, steps, orders, shapes = {}, {}, {}, dict(layer.canonical)
    sides = [(axis.before, axis.after) for axis in layer.axes]
    if is_framed:
        shapes[X] = (*shapes[X][:2], *(axis.padded for axis in layer.axes))
        relations = [Relation(s, d, c + front) for (s, d, c), (front, _) in zip(relations, sides, strict=True)]
    for tensor, axes in {X: ("n", "gc", *relations), W: ("gf", "c", *taps), O: ("n", "gf", *outputs)}.items():
        shape = shapes[tensor]
        orders[tensor] = order = Axes(layer, tensor).memory
        strides = dict(zip(order, np.empty([shape[axis] for axis in order], np.int8).strides, strict=True))
        for number, letters in enumerate(axes):
            axis = tensor, number
            if isinstance(letters, Relation):
                ranges[axis] = 0, shape[number]
                factors = dict(zip((outputs[number - 2], taps[number - 2], ""), letters, strict=True))
            else:
                factors = {letter: shape[number] // layer.groups if letter == "g" else 1 for letter in letters}
            index[axis] = {letter: f for letter, f in factors.items() if counts.get(letter) != 1}
            steps[axis] = strides[number]
    return Loops(ranges, index, steps, shapes, ((0, 0), (0, 0), *sides) if is_framed else (), steps, orders)


def lengths_slipped(layer: Layer, result: Tensor, loops: Loops) -> Slips:
    """One length of an array replaced by another in all steps, or in one; in a frame, of X alone."""
    for words, steps in _other_steps(layer, result, loops):
        yield words, replace(loops, steps=steps)
        if loops.frame and result is DX:
            yield words.replace("written", "written and cut out"), replace(loops, steps=steps, reading=steps)
            yield words.replace("written", "cut out"), replace(loops, reading=steps)


def _other_steps(layer: Layer, result: Tensor, loops: Loops) -> Iterator[tuple[str, dict[Axis, int]]]:
    named, front, behind = _lengths(layer), *(("padded ", " with its padding") if loops.frame else ("", ""))
    if loops.frame:
        plain = right_loops(layer, [axis.relation for axis in layer.axes]).steps
        yield f"padded {_used((X, 0), result)} with the lengths that it has without its padding", plain
    for axis, own in loops.steps.items():
        length = loops.shapes[axis[0]][axis[1]]
        outer = [other for other in loops.steps if other[0] is axis[0] and loops.steps[other] > own]
        for value, name in named.items() if outer and (axis[0] is X or not loops.frame) else ():
            right = f"not {length} ({_axis(layer, axis)}{behind})"
            words = f"{front}{_used(axis, result)} with length {value} ({name}), {right}"
            for changed in (*(outer[:k] for k in range(len(outer), 0, -1)), *([each] for each in outer[1:])):
                yield words, loops.steps | {each: loops.steps[each] // length * value for each in changed}


def indices_slipped(layer: Layer, result: Tensor, loops: Loops, left_out: bool) -> Slips:
    """One letter of an index left out, or replaced by another."""
    ranges = loops.ranges
    for axis, index in loops.index.items():
        limited = {**ranges, axis: (0, loops.shapes[axis[0]][axis[1]])}
        for letter in filter(None, index):
            kind = next(kind for kind in (_OUTPUTS, _TAPS, "ngfc") if letter in kind)
            for other in letter if left_out else [one for one in kind if one in ranges and one != letter]:
                changed = {other if name == letter else name: f for name, f in index.items()}
                changed |= {letter: 0} if left_out else {}
                what = "are left out" if left_out else f"are replaced by the {_key(layer, loops, other)}"
                words = f"{_used(axis, result)} at {_written(changed)}, not {_written(index)}"
                for inside in (ranges, limited)[: 2 - left_out]:
                    slip = replace(loops, index={**loops.index, axis: changed}, ranges=inside)
                    yield f"{words}: the {_key(layer, loops, letter)} {what}", slip


def bounds_slipped(layer: Layer, _result: Tensor, loops: Loops) -> Slips:
    """A loop, or the test for what lies outside X, begins or ends elsewhere."""
    for key, (first, end) in loops.ranges.items():
        ends = {end + 1: "one too many", end - 1: "one too few", end - 2: "two too few", **_lengths(layer)}
        bounds = {(1, end): "without the first", (-1, end): "one in front of the first"}
        for (start, stop), why in (bounds | {(0, value): why for value, why in ends.items()}).items():
            what = f"the {'loop over' if isinstance(key, str) else 'test of'} the {_key(layer, loops, key)}"
            if start < stop:
                words = f"{what} runs from {start} to below {stop} ({why}), not from {first} to below {end}"
                yield words, replace(loops, ranges={**loops.ranges, key: (start, stop)})
    every = {axis: (first, end + 1) for axis, (first, end) in loops.ranges.items() if axis in loops.index}
    yield "the tests along all axes of X end one too far", replace(loops, ranges={**loops.ranges, **every})


def products_slipped(_layer: Layer, _result: Tensor, loops: Loops) -> Slips:
    """Each product cut or rounded to a multiple of a power of two."""
    ways = {"down": np.floor, "to the nearest number": np.rint, "towards 0": np.trunc}
    for bits, (how, cut) in product(range(-4, 17), ways.items()):
        words = f"each product is rounded {how} to a multiple of 2^{-bits}"
        yield words, replace(loops, rounded=(cut, 2.0**-bits))


def _lengths(layer: Layer) -> dict[int, str]:
    """The lengths that may be taken for another, with their names."""
    named: dict[int, str] = {}
    for axis in ((tensor, number) for tensor in (O, X, W) for number in range(2 + layer.dims)):
        named.setdefault(layer.canonical[axis[0]][axis[1]], f"the {_axis(layer, axis)}")
    return {axis.padded: "the length of padded X" for axis in layer.axes} | named | {1: "left out"}


def _axis(layer: Layer, axis: Axis) -> str:
    """What an array has along an axis, such as `rows of X`."""
    return f"{(*axis[0].lead_words, *layer.axis_words)[axis[1]]}s of {axis[0].key}"


def _key(layer: Layer, loops: Loops, key: str | Axis) -> str:
    """What a loop, or the test of an index of X, runs over."""
    over = {[*index][-1]: axis for axis, index in loops.index.items() if axis[0] is not X and index}
    return "groups" if key == "g" else _axis(layer, over[key] if isinstance(key, str) else key)


def _used(axis: Axis, result: Tensor) -> str:
    if axis[0] is result.array:
        return f"{'d' * result.is_gradient}{axis[0].key} is written"
    return f"{'dE/dO' if axis[0] is O else axis[0].key} is read"


def _written(index: Mapping[str, int]) -> str:
    """An index as a sum, as in `2·i + u − 1`."""
    text = "".join(f"{factor:+}{letter and '·'}{letter}" for letter, factor in index.items() if factor or letter)
    return re.sub(r"([+-])(1·)?", r" \1 ", text).strip().removeprefix("+ ").replace("-", "−")
