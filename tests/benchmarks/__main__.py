"""cnngrad beside its peers in one run: python -m tests.benchmarks (extra `peers`).

Every result is compared before it is timed; the two sides are timed in turn, on the same data with the same threads,
and what counts is the ratio of their medians.
"""

import argparse
import json
import platform
import statistics
import threading
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import cnngrad


@dataclass(frozen=True)
class Row:
    """One comparison; times in milliseconds, or bytes where the name says so."""

    what: str
    peer: str
    ours: float
    theirs: float

    @property
    def ratio(self):
        return self.ours / self.theirs


def times(ours, theirs, runs):
    """The medians of two functions called in turn, in milliseconds, after a call of each to warm up."""
    taken = ([], [])
    for run in range(runs + 1):
        for function, list_ in zip((ours, theirs), taken, strict=True):
            began = time.perf_counter()
            function()
            if run:
                list_.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken[0]), statistics.median(taken[1])


# name: X, W, options of cnngrad, and of torch's conv
SHAPES = {
    "4x3x224x224, 64 of 7x7, stride 2": ((4, 3, 224, 224), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
    "4x64x56x56, 64 of 3x3": ((4, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}),
    "4x256x14x14, 256 of 3x3": ((4, 256, 14, 14), (256, 256, 3, 3), {"padding": 1}),
    "4x256x14x14, 512 of 1x1": ((4, 256, 14, 14), (512, 256, 1, 1), {}),
    "4x64x56x56, 128 of 3x3, stride 2": ((4, 64, 56, 56), (128, 64, 3, 3), {"stride": 2, "padding": 1}),
    "depthwise 4x128x28x28, 3x3": ((4, 128, 28, 28), (128, 1, 3, 3), {"padding": 1, "groups": 128}),
    "4x64x28x28, 64 of 3x3, dilation 2": ((4, 64, 28, 28), (64, 64, 3, 3), {"dilation": 2}),
    "1024x1024, 3x3": ((1, 1, 1024, 1024), (1, 1, 3, 3), {}),
    "2048x2048, 5x5": ((1, 1, 2048, 2048), (1, 1, 5, 5), {}),
    "512x512, 15x15": ((1, 1, 512, 512), (1, 1, 15, 15), {}),
    "512x512, 31x31": ((1, 1, 512, 512), (1, 1, 31, 31), {}),
    "16x32x4096, 64 of 9": ((16, 32, 4096), (64, 32, 9), {}),
    "2x8x32x32x32, 16 of 3x3x3": ((2, 8, 32, 32, 32), (16, 8, 3, 3, 3), {"padding": 1}),
    "the notes' 3x3": ((1, 1, 3, 3), (1, 1, 2, 2), {}),
}


def layers(dtype, runs):
    """O, dE/dW and dE/dX beside PyTorch on the CPU."""
    generator = np.random.default_rng(0)
    for name, (x_shape, w_shape, options) in SHAPES.items():
        dims = len(x_shape) - 2
        conv = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[dims - 1]
        x, w = (generator.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
        o = cnngrad.forward(x, w, dims=dims, **options)
        dedo = generator.standard_normal(o.shape).astype(dtype)
        tx, tw, tg = (torch.from_numpy(a) for a in (x, w, dedo))
        tx.requires_grad_()
        tw.requires_grad_()
        grads = cnngrad.backward(x, w, dedo, dims=dims, **options)
        dx, dw = torch.autograd.grad(conv(tx, tw, **options), (tx, tw), tg)
        tolerance = {"rtol": 1e-3 if dtype == np.float32 else 1e-9, "atol": 1e-2 if dtype == np.float32 else 1e-7}
        for mine, theirs in ((o, conv(tx, tw, **options).detach()), (grads.dw, dw), (grads.dx, dx)):
            np.testing.assert_allclose(mine, theirs.numpy(), **tolerance)

        def forward(x=x, w=w, dims=dims, options=options):
            return cnngrad.forward(x, w, dims=dims, **options)

        def torch_forward(conv=conv, tx=tx, tw=tw, options=options):
            with torch.no_grad():
                return conv(tx, tw, **options)

        def backward(x=x, w=w, dedo=dedo, dims=dims, options=options):
            return cnngrad.backward(x, w, dedo, dims=dims, **options)

        graph = conv(tx, tw, **options)

        def torch_backward(graph=graph, tx=tx, tw=tw, tg=tg):
            return torch.autograd.grad(graph, (tx, tw), tg, retain_graph=True)

        kind = np.dtype(dtype).name
        yield Row(f"forward, {name}, {kind}", "PyTorch", *times(forward, torch_forward, runs))
        yield Row(f"backward, {name}, {kind}", "PyTorch", *times(backward, torch_backward, runs))


def checks():
    """`check` beside torch.autograd.gradcheck, and beside one forward pass of its own layer."""
    generator = np.random.default_rng(0)
    w = generator.standard_normal((3, 3))
    x, dedo = generator.standard_normal((64, 64)), generator.standard_normal((62, 62))
    inputs = [torch.tensor(a)[None, None].requires_grad_() for a in (x, w)]

    def check():
        assert cnngrad.check(x, w, dedo).passed

    def gradcheck():
        assert torch.autograd.gradcheck(torch.nn.functional.conv2d, inputs, fast_mode=False)

    ours = [times(check, check, 5)[0] for _ in range(3)]
    began = time.perf_counter()
    gradcheck()
    yield Row("check, every element, 64x64, 3x3", "gradcheck", min(ours), 1e3 * (time.perf_counter() - began))

    large, above = generator.standard_normal((512, 512)), generator.standard_normal((510, 510))
    dx = cnngrad.backward(large, w, above).dx
    wrong = dx + generator.standard_normal(dx.shape)

    def check_large():
        assert cnngrad.check(large, w, above).passed

    def check_right():
        assert cnngrad.check(large, w, above, dx=dx).passed

    def grade():
        assert not cnngrad.check(large, w, above, dx=wrong).passed

    yield Row("check, 512x512, 3x3", "a forward pass", *times(check_large, lambda: cnngrad.forward(large, w), 9))
    yield Row("grading a wrong dE/dX, 512x512", "a right one", *times(grade, check_right, 5))
    yield memory_of_check()


def memory_of_check():
    """The largest anonymous memory in a check of many channels (one filter position of it), beside its arrays."""
    generator = np.random.default_rng(0)
    x, dedo = (generator.standard_normal((8, 64, 56, 56)) for _ in range(2))
    w = generator.standard_normal((64, 64, 1, 1))
    arrays = x.nbytes + w.nbytes + dedo.nbytes
    cnngrad.forward(x, w)
    base, peak, done = anonymous(), [0], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert cnngrad.check(x, w, dedo).passed
    done.set()
    watcher.join()
    return Row("memory of check in bytes, 8x64x56x56, 64 of 1x1", "its arrays", peak[0] - base, arrays)


def anonymous():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


def processor():
    path = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in path.read_text().splitlines() if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="save the figures")
    parser.add_argument("--runs", type=int, default=7, help="calls of each side")
    parser.add_argument("--only", choices=["check", "float64", "float32"], help="one part alone")
    options = parser.parse_args()
    torch.set_num_threads(2)
    rows = []
    console = Console()
    for part, make in {
        "float64": lambda: layers(np.float64, options.runs),
        "float32": lambda: layers(np.float32, options.runs),
        "check": checks,
    }.items():
        if options.only in (None, part):
            rows += make()
    table = Table(title=f"{date.today()}, {processor()}, NumPy {np.__version__}, PyTorch {torch.__version__}")
    for heading in ("what", "beside", "cnngrad", "the other", "ratio"):
        table.add_column(heading, justify="left" if heading in ("what", "beside") else "right")
    for row in rows:
        table.add_row(row.what, row.peer, f"{row.ours:.4g}", f"{row.theirs:.4g}", f"{row.ratio:.3g}")
    console.print(table)
    for part in ("float64", "float32"):
        ratios = [row.ratio for row in rows if row.what.endswith(part)]
        if ratios:
            console.print(f"{part}: geometric mean of the ratios {statistics.geometric_mean(ratios):.2f}")
    if options.json:
        Path(options.json).write_text(json.dumps([{**vars(row), "ratio": row.ratio} for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
