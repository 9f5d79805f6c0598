"""The numbers' core: every way gives the definition's numbers, the plan is data, memory and threads keep promises."""

import math
import os
import subprocess
import sys
import threading
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnngrad
from cnngrad import threads
from cnngrad.compute import Work, measured
from cnngrad.compute.plan import add_up, make_plan, write
from cnngrad.compute.tiles import Tiles, slab
from cnngrad.compute.ways import columns
from cnngrad.functions import read_layer
from cnngrad.layer import make_layer
from cnngrad.tensor import Tensor
from tests import golden, reference
from tests.cases import CASES, PLAIN, Case, layers

# Constants with which even small layers are computed by every way, and in many tiles.
NOT_GATHERED = {"GATHERED": 0}
SIZES = {
    "as measured": {},
    "large": NOT_GATHERED,
    "many tiles": NOT_GATHERED | {"TILE": 200, "SMALL_WORK": 1, "LARGE_SUM": 10**6},
    "tiles of a position": NOT_GATHERED | {"TILE": 1, "LARGE_SUM": 64, "SUMS": 3},
    "rows": NOT_GATHERED | {"FEW_FILTERS": 99, "SHARED_ROWS": 1},
    "parts of rows": NOT_GATHERED | {"ROW_TILE": 3000, "ROW_WIDTH": 1, "ROW_PRODUCTS": 50, "FEW_FILTERS": 99},
    "spectra": NOT_GATHERED | {"TRANSFORMED_FLOAT64": 1, "TRANSFORMED_FLOAT32": 1, "BLOCK": 8, "SPECTRA_AT_ONCE": 1},
    "adding up": NOT_GATHERED
    | {"ADDED_SUM": 300, "ADDED_PARTS": 100, "ADDED_LINES": 0, "ADDED_POSITIONS": 7, "ADDED_ROWS": 1},
}


