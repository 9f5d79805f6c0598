"""Which elements of a tensor tell most: one with the most terms, a corner, an edge, and one that no window reaches."""

from itertools import islice

import numpy as np

from cnngrad.layer import Layer
from cnngrad.layer.names import Index
from cnngrad.tensor import Tensor

# Number of elements shown of a large table, and the size up to which a table is shown whole (that of the notes' X).
TELLING, WHOLE_UP_TO = 4, 9
# Number of positions that are examined at each end of an axis and in its middle.
_NEAR = 500


def telling(layer: Layer, tensor: Tensor, most: int) -> list[Index]:
    """At most `most` elements of a tensor, the most telling ones, in the order in which windows move.

    They are one with the most terms, a corner, an edge, and one without terms, if there are such. If more than
    `TELLING` are asked for, the first of the others are among them.
    """
    lead = (0,) * len(tensor.lead_words)
    shape = layer.canonical[tensor]
    # For each axis: the position with the most terms nearest to the middle, an end with fewer terms if there is one,
    # and the positions without terms. On a long axis only positions at the ends and in the middle are examined.
    whole, fewer, unread = [], [], []
    for number, (axis, size) in enumerate(zip(layer.axes, shape[len(lead) :], strict=False)):
        some = range(size)
        near = [*some[:_NEAR], *some[size // 2 : size // 2 + _NEAR], *some[-_NEAR:]]
        e = dict(zip(near, axis.counts(tensor, near).tolist(), strict=True))
        whole.append(max(e, key=lambda k: (e[k], -abs(2 * k - size + 1))))
        fewer.append(next((k for k in (0, size - 1, *e) if 0 < e[k] < e[whole[-1]]), whole[-1]))
        unread += [(number, k) for k, count in e.items() if not count]
    edges = [(number, k) for number, k in enumerate(fewer) if k != whole[number]]
    # The element with the most terms, at another position on one axis.
    beside = [(*lead, *whole[:number], k, *whole[number + 1 :]) for number, k in (*edges[:1], *unread[:1])]
    others = islice(np.ndindex(shape), most if most > TELLING else 0)
    return sorted(islice(dict.fromkeys([(*lead, *whole), (*lead, *fewer), *beside, *others]), most))
