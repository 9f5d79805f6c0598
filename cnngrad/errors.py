"""The one error of the library, and how text from outside is shown."""

__all__ = ["CnngradError", "visible"]

# The characters of a message that are shown from its beginning, and as many from its end.
_SHOWN = 250


class CnngradError(ValueError):
    """An input that cnngrad can't work with.

    The message is one or two lines: what is wrong, where, and what would be right.
    """

    def __init__(self, message: str) -> None:
        """An error with a message that may quote file names, keys and options as they are: it is made visible."""
        super().__init__(visible(message, most=2 * _SHOWN))


def visible(text: str, most: int | None = None) -> str:
    r"""Text from outside, fit for a terminal and for a document: characters that don't print as `repr` writes them.

    Args:
        text: the text: a file's name, a key, a title, what a program says.
        most: the characters that are kept, from both ends; None for all.

    >>> visible("a\x1b[2Jb\u202ec"), visible("0123456789", most=4)
    ('a\\x1b[2Jb\\u202ec', '01 … 89')
    """
    if most is not None and len(text) > most:
        text = f"{text[: most // 2]} … {text[-(most // 2) :]}"
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
