"""Live progress on standard error: the current step, the share done, the time left."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from saliency_bench.protocols import printable


class Bar:
    """A bar in a terminal; elsewhere a line every few seconds.

    Args:
        console: where it prints.
        every: seconds between two lines if there is no terminal.
    """

    def __init__(self, console: Console, *, every: float = 10.0) -> None:
        self._console = console
        self._every = every
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._total = self._count = 0
        self._start = self._last_line = 0.0

    def start(self, total: int) -> None:
        """Begin a bar of `total` steps."""
        self._total, self._count = total, 0
        self._start = self._last_line = time.monotonic()
        self._task = self._bar.add_task("explaining", total=total)
        self._bar.start()

    def step(self, what: str) -> None:
        """Begin the step `what`."""
        what = printable(what)
        self._bar.update(self._task, description=what, completed=self._count)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line >= self._every:
            self._last_line = now
            left = (now - self._start) / max(1, self._count) * (self._total - self._count)
            self._console.print(f"{self._count}/{self._total} {what}, about {left:.0f} s left")
        self._count += 1

    def skip(self, count: int) -> None:
        """Count steps that another process did."""
        self._count += count

    def done(self) -> None:
        """End the bar."""
        self._bar.update(self._task, completed=self._count)
        self._bar.stop()

    def tell(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(printable(line))
