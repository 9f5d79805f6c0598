"""Runs the user's program on one layer: a command in a folder, a command that answers lines, or a Python function."""

import json
import re
import shlex
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cnngrad.arrays import Array, as_claim
from cnngrad.errors import CnngradError
from cnngrad.layer import Layer
from cnngrad.programs.calling import by_name
from cnngrad.programs.exchange import EXCHANGES, described, most_bytes, paths, read_results, write_layer
from cnngrad.programs.processes import End, Fault, Process, ProcessEndedError
from cnngrad.programs.suites import SuiteLayer
from cnngrad.tensor import Tensor

__all__ = ["Answer", "Command", "Function", "Keep", "Program", "Stream", "program_of"]

_SIDES = {1: [("left", "right")], 2: [("top", "bottom"), ("left", "right")]}
_SIDES[3] = [("front", "back"), *_SIDES[2]]
_AXES = ("depth", "height", "width")
# Lines of a program that are no answers, of which the last are shown if no answer follows.
_STRAY_LINES = 5
# The characters that are shown of such a line.
_STRAY_LENGTH = 60
# An import, and the first call in a process, may each take this many times as long as a call.
_FIRST = 6
# The bytes of an answer beside its arrays.
_BESIDE = 2**20


# Keeps the files of a run: called with their folder, before it goes away.
Keep = Callable[[Path], None]


class Answer(NamedTuple):
    """What became of one run.

    Attributes:
        results: the arrays, or in words why one can't be read.
        fault: why there are no results to judge; None where the program ran to its end.
        said: the end of what it wrote to standard error.
        note: what was done to understand it, in a sentence; may be empty.
    """

    results: dict[Tensor, Array | str]
    fault: Fault | None = None
    said: str = ""
    note: str = ""

    @classmethod
    def skipped(cls, why: str, note: str = "") -> "Answer":
        """The answer of a program that does not support the layer."""
        return cls({}, Fault.plain(End.SKIPPED), why, note)


class Program(ABC):
    """Something that computes results for a layer."""

    # How precise its results are, as for `check`; None if their dtype says so, or the numbers of a text.
    written: str | None = None

    @abstractmethod
    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Run it on one layer.

        Args:
            layer: the layer.
            keep: keeps the files of this run; None to keep none.
        """

    def close(self) -> None:  # noqa: B027 (most programs have nothing to end)
        """End what is still running; nothing is, by default."""


def program_of(text: str, exchange: str, timeout: float, stream: bool = False, fixed: Collection[str] = ()) -> Program:
    """The program that `--run` names: `package.module:function`, or a command.

    Args:
        text: the command or the function.
        exchange: how arrays are written for a command, one of `EXCHANGES`.
        timeout: the seconds that each run may take.
        stream: whether the command answers lines on its standard input, one process for all layers.
        fixed: the options that are the same in all layers, which a function need not take.

    Raises:
        CnngradError: an empty command, an unknown word in braces, or an unknown exchange.
    """
    if exchange not in EXCHANGES:
        forms = {"csv": "json", "npy32": "f32"}.get(exchange, ", ".join(EXCHANGES))
        raise CnngradError(f"exchange is {exchange[:40]!r}: use {forms}")
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", text):
        if stream:
            raise CnngradError(f"--stream is for commands: {text} is a Python function, leave it out")
        return Function(text, timeout, fixed)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise CnngradError(f"the command {text!r} can't be split into words: {error}") from None
    if not words:
        raise CnngradError("the command is empty: write --run './program {dir}'")
    return Stream(words, timeout) if stream else Command(words, exchange, timeout)


@contextmanager
def _folder(keep: Keep | None) -> Iterator[Path]:
    """A new, empty folder that goes away as it is left, once its files are kept."""
    with tempfile.TemporaryDirectory(prefix="cnngrad-", ignore_cleanup_errors=True) as name:
        yield Path(name)
        if keep is not None:
            keep(Path(name))


class Command(Program):
    """A command, run anew for every layer, which finds its arrays in a folder and writes its results there."""

    def __init__(self, words: list[str], exchange: str, timeout: float) -> None:
        """A command with words in braces, such as `./conv {dir}`."""
        self._words, self._exchange, self._timeout = words, exchange, timeout
        self._process: Process | None = None

    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Run it in a new, empty folder."""
        with _folder(keep) as folder:
            write_layer(folder, layer, self._exchange)
            words = [_filled(word, folder, layer.layer, self._exchange) for word in self._words]
            process = self._process = Process(words, talks=False)
            try:
                fault = process.wait(self._timeout, folder)
            finally:
                process.close()
            if fault is not None:
                return Answer({}, fault, process.said())
            return Answer(read_results(folder, layer.layer, self._exchange))

    def close(self) -> None:
        """End the run that goes on, if one does."""
        if self._process is not None:
            self._process.close()


