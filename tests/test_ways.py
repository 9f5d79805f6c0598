"""Every way of computing against the definitions, and the plan that chooses among them."""

import math
import os
import subprocess
import sys
import time
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnngrad
from cnngrad import threads
from cnngrad.conv import Backward, Forward, columns, gather, parts, plan, rows, shifted, spectrum, tiles
from cnngrad.layer import make_layer
from tests import reference
from tests.cases import SMALL, Case, layers


def run(jobs):
    for job in jobs:
        job()


def forget_plans():
    """Let no layer go the way that it was found before: constants have changed."""
    for module in (columns, gather, parts, plan, rows, shifted, spectrum, tiles):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


@pytest.fixture
def small_parts(monkeypatch):
    """Tiles and parts of a few numbers, so that small layers have many."""
    divide_finely(monkeypatch)
    yield
    forget_plans()


def divide_finely(monkeypatch):
    forget_plans()
    monkeypatch.setattr(tiles, "_TILE", 2**9)
    monkeypatch.setattr(tiles, "_SMALL_WORK", 0)
    monkeypatch.setattr(parts, "_LARGE_SUM", 2**6)
    monkeypatch.setattr(columns, "_PARTS", 2**9)
    monkeypatch.setattr(columns, "_FEWEST_ROWS", 1)
    monkeypatch.setattr(rows, "_TILE", 2**9)
    monkeypatch.setattr(spectrum, "_BLOCK", 2)
    monkeypatch.setattr(parts, "LARGEST_COPY", 2**7)
    monkeypatch.setattr(parts, "LARGEST_COLUMN", 2**6)
    monkeypatch.setattr(parts, "_TOGETHER", 2**6)


def agree(case, way, dtype=np.float64, seed=0):
    """Assert that a way gives O, and dE/dW and dE/dX where it has them, of a case that is not flipped."""
    x, w, b, dedo = case.data(seed)
    layer = make_layer(case.x, case.w, **case.options)
    if hasattr(way, "output"):
        o = np.full(case.o, np.nan)
        run(way.output(layer, x, w.astype(dtype).reshape(layer.by_groups), b.astype(dtype), o))
        expected = reference.forward(x, w, b, *case.definition)
        np.testing.assert_allclose(o, expected, atol=1e-9 if way is spectrum else 0)
    dw, dx, _ = reference.backward(x, w, dedo, *case.definition)
    if hasattr(way, "filter_gradient"):
        found = np.full(layer.by_groups, 7, dtype)
        list(way.filter_gradient(layer, x, dedo, found, np.dtype(dtype)))
        np.testing.assert_array_equal(found.reshape(case.w), dw)
    if hasattr(way, "input_gradient"):
        found = np.zeros(case.x, dtype)
        list(way.input_gradient(layer, w.astype(dtype).reshape(layer.by_groups), dedo, found))
        np.testing.assert_array_equal(found, dx)


def agree_on_dx(case, monkeypatch):
    """Assert that the plan writes dE/dX of a case everywhere, however small it is."""
    x, w, _, dedo = case.data()
    layer = make_layer(case.x, case.w, **case.options)
    monkeypatch.setattr(gather, "fits", lambda _: False)
    monkeypatch.setattr(gather, "fits_back", lambda _: False)
    dx = np.full(case.x, np.nan)
    list(plan.input_gradient(layer, w, dedo, dx, np.dtype(float)))
    np.testing.assert_array_equal(dx, reference.backward(x, w, dedo, *case.definition)[1])


MANY_FILTERS = {
    "leftover": Case((2, 2, 9, 8), (7, 2, 2, 3), (3, 2), ((0, 0), (1, 0)), (1, 1)),
    "steps over X": Case((1, 1, 11, 9), (3, 1, 2, 2), (4, 3), ((0, 0), (0, 2)), (1, 1)),
    "dilated": Case((1, 2, 12), (6, 2, 3), (2,), ((3, 0),), (3,)),
    "in groups": Case((2, 4, 6, 7), (12, 2, 3, 2), (2, 1), ((1, 1), (0, 0)), (1, 2), groups=2),
}


