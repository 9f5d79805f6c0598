"""The derivation as data: the notes' argument, pictures, matrices, and what it costs."""

import io
import re
from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console

import cnngrad
from cnngrad.derivation.blocks import Expansions, Formula, Grids, Hint, Sentence
from cnngrad.derivation.board import Board
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Copy, Fill, Grid, Pair
from cnngrad.derivation.lesson import SECTIONS, lesson
from cnngrad.derivation.pictures import layer_matrix, pictures
from cnngrad.layer import make_layer
from cnngrad.layer.expansion import Expander
from cnngrad.layer.names import Names
from cnngrad.render.maths import plain
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import text_of
from cnngrad.tensor import GRADIENTS, Tensor
from tests import golden, reference
from tests.cases import SMALL, layers

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
        elif isinstance(block, Grids):
            for row in block.rows:
                # Pictures that stand side by side are equations of their own.
                apart = set(row[1::2]) == {"  "} and any(cell.marked for line in row[0].cells for cell in line)
                found += map(as_text, row[::2]) if apart else [" ".join(map(as_text, row))]
    return found


def as_text(item):
    if not isinstance(item, Grid):
        return str(item).strip()
    rows = [" ".join(("[%s]" if cell.marked else "%s") % shown(cell) for cell in row) for row in item.cells]
    return f"({' | '.join(rows)})"


def shown(cell):
    parts = cell.content if isinstance(cell.content, Pair) else [cell.content]
    parts = [part.of if isinstance(part, Copy) else part for part in parts]
    return "·".join({Fill.CUT: "-"}.get(part, "0") if isinstance(part, Fill) else str(part) for part in parts)


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


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", golden.LESSONS)
def test_a_lesson_is_the_one_that_people_have_seen(name):
    assert golden.lesson(name) == golden.kept("lessons", name)


def test_the_derivation_holds_every_equation_of_the_notes_in_their_order():
    found = iter(equations(cnngrad.derive("3x3", "2x2", "2x2", zeros=True)))
    for equation in NOTES:
        assert equation in found, equation


# The same of a transposed layer with 1 position cut off in front and one added behind, worked out by hand.
TRANSPOSED = [
    "(- o1 [o2] [o3] o4) += (w1 w2) · x2",
    "o(p) = Σ w(u)·x(i) over 2·i + u − 3 = p",
    "o1 = w2·x1",
    "o2 = w1·x2",
    "o3 = w2·x2",
    "o4 = ",
    "O = Full-Conv(X, Rotated 180°(W))",
    "rotate 180° (w1 w2) = (w2 w1)",
    "(o1 o2 o3 o4) = Full-Conv( (x1 x2) , (w2 w1) )",
    "(0 x1 0 x2 0 0)",
    "(0 [x1·w2] [0·w1] x2 0 0)",
    "(0 x1 [0·w2] [x2·w1] 0 0)",
    "(0 x1 0 [x2·w2] [0·w1] 0)",
    "(0 x1 0 x2 [0·w2] [0·w1])",
    chain("w1", ["o2"]),
    chain("w2", ["o1", "o3"]),
    "∂E/∂w(u) = Σ ∂E/∂o(2·i + u − 3)·x(i) over i",
    "∂E/∂w1 = ∂E/∂o2·x2",
    "∂E/∂w2 = ∂E/∂o1·x1 + ∂E/∂o3·x2",
    "∂E/∂W = Conv(∂E/∂O, X)",
    "(∂E/∂w1 ∂E/∂w2) = (0 ∂E/∂o1 ∂E/∂o2 ∂E/∂o3) ∗ (x1 0 x2)",
    "([0·x1] ∂E/∂o1 [∂E/∂o2·x2] ∂E/∂o3 ∂E/∂o4)",
    "(0 [∂E/∂o1·x1] ∂E/∂o2 [∂E/∂o3·x2] ∂E/∂o4)",
    "x2 → (w1 | w2) → (o2 | o3) ← (∂E/∂o2 | ∂E/∂o3)",
    "o = Mᵀ x ∂E/∂x = M ∂E/∂o",
    "(o1 | o2 | o3 | o4) = (w2 0 | 0 w1 | 0 w2 | 0 0) (x1 | x2)",
    "(∂E/∂x1 | ∂E/∂x2) = (w2 0 0 0 | 0 w1 w2 0) (∂E/∂o1 | ∂E/∂o2 | ∂E/∂o3 | ∂E/∂o4)",
    chain("x1", ["o1"]),
    chain("x2", ["o2", "o3"]),
    "∂E/∂x(i) = Σ ∂E/∂o(2·i + u − 3)·w(u) over u",
    "∂E/∂x1 = ∂E/∂o1·w2",
    "∂E/∂x2 = ∂E/∂o2·w1 + ∂E/∂o3·w2",
    "∂E/∂X = Conv(∂E/∂O, W)",
    "(∂E/∂x1 ∂E/∂x2) = (0 ∂E/∂o1 ∂E/∂o2 ∂E/∂o3) ∗ (w1 w2)",
    "([0·w1] [∂E/∂o1·w2] ∂E/∂o2 ∂E/∂o3 ∂E/∂o4)",
    "(0 ∂E/∂o1 [∂E/∂o2·w1] [∂E/∂o3·w2] ∂E/∂o4)",
    "O = Full-Conv(Input X, Rotated 180°(W))",
    "∂E/∂W = Conv(Loss gradient ∂E/∂O, Input X)",
    "∂E/∂X = Conv(Loss gradient ∂E/∂O, W)",
]
LAYER = {"transposed": True, "stride": 2, "padding": ((1, 0),), "output_padding": 1}


