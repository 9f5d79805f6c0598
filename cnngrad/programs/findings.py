"""The findings of running a backward pass on many layers: layer by layer, and in one sentence for all."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from cnngrad.causes.catalogue import CATALOGUE, PLACES
from cnngrad.checks.report import Compared, labelled, sentences
from cnngrad.derivation.blocks import Heading, ReportBlock, Sentence, Table, Together
from cnngrad.layer import Layer, counted, joined
from cnngrad.layer.expansion import Term
from cnngrad.layer.names import Symbol
from cnngrad.programs.suites import CONDITIONS, SuiteLayer
from cnngrad.programs.verdicts import Fault, Result, Verdict
from cnngrad.schema import SCHEMA
from cnngrad.tensor import RESULTS, Tensor


@dataclass(frozen=True)
class Outcome:
    """The outcome of one layer.

    Attributes:
        layer: the layer.
        fault: how the program failed; None if it finished.
        results: the verdict on each array.
        said: the end of the program's output to standard error.
        note: how its results were understood, in a sentence; may be empty.
        faults: what is wrong beside the arrays.
    """

    layer: SuiteLayer
    fault: Result | None
    results: dict[Tensor, Result] = field(default_factory=dict)
    said: str = ""
    note: str = ""
    faults: tuple[Fault, ...] = ()

    @property
    def end(self) -> Result | None:
        """Why there are no results to judge; None if there are some."""
        return self.fault or (None if self.results else Result(Verdict.SILENT))

    @property
    def status(self) -> str:
        """Why there are no results to judge, in words; empty if there are some."""
        return self.end.status if self.end else ""

    @property
    def verdicts(self) -> set[Verdict]:
        """The verdict on the run, or the verdicts on its arrays."""
        return {found.verdict for found in ([self.end] if self.end else self.results.values())}

    @property
    def was_tried(self) -> bool:
        """Whether the program was run on the layer, and supports it."""
        return self.verdicts.isdisjoint((Verdict.SKIPPED, Verdict.NOT_RUN))

    @property
    def passed(self) -> bool | None:
        """Whether all results are right; None for a layer that was skipped, was not run, or can't be judged."""
        return _all_passed([not self.faults, *(verdict.passed for verdict in self.verdicts)])

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.layer.name,
            "layer": self.layer.layer.as_json(),
            "shows": list(self.layer.shows),
            "passed": self.passed,
            "status": self.status,
            "results": {
                tensor.key: {"passed": result.verdict.passed}
                | _named(result.mistakes)
                | {"status": result.status, "hint": result.hint}
                for tensor, result in self.results.items()
            },
        }


def _all_passed(each: Iterable[bool | None]) -> bool | None:
    found = set(each)
    return False if False in found else None if None in found else True


