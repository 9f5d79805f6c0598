"""Whatever the standard streams are: the exit code is a documented one, and what standard error says is true."""

import io
import os
import pty
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.text import Text

from cnngrad.cli.session import ExitCode
from cnngrad.render.progress import progress_bar
from cnngrad.render.terminal import make_console, show, show_in_pages

ROOT = Path(__file__).parents[1]
NOTES = "samples/notes.json"
COMMANDS = {
    "forward": f"forward {NOTES}",
    "backward, json": f"backward {NOTES} --json",
    "backward, explained": f"backward {NOTES} --explain",
    "check": f"check {NOTES}",
    "check, json": f"check {NOTES} --json",
    "check, hard": f"check {NOTES} --hard",
    "help": "--help",
    "a command's help": "backward --help",
    "version": "--version",
    "a long result": "forward -x LONG -w samples/notes.json::W --json",
}


@pytest.fixture
def shell(tmp_path):
    """Runs `cnngrad WORDS` in bash with redirections; its exit code and standard error."""
    (tmp_path / "X.json").write_text(str([[1.5] * 300] * 300))

    def run(words, redirection="", **variables):
        words = words.replace("LONG", str(tmp_path / "X.json"))
        command = f"{sys.executable} -m cnngrad {words} {redirection}"
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, env=os.environ | variables
        )
        return done.returncode, done.stderr

    return run


@pytest.fixture(params=["PYTHONUNBUFFERED", "PYTHONDEVMODE"])
def variable(request):
    """With these, Python writes at once, or reports errors that it would otherwise ignore."""
    return {request.param: "1"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_full_standard_output_is_bad_usage(shell, words):
    assert shell(words, "> /dev/full") == (2, "cnngrad: can't write standard output: No space left on device\n")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("words", [COMMANDS["forward"], COMMANDS["a long result"], COMMANDS["help"]])
def test_python_s_own_settings_change_nothing(shell, variable, words):
    assert shell(words, "> /dev/full", **variable) == (
        2,
        "cnngrad: can't write standard output: No space left on device\n",
    )
    assert shell(words, "> >(exec <&- >&- 2>&-; sleep 0.5)", **variable) == (141, "")
    assert shell(words, "2>&- | cat >/dev/null; exit ${PIPESTATUS[0]}", **variable) == (0, "")
    assert shell("forward nofile", "2>/dev/full", **variable) == (2, "")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_closed_standard_output_is_bad_usage(shell, words):
    assert shell(words, ">&-") == (2, "cnngrad: standard output is closed\n")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_closed_pipe_is_silent(shell, words):
    code, err = shell(words, "> >(exec <&- >&- 2>&-; sleep 0.5)")
    assert (code, err) == (141, "")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("redirection", ["2>/dev/full", "<&- 2>&-"])
def test_a_result_needs_no_other_stream(shell, words, redirection):
    assert shell(words, f"{redirection} | cat >/dev/null; exit ${{PIPESTATUS[0]}}") == (0, "")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">/dev/full 2>/dev/full", ">&- 2>&-"])
def test_an_error_keeps_its_exit_code_where_it_can_not_be_told(shell, redirection):
    assert shell("forward nofile", redirection) == (2, "")
    assert shell("forward --nonsense", redirection) == (2, "")


def test_a_wrong_gradient_is_1_though_standard_error_is_full(shell):
    assert shell("check samples/wrong/problem.json --dx samples/wrong/dEdX.json", "2>/dev/full") == (1, "")


def test_a_closed_standard_input_is_told(shell):
    assert shell("forward -", "<&-") == (2, "cnngrad: standard input is closed: name a file in place of -\n")
    assert shell("forward -", "0>/dev/null") == (2, "cnngrad: can't read standard input: Bad file descriptor\n")


def test_what_was_saved_before_standard_output_failed_is_told(shell, tmp_path):
    target = tmp_path / "out.npz"
    code, err = shell(f"backward {NOTES} -o {target}", "> /dev/full")
    assert code == 2
    assert err == (f"cnngrad: can't write standard output: No space left on device (already written: {target})\n")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("words", [["--help"], ["forward", NOTES], ["backward", NOTES, "--json"]])
