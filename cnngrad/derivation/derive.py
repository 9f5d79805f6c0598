"""The derivation of a layer from its arrays, for Python."""

from collections.abc import Sequence
from typing import Unpack

import numpy.typing as npt

from cnngrad.arrays import read_tensor
from cnngrad.compute import Work
from cnngrad.derivation.blocks import Derivation
from cnngrad.derivation.choice import Choice, explained_tensors
from cnngrad.derivation.lesson import lesson
from cnngrad.errors import CnngradError
from cnngrad.functions import read_layer
from cnngrad.layer import layer_of, parse_shape
from cnngrad.layer.names import canonical_values
from cnngrad.settings import LayerOptions
from cnngrad.tensor import GIVEN, O


def derive(
    x: npt.ArrayLike | str,
    w: npt.ArrayLike | str,
    dedo: npt.ArrayLike | str | None = None,
    *,
    b: npt.ArrayLike | str | None = None,
    elements: Sequence[str] = (),
    only: str | None = None,
    limit: int | None = None,
    terms: int | None = None,
    zeros: bool = False,
    sections: Sequence[str] = (),
    **options: Unpack[LayerOptions],
) -> Derivation:
    """The derivation of a layer's output, or with dE/dO of its gradients, as data.

    Args:
        x: X, as for `forward`; or a shape such as `"3x3"`, for a derivation in symbols only.
        w: W, as an array or a shape.
        dedo: dE/dO, as an array or a shape; without it the derivation is that of O.
        b: the bias, as an array or a shape.
        elements: names such as `"x22"` or `"dE/dw11"`, counted from 1: only these are explained, each with its picture.
        only: `"dW"`, `"dX"` or `"db"` to derive only this gradient.
        limit: maximum number of rows in a table of more than nine elements; the most telling ones are shown.
        terms: maximum number of terms of an element; None for all.
        zeros: write the zero terms too, as the notes do.
        sections: names of sections, such as `"dx-conv"`; empty for all.
        options: the layer's options, as for `forward`.

    Returns:
        Sections of sentences, formulas, expansions and grids, in the order of the notes.

    Raises:
        CnngradError: as for `forward`, and for an element that the layer does not have.

    Source: the notes *Back Prop in CNN*.

    >>> derivation = derive("3x3", "2x2", elements=["o12"])
    >>> expansion = derivation.sections[0].blocks[0].expansions[0]
    >>> [[str(factor) for factor in term.factors] for term in expansion.terms]
    [['w11', 'x12'], ['w12', 'x13'], ['w21', 'x22'], ['w22', 'x23']]
    """
    given = {tensor: each for tensor, each in zip(GIVEN, (x, w, b, dedo), strict=True) if each is not None}
    if any(isinstance(each, str) for each in given.values()):
        arrays, shapes = {}, {}
        for tensor, each in given.items():
            shape = parse_shape(each) if isinstance(each, str) else read_tensor(tensor.key, each).array.shape
            if shape is None:
                raise CnngradError(f"{tensor.key} is {each!r}: give an array, or a shape such as '3x3'")
            shapes[tensor] = shape
        layer = layer_of(shapes, **options)
    else:
        layer, operands = read_layer(given, options)
        work = Work(layer, operands)
        arrays = {tensor: operand.array for tensor, operand in operands.items()}
        arrays |= {result: work.computed(result) for result in work.planned}
    explained = [O] if dedo is None else explained_tensors(layer, only)
    choice = Choice(tuple(elements), limit, zeros, terms, tuple(sections))
    return lesson(layer, canonical_values(layer, arrays), choice, explained)
