"""The catalogue of mistakes that people make in backward passes, with functions that compute the wrong gradients.

An entry's functions yield the arrays that the mistake leads to, for the layer and data at hand. `diagnosis` finds out
whether a claimed gradient is one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cnngrad.gradcheck.mistakes import adding, border, layout, missing, operands, order, steps
from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses
from cnngrad.tensor import Tensor

__all__ = ["CATALOGUE", "PLACES", "Data", "Guess", "Mistake"]


@dataclass(frozen=True)
class Mistake:
    """A known mistake.

    Attributes:
        id: its name in `--json`.
        says: what it is, as a sentence.
        fix: how to fix it, as a sentence.
        guesses: for each result in which it can be made, the wrong arrays that it leads to.
        forward: what it is and how to fix it, where it is made in O; None where the same words say it.
    """

    id: str
    says: str
    fix: str
    guesses: dict[Tensor, Callable[[Data], Guesses]]
    forward: tuple[str, str] | None = None

    def words(self, result: Tensor) -> tuple[str, str]:
        """What the mistake is, and how to fix it, in one result."""
        return self.forward if result is Tensor.O and self.forward is not None else (self.says, self.fix)


# The results that have spatial axes.
_ARRAYS = (Tensor.DW, Tensor.DX, Tensor.O)

# The likeliest first: where several fit a claim, the first is named, and the others follow after "Or".
CATALOGUE: tuple[Mistake, ...] = (
    Mistake(
        "sign-flipped",
        "every element has the wrong sign",
        "look for a minus too many: dE/dO is not to be negated",
        adding.in_all(adding.negative),
        forward=(
            "every element has the wrong sign",
            "look for a minus too many",
        ),
    ),
    Mistake(
        "zero",
        "every element is 0",
        "the array is made but never filled: add up the products in it",
        adding.in_all(adding.zero),
    ),
    Mistake(
        "scaled",
        "every element is multiplied by the same factor",
        "take out the factor: the gradient is a plain sum over samples and positions",
        adding.in_all(adding.scaled),
        forward=(
            "every element is multiplied by the same factor",
            "take out the factor: O is a plain sum over channels and filter elements",
        ),
    ),
    Mistake(
        "filter-not-rotated",
        "W is not rotated by 180° in the full convolution",
        "rotate W before it slides over dE/dO: w[..., ::-1, ::-1]",
        {result: order.not_rotated(result) for result in (Tensor.O, Tensor.DX)},
        forward=(
            "W is not rotated by 180°, as true convolution has it",
            "rotate W before it slides over X: w[..., ::-1, ::-1]",
        ),
    ),
    Mistake(
        "filter-flipped-one-axis",
        "W is flipped along some axes only",
        "flip W along every spatial axis: w[..., ::-1, ::-1]",
        {result: order.flipped_one_axis(result) for result in (Tensor.O, Tensor.DX)},
        forward=(
            "W is flipped along some axes",
            "slide W over X as it is; true convolution flips it along every axis",
        ),
    ),
    Mistake(
        "filter-transposed",
        "W is transposed or turned by 90° where it is to be rotated by 180°",
        "rotate W by 180°: w[..., ::-1, ::-1], or np.rot90(w, 2, (-2, -1))",
        {result: order.transposed(result) for result in (Tensor.O, Tensor.DX)},
        forward=(
            "W is transposed or turned by 90°",
            "slide W over X as it is: look for a transpose, or [j][i] for [i][j]",
        ),
    ),
    Mistake(
        "stride-ignored",
        "the stride is not used",
        "window i begins at stride*i - padding; in a full convolution put stride-1 zeros between the elements of dE/dO",
        steps.in_steps(steps.stride_ignored),
        forward=(
            "the stride is not used",
            "window i begins at stride*i - padding, and O has a window for every stride-th position",
        ),
    ),
    Mistake(
        "stride-axes-swapped",
        "the strides of the axes are swapped",
        "the first stride belongs to the rows, the second to the columns",
        steps.in_steps(steps.stride_axes_swapped),
    ),
    Mistake(
        "stride-dilation-swapped",
        "stride and dilation are swapped",
        "as a convolution over X, dE/dO has dilation = the layer's stride and moves by the layer's dilation",
        steps.in_steps(steps.stride_dilation_swapped),
        forward=(
            "stride and dilation are swapped",
            "window i begins at stride*i, and its element u lies dilation*u behind",
        ),
    ),
    Mistake(
        "stride-gap-wrong",
        "the wrong number of zeros stands between the elements of dE/dO",
        "put stride-1 zeros between neighbours",
        steps.in_steps(steps.gap_wrong),
        forward=(
            "the stride is off by one",
            "window i begins at stride*i - padding",
        ),
    ),
    Mistake(
        "dilation-ignored",
        "the dilation is not used",
        "filter element u lies dilation*u behind the beginning of the window",
        steps.in_steps(steps.dilation_ignored),
    ),
    Mistake(
        "dilation-off-by-one",
        "the dilation is off by one",
        "dilation 1 is none: dilation d has d-1 zeros between the filter's elements",
        steps.in_steps(steps.dilation_off_by_one),
    ),
    Mistake(
        "padding-ignored",
        "the gradient is computed as if there were no padding",
        "dX: cut `before` positions from the front of the padded result; dW: use X with its frame of zeros",
        {
            Tensor.DX: steps.padding_ignored_x,
            Tensor.DW: steps.padding_ignored_w,
            Tensor.O: steps.padding_ignored_o,
        },
        forward=(
            "O is computed as if there were no padding",
            "put the frame of zeros around X first, or begin window i at stride*i - padding",
        ),
    ),
    Mistake(
        "padding-wrong-side",
        "the frame of zeros is taken off or put on at the wrong side",
        "the padded result begins `before` positions in front of X",
        {Tensor.DX: steps.wrong_side_x, Tensor.DW: steps.wrong_side_w, Tensor.O: steps.wrong_side_o},
        forward=(
            "the frame of zeros is put on at the wrong side",
            "window i begins at stride*i - padding, with the padding in front",
        ),
    ),
    Mistake(
        "padding-not-cropped",
        "dX still has the padding around it",
        "cut it back: dx[..., before : before + H, before : before + W]",
        {Tensor.DX: steps.not_cropped},
    ),
    Mistake(
        "empty-crop",
        "the crop is empty: dx[p:-p] with p = 0 keeps nothing",
        "cut with dx[p : p + H], which is right for p = 0 too",
        {Tensor.DX: steps.empty_crop},
    ),
    Mistake(
        "leftover-dropped",
        "the rows that the stride leaves over are missing",
        "make dX in X's shape: the last rows that no window reaches are 0",
        {Tensor.DX: steps.leftover_dropped},
    ),
    Mistake(
        "leftover-misplaced",
        "the rows that the stride leaves over stand at the wrong end",
        "the zeros belong behind the last window, not in front of the first",
        {Tensor.DX: steps.leftover_misplaced},
    ),
    Mistake(
        "leftover-counted",
        "positions that the stride leaves over take part in dW",
        "cut X where the last window ends before you convolve it with dE/dO",
        {Tensor.DW: steps.leftover_counted},
    ),
    Mistake(
        "wrong-operand",
        "another array stands where dE/dO or W belongs",
        "dE/dW takes X and dE/dO, dE/dX takes dE/dO and W: look at the order of the arguments",
        {
            Tensor.O: operands.wrong_operand_o,
            Tensor.DW: operands.wrong_operand_w,
            Tensor.DX: operands.wrong_operand_x,
            Tensor.DB: operands.wrong_operand_b,
        },
        forward=(
            "another array stands where O belongs",
            "look at the order of the arguments, and at what is returned",
        ),
    ),
    Mistake(
        "operand-rotated",
        "an operand of the convolution is rotated",
        "slide dE/dO over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
        {Tensor.DW: order.operand_rotated, Tensor.O: order.filter_rotated},
        forward=(
            "W is rotated by 180°",
            "slide W over X as it is: scipy.signal.correlate2d, not convolve2d, which rotates",
        ),
    ),
    Mistake(
        "result-rotated",
        "the result is rotated",
        "give it back as it comes out: nothing is to be flipped at the end",
        {result: order.result_rotated(result) for result in _ARRAYS},
    ),
    Mistake(
        "axes-swapped",
        "height and width are swapped",
        "rows first, then columns: look for a transpose, or (w, h) for (h, w)",
        {result: order.axes_swapped(result) for result in _ARRAYS},
    ),
    Mistake(
        "groups-mixed",
        "filters and channels of different groups are mixed",
        "filter f belongs to group f // (F/g), which reads the channels from group*(C/g) on",
        {Tensor.DX: order.groups_mixed_x, Tensor.DW: order.groups_mixed_w, Tensor.O: order.groups_mixed_o},
    ),
    Mistake(
        "channels-swapped",
        "channels or filters are in another order",
        "keep the order (sample, channel, ...) and (filter, channel, ...)",
        {
            Tensor.DX: order.channels_swapped_x,
            Tensor.DW: order.channels_swapped_w,
            Tensor.DB: order.permuted((0,), Tensor.DB),
            Tensor.O: order.channels_swapped_o,
        },
    ),
    Mistake(
        "border-not-zero",
        "the padding is not zeros",
        "pad with zeros: np.pad(x, pads), and drop what belongs to the frame of dE/dX",
        {
            Tensor.DW: border.border_not_zero_w,
            Tensor.DX: border.border_not_zero_x,
            Tensor.O: border.border_not_zero_o,
        },
    ),
    Mistake(
        "last-batch-only",
        "only the last sample counts",
        "add up over the batch: += in the loop over samples",
        adding.in_all(partial(adding.one_sample, -1)),
        forward=(
            "only the last sample is computed",
            "loop over all samples, and keep the O of each",
        ),
    ),
    Mistake(
        "first-batch-only",
        "only the first sample counts",
        "add up over the whole batch, not x[0]",
        adding.in_all(partial(adding.one_sample, 0)),
        forward=(
            "only the first sample is computed",
            "loop over all samples, not x[0] alone",
        ),
    ),
    Mistake(
        "overwritten",
        "values are overwritten where they are to be added up (= for +=)",
        "begin with zeros and use += for every window",
        {
            Tensor.DX: adding.overwritten_x,
            Tensor.DW: adding.overwritten_w,
            Tensor.DB: adding.overwritten_b,
            Tensor.O: adding.overwritten_o,
        },
        forward=(
            "values are overwritten where they are to be added up (= for +=)",
            "begin with zeros and use += for every channel and filter element",
        ),
    ),
    Mistake(
        "batch-not-summed",
        "the samples are not added up",
        "sum over the batch axis: all samples share W and b",
        {Tensor.DW: adding.not_summed_w, Tensor.DB: adding.not_summed_b},
    ),
    Mistake(
        "incomplete",
        "something is left out",
        "look at where the loop begins and ends, and at the sizes of the arrays that it fills",
        adding.in_all(missing.incomplete),
    ),
    Mistake(
        "shifted",
        "every element stands at another position",
        "count the positions from where X begins, behind its padding",
        {result: layout.shifted(result) for result in _ARRAYS},
    ),
    Mistake(
        "other-layout",
        "the numbers are right but in another order",
        "bring the axes into the layout of the array that the gradient belongs to",
        {result: layout.other_layout(result) for result in _ARRAYS},
    ),
    Mistake(
        "operand-layout",
        "an operand is read in another order than it lies in",
        "look at how the array was saved, and transpose it before it is used",
        {result: layout.operand_layout(result) for result in _ARRAYS},
    ),
    Mistake(
        "db-wrong-axes",
        "dE/dO is summed over the wrong axes",
        "sum over the batch and all spatial axes: dedo.sum(axis=(0, 2, 3))",
        {Tensor.DB: adding.db_wrong_axes},
    ),
)

# Where the mistake of an id stands in the catalogue.
PLACES = {mistake.id: place for place, mistake in enumerate(CATALOGUE)}