def _named(mistakes: Sequence[str]) -> dict[str, Any]:
    """Mistakes in JSON: the first one, and those made together with it."""
    return {"mistake": next(iter(mistakes), None), "and": list(mistakes[1:])}


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
    """The findings in all layers.

    Attributes:
        outcomes: the outcome of each layer.
        explanation: the mistakes behind the failures; None if no mistakes explain most of them.
        smallest: the smallest layer found to fail in this way; None if no layer fails.
        command: the command that runs that layer alone; empty in Python.
        compared: for every wrong array of that layer, the worst element as the program computes it, beside the right
            sum.
        others: the other elements of these arrays, in the same form; empty if not all could be read.
        note: further findings about the program, in sentences; may be empty.
        whole: all layers of the suite from which these were chosen; empty if they are the user's own.
        explained: whether `others` is shown too.
    """

    outcomes: list[Outcome]
    explanation: Explanation | None = None
    smallest: SuiteLayer | None = None
    command: str = ""
    compared: tuple[Compared, ...] = ()
    others: tuple[Compared, ...] = ()
    note: str = ""
    whole: Sequence[SuiteLayer] = ()
    explained: bool = False

    @property
    def failing(self) -> list[Outcome]:
        """The layers that fail."""
        return [outcome for outcome in self.outcomes if outcome.passed is False]

    @property
    def faults(self) -> dict[Fault, list[str]]:
        """What is wrong beside the arrays, with the names of the layers that show it."""
        found: dict[Fault, list[str]] = {}
        for outcome in self.outcomes:
            for fault in outcome.faults:
                found.setdefault(fault, []).append(outcome.layer.name)
        return found

    @property
    def tried(self) -> list[Outcome]:
        """The layers on which the program was run, and which it supports."""
        return [outcome for outcome in self.outcomes if outcome.was_tried]

    @property
    def passed(self) -> bool | None:
        """Whether all supported layers pass; None if there are none, or one of them can't be judged."""
        return _all_passed(outcome.passed for outcome in self.tried) if self.tried else None

    def __bool__(self) -> bool:
        """Whether all passed."""
        return self.passed is True

    @property
    def title(self) -> str:
        """The heading of a document."""
        return "cnngrad check --run"

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A table of the layers, the output of failing runs, the smallest failing layer, and the summary."""
        shown = [tensor for tensor in RESULTS if any(tensor in outcome.results for outcome in self.outcomes)]
        rows = []
        for outcome in self.outcomes:
            cells = [outcome.results[tensor].word if tensor in outcome.results else "" for tensor in shown] or [""]
            last = ["+".join(dict.fromkeys(fault.id for fault in outcome.faults))] if self.faults else []
            rows.append((outcome.layer.name, outcome.status or cells[0], *cells[1:], *last))
        headings = [*([tensor.title for tensor in shown] or ["outcome"]), *(["calls"] if self.faults else [])]
        yield Table(("layer", *headings), tuple(rows), wrapped=True)
        yield from _said(self.outcomes)
        if (layer := self.smallest) is not None:
            is_given = any(layer is outcome.layer for outcome in self.outcomes)
            heading = Heading((f"The smallest layer that fails{f': {layer.name}' if is_given else ''}",))
            command = [Sentence((self.command,))] if self.command else []
            yield Together((heading, Sentence((layer.layer.describe(),), strong=True), *command))
            for compared in (*self.compared, *(self.others if self.explained else ())):
                yield Together((Sentence((str(compared.right.target),)), labelled(compared)))
        more = f"{counted(len(self.others), 'other element')} can be shown in the same way: --explain shows all."
        for text in (more if self.others and not self.explained else "", self.note):
            yield from [Sentence((text,))] if text else []
        yield Sentence((self.summary,), strong=True)

    def __repr__(self) -> str:
        """The summary in a line."""
        return f"<cnngrad findings: {self.summary}>"

    @property
    def left_out(self) -> list[Layer]:
        """The layers of the suite that were not run, were changed by `without`, or are not supported by the program."""
        run = {outcome.layer.name for outcome in self.outcomes}
        found = [layer.instead_of or layer.layer for layer in self.whole if layer.instead_of or layer.name not in run]
        return found + [outcome.layer.layer for outcome in self.outcomes if self.whole and not outcome.was_tried]

    @property
    def never_tried(self) -> list[str]:
        """The conditions that some of the suite's layers meet, but no layer on which the program was run."""
        left, tried = self.left_out, [outcome.layer.layer for outcome in self.tried]
        return [words for words, test in CONDITIONS.items() if any(map(test, left)) and not any(map(test, tried))]

    @property
    def summary(self) -> str:
        """One sentence for all layers."""
        skipped, left = (
            sum(verdict in outcome.verdicts for outcome in self.outcomes)
            for verdict in (Verdict.SKIPPED, Verdict.NOT_RUN)
        )
        count, failing = counted(len(self.outcomes), "layer"), len(self.failing)
        unjudged = sum(outcome.passed is None for outcome in self.tried)
        if failing:
            parts = [
                f"{failing} of {count} {'fails' if failing == 1 else 'fail'}"
                + (f" ({skipped} skipped: not supported)" if skipped else ""),
                f"{unjudged} can't be judged" if unjudged else "",
                f"not run: {counted(left, 'layer')} (--no-give-up runs all)" if left else "",
            ]
            faults = (fault.says for fault in self.faults)
            parts = [_joined(parts) + _common(self.outcomes), self._cause(), *faults, "" if left else self._untried()]
        else:
            unclear = f"{unjudged} of {count} can't be judged" if unjudged else "No layer was judged"
            parts = [
                f"All {counted(len(self.outcomes) - skipped, 'layer')} pass" if self else unclear,
                f"{skipped} skipped (not supported)" if skipped else "",
                self._untried(),
            ]
        return f"{_joined(parts)}."

    def _untried(self) -> str:
        """A phrase on the conditions that were never tried, or else on the layers that were not run; may be empty."""
        if names := self.never_tried:
            count = sum(any(CONDITIONS[words](layer) for words in names) for layer in self.left_out)
            were = "was" if len(names) == 1 else "were"
            return f"{joined(names)} {were} never tried: {counted(count, 'layer')} left out"
        others = len(self.whole) - len(self.outcomes)
        return f"{counted(others, 'other layer')} of the suite not run" if others > 0 else ""

    def _cause(self) -> str:
        """A phrase on the mistakes behind the failures, or else on wrong shapes; may be empty."""
        failing, told = len(self.failing), self.explanation
        if told is None:
            count = sum(Verdict.WRONG_SHAPE in outcome.verdicts for outcome in self.failing)
            return f"{'all' if count == failing else count} give an array of a wrong shape" if count else ""
        count = told.explains
        which = "it" if count == failing == 1 else "all" if count == failing else count
        return f"{which} {'are' if count != 1 else 'is'} explained by {'+'.join(told.mistakes)}: {told.hint}"

    def as_json(self) -> dict[str, Any]:
        """As plain data, with the keys that `cnngrad check --run --json` prints."""
        told = self.explanation
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "layers": [outcome.as_json() for outcome in self.outcomes],
            "explanation": told
            and _named(told.mistakes) | {"hint": told.hint, "explains": told.explains, "failing": len(self.failing)},
            "smallest": self.smallest and {"problem": self.smallest.problem, "command": self.command},
            "expansions": [
                {
                    "element": compared.right.target.name,
                    "yours": compared.made and list(map(_product, compared.made.terms)),
                    "right": list(map(_product, compared.right.terms)),
                }
                for compared in (*self.compared, *self.others)
            ],
            "faults": [
                {"fault": fault.id, "says": fault.says, "layers": names} for fault, names in self.faults.items()
            ],
            "note": self.note,
            "never_tried": self.never_tried,
            "left_out": len(self.left_out),
        }


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(filter(None, parts))


