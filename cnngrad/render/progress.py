"""A progress bar that appears only where the work takes longer than a second."""

import time
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cnngrad.render.terminal import AS_IT_IS

__all__ = ["DelayedBar"]

_PATIENCE = 1.0


class DelayedBar:
    """A bar with the time left; silent for the first second."""

    def __init__(self, file: TextIO) -> None:
        """A bar on a terminal, not shown yet."""
        self._file = file
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "DelayedBar":
        """Begin to count."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.stop()

    def advance(self, name: str, done: int, total: int, told: str = "") -> None:
        """Show that `done` of `total` steps are done for `name`, under the words of `told` where there are any."""
        if self._bar is None:
            if time.monotonic() - self._began < _PATIENCE:
                return
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(file=self._file, **AS_IT_IS), transient=True)
            self._bar.start()
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._tasks[name], completed=done, description=told or name)
