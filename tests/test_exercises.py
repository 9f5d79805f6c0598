"""Exercises: numbers that tell mistakes apart, right answers, grades, and what Moodle reads."""

import csv
import io
import json
import re
from fractions import Fraction
from math import prod
from operator import eq, itemgetter
from xml.etree import ElementTree

import numpy as np
import pytest

import cnngrad
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import right_recipe
from cnngrad.cli.main import main
from cnngrad.errors import CnngradError
from cnngrad.exercises import exercises, graded
from cnngrad.exercises.questions import KINDS
from cnngrad.layer import make_layer
from cnngrad.layer.names import Names
from cnngrad.render.documents import document
from cnngrad.render.moodle import FRACTIONS
from cnngrad.render.style import Style
from cnngrad.tensor import DB, DEDO, DW, DX, B, O, W, X
from tests import golden, schema

# Layers and what is asked of them.
SHEETS = [
    ((3, 3), (2, 2), {}, ["dX"]),
    ((3, 3), (2, 2), {}, ["O", "dW"]),
    ((4, 4), (2, 2), {"stride": 2}, ["dX"]),
    ((4, 4), (2, 2), {"stride": 2}, ["dW", "x23"]),
    ((4, 5), (3, 3), {"padding": 1}, ["dW", "dX"]),
    ((4, 5), (3, 3), {"padding": 1}, ["x11"]),
    ((5, 5), (2, 2), {"dilation": 2}, ["dX"]),
    ((5, 5), (2, 2), {"stride": 2, "dilation": 2, "padding": 1}, ["dW"]),
    ((4, 4), (3, 3), {"padding": 1, "padding_mode": "reflect"}, ["dX"]),
    ((4, 4), (2, 2), {"flip": True}, ["dW"]),
    ((3, 3), (2, 2), {"transposed": True, "stride": 2}, ["O"]),
    ((3, 3), (2, 2), {"transposed": True, "stride": 2, "output_padding": 1}, ["dX", "dW"]),
    ((2, 3, 3), (2, 2, 2, 2), {}, ["dX"]),
    ((2, 2, 3, 3), (2, 2, 2, 2), {"b_shape": (2,)}, ["db", "dW"]),
    ((1, 4, 3, 3), (4, 2, 2, 2), {"groups": 2}, ["dX"]),
    ((2, 3, 3, 2), (2, 2, 2, 2), {"layout": "nhwc", "filter_layout": "hwio"}, ["dX"]),
    ((8,), (3,), {"stride": 2}, ["dX", "dW"]),
    ((3, 3, 3), (2, 2, 2), {"dims": 3}, ["dW"]),
    ((3, 3), (2, 2), {"b_shape": ()}, ["o12", "b"]),
    ((4, 4), (2, 2), {}, ["mistake"]),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", golden.ASKED)
def test_an_exercise_is_the_one_that_people_have_seen(name):
    assert golden.exercise(name) == golden.kept("exercises", name)


def problem_of(exercise):
    """The keyword arguments of a sheet's exercise in JSON."""
    problem = {**exercise["problem"]}
    problem.pop("schema")
    arrays = {key: np.array(problem.pop(key)) for key in ("X", "W", "b", "dEdO") if key in problem}
    return arrays, problem


def asked_cells(layer, sheet):
    """The flat places of the cells that a sheet asks for, by result."""
    found = {}
    for question in sheet.each[0].questions:
        if question.ask == "mistake":
            found |= {result: [*range(np.prod(layer.canonical[result], dtype=int))] for result in (DX, DW)}
        for blank in question.blanks:
            result, index = Names(layer).parse(blank.label)
            found.setdefault(result, []).append(int(np.ravel_multi_index(index, layer.canonical[result])))
    return found


def ways(layer, result):
    """The right recipe of a result, and each way in which a usual mistake changes it."""
    right = right_recipe(layer, result)
    usual = [each for each in CATALOGUE if each.short and each.suits(layer)]
    return [right, *(recipe for each in usual for recipe in each.changed(right))]


def changed(recipes, data, cells):
    """The asked cells of the right result, and as each usual mistake gives them in its own shape."""
    data = data.knowing(recipes[0])
    right, *wrong = (made(recipe, data) for recipe in recipes)
    return right.ravel()[cells], [array.ravel()[cells] if array.shape == right.shape else None for array in wrong]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("decimals", [False, True], ids=["integers", "decimals"])
@pytest.mark.parametrize(("x", "w", "options", "asks"), SHEETS)
def test_each_mistake_shows_in_every_asked_cell_that_it_changes_and_looks_like_no_other(
    x, w, options, asks, decimals, whole
):
    layer, generator = make_layer(x, w, **options), np.random.default_rng(1)
    given = [X, W, DEDO, *[B] * layer.has_bias]
    # Numbers that are equal only if they are the same sums.
    generic = {tensor: generator.integers(-(10**6), 10**6, layer.shapes[tensor]) for tensor in given}
    sheet = exercises(layer, asks, 100 if whole and not decimals else 2, with_decimals=decimals)
    assert sheet.is_telling
    asked = asked_cells(layer, sheet)
    recipes = {result: ways(layer, result) for result in asked}
    expected = {result: changed(recipes[result], Data.of(layer, generic), cells) for result, cells in asked.items()}
    for exercise in sheet.each:
        arrays = {tensor: exercise.arrays[tensor] for tensor in given}
        assert all(0 < abs(array).max() < 100 for array in arrays.values())
        for result, cells in asked.items():
            (right, wrong), (here, found) = expected[result], changed(recipes[result], Data.of(layer, arrays), cells)
            here, *found = (None if array is None else np.round(array, 2) + 0.0 for array in (here, *found))
            pairs = [(one, other) for one, other in zip(wrong, found, strict=True) if one is not None]
            for one, other in pairs:
                assert ((one != right) == (other != here)).all()
            # As many different results as with any numbers.
            assert len({one.tobytes() for one, _ in pairs}) == len({other.tobytes() for _, other in pairs})


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("x", "w", "options", "asks"), SHEETS[:-1])
@pytest.mark.parametrize("decimals", [False, True], ids=["integers", "decimals"])
def test_right_answers_are_exact(x, w, options, asks, decimals):
    sheet = exercises(make_layer(x, w, **options), asks, count=2, with_decimals=decimals)
    for exercise in sheet.as_json()["exercises"]:
        arrays, settings = problem_of(exercise)
        # As fractions, tenths are exact.
        exact = np.vectorize(lambda number: Fraction(number).limit_denominator(10), otypes=[object])
        tens = {key: np.asarray(exact(array) * 10).astype(int) for key, array in arrays.items()}
        bias = {} if "b" not in tens else {"b": tens["b"] * 10}
        results = {O: cnngrad.forward(tens["X"], tens["W"], **bias, **settings)}
        grads = cnngrad.backward(tens["X"], tens["W"], tens["dEdO"], **settings)
        results |= {DW: grads.dw, DX: grads.dx, DB: grads.db * 10}
        names = Names(sheet.source.layer)
        for question in exercise["questions"]:
            for label, right in zip(question["blanks"], question["right"], strict=True):
                result, index = names.parse(label)
                array = names.layer.layouts.standard(result, results[result]).reshape(names.layer.canonical[result])
                assert Fraction(str(right)) * 100 == int(array[index])
                assert isinstance(right, float if decimals else int)


