"""Which relation between positions a wrong gradient follows, and what is said if no known mistake gives it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnngrad
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import right_recipe
from cnngrad.layer import Relation, make_layer
from cnngrad.tensor import Tensor

RESULTS = [Tensor.O, Tensor.DW, Tensor.DX]


def arrays(layer, seed=0):
    generator = np.random.default_rng(seed)
    return {t: generator.integers(1, 10, layer.canonical[t]) for t in (Tensor.X, Tensor.W, Tensor.DEDO)}


def data_of(layer, numbers):
    return Data.of(layer, numbers)


def made_by(layer, numbers, result, relations):
    return made(right_recipe(layer, result).by(relations), data_of(layer, numbers))


def graded(layer, numbers, result, claim):
    given = {tensor.keyword: array.reshape(layer.shapes[tensor]) for tensor, array in numbers.items()}
    return cnngrad.check(**given, **layer.options, **{result.keyword: claim}).gradients[result.key]


def by_loops(layer, numbers, result, relations):
    """The result whose positions follow the relations, added up product by product."""
    shape = layer.canonical
    made = np.zeros(shape[result], int)
    x, w, dedo = (numbers[tensor] for tensor in (Tensor.X, Tensor.W, Tensor.DEDO))
    for i in range(layer.out[0]):
        for u in range(layer.kernel[0]):
            a, b, c = relations[0]
            h = a * i + b * u + c
            if 0 <= h < layer.size[0]:
                if result is Tensor.O:
                    made[:, :, i] += np.einsum("nc,fc->nf", x[:, :, h], w[:, :, u])
                elif result is Tensor.DW:
                    made[:, :, u] += np.einsum("nf,nc->fc", dedo[:, :, i], x[:, :, h])
                else:
                    made[:, :, h] += np.einsum("nf,fc->nc", dedo[:, :, i], w[:, :, u])
    return made


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.key)
@given(
    relation=st.tuples(st.integers(-3, 3).filter(bool), st.integers(-3, 3).filter(bool), st.integers(-4, 6)),
    flip=st.booleans(),
)
def test_what_follows_a_relation_is_what_loops_give(result, relation, flip):
    layer = make_layer((2, 2, 7), (3, 2, 3), stride=2, padding=1, flip=flip, dims=1)
    numbers = arrays(layer)
    array = made_by(layer, numbers, result, [Relation(*relation)])
    np.testing.assert_array_equal(array, by_loops(layer, numbers, result, [relation]))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.key)
def test_the_relation_of_a_layer_gives_the_right_result(result, flip):
    layer = make_layer((2, 2, 7, 6), (3, 2, 3, 2), stride=2, padding=1, dilation=(1, 2), flip=flip)
    numbers = arrays(layer)
    right = made_by(layer, numbers, result, [axis.relation for axis in layer.axes])
    assert graded(layer, numbers, result, right)
    assert not graded(layer, numbers, result, right).relation


@pytest.mark.sampled(2)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.key)
def test_the_relation_of_an_unknown_mistake_is_found(result, flip):
    layer = make_layer((15, 13), (3, 2), stride=2, padding=1, flip=flip)
    numbers = arrays(layer)
    followed = [Relation(a + 1, -b, c + 2) for a, b, c in [axis.relation for axis in layer.axes]]
    report = graded(layer, numbers, result, made_by(layer, numbers, result, followed))
    assert report.mistake is None
    first, right = followed[0], next(axis.relation for axis in layer.axes)
    assert f"Your numbers follow input position = {first} along the rows" in report.relation
    assert f"it should be {right}" in report.relation


@pytest.mark.usefixtures("unnamed")
@pytest.mark.parametrize("result", [Tensor.O, Tensor.DX], ids=lambda result: result.key)
@pytest.mark.parametrize(
    ("relation", "found"),
    [
        ((4, 3, 3), "4·i + 3·u + 3"),
        ((4, -3, 3), "4·i − 3·u + 3"),
        ((1, 2, -3), "1·i + 2·u − 3"),
        ((5, 3, 3), None),
        ((4, 4, 3), None),
        ((1, 2, 4), None),
        ((1, 2, -4), None),
    ],
)
def test_relations_are_sought_up_to_a_bound(result, relation, found):
    """4 is the largest factor of i, 3 the largest factor of u and the furthest shift."""
    layer = make_layer((1, 1, 31), (1, 1, 4), dims=1)
    numbers = arrays(layer)
    report = graded(layer, numbers, result, by_loops(layer, numbers, result, [relation]))
    assert report.relation.startswith(f"Your numbers follow input position = {found}; " if found else "")
    assert bool(report.relation) is bool(found)


@pytest.mark.usefixtures("unnamed")
@pytest.mark.parametrize(("nearest", "furthest"), [(-4, 2), (11, 17)])
def test_a_filter_that_runs_backwards_is_shifted_from_where_its_windows_or_its_first_elements_are(nearest, furthest):
    """X's first window begins at -1. There either the first filter element lies, or 15 positions behind it."""
    layer = make_layer((1, 1, 31), (1, 1, 6), padding=1, dims=1)
    numbers = arrays(layer)
    for constant in (nearest - 1, nearest, furthest, furthest + 1):
        relation = Relation(1, -3, constant)
        report = graded(layer, numbers, Tensor.DX, by_loops(layer, numbers, Tensor.DX, [relation]))
        assert (f"input position = {relation};" in report.relation) is (nearest <= constant <= furthest)


