"""Claims of every size, shape, form and kind of error, and functions, whose reports are kept as golden files."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np

import cnngrad
from cnngrad.causes.evaluate import Data, made
from cnngrad.causes.recipe import right_recipe
from cnngrad.layer import Relation, make_layer
from cnngrad.render.machines import github, gradescope, junit
from cnngrad.render.style import Style
from cnngrad.tensor import DEDO, DX, W, X


def problem(x, w, b=None, dtype=int, **options):
    """Arrays of these shapes and the layer's options, as keywords of `cnngrad.check`."""
    generator = np.random.default_rng(1)

    def drawn(shape):
        return (
            generator.integers(-9, 10, shape) if dtype is int else generator.integers(-2000, 2000, shape) / dtype(999)
        )

    arrays = {"x": drawn(x), "w": drawn(w)} | ({} if b is None else {"b": drawn(b)})
    return arrays | {"dedo": drawn(cnngrad.forward(**arrays, **options).shape)} | options


def changed(*places):
    """Adds 1 at the first place, 2 at the second, and so on."""

    def claim(right, _):
        for number, place in enumerate(places, start=1):
            right[place] += number
        return right

    return claim


def every_third(numbers):
    """Puts numbers in the place of every third element."""
    return lambda right, _: np.where(np.arange(right.size).reshape(right.shape) % 3 == 0, numbers, right)


def alike_at(count):
    """Puts one number in the place of the first elements."""
    return lambda right, _: np.where(np.arange(right.size).reshape(right.shape) < count, 50, right)


def written(form):
    """The numbers as a text has them."""
    return lambda right, _: np.vectorize(lambda value: float(f"{value:{form}}"))(right).tolist()


def lacking(given):
    """dE/dX without the products of w12."""
    return cnngrad.backward(given["x"], given["w"] * [[1, 0], [1, 1]], given["dedo"]).dx


NOTES = (5, 5), (2, 2)
LONG = (6, 6), (3, 3)
DIAGONAL = np.eye(4) == 1
LATE = np.arange(5)[:, None] > 1
FEW = np.arange(25).reshape(5, 5) % 5 == 1


def following(*relation):
    """dE/dX by another relation: input position = s*i + d*u + c, with these s, d and c."""

    def claim(_, given):
        layer = make_layer(given["x"].shape, given["w"].shape, padding=given["padding"])
        data = Data.of(layer, {X: given["x"], W: given["w"], DEDO: given["dedo"]})
        return made(right_recipe(layer, DX).by((Relation(*relation),)), data)

    return claim


LINE = problem((30,), (4,), padding=2)
# Up to a stride of 4, a dilation of 3 and a shift of 3, and beyond.
RELATIONS = [(4, 1, -2), (5, 1, -2), (2, -3, 9), (2, 3, -2), (1, 4, -2), (2, -4, 10), (3, 2, 1), (1, 2, -5), (3, 2, -6)]


def summed_in(dtype):
    """dE/dW of one sample and channel, added up one by one in a dtype."""

    def claim(right, given):
        (height, width), sums = given["dedo"].shape, np.zeros_like(right)
        for u, v in np.ndindex(right.shape):
            products = given["x"][u : u + height, v : v + width] * given["dedo"]
            sums[u, v] = np.add.accumulate(products.astype(dtype).ravel())[-1]
        return sums.astype(np.float32)

    return claim


