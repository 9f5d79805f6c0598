"""A progress bar that appears only if the work takes longer than a second."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["NamedProgress", "progress_bar"]

# Seconds before the bar appears.
_PATIENCE = 1.0


# Shows progress. Arguments: name, steps done, number of all steps, and a text to show instead of the name.
NamedProgress = Callable[..., None]


@contextmanager
def progress_bar(file: TextIO | None) -> Iterator[NamedProgress]:
    """A bar with the remaining time, shown after the first second if the stream is a terminal."""
    if file is None or not file.isatty():
        yield lambda *_: None
        return
    # Loaded here since most commands show no bar.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from cnngrad.render.terminal import AS_IT_IS

    began = time.monotonic()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(file=file, **AS_IT_IS), transient=True)
    tasks = {}

    def advance(name: str, done: int, total: int, told: str = "") -> None:
        if time.monotonic() - began >= _PATIENCE:
            bar.start()
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, description=told or name)

    try:
        yield advance
    finally:
        if tasks:
            bar.stop()
