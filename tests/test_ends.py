"""check --run: how programs end that give no results, and what is never read, waited for or tried again."""

import errno
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.programs.verdicts import Outcome, Result, Verdict
from cnngrad.results import Findings

ONE = ("-x", "3x3", "-w", "2x2")
SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture
def found(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def found(*words):
        main(["check", *words, "--json"])
        return json.loads(capsys.readouterr().out)

    return found


NO_FILES = {
    "mkfifo $0/dEdX.npy": "it is not a regular file",
    "ln -s /dev/zero $0/dEdX.npy": "it is a link",
    "ln -s X.npy $0/dEdX.npy": "it is a link",
    "mkdir $0/dEdX.npy": "Is a directory",
    "truncate -s 900M $0/dEdX.npy": "it has more than 66112 bytes, too many for its shape",
}


@pytest.mark.parametrize(("script", "why"), NO_FILES.items())
def test_a_result_is_a_regular_file_no_larger_than_its_shape_allows(found, script, why):
    keep = () if "truncate" in script else ("--keep", "kept")
    findings = found("--run", f"sh -c '{script}' {{dir}}", *ONE, *keep)
    assert findings["layers"][0]["results"]["dEdX"]["status"] == f"not readable ({why})"


@pytest.mark.parametrize("put", ["mkfifo $0", "ln -s / $0"])
@pytest.mark.parametrize("end", ["", "; exit 3", "; sleep 60"])
def test_what_a_program_puts_in_its_folders_place_is_neither_read_nor_kept(found, tmp_path, put, end):
    words = ("--run", f"sh -c 'rm -r $0; {put}{end}' {{dir}}", *ONE, "--keep", "kept")
    said = {"": "nothing written", "; exit 3": "exit status 3", "; sleep 60": "no answer in 0.4 s"}
    timeout = "0.4" if "sleep" in end else "30"
    assert found(*words, "--timeout", timeout)["layers"][0]["status"] == said[end]
    assert [path.name for path in (tmp_path / "kept").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("end", ["return dedo, dedo", "os._exit(3)"])
def test_what_a_function_puts_in_its_folders_place_is_not_kept_either(found, tmp_path, monkeypatch, end):
    (tmp_path / "temporary").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.md").write_text("mine")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "a.py").write_text(
        "import os, pathlib, shutil\ndef backward(x, w, dedo):\n"
        "    for each in pathlib.Path('temporary').iterdir():\n"
        f"        shutil.rmtree(each)\n        each.symlink_to(os.path.abspath('mine'))\n    {end}\n"
    )
    found("--run", "a.py:backward", *ONE, "--keep", "kept")
    assert not [*(tmp_path / "kept").glob("*/notes.md")]
    assert (tmp_path / "mine" / "notes.md").read_text() == "mine"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("keep", [("--keep", "kept"), ()])
def test_folders_deeper_than_pythons_stack_are_removed(found, tmp_path, monkeypatch, keep):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "deep.py").write_text(
        "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(3000):\n    os.mkdir('a')\n    os.chdir('a')\n"
    )
    findings = found("--run", f"{sys.executable} deep.py {{dir}}", *ONE, *keep)
    assert findings["layers"][0]["status"] == "nothing written"
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("done x", "an answer that is not the worker's"),
        ("done {}", "an answer that is not the worker's"),
        ("done " + "[" * 10**5, "an answer that is not the worker's"),
        ('done {"note": 5, "faults": [["a", "b", "c"]]}', "an answer that is not the worker's"),
        (r'done {"note": "", "faults": [["aliases", "\u001b[31mred"]]}', ""),
    ],
)
def test_a_function_that_writes_to_the_workers_output_costs_its_own_row(tmp_path, monkeypatch, capsys, line, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(
        "import os\ndef backward(x, w, dedo):\n    for each in os.listdir('/proc/self/fd'):\n        try:\n"
        f"            os.write(int(each), {line!r}.encode() + b'\\n')\n        except OSError:\n            pass\n"
    )
    (tmp_path / "b.py").write_text((SAMPLES / "run" / "numpy_backward.py").read_text())
    words = ["check", "--run-each", "*.py:backward", "--run-only", "impulse"]
    assert main([*words, "--report", "all.txt"]) == 1
    out, err = capsys.readouterr()
    assert err.endswith("all.txt is saved\n")
    assert f"a.py        WRONG    0 of 1        {said}" in out
    assert "b.py        right    1 of 1" in out
    assert "\x1b" not in out + (tmp_path / "all.txt").read_text()


@pytest.mark.parametrize("name", ["new\nline", "cr\rcr", os.fsdecode(b"not\xffutf-8")])
def test_the_temporary_folder_may_have_any_name(found, tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    (tmp_path / "b.py").write_text((SAMPLES / "run" / "numpy_backward.py").read_text())
    assert found("--run", "b.py:backward", "--run-only", "impulse")["passed"] is True


def test_a_full_disk_is_bad_usage(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnngrad.programs.programs.write_layer", full)
    assert main(["check", "--run", "true {dir}", *ONE]) == 2
    assert capsys.readouterr().err == "cnngrad: can't write a file: No space left on device\n"


def test_a_result_is_not_written_under_two_names(found):
    findings = found("--run", "sh -c 'cp $0/X.npy $0/dEdX.npy; cp $0/X.npy $0/dx.npy' {dir}", *ONE)
    said = "not readable (the program wrote dx under two names, one of them 'dx': give it once)"
    assert findings["layers"][0]["status"] == said


def test_a_raw_result_that_ends_within_an_element_is_not_readable(found):
    findings = found("--run", "sh -c 'printf abcdef > $0/dEdX.bin' {dir}", "--exchange", "f64", *ONE)
    said = "not readable (its 6 bytes are not a whole number of f64 elements)"
    assert findings["layers"][0]["results"]["dEdX"]["status"] == said


def test_what_a_program_was_given_is_kept_also_if_it_writes_nothing(found, tmp_path):
    assert found("--run", "true", *ONE, "--keep", "kept")["layers"][0]["status"] == "nothing written"
    assert {path.name for path in (tmp_path / "kept").rglob("*.npy")} == {"X.npy", "W.npy", "dEdO.npy"}


def test_an_import_and_the_first_call_may_take_longer_than_others(found, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time, cnngrad\n"
        "time.sleep(0.6)\n"
        "def f(x, w, dedo, calls=[]):\n"
        "    calls or time.sleep(0.6)\n"
        "    calls.append(1)\n"
        "    r = cnngrad.backward(x, w, dedo)\n"
        "    return r.dw, r.dx\n"
    )
    assert found("--run", "slow:f", *ONE, "--timeout", "0.5")["passed"]
    (tmp_path / "late.py").write_text("import time\ntime.sleep(60)\n")
    assert "can't import late:f: it took more than 0.6 s" in found("--run", "late:f", *ONE, "--timeout", "0.1")["error"]


def test_a_program_that_answers_nothing_is_given_up_after_three_layers():
    def raising(x, w, dedo, **options):
        raise IndexError

    findings = cnngrad.check_function(raising, "quick")
    assert [outcome.end.verdict for outcome in findings.outcomes] == [Verdict.FAILED] * 3 + [Verdict.NOT_RUN] * 9
    assert "not run: 9 layers (--no-give-up, in Python give_up=False, runs all)" in findings.summary
    assert findings.passed is False
    assert len(cnngrad.check_function(raising, "quick", give_up=False).failing) == 12


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_what_hangs_or_writes_nothing_is_neither_waited_for_nor_made_smaller(found, jobs):
    count = len(cnngrad.suite("quick"))
    for script, timeout, status, tried in (
        ("sleep 60", "0.1", "no answer in 0.1 s", 2),
        ("true", "30", "nothing written", 3),
    ):
        findings = found("--run", script, "--suite", "quick", "--timeout", timeout, "--jobs", jobs)
        ends = [layer["status"] for layer in findings["layers"]]
        assert ends == [status] * tried + ["not run"] * (count - tried)


def test_a_crash_in_one_of_two_runs_is_a_crash_with_its_signal(found):
    script = "[ -e once ] && kill -s SEGV $$; touch once; echo 1 > $0/dEdX.json"
    findings = found("--run", f"sh -c '{script}' {{dir}}", "--exchange", "json", *ONE)
    assert findings["layers"][0]["status"] == "crash (signal 11)"
    assert "A layer was run twice, and one run alone ended without results" in findings["note"]


def test_a_line_of_a_stream_without_a_known_id_is_said(found, tmp_path):
    (tmp_path / "stream.py").write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'dEdX': [[1]]}))\n"
        "    print(json.dumps({'id': json.loads(line)['id'], 'skipped': 'yes'}), flush=True)\n"
    )
    findings = found("--run", f"{sys.executable} -S stream.py", "--stream", *ONE)
    assert 'A line of its output with no id is not an answer: {"dEdX": [[1]]}' in findings["note"]


