"""The one relation, input position = stride*i + dilation*u - padding along one axis, and its table of positions.

An output position i, a filter position u and an input position h belong together exactly if the relation holds. Only
this module decides which terms make up an output, a filter gradient, an input gradient or a picture. All positions
count from 0; names shown to people count from 1.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, inf
from typing import Any, NamedTuple

import numpy as np

from cnngrad.tensor import DW, DX, O, Tensor

Positions = np.ndarray[Any, np.dtype[np.int64]]
Places = Sequence[int] | Positions
# Number of table entries that are computed at a time.
_TOGETHER = 2**18


class Relation(NamedTuple):
    """Input position = output·i + filter·u + constant, along one axis.

    A layer's own relation is (s, d, -p); a wrong pass follows another one. A negative factor reverses the direction.
    The table of positions that meet is computed only here, for given rows and taps, and never whole for a long axis.

    >>> Relation(2, 1, -1).inputs(range(3), range(3), size=5)
    array([[-1,  0,  1],
           [ 1,  2,  3],
           [ 3,  4, -1]])
    """

    output: int
    filter: int
    constant: int

    def at(self, i: Any, u: Any) -> Any:
        """The input position, or an array of them, at which output i and filter position u meet."""
        return self.output * i + self.filter * u + self.constant

    def inputs(self, outputs: Places, taps: Places, size: int, mode: str = "zeros") -> Positions:
        """The input, below `size`, that each output meets under each tap, shape (outputs, taps); -1 for a zero."""
        i, u = np.asarray(outputs, np.int64)[:, None], np.asarray(taps, np.int64)
        return BORDERS[mode].held(self.at(i, u), size)

    def outputs(self, inputs: Places, taps: Places, out: int) -> Positions:
        """The output, below `out`, that meets each input under each tap, shape (inputs, taps); -1 for none.

        >>> Relation(2, 1, -1).outputs([1], range(3), out=3)
        array([[ 1, -1,  0]])
        """
        h, u = np.asarray(inputs, np.int64)[:, None], np.asarray(taps, np.int64)
        found, rest = np.divmod(h - self.filter * u - self.constant, self.output)
        found[(rest != 0) | (found < 0) | (found >= out)] = -1
        return found

    def rotated(self, kernel: int) -> "Relation":
        """The same relation for a filter that is rotated by 180 degrees, or rotated back."""
        return Relation(self.output, -self.filter, self.constant + self.filter * (kernel - 1))

    def from_1(self) -> "Relation":
        """The same relation for positions that count from 1, as in the notes."""
        return self._replace(constant=self.constant + 1 - self.output - self.filter)

    def written(self, i: str, u: str, one: str = "") -> str:
        """The right side in letters, as in `2·i + u − 1`; a factor 1 is written as `one`."""
        numbers = ((self.output, f"·{i}"), (self.filter, f"·{u}"), (self.constant, ""))
        return added((each for each in numbers if each[0]), one) or "0"

    def __str__(self) -> str:
        """The right side, as in `2·i + 1·u − 1`."""
        return self.written("i", "u", "1·")


def added(numbers: Iterable[tuple[int, str]], one: str = "") -> str:
    """A sum of numbers, each with what it multiplies, as in `2·i + u − 1`; a factor 1 is written as `one`."""
    text = re.sub(r"\b1·", one, " ".join(f"{number:+}{letter}" for number, letter in numbers if number or letter))
    return re.sub(r" ([+-])", r" \1 ", text).removeprefix("+").replace("-", "−")


class Border(NamedTuple):
    """What stands in the padding, outside the positions 0 to size-1 of the input.

    Attributes:
        held: the input that each position stands for, from the positions and the size; -1 for a zero.
        most: the largest padding on one side, beyond the input's size.
        words: what the padding holds.
    """

    held: Callable[[Positions, int], Positions]
    most: float
    words: str


def _mirrored(positions: Positions, size: int, edges: int) -> Positions:
    """Positions in the input, mirrored there and back with `edges` more copies of its edge."""
    period = max(2 * (size - 1 + edges), 1)
    within = positions % period
    return np.where(within < size, within, period - edges - within)


# The borders by padding mode, in PyTorch's words; "symmetric" occurs in wrong passes only.
BORDERS = {
    "zeros": Border(lambda at, size: np.where((at < 0) | (at >= size), -1, at), inf, "zeros"),
    "replicate": Border(lambda at, size: np.clip(at, 0, size - 1), inf, "the nearest element"),
    "circular": Border(np.remainder, 0, "the opposite side"),
    "reflect": Border(lambda at, size: _mirrored(at, size, 0), -1, "the mirror image"),
    "symmetric": Border(lambda at, size: _mirrored(at, size, 1), inf, "the mirror image with the edge"),
}
MODES = tuple(BORDERS)[:-1]


def _multiples(least: int, most: int, step: int, count: int) -> range:
    """The k in range(count) with least <= k*step <= most."""
    first = max(0, -(-least // step))
    return range(first, max(first, min(count, most // step + 1)))


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a layer.

    Attributes:
        size: H, the input's size.
        kernel: k, the filter's size.
        stride: s, the step of the window from one output to the next.
        dilation: d, the step from one filter element to the next; 1 = none.
        before: p, zeros in front of the input.
        after: zeros behind the input.
        flip: whether the filter is rotated before it slides (true convolution).
        mode: what stands in the padding, a key of `BORDERS`.
        transposed: whether each input stamps the filter onto the output, at position s*i + d*u - p of the output.
        extra: positions added behind a transposed axis's output, known as output padding.
    """

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    flip: bool = False
    mode: str = "zeros"
    transposed: bool = False
    extra: int = 0

    @cached_property
    def conv(self) -> "Axis":
        """The convolution's axis on which the same positions meet: the axis itself, or the twin of a transposed one.

        >>> Axis(size=3, kernel=3, stride=2, transposed=True, extra=1).conv == Axis(size=8, kernel=3, stride=2)
        True
        """
        if not self.transposed:
            return self
        # Whole strides behind O would be outputs of the twin that X does not have.
        after = self.after - self.extra // self.stride * self.stride
        return replace(self, size=self.out, after=after, transposed=False, extra=0)

    @cached_property
    def relation(self) -> Relation:
        """The relation between the axis's positions: (s, d, -p), with `flip` for the rotated filter."""
        right = Relation(self.stride, self.dilation, -self.before)
        return right.rotated(self.kernel) if self.flip else right

    def inputs(self, outputs: Places, taps: Places) -> Positions:
        """The input that each output meets under each tap, shape (outputs, taps); -1 for a zero of the padding.

        An output's terms are its row, a filter element's terms its column, an input's terms the places where it occurs.

        >>> Axis(size=3, kernel=2, before=1).inputs(range(3), range(2))
        array([[-1,  0],
               [ 0,  1],
               [ 1,  2]])
        """
        if self.transposed:
            return self.relation.outputs(outputs, taps, self.size)
        return self.relation.inputs(outputs, taps, self.size, self.mode)

    def outputs(self, inputs: Places) -> Positions:
        """The outputs that meet each input, a row for each input: by place where it stands and by tap; -1 for none."""
        if self.transposed:
            return self.conv.inputs(inputs, range(self.kernel))
        places = self.places(inputs)
        return self.relation.outputs(places.ravel(), range(self.kernel), self.out).reshape(len(places), -1)

    @cached_property
    def border(self) -> Positions:
        """The input that each position of padded X (for a transposed axis: of padded O) stands for; -1 for a zero.

        >>> Axis(size=4, kernel=2, before=2, after=1, mode="reflect").border
        array([2, 1, 0, 1, 2, 3, 2])
        """
        return self.held(self.mode, self.mode)

    def held(self, front: str, behind: str) -> Positions:
        """The same as `border` for these padding modes in front and behind."""
        at = np.arange(self.padded) - self.before
        return np.where(at < 0, *(BORDERS[mode].held(at, self.wide) for mode in (front, behind)))

    @property
    def around(self) -> Positions:
        """The positions of the padding, from its first."""
        return np.delete(np.arange(self.padded), slice(self.before, self.before + self.size))

    def places(self, inputs: Places) -> Positions:
        """The positions, from X's first, where each input stands: its own, then the padding's; -1-before for none.

        >>> Axis(size=3, kernel=2, before=1, after=1, mode="circular").places([0, 1])
        array([[ 0, -2,  3],
               [ 1, -2, -2]])
        """
        inputs = np.asarray(inputs, np.int64)[:, None]
        if self.mode == "zeros":
            return inputs
        repeats = np.where(self.border[self.around] == inputs, self.around, -1) - self.before
        return np.hstack([inputs, repeats])

    @property
    def copies(self) -> int:
        """An upper bound on the number of places where an input stands."""
        return 1 if self.mode == "zeros" else 1 + self.before + self.after

    def met(self, tensor: Tensor, positions: Places) -> Positions:
        """The partners of a tensor's positions, one row for each position; -1 for none.

        A position of O meets an input under each tap, one of dE/dW an input for each output, one of dE/dX an output
        under each tap, once for each place where it stands, and dE/db every output.
        """
        if tensor is O:
            return self.inputs(positions, range(self.kernel))
        if tensor is DW:
            return self.inputs(np.arange(self.out), positions).T
        return self.outputs(positions) if tensor is DX else np.arange(self.out)[None]

    def terms(self, tensor: Tensor, position: int) -> list[tuple[int, int]]:
        """The pairs of positions in both operands whose products make up a position of O or of a gradient.

        >>> axis = Axis(size=3, kernel=2)
        >>> axis.terms(O, 1), axis.terms(DW, 1), axis.terms(DX, 1)
        ([(0, 1), (1, 2)], [(0, 1), (1, 2)], [(0, 1), (1, 0)])
        """
        met = self.met(tensor, [position])[0].tolist()
        pairs = [(k, partner) for k, partner in enumerate(met) if partner >= 0]
        return sorted((i, u % self.kernel) for u, i in pairs) if tensor is DX else pairs

    def position(self, i: int, u: int) -> int:
        """The input position that output i reads through filter element u; outside 0..size-1 it is padding.

        >>> Axis(size=5, kernel=3, stride=2, before=1).position(i=1, u=0)
        1
        """
        return int(self.relation.at(i, u))

    @property
    def pads(self) -> dict[str, tuple[int, int]]:
        """The padding before and behind that each word stands for; `same` makes O as large as ⌈H / s⌉.

        >>> Axis(size=5, kernel=2, stride=2).pads["same"]
        (0, 1)
        """
        size, reach = self.stride * self.size + self.extra if self.transposed else self.size, self.span - 1
        total = max((size - 1) // self.stride * self.stride + self.span - size, 0)
        less, more = total // 2, total - total // 2
        full = {} if self.transposed else {"full": (reach, reach)}
        return {"valid": (0, 0), "same": (less, more), "same-lower": (more, less)} | full

    @property
    def span(self) -> int:
        """The width of a window on the input: d*(k-1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def apart(self) -> int:
        """The least distance of two inputs at which no output reads both, the padding aside."""
        return -(-self.span // self.stride) if self.transposed else self.span

    @property
    def wide(self) -> int:
        """The size of the array that windows lie on: the input, or for a transposed axis the output."""
        return self.conv.size

    @property
    def windows(self) -> int:
        """The number of windows: one for each output, or for a transposed axis one for each input, its stamp."""
        return self.conv.out

    @property
    def padded(self) -> int:
        """The size of the array that windows lie on, with its padding."""
        return self.before + self.wide + self.after

    @property
    def out(self) -> int:
        """H_out = floor((H + p_before + p_after - d*(k-1) - 1) / s) + 1; for a transposed axis the H of its twin.

        >>> Axis(size=5, kernel=2, stride=2).out, Axis(size=2, kernel=2, stride=2, transposed=True, extra=1).out
        (2, 5)
        """
        if self.transposed:
            return self.stride * (self.size - 1) + self.span - self.before - self.after + self.extra
        return (self.padded - self.span) // self.stride + 1

    @property
    def leftover(self) -> int:
        """The number of positions at the padded array's end that no window reaches.

        It is what the stride leaves over or, on a transposed axis, the output padding.

        >>> Axis(size=6, kernel=3, stride=2).leftover, Axis(size=2, kernel=3, transposed=True, extra=1).leftover
        (1, 1)
        """
        return self.padded - self.span - (self.spread - 1)

    def meeting(self, u: int, outputs: slice) -> tuple[slice, slice]:
        """Those of some outputs, from their first, that meet X under filter element u; and the inputs they meet.

        >>> Axis(size=5, kernel=3, stride=2, before=1).meeting(0, slice(0, 3))
        (slice(1, 3, None), slice(1, 5, 2))
        """
        first = self.position(outputs.start, u)
        inside = _multiples(-first, self.size - 1 - first, self.stride, outputs.stop - outputs.start)
        low = first + self.stride * inside.start
        return slice(inside.start, inside.stop), slice(low, low + self.stride * len(inside), self.stride)

    def outputs_reaching(self, inputs: slice) -> range:
        """The outputs whose windows span any of the input positions start..stop-1, without `flip`.

        >>> Axis(size=9, kernel=3, stride=2).outputs_reaching(slice(4, 6))
        range(1, 3)
        """
        last = inputs.stop - 1 + self.before
        return _multiples(inputs.start + self.before - self.span + 1, last, self.stride, self.out)

    def window(self, i: int) -> dict[int, int]:
        """The positions of the padded array that window i covers, each with its filter element."""
        return {self.position(i, u) + self.before: u for u in range(self.kernel)}

    def reads(self, u: int) -> dict[int, int]:
        """The positions of the padded array that filter element u meets, each with its window."""
        return {self.position(i, u) + self.before: i for i in range(self.windows)}

    @property
    def spread(self) -> int:
        """The size of dE/dO (for a transposed axis: of X) with s-1 zeros between its elements."""
        return self.stride * (self.windows - 1) + 1

    @property
    def frame(self) -> tuple[int, int]:
        """Zeros to add before and behind `spread` so that a full convolution covers every padded input position."""
        return self.span - 1, self.span - 1 + self.leftover

    def cover(self, h: int) -> dict[int, int]:
        """The positions of framed dE/dO under the rotated filter as it computes dE/dx at h, each with its element.

        Each position stands for the window that reads h through that element. Since h counts from X's first element,
        the padding is cut off.

        >>> Axis(size=3, kernel=2).cover(1)
        {2: 0, 1: 1}
        """
        return {h - self.position(0, u) + self.span - 1: u for u in range(self.kernel)}

    @property
    def phases(self) -> Iterator["Phase"]:
        """The way back from O to the input without `flip`: for each phase of the stride, a window that slides over O.

        Input positions h, h + s, h + 2s, ... are all read through the same filter elements. So each of these phases is
        a convolution of its own, without the zeros between the elements of dE/dO. An input position in none of the
        phases is read by no output.

        >>> [(phase.inputs, phase.taps) for phase in Axis(size=4, kernel=3, stride=2, before=1).phases]
        [(slice(1, 4, 2), slice(2, None, -2)), (slice(0, 4, 2), slice(1, None, -2))]
        """
        common = gcd(self.stride, self.dilation)
        apart, dilation = self.stride // common, self.dilation // common
        for u in range(min(apart, self.kernel)):
            # Output -ahead reads input `first` through the first tap, and the outputs before it through the next taps.
            ahead, first = divmod(self.position(0, u), self.stride)
            if count := len(range(first, self.size, self.stride)):
                kernel = len(range(u, self.kernel, apart))
                before = ahead + dilation * (kernel - 1)
                axis = Axis(self.out, kernel, 1, dilation, before, count - ahead - self.out)
                taps = slice(u + apart * (kernel - 1), None, -apart)
                yield Phase(slice(first, self.size, self.stride), taps, axis)

    def counts(self, tensor: Tensor, positions: Places) -> Positions:
        """The number of terms of each position, computed for some positions at a time to save memory."""
        few = max(1, _TOGETHER // max(self.kernel * self.copies, self.out if tensor is DW else 1))
        parts = (self.met(tensor, positions[k : k + few]) for k in range(0, len(positions), few))
        return np.concatenate([(met >= 0).sum(axis=1) for met in parts])

    @cached_property
    def unreached(self) -> tuple[int, ...]:
        """The input positions that no output reads, so that their gradient is exactly zero."""
        return tuple(np.flatnonzero(self.counts(DX, np.arange(self.size)) == 0).tolist())


class Phase(NamedTuple):
    """One phase of a stride: see `Axis.phases`.

    Attributes:
        inputs: the input positions of this phase.
        taps: the filter elements that they are read through, from the last to the first.
        axis: the axis of the window that slides over O with stride 1: `axis.position(j, m)` is the output that reads
            input j of this phase through the m-th of these taps. Its padding is negative if it begins after O's first
            output or ends before the last.
    """

    inputs: slice
    taps: slice
    axis: Axis
