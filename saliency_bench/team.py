"""Further local processes that work at the same run: `workers=n`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING

from joblib.externals.loky import get_reusable_executor

from saliency_bench.outcome import Silent

if TYPE_CHECKING:
    from saliency_bench.request import Request


class Attached(Silent):
    """A progress that tells nobody, and ends a process whose parent has ended.

    Args:
        parent: number of the process that started this one.
    """

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def step(self, what: str) -> None:
        """Raises `SystemExit` if nobody waits for it any more."""
        if os.name != "nt" and os.getppid() != self._parent:
            raise SystemExit


@contextmanager
def helpers(request: Request, count: int) -> Iterator[list[Future[None]]]:
    """`count` processes that share the cells of a run, until the block is left.

    They find what is to be done as this process does, and take what nobody has claimed. Whatever
    becomes of one, this process does the rest. What they have not finished then is not needed.
    """
    if not count:
        yield []
        return
    executor = get_reusable_executor(max_workers=count, reuse=False, timeout=None)
    try:
        places = [place / (count + 1) for place in range(1, count + 1)]
        yield [executor.submit(_help, request, place, os.getpid(), sys.argv) for place in places]
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def _help(request: Request, place: float, parent: int, arguments: list[str]) -> None:
    from saliency_bench import app

    sys.argv = arguments
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        app.join(request, place, Attached(parent))
