"""How much is shown of what is long: as much as a limit allows, and of one more only a part, which is said."""

import json
import re
import sys

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.derivation.blocks import Expansions


def test_a_message_has_500_characters_at_most():
    assert str(cnngrad.CnngradError("x" * 500)) == "x" * 500
    assert str(cnngrad.CnngradError("x" * 251 + "y" * 250)) == f"{'x' * 250} … {'y' * 250}"


@pytest.mark.parametrize(
    ("shapes", "limit", "shown"),
    [
        (("3x3", "2x2", "2x2"), 4, 9),
        (("2x5", "1x2", "2x4"), 4, 2),
        (("4x4", "2x2", "3x3"), 5, 5),
        (("4x4", "2x2", "3x3"), None, 16),
    ],
)
def test_a_lesson_shows_tables_of_nine_elements_whole_and_of_others_the_telling_ones(shapes, limit, shown):
    """In 2x5 these are one inside and one at an end."""
    (section,) = cnngrad.derive(*shapes, limit=limit, sections=["dx"]).sections
    tables = [len(block.expansions) for block in section.blocks if isinstance(block, Expansions)]
    assert tables[-1] == shown


def test_a_lesson_that_shows_sums_in_short_holds_64_of_their_terms():
    """No two lines hold as many."""
    (section,) = cnngrad.derive("9x9", "9x9", limit=4, sections=["output"]).sections
    (*_, sums) = (block for block in section.blocks if isinstance(block, Expansions))
    assert [(len(each.terms), each.count) for each in sums.expansions] == [(64, 81)]


@pytest.mark.parametrize(("limit", "shown"), [(4, 4), (None, 12)])
@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_lesson_prints_the_first_matrices_of_a_result(limit, shown, more):
    """All elements of a result may be asked for, but hardly all its matrices."""
    x = np.ones((shown + more, 1, 1))
    lesson = str(cnngrad.derive(x, x[None], [[[1]]], limit=limit, sections=["dx"]))
    said = "One more matrix is" if more == 1 else f"{more} more matrices are"
    assert (f"{said} not shown." in lesson) == bool(more)


@pytest.mark.parametrize(("kernel", "is_whole"), [((4, 8), True), ((3, 11), False)])
def test_the_products_with_zeros_of_a_window_are_all_written_if_there_are_32(kernel, is_whole):
    shapes = ("x".join(map(str, shape)) for shape in ((12, 12), kernel))
    assert ("All its products" in str(cnngrad.derive(*shapes, padding=1, limit=4, sections=["output"]))) == is_whole


def test_the_right_sum_of_a_wrong_element_has_64_terms():
    x, claim = np.ones((5, 13), int), [[0]]
    report = cnngrad.check(x, [[1]], x, dw=claim).gradients["dEdW"]
    right = report.compare((0, 0, 0, 0)).right
    assert (len(right.terms), right.count) == (64, 65)


def test_more_than_twelve_matrices_of_a_result_are_counted(capsys, tmp_path):
    for count, said in ((12, []), (14, ["… 2 more matrices; -o FILE saves them all"])):
        (tmp_path / "p.json").write_text(json.dumps({"X": np.ones((count, 1, 1, 1)).tolist(), "W": [[[[1]]]]}))
        assert main(["forward", str(tmp_path / "p.json")]) == 0
        assert re.findall("….*", capsys.readouterr().out) == said


@pytest.mark.parametrize("last", [11, 19])
def test_of_what_a_program_writes_the_last_five_lines_are_shown(mine, capsys, last):
    command = mine(f"[print('line', k, 200 * 'x', flush=True) for k in range(10, {last + 1})]; import os; os._exit(3)")
    assert main(["check", "--run", command, "-x", "2x2", "-w", "1x1"]) == 1
    # Each has 200 characters at most, in several lines on the screen.
    written = re.findall(r"line ([0-9]+)([x\s]+)", capsys.readouterr().out)
    assert [(int(k), line.count("x")) for k, line in written] == [(k, 192) for k in range(max(10, last - 4), last + 1)]


def test_long_names_of_layers_are_cut_in_a_table(mine, capsys, tmp_path):
    (tmp_path / "own").mkdir()
    for name in ("a" * 26, "b" * 27):
        (tmp_path / "own" / f"{name}.json").write_text('{"X": "2x2", "W": "1x1"}')
    assert main(["check", "--run", mine("return {'dx': r.dx}"), "--suite", "own"]) == 0
    said = capsys.readouterr().out
    assert re.findall("^ *(a+|b+ … b+) ", said, re.MULTILINE) == ["a" * 26, f"{'b' * 13} … {'b' * 13}"]


def test_three_remarks_on_what_else_a_stream_writes_are_shown_each_with_60_characters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stream.py").write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    n = json.loads(line)['id']\n"
        "    print(json.dumps({'at': n, 'long': 'x' * 80}))\n"
        "    print(json.dumps({'id': n, 'skipped': 'yes'}), flush=True)\n"
    )
    main(["check", "--run", f"{sys.executable} -S stream.py", "--stream", "--suite", "quick", "--json"])
    note = json.loads(capsys.readouterr().out)["note"]
    lines = [f'{{"at": {n}, "long": "'.ljust(60, "x") for n in (1, 2, 3)]
    assert note == " ".join(f"A line of its output with no id is not an answer: {line}" for line in lines)
