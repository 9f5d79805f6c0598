"""Whole processes: how soon a command is done, and the memory of layers larger than it."""

import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

from tests.benchmarks.timing import Row, peak_of, process_medians

CNNGRAD = str(Path(sysconfig.get_path("scripts")) / "cnngrad")
TORCH = """
import json, torch
problem = json.load(open("samples/notes.json"))
x, w = (torch.tensor(problem[key], dtype=torch.float64)[None, None] for key in ("X", "W"))
print(torch.nn.functional.conv2d(x, w))
"""
MIB = 2**20


def starts(runs):
    """Commands beside Python that imports NumPy, and beside a script of PyTorch."""
    commands = {
        "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
        "cnngrad forward samples/notes.json": [CNNGRAD, "forward", "samples/notes.json"],
        "cnngrad forward samples/notes.json --json": [CNNGRAD, "forward", "samples/notes.json", "--json"],
        "cnngrad --help": [CNNGRAD, "--help"],
        "cnngrad --version": [CNNGRAD, "--version"],
        "torch": [sys.executable, "-c", TORCH],
    }
    numpy, forward, json, help_, version, torch = process_medians(list(commands.values()), runs)
    for what, time, limit in (
        ("cnngrad forward samples/notes.json", forward, 1.5),
        ("cnngrad forward samples/notes.json --json", json, 1.5),
        ("cnngrad --help", help_, 0.8),
        ("cnngrad --version", version, 0.8),
    ):
        yield Row(what, "python -c 'import numpy'", time, numpy, limit=limit)
    yield Row("cnngrad forward samples/notes.json", "the same with torch", forward, torch, limit=1 / 8)


def larger_than_memory():
    """Anonymous memory of forward and backward on X (64, 16, 512, 512) in float32, results on disk."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("X", "G"):
            array = np.lib.format.open_memmap(place / f"{name}.npy", "w+", np.float32, (64, 16, 512, 512))
            for sample in array:
                sample[...] = generator.standard_normal(sample.shape, dtype=np.float32)
            array.flush()
            del array
        np.save(place / "W.npy", generator.standard_normal((16, 16, 3, 3), dtype=np.float32))
        given = ["-x", f"{place}/X.npy", "-w", f"{place}/W.npy", "--padding", "1"]
        for command, more in (
            ("forward", ["-o", f"{place}/O.npy"]),
            ("backward", ["-g", f"{place}/G.npy", "-o", folder]),
        ):
            peak = peak_of([CNNGRAD, command, *given, *more])
            yield Row(f"memory of {command}, X of 1 GiB", "400 MiB", peak / MIB, 400, limit=1, unit="MiB")