def test_other_seeds_and_exercises_have_other_numbers():
    layer = make_layer((4, 4), (2, 2), stride=2)
    sheets = [exercises(layer, ["dX"], count=3, seed=seed).as_json() for seed in (7, 7, 8)]
    assert str(sheets[0]) == str(sheets[1])
    problems = [str(exercise["problem"]) for sheet in sheets[1:] for exercise in sheet["exercises"]]
    assert len({*problems}) == 6


def test_the_local_derivatives_and_products_are_those_of_the_sum():
    layer = make_layer((2, 4, 4), (3, 2, 3, 3), padding=1)
    chain, products = exercises(layer, ["chain-rule", "products"], seed=3).questions
    for question in (chain, products):
        (expansions,) = question.working
        (expansion,) = expansions.expansions
        sums = [tuple(map(str, term.factors)) for term in expansion.terms]
        if question is chain:
            assert [blank.right for blank in question.blanks] == [w for _, w in sums]
        else:
            chosen = [
                (tuple("".join(map(str, parts)).split("·")), is_right) for parts, is_right in question.options.values()
            ]
            assert [pair in sums for pair, _ in chosen] == [is_right for _, is_right in chosen]
            assert 0 < sum(is_right for _, is_right in chosen) < len(chosen) == 8


def test_the_matrix_gives_o_and_the_frame_is_that_of_the_full_convolution():
    layer = make_layer((3, 3), (2, 2), padding=((1, 0), (0, 1)), padding_mode="replicate")
    (question,) = exercises(layer, ["matrix"]).questions
    x, w = (exercises(layer, ["matrix"]).each[0].arrays[tensor] for tensor in (X, W))
    matrix = np.array(question.right).reshape(-1, 9)
    labels = [f"row {row}, column {column}" for row in range(1, len(matrix) + 1) for column in range(1, 10)]
    assert [blank.label for blank in question.blanks] == labels
    o = cnngrad.forward(x, w, padding=((1, 0), (0, 1)), padding_mode="replicate")
    np.testing.assert_array_equal(matrix @ x.ravel(), o.ravel())
    assert "Write down the numbers of the matrix M in o = M·x, with X and O written" in question.words
    (question,) = exercises(make_layer((3, 3), (2, 2), b_shape=(1,)), ["matrix"]).questions
    assert "Write down the numbers of the matrix M in o = M·x + b, with X and O written" in question.words
    (question,) = exercises(make_layer((8, 6), (3, 2), stride=(2, 3), padding=(1, 0)), ["frame"]).questions
    assert question.right == (1, 2, 3, 2, 1, 2)
    (question,) = exercises(make_layer((3, 8), (2, 2), stride=3), ["frame"]).questions
    assert [blank.label for blank in question.blanks][:3] == [
        "in front of the first row", "behind the last row", "between two columns",
    ]  # fmt: skip
    # A line that begins with a number and a full stop would be read as an item of a list.
    solution = document(".txt", exercises(make_layer((8, 6), (2, 2), stride=2), ["frame"]).solution())
    assert re.findall(r"(\w*) \d+\.(?= [A-Z])", " ".join(solution.split())) == ["Question"]


