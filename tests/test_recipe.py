"""Recipes of backward passes: the right one, its elements by themselves, and what changes of it have in common."""

from dataclasses import replace

import numpy as np
import pytest

import cnngrad
from cnngrad.causes import evaluate
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data, computed, made, probed
from cnngrad.causes.loops import right_loops
from cnngrad.causes.reading import products_of
from cnngrad.causes.recipe import right_recipe
from cnngrad.layer import make_layer
from cnngrad.tensor import GRADIENTS, RESULTS, Tensor
from tests.cases import SMALL

LISTED = [mistake for mistake in CATALOGUE if mistake.short]


def data_of(case):
    x, w, b, dedo = case.data()
    layer = make_layer(x.shape, w.shape, b_shape=b.shape if case.bias else None, **case.options)
    arrays = {Tensor.X: x, Tensor.W: w, Tensor.DEDO: dedo, **({Tensor.B: b} if case.bias else {})}
    return Data.of(layer, arrays)


@pytest.mark.parametrize("case", SMALL.values(), ids=list(SMALL))
def test_the_right_recipe_gives_the_right_result(case):
    x, w, b, dedo = case.data()
    grads = cnngrad.backward(x, w, dedo, **case.options)
    right = {result: getattr(grads, result.keyword) for result in GRADIENTS}
    right[Tensor.O] = cnngrad.forward(x, w, b if case.bias else None, **case.options)
    data = data_of(case)
    for result in RESULTS:
        np.testing.assert_array_equal(made(right_recipe(data.layer.own, result), data), right[result])


@pytest.mark.sampled(16)
@pytest.mark.parametrize("known", [False, True], ids=["computed", "known"])
@pytest.mark.parametrize("case", SMALL.values(), ids=list(SMALL))
def test_elements_by_themselves_are_those_of_the_whole(case, known, monkeypatch):
    """Tried for every mistake in every result, in layers that are usually too small for probes."""
    monkeypatch.setattr(evaluate, "_FEW_PRODUCTS", 0)
    data, generator, tried = data_of(case), np.random.default_rng(0), 0
    if known:
        right = (right_recipe(data.layer, result) for result in RESULTS)
        data = replace(data, known=tuple((recipe, computed(recipe, data)) for recipe in right))
    for mistake in LISTED:
        for result in mistake.results:
            for recipe in mistake.changed(right_recipe(data.layer, result)):
                whole = made(recipe, data)
                if not whole.size:
                    continue
                places = np.unique(generator.integers(0, whole.size, 4))
                few = probed(recipe, data, whole.shape, places)
                if few is not None:
                    np.testing.assert_array_equal(few, whole.reshape(-1)[places], f"{mistake.id} {recipe.detail}")
                    assert np.isnan(probed(recipe, data, (*whole.shape, 1), places)).all()
                    tried += 1
    assert tried > 50


@pytest.mark.parametrize("name", ["groups", "dilation and padding", "one axis, flip"])
def test_the_products_of_an_element_add_up_to_its_number(name):
    """Tried for every mistake in every result, as far as this is a sum of products of the given arrays."""
    case, generator, told = SMALL[name], np.random.default_rng(0), 0
    data, values = data_of(case), dict(zip((Tensor.X, Tensor.W, Tensor.B, Tensor.DEDO), case.data(), strict=True))
    shapes = data.layer.shapes
    for mistake in LISTED:
        for result in mistake.results:
            for recipe in mistake.changed(right_recipe(data.layer, result)):
                whole = made(recipe, data)
                if whole.shape != shapes[result]:
                    continue
                index = tuple(int(generator.integers(size)) for size in whole.shape)
                products = products_of(recipe, index)
                if products is None:
                    assert mistake.id in ("wrong-operand", "groups-mixed"), recipe.detail
                    continue
                terms = [each.coefficient * np.prod([values[t][k] for t, k in each.factors]) for each in products]
                assert sum(terms) == whole[index], f"{mistake.id} {recipe.detail}"
                assert all(each.coefficient for each in products), mistake.id
                told += 1
    assert told > 100


