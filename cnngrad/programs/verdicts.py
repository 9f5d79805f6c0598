"""The answer of the user's program for a layer, and the verdicts on it: on each array, or on how the run ended."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cnngrad.arrays import Array, Arrays
from cnngrad.errors import CnngradError
from cnngrad.schema import Json
from cnngrad.tensor import RESULTS, Tensor

if TYPE_CHECKING:
    # A worker needs neither, and both load the whole search for causes, which takes longer than NumPy.
    from cnngrad.checks import GradientReport
    from cnngrad.programs.suites import SuiteLayer

# Further names of the results, for an error message.
_OTHERS = "dW, dEdW, grad_w and the like"

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Verdict(Enum):
    """The verdict on one array, or on a run that leaves no arrays to judge.

    Attributes:
        words: the verdict in words.
        passed: whether all is right; None if that is not known.
        is_telling: whether a smaller layer may show the failure better, unlike that of a program that hangs.
    """

    RIGHT = ("right", True)
    WRONG = ("wrong", False, True)
    WRONG_SHAPE = ("wrong shape", False, True)
    NOT_FINITE = ("not finite", False, True)
    COARSE = ("too coarse to judge", None)
    NOT_WRITTEN = ("not written",)
    UNREADABLE = ("not readable",)
    VARIES = ("not the same twice",)
    # For runs:
    UNANSWERED = ("no answer",)
    CRASHED = ("crash", False, True)
    FAILED = ("failed", False, True)
    FLOODED = ("wrote too much", False, True)
    SILENT = ("nothing written",)
    SKIPPED = ("skipped (not supported)", None)
    NOT_RUN = ("not run", None)

    def __init__(self, words: str, passed: bool | None = False, is_telling: bool = False) -> None:
        """One row of the table."""
        self.words = words
        self.passed = passed
        self.is_telling = is_telling


class Fault(NamedTuple):
    """What is wrong with a program beside the numbers of a single call.

    Attributes:
        id: its id, such as `changes-inputs`.
        says: a phrase: "it changes X in place".
    """

    id: str
    says: str


# The fault of a program whose results vary by chance.
VARIES = Fault("not-deterministic", "its results are not the same if it is called twice")


@dataclass(frozen=True)
class Result:
    """The result of judging one array, or a run that leaves no arrays to judge.

    Attributes:
        verdict: the verdict.
        words: the verdict in more precise words; may be empty.
        report: how the array compares with the right numbers; None if there is nothing to compare.
        hint: what is wrong with the array, and how to fix it; empty if nothing is.
    """

    verdict: Verdict
    words: str = ""
    report: "GradientReport | None" = None
    hint: str = ""

    @property
    def status(self) -> str:
        """The verdict in words."""
        return self.words or self.verdict.words

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The ids of the mistakes in the likeliest explanation; empty if none is known."""
        return () if self.report is None else self.report.mistakes

    @property
    def precision(self) -> str:
        """A phrase if the error is that of fewer bits; otherwise empty."""
        return "" if self.report is None else self.report.precision

    @property
    def word(self) -> str:
        """The text for a table: the mistakes if they are known, otherwise the status."""
        is_named = self.verdict in (Verdict.WRONG, Verdict.WRONG_SHAPE) and self.mistakes
        return "+".join(self.mistakes) if is_named else self.status


