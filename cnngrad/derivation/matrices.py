"""Grids of a layer's arrays: as they are, with their frames and zeros, rotated, and with cells covered."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from cnngrad.derivation.grids import Cell, Fill, Grid
from cnngrad.layer import Axis, Layer
from cnngrad.names import Index, Names, Number, Numbers, Symbol, scalar

__all__ = [
    "Slot",
    "Track",
    "bias_grid",
    "column",
    "framed_input",
    "framed_output",
    "layer_matrix",
    "lead_words",
    "plain",
    "plain_grids",
    "result_grids",
    "spread_output",
    "track_grids",
    "turned_filter",
]

# What stands at one position of a track: an element's position along its axis, or a zero or a gap without one.
Slot = int | Fill


@dataclass(frozen=True, eq=False)
class Track:
    """One axis of a grid: what stands at each position, and which positions a picture covers.

    Attributes:
        size: the number of positions.
        slot: what stands at a position, from 0.
        covered: the positions that a picture covers.
    """

    size: int
    slot: Callable[[int], Slot]
    covered: frozenset[int] = frozenset()

    def around(self, most: int) -> "Track":
        """The covered positions and their neighbours alone, where there are more than `most` positions."""
        if self.size <= most or not self.covered:
            return self
        first, last = max(0, min(self.covered) - 1), min(self.size, max(self.covered) + 2)
        before, after = first > 0, last < self.size

        def slot(k: int) -> Slot:
            position = first + k - before
            return self.slot(position) if first <= position < last else Fill.MORE

        covered = frozenset(k - first + before for k in self.covered)
        return Track(before + last - first + after, slot, covered)


def plain(size: int, covered: Collection[int] = (), turned: bool = False) -> Track:
    """An axis as it is, or in reverse."""
    return Track(size, (lambda k: size - 1 - k) if turned else (lambda k: k), frozenset(covered))


def framed_input(axis: Axis, covered: Collection[int] = (), cropped: bool = False) -> Track:
    """X with its padding; `cropped` without the leftover positions at the end. `covered` counts from X's first."""
    size = axis.padded - (axis.leftover if cropped else 0)

    def slot(k: int) -> Slot:
        return k - axis.before if axis.inside(k - axis.before) else Fill.FRAME

    return Track(size, slot, frozenset(h + axis.before for h in covered))


