"""Parallel work with results in the order of the jobs."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from narrows.processor_load import usable_cores

Job = TypeVar("Job")
Result = TypeVar("Result")


@cache
def libraries() -> ThreadpoolController:
    """Return the libraries of linear algebra that are loaded, whose threads can be limited."""
    return ThreadpoolController()


def ordered_parallel_map(work: Callable[[Job], Result], jobs: Sequence[Job]) -> Generator[Result, None, None]:
    """Yield ``work(job)`` of each job in order, working on a few jobs ahead, on all cores.

    Matrix products of one job alone use all cores; of several at once, each has one.
    """
    workers = min(usable_cores(), len(jobs))
    if workers < 2:
        yield from map(work, jobs)
        return
    waiting: deque[Future[Any]] = deque()
    with libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
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
