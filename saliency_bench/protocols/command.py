"""What the commands share: flags refused in one line, exit statuses, lines for people."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

from saliency_bench.protocols import interrupts
from saliency_bench.protocols.errors import one_line, printable, shortened
from saliency_bench.protocols.statuses import Exit

Options = TypeVar("Options")

_LINE = 296
"""Most characters of a line, the name of the program included."""


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
                return work(options)
            except SystemExit as stop:  # of code that is not ours
                raise ValueError(one_line(stop)) from stop
    except KeyboardInterrupt as stop:
        tell(program, "interrupted")
        return interrupts.status_of(stop)
    except Exception as error:  # of whatever kind
        tell(program, shortened(describe(error), longest=_LINE - len(program)))
        return Exit.REFUSED
