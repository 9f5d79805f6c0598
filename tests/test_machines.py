"""Findings as other programs read them: JUnit's XML, GitHub's annotations, Gradescope's results.json."""

import json
import re
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.render.documents import document
from cnngrad.render.style import Style


def right(x, w, dedo, b=None, **options):
    """cnngrad's own gradients."""
    grads = cnngrad.backward(x, w, dedo, **options)
    return {"dw": grads.dw, "dx": grads.dx} | ({} if b is None else {"db": grads.db})


def mixed(x, w, dedo, *, stride, padding, dilation, groups, b=None):
    """Right, but for its dX, which has the wrong sign; it fails with a bias, and takes no groups."""
    if groups > 1:
        raise NotImplementedError
    if b is not None:
        raise ValueError("5 % of a\nline: \x1b[1m")
    found = right(x, w, dedo, stride=stride, padding=padding, dilation=dilation)
    return found | {"dx": -found["dx"]}


@pytest.fixture(scope="module")
def findings():
    return cnngrad.check_function(mixed, "quick")


def counted(findings):
    found = findings.as_json()["layers"]
    results = [result for layer in found for result in layer["results"].values()]
    return (
        len(results) + sum(not layer["results"] for layer in found),
        sum(result["passed"] is False for result in results),
        sum(layer["passed"] is False and not layer["results"] for layer in found),
        sum(layer["passed"] is None for layer in found),
    )


