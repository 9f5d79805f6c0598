"""Text that holds numbers: what tools print is read as they mean it, or refused with a way out."""

import numpy as np
import pytest

import cnngrad
from cnngrad.files.text import parse_text


def read(text):
    return parse_text("x.txt", text).array.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "1 2\n3 -4.5\n",
        "# a comment, with commas\n1,2\n3,-4.5\n",
        "1;2\n3;-4.5",
        "1,2,\n3,-4.5,\n",
        "[[ 1.   2. ]\n [ 3.  -4.5]]",
        "array([[ 1. ,  2. ],\n       [ 3. , -4.5]])",
        "np.array([[1, 2], [3, -45e-1]], dtype=np.float32)",
        "tensor([[ 1.0000,  2.0000],\n        [ 3.0000, -4.5000]], dtype=torch.float64, grad_fn=<MulBackward0>)",
        "W = [1 2; 3 -4.5];",
        "W =\n\n    1.0000    2.0000\n    3.0000   -4.5000\n\n",
        "static const float w[2][2] = {{1.0f, 2.f}, {3, -4.5F}};  // from the firmware",
        "{ 1, 2 },\n{ 3, -4.5 }".join("{}"),
    ],
)
def test_text_is_read_as_its_brackets_or_lines_nest_it(text):
    assert read(text) == [[1, 2], [3, -4.5]]


@pytest.mark.parametrize("text", ["1 2 3 4", "1\n2\n3\n4\n", "1,2,3,4\n"])
def test_one_line_or_column_has_no_shape_of_its_own(text):
    found = parse_text("g.txt", text)
    assert found.axes == 0
    assert found.array.tolist() == [1, 2, 3, 4]


def test_nan_and_infinity_are_read_and_whole_numbers_stay_integers():
    found = parse_text("g.txt", "[nan, -inf, Infinity, 1d2]").array
    np.testing.assert_array_equal(found, [np.nan, -np.inf, np.inf, 100])
    assert parse_text("g.txt", "[[1, 2]]").array.dtype == np.int64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2\n3 x\n", "x.txt, line 2, column 3: 'x' is not a number"),
        ("1,,2\n", "x.txt, line 1, column 3: a number is missing in front of ','"),
        ("[[1, 2],, [3]]", "x.txt, line 1, column 9: a number is missing in front of ','"),
        ("1 2\n3\n", "x.txt: row 2 has 1 numbers, row 1 has 2"),
        ("[[1, 2], [3]]", r"x.txt\[2\] has 1 number, x.txt\[1\] has 2"),
        ("[[1, 2)]", r"x.txt, line 1, column 7: '\)' does not close '\['"),
        ("[[1, 2]", r"x.txt, line 1, column 1: '\[' is never closed"),
        ("[1, ..., 2]", "x.txt, line 1, column 5: numbers are omitted here"),
        ("[1, 2] 3", "x.txt, line 1, column 7: something follows behind the array"),
        ("", "x.txt is empty"),
        ("[" * 40, "nested too deeply"),
        ("1 2+3j", "'2[+]3j' is not a number"),
    ],
)
def test_text_that_is_not_an_array_is_told_with_line_and_column(text, words):
    with pytest.raises(cnngrad.CnngradError, match=words):
        parse_text("x.txt", text)