@pytest.mark.parametrize("case", SMALL.values(), ids=list(SMALL))
def test_a_mistake_changes_something_and_each_change_comes_once(case):
    layer = data_of(case).layer
    for mistake in LISTED:
        for result in mistake.results:
            right = right_recipe(layer, result)
            # Edits of arrays are functions, which are never alike.
            others = [recipe for recipe in mistake.changed(right) if recipe.reads is right.reads]
            for number, recipe in enumerate(others):
                assert recipe not in (right, *others[:number]), mistake.id
                assert all(size > 0 for size in recipe.size), mistake.id
                assert all(relation.output and relation.filter for relation in recipe.relations), mistake.id


WRITTEN = {
    "one channel and filter": ((5, 6), (3, 2), {}),
    "one filter, other padding than zeros": ((3, 5, 6), (3, 3, 2), {"padding": 1, "padding_mode": "reflect"}),
    "one filter, one axis": ((4, 5), (4, 2), {"dims": 1}),
    "one sample": ((3, 5, 6), (2, 3, 3, 2), {}),
    "one sample, channels last": ((5, 6, 3), (2, 3, 3, 2), {"layout": "hwc"}),
    "transposed, one sample": ((2, 3, 4), (2, 3, 2, 2), {"transposed": True}),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("x", "w", "options"), WRITTEN.values(), ids=list(WRITTEN))
def test_no_number_of_a_wrong_array_is_lost_with_the_axes_that_the_user_leaves_out(x, w, options):
    layer = make_layer(x, w, **options)
    generator = np.random.default_rng(0)
    data = Data.of(
        layer, {t: generator.integers(-9, 10, layer.canonical[t]) for t in (Tensor.X, Tensor.W, Tensor.DEDO)}
    )
    for mistake in CATALOGUE:
        for result in (Tensor.O, Tensor.DW, Tensor.DX, Tensor.DB):
            # What loops fill has the right shape.
            for recipe in (each for each in mistake.changed(right_recipe(layer, result)) if each.loops is None):
                whole = computed(recipe, data)
                np.testing.assert_array_equal(
                    made(recipe, data).ravel(), whole.ravel(), f"{mistake.id} {recipe.detail}"
                )


@pytest.mark.parametrize("case", SMALL.values(), ids=list(SMALL))
def test_loops_without_a_slip_give_the_right_result(case):
    data = data_of(case)
    layer = data.layer
    for result in (Tensor.O, Tensor.DW, Tensor.DX):
        recipe = replace(right_recipe(layer.own, result), layer=layer)
        less = Data(layer, {tensor: array for tensor, array in data.arrays.items() if tensor is not Tensor.B})
        right = computed(recipe, less)
        # X may lie in memory with its padding.
        borders = tuple(tuple(axis.border.tolist()) for axis in layer.axes)
        padded = recipe.but(loops=right_loops(layer.framed, recipe.result, layer), borders=borders)
        plain = recipe.but(loops=right_loops(layer, recipe.result))
        for each in (padded, plain) if layer.mode == "zeros" else (padded,):
            np.testing.assert_array_equal(computed(each, less), right)


@pytest.mark.parametrize("case", SMALL.values(), ids=list(SMALL))
def test_no_slip_is_tried_twice_and_none_is_right(case):
    layer = data_of(case).layer
    for result in (Tensor.O, Tensor.DW, Tensor.DX) if layer.mode == "zeros" else ():
        right = right_loops(layer, result)
        slipped = [right.lengths_slipped(), right.bounds_slipped()]
        slipped += [right.indices_slipped(left_out=left_out) for left_out in (True, False)]
        for slips in slipped:
            tried = [right]
            for words, loops in slips:
                # A letter that is left out counts 0 times.
                index = {axis: {letter: f for letter, f in each.items() if f} for axis, each in loops.index.items()}
                tried.append(replace(loops, index=index))
                assert tried[-1] not in tried[:-1], words


