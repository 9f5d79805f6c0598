"""Matrices as grids of cells, as plain data: a layer's arrays with the zeros between and around their elements."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from cnngrad.layer import BORDERS, Axis, indices
from cnngrad.layer.names import Index, Names, Number, Symbol
from cnngrad.tensor import B, O, Tensor

# In short, a matrix of more than 5 rows or columns is cut to 3.
_LARGE, _SHORT = 5, 3
# Size up to which a picture shows the whole grid, otherwise only the surroundings of the covered cells.
MOST_POSITIONS = 6


class Fill(Enum):
    """A cell without an element; along an axis its value takes the place of an element's position."""

    FRAME = -1  # a zero of the padding, or of the frame of a full convolution
    GAP = -2  # a zero between the elements of dE/dO, since the stride is larger than 1
    NONE = -3  # a zero of the layer's matrix: the output does not read this input
    MORE = -4  # rows or columns that are not shown
    CUT = -5  # a position that the padding cuts off the O of a transposed layer


class Pair(NamedTuple):
    """Two factors that a picture lays on each other."""

    left: Symbol | Number | Fill
    right: Symbol | Number


class Added(tuple[Symbol | Number, ...]):
    """What a cell adds up."""


class Cell(NamedTuple):
    """One cell of a grid; `marked` if a picture covers it."""

    content: Symbol | Number | Fill | Pair | Added
    marked: bool = False


@dataclass(frozen=True, eq=False)
class Grid:
    """A matrix with a title; its cells are made on demand.

    Attributes:
        title: the heading over the matrix.
        height: the number of rows.
        width: the number of columns.
        cell: makes the cell of a row and column, from 0.
        tensor: the tensor whose elements it shows and whose colour it has; None for numbers that belong to no tensor.
        in_short: whether a large grid shows only the pattern of its elements, as in x11 x12 … x18.
    """

    title: str
    height: int
    width: int
    cell: Callable[[int, int], Cell]
    tensor: Tensor | None = None
    in_short: bool = False

    @property
    def cells(self) -> list[list[Cell]]:
        """Every cell."""
        return [[self.cell(r, c) for c in range(self.width)] for r in range(self.height)]

    def pieces(self, rows: int, columns: int) -> "list[Grid]":
        """Pieces of at most this many rows and columns, not in short; the whole grid if it has no more."""
        corners = list(product(range(0, self.height, rows), range(0, self.width, columns)))
        found = []
        for part, (top, left) in enumerate(corners, start=1):
            title = f"{self.title} (part {part} of {len(corners)})" if len(corners) > 1 else self.title
            cell = partial(lambda top, left, row, column: self.cell(top + row, left + column), top, left)
            size = min(rows, self.height - top), min(columns, self.width - left)
            found.append(Grid(title, *size, cell, self.tensor))
        return found

    def cut(self, rows: int, columns: int) -> list[list[Cell]]:
        """The cells, without the middle if there are more rows or columns than asked for."""
        if self.in_short and max(self.height, self.width) > _LARGE:
            rows = min(rows, _SHORT) if self.height > _SHORT + 1 else rows
            columns = min(columns, _SHORT) if self.width > _SHORT + 1 else columns
        more, shown = Cell(Fill.MORE), elided(self.width, columns)
        return [[more if -1 in (r, c) else self.cell(r, c) for c in shown] for r in elided(self.height, rows)]


