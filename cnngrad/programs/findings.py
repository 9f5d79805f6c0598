"""The findings of running a backward pass on many layers: layer by layer, and in one sentence for all."""

import platform
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np

from cnngrad import __version__
from cnngrad.checks.report import Compared, Graded, labelled, sentences
from cnngrad.derivation.blocks import Code, Heading, ReportBlock, Sentence, Table, Together
from cnngrad.layer import Layer, counted, joined
from cnngrad.layer.expansion import Term
from cnngrad.layer.names import Symbol
from cnngrad.programs.conditions import CONDITIONS, separating, shared
from cnngrad.programs.explaining import Explanation, unexplained
from cnngrad.programs.suites import SuiteLayer
from cnngrad.programs.verdicts import Fault, Outcome, Verdict, all_passed, grouped
from cnngrad.schema import SCHEMA, Json
from cnngrad.tensor import RESULTS


@dataclass(frozen=True, repr=False)
class Findings:
    """The findings in all layers.

    Attributes:
        outcomes: the outcome of each layer.
        explanations: the mistakes behind the failures, those that explain most first; empty if they explain too few.
        smallest: the smallest layer found to fail in this way; None if no layer fails.
        command: the command that runs that layer alone; empty in Python.
        compared: for every wrong array of that layer, the worst element as the program computes it, beside the right
            sum.
        others: the other elements of these arrays, in the same form; empty if not all could be read.
        note: further findings about the program, in sentences; may be empty.
        whole: all layers of the suite from which these were chosen; empty if they are the user's own.
        explained: whether `others` is shown too.
        alike: smaller layers that fail too.
        alone: whether the smallest layer fails in a new process too, without the layers before it.
        run: the facts of the run for JSON, as `facts_of_run` gives them.
        title: the heading of a document.
    """

    outcomes: list[Outcome]
    explanations: Sequence[Explanation] = ()
    smallest: SuiteLayer | None = None
    command: str = ""
    compared: Sequence[Compared] = ()
    others: Sequence[Compared] = ()
    note: str = ""
    whole: Sequence[SuiteLayer] = ()
    explained: bool = False
    alike: Sequence[Layer] = ()
    alone: bool = True
    run: Json = field(default_factory=dict)

    title = "cnngrad check --run"

    @property
    def explanation(self) -> Explanation | None:
        """The mistakes that explain most of the failures; None if there are none."""
        return next(iter(self.explanations), None)

    @property
    def failing(self) -> list[Outcome]:
        """The layers that fail."""
        return [outcome for outcome in self.outcomes if outcome.passed is False]

    @property
    def faults(self) -> dict[Fault, list[str]]:
        """What is wrong beside the arrays, with the names of the layers that show it."""
        found = grouped(dict.fromkeys((fault, outcome.name) for outcome in self.outcomes for fault in outcome.faults))
        if self.condition:
            # "where channels > 8", but "with a bias".
            word = "where" if re.search("[<>]", self.condition) else "with"
            fault = Fault("depends-on-shape", f"it fails {word} {self.condition}")
            found[fault] = [outcome.name for outcome in self.failing]
        return found

    @cached_property
    def condition(self) -> str:
        """What all failing layers have and no right one has, such as `channels > 8`; empty if mistakes explain them."""
        right = [outcome.layer for outcome in self.outcomes if outcome.passed]
        failing = self.failing
        if not right or self.smallest is None or any(outcome.faults for outcome in failing):
            return ""
        # A mistake that right layers would reveal does not by itself explain why others fail.
        shown = {name for layer in right for name in layer.shows}
        telling = [each.outcomes for each in self.explanations if {*each.mistakes} - shown]
        if len({outcome.name for outcome in chain(*telling)}) == len(failing):
            return ""
        wrong = [*(outcome.layer.layer for outcome in failing), *self.alike, self.smallest.layer]
        return separating([layer.layer for layer in right], wrong)

    @property
    def causes(self) -> tuple[str, ...]:
        """What is wrong, by name: the mistakes, what else is wrong with its calls, or else how its runs ended."""
        mistakes = ["+".join(each.mistakes) or "wrong otherwise" for each in self.explanations]
        # The same reason not to start counts as one, whatever the program's path.
        ends = [re.sub(r"^(can't \w+) .*?: ", r"\1: ", outcome.status) for outcome in self.failing if outcome.end]
        return tuple(dict.fromkeys([*mistakes, *(fault.id for fault in self.faults)] or ends[:1]))

    @property
    def tried(self) -> list[Outcome]:
        """The layers on which the program was run, and which it supports."""
        return [outcome for outcome in self.outcomes if outcome.was_tried]

    @property
    def counts(self) -> dict[str, int]:
        """How many layers are right, wrong and so on; each is counted once."""
        judged = [outcome.passed for outcome in self.tried]
        skipped = sum(Verdict.SKIPPED in outcome.verdicts for outcome in self.outcomes)
        found = {"right": judged.count(True), "wrong": judged.count(False), "not_judged": judged.count(None)}
        return found | {"not_run": len(self.outcomes) - len(judged) - skipped, "skipped": skipped}

    @property
    def passed(self) -> bool | None:
        """Whether all supported layers pass; None if there are none, or one of them can't be judged."""
        return all_passed(outcome.passed for outcome in self.tried) if self.tried else None

    def __bool__(self) -> bool:
        """Whether all passed."""
        return self.passed is True

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A table of the layers, the output of failing runs, the smallest failing layer, and the summary."""
        shown = [tensor for tensor in RESULTS if any(tensor in outcome.results for outcome in self.outcomes)]
        headings = [tensor.title for tensor in shown] or ["outcome"]
        rows = []
        faults = self.faults
        if faults:
            headings.append("calls")
        for outcome in self.outcomes:
            cells = [outcome.results[tensor].word if tensor in outcome.results else "" for tensor in shown]
            if outcome.end:
                cells[:1] = [outcome.status]
            if faults:
                cells.append("+".join(dict.fromkeys(fault.id for fault in outcome.faults)))
            rows.append((outcome.name, *cells))
        yield Table(("layer", *headings), tuple(rows))
        yield from _said(self.outcomes)
        if (layer := self.smallest) is not None:
            is_given = any(layer is outcome.layer for outcome in self.outcomes)
            heading = Heading((f"The smallest layer that fails{f': {layer.name}' if is_given else ''}",))
            command = [Code((self.command,))] if self.command else []
            yield Together((heading, Sentence((layer.layer.describe(),), strong=True), *command))
            for compared in (*self.compared, *(self.others if self.explained else ())):
                yield Together((Sentence((str(compared.right.target),)), labelled(compared)))
        if self.others and not self.explained:
            others = counted(len(self.others), "other element")
            yield Sentence((f"{others} can be shown in the same way: --explain shows all.",))
        if self.note:
            yield Sentence((self.note,))
        yield Sentence((self.summary,), strong=True)

    def __repr__(self) -> str:
        """The summary in a line."""
        return f"<cnngrad findings: {self.summary}>"

    @property
    def left_out(self) -> list[Layer]:
        """The layers of the suite that were not run, were changed by `without`, or are not supported by the program."""
        tried = {outcome.name for outcome in self.tried}
        return [layer.instead_of or layer.layer for layer in self.whole if layer.instead_of or layer.name not in tried]

    @property
    def never_tried(self) -> list[str]:
        """The conditions that some of the suite's layers meet, but no layer on which the program was run."""
        left = self.left_out
        tried = [outcome.layer.layer for outcome in self.tried]
        return [words for words, test in CONDITIONS.items() if any(map(test, left)) and not any(map(test, tried))]

    @property
    def summary(self) -> str:
        """One sentence for all layers."""
        return f"{'; '.join(self._phrases())}."

    def _phrases(self) -> Iterator[str]:
        counts = self.counts
        failing, unjudged, left, skipped = (counts[key] for key in ("wrong", "not_judged", "not_run", "skipped"))
        count = counted(len(self.outcomes), "layer")
        if failing:
            beside = f" ({skipped} skipped: not supported)" if skipped else ""
            yield f"{failing} of {count} {'fails' if failing == 1 else 'fail'}{beside}"
            if unjudged:
                yield f"{unjudged} can't be judged"
            if left:
                yield f"not run: {counted(left, 'layer')} (--no-give-up, in Python give_up=False, runs all)"
            if self._in_common:
                yield f"all failing layers have {self._in_common}"
            causes = [*self._causes()]
            yield from causes
            # A fault that is named as a cause is not repeated.
            yield from (fault.says for fault in self.faults if not any(fault.says in cause for cause in causes))
            if left:
                return
        elif self:
            yield "The layer passes" if counts["right"] == 1 else f"All {counts['right']} layers pass"
        else:
            yield f"{unjudged} of {count} can't be judged" if unjudged else "No layer was judged"
        if skipped and not failing:
            yield f"{skipped} skipped (not supported)"
        others = len(self.whole) - len(self.outcomes)
        if names := self.never_tried:
            untried = sum(any(CONDITIONS[words](layer) for words in names) for layer in self.left_out)
            were = "was" if len(names) == 1 else "were"
            yield f"{joined(names)} {were} never tried: {counted(untried, 'layer')} left out"
        elif others > 0:
            yield f"{counted(others, 'other layer')} of the suite not run"

    def _causes(self) -> Iterator[str]:
        """Phrases on the mistakes behind the failures, or else on wrong shapes, and on runs that ended otherwise."""
        for each in self.explanations:
            cause = f"explained by {'+'.join(each.mistakes)}" if each.mistakes else "wrong otherwise"
            yield f"{self._which(each.outcomes)} {'are' if each.outcomes[1:] else 'is'} {cause}: {each.hint}"
        found = [(outcome, each) for outcome in self.failing for each in outcome.results.values()]
        wrong = [each for _, each in found if each.verdict is Verdict.WRONG and not each.precision]
        unknown = [each.report for each in wrong if isinstance(each.report, Graded)]
        if unknown and not self.explanations and not any(outcome.faults for outcome in self.outcomes):
            yield unexplained(unknown)
        # The most frequent one.
        for phrase, _ in Counter(each.precision for _, each in found if each.precision).most_common(1):
            says = f"it {phrase}"
            fewer = [
                outcome
                for outcome in self.failing
                if phrase in (each.precision for each in outcome.results.values())
                or says in (fault.says for fault in outcome.faults)
            ]
            where = "" if len(fewer) == len(self.failing) else f"in {self._which(fewer)} "
            yield f"{where}{says}"
        shapes = [outcome for outcome in self.failing if Verdict.WRONG_SHAPE in outcome.verdicts]
        if shapes and not self.explanations:
            yield f"{self._which(shapes)} {'give' if shapes[1:] else 'gives'} an array of a wrong shape"
        for status, ended in grouped((outcome.status, outcome) for outcome in self.failing).items():
            if status and len(ended) < len(self.failing):
                yield f"{self._which(ended)} {'have' if ended[1:] else 'has'} no results: {status}"
        for outcome, result in found:
            if result.verdict is Verdict.VARIES and result.hint:
                yield f"in {outcome.name} {result.hint}"
                break

    def _which(self, outcomes: Sequence[Outcome]) -> str:
        """The number of some failing layers, with their names and what they have in common unless they are all."""
        if len(outcomes) == len(self.failing):
            return "all" if outcomes[1:] else "it"
        names = [outcome.name for outcome in outcomes]
        common = self._common(outcomes)
        common = "" if common == self._in_common else common
        named = joined(names if len(names) <= _MOST_NAMED else [*names[:_MOST_NAMED], "others"])
        return f"{len(names)} ({named}{common and f'; all have {common}'})"

    @cached_property
    def _in_common(self) -> str:
        """The property of all failing layers, unless it is known as the condition."""
        return "" if self.condition else self._common(self.failing)

    def _common(self, outcomes: Sequence[Outcome]) -> str:
        here = [outcome.layer.layer for outcome in outcomes]
        return shared(here, [each.layer.layer for each in self.tried if each.layer.layer not in here])

    def as_json(self) -> Json:
        """As plain data, with the keys that `cnngrad check --run --json` prints."""
        explanations = [each.as_json() | {"failing": len(self.failing)} for each in self.explanations]
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "score": self.counts["right"] / len(self.outcomes),
            "counts": self.counts,
            **self.run,
            "layers": [outcome.as_json() for outcome in self.outcomes],
            "explanation": next(iter(explanations), None),
            "explanations": explanations,
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


