"""Every sample works in every command, and PyTorch's recorded gradients are ours."""

import json
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.cli import main

SAMPLES = Path(__file__).parents[1] / "samples"
PROBLEMS = sorted([*SAMPLES.glob("*.json"), SAMPLES / "wrong" / "problem.json"])
DIGITS = {name: SAMPLES / "digits" / f"{name}.npy" for name in ("X", "W", "b", "dEdO", "dEdW", "dEdX", "dEdb")}


def test_the_samples_that_readme_names_are_there():
    readme = (SAMPLES.parent / "README.md").read_text(encoding="utf-8")
    assert all(path.name in readme for path in PROBLEMS if path.parent == SAMPLES)
    assert len(PROBLEMS) == 9


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("explain", [[], ["--explain"]], ids=["plain", "explained"])
def test_every_problem_works_in_every_command(path, explain, capsys):
    given = [] if "dEdO" in json.loads(path.read_text()) else ["-g", "ones"]
    assert main(["forward", str(path), *explain]) == 0
    assert main(["backward", str(path), *given, *explain]) == 0
    assert main(["check", str(path), *given]) == 0
    assert capsys.readouterr().err == ""


def test_the_chain_is_one():
    first, second = (json.loads((SAMPLES / f"chain-{k}.json").read_text()) for k in (1, 2))
    assert cnngrad.forward(first["X"], first["W"]).tolist() == second["X"]


def test_pytorchs_recorded_gradients_are_ours():
    arrays = {name: np.load(path) for name, path in DIGITS.items()}
    assert {a.dtype for a in arrays.values()} == {np.dtype(np.float32)}
    assert sum(path.stat().st_size for path in DIGITS.values()) <= 300_000
    grads = cnngrad.backward(arrays["X"], arrays["W"], arrays["dEdO"], padding=1)
    for mine, name in ((grads.dw, "dEdW"), (grads.dx, "dEdX"), (grads.db, "dEdb")):
        np.testing.assert_allclose(mine, arrays[name], rtol=1e-3, atol=1e-6)
    claims = {"dw": arrays["dEdW"], "dx": arrays["dEdX"], "db": arrays["dEdb"]}
    assert cnngrad.check(arrays["X"], arrays["W"], arrays["dEdO"], b=arrays["b"], padding=1, **claims).passed
