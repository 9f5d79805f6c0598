"""Reads files of any kind by their content; pickles are never loaded, and no damaged file crashes the program."""

import io
import json
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.errors import CnngradError
from cnngrad.files.advice import advice, raw_advice
from cnngrad.files.binary import is_safetensors, load_safetensors
from cnngrad.files.keys import unique
from cnngrad.files.text import parse_text
from cnngrad.layer import Shape
from cnngrad.memory import require_bytes

__all__ = ["Tell", "load", "parse"]

# Shows a message to the user before a long operation begins.
Tell = Callable[[str], None]

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
# An unpacked size, in bytes, above which the user is told of it before the work begins.
_SAID = 2**26


def load(path: str, tell: Tell) -> Any:
    """What a file holds: an array, loose numbers, or a mapping of its keys to arrays, nested lists and words.

    Raises:
        CnngradError: it can't be read, or is not a file of numbers.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(len(_NPY_MAGIC))
            if content == _NPY_MAGIC and Path(path).is_file():
                return _load_npy(path, path)
            content += file.read()
    except FileNotFoundError:
        raise CnngradError(f"can't read {path}: {_missing(path)}") from None
    except (OSError, ValueError) as error:
        raise CnngradError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None
    return parse(path, content, tell)


def parse(where: str, content: bytes, tell: Tell) -> Any:
    """The same from a file's content; `where` is its name in messages."""
    if content.startswith(_NPY_MAGIC):
        return _load_npy(where, io.BytesIO(content))
    if is_safetensors(where, content):
        return load_safetensors(where, content)
    if said := advice(where, content):
        raise CnngradError(f"{where} is not JSON, NPY or NPZ: {said}")
    if content.startswith(_ZIP_MAGIC):
        return _load_npz(where, content, tell)
    for ending in ("npy", "npz"):
        if where.endswith(f".{ending}"):
            raise CnngradError(f"{where} is not an {ending.upper()} file: {_begins(content)}")
    if said := raw_advice(where, content):
        raise CnngradError(f"{where} is not JSON, NPY or NPZ: {said}")
    return _load_text(where, _text(where, content))


def _missing(path: str) -> str:
    """Why there is no such file, with a suggestion: a shape in another spelling, or a similar file name."""
    import difflib

    if re.fullmatch(r"\d+(\s*([,*;x×]|by)\s*\d+)+", path, re.IGNORECASE):
        return f"for an array without numbers write its shape as {'x'.join(re.findall(r'[0-9]+', path))}"
    folder = Path(path).parent
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return "No such file or directory"
    near = difflib.get_close_matches(Path(path).name, names, n=1)
    return f"No such file or directory; did you mean {folder / near[0]}?" if near else "No such file or directory"


def _load_npy(where: str, source: str | io.BytesIO) -> Array:
    """The array in an NPY file; a file on disk is memory-mapped instead of read."""
    with io.BytesIO(source.getvalue()) if isinstance(source, io.BytesIO) else open(source, "rb") as file:
        shape, dtype = _npy_header(where, file)
        start = file.tell()
        _check_size(where, _bytes(shape, dtype), file.seek(0, io.SEEK_END) - start)
    with _header_warnings_ignored():
        if isinstance(source, str) and 0 not in shape:
            mapped: Array = np.load(source, mmap_mode="r", allow_pickle=False)
            return mapped
        array: Array = np.load(source, allow_pickle=False)
        return array


