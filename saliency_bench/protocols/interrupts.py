"""Ctrl-C and SIGTERM: no error takes their place, whatever they broke off.

An interrupt may arrive anywhere. In the middle of TensorFlow's tracing it becomes an
`AssertionError` or a `SystemError`, in a destructor it is lost. So its handler remembers it, and
whoever handles an `Exception` without raising it again calls `ask` first.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """A SIGTERM arrived; the process ends as after Ctrl-C."""


def status_of(stop: KeyboardInterrupt) -> int:
    """The exit status of a process that an interrupt ends: 130, or 143 after SIGTERM."""
    # Python would end by SIGINT itself if one has passed through an `exec` of a text, as those of
    # dataclasses; each further one makes it forget that.
    exec("")
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


_arrived: list[BaseException] = []
"""What handlers have raised within the outermost `kept`."""


def ask() -> None:
    """Raise the interrupt that has arrived, if any."""
    if _arrived:
        raise _arrived[0] from None


@contextmanager
def kept() -> Iterator[None]:
    """Remember an interrupt inside the block: it leaves the block in place of any other error.

    The handlers that are installed decide what a signal means, and are put back. Outside of the
    main thread, which alone receives signals, nothing is installed.
    """
    with _remembering():
        try:
            yield
        except Exception:
            ask()
            raise
        ask()


@contextmanager
def raised() -> Iterator[None]:
    """Inside the block SIGINT raises `KeyboardInterrupt` and SIGTERM raises `Terminated`.

    This is for processes of our own. A signal that the process ignores stays ignored.
    """
    with _handlers(lambda before: None if before in (signal.SIG_IGN, None) else _raise):
        yield


def mute() -> None:
    """Ignore further interrupts until `raised` and `kept` put their handlers back."""
    for number in NUMBERS:
        if callable(signal.getsignal(number)):
            # A function, as processes that are started now would inherit SIG_IGN.
            signal.signal(number, _ignore)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _remember(before: Handler, number: int, frame: FrameType | None) -> None:
    try:
        before(number, frame)
    except BaseException as stop:
        _arrived.append(stop)
        raise


@contextmanager
def _remembering() -> Iterator[None]:
    global _is_remembering
    if _is_remembering or threading.current_thread() is not threading.main_thread():
        yield
        return
    hook = sys.unraisablehook
    _is_remembering = True
    try:
        # What an interrupt broke in a destructor is not worth a traceback.
        sys.unraisablehook = lambda broken: None if _arrived else hook(broken)
        with _handlers(lambda before: partial(_remember, before) if callable(before) else None):
            yield
    finally:
        sys.unraisablehook = hook
        _is_remembering = False
        _arrived.clear()


_is_remembering = False


@contextmanager
def _handlers(make: Callable[[Any], Handler | None]) -> Iterator[None]:
    """Install what `make` makes of each handler, if anything; and put back the handlers."""
    replaced: list[tuple[signal.Signals, Handler, Any]] = []
    try:
        for number in NUMBERS:
            before = signal.getsignal(number)
            handler = make(before)
            if handler is not None:
                replaced.append((number, handler, before))
                signal.signal(number, handler)
        yield
    finally:
        for number, handler, before in replaced:
            if signal.getsignal(number) in (handler, _ignore):
                signal.signal(number, before)
