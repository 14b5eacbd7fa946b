"""The console on which commands print their tables, and the line of a command that failed."""

from __future__ import annotations

import sys

from rich.console import Console

from saliency_bench.protocols import Exit, one_line

LONGEST = 298
"""Most letters of a line about an error."""


def stdout_console(width: int = 110) -> Console:
    """A console on standard output: as wide as its terminal, or `width` columns without one."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else width)


def refuse(command: str, error: Exception) -> Exit:
    """Print an error as one line on standard error; returns the exit status.

    Args:
        command: name of the program.
        error: what made it impossible.
    """
    start = f"{command}: "
    print(start + one_line(error, longest=LONGEST - len(start)), file=sys.stderr)
    return Exit.REFUSED
