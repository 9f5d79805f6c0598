"""Matrices as grids of cells, as plain data: a layer's arrays with the zeros between and around their elements."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cnngrad.layer import Axis, Layer, Positions
from cnngrad.layer.names import Index, Names, Number, Symbol
from cnngrad.tensor import DX, B, O, Tensor


class Fill(Enum):
    """A cell without an element."""

    ZERO = 1  # a zero around or between elements, or of the layer's matrix: the output does not read this input
    MORE = 2  # rows or columns that are not shown
    CUT = 3  # a position that the padding cuts off dE/dX, or the O of a transposed layer
    BLANK = 4  # what an exercise asks for


class Copy(NamedTuple):
    """A cell of the padding that repeats an element."""

    of: Symbol | Number


class Pair(NamedTuple):
    """Two factors, one laid on the other in a picture."""

    left: Symbol | Number | Fill | Copy
    right: Symbol | Number


class Added(tuple[Symbol | Number, ...]):
    """The summands in a cell."""


class Cell(NamedTuple):
    """One cell of a grid; `marked` if a picture covers it."""

    content: Symbol | Number | Fill | Copy | Pair | Added
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
        pattern: the numbers of rows and columns that show the pattern of its elements, as in x11 x12 … x18, for a view
            that not all of them fit; None to show as many as possible there.
        around: its marked cells and those next to them, for a view that the whole grid does not fit; its own `around`
            has only the marked cells. None without marks.
    """

    title: str
    height: int
    width: int
    cell: Callable[[int, int], Cell]
    tensor: Tensor | None = None
    pattern: Sequence[int] | None = None
    around: "Grid | None" = None

    @property
    def letter(self) -> str:
        """The letter of its elements; empty for numbers that belong to no tensor."""
        return self.tensor.letter if self.tensor else ""

    @property
    def cells(self) -> list[list[Cell]]:
        """Every cell."""
        return self.cut(self.height, self.width)

    def part(self, title: str, rows: Sequence[int], columns: Sequence[int]) -> "Grid":
        """Some rows and columns, under a title of their own."""
        how = self.tensor, self.pattern
        return Grid(title, len(rows), len(columns), lambda r, c: self.cell(rows[r], columns[c]), *how)

    def pieces(self, rows: int, columns: int) -> "list[Grid]":
        """Pieces of at most this many rows and columns."""
        places = product(range(0, self.height, rows), range(0, self.width, columns))
        parts = [(range(self.height)[r : r + rows], range(self.width)[c : c + columns]) for r, c in places]
        return [self.part(f"{self.title} (part {k} of {len(parts)})", *each) for k, each in enumerate(parts, start=1)]

    def cut(self, rows: int, columns: int) -> list[list[Cell]]:
        """The cells, without the middle if there are more rows or columns than asked for."""
        if self.pattern and (self.height > rows or self.width > columns):
            # An ellipsis in place of a single row or column saves nothing.
            sizes = zip((self.height, self.width), (rows, columns), self.pattern, strict=True)
            rows, columns = (min(most, short) if size > short + 1 else most for size, most, short in sizes)
        more, shown = Cell(Fill.MORE), elided(self.width, columns)
        return [[more if -1 in (r, c) else self.cell(r, c) for c in shown] for r in elided(self.height, rows)]


# A grid, or a sign between grids.
Item = Grid | Symbol | Number | str


