"""Checks, before the work begins, whether a result fits in memory."""

from collections.abc import Mapping
from contextlib import suppress
from math import prod
from pathlib import Path

from cnngrad.arrays import DType
from cnngrad.errors import CnngradError
from cnngrad.layer import Shape

__all__ = ["available", "require", "require_bytes"]

# Results of fewer bytes are not checked.
_NOT_ASKED = 2**26


def require(results: Mapping[str, tuple[Shape, DType]], factor: float = 1.0) -> None:
    """Raise a CnngradError unless results of these shapes and dtypes fit in memory.

    Args:
        results: shape and dtype by the result's name.
        factor: bytes of memory for each byte of a result; above 1 if results are held as more than arrays.
    """
    sizes = {name: int(prod(shape) * dtype.itemsize * factor) for name, (shape, dtype) in results.items()}
    needed = sum(sizes.values())
    if needed < _NOT_ASKED or (free := available()) is None or needed <= free:
        return
    largest = max(sizes, key=sizes.__getitem__)
    shape, dtype = results[largest]
    raise CnngradError(
        f"{largest} {shape} of {dtype} would take {_spoken(sizes[largest])} of memory"
        + (f", all results {_spoken(needed)}" if len(sizes) > 1 else "")
        + f", but {_spoken(free)} are free: on the command line, -o with a .npy file or a folder computes on disk"
    )


def require_bytes(claim: str, needed: int) -> None:
    """Raise a CnngradError unless `needed` bytes of memory are free; the message begins with `claim`."""
    free = available()
    if needed >= _NOT_ASKED and free is not None and needed > free:
        raise CnngradError(f"{claim} {_spoken(needed)}, but {_spoken(free)} are free: save smaller arrays")


def available() -> int | None:
    """The bytes of memory that this process may still take; None if the system does not say."""
    found = []
    for reading in (_of_machine, _of_group, _of_process):
        with suppress(ImportError, AttributeError, OSError, ValueError, StopIteration):
            found.append(reading())
    return max(min(found), 0) if found else None


def _number_behind(word: str, file: str) -> int:
    """The number that follows `word` at the beginning of a line."""
    lines = Path(file).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word))


def _of_machine() -> int:
    return 1024 * _number_behind("MemAvailable:", "/proc/meminfo")


def _of_group() -> int:
    """The bytes left under a container's limit (cgroup v2); ValueError if there is no limit."""
    limit, used = (int(Path(f"/sys/fs/cgroup/memory.{file}").read_text()) for file in ("max", "current"))
    return limit - used + _number_behind("inactive_file ", "/sys/fs/cgroup/memory.stat")


def _of_process() -> int:
    """The bytes left under `ulimit -v`; ValueError if there is no limit."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        raise ValueError
    return limit - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _spoken(size: int) -> str:
    """Bytes in words.

    >>> _spoken(3 * 2**30), _spoken(2**26)
    ('3.0 GiB', '64 MiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
