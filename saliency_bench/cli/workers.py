"""Further local processes that work at the same run: `workers=n`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr
from threading import Thread

from joblib.externals.loky import get_reusable_executor

GLANCE = 0.5
"""Seconds after which a helper looks again whether the process that started it is there."""


@contextmanager
def helpers(work: Callable[[float], None], count: int) -> Iterator[list[Future[None]]]:
    """`count` processes that share the cells of a run, until the block is left.

    Each does `work`, told the share of the plan at which it begins.

    They find what is to be done as this process does, and take what nobody has claimed. Whatever
    becomes of one, this process does the rest. What they have not finished then is not needed.
    They end with this process, however it ends.
    """
    if not count:
        yield []
        return
    executor = get_reusable_executor(
        max_workers=count, reuse=False, timeout=None, initializer=_follow, initargs=(os.getpid(),)
    )
    try:
        places = [place / (count + 1) for place in range(1, count + 1)]
        yield [executor.submit(_help, work, place, sys.argv) for place in places]
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def _follow(parent: int) -> None:
    """End this process when its parent has ended, whatever it is at or waits for."""

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(GLANCE)
        os._exit(1)

    if os.name != "nt":  # there a process keeps the number of a parent that has ended
        Thread(target=follow, daemon=True).start()


def _help(work: Callable[[float], None], place: float, arguments: list[str]) -> None:
    sys.argv = arguments
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        work(place)
