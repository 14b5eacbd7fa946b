"""Forty runs with other seeds and ten with faults against one baseline.

`python -m experiments.gate_alarms` takes about 20 minutes on two cores, keeps its runs in
results/studies/gate_alarms and writes results/reference/gate_alarms. Exit status 1: more false
alarms than 5 %, or a fault that was not caught.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from saliency_bench.compare import Comparison, compare, freeze

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "results" / "studies" / "gate_alarms"
EVIDENCE = ROOT / "results" / "reference" / "gate_alarms"

SEEDS = range(1, 41)
ALARMS = 0.05
"""Share of the reruns that may close the gate."""

STUDY = (
    "+experiment=param_randomization",
    "explainer=[gradient,gradient_input,integrated_gradients,smoothgrad,guided_backprop,grad_cam,"
    "guided_grad_cam,edge_detector,input_magnitude,constant,centre_prior,random_frozen,"
    "random_fresh,weight_hash]",
)

FAULTS = {
    "softmax instead of the logit": ["explainer.gradient.output=probability"],
    "stale graph": ["explainer.gradient._target_=experiments.gate_alarms.faults.StaleGraph"],
    "sign lost": ["explainer.gradient._target_=experiments.gate_alarms.faults.SignLost"],
    "guided backprop in place of the gradient": [
        "explainer.gradient._target_=saliency_bench.explainers.GuidedBackprop"
    ],
    "SmoothGrad with noise 0": ["explainer.smoothgrad.noise=0"],
}
"""What is planted, by the settings that plant it."""


def main() -> int:
    """Run what is missing and keep the evidence; returns the exit status."""
    baseline = _run("seed-0", "seed=0")
    freeze(baseline, RUNS / "baseline")
    with ThreadPoolExecutor(2) as pool:
        jobs = {(f"seed {s}", "other seed"): (f"seed-{s}", f"seed={s}") for s in SEEDS}
        for number, (fault, settings) in enumerate(FAULTS.items()):
            jobs[fault, "same network"] = (f"fault-{number}", "seed=0", *settings)
            jobs[fault, "other seed"] = (f"fault-{number}-other", "seed=1", *settings)
        runs = dict(zip(jobs, pool.map(lambda job: _run(*job), jobs.values()), strict=True))
    found = {what: compare(RUNS / "baseline", run) for what, run in runs.items()}
    table = pd.DataFrame([_told(*what, comparison) for what, comparison in found.items()])
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    table.to_csv(EVIDENCE / "comparisons.csv", index=False)
    return _judged(table)


def _run(name: str, *settings: str) -> Path:
    """A run, or what there is of it gone on with; its folder."""
    folder = RUNS / name
    command = [sys.executable, "-m", "saliency_bench", *STUDY, f"run_dir={folder}", *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    # A fault may well make a run exit 1.
    if done.returncode > 1:
        raise SystemExit(f"{name}: {done.stderr.strip()}")
    return folder


def _told(what: str, network: str, comparison: Comparison) -> dict[str, object]:
    why = [f"{r.explainer} {r.similarity}: {r.outcome}: {r.why}" for r in comparison.failures]
    return {
        "what": what,
        "network": network,
        "closed": comparison.regressed,
        "why": "; ".join([*comparison.problems, *why]),
    }


def _judged(table: pd.DataFrame) -> int:
    """Print what was found; the exit status."""
    reruns = table["what"].str.startswith("seed ")
    alarms = int(table.loc[reruns, "closed"].sum())
    print(f"false alarms: {alarms} of {int(reruns.sum())} reruns with other seeds")
    for network, faults in table[~reruns].groupby("network"):
        caught = ", ".join(
            f"{row.what}: {'yes' if row.closed else 'NO'}" for row in faults.itertuples()
        )
        print(f"caught, {network}: {caught}")
    missed = ~table.loc[~reruns & (table["network"] == "same network"), "closed"]
    return int(alarms > ALARMS * reruns.sum() or missed.any())


if __name__ == "__main__":
    sys.exit(main())
