"""How people change a backward pass: other relations between positions, edits of an operand or of the result, others.

Each function yields a recipe in every way in which one mistake changes it, the likeliest first.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, permutations, product
from math import prod
from typing import NamedTuple, TypeVar

from cnngrad.causes.edits import (
    Edit,
    cut,
    flipped,
    moved,
    only,
    reshaped,
    summed_groups,
    taken,
    transposed,
    without,
    without_one,
)
from cnngrad.causes.recipe import Collect, Read, Recipe
from cnngrad.layer import Relation, Shape
from cnngrad.tensor import Tensor

OUT, X, W, DEDO, B = Tensor.O, Tensor.X, Tensor.W, Tensor.DEDO, Tensor.B
DW, DX, DB = Tensor.DW, Tensor.DX, Tensor.DB
# Up to this size every index is tried, otherwise only the first and the last.
_FEW, _FEW_TAPS = 4, 12
# The letters of the axes, for one to three spatial ones.
_LETTERS = {OUT: "NCDHW", DX: "NCDHW", DW: "OIDHW"}


class Change(NamedTuple):
    """A recipe with a part changed.

    Attributes:
        recipe: the changed recipe.
        detail: the change's parameter in words; empty where it has none.
        coded: whether it is this change that the mistake's line of code makes.
    """

    recipe: Recipe
    detail: str = ""
    coded: bool = False


Changes = Iterator[Change]
_Value = TypeVar("_Value")


def some_axes(dims: int) -> list[Shape]:
    """All the axes together, then each by itself where there are several."""
    alone = [(axis,) for axis in range(dims)] if dims > 1 else []
    return [tuple(range(dims)), *alone]


def _on_axes(axes: Iterable[int]) -> str:
    return "axis " + " and ".join(str(axis + 1) for axis in axes)


def _numbers(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


def _mixed(values: Sequence[_Value], axes: Sequence[int], others: Sequence[_Value]) -> tuple[_Value, ...]:
    """The values, on some axes replaced by others."""
    return tuple(others[k] if k in axes else value for k, value in enumerate(values))


# Other relations.


def _followed(
    recipe: Recipe, others: Sequence[Relation], detail: str = "", coded: bool = False, resized: bool = True
) -> Changes:
    """Other relations on all axes: in the right shape, and in the shape that such steps give."""
    if tuple(others) == recipe.relations or min(abs(r.output * r.filter) for r in others) == 0:
        return
    changed = recipe.but(relations=tuple(others))
    yield Change(changed, detail, coded)
    sizes = []
    for (s, d, _), axis in zip(others, recipe.layer.axes, strict=True):
        filled = {
            OUT: (axis.padded - d * (axis.kernel - 1) - 1) // s + 1,
            DW: (axis.padded - s * (axis.out - 1) - 1) // d + 1,
            DX: s * (axis.out - 1) + d * (axis.kernel - 1) + 1 - axis.before - axis.after,
        }
        sizes.append(filled[recipe.result])
    if resized and tuple(sizes) != recipe.size and min(sizes) > 0:
        yield Change(changed.but(size=tuple(sizes)), detail)


def _each(recipe: Recipe, others: Sequence[Relation]) -> Iterable[tuple[tuple[Relation, ...], str]]:
    """Other relations on all axes, and on each alone, with the words for which."""
    found: dict[tuple[Relation, ...], str] = {}
    for axes in some_axes(recipe.layer.dims):
        mixed = tuple(others[k] if k in axes else own for k, own in enumerate(recipe.relations))
        found.setdefault(mixed, "" if len(axes) == recipe.layer.dims else f"on {_on_axes(axes)}")
    return found.items()


def stride_ignored(recipe: Recipe) -> Changes:
    """Stride 1 on all axes, or on one."""
    for others, where in _each(recipe, [r._replace(output=1) for r in recipe.relations]):
        yield from _followed(recipe, others, where, coded=not where)


def dilation_ignored(recipe: Recipe) -> Changes:
    """Dilation 1 on all axes, or on one."""
    for others, where in _each(recipe, [r._replace(filter=1) for r in recipe.relations]):
        yield from _followed(recipe, others, where, coded=not where)


def stride_dilation_swapped(recipe: Recipe) -> Changes:
    """The stride where the dilation belongs, and the other way round."""
    yield from _followed(recipe, [Relation(r.filter, r.output, r.constant) for r in recipe.relations], coded=True)


def gap_wrong(recipe: Recipe) -> Changes:
    """One zero too many or too few between the elements of dE/dO; or copies of them in place of zeros."""
    strides = [r.output for r in recipe.relations]
    for change in (1, -1, 2):
        others = [r._replace(output=r.output + change * (r.output > 1)) for r in recipe.relations]
        detail = f"{_numbers(r.output - 1 for r in others)} zeros instead of {_numbers(s - 1 for s in strides)}"
        yield from _followed(recipe, others, detail, coded=change == 1 < min(strides))
    if max(strides) == 1 or recipe.result is OUT:
        return
    for behind in (1, 0):
        spread, per_axis = recipe, zip(recipe.spatial, strides, recipe.layer.out, strict=True)
        for axis, s, out in per_axis:
            spread = spread.at(DEDO, taken(axis, [k // s for k in range(s * (out - 1 + behind) + 1 - behind)]))
        ones = tuple(r._replace(output=1) for r in recipe.relations)
        yield Change(spread.but(relations=ones), "copies of its elements instead, as np.repeat makes")


def dilation_off_by_one(recipe: Recipe) -> Changes:
    """Dilation d twice, d*d; or d+1 or d-1, on all axes or on those that are dilated."""
    dilations = [r.filter for r in recipe.relations]
    used = [[d * d for d in dilations]]
    for change in (1, -1):
        used += [[d + change for d in dilations], [d + change * (d > 1) for d in dilations]]
    for each in dict.fromkeys(map(tuple, used)):
        others = [r._replace(filter=d) for r, d in zip(recipe.relations, each, strict=True)]
        yield from _followed(recipe, others, f"{_numbers(each)} was used", coded=each == tuple(used[1]))


def stride_axes_swapped(recipe: Recipe) -> Changes:
    """The strides of the axes in another order, or that of one axis on all."""
    strides = tuple(r.output for r in recipe.relations)
    for used in dict.fromkeys((*permutations(strides), *((s,) * len(strides) for s in strides))):
        others = [r._replace(output=s) for r, s in zip(recipe.relations, used, strict=True)]
        yield from _followed(recipe, others, f"{_numbers(used)} was used", coded=used == strides[::-1])


def _in_front(recipe: Recipe, zeros: Iterable[int]) -> list[Relation]:
    """The relations with other numbers of zeros in front of X."""
    return [r._replace(constant=-p) for r, p in zip(recipe.relations, zeros, strict=True)]


def padding_ignored(recipe: Recipe) -> Changes:
    """Windows begin at stride*i; O also in the shape that it has without padding."""
    layer = recipe.layer
    for others, where in _each(recipe, _in_front(recipe, [0] * layer.dims)):
        yield from _followed(recipe, others, coded=not where, resized=False)
    for axes in some_axes(layer.dims) if recipe.result is OUT else ():
        out = _mixed(layer.out, axes, [(a.size - a.span) // a.stride + 1 for a in layer.axes])
        if out != layer.out and min(out) > 0:
            begun = tuple(r._replace(constant=0) if k in axes else r for k, r in enumerate(recipe.relations))
            yield Change(recipe.but(relations=begun, size=out), "O is as small as without padding")


def wrong_side(recipe: Recipe) -> Changes:
    """Other numbers of zeros in front: those behind, all of them, none, one more or fewer."""
    axes, own = recipe.layer.axes, [-r.constant for r in recipe.relations]
    after, whole = [a.after for a in axes], [a.before + a.after for a in axes]
    each = (after, whole, [0] * len(axes), [p + 1 for p in own], [p - 1 for p in own]) if any(whole) else ()
    found = (others for zeros in each for others, _ in _each(recipe, _in_front(recipe, zeros)))
    for relations in dict.fromkeys(found):
        before = [-r.constant for r in relations]
        if min(before) >= 0:
            shift = _numbers(was - now for was, now in zip(own, before, strict=True))
            detail = f"{_numbers(before)} zeros in front of X: shifted by {shift}"
            yield from _followed(recipe, relations, detail, coded=before == after, resized=False)


def leftover_misplaced(recipe: Recipe) -> Changes:
    """dE/dX moved towards the end by the rows left over, or by half of them."""
    for part, detail in ((1, "the zeros stand in front"), (2, "")):
        zeros = [-r.constant + -a.leftover // part for r, a in zip(recipe.relations, recipe.layer.axes, strict=True)]
        for others, where in _each(recipe, _in_front(recipe, zeros)):
            yield from _followed(recipe, others, detail, coded=part == 1 and not where, resized=False)


def leftover_counted(recipe: Recipe) -> Changes:
    """dE/dW of a convolution over all of X, which has more rows than W; or its last rows."""
    layer = recipe.layer
    extra = [axis.leftover // r.filter for axis, r in zip(layer.axes, recipe.relations, strict=True)]
    for axes in some_axes(layer.dims):
        more = _mixed([0] * layer.dims, axes, extra)
        if any(more):
            kernel = tuple(k + e for k, e in zip(layer.kernel, more, strict=True))
            yield Change(recipe.but(size=kernel), "a row more for each position left over", more == tuple(extra))
            last = [r._replace(constant=r.constant + e * r.filter) for r, e in zip(recipe.relations, more, strict=True)]
            yield Change(recipe.but(relations=tuple(last)), "the last rows instead of the first")
    for number, (axis, k) in enumerate(zip(layer.axes, layer.kernel, strict=True)):
        if axis.leftover:
            beyond = recipe.but(size=_mixed(layer.kernel, [number], [size + 1 for size in layer.kernel]))
            last_row = taken(2 + number, (*range(k - 1), k))
            yield Change(beyond.at(DW, last_row), "its last row comes from a window that is not there")


# Crops.


def _cropped(recipe: Recipe, shape: Sequence[int]) -> Recipe:
    return recipe.at(recipe.result, *(cut(2 + k, 0, stop) for k, stop in enumerate(shape)))


def not_cropped(recipe: Recipe) -> Changes:
    """The padded dE/dX as it is, on all axes or on one, with or without the rows left over."""
    layer = recipe.layer
    padded, covered = [a.padded for a in layer.axes], [a.padded - a.leftover for a in layer.axes]
    for axes in some_axes(layer.dims):
        relations = _mixed(recipe.relations, axes, _in_front(recipe, [0] * layer.dims))
        sizes = [_mixed(layer.size, axes, size) for size in (padded, covered)]
        for size in dict.fromkeys(sizes) if sizes[0] != layer.size else ():
            yield Change(recipe.but(relations=relations, size=size), coded=size == tuple(padded))


def empty_crop(recipe: Recipe) -> Changes:
    """A slice up to -0, which is empty, on all axes or on one."""
    layer = recipe.layer
    before, after = ([getattr(axis, side) for axis in layer.axes] for side in ("before", "after"))
    for axes, sides in product(some_axes(layer.dims), (after, before)) if 0 in after else ():
        empty = [cut(2 + k, 0, 0) for k in axes if sides[k] == 0]
        if empty:
            yield Change(recipe.at(DX, *empty), coded=sides == before and len(axes) == layer.dims)


def leftover_dropped(recipe: Recipe) -> Changes:
    """The right dE/dX without the rows that no window reaches."""
    layer = recipe.layer
    size = [min(a.size, a.padded - a.leftover - a.before) for a in layer.axes]
    reached = [a.padded - a.leftover - a.before - a.after for a in layer.axes]
    for axes in some_axes(layer.dims):
        shape = _mixed(layer.size, axes, size)
        if shape != layer.size:
            yield Change(_cropped(recipe, shape), coded=list(shape) == size)
    if tuple(reached) != layer.size and reached != size and min(reached) > 0:
        yield Change(_cropped(recipe, reached))


# Edits of an operand or of the result.


def not_rotated(recipe: Recipe) -> Changes:
    """The filter slides over framed dE/dO as it is; or in true convolution over X as it is."""
    if recipe.result is DX or recipe.layer.flip:
        yield Change(recipe.at(W, flipped(*recipe.spatial)), coded=recipe.layer.dims == 2)


def flipped_one_axis(recipe: Recipe) -> Changes:
    """The filter is flipped along some of its axes."""
    for axes in chain.from_iterable(combinations(recipe.spatial, count) for count in range(1, recipe.layer.dims)):
        words = f"flipped along {_on_axes(a - 2 for a in axes)}"
        yield Change(recipe.at(W, flipped(*axes)), words, coded=axes == (2,))


def turned_by_90(recipe: Recipe) -> Changes:
    """The filter is transposed, or turned by a quarter, where it is to be rotated."""
    words = ("transposed instead of rotated", "transposed before it is rotated")
    if recipe.result is OUT:
        words = ("transposed and rotated", "transposed")
    for a, b in combinations(recipe.spatial, 2):
        if recipe.layer.kernel[a - 2] == recipe.layer.kernel[b - 2]:
            order = [{a: b, b: a}.get(axis, axis) for axis in range(2 + recipe.layer.dims)]
            turned = recipe.at(W, transposed(*order))
            yield Change(turned.at(W, flipped(a, b)), words[0], coded=recipe.layer.dims == 2)
            yield Change(turned, words[1])
            yield Change(turned.at(W, flipped(b)), "turned by 90°, as np.rot90(w, 1) does")
            yield Change(turned.at(W, flipped(a)), "turned by 270°, as np.rot90(w, 3) does")


def operand_rotated(recipe: Recipe) -> Changes:
    """A convolution that rotates one operand, as convolve2d does, in place of a correlation."""
    if recipe.result is OUT:
        if not recipe.layer.flip:
            yield Change(recipe.at(W, flipped(*recipe.spatial)), "W is rotated")
        return
    yield Change(recipe.at(DEDO, flipped(*recipe.spatial)), "dE/dO is rotated", coded=recipe.layer.dims == 2)
    for left in (0, 1):
        # X with its zeros is rotated, with or without what the stride leaves over.
        ends = [axis.size + axis.after - axis.before - 1 - left * axis.leftover for axis in recipe.layer.axes]
        others = [Relation(-s, -d, end - p) for (s, d, p), end in zip(recipe.relations, ends, strict=True)]
        yield from _followed(recipe, others, "X is rotated", resized=False)


def result_rotated(recipe: Recipe) -> Changes:
    """The right gradient rotated by 180 degrees, or reversed along one axis."""
    yield Change(recipe.at(recipe.result, flipped(*recipe.spatial)), "by 180°", coded=recipe.layer.dims == 2)
    for axis in recipe.spatial if recipe.layer.dims > 1 else ():
        yield Change(recipe.at(recipe.result, flipped(axis)), f"reversed along {_on_axes([axis - 2])}")


def axes_swapped(recipe: Recipe) -> Changes:
    """The right gradient with its spatial axes in another order."""
    for axes in permutations(recipe.spatial):
        if axes != recipe.spatial:
            yield Change(recipe.at(recipe.result, transposed(0, 1, *axes)), coded=recipe.layer.dims == 2)


def channels_swapped(recipe: Recipe) -> Changes:
    """Channels or filters in another order, swapped with each other, or last in memory."""
    layer, result = recipe.layer, recipe.result
    shape = layer.canonical[result]
    for axis in {DB: (0,), DW: (0, 1)}.get(result, (1,)):
        yield from _permuted(recipe, axis, shape[axis])
    each = layer.group_channels
    exchange: list[Edit] = []
    if each == layer.group_filters > 1:
        blocks = reshaped(layer.groups, each, each, *layer.kernel)
        swap = transposed(0, 2, 1, *range(3, 3 + layer.dims))
        exchange = [blocks, swap, reshaped(layer.filters, each, *layer.kernel)]
    if result in (DX, OUT):
        if exchange:
            yield Change(recipe.at(W, *exchange), "filters and channels of W swapped")
        if max(shape[1], layer.filters) > 1:
            reverse = recipe.at(W, flipped(0, 1))
            says = "filters and channels of W in reverse, as np.{} without axes has them"
            yield Change(reverse, says.format("flip(w)"))
            turned = says.format("rot90(w, 2)") + ", and W not rotated"
            yield Change(reverse.at(W, flipped(*recipe.spatial)), turned)
    if result is DW and exchange and layer.groups > 1:
        yield Change(recipe.at(DW, *exchange), "filters and channels swapped in each group")
    if result is DW and shape[0] * shape[1] > 1:
        yield Change(recipe.at(DW, transposed(1, 0, *recipe.spatial)), "filters and channels swapped")
    if (result is DW and shape[0] * shape[1] > 1) or (result is DX and layer.channels > 1):
        last = recipe.at(result, transposed(0, *recipe.spatial, 1))
        yield Change(last.at(result, reshaped(*shape)), "channels last in memory")
        yield Change(last, "channels last")


def _permuted(recipe: Recipe, axis: int, size: int) -> Changes:
    word = "filters" if (recipe.result, axis) in ((DW, 0), (DB, 0), (OUT, 1)) else "channels"
    if size > 1:
        yield Change(recipe.at(recipe.result, flipped(axis)), f"{word} in reverse", coded=axis == 1)
        for shift in range(1, min(size, 4)):
            yield Change(recipe.at(recipe.result, taken(axis, _rolled(size, shift))), f"{word} moved on by {shift}")
    for order in permutations(range(size)) if 2 < size <= 5 else ():
        if order != tuple(range(size)):
            yield Change(recipe.at(recipe.result, taken(axis, order)), f"{word} in the order {_listed(order)}")


def _listed(order: Iterable[int]) -> str:
    return ", ".join(str(k + 1) for k in order)


def _rolled(count: int, shift: int) -> Sequence[int]:
    return [(k - shift) % count for k in range(count)]


def groups_mixed(recipe: Recipe) -> Changes:
    """Filters and channels are assigned to the wrong groups, or all to all."""
    layer, result, g = recipe.layer, recipe.result, recipe.layer.groups
    if g == 1:
        return
    # The orders if number k belongs to group k mod g.
    filters, channels = ([k for j in range(g) for k in range(j, n, g)] for n in (layer.filters, layer.channels))
    # What is read by filter, and by channel, and the axis of each; the axis of the result by filter.
    by_filter = recipe.at(W if result is not DW else DEDO, taken(0 if result is not DW else 1, filters))
    if result is DX:
        by_filter = by_filter.at(DEDO, taken(1, filters))
    else:
        # b belongs to its filter, whichever channels that reads.
        by_filter = by_filter.at(B, taken(0, filters)).at(result, taken(1 if result is OUT else 0, _inverse(filters)))
    place, back = (DX, _inverse(channels)) if result is DX else (X, channels)
    yield Change(by_filter, "filter f belongs to group f mod g", coded=True)
    yield Change(recipe.at(place, taken(1, back)), "channel c belongs to group c mod g")
    yield Change(by_filter.at(place, taken(1, back)), "filters and channels are taken mod g")
    read_alike = {OUT: ((W, 0, "W"),), DW: ((DEDO, 1, "dE/dO"),), DX: ((W, 0, "W"), (DEDO, 1, "dE/dO"))}[result]
    for tensor, axis, name in read_alike:
        first = recipe.at(tensor, taken(axis, _in_groups([0] * g, layer.group_filters)))
        yield Change(first, f"every group reads the first group's {name}")
    if result is DX:
        for filled, words in _ADDED.items():
            yield Change(recipe.at(DX, summed_groups(g, filled), mixed=True), words)
    else:
        first = recipe.at(X, taken(1, _in_groups([0] * g, layer.group_channels)))
        yield Change(first, "every filter reads the first group's channels")
    orders = [(_rolled(g, shift), f"the groups are moved on by {shift}") for shift in range(1, g)]
    for order, words in (*orders, (range(g - 1, -1, -1), "the groups are in reverse")):
        yield Change(recipe.at(place, taken(1, _in_groups(order, layer.group_channels))), words)


_ADDED = {
    "every": "all filters reach every group",
    "first": "all filters reach the first group alone",
    "one": "there is one group only",
}


def _inverse(order: Sequence[int]) -> Sequence[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def _in_groups(groups: Iterable[int], each: int) -> Sequence[int]:
    """The order of filters or channels if their groups have this order."""
    return [group * each + k for group in groups for k in range(each)]


def shifted(recipe: Recipe) -> Changes:
    """The right gradient moved by one or two positions, zeros moving in."""
    sizes = recipe.layer.canonical[recipe.result][2:]
    for shift in product((0, 1, -1, 2, -2), repeat=recipe.layer.dims):
        if any(shift) and all(abs(s) < n for s, n in zip(shift, sizes, strict=True)):
            words = f"by {','.join(f'{s:+d}' for s in shift)} positions"
            yield Change(recipe.at(recipe.result, moved(shift)), words, shift == (1, 0))


def other_layout(recipe: Recipe) -> Changes:
    """The right numbers with their axes in another order, as they are or squeezed into the right shape; or flat."""
    shape, dims, result = recipe.layer.canonical[recipe.result], recipe.layer.dims, recipe.result
    letters = _LETTERS[result][:2] + _LETTERS[result][5 - dims :]
    for order in permutations(range(len(shape))):
        if order != tuple(range(len(shape))):
            name, turned = "".join(letters[k] for k in order), recipe.at(result, transposed(*order))
            back = ", ".join(map(str, _inverse(order)))
            says = f"they lie as {name}: transpose({back}) brings them back"
            yield Change(turned.but(bare=True), says, order == (0, 2, 3, 1))
            yield Change(turned.at(result, reshaped(*shape)), f"the memory is {name}, read as if it were {letters}")
    matrix = recipe.at(result, reshaped(shape[0], prod(shape[1:])), bare=True)
    yield Change(recipe.at(result, reshaped(prod(shape)), bare=True), "they are flat")
    yield Change(matrix, "they are a matrix of a row for each filter, as im2col's")
    yield Change(matrix.at(result, transposed(1, 0)), "they are im2col's matrix, transposed")


def operand_layout(recipe: Recipe) -> Changes:
    """X, W or dE/dO read in another order of axes than it lies in."""
    for tensor, apart in ((DEDO, OUT), (X, DX), (W, DW)):
        if recipe.result is not apart:
            name = "dE/dO" if tensor is DEDO else tensor.key
            for edits, words in _read_otherwise(recipe.layer.canonical[tensor]):
                swapped = tensor is W and words.endswith("with its first two axes swapped")
                yield Change(recipe.at(tensor, *edits), f"{name} {words}", coded=swapped)


def _read_otherwise(shape: Shape) -> Iterator[tuple[list[Edit], str]]:
    """An array whose memory is taken for channels last, or that lies channels last and is taken for channels first."""
    first, second, *spatial = shape
    axes = range(2, len(shape))
    if second * prod(spatial) > max(second, prod(spatial)):
        last = [reshaped(first, *spatial, second), transposed(0, len(shape) - 1, *range(1, len(shape) - 1))]
        yield last, "is read with its channels last"
        yield [transposed(0, *axes, 1), reshaped(*shape)], "lies with its channels last, and is read as if first"
    if first * second > max(first, second):
        yield [reshaped(second, first, *spatial), transposed(1, 0, *axes)], "is read with its first two axes swapped"
    if len(spatial) == 2 and min(spatial) > 1:
        turned = [reshaped(first, second, *spatial[::-1]), transposed(0, 1, 3, 2)]
        yield turned, "is read with rows and columns swapped"


# What takes part.


def border_not_zero(recipe: Recipe) -> Changes:
    """X's frame is filled with elements of X; what belongs to it in dE/dX is added to those."""
    for mode, words in _BORDERS.items() if any(axis.before or axis.after for axis in recipe.layer.axes) else ():
        coded = mode == "edge" and recipe.result is DW
        yield Change(recipe.but(border=mode), f"the padding holds {words}", coded)