@pytest.mark.parametrize("case", MANY_FILTERS.values(), ids=MANY_FILTERS.keys())
@pytest.mark.parametrize("tiles", ["whole", "many"])
def test_the_gradient_of_x_is_written_everywhere(case, tiles, request, monkeypatch):
    if tiles == "many":
        request.getfixturevalue("small_parts")
    agree_on_dx(case, monkeypatch)


ONE_CHANNEL = {
    "one channel": Case((1, 1, 9, 7), (1, 1, 3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "dilated": Case((2, 1, 8, 9), (1, 1, 2, 3), (1, 1), ((2, 1), (0, 3)), (1, 2)),
    "depthwise": Case((2, 5, 7, 6), (5, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), groups=5),
    "depthwise in three axes": Case(
        (2, 3, 4, 7, 5), (3, 1, 2, 3, 2), (1, 1, 1), ((1, 0), (0, 1), (0, 0)), (2, 1, 2), groups=3
    ),
    "one row": Case((1, 1, 1, 9), (1, 1, 1, 3), (1, 1), ((0, 0), (1, 1)), (1, 1)),
}
PLAIN = {name: case for name, case in (SMALL | ONE_CHANNEL).items() if not case.flip}


def is_possible(way, case):
    return not case.flip and (way is not rows or (len(case.x) > 3 and set(case.dilation) == {1}))


@pytest.mark.parametrize("case", PLAIN.values(), ids=PLAIN.keys())
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("way", [columns, shifted, rows])
def test_in_many_tiles(case, way, dtype, small_parts):
    if is_possible(way, case):
        agree(case, way, dtype)


@pytest.mark.parametrize("way", [columns, shifted, rows])
@given(layers(), st.integers(0, 2**16))
def test_of_any_layer(way, case, seed):
    if is_possible(way, case):
        agree(case, way, seed=seed)


@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL.keys())
def test_the_gradient_of_x_in_parts_of_its_channels(case, small_parts, monkeypatch):
    agree_on_dx(case, monkeypatch)


def agree_in_parts(case, dtype, seed, monkeypatch):
    """Assert that O and the gradients of a case are right, however small it is, with all that is copied copied."""
    monkeypatch.setattr(gather, "fits", lambda _: False)
    monkeypatch.setattr(gather, "fits_back", lambda _: False)
    x, w, b, dedo = case.data(seed)
    arrays = [a.astype(dtype) for a in (x, w, b, dedo)]
    np.testing.assert_array_equal(
        cnngrad.forward(*arrays[:3], **case.options), reference.forward(x, w, b, *case.definition)
    )
    grads = cnngrad.backward(arrays[0], arrays[1], arrays[3], **case.options)
    for found, wanted in zip(
        (grads.dw, grads.dx, grads.db), reference.backward(x, w, dedo, *case.definition), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL.keys())
@pytest.mark.parametrize("dtype", [np.int64, np.int8, ">i2", ">f8", np.float32])
def test_whole_layers_in_small_parts(case, dtype, small_parts, monkeypatch):
    monkeypatch.setattr(plan, "is_transformed", lambda *_: False)
    agree_in_parts(case, dtype, 0, monkeypatch)


@given(case=layers(), seed=st.integers(0, 2**16), flat=st.booleans())
def test_any_layer_in_small_parts(case, seed, flat):
    with pytest.MonkeyPatch.context() as monkeypatch:
        divide_finely(monkeypatch)
        monkeypatch.setattr(plan, "is_transformed", lambda *_: False)
        if flat:
            monkeypatch.setattr(rows, "_TILE", 0)
        agree_in_parts(case, np.int16, seed, monkeypatch)
    forget_plans()


@pytest.mark.parametrize(
    ("layer", "counts", "wanted"),
    [
        (make_layer((1, 6, 5, 5), (8, 3, 2, 3), groups=2), (1,), 2),
        (make_layer((1, 3, 5, 5), (8, 3, 2, 3)), (1, 3), 3),
        (make_layer((1, 3, 5, 5), (8, 3, 2, 3), padding=1, dilation=2), (1, None, 2, 2), 4),
    ],
)
def test_parts_are_all_of_a_layer_and_nothing_twice(layer, counts, wanted):
    seen = np.zeros(layer.by_groups, int)
    every = parts.divided(layer, *counts)
    for part in every:
        seen[part.weights] += 1
        assert part.layer.out == layer.out
        assert part.layer.canonical["W"] == (
            part.filters.stop - part.filters.start,
            *(len(range(size)[where]) for size, where in zip(seen.shape[2:], part.weights[2:], strict=True)),
        )
    assert len(every) == wanted
    assert (seen == 1).all()


@pytest.mark.parametrize(
    "case",
    [case for case in PLAIN.values() if set(case.stride) == {1}],
)
@pytest.mark.parametrize("blocks", ["whole", "many"])
def test_spectra(case, blocks, request):
    if blocks == "many":
        request.getfixturevalue("small_parts")
    agree(case, spectrum)


def exact(case, x, w):
    """O of a case without padding, by sums over taps of a dtype as wide as it needs."""
    windows = np.lib.stride_tricks.sliding_window_view(x, case.w[2:], axis=(2, 3))
    return np.einsum("ncijuv,fcuv->nfij", windows, w, optimize=False)


LARGE = Case((1, 1, 90, 80), (1, 1, 31, 31), (1, 1), ((0, 0), (0, 0)), (1, 1))


@pytest.mark.parametrize(("dtype", "most"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_a_transform_is_as_precise_as_is_said(dtype, most):
    x, w, _, _ = LARGE.data(dtype=dtype)
    assert plan.is_transformed(make_layer(LARGE.x, LARGE.w), np.dtype(dtype))
    error = np.abs(cnngrad.forward(x, w) - exact(LARGE, x.astype(np.longdouble), w.astype(np.longdouble))).max()
    assert error <= most * np.abs(x).max() * np.abs(w).max()


def test_integers_are_never_transformed():
    x, w, _, _ = LARGE.data()
    x[0, 0, 5, 5] = 2**40
    np.testing.assert_array_equal(cnngrad.forward(x, w), exact(LARGE, x, w))


def test_a_transform_beyond_the_dtype_is_no_error_where_the_sums_are_not():
    x = np.zeros(LARGE.x)
    x[0, 0, ::40, ::40] = 1.5e308
    w = np.zeros(LARGE.w)
    w[0, 0, 0, 0] = 1
    np.testing.assert_array_equal(cnngrad.forward(x, w), x[:, :, :60, :50])


def test_the_plan_takes_each_way_somewhere():
    layers = {
        columns: make_layer((4, 256, 14, 14), (512, 256, 1, 1)),
        rows: make_layer((300, 300), (3, 3)),
    }
    for way, layer in layers.items():
        assert plan._way(layer, np.dtype(np.float64), True) is way.output
    assert plan._way(make_layer((300, 300), (31, 31)), np.dtype(np.float64), True) is spectrum.output
    assert gather.fits(make_layer((5, 5), (3, 3)))
    many = make_layer((64, 2001, 300), (8, 64, 3, 3))
    few = make_layer((64, 2001, 300), (8, 64, 3, 3), dilation=(999, 1))
    assert plan._filter_gradient_way(many, np.dtype(np.float64)) is rows.filter_gradient
    assert shifted.fits(many, np.dtype(np.float64))
    assert not shifted.fits(few, np.dtype(np.float64))


SHAPES = [
    ((2, 16, 40, 40), (24, 16, 3, 3), {"padding": 1}),
    ((2, 3, 90, 90), (32, 3, 7, 7), {"stride": 2, "padding": 3}),
    ((2, 128, 16, 16), (256, 128, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 40, 60, 60), (40, 1, 3, 3), {"groups": 40}),
    ((1, 1, 500, 600), (1, 1, 5, 5), {"flip": True}),
    ((1, 1, 300, 300), (1, 1, 17, 17), {}),
    ((4, 16, 2000), (32, 16, 9), {"dims": 1, "dilation": 2}),
    ((2, 4, 20, 20, 20), (8, 4, 3, 3, 3), {"padding": 1}),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), SHAPES)
def test_every_number_of_threads_gives_the_same_bits(x_shape, w_shape, options, dtype, monkeypatch):
    generator = np.random.default_rng(0)
    x, w = (generator.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
    results = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(threads, "_cores", lambda cores=cores: cores)
        o = cnngrad.forward(x, w, **options)
        grads = cnngrad.backward(x, w, o, **options)
        results.append([o.tobytes(), grads.dw.tobytes(), grads.dx.tobytes(), grads.db.tobytes()])
    assert results[0] == results[1] == results[2]
    for found, wanted in zip((o, grads.dw, grads.dx), by_taps(x, w, o, **options), strict=True):
        assert np.abs(found - wanted).max() <= 200 * np.finfo(dtype).eps * np.abs(wanted).max()


def by_taps(x, w, dedo, stride=1, padding=0, dilation=1, groups=1, flip=False, dims=None):
    """O, dE/dW and dE/dX in float64, one filter position after the other."""
    x, w, dedo = (a.astype(np.float64) for a in (x, w, dedo))
    padded = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * (x.ndim - 2))
    split = (groups, w.shape[0] // groups, w.shape[1])
    o, dw, dx = np.zeros_like(dedo), np.zeros_like(w), np.zeros_like(padded)
    above = dedo.reshape(len(x), *split[:2], -1)
    for tap in np.ndindex(w.shape[2:]):
        at = [k - 1 - u if flip else u for k, u in zip(w.shape[2:], tap, strict=True)]
        reads = tuple(
            slice(dilation * u, dilation * u + stride * n, stride) for u, n in zip(at, o.shape[2:], strict=True)
        )
        window = padded[(..., *reads)].reshape(len(x), groups, split[2], -1)
        weights = w[(..., *tap)].reshape(split)
        o += np.einsum("ngcp,gfc->ngfp", window, weights).reshape(o.shape)
        dw[(..., *tap)] = np.einsum("ngcp,ngfp->gfc", window, above).reshape(w.shape[:2])
        dx[(..., *reads)] += np.einsum("ngfp,gfc->ngcp", above, weights).reshape(dx[(..., *reads)].shape)
    inside = tuple(slice(padding, padding + size) for size in x.shape[2:])
    return o, dw, dx[(..., *inside)]


def test_blas_threads_change_nothing():
    code = (
        "import hashlib, numpy as np, cnngrad; g = np.random.default_rng(0)\n"
        "x, w = g.standard_normal((4, 128, 14, 14)), g.standard_normal((160, 128, 3, 3))\n"
        "o = cnngrad.forward(x, w); grads = cnngrad.backward(x, w, o)\n"
        "x, w = g.standard_normal((60000,)), g.standard_normal((1,))\n"
        "line = cnngrad.backward(x, w, x)\n"
        "x = g.standard_normal((1, 7000, 3, 3)); point = cnngrad.forward(x, x)\n"
        "arrays = (o, grads.dw, grads.dx, line.dw, point)\n"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in arrays)).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": n}
        ).stdout
        for n in ("1", "2", "3")
    }
    assert len(seen) == 1


