"""Files of many kinds, and what commands say of them: golden/contents.txt."""

import io
import json
import struct
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cnngrad.cli.main import main

NOTES = {"X": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "W": [[1, 2], [3, -1]], "dEdO": [[4, -2], [-3, 5]]}
X = np.arange(9).reshape(3, 3)


def npy(array, change=lambda content: content):
    """An array's NPY file, changed."""
    file = io.BytesIO()
    np.save(file, array)
    return change(file.getvalue())


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def safetensors(header, numbers, length=None):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


def entry(dtype, shape, first, last):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


FORWARD = "backward p.json"
AS_X = "forward -x {} -w p.json::W"
AS_G = "backward p.json -g {}"
# Problems: keys that are changed, added or, with ..., left out.
PROBLEMS = [
    {},
    {"W": ...},
    {"X": ...},
    {"dEdO": ...},
    {"X": "3x3"},
    {"X": "3x4", "W": "2x2"},
    {"X": "three"},
    {"X": None},
    {"X": True},
    {"X": {"a": 1}},
    {"X": []},
    {"X": [[]]},
    {"X": [[1, 2], [3]]},
    {"X": [[1, 2], 3]},
    {"X": [1, [2]]},
    {"X": [[1, 2], [3, "4"]]},
    {"X": [[1, 2], [3, None]]},
    {"X": [[1, 2], [3, "y" * 60]]},
    {"X": [[1, 2, 3], [1, 2, True], [1, 2, 3]]},
    {"X": [[2**63, 2, 3]] * 3},
    {"X": [[10**400, 2, 3]] * 3},
    {"X": [[10**400, 2, 3.5]] * 3},
    {"X": [[1e400, 2, 3]] * 3},
    {"X": [[2**62, 2**62, 3]] * 3},
    {"X": [[1e300, 1e300, 3]] * 3, "W": [[1e300, 1], [1, 1]]},
    {"X": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]},
    {"dEdO": "ones"},
    {"dEdO": "2x2"},
    {"dEdO": [4, -2, -3, 5]},
    {"dEdO": [4, -2, -3]},
    {"dEdO": [[4, -2, -3]]},
    {"b": 3},
    {"b": [3, 4]},
    {"b": "1"},
    {"b": 3, "order": "C"},
    {"strides": 2},
    {"Stride": 2},
    {"pad": 1},
    {"kernel": 1},
    {"zzz": 1},
    {"stride": None},
    {"stride": "2"},
    {"schema": "cnngrad/1"},
    {"transposed": 1},
    {"layer": {}},
]
FILES = {
    "list.json": json.dumps([NOTES]),
    "number.json": "3",
    "word.json": '"' + "word" * 20 + '"',
    "null.json": "null",
    "array.json": "[[1, 2, 3], [4, 5, 6], [7, 8, 9]]",
    "line.json": "[1, 2, 3, 4]",
    "open.json": '{"X": [1, 2',
    "broken.json": "[[1, 2], [3",
    "twice.json": '{"X": 1, "X": 2}',
    "digits.json": f'{{"X": [{"9" * 5000}]}}',
    "empty.json": "",
    "blank.txt": " \n",
    "rows.txt": "1 2 3\n4 5 6\n7 8 9\n",
    "ragged.txt": "1 2 3\n4 5\n",
    "words.txt": "one two\n",
    "latin.txt": b"1 2 3\n4 5 \xe9\n",
    "utf16.txt": "1 2 3\n4 5 6\n".encode("utf-16"),
    "utf16le.txt": "1 2 3\n4 5 6\n".encode("utf-16-le"),
    "control.txt": b"\x01\x02\xff\xfe12",
    "raw.bin": np.arange(9, dtype="<f4").tobytes(),
    "odd.bin": b"\0\1\2\0\3",
    "nothing.bin": b"",
    "net.pt": b"PK\x03\x04....",
    "net.pkl": b"\x80\x04....",
    "old.mat": b"MATLAB 5.0 MAT-file",
    "new.h5": b"\x89HDF\r\n\x1a\n",
    "photo.png": b"\x89PNG....",
    "photo.jpg": b"\xff\xd8\xff....",
    "x.npy.gz": b"\x1f\x8b....",
    "x.npy": npy(X),
    "fortran.npy": npy(np.asfortranarray(X.astype(np.float32))),
    "big.npy": npy(X.astype(">i2")),
    "half.npy": npy((X / 7).astype(np.float16)),
    "bool.npy": npy(X > 3),
    "complex.npy": npy(X * 1j),
    "long.npy": npy(X.astype(np.uint64) + 2**63),
    "object.npy": npy(np.array([[None]])),
    "nan.npy": npy(np.where(X == 4, np.nan, X)),
    "empty.npy": npy(X[:0]),
    "flat.npy": npy(X[0, :2]),
    "short.npy": npy(X, lambda content: content[:-1]),
    "longer.npy": npy(X, lambda content: content + b"\0"),
    "version.npy": npy(X, lambda content: content[:6] + b"\x09" + content[7:]),
    "shape.npy": npy(X, lambda content: content.replace(b"(3, 3)", b"(3,-3)")),
    "none.npy": b"\x93NUM",
    "text.npy": b"1 2 3\n",
    "p.npz": npz(**{key: np.array(value) for key, value in NOTES.items()}),
    "one.npz": npz(a=X),
    "two.npz": npz(a=X, b=X),
    "no.npz": b"1 2 3\n",
    "x.safetensors": safetensors({"X": entry("I64", [3, 3], 0, 72)}, X.astype("<i8").tobytes()),
    "half.safetensors": safetensors({"__metadata__": {"a": "b"}, "X": entry("BF16", [3], 0, 6)}, b"\0\x3f" * 3),
    "bad1.safetensors": safetensors({"X": entry("I64", [3, 3], 0, 72)}, b"\0" * 71),
    "bad2.safetensors": safetensors({"X": entry("I64", [3, 3], 0, 64)}, b"\0" * 72),
    "bad3.safetensors": safetensors({"X": entry("I64", [3], 8, 32)}, b"\0" * 32),
    "bad4.safetensors": safetensors({"X": entry("I64", [3], 0, 24)}, b"\0" * 32),
    "bad5.safetensors": safetensors({"X": entry("F8", [3], 0, 3)}, b"\0" * 3),
    "bad6.safetensors": safetensors({"X": entry("I64", [-3], 0, 24)}, b"\0" * 24),
    "bad7.safetensors": safetensors({"X": {"dtype": "I64"}}, b""),
    "bad8.safetensors": safetensors({}, b"", 100),
    "bad9.safetensors": b"\0\0\0",
    "unnamed": safetensors({"X": entry("F32", [2, 2], 0, 16)}, np.ones(4, "<f4").tobytes()),
}
SPECS = [
    *(AS_X.format(f"{spec}") for spec in ("raw.bin:f32", "raw.bin:f32:3x3", "raw.bin:f32:3x3:be", "raw.bin:f32:3x4")),
    *(AS_X.format(f"{spec}") for spec in ("raw.bin:f64:3x3", "raw.bin:f32:3x3:3x3", "raw.bin:i8:6x6", "odd.bin:f16")),
    *(AS_X.format(f"{spec}") for spec in ("nothing.bin:f32", "raw.bin:bf16:3x6", "raw.bin:i32:be:3x3", "no.bin:f32")),
    *(AS_X.format(f"{spec}") for spec in ("p.npz", "p.npz::X", "p.npz::Y", "one.npz", "x.npy::X", "p.json::X::Y")),
    *(
        AS_X.format(f"{spec}")
        for spec in ("x.npy:", "no.npy", "ones", "3X3", "3,3", "[[1]]", "x.npz", "folder", "X.npy")
    ),
    *(AS_G.format(f"{spec}") for spec in ("raw.bin:f32", "line.json", "flat.npy", "ones", "2x2", "x.npy", "rows.txt")),
    *(f"{AS_G.format(spec)} --order F" for spec in ("line.json", "ones", "raw.bin:i8")),
    *(
        f"check p.json --dx {spec}"
        for spec in ("rows.txt", "x.npy", "nan.npy", "3x3", "line.json", "raw.bin:f32", "no")
    ),
    *(f"{AS_X.format('x.npy')} -o {target}" for target in ("-", "folder", "x.txt", ".json", "x.npy", "no/x.npy", "a/")),
    *(f"{FORWARD} -o {target}" for target in ("new.npy", "new.npz", "new.json", "new", "p.json", "rows.txt/", "x.npy")),
]


