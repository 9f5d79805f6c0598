"""The catalogue of mistakes that people make in backward passes: the words for each, and how it changes a recipe.

To add a mistake, write how it changes a recipe into `changes`, and its entry here, among the likelier ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cnngrad.causes import changes
from cnngrad.causes.changes import Changes
from cnngrad.causes.recipe import Recipe
from cnngrad.layer import Layer
from cnngrad.tensor import RESULTS, Tensor

__all__ = ["CATALOGUE", "PLACES", "Mistake"]

OUT, DW, DX, DB = RESULTS
# The results that have spatial axes.
ARRAYS = (OUT, DW, DX)


@dataclass(frozen=True)
class Mistake:
    """A known mistake.

    Attributes:
        id: its name in `--json`.
        change: yields a recipe in every way in which it is changed.
        results: the results in which it can be made.
        says: what it is, as a sentence.
        fix: how to fix it, as a sentence.
        code: a line of NumPy that makes it, and the right one. stride, dilation, before and after (zeros) have a number
            for each axis; i and u are positions of O and W, place is one of X, all from 0.
        short: a phrase for it in a list; several mistakes may share one.
        needs: what a layer must have for people to make it there: channels, batch or groups; empty for nothing.
        joins: whether it is often made together with another, so that each other is tried after it.
        forward: what it is and how to fix it, where it is made in O; None where the same words say it.
        of_dx: the same for dE/dX.
        flipped: the same for layers whose W is rotated before it slides, by result, where these need other words.
    """

    id: str
    change: Callable[[Recipe], Changes]
    results: tuple[Tensor, ...]
    says: str
    fix: str
    code: tuple[str, str]
    short: str
    needs: str = ""
    joins: bool = False
    forward: tuple[str, str] | None = None
    of_dx: tuple[str, str] | None = None
    flipped: dict[Tensor, tuple[str, str]] = field(default_factory=dict)

    def changed(self, recipe: Recipe) -> Changes:
        """A recipe in every way in which the mistake changes it; nothing where it can't be made."""
        return self.change(recipe) if recipe.result in self.results else iter(())

    def is_made_in(self, layer: Layer) -> bool:
        """Whether people make it in such a layer: one with several filters or channels, a batch axis, or groups."""
        return {
            "": True,
            "channels": max(layer.filters, layer.channels) > 1,
            "batch": layer.x_lead == 2,
            "groups": layer.groups > 1,
        }[self.needs]

    def words(self, result: Tensor, flip: bool = False) -> tuple[str, str]:
        """What the mistake is, and how to fix it, in one result of a layer with or without flip."""
        if flip and result in self.flipped:
            return self.flipped[result]
        own = {OUT: self.forward, DX: self.of_dx}.get(result)
        return (self.says, self.fix) if own is None else own


