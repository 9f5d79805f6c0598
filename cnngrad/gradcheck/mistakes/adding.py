"""Mistakes in adding up: overwritten values, the batch, factors and signs, the axes of dE/db."""

from collections.abc import Iterable
from functools import partial
from itertools import chain, combinations

from cnngrad.gradcheck.edits import Edit, cut, only, picked, reshaped, taken
from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_all
from cnngrad.gradcheck.recipe import Collect, Recipe
from cnngrad.layer import Shape
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]


def scaled(recipe: Recipe) -> Changes:
    """Twice the right gradient, as a sample of this mistake; diagnosis finds any factor."""
    yield Change(recipe.but(factor=2 * recipe.factor), "by 2")


def negative(recipe: Recipe) -> Changes:
    """The right gradient with the wrong sign."""
    yield Change(recipe.but(factor=-recipe.factor), coded=True)


def zero(recipe: Recipe) -> Changes:
    """A gradient that was never filled in."""
    yield Change(recipe.but(factor=0), coded=True)


def overwritten(recipe: Recipe) -> Changes:
    """Only the last of the products that belong to an element is kept: = for +=."""
    yield from {
        Tensor.DX: _overwritten_x, Tensor.DW: _overwritten_w, Tensor.DB: _overwritten_b, Tensor.O: _overwritten_o
    }[recipe.result](recipe)  # fmt: skip


def _overwritten_x(recipe: Recipe) -> Changes:
    """Windows that overwrite each other."""
    each = recipe.layer.group_filters
    yield Change(recipe.but(collect=Collect.LAST_WINDOW), Collect.LAST_WINDOW.value, coded=each == 1)
    yield Change(recipe.but(collect=Collect.LAST_TAP), Collect.LAST_TAP.value)
    if each > 1:
        last = recipe.reading(Tensor.DEDO, only(1, each - 1, None, each))
        yield Change(last.but(collect=Collect.LAST_WINDOW), "the last window of the last filter wins", coded=True)
        yield Change(last, "the last filter wins")
        yield Change(last.but(collect=Collect.LAST_TAP), "the last filter element of it wins")


def _corner(recipe: Recipe, sizes: Iterable[int]) -> list[Edit]:
    """The last position of every spatial axis alone."""
    return [only(axis, size - 1, size) for axis, size in zip(recipe.spatial, sizes, strict=True)]


def _overwritten_o(recipe: Recipe) -> Changes:
    """A loop over channels or filter elements."""
    corner, channels = _corner(recipe, recipe.layer.kernel), recipe.layer.group_channels
    yield Change(recipe.reading(Tensor.W, *corner), "the last filter element wins")
    if channels > 1:
        last = only(1, channels - 1, None)
        yield Change(recipe.reading(Tensor.W, last), "the last channel wins")
        yield Change(recipe.reading(Tensor.W, *corner, last), "the last filter element of the last channel wins")


def _overwritten_w(recipe: Recipe) -> Changes:
    """A loop over positions, or over samples."""
    corner = recipe.reading(Tensor.DEDO, *_corner(recipe, recipe.layer.out))
    yield Change(corner, "the last position wins")
    if recipe.layer.batch > 1:
        yield Change(_of_sample(corner, -1), "the last position of the last sample wins")
        yield Change(_of_sample(recipe, -1), "the last sample wins")


def _of_sample(recipe: Recipe, n: int) -> Recipe:
    """A sum over the first sample (0), or the last (-1), alone."""
    sample = cut(0, n, None if n else 1)
    return recipe.reading(Tensor.X, sample).reading(Tensor.DEDO, sample)


def _overwritten_b(recipe: Recipe) -> Changes:
    """A loop over elements, or over samples."""
    sample = recipe.reading(Tensor.DEDO, cut(0, -1, None))
    yield Change(sample.reading(Tensor.DEDO, *_corner(recipe, recipe.layer.out)), "the last element wins")
    if recipe.layer.batch > 1:
        yield Change(sample, "the last sample wins")


