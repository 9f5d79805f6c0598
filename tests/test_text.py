"""Text that holds numbers: what tools print is read as they mean it, or refused with a way out."""

import ast
import json
import re
import time
import tracemalloc
from contextlib import suppress
from io import StringIO

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cnngrad
from cnngrad.cli.main import main
from cnngrad.files.text import parse_text

M = [[-6, 4, 0], [19, -20, 8]]
T = np.arange(1, 25).reshape(2, 3, 2, 2)


def read(text):
    return parse_text("x.txt", text).array.tolist()


def refusal(text):
    """The message on a text; what it quotes must stand where it says, behind empty lines too."""
    said, behind = error(text), error(f"\n \n{text}")
    where = re.compile(r"x\.txt, line ([0-9]+), column ([0-9]+): ('[^';]+' )?")
    line, column, quoted = where.match(said).groups()
    if quoted:
        rest = "\n".join(text.split("\n")[int(line) - 1 :])[int(column) - 1 :]
        assert rest.startswith(ast.literal_eval(quoted))
    # What is said of the whole text is said of its first line.
    assert where.match(behind).groups()[:2] in ((str(int(line) + 2), column), ("1", "1"))
    return said


def error(text):
    with pytest.raises(cnngrad.CnngradError) as caught:
        parse_text("x.txt", text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "-6 4 0\n19 -20 8\n",
        "-6,4,0\r19,-20,8\r",
        "\ufeff# a comment, with 3 commas\n-6, 4, 0\n\n19, -20, 8".removeprefix("\ufeff"),
        "-6;4;0\n19;-20;8",
        "-6,4,0,\n19,-20,8,\n",
        '"-6","4","0"\n"19","-20","8"',
        '"-6,0","4","0"\n"19","-20,0","8"',
        "−6\t4\t0\n19\t−20\t8",
        "| a | b | c |\n|---|--:|---|\n| -6 | 4 | 0 |\n| 19 | -20 | 8 |",
        "[[ -6   4   0]\n [ 19 -20   8]]",
        "[-6 4 0]\n[19 -20 8]",
        "[(-6, 4, 0), [19, -20, 8]]",
        '"-6",4,"0"\n19,-20,"8"',
        "float dx[2][3] = {-0x1.8p2, 0x4.0p0f, 0, 19, -20, 8};",
        "array([[ -6,   4,   0],\n       [ 19, -20,   8]], dtype=int32)",
        "tensor([[ -6.,   4.,   0.],\n        [ 19., -20.,   8.]], device='cuda:0', grad_fn=<MulBackward0>)",
        "tensor(1.00000e+01 *\n       [[-0.6000,  0.4000,  0.0000],\n        [ 1.9000, -2.0000,  0.8000]])",
        "tf.Tensor(\n[[ -6   4   0]\n [ 19 -20   8]], shape=(2, 3), dtype=int32)",
        "<tf.Variable 'k:0' shape=(2, 3) dtype=float32, numpy=\narray([[-6, 4, 0],\n  [19, -20, 8]], dtype=float32)>",
        "Array([[-6, 4, 0],\n       [19, -20, 8]], dtype=int32, weak_type=True)",
        "Tensor(shape=[2, 3], dtype=Float32, value=\n[[-6, 4, 0],\n [19, -20, 8]])",
        "[array([-6, 4, 0]), array([19, -20, 8])]",
        "[tensor(array([-6, 4, 0])), tensor(array([19, -20, 8]))]",
        "[[np.int64(-6), np.int64(4), np.int64(0)], [np.int64(19), np.int64(-20), np.int64(8)]]",
        "dX = [-6 4 0; 19 -20 8];",
        "dX = [-6 4 0\n      19 -20 8];",
        "dX = [-6.0f0 4.0f0 0.0f0; 19.0f0 -20.0f0 8.0f0]",
        "torch::Tensor dx = torch::tensor({{-6, 4, 0}, {19, -20, 8}});",
        "[array([-6, 4, 0], dtype=int32),\n array([19, -20, 8], dtype=int32)]",
        ">> dX\ndX =\n\n   1.0e+01 *\n\n Columns 1 through 2\n\n -0.6 0.4\n 1.9 -2.0\n\n Column 3\n\n 0\n 0.8\n",
        "\nColumns 0 to 1 \n -6   4\n 19 -20\n\nColumns 2 to 2 \n  0\n  8\n[torch.FloatTensor of size 2x3]\n",
        "dX =\n\n  2×3 single matrix\n\n    -6     4     0\n    19   -20     8\n",
        "2×3 Matrix{Int64}:\n -6    4  0\n 19  -20  8\n",
        "     [,1] [,2] [,3]\n[1,]   -6    4    0\n[2,]   19  -20    8\n",
        "     [,1] [,2]\n[1,]   -6    4\n[2,]   19  -20\n     [,3]\n[1,]    0\n[2,]    8\n",
        "static const float dx[2][3] = {\n  {-6.0f, 4.f, 0},  // a row\n  {19, -20, 8F}};",
        "int dx[2][3] = {-6, 4, 0, 19, -20, 8};",
        "int8_t dx[2][3] = {{0xfa, 0x04, 0x00}, {0x13, 0xec, 0x08}};",
        "std::array<std::array<float, 3>, 2> dx = {{ {{-6, 4, 0}}, {{19, -20, 8}} }};",
        "std::vector<std::vector<double>> dx{{-6, 4, 0}, {19, -20, 8}};",
        "std::vector<std::array<float, 3>> dx = {{-6, 4, 0}, {19, -20, 8}};",
        "let dx: Vec<[f32; 3]> = vec![[-6.0, 4.0, 0.0], [19.0, -20.0, 8.0]];",
        "float[][] dx = new float[][] {{-6f, 4f, 0f}, {19f, -20f, 8f}};",
        "var dx = new float[2, 3] { { -6f, 4f, 0f }, { 19f, -20f, 8f } };",
        "let dx: [[f32; 3]; 2] = [[-6.0, 4.0, 0.0], [19.0_f32, -20.0, 8.0]];",
        "let dx = vec![vec![-6.0, 4.0, 0.0], vec![19.0, -20.0, 8.0]];",
        "dx := [][]float64{{-6, 4, 0}, {19, -20, 8}}",
        "$1 = {{-6, 4, 0}, {19, -20, 8}}",
        "{{-0.6*^1, 4., 0.}, {1.9*^1, -20., 8.}}",
        "dx (2x3):\n -6 4 0\n 19 -20 8",
        "float dx[ROWS][K * 3] = {{-6, 4, 0}, {19, -20, 8}};",
        "#define N 3\nconst int dx[2][N] = {{-6, 4, 0}, {19, -20, 8}};",
        "2-element Vector{Vector{Float64}}:\n [-6.0, 4.0, 0.0]\n [19.0, -20.0, 8.0]",
        "int[][] dx = { new int[] { -6, 4, 0 }, new[] { 19, -20, 8 } };",
        "var dx = new[] { new[] { -6.0, 4.0, 0.0 }, new[] { 19.0, -20.0, 8.0 } };",
        "[][]float64{[]float64{-6, 4, 0}, []float64{19, -20, 8}}",
        "[ Float32Array(3) [ -6, 4, 0 ], Float32Array(3) [ 19, -20, 8 ] ]",
        "const DX: &[[f64; 3]] = &[[-6.0, 4.0, 0.0], [19.0, -20.0, 8.0]];",
        "torch.Size([2, 3])\ntensor([[-6., 4., 0.], [19., -20., 8.]])",
        "_Float16 dx[2][3] = {{-6.0f16, 4F16, 0.f16}, {19.f16, -20.f16, 8.f16}};",
        " -6   4  0\n 19 -20  8\n[torch.FloatTensor of size 2x3]\n",
        "  ┌             ┐\n  │ -6    4   0 │\n  │ 19  -20   8 │\n  └             ┘\n",
    ],
)
def test_what_tools_print_and_write_is_read(text):
    assert read(text) == M


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3 4",
        "1\n2\n3\n4\n",
        "1,2,3,4\n",
        "float x[] = {1.f, 2.0f, 3f,\n4f};",
        "_Float32 x[N] = {1f32, 2.0f32, 3f32, 4.0f32};",
        " [1] 1 2 3\n [4] 4\n",
        "\n [1] 1 2 3\n [4] 4\n",
        "double x[] = {0x1p0, 0x1.0p+1f, 0x1.8p1, 0x.4p+4};",
        "uint8_t x[] = {0x1, 0x02, 03, 0x4U};",
        "let x: [f32; 4] = [1f32, 2.0f32, 3_f32, 4.0_f32];",
        "let x = vec![1i8, 0x2u8, 3_u16, 4];",
        "x = [1.0d0, 2D+00, 0.3D+01, 40.d-1]",
        "   0.10000000D+01\n   0.20D+1\n  30.D-01\n   4.0D+00\n",
        "4-element Vector{Float32}:\n 1.0f0\n 2.0\n 0.3f1\n 40.0f-1\n",
        "Float32[1.0, 2.0f0, 0.3f+1, 40f-1]",
        "Tensor([1, 2, 3, 4], dtype=int32)\n",
        "[1, 2,\n 3, 4]",
        "float x[4] = {1, 2, 3, 4};",
        "Float32Array(4) [ 1, 2, 3, 4 ]",
    ],
)
def test_a_line_a_column_and_a_list_have_no_axes_of_their_own(text):
    found = parse_text("x.txt", text)
    assert (found.axes, found.array.tolist()) == (0, [1, 2, 3, 4])


