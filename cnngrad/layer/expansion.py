"""One element as a sum of terms: symbols and values together, for any element of any tensor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product, zip_longest
from math import prod
from typing import Any

from cnngrad.layer.layer import Layer
from cnngrad.layer.names import Index, Names, Number, Symbol, Values
from cnngrad.schema import Json
from cnngrad.tensor import DB, DEDO, DW, DX, B, O, Tensor, W, X

# The arrays whose products a result adds up: two, or one for dE/db.
OPERANDS = {
    O: (W, X),
    DW: (DEDO, X),
    DX: (DEDO, W),
    DB: (DEDO,),
}


@dataclass(frozen=True)
class Partial:
    """The partial derivative of one element by another: ∂o11/∂w11."""

    of: Symbol
    by: Symbol

    def __str__(self) -> str:
        """The name on the screen."""
        return f"∂{self.of.element}/∂{self.by.element}"


# None stands for 0; a number is a coefficient.
Factor = Symbol | Partial | Number | None
# The factors of a product, by tensor and canonical index; None for a zero.
Factors = tuple[Any, ...]


@dataclass(frozen=True)
class Term:
    """One product of an expansion; a factor None is a zero: padding, or a window without the element.

    Without numbers `values` is empty.
    """

    factors: tuple[Factor, ...]
    values: tuple[Number, ...] = ()


@dataclass(frozen=True)
class Expansion:
    """One element, written out.

    Attributes:
        target: the element.
        terms: the products whose sum it is, or the first of them; empty if no window reaches the element.
        value: the computed number of the element; None in a derivation with symbols only.
        count: the number of products; more than `len(terms)` if a limit cut them.
        zeros: the number of terms omitted because a factor is 0: an x in the padding, or a window without the element.
    """

    target: Symbol
    terms: tuple[Term, ...]
    value: Number | None
    count: int
    zeros: int

    def as_json(self) -> Json:
        """As plain data: the element's name, the factors' names in each term, and the value."""
        terms = [[getattr(factor, "name", "0") for factor in term.factors] for term in self.terms]
        return {"element": self.target.name, "terms": terms, "value": self.value}

    @property
    def left_out(self) -> int:
        """The number of terms that a limit cut."""
        return self.count - len(self.terms)

    def cut(self, most: int) -> "Expansion":
        """The sum with only its first terms; a single last term is kept, since words for it would be no shorter."""
        return replace(self, terms=self.terms[: most + (self.count == most + 1)])

    @property
    def rest(self) -> Number:
        """What the terms that are left out add up to, if there are numbers."""
        return (self.value or 0) - sum(prod(term.values) for term in self.terms)

    @property
    def is_worked(self) -> bool:
        """Whether there is a line with numbers beneath the symbols."""
        return self.value is not None and any(term.values for term in self.terms)

    @property
    def total(self) -> Number | None:
        """The number behind that line; None without terms, and for a sum of one number, which is its own total."""
        return None if [len(term.factors) for term in self.terms] in ([], [1]) else self.value


class Expander:
    """Writes out any element of a layer's tensors, at a cost that depends only on the terms it writes."""

    def __init__(self, layer: Layer, values: Values | None = None) -> None:
        """An expander for `layer`; without `values` the expansions have symbols only."""
        self.layer, self.names = layer, Names(layer, values)

    def expand(
        self, tensor: Tensor, index: Index, *, zeros: bool = False, limit: int | None = None, chain: bool = False
    ) -> Expansion:
        """The expansion of an element of o, or of dE/dw, dE/dx, dE/db.

            o[n,f,i]     = sum over c,u of w[f,c,u] * x[n,c,h], + b[f]
            dE/dw[f,c,u] = sum over n,i of dE/do[n,f,i] * x[n,c,h]
            dE/dx[n,c,h] = sum over f,u of dE/do[n,f,i] * w[f,c,u]
            dE/db[f]     = sum over n,i of dE/do[n,f,i]

        where output i meets input h under tap u in the axes' tables.

        Args:
            tensor: O, dE/dW, dE/dX or dE/db.
            index: the element's canonical index, from 0.
            zeros: write the zero terms in their places (padding; outputs whose window does not hold the element).
            limit: the largest number of terms to write; None for all.
            chain: write dE/dw or dE/dx by the chain rule, before the partial derivatives are put in, without numbers:
                ∂E/∂o11·∂o11/∂w11 + …; an output that reads x in several places has one term.
        """
        products, written, every = self.products(tensor, index, zeros, once=chain)
        names, terms = self.names, list[Term]()
        target = names.symbol(tensor, index)
        for factors in islice(products, limit):
            if chain:
                reached = names.symbol(*factors[0])
                terms.append(Term((reached, Partial(reached, target))))
                continue
            values: list[Any] = [names.number(*each) if each else 0 for each in factors]
            symbols = tuple(each and names.symbol(*each) for each in factors)
            terms.append(Term(symbols, () if None in values else tuple(values)))
        value = None if chain else names.number(tensor, index)
        if value is None and terms and len(terms) == written and all(term.values for term in terms):
            value = sum(prod(term.values) for term in terms)
        return Expansion(target, tuple(terms), value, written, every - written)

    def products(
        self, tensor: Tensor, index: Index, zeros: bool = False, once: bool = False
    ) -> tuple[Iterator[Factors], int, int]:
        """The factors of an element's products, their number, and their number including products with a zero."""
        layer, count = self.layer, len(tensor.lead_words)
        # The partners at each place along each axis: with padding that is not zeros an output may read an input through
        # several taps. An element of dE/db has no position.
        axes = []
        for axis, k in zip_longest(layer.axes, index[count:]):
            partners = dict[int, list[int]]()
            for place, partner in axis.terms(tensor, k):
                if not (once and place in partners):
                    partners.setdefault(place, []).append(partner)
            axes.append(partners)
        sizes = layer.kernel if tensor is O else layer.out
        sums = leads(layer, tensor, index[:count])
        has_bias = tensor is O and layer.has_bias
        real = len(sums) * prod(sum(map(len, axis.values())) for axis in axes) + has_bias
        # An output, or a tap, that meets nothing on one axis has one product with 0.
        every = real + len(sums) * (prod(sizes) - prod(map(len, axes)))
        first, *others = OPERANDS[tensor]

        def products() -> Iterator[Factors]:
            for left, right in sums:
                for places in product(*(map(range, sizes) if zeros else axes)):
                    met = [axis.get(k, ()) for axis, k in zip(axes, places, strict=True)]
                    for partners in product(*met) if all(met) else [None]:
                        yield (
                            (first, (*left, *places)),
                            *(partners and (other, (*right, *partners)) for other in others),
                        )
            if has_bias:
                yield ((B, index[1:2]),)

        return products(), every if zeros else real, every


