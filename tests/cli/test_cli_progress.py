import io

from rich.console import Console

from saliency_bench.cli.progress import Bar


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
