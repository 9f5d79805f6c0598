"""What a known mistake makes of other numbers, and so of one element: yours beside its right sum."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from cnngrad.arrays import Array
from cnngrad.causes.evaluate import Data, Tries, cost, made
from cnngrad.causes.reading import as_expansion, read_element
from cnngrad.causes.recipe import Recipe
from cnngrad.gradcheck.report import Compared, GradientReport
from cnngrad.layer.expansion import Expander
from cnngrad.layer.names import canonical_values
from cnngrad.tensor import Tensor

__all__ = ["PATIENT", "Remaking"]

# How often a mistake is computed anew to read the products in one element: in any wrong claim, and if asked for.
_QUICK, PATIENT = 500, 20_000
# Terms of an element that are written out.
_MOST_TERMS = 64


@dataclass(frozen=True)
class Remaking:
    """A mistake that can be made again with other numbers.

    Attributes:
        data: the layer and its numbers.
        result: the result in which the mistake is made.
        recipe: how it is made; None where no mistake is known.
    """

    data: Data
    result: Tensor
    recipe: Recipe | None

    def compared(
        self,
        arrays: Mapping[Tensor, Array],
        report: GradientReport,
        index: tuple[int, ...],
        tries: Tries,
        most: int = _QUICK,
    ) -> Compared:
        """One element of a claim beside its right sum, and the sum that the mistake makes of it.

        Args:
            arrays: the layer's numbers, with the user's axes in cnngrad's order.
            report: the report on the claim.
            index: the element's index, its axes in cnngrad's order.
            tries: what is left for the mistake's sum, which is left out if it takes more.
            most: how often the mistake may be computed anew for it.
        """
        layer, result = self.data.layer, self.result
        assert report.analytic is not None
        assert report.numeric is not None
        values = canonical_values(layer, {**arrays, result: report.numeric})
        canonical = layer.canonical_index(result, index)
        right = Expander(layer, values).expand(result, canonical, limit=_MOST_TERMS)
        yours, mine = report.analytic[index].item(), None
        if self.recipe is not None:
            most = min(most, int(max(0.0, tries.left) / cost(self.recipe)))
            products = read_element(layer, result, partial(self._element, canonical, tries), most)
            if products is not None:
                mine = as_expansion(layer, result, canonical, products, values, yours)
        return Compared(yours, right, mine)

    def _element(self, canonical: tuple[int, ...], tries: Tries, arrays: Mapping[Tensor, Array]) -> float:
        value: float = self.remade(arrays, tries)[canonical].item()
        return value

    def remade(self, arrays: Mapping[Tensor, Array], tries: Tries | None = None) -> Array:
        """What the mistake makes of the result, in canonical shape, with other numbers in the arrays.

        Args:
            arrays: the numbers that change, in canonical shape.
            tries: counts what is computed.
        """
        assert self.recipe is not None
        data, w = self.data, arrays.get(Tensor.W)
        changed = replace(
            data,
            x=arrays.get(Tensor.X, data.x),
            w=data.w if w is None else data.layer.rotated(w),
            dedo=arrays.get(Tensor.DEDO, data.dedo),
            b=arrays.get(Tensor.B, data.b),
            right={},
            tries=tries or data.tries,
        )
        return made(self.recipe, changed).reshape(data.layer.canonical[self.result])