def pages(mark, axes):
    """T as pages of two of its axes, each behind a line of its indices."""
    text = ""
    for index in np.ndindex(*(T.shape[axis] for axis in range(4) if axis not in axes)):
        page, rest = [":"] * 4, list(index)
        for axis in (axis for axis in range(4) if axis not in axes):
            page[axis] = rest.pop(0)
        part = T[tuple(slice(None) if k == ":" else k for k in page)]
        shown = [k if k == ":" else k + 1 for k in page]
        text += mark.format(*shown) + "\n\n" + "\n".join(" ".join(map(str, row)) for row in part.tolist()) + "\n\n"
    return text


@pytest.mark.parametrize(
    ("mark", "axes"),
    [
        ("ans({},{},{},{}) =", (0, 1)),
        ("[{}, {}, {}, {}] =", (0, 1)),
        ("({},{},{},{}) = ", (2, 3)),
    ],
)
def test_pages_stand_where_their_indices_say(mark, axes):
    assert read(pages(mark, axes)) == T.tolist()
    assert "stand twice" in refusal(pages(mark, axes) + pages(mark, axes))


@pytest.mark.parametrize("indices", [("1,1", "1,2", "1,2", "2,2"), ("1,2", "1,3", "2,2", "2,3"), ("1,1", "1,2", "2,1")])
def test_pages_that_stand_twice_or_are_missing_are_refused(indices):
    assert "some are missing or stand twice" in refusal("".join(f"(:,:,{index}) =\n1 2\n3 4\n" for index in indices))


def test_r_prints_the_first_two_axes_as_pages():
    text = "".join(
        f", , {k + 1}, {i + 1}\n\n     [,1] [,2] [,3]\n"
        + "".join(f"[{r + 1},] {' '.join(map(str, T[r, :, k, i]))}\n" for r in range(2))
        + "\n"
        for i in range(2)
        for k in range(2)
    )
    assert read(text) == T.tolist()


def test_planes_are_tables_with_empty_lines_between():
    planes = "\n\n".join("\n".join(" ".join(map(str, row)) for row in plane) for plane in T.reshape(6, 2, 2).tolist())
    found = parse_text("x.txt", planes)
    assert found.axes == 2
    assert found.shaped((2, 3, 2, 2), "C").tolist() == T.tolist()
    assert found.shaped((2, 3, 4), "C").shape == (6, 2, 2)


def test_declared_sizes_and_types_are_honoured():
    assert read("int x[][2] = {{1, 2}, {3, 4}};") == [[1, 2], [3, 4]]
    assert "2x3 is declared, but 2 is there" in refusal("float x[2][3] = {1, 2};")
    assert "2x3 is declared, but 2x2 is there" in refusal("tf.Tensor([[1 2]\n [3 4]], shape=(2, 3), dtype=int32)")
    assert "decimals where int is declared" in refusal("np.array([[1.5, 2.5], [3.5, 4.5]], dtype=int)")
    assert parse_text("x.txt", "array([1.5, 2.5], dtype=float16)").typed.dtype == np.float16
    assert read("int x[2][2] = {{010, 020}, {1, 2}};") == [[8, 16], [1, 2]]
    assert read("double x[2] = {1.0e+03, 010};") == [1000, 8]
    assert read("uint8_t x[] = {0xfa, 0x7f};") == [250, 127]
    assert read("short x[] = {0xfffa, 0x7fff, 0x8000};") == [-6, 32767, -32768]
    assert read("int x[] = {0xfffffffa, 250u};") == [-6, 250]
    assert read("new Uint8Array([0xff, 1])") == read("let x: [u8; 2] = [0xff, 1];") == [255, 1]
    assert read("array([3000000000, 1], dtype=int)") == [3000000000, 1]
    assert read("long double x[2] = {1.5L, 2.5L};") == [1.5, 2.5]
    assert read("let x: [f32; 2] = [2f32, 3f32];") == [2, 3]
    assert read("[np.float64(1.5)]") == read("tensor([np.float64(1.5)])") == read("np.array(1.5)") == [1.5]
    # In a hexadecimal number f32 is no type: its letters are digits.
    assert read("int x[] = {0xff_f32, 0xff_u8};") == [0xFFF32, 255]


