"""What the sections of a lesson share: the layer, its numbers, the user's choice, and recurring blocks."""

from collections.abc import Callable, Iterator
from itertools import islice
from math import prod

from cnngrad.derivation import words
from cnngrad.derivation.blocks import Block, Expansions, Form, GridRow, Hint, Part, Sentence
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.matrices import Track, plain_grids, result_grids, track_grids
from cnngrad.derivation.telling import TELLING, WHOLE_UP_TO, Told, telling
from cnngrad.layer import Layer, indices
from cnngrad.layer.expansion import Expander, Expansion, OutputsOnDemand, Partial
from cnngrad.layer.names import Index, Number, Symbol, Values
from cnngrad.tensor import Tensor

__all__ = ["MOST_MATRICES", "Board", "Items", "say"]

# One formula shows the matrices of at most this many channels, samples or depths.
MOST_MATRICES = 4
# Results are shown as at most so many matrices, and elements in so many pictures, where all are asked for.
MOST_RESULTS, MOST_PICTURES = 12, 25

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

    def table(self, tensor: Tensor, form: Form = Form.WORKED, said: bool = True) -> list[Block]:
        """The elements of a tensor, or the telling ones where there are many.

        Args:
            tensor: the tensor.
            form: how they are written.
            said: whether to say which are shown, and why.
        """
        shown = self.shown(tensor)
        expansions = [self.expand(tensor, told.place) for told in shown]
        if form is Form.CHAIN:
            expansions = [expansion.by_chain_rule() for expansion in expansions]
        return [
            Expansions(tuple(expansions), form, self.choice.in_short),
            *(self._which(tensor, shown) if said else []),
        ]

    def telling_chain(self, tensor: Tensor) -> Expansions:
        """The telling elements of a tensor by the chain rule, or all where all are asked for."""
        shown = self.shown(tensor, pictures=True) if self.choice.limit is not None else self.shown(tensor)
        return Expansions(
            tuple(self.expand(tensor, told.place).by_chain_rule() for told in shown),
            Form.CHAIN,
            self.choice.in_short,
        )

    def expand(self, tensor: Tensor, index: Index) -> Expansion:
        """An element, written out."""
        return self.expander.expand(tensor, index, zeros=self.choice.zeros, limit=self.choice.most_terms)

    def shown(self, tensor: Tensor, pictures: bool = False) -> list[Told]:
        """The elements of a tensor that are shown: all of few, the telling ones of many; or those that are pictured."""
        shape, most = self.layer.canonical[tensor], self.choice.limit
        if most is None or (not pictures and prod(shape) <= max(most, WHOLE_UP_TO)):
            return [Told(index) for index in islice(indices(shape), MOST_PICTURES if pictures else None)]
        if pictures:
            return [told for told in telling(self.layer, tensor, min(most, TELLING)) if told.why]
        return telling(self.layer, tensor, most)

    def _which(self, tensor: Tensor, shown: list[Told]) -> list[Block]:
        """Why these elements are shown, and where the others are."""
        rest = prod(self.layer.canonical[tensor]) - len(shown)
        if not rest:
            return []
        parts: list[Part] = ["Shown: "]
        for told in shown:
            parts += [
                ", " if len(parts) > 1 else "",
                self.symbol(tensor, told.place),
                f" {told.why}" if told.why else "",
            ]
        other = next(index for index in indices(self.layer.canonical[tensor]) if index not in {t.place for t in shown})
        name = self.symbol(tensor.array, other).name
        words = "The other one works" if rest == 1 else f"The other {rest} work"
        return [say(*parts, f". {words} the same way."), Hint(f"--element {quoted(name)} shows one, --all all.")]

    def rows(self, items: Callable[[Values], Items], said: str = "") -> list[Block]:
        """The same row of grids in symbols, and in numbers where there are any."""
        blocks: list[Block] = [say(said)] if said else []
        blocks.append(GridRow(tuple(items({}))))
        if self.has_numbers:
            blocks.append(GridRow(tuple(items(self.values))))
        return blocks

    @property
    def has_numbers(self) -> bool:
        """Whether the layer's arrays have numbers."""
        return Tensor.X in self.values

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
        if not self.has_numbers:
            return []
        most = MOST_MATRICES if self.choice.limit is not None else MOST_RESULTS
        grids = list(islice(result_grids(self.names, tensor, self.values), most))
        total = 1 if tensor is Tensor.DB else prod(shape[:2]) * (shape[2] if len(shape) == 5 else 1)
        blocks: list[Block] = [GridRow(tuple(item for grid in grids for item in (grid, "  "))[:-1])]
        if total > len(grids):
            rest = total - len(grids)
            words = "One more matrix is not shown" if rest == 1 else f"{rest} more matrices are not shown"
            blocks += [say(f"{words}."), Hint("Without --explain, -o saves all.")]
        return blocks

    def unreached(self, gradient: bool) -> list[Block]:
        """Which positions of X no window reads, and why; with what that means for the gradient."""
        sentence = words.unreached(self.layer, gradient)
        return [say(sentence)] if sentence else []

    def origin(self, tensor: Tensor) -> Index:
        """The canonical index of a tensor's first element."""
        return (0,) * len(self.layer.canonical[tensor])


def say(*parts: Part) -> Sentence:
    """A sentence of some parts."""
    return Sentence(tuple(part for part in parts if part != ""))


def quoted(name: str) -> str:
    """An element's name as a shell takes it."""
    return f"'{name}'" if "[" in name else name


def evaluated(o: Symbol, by: Symbol, factor: Symbol) -> Sentence:
    """What the partial derivative of an output is."""
    return say("In ", o, ", ", by, " is multiplied by ", factor, ", so ", Partial(o, by), " = ", factor, ". This gives")


def _few(grids: Iterator[Grid]) -> Items:
    """The first of some grids, and an ellipsis where there are more."""
    shown: Items = list(islice(grids, MOST_MATRICES))
    return [*shown, "…"] if next(grids, None) else shown