def test_junit_counts_what_failed_what_ended_and_what_was_skipped(findings):
    text = document(".xml", findings, Style(form="junit"))
    assert text.startswith("<?xml version='1.0' encoding='UTF-8'?>\n<testsuites")
    suite = ElementTree.fromstring(text).find("testsuite")
    kinds = ("failure", "error", "skipped")
    found = tuple(len(suite.findall(f"testcase/{kind}")) for kind in kinds)
    assert (len(suite.findall("testcase")), *found) == counted(findings)
    assert min(found) > 0
    assert tuple(int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")) == counted(findings)
    # What junit-10.xsd requires of a test case, and allows in one.
    for case in suite.findall("testcase"):
        assert case.attrib.keys() == {"name", "classname"}
        assert {child.tag for child in case} <= set(kinds)
    assert {child.tag for child in suite} == {"testcase", "system-out"}
    failure = suite.find("testcase[@classname='stride-2']/failure")
    assert failure.get("message") == "sign-flipped"
    assert failure.text.startswith("Every element has the wrong sign. To fix it:")
    assert "5 % of a\nline: \\x1b[1m" in suite.find("testcase/error").text


def test_github_gets_a_line_for_each_result_that_is_not_right(findings):
    first, *lines = document(".txt", findings, Style(form="github")).splitlines()
    assert first.startswith(f"::error title=cnngrad check --run::{findings.summary[:20]}")
    assert len(lines) == sum(counted(findings)[1:3])
    assert all(line.startswith("::error title=") for line in lines)
    assert (
        "::error title=cnngrad check --run%3A stride-2%2C ∂E/∂X::sign-flipped. Every element has the wrong sign."
        in "\n".join(lines)
    )
    assert "5 %25 of a%0Aline: \\x1b[1m" in "".join(lines)
    passing = cnngrad.check_function(right, "quick")
    assert document(".txt", passing, Style(form="github")).startswith(
        "::notice title=cnngrad check --run::All 12 layers"
    )


# What Gradescope's documentation says of results.json, as far as it is used.
RESULTS = {
    "type": "object",
    "properties": {
        "score": {"type": "number"},
        "output": {"type": "string"},
        "output_format": {"enum": ["text", "html", "simple_format", "md", "ansi"]},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "visibility": {"enum": ["hidden", "after_due_date", "after_published", "visible"]},
                    "output": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
    "required": ["score", "tests"],
}


def test_gradescope_gets_a_test_for_each_result_and_the_report(findings):
    found = json.loads(document(".json", findings, Style(form="gradescope")))
    jsonschema.validate(found, RESULTS)
    every, wrong, ended, skipped = counted(findings)
    assert len(found["tests"]) == every
    layers = {}
    for test in found["tests"]:
        layers.setdefault(test["name"].partition(":")[0], []).append(test)
    # All layers have the same weight, and what is skipped scores nothing.
    assert all(sum(test["max_score"] for test in tests) == pytest.approx(1) for tests in layers.values())
    assert len(layers) == len(findings.outcomes)
    failed = [test for test in found["tests"] if test["status"] == "failed"]
    assert len(failed) == wrong + ended + skipped
    assert sum(test["score"] for test in failed) == 0
    assert found["score"] == pytest.approx(len(layers) - sum(test["max_score"] for test in failed))
    assert found["output"].rstrip() == str(findings).rstrip()
    assert {test["output"] for test in found["tests"] if test["status"] == "passed"} == {""}
    said = {test["output"] for test in found["tests"] if (test["status"], test["name"][-5:]) == ("failed", "∂E/∂X")}
    assert {text[:48] for text in said} == {"sign-flipped. Every element has the wrong sign. "}
    weighted = json.loads(document(".json", findings, Style(form="gradescope", points=10, hidden="s*")))
    assert sum(test["max_score"] for test in weighted["tests"]) == pytest.approx(10)
    np.testing.assert_allclose(weighted["score"], found["score"] / len(layers) * 10)
    hidden = [test["name"] for test in weighted["tests"] if test["visibility"] == "hidden"]
    assert hidden
    assert all(name.startswith("s") for name in hidden)
    # It names neither hidden layers nor what they have in common with others.
    assert weighted["output"] == "0 of 12 layers are right."
    # The sum of the parts of all layers is not off by rounding.
    full = cnngrad.check_function(right, "quick")
    assert json.loads(document(".json", full, Style(form="gradescope", points=10)))["score"] == 10


def without_time(text):
    return re.sub(r' time="[^"]*"', "", text)


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("few_smaller_layers")
@pytest.mark.parametrize(("form", "ending"), [("junit", ".xml"), ("github", ".txt"), ("gradescope", ".json")])
def test_a_form_is_printed_or_saved(form, ending, tmp_path, monkeypatch, capsys):
    command = ["check", "--run", "samples.run.wrong_backward:backward", "--run-only", "square", "--format"]
    assert main([*command, form]) == 1
    printed = capsys.readouterr().out
    report = tmp_path / f"found{ending}"
    assert main([*command, form, "--report", str(report)]) == 1
    assert without_time(report.read_text(encoding="utf-8")) == without_time(printed)
    assert "filter-not-rotated" in capsys.readouterr().out
    assert main([*command, form, "--report", str(tmp_path / "found.md")]) == 2
    assert f"use {ending}" in capsys.readouterr().err


def test_a_program_that_cannot_be_run_has_findings_for_others(capsys):
    for form in ("junit", "gradescope"):
        assert main(["check", "--run", "no_module:f", "--suite", "quick", "--format", form]) == 1
        assert "can't import no_module" in capsys.readouterr().out
    assert main(["check", "--run", "no_module:f", "--suite", "quick"]) == 2
    assert capsys.readouterr().out == ""


def test_an_ending_that_only_a_form_has_names_it(capsys):
    for ending, form in ((".xml", "junit"), (".json", "gradescope")):
        assert main(["check", "samples/notes.json", "--run", "f:f", "--report", f"x{ending}"]) == 2
        assert f"--format {form}" in capsys.readouterr().err
    for words, said in (
        ("check samples/notes.json --format junit", "--format needs --run"),
        ("check samples/notes.json --run f:f --format yaml", "format is 'yaml': use junit, github or gradescope"),
        ("check samples/notes.json --run f:f --points 3", "--points needs --format gradescope"),
        ("check samples/notes.json --run f:f --format github --json", "--format has no effect with --json alone"),
        ("check samples/notes.json --run f:f --format gradescope --points nan", "nan is not a finite number"),
        ("check --run f:f --format gradescope --hidden s*x", "no layer's name matches --hidden 's*x'"),
        ("check samples/notes.json --run f:f --timeout inf", "inf is not in the range"),
        ("check samples/notes.json --run f:f --memory 99999999999999999999999", "is not in the range"),
        ("check --run-each=  --suite quick", "--run-each is empty: give a value"),
    ):
        assert main(words.split()) == 2
        assert said in capsys.readouterr().err
