"""Facts at the edge of what numbers and layers can be, each of which a small slip in the code would break."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

import cnngrad
from cnngrad.cli.main import main
from cnngrad.compute.exact import exact_dtype_of
from cnngrad.derivation.formulas import rules
from cnngrad.derivation.notation import number
from cnngrad.layer import make_layer
from cnngrad.render.documents import document
from cnngrad.render.maths import plain
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import make_console, show
from cnngrad.tensor import Tensor
from tests.cases import layers


@pytest.mark.parametrize("filters", [1, 9])
@pytest.mark.parametrize("channels", [1, 9])
def test_sums_over_filters_channels_and_positions_are_exact_beyond_float64(filters, channels):
    """2**53 + 1 is no float64: nine products near 2**50 reach beyond it, one alone does not."""
    x = np.full((1, channels, 2, 2), 2**25 + 1)
    w = np.full((filters, channels, 1, 1), 2**25 + 1)
    dedo = np.full((1, filters, 2, 2), 2**25 + 3)
    grads = cnngrad.backward(x, w, dedo)
    assert grads.dx[0, 0, 0, 0] == filters * (2**25 + 1) * (2**25 + 3)
    assert grads.dw[0, 0, 0, 0] == 4 * (2**25 + 1) * (2**25 + 3)
    assert cnngrad.forward(x, w)[0, 0, 0, 0] == channels * (2**25 + 1) ** 2


def test_sums_of_float16_are_not_made_in_float16():
    """In float16 a sum of ones stops at 2048."""
    x, w = np.ones((1, 1, 64, 64), np.float16), np.ones((4096, 1, 1, 1), np.float16)
    grads = cnngrad.backward(x, w[:1], np.ones((1, 1, 64, 64), np.float16))
    assert (grads.db.dtype, grads.db.tolist()) == (np.float16, [4096])
    assert (grads.dw.dtype, grads.dw.item()) == (np.float16, 4096)
    dx = cnngrad.backward(x[..., :1, :1], w, np.ones((1, 4096, 1, 1), np.float16)).dx
    assert (dx.dtype, dx.item()) == (np.float16, 4096)


@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_float16_gradients_are_the_rounded_sums(kernel, stride):
    generator = np.random.default_rng(0)
    x, w = generator.standard_normal((2, 3, 40, 40)), generator.standard_normal((16, 3, kernel, kernel))
    x, w = x.astype(np.float16), w.astype(np.float16)
    dedo = generator.standard_normal(cnngrad.forward(x, w, stride=stride).shape).astype(np.float16)
    grads = cnngrad.backward(x, w, dedo, stride=stride)
    exact = cnngrad.backward(*(a.astype(np.float64) for a in (x, w, dedo)), stride=stride)
    for name in ("dw", "dx", "db"):
        ours, wide = getattr(grads, name), getattr(exact, name)
        assert ours.dtype == np.float16
        # Half a unit of float16, and the rounding of float32's sums.
        assert (np.abs(ours - wide) <= 2.0**-11 * np.abs(wide) + 1e-5 * np.abs(wide).max()).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", ["dEdW", "dEdX", "dEdb", "O"])
def test_what_overflows_is_an_error_and_never_infinite(dtype, name):
    big = np.sqrt(np.finfo(dtype).max) * np.array(2, dtype)
    x, w, dedo = (np.full(shape, value, dtype) for shape, value in (((2, 2), 1), ((1, 1), 1), ((2, 2), 1)))
    if name == "O":
        x, w = x * big, w * big
    elif name == "dEdW":
        x, dedo = x * big, dedo * big
    elif name == "dEdX":
        w, dedo = w * big, dedo * big
    else:
        x, w, dedo = 0 * x, 0 * w, np.full((2, 2), np.finfo(dtype).max, dtype)
    with pytest.raises(cnngrad.CnngradError, match=rf"{name}.* is too large for {np.dtype(dtype)}"):
        cnngrad.forward(x, w) if name == "O" else cnngrad.backward(x, w, dedo)


def test_integers_stay_exact_with_another_step(capsys):
    assert main(["check", "samples/channels.json", "--step", "3"]) == 0
    out = capsys.readouterr().out
    assert out.count("tolerance 0: integers are exact") == 3
    assert out.count("none differs") == 3


@pytest.mark.parametrize(("size", "kernel", "stride"), [(5, 1, 3), (6, 2, 4), (7, 1, 2), (4, 2, 5), (9, 3, 4)])
@pytest.mark.parametrize("word", ["same", "same-lower"])
def test_same_gives_one_output_a_stride_where_windows_leave_gaps(size, kernel, stride, word):
    x, w = np.arange(1, size + 1), np.arange(1, kernel + 1)
    assert cnngrad.forward(x, w, stride=stride, padding=word).shape == (-(-size // stride),)
    axis = make_layer((size,), (kernel,), stride=stride, padding=word).axes[0]
    assert min(axis.before, axis.after) >= 0


@pytest.mark.parametrize(("number", "told"), [(10**30 - 1, "9" * 30), (10**30, "huge")])
def test_a_number_of_more_than_thirty_digits_is_not_shown(number, told):
    with pytest.raises(cnngrad.CnngradError, match=f"stride is {told}: it must be at most 2147483647"):
        cnngrad.forward([[1]], [[1]], stride=number)


def test_blas_has_one_thread_inside_and_its_own_back_after_an_error():
    code = """
