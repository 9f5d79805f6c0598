"""The findings of `check --run` for other programs: JUnit's XML, GitHub's annotations, Gradescope's results.json."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from xml.etree import ElementTree

from cnngrad.errors import visible
from cnngrad.programs import Findings
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
        passed: whether it is right; None if it was not judged.
        verdict: the verdict.
        status: the verdict in words.
        says: what is wrong with it; may be empty.
    """

    layer: str
    name: str
    passed: bool | None
    verdict: Verdict
    status: str
    says: str


def _tests(findings: Findings) -> Iterator[_Test]:
    for outcome in findings.outcomes:
        layer, end, said = outcome.layer.name, outcome.end, visible(outcome.said)
        if end:
            yield _Test(layer, "run", end.verdict.passed, end.verdict, end.status, said)
        for tensor, found in outcome.results.items():
            yield _Test(layer, tensor.title, found.verdict.passed, found.verdict, found.word, visible(found.hint))
        for fault in outcome.faults:
            yield _Test(layer, "calls", False, Verdict.WRONG, fault.id, visible(fault.says))


# Runs that ended without results: errors of the test in JUnit's sense, not failures.
_ERRORS = {Verdict.UNANSWERED, Verdict.CRASHED, Verdict.FAILED, Verdict.FLOODED, Verdict.SILENT}


def junit(findings: Findings, style: Style) -> str:
    """JUnit's XML as Jenkins reads it: a test case for each result of each layer, whose class is the layer.

    Source: the schema of Jenkins' xUnit plugin, junit-10.xsd.
    """
    tests = list(_tests(findings))
    root = ElementTree.Element("testsuites", name=findings.title)
    suite = ElementTree.SubElement(root, "testsuite", name=findings.title, tests=str(len(tests)))
    counts = dict.fromkeys(("failures", "errors", "skipped"), 0)
    for test in tests:
        case = ElementTree.SubElement(suite, "testcase", classname=test.layer, name=test.name)
        if test.passed:
            continue
        kind = "skipped" if test.passed is None else "error" if test.verdict in _ERRORS else "failure"
        counts[kind if kind == "skipped" else f"{kind}s"] += 1
        found = ElementTree.SubElement(case, kind, message=test.status)
        found.text = test.says
    suite.attrib |= {name: str(count) for name, count in counts.items()}
    ElementTree.SubElement(suite, "system-out").text = visible(findings.summary)
    ElementTree.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def github(findings: Findings, style: Style) -> str:
    """Annotations for GitHub Actions: the summary, then a line for each result that is not right.

    Source: GitHub's documentation, *Workflow commands*.
    """
    level = {True: "notice", False: "error", None: "warning"}
    lines = [(level[findings.passed], findings.title, findings.summary)]
    for test in _tests(findings):
        if test.passed is False:
            lines.append(("error", f"{test.layer}, {test.name}", f"{test.status}. {test.says}"))
    return "".join(f"::{kind} title={_escaped(title, ':,')}::{_escaped(words)}\n" for kind, title, words in lines)


def _escaped(text: str, others: str = "") -> str:
    for character in "%\r\n" + others:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def gradescope(findings: Findings, style: Style) -> str:
    """Gradescope's results.json: a test for each result of each layer that was judged, all of the same weight.

    Source: Gradescope's documentation, *Autograder Specifications*.
    """
    judged = [test for test in _tests(findings) if test.passed is not None]
    points = 1.0 if style.points is None else style.points / max(len(judged), 1)
    tests: list[dict[str, Any]] = [
        {
            "name": f"{test.layer}: {test.name}",
            "score": points * bool(test.passed),
            "max_score": points,
            "status": "passed" if test.passed else "failed",
            "visibility": "hidden" if fnmatchcase(test.layer, style.hidden) else "visible",
            "output": "" if test.passed else f"{test.status}. {test.says}",
        }
        for test in judged
    ]
    # A text that names hidden layers would show them.
    shown = (
        findings.summary if style.hidden else text_of(Painter(style.precision).blocks(findings.blocks(style.precision)))
    )
    found = {"score": sum(test["score"] for test in tests), "output": shown, "output_format": "text", "tests": tests}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
