import threading

import pytest

from saliency_bench.engine.background import Background


def test_work_is_done_behind_in_order():
    done = []
    with Background() as behind:
        for number in range(10):
            behind.do(done.append, number)
        behind.catch_up()
        assert done == list(range(10))


def test_the_caller_runs_ahead_by_the_lag_only():
    gate, done = threading.Event(), []
    with Background(lag=2) as behind:
        behind.do(gate.wait)
        behind.do(done.append, 1)
        behind.do(done.append, 2)
        assert done == []
        gate.set()
        behind.do(done.append, 3)
    assert done == [1, 2, 3]


def fails():
    raise OSError("full")


def test_what_was_raised_behind_is_raised_ahead():
    with Background() as behind:
        behind.do(fails)
        with pytest.raises(OSError, match="full"):
            behind.catch_up()


def break_off(done):
    with Background() as behind:
        behind.do(done.append, 1)
        behind.do(done.append, 2)
        raise KeyboardInterrupt


def test_work_that_was_begun_is_finished_though_the_caller_breaks_off():
    done = []
    with pytest.raises(KeyboardInterrupt):
        break_off(done)
    assert done == [1, 2]
