"""Which numbers a tensor may hold, and what is known of their size."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnngrad.arrays import is_finite, norm, read_tensor
from cnngrad.errors import CnngradError

FLOATS = st.sampled_from([np.float16, np.float32, np.float64, ">f2", ">f4", ">f8"])
ARRAYS = FLOATS.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=3, max_side=6)))
VIEWS = st.sampled_from(
    [lambda a: a, np.asfortranarray, lambda a: a[..., ::-1], lambda a: np.repeat(a, 2, -1)[..., ::2]]
)


@given(ARRAYS, VIEWS)
def test_the_norm_is_at_least_euclid_s_and_nan_where_a_number_is_missing(array, view):
    found = norm(view(array))
    assert is_finite(array) == bool(np.isfinite(array).all()) == (not math.isnan(found))
    if is_finite(array):
        exact = math.hypot(*map(float, array.ravel()))
        tiny = float(np.finfo(array.dtype).tiny) ** 0.5 * array.size
        assert found >= exact * (1 - 1e-3) - tiny


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 2**19 - 1, 2**19, 2**20 + 4])
def test_one_bad_number_among_many_is_found_in_any_part(bad, place):
    array = np.resize(np.float32([1, 2]), 2**20 + 5)
    assert norm(array) == pytest.approx(2.5**0.5 * 2**10, rel=1e-3)
    array[place] = bad
    assert math.isnan(norm(array))


def test_squares_that_overflow_are_still_finite_numbers():
    assert norm(np.full(4, 1e200)) == 2e200
    assert norm(np.full(4, 1.7e308)) == math.inf
    assert norm(np.full(4, 1e30, np.float32)) == pytest.approx(2e30)


@pytest.mark.parametrize("dtype", ["i1", "u2", ">i4", ">f8", "f2"])
def test_an_array_is_read_without_a_copy(dtype):
    array = np.arange(6).astype(dtype)
    numbers, stands_for, _ = read_tensor("X", array)
    assert numbers is array
    assert stands_for == (np.int64 if array.dtype.kind in "iu" else array.dtype.newbyteorder("="))
    assert stands_for.isnative


@pytest.mark.parametrize(
    ("nested", "said"),
    [
        ([[1, 2], [3]], "X[2] has 1 number, X[1] has 2: all rows must be equally long"),
        ([[[1, 2]], [[3]]], "X[2][1] has 1 number, X[1][1] has 2: all rows must be equally long"),
        ([[[1], [2]], [[3]]], "X[2] has 1 list, X[1] has 2: all rows must be equally long"),
        ([[1, 2], [3, [4]]], "X[2][2] is a list, X[1][1] is a number: all rows must be equally deep"),
    ],
)
def test_lists_that_are_no_array_name_both_rows(nested, said):
    with pytest.raises(CnngradError, match=re.escape(said)):
        read_tensor("X", nested)
