"""All explainers by all checks and metrics, on several networks.

`python -m experiments.leaderboard` runs what is missing into
results/studies/leaderboard/<network>/<run>, measures what each explainer costs, and writes the
board to results/reference/leaderboard, where the rows of every run are kept. A run that was
interrupted goes on where it stopped. Exit status 1: a run is not valid or failed; the board is
written all the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.leaderboard import evidence
from experiments.leaderboard.costs import write_costs
from experiments.leaderboard.networks import CHEAPER, NETWORKS, Network, Run, explainers
from saliency_bench.results import Results

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "results" / "studies" / "leaderboard"
EVIDENCE = ROOT / "results" / "reference" / "leaderboard"

SOME = "+"
"""Stands in a folder's name before each explainer, if not all are run."""

COMMON = ("draws=3", "similarity=[spearman_signed,spearman_abs]", "report.images=false")


def main() -> int:
    """Run, measure and report; returns the exit status."""
    asked = _parser().parse_args()
    for what, names, known in (
        ("a network", asked.networks, NETWORKS),
        ("an explainer", asked.explainers, explainers()),
    ):
        if unknown := set(names) - set(known):
            print(f"{what} must be one of {', '.join(known)}; got {min(unknown)}", file=sys.stderr)
            return 2
    statuses = [
        _run(command, folder)
        for name in asked.networks or NETWORKS
        for command, folder in commands(name, NETWORKS[name], asked.explainers)
        if not asked.compose
    ]
    if not (EVIDENCE / evidence.COSTS).exists():
        write_costs(EVIDENCE / evidence.COSTS, explainers())
    try:
        evidence.keep(_finished(), EVIDENCE)
    except ValueError as error:  # the runs themselves stay where they are
        print(error, file=sys.stderr)
        return 2
    return max([*statuses, int(not evidence.write(EVIDENCE))])


def _finished() -> Iterator[tuple[str, str, Results]]:
    """Network, name and results of each finished run, the newest last."""
    found = []
    for name, network in NETWORKS.items():
        for run in network.runs:
            for folder in (RUNS / name / run, *(RUNS / name).glob(f"{run}{SOME}*")):
                if (report := folder / "report.md").exists():
                    found.append((report.stat().st_mtime, name, run, folder))
    for _, name, run, folder in sorted(found):
        yield name, run, Results.load(folder)


def commands(
    name: str, network: Network, some: Sequence[str] = ()
) -> Iterator[tuple[list[str], Path]]:
    """The command of each run of a network, and its folder.

    Args:
        name: of the network.
        network: its runs.
        some: explainers to run; empty: all.
    """
    for run_name, run in network.runs.items():
        folder = RUNS / name / SOME.join([run_name, *some])
        settings = {**CHEAPER, **network.settings, **run.settings}
        asked = some or tuple(explainers())
        own = (f"{key}={value}" for key, value in settings.items() if _is_of(key, asked))
        yield [*_asked(run, asked), *own], folder


def _is_of(setting: str, asked: Sequence[str]) -> bool:
    """Whether a setting is of the explainers that are asked, or of none."""
    group, _, rest = setting.lstrip("+").partition(".")
    return group != "explainer" or rest.split(".")[0] in asked


def _asked(run: Run, names: Sequence[str]) -> Iterator[str]:
    yield from COMMON
    for group, own in (("check", run.checks), ("metric", run.metrics), ("explainer", names)):
        yield f"{group}=[{','.join(own)}]"


def _run(overrides: list[str], folder: Path) -> int:
    command = [sys.executable, "-m", "saliency_bench", *overrides, f"run_dir={folder}"]
    return subprocess.run(command, cwd=ROOT, env=os.environ, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.leaderboard", description=__doc__)
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(NETWORKS)}; default: all")
    parser.add_argument(
        "--explainers", type=lambda text: text.split(","), default=(), metavar="NAME,...",
        help="run these again; their rows replace the kept ones; default: all",
    )  # fmt: skip
    parser.add_argument("--compose", action="store_true", help="run nothing, write the board")
    return parser


if __name__ == "__main__":
    sys.exit(main())
