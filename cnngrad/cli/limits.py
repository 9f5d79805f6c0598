"""Where the user limits memory (`ulimit -v`): a library that gets none may end the process, but never with 1."""

import os
from contextlib import suppress
from functools import cache

__all__ = ["NO_MEMORY", "guard_exit", "is_limited"]

NO_MEMORY = "there is not enough memory: use a smaller layer, or raise the limit (ulimit -v)"


@cache
def is_limited() -> bool:
    """Whether this process may take only so much memory."""
    try:
        import resource
    except ImportError:
        return False
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


# What C calls must outlive everything, so it is kept by the cache.
@cache
def guard_exit() -> object:
    """Turn C's `exit`, which OpenBLAS calls with 1, into bad usage from now on; then leave by `os._exit`."""
    import ctypes

    def end(_: object) -> None:
        os.write(2, f"cnngrad: {NO_MEMORY}\n".encode())
        os._exit(2)

    called = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(end)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).__cxa_atexit(called, None, None)
    return called
