"""Exercises on a layer: sheets of questions, and their solutions."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Arrays
from cnngrad.derivation.blocks import Block, Derivation, Section, Source
from cnngrad.errors import CnngradError, nearest
from cnngrad.exercises.questions import KINDS, LONGEST, Maker, Question
from cnngrad.exercises.telling import DECIMALS, Telling
from cnngrad.layer import Layer
from cnngrad.layer.names import Index, Names, canonical_values
from cnngrad.schema import SCHEMA, Json
from cnngrad.tensor import DB, DW, DX, GIVEN, O, Tensor, W, X

__all__ = ["Sheet", "exercises"]

# What may be asked, in words.
_ASKS = f"O, dW, dX, db, an element, {', '.join(KINDS)}"
# Maximum number of elements of X, W and dE/dO together.
_MOST_ELEMENTS = 400


class Exercise(NamedTuple):
    """Arrays for a layer, in the user's shapes, shown as blocks, and questions on them."""

    arrays: Arrays
    given: tuple[Block, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, repr=False)
class Sheet(Derivation):
    """Exercises on a layer in the layout of a lesson, whose questions are numbered from 1 throughout.

    Attributes:
        each: the exercises.
        places: the decimal places of the answers; 0 for integers.
        is_telling: whether every mistake that the layer can show changes each asked cell that it can change.
    """

    each: tuple[Exercise, ...] = field(compare=False)
    places: int
    is_telling: bool

    passed = True

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of all exercises."""
        return tuple(question for exercise in self.each for question in exercise.questions)

    def solution(self) -> "Sheet":
        """The same sheet with the answers, and how they come about."""
        return replace(
            self,
            layer="Solution of the exercises",
            sections=tuple(_sections(self.each, solved=True)),
            source=self.source._replace(asked=None),
        )

    def as_json(self) -> Json:
        """The exercises as plain data: each a problem, its questions and their answers."""
        layer = self.source.layer
        found = []
        written = layer.layouts.written
        for exercise in self.each:
            arrays = {t.key: written(t, exercise.arrays[t]) for t in GIVEN if t in exercise.arrays}
            questions = [
                {
                    "ask": question.ask,
                    "task": question.words,
                    "blanks": [blank.label for blank in question.blanks],
                    "options": ["".join(map(str, parts)) for parts, _ in question.options.values()],
                    "right": list(question.right),
                    **({"shown": written(*question.shown)} if question.shown else {}),
                }
                for question in exercise.questions
            ]
            problem = {"schema": SCHEMA, **arrays, **layer.options}
            found.append({"problem": problem, "questions": questions})
        return {"schema": SCHEMA, "exercises": found}


def exercises(layer: Layer, asks: Sequence[str], count: int = 1, seed: int = 0, with_decimals: bool = False) -> Sheet:
    """Exercises on a layer, with numbers that show every known mistake.

    Args:
        layer: the layer.
        asks: what each exercise asks: results such as `dX`, elements such as `x22`, or `chain-rule`, `products`,
            `matrix`, `frame`, `mistake`.
        count: how many exercises, each with other numbers.
        seed: another seed gives other numbers.
        with_decimals: whether numbers have a decimal place; they are integers otherwise.

    Raises:
        CnngradError: something that can't be asked of this layer; the message says what can.

    >>> from cnngrad.layer import make_layer
    >>> sheet = exercises(make_layer((4, 4), (2, 2), stride=2), ["x22"], seed=7)
    >>> [blank.label for blank in sheet.questions[0].blanks]
    ['dE/dx22']
    """
    elements = 0
    for tensor in (X, W, O):
        shape = layer.written[tensor]
        elements += prod(shape)
        if max(shape) > LONGEST:
            size = "×".join(map(str, shape))
            raise CnngradError(f"{tensor.key} is {size}: a sheet has room for at most {LONGEST} along each axis")
    if elements > _MOST_ELEMENTS:
        raise CnngradError(f"X, W and dE/dO have {elements} elements: a sheet has room for {_MOST_ELEMENTS}")
    named = {ask: _elements(layer, ask) for ask in asks}
    # A mistake is shown in one of these whole results.
    shown = [(result, list(np.ndindex(layer.canonical[result]))) for result in (DX, DW) if "mistake" in named]
    asked = defaultdict[Tensor, list[Index]](list)
    for result, places in (*filter(None, named.values()), *shown):
        asked[result] += places
    cells = {result: tuple(np.transpose(places)) for result, places in asked.items()}
    numbers = Telling(layer, cells, with_decimals)
    made = []
    all_telling = True
    for number in range(count):
        generator = np.random.default_rng([seed, number])
        arrays, is_telling = numbers.drawn(generator)
        all_telling &= is_telling
        maker = Maker(numbers, arrays, generator, [found[0] for found in named.values() if found])
        questions = (maker.numbers(ask, *found) if found else KINDS[ask](maker) for ask, found in named.items())
        made.append(Exercise(arrays, maker.given(), tuple(questions)))
    # A page asks for one result.
    of_page = made[0].questions[0].asked if count == len(named) == 1 else None
    source = Source(layer, canonical_values(layer, made[0].arrays), True, of_page)
    return Sheet(
        "Exercises",
        tuple(_sections(made, solved=False)),
        source,
        tuple(made),
        DECIMALS if with_decimals else 0,
        all_telling,
    )


def _sections(each: Sequence[Exercise], solved: bool) -> Iterator[Section]:
    numbers = itertools.count(1)
    for count, exercise in enumerate(each, start=1):
        asked = [block for question in exercise.questions for block in question.blocks(next(numbers), solved)]
        yield Section((f"Exercise {count}",), (*exercise.given, *asked), f"exercise-{count}")


def _elements(layer: Layer, ask: str) -> tuple[Tensor, list[Index]] | None:
    """The elements that are asked for; None if it is something else."""
    if ask in KINDS:
        return None
    result, asked = Tensor.result_named(ask), list[Index]()
    if result is None:
        try:
            result, index = Names(layer).parse(ask)
        except CnngradError as error:
            near = nearest(ask, KINDS)
            hint = f"did you mean {near}?" if near else str(error)
            raise CnngradError(f"can't ask for {ask!r}: use {_ASKS}; {hint}") from None
        asked = [index]
    if result is DB and not layer.has_bias:
        raise CnngradError(f"can't ask for {ask}: the layer has no bias; give its shape with -b")
    return result, asked or list(np.ndindex(layer.canonical[result]))
