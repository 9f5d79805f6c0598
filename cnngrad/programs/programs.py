"""Runs the user's program on a layer: a command in a folder, a command that answers lines, or a Python function."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnngrad.arrays import Array, as_claim
from cnngrad.errors import CnngradError, visible
from cnngrad.layer import Layer
from cnngrad.programs.exchange import EXCHANGES, described, most_bytes, paths, read_results, write_layer
from cnngrad.programs.processes import Process, ProcessEndedError
from cnngrad.programs.suites import SuiteLayer
from cnngrad.programs.verdicts import Answer, Fault, Verdict, answered, failed
from cnngrad.schema import Json
from cnngrad.tensor import Tensor

# Maximum number of lines shown of an output without an answer.
_STRAY_LINES = 5
# Maximum number of characters shown of such a line.
_STRAY_LENGTH = 60
# An import, and the first call in a process that keeps running, may each take this many times the timeout.
FIRST = 6
# Maximum size of an answer in bytes, in addition to its arrays.
_BESIDE = 2**20

# Keeps the files of a run: called with their folder before it is deleted.
Keep = Callable[[Path], None]


class Program(ABC):
    """Something that computes results for a layer."""

    # The precision of its results, as for `check`; None for that of their dtype or of a text's digits.
    written: str | None = None
    # Whether it runs several layers in one process, and whether its arrays may have any memory layout.
    keeps_running = False
    in_memory = False

    @abstractmethod
    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Run it on one layer; `keep`, if given, keeps the files of this run."""

    def close(self) -> None:  # noqa: B027 (most programs have nothing to end)
        """End the processes that are still running."""

    def end(self) -> None:
        """End it for good: a thread that still has it runs no further layer."""
        self.close()


def is_function(text: str) -> bool:
    """Whether `--run` names a Python function: `package.module:function`, or `folder/file.py:function`."""
    return re.fullmatch(r"((?s:.+)\.py|[^\W\d]\w*(\.[^\W\d]\w*)*):[^\W\d]\w*", text) is not None


def program_of(
    text: str,
    exchange: str,
    timeout: float,
    stream: bool = False,
    fixed: Collection[str] = (),
    memory: int | None = None,
    first: int = FIRST,
) -> Program:
    """The program that `--run` names: `package.module:function`, or a command.

    Args:
        text: the command, or the function as `is_function` describes it.
        exchange: how arrays are written for a command, one of `EXCHANGES`.
        timeout: the seconds that each run may take.
        stream: whether the command answers lines on its standard input, one process for all layers.
        fixed: the options that are the same in all layers, which a function need not take.
        memory: the memory limit of its process in MiB; None for no limit.
        first: the timeout of the first call in a process that keeps running, as a multiple of the others'.

    Raises:
        CnngradError: an empty command, a word in braces with `stream`, or an unknown exchange.
    """
    if exchange not in EXCHANGES:
        forms = "json" if exchange == "csv" else ", ".join(EXCHANGES)
        raise CnngradError(f"exchange is {exchange[:40]!r}: use {forms}")
    if is_function(text):
        if stream:
            raise CnngradError(f"{text} is a Python function and --stream is for commands: leave out --stream")
        words = [sys.executable, "-m", "cnngrad.programs.worker", text, *fixed]
        return _Function(words, timeout, memory, first)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise CnngradError(f"the command {text!r} can't be split into words: {error}") from None
    if not stream:
        return _Command(words, timeout, memory, 1, exchange)
    if match := re.search(_IN_BRACES, text):
        raise CnngradError(
            f"{match[0]} has no meaning with --stream, since one process serves all layers: leave it out"
        )
    return _Stream(words, timeout, memory, first)


