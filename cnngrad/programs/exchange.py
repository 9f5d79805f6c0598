"""Exchanges arrays with the user's program: a folder with a file for each, and problem.json."""

import errno
import io
import json
import os
import stat
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cnngrad.arrays import Array, as_claim, upper_halves
from cnngrad.errors import CnngradError
from cnngrad.files.read import parse
from cnngrad.layer import Layer, Shape
from cnngrad.programs.verdicts import Answer, answered
from cnngrad.schema import SCHEMA, Json
from cnngrad.tensor import GIVEN, RESULTS, Tensor

if TYPE_CHECKING:
    from cnngrad.programs.suites import SuiteLayer

# Maximum size of a file that a program writes, and of its folder, in bytes: 1 GiB.
MOST_BYTES = 2**30
# Maximum size of a result in bytes: a constant, and a number for each of its elements.
_LEAST = 2**16
_EACH = 64


class _Form(NamedTuple):
    """A file format for arrays.

    Attributes:
        ending: the ending of its files.
        write: writes an array to a file.
        raw: NumPy's dtype of raw numbers; empty for formats that declare the dtype.
    """

    ending: str
    write: Callable[[Path, Array], object]
    raw: str = ""


def save(path: Path, array: Array) -> None:
    """Write an array as .npy; NumPy itself does not say which system error prevents that."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getvalue())


EXCHANGES = {
    "npy": _Form("npy", lambda path, array: save(path, array.astype("<f8"))),
    "f32": _Form("bin", lambda path, array: path.write_bytes(array.astype("<f4").tobytes()), "<f4"),
    "f64": _Form("bin", lambda path, array: path.write_bytes(array.astype("<f8").tobytes()), "<f8"),
    # The upper half of a float32.
    "bf16": _Form("bin", lambda path, array: path.write_bytes(upper_halves(array).tobytes()), "V2"),
    "json": _Form("json", lambda path, array: path.write_text(json.dumps(array.tolist()))),
}


def paths(folder: Path, exchange: str) -> dict[Tensor, Path]:
    """The file of each array."""
    return {tensor: folder / f"{tensor.key}.{EXCHANGES[exchange].ending}" for tensor in (*GIVEN, *RESULTS)}


def write_layer(folder: Path, layer: "SuiteLayer", exchange: str) -> None:
    """Write a layer's arrays, C-ordered, and problem.json with its options and shapes."""
    files = paths(folder, exchange)
    for tensor, array in layer.written.items():
        EXCHANGES[exchange].write(files[tensor], np.ascontiguousarray(array))
    memory = {tensor.name: words for tensor, words in layer.memory.items()}
    (folder / "problem.json").write_text(json.dumps(described(layer.layer) | ({"memory": memory} if memory else {})))


def described(layer: Layer) -> Json:
    """A layer without its numbers: shapes, layout and options, the padding as [before, after] of each axis."""
    pads = [[axis.before, axis.after] for axis in layer.axes]
    return {"schema": SCHEMA} | layer.as_json() | {"padding": pads}


def most_bytes(shape: Shape) -> int:
    """The maximum number of bytes that a program may write for an array of this shape, in any format."""
    return _LEAST + _EACH * prod(shape)


def read_results(folder: Path, layer: Layer, exchange: str) -> Answer:
    """The arrays that a program has written."""
    form = EXCHANGES[exchange]
    files = {name: folder / f"{name}.{form.ending}" for tensor in RESULTS for name in tensor.names}

    def read(tensor: Tensor, file: Path) -> Array:
        shape = layer.written[tensor]
        content = _content(file, most_bytes(shape))
        if not form.raw:
            return as_claim(tensor.key, parse(file.name, content, lambda _: None))
        if len(content) % np.dtype(form.raw).itemsize:
            raise CnngradError(f"its {len(content)} bytes are not a whole number of {exchange} elements")
        array = np.frombuffer(content, form.raw)
        return array.reshape(shape) if array.size == prod(shape) else array

    return answered({name: file for name, file in files.items() if os.path.lexists(file)}, "the program wrote", read)


def _content(path: Path, most: int) -> bytes:
    """The bytes of a result; links, pipes and devices are refused, since reading them may never end."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CnngradError("it is not a regular file")
            content = file.read(most + 1)
    except OSError as error:
        raise CnngradError("it is a link" if error.errno == errno.ELOOP else str(error.strerror)) from None
    if len(content) > most:
        raise CnngradError(f"it has more than {most} bytes, too many for its shape")
    return content