def test_every_equation_of_a_transposed_layer():
    _, *found = (" ".join(each.split()) for each in equations(cnngrad.derive("2", "2", "4", **LAYER)))
    assert found == [" ".join(each.split()) for each in TRANSPOSED]


def test_with_flip_a_transposed_layer_rotates_w_in_the_other_places():
    found = equations(cnngrad.derive("2", "2", "3", transposed=True, flip=True))
    for equation in (
        "([o1] [o2] o3) += (w2 w1) · x1",
        "o2 = w1·x1 + w2·x2",
        "O = Full-Conv(X, W)",
        "(o1 o2 o3) = Full-Conv( (x1 x2) , (w1 w2) )",
        "∂E/∂W = Rotated 180°(Conv(∂E/∂O, X))",
        "∂E/∂X = Conv(∂E/∂O, Rotated 180°(W))",
        "(∂E/∂x1 ∂E/∂x2) = (∂E/∂o1 ∂E/∂o2 ∂E/∂o3) ∗ (w2 w1)",
    ):
        assert equation in found, equation


def test_channels_groups_and_samples_of_a_transposed_layer():
    found = equations(cnngrad.derive("2x4x2", "4x1x2", "2x2x3", b="2", dims=1, groups=2, transposed=True))
    for equation in (
        "o[n,f'](p) = Σ w[c,f](u)·x[n,c](i) + b[f']\n    over c of the group of f', i + u − 1 = p",
        "o[1,2]2 = w[3,1]1·x[1,3]2 + w[3,1]2·x[1,3]1 + w[4,1]1·x[1,4]2 + w[4,1]2·x[1,4]1 + b[2]",
        "∂E/∂w[c,f](u) = Σ ∂E/∂o[n,f'](i + u − 1)·x[n,c](i)\n    over n, i",
        "∂E/∂x[n,c](i) = Σ ∂E/∂o[n,f'](i + u − 1)·w[c,f](u)\n    over f, u",
        "∂E/∂b[f'] = Σ ∂E/∂o[n,f'](p)\n    over n, p",
    ):
        assert equation in found, equation
    x, w, dedo = [[1, 2]], [[[3], [4]]], [[5, 6], [7, 8]]
    (section,) = cnngrad.derive(x, w, dedo, dims=1, transposed=True, sections=["dw"]).sections
    titles = [grid.title for grid in section.blocks[-1].rows[0] if isinstance(grid, Grid)]
    assert titles == ["∂E/∂W · channel 1, filter 1", "∂E/∂W · channel 1, filter 2"]
    derivation = cnngrad.derive(x, w, dedo, dims=1, transposed=True, sections=["dx-conv"])
    assert equations(derivation)[1] == (
        "(∂E/∂x[1]1 ∂E/∂x[1]2) = (∂E/∂o[1]1 ∂E/∂o[1]2) ∗ (w[1,1]1) + (∂E/∂o[2]1 ∂E/∂o[2]2) ∗ (w[1,2]1)"
    )


def told(derivation):
    """The sentences of a derivation."""
    return ["".join(map(str, b.parts)) for b in blocks_of(derivation) if isinstance(b, Sentence)]


