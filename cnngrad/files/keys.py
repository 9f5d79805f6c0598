"""The keys of a file that holds several values."""

from collections import Counter
from typing import Any

from cnngrad.errors import CnngradError

__all__ = ["unique"]


def unique(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Keys and values as a mapping; `where` is the file's name in messages.

    Raises:
        CnngradError: a key occurs twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise CnngradError(f"{where} has the key {doubled!r} twice: give it once")
    return found