_BORDERS = {
    "edge": "the nearest element",
    "wrap": "the opposite side",
    "reflect": "the mirror image",
    "symmetric": "the mirror image with the edge",
}


def overwritten(recipe: Recipe) -> Changes:
    """Only the last of the products that belong to an element is kept: = for +=."""
    layer, result = recipe.layer, recipe.result
    if result is DX:
        each = layer.group_filters
        for collect in (Collect.LAST_WINDOW, Collect.LAST_TAP):
            yield Change(recipe.but(collect=collect), collect.value, each == 1 and collect is Collect.LAST_WINDOW)
        if each > 1:
            last = recipe.at(DEDO, only(1, each - 1, None, each))
            yield Change(last.but(collect=Collect.LAST_WINDOW), "the last window of the last filter wins", coded=True)
            yield Change(last, "the last filter wins")
            yield Change(last.but(collect=Collect.LAST_TAP), "the last filter element of it wins")
        return
    place, what = (W, "filter element") if result is OUT else (DEDO, "position" if result is DW else "element")
    sizes = layer.kernel if result is OUT else layer.out
    corner = [only(axis, size - 1, size) for axis, size in zip(recipe.spatial, sizes, strict=True)]
    if result is OUT:
        last, of_what, several = recipe.at(W, only(1, layer.group_channels - 1, None)), "channel", layer.group_channels
    else:
        last, of_what, several = _of_sample(recipe, -1), "sample", layer.batch
    yield Change((last if result is DB else recipe).at(place, *corner), f"the last {what} wins")
    if several > 1:
        alone = Change(last, f"the last {of_what} wins")
        both = Change(last.at(place, *corner), f"the last {what} of the last {of_what} wins")
        yield from {OUT: (alone, both), DW: (both, alone)}.get(result, (alone,))


