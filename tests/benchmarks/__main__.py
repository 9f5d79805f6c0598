"""cnngrad beside its peers in one run: python -m tests.benchmarks (extra `peers`).

Every result is compared before it is timed; the sides are timed in turn, on the same data with as many threads, and
what counts is the ratio of their medians.
"""

import argparse
import json
import os
import platform
import statistics
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tests.benchmarks.checks import checks
from tests.benchmarks.layers import beside_pytorch, growth, notes, one_channel, transposed
from tests.benchmarks.processes import larger_than_memory, starts

PARTS = {
    "float64": lambda runs: [*beside_pytorch(np.float64, runs), *one_channel(np.float64, runs)],
    "float32": lambda runs: [*beside_pytorch(np.float32, runs), *one_channel(np.float32, runs)],
    "notes": notes,
    "growth": growth,
    "transposed": lambda runs: [*transposed(runs)],
    "check": checks,
    "start": lambda runs: [*starts(2 * runs)],
    "memory": lambda _: [*larger_than_memory()],
}
MEANS = {"float64 beside PyTorch": 0.5, "float32 beside PyTorch": 1.1}


def processor():
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="save the figures")
    parser.add_argument("--runs", type=int, default=7, help="timed calls of each side")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part alone (repeatable)")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(cores)
    cv2.setNumThreads(cores)
    rows = [row for part in options.only or PARTS for row in PARTS[part](options.runs)]
    versions = f"NumPy {np.__version__}, PyTorch {torch.__version__}, OpenCV {cv2.__version__}"
    table = Table(title=f"{date.today()}, {processor()}, {versions}")
    for heading in ("what", "beside", "cnngrad", "the other", "unit", "ratio", "asked"):
        table.add_column(heading, justify="left" if heading in ("what", "beside", "unit") else "right")
    for row in rows:
        asked = "" if row.limit is None else f"{row.limit:.3g}"
        late = row.limit is not None and row.ratio > row.limit
        table.add_row(
            row.what,
            row.peer,
            f"{row.ours:.4g}",
            f"{row.theirs:.4g}",
            row.unit,
            f"{row.ratio:.3g}",
            asked,
            style="bold red" if late else "",
        )
    console = Console()
    console.print(table)
    for group, asked in MEANS.items():
        ratios = [row.ratio for row in rows if row.group == group]
        if ratios:
            console.print(
                f"{group}: geometric mean of the ratios {statistics.geometric_mean(ratios):.2f}, asked {asked}"
            )
    if options.json:
        figures = {"date": str(date.today()), "processor": processor(), "versions": versions}
        figures["rows"] = [{**vars(row), "ratio": row.ratio} for row in rows]
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
