"""The rows of metrics: gains over chance, and plain numbers, matched between two sides."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from saliency_bench.compare.decide import ROUNDING, Match
from saliency_bench.compare.evidence import SAME_SCORES, Side, differing_facts
from saliency_bench.inference import UNKNOWN, Estimate, Interval
from saliency_bench.inference.quality import by_image
from saliency_bench.inference.ranks import LEAST_IMAGES
from saliency_bench.inference.rules import Verdict
from saliency_bench.protocols import FAILURES, MetricFacts

QUALITY = "quality"
"""Stands in the place of the check in the rows of metrics."""

NUMBER = "a number"
"""The verdict of a metric that gives none."""

_SAME_IMAGES = ("images_hash", "targets_hash")


def names(side: Side) -> set[str]:
    """The metrics of a side."""
    return set(side.facts.get("metrics", {}))


def match_metrics(before: Side, after: Side, chosen: Collection[str]) -> Iterator[Match]:
    """Match the explainers under test by each chosen metric.

    The difference is a share of the size of the baseline's number, so that one tolerance serves
    all units.

    Raises:
        ValueError: if the two sides declare different things of a metric.
    """
    for metric in sorted((names(before) | names(after)) & set(chosen)):
        sides = [side for side in (before, after) if metric in names(side)]
        facts = [MetricFacts.read(side.facts["metrics"][metric]) for side in sides]
        if facts[0] != facts[-1]:
            raise ValueError(
                f"baseline and run must measure {metric} alike; got {facts[0]} and {facts[-1]}"
            )
        for explainer in dict.fromkeys([*_tested(before, metric), *_tested(after, metric)]):
            yield _match(before, after, explainer, metric, facts[0])


def _match(before: Side, after: Side, explainer: str, metric: str, facts: MetricFacts) -> Match:
    (old, baseline), (new, run) = (
        _judge(side, explainer, metric, facts) for side in (before, after)
    )
    match = Match(
        (QUALITY, explainer, metric), old, new, baseline, run,
        worse=1 if not facts.chance and facts.direction == "lower" else -1,
        name="gain" if facts.chance else "number",
    )  # fmt: skip
    if not (old.measured and new.measured):
        return match
    # The report shows plain values as they are; of these, lower may be the better ones.
    numbers = [
        -match.worse * by_image(side.metric_rows(explainer, metric), facts)
        for side in (before, after)
    ]
    settings = [side.facts.get("metric_settings", {}).get(metric) for side in (before, after)]
    alike = settings[0] == settings[1]
    paired = alike and not differing_facts(before, after, _SAME_IMAGES)
    repeats = alike and not differing_facts(before, after, SAME_SCORES)
    return replace(
        match,
        difference=_difference(*numbers, paired=paired),
        moved=_share_moved(*numbers) if repeats else np.nan,
    )


def _judge(side: Side, explainer: str, metric: str, facts: MetricFacts) -> tuple[Verdict, Interval]:
    table = side.quality
    rows = table[(table["explainer"] == explainer) & (table["metric"] == metric)]
    if rows.empty:
        return Verdict("", "the run has no such row"), UNKNOWN
    row = rows.iloc[0]
    verdict = str(row["verdict"]) or NUMBER
    if verdict in FAILURES:
        return Verdict(verdict, "it was not measured"), UNKNOWN
    columns = ["gain", "gain_low", "gain_high"] if facts.chance else ["mean", "low", "high"]
    interval = Interval(*(np.asarray(float(row[name])) for name in columns))
    enough = row["n_images"] >= LEAST_IMAGES and bool(np.isfinite(interval.low))
    return Verdict(verdict, "too few images have a value", measured=enough), interval


def _difference(old: pd.Series, new: pd.Series, *, paired: bool) -> Estimate:
    """Run minus baseline, as a share of the size of the baseline's mean."""
    size = abs(float(old.mean())) or np.nan
    if paired:
        return _estimate((new - old) / size)
    return _estimate(new / size).minus(_estimate(old / size))


def _estimate(values: pd.Series) -> Estimate:
    known = values.dropna().to_numpy(float)
    freedom = np.asarray(max(len(known) - 1.0, 1.0))
    error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else np.nan
    return Estimate(np.asarray(known.mean()), np.asarray(error), freedom, freedom)


def _share_moved(old: pd.Series, new: pd.Series) -> float:
    """Share of the images whose number differs by more than rounding, in units of the spread."""
    unit = float(old.std()) or float(np.abs(old).max()) or 1.0
    both = pd.concat([old, new], axis=1, keys=["old", "new"])
    moved = (both["old"] - both["new"]).abs() > ROUNDING * unit
    return float((moved | (both["old"].isna() != both["new"].isna())).mean())


def _tested(side: Side, metric: str) -> list[str]:
    controls = side.evidence.controls
    return [e for e, m in side.metric_keys if m == metric and e not in controls]
