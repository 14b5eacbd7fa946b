"""Receivers of the progress of a run."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a run."""

    def start(self, total: int, *, at_most: bool = False) -> None:
        """The run has `total` steps, or perhaps fewer if `at_most`."""
        ...

    def step(self, what: str, kind: str = "") -> None:
        """One step, `what`, begins; steps of a kind take as long, but the first may compile."""
        ...

    def skip(self, count: int) -> None:
        """Another process has done `count` of the steps."""
        ...

    def done(self) -> None:
        """The run has no further steps."""
        ...

    def tell(self, line: str) -> None:
        """A line that stays visible."""
        ...


class Silent:
    """Ignores the progress."""

    def start(self, total: int, *, at_most: bool = False) -> None:
        """Nothing."""

    def step(self, what: str, kind: str = "") -> None:
        """Nothing."""

    def skip(self, count: int) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""

    def tell(self, line: str) -> None:
        """Nothing."""


def duration(seconds: float) -> str:
    """A time in words, about as exact as an estimate is: "41 s", "12 min", "3.4 h"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:.1f} h"


def clock(seconds: float) -> str:
    """A time as h:mm:ss: "0:00:41", "3:24:00"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
