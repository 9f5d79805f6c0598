"""What check says, to people and to programs: O graded, elements explained, the report as text and as JSON."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import cnngrad
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import right_recipe
from cnngrad.checks.mistakes import known_mistakes, shown
from cnngrad.cli.main import main
from cnngrad.layer import make_layer
from cnngrad.layer.names import Names
from cnngrad.schema import SCHEMA_FILE
from cnngrad.tensor import Tensor
from tests import claims, golden, reference, schema
from tests.cases import CASES, SMALL, Case

X, W, DEDO = [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]], [[4, -2], [-3, 5]]
TELLING = [
    Case((2, 4, 7, 6), (6, 2, 3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2), groups=2),
    Case((1, 1, 6, 5), (1, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), bias=False),
    Case((2, 3, 9), (3, 3, 3), (2,), ((1, 0),), (2,)),
    Case((2, 3, 6, 7), (3, 3, 2, 2), (2, 3), ((0, 0), (0, 0)), (1, 1), flip=True),
]


@pytest.mark.sampled(7)
@pytest.mark.parametrize("name", claims.CLAIMS)
def test_the_report_on_a_claim_is_the_one_that_people_have_seen(name):
    assert claims.report(name) == golden.kept("claims", name)


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64, np.float16])
def test_a_right_o_passes_and_one_changed_element_does_not(name, dtype):
    case = SMALL[name]
    x, w, b, _ = case.data(dtype=dtype)
    o = reference.forward(x.astype(float), w.astype(float), b.astype(float), *case.definition).astype(dtype)
    assert cnngrad.check(x, w, b=b, o=o, **case.options)
    o = o.copy()
    o[(0,) * o.ndim] += 2
    report = cnngrad.check(x, w, b=b, o=o, **case.options)
    assert report.passed is False
    assert report.gradients["O"].wrong.sum() == 1
    assert report.gradients["O"].worst.index == (0,) * o.ndim


@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", TELLING)
def test_every_mistake_in_o_is_named(case, whole):
    x, w, b, _ = case.data()
    b = b if case.bias else None
    layer = make_layer(x.shape, w.shape, b_shape=None if b is None else b.shape, **case.options)
    o = cnngrad.forward(x, w, b, **case.options)
    arrays = {Tensor.X: x, Tensor.W: w, Tensor.DEDO: np.zeros_like(o), **({} if b is None else {Tensor.B: b})}
    data = Data.of(layer, arrays)
    tried = 0
    for mistake in (each for each in CATALOGUE if each.short):
        for recipe in list(mistake.changed(right_recipe(layer, Tensor.O)))[: None if whole else 1]:
            wrong = made(recipe, data)
            if wrong.shape != o.shape or (wrong != o).any():
                found = cnngrad.check(x, w, b=b, o=wrong, **case.options).gradients["O"]
                assert found.passed is False
                assert mistake.id in (found.mistake, *found.also), recipe.detail
                tried += 1
    assert tried > (50 if whole else 12)


def test_a_pair_of_mistakes_in_o_is_named():
    x, w = CASES["dilation and padding"].data()[:2]
    options = CASES["dilation and padding"].options
    o = -cnngrad.forward(x, np.asarray(w), **options | {"padding": ((0, 3), (0, 3))})
    found = cnngrad.check(x, w, o=o, **options).gradients["O"]
    assert {found.mistake, *found.together} == {"sign-flipped", "padding-ignored"}


def test_what_is_wrong_in_o_comes_first_and_needs_no_dedo():
    report = cnngrad.check(X, W, DEDO, dx=np.zeros((3, 3), int), o=[[1, 2], [3, 4]])
    assert list(report.gradients) == ["O", "dEdX"]
    assert "O and a gradient are wrong." in str(report)
    assert cnngrad.check(X, W, o=[[12, 17], [27, 32]])
    assert str(cnngrad.check(X, W, o=[[12, 17], [27, 32]])).endswith("O is right.")


def not_rotated():
    """dE/dX of the notes' layer with the filter as it is."""
    framed = np.pad(np.array(DEDO), 1)
    return np.array([[(framed[i : i + 2, j : j + 2] * W).sum() for j in range(3)] for i in range(3)])