STACKS = {
    "node": "x.js:3\n    throw\n\nError: no such axis\n" + "    at f (x.js:1:2)\n" * 9 + "\nNode.js v20",
    "go": "panic: index 5: no such axis\n\ngoroutine 1 [running]:\n" + "main.f()\n\t/x.go:3\n" * 9,
    "rust": "thread 'main' panicked at 'no such axis'\nstack backtrace:\n" + "   0: std::panic\n" * 9,
    "octave": "error: no such axis\nerror: called from\n" + "    f at line 1 column 2\n" * 9,
    "python": "Traceback:\n" + "  File x\n" * 9 + "ValueError: no such axis",
    "none": "reading\n" * 9 + "no such axis",
}


@pytest.mark.parametrize("said", STACKS.values(), ids=STACKS)
def test_the_line_that_says_the_error_is_shown(said):
    layer = cnngrad.suite("quick")[0]
    findings = Findings([Outcome(layer, Result(Verdict.FAILED, "exit status 1"), said=said)])
    assert "no such axis" in str(findings)


def test_what_is_wrong_with_a_returned_value_is_said_without_our_own_calls(tmp_path, monkeypatch, capsys):
    (tmp_path / "unknown.py").write_text("def f(x, w, dedo):\n    return {'dZ': w}\n")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--run", "unknown:f", "-x", "3x3", "-w", "2x2"]) == 1
    out = capsys.readouterr().out
    assert "error: the function returned the unknown name 'dZ'" in out
    assert "exception (unreadable results)" in out
    assert "Traceback" not in out


