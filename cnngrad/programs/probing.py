"""Finds out what a program computes by running it with zeros, with impulses, and with other numbers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cnngrad.arrays import Array, Arrays
from cnngrad.causes.reading import read_elements
from cnngrad.causes.relation import spoken
from cnngrad.checks.report import Compared, Graded
from cnngrad.errors import CnngradError
from cnngrad.layer.expansion import OPERANDS
from cnngrad.programs.findings import Findings
from cnngrad.programs.programs import Program
from cnngrad.programs.suites import SuiteLayer, numbered
from cnngrad.programs.verdicts import Outcome, Verdict, grouped
from cnngrad.tensor import B

# Maximum number of runs of a program to read its products.
_MOST_READINGS = 200


def probe(program: Program, found: Findings, smallest: Outcome, failing: Sequence[Outcome]) -> Findings:
    """The findings, completed by what the program computes in every wrong array of the smallest failing layer."""
    worst = list[Compared]()
    others = list[Compared]()
    notes = [found.note]
    for result in smallest.results.values():
        if result.verdict is Verdict.WRONG and isinstance(result.report, Graded):
            try:
                elements, note = _elements(program, smallest.layer, result.report)
            except CnngradError as error:
                elements, note = [], str(error)
            worst += elements[:1]
            others += elements[1:]
            notes.append(note)
    note = " ".join(filter(None, [*notes, *next(filter(None, map(_relations, failing)), ())]))
    return replace(found, smallest=smallest.layer, compared=worst, others=others, note=note)


def _relations(outcome: Outcome) -> list[str]:
    """The wrong relations between positions that a layer's results follow, in sentences."""
    reports = (result.report for result in outcome.results.values())
    said = grouped(
        (spoken(report.layer, report.relations), report.gradient.title)
        for report in reports
        if isinstance(report, Graded) and report.relation
    )
    return [
        f"In layer {outcome.name} your numbers for {' and '.join(titles)} follow {words}."
        for words, titles in said.items()
    ]


def _elements(program: Program, suite_layer: SuiteLayer, report: Graded) -> tuple[list[Compared], str]:
    """The worst element of an array beside its right sum, the others if all can be read, and a note if they can't."""
    layer, result, own = report.layer, report.gradient, suite_layer.arrays

    def computed(arrays: Arrays) -> Array:
        """The result with these arrays in place of the layer's, in canonical shape; a bias not among them is 0."""
        bias = {B: np.zeros_like(own[B])} if B in own else {}
        shaped = {tensor: array.reshape(layer.shapes[tensor]) for tensor, array in (own | bias | {**arrays}).items()}
        found = program.run(replace(suite_layer, arrays=shaped)).results.get(result)
        if found is None or found.size != report.count:
            raise CnngradError(f"{result.title} could not be analysed: the program gave no result for impulses.")
        if found.ndim == len(layer.written[result]):
            found = layer.layouts.standard(result, found)
        return found.reshape(layer.canonical[result])

    if computed({tensor: np.zeros_like(array) for tensor, array in own.items()}).any():
        return [], f"If all of its arrays are zeros, {result.title} is not 0: some memory is not reset."
    for tensor, other in numbered(suite_layer, decimals=False, seed=1).arrays.items():
        if tensor.is_apart(result):
            made = computed(own | {tensor: other})
            if not np.allclose(made, report.canonical[0], equal_nan=True):
                return [], f"{result.title} changes if only {tensor.title} changes, but must not depend on it."
    worst = report.worst_at
    read = read_elements(layer, result, computed, worst, _MOST_READINGS)
    compared = {index: report.compare(index, products) for index, products in (read or {}).items()}
    if read and all(each.made is not None for each in compared.values()):
        return [compared.pop(worst), *compared.values()], ""
    titles = " and ".join(tensor.title for tensor in OPERANDS[result])
    note = (
        f"{result.title} is not a sum of products of {titles} alone: the products found with a single 1 in each "
        "don't add up to your numbers."
    )
    return [report.compare(worst)], note if read else ""