def _of_sample(recipe: Recipe, n: int) -> Recipe:
    """A sum over the first sample (0), or the last (-1), alone."""
    k = n % recipe.layer.batch
    return recipe.at(DEDO, only(0, k, k + 1))


def last_sample(recipe: Recipe) -> Changes:
    """Only the last sample counts."""
    yield from _one_sample(recipe, -1)


def first_sample(recipe: Recipe) -> Changes:
    """Only the first sample counts."""
    yield from _one_sample(recipe, 0)
    if recipe.layer.batch > 1 and recipe.result is DW:
        # A pointer that does not move on with the sample.
        for tensor, name in ((X, "X"), (DEDO, "dE/dO")):
            first = taken(0, [0] * recipe.layer.batch)
            yield Change(recipe.at(tensor, first), f"{name} is that of the first for all of them")


def _one_sample(recipe: Recipe, n: int) -> Changes:
    batch, result = recipe.layer.batch, recipe.result
    if batch == 1:
        return
    if result in (DW, DB):
        yield Change(_of_sample(recipe, n), coded=True)
        return
    yield Change(recipe.at(result, only(0, n % batch, n % batch + 1)), "the others are 0")
    yield Change(recipe.at(result, taken(0, [n % batch] * batch)), "for all of them")
    yield Change(recipe.at(result, taken(0, n), bare=True), "without its batch axis")