def test_what_one_of_two_runs_wrote_is_made_visible():
    calls = itertools.count()

    def sometimes(x, w, dedo):
        if next(calls) % 2:
            raise IndexError("\x1b[31m")
        return w, x

    assert "IndexError: \\x1b[31m" in str(cnngrad.check_function(sometimes, "quick"))


@pytest.mark.whole
@pytest.mark.usefixtures("few_smaller_layers")
def test_the_first_call_in_a_new_process_may_take_longer_too(found, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, time, cnngrad\n"
        "def f(x, w, dedo, *, groups, calls=[], **options):\n"
        "    if groups > 1:\n"
        "        os._exit(3)\n"
        "    calls or time.sleep(0.6)\n"
        "    calls.append(1)\n"
        "    r = cnngrad.backward(x, w, dedo, **options)\n"
        "    return r.dw, r.dx\n"
    )
    findings = found("--run", "slow:f", "--suite", "quick", "--run-only", "[gb]*", "--timeout", "0.5")
    ends = {layer["name"]: layer["status"] for layer in findings["layers"]}
    assert ends == {"batch": "", "groups": "exit status 3", "bias": ""}


@pytest.mark.usefixtures("few_smaller_layers")
def test_layers_that_are_skipped_are_counted_once():
    def wrong(x, w, dedo, padding):
        grads = cnngrad.backward(x, w, dedo, padding=padding)
        return grads.dw, -grads.dx

    summary = cnngrad.check_function(wrong, "quick").summary
    assert "7 of 12 layers fail (5 skipped: not supported)" in summary
    assert summary.count("skipped") == 1
    # A layer that takes another's place may be skipped too.
    findings = cnngrad.check_function(wrong, "quick", without=["padding", "bias"])
    assert "groups > 1 and a bias were never tried: 7 layers" in findings.summary