def _product(term: Term) -> dict[str, Any]:
    names = [factor.name for factor in term.factors if isinstance(factor, Symbol)]
    # A coefficient other than 1 comes first.
    coefficient = next((factor for factor in term.factors if isinstance(factor, int | float)), 1)
    return {"factors": names, "coefficient": float(coefficient)}


def explain(outcomes: list[Outcome]) -> Explanation | None:
    """The fewest mistakes that explain the most failing layers; None if they explain no more than half of several."""
    failing = [outcome for outcome in outcomes if outcome.passed is False]
    explained: Counter[tuple[str, ...]] = Counter()
    for outcome in failing:
        wrong = [set(result.explanations) for result in outcome.results.values() if not result.verdict.passed]
        if wrong:
            explained.update(set.intersection(*wrong) or set.union(*wrong))
    if not explained:
        return None
    passing = [set(outcome.layer.shows) for outcome in outcomes if outcome.passed]

    def rank(names: tuple[str, ...]) -> tuple[int, int, int, list[int]]:
        return -explained[names], len(names), sum(map(set(names).issubset, passing)), [*map(_place, names)]

    best = min(explained, key=rank)
    if 2 * explained[best] <= len(failing) and len(failing) > 1:
        return None
    results = [(tensor, result.explanations) for outcome in failing for tensor, result in outcome.results.items()]
    first = next(tensor for tensor, found in results if best in found)
    layer = min((outcome.layer.layer for outcome in failing), key=lambda layer: layer.flip)
    hints = {first: _hint(best, first, layer)}
    # Results that are wrong in different ways have an explanation each.
    for tensor in RESULTS:
        here = [found for each, found in results if each is tensor and found]
        if here and not any(best in found for found in here):
            hints[tensor] = _hint(Counter(next(iter(found)) for found in here).most_common(1)[0][0], tensor, layer)
    told = "; ".join(hint if len(hints) == 1 else f"in {tensor.title} {hint}" for tensor, hint in hints.items())
    return Explanation(best, told, explained[best])


