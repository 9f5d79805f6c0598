"""What the sections share: the layer, its numbers, the user's choice, and recurring blocks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from math import prod
from shlex import quote
from typing import Any

import numpy as np

from cnngrad.derivation import formulas
from cnngrad.derivation.blocks import Block, Expansions, Formula, Grids, Hint, Part, Sentence
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Item, framed_input, grids, result_grids
from cnngrad.derivation.telling import WHOLE_UP_TO, telling
from cnngrad.derivation.words import unreached
from cnngrad.layer import Layer, counted
from cnngrad.layer.expansion import Expander, OutputsOnDemand
from cnngrad.layer.names import Index, Names, Symbol, Values
from cnngrad.tensor import DB, DW, DX, O, Tensor, X

# One formula shows the matrices of at most this many channels, samples or depths.
MOST_MATRICES = 4
# Maximum number of matrices of a result, even if all are asked for.
_MOST_RESULTS = 12
# Number of terms that always fills more than two lines.
_GLANCE = 64
# Maximum number of products, including those with 0, of a sum that is written out in full.
_MOST_PRODUCTS = 32
# Where an element lies, by the number of axes with several positions, and then of axes at whose end it is.
_PLACES = (
    ("",),
    ("inside", "at an end"),
    ("inside", "at an edge", "at a corner"),
    ("inside", "on a face", "at an edge", "at a corner"),
)

Items = list[Item]
# The content of a section: text is a sentence, a tuple a sentence with symbols, and a list a row of grids.
Said = Iterator[Block | str | tuple[Part, ...] | Items]


def blocks(said: Said) -> Iterator[Block]:
    """The content of a section as blocks, without empty sentences."""
    for each in said:
        if isinstance(each, list):
            yield Grids((each,))
        elif not isinstance(each, str | tuple):
            yield each
        elif parts := tuple(part for part in ([each] if isinstance(each, str) else each) if part != ""):
            yield Sentence(parts)


def apart(rows: Iterable[Iterable[Item]]) -> Items:
    """Some rows of grids as one."""
    return [item for row in rows for item in ("  ", *row)][1:]


class Board:
    """A layer's symbols, numbers and matrices, from which the sections build their blocks.

    Attributes:
        names: the names of the elements, with their numbers.
        symbols: only the names.
        views: `symbols` and `names`, or only `symbols` if there are no numbers.
    """

    def __init__(self, layer: Layer, values: Values, choice: Choice, tensors: Sequence[Tensor]) -> None:
        """A board for a layer with these numbers, and the tensors that are explained."""
        self.layer, self.choice, self.tensors = layer, choice, tensors
        if X in values and O not in values:
            values = {**values, O: OutputsOnDemand(layer, values)}
        self.rules = formulas.rules(layer)
        self.expander, self.inside = Expander(layer, values), Expander(layer.with_axes(mode="zeros"))
        self.names, self.symbols = self.expander.names, Names(layer)
        self.views = [self.symbols, *[self.names] * (X in values)]
        self.symbol = self.names.symbol

    def factors(
        self, tensor: Tensor, index: Index, limit: int | None, inside: bool = False
    ) -> tuple[list[tuple[Symbol, ...]], int]:
        """Both factors of the first terms of an element of dE/dW or dE/dX, and the number of its terms.

        Args:
            tensor: dE/dW or dE/dX.
            index: the element.
            limit: how many terms; None for all.
            inside: whether to leave out the terms of an x that stands in the padding.
        """
        products, count, _ = (self.inside if inside else self.expander).products(tensor, index)
        return [tuple(self.symbol(*each) for each in pair) for pair in islice(products, limit)], count

    def sums(self, tensor: Tensor, places: Iterable[Index], chain: bool = False, zeros: bool = False) -> Expansions:
        """Elements of a tensor, by the chain rule or written out; `zeros` writes all terms in any case."""
        choice = self.choice
        in_short = choice.limit is not None and choice.terms is None and not zeros
        zeros, limit = zeros or choice.zeros, _GLANCE if in_short else choice.terms
        sums = tuple(self.expander.expand(tensor, place, zeros=zeros, limit=limit, chain=chain) for place in places)
        return Expansions(sums, chain, in_short)

    def derived(self, tensor: Tensor, *said: str) -> Said:
        """The rule of a tensor, remarks on it, its elements (the telling ones of many), and the result."""
        yield Formula(self.rules[tensor])
        yield from said
        shape, shown = self.layer.canonical[tensor], self.shown(tensor)
        sums = self.sums(tensor, shown)
        yield sums
        if sums.has_zeros:
            yield Hint("--zeros shows the products with 0 too, as the notes do.")
        if rest := prod(shape) - len(shown):
            told = [part for at in shown for part in (", ", self.symbol(tensor, at), f" {self.remark(tensor, at)}")]
            how = "other one works" if rest == 1 else f"other {rest} work"
            yield "Shown: ", *told[1:], f". The {how} the same way."
            other = self.symbol(tensor.array, next(place for place in np.ndindex(shape) if place not in shown))
            yield Hint(f"--element {quote(other.name)} shows one of them, --all shows all.")
        # The sum of a window that overlaps the padding, with its zeros if that is new and not too long.
        has_all = self.layer.mode != "zeros" or self.choice.zeros
        ends = (*shown, (0,) * len(shape), tuple(size - 1 for size in shape))
        for place in ends if tensor is O and not self.layer.transposed else ():
            _, inside, every = self.inside.products(O, place)
            if inside < every:
                zeros = not has_all and every <= (self.choice.terms or _MOST_PRODUCTS)
                if zeros or place not in shown:
                    also = ". All its products" * zeros
                    yield "The window of ", self.symbol(O, place), f" overlaps the padding{also}:"
                    yield self.sums(O, [place], zeros=zeros)
                break
        if tensor in (O, DX):
            yield unreached(self.layer, tensor)
        # The matrices of the result; all of them if they are few.
        if tensor in self.tensors and len(self.views) > 1:
            matrices = list(
                islice(result_grids(self.names, tensor), MOST_MATRICES if self.choice.limit else _MOST_RESULTS)
            )
            yield apart([grid] for grid in matrices)
            rest = 0 if tensor is DB else prod(shape[: max(2, len(shape) - 2)]) - len(matrices)
            if rest:
                yield f"{'One more matrix is' if rest == 1 else f'{rest} more matrices are'} not shown."
                yield Hint("-o FILE saves them all.")

    def valued(self, tensor: Tensor, place: Index) -> tuple[Part, ...]:
        """An element, and its number if it has one: `∂E/∂o11 = 4`."""
        number = self.names.number(tensor, place)
        return self.symbol(tensor, place), *(() if number is None else (" = ", number))

    def alone(self, tensor: Tensor, place: Index) -> str:
        """Why an element has no products; empty if it has some."""
        if self.expander.products(tensor, place)[1] > (tensor is O and self.layer.has_bias):
            return ""
        if self.layer.transposed:
            return "which no x reaches" if tensor is O else "whose products are all cut off"
        other = {O: "whose window covers only padding", DW: "which meets only padding"}
        return other.get(tensor, "which no window reads")

    def remark(self, tensor: Tensor, place: Index) -> str:
        """Where an element lies, and the number of its terms, `at a corner with 1 term`; or why it has none."""
        lead, (_, count, _) = len(tensor.lead_words), self.expander.products(tensor, place)
        sizes = self.layer.canonical[tensor][lead:]
        at_end = [k in (0, size - 1) for k, size in zip(place[lead:], sizes, strict=True) if size > 1]
        where = f"{_PLACES[len(at_end)][sum(at_end)]} with {counted(count, 'term')}".strip()
        return self.alone(tensor, place) or where

    def shown(self, tensor: Tensor) -> Sequence[Index]:
        """The elements of a tensor that are shown: all if they are few, otherwise the telling ones."""
        shape, most = self.layer.canonical[tensor], self.choice.limit
        if most is None or prod(shape) <= max(most, WHOLE_UP_TO):
            return list(np.ndindex(shape))
        return telling(self.layer, tensor, most)

    def in_both(self, make: Callable[[Names], Items]) -> Grids:
        """A row of grids in symbols and in numbers, each if it fits."""
        return Grids(tuple(map(make, self.views)))


def matrices(names: Names, tensor: Tensor, **how: Any) -> Items:
    """One sample and channel of a tensor: its first matrices, and an ellipsis if there are more."""
    every = grids(names, tensor, **how)
    return [*islice(every, MOST_MATRICES), *("…" for _ in islice(every, 1))]


def padded(names: Names, lead: Index = (0, 0), cropped: bool = False) -> Items:
    """X, or a transposed layer's dE/dO, with its padding; `cropped` without the end that no window reaches."""
    wide = names.layer.role[X]
    title = f"{wide.title}, padded" * names.layer.is_padded
    return matrices(names, wide, lead=lead, title=title, track=partial(framed_input, cropped=cropped))
