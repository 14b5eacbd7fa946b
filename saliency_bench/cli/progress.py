"""Live progress on standard error: the share done, the time gone and left, the current step."""

from __future__ import annotations

import time
from collections import Counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from saliency_bench.protocols import clock, printable


class Pace:
    """How long steps take, by kind; the first of each kind is not counted, as it may compile."""

    def __init__(self) -> None:
        self._begun = Counter[str]()
        self._timed = Counter[str]()
        self._seconds: dict[str, float] = {}
        self._current, self._since = "", 0.0

    def begin(self, kind: str, now: float) -> None:
        """A step of a kind begins, and the one before it ends."""
        before = self._current
        if self._begun[before] > 1:
            self._timed[before] += 1
            self._seconds[before] = self._seconds.get(before, 0.0) + now - self._since
        self._begun[kind] += 1
        self._current, self._since = kind, now

    def left(self, steps: int) -> float | None:
        """Seconds that more steps take, kinds alternating; None until each kind was timed."""
        if not self._timed or self._timed.keys() != self._begun.keys():
            return None
        means = [self._seconds[kind] / count for kind, count in self._timed.items()]
        return steps * sum(means) / len(means)


class Bar:
    """A bar in a terminal; elsewhere a line every few seconds, and one when the work is done.

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
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._total = self._count = self._skipped = 0
        self._about = "about"
        self._last_line = 0.0

    def start(self, total: int, *, at_most: bool = False) -> None:
        """Begin a bar of `total` steps, or perhaps fewer if `at_most`."""
        self._total, self._count, self._skipped = total, 0, 0
        self._about = "at most about" if at_most else "about"
        self._pace = Pace()
        self._start = self._last_line = time.monotonic()
        self._task = self._bar.add_task("explaining", total=total, left="")
        self._bar.start()

    def step(self, what: str, kind: str = "") -> None:
        """Begin the step `what`; the time left is told once each kind of step was timed."""
        what, now = printable(what), time.monotonic()
        self._pace.begin(kind, now)
        left = self._left()
        self._bar.update(self._task, description=what, completed=self._count, left=left)
        if not self._console.is_terminal and now - self._last_line >= self._every:
            self._last_line = now
            self._console.print(f"{', '.join(filter(None, [self._so_far(now), left]))}: {what}")
        self._count += 1

    def skip(self, count: int) -> None:
        """Count steps that another process did."""
        self._count += count
        self._skipped += count

    def done(self) -> None:
        """End the bar."""
        self._bar.update(self._task, completed=self._count)
        self._bar.stop()
        if self._last_line > self._start:
            self._console.print(self._so_far(time.monotonic()))

    def _so_far(self, now: float) -> str:
        return f"{self._count}/{self._total} after {clock(now - self._start)}"

    def _left(self) -> str:
        """The time left, in words; empty while it is not known."""
        own = 1 - self._skipped / max(1, self._count)
        left = self._pace.left(self._total - self._count)
        return "" if left is None else f"{self._about} {clock(left * own)} left"

    def tell(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(printable(line))
