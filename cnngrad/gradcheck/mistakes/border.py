"""Mistakes in what the padding holds: X's nearest, opposite or mirrored elements in place of zeros."""

from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_arrays
from cnngrad.gradcheck.recipe import Recipe
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]

_MODES = {
    "edge": "the nearest element",
    "wrap": "the opposite side",
    "reflect": "the mirror image",
    "symmetric": "the mirror image with the edge",
}


def border_not_zero(recipe: Recipe) -> Changes:
    """X's frame is filled with elements of X; what belongs to it in dE/dX is added to those."""
    if any(axis.before or axis.after for axis in recipe.layer.axes):
        for mode, words in _MODES.items():
            yield Change(
                recipe.but(border=mode),
                f"the padding holds {words}",
                coded=mode == "edge" and recipe.result is Tensor.DW,
            )


MISTAKES = (
    Mistake(
        "border-not-zero",
        "the padding is not zeros",
        "pad with zeros: np.pad(x, pads), and drop what belongs to the frame of dE/dX",
        in_arrays(border_not_zero),
        code=('framed = np.pad(x, pads, mode="edge")', "framed = np.pad(x, pads)"),
        short="a padding that is not zeros",
    ),
)