@pytest.mark.parametrize(
    ("text", "axes", "shape", "doubt"),
    [
        ("[[1, 2]]", 2, (1, 2), ""),
        ("[1 2\n3 4];", 2, (2, 2), ""),
        ("[1 2\n3 4]", 0, (2, 2), "its lines are rows, or one row"),
        ("[1\t2\n3\t4]", 0, (2, 2), "its lines are rows, or one row"),
        ("[1 2; 3 4]", 2, (2, 2), ""),
        ("[1, 2;\n3, 4]", 2, (2, 2), ""),
        ("[1 2 3\n4 5]", 0, (5,), ""),
        ("[1, 2]\n[3, 4]", 1, (2, 2), ""),
        ("1 2\n3 4", 1, (2, 2), ""),
        ("1 2\n\n3 4", 1, (2, 2), ""),
        ("1\n2\n\n3\n4", 0, (2, 2), ""),
        ("1 2\n3 4\n\n5 6\n7 8", 2, (2, 2, 2), ""),
        ("(1,.,.) =\n1 2 3\n(2,.,.) =\n4 5 6\n", 0, (2, 1, 3), ""),
        ("(:,:,1) =\n1 2 3\n(:,:,2) =\n4 5 6\n", 3, (1, 3, 2), ""),
        ("0 1 2\n5 6 7", 1, (2, 3), ""),
        ("0 5 2\n1 6 7", 1, (2, 3), "its first line or column counts"),
        ("2×3 Matrix{Float64}:\n 0.0  5.5  2.0\n 1.0  6.0  7.0", 2, (2, 3), ""),
        ("     [,1] [,2] [,3]\n[1,]  0.0  5.5  2.0\n[2,]  1.0  6.0  7.0", 1, (2, 3), ""),
        ("0.777;1", 0, (2,), ""),
        ("9.7775;1.234", 0, (2,), ""),
        ("9.777;1234", 0, (2,), ""),
        ("0 1 2\n5 6 7\n8 9 3", 1, (3, 3), "its first line or column counts"),
        ("0\n5\n7", 0, (3,), ""),
        ("3 0 1 2\n0 5 6 7\n1 8 9 3", 1, (3, 4), "its first line or column counts"),
        ("0 1\n5 6\n7 8", 1, (3, 2), "its first line or column counts"),
        ("1 2\n5 6\n7 8", 1, (3, 2), "its first line or column counts"),
        ("2 3\n5 6\n7 8", 1, (3, 2), ""),
        ("3 2\n1 2\n3 4\n5 6", 1, (4, 2), "its first line or column counts"),
        ("2 2\n5 6\n7 8", 1, (3, 2), "its first line or column counts"),
        ("2\n2\n5\n6\n7\n8", 0, (6,), "its first line or column counts"),
        ("3 5 6 7", 0, (4,), "its first line or column counts"),
        ("1 0.5", 0, (2,), "its first line or column counts"),
        ("1 0 5\n1 1 6", 1, (2, 3), ""),
        ("2×3 Matrix{Int64}:\n 1 0 5\n 1 1 6", 2, (2, 3), ""),
        ("     [,1] [,2] [,3]\n[1,] 0 0 5\n[2,] 0 1 6\n[3,] 1 0 7\n[4,] 1 1 8", 1, (4, 3), ""),
        ("2\n3\n5\n6\n7\n8", 0, (6,), ""),
        ("float x[2 * 2][3] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};", 1, (4, 3), ""),
        ("float x[][3] = {{1, 2, 3}, {4, 5, 6}};", 1, (2, 3), ""),
        ("0 5", 0, (2,), ""),
        ("0 5\n1 6", 1, (2, 2), "its first line or column counts"),
        ("0 5\n1 6\n2 7", 1, (3, 2), "its first line or column counts"),
        ("\t1 2\n\t3 4", 1, (2, 2), ""),
        ("0,5\n2,25\n1,75", 1, (3, 2), "its commas part numbers, or are decimal ones"),
        ("21,106", 0, (2,), "its commas part numbers, or are decimal ones"),
        ("1.5,2", 0, (2,), ""),
        ("1,2,3", 0, (3,), ""),
        ("1;\t2\n3;\t4", 1, (2, 2), ""),
        ("[1]\n\n[2]\n\n\n[3]", 1, (3, 1), ""),
        ('"1"\n"2"\n"3"', 0, (3,), ""),
        ("9 0 1\n0 5 7\n1 6 8", 1, (3, 3), "its first line or column counts"),
        ("9 0 1\n5 5 7\n1 6 8", 1, (3, 3), ""),
        ("9 5 1\n0 5 7\n1 6 8", 1, (3, 3), ""),
        ("9 0 1\n0 5 7", 1, (2, 3), ""),
        ("(0,.,.) =\n1 2\n3 4\n(1,.,.) =\n5 6\n7 8\n", 3, (2, 2, 2), ""),
    ],
)
def test_which_axes_a_text_writes_and_what_else_it_may_mean(text, axes, shape, doubt):
    found = parse_text("x.txt", text)
    assert (found.axes, found.array.shape) == (axes, shape)
    assert found.doubt.startswith(doubt)
    assert bool(found.doubt) == bool(doubt)
    assert found.needs_shape == (axes == 0 and len(shape) > 1)