def one_sample(n: int, recipe: Recipe) -> Changes:
    """Only sample n (0 for the first, -1 for the last) counts."""
    batch = recipe.layer.batch
    if batch == 1:
        return
    if recipe.result in (Tensor.DW, Tensor.DB):
        yield Change(_of_sample(recipe, n), coded=True)
        if recipe.result is Tensor.DW and n == 0:
            # A pointer that does not move on with the sample.
            for tensor, name in ((Tensor.X, "X"), (Tensor.DEDO, "dE/dO")):
                yield Change(
                    recipe.reading(tensor, taken(0, [0] * batch)), f"{name} is that of the first for all of them"
                )
        return
    yield Change(recipe.then(only(0, n % batch, n % batch + 1)), "the others are 0")
    yield Change(recipe.then(taken(0, [n % batch] * batch)), "for all of them")
    yield Change(recipe.then(picked(0, n), bare=True), "without its batch axis")


def not_summed(recipe: Recipe) -> Changes:
    """A gradient per sample: the batch axis is still there."""
    if recipe.layer.x_lead == 2:
        yield Change(recipe.but(over=tuple(axis for axis in recipe.over if axis), bare=True), coded=True)


def db_wrong_axes(recipe: Recipe) -> Changes:
    """Sums of dE/dO over any other axes, in the shape that they give."""
    shape: Shape = recipe.layer.canonical[Tensor.DEDO]
    every = range(len(shape))
    for axes in chain.from_iterable(combinations(every, count) for count in range(len(shape) + 1)):
        if axes != recipe.over:
            present = [axis for axis in every if axis not in axes and axis >= 2 - recipe.layer.lead[Tensor.O]]
            kept = reshaped(*(shape[axis] for axis in present))
            shown = ", ".join(str(axis) for axis in axes) or "none"
            yield Change(
                recipe.but(over=axes).then(kept, bare=True),
                f"summed over axes {shown}",
                coded=axes == (0, 1, 2) and len(shape) == 4,
            )


MISTAKES = (
    Mistake(
        "sign-flipped",
        "every element has the wrong sign",
        "look for a minus too many: dE/dO is not to be negated",
        in_all(negative),
        code=("return -result", "return result"),
        short="a wrong sign",
        forward=("every element has the wrong sign", "look for a minus too many"),
    ),
    Mistake(
        "zero",
        "every element is 0",
        "the array is made but never filled: add up the products in it",
        in_all(zero),
        code=("return np.zeros_like(result)", "return result"),
        short="an array that is never filled",
    ),
    Mistake(
        "scaled",
        "every element is multiplied by the same factor",
        "take out the factor: the gradient is a plain sum over samples and positions",
        in_all(scaled),
        code=("return result / len(x)", "return result"),
        short="a factor",
        forward=(
            "every element is multiplied by the same factor",
            "take out the factor: O is a plain sum over channels and filter elements",
        ),
    ),
    Mistake(
        "last-batch-only",
        "only the last sample counts",
        "add up over the batch: += in the loop over samples",
        in_all(partial(one_sample, -1)),
        code=("return each[-1]", "return each.sum(axis=0)"),
        short="a part of the batch alone",
        needs="batch",
        forward=("only the last sample is computed", "loop over all samples, and keep the O of each"),
    ),
    Mistake(
        "first-batch-only",
        "the first sample alone is read",
        "add up over the whole batch, not x[0]",
        in_all(partial(one_sample, 0)),
        code=("return each[0]", "return each.sum(axis=0)"),
        short="a part of the batch alone",
        needs="batch",
        forward=("only the first sample is computed", "loop over all samples, not x[0] alone"),
    ),
    Mistake(
        "overwritten",
        "values are overwritten where they are to be added up (= for +=)",
        "begin with zeros and use += for every window",
        in_all(overwritten),
        code=("result[n, channel, *place] = product", "result[n, channel, *place] += product"),
        short="= for +=",
        forward=(
            "values are overwritten where they are to be added up (= for +=)",
            "begin with zeros and use += for every channel and filter element",
        ),
    ),
    Mistake(
        "batch-not-summed",
        "the samples are not added up",
        "sum over the batch axis: all samples share W and b",
        {result: not_summed for result in (Tensor.DW, Tensor.DB)},
        code=("return each", "return each.sum(axis=0)"),
        short="a batch that is not added up",
        needs="batch",
    ),
    Mistake(
        "db-wrong-axes",
        "dE/dO is summed over the wrong axes",
        "sum over the batch and all spatial axes: dedo.sum(axis=(0, 2, 3))",
        {Tensor.DB: db_wrong_axes},
        code=("return dedo.sum(axis=(0, 1, 2))", "return dedo.sum(axis=(0, 2, 3))"),
        short="sums over the wrong axes",
    ),
)
