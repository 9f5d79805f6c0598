"""A backward pass as nested loops over flat arrays, and slips in them: one wrong length, index, bound or rounding.

Loops run over the letters n, g, f and c (sample, group, filter and channel in the group), i j k (output position) and
u v t (filter position); a letter with one value is omitted. An index is a sum of letters, each times a factor. A place
in memory is a sum of indices, each times a step.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import permutations, product
from math import prod
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.axes import Axes
from cnngrad.causes.edits import Function, relaid
from cnngrad.layer import Layer, Shape
from cnngrad.layer.axis import added
from cnngrad.tensor import DX, O, Tensor, W, X

__all__ = ["Loops", "Slips", "right_loops"]

# Letters of the positions of O and of W, by spatial axis.
_OUTPUTS, _TAPS = "ijk", "uvt"
# Letters that may be confused: positions of one array, those of O and W along the same axis, and the other letters.
_CONFUSED = (_OUTPUTS, _TAPS, "ngfc", "iu", "jv", "kt")
# The bounds of a test that is missing.
_ALL = (-(2**62), 2**62)
Axis = tuple[Tensor, int]
# The factor of each letter in a sum, and a constant under "".
Sum = Mapping[str, int]
Slips = Iterator[tuple[str, "Loops"]]
# The factors of letters, and the bounds of their loops, as keys of what is computed once.
Index = tuple[tuple[str, int], ...]
Ranges = tuple[tuple[str, tuple[int, int]], ...]


@dataclass(frozen=True)
class Loops:
    """Nested loops that add up products.

    Attributes:
        layer: the layer.
        result: the result that they fill.
        ranges: the beginning and end of the loop over each letter, and of the indices along an axis that pass its test.
        tests: the index that is tested along an axis, if it differs from the index that is used.
        index: the index along each axis of X, W and O.
        steps: how far apart in memory neighbours along each axis lie.
        orders: the order in which the axes of X, W and O lie in memory.
        reading: the steps by which the result is read from its memory.
        inside: the layer whose padded X is the X of these loops; None if X lies in memory without its padding.
        rounded: rounds the products.
        reshaped: reshapes im2col's matrix, an array with an axis for each letter; None if X is used as it is.
    """

    layer: Layer
    result: Tensor
    ranges: Mapping[str | Axis, tuple[int, int]]
    index: Mapping[Axis, Sum]
    steps: dict[Axis, int]
    orders: Mapping[Tensor, Shape]
    reading: dict[Axis, int]
    inside: Layer | None
    rounded: Function = np.positive
    reshaped: Function | None = None
    tests: Mapping[Axis, Sum] = field(default_factory=dict)

    def filled(self, operands: Mapping[Tensor, Array]) -> Array:
        """The result; outside an array's memory 0 is read, and what is written is lost.

        Args:
            operands: X, W and dE/dO, as far as they are multiplied, in canonical shape; W as for `unflipped`, as is the
                gradient of W.
        """
        shapes, filled = self.layer.canonical, self.result.array
        ranges = tuple((letter, bounds) for letter, bounds in self.ranges.items() if isinstance(letter, str))

        def at(tensor: Tensor, index: Sum) -> Array:
            sums = _sums(tuple(index.items()), ranges)
            return self.reshaped(np.broadcast_to(sums, products.shape)) if tensor is X and self.reshaped else sums

        def places(tensor: Tensor) -> Array:
            # Each letter's step in memory: one sum over the letters, not one along each axis.
            moves = Counter({"": 1})
            for axis, index in self.index.items():
                for letter, factor in index.items() if axis[0] is tensor else ():
                    moves[letter] += self.steps[axis] * factor
            return at(tensor, moves)

        products = np.ones([end - first for _, (first, end) in ranges])
        for axis, (first, end) in self.ranges.items():
            if not isinstance(axis, str):
                place = at(axis[0], self.tests.get(axis, self.index[axis]))
                products *= (place >= first) & (place < end)
        for tensor, array in operands.items():
            array = self.layer.rotated(array) if tensor is W else array
            # A zero in front and one behind, for all that lies outside.
            memory = np.pad(array.transpose(self.orders[tensor.array]).ravel(), 1)
            products *= memory.take(places(tensor.array), mode="clip")
        end = prod(shapes[filled]) + 1
        there = np.broadcast_to(places(filled), products.shape).ravel()
        memory = np.bincount(there.clip(0, end), self.rounded(products).ravel(), end + 1)
        memory[end] = 0
        steps = ((f"{axis}", self.reading[filled, axis]) for axis in range(len(shapes[filled])))
        sizes = tuple((f"{axis}", (0, size)) for axis, size in enumerate(shapes[filled]))
        found: Array = memory.take(_sums((*steps, ("", 1)), sizes), mode="clip")
        if all(array.dtype.kind == "i" for array in operands.values()):
            # `bincount` adds up in float64.
            found = np.rint(found).astype(np.int64)
        return self.layer.rotated(found) if filled is W else found

    def columns_slipped(self) -> Slips:
        """im2col's matrix is reshaped instead of transposed, for each sample or for all together."""
        letters = [key for key in self.ranges if isinstance(key, str)]
        for outputs in (_OUTPUTS, "n" + _OUTPUTS):
            names = {"c" + _TAPS: "element of a filter", outputs: "position of O"}
            for rows, columns in permutations(names):
                words = f"from one row for each {names[rows]} to one for each {names[columns]}, not transposed"
                orders = ([order.find(letter) for letter in letters] for order in (rows + columns, columns + rows))
                lies, read = (np.argsort(places, stable=True).tolist() for places in orders)
                yield f"im2col's matrix is reshaped {words}", replace(self, reshaped=relaid(lies, read))

    def lengths_slipped(self) -> Slips:
        """One length replaced by another in several steps or in one; if X includes its padding, only lengths of X."""
        seen = [self.steps]
        for words, steps in self._other_steps():
            if steps in seen:
                continue
            seen.append(steps)
            yield words, replace(self, steps=steps)
            if self.inside and self.result is DX:
                yield words.replace("written", "written and cut out"), replace(self, steps=steps, reading=steps)
                yield words.replace("written", "cut out"), replace(self, reading=steps)

    def _other_steps(self) -> Iterator[tuple[str, dict[Axis, int]]]:
        front, behind = ("padded ", " with its padding") if self.inside else ("", "")
        if self.inside:
            plain = right_loops(self.inside, self.result).steps
            yield f"padded {self._used((X, 0))} with the lengths that it has without its padding", plain
        for axis, own in self.steps.items():
            length = self.layer.canonical[axis[0]][axis[1]]
            outer = [other for other in self.steps if other[0] is axis[0] and self.steps[other] > own]
            for value, name in self._lengths(*axis).items() if outer and (axis[0] is X or not self.inside) else ():
                right = f"not {length} ({self._axis(axis)}{behind})"
                words = f"{front}{self._used(axis)} with length {value} ({name}), {right}"
                for changed in (*(outer[:k] for k in range(len(outer), 0, -1)), *([each] for each in outer[1:])):
                    yield words, self.steps | {each: self.steps[each] // length * value for each in changed}

    def indices_slipped(self, left_out: bool) -> Slips:
        """An index, or one of its letters, left out or replaced; or all positions of O or W left out."""
        for axis, index in self.index.items():
            # The test for positions outside X may use the right index; other arrays may have such a test.
            limited: dict[str, Any] = {"ranges": {**self.ranges, axis: (0, self.layer.canonical[axis[0]][axis[1]])}}
            tested = {"tests": {axis: index}} if axis in self.ranges else {} if left_out else limited
            seen: list[Sum] = [index]
            for changed, why in self._left_out(axis) if left_out else self._replaced(axis):
                if changed in seen:
                    continue
                seen.append(changed)
                words = f"{self._used(axis)} at {self._sum_of(changed)}, not {self._sum_of(index)}: {why}"
                for more in ({}, tested) if tested else ({},):
                    yield words, replace(self, index={**self.index, axis: changed}, **more)
        for tensor, (which, letters) in product((X, W, O), (("O", _OUTPUTS), ("W", _TAPS))) if left_out else ():
            own = {axis: index for axis, index in self.index.items() if axis[0] is tensor and {*letters} & {*index}}
            less = {axis: {**index, **dict.fromkeys({*letters} & {*index}, 0)} for axis, index in own.items()}
            if len(own) > 1:
                at, right = (", ".join(map(self._sum_of, indices.values())) for indices in (less, own))
                words = f"{self._used(min(own))} at ({at}), not ({right}): all positions of {which} are left out"
                for tests in ({}, own)[: 1 + (tensor is X)]:
                    yield words, replace(self, index={**self.index, **less}, tests=tests)

    def _left_out(self, axis: Axis) -> Iterator[tuple[Sum, str]]:
        """The index without one of its letters, or without all, and words for the change."""
        letters = [*filter(None, self.index[axis])]
        for letter in letters:
            yield {**self.index[axis], letter: 0}, f"the {self._key(letter)} are left out"
        if len(letters) > 1:
            yield {"": 0}, "the whole index is left out"

    def _replaced(self, axis: Axis) -> Iterator[tuple[Sum, str]]:
        """The index with one letter replaced, or another array's index in its place, and words for the change."""
        index = self.index[axis]
        for letter in filter(None, index):
            for other in "".join(alike for alike in _CONFUSED if letter in alike):
                if other in self.ranges and other != letter:
                    changed = Counter[str]()
                    for name, factor in index.items():
                        changed[other if name == letter else name] += factor
                    yield changed, f"the {self._key(letter)} are replaced by the {self._key(other)}"
        if index.get("g"):
            counts = {self.layer.group_channels: "channels", self.layer.group_filters: "filters"}
            for step, name in counts.items():
                yield {**index, "g": step}, f"a group has {step} {name}"
        for like, theirs in self.index.items():
            both = axis[1], like[1]
            is_like = max(both) < 2 or (min(both) > 1 and (like[0] is axis[0] or both[0] == both[1]))
            # Without padding, an index that is a part of this one is among those with letters left out.
            has_less = not index.get("") and theirs.items() <= index.items()
            if is_like and not has_less:
                yield theirs, f"it is the index of the {self._axis(like)}"

    def bounds_slipped(self) -> Slips:
        """A loop, or the test for what lies outside X, begins or ends elsewhere."""
        for key, (first, end) in self.ranges.items():
            # Likeliest first.
            ends = {end + 1: "one too many", end - 1: "one too few", end - 2: "two too few"}
            ends |= self._lengths(O) | ends
            bounds = {(1, end): "without the first", (-1, end): "one in front of the first"}
            for (start, stop), why in (bounds | {(0, value): why for value, why in ends.items()}).items():
                what = f"the {'loop over' if isinstance(key, str) else 'test of'} the {self._key(key)}"
                if start < stop and (start, stop) != (first, end):
                    words = f"{what} runs from {start} to below {stop} ({why}), not from {first} to below {end}"
                    yield words, replace(self, ranges={**self.ranges, key: (start, stop)})
            if not isinstance(key, str):
                yield f"the test of the {self._key(key)} is missing", replace(self, ranges={**self.ranges, key: _ALL})
        tested = {axis: bounds for axis, bounds in self.ranges.items() if axis in self.index}
        if len(tested) > 1:
            missing = dict.fromkeys(tested, _ALL)
            yield "the tests along all axes of X are missing", replace(self, ranges={**self.ranges, **missing})
            further = {axis: (first, end + 1) for axis, (first, end) in tested.items()}
            yield "the tests along all axes of X end one too far", replace(self, ranges={**self.ranges, **further})

    def products_slipped(self) -> Slips:
        """Each product cut or rounded to a multiple of a power of two or ten."""
        ways = {"down": np.floor, "to the nearest number": np.rint, "towards 0": np.trunc}
        units = [*((2, power) for power in range(4, -17, -1)), *((10, power) for power in range(-1, -5, -1))]
        for (base, power), (how, cut) in product(units, ways.items()):
            words = f"each product is rounded {how} to a multiple of {base}^{power}"
            yield words, replace(self, rounded=partial(_stepped, cut, float(base) ** power))

    def _lengths(self, tensor: Tensor, own: int = 0) -> dict[int, str]:
        """The lengths that may replace that of a tensor's axis `own`, each with its two likeliest names."""
        layer, named = self.inside or self.layer, dict[int, list[str]]()
        axes = product((O, X, W), range(2 + layer.dims))
        for axis in sorted(axes, key=lambda axis: (axis[1] == 0, axis[1] != own, axis[0] is not tensor)):
            named.setdefault(layer.canonical[axis[0]][axis[1]], []).append(f"the {self._axis(axis)}")
        likely = {length: " or ".join(names[:2]) for length, names in named.items()}
        return {axis.padded: "the length of padded X" for axis in layer.axes} | likely | {1: "left out"}

    def _axis(self, axis: Axis) -> str:
        """What an array has along an axis, such as `rows of X`."""
        return f"{self.layer.words_of(axis[0])[axis[1]]}s of {axis[0].key}"

    def _key(self, key: str | Axis) -> str:
        """What a loop, or the test of an index of X, runs over."""
        over = {[*index][-1]: axis for axis, index in self.index.items() if axis[0] is not X and index}
        return "groups" if key == "g" else self._axis(over[key] if isinstance(key, str) else key)

    def _sum_of(self, index: Sum) -> str:
        # X of a transposed layer, which has filters here, has channels for its user.
        names = {"f": "c", "c": "f"} if self.layer.own.transposed else {}
        return added((factor, letter and f"·{names.get(letter, letter)}") for letter, factor in index.items()) or "0"

    def _used(self, axis: Axis) -> str:
        if axis[0] is self.result.array:
            return f"{'d' * self.result.is_gradient}{axis[0].key} is written"
        return f"{'dE/dO' if axis[0] is O else axis[0].key} is read"


# A slip changes few of the places; those of the other arrays are the same ones again and again.
@lru_cache(maxsize=32)
def _sums(index: Index, ranges: Ranges) -> Array:
    """A sum of letters, each times its factor, at every step of the loops."""
    places = np.ix_(*(np.arange(*bounds) for _, bounds in ranges))
    values = dict(zip(dict(ranges), places, strict=True)) | {"": np.ones((), int)}
    return sum((factor * values[letter] for letter, factor in index if factor), np.zeros((), int))


def _stepped(cut: Function, unit: float, array: Array) -> Array:
    return unit * cut(array / unit)


def right_loops(layer: Layer, result: Tensor, inside: Layer | None = None) -> Loops:
    """The loops of a layer with zero padding; `inside` is the layer whose padded X is this layer's X."""
    outputs, taps = _OUTPUTS[: layer.dims], _TAPS[: layer.dims]
    sizes = (layer.batch, layer.groups, layer.group_filters, layer.group_channels, *layer.out, *layer.kernel)
    counts = zip("ngfc" + outputs + taps, sizes, strict=True)
    ranges: dict[str | Axis, tuple[int, int]] = {letter: (0, count) for letter, count in counts if count > 1}
    ranges |= {(X, axis): (0, size) for axis, size in enumerate(layer.size, 2)}
    relations = zip(outputs, taps, (axis.relation for axis in layer.axes), strict=True)
    filters = {"g": layer.group_filters, "f": 1}
    indices = {
        X: ({"n": 1}, {"g": layer.group_channels, "c": 1}, *({i: s, u: d, "": p} for i, u, (s, d, p) in relations)),
        W: (filters, {"c": 1}, *({tap: 1} for tap in taps)),
        O: ({"n": 1}, filters, *({output: 1} for output in outputs)),
    }
    orders = {tensor: Axes(layer, tensor).memory for tensor in indices}
    index, steps = {}, dict[Axis, int]()
    for tensor, each in indices.items():
        shape, order = layer.canonical[tensor], orders[tensor]
        memory = np.empty([shape[axis] for axis in order], np.int8)
        for axis, (factors, step) in enumerate(zip(each, memory.transpose(np.argsort(order)).strides, strict=True)):
            steps[tensor, axis] = step
            index[tensor, axis] = {letter: f for letter, f in factors.items() if f and (letter in ranges or not letter)}
    return Loops(layer, result, ranges, index, steps, orders, steps, inside)
