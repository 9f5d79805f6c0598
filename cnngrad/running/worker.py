"""The process that calls a user's Python function: for each folder named on standard input, it writes the results.

It answers with a line: done, skipped, failed or missing, and words. What the function prints goes to standard error.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

import numpy as np

from cnngrad.layer import layer_of
from cnngrad.running.calling import Caller, UnsupportedLayerError
from cnngrad.tensor import Tensor

__all__ = ["serve"]


def serve(name: str) -> None:
    """Answer every line of standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, os.getcwd())
    module, _, attribute = name.partition(":")
    problem = ""
    try:
        caller = Caller(getattr(importlib.import_module(module), attribute))
    except Exception as error:
        traceback.print_exc()
        problem = f"can't import {name}: {type(error).__name__}: {error}"
    for line in sys.stdin:
        answer = f"missing {problem}" if problem else _answered(caller, Path(line.rstrip("\n")))
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(" ".join(answer.split()) + "\n")
        answers.flush()


def _answered(caller: Caller, folder: Path) -> str:
    given = {t: np.load(folder / f"{t.key}.npy") for t in (Tensor.X, Tensor.W, Tensor.DEDO)}
    described = json.loads((folder / "problem.json").read_text())
    options = {key: value for key, value in described.items() if key not in ("schema", "shapes")}
    layer = layer_of({tensor: array.shape for tensor, array in given.items()}, **options)
    try:
        found, note = caller.call(layer, given)
    except (UnsupportedLayerError, NotImplementedError) as error:
        return f"skipped {error or 'not implemented'}"
    except Exception as error:
        traceback.print_exc()
        return f"failed {type(error).__name__}"
    for tensor, array in found.items():
        np.save(folder / f"{tensor.key}.npy", array)
    return f"done {note}"


if __name__ == "__main__":
    serve(sys.argv[1])
