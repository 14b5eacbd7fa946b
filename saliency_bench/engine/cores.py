"""Calls that run side by side in one process."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Cores:
    """Threads that run calls side by side.

    TensorFlow and NumPy release Python's lock while they compute, so threads of one process use as
    many cores, and share its memory and its compiled functions.

    Args:
        count: most calls at the same time; 1: the caller runs each call itself.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count) if count > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def run(self, calls: Iterable[tuple[K, Callable[[], T]]]) -> Iterator[tuple[K, T]]:
        """Run calls, and yield the key and the result of each as soon as it is there.

        Each call sees the context variables of the caller. A call starts when another one has
        been taken: at most twice as many as there are cores are under way or wait to be taken.

        Raises:
            BaseException: what a call raises, once those that have begun have ended.
        """
        if self._pool is None:
            for key, call in calls:
                yield key, call()
            return
        waiting = iter(calls)
        running: dict[Future[T], K] = {}
        try:
            while True:
                for key, call in islice(waiting, 2 * self._count - len(running)):
                    running[self._pool.submit(copy_context().run, call)] = key
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()
            wait(running)