def grouped(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, list[_Value]]:
    """The values of each key, in order."""
    found: dict[_Key, list[_Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


class Answer(NamedTuple):
    """The answer of one run.

    Attributes:
        results: the arrays.
        end: why there are no results to judge; None if the program finished.
        said: the end of its output to standard error, or why it skips the layer.
        note: how its results were understood, in a sentence; may be empty.
        faults: what else is wrong with the run.
        unread: the reasons for arrays that can't be read.
    """

    results: Arrays
    end: Result | None = None
    said: str = ""
    note: str = ""
    faults: tuple[Fault, ...] = ()
    unread: Mapping[Tensor, Result] = {}


def failed(verdict: Verdict, words: str = "", said: str = "") -> Answer:
    """The answer of a program that gives no results."""
    return Answer({}, Result(verdict, words), said)


def by_name(returned: Mapping[str, Any], who: str) -> dict[Tensor, Any]:
    """The results in a mapping; None stands for a result that is not given.

    Raises:
        CnngradError: a name of no result, or two names of one result.
    """
    found: dict[Tensor, Any] = {}
    for name, value in returned.items():
        result = Tensor.result_named(name) if isinstance(name, str) else None
        if result is None:
            known = ", ".join(each.keyword for each in RESULTS)
            raise CnngradError(f"{who} the unknown name {name!r:.40}: the names are {known}, or {_OTHERS}")
        if value is not None:
            if result in found:
                raise CnngradError(f"{who} {result.keyword} under two names, one of them {name!r}: give it once")
            found[result] = value
    return found


def answered(given: Mapping[str, _Value], who: str, read: Callable[[Tensor, _Value], Array]) -> Answer:
    """The answer with the arrays that `read` makes of what is given, and its errors for the others."""
    results = dict[Tensor, Array]()
    unread = dict[Tensor, Result]()
    try:
        named = by_name(given, who)
    except CnngradError as error:
        return failed(Verdict.FAILED, f"not readable ({error})")
    for tensor, each in named.items():
        try:
            results[tensor] = read(tensor, each)
        except CnngradError as error:
            unread[tensor] = Result(Verdict.UNREADABLE, f"{Verdict.UNREADABLE.words} ({error})")
    return Answer(results, unread=unread)


@dataclass(eq=False)
class Outcome:
    """The outcome of one layer, which is revised in the light of others.

    Attributes:
        layer: the layer.
        end: why there are no results to judge; None if there are some.
        results: the verdict on each array.
        said: the end of the program's output to standard error.
        notes: how its results were understood, and what it refuses, in sentences.
        faults: what is wrong beside the arrays.
        claims: the arrays that were judged, as the program gave them.
    """

    layer: "SuiteLayer"
    end: Result | None
    results: dict[Tensor, Result] = field(default_factory=dict)
    said: str = ""
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    claims: Arrays = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.layer.name

    @property
    def status(self) -> str:
        """Why there are no results to judge, in words; empty if there are some."""
        return self.end.status if self.end else ""

    @property
    def judged(self) -> Mapping[Any, Result]:
        """The result of the run, by None, or those of judging its arrays, by tensor."""
        return {None: self.end} if self.end else self.results

    @property
    def verdicts(self) -> set[Verdict]:
        """The verdict on the run, or the verdicts on its arrays."""
        return {found.verdict for found in self.judged.values()}

    @property
    def was_tried(self) -> bool:
        """Whether the program was run on the layer, and supports it."""
        return self.verdicts.isdisjoint((Verdict.SKIPPED, Verdict.NOT_RUN))

    @property
    def passed(self) -> bool | None:
        """Whether all results are right; None for a layer that was skipped, was not run, or can't be judged."""
        return all_passed([not self.faults, *(verdict.passed for verdict in self.verdicts)])

    def as_json(self) -> Json:
        """As plain data."""
        return {
            "name": self.name,
            "layer": self.layer.layer.as_json(),
            "shows": list(self.layer.shows),
            "passed": self.passed,
            "status": self.status,
            "results": {
                tensor.key: {"passed": result.verdict.passed}
                | named(result.mistakes)
                | {"status": result.status, "hint": result.hint}
                for tensor, result in self.results.items()
            },
        }


def all_passed(each: Iterable[bool | None]) -> bool | None:
    """Whether all pass; False if one fails, else None if one is unknown."""
    found = set(each)
    return False if False in found else None if None in found else True


def named(mistakes: Sequence[str]) -> Json:
    """Mistakes in JSON: the first one, and those made together with it."""
    return {"mistake": next(iter(mistakes), None), "and": list(mistakes[1:])}