LARGE = problem(*LONG, dtype=float)
SMALL = LARGE | {"x": LARGE["x"] / 1000}
SINGLE = problem((14, 14), (2, 2), dtype=np.float32)
# The problem, the result that is claimed, and the claim of the right result and the problem.
CLAIMS = {
    "one of the most elements that are shown": (problem((12, 8), (2, 2)), "dx", changed((3, 4))),
    "one of a row more": (problem((13, 8), (2, 2)), "dx", changed((3, 4))),
    "six of a column more": (problem((12, 9), (2, 2)), "dx", changed(*((i, i) for i in range(6)))),
    "the last one of one axis": (problem((96,), (2,)), "dx", changed(95)),
    "a column of a sample and channel": (
        problem((2, 3, 20, 4), (1, 3, 2, 2), (1,), padding=1),
        "dx",
        changed(*((1, 2, i, 3) for i in range(8, 15))),
    ),
    "a border": (problem((1, 9, 9), (1, 1, 2, 2)), "dx", changed(*((0, 0, k) for k in range(1, 8)), (0, 2, 8))),
    "a sum of 12 terms": (problem((3, 5, 5), (1, 3, 2, 2)), "o", changed((0, 1, 1))),
    "a sum of 13 terms and b": (problem((13, 3, 3), (1, 13, 1, 1), (1,)), "o", changed((0, 1, 1))),
    "a sum of 64 terms": (problem((64,), (1,)), "dw", changed(0)),
    "a sum of 65 terms": (problem((65,), (1,)), "dw", changed(0)),
    "NaN": (problem((4, 4), (2, 2)), "dx", lambda right, _: np.where(DIAGONAL, np.nan, right)),
    "infinity": (problem((4, 4), (2, 2), dtype=float), "dx", lambda right, _: np.where(DIAGONAL, np.inf, right + 1)),
    "NaN alone": (problem(*NOTES), "dw", lambda right, _: np.full(right.shape, np.nan)),
    "rows for columns": (problem((4, 5), (2, 2)), "dx", lambda right, _: right.T),
    "no rows left over, but one": (
        problem((3, 5), (3, 2), stride=(3, 1), padding=((1, 1), (0, 0))),
        "dx",
        lambda right, _: right[:1],
    ),
    "no rows left over, but two": (
        problem((3, 5), (3, 2), stride=(3, 1), padding=((1, 1), (0, 0))),
        "dx",
        lambda right, _: right[:2],
    ),
    "numbers in a line": (problem((4, 5), (2, 2)), "dx", lambda right, _: right.ravel()),
    "no last row": (problem((4, 5), (2, 2)), "dx", lambda right, _: right[:-1]),
    "no first two columns": (problem((4, 5), (2, 2)), "dx", lambda right, _: right[:, 2:]),
    "no first channel": (problem((2, 4, 5), (1, 2, 2, 2)), "dx", lambda right, _: right[1:]),
    "wrong numbers in another shape": (problem((4, 5), (2, 2)), "dx", lambda right, _: right[2:] + 1),
    "one number": (problem((4, 5), (2, 2)), "dx", lambda right, _: right.sum()),
    "a factor with a name": (problem((2, 1, 5, 5), (3, 1, 2, 2), (3,)), "dw", lambda right, _: right / 2),
    "a factor without one": (problem(*NOTES), "dw", lambda right, _: right * 1.7),
    "a factor, but for one element": (problem((4, 5), (2, 2)), "dx", lambda right, _: changed((2, 2))(right * 2, _)),
    "a number added": (problem(*NOTES), "dx", lambda right, _: right + 3),
    "a number added to a multiple": (problem(*NOTES), "dx", lambda right, _: 2 * right + 3),
    "weight decay": (problem(*NOTES), "dw", lambda right, given: right + 0.01 * given["w"]),
    "one number in many places": (problem(*NOTES), "dx", every_third(7)),
    "two signs of a number in many places": (problem(*NOTES), "dx", every_third([7, -7, 7, -7, 7])),
    "a part missing in some rows": (problem(*NOTES), "dx", lambda right, given: np.where(LATE, lacking(given), right)),
    "a part twice in some rows": (
        problem(*NOTES),
        "dx",
        lambda right, given: np.where(LATE, 2 * right - lacking(given), right),
    ),
    "three alike": (problem(*NOTES), "dx", alike_at(3)),
    "four alike": (problem(*NOTES), "dx", alike_at(4)),
    "four without a part": (problem(*NOTES), "dx", lambda right, given: np.where(FEW, lacking(given), right)),
    "a part left out twice": (problem(*NOTES), "dx", lambda right, given: 2 * lacking(given) - right),
    "three numbers": (problem((3,), (1,)), "dx", lambda right, _: right[::-1] * 3),
    "four numbers": (problem((4,), (1,)), "dx", lambda right, _: right[::-1] * 3),
    "five numbers": (problem((5,), (1,)), "dx", lambda right, _: right[::-1] * 3),
    "six numbers, added to a multiple": (problem((6,), (1,)), "dx", lambda right, _: right * 2 + 4),
    "seven numbers, added to a multiple": (problem((7,), (1,)), "dx", lambda right, _: right * 2 + 40),
    **{f"another relation, {relation}": (LINE, "dx", following(*relation)) for relation in RELATIONS},
    "float16": (problem(*LONG, dtype=np.float32), "dw", lambda right, _: right.astype(np.float16)),
    "wrong float16": (
        problem(*LONG, dtype=np.float32),
        "dw",
        lambda right, _: changed((1, 1))(right.astype(np.float16), _),
    ),
    "sums in float16": (SINGLE, "dw", summed_in(np.float16)),
    "sums in float32": (problem((60, 60), (2, 2), dtype=np.float32), "dw", summed_in(np.float32)),
    "rounded to three places": (LARGE, "dx", lambda right, _: right.round(3)),
    "rounded to tens": (LARGE | {"w": LARGE["w"] * 100}, "dx", lambda right, _: right.round(-1)),
    "rounded to four digits": (
        LARGE,
        "dx",
        lambda right, _: np.array(written(".4g")(right, _)),
    ),
    "sums in float16 called float32": (SINGLE | {"written": "float32"}, "dw", summed_in(np.float16)),
    "sums in float16 called float16": (SINGLE | {"written": "float16"}, "dw", summed_in(np.float16)),
    "sums in float16 called tf32": (SINGLE | {"written": "tf32"}, "dw", summed_in(np.float16)),
    "sums in float16 called digits": (SINGLE | {"written": "digits:4"}, "dw", summed_in(np.float16)),
    "sums in float16 called fixed": (SINGLE | {"written": "fixed:9"}, "dw", summed_in(np.float16)),
    "sums in float16 with a tolerance": (SINGLE | {"rtol": 1e-3}, "dw", summed_in(np.float16)),
    "sums in float16 with a small tolerance": (SINGLE | {"rtol": 1e-6}, "dw", summed_in(np.float16)),
    "elements that were asked for": (problem(*NOTES) | {"elements": ["x22", "x15", "x55"]}, "dx", changed((1, 1))),
    "three digits": (problem(*LONG, dtype=float), "dw", written(".3g")),
    "two places, wrong": (problem(*LONG, dtype=float), "dx", lambda right, _: written(".2f")(right + (right > 4), _)),
    "right small decimals": (SMALL, "dw", lambda right, _: right),
    "small decimals, one wrong": (SMALL, "dw", lambda right, _: right + 1e-4 * np.eye(3)[::-1]),
    "too few places": (problem(*LONG, dtype=float), "dw", written(".0f")),
    "float32 as float64": (
        problem(*LONG, dtype=float),
        "dw",
        lambda right, _: right.astype(np.float32).astype(float) + 1e-9,
    ),
    "cut to whole numbers": (problem(*LONG, dtype=float), "dx", lambda right, _: np.trunc(right)),
    "a part of dE/db": (problem((2, 2, 4, 4), (3, 2, 2, 2), (3,)), "db", lambda right, _: right / 2),
    "two of a transposed layer": (
        problem((1, 3, 3), (1, 2, 2, 2), (2,), transposed=True, stride=2, padding=1),
        "o",
        changed((1, 1, 1), (0, 2, 2)),
    ),
}


