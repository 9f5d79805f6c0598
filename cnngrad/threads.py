"""Jobs in several threads; NumPy releases Python's global interpreter lock inside them.

What a job does depends only on its number, so results do not depend on the number of threads. Nothing here
relies on that lock: without it (free-threaded Python) the jobs run side by side as well.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING

from cnngrad.blas import control, one_thread

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Progress", "run_jobs", "tally", "thread_count"]

# Called with the number of steps done and the number of all steps, in the thread that waits for the result.
Progress = Callable[[int, int], None]

# Upper limit on threads: each needs memory for a tile, some megabytes.
_MOST_THREADS = 4


def run_jobs(count: int, job: Callable[[int], None]) -> None:
    """Call `job` with each of the numbers 0 to count - 1, in several threads, this one among them.

    Raises:
        BaseException: what a job raised; jobs that have not begun by then do not run.
    """
    workers = max(1, min(thread_count(), count))
    # A worker ends at the first None that it takes.
    numbers = deque([*range(count), *[None] * workers])

    def work() -> None:
        try:
            for number in iter(numbers.popleft, None):
                job(number)
        except BaseException:
            # The others stop too, each after its current job.
            numbers.extendleft([None] * workers)
            raise

    with one_thread():
        # NumPy's error state belongs to the context, which a new thread does not share by itself.
        others = [_pool().submit(copy_context().run, work) for _ in range(1, workers)]
        try:
            work()
        finally:
            begun = [other for other in others if not other.cancel()]
            for other in begun:
                other.exception()
        for other in begun:
            other.result()


@cache
def _pool() -> "ThreadPoolExecutor":
    # Imported only for several threads: the import takes longer than most layers.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(thread_count(), thread_name_prefix="cnngrad")


# A forked process has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


@cache
def thread_count() -> int:
    """The number of threads to use: one per processor, up to a limit; 1 if BLAS's own threads can't be controlled."""
    if control() is None:
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors, _MOST_THREADS)


def tally(total: int, progress: Progress | None) -> Callable[[], None]:
    """A function to call after each finished tile; it reports progress only in the thread that called `tally`."""
    done = list[None]()
    own = threading.get_ident()

    def add() -> None:
        done.append(None)
        if progress is not None and threading.get_ident() == own:
            progress(len(done), total)

    return add
