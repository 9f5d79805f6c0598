"""Grades what students handed in for a sheet, and counts their mistakes."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.derivation.blocks import ReportBlock, Sentence, Table
from cnngrad.derivation.notation import number
from cnngrad.errors import CnngradError, visible
from cnngrad.exercises.questions import Answer, Question
from cnngrad.exercises.sheet import Sheet
from cnngrad.schema import SCHEMA, Json

__all__ = ["Grades", "graded"]


class Grade(NamedTuple):
    """What an answer is worth, from 0 to 1, and the mistake that gives all of its wrong numbers, if one does."""

    score: float
    mistake: str | None = None


@dataclass(frozen=True)
class Grades:
    """The grades of a class.

    Attributes:
        title: the heading of a document.
        each: for each student the grade of each question.
    """

    title: str
    each: tuple[tuple[str, tuple[Grade, ...]], ...]

    passed = True

    @property
    def mistakes(self) -> dict[str, int]:
        """How often each mistake was made, the most frequent first."""
        made = (grade.mistake for _, grades in self.each for grade in grades if grade.mistake)
        return dict(Counter(made).most_common())

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A row for each student, then one for each mistake."""
        count = len(self.each[0][1]) if self.each else 0
        headings = ("student", "score", *(str(k) for k in range(1, count + 1)))
        rows = (
            (visible(student), _written(sum(each.score for each in grades)), *(_written(each.score) for each in grades))
            for student, grades in self.each
        )
        yield Table(headings, tuple(rows), headings[1:])
        if self.mistakes:
            yield Table(("mistake", "made"), tuple((name, str(k)) for name, k in self.mistakes.items()), ("made",))
            yield Sentence(("cnngrad check --mistakes NAME tells more of one.",))

    def as_json(self) -> Json:
        """The grades as plain data."""
        students = [
            {
                "student": student,
                "score": sum(grade.score for grade in grades),
                "questions": [grade._asdict() for grade in grades],
            }
            for student, grades in self.each
        ]
        return {"schema": SCHEMA, "students": students, "mistakes": self.mistakes}


def _written(score: float) -> str:
    return number(round(score, 2), 4).removesuffix(".0")


def graded(sheet: Sheet, where: str, content: bytes, partial: float = 0.0) -> Grades:
    """The grades of the answers in a CSV file.

    Args:
        sheet: the sheet.
        where: the file's name, for messages.
        content: a row for each student, with the columns `student`, `1`, `2` and so on: the answers to a question are
            separated by blanks, in the order in which they are read.
        partial: what a wrong answer that a known mistake gives is worth, from 0 to 1.

    Raises:
        CnngradError: the file is no such table.
    """
    questions = sheet.questions
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CnngradError(f"can't read {where} as CSV in UTF-8: {error}") from None
    wanted = ["student", *(str(k) for k in range(1, len(questions) + 1))]
    head, *others = rows or [[]]
    if [name.strip().lower() for name in head] != wanted:
        raise CnngradError(
            f"the first line of {where} is {','.join(head)[:80]!r}: for this sheet it is {','.join(wanted)}"
        )
    for line, row in enumerate(others, start=2):
        if len(row) != len(wanted):
            raise CnngradError(f"row {line} of {where} has {len(row)} cells: there are {len(wanted)} columns")
    pairs = ((row[0].strip(), zip(questions, row[1:], strict=True)) for row in others)
    each = tuple((student, tuple(_grade(*pair, partial) for pair in answers)) for student, answers in pairs)
    return Grades(f"Grades: {sheet.source.layer.describe()}", each)


def _grade(question: Question, text: str, partial: float) -> Grade:
    """The grade of one answer: the share of its blanks that are right; options are right together or not at all."""
    given, right = [_read(word) for word in re.split(r"[\s;,]+", text.strip()) if word], question.right
    if question.options:
        return Grade(float({str(word).strip("()") for word in given} == {*right}))
    if len(given) != len(right):
        return Grade(0.0)
    wrong = [(blank, answer) for blank, answer in zip(question.blanks, given, strict=True) if answer != blank.right]
    shared = set.intersection(*({*blank.wrong.get(answer, ())} for blank, answer in wrong)) if wrong else set()
    known = sum(answer in blank.wrong for blank, answer in wrong)
    mistake = next((each.id for each in CATALOGUE if each.id in shared), None)
    return Grade((len(right) - len(wrong) + partial * known) / len(right), mistake)


def _read(word: str) -> Answer:
    """An answer as a number, or the name of an element."""
    try:
        return float(word.replace("−", "-"))
    except ValueError:
        return word.replace("∂", "d").lower()
