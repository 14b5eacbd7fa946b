"""Measure parts, each in a process of its own, and compose the page: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import sys
from multiprocessing import get_context
from pathlib import Path

from benchmarks import page
from benchmarks.parts import ELSEWHERE, HERE, measure

FOLDER = Path(__file__).parent.parent / "results" / "reference" / "benchmarks"


def main() -> int:
    """Exit status: 0, or 1 if a part failed; the others are measured all the same."""
    chosen = _parser().parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts = [] if chosen.compose else chosen.parts or HERE
    failed = [name for name in parts if not _measured(name, chosen.out, chosen.quick)]
    for name in failed:
        print(f"benchmarks: {name} failed; what it found before stays", file=sys.stderr)
    print(f"page: {page.write(chosen.out)}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        type=_part,
        metavar="PART",
        help=f"{', '.join(HERE)} (all of them by default); {', '.join(ELSEWHERE)}",
    )
    parser.add_argument("--compose", action="store_true", help="measure nothing, compose the page")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the parts' files")
    parser.add_argument("--quick", action="store_true", help="try out: the numbers mean little")
    return parser


def _part(name: str) -> str:
    if name not in (*HERE, *ELSEWHERE):
        known = ", ".join((*HERE, *ELSEWHERE))
        raise argparse.ArgumentTypeError(f"there is no part {name!r}; there are: {known}")
    return name


def _measured(name: str, folder: Path, quick: bool) -> bool:
    """Whether a part was measured; what it loads and starts is gone afterwards."""
    process = get_context("spawn").Process(target=measure, args=(name, folder, quick))
    process.start()
    process.join()
    return process.exitcode == 0


if __name__ == "__main__":
    sys.exit(main())