def _place(name: str) -> int:
    return PLACES.get(name, len(PLACES))


def _hint(names: tuple[str, ...], result: Tensor, layer: Layer) -> str:
    """What mistakes in one result are, and how to fix them, in layers such as this one."""
    made = [CATALOGUE[place].words(result, layer) for place in map(_place, names) if place < len(PLACES)]
    if not made:
        return _BESIDE[names[0]]
    return f"{' and '.join(says for says, _ in made)}. To fix it: {'; and '.join(fix for _, fix in made)}"


# Mistakes outside the catalogue.
_BESIDE = {
    "not-finite": "some numbers are NaN or infinite. To fix it: look for a division by 0, or for memory that is never "
    "filled",
    "truncated": "every element is cut to a whole number. To fix it: use an array of floats",
}

# Properties that failing layers may have in common, in words.
_SPOKEN = {"an uneven padding": "the padding is uneven", "a bias": "there is a bias"}
_PREDICATES: dict[str, Callable[[Layer], bool]] = {
    **{_SPOKEN.get(words, words): test for words, test in CONDITIONS.items() if words != "axes that differ"},
    "the kernel is larger than 1": lambda layer: prod(layer.kernel) > 1,
    "rows are left over by the stride": lambda layer: any(axis.conv.leftover for axis in layer.axes),
}


def _common(outcomes: list[Outcome]) -> str:
    """The property of all failing layers that the fewest passing ones share; empty if most of these share it."""
    failing, passing = (
        [outcome.layer.layer for outcome in outcomes if outcome.passed is passed] for passed in (False, True)
    )
    fitting = {word: sum(map(test, passing)) for word, test in _PREDICATES.items() if all(map(test, failing))}
    word = min(fitting, key=lambda name: fitting[name], default="")
    return (
        f"; in all failing layers {word}" if word and len(failing) > 1 and 2 * fitting[word] <= len(passing) > 0 else ""
    )


# The most lines shown of a failed program's standard error.
_MOST_LINES = 5
# A line that names an error; lines of a stack are indented or begin with a number.
_ERROR = re.compile(r"(?i)(?![\s#\d]).*(error|exception|panic(ked)?|fatal|assert\w*|fault|caused by)\b")


def _said(outcomes: Iterable[Outcome]) -> Iterator[ReportBlock]:
    """The last lines of a failed program's output, once for all layers with the same end; and why it skips some."""
    seen = set()
    for outcome in outcomes:
        heading, said = f"{outcome.layer.name}: {outcome.status}", outcome.said.rstrip()
        kind = outcome.status if outcome.was_tried else said.strip()
        if said.strip() and kind not in seen:
            seen.add(kind)
            if outcome.was_tried:
                texts = [f"{heading}; the program wrote:", *(f"  {line[:200]}" for line in _excerpt(said.splitlines()))]
                yield Together(sentences(texts))
            else:
                yield Sentence((f"{heading}: {kind}",))


def _excerpt(lines: list[str]) -> list[str]:
    """The last lines, or those from the last line that names an error, which a stack of calls may follow."""
    errors = (number for number, line in enumerate(lines) if _ERROR.match(line))
    first = min(max(errors, default=len(lines)), max(len(lines) - _MOST_LINES, 0))
    return lines[first : first + _MOST_LINES]
