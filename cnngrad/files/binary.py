"""Arrays from raw binary files, whose type the user names, and from safetensors files."""

import json
import re
from math import prod
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.errors import CnngradError
from cnngrad.files.keys import unique
from cnngrad.files.loose import Loose
from cnngrad.layer import Shape, parse_shape

__all__ = ["RawSpec", "is_safetensors", "load_safetensors", "parse_raw", "raw_spec"]

# NumPy's dtypes; a bfloat16 number is read as two bytes.
_RAW = {"f64": "f8", "f32": "f4", "f16": "f2", "bf16": "u2", "i8": "i1", "i32": "i4"}
_SPEC = re.compile(rf"(?P<path>.*?[^:]):(?P<form>{'|'.join(_RAW)})(?P<rest>(?::[^:]*)*)\Z")
_SAFE = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "V2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1",
}  # fmt: skip


class RawSpec(NamedTuple):
    """A raw file as the user names it: `FILE.bin:f32`, `FILE.bin:f32:2x3`, `FILE.bin:f32:be`."""

    path: str
    form: str
    shape: Shape | None
    big: bool


def raw_spec(spec: str) -> RawSpec | None:
    """The parts of a raw file's name with its type; None if no type is named.

    >>> raw_spec("x.bin:f32:2x3:be")
    RawSpec(path='x.bin', form='f32', shape=(2, 3), big=True)
    """
    if not (match := _SPEC.match(spec)):
        return None
    shape, big = None, False
    for part in match["rest"].split(":")[1:]:
        if part in ("be", "le"):
            big = part == "be"
        elif shape is None and (found := parse_shape(part)) is not None:
            shape = found
        else:
            raise CnngradError(
                f"{spec}: {part[:40]!r} is not understood: write FILE:{match['form']}, followed by a shape such as "
                f":2x3x8x8, or by :be for big-endian numbers"
            )
    return RawSpec(match["path"], match["form"], shape, big)


def parse_raw(spec: RawSpec, raw: bytes) -> Array | Loose:
    """The numbers of a raw file's content, in the named shape, or loose if none is named.

    Raises:
        CnngradError: their size does not fit.
    """
    dtype = np.dtype(_RAW[spec.form]).newbyteorder(">" if spec.big else "<")
    count, rest = divmod(len(raw), dtype.itemsize)
    if rest or not count:
        raise CnngradError(
            f"{spec.path} has {len(raw)} bytes: {spec.form} numbers have {dtype.itemsize} bytes each"
            + ("" if count else ", and there must be at least one")
        )
    if spec.shape is not None and prod(spec.shape) != count:
        shown = "x".join(map(str, spec.shape))
        raise CnngradError(f"{spec.path} has {count} {spec.form} numbers, but {shown} needs {prod(spec.shape)}")
    numbers = np.frombuffer(raw, dtype)
    if spec.form == "bf16":
        numbers = numbers.astype("<u2", copy=False).view("V2")
    return Loose(numbers, needs_shape=True) if spec.shape is None else numbers.reshape(spec.shape)


def is_safetensors(where: str, content: bytes) -> bool:
    """Whether a file is in the safetensors format, by its name or its beginning."""
    if where.endswith(".safetensors"):
        return True
    return content[8:10] == b'{"' and 2 <= int.from_bytes(content[:8], "little") <= len(content) - 8


def load_safetensors(where: str, content: bytes) -> dict[str, Array]:
    """The arrays of a safetensors file by name; the file has its header's length, a header in JSON, and the numbers.

    Source: the format as Hugging Face publishes it. Its text metadata is not read.

    Raises:
        CnngradError: a damaged file, or numbers of a type that cnngrad can't read.
    """
    length = int.from_bytes(content[:8], "little")
    numbers, place, found = content[8 + length :], 0, {}
    try:
        if length > len(content) - 8:
            raise ValueError(f"it has {len(content)} bytes, but its header claims {length}")
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=lambda pairs: unique(where, pairs))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            (first, last), shape, form = entry["data_offsets"], tuple(entry["shape"]), str(entry["dtype"])
            if form not in _SAFE:
                raise ValueError(f"{name} holds {form}: it must be one of {', '.join(_SAFE)}")
            array = np.frombuffer(numbers[first:last], _SAFE[form]).reshape(shape)
            if min(shape, default=0) < 0 or first != place or last != place + array.nbytes:
                raise ValueError(f"{name} is not where its header says, at bytes {first} to {last}")
            place, found[name] = last, array
        if place != len(numbers):
            raise ValueError(f"{len(numbers) - place} bytes after its last array belong to no array")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CnngradError(f"{where} is not a readable safetensors file: {error}") from None
    return found
