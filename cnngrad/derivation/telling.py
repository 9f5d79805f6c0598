"""Which elements of a tensor tell most: one with the most terms, a corner, an edge, and one that no window reaches."""

from itertools import islice

from cnngrad.layer import Layer, indices
from cnngrad.layer.names import Index
from cnngrad.tensor import Tensor

# Number of elements shown of a large table, and the size up to which a table is shown whole (that of the notes' X).
TELLING, WHOLE_UP_TO = 4, 9
# Number of positions that are examined at each end of an axis and in its middle.
_NEAR = 500


def telling(layer: Layer, tensor: Tensor, most: int) -> list[Index]:
    """At most `most` elements of a tensor, the most telling ones, in the order in which windows move.

    If more than `TELLING` are asked for, the first of the others are among them.
    """
    others = islice(indices(layer.canonical[tensor]), most if most > TELLING else 0)
    return sorted(islice(dict.fromkeys([*_telling(layer, tensor), *others]), most))


def _telling(layer: Layer, tensor: Tensor) -> list[Index]:
    """One with the most terms, a corner, an edge, and one without terms, if there are such; some may be the same."""
    lead = (0,) * len(tensor.lead_words)
    sizes = layer.canonical[tensor][len(lead) :]
    # The number of terms of positions along each axis; of a long axis only at its ends and in its middle. And on each
    # axis the position with the most terms that lies nearest to the middle, and an end with fewer, if any.
    terms, whole, fewer = [], [], []
    for axis, size in zip(layer.axes, sizes, strict=False):
        some = range(size)
        near = [*dict.fromkeys([*some[:_NEAR], *some[size // 2 : size // 2 + _NEAR], *some[-_NEAR:]])]
        e = dict(zip(near, axis.counts(tensor, near).tolist(), strict=True))
        most = max(e, key=lambda k: (e[k], -abs(2 * k - size + 1)))
        terms.append(e)
        whole.append(most)
        fewer.append(next((k for k in (0, size - 1, *e) if 0 < e[k] < e[most]), most))

    def beside(number: int, k: int) -> Index:
        """The element with the most terms, at another position on one axis."""
        return (*lead, *whole[:number], k, *whole[number + 1 :])

    edges = [beside(number, k) for number, k in enumerate(fewer) if k != whole[number]]
    unread = [beside(number, k) for number, each in enumerate(terms) for k, count in each.items() if not count]
    return [(*lead, *whole), (*lead, *fewer), *edges[:1], *unread[:1]]
