"""The axes of the user's arrays: advice is written for cnngrad's order of axes, and spelled here for the user's."""

import re

import numpy as np

from cnngrad.layer import Layer
from cnngrad.tensor import O, Tensor, W, X

__all__ = ["Axes", "spelled"]


class Axes:
    """The axes of one of the user's arrays, each known by its number in canonical shape.

    A format has an entry for each axis of the canonical shape, and spells an index. Entries may be empty or left out;
    a star before the third repeats it for all spatial axes, or unpacks what it names.

    Attributes:
        order: the axes in the user's order.
        spatial: the places of the spatial axes in the user's array.
        others: for each axis the places of all others.
        crop: the index that cuts off the padding in front and behind.

    >>> from cnngrad.layer import make_layer
    >>> layer = make_layer((1, 9, 9, 2), (3, 3, 2, 4), layout="nhwc", filter_layout="hwio")
    >>> w, x = Axes(layer, W), Axes(layer, X)
    >>> f"w[{w:,,*::-1}]", f"w[{w:f,c,*u}]", w.spatial, w.others[0], f"dx[{x.crop}]"
    ('w[::-1, ::-1]', 'w[*u, c, f]', [0, 1], (0, 1, 2), 'dx[:, top:top+H, left:left+W]')
    """

    def __init__(self, layer: Layer, tensor: Tensor) -> None:
        """The axes of a tensor of a convolution."""
        first = len(tensor.lead_words) - layer.lead[tensor]
        places = layer.layouts.places(tensor, len(layer.shapes[tensor]))
        self.order = tuple(first + int(axis) for axis in np.argsort(places))
        self.spatial = [self.order.index(axis) for axis in range(2, 2 + layer.dims) if axis in self.order]
        self.others = [
            tuple(place for place, axis in enumerate(self.order) if axis != other) for other in range(2 + layer.dims)
        ]
        edges = zip(("front", "top", "left")[-layer.dims :], "DHW"[-layer.dims :], strict=True)
        self.crop = format(self, ",," + ",".join(f"{edge}:{edge}+{size}" for edge, size in edges))

    def __format__(self, entries: str) -> str:
        """The index with these entries, in the user's order."""
        given = dict(enumerate(entries.split(",")))
        name, joined = given.get(2, "").removeprefix("*"), ""
        if given.get(2, "").startswith("*"):
            is_name = name.isidentifier()
            given |= {2 + k: f"{name}[{k}]" if is_name else name for k in range(len(self.spatial))}
            joined = ", ".join(given[2 + k] for k in range(len(self.spatial))) if is_name else ""
        index = [given.get(axis, "") for axis in self.order]
        while index and not index[-1]:
            index.pop()
        text = ", ".join(entry or ":" for entry in index) or "..."
        text = text.replace(joined, f"*{name}") if joined else text
        return re.sub("^(:, )+", "..., ", text) if len(index) == len(self.order) else text


def spelled(text: str, layer: Layer, result: Tensor) -> str:
    """Words or a line of code on a result of a convolution, whose formats are the axes of x, w, o and the result."""
    return text.format(x=Axes(layer, X), w=Axes(layer, W), o=Axes(layer, O), result=Axes(layer, result))
