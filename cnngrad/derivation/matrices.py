"""Grids of a layer's arrays: as they are, with their frames and zeros, rotated, and with cells covered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from cnngrad.derivation.grids import Cell, Fill, Grid, Pair
from cnngrad.layer import Axis, Layer
from cnngrad.layer.names import Index, Names, Number, Symbol, Values, scalar
from cnngrad.tensor import Tensor

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

# No position is covered.
_NONE: Mapping[int, int] = {}
# What is at one position of a track: the position of an element along its axis, or a zero or gap without an element.
Slot = int | Fill


@dataclass(frozen=True, eq=False)
class Track:
    """One axis of a grid: what stands at each position, and which positions a picture covers.

    Attributes:
        size: the number of positions.
        slot: what stands at a position, from 0.
        covered: the positions that a picture covers, each with that of its partner along this axis.
        cut: which positions are shown, in words, where others are cut off.
    """

    size: int
    slot: Callable[[int], Slot]
    covered: Mapping[int, int] = field(default_factory=dict)
    cut: str = ""

    def around(self, most: int, word: str) -> "Track":
        """Only the covered positions and their neighbours, if there are more than `most` positions.

        Args:
            most: how many positions are shown whole.
            word: what the positions are called, in the plural.
        """
        if self.size <= most or not self.covered:
            return self
        first, last = max(0, min(self.covered) - 1), min(self.size, max(self.covered) + 2)
        if (first, last) == (0, self.size):
            return self
        covered = {k - first: partner for k, partner in self.covered.items()}
        return Track(
            last - first, lambda k: self.slot(first + k), covered, f"{word} {first + 1} to {last} of {self.size}"
        )


def plain(size: int, covered: Mapping[int, int] = _NONE, turned: bool = False) -> Track:
    """An axis as it is, or in reverse."""
    return Track(size, (lambda k: size - 1 - k) if turned else (lambda k: k), covered)


def framed_input(axis: Axis, covered: Mapping[int, int] = _NONE, cropped: bool = False) -> Track:
    """X with its padding; `cropped` without the leftover positions at the end. `covered` counts from X's first."""
    size = axis.padded - (axis.leftover if cropped else 0)

    def slot(k: int) -> Slot:
        return k - axis.before if axis.inside(k - axis.before) else Fill.FRAME

    return Track(size, slot, {h + axis.before: partner for h, partner in covered.items()})


