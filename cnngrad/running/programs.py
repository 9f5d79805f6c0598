"""Runs the user's program on one layer: a command in a folder, or a Python function in a process of its own."""

import os
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from cnngrad.arrays import Array
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.running.exchange import EXCHANGES, MOST_BYTES, paths, read_results, write_layer
from cnngrad.running.suites import SuiteLayer
from cnngrad.tensor import Tensor

__all__ = ["Answer", "Command", "Function", "Program", "program_of"]

# A program ends with this status where it does not support a layer, as in automake's test suites.
_SKIPPED = 77
# What is kept of a program's standard error.
_KEPT = 2**16
# Seconds to wait for the end of a program's output once its processes are killed.
_LAST_WORDS = 1.0
_SIDES = {1: [("left", "right")], 2: [("top", "bottom"), ("left", "right")]}
_SIDES[3] = [("front", "back"), *_SIDES[2]]
_AXES = ("depth", "height", "width")


class Answer(NamedTuple):
    """What became of one run.

    Attributes:
        status: empty where the program ran to its end; else what happened, in words.
        results: the arrays, or what is wrong with one.
        said: the end of what it wrote to standard error.
        skipped: whether the program says that it does not support the layer.
    """

    status: str
    results: dict[Tensor, Array | str]
    said: str = ""
    skipped: bool = False


class Program(ABC):
    """Something that computes results for a layer."""

    # How precise its results are, as for `check`; None where their numbers show it.
    written: str | None = None

    @abstractmethod
    def run(self, layer: SuiteLayer) -> Answer:
        """Run it on one layer."""

    def close(self) -> None:  # noqa: B027 (most programs have nothing to end)
        """End what is still running; nothing is, by default."""


def program_of(text: str, exchange: str, timeout: float) -> Program:
    """The program that `--run` names: `package.module:function`, or a command.

    Raises:
        CnngradError: an empty command, an unknown word in braces, or an unknown exchange.
    """
    if exchange not in EXCHANGES:
        raise CnngradError(f"exchange is {exchange[:40]!r}: use {', '.join(EXCHANGES)}")
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", text):
        return Function(text, timeout)
    return Command(text, exchange, timeout)


class Command(Program):
    """A command, run anew for every layer, which finds its arrays in a folder and writes its results there."""

    def __init__(self, text: str, exchange: str, timeout: float) -> None:
        """A command with words in braces, such as `./conv {dir}`."""
        try:
            self._words = shlex.split(text)
        except ValueError as error:
            raise CnngradError(f"the command {text!r} can't be split into words: {error}") from None
        if not self._words:
            raise CnngradError("the command is empty: write --run './program {dir}'")
        self._exchange, self._timeout = exchange, timeout
        self.written = "bfloat16" if exchange == "bf16" else None

    def run(self, layer: SuiteLayer) -> Answer:
        """Run it in a new, empty folder."""
        with tempfile.TemporaryDirectory(prefix="cnngrad-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            write_layer(folder, layer, self._exchange)
            status, said = self._ended([_filled(word, folder, layer.layer, self._exchange) for word in self._words])
            if status == f"exit status {_SKIPPED}":
                return Answer("", {}, said, skipped=True)
            try:
                results = read_results(folder, layer.layer, self._exchange)
            except OSError as error:
                return Answer(f"its folder can't be read: {error.strerror}", {}, said)
            return Answer(status, results, said)

    def _ended(self, words: list[str]) -> tuple[str, str]:
        """Run the words in a process group of their own, and say how it ended."""
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise CnngradError(f"can't start {words[0]}: {error.strerror or error}") from None
        assert process.stdout is not None
        _limit_files(process)
        output = _Output(process.stdout)
        try:
            code: int | None = process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _kill_group(process)
        said = output.end()
        if code is None:
            return f"no answer in {self._timeout:g} s", said
        return "" if code == 0 else _status(code), said


def _filled(word: str, folder: Path, layer: Layer, exchange: str) -> str:
    """A word of the command with its braces filled."""
    known = _placeholders(folder, layer, exchange)

    def fill(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise CnngradError(
                f"{match[0]} is unknown in --run: it may be {', '.join(f'{{{name}}}' for name in known)}"
            )
        return known[match[1]]

    return re.sub(r"\{([A-Za-z_]+)\}", fill, word)


def _placeholders(folder: Path, layer: Layer, exchange: str) -> dict[str, str]:
    numbers: dict[str, int] = {
        "batch": layer.batch, "channels": layer.channels, "filters": layer.filters, "groups": layer.groups
    }  # fmt: skip
    for name, axis, (front, back) in zip(_AXES[-layer.dims :], layer.axes, _SIDES[layer.dims], strict=True):
        numbers |= {name: axis.size, f"kernel_{name}": axis.kernel, f"out_{name}": axis.out}
        numbers |= {f"stride_{name}": axis.stride, f"dilation_{name}": axis.dilation}
        numbers |= {f"pad_{front}": axis.before, f"pad_{back}": axis.after}
    files = {tensor.key: str(path) for tensor, path in paths(folder, exchange).items()}
    return {"dir": str(folder)} | files | {name: str(number) for name, number in numbers.items()}


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything that it has started in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _limit_files(process: subprocess.Popen[bytes]) -> None:
    """Let a process write no file larger than an array may be, where the system has such a limit."""
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))


