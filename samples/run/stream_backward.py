"""A right backward pass that answers lines: one process for all layers.

cnngrad check --stream --run 'python samples/run/stream_backward.py'
"""

import json
import sys

import numpy as np
from numpy_backward import backward

OPTIONS = ("stride", "padding", "dilation", "groups")

for line in sys.stdin:
    layer = json.loads(line)
    arrays = (np.array(layer[name]) for name in ("X", "W", "dEdO"))
    dw, dx, db = backward(*arrays, **{name: layer[name] for name in OPTIONS})
    answer = {"id": layer["id"], "dEdW": dw.tolist(), "dEdX": dx.tolist(), "dEdb": db.tolist()}
    print(json.dumps(answer), flush=True)
