"""Parts of the work in several threads; NumPy releases the lock of Python's interpreter inside them."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from functools import cache
from itertools import islice
from threading import local
from typing import TYPE_CHECKING, TypeVar

from cnngrad.blas import is_controlled, one_thread

if TYPE_CHECKING:
    # Loaded where there is work for several threads: it takes longer to load than most layers take.
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Job", "in_order"]

Result = TypeVar("Result")
Job = Callable[[], Result]

# Each thread holds the memory of a tile, some megabytes.
_MOST_THREADS = 8


def in_order(jobs: Sequence[Job[Result]]) -> Iterator[Result]:
    """The results of independent jobs, in order; several threads work ahead.

    What comes out is the same however many threads there are. A job that has jobs of its own does them by itself.
    """
    threads = 1 if getattr(_inside, "job", False) else min(_cores(), len(jobs))
    with one_thread():
        if threads < 2:
            for job in jobs:
                yield job()
            return
        coming = iter(jobs)
        # Each job in a context of its own, since NumPy's error state belongs to the context.
        ahead: deque[Future[Result]] = deque(
            _pool().submit(copy_context().run, _work, job) for job in islice(coming, 2 * threads)
        )
        try:
            while ahead:
                result = ahead.popleft().result()
                ahead.extend(_pool().submit(copy_context().run, _work, job) for job in islice(coming, 1))
                yield result
        finally:
            # After an error, or when nobody asks on, the threads stop after the job they are at.
            for future in ahead:
                if not future.cancel():
                    future.exception()


_inside = local()


def _work(job: Job[Result]) -> Result:
    _inside.job = True
    try:
        return job()
    finally:
        _inside.job = False


@cache
def _cores() -> int:
    """How many threads to work in: the processors that this process may run on, but no more than memory allows."""
    if not is_controlled():
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors, _MOST_THREADS)


@cache
def _pool() -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_cores(), thread_name_prefix="cnngrad")


# A forked process has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
