"""What a program computes, read off it: it is run with zeros, with impulses, and with other numbers."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data
from cnngrad.causes.reading import Product, as_expansion, read_all, read_element
from cnngrad.causes.relation import followed, spoken
from cnngrad.checks.report import Compared, GradientReport
from cnngrad.layer.expansion import OPERANDS, Expander
from cnngrad.layer.names import Index, canonical_values
from cnngrad.programs.findings import Outcome, Verdict
from cnngrad.programs.programs import Program
from cnngrad.programs.suites import SuiteLayer, numbered
from cnngrad.tensor import Tensor

__all__ = ["Probed", "probe"]

# How often the program is run to read its products.
_MOST_READINGS = 200
# How far a sum of the products that were read may be off, as a part of the sum of their absolute values, by form.
_ROUNDING: defaultdict[str, float] = defaultdict(lambda: 1e-5, {"bfloat16 values": 2**-6, "float16 values": 2**-9})


@dataclass
class Probed:
    """What was read off a program.

    Attributes:
        worst: the worst element of every wrong array, as the program computes it, beside the right sum.
        others: the other elements of these arrays, likewise, where all could be read.
        notes: what else is known, in sentences.
    """

    worst: tuple[Compared, ...] = ()
    others: tuple[Compared, ...] = ()
    notes: list[str] = field(default_factory=list)


def probe(program: Program, outcome: Outcome, larger: Outcome) -> Probed:
    """Read off a program what it computes in a failing layer, in every array that is wrong.

    Args:
        program: the program.
        outcome: what it made of the smallest layer that fails, in which elements are read.
        larger: what it made of a layer that fails in the same way, and shows the relation that it follows.
    """
    probed = Probed()
    for wrong in _wrong(program, outcome):
        try:
            wrong.into(probed)
        except _NoAnswerError:
            probed.notes.append(f"{wrong.result.title} could not be read off: the program did not answer on impulses.")
    followed: dict[str, list[str]] = {}
    for wrong in _wrong(program, larger):
        with suppress(_NoAnswerError):
            followed.setdefault(wrong.relation(), []).append(wrong.result.title)
    for words, titles in followed.items():
        if words:
            probed.notes.append(f"In {larger.layer.name} your numbers for {' and '.join(titles)} follow {words}.")
    return probed


def _wrong(program: Program, outcome: Outcome) -> "Iterator[_Probe]":
    """The wrong arrays of a layer."""
    for result, found in outcome.results.items():
        report = found.report
        if found.verdict is not Verdict.WRONG or report is None:
            continue
        if report.worst is not None and report.analytic is not None:
            yield _Probe(program, outcome.layer, result, report)


class _NoAnswerError(Exception):
    """The program gave no array of the right shape."""


class _Probe:
    """One wrong array of one layer."""

    def __init__(self, program: Program, suite_layer: SuiteLayer, result: Tensor, report: GradientReport) -> None:
        """What a report says of an array, in the user's layout."""
        assert report.analytic is not None
        assert report.worst is not None
        self._program, self._suite_layer, self.result = program, suite_layer, result
        self._layer = layer = suite_layer.layer
        self._values = canonical_values(layer, suite_layer.arrays)
        self._claim = layer.layouts.standard(result, report.analytic).reshape(layer.canonical[result])
        self._worst = layer.canonical_index(result, layer.layouts.standard_shape(result, report.worst.index))
        self._rounding = _ROUNDING[report.judged_as]

    def into(self, probed: Probed) -> None:
        """Read it off, and add what is found."""
        result, layer = self.result, self._layer
        nothing = {tensor: np.zeros_like(array) for tensor, array in self._suite_layer.arrays.items()}
        if self._run(nothing).any():
            probed.notes.append(f"With zeros in all of its arrays, {result.title} is not 0: something is not reset.")
            return
        if changing := self._depends_on():
            probed.notes.append(f"{result.title} changes with {changing.title} alone, on which it must not depend.")
            return
        read = read_all(layer, result, self._computed, _MOST_READINGS)
        if read is None:
            element = read_element(layer, result, self._worst_computed, _MOST_READINGS)
            if element is None:
                probed.worst += (self._compared(self._worst, None),)
                return
            read = {self._worst: element}
        compared = {index: self._compared(index, products) for index, products in read.items()}
        if any(each.made is None for each in compared.values()):
            operands = " and ".join(tensor.title for tensor in OPERANDS[result])
            probed.notes.append(
                f"{result.title} is not a sum of products of {operands} alone: with a single 1 in each, the products "
                f"that show don't add up to your numbers."
            )
            probed.worst += (self._compared(self._worst, None),)
            return
        probed.worst += (compared.pop(self._worst),)
        probed.others += tuple(compared.values())

    def relation(self) -> str:
        """The relation between positions that the program follows, in words; empty where it is the right one."""
        layer, result = self._layer, self.result
        values = {tensor: array.astype(np.float64) for tensor, array in self._values.items()}
        w = layer.rotated(values[Tensor.W])
        data = Data(layer, values[Tensor.X], w, values[Tensor.DEDO], values.get(Tensor.B))
        allowed = self._rounding * float(np.abs(self._claim).max(initial=0.0))
        relations = followed(data, result, self._computed, self._claim, allowed)
        return "" if relations is None else spoken(layer, relations)

    def _computed(self, arrays: Mapping[Tensor, Array]) -> Array:
        """The result with these arrays, in canonical shape; operands of the result that are not given are 0."""
        zeros = {tensor: np.zeros(self._layer.canonical[tensor]) for tensor in OPERANDS[self.result]}
        if self.result is Tensor.O and self._layer.has_bias:
            zeros[Tensor.B] = np.zeros(self._layer.canonical[Tensor.B])
        return self._run(self._suite_layer.arrays | zeros | dict(arrays))

    def _worst_computed(self, arrays: Mapping[Tensor, Array]) -> float:
        value: float = self._computed(arrays)[self._worst].item()
        return value

    def _run(self, arrays: Mapping[Tensor, Array]) -> Array:
        layer, result = self._layer, self.result
        shaped = {tensor: array.reshape(layer.shapes[tensor]) for tensor, array in arrays.items()}
        answer = self._program.run(replace(self._suite_layer, arrays=shaped))
        found = answer.results.get(result)
        if answer.fault or not isinstance(found, np.ndarray) or found.size != self._claim.size:
            raise _NoAnswerError
        if found.ndim == len(layer.written[result]):
            found = layer.layouts.standard(result, found)
        return found.reshape(layer.canonical[result])

    def _depends_on(self) -> Tensor | None:
        """An array that changes the result, though the result is no sum of products with it."""
        arrays = self._suite_layer.arrays
        other = numbered(self._suite_layer, decimals=False, seed=1).arrays
        for tensor in arrays:
            if tensor not in OPERANDS[self.result] and not (tensor is Tensor.B and self.result is Tensor.O):
                made = self._run(arrays | {tensor: other[tensor]})
                if not np.allclose(made, self._claim, equal_nan=True):
                    return tensor
        return None

    def _compared(self, index: Index, products: list[Product] | None) -> Compared:
        """An element beside its right sum; with the products that the program adds up, if they give its number."""
        layer, result = self._layer, self.result
        right = Expander(layer, self._values).expand(result, index)
        yours = self._claim[index].item()
        if isinstance(right.value, int) and yours == int(yours):
            yours = int(yours)
        made = None
        if products is not None:
            made = as_expansion(layer, result, index, products, self._values, yours, self._rounding)
        return Compared(yours, right, made)