def test_the_wrong_result_is_that_of_the_right_option():
    layer = make_layer((4, 4), (2, 2), stride=2)
    for seed in range(5):
        sheet = exercises(layer, ["mistake"], seed=seed)
        (question,) = sheet.questions
        arrays, options = problem_of(sheet.as_json()["exercises"][0])
        grid = question.task[1].rows[0][0]
        array = np.array([[cell.content for cell in row] for row in grid.cells])
        keyword = {"∂E/∂X": "dx", "∂E/∂W": "dw"}[grid.title]
        report = cnngrad.check(arrays["X"], arrays["W"], arrays["dEdO"], **options, **{keyword: array})
        found = next(gradient for gradient in report.gradients.values() if gradient.passed is False)
        (right,) = (parts for parts, is_right in question.options.values() if is_right)
        said = {each.id: each.words(DX if keyword == "dx" else DW, layer)[0] for each in CATALOGUE}
        words = {name: text.replace("dE/d", "∂E/∂") for name, text in said.items()}
        assert right[0] in [words[name] for name in (found.mistake, *found.also) if "+" not in name]


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [((2, 4, 4), (2, 2, 2, 2), {}), ((5, 5), (2, 2), {"stride": 3}), ((5, 5), (2, 2), {"dilation": 3})],
    ids=str,
)
def test_a_wrong_option_does_not_hold_for_the_result_that_is_shown(x, w, options, whole):
    for exercise in exercises(make_layer(x, w, **options), ["mistake"], count=40 if whole else 8).each:
        (question,) = exercise.questions
        result, shown = question.shown
        right = cnngrad.backward(*(exercise.arrays[tensor] for tensor in (X, W, DEDO)), **options)
        is_reordered = sorted(shown.ravel()) == sorted({DX: right.dx, DW: right.dw}[result].ravel())
        (said,) = (parts[0] for parts, is_right in question.options.values() if is_right)
        wrong = " ".join(parts[0] for parts, is_right in question.options.values() if not is_right)
        assert not (is_reordered and "the numbers are right" in wrong)
        assert not ("stride" in said and "the wrong number of zeros" in wrong)
        assert not ("dilation" in said and "a wrong dilation" in wrong)


