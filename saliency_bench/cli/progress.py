"""Live progress on standard error: what is being done, how far, how long still."""

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


class Bar:
    """A bar in a terminal; elsewhere a line every few seconds.

    Args:
        console: where to.
        every: seconds between two lines where there is no terminal.
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
        self._begun = self._told = 0.0

    def start(self, total: int) -> None:
        """`total` steps are to come."""
        self._total, self._count = total, 0
        self._begun = self._told = time.monotonic()
        self._task = self._bar.add_task("explaining", total=total)
        self._bar.start()

    def step(self, what: str) -> None:
        """One step, `what`, is about to be done."""
        self._bar.update(self._task, description=what, completed=self._count)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._told >= self._every:
            self._told = now
            left = (now - self._begun) / max(1, self._count) * (self._total - self._count)
            self._console.print(f"{self._count}/{self._total} {what}, about {left:.0f} s left")
        self._count += 1

    def skip(self, count: int) -> None:
        """Another process did `count` of the steps."""
        self._count += count

    def done(self) -> None:
        """Nothing more is to come."""
        self._bar.update(self._task, completed=self._count)
        self._bar.stop()

    def tell(self, line: str) -> None:
        """A line that is to stay."""
        self._console.print(line)
