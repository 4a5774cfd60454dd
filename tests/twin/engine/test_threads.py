"""Threads that come when all others wait."""

import threading
import time

import pytest

from twin.engine.threads import ElasticExecutor


def test_answers_and_errors_come_back() -> None:
    pool = ElasticExecutor(2)
    assert [each.result(5) for each in [pool.submit(pow, number, 2) for number in range(20)]] == [
        number * number for number in range(20)
    ]
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(5)
    pool.shutdown()


def test_calls_that_wait_for_one_that_comes_later_do_not_hang() -> None:
    pool = ElasticExecutor(4)
    let_go = threading.Event()
    waiting = [pool.submit(let_go.wait, 20) for _ in range(50)]
    pool.submit(let_go.set)
    assert all(each.result(20) for each in waiting)
    pool.shutdown()


def test_while_calls_end_no_thread_is_added() -> None:
    pool = ElasticExecutor(3)
    under_way = most = 0
    mutex = threading.Lock()

    def work() -> None:
        nonlocal under_way, most
        with mutex:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with mutex:
            under_way -= 1

    for each in [pool.submit(work) for _ in range(60)]:
        each.result(10)
    assert most == 3
    pool.shutdown()


def test_after_its_end_nothing_is_taken() -> None:
    pool = ElasticExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(print)