def test_a_disk_that_takes_a_part_of_the_output_loses_nothing_without_a_word(tmp_path, words, variable):
    """A write of fewer bytes than it was given is no success."""
    command, path = [sys.executable, "-m", "cnngrad", *words], tmp_path / "out"
    with path.open("wb") as file:
        subprocess.run(command, stdout=file, check=True, cwd=ROOT, env=os.environ | variable)
    most = path.stat().st_size - 3

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    with path.open("wb") as file:
        options = {"cwd": ROOT, "env": os.environ | variable, "preexec_fn": limit}
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, **options)
    assert (done.returncode, done.stderr) == (2, "cnngrad: can't write standard output: File too large\n")


def started(words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "cnngrad", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
        **options,
    )


def heed_signals():
    """A shell's background job, such as this suite may be, is born ignoring Ctrl-C, and so is all that it starts."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def test_a_signal_while_a_class_is_made_is_an_interruption():
    code = """
import os, signal, cnngrad.compute, cnngrad.__main__
class Late:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10**6): pass
def make(*_, **__):
    type("Made", (), {"late": Late()})
cnngrad.compute.Work._write = make
raise SystemExit(cnngrad.__main__.run())
"""
    command = [sys.executable, "-c", code, "backward", NOTES]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (143, "cnngrad: interrupted\n")


@pytest.mark.parametrize("place", ["_ended", "Session.finish"])
def test_a_signal_as_the_command_ends_is_an_interruption(place):
    code = f"""
import os, signal, cnngrad.__main__, cnngrad.cli.main as main
real = main.{place}
def late(*args):
    found = real(*args)
    os.kill(os.getpid(), signal.SIGHUP)
    for _ in range(10**6): pass
    return found
main.{place} = late
raise SystemExit(cnngrad.__main__.run())
"""
    command = [sys.executable, "-c", code, "backward", NOTES, "--explain"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, preexec_fn=heed_signals)
    assert (done.returncode, done.stderr) == (129, "cnngrad: interrupted\n")
    assert "Summary" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment_ends_in_one_line(number, whole):
    code = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}[number]
    # Each signal has moments of its own.
    for delay in [0.03 + 0.012 * k for k in range(0 if whole else 2 * number % 9, 25, 2 if whole else 9)]:
        process = started(["backward", NOTES, "--explain"], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(number)
        err = process.communicate()[1]
        # Before the program's first line Python itself answers; at the end nothing is left to interrupt.
        if process.returncode in (0, -number) or (number == signal.SIGINT and str(ROOT / "cnngrad") not in err):
            continue
        # Where a signal interrupts an import, Python's development mode tells of the file that it was reading.
        own = "".join(line for line in err.splitlines(keepends=True) if "ResourceWarning: " not in line)
        assert (process.returncode, own) == (code, "cnngrad: interrupted\n"), delay


@pytest.mark.parametrize(
    "words", ["--run 'sh -c \"touch begun; sleep 777\"'", "--run-each '*.py:backward' --keep kept"]
)
def test_an_interruption_ends_all_programs_and_what_they_have_begun(words, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.py").write_text(
            "import time\ndef backward(x, w, dedo):\n    open('begun', 'w').close()\n    time.sleep(777)\n"
        )
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / ".cnngrad").write_text('{"made": []}')
    # A system may give the signal to any thread: one that waits for another is not woken then.
    code = """
