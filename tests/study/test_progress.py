import io

import pytest
from rich.console import Console

from saliency_bench.cli.progress import Bar, Pace
from saliency_bench.protocols import duration


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


def left_after(*steps, more):
    """Seconds that `more` steps take after steps of a kind and a number of seconds."""
    pace, now = Pace(), 0.0
    for kind, seconds in steps:
        pace.begin(kind, now)
        now += seconds
    pace.begin(steps[0][0], now)
    return pace.left(more)


def test_the_first_step_of_a_kind_tells_nothing_as_it_may_compile():
    assert left_after(("fit", 60.0), more=100) is None
    assert left_after(("fit", 60.0), ("fit", 2.0), more=100) == 200.0


def test_kinds_are_timed_one_by_one():
    compiled = [("gradient", 30.0), ("rise", 90.0)]
    assert left_after(*compiled, ("gradient", 1.0), more=100) is None
    both = [*compiled, ("gradient", 1.0), ("rise", 9.0)]
    assert left_after(*both, more=100) == 500.0
    # However often each was timed: what is left alternates.
    assert left_after(*both, ("gradient", 1.0), ("gradient", 1.0), more=100) == 500.0


def ticking(monkeypatch, seconds):
    """A clock that moves on with every look."""
    times = iter([n * seconds for n in range(100)])
    monkeypatch.setattr("saliency_bench.cli.progress.time.monotonic", lambda: next(times))


def test_lines_say_the_time_left_once_it_is_known(monkeypatch):
    ticking(monkeypatch, 60)
    text = io.StringIO()
    bar = Bar(Console(file=text, width=100))
    bar.start(1000, at_most=True)
    for number in range(3):
        bar.step(f"step {number}")
    bar.done()
    bar.start(10)
    bar.step("one")
    bar.step("two")
    bar.skip(3)  # another process did
    bar.step("three")
    assert text.getvalue().splitlines() == [
        "0/1000 step 0",
        "1/1000 step 1",
        "2/1000 step 2, at most about 16.6 h left",
        "0/10 one",
        "1/10 two",
        "5/10 three, about 2 min left",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (5969, "99 min"), (5971, "1.7 h")],
)
def test_a_duration_is_about_as_exact_as_an_estimate(seconds, text):
    assert duration(seconds) == text
