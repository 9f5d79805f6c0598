"""Times two sides in turn, and reports their ratio."""

import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One comparison: in milliseconds, or in the unit that is named.

    Attributes:
        what: what was computed.
        peer: beside whom.
        ours: cnngrad's median.
        theirs: the other's.
        group: rows whose ratios make one geometric mean.
        limit: the upper limit of the ratio, or None.
        unit: of both figures.
    """

    what: str
    peer: str
    ours: float
    theirs: float
    group: str = ""
    limit: float | None = None
    unit: str = "ms"

    @property
    def ratio(self):
        return self.ours / self.theirs


def medians(functions, runs):
    """The median milliseconds of functions called in turn.

    Each is called for some milliseconds before a call of it is timed: the threads of the one before it spin for so
    long, in case there is more to do, and would take a processor from it.
    """
    taken = [[] for _ in functions]
    for _ in range(runs):
        for function, times in zip(functions, taken, strict=True):
            until = time.perf_counter() + _SPIN
            while time.perf_counter() < until:
                function()
            began = time.perf_counter()
            function()
            times.append(1e3 * (time.perf_counter() - began))
    return [statistics.median(times) for times in taken]


# Seconds that OpenMP's threads spin, and more.
_SPIN = 0.02


def process_medians(commands, runs):
    """The median milliseconds of whole processes run in turn, the first turn not counted."""
    taken = [[] for _ in commands]
    for turn in range(runs + 1):
        for command, times in zip(commands, taken, strict=True):
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2])
            if turn:
                times.append(1e3 * (time.perf_counter() - began))
    return [statistics.median(times) for times in taken]


def peak_of(command):
    """The largest anonymous memory, in bytes, that a process had: RssAnon, looked at every few milliseconds."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _anonymous(process.pid))
            time.sleep(0.002)
    assert process.returncode == 0
    return peak


def _anonymous(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
