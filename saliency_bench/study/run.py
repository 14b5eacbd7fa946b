"""Runs a study: computes the missing cells, then draws the conclusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from saliency_bench import engine, inference
from saliency_bench.engine import EXAMPLES_ONLY, MapsToSave
from saliency_bench.protocols import Preprocessing, Progress, Silent, Study
from saliency_bench.protocols.labels import chance, class_name
from saliency_bench.results import Examples, Results, assessed, provenance, tables
from saliency_bench.results.conclude import conclude
from saliency_bench.storage.longtable import LongTable, release_arrow_memory
from saliency_bench.storage.store import Store, remove_partial_files
from saliency_bench.study.compute import compute, make_plan, write_plan


@release_arrow_memory()
def run_study(
    study: Study,
    store: Store,
    *,
    preprocessing: Preprocessing,
    classes: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    maps_to_save: MapsToSave = EXAMPLES_ONLY,
    progress: Progress | None = None,
    beside: AbstractContextManager[Any] | None = None,
    workers: int = 1,
) -> Results:
    """Compute the missing cells in `store`, and draw the conclusions.

    Args:
        study: what is run.
        store: where cells are kept.
        preprocessing: pixels in [0, 1] to model units, for the figures.
        classes: the names of the classes, for the figures; empty if unknown.
        facts: further entries of the provenance, such as the name of the model.
        maps_to_save: which maps are saved; without examples the results have none.
        progress: is informed of every step.
        beside: a context that is open while cells are computed, e.g. further worker processes.
        workers: how many processes share the work.

    Raises:
        ValueError: if no explainer applies.
    """
    plan = make_plan(study)
    steps = plan.steps
    remove_partial_files(store.folder)
    write_plan(store, plan)
    with beside or nullcontext():
        outcome = compute(
            study, store, plan, progress or Silent(), maps_to_save=maps_to_save, workers=workers
        )
    outcome.checks.update(plan.refused)
    long = tables.scores(study, store, steps, outcome)
    evidence = _evidence(study, outcome, long, tables.networks(study, store, steps))
    known = {**provenance.of_study(study), **provenance.of_outcome(outcome), **(facts or {})}
    if study.metrics:
        known["beside"] = assessed.beside(study, store, plan.assessments, outcome)
    return conclude(
        evidence,
        known,
        examples=_examples(study, store, steps, outcome, preprocessing, classes)
        if maps_to_save.examples
        else None,
        trainings=tables.trainings(study.weights.trained),
        assessed=assessed.metrics(study, store, plan.assessments, outcome)
        if study.metrics
        else None,
    )


def variance_components(study: Study, folder: Path) -> dict[str, inference.Components]:
    """Variances of `retained` over draws and images, by explainer of the first check.

    They are estimated from the scores of an earlier run of such a study; empty without scores.
    """
    try:
        long = [LongTable.read(folder / f"{name}.parquet") for name in ("scores", "floors")]
        networks = pd.DataFrame(columns=list(tables.NETWORKS))
        evidence = _evidence(study, engine.Outcome(), (long[0], long[1]), networks)
    except (OSError, ValueError):
        return {}
    return inference.variance_components(evidence, next(iter(study.checks)))


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
            name: check.declares if name in outcome.checks else check.expectation(study)
            for name, check in study.checks.items()
        },
        signed={name: explainer.signed for name, explainer in study.explainers.items()},
        thresholds={name: measure.threshold for name, measure in study.all_measures.items()},
        chance=chance(study.labels),
        controls=study.controls,
    )


def _examples(
    study: Study,
    store: Store,
    steps: Sequence[engine.Step],
    outcome: engine.Outcome,
    preprocessing: Preprocessing,
    classes: Sequence[str],
) -> Examples:
    pixels = preprocessing.inverse(study.scene.images[: engine.EXAMPLES])
    targets = study.scene.targets[: len(pixels)]
    titles = [f"image {i}, {class_name(int(t), classes)}" for i, t in enumerate(targets)]
    return tables.examples(study, store, steps, outcome, pixels, titles, preprocessing)