import os, signal, sys, threading, time, cnngrad.__main__
def interrupt():
    while not os.path.exists("begun"):
        time.sleep(0.1)
    time.sleep(0.2)
    # Whoever is impatient presses twice: that must not disturb the end.
    for _ in range(5):
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        time.sleep(0.003)
threading.Thread(target=interrupt).start()
sys.exit(cnngrad.__main__.run())
"""
    command = [sys.executable, "-c", code, "check", *shlex.split(words), "--jobs", "2", "--timeout", "60"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, preexec_fn=heed_signals)
    err = process.communicate(timeout=40)[1].decode()
    kept = "; kept was written" if "--keep" in words else ""
    assert (process.returncode, err) == (130, f"cnngrad: interrupted{kept}\n")
    # The end of a program is not its student's failure.
    assert not [*tmp_path.glob("kept/*.txt")]
    assert str(tmp_path) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_a_signal_that_the_process_is_to_ignore_is_ignored():
    command = f"trap '' INT; exec {sys.executable} -m cnngrad check {NOTES} > /dev/null"
    process = subprocess.Popen(["bash", "-c", command], cwd=ROOT, stderr=subprocess.PIPE)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.communicate()[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize("saved", [True, False])
def test_an_interruption_while_a_result_is_shown_says_what_was_written(tmp_path, saved):
    """The pipe is full and nobody reads, so the program stands in the middle of its output."""
    (tmp_path / "X.json").write_text(str([[1.5] * 300] * 300))
    target = tmp_path / "out.npy"
    words = ["forward", "-x", f"{tmp_path}/X.json", "-w", f"{NOTES}::W", "--json"]
    process = started(words + (["-o", str(target)] if saved else []), stdout=subprocess.PIPE)
    assert process.stdout.read(1) == "{"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err == (f"cnngrad: interrupted; {target} was written\n" if saved else "cnngrad: interrupted\n")


def test_a_terminal_gets_the_result_in_colour():
    """The one path that no redirected test takes."""
    main, side = pty.openpty()
    words = [sys.executable, "-m", "cnngrad", "forward", NOTES]
    process = subprocess.Popen(words, cwd=ROOT, stdout=side, stderr=side, env=os.environ | {"TERM": "xterm-256color"})
    os.close(side)
    text = b""
    while True:
        try:
            part = os.read(main, 2**16)
        except OSError:
            break
        if not part:
            break
        text += part
    assert process.wait() == 0
    assert "X 3×3 · W 2×2".encode() in text
    assert b"\x1b[" in text
    assert "│".encode() in text


def test_exit_codes_are_those_of_shells():
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "WRONG_GRADIENT": 1,
        "BAD_INPUT": 2,
        "CRASHED": 70,
        "HUNG_UP": 129,
        "INTERRUPTED": 130,
        "PIPE_CLOSED": 141,
        "TERMINATED": 143,
    }


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("kind", [lambda: None, io.StringIO, Terminal], ids=["none", "file", "terminal"])
def test_a_bar_shows_progress_on_a_terminal_after_a_second(kind, monkeypatch):
    now, stream = [0.0], kind()
    monkeypatch.setattr("cnngrad.render.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    with progress_bar(stream) as advance:
        now[0] = 0.99
        advance("dEdX", 1, 4)
        assert stream is None or stream.getvalue() == ""
        now[0] = 1.0
        advance("dEdX", 2, 4)
        advance("layers", 1, 2, "stride-2, 1 failing")
    shown = stream.getvalue() if stream else ""
    for words in ("dEdX", "stride-2, 1 failing"):
        assert (words in shown) == isinstance(stream, Terminal)


@pytest.mark.parametrize(
    ("kind", "color", "variables", "coloured"),
    [
        (io.StringIO, "auto", "", False),
        (io.StringIO, "auto", "FORCE_COLOR", True),
        (io.StringIO, "auto", "FORCE_COLOR NO_COLOR", False),
        (io.StringIO, "always", "", True),
        (io.StringIO, "always", "NO_COLOR", True),
        (io.StringIO, "never", "", False),
        (io.StringIO, "never", "FORCE_COLOR", False),
        (Terminal, "auto", "", True),
        (Terminal, "auto", "NO_COLOR", False),
        (Terminal, "auto", "FORCE_COLOR", True),
        (Terminal, "always", "NO_COLOR", True),
        (Terminal, "never", "", False),
        (Terminal, "never", "FORCE_COLOR", False),
    ],
)
def test_colour_is_for_terminals_and_for_those_who_ask_for_it(kind, color, variables, coloured, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "50")
    for name in variables.split():
        monkeypatch.setenv(name, "1")
    console = make_console(kind(), color)
    show(console, [Text("red", style="#ff0000")])
    assert ("\x1b[" in console.file.getvalue()) == coloured
    assert console.width == (50 if kind is Terminal else 80)


@pytest.mark.parametrize(
    ("pager", "lines", "kind", "paged"),
    [
        ("sh -c 'cat > paged'", 9, Terminal, False),
        ("sh -c 'cat > paged'", 10, Terminal, True),
        ("sh -c 'cat > paged'", 10, io.StringIO, False),
        ("cat", 10, Terminal, False),
        ("", 10, Terminal, False),
        ("no-such-pager", 10, Terminal, False),
    ],
)
def test_what_a_terminal_can_not_hold_is_shown_in_pages(pager, lines, kind, paged, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Terminal())
    for name, value in (("PAGER", pager), ("LINES", "10"), ("COLUMNS", "50"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    console = make_console(kind(), "never")
    show_in_pages(console, [Text("line")] * lines)
    text = Path("paged").read_text() if paged else console.file.getvalue()
    assert text == "line\n" * lines
    assert bool(console.file.getvalue()) != paged
