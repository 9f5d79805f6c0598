"""Mistakes in where numbers stand: shifted by whole positions, or in another order of axes or of memory."""

from collections.abc import Iterator
from itertools import permutations, product
from math import prod

import numpy as np

from cnngrad.gradcheck.edits import Edit, moved, reshaped, transposed
from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_arrays
from cnngrad.gradcheck.recipe import Recipe
from cnngrad.layer import Shape
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]

_NAMES = {Tensor.O: "NCDHW", Tensor.DX: "NCDHW", Tensor.DW: "OIDHW"}


def shifted(recipe: Recipe) -> Changes:
    """The right gradient moved by one or two positions, zeros moving in."""
    sizes = recipe.layer.canonical[recipe.result][2:]
    for shift in product((0, 1, -1, 2, -2), repeat=recipe.layer.dims):
        if any(shift) and all(abs(s) < n for s, n in zip(shift, sizes, strict=True)):
            yield Change(
                recipe.then(moved(shift)), f"by {','.join(f'{s:+d}' for s in shift)} positions", shift == (1, 0)
            )


def other_layout(recipe: Recipe) -> Changes:
    """The right numbers with their axes in another order, as they are or squeezed into the right shape; or flat."""
    shape, dims = recipe.layer.canonical[recipe.result], recipe.layer.dims
    letters = _NAMES[recipe.result][:2] + _NAMES[recipe.result][5 - dims :]
    for order in permutations(range(len(shape))):
        if order != tuple(range(len(shape))):
            name, turned = "".join(letters[k] for k in order), recipe.then(transposed(*order))
            back = ", ".join(str(k) for k in np.argsort(order))
            yield Change(
                turned.but(bare=True), f"they lie as {name}: transpose({back}) brings them back", order == (0, 2, 3, 1)
            )
            yield Change(turned.then(reshaped(*shape)), f"the memory is {name}, read as if it were {letters}")
    matrix = reshaped(shape[0], prod(shape[1:]))
    yield Change(recipe.then(reshaped(prod(shape)), bare=True), "they are flat")
    yield Change(recipe.then(matrix, bare=True), "they are a matrix of a row for each filter, as im2col's")
    yield Change(recipe.then(matrix, transposed(1, 0), bare=True), "they are im2col's matrix, transposed")


def operand_layout(recipe: Recipe) -> Changes:
    """X, W or dE/dO read in another order of axes than it lies in."""
    for tensor, apart in ((Tensor.DEDO, Tensor.O), (Tensor.X, Tensor.DX), (Tensor.W, Tensor.DW)):
        if recipe.result is not apart:
            name = "dE/dO" if tensor is Tensor.DEDO else tensor.key
            for edits, words in _read_otherwise(recipe.layer.canonical[tensor]):
                swapped = tensor is Tensor.W and words.endswith("with its first two axes swapped")
                yield Change(recipe.reading(tensor, *edits), f"{name} {words}", coded=swapped)


def _read_otherwise(shape: Shape) -> Iterator[tuple[list[Edit], str]]:
    """An array whose memory is taken for channels last, or that lies channels last and is taken for channels first."""
    first, second, *spatial = shape
    axes = range(2, len(shape))
    if second * prod(spatial) > max(second, prod(spatial)):
        last = [reshaped(first, *spatial, second), transposed(0, len(shape) - 1, *range(1, len(shape) - 1))]
        yield last, "is read with its channels last"
        yield [transposed(0, *axes, 1), reshaped(*shape)], "lies with its channels last, and is read as if first"
    if first * second > max(first, second):
        swapped = [reshaped(second, first, *spatial), transposed(1, 0, *axes)]
        yield swapped, "is read with its first two axes swapped"
    if len(spatial) == 2 and min(spatial) > 1:
        turned = [reshaped(first, second, *spatial[::-1]), transposed(0, 1, 3, 2)]
        yield turned, "is read with rows and columns swapped"


MISTAKES = (
    Mistake(
        "shifted",
        "every element stands at another position",
        "count the positions from where X begins, behind its padding",
        in_arrays(shifted),
        code=("return np.insert(result, 0, 0, axis=2)[:, :, :-1]", "return result"),
        short="a shift by whole positions",
    ),
    Mistake(
        "other-layout",
        "the numbers are right but in another order or shape",
        "bring the axes into the layout of the array that the gradient belongs to",
        in_arrays(other_layout),
        code=("return result.transpose(0, 2, 3, 1)", "return result"),
        short="another order of axes",
    ),
    Mistake(
        "operand-layout",
        "an operand is read in another order than it lies in",
        "look at how the array was saved, and transpose it before it is used",
        in_arrays(operand_layout),
        code=("w = memory.reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)", "w = memory.reshape(shape)"),
        short="an operand read in another order",
        needs="channels",
    ),
)
