"""Who is told what a run is doing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what is being done, and how far it is."""

    def start(self, total: int) -> None:
        """`total` steps are to come."""
        ...

    def step(self, what: str) -> None:
        """One step, `what`, is about to be done."""
        ...

    def skip(self, count: int) -> None:
        """Another process did `count` of the steps."""
        ...

    def done(self) -> None:
        """Nothing more is to come."""
        ...

    def tell(self, line: str) -> None:
        """A line that is to stay."""
        ...


class Silent:
    """Tells nobody."""

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
