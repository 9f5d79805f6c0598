"""What a layer's stride, padding and dilation mean, in words."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from cnngrad.layer import BORDERS, Layer, counted
from cnngrad.layer.expansion import leads
from cnngrad.tensor import DW, DX, O, Tensor

# Words for the two sides of an axis, if not "in front" and "behind".
_SIDES = {"row": ("above", "below"), "column": ("on the left", "on the right")}


def strides(layer: Layer, word: str) -> str:
    """The steps of a window from one output to the next: `2 cells`."""
    return _per_axis(layer, [counted(axis.stride, word) for axis in layer.axes])


def dilations(layer: Layer, word: str) -> str:
    """The steps from one filter element to the next: `1 cell (rows), 2 cells (columns)`."""
    return _per_axis(layer, [counted(axis.dilation, word) for axis in layer.axes])


def gaps(layer: Layer) -> str:
    """The zeros of dE/dO that the stride makes: `1 zero between its elements`."""
    return f"{_per_axis(layer, [counted(axis.stride - 1, 'zero') for axis in layer.axes])} between its elements"


def padding(layer: Layer, word: str = "zero") -> str:
    """The padding: `1 zero on each side`, `1 zero in front and 2 behind`; `1 position on each side (reflect)`."""
    is_filled, sides = layer.mode != "zeros", [(axis.before, axis.after) for axis in layer.axes]
    return _sides(layer, sides, "position" if is_filled else word) + f" ({layer.mode})" * is_filled


def laid_out(layer: Layer) -> str:
    """How dE/dO, or X of a transposed layer, lies under the filter of a full convolution, behind its title."""
    return ", framed" if frame(layer) else ", with zeros" * layer.is_strided


def output_size(layer: Layer) -> Iterator[str]:
    """The size of a transposed layer's O, and why output padding exists."""
    sums = [
        f"({a.size} − 1)·{a.stride} + {a.span} − {a.before + a.after}{f' + {a.extra}' * bool(a.extra)} = {a.out}"
        for a in layer.axes
    ]
    yield (
        "The size of O is (size of X − 1)·stride + width of a stamp − padding on both sides + output padding: "
        f"{_per_axis(layer, sums)}."
    )
    sizes = []
    for axis in layer.axes:
        least = axis.out - axis.extra
        several = " or ".join(map(str, range(max(1, least), least + axis.stride)))
        sizes.append(f"{counted(axis.size, 'position')} from {several or 'no size'}")
    why = (
        "Why output padding? A convolution drops what its stride leaves over: with this W, stride and padding it makes "
        f"{_per_axis(layer, sizes)}. So the size of X alone does not tell the size of O: output padding chooses it. "
    )
    # Output padding of a stride or more is no position that a convolution drops.
    why *= any(axis.stride > 1 for axis in layer.axes) and all(axis.extra < axis.stride for axis in layer.axes)
    if why or any(axis.extra for axis in layer.axes):
        yield (
            f"{why}Output padding adds positions behind O, not around it. PyTorch demands that it is less than the "
            "stride or the dilation."
        )


def standing(layer: Layer) -> str:
    """What stands in the padding, and how its cells are marked; empty if these are zeros."""
    if layer.mode == "zeros" or not layer.is_padded:
        return ""
    words = BORDERS[layer.mode].words
    return f"The padding holds {words} ({layer.mode}). Its cells are marked: x′ is a cell that repeats x."


def frame(layer: Layer) -> str:
    """The frame of zeros around dE/dO in the full convolution, or empty."""
    sides = [axis.frame for axis in layer.axes]
    return _sides(layer, sides) if any(map(any, sides)) else ""


def _sides(layer: Layer, sides: Sequence[tuple[int, int]], word: str = "zero") -> str:
    if len(set(chain(*sides))) == 1:
        return f"{counted(sides[0][0], word)} on each side"
    places = chain(*(_SIDES.get(axis, ("in front", "behind")) for axis in layer.axis_words))
    (number, place), *others = zip(chain(*sides), places, strict=True)
    return ", ".join([f"{counted(number, word)} {place}", *(f"{number} {place}" for number, place in others)])


