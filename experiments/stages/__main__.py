"""The area over every layer of a deep cascade, and over the eight stages of the default.

`python -m experiments.stages` takes about a quarter of an hour on two cores, keeps its runs in
results/studies/stages and writes results/reference/stages/areas.csv. It needs the data of the
studies cifar_resnet and imagenet_mobilenet. Exit status 1: an area moved by more than .03.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "results" / "studies" / "stages"
EVIDENCE = ROOT / "results" / "reference" / "stages"

CLOSE = 0.03
"""Most by which an area may move."""

NETWORKS = {
    "cifar_resnet": ["n_images=32"],
    "imagenet_mobilenet": ["n_images=8", "dataset.limit=8", "batch_size=8"],
}
"""The studies whose networks are looked at, with what makes them short."""

SETTINGS = (
    "explainer=[gradient,grad_cam,guided_backprop]",
    "similarity=[spearman_signed,spearman_abs]",
    "draws=3",
    *(f"~expected.{name}" for name in ("gradient_input", "integrated_gradients")),
    *(f"~expected.{name}" for name in ("smoothgrad", "guided_grad_cam")),
)


def main() -> int:
    """Run what is missing and keep the areas; returns the exit status."""
    rows = [row for study, settings in NETWORKS.items() for row in _areas(study, settings)]
    table = pd.DataFrame(rows)
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(EVIDENCE / "areas.csv", index=False)
    print(table.round(3).to_string(index=False))
    return int(table["moved"].abs().max() > CLOSE)


def _areas(study: str, settings: list[str]) -> Iterator[dict[str, object]]:
    """The area of each explainer over all stages and over the default's."""
    # The stages of the default are some of all: the second run finds its cells in the folder.
    every, few = (_run(study, [*settings, _stages(of)]) for of in ("all", "null"))
    for (explainer, similarity), whole in every.iterrows():
        part = few.loc[explainer, similarity]
        yield {
            "study": study, "explainer": explainer, "similarity": similarity,
            "stages": whole["stages"], "retained": whole["retained"], "low": whole["retained_low"],
            "high": whole["retained_high"], "stages_of_8": part["stages"],
            "retained_of_8": part["retained"], "low_of_8": part["retained_low"],
            "high_of_8": part["retained_high"], "moved": part["retained"] - whole["retained"],
            "verdict": whole["verdict"], "verdict_of_8": part["verdict"],
        }  # fmt: skip


def _stages(of: str) -> str:
    return f"check.param_randomization.stages={of}"


def _run(study: str, settings: list[str]) -> pd.DataFrame:
    """Start or resume a run; returns its areas, with the number of stages behind them."""
    folder = RUNS / study
    command = [
        *(sys.executable, "-m", "saliency_bench", "--config-dir", f"experiments/{study}"),
        *(f"+experiment={study}", f"run_dir={folder}", *SETTINGS, *settings),
    ]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{study} could not be run")
    summary = pd.read_csv(folder / "summary.csv")
    areas = summary[summary["stage"] == -1].set_index(["explainer", "similarity"])
    stages = summary[summary["stage"] > 0].groupby(["explainer", "similarity"])["stage"].nunique()
    return areas.assign(stages=stages).dropna(subset="retained")


if __name__ == "__main__":
    sys.exit(main())