def facts_of_run(begun: float, seed: int, command: str = "") -> Json:
    """The facts of a run for JSON; `begun` is its start by `time.monotonic`."""
    versions = {"cnngrad": __version__, "python": platform.python_version(), "numpy": np.__version__}
    return {"seconds": round(time.monotonic() - begun, 3), "seed": seed, "versions": versions, "command": command}


def _product(term: Term) -> Json:
    names = [factor.name for factor in term.factors if isinstance(factor, Symbol)]
    # A coefficient other than 1 comes first.
    coefficient = next((factor for factor in term.factors if isinstance(factor, int | float)), 1)
    return {"factors": names, "coefficient": float(coefficient)}


# Maximum number of layers that are named.
_MOST_NAMED = 4
# Maximum number of lines shown of a failed program's standard error.
_MOST_LINES = 5
# A line that names an error; lines of a stack are indented or begin with a number.
_ERROR = re.compile(
    r"(?i)(?![\s#\d]|error: called from).*(error|exception|panic(ked)?|fatal|assert\w*|fault|caused by)\b"
)


def _said(outcomes: Iterable[Outcome]) -> Iterator[ReportBlock]:
    """The last lines of a failed program's output, once for all layers with the same end; and why it skips some."""
    seen = set[str]()
    for outcome in outcomes:
        heading = f"{outcome.name}: {outcome.status}"
        said = outcome.said.rstrip()
        kind = outcome.status if outcome.was_tried else said.strip()
        if not said.strip() or kind in seen:
            continue
        seen.add(kind)
        if outcome.was_tried:
            lines = [f"  {line[:200]}" for line in _excerpt(said.splitlines())]
            yield Together(sentences([f"{heading}; the program wrote:", *lines]))
        else:
            yield Sentence((f"{heading}: {kind}",))


def _excerpt(lines: list[str]) -> list[str]:
    """The last lines, or those from the last line that names an error, which a stack of calls may follow."""
    errors = (number for number, line in enumerate(lines) if _ERROR.match(line))
    first = min(max(errors, default=len(lines)), max(len(lines) - _MOST_LINES, 0))
    return lines[first : first + _MOST_LINES]
