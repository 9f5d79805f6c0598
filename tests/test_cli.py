"""The command line through its real main."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.__main__ import run as begun
from cnngrad.cli.main import main
from tests import commands, golden

NOTES = "samples/notes.json"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


@pytest.fixture
def run(capsys):
    def run(*args):
        code = main(args)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.mark.sampled(4)
@pytest.mark.parametrize("command", commands.COMMANDS)
def test_a_command_says_and_writes_what_people_have_seen(command):
    assert commands.output(command) == golden.kept("commands", command)


def test_version_names_the_package(run):
    assert run("--version") == (0, f"cnngrad {cnngrad.__version__}\n", "")


def results(text):
    """What a command printed with --json, without the description that goes with it."""
    found = json.loads(text)
    assert found.pop("schema") == "cnngrad/1"
    assert set(found.pop("layer")["shapes"]) >= {"X", "W", "O"}
    return found


def loaded(names, code):
    """Which of these modules a new process has loaded after this code."""
    code = f"import sys; {code}; print(sorted({names} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return out.splitlines()[-1]


def test_version_and_help_need_neither_numpy_nor_rich():
    code = "from cnngrad.cli.main import main; main(['--version']); main(['forward', '--help'])"
    assert loaded({"numpy", "rich"}, code) == "[]"


def test_a_plain_result_loads_neither_a_derivation_nor_rich():
    code = "from cnngrad.cli.main import main; main(['backward', 'samples/notes.json'])"
    assert loaded({"cnngrad.derivation.blocks", "cnngrad.layer.expansion", "rich"}, code) == "[]"
    assert loaded({"cnngrad.render.matrix"}, code) == "['cnngrad.render.matrix']"


def test_the_library_needs_neither_typer_nor_rich():
    code = "import cnngrad; cnngrad.check([[1]], [[1]]); cnngrad.derive('3x3', '2x2')"
    assert loaded({"typer", "rich"}, code) == "[]"


def test_a_worker_loads_neither_the_search_for_causes_nor_the_suites():
    """It is started for each program of a class, and anew after each crash."""
    assert loaded({"cnngrad.causes.catalogue", "cnngrad.programs.suites"}, "import cnngrad.programs.worker") == "[]"


def test_an_empty_array_of_half_floats_is_an_error_like_any_other():
    with pytest.raises(cnngrad.CnngradError, match="X has shape"):
        cnngrad.forward(np.zeros((0, 3), np.float16), np.ones((1, 1)))


def test_forward_shows_the_layers_line_and_a_matrix(run):
    assert run("forward", NOTES)[1] == (
        "X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2\n\nO\n┌        ┐\n│ 12  17 │\n│ 27  32 │\n└        ┘\n"
    )


def test_backward_json_is_one_object_and_nothing_else(run):
    code, out, err = run("backward", NOTES, "--json")
    assert (code, err) == (0, "")
    assert results(out) == {"dEdW": [[13, 17], [25, 29]], "dEdX": [[4, 6, -4], [9, -11, 12], [-9, 18, -5]]}


def test_backward_gives_dedb_where_the_layer_has_b(run):
    out = json.loads(run("backward", "samples/channels.json", "--json")[1])
    assert out["dEdb"] == [-4, 9]
    assert "dEdb" not in json.loads(run("backward", NOTES, "--json")[1])


def test_only_one_gradient(run):
    assert list(results(run("backward", NOTES, "--only", "dX", "--json")[1])) == ["dEdX"]
    assert results(run("backward", NOTES, "--only", "db", "--json")[1]) == {"dEdb": 4}


def test_json_expansions_have_names_terms_and_values(run):
    out = json.loads(run("backward", NOTES, "--json", "--explain")[1])["expansions"]
    assert list(out) == ["dE/dw", "dE/dx"]
    assert out["dE/dx"][4] == {
        "element": "dE/dx22",
        "terms": [["dE/do11", "w22"], ["dE/do12", "w21"], ["dE/do21", "w12"], ["dE/do22", "w11"]],
        "value": -11,
    }
    assert len(out["dE/dx"]) == 9
    assert out["dE/dx"][0]["terms"] == [["dE/do11", "w11"]]


def test_json_expansions_are_complete_unless_a_limit_is_given(run, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((12, 12)))
    args = ("forward", "-x", str(tmp_path / "x.npy"), "-w", NOTES + "::W", "--json", "--explain")
    assert len(json.loads(run(*args)[1])["expansions"]["o"]) == 121
    assert len(json.loads(run(*args, "--limit", "5")[1])["expansions"]["o"]) == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_json_floats_read_back_to_the_same_bits(run, tmp_path, dtype):
    x = np.random.default_rng(0).standard_normal((5, 5)).astype(dtype)
    w = (x[:2, :2] / 3).astype(dtype)
    np.savez(tmp_path / "p.npz", X=x, W=w)
    read = np.array(json.loads(run("forward", str(tmp_path / "p.npz"), "--json")[1])["O"], dtype)
    assert read.tobytes() == cnngrad.forward(x, w).tobytes()


def test_numbers_that_are_not_used_are_told(run):
    code, _, err = run("backward", "-x", "3x3", "-w", f"{NOTES}::W", "-g", f"{NOTES}::dEdO", "--explain")
    assert code == 0
    assert err == (
        "cnngrad: X is a shape without numbers, so everything is in symbols: the numbers of W and dEdO are not used\n"
    )


def in_one(text):
    """The text with one blank for every run of blanks and line ends, so that it does not matter how wide a table is."""
    return " ".join(text.split())


def test_explain_prints_the_notes_lines(run):
    out = in_one(run("forward", NOTES, "--explain")[1] + run("backward", NOTES, "--explain")[1])
    for line in (
        "o11 = w11·x11 + w12·x12 + w21·x21 + w22·x22 = 1·1 + 2·2 + 3·4 + (-1)·5 12 o12",
        "∂E/∂w11 = ∂E/∂o11·x11 + ∂E/∂o12·x12 + ∂E/∂o21·x21 + ∂E/∂o22·x22",
        "∂E/∂x22 = ∂E/∂o11·w22 + ∂E/∂o12·w21 + ∂E/∂o21·w12 + ∂E/∂o22·w11",
    ):
        assert line in out


def test_elements_alone(run):
    out = in_one(run("backward", NOTES, "--element", "x22", "--element", "dE/dw11")[1])
    assert "∂E/∂x22 = ∂E/∂o11·w22" in out
    assert "∂E/∂w11 = ∂E/∂o11·x11" in out
    assert "∂E/∂x11" not in out


LARGE = ("backward", "-x", "7x7", "-w", "3x3", "--padding", "1")


def test_a_large_table_shows_telling_elements_and_says_where_the_others_are(run):
    out = in_one(run(*LARGE, "--explain", "--section", "dx")[1])
    assert (
        "Shown: ∂E/∂x11 at a corner with 4 terms, ∂E/∂x14 at an edge with 6 terms, ∂E/∂x44 inside with 9 terms. The"
        in out
    )
    assert "The other 46 work the same way. --element x12 shows one of them, --all shows all." in out
    assert "∂E/∂x12 = " not in out
    assert "The other 47 work" in in_one(run(*LARGE, "--explain", "--section", "dx", "--limit", "2")[1])
    assert "The other 39 work" in in_one(run(*LARGE, "--explain", "--section", "dx", "--limit", "10")[1])
    every = in_one(run(*LARGE, "--all", "--section", "dx")[1])
    assert all(f"∂E/∂x{i}{j} = " in every for i in range(1, 8) for j in range(1, 8))


def test_a_long_sum_is_cut_to_two_lines_or_to_the_terms_that_are_asked_for(run):
    sum_of_w22 = ("backward", "-x", "9x9", "-w", "3x3", "--element", "w22")
    assert "∂E/∂o16·x27 + ∂E/∂o17·x28 + ∂E/∂o21·x32 + … 41 more" in in_one(run(*sum_of_w22)[1])
    assert "∂E/∂o11·x22 + ∂E/∂o12·x23 + … 47 more" in in_one(run(*sum_of_w22, "--terms", "2")[1])
    assert "∂E/∂o76·x87 + ∂E/∂o77·x88" in in_one(run(*sum_of_w22, "--all")[1])


def test_sections_by_name(run):
    assert "Sections: layer, output, dw, dw-conv, mlp, dx, dx-conv, summary; --section shows one." in in_one(
        run(*LARGE, "--explain")[1]
    )
    out = run(*LARGE, "--section", "summary,mlp")[1]
    assert out.index("In an MLP") < out.index("Summary")
    assert "The layer" not in out
    code, _, err = run(*LARGE, "--section", "dy")
    assert (code, err) == (
        2, "cnngrad: section 'dy' is unknown: use layer, output, dw, dw-conv, mlp, dx, dx-conv, db, summary\n"
    )  # fmt: skip


def test_symbols_alone_need_no_numbers(run):
    code, out, _ = run("backward", "-x", "3x3", "-w", "2x2", "--stride", "2", "--explain")
    assert code == 0
    assert "∂E/∂w12 = ∂E/∂o11·x12" in in_one(out)
    assert json.loads(run("forward", "-x", "3x3", "-w", "2x2", "--explain", "--json")[1])["expansions"]["o"][0] == {
        "element": "o11",
        "terms": [["w11", "x11"], ["w12", "x12"], ["w21", "x21"], ["w22", "x22"]],
        "value": None,
    }


def test_a_flag_wins_over_the_problems_key(run):
    assert results(run("forward", NOTES, "--stride", "2", "--json")[1]) == {"O": [[12]]}
    assert json.loads(run("forward", NOTES, "-w", "samples/notes-leftover.json::dEdO", "--json")[1])["O"][0] == [13, 17]


def test_every_layer_option_reaches_the_layer(run):
    options = ("--stride", "2,1", "--padding", "1:0,2:1", "--dilation", "1,2", "--flip", "--dims", "2", "--groups", "1")
    out = json.loads(run("forward", NOTES, *options, "--json")[1])["O"]
    notes = json.loads(Path(NOTES).read_text())
    expected = cnngrad.forward(
        notes["X"], notes["W"], stride=(2, 1), padding=((1, 0), (2, 1)), dilation=(1, 2), flip=True
    )
    assert out == expected.tolist()


def test_standard_input_is_read_once_for_several_arrays(run, stdin):
    stdin({"X": [[1, 2], [3, 4]], "W": [[2]]})
    assert results(run("forward", "-x", "-::X", "-w", "-::W", "--json")[1]) == {"O": [[2, 4], [6, 8]]}


def test_standard_input_may_be_npy_or_npz(run, stdin):
    file = io.BytesIO()
    np.save(file, np.array([[1.5]]))
    stdin(file.getvalue())
    assert json.loads(run("forward", "-x", "-", "-w", NOTES + "::W", "--padding", "1", "--json")[1])["O"][1] == [
        3.0,
        1.5,
    ]
    file = io.BytesIO()
    np.savez(file, X=np.eye(2), W=np.eye(1), stride=2, padding="same", flip=True)
    stdin(file.getvalue())
    assert results(run("forward", "-", "--json")[1]) == {"O": [[1.0]]}


def test_standard_input_may_be_raw_numbers_as_its_message_says(run, stdin):
    content = np.arange(4, dtype="<f4").tobytes()
    stdin(content)
    code, _, err = run("forward", "-x", "-", "-w", f"{NOTES}::W")
    assert (code, "name their type, as -:f32 (or" in err) == (2, True)
    stdin(content)
    code, out, _ = run("forward", "-x", "-:f32:2x2", "-w", f"{NOTES}::W", "--padding", "1", "--json")
    assert code == 0
    w = json.loads(Path(NOTES).read_text())["W"]
    assert json.loads(out)["O"] == cnngrad.forward([[0, 1], [2, 3]], w, padding=1).tolist()


def test_two_layers_in_a_chain(run, stdin):
    second = run("backward", "samples/chain-2.json", "--json")[1]
    stdin(second.encode())
    first = json.loads(run("backward", "samples/chain-1.json", "-g", "-::dEdX", "--json")[1])
    assert first["dEdW"] == [[37, 35], [22, 2]]


def test_ones_stands_for_the_sum_of_o(run):
    assert results(run("backward", "samples/chain-1.json", "-g", "ones", "--only", "dW", "--json")[1]) == {
        "dEdW": [[20, 23], [21, 21]]
    }


def test_check_passes_and_says_what_it_compared(run):
    code, out, _ = run("check", NOTES)
    assert code == 0
    assert "∂E/∂X     right           9  0" in out
    assert out.endswith("All gradients are right.\n")


def test_check_without_dedo_uses_a_fixed_one_and_says_so(run):
    first, second = run("check", "samples/chain-1.json"), run("check", "samples/chain-1.json")
    assert first == second
    assert "pseudo-random" in first[1]


def test_check_finds_a_wrong_gradient(run, tmp_path):
    (tmp_path / "dx.json").write_text("[[4, 6, -4], [9, 21, 12], [-9, 18, -5]]")
    code, out, _ = run("check", NOTES, "--dx", str(tmp_path / "dx.json"))
    assert code == 1
    assert "∂E/∂x22 is 21, but the finite difference is -11" in out
    report = json.loads(run("check", NOTES, "--dx", str(tmp_path / "dx.json"), "--json")[1])
    assert report["passed"] is False
    found = report["gradients"]["dEdX"]
    assert found["worst"] == {"element": "dE/dx22", "index": [1, 1], "numeric": -11, "analytic": 21}
    assert (found["passed"], found["max_abs_error"], found["max_rel_error"]) == (False, 32, 32 / 21)


def test_check_json_has_a_report_for_each_gradient(run):
    report = json.loads(run("check", "samples/channels.json", "--json")[1])
    assert report["passed"] is True
    assert list(report["gradients"]) == ["dEdW", "dEdX", "dEdb"]
    assert {"passed", "max_abs_error", "max_rel_error", "worst", "mistake", "hint"} <= set(report["gradients"]["dEdb"])


# Bad input: what is written to the file, the command behind it, and what the error says.
BAD = {
    "missing file": (None, ["forward", "none.json"], "can't read none.json: No such file or directory"),
    "numbers for a file": (
        None,
        ["forward", "-x", "[[1,2],[3,4]]", "-w", "2x2"],
        r"'\[\[1,2\],\[3,4\]\]' is not a file: numbers go into one, or to - \(standard input\); a shape is written 3x3",
    ),
    "a list for a shape": (None, ["forward", "-x", "1,2,3", "-w", "2x2"], "'1,2,3' is not a file: numbers go into one"),
    "half a shape": (None, ["backward", "-x", "3x3", "-w", "3x"], "'3x' is not a file: .* a shape is written 3x3"),
    "not JSON": ("{X: 1}", ["forward", "FILE"], "FILE is not JSON: expecting property name .* in line 1, column 2"),
    "empty file": ("", ["forward", "FILE"], "FILE is empty"),
    "binary rubbish": (b"\xff\xfd\x00", ["forward", "FILE"], "FILE is not JSON, NPY or NPZ"),
    "ragged list": (
        '{"X": [[1, 2, 3, 4], [1, 2, 3]], "W": [[1]]}',
        ["forward", "FILE"],
        r"FILE: X\[2\] has 3 numbers, X\[1\] has 4",
    ),
    "ragged depth": ('{"X": [[1], 2], "W": [[1]]}', ["forward", "FILE"], r"X\[2\] is a number, X\[1\] is a list"),
    "too deep": (
        "[" * 3000 + "]" * 3000,
        ["forward", "-x", "FILE", "-w", "2x2"],
        "is nested too deeply|don't fit together",
    ),
    "text": ('{"X": [[1, "a"]], "W": [[1]]}', ["forward", "FILE"], r"X\[1\]\[2\] is 'a': it must be a number"),
    "boolean": ('{"X": [[1, true]], "W": [[1]]}', ["forward", "FILE"], r"X\[1\]\[2\] is true: it must be a number"),
    "null": ('{"X": [[null, 2]], "W": [[1]]}', ["forward", "FILE"], r"X\[1\]\[1\] is null: it must be a number"),
    "NaN": ('{"X": [[1, NaN]], "W": [[1]]}', ["forward", "FILE"], r"X\[1\]\[2\] is nan: every number must be finite"),
    "infinity": ('{"X": [[1e999]], "W": [[1]]}', ["forward", "FILE"], r"X\[1\]\[1\] is inf"),
    "huge integer": ('{"X": [[9223372036854775808]], "W": [[1]]}', ["forward", "FILE"], "beyond int64's largest"),
    "unknown key": ('{"X": [[1]], "w": [[1]]}', ["forward", "FILE"], "FILE has the unknown key 'w': did you mean 'W'"),
    "misspelt key": ('{"strid": 2}', ["forward", "FILE"], "unknown key 'strid': did you mean 'stride'"),
    "doubled key": ('{"X": [[1]], "X": [[1]]}', ["forward", "FILE"], "FILE has the key 'X' twice"),
    "an array for a problem": ("[[1]]", ["forward", "FILE"], "FILE holds no object with the keys X, W, b"),
    "a problem for an array": ('{"X": [[1]]}', ["forward", "-x", "FILE", "-w", "2x2"], r"name it, as FILE::X"),
    "no such key in the file": ('{"X": [[1]]}', ["forward", "-x", "FILE::Y"], "FILE has no key 'Y': it has X"),
    "an object under a key": ('{"g": {"X": 1, "Y": 2}}', ["forward", "-x", "FILE::g"], "name one, as FILE::g::X"),
    "no such key in an object": ('{"g": {"X": 1}}', ["forward", "-x", "FILE::g::Y"], "FILE::g has no key 'Y'"),
    "a key of an array": ('{"g": {"X": [[1]]}}', ["forward", "-x", "FILE::g::X::Y"], "FILE::g::X holds a single array"),
    "a key of a single array": ("[[1]]", ["forward", "-x", "FILE::X"], "leave out ::X"),
    "X missing": ('{"W": [[1]]}', ["forward", "FILE"], "X is missing: give a problem file with the key X, or -x "),
    "wrong number of axes": ('{"X": [1, 2], "W": [[1]]}', ["forward", "FILE"], r"don't fit together"),
    "channels": (
        '{"X": [[[1]], [[1]]], "W": [[[[1]]]]}',
        ["forward", "FILE"],
        r"X \(2, 1, 1\) has 2 channels, but W \(1, 1, 1, 1\) reads 1",
    ),
    "dedo missing": (
        '{"X": [[1]], "W": [[1]]}',
        ["backward", "FILE"],
        "dEdO is missing: .* or -g ones for E = sum of O",
    ),
    "dedo of another shape": (
        '{"X": [[1]], "W": [[1]], "dEdO": [[1, 2]]}',
        ["backward", "FILE"],
        r"dEdO has shape \(1, 2\), but X \(1, 1\) with W \(1, 1\), stride 1, padding 0 gives O \(1, 1\)",
    ),
    "kernel too large": ('{"X": [[1]], "W": [[1, 2]]}', ["forward", "FILE"], "does not fit"),
    "option of an object": (
        '{"X": [[1]], "W": [[1]], "stride": {"a": 1}}',
        ["forward", "FILE"],
        "stride is .*: it must be an integer",
    ),
    "integer of many digits": (
        '{"X": [[%s]]}' % ("9" * 5000),
        ["forward", "FILE"],
        "FILE holds an integer of thousands of digits",
    ),
    "huge stride": (None, ["forward", NOTES, "--stride", "4611686018427387904"], "it must be at most 2147483647"),
    "huge padding": (None, ["forward", NOTES, "--padding", "100000000"], "O would have 4.0e[+]16 numbers"),
    "text for a problem": ('"hello"', ["forward", "FILE"], "FILE holds no object with the keys X, W, b"),
    "a number for X": ('{"X": 5, "W": [1]}', ["forward", "FILE"], "X is a single number"),
    "a number for W of groups": ('{"X": [[1]], "W": 5, "groups": 2}', ["forward", "FILE"], "W is a single number"),
    "an empty name": (None, ["forward", NOTES, "-o", ""], "-o is empty"),
    "standard output as a file": (None, ["forward", NOTES, "-o", "-"], "or print with --json"),
    "one shape alone": (None, ["forward", NOTES, "-w", "2x2"], "W is a shape without numbers: add --explain"),
    "stride 0": (None, ["forward", NOTES, "--stride", "0"], "stride is 0: it must be at least 1"),
    "stride of a word": (None, ["forward", NOTES, "--stride", "a"], "stride 'a' is not an integer"),
    "dilation 0": (None, ["forward", NOTES, "--dilation", "0"], "dilation is 0"),
    "negative padding": (None, ["forward", NOTES, "--padding", "-1"], "padding is -1: it must be at least 0"),
    "padding of three": (None, ["forward", NOTES, "--padding", "1:2:3"], "padding '1:2:3' is not understood"),
    "empty axis": ('{"X": [[]], "W": [[1]]}', ["forward", "FILE"], r"X has shape \(1, 0\): axis 2 is empty"),
    "flip of a word": ('{"flip": "no"}', ["forward", "FILE"], "flip is 'no': it must be true or false"),
    "flip of a number": ('{"flip": 1}', ["forward", "FILE"], "flip is 1: it must be true or false"),
    "null option": ('{"stride": null}', ["forward", "FILE"], "stride is null"),
    "no numbers and no explain": (
        None,
        ["forward", "-x", "3x3", "-w", "2x2"],
        "add --explain for the derivation in symbols",
    ),
    "check in symbols": (None, ["check", "-x", "3x3", "-w", "2x2"], "check needs numbers"),
    "unknown element": (None, ["backward", NOTES, "--element", "x44"], "write w11 to w22 or x11 to x33"),
    "element of the other command": (None, ["backward", NOTES, "--element", "o11"], "o belongs to forward"),
    "unknown ending": (
        None,
        ["forward", NOTES, "-o", "out.csv"],
        r"out.csv has an unknown ending: use .json, .npz, .npy",
    ),
    "two results in one npy": (None, ["backward", NOTES, "-o", "out.npy"], r"2 results \(dEdW, dEdX\): use .npz"),
    "unknown report": (None, ["forward", NOTES, "--report", "out.pdf"], "unknown ending for a report: use .txt, .md"),
    "folder missing": (None, ["forward", NOTES, "-o", "none/out.json"], "can't write none/out.json: No such file"),
    "unknown option": (None, ["forward", NOTES, "--strides", "2"], "No such option: --strides"),
    "unknown command": (None, ["foward", NOTES], "No such command 'foward'"),
    "precision 0": (None, ["forward", NOTES, "--precision", "0"], "--precision"),
    "more digits than float64 has": (None, ["forward", NOTES, "--precision", "18"], "--precision"),
    "rtol below 0": (None, ["check", NOTES, "--rtol", "-1"], "rtol is -1"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_bad_input_is_told_in_a_line_or_two_with_exit_code_2(run, tmp_path, case):
    content, args, message = case
    path = tmp_path / "input.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.iterdir())
    code, out, err = run(*(arg.replace("FILE", str(path)) for arg in args))
    assert (code, out) == (2, "")
    assert err.startswith("cnngrad: ")
    assert err.count("\n") <= 2
    assert "Traceback" not in err
    assert_matches(message.replace("FILE", str(path)), err)
    assert sorted(tmp_path.iterdir()) == before


def test_an_array_in_an_object_of_a_file_is_named_by_both_keys(run, tmp_path):
    (tmp_path / "r.json").write_text('{"run": {"X": [[1, 2]], "a::b": [[3]]}}')
    spec = f"{tmp_path}/r.json::run::"
    assert json.loads(run("forward", "-x", spec + "X", "-w", spec + "a::b", "--json")[1])["O"] == [[3, 6]]


def assert_matches(pattern, text):
    with pytest.raises(AssertionError, match=pattern):
        raise AssertionError(text)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[object()]]), "holds pickled Python objects, which are never loaded"),
        (np.array([[1j]]), "X has dtype complex128: it must hold integers, float16, float32 or float64"),
        (np.array([["a"]]), "X has dtype <U1"),
        (np.array([[True]]), "X has dtype bool"),
        (np.array([[np.nan, 1]]), r"X\[1\]\[1\] is nan"),
        (np.zeros((2, 0)), "axis 2 is empty"),
    ],
    ids=["objects", "complex", "text", "booleans", "NaN", "empty"],
)
def test_arrays_that_hold_no_numbers(run, tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    code, out, err = run("forward", "-x", str(tmp_path / "x.npy"), "-w", NOTES + "::W")
    assert (code, out) == (2, "")
    assert_matches(message, err)


@pytest.mark.parametrize("keep", [3, 8, 60, 100, 150])
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_truncated_files(run, tmp_path, keep, name):
    path = tmp_path / name
    save = {"x.npy": np.save, "x.npz": lambda file, x: np.savez(file, X=x)}[name]
    save(path, np.ones((4, 4)))
    path.write_bytes(path.read_bytes()[:keep])
    code, out, err = run("forward", "-x", f"{path}", "-w", NOTES + "::W")
    assert (code, out) == (2, "")
    assert err.startswith("cnngrad: ")
    assert err.count("\n") <= 2
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["out.json", "out.npz", "out.npy", "out", "out/"])
def test_results_are_saved_and_read_back(run, tmp_path, name):
    target = f"{tmp_path}/{name}"
    assert run("backward", NOTES, "--only", "dX", "-o", target)[0] == 0
    spec = {"out.json": f"{target}::dEdX", "out.npz": f"{target}::dEdX", "out.npy": target}
    source = spec.get(name, f"{tmp_path}/out/dEdX.npy")
    assert run("check", NOTES, "--dx", source)[0] == 0


def test_a_failed_save_leaves_the_old_file_and_no_other(run, tmp_path, monkeypatch):
    target = tmp_path / "out.npz"
    target.write_bytes(b"old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    code, _, err = run("backward", NOTES, "-o", str(target))
    assert (code, err) == (2, f"cnngrad: can't write {target}: No space left on device\n")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_written_whole_or_not_at_all(run, tmp_path):
    (tmp_path / "dEdX.npy").mkdir()
    code, _, err = run("backward", NOTES, "-o", str(tmp_path))
    assert code == 2
    assert f"{tmp_path}/dEdX.npy exists and was not made by cnngrad" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dEdX.npy"]


def test_a_saved_file_keeps_its_mode_and_links(run, tmp_path):
    (tmp_path / "out.json").write_text("old")
    (tmp_path / "out.json").chmod(0o600)
    (tmp_path / "link.json").symlink_to("out.json")
    assert run("forward", NOTES, "-o", str(tmp_path / "link.json"))[0] == 0
    assert json.loads((tmp_path / "out.json").read_text()) == {"O": [[12, 17], [27, 32]]}
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "link.json").is_symlink()


def test_an_array_may_come_through_a_pipe(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    command = f"{sys.executable} -m cnngrad forward -x <(cat {tmp_path}/x.npy) -w {NOTES}::W --json"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert results(done.stdout) == {"O": [[0.0, 3.0], [2.0, 0.0]]}


def test_a_doubled_key_in_an_npz_is_told(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "p.npz", "w") as archive:
        for member in ("X.npy", "X"):
            file = io.BytesIO()
            np.save(file, np.eye(2))
            archive.writestr(member, file.getvalue())
    assert "has the key 'X' twice" in run("forward", str(tmp_path / "p.npz"))[2]


def test_a_word_alone_shows_the_help(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: cnngrad")


def test_an_interrupted_save_leaves_nothing(run, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    assert run("backward", NOTES, "-o", str(tmp_path / "out.npz"))[0] == 130
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_the_system_refuses_is_told(run):
    for words in (("forward", "-x", "1x1", "-o", f"{'a' * 300}.json"), ("check", "--run", "x:y", "--suite", "a" * 300)):
        code, _, err = run(*words)
        assert code == 2
        assert "aaa" in err
        assert err.endswith(": File name too long\n")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [(KeyboardInterrupt, 130, "interrupted"), (MemoryError, 2, "can't start: there is not enough memory")],
)
def test_what_ends_the_command_before_it_begins_is_told(error, code, told, monkeypatch, capsys):
    def begin():
        raise error

    monkeypatch.setattr("cnngrad.cli.session.Session.of_process", begin)
    assert begun() == code
    assert capsys.readouterr().err == f"cnngrad: {told}\n"


def test_a_crash_is_never_1(run, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("cnngrad.compute.Work", broken)
    code, _, err = run("forward", NOTES)
    assert code == 70
    assert "defect of cnngrad" in err


def test_output_in_a_narrow_encoding_does_not_crash():
    done = subprocess.run(
        [sys.executable, "-m", "cnngrad", "forward", NOTES],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert b"+        +\n| 12  17 |\n| 27  32 |\n+        +" in done.stdout


def test_redirected_output_is_plain_and_does_not_depend_on_the_window():
    def output(environment):
        command = [sys.executable, "-m", "cnngrad", "backward", NOTES, "--explain"]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    text = output({})
    for columns in ("40", "200"):
        assert text == output({"COLUMNS": columns, "TERM": "xterm-256color"})
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_transposed_layer_on_the_command_line(capsys):
    words = ["-x", "2x2", "-w", "3x3", "--transposed", "--stride", "2"]
    assert main(["forward", *words, "--output-size", "6x5", "--element", "o66"]) == 2
    assert main(["forward", *words, "--output-size", "6x5", "--element", "o65"]) == 0
    out, err = capsys.readouterr()
    assert "'o66' is not an element of this layer: write o11 to o65" in err
    assert out.startswith("X 2×2 · W 3×3 · transposed · stride 2 · padding 0 · output padding 1,0 → O 6×5")
    assert main(["forward", *words, "--output-padding", "1,0", "--element", "o65", "--json"]) == 0
    layer = json.loads(capsys.readouterr().out)["layer"]
    assert (layer["transposed"], layer["output_padding"], layer["filter_layout"]) == (True, [1, 0], "iohw")


def test_a_padding_mode_on_the_command_line(capsys, tmp_path):
    (tmp_path / "p.json").write_text('{"X": [[1, 2, 3]], "W": [[1, 1]], "padding": [[0, 0], [1, 1]]}')
    values = []
    for mode in ("zeros", "reflect", "replicate", "circular"):
        assert main(["forward", str(tmp_path / "p.json"), "--padding-mode", mode, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["layer"].get("padding_mode", "zeros") == mode
        values.append(found["O"])
    assert values == [[[1, 3, 5, 3]], [[3, 3, 5, 5]], [[2, 3, 5, 6]], [[4, 3, 5, 4]]]


# What is quoted of a word that is not understood, in letters, and where the word stands.
QUOTED = {
    40: [
        "check samples/notes.json --as {}",
        "check samples/notes.json --dx 1,{}",
        "check --run m:f --expect {}",
        "check --run ./m --exchange {}",
        "check --run m:f --hidden {} --format gradescope",
        "check --run m:f --shard {}",
        "check --run m:f --format {}",
        "backward samples/notes.json --section {}",
        "backward samples/notes.json --order {}",
        "backward samples/notes.json --layout {}",
        "backward samples/notes.json -x p.bin:f32:{}",
    ],
    80: ["check --run m:f --suite {}"],
}


@pytest.mark.parametrize(("letters", "words"), [(letters, words) for letters, all_ in QUOTED.items() for words in all_])
def test_so_many_letters_are_quoted_of_a_long_word(run, letters, words):
    word = ("2" if "--dx" in words else "q") * 100
    code, _, err = run(*words.format(word).split())
    assert code == 2
    assert f"'{'1,' * ('--dx' in words)}{word}"[: letters + 1] + "'" in err


def test_without_dedo_it_is_made_of_integers_for_integers_and_of_decimals_for_decimals():
    for dtype, kind in ((int, int), (float, float)):
        report = cnngrad.check(np.ones((3, 3), dtype), np.ones((2, 2), dtype))
        assert {type(each) for each in report.identity} == {kind}
        assert report.identity[0] == pytest.approx(np.sum(4 * drawn(kind)))


def drawn(kind):
    generator = np.random.default_rng(0)
    return generator.integers(-9, 10, (2, 2)) if kind is int else generator.standard_normal((2, 2))
