"""How far a claim may be off: by its form, and by what can be exact in it."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import cnngrad
from cnngrad.checks.tolerance import Form, parse_form
from cnngrad.cli.main import main
from tests.cases import layers

X = np.random.default_rng(0).integers(-9, 10, (2, 3, 6, 5))
W = np.random.default_rng(1).integers(-9, 10, (4, 3, 3, 2))
DEDO = np.random.default_rng(2).integers(-9, 10, (2, 4, 4, 4))
GRADS = cnngrad.backward(X, W, DEDO)


def as_bfloat16(array):
    """The nearest bfloat16 numbers: the upper halves of float32's bits."""
    bits = np.asarray(array, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def as_tf32(array):
    step = 2.0 ** (np.frexp(array)[1] - 11)
    return np.rint(array / step) * step


def to_digits(array, digits):
    return np.array([float(f"{value:.{digits - 1}e}") for value in array.ravel()]).reshape(array.shape)


ROUNDED = {
    "float64": lambda a: a.astype(np.float64),
    "float32": lambda a: a.astype(np.float32),
    "tf32": as_tf32,
    "float16": lambda a: a.astype(np.float16),
    "bfloat16": as_bfloat16,
    "digits:2": lambda a: to_digits(a, 2),
    "digits:5": lambda a: to_digits(a, 5),
    "places:0": np.round,
    "places:3": lambda a: np.round(a, 3),
    "fixed:6": lambda a: np.floor(a * 64) / 64,
}


@given(layers(), st.integers(0, 2**16), st.sampled_from([np.int64, np.float64]), st.sampled_from(sorted(ROUNDED)))
def test_a_right_gradient_rounded_to_a_form_is_not_wrong_for_naming_it(case, seed, dtype, form):
    x, w, _, dedo = case.data(seed, dtype)
    grads = cnngrad.backward(*(array.astype(np.float64) for array in (x, w, dedo)), **case.options)
    claims = {name: ROUNDED[form](getattr(grads, name)) for name in ("dw", "dx")}
    for given_as in (np.ndarray.tolist, np.asarray):
        named = {name: given_as(claim) for name, claim in claims.items()}
        report = cnngrad.check(x, w, dedo, **named, **case.options, written=form)
        assert report.passed is not False, str(report)
        assert not any(gradient.precision for gradient in report.gradients.values()), str(report)


PRINTED = {"in short": str, "%g": "%g".__mod__, "%.3f": "%.3f".__mod__, "%.6e": "%.6e".__mod__}


@given(
    layers(),
    st.integers(0, 2**16),
    st.sampled_from([np.int64, np.float64]),
    st.sampled_from(["float16", "bfloat16"]),
    st.sampled_from(sorted(PRINTED)),
)
def test_a_right_gradient_of_16_bits_is_not_wrong_however_it_is_printed(case, seed, dtype, form, printed):
    x, w, _, dedo = case.data(seed, dtype)
    # Numbers that are neither integers nor have few digits, or large integers.
    x, w, dedo = (1.017 * x, w, 0.1 * dedo) if dtype is np.float64 else (9 * x, 11 * w, dedo)
    grads = cnngrad.backward(*(array.astype(np.float64) for array in (x, w, dedo)), **case.options)
    claims = {}
    for name in ("dw", "dx"):
        short = ROUNDED[form](getattr(grads, name))
        texts = [PRINTED[printed](number) for number in short.ravel()]
        claims[name] = np.array([json.loads(text) for text in texts]).reshape(short.shape).tolist()
    assert cnngrad.check(x, w, dedo, **claims, **case.options).passed is not False
    assert cnngrad.check(x, w, dedo, **claims, **case.options, written=form).passed is not False


@given(layers(), st.integers(0, 2**16), st.integers(1, 12), st.sampled_from([np.floor, np.rint, np.trunc]))
def test_a_right_gradient_in_fixed_point_is_not_wrong_and_its_steps_are_named(case, seed, bits, rounded):
    x, w, _, dedo = case.data(seed, np.float64)
    grads = cnngrad.backward(1.017 * x, w, 0.3 * dedo, **case.options)
    for name in ("dw", "dx"):
        claim = rounded(getattr(grads, name) * 2.0**bits) / 2.0**bits
        # Whole numbers have no steps.
        assume((claim % 1).any())
        report = cnngrad.check(1.017 * x, w, 0.3 * dedo, **{name: claim.tolist()}, **case.options)
        says = next(iter(report.gradients.values())).says
        assert report.passed is not False
        assert report.passed or "too coarsely" in says or "say --as" in says


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize("form", ROUNDED)
def test_what_a_form_can_hold_must_be_exact(form):
    """A single step beside a number that the form holds is wrong, whatever its tolerance for others."""
    x, w, dedo = X[:1, :1, :3, :3], W[:1, :1, :2, :2], DEDO[:1, :1, :2, :2]
    claim = cnngrad.backward(x, w, dedo).dx.astype(float)
    assert np.abs(claim).max() < 128
    assert cnngrad.check(x, w, dedo, dx=claim, written=form).passed
    claim[0, 0, 1, 1] += 0.5
    assert cnngrad.check(x, w, dedo, dx=claim, written=form).passed is False


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize("given_as", [np.float64, np.float32, list])
def test_weight_decay_among_integers_is_wrong_though_float32_would_allow_it(given_as):
    claim = GRADS.dw + 0.0001 * W
    claim = claim.tolist() if given_as is list else claim.astype(given_as)
    assert cnngrad.check(X, W, DEDO, dw=claim).passed is False
    whole = (X.astype(float), W.astype(float), DEDO.astype(float))
    assert cnngrad.check(*whole, dw=claim).passed is False
    assert cnngrad.check(X + 0.25, W + 0.125, DEDO, dx=cnngrad.backward(X, W + 0.125, DEDO).dx * (1 + 1e-7)).passed


def test_a_transform_of_integers_in_float32_is_right():
    x, g = (np.fft.rfft2(a.astype(np.float32), (12, 10)) for a in (X, DEDO))
    dw = np.fft.irfft2(np.einsum("ncab,nfab->fcab", x, g.conj()), (12, 10))[:, :, :3, :2]
    assert np.abs(dw.astype(np.float32) - GRADS.dw).max() > 0
    for claim in (dw, dw.astype(np.float32), dw.astype(np.float32).tolist()):
        assert cnngrad.check(X, W, DEDO, dw=claim).passed


def added_up(x, w, dedo, rounded):
    """dE/dW and dE/dX with every product and every sum rounded."""
    dw, dx = rounded(0 * w), rounded(0 * x)
    for n, f, i, j in np.ndindex(dedo.shape):
        window = (n, slice(None), slice(i, i + w.shape[2]), slice(j, j + w.shape[3]))
        dw[f] = rounded(dw[f] + rounded(dedo[n, f, i, j] * x[window]))
        dx[window] = rounded(dx[window] + rounded(dedo[n, f, i, j] * w[f]))
    return {"dw": dw, "dx": dx}


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize("form", ["float16", "tf32", "bfloat16"])
def test_adding_up_in_16_bits_is_a_failure_of_what_is_no_16_bit_result(form):
    arrays = [ROUNDED[form](1.01 * array) for array in (X[:1], W, DEDO[:1])]
    claims = added_up(*arrays, ROUNDED[form])
    # The numbers of float16 and TF32 have as many bits.
    shown, alike = ("bfloat16", "bfloat16") if form == "bfloat16" else ("float16", "float16 or tf32")
    report = cnngrad.check(*arrays, dw=claims["dw"].astype(np.float32), dx=claims["dx"].astype(np.float64))
    for gradient in report.gradients.values():
        assert gradient.passed is False
        words, _, advice = gradient.hint.partition(": ")
        assert words == f"It adds up in {alike}, or has errors of that size"
        assert advice == f"use float32, or say --as {shown} if it is meant to."
    texts = {name: claim.tolist() for name, claim in claims.items()}
    for written in (None, shown):
        report = cnngrad.check(*arrays, **texts, written=written)
        assert report.passed
        assert report.gradients["dEdW"].hint.startswith(f"It adds up in {shown}, ")
    assert cnngrad.check(*arrays, **texts, written="float32").passed is False


def test_a_mistake_is_told_though_adding_up_in_float16_may_be_as_far_off():
    numbers = np.random.default_rng(1)
    x, w, dedo = (numbers.integers(-9, 9, (size, size)) / part for size, part in ((8, 2), (3, 2), (6, 4)))
    claim = cnngrad.backward(x, w, dedo).dw + 2**-5 * w
    report = cnngrad.check(*(array.astype(np.float16) for array in (x, w, dedo)), dw=claim.astype(np.float16))
    assert (report.passed, report.gradients["dEdW"].mistake) == (False, "weight-decay")


def test_a_number_is_judged_by_the_digits_that_the_other_text_shows():
    """830 may be an integer; 1500 and 2000 are multiples of 100 by no chance."""
    problem = {"x": [[10, 8]], "w": [[37]], "dedo": [[41, 53]]}
    assert cnngrad.check(**problem, dw=[[830.0]]).passed is False
    report = cnngrad.check(**problem, dw=[[830.0]], dx=[[1500.0, 2000.0]])
    assert (report.passed, report.gradients["dEdW"].judged_as) == (True, "2 significant digits")


@pytest.mark.parametrize(("right", "passed"), [(4e-5, None), (6e-5, False)])
def test_a_zero_in_a_list_may_be_what_four_decimal_places_do_not_show(right, passed):
    assert cnngrad.check([[right]], [[1.0]], [[1.0]], dw=[[0.0]]).passed is passed


def test_numbers_rounded_as_in_print_are_wrong_in_an_array_and_right_in_a_text():
    arrays = 1.01 * X, W, DEDO
    rounded = np.round(cnngrad.backward(*arrays).dw, 1)
    assert cnngrad.check(*arrays, dw=rounded.tolist()).passed
    assert cnngrad.check(*arrays, dw=rounded, written="places:1").passed
    report = cnngrad.check(*arrays, dw=rounded)
    assert report.gradients["dEdW"].hint == "It is rounded to 1 decimal place: say --as places:1 if it is meant to be."


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize(
    "text",
    [
        lambda array: "\n".join(",".join(f"{value:.3f}" for value in row) for row in array),
        lambda array: f"dx:\n{np.round(array, 3)}",
        lambda array: " ".join(f"{value:.3f}" for value in array.ravel()),
        lambda array: repr(np.round(array.astype(np.float32), 3)),
    ],
)
def test_a_printed_gradient_is_judged_by_its_digits(text, tmp_path):
    x, w, dedo = (1.017 * array[0, 0] for array in (X, W, DEDO))
    np.savez(tmp_path / "p.npz", X=x, W=w, dEdO=dedo)
    (tmp_path / "dx.txt").write_text(text(cnngrad.backward(x, w, dedo).dx))
    claim = ["--dx", str(tmp_path / "dx.txt")]
    assert main(["check", str(tmp_path / "p.npz"), *claim]) == 0
    assert main(["check", str(tmp_path / "p.npz"), *claim, "--as", "float64"]) == 1


def test_large_integers_in_a_text_are_judged_by_the_digits_that_powers_of_ten_show(tmp_path):
    """PyTorch prints 104506 as 1.0451e+05 beside smaller numbers, which alone would be exact."""
    x, w, dedo = np.array([[317, 2], [-30, 41]]), np.array([[1]]), np.array([[329, 5], [11, 13]])
    np.savez(tmp_path / "p.npz", X=x, W=w, dEdO=dedo + 0 * x)
    (dw,) = cnngrad.backward(x, w, dedo).dw.ravel().tolist()
    assert f"{dw:.4e}" == "1.0451e+05"
    for text, status in (("[[1.0451e+05]]", 0), ("[[1.0452e+05]]", 1), ("[[1.0451e5]]", 0), ("[[104510.]]", 1)):
        (tmp_path / "dw.txt").write_text(f"dw = {text}")
        assert main(["check", str(tmp_path / "p.npz"), "--dw", str(tmp_path / "dw.txt")]) == status, text


def test_a_text_is_judged_in_the_precision_that_it_was_printed_in(tmp_path, capsys):
    def status(size, text, *words):
        x, w, dedo = 1.017 * X[0, 0], W[0, 0], size * DEDO[0, 0]
        np.savez(tmp_path / "p.npz", X=x, W=w, dEdO=dedo)
        (tmp_path / "dw.txt").write_text(text(cnngrad.backward(x, w, dedo).dw))
        return main(["check", str(tmp_path / "p.npz"), "--dw", str(tmp_path / "dw.txt"), *words])

    assert status(0.1, lambda dw: repr(np.float16(dw))) == 0
    assert status(0.1, lambda dw: f"tensor({np.round(as_bfloat16(dw), 4).tolist()}, dtype=torch.bfloat16)") == 0
    assert status(0.1, lambda dw: repr(np.float16(1.1 * dw))) == 1
    # Without its name a format of 16 bits is a possibility, whose shortest decimals NumPy writes.
    short = {"float16": lambda dw: str(np.float16(dw)), "bfloat16": lambda dw: str(as_bfloat16(dw).tolist())}
    for form, text in short.items():
        capsys.readouterr()
        assert status(3, text) == 2
        assert f"right only if its numbers are {form} values: say --as {form}" in " ".join(
            capsys.readouterr().out.split()
        )
        assert status(3, text, "--as", form) == 0
        assert status(3, text, "--as", "float32") == 1
        assert status(3, lambda dw, text=text: text(1.1 * dw)) == 1
    rows = "\n".join("{:8.4f}" * 2 for _ in range(3))
    assert status(1e5, lambda dw: "1.0e+07 *\n" + rows.format(*(dw / 1e7).ravel())) == 0
    assert status(1e5, lambda dw: "1.0e+07 *\n" + rows.format(*(1.01 * dw / 1e7).ravel())) == 1
    assert "yours are" in capsys.readouterr().out
    assert status(100, lambda dw: str(np.rint(dw).astype(int).tolist())) == 0
    assert status(100, lambda dw: str(np.trunc(dw).astype(int).tolist())) == 1
    assert "cut to a whole number" in capsys.readouterr().out
    # Only zeros may be the first decimal places of numbers, if these are small.
    assert status(1e-9, lambda dw: "0.000 " * dw.size) == 2
    assert "too coarsely" in capsys.readouterr().out
    assert status(1e-3, lambda dw: "0.000 " * dw.size) == 1
    # 0.00 may be any smaller number; so may -0.0, since zeros that are exact have no signs.
    assert [status(1e-5, lambda dw, zero=zero: f"{zero} " * dw.size) for zero in ("0.00", "-0.0", "0.0")] == [2, 2, 1]
    assert status(1e5, lambda dw: str((np.rint(dw / 1e3) * 1e3).tolist()), "--as", "places:-3") == 0


def test_tf32_is_no_excuse_where_it_holds_the_integers():
    claim = (GRADS.dx * (1 + 3e-4 * np.sin(np.arange(X.size).reshape(X.shape)))).astype(np.float32)
    assert cnngrad.check(X, W, DEDO, dx=claim).passed is False
    report = cnngrad.check(X, 0.001 * W, DEDO, dx=(0.001 * claim).astype(np.float32))
    assert report.passed is None
    assert report.gradients["dEdX"].precision.startswith("has errors as large as TF32's")


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("form", ["bfloat16", "float16"])
def test_pytorchs_own_16_bit_gradients_are_right(dims, form):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    layer = getattr(torch.nn, f"Conv{dims}d")(3, 4, 3, padding=1).to(getattr(torch, form))
    x = torch.randn(2, 3, *(7, 6, 5)[:dims], dtype=layer.weight.dtype, requires_grad=True)
    o = layer(x)
    o.retain_grad()
    (o**2).sum().backward()
    claims = {"dw": layer.weight.grad, "dx": x.grad, "db": layer.bias.grad}
    for written in (None, form):
        report = cnngrad.check(x, layer.weight, o.grad, b=layer.bias, padding=1, dims=dims, **claims, written=written)
        assert report.passed, str(report)
        assert report.gradients["dEdW"].judged_as == f"{form} values"


def test_bfloat16_comes_as_such_from_npy_files_and_functions(tmp_path, capsys):
    dw = as_bfloat16(GRADS.dw)
    assert (dw != GRADS.dw).any()
    np.savez(tmp_path / "p.npz", X=X, W=W, dEdO=DEDO)
    np.save(tmp_path / "half.npy", (dw.view(np.uint32) >> 16).astype("<u2").view("V2"))
    np.save(tmp_path / "single.npy", dw)
    assert main(["check", str(tmp_path / "p.npz"), "--dw", str(tmp_path / "half.npy")]) == 0
    assert "yours are bfloat16 values" in " ".join(capsys.readouterr().out.split())
    assert main(["check", str(tmp_path / "p.npz"), "--dw", str(tmp_path / "single.npy")]) == 1
    assert main(["check", str(tmp_path / "p.npz"), "--dw", str(tmp_path / "single.npy"), "--as", "bfloat16"]) == 0


HALF = """
import cnngrad, numpy as np

class Half:
    dtype = "torch.bfloat16"

    def __init__(self, array):
        bits = array.astype(np.float32).view(np.uint32)
        self.numbers = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)

    def numpy(self):
        return self.numbers

def backward(x, w, dedo):
    grads = cnngrad.backward(x, w, dedo)
    return Half(grads.dw), Half(grads.dx)
"""


@pytest.mark.parametrize(("form", "status"), [([], 0), (["--as", "bfloat16"], 0), (["--as", "float32"], 1)])
def test_the_bfloat16_of_a_program_is_known_to_the_judge(form, status, tmp_path, monkeypatch):
    (tmp_path / "half.py").write_text(HALF)
    monkeypatch.chdir(tmp_path)
    layer = ["--suite", "quick", "--run-only", "plain", "--decimals"]
    assert main(["check", "--run", "half:backward", *layer, *form]) == status


def in_float16(x, w, dedo, **options):
    grads = cnngrad.backward(x, w, dedo, dims=1, **options)
    return tuple(array.astype(np.float16).astype(np.float32) for array in (grads.dw, grads.dx))


@pytest.mark.usefixtures("undiagnosed")
def test_a_function_is_judged_as_its_dtype_or_as_it_is_said():
    findings = cnngrad.check_function(in_float16, "quick", dims=1, decimals=True)
    assert findings.passed is False
    assert "∂E/∂W, ∂E/∂X: it adds up in float16 or tf32, or has errors of that size." in " ".join(str(findings).split())
    assert cnngrad.check_function(in_float16, "quick", dims=1, decimals=True, written="float16").passed
    with pytest.raises(cnngrad.CnngradError, match="as is 'half': write float64"):
        cnngrad.check_function(in_float16, written="half")


@pytest.mark.usefixtures("undiagnosed", "few_smaller_layers")
@pytest.mark.parametrize(("names", "options"), [
    (("dw", "dx"), {"seed": 3}), (("dw",), {"without": ["stride", "padding", "dilation", "groups"]})
], ids=["both", "dW alone"])  # fmt: skip
def test_all_layers_together_show_that_a_program_adds_up_in_16_bits(names, options):
    """In a single layer of integers, too few numbers are so large that a bfloat16 value is no coincidence."""

    def backward(x, w, dedo):
        claims = added_up(*(array.astype(float) for array in (x, w, dedo)), as_bfloat16)
        right = {"dx": cnngrad.backward(x, w, dedo).dx.astype(np.float32)}
        return {name: claims[name] if name in names else right[name] for name in claims}

    findings = cnngrad.check_function(backward, "quick", **options)
    wrong = [r for outcome in findings.outcomes for r in outcome.results.values() if not r.verdict.passed]
    assert wrong
    assert {result.precision for result in wrong} == {"adds up in bfloat16, or has errors of that size"}
    titles = ", ".join(f"∂E/∂{name[1].upper()}" for name in names)
    assert f"{titles}: it adds up in bfloat16, or has errors of that size." in findings.note
    assert findings.summary.count("it adds up in bfloat16, or has errors of that size") == 1
    assert "other numbers" not in findings.summary


@pytest.mark.usefixtures("undiagnosed", "few_smaller_layers")
def test_numbers_of_a_text_that_all_layers_show_to_be_bfloat16_pass_and_are_told():
    def backward(x, w, dedo, *, stride, padding, dilation, groups):
        grads = cnngrad.backward(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return [as_bfloat16(array.astype(float)).tolist() for array in (grads.dw, grads.dx)]

    findings = cnngrad.check_function(backward, "quick")
    assert findings.passed, str(findings)
    assert findings.note == "∂E/∂W, ∂E/∂X: judged as bfloat16 values; --as float32 asks for more."
    findings = cnngrad.check_function(backward, "quick", written="float32")
    assert (findings.passed, findings.note.count("judged as")) == (False, 0)


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize("digits", [5, 6])
def test_numbers_of_bfloat16_are_seen_behind_fewer_digits_that_a_text_has(digits):
    """Among them ties between two digits, such as 0.890625, which are printed as one or the other."""
    dedo = np.linspace(-4, 4, 64).reshape(8, 8)
    claim = to_digits(as_bfloat16(dedo), digits)
    report = cnngrad.check(0 * dedo, [[1.0]], dedo, dx=claim.tolist()).gradients["dEdX"]
    assert report.passed
    assert report.judged_as.startswith("bfloat16 values")
    assert cnngrad.check(0 * dedo, [[1.0]], dedo, dx=(1.1 * claim).tolist()).passed is False


# Errors of two numbers in float32's last place at 1. The largest sum is 2, and two products the most terms of one.
@pytest.mark.parametrize(("x", "form", "off", "passed"), [
    # A sum of the size 2: 8 + 2·√2 for each unit of its own, and 8 for each of the largest sum; twice that if the form
    # holds the right number, as the claim may be rounded too.
    (1.5, None, [37, 0], True), (1.5, None, [38, 0], False),
    (1.5, "places:0", [75, 0], True), (1.5, "places:0", [76, 0], False),
    # No term at all. If sums are exact in float32, a transform alone may spread rounding, 4 for each unit.
    (1.5, None, [0, 16], True), (1.5, None, [0, 17], False),
    (1, None, [0, 8], True), (1, None, [0, 9], False),
])  # fmt: skip
def test_how_far_off_a_sum_may_be(x, form, off, passed):
    dx = np.add([1, 2, 0], np.multiply([0, *off], 2.0**-23))
    assert cnngrad.check([[x, 2, 3]], [[1, 2.0]], [[1]], stride=2, dx=dx[None], written=form).passed is passed


@pytest.mark.parametrize("name", ["float64", "tf32", "bfloat16", "digits:3", "places:0", "places:-2", "fixed:8"])
def test_a_form_is_named_as_it_is_written(name):
    assert parse_form(name).name == name
    assert Form("bfloat16", {"places": 4}).name == "bfloat16"


def test_the_worst_element_has_the_largest_error_if_some_tolerance_is_zero():
    # No window reads x13: its tolerance is 0, and its error is no multiple of it.
    report = cnngrad.check([[1.0, 2, 3]], [[1.0, 2]], [[1.0]], stride=2, dx=[[1.5, 2, 5]], rtol=1e-3)
    assert report.gradients["dEdX"].worst.element == "dE/dx13"
