"""Additional local processes that work on the same run: `workers=n`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr

from joblib.externals.loky import get_reusable_executor

from saliency_bench.protocols.processes import deaf_to_ctrl_c, end_with


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
        max_workers=count, reuse=False, timeout=None, initializer=end_with, initargs=(os.getpid(),)
    )
    try:
        places = [place / (count + 1) for place in range(1, count + 1)]
        with deaf_to_ctrl_c():
            helping = [executor.submit(_help, work, place, sys.argv) for place in places]
        yield helping
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def _help(work: Callable[[float], None], place: float, arguments: list[str]) -> None:
    sys.argv = arguments
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        work(place)
