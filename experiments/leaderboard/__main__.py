"""All explainers by all checks and metrics, on several networks.

`python -m experiments.leaderboard` runs what is missing into
results/studies/leaderboard/<network>/<run>, measures what each explainer costs, and writes the
board to results/reference/leaderboard. A run that was interrupted goes on where it stopped. Exit
status 1: a run is not valid or failed; the board is written all the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.leaderboard.costs import write_costs
from experiments.leaderboard.networks import CHEAPER, NETWORKS, Network, Run
from saliency_bench.study.build import Options
from saliency_bench.study.vocabulary import config_dir, from_name

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "results" / "studies" / "leaderboard"
EVIDENCE = ROOT / "results" / "reference" / "leaderboard"

CONTROLS = "saliency_bench.explainers.controls"
"""Where explainers are that are not under test."""

COMMON = ("draws=3", "similarity=[spearman_signed,spearman_abs]", "report.images=false")


def main() -> int:
    """Run, measure and report; returns the exit status."""
    asked = _parser().parse_args()
    statuses = [
        _run(command, folder)
        for name in asked.networks or NETWORKS
        for command, folder in commands(name, NETWORKS[name])
        if not asked.compose
    ]
    if not asked.compose:
        write_costs(EVIDENCE / "costs.csv", explainers())
    finished = sorted(path.parent for path in RUNS.glob("*/*/summary.csv"))
    report = [sys.executable, "-m", "saliency_bench.report", *map(str, finished), "--no-images"]
    board = subprocess.run([*report, "--out", str(RUNS / "board")], cwd=ROOT, check=False)
    return max([*statuses, board.returncode])


def commands(name: str, network: Network) -> Iterator[tuple[list[str], Path]]:
    """The command of each run of a network, and its folder."""
    for run_name, run in network.runs.items():
        folder = RUNS / name / run_name
        settings = {**CHEAPER, **network.settings, **run.settings}
        yield [*_asked(run), *(f"{key}={value}" for key, value in settings.items())], folder


def explainers() -> dict[str, Any]:
    """All explainers of conf/ that are under test; the controls of a run come by themselves."""
    names = sorted(path.stem for path in Path(config_dir(), "explainer").glob("*.yaml"))
    every = {name: from_name("explainer", name, Options()) for name in names}
    return {name: own for name, own in every.items() if CONTROLS not in type(own).__module__}


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
