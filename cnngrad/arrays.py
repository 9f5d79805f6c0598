"""Which numbers a tensor may hold: dtypes, finiteness, and exact integer sums.

Integers are computed as int64 and every integer result is exact; float32 and float64 stay what they are;
float16 is computed in float32 and given back as float16; bfloat16, which NumPy does not have, is taken as float32.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnngrad.errors import CnngradError
from cnngrad.layer import Layer, counted
from cnngrad.layer.layout import Array, Arrays, Shape
from cnngrad.tensor import Tensor
from cnngrad.threads import run_jobs

if TYPE_CHECKING:
    # Needed only for annotations, and it takes a millisecond to load.
    import numpy.typing as npt

__all__ = [
    "INT64_MAX",
    "SAFE",
    "Array",
    "Arrays",
    "DType",
    "Marked",
    "Operand",
    "Operands",
    "as_claim",
    "at",
    "check_result",
    "common_dtype",
    "form_of",
    "from_lists",
    "is_finite",
    "is_number",
    "is_whole",
    "largest_magnitude",
    "may_overflow",
    "norm",
    "read_tensor",
    "upper_halves",
]

DType = np.dtype[Any]
# Inside this context numbers may overflow; those that are too large are reported, or compared as infinity.
may_overflow = partial(np.errstate, over="ignore", invalid="ignore")


class Marked(Array):
    """An array that knows in which form its numbers were given; so do its views and copies.

    Attributes:
        form: `"bfloat16"`, or `"text"` for numbers of a text or a list, which have no dtype of their own.
        named: the format that a text names, such as `"float16"`; empty for none.
        digits: the significant digits to which a text's numbers are rounded, as powers of ten show; 0 if none do.
        places: the decimal places of a text's numbers if all are 0, which may be rounded; None if nothing shows it.
    """

    form: str = "text"
    named: str = ""
    digits: int = 0
    places: int | None = None

    def __array_finalize__(self, source: Any) -> None:
        """Inherit the form of the array that this is a view or a copy of."""
        self.form = getattr(source, "form", self.form)
        self.named = getattr(source, "named", self.named)
        self.digits = getattr(source, "digits", self.digits)
        self.places = getattr(source, "places", self.places)


def form_of(array: Array) -> str:
    """The form in which an array's numbers were given: that of a marked array, or the name of its dtype."""
    return array.form if isinstance(array, Marked) else array.dtype.name


INT64_MAX = 2**63 - 1
_INT64 = np.dtype(np.int64)
_FLOAT16 = np.dtype(np.float16)
_FLOAT32 = np.dtype(np.float32)
_FLOATS = frozenset({_FLOAT16, _FLOAT32, np.dtype(np.float64)})
# Sums of products of arrays with norms below this can't overflow, by the Cauchy-Schwarz inequality: about the fourth
# root of each dtype's largest number, which leaves room for the rounding of all additions. float16 has no such room.
SAFE = {_FLOAT32: 2.0**30, np.dtype(np.float64): 2.0**250}
# Number of elements up to which `math.hypot` is faster than NumPy.
_FEW = 2**4
# Number of elements up to which BLAS uses one thread anyway.
_ONE_PART = 2**13
# Number of elements that one job scans, in a third of a millisecond; larger arrays are shared among threads.
_PART = 2**19
# The deepest nesting of lists that is read; a layer's arrays have at most 5 axes.
_DEEPEST = 16
# NumPy has no bfloat16: in files each number is two bytes, the upper half of a float32.
_BFLOAT16 = np.dtype("V2")


class Operand(NamedTuple):
    """An array to compute with, and its norm, found in a single pass over its elements.

    Attributes:
        array: the array as it is in memory or in its file: integers or floats of any width and byte order.
        dtype: the dtype of its numbers in computations: int64, float16, float32 or float64.
        norm: what `norm` returns for floats; inf for integers.
    """

    array: Array
    dtype: DType
    norm: float

    def standard(self, layer: Layer, tensor: Tensor) -> "Operand":
        """The operand with its axes moved from the user's layout to cnngrad's order."""
        return self._replace(array=layer.layouts.standard(tensor, self.array))

    def converted(self) -> Array:
        """The array in its dtype, in the machine's byte order."""
        return self.array.astype(self.dtype, copy=False)


Operands = Mapping[Tensor, Operand]


