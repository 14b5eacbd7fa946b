"""From saved cells to the tables of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from saliency_bench.engine import NETWORK, Outcome, Step
from saliency_bench.protocols import Study
from saliency_bench.results import Examples
from saliency_bench.scoring import STATUSES
from saliency_bench.store import Store

SCORES = (
    "check", "explainer", "similarity", "stage", "condition", "depth", "draw", "image", "target",
    "score", "null", "ceiling", "status",
)  # fmt: skip
FLOORS = ("check", "explainer", "similarity", "stage", "draw", "image", "floor")
NETWORKS = (
    "check", "stage", "condition", "depth", "draw", "accuracy", "input_independent",
    "variables_changed", "variables_exempt",
)  # fmt: skip

Columns = Mapping[str, Any]


def scores(
    study: Study, store: Store, steps: Sequence[Step], outcome: Outcome
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `scores` and `floors` of everything that was saved.

    An explainer that does not apply, or failed, has one row per similarity with the reason in
    the place of the condition.
    """
    rows: list[pd.DataFrame] = []
    floors: list[pd.DataFrame] = []
    for step, explainer, cell in _cells(study, store, steps, outcome):
        for similarity, measure in study.similarities.items():
            columns = {
                name.rsplit("/", 1)[1]: values
                for name, values in cell.items()
                if name.rsplit("/", 1)[0] == repr(measure)
            }
            labels = {"check": step.check, "explainer": explainer, "similarity": similarity}
            if "score" in columns:
                rows.append(_scored(step, labels, columns, cell["target"]))
            if "floor" in columns:
                floors.append(_floored(step, labels, columns))
    rows += _reasons(study, store, steps, outcome)
    return _table(rows, SCORES), _table(floors, FLOORS)


def networks(study: Study, store: Store, steps: Sequence[Step]) -> pd.DataFrame:
    """What the network did under every condition, over all shards."""
    rows: dict[tuple[str, int, int], dict[str, Any]] = {}
    hits: dict[tuple[str, int, int], list[Any]] = {}
    for step in steps:
        cell = store.cell(step.keys[NETWORK])
        if cell is None:
            continue
        condition = step.condition
        key = (step.check, condition.stage, condition.draw)
        row = rows.setdefault(
            key,
            {
                "check": step.check,
                "stage": condition.stage,
                "condition": condition.name,
                "depth": condition.depth,
                "draw": condition.draw,
                "input_independent": True,
                "variables_changed": int(cell["variables_changed"]),
                "variables_exempt": int(cell["variables_exempt"]),
            },
        )
        row["input_independent"] &= bool(cell["input_independent"])
        if study.labels is not None:
            labels = study.labels[step.start : step.stop]
            hits.setdefault(key, []).extend(cell["predicted"] == labels)
    for key, row in rows.items():
        row["accuracy"] = np.mean(hits[key]) if key in hits else np.nan
    return pd.DataFrame(list(rows.values()), columns=list(NETWORKS))


def examples(
    study: Study, store: Store, steps: Sequence[Step], pixels: Any, titles: Sequence[str]
) -> Examples:
    """The maps kept for the figures."""
    maps: dict[str, dict[str, dict[int, Any]]] = {}
    names: dict[str, dict[int, str]] = {}
    count = 0
    for step, explainer, cell in _cells(study, store, steps, Outcome()):
        if "example" in cell:
            stage = step.condition.stage
            maps.setdefault(step.check, {}).setdefault(explainer, {})[stage] = cell["example"]
            names.setdefault(step.check, {})[stage] = step.condition.name
            count = len(cell["example"])
    return Examples(pixels[:count], tuple(titles[:count]), maps, names)


def _cells(
    study: Study, store: Store, steps: Sequence[Step], outcome: Outcome
) -> Iterator[tuple[Step, str, dict[str, Any]]]:
    """Every saved cell of an explainer that did its work."""
    for explainer in study.explainers:
        if explainer in outcome.refused or explainer in outcome.failed:
            continue
        for step in steps:
            cell = store.cell(step.keys[explainer])
            if cell is not None:
                yield step, explainer, cell


def _scored(step: Step, labels: Columns, columns: Columns, targets: Any) -> pd.DataFrame:
    condition = step.condition
    return pd.DataFrame(
        {
            **labels,
            "stage": condition.stage,
            "condition": condition.name,
            "depth": condition.depth,
            "draw": condition.draw,
            "image": np.arange(step.start, step.stop),
            "target": targets,
            "score": columns["score"],
            "null": columns["null"],
            "ceiling": 1.0,
            "status": np.array(STATUSES)[columns["status"]],
        }
    )


def _floored(step: Step, labels: Columns, columns: Columns) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **labels,
            "stage": step.condition.stage,
            "draw": step.condition.draw,
            "image": np.arange(step.start, step.stop),
            "floor": columns["floor"],
        }
    )


def _reasons(
    study: Study, store: Store, steps: Sequence[Step], outcome: Outcome
) -> list[pd.DataFrame]:
    """A row for each explainer that did not apply or failed, and each measure that refused."""
    rows = []
    for check in study.checks:
        for similarity, measure in study.similarities.items():
            for explainer in study.explainers:
                reason, status = _reason(explainer, repr(measure), store, steps, outcome)
                if reason:
                    rows.append(_failure(check, explainer, similarity, reason, status))
    return rows


def _reason(
    explainer: str, column: str, store: Store, steps: Sequence[Step], outcome: Outcome
) -> tuple[str, str]:
    if explainer in outcome.refused:
        return outcome.refused[explainer], "not_applicable"
    if explainer in outcome.failed:
        return outcome.failed[explainer], "error"
    cell = store.cell(steps[0].keys[explainer]) or {}
    return str(cell.get(f"{column}/refused", "")), "not_applicable"


def _failure(check: str, explainer: str, similarity: str, reason: str, status: str) -> pd.DataFrame:
    row: dict[str, Any] = dict.fromkeys(SCORES, np.nan)
    row |= {"check": check, "explainer": explainer, "similarity": similarity, "status": status}
    row |= {"stage": 0, "condition": reason, "depth": 0.0, "draw": 0, "image": -1, "target": -1}
    return pd.DataFrame([row])


def _table(parts: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(parts, ignore_index=True)[list(columns)]