@pytest.mark.parametrize(
    ("shapes", "options", "sentence"),
    [
        (("2", "2"), LAYER, "No x reaches position 4 of O, since output padding adds positions behind the last stamp"),
        (
            ("2", "2"),
            LAYER,
            "The size of O is (size of X − 1)·stride + width of a stamp − padding on both sides + output",
        ),
        (("2", "2"), LAYER, "output padding: (2 − 1)·2 + 2 − 1 + 1 = 4."),
        (("2", "2"), LAYER, "with this W, stride and padding it makes 2 positions from 3 or 4."),
        (("2", "2"), LAYER, "The padding of 1 position in front, 0 behind is cut off (shown as -)."),
        (
            ("2x2", "1x2"),
            {"stride": 3},
            "No x reaches rows 2, 3 of O, since the stride 3 is larger than the stamp of 1; no ",
        ),
        (
            ("2", "2"),
            {"stride": 2, "dilation": 2},
            "No x reaches positions 2, 4 of O, since stride 2 with dilation 2 skips",
        ),
        (
            ("2", "2", "4"),
            LAYER,
            "x2 reaches o2 through w1, o3 through w2: as the output moves on, the element",
        ),
        (
            ("3", "2", "2"),
            {"padding": ((2, 0),)},
            "The padding cuts off all stamps of position 1 of X: ∂E/∂x is exactly 0",
        ),
        (("2", "2", "4"), LAYER, "∂E/∂O with its padding is cut here: no window reaches the last position."),
        (("2", "2"), {"b": "1"}, "o2 is reached by x1 through w2, by x2 through w1: as x moves on"),
        (("6", "5"), {}, "by x4 through w2, by x5 through w1, …: as x moves on"),
        (("2", "2"), {"b": "1", "output_padding": 1}, "behind the last stamp: o is b there."),
        (
            ("2", "2"),
            {},
            "Why rotated? o2 is reached by x1 through w2, by x2 through w1: as x moves on, the element of",
        ),
        (("2", "2"), {}, "W moves back. Laid out in the order of X these elements lie as in W rotated by 180°."),
        (
            ("2", "2"),
            {"flip": True},
            "Why not rotated? o2 is reached by x1 through w1, by x2 through w2: as x moves on,",
        ),
        (("2", "2"), {"flip": True}, "W is rotated before it is stamped (flip); a second rotation brings it back."),
        (("2", "2", "3"), {}, "moves on too. Laid out in the order of ∂E/∂O these elements lie as in W."),
        (
            ("2", "2", "3"),
            {"flip": True},
            "Why rotated? x1 reaches o1 through w2, o2 through w1: as the output",
        ),
        (("2", "2", "3"), {"flip": True}, "Laid out in the order of ∂E/∂O these elements lie as in W rotated by 180°."),
        (("1", "2", "2"), {}, "Here a w stands in at most 1 entry, and"),
        (("2", "2", "3"), {}, "Here a w stands in at most 2 entries, and ∂E/∂w adds up the gradients of its entries."),
        (("2", "2", "3"), {"b": "1"}, "in a frame of 1 zero on each side; b is added."),
        (([1, 2], [3, 4]), {"b": [5]}, "The products in [brackets] and b add up to the element:"),
        (([1, 2], [3, 4]), {}, "The products in [brackets] add up to the element:"),
        (("2x2", "2x1x2"), {"dims": 1}, "O is a sum over the 2 channels. For the first:"),
        (
            ("2", "2"),
            {"elements": ["o3"], "padding": ((0, 0),), "stride": 3},
            "o3, which no x reaches, adds up no products.",
        ),
        (
            ("3", "2", "2"),
            {"elements": ["x1"], "padding": ((2, 0),)},
            "x1, whose products are all cut off, has a gradient of exactly 0.",
        ),
    ],
)
def test_what_a_transposed_layer_says(shapes, options, sentence):
    said = told(cnngrad.derive(*shapes[:2], *shapes[2:], **{"transposed": True} | options))
    assert any(sentence in each for each in said), said


def test_with_stride_1_one_size_of_o_alone_belongs_to_x():
    said = told(cnngrad.derive("3", "3", transposed=True, dilation=2, output_padding=1))
    assert "Output padding adds positions behind O, not around it. PyTorch demands" in " ".join(said)
    assert "Why output padding" not in " ".join(said)
    assert "utput padding adds" not in " ".join(told(cnngrad.derive("3", "3", transposed=True)))


@given(st.integers(1, 5), st.integers(1, 3), st.integers(2, 4), st.integers(1, 2), st.integers(0, 2), st.integers(0, 2))
def test_the_sizes_of_which_a_convolution_makes_xs_size_are_all_named(size, kernel, stride, dilation, before, after):
    options = {"stride": stride, "dilation": dilation, "padding": ((before, after),), "output_padding": before + after}
    derivation = cnngrad.derive(f"{size}", f"{kernel}", transposed=True, **options)
    found = [text for text in told(derivation) if "Why output padding" in text]
    # No convolution drops as many positions as its stride.
    assert bool(found) == (before + after < stride)
    if not found:
        return
    (said,) = found
    named = re.search(r"makes (\d+) positions? from (?:no size|([\d or]+))\.", said)
    twin = (stride,), ((before, after),), (dilation,)
    least = dilation * (kernel - 1) + 1 - before - after
    makes = {n: reference.out_shape((1, 1, n), (1, 1, kernel), *twin)[2] for n in range(max(1, least), 99)}
    right = [n for n, made in makes.items() if made == size]
    assert [int(named[1]), *map(int, re.findall(r"\d+", named[2] or ""))] == [size, *right]


