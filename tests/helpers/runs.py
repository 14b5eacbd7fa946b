"""Made-up runs whose scores are known, written where a comparison finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.evidence import SIGNED, evidence, scored
from saliency_bench.results import Results, files
from saliency_bench.results.conclude import conclude
from saliency_bench.storage.store import write_atomic

FACTS = {
    "command": "python -m saliency_bench run_dir=/home/ada/secret", "weights_hash": "w",
    "images_hash": "i", "targets_hash": "t", "seed": 0, "draws": 5, "target": "label",
    "explainers": {"mine": "Mine(samples=25)"}, "checks": {"redraw": "Redraw()"},
    "similarities": {SIGNED: "Spearman(absolute=False)"}, "versions": {"numpy": "2.4"},
    "source": "s", "not_applicable": {}, "failed": {},
}  # fmt: skip


def made(*tables: pd.DataFrame, facts: dict | None = None, **changes: object) -> Results:
    """Results of rows as `helpers.evidence.scored` makes them."""
    return conclude(evidence(*(tables or (noisy(0.02),)), **changes), FACTS | (facts or {}))


def noisy(level: float, explainer: str = "mine", *, seed: int = 0, **values: object):
    """Scores about a level, with effects of draws, of images and of neither."""
    rng = np.random.default_rng(seed)
    shape = (values.get("draws", 5), values.get("images", 12))
    effects = rng.normal(0, 0.02, (shape[0], 1)) + rng.normal(0, 0.02, shape[1])
    return scored(explainer, score=level + effects + rng.normal(0, 0.02, shape), **values)


def saved(results: Results, folder: Path) -> Path:
    """A run folder without figures and pages."""
    write_atomic(folder / "summary.csv", files.csv(results.summary))
    write_atomic(folder / "verdicts.csv", files.csv(results.verdicts))
    write_atomic(folder / "networks.csv", files.csv(results.networks))
    write_atomic(folder / "provenance.json", files.provenance(results))
    results.long_scores.save(folder / "scores.parquet")
    results.long_floors.save(folder / "floors.parquet")
    return folder
