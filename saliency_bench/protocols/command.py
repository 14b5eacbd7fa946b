"""What the commands share: how they are called, flags refused in one line, exit statuses."""

from __future__ import annotations

import argparse
import io
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from saliency_bench.protocols import interrupts
from saliency_bench.protocols.errors import one_line, printable, shortened
from saliency_bench.protocols.statuses import Exit

Options = TypeVar("Options")

_LINE = 296
"""Most characters of a line, the name of the program included."""


SCRIPT = "saliency-bench"
"""The console script."""

UNREAD = 128 + 13
"""Exit status when nobody reads on: that of a program which SIGPIPE ends."""

_MODULE = "python -m saliency_bench"


def program(command: str = "") -> str:
    """What to type for this program, or for one of its commands, as this process was started.

    Args:
        command: such as report; empty: the program itself.
    """
    path = Path(sys.argv[0])
    if path.name.removesuffix(".exe") == SCRIPT:
        return f"{SCRIPT} {command}".rstrip()
    if (path.parent.name, path.name) == (command, "__main__.py"):
        return f"{_MODULE}.{command}"
    return f"{_MODULE} {command}".rstrip()


class Parser(argparse.ArgumentParser):
    """A parser whose errors are a single line."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            ValueError: in one line.
        """
        raise ValueError(f"{message} (--help shows all options)")


def tell(program: str, line: str) -> None:
    """Print a line on standard error, after the name of the program."""
    print(f"{program}: {printable(line)}", file=sys.stderr, flush=True)


def print_any_letter() -> None:
    """Let standard output escape letters that it cannot encode: names may have such."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _nobody_reads() -> bool:
    """Whether who read standard output has gone, as `head` does; what is left is then dropped."""
    try:
        place = sys.stdout.fileno()
    except (OSError, ValueError):  # it is no file
        return False
    watched = select.poll()
    watched.register(place, 0)
    gone = any(event & select.POLLERR for _, event in watched.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), place)
    return gone


def run(
    program: str,
    parse: Callable[[], Options],
    work: Callable[[Options], int],
    describe: Callable[[BaseException], str] = one_line,
) -> int:
    """Run a command; return its exit status. Whatever is wrong is told in one line.

    Args:
        program: its name.
        parse: reads the arguments; leaves by `SystemExit` once it has shown the help.
        work: does what they ask for; returns an exit status.
        describe: puts an error into one line.
    """
    try:
        with interrupts.raised(), interrupts.kept():
            options = parse()
            try:
                status = work(options)
                sys.stdout.flush()
                return status
            except SystemExit as stop:  # of code that is not ours
                raise ValueError(one_line(stop)) from stop
            except BrokenPipeError:
                if not _nobody_reads():
                    raise
                return UNREAD
    except KeyboardInterrupt as stop:
        tell(program, "interrupted")
        return interrupts.status_of(stop)
    except Exception as error:  # of whatever kind
        tell(program, shortened(describe(error), longest=_LINE - len(program)))
        return Exit.REFUSED
