"""Plans the steps of a study and computes the missing cells."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from saliency_bench import engine, network
from saliency_bench.engine import EXAMPLES_ONLY, MapsToSave
from saliency_bench.protocols import Progress, Study
from saliency_bench.storage.store import Store, write_json
from saliency_bench.study.meter import Meter

LONGEST = 290
"""Most characters of a message."""


def plan_steps(study: Study) -> tuple[tuple[engine.Step, ...], dict[str, str]]:
    """Train the networks of a study; returns its steps, and why checks do not apply.

    Raises:
        ValueError: if no check applies.
    """
    conditions, refused = engine.families(study)
    if not conditions:
        reasons = "; ".join(f"{check}: {reason}" for check, reason in refused.items())
        raise ValueError(f"a check must apply to this study; {reasons}")
    return engine.make_steps(study, conditions), refused


def compute(
    study: Study,
    store: Store,
    steps: Sequence[engine.Step],
    progress: Progress,
    *,
    maps_to_save: MapsToSave = EXAMPLES_ONLY,
    place: float = 0.0,
    workers: int = 1,
) -> engine.Outcome:
    """Compute the cells that are missing in `store`; other processes may do the same.

    Args:
        study: what is run.
        store: where cells are kept.
        steps: of its plan.
        progress: is informed of every step.
        maps_to_save: which maps are saved beside their scores.
        place: see `engine.Loop`.
        workers: how many processes share the work, for the estimate of its time.

    Raises:
        ValueError: if no explainer applies.
    """
    with network.evaluating(study.batch_size, full=study.full):
        bound, lost = engine.bind(study)
    _require_explainers(study, lost)
    meter = Meter(progress, study, steps, workers=workers)
    loop = engine.Loop(
        study, store, meter.watch(bound), meter, maps_to_save=maps_to_save, place=place
    )
    outcome = loop.run(steps)
    outcome.add(lost)
    _require_explainers(study, outcome)
    return outcome


def write_plan(store: Store, steps: Sequence[engine.Step]) -> None:
    """Write the key and the contents of every cell into `plan.json` in the run's folder."""
    cells = [
        [key, step.check, explainer, step.condition.name, step.condition.stage,
         step.condition.draw, step.start, step.stop]
        for step in steps
        for explainer, key in step.keys.items()
    ]  # fmt: skip
    columns = ["key", "check", "explainer", "condition", "stage", "draw", "start", "stop"]
    write_json(store.folder / "plan.json", {"columns": columns, "cells": cells})


def _require_explainers(study: Study, outcome: engine.Outcome) -> None:
    tested = study.explainers.keys() - study.controls.keys()
    calls = {study.call(check, name) for check in study.checks for name in tested}
    if not calls - outcome.unavailable:
        lost = outcome.refused | outcome.failed
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        line = f"an explainer must apply to this model; {reasons}"
        raise ValueError(textwrap.shorten(line, LONGEST, placeholder=" ..."))
