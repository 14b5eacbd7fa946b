"""The console on which commands print their tables."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from saliency_bench.protocols import printable


def shown(text: str, style: str = "") -> Text:
    """A text without markup whose names cannot control the terminal."""
    return Text(printable(text), style=style)


def tell(console: Console, line: str) -> None:
    """Print a line that may be longer than the console is wide."""
    console.print(shown(line), soft_wrap=True)


def stdout_console(width: int = 110) -> Console:
    """A console on standard output: as wide as its terminal, or `width` columns without one."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else width)
