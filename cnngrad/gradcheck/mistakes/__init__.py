"""The catalogue of mistakes that people make in backward passes: what each changes in the right recipe.

`diagnosis` finds out whether a claimed gradient is what a changed recipe gives. To add a mistake, write its entry into
the file of its kind, and its id here.
"""

from cnngrad.gradcheck.mistakes import adding, border, layout, missing, operands, order, steps
from cnngrad.gradcheck.mistakes.mistake import Change, Mistake

__all__ = ["CATALOGUE", "PLACES", "Change", "Mistake"]

_BY_ID = {
    mistake.id: mistake
    for kind in (adding, border, layout, missing, operands, order, steps)
    for mistake in kind.MISTAKES
}
# The likeliest first: where several fit a claim, the first is named, and the others follow after "Or".
_IDS = (
    "sign-flipped",
    "zero",
    "scaled",
    "filter-not-rotated",
    "filter-flipped-one-axis",
    "filter-transposed",
    "stride-ignored",
    "stride-axes-swapped",
    "stride-dilation-swapped",
    "stride-gap-wrong",
    "dilation-ignored",
    "dilation-off-by-one",
    "padding-ignored",
    "padding-wrong-side",
    "padding-not-cropped",
    "empty-crop",
    "leftover-dropped",
    "leftover-misplaced",
    "leftover-counted",
    "wrong-operand",
    "operand-rotated",
    "result-rotated",
    "axes-swapped",
    "groups-mixed",
    "channels-swapped",
    "border-not-zero",
    "last-batch-only",
    "first-batch-only",
    "overwritten",
    "batch-not-summed",
    "incomplete",
    "shifted",
    "other-layout",
    "operand-layout",
    "db-wrong-axes",
)
CATALOGUE: tuple[Mistake, ...] = tuple(map(_BY_ID.pop, _IDS))
assert not _BY_ID, "an entry without its id in the list"
# Where the mistake of an id stands in the catalogue.
PLACES = {mistake.id: place for place, mistake in enumerate(CATALOGUE)}
