"""`python -m saliency_bench.compare BASELINE RUN`."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from saliency_bench.compare import render
from saliency_bench.compare.baseline import freeze
from saliency_bench.compare.comparison import compare
from saliency_bench.compare.rows import TOLERANCE
from saliency_bench.storage.store import location, write_atomic

SAME, REGRESSED, REFUSED = 0, 1, 2
"""Exit statuses."""

WIDTH = 140


def main(arguments: Sequence[str]) -> int:
    """Compare, or freeze; returns the exit status."""
    told = _parsed(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may have letters that it cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if told.freeze:
            freeze(location(told.run), location(told.baseline))
            print(f"baseline: {told.baseline}")
            return SAME
        return _compared(told)
    except (ValueError, OSError) as error:
        print(f"saliency_bench.compare: {' '.join(str(error).split())}", file=sys.stderr)
        return REFUSED


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    told = parser.parse_args(arguments)
    compared = {"checks", "tolerance", "allow_changes", "junit", "markdown"}
    given = [name for name in sorted(compared) if getattr(told, name) != parser.get_default(name)]
    if told.freeze and given:
        parser.error(f"--freeze compares nothing; leave out --{given[0].replace('_', '-')}")
    for name in ("junit", "markdown"):
        if getattr(told, name) == "":
            parser.error(f"--{name} must name a file; got an empty name")
    return told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m saliency_bench.compare",
        description="Do maps depend less on what the network learned than they did? Decided by "
        "the interval of the difference in what they retain, not by the numbers alone.",
        epilog="Exit status: 0 same, 1 regressed, 2 the request was wrong.",
    )
    parser.add_argument("baseline", metavar="BASELINE", help="folder of a baseline, or of a run")
    parser.add_argument("run", metavar="RUN", help="folder or address of a run")
    parser.add_argument(
        "--freeze", action="store_true", help="compare nothing: make BASELINE of RUN"
    )
    parser.add_argument(
        "--checks",
        nargs="+",
        default=(),
        metavar="CHECK",
        help="compare these alone; behind BASELINE and RUN",
    )
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, metavar="SHARE",
        help=f"how much more of a map may be retained (default {TOLERANCE})",
    )  # fmt: skip
    parser.add_argument(
        "--allow-changes",
        action="store_true",
        help="scores of the same network and images may change if their dependence does not",
    )
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write Markdown")
    return parser


def _compared(told: argparse.Namespace) -> int:
    comparison = compare(
        location(told.baseline),
        location(told.run),
        checks=told.checks,
        tolerance=told.tolerance,
        changes_allowed=told.allow_changes,
    )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(render.terminal(comparison, console.width))
    _write(told.junit, render.junit(comparison))
    _write(told.markdown, render.text(comparison).encode())
    return REGRESSED if comparison.regressed else SAME


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
