"""The console on which commands print their tables."""

from __future__ import annotations

import sys

from rich.console import Console


def stdout_console(width: int = 110) -> Console:
    """A console on standard output: as wide as its terminal, or `width` columns without one."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else width)
