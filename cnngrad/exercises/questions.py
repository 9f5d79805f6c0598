"""The questions of an exercise, with the right answers, those that known mistakes give, and the working."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data
from cnngrad.causes.recipe import right_recipe
from cnngrad.derivation.blocks import Block, Grids, Part, Sentence
from cnngrad.derivation.board import Board, apart, matrices
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Added, Cell, Fill, Grid, framed_output, result_grids
from cnngrad.derivation.notation import Notation
from cnngrad.derivation.pictures import layer_matrix
from cnngrad.derivation.telling import telling
from cnngrad.errors import CnngradError
from cnngrad.exercises.telling import Telling
from cnngrad.layer.names import Index, Names, Number, Symbol, canonical_values
from cnngrad.tensor import DEDO, DW, DX, GIVEN, RESULTS, O, Tensor, W

__all__ = ["KINDS", "LONGEST", "Answer", "Blank", "Maker", "Question"]

# Maximum number of products to choose from.
_PRODUCTS = 8
# Maximum number of right ones among them.
_RIGHT = 5
# Maximum number of mistakes to choose from.
_MISTAKES = 4
# Number of elements, the most telling ones, out of which a question asks for one.
_PLACES = 9
# Mistakes that are not asked for, since their sentences also fit the results of others: a rotated result, too, has its
# numbers in another order.
_VAGUE = (
    "zero",
    "scaled",
    "incomplete",
    "shifted",
    "overwritten",
    "other-layout",
    "operand-layout",
    "axes-swapped",
    "stride-gap-wrong",
    "dilation-off-by-one",
)
# The longest row or column that every document shows without an ellipsis.
LONGEST = 9

Answer = Number | str
# The id of the likeliest mistake that gives some numbers in the blanks, and these numbers.
Explained = tuple[str, list[Number]]
# The question in words, and what is shown with it.
Task = tuple[Sentence, *tuple[Block, ...]]
# What may be chosen, and whether it is right.
Option = tuple[tuple[Part, ...], bool]


class Blank(NamedTuple):
    """A number or a name to be filled in.

    Attributes:
        label: what it is: an element, or a place in words.
        right: the answer.
        wrong: the id of the likeliest mistake that gives each wrong answer.
    """

    label: str
    right: Answer
    wrong: Mapping[Number, str] = {}


class Question(NamedTuple):
    """A question of an exercise.

    Attributes:
        ask: what is asked, as in `--ask`.
        task: the question; `Fill.BLANK` stands for each of the blanks, in order.
        working: the answers, and how they come about.
        blanks: what is to be filled in; empty if there are options.
        options: what may be chosen, by letter, each with whether it is right; empty if there are blanks.
        asked: the result whose numbers are asked for; None for none.
        ways: the numbers that known mistakes give, for each way in which they are made.
        shown: the result that is shown wrong, and its numbers; None for none.
    """

    ask: str
    task: Task
    working: tuple[Block, ...]
    blanks: Sequence[Blank] = ()
    options: Mapping[str, Option] = {}
    asked: Tensor | None = None
    ways: Sequence[Explained] = ()
    shown: tuple[Tensor, Array] | None = None

    def blocks(self, number: int, solved: bool) -> Iterator[Block]:
        """The question under its number, and its answer if it is solved."""
        first, *others = self.task
        # The solution has the answers in place of the blanks.
        answers = iter(self.right if solved else ())
        parts = (next(answers, part) if part is Fill.BLANK else part for part in first.parts)
        yield Sentence((f"Question {number}. ", *parts))
        yield from others if self.options or not solved else ()
        yield from (Sentence((f"({letter}) ", *parts)) for letter, (parts, _) in self.options.items())
        if solved and self.options:
            yield Sentence((f"Right: {', '.join(map(str, self.right))}.",))
        yield from self.working if solved else ()

    @property
    def words(self) -> str:
        """What is asked, in plain text."""
        return "".join(map(Notation().part, self.task[0].parts))

    @property
    def right(self) -> tuple[Answer, ...]:
        """The right answers in order, or the letters of the right options."""
        letters = (letter for letter, (_, is_right) in self.options.items() if is_right)
        return (*(blank.right for blank in self.blanks), *letters)


class Maker:
    """Makes the questions of one exercise.

    Attributes:
        board: the layer, its numbers and its results.
    """

    def __init__(
        self, numbers: Telling, arrays: Mapping[Tensor, Array], generator: np.random.Generator, asked: Sequence[Tensor]
    ) -> None:
        """Questions on these arrays, in the user's shapes; `asked` are the results that other questions ask for."""
        self.layer = numbers.layer
        self._numbers = numbers
        self._drawn = generator
        self._asked = asked
        self._used = list[Index]()
        self._made = partial(numbers.made, data=Data.of(self.layer, dict(arrays)))
        results = {result: self._made(right_recipe(self.layer, result)) for result in RESULTS}
        self.board = Board(self.layer, canonical_values(self.layer, {**arrays, **results}), Choice(), RESULTS)

    def given(self) -> tuple[Block, ...]:
        """The layer, and the arrays of the exercise."""
        names = self.board.names
        given = (tensor for tensor in GIVEN if tensor in names.values)
        return Sentence((self.layer.line,)), _row(grid for tensor in given for grid in result_grids(names, tensor))

    def numbers(self, ask: str, result: Tensor, places: Sequence[Index]) -> Question:
        """Elements of a result: one, or all of them."""
        board = self.board
        task: Task = (Sentence(("Compute ", board.symbol(result, places[0]), " = ", Fill.BLANK)),)
        working: tuple[Block, ...] = (board.sums(result, places),)
        if ask in result.names:
            grids = list(result_grids(board.names, result))
            task = Sentence((f"Compute {result.title}:",)), _row(map(_empty, grids))
            working = _row(grids), *working
        ways = []
        for mistake, recipe, _ in self._numbers.ways[result]:
            array = self._made(recipe).reshape(self.layer.canonical[result])
            ways.append((mistake.id, [array[place].item() for place in places]))
        blanks = []
        for k, place in enumerate(places):
            right = board.names.values[result][place].item()
            wrong = dict[Number, str]()
            for name, numbers in ways:
                # A 0 is no sign of a mistake: it may be written without a computation.
                if numbers[k] not in (0, right):
                    wrong.setdefault(numbers[k], name)
            blanks.append(Blank(board.symbol(result, place).name, right, wrong))
        return Question(ask, task, working, blanks, asked=result, ways=ways)

    def _element(self) -> tuple[Symbol, list[tuple[Symbol, ...]], Block]:
        """An element of dE/dX whose gradient is a sum, if there is one, its factors, and the sum.

        It is another one for each question, if there are several.
        """
        board = self.board
        counts = {place: board.expander.products(DX, place)[1] for place in telling(self.layer, DX, _PLACES)}
        some = [place for place, count in counts.items() if count]
        fresh = [place for place in some if place not in self._used] or some
        place, *_ = self._mixed([place for place in fresh if counts[place] > 1] or fresh)
        self._used.append(place)
        return board.symbol(DX, place), board.factors(DX, place, None)[0], board.sums(DX, [place])

    def _mixed(self, options: Sequence[Any]) -> list[Any]:
        return [options[k] for k in self._drawn.permutation(len(options))]

    def _options(self, options: Sequence[Option]) -> dict[str, Option]:
        return dict(zip("abcdefgh", self._mixed(options), strict=False))

    def chain_rule(self) -> Question:
        """The local derivatives in the sum of an element of dE/dX."""
        if self.layer.mode != "zeros":
            raise CnngradError(
                f"can't ask for chain-rule with padding_mode {self.layer.mode}: a derivative is a sum there"
            )
        symbol, factors, working = self._element()
        terms = [part for o, _ in factors for part in (" + ", o, "·", Fill.BLANK)][1:]
        task = Sentence(("Fill in the local derivatives: ", symbol, " = ", *terms))
        blanks = [Blank(f"∂{o.element}/∂{symbol.element}", w.name) for o, w in factors]
        return Question("chain-rule", (task,), (working,), blanks)

    def products(self) -> Question:
        """The products that an element of dE/dX adds up, among others, those with the same dE/do first."""
        shapes = self.layer.canonical
        symbol, factors, working = self._element()
        near = {o for o, _ in factors}
        pairs = product(np.ndindex(shapes[O]), np.ndindex(shapes[W]))
        others = {(self.board.symbol(DEDO, o), self.board.symbol(W, w)) for o, w in pairs} - {*factors}
        wrong = sorted(self._mixed(sorted(others, key=str)), key=lambda pair: pair[0] not in near)
        if not wrong:
            raise CnngradError("can't ask for products of a layer that has one product alone")
        some = [*self._mixed(factors)[:_RIGHT], *wrong][:_PRODUCTS]
        task = Sentence(("Which of these products does ", symbol, " add up? One or several are right."))
        options = self._options([((o, "·", w), (o, w) in factors) for o, w in some])
        return Question("products", (task,), (working,), options=options)

    def matrix(self) -> Question:
        """The entries of the matrix that gives O from X, or those of its first rows and columns if it is large."""
        grid = layer_matrix(self.board.names, O)
        rows = range(min(grid.height, LONGEST))
        columns = range(min(grid.width, LONGEST))
        title = grid.title
        is_whole = max(grid.height, grid.width) <= LONGEST
        corner = "" if is_whole else f" (rows 1 to {len(rows)}, columns 1 to {len(columns)})"
        grid = grid.part(f"{title}{corner}", rows, columns)
        blanks = [
            Blank(f"row {r + 1}, column {c + 1}", _entry(grid.cell(r, c).content)) for r, c in product(rows, columns)
        ]
        many = max(self.layer.channels, self.layer.filters) > 1
        order = "".join(f", {word} by {word}" for word in (*["channel"] * many, *self.layer.axis_words[:-1]))
        what = f"{'the' if is_whole else 'this part of the'} matrix {title}"
        gives = f"in o = {title}·x{' + b' * self.layer.has_bias}"
        which = "the first sample of X and of O" if self.layer.batch > 1 else "X and O"
        task = Sentence((f"Write down the numbers of {what} {gives}, with {which} written as columns x and o{order}:",))
        return Question("matrix", (task, _row([_empty(grid)])), (_row([grid]),), blanks)

    def frame(self) -> Question:
        """The zeros between and around the elements of dE/dO in the full convolution with W."""
        layer = self.layer
        array = self.layer.role[DEDO]
        head = f"{array.title} is spread and framed with zeros, so that W slides over it one cell at a time"
        crop = "; what the padding adds is cut off later" * layer.is_padded
        parts = list[Any]([f"For the full convolution {head}{crop}. How many?"])
        blanks = list[Blank]()
        for (axis, word), size in zip(layer.named_axes, layer.canonical[array][2:], strict=True):
            places = f"between two {word}s", f"in front of the first {word}", f"behind the last {word}"
            # A line that begins with a number and a full stop would be read as an item of a list.
            before = f"; {word}s of zeros" if blanks else f" {word.capitalize()}s of zeros"
            counts = zip(places, (axis.stride - 1, *axis.frame), strict=True)
            # A single row has no gap to another one.
            for place, count in [*counts][size < 2 :]:
                blanks.append(Blank(place, count))
                parts += [f"{before} {place}: ", Fill.BLANK]
                before = ","
        parts.append(".")
        framed = matrices(self.board.names, array, title=f"{array.title}, framed", track=framed_output)
        return Question("frame", (Sentence(tuple(parts)),), (Grids((framed,)),), blanks)

    def mistake(self) -> Question:
        """A wrong result: which mistake is it?"""
        # Each mistake in the first of its ways, from a result that is not asked for, if there is one.
        result = min(self._mixed([DX, DW]), key=lambda result: result in self._asked)
        named = {way.mistake.id: way for way in self._numbers.ways[result][::-1]}
        ways = self._mixed([way for name, way in named.items() if name not in _VAGUE])
        if len(ways) < 2:
            raise CnngradError("can't ask for a mistake in a layer that shows less than two: use a larger one")
        wrong = self._made(ways[0].recipe)
        grids = result_grids(Names(self.layer, canonical_values(self.layer, {result: wrong})), result)
        words = (way.mistake.words(result, self.layer)[0] for way in ways)
        # The sentences write gradients as the lesson does. The first one is right.
        texts = list(dict.fromkeys(text.replace("dE/d", "∂E/∂") for text in words))[:_MISTAKES]
        return Question(
            "mistake",
            (Sentence((f"This {result.title} is wrong. Which mistake was made?",)), _row(grids)),
            (Sentence(("Right is:",)), self.board.sums(result, np.ndindex(self.layer.canonical[result]))),
            options=self._options([((text,), text is texts[0]) for text in texts]),
            shown=(result, wrong),
        )


def _row(grids: Iterable[Grid]) -> Grids:
    return Grids((apart([grid] for grid in grids),))


def _empty(grid: Grid) -> Grid:
    return replace(grid, cell=lambda *_: Cell(Fill.BLANK), around=None)


def _entry(content: Any) -> Any:
    """An entry of the matrix as a number."""
    if isinstance(content, Added):
        return sum(map(_entry, content))
    return 0 if isinstance(content, Fill) else content


# What may be asked besides results and elements.
KINDS: dict[str, Callable[[Maker], Question]] = {
    "chain-rule": Maker.chain_rule,
    "products": Maker.products,
    "matrix": Maker.matrix,
    "frame": Maker.frame,
    "mistake": Maker.mistake,
}
