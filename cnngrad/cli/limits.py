"""Ends that the system or a library forces on the process: each becomes bad usage, with a line that says why.

OpenBLAS calls C's exit(1) where it gets no memory, and 1 would mean a wrong gradient; a file that is cut short while it
is mapped ends a process by SIGBUS, and Python's own handlers come too late for that.
"""

import os
import signal
from contextlib import suppress
from functools import cache
from threading import Lock

__all__ = ["NO_MEMORY", "guard", "is_limited"]

NO_MEMORY = "there is not enough memory: use a smaller layer, or raise the limit (ulimit -v)"
_CUT = "an input file was cut short by another program while it was read"


@cache
def is_limited() -> bool:
    """Whether the user limits the memory of this process."""
    try:
        import resource
    except ImportError:
        return False
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


# What C calls must outlive everything, so the cache keeps it.
@cache
def guard() -> object:
    """From now on such an end has exit code 2. Where memory is limited, leave by `os._exit`, which C's exit is not."""
    import ctypes

    once = Lock()

    def end(number: int) -> None:
        # Several threads may come; only the first goes on.
        once.acquire()
        os.write(2, f"cnngrad: {_CUT if number == signal.SIGBUS else NO_MEMORY}\n".encode())
        os._exit(2)

    called = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.signal(int(signal.SIGBUS), called)
        if is_limited():
            library.__cxa_atexit(called, None, None)
    return called