def _per_axis(layer: Layer, said: Sequence[str]) -> str:
    if len(set(said)) == 1:
        return said[0]
    return ", ".join(f"{text} ({word}s)" for text, word in zip(said, layer.axis_words, strict=True))


def crop(layer: Layer) -> str:
    """How the full convolution's result is cut back, or folded; empty without padding."""
    if not layer.is_padded:
        return ""
    if layer.mode == "zeros":
        return f", cut back by the padding of {padding(layer, 'position')}"
    return (
        f"; the result has a padding of {padding(layer)}, and each position of it is added to the x that stands there"
    )


def first(layer: Layer, *tensors: Tensor) -> str:
    """A phrase that takes the first sample, channel or filter as the example; empty if the tensors have only one."""
    axes = chain(*(zip(layer.lead_words(each), layer.canonical[each], strict=False) for each in tensors))
    said = ", ".join(dict.fromkeys(f"{word} 1" for word, count in axes if count > 1))
    return f"For {said}, as an example:" if said else ""


def parts(layer: Layer, tensor: Tensor) -> tuple[int, str]:
    """The number of channels, samples or filters over which an element of O, dE/dW or dE/dX is summed, and the word."""
    return len(leads(layer, tensor, (0, 0))), {O: "channel", DW: "sample", DX: "filter"}[tensor]


def summed(layer: Layer, tensor: Tensor) -> str:
    """The same in a sentence, `O is a sum over the 3 channels.`; empty for one."""
    count, word = parts(layer, tensor)
    return f"{tensor.title} is a sum over the {count} {word}s." if count > 1 else ""


def leftover(layer: Layer) -> str:
    """The positions that no window reaches at the end: `the last row and the last 2 columns`, or empty."""
    ends = ((axis.leftover, word) for axis, word in layer.named_axes)
    return " and ".join(f"the last {word if number == 1 else counted(number, word)}" for number, word in ends if number)


def unreached(layer: Layer, tensor: Tensor) -> str:
    """The positions of X, or of a transposed layer's O, without a product, the reason and the result; or empty.

    Args:
        layer: the layer.
        tensor: O or dE/dX, to which the sentence belongs.
    """
    reasons = defaultdict(list)
    is_cut = layer.transposed and tensor is DX
    for axis, word in layer.named_axes:
        skipped = (axis if is_cut else axis.conv).unreached
        if not skipped:
            continue
        causes, last = [], max(axis.window(axis.windows - 1)) - axis.before
        window = "stamp" if axis.transposed else "window"
        if skipped[-1] > last:
            causes.append(
                "output padding adds positions behind the last stamp"
                if axis.transposed
                else f"the stride {axis.stride} does not divide the {axis.padded - axis.span} steps that a window of "
                f"{axis.span} can move on {axis.padded} positions (remainder {axis.leftover})"
            )
        if skipped[0] < last:
            causes.append(
                f"stride {axis.stride} with dilation {axis.dilation} skips such positions"
                if axis.dilation > 1 and axis.kernel > 1
                else f"the stride {axis.stride} is larger than the {window} of {axis.span}"
            )
        numbers = [str(h + 1) for h in skipped]
        shown = numbers if len(numbers) <= 6 else [*numbers[:3], "…", numbers[-1]]
        reason = "" if is_cut else f", since {' and since '.join(causes)}"
        reasons[reason].append(f"{word}{'s' if len(numbers) > 1 else ''} {', '.join(shown)}")
    if not reasons:
        return ""
    what, end = "no window reads {} of X", ": ∂E/∂x is exactly 0 there" if tensor is DX else ""
    if is_cut:
        what = "the padding cuts off all stamps of {} of X"
    elif layer.transposed:
        what, end = "no x reaches {} of O", f": o is {'b' if layer.has_bias else '0'} there"
    told = "; ".join(what.format(" and ".join(places)) + why for why, places in reasons.items())
    return f"{told[0].upper()}{told[1:]}{end}."
