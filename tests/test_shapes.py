"""Results of another shape, and results under other names, as programs of `check --run` give them."""

import json

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.programs.verdicts import Verdict
from cnngrad.tensor import Tensor


def right(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw, found.dx, found.db


def cropped(x, w, dedo, stride=1, padding=0, dilation=1, groups=1):
    """A crop with p:-p on the last axis alone."""
    (top, _), (left, after) = np.broadcast_to(padding, (2, 2)) if np.ndim(padding) == 0 else padding
    framed = np.pad(x, ((0, 0), (0, 0), (top, _), (left, after)))
    dw, dx, db = right(framed, w, dedo, stride=stride, dilation=dilation, groups=groups)
    return dw, dx[:, :, top : top + x.shape[2], left:-after], db


SHAPES = {
    "a column less": (
        lambda dw, dx, db: (dw, dx[..., :-1], db),
        "dEdX has shape (1, 1, 6, 4), but it must be (1, 1, 6, 5), the shape of X. Its numbers are right, but the last "
        "column is missing.",
    ),
    "flat": (
        lambda dw, dx, db: (dw.ravel(), dx, db),
        "dEdW has shape (6,), but it must be (1, 1, 3, 2), the shape of W. Its numbers are right: reshape it to "
        "(1, 1, 3, 2).",
    ),
    "a column for db": (
        lambda dw, dx, db: (dw, dx, db[:, None]),
        "dEdb has shape (1, 1), but it must be (1,), the shape of b. Its numbers are right: reshape it to (1,).",
    ),
    "another sample": (
        lambda dw, dx, db: (dw, np.concatenate([dx, dx]), db),
        "dEdX has shape (2, 1, 6, 5), but it must be (1, 1, 6, 5), the shape of X.",
    ),
}


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize(("change", "said"), SHAPES.values(), ids=SHAPES)
def test_a_wrong_shape_is_said(change, said):
    findings = cnngrad.check_function(lambda *a, **o: change(*right(*a, **o)), "quick")
    assert said in findings.note
    assert said in " ".join(str(findings).split())
    assert "12 of 12 layers fail; all" in findings.summary
    results = [outcome.results.values() for outcome in findings.outcomes]
    assert all(any(result.verdict is Verdict.WRONG_SHAPE for result in each) for each in results)
    assert any(said in result["hint"] for result in findings.as_json()["layers"][0]["results"].values())


def test_a_crop_that_is_empty_on_one_axis_is_named():
    findings = cnngrad.check_function(cropped, "quick")
    assert findings.explanation.mistakes == ("empty-crop",)
    assert "dEdX has shape (1, 1, 6, 0), but it must be (1, 1, 6, 5), the shape of X." in findings.note


def test_a_program_that_writes_a_flat_array_in_a_file_with_a_shape_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("flat.npy", np.arange(9.0))
    assert main(["check", "--run", "cp flat.npy {dEdX}", "-x", "3x3", "-w", "2x2", "--explain"]) == 1
    assert "dEdX has shape (9,), but it must be (3, 3), the shape of X." in capsys.readouterr().out


NAMES = ("dw dx db", "dW dX db", "dEdW dEdX dEdb", "grad_w grad_x grad_b")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("names", NAMES)
def test_results_are_known_by_all_of_their_names(names):
    names = names.split()
    assert cnngrad.check_function(lambda *a, **o: dict(zip(names, right(*a, **o), strict=True)), "quick")
    wrong = cnngrad.check_function(lambda x, w, dedo: {names[0]: -right(x, w, dedo)[0]}, "quick")
    assert wrong.explanation.mistakes == ("sign-flipped",)


def test_so_are_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("dw.npy", cnngrad.backward([[1, 2], [3, 4]], [[5]], [[1, 2], [3, 5]]).dw)
    (tmp_path / "p.json").write_text(json.dumps({"X": [[1, 2], [3, 4]], "W": [[5]], "dEdO": [[1, 2], [3, 5]]}))
    assert main(["check", "p.json", "--run", "cp dw.npy {dir}/grad_w.npy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"][0]["results"].keys() == {"dEdW"}


def test_a_name_that_no_result_has_is_an_error():
    findings = cnngrad.check_function(lambda x, w, dedo: {"dweight": 0 * w, "db": dedo.sum((0, 2, 3))}, "quick")
    assert "the function returned the unknown name 'dweight': the names are o, dw, dx, db" in " ".join(
        str(findings).split()
    )
    findings = cnngrad.check_function(lambda x, w, dedo: {"dw": w, "dEdW": w}, "quick")
    assert "the function returned dw under two names, one of them 'dEdW': give it once" in " ".join(
        str(findings).split()
    )


def test_a_function_that_takes_b_gets_it():
    def keyword(x, w, dedo, *, b, **options):
        return {"o": cnngrad.forward(x, w, b, **options)}

    def third(x, w, bias, dedo, stride=1, padding=0, dilation=1, groups=1):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return {"o": cnngrad.forward(x, w, bias, **options), "dw": right(x, w, dedo, **options)[0]}

    for function in (keyword, third):
        findings = cnngrad.check_function(function, "quick")
        assert findings, str(findings)
        assert Tensor.O in findings.outcomes[-1].results