@dataclass(eq=False)
class _External(Program):
    """A program in a process of its own, which is started on demand, and again after a failure.

    Attributes:
        words: the words of its command.
        timeout: the seconds that each run may take.
        memory: the memory limit of its process in MiB; None for no limit.
        first: the timeout of the first call in a process, as a multiple of the others'.
        exchange: how arrays are written for it.
    """

    words: list[str]
    timeout: float
    memory: int | None
    first: int
    exchange: str = "npy"

    def __post_init__(self) -> None:
        """Begin without a process."""
        # The timeout of the next call, as a multiple of the others'.
        self._patience = self.first
        self._process: Process | None = None
        # How the answer was understood, in a sentence.
        self._note = ""
        self._is_over = False

    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Run it, with a new, empty folder for its files."""
        with _temporary() as folder:
            self._note = ""
            patience = self._patience
            # After a hang too, the first call in the new process gets no extra time.
            self._patience = 1
            try:
                answer = self._answer(layer, folder, patience * self.timeout)
            except ProcessEndedError as ended:
                self._process = None
                end = ended.end
                if end.verdict is not Verdict.UNANSWERED:
                    self._patience = self.first
                elif patience > 1:
                    end = replace(end, words=f"{end.words} to the first call")
                answer = Answer({}, end, ended.said)
            _restore(folder)
            if keep is not None:
                keep(folder)
        return answer._replace(note=self._note)

    def _start(self, words: list[str]) -> Process:
        self._process = started = Process(words, talks=self.keeps_running, memory=self.memory)
        if self._is_over:
            self.close()
            raise CancelledError
        return started

    @abstractmethod
    def _answer(self, layer: SuiteLayer, folder: Path, timeout: float) -> Answer:
        """Its answer for a layer; ProcessEndedError if there is none."""

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def end(self) -> None:
        """End the process, and start no other."""
        self._is_over = True
        self.close()


@contextmanager
def _temporary() -> Iterator[Path]:
    """A new folder, which is removed at the end with all that a program has put there."""
    folder = Path(tempfile.mkdtemp(prefix="cnngrad-"))
    try:
        yield folder
    finally:
        _restore(folder)
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError):
            # For folders without permissions, or deeper than Python's stack; these commands follow no links.
            for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
                with suppress(OSError):
                    subprocess.run([*command, "--", str(folder)], capture_output=True, check=False)


def _restore(folder: Path) -> None:
    """Replace by an empty folder a link or a pipe that a program has put there: cnngrad would follow it, or wait."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        folder.mkdir()


class _Command(_External):
    """A command, run again for every layer, which reads its arrays from a folder and writes its results there."""

    def _answer(self, layer: SuiteLayer, folder: Path, timeout: float) -> Answer:
        write_layer(folder, layer, self.exchange)
        known = _placeholders(folder, layer.layer, self.exchange)

        def filled(match: re.Match[str]) -> str:
            if match[1] not in known:
                names = ", ".join(f"{{{name}}}" for name in known)
                raise CnngradError(f"{match[0]} is unknown in --run: use {names}")
            return str(known[match[1]])

        words = [re.sub(_IN_BRACES, filled, word) for word in self.words]
        self._start(words).wait(timeout, folder)
        _restore(folder)
        self._process = None
        return read_results(folder, layer.layer, self.exchange)


_IN_BRACES = r"\{([A-Za-z_]+)\}"
_AXES = (("depth", "front", "back"), ("height", "top", "bottom"), ("width", "left", "right"))


def _placeholders(folder: Path, layer: Layer, exchange: str) -> dict[str, Any]:
    """The values of the words in braces."""
    known: dict[str, Any] = {"dir": folder} | {tensor.key: path for tensor, path in paths(folder, exchange).items()}
    known |= {name: getattr(layer, name) for name in ("batch", "channels", "filters", "groups")}
    known["padding_mode"] = layer.mode
    for axis, (name, front, back) in zip(layer.axes, _AXES[-layer.dims :], strict=True):
        known[name] = axis.size
        known |= {f"{each}_{name}": getattr(axis, each) for each in ("kernel", "out", "stride", "dilation")}
        known |= {f"pad_{front}": axis.before, f"pad_{back}": axis.after, f"output_padding_{name}": axis.extra}
    return known