@contextmanager
def _header_warnings_ignored() -> Iterator[None]:
    """NumPy warns of headers that Python 2 wrote, and of old names of dtypes; both are read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _bytes(shape: Shape, dtype: DType) -> int:
    return prod(shape, start=dtype.itemsize)


def _check_size(where: str, promised: int, there: int) -> None:
    if there < promised:
        raise CnngradError(f"{where} is truncated: its header promises {promised} bytes of numbers, {there} are there")
    if there > promised:
        raise CnngradError(
            f"{where} is damaged: its header promises {promised} bytes of numbers, but {there} are there: save it again"
        )


def _npy_header(where: str, file: IO[bytes]) -> tuple[Shape, DType]:
    """The shape and dtype that an NPY file begins with; the file then stands at its numbers."""
    try:
        with _header_warnings_ignored():
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
    except Exception as error:
        # A header is a Python literal; a damaged one can fail in many ways.
        raise CnngradError(f"{where} is not a readable NPY file: {_first_line(error)}") from None
    if dtype.hasobject:
        raise CnngradError(f"{where} holds pickled Python objects, which are never loaded: save plain numbers")
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape) or _bytes(shape, dtype) >= 2**63:
        raise CnngradError(f"{where} is not a readable NPY file: its header has a shape that no array has")
    return shape, dtype


def _load_npz(where: str, content: bytes, tell: Tell) -> dict[str, Any]:
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = unique(where, [(info.filename.removesuffix(".npy"), info) for info in archive.infolist()])
            unpacked = sum(info.file_size for info in members.values())
            if unpacked > max(_SAID, 2 * len(content)):
                tell(f"{where} unpacks to {unpacked / 2**20:,.0f} MiB")
            require_bytes(where, unpacked)
            return {key: _load_member(f"{where}::{key}", archive, info) for key, info in members.items()}
    except (CnngradError, MemoryError):
        raise
    except Exception as error:
        # Damaged, encrypted or compressed by an unsupported method: zipfile raises a different error for each.
        raise CnngradError(f"{where} is not a readable NPZ file: {_first_line(error)}") from None


def _load_member(where: str, archive: Any, info: Any) -> Array:
    """One array of an NPZ, unpacked straight into its own memory."""
    with archive.open(info) as file:
        shape, dtype = _npy_header(where, file)
        _check_size(where, _bytes(shape, dtype), info.file_size - file.tell())
    with archive.open(info) as file, _header_warnings_ignored():
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise CnngradError(f"{where} is damaged: there are more bytes than its header promises: save it again")
    return array


def _load_text(where: str, text: str) -> Any:
    """What a text holds: JSON, or an array in another notation."""
    begins = re.match(r"\s*(?:\{\s*[\"}])?", text)
    is_object = begins is not None and begins[0].strip() != ""
    if where.endswith((".txt", ".csv")) and not is_object:
        return parse_text(where, text)
    try:
        return _load_json(where, text)
    except CnngradError as error:
        if is_object:
            raise
        try:
            array = parse_text(where, text)
        except CnngradError as other:
            # What begins as JSON does is meant to be JSON.
            raise (error if text.lstrip()[:1] in ("[", "{", "") or where.endswith(".json") else other) from None
        if where.endswith(".json"):
            raise CnngradError(f"{error}; a table or a printed array is read from a file named .txt") from None
        return array


def _load_json(where: str, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: unique(where, pairs))
    except CnngradError:
        raise
    except json.JSONDecodeError as error:
        raise CnngradError(
            f"{where} is not JSON: {error.msg.lower()} in line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError:
        # Python itself refuses integers of thousands of digits.
        raise CnngradError(f"{where} holds an integer of thousands of digits: int64's largest has 19") from None
    except RecursionError:
        raise CnngradError(f"{where} is nested too deeply: a layer's arrays have at most 5 axes") from None


def _text(where: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise CnngradError(f"{where} is UTF-16, not UTF-8, as its first two bytes tell: save it as UTF-8") from None
        if content.lstrip()[:1] in (b"{", b"[") and b"\0" not in content:
            line = content.count(b"\n", 0, error.start) + 1
            raise CnngradError(
                f"{where} is not UTF-8: byte {error.start + 1} (in line {line}) is 0x{content[error.start]:02x}: "
                f"save it as UTF-8"
            ) from None
        raise CnngradError(f"{where} is not JSON, NPY or NPZ: {_begins(content)}") from None


def _begins(content: bytes) -> str:
    return f"it begins with {content[:8]!r}" if content else "it is empty"


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:80] if lines else type(error).__name__
