"""Whatever comes from outside: devices, endless streams, damaged files, little memory, and text that is no text."""

import io
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.cli.session import Session
from cnngrad.errors import visible
from cnngrad.files import opening
from cnngrad.files.problem import Reader
from cnngrad.files.read import parse
from cnngrad.tensor import Tensor

NOTES = str(Path(__file__).parents[1] / "samples" / "notes.json")
HOSTILE = "\x1b]0;pwned\x07\x1b[2J‮`````\ud800[/x]:smile:&<b>"
SHOWN = r"\x1b]0;pwned\x07\x1b[2J\u202e`````\ud800[/x]:smile:&<b>"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failed(capsys, *words):
    assert main(list(words)) == 2
    return capsys.readouterr().err


# What is read.


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/zero:f32:3x3", "/dev/null", "/dev/urandom::X", "link"])
def test_a_device_is_refused(here, capsys, name):
    (here / "link").symlink_to("/dev/zero")
    for words in (["-x", name, "-w", "2x2"], ["-x", "3x3", "-w", name]):
        assert "it is a device, not a file" in failed(capsys, "forward", *words, "--explain")
    assert "it is a folder, not a file" in failed(capsys, "forward", str(here))


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_has_a_limit_and_is_read_once(monkeypatch, name):
    monkeypatch.setattr(opening, "_MOST_MIB", 1)
    too_long = "standard input holds more than 1 MiB: name a file"
    with open("/dev/zero", "rb") as endless, pytest.raises(cnngrad.CnngradError, match=too_long):
        Reader(Session(endless, None, None).read).problem(name)
    content = io.BytesIO(b'{"X": [[1]], "W": [[2]]}')
    reader = Reader(Session(content, None, None).read)
    assert reader.array(Tensor.X, f"{name}::X").array == [[1]]
    assert reader.array(Tensor.W, "-::W").array == [[2]]


def test_so_has_a_pipe(here, monkeypatch):
    monkeypatch.setattr(opening, "_MOST_MIB", 1)
    os.mkfifo("pipe")
    writer = subprocess.Popen(["sh", "-c", "exec cat /dev/zero > pipe"], stderr=subprocess.DEVNULL)
    with writer, pytest.raises(cnngrad.CnngradError, match="pipe holds more than 1 MiB"):
        Reader(lambda: b"").problem("pipe")


def npy(version=(1, 0), descr="'<f8'", shape="(2, 2)", size=32):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    length = len(header).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + header + bytes(size)


def safe(shape, offsets=(0, 0)):
    header = json.dumps({"X": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}).encode()
    return len(header).to_bytes(8, "little") + header


