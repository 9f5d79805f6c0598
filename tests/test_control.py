"""The control of `check --run`: every known mistake is named in every layer that shows it, and right passes pass.

Over the quick suite as a rule, and over the standard one with `--whole`, as `.ci/run` does.
"""

import numpy as np
import pytest

import cnngrad
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data, computed
from cnngrad.causes.recipe import right_recipe
from cnngrad.programs.judging import run_layers
from cnngrad.programs.programs import Program
from cnngrad.programs.verdicts import Answer
from cnngrad.tensor import RESULTS, Tensor
from tests.passes import PASSES


@pytest.fixture(scope="module")
def layers(whole):
    # Layers at the edges of tiles, and of long sums, are large and show no other mistakes.
    standard = [each for each in cnngrad.suite("standard") if not each.name.startswith(("edge-", "numbers-"))]
    return standard if whole else cnngrad.suite("quick")


def data_of(layer, dtype=float):
    canonical = layer.layer.canonical
    arrays = {tensor: array.reshape(canonical[tensor]).astype(dtype) for tensor, array in layer.arrays.items()}
    return Data(layer.layer, arrays)


class Wrong(Program):
    """Makes one mistake in one result, in every layer where it changes a number."""

    def __init__(self, mistake, result):
        self.mistake, self.result, self.shown = mistake, result, []

    def run(self, layer, keep=None):
        data, recipe = data_of(layer), right_recipe(layer.layer, self.result)
        right = computed(recipe, data)
        # Without a bias there is no dE/db to be wrong.
        for changed in () if self.result is Tensor.DB and not layer.layer.has_bias else self.mistake.changed(recipe):
            array = computed(changed, data)
            if array.shape == right.shape and not np.array_equal(array, right):
                self.shown.append(layer)
                return Answer({self.result: array})
        return Answer({self.result: right})


# Mistakes without a phrase for lists are looked for only if no other explains a result, and so are not always named.
LISTED = [mistake for mistake in CATALOGUE if mistake.short]
MADE = [(mistake, result) for mistake in LISTED for result in RESULTS if result in mistake.results]


@pytest.mark.usefixtures("few_smaller_layers")
@pytest.mark.sampled(17)
@pytest.mark.parametrize(("mistake", "result"), MADE, ids=[f"{m.id}-{result.key}" for m, result in MADE])
def test_a_mistake_run_as_a_program_is_named_in_every_layer_that_shows_it(mistake, result, layers):
    program = Wrong(mistake, result)
    findings = run_layers([program], layers)
    # It is run with other numbers too.
    shown = {layer.name for layer in layers if any(layer is each for each in program.shown)}
    assert {outcome.layer.name for outcome in findings.failing} == shown
    named = 0
    for outcome in findings.failing:
        # One number fits too many mistakes: only a few are named for it.
        if outcome.results[result].report.analytic.size > 1:
            named += 1
            explanations = outcome.results[result].report.found
            assert any(mistake.id in names for names in explanations), outcome.layer.name
            assert mistake.id in outcome.layer.shows
    if named:
        assert findings.explanation.explains >= named


class Right(Program):
    """A right pass in one precision."""

    def __init__(self, compute, dtype):
        self.compute, self.dtype = compute, dtype

    @np.errstate(over="ignore", invalid="ignore")  # float16 does not hold the numbers of some layers: they are skipped
    def run(self, layer, keep=None):
        data = data_of(layer, self.dtype)
        # Programs in half precision add up in single.
        wide = np.promote_types(self.dtype, np.float32)
        dw, dx = self.compute(
            data.layer, *(data.arrays[tensor].astype(wide) for tensor in (Tensor.X, Tensor.W, Tensor.DEDO))
        )
        return Answer({Tensor.DW: dw.astype(self.dtype), Tensor.DX: dx.astype(self.dtype)})


@pytest.mark.sampled(5)
@pytest.mark.parametrize("decimals", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("compute", PASSES)
def test_a_right_pass_passes_everywhere(compute, dtype, decimals, layers):
    made = cnngrad.suite("standard", decimals=True) if decimals else layers
    # These passes know no padding but zeros.
    plain = [layer for layer in made if layer.layer.mode == "zeros"]
    findings = run_layers([Right(compute, dtype)], plain)
    assert findings.passed, str(findings)
