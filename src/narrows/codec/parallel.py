"""Parallel work with results in the order of the jobs."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, TypeVar

from threadpoolctl import ThreadpoolController

from narrows.processor_load import usable_cores

Job = TypeVar("Job")
Result = TypeVar("Result")

_lock, _thread = threading.Lock(), threading.local()
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

    Matrix products of one job alone use all cores; of several at once, each has one. So has what a job does itself in
    parallel.
    """
    workers = min(usable_cores(), len(jobs))
    if workers < 2 or _is_worker():
        yield from map(work, jobs)
        return
    with one_thread_each(), ThreadPoolExecutor(workers, initializer=_become_worker) as pool:
        yield from _in_order(pool, work, jobs, workers)


class Ahead(Protocol):
    """Yields jobs with what work makes of them, in order, perhaps working ahead."""

    def __call__(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Yield each job and its result."""


@contextmanager
def working_ahead() -> Iterator[Ahead]:
    """Return what does small jobs on all cores, in the order in which their results are needed, as `Ahead` says."""
    cores = usable_cores()
    if cores < 2 or _is_worker():
        yield lambda work, jobs: ((job, work(job)) for job in jobs)
        return
    with one_thread_each(), ThreadPoolExecutor(cores, initializer=_become_worker) as pool:

        def ahead(work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
            results = map(work, jobs) if len(jobs) < 2 else _in_order(pool, work, jobs, 2 * cores)
            return zip(jobs, results, strict=True)

        yield ahead


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Job], Result], jobs: Sequence[Job], most: int
) -> Generator[Result, None, None]:
    """Yield the results of jobs in order, while at most so many others are worked on."""
    waiting: deque[Future[Any]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _become_worker() -> None:
    _thread.is_worker = True


def _is_worker() -> bool:
    return getattr(_thread, "is_worker", False)
