"""How arrays go to the user's program and come back: a folder with a file for each, and problem.json."""

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnngrad.arrays import Array, as_claim
from cnngrad.errors import CnngradError
from cnngrad.files.binary import RawSpec, load_raw
from cnngrad.files.read import load
from cnngrad.files.text import Loose
from cnngrad.layer import Layer
from cnngrad.running.suites import SuiteLayer
from cnngrad.schema import SCHEMA
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["EXCHANGES", "MOST_BYTES", "described", "paths", "read_results", "write_layer"]

# One array and its folder hold 1 GiB at most.
MOST_BYTES = 2**30


class _Form(NamedTuple):
    """A way to write arrays.

    Attributes:
        ending: the ending of its files.
        write: writes an array to a file.
        raw: the type of raw numbers; empty for files that say what they hold.
    """

    ending: str
    write: Callable[[Path, Array], object]
    raw: str = ""


def _bfloat16(array: Array) -> Array:
    """The upper halves of float32 numbers, rounded to the nearest."""
    bits = array.astype("<f4").view("<u4")
    rounded: Array = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return rounded


def _write_text(path: Path, array: Array) -> None:
    rows = array.reshape(-1, array.shape[-1] if array.ndim else 1)
    path.write_text("\n".join(",".join(map(repr, row)) for row in rows.tolist()) + "\n")


EXCHANGES = {
    "npy": _Form("npy", lambda path, array: np.save(path, array.astype("<f8"))),
    "npy32": _Form("npy", lambda path, array: np.save(path, array.astype("<f4"))),
    "f32": _Form("bin", lambda path, array: path.write_bytes(array.astype("<f4").tobytes()), "f32"),
    "f64": _Form("bin", lambda path, array: path.write_bytes(array.astype("<f8").tobytes()), "f64"),
    "bf16": _Form("bin", lambda path, array: path.write_bytes(_bfloat16(array).tobytes()), "bf16"),
    "json": _Form("json", lambda path, array: path.write_text(json.dumps(array.tolist()))),
    "csv": _Form("csv", _write_text),
}


def paths(folder: Path, exchange: str) -> dict[Tensor, Path]:
    """The file of every array, given or computed."""
    given = (Tensor.X, Tensor.W, Tensor.B, Tensor.DEDO)
    return {tensor: folder / f"{tensor.key}.{EXCHANGES[exchange].ending}" for tensor in (*given, *RESULTS)}


def write_layer(folder: Path, layer: SuiteLayer, exchange: str) -> None:
    """Write a layer's arrays, C-ordered, and problem.json with its options and shapes."""
    files, form = paths(folder, exchange), EXCHANGES[exchange]
    for tensor, array in layer.written.items():
        form.write(files[tensor], np.ascontiguousarray(array))
    (folder / "problem.json").write_text(json.dumps(described(layer.layer)))


def described(layer: Layer) -> dict[str, Any]:
    """A layer without its numbers: shapes, layout and options, the padding as [before, after] of each axis."""
    pads = [[axis.before, axis.after] for axis in layer.axes]
    return {"schema": SCHEMA} | layer.as_json() | {"padding": pads}


def read_results(folder: Path, layer: Layer, exchange: str) -> dict[Tensor, Array | str]:
    """The arrays that a program has written, or what is wrong with them in words."""
    found: dict[Tensor, Array | str] = {}
    for tensor, path in paths(folder, exchange).items():
        if tensor in RESULTS and path.exists():
            try:
                found[tensor] = _read(path, tensor, layer, EXCHANGES[exchange].raw)
            except CnngradError as error:
                found[tensor] = f"not readable ({str(error).removeprefix(f'{path}: ').replace(str(folder) + '/', '')})"
    return found


def _read(path: Path, tensor: Tensor, layer: Layer, raw: str) -> Array:
    if path.stat().st_size > MOST_BYTES:
        raise CnngradError("it is larger than 1 GiB")
    content = load_raw(RawSpec(str(path), raw, None, False)) if raw else load(str(path), lambda _: None)
    array = as_claim(tensor.key, content.array if isinstance(content, Loose) else content)
    shape = layer.written[tensor]
    flat = raw or path.suffix == ".csv"
    # A copy: the file goes away with its folder.
    return np.array(array.reshape(shape) if flat and array.size == prod(shape) else array)