def elided(size: int, most: int) -> Sequence[int]:
    """Positions 0..size-1, or the first and last of them around -1 if there are more than `most`.

    >>> elided(9, 4)
    [0, 1, -1, 7, 8]
    """
    if size <= max(most, 1):
        return range(size)
    return [*range(most - most // 2), -1, *range(size - most // 2, size)]


class Track(NamedTuple):
    """One axis of a grid: the places of its elements.

    Attributes:
        size: the number of positions.
        elements: the number of elements.
        step: from one element to the next; -1 reverses them.
        first: the position of the first element.
        mode: what stands around the elements.
    """

    size: int
    elements: int
    step: int = 1
    first: int = 0
    mode: str = "zeros"

    def slot(self, k: int) -> int:
        """The element at a position, both from 0, or the value of `Fill.FRAME` or `Fill.GAP`."""
        element, between = divmod(k - self.first, self.step)
        if self.mode != "zeros":
            return int(BORDERS[self.mode].held(np.array(element), self.elements))
        if 0 <= element < self.elements - bool(between):
            return Fill.GAP.value if between else element
        return Fill.FRAME.value


def plain(size: int, turned: bool = False) -> Track:
    """An axis as it is, or in reverse."""
    return Track(size, size, -1, size - 1) if turned else Track(size, size)


def framed_input(axis: Axis, cropped: bool = False) -> Track:
    """X with its padding; `cropped` without the leftover positions at the end. In a transposed layer O or dE/dO."""
    return Track(axis.padded - cropped * axis.leftover, axis.wide, 1, axis.before, axis.mode)


def spread_output(axis: Axis) -> Track:
    """dE/dO with s-1 zeros between its elements; in a transposed layer X."""
    return Track(axis.spread, axis.windows, axis.stride)


def framed_output(axis: Axis) -> Track:
    """dE/dO, or X, with its zeros and the frame that a full convolution needs."""
    return Track(sum(axis.frame, axis.spread), axis.windows, axis.stride, axis.frame[0])


def _shown(size: int, covered: Mapping[int, int]) -> Sequence[int]:
    """The positions of an axis, or if there are many those around the covered ones."""
    near = range(max(0, min(covered, default=0) - 1), min(size, max(covered, default=0) + 2))
    return near if covered and size > MOST_POSITIONS else range(size)


def grids(
    names: Names,
    tensor: Tensor,
    lead: Index = (),
    title: str = "",
    tracks: Sequence[Track] = (),
    turned: bool = False,
    covered: Sequence[Mapping[int, int]] = (),
    partner: tuple[Tensor, Index] | None = None,
) -> Iterator[Grid]:
    """Grids of one sample and channel: one for one or two axes, one per depth for three.

    Args:
        names: the names of the layer's elements, and their numbers, which are shown in place of the names.
        tensor: the tensor whose elements they show.
        lead: (n, c), (f, c) or (n, f), from 0; empty for the first. b has none.
        title: the grids' title; empty for the tensor's.
        tracks: the places of elements along each spatial axis; empty for the array as it is.
        turned: whether the array is rotated by 180 degrees.
        covered: for each axis the positions that are covered and marked, each with that of its partner.
        partner: the tensor that lies on the covered cells, and its sample, filter or channel; None for marks only.
    """
    lead = lead or ((0, 0) if tensor.array is not B else ())
    tracks = tracks or [plain(size, turned) for size in names.layer.canonical[tensor][len(lead) :]]
    marks = covered or [{}] * len(tracks)
    shown = [_shown(track.size, each) for track, each in zip(tracks, marks, strict=True)]
    parts = [title or ("W rotated" if turned else tensor.title)]
    for track, part, word in zip(tracks, shown, names.layer.axis_words, strict=False):
        if len(part) < track.size:
            parts.append(f"{word}s {part[0] + 1} to {part[-1] + 1} of {track.size}")

    def cell(*places: int) -> Cell:
        here = [part[k] for part, k in zip(shown, places[-len(shown) :], strict=True)]
        slots = list(map(Track.slot, tracks, here))
        # A zero of the frame on any axis makes the cell one.
        fill = max((slot for slot in slots if slot < 0), default=0)
        # What stands around O is cut off.
        around = Fill.CUT.value if tensor is O else fill
        found = Fill(around) if fill else names.shown(tensor, (*lead, *slots))
        under = [each.get(k, -1) for each, k in zip(marks, here, strict=True)]
        if partner and min(under) >= 0:
            return Cell(Pair(found, names.shown(partner[0], (*partner[1], *under))), True)
        return Cell(found, min(under) >= 0)

    in_short = bool(lead) and tensor not in names.values and not covered
    if covered and len(tracks) == 3:
        shown[0] = sorted(covered[0])
    *deep, height, width = [1] * (2 - len(shown)) + [len(part) for part in shown]
    for depth in product(*map(range, deep)):
        slots = [track.slot(part[k]) for track, part, k in zip(tracks, shown, depth, strict=False)]
        blank = "cut off" if tensor is O else "of zeros ({})"
        which = [f" · depth {k + 1 if k >= 0 else blank.format(Fill(k).name.lower())}" for k in slots]
        yield Grid(", ".join(parts) + "".join(which), height, width, partial(cell, *depth), tensor, in_short)


def result_grids(names: Names, tensor: Tensor) -> Iterator[Grid]:
    """Every matrix of a tensor, with sample, channel or filter in its title, from 1, if the tensor has such axes."""
    layer = names.layer
    for lead in indices(layer.canonical[tensor][: 0 if tensor.array is B else 2]):
        words = [f"{word} {k + 1}" for word, k in zip(layer.lead_words(tensor), lead, strict=False)]
        where = ", ".join(words[2 - layer.lead[tensor] :])
        yield from grids(names, tensor, lead, f"{tensor.title} · {where}" if where else "")
