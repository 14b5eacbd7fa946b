"""Runs work in a background thread, so that it overlaps with the caller's work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Self


class Background:
    """A background thread that runs calls in order.

    Args:
        lag: most calls that may wait; one more blocks the caller.
    """

    def __init__(self, lag: int = 2) -> None:
        self._lag = lag
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._pending: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Finish all submitted calls, also after an interruption: no computed map is lost."""
        self._pool.shutdown()

    def do(self, work: Callable[..., None], *args: Any) -> None:
        """Submit a call `work(*args)`; raises the error of an earlier call."""
        self.catch_up(self._lag)
        self._pending.append(self._pool.submit(work, *args))

    def catch_up(self, lag: int = 0) -> None:
        """Wait until at most `lag` calls are open; raises the error of a finished call."""
        while len(self._pending) > lag:
            self._pending.pop(0).result()

    def settle(self) -> None:
        """Wait until no call is open; raises no error."""
        wait(self._pending)
