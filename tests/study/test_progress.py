import io
import logging
import sys
import types

import numpy as np
import pytest
from helpers.lazily import keras
from rich.console import Console

import saliency_bench as sb
from saliency_bench.protocols import clock, duration
from saliency_bench.study import progress
from saliency_bench.study.pace import Pace
from saliency_bench.study.progress import Bar, Notebook, State, on_console


def told(*, terminal, every=0.0):
    text = io.StringIO()
    bar = on_console(Console(file=text, force_terminal=terminal, width=100), every=every)
    bar.start(3)
    for what in ("first", "second", "third"):
        bar.step(what)
    bar.done()
    return text.getvalue()


def test_without_a_terminal_there_is_a_line_now_and_then():
    text = told(terminal=False)
    assert [line.partition(",")[0].partition(":")[0] for line in text.splitlines()] == [
        "0/3 after 0",
        "1/3 after 0",
        "2/3 after 0",
        "3/3 after 0",
    ]
    whats = [line.rpartition(" ")[2] for line in text.splitlines()[:-1]]
    assert whats == ["first", "second", "third"]
    assert told(terminal=False, every=60.0) == ""


def test_in_a_terminal_the_bar_runs_to_its_end():
    assert "3/3" in told(terminal=True)


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
    monkeypatch.setattr("saliency_bench.study.progress.time.monotonic", lambda: next(times))


def test_lines_say_the_time_left_once_it_is_known(monkeypatch):
    ticking(monkeypatch, 60)
    text = io.StringIO()
    bar = on_console(Console(file=text, width=100))
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
        "0/1000 after 0:01:00: step 0",
        "1/1000 after 0:02:00: step 1",
        "2/1000 after 0:03:00, at most about 16:38:00 left: step 2",
        "3/1000 after 0:04:00",
        "0/10 after 0:01:00: one",
        "1/10 after 0:02:00: two",
        "5/10 after 0:03:00, about 0:02:00 left: three",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00:00"), (59.6, "0:01:00"), (3599, "0:59:59"), (90061, "25:01:01")],
)
def test_a_clock_shows_hours_minutes_and_seconds(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (5969, "99 min"), (5971, "1.7 h")],
)
def test_a_duration_is_about_as_exact_as_an_estimate(seconds, text):
    assert duration(seconds) == text


# ---------------------------------------------------------------- from Python


class Display:
    """Stands in for IPython's `display`: keeps every picture."""

    def __init__(self):
        self.shown = []

    def __call__(self, picture, *, display_id):
        assert display_id is True
        self.shown.append(picture)
        return self

    def update(self, picture):
        self.shown.append(picture)


def test_a_notebook_has_one_bar_that_is_replaced(capsys):
    display = Display()
    bar = Bar(Notebook(display, every=0.0))
    bar.start(2)
    bar.step("<b>first</b>")
    bar.step("second")
    bar.tell("a line")
    bar.done()
    assert [repr(picture) for picture in display.shown] == [
        "0/2 after 0:00:00: explaining", "0/2 after 0:00:00: <b>first</b>",
        "1/2 after 0:00:00: second", "2/2 after 0:00:00: done",
    ]  # fmt: skip
    html = display.shown[1]._repr_html_()
    assert '<progress value="0" max="2">' in html
    assert "&lt;b&gt;first&lt;/b&gt;" in html
    assert "<b>" not in html
    assert capsys.readouterr().out == "a line\n"


def test_a_notebook_gets_few_pictures():
    display = Display()
    bar = Bar(Notebook(display, every=60.0))
    bar.start(1000)
    for _ in range(1000):
        bar.step("step")
    bar.done()
    assert len(display.shown) == 3


@pytest.fixture
def in_a_notebook(monkeypatch):
    """A notebook, as rich tells one."""
    display = Display()
    ipython = types.ModuleType("IPython")
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return display


def run(**options):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    images = np.random.default_rng(0).standard_normal((5, 8, 8, 1)).astype(np.float32)
    return sb.evaluate(
        model, images, explainers="gradient", similarities="spearman_signed",
        options=sb.Options(draws=1, **options),
    )  # fmt: skip


def test_it_is_silent_where_output_is_captured(capsys, caplog):
    with caplog.at_level(logging.WARNING):
        run()
    assert capsys.readouterr() == ("", "")
    assert caplog.messages == []


def test_elsewhere_it_is_logged(monkeypatch, caplog, capsys):
    monkeypatch.setattr(progress.Lines.__init__, "__kwdefaults__", {"tell": None, "every": 0.0})
    with caplog.at_level(logging.INFO, "saliency_bench.study.progress"):
        run()
    assert any(line.startswith("1/") and "param_randomization" in line for line in caplog.messages)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("asked", [None, False])
def test_a_run_in_a_notebook(in_a_notebook, asked):
    run(progress=asked)
    if asked is False:
        assert in_a_notebook.shown == []
    else:
        last = in_a_notebook.shown[-1].state
        assert last == State(last.total, last.total, last.gone, "done")


def test_asked_for_it_is_printed_on_standard_error(monkeypatch, capsys):
    monkeypatch.setattr(progress.on_console, "__kwdefaults__", {"every": 0.0})
    run(progress=True)
    assert "0/" in capsys.readouterr().err


def test_progress_is_true_false_or_none():
    with pytest.raises(ValueError, match="progress must be true, false or None; got 'bar'"):
        sb.Options(progress="bar")
