"""Measure the reliability of our metrics on one network after the other, and say what it is.

`python -m experiments.metric_reliability [NETWORK ...]` measures what is missing in
results/studies/metric_reliability, an explainer at a time, so that it can be broken off; then it
writes results/reference/metric_reliability from all networks that are complete. Exit status 2: a
network is unknown, or its data is not there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from saliency_bench.cli import load, request
from saliency_bench.protocols.processors import available

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNS = ROOT / "results" / "studies" / "metric_reliability"
EVIDENCE = ROOT / "results" / "reference" / "metric_reliability"

NETWORKS = (
    "cnn", "mlp", "pooling_cnn", "cifar_resnet", "imagenet_mobilenet", "mosaic", "cifar_mosaic",
)  # fmt: skip
"""Names of the presets, without `metric_reliability_`."""

DONE = "complete.txt"
"""Written into a network's folder when nothing is missing: how many images there are."""


def main(names: list[str]) -> int:
    """Measure what is missing and write the evidence; returns the exit status."""
    if unknown := set(names) - set(NETWORKS):
        print(
            f"a network must be one of {', '.join(NETWORKS)}; got {unknown.pop()}", file=sys.stderr
        )
        return 2
    for name in names or NETWORKS:
        if not (RUNS / name / DONE).exists():
            try:
                _measure(name)
            except (ValueError, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 2
    from experiments.metric_reliability import evidence

    evidence.write([name for name in NETWORKS if (RUNS / name / DONE).exists()], RUNS, EVIDENCE)
    return 0


def _measure(name: str) -> None:
    config = request.compose(
        f"+experiment=metric_reliability_{name}", f"hydra.searchpath=[file://{HERE}]"
    )
    # Trained networks are kept beside those of the other studies.
    study = load.load(request.read_request(config, RUNS / name)).study
    from experiments.metric_reliability import measure

    measure.measure(study, RUNS / name, threads=available())
    (RUNS / name / DONE).write_text(f"{len(study.scene.targets)} images\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