def test_a_mistake_that_may_give_the_right_result_is_hidden():
    """The windows end at the end of X: dE/dX of only what they cover is right, although no padding was cut off."""
    x, w = np.arange(1, 8).reshape(1, 7), np.array([[3, 1, 2]])
    dedo = np.array([[4, -2, 5]])
    options = {"stride": 2, "padding": ((0, 0), (0, 1)), "dims": 2}
    dx = cnngrad.backward(x, w, dedo, **options).dx
    assert "padding-not-cropped" in cnngrad.check(x, w, dedo, dx=dx, **options).gradients["dEdX"].hidden


def test_a_wrong_result_of_a_large_layer_is_named_by_its_probes_and_the_whole():
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 10, (2, 8, 20, 20)), rng.integers(-9, 10, (8, 8, 3, 3))
    dedo = rng.integers(-9, 10, cnngrad.forward(x, w).shape)
    for turned, factor, wanted in ((w[..., ::-1, ::-1], 1, ()), (w[..., ::-1, ::-1], -1, ("filter-not-rotated",))):
        claim = factor * cnngrad.backward(x, turned, dedo).dx
        found = cnngrad.check(x, w, dedo, dx=claim).gradients["dEdX"]
        assert {found.mistake, *found.together} == {"filter-not-rotated", *(["sign-flipped"] if wanted else [])}
        # One wrong element among those that are not looked at first.
        claim[1, 7, 13, 11] += 1
        besides = cnngrad.check(x, w, dedo, dx=claim).gradients["dEdX"]
        assert besides.mistake == (None if wanted else "filter-not-rotated")
        assert ("but for dE/dx[2,8]14,12" in besides.hint) is not bool(wanted)


@pytest.mark.parametrize("name", ["dw", "dx"])
def test_the_probes_of_a_large_layer_allow_for_rounding_whatever_the_sign(name):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((200, 200), (3, 3), (198, 198))]
    claim = -getattr(cnngrad.backward(*arrays), name).astype(np.float32)
    (found,) = cnngrad.check(*arrays, **{name: claim}).gradients.values()
    assert (found.mistake, found.together) == ("sign-flipped", ())
    assert found.hint.startswith("Every element has the wrong sign.")


def test_a_border_gives_back_to_where_it_was_taken_from():
    """dE/dX is the transpose of O with any border, so both give the same sum of products."""
    data = data_of(SMALL["dilation and padding"])
    x, dedo = data.arrays[Tensor.X], data.arrays[Tensor.DEDO]
    border = next(mistake for mistake in CATALOGUE if mistake.id == "border-not-zero")
    of_o, of_dx = (list(border.changed(right_recipe(data.layer, result))) for result in (Tensor.O, Tensor.DX))
    assert len(of_o) == 4
    for o, dx in zip(of_o, of_dx, strict=True):
        without_b = o.at(Tensor.B, "", lambda b: 0 * b)
        assert (computed(without_b, data) * dedo).sum() == (x * computed(dx, data)).sum()


def test_one_missing_part_of_a_large_layer_is_told():
    rng = np.random.default_rng(0)
    x, w = rng.integers(1, 10, (2, 8, 20, 20)), rng.integers(1, 10, (8, 8, 3, 3))
    dedo = rng.integers(1, 10, cnngrad.forward(x, w).shape)
    grads, less = cnngrad.backward(x, w, dedo), dedo.copy()
    less[:, -1] = 0
    claim = grads.dx.copy()
    claim[0] = cnngrad.backward(x, w, less).dx[0]
    found = cnngrad.check(x, w, dedo, dx=claim).gradients["dEdX"]
    assert found.mistake is None
    assert found.hint.endswith("In every wrong element the last filter is missing.")


def test_without_a_stride_no_zeros_between_elements_are_missing():
    """With stride 1, one copy of each element is the right recipe."""
    (mistake,) = (each for each in CATALOGUE if each.id == "stride-gap-wrong")
    for stride, is_made in ((1, False), ((1, 3), True)):
        recipe = right_recipe(make_layer((9, 9), (2, 2), stride=stride), Tensor.DX)
        assert any("copies" in changed.detail for changed in mistake.changed(recipe)) is is_made