def test_one_x_has_nothing_between_its_elements():
    assert not any("between" in each for each in told(cnngrad.derive("1", "3", "3", transposed=True, stride=2)))


@given(layers(most=4))
def test_a_stamp_marks_the_outputs_of_its_x(case):
    derivation = cnngrad.derive(*("x".join(map(str, shape)) for shape in (case.x, case.w)), limit=4, **case.options)
    grids = [block for block in blocks_of(derivation) if isinstance(block, Grids)]
    rows = [row for block in grids for row in block.rows if "+=" in row]
    assert len(rows) == case.transposed
    for row in rows:
        cells = [cell for grid in row if isinstance(grid, Grid) for line in grid.cells for cell in line]
        marked = [cell.content for cell in cells if cell.marked]
        expander = Expander(derivation.source.layer)
        reached = {}
        for index in np.ndindex(*case.x[2:]):
            terms = expander.expand(Tensor.DX, (0, 0, *index)).terms
            reached[index] = [term.factors[0].of_array for term in terms if term.factors[0].lead == (1, 1)]
        shown = tuple(place - 1 for place in row[-1].place)
        assert [each for each in marked if each is not Fill.CUT] == reached[shown]
        # As many of its elements as of any other x lie on O.
        assert len(reached[shown]) == max(map(len, reached.values()))
        assert len(marked) == np.prod(case.w[2:])


@given(layers(most=4))
def test_the_lesson_of_a_transposed_layer_speaks_of_windows_only_where_w_slides(case):
    for section in cnngrad.derive(*case.data()[:2], case.data()[3], limit=4, **case.options).sections:
        said = [" ".join(map(str, b.parts)) for b in section.blocks if isinstance(b, Sentence)]
        if case.transposed and section.name not in ("dw-conv", "dx-conv"):
            assert not any("window" in each for each in said), said


def test_numbers_do_not_change_the_argument():
    with_numbers = equations(cnngrad.derive(X, W, G))
    for equation in equations(cnngrad.derive("3x3", "2x2", "2x2")):
        assert any(equation in found for found in with_numbers), equation


def test_the_sections_are_in_the_order_of_the_notes():
    sections = cnngrad.derive(X, W, G, b=[1]).sections
    assert tuple(section.name for section in sections) == tuple(SECTIONS)
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
                grids = [item for item in section.blocks[-1].rows[0] if isinstance(item, Grid)]
                assert [[cell.content for cell in row] for row in grids[-1].cells] == result.tolist()


def covered_of(row):
    cells = (cell for item in row if isinstance(item, Grid) for line in item.cells for cell in line)
    return [cell.content for cell in cells if cell.marked]


def check_pictures(case, tensor, seed):
    """The products that the pictures of an element mark are those of its sum."""
    x, w, _, dedo = case.data(seed)
    layer = make_layer(x.shape, w.shape, **case.options)
    values = dict(zip((Tensor.X, Tensor.W, Tensor.DEDO), (x, w, dedo), strict=True))
    board = Board(layer, values, Choice(), [tensor])
    index = tuple(
        int(k) for k in np.unravel_index(seed % int(np.prod(layer.canonical[tensor])), layer.canonical[tensor])
    )
    expansion = board.expander.expand(tensor, index)
    shown = list(pictures(board, tensor, index))
    marked = [pair for each in shown for pair in covered_of(each.rows[0])]
    products = [(getattr(left, "of", left), right) for left, right in marked if not isinstance(left, Fill)]
    assert sorted(sorted(map(str, pair)) for pair in products) == sorted(
        sorted(map(str, term.factors)) for term in expansion.terms
    )
    numbers = [pair for each in shown for pair in covered_of(each.rows[1])]
    assert len(numbers) == len(marked)
    assert sum(getattr(left, "of", left) * right for left, right in numbers if not isinstance(left, Fill)) == sum(
        left * right for left, right in (term.values for term in expansion.terms)
    )
    for each in shown:
        text = text_of(Painter().blocks([each]))
        # A mark is a bracket with a product in it; names have brackets behind a letter.
        seen = len(re.findall(r"(?<![a-z])\[", text))
        once = len(covered_of(each.rows[1]))
        apart = sum(cell.marked for item in each.apart if isinstance(item, Grid) for row in item.cells for cell in row)
        assert seen in {*(once * number for number in (1, 2)), apart}
        if tensor is not Tensor.DW:
            is_full = tensor is (Tensor.O if case.transposed else Tensor.DX)
            assert each.apart[-1].title.startswith("W rotated") == (case.flip != is_full)


@given(layers(most=5), st.sampled_from([Tensor.O, Tensor.DW, Tensor.DX]), st.integers(0, 2**16))
def test_what_a_picture_marks_are_the_terms_of_the_sum(case, tensor, seed):
    check_pictures(case, tensor, seed)


