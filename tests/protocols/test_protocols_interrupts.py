"""An interrupt stays an interrupt, whatever becomes of it where it arrives."""

import ast
import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import saliency_bench
from saliency_bench.protocols import Exit, command, interrupts

SOURCES = sorted(Path(saliency_bench.__file__).parent.rglob("*.py"))
BROAD = {"Exception", "BaseException"}


def broken_off(number=signal.SIGINT):
    """What TensorFlow's tracing makes of an interrupt."""
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        raise AssertionError("the stack of graphs is broken") from None


def lost_in_a_destructor():
    class Holder:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    Holder()
    gc.collect()


@pytest.mark.parametrize("lose", [broken_off, lost_in_a_destructor, signal.default_int_handler])
def test_it_leaves_the_block_in_place_of_what_it_became(lose):
    arguments = (2, None) if lose is signal.default_int_handler else ()
    with pytest.raises(KeyboardInterrupt) as caught, interrupts.kept():
        lose(*arguments)
    assert caught.value.__cause__ is None


def test_whoever_handles_an_error_is_told_by_asking():
    def asking():
        try:
            broken_off()
        except Exception:
            interrupts.ask()
            pytest.fail("it went on")

    with pytest.raises(KeyboardInterrupt), interrupts.kept():
        asking()
    interrupts.ask()  # nothing is left of it


def test_other_errors_and_results_pass():
    with pytest.raises(AssertionError, match="mine"), interrupts.kept():
        raise AssertionError("mine")
    with interrupts.kept():
        interrupts.ask()


def test_the_handlers_that_were_there_decide_and_come_back():
    class Stop(Exception):
        pass

    def own(number, frame):
        raise Stop

    before = signal.signal(signal.SIGINT, own)
    hook = threading.excepthook
    try:
        with pytest.raises(Stop), interrupts.kept():
            broken_off_by(Stop)
        assert signal.getsignal(signal.SIGINT) is own
        signal.signal(signal.SIGINT, lambda number, frame: None)
        with interrupts.kept():
            signal.raise_signal(signal.SIGINT)
            interrupts.ask()  # the caller's handler did not want it to be one
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with interrupts.kept(), interrupts.raised():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert threading.excepthook is hook


def broken_off_by(kind):
    try:
        signal.raise_signal(signal.SIGINT)
    except kind:
        raise SystemError("returned a result with an exception set") from None


def test_a_block_within_a_block_leaves_it_to_the_outer_one():
    def inner():
        with pytest.raises(KeyboardInterrupt), interrupts.kept():
            broken_off()
        interrupts.ask()
        pytest.fail("it was forgotten")

    with pytest.raises(KeyboardInterrupt), interrupts.kept():
        inner()


def test_in_another_thread_nothing_is_installed():
    handler, errors = signal.getsignal(signal.SIGINT), []

    def work():
        with interrupts.kept():
            errors.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == [handler]


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)],
)
def test_a_command_ends_with_its_status(number, status, capsys):
    before = signal.getsignal(number)
    assert command.run("program", lambda: number, broken_off) == status
    assert capsys.readouterr().err == "program: interrupted\n"
    assert signal.getsignal(number) is before


def test_one_that_passes_through_exec_does_not_kill_python(tmp_path):
    """As dataclasses are made by `exec`; Python would end by the signal itself, not by 130."""
    program = """
import sys
from saliency_bench.protocols import command
cut = "import signal; signal.raise_signal(signal.SIGINT)"
sys.exit(command.run("program", lambda: cut, exec))
"""
    (tmp_path / "program.py").write_text(program)
    ended = subprocess.run(
        [sys.executable, "-m", "program"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (130, "program: interrupted\n")


def test_once_muted_no_further_one_disturbs_the_end():
    with interrupts.raised(), interrupts.kept():
        interrupts.mute()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def broad_handlers(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            named = ast.walk(node.type) if node.type else ()
            names = {name.id for name in named if isinstance(name, ast.Name)}
            if names & BROAD or node.type is None:
                yield node


def asks_or_raises(handler):
    """Whether it asks first, or ends by raising again what it caught."""
    first, last = handler.body[0], handler.body[-1]
    return ast.unparse(first) == "interrupts.ask()" or (
        isinstance(last, ast.Raise) and last.exc is None
    )


OUTERMOST = {"cli/job.py", "cli/main.py", "cli/request.py", "protocols/command.py"}
"""Their blocks are `interrupts.kept`, which never lets the error of an interrupt out."""


def test_whoever_handles_any_error_asks_whether_it_is_an_interrupt():
    root = Path(saliency_bench.__file__).parent
    silent = {
        str(path.relative_to(root))
        for path in SOURCES
        for handler in broad_handlers(path)
        if not asks_or_raises(handler)
    }
    assert silent == OUTERMOST
