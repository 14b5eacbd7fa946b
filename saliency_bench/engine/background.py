"""Work done in a thread behind the caller, so that two things overlap."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Self


class Background:
    """A thread that works behind the caller, in order and at most `lag` calls late."""

    def __init__(self, lag: int = 2) -> None:
        self._lag = lag
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._pending: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Finishes what was begun, also when the caller was interrupted: it is paid for."""
        self._pool.shutdown()

    def do(self, work: Callable[..., None], *args: Any) -> None:
        """Call `work(*args)` soon; raises what an earlier call raised."""
        self.catch_up(self._lag)
        self._pending.append(self._pool.submit(work, *args))

    def catch_up(self, lag: int = 0) -> None:
        """Wait until at most `lag` calls are open; raises what one of them raised."""
        while len(self._pending) > lag:
            self._pending.pop(0).result()

    def settle(self) -> None:
        """Wait until nothing is open, whatever became of it."""
        wait(self._pending)