def test_an_element_shows_yours_the_right_sum_and_the_sum_that_makes_yours():
    report = cnngrad.check(X, W, DEDO, dx=not_rotated(), elements=["x22", "x11"])
    first, second = report.gradients["dEdX"].as_json()["explained"]
    assert first["element"] == "dE/dx22"
    assert (first["yours"], first["right"]) == (not_rotated()[1, 1], -11)
    assert first["your_terms"] == [["dE/do11", "w11"], ["dE/do12", "w12"], ["dE/do21", "w21"], ["dE/do22", "w22"]]
    assert first["right_terms"] == [["dE/do11", "w22"], ["dE/do12", "w21"], ["dE/do21", "w12"], ["dE/do22", "w11"]]
    assert second["your_terms"] == [["dE/do11", "w22"]]
    assert "yours = ∂E/∂o11·w11 + ∂E/∂o12·w12 + ∂E/∂o21·w21 + ∂E/∂o22·w22" in str(report)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("case", TELLING)
@pytest.mark.parametrize("result", [Tensor.O, Tensor.DW, Tensor.DX])
def test_the_sum_that_makes_yours_gives_your_number(case, result):
    x, w, b, dedo = case.data()
    b = b if case.bias else None
    right = cnngrad.forward(x, w, b, **case.options) if result is Tensor.O else None
    right = getattr(cnngrad.backward(x, w, dedo, **case.options), result.keyword) if right is None else right
    index = tuple(size // 2 for size in right.shape)
    layer = make_layer(x.shape, w.shape, b_shape=None if b is None else b.shape, **case.options)
    name = Names(layer).symbol(result, index).name
    for claim in (2 * right, -right, np.roll(right, 1, -1)):
        report = cnngrad.check(x, w, dedo, b=b, elements=[name], **{result.keyword: claim}, **case.options)
        (found,) = report.gradients[result.key].explained
        assert found.yours == claim[index]
        if found.made is not None:
            assert sum(np.prod(term.values) for term in found.made.terms) == claim[index]


def test_an_element_of_what_is_not_graded_is_an_error():
    with pytest.raises(cnngrad.CnngradError, match="element 'w11' is not explained here"):
        cnngrad.check(X, W, DEDO, dx=not_rotated(), elements=["w11"])


def test_str_is_the_text_of_the_command_and_repr_a_line(tmp_path, capsys):
    problem = {"X": X, "W": W, "dEdO": DEDO}
    (tmp_path / "p.json").write_text(json.dumps(problem))
    (tmp_path / "dx.json").write_text(json.dumps(not_rotated().tolist()))
    assert main(["check", str(tmp_path / "p.json"), "--dx", str(tmp_path / "dx.json")]) == 1
    report = cnngrad.check(X, W, DEDO, dx=not_rotated())
    assert capsys.readouterr().out == f"{report}\n"
    assert repr(report).startswith("<cnngrad report: ∂E/∂X is WRONG: filter-not-rotated | W is not rotated by 180°")
    assert "\n" not in repr(report)


def test_raise_if_wrong_says_gradient_verdict_mistake_and_fix_first():
    cnngrad.check(X, W, DEDO).raise_if_wrong()
    with pytest.raises(AssertionError) as caught:
        cnngrad.check(X, W, DEDO, dx=not_rotated()).raise_if_wrong()
    assert str(caught.value).splitlines()[:3] == [
        "∂E/∂X is WRONG: filter-not-rotated",
        "W is not rotated by 180° in the full convolution.",
        "To fix it: rotate W before it slides over dE/dO: w[::-1, ::-1].",
    ]


@pytest.mark.parametrize("b", [3, [3]])
@pytest.mark.parametrize("claim", [{}, {"db": 4}, {"db": [4]}])
def test_the_gradient_of_one_filters_b_is_right_as_a_number_or_a_list(b, claim):
    assert cnngrad.check([[1, 2], [3, 4]], [[1]], [[1, 1], [1, 1]], b=b, **claim).passed


def test_a_wrong_shape_prints_no_empty_line():
    text = str(cnngrad.check(X, W, DEDO, dx=[[1, 2]]))
    assert "\n\n\n" not in text
    assert "dEdX has shape (1, 2), but it must be (3, 3), the shape of X." in " ".join(text.split())


COMMANDS = {
    "forward": (0, "forward samples/channels.json --explain"),
    "backward": (0, "backward samples/depthwise.json --explain"),
    "backward, one": (0, "backward samples/notes.json --only db"),
    "layouts": (0, "forward -x samples/digits/X.npy -w samples/digits/W.npy --layout nchw"),
    "check": (0, "check samples/channels.json"),
    "check, wrong": (1, "check samples/wrong/problem.json --dx samples/wrong/dEdX.json --element x22"),
    "check, wrong O": (1, "check samples/notes.json --o samples/notes.json::W"),
    "check, wrong shape": (1, "check samples/notes.json --dx samples/notes.json::W"),
    "hard": (0, "check samples/padding-dilation.json --hard"),
    "mistakes": (0, "check --mistakes"),
    "exercises": (0, "exercise -x 4x4 -w 2x2 -b 1 --ask dX,db,mistake,products,frame,matrix,chain-rule --count 2"),
    "exercises with decimals": (0, "exercise samples/notes.json --ask O,o11 --decimals"),
    "exercises, refused": (2, "exercise -x 4x4 -w 2x2 --ask dY"),
    "a mistake": (0, "check filter-not-rotated --mistakes"),
    "an error": (2, "check samples/nothing.json"),
    "bad usage": (2, "forward --no-such-option"),
}


@pytest.mark.parametrize(("code", "words"), COMMANDS.values(), ids=COMMANDS)
def test_every_commands_json_is_what_the_schema_says(code, words, capsys, monkeypatch):
    monkeypatch.chdir(SCHEMA_FILE.parents[1])
    assert main([*words.split(), "--json"]) == code
    out, err = capsys.readouterr()
    found = json.loads(out)
    schema.validate(found)
    assert found["schema"] == "cnngrad/1"
    if code == 2:
        assert err == f"cnngrad: {found['error']}\n"


@pytest.mark.parametrize(
    "change", [{"schema": "cnngrad/2"}, {"passed": "yes"}, {"layer": {}}, {"gradients": {"dEdY": {}}}]
)
def test_the_schema_refuses_what_is_none_of_its_forms(change):
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(cnngrad.check(X, W, DEDO).as_json() | change)


def test_every_mistake_has_a_page_with_a_layer_that_shows_it(whole):
    for mistake in known_mistakes().mistakes[:: 1 if whole else 8]:
        grids, report = shown(mistake)
        wrong = [gradient for gradient in report.gradients.values() if not gradient]
        assert [gradient.mistakes for gradient in wrong] == [(mistake.id,)]
        assert len(grids.rows[0]) >= 3
        # None of these layers shows what the lines of code of three of them do.
        assert wrong[0].code or mistake.id in ("output-padding-wrong-side", "other-layout", "activation-applied")


SHOWN_IN = {
    "sign-flipped": ((3, 3), (2, 2), {}),
    "stride-ignored": ((5, 5), (2, 2), {"stride": 2}),
    "padding-ignored": ((4, 5), (3, 3), {"padding": 1}),
    "border-wrong": ((4, 4), (3, 3), {"padding": 1, "padding_mode": "reflect"}),
    "stride-axes-swapped": ((7, 8), (2, 3), {"stride": [2, 1], "padding": [[0, 1], [1, 0]], "dilation": [1, 2]}),
    "channels-swapped": ((2, 3, 3), (3, 2, 2, 2), {}),
    "last-batch-only": ((2, 2, 3, 3), (2, 2, 2, 2), {}),
    "groups-mixed": ((1, 4, 3, 3), (4, 2, 2, 2), {"groups": 2}),
    "output-padding-ignored": ((3, 3), (3, 3), {"stride": 2, "padding": 1, "transposed": True, "output_padding": 1}),
}


@pytest.mark.parametrize("name", SHOWN_IN)
def test_a_mistake_is_shown_in_a_layer_that_has_little_more_than_it_needs(name):
    x, w, options = SHOWN_IN[name]
    (mistake,) = (each for each in CATALOGUE if each.id == name)
    layer = shown(mistake)[1].layer
    assert (layer.shapes[Tensor.X], layer.shapes[Tensor.W]) == (x, w)
    assert layer.options == make_layer(x, w, **options).options


def test_pages_on_mistakes_are_listed_shown_and_saved(tmp_path, monkeypatch, capsys, whole):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--mistakes"]) == 0
    assert "filter-not-rotated" in (listed := capsys.readouterr().out)
    assert all(re.search(rf"(?m)^{each.id} +[O∂].*  [^ ]", listed) for each in CATALOGUE)
    assert main(["check", "--mistakes", "stride-ignored"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "X 5×5",
        "The stride is not used",
        "place = i + dilation",
        "checked, wrong elements marked",
        "To fix it",
    ):
        assert words in shown
    assert "--mistakes" not in shown
    saved = CATALOGUE if whole else CATALOGUE[::8]
    monkeypatch.setattr("cnngrad.checks.mistakes.CATALOGUE", saved)
    assert main(["check", "--mistakes", "--report", "all.md"]) == 0
    assert Path("all.md").read_text().splitlines()[0] == "# Mistakes in backward passes"
    assert capsys.readouterr().out != listed
    assert [Path("all.md").read_text().count(f"\n{mistake.id} ──") for mistake in saved] == [1] * len(saved)
    assert main(["check", "--mistakes", "stride-ignore"]) == 2
    assert "did you mean stride-ignored? cnngrad check --mistakes lists them" in capsys.readouterr().err
    for option in (["--stride", "2"], ["--run", "f"], ["--dx", "x.npy"], ["--padding-mode", "reflect"]):
        assert main(["check", "--mistakes", *option]) == 2
        assert f"{option[0]} has no effect with --mistakes" in capsys.readouterr().err


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize(("shape", "whole"), [((12, 8), True), ((13, 8), False), ((12, 9), False)])
def test_a_small_array_is_shown_with_its_wrong_elements_marked(shape, whole):
    dedo = np.arange(1, np.prod(shape) + 1).reshape(shape)
    report = cnngrad.check(dedo, [[1]], dedo, dx=dedo + (dedo == 7))
    assert ("checked, wrong elements marked" in str(report)) is whole


def test_a_report_names_the_command_that_tells_more_of_a_mistake(capsys):
    assert main(["check", "samples/wrong/problem.json", "--dx", "samples/wrong/dEdX.json"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "More on filter-not-rotated: cnngrad check --mistakes filter-not-rotated"
    )
    assert "--mistakes" not in str(cnngrad.check(X, W, DEDO))


def test_check_overwrites_nothing_but_its_own_files(tmp_path, capsys):
    report = tmp_path / "report.json"
    command = ["check", "samples/notes.json", "-o", str(report)]
    assert main(command) == main(command) == 0
    assert main(["check", "samples/notes.json", "--hard", "-o", str(report)]) == 0
    for content in ("[[1, 2]]", "{}", "no JSON", ""):
        report.write_text(content)
        assert main(command) == 2
        assert f"it is not overwritten; to grade O write --o {report}" in capsys.readouterr().err
        assert report.read_text() == content


def test_hard_keeps_the_shape_and_says_what_it_hides(capsys):
    assert main(["check", "samples/notes-stride2.json", "--hard"]) == 0
    out, err = capsys.readouterr()
    problem = json.loads(out)
    given = json.loads((SCHEMA_FILE.parents[1] / "samples/notes-stride2.json").read_text())
    assert np.shape(problem["X"]) == np.shape(given["X"])
    assert (problem["stride"], problem["padding"], problem["dilation"]) == (2, 0, 1)
    assert err == "cnngrad: this shape hides some mistakes: rows left over by the stride; --grow changes the shape\n"
    assert main(["check", "samples/notes-stride2.json", "--hard", "--grow"]) == 0
    out, err = capsys.readouterr()
    assert np.shape(json.loads(out)["X"]) == (5, 6)
    assert err == "cnngrad: X is 5×6 instead of 5×5, which reveals more mistakes\n"
    assert main(["check", "samples/notes-stride2.json", "--grow"]) == 2


@pytest.mark.parametrize("ending", [".txt", ".md", ".svg", ".html"])
def test_what_a_check_found_is_saved_as_a_document(ending, tmp_path, capsys):
    words = ["check", "samples/wrong/problem.json", "--dx", "samples/wrong/dEdX.json"]
    assert main([*words, "--report", str(tmp_path / f"found{ending}")]) == 1
    text = (tmp_path / f"found{ending}").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "A gradient is wrong." in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    capsys.readouterr()
    assert main([*words, "--report", "found.tex"]) == 2
    assert "use .txt, .md, .svg, .html" in capsys.readouterr().err
