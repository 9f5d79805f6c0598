"""Every sample works in every command, and PyTorch's recorded gradients are ours."""

import json
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data, computed
from cnngrad.causes.recipe import right_recipe
from cnngrad.cli.main import main
from cnngrad.layer import make_layer
from cnngrad.tensor import GRADIENTS, RESULTS, Tensor

SAMPLES = Path(__file__).parents[1] / "samples"
PROBLEMS = sorted([*SAMPLES.glob("*.json"), SAMPLES / "wrong" / "problem.json"])
DIGITS = {name: SAMPLES / "digits" / f"{name}.npy" for name in ("X", "W", "b", "dEdO", "dEdW", "dEdX", "dEdb")}


def test_the_samples_that_readme_names_are_there():
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(path.name in readme for path in PROBLEMS if path.parent == SAMPLES)
    assert len(PROBLEMS) == 11


@pytest.mark.sampled(3)
@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("explain", [[], ["--explain"]], ids=["plain", "explained"])
def test_every_problem_works_in_every_command(path, explain, capsys):
    given = [] if "dEdO" in json.loads(path.read_text()) else ["-g", "ones"]
    assert main(["forward", str(path), *explain]) == 0
    assert main(["backward", str(path), *given, *explain]) == 0
    assert explain or main(["check", str(path), *given]) == 0
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


def shown(layer, x, w, dedo, b):
    """Which wrong gradients of the catalogue differ from the right ones with these numbers."""
    shapes = layer.shapes
    x_, w_ = x.reshape(shapes[Tensor.X]), w.reshape(shapes[Tensor.W])
    grads = cnngrad.backward(x_, w_, dedo.reshape(shapes[Tensor.O]), **layer.options)
    found = {Tensor.O: cnngrad.forward(x_, w_, None if b is None else b.reshape(shapes[Tensor.B]), **layer.options)}
    found |= {result: getattr(grads, result.keyword) for result in GRADIENTS}
    right = {result: np.asarray(array).reshape(layer.canonical[result]) for result, array in found.items()}
    data = Data.of(layer, {Tensor.X: x, Tensor.W: w, Tensor.DEDO: dedo, **({} if b is None else {Tensor.B: b})})
    return {
        (mistake.id, result, number)
        for mistake in CATALOGUE
        if mistake.short
        for result in RESULTS
        if layer.role[result] in mistake.results
        for number, recipe in enumerate(mistake.changed(right_recipe(layer, result)))
        if not np.array_equal(computed(recipe, data), right[result])
    }


@pytest.mark.parametrize("path", [path for path in PROBLEMS if path.stem != "chain-1"], ids=lambda path: path.stem)
def test_no_sample_hides_a_mistake_that_its_layer_can_show(path):
    problem = json.loads(path.read_text())
    x, w, dedo = (np.array(problem.pop(key)) for key in ("X", "W", "dEdO"))
    b = problem.pop("b", None)
    layer = make_layer(x.shape, w.shape, **problem, b_shape=None if b is None else np.shape(b))
    canonical = layer.canonical
    given = [a.reshape(canonical[name]) for a, name in ((x, Tensor.X), (w, Tensor.W), (dedo, Tensor.O))]
    generator = np.random.default_rng(0)
    telling = [generator.integers(1, 10**4, a.shape) * generator.choice([-1, 1], a.shape) for a in given]
    bias = None if b is None else np.array(b)
    assert shown(layer, *telling, bias) - shown(layer, *given, bias) == set()


def test_the_numbers_of_the_notes_layer_tell_its_matrices_apart():
    problem = json.loads((SAMPLES / "notes.json").read_text())
    w, dedo = np.ravel(problem["W"]).tolist(), np.ravel(problem["dEdO"]).tolist()
    assert len({*w, *dedo}) == 8
    assert min(w) < 0
    assert min(dedo) < 0


class Layer:
    """A layer as people write it, with its gradients in attributes."""

    def __init__(self, w, b, stride, padding):
        self.w, self.b, self.options = w, b, {"stride": stride, "padding": padding}

    def forward(self, x):
        self.x = x

    def backward(self, dedo):
        self.dw, dx, self.db = vars(cnngrad.backward(self.x, self.w, dedo, **self.options)).values()
        return dx


def step(x, w, dedo, rate, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return w - rate * found.dw, found.dx


def backward_by_cells(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw, found.dx, dedo.sum(axis=0)


def backward_of_means(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw / len(x), found.dx, found.db / len(x)


def test_the_recipes_for_other_conventions_are_right():
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    names = dict(globals())
    exec(readme.partition("**Other conventions**")[2].split("```")[1].removeprefix("python"), names)
    for name in ("attributes", "update", "cells", "mean"):
        findings = cnngrad.check_function(names[name], "quick", without=["dilation", "groups", "non-square"])
        assert findings.passed, (name, findings)
