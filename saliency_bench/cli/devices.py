"""Gives each of several processes on one machine a GPU of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # there are no such locks on Windows
    fcntl = None  # type: ignore[assignment]

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible_devices() -> int:
    """Number of GPUs that this process sees.

    Raises:
        ValueError: if `CUDA_VISIBLE_DEVICES` is not set.
    """
    listed = os.environ.get(VARIABLE, "")
    if not listed:
        raise ValueError(f"{VARIABLE} must list the GPUs to use, as in 0,1; it is not set")
    return len(listed.split(","))


@contextmanager
def one_device(number: int) -> Iterator[dict[str, str]]:
    """Environment variables for a child process that shall see one of this process's GPUs.

    Inside the block no other process gets the same GPU, as long as one is free. If none is free,
    or the system has no locks, `number` chooses one. Empty if this process sees fewer than two.
    """
    devices = os.environ.get(VARIABLE, "").split(",")
    if len(devices) < 2:
        yield {}
        return
    for device in devices if fcntl is not None else ():
        with _lock(device).open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield {VARIABLE: device}
            return
    yield {VARIABLE: devices[number % len(devices)]}


def _lock(device: str) -> Path:
    # A file per user: another user's file could not be opened.
    name = f"saliency-bench-{os.getuid()}-{device.strip().replace('/', '-')}.lock"
    return Path(tempfile.gettempdir()) / name
