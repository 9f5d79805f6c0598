"""Recognises files that cnngrad can't read, and gives a line of Python that converts them to .npy."""

import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["advice", "text_advice"]


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


def _is_safetensors(name: str, content: bytes) -> bool:
    return name.endswith(".safetensors") or (
        content[8:10] == b'{"' and 0 < int.from_bytes(content[:8], "little") < 2**27
    )


def _is_raw(name: str, content: bytes) -> bool:
    return name.endswith((".bin", ".raw", ".dat", ".f32", ".f64")) and _is_binary(content)


def _is_binary(content: bytes) -> bool:
    return b"\0" in content[:4096]


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
    _Kind("a safetensors file", _is_safetensors, 'np.save("X.npy", safetensors.numpy.load_file("FILE")["X"])'),
    _Kind(
        "an image",
        _begins(b"\x89PNG", b"\xff\xd8\xff", b"GIF8"),
        'np.save("X.npy", np.asarray(PIL.Image.open("FILE").convert("L")))',
    ),
    _Kind("a file compressed by gzip", _begins(b"\x1f\x8b"), 'np.save("X.npy", np.load(gzip.open("FILE")))'),
    _Kind("raw binary numbers", _is_raw, 'np.save("X.npy", np.fromfile("FILE", "<f4").reshape(3, 3))'),
)

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TABLE = re.compile(rf"(?:#[^\n]*\n|\s)*{_NUMBER}(?:\s*(?P<by>[,;])\s*|[ \t]+|\s*\n\s*){_NUMBER}")
_PRINTED = re.compile(rf"\s*(?:array|tensor)?\s*\(?\s*\[[\s\[]*{_NUMBER}[\s,]")


def advice(name: str, content: bytes) -> str | None:
    """What a binary file seems to be, and how to convert it to .npy; None where it is not recognised.

    >>> print(advice("m.mat", b"MATLAB 5.0 MAT-file"))
    it seems to be a MATLAB file; this line of Python makes an .npy file of it:
    np.save("X.npy", scipy.io.loadmat("m.mat")["X"])
    """
    for kind in _BINARY:
        if kind.tells(name, content):
            return _spoken(kind.words, kind.line, name)
    return None


def text_advice(name: str, text: str) -> str | None:
    r"""The same for a text that is not JSON: tables of numbers, and arrays as Python prints them.

    >>> text_advice("x.csv", "1;2\n3;4\n").splitlines()[1]
    'np.save("X.npy", np.loadtxt("x.csv", delimiter=";", ndmin=2))'
    """
    table = _TABLE.match(text)
    if table:
        by = f', delimiter="{table["by"]}"' if table["by"] else ""
        words = f"a table of numbers{' with ' + table['by'] if table['by'] else ''}"
        return _spoken(words, f'np.save("X.npy", np.loadtxt("FILE"{by}, ndmin=2))', name)
    if _PRINTED.match(text):
        words = "an array as Python prints it (JSON has commas, and digits behind every point)"
        return _spoken(words, 'np.save("X.npy", x)', name, "where x is computed, this line")
    return None


def _spoken(words: str, line: str, name: str, how: str = "this line of Python") -> str:
    return f"it seems to be {words}; {how} makes an .npy file of it:\n{line.replace('FILE', name)}"