BAD = {
    "a version that nobody knows": (npy((4, 0)), r"has the NPY version \(4, 0\): only 1.0, 2.0 and 3.0 are known"),
    "another": (npy((2, 1)), r"version \(2, 1\)"),
    "the first": (npy((0, 0)), r"version \(0, 0\)"),
    "too large though empty": (
        npy(shape=f"({2**40}, {2**40}, 0)", size=0),
        "NPY file: iterator is too large",
    ),
    "too many axes": (npy(shape=f"({'1, ' * 65})", size=8), "is not a readable NPY file: maximum supported dimension"),
    "objects": (npy(descr="'|O'", size=32), "pickled Python objects"),
    "too large though empty, in safetensors": (
        safe([2**40, 2**40, 0]),
        "safetensors file: cannot reshape",
    ),
    "negative": (safe([-1, 0]), "safetensors file: cannot reshape"),
    "nothing": (b"", "is empty: it must hold numbers"),
    "blanks": (b" \n", "is empty: it must hold numbers"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("on_disk", [True, False])
def test_a_bad_file_is_refused_wherever_it_comes_from(here, content, words, on_disk):
    (here / "x").write_bytes(content)
    with pytest.raises(cnngrad.CnngradError, match=words):
        Reader(lambda: content).array(Tensor.X, "x" if on_disk else "-")


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize("descr", ["('<f8', (2,))", "'>f4'", "'<f8'"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_numbers_are_the_same_from_a_file_and_from_a_stream(here, version, descr, on_disk):
    content = npy(version, descr, "(4, 1)", 64 if "(" in descr else 16 if "4" in descr else 32)
    (here / "x.npy").write_bytes(content)
    found = Reader(lambda: content).array(Tensor.X, "x.npy" if on_disk else "-")
    assert found.array.shape == ((4, 1, 2) if "(" in descr else (4, 1))
    assert not found.array.any()


def test_doubled_keys_are_found_in_a_moment():
    text = "{" + ", ".join(f'"k{number}": 1' for number in range(50_000)) + ', "k49999": 2}'
    began = time.monotonic()
    with pytest.raises(cnngrad.CnngradError, match="has the key 'k49999' twice"):
        parse("p.json", text.encode(), print)
    assert time.monotonic() - began < 5


def test_a_message_has_an_end(here, capsys):
    (here / "p.json").write_text(json.dumps({f"key{number}": 1 for number in range(100_000)} | {"k" * 10**6: 1}))
    for words in (["p.json"], ["-x", "p.json", "-w", "2x2"], ["-x", "p.json::none", "-w", "2x2"]):
        assert len(failed(capsys, "forward", *words)) < 600
    assert len(failed(capsys, "forward", "--dims", "1" * 5000)) < 600


@pytest.mark.parametrize("limit", [20_000, 60_000, 100_000, 125_000])
def test_little_memory_is_bad_usage(limit):
    """OpenBLAS ends a process that gets none with 1."""
    command = f"ulimit -v {limit}; exec {sys.executable} -m cnngrad forward {NOTES}"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("cnngrad: ")
    assert "Traceback" not in done.stderr


def test_a_file_that_is_cut_short_while_it_is_read_is_told(here):
    """Where the file is mapped, the system ends the process by SIGBUS."""
    np.save(here / "x.npy", np.ones((400, 400)))
    code = """
import os, sys, cnngrad.compute, cnngrad.__main__
real = cnngrad.compute.Work
def cut(*arrays):
    os.truncate("x.npy", 4096)
    return real(*arrays)
cnngrad.compute.Work = cut
sys.exit(cnngrad.__main__.run())
"""
    command = [sys.executable, "-c", code, "forward", "-x", "x.npy", "-w", f"{NOTES}::W"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "cnngrad: an input file was cut short by another program while it was read\n"


# What is shown.


def test_visible_text_is_what_repr_shows():
    assert visible("a b_∂é字\\") == "a b_∂é字\\"
    assert visible(HOSTILE) == SHOWN
    assert visible(visible(HOSTILE)) == visible(HOSTILE)
    assert str(cnngrad.CnngradError("a\nb\r")) == r"a\nb\r"


def test_messages_show_names_keys_and_options_in_visible_characters(here, capsys):
    hostile = HOSTILE.replace("\ud800", "").replace("/", "")
    Path(f"{hostile}.json").write_text(json.dumps({HOSTILE: 1, "X": 1}))
    for words in (
        ["forward", f"{hostile}.json"],
        ["forward", "-x", f"{hostile}.json", "-w", "2x2"],
        ["forward", f"{hostile}.csv"],
        ["forward", NOTES, f"--{hostile}"],
        ["forward", NOTES, "--title", hostile],
        ["forward", NOTES, "-o", f"none/{hostile}.json"],
        ["backward", NOTES, "--element", hostile],
        ["check", NOTES, "--as", hostile],
        ["check", "--run", "true", "--suite", hostile],
        ["check", "--run", f"{hostile} '"],
        ["check", "--run", hostile, "--suite", "quick"],
        [hostile],
    ):
        told = failed(capsys, *words)
        assert told.count("\n") <= 2
        assert visible(told.replace("\n", "")) == told.replace("\n", ""), words


@pytest.mark.parametrize("ending", [".txt", ".md", ".tex", ".svg", ".html"])
def test_a_title_is_one_visible_line_of_a_document(here, capsys, ending):
    title = f"a\nb\tc{HOSTILE}\udcff\ue000"
    name = f"r{ending}"
    assert main(["backward", NOTES, "--element", "x22", "--report", name, "--title", title, "--author", title]) == 0
    assert capsys.readouterr().err == f"cnngrad: {name} is saved\n"
    text = (here / name).read_text()
    assert all(character.isprintable() or character in "\n\xa0" for character in text)
    if ending == ".svg":
        ET.fromstring(text)


def test_so_are_the_names_of_a_class_and_of_exceptions(here, capsys):
    name = HOSTILE.replace("\ud800", "\udcff").replace("/", "")
    (here / "class").mkdir()
    (here / "class" / "a.py").write_text("def f(*_, **__):\n    raise type('\\x1b[2J', (Exception,), {})\n")
    (here / "class" / f"{name}.py").write_text("def f(*_, **__):\n    raise NotImplementedError('\\udcff')\n")
    assert main(["check", "--run-each", "class/*.py:f", "--suite", "quick", "--report", "r.txt", "--keep", "out"]) == 1
    reports = [(here / "out" / f"{each}.py.txt").read_text() for each in ("a", visible(name))]
    assert r"(not supported): \udcff" in reports[1]
    for shown in (capsys.readouterr().out, (here / "r.txt").read_text(), *reports):
        assert all(character.isprintable() or character == "\n" for character in shown)


@pytest.mark.parametrize("ending", [".txt", ".md", ".svg", ".html"])
def test_so_is_what_a_program_says(here, capsys, ending):
    said = ascii(HOSTILE.replace("\ud800", "") + "\n\nend")
    (here / "says.py").write_text(f"import sys\nsys.stderr.buffer.write({said}.encode())\nsys.exit(3)")
    (here / "suite.json").write_text(json.dumps([json.loads(Path(NOTES).read_text()) | {"name": "[i]x :smile:"}]))
    words = ["check", "--run", f"{sys.executable} says.py", "--suite", "suite.json", "--report", f"r{ending}"]
    assert main(words) == 1
    text = (here / f"r{ending}").read_text()
    for shown in (capsys.readouterr().out, text):
        assert all(character.isprintable() or character in "\n\xa0" for character in shown)
    if ending == ".svg":
        text = "".join(ET.fromstring(text).itertext()).replace("\xa0", " ")
    if ending == ".html":
        text = re.sub("<[^>]*>", "", text)
    assert "[i]x :smile:" in text
    assert "pwned" in text
    assert "[/x]" in text
    if ending == ".md":
        assert text.count("``````") == 2


def test_a_sum_beyond_float64_is_null_and_never_called_equal(here, capsys):
    layer = {"X": [[1e153, 1, 2], [3, 4, 5], [6, 7, 8]], "W": [[2.0, 2], [3, 4]], "dEdO": [[1e154, 2], [3, 4]]}
    (here / "p.json").write_text(json.dumps(layer))
    (here / "dw.json").write_text("[[-1.79e308, 1], [1, 1]]")
    (here / "dx.json").write_text("[[1e154, 2e154, 4], [3e154, 4e154, 8], [9, 24, 16]]")
    words = ["check", "p.json", "--dw", "dw.json", "--dx", "dx.json"]
    assert main([*words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["gradients"]["dEdW"]["max_abs_error"] is None
    assert found["identity"]["sum(W*dEdW)"] is None
    assert found["note"] == "a sum or an error is beyond float64's range: it is null"
    assert main(words) == 1
    told = capsys.readouterr().out
    assert "not all are within float64's range" in told
    assert "sum(O·∂E/∂O) = " not in told