def spread_output(axis: Axis) -> Track:
    """dE/dO with s-1 zeros between its elements."""
    return Track(axis.spread, lambda k: Fill.GAP if k % axis.stride else k // axis.stride)


def framed_output(axis: Axis, covered: Mapping[int, int] = _NONE) -> Track:
    """dE/dO with its zeros and the frame that a full convolution needs."""
    before, after = axis.frame
    inner = spread_output(axis)

    def slot(k: int) -> Slot:
        return inner.slot(k - before) if before <= k < before + inner.size else Fill.FRAME

    return Track(before + inner.size + after, slot, covered)


def track_grids(
    names: Names,
    title: str,
    tensor: Tensor,
    lead: Index,
    tracks: Sequence[Track],
    values: Values,
    partner: tuple[Tensor, Index] | None = None,
) -> Iterator[Grid]:
    """Grids of one sample and channel: one for one or two axes, one per depth for three.

    Args:
        names: the names of the layer's elements.
        title: the grids' title.
        tensor: the tensor whose elements they show.
        lead: (n, c), (f, c) or (n, f), from 0.
        tracks: what stands along each spatial axis.
        values: the numbers to show; symbols are shown where this tensor has none.
        partner: the tensor that lies on the covered cells, and its sample, filter or channel; None for marks alone.
    """
    *deep, columns = tracks
    rows = deep.pop() if deep else None
    pictured = any(track.covered for track in tracks)
    element = _element(names, tensor, values)
    lying = None if partner is None else _element(names, partner[0], values)
    cuts = [track.cut for track in tracks if track.cut]
    title = ", ".join([title, *cuts])

    def content(slots: list[Slot]) -> Symbol | Number | Fill:
        for fill in (Fill.MORE, Fill.FRAME, Fill.GAP):
            if fill in slots:
                return fill
        return element((*lead, *(slot for slot in slots if isinstance(slot, int))))

    def make(depth: int | None) -> Grid:
        def cell(r: int, c: int) -> Cell:
            places = [(track, k) for track, k in ((rows, r), (columns, c)) if track is not None]
            if depth is not None:
                places.insert(0, (deep[0], depth))
            covered = pictured and all(k in track.covered for track, k in places)
            found = content([track.slot(k) for track, k in places])
            if covered and partner is not None and lying is not None:
                here = lying((*partner[1], *(track.covered[k] for track, k in places)))
                return Cell(Pair(found, here), True)
            return Cell(found, covered)

        name = title if depth is None else f"{title} · depth {_slot_name(deep[0].slot(depth))}"
        in_short = tensor not in values and not pictured
        return Grid(name, 1 if rows is None else rows.size, columns.size, cell, tensor, in_short)

    if not deep:
        yield make(None)
    else:
        for depth in sorted(deep[0].covered) if pictured else range(deep[0].size):
            yield make(depth)


def _element(names: Names, tensor: Tensor, values: Values) -> Callable[[Index], Symbol | Number]:
    """The content of an element's cell: its number where there are numbers, otherwise its symbol."""
    numbers = values.get(tensor)
    if numbers is None:
        return lambda index: names.symbol(tensor, index)
    return lambda index: scalar(numbers, index)


def _slot_name(slot: Slot) -> str:
    return str(slot + 1) if isinstance(slot, int) else f"of zeros ({slot.value})"


def plain_grids(
    names: Names, title: str, tensor: Tensor, lead: Index, values: Values, turned: bool = False
) -> Iterator[Grid]:
    """Grids of one sample and channel of X, W or O, or of their gradients, as they are, or rotated by 180 degrees."""
    sizes = names.layer.canonical[tensor][2:]
    yield from track_grids(names, title, tensor, lead, [plain(size, turned=turned) for size in sizes], values)


def result_grids(names: Names, tensor: Tensor, values: Values) -> Iterator[Grid]:
    """Every matrix of a tensor, batch and channel in its title."""
    if tensor.array is Tensor.B:
        yield bias_grid(names, tensor, values)
        return
    for lead in product(*map(range, names.layer.canonical[tensor][:2])):
        where = lead_words(names.layer, tensor, lead)
        title = f"{tensor.title} · {where}" if where else tensor.title
        yield from plain_grids(names, title, tensor, lead, values)


def bias_grid(names: Names, tensor: Tensor, values: Values) -> Grid:
    """b, or its gradient, as a row with one element per filter."""
    element = _element(names, tensor, values)
    return Grid(tensor.title, 1, names.layer.filters, lambda _, f: Cell(element((f,))), tensor)


def lead_words(layer: Layer, tensor: Tensor, lead: Index) -> str:
    """The sample, channel or filter in words, from 1, as far as the tensor has such axes: `sample 1, channel 2`."""
    words = list(zip(tensor.lead_words, lead, strict=True))[2 - layer.lead[tensor] :]
    return ", ".join(f"{word} {k + 1}" for word, k in words)


def turned_filter(names: Names, title: str, lead: Index, values: Values) -> Iterator[Grid]:
    """The filter as it lies on framed dE/dO: rotated by 180 degrees (with flip the two rotations cancel)."""
    yield from plain_grids(names, title, Tensor.W, lead, values, turned=not names.layer.flip)


def layer_matrix(names: Names, values: Values, *, transposed: bool = False) -> Grid:
    """M with o = M·x for one sample: rows are outputs, columns inputs, each entry a w or zero; or its transpose."""
    layer = names.layer
    outputs = list(product(range(layer.filters), *map(range, layer.out)))
    inputs = list(product(range(layer.channels), *map(range, layer.size)))
    element = _element(names, Tensor.W, values)

    def cell(r: int, c: int) -> Cell:
        (f, *i), (channel, *h) = (outputs[c], inputs[r]) if transposed else (outputs[r], inputs[c])
        group, within = divmod(channel, layer.group_channels)
        taps = [axis.tap(i_a, h_a) for axis, i_a, h_a in zip(layer.axes, i, h, strict=True)]
        if group != f // layer.group_filters or None in taps:
            return Cell(Fill.NONE)
        return Cell(element((f, within, *(u for u in taps if u is not None))))

    size = (len(inputs), len(outputs)) if transposed else (len(outputs), len(inputs))
    return Grid("Mᵀ" if transposed else "M", *size, cell, Tensor.W)


def column(names: Names, tensor: Tensor, n: int, values: Values) -> Grid:
    """One sample of X or O, or of its gradient, written as a column."""
    _, *sizes = names.layer.canonical[tensor]
    places = list(product(*map(range, sizes)))
    element = _element(names, tensor, values)
    title = f"∂E/∂{tensor.letter}" if tensor.is_gradient else tensor.letter
    return Grid(title, len(places), 1, lambda r, _: Cell(element((n, *places[r]))), tensor)
