"""The one error of the library."""

__all__ = ["CnngradError"]


class CnngradError(ValueError):
    """An input that cnngrad can't work with.

    The message is one or two lines: what is wrong, where, and what would be right.
    """
