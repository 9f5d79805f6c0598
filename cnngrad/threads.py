"""Parts of the work in several threads; NumPy releases the lock of Python's interpreter inside them."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cnngrad.blas import is_controlled, one_thread

if TYPE_CHECKING:
    # Loaded where there is work for several threads: it takes longer to load than most layers take.
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Job", "in_order", "warm_up"]

Result = TypeVar("Result")
Job = Callable[[], Result]

# Each thread holds the memory of a tile, some megabytes.
_MOST_THREADS = 6


def in_order(jobs: Sequence[Job[Result]]) -> Iterator[Result]:
    """The results of independent jobs, in order; the calling thread works on them, and others help.

    What comes out is the same however many threads there are.
    """
    if not jobs:
        return
    threads = min(_cores(), len(jobs))
    with one_thread():
        if threads < 2:
            for job in jobs:
                yield job()
            return
        waiting = deque(enumerate(jobs))
        done: dict[int, Result] = {}
        # Each helper in a context of its own, since NumPy's error state belongs to the context.
        helpers = [_pool().submit(copy_context().run, _help, waiting, done) for _ in range(threads - 1)]
        wanted = 0
        try:
            while waiting:
                _do_one(waiting, done)
                while wanted in done:
                    yield done.pop(wanted)
                    wanted += 1
            for helper in helpers:
                if not helper.cancel():
                    helper.result()
            for number in range(wanted, len(jobs)):
                yield done.pop(number)
        finally:
            # After an error, or when nobody asks on, the helpers stop after the job they are at.
            waiting.clear()
            for helper in helpers:
                if not helper.cancel():
                    helper.exception()


@cache
def warm_up() -> None:
    """Write once to the memory that BLAS keeps for each thread: a millisecond, before products of float32.

    OpenBLAS fetches ahead of what it has copied. Until a product of many columns has written there, the fetches find no
    memory, and products of fewer take three times as long. Measured on an EPYC with AVX2, one thread, 512x256 times
    256x196: 5.1 ms before and 1.4 after.
    """
    # Of 32 to 64 rows and 320 to 350 columns the fewest that were enough.
    left, right = np.ones((48, 256), np.float32), np.ones((256, 336), np.float32)
    for _ in in_order([partial(np.matmul, left, right)] * (2 * _cores())):
        pass


def _do_one(waiting: deque[tuple[int, Job[Result]]], done: dict[int, Result]) -> None:
    try:
        number, job = waiting.popleft()
    except IndexError:
        # Another thread was quicker.
        return
    done[number] = job()


def _help(waiting: deque[tuple[int, Job[Result]]], done: dict[int, Result]) -> None:
    try:
        while waiting:
            _do_one(waiting, done)
    except BaseException:
        waiting.clear()
        raise


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