@pytest.mark.parametrize(("x_shape", "w_shape"), [((8, 16, 40, 40), (16, 16, 3, 3)), ((2000, 900), (3, 3))])
def test_overflow_in_a_thread_is_an_error_and_no_warning(x_shape, w_shape, monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    with pytest.raises(cnngrad.CnngradError, match=r"O.* is too large for float32"):
        cnngrad.forward(np.full(x_shape, 1e38, np.float32), np.ones(w_shape, np.float32))


def test_check_holds_every_element_to_its_own_terms():
    """A transform would round the small ones as parts of the large ones."""
    generator = np.random.default_rng(0)
    x, dedo = generator.standard_normal((70, 60)), generator.standard_normal((40, 30))
    w = 10.0 ** generator.uniform(-14, 0, (31, 31))
    assert plan.is_transformed(make_layer(x.shape, w.shape), w.dtype)
    assert cnngrad.check(x, w, dedo).passed


def test_an_error_in_a_thread_comes_out_and_stops_the_others(monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    done = []

    def job(number):
        if number == 3:
            raise ZeroDivisionError
        done.append(number)
        return number

    with pytest.raises(ZeroDivisionError):
        list(threads.in_order([partial(job, number) for number in range(1000)]))
    assert len(done) < 20


def test_jobs_within_a_job_do_not_wait_for_each_other(monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 2)

    def outer(number):
        return sum(threads.in_order([partial(int, number)] * 9))

    assert list(threads.in_order([partial(outer, number) for number in range(20)])) == [9 * n for n in range(20)]


@pytest.mark.parametrize(("x_shape", "w_shape", "options"), SHAPES)
def test_progress_ends_with_all(x_shape, w_shape, options):
    x, w = np.ones(x_shape), np.ones(w_shape)
    seen = []
    o = Forward(x, w, **options).output(progress=lambda done, whole: seen.append((done, whole)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    for name in ("dEdW", "dEdX"):
        seen.clear()
        Backward(x, w, o, **options).gradient(name, progress=lambda done, whole: seen.append((done, whole)))
        assert seen == sorted(seen)
        assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options"),
    [*SHAPES, ((9, 70, 8, 8), (60, 70, 3, 3), {}), ((3, 2, 50, 50), (9, 2, 5, 5), {})],
)
def test_every_position_is_counted_once(x_shape, w_shape, options, monkeypatch):
    monkeypatch.setattr(parts, "LARGEST_COPY", 2**14)
    monkeypatch.setattr(parts, "_LARGE_SUM", 2**12)
    layer = make_layer(x_shape, w_shape, **options)
    x, w = np.ones(layer.canonical["X"]), np.ones(layer.canonical["W"])
    o, dw, dx = np.empty(layer.canonical["O"]), np.empty(w.shape), np.empty(x.shape)
    whole = pytest.approx(layer.batch * math.prod(layer.out))
    assert sum(plan.output(layer, x, w, None, o, x.dtype, False)) == whole
    assert sum(plan.filter_gradient(layer, x, o, dw, x.dtype)) == whole
    assert sum(plan.input_gradient(layer, w, o, dx, x.dtype)) == whole


def test_tiles_are_all_of_a_layer_and_nothing_twice():
    layer = make_layer((5, 6, 7, 8), (4, 6, 2, 3), stride=2)
    every = tiles.Tiles(layer, (2, 4, 2, 3))
    seen = np.zeros((5, 6, *layer.out), int)
    for tile in every:
        seen[(tile.samples, tile.channels, *tile.positions)] += 1
        assert tile.number <= every.first.number == 12
    assert (seen == 1).all()
    runs = [list(run) for run in every.by_channels()]
    assert [{tile.channels.start for tile in run} for run in runs] == [{0}, {4}]
    assert [sum(tile.number for tile in run) for run in runs] == [5 * math.prod(layer.out)] * 2


@pytest.mark.parametrize("cores", [1, 2])
def test_jobs_are_made_when_their_turn_comes(cores, monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: cores)
    made = []

    def jobs():
        for number in range(300):
            made.append(number)
            yield partial(int, number)

    taken = -1
    for taken, found in enumerate(threads.in_order(jobs())):
        assert found == taken
        assert len(made) - taken < 100
    assert taken == 299


def test_results_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    made = []
    for taken, _ in enumerate(threads.in_order([partial(made.append, number) for number in range(300)])):
        time.sleep(0.0005)
        assert len(made) - taken < 20


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options"),
    [
        ((1, 1, 4000, 34), (8, 1, 800, 3), {}),
        ((1, 1, 1, 200000), (8, 1, 1, 49), {}),
        ((3000, 3000), (3, 3), {"stride": 500, "padding": 1}),
        ((8, 1, 1200000), (1, 1, 9), {"stride": 200, "padding": 4, "dims": 1}),
        ((64, 2001, 300), (8, 64, 3, 3), {"dilation": (1000, 1)}),
        ((4, 16384, 14, 14), (8, 16384, 3, 3), {"dilation": 6, "padding": 6}),
        ((64, 100000), (256, 64, 9), {"dilation": 10000, "dims": 1}),
        ((1, 8192, 4, 4), (8192, 512, 1, 1), {"groups": 16}),
        ((1, 100000, 6, 6), (100000, 1, 3, 3), {"groups": 100000, "padding": 1}),
        ((31, 200, 200), (1, 31, 31, 31), {}),
        ((8, 232, 1, 2907), (462, 232, 1, 6), {"stride": (1, 3), "padding": (0, 14)}),
    ],
)
def test_unusual_shapes_need_little_memory(x_shape, w_shape, options, monkeypatch):
    x, w = np.ones(x_shape), np.ones(w_shape)
    assert peak_memory(x, w, options, monkeypatch) < 2**25


@pytest.mark.parametrize("names", [["O"], ["dEdW"]])
def test_windows_as_large_as_x_need_little_memory(names, monkeypatch):
    x, w = np.ones((64, 257, 257)), np.ones((64, 256, 256))
    assert peak_memory(x, w, {"padding": 1}, monkeypatch, names) < 2**25


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options", "dtype"),
    [
        ((1, 1024, 5, 5), (1500, 1024, 3, 3), {"flip": True}, np.float64),
        ((1, 1024, 5, 5), (1500, 1024, 3, 3), {}, np.int8),
        ((1, 1024, 5, 5), (1500, 1024, 3, 3), {}, ">f4"),
        ((1, 1024, 5, 5), (1500, 1024, 3, 3), {}, np.float16),
        ((1, 2048, 5, 5), (1500, 1024, 3, 3), {"groups": 2, "flip": True}, np.float64),
        ((1, 512, 5, 5), (3000, 512, 3, 3), {}, np.uint16),
        ((4, 400, 200, 200), (3, 400, 1, 1), {}, np.int8),
    ],
)
def test_what_can_not_be_multiplied_as_it_lies_is_copied_in_parts(x_shape, w_shape, options, dtype, monkeypatch):
    """Any of these as a whole, in the dtype to compute in, would take 54 MiB or more."""
    x, w = np.zeros(x_shape, dtype), np.zeros(w_shape, dtype)
    assert peak_memory(x, w, options, monkeypatch) < 2**25 + 2**23


def peak_memory(x, w, options, monkeypatch, names=("O", "dEdW", "dEdX")):
    """The most memory that a layer takes beside its arrays, in two threads."""
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    dedo = np.zeros(make_layer(x.shape, w.shape, **options).shapes["O"], x.dtype)
    dtype = np.int64 if x.dtype.kind in "iu" else x.dtype.newbyteorder("=")
    shapes = {"O": dedo.shape, "dEdW": w.shape, "dEdX": x.shape}
    results = {name: np.empty(shapes[name], dtype) for name in names}
    tracemalloc.start()
    for name, result in results.items():
        if name == "O":
            Forward(x, w, **options).output(result)
        else:
            Backward(x, w, dedo, **options).gradient(name, result)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@settings(max_examples=50)
@given(layers(), st.integers(0, 2**16))
def test_float16_is_rounded_once(case, seed):
    x, w, _, dedo = case.data(seed, np.float16)
    half = cnngrad.backward(x, w, dedo, **case.options)
    single = cnngrad.backward(*(a.astype(np.float32) for a in (x, w, dedo)), **case.options)
    np.testing.assert_array_equal(half.dx, single.dx.astype(np.float16))
    np.testing.assert_array_equal(half.dw, single.dw.astype(np.float16))


@pytest.mark.parametrize(("dtype", "size", "wanted"), [(np.float32, 70, 1), (np.float32, 20, 0), (np.float64, 70, 0)])
def test_blas_is_made_ready_for_what_takes_long_in_float32(dtype, size, wanted, monkeypatch):
    calls = []
    monkeypatch.setattr(plan, "warm_up", lambda: calls.append(dtype))
    plan._prepare.cache_clear()
    x, w = np.ones((1, 32, size, size), dtype), np.ones((32, 32, 3, 3), dtype)
    cnngrad.forward(x, w)
    assert len(calls) == wanted
    plan._prepare.cache_clear()
