"""One element as a sum of terms: symbols and values together, for any element of any tensor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice, product
from math import prod
from typing import Any, NamedTuple

from cnngrad.layer.layer import Layer
from cnngrad.layer.names import Index, Names, Number, Symbol, Values, scalar
from cnngrad.tensor import Tensor

__all__ = ["Expander", "Expansion", "Factor", "OutputsOnDemand", "Partial", "Term", "Worked"]


@dataclass(frozen=True)
class Partial:
    """The partial derivative of one element by another: ∂o11/∂w11."""

    of: Symbol
    by: Symbol

    @property
    def name(self) -> str:
        """The name as it is typed: `do11/dw11`."""
        return f"d{self.of.element}/d{self.by.element}"

    def __str__(self) -> str:
        """The name on the screen."""
        return f"∂{self.of.element}/∂{self.by.element}"


# None stands for 0; a number is a coefficient.
Factor = Symbol | Partial | Number | None


@dataclass(frozen=True)
class Term:
    """One product of an expansion.

    Attributes:
        factors: the symbols; None stands for a zero (padding, or a window that does not hold the element).
        values: the factors' numbers, or None where there are none.
    """

    factors: tuple[Factor, ...]
    values: tuple[Number, ...] | None = None


class Worked(NamedTuple):
    """An element's sum with numbers put in.

    Attributes:
        parts: the terms that are written, as in `Expansion.parts`.
        value: the total, to be written after the terms; None where the terms already are the total.
    """

    parts: tuple[tuple[Term, ...], ...]
    value: Number | None


@dataclass(frozen=True)
class Expansion:
    """One element, written out.

    Attributes:
        target: the element.
        terms: the products whose sum it is, or the first of them; none where no window reaches the element.
        value: the computed number of the element; None in a derivation with symbols only.
        count: how many products there are; more than `len(terms)` where a limit cut them.
        zeros: how many terms are left out because a factor is 0: an x in the padding, or a window without the element.
    """

    target: Symbol
    terms: tuple[Term, ...]
    value: Number | None
    count: int
    zeros: int

    def as_json(self) -> dict[str, Any]:
        """As plain data: the element's name, the factors' names in each term, and the value."""
        terms = [[_spelled(factor) for factor in term.factors] for term in self.terms]
        return {"element": self.target.name, "terms": terms, "value": self.value}

    @property
    def left_out(self) -> int:
        """How many terms a limit cut."""
        return self.count - len(self.terms)

    @property
    def parts(self) -> tuple[tuple[Term, ...], ...]:
        """The terms by sample, channel and filter: each begins where the brackets of the first factor change.

        The bias stands with the last of them.
        """
        products = [term for term in self.terms if not _is_bias(term)]
        parts = [tuple(part) for _, part in groupby(products, key=_brackets)]
        bias = self.terms[len(products) :]
        return tuple([*parts[:-1], (*parts[-1], *bias)] if parts else [bias] if bias else [])

    @property
    def worked(self) -> "Worked | None":
        """The line with numbers beneath the symbols; None where there are no numbers, or no terms."""
        if self.value is None or not self.terms:
            return None
        if self.terms[0].values is None:
            return Worked((), self.value)
        # A sum of one number is its own total.
        alone = len(self.terms) == 1 and len(self.terms[0].factors) == 1
        return Worked(self.parts, None if alone else self.value)

    def by_chain_rule(self) -> "Expansion":
        """∂E/∂w11 = ∂E/∂o11·∂o11/∂w11 + …: the same sum before the partial derivatives are put in."""
        terms = tuple(
            Term((term.factors[0], Partial(term.factors[0], self.target)))
            for term in self.terms
            if isinstance(term.factors[0], Symbol)
        )
        return replace(self, terms=terms, value=None)


def _spelled(factor: Factor) -> str:
    if factor is None:
        return "0"
    return factor.name if isinstance(factor, Symbol | Partial) else repr(factor)


def _is_bias(term: Term) -> bool:
    return isinstance(term.factors[0], Symbol) and term.factors[0].tensor is Tensor.B


def _brackets(term: Term) -> Index:
    first = term.factors[0]
    return first.lead if isinstance(first, Symbol) else ()


class Expander:
    """Writes out any element of a layer's tensors, at a cost that depends only on the terms it writes."""

    def __init__(self, layer: Layer, values: Values | None = None) -> None:
        """An expander for `layer`; without `values` the expansions have symbols only."""
        self.layer = layer
        self.names = Names(layer)
        self._values = values or {}

    def expand(self, tensor: Tensor, index: Index, *, zeros: bool = False, limit: int | None = None) -> Expansion:
        """The expansion of an element of o, or of dE/dw, dE/dx, dE/db.

        Args:
            tensor: O, dE/dW, dE/dX or dE/db.
            index: the element's canonical index, from 0.
            zeros: write the zero terms in their places (padding; outputs whose window does not hold the element).
            limit: the largest number of terms to write; None for all.
        """
        recipes = {
            Tensor.O: self._output,
            Tensor.DW: self._filter_gradient,
            Tensor.DX: self._input_gradient,
            Tensor.DB: self._bias_gradient,
        }
        sums, extra = recipes[tensor](index)
        real = sum(prod(len(axis.pairs) for axis in s.axes) for s in sums) + len(extra)
        every = sum(prod(axis.size for axis in s.axes) for s in sums) + len(extra)
        factors = chain(chain.from_iterable(s.products(zeros) for s in sums), extra)
        terms = tuple(self._term(refs) for refs in islice(factors, limit))
        value = self._value(tensor, index)
        if value is None and terms and all(term.values for term in terms) and len(terms) == (every if zeros else real):
            value = sum(prod(term.values) for term in terms if term.values)
        return Expansion(
            self.names.symbol(tensor, index),
            terms,
            value,
            count=every if zeros else real,
            zeros=0 if zeros else every - real,
        )

    def _output(self, index: Index) -> "_Recipe":
        """o[n,f,i] = sum over c,u of w[f,c,u] * x[n,c, s*i + d*u - p], + b[f]."""
        layer, (n, f, *i) = self.layer, index
        axes = [_AxisPairs(a.kernel, a.inputs_of_output(k)) for a, k in zip(layer.axes, i, strict=True)]
        first = f // layer.group_filters * layer.group_channels
        sums = [_Sum(axes, (Tensor.W, (f, c)), (Tensor.X, (n, first + c))) for c in range(layer.group_channels)]
        return sums, [((Tensor.B, (f,)),)] if layer.has_bias else []

    def _filter_gradient(self, index: Index) -> "_Recipe":
        """dE/dw[f,c,u] = sum over n,i of dE/do[n,f,i] * x[n,c, s*i + d*u - p]."""
        layer, (f, c, *u) = self.layer, index
        axes = [_AxisPairs(a.out, a.inputs_of_tap(k)) for a, k in zip(layer.axes, u, strict=True)]
        channel = f // layer.group_filters * layer.group_channels + c
        return [_Sum(axes, (Tensor.DEDO, (n, f)), (Tensor.X, (n, channel))) for n in range(layer.batch)], []

    def _input_gradient(self, index: Index) -> "_Recipe":
        """dE/dx[n,c,h] = sum over f,u of dE/do[n,f,i] * w[f,c,u] where s*i + d*u - p = h."""
        layer, (n, c, *h) = self.layer, index
        axes = [_AxisPairs(a.out, a.outputs_of_input(k)) for a, k in zip(layer.axes, h, strict=True)]
        group, channel = divmod(c, layer.group_channels)
        filters = range(group * layer.group_filters, (group + 1) * layer.group_filters)
        return [_Sum(axes, (Tensor.DEDO, (n, f)), (Tensor.W, (f, channel))) for f in filters], []

    def _bias_gradient(self, index: Index) -> "_Recipe":
        """dE/db[f] = sum over n,i of dE/do[n,f,i]."""
        layer, (f,) = self.layer, index
        axes = [_AxisPairs(a.out, [(i, i) for i in range(a.out)]) for a in layer.axes]
        return [_Sum(axes, (Tensor.DEDO, (n, f)), None) for n in range(layer.batch)], []

    def _term(self, refs: "_Factors") -> Term:
        symbols = tuple(None if ref is None else self.names.symbol(*ref) for ref in refs)
        values: list[Number] = []
        for ref in refs:
            array = None if ref is None else self._values.get(ref[0])
            if ref is not None and array is None:
                return Term(symbols)
            values.append(0 if ref is None or array is None else scalar(array, ref[1]))
        return Term(symbols, tuple(values))

    def _value(self, tensor: Tensor, index: Index) -> Number | None:
        numbers = self._values.get(tensor)
        return None if numbers is None else scalar(numbers, index)


