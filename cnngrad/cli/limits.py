"""If the system or a library ends the process, the exit code is 2, and a line says why.

OpenBLAS calls C's exit(1) if it gets no memory, but 1 means a wrong gradient. If a file is cut short while it is
mapped, SIGBUS ends the process before a Python signal handler can run.
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


# The cache keeps the callback alive for as long as C may call it.
@cache
def guard() -> object:
    """From now on, let the process end with code 2 after SIGBUS or, if memory is limited, after a library's exit(1).

    If memory is limited, cnngrad itself must leave by `os._exit`, which skips this callback.
    """
    import ctypes

    once = Lock()

    def end(number: int) -> None:
        # Several threads may get here; only the first continues.
        once.acquire()
        with suppress(OSError):
            os.write(2, f"cnngrad: {_CUT if number == signal.SIGBUS else NO_MEMORY}\n".encode())
        os._exit(2)

    called = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.signal(int(signal.SIGBUS), called)
        if is_limited():
            library.__cxa_atexit(called, None, None)
    return called
