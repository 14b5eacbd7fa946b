"""Plans the steps of a study and computes the missing cells."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from saliency_bench import engine, network
from saliency_bench.engine import EXAMPLES_ONLY, MapsToSave
from saliency_bench.protocols import FineTuned, Progress, Study
from saliency_bench.storage.store import Store, write_json
from saliency_bench.study.meter import Meter

LONGEST = 290
"""Most characters of a message."""


@dataclass(frozen=True)
class Plan:
    """All that a study computes.

    Attributes:
        steps: of its checks.
        assessments: of its metrics.
        refused: why checks do not apply, by name.
        tuned: the fine-tuned network of each metric that asks one.
        untuned: why metrics that ask one have none, by name.
    """

    steps: tuple[engine.Step, ...]
    assessments: tuple[engine.Assessment, ...]
    refused: dict[str, str]
    tuned: Mapping[str, FineTuned] = field(default_factory=dict)
    untuned: Mapping[str, str] = field(default_factory=dict)


def make_plan(study: Study) -> Plan:
    """Train the networks of a study, and plan its work.

    Raises:
        ValueError: if no check applies, and there are no metrics.
    """
    conditions, refused = engine.families(study)
    if not conditions and not study.metrics:
        reasons = "; ".join(f"{check}: {reason}" for check, reason in refused.items())
        raise ValueError(f"a check must apply to this study; {reasons}")
    steps = engine.make_steps(study, conditions)
    tuned, untuned = engine.tune(study)
    return Plan(steps, engine.make_assessments(study, tuned), refused, tuned, untuned)


def compute(
    study: Study,
    store: Store,
    plan: Plan,
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
        plan: of the study.
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
    outcome = lost
    if plan.steps:
        meter = Meter(progress, study, plan.steps, workers=workers)
        loop = engine.Loop(
            study, store, meter.watch(bound), meter, maps_to_save=maps_to_save, place=place
        )
        outcome = loop.run(plan.steps)
        outcome.add(lost)
    if plan.assessments:
        with network.evaluating(study.batch_size, full=study.full):
            outcome.metrics.update(plan.untuned)
            assessor = engine.Assessor(study, store, bound, progress, outcome, plan.tuned)
            assessor.run(plan.assessments)
        _require_metrics(study, plan, outcome)
    _require_explainers(study, outcome)
    return outcome


def write_plan(store: Store, plan: Plan) -> None:
    """Write the key and the contents of every cell into `plan.json` in the run's folder."""
    cells = [
        [key, step.check, explainer, step.condition.name, step.condition.stage,
         step.condition.draw, step.start, step.stop]
        for step in plan.steps
        for explainer, key in step.keys.items()
    ]  # fmt: skip
    columns = ["key", "check", "explainer", "condition", "stage", "draw", "start", "stop"]
    metrics = [
        [key, metric, explainer, part.start, part.stop]
        for part in plan.assessments
        for (explainer, metric), key in part.keys.items()
    ]
    write_json(store.folder / "plan.json", {"columns": columns, "cells": cells, "metrics": metrics})


def _require_metrics(study: Study, plan: Plan, outcome: engine.Outcome) -> None:
    tested = [name for name in study.explainers if name not in study.controls]
    lost = dict(outcome.metrics)
    for metric in study.metrics:
        own = [outcome.refused.get(f"{metric} of {name}") for name in tested]
        if all(own):
            lost.setdefault(metric, str(own[0]))
    if not plan.steps and lost.keys() == study.metrics.keys():
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        raise ValueError(f"a metric must apply to this study; {reasons}")


def _require_explainers(study: Study, outcome: engine.Outcome) -> None:
    tested = study.explainers.keys() - study.controls.keys()
    calls = {study.call(check, name) for check in study.checks for name in tested}
    calls |= set(tested) if study.metrics else set()
    if not calls - outcome.unavailable:
        lost = outcome.refused | outcome.failed
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        line = f"an explainer must apply to this model; {reasons}"
        raise ValueError(textwrap.shorten(line, LONGEST, placeholder=" ..."))
