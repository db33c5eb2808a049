"""Parallel work with results in the order of the jobs."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")


def ordered_parallel_map(work: Callable[[Job], Result], jobs: Sequence[Job]) -> Generator[Result, None, None]:
    """Yield ``work(job)`` of each job in order, working on a few jobs ahead, on as many cores as torch may use.

    One job alone has all of torch's threads; of several at once, each has one.
    """
    threads = torch.get_num_threads()
    if min(threads, len(jobs)) < 2:
        yield from map(work, jobs)
        return
    waiting: deque[Future[Any]] = deque()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                for job in jobs:
                    waiting.append(pool.submit(work, job))
                    if len(waiting) > threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        torch.set_num_threads(threads)
