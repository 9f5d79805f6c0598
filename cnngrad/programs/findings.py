"""What running a backward pass over many layers found: layer by layer, and in one sentence for all."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import prod
from typing import Any

from cnngrad.causes.catalogue import CATALOGUE, PLACES
from cnngrad.checks import GradientReport
from cnngrad.checks.report import Compared
from cnngrad.derivation.blocks import ReportBlock
from cnngrad.layer import Layer, counted
from cnngrad.layer.expansion import Term
from cnngrad.layer.names import Symbol
from cnngrad.programs.processes import End, Fault
from cnngrad.programs.shown import findings_blocks
from cnngrad.programs.suites import CONDITIONS, SuiteLayer
from cnngrad.schema import SCHEMA
from cnngrad.tensor import RESULTS, Tensor


class Verdict(Enum):
    """What is to be said of one array."""

    RIGHT = "right"
    WRONG = "wrong"
    WRONG_SHAPE = "wrong shape"
    NOT_FINITE = "not finite"
    COARSE = "too coarse to judge"
    NOT_WRITTEN = "not written"
    UNREADABLE = "not readable"
    VARIES = "not the same twice"

    @property
    def passed(self) -> bool | None:
        """Whether the array passes; None for one that can't be judged."""
        return None if self is Verdict.COARSE else self is Verdict.RIGHT


@dataclass(frozen=True)
class Result:
    """What became of one array.

    Attributes:
        verdict: what is to be said of it.
        report: how it compares with the right numbers; None where there is nothing to compare.
        why: why it can't be read; empty for all others.
        hint: what is wrong with the array, and how to fix it; empty where nothing is.
        precision: in words, that it is as far off as fewer bits make it; empty if it is not.
        explanations: every known explanation of a wrong array, the likeliest first: the ids of the mistakes.
    """

    verdict: Verdict
    report: GradientReport | None = None
    why: str = ""
    hint: str = ""
    precision: str = ""
    explanations: Sequence[frozenset[str]] = ()

    @property
    def status(self) -> str:
        """The verdict in words."""
        return f"{self.verdict.value} ({self.why})" if self.why else self.verdict.value

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The ids of the mistakes that were made, by the likeliest explanation; empty where none is known."""
        return () if self.report is None else self.report.mistakes

    @property
    def word(self) -> str:
        """The status for a table: the mistakes where they are known."""
        is_named = self.verdict in (Verdict.WRONG, Verdict.WRONG_SHAPE) and self.mistakes
        return "+".join(self.mistakes) if is_named else self.status


@dataclass(frozen=True)
class Outcome:
    """What became of one layer.

    Attributes:
        layer: the layer.
        fault: why there are no results to judge; None where the program ran to its end.
        results: what became of each array.
        said: the end of what the program wrote to standard error.
        note: what was done to understand it, in a sentence; may be empty.
    """

    layer: SuiteLayer
    fault: Fault | None = None
    results: dict[Tensor, Result] = field(default_factory=dict)
    said: str = ""
    note: str = ""

    @property
    def end(self) -> End | None:
        """How the run ended if there are no results to judge."""
        return None if self.fault is None else self.fault.end

    @property
    def status(self) -> str:
        """What happened in place of results, in words; empty where there are some."""
        return "" if self.fault is None else str(self.fault)

    @property
    def verdicts(self) -> set[Verdict]:
        """The verdicts on its arrays."""
        return {result.verdict for result in self.results.values()}

    @property
    def was_tried(self) -> bool:
        """Whether the program was run on the layer, and supports it."""
        return self.end not in (End.SKIPPED, End.NOT_RUN)

    @property
    def passed(self) -> bool | None:
        """Whether all is right; None for a layer that was skipped or not run, or that can't be judged."""
        if self.fault is not None:
            return False if self.was_tried else None
        passed = {verdict.passed for verdict in self.verdicts}
        return False if False in passed else None if None in passed else True

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.layer.name,
            "layer": self.layer.layer.as_json(),
            "shows": list(self.layer.shows),
            "passed": self.passed,
            "status": self.status,
            "results": {
                tensor.key: {
                    "passed": result.verdict.passed,
                    "mistake": result.mistakes[0] if result.mistakes else None,
                    "and": list(result.mistakes[1:]),
                    "status": result.status,
                    "hint": result.hint,
                }
                for tensor, result in self.results.items()
            },
        }


@dataclass(frozen=True)
class Explanation:
    """The mistakes that explain most of the failing layers.

    Attributes:
        mistakes: their ids.
        hint: what they are, and how to fix them.
        explains: how many failing layers they explain.
    """

    mistakes: tuple[str, ...]
    hint: str
    explains: int


