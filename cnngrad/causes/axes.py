"""The axes of the user's arrays: advice is written for cnngrad's order of axes, and spelled here for the user's."""

import re
from collections.abc import Iterable

import numpy as np

from cnngrad.layer import Layer
from cnngrad.tensor import O, Tensor, W, X

__all__ = ["Axes", "spelled"]


class Axes:
    """The axes of one of the user's arrays, each known by its number in canonical shape.

    A format specification gives an index: it has an entry for each axis of the canonical shape, which may be empty or
    omitted. A star before the third entry repeats it for all spatial axes; if the entry is a name, each axis gets an
    element of it. The entries f and c, filter and channel, change places for the twin of a transposed layer. Or it
    gives the place of an element in memory as a nested sum: `flat`, the sign for times, and a name for the length of
    the last axis.

    Attributes:
        order: the axes in the user's order.
        memory: the same order, after the canonical axes that the user's array lacks.
        spatial: the places of the spatial axes in the user's array.

    >>> from cnngrad.layer import make_layer
    >>> layer = make_layer((1, 9, 9, 2), (3, 3, 2, 4), layout="nhwc", filter_layout="hwio")
    >>> w, x = Axes(layer, W), Axes(layer, X)
    >>> f"w[{w:,,*::-1}]", f"w[{w:f,c,*u}]", w.spatial, f"dx[{x:,,*inside}]", f"dx[{x:,::-1}]"
    ('w[::-1, ::-1]', 'w[u[0], u[1], c, f]', [0, 1], 'dx[:, inside[0], inside[1]]', 'dx[..., ::-1]')
    >>> f"{w:flat·}", f"{x:flat * OW}"
    ('((u·kw + v)·C + c)·F + f', '((n * H + h) * OW + w) * C + c')
    """

    def __init__(self, layer: Layer, tensor: Tensor) -> None:
        """The axes of a tensor of a convolution."""
        first = len(tensor.lead_words) - layer.lead[tensor]
        places = layer.layouts.places(tensor, len(layer.shapes[tensor]))
        self.order = tuple(first + int(axis) for axis in np.argsort(places))
        self.memory = (*range(first), *self.order)
        self.spatial = [self.order.index(axis) for axis in sorted(self.order) if axis > 1]
        dims = layer.dims
        inner = "nc" + "dhw"[-dims:], ("N", "C", *"DHW"[-dims:])
        outer = "nf" + "ijk"[:dims], ("N", "F", *("D'", "H'", "W'")[-dims:])
        lead, self._renamed = "fc", dict[str, str]()
        # In the twin of a transposed layer X and O have changed places, and so have the first axes of W.
        if layer.own.transposed:
            inner, outer, lead, self._renamed = outer, inner, "cf", {"f": "c", "c": "f"}
        kernel = lead + "uvt"[:dims], (*lead.upper(), *("kd", "kh", "kw")[-dims:])
        self._indices, self._lengths = {X: inner, W: kernel}.get(tensor.array, outer)

    def __format__(self, entries: str) -> str:
        """The index with these entries, in the user's order, or the place in memory."""
        if flat := re.fullmatch(r"flat(\W+)(\w*)", entries):
            lengths, text = [*self._lengths[:-1], flat[2] or self._lengths[-1]], ""
            for axis in self.order:
                outer = f"({text})" if " + " in text else text
                text = f"{outer}{flat[1]}{lengths[axis]} + {self._indices[axis]}" if text else self._indices[axis]
            return text
        given = dict(enumerate(self._renamed.get(entry, entry) for entry in entries.split(",")))
        if (name := given.get(2, "")).startswith("*"):
            element = "{}[{}]" if name[1:].isidentifier() else "{}"
            given |= {2 + k: element.format(name[1:], k) for k in range(len(self.spatial))}
        index = [given.get(axis, "") or ":" for axis in self.order]
        text = re.sub("(, :)+$", "", ", ".join(index))
        return text if index[-1] == ":" else re.sub("^(:, )+", "..., ", text)


def spelled(texts: Iterable[str], layer: Layer, result: Tensor) -> tuple[str, ...]:
    """Sentences or lines of code on a convolution's result, with the fields for the axes of its arrays filled in."""
    x, w, o, result_ = (Axes(layer, tensor) for tensor in (X, W, O, result))
    # The axes of O without that of its filters, and without that of its columns.
    summed, fewer = (tuple(place for place, axis in enumerate(o.order) if axis != other) for other in (1, 3))
    first, *others = (f"{word}s" for word in layer.axis_words)
    swapped = "height and width" if layer.dims == 2 else "spatial axes"
    words = {"first": first, "others": " and ".join(others), "swapped": swapped}
    return tuple(text.format(x=x, w=w, o=o, result=result_, summed=summed, fewer=fewer, **words) for text in texts)
