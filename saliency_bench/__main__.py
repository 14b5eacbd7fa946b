"""The commands: `python -m saliency_bench`, and the console script `saliency-bench`."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from types import FrameType

RUN = "run"
"""The command that is meant where none is named."""

COMMANDS = {
    "explain": "saliency_bench.explain.command",
    "report": "saliency_bench.report.command",
    "compare": "saliency_bench.compare.command",
    "properties": "saliency_bench.properties.command",
    "list": "saliency_bench.cli.listing",
}
"""The modules of the other commands."""


def script() -> int:
    """The console script: as with `python -m`, modules of the working directory are found."""
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())
    return main("saliency-bench")


def main(called: str = "python -m saliency_bench") -> int:
    """Run the command that the command line names; return the exit status.

    Args:
        called: what a person types for this program.
    """
    signals = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    for number in signals:
        signal.signal(number, partial(_end, called))
    status = _command()()
    for number in signals:  # all is done; only the interpreter's end is left
        signal.signal(number, signal.SIG_IGN)
    return status


def _command() -> Callable[[], int]:
    name, *rest = sys.argv[1:] or [RUN]
    if name in COMMANDS:
        return lambda: _run_command(name, rest)
    if name.isidentifier() and name != RUN:
        return lambda: _refuse(name)
    if name == RUN:  # all processes of a run read the others as its overrides
        sys.argv = [sys.argv[0], *rest]
    return _run


def _run() -> int:
    from saliency_bench.cli import help_page

    listed = help_page.folders(sys.argv[1:])
    if listed is not None:
        return help_page.show(listed)
    from saliency_bench.cli.main import main as run

    return run(RUN, list(COMMANDS))


def _run_command(name: str, arguments: Sequence[str]) -> int:
    status: int = import_module(COMMANDS[name]).main(arguments)
    return status


def _refuse(name: str) -> int:
    from saliency_bench.protocols import Exit, command, known_names

    known = known_names(name, [RUN, *COMMANDS])
    command.tell("saliency_bench", f"{name} is neither a command nor key=value; {known}")
    return Exit.REFUSED


def _end(called: str, number: int, frame: FrameType | None) -> None:
    """End at once: while modules are imported, nothing has begun."""
    command = " ".join([called, *map(shlex.quote, sys.argv[1:])])
    print(f"saliency_bench: interrupted; to go on: {command}", file=sys.stderr, flush=True)
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
