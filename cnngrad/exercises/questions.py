"""The questions of an exercise, with the right answers, those that known mistakes give, and the working."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import right_recipe
from cnngrad.derivation.blocks import Block, GridRow, Part, Sentence
from cnngrad.derivation.board import Board, apart, blocks, matrices
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Added, Cell, Fill, framed_output, result_grids
from cnngrad.derivation.notation import Notation
from cnngrad.derivation.pictures import layer_matrix
from cnngrad.derivation.telling import telling
from cnngrad.derivation.words import is_padded
from cnngrad.errors import CnngradError
from cnngrad.exercises.telling import Telling
from cnngrad.layer import indices
from cnngrad.layer.names import Index, Names, Number, canonical_values
from cnngrad.tensor import DEDO, DW, DX, RESULTS, B, O, Tensor, W, X

__all__ = ["KINDS", "LONGEST", "Answer", "Blank", "Maker", "Question"]

# The most products to choose from, the most right ones among them, and the most mistakes to choose from.
_PRODUCTS, _RIGHT, _MISTAKES = 8, 5, 4
# How many elements, the most telling ones, a question chooses one from.
_PLACES = 9
# Mistakes whose sentences also hold for the results of others: they are not asked for.
_VAGUE = ("zero", "scaled", "incomplete", "shifted", "overwritten")
# The longest row or column that every document shows without an ellipsis.
LONGEST = 9

Answer = Number | str
# The ids of mistakes that look alike, the likeliest first, and the numbers that they give in the blanks.
Explained = tuple[tuple[str, ...], tuple[Answer, ...]]


class Blank(NamedTuple):
    """A number or a name to be filled in.

    Attributes:
        label: what it is: an element, or a place in words.
        right: the answer.
        wrong: the ids of the mistakes that give each wrong answer, the likeliest first.
    """

    label: str
    right: Answer
    wrong: Mapping[Answer, tuple[str, ...]] = {}


@dataclass(frozen=True)
class Question:
    """A question of an exercise.

    Attributes:
        ask: what is asked, as in `--ask`.
        task: the question; `Fill.BLANK` stands for each of the blanks, in order.
        working: the answers, and how they come about.
        blanks: what is to be filled in; empty if there are options.
        options: what may be chosen, each with whether it is right; empty if there are blanks.
        asked: the result whose numbers are asked for; None for none.
        ways: the numbers that known mistakes give, for each way in which they are made.
        shown: the result that is shown wrong, and its numbers; None for none.
    """

    ask: str
    task: tuple[Block, ...]
    working: tuple[Block, ...]
    blanks: tuple[Blank, ...] = ()
    options: tuple[tuple[tuple[Part, ...], bool], ...] = ()
    asked: Tensor | None = None
    ways: tuple[Explained, ...] = ()
    shown: tuple[Tensor, Array] | None = None

    @property
    def lettered(self) -> dict[str, tuple[tuple[Part, ...], bool]]:
        """The options by their letters."""
        return dict(zip("abcdefgh", self.options, strict=False))

    def blocks(self, number: int, solved: bool) -> Iterator[Block]:
        """The question under its number, and its answer if it is solved."""
        (first, *others), options = self.task, self.lettered.items()
        assert isinstance(first, Sentence)
        # The solution has the answers in place of the blanks.
        answers = iter(self.right if solved else ())
        parts = (next(answers, part) if part is Fill.BLANK else part for part in first.parts)
        yield Sentence((f"Question {number}. ", *parts))
        yield from others if self.options or not solved else ()
        yield from (Sentence((f"({letter}) ", *parts)) for letter, (parts, _) in options)
        if solved and self.options:
            yield Sentence((f"Right: {', '.join(map(str, self.right))}.",))
        yield from self.working if solved else ()

    @property
    def words(self) -> str:
        """What is asked, in plain text."""
        (first, *_), notation = self.task, Notation()
        assert isinstance(first, Sentence)
        return "".join(part if isinstance(part, str) else notation.part(part) for part in first.parts)

    @property
    def is_single(self) -> bool:
        """Whether there is known to be one right option."""
        return self.ask == "mistake"

    @property
    def right(self) -> tuple[Answer, ...]:
        """The right answers in order, or the letters of the right options."""
        letters = (letter for letter, (_, is_right) in self.lettered.items() if is_right)
        return (*(blank.right for blank in self.blanks), *letters)


class Maker:
    """Makes the questions of one exercise.

    Attributes:
        board: the layer, its numbers and its results.
    """

    def __init__(
        self, numbers: Telling, arrays: Mapping[Tensor, Array], generator: np.random.Generator, asked: Sequence[Tensor]
    ) -> None:
        """Questions on these arrays, which have the user's shapes; `asked` are the results that others ask for."""
        self._asked = asked
        self.layer, self._numbers, self._drawn, self._used = numbers.layer, numbers, generator, list[Index]()
        self._data = Data.of(self.layer, dict(arrays))
        results = RESULTS if self.layer.has_bias else RESULTS[:-1]
        values = {result: numbers.exact(made(right_recipe(self.layer, result), self._data)) for result in results}
        self.board = Board(self.layer, canonical_values(self.layer, {**arrays, **values}), Choice(), results)

    def given(self) -> tuple[Block, ...]:
        """The layer, and the arrays of the exercise."""
        tensors = (X, W, *[B] * self.layer.has_bias, DEDO)
        return Sentence((self.layer.line,)), GridRow(
            tuple(apart([grid] for tensor in tensors for grid in result_grids(self.board.names, tensor)))
        )

    def numbers(self, ask: str, result: Tensor, places: Sequence[Index]) -> Question:
        """Elements of a result: one, or all of them."""
        board, is_whole = self.board, Tensor.result_named(ask) is result
        task: list[Any] = [("Compute ", board.symbol(result, places[0]), " = ", Fill.BLANK)]
        working: list[Block] = []
        if is_whole:
            grids = list(result_grids(board.names, result))
            empty = [replace(grid, cell=lambda *_: Cell(Fill.BLANK), around=None) for grid in grids]
            task = [f"Compute {result.title}:", apart([grid] for grid in empty)]
            working = [GridRow(tuple(apart([grid] for grid in grids)))]
        working.append(board.sums(result, places))
        ways = self._given(result, places)
        blanks = tuple(self._blanks(result, places, ways))
        return Question(ask, tuple(blocks(iter(task))), tuple(working), blanks, asked=result, ways=tuple(ways))

    def _given(self, result: Tensor, places: Sequence[Index]) -> list[Explained]:
        """The numbers that known mistakes give in some elements."""
        flat = [int(np.ravel_multi_index(index, self.layer.canonical[result])) for index in places]
        here = np.searchsorted(self._numbers.asked[result], flat)
        return [
            (
                tuple(mistake.id for mistake in way.mistakes),
                tuple(self._numbers.exact(self._numbers.cells(way.recipe, self._data))[here].tolist()),
            )
            for way in self._numbers.ways[result]
        ]

    def _blanks(self, result: Tensor, places: Sequence[Index], ways: Sequence[Explained]) -> Iterator[Blank]:
        for k, index in enumerate(places):
            symbol, right = self.board.symbol(result, index), self.board.names.number(result, index)
            assert right is not None
            wrong: dict[Answer, tuple[str, ...]] = {}
            for ids, numbers in ways:
                # A 0 is no sign of a mistake: it may be written without a computation.
                if numbers[k] not in (0, right):
                    wrong[numbers[k]] = (*wrong.get(numbers[k], ()), *ids)
            yield Blank(symbol.name, right, wrong)

    def _place(self) -> Index:
        """An element of X whose gradient is a sum, if there is one; for each question another, if there are several."""
        products = self.board.expander.products
        counts = {place: n for place in telling(self.layer, DX, _PLACES) if (n := products(DX, place)[1])}
        fresh = {place: n for place, n in counts.items() if place not in self._used} or counts
        least = min(2, max(fresh.values()))
        found: list[Index] = self._mixed([place for place, n in fresh.items() if n >= least])
        self._used.append(found[0])
        return found[0]

    def _mixed(self, options: Sequence[Any]) -> list[Any]:
        return [options[int(k)] for k in self._drawn.permutation(len(options))]

    def chain_rule(self) -> Question:
        """The local derivatives in the sum of an element of dE/dX."""
        if self.layer.mode != "zeros":
            raise CnngradError(
                f"can't ask for chain-rule with padding_mode {self.layer.mode}: a derivative is a sum there"
            )
        board, place = self.board, self._place()
        symbol, (factors, _) = board.symbol(DX, place), board.factors(DX, place, None)
        terms = [part for o, _ in factors for part in (" + ", o, "·", Fill.BLANK)][1:]
        task = Sentence(("Fill in the local derivatives: ", symbol, " = ", *terms))
        blanks = tuple(Blank(f"∂{o.element}/∂{symbol.element}", w.name) for o, w in factors)
        return Question("chain-rule", (task,), (board.sums(DX, [place]),), blanks)

    def products(self) -> Question:
        """The products that an element of dE/dX adds up, among others, those with the same dE/do first."""
        board, place, shapes = self.board, self._place(), self.layer.canonical
        factors, _ = board.factors(DX, place, None)
        near, pairs = {o for o, _ in factors}, product(indices(shapes[O]), indices(shapes[W]))
        others = {(board.symbol(DEDO, o), board.symbol(W, w)) for o, w in pairs} - {*factors}
        wrong = sorted(self._mixed(sorted(others, key=str)), key=lambda pair: pair[0] not in near)
        if not wrong:
            raise CnngradError("can't ask for products of a layer that has one product alone")
        some = [*((pair, True) for pair in self._mixed(factors)[:_RIGHT]), *((pair, False) for pair in wrong)]
        options = tuple(((o, "·", w), is_right) for (o, w), is_right in self._mixed(some[:_PRODUCTS]))
        task = Sentence(
            ("Which of these products does ", board.symbol(DX, place), " add up? One or several are right.")
        )
        return Question("products", (task,), (board.sums(DX, [place]),), options=options)

    def matrix(self) -> Question:
        """The entries of the matrix that gives O from X, or those of its first rows and columns if it is large."""
        grid = layer_matrix(self.board.names, O)
        rows, columns = range(min(grid.height, LONGEST)), range(min(grid.width, LONGEST))
        title, is_whole = grid.title, (len(rows), len(columns)) == (grid.height, grid.width)
        corner = "" if is_whole else f" (rows 1 to {len(rows)}, columns 1 to {len(columns)})"
        grid = grid.part(f"{title}{corner}", rows, columns)
        blanks = tuple(
            Blank(f"row {r}, column {c}", _entry(cell.content))
            for r, row in enumerate(grid.cells, start=1)
            for c, cell in enumerate(row, start=1)
        )
        many = max(self.layer.channels, self.layer.filters) > 1
        order = "".join(f", {word} by {word}" for word in (*["channel"] * many, *self.layer.axis_words[:-1]))
        what = f"the matrix {title}" if is_whole else f"this part of the matrix {title}"
        which = "the first sample of X" if self.layer.batch > 1 else "X"
        task = Sentence((f"Write {what}, which gives O from {which}, both written as columns{order}:",))
        empty = replace(grid, cell=lambda *_: Cell(Fill.BLANK))
        return Question("matrix", (task, GridRow((empty,))), (GridRow((grid,)),), blanks)

    def frame(self) -> Question:
        """The zeros between and around the elements of dE/dO in the full convolution with W."""
        layer, array = self.layer, self.layer.role[DEDO]
        head = f"{array.title} is spread and framed with zeros, so that W slides over it one cell at a time"
        crop = "; what the padding adds is cut off later" if is_padded(layer) else ""
        parts, blanks = list[Any]([f"For the full convolution {head}{crop}. How many?"]), list[Blank]()
        for axis, word in zip(layer.axes, layer.axis_words, strict=True):
            counts = axis.stride - 1, *axis.frame
            places = f"between two {word}s", f"in front of the first {word}", f"behind the last {word}"
            blanks += map(Blank, places, counts)
            parts += [
                part for place in places for part in (f" {word.capitalize()}s of zeros {place}: ", Fill.BLANK, ".")
            ]
        tracks = list(map(framed_output, layer.axes))
        framed = matrices(self.board.names, array, title=f"{array.title}, framed", tracks=tracks)
        return Question("frame", (Sentence(tuple(parts)),), (GridRow(tuple(framed)),), tuple(blanks))

    def mistake(self) -> Question:
        """A wrong result: which mistake is it?"""
        # Each mistake in the first of its ways, from a result that is not asked for, if there is one.
        every = self._mixed([result for result in (DX, DW) if result in self._numbers.ways])
        result = min(every, key=lambda result: result in self._asked)
        ways = {way.mistakes[0].id: way for way in self._numbers.ways[result][::-1]}
        ways = {name: way for name, way in ways.items() if name not in _VAGUE}
        if len(ways) < 2:
            raise CnngradError("can't ask for a mistake in a layer that shows less than two: use a larger one")
        way, *others = self._mixed([*ways.values()])
        wrong = self._numbers.exact(made(way.recipe, self._data))
        grids = result_grids(Names(self.layer, canonical_values(self.layer, {result: wrong})), result)
        words = [_typeset(each.mistakes[0].words(result, self.layer)[0]) for each in (way, *others)]
        right, *rest = dict.fromkeys(words)
        options = self._mixed([((right,), True), *(((each,), False) for each in rest[: _MISTAKES - 1])])
        task = (
            Sentence((f"This {result.title} is wrong. Which mistake was made?",)),
            GridRow(tuple(apart([grid] for grid in grids))),
        )
        working = (Sentence(("Right is:",)), self.board.sums(result, list(indices(self.layer.canonical[result]))))
        return Question("mistake", task, working, options=tuple(options), shown=(result, wrong))


def _typeset(words: str) -> str:
    """A sentence of the catalogue as the lesson writes gradients."""
    return words.replace("dE/d", "∂E/∂")


def _entry(content: Any) -> Any:
    """An entry of the matrix as a number."""
    if isinstance(content, Added):
        return sum(_entry(part) for part in content)
    return 0 if isinstance(content, Fill) else content


# What may be asked besides results and elements.
KINDS: dict[str, Callable[[Maker], Question]] = {
    "chain-rule": Maker.chain_rule,
    "products": Maker.products,
    "matrix": Maker.matrix,
    "frame": Maker.frame,
    "mistake": Maker.mistake,
}
