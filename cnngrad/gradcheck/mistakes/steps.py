"""Mistakes in the positions of windows: stride, dilation, padding, and rows that a stride leaves over."""

from collections.abc import Callable, Iterator
from itertools import permutations

from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses, at, on_axes, some_axes, with_values
from cnngrad.layer import Shape
from cnngrad.tensor import Tensor

__all__ = [
    "dilation_ignored",
    "dilation_off_by_one",
    "empty_crop",
    "gap_wrong",
    "in_steps",
    "leftover_counted",
    "leftover_dropped",
    "leftover_misplaced",
    "not_cropped",
    "padding_ignored_o",
    "padding_ignored_w",
    "padding_ignored_x",
    "stride_axes_swapped",
    "stride_dilation_swapped",
    "stride_ignored",
    "wrong_side_o",
    "wrong_side_w",
    "wrong_side_x",
]


def _full_size(data: Data, stride: Shape, dilation: Shape) -> Shape:
    """The size of dX as these numbers give it, cut back by the padding."""
    sizes = zip(stride, dilation, data.layer.out, data.layer.kernel, data.axes, strict=True)
    return tuple(s * (out - 1) + d * (k - 1) + 1 - a.before - a.after for s, d, out, k, a in sizes)


def _x_in_steps(data: Data, stride: Shape, dilation: Shape, detail: str) -> Guesses:
    """dE/dX scattered with other steps: in X's shape, and in the shape that such steps give."""
    yield Guess(data.scatter(stride=stride, dilation=dilation), detail)
    size = _full_size(data, stride, dilation)
    if size != data.layer.size and data.may_be(size):
        yield Guess(data.scatter(stride=stride, dilation=dilation, size=size), detail)