def elided(size: int, most: int) -> Sequence[int]:
    """Positions 0..size-1, or the first and last of them around -1 if there are more than `most`.

    >>> elided(9, 4)
    [0, 1, -1, 7, 8]
    """
    if size <= max(most, 1):
        return range(size)
    return [*range(most - most // 2), -1, *range(size - most // 2, size)]


class Track(NamedTuple):
    """One axis of a grid.

    Attributes:
        slots: the element at each position, from 0; -1 for a zero.
        own: the positions of the elements, in their order; an element at any other position is repeated there.
    """

    slots: Sequence[int] | Positions
    own: range

    @property
    def pattern(self) -> int:
        """The number of positions that show the first two elements, the zeros around and between them, and the end."""
        return 2 * (self.own.start + self.own.step) + 1


def framed_input(axis: Axis, cropped: bool = False) -> Track:
    """X with its padding; `cropped` without the leftover positions at the end. In a transposed layer O or dE/dO."""
    return Track(axis.border[: axis.padded - cropped * axis.leftover], range(axis.before, axis.before + axis.wide))


def spread_output(axis: Axis, frame: tuple[int, int] = (0, 0)) -> Track:
    """dE/dO with s-1 zeros between its elements, and a frame of zeros; in a transposed layer X."""
    slots = np.full(axis.spread, -1)
    slots[:: axis.stride] = range(axis.windows)
    framed = np.pad(slots, frame, constant_values=-1)
    return Track(framed, range(frame[0], framed.size, axis.stride))


def framed_output(axis: Axis) -> Track:
    """dE/dO, or X, with its zeros and the frame that a full convolution needs."""
    return spread_output(axis, axis.frame)


def grids(
    names: Names,
    tensor: Tensor,
    lead: Index = (),
    title: str = "",
    track: Callable[[Axis], Track] | None = None,
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
        track: gives the places of the elements along an axis; None for the array as it is.
        turned: whether the array is rotated by 180 degrees.
        covered: for each axis the positions that are covered and marked, each with that of its partner.
        partner: the tensor that lies on the covered cells, and its sample, filter or channel; None for marks only.
    """
    lead = lead or ((0, 0) if tensor.array is not B else ())
    whole = map(range, names.layer.canonical[tensor][len(lead) :])
    as_it_is = [Track(places[:: -1 if turned else 1], places) for places in whole]
    tracks = list(map(track, names.layer.axes)) if track else as_it_is
    # All arrays have three axes here; those in front of an array's own have one position.
    more = 3 - len(tracks)
    tracks = [Track(range(1), range(1))] * more + tracks
    marks = [{0: 0}] * more + [*covered] if covered else [{}] * 3
    title = title or ("W rotated" if turned else tensor.title)

    def cell(*places: int) -> Cell:
        at = list(zip(tracks, marks, places, strict=True))
        slots, under = [int(track.slots[k]) for track, _, k in at], [each.get(k, -1) for _, each, k in at]
        # The positions around O and dE/dX are cut off.
        found: Any
        if min(slots) < 0:
            found = Fill.CUT if tensor in (O, DX) else Fill.ZERO
        else:
            element = names.shown(tensor, (*lead, *slots[more:]))
            found = element if all(k in track.own for track, _, k in at) else Copy(element)
        if partner and min(under) >= 0:
            found = Pair(found, names.shown(partner[0], (*partner[1], *under[more:])))
        return Cell(found, min(under) >= 0)

    depth, height, width = (len(track.slots) for track in tracks)
    # The covered rows and columns, then those next to them too.
    parts = []
    for margin in (0, 1):
        near, where = [], []
        for size, each, word in zip((height, width), marks[1:], ("", *names.layer.axis_words)[-2:], strict=True):
            near.append(range(size)[max(0, min(each, default=0) - margin) : max(each, default=size) + margin + 1])
            if len(near[-1]) < size:
                where.append(f"{word}s {near[-1][0] + 1} to {near[-1][-1] + 1} of {size}")
        parts += [(f"{title} ({', '.join(where)})", near)] * bool(where)
    is_short = lead and (covered or tensor not in names.values)
    pattern = [track.pattern for track in tracks[1:]] if is_short else None
    for k in sorted(marks[0]) if covered else range(depth):
        slot = int(tracks[0].slots[k])
        empty = "cut off" if tensor in (O, DX) else "of zeros"
        which = "" if more else f" · depth {slot + 1 if slot >= 0 else empty}"
        grid = Grid(title + which, height, width, partial(cell, k), tensor, pattern)
        around = None
        for part, near in parts:
            around = replace(grid.part(part + which, *near), around=around)
        yield replace(grid, around=around)


def result_grids(names: Names, tensor: Tensor) -> Iterator[Grid]:
    """Every matrix of a tensor, with sample, channel or filter in its title, from 1, if the tensor has such axes."""
    for lead in np.ndindex(names.layer.canonical[tensor][: 0 if tensor.array is B else 2]):
        yield from grids(names, tensor, lead, titled(names.layer, tensor, lead))


def titled(layer: Layer, tensor: Tensor, lead: Index, title: str = "") -> str:
    """A title with the sample, channel or filter, if the tensor has such axes: `X · sample 1, channel 2`."""
    words = [f"{word} {k + 1}" for word, k in zip(layer.words_of(tensor), lead, strict=False)]
    return " · ".join(filter(None, (title or tensor.title, ", ".join(words[2 - layer.lead[tensor] :]))))