def _no_last_column(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    found.dx[..., -1] = 0
    return found.dw, found.dx, found.db


def _raises(x, w, dedo, **options):
    if options["groups"] > 1:
        raise ValueError("no groups")
    return -cnngrad.backward(x, w, dedo, **options).dw, cnngrad.backward(x, w, dedo, **options).dx


def _of_samples(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw / len(x), found.dx[:, ::-1], found.db[None] if len(x) > 1 else found.db


def _not_finite(x, w, dedo, stride=1, padding=0):
    found = cnngrad.backward(x, w, dedo, stride=stride, padding=padding, dims=x.ndim - 2)
    return {"dX": -found.dx, "dW": np.where(found.dw > 9, np.nan, found.dw)}


def _short(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw.astype(np.float16), found.dx.round(3)


def _transposed(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw, found.dx * options["stride"]


def _by_shapes(x, w, dedo, *, stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dx.tolist(), found.dw.tolist()


def _in_place(x, w, dedo, bias=None, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    x[...] = found.dx
    return {"dX": x, "grad_w": found.dw, "db": None if bias is None else found.db}


def _with_b_first(b, x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw, found.dx, found.db if b is None else b


def _returning(value):
    return lambda x, w, dedo, **_: value(x, w)


# Functions, and how `check_function` is asked to call them.
FUNCTIONS = {
    "no last column": (_no_last_column, {}),
    "an exception": (_raises, {"without": ["bias"]}),
    "samples and channels": (_of_samples, {"without": ["padding"], "seed": 3}),
    "no options": (_not_finite, {"suite": "quick", "dims": 1}),
    "short numbers": (_short, {"decimals": True, "expect": ["dEdb"], "written": "float32"}),
    "by shapes": (_by_shapes, {"without": ["bias"]}),
    "in place": (_in_place, {"without": ["bias"]}),
    "b first": (_with_b_first, {"padding": 1, "expect": ["dW"]}),
    "nothing": (_returning(lambda x, w: None), {}),
    "one number": (_returning(lambda x, w: 3), {}),
    "four arrays": (_returning(lambda x, w: (w, x, w, x)), {}),
    "words": (_returning(lambda x, w: ("w", "x")), {}),
    "an unknown name": (_returning(lambda x, w: {"dw": w, "q" * 50: x}), {}),
    "two names": (_returning(lambda x, w: {"dw": w, "grad_w": w, "dW": w}), {}),
    "complex numbers": (_returning(lambda x, w: (w * 1j, x)), {}),
    "zeros": (_returning(lambda x, w: (0 * w, 0 * x)), {"without": ["stride", "bias"], "dims": 1}),
    "too few options": (lambda x, w, dedo, padding: (w, x), {"suite": "quick"}),
    "transposed": (_transposed, {"transposed": True, "stride": 2}),
}


def findings(name):
    """What `check_function` says of a function."""
    function, asked = FUNCTIONS[name]
    # Few of the smaller layers are enough to show one.
    with patch("cnngrad.programs.shrinking._MOST_RUNS", 9):
        found = cnngrad.check_function(function, **{"suite": "quick"} | asked)
    text = f"{found}\n{found.summary}\n"
    if name == "an exception":
        still = replace(found, run={})
        text += f"{junit(still, Style())}{github(still, Style())}{gradescope(still, Style(hidden='s*', points=5))}"
    return text


def report(name):
    """What `check` says of a claim."""
    given, result, claim = CLAIMS[name]
    layer = {key: value for key, value in given.items() if key not in ("written", "rtol", "elements")}
    if result == "o":
        right = cnngrad.forward(**{key: value for key, value in layer.items() if key != "dedo"})
    else:
        right = getattr(cnngrad.backward(**{key: value for key, value in layer.items() if key != "b"}), result)
    return str(cnngrad.check(**given, **{result: claim(np.array(right), given)}))
