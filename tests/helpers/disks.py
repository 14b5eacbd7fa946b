"""A disk of a test's own, as small as the test wants it."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A disk in memory, mounted in a new folder, and what mounts it anew with other options.

    The test is skipped, with the reason, where none can be mounted.
    """
    folder.mkdir()

    def mount(options: str) -> subprocess.CompletedProcess[str]:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    try:
        first = mount(options)
    except FileNotFoundError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    if first.returncode:
        pytest.skip(f"no disk can be mounted here: {first.stderr.strip()}")
    try:
        yield lambda options: mount(f"remount,{options}").check_returncode()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
