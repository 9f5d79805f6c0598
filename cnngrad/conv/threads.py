"""Independent pieces of work in several threads; NumPy releases the lock of Python's interpreter inside them."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

__all__ = ["each"]

Piece = TypeVar("Piece")

# Each thread holds the memory of a tile, some megabytes.
_MOST_THREADS = 8


def each(work: Callable[[Piece], object], pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Do `work` on every piece and give each one back when it is done, in any order.

    The pieces must not depend on each other: what comes out is the same however many threads there are. The calling
    thread works too, and alone where there is one piece or one core.
    """
    if len(pieces) == 1:
        work(pieces[0])
        yield pieces[0]
        return
    waiting, done = deque(pieces), deque[Piece]()

    def work_on() -> None:
        while waiting:
            try:
                piece = waiting.popleft()
            except IndexError:
                return
            work(piece)
            done.append(piece)

    helpers = [_pool().submit(work_on) for _ in range(min(_cores(), len(waiting)) - 1)]
    try:
        while waiting:
            try:
                piece = waiting.popleft()
            except IndexError:
                break
            work(piece)
            yield piece
            while done:
                yield done.popleft()
        for helper in helpers:
            helper.result()
        yield from done
    finally:
        # After an error, or when nobody asks on, the helpers stop after the piece they are at.
        waiting.clear()
        for helper in helpers:
            helper.cancel() or helper.exception()


@cache
def _cores() -> int:
    """How many threads to work in: the processors that this process may run on, but no more than memory allows."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors, _MOST_THREADS)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_cores(), thread_name_prefix="cnngrad")