def _filled(word: str, folder: Path, layer: Layer, exchange: str) -> str:
    """A word of the command with its braces filled."""
    known = _placeholders(folder, layer, exchange)

    def fill(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise CnngradError(
                f"{match[0]} is unknown in --run: it may be {', '.join(f'{{{name}}}' for name in known)}"
            )
        return known[match[1]]

    return re.sub(_IN_BRACES, fill, word)


_IN_BRACES = r"\{([A-Za-z_]+)\}"


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


class _Talker(Program):
    """A program that is one process for many layers, started anew after a crash."""

    def __init__(self, words: list[str], timeout: float) -> None:
        self._words, self._timeout = words, timeout
        self._process: Process | None = None
        # How many times as long as others the next call may take.
        self._patience = _FIRST

    def _started(self) -> Process:
        if self._process is None:
            self._process = Process(self._words, talks=True)
        return self._process

    def _asked(self, process: Process, line: str, layer: Layer) -> Iterator[bytes]:
        """The lines that the process answers a line with, which is that of a layer."""
        most = _BESIDE + sum(map(most_bytes, layer.written.values()))
        return process.ask(f"{line}\n".encode(), self._patience * self._timeout, most)

    def _ended(self, fault: Fault) -> Fault:
        """End a process that has failed, and say what it failed with."""
        self.close()
        if fault.end is not End.UNANSWERED:
            self._patience = _FIRST
        elif self._patience > 1:
            # A program that hangs has had its time: the process that replaces it is given no more.
            self._patience = 1
            return Fault(End.UNANSWERED, f"{fault.words} to the first call")
        return fault

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None


class Stream(_Talker):
    """A command that reads a layer from each line on its standard input, and answers it with a line of results."""

    def __init__(self, words: list[str], timeout: float) -> None:
        """A command without words in braces."""
        for word in words:
            if match := re.search(_IN_BRACES, word):
                raise CnngradError(f"{match[0]} has no meaning with --stream, where one process serves all layers")
        super().__init__(words, timeout)
        self._count = 0

    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Write the layer to the process, and wait for the answer with the same id."""
        self._count += 1
        arrays = {tensor.key: array.tolist() for tensor, array in layer.written.items()}
        asked = {"id": self._count} | described(layer.layer) | arrays
        request = json.dumps(asked)
        stray: deque[str] = deque(maxlen=_STRAY_LINES)
        process, note = self._started(), ""
        try:
            for line in self._asked(process, request, layer.layer):
                content = _as_object(line)
                if content is not None and content.get("id") == self._count:
                    break
                stray.append(line.decode(errors="replace"))
                if content is not None and not note:
                    which = f"the id {content['id']!r:.20}" if "id" in content else "no id"
                    note = f"A line of its output has {which}, which is no layer's: {stray[-1][:_STRAY_LENGTH]}"
        except ProcessEndedError as ended:
            said = "\n".join(filter(None, [process.said().rstrip(), *stray]))
            fault = self._ended(ended.fault)
            _keep_lines(keep, request, "")
            if fault.end is End.UNANSWERED:
                said += "\n(an answer is one line of JSON with the same id; flush standard output behind it)"
            return Answer({}, fault, said.strip(), note)
        assert content is not None
        self._patience = 1
        _keep_lines(keep, request, line.decode(errors="replace"))
        if content.get("skipped"):
            return Answer.skipped(str(content["skipped"]), note)
        # What the line of the layer has may be said again.
        new = {key: value for key, value in content.items() if key not in asked and key != "skipped"}
        try:
            named = by_name(new, "the answer has")
        except CnngradError as error:
            return Answer({}, Fault(End.FAILED, f"not readable ({error})"), note=note)
        return Answer({tensor: _as_numbers(tensor, value) for tensor, value in named}, note=note)


def _keep_lines(keep: Keep | None, request: str, answer: str) -> None:
    with _folder(keep) as folder:
        (folder / "request.json").write_text(request + "\n")
        (folder / "answer.json").write_text(answer + "\n")


def _as_object(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _as_numbers(tensor: Tensor, value: Any) -> Array | str:
    """An array in an answer, or what is wrong with it; null in it is NaN."""
    try:
        return as_claim(tensor.key, _without_null(value))
    except CnngradError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"


def _without_null(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    return float("nan") if value is None else value


class Function(_Talker):
    """A Python function, called in one worker process."""

    def __init__(self, name: str, timeout: float, fixed: Collection[str]) -> None:
        """The function `package.module:function`."""
        super().__init__([sys.executable, "-m", "cnngrad.programs.worker", name, *fixed], timeout)
        self._name = name

    def _started(self) -> Process:
        """The process, which has imported the function."""
        if self._process is not None:
            return self._process
        process, limit = super()._started(), _FIRST * self._timeout
        try:
            line = next(process.ask(b"", limit, _BESIDE)).decode(errors="replace")
        except ProcessEndedError as ended:
            self.close()
            late = f"it took more than {limit:g} s: a longer --timeout gives it more"
            why = late if ended.fault.end is End.UNANSWERED else ended.fault.words
            raise CnngradError(f"can't import {self._name}: {why}") from None
        if line != "ready":
            self.close()
            raise CnngradError(f"can't import {self._name}: {line}")
        return process

    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Call it with one layer's arrays."""
        with _folder(keep) as folder:
            write_layer(folder, layer, "npy")
            process = self._started()
            try:
                line = next(self._asked(process, str(folder), layer.layer))
            except ProcessEndedError as ended:
                said = process.said()
                return Answer({}, self._ended(ended.fault), said)
            self._patience = 1
            kind, _, words = line.decode(errors="replace").partition(" ")
            if kind == "skipped":
                return Answer.skipped(words)
            if kind == "done":
                return Answer(read_results(folder, layer.layer, "npy"), note=words)
            return Answer({}, Fault(End.FAILED, f"exception ({words})"), process.said())