def read_tensor(name: str, value: "npt.ArrayLike") -> Operand:
    """`value` as a validated array of numbers to compute with; an array is neither modified nor copied.

    Args:
        name: what to call it in an error, e.g. `"X"`.
        value: an array or nested lists of numbers.

    Raises:
        CnngradError: not numbers, ragged, NaN or infinite, or an integer beyond int64.
    """
    array = np.asarray(_as_array(name, value))
    dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder()
    if dtype in _FLOATS:
        size = norm(array)
        if math.isnan(size):
            index = _first_not_finite(array)
            raise CnngradError(f"{at(name, index)} is {array[index]}: every number must be finite")
        return Operand(array, dtype, size)
    if dtype.kind not in "iu":
        raise CnngradError(f"{name} has dtype {array.dtype}: it must hold integers, float16, float32 or float64")
    if dtype == np.uint64 and array.size and (largest := int(array.max())) > INT64_MAX:
        raise CnngradError(f"{name} holds {largest}, beyond int64's largest integer {INT64_MAX}")
    return Operand(array, _INT64, math.inf)


def as_claim(name: str, value: "npt.ArrayLike") -> Array:
    """A claimed result in the dtype that `read_tensor` chooses, in the machine's byte order, with its numbers' form.

    NaN and infinity are allowed: they are a finding, not an error.
    """
    array = _as_array(name, value)
    dtype = array.dtype.newbyteorder("=")
    return array.astype(dtype, copy=False) if dtype in {*_FLOATS, _INT64} else read_tensor(name, array).converted()


def upper_halves(array: Array) -> Array:
    """The nearest bfloat16 numbers, two bytes each, as files hold them."""
    bits = np.asarray(array, "<f4").view("<u4")
    upper: Array = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return upper.view(_BFLOAT16)


def _as_array(name: str, value: Any) -> Array:
    if type(value) in (np.ndarray, Marked) and value.dtype != _BFLOAT16:
        array: Array = value
        return array
    if isinstance(value, list | tuple | int | float | str):
        return from_lists(name, value)
    if value is None:
        raise CnngradError(f"{name} is null (None): it must be an array of numbers")
    if isinstance(value, Mapping):
        raise CnngradError(
            f"{name} is an object with the keys {', '.join(map(str, value))}: it must be an array of numbers"
        )
    if np.ma.is_masked(value):
        raise CnngradError(f"{name} is a masked array: fill the masked elements with numbers")
    try:
        own = getattr(value, "dtype", "")
        # Tensors of PyTorch, TensorFlow and CuPy become something that NumPy reads, without importing that library.
        if hasattr(value, "detach") and hasattr(value, "cpu"):
            value = value.detach().cpu()
            # NumPy has no bfloat16; float32 holds every such number exactly.
            value = value.float() if str(own).endswith("bfloat16") else value
        if type(value).__module__.partition(".")[0] == "cupy":
            value = value.get()
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        if array.dtype == _BFLOAT16:
            array = (array.view("<u2").astype(np.uint32) << 16).view(np.float32)
        # JAX and TensorFlow register a NumPy dtype of this name; PyTorch's tensors have become float32.
        elif "bfloat16" not in f"{array.dtype} {own}":
            return array
        marked = array.astype(np.float32, copy=False).view(Marked)
        marked.form = "bfloat16"
        return marked
    except (RuntimeError, TypeError, ValueError) as error:
        raise CnngradError(f"{name} can't be read as an array: {error}") from None


def from_lists(name: str, value: Any) -> Array:
    """Nested lists of numbers, or one number, as an array marked as text: int64 if all are integers, else float64.

    Raises:
        CnngradError: a list whose length or depth differs from its neighbours', or something that is not a number;
            the message names the place, counted from 1.

    >>> from_lists("X", [[1, 2], [3]])
    Traceback (most recent call last):
    cnngrad.errors.CnngradError: X[2] has 1 number, X[1] has 2: all rows must be equally long
    """
    shape: list[int] = []
    first = value
    while isinstance(first, (list, tuple)):
        shape.append(len(first))
        if len(shape) > _DEEPEST:
            raise CnngradError(f"{name} is nested too deeply: a layer's arrays have at most 5 axes")
        if not first:
            break
        first = first[0]
    kinds: set[type] = set()
    _check_level(name, value, tuple(shape), (), kinds)
    whole = all(issubclass(kind, int | np.integer) for kind in kinds)
    try:
        return np.array(value, np.int64 if whole else np.float64).reshape(shape).view(Marked)
    except OverflowError:
        size = f"beyond int64's largest, {INT64_MAX} (2**63 - 1)" if whole else "too large for float64"
        raise CnngradError(f"{name} holds an integer {size}") from None


