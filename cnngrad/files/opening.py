"""Opens what a user names: regular files, and pipes up to a limit, but no devices; errors name the file."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cnngrad.errors import CnngradError
from cnngrad.memory import require_bytes

__all__ = ["all_of", "content_of", "is_regular", "is_standard_input", "reading", "writing"]

# The most MiB that are read from standard input or a pipe, whose size is not known in advance.
_MOST_MIB = 256
_PART = 2**20


def is_standard_input(path: str) -> bool:
    """Whether a file's name stands for standard input."""
    return path in ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


def is_regular(path: str) -> bool:
    """Whether a path names a regular file rather than a pipe.

    Raises:
        CnngradError: it names neither, but a folder, a device or nothing.
    """
    with reading(path):
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
            return stat.S_ISREG(mode)
        kind = "folder" if stat.S_ISDIR(mode) else "device"
        raise CnngradError(f"can't read {path}: it is a {kind}, not a file")


def content_of(path: str) -> bytes:
    """All bytes of a regular file or a pipe."""
    regular = is_regular(path)
    with reading(path), open(path, "rb") as file:
        if not regular:
            return all_of(path, file.read)
        require_bytes(f"{path} takes", os.fstat(file.fileno()).st_size)
        return file.read()


def all_of(where: str, read: Callable[[int], bytes]) -> bytes:
    """All bytes of a stream.

    Raises:
        CnngradError: there are more than 256 MiB.
    """
    parts: list[bytes] = []
    while part := read(_PART):
        parts.append(part)
        if len(parts) * _PART > _MOST_MIB * 2**20:
            raise CnngradError(f"{where} holds more than {_MOST_MIB} MiB: name a file, which may be larger")
    return b"".join(parts)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Inside the context a failure to read becomes a CnngradError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise CnngradError(f"can't read {path}: {_missing(path)}") from None
    except CnngradError:
        raise
    except (OSError, ValueError) as error:
        raise CnngradError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Inside the context a failure to write becomes a CnngradError that names the file."""
    try:
        yield
    except OSError as error:
        raise CnngradError(f"can't write {path}: {error.strerror or error}") from None


def _missing(path: str) -> str:
    """Why there is no such file, with the right spelling of a shape or a similar file name."""
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
