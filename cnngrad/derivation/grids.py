"""Matrices as grids of cells, as plain data: a layer's arrays with the zeros between and around their elements."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, cached_property, partial
from typing import NamedTuple

from cnngrad.layer import Axis, indices
from cnngrad.layer.names import Index, Names, Number, Symbol, Values, scalar
from cnngrad.tensor import DEDO, DX, B, Tensor, W, X


class Fill(Enum):
    """A cell that holds no element."""

    FRAME = "frame"  # a zero of the padding, or of the frame of a full convolution
    GAP = "gap"  # a zero between the elements of dE/dO, since the stride is larger than 1
    NONE = "none"  # a zero of the layer's matrix: the output does not read this input
    MORE = "more"  # rows or columns that are not shown


class Pair(NamedTuple):
    """Two factors that a picture lays on each other."""

    left: Symbol | Number | Fill
    right: Symbol | Number


class Cell(NamedTuple):
    """One cell of a grid; `marked` where a picture covers it."""

    content: Symbol | Number | Fill | Pair
    marked: bool = False


# A matrix in short has so many rows and columns, if it has more than that of either.
_LARGE, _SHORT = 5, 3


@dataclass(frozen=True, eq=False)
class Grid:
    """A matrix with a title; its cells are made on demand.

    Attributes:
        title: the heading over the matrix.
        height: the number of rows.
        width: the number of columns.
        cell: makes the cell of a row and column, from 0.
        tensor: the tensor whose elements it shows and whose colour it has; None for numbers that belong to no tensor.
        in_short: whether a large one shows the pattern of its elements alone, as in x11 x12 … x18.
    """

    title: str
    height: int
    width: int
    cell: Callable[[int, int], Cell]
    tensor: Tensor | None = None
    in_short: bool = False

    @cached_property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """Every cell."""
        return tuple(tuple(self.cell(r, c) for c in range(self.width)) for r in range(self.height))

    def pieces(self, rows: int, columns: int) -> "list[Grid]":
        """The whole grid, not in short, or pieces of at most so many rows and columns where it has more, row by row."""
        corners = [(top, left) for top in range(0, self.height, rows) for left in range(0, self.width, columns)]
        return [
            replace(
                self,
                title=f"{self.title} (part {k} of {len(corners)})" if len(corners) > 1 else self.title,
                height=min(rows, self.height - top),
                width=min(columns, self.width - left),
                cell=partial(lambda top, left, row, column: self.cell(top + row, left + column), top, left),
                in_short=False,
            )
            for k, (top, left) in enumerate(corners, start=1)
        ]

    def cut(self, rows: int, columns: int) -> tuple[tuple[Cell, ...], ...]:
        """The cells, with the middle left out where there are more rows or columns than asked for."""
        more = Cell(Fill.MORE)
        if self.in_short and max(self.height, self.width) > _LARGE:
            rows = min(rows, _SHORT) if self.height > _SHORT + 1 else rows
            columns = min(columns, _SHORT) if self.width > _SHORT + 1 else columns
        shown = elided(self.width, columns)
        return tuple(
            tuple(more if r is None or c is None else self.cell(r, c) for c in shown) for r in elided(self.height, rows)
        )


def elided(size: int, most: int) -> Sequence[int | None]:
    """Positions 0..size-1, or the first and last of them around None where there are more than `most`.

    >>> elided(9, 4)
    [0, 1, None, 7, 8]
    """
    if size <= max(most, 1):
        return list(range(size))
    last = most // 2
    first = most - last
    return [*range(first), None, *range(size - last, size)]


# What is at one position of a track: the position of an element along its axis, or a zero or gap without an element.
Slot = int | Fill
_UNCOVERED: Mapping[int, int] = {}


class Track(NamedTuple):
    """One axis of a grid: where the elements stand, and which positions a picture covers.

    Attributes:
        size: the number of positions.
        elements: the number of elements.
        step: from one element to the next; -1 turns them round.
        first: the position of the first element, which may lie outside.
        covered: the positions that a picture covers, each with that of its partner along this axis.
        cut: which positions are shown, in words, where others are cut off.
    """

    size: int
    elements: int
    step: int = 1
    first: int = 0
    covered: Mapping[int, int] = _UNCOVERED
    cut: str = ""

    def slot(self, k: int) -> Slot:
        """What stands at a position, from 0."""
        element, between = divmod(k - self.first, self.step)
        if 0 <= element < self.elements - bool(between):
            return Fill.GAP if between else element
        return Fill.FRAME

    def around(self, most: int, word: str) -> "Track":
        """Only the covered positions and their neighbours, if there are more than `most` positions.

        Args:
            most: how many positions are shown whole.
            word: what the positions are called, in the plural.
        """
        if self.size <= most or not self.covered:
            return self
        first, last = max(0, min(self.covered) - 1), min(self.size, max(self.covered) + 2)
        if last - first == self.size:
            return self
        covered = {k - first: partner for k, partner in self.covered.items()}
        cut = f"{word} {first + 1} to {last} of {self.size}"
        return self._replace(size=last - first, first=self.first - first, covered=covered, cut=cut)


def plain(size: int, covered: Mapping[int, int] = _UNCOVERED, turned: bool = False) -> Track:
    """An axis as it is, or in reverse."""
    return Track(size, size, -1, size - 1, covered) if turned else Track(size, size, covered=covered)


def framed_input(axis: Axis, covered: Mapping[int, int] = _UNCOVERED, cropped: bool = False) -> Track:
    """X with its padding; `cropped` without the leftover positions at the end."""
    return Track(axis.padded - cropped * axis.leftover, axis.size, 1, axis.before, covered)


def spread_output(axis: Axis) -> Track:
    """dE/dO with s-1 zeros between its elements."""
    return Track(axis.spread, axis.out, axis.stride)


def framed_output(axis: Axis, covered: Mapping[int, int] = _UNCOVERED) -> Track:
    """dE/dO with its zeros and the frame that a full convolution needs."""
    return Track(sum(axis.frame, axis.spread), axis.out, axis.stride, axis.frame[0], covered)


def grids(
    names: Names,
    tensor: Tensor,
    values: Values,
    lead: Index = (),
    title: str = "",
    tracks: Sequence[Track] = (),
    turned: bool = False,
    partner: tuple[Tensor, Index] | None = None,
) -> Iterator[Grid]:
    """Grids of one sample and channel: one for one or two axes, one per depth for three.

    Args:
        names: the names of the layer's elements.
        tensor: the tensor whose elements they show.
        values: the numbers to show; symbols are shown where this tensor has none.
        lead: (n, c), (f, c) or (n, f), from 0; the first where it is empty. b has none.
        title: the grids' title; the tensor's where it is empty.
        tracks: what stands along each spatial axis; the array as it is where there are none.
        turned: whether the array is rotated by 180 degrees.
        partner: the tensor that lies on the covered cells, and its sample, filter or channel; None for marks alone.
    """
    lead = lead or ((0, 0) if tensor.array is not B else ())
    tracks = tracks or [plain(size, turned=turned) for size in names.layer.canonical[tensor][len(lead) :]]
    pictured = any(track.covered for track in tracks)
    title = title or ("W rotated" if turned else tensor.title)

    def cell(*places: int) -> Cell:
        here = list(zip(tracks, places[-len(tracks) :], strict=True))
        slots = [track.slot(k) for track, k in here]
        fill = next((fill for fill in (Fill.FRAME, Fill.GAP) if fill in slots), None)
        found = fill or content(names, tensor, values, (*lead, *(slot for slot in slots if isinstance(slot, int))))
        under = [track.covered[k] for track, k in here if k in track.covered]
        covered = len(under) == len(tracks)
        if covered and partner is not None:
            return Cell(Pair(found, content(names, partner[0], values, (*partner[1], *under))), True)
        return Cell(found, covered)

    title = ", ".join([title, *(track.cut for track in tracks if track.cut)])
    in_short = bool(lead) and tensor not in values and not pictured
    three = [*[plain(1, {0: 0})] * (3 - len(tracks)), *tracks]
    deep, tall, wide = three
    for depth in sorted(deep.covered) if pictured else range(deep.size):
        slot = deep.slot(depth)
        which = f" · depth {slot + 1 if isinstance(slot, int) else f'of zeros ({slot.value})'}"
        whole = title + which if len(tracks) == 3 else title
        yield Grid(whole, tall.size, wide.size, partial(cell, depth), tensor, in_short)


def content(names: Names, tensor: Tensor, values: Values, index: Index) -> Symbol | Number:
    """What stands for an element: its number where there are numbers, otherwise its symbol."""
    return scalar(values[tensor], index) if tensor in values else names.symbol(tensor, index)


def result_grids(names: Names, tensor: Tensor, values: Values) -> Iterator[Grid]:
    """Every matrix of a tensor, sample, channel or filter in its title, from 1, as far as the tensor has such axes."""
    spatial = 0 if tensor.array is B else 2
    for lead in indices(names.layer.canonical[tensor][:spatial]):
        words = [f"{word} {k + 1}" for word, k in zip(tensor.lead_words, lead, strict=False)]
        where = ", ".join(words[2 - names.layer.lead[tensor] :])
        yield from grids(names, tensor, values, lead, f"{tensor.title} · {where}" if where else "")


def layer_matrix(names: Names, values: Values, *, transposed: bool = False) -> Grid:
    """M with o = M·x for one sample: rows are outputs, columns inputs, each entry a w or zero; or its transpose."""
    # A plain result needs no expansions.
    from cnngrad.layer.expansion import Expander

    expander, (outputs, inputs) = Expander(names.layer), (_first_sample(names, tensor) for tensor in (DEDO, X))

    @cache
    def weights(x: int) -> "dict[tuple[Tensor, Index] | None, tuple[Tensor, Index] | None]":
        """The w through which each output takes an input."""
        return {dedo: w for dedo, w in expander.products(DX, inputs[x])[0]}

    def cell(o: int, x: int) -> Cell:
        w = weights(x).get((DEDO, outputs[o]))
        return Cell(Fill.NONE if w is None else content(names, W, values, w[1]))

    if transposed:
        return Grid("Mᵀ", len(inputs), len(outputs), lambda x, o: cell(o, x), W)
    return Grid("M", len(outputs), len(inputs), cell, W)


def column(names: Names, tensor: Tensor, values: Values) -> Grid:
    """The first sample of X or O, or of its gradient, written as a column."""
    places = _first_sample(names, tensor)
    title = f"∂E/∂{tensor.letter}" if tensor.is_gradient else tensor.letter
    return Grid(title, len(places), 1, lambda r, _: Cell(content(names, tensor, values, places[r])), tensor)


def _first_sample(names: Names, tensor: Tensor) -> list[Index]:
    return [(0, *index) for index in indices(names.layer.canonical[tensor][1:])]
