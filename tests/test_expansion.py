"""Expansions: names, terms and values of single elements."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnngrad
from cnngrad.layer import make_layer
from cnngrad.layer.expansion import Expander
from cnngrad.layer.names import Names, canonical_values
from cnngrad.tensor import Tensor
from tests import reference
from tests.cases import layers


def expanded(expansion):
    return " + ".join("·".join("0" if f is None else str(f) for f in term.factors) for term in expansion.terms)


# The notes' lines, with the mistakes listed in samples/README.md corrected.
NOTES = {
    (Tensor.O, (0, 0, 0, 0)): "w11·x11 + w12·x12 + w21·x21 + w22·x22",
    (Tensor.O, (0, 0, 0, 1)): "w11·x12 + w12·x13 + w21·x22 + w22·x23",
    (Tensor.O, (0, 0, 1, 0)): "w11·x21 + w12·x22 + w21·x31 + w22·x32",
    (Tensor.O, (0, 0, 1, 1)): "w11·x22 + w12·x23 + w21·x32 + w22·x33",
    (Tensor.DW, (0, 0, 0, 0)): "∂E/∂o11·x11 + ∂E/∂o12·x12 + ∂E/∂o21·x21 + ∂E/∂o22·x22",
    (Tensor.DW, (0, 0, 0, 1)): "∂E/∂o11·x12 + ∂E/∂o12·x13 + ∂E/∂o21·x22 + ∂E/∂o22·x23",
    (Tensor.DW, (0, 0, 1, 0)): "∂E/∂o11·x21 + ∂E/∂o12·x22 + ∂E/∂o21·x31 + ∂E/∂o22·x32",
    (Tensor.DW, (0, 0, 1, 1)): "∂E/∂o11·x22 + ∂E/∂o12·x23 + ∂E/∂o21·x32 + ∂E/∂o22·x33",
    (Tensor.DX, (0, 0, 0, 0)): "∂E/∂o11·w11 + ∂E/∂o12·0 + ∂E/∂o21·0 + ∂E/∂o22·0",
    (Tensor.DX, (0, 0, 0, 1)): "∂E/∂o11·w12 + ∂E/∂o12·w11 + ∂E/∂o21·0 + ∂E/∂o22·0",
    (Tensor.DX, (0, 0, 0, 2)): "∂E/∂o11·0 + ∂E/∂o12·w12 + ∂E/∂o21·0 + ∂E/∂o22·0",
    (Tensor.DX, (0, 0, 1, 0)): "∂E/∂o11·w21 + ∂E/∂o12·0 + ∂E/∂o21·w11 + ∂E/∂o22·0",
    (Tensor.DX, (0, 0, 1, 1)): "∂E/∂o11·w22 + ∂E/∂o12·w21 + ∂E/∂o21·w12 + ∂E/∂o22·w11",
    (Tensor.DX, (0, 0, 1, 2)): "∂E/∂o11·0 + ∂E/∂o12·w22 + ∂E/∂o21·0 + ∂E/∂o22·w12",
    (Tensor.DX, (0, 0, 2, 0)): "∂E/∂o11·0 + ∂E/∂o12·0 + ∂E/∂o21·w21 + ∂E/∂o22·0",
    (Tensor.DX, (0, 0, 2, 1)): "∂E/∂o11·0 + ∂E/∂o12·0 + ∂E/∂o21·w22 + ∂E/∂o22·w21",
    (Tensor.DX, (0, 0, 2, 2)): "∂E/∂o11·0 + ∂E/∂o12·0 + ∂E/∂o21·0 + ∂E/∂o22·w22",
    (Tensor.DB, (0,)): "∂E/∂o11 + ∂E/∂o12 + ∂E/∂o21 + ∂E/∂o22",
}


@pytest.mark.parametrize("element", NOTES, ids=str)
def test_the_notes_lines_symbol_by_symbol(element):
    expander = Expander(make_layer((3, 3), (2, 2)))
    full = expander.expand(*element, zeros=True)
    short = expander.expand(*element)
    assert expanded(full) == NOTES[element]
    assert expanded(short) == " + ".join(term for term in NOTES[element].split(" + ") if not term.endswith("·0"))
    assert short.zeros == NOTES[element].count("·0")


@given(layers(most=5), st.integers(0, 2**16))
def test_every_expansion_has_the_definitions_terms_and_the_cores_value(case, seed):
    x, w, b, dedo = case.data(seed)
    b = b if case.bias else None
    layer = make_layer(x.shape, w.shape, **case.options, b_shape=case.o[1:2] if case.bias else None)
    grads = cnngrad.backward(x, w, dedo, **case.options)
    arrays = {Tensor.X: x, Tensor.W: w, Tensor.DEDO: dedo}
    arrays |= {Tensor.DW: grads.dw, Tensor.DX: grads.dx, Tensor.DB: grads.db}
    arrays |= {Tensor.O: cnngrad.forward(x, w, b, **case.options)} | ({} if b is None else {Tensor.B: b})
    expander = Expander(layer, canonical_values(layer, arrays))
    triples = list(reference.pairs(x.shape, w.shape, dedo.shape, *case.definition))
    for tensor in (Tensor.O, Tensor.DW, Tensor.DX):
        for index in product(*map(range, layer.canonical[tensor])):
            expansion = expander.expand(tensor, index)
            assert_right(expansion, expected_terms(tensor, index, triples, layer, case.bias), expander)
    for f in range(layer.filters):
        assert_right(
            expander.expand(Tensor.DB, (f,)),
            [(Tensor.DEDO, (n, f, *i)) for n, f_, *i in product(*map(range, dedo.shape)) if f_ == f],
            expander,
        )


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_each_output_that_does_not_reach_an_input_is_one_product_with_0(mode):
    layer = make_layer((3, 4), (2, 3), padding=[(1, 0), (2, 1)], padding_mode=mode)
    expander = Expander(layer)
    outputs = {expander.names.symbol(Tensor.DEDO, (0, 0, *i)).name for i in product(*map(range, layer.out))}
    for index in product([0], [0], *map(range, layer.size)):
        short, full = (expander.expand(Tensor.DX, index, zeros=zeros) for zeros in (False, True))
        chain = expander.expand(Tensor.DX, index, chain=True)
        zeros = sorted(term.factors[0].name for term in full.terms if None in term.factors)
        assert zeros == sorted(outputs - {term.factors[0].name for term in short.terms})
        assert short.zeros == chain.zeros == len(zeros)
        assert (len(full.terms), full.zeros) == (full.count, 0)


def expected_terms(tensor, index, triples, layer, bias):
    position = {Tensor.O: 0, Tensor.DW: 1, Tensor.DX: 2}[tensor]
    own = [t for t in triples if t[position] == index]
    if tensor is Tensor.O:
        return [((Tensor.W, at_w), (Tensor.X, at_x)) for _, at_w, at_x in own] + (
            [(Tensor.B, index[1:2])] if bias else []
        )
    if tensor is Tensor.DW:
        return [((Tensor.DEDO, at_o), (Tensor.X, at_x)) for at_o, _, at_x in own]
    return [((Tensor.DEDO, at_o), (Tensor.W, at_w)) for at_o, at_w, _ in own]


def assert_right(expansion, expected, expander):
    def name(tensor, index):
        return expander.names.symbol(tensor, index).name

    found = sorted(tuple(f.name for f in term.factors) for term in expansion.terms)
    right = sorted((name(*t),) if isinstance(t[0], Tensor) else tuple(name(*f) for f in t) for t in expected)
    assert found == right
    assert sum(prod(term.values) for term in expansion.terms) == expansion.value
    assert expansion.left_out == 0


def test_zero_terms_are_counted_or_written():
    expander = Expander(make_layer((3, 3), (2, 2), padding=1))
    corner = expander.expand(Tensor.O, (0, 0, 0, 0))
    assert (expanded(corner), corner.zeros) == ("w22·x11", 3)
    assert expanded(expander.expand(Tensor.O, (0, 0, 0, 0), zeros=True)) == "w11·0 + w12·0 + w21·0 + w22·x11"


def test_an_element_that_no_window_reaches_has_no_terms():
    expansion = Expander(make_layer((5, 4), (2, 2), stride=2)).expand(Tensor.DX, (0, 0, 4, 1))
    assert (expansion.terms, expansion.zeros) == ((), 4)


def test_a_limit_cuts_terms_and_says_how_many():
    expansion = Expander(make_layer((2000, 2000), (3, 3))).expand(Tensor.DW, (0, 0, 1, 1), limit=5)
    assert len(expansion.terms) == 5
    assert expansion.count == 1998**2


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "tensor", "index", "name"),
    [
        ((3, 3), (2, 2), Tensor.X, (0, 0, 1, 1), "x22"),
        ((12, 3), (2, 2), Tensor.W, (0, 0, 1, 1), "w2,2"),
        ((12, 3), (2, 2), Tensor.X, (0, 0, 0, 1), "x1,2"),
        ((3, 3, 3), (2, 3, 2, 2), Tensor.X, (0, 1, 1, 1), "x[2]22"),
        ((3, 3, 3), (2, 3, 2, 2), Tensor.W, (1, 2, 1, 0), "w[2,3]21"),
        ((2, 3, 4, 4), (2, 3, 2, 2), Tensor.O, (1, 0, 2, 2), "o[2,1]33"),
        ((2, 3, 4, 4), (2, 3, 2, 2), Tensor.B, (1,), "b[2]"),
        ((3, 4, 4), (3, 2, 2), Tensor.B, (0,), "b"),
        ((15,), (2,), Tensor.X, (0, 0, 11), "x12"),
    ],
)
def test_elements_are_named_as_the_notes_name_them_and_understood_again(x_shape, w_shape, tensor, index, name):
    names = Names(make_layer(x_shape, w_shape))
    assert names.symbol(tensor, index).name == name
    explained = tensor if tensor is Tensor.O else tensor.gradient
    assert names.parse(name) == (explained, index)
    assert names.parse(f"dE/d{name}") == names.parse(f"∂E/∂{name}") == (explained, index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x44", r"'x44' is not an element of this layer: write o11 to o22, w11 to w22 or x11 to x33$"),
        ("w[1]11", r"not an element of this layer: write"),
        ("x1", "not an element of this layer"),
        ("y11", "'y11' is not an element of this layer"),
        (
            "x22, x23",
            "'x22, x23' is not .* or x11 to x33; repeat --element for each of several$",
        ),
        ("b1", r"'b1' .* write o11 to o22, w11 to w22 or x11 to x33$"),
        ("", "is not an element"),
    ],
)
def test_an_unknown_element_is_an_error_that_shows_the_range(text, message):
    with pytest.raises(cnngrad.CnngradError, match=message):
        Names(make_layer((3, 3), (2, 2))).parse(text)


def test_values_are_pythons_numbers():
    layer = make_layer((2, 2), (1, 1))
    values = canonical_values(
        layer, {Tensor.X: np.ones((2, 2), np.float32), Tensor.W: np.full((1, 1), 0.1, np.float32)}
    )
    expansion = Expander(layer, values).expand(Tensor.O, (0, 0, 0, 0))
    assert expansion.value == float(np.float32(0.1))
    assert type(expansion.value) is float
