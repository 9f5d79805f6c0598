"""Files in: problems and arrays as JSON, NPY and NPZ, or as shapes without numbers."""

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cnngrad.arrays import Array, read_tensor
from cnngrad.errors import CnngradError
from cnngrad.geometry import Layer, Shape, make_layer, parse_shape

__all__ = [
    "Problem",
    "Reader",
    "parse_padding",
    "parse_per_axis",
]

# A problem's keys in files, and its fields in Python.
ARRAY_KEYS = {"X": "x", "W": "w", "b": "b", "dEdO": "dedo"}
OPTION_KEYS = ("stride", "padding", "dilation", "groups", "flip", "dims")
KEYS = (*ARRAY_KEYS, *OPTION_KEYS)

# What people who know other tools write for a key.
_OTHER_WORDS = {
    "x": "X", "input": "X", "w": "W", "weight": "W", "weights": "W", "kernel": "W", "filter": "W", "bias": "b",
    "B": "b", "dO": "dEdO", "do": "dEdO", "grad": "dEdO", "grad_output": "dEdO", "dL_dO": "dEdO", "pad": "padding",
    "pads": "padding", "strides": "stride", "dilations": "dilation", "group": "groups",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Problem:
    """One layer as its user gave it; None where nothing was given.

    Attributes:
        x: X, as an array or as a shape alone.
        w: W, likewise.
        b: the bias, likewise.
        dedo: dE/dO, likewise; or the word `ones`, for E = sum of O.
        stride: and the other options, as `forward` takes them.
    """

    x: Array | Shape | None = None
    w: Array | Shape | None = None
    b: Array | Shape | None = None
    dedo: Array | Shape | Literal["ones"] | None = None
    stride: Any = None
    padding: Any = None
    dilation: Any = None
    groups: Any = None
    flip: Any = None
    dims: Any = None

    def overridden(self, flags: "Problem") -> "Problem":
        """This problem with everything that the flags give in its place."""
        merged = {
            field.name: mine if (theirs := getattr(flags, field.name)) is None else theirs
            for field in fields(self)
            for mine in [getattr(self, field.name)]
        }
        return Problem(**merged)

    def options(self) -> dict[str, Any]:
        """The options that were given, as keywords of `forward`."""
        return {key: getattr(self, key) for key in OPTION_KEYS if getattr(self, key) is not None}

    def given(self) -> dict[str, Array | Shape]:
        """The arrays and shapes that were given, by their keys in files."""
        arrays = {key: getattr(self, field) for key, field in ARRAY_KEYS.items()}
        return {key: value for key, value in arrays.items() if value is not None and not isinstance(value, str)}

    def arrays(self, layer: Layer) -> dict[str, Array]:
        """The arrays with numbers, by their keys in files; dE/dO as ones where it is the word `ones`."""
        arrays = {key: value for key, value in self.given().items() if not isinstance(value, tuple)}
        if isinstance(self.dedo, str):
            arrays["dEdO"] = np.broadcast_to(np.int64(1), layer.shapes["O"])
        return arrays

    @property
    def in_symbols(self) -> bool:
        """Whether one of the arrays is a shape without numbers, so that there are symbols alone."""
        return any(isinstance(value, tuple) for value in self.given().values())

    def shape_words(self) -> str:
        """Which arrays are shapes without numbers, in words."""
        names = [key for key, value in self.given().items() if isinstance(value, tuple)]
        are = "is a shape" if len(names) == 1 else "are shapes"
        return f"{' and '.join(names)} {are} without numbers"

    def layer(self) -> Layer:
        """The layer that the arrays and options make.

        Raises:
            CnngradError: X or W is missing, or they, b and dE/dO don't make a layer.
        """
        shapes = {key: value if isinstance(value, tuple) else value.shape for key, value in self.given().items()}
        for key, flag in (("X", "-x"), ("W", "-w")):
            if key not in shapes:
                raise CnngradError(f"{key} is missing: give a problem file with the key {key}, or {flag} FILE")
        layer = make_layer(shapes["X"], shapes["W"], **self.options(), has_bias="b" in shapes)
        if "b" in shapes:
            layer.check_bias(shapes["b"])
        if "dEdO" in shapes:
            layer.check_dedo(shapes["dEdO"])
        return layer


class Reader:
    """Reads each file, and standard input, once, however many arrays are taken from it."""

    def __init__(self, standard_input: Callable[[], bytes]) -> None:
        """A reader that has read nothing yet; `standard_input` gives what `-` stands for."""
        self._standard_input = standard_input
        self._read: dict[str, Any] = {}

    def problem(self, path: str) -> Problem:
        """The problem in a `.json` or `.npz` file, or on standard input (`-`)."""
        content = self._content(path)
        where = _spoken(path)
        if not isinstance(content, Mapping):
            held = "a single array" if isinstance(content, list | np.ndarray) else json.dumps(content)
            raise CnngradError(
                f"{where} holds {held}: a problem is an object with the keys {', '.join(KEYS)}; "
                f"for arrays use -x, -w, -g"
            )
        for key in content:
            if key not in KEYS:
                raise CnngradError(f"{where} has the unknown key {key!r}: {_likely(key)}")
        values: dict[str, Any] = {}
        for key, value in content.items():
            if key in ARRAY_KEYS:
                values[ARRAY_KEYS[key]] = _in_file(where, key, value)
            else:
                values[key] = _option(where, key, value)
        return Problem(**values)

    def array(self, name: str, spec: str) -> Array | Shape:
        """An array from `FILE`, `FILE::KEY` or `-`; or a shape such as `3x3` alone."""
        shape = parse_shape(spec)
        if shape is not None:
            return shape
        path, _, key = spec.partition("::")
        content, where = self._content(path), _spoken(path)
        if isinstance(content, Mapping):
            keys = ", ".join(content)
            if not key:
                raise CnngradError(
                    f"{where} holds several values ({keys}): name one, as {path}::{next(iter(content), 'X')}"
                )
            if key not in content:
                raise CnngradError(f"{where} has no key {key!r}: it has {keys}")
            content = content[key]
        elif key:
            raise CnngradError(f"{where} holds a single array, not keys: leave out ::{key}")
        return _in_file(where, name, content)

    def numbers(self, name: str, spec: str) -> Array:
        """An array with numbers, from `FILE`, `FILE::KEY` or `-`."""
        value = self.array(name, spec)
        if isinstance(value, tuple):
            raise CnngradError(f"{name} is the shape {spec} without numbers: give a file")
        return value

    def _content(self, path: str) -> Any:
        if path not in self._read:
            self._read[path] = _parse("standard input", self._standard_input()) if path == "-" else _load(path)
        return self._read[path]


def parse_per_axis(name: str, text: str) -> int | tuple[int, ...]:
    """One integer or one per axis, from `2` or `2,1`."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise CnngradError(f"{name} {text!r} is not an integer or one per axis: write 2 or 2,1") from None
    return numbers[0] if len(numbers) == 1 else numbers


def parse_padding(text: str) -> str | int | tuple[int | tuple[int, int], ...]:
    """A padding as `forward` takes it, from `1`, `1,2`, `1:0,2:1` or a word such as `same`."""
    if re.fullmatch(r"[a-z-]*[a-z]", text):
        return text
    entries: list[int | tuple[int, int]] = []
    for part in text.split(","):
        try:
            numbers = [int(n) for n in part.split(":")]
            entries.append(numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1]))
            if len(numbers) > 2:
                raise ValueError
        except ValueError:
            raise CnngradError(
                f"padding {text!r} is not understood: write 1, 1,2 (one per axis), 1:0,2:1 (before:after per axis), "
                f"valid, same, same-lower or full"
            ) from None
    return entries[0] if len(entries) == 1 and isinstance(entries[0], int) else tuple(entries)


def _spoken(path: str) -> str:
    return "standard input" if path == "-" else path


def _in_file(where: str, name: str, value: Any) -> Array:
    try:
        return read_tensor(name, value)[0]
    except CnngradError as error:
        raise CnngradError(f"{where}: {error}") from None


def _likely(key: str) -> str:
    import difflib

    close = _OTHER_WORDS.get(key) or next(iter(difflib.get_close_matches(key, KEYS, n=1, cutoff=0.5)), None)
    known = f"the keys are {', '.join(KEYS)}"
    return f"did you mean {close!r}? ({known})" if close else known


def _load(path: str) -> Any:
    """What a file holds: an array, or a mapping of its keys to arrays, nested lists and words."""
    try:
        with open(path, "rb") as file:
            content = file.read(len(_NPY_MAGIC))
            if content == _NPY_MAGIC and Path(path).is_file():
                return _load_npy(path, path)
            content += file.read()
    except OSError as error:
        raise CnngradError(f"can't read {path}: {error.strerror or error}") from None
    return _parse(path, content)


_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"


def _parse(where: str, content: bytes) -> Any:
    if content.startswith(_NPY_MAGIC):
        return _load_npy(where, io.BytesIO(content))
    if content.startswith(_ZIP_MAGIC):
        return _load_npz(where, content)
    for ending in ("npy", "npz"):
        if where.endswith(f".{ending}"):
            raise CnngradError(f"{where} is not an {ending.upper()} file: {_begins(content)}")
    return _load_json(where, content)


def _load_npy(where: str, source: str | io.BytesIO) -> Array:
    """An array; a file on disk is mapped, not read. Never unpickles."""
    try:
        with io.BytesIO(source.getvalue()) if isinstance(source, io.BytesIO) else open(source, "rb") as file:
            shape, _, dtype = _npy_header(file)
            if dtype.hasobject:
                raise CnngradError(f"{where} holds pickled Python objects, which are never loaded: save plain numbers")
            promised = prod(shape) * dtype.itemsize
            start = file.tell()
            there = file.seek(0, io.SEEK_END) - start
        if there < promised:
            raise CnngradError(
                f"{where} is truncated: its header promises {promised} bytes of numbers, {there} are there"
            )
        if isinstance(source, str) and promised:
            mapped: Array = np.load(source, mmap_mode="r", allow_pickle=False)
            return mapped
        array: Array = np.load(source, allow_pickle=False)
        return array
    except (ValueError, EOFError, SyntaxError) as error:
        if isinstance(error, CnngradError):
            raise
        raise CnngradError(f"{where} is not a readable NPY file: {error}") from None


def _npy_header(file: Any) -> tuple[Shape, bool, Any]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _load_npz(where: str, content: bytes) -> dict[str, Any]:
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = _unique(where, [(name.removesuffix(".npy"), name) for name in archive.namelist()])
            return {key: _load_npy(f"{where}::{key}", io.BytesIO(archive.read(m))) for key, m in members.items()}
    # Damaged, in a compression that is not there, or encrypted, which zipfile reports as a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise CnngradError(f"{where} is not a readable NPZ file: {error}") from None


def _load_json(where: str, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=lambda pairs: _unique(where, pairs))
    except CnngradError:
        raise
    except UnicodeDecodeError:
        raise CnngradError(f"{where} is not JSON, NPY or NPZ: {_begins(content)}") from None
    except json.JSONDecodeError as error:
        raise CnngradError(
            f"{where} is not JSON: {error.msg.lower()} in line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError as error:
        raise CnngradError(f"{where} can't be read: {error}") from None
    except RecursionError:
        raise CnngradError(f"{where} is nested too deeply: an array has at most 5 levels") from None


def _unique(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise CnngradError(f"{where} has the key {key!r} twice: give it once")
    return dict(pairs)


def _begins(content: bytes) -> str:
    return f"it begins with {content[:8]!r}" if content else "it is empty"


def _option(where: str, key: str, value: Any) -> Any:
    """An option's value as plain Python; JSON and NPZ write them alike."""
    plain = value.tolist() if isinstance(value, np.ndarray) else value
    if key == "flip" and not isinstance(plain, bool):
        raise CnngradError(f"{where}: flip is {plain!r}: it must be true or false")
    if plain is None:
        raise CnngradError(f"{where}: {key} is null: give a value, or leave the key out")
    return plain
