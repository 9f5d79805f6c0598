"""The library's one error class, how text from outside is shown, and which name a misspelt one stands for."""

from collections.abc import Iterable

__all__ = ["CnngradError", "nearest", "visible"]

# The characters shown from each end of a longer message.
_SHOWN = 250


class CnngradError(ValueError):
    """An input that cnngrad can't work with.

    The message is one or two lines: what is wrong, where, and what would be right.
    """

    def __init__(self, message: str) -> None:
        """The message may quote file names, keys and options verbatim: `visible` escapes it."""
        super().__init__(visible(message, most=2 * _SHOWN))


def visible(text: str, most: int | None = None) -> str:
    r"""Text from outside, safe for a terminal and for a document: unprintable characters are escaped as by `repr`.

    Args:
        text: a file's name, a key, a title, or a program's output.
        most: the number of characters to keep, half from each end; None for all.

    >>> visible("a\x1b[2Jb\u202ec"), visible("0123456789", most=4)
    ('a\\x1b[2Jb\\u202ec', '01 … 89')
    """
    if most is not None and len(text) > most:
        text = f"{text[: most // 2]} … {text[-(most // 2) :]}"
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def nearest(word: str, known: Iterable[str], least: float = 0.6) -> str:
    """The known name that is most like a misspelt one; empty if none is, as `least` says on difflib's scale to 1."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, [*known], n=1, cutoff=least)), "")
