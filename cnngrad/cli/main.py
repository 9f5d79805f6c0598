"""From a command line to an exit code: the Typer app, and an exit code for every way in which a command can end.

NumPy, Rich and the library load inside the commands, so that `--help` and `--version` start at once.
"""

import errno
import io
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout, suppress
from typing import Annotated

import typer

from cnngrad import __version__
from cnngrad.cli.commands import backward_command, check_command, exercise_command, forward_command
from cnngrad.cli.limits import NO_MEMORY, is_limited
from cnngrad.cli.options import Command
from cnngrad.cli.session import ExitCode, OutputError, Session
from cnngrad.errors import CnngradError
from cnngrad.schema import SCHEMA

__all__ = ["app", "main"]

_COMMANDS = {
    "forward": (
        forward_command,
        "The output O, from X and W.",
        ("forward samples/notes.json", "forward -x 7x7 -w 3x3 --padding 1 --element o11"),
    ),
    "backward": (
        backward_command,
        "The gradients dE/dW, dE/dX and dE/db, with their working.",
        ("backward samples/notes.json --explain", "backward -x 5x5 -w 2x2 --stride 2 --element x33"),
    ),
    "exercise": (
        exercise_command,
        "Exercises on a layer, with their solution; and the grades of answers.",
        (
            "exercise -x 4x4 -w 2x2 --stride 2 --ask dX --count 3 --report sheet.tex --solution solution.tex",
            "exercise -x 3x3 -w 2x2 --ask dW,dX,mistake --seed 7 --format moodle --report bank.xml",
        ),
    ),
    "check": (
        check_command,
        "Check gradients, cnngrad's or your own, against finite differences.",
        (
            "check samples/wrong/problem.json --dx samples/wrong/dEdX.json",
            "check --run samples.run.numpy_backward:backward --suite quick",
        ),
    ),
}


# Options that were removed, with their replacements.
_GONE = {
    "--slides": "--slides is gone: save --section NAME as --report FILE.tex --fragment, and \\input it into a frame",
    "--skip": "--skip is gone: --run-only GLOB selects layers, --without LIST leaves out unsupported features",
}


def main(args: Sequence[str] | None = None, session: Session | None = None) -> int:
    """Run a command line and return its exit code.

    Args:
        args: the words after `cnngrad`; None for those of the process.
        session: the streams that the command uses; None for those of the process.
    """
    words = sys.argv[1:] if args is None else list(args)
    session = session or Session.of_process()
    try:
        code = _ended(words, session)
        session.end_work()
    except KeyboardInterrupt:
        code = session.interrupted()
    return session.finish(code)


def _ended(words: Sequence[str], session: Session) -> ExitCode:
    if session.stdout is None:
        return session.fail("standard output is closed")
    try:
        return _run(words, session)
    except CnngradError as error:
        message = str(error)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = "cnngrad" if context is None else context.command_path
        gone = _GONE.get(getattr(error, "option_name", ""))
        message = str(CnngradError(gone or f"{error.format_message().rstrip('.')}; see {path} --help"))
    except OutputError as error:
        return session.fail(f"can't write standard output: {error}") if str(error) else ExitCode.PIPE_CLOSED
    except MemoryError as error:
        message = f"there is not enough memory: {str(error) or 'use a smaller layer'}"
    except Exception as error:
        # Python 3.11 turns any exception raised while a class is created, even an interruption, into a RuntimeError.
        if session.signalled is not None:
            return session.interrupted()
        # The system refuses a path that is too long, or that leads through a folder which may not be read.
        if isinstance(error, OSError) and error.filename is not None:
            message = f"can't use {error.filename}: {error.strerror}"
        elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
            message = f"can't write a file: {error.strerror}"
        # Without memory, imports and new threads fail in these ways.
        elif is_limited() and isinstance(error, ImportError | RuntimeError):
            message = NO_MEMORY
        else:
            import traceback

            session.write_error(traceback.format_exc())
            session.tell("this is a defect of cnngrad, please report it with the lines above")
            return ExitCode.CRASHED
    if "--json" in words:
        # Standard error gets the message even if standard output can't be written.
        with suppress(OutputError), session.printing() as stdout:
            stdout.write(json.dumps({"schema": SCHEMA, "error": message}) + "\n")
    return session.fail(message)


def _run(words: Sequence[str], session: Session) -> ExitCode:
    """Run the command line without Typer's own `main`, which handles interruptions and closed pipes differently."""
    # Typer takes milliseconds to prepare a command: if the first word names one, prepare that one only.
    wanted = _app(words[:1]) if words and words[0] in _COMMANDS else app
    command = typer.main.get_command(wanted)
    shown = io.StringIO()
    try:
        # Typer itself prints help and version; commands print to the session.
        with redirect_stdout(shown), command.make_context("cnngrad", list(words) or ["--help"], obj=session) as context:
            return ExitCode(command.invoke(context))
    except typer.Exit:
        with session.printing() as stdout:
            stdout.write(shown.getvalue())
        return ExitCode.OK


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cnngrad {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _app(names: Iterable[str]) -> typer.Typer:
    made = typer.Typer(
        name="cnngrad",
        help="The gradients of a convolution layer, with their working.",
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_options)
    for name in names:
        command, summary, examples = _COMMANDS[name]
        shown = "\n".join(f"  cnngrad {words}" for words in examples)
        # Typer wraps paragraphs, except those that begin with \b.
        made.command(name, cls=Command, short_help=summary, epilog=f"\b\nExamples:\n{shown}")(command)
    return made


app = _app(_COMMANDS)
