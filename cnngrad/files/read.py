"""Reads files of any kind by their content; pickles are never loaded, and no damaged file crashes the program."""

import io
import json
import os
import re
import warnings
from collections.abc import Callable
from math import prod
from typing import IO, Any, Literal

import numpy as np

from cnngrad.arrays import Array
from cnngrad.errors import CnngradError
from cnngrad.files.advice import advice, raw_advice
from cnngrad.files.binary import is_safetensors, load_safetensors
from cnngrad.files.keys import unique
from cnngrad.files.opening import content_of, is_regular, reading
from cnngrad.memory import require_bytes

__all__ = ["Tell", "load", "parse"]

# Shows a message to the user before a long operation begins.
Tell = Callable[[str], None]

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,
}
_PART = 2**20
# Unpacked sizes above this, in bytes, are announced before the work begins.
_SAID = 2**26


def load(path: str, tell: Tell) -> Any:
    """What a file holds: an array, loose numbers, or a mapping of its keys to arrays, nested lists and words.

    Raises:
        CnngradError: it can't be read, or is not a file of numbers.
    """
    if is_regular(path):
        with reading(path), open(path, "rb") as file:
            if file.read(len(_NPY_MAGIC)) == _NPY_MAGIC:
                file.seek(0)
                return _load_npy(path, file, os.fstat(file.fileno()).st_size, mapped=True)
    return parse(path, content_of(path), tell)


def parse(where: str, content: bytes, tell: Tell) -> Any:
    """What a file's content holds, as for `load`; `where` is the file's name in messages."""
    if not content.strip():
        raise CnngradError(f"{where} is empty: it must hold numbers")
    if content.startswith(_NPY_MAGIC):
        return _load_npy(where, io.BytesIO(content), len(content))
    if is_safetensors(where, content):
        return load_safetensors(where, content)
    if said := advice(where, content):
        raise CnngradError(f"{where} is not JSON, NPY or NPZ: {said}")
    if content.startswith(_ZIP_MAGIC):
        return _load_npz(where, content, tell)
    for ending in ("npy", "npz"):
        if where.endswith(f".{ending}"):
            raise CnngradError(f"{where} is not an {ending.upper()} file: it begins with {content[:8]!r}")
    if said := raw_advice(where, content):
        raise CnngradError(f"{where} is not JSON, NPY or NPZ: {said}")
    return _load_text(where, content)


def _load_npy(where: str, file: IO[bytes], size: int, mapped: bool = False) -> Array:
    """The array in an NPY file of `size` bytes, memory-mapped if `mapped`, otherwise read."""
    try:
        with warnings.catch_warnings():
            # Headers written by Python 2 and old names of dtypes are accepted.
            warnings.simplefilter("ignore")
            shape, is_fortran, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        # A shape that no array can have raises an error, whatever an element holds.
        np.broadcast_to(np.empty((), (np.void, dtype.itemsize)), shape)
    except KeyError as version:
        raise CnngradError(f"{where} has the NPY version {version}: only 1.0, 2.0 and 3.0 are known") from None
    except Exception as error:
        # A header is a Python literal; a damaged one can fail in many ways.
        raise CnngradError(f"{where} is not a readable NPY file: {_first_line(error)}") from None
    if dtype.hasobject:
        raise CnngradError(f"{where} holds pickled Python objects, which are never loaded: save plain numbers")
    order: Literal["C", "F"] = "F" if is_fortran else "C"
    promised, start = prod(shape, start=dtype.itemsize), file.tell()
    if size - start < promised:
        raise CnngradError(
            f"{where} is truncated: its header promises {promised} bytes of numbers, but only {size - start} are there"
        )
    if size - start > promised:
        raise CnngradError(
            f"{where} is damaged: its header promises {promised} bytes of numbers, but {size - start} are there: "
            f"save it again"
        )
    if mapped and promised:
        return np.memmap(where, dtype, "r", start, shape, order)
    # In parts, so that numbers unpacked from an archive are not held twice.
    numbers = bytearray()
    while part := file.read(_PART):
        numbers += part
    return np.ndarray(shape, dtype, numbers, order=order)


def _load_npz(where: str, content: bytes, tell: Tell) -> dict[str, Any]:
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = unique(where, [(info.filename.removesuffix(".npy"), info) for info in archive.infolist()])
            unpacked = sum(info.file_size for info in members.values())
            if unpacked > max(_SAID, 2 * len(content)):
                tell(f"{where} unpacks to {unpacked / 2**20:,.0f} MiB")
            require_bytes(f"{where} unpacks to", unpacked)
            found = {}
            for key, info in members.items():
                with archive.open(info) as file:
                    found[key] = _load_npy(f"{where}::{key}", file, info.file_size)
            return found
    except (CnngradError, MemoryError):
        raise
    except Exception as error:
        # Damaged, encrypted or compressed by an unsupported method: zipfile raises a different error for each.
        raise CnngradError(f"{where} is not a readable NPZ file: {_first_line(error)}") from None


def _load_text(where: str, content: bytes) -> Any:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CnngradError(
            f"{where} is not UTF-8, nor NPY or NPZ: byte {error.start + 1} (in line {line}) is "
            f"0x{content[error.start]:02x}: save it as UTF-8"
        ) from None
    # A list of problems is JSON too.
    is_json = re.match(r"\s*(\{\s*[\"}]|\[\s*\{)", text)
    if is_json or where.endswith(".json") or not text.strip():
        try:
            return _load_json(where, text)
        except CnngradError as error:
            way_out = "" if is_json else "; a table or a printed array is read from a file named .txt"
            raise CnngradError(f"{error}{way_out}") from None
    # Compiling the patterns takes a tenth of a short command's time, and JSON needs none of them.
    from cnngrad.files.text import parse_text

    return parse_text(where, text)


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
        # Python refuses integers of thousands of digits.
        raise CnngradError(f"{where} holds an integer of thousands of digits: int64's largest has 19") from None
    except RecursionError:
        raise CnngradError(f"{where} is nested too deeply: a layer's arrays have at most 5 axes") from None


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:80] if lines else type(error).__name__
