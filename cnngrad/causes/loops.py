"""A backward pass as nested loops over flat arrays, and the slips of one length, index or bound in them.

Loops run over the letters n, g, f and c (sample, group, filter and channel in the group), i j k (output position) and
u v t (filter position); a letter with one value is left out. An index is a sum of letters, each times a factor, and a
place in memory a sum of indices, each times a step.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.axes import Axes
from cnngrad.layer import Layer, Shape
from cnngrad.tensor import DX, O, Tensor, W, X

__all__ = ["Loops", "Slips", "right_loops"]

# Letters of the positions of O and of W, by spatial axis.
_OUTPUTS, _TAPS = "ijk", "uvt"
Axis = tuple[Tensor, int]
Slips = Iterator[tuple[str, "Loops"]]


@dataclass(frozen=True)
class Loops:
    """Nested loops that add up products.

    Attributes:
        layer: the layer.
        result: the result that they fill.
        ranges: where the loop over each letter begins and ends, and which indices along some axes count.
        index: the index along each axis of X, W and O: the factor of each letter, and a constant under "".
        steps: how far apart in memory neighbours along each axis lie.
        shapes: the shapes of X, W and O in memory.
        frame: the zeros in front of and behind X along its axes, if they lie in memory too.
        reading: the steps by which the result is read from its memory.
        rounded: how each product is rounded, and to a multiple of which number.
    """

    layer: Layer
    result: Tensor
    ranges: Mapping[str | Axis, tuple[int, int]]
    index: Mapping[Axis, Mapping[str, int]]
    steps: dict[Axis, int]
    shapes: Mapping[Tensor, Shape]
    frame: tuple[tuple[int, int], ...]
    reading: Mapping[Axis, int]
    rounded: tuple[Callable[[Array], Array], float] = (np.positive, 1)

    def filled(self, operands: Mapping[Tensor, Array]) -> Array:
        """The result; what lies outside an array's memory is 0, or is lost."""
        letters = [key for key in self.ranges if isinstance(key, str)]
        grid = np.ix_(*(range(*self.ranges[letter]) for letter in letters))
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
            memory = np.append(framed.transpose(Axes(self.layer, tensor).memory), 0)
            products *= memory[places(tensor, framed.size)]
        (cut, unit), filled = self.rounded, self.result.array
        size = prod(self.shapes[filled])
        there = np.broadcast_to(places(filled, size), products.shape)
        memory = np.bincount(there.ravel(), unit * cut(products / unit).ravel(), size + 1)
        memory[size] = 0
        place = sum(self.reading[filled, k] * at for k, at in enumerate(np.indices(self.shapes[filled], sparse=True)))
        found: Array = memory[np.minimum(place, size)]
        inside = self.frame if filled is X else ()
        return found[tuple(slice(front, end - back) for end, (front, back) in zip(found.shape, inside, strict=False))]

    def lengths_slipped(self) -> Slips:
        """One length of an array replaced by another in all steps, or in one; in a frame, of X alone."""
        for words, steps in self._other_steps():
            yield words, replace(self, steps=steps)
            if self.frame and self.result is DX:
                yield words.replace("written", "written and cut out"), replace(self, steps=steps, reading=steps)
                yield words.replace("written", "cut out"), replace(self, reading=steps)

    def _other_steps(self) -> Iterator[tuple[str, dict[Axis, int]]]:
        front, behind = ("padded ", " with its padding") if self.frame else ("", "")
        if self.frame:
            plain = right_loops(self.layer, self.result).steps
            yield f"padded {self._used((X, 0))} with the lengths that it has without its padding", plain
        for axis, own in self.steps.items():
            length = self.shapes[axis[0]][axis[1]]
            outer = [other for other in self.steps if other[0] is axis[0] and self.steps[other] > own]
            for value, name in self._lengths(axis[0]).items() if outer and (axis[0] is X or not self.frame) else ():
                right = f"not {length} ({self._axis(axis)}{behind})"
                words = f"{front}{self._used(axis)} with length {value} ({name}), {right}"
                for changed in (*(outer[:k] for k in range(len(outer), 0, -1)), *([each] for each in outer[1:])):
                    yield words, self.steps | {each: self.steps[each] // length * value for each in changed}

    def indices_slipped(self, left_out: bool) -> Slips:
        """One letter of an index left out, or replaced by another."""
        for axis, index in self.index.items():
            limited = {**self.ranges, axis: (0, self.shapes[axis[0]][axis[1]])}
            for letter in filter(None, index):
                kind = next(kind for kind in (_OUTPUTS, _TAPS, "ngfc") if letter in kind)
                for other in letter if left_out else [one for one in kind if one in self.ranges and one != letter]:
                    changed = {other if name == letter else name: f for name, f in index.items()}
                    changed |= {letter: 0} if left_out else {}
                    what = "are left out" if left_out else f"are replaced by the {self._key(other)}"
                    words = f"{self._used(axis)} at {_written(changed)}, not {_written(index)}"
                    for inside in (self.ranges, limited)[: 2 - left_out]:
                        slip = replace(self, index={**self.index, axis: changed}, ranges=inside)
                        yield f"{words}: the {self._key(letter)} {what}", slip

    def bounds_slipped(self) -> Slips:
        """A loop, or the test for what lies outside X, begins or ends elsewhere."""
        lengths = self._lengths(O)
        for key, (first, end) in self.ranges.items():
            ends = {end + 1: "one too many", end - 1: "one too few", end - 2: "two too few"}
            ends |= lengths | ends
            bounds = {(1, end): "without the first", (-1, end): "one in front of the first"}
            for (start, stop), why in (bounds | {(0, value): why for value, why in ends.items()}).items():
                what = f"the {'loop over' if isinstance(key, str) else 'test of'} the {self._key(key)}"
                if start < stop:
                    words = f"{what} runs from {start} to below {stop} ({why}), not from {first} to below {end}"
                    yield words, replace(self, ranges={**self.ranges, key: (start, stop)})
        every = {axis: (first, end + 1) for axis, (first, end) in self.ranges.items() if axis in self.index}
        yield "the tests along all axes of X end one too far", replace(self, ranges={**self.ranges, **every})

    def products_slipped(self) -> Slips:
        """Each product cut or rounded to a multiple of a power of two or ten."""
        ways = {"down": np.floor, "to the nearest number": np.rint, "towards 0": np.trunc}
        units = [*((2, power) for power in range(4, -17, -1)), *((10, power) for power in range(-1, -5, -1))]
        for (base, power), (how, cut) in product(units, ways.items()):
            words = f"each product is rounded {how} to a multiple of {base}^{power}"
            yield words, replace(self, rounded=(cut, float(base) ** power))

    def _lengths(self, tensor: Tensor) -> dict[int, str]:
        """The lengths that may be taken for one of a tensor, with their likeliest names."""
        named: dict[int, str] = {}
        axes = product((O, X, W), range(2 + self.layer.dims))
        for axis in sorted(axes, key=lambda axis: (axis[1] == 0, axis[0] is not tensor)):
            named.setdefault(self.layer.canonical[axis[0]][axis[1]], f"the {self._axis(axis)}")
        return {axis.padded: "the length of padded X" for axis in self.layer.axes} | named | {1: "left out"}

    def _axis(self, axis: Axis) -> str:
        """What an array has along an axis, such as `rows of X`."""
        return f"{(*axis[0].lead_words, *self.layer.axis_words)[axis[1]]}s of {axis[0].key}"

    def _key(self, key: str | Axis) -> str:
        """What a loop, or the test of an index of X, runs over."""
        over = {[*index][-1]: axis for axis, index in self.index.items() if axis[0] is not X and index}
        return "groups" if key == "g" else self._axis(over[key] if isinstance(key, str) else key)

    def _used(self, axis: Axis) -> str:
        if axis[0] is self.result.array:
            return f"{'d' * self.result.is_gradient}{axis[0].key} is written"
        return f"{'dE/dO' if axis[0] is O else axis[0].key} is read"


def _written(index: Mapping[str, int]) -> str:
    """An index as a sum, as in `2·i + u − 1`."""
    text = "".join(f"{factor:+}{letter and '·'}{letter}" for letter, factor in index.items() if factor or letter)
    return re.sub(r"([+-])(1·)?", r" \1 ", text).strip().removeprefix("+ ").replace("-", "−")


def right_loops(layer: Layer, result: Tensor, is_framed: bool = False) -> Loops:
    """The loops of a layer that is padded with zeros; the zeros may lie in memory."""
    outputs, taps, shapes = _OUTPUTS[: layer.dims], _TAPS[: layer.dims], dict(layer.canonical)
    if is_framed:
        shapes[X] = (*shapes[X][:2], *(axis.padded for axis in layer.axes))
    sizes = (layer.batch, layer.groups, layer.group_filters, layer.group_channels, *layer.out, *layer.kernel)
    counts = zip("ngfc" + outputs + taps, sizes, strict=True)
    ranges: dict[str | Axis, tuple[int, int]] = {letter: (0, count) for letter, count in counts if count > 1}
    ranges |= {(X, axis): (0, size) for axis, size in enumerate(shapes[X]) if axis > 1}
    channels, filters = {"g": layer.group_channels, "c": 1}, {"g": layer.group_filters, "f": 1}
    inputs = []
    for output, tap, axis in zip(outputs, taps, layer.unflipped.axes, strict=True):
        s, d, first = axis.relation
        inputs.append({output: s, tap: d, "": first + is_framed * axis.before})
    indices = {
        X: ({"n": 1}, channels, *inputs),
        W: (filters, {"c": 1}, *({tap: 1} for tap in taps)),
        O: ({"n": 1}, filters, *({output: 1} for output in outputs)),
    }
    index, steps = {}, {}
    for tensor, each in indices.items():
        order = Axes(layer, tensor).memory
        strides = np.empty([shapes[tensor][axis] for axis in order], np.int8).strides
        for (axis, step), factors in zip(sorted(zip(order, strides, strict=True)), each, strict=True):
            steps[tensor, axis] = step
            index[tensor, axis] = {letter: f for letter, f in factors.items() if letter in ranges or not letter}
    frame = ((0, 0), (0, 0), *((axis.before, axis.after) for axis in layer.axes)) if is_framed else ()
    return Loops(layer, result, ranges, index, steps, shapes, frame, steps)
