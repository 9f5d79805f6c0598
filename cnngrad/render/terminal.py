"""The terminal: its console, without colours for redirected output, and the colours of the tensors."""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "AS_IT_IS",
    "DIM",
    "PLAIN_WIDTH",
    "STYLES",
    "chosen_color",
    "make_console",
    "show",
    "show_in_pages",
    "text_of",
]

# Number of columns of redirected output, which does not depend on the window.
PLAIN_WIDTH = 80
# Colours of medium brightness, legible on dark and light backgrounds; a gradient has its array's colour.
STYLES = {"x": "#2288cc", "w": "#c8641e", "o": "#a05ad0", "b": "#2a9d6a"}
# The style of less important text: zeros, and notes on omitted parts.
DIM = "dim"
# Text is not markup, and in a notebook Rich must write to the stream, not to the cell.
AS_IT_IS: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False, "force_jupyter": False}


def chosen_color(color: str) -> str:
    """`always`, `never`, or `auto` to leave it to the terminal; FORCE_COLOR turns `auto` into `always`."""
    forced = color == "auto" and os.environ.get("FORCE_COLOR") and not os.environ.get("NO_COLOR")
    return "always" if forced else color


def make_console(file: TextIO, color: str = "auto") -> "Console":
    """A console for a stream: in colour and as wide as the window on a terminal, else plain and 80 columns wide.

    Args:
        file: the stream.
        color: `always`, `never`, or `auto` for the terminal and the variables NO_COLOR and FORCE_COLOR to decide.
    """
    from rich.console import Console

    class StrictConsole(Console):
        def on_broken_pipe(self) -> None:
            # Rich would end the process with exit code 1.
            raise

    color = chosen_color(color)
    forced = color == "always"
    # Without a colour system, Rich writes no other escape codes either.
    options = {**AS_IT_IS, "no_color": False if forced else None, "color_system": None if color == "never" else "auto"}
    if not file.isatty():
        options |= {"width": PLAIN_WIDTH, "color_system": "256" if forced else None}
        options |= {"force_terminal": forced, "legacy_windows": False}
    return StrictConsole(file=file, **options)


def show_in_pages(console: "Console", renderables: "Iterable[RenderableType]") -> None:
    """Print to the console, or as git does to the user's pager if the output is longer than the terminal."""
    command = shlex.split(os.environ.get("PAGER", "less"))
    if not console.is_terminal or not sys.stdin.isatty() or command in ([], ["cat"]):
        show(console, renderables)
        return
    text = "".join(_texts(console, renderables))
    # If the pager can't be started, the text is printed below.
    with suppress(OSError):
        if text.count("\n") >= console.height:
            # F: exit if the text fits a screen. R: show colours. X: keep the screen's content.
            pager = subprocess.Popen(command, stdin=subprocess.PIPE, env={"LESS": "FRX"} | os.environ)
            # While the pager runs, Ctrl-C belongs to it.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                pager.communicate(text.encode())
            finally:
                signal.signal(signal.SIGINT, before)
            return
    console.file.write(text)


def text_of(renderables: "Iterable[RenderableType]") -> str:
    """The output to a file: plain, 80 columns wide."""
    return "".join(_texts(make_console(io.StringIO(), "never"), renderables))


def show(console: "Console", renderables: "Iterable[RenderableType]") -> None:
    """Print to the console."""
    console.file.writelines(_texts(console, renderables))


def _texts(console: "Console", renderables: "Iterable[RenderableType]") -> Iterator[str]:
    """What is printed, without blanks at the ends of lines if it is not for a terminal; code may be wider than it."""
    for renderable in renderables:
        with console.capture() as capture:
            console.print(renderable, crop=False)
        yield capture.get() if console.is_terminal else re.sub(" +\n", "\n", capture.get())
