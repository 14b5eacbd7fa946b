"""Additional local processes that work on the same run: `workers=n`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr
from threading import Thread

from joblib.externals.loky import get_reusable_executor

GLANCE = 0.5
"""Seconds between two looks of a helper whether its parent process is alive."""


@contextmanager
def helpers(work: Callable[[float], None], count: int) -> Iterator[list[Future[None]]]:
    """Run `count` processes that compute cells of the same run, until the block ends.

    Each calls `work` with its starting place in the plan, a share in [0, 1), and takes cells that
    no other process has claimed. If a helper fails, this process computes its cells. Helpers end
    with this process, also if it is killed.

    Args:
        work: computes missing cells of the run, beginning at a place.
        count: number of helpers; 0: none.
    """
    if not count:
        yield []
        return
    executor = get_reusable_executor(
        max_workers=count, reuse=False, timeout=None, initializer=_follow, initargs=(os.getpid(),)
    )
    try:
        places = [place / (count + 1) for place in range(1, count + 1)]
        with _deaf_to_ctrl_c():
            helping = [executor.submit(_help, work, place, sys.argv) for place in places]
        yield helping
    finally:
        executor.shutdown(wait=True, kill_workers=True)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that start inside never receive SIGINT: a terminal sends it to this one as well."""
    if os.name == "nt":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(parent: int) -> None:
    """End this process as soon as its parent has ended."""

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(GLANCE)
        os._exit(1)

    if os.name != "nt":  # Windows keeps reporting the number of a dead parent
        Thread(target=follow, daemon=True).start()


def _help(work: Callable[[float], None], place: float, arguments: list[str]) -> None:
    sys.argv = arguments
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        work(place)