@dataclass(frozen=True, repr=False)
class Findings:
    """What was found in all layers.

    Attributes:
        outcomes: what became of each layer.
        explanation: the mistakes behind the failures; None where nothing explains most of them.
        smallest: the smallest layer that was found to fail so; None where none fails.
        command: the command that runs that layer alone; empty in Python.
        compared: the worst element of every wrong array of that layer, as the program computes it, beside the right
            sum.
        others: the other elements of these arrays, likewise, where all could be read.
        note: what is known of the program beyond that, in a sentence; may be empty.
        left_out: the layers of the suite that were not run as they are, or that the program does not support.
        not_chosen: how many layers of the suite nothing stands for, since others were asked for.
        explained: whether all of these elements are shown.
    """

    outcomes: list[Outcome]
    explanation: Explanation | None = None
    smallest: SuiteLayer | None = None
    command: str = ""
    compared: tuple[Compared, ...] = ()
    others: tuple[Compared, ...] = ()
    note: str = ""
    left_out: Sequence[Layer] = ()
    not_chosen: int = 0
    explained: bool = False

    @property
    def failing(self) -> list[Outcome]:
        """The layers that fail."""
        return [outcome for outcome in self.outcomes if outcome.passed is False]

    @property
    def passed(self) -> bool | None:
        """Whether all layers that are supported pass; None where there are none, or one can't be judged."""
        verdicts = {outcome.passed for outcome in self.outcomes if outcome.was_tried}
        if False in verdicts:
            return False
        return True if verdicts == {True} else None

    def __bool__(self) -> bool:
        """Whether all passed."""
        return self.passed is True

    @property
    def title(self) -> str:
        """The heading of a document."""
        return "cnngrad check --run"

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """What `cnngrad check --run` shows."""
        return findings_blocks(self)

    def __repr__(self) -> str:
        """The findings in a line."""
        return f"<cnngrad findings: {self.sentence}>"

    @property
    def never_tried(self) -> list[str]:
        """What no layer had on which the program was run, though the suite has such layers."""
        tried = [outcome.layer.layer for outcome in self.outcomes if outcome.was_tried]
        return [
            words for words, test in CONDITIONS.items() if any(map(test, self.left_out)) and not any(map(test, tried))
        ]

    def _untried(self) -> str:
        """What was never tried, in a phrase; else how many layers were not chosen; empty where none is to be told."""
        names = self.never_tried
        if names:
            count = sum(any(CONDITIONS[words](layer) for words in names) for layer in self.left_out)
            listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
            return f"{listed} {'was' if len(names) == 1 else 'were'} never tried: {counted(count, 'layer')} left out"
        return f"{counted(self.not_chosen, 'other layer')} of the suite not run" if self.not_chosen else ""

    @property
    def sentence(self) -> str:
        """One sentence for all layers."""
        ends = Counter(outcome.end for outcome in self.outcomes)
        skipped, left, failing = ends[End.SKIPPED], ends[End.NOT_RUN], self.failing
        count = counted(len(self.outcomes), "layer")
        unjudged = sum(outcome.was_tried and outcome.passed is None for outcome in self.outcomes)
        not_judged = f"{unjudged} can't be judged" if unjudged else ""
        untried = self._untried()
        if failing:
            words = f"{len(failing)} of {count} {'fails' if len(failing) == 1 else 'fail'}"
            words += f" ({skipped} skipped: not supported)" if skipped else ""
            not_run = f"not run: {counted(left, 'layer')} (--no-give-up runs all)" if left else ""
            words = "; ".join(filter(None, [words, not_judged, not_run])) + _common(self.outcomes)
            parts = [words, self._cause(), "" if left else untried]
        else:
            passed = f"All {counted(len(self.outcomes) - skipped, 'layer')} pass"
            unclear = f"{unjudged} of {count} can't be judged" if unjudged else "No layer was judged"
            parts = [
                passed if self.passed else unclear,
                f"{skipped} skipped (not supported)" if skipped else "",
                untried,
            ]
        return f"{'; '.join(filter(None, parts))}."

    summary = sentence

    def _cause(self) -> str:
        """The mistake behind the failures, or that shapes are wrong, in a phrase; empty where neither is known."""
        failing, told = self.failing, self.explanation
        if told is None:
            count = sum(Verdict.WRONG_SHAPE in outcome.verdicts for outcome in failing)
            return f"{'all' if count == len(failing) else count} give an array of a wrong shape" if count else ""
        count = told.explains
        which = "it" if count == len(failing) == 1 else "all" if count == len(failing) else count
        return f"{which} {'are' if count != 1 else 'is'} explained by {'+'.join(told.mistakes)}: {told.hint}"

    def as_json(self) -> dict[str, Any]:
        """As plain data, with the keys that `cnngrad check --run --json` prints."""
        told = self.explanation
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "layers": [outcome.as_json() for outcome in self.outcomes],
            "explanation": None
            if told is None
            else {
                "mistake": told.mistakes[0],
                "and": list(told.mistakes[1:]),
                "hint": told.hint,
                "explains": told.explains,
                "failing": len(self.failing),
            },
            "smallest": None if self.smallest is None else {"problem": self.smallest.problem, "command": self.command},
            "expansions": [_spelled(compared) for compared in (*self.compared, *self.others)],
            "note": self.note,
            "never_tried": self.never_tried,
            "left_out": len(self.left_out),
        }