def not_summed(recipe: Recipe) -> Changes:
    """A gradient per sample: the batch axis is still there."""
    if recipe.layer.x_lead == 2:
        yield Change(recipe.but(over=tuple(axis for axis in recipe.over if axis), bare=True), coded=True)


def db_wrong_axes(recipe: Recipe) -> Changes:
    """Sums of dE/dO over any other axes, in the shape that they give."""
    shape = recipe.layer.canonical[DEDO]
    every = range(len(shape))
    for axes in chain.from_iterable(combinations(every, count) for count in range(len(shape) + 1)):
        if axes != recipe.over:
            present = [axis for axis in every if axis not in axes and axis >= 2 - recipe.layer.lead[OUT]]
            kept = recipe.but(over=axes).at(DB, reshaped(*(shape[axis] for axis in present)), bare=True)
            shown = ", ".join(map(str, axes)) or "none"
            yield Change(kept, f"summed over axes {shown}", coded=axes == (0, 1, 2) and len(shape) == 4)


def scaled(recipe: Recipe) -> Changes:
    """Twice the right gradient, as a sample of this mistake; the search finds any factor."""
    yield Change(recipe.but(factor=2 * recipe.factor), "by 2")


def negative(recipe: Recipe) -> Changes:
    """The right gradient with the wrong sign."""
    yield Change(recipe.but(factor=-recipe.factor), coded=True)


