"""Mistakes in the order of things: rotations, transposed axes, channels, groups."""

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np

from cnngrad.gradcheck.edits import Edit, cut, flipped, padded, reshaped, summed_groups, taken, transposed
from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_all, in_arrays, on_axes
from cnngrad.gradcheck.recipe import Recipe
from cnngrad.layer import Layer
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]


def not_rotated(recipe: Recipe) -> Changes:
    """The filter slides over framed dE/dO as it is; or in true convolution over X as it is."""
    if recipe.result is Tensor.DX or recipe.layer.flip:
        yield Change(recipe.reading(Tensor.W, flipped(*recipe.spatial)), coded=recipe.layer.dims == 2)


def flipped_one_axis(recipe: Recipe) -> Changes:
    """The filter is flipped along some of its axes."""
    for count in range(1, recipe.layer.dims):
        for axes in combinations(recipe.spatial, count):
            words = f"flipped along {on_axes([a - 2 for a in axes])}"
            yield Change(recipe.reading(Tensor.W, flipped(*axes)), words, coded=axes == (2,))


def turned_by_90(recipe: Recipe) -> Changes:
    """The filter is transposed, or turned by a quarter, where it is to be rotated."""
    words = ("transposed instead of rotated", "transposed before it is rotated")
    if recipe.result is Tensor.O:
        words = ("transposed and rotated", "transposed")
    for a, b in combinations(recipe.spatial, 2):
        if recipe.layer.kernel[a - 2] == recipe.layer.kernel[b - 2]:
            swap = _swap(2 + recipe.layer.dims, a, b)
            yield Change(recipe.reading(Tensor.W, swap, flipped(a, b)), words[0], coded=recipe.layer.dims == 2)
            yield Change(recipe.reading(Tensor.W, swap), words[1])
            yield Change(recipe.reading(Tensor.W, swap, flipped(b)), "turned by 90°, as np.rot90(w, 1) does")
            yield Change(recipe.reading(Tensor.W, swap, flipped(a)), "turned by 270°, as np.rot90(w, 3) does")


def _swap(count: int, a: int, b: int) -> Edit:
    order = list(range(count))
    order[a], order[b] = b, a
    return transposed(*order)


def filter_rotated(recipe: Recipe) -> Changes:
    """O by a function that rotates the filter, as convolve2d does."""
    if not recipe.layer.flip:
        yield Change(recipe.reading(Tensor.W, flipped(*recipe.spatial)), "W is rotated")


def operand_rotated(recipe: Recipe) -> Changes:
    """A convolution that rotates one operand, as convolve2d does, in place of a correlation."""
    axes = recipe.layer.axes
    yield Change(
        recipe.reading(Tensor.DEDO, flipped(*recipe.spatial)), "dE/dO is rotated", coded=recipe.layer.dims == 2
    )
    framed = padded(tuple((axis.before, axis.after) for axis in axes))
    inner = recipe.but(before=tuple(p - axis.before for p, axis in zip(recipe.before, axes, strict=True)))
    yield Change(inner.reading(Tensor.X, framed, flipped(*recipe.spatial)), "X is rotated")
    if any(axis.leftover for axis in axes):
        used = [cut(2 + k, 0, axis.padded - axis.leftover) for k, axis in enumerate(axes)]
        yield Change(inner.reading(Tensor.X, framed, *used, flipped(*recipe.spatial)), "X is rotated")


def result_rotated(recipe: Recipe) -> Changes:
    """The right gradient rotated by 180 degrees, or reversed along one axis."""
    yield Change(recipe.then(flipped(*recipe.spatial)), "by 180°", coded=recipe.layer.dims == 2)
    for axis in recipe.spatial if recipe.layer.dims > 1 else ():
        yield Change(recipe.then(flipped(axis)), f"reversed along {on_axes([axis - 2])}")


def axes_swapped(recipe: Recipe) -> Changes:
    """The right gradient with its spatial axes in another order."""
    for axes in permutations(recipe.spatial):
        if axes != recipe.spatial:
            yield Change(recipe.then(transposed(0, 1, *axes)), coded=recipe.layer.dims == 2)


def channels_swapped(recipe: Recipe) -> Changes:
    """Channels or filters in another order, swapped with each other, or last in memory."""
    layer, result = recipe.layer, recipe.result
    shape = layer.canonical[result]
    for axis in {Tensor.DB: (0,), Tensor.DW: (0, 1)}.get(result, (1,)):
        yield from _permuted(recipe, axis, shape[axis])
    exchange = _exchange(layer)
    if result in (Tensor.DX, Tensor.O):
        if exchange:
            yield Change(recipe.reading(Tensor.W, *exchange), "filters and channels of W swapped")
        if max(shape[1], layer.filters) > 1:
            reverse = recipe.reading(Tensor.W, flipped(0, 1))
            without_axes = "filters and channels of W in reverse, as np.{} without axes has them"
            yield Change(reverse, without_axes.format("flip(w)"))
            turned = reverse.reading(Tensor.W, flipped(*recipe.spatial))
            yield Change(turned, without_axes.format("rot90(w, 2)") + ", and W not rotated")
    if result is Tensor.DW and exchange and layer.groups > 1:
        yield Change(recipe.then(*exchange), "filters and channels swapped in each group")
    last = transposed(0, *recipe.spatial, 1)
    if result is Tensor.DW and shape[0] * shape[1] > 1:
        yield Change(recipe.then(transposed(1, 0, *recipe.spatial)), "filters and channels swapped")
    if (result is Tensor.DW and shape[0] * shape[1] > 1) or (result is Tensor.DX and layer.channels > 1):
        yield Change(recipe.then(last, reshaped(*shape)), "channels last in memory")
        yield Change(recipe.then(last), "channels last")


