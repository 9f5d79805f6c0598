"""Mistakes in the choice of arrays: W or O where dE/dO belongs, and the like."""

from cnngrad.gradcheck.mistakes.mistake import Change, Changes, Mistake, in_all
from cnngrad.gradcheck.recipe import Read, Recipe
from cnngrad.tensor import Tensor

__all__ = ["MISTAKES"]

_O, _W, _X, _DEDO = Read(Tensor.O), Read(Tensor.W), Read(Tensor.X), Read(Tensor.DEDO)


def wrong_operand(recipe: Recipe) -> Changes:
    """Another array stands where dE/dO or W belongs, or is handed in as the result."""
    shape, result = recipe.layer.canonical, recipe.result
    like_w, like_x = (shape[tensor] == shape[Tensor.DEDO] for tensor in (Tensor.W, Tensor.X))
    if result is not Tensor.O:
        yield Change(recipe.but(dedo=_O), "O is used in place of dE/dO", coded=result is Tensor.DX)
    if result is Tensor.DX:
        if like_x:
            yield Change(recipe.but(dedo=_X), "X is used in place of dE/dO")
        if like_w:
            yield Change(recipe.but(dedo=_W), "W is used in place of dE/dO")
            yield Change(recipe.but(w=_DEDO), "dE/dO is used in place of W")
            yield Change(recipe.but(w=_DEDO, dedo=_W), "W and dE/dO are swapped")
    if result is Tensor.DW:
        if like_w:
            yield Change(recipe.but(dedo=_W), "W is used in place of dE/dO")
        if like_x:
            yield Change(recipe.but(dedo=_X), "X is used in place of dE/dO")
    handed = {Tensor.DW: (Tensor.O, Tensor.W), Tensor.DX: (Tensor.X,), Tensor.O: (Tensor.X, Tensor.W)}
    for tensor in handed.get(result, ()):
        # W is like its gradient whatever the layer, and so is X.
        if shape[tensor] == shape[result]:
            yield Change(recipe.but(instead=tensor), f"it is {tensor.key}")


MISTAKES = (
    Mistake(
        "wrong-operand",
        "another array stands where dE/dO or W belongs",
        "dE/dW takes X and dE/dO, dE/dX takes dE/dO and W: look at the order of the arguments",
        in_all(wrong_operand),
        code=("product = o[n, f][i] * kernel[f, c][u]", "product = dedo[n, f][i] * kernel[f, c][u]"),
        short="a wrong operand",
        forward=("another array stands where O belongs", "look at the order of the arguments, and at what is returned"),
    ),
)