class _Output:
    """Reads what a process writes as it writes it, and keeps the end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            while part := os.read(self._stream.fileno(), _KEPT):
                self._kept = (self._kept + part)[-_KEPT:]

    def end(self) -> str:
        """The end of what was written; what a process of another group writes later is left out."""
        self._reader.join(_LAST_WORDS)
        if not self._reader.is_alive():
            self._stream.close()
        return self._kept.decode(errors="replace")


def _status(code: int) -> str:
    return f"crash (signal {-code})" if code < 0 else f"exit status {code}"


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _KEPT))
    return file.read().decode(errors="replace")


class Function(Program):
    """A Python function, called in one worker process that is started anew after a crash."""

    def __init__(self, name: str, timeout: float) -> None:
        """The function `package.module:function`."""
        self._name, self._timeout = name, timeout
        self._worker: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def run(self, layer: SuiteLayer) -> Answer:
        """Call it with one layer's arrays."""
        with tempfile.TemporaryDirectory(prefix="cnngrad-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            write_layer(folder, layer, "npy")
            worker = self._started()
            line = self._asked(worker, f"{folder}\n".encode())
            said = "" if self._errors is None else _end_of(self._errors)
            if line is None or not line:
                self.close()
                code = worker.returncode
                status = f"no answer in {self._timeout:g} s" if line is None else _status(code)
                return Answer(status, {}, said)
            kind, _, words = line.decode(errors="replace").strip().partition(" ")
            if kind == "missing":
                self.close()
                raise CnngradError(words)
            if kind == "skipped":
                return Answer("", {}, words, skipped=True)
            results = read_results(folder, layer.layer, "npy")
            return Answer("" if kind == "done" else f"exception ({words})", results, said)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._worker is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the worker)
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "cnngrad.running.worker", self._name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True,
            )  # fmt: skip
        return self._worker

    def _asked(self, worker: "subprocess.Popen[bytes]", line: bytes) -> bytes | None:
        """The worker's answer to a line; empty where it has ended, None where it takes too long."""
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(line)
            worker.stdin.flush()
        except OSError:
            worker.wait()
            return b""
        found, until = b"", time.monotonic() + self._timeout
        while not found.endswith(b"\n"):
            ready, _, _ = select.select([worker.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            part = os.read(worker.stdout.fileno(), 4096)
            if not part:
                worker.wait()
                return b""
            found += part
        return found

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            _kill_group(self._worker)
            for stream in (self._worker.stdin, self._worker.stdout, self._errors):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        self._worker = self._errors = None