@pytest.mark.usefixtures("unnamed")
def test_two_windows_and_two_filter_elements_suffice_to_determine_their_factors():
    for out, kernel, relation in ((2, 6, (3, 2, 1)), (6, 2, (2, 3, 1))):
        layer = make_layer((1, 1, out + kernel - 1), (1, 1, kernel), dims=1)
        numbers = arrays(layer)
        report = graded(layer, numbers, Tensor.DX, by_loops(layer, numbers, Tensor.DX, [relation]))
        assert "input position = {}·i + {}·u + {};".format(*relation) in report.relation


def test_four_numbers_follow_some_relation_by_chance():
    for kernel, told in ((4, False), (5, True)):
        layer = make_layer((1, 1, 31), (1, 1, kernel), dims=1)
        numbers = arrays(layer)
        report = graded(layer, numbers, Tensor.DW, by_loops(layer, numbers, Tensor.DW, [(2, 3, 1)]))
        assert report.mistake is None
        assert ("2·i + 3·u + 1" in report.relation) is told


def test_the_relation_of_a_large_layer_is_found_within_the_budget():
    """One element of dE/dW rules a relation out, although dE/dW is small: the sums are long."""
    layer = make_layer((512, 512), (3, 3))
    numbers = arrays(layer)
    x, dedo = (numbers[tensor][0, 0] for tensor in (Tensor.X, Tensor.DEDO))
    behind = np.pad(x, (0, 6))
    claim = np.array([
        [(dedo * behind[3 * u + 2 : 3 * u + 512, 3 * v + 2 : 3 * v + 512]).sum() for v in range(3)] for u in range(3)
    ])  # fmt: skip
    report = graded(layer, numbers, Tensor.DW, claim)
    assert report.mistake is None
    assert "follow input position = 1·i + 3·u + 2 along the rows and columns" in report.relation


def test_the_relation_of_a_known_mistake_is_told():
    layer = make_layer((5, 6), (3, 2), stride=2)
    numbers = arrays(layer)
    right = right_recipe(layer, Tensor.DX)
    recipe = right.but(relations=(right.relations[0]._replace(output=1), right.relations[1]))
    claim = made(recipe, data_of(layer, numbers))
    report = graded(layer, numbers, Tensor.DX, claim.reshape(5, 6))
    assert report.mistake == "stride-ignored"
    assert report.relation == (
        "Your numbers follow input position = 1·i + 1·u along the rows; it should be 2·i + 1·u "
        "(output position i and filter position u count from 0)."
    )
    assert graded(layer, numbers, Tensor.DX, -cnngrad.backward(
        *(numbers[t].reshape(layer.shapes[t]) for t in (Tensor.X, Tensor.W, Tensor.DEDO)), stride=2
    ).dx).relation == ""  # fmt: skip


@pytest.mark.parametrize(("times", "happens"), [(0, "is missing"), (2, "counts twice")])
def test_what_is_missing_or_counts_twice_in_some_elements_is_told(times, happens):
    layer = make_layer((2, 2, 6, 5), (3, 2, 3, 2))
    numbers = arrays(layer)
    data, right = data_of(layer, numbers), right_recipe(layer, Tensor.DW)
    last = numbers[Tensor.DEDO].copy()
    last[1:] = 0
    claim, first = made(right, data), made(right, data_of(layer, numbers | {Tensor.DEDO: last}))
    claim[0] += (times - 1) * first[0]
    report = graded(layer, numbers, Tensor.DW, claim)
    assert report.mistake is None
    assert f"In every wrong element the first sample {happens}." in report.hint


@pytest.mark.parametrize(("count", "told"), [(3, False), (4, True)])
def test_what_fewer_than_four_wrong_elements_lack_is_not_told(count, told):
    layer = make_layer((2, 2, 6, 5), (3, 2, 3, 2))
    numbers = arrays(layer)
    last = numbers[Tensor.DEDO].copy()
    last[:1] = 0
    right = right_recipe(layer, Tensor.DW)
    claim, less = made(right, data_of(layer, numbers)), made(right, data_of(layer, numbers | {Tensor.DEDO: last}))
    claim.flat[:count] = less.flat[:count]
    assert ("In every wrong element" in graded(layer, numbers, Tensor.DW, claim).hint) is told


def test_a_factor_that_multiplies_0_alone_is_not_accused():
    layer = make_layer((2, 7, 7), (3, 2, 1, 1), dilation=2, dims=2)
    numbers = arrays(layer)
    followed = [Relation(1, 2, -3), Relation(1, 2, -3)]
    report = graded(layer, numbers, Tensor.DX, made_by(layer, numbers, Tensor.DX, followed).reshape(2, 7, 7))
    assert report.mistake is None
    assert report.relation.startswith("Your numbers follow input position = 1·i + 2·u − 3 along the rows and columns")


def test_the_relation_of_a_mistake_in_a_transposed_layer_with_a_bias_is_told():
    generator = np.random.default_rng(0)
    x, w, b = (generator.integers(1, 10, shape) for shape in ((2, 3, 4, 5), (3, 2, 3, 2), (2,)))
    options = {"transposed": True, "stride": (2, 3), "padding": (1, 0)}
    o = cnngrad.forward(x, w[..., ::-1, ::-1], b, **options)
    report = cnngrad.check(x, w, b=b, o=o, **options).gradients["O"]
    assert report.mistake == "filter-not-rotated"
    assert "output position = 2·i − 1·u + 1 along the rows; it should be 2·i + 1·u − 1" in report.relation