class _Stream(_External):
    """A command that reads a layer from each line of its standard input, and answers with a line of results."""

    keeps_running = True
    _count = 0

    def _answer(self, layer: SuiteLayer, folder: Path, timeout: float) -> Answer:
        self._count += 1
        arrays = {tensor.key: array.tolist() for tensor, array in layer.written.items()}
        asked = {"id": self._count} | described(layer.layer) | arrays
        request = json.dumps(asked)
        kept = folder / "answer.json"
        (folder / "request.json").write_text(f"{request}\n")
        kept.write_text("\n")
        stray: deque[str] = deque(maxlen=_STRAY_LINES)
        try:
            process = self._process or self._start(self.words)
            for line in process.ask(request, timeout, _BESIDE + sum(map(most_bytes, layer.layer.written.values()))):
                content = _as_object(line)
                if content.get("id") == self._count:
                    break
                stray.append(line)
                if content and not self._note:
                    which = f"the id {content['id']!r:.20}" if "id" in content else "no id"
                    self._note = f"A line of its output with {which} is not an answer: {line[:_STRAY_LENGTH]}"
        except ProcessEndedError as ended:
            said = [ended.said.rstrip(), *stray]
            if ended.end.verdict is Verdict.UNANSWERED:
                said.append("(an answer is one line of JSON with the same id; flush standard output after it)")
            ended.said = "\n".join(filter(None, said)).strip()
            raise
        kept.write_text(f"{line}\n")
        # An answer may repeat keys of the request.
        new = {key: value for key, value in content.items() if key not in asked}
        if skipped := new.pop("skipped", None):
            return failed(Verdict.SKIPPED, said=" ".join(str(skipped).split()))
        return answered(new, "the answer has", _as_numbers)


def _as_object(line: str) -> Json:
    """The object in a line of JSON; an empty one if there is none."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _as_numbers(tensor: Tensor, value: Any) -> Array:
    """An array in an answer; null stands for NaN."""
    try:
        return as_claim(tensor.key, _without_null(value))
    except RecursionError:
        raise CnngradError("it is nested too deeply") from None


def _without_null(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    return float("nan") if value is None else value


class _Function(_External):
    """A Python function, called in one worker process."""

    keeps_running = in_memory = True

    def _answer(self, layer: SuiteLayer, folder: Path, timeout: float) -> Answer:
        write_layer(folder, layer, self.exchange)
        process = self._process or self._imported()
        # The folder's path may hold any character, so it is sent as JSON.
        kind, _, words = next(process.ask(json.dumps(str(folder)), timeout, _BESIDE)).partition(" ")
        _restore(folder)
        if kind == "skipped":
            return failed(Verdict.SKIPPED, said=words)
        if kind == "unwritten":
            raise CnngradError(f"can't write results in {folder.parent}: {words}")
        if kind == "done":
            done = _as_object(words)
            faults = done.get("faults")
            # A function may write to the worker's own output.
            if not (isinstance(faults, list) and all(isinstance(each, list) and len(each) == 2 for each in faults)):
                return failed(Verdict.FAILED, "an answer that is not the worker's", process.said())
            self._note = str(done.get("note", ""))
            told = tuple(Fault(*(visible(str(part)) for part in each)) for each in faults)
            return read_results(folder, layer.layer, self.exchange)._replace(faults=told)
        return failed(Verdict.FAILED, f"exception ({words})", process.said())

    def _imported(self) -> Process:
        """The new process, which says `ready` once it has imported the function."""
        started = self._start(self.words)
        limit = FIRST * self.timeout
        try:
            line = next(started.ask("", limit, _BESIDE))
        except ProcessEndedError as ended:
            late = ended.end.verdict is Verdict.UNANSWERED
            line = f"it took more than {limit:g} s: set a longer --timeout" if late else ended.end.status
        if line != "ready":
            self.close()
            # The fourth word names the function, after python -m and the worker.
            raise CnngradError(f"can't import {self.words[3]}: {line}")
        return started
