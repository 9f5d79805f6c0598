"""The derivation of a layer from its arrays, for Python."""

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy.typing as npt

from cnngrad.arrays import Array, read_tensor
from cnngrad.conv import backward, forward
from cnngrad.derivation.blocks import Derivation
from cnngrad.derivation.choice import DEFAULT_LIMIT, Choice
from cnngrad.derivation.lesson import backward_lesson, forward_lesson
from cnngrad.errors import CnngradError
from cnngrad.expansion import Values
from cnngrad.layer import Padding, PerAxis, Shape, make_layer, parse_shape

__all__ = ["derive"]


def derive(
    x: npt.ArrayLike | str,
    w: npt.ArrayLike | str,
    dedo: npt.ArrayLike | str | None = None,
    *,
    b: npt.ArrayLike | str | None = None,
    elements: Sequence[str] = (),
    only: str | None = None,
    limit: int | None = DEFAULT_LIMIT,
    zeros: bool = False,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    dims: SupportsIndex | None = None,
) -> Derivation:
    """The derivation of a layer's output, or with dE/dO of its gradients, as data.

    Args:
        x: X, as for `forward`; or a shape such as `"3x3"`, and then the derivation is in symbols alone.
        w: W, likewise.
        dedo: dE/dO, likewise; without it the derivation is that of O.
        b: the bias, likewise.
        elements: names such as `"x22"` or `"dE/dw11"`, counted from 1: just those, each with its picture.
        only: `"dW"`, `"dX"` or `"db"` for one gradient alone.
        limit: the most elements in a table, and the most terms in an element; None for all.
        zeros: write the zero terms too, as the notes do.
        stride: as for `forward`, and so the other options.
        padding: see `forward`.
        dilation: see `forward`.
        groups: see `forward`.
        flip: see `forward`.
        dims: see `forward`.

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
    options: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "flip": flip,
        "dims": dims,
    }
    given: dict[str, Array | Shape] = {
        name: _array_or_shape(name, value)
        for name, value in (("X", x), ("W", w), ("b", b), ("dEdO", dedo))
        if value is not None
    }
    shapes = {name: value if isinstance(value, tuple) else value.shape for name, value in given.items()}
    layer = make_layer(shapes["X"], shapes["W"], b_shape=shapes.get("b"), dedo_shape=shapes.get("dEdO"), **options)
    arrays = {name: value for name, value in given.items() if not isinstance(value, tuple)}
    choice = Choice(tuple(elements), only, limit, zeros)
    numbers = len(arrays) == len(given)
    if dedo is None:
        if numbers:
            arrays["O"] = forward(arrays["X"], arrays["W"], arrays.get("b"), **options)
        return forward_lesson(layer, Values.of(layer, arrays) if numbers else Values(), choice)
    if numbers:
        grads = backward(arrays["X"], arrays["W"], arrays["dEdO"], **options)
        arrays |= {"dEdW": grads.dw, "dEdX": grads.dx, "dEdb": grads.db}
    return backward_lesson(layer, Values.of(layer, arrays) if numbers else Values(), choice)


def _array_or_shape(name: str, value: npt.ArrayLike) -> Array | Shape:
    if isinstance(value, str):
        shape = parse_shape(value)
        if shape is None:
            raise CnngradError(f"{name} is {value!r}: give an array, or a shape such as '3x3'")
        return shape
    return read_tensor(name, value)[0]
