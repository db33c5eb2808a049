"""Work on all cores gives what work on one gives, in order, a few jobs ahead, and leaves torch as it was."""

import threading

import pytest
import torch

from narrows.codec.parallel import ordered_parallel_map


@pytest.fixture(params=[1, 4])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param
    torch.set_num_threads(before)


def test_results_are_in_order(threads):
    assert list(ordered_parallel_map(lambda job: job * job, range(100))) == [job * job for job in range(100)]
    assert list(ordered_parallel_map(abs, [-1])) == [1]
    assert list(ordered_parallel_map(abs, [])) == []


def test_only_a_few_jobs_are_ahead(threads):
    begun = []
    results = ordered_parallel_map(begun.append, range(100))
    next(results)
    assert len(begun) <= threads + 1
    results.close()
    assert len(begun) <= 2 * threads + 1


def test_an_error_reaches_whoever_asked(threads):
    with pytest.raises(ZeroDivisionError):
        list(ordered_parallel_map(lambda job: 1 // (5 - job), range(100)))


def test_several_jobs_have_one_thread_each():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    meeting = threading.Barrier(2, timeout=60)

    def both(job):
        meeting.wait()
        return torch.get_num_threads()

    assert list(ordered_parallel_map(both, range(2))) == [1, 1]
    assert list(ordered_parallel_map(lambda job: torch.get_num_threads(), [1])) == [2]
    torch.set_num_threads(before)
