"""What a program computes, read off it: it is run with zeros, with impulses, and with other numbers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.reading import Product, as_expansion, read_elements
from cnngrad.causes.relation import followed, spoken
from cnngrad.checks.report import Compared, Graded
from cnngrad.layer.expansion import OPERANDS, Expander
from cnngrad.layer.names import Index, canonical_values
from cnngrad.programs.findings import Outcome
from cnngrad.programs.programs import Program
from cnngrad.programs.suites import SuiteLayer, numbered
from cnngrad.programs.verdicts import Verdict
from cnngrad.tensor import B, O, Tensor

# How often the program is run to read its products.
_MOST_READINGS = 200
# How far a sum of the products that were read may be off, as a part of the sum of their absolute values, by form.
_ROUNDING = {"bfloat16 values": 2**-6, "float16 values": 2**-9}


class Probed(NamedTuple):
    """What was read off a program.

    Attributes:
        worst: the worst element of every wrong array, as the program computes it, beside the right sum.
        others: the other elements of these arrays, likewise, where all could be read.
        notes: what else is known, in sentences.
    """

    worst: list[Compared]
    others: list[Compared]
    notes: list[str]


def probe(program: Program, outcome: Outcome, larger: Outcome) -> Probed:
    """Read off a program what it computes in a failing layer, in every array that is wrong.

    Args:
        program: the program.
        outcome: what it made of the smallest layer that fails, in which elements are read.
        larger: what it made of a layer that fails in the same way, and shows the relation that it follows.
    """
    probed = Probed([], [], [])
    for wrong in _wrong(program, outcome):
        try:
            read = wrong.elements()
        except _UnreadableError as error:
            probed.notes.append(error.why)
            read = error.elements
        probed.worst.extend(read[:1])
        probed.others.extend(read[1:])
    followed: dict[str, list[str]] = {}
    for wrong in _wrong(program, larger):
        with suppress(_UnreadableError):
            followed.setdefault(wrong.relation(), []).append(wrong.result.title)
    for words, titles in followed.items():
        if words:
            probed.notes.append(f"In {larger.layer.name} your numbers for {' and '.join(titles)} follow {words}.")
    return probed


def _wrong(program: Program, outcome: Outcome) -> "Iterator[_Wrong]":
    """The wrong arrays of a layer."""
    for result, found in outcome.results.items():
        report = found.report
        if found.verdict is Verdict.WRONG and isinstance(report, Graded):
            rounding = _ROUNDING.get(report.judged_as, 1e-5)
            yield _Wrong(program, outcome.layer, result, report.canonical[0], report.worst_at, rounding)


@dataclass(eq=False)
class _UnreadableError(Exception):
    """What the program computes can't be read: why, and the elements that are shown."""

    why: str
    elements: Sequence[Compared] = ()


@dataclass
class _Wrong:
    """One wrong array of one layer.

    Attributes:
        program: the program.
        suite_layer: the layer, with its numbers.
        result: which array it is.
        claim: what the program computed, in canonical shape.
        worst: the canonical index of the worst element.
        rounding: how far a sum of products may be off, as a part of the sum of their absolute values.
    """

    program: Program
    suite_layer: SuiteLayer
    result: Tensor
    claim: Array
    worst: Index
    rounding: float

    def elements(self) -> Sequence[Compared]:
        """The worst element as the program computes it beside its right sum; then the others, where all can be read."""
        layer, result, arrays = self.suite_layer.layer, self.result, self.suite_layer.arrays
        if self._run({tensor: np.zeros_like(array) for tensor, array in arrays.items()}).any():
            raise _UnreadableError(f"With zeros in all of its arrays, {result.title} is not 0: something is not reset.")
        other = numbered(self.suite_layer, decimals=False, seed=1).arrays
        for tensor in arrays:
            if tensor not in OPERANDS[result] and (tensor, result) != (B, O):
                made = self._run(arrays | {tensor: other[tensor]})
                if not np.allclose(made, self.claim, equal_nan=True):
                    raise _UnreadableError(
                        f"{result.title} changes with {tensor.title} alone, on which it must not depend."
                    )
        read = read_elements(layer, result, self._computed, self.worst, _MOST_READINGS)
        if read is None:
            return [self._compared(self.worst, None)]
        compared = {index: self._compared(index, products) for index, products in read.items()}
        if any(each.made is None for each in compared.values()):
            operands = " and ".join(tensor.title for tensor in OPERANDS[result])
            raise _UnreadableError(
                f"{result.title} is not a sum of products of {operands} alone: with a single 1 in each, the products "
                f"that show don't add up to your numbers.",
                [self._compared(self.worst, None)],
            )
        return [compared.pop(self.worst), *compared.values()]

    def relation(self) -> str:
        """The relation between positions that the program follows, in words; empty where it is the right one."""
        floats = {tensor: array.astype(np.float64) for tensor, array in self.suite_layer.arrays.items()}
        data = replace(self.suite_layer, arrays=floats).data
        allowed = self.rounding * float(np.abs(self.claim).max(initial=0.0))
        relations = followed(data, self.result, self._computed, self.claim, allowed)
        return "" if relations is None else spoken(data.layer, relations)

    @property
    def _values(self) -> dict[Tensor, Array]:
        return canonical_values(self.suite_layer.layer, self.suite_layer.arrays)

    def _computed(self, arrays: Mapping[Tensor, Array]) -> Array:
        """The result with these arrays, in canonical shape; without a bias that is not given."""
        zeros = {tensor: 0 * array for tensor, array in self.suite_layer.arrays.items() if tensor is B}
        return self._run(self.suite_layer.arrays | zeros | dict(arrays))

    def _run(self, arrays: Mapping[Tensor, Array]) -> Array:
        layer, result = self.suite_layer.layer, self.result
        shaped = {tensor: array.reshape(layer.shapes[tensor]) for tensor, array in arrays.items()}
        answer = self.program.run(replace(self.suite_layer, arrays=shaped))
        found = answer.results.get(result)
        if not isinstance(found, np.ndarray) or found.size != self.claim.size:
            raise _UnreadableError(f"{result.title} could not be read off: the program did not answer on impulses.")
        if found.ndim == len(layer.written[result]):
            found = layer.layouts.standard(result, found)
        return found.reshape(layer.canonical[result])

    def _compared(self, index: Index, products: list[Product] | None) -> Compared:
        """An element beside its right sum; with the products that the program adds up, if they give its number."""
        layer, result = self.suite_layer.layer, self.result
        right = Expander(layer, self._values).expand(result, index)
        yours = self.claim[index].item()
        if isinstance(right.value, int) and yours == int(yours):
            yours = int(yours)
        made = None
        if products is not None:
            made = as_expansion(layer, result, index, products, self._values, yours, self.rounding)
        return Compared(yours, right, made)
