"""Writes results and documents, each whole or not at all."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cnngrad.arrays import Array, DType
from cnngrad.errors import CnngradError
from cnngrad.files.kept import MARK, Kept
from cnngrad.files.opening import final_of, parts_of, write_document, writing
from cnngrad.files.read import load
from cnngrad.layer import Shape

__all__ = [
    "check_is_ours",
    "check_target",
    "numbered",
    "result_files",
    "target_files",
    "to_json",
    "write_results",
]


def to_json(value: Any) -> str:
    """`value` as one line of JSON; arrays as nested lists, floats with enough digits to be read back exactly."""
    return json.dumps(value, default=lambda array: array.tolist(), allow_nan=False)


def check_target(target: str, endings: Collection[str], names: Collection[str] = ()) -> None:
    """Raise a CnngradError unless results can be saved under `target`; called before any work.

    Args:
        target: the file; without an ending, or with a `/` at the end, a folder of `.npy` files.
        endings: the allowed endings.
        names: the names of the results, if `.npy` is allowed.
    """
    with writing(target):
        path = Path(target)
        if target in ("", "-") or path.name in endings:
            raise CnngradError(
                f"{target!r} is not a file name: write one such as out{next(iter(endings))}, or print with --json"
            )
        if _is_folder(target) and ".npy" in endings:
            if path.exists() and not path.is_dir():
                raise CnngradError(f"{target} is not a folder, and a file needs an ending: use {', '.join(endings)}")
            Kept(path).require(f"{name}.npy" for name in names)
            return
        if path.suffix not in endings:
            folder = " or a folder" if ".npy" in endings else ""
            raise CnngradError(f"{target} has an unknown ending: use {', '.join(endings)}{folder}")
        if path.suffix == ".npy" and len(names) > 1:
            raise CnngradError(
                f"{target} can hold one array, but there are {len(names)} results ({', '.join(names)}): "
                f"use .npz, .json or a folder, or --only for one of them"
            )
        final_of(path)


def check_is_ours(target: str) -> None:
    """Raise a CnngradError if the file exists and is neither a report nor a problem of cnngrad's."""
    if not Path(target).exists():
        return
    content = None
    # A file that can't be read is not one of ours.
    with suppress(CnngradError):
        content = load(target, lambda _: None)
    keys = content.keys() if isinstance(content, dict) else set()
    if not any(keys >= ours for ours in ({"X", "W"}, {"passed", "gradients"}, {"passed", "layers"})):
        raise CnngradError(
            f"{target} exists and is neither a report nor a problem, so it is not overwritten; "
            f"to grade O write --o {target}"
        )


def target_files(target: str | None, report: str | None, names: Iterable[str], figures: int = 1) -> list[str]:
    """The files that may be written: results of these names under a target, and a report, or several figures."""
    files = [] if report is None else [*dict.fromkeys([report, *numbered(report, figures)])]
    if target is not None:
        files += [str(Path(target) / f"{name}.npy") for name in names] if _is_folder(target) else [target]
    return files


def numbered(target: str, count: int) -> list[str]:
    """The files of several figures, FILE-1, FILE-2 and so on; a single one is the target itself."""
    ending = Path(target).suffix
    if count == 1:
        return [target]
    return [f"{target.removesuffix(ending)}-{number}{ending}" for number in range(1, count + 1)]


@contextmanager
def result_files(target: str | None, planned: Mapping[str, tuple[Shape, DType]]) -> Iterator[dict[str, Array]]:
    """Arrays on disk to compute results into, if the target is a `.npy` file or a folder; otherwise none.

    The files have temporary names in the same folder, and are renamed when the block ends; after an error they are
    removed. Their space is reserved first, so that a full disk is reported before the work begins.

    Args:
        target: a target that `check_target` has accepted; None if nothing is to be saved.
        planned: the shape and dtype of each result.
    """
    folder = target is not None and _is_folder(target)
    if target is None or not (folder or target.endswith(".npy")):
        yield {}
        return
    path, made = Path(target), False
    if folder:
        with writing(target):
            made = not path.exists()
            path.mkdir(exist_ok=True)
    places = {path / f"{name}.npy" if folder else path: name for name in planned}
    try:
        with parts_of([*([path / MARK] if folder else []), *places]) as parts:
            if folder:
                parts[path / MARK].write_text(Kept(path).listing(place.name for place in places))
            mapped = {}
            for place, name in places.items():
                shape, dtype = planned[name]
                with writing(str(place)), parts[place].open("r+b") as file:
                    mapped[name] = np.lib.format.open_memmap(parts[place], "w+", dtype, shape)
                    # In a sparse file a full disk would be noticed only during the work.
                    if hasattr(os, "posix_fallocate"):
                        os.posix_fallocate(file.fileno(), 0, parts[place].stat().st_size)
            yield {name: np.asarray(array) for name, array in mapped.items()}
            for place, name in places.items():
                with writing(str(place)):
                    mapped[name].flush()
    except BaseException:
        if made:
            with suppress(OSError):
                path.rmdir()
        raise


def write_results(target: str, results: Mapping[str, Any]) -> None:
    """Write named results to a `.json` or `.npz` file, whole or not at all.

    Args:
        target: the file, as for `check_target`.
        results: the arrays by name; for `.json` anything that JSON can hold.

    Raises:
        CnngradError: a failure of the file system.
    """
    path = Path(target)
    if path.suffix == ".json":
        write_document(target, to_json(results) + "\n")
        return
    with parts_of([path]) as parts, writing(target), parts[path].open("wb") as file:
        np.savez(file, **results)


def _is_folder(target: str) -> bool:
    path = Path(target)
    return target.endswith("/") or path.is_dir() or not path.suffix
