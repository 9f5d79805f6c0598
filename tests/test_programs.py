"""check --run: commands, exchanges, streams, and what becomes of a program that goes wrong."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.programs.exchange import EXCHANGES
from cnngrad.programs.functions import _InProcess
from cnngrad.programs.judging import run_layers
from cnngrad.programs.processes import Process
from cnngrad.schema import SCHEMA_FILE
from tests import schema

SAMPLES = SCHEMA_FILE.parents[1] / "samples" / "run"


pytestmark = pytest.mark.usefixtures("few_smaller_layers")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A Python script as a command; it has json, os, sys, time and d, its folder."""
    monkeypatch.chdir(tmp_path)

    def program(body):
        head = "import json, os, sys, time\nd = sys.argv[1]\n"
        (tmp_path / "program.py").write_text(head + body)
        return f"{sys.executable} program.py {{dir}}"

    return program


READ = """
import numpy as np, cnngrad
p = json.load(open(d + '/problem.json'))
x, w, g = (np.load(f'{d}/{k}.npy') for k in ('X', 'W', 'dEdO'))
o = {k: p[k] for k in ('stride', 'padding', 'dilation', 'groups')}
r = cnngrad.backward(x, w, g, **o)
"""


def found(capsys, *words):
    code = main(["check", *words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_a_right_command_passes_and_its_output_is_not_mixed_into_ours(program, capsys):
    command = program(READ + "print('hello')\nnp.save(d + '/dEdX.npy', r.dx); np.save(d + '/dEdW', r.dw)")
    code, findings, err = found(capsys, "--run", command, "--suite", "quick", "--run-only", "s*")
    assert (code, err, findings["passed"]) == (0, "", True)
    assert [layer["results"].keys() for layer in findings["layers"]] == [{"dEdW": 0, "dEdX": 0}.keys()] * 2
    assert found(capsys, "--run", command, "-x", "6x5", "-w", "3x2", "-b", "1", "--expect", "db")[0] == 1


BAD = {
    "os.kill(os.getpid(), 11)": "crash (signal 11)",
    "print('sorry', file=sys.stderr); sys.exit(3)": "exit status 3",
    "time.sleep(60)": "no answer in 1 s",
    "pass": "nothing written",
    "import shutil; shutil.rmtree(d)": "nothing written",
    "os.fork() or time.sleep(60); time.sleep(60)": "no answer in 1 s",
    "os.write(1, b'x' * 10**7); sys.exit(4)": "exit status 4",
    "open(d + '/dEdX.npy', 'wb').truncate(2**31)": "exit status 1",
    "import signal; signal.signal(signal.SIGXFSZ, 0); open(d + '/b', 'wb').truncate(2**31)": "wrote more than 1 GiB",
    "for k in range(3): open(f'{d}/{k}', 'wb').truncate(2**29)\ntime.sleep(60)": "wrote more than 1 GiB",
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("body", "status"), BAD.items(), ids=BAD.values())
def test_a_command_that_fails_is_a_row_in_the_table(program, capsys, body, status, whole):
    words = ["--run", program(body), "-x", "6x5", "-w", "3x2", "--timeout", "1" if "1 s" in status else "30"]
    code, findings, _ = found(capsys, *words)
    assert code == 1
    assert [layer["status"] for layer in findings["layers"]] == [status]
    if whole or status.startswith(("exit", "crash")):
        assert main(["check", *words]) == 1
        out = capsys.readouterr().out
        assert status in out
        assert ("sorry" in out) == ("sorry" in body)


LEFT = {
    "its group": "start_new_session=False",
    "a group of its own": "start_new_session=True",
    "without an environment": "start_new_session=True, env={}",
    "under another mark": "start_new_session=True, env={'CNNGRAD_RUN_x': ''}",
}


@pytest.mark.parametrize("how", LEFT.values(), ids=LEFT)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_nothing_of_a_program_is_left_behind(program, tmp_path, capsys, how):
    # Tests may run side by side.
    seconds = f"61.{os.getpid()}"
    body = f"import subprocess; subprocess.Popen(['/bin/sleep', '{seconds}'], {how})"
    found(capsys, "--run", program(body), "-x", "6x5", "-w", "3x2")
    time.sleep(0.2)
    assert f"sleep {seconds}" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.py"]


def test_a_process_that_is_not_the_program_s_goes_on():
    program = Process(["sleep", "60"], talks=False)
    with subprocess.Popen(["sleep", "60"]) as other:
        program.close()
        assert other.poll() is None
        other.kill()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_nothing_is_left_behind_of_a_run_within_a_run(tmp_path, monkeypatch, capsys):
    seconds = f"62.{os.getpid()}"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner.sh").write_text(f"setsid sleep {seconds} &\ntouch begun\nsleep {seconds}\n")
    inner = f"{sys.executable} -m cnngrad check --run 'sh inner.sh' -x 3x3 -w 2x2"
    (tmp_path / "outer.sh").write_text(f"exec {inner}\n")
    monkeypatch.setenv("PYTHONPATH", str(SAMPLES.parents[1]))
    # A busy machine takes longer to begin.
    for timeout in ("2", "15"):
        if not (tmp_path / "begun").exists():
            found(capsys, "--run", "sh outer.sh", "--timeout", timeout, "-x", "3x3", "-w", "2x2")
    assert (tmp_path / "begun").exists()
    assert f"sleep {seconds}" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


@pytest.mark.parametrize(("words", "told"), [("'no stride yet'", ": no stride yet\n"), ("", "\n")])
def test_why_a_function_skips_a_layer_is_told(mine, capsys, words, told):
    command = mine(f"raise NotImplementedError({words})")
    assert main(["check", "--run", command, "-x", "3x3", "-w", "2x2"]) == 2
    assert f"skipped (not supported){told}" in capsys.readouterr().out


def test_a_function_has_no_input_to_wait_for(mine, capsys):
    assert main(["check", "--run", mine("input()"), "-x", "3x3", "-w", "2x2", "--json"]) == 1
    assert "exception (EOFError)" in capsys.readouterr().out


def test_status_77_is_skipped_and_all_skipped_ends_with_2(program, capsys):
    code, findings, _ = found(capsys, "--run", program("sys.exit(77)"), "--suite", "quick")
    assert (code, findings["passed"]) == (2, None)
    assert {layer["status"] for layer in findings["layers"]} == {"skipped (not supported)"}


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_exchange_brings_the_arrays_there_and_back(program, capsys, exchange, whole):
    body = """
import numpy as np, cnngrad
from pathlib import Path
from cnngrad.files.problem import Reader
from cnngrad.programs.exchange import EXCHANGES
from cnngrad.tensor import Tensor
p = json.load(open(d + '/problem.json'))
s = p['shapes'] | {'dEdO': p['shapes']['O']}
form = EXCHANGES[sys.argv[2]]
def read(t):
    spec = f'{d}/{t.key}.{form.ending}' + (f":{sys.argv[2]}:{'x'.join(map(str, s[t.key]))}" if form.raw else '')
    found = Reader(bytes).array(t, spec)
    return np.array(getattr(found, 'operand', found).array).reshape(s[t.key])
o = {k: p[k] for k in ('stride', 'padding', 'dilation', 'groups')}
r = cnngrad.backward(read(Tensor.X), read(Tensor.W), read(Tensor.DEDO), **o)
for name, array in (('dEdX', r.dx), ('dEdW', r.dw)):
    form.write(Path(f'{d}/{name}.{form.ending}'), np.asarray(array))
"""
    words = ["--run", f"{program(body)} {exchange}", "--suite", "quick", "--exchange", exchange]
    words += [] if whole else ["--run-only", "all"]
    code, findings, _ = found(capsys, *words)
    assert code == 0, findings


def test_words_in_braces_are_filled_and_others_are_errors(program, capsys, tmp_path):
    body = "print(*sys.argv[2:], file=open('args', 'a')); sys.exit(77)"
    command = program(body) + " {X} {dEdW} {batch} {out_height} {pad_left} {stride_width} {1} {}"
    assert main(["check", "--run", command, "-x", "2x3x5x6", "-w", "4x3x2x2", "--padding", "0:1,2:0"]) == 2
    args = (tmp_path / "args").read_text().split()
    assert args[0].endswith("/X.npy")
    assert args[1].endswith("/dEdW.npy")
    assert args[2:] == ["2", "5", "2", "1", "{1}", "{}"]
    capsys.readouterr()
    assert main(["check", "--run", "true {hight}"]) == 2
    assert "{hight} is unknown in --run: use {dir}, {X}" in capsys.readouterr().err


def test_one_problem_or_two_shapes_are_one_layer(mine, capsys):
    command = mine("return {'dx': -r.dx}")
    code, findings, _ = found(capsys, str(SAMPLES.parent / "notes.json"), "--run", command)
    assert (code, findings["layers"][0]["name"], findings["explanation"]["mistake"]) == (1, "notes", "sign-flipped")
    code, findings, _ = found(capsys, "-x", "2x6x9x8", "-w", "4x3x3x3", "--groups", "2", "--run", command)
    assert (code, findings["layers"][0]["layer"]["groups"]) == (1, 2)
    schema.validate(findings)


def test_failing_layers_are_kept_as_problems(mine, capsys, tmp_path):
    command = mine("return {'dx': -r.dx}")
    found(capsys, "--run", command, "--suite", "quick", "--run-only", "s*", "--keep", str(tmp_path / "kept"))
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == [".cnngrad", "smallest", "smallest.json", "square", "square.json", "stride-2", "stride-2.json"]
    files = {"X.npy", "W.npy", "dEdO.npy", "problem.json", "dEdX.npy"}
    assert {path.name for path in (tmp_path / "kept" / "square").iterdir()} == files
    assert main(["check", str(tmp_path / "kept" / "square.json")]) == 0
    capsys.readouterr()
    # What is kept is a suite, and may be written over.
    words = ["--run", command, "--suite", str(tmp_path / "kept"), "--keep", str(tmp_path / "kept")]
    code, findings, _ = found(capsys, *words)
    assert (code, [layer["name"] for layer in findings["layers"]]) == (1, ["smallest", "square", "stride-2"])


def test_the_command_for_the_smallest_layer_is_a_line_of_its_own(mine, capsys):
    command = mine("return {'dx': -r.dx}")
    _, findings, _ = found(capsys, "--run", command, "--suite", "quick", "--run-only", "all")
    line = findings["smallest"]["command"]
    # Longer than the window, and whole in a line of its own, to be copied.
    assert len(line) > 80
    report = ["--report", "found.xml", "--format", "junit"]
    assert main(["check", "--run", command, "--suite", "quick", "--run-only", "all", *report]) == 1
    assert line in capsys.readouterr().out.splitlines()
    assert ElementTree.parse("found.xml").findtext("testsuite/system-out").endswith("\n" + line)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (
            "--stride 2,1 --padding 1:2,2:0 --padding-mode circular --dilation 2 --groups 2",
            {"stride": [2, 1], "padding": [[1, 2], [2, 0]], "padding_mode": "circular", "dilation": 2, "groups": 2},
        ),
        ("--dims 1 --padding same", {"dims": 1}),
        (
            "--transposed --layout nhwc --flip -w 3x2 --expect dEdb",
            {"transposed": True, "layout": "nhwc", "flip": True},
        ),
        ("--suite mine.json", {"dims": 1}),
    ],
)
def test_the_printed_command_says_each_option_once_and_fails_in_the_same_way(mine, stdin, capsys, options, asked):
    """A function need not take the options of the command line, which the smallest layer keeps."""
    Path("mine.json").write_text(json.dumps([{"X": "2x3x9", "W": "2x3x2", "dims": 1}] * 2))
    # A usual mistake is found at once, and one number that is right keeps the options in the smallest layer.
    command = mine("return {'dx': r.dx * (-1 if x.size > 1 else 1)}")
    suite = [] if "--suite" in options else ["--suite", "quick", "--run-only", "[ap]*"]
    _, findings, _ = found(capsys, "--run", command, *suite, *options.split())
    problem = findings["smallest"]["problem"]
    assert asked.items() <= problem.items()
    echo, text, pipe, program, *words = shlex.split(findings["smallest"]["command"])
    assert (echo, pipe, program) == ("echo", "|", "cnngrad")
    flags = {word.lstrip("-").replace("-", "_") for word in words if word.startswith("--")}
    assert flags.isdisjoint(json.loads(text))
    stdin(text.encode())
    assert main([*words, "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    # The command is not said again for the same layer.
    assert again["smallest"]["command"] == ""
    (alone,) = again["layers"]
    assert {key: alone["layer"][key] for key in asked} == asked
    (first, *_) = (layer for layer in findings["layers"] if not layer["passed"])
    assert {r["mistake"] for r in alone["results"].values()} == {r["mistake"] for r in first["results"].values()}


def test_explain_shows_every_element_and_report_saves_what_is_shown(mine, capsys, tmp_path):
    command = mine("return {'dx': -r.dx}")
    words = ["--run", command, "-x", "2x3", "-w", "1x2", "--report", str(tmp_path / "found.md")]
    assert main(["check", *words]) == 1
    out = capsys.readouterr().out
    assert out.count("yours = ") == 1
    assert "5 other elements can be shown in the same way: --explain shows all." in out
    assert out.rstrip() in (tmp_path / "found.md").read_text()
    assert main(["check", *words, "--explain"]) == 1
    out = capsys.readouterr().out
    assert (out.count("yours = "), "can be shown" in out) == (6, False)
    assert main(["check", *words[:-1], "found.pdf"]) == 2
    assert "use .txt, .md, .svg, .html" in capsys.readouterr().err


def test_layers_of_ones_own(mine, capsys, tmp_path):
    command = mine("return {'dx': r.dx}")
    problem = json.loads((SAMPLES.parent / "notes.json").read_text())
    shapes = {"name": "in shapes", "X": "2x3x6x5", "W": "4x3x2x2", "stride": 2}
    (tmp_path / "mine.json").write_text(json.dumps([problem, shapes]))
    code, findings, _ = found(capsys, "--run", command, "--suite", "mine.json")
    assert (code, [layer["name"] for layer in findings["layers"]]) == (0, ["layer-1", "in shapes"])
    assert findings["layers"][1]["layer"]["shapes"]["X"] == [2, 3, 6, 5]
    code, findings, _ = found(capsys, "--run", command, "--suite", "mine.json", "--shard", "2/2", "--stride", "1")
    assert [layer["layer"]["shapes"]["O"] for layer in findings["layers"]] == [[2, 4, 5, 4]]
    for content, told in {
        '[{"X": [[1]]}]': "layer-1",
        "[3]": "mine.json, entry 1 holds no object with the keys X, W",
        '[{"name": "../x"}]': "the name '../x' can't be a layer's",
        "[]": "no layer is left to run; the names are none",
    }.items():
        (tmp_path / "mine.json").write_text(content)
        assert main(["check", "--run", command, "--suite", "mine.json"]) == 2
        assert told in capsys.readouterr().err


MODES = READ.replace("**o)", "**o, padding_mode=p.get('padding_mode', 'zeros'))")
MODES += "np.save(d + '/dEdX.npy', r.dx)\n"


def test_a_command_gets_other_padding_than_zeros_only_if_it_is_told_of_it(program, capsys):
    """Otherwise the six layers are run with zeros, and the report says what was not tried."""
    command = program(MODES + "print(p.get('padding_mode', 'zeros'), sys.argv[2:], file=open('seen', 'a'))")
    only = ("--suite", "standard", "--run-only", "re[fp]l*")
    code, findings, _ = found(capsys, "--run", command, *only)
    assert code == 0
    assert "padding that is not zeros" in findings["never_tried"]
    assert set(Path("seen").read_text().splitlines()) == {"zeros []"}
    Path("seen").unlink()
    assert found(capsys, "--run", command + " {padding_mode}", *only)[0] == 0
    assert set(Path("seen").read_text().splitlines()) == {f"{mode} ['{mode}']" for mode in ("reflect", "replicate")}
    Path("seen").unlink()
    assert found(capsys, "--run", command, "--suite", "quick", "--run-only", "p*", "--padding-mode", "circular")[0] == 0
    assert set(Path("seen").read_text().splitlines()) == {"circular []"}


def test_a_function_gets_other_padding_than_zeros_only_if_it_has_the_parameter():
    def told(x, w, dedo, stride, padding, dilation, groups, padding_mode):
        r = cnngrad.backward(
            x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups, padding_mode=padding_mode
        )
        return r.dw, r.dx

    def wrong(x, w, dedo, stride, padding, dilation, groups, padding_mode):
        return told(x, w, dedo, stride, padding, dilation, groups, "zeros")

    def other(x, w, dedo, **options):
        return told(x, w, dedo, padding_mode="zeros", **options)

    assert cnngrad.check_function(told, "standard").never_tried == []
    bordered = [layer for layer in cnngrad.suite("standard") if layer.layer.mode != "zeros"]
    findings = run_layers([_InProcess(wrong)], bordered, whole=bordered)
    assert {outcome.layer.layer.mode for outcome in findings.failing} == {"reflect", "replicate", "circular"}
    assert findings.explanation.mistakes == ("border-wrong",)
    assert "in ∂E/∂X the gradients of the padding are dropped" in " ".join(str(findings).split())
    assert findings.smallest.layer.mode != "zeros"
    skipped = cnngrad.check_function(other, "standard")
    assert skipped.passed
    assert skipped.never_tried == ["padding that is not zeros"]


def test_shards_are_all_layers_together(program, capsys):
    command = program("sys.exit(77)")
    names = [
        layer["name"]
        for part in ("1/3", "2/3", "3/3")
        for layer in found(capsys, "--run", command, "--suite", "quick", "--shard", part)[1]["layers"]
    ]
    assert sorted(names) == sorted(layer.name for layer in cnngrad.suite("quick"))


def test_a_run_ends_no_child_that_was_there_before(program, capsys):
    mine = subprocess.Popen(["/bin/sleep", "30"])
    assert found(capsys, "--run", program("sys.exit(77)"), "--suite", "quick", "--jobs", "4")[0] == 2
    assert mine.poll() is None
    mine.kill()
    mine.wait()


def test_jobs_change_nothing_but_the_time(mine, capsys, whole):
    command = mine("return {'dx': -r.dx}")
    words = ["--run", command, "--suite", "quick", "--run-only", "[ips]*"]

    def run(*more):
        code, findings, err = found(capsys, *words, *more)
        told = " ".join([*more, "--json"])
        assert findings.pop("command") == f"cnngrad check --run mine:f --suite quick --run-only '[ips]*' {told}"
        assert 0 < findings.pop("seconds") < 600
        return code, findings, err

    alone = run()
    for jobs in ("2", "5") if whole else ("3",):
        assert run("--jobs", jobs) == alone


def test_json_has_a_score_and_the_facts_of_the_run(mine, capsys):
    body = "if r.dx.shape[1] > 1: raise NotImplementedError\n    return {'dx': r.dx * (1 if len(x) == 1 else -1)}"
    words = ["--run", mine(body), "--suite", "quick", "--run-only", "[bips]*", "--seed", "3"]
    code, findings, _ = found(capsys, *words)
    kinds = Counter(layer["status"] for layer in findings["layers"])
    assert code == 1
    assert findings["counts"] == {"right": 5, "wrong": 1, "not_judged": 0, "not_run": 0, "skipped": 1}
    assert kinds["skipped (not supported)"] == 1
    assert findings["score"] == 5 / 7
    assert findings["seed"] == 3
    assert findings["versions"]["cnngrad"] == cnngrad.__version__
    schema.validate(findings)
    code, findings, _ = found(capsys, "--run", mine("return 1 / 0"), *words[2:])
    assert findings["counts"] == {"right": 0, "wrong": 3, "not_judged": 0, "not_run": 4, "skipped": 0}
    assert findings["score"] == 0


def test_the_printed_command_makes_the_failure_again_also_if_it_needs_the_layers_before(mine, capsys):
    """The sign is wrong in all layers after the first one with a stride: no layer fails by itself."""
    late = "f.late = getattr(f, 'late', False) or o['stride'] != 1"
    words = ["--run", mine(f"{late}\n    return {{'dx': -r.dx if f.late and len(x) > 1 else r.dx}}")]
    words += ["--suite", "quick", "--run-only", "[bs]*"]
    code, findings, _ = found(capsys, *words)
    command = findings["smallest"]["command"]
    assert (code, command) == (1, findings["command"])
    assert findings["smallest"]["problem"]["X"]
    assert main(shlex.split(command)[1:]) == 1
    capsys.readouterr()


@pytest.mark.parametrize(
    ("factor", "fault"),
    [
        ("(1 + f.calls % 5 / 8)", "keeps-state"),
        ("np.random.default_rng().integers(1, 2**40)", "not-deterministic"),
    ],
)
def test_what_differs_from_call_to_call_as_in_every_process_is_no_chance(mine, capsys, factor, fault):
    command = mine(f"f.calls = getattr(f, 'calls', 0) + 1\n    return {{'dx': r.dx * {factor}}}")
    code, findings, _ = found(capsys, "--run", command, "--suite", "quick", "--run-only", "[ps]*")
    assert code == 1
    assert [each["fault"] for each in findings["faults"]] == [fault]


def test_a_folder_in_which_results_find_no_room_says_nothing_of_the_program(mine, capsys):
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    command = mine(f"{limit}; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n    return {{'dx': r.dx}}")
    assert main(["check", "--run", command, "-x", "3x3", "-w", "2x2"]) == 2
    err = capsys.readouterr().err
    assert "can't write results in" in err
    assert "File too large" in err


def test_a_command_that_can_not_be_started_ends_all_jobs(capsys):
    assert main(["check", "--run", "./no-such-program", "--jobs", "3"]) == 2
    assert "can't start ./no-such-program" in capsys.readouterr().err


ERRORS = {
    "'a": "can't be split into words",
    "./no-such-program {dir}": "can't start ./no-such-program: No such file",
    "no_such_module:f": "can't import no_such_module:f: ModuleNotFoundError",
}


@pytest.mark.parametrize(("command", "words"), ERRORS.items())
def test_a_command_that_can_not_be_started_is_told(command, words, capsys):
    assert main(["check", "--run", command]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--suite", "quick"], "--suite needs --run"),
        (["--run", "true", "--hard"], "leave out --hard"),
        (["--stream"], "--stream needs --run"),
        (["--run", "a.b:c", "--stream"], "a.b:c is a Python function and --stream is for commands"),
        (["--run", "true", "--stream", "--exchange", "json"], "leave out --exchange"),
        (["--run", "true {dir}", "--stream"], "{dir} has no meaning with --stream"),
        (["--run", "true", "--shard", "3/2"], "shard is '3/2': write 2/4"),
        (["--run", "true", "--suite", "fast"], "the suite 'fast' is unknown: use quick, standard, thorough"),
        (["--run", "true", "--exchange", "xml"], "exchange is 'xml': use npy"),
        (["--run", "true", "--exchange", "csv"], "exchange is 'csv': use json"),
        (
            ["--run", "true", "--suite", "quick", "--run-only", "nothing*"],
            "no layer is left to run; the names are impulse, square, plain, padding-1, stride-2, dilation-2, leftover, "
            "batch, …\n",
        ),
        (["--run", "true", "--without", "sleep"], "without 'sleep' is unknown"),
        (["--run", "true", "--expect", "dEdZ"], "expect 'dEdZ' is unknown"),
        (["samples/notes.json", "--run", "true", "--suite", "quick"], "--suite has no effect with a problem"),
    ],
)
def test_bad_usage_of_run_is_told(words, told, capsys, monkeypatch):
    monkeypatch.chdir(SCHEMA_FILE.parents[1])
    assert main(["check", *words]) == 2
    assert told in capsys.readouterr().err


def test_the_functions_of_the_samples(capsys, monkeypatch, whole):
    monkeypatch.chdir(SAMPLES.parents[1])
    suite = ("--suite", "standard" if whole else "quick")
    assert found(capsys, "--run", "samples.run.numpy_backward:backward", *suite)[0] == 0
    code, findings, _ = found(capsys, "--run", "samples.run.wrong_backward:backward", "--suite", "quick")
    assert (code, findings["explanation"]["mistake"]) == (1, "filter-not-rotated")


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_c_program_of_the_samples(capsys, tmp_path, whole):
    source = (SAMPLES / "backward.c").read_text()
    command = " ".join(line.strip(" *") for line in source.partition("--run '")[2].partition("'")[0].splitlines())
    subprocess.run(["cc", "-O2", "-o", tmp_path / "backward", SAMPLES / "backward.c"], check=True)
    command = command.replace("./backward", str(tmp_path / "backward"))
    suite = "standard" if whole else "quick"
    assert found(capsys, "--exchange", "f64", "--run", command, "--suite", suite)[0] == 0
    wrong = source.replace("sh * i + dh * u - top", "sh * i + dh * u").replace(
        "sw * j + dw * v - left", "sw * j + dw * v"
    )
    (tmp_path / "wrong.c").write_text(wrong)
    subprocess.run(["cc", "-O2", "-o", tmp_path / "backward", tmp_path / "wrong.c"], check=True)
    words = ["--exchange", "f64", "--run", command, "--suite", suite, "--without", "asymmetric", "--run-only", "[ap]*"]
    code, findings, _ = found(capsys, *words)
    assert (code, findings["explanation"]["mistake"]) == (1, "padding-ignored")


def test_a_layout_holds_for_a_program_too(program, capsys):
    body = READ.replace("('stride',", "('layout', 'filter_layout', 'stride',")
    command = program(body + "np.save(d + '/dEdX.npy', r.dx); np.save(d + '/dEdW', r.dw)")
    words = ["--run", command, "--suite", "quick", "--layout", "nhwc", "--filter-layout", "hwio"]
    code, findings, _ = found(capsys, *words, "--run-only", "all")
    assert code == 0, findings
    assert findings["layers"][-1]["layer"]["shapes"]["X"] == [2, 9, 8, 4]


def test_a_filter_layout_holds_for_a_transposed_suite(mine, capsys):
    command = mine("return r.dw, r.dx, r.db", layout="nhwc", filter_layout="hwio")
    words = ["--run", command, "--suite", "quick", "--transposed", "--layout", "nhwc", "--filter-layout", "hwio"]
    assert found(capsys, *words, "--run-only", "[abc]*")[0] == 0
    code, findings, _ = found(capsys, *words, "--run-only", "channels", "-w", "3x2x4x5")
    assert (code, findings["layers"][0]["layer"]["shapes"]["W"]) == (0, [3, 2, 4, 5])


def test_a_layout_holds_for_a_function_and_where_dedo_is_missing(mine, tmp_path, capsys):
    words = ["--run", mine("return r.dw, r.dx, r.db", layout="nhwc"), "--layout", "nhwc"]
    suite = ["--suite", "quick", "--run-only", "[abp]*"]
    assert found(capsys, *words, *suite)[0] == 0
    (tmp_path / "p.json").write_text(
        json.dumps({"X": np.ones((2, 5, 4, 3)).tolist(), "W": np.ones((2, 3, 2, 2)).tolist()})
    )
    assert found(capsys, "p.json", *words)[0] == 0
    mine("return r.dw, -r.dx, r.db", layout="nhwc")
    code, findings, _ = found(capsys, *words, *suite)
    assert (code, findings["explanation"]["mistake"]) == (1, "sign-flipped")
    assert findings["smallest"]["command"].endswith(" --layout nhwc")
    first = findings["expansions"][0]
    assert [term["factors"] for term in first["yours"]] == [term["factors"] for term in first["right"]]
    assert {term["coefficient"] for term in first["yours"]} == {-1}


@pytest.mark.usefixtures("undiagnosed")
def test_a_layout_holds_for_a_function_that_is_called_here():
    layouts = {"layout": "nhwc", "filter_layout": "hwio"}
    shapes = set()

    def backward(x, w, dedo, *, stride, padding, dilation, groups):
        shapes.add((x.shape, w.shape))
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        grads = cnngrad.backward(x, w, dedo, **options, **layouts)
        return grads.dw, grads.dx

    assert cnngrad.check_function(backward, "quick", **layouts).passed
    assert ((1, 6, 5, 1), (3, 2, 1, 1)) in shapes


def test_a_program_that_floods_its_output_is_stopped_and_costs_no_memory(program, capsys):
    body = "while True: os.write(1, b'x' * 2**16)"
    code, findings, _ = found(capsys, "--run", program(body), "-x", "3x3", "-w", "2x2", "--timeout", "0.3")
    assert (code, findings["layers"][0]["status"]) == (1, "no answer in 0.3 s")


STREAM = """
import json, os, sys, time, cnngrad
for line in sys.stdin:
    p = json.loads(line)
    r = cnngrad.backward(p['X'], p['W'], p['dEdO'], **{k: p[k] for k in ('stride', 'padding', 'dilation', 'groups')})
    a = {'id': p['id'], 'dEdX': r.dx.tolist(), 'dEdW': r.dw.tolist()}
"""


@pytest.fixture
def stream(tmp_path, monkeypatch, capsys):
    """Runs a Python script with --stream; it has p, the layer, r, the right gradients, and a, the answer."""
    monkeypatch.chdir(tmp_path)

    def stream(body, *words):
        (tmp_path / "stream.py").write_text(STREAM + "".join(f"    {line}\n" for line in body.splitlines()))
        words = words or ("--suite", "quick")
        return found(capsys, "--run", f"{sys.executable} stream.py", "--stream", "--timeout", "2", *words)

    return stream


def test_a_stream_is_one_process_for_all_layers_and_another_for_one_of_them(stream, tmp_path):
    body = "open('pids', 'a').write(f'{os.getpid()} ')\nprint('Layer', p['id'])\nprint(json.dumps(a), flush=True)"
    code, findings, _ = stream(body)
    assert (code, findings["passed"]) == (0, True)
    *first, last = (tmp_path / "pids").read_text().split()
    assert len({*first}) == 1
    assert last not in first
    assert stream(body, "--suite", "quick", "--jobs", "2")[0] == 0


def test_a_stream_that_is_right_in_its_first_process_alone_is_found_out(stream, tmp_path):
    body = "open('pids', 'a').write(f'{os.getpid()} ')\nown = open('pids').read().split()[0]\n"
    body += "print(json.dumps(a if own == str(os.getpid()) else a | {'dEdX': (-r.dx).tolist()}), flush=True)"
    code, findings, _ = stream(body)
    assert (code, findings["faults"][0]["fault"]) == (1, "keeps-state")
    assert findings["faults"][0]["says"] == "its results depend on its process, or on earlier calls"


def test_no_mistake_is_read_from_what_the_plan_of_another_layer_gives(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "planned.py").write_text(
        "import cnngrad\n"
        "def f(x, w, dedo, *, stride, padding, dilation, plans={}):\n"
        "    plan = plans.setdefault((x.shape, w.shape, dedo.shape), (stride, padding, dilation))\n"
        "    r = cnngrad.backward(x, w, dedo, **dict(zip(('stride', 'padding', 'dilation'), plan)))\n"
        "    return r.dw, r.dx\n"
    )
    code, findings, _ = found(capsys, "--run", "planned:f", "--suite", "standard", "--run-only", "square*")
    assert (code, findings["explanations"]) == (1, [])
    (fault,) = findings["faults"]
    assert (fault["fault"], fault["layers"]) == ("keeps-state", ["square", "square-stride-2-padding-1"])


def test_a_stream_that_crashes_is_started_anew(stream):
    body = "if p['dilation'] == 2: os.kill(os.getpid(), 9)\nprint(json.dumps(a), flush=True)"
    code, findings, _ = stream(body, "--suite", "quick", "--run-only", "[ds]*")
    assert code == 1
    assert [layer["status"] for layer in findings["layers"] if not layer["passed"]] == ["crash (signal 9)"]


def test_what_a_stream_answers(stream):
    one = ("-x", "3x4", "-w", "2x2")
    assert stream("print(json.dumps({'id': p['id'], 'skipped': 'too small'}), flush=True)", *one)[0] == 2
    wrong = "a['dEdX'][0][0] = {}; print(json.dumps(a), flush=True)"
    for number in ("None", "float('nan')", "float('-inf')"):
        code, findings, _ = stream(wrong.format(number), *one)
        results = findings["layers"][0]["results"]
        assert (code, results["dEdX"]["status"], results["dEdW"]["status"]) == (1, "not finite", "right")
    code, findings, _ = stream("a['dEdX'] = 'what?'; a['dEdW'] = None; print(json.dumps(a), flush=True)", *one)
    assert findings["layers"][0]["results"].keys() == {"dEdX"}
    assert "not readable" in findings["layers"][0]["results"]["dEdX"]["status"]
    assert stream("sys.exit(77)", *one)[1]["layers"][0]["status"] == "skipped (not supported)"
    assert stream("sys.exit(0)", *one)[1]["layers"][0]["status"] == "ended without an answer"


def test_a_stream_that_does_not_answer_is_reminded_of_flushing(stream, capsys, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    one = ("-x", "3x3", "-w", "2x2")
    assert stream("print(json.dumps(a), flush=True)", *one)[0] == 0
    stream_py = f"{sys.executable} stream.py"
    body = Path("stream.py").read_text().replace("flush=True", "end=''")
    Path("stream.py").write_text(body + "    os.write(2, b'I am thinking')\n")
    assert main(["check", "--run", stream_py, "--stream", "--timeout", "0.4", *one]) == 1
    out = " ".join(capsys.readouterr().out.split())
    for words in ("no answer in 2.4 s to the first call", "I am thinking", "flush standard output after it"):
        assert words in out


def test_a_stream_is_kept_as_its_lines(stream, tmp_path):
    stream("a['dEdX'] = (-r.dx).tolist(); print(json.dumps(a), flush=True)", "-x", "3x3", "-w", "2x2", "--keep", "kept")
    kept = tmp_path / "kept" / "the-layer"
    assert json.loads((kept / "request.json").read_text())["X"]
    assert json.loads((kept / "answer.json").read_text())["dEdX"]


def test_a_large_layer_passes_through_a_stream(stream):
    assert stream("print(json.dumps(a), flush=True)", "-x", "20x50x50", "-w", "2x20x3x3")[0] == 0


def test_a_function_that_floods_standard_error_costs_no_memory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loud.py").write_text(
        "import os\ndef f(x, w, dedo):\n    os.write(2, b'x' * 10**7 + b'the last words')\n    return 1 / 0\n"
    )
    assert main(["check", "--run", "loud:f", "-x", "3x3", "-w", "2x2"]) == 1
    out = capsys.readouterr().out
    assert "exception (ZeroDivisionError)" in out
    assert len(out) < 10_000


def test_the_stream_of_the_samples(capsys, monkeypatch, whole):
    monkeypatch.chdir(SAMPLES.parents[1])
    suite = ("--suite", "standard" if whole else "quick")
    assert found(capsys, *suite, "--stream", "--run", f"{sys.executable} samples/run/stream_backward.py")[0] == 0


@pytest.mark.whole
def test_the_torch_function_of_the_samples(capsys, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(SAMPLES.parents[1])
    words = ("--suite", "standard", "--run", "samples.run.torch_backward:backward", "--timeout", "60")
    assert found(capsys, *words)[0] == 0


def test_zeros_and_a_mistake_without_a_name_are_judged(mine, capsys, tmp_path):
    run = mine("return r.dw + dedo.sum() * 0 + 7, x * 0")
    problem = {"X": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "W": [[0, 0], [0, 0]], "dEdO": [[1, 2], [3, 4]]}
    (tmp_path / "p.json").write_text(json.dumps(problem))
    code, findings, err = found(capsys, "p.json", "--run", run)
    assert (code, err) == (1, "")
    assert findings["layers"][0]["results"]["dEdW"]["passed"] is False


def test_integers_hold_no_nan_and_lose_none(mine, capsys):
    run = mine("return tuple(np.nan_to_num(a).astype(np.int64) for a in (r.dw, r.dx))")
    code, findings, _ = found(capsys, "--run", run, "--suite", "quick", "--run-only", "s*")
    assert (code, findings["faults"]) == (0, [])
