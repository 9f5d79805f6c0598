"""Files out: results and documents, each written whole or not at all."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.errors import CnngradError

__all__ = ["check_target", "to_json", "write_document", "write_results"]


def to_json(value: Any) -> str:
    """`value` as one line of JSON; arrays as nested lists, floats so that reading them gives the same bits."""
    return json.dumps(value, default=lambda array: array.tolist(), allow_nan=False)


def check_target(target: str, names: Collection[str], endings: Collection[str] = (".json", ".npz", ".npy")) -> None:
    """Raise a CnngradError unless results of these names can be saved under `target`; called before any work.

    Args:
        target: the file; without an ending, or with a `/` at the end, a folder of `.npy` files.
        names: the names of the results.
        endings: the endings that are possible.
    """
    path = Path(target)
    if not target or path.name in endings:
        raise CnngradError(f"{target!r} is no name of a file: write one such as out{next(iter(endings))}")
    if path.is_dir() and ".npy" not in endings:
        raise CnngradError(f"{target} is a folder: name a file that ends in {', '.join(endings)}")
    if target == "-":
        raise CnngradError("- is no file to save in: --json prints the results on standard output")
    if _is_folder(target) and ".npy" in endings:
        if path.exists() and not path.is_dir():
            raise CnngradError(f"{target} is no folder, and without an ending no file: use {', '.join(endings)}")
        return
    if path.suffix not in endings:
        folder = " or a folder" if ".npy" in endings else ""
        raise CnngradError(f"{target} has an unknown ending: use {', '.join(endings)}{folder}")
    if path.suffix == ".npy" and len(names) > 1:
        raise CnngradError(
            f"{target} can hold one array, but there are {len(names)} results ({', '.join(names)}): "
            f"use .npz, .json or a folder, or --only for one of them"
        )


def write_results(target: str, results: Mapping[str, Any]) -> None:
    """Write named results to a `.json`, `.npz` or `.npy` file, or as `.npy` files into a folder.

    Every file is written under a temporary name beside its own and renamed when all are complete.

    Args:
        target: as `check_target` takes it.
        results: the arrays by name; for `.json` anything that JSON can hold.

    Raises:
        CnngradError: a target that can't hold the results, or a failure of the file system.
    """
    path = Path(target)
    if _is_folder(target):
        with _failures_named(target):
            path.mkdir(exist_ok=True)
        _write_all({path / f"{name}.npy": _npy_writer(array) for name, array in results.items()})
        return
    check_target(target, results)
    writers: dict[str, Writer] = {
        ".json": lambda file: file.write(to_json(results).encode() + b"\n"),
        ".npz": lambda file: np.savez(file, **results),
        ".npy": lambda file: np.save(file, next(iter(results.values())), allow_pickle=False),
    }
    _write_all({path: writers[path.suffix]})


def write_document(target: str, text: str) -> None:
    """Write a text file whole or not at all."""
    _write_all({Path(target): lambda file: file.write(text.encode())})


def _is_folder(target: str) -> bool:
    path = Path(target)
    return target.endswith("/") or path.is_dir() or not path.suffix


Writer = Callable[[Any], object]


def _npy_writer(array: Array) -> Writer:
    return lambda file: np.save(file, array, allow_pickle=False)


def _write_all(writers: Mapping[Path, Writer]) -> None:
    parts: dict[Path, Path] = {}
    try:
        for path, write in writers.items():
            with _failures_named(str(path)):
                final = path.resolve()
                if final.is_dir():
                    raise IsADirectoryError(errno.EISDIR, "it is a folder")
                part = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
                with part.open("xb") as file:
                    parts[part] = final
                    write(file)
                if final.exists():
                    shutil.copymode(final, part)
        for part, final in parts.items():
            with _failures_named(str(final)):
                part.replace(final)
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def _failures_named(path: str) -> Iterator[None]:
    """Inside, a failure of the file system becomes a CnngradError that names the file."""
    try:
        yield
    except OSError as error:
        raise CnngradError(f"can't write {path}: {error.strerror or error}") from None
