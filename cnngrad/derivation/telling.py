"""Which elements of a tensor tell most: one that is whole, a corner, an edge, and one that no window reaches."""

from collections.abc import Iterator
from itertools import islice

from cnngrad.layer import Layer, indices
from cnngrad.layer.names import Index
from cnngrad.tensor import DW, DX, O, Tensor

# Number of elements shown of a large table, and the size up to which a table is shown whole (that of the notes' X).
TELLING, WHOLE_UP_TO = 4, 9
# Number of positions that are examined at each end of an axis and in its middle.
_NEAR = 500


def telling(layer: Layer, tensor: Tensor, most: int) -> dict[Index, str]:
    """At most `most` elements of a tensor, the most telling first, each with what it shows.

    If more than `TELLING` are asked for, the first of the others follow without a remark.
    """
    found = dict(_telling(layer, tensor))
    if most > TELLING:
        found |= {place: "" for place in islice(indices(layer.canonical[tensor]), most) if place not in found}
    return dict(islice(found.items(), most))


def _telling(layer: Layer, tensor: Tensor) -> Iterator[tuple[Index, str]]:
    lead = (0,) * len(tensor.lead_words)
    sizes = layer.canonical[tensor][len(lead) :]
    # The number of terms of positions along each axis; of a long axis only at its ends and in its middle. And on each
    # axis the position with the most terms that lies nearest to the middle, and the first with the fewest.
    terms, whole, fewest = [], [], []
    for axis, size in zip(layer.axes, sizes, strict=False):
        some = range(size)
        near = list(dict.fromkeys([*some[:_NEAR], *some[size // 2 : size // 2 + _NEAR], *some[-_NEAR:]]))
        e = dict(zip(near, axis.counts(tensor, near).tolist(), strict=True))
        terms.append(e)
        whole.append(max(e, key=lambda k: (e[k], -abs(2 * k - size + 1))))
        fewest.append(min(filter(e.get, e), key=e.__getitem__, default=whole[-1]))
    loses = [number for number, e in enumerate(terms) if e[fewest[number]] < e[whole[number]]]
    yield (*lead, *whole), "inside (the most terms)" if loses else "with as many terms as any other"
    if len(loses) > 1:
        yield (*lead, *fewest), "at a corner (the fewest terms)"

    def beside(number: int, k: int) -> Index:
        """The element inside, at another position on one axis."""
        return (*lead, *whole[:number], k, *whole[number + 1 :])

    if loses:
        # The last axis first, along which a row is read.
        where = "at an edge (fewer terms)" if len(loses) > 1 else "at an end (fewer terms)"
        yield beside(loses[-1], fewest[loses[-1]]), where
    alone = {O: "whose window covers only padding", DW: "which meets only padding", DX: "which no window reads"}
    if layer.transposed:
        alone = {O: "which no x reaches", DW: "whose products are all cut off", DX: "whose products are all cut off"}
    for number, each in enumerate(terms):
        for k, count in each.items():
            if not count:
                yield beside(number, k), alone[tensor]
                return
