"""Layers that an executor runs, and a Dask cluster of two processes, one of which is killed."""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.files.write import to_json
from cnngrad.programs.elsewhere import Elsewhere
from cnngrad.programs.programs import program_of
from tests.test_machines import mixed, right

ROOT = Path(__file__).parents[1]
KILLED = "CNNGRAD_TEST_KILLED"


def deadly(x, w, dedo, *, stride, padding, dilation, groups, b=None):
    """Right gradients; but the first process that is given a stride kills itself."""
    if stride != 1 and KILLED in os.environ:
        place = Path(os.environ[KILLED])
        if not place.exists():
            place.touch()
            os.kill(os.getpid(), 9)
    return right(x, w, dedo, b, stride=stride, padding=padding, dilation=dilation, groups=groups)


def arm(place):
    """Let `deadly` kill its process, unless this file exists."""
    os.environ[KILLED] = place


def told(findings):
    found = json.loads(to_json(findings.as_json()))
    return {key: found[key] for key in found if key not in ("seconds", "versions")}


def test_an_executor_finds_what_this_process_finds():
    with ThreadPoolExecutor(2) as executor:
        assert told(cnngrad.check_function(mixed, "quick", executor=executor)) == told(
            cnngrad.check_function(mixed, "quick")
        )


def test_a_command_is_asked_the_same_wherever_it_runs():
    make = partial(program_of, "true", "npy", 1.0)
    with ThreadPoolExecutor(1) as executor:
        for program in (make, partial(program_of, "package.module:function", "npy", 1.0)):
            here, there = program(), Elsewhere(executor, program)
            assert (there.keeps_running, there.in_memory) == (here.keeps_running, here.in_memory)
        assert not Elsewhere(executor, make).in_memory


def test_a_function_that_cannot_be_sent_elsewhere_is_refused_before_it_runs():
    with (
        ProcessPoolExecutor(1) as executor,
        pytest.raises(cnngrad.CnngradError, match="can't be sent to another process"),
    ):
        cnngrad.check_function(lambda x, w, dedo: (w, x), "quick", executor=executor)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("dask.distributed", reason="needs the extra cluster")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made


@pytest.mark.whole
@pytest.mark.filterwarnings("default")
def test_a_lost_worker_s_layers_run_again_and_none_is_counted_twice(cluster, tmp_path):
    from dask.distributed import Client

    place = tmp_path / "killed"
    with Client(cluster) as client:
        client.run(arm, str(place))
        found = cnngrad.check_function(deadly, "quick", decimals=True, executor=client.get_executor(pure=False))
        assert told(found) == told(cnngrad.check_function(deadly, "quick", decimals=True))
    assert place.exists()
    assert found.passed


@pytest.mark.whole
@pytest.mark.filterwarnings("default")
def test_the_command_line_runs_layers_and_classes_on_a_cluster(cluster, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    command = ["check", "--suite", "quick", "--run-only", "square", "--scheduler", cluster.scheduler_address]
    assert main([*command, "--run", "samples.run.numpy_backward:backward"]) == 0
    assert "The layer passes" in capsys.readouterr().out
    for name, sign in (("ann", "+"), ("bob", "-")):
        (tmp_path / f"{name}.py").write_text(
            f"import cnngrad\ndef f(x, w, dedo):\n    g = cnngrad.backward(x, w, dedo)\n    return g.dw, {sign} g.dx\n"
        )
    assert main([*command, "--run-each", f"{tmp_path}/*.py:f"]) == 1
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:3]] == [
        ["ann.py", "right"],
        ["bob.py", "WRONG"],
    ]
    assert main([*command, "--run", "f:f", "--keep", str(tmp_path)]) == 2
    assert "--keep has no effect with --scheduler" in capsys.readouterr().err


@pytest.mark.whole
@pytest.mark.filterwarnings("default")
def test_the_sample_computes_a_batch_in_blocks(tmp_path):
    pytest.importorskip("dask.distributed", reason="needs the extra cluster")
    rng = np.random.default_rng(1)
    shapes = {"X": (41, 2, 6, 5), "W": (3, 2, 2, 2), "dEdO": (41, 3, 5, 4)}
    arrays = {name: rng.integers(-5, 6, shape) for name, shape in shapes.items()}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    files = [str(tmp_path / f"{name}.npy") for name in shapes]
    done = subprocess.run(
        [sys.executable, ROOT / "samples/cluster.py", *files, tmp_path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    grads = cnngrad.backward(*arrays.values())
    for name, array in (("O", cnngrad.forward(*list(arrays.values())[:2])), ("dEdX", grads.dx), ("dEdW", grads.dw)):
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), array)
    np.testing.assert_array_equal(np.load(tmp_path / "dEdb.npy"), grads.db)


def test_a_scheduler_that_is_not_there_is_told(capsys):
    pytest.importorskip("dask.distributed", reason="needs the extra cluster")
    assert main(["check", "--run", "f:f", "--scheduler", "nothing"]) == 2
    assert "can't reach the scheduler nothing" in capsys.readouterr().err