def csv_of(*rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def test_answers_are_graded_and_the_mistakes_of_a_class_are_counted():
    layer = make_layer((3, 3), (2, 2))
    sheet = exercises(layer, ["dX", "x22", "mistake", "chain-rule"], seed=1)
    dx, _, mistake, _ = sheet.questions
    (letter,) = mistake.right
    rotated = [next(n for n, name in blank.wrong.items() if name == "filter-not-rotated") for blank in dx.blanks]
    right = [" ".join(map(str, question.right)) for question in sheet.questions]
    rows = [
        ["ann", *right],
        ["bob", ";".join(map(str, rotated)), "", f"({letter})", right[3].upper()],
        ["cy", " ".join(["x", *map(str, dx.right[1:])]), "1e3", "z", "w11"],
    ]
    found = graded(sheet, "a.csv", csv_of(["Student", 1, 2, 3, 4], *rows))
    scores = [[grade.score for grade in grades] for _, grades in found.each]
    assert scores == [[1, 1, 1, 1], [0, 0, 1, 1], [pytest.approx(8 / 9), 0, 0, 0]]
    assert found.mistakes == {"filter-not-rotated": 1}
    # If two mistakes give the wrong numbers, the one that also gives the right ones is named.
    small = exercises(layer, ["O"])
    o = np.array(small.questions[0].right).reshape(2, 2)
    (_, (grade,)), *_ = graded(small, "a.csv", csv_of(["student", 1], ["di", " ".join(map(str, o.T.ravel()))])).each
    assert (grade.score, grade.mistake) == (0.5, "axes-swapped")
    # What a known mistake gives may be worth something.
    found = graded(sheet, "a.csv", csv_of(["student", 1, 2, 3, 4], *rows), partial=0.5)
    assert found.each[1][1][0].score == 0.5
    schema.validate(found.as_json())


def test_answers_are_read_as_people_write_them():
    layer = make_layer((2, 3, 3), (3, 2, 2, 2))
    sheet = exercises(layer, ["chain-rule", "o[1]11", "products", "matrix"], seed=1)
    chain, element, products, matrix = (question.right for question in sheet.questions)
    zeros = " ".join("0" for _ in matrix)
    rows = [
        [
            "ann",
            ", ".join(chain),
            f"[[{element[0]}.0]]",
            "".join(products),
            " ".join(map(str, matrix)).replace("-", "−"),
        ],
        ["b" * 200, " ".join(["?", *chain[1:]]), "1/2", f"{products[0]}", zeros],
        ["cy", f"{chain[0]} w", "1 2", "abcdefgh", "?"],
        ["di", "? ?", "?", "?", "''?"],
    ]
    text = csv_of(["student", 1, 2, 3, 4], *rows).decode()
    found = graded(sheet, "a.csv", text.encode("utf-8-sig"), partial=0.5)
    scores = [[grade.score for grade in grades] for _, grades in found.each]
    assert scores[0] == [1, 1, 1, 1]
    some = pytest.approx
    assert scores[1] == [some(1 - 1 / len(chain)), 0, some(1 / len(products)), some(matrix.count(0) / len(matrix))]
    wrong = 8 - len(products)
    assert scores[2] == [0, 0, max(0, (len(products) - wrong) / len(products)), 0]
    assert scores[3] == [0, 0, 0, 0]
    assert found.notes == (
        "Row 3, question 2: '1/2' is not a number.",
        "Row 4, question 1: 2 answers for 12 blanks; write ? for one that is not answered.".replace(
            "12", str(len(chain))
        ),
        "Row 4, question 2: 2 answers for 1 blank; write ? for one that is not answered.",
    )
    lines = document(".txt", found).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].split() == ["student", "of", "4", "1", "2", "3", "4"]
    # What people export with semicolons and blank rows, a student twice, and answers to another sheet.
    found = graded(sheet, "a.csv", b"student;1;2;3;4\n\nann;w;x;z;9\nann;;;;\n;;;;\n")
    assert [student for student, _ in found.each] == ["ann", "ann"]
    assert found.notes[-2:] == (
        "Row 4: ann has a row already.",
        "No answer is right. Were they given to the sheet of these options, with this --seed?",
    )
    with pytest.raises(CnngradError, match=r"a\.csv has no row of answers below its first line"):
        graded(sheet, "a.csv", b"student,1,2,3,4\n")


