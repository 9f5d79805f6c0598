"""An option either has an effect where it stands, or is an error that says where it has one."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import typer

import cnngrad
from cnngrad.cli.main import app, main
from cnngrad.cli.options import RULES
from cnngrad.settings import OPTIONS
from tests import commands, golden

NOTES, WRONG = "samples/notes.json", ("samples/wrong/problem.json", "--dx", "samples/wrong/dEdX.json")
VALUES = {
    "--element": "o12", "--section": "output", "--limit": "2", "--terms": "1", "--title": "Mine", "--author": "Me",
    "--math": "dollar", "--theme": "dark", "-o": "OUT.json", "--report": "OUT.txt",
}  # fmt: skip
DOCUMENTS = {"--fragment": "OUT.tex", "--math": "OUT.md", "--theme": "OUT.svg", "--open": "OUT.html"}
LESSON = ("--explain", "--element", "--section", "--all", "--limit", "--terms", "--zeros", "--report", "--json", "-o",
          "--title", "--author", "--open", "--fragment", "--math", "--theme")  # fmt: skip
# Pairs in which one option repeats the other: elements are always explained, JSON has all terms, which are four here.
AGREE = [
    {"--explain", "--element"},
    {"--explain", "--section"},
    {"--explain", "--all"},
    {"--all", "--element"},
    {"--all", "--json"},
]
# Options that always have an effect: the layer and its arrays, the results, and how the command runs and prints.
ANYWHERE = {"-x", "-w", "-b", "-g", "--json", "-o", "--only", "--report", "--run", "--help", "--color", "--no-pager",
            "--precision", "--jobs", "--timeout", "--explain", "--element", "--all", "--order", "--no-flip",
            "--mistakes", "--ask", "--count", "--seed", "--decimals", "--grade",
            *(f"--{name.replace('_', '-')}" for name in OPTIONS)}  # fmt: skip


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


def flags_of(command):
    """The options of a command by their flags."""
    params = typer.main.get_command(app).commands[command].params
    return {param.opts[0] for param in params if param.opts[0].startswith("-")}


@pytest.mark.parametrize("command", RULES)
def test_every_option_is_in_the_table_or_may_stand_anywhere(command):
    ruled = {flag for rules in RULES[command] for options, *_ in rules for flag in options.split()}
    assert ruled <= flags_of(command)
    assert flags_of(command) - ruled <= ANYWHERE


# The values that options with a number admit.
RANGES = {
    "--limit": "x>=1", "--terms": "x>=1", "--precision": "1<=x<=17", "--seed": "x>=0", "--jobs": "1<=x<=64",
    "--timeout": "0.1<=x<=1000000", "--points": "x>=0", "--memory": "1<=x<=1073741824", "--count": "1<=x<=1000",
    "--partial": "0<=x<=100",
}  # fmt: skip


@pytest.mark.parametrize("command", RULES)
def test_numbers_of_options_have_ranges(command, capsys):
    params = typer.main.get_command(app).commands[command].params
    ranged = {param.opts[0] for param in params if hasattr(param.type, "min")}
    assert ranged <= RANGES.keys()
    for flag in sorted(ranged):
        assert main([command, flag, "-1"]) == 2
        assert re.search(rf": -1(\.0)? is not in the range {re.escape(RANGES[flag])};", capsys.readouterr().err), flag


@pytest.mark.parametrize("command", commands.REFUSED)
def test_what_is_refused_beside_what_is_as_people_have_seen(command):
    assert commands.refused(command) == golden.kept("refused", command)


def test_forty_characters_of_an_unknown_word_are_shown(capsys):
    assert main(["forward", NOTES, "--color", "a" * 41]) == 2
    assert capsys.readouterr().err == f"cnngrad: color is '{'a' * 40}': use always, never or auto\n"


@pytest.fixture
def outcome(capsys, tmp_path, monkeypatch):
    """What the options of a lesson make the command print, write and open; None if they are refused."""
    opened, known = [], {}
    monkeypatch.setattr("webbrowser.open", opened.append)
    x = [[(5 * i + 3 * j) % 7 - 3.5 for j in range(4)] for i in range(4)]
    problem = tmp_path.parent / "problem.json"
    problem.write_text(json.dumps({"X": x, "W": [[1, 2], [3, -1]], "padding": 1}))

    def outcome(given, report):
        if (given, report) not in known:
            values = {**VALUES, "--report": report}
            words = [word for flag in sorted(given) for word in ([flag, values[flag]] if flag in values else [flag])]
            code = main(["forward", str(problem), *(word.replace("OUT", str(tmp_path / "out")) for word in words)])
            files = {path.name: (path.read_bytes(), path.unlink())[0] for path in tmp_path.iterdir()}
            known[given, report] = None if code == 2 else (*capsys.readouterr(), files, tuple(opened))
            opened.clear()
        return known[given, report]

    return outcome


def test_each_of_two_options_of_a_lesson_changes_something_or_is_refused(outcome, whole):
    for pair in map(frozenset, list(combinations(LESSON, 2))[:: 1 if whole else 5]):
        report = next((DOCUMENTS[flag] for flag in sorted(pair) if flag in DOCUMENTS), "OUT.txt")
        for beside in ({"--report"}, {"--explain"}, set()):
            both = outcome(pair | beside, report)
            for one in pair - beside - {"--explain"}:
                if both is not None and pair not in AGREE:
                    assert both != outcome((pair | beside) - {one}, report), (one, pair, beside)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([*WRONG, "--hard"], "--dx has no effect with --hard"),
        *([[NOTES, "--hard", flag, value], f"{flag} has no effect with --hard: leave out {flag}, or --hard"]
          for flag, value in (("--report", "a.txt"), ("--rtol", "0"), ("--step", "1"), ("--as", "tf32"))),
        ([NOTES, "--run", "true", "--element", "x22"], "--element has no effect with --run"),
        ([NOTES, "--run", "true", "--seed", "1"], "--seed has no effect with a problem"),
        (["--run", "true", "--suite", "samples", "--decimals"], "--decimals has no effect with a suite of your own"),
        (["--run", "true", "-b", "1"], "-b has no effect with --run on a suite: leave out -b, or --run on a suite"),
        (["--run", "module:name", "--exchange", "f64"], "--exchange has no effect with a function"),
        ([NOTES, "--grow"], "--grow needs --hard"),
        ([NOTES, "--explain"], "--explain needs --run"),
        ([NOTES, "--o", f"{NOTES}::dEdO", "--step", "2"], "--step has no effect with --o alone"),
        ([NOTES, "--flip", "--no-flip"], "--flip has no effect with --no-flip"),
        *((["--run", "true", flag, value], f"{flag} is empty: give a value, or leave it out")
          for flag, value in (("--expect", ""), ("--shard", ""), ("--run-only", " "), ("--without", ","))),
        ([NOTES, "--skip", "a*"], "--skip is gone: --run-only GLOB selects layers"),
    ],
)  # fmt: skip
def test_an_option_of_check_that_has_no_effect_is_an_error(words, told, capsys):
    assert main(["check", *words]) == 2
    assert capsys.readouterr().err.startswith(f"cnngrad: {told}")


def test_options_that_have_an_effect_nowhere_in_particular_stand_anywhere():
    assert main(["check", NOTES, "--jobs", "2", "--timeout", "3", "--precision", "3", "--no-pager"]) == 0


def test_no_flip_wins_over_the_problems_key(capsys, tmp_path):
    (tmp_path / "p.json").write_text('{"X": [1, 2, 3], "W": [1, 2], "flip": true}')
    main(["forward", str(tmp_path / "p.json"), "--no-flip", "--json"])
    assert json.loads(capsys.readouterr().out)["O"] == [5, 8]


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (["backward", NOTES, "--element", "o11", "-g", "ones", "--all"], f"forward {NOTES} --all --element o11"),
        (["forward", NOTES, "--element", "dx22", "--stride", "1"], f"backward {NOTES} --stride 1 --element x22"),
        (["forward", "-x", "3x3", "-w", "2x2", "--element", "w11"], "backward -x 3x3 -w 2x2 -g ones --element w11"),
        (["backward", NOTES, "--only", "dW", "--element", "x22"], f"backward {NOTES} --element x22"),
    ],
)  # fmt: skip
def test_an_element_of_the_other_command_is_told_with_the_command_that_explains_it(words, right, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.endswith(f"; type cnngrad {right}\n")
    assert main(right.split()) == 0


def test_an_option_that_a_layer_does_not_have_is_told():
    from cnngrad import forward

    with pytest.raises(TypeError, match="'strid' is not an option of a layer: use stride, padding"):
        forward([1], [1], strid=2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cnngrad.check([1], [2], [3], rtol=10**400), "rtol is 1000"),
        (lambda: cnngrad.check([1], [2], [3], step=10**400), "step is 1000"),
        (lambda: cnngrad.check([1], [2], [3], dw=[1.5], written=3), "as is '3'"),
        (lambda: cnngrad.suite("quick", seed=None), "seed is None"),
        (lambda: cnngrad.suite(3), "the suite 3 is unknown"),
        (lambda: cnngrad.derive([1], [2], limit="x"), "limit is 'x'"),
        (lambda: cnngrad.forward({1: 2}, [2]), "x is an object with the keys 1"),
    ],
)
def test_a_value_of_another_type_is_an_error_of_ours(call, said):
    with pytest.raises(cnngrad.CnngradError, match=f"(?i){said}"):
        call()
