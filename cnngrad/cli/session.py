"""The surroundings of a command: the standard streams, the signals that may end it, and the files it has written.

Even if a stream is full, closed or absent, or fails during a write, the exit code is one of `ExitCode`, and cnngrad
writes at most one line to standard error.
"""

import codecs
import io
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from types import FrameType
from typing import BinaryIO, TextIO

from cnngrad.errors import CnngradError, visible

__all__ = ["ExitCode", "Interrupted", "OutputError", "Session"]


class ExitCode(IntEnum):
    """The exit codes of the process."""

    OK = 0
    WRONG_GRADIENT = 1  # only if `check` found one
    BAD_INPUT = 2
    CRASHED = 70  # a defect of cnngrad itself: EX_SOFTWARE of sysexits.h
    # Shells report the end by a signal as 128 and the signal's number.
    HUNG_UP = 129  # SIGHUP: the terminal was closed
    INTERRUPTED = 130  # SIGINT: Ctrl-C
    PIPE_CLOSED = 141  # SIGPIPE: the reader of standard output went away
    TERMINATED = 143  # SIGTERM


# The signals that end the process in an orderly way; Windows has no SIGHUP.
_SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]


# Seconds within which further signals belong to the same interruption, so that they don't disturb the clean-up.
_BURST = 2.0


class Interrupted(KeyboardInterrupt):
    """A signal has interrupted the work. After a plain KeyboardInterrupt Python might end the process by SIGINT."""


class OutputError(Exception):
    """Standard output can't be written; the message is the reason, empty if the reader went away."""


# The name under which Python's codecs know the replacements of characters that a stream's encoding lacks: dE/dx22 for
# ∂E/∂x22. Characters of tables are replaced by one each, so that columns stay aligned.
_PLAIN = "cnngrad.plain"
_REPLACED = dict(zip("∂·∗−×…→←─│┌┐└┘ᵀ", "d**-x~><-|++++'", strict=True))
_REPLACED |= {"°": " degrees", "Σ": "sum", "δ": "delta", "²": "^2"}


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_REPLACED.get(character, "?") for character in lacking), error.end


codecs.register_error(_PLAIN, _plain)


class Session:
    """The standard streams of one run, each None if it is closed, and the files that the run writes.

    Attributes:
        signalled: the exit code for the signal that has interrupted the work; None if none has.
    """

    def __init__(self, stdin: BinaryIO | None, stdout: TextIO | None, stderr: TextIO | None) -> None:
        """A session with these streams."""
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.signalled: ExitCode | None = None
        self._since = -_BURST
        self._working = False
        self._files: dict[str, object] = {}

    @classmethod
    def of_process(cls) -> "Session":
        """The session of this process's own streams."""
        return cls(None if sys.stdin is None else sys.stdin.buffer, _buffered(sys.stdout), _buffered(sys.stderr))

    def catch_signals(self) -> None:
        """Make Ctrl-C, SIGTERM and SIGHUP end the process in an orderly way from now on."""
        for number in _SIGNALS:
            # The parent process may have had a signal ignored, as nohup does.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)

    def ignore_signals(self) -> None:
        """Ignore the caught signals from now on, so that they can't disturb the end of the process."""
        for number in _SIGNALS:
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self._working and now - self._since < _BURST:
            return
        self._since = now
        self.signalled = code = ExitCode(128 + number)
        if self._working:
            raise Interrupted
        # There is nothing to clean up, and an exception raised during an import might be lost.
        if sys.stderr is not None:
            with suppress(OSError):
                os.write(2, f"cnngrad: {self._interruption()}\n".encode())
        os._exit(code)

    def begin_work(self, files: Iterable[str]) -> None:
        """From now on there may be unfinished files, so an interruption raises an exception, which cleans them up.

        Args:
            files: the files that the command is going to write.

        Raises:
            CnngradError: two of them are the same.
        """
        written = list(files)
        if len({os.path.realpath(file) for file in written}) < len(written):
            raise CnngradError(f"{' and '.join(written)} are the same file: name another for --report")
        self._files = {file: _identity(file) for file in written}
        self._working = True

    def end_work(self) -> None:
        """From now on no file is unfinished, so an interruption ends the process at once."""
        self._working = False

    @contextmanager
    def printing(self) -> Iterator[TextIO]:
        """Standard output to print to; all of it has been written when the block ends.

        Raises:
            OutputError: standard output can't be written.
        """
        if self.stdout is None:
            raise OutputError("it is closed")
        try:
            yield self.stdout
            self.stdout.flush()
        except OSError as error:
            _discard(self.stdout)
            closed = isinstance(error, BrokenPipeError)
            raise OutputError("" if closed else error.strerror or str(error)) from None

    def read(self) -> bytes:
        """All of standard input.

        Raises:
            CnngradError: it is closed, can't be read, or is too long.
        """
        if self.stdin is None:
            raise CnngradError("standard input is closed: name a file in place of -")
        from cnngrad.files.opening import all_of, reading

        with reading("standard input"):
            return all_of("standard input", self.stdin.read)

    def fail(self, message: str) -> ExitCode:
        """Report what is wrong with the input, and return the exit code for it."""
        written = self._written()
        self.tell(f"{message} (already written: {written})" if written else message)
        return ExitCode.BAD_INPUT

    def interrupted(self) -> ExitCode:
        """Report that the command was interrupted, and return the exit code for it."""
        self.ignore_signals()
        self.tell(self._interruption())
        return self.signalled or ExitCode.INTERRUPTED

    def _interruption(self) -> str:
        if not self._files:
            return "interrupted"
        return visible(f"interrupted; {self._written() or 'no file'} was written")

    def _written(self) -> str:
        """Those of the command's files that have been written since the work began."""
        return ", ".join(file for file, before in self._files.items() if _identity(file) != before)

    def tell(self, message: str) -> None:
        """Print `cnngrad: message` on standard error, if it can be written."""
        self.write_error(f"cnngrad: {visible(message)}\n")

    def write_error(self, text: str) -> None:
        """Print a text on standard error, if it can be written."""
        if self.stderr is None:
            return
        try:
            self.stderr.write(text)
            self.stderr.flush()
        except OSError:
            _discard(self.stderr)

    def finish(self, code: ExitCode) -> ExitCode:
        """Flush the streams, so that nothing can fail as the interpreter ends, and return the exit code."""
        # Output is left in the buffer only by a command that has already failed.
        with suppress(OutputError), self.printing():
            pass
        self.write_error("")
        return code


def _buffered(stream: TextIO | None) -> TextIO | None:
    """The stream, set up to write everything or fail, with plain replacements for what it can't encode."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    if isinstance(stream.buffer, io.RawIOBase):
        # With PYTHONUNBUFFERED and a full disk, only the first part of a text is written, without an error.
        buffer = io.BufferedWriter(io.FileIO(stream.fileno(), "wb", closefd=False))
        return io.TextIOWrapper(buffer, encoding=stream.encoding, errors=_PLAIN, line_buffering=stream.line_buffering)
    stream.reconfigure(errors=_PLAIN)
    return stream


def _discard(stream: TextIO) -> None:
    """Discard what is still in the stream's buffer: writing it would fail again as the interpreter ends."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _identity(file: str) -> object:
    """Properties that change when a file, or something in a folder of --keep, is rewritten; None if it is not there."""
    from cnngrad.files.kept import MARK

    with suppress(OSError):
        status = os.stat(os.path.join(file, MARK) if os.path.isdir(file) else file)
        return status.st_ino, status.st_size, status.st_mtime_ns
    return None