def test_answers_are_read_as_students_write_them():
    sheet = exercises(make_layer((3, 3), (2, 2)), ["dX"], seed=1, with_decimals=True)
    (question,) = sheet.questions
    rotated = [next(n for n, name in blank.wrong.items() if name == "filter-not-rotated") for blank in question.blanks]
    commas = " ".join(str(n).replace(".", ",").replace("-", "–") for n in question.right)
    some = " ".join(["?", *map(str, rotated[1:])])
    rows = [["ann", commas], ["bob", some], ["cy", "nan " * 9], ["di", "1_0 " * 9]]
    found = graded(sheet, "a.csv", csv_of(["student", 1], *rows))
    assert [(grades[0].score, grades[0].mistake) for _, grades in found.each] == [
        (1, None), (0, "filter-not-rotated"), (0, None), (0, None),
    ]  # fmt: skip
    assert [note[-16:] for note in found.notes] == ["is not a number.", "is not a number."]


def test_names_and_options_are_read_as_students_write_them():
    sheet = exercises(make_layer((3, 3), (2, 2)), ["chain-rule", "products"], seed=7)
    (first, *names), (one, *options) = (question.right for question in sheet.questions)
    rest = " ".join(names)
    rows = [
        ["ann", f"{first[0]}_{{{first[1:]}}} {rest}", f"({one}) and ({options[0]})"],
        ["bob", f"{first[0].upper()}{first[1:].translate({49: '₁', 50: '₂'})} {rest}", f"{one}/{options[0]}."],
        ["cy", f"foo {rest}", f"{one} z"],
    ]
    found = graded(sheet, "a.csv", csv_of(["student", 1, 2], *rows))
    part = pytest.approx(1 - 1 / (1 + len(names)))
    both = 2 / (1 + len(options))
    assert [[grade.score for grade in grades] for _, grades in found.each] == [[1, both], [1, both], [part, 0]]
    assert found.notes == (
        "Row 4, question 1: 'foo' is not a name.",
        f"Row 4, question 2: '{one} z' is not the letters of options.",
    )


def test_digits_of_an_exercise_are_not_rounded_away(capsys):
    words = ["exercise", "-x", "3x3", "-w", "2x2", "--decimals", "--ask", "dX", "--precision", "1"]
    assert main(words) == 2
    assert "--precision would change the numbers of an exercise: leave it out" in capsys.readouterr().err


def test_the_table_of_grades_has_a_column_for_each_of_at_most_ten_questions():
    for count in (10, 11):
        sheet = exercises(make_layer((3, 3), (2, 2)), ["x22"], count)
        found = graded(sheet, "a.csv", csv_of(["student", *range(1, count + 1)], ["ann", *["0"] * count]))
        columns = document(".txt", found).splitlines()[0].split()[3:]
        assert columns == list(map(str, range(1, 11) if count == 10 else ()))


def test_a_chain_rule_has_several_terms_and_a_page_one_result():
    layer = make_layer((3, 3), (2, 2))
    assert all(len(exercises(layer, ["chain-rule"], seed=seed).questions[0].blanks) > 1 for seed in range(10))
    assert exercises(layer, ["dX"]).source.asked is DX
    several = [exercises(layer, ["dX", "dW"]), exercises(layer, ["dX"], 2), exercises(layer, ["dX"]).solution()]
    assert [sheet.source.asked for sheet in several] == [None] * 3


def test_the_mistake_of_a_part_of_the_answers_is_named():
    """It gives all wrong answers, and at least as many right ones as any other mistake that gives these."""
    sheet = exercises(make_layer((4, 4), (2, 2)), ["dX"], seed=2)
    (question,) = sheet.questions
    right, ways, named = question.right, question.ways, set()
    for name, numbers in ways:
        for k, number in enumerate(numbers):
            if number not in (0, right[k]):
                answers = [*right[:k], number, *right[k + 1 :]]
                table = csv_of(["student", 1], ["ann", " ".join(map(str, answers))])
                (_, (grade,)), *_ = graded(sheet, "a.csv", table).each
                same = [(sum(map(eq, answers, others)), each) for each, others in ways if others[k] == number]
                assert grade.mistake == max(same, key=itemgetter(0))[1]
                named.add((grade.mistake, name))
    assert any(first != other for first, other in named)


