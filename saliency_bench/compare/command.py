"""`python -m saliency_bench.compare BASELINE RUN`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from saliency_bench.compare import render
from saliency_bench.compare.baseline import freeze
from saliency_bench.compare.comparison import compare
from saliency_bench.compare.rows import TOLERANCE
from saliency_bench.protocols import Exit, command, printable
from saliency_bench.report.text.console import stdout_console
from saliency_bench.storage.store import location, write_atomic

WIDTH = 140
"""Columns of the table if there is no terminal."""


def main(arguments: Sequence[str]) -> int:
    """Compare or freeze; return the exit status."""
    return command.run("saliency_bench.compare", lambda: _parse(arguments), _run)


def _run(options: argparse.Namespace) -> int:
    command.print_any_letter()
    if options.freeze:
        freeze(location(options.run), location(options.baseline))
        print(f"baseline: {printable(options.baseline)}")
        return Exit.FINISHED
    return _compare(options)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    of_comparison = {"checks", "tolerance", "allow_changes", "junit", "markdown"}
    names = sorted(of_comparison)
    given = [name for name in names if getattr(options, name) != parser.get_default(name)]
    if options.freeze and given:
        parser.error(f"--freeze compares nothing; leave out --{given[0].replace('_', '-')}")
    for name in ("junit", "markdown"):
        if getattr(options, name) == "":
            parser.error(f"--{name} must name a file; got an empty name")
    return options


def _parser() -> command.Parser:
    parser = command.Parser(
        command.program("compare"),
        description="Do maps depend less on what the network learned than they did? "
        "The interval of the difference in `retained` decides, not the numbers alone.",
        epilog="Exit status: 0 same, improved or new, 1 regressed, 2 the request is wrong.",
    )
    parser.add_argument("baseline", metavar="BASELINE", help="folder of a baseline, or of a run")
    parser.add_argument("run", metavar="RUN", help="folder or address of a run")
    parser.add_argument(
        "--freeze", action="store_true", help="do not compare: make BASELINE from RUN"
    )
    parser.add_argument(
        "--checks",
        nargs="+",
        default=(),
        metavar="CHECK",
        help="compare these checks only; goes after BASELINE and RUN",
    )
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, metavar="SHARE",
        help=f"allowed increase of the retained share of a map (default {TOLERANCE})",
    )  # fmt: skip
    parser.add_argument(
        "--allow-changes",
        action="store_true",
        help="allow other scores for the same network and images if maps depend on it as much",
    )
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write Markdown")
    return parser


def _compare(options: argparse.Namespace) -> int:
    comparison = compare(
        location(options.baseline),
        location(options.run),
        checks=options.checks,
        tolerance=options.tolerance,
        changes_allowed=options.allow_changes,
    )
    console = stdout_console(WIDTH)
    console.print(render.terminal(comparison, console.width))
    _write(options.junit, render.junit(comparison))
    _write(options.markdown, render.text(comparison).encode())
    return Exit.FAILED if comparison.regressed else Exit.FINISHED


def _write(place: str | None, content: bytes) -> None:
    if place is None:
        return
    path = location(place)
    if isinstance(path, Path):
        path = path.resolve()
        if path.exists() and not path.is_file():  # a terminal or a pipe: nothing to replace
            path.write_bytes(content)
            return
    write_atomic(path, content)
