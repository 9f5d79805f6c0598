"""Plain characters in place of those that a stream's encoding lacks: dE/dx22 for ∂E/∂x22."""

import codecs

__all__ = ["PLAIN"]

# The name under which Python's codecs know it.
PLAIN = "cnngrad.plain"

# Of one character where columns must stay straight.
_REPLACED = {
    "∂": "d", "·": "*", "∗": "*", "−": "-", "×": "x", "…": "~", "→": ">", "▶": ">", "◀": "<", "─": "-", "│": "|",
    "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┬": "+", "┼": "+", "ᵀ": "'", "°": " degrees", "Σ": "sum",
    "δ": "delta", "²": "^2",
}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_REPLACED.get(character, "?") for character in lacking), error.end


codecs.register_error(PLAIN, _plain)
