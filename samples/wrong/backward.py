"""A hand-written backward pass with a mistake in it, for `cnngrad check` to find.

    python samples/wrong/backward.py

reads problem.json beside it and writes its dE/dX to dEdX.json.
"""

import json
from pathlib import Path

import numpy as np


def backward_x(x, w, dedo, stride, padding):
    kh, kw = w.shape
    spread = np.zeros([stride * (n - 1) + 1 for n in dedo.shape], dedo.dtype)
    spread[::stride, ::stride] = dedo
    framed = np.pad(spread, [(kh - 1, kh - 1), (kw - 1, kw - 1)])
    windows = np.lib.stride_tricks.sliding_window_view(framed, w.shape)
    full = np.einsum("ijuv,uv->ij", windows, w)
    height, width = x.shape
    return full[padding : padding + height, padding : padding + width]


if __name__ == "__main__":
    here = Path(__file__).parent
    problem = json.loads((here / "problem.json").read_text())
    arrays = [np.array(problem[key]) for key in ("X", "W", "dEdO")]
    dx = backward_x(*arrays, problem["stride"], problem["padding"])
    (here / "dEdX.json").write_text(json.dumps(dx.tolist()) + "\n")