def said(command):
    """What a command says in a folder with all these files, with what it has written."""
    with TemporaryDirectory() as place, chdir(place):
        Path("folder").mkdir()
        Path("p.json").write_text(json.dumps(NOTES))
        for name, content in FILES.items():
            if name in command:
                Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        out = io.StringIO()
        before = {*Path().rglob("*")}
        with redirect_stdout(out), redirect_stderr(out):
            code = main(command.split())
        return f"{command}: {code}{[*map(str, sorted({*Path().rglob('*')} - before))] or ''} {out.getvalue()}"


def of_problem(changes):
    """What is said of a problem with these changes."""
    problem = {key: value for key, value in (NOTES | changes).items() if value is not ...}
    with TemporaryDirectory() as place, chdir(place):
        Path("q.json").write_text(json.dumps(problem))
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            code = main(["backward", "q.json"])
        told = {key: value if len(str(value)) < 80 else "…" for key, value in changes.items()}
        return f"{told}: {code} {out.getvalue()}"


KINDS = {
    "problems": lambda: map(of_problem, PROBLEMS),
    "arrays": lambda: map(said, (AS_X.format(name) for name in FILES)),
    "problem files": lambda: map(said, (f"backward {name}" for name in FILES if name.endswith(("json", "npz", "npy")))),
    "specs": lambda: map(said, SPECS),
}


def contents(kind):
    """All that is said of one kind of files."""
    return "".join(KINDS[kind]())