import numpy
from cnngrad import blas
from cnngrad.threads import run_jobs

get = blas.control()[0] if blas.control() else lambda: 2
inside = 2 - bool(blas.control())
seen = [get()]

def job(_):
    seen.append(get())
    with blas.one_thread():
        seen.append(get())
    seen.append(get())
    1 / 0

try:
    run_jobs(1, job)
except ZeroDivisionError:
    print([*seen, get()] == [2, inside, inside, inside, 2])
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "True\n"


def evaluated(rule, tensor, letters, values):
    """The positions, from 1, that a formula's index of a tensor stands for."""
    index = re.search(rf"\b{tensor}(?:\[[^]]*\])?\(([^)]*)\)", rule)[1]
    names = dict(zip(letters, values, strict=True))
    return tuple(eval(part.replace("−", "-").replace("·", "*"), {}, names) for part in index.split(","))


@given(layers())
def test_the_rules_name_the_positions_of_the_one_relation(case):
    """Also with flip, where the position falls as the filter's element rises; a transposed layer reads ∂E/∂o."""
    layer = make_layer(case.x, case.w, **case.options)
    outputs, taps = "ijk"[: layer.dims], "uvt"[: layer.dims]
    by_windows, by_places, read = (Tensor.DX, Tensor.O, "o") if case.transposed else (Tensor.O, Tensor.DX, "x")
    for rule in (plain(*rules(layer)[by_windows]), plain(*rules(layer)[Tensor.DW])):
        for step in (0, 1):
            i = tuple(min(step, (a.size if case.transposed else a.out) - 1) for a in layer.axes)
            u = tuple(min(1 - step, a.kernel - 1) for a in layer.axes)
            told = evaluated(rule, read, outputs + taps, [k + 1 for k in (*i, *u)])
            assert told == tuple(a.position(p, q) + 1 for a, p, q in zip(layer.axes, i, u, strict=True))
    conditions = re.findall(
        r"([^,]+) (?:=|standing for) ([pqr])", plain(*rules(layer)[by_places]).partition("over ")[2]
    )
    for axis, (sum_, _), i, u in zip(layer.axes, conditions, outputs, taps, strict=True):
        told = eval(sum_.replace("−", "-").replace("·", "*"), {}, {i: 1, u: 1})
        assert told == axis.position(0, 0) + 1


def test_minus_zero_is_shown_as_zero():
    assert [number(value) for value in (-0.0, 0.0, -1e-320)] == ["0.0", "0.0", "-9.99989e-321"]