def _w_in_steps(data: Data, stride: Shape, dilation: Shape, detail: str) -> Guesses:
    """dE/dW gathered with other steps: in W's shape, and in the shape that a convolution with such steps has."""
    yield Guess(data.gather(stride=stride, dilation=dilation), detail)
    sizes = zip(stride, dilation, data.layer.out, data.axes, strict=True)
    kernel = tuple((a.padded - s * (out - 1) - 1) // d + 1 for s, d, out, a in sizes)
    if kernel != data.layer.kernel and data.may_be(kernel):
        yield Guess(data.gather(stride=stride, dilation=dilation, kernel=kernel), detail)


def _o_in_steps(data: Data, stride: Shape, dilation: Shape, detail: str) -> Guesses:
    """O with other steps: in O's shape, and in the shape that such steps give."""
    yield Guess(data.convolve(stride=stride, dilation=dilation), detail)
    sizes = zip(stride, dilation, data.layer.kernel, data.axes, strict=True)
    out = tuple((a.padded - d * (k - 1) - 1) // s + 1 for s, d, k, a in sizes)
    if out != data.layer.out and data.may_be(out):
        yield Guess(data.convolve(stride=stride, dilation=dilation, out=out), detail)


Steps = Callable[[Data, Shape, Shape, str], Guesses]


def in_steps(make: Callable[[Steps], Callable[[Data], Guesses]]) -> dict[Tensor, Callable[[Data], Guesses]]:
    """The same wrong steps in O, in dE/dW and in dE/dX."""
    return {Tensor.O: make(_o_in_steps), Tensor.DW: make(_w_in_steps), Tensor.DX: make(_x_in_steps)}


def _with_ones(values: Shape) -> Iterator[tuple[Shape, str]]:
    """Values for each axis with 1 for all of them, or for one where they are several; and which axis, in words."""
    for axes in some_axes(len(values)):
        changed = with_values(values, axes, (1,) * len(values))
        if changed != values:
            yield changed, "" if len(axes) == len(values) else f"on {on_axes(axes)}"


def stride_ignored(steps: Steps) -> Callable[[Data], Guesses]:
    """Stride 1 on all axes, or on one."""

    def guesses(data: Data) -> Guesses:
        for stride, where in _with_ones(data.stride):
            yield from steps(data, stride, data.dilation, where)

    return guesses


def gap_wrong(steps: Steps) -> Callable[[Data], Guesses]:
    """One zero too many or too few between the elements of dE/dO."""

    def guesses(data: Data) -> Guesses:
        for change in (1, -1, 2):
            stride = tuple(s + change if s > 1 else s for s in data.stride)
            if stride != data.stride and min(stride) > 0:
                wanted, made = ",".join(str(s - 1) for s in data.stride), ",".join(str(s - 1) for s in stride)
                yield from steps(data, stride, data.dilation, f"{made} zeros instead of {wanted}")

    return guesses


def stride_dilation_swapped(steps: Steps) -> Callable[[Data], Guesses]:
    """The stride where the dilation belongs, and the other way round."""

    def guesses(data: Data) -> Guesses:
        if data.stride != data.dilation:
            yield from steps(data, data.dilation, data.stride, "")

    return guesses


def dilation_ignored(steps: Steps) -> Callable[[Data], Guesses]:
    """Dilation 1 on all axes, or on one."""

    def guesses(data: Data) -> Guesses:
        for dilation, where in _with_ones(data.dilation):
            yield from steps(data, data.stride, dilation, where)

    return guesses


def dilation_off_by_one(steps: Steps) -> Callable[[Data], Guesses]:
    """Dilation d+1 or d-1, on all axes or on those that are dilated."""

    def guesses(data: Data) -> Guesses:
        for change in (1, -1):
            dilation = tuple(d + change for d in data.dilation)
            if min(dilation) > 0:
                yield from steps(data, data.stride, dilation, f"{','.join(map(str, dilation))} was used")
            partly = tuple(d + change if d > 1 else d for d in data.dilation)
            if partly not in (data.dilation, dilation) and min(partly) > 0:
                yield from steps(data, data.stride, partly, f"{','.join(map(str, partly))} was used")

    return guesses


def stride_axes_swapped(steps: Steps) -> Callable[[Data], Guesses]:
    """The strides of the axes in another order."""

    def guesses(data: Data) -> Guesses:
        for stride in set(permutations(data.stride)) - {data.stride}:
            yield from steps(data, stride, data.dilation, f"{','.join(map(str, stride))} was used")

    return guesses


def padding_ignored_x(data: Data) -> Guesses:
    """Windows begin at stride*i: the first `before` rows of the padded result are kept."""
    for axes in some_axes(data.layer.dims):
        before = with_values(data.before, axes, (0,) * data.layer.dims)
        if before != data.before:
            yield Guess(data.scatter(before=before))


def padding_ignored_w(data: Data) -> Guesses:
    """X is read without its frame."""
    for axes in some_axes(data.layer.dims):
        before = with_values(data.before, axes, (0,) * data.layer.dims)
        if before != data.before:
            yield Guess(data.gather(before=before))


def padding_ignored_o(data: Data) -> Guesses:
    """Windows begin at stride*i: in O's shape, and in the shape that O has without padding."""
    for axes in some_axes(data.layer.dims):
        before = with_values(data.before, axes, (0,) * data.layer.dims)
        if any(data.axes[k].before or data.axes[k].after for k in axes):
            out = tuple((a.size - a.span) // a.stride + 1 if k in axes else a.out for k, a in enumerate(data.axes))
            if before != data.before:
                yield Guess(data.convolve(before=before))
            if out != data.layer.out and data.may_be(out):
                yield Guess(data.convolve(before=before, out=out), "O is as small as without padding")


def wrong_side_o(data: Data) -> Guesses:
    """The frame around X is wider on the other side."""
    for before, detail in _other_sides(data):
        yield Guess(data.convolve(before=before), detail)


def _other_sides(data: Data) -> Iterator[tuple[Shape, str]]:
    """Other numbers of zeros in front: before and after swapped, the frame cut on one side, a shift by one."""
    after = tuple(a.after for a in data.axes)
    whole = tuple(a.before + a.after for a in data.axes)
    seen = {data.before}
    for axes in some_axes(data.layer.dims):
        for others in (after, whole, (0,) * data.layer.dims, *(tuple(p + c for p in data.before) for c in (1, -1))):
            before = with_values(data.before, axes, others)
            if before not in seen and min(before) >= 0 and any(whole):
                seen.add(before)
                shift = ",".join(str(was - now) for was, now in zip(data.before, before, strict=True))
                yield before, f"{','.join(map(str, before))} in front: shifted by {shift}"


def wrong_side_x(data: Data) -> Guesses:
    """The padded result is cut at other places."""
    for before, detail in _other_sides(data):
        yield Guess(data.scatter(before=before), detail)


def wrong_side_w(data: Data) -> Guesses:
    """The frame around X is wider on the other side."""
    for before, detail in _other_sides(data):
        yield Guess(data.gather(before=before), detail)


def not_cropped(data: Data) -> Guesses:
    """The padded result as it is, with or without the rows left over."""
    padded = tuple(a.padded for a in data.axes)
    if padded != data.layer.size:
        size = tuple(a.padded - a.leftover for a in data.axes)
        for shape in {padded, size}:
            yield Guess(data.scatter(before=(0,) * data.layer.dims, size=shape))


def empty_crop(data: Data) -> Guesses:
    """A slice up to -0, which is empty."""
    right = data.right[Tensor.DX]
    crops = [slice(0, 0) if a.after == 0 else slice(None) for a in data.axes]
    if slice(0, 0) in crops:
        yield Guess(right[at(..., *crops)])
        before = [slice(0, 0) if a.before == 0 else slice(None) for a in data.axes]
        yield Guess(right[at(..., *before)])


def leftover_dropped(data: Data) -> Guesses:
    """The right gradient without the rows that no window reaches."""
    size = tuple(min(a.size, a.padded - a.leftover - a.before) for a in data.axes)
    for axes in some_axes(data.layer.dims):
        shape = with_values(data.layer.size, axes, size)
        if shape != data.layer.size:
            yield Guess(data.right[Tensor.DX][at(..., *map(slice, shape))])
    reached = tuple(a.padded - a.leftover - a.before - a.after for a in data.axes)
    if reached not in (data.layer.size, size) and min(reached) > 0:
        yield Guess(data.right[Tensor.DX][at(..., *map(slice, reached))])


def leftover_misplaced(data: Data) -> Guesses:
    """The right gradient moved towards the end by the rows left over, or by half of them."""
    seen = {data.before}
    for axes in some_axes(data.layer.dims):
        for part in (1, 2):
            shifted = tuple(p - (-(-r // part)) for p, r in zip(data.before, data.leftover, strict=True))
            before = with_values(data.before, axes, shifted)
            if before not in seen:
                seen.add(before)
                yield Guess(data.scatter(before=before), "the zeros stand in front" if part == 1 else "")


def leftover_counted(data: Data) -> Guesses:
    """A convolution over all of X, which has more rows than W; or its last rows."""
    extra = tuple(r // d for r, d in zip(data.leftover, data.dilation, strict=True))
    for axes in some_axes(data.layer.dims):
        more = with_values((0,) * data.layer.dims, axes, extra)
        if any(more):
            kernel = tuple(k + e for k, e in zip(data.layer.kernel, more, strict=True))
            if data.may_be(kernel):
                yield Guess(data.gather(kernel=kernel), "a row more for each position left over")
            before = tuple(p - e * d for p, e, d in zip(data.before, more, data.dilation, strict=True))
            yield Guess(data.gather(before=before), "the last rows instead of the first")
    if data.layer.dims and any(data.leftover):
        last = data.right[Tensor.DW].copy()
        beyond = data.gather(kernel=tuple(k + 1 for k in data.layer.kernel))
        for axis, r in zip(data.spatial, data.leftover, strict=True):
            if r:
                k = data.layer.kernel[axis - 2]
                here = (slice(None),) * axis
                rest = tuple(slice(0, size) for size in data.layer.kernel[axis - 1 :])
                lead = tuple(slice(0, size) for size in data.layer.kernel[: axis - 2])
                last[at(*here, k - 1)] = beyond[at(slice(None), slice(None), *lead, k, *rest)]
                yield Guess(last.copy(), "its last row comes from a window that is not there")
                last = data.right[Tensor.DW].copy()
