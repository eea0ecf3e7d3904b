"""Threads beside each other: what they are given is done, and none of them starts threads of a BLAS."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lineage.index.workers import AT_ONCE, beside_each_other, one_thread


def threads_of_blas() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_a_worker_has_linear_algebra_of_its_own_thread_alone_and_others_theirs_afterwards() -> None:
    with threadpool_limits(AT_ONCE, user_api="blas"):
        with beside_each_other() as workers:
            assert workers.submit(threads_of_blas).result() == {1}
        assert threads_of_blas() == {AT_ONCE}


def test_workers_within_a_worker_leave_the_limit_of_the_outer_ones() -> None:
    def within() -> np.ndarray:
        with beside_each_other() as inner:
            return inner.submit(np.dot, np.eye(2), np.ones(2)).result()

    with threadpool_limits(AT_ONCE, user_api="blas"), beside_each_other() as workers:
        assert workers.submit(within).result().tolist() == [1, 1]
        assert workers.submit(threads_of_blas).result() == {1}


def test_the_limit_lasts_until_the_last_of_those_is_done_that_overlap() -> None:
    with threadpool_limits(AT_ONCE, user_api="blas"):
        first, second = beside_each_other(), beside_each_other()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads_of_blas() == {1}
        second.__exit__(None, None, None)
        assert threads_of_blas() == {AT_ONCE}


def test_an_error_of_a_worker_is_raised_and_the_limit_ends() -> None:
    with threadpool_limits(AT_ONCE, user_api="blas"):
        with pytest.raises(ZeroDivisionError), beside_each_other() as workers:
            workers.submit(lambda: 1 / 0).result()
        assert threads_of_blas() == {AT_ONCE}


def test_a_function_may_run_with_linear_algebra_of_one_thread() -> None:
    with threadpool_limits(AT_ONCE, user_api="blas"):
        assert one_thread(threads_of_blas)() == {1}
        assert threads_of_blas() == {AT_ONCE}