@pytest.mark.parametrize("name", [name for name, case in SMALL.items() if case.transposed])
def test_what_a_picture_of_a_transposed_layer_marks_are_the_terms_of_the_sum(name, whole):
    for tensor in (Tensor.O, Tensor.DW, Tensor.DX):
        for seed in range(7 if whole else 2):
            check_pictures(SMALL[name], tensor, seed)


@pytest.mark.parametrize("kernel", [(1, 45), (30, 2), (26, 27)])
def test_a_window_of_any_size_is_seen_whole(kernel):
    size = [k + 2 for k in kernel]
    x, w = np.arange(np.prod(size)).reshape(size), np.arange(1, np.prod(kernel) + 1).reshape(kernel)
    for values in ({}, {Tensor.X: x[None, None], Tensor.W: w[None, None]}):
        board = Board(make_layer(x.shape, w.shape), values, Choice(), [Tensor.O])
        (picture,) = pictures(board, Tensor.O, (0, 0, 1, 1))
        text = text_of(Painter().blocks([picture]))
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= 80
        assert len(re.findall(r"(?<![a-z])\[", text)) == np.prod(kernel)


@pytest.mark.parametrize(
    ("columns", "hints"),
    [(5, []), (6, ["--element shows the picture of any other element: --element x56."])],
)
def test_a_hint_on_other_pictures_comes_only_if_there_are_others(columns, hints):
    """25 elements of dE/dX are pictured."""
    steps = cnngrad.derive(np.ones((5, columns)), np.ones((2, 2)), np.ones((4, columns - 1)))
    blocks = next(section.blocks for section in steps.sections if section.name == "dx-conv")
    made = [block for block in blocks if isinstance(block, Grids)]
    grids = [item for block in made for item in block.rows[-1] if isinstance(item, Grid)]
    walked = [grid for grid in grids if re.match(r"∂E/∂x\d", grid.title)]
    assert sum(block.apart is not None for block in made) + len(walked) == 25
    assert [block.text for block in blocks_of(steps) if isinstance(block, Hint) and "picture" in block.text] == hints


@given(layers(most=3), st.integers(0, 2**16))
def test_the_layers_matrix_gives_o_and_its_transpose_dx(case, seed):
    assume(prod(case.x[1:]) * prod(case.o[1:]) < 10_000)
    x, w, _, dedo = case.data(seed)
    layer = make_layer(x.shape, w.shape, **case.options)
    names = Names(layer, {Tensor.W: w})
    matrix, transposed = (
        np.array(
            [
                [0 if cell.content is Fill.ZERO else sum(np.ravel(cell.content).tolist()) for cell in row]
                for row in layer_matrix(names, result).cells
            ]
        )
        for result in (Tensor.O, Tensor.DX)
    )
    np.testing.assert_array_equal(matrix.T, transposed)
    for n in range(len(x)):
        np.testing.assert_array_equal(matrix @ x[n].ravel(), cnngrad.forward(x, w, **case.options)[n].ravel())
        dx = cnngrad.backward(x, w, dedo, **case.options).dx
        np.testing.assert_array_equal(transposed @ dedo[n].ravel(), dx[n].ravel())


@pytest.mark.parametrize(
    ("shapes", "options", "titles"),
    [
        (("3x5", "2x2", "2x4"), {}, ["M", "Mᵀ"]),
        (("4x4", "2x2", "3x3"), {}, ["Mᵀ"]),
        (("3x5", "2x2", "4x6"), {"padding": 1}, ["M"]),
        (("3x5", "2x2", "5x5"), {"padding": ((2, 1), (0, 1))}, []),
        (("4x6", "2x2", "3x5"), {}, ["Mᵀ"]),
        (("5x5", "3x3", "3x3"), {}, []),
        (("9", "3", "9"), {"padding": 1, "padding_mode": "reflect"}, ["M", "Mᵀ"]),
        (("10", "3", "10"), {"padding": 1, "padding_mode": "reflect"}, []),
        (("19", "3", "17"), {}, ["Mᵀ"]),
    ],
)
def test_the_layers_matrix_is_printed_if_it_fits_a_screen(shapes, options, titles):
    """At most 24 rows of 75 characters: an entry such as w11 takes 5, w1 4, and twice as many if it may be a sum."""
    derivation = cnngrad.derive(*shapes, sections=["mlp"], **options)
    grids = [item for block in blocks_of(derivation) if isinstance(block, Grids) for row in block.rows for item in row]
    assert [grid.title for grid in grids if isinstance(grid, Grid) and grid.title in ("M", "Mᵀ")] == titles
    assert any("too large to print" in each for each in told(derivation)) == (not titles)