def zero(recipe: Recipe) -> Changes:
    """A gradient that was never filled in."""
    yield Change(recipe.but(factor=0), coded=True)


def wrong_operand(recipe: Recipe) -> Changes:
    """Another array stands where dE/dO or W belongs, or is handed in as the result."""
    shape, result = recipe.layer.canonical, recipe.result
    if result is not OUT:
        yield Change(recipe.but(dedo=Read(OUT)), "O is used in place of dE/dO", coded=result is DX)
    others = {DX: (X, W), DW: (W, X)}.get(result, ())
    for tensor in others:
        if shape[tensor] == shape[DEDO]:
            yield Change(recipe.but(dedo=Read(tensor)), f"{tensor.key} is used in place of dE/dO")
    if result is DX and shape[W] == shape[DEDO]:
        yield Change(recipe.but(w=Read(DEDO)), "dE/dO is used in place of W")
        yield Change(recipe.but(w=Read(DEDO), dedo=Read(W)), "W and dE/dO are swapped")
    for tensor in {DW: (OUT, W), DX: (X,), OUT: (X, W)}.get(result, ()):
        # W is like its gradient whatever the layer, and so is X.
        if shape[tensor] == shape[result]:
            yield Change(recipe.but(instead=tensor), f"it is {tensor.key}")


