"""Receivers of the progress of a run."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a run."""

    def start(self, total: int) -> None:
        """The run has `total` steps."""
        ...

    def step(self, what: str) -> None:
        """One step, `what`, begins."""
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

    def start(self, total: int) -> None:
        """Nothing."""

    def step(self, what: str) -> None:
        """Nothing."""

    def skip(self, count: int) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""

    def tell(self, line: str) -> None:
        """Nothing."""