@pytest.mark.parametrize(
    ("shapes", "options", "words", "is_said"),
    [
        (("3x3", "2x2", "1x1"), {"dilation": 2}, "(dilation)", True),
        (("3x3", "1x1", "3x3"), {"dilation": 2}, "(dilation)", False),
        (("4x4", "2x2", "2x2"), {"stride": 2}, "The filter moves one cell at a time here", True),
        (("3x3", "2x2", "1x1"), {"stride": 2}, "The filter moves one cell at a time here", False),
    ],
)
def test_gaps_are_spoken_of_between_several_elements_alone(shapes, options, words, is_said):
    assert (words in " ".join(told(cnngrad.derive(*shapes, **options)))) == is_said


@given(layers(most=4))
def test_every_layer_has_a_derivation(case):
    x, w, b, dedo = case.data()
    shapes = ["x".join(map(str, array.shape)) for array in (x, w, dedo)]
    for derivation in (
        cnngrad.derive(x, w, dedo, b=b if case.bias else None, **case.options),
        cnngrad.derive(x, w, b=b if case.bias else None, **case.options),
        cnngrad.derive(*shapes, limit=4, **case.options),
    ):
        for block in blocks_of(derivation):
            if isinstance(block, Grids):
                assert all(item.cells for row in block.rows for item in row if isinstance(item, Grid))
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
    chains = [t for t in tables if t.chain]
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
        ({"elements": ["o11"]}, "o belongs to forward; here it can be w11 to w22 or x11 to x33$"),
        ({"elements": ["b"]}, "b belongs to backward of a layer with a bias"),
        ({"elements": ["hello"]}, "'hello' is not an element of this layer: write w11 to w22 or x11 to x33$"),
        ({"only": "dW", "elements": ["x11"]}, "there to dX; here it can be w11 to w22$"),
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
    """The numbers of zeros before and behind on each axis: `1 zero above, 2 below, 1 on the left, …`."""
    if match := re.fullmatch(r"(\d+) zeros? on each side", text):
        return [(int(match[1]), int(match[1]))] * dims
    found = [int(number) for number in re.findall(r"\d+", text)]
    return list(zip(found[::2], found[1::2], strict=True))


def spread(array, zeros):
    made = np.zeros([(n - 1) * (z + 1) + 1 for n, z in zip(array.shape, zeros, strict=True)], array.dtype)
    made[tuple(slice(None, None, z + 1) for z in zeros)] = array
    return made


def slid(still, moving, steps):
    """The sums of products where one array lies on the other, moved in steps."""
    windows = np.lib.stride_tricks.sliding_window_view(still, moving.shape)
    taken = windows[tuple(slice(None, None, step) for step in steps)]
    return (taken * moving).sum(tuple(range(-moving.ndim, 0)))


def phrase(pattern, text, default=""):
    match = re.search(pattern, text)
    return match[1] if match else default


BETWEEN = r"with ([^,]*(?:, \d+ zeros? [^,]*)*) between its elements"


def padded_and_cropped(array, told):
    """The array that something slides over: `X with its padding of 1 zero on each side, without the last row, …`."""
    dims = array.ndim
    said = phrase(r"its padding of (.*?)(?:, without|, in steps|; the result|$)", told, "0 zeros on each side")
    mode = phrase(r" \((reflect|replicate|circular)\)$", said)
    padding = sides(said.removesuffix(f" ({mode})").replace("position", "zero"), dims)
    still = np.pad(array, padding, NUMPYS[mode])
    for axis, word in enumerate(AXES[dims]):
        if match := re.search(rf"the last (?:(\d+) {word}|{word[:-1]})\b", told):
            still = still[(slice(None),) * axis + (slice(0, still.shape[axis] - int(match[1] or 1)),)]
    return still


def done_for_w(told, still, moving):
    """dE/dW as the sentence says."""
    dims = still.ndim
    between = per_axis(phrase(BETWEEN, told, "0 zeros"), dims)
    steps = per_axis(phrase(r"in steps of (.*) \(dilation\)", told, "1 position"), dims)
    found = slid(padded_and_cropped(still, told), spread(moving, between), steps)
    return np.flip(found) if "rotated" in told else found


def done_in_full(told, moving, w, shape):
    """dE/dX, or a transposed layer's O, as the sentence says; `w` lies as it slides."""
    dims = w.ndim
    between = per_axis(phrase(BETWEEN, told, "0 zeros"), dims)
    frame = sides(phrase(r"a frame of (.*?)(?:, under|, cut|; the|; b|$)", told, "0 zeros on each side"), dims)
    apart = [d - 1 for d in per_axis(phrase(r"elements lie (.*?) apart", told, "1 cell"), dims)]
    said = phrase(r"(?:the|a) padding of (.*?)(?: \(\w+\), and|$)", told, "0 zeros on each side")
    cut = sides(said.replace("position", "zero"), dims)
    full = slid(np.pad(spread(moving, between), frame), spread(w, apart), [1] * dims)
    if "each position of it is added to the x that stands there" not in told:
        return full[tuple(slice(a, size - b) for (a, b), size in zip(cut, full.shape, strict=True))]
    mode, whole = phrase(r" \((reflect|replicate|circular)\)", told), np.zeros(shape, full.dtype)
    stands = [np.pad(range(n), pair, NUMPYS[mode]) for n, pair in zip(shape, cut, strict=True)]
    np.add.at(whole, np.ix_(*stands), full)
    return whole