@contextmanager
def sized(changes):
    """Other measured constants, and plans made by them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setattr(measured, name, value)
        make_plan.cache_clear()
        try:
            yield
        finally:
            make_plan.cache_clear()


def ways_of(plan):
    return {type(step.way).__name__ for step in plan.steps}


def computed(case, arrays, dtype):
    """O, dE/dW and dE/dX of a case by its plans, and the ways that were taken."""
    x, w, b, dedo = arrays
    layer = make_layer(case.x, case.w, **case.options)
    plain, work = layer.unflipped, np.dtype(dtype)
    plans = {result: make_plan(plain, result, work, work.kind == "f") for result in (Tensor.O, Tensor.DW, Tensor.DX)}
    weights = layer.rotated(w.reshape(layer.by_groups))
    o, dw, dx = (np.full(layer.canonical[t], 77).astype(dtype) for t in plans)
    write(plans[Tensor.O], x, weights, b if case.bias else None, o)
    add_up(plans[Tensor.DW], x, dedo, layer.rotated(dw.reshape(layer.by_groups)))
    write(plans[Tensor.DX], dedo, weights, None, dx)
    return (o, dw, dx), {(result, way) for result, plan in plans.items() for way in ways_of(plan)}


def agree(case, dtype, sizes, seed=0):
    # Padding that is not zeros is filled before a way is chosen.
    case = replace(case, mode="zeros")
    arrays = case.data(seed, dtype)
    x, w, b, dedo = arrays
    with sized(sizes):
        found, ways = computed(case, arrays, dtype)
    dw, dx, _ = reference.backward(x, w, dedo, *case.definition)
    right = (reference.forward(x, w, b if case.bias else None, *case.definition), dw, dx)
    for mine, wanted in zip(found, right, strict=True):
        if np.dtype(dtype).kind == "i":
            np.testing.assert_array_equal(mine, wanted)
        else:
            np.testing.assert_allclose(mine, wanted, rtol=0, atol=1e-13 * max(1, np.abs(wanted).max()))
    return ways


@pytest.mark.sampled(2)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("case", PLAIN.values(), ids=PLAIN.keys())
def test_every_way_gives_the_definitions_numbers(case, sizes):
    for dtype in (np.int64, np.float64):
        agree(case, dtype, sizes)


@given(
    layers(plain=True), st.sampled_from(sorted(SIZES)), st.integers(0, 2**16), st.sampled_from([np.int64, np.float64])
)
def test_any_layer_by_any_way(case, size, seed, dtype):
    agree(case, dtype, SIZES[size], seed)


def test_together_these_sizes_take_every_way():
    taken = set()
    for sizes in SIZES.values():
        for case in PLAIN.values():
            taken |= agree(case, np.float64, sizes)
    assert taken == {
        *((result, "Columns") for result in (Tensor.O, Tensor.DW, Tensor.DX)),
        *((result, "Rows") for result in (Tensor.O, Tensor.DW, Tensor.DX)),
        *((result, "Gathering") for result in (Tensor.O, Tensor.DW, Tensor.DX)),
        (Tensor.O, "Spectra"),
        (Tensor.DX, "AddingUp"),
    }


PLANS = {
    ((1024, 1024), (3, 3), 1): ("Rows", "Rows", "Rows"),
    ((4, 256, 14, 14), (256, 256, 3, 3), 1): ("Columns", "Columns", "Columns"),
    ((4, 3, 224, 224), (64, 3, 7, 7), 2): ("Rows", "Columns", "AddingUp"),
    ((4, 64, 56, 56), (128, 64, 3, 3), 2): ("Columns", "Columns", "AddingUp"),
    ((512, 512), (15, 15), 1): ("Spectra", "Rows", "Rows"),
    ((3, 3), (2, 2), 1): ("Gathering", "Gathering", "Gathering"),
}


@pytest.mark.parametrize(("layer", "ways"), PLANS.items(), ids=str)
def test_the_plan_is_a_table(layer, ways):
    x, w, stride = layer
    made = make_layer(x, w, stride=stride)
    for result, way in zip((Tensor.O, Tensor.DW, Tensor.DX), ways, strict=True):
        plan = make_plan(made, result, np.dtype(np.float64))
        assert ways_of(plan) == {way}


LIMITS = {
    # O by rows: a row has three quarters as many elements as there are filters.
    ((1, 16, 60, 50), (64, 16, 3, 3), Tensor.O): "Rows",
    ((1, 16, 60, 49), (64, 16, 3, 3), Tensor.O): "Columns",
    # The window may be large if there are at most four filters.
    ((1, 3, 400, 400), (4, 3, 31, 31), Tensor.O): "Rows",
    ((1, 3, 400, 400), (5, 3, 31, 31), Tensor.O): "Columns",
    # dE/dW by rows: a row is as long as the rows of all filters together.
    ((1, 16, 60, 50), (16, 16, 3, 3), Tensor.DW): "Rows",
    ((1, 16, 60, 49), (16, 16, 3, 3), Tensor.DW): "Columns",
    # A filter of one element has nothing to slide, nor has one with gaps contiguous rows to read.
    ((1, 1, 300, 300), (1, 1, 1, 2), Tensor.O): "Rows",
    ((1, 1, 300, 300), (1, 1, 1, 1), Tensor.O): "Columns",
    # dE/dX by adding up: more than twice as many filters as channels, and at most 256 filter elements.
    ((4, 16, 56, 56), (33, 16, 3, 3), Tensor.DX): "AddingUp",
    ((4, 16, 56, 56), (32, 16, 3, 3), Tensor.DX): "Rows",
    ((1, 1, 200, 200), (4, 1, 16, 16), Tensor.DX): "AddingUp",
    ((1, 1, 200, 200), (4, 1, 16, 17), Tensor.DX): "Rows",
}


@pytest.mark.parametrize(("layer", "way"), LIMITS.items(), ids=str)
def test_a_way_is_chosen_up_to_its_limit(layer, way):
    x, w, result = layer
    assert ways_of(make_plan(make_layer(x, w), result, np.dtype(np.float64), rounded=False)) == {way}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ways_and_tiles_are_those_that_were_measured(dtype):
    assert golden.plans(dtype) == golden.kept("plans", dtype)


def test_each_of_two_blocks_of_channels_has_one_sum_of_all_its_tiles():
    case = Case((2, 2, 20, 20), (3, 2, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1))
    sizes = NOT_GATHERED | {
        "LARGE_SUM": 3 * 3 * 3 * 8,
        "TILE": 3000,
        "SMALL_WORK": 1,
        "FEW_FILTERS": 0,
        "SHARED_ROWS": 99,
    }
    with sized(sizes):
        (step,) = make_plan(make_layer(case.x, case.w), Tensor.DW, np.dtype(np.float64)).steps
        assert step.tiles.blocks == 2
        assert len(step.tiles) > 8
    agree(case, np.float64, sizes)


def test_a_tile_of_sums_has_as_many_rows_as_fit():
    """It has several channels too, so that a product has enough rows."""
    layer = make_layer((1, 3, 1000, 224), (64, 3, 5, 5), stride=2)
    (step,) = make_plan(layer, Tensor.DX, np.dtype(np.float64)).steps
    channels, samples, rows, width = step.tiles.counts
    assert (type(step.way).__name__, channels, samples, width) == ("AddingUp", 2, 1, 224)
    assert 8 * channels * rows * width <= measured.ADDED_SUM < 8 * channels * (rows + 1) * width
    # Three channels of whole images fit, and eight are three times as many.
    layer = make_layer((2, 8, 300, 224), (64, 8, 7, 7), stride=2)
    (step,) = make_plan(layer, Tensor.DX, np.dtype(np.float64)).steps
    assert (len(step.tiles), step.tiles.counts[0]) == (6, 3)


def test_each_phase_of_a_stride_is_a_step_and_work_is_cut_into_tiles():
    dtype = np.dtype(np.float64)
    (step,) = make_plan(make_layer((4, 256, 14, 14), (512, 256, 1, 1)), Tensor.O, dtype).steps
    assert len(step.tiles) == 4
    # Half of these samples are as much work as one thread does at once.
    (step,) = make_plan(make_layer((1, 64, 16, 16), (512, 64, 1, 1)), Tensor.O, dtype).steps
    assert len(step.tiles) == 1
    plan = make_plan(make_layer((4, 64, 56, 56), (64, 64, 3, 3), stride=2), Tensor.DX, dtype)
    assert (len(plan.steps), plan.reached) == (4, True)
    # A phase that no window reads has no step.
    with sized(NOT_GATHERED):
        plan = make_plan(make_layer((5,), (1,), stride=2, padding=((1, 0),)), Tensor.DX, dtype)
    assert (len(plan.steps), plan.reached) == (1, False)


@pytest.mark.parametrize(("dilation", "is_copied"), [(6, True), (7, False)])
def test_a_slab_is_copied_if_windows_read_half_of_it(dilation, is_copied, monkeypatch):
    """Two windows of two elements each: of 8 positions they read 4, of 9 too."""
    copied = []
    monkeypatch.setattr(columns, "slab", lambda *given: copied.append(given) or slab(*given))
    x = np.arange(dilation + 2)
    with sized(NOT_GATHERED):
        assert cnngrad.forward(x, [1, 2], dilation=dilation).tolist() == [2 * dilation, 2 * dilation + 3]
    assert bool(copied) is is_copied


def test_integers_and_what_must_not_be_rounded_are_never_transformed():
    layer = make_layer((512, 512), (15, 15))
    assert ways_of(make_plan(layer, Tensor.O, np.dtype(np.float64))) == {"Spectra"}
    assert ways_of(make_plan(layer, Tensor.O, np.dtype(np.float64), rounded=False)) == {"Rows"}
    x, w, _, _ = LARGE.data()
    x[0, 0, 5, 5] = 2**40
    np.testing.assert_array_equal(cnngrad.forward(x, w), exact(LARGE, x, w))


LARGE = Case((1, 1, 90, 80), (1, 1, 31, 31), (1, 1), ((0, 0), (0, 0)), (1, 1))


def exact(case, x, w):
    """O of a case without padding, by sums over taps of a dtype as wide as it needs."""
    windows = np.lib.stride_tricks.sliding_window_view(x, case.w[2:], axis=(2, 3))
    return np.einsum("ncijuv,fcuv->nfij", windows, w, optimize=False)


@pytest.mark.parametrize(("side", "tiles"), [(256, 1), (257, 4), (512, 9)])
def test_a_block_of_a_transform_has_256_elements_at_most_along_each_axis(side, tiles):
    plan = make_plan(make_layer((side, side), (15, 15)), Tensor.O, np.dtype(np.float64))
    assert (ways_of(plan), len(plan.steps[0].tiles)) == ({"Spectra"}, tiles)


@pytest.mark.parametrize(("dtype", "most"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_a_transform_is_as_precise_as_is_said(dtype, most):
    x, w, _, _ = LARGE.data(dtype=dtype)
    assert ways_of(make_plan(make_layer(LARGE.x, LARGE.w), Tensor.O, np.dtype(dtype))) == {"Spectra"}
    error = np.abs(cnngrad.forward(x, w) - exact(LARGE, x.astype(np.longdouble), w.astype(np.longdouble))).max()
    assert error <= most * np.abs(x).max() * np.abs(w).max()


def test_blocks_of_a_transform_overlap_by_the_filters_span():
    case = Case((1, 2, 40, 23), (2, 2, 3, 2), (1, 1), ((1, 0), (0, 2)), (1, 3))
    with sized(SIZES["spectra"]):
        plan = make_plan(make_layer(case.x, case.w, **case.options), Tensor.O, np.dtype(np.float64))
    assert (ways_of(plan), len(plan.steps[0].tiles)) == ({"Spectra"}, 8)
    agree(case, np.float64, SIZES["spectra"])


def test_a_transform_beyond_the_dtype_is_no_error_where_the_sums_are_not():
    x = np.zeros(LARGE.x)
    x[0, 0, ::40, ::40] = 1.5e308
    w = np.zeros(LARGE.w)
    w[0, 0, 0, 0] = 1
    np.testing.assert_array_equal(cnngrad.forward(x, w), x[:, :, :60, :50])


def test_finite_differences_are_as_precise_as_each_elements_own_terms():
    """A transform would round the small ones as parts of the large ones."""
    generator = np.random.default_rng(0)
    x, dedo = generator.standard_normal((1, 1, 60, 60)), generator.standard_normal((1, 1, 46, 46))
    w = generator.standard_normal((1, 1, 15, 15))
    # The first row of dE/dX has only terms with this row of W.
    w[:, :, 0] *= 1e-14
    assert ways_of(make_plan(make_layer(x.shape, w.shape), Tensor.O, x.dtype)) == {"Spectra"}
    found = cnngrad.check(x, w, dedo).gradients["dEdX"].numeric
    right = by_taps(x, w, dedo)[2]
    np.testing.assert_allclose(found[:, :, 0], right[:, :, 0], rtol=1e-10)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=3, max_size=5))
def test_tiles_are_all_of_a_result_and_nothing_twice(axes):
    sizes, counts = zip(*axes, strict=True)
    channels, samples, *positions = sizes
    ones = [1] * len(positions)
    tiles = Tiles(make_layer((samples, channels, *positions), (1, channels, *ones), dims=len(ones)), counts)
    seen = np.zeros(sizes, int)
    for number in range(len(tiles)):
        tile = tiles[number]
        # Those of one block of channels follow each other.
        assert tile.channels.start // tiles.counts[0] == number // (len(tiles) // tiles.blocks)
        seen[(tile.channels, tile.samples, *tile.positions)] += 1
    assert (seen == 1).all()
    with pytest.raises(ValueError, match="out of bounds"):
        tiles[len(tiles)]


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


@pytest.fixture
def cores(monkeypatch):
    return lambda count: monkeypatch.setattr(threads, "thread_count", lambda: count)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_process_begins_with_a_pool_of_its_own():
    assert threads._pool() is threads._pool()
    child = os.fork()
    if not child:
        os._exit(threads._pool.cache_info().currsize)
    assert os.waitpid(child, 0)[1] == 0


def test_there_is_one_thread_where_those_of_blas_can_t_be_controlled(monkeypatch):
    monkeypatch.setattr(threads, "control", lambda: None)
    assert threads.thread_count.__wrapped__() == 1


def test_two_jobs_run_at_the_same_time(cores):
    cores(2)
    both = threading.Barrier(2, timeout=30)
    threads.run_jobs(2, lambda _: both.wait())
    assert not both.broken


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), SHAPES)
def test_every_number_of_threads_gives_the_same_bits(x_shape, w_shape, options, dtype, cores):
    generator = np.random.default_rng(0)
    x, w = (generator.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
    results = []
    for count in (1, 2, 4):
        cores(count)
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
def test_overflow_in_a_thread_is_an_error_and_no_warning(x_shape, w_shape, cores):
    cores(2)
    with pytest.raises(cnngrad.CnngradError, match=r"O.* is too large for float32"):
        cnngrad.forward(np.full(x_shape, 1e38, np.float32), np.ones(w_shape, np.float32))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_job_is_done_once(cores, count):
    cores(count)
    done = []
    threads.run_jobs(1000, done.append)
    assert sorted(done) == list(range(1000))


def test_an_error_in_a_job_comes_out_and_stops_the_others(cores):
    cores(2)
    done = []

    def job(number):
        if number == 3:
            raise ZeroDivisionError
        done.append(number)

    with pytest.raises(ZeroDivisionError):
        threads.run_jobs(100000, job)
    assert len(done) < 99999


def test_an_interruption_stops_the_helpers_too(cores):
    cores(2)
    own, done = threading.get_ident(), []

    def job(number):
        done.append(number)
        if threading.get_ident() == own:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        threads.run_jobs(100000, job)
    count = len(done)
    assert count < 100000
    assert len(done) == count


def test_jobs_within_a_job_do_not_wait_for_each_other(cores):
    cores(2)
    sums = [0] * 20

    def outer(number):
        parts = []
        threads.run_jobs(9, lambda _: parts.append(number))
        sums[number] = sum(parts)

    threads.run_jobs(20, outer)
    assert sums == [9 * number for number in range(20)]


def read(x, w, dedo=None, **options):
    given = {Tensor.X: x, Tensor.W: w} if dedo is None else {Tensor.X: x, Tensor.W: w, Tensor.DEDO: dedo}
    return read_layer(given, options)


@pytest.mark.parametrize(("x_shape", "w_shape", "options"), SHAPES)
def test_progress_counts_tiles_up_to_all(x_shape, w_shape, options, cores):
    # Only the calling thread reports progress, and on a busy machine other threads may be quicker with every tile.
    cores(1)
    x, w = np.ones(x_shape), np.ones(w_shape)
    o = cnngrad.forward(x, w, **options)
    layer, _ = read(x, w, **options)
    forward, backward = Work(*read(x, w, **options)), Work(*read(x, w, o, **options))
    for work, result in ((forward, Tensor.O), (backward, Tensor.DW), (backward, Tensor.DX)):
        seen = []
        work.computed(result, progress=lambda done, whole, seen=seen: seen.append((done, whole)))
        assert seen == sorted(seen)
        plan = make_plan(layer.unflipped, result, np.dtype(np.float64))
        whole = sum(len(step.tiles) for step in plan.steps)
        assert {total for _, total in seen} == {whole}
        assert 1 <= len(seen) <= whole


@pytest.mark.sampled(14)
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options"),
    [
        ((3000, 3000), (3, 3), {"stride": 500, "padding": 1}),
        ((8, 1, 1200000), (1, 1, 9), {"stride": 200, "padding": 4, "dims": 1}),
        ((64, 2001, 300), (8, 64, 3, 3), {"dilation": (1000, 1)}),
        ((4, 16384, 14, 14), (8, 16384, 3, 3), {"dilation": 6, "padding": 6}),
        ((1, 8192, 4, 4), (8192, 512, 1, 1), {"groups": 16}),
        ((64, 100000), (256, 64, 9), {"dilation": 10000, "dims": 1}),
        ((1, 100000, 6, 6), (100000, 1, 3, 3), {"groups": 100000, "padding": 1}),
        ((31, 160, 160), (1, 31, 31, 31), {}),
        ((1, 1024, 5, 5), (1500, 1024, 3, 3), {"flip": True}),
        ((2000, 2000), (3, 3), {}),
        ((4, 3, 1000, 700), (16, 3, 5, 5), {"stride": 2}),
        ((4, 8, 500, 350), (8, 3, 5, 5), {"stride": 2, "transposed": True, "output_padding": 1}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.int8])
def test_a_layer_needs_64_mib_a_copy_of_w_and_a_window_for_each_thread(x_shape, w_shape, options, dtype, cores):
    cores(2)
    x, w = np.ones(x_shape, dtype), np.ones(w_shape, dtype)
    layer = make_layer(x_shape, w_shape, **options)
    dedo = np.ones(layer.shapes[Tensor.O], dtype)
    forward, backward = Work(*read(x, w, **options)), Work(*read(x, w, dedo, **options))
    if layer.transposed:
        given = {Tensor.X: x, Tensor.W: w, Tensor.B: np.ones(layer.filters, dtype)}
        forward = Work(*read_layer(given, options))
    window = 8 * layer.channels * math.prod(layer.kernel)
    allowed = 2**26 + 8 * w.size + 2 * window
    for run, (shape, kind) in (
        (lambda out: forward.computed(Tensor.O, out), forward.planned[Tensor.O]),
        *((lambda out, r=r: backward.computed(r, out), backward.planned[r]) for r in (Tensor.DW, Tensor.DX)),
    ):
        result = np.empty(shape, kind)
        tracemalloc.start()
        run(result)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < allowed


@given(layers(), st.integers(0, 2**16))
def test_float16_is_rounded_once(case, seed):
    x, w, b, dedo = case.data(seed, np.float16)
    o = cnngrad.forward(x, w, b, **case.options)
    wide = cnngrad.forward(*(a.astype(np.float32) for a in (x, w, b)), **case.options)
    np.testing.assert_array_equal(o, wide.astype(np.float16))
    half = cnngrad.backward(x, w, dedo, **case.options)
    single = cnngrad.backward(*(a.astype(np.float32) for a in (x, w, dedo)), **case.options)
    np.testing.assert_array_equal(half.dx, single.dx.astype(np.float16))
    np.testing.assert_array_equal(half.dw, single.dw.astype(np.float16))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_result_may_have_any_memory_that_its_arrays_have(case):
    """Fortran order, reversed views and other byte orders are read as they lie."""
    x, w, b, dedo = case.data(3)
    right = cnngrad.backward(x, w, dedo, **case.options)
    others = (np.asfortranarray(x), w[::-1].copy()[::-1], dedo.astype(">i4"))
    found = cnngrad.backward(*others, **case.options)
    np.testing.assert_array_equal(found.dw, right.dw)
    np.testing.assert_array_equal(found.dx, right.dx)
    o = cnngrad.forward(others[0], others[1], b, **case.options)
    np.testing.assert_array_equal(o, cnngrad.forward(x, w, b, **case.options))


def test_integer_gradients_are_integers_beside_a_decimal_bias():
    given = {Tensor.X: [[1, 2], [3, 4]], Tensor.W: [[1]], Tensor.B: 0.5}
    assert Work(*read_layer(given, {})).dtype == np.float64
    assert Work(*read_layer(given | {Tensor.DEDO: [[1, 1], [1, 1]]}, {})).dtype == np.int64


def test_the_exact_sums_of_dx_are_bounded_channel_by_channel():
    x, dedo = np.ones((2, 1, 1), int), np.full((2, 1, 1), 2**22)
    w = np.array([[2**40, 2**40], [1, 1]])[:, :, None, None]
    assert cnngrad.backward(x, w, dedo).dx.ravel().tolist() == [2**62 + 2**22] * 2
    with pytest.raises(cnngrad.CnngradError, match=r"dEdX may reach 9.22e\+18"):
        cnngrad.backward(x, w.swapaxes(0, 1), dedo)


@pytest.mark.parametrize("step", [4, 0.5, 1e300])
def test_integers_are_checked_exactly_with_any_step(step):
    report = cnngrad.check([[1, 2, 3], [4, 5, 6]], [[1, -2]], [[1, -1], [2, 3]], step=step)
    assert report.passed
    assert {gradient.numeric.dtype.kind for gradient in report.gradients.values()} == {"i"}
