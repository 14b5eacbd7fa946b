"""A device of its own for each of several processes on one machine."""

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
    """How many devices this process sees.

    Raises:
        ValueError: if the environment does not say so.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        raise ValueError(f"{VARIABLE} must list the GPUs to use, as in 0,1; it is not set")
    return len(given.split(","))


@contextmanager
def one_device(number: int) -> Iterator[dict[str, str]]:
    """Environment of a process that is to see one of the devices which this one sees.

    As long as the block lasts no other process gets the same one, while there are enough. Where
    there are not, or no locks, `number` chooses. Empty if there are no two to choose from.
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
    # A person's own file: another one's could not be opened.
    name = f"saliency-bench-{os.getuid()}-{device.strip().replace('/', '-')}.lock"
    return Path(tempfile.gettempdir()) / name
