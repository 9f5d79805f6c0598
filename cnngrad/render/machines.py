"""The findings of `check --run` for other programs: JUnit's XML, GitHub's annotations, Gradescope's results.json."""

import json
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from xml.etree import ElementTree

from cnngrad.errors import visible
from cnngrad.layer import counted
from cnngrad.programs.findings import Findings
from cnngrad.programs.submissions import Submissions
from cnngrad.programs.verdicts import Verdict
from cnngrad.render.painter import Painter
from cnngrad.render.style import Style
from cnngrad.render.terminal import text_of

__all__ = ["github", "gradescope", "junit"]


class _Test(NamedTuple):
    """One result of one layer, or its run if that gave no results.

    Attributes:
        layer: the name of the layer.
        name: the result, such as ∂E/∂X.
        verdict: the verdict.
        status: the verdict in words.
        says: what is wrong with it; may be empty.
    """

    layer: str
    name: str
    verdict: Verdict
    status: str
    says: str


def _suites(found: Findings | Submissions) -> list[tuple[str, Findings]]:
    return [(found.title, found)] if isinstance(found, Findings) else list(found.each.items())


def _tests(findings: Findings) -> Iterator[_Test]:
    for outcome in findings.outcomes:
        layer = outcome.layer.name
        end = outcome.end
        if end:
            yield _Test(layer, "run", end.verdict, end.status, outcome.said)
        for tensor, found in outcome.results.items():
            yield _Test(layer, tensor.title, found.verdict, found.word, visible(found.hint))
        for fault in outcome.faults:
            yield _Test(layer, "calls", Verdict.WRONG, fault.id, visible(fault.says))


# Runs that ended without results: errors of the test in JUnit's sense, not failures.
_ERRORS = {Verdict.UNANSWERED, Verdict.CRASHED, Verdict.FAILED, Verdict.FLOODED, Verdict.SILENT}


def junit(found: Findings | Submissions, style: Style) -> str:
    """JUnit's XML as Jenkins reads it: a suite for each program, a case for each result, whose class is its layer.

    Source: the schema of Jenkins' xUnit plugin, junit-10.xsd.
    """
    root = ElementTree.Element("testsuites", name=found.title)
    for name, findings in _suites(found):
        tests = list(_tests(findings))
        counts = Counter[str]()
        suite = ElementTree.SubElement(root, "testsuite", name=name, tests=str(len(tests)))
        for test in tests:
            case = ElementTree.SubElement(suite, "testcase", classname=test.layer, name=test.name)
            if not test.verdict.passed:
                kind = "skipped" if test.verdict.passed is None else "error" if test.verdict in _ERRORS else "failure"
                counts[kind] += 1
                ElementTree.SubElement(case, kind, message=test.status).text = test.says
        for kind, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(key, str(counts[kind]))
        suite.set("time", str(findings.run.get("seconds", 0)))
        ElementTree.SubElement(suite, "system-out").text = f"{visible(findings.summary)}\n{findings.command}".rstrip()
    ElementTree.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def github(found: Findings | Submissions, style: Style) -> str:
    """Annotations for GitHub Actions: the summary of each program, then a line for each result that is not right.

    Source: GitHub's documentation, *Workflow commands*.
    """
    level = {True: "notice", False: "error", None: "warning"}
    lines = []
    for name, findings in _suites(found):
        lines.append((level[findings.passed], name, findings.summary))
        for test in _tests(findings):
            if test.verdict.passed is False:
                lines.append(("error", f"{name}: {test.layer}, {test.name}", f"{test.status}. {test.says}"))
    return "".join(f"::{kind} title={_escaped(title, ':,')}::{_escaped(words)}\n" for kind, title, words in lines)


def _escaped(text: str, others: str = "") -> str:
    for character in "%\r\n" + others:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def gradescope(findings: Findings, style: Style) -> str:
    """Gradescope's results.json: a test for each result of each layer; all layers have the same weight.

    A layer that is skipped, or not run, scores nothing, as in the findings' own score.

    Source: Gradescope's documentation, *Autograder Specifications*.
    """
    judged = list(_tests(findings))
    counts = Counter(test.layer for test in judged)
    each = 1.0 if style.points is None else style.points / len(counts)
    tests: list[dict[str, Any]] = [
        {
            "name": f"{test.layer}: {test.name}",
            "score": each / counts[test.layer] * bool(test.verdict.passed),
            "max_score": each / counts[test.layer],
            "status": "passed" if test.verdict.passed else "failed",
            "visibility": "hidden" if fnmatchcase(test.layer, style.hidden) else "visible",
            "output": "" if test.verdict.passed else f"{test.status}. {test.says}",
        }
        for test in judged
    ]
    # Any text that names layers, or what failing ones have in common, would show hidden ones.
    shown = f"{findings.counts['right']} of {counted(len(findings.outcomes), 'layer')} are right."
    if not style.hidden:
        shown = text_of(Painter(style.precision).blocks(findings.blocks(style.precision)))
    score = round(sum(test["score"] for test in tests), 9)
    found = {"score": score, "output": shown, "output_format": "text", "tests": tests}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
