"""A batch larger than one machine, with Dask: O and dE/dX in blocks of samples, dE/dW and dE/db as a tree of sums.

    python samples/cluster.py X.npy W.npy dEdO.npy results [--scheduler tcp://host:8786]

The files lie where all workers see them. Without a scheduler the workers are processes of this machine.
"""

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from dask.distributed import Client

import cnngrad


def block(arrays, folder, some):
    x, w, dedo = (np.load(name, mmap_mode="r") for name in arrays)
    grads = cnngrad.backward(x[some], w, dedo[some])
    for name, array in (("O", cnngrad.forward(x[some], w)), ("dEdX", grads.dx)):
        np.load(folder / f"{name}.npy", mmap_mode="r+")[some] = array
    return grads.dw, grads.db


if __name__ == "__main__":
    parser = ArgumentParser()
    for name, count in (("arrays", 3), ("folder", None), ("--scheduler", None)):
        parser.add_argument(name, nargs=count)
    args = parser.parse_args()
    folder = Path(args.folder).absolute()
    for name, like in (("O", np.load(args.arrays[2], "r")), ("dEdX", np.load(args.arrays[0], "r"))):
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", like.dtype, like.shape)
    with Client(args.scheduler) as client:
        sums = [client.submit(block, args.arrays, folder, slice(k, k + 16)) for k in range(0, len(like), 16)]
        while len(sums) > 1:
            pairs = [sums[k : k + 2] for k in range(0, len(sums), 2)]
            sums = [client.submit(lambda pair: tuple(map(sum, zip(*pair, strict=True))), pair) for pair in pairs]
        for name, array in zip(("dEdW", "dEdb"), sums[0].result(), strict=True):
            np.save(folder / f"{name}.npy", array)
