import io
import threading

import pytest
from rich.console import Console

from saliency_bench.cli.progress import Bar
from saliency_bench.engine.background import Background


def told(*, terminal, every=0.0):
    text = io.StringIO()
    bar = Bar(Console(file=text, force_terminal=terminal, width=100), every=every)
    bar.start(3)
    for what in ("first", "second", "third"):
        bar.step(what)
    bar.done()
    return bar, text.getvalue()


def test_without_a_terminal_there_is_a_line_now_and_then():
    _, text = told(terminal=False)
    assert [line.split(",")[0] for line in text.splitlines()] == [
        "0/3 first",
        "1/3 second",
        "2/3 third",
    ]
    assert told(terminal=False, every=60.0)[1] == ""


def test_in_a_terminal_the_bar_runs_to_its_end():
    bar, text = told(terminal=True)
    assert "3/3" in text
    assert bar._bar.finished


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
