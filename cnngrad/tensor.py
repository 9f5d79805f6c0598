"""The layer's arrays and their gradients, with all the names of each.

| tensor | in files | in Python | on the screen | elements |
| --- | --- | --- | --- | --- |
| input | `X` | `x` | X | x11 |
| filter | `W` | `w` | W | w11 |
| bias | `b` | `b` | b | b |
| output | `O` | `o` | O | o11 |
| given error gradient | `dEdO` | `dedo` | ∂E/∂O | ∂E/∂o11 |
| results | `dEdW` `dEdX` `dEdb` | `dw` `dx` `db` | ∂E/∂W … | ∂E/∂w11 … |
"""

from enum import Enum


class Tensor(Enum):
    """One of a layer's arrays, or the gradient of the error E with respect to one.

    Attributes:
        key: its name in files, messages and JSON: `X`, `dEdX`.
        keyword: its name in Python: `x`, `dx`.
        letter: the letter of its elements, which a gradient shares with its array: `x`.
        lead_words: the meanings of the axes in front of the spatial ones, such as sample and channel.
        is_gradient: whether it is a gradient.
        array: the array that a gradient belongs to; for an array, itself.
        gradient: the gradient with respect to an array; for a gradient, itself.

    >>> Tensor.DX.array.key, Tensor.X.array.key, Tensor.X.gradient.key, Tensor.O.gradient.key
    ('X', 'X', 'dEdX', 'dEdO')
    """

    letter: str
    array: "Tensor"
    gradient: "Tensor"

    X = ("X", "x", "sample", "channel")
    W = ("W", "w", "filter", "channel")
    B = ("b", "b", "filter")
    O = ("O", "o", "sample", "filter")
    # A gradient has the letter and the axes of its array.
    DEDO = ("dEdO", "dedo")
    DW = ("dEdW", "dw")
    DX = ("dEdX", "dx")
    DB = ("dEdb", "db")

    def __init__(self, key: str, keyword: str, *lead_words: str) -> None:
        """One row of the table."""
        self.key = key
        self.keyword = keyword
        self.lead_words = lead_words
        self.is_gradient = key.startswith("dEd")

    # Members are compared by identity; Enum's own hash, of the name, takes longer than a dictionary look-up.
    __hash__ = object.__hash__

    def is_apart(self, result: "Tensor") -> bool:
        """Whether a result is independent of this array: O of dE/dO, dE/dW of W, and dE/db of all but dE/dO."""
        if result is Tensor.O:
            return self is Tensor.DEDO
        return self in ((Tensor.X, Tensor.W, Tensor.B) if result is Tensor.DB else (result.array, Tensor.B))

    @property
    def title(self) -> str:
        """Its name on the screen: `X`, `∂E/∂X`."""
        return f"∂E/∂{self.key[3:]}" if self.is_gradient else self.key

    @property
    def elements(self) -> str:
        """The letters with which its elements' names begin when typed: `x`, `dE/dx`."""
        return f"dE/d{self.letter}" if self.is_gradient else self.letter

    @property
    def short(self) -> str:
        """The short name of a gradient, as in `--only`: `dX`."""
        return f"d{self.key[3:]}"

    @property
    def names(self) -> tuple[str, ...]:
        """All names that users give to a result: `dEdW`, `dW`, `dw`, `grad_w`; `O`, `o`."""
        own = (self.key, self.keyword)
        return tuple(dict.fromkeys((*own, self.short, f"grad_{self.letter}") if self.is_gradient else own))

    @classmethod
    def result_named(cls, text: str) -> "Tensor | None":
        """The result that a user calls `dW`, `dw`, `dEdW` or `grad_w`; None for any other name.

        >>> [Tensor.result_named(name).key for name in ("dW", "dw", "dEdW", "grad_w", "db", "o")]
        ['dEdW', 'dEdW', 'dEdW', 'dEdW', 'dEdb', 'O']
        """
        return next((result for result in RESULTS if text in result.names), None)


X, W, B, O, DEDO, DW, DX, DB = Tensor
# The arrays that a problem may have.
GIVEN = (X, W, B, DEDO)
# The results of backward, in the order in which they are shown.
GRADIENTS = (DW, DX, DB)
# All that a layer computes, in the order in which it is graded.
RESULTS = (O, *GRADIENTS)

for _array, _gradient in ((X, DX), (W, DW), (B, DB), (O, DEDO)):
    for _tensor in (_array, _gradient):
        _tensor.array, _tensor.gradient = _array, _gradient
        _tensor.letter, _tensor.lead_words = _array.keyword, _array.lead_words