def _check_level(name: str, value: Any, shape: Shape, index: Shape, kinds: set[type]) -> None:
    place = at(name, index)
    # The shape is that of the first elements.
    sibling = at(name, [0] * len(index))
    is_list = isinstance(value, (list, tuple))
    if not is_list:
        if not is_number(value):
            shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
            raise CnngradError(f"{place} is {shown[:40]}: it must be a number")
        kinds.add(type(value))
    if is_list != bool(shape):
        this, other = ("a list", "a number") if is_list else ("a number", "a list")
        raise CnngradError(f"{place} is {this}, {sibling} is {other}: all rows must be equally deep")
    if is_list and len(value) != shape[0]:
        found = counted(len(value), "number" if len(shape) == 1 else "list")
        raise CnngradError(f"{place} has {found}, {sibling} has {shape[0]}: all rows must be equally long")
    if len(shape) == 1 and (types := set(map(type, value))) <= {int, float}:
        kinds |= types
    elif shape:
        for k, entry in enumerate(value):
            _check_level(name, entry, shape[1:], (*index, k), kinds)


def is_number(value: object) -> bool:
    """Whether a value is a single number, of Python or NumPy; True and False do not count as numbers."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def at(name: str, index: Sequence[int]) -> str:
    """The name of one element in a message, counted from 1: `at("X", (1, 2))` is `X[2][3]`."""
    return name + "".join(f"[{i + 1}]" for i in index)


def common_dtype(*dtypes: DType) -> DType:
    """The dtype of a result: the widest float among its operands' dtypes, or int64 if all hold integers."""
    return dtypes[0] if len({*dtypes}) == 1 else np.result_type(*(dtype for dtype in dtypes if dtype.kind == "f"))


def largest_magnitude(array: Array) -> int:
    """The largest |element| of an integer array, as a Python integer (so that -2**63 does not wrap)."""
    return max(-int(array.min()), int(array.max()))


def check_result(name: str, array: Array) -> None:
    """Raise a CnngradError if finite inputs gave a result too large for its dtype."""
    if array.dtype.kind == "f" and not is_finite(array):
        raise CnngradError(
            f"{at(name, _first_not_finite(array))} is too large for {array.dtype}: use smaller numbers"
            + ("" if array.dtype == np.float64 else " or float64")
        )


def _first_not_finite(array: Array) -> Shape:
    return tuple(map(int, np.unravel_index(np.isfinite(array).argmin(), array.shape)))


def is_finite(array: Array) -> bool:
    """Whether every element is finite."""
    return not math.isnan(norm(array))


def is_whole(array: Array) -> bool:
    """Whether every number is an integer; tested part by part, to save memory."""
    if array.dtype.kind != "f":
        return True
    return all((np.rint(part) == part).all() for part in np.array_split(array.ravel("K"), 1 + array.size // _PART))


def norm(array: Array) -> float:
    """An upper bound, up to rounding, on the Euclidean norm of floats; NaN if an element is not finite.

    The array's dot product with itself is the fastest pass over all elements. If the squares overflow, the bound is the
    largest magnitude times the square root of the size, or inf if that overflows too.
    """
    if array.size <= _FEW:
        found = math.hypot(*array.ravel().tolist())
        if math.isfinite(found):
            return found
    elif array.flags.forc and array.dtype.type is not np.float16:
        # NumPy has no fast product for float16. Unlike its other ones, vdot does not warn if large elements overflow.
        if array.size <= _ONE_PART:
            squares = float(np.vdot(array, array))
        else:
            # In another byte order each part is copied twice, so smaller parts save memory.
            size = _PART if array.dtype.isnative else _PART // 16
            parts = np.array_split(array.ravel("K"), -(-array.size // size))
            sums = np.empty(len(parts))

            def add_up(number: int) -> None:
                sums[number] = np.vdot(parts[number], parts[number])

            run_jobs(len(parts), add_up)
            squares = sum(sums)
        if math.isfinite(squares):
            return math.sqrt(squares)
    # With a NaN, min and max are both NaN; any other test would allocate a result for each element.
    largest = max(-float(array.min()), float(array.max()))
    return largest * math.sqrt(array.size) if math.isfinite(largest) else math.nan


def fractions(array: Array) -> tuple[Array, int]:
    """The numbers divided by a power of 2 that none exceeds, so that sums of squares don't overflow; and its exponent.

    >>> fractions(np.array([1e200, 5e199]))
    (array([0.65321009, 0.32660504]), 665)
    """
    exponent = math.frexp(float(np.abs(array).max(initial=0.0)))[1]
    return np.ldexp(array.astype(np.float64), -exponent), exponent


def rms(array: Array) -> float:
    """The root mean square, without overflow."""
    small, exponent = fractions(array)
    return math.ldexp(math.sqrt(np.square(small).mean()), exponent)
