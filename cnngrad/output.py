"""Files out: results and documents, each written whole or not at all."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.errors import CnngradError

__all__ = ["to_json", "write_document", "write_results"]


def to_json(value: Any) -> str:
    """`value` as one line of JSON; arrays as nested lists, floats so that reading them gives the same bits."""
    return json.dumps(value, default=lambda array: array.tolist(), ensure_ascii=False, allow_nan=False)


def write_results(target: str, results: Mapping[str, Any]) -> list[str]:
    """Write named results to a `.json`, `.npz` or `.npy` file, or as `.npy` files into a folder.

    Every file is written under a temporary name beside its own and renamed when all are complete.

    Args:
        target: the file; without an ending, or with a `/` at the end, a folder.
        results: the arrays by name; for `.json` anything that JSON can hold.

    Returns:
        The files written.

    Raises:
        CnngradError: an unknown ending, several results for one `.npy`, or a failure of the file system.
    """
    path = Path(target)
    if target.endswith("/") or path.is_dir() or not path.suffix:
        with _failures_named(target):
            path.mkdir(exist_ok=True)
        return _write_all({path / f"{name}.npy": _npy_writer(array) for name, array in results.items()})
    if path.suffix == ".json":
        return _write_all({path: lambda file: file.write(to_json(results).encode() + b"\n")})
    if path.suffix == ".npz":
        return _write_all({path: lambda file: np.savez(file, **results)})
    if path.suffix == ".npy":
        if len(results) > 1:
            raise CnngradError(
                f"{target} can hold one array, but there are {len(results)} results ({', '.join(results)}): "
                f"use .npz, .json or a folder, or --only for one of them"
            )
        return _write_all({path: _npy_writer(next(iter(results.values())))})
    raise CnngradError(f"{target} has the unknown ending {path.suffix!r}: use .json, .npz, .npy or a folder")


def write_document(target: str, text: str) -> None:
    """Write a text file whole or not at all."""
    _write_all({Path(target): lambda file: file.write(text.encode())})


Writer = Callable[[Any], object]


def _npy_writer(array: Array) -> Writer:
    return lambda file: np.save(file, array, allow_pickle=False)


def _write_all(writers: Mapping[Path, Writer]) -> list[str]:
    parts: dict[Path, Path] = {}
    try:
        for path, write in writers.items():
            with _failures_named(str(path)):
                final = path.resolve()
                part = final.with_name(f".{final.name}.{os.getpid()}.part")
                with part.open("xb") as file:
                    parts[part] = final
                    write(file)
        for part, final in parts.items():
            with _failures_named(str(final)):
                part.replace(final)
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return [str(path) for path in writers]


@contextmanager
def _failures_named(path: str) -> Iterator[None]:
    """Inside, a failure of the file system becomes a CnngradError that names the file."""
    try:
        yield
    except OSError as error:
        raise CnngradError(f"can't write {path}: {error.strerror or error}") from None