@pytest.mark.parametrize(("error", "agree"), [(1e-6, True), (1e-3, False)])
def test_the_three_sums_are_compared_as_far_as_float16_goes(error, agree):
    """The sums are of the claims, so a wrong claim sets them apart; rounding does not."""
    x, w, dedo = np.arange(1.0, 10).reshape(3, 3), np.array([[1.0, 2], [3, -1]]), np.array([[4.0, -2], [-3, 5]])
    grads = cnngrad.backward(x, w, dedo)
    report = cnngrad.check(x, w, dedo, dw=grads.dw, dx=grads.dx * (1 + error))
    lines = [str(block) for block in report.blocks(6)]
    assert any("should be equal" in line for line in lines) is not agree
    assert any("sum(O·∂E/∂O) = sum(X·∂E/∂X) = sum(W·∂E/∂W): " in line for line in lines) is agree


@pytest.mark.parametrize("flag", ["--dw", "--dx", "--db"])
def test_a_shape_is_no_gradient_to_grade(capsys, flag):
    assert main(["check", "samples/notes.json", flag, "3x3"]) == 2
    assert "is the shape 3x3 without numbers: give a file" in capsys.readouterr().err


def test_a_total_is_shown_though_the_last_term_looks_like_it(tmp_path):
    derivation = cnngrad.derive([[1, 2], [3, 4]], [[1]], [[1, -1], [0, 5]], b=[0], only="db")
    with (tmp_path / "lesson.txt").open("w+") as file:
        show(make_console(file), Painter(6).blocks(derivation.blocks(6)))
        file.seek(0)
        assert re.search(r"= 1 \+ \(-1\) \+ 0 \+ 5 +5$", file.read(), re.MULTILINE)


@pytest.mark.parametrize(("limit", "words"), [(3, "(1 more term)"), (2, "(2 more terms)")])
def test_one_term_is_no_terms_in_latex_too(limit, words):
    derivation = cnngrad.derive([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]], terms=limit)
    for ending in (".tex", ".md"):
        assert words in document(ending, derivation)
    assert f"+ … {words[1]} more" in document(".txt", derivation)


@pytest.mark.parametrize(
    ("result", "x", "w", "dedo", "b"),
    [
        (Tensor.O, 2**26, 2**25, 1, 0),
        (Tensor.O, 2**26 - 1, 2**25, 1, 2**27),
        (Tensor.DW, 2**27, 1, 2**26, 0),
        (Tensor.DX, 1, 2**24, 2**25, 0),
        (Tensor.DB, 1, 1, 2**53, 0),
    ],
)
def test_integer_sums_up_to_2_to_the_53rd_are_computed_in_float64(result, x, w, dedo, b):
    """Of four filters: an output has four products, an x as many of each filter, a w one."""
    layer = make_layer((1, 2, 2), (4, 1, 2, 2), b_shape=(4,))

    def dtype(*tops):
        arrays = zip((Tensor.X, Tensor.W, Tensor.DEDO, Tensor.B), tops, strict=True)
        return exact_dtype_of(layer, [result], {t: np.full(layer.canonical[t], -top) for t, top in arrays})

    assert dtype(x, w, dedo, b) == np.float64
    more = {Tensor.O: (x, w, dedo, b + 1), Tensor.DW: (x + 1, w, dedo, b), Tensor.DB: (x, w, dedo + 1, b)}
    assert dtype(*more.get(result, (x, w + 1, dedo, b))) == np.int64


def test_integer_sums_up_to_int64s_largest_are_exact_and_others_refused():
    w = np.array([[2**60, 0], [0, 1]])
    assert cnngrad.forward([[7, 7], [7, 7]], w).tolist() == [[7 * (2**60 + 1)]]
    with pytest.raises(cnngrad.CnngradError, match=r"O may reach 9.22e\+18 in magnitude, beyond int64's"):
        cnngrad.forward([[8, 8], [8, 8]], w)
