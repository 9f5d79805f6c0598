"""Checks, before the work begins, whether there is memory for a result."""

import os
from collections.abc import Mapping
from contextlib import suppress
from math import prod
from pathlib import Path

from cnngrad.arrays import DType
from cnngrad.errors import CnngradError
from cnngrad.layer import Shape

__all__ = ["available", "require", "require_bytes"]

# Smaller results, in bytes, are not checked.
_NOT_ASKED = 2**26


def require(results: Mapping[str, tuple[Shape, DType]], factor: float = 1.0) -> None:
    """Raise a CnngradError unless there is memory for results of these shapes and dtypes.

    Args:
        results: shape and dtype by the result's name.
        factor: bytes of memory for each byte of a result; not 1 for results that are not held as arrays.
    """
    sizes = {name: int(prod(shape) * dtype.itemsize * factor) for name, (shape, dtype) in results.items()}
    needed = sum(sizes.values())
    if needed < _NOT_ASKED:
        return
    free = available()
    if free is None or needed <= free:
        return
    largest = max(sizes, key=lambda name: sizes[name])
    shape, dtype = results[largest]
    raise CnngradError(
        f"{largest} {shape} of {dtype} would take {_spoken(sizes[largest])} of memory"
        + (f", all results {_spoken(needed)}" if len(sizes) > 1 else "")
        + f", but {_spoken(free)} are free: on the command line, -o with a .npy file or a folder computes on disk"
    )


def require_bytes(name: str, needed: int) -> None:
    """Raise a CnngradError unless there is memory for what a file unpacks to."""
    free = available()
    if needed >= _NOT_ASKED and free is not None and needed > free:
        raise CnngradError(f"{name} unpacks to {_spoken(needed)}, but {_spoken(free)} are free: save smaller arrays")


def available() -> int | None:
    """The bytes of memory that this process may still take; None where the system does not say."""
    found = [free for free in (_of_machine(), _of_group(), _of_process()) if free is not None]
    return max(min(found), 0) if found else None


def _of_machine() -> int | None:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable:")))
    with suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_group() -> int | None:
    """The bytes left under a container's limit (cgroup v2)."""
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError, StopIteration):
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        lines = (group / "memory.stat").read_text().splitlines()
        return limit - used + int(next(line.split()[1] for line in lines if line.startswith("inactive_file ")))
    return None


def _of_process() -> int | None:
    """The bytes left under `ulimit -v`."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError):
        return limit - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return limit


def _spoken(size: int) -> str:
    """Bytes in words.

    >>> _spoken(3 * 2**30), _spoken(2**26)
    ('3.0 GiB', '64 MiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