def done_with_steps(told, still, w):
    """dE/dX of a transposed layer as the sentence says; `w` lies as it slides."""
    steps = per_axis(phrase(r"in steps of (.*?)(?:;|$)", told), w.ndim)
    apart = [d - 1 for d in per_axis(phrase(r"elements lie (.*?) apart", told, "1 position"), w.ndim)]
    return slid(padded_and_cropped(still, told), spread(w, apart), steps)


@given(layers(counts=1), st.integers(0, 2**16))
def test_the_recipes_in_words_done_literally_give_the_gradients(case, seed):
    x, w, _, dedo = case.data(seed)
    derivation = cnngrad.derive(x, w, dedo, sections=["summary"], **case.options)
    # A formula that says all has no sentence.
    parts = [isinstance(b, Sentence) and "".join(map(str, b.parts)) for b in blocks_of(derivation)]
    recipes = [said or "" for formula, said in pairwise(parts) if formula is False]
    recipes = [text.removesuffix(".") if text.startswith("Here: ") else "" for text in recipes]
    grads, o = cnngrad.backward(x, w, dedo, **case.options), cnngrad.forward(x, w, **case.options)[0, 0]
    x, w, dedo, dw, dx = (array[0, 0] for array in (x, w, dedo, grads.dw, grads.dx))
    lying, rotated = (np.flip(w), w) if case.flip else (w, np.flip(w))
    if case.transposed:
        for_o, for_w, for_x = recipes
        np.testing.assert_array_equal(done_in_full(for_o, x, rotated, o.shape), o)
        np.testing.assert_array_equal(done_for_w(for_w, dedo, x), dw)
        np.testing.assert_array_equal(done_with_steps(for_x, dedo, lying), dx)
    else:
        for_w, for_x = recipes
        np.testing.assert_array_equal(done_for_w(for_w, x, dedo), dw)
        np.testing.assert_array_equal(done_in_full(for_x, dedo, rotated, x.shape), dx)


@pytest.mark.parametrize(
    ("shapes", "options", "why"),
    [
        (("4x4", "2x2"), {"padding": 3}, "o15 whose window covers only padding"),
        (("2x2", "4x4", "1x1"), {"padding": 1}, "∂E/∂w12 which meets only padding"),
        (("6x6", "2x2", "2x2"), {"stride": 4}, "∂E/∂x32 which no window reads"),
        (("2x2", "2x2"), {"stride": 4, "transposed": True}, "o32 which no x reaches"),
        (("4x4", "2x2", "1x1"), {"padding": 2, "transposed": True}, "∂E/∂x12 whose products are all cut off"),
    ],
)
def test_the_first_element_without_products_is_shown_with_the_reason(shapes, options, why):
    assert f" {why}" in " ".join(str(cnngrad.derive(*shapes, limit=4, **options)).split())


def shown_at(derivation, width):
    """A lesson as a window of this width shows it."""
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False)
    for each in Painter(6, width).blocks(derivation.blocks(6)):
        console.print(each)
    return re.sub(" +\n", "\n", console.file.getvalue())


@pytest.mark.parametrize(("width", "limit"), [(80, 4), (120, 4), (80, None)])
def test_the_zeros_of_a_stride_are_seen_whole_as_soon_as_they_fit(width, limit):
    """Framed dE/dO of the notes with stride 2 is 7×7; numbers of it fit 60 columns too."""
    numbers = np.arange(1, 26).reshape(5, 5), np.arange(1, 10).reshape(3, 3), [[2, -1], [1, 3]]
    derivation = cnngrad.derive(*numbers, stride=2, limit=limit, sections=["dx-conv"])
    text = shown_at(derivation, width)
    assert "…" not in text
    assert " of 7" not in text
    framed = [
        "│ 0  0  0  0   0  0  0 │", "│ 0  0  2  0  -1  0  0 │", "│ 0  0  1  0   3  0  0 │"
    ]  # fmt: skip
    assert all(row in text for row in framed)
    assert "│ 0  0  ∂E/∂o11  0  ∂E/∂o12  0  0 │" in text
    assert all(row in shown_at(derivation, 60) for row in framed)


