"""The library's one error class, and how text from outside is shown."""

__all__ = ["CnngradError", "visible"]

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