class OutputsOnDemand:
    """The numbers of O, each computed from its own terms: for derivations that need a few of them only."""

    def __init__(self, layer: Layer, values: Values) -> None:
        """The outputs of a layer with these numbers in X, W and b."""
        self._expander = Expander(layer, {tensor: values[tensor] for tensor in values if tensor is not Tensor.O})

    def __getitem__(self, index: Index) -> Number:
        """The sum of the terms of o at a canonical index."""
        return self._expander.expand(Tensor.O, index).value or 0


_Ref = tuple[Tensor, Index]
_Factors = tuple[_Ref | None, ...]
_Recipe = tuple[list["_Sum"], list[_Factors]]


@dataclass(frozen=True)
class _AxisPairs:
    """One axis of a sum of `size` positions: the pairs (k, partner) of all positions k that have a partner."""

    size: int
    pairs: list[tuple[int, int]]

    def all(self) -> list[tuple[int, int | None]]:
        partners = dict(self.pairs)
        return [(k, partners.get(k)) for k in range(self.size)]


@dataclass(frozen=True)
class _Sum:
    """A sum over spatial positions of left * right; a position without partner gives a zero."""

    axes: list[_AxisPairs]
    left: _Ref
    right: _Ref | None

    def products(self, zeros: bool) -> Iterator[_Factors]:
        for pairs in product(*(axis.all() if zeros else axis.pairs for axis in self.axes)):
            tensor, lead = self.left
            left = (tensor, (*lead, *(k for k, _ in pairs)))
            partners = tuple(partner for _, partner in pairs if partner is not None)
            if self.right is None:
                yield (left,)
            elif len(partners) < len(pairs):
                yield left, None
            else:
                yield left, (self.right[0], (*self.right[1], *partners))
