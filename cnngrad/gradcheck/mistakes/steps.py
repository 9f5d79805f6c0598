"""Mistakes in the positions of windows: stride, dilation, padding, and rows that a stride leaves over."""

from collections.abc import Iterator
from itertools import permutations, product

from cnngrad.gradcheck.edits import cut, taken
from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_arrays, on_axes, some_axes, with_values
from cnngrad.gradcheck.recipe import Recipe
from cnngrad.layer import Shape
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]


def _in_steps(recipe: Recipe, stride: Shape, dilation: Shape, detail: str, coded: bool) -> Changes:
    """Other steps: in the right shape, and in the shape that such steps give."""
    yield Change(recipe.but(stride=stride, dilation=dilation), detail, coded)
    sizes = []
    for s, d, axis, out in zip(stride, dilation, recipe.layer.axes, recipe.layer.out, strict=True):
        filled = {
            Tensor.O: (axis.padded - d * (axis.kernel - 1) - 1) // s + 1,
            Tensor.DW: (axis.padded - s * (out - 1) - 1) // d + 1,
            Tensor.DX: s * (out - 1) + d * (axis.kernel - 1) + 1 - axis.before - axis.after,
        }
        sizes.append(filled[recipe.result])
    if tuple(sizes) != recipe.size and min(sizes) > 0:
        yield Change(recipe.but(stride=stride, dilation=dilation, size=tuple(sizes)), detail)


def _with_ones(values: Shape) -> Iterator[tuple[Shape, str]]:
    """Values for each axis with 1 for all of them, or for one where they are several; and which axis, in words."""
    for axes in some_axes(len(values)):
        changed = with_values(values, axes, (1,) * len(values))
        if changed != values:
            yield changed, "" if len(axes) == len(values) else f"on {on_axes(axes)}"


def stride_ignored(recipe: Recipe) -> Changes:
    """Stride 1 on all axes, or on one."""
    for stride, where in _with_ones(recipe.stride):
        yield from _in_steps(recipe, stride, recipe.dilation, where, coded=not where)


def gap_wrong(recipe: Recipe) -> Changes:
    """One zero too many or too few between the elements of dE/dO."""
    for change in (1, -1, 2):
        stride = tuple(s + change if s > 1 else s for s in recipe.stride)
        if stride != recipe.stride and min(stride) > 0:
            wanted, made = (",".join(str(s - 1) for s in strides) for strides in (recipe.stride, stride))
            yield from _in_steps(
                recipe,
                stride,
                recipe.dilation,
                f"{made} zeros instead of {wanted}",
                coded=change == 1 < min(recipe.stride),
            )
    yield from _copies(recipe)


