"""A sheet as a question bank in Moodle's XML: cloze questions with numbers, and multiple choice."""

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from cnngrad.causes.catalogue import CATALOGUE, PLACES
from cnngrad.derivation.blocks import Block, Expansions, Grids, Sentence
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.notation import number
from cnngrad.errors import CnngradError
from cnngrad.render.painter import Painter, Written
from cnngrad.render.style import Style

if TYPE_CHECKING:
    from cnngrad.exercises.questions import Blank, Question
    from cnngrad.exercises.sheet import Sheet

__all__ = ["FRACTIONS", "moodle"]

# The fractions of a question's mark, in percent, that Moodle admits.
FRACTIONS = (
    0, 5, 10, 11.11111, 12.5, 14.28571, 16.66667, 20, 25, 30, 33.33333, 40, 50, 60, 66.66667, 70, 75, 80, 83.33333, 90,
    100,
)  # fmt: skip


def moodle(sheet: "Sheet", style: Style) -> str:
    """The question bank.

    Raises:
        CnngradError: a question that asks for names, which Moodle's numerical questions don't take.

    Source: Moodle's documentation, *Moodle XML format* and *Embedded Answers (Cloze) question type*.
    """
    root = ElementTree.Element("quiz")
    category = ElementTree.SubElement(root, "question", type="category")
    # A slash would begin another category.
    title = (style.title or f"cnngrad: {sheet.source.layer.line}").replace("/", "//")
    _text(category, "category", f"$course$/top/{title}")
    painter = Painter(style.precision)
    asked = ((exercise, question) for exercise in sheet.each for question in exercise.questions)
    for count, (exercise, question) in enumerate(asked, start=1):
        element = ElementTree.SubElement(root, "question", type="multichoice" if question.options else "cloze")
        _text(element, "name", f"{count} {question.ask}")
        task = _html((*exercise.given, *question.task), painter)
        for blank in question.blanks:
            task = task.replace(painter.blank, _field(sheet, question, blank, style), 1)
        _text(element, "questiontext", task)
        _text(element, "generalfeedback", _html(question.working, painter))
        if not question.options:
            continue
        # Each right option is worth its share of the mark, and each wrong one costs as much; only in a question on a
        # mistake a wrong option costs nothing, since students know that one option is right.
        right, is_single = len(question.right), question.ask == "mistake"
        ElementTree.SubElement(element, "single").text = "true" if is_single else "false"
        ElementTree.SubElement(element, "shuffleanswers").text = "true"
        ElementTree.SubElement(element, "answernumbering").text = "abc"
        for parts, is_right in question.options.values():
            fraction = 100 / right if is_right else 0.0 if is_single else -100 / right
            answer = ElementTree.SubElement(element, "answer", fraction=f"{fraction:.7g}", format="html")
            ElementTree.SubElement(answer, "text").text = escape("".join(map(str, parts)))
    ElementTree.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    attributes = {} if name in ("name", "category") else {"format": "html"}
    ElementTree.SubElement(ElementTree.SubElement(parent, name, attributes), "text").text = text


def _field(sheet: "Sheet", question: "Question", blank: "Blank", style: Style) -> str:
    """A numerical field of a cloze question: the right number, and the numbers of mistakes with feedback."""
    if isinstance(blank.right, str):
        raise CnngradError(
            f"Moodle's numerical questions can't ask for names such as {blank.right}: leave out {question.ask}"
        )
    # Half of the last digit that is asked for.
    off = f"{0.5 * 10.0**-sheet.places:g}" if sheet.places else "0"
    answers = [f"={number(blank.right, 15).removesuffix('.0')}:{off}#Right"]
    for wrong, name in blank.wrong.items():
        assert question.asked is not None
        says, fix = CATALOGUE[PLACES[name]].words(question.asked, sheet.source.layer)
        words = re.sub("[}#]", r"\\\g<0>", escape(f"{name}: {says}. To fix it: {fix}.").replace("~", "&#126;"))
        answers.append(f"%{style.partial:g}%{number(wrong, 15).removesuffix('.0')}:{off}#{words}")
    return f"{{1:NUMERICAL:{'~'.join(answers)}}}"


def _html(blocks: Iterable[Block], painter: Painter) -> str:
    html = ""
    for block in blocks:
        match block:
            case Sentence(parts):
                html += f"<p>{''.join(escape(painter.part(part)) for part in parts)}</p>"
            case Grids((items,)):
                for grid in items:
                    if isinstance(grid, Grid):
                        rows = (
                            "".join(f"<td>{escape(painter.cell(cell.content))}</td>" for cell in row)
                            for row in grid.cells
                        )
                        table = "".join(f"<tr>{row}</tr>" for row in rows)
                        html += f"<table><caption>{escape(grid.title)}</caption>{table}</table>"
            case Expansions(expansions):
                for each in expansions:
                    value = [] if each.value is None else [f"= {painter.number(each.value)}"]
                    lines = str(Written(painter, each)).splitlines()
                    html += f"<p>{'<br>'.join([str(each.target), *lines, *value])}</p>"
    return html