@pytest.mark.parametrize(("stride", "kernel", "padding"), [(2, 3, 0), (3, 2, 0), (1, 2, 2), (4, 3, 1)])
def test_what_stands_for_a_large_array_shows_two_elements_and_the_zeros_around_them(stride, kernel, padding):
    size = 40 * stride + kernel
    out = (size + 2 * padding - kernel) // stride + 1
    shapes = f"{size}x{size}", f"{kernel}x{kernel}", f"{out}x{out}"
    text = shown_at(cnngrad.derive(*shapes, stride=stride, padding=padding, limit=4, sections=["dx-conv"]), 80)
    framed = text.partition("∂E/∂O, framed\n")[2].splitlines()
    row = next(line for line in framed if "∂E/∂o1,1" in line).strip("│ ").split()
    zeros = ["0"] * (stride - 1)
    assert row[: kernel - 1 + 1 + stride] == ["0"] * (kernel - 1) + ["∂E/∂o1,1", *zeros, "∂E/∂o1,2"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_ends_within_an_index_or_parts_a_word_from_its_number(width):
    derivation = cnngrad.derive("1x2x3x3x3", "2x2x2x2x2", "1x2x2x2x2", stride=2, padding=1, limit=4)
    lines = shown_at(derivation, width).splitlines()
    formulas = [line for line in lines if re.search(r"^    .* − ", line)]
    assert len(formulas) >= 3
    assert [line for line in formulas if line.count("(") != line.count(")") or line.endswith(("+", "−"))] == []
    assert [line for line in lines if re.search(r"\bdepth$|^\d+(?: |$)", line)] == []


def test_more_matrices_are_saved_than_shown():
    x, w, dedo = np.ones((6, 1, 2, 2)), np.ones((1, 1, 1, 1)), np.ones((6, 1, 2, 2))
    blocks = blocks_of(cnngrad.derive(x, w, dedo, limit=4, sections=["dx"]))
    assert [block.text for block in blocks if isinstance(block, Hint)][-1] == "-o FILE saves them all."


def test_the_shift_goes_one_cell_at_a_time_in_the_notes_layer():
    for section, told in (("dx-conv", "x11 x12 x13 x21 x22 x23 x31 x32 x33"), ("dw-conv", "w11 w12 w21 w22")):
        names = [f"∂E/∂{name}" for name in told.split()]
        blocks = blocks_of(cnngrad.derive(X, W, G, limit=4, sections=[section]))
        rows = (block.rows[-1] for block in blocks if isinstance(block, Grids))
        assert names in [[item.title for item in row if isinstance(item, Grid)] for row in rows]


def test_a_larger_layer_goes_from_a_corner_over_an_edge_to_the_inside():
    told_of = told(cnngrad.derive("8x8", "3x3", "6x6", limit=4, sections=["dx-conv"]))
    assert [each for each in told_of if each.startswith("For ")] == [
        "For ∂E/∂x11, at a corner with 1 term:",
        "For ∂E/∂x14, at an edge with 3 terms:",
        "For ∂E/∂x44, inside with 9 terms:",
    ]


def test_pictures_name_their_sample_and_filter():
    derivation = cnngrad.derive("2x3x4x4", "2x3x2x2", "2x2x3x3", limit=4, elements=["x[2,1]22", "w[1,3]11"])
    titles = [block.rows[0][0].title for block in blocks_of(derivation) if isinstance(block, Grids)]
    assert titles == [
        "∂E/∂O, framed · sample 2, filter 1",
        "∂E/∂O, framed · sample 2, filter 2",
        "X · sample 1, channel 3",
        "X · sample 2, channel 3",
    ]


@pytest.mark.parametrize("size", [3, 5, 7, 12])
def test_the_factor_of_the_scatter_equation_stands_beside_its_filter(size):
    text = shown_at(cnngrad.derive(f"{size}x{size}", "3x3", f"{size - 2}x{size - 2}", sections=["dx-conv"]), 80)
    (line,) = (line for line in text.splitlines() if re.search(r"· ∂E/∂o[\d,]+ *$", line))
    assert "w22 " in line or "w2,2 " in line


def test_a_cell_of_the_padding_is_marked_and_names_what_it_repeats():
    derivation = cnngrad.derive("3", "3", "3", padding=1, padding_mode="reflect", elements=["w1"])
    (picture,) = (block for block in blocks_of(derivation) if isinstance(block, Grids))
    assert "[x2′·∂E/∂o1]  [x1·∂E/∂o2]  [x2·∂E/∂o3]   x3    x2′" in text_of(Painter().blocks([picture]))
    assert sum("x′ is a cell that repeats x" in each for each in told(derivation)) == 1


def test_the_option_for_zeros_is_named_below_the_sums_that_lack_them():
    for zeros, hints in ((False, 1), (True, 0)):
        section = cnngrad.derive(X, W, G, zeros=zeros, sections=["dx"]).sections[0]
        found = [block.text for block in section.blocks if isinstance(block, Hint) and "--zeros" in block.text]
        assert found == ["--zeros shows the products with 0 too, as the notes do."] * hints