def test_several_arrays_are_read_by_label(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.txt").write_text("X = [[1, 2], [3, 4]]\nW:\n2\n\nfloat g[4] = {1, 2, 3, 4};")
    assert main(["backward", "-x", "all.txt::X", "-w", "all.txt::X", "-g", "all.txt::W", "--only", "dX", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dEdX"] == [[2, 4], [6, 8]]
    assert main(["forward", "-x", "all.txt", "-w", "all.txt::X"]) == 2
    assert "holds several values (X, W, g): name one, as all.txt::X" in capsys.readouterr().err
    assert "a second array is called X" in refusal("X = [1]\nX = [2]")
    assert "an array without a label beside X" in refusal("[1]\nX = [2]")


@pytest.mark.parametrize("layer", [["notes.json"], ["channels.json"], ["padding-dilation.json"]])
def test_the_tables_that_cnngrad_prints_are_read(layer, tmp_path, capsys):
    samples = [f"samples/{layer[0]}", *layer[1:]]
    for reference in (["-g", "ones"], []):
        capsys.readouterr()
        assert main(["backward", *samples, *reference]) == 0
        printed = capsys.readouterr().out
        assert main(["backward", *samples, *reference, "--json"]) == 0
        gradients = json.loads(capsys.readouterr().out)
        for text in (printed, printed.translate(str.maketrans("┌┐└┘│×·∂", "++++|x*d"))):
            found = parse_text("x.txt", text)
            for key in found:
                assert found[key].shaped(np.shape(gradients[key]), "C").tolist() == gradients[key]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,5 2,5\n3,5 4,5", "has commas and blanks"),
        ("1,234.5 5,678.5", "has commas and blanks"),
        ("1,234;5,678", "1.234 is a decimal number, or 1234"),
        ("9.777;7.446", "9.777 is a decimal number, or 9777"),
        ("9.777;7", "9.777 is a decimal number, or 9777"),
        ("0;9.777", "9.777 is a decimal number, or 9777"),
        ("1.234,5;2", "its commas part numbers, or are decimal ones, or thousands"),
        ("1,5;\n2,5;", "its commas part numbers, or are decimal ones"),
        ("1\u00a0234 5", "one number with a separator of thousands, or two"),
        ("1\u202f234\t5", "one number with a separator of thousands, or two"),
        ("6'895.0", "one number with a separator of thousands, or two"),
        ("1 234;5 678", "blanks and other marks: one number each, or two"),
        ("1\t\t3\n4\t5\t6", "a number is missing"),
        ("1\t\t3\n4\t\t6", "a number is missing"),
        ("1\t2\t3\n\t5\t6", "a number is missing"),
        ("12%,34%", "'12%' is not a number"),
        ("1,2,#N/A", "'#N/A' is not a number"),
        ("1\n#DIV/0!\n3", "'#DIV/0!' is not a number"),
        ("np.zeros((3, 4))", "'np.zeros' is not a number"),
        ("np.flip([[1, 2], [3, 4]])", "'np.flip' is not a number"),
        ("np.ndarray([2, 3])", "'np.ndarray' is not a number"),
        ("array(c(1, 2), c(2, 1))", "'c' is not a number"),
        ("matrix(c(1, 2, 3, 4), nrow = 2)", "'c' is not a number"),
        ("[[1, 2], [3, 4]].T", "'.T' is not a number"),
        ("[1 2; 3 4]'", '"\'" is not a number'),
        ("0.5 * [[1, 2], [3, 4]]", "'*' is not a number"),
        ("[[1, 2], [3, 4]] * 0.5", "'*' is not a number"),
        ("-[[1, 2], [3, 4]]", "'-' is not a number"),
        ("[1, 2] 3", "row 2 has 1 number, row 1 has 2"),
        ("dx\n--------------------\n1 2\n3 4\n", "'--------------------' is not a number"),
        ("dx[i] = [[1, 2], [3, 4]]", "'dx' is not a number"),
        ("#define DX {1, 2}\n", "'#define' is not a number"),
        ("torch.Size([2, 3])\ntensor([[1., 2.], [3., 4.]])", "2x3 is declared, but 2x2 is there"),
        ("let x = [0; 12];", "rows as in MATLAB, or a number repeated"),
        ("[1 2; 3 4;;; 5 6; 7 8]", "or axes as in Julia"),
        ("[[1.; 2.]; [3.; 4.]]", "';' may end a row, or an element"),
        ("{1;2.3;4}", "';' may end a row, or an element"),
        ("[1f-, 2]", "'1f-' is not a number"),
        ("[1.5*2, 3]", "'1.5*2' is not a number"),
        ("[1_, 2]", "'1_' is not a number"),
        ("float x[] = {0xffffffffp999, 1};", "'0xffffffffp999' is not a number"),
        ("010 020", "'010' begins with 0: a decimal number, or an octal or hexadecimal one"),
        ("0010 1E02", "'0010 1E02': decimal numbers, or binary or hexadecimal ones"),
        ("1010 1100", "'1010 1100': decimal numbers, or binary or hexadecimal ones"),
        ("x = {0x01, 0xfa}", "x.txt, line 1, column 6: hexadecimal numbers without a type"),
        ("{0xfa, 0x04}", "hexadecimal numbers without a type: some may be negative"),
        ("int[][] x = {{010, 020}};", "'010' begins with 0"),
        ("0 0 5\n0 1 6\n1 0 7\n1 1 8", "its first line or column counts: indices, titles or sizes, or numbers"),
        ("|   | 0 |\n|---|---|\n| 0 | 5 |", "'---' is not a number"),
        ("[[1, 2]]\n[[1, 2, 3]]", "x.txt, line 2, column 3: row 2 has 3 numbers, row 1 has 2"),
        ("2 * \n[1, 2]", "'*' is not a number"),
        ("1 2\ndx:\n", "x.txt, line 2, column 1: no array follows dx"),
        ("1 2\n3 x\n", "x.txt, line 2, column 3: 'x' is not a number"),
        ("Columns 1 through 2\n1 2\nColumn 3\n2 x\n", "x.txt, line 4, column 3: 'x' is not a number"),
        ("Columns 0 through 1\n1 2\nColumn 3\n2\n", "column 3 is said, but column 2 follows"),
        ("(:,:,1) =\n1 2\n(:,:,2) =\n3 x\n", "x.txt, line 4, column 3: 'x' is not a number"),
        ("dx = np.array([[1, 2],\n [3, x]], dtype=float)", "x.txt, line 2, column 6: 'x' is not a number"),
        ("1,,2\n", "a number is missing"),
        ("1 2\n3\n", "x.txt, line 2, column 1: row 2 has 1 number, row 1 has 2"),
        ("array([1, 2])\narray([3, 4])", "several arrays without labels"),
        ("tensor(array([1, 2]))\ntensor(array([3, 4]))", "several arrays without labels"),
        ("array([[1, 2], array([3, 4])])", "rows nested or parted in different ways"),
        ("[[1, 2], [3]]", "row 2 has 1 number, row 1 has 2: all rows must be equally long"),
        ("[[1, 2]", "brackets that are not closed"),
        ("[[1, 2],\n [3, 4", "brackets that are not closed"),
        ("{{1, 2}, {3}", "x.txt, line 1, column 11: row 2 has 1 number, row 1 has 2"),
        ("dx = np.array([[1, 2], [3, 4]]", "x.txt, line 1, column 14: rows nested or parted"),
        ("[[1, 2)]", "brackets that are not closed"),
        ("[1, 2])", "brackets that are not closed"),
        ("[1, ..., 2]", "x.txt, line 1, column 5: '...': numbers are omitted here"),
        ("1 2+3j", "'2+3j' is not a number"),
        ("1.5M 2.5M", "'1.5M' is not a number"),
        ("1u 2.5u", "'1u' is not a number"),
        ("1.5f 2.5f", "'1.5f' is not a number"),
        ("1_000 1_002", "'1_000' is not a number"),
        ("[1//2 3//4]", "'1//2' is not a number"),
        ("[99999999999999999999]", "an integer beyond int64's largest"),
        ("\x1b[31m1 2", "a control character in a text"),
        ("1 2\nbut 3\n", "'but' is not a number"),
        ("[1]double[2]", "'double' is not a number"),
        ("1, \ud800", "a control character in a text"),
        ("1 2\x7f", "a control character in a text"),
        ("| | 0 |\n| 1 | 2 |", "line 1, column 1: row 1 has an empty cell: a number is missing"),
        ("| 1 | 0 |\n| 1 | |", "line 2, column 1: row 2 has an empty cell: a number is missing"),
        ("[1]0x1f", "hexadecimal numbers without a type"),
        ('1 2\n3 "4', 'line 2, column 3: "4 in quotation marks: one number, or several, or none'),
        ("[[1, 2] [3, 4], [5, 6]]", "nested or parted in different ways"),
        ("[1, 2] [3, 4]\n[5, 6]", "several arrays in a line"),
        ("(2,)\n[5]", "2 is declared, but 1 is there"),
        ("[1, 2], [3, 4]]", "brackets that are not closed"),
        ("5], [6", "nested or parted in different ways"),
        ("[1, mydtype=int32]", "'mydtype=int32' is not a number"),
        ("[[1, 2], [3, 4]]]", "nested or parted in different ways"),
        ("[[1, 2], 3, 4]", "row 2 has 3 numbers, row 1 has 2"),
        ("[" + "9" * 5_000 + "]", "an integer beyond int64's largest"),
        ("[1-2,,3]", "'1-2' is not a number"),
        ("[[1], []]", "nested or parted in different ways"),
        ('"1",2"\n"3","4"', "in quotation marks"),
        ("1\t2\n\t3\t4\t5", "row 2 has 4 numbers, row 1 has 2"),
        ("[1 2\n, 3 4];", "blanks and other marks"),
        ("1 2\n3 4\n\n5 6\n", "nested or parted in different ways"),
        ("[1]\n4x3 pieces\n", "4x3 is declared, but 1 is there"),
        ("(1,1,.,) =\n1 2\n3 4\n", "pages with indices"),
        ("1 1 5\n1 2 6\n2 1 7\n2 2 8", "its first line or column counts"),
        ("0 1 5\n0 2 6\n1 1 7\n1 2 8", "its first line or column counts"),
        ('"4" 5\n"2" 6', "its first line or column counts"),
        ('"4" 5\n"2" 6\n"3" 7', "its first line or column counts"),
        ("1;2,5\n3;1.234,5", "x.txt, line 2, column 4: its commas part numbers, or are decimal ones, or thousands"),
        ("[-9223372036854775809]", "an integer beyond int64's largest"),
        ("float x[4] = {{1, 2}, {3, 4}};", "4 is declared, but 2x2 is there"),
        ("float x[] = {1.5f, 2x};", "x.txt, line 1, column 20: '2x' is not a number"),
        ("array([1, 2], dtype=int32) x", "x.txt, line 1, column 28: 'x' is not a number"),
        ("(:,:,1) =\n1 2\n3 4\n\n[[1, 2], [3, 4]]", "line 2, column 1: row 1 has blanks and other marks"),
        ("[[1, 2], [3, 4]]\n(:,:,1) =\n1 2\n3 4\n", "rows must be equally long"),
        ("int x[] = {1, inf};", "decimals where int is declared"),
        ("[f, 1-2]", "'f' is not a number"),
        ("let dx = some![[1, 2], [3, 4]];", "x.txt, line 1, column 10: 'some!' is not a number"),
        ("[1]X = [2]", "'X' is not a number"),
        ("[1, 2] X = [3]", "'X' is not a number"),
        ("x [1, 2] y = [3]", "'y' is not a number"),
        ("x: [1, 2] y = [3]", "'y' is not a number"),
        ("[1inf, 2.0f]", "'1inf' is not a number"),
        ("[inf5, 2.0f]", "'inf5' is not a number"),
        (",\n [1]", "nested or parted in different ways"),
        ("[5_, 1]", "'5_' is not a number"),
        ("float x[] = {0x1.8};", "'0x1.8' is not a number"),
        ("float x[] = {0x1p9999};", "'0x1p9999' is not a number"),
        ("int x[] = {08};", "'08' begins with 0"),
        ("tensor([1, 2], [3, 4])", "nested or parted in different ways"),
        ("(:,:) =\n1 2\n", "not two whole axes each"),
        ("(:,:,1) =\n1 2\n(:,:,2,1) =\n3 4\n", "not two whole axes each"),
        ("(:,:,:,1) =\n1 2\n3 4\n", "not two whole axes each"),
        ("(2,.,.) =\n1 2\n3 4\n", "some are missing or stand twice"),
        ('"1,5",2\n"3,5",4', '"1,5" in quotation marks: one number, or several'),
        ('2,"1,5"\n4,"3,5"', '"1,5" in quotation marks: one number, or several'),
        ('1\n""\n3', 'x.txt, line 2, column 1: "" in quotation marks'),
        ('"1"," "\n"3","4"', '" " in quotation marks: one number, or several, or none'),
        ("1 2)(3 4", "nested or parted in different ways"),
        ("0x10 0x20", "hexadecimal numbers without a type"),
        ("int x[] = {0xfffffffffffffffff};", "an integer beyond int64's largest"),
        ("(:,:,1) =\n1 2\n\n3 4\n", "some are missing or stand twice"),
        ("Columns 2 through 3\n1 2\n", "column 2 is said, but column 1 follows"),
        ("Columns 1 through 2\n1 2\nColumns 4 through 5\n1 2\n", "column 4 is said, but column 3 follows"),
        ("Columns 1 through 2\n1 2\nColumn 3\n1\n2\n", "parts of one, of different sizes"),
    ],
)
def test_what_is_no_array_or_has_two_readings_is_refused(text, words):
    said = refusal(text)
    assert words in said
    way_out = said.rpartition("; ")[2]
    assert way_out not in ("", said)
    assert "FILE" not in way_out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, ..., 2]", "cut: print it whole, in Python after np.set_printoptions(threshold=10**9)"),
        (
            "tensor([1., ..., 2.])",
            "cut: print it whole, in Python after np.set_printoptions(threshold=10**9), or torch.",
        ),
        ("float x[2] = {1, 2};\nint main() {}", "cnngrad runs none: leave an array with its numbers alone"),
        ("∂E/∂X\n 1 2 … 5\n", "a table that cnngrad has cut: let it save the numbers: -o X.npy"),
        ("dX:\n  - [-6, 4]\n  - [1, 2]", 'yaml.safe_load(open("x.txt"))), or its ["X"]'),
        ("tensor(indices=tensor([[0, 1]]), layout=torch.sparse_coo)", "X.to_dense()"),
        ("WIDTH = 8; dx [1, 2]", 'save the array itself, np.save("X.npy", X)'),
        ("2024-05-01 12:00:00,123 INFO dx = [[1, 2], [3, 4]]", "a log: leave what stands behind dates and words"),
        ("INFO 2026-01-01 12:00:00 dx: [[1, 2], [3, 4]]", "a log: leave what stands behind dates and words"),
        ("I0101 12:00:00.123456 1 a.cc:10] dx: [[1, 2]]", "a log: leave what stands behind dates and words"),
        ("[LOG] dx: [[1, 2], [3, 4]]", "a log: leave what stands behind dates and words"),
        ("a,b\n1,2", 'pandas.read_csv("x.txt", sep=None'),
        ("  V1 V2\n1  1  2\n2  3  4\n", "a table with titles: np.save"),
        ('"V1" "V2"\n"1" 1 2\n"2" 3 4\n', "a table with titles: np.save"),
        ("| | a |\n|---|---|\n| b | 1 |", "a drawn table: leave its rows of numbers alone"),
        ("a | b\n--|--\n1 | 2", "a drawn table: leave its rows of numbers alone"),
        ("|   | 0 | 1 |\n|---|---|---|\n| 0 | 5 | 6 |", "a drawn table: leave its rows of numbers alone"),
        ("float x[2] = { [0] = 1, [1] = 2 };", "elements with indices: leave numbers alone"),
        ("fa 04\n00 13", 'int(word, 16) for word in open("x.txt")'),
        ("00000000: faff 0400\n", "xxd -r x.txt X.bin"),
        ("[[1+2j, 3+0j]]", "X.real"),
        ("[1.+2.j 3.+0.j]", "X.real"),
        ("[[True, False]]", "np.array(X, int)"),
        ("   0  1\n0  5  6", "pandas.read_csv"),
        ("- [1, 2]\n- [3, 4]\n", 'yaml.safe_load(open("x.txt"))'),
        ("np.ones((2, 2))", "cnngrad runs none"),
        ("val dx = arrayOf(floatArrayOf(6f, 4f))", "cnngrad runs none"),
        ("dx[0][0] = -6;\ndx[0][1] = 4;\n", "leave numbers alone, in one line"),
        ("one two", 'np.save("X.npy", X)'),
    ],
)
def test_a_refusal_says_how_the_text_becomes_readable(text, words):
    assert words in refusal(text)


