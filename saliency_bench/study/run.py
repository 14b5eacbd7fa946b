"""From a study to its results: what is missing is computed, then the conclusions are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from saliency_bench import engine, inference, network
from saliency_bench.engine import USUALLY, Kept, Progress, Silent
from saliency_bench.protocols import Expectation, Preprocessing, Study
from saliency_bench.results import Examples, Results, provenance, tables
from saliency_bench.results.conclude import concluded
from saliency_bench.storage.longtable import LongTable, frugal
from saliency_bench.storage.store import Store, sweep, write_json


@frugal()
def run_study(
    study: Study,
    store: Store,
    *,
    preprocessing: Preprocessing,
    kept: Kept = USUALLY,
    progress: Progress | None = None,
    beside: AbstractContextManager[Any] | None = None,
) -> Results:
    """Compute what is missing in `store`, and conclude.

    Args:
        study: what is run.
        store: where cells are kept.
        preprocessing: pixels in [0, 1] to model units, for the figures.
        kept: what is kept of the maps; without examples there are none in the results.
        progress: is told what is being done.
        beside: is open while cells are computed, e.g. other processes that do the same.

    Raises:
        ValueError: if no explainer applies.
    """
    steps, refused = planned(study)
    sweep(store.folder)
    _write_plan(store, steps)
    with beside or nullcontext():
        outcome = compute(study, store, steps, progress or Silent(), kept=kept)
    outcome.checks.update(refused)
    long = tables.scores(study, store, steps, outcome)
    evidence = _evidence(study, outcome, long, tables.networks(study, store, steps))
    facts = {**provenance.of_study(study), **provenance.of_outcome(outcome)}
    return concluded(
        evidence,
        facts,
        examples=_examples(study, store, steps, outcome, preprocessing) if kept.examples else None,
        trainings=tables.trainings(study.weights.trained),
    )


def planned(study: Study) -> tuple[tuple[engine.Step, ...], dict[str, str]]:
    """The steps of a study, whose networks are trained now, and why checks do not apply.

    Raises:
        ValueError: if no check applies.
    """
    conditions, refused = engine.families(study)
    if not conditions:
        reasons = "; ".join(f"{check}: {reason}" for check, reason in refused.items())
        raise ValueError(f"a check must apply to this study; {reasons}")
    return engine.plan(study, conditions), refused


def compute(
    study: Study,
    store: Store,
    steps: Sequence[engine.Step],
    progress: Progress,
    *,
    kept: Kept = USUALLY,
    place: float = 0.0,
) -> engine.Outcome:
    """Compute the cells that are missing in `store`, beside other processes that do the same.

    Args:
        study: what is run.
        store: where cells are kept.
        steps: of its plan.
        progress: is told what is being done.
        kept: what is kept of the maps.
        place: see `engine.Loop`.

    Raises:
        ValueError: if no explainer applies.
    """
    with network.evaluating(study.batch_size):
        bound, refused = engine.bind(study)
    _require_explainers(study, refused)
    loop = engine.Loop(study, store, bound, progress, kept=kept, place=place)
    outcome = loop.run(steps)
    outcome.refused.update(refused)
    _require_explainers(study, outcome.refused | outcome.failed)
    return outcome


def chance(labels: NDArray[np.int64] | None) -> float | None:
    """Accuracy of always naming the most frequent class; None without labels or with one class."""
    if labels is None or provenance.of_one_class(labels):
        return None
    return float(np.bincount(labels).max() / len(labels))


def _require_explainers(study: Study, lost: Mapping[str, str]) -> None:
    if not study.explainers.keys() - study.controls.keys() - lost.keys():
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        raise ValueError(f"an explainer must apply to this model; {reasons}")


def spread(study: Study, folder: Path) -> dict[str, inference.Components]:
    """How much `retained` varies with draws and images, by explainer of the first check.

    From the scores that a run of such a study left; empty if there are none.
    """
    try:
        long = [LongTable.read(folder / f"{name}.parquet") for name in ("scores", "floors")]
        networks = pd.DataFrame(columns=list(tables.NETWORKS))
        evidence = _evidence(study, engine.Outcome(), (long[0], long[1]), networks)
    except (OSError, ValueError):
        return {}
    return inference.spread(evidence, next(iter(study.checks)))


def _evidence(
    study: Study,
    outcome: engine.Outcome,
    long: tuple[LongTable, LongTable],
    networks: pd.DataFrame,
) -> inference.Evidence:
    return inference.Evidence(
        *long,
        networks,
        expectations={
            name: _promised(check) if name in outcome.checks else check.expectation(study)
            for name, check in study.checks.items()
        },
        signed={name: explainer.signed for name, explainer in study.explainers.items()},
        thresholds={name: measure.threshold for name, measure in study.similarities.items()},
        chance=chance(study.labels),
        controls=study.controls,
    )


def _promised(check: Any) -> Expectation:
    """What a check promises in general."""
    return Expectation(check.expects, check.anchor, check.statistic)


def _examples(
    study: Study,
    store: Store,
    steps: Sequence[engine.Step],
    outcome: engine.Outcome,
    preprocessing: Preprocessing,
) -> Examples:
    pixels = preprocessing.inverse(study.scene.images[: engine.EXAMPLES])
    titles = [f"image {i}, class {t}" for i, t in enumerate(study.scene.targets[: len(pixels)])]
    return tables.examples(study, store, steps, outcome, pixels, titles)


def _write_plan(store: Store, steps: Sequence[engine.Step]) -> None:
    cells = [
        [key, step.check, explainer, step.condition.name, step.condition.stage,
         step.condition.draw, step.start, step.stop]
        for step in steps
        for explainer, key in step.keys.items()
    ]  # fmt: skip
    columns = ["key", "check", "explainer", "condition", "stage", "draw", "start", "stop"]
    write_json(store.folder / "plan.json", {"columns": columns, "cells": cells})
