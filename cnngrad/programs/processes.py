"""A process of the user's program: in a group of its own, watched, and ended together with all that it started."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnngrad.errors import CnngradError
from cnngrad.programs.exchange import MOST_BYTES
from cnngrad.programs.verdicts import Result, Verdict

# The bytes kept from the end of a process's output to the screen.
_KEPT = 2**16
# Seconds to wait for a killed process's last output.
_LAST_WORDS = 1.0
# Seconds to wait for output to the screen that comes with an answer.
_SAID = 0.05
# Seconds between two checks of the size of a process's folder.
_LOOK = 0.2
# Maximum number of searches for new descendants while known ones are being killed.
_MOST_ROUNDS = 100


@dataclass(eq=False)
class ProcessEndedError(Exception):
    """A process has ended, or was ended.

    Attributes:
        end: how it ended.
        said: the end of its output to the screen.
    """

    end: Result
    said: str


class Process:
    """A process of the user's program."""

    def __init__(self, words: Sequence[str], *, talks: bool, memory: int | None = None) -> None:
        """Start it.

        Args:
            words: the command's words.
            talks: whether it answers lines on its standard input with lines on its standard output; otherwise its
                input is empty, and its output is kept with its standard error.
            memory: the limit of its address space in MiB; None for no limit.

        Raises:
            CnngradError: it can't be started.
        """
        mark = uuid.uuid4().hex
        self._mark = mark.encode()
        _adopt_orphans()
        with _STARTING:
            try:
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE if talks else subprocess.STDOUT,
                    env=os.environ | {f"CNNGRAD_RUN_{mark}": ""},
                    start_new_session=True,
                )
            except OSError as error:
                raise CnngradError(f"can't start {words[0]}: {error.strerror or error}") from None
            _RUNNING[self._process.pid] = self._mark
        # Limits the size of its files, and its memory, if the system can.
        with suppress(ImportError, AttributeError, OSError, ValueError):
            import resource

            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
            if memory is not None:
                resource.prlimit(self._process.pid, resource.RLIMIT_AS, (memory * 2**20, memory * 2**20))
        # The end of its output to the screen, and the beginning of its next answer.
        self._kept = b""
        self._unread = bytearray()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def wait(self, timeout: float, folder: Path) -> None:
        """Wait until it ends with success, then end everything that it started.

        Raises:
            ProcessEndedError: it failed, or was killed because it took too long or wrote too much to its folder.
        """
        until = time.monotonic() + timeout
        while self._process.poll() is None:
            left = until - time.monotonic()
            if left <= 0:
                raise self._ended(_too_long(timeout))
            if _size(folder) > MOST_BYTES:
                raise self._ended(_TOO_MUCH)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(min(_LOOK, left))
        if fault := _fault(self._process.returncode):
            raise self._ended(fault)
        self.close()

    def ask(self, line: str, timeout: float, most: int) -> Iterator[str]:
        """Write a line to its standard input, and yield the lines that it writes to its standard output.

        Args:
            line: the line; if it is empty, nothing is written.
            timeout: the seconds that all answers may take.
            most: the maximum number of bytes in a line of an answer.

        Raises:
            ProcessEndedError: it ended, or was killed because no further line came in time or a line was too long.
        """
        inlet = self._process.stdin
        outlet = self._process.stdout
        assert inlet is not None
        assert outlet is not None
        until = time.monotonic() + timeout
        rest = memoryview(f"{line}\n".encode() if line else b"")
        while (left := until - time.monotonic()) > 0:
            readable, writable, _ = select.select([outlet], [inlet] if rest else [], [], left)
            if writable:
                try:
                    rest = rest[os.write(inlet.fileno(), rest[: select.PIPE_BUF]) :]
                except BrokenPipeError:
                    rest = rest[:0]
            if readable:
                part = os.read(outlet.fileno(), _KEPT)
                if not part:
                    # It may close its output, and go on.
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(_LAST_WORDS)
                    fault = _fault(self._process.returncode or 0)
                    raise self._ended(fault or Result(Verdict.FAILED, "ended without an answer"))
                self._unread += part
                # Only the new part can hold the end of a line.
                if b"\n" in part:
                    *lines, self._unread = self._unread.split(b"\n")
                    yield from (each.decode(errors="replace") for each in lines)
                elif len(self._unread) > most:
                    raise self._ended(Result(Verdict.FLOODED, f"wrote a line of more than {most} bytes"))
        raise self._ended(_too_long(timeout))

    def _ended(self, end: Result) -> ProcessEndedError:
        self.close()
        return ProcessEndedError(end, self.said())

    def _listen(self) -> None:
        """Read its output to the screen as it comes, and keep the end."""
        screen = self._process.stderr or self._process.stdout
        with suppress(OSError, ValueError):
            while screen and (part := os.read(screen.fileno(), _KEPT)):
                self._kept = (self._kept + part)[-_KEPT:]

    def said(self) -> str:
        """The end of its output to the screen since the last call."""
        time.sleep(_SAID)
        kept = self._kept
        self._kept = b""
        return kept.decode(errors="replace")

    def close(self) -> None:
        """End it and everything that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        _RUNNING.pop(self._process.pid, None)
        for _ in range(_MOST_ROUNDS):
            with _STARTING:
                pids = [
                    pid
                    for pid, is_orphan, variables in _processes()
                    if self._mark in variables
                    or (is_orphan and pid not in _RUNNING and not any(mark in variables for mark in _RUNNING.values()))
                ]
            if not pids:
                break
            for pid in pids:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)
        # The wait is limited because a process that can't be killed may go on writing.
        self._reader.join(_LAST_WORDS)
        for stream in filter(None, (self._process.stdin, self._process.stdout, self._process.stderr)):
            with suppress(OSError):
                stream.close()


# For each process that is running, the mark that its descendants inherit in their environment, by its id; the lock is
# held while one is started or descendants are searched for.
_RUNNING: dict[int, bytes] = {}
_STARTING = threading.Lock()
# PR_SET_CHILD_SUBREAPER of Linux's prctl.
_SUBREAPER = 36


def _adopt_orphans() -> None:
    """Become the parent of the processes that a program leaves behind, so that they can be found; on Linux only."""
    if sys.platform.startswith("linux"):
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _processes() -> Iterator[tuple[int, bool, bytes]]:
    """The processes under /proc: the id of each, whether it is a child of ours in another session, its environment.

    Each program begins a session, so that such a child is a program, or an orphan that one has left behind.
    """
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            # The name in parentheses, which may be any bytes, is followed by the state, and the ids of the parent, the
            # group and the session.
            _, parent, _, session = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:4]
            variables = b""
            # The environment of another user's process can't be read.
            with suppress(OSError):
                variables = (folder / "environ").read_bytes()
            yield int(folder.name), int(parent) == os.getpid() and int(session) != os.getsid(0), variables


_TOO_MUCH = Result(Verdict.FLOODED, "wrote more than 1 GiB")
# The exit status of a program that does not support a layer, as in automake's test suites.
_SKIPPED = 77


def _too_long(timeout: float) -> Result:
    return Result(Verdict.UNANSWERED, f"no answer in {timeout:g} s")


def _fault(code: int) -> Result | None:
    if code == -signal.SIGXFSZ:
        return _TOO_MUCH
    if code == _SKIPPED:
        return Result(Verdict.SKIPPED)
    if code < 0:
        return Result(Verdict.CRASHED, f"crash (signal {-code})")
    return Result(Verdict.FAILED, f"exit status {code}") if code else None


def _size(folder: Path) -> int:
    total = 0
    # In folders nested deeper than Python's stack, rglob raises RecursionError.
    with suppress(OSError, RecursionError):
        for path in () if folder.is_symlink() else folder.rglob("*"):
            total += path.lstat().st_size
    return total
