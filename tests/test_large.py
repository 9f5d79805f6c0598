"""Results that are larger than memory: computed on disk, whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad import memory
from cnngrad.cli.main import main
from cnngrad.files.write import result_files
from tests.benchmarks.timing import peak_of

MIB = 2**20


@pytest.fixture
def layer(tmp_path):
    """Files of a layer of several tiles, and the place for results."""
    generator = np.random.default_rng(0)
    np.save(tmp_path / "X.npy", generator.standard_normal((3, 4, 64, 50), dtype=np.float32))
    np.save(tmp_path / "W.npy", generator.standard_normal((5, 4, 3, 3), dtype=np.float32))
    np.save(tmp_path / "G.npy", generator.standard_normal((3, 5, 64, 50), dtype=np.float32))
    (tmp_path / "out").mkdir()
    given = [f"{flag}={tmp_path}/{name}.npy" for flag, name in (("-x", "X"), ("-w", "W"), ("-g", "G"))]
    given = [part for word in given for part in word.split("=")]
    return tmp_path, given[:4], [*given, "--padding", "1"]


def test_files_hold_what_python_computes(layer, capsys):
    place, forward, backward = layer
    x, w, dedo = (np.load(place / f"{name}.npy") for name in "XWG")
    assert main(["forward", *forward, "-o", str(place / "out" / "O.npy"), "--padding", "1", "--json"]) == 0
    np.testing.assert_array_equal(np.load(place / "out" / "O.npy"), cnngrad.forward(x, w, padding=1))
    assert main(["backward", *backward, "-o", str(place / "grads"), "--json"]) == 0
    grads = cnngrad.backward(x, w, dedo, padding=1)
    assert sorted(path.name for path in (place / "grads").glob("*.npy")) == ["dEdW.npy", "dEdX.npy"]
    for name, array in (("dEdW", grads.dw), ("dEdX", grads.dx)):
        found = np.load(place / "grads" / f"{name}.npy")
        np.testing.assert_array_equal(found, array)
        assert found.dtype == np.float32
    assert main(["backward", *backward, "--only", "db", "-o", str(place / "out" / "db.npy")]) == 0
    np.testing.assert_array_equal(np.load(place / "out" / "db.npy"), grads.db)
    assert sorted(path.name for path in (place / "out").iterdir()) == ["O.npy", "db.npy"]


def test_a_full_disk_is_told_before_the_work_and_leaves_nothing(layer, capsys, monkeypatch):
    place, _, backward = layer

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr("cnngrad.compute.Work.computed", never)
    assert main(["backward", *backward, "-o", str(place / "grads")]) == 2
    assert "grads/dEdW.npy: No space left on device" in capsys.readouterr().err
    assert not (place / "grads").exists()


@pytest.mark.parametrize("has_fallocate", [True, False])
def test_the_space_of_a_result_is_reserved_and_no_more(tmp_path, monkeypatch, has_fallocate):
    if not has_fallocate:
        monkeypatch.delattr(os, "posix_fallocate")
    with result_files(str(tmp_path / "O.npy"), {"O": ((3, 700_001), np.dtype(np.float32))}) as files:
        assert files["O"].shape == (3, 700_001)
        (part,) = tmp_path.iterdir()
        status = part.stat()
        assert status.st_size == 128 + 4 * 3 * 700_001
        # Other systems can't reserve space: there, a full disk is reported only once it is full.
        assert status.st_blocks * 512 >= status.st_size or not has_fallocate


def test_an_interruption_leaves_the_files_that_were_there(layer, capsys, monkeypatch):
    place, forward, _ = layer
    target = place / "out" / "O.npy"
    target.write_text("before")

    def interrupted(*_, **__):
        assert [path.suffix for path in target.parent.iterdir()].count(".part") == 1
        raise KeyboardInterrupt

    monkeypatch.setattr("cnngrad.compute.Work._write", interrupted)
    assert main(["forward", *forward, "-o", str(target)]) == 130
    assert target.read_text() == "before"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_killed_process_leaves_no_half_result(tmp_path, sent, code):
    program = (
        "import sys, time, cnngrad.compute, cnngrad.__main__\n"
        "cnngrad.compute.Work._write = lambda *_, **__: time.sleep(60)\n"
        "sys.exit(cnngrad.__main__.run())"
    )
    np.save(tmp_path / "X.npy", np.ones((9, 9)))
    command = [sys.executable, "-c", program, "forward", "-x", "X.npy", "-w", "X.npy", "-o", "O.npy"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        while not any(path.suffix == ".part" and path.stat().st_size for path in tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sent)
        process.wait()
    assert process.returncode == code
    assert not (tmp_path / "O.npy").exists()
    if sent == signal.SIGTERM:
        assert [path.name for path in tmp_path.iterdir()] == ["X.npy"]


def test_a_result_without_memory_is_told_before_the_work_with_the_way_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 100 * MIB)
    (tmp_path / "p.json").write_text('{"X": [[1]], "W": [[1]], "padding": 2000}')
    assert main(["forward", str(tmp_path / "p.json")]) == 2
    message = capsys.readouterr().err
    assert "O (4001, 4001) of int64 would take 122 MiB of memory, but 100 MiB are free" in message
    assert "-o with a .npy file" in message
    with pytest.raises(cnngrad.CnngradError, match="would take 122 MiB"):
        cnngrad.forward([[1]], [[1]], padding=2000)
    assert main(["forward", str(tmp_path / "p.json"), "-o", str(tmp_path / "O.npy")]) == 0
    o = np.load(tmp_path / "O.npy", mmap_mode="r")
    assert (o.shape, o[2000, 2000], o.sum()) == ((4001, 4001), 1, 1)


def test_json_needs_more_memory_than_arrays(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 100 * MIB)
    (tmp_path / "p.json").write_text('{"X": [[1]], "W": [[1]], "padding": 800}')
    assert main(["forward", str(tmp_path / "p.json"), "--json"]) == 2
    assert "of memory" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="memory is read from /proc")
def test_memory_that_is_free_is_known_on_linux(monkeypatch):
    said = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert memory._of_machine() == pytest.approx(1024 * int(said["MemAvailable"].split()[0]), rel=0.2)
    # Under a limit that only this process sees.
    monkeypatch.setattr("resource.getrlimit", lambda _: (2**50, 2**50))
    used = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())["VmSize"]
    assert 2**50 - memory._of_process() == pytest.approx(1024 * int(used.split()[0]), abs=64 * MIB)


@pytest.mark.whole
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_a_large_layer_needs_little_memory(tmp_path):
    shape = (32, 16, 256, 256)
    for name in "XG":
        array = np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float32, shape)
        array[...] = np.arange(256)
        array.flush()
        del array
    np.save(tmp_path / "W.npy", np.ones((16, 16, 3, 3), np.float32))
    given = ["-x", f"{tmp_path}/X.npy", "-w", f"{tmp_path}/W.npy", "--padding", "1"]
    program = [sys.executable, "-m", "cnngrad"]
    small = peak_of([*program, "forward", "samples/notes.json"])
    assert small > MIB
    # Each of X, dE/dO, O and dE/dX holds 128 MiB.
    for command in (["forward", *given, "-o", f"{tmp_path}/O.npy"], ["backward", *given, "-g", f"{tmp_path}/G.npy"]):
        target = [] if "-o" in command else ["-o", f"{tmp_path}/grads"]
        assert peak_of([*program, *command, *target]) < small + 64 * MIB