def test_nan_and_infinity_are_read_and_whole_numbers_stay_integers():
    np.testing.assert_array_equal(
        parse_text("x.txt", "[nan, -inf, Infinity, 1.d2]").array, [np.nan, -np.inf, np.inf, 100]
    )
    np.testing.assert_array_equal(parse_text("x.txt", "X =\n\n 1.0e-02 *\n\n 5 NaN\n").array, [0.05, np.nan])
    assert parse_text("x.txt", "[[1, 2]]").array.dtype == np.int64
    assert read("9223372036854775807 -9223372036854775808") == [2**63 - 1, -(2**63)]
    assert read("[[1_000, 2_500.5, 1_000_000]]") == [[1_000, 2_500.5, 1_000_000]]
    assert read("9223372036854775808.0 1.5") == [2.0**63, 1.5]
    assert "is empty" in refusal("")
    assert "may end a row" not in refusal("1;2\n\n3;4\n5;6")


@pytest.mark.parametrize(
    ("text", "array"),
    [
        # xxd -i: the bytes of a file as an array, and their number as a second one.
        (
            "unsigned char f[] = {\n  0x09,\n  0x0a,\n  0x1d\n};\nunsigned int f_len = 3;\n",
            {"f": [9, 10, 29], "f_len": [3]},
        ),
        # Prompts and comments that name arrays are labels.
        (">>> a\narray([1, 2])\n>>> b.c\narray([3, 4])", {"a": [1, 2], "b.c": [3, 4]}),
        ("In [1]: dx\nOut[1]: array([1, 2])\n\nIn [2]: dw\nOut[2]: array([3, 4])", {"dx": [1, 2], "dw": [3, 4]}),
        ("# dX\n[[1 2]\n [3 4]]\n# dW\n[[5 6]\n [7 8]]", {"dX": [[1, 2], [3, 4]], "dW": [[5, 6], [7, 8]]}),
        ("// dx\n{1, 2}\n// grad_w:\n{3, 4}", {"dx": [1, 2], "grad_w": [3, 4]}),
        # Above a name with a sign behind it a name is a comment like any other.
        ("// dX\nfloat dx[2][2] = {{1, 2}, {3, 4}};", [[1, 2], [3, 4]]),
        ("# gradient\nx = [1, 2]\n% dw\nw = [3, 4]", {"x": [1, 2], "w": [3, 4]}),
        ("% dX\n1 2\n3 4\n\n% dW\n5 6\n7 8", {"dX": [[1, 2], [3, 4]], "dW": [[5, 6], [7, 8]]}),
        (">> dX\ndX =\n\n 1 2\n 3 4\n", [[1, 2], [3, 4]]),
        ("# New slice\n1 2\n3 4\n# New slice\n5 6\n7 8", [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
        ("# 100\n1.5\n2.5", [1.5, 2.5]),
        ("float x[] = {\n  1,\n  2,\n  // 3\n};", [1, 2]),
        ("{\n // 0\n {1, 2},\n // 1\n {3, 4}\n}", [[1, 2], [3, 4]]),
        ("x.grad tensor([[1., 2.]])\nw.grad [[3 4]]", {"x.grad": [[1, 2]], "w.grad": [[3, 4]]}),
        (">>> dx\narray([1, 2])\n>>> ", [1, 2]),
        (">>> print(dx)\n[[1 2]\n [3 4]]", [[1, 2], [3, 4]]),
        ("In [3]: x.grad.numpy()\nOut[3]: array([1, 2])", [1, 2]),
        ("julia> dx\n2×2 Matrix{Int64}:\n 1  2\n 3  4", [[1, 2], [3, 4]]),
        ("(Pdb) dx\narray([1, 2])", [1, 2]),
        # A list of one array, as torch.autograd.grad returns it, is no axis.
        ("(tensor([[1, 2],\n        [3, 4]]),)", [[1, 2], [3, 4]]),
        ("tensor([[1, 2],\n        [3, 4]], names=('H', 'W'))", [[1, 2], [3, 4]]),
        ("nested_tensor([\n  tensor([1, 2]),\n  tensor([3, 4])\n])", [[1, 2], [3, 4]]),
        ("[array([[1, 2],\n       [3, 4]])]", [[1, 2], [3, 4]]),
        ("[[5,],\n [6,]]", [[5], [6]]),
        # What is no array's name is a comment.
        ("1 2\n3 4\n# end", [[1, 2], [3, 4]]),
        ("[[1, 2],\n # row\n [3, 4]]", [[1, 2], [3, 4]]),
        ("let dx = array![[1., 2.], [3., 4.]];", [[1, 2], [3, 4]]),
        ("[src/main.rs:4:5] &dx = [\n    [\n        1.0,\n        2.0,\n    ],\n    [3.0, 4.0],\n]", [[1, 2], [3, 4]]),
        (
            "∂E/∂W · filter 1, channel 1 · depth 1\n 1 2\n 3 4\n∂E/∂W · filter 1, channel 1 · depth 2\n 5 6\n 7 8\n",
            [[[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]],
        ),
        ("dX = 2×2\n    1.5000    2.5000\n    3.5000    4.5000\n", [[1.5, 2.5], [3.5, 4.5]]),
        ("Infinity\n2\n3", [np.inf, 2, 3]),
        ("10 *\n 1 2", [10, 20]),
        ("(:,:,1) =\n 10 *\n 1 2\n(:,:,2) =\n 100 *\n 5 6\n", [[[10, 500], [20, 600]]]),
        ("sep=;\n1;2,5\n3;4\n", [[1, 2.5], [3, 4]]),
        ("|1|\n|2|\n| |\n", [1, 2]),
        ("short unsigned int x[] = {0xfffa};", [65530]),
        ("xt::xtensor<double, 2> x = {{1, 2}};", [[1, 2]]),
        ("int x[][2] = {1, 2, 3, 4};", [[1, 2], [3, 4]]),
        ("x := [][2]int{{1, 2}}", [[1, 2]]),
        ("np.array(([[1, 2], [3, 4]]))", [[1, 2], [3, 4]]),
        ("({\n {1, 2},\n {3, 4}\n})", [[1, 2], [3, 4]]),
        ("x = new Uint8Array([1, 2])", [1, 2]),
        ("⎡1  -2⎤\n⎢     ⎥\n⎣3  4 ⎦\n\n⎡5  6⎤\n⎢    ⎥\n⎣7  8⎦", [[[1, -2], [3, 4]], [[5, 6], [7, 8]]]),
        ("x =\n\n   1.0e+03 *\n\n    1.0005       Inf\n", [1000.5, np.inf]),
        ("1.0e+03 *\n 5 7", [5000, 7000]),
        ("A = [1 2; ...\n     3 4];", [[1, 2], [3, 4]]),
        ("A = [ ...\n    1 2; ...\n    3 4];", [[1, 2], [3, 4]]),
        ("[1] 1.5 2.5", [1.5, 2.5]),
        ("> dx\n[1] 1 2\n[3] 3\n[1] 4 5\n[3] 6", [[1, 2, 3], [4, 5, 6]]),
        ("0.15D+01 2.5d0\n", [1.5, 2.5]),
        ("0x1p+1 0x2.8p+1", [2, 5]),
        ("[1.5f32, 2.0f32]", [1.5, 2]),
        ("{1.5e-05f, 2.5E+05f, 0x1p+1f}", [1.5e-5, 2.5e5, 2]),
        ("> dx\n[1] 1 2 3", [1, 2, 3]),
        ("Columns 1 to 2 1  2\n 4  5\n\nColumns 3 to 3 3\n 6\n[ CPUFloatType{2,3} ]", [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_what_names_or_surrounds_an_array_is_no_part_of_it(text, array):
    found = parse_text("x.txt", text)
    found = (
        {name: each.array.tolist() for name, each in found.items()} if isinstance(found, dict) else found.array.tolist()
    )
    assert found == array


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\n(2)\n3", "nested or parted in different ways"),
        ("|", "nested or parted in different ways"),
        ("| a |\n|---|\n| |\n", "nested or parted in different ways"),
        ('|1,"8|\n|2|\n', '"8  in quotation marks'),
        ("| 1 | 2 |\n|---|---|\n| 3 | 4 |", "'---' is not a number"),
        ("| a |\n|---|\n| 1 |\n|---|\n| 2 |", "'---' is not a number"),
        ('"1,234"\n"5,678"', '"1,234" in quotation marks: one number, or several'),
        ('"1 234" "5 678"', '"1 234" in quotation marks'),
        (f'"{"1 " * 20}"', f'"{"1 " * 14}1 in quotation marks'),
        ('"1;2"', '"1;2" in quotation marks'),
        ('"1" 1.5 2.5\n"2" 3.5 4.5', "its first line or column counts"),
        ("12,345\t0.5\n1,000\t2.25", "line 1, column 9: its commas part numbers, or are decimal ones, or thousands"),
        ("1.234;5,5", "its commas part numbers, or are decimal ones, or thousands"),
        (">>> x = np.array([1, 2])\n>>> x\narray([1, 2])", "a second array is called x"),
        ("1\n# 2\n3", "a comment between rows: of one, or of two"),
        ("# dX\n1 2\n3 4\n\n# kernel\n5 6\n7 8\n", "line 5, column 1: a comment between rows"),
        ("# dX slice\n1 2\n# dW slice\n5 6", "a comment between rows"),
        ("x = [1 2\n# 3 4\n5 6]", "a comment between rows"),
        ("x =\n\n   1.0e+03 *\n\nx(:,:,1) =\n\n 1 2\n 3 4\n", "line 3, column 12: '*' is not a number"),
        ("1 2\n3 4\n1.0e+03 *", "'*' is not a number"),
        ("1 2 3\n1.0e+03 *\n4 5 6", "line 2, column 1: a factor between numbers"),
        ("fab\n123\n456", "'fab' is not a number"),
        ("(array([0, 1]), array([1, 0]))", "round brackets: rows, several arrays"),
        (
            "# name: dX\n# type: sparse matrix\n# nnz: 1\n1 1 5",
            "a comment between rows: of one, or of two; it seems to be a sparse array",
        ),
        ("1;2;// 3;4", "'//' is not a number"),
        ("1.0e-400 *\n5 7", "'*' is not a number"),
        ("missing\n2\n3", "'missing' is not a number"),
        ("| missing | 2 |\n|---|---|\n| 3 | 4 |", "'missing' is not a number"),
        ("[3.14159_4, 2.71828_4]", "'3.14159_4' is not a number"),
        ("[1_8, 2_8]", "'1_8' is not a number"),
        ("x =\n\n  Columns 1 through 2\n\n 1 2\n\n  Columns 3 through 4\n\n", "line 7, column 3: 'Columns' is no"),
        ("dx = [1, 2]\n[3, 4]", "line 1, column 6: numbers beside a label, and others below them"),
        ("[1 2 3]\n[4 5 6]\n\n[7 8 9]\n[1 2 3]", "several arrays in a line, or parted"),
        ("let x = [0.0; 10_000];", "or a number repeated"),
        ("new Int8Array([250, 4])", "a number that Int8 does not hold"),
        ("new Set([3, 1, 3])", "'new' is not a number"),
        ("torch.IntTensor([1.7, 2.2])", "decimals where Int is declared"),
        ("Int32[1.5]", "decimals where Int32 is declared"),
        ("var x = new int[,] {{1.5f}};", "decimals where int is declared"),
        ("int8x8_t x = {0xfa, 1};", "hexadecimal numbers without a type"),
        ("int x[][2] = {{1}, {2}};", "2x2 is declared, but 2x1 is there"),
        ("int x[][0] = {1};", "1x0 is declared, but 1 is there"),
        ("1" + "x1" * 70 + "\n5", "is declared, but 1 is there"),
        ("int[] x = new int[2] {010, 020};", "'010' begins with 0"),
        ("let x = [1d, 2f]", "'1d' is hexadecimal"),
        ("[2, [], [1]]", "nested or parted in different ways"),
        ("dX/1000 = [1.5, 2.5]", "'dX/1000' is not a number"),
        ("int x[" + "9" * 5_000 + "] = {1};", "'int' is not a number"),
        ("int x[] = {0" + "7" * 6_000 + "};", "'07777777777777777777' begins with 0"),
        ("# the dX\n[[1 2]\n [3 4]]\n# the dW\n[[5 6]\n [7 8]]", "parted by comments: rows of one, or without labels"),
        ("tensor([[1, 2]])\ntensor([[5, 6]])", "nested or parted in different ways"),
        ("1 2\n3 4\n# second half\n5 6\n7 8", "a comment between rows: of one, or of two"),
        ("1.0e+03 *\n 0x1p3 0x1p1\n 1.0 2.0", "line 2, column 2: hexadecimal numbers below a factor"),
        ("1 2\n3 4\n/* 5 6\n7 8", "line 3, column 1: a comment that does not end"),
        ("float x[] = {1,\n#if 0\n2,\n#endif\n3};", "'#if' is not a number"),
        ("n: 3\n1\n2\n3", "line 1, column 4: numbers beside a label, and others below them"),
        (">> n\nn = 3\n1\n2\n3", "line 2, column 5: numbers beside a label, and others below them"),
        ("Shape: (1, 2)\n[3, 4]", "numbers beside a label, and others below them"),
        ("[1, 2], [3, 4]\n[5, 6], [7, 8]", "several arrays in a line"),
        ("NA\n1.5\n2.5", "'NA' is not a number"),
        ("True\n0\n1", "'True' is not a number"),
        ("e5\n10\n20", "'e5' is not a number"),
        ("NA1.5\n2.5", "'NA1.5' is not a number"),
        (">Infinity\n3", "'>Infinity' is not a number"),
        ("kernel\n1 2\n3 4", "'kernel' is not a number"),
        ("vec![1, 2]\nvec![3, 4]", "several arrays without labels"),
        ("deadbeef\n10\n20", "'deadbeef' is not a number"),
        ("$100\n200\n300", "'$100' is not a number"),
        ("const dx = new Float32Array(12);", "'new' is not a number; it seems to be code: cnngrad runs none"),
        ("1d0 2d0\n3d0 4d0\n", "it seems to be numbers in base 16, 8 or 2, or with Fortran's d for e: np.save"),
        ("20:01:02 1.5 2.5\n", "'20:01:02' is not a number; save the array itself"),
        ("x := [3]int{1, 2}", "3 is declared, but 2 is there"),
        ("float* dx = new float[4]{0};", "4 is declared, but 1 is there"),
        ("float x[][3] = {{1, 2}, {3, 4}};", "2x3 is declared, but 2x2 is there"),
        ("[|1.0; 2.0; 3.0|]", "'|1.0' is not a number"),
        ("1 2\x0b3 4", "a control character"),
        ("1 2\u20283 4", "a control character"),
        ("1\u2007234 5", "one number with a separator of thousands, or two"),
        ("[1d, 2f, 10]", "'1d' is hexadecimal, or has a type or a power behind it"),
        ("[1f, 2f, 10]", "'1f' is hexadecimal, or has a type or a power behind it"),
        ("[1d2, 2d3]", "'1d2' is hexadecimal, or has a type or a power behind it"),
        ("[int32(1.5)]", "decimals where int32 is declared"),
        ("[np.uint8(-6)]", "a number that uint8 does not hold"),
        ("int8([1 2\n3 4])", "'int8' is not a number"),
        ("single([1 2; 3 4])", "'single' is not a number"),
        ("int8_t x[] = {250, 4};", "a number that int8 does not hold"),
        ("q7_t x[] = {0xfa, 0x04};", "hexadecimal numbers without a type"),
        ("1e400 1", "a number beyond float64's largest"),
        ("(1.50)\n(2.25)\n", "round brackets: rows, several arrays, complex or negative numbers"),
        ("W' = [1 2; 3 4]", '"W\'" is not a number'),
        ("1 \U000f0001\n2 3", "'\\U000f0001' is not a number"),
        ("① ②\n③ ④", "'①' is not a number"),
        ("[[１, 2]]", "'１' is not a number"),
        ("朮 杆\n1 2\n3 4", "'朮' is not a number"),
        ("int8_t x[2] = {0x10, 300};", "a number that int8 does not hold"),
        ("let x: [u8; 2] = [0xff, 256];", "a number that u8 does not hold"),
        ("(1.5,2.5) (3.5,4.5)", "round brackets: rows, several arrays, complex or negative numbers"),
        ("[1 2 ...\n 3]", "numbers are omitted here"),
        ("let x = vec![1i8, 0x2u8, _u16, 4];", "'_u16' is not a number"),
        ("float x[2] = {007F, 1};", "'007F' begins with 0"),
        ("uint8_t x[] = {0x09, 1d};", "'1d' is hexadecimal"),
        ("let x: Vec<[f32; 3]> = vec![[1.0, 2.0]];", "3 is declared, but 1x2 is there"),
    ],
)
def test_what_may_be_no_number_or_another_array_is_refused(text, words):
    assert words in refusal(text)


def test_a_wrong_word_far_down_is_named_with_its_place():
    assert "line 20001, column 3: 'x' is not a number" in refusal("1 2\n" * 20_000 + "1 x")


def test_a_type_of_16_bits_is_that_type():
    found = parse_text("x.txt", "tensor([1.0000e-08, 1e+05], dtype=torch.bfloat16)")
    assert (found.array.tolist(), found.dtype) == ([1e-8, 1e5], "")
    assert parse_text("x.txt", "tensor([1.5, 2.5], dtype=torch.float16)").dtype == "float16"
    assert parse_text("x.txt", "array([7e4, 1], dtype=float16)").typed.tolist() == [np.inf, 1]


@pytest.mark.parametrize("text", ["0 1.5 2.5\n1 3.5 4.5\n2 5.5 6.5\n", "1. 5 6\n2. 7 8\n"])
def test_a_table_of_two_readings_is_no_operand(text, tmp_path, capsys):
    (tmp_path / "x.txt").write_text(text)
    assert main(["forward", "-x", f"{tmp_path}/x.txt", "-w", "2x2"]) == 2
    assert "x.txt has two readings: its first line or column counts" in capsys.readouterr().err


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    problem = {"X": np.ones((2, 3, 2, 2), int).tolist(), "W": [[[[1]]] * 3], "dEdO": T[:, :1].tolist()}
    (tmp_path / "p.json").write_text(json.dumps(problem))
    right = np.broadcast_to(T[:, :1], (2, 3, 2, 2))

    def check(name, content, *options):
        (tmp_path / name).write_bytes(content(right) if callable(content) else content)
        code = main(["check", "p.json", "--dx", name, *options])
        return code, capsys.readouterr()

    return check


def saved(array):
    import io

    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("dx.npy", lambda right: saved(right.ravel())),
        ("dx.json", lambda right: json.dumps(right.ravel().tolist()).encode()),
        ("dx.txt", lambda right: " ".join(map(str, right.ravel())).encode()),
        ("dx.h", lambda right: f"int dx[24] = {{{', '.join(map(str, right.ravel()))}}};".encode()),
        ("dx.csv", lambda right: "\n".join(",".join(map(str, row)) for row in right.reshape(-1, 2).tolist()).encode()),
    ],
)
def test_numbers_without_axes_take_the_shape_of_the_gradient_in_every_form(check, name, written):
    assert check(name, written)[0] == 0


def test_a_table_that_may_be_numbers_without_axes_is_not_called_wrong(check):
    code, said = check(
        "dx.txt", lambda right: "\n".join(" ".join(map(str, row)) for row in right.reshape(3, 8)).encode()
    )
    assert code == 2
    assert "write the numbers in that shape, or all in one line" in said.err.replace("\n", " ")
    assert check("dx.json", lambda right: json.dumps(right.reshape(3, 8).tolist()).encode())[0] == 1


ARRAYS = hnp.arrays(
    st.sampled_from([np.int64, np.float64]),
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
    elements={"allow_nan": False, "min_value": -1e6, "max_value": 1e6},
)


def nested(array, opened, apart, closed):
    if array.ndim == 0:
        return repr(array.item())
    return opened + apart.join(nested(part, opened, apart, closed) for part in array) + closed


def planes(array, apart):
    rows = array.reshape(-1, *array.shape[-2:]) if array.ndim > 1 else array.reshape(1, 1, -1)
    return "\n\n".join("\n".join(apart.join(map(repr, row)) for row in plane) for plane in rows.tolist())


FORMS = {
    "repr": repr,
    "print": str,
    "json": lambda array: json.dumps(array.tolist()),
    "c": lambda array: f"double x{''.join(f'[{n}]' for n in array.shape)} = {nested(array, '{', ', ', '}')};",
    "c flat": lambda array: (
        f"double x{''.join(f'[{n}]' for n in array.shape)} = {nested(array.ravel(), '{', ', ', '}')};"
    ),
    "go": lambda array: f"x := {'[]' * array.ndim}float64{nested(array, '{', ', ', '}')}",
    "lisp": lambda array: nested(array, "(", " ", ")"),
    "blanks": lambda array: planes(array, "  "),
    "csv": lambda array: planes(array, ","),
    # A single column has no tabs, without which commas would not be decimal ones.
    "tabs": lambda array: planes(array, "\t").replace(".", "," if array.shape[-1] > 1 else "."),
    "markdown": lambda array: "".join(
        f"| {' | '.join('abcd'[: array.shape[-1]])} |\n{'|---' * array.shape[-1]}|\n"
        + "".join(f"| {' | '.join(map(repr, row))} |\n" for row in array.reshape(-1, array.shape[-1]).tolist())
    ),
}


@pytest.mark.parametrize("form", FORMS)
@given(array=ARRAYS)
# Five of these numbers have a product beyond int64's largest.
@example(array=np.full((2, 3, 1), 6209))
def test_a_printed_array_is_read_back_or_refused_never_as_other_numbers(form, array):
    np.set_printoptions(threshold=10**9, floatmode="unique")
    try:
        found = parse_text("x.txt", FORMS[form](array))
    except cnngrad.CnngradError:
        return
    finally:
        np.set_printoptions(threshold=1000, floatmode="maxprec")
    np.testing.assert_array_equal(found.shaped(array.shape, "C"), array)


@given(st.text(st.sampled_from("[](){};,.:=0159eE+-xfn \t\n|\"'#%/*_A"), max_size=40))
def test_any_text_is_read_or_refused(text):
    with suppress(cnngrad.CnngradError):
        parse_text("x.txt", text)


@given(st.lists(st.characters(min_codepoint=0x80, exclude_categories=["Cs"]), min_size=1, max_size=3))
def test_no_character_beyond_ascii_is_a_digit(characters):
    with suppress(cnngrad.CnngradError):
        found = parse_text("x.txt", f"5 {' '.join(characters)}\n7 5")
        assert {*np.ravel(found.array).tolist()} <= {5, 7}


HOSTILE = {
    "keywords": "[1, 2]" + ", a=  1" * 24 + ", 5",
    "blanks": "[1, 2]" + " " * 20_000 + "x",
    "empty lines": "[1, 2]" + "\n" * 20_000 + "[3, 4, 5]",
    "digits": "1" * 20_000 + "x",
    "words of a comment": "# " + "grad" * 5_000 + " x\n1 2",
    "labels of comments": "# a\n" * 5_000,
    "groups in a line": "[1]" * 20_000 + "\n[2]",
    "lines of bars": "1\n|\n" * 5_000,
    "columns": "\n".join(f"Column {k}\n1\n2" for k in range(1, 4_000)),
    "functions": "(" + " ".join(f"<tf.{k:06}" for k in range(10_000)),
    "powers": "[" + "1f, " * 20_000 + "]",
    "blanks behind brackets": "[1]" + " " * 20_000 + ",[2]",
    "one label": "x\n" * 20_000 + "1",
    "rows padded with blanks": ("[1, 2]" + " " * 120 + "\n") * 200,
    "open": "[" * 20_000,
    "deep": "[" * 10_000 + "1" + "]" * 10_000,
    "calls": "array(" * 5_000 + "[1]" + ")" * 5_000,
    "brackets": "[1] " * 10_000 + "x",
    "labels": "a: " * 10_000,
    "comments": "\n/*" * 100_000,
    "comments in brackets": "[" + "1;/* " * 50_000,
    "comments of which the last ends": "\n/*" * 100_000 + "*/ x",
    "commas": "," * 20_000,
    "megabytes of brackets": "[" * 3_000_000,
    "brackets and commas": "[," * 300_000,
    "pairs of brackets": "[]" * 1_000_000,
    "zeros": "\0" * 1_000_000,
    "surrogates": "[1, \ud800]",
    "unclosed": "[[1, 2], " * 100_000,
    "wrappers": "array([1], " * 50_000,
    "comments that do not end": "1;/* " * 50_000,
    "factors": "1.0e+03 *\n1\n" * 20_000,
    "suffixes": "1ffff" * 200_000,
    "long numbers": "1" * 200_000 + ";1\n1",
    "lines of titles": "\n| a |\n|" + "-" * 200_000 + "x",
    "commas and semicolons": "[" + ",\n" * 50_000 + "; 1]",
    "sizes": "x[1]" * 10_000,
    "keywords of functions": "array([1]" + ", dtype=int8" * 50_000 + " x)",
    "deep numbers": "[" * 100_000 + "1" + "]" * 100_000,
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "text",
    [
        "[" + ", ".join(["[0.25, -1.5]"] * 30_000) + "]",
        "double x[] = {" + ", ".join(["0.25f, -1.5f"] * 30_000) + "};",
        "\n".join(["0.25,-1.5"] * 30_000),
        "\n".join([" ".join(["0.25 -1.5"] * 300)] * 100),
        "\n".join(["0,25;-1,5"] * 30_000),
        "x = [" + "; ".join(["0.25 -1.5"] * 30_000) + "];",
        "tensor([" + ",\n        ".join(["[ 0.25, -1.5 ]"] * 30_000) + "])",
        "| a | b |\n|---|---|\n" + "| 0.25 | -1.5 |\n" * 30_000,
        "[" + ", ".join(["[np.float64(0.25), np.float64(-1.5)]"] * 30_000) + "]",
        "let x: Vec<[f32; 2]> = vec![" + ", ".join(["[0.25f32, -1.5_f32]"] * 30_000) + "];",
        "double x[] = {" + ", ".join(["0x1p-2, -0x1.8p0"] * 30_000) + "};",
    ],
    ids=[
        "pairs",
        "suffixes",
        "table",
        "wide rows",
        "decimal commas",
        "semicolons",
        "tensor",
        "markdown",
        "wrappers",
        "types",
        "hexadecimal",
    ],
)
def test_a_large_text_takes_ten_times_its_size_at_most_and_little_time(text):
    began = time.process_time()
    array = parse_text("x.txt", text).array
    assert time.process_time() - began < 4
    assert np.array_equal(array.reshape(-1, 2), np.tile([0.25, -1.5], (30_000, 1)))
    tracemalloc.start()
    parse_text("x.txt", text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(text)


@pytest.mark.parametrize("marks", [" \n", ",\n", "[,]"])
@pytest.mark.parametrize("numbers", ["0.257421 -1.513977", "2.574210e+05 -1.513977e-03"])
def test_a_large_text_takes_eight_times_as_long_as_numpy_at_most(numbers, marks):
    plain = "\n".join([" ".join([numbers] * 4)] * 12_500)
    text = plain.replace(" ", marks[0])
    if marks == "[,]":
        text = f"[[{plain.replace(' ', ', ').replace(chr(10), '], [')}]]"

    def seconds(read, text):
        began = time.process_time()
        read(text)
        return time.process_time() - began

    ratios = [
        seconds(lambda text: parse_text("x.txt", text), text) / seconds(lambda text: np.loadtxt(StringIO(text)), plain)
        for _ in range(3)
    ]
    assert min(ratios) < 8


@pytest.mark.sampled(6)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_takes_no_longer_than_another(text):
    began = time.process_time()
    with suppress(cnngrad.CnngradError):
        parse_text("x.txt", text)
    assert time.process_time() - began < 2
