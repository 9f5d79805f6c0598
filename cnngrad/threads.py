"""Parts of the work in several threads; NumPy releases the lock of Python's interpreter inside them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from cnngrad.blas import is_controlled, one_thread

if TYPE_CHECKING:
    # Loaded where there is work for several threads: it takes longer to load than most layers take.
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Job", "in_order", "warm_up"]

Result = TypeVar("Result")
Job = Callable[[], Result]

# Each thread holds the memory of a tile, some megabytes.
_MOST_THREADS = 5
# Jobs for each thread that helpers are ahead of the one whose result is wanted.
_AHEAD = 4
# Jobs that are made before their turn. A lock around each, for which no job need be, takes threads a tenth of the time
# of 1024x1024 with 3x3.
_MOST_WAITING = 64


def in_order(jobs: Iterable[Job[Result]]) -> Iterator[Result]:
    """The results of independent jobs, in order; the calling thread works on them, and others help.

    What comes out is the same however many threads there are. Jobs are taken from `jobs` some ahead.
    """
    numbered = enumerate(jobs)
    first = list(islice(numbered, _cores()))
    threads = len(first)
    if not threads:
        return
    with one_thread():
        if threads < 2:
            for _, job in chain(first, numbered):
                yield job()
            return
        work = _Work(deque(chain(first, islice(numbered, _MOST_WAITING))), {}, _AHEAD * threads)
        helpers = [work.shared() for _ in range(threads - 1)]
        try:
            while work.waiting:
                work.do_one()
                while work.wanted in work.done:
                    yield work.done.pop(work.wanted)
                    work.wanted += 1
                if 2 * len(work.waiting) < _MOST_WAITING:
                    work.waiting.extend(islice(numbered, _MOST_WAITING // 2))
                for k, helper in enumerate(helpers):
                    if helper.done() and work.waiting:
                        helper.result()
                        helpers[k] = work.shared()
            for helper in helpers:
                if not helper.cancel():
                    helper.result()
            while work.done:
                yield work.done.pop(work.wanted)
                work.wanted += 1
        finally:
            # After an error, or when nobody asks on, the helpers stop after the job they are at.
            work.waiting.clear()
            for helper in helpers:
                if not helper.cancel():
                    helper.exception()


@dataclass(eq=False, repr=False)
class _Work(Generic[Result]):
    """Jobs that several threads share.

    Attributes:
        waiting: jobs that nobody has begun, with their numbers.
        done: results by number.
        ahead: how many jobs helpers may be ahead of the one whose result is wanted, so that results don't pile up.
        wanted: the number of that one.
    """

    waiting: deque[tuple[int, Job[Result]]]
    done: dict[int, Result]
    ahead: int
    wanted: int = 0

    def shared(self) -> "Future[None]":
        """A helper's work, in a context of its own, since NumPy's error state belongs to the context."""
        return _pool().submit(copy_context().run, self._help)

    def do_one(self, stop: int | None = None) -> bool:
        """Do the next job, unless there is none or its number is `stop` or more."""
        try:
            if stop is not None and self.waiting[0][0] >= stop:
                return False
            number, job = self.waiting.popleft()
        except IndexError:
            # Another thread was quicker.
            return False
        self.done[number] = job()
        return True

    def _help(self) -> None:
        try:
            while self.do_one(self.wanted + self.ahead):
                pass
        except BaseException:
            self.waiting.clear()
            raise


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