_AS_IT_IS = "slide W over dE/dO as it is: it was rotated before it slid over X (flip), and two rotations cancel"
# The likeliest first: where several fit a claim, the first is named, and the others follow after "Or".
CATALOGUE: tuple[Mistake, ...] = (
    Mistake(
        "sign-flipped",
        changes.negative,
        RESULTS,
        "every element has the wrong sign",
        "look for a minus too many: dE/dO is not to be negated",
        code=("return -result", "return result"),
        short="a wrong sign",
        forward=("every element has the wrong sign", "look for a minus too many"),
    ),
    Mistake(
        "zero",
        changes.zero,
        RESULTS,
        "every element is 0",
        "the array is made but never filled: add up the products in it",
        code=("return np.zeros_like(result)", "return result"),
        short="an array that is never filled",
    ),
    Mistake(
        "scaled",
        changes.scaled,
        RESULTS,
        "every element is multiplied by the same factor",
        "take out the factor: the gradient is a plain sum over samples and positions",
        code=("return result / len(x)", "return result"),
        short="a factor",
        forward=(
            "every element is multiplied by the same factor",
            "take out the factor: O is a plain sum over channels and filter elements",
        ),
    ),
    Mistake(
        "filter-not-rotated",
        changes.not_rotated,
        (
            OUT,
            DX,
        ),
        "W is not rotated by 180° in the full convolution",
        "rotate W before it slides over dE/dO: w[..., ::-1, ::-1]",
        code=("rotated = w", "rotated = w[..., ::-1, ::-1]"),
        short="a filter that is not rotated",
        joins=True,
        forward=(
            "W is not rotated by 180°, as true convolution has it",
            "rotate W before it slides over X: w[..., ::-1, ::-1]",
        ),
        flipped={DX: ("W is rotated by 180° in the full convolution", _AS_IT_IS)},
    ),
    Mistake(
        "filter-flipped-one-axis",
        changes.flipped_one_axis,
        (
            OUT,
            DX,
        ),
        "W is flipped along some axes only",
        "flip W along every spatial axis: w[..., ::-1, ::-1]",
        code=("rotated = w[..., ::-1]", "rotated = w[..., ::-1, ::-1]"),
        short="a filter that is flipped along one axis",
        forward=("W is flipped along some axes", "slide W over X as it is; true convolution flips it along every axis"),
        flipped={
            DX: ("W is flipped along some axes", _AS_IT_IS),
            OUT: ("W is flipped along some axes only", "flip W along every spatial axis: w[..., ::-1, ::-1]"),
        },
    ),
    Mistake(
        "filter-transposed",
        changes.turned_by_90,
        (
            OUT,
            DX,
        ),
        "W is transposed or turned by 90° where it is to be rotated by 180°",
        "rotate W by 180°: w[..., ::-1, ::-1], or np.rot90(w, 2, (-2, -1))",
        code=("rotated = w.swapaxes(2, 3)", "rotated = w[..., ::-1, ::-1]"),
        short="a transposed filter",
        forward=(
            "W is transposed or turned by 90°",
            "slide W over X as it is: look for a transpose, or [j][i] for [i][j]",
        ),
        flipped={
            DX: ("W is transposed or turned by 90°", _AS_IT_IS),
            OUT: (
                "W is transposed or turned by 90° where it is to be rotated by 180°",
                "rotate W by 180°: w[..., ::-1, ::-1], or np.rot90(w, 2, (-2, -1))",
            ),
        },
    ),
    Mistake(
        "stride-ignored",
        changes.stride_ignored,
        ARRAYS,
        "the stride is not used",
        "window i begins at stride*i - padding; in a full convolution put stride-1 zeros between the elements of dE/dO",
        code=("place = i + dilation * u - before", "place = stride * i + dilation * u - before"),
        short="a wrong stride",
        joins=True,
        forward=(
            "the stride is not used",
            "window i begins at stride*i - padding, and O has a window for every stride-th position",
        ),
    ),
    Mistake(
        "stride-axes-swapped",
        changes.stride_axes_swapped,
        ARRAYS,
        "a stride is used on the wrong axis",
        "the first stride belongs to the rows, the second to the columns",
        code=("place = stride[::-1] * i + dilation * u - before", "place = stride * i + dilation * u - before"),
        short="strides of swapped axes",
    ),
    Mistake(
        "stride-dilation-swapped",
        changes.stride_dilation_swapped,
        ARRAYS,
        "stride and dilation are swapped",
        "as a convolution over X, dE/dO has dilation = the layer's stride and moves by the layer's dilation",
        code=("place = dilation * i + stride * u - before", "place = stride * i + dilation * u - before"),
        short="stride and dilation swapped",
        forward=(
            "stride and dilation are swapped",
            "window i begins at stride*i, and its element u lies dilation*u behind",
        ),
    ),
    Mistake(
        "stride-gap-wrong",
        changes.gap_wrong,
        ARRAYS,
        "the wrong number of zeros stands between the elements of dE/dO",
        "put stride-1 zeros between neighbours",
        code=("place = (stride + 1) * i + dilation * u - before", "place = stride * i + dilation * u - before"),
        short="a wrong stride",
        forward=("the stride is off by one", "window i begins at stride*i - padding"),
    ),
    Mistake(
        "dilation-ignored",
        changes.dilation_ignored,
        ARRAYS,
        "the dilation is not used",
        "filter element u lies dilation*u behind the beginning of the window",
        code=("place = stride * i + u - before", "place = stride * i + dilation * u - before"),
        short="a wrong dilation",
        joins=True,
    ),
    Mistake(
        "dilation-off-by-one",
        changes.dilation_off_by_one,
        ARRAYS,
        "a wrong dilation is used",
        "dilation 1 is none: dilation d has d-1 zeros between the filter's elements",
        code=("place = stride * i + (dilation + 1) * u - before", "place = stride * i + dilation * u - before"),
        short="a wrong dilation",
    ),
    Mistake(
        "padding-ignored",
        changes.padding_ignored,
        ARRAYS,
        "the gradient is computed as if there were no padding",
        "dX: cut `before` positions from the front of the padded result; dW: use X with its frame of zeros",
        code=("place = stride * i + dilation * u", "place = stride * i + dilation * u - before"),
        short="a wrong padding",
        joins=True,
        forward=(
            "O is computed as if there were no padding",
            "put the frame of zeros around X first, or begin window i at stride*i - padding",
        ),
    ),
    Mistake(
        "padding-wrong-side",
        changes.wrong_side,
        ARRAYS,
        "the frame of zeros is taken off or put on at the wrong side",
        "the padded result begins `before` positions in front of X",
        code=("place = stride * i + dilation * u - after", "place = stride * i + dilation * u - before"),
        short="a wrong padding",
        forward=(
            "the frame of zeros is put on at the wrong side",
            "window i begins at stride*i - padding, with the padding in front",
        ),
    ),
    Mistake(
        "padding-not-cropped",
        changes.not_cropped,
        (DX,),
        "dX still has the padding around it",
        "cut it back: dx[..., before : before + H, before : before + W]",
        code=("return padded", "return padded[(..., *inside)]"),
        short="a wrong padding",
    ),
    Mistake(
        "empty-crop",
        changes.empty_crop,
        (DX,),
        "the crop is empty: dx[p:-p] with p = 0 keeps nothing",
        "cut with dx[p : p + H], which is right for p = 0 too",
        code=("inside = [slice(p, -p) for p in before]", "inside = [slice(p, p + n) for p, n in zip(before, size)]"),
        short="a crop with p = 0",
    ),
    Mistake(
        "leftover-dropped",
        changes.leftover_dropped,
        (DX,),
        "the rows that the stride leaves over are missing",
        "make dX in X's shape: the last rows that no window reaches are 0",
        code=("padded = covered", "padded = np.pad(covered, behind)"),
        short="rows left over by the stride",
    ),
    Mistake(
        "leftover-misplaced",
        changes.leftover_misplaced,
        (DX,),
        "the rows that the stride leaves over stand at the wrong end",
        "the zeros belong behind the last window, not in front of the first",
        code=("padded = np.pad(covered, in_front)", "padded = np.pad(covered, behind)"),
        short="rows left over by the stride",
    ),
    Mistake(
        "leftover-counted",
        changes.leftover_counted,
        (DW,),
        "positions that the stride leaves over take part in dW",
        "cut X where the last window ends before you convolve it with dE/dO",
        code=("used = framed", "used = framed[(..., *reached)]"),
        short="rows left over by the stride",
    ),
    Mistake(
        "wrong-operand",
        changes.wrong_operand,
        RESULTS,
        "another array stands where dE/dO or W belongs",
        "dE/dW takes X and dE/dO, dE/dX takes dE/dO and W: look at the order of the arguments",
        code=("product = o[n, f][i] * kernel[f, c][u]", "product = dedo[n, f][i] * kernel[f, c][u]"),
        short="a wrong operand",
        forward=("another array stands where O belongs", "look at the order of the arguments, and at what is returned"),
    ),
    Mistake(
        "operand-rotated",
        changes.operand_rotated,
        (
            OUT,
            DW,
        ),
        "an operand of the convolution is rotated",
        "slide dE/dO over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
        code=("moving = dedo[..., ::-1, ::-1]", "moving = dedo"),
        short="a rotated operand",
        forward=(
            "W is rotated by 180°",
            "slide W over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
        ),
    ),
    Mistake(
        "result-rotated",
        changes.result_rotated,
        ARRAYS,
        "the result is rotated",
        "give it back as it comes out: nothing is to be flipped at the end",
        code=("return result[..., ::-1, ::-1]", "return result"),
        short="a rotated result",
        flipped={
            DW: (
                "the result is not rotated by 180° as W was, or along other axes",
                "rotate it at the end: dw[..., ::-1, ::-1]",
            )
        },
    ),
    Mistake(
        "axes-swapped",
        changes.axes_swapped,
        ARRAYS,
        "height and width are swapped",
        "rows first, then columns: look for a transpose, or (w, h) for (h, w)",
        code=("return result.swapaxes(2, 3)", "return result"),
        short="rows and columns swapped",
    ),
    Mistake(
        "groups-mixed",
        changes.groups_mixed,
        ARRAYS,
        "filters and channels of different groups are mixed",
        "filter f belongs to group f // (F/g), which reads the channels from group*(C/g) on",
        code=("channel = f % groups * channels + c", "channel = f // per_group * channels + c"),
        short="mixed groups",
        needs="groups",
    ),
    Mistake(
        "channels-swapped",
        changes.channels_swapped,
        RESULTS,
        "channels or filters are in another order",
        "keep the order (sample, channel, ...) and (filter, channel, ...)",
        code=("return result[:, ::-1]", "return result"),
        short="filters or channels in another order",
        needs="channels",
    ),
    Mistake(
        "border-not-zero",
        changes.border_not_zero,
        ARRAYS,
        "the padding is not zeros",
        "pad with zeros: np.pad(x, pads), and drop what belongs to the frame of dE/dX",
        code=('framed = np.pad(x, pads, mode="edge")', "framed = np.pad(x, pads)"),
        short="a padding that is not zeros",
    ),
    Mistake(
        "last-batch-only",
        changes.last_sample,
        RESULTS,
        "only the last sample counts",
        "add up over the batch: += in the loop over samples",
        code=("return each[-1]", "return each.sum(axis=0)"),
        short="a part of the batch alone",
        joins=True,
        needs="batch",
        forward=("only the last sample is computed", "loop over all samples, and keep the O of each"),
        of_dx=("only the last sample is computed", "loop over all samples, and keep the dX of each"),
    ),
    Mistake(
        "first-batch-only",
        changes.first_sample,
        RESULTS,
        "the first sample alone is read",
        "add up over the whole batch, not x[0]",
        code=("return each[0]", "return each.sum(axis=0)"),
        short="a part of the batch alone",
        joins=True,
        needs="batch",
        forward=("only the first sample is computed", "loop over all samples, not x[0] alone"),
        of_dx=("only the first sample is computed", "loop over all samples, and keep the dX of each"),
    ),
    Mistake(
        "overwritten",
        changes.overwritten,
        RESULTS,
        "values are overwritten where they are to be added up (= for +=)",
        "begin with zeros and use += for every window",
        code=("result[n, channel, *place] = product", "result[n, channel, *place] += product"),
        short="= for +=",
        forward=(
            "values are overwritten where they are to be added up (= for +=)",
            "begin with zeros and use += for every channel and filter element",
        ),
    ),
    Mistake(
        "batch-not-summed",
        changes.not_summed,
        (
            DW,
            DB,
        ),
        "the samples are not added up",
        "sum over the batch axis: all samples share W and b",
        code=("return each", "return each.sum(axis=0)"),
        short="a batch that is not added up",
        needs="batch",
    ),
    Mistake(
        "incomplete",
        changes.incomplete,
        RESULTS,
        "something is left out",
        "look at where the loop begins and ends, and at the sizes of the arrays that it fills",
        code=("for c in range(channels - 1):", "for c in range(channels):"),
        short="a missing part",
    ),
    Mistake(
        "shifted",
        changes.shifted,
        ARRAYS,
        "every element stands at another position",
        "count the positions from where X begins, behind its padding",
        code=("return np.insert(result, 0, 0, axis=2)[:, :, :-1]", "return result"),
        short="a shift by whole positions",
    ),
    Mistake(
        "other-layout",
        changes.other_layout,
        ARRAYS,
        "the numbers are right but in another order or shape",
        "bring the axes into the layout of the array that the gradient belongs to",
        code=("return result.transpose(0, 2, 3, 1)", "return result"),
        short="another order of axes",
    ),
    Mistake(
        "operand-layout",
        changes.operand_layout,
        ARRAYS,
        "an operand is read in another order than it lies in",
        "look at how the array was saved, and transpose it before it is used",
        code=("w = memory.reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)", "w = memory.reshape(shape)"),
        short="an operand read in another order",
        needs="channels",
    ),
    Mistake(
        "db-wrong-axes",
        changes.db_wrong_axes,
        (DB,),
        "dE/dO is summed over the wrong axes",
        "sum over the batch and all spatial axes: dedo.sum(axis=(0, 2, 3))",
        code=("return dedo.sum(axis=(0, 1, 2))", "return dedo.sum(axis=(0, 2, 3))"),
        short="sums over the wrong axes",
    ),
)
# Where the mistake of an id stands in the catalogue.
PLACES = {mistake.id: place for place, mistake in enumerate(CATALOGUE)}
