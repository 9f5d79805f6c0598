"""NumPy's BLAS in one thread, while our own threads share the work.

OpenBLAS splits a product by the number of its threads, so two threads round its sums differently from one. Here each
product runs in one thread, on parts that depend only on the layer's shape, so that results depend neither on the number
of processors nor on the run. Idle OpenBLAS threads would also keep spinning beside ours.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from threading import Lock

__all__ = ["control", "one_thread"]

_lock = Lock()
_users = 0
_before = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside the context BLAS works in the calling thread only. It may be nested, and entered in several threads."""
    global _users, _before
    found = control()
    if found is None:
        yield
        return
    get, put = found
    with _lock:
        if _users == 0:
            _before = get()
            put(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                put(_before)


def _begin_anew() -> None:
    """Fork copies the count of users, but not the threads that would decrement it: start from zero."""
    global _lock, _users
    _lock = Lock()
    found = control()
    if _users and found is not None:
        found[1](_before)
    _users = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


@cache
def control() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's functions to get and set the number of its threads; None for another BLAS, and for most on Windows.

    The names are those that threadpoolctl looks for: prefix and suffix depend on who built the library.
    """
    try:
        library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    except (OSError, KeyError):
        return None
    for prefix, suffix in product(("scipy_", ""), ("64_", "_64", "")):
        get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
        put = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
        if get is not None and put is not None:
            return get, put
    return None
