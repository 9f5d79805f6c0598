"""Which elements of a tensor tell most: one that is whole, a corner, an edge, and one that no window reaches."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from cnngrad.layer import Axis, Layer, indices
from cnngrad.layer.names import Index
from cnngrad.tensor import DB, DW, DX, O, Tensor

# So many elements are shown of a table that has more than the notes' X has.
TELLING, WHOLE_UP_TO = 4, 9
# So many positions at each end of an axis, and in its middle, are looked at.
_NEAR = 500


class Told(NamedTuple):
    """An element that is shown, and why.

    Attributes:
        place: its canonical index.
        why: what it shows, in words; empty for one that is shown beside the telling ones.
    """

    place: Index
    why: str = ""


def telling(layer: Layer, tensor: Tensor, most: int) -> list[Told]:
    """The most telling elements of a tensor, at most so many, the most telling first.

    Where more are asked for than are usual, the first of the others follow.
    """
    found = {told.place: told for told in _telling(layer, tensor)}
    if most > TELLING:
        for place in islice(indices(layer.canonical[tensor]), most):
            found.setdefault(place, Told(place))
    return list(found.values())[:most]


def _telling(layer: Layer, tensor: Tensor) -> Iterator[Told]:
    if tensor is DB:
        yield Told((0,), _AS_ANY)
        return
    terms = [_terms(axis, tensor) for axis in layer.axes]
    # On each axis the position with the most terms that lies nearest to the middle, and the first with the fewest.
    whole = [_middle(each) for each in terms]
    fewest = [min((k for k, n in e.items() if n), key=e.__getitem__, default=_middle(e)) for e in terms]
    loses = [k for k, each in enumerate(terms) if each[fewest[k]] < each[whole[k]]]
    yield Told((0, 0, *whole), "inside, where the most terms meet" if loses else _AS_ANY)
    if len(loses) > 1:
        yield Told((0, 0, *fewest), "at a corner, where terms fall away")
    if loses:
        # The last axis first, along which a row is read.
        last = loses[-1]
        edge = [*whole[:last], fewest[last], *whole[last + 1 :]]
        why = "at an edge, where fewer do" if len(loses) > 1 else "at an end, where terms fall away"
        yield Told((0, 0, *edge), why)
    for axis, each in enumerate(terms):
        unread = [k for k, count in each.items() if not count]
        if unread:
            yield Told((0, 0, *whole[:axis], unread[0], *whole[axis + 1 :]), "which no window reads")
            return


# Where all have as many terms, the first will do.
_AS_ANY = "with as many terms as any other"


def _middle(terms: dict[int, int]) -> int:
    """The position with the most terms; of several the one nearest to the middle."""
    last = max(terms)
    return max(terms, key=lambda k: (terms[k], -abs(2 * k - last)))


def _terms(axis: Axis, tensor: Tensor) -> dict[int, int]:
    """The number of terms that the positions of a tensor have along an axis; of a long one those at ends and middle."""
    size = {O: axis.out, DW: axis.kernel, DX: axis.size}[tensor]
    some = range(size)
    near = list(dict.fromkeys([*some[:_NEAR], *some[size // 2 : size // 2 + _NEAR], *some[-_NEAR:]]))
    return dict(zip(near, axis.counts(tensor, near).tolist(), strict=True))
