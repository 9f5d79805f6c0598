"""What a layer's stride, padding and dilation mean, in words."""

from collections.abc import Sequence

from cnngrad.derivation.formulas import axis_words
from cnngrad.layer import Axis, Layer, counted

__all__ = [
    "crop",
    "first_matrices",
    "frame",
    "groups",
    "how_framed",
    "how_it_moves",
    "is_dilated",
    "is_padded",
    "is_single",
    "is_strided",
    "padding",
    "per_axis",
    "slides",
    "unreached",
]


def is_single(layer: Layer) -> bool:
    """Whether there is one sample, one channel and one filter, so that one matrix is the whole array."""
    return layer.batch * layer.channels * layer.filters == 1


def is_padded(layer: Layer) -> bool:
    """Whether X has any padding."""
    return any(axis.before or axis.after for axis in layer.axes)


def is_strided(layer: Layer) -> bool:
    """Whether zeros stand between the elements of dE/dO."""
    return any(axis.stride > 1 and axis.out > 1 for axis in layer.axes)


def is_dilated(layer: Layer) -> bool:
    """Whether the filter's elements lie apart."""
    return any(axis.dilation > 1 and axis.kernel > 1 for axis in layer.axes)


def per_axis(numbers: Sequence[int], word: str) -> str:
    """A number for all axes, or one for each.

    >>> per_axis([1, 2], "zero")
    '1 zero (rows), 2 zeros (columns)'
    """
    if len(set(numbers)) == 1:
        return counted(numbers[0], word)
    words = axis_words(len(numbers))
    return ", ".join(f"{counted(number, word)} ({axis})" for number, axis in zip(numbers, words, strict=True))


def padding(layer: Layer) -> str:
    """The padding: `1 zero on each side`, or before and behind."""
    return _sides([(a.before, a.after) for a in layer.axes])


def frame(layer: Layer) -> str:
    """The frame of zeros around dE/dO in the full convolution."""
    return _sides([a.frame for a in layer.axes])


def _sides(sides: Sequence[tuple[int, int]]) -> str:
    if len(set(sides)) == 1:
        before, after = sides[0]
        if before == after:
            return f"{counted(before, 'zero')} on each side"
        return f"{counted(before, 'zero')} before and {after} behind"
    words = axis_words(len(sides))
    return ", ".join(
        f"{counted(before, 'zero')} before and {after} behind ({axis})"
        for (before, after), axis in zip(sides, words, strict=True)
    )


def groups(layer: Layer) -> str:
    """What groups do; empty where there are none."""
    if layer.groups == 1:
        return ""
    reads, filters = counted(layer.group_channels, "channel"), counted(layer.group_filters, "filter")
    return (
        f"The layer has {layer.groups} groups of {reads} and {filters}: a filter reads the channels of its own group "
        f"alone. c counts them within the group, c' in X: c' = c + {layer.group_channels}·(number of the group − 1)."
    )


def how_framed(layer: Layer) -> str:
    """How dE/dO is made ready for the full convolution."""
    text = ""
    if is_strided(layer):
        zeros = per_axis([a.stride - 1 for a in layer.axes], "zero")
        text = f"For the stride ∂E/∂O gets {zeros} between its elements. "
    full = "Full means that the filter starts where it covers a corner of ∂E/∂O alone: around it is a frame of"
    text += f"{full} {frame(layer)}."
    if any(axis.leftover for axis in layer.axes):
        text += " Behind it the frame is wider by what the stride leaves over."
    if is_dilated(layer):
        text += f" With dilation the filter's elements lie {per_axis([a.dilation for a in layer.axes], 'cell')} apart."
    return text


def slides(layer: Layer) -> str:
    """How dE/dO slides over X where dE/dW is a convolution, done literally; begins with `∂E/∂O`."""
    text = "∂E/∂O"
    if is_strided(layer):
        text += f" with {per_axis([a.stride - 1 for a in layer.axes], 'zero')} between its elements"
    text += " slides over X"
    if is_padded(layer):
        text += f" with its padding of {padding(layer)}"
    over = [
        f"the last {axis[:-1]}" if a.leftover == 1 else f"the last {a.leftover} {axis}"
        for a, axis in zip(layer.axes, axis_words(layer.dims), strict=True)
        if a.leftover
    ]
    if over:
        text += f", without {' and '.join(over)}, which the stride leaves over"
    if is_dilated(layer):
        text += f", in steps of {per_axis([a.dilation for a in layer.axes], 'position')} (dilation)"
    if layer.flip:
        text += "; the result is rotated by 180°"
    return text


def how_it_moves(layer: Layer) -> str:
    """The filter's steps where they are larger than 1, as the continuation of a sentence about the filter."""
    moves = []
    if any(axis.stride > 1 for axis in layer.axes):
        moves.append(f"it moves in steps of {per_axis([a.stride for a in layer.axes], 'position')} (stride)")
    if is_dilated(layer):
        moves.append(f"its elements lie {per_axis([a.dilation for a in layer.axes], 'position')} apart (dilation)")
    return "".join(f"; {move}" for move in moves)


def crop(layer: Layer) -> str:
    """How the full convolution's result is cut back; empty without padding."""
    return f", cut back by the padding of {padding(layer)}" if is_padded(layer) else ""


def first_matrices(layer: Layer, words: str = "Of each array the first matrix: ") -> str:
    """An introduction where the matrices shown are the first of several; empty where there is one of each."""
    if is_single(layer):
        return ""
    return words.rstrip(" :") + " (the rest work the same way):"


def unreached(layer: Layer, gradient: bool) -> str:
    """The positions of X that no window reads, and why; empty where there are none.

    Args:
        layer: the layer.
        gradient: whether to say what that means for the gradient.
    """
    reasons: dict[str, list[str]] = {}
    for axis, word in zip(layer.axes, axis_words(layer.dims), strict=True):
        if axis.unreached:
            reasons.setdefault(_reason(axis), []).append(_named(axis.unreached, word))
    if not reasons:
        return ""
    told = "; ".join(f"no window reads {' and '.join(places)} of X, {why}" for why, places in reasons.items())
    return f"{told[0].upper()}{told[1:]}{': ∂E/∂x is exactly 0 there' if gradient else ''}."


def _named(positions: Sequence[int], plural: str) -> str:
    numbers = [str(h + 1) for h in positions]
    if len(numbers) > 6:
        numbers = [*numbers[:3], "…", numbers[-1]]
    return f"{plural[:-1] if len(positions) == 1 else plural} {', '.join(numbers)}"


def _reason(axis: Axis) -> str:
    reasons = []
    if axis.leftover and axis.unreached[-1] >= axis.padded - axis.before - axis.leftover:
        reasons.append(
            f"since the stride {axis.stride} does not divide the {axis.padded - axis.span} steps that a window of "
            f"{axis.span} can move on {axis.padded} positions, which leaves {axis.leftover} over"
        )
    if any(h < axis.padded - axis.before - axis.leftover for h in axis.unreached):
        reasons.append(
            f"since stride {axis.stride} and dilation {axis.dilation} step over it"
            if axis.dilation > 1 and axis.kernel > 1
            else f"since the stride {axis.stride} is larger than the window of {axis.span}"
        )
    return " and ".join(reasons)
