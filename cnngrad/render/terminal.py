"""The terminal: its console, without colours for redirected output, and the colours of the tensors."""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable
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

# Redirected output has this width, whatever the window.
PLAIN_WIDTH = 80
# One colour each for x, w and o (with dE/do); of medium brightness, so that they are legible on dark and on light.
STYLES = {"x": "#2288cc", "w": "#c8641e", "o": "#a05ad0", "b": "#2a9d6a"}
# The style for what matters less: zeros, and notes on what is not shown.
DIM = "dim"
# Text is no markup; and in a notebook Rich would show what is printed, whatever the stream.
AS_IT_IS: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False, "force_jupyter": False}


def chosen_color(color: str) -> str:
    """`always`, `never` or, where it is left to the terminal, `auto`; FORCE_COLOR makes `auto` `always`."""
    forced = color == "auto" and os.environ.get("FORCE_COLOR") and not os.environ.get("NO_COLOR")
    return "always" if forced else color


def make_console(file: TextIO, color: str = "auto") -> "Console":
    """A console for a stream: in colour and as wide as the window on a terminal, else plain and 80 columns wide.

    Args:
        file: the stream.
        color: `always` or `never` for colours or none; with `auto` as the terminal and the variables NO_COLOR and
            FORCE_COLOR have it.
    """
    from rich.console import Console

    class StrictConsole(Console):
        def on_broken_pipe(self) -> None:
            # Rich itself would end the process with 1.
            raise

    color = chosen_color(color)
    forced, options = color == "always", {**AS_IT_IS, "no_color": None if color == "auto" else color == "never"}
    if not file.isatty():
        options |= {"width": PLAIN_WIDTH, "color_system": "256" if forced else None}
        options |= {"force_terminal": forced, "legacy_windows": False}
    return StrictConsole(file=file, **options)


def show_in_pages(console: "Console", renderables: "Iterable[RenderableType]") -> None:
    """Print to the console; what is longer than the terminal in the user's pager, as git does."""
    command = shlex.split(os.environ.get("PAGER", "less"))
    if not console.is_terminal or not sys.stdin.isatty() or command in ([], ["cat"]):
        show(console, renderables)
        return
    with console.capture() as capture:
        show(console, renderables)
    text = capture.get()
    # A pager that can't be started shows nothing.
    with suppress(OSError):
        if text.count("\n") >= console.height:
            # What fits on a screen is not held, colours are shown, and the screen is left as it was.
            pager = subprocess.Popen(command, stdin=subprocess.PIPE, env={"LESS": "FRX"} | os.environ)
            # Ctrl-C is the pager's while it runs.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                pager.communicate(text.encode())
            finally:
                signal.signal(signal.SIGINT, before)
            return
    console.file.write(text)


def text_of(renderables: "Iterable[RenderableType]") -> str:
    """What is printed to a file: plain, 80 columns wide."""
    file = io.StringIO()
    show(make_console(file, "never"), renderables)
    return file.getvalue()


def show(console: "Console", renderables: "Iterable[RenderableType]") -> None:
    """Print to the console, without blanks at the ends of lines where it is no terminal."""
    for renderable in renderables:
        if console.is_terminal:
            console.print(renderable)
        else:
            with console.capture() as capture:
                console.print(renderable)
            console.file.write(re.sub(" +\n", "\n", capture.get()))
