"""Work on all cores gives what work on one gives, in order, a few jobs ahead, and leaves libraries as they were."""

import threading

import pytest
from threadpoolctl import threadpool_info

from narrows.codec import parallel
from narrows.codec.parallel import ordered_parallel_map, working_ahead


@pytest.fixture(params=[1, 4])
def threads(request, monkeypatch):
    monkeypatch.setattr(parallel, "usable_cores", lambda: request.param)
    before = blas_threads()
    yield request.param
    assert blas_threads() == before


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


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


def test_libraries_are_as_before_when_the_last_of_several_maps_ends(threads):
    first, second = (ordered_parallel_map(abs, range(100)) for _ in range(2))
    next(first), next(second)
    first.close()
    if threads > 1:
        assert blas_threads() == {1}
    second.close()


def test_products_of_several_jobs_have_one_thread_each(monkeypatch):
    monkeypatch.setattr(parallel, "usable_cores", lambda: 2)
    meeting = threading.Barrier(2, timeout=60)

    def both(job):
        meeting.wait()
        return blas_threads()

    assert list(ordered_parallel_map(both, range(2))) == [{1}, {1}]


def test_small_jobs_keep_their_order_and_errors(threads):
    with working_ahead() as ahead:
        for count in (0, 1, 100):
            assert list(ahead(lambda job: job * job, range(count))) == [(job, job * job) for job in range(count)]
        with pytest.raises(ZeroDivisionError):
            list(ahead(lambda job: 1 // (5 - job), range(100)))


def test_jobs_within_a_job_share_its_thread(threads):
    def inner(_):
        with working_ahead() as ahead:
            mapped = ordered_parallel_map(lambda _: threading.get_ident(), range(9))
            found = {*mapped, *(thread for _, thread in ahead(lambda _: threading.get_ident(), range(9)))}
        return found == {threading.get_ident()}

    assert threads == 1 or all(ordered_parallel_map(inner, range(4)))
