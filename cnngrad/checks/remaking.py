"""One element of a claim beside its right sum, and the sum that a known mistake makes of it."""

from collections.abc import Mapping

from cnngrad.arrays import Array
from cnngrad.causes.reading import as_expansion, products_of
from cnngrad.causes.recipe import Recipe
from cnngrad.checks.report import Compared, GradientReport
from cnngrad.layer import Layer
from cnngrad.layer.expansion import Expander
from cnngrad.layer.names import canonical_values
from cnngrad.tensor import Tensor

__all__ = ["compared"]

# Terms of an element that are written out.
_MOST_TERMS = 64


def compared(
    layer: Layer,
    arrays: Mapping[Tensor, Array],
    report: GradientReport,
    recipe: Recipe | None,
    index: tuple[int, ...],
) -> Compared:
    """One element of a claim beside its right sum, and the sum that a mistake makes of it.

    Args:
        layer: the layer.
        arrays: the layer's numbers, with the user's axes in cnngrad's order.
        report: the report on the claim.
        recipe: what the claim computes; None where no mistake is known.
        index: the element's index, its axes in cnngrad's order.
    """
    result = report.gradient
    assert report.analytic is not None
    assert report.numeric is not None
    values = canonical_values(layer, {**arrays, result: report.numeric})
    canonical = layer.canonical_index(result, index)
    right = Expander(layer, values).expand(result, canonical, limit=_MOST_TERMS)
    yours = report.analytic[index].item()
    products = None if recipe is None else products_of(recipe, canonical)
    mine = None if products is None else as_expansion(layer, result, canonical, products, values, yours)
    return Compared(yours, right, mine)