def spread_output(axis: Axis) -> Track:
    """dE/dO with s-1 zeros between its elements."""
    return Track(axis.spread, lambda k: Fill.GAP if k % axis.stride else k // axis.stride)


def framed_output(axis: Axis, covered: Collection[int] = ()) -> Track:
    """dE/dO with its zeros and the frame that a full convolution needs."""
    before, after = axis.frame
    inner = spread_output(axis)

    def slot(k: int) -> Slot:
        return inner.slot(k - before) if before <= k < before + inner.size else Fill.FRAME

    return Track(before + inner.size + after, slot, frozenset(covered))


def track_grids(
    names: Names,
    title: str,
    tensor: str,
    lead: Index,
    tracks: Sequence[Track],
    *,
    gradient: bool = False,
    values: Numbers | None = None,
) -> Iterator[Grid]:
    """Grids of one sample and channel: one for one or two axes, one per depth for three.

    Args:
        names: of the layer's elements.
        title: the grids' title.
        tensor: the elements' letter.
        lead: (n, c), (f, c) or (n, f), from 0.
        tracks: what stands along each spatial axis.
        gradient: the elements are ∂E/∂(tensor).
        values: numbers in canonical shape to show in place of symbols.
    """
    *deep, columns = tracks
    rows = deep.pop() if deep else None
    pictured = any(track.covered for track in tracks)

    def content(slots: list[Slot]) -> Symbol | Number | Fill:
        for fill in (Fill.MORE, Fill.FRAME, Fill.GAP):
            if fill in slots:
                return fill
        index = (*lead, *(slot for slot in slots if isinstance(slot, int)))
        return names.symbol(tensor, index, gradient) if values is None else scalar(values, index)

    def make(depth: int | None) -> Grid:
        def cell(r: int, c: int) -> Cell:
            places = [(track, k) for track, k in ((rows, r), (columns, c)) if track is not None]
            if depth is not None:
                places.insert(0, (deep[0], depth))
            covered = pictured and all(k in track.covered for track, k in places)
            return Cell(content([track.slot(k) for track, k in places]), covered)

        name = title if depth is None else f"{title} · depth {_slot_name(deep[0].slot(depth))}"
        return Grid(name, 1 if rows is None else rows.size, columns.size, cell, tensor)

    if not deep:
        yield make(None)
    else:
        for depth in sorted(deep[0].covered) if pictured else range(deep[0].size):
            yield make(depth)


def _slot_name(slot: Slot) -> str:
    return str(slot + 1) if isinstance(slot, int) else f"of zeros ({slot.value})"


def plain_grids(
    names: Names, title: str, tensor: str, lead: Index, *, gradient: bool = False, values: Numbers | None = None
) -> Iterator[Grid]:
    """Grids of one sample and channel of X, W or O, or of their gradients, as they are."""
    sizes = {"x": names.layer.size, "w": names.layer.kernel, "o": names.layer.out}[tensor]
    yield from track_grids(names, title, tensor, lead, [plain(n) for n in sizes], gradient=gradient, values=values)


def result_grids(names: Names, name: str, values: Numbers | None = None) -> Iterator[Grid]:
    """Every matrix of a tensor by name (`O`, `dEdW`, …), batch and channel in its title; in symbols without values."""
    gradient = name.startswith("dEd")
    tensor = name.removeprefix("dEd").lower()
    title = f"∂E/∂{name[3:]}" if gradient else name
    if tensor == "b":
        yield bias_grid(names, title, gradient, values)
        return
    for lead in product(*map(range, names.layer.canonical[tensor.upper()][:2])):
        where = lead_words(names.layer, tensor, lead)
        yield from plain_grids(
            names, f"{title} · {where}" if where else title, tensor, lead, gradient=gradient, values=values
        )


def bias_grid(names: Names, title: str, gradient: bool, values: Numbers | None = None) -> Grid:
    """b, or its gradient, as a row with one element per filter."""

    def cell(_: int, f: int) -> Cell:
        return Cell(names.symbol("b", (f,), gradient) if values is None else scalar(values, (f,)))

    return Grid(title, 1, names.layer.filters, cell, "b")


def lead_words(layer: Layer, tensor: str, lead: Index) -> str:
    """The sample, channel or filter in words, from 1, as far as the tensor has such axes: `sample 1, channel 2`."""
    count = {"x": layer.x_lead, "w": layer.w_lead, "o": layer.o_lead}[tensor]
    words = list(zip(_LEADS[tensor], lead, strict=True))[2 - count :]
    return ", ".join(f"{word} {k + 1}" for word, k in words)


_LEADS = {"x": ("sample", "channel"), "w": ("filter", "channel"), "o": ("sample", "filter")}


def turned_filter(names: Names, title: str, lead: Index, values: Numbers | None = None) -> Iterator[Grid]:
    """The filter as it lies on framed dE/dO: rotated by 180 degrees (with flip the two rotations cancel)."""
    tracks = [plain(a.kernel, turned=not a.flip) for a in names.layer.axes]
    yield from track_grids(names, title, "w", lead, tracks, values=values)


def layer_matrix(names: Names, *, transposed: bool = False, values: Numbers | None = None) -> Grid:
    """M with o = M·x for one sample: rows are outputs, columns inputs, each entry a w or zero; or its transpose."""
    layer = names.layer
    outputs = list(product(range(layer.filters), *map(range, layer.out)))
    inputs = list(product(range(layer.channels), *map(range, layer.size)))

    def cell(r: int, c: int) -> Cell:
        (f, *i), (channel, *h) = (outputs[c], inputs[r]) if transposed else (outputs[r], inputs[c])
        group, within = divmod(channel, layer.group_channels)
        taps = [axis.tap(i_a, h_a) for axis, i_a, h_a in zip(layer.axes, i, h, strict=True)]
        if group != f // layer.group_filters or None in taps:
            return Cell(Fill.NONE)
        index = (f, within, *(u for u in taps if u is not None))
        return Cell(names.symbol("w", index) if values is None else scalar(values, index))

    size = (len(inputs), len(outputs)) if transposed else (len(outputs), len(inputs))
    return Grid("Mᵀ" if transposed else "M", *size, cell, "w")


def column(names: Names, tensor: str, n: int, *, gradient: bool = False, values: Numbers | None = None) -> Grid:
    """One sample of X or O written as a column."""
    layer = names.layer
    leads, sizes = (layer.channels, layer.size) if tensor == "x" else (layer.filters, layer.out)
    places = list(product(range(leads), *map(range, sizes)))

    def cell(r: int, _: int) -> Cell:
        index = (n, *places[r])
        return Cell(names.symbol(tensor, index, gradient) if values is None else scalar(values, index))

    return Grid(f"∂E/∂{tensor}" if gradient else tensor, len(places), 1, cell, tensor)