def test_who_writes_0_everywhere_earns_nothing_for_it():
    sheet = exercises(make_layer((3, 3), (2, 2)), ["dX"])
    found = graded(sheet, "a.csv", csv_of(["student", 1], ["ann", "0 " * 9]), partial=0.5)
    assert found.each[0][1] == ((0, None),)


def test_a_sheet_does_not_ask_twice_for_one_element_and_shows_no_result_that_it_asks_for():
    for seed in range(10):
        sheet = exercises(make_layer((3, 3), (2, 2)), ["chain-rule", "products", "dX", "mistake"], seed=seed)
        chain, products, _, mistake = sheet.questions
        places = [re.search(r"∂E/∂(x\d+)", question.words)[1] for question in (chain, products)]
        assert places[0] != places[1]
        assert mistake.shown[0] is DW


def test_answers_are_graded_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["exercise", "-x", "3x3", "-w", "2x2", "--ask", "dW", "--count", "2"]
    assert main([*command, "--json", "-o", "sheet.json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "sheet.json").read_text())
    right = [
        exercise["questions"][0]["right"] for exercise in json.loads((tmp_path / "sheet.json").read_text())["exercises"]
    ]
    first, second = (" ".join(map(str, numbers)) for numbers in right)
    (tmp_path / "a.csv").write_bytes(
        csv_of(["student", 1, 2], ["ann", first, second], ["bob", " ".join(str(-n) for n in right[0]), "0"])
    )
    assert main([*command, "--grade", "a.csv", "--report", "grades.md"]) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines() if line[:3] in ("ann", "bob")] == [
        ["ann", "2", "1", "1"], ["bob", "0", "0", "0"],
    ]  # fmt: skip
    assert re.search(r"sign-flipped +1  bob\n", out)
    assert "Row 3, question 2: 1 answer for 4 blanks; write ? for one that is not answered." in out
    assert "sign-flipped" in (tmp_path / "grades.md").read_text()
    assert main([*command, "--grade", "a.csv", "--partial", "99"]) == 0
    assert re.search("^bob +0.99 +0.99 +0$", capsys.readouterr().out, re.MULTILINE)
    for content, said in (
        (b"name,1,2\n", "the first line of b.csv is 'name,1,2': for this sheet it is student,1,2"),
        (b"", "the first line of b.csv is '': for this sheet it is student,"),
        (b"\xef\xbb\xbf\n", "the first line of b.csv is '': for this sheet it is student,"),
        (b"student,1,2\nann,1\n", "row 2 of b.csv has 2 cells: there are 3 columns"),
        (b"student,1,2\n\xff,1,2\n", "can't read b.csv as CSV in UTF-8"),
        (b'student,1,2\nann,"1,2\n', "can't read b.csv as CSV in UTF-8"),
    ):
        (tmp_path / "b.csv").write_bytes(content)
        assert main([*command, "--grade", "b.csv"]) == 2
        assert said in capsys.readouterr().err
    assert main([*command, "--grade", "a.csv", "--report", "a.csv"]) == 2
    assert main([*command, "--grade", "a.csv", "-o", "a.json"]) == 0
    (tmp_path / "a.txt").write_bytes((tmp_path / "a.csv").read_bytes())
    assert main([*command, "--grade", "a.txt", "--report", "a.txt"]) == 2
    assert "a.txt is an input of this command" in capsys.readouterr().err


def test_a_solution_does_not_replace_an_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("1 2\n3 4\n")
    assert main(["exercise", "-x", "x.txt", "-w", "1x1", "--solution", "x.txt"]) == 2
    assert "x.txt is an input of this command" in capsys.readouterr().err


def fields_of(text):
    """The numerical fields of a cloze question: for each its answers as fraction, number, tolerance and feedback."""
    for body in re.findall(r"\{1:NUMERICAL:((?:\\.|[^}\\])*)\}", text):
        parts = [
            re.fullmatch(r"(?:=|%([\d.]+)%)(-?[\d.]+):([\d.]+)#((?:\\.|[^#~\\])*)", part)
            for part in re.split(r"(?<!\\)~", body)
        ]
        assert all(parts), body
        yield [
            (float(part[1] or 100), float(part[2]), float(part[3]), re.sub(r"\\([}#])", r"\1", part[4]))
            for part in parts
        ]


@pytest.mark.parametrize("decimals", [False, True], ids=["integers", "decimals"])
def test_moodle_reads_the_answers_back(decimals):
    layer = make_layer((4, 4), (2, 2), stride=2)
    sheet = exercises(layer, ["dX", "x22", "products", "frame", "matrix", "mistake"], count=2, with_decimals=decimals)
    text = document(".xml", sheet, Style(form="moodle", partial=50))
    category, *questions = ElementTree.fromstring(text).findall("question")
    assert category.get("type") == "category"
    assert category.findtext("category/text").startswith("$course$/top/")
    assert len(questions) == len(sheet.questions)
    for element, question in zip(questions, sheet.questions, strict=True):
        assert element.get("type") == ("multichoice" if question.options else "cloze")
        assert element.findtext("name/text")
        shown = element.findtext("questiontext/text")
        assert "____" not in shown
        if question.options:
            answers = [(each.findtext("text"), float(each.get("fraction"))) for each in element.findall("answer")]
            assert [words for words, _ in answers] == [
                "".join(map(str, parts)) for parts, _ in question.options.values()
            ]
            assert [fraction > 0 for _, fraction in answers] == [is_right for _, is_right in question.options.values()]
            # Choosing everything gets nothing.
            lowest = 0 if question.ask == "mistake" else -max(fraction for _, fraction in answers)
            assert {fraction for _, fraction in answers if fraction <= 0} == {lowest}
            assert sum(fraction for _, fraction in answers if fraction > 0) == pytest.approx(100, abs=1e-3)
            assert all(any(abs(abs(fraction) - known) < 1e-4 for known in FRACTIONS) for _, fraction in answers)
            assert element.findtext("single") == ("true" if question.ask == "mistake" else "false")
            continue
        fields = list(fields_of(shown))
        assert [answers[0][:2] for answers in fields] == [(100, right) for right in question.right]
        for answers, blank in zip(fields, question.blanks, strict=True):
            assert {off for _, _, off, _ in answers} == {0.005 if decimals else 0}
            assert [number for _, number, _, _ in answers[1:]] == [*blank.wrong]
            assert blank.right not in blank.wrong
            for (fraction, _, _, said), name in zip(answers[1:], blank.wrong.values(), strict=True):
                assert fraction == 50
                assert said.startswith(f"{name}: ")
                assert "\\" not in said
                assert "To fix it: " in said


def test_moodles_fractions_are_those_of_its_list():
    """Tenths, one part of up to nine, all but one of three, four and six, and a twentieth."""
    tenths = {Fraction(n, 10) for n in range(11)}
    others = {Fraction(1, n) for n in range(3, 10)} | {Fraction(n - 1, n) for n in (3, 4, 6)} | {Fraction(1, 20)}
    assert [f"{fraction:.7g}" for fraction in FRACTIONS] == [
        f"{float(100 * part):.7g}" for part in sorted(tenths | others)
    ]


def test_sheets_and_solutions_are_documents_of_every_kind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["exercise", "-x", "3x3", "-w", "2x2", "--ask", "dX", "--title", "Homework 3"]
    for ending in (".txt", ".md", ".tex", ".svg", ".html"):
        assert main([*command, "--report", f"sheet{ending}", "--solution", f"solution{ending}"]) == 0
        saved = [f"cnngrad: {name}{ending} is saved" for name in ("sheet", "solution")]
        assert capsys.readouterr().err.splitlines() == saved
        files = [tmp_path / f"{name}{ending}" for name in ("sheet", "solution")]
        sheet, solution = (file.read_text().replace("&#160;", " ") for file in files)
        assert "Question 1" in sheet
        assert "Question 1" in solution
        assert "Homework 3" in sheet
        blank = r"\underline" if ending in (".md", ".tex") else "____"
        assert (blank in sheet, blank in solution) == (True, False)
    assert '"asked": "dx"' in (tmp_path / "sheet.html").read_text()
    assert '"asked": ""' in (tmp_path / "solution.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-x 28x28 -w 5x5", "X is 28×28: a sheet has room for at most 9 along each axis"),
        ("-x 8x8x8 -w 8x3x3", "X, W and dE/dO have 620 elements: a sheet has room for 400"),
        ("-x 3x3 -w 2x2 --ask produkts", "did you mean products?"),
        ("-x 3x3 -w 2x2 --ask x44", "'x44' is not an element of this layer"),
        ("-x 3x3 -w 2x2 --ask db", "can't ask for db: the layer has no bias; give its shape with -b"),
        ("-x 3x3 -w 2x2 --ask O,b", "can't ask for b: the layer has no bias; give its shape with -b"),
        ("-x 3x3 -w 2x2 --ask ,", "--ask is empty: give a value"),
        ("-x 1x1 -w 1x1 --ask products", "a layer that has one product alone"),
        ("-x 3x3 -w 3x3 --padding 1 --padding-mode reflect --ask chain-rule", "with padding_mode reflect"),
        ("-x 3x3 -w 2x2 --format junit", "format is 'junit': use moodle"),
        ("-x 3x3 -w 2x2 --format moodle --ask chain-rule", "leave out chain-rule"),
        ("-x 3x3 -w 2x2 --format moodle --report a.md", "use .xml"),
        ("-x 3x3 -w 2x2 --report a.html --count 2", "use --count 1, or another ending"),
        ("-x 3x3 -w 2x2 --report a.html --ask matrix", "a page asks for one of O, dW and dX, or an element"),
        ("-x 3x3 -w 2x2 --solution a.html --count 2", "a page has the numbers of one exercise"),
        ("-x 3x3 -w 2x2 --report a.md --solution a.md", "are the same file"),
        (
            "-x 3x3 -w 2x2 --format moodle --partial 3",
            "a fraction that Moodle has: 0, 5, 10, 11.1111, 12.5, 14.2857, 16.6667, 20, 25, 30, 33.3333, 40, 50, 60, "
            "66.6667, 70, 75, 80, 83.3333, 90, 100",
        ),
        ("-x 3x3 -w 2x2 --partial 50", "--partial needs --format or --grade"),
        ("-x 3x3 -w 2x2 --grade a.csv --solution a.md", "--solution has no effect with --grade"),
    ],
)
def test_what_can_not_be_is_refused(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["exercise", *words.split()]) == 2
    assert said in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_of_8_products_at_most_5_are_right():
    layer = make_layer((6, 6), (3, 3))
    questions = [exercises(layer, ["products"], seed=seed).questions[0] for seed in range(20)]
    assert {len(question.options) for question in questions} == {8}
    assert max(len(question.right) for question in questions) == 5


