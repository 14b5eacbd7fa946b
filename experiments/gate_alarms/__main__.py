"""Forty runs with other seeds, some with harmless changes and some with faults, and the gate.

`python -m experiments.gate_alarms` takes about half an hour on two cores, keeps its runs in
results/studies/gate_alarms and writes results/reference/gate_alarms. Exit status 1: more false
alarms than 5 %, or a fault that was not caught on the network of the baseline.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pandas as pd
from scipy import stats

from saliency_bench.compare import compare, freeze
from saliency_bench.results.read import read_measurements

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

HARMLESS = {
    "two compute threads": ["threads=2"],
    "batches of 20": ["batch_size=20"],
    "two workers": ["workers=2"],
}
"""What may change no map, by the settings that do it."""

FAULTS = {
    "softmax instead of the logit": [
        "explainer.gradient._target_=experiments.gate_alarms.faults.Softmax"
    ],
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
    jobs = {f"seed-{seed}": [f"seed={seed}"] for seed in (0, *SEEDS)}
    jobs |= {what: ["seed=0", *settings] for what, settings in (HARMLESS | FAULTS).items()}
    jobs |= {f"{what}, seed 1": ["seed=1", *settings] for what, settings in FAULTS.items()}
    with ThreadPoolExecutor(2) as pool:
        folders = pool.map(lambda job: _run(*job), jobs.items())
        runs = dict(zip(jobs, folders, strict=True))
    freeze(runs["seed-0"], RUNS / "baseline")
    table = pd.DataFrame(_comparisons(runs))
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    table.to_csv(EVIDENCE / "comparisons.csv", index=False)
    pairs = pd.DataFrame(_pairs([runs[f"seed-{seed}"] for seed in (0, *SEEDS)]))
    pairs.to_csv(EVIDENCE / "pairs.csv", index=False)
    return _print_alarms(table, pairs)


def _run(name: str, settings: Sequence[str]) -> Path:
    """Start or resume a run; returns its folder."""
    folder = RUNS / name.replace(",", "").replace(" ", "_")
    command = [sys.executable, "-m", "saliency_bench", *STUDY, f"run_dir={folder}", *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    # A fault may well make a run exit 1.
    if done.returncode not in (0, 1):
        raise SystemExit(f"{name}: {done.stderr.strip()}")
    return folder


def _comparisons(runs: Mapping[str, Path]) -> Iterator[dict[str, object]]:
    """Every run against the frozen one; and with changes of maps allowed, too."""
    for name, folder in runs.items():
        kind = "fault" if name.startswith(tuple(FAULTS)) else "rerun"
        kind = "harmless" if name in HARMLESS else kind
        for allowed in (False, True):
            comparison = compare(RUNS / "baseline", folder, changes_allowed=allowed)
            at = "smoothgrad" if name.startswith("SmoothGrad") else "gradient"
            failures = [
                row for row in comparison.failures if kind != "fault" or row.explainer == at
            ]
            yield {
                "what": name,
                "kind": kind,
                "changes_allowed": allowed,
                "closed": bool(failures or (comparison.problems and kind != "fault")),
                "why": "; ".join(
                    [
                        *comparison.problems,
                        *(f"{r.explainer} {r.similarity}: {r.outcome}: {r.why}" for r in failures),
                    ]
                ),
            }


def _pairs(folders: Sequence[Path]) -> Iterator[dict[str, object]]:
    """Every rerun against every one before it."""
    results = [read_measurements(folder, pictures=False) for folder in folders]
    for (one, before), (two, after) in combinations(zip(folders, results, strict=True), 2):
        comparison = compare(before, after)
        why = [f"{row.explainer} {row.similarity}: {row.why}" for row in comparison.failures]
        yield {
            "baseline": one.name,
            "run": two.name,
            "closed": comparison.regressed,
            "why": "; ".join(why),
        }


def _print_alarms(table: pd.DataFrame, pairs: pd.DataFrame) -> int:
    """Print the alarms; returns the exit status."""
    strict = table[~table["changes_allowed"]]
    reruns = strict[(strict["kind"] == "rerun") & (strict["what"] != "seed-0")]
    alarms, most = int(reruns["closed"].sum()), len(reruns)
    upper = stats.binomtest(alarms, most).proportion_ci(0.9, "exact").high
    print(f"false alarms: {alarms} of {most} reruns, at most {upper:.0%} (one-sided 95 %)")
    print(f"              {pairs['closed'].sum()} of {len(pairs)} pairs of reruns")
    for row in table[table["kind"] != "rerun"].itertuples():
        allowed = ", changes of maps allowed" * bool(row.changes_allowed)
        print(f"{row.kind}, {row.what}{allowed}: {'closed' if row.closed else 'open'}")
    same = strict[~strict["what"].str.endswith("seed 1")]
    missed = (same["closed"] != (same["kind"] == "fault"))[same["kind"] != "rerun"]
    return int(alarms > ALARMS * most or missed.any())


if __name__ == "__main__":
    sys.exit(main())
