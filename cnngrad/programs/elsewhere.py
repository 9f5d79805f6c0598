"""Runs the user's program by an executor: in other processes of this machine, or on a cluster."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass

from cnngrad.checks.tolerance import parse_form
from cnngrad.errors import CnngradError
from cnngrad.programs.programs import Keep, Program
from cnngrad.programs.suites import SuiteLayer
from cnngrad.programs.verdicts import Answer

__all__ = ["MOST_AT_ONCE", "Elsewhere", "placed"]

# Layers handed to an executor at the same time; it runs as many at once as it can.
MOST_AT_ONCE = 32


@dataclass
class Elsewhere(Program):
    """A program that an executor runs.

    Attributes:
        executor: has a method `submit`, as those of `concurrent.futures`.
        make: makes the program where it is run.
    """

    executor: Executor
    make: Callable[[], Program]

    def __post_init__(self) -> None:
        """Raise a CnngradError if the program can't be sent elsewhere."""
        # A program made elsewhere has these properties too. Making one starts no process.
        here = self.make()
        self.keeps_running = here.keeps_running
        self.in_memory = here.in_memory
        try:
            self.executor.submit(callable, self.make).result()
        except Exception as error:
            # Each executor fails in its own way.
            words = "define it in a module, not in a function or on the command line of Python"
            raise CnngradError(f"the function can't be sent to another process: {words} ({error})") from None

    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Run it on one layer, and end its processes."""
        return self.executor.submit(_run, self.make, layer).result()


def placed(make: Callable[[], Program], executor: Executor | None, written: str | None) -> Program:
    """The program in this process or by an executor, with the precision of its results as for `check`."""
    program = make() if executor is None else Elsewhere(executor, make)
    program.written = None if written is None else parse_form(written).name
    return program


def _run(make: Callable[[], Program], layer: SuiteLayer) -> Answer:
    with closing(make()) as program:
        return program.run(layer)
