"""The terminal: its console, without colours for redirected output, and the colours of the tensors."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["DIM", "PLAIN_WIDTH", "STYLES", "make_console", "show", "text_of"]

# Redirected output has this width, whatever the window.
PLAIN_WIDTH = 80
# One colour each for x, w and o (with dE/do); of medium brightness, so that they are legible on dark and on light.
STYLES = {"x": "#2288cc", "w": "#c8641e", "o": "#a05ad0", "b": "#2a9d6a"}
# The style for what matters less: zeros, and notes on what is not shown.
DIM = "dim"


def make_console(file: TextIO) -> "Console":
    """A console for a stream: in colour and as wide as the window on a terminal, else plain and 80 columns wide."""
    from rich.console import Console

    class StrictConsole(Console):
        def on_broken_pipe(self) -> None:
            # Rich itself would end the process with 1.
            raise

    if file.isatty():
        return StrictConsole(file=file, markup=False, highlight=False, emoji=False)
    return StrictConsole(
        file=file,
        width=PLAIN_WIDTH,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )


def text_of(renderables: "Iterable[RenderableType]") -> str:
    """What is printed to a file: plain, 80 columns wide."""
    file = io.StringIO()
    show(make_console(file), renderables)
    return file.getvalue()


def show(console: "Console", renderables: "Iterable[RenderableType]") -> None:
    """Print to the console, without blanks at the ends of lines where it is no terminal."""
    for renderable in renderables:
        if console.is_terminal:
            console.print(renderable)
        else:
            with console.capture() as capture:
                console.print(renderable)
            lines = capture.get().splitlines()
            console.file.write("".join(f"{line.rstrip()}\n" for line in lines))
