"""check --run: the user's own program over many layers."""

import json
import shutil
import subprocess
import sys
import time

import jsonschema
import numpy as np
import pytest

import cnngrad
import cnngrad.running
from cnngrad.cli.main import main
from cnngrad.gradcheck.matching import guesses_of
from cnngrad.gradcheck.mistakes import CATALOGUE, Data
from cnngrad.layer import make_layer
from cnngrad.running.exchange import EXCHANGES
from cnngrad.running.suites import FEATURES
from cnngrad.schema import SCHEMA_FILE
from cnngrad.tensor import GRADIENTS, Tensor
from tests import reference

SAMPLES = SCHEMA_FILE.parents[1] / "samples" / "run"


def right(x, w, dedo, **options):
    found = cnngrad.backward(x, w, dedo, **options)
    return found.dw, found.dx, found.db


def test_a_right_function_passes_everywhere():
    for dims in (1, 2, 3):
        findings = cnngrad.check_function(lambda *a, dims=dims, **o: right(*a, dims=dims, **o), dims=dims)
        assert findings.passed, str(findings)
    assert cnngrad.check_function(right, "thorough", decimals=True, seed=3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_right_function_of_another_precision_passes(dtype):
    def rounded(x, w, dedo, **options):
        return tuple(
            array.astype(dtype) for array in right(x.astype(float), w.astype(float), dedo.astype(float), **options)
        )

    findings = cnngrad.check_function(rounded, decimals=True)
    assert findings.passed is not False, str(findings)


def test_nested_loops_pass_the_quick_suite():
    def loops(x, w, dedo, stride, padding, dilation, groups):
        per_axis = [np.broadcast_to(option, 2).tolist() for option in (stride, dilation)]
        pads = np.broadcast_to(padding, (2, 2)).tolist() if np.ndim(padding) == 0 else padding
        dw, dx, db = reference.backward(x, w, dedo, per_axis[0], pads, per_axis[1], groups, False)
        return {"dEdX": dx, "dw": dw, "db": db}

    assert cnngrad.check_function(loops, "quick")


@pytest.mark.parametrize("result", [Tensor.DW, Tensor.DX])
@pytest.mark.parametrize("mistake", [m for m in CATALOGUE if m.id != "wrong-operand"], ids=lambda mistake: mistake.id)
def test_a_mistake_run_as_a_program_is_named_in_every_layer_that_shows_it(mistake, result):
    if result not in mistake.guesses:
        pytest.skip("it is not made there")
    wrong_somewhere = []

    def wrong(x, w, dedo, **options):
        layer = make_layer(x.shape, w.shape, **options)
        found = cnngrad.backward(x, w, dedo, **options)
        right = {each: np.asarray(getattr(found, each.keyword)).reshape(layer.canonical[each]) for each in GRADIENTS}
        given = [a.reshape(layer.canonical[t]) for a, t in ((x, Tensor.X), (w, Tensor.W), (dedo, Tensor.DEDO))]
        for guess in guesses_of(mistake, Data(layer, *given, right), result):
            if guess.array.shape == right[result].shape and not np.array_equal(guess.array, right[result]):
                wrong_somewhere.append(1)
                return {result.key: guess.array}
        return {result.key: right[result]}

    findings = cnngrad.check_function(wrong, "quick")
    failing = findings.failing
    assert bool(failing) == bool(wrong_somewhere)
    for outcome in failing:
        found = outcome.results[result]
        assert any(mistake.id in names for names in found.explanations), outcome.layer.name
    if failing:
        assert findings.explanation.explains == len(failing)


def test_the_finding_names_the_one_mistake_and_what_the_layers_have_in_common():
    def stride_ignored(x, w, dedo, *, stride, padding, dilation, groups):
        dw, dx, db = right(x, w, dedo, stride=stride, padding=padding, dilation=dilation, groups=groups)
        layer = make_layer(x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
        data = Data(layer, x, w, dedo, {}, dx.shape)
        return dw, data.scatter(stride=(1, 1)), db

    findings = cnngrad.check_function(stride_ignored)
    assert findings.explanation.mistakes == ("stride-ignored",)
    assert "all where stride > 1; all are explained by stride-ignored: the stride is not used" in findings.sentence
    assert findings.smallest.name in {outcome.layer.name for outcome in findings.failing}
    (compared,) = findings.compared
    assert compared.made is not None
    assert [term.factors for term in compared.made.terms] != [term.factors for term in compared.right.terms]
    with pytest.raises(AssertionError, match="stride-ignored"):
        findings.raise_if_wrong()


def test_what_your_code_computes_is_read_off_it():
    def odd(x, w, dedo):
        dw, dx, _ = right(x, w, dedo)
        dx[..., 0, 0] = 3 * dedo[..., 0, 0] * w[..., 1, 1]
        return dw, dx

    findings = cnngrad.check_function(odd, "quick", without=FEATURES[:-1])
    assert findings.explanation is None
    (term,) = findings.as_json()["expansions"][0]["yours"]
    assert term["coefficient"] == 3
    assert [name[-2:] for name in term["factors"]] == ["11", "22"]


def test_code_that_is_not_a_sum_of_products_is_said_to_be_none():
    squared = cnngrad.check_function(lambda x, w, dedo: (None, right(x, w, dedo)[1] ** 2), "quick")
    assert "is not a sum of products" in str(squared)
    constant = cnngrad.check_function(lambda x, w, dedo: (None, right(x, w, dedo)[1] + 1), "quick")
    assert "With zeros in its arrays, ∂E/∂X is not 0" in str(constant)


def test_layers_that_need_what_a_function_does_not_take_are_skipped():
    findings = cnngrad.check_function(lambda x, w, dedo, padding: right(x, w, dedo, padding=padding), "quick")
    assert findings
    assert findings.sentence == "All 7 layers pass; 5 skipped (not supported)."

    def not_implemented(*_, **__):
        raise NotImplementedError

    assert cnngrad.check_function(not_implemented, "quick").passed is None


def test_other_ways_to_return_and_other_failures():
    assert cnngrad.check_function(lambda *a, **o: right(*a, **o)[1::-1], "quick", without=["non-square"])
    seconds = iter(range(10**6))
    noise = cnngrad.check_function(lambda x, w, dedo, **o: (0 * w, x + next(seconds)), "quick")
    assert {outcome.results[Tensor.DX].status for outcome in noise.failing} == {"not the same twice"}
    raising = cnngrad.check_function(lambda x, w, dedo: 1 / 0, "quick")
    assert raising.failing[0].status == "exception (ZeroDivisionError)"
    assert cnngrad.check_function(right, "quick", expect=["O"]).failing[0].results[Tensor.O].status == "not written"
    for wrong in ({"suite": "slow"}, {"without": ["speed"]}, {"expect": ["dEdY"]}, {"dims": 4}):
        with pytest.raises(cnngrad.CnngradError, match=r"unknown|must be"):
            cnngrad.check_function(right, **wrong)


def test_a_suite_is_data_for_parametrize():
    layers = cnngrad.suite("standard")
    assert len({layer.name for layer in layers}) == len(layers) > 45
    assert len(cnngrad.suite("thorough")) == 300
    shown = {name for layer in layers for name in layer.shows}
    assert shown == {mistake.id for mistake in CATALOGUE}
    for layer in cnngrad.suite("quick"):
        assert cnngrad.check(**{t.keyword: a for t, a in layer.arrays.items()}, **layer.layer.options)
    plain = cnngrad.suite("standard", without=["batch", "channels"])
    assert all(layer.arrays[Tensor.X].ndim == 2 for layer in plain)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A Python script as a command; it has numpy, cnngrad, json, os, sys, time and d, its folder."""
    monkeypatch.chdir(tmp_path)

    def program(body):
        head = "import json, os, sys, time, numpy as np, cnngrad\nd = sys.argv[1]\n"
        (tmp_path / "program.py").write_text(head + body)
        return f"{sys.executable} program.py {{dir}}"

    return program


READ = """
p = json.load(open(d + '/problem.json'))
x, w, g = (np.load(f'{d}/{k}.npy') for k in ('X', 'W', 'dEdO'))
o = {k: p[k] for k in ('stride', 'padding', 'dilation', 'groups')}
r = cnngrad.backward(x, w, g, **o)
"""


def found(capsys, *words):
    code = main(["check", *words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_a_right_command_passes_and_its_output_is_not_mixed_into_ours(program, capsys):
    command = program(READ + "print('hello')\nnp.save(d + '/dEdX.npy', r.dx); np.save(d + '/dEdW', r.dw)")
    code, findings, err = found(capsys, "--run", command, "--suite", "quick")
    assert (code, err, findings["passed"]) == (0, "", True)
    assert [layer["results"].keys() for layer in findings["layers"]] == [{"dEdW": 0, "dEdX": 0}.keys()] * 12
    assert found(capsys, "--run", command, "--suite", "quick", "--expect", "db")[0] == 1


BAD = {
    "os.kill(os.getpid(), 11)": "crash (signal 11)",
    "print('sorry', file=sys.stderr); sys.exit(3)": "exit status 3",
    "time.sleep(60)": "no answer in 1 s",
    "pass": "nothing written",
    "import shutil; shutil.rmtree(d)": "nothing written",
    "os.fork() or time.sleep(60); time.sleep(60)": "no answer in 1 s",
    "os.write(1, b'x' * 10**7); sys.exit(4)": "exit status 4",
    "open(d + '/dEdX.npy', 'wb').truncate(2**31)": "exit status 1",
}


@pytest.mark.parametrize(("body", "status"), BAD.items(), ids=BAD.values())
def test_a_command_that_fails_is_a_row_in_the_table(program, capsys, body, status):
    words = ["--run", program(body), "--suite", "quick", "--run-only", "plain", "--timeout", "1"]
    code, findings, _ = found(capsys, *words)
    assert code == 1
    assert [layer["status"] for layer in findings["layers"]] == [status]
    assert main(["check", *words]) == 1
    out = capsys.readouterr().out
    assert status in out
    assert ("sorry" in out) == ("sorry" in body)


def test_nothing_of_a_program_is_left_behind(program, tmp_path, capsys):
    body = "import subprocess; subprocess.Popen(['sleep', '61.5']); np.save(d + '/dEdX', np.zeros(1))"
    found(capsys, "--run", program(body), "--suite", "quick", "--run-only", "plain")
    time.sleep(0.2)
    assert "sleep 61.5" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.py"]


def test_status_77_is_skipped_and_all_skipped_ends_with_2(program, capsys):
    code, findings, _ = found(capsys, "--run", program("sys.exit(77)"), "--suite", "quick")
    assert (code, findings["passed"]) == (2, None)
    assert {layer["status"] for layer in findings["layers"]} == {"skipped (not supported)"}


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_exchange_brings_the_arrays_there_and_back(program, capsys, exchange):
    body = """
from pathlib import Path
from cnngrad.files.problem import Reader
from cnngrad.running.exchange import EXCHANGES
from cnngrad.tensor import Tensor
p = json.load(open(d + '/problem.json'))
s = p['shapes'] | {'dEdO': p['shapes']['O']}
form = EXCHANGES[sys.argv[2]]
def read(t):
    spec = f'{d}/{t.key}.{form.ending}' + (f":{form.raw}:{'x'.join(map(str, s[t.key]))}" if form.raw else '')
    found = Reader(bytes).array(t, spec)
    return np.array(getattr(found, 'operand', found).array).reshape(s[t.key])
o = {k: p[k] for k in ('stride', 'padding', 'dilation', 'groups')}
r = cnngrad.backward(read(Tensor.X), read(Tensor.W), read(Tensor.DEDO), **o)
for name, array in (('dEdX', r.dx), ('dEdW', r.dw)):
    form.write(Path(f'{d}/{name}.{form.ending}'), np.asarray(array))
"""
    words = ["--run", f"{program(body)} {exchange}", "--suite", "quick", "--exchange", exchange]
    code, findings, _ = found(capsys, *words)
    assert code == 0, findings


def test_words_in_braces_are_filled_and_others_are_errors(program, capsys, tmp_path):
    body = "print(*sys.argv[2:], file=open('args', 'a')); sys.exit(77)"
    command = program(body) + " {X} {dEdW} {batch} {out_height} {pad_left} {stride_width} {1} {}"
    assert main(["check", "--run", command, "-x", "2x3x5x6", "-w", "4x3x2x2", "--padding", "0:1,2:0"]) == 2
    args = (tmp_path / "args").read_text().split()
    assert args[0].endswith("/X.npy")
    assert args[1].endswith("/dEdW.npy")
    assert args[2:] == ["2", "5", "2", "1", "{1}", "{}"]
    capsys.readouterr()
    assert main(["check", "--run", "true {hight}"]) == 2
    assert "{hight} is unknown in --run: it may be {dir}, {X}" in capsys.readouterr().err


def test_one_problem_or_two_shapes_are_one_layer(program, capsys):
    command = program(READ + "np.save(d + '/dEdX.npy', -r.dx)")
    code, findings, _ = found(capsys, str(SAMPLES.parent / "notes.json"), "--run", command)
    assert (code, findings["layers"][0]["name"], findings["explanation"]["mistake"]) == (1, "notes", "sign-flipped")
    code, findings, _ = found(capsys, "-x", "2x6x9x8", "-w", "4x3x3x3", "--groups", "2", "--run", command)
    assert (code, findings["layers"][0]["layer"]["groups"]) == (1, 2)
    jsonschema.validate(findings, json.loads(SCHEMA_FILE.read_text()))


def test_failing_layers_are_kept_as_problems(program, capsys, tmp_path):
    command = program(READ + "np.save(d + '/dEdX.npy', -r.dx)")
    found(capsys, "--run", command, "--suite", "quick", "--run-only", "s*", "--keep", str(tmp_path / "kept"))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["square.json", "stride-2.json"]
    assert main(["check", str(tmp_path / "kept" / "square.json")]) == 0


ERRORS = {
    "''": "the command is empty",
    "'a": "can't be split into words",
    "./no-such-program {dir}": "can't start ./no-such-program: No such file",
    "no_such_module:f": "can't import no_such_module:f: ModuleNotFoundError",
}


@pytest.mark.parametrize(("command", "words"), ERRORS.items())
def test_a_command_that_can_not_be_started_is_told(command, words, capsys):
    assert main(["check", "--run", command.replace("''", "")]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--suite", "quick"], "--suite belongs to --run"),
        (["--run", "true", "--hard"], "leave out --hard"),
        (["--run", "true", "--suite", "fast"], "the suite 'fast' is unknown: use quick, standard, thorough"),
        (["--run", "true", "--exchange", "xml"], "exchange is 'xml': use npy"),
        (["--run", "true", "--run-only", "nothing*"], "no layer is left to run: there are impulse"),
        (["--run", "true", "--without", "sleep"], "without 'sleep' is unknown"),
        (["--run", "true", "--expect", "dEdZ"], "expect 'dEdZ' is unknown"),
        (["samples/notes.json", "--run", "true", "--suite", "quick"], "give either a problem or --suite"),
    ],
)
def test_bad_usage_of_run_is_told(words, told, capsys, monkeypatch):
    monkeypatch.chdir(SCHEMA_FILE.parents[1])
    assert main(["check", *words]) == 2
    assert told in capsys.readouterr().err


def test_the_functions_of_the_samples(capsys, monkeypatch):
    monkeypatch.chdir(SAMPLES.parents[1])
    assert found(capsys, "--run", "samples.run.numpy_backward:backward")[0] == 0
    code, findings, _ = found(capsys, "--run", "samples.run.wrong_backward:backward", "--suite", "quick")
    assert (code, findings["explanation"]["mistake"]) == (1, "filter-not-rotated")
    assert findings["smallest"]["command"].endswith(f"--run-only {findings['smallest']['command'].split()[-1]}")


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_c_program_of_the_samples(capsys, tmp_path):
    source = (SAMPLES / "backward.c").read_text()
    command = " ".join(line.strip(" *") for line in source.partition("--run '")[2].partition("'")[0].splitlines())
    subprocess.run(["cc", "-O2", "-o", tmp_path / "backward", SAMPLES / "backward.c"], check=True)
    command = command.replace("./backward", str(tmp_path / "backward"))
    assert found(capsys, "--exchange", "f64", "--run", command)[0] == 0
    wrong = source.replace("sh * i + dh * u - top", "sh * i + dh * u").replace(
        "sw * j + dw * v - left", "sw * j + dw * v"
    )
    (tmp_path / "wrong.c").write_text(wrong)
    subprocess.run(["cc", "-O2", "-o", tmp_path / "backward", tmp_path / "wrong.c"], check=True)
    code, findings, _ = found(capsys, "--exchange", "f64", "--run", command, "--without", "asymmetric")
    assert (code, findings["explanation"]["mistake"]) == (1, "padding-ignored")


def test_a_layout_holds_for_a_program_too(program, capsys):
    body = READ.replace("('stride',", "('layout', 'filter_layout', 'stride',")
    command = program(body + "np.save(d + '/dEdX.npy', r.dx); np.save(d + '/dEdW', r.dw)")
    words = ["--run", command, "--suite", "quick", "--layout", "nhwc", "--filter-layout", "hwio"]
    code, findings, _ = found(capsys, *words)
    assert code == 0, findings
    assert findings["layers"][-1]["layer"]["shapes"]["X"] == [2, 9, 8, 4]
    command = program(body + "np.save(d + '/dEdX.npy', -r.dx)")
    code, findings, _ = found(capsys, *words, "--run-only", "plain")
    assert (code, findings["explanation"]["mistake"]) == (1, "sign-flipped")
    first = findings["expansions"][0]
    assert [term["factors"] for term in first["yours"]] == [term["factors"] for term in first["right"]]
    assert {term["coefficient"] for term in first["yours"]} == {-1}


def test_a_layout_holds_for_a_function_and_where_dedo_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import cnngrad\n"
        "def f(x, w, dedo, **o):\n"
        "    r = cnngrad.backward(x, w, dedo, layout='nhwc', **o)\n"
        "    return r.dw, r.dx, r.db\n"
    )
    words = ["--run", "mine:f", "--layout", "nhwc"]
    assert found(capsys, *words, "--suite", "quick")[0] == 0
    (tmp_path / "p.json").write_text(
        json.dumps({"X": np.ones((2, 5, 4, 3)).tolist(), "W": np.ones((2, 3, 2, 2)).tolist()})
    )
    assert found(capsys, "p.json", *words)[0] == 0
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text().replace("r.dx", "-r.dx"))
    code, findings, _ = found(capsys, *words, "--suite", "quick")
    assert code == 1
    assert "--layout nhwc --run-only" in findings["smallest"]["command"]


def test_a_program_that_floods_its_output_is_stopped_and_costs_no_memory(program, capsys):
    body = "while True: os.write(1, b'x' * 2**16)"
    code, findings, _ = found(capsys, "--run", program(body), "-x", "3x3", "-w", "2x2", "--timeout", "1")
    assert (code, findings["layers"][0]["status"]) == (1, "no answer in 1 s")


def test_a_layer_with_flip_shows_what_it_shows():
    x, w, dedo = (np.arange(1, size + 1).reshape(shape) for size, shape in ((9, (3, 3)), (4, (2, 2)), (4, (2, 2))))
    layer = make_layer((3, 3), (2, 2), flip=True)
    shows = cnngrad.running.SuiteLayer("flip", layer, {Tensor.X: x, Tensor.W: w, Tensor.DEDO: dedo}).shows
    assert {"filter-not-rotated", "sign-flipped", "result-rotated"} <= set(shows)
    assert "stride-ignored" not in shows
