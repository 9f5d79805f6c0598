"""What the sections share: the layer, its numbers, the user's choice, and recurring blocks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import prod
from shlex import quote
from typing import Any

from cnngrad.derivation.blocks import Block, Expansions, Form, GridRow, Hint, Part, Sentence
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Grid, framed_input, grids, result_grids
from cnngrad.derivation.telling import TELLING, WHOLE_UP_TO, Told, telling
from cnngrad.derivation.words import is_padded
from cnngrad.layer import Layer, indices
from cnngrad.layer.expansion import Expander, OutputsOnDemand
from cnngrad.layer.names import Index, Number, Symbol, Values
from cnngrad.tensor import DB, DX, O, Tensor, X

# One formula shows the matrices of at most this many channels, samples or depths.
MOST_MATRICES = 4
# Results are shown as at most so many matrices, and elements in so many pictures, where all are asked for.
MOST_RESULTS, MOST_PICTURES = 12, 25

Items = list[Grid | Symbol | Number | str]
# What a section says: text is a sentence, a tuple is one with symbols in it, and a list is a row of grids.
Said = Iterator[Block | str | tuple[Part, ...] | Items]


def blocks(said: Said) -> Iterator[Block]:
    """What a section says, as blocks; sentences without words fall away."""
    for each in said:
        if isinstance(each, list):
            yield GridRow(tuple(each))
        elif not isinstance(each, str | tuple):
            yield each
        elif parts := tuple(part for part in ((each,) if isinstance(each, str) else each) if part != ""):
            yield Sentence(parts)


class Board:
    """A layer's symbols, numbers and matrices, from which the sections build their blocks."""

    def __init__(self, layer: Layer, values: Values, choice: Choice, tensors: Sequence[Tensor]) -> None:
        """A board for a layer with these numbers, and the tensors that are explained."""
        self.layer, self.choice, self.tensors = layer, choice, tensors
        self.has_numbers = X in values
        if self.has_numbers and O not in values:
            values = {**values, O: OutputsOnDemand(layer, values)}
        self.values = values
        self.expander = Expander(layer, values)
        self.names = self.expander.names
        self.symbol = self.names.symbol

    def factors(self, tensor: Tensor, index: Index, limit: int) -> tuple[list[tuple[Symbol, ...]], int]:
        """Both factors of the first terms of an element of dE/dW or dE/dX, and how many terms there are."""
        products, count, _ = self.expander.products(tensor, index)
        return [tuple(self.symbol(*each) for each in pair if each) for pair in islice(products, limit)], count

    def sums(self, tensor: Tensor, shown: Iterable[Told], form: Form = Form.WORKED, zeros: bool = False) -> Expansions:
        """Some elements of a tensor, written out; `zeros` with their zero terms, whatever is chosen."""
        choice = self.choice
        every = [
            self.expander.expand(tensor, told.place, zeros=zeros or choice.zeros, limit=choice.most_terms)
            for told in shown
        ]
        expansions = [each.by_chain_rule() for each in every] if form is Form.CHAIN else every
        return Expansions(tuple(expansions), form, choice.in_short)

    def table(self, tensor: Tensor) -> Said:
        """The elements of a tensor, or the telling ones where there are many, with which these are, and why."""
        shape, shown = self.layer.canonical[tensor], self.shown(tensor)
        yield self.sums(tensor, shown)
        rest = prod(shape) - len(shown)
        if rest:
            parts: list[Part] = []
            for told in shown:
                parts += [", " if parts else "Shown: ", self.symbol(tensor, told.place), told.why and f" {told.why}"]
            yield (*parts, f". {'The other one works' if rest == 1 else f'The other {rest} work'} the same way.")
            places = {told.place for told in shown}
            other = self.symbol(tensor.array, next(index for index in indices(shape) if index not in places))
            yield Hint(f"--element {quote(other.name)} shows one, --all all.")

    def shown(self, tensor: Tensor) -> list[Told]:
        """The elements of a tensor that are shown: all of few, the telling ones of many."""
        shape, most = self.layer.canonical[tensor], self.choice.limit
        if most is None or prod(shape) <= max(most, WHOLE_UP_TO):
            return list(map(Told, indices(shape)))
        return telling(self.layer, tensor, most)

    def pictured(self) -> list[Told]:
        """The elements of dE/dX that are pictured."""
        if self.choice.limit is None:
            return list(map(Told, islice(indices(self.layer.canonical[DX]), MOST_PICTURES)))
        return [told for told in telling(self.layer, DX, min(self.choice.limit, TELLING)) if told.why]

    def rows(self, items: Callable[[Values], Items]) -> list[Items]:
        """The same row of grids in symbols, and in numbers where there are any."""
        return [items(values) for values in ([{}, self.values] if self.has_numbers else [{}])]

    def grids(self, tensor: Tensor, values: Values, **how: Any) -> Items:
        """One sample and channel of a tensor: its first matrices, and an ellipsis where there are more."""
        every = grids(self.names, tensor, values, **how)
        shown: Items = list(islice(every, MOST_MATRICES))
        return [*shown, "…"] if next(every, None) else shown

    def padded(self, values: Values, lead: Index = (0, 0), cropped: bool = False) -> Items:
        """X with its padding; `cropped` without what the stride leaves over at the end."""
        title = "X, padded" if is_padded(self.layer) else "X"
        tracks = [framed_input(axis, cropped=cropped) for axis in self.layer.axes]
        return self.grids(X, values, lead=lead, title=title, tracks=tracks)

    def result(self, tensor: Tensor) -> Said:
        """A result as matrices; all of them where they are few."""
        if self.has_numbers:
            most = MOST_MATRICES if self.choice.limit is not None else MOST_RESULTS
            shown = list(islice(result_grids(self.names, tensor, self.values), most))
            row: Items = [item for grid in shown for item in ("  ", grid)]
            yield row[1:]
            shape = self.layer.canonical[tensor]
            rest = 0 if tensor is DB else prod(shape[: max(2, len(shape) - 2)]) - len(shown)
            if rest:
                yield f"{'One more matrix is' if rest == 1 else f'{rest} more matrices are'} not shown."
                yield Hint("Without --explain, -o saves all.")
