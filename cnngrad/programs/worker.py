"""The process that calls a user's Python function, and writes its results to each folder named on standard input.

Its first line is `ready`, or why the function can't be imported. It answers each line, a folder in JSON, with a line:
done, skipped or failed, and an explanation (for done a JSON object). The function's own output goes to standard error.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Collection
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from cnngrad.arrays import form_of, upper_halves
from cnngrad.layer import layer_of
from cnngrad.programs.calling import Caller, UnreadableError, called
from cnngrad.programs.exchange import paths, save
from cnngrad.settings import OPTIONS
from cnngrad.tensor import Tensor


def serve(name: str, fixed: Collection[str]) -> None:
    """Answer every line of standard input with a function, by `module:name`, that need not take the fixed options."""
    folders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", errors="backslashreplace")
    # The function has no input: what it reads ends at once.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.path.insert(0, os.getcwd())
    module, _, attribute = name.rpartition(":")

    def answer(words: str) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        print(" ".join(words.split()), file=answers, flush=True)

    try:
        caller = Caller(getattr(_imported(module), attribute), fixed=fixed)
    except Exception as error:
        answer(f"{type(error).__name__}: {error}")
        return
    answer("ready")
    for line in folders:
        answer(_answered(caller, Path(json.loads(line))))


def _imported(name: str) -> ModuleType:
    """A module by its name, or a file, which may import its neighbours."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    sys.path.insert(0, str(Path(name).resolve().parent))
    spec = spec_from_file_location(Path(name).stem, name)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _answered(caller: Caller, folder: Path) -> str:
    files = paths(folder, "npy")
    given = {tensor: np.load(file) for tensor, file in files.items() if file.exists()}
    described = json.loads((folder / "problem.json").read_text())
    options: Any = {name: described[name] for name in OPTIONS if name in described}
    layer = layer_of({tensor: array.shape for tensor, array in given.items()}, **options)
    try:
        memory = {Tensor[key]: words for key, words in described.get("memory", {}).items()}
        returned = caller.call(layer, given, memory)
    except NotImplementedError as error:
        return f"skipped {error}"
    except Exception as error:
        if isinstance(error, UnreadableError):
            # A stack of our own calls would hide what it is.
            print(f"error: {error}", file=sys.stderr)
        else:
            traceback.print_exc()
        return f"failed {called(error)}"
    try:
        for tensor, array in returned.results.items():
            save(files[tensor], upper_halves(array) if form_of(array) == "bfloat16" else array)
    except OSError as error:
        return f"unwritten {error.strerror}"
    return f"done {json.dumps({'note': returned.note, 'faults': returned.faults})}"


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
