"""Live progress: the share done, the time gone and left, the step; on screen or in a log."""

from __future__ import annotations

import html
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from saliency_bench.protocols import Progress as Receiver
from saliency_bench.protocols import Silent, clock, printable
from saliency_bench.study.pace import Pace

_LOG = logging.getLogger(__name__)

OFTEN = 0.2
"""Seconds between two pictures of a notebook's bar: each is a message to the browser."""


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes:
        done: steps that are done.
        total: of the run.
        gone: seconds since its start.
        what: the step that begins.
        left: the time left, in words; empty while it is not known.
    """

    done: int
    total: int
    gone: float = 0.0
    what: str = "explaining"
    left: str = ""

    @property
    def line(self) -> str:
        """The state as a line of text."""
        return f"{', '.join(filter(None, [self.so_far, self.left]))}: {self.what}"

    @property
    def so_far(self) -> str:
        """What is done, and the time it took."""
        return f"{self.done}/{self.total} after {clock(self.gone)}"


class Face(Protocol):
    """Shows a progress somewhere."""

    def begin(self, state: State, now: float) -> None:
        """Show a run of which nothing is done, `now` on the clock in seconds."""
        ...

    def show(self, state: State, now: float) -> None:
        """Show a step that begins, `now` on the clock in seconds."""
        ...

    def end(self, state: State) -> None:
        """Show that a run is over."""
        ...

    def tell(self, line: str) -> None:
        """Show a line that stays."""
        ...


class Terminal:
    """A bar in a terminal, which goes when the run is over.

    Args:
        console: of the terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )

    def begin(self, state: State, now: float) -> None:
        """Begin a bar."""
        self._task = self._bar.add_task(state.what, total=state.total, left="")
        self._bar.start()

    def show(self, state: State, now: float) -> None:
        """Move the bar on."""
        self._bar.update(self._task, description=state.what, completed=state.done, left=state.left)

    def end(self, state: State) -> None:
        """End the bar."""
        self._bar.update(self._task, completed=state.done)
        self._bar.stop()

    def tell(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line)


class Lines:
    """A line of text every few seconds, and one when the run is over if there was any.

    Args:
        say: takes a line.
        tell: takes a line that stays; default: `say`.
        every: seconds between two lines.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        tell: Callable[[str], None] | None = None,
        every: float = 10.0,
    ) -> None:
        self._say = say
        self.tell = tell or say
        self._every = every

    def begin(self, state: State, now: float) -> None:
        """Wait for the first line."""
        self._start = self._last = now

    def show(self, state: State, now: float) -> None:
        """Say a line if it is time."""
        if now - self._last >= self._every:
            self._last = now
            self._say(state.line)

    def end(self, state: State) -> None:
        """Say what it took."""
        if self._last > self._start:
            self._say(state.so_far)


class Notebook:
    """A bar under a notebook's cell, which needs no widgets.

    Args:
        display: that of IPython: shows an object and returns a handle whose `update` replaces it.
        every: seconds between two pictures.
    """

    def __init__(self, display: Callable[..., Any], *, every: float = OFTEN) -> None:
        self._display = display
        self._every = every
        self._last = 0.0

    def begin(self, state: State, now: float) -> None:
        """Show an empty bar."""
        self._handle = self._display(Shown(state), display_id=True)

    def show(self, state: State, now: float) -> None:
        """Replace the bar if it is time."""
        if now - self._last >= self._every:
            self._last = now
            self._handle.update(Shown(state))

    def end(self, state: State) -> None:
        """Show the bar at its end; it stays, as a notebook is a record."""
        self._handle.update(Shown(replace(state, what="done")))

    def tell(self, line: str) -> None:
        """Print a line below the bar."""
        print(line)


@dataclass(frozen=True)
class Shown:
    """A state as notebooks show it: as a bar, or as text where there is no HTML."""

    state: State

    def __repr__(self) -> str:
        return self.state.line

    def _repr_html_(self) -> str:
        state = self.state
        bar = f'<progress value="{state.done}" max="{state.total}"></progress>'
        return f"<div>{bar} {html.escape(state.line)}</div>"


class Bar:
    """A progress that counts steps, knows the time left, and shows both somewhere.

    Args:
        face: where.
    """

    def __init__(self, face: Face) -> None:
        self._face = face
        self._total = self._count = self._skipped = 0
        self._about = "about"

    def start(self, total: int, *, at_most: bool = False) -> None:
        """Begin a bar of `total` steps, or perhaps fewer if `at_most`."""
        self._total, self._count, self._skipped = total, 0, 0
        self._about = "at most about" if at_most else "about"
        self._pace = Pace()
        self._start = time.monotonic()
        self._face.begin(State(0, total), self._start)

    def step(self, what: str, kind: str = "") -> None:
        """Begin the step `what`; the time left is told once each kind of step was timed."""
        now = time.monotonic()
        self._pace.begin(kind, now)
        self._face.show(self._state(now, printable(what), self._left()), now)
        self._count += 1

    def skip(self, count: int) -> None:
        """Count steps that another process did."""
        self._count += count
        self._skipped += count

    def done(self) -> None:
        """End the bar."""
        self._face.end(self._state(time.monotonic()))

    def tell(self, line: str) -> None:
        """Show a line that stays."""
        self._face.tell(printable(line))

    def _state(self, now: float, what: str = "", left: str = "") -> State:
        return State(self._count, self._total, now - self._start, what, left)

    def _left(self) -> str:
        """The time left, in words; empty while it is not known."""
        own = 1 - self._skipped / max(1, self._count)
        left = self._pace.left(self._total - self._count)
        return "" if left is None else f"{self._about} {clock(left * own)} left"


def on_console(console: Console, *, every: float = 10.0) -> Bar:
    """A bar if the console is a terminal; else a line every few seconds.

    Args:
        console: where it prints.
        every: seconds between two lines.
    """
    return Bar(Terminal(console) if console.is_terminal else Lines(console.print, every=every))


def stderr_console() -> Console:
    """The console on standard error that shows a run's progress."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def for_python(asked: bool | None) -> Receiver:
    """The progress of a run from Python.

    Args:
        asked: None: a bar in a terminal and in a notebook; elsewhere lines in the log, of level
            INFO, and nothing on standard error. True: lines on standard error there. False: none.
    """
    if asked is False:
        return Silent()
    console = stderr_console()
    if console.is_jupyter and "IPython" in sys.modules:
        from IPython.display import display

        return Bar(Notebook(display))
    if console.is_terminal or asked:
        return on_console(console)
    # What stays is logged by those who tell it.
    return Bar(Lines(_LOG.info, tell=lambda line: None))
