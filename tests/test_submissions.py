"""The programs of a class: one that fails in any way costs only its own row."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.programs.submissions import Submissions, submitted
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import text_of
from tests import schema

HEAD = "import cnngrad\nfrom mine import sign\n\ndef backward(x, w, dedo, *, stride, padding, dilation, groups):\n"
BODY = "    g = cnngrad.backward(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)\n"
PROGRAMS = {
    "ann": HEAD + BODY + "    return g.dw, g.dx\n",
    "bob": HEAD + BODY + "    return g.dw, sign * g.dx\n",
    "cy": HEAD + "    __import__('time').sleep(60)\n",
    "dan": "def backward(:\n",
    "di": "def backward(:\n",
    "eve": HEAD + "    memory = bytearray(2**33)\n",
    "flo": HEAD + BODY + "    return g.dw, sign * g.dx\n",
}
pytestmark = pytest.mark.usefixtures("few_smaller_layers")
COMMAND = ["check", "--run-each", "class/*/conv.py:backward", "--suite", "quick", "--run-only", "*a*", "--timeout", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("course")
    for name, text in PROGRAMS.items():
        (place / "class" / name).mkdir(parents=True)
        (place / "class" / name / "conv.py").write_text(text)
        (place / "class" / name / "mine.py").write_text(f"sign = {-1 if name == 'bob' else 2}\n")
    return place


def test_a_long_name_leaves_room_for_what_was_found():
    findings = cnngrad.check_function(lambda x, w, dedo: (None, -cnngrad.backward(x, w, dedo).dx), "quick")
    named = {"b" * 80: replace(findings, run={"seconds": 1.0})}
    text = text_of(Painter(6).blocks(Submissions(named).blocks(6)))
    assert f"{'b' * 13} … {'b' * 13}  WRONG" in text
    assert "0 of 1 submission is right." in text


def test_files_without_a_function_are_told_from_a_command(tmp_path):
    (tmp_path / "conv.py").write_text("")
    with pytest.raises(cnngrad.CnngradError, match=r"conv\.py:backward for their function backward"):
        submitted(str(tmp_path / "conv.py"))


def test_a_class_gets_a_row_and_a_report_for_each_program(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main([*COMMAND, "--jobs", "2", "--memory", "4096", "--keep", "kept", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    schema.validate(found)
    causes = {each["submission"]: each["causes"] for each in found["submissions"]}
    assert [*causes] == [*PROGRAMS]
    assert (causes["ann"], causes["bob"], causes["flo"]) == ([], ["sign-flipped"], ["scaled"])
    assert causes["cy"] == ["no answer in 1 s"]
    assert causes["di"][0].startswith("can't import: SyntaxError")
    assert causes["eve"] == ["exception (MemoryError)"]
    assert found["causes"]["sign-flipped"] == 1
    assert found["submissions"][0]["score"] == 1
    assert all(each["score"] == 0 for each in found["submissions"][1:])
    # A program that hangs twice is given up.
    assert [layer["status"] for layer in found["submissions"][2]["layers"]].count("no answer in 1 s") == 2
    assert sorted(path.name for path in (folder / "kept").glob("*.txt")) == [f"{name}.txt" for name in PROGRAMS]
    kept = (folder / "kept" / "bob.txt").read_text()
    assert "explained by sign-flipped" in " ".join(kept.split())
    assert "cnngrad check --run class/bob/conv.py:backward --suite quick --run-only '*a*'" in " ".join(kept.split())


def test_a_class_is_shown_as_a_table_and_as_one_file_of_junit(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    some = [word.replace("class/*", "class/[abd]*") for word in COMMAND]
    assert main([*some, "--format", "junit", "--report", "all.xml"]) == 1
    shown = capsys.readouterr().out
    assert [line.split()[:5] for line in shown.splitlines()[1:3]] == [
        ["ann", "right", "8", "of", "8"],
        ["bob", "WRONG", "0", "of", "8"],
    ]
    # What two programs have in common is counted, whatever their paths.
    assert "\n          2  can't import: SyntaxError: invalid syntax (conv.py, line 1)\n" in shown
    assert shown.splitlines()[-1] == "1 of 4 submissions is right."
    suites = ElementTree.parse(folder / "all.xml").findall("testsuite")
    assert [(suite.get("name"), suite.get("failures")) for suite in suites[:2]] == [("ann", "0"), ("bob", "8")]


def test_a_result_never_replaces_a_program(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("exit 77\n")
    assert main(["check", "--run-each", "*.txt {dir}", "--report", "b.txt"]) == 2
    assert "b.txt" in capsys.readouterr().err
    assert (tmp_path / "b.txt").read_text() == "exit 77\n"


def test_a_line_break_in_a_path_makes_no_command_of_a_function(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    right = (Path(__file__).parents[1] / "samples" / "run" / "numpy_backward.py").read_text()
    for name in ("new\nline", "ok"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "conv.py").write_text(right)
    (tmp_path / "new").write_text("#!/bin/sh\ntouch begun\n")
    (tmp_path / "new").chmod(0o755)
    assert main(["check", "--run-each", "*/conv.py:backward", "--run-only", "impulse"]) == 0
    assert "2 of 2 submissions are right." in capsys.readouterr().out
    assert not (tmp_path / "begun").exists()


def test_two_programs_of_one_name_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a-b/c.py", "a/b-c.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    with pytest.raises(cnngrad.CnngradError, match="the same name in the report"):
        submitted("*/*.py:f")


def test_names_are_what_differs_in_the_paths(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    assert submitted("class/*/conv.py:f")["ann"] == "class/ann/conv.py:f"
    assert submitted("class/[ab]*/*.py:f").keys() == {"ann-conv.py", "ann-mine.py", "bob-conv.py", "bob-mine.py"}
    assert submitted("class/a*/conv.py {dir}") == {"conv": "class/ann/conv.py {dir}"}
    (tmp_path / "conv.py").touch()
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/conv.py").touch()
    assert submitted(f"{tmp_path}/**/conv.py:f").keys() == {"ann", "conv"}
    with pytest.raises(cnngrad.CnngradError, match=r"no file matches class/x\*/conv.py: write --run-each"):
        submitted("class/x*/conv.py:f")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--run f:f", "--run has no effect with --run-each"),
        ("--format gradescope", "--run-each has no effect with --format gradescope"),
        ("--explain", "--explain needs --run"),
        ("--hard", "--hard has no effect with --run-each"),
    ],
)
def test_what_has_no_effect_on_a_class_is_refused(words, said, capsys):
    assert main(["check", "--run-each", "class/*.py:f", *words.split()]) == 2
    assert said in capsys.readouterr().err
