"""What the sections of a lesson share: the layer, its numbers, the user's choice, and recurring blocks."""

from collections.abc import Callable, Iterator
from itertools import islice
from math import prod

from cnngrad.derivation import words
from cnngrad.derivation.blocks import Block, Expansions, Form, GridRow, Part, Sentence
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.expansion import Expander, OutputsOnDemand
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.matrices import Track, plain_grids, result_grids, track_grids
from cnngrad.derivation.names import Index, Number, Symbol, Values
from cnngrad.layer import Layer, indices
from cnngrad.tensor import Tensor

__all__ = ["MOST_MATRICES", "Board", "Items", "say"]

# One formula shows the matrices of at most this many channels, samples or depths.
MOST_MATRICES = 4
_MOST_RESULTS = 12

Items = list[Grid | Symbol | Number | str]


class Board:
    """A layer's symbols, numbers and matrices, from which the sections build their blocks."""

    def __init__(self, layer: Layer, values: Values, choice: Choice) -> None:
        """A board for a layer with these numbers."""
        self.layer = layer
        if Tensor.X in values and Tensor.O not in values:
            values = {**values, Tensor.O: OutputsOnDemand(layer, values)}
        self.values = values
        self.choice = choice
        self.expander = Expander(layer, values)
        self.names = self.expander.names
        self.symbol = self.names.symbol

    def table(self, tensor: Tensor, form: Form = Form.WORKED) -> Expansions:
        """The elements of a tensor, up to the limit."""
        shape = self.layer.canonical[tensor]
        shown = islice(indices(shape), self.choice.limit)
        expansions = [
            self.expander.expand(tensor, index, zeros=self.choice.zeros, limit=self.choice.limit) for index in shown
        ]
        if form is Form.CHAIN:
            expansions = [expansion.by_chain_rule() for expansion in expansions]
        return Expansions(tuple(expansions), form, prod(shape))

    def rows(self, items: Callable[[Values], Items], said: str = "") -> list[Block]:
        """The same row of grids in symbols, and in numbers where there are any."""
        blocks: list[Block] = [say(said)] if said else []
        blocks.append(GridRow(tuple(items({}))))
        if Tensor.X in self.values:
            blocks.append(GridRow(tuple(items(self.values))))
        return blocks

    def grids(
        self, tensor: Tensor, values: Values, lead: Index = (0, 0), title: str | None = None, turned: bool = False
    ) -> Items:
        """One sample and channel of a tensor as it is, or rotated by 180 degrees."""
        return _few(plain_grids(self.names, title or tensor.title, tensor, lead, values, turned))

    def tracked(self, title: str, tensor: Tensor, tracks: list[Track], values: Values, lead: Index = (0, 0)) -> Items:
        """One sample and channel of a tensor, laid out along the given tracks: with frames, zeros and marks."""
        return _few(track_grids(self.names, title, tensor, lead, tracks, values))

    def sliding_filter(self, values: Values, c: int) -> Items:
        """The filter as it slides over X: with flip it is rotated."""
        flip = self.layer.flip
        return self.grids(Tensor.W, values, (0, c), "W rotated" if flip else "W", turned=flip)

    def result(self, tensor: Tensor) -> list[Block]:
        """A result as matrices; all of them where they are few."""
        shape = self.layer.canonical[tensor]
        most = self.choice.limit or prod(shape)
        grids = list(islice(result_grids(self.names, tensor, self.values), min(most, _MOST_RESULTS)))
        total = 1 if tensor is Tensor.DB else prod(shape[:2]) * (shape[2] if len(shape) == 5 else 1)
        blocks: list[Block] = [GridRow((grid,)) for grid in grids]
        if total > len(grids):
            blocks.append(
                say(f"{total - len(grids)} more matrices are not shown; without --explain, -o saves them all.")
            )
        return blocks

    def unreached(self) -> list[Block]:
        """Which positions of X no window reads, and why."""
        return [say(sentence) for sentence in words.unreached(self.layer)]

    def origin(self, tensor: Tensor) -> Index:
        """The canonical index of a tensor's first element."""
        return (0,) * len(self.layer.canonical[tensor])


def say(*parts: Part) -> Sentence:
    """A sentence of some parts."""
    return Sentence(tuple(part for part in parts if part != ""))


def _few(grids: Iterator[Grid]) -> Items:
    """The first of some grids, and an ellipsis where there are more."""
    shown: Items = list(islice(grids, MOST_MATRICES))
    return [*shown, "…"] if next(grids, None) else shown
