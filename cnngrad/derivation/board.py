"""What the sections share: the layer, its numbers, the user's choice, and recurring blocks."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from math import prod
from shlex import quote
from typing import Any

from cnngrad.derivation import formulas
from cnngrad.derivation.blocks import Block, Expansions, Form, Formula, GridRow, Hint, Part, Sentence
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Grid, framed_input, grids, result_grids
from cnngrad.derivation.telling import TELLING, WHOLE_UP_TO, telling
from cnngrad.derivation.words import is_padded, unreached
from cnngrad.layer import Layer, indices
from cnngrad.layer.expansion import Expander, OutputsOnDemand
from cnngrad.layer.names import Index, Names, Number, Symbol, Values
from cnngrad.tensor import DB, DX, O, Tensor, X

# One formula shows the matrices of at most this many channels, samples or depths.
MOST_MATRICES = 4
# The most matrices of a result and pictures of elements, even if all are asked for.
_MOST_RESULTS, _MOST_PICTURES = 12, 25

Items = list[Grid | Symbol | Number | str]
# The content of a section: text is a sentence, a tuple a sentence with symbols, and a list a row of grids.
Said = Iterator[Block | str | tuple[Part, ...] | Items]


def blocks(said: Said) -> Iterator[Block]:
    """The content of a section as blocks, without empty sentences."""
    for each in said:
        if isinstance(each, list):
            yield GridRow(tuple(each))
        elif not isinstance(each, str | tuple):
            yield each
        elif parts := tuple(part for part in ([each] if isinstance(each, str) else each) if part != ""):
            yield Sentence(parts)


def apart(rows: Iterable[Iterable[Grid | Symbol | Number | str]]) -> Items:
    """Some rows of grids as one."""
    return [item for row in rows for item in ("  ", *row)][1:]


class Board:
    """A layer's symbols, numbers and matrices, from which the sections build their blocks.

    Attributes:
        names: the names of the elements, with their numbers.
        symbols: only the names.
        views: both, or only the names if there are no numbers.
        omits: whether an output's products with a zero are omitted.
    """

    def __init__(self, layer: Layer, values: Values, choice: Choice, tensors: Sequence[Tensor]) -> None:
        """A board for a layer with these numbers, and the tensors that are explained."""
        self.layer, self.choice, self.tensors = layer, choice, tensors
        if X in values and O not in values:
            values = {**values, O: OutputsOnDemand(layer, values)}
        has_zeros = layer.transposed or (is_padded(layer) and layer.mode == "zeros")
        self.omits = has_zeros and not choice.zeros
        self.rules = formulas.rules(layer)
        self.expander = Expander(layer, values)
        self.names, self.symbols = self.expander.names, Names(layer)
        self.views = [self.symbols, self.names] if X in values else [self.symbols]
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
        expander = Expander(self.layer.with_axes(mode="zeros")) if inside else self.expander
        products, count, _ = expander.products(tensor, index)
        return [tuple(self.symbol(*each) for each in pair) for pair in islice(products, limit)], count

    def sums(self, tensor: Tensor, places: Iterable[Index], chain: bool = False, zeros: bool = False) -> Expansions:
        """Elements of a tensor, by the chain rule or written out; `zeros` writes zero terms in any case."""
        choice, expand = self.choice, self.expander.expand
        zeros = zeros or choice.zeros
        every = [expand(tensor, place, zeros=zeros, limit=choice.most_terms, once=chain) for place in places]
        if chain:
            return Expansions(tuple(each.by_chain_rule() for each in every), Form.CHAIN, choice.in_short)
        return Expansions(tuple(every), in_short=choice.in_short)

    def derived(self, tensor: Tensor, *said: str) -> Said:
        """The rule of a tensor, remarks on it, its elements (the telling ones of many), and the result."""
        yield Formula(self.rules[tensor])
        yield from said
        shape, shown = self.layer.canonical[tensor], self.shown(tensor)
        yield self.sums(tensor, shown)
        rest = prod(shape) - len(shown)
        if rest:
            symbol = partial(self.symbol, tensor)
            told = [part for place, why in shown.items() for part in (", ", symbol(place), why and f" {why}")]
            how = "other one works" if rest == 1 else f"other {rest} work"
            yield "Shown: ", *told[1:], f". The {how} the same way."
            other = self.symbol(tensor.array, next(place for place in indices(shape) if place not in shown))
            yield Hint(f"--element {quote(other.name)} shows one of them, --all shows all.")
        if tensor is O and self.layer.mode != "zeros" and is_padded(self.layer) and rest:
            # The first window overlaps the padding, or the last one.
            first = any(axis.before for axis in self.layer.axes)
            place = next(indices(shape)) if first else tuple(size - 1 for size in shape)
            yield "The window of ", self.symbol(O, place), " overlaps the padding:"
            yield self.sums(O, [place])
        # The zero terms of one window that overlaps the padding.
        for place in shown if tensor is O and self.omits and not self.layer.transposed else ():
            table = self.sums(O, [place], zeros=True)
            if any(None in term.factors for term in table.expansions[0].terms):
                over = " overlaps the padding. With the terms that are omitted above, its output is"
                yield "The window of ", self.symbol(O, place), over
                yield table
                break
        yield unreached(self.layer, tensor) if tensor in (O, DX) else ""
        # The matrices of the result; all of them if they are few.
        if tensor in self.tensors and len(self.views) > 1:
            grids = result_grids(self.names, tensor)
            matrices = list(islice(grids, MOST_MATRICES if self.choice.limit else _MOST_RESULTS))
            yield apart([grid] for grid in matrices)
            rest = 0 if tensor is DB else prod(shape[: max(2, len(shape) - 2)]) - len(matrices)
            if rest:
                yield f"{'One more matrix is' if rest == 1 else f'{rest} more matrices are'} not shown."
                yield Hint("Without --explain, -o saves all.")

    def shown(self, tensor: Tensor) -> dict[Index, str]:
        """The elements of a tensor that are shown, and why: all if they are few, otherwise the telling ones."""
        shape, most = self.layer.canonical[tensor], self.choice.limit
        if most is None or prod(shape) <= max(most, WHOLE_UP_TO):
            return dict.fromkeys(indices(shape), "")
        return telling(self.layer, tensor, most)

    def pictured(self, result: Tensor) -> dict[Index, str]:
        """The elements of a result that are pictured, and why."""
        if self.choice.limit is None:
            return dict.fromkeys(islice(indices(self.layer.canonical[result]), _MOST_PICTURES), "")
        return telling(self.layer, result, min(self.choice.limit, TELLING))


def matrices(names: Names, tensor: Tensor, **how: Any) -> Items:
    """One sample and channel of a tensor: its first matrices, and an ellipsis if there are more."""
    every = grids(names, tensor, **how)
    return [*islice(every, MOST_MATRICES), *("…" for _ in islice(every, 1))]


def padded(names: Names, lead: Index = (0, 0), cropped: bool = False) -> Items:
    """X, or a transposed layer's dE/dO, with its padding; `cropped` without the end that no window reaches."""
    wide = names.layer.role[X]
    title = f"{wide.title}, padded" if is_padded(names.layer) else ""
    tracks = [framed_input(axis, cropped) for axis in names.layer.axes]
    return matrices(names, wide, lead=lead, title=title, tracks=tracks)
