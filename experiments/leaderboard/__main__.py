"""All explainers by all checks and metrics, on several networks.

`python -m experiments.leaderboard` runs what is missing into
results/studies/leaderboard/<network>/<run>, measures what each explainer costs, and writes the
board to results/reference/leaderboard. A run that was interrupted goes on where it stopped. Exit
status 1: a run is not valid or failed; the board is written all the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.leaderboard import evidence
from experiments.leaderboard.costs import write_costs
from experiments.leaderboard.networks import CHEAPER, NETWORKS, Network, Run, explainers

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "results" / "studies" / "leaderboard"
EVIDENCE = ROOT / "results" / "reference" / "leaderboard"

COSTS = "costs.csv"
"""What each explainer costs: measured once, beside the runs."""

COMMON = ("draws=3", "similarity=[spearman_signed,spearman_abs]", "report.images=false")


def main() -> int:
    """Run, measure and report; returns the exit status."""
    asked = _parser().parse_args()
    if unknown := set(asked.networks) - set(NETWORKS):
        print(
            f"a network must be one of {', '.join(NETWORKS)}; got {unknown.pop()}", file=sys.stderr
        )
        return 2
    statuses = [
        _run(command, folder)
        for name in asked.networks or NETWORKS
        for command, folder in commands(name, NETWORKS[name])
        if not asked.compose
    ]
    if not (RUNS / COSTS).exists():
        write_costs(RUNS / COSTS, explainers())
    finished = [RUNS / name / run for name, network in NETWORKS.items() for run in network.runs]
    return max([*statuses, _compose([path for path in finished if (path / "report.md").exists()])])


def _compose(finished: list[Path]) -> int:
    """Write the board and what is kept of it; returns the status of the report."""
    report = [sys.executable, "-m", "saliency_bench.report", *map(str, finished), "--no-images"]
    board = RUNS / "board"
    status = subprocess.run([*report, "--out", str(board)], cwd=ROOT, check=False).returncode
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    shutil.copy(RUNS / COSTS, EVIDENCE / COSTS)
    evidence.write(finished, board, EVIDENCE)
    return status


def commands(name: str, network: Network) -> Iterator[tuple[list[str], Path]]:
    """The command of each run of a network, and its folder."""
    for run_name, run in network.runs.items():
        folder = RUNS / name / run_name
        settings = {**CHEAPER, **network.settings, **run.settings}
        yield [*_asked(run), *(f"{key}={value}" for key, value in settings.items())], folder


def _asked(run: Run) -> Iterator[str]:
    yield from COMMON
    for group, names in (
        ("check", run.checks), ("metric", run.metrics), ("explainer", explainers())
    ):  # fmt: skip
        yield f"{group}=[{','.join(names)}]"


def _run(overrides: list[str], folder: Path) -> int:
    command = [sys.executable, "-m", "saliency_bench", *overrides, f"run_dir={folder}"]
    return subprocess.run(command, cwd=ROOT, env=os.environ, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.leaderboard", description=__doc__)
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(NETWORKS)}; default: all")
    parser.add_argument("--compose", action="store_true", help="run nothing, write the board")
    return parser


if __name__ == "__main__":
    sys.exit(main())
