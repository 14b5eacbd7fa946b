"""Curves along the stages of a check, from the ceiling on: what figures and the page draw."""

from __future__ import annotations

import pandas as pd

from saliency_bench.report import view
from saliency_bench.report.lines import with_line
from saliency_bench.results import Results


def evenly(names: dict[int, str]) -> tuple[dict[int, str], dict[int, int]]:
    """Names by place on the axis, and the place of each stage: a choice of stages lies evenly."""
    return dict(enumerate(names.values())), {stage: i for i, stage in enumerate(names)}


def from_ceiling(table: pd.DataFrame, places: dict[int, int]) -> pd.DataFrame:
    """The stages of a cascade at their places, before them the ceiling: nothing changed."""
    stages = table[table.index > 0].rename(index=places)
    untouched = stages.head(1).rename(index=lambda _: 0)
    for name in ("mean", "low", "high"):
        untouched[name] = untouched["ceiling"]
    return pd.concat([untouched, stages])


def of_explainer(
    results: Results, check: str, explainer: str
) -> tuple[dict[int, str], dict[str, pd.DataFrame]]:
    """The names of the places of an axis, and the curve of an explainer by each similarity.

    Args:
        results: of the run.
        check: name of the check.
        explainer: name of the explainer.

    Returns:
        `(names, tables)`; without tables if it never ran. The curve starts at the stage that
        measures the ceiling, where there is one.
    """
    stages = view.stage_names(results, check)
    ceiling = view.expectation(results, check).ceiling
    if ceiling.stage is not None:
        stages = {0: ceiling.name} | {s: n for s, n in stages.items() if s > ceiling.stage}
    names, places = evenly(stages)
    tables = {}
    for similarity, table in view.curves_of(results, check, explainer).items():
        own = from_ceiling(table[table.index.isin(stages)], places)
        tables[similarity] = with_line(results, check, similarity, own)
    return names, tables
