"""The findings on the programs of a class: a row for each submission, and how often each mistake was made."""

import glob
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from cnngrad.checks.report import VERDICTS
from cnngrad.derivation.blocks import ReportBlock, Sentence, Table
from cnngrad.errors import CnngradError, visible
from cnngrad.layer import counted
from cnngrad.programs.findings import Findings
from cnngrad.programs.programs import is_function
from cnngrad.programs.verdicts import all_passed
from cnngrad.schema import SCHEMA, Json

__all__ = ["Submission", "Submissions", "submitted"]


@dataclass(frozen=True)
class Submission:
    """One submission.

    Attributes:
        name: its name.
        findings: what was found in it.
    """

    name: str
    findings: Findings

    @property
    def causes(self) -> tuple[str, ...]:
        """What is wrong: the mistakes, what else is wrong with its calls, or else how its runs ended."""
        mistakes = ["+".join(each.mistakes) or "wrong otherwise" for each in self.findings.explanations]
        # The same reason not to start counts as one, whatever the program's path.
        statuses = (outcome.status for outcome in self.findings.failing)
        ends = [re.sub(r"^(can't \w+) .*?: ", r"\1: ", status) for status in statuses if status]
        return tuple(dict.fromkeys([*mistakes, *(fault.id for fault in self.findings.faults)] or ends[:1]))

    def as_json(self) -> Json:
        """As plain data."""
        return {"submission": self.name, "causes": list(self.causes)} | self.findings.as_json()


@dataclass(frozen=True)
class Submissions:
    """What was found in all submissions.

    Attributes:
        each: the submissions.
    """

    each: tuple[Submission, ...]

    title = "cnngrad check --run-each"

    @property
    def passed(self) -> bool | None:
        """Whether all submissions are right; None if one of them can't be judged."""
        return all_passed(submission.findings.passed for submission in self.each)

    @property
    def causes(self) -> dict[str, int]:
        """How many submissions have each cause, the most frequent first."""
        return dict(Counter(cause for submission in self.each for cause in submission.causes).most_common())

    @property
    def summary(self) -> str:
        """How many are right."""
        right = sum(submission.findings.passed is True for submission in self.each)
        return f"{right} of {counted(len(self.each), 'submission')} {'is' if right == 1 else 'are'} right"

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A row for each submission, and the causes counted."""
        rows = (
            (
                submission.name,
                VERDICTS[submission.findings.passed],
                f"{submission.findings.counts['right']} of {len(submission.findings.outcomes)}",
                ", ".join(submission.causes),
                f"{submission.findings.run['seconds']:.1f}",
            )
            for submission in self.each
        )
        yield Table(("submission", "verdict", "right layers", "cause", "seconds"), tuple(rows), ("seconds",), True)
        if self.causes:
            counts = tuple((str(count), cause) for cause, count in self.causes.items())
            yield Table(("submissions", "cause"), counts, ("submissions",), True)
        yield Sentence((f"{self.summary}.",), strong=True)

    def as_json(self) -> Json:
        """As plain data, with the keys that `cnngrad check --run-each --json` prints."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "submissions": [submission.as_json() for submission in self.each],
            "causes": self.causes,
        }


def submitted(text: str) -> dict[str, str]:
    """What `--run` takes for each file that a pattern matches, by a name for each: the parts of its path that differ.

    Args:
        text: `GLOB.py:function`, or a command whose first word is a pattern.

    Raises:
        CnngradError: no file matches.
    """
    pattern, rest = text.rpartition(":")[::2] if is_function(text) else ((text.split() or [""])[0], "")
    paths = sorted(glob.glob(pattern, recursive=True))
    if not paths:
        raise CnngradError(f"no file matches {pattern}: write --run-each 'submissions/*/conv.py:backward'")
    programs = [f"{path}:{rest}" if rest else text.replace(pattern, shlex.quote(path), 1) for path in paths]
    parts = [Path(path).parts for path in paths]
    first, last = (_alike([each[::step] for each in parts]) for step in (1, -1))
    # One file, or one beside the folders of the others, has no part of its own.
    names = ["-".join(each[first : len(each) - last]) or Path(each[-1]).stem for each in parts]
    named = dict(zip(map(visible, names), programs, strict=True))
    if len(named) < len(paths):
        raise CnngradError(f"two files that match {pattern} would have the same name in the report: rename one")
    return named


def _alike(rows: list[tuple[str, ...]]) -> int:
    """How many first parts all paths share."""
    return len(list(takewhile(lambda part: len({*part}) == 1, zip(*rows, strict=False))))
