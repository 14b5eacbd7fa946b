"""What processes need that work for another one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

GLANCE = 0.5
"""Seconds between two looks of a helper whether its parent process is alive."""


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that start inside never receive SIGINT: a terminal sends it to this one as well."""
    if os.name == "nt":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(parent: int) -> None:
    """End this process as soon as its parent, a process of this number, has ended."""

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(GLANCE)
        os._exit(1)

    if os.name != "nt":  # Windows keeps reporting the number of a dead parent
        Thread(target=follow, daemon=True).start()


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what libraries print on standard error, below Python, while they start."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