def _copies(recipe: Recipe) -> Changes:
    """Copies of each element of dE/dO where zeros belong, with or without those behind the last one."""
    if max(recipe.stride) == 1 or recipe.result is Tensor.O:
        return
    per_axis = list(zip(recipe.spatial, recipe.stride, recipe.layer.out, strict=True))
    for behind in (True, False):
        orders = [
            (axis, [k // s for k in range(s * out if behind else s * (out - 1) + 1)]) for axis, s, out in per_axis
        ]
        spread = recipe.reading(Tensor.DEDO, *(taken(axis, order) for axis, order in orders))
        yield Change(spread.but(stride=(1,) * recipe.layer.dims), "copies of its elements instead, as np.repeat makes")


def stride_dilation_swapped(recipe: Recipe) -> Changes:
    """The stride where the dilation belongs, and the other way round."""
    if recipe.stride != recipe.dilation:
        yield from _in_steps(recipe, recipe.dilation, recipe.stride, "", coded=True)


def dilation_ignored(recipe: Recipe) -> Changes:
    """Dilation 1 on all axes, or on one."""
    for dilation, where in _with_ones(recipe.dilation):
        yield from _in_steps(recipe, recipe.stride, dilation, where, coded=not where)


def dilation_off_by_one(recipe: Recipe) -> Changes:
    """Dilation d+1 or d-1, on all axes or on those that are dilated; or d twice, d*d."""
    squared = tuple(d * d for d in recipe.dilation)
    if squared != recipe.dilation:
        yield from _in_steps(recipe, recipe.stride, squared, f"{','.join(map(str, squared))} was used", coded=False)
    for change in (1, -1):
        dilation = tuple(d + change for d in recipe.dilation)
        if min(dilation) > 0:
            used = f"{','.join(map(str, dilation))} was used"
            yield from _in_steps(recipe, recipe.stride, dilation, used, coded=change == 1)
        partly = tuple(d + change if d > 1 else d for d in recipe.dilation)
        if partly not in (recipe.dilation, dilation) and min(partly) > 0:
            yield from _in_steps(recipe, recipe.stride, partly, f"{','.join(map(str, partly))} was used", coded=False)


def stride_axes_swapped(recipe: Recipe) -> Changes:
    """The strides of the axes in another order, or that of one axis on all."""
    of_one = ((s,) * recipe.layer.dims for s in recipe.stride)
    for stride in dict.fromkeys((*permutations(recipe.stride), *of_one)):
        if stride == recipe.stride:
            continue
        used = f"{','.join(map(str, stride))} was used"
        yield from _in_steps(recipe, stride, recipe.dilation, used, coded=stride == recipe.stride[::-1])


def padding_ignored(recipe: Recipe) -> Changes:
    """Windows begin at stride*i; O also in the shape that it has without padding."""
    layer = recipe.layer
    for axes in some_axes(layer.dims):
        before = with_values(recipe.before, axes, (0,) * layer.dims)
        if before != recipe.before:
            yield Change(recipe.but(before=before), coded=not any(before))
        if recipe.result is Tensor.O:
            out = with_values(layer.out, axes, [(a.size - a.span) // a.stride + 1 for a in layer.axes])
            if out != layer.out and min(out) > 0:
                yield Change(recipe.but(before=before, size=out), "O is as small as without padding")


def wrong_side(recipe: Recipe) -> Changes:
    """Other numbers of zeros in front: those behind, all of them, none, one more or fewer."""
    dims, axes_of = recipe.layer.dims, recipe.layer.axes
    after = tuple(a.after for a in axes_of)
    whole = tuple(a.before + a.after for a in axes_of)
    seen = {recipe.before}
    for axes in some_axes(dims):
        for others in (after, whole, (0,) * dims, *(tuple(p + c for p in recipe.before) for c in (1, -1))):
            before = with_values(recipe.before, axes, others)
            if before not in seen and min(before) >= 0 and any(whole):
                seen.add(before)
                shift = ",".join(str(was - now) for was, now in zip(recipe.before, before, strict=True))
                yield Change(recipe.but(before=before), _in_front(before, shift), coded=before == after)


def _in_front(before: Shape, shift: str) -> str:
    return f"{','.join(map(str, before))} zeros in front of X: shifted by {shift}"


def not_cropped(recipe: Recipe) -> Changes:
    """The padded dE/dX as it is, on all axes or on one, with or without the rows left over."""
    layer = recipe.layer
    padded = tuple(a.padded for a in layer.axes)
    covered = tuple(a.padded - a.leftover for a in layer.axes)
    for axes in some_axes(layer.dims):
        before = with_values(recipe.before, axes, (0,) * layer.dims)
        sizes = [with_values(layer.size, axes, size) for size in (padded, covered)]
        if sizes[0] != layer.size:
            for size in dict.fromkeys(sizes):
                yield Change(recipe.but(before=before, size=size), coded=size == padded)


def empty_crop(recipe: Recipe) -> Changes:
    """A slice up to -0, which is empty, on all axes or on one."""
    layer = recipe.layer
    sides = [tuple(getattr(axis, side) for axis in layer.axes) for side in ("after", "before")]
    if 0 in sides[0]:
        for axes, side in product(some_axes(layer.dims), sides):
            empty = [cut(2 + k, 0, 0) for k in axes if side[k] == 0]
            if empty:
                yield Change(recipe.then(*empty), coded=side == sides[1] and len(axes) == layer.dims)


def leftover_dropped(recipe: Recipe) -> Changes:
    """The right dE/dX without the rows that no window reaches."""
    layer = recipe.layer
    size = tuple(min(a.size, a.padded - a.leftover - a.before) for a in layer.axes)
    for axes in some_axes(layer.dims):
        shape = with_values(layer.size, axes, size)
        if shape != layer.size:
            less = recipe.then(*(cut(2 + k, 0, stop) for k, stop in enumerate(shape)))
            yield Change(less, coded=shape == size)
    reached = tuple(a.padded - a.leftover - a.before - a.after for a in layer.axes)
    if reached not in (layer.size, size) and min(reached) > 0:
        yield Change(recipe.then(*(cut(2 + k, 0, stop) for k, stop in enumerate(reached))))


def leftover_misplaced(recipe: Recipe) -> Changes:
    """dE/dX moved towards the end by the rows left over, or by half of them."""
    leftover = [axis.leftover for axis in recipe.layer.axes]
    seen = {recipe.before}
    for axes in some_axes(recipe.layer.dims):
        for part in (1, 2):
            shifted = tuple(p - (-(-r // part)) for p, r in zip(recipe.before, leftover, strict=True))
            before = with_values(recipe.before, axes, shifted)
            if before not in seen:
                seen.add(before)
                yield Change(
                    recipe.but(before=before),
                    "the zeros stand in front" if part == 1 else "",
                    part == 1 and len(axes) == recipe.layer.dims,
                )


def leftover_counted(recipe: Recipe) -> Changes:
    """dE/dW of a convolution over all of X, which has more rows than W; or its last rows."""
    layer = recipe.layer
    extra = tuple(axis.leftover // d for axis, d in zip(layer.axes, recipe.dilation, strict=True))
    for axes in some_axes(layer.dims):
        more = with_values((0,) * layer.dims, axes, extra)
        if any(more):
            kernel = tuple(k + e for k, e in zip(layer.kernel, more, strict=True))
            yield Change(recipe.but(size=kernel), "a row more for each position left over", more == extra)
            before = tuple(p - e * d for p, e, d in zip(recipe.before, more, recipe.dilation, strict=True))
            yield Change(recipe.but(before=before), "the last rows instead of the first")
    for number, (axis, k) in enumerate(zip(layer.axes, layer.kernel, strict=True)):
        if axis.leftover:
            beyond = recipe.but(size=with_values(layer.kernel, [number], [size + 1 for size in layer.kernel]))
            last = taken(2 + number, (*range(k - 1), k))
            yield Change(beyond.then(last), "its last row comes from a window that is not there")


MISTAKES = (
    Mistake(
        "stride-ignored",
        "the stride is not used",
        "window i begins at stride*i - padding; in a full convolution put stride-1 zeros between the elements of dE/dO",
        in_arrays(stride_ignored),
        code=("place = i + dilation * u - before", "place = stride * i + dilation * u - before"),
        short="a wrong stride",
        forward=(
            "the stride is not used",
            "window i begins at stride*i - padding, and O has a window for every stride-th position",
        ),
    ),
    Mistake(
        "stride-axes-swapped",
        "a stride is used on the wrong axis",
        "the first stride belongs to the rows, the second to the columns",
        in_arrays(stride_axes_swapped),
        code=("place = stride[::-1] * i + dilation * u - before", "place = stride * i + dilation * u - before"),
        short="strides of swapped axes",
    ),
    Mistake(
        "stride-dilation-swapped",
        "stride and dilation are swapped",
        "as a convolution over X, dE/dO has dilation = the layer's stride and moves by the layer's dilation",
        in_arrays(stride_dilation_swapped),
        code=("place = dilation * i + stride * u - before", "place = stride * i + dilation * u - before"),
        short="stride and dilation swapped",
        forward=(
            "stride and dilation are swapped",
            "window i begins at stride*i, and its element u lies dilation*u behind",
        ),
    ),
    Mistake(
        "stride-gap-wrong",
        "the wrong number of zeros stands between the elements of dE/dO",
        "put stride-1 zeros between neighbours",
        in_arrays(gap_wrong),
        code=("place = (stride + 1) * i + dilation * u - before", "place = stride * i + dilation * u - before"),
        short="a wrong stride",
        forward=("the stride is off by one", "window i begins at stride*i - padding"),
    ),
    Mistake(
        "dilation-ignored",
        "the dilation is not used",
        "filter element u lies dilation*u behind the beginning of the window",
        in_arrays(dilation_ignored),
        code=("place = stride * i + u - before", "place = stride * i + dilation * u - before"),
        short="a wrong dilation",
    ),
    Mistake(
        "dilation-off-by-one",
        "a wrong dilation is used",
        "dilation 1 is none: dilation d has d-1 zeros between the filter's elements",
        in_arrays(dilation_off_by_one),
        code=("place = stride * i + (dilation + 1) * u - before", "place = stride * i + dilation * u - before"),
        short="a wrong dilation",
    ),
    Mistake(
        "padding-ignored",
        "the gradient is computed as if there were no padding",
        "dX: cut `before` positions from the front of the padded result; dW: use X with its frame of zeros",
        in_arrays(padding_ignored),
        code=("place = stride * i + dilation * u", "place = stride * i + dilation * u - before"),
        short="a wrong padding",
        forward=(
            "O is computed as if there were no padding",
            "put the frame of zeros around X first, or begin window i at stride*i - padding",
        ),
    ),
    Mistake(
        "padding-wrong-side",
        "the frame of zeros is taken off or put on at the wrong side",
        "the padded result begins `before` positions in front of X",
        in_arrays(wrong_side),
        code=("place = stride * i + dilation * u - after", "place = stride * i + dilation * u - before"),
        short="a wrong padding",
        forward=(
            "the frame of zeros is put on at the wrong side",
            "window i begins at stride*i - padding, with the padding in front",
        ),
    ),
    Mistake(
        "padding-not-cropped",
        "dX still has the padding around it",
        "cut it back: dx[..., before : before + H, before : before + W]",
        {Tensor.DX: not_cropped},
        code=("return padded", "return padded[(..., *inside)]"),
        short="a wrong padding",
    ),
    Mistake(
        "empty-crop",
        "the crop is empty: dx[p:-p] with p = 0 keeps nothing",
        "cut with dx[p : p + H], which is right for p = 0 too",
        {Tensor.DX: empty_crop},
        code=("inside = [slice(p, -p) for p in before]", "inside = [slice(p, p + n) for p, n in zip(before, size)]"),
        short="a crop with p = 0",
    ),
    Mistake(
        "leftover-dropped",
        "the rows that the stride leaves over are missing",
        "make dX in X's shape: the last rows that no window reaches are 0",
        {Tensor.DX: leftover_dropped},
        code=("padded = covered", "padded = np.pad(covered, behind)"),
        short="rows left over by the stride",
    ),
    Mistake(
        "leftover-misplaced",
        "the rows that the stride leaves over stand at the wrong end",
        "the zeros belong behind the last window, not in front of the first",
        {Tensor.DX: leftover_misplaced},
        code=("padded = np.pad(covered, in_front)", "padded = np.pad(covered, behind)"),
        short="rows left over by the stride",
    ),
    Mistake(
        "leftover-counted",
        "positions that the stride leaves over take part in dW",
        "cut X where the last window ends before you convolve it with dE/dO",
        {Tensor.DW: leftover_counted},
        code=("used = framed", "used = framed[(..., *reached)]"),
        short="rows left over by the stride",
    ),
)
