"""Grades what students handed in for a sheet, and counts their mistakes."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import eq, itemgetter
from typing import NamedTuple
from unicodedata import normalize

from cnngrad.derivation.blocks import ReportBlock, Sentence, Table
from cnngrad.errors import CnngradError, visible
from cnngrad.exercises.questions import Answer, Question
from cnngrad.exercises.sheet import Sheet
from cnngrad.layer import counted
from cnngrad.schema import SCHEMA, Json

__all__ = ["Grades", "graded"]

_NAME = re.compile(r"[a-z]+(?:/[a-z]+)?(?:\[[0-9,]+\])?[0-9,]*[0-9]")
# Maximum number of questions that have a column each.
_MOST_COLUMNS = 10


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
        notes: remarks in sentences, such as on answers that could not be read.
    """

    title: str
    each: tuple[tuple[str, tuple[Grade, ...]], ...]
    notes: tuple[str, ...]

    passed = True

    @property
    def mistakes(self) -> dict[str, int]:
        """How often each mistake was made, the most frequent first."""
        made = (grade.mistake for _, grades in self.each for grade in grades if grade.mistake)
        return dict(Counter(made).most_common())

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A row for each student, one for each mistake, and the notes."""
        count = len(self.each[0][1])
        shown = count if count <= _MOST_COLUMNS else 0
        headings = ["student", f"of {count}", *map(str, range(1, shown + 1))]
        rows = []
        for student, grades in self.each:
            scores = [grade.score for grade in grades]
            # At most two decimals, and whole scores without any.
            rows.append((student, *(f"{round(score, 2):g}" for score in (sum(scores), *scores[:shown]))))
        yield Table(tuple(headings), tuple(rows), tuple(headings[1:]))
        if self.mistakes:
            made = []
            for name, times in self.mistakes.items():
                by = dict.fromkeys(who for who, grades in self.each if name in [each.mistake for each in grades])
                made.append((name, str(times), ", ".join(by)))
            yield Table(("mistake", "made", "by"), tuple(made), ("made",))
            yield Sentence(("cnngrad check --mistakes NAME tells more of one.",))
        yield from (Sentence((note,)) for note in self.notes)

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
        return {"schema": SCHEMA, "students": students, "mistakes": self.mistakes, "notes": list(self.notes)}


def graded(sheet: Sheet, where: str, content: bytes, partial: float = 0.0) -> Grades:
    """The grades of the answers in a CSV file.

    Args:
        sheet: the sheet.
        where: the file's name, for messages.
        content: a row for each student, with the columns `student`, `1`, `2` and so on: the answers to a question are
            separated by blanks, in the order in which they are read, with `?` for one that is not answered.
        partial: what a wrong answer that a known mistake gives is worth, from 0 to 1.

    Raises:
        CnngradError: the file is no such table.
    """
    questions = sheet.questions
    notes = []
    each = []
    seen = set()
    for line, (student, *answers) in _rows(where, content, len(questions)).items():
        student = visible(student.strip())
        grades = []
        for k, (question, text) in enumerate(zip(questions, answers, strict=True), start=1):
            # ? alone stands for all blanks of a question, as an empty cell does.
            text = text.strip().strip("'") if text.strip("'?;, ") else ""
            grade, note = _chosen(question, text) if question.options else _filled(question, text, partial)
            grades.append(grade)
            notes += [f"Row {line}, question {k}: {note}."] if note else []
        notes += [f"Row {line}: {student} has a row already."] if student in seen else []
        seen.add(student)
        each.append((student, tuple(grades)))
    if not any(grade.score for _, grades in each for grade in grades):
        notes.append("No answer is right. Were they given to the sheet of these options, with this --seed?")
    return Grades(f"Grades: {sheet.source.layer.line}", tuple(each), tuple(notes))


def _rows(where: str, content: bytes, count: int) -> dict[int, list[str]]:
    """The rows of answers by their numbers in a spreadsheet, which counts blank rows too."""
    try:
        text = content.decode("utf-8-sig")
        first, *_ = text.splitlines() or [""]
        mark = ";" if ";" in first and "," not in first else ","
        read = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=mark)
        rows = {line: row for line, row in enumerate(read, start=1) if any(row)}
    except (UnicodeDecodeError, csv.Error) as error:
        raise CnngradError(f"can't read {where} as CSV in UTF-8: {error}") from None
    wanted = ["student", *map(str, range(1, count + 1))]
    head = rows.pop(min(rows, default=0), [])
    if [name.strip().lower() for name in head] != wanted:
        raise CnngradError(f"the first line of {where} is {first[:80]!r}: for this sheet it is {','.join(wanted)}")
    for line, row in rows.items():
        if len(row) != len(wanted):
            raise CnngradError(f"row {line} of {where} has {len(row)} cells: there are {len(wanted)} columns")
    if not rows:
        raise CnngradError(f"{where} has no row of answers below its first line")
    return rows


def _chosen(question: Question, text: str) -> tuple[Grade, str]:
    """The share of the right options that are chosen, less as much for each wrong one; a note on what can't be read."""
    chosen = {*re.sub(r"\band\b|[\s;,./&+()]+", "", text.lower())}
    right = {*question.right}
    if chosen - question.options.keys():
        return Grade(0.0), f"{text[:30]!r} is not the letters of options"
    return Grade(max(0.0, (len(chosen & right) - len(chosen - right)) / len(right))), ""


def _filled(question: Question, text: str, partial: float) -> tuple[Grade, str]:
    """The share of the blanks that are right, and a note on what can't be read."""
    right = question.right
    has_names = isinstance(right[0], str)
    words = re.findall(r"[^\s;,\[\]]+(?:\[[^\]]*\][^\s;,]*)?" if has_names else r"[^\s;,|\[\](){}]+", text)
    if not has_names and len(words) != len(right) == len(text.split()):
        # Commas are decimal ones if blanks part as many numbers as there are.
        words = text.replace(",", ".").split()
    given = [_read(word) for word in words]
    if given and len(given) != len(right):
        counts = f"{counted(len(given), 'answer')} for {counted(len(right), 'blank')}"
        return Grade(0.0), f"{counts}; write ? for one that is not answered"
    read = (each == "?" or (_NAME.fullmatch(str(each)) if has_names else isinstance(each, float)) for each in given)
    odd = next((word for word, is_read in zip(words, read, strict=True) if not is_read), "")
    note = f"{odd[:30]!r} is not {'a name' if has_names else 'a number'}" if odd else ""
    pairs = [(blank, answer) for blank, answer in zip(question.blanks, given, strict=False) if answer != blank.right]
    known = sum(answer in blank.wrong for blank, answer in pairs)
    score = (len(given) - len(pairs) + partial * known) / len(right)
    return Grade(score, _explained(question, given) if known else None), note


def _explained(question: Question, given: Sequence[Answer]) -> str | None:
    """The likeliest mistake that gives all wrong answers, and most of the others."""
    fitting = [
        (sum(map(eq, given, numbers)), name)
        for name, numbers in question.ways
        if all(answer in (*either, "?") for answer, *either in zip(given, numbers, question.right, strict=True))
    ]
    return max(fitting, key=itemgetter(0), default=(0, None))[1]


def _read(word: str) -> Answer:
    """An answer as a number, or the name of an element."""
    # Subscripts are digits too, as in w₁₂, and LaTeX has w_{12}.
    plain = re.sub("[−–]", "-", normalize("NFKC", word))
    is_number = re.fullmatch(r"[-+]?(?:[0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,2})?", plain)
    return float(plain) if is_number else re.sub("[_{}]", "", plain).replace("∂", "d").lower()