class OutputsOnDemand:
    """The numbers of O, each computed from its own terms: for derivations that need a few of them only."""

    def __init__(self, layer: Layer, values: Values) -> None:
        """The outputs of a layer with these numbers in X, W and b."""
        self._expander = Expander(layer, values)

    def __getitem__(self, index: Index) -> Number:
        """The sum of the terms of o at a canonical index."""
        return self._expander.expand(O, index).value or 0


def leads(layer: Layer, tensor: Tensor, lead: Index) -> list[tuple[Index, Index]]:
    """The pairs of both operands' samples, channels and filters over which an element with this lead is summed.

    dE/db has one operand: only the first of each pair counts.
    """
    if layer.transposed and tensor is not DB:
        # Take the twin's pairs, with the operands in the order of this layer's formula.
        return [pair[::-1] for pair in leads(layer.conv, layer.role[tensor], lead)]
    channels, filters, (first, second) = layer.group_channels, layer.group_filters, (*lead, 0)[:2]
    if tensor is O:
        return [((second, c), (first, second // filters * channels + c)) for c in range(channels)]
    if tensor is DX:
        group, channel = divmod(second, channels)
        return [((first, f), (f, channel)) for f in range(group * filters, (group + 1) * filters)]
    return [((n, first), (n, first // filters * channels + second)) for n in range(layer.batch)]
