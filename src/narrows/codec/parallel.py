"""Parallel work with results in the order of the jobs."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from narrows.processor_load import usable_cores

Job = TypeVar("Job")
Result = TypeVar("Result")

_lock = threading.Lock()
_depth = 0  # blocks of `one_thread_each` that are open in all threads
_limit: Any = None  # what they have in common


@cache
def libraries() -> ThreadpoolController:
    """Return the libraries of linear algebra that are loaded, whose threads can be limited."""
    return ThreadpoolController()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let matrix products use one thread each, until the last of the blocks that are open at once is left."""
    global _depth, _limit
    with _lock:
        if _depth == 0:
            _limit = libraries().limit(limits=1, user_api="blas")
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _limit.restore_original_limits()


def ordered_parallel_map(work: Callable[[Job], Result], jobs: Sequence[Job]) -> Generator[Result, None, None]:
    """Yield ``work(job)`` of each job in order, working on a few jobs ahead, on all cores.

    Matrix products of one job alone use all cores; of several at once, each has one.
    """
    workers = min(usable_cores(), len(jobs))
    if workers < 2:
        yield from map(work, jobs)
        return
    waiting: deque[Future[Any]] = deque()
    with one_thread_each(), ThreadPoolExecutor(workers) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