def _spelled(compared: Compared) -> dict[str, Any]:
    """A compared element: its two sums as lists of products."""
    return {
        "element": compared.right.target.name,
        "yours": None if compared.made is None else list(map(_product, compared.made.terms)),
        "right": list(map(_product, compared.right.terms)),
    }


def _product(term: Term) -> dict[str, Any]:
    coefficients = [factor for factor in term.factors if isinstance(factor, int | float)]
    names = [factor.name for factor in term.factors if isinstance(factor, Symbol)]
    return {"factors": names, "coefficient": float(*coefficients or [1])}


def explain(outcomes: list[Outcome]) -> Explanation | None:
    """The mistakes that explain most of the failing layers, with the fewest changes; None where none explains half."""
    failing = [outcome for outcome in outcomes if outcome.passed is False]
    explained: Counter[frozenset[str]] = Counter()
    for outcome in failing:
        wrong = [set(result.explanations) for result in outcome.results.values() if not result.verdict.passed]
        if wrong:
            explained.update(set.intersection(*wrong) or set.union(*wrong))
    if not explained:
        return None
    passing = [set(outcome.layer.shows) for outcome in outcomes if outcome.passed]

    def rank(names: frozenset[str]) -> tuple[int, int, int, list[int]]:
        against = sum(names <= shown for shown in passing)
        return (-explained[names], len(names), against, sorted(map(_place, names)))

    best = min(explained, key=rank)
    if 2 * explained[best] <= len(failing) and len(failing) > 1:
        return None
    results = [item for outcome in failing for item in outcome.results.items()]
    first = next(tensor for tensor, result in results if best in result.explanations)
    hints = {first: _hint(best, first)}
    # A layer whose results are wrong in ways of their own is explained by each.
    for tensor in RESULTS:
        here = [result.explanations for each, result in results if each is tensor]
        own = Counter(names for found in here if best not in found for names in found[:1])
        if own and not any(best in found for found in here):
            hints[tensor] = _hint(own.most_common(1)[0][0], tensor)
    told = "; ".join(hint if len(hints) == 1 else f"in {tensor.title} {hint}" for tensor, hint in hints.items())
    return Explanation(tuple(sorted(best, key=_place)), told, explained[best])


def _place(name: str) -> int:
    return PLACES.get(name, len(PLACES))


def _hint(names: frozenset[str], result: Tensor) -> str:
    """What some mistakes are, and how to fix them, in one result."""
    ordered = sorted(names, key=_place)
    made = [CATALOGUE[PLACES[name]].words(result) for name in ordered if name in PLACES]
    if not made:
        return _BESIDE[ordered[0]]
    return f"{' and '.join(says for says, _ in made)}. To fix it: {'; and '.join(fix for _, fix in made)}"


# What is found beside the catalogue.
_BESIDE = {
    "not-finite": "some numbers are NaN or infinite. To fix it: look for a division by 0, or for memory that is never "
    "filled",
    "truncated": "every element is cut to a whole number. To fix it: make the array of floats",
}


# What failing layers may have in common, in a sentence.
_SPOKEN = {"an uneven padding": "the padding is uneven", "a bias": "there is a bias", "axes that differ": ""}
_PREDICATES: dict[str, Callable[[Layer], bool]] = {
    **{_SPOKEN.get(words, words): test for words, test in CONDITIONS.items()},
    "the kernel is larger than 1": lambda layer: prod(layer.kernel) > 1,
    "rows are left over by the stride": lambda layer: any(axis.leftover for axis in layer.axes),
}


def _common(outcomes: list[Outcome]) -> str:
    """What is true of all failing layers, and of the fewest others; empty where it is true of most others too."""
    failing = [outcome.layer.layer for outcome in outcomes if outcome.passed is False]
    passing = [outcome.layer.layer for outcome in outcomes if outcome.passed]
    fitting = {word: sum(map(test, passing)) for word, test in _PREDICATES.items() if word and all(map(test, failing))}
    word = min(fitting, key=lambda name: fitting[name], default="")
    return f", all where {word}" if word and len(failing) > 1 and 2 * fitting[word] <= len(passing) > 0 else ""
