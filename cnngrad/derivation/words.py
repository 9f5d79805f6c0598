"""What a layer's stride, padding and dilation mean, in words."""

from collections.abc import Sequence

from cnngrad.layer import BORDERS, Axis, Layer, counted

# Positions of the padding, on each side, whose elements are told.
_MOST_TOLD = 2


def is_padded(layer: Layer) -> bool:
    """Whether X has any padding."""
    return any(axis.before or axis.after for axis in layer.axes)


def is_strided(layer: Layer) -> bool:
    """Whether zeros stand between the elements of dE/dO."""
    return any(axis.stride > 1 and axis.out > 1 for axis in layer.axes)


def is_dilated(layer: Layer) -> bool:
    """Whether there are gaps between the filter's elements."""
    return any(axis.dilation > 1 and axis.kernel > 1 for axis in layer.axes)


def strides(layer: Layer, word: str) -> str:
    """The steps of a window from one output to the next: `2 cells`."""
    return _per_axis(layer, [counted(axis.stride, word) for axis in layer.axes])


def dilations(layer: Layer, word: str) -> str:
    """The steps from one filter element to the next: `1 cell (rows), 2 cells (columns)`."""
    return _per_axis(layer, [counted(axis.dilation, word) for axis in layer.axes])


def gaps(layer: Layer) -> str:
    """The zeros of dE/dO that the stride makes: `1 zero between its elements`."""
    return f"{_per_axis(layer, [counted(axis.stride - 1, 'zero') for axis in layer.axes])} between its elements"


def padding(layer: Layer) -> str:
    """The padding: `1 zero on each side`, or before and behind; `1 position on each side (reflect)`."""
    sides = [(axis.before, axis.after) for axis in layer.axes]
    return _sides(layer, sides) if layer.mode == "zeros" else f"{_sides(layer, sides, 'position')} ({layer.mode})"


def standing(layer: Layer) -> str:
    """The elements that stand in the padding: `row 0 is row 2, row 4 is row 2`; empty if these are zeros."""
    if layer.mode == "zeros":
        return ""
    told = []
    for axis, word in zip(layer.axes, layer.axis_words, strict=True):
        sides = range(axis.before - 1, -1, -1), range(axis.before + axis.size, axis.padded)
        each = [
            f"{word} {k - axis.before + 1} is {word} {axis.border[k] + 1}" for side in sides for k in side[:_MOST_TOLD]
        ]
        told.append(", ".join([*each, *["…"] * any(len(side) > _MOST_TOLD for side in sides)]))
    where = "; ".join(filter(None, told)).replace("-", "−")
    return f"The padding holds {BORDERS[layer.mode].words} ({layer.mode}): {where}." if where else ""


def frame(layer: Layer) -> str:
    """The frame of zeros around dE/dO in the full convolution."""
    return _sides(layer, [axis.frame for axis in layer.axes])


def _sides(layer: Layer, sides: Sequence[tuple[int, int]], word: str = "zero") -> str:
    if len(set(sides)) == 1 and len(set(sides[0])) == 1:
        return f"{counted(sides[0][0], word)} on each side"
    return _per_axis(layer, [f"{counted(before, word)} before and {after} behind" for before, after in sides])


def _per_axis(layer: Layer, said: Sequence[str]) -> str:
    if len(set(said)) == 1:
        return said[0]
    return ", ".join(f"{text} ({word}s)" for text, word in zip(said, layer.axis_words, strict=True))


def crop(layer: Layer) -> str:
    """How the full convolution's result is cut back, or folded; empty without padding."""
    if not is_padded(layer) or layer.mode == "zeros":
        return f", cut back by the padding of {padding(layer)}" if is_padded(layer) else ""
    return (
        f"; the result has a padding of {padding(layer)}, and each position of it is added to the x that stands there"
    )


def first_matrices(layer: Layer, words: str = "The first matrix of each array") -> str:
    """An introduction if the matrices shown are the first of several; otherwise empty."""
    return f"{words} (the rest work the same way):" if layer.batch * layer.channels * layer.filters > 1 else ""


def unreached(layer: Layer, gradient: bool) -> str:
    """The positions of X that no window reads, the reason, and the result for a `gradient`; empty if there are none."""
    reasons: dict[str, list[str]] = {}
    for axis, word in zip(layer.axes, layer.axis_words, strict=True):
        numbers = [str(h + 1) for h in axis.unreached]
        if numbers:
            shown = numbers if len(numbers) <= 6 else [*numbers[:3], "…", numbers[-1]]
            named = f"{word}{'s' if len(numbers) > 1 else ''} {', '.join(shown)}"
            reasons.setdefault(_reason(axis), []).append(named)
    if not reasons:
        return ""
    told = "; ".join(f"no window reads {' and '.join(places)} of X, {why}" for why, places in reasons.items())
    return f"{told[0].upper()}{told[1:]}{': ∂E/∂x is exactly 0 there' if gradient else ''}."


def _reason(axis: Axis) -> str:
    reasons, last = [], max(axis.window(axis.out - 1)) - axis.before
    if axis.unreached[-1] > last:
        reasons.append(
            f"since the stride {axis.stride} does not divide the {axis.padded - axis.span} steps that a window of "
            f"{axis.span} can move on {axis.padded} positions (remainder {axis.leftover})"
        )
    if axis.unreached[0] < last:
        reasons.append(
            f"since stride {axis.stride} with dilation {axis.dilation} skips such positions"
            if axis.dilation > 1 and axis.kernel > 1
            else f"since the stride {axis.stride} is larger than the window of {axis.span}"
        )
    return " and ".join(reasons)
