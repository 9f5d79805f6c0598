"""Opens what a user names: regular files, and pipes up to a limit, but no devices, and replaces files whole."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cnngrad.errors import CnngradError, nearest
from cnngrad.memory import require_bytes

__all__ = [
    "all_of",
    "content_of",
    "final_of",
    "is_regular",
    "is_standard_input",
    "parts_of",
    "reading",
    "write_document",
    "writing",
]

# Maximum size in MiB of standard input or a pipe, whose size is not known in advance.
_MOST_MIB = 256
_PART = 2**20
# What users write by mistake in place of a file's name: a shape in another notation, or numbers.
_SIZES = r"\d+(\s*([,*;x×]|by)\s*\d+)+"
_NUMBERS = r"[\[{(][\S\s]*|[\s.-]*\d[\d\s.,;x×*-]*"


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
    parts = []
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
    except CnngradError:
        raise
    except (OSError, ValueError) as error:
        if (sizes := re.fullmatch(_SIZES, path, re.IGNORECASE)) or re.fullmatch(_NUMBERS, path):
            shown = "x".join(re.findall("[0-9]+", path))
            shape = f"for an array without numbers write its shape as {shown}" if sizes else "a shape is written 3x3"
            raise CnngradError(
                f"{path[:40]!r} is not a file: numbers go into one, or to - (standard input); {shape}"
            ) from None
        reason = getattr(error, "strerror", None) or error
        meant = ""
        if isinstance(error, FileNotFoundError):
            folder = Path(path).parent
            with suppress(OSError):
                near = nearest(Path(path).name, os.listdir(folder))
                meant = near and f"; did you mean {folder / near}?"
        raise CnngradError(f"can't read {path}: {reason}{meant}") from None


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Inside the context a failure to write becomes a CnngradError that names the file."""
    try:
        yield
    except OSError as error:
        raise CnngradError(f"can't write {path}: {error.strerror or error}") from None


@contextmanager
def parts_of(paths: Collection[Path]) -> Iterator[dict[Path, Path]]:
    """A new file with a temporary name for each path, renamed to the path when the block ends, removed if it fails."""
    parts, finals = {}, {}
    try:
        for path in paths:
            with writing(str(path)):
                final = finals[path] = final_of(path)
                part = final.with_name(f".cnngrad.{os.getpid()}.{os.urandom(4).hex()}.part")
                part.open("xb").close()
                parts[path] = part
        yield parts
        for path, part in parts.items():
            with writing(str(path)):
                if finals[path].exists():
                    shutil.copymode(finals[path], part)
                part.replace(finals[path])
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)


def write_document(target: str, text: str) -> None:
    """Write a text file whole or not at all."""
    path = Path(target)
    with parts_of([path]) as parts, writing(target):
        parts[path].write_bytes(text.encode())


def final_of(path: Path) -> Path:
    """The file to which a path leads; OSError if it is not a regular file, since nothing else is replaced."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"it is a {'folder' if stat.S_ISDIR(mode) else 'device'}, not a file")
    return path.resolve()