def _exchange(layer: Layer) -> list[Edit]:
    """Filters and channels of W exchanged in each group; nothing where a group has not as many of both."""
    each = layer.group_channels
    if not each == layer.group_filters > 1:
        return []
    blocks = reshaped(layer.groups, each, each, *layer.kernel)
    back = reshaped(layer.filters, each, *layer.kernel)
    return [blocks, transposed(0, 2, 1, *range(3, 3 + layer.dims)), back]


def _permuted(recipe: Recipe, axis: int, size: int) -> Changes:
    word = "filters" if (recipe.result, axis) in ((Tensor.DW, 0), (Tensor.DB, 0), (Tensor.O, 1)) else "channels"
    if size > 1:
        yield Change(recipe.then(flipped(axis)), f"{word} in reverse", coded=axis == 1)
        for shift in range(1, min(size, 4)):
            yield Change(recipe.then(taken(axis, _rolled(size, shift))), f"{word} moved on by {shift}")
    if 2 < size <= 5:
        for order in permutations(range(size)):
            if order != tuple(range(size)):
                shown = ", ".join(str(k + 1) for k in order)
                yield Change(recipe.then(taken(axis, order)), f"{word} in the order {shown}")


def _rolled(count: int, shift: int) -> Sequence[int]:
    return [(k - shift) % count for k in range(count)]


def _interleaved(count: int, groups: int) -> Sequence[int]:
    """The order of filters or channels if number k belongs to group k mod g."""
    return [k for group in range(groups) for k in range(group, count, groups)]


def _in_groups(groups: Sequence[int], each: int) -> Sequence[int]:
    """The order of filters or channels if their groups have this order."""
    return [group * each + k for group in groups for k in range(each)]


def groups_mixed_x(recipe: Recipe) -> Changes:
    """Filters and channels are assigned to the wrong groups in dE/dX, or all to all."""
    layer, g = recipe.layer, recipe.layer.groups
    if g == 1:
        return
    filters, channels = (_interleaved(count, g) for count in (layer.filters, layer.channels))
    by_filter = recipe.reading(Tensor.W, taken(0, filters)).reading(Tensor.DEDO, taken(1, filters))
    back = taken(1, np.argsort(channels))
    yield Change(by_filter, "filter f belongs to group f mod g", coded=True)
    yield Change(recipe.then(back), "channel c belongs to group c mod g")
    yield Change(by_filter.then(back), "filters and channels are taken mod g")
    for tensor, axis, name in ((Tensor.W, 0, "W"), (Tensor.DEDO, 1, "dE/dO")):
        first = recipe.reading(tensor, taken(axis, _in_groups([0] * g, layer.group_filters)))
        yield Change(first, f"every group reads the first group's {name}")
    yield Change(recipe.then(summed_groups(g, "every")), "all filters reach every group")
    yield Change(recipe.then(summed_groups(g, "first")), "all filters reach the first group alone")
    yield Change(recipe.then(summed_groups(g, "one")), "there is one group only")
    for order, words in _other_groups(g):
        yield Change(recipe.then(taken(1, _in_groups(order, layer.group_channels))), words)


def _other_groups(g: int) -> list[tuple[Sequence[int], str]]:
    """Other orders of the groups, and what they are."""
    moved = [(_rolled(g, shift), f"the groups are moved on by {shift}") for shift in range(1, g)]
    return [*moved, (range(g - 1, -1, -1), "the groups are in reverse")]


def groups_mixed(recipe: Recipe) -> Changes:
    """Filters read the channels of another group, in O or in dE/dW."""
    layer, g = recipe.layer, recipe.layer.groups
    if g == 1:
        return
    filters, channels = (_interleaved(count, g) for count in (layer.filters, layer.channels))
    by_filter = recipe.reading(Tensor.DEDO, taken(1, filters)).then(taken(0, np.argsort(filters)))
    if recipe.result is Tensor.O:
        # b belongs to its filter, whichever channels that reads.
        turned = recipe.reading(Tensor.W, taken(0, filters)).reading(Tensor.B, taken(0, filters))
        by_filter = turned.then(taken(1, np.argsort(filters)))
    by_channel = taken(1, channels)
    yield Change(by_filter, "filter f belongs to group f mod g", coded=True)
    yield Change(recipe.reading(Tensor.X, by_channel), "channel c belongs to group c mod g")
    yield Change(by_filter.reading(Tensor.X, by_channel), "filters and channels are taken mod g")
    for order, words in _other_groups(g):
        yield Change(recipe.reading(Tensor.X, taken(1, _in_groups(order, layer.group_channels))), words)
    tensor, axis, name = (Tensor.W, 0, "W") if recipe.result is Tensor.O else (Tensor.DEDO, 1, "dE/dO")
    filters_of_first = taken(axis, _in_groups([0] * g, layer.group_filters))
    yield Change(recipe.reading(tensor, filters_of_first), f"every group reads the first group's {name}")
    first = taken(1, _in_groups([0] * g, layer.group_channels))
    yield Change(recipe.reading(Tensor.X, first), "every filter reads the first group's channels")


