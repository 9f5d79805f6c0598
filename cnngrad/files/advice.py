"""Recognises files that cnngrad can't read, and says how it can read them."""

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["advice", "raw_advice", "text_advice"]


class _Kind(NamedTuple):
    """A kind of file.

    Attributes:
        words: what it is.
        tells: whether a file with this name and content is of this kind.
        line: the line of Python that converts it, with FILE in place of the file's name.
    """

    words: str
    tells: Callable[[str, bytes], bool]
    line: str


def _begins(*starts: bytes) -> Callable[[str, bytes], bool]:
    return lambda _, content: content.startswith(starts)


def _is_torch(name: str, content: bytes) -> bool:
    return content.startswith(b"PK\x03\x04") and (b"/data.pkl" in content[:4096] or name.endswith((".pt", ".pth")))


# Raw numbers are told by a byte of 0 among the first.
_LOOKED_AT = 4096
# The first kind that matches is used.
_BINARY = (
    _Kind("a PyTorch file", _is_torch, 'np.save("X.npy", torch.load("FILE").detach().numpy())'),
    _Kind(
        "a Python pickle",
        _begins(*(b"\x80" + bytes([protocol]) for protocol in range(2, 6))),
        'np.save("X.npy", pickle.load(open("FILE", "rb")))',
    ),
    _Kind("a MATLAB file", _begins(b"MATLAB 5.0"), 'np.save("X.npy", scipy.io.loadmat("FILE")["X"])'),
    _Kind("an HDF5 file", _begins(b"\x89HDF\r\n"), 'np.save("X.npy", h5py.File("FILE")["X"][:])'),
    _Kind(
        "an image",
        _begins(b"\x89PNG", b"\xff\xd8\xff", b"GIF8"),
        'np.save("X.npy", np.asarray(PIL.Image.open("FILE").convert("L")))',
    ),
    _Kind("a file compressed by gzip", _begins(b"\x1f\x8b"), 'np.save("X.npy", np.load(gzip.open("FILE")))'),
)


def advice(name: str, content: bytes) -> str | None:
    """What a binary file seems to be, and how to convert it to .npy; None where it is not recognised.

    >>> advice("m.mat", b"MATLAB 5.0 MAT-file")
    'it seems to be a MATLAB file: save it as .npy, in Python np.save("X.npy", scipy.io.loadmat("m.mat")["X"])'
    """
    for kind in _BINARY:
        if kind.tells(name, content):
            line = kind.line.replace("FILE", name)
            return f"it seems to be {kind.words}: save it as .npy, in Python {line}"
    return None


def raw_advice(name: str, content: bytes) -> str | None:
    """How to read a file of raw binary numbers; None where its content is something else."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in content[:_LOOKED_AT]:
        return None
    return (
        f"it seems to hold raw binary numbers: name their type, as {name}:f32 (or f64, f16, bf16, i8, i32), and for X "
        f"and W their shape too, as {name}:f32:3x3"
    )


def text_advice(name: str, text: str, place: int) -> str:
    return 'save the array itself: np.save("X.npy", X)'
