"""Mistakes in the choice of arrays: W or O where dE/dO belongs, and the like."""

from cnngrad.gradcheck.mistakes.sums import Data, Guess, Guesses
from cnngrad.tensor import Tensor

__all__ = ["wrong_operand_b", "wrong_operand_o", "wrong_operand_w", "wrong_operand_x"]


def wrong_operand_w(data: Data) -> Guesses:
    """Another array stands where dE/dO belongs in dE/dW = Conv(X, dE/dO), or O is handed in as the result."""
    yield Guess(data.gather(dedo=data.output), "O is used in place of dE/dO")
    if data.w.shape == data.dedo.shape:
        yield Guess(data.gather(dedo=data.w), "W is used in place of dE/dO")
    if data.x.shape == data.dedo.shape:
        yield Guess(data.gather(dedo=data.x), "X is used in place of dE/dO")
    if data.output.shape == data.right[Tensor.DW].shape:
        yield Guess(data.output, "it is O")
    yield Guess(data.w, "it is W")


def wrong_operand_o(data: Data) -> Guesses:
    """X or W is handed in as O."""
    shape = data.right[Tensor.O].shape
    for array, name in ((data.x, "X"), (data.w, "W")):
        if array.shape == shape:
            yield Guess(array, f"it is {name}")


def wrong_operand_x(data: Data) -> Guesses:
    """Another array stands where dE/dO or W belongs in dE/dX, or X is handed in as the result."""
    yield Guess(data.scatter(dedo=data.output), "O is used in place of dE/dO")
    if data.x.shape == data.dedo.shape:
        yield Guess(data.scatter(dedo=data.x), "X is used in place of dE/dO")
    if data.w.shape == data.dedo.shape:
        yield Guess(data.scatter(dedo=data.w), "W is used in place of dE/dO")
        yield Guess(data.scatter(w=data.dedo), "dE/dO is used in place of W")
        yield Guess(data.scatter(w=data.dedo, dedo=data.w), "W and dE/dO are swapped")
    yield Guess(data.x, "it is X")


def wrong_operand_b(data: Data) -> Guesses:
    """O is summed where dE/dO belongs."""
    yield Guess(data.compute(Tensor.DB, dedo=data.output), "O is used in place of dE/dO")
