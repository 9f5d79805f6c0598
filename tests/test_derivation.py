"""The derivation as data: the notes' argument, pictures, matrices, and what it costs."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnngrad
from cnngrad.derivation.blocks import Expansions, Form, Formula, GridRow, Picture, Sentence
from cnngrad.derivation.choice import SECTIONS, Choice
from cnngrad.derivation.grids import Fill, Grid, Pair
from cnngrad.derivation.lesson import lesson
from cnngrad.derivation.pictures import layer_matrix, pictures
from cnngrad.layer import make_layer
from cnngrad.layer.expansion import Expander
from cnngrad.layer.names import Names
from cnngrad.render.maths import plain
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import text_of
from cnngrad.tensor import GRADIENTS, Tensor
from tests.cases import layers

X, W, G = [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]], [[4, -2], [-3, 5]]


def blocks_of(derivation):
    return [block for section in derivation.sections for block in section.blocks]


def equations(derivation):
    """Every equation of a derivation as text, in order."""
    found = []
    for block in blocks_of(derivation):
        if isinstance(block, Formula):
            found.append(plain(*block.row))
        elif isinstance(block, Expansions):
            for e in block.expansions:
                terms = ["·".join("0" if f is None else str(f) for f in term.factors) for term in e.terms]
                found.append(f"{e.target} = {' + '.join(terms)}")
        elif isinstance(block, GridRow):
            found.append(" ".join(as_text(item) for item in block.items))
        elif isinstance(block, Picture):
            found += [" ".join(map(as_text, row.items)) for row in (block.symbols, block.numbers) if row is not None]
    return found


def as_text(item):
    if not isinstance(item, Grid):
        return str(item).strip()
    rows = [" ".join(("[%s]" if cell.marked else "%s") % shown(cell) for cell in row) for row in item.cells]
    return f"({' | '.join(rows)})"


def shown(cell):
    parts = cell.content if isinstance(cell.content, Pair) else [cell.content]
    return "·".join("0" if isinstance(part, Fill) else str(part) for part in parts)


def chain(target, outputs):
    return f"∂E/∂{target} = " + " + ".join(f"∂E/∂{o}·∂{o}/∂{target}" for o in outputs)


OUTPUTS = ("o11", "o12", "o21", "o22")
DO = "(∂E/∂o11 ∂E/∂o12 | ∂E/∂o21 ∂E/∂o22)"
XS, WS = "(x11 x12 x13 | x21 x22 x23 | x31 x32 x33)", "(w11 w12 | w21 w22)"
TURNED = "(w22 w21 | w12 w11)"
DX = "(∂E/∂x11 ∂E/∂x12 ∂E/∂x13 | ∂E/∂x21 ∂E/∂x22 ∂E/∂x23 | ∂E/∂x31 ∂E/∂x32 ∂E/∂x33)"

# Every equation of the notes in their order, with the mistakes listed in samples/README.md corrected.
NOTES = [
    f"(o11 o12 | o21 o22) = {XS} ∗ {WS}",
    "o11 = w11·x11 + w12·x12 + w21·x21 + w22·x22",
    "o12 = w11·x12 + w12·x13 + w21·x22 + w22·x23",
    "o21 = w11·x21 + w12·x22 + w21·x31 + w22·x32",
    "o22 = w11·x22 + w12·x23 + w21·x32 + w22·x33",
    *(chain(w, OUTPUTS) for w in ("w11", "w12", "w21", "w22")),
    "∂E/∂w11 = ∂E/∂o11·x11 + ∂E/∂o12·x12 + ∂E/∂o21·x21 + ∂E/∂o22·x22",
    "∂E/∂w12 = ∂E/∂o11·x12 + ∂E/∂o12·x13 + ∂E/∂o21·x22 + ∂E/∂o22·x23",
    "∂E/∂w21 = ∂E/∂o11·x21 + ∂E/∂o12·x22 + ∂E/∂o21·x31 + ∂E/∂o22·x32",
    "∂E/∂w22 = ∂E/∂o11·x22 + ∂E/∂o12·x23 + ∂E/∂o21·x32 + ∂E/∂o22·x33",
    f"(∂E/∂w11 ∂E/∂w12 | ∂E/∂w21 ∂E/∂w22) = {XS} ∗ {DO}",
    "∂E/∂x11 = ∂E/∂o11·w11 + ∂E/∂o12·0 + ∂E/∂o21·0 + ∂E/∂o22·0",
    "∂E/∂x12 = ∂E/∂o11·w12 + ∂E/∂o12·w11 + ∂E/∂o21·0 + ∂E/∂o22·0",
    "∂E/∂x13 = ∂E/∂o11·0 + ∂E/∂o12·w12 + ∂E/∂o21·0 + ∂E/∂o22·0",
    "∂E/∂x21 = ∂E/∂o11·w21 + ∂E/∂o12·0 + ∂E/∂o21·w11 + ∂E/∂o22·0",
    "∂E/∂x22 = ∂E/∂o11·w22 + ∂E/∂o12·w21 + ∂E/∂o21·w12 + ∂E/∂o22·w11",
    "∂E/∂x23 = ∂E/∂o11·0 + ∂E/∂o12·w22 + ∂E/∂o21·0 + ∂E/∂o22·w12",
    "∂E/∂x31 = ∂E/∂o11·0 + ∂E/∂o12·0 + ∂E/∂o21·w21 + ∂E/∂o22·0",
    "∂E/∂x32 = ∂E/∂o11·0 + ∂E/∂o12·0 + ∂E/∂o21·w22 + ∂E/∂o22·w21",
    "∂E/∂x33 = ∂E/∂o11·0 + ∂E/∂o12·0 + ∂E/∂o21·0 + ∂E/∂o22·w22",
    "∂E/∂X = Full-Conv(∂E/∂O, Rotated 180°(W))",
    f"rotate 180° {WS} = {TURNED}",
    f"{DX} = Full-Conv( {DO} , {TURNED} )",
    "(0 0 0 0 | 0 ∂E/∂o11 ∂E/∂o12 0 | 0 ∂E/∂o21 ∂E/∂o22 0 | 0 0 0 0)",
    "([0·w22] [0·w21] 0 0 | [0·w12] [∂E/∂o11·w11] ∂E/∂o12 0 | 0 ∂E/∂o21 ∂E/∂o22 0 | 0 0 0 0)",
    "∂E/∂W = Conv(Input X, Loss gradient ∂E/∂O)",
    "∂E/∂X = Full-Conv(Loss gradient ∂E/∂O, Rotated 180°(W))",
]


def test_the_derivation_holds_every_equation_of_the_notes_in_their_order():
    found = iter(equations(cnngrad.derive("3x3", "2x2", "2x2", zeros=True)))
    for equation in NOTES:
        assert equation in found, equation


def test_numbers_do_not_change_the_argument():
    with_numbers = equations(cnngrad.derive(X, W, G))
    for equation in equations(cnngrad.derive("3x3", "2x2", "2x2")):
        assert any(equation in found for found in with_numbers), equation


def test_the_sections_are_in_the_order_of_the_notes():
    sections = cnngrad.derive(X, W, G, b=[1]).sections
    assert tuple(section.name for section in sections) == SECTIONS
    assert ["".join(map(str, section.title)) for section in sections] == [
        "The layer",
        "O = Conv(X, W) + b",
        "∂E/∂W by the chain rule",
        "∂E/∂W as a convolution",
        "In an MLP",
        "∂E/∂X by the chain rule",
        "∂E/∂X as a full convolution",
        "∂E/∂b",
        "Summary",
    ]


@pytest.mark.parametrize(("only", "letters"), [("dW", {"w"}), ("dX", {"x"}), ("db", {"b"})])
def test_one_gradient_alone(only, letters):
    derivation = cnngrad.derive(X, W, G, only=only)
    targets = {e.target for b in blocks_of(derivation) if isinstance(b, Expansions) for e in b.expansions}
    assert {t.tensor.letter for t in targets if t.tensor.is_gradient} == letters


def test_every_result_stands_at_the_end_of_its_sections():
    derivation = cnngrad.derive(X, W, G)
    grads = cnngrad.backward(X, W, G)
    for title, result in (("∂E/∂W", grads.dw), ("∂E/∂X", grads.dx)):
        for section in derivation.sections:
            if str(section.title[0]) == f"{title} by the chain rule":
                grids = [item for item in section.blocks[-1].items if isinstance(item, Grid)]
                assert [[cell.content for cell in row] for row in grids[-1].cells] == result.tolist()


def covered_of(row):
    return [cell.content for grid in row.items for line in grid.cells for cell in line if cell.marked]


@given(layers(most=5), st.sampled_from([Tensor.O, Tensor.DW, Tensor.DX]), st.integers(0, 2**16))
def test_what_a_picture_marks_are_the_terms_of_the_sum(case, tensor, seed):
    x, w, _, dedo = case.data(seed)
    layer = make_layer(x.shape, w.shape, **case.options)
    values = dict(zip((Tensor.X, Tensor.W, Tensor.DEDO), (x, w, dedo), strict=True))
    expander = Expander(layer, values)
    index = tuple(
        int(k) for k in np.unravel_index(seed % int(np.prod(layer.canonical[tensor])), layer.canonical[tensor])
    )
    expansion = expander.expand(tensor, index)
    shown = list(pictures(expander.names, tensor, index))
    marked = [pair for each in shown for pair in covered_of(each.symbols)]
    products = [pair for pair in marked if not isinstance(pair.left, Fill)]
    assert sorted(sorted(map(str, pair)) for pair in products) == sorted(
        sorted(map(str, term.factors)) for term in expansion.terms
    )
    numbers = [pair for each in shown for pair in covered_of(each.numbers)]
    assert len(numbers) == len(marked)
    assert sum(left * right for left, right in numbers if not isinstance(left, Fill)) == sum(
        left * right for left, right in (term.values for term in expansion.terms)
    )
    for each in shown:
        text = text_of(Painter().blocks([each]))
        rows = [row for row in (each.symbols, each.numbers) if row is not None]
        # A mark is a bracket with a product in it; names have brackets behind a letter.
        seen = len(re.findall(r"(?<![a-z])\[", text))
        once = len(covered_of(each.numbers))
        apart = sum(
            cell.marked for item in each.apart.items if isinstance(item, Grid) for row in item.cells for cell in row
        )
        assert seen in {*(once * number for number in range(1, len(rows) + 1)), apart}


@pytest.mark.parametrize("kernel", [(1, 45), (30, 2), (26, 27)])
def test_a_window_of_any_size_is_seen_whole(kernel):
    size = [k + 2 for k in kernel]
    x, w = np.arange(np.prod(size)).reshape(size), np.arange(1, np.prod(kernel) + 1).reshape(kernel)
    for values in ({}, {Tensor.X: x[None, None], Tensor.W: w[None, None]}):
        expander = Expander(make_layer(x.shape, w.shape), values)
        (picture,) = pictures(expander.names, Tensor.O, (0, 0, 1, 1))
        text = text_of(Painter().blocks([picture]))
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= 80
        assert len(re.findall(r"(?<![a-z])\[", text)) == np.prod(kernel)


@given(layers(most=4), st.integers(0, 2**16))
def test_the_layers_matrix_gives_o_and_its_transpose_dx(case, seed):
    x, w, _, dedo = case.data(seed)
    layer = make_layer(x.shape, w.shape, **case.options)
    names = Names(layer, {Tensor.W: w})
    matrix, transposed = (
        np.array(
            [
                [0 if cell.content is Fill.NONE else sum(np.ravel(cell.content).tolist()) for cell in row]
                for row in layer_matrix(names, transposed=t).cells
            ]
        )
        for t in (False, True)
    )
    np.testing.assert_array_equal(matrix.T, transposed)
    for n in range(len(x)):
        np.testing.assert_array_equal(matrix @ x[n].ravel(), cnngrad.forward(x, w, **case.options)[n].ravel())
        dx = cnngrad.backward(x, w, dedo, **case.options).dx
        np.testing.assert_array_equal(transposed @ dedo[n].ravel(), dx[n].ravel())


@given(layers(most=4))
def test_every_layer_has_a_derivation(case):
    x, w, b, dedo = case.data()
    for derivation in (
        cnngrad.derive(x, w, dedo, b=b if case.bias else None, **case.options),
        cnngrad.derive(x, w, b=b if case.bias else None, **case.options),
    ):
        for block in blocks_of(derivation):
            if isinstance(block, GridRow):
                assert all(item.cells for item in block.items if isinstance(item, Grid))
            if isinstance(block, Sentence):
                assert "".join(map(str, block.parts)).strip()


def test_leftover_rows_are_named_with_the_reason():
    sentences = [
        "".join(map(str, b.parts)) for b in blocks_of(cnngrad.derive("5x4", "2x2", stride=2)) if isinstance(b, Sentence)
    ]
    assert any("No window reads row 5 of X, since the stride 2 does not divide" in s for s in sentences)


def test_rows_that_a_large_stride_steps_over_are_named():
    sentences = [
        "".join(map(str, b.parts)) for b in blocks_of(cnngrad.derive("7x1", "1x1", stride=3)) if isinstance(b, Sentence)
    ]
    assert any("rows 2, 3, 5, 6 of X, since the stride 3 is larger than the window of 1" in s for s in sentences)


def test_a_window_over_the_padding_is_written_out_once():
    tables = [b for b in blocks_of(cnngrad.derive("3x3", "2x2", padding=1)) if isinstance(b, Expansions)]
    written = [e for t in tables for e in t.expansions if any(None in term.factors for term in e.terms)]
    assert [str(e.target) for e in written] == ["o11"]


def test_chain_and_worked_tables_have_the_same_elements():
    tables = [b for b in blocks_of(cnngrad.derive("4x4", "2x2", "3x3", only="dW")) if isinstance(b, Expansions)]
    chains = [t for t in tables if t.form is Form.CHAIN]
    assert len(chains) == 1
    assert [str(e.target) for e in chains[0].expansions] == ["∂E/∂w11", "∂E/∂w12", "∂E/∂w21", "∂E/∂w22"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": "dO"}, "only is 'dO': it must be dW, dX, db, or omitted"),
        ({"limit": 0}, "limit is 0: it must be at least 1"),
        ({"terms": 0}, "terms is 0: it must be at least 1"),
        ({"sections": ["mlp", "dy"]}, "section 'dy' is unknown: use layer, output, dw"),
        ({"only": "dW", "sections": ["dx"]}, "section dx is not in this derivation: use layer, output, dw, dw-conv"),
        ({"elements": ["o11"]}, "o belongs to forward"),
        ({"elements": ["b"]}, "b belongs to backward of a layer with a bias"),
        ({"only": "dW", "elements": ["x11"]}, "there to dX; here it can be a w such as w11"),
    ],
)
def test_a_choice_that_makes_no_sense_is_an_error(arguments, message):
    with pytest.raises(cnngrad.CnngradError, match=message):
        cnngrad.derive(X, W, G, **arguments)


def test_a_word_that_is_no_shape_is_an_error():
    with pytest.raises(cnngrad.CnngradError, match="X is 'three': give an array, or a shape such as '3x3'"):
        cnngrad.derive("three", "2x2")


class Untouched:
    """Numbers that count how often they are looked at."""

    def __init__(self):
        self.looks = 0

    def __getitem__(self, index):
        self.looks += 1
        return 1


@pytest.mark.parametrize("element", ["x1000,1000", "w2,2"])
def test_one_element_costs_the_same_in_a_large_layer(element):
    looks = []
    for size in (2048, 20480):
        layer = make_layer((size, size), (3, 3))
        numbers = Untouched()
        values = dict.fromkeys((Tensor.X, Tensor.W, Tensor.DEDO, Tensor.DW, Tensor.DX, Tensor.DB), numbers)
        derivation = lesson(layer, values, Choice((element,), limit=64), GRADIENTS[:2])
        assert derivation.sections[0].blocks
        looks.append(numbers.looks)
    assert looks[0] == looks[1] < 1000


def test_the_whole_derivation_of_a_large_layer_stays_small_under_its_limit():
    looks = []
    for size in (2048, 20480):
        numbers = Untouched()
        values = dict.fromkeys((Tensor.X, Tensor.W, Tensor.DEDO, Tensor.DW, Tensor.DX, Tensor.DB), numbers)
        lesson(make_layer((size, size), (3, 3)), values, Choice(limit=4), GRADIENTS[:2])
        looks.append(numbers.looks)
    assert looks[0] == looks[1] < 5000


NUMPYS = {"": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
AXES = {1: ("positions",), 2: ("rows", "columns"), 3: ("depths", "rows", "columns")}


def per_axis(text, dims):
    """The numbers of `1 zero`, or of `1 zero (rows), 2 zeros (columns)`."""
    found = [int(number) for number in re.findall(r"(\d+) (?:zero|cell|position)s?", text)]
    return found if len(found) == dims else found * dims


def sides(text, dims):
    """The numbers of zeros before and behind on each axis."""
    if match := re.fullmatch(r"(\d+) zeros? on each side", text):
        return [(int(match[1]), int(match[1]))] * dims
    found = [(int(a), int(b)) for a, b in re.findall(r"(\d+) zeros? before and (\d+) behind", text)]
    return found if len(found) == dims else found * dims


def spread(array, zeros):
    made = np.zeros([(n - 1) * (z + 1) + 1 for n, z in zip(array.shape, zeros, strict=True)], array.dtype)
    made[tuple(slice(None, None, z + 1) for z in zeros)] = array
    return made


def slid(still, moving, steps):
    """The sums of products where one array lies on the other, moved in steps."""
    windows = np.lib.stride_tricks.sliding_window_view(still, moving.shape)
    taken = windows[tuple(slice(None, None, step) for step in steps)]
    return (taken * moving).sum(tuple(range(-moving.ndim, 0)))


@given(layers(counts=1), st.integers(0, 2**16))
def test_the_recipes_in_words_done_literally_give_the_gradients(case, seed):
    x, w, _, dedo = case.data(seed)
    derivation = cnngrad.derive(x, w, dedo, sections=["summary"], **case.options)
    told = ["".join(map(str, b.parts)) for b in blocks_of(derivation) if isinstance(b, Sentence)]
    grads, dims = cnngrad.backward(x, w, dedo, **case.options), case.dims
    x, w, dedo = (array[0, 0] for array in (x, w, dedo))

    def phrase(pattern, text, default=""):
        match = re.search(pattern, text)
        return match[1] if match else default

    for_w = told[0].removeprefix("Here: ").removesuffix(".")
    between = per_axis(phrase(r"with ([^,]*(?:, \d+ zeros? [^,]*)*) between its elements", for_w, "0 zeros"), dims)
    said = phrase(r"its padding of (.*?)(?:, without|, in steps|; the result|$)", for_w, "0 zeros on each side")
    mode = phrase(r" \((reflect|replicate|circular)\)$", said)
    padding = sides(said.removesuffix(f" ({mode})").replace("position", "zero"), dims)
    steps = per_axis(phrase(r"in steps of (.*) \(dilation\)", for_w, "1 position"), dims)
    still = np.pad(x, padding, NUMPYS[mode])
    for axis, word in enumerate(AXES[dims]):
        if match := re.search(rf"the last (?:(\d+) {word}|{word[:-1]})\b", for_w):
            still = still[(slice(None),) * axis + (slice(0, still.shape[axis] - int(match[1] or 1)),)]
    found = slid(still, spread(dedo, between), steps)
    np.testing.assert_array_equal(np.flip(found) if "rotated" in for_w else found, grads.dw[0, 0])

    for_x = told[1].removeprefix("Here: ").removesuffix(".")
    between = per_axis(phrase(r"with ([^,]*(?:, \d+ zeros? [^,]*)*) between its elements", for_x, "0 zeros"), dims)
    frame = sides(phrase(r"a frame of (.*?)(?:, under|, cut|; the|$)", for_x), dims)
    apart = [d - 1 for d in per_axis(phrase(r"elements lie (.*?) apart", for_x, "1 cell"), dims)]
    cut = sides(
        phrase(r"(?:the|a) padding of (.*?)(?: \(\w+\), and|$)", for_x, "0 zeros on each side").replace(
            "position", "zero"
        ),
        dims,
    )
    turned = w if case.options["flip"] else np.flip(w)
    full = slid(np.pad(spread(dedo, between), frame), spread(turned, apart), [1] * dims)
    if "each position of it is added to the x that stands there" in for_x:
        whole = np.zeros_like(x)
        stands = [np.pad(range(n), pair, NUMPYS[mode]) for n, pair in zip(x.shape, cut, strict=True)]
        np.add.at(whole, np.ix_(*stands), full)
    else:
        whole = full[tuple(slice(a, size - b) for (a, b), size in zip(cut, full.shape, strict=True))]
    np.testing.assert_array_equal(whole, grads.dx[0, 0])
