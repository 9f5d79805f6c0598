"""The findings on the programs of a class: a row for each submission, and how often each mistake was made."""

import glob
import os
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cnngrad.checks.report import VERDICTS
from cnngrad.derivation.blocks import ReportBlock, Sentence, Table
from cnngrad.errors import CnngradError, visible
from cnngrad.layer import counted
from cnngrad.programs.findings import Findings
from cnngrad.programs.programs import is_function
from cnngrad.programs.verdicts import all_passed
from cnngrad.schema import SCHEMA, Json

__all__ = ["Submissions", "submitted"]


@dataclass(frozen=True)
class Submissions:
    """What was found in all submissions.

    Attributes:
        each: the findings, by the submission's name.
    """

    each: dict[str, Findings]

    title = "cnngrad check --run-each"

    @property
    def passed(self) -> bool | None:
        """Whether all submissions are right; None if one of them can't be judged."""
        return all_passed(findings.passed for findings in self.each.values())

    @property
    def causes(self) -> dict[str, int]:
        """How many submissions have each cause, the most frequent first."""
        return dict(Counter(cause for findings in self.each.values() for cause in findings.causes).most_common())

    def blocks(self, precision: int) -> Iterator[ReportBlock]:
        """A row for each submission, the causes counted, and how many submissions are right."""
        rows = (
            (
                name,
                VERDICTS[findings.passed],
                f"{findings.counts['right']} of {len(findings.outcomes)}",
                ", ".join(findings.causes),
                f"{findings.run['seconds']:.1f}",
            )
            for name, findings in self.each.items()
        )
        yield Table(("submission", "verdict", "right layers", "cause", "seconds"), tuple(rows), ("seconds",))
        if self.causes:
            counts = tuple((str(count), cause) for cause, count in self.causes.items())
            yield Table(("submissions", "cause"), counts, ("submissions",))
        right = sum(map(bool, self.each.values()))
        count = counted(len(self.each), "submission")
        yield Sentence((f"{right} of {count} {'is' if 1 in (right, len(self.each)) else 'are'} right.",), strong=True)

    def as_json(self) -> Json:
        """As plain data, with the keys that `cnngrad check --run-each --json` prints."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "submissions": [
                {"submission": name, "causes": list(findings.causes)} | findings.as_json()
                for name, findings in self.each.items()
            ],
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
    if pattern == text and text.endswith(".py") and not os.access(paths[0], os.X_OK):
        raise CnngradError(f"{text} names files alone: write {text}:backward for their function backward")
    programs = [f"{path}:{rest}" if rest else text.replace(pattern, shlex.quote(path), 1) for path in paths]
    parts = [Path(path).parts for path in paths]
    # For tuples, this gives the leading parts that they share.
    alike = os.path.commonprefix
    first, last = (len(alike([each[::step] for each in parts])) for step in (1, -1))
    # One file, or one beside the folders of the others, has no part of its own.
    names = ["-".join(each[first : len(each) - last]) or Path(each[-1]).stem for each in parts]
    named = dict(zip(map(visible, names), programs, strict=True))
    if len(named) < len(paths):
        raise CnngradError(f"two files that match {pattern} would have the same name in the report: rename one")
    return named