def test_a_sheet_has_room_for_9_numbers_along_an_axis_and_400_in_all():
    layer = make_layer((2, 8, 9), (4, 2, 2, 2))
    assert sum(prod(layer.written[tensor]) for tensor in (X, W, O)) == 400
    assert len(exercises(layer, ["o[1]11"]).questions) == 1


def test_every_kind_can_be_asked_of_every_layer(whole):
    for x, w, options, _ in SHEETS[:: 1 if whole else 3]:
        kinds = [kind for kind in KINDS if "padding_mode" not in options or kind != "chain-rule"]
        sheet = exercises(make_layer(x, w, **options), kinds, seed=2)
        assert all(question.right for question in sheet.questions)
        assert all(len(question.options) > 1 or question.blanks for question in sheet.questions)
        # The layer, and what is asked of it, stand on the sheet; the solution has no blank left.
        sheet_text, solution = (document(".txt", each, Style(title="A title")) for each in (sheet, sheet.solution()))
        assert " ".join(sheet.source.layer.line.split()) in " ".join(sheet_text.split())
        assert "____" in sheet_text
        assert "____" not in solution


def test_a_layer_without_a_bias_is_not_asked_for_its_gradient():
    with pytest.raises(CnngradError, match="no bias"):
        exercises(make_layer((3, 3), (2, 2)), ["db"])