# What the axes of each array count, and how its positions are told from those of others.
_WHAT = {
    X: (("sample", "channel"), "input"),
    W: (("filter", "channel"), "kernel"),
    OUT: (("sample", "filter"), "output"),
}
# In which operands, and in which result's own axes, something may be missing, in the order in which they are tried.
_PARTS = {OUT: (W, OUT, X), DX: (DEDO, W, DX), DW: (DEDO, DW, X), DB: (DEDO,)}


def incomplete(recipe: Recipe) -> Changes:
    """The first, the last or another one of something is missing from the sums, or from the result."""
    layer, result = recipe.layer, recipe.result
    if result is OUT and layer.has_bias:
        yield Change(recipe.but(b=None), "b is missing")
    parts = [(place, *_WHAT[OUT if place is DEDO else place.array], layer.canonical[place]) for place in _PARTS[result]]
    for place, lead, what, shape in parts:
        words = (*lead, *(f"{what} {axis}" for axis in layer.axis_words))
        for axis, (one, size) in enumerate(zip(words, shape, strict=True)):
            for k in range(size) if 1 < size <= _FEW else (0, size - 1) if size > 1 else ():
                which = f"the last {one}" if k == size - 1 else f"the first {one}" if k == 0 else f"{one} {k + 1}"
                coded = which == "the last channel" and place is not X
                yield Change(recipe.at(place, without(axis, k, k + 1)), f"{which} is missing", coded=coded)
    if result is DB:
        return
    for place, _, what, shape in parts if layer.dims > 1 else ():
        for word, ends in (("first", [0] * layer.dims), ("last", [size - 1 for size in shape[2:]])):
            edits = [without(2 + number, k, k + 1) for number, k in enumerate(ends)]
            yield Change(recipe.at(place, *edits), f"the {word} {what} {' and '.join(layer.axis_words)} are missing")
    each, axis = layer.group_channels if result is DX else layer.group_filters, 0 if result is DW else 1
    for k, word in ((0, "first"), (layer.groups - 1, "last")) if layer.groups > 1 else ():
        yield Change(recipe.at(result, without(axis, k * each, (k + 1) * each)), f"the {word} group is missing")
        yield Change(recipe.at(result, only(axis, k * each, (k + 1) * each)), f"the {word} group alone is there")
    yield from _taps(recipe)
    for number, axis_of_x in enumerate(layer.axes if result is DX else ()):
        s = axis_of_x.stride
        for phase in range(s) if s > 1 else ():
            missing = without(2 + number, (phase - axis_of_x.before) % s, None, s)
            which = f"phase {phase + 1} of the stride along the {layer.axis_words[number]}s"
            yield Change(recipe.at(DX, missing), f"{which} is missing")
    yield from _miscounted(recipe)


def _taps(recipe: Recipe) -> Changes:
    """One element of every filter is missing; any where there are few, or one at a corner."""
    kernel = recipe.layer.kernel
    few = prod(kernel) <= _FEW_TAPS
    for place in product(*(range(k) if few else sorted({0, k - 1}) for k in kernel)):
        if len(kernel) > 1 < prod(kernel):
            less = recipe.at(DW if recipe.result is DW else W, without_one(..., *place))
            yield Change(less, f"element {','.join(str(k + 1) for k in place)} of every filter is missing")


def _miscounted(recipe: Recipe) -> Changes:
    """As many rows as there are columns take part, or the other way round: OH for OW."""
    layer = recipe.layer
    for tensor, own, what in ((DEDO, OUT, "O"), (W, DW, "the filter")):
        sizes = layer.canonical[tensor][2:]
        for a, b in combinations(range(layer.dims), 2):
            few, many = sorted((sizes[a], sizes[b]))
            if few != many:
                longer = a if sizes[a] == many else b
                counted = f"{many} {layer.axis_words[longer]}s of {what}"
                words = f"of {counted} the first {few} alone take part: another axis's count stands for theirs"
                yield Change(recipe.at(own if recipe.result is own else tensor, only(2 + longer, 0, few)), words)
