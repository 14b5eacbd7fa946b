"""One report over run folders, from their files: nothing is computed, TensorFlow is not loaded."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from saliency_bench.protocols import Exit, command
from saliency_bench.protocols.processors import available
from saliency_bench.report import board, page
from saliency_bench.report.text.console import shown, stdout_console, tell
from saliency_bench.report.text.markdown import board_text
from saliency_bench.report.text.terminal import verdict_table
from saliency_bench.report.write import write
from saliency_bench.results import Results, files, merge
from saliency_bench.storage.store import location, write_atomic


def main(arguments: Sequence[str]) -> int:
    """Merge runs and report on them; returns the exit status."""
    return command.run("saliency_bench.report", lambda: _parser().parse_args(arguments), _report)


def _parser() -> command.Parser:
    parser = command.Parser(
        command.program("report"),
        description="One report over finished runs. Runs of one study (the same model, images and "
        "seed) become one table; where they overlap they must agree. Other studies stand beside.",
        epilog="Exit status: 0 finished, 1 a run is not valid, 2 the request was wrong.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder or address of a run")
    parser.add_argument("--out", help="where to write; default: RUN itself if it is one")
    parser.add_argument(
        "--no-images", action="store_true", help="leave out images and maps: they may be private"
    )
    return parser


def _report(options: argparse.Namespace) -> int:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    default = options.runs[0] if len(options.runs) == 1 else f"results/report/{stamp}"
    out = location(options.out or default)
    studies = merge.merge_runs([location(run) for run in options.runs], out)
    if options.no_images:
        studies = {study: replace(results, examples=None) for study, results in studies.items()}
    return _write(studies, out)


def _write(studies: Mapping[str, Results], out: Path) -> int:
    console = stdout_console()
    several = len(studies) > 1
    if several:
        tell(console, f"all networks side by side: {_write_board(studies, out)}")
    for study, results in studies.items():
        if several:
            console.rule(shown(study), align="left")
        console.print(verdict_table(results, width=console.width))
        write(
            results,
            out / study if several else out,
            processes=available(),
            on_page=lambda path: tell(console, f"report: {path}"),
        )
    return Exit.FINISHED if all(results.valid for results in studies.values()) else Exit.FAILED


def _write_board(studies: Mapping[str, Results], out: Path) -> Path:
    """Tables and pages of several studies; returns the path of the page."""
    for name, table in merge.tables(studies).items():
        write_atomic(out / f"{name}.csv", files.csv(table))
    parts = list(board.parts(board.titled(studies)))
    write_atomic(out / "leaderboard.md", board_text(parts).encode())
    path = out / "leaderboard.html"
    reports = {study: f"{quote(study)}/report.html" for study in studies}
    write_atomic(path, page.board(parts, reports).encode())
    return path