_AS_IT_IS = "slide W over dE/dO as it is: it was rotated before it slid over X (flip), and two rotations cancel"

MISTAKES = (
    Mistake(
        "filter-not-rotated",
        "W is not rotated by 180° in the full convolution",
        "rotate W before it slides over dE/dO: w[..., ::-1, ::-1]",
        {result: not_rotated for result in (Tensor.O, Tensor.DX)},
        code=("rotated = w", "rotated = w[..., ::-1, ::-1]"),
        short="a filter that is not rotated",
        forward=(
            "W is not rotated by 180°, as true convolution has it",
            "rotate W before it slides over X: w[..., ::-1, ::-1]",
        ),
        flipped={Tensor.DX: ("W is rotated by 180° in the full convolution", _AS_IT_IS)},
    ),
    Mistake(
        "filter-flipped-one-axis",
        "W is flipped along some axes only",
        "flip W along every spatial axis: w[..., ::-1, ::-1]",
        {result: flipped_one_axis for result in (Tensor.O, Tensor.DX)},
        code=("rotated = w[..., ::-1]", "rotated = w[..., ::-1, ::-1]"),
        short="a filter that is flipped along one axis",
        forward=("W is flipped along some axes", "slide W over X as it is; true convolution flips it along every axis"),
        flipped={
            Tensor.DX: ("W is flipped along some axes", _AS_IT_IS),
            Tensor.O: ("W is flipped along some axes only", "flip W along every spatial axis: w[..., ::-1, ::-1]"),
        },
    ),
    Mistake(
        "filter-transposed",
        "W is transposed or turned by 90° where it is to be rotated by 180°",
        "rotate W by 180°: w[..., ::-1, ::-1], or np.rot90(w, 2, (-2, -1))",
        {result: turned_by_90 for result in (Tensor.O, Tensor.DX)},
        code=("rotated = w.swapaxes(2, 3)", "rotated = w[..., ::-1, ::-1]"),
        short="a transposed filter",
        forward=(
            "W is transposed or turned by 90°",
            "slide W over X as it is: look for a transpose, or [j][i] for [i][j]",
        ),
        flipped={
            Tensor.DX: ("W is transposed or turned by 90°", _AS_IT_IS),
            Tensor.O: (
                "W is transposed or turned by 90° where it is to be rotated by 180°",
                "rotate W by 180°: w[..., ::-1, ::-1], or np.rot90(w, 2, (-2, -1))",
            ),
        },
    ),
    Mistake(
        "operand-rotated",
        "an operand of the convolution is rotated",
        "slide dE/dO over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
        {Tensor.DW: operand_rotated, Tensor.O: filter_rotated},
        code=("moving = dedo[..., ::-1, ::-1]", "moving = dedo"),
        short="a rotated operand",
        forward=(
            "W is rotated by 180°",
            "slide W over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
        ),
    ),
    Mistake(
        "result-rotated",
        "the result is rotated",
        "give it back as it comes out: nothing is to be flipped at the end",
        in_arrays(result_rotated),
        code=("return result[..., ::-1, ::-1]", "return result"),
        short="a rotated result",
        flipped={
            Tensor.DW: (
                "the result is not rotated by 180° as W was, or along other axes",
                "rotate it at the end: dw[..., ::-1, ::-1]",
            )
        },
    ),
    Mistake(
        "axes-swapped",
        "height and width are swapped",
        "rows first, then columns: look for a transpose, or (w, h) for (h, w)",
        in_arrays(axes_swapped),
        code=("return result.swapaxes(2, 3)", "return result"),
        short="rows and columns swapped",
    ),
    Mistake(
        "groups-mixed",
        "filters and channels of different groups are mixed",
        "filter f belongs to group f // (F/g), which reads the channels from group*(C/g) on",
        {Tensor.DX: groups_mixed_x, Tensor.DW: groups_mixed, Tensor.O: groups_mixed},
        code=("channel = f % groups * channels + c", "channel = f // per_group * channels + c"),
        short="mixed groups",
        needs="groups",
    ),
    Mistake(
        "channels-swapped",
        "channels or filters are in another order",
        "keep the order (sample, channel, ...) and (filter, channel, ...)",
        in_all(channels_swapped),
        code=("return result[:, ::-1]", "return result"),
        short="filters or channels in another order",
        needs="channels",
    ),
)
