"""Mistakes that a layer and its data can't reveal: they give the right result, or can't be made."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from cnngrad.arrays import Array, read_tensor
from cnngrad.compute import Backward, Forward
from cnngrad.gradcheck.matching import guesses_of
from cnngrad.gradcheck.mistakes import CATALOGUE, Data, Mistake
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["WORDS", "hidden_by", "hidden_mistakes", "hidden_words"]


class _Words(NamedTuple):
    """How a mistake is spoken of in a list, and what a layer must have for people to make it there.

    Attributes:
        text: a phrase; several mistakes may share one.
        channels: whether it takes several filters or channels.
        batch: whether it takes a batch axis.
        groups: whether it takes groups.
    """

    text: str
    channels: bool = False
    batch: bool = False
    groups: bool = False

    def apply_to(self, layer: Layer) -> bool:
        """Whether people make it in such a layer."""
        return not (
            (self.channels and max(layer.filters, layer.channels) == 1)
            or (self.batch and layer.x_lead < 2)
            or (self.groups and layer.groups == 1)
        )


WORDS = {
    "sign-flipped": _Words("a wrong sign"),
    "zero": _Words("an array that is never filled"),
    "scaled": _Words("a factor"),
    "filter-not-rotated": _Words("a filter that is not rotated"),
    "filter-flipped-one-axis": _Words("a filter that is flipped along one axis"),
    "filter-transposed": _Words("a transposed filter"),
    "stride-ignored": _Words("a wrong stride"),
    "stride-axes-swapped": _Words("strides of swapped axes"),
    "stride-dilation-swapped": _Words("stride and dilation swapped"),
    "stride-gap-wrong": _Words("a wrong stride"),
    "dilation-ignored": _Words("a wrong dilation"),
    "dilation-off-by-one": _Words("a wrong dilation"),
    "padding-ignored": _Words("a wrong padding"),
    "padding-wrong-side": _Words("a wrong padding"),
    "padding-not-cropped": _Words("a wrong padding"),
    "empty-crop": _Words("a crop with p = 0"),
    "leftover-dropped": _Words("rows left over by the stride"),
    "leftover-misplaced": _Words("rows left over by the stride"),
    "leftover-counted": _Words("rows left over by the stride"),
    "wrong-operand": _Words("a wrong operand"),
    "operand-rotated": _Words("a rotated operand"),
    "result-rotated": _Words("a rotated result"),
    "axes-swapped": _Words("rows and columns swapped"),
    "groups-mixed": _Words("mixed groups", groups=True),
    "channels-swapped": _Words("filters or channels in another order", channels=True),
    "border-not-zero": _Words("a padding that is not zeros"),
    "last-batch-only": _Words("a part of the batch alone", batch=True),
    "first-batch-only": _Words("a part of the batch alone", batch=True),
    "overwritten": _Words("= for +="),
    "batch-not-summed": _Words("a batch that is not added up", batch=True),
    "incomplete": _Words("a missing part"),
    "shifted": _Words("a shift by whole positions"),
    "other-layout": _Words("another order of axes"),
    "operand-layout": _Words("an operand read in another order", channels=True),
    "db-wrong-axes": _Words("sums over the wrong axes"),
}


def hidden_mistakes(data: Data, results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that can't be seen in this layer and data: they give the right result, or none."""
    return tuple(
        mistake.id
        for mistake in CATALOGUE
        if any(result in mistake.guesses for result in results)
        and not any(_shows(mistake, data, result) for result in results)
    )


def hidden_by(layer: Layer, arrays: Mapping[Tensor, Array], results: tuple[Tensor, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that these numbers of a layer can't show.

    Args:
        layer: the layer.
        arrays: X, W, dE/dO and, where the layer has one, b, with their axes in cnngrad's order.
        results: the results in which the mistakes would show.
    """
    given = {tensor: read_tensor(tensor.key, array) for tensor, array in arrays.items()}
    forward = Forward(layer, given[Tensor.X], given[Tensor.W], given.get(Tensor.B))
    backward = Backward(layer, given[Tensor.X], given[Tensor.W], given[Tensor.DEDO])
    right = {result: (forward if result is Tensor.O else backward).computed(result) for result in results}
    own = {tensor: array.reshape(layer.canonical[tensor]) for tensor, array in {**arrays, **right}.items()}
    own |= {tensor: layer.rotated(own[tensor]) for tensor in (Tensor.W, Tensor.DW) if tensor in own}
    found = {result: own[result] for result in results}
    data = Data(layer, own[Tensor.X], own[Tensor.W], own[Tensor.DEDO], found, b=own.get(Tensor.B))
    return hidden_mistakes(data, results)


def _shows(mistake: Mistake, data: Data, result: Tensor) -> bool:
    right = data.right[result]
    for guess in guesses_of(mistake, data, result):
        if guess.bare or guess.array.shape != right.shape or not np.array_equal(guess.array, right):
            return True
    return False


def hidden_words(layer: Layer, ids: Iterable[str]) -> str:
    """The mistakes of some ids that people make in such a layer, in one phrase; empty where there are none.

    >>> from cnngrad.layer import make_layer
    >>> hidden_words(make_layer((3, 3), (2, 2)), ["stride-ignored", "stride-gap-wrong", "groups-mixed", "scaled"])
    'a factor; a wrong stride'
    """
    wanted = set(ids)
    found = dict.fromkeys(words.text for name, words in WORDS.items() if name in wanted and words.apply_to(layer))
    return "; ".join(found)
