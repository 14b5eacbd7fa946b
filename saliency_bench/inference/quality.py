"""Quality: a metric's values beside those of maps that know nothing; pure functions on tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from saliency_bench.inference.intervals import UNKNOWN, UPPER
from saliency_bench.inference.metric_reliability import agreement
from saliency_bench.inference.ranks import LEAST_IMAGES, ranks
from saliency_bench.protocols import FAILURES, STATUSES
from saliency_bench.protocols.metrics import MetricFacts

QUALITY = (
    "explainer", "metric", "n_images", "undefined", "mean", "low", "high", "chance", "gain",
    "gain_low", "gain_high", "verdict",
)  # fmt: skip
"""Columns of the table: `undefined` is the share of images without a value."""

BETTER, NOT_BETTER, INCONCLUSIVE, UNDEFINED = "better", "not better", "inconclusive", "undefined"
RESULTS = (BETTER, NOT_BETTER, INCONCLUSIVE, UNDEFINED)
"""What a metric says of an explainer, compared with chance."""

CONFIDENCE = 2 * UPPER - 1
"""Of intervals."""

SURELY = 0.999
"""Confidence at which noise must not be better than chance."""


@dataclass(frozen=True)
class Quality:
    """What the metrics of a run say.

    Attributes:
        table: one row per (explainer, metric), columns `QUALITY`.
        ranks: one row per (metric, explainer that is no control), columns `RANKS`.
        problems: why metrics may not be used, a line per control.
        warnings: what weakens a metric, a line each.
        agreement: by metric, Krippendorff's alpha of the images on the order of the explainers that
            have ranks, with the bounds of its interval; only where it is defined.
    """

    table: pd.DataFrame
    ranks: pd.DataFrame
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    agreement: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def assess(
    rows: Iterable[tuple[tuple[str, str], pd.DataFrame]],
    metrics: Mapping[str, MetricFacts],
    controls: Mapping[str, str],
) -> Quality:
    """Judge every explainer by every metric.

    Args:
        rows: explainer and metric, with `image`, `value`, `chance`, `status` and `key` of each
            image; equal images have equal keys and count once.
        metrics: what each metric declares, by name.
        controls: the class of each control, by its name.
    """
    table: list[dict[str, Any]] = []
    problems: list[str] = []
    warnings: list[tuple[str, str]] = []
    gains: dict[str, dict[str, pd.Series]] = {metric: {} for metric in metrics}
    for (explainer, metric), all_rows in rows:
        facts, kind, own = metrics[metric], controls.get(explainer, ""), _distinct(all_rows)
        row = _row(own, facts)
        better = by_image(own, facts)
        # Images count where all have a value: one that has few would take them from the others.
        if not kind and _enough(better.to_numpy()):
            gains[metric][explainer] = better
        table.append({"explainer": explainer, "metric": metric, **row})
        expected = facts.controls.get(kind, "")
        if expected == BETTER and row["verdict"] not in ("", BETTER):
            found = row["verdict"].replace("_", " ")
            line = f"{metric}: {explainer} must be better than chance; it is {found}"
            if found == NOT_BETTER:
                problems.append(line)
            else:
                warnings.append((metric, line))
        if expected == NOT_BETTER and _gain(own, facts, SURELY)[1] > 0:
            problems.append(f"{metric}: {explainer} must not be better than chance; it is, surely")
    compared = {metric: pd.DataFrame(columns).dropna() for metric, columns in gains.items()}
    whole = pd.DataFrame(table, columns=list(QUALITY))
    # Of a metric that was not measured at all, a control says nothing.
    measured = set(whole["metric"][~whole["verdict"].isin(FAILURES)])
    lines = tuple(line for metric, line in warnings if metric in measured)
    return Quality(whole, ranks(compared), tuple(problems), lines, dict(_agreements(compared)))


def _agreements(gains: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, tuple[float, ...]]]:
    for metric, table in gains.items():
        found = agreement(table.to_numpy(float)) if len(table) >= LEAST_IMAGES else UNKNOWN
        if np.isfinite(found.value):
            yield metric, tuple(map(float, found))


def by_image(rows: pd.DataFrame, facts: MetricFacts) -> pd.Series:
    """What each different image says, larger is better: its gain, or its value without chance.

    Args:
        rows: `image`, `value`, `chance` and `key` of one explainer and metric.
        facts: what the metric declares.
    """
    own = _distinct(rows)
    better = _gains(own, facts) if facts.chance else _signed(own["value"], facts)
    return pd.Series(better, own["image"].to_numpy())


def _distinct(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each different image: equal images say the same, so that they count once."""
    return rows.drop_duplicates("key") if "key" in rows else rows


def mean_curve(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean curve of an explainer over images, with its interval and that of moved maps.

    Args:
        rows: `image`, `place`, `value` and `chance` of one explainer and metric.

    Returns:
        `mean`, `low`, `high` and `chance`, by place.
    """
    places = rows.groupby("place")
    means = pd.DataFrame(
        {place: _mean(own.to_numpy(float)) for place, own in places["value"]},
        index=["mean", "low", "high"],
    ).T
    return means.assign(chance=places["chance"].mean())


def _row(own: pd.DataFrame, facts: MetricFacts) -> dict[str, Any]:
    if not own["status"].isin(STATUSES).all():  # it does not apply, or failed
        nothing = dict.fromkeys(QUALITY[4:-1], np.nan)
        return {"n_images": 0, "undefined": np.nan, **nothing, "verdict": own["status"].iloc[0]}
    values, gains = own["value"].to_numpy(float), _gains(own, facts)
    defined = np.isfinite(values)
    mean, low, high = _hit_rate(values) if facts.hits else _mean(values)
    gain, gain_low, gain_high = _gain(own, facts)
    return {
        "n_images": int(defined.sum()),
        "undefined": float(1 - defined.mean()),
        "mean": mean, "low": low, "high": high,
        "chance": float(np.mean(own["chance"][np.isfinite(gains)])) if facts.chance else np.nan,
        "gain": gain, "gain_low": gain_low, "gain_high": gain_high,
        "verdict": _verdict(gains, gain_low, gain_high) if facts.chance else "",
    }  # fmt: skip


def _gain(
    own: pd.DataFrame, facts: MetricFacts, confidence: float = CONFIDENCE
) -> tuple[float, ...]:
    """The mean gain and its interval."""
    gains = _gains(own, facts)
    if not facts.hits:
        return _mean(gains, confidence)
    known = own[np.isfinite(gains)]
    rate = _hit_rate(known["value"].to_numpy(float), confidence)
    ends = _signed(pd.Series(rate) - known["chance"].mean(), facts)
    return (float(ends[0]), *map(float, np.sort(ends[1:])))


def _gains(own: pd.DataFrame, facts: MetricFacts) -> NDArray[np.float64]:
    """`[N]` values minus chance, positive where the map is better; NaN if either is undefined."""
    return _signed(own["value"] - own["chance"], facts)


def _signed(values: pd.Series, facts: MetricFacts) -> NDArray[np.float64]:
    """`[N]` the same values, positive where the map is better."""
    return np.asarray(values if facts.direction == "higher" else -values, np.float64)


def _verdict(gains: NDArray[np.float64], low: float, high: float) -> str:
    if not _enough(gains):
        return UNDEFINED
    if low > 0:
        return BETTER
    return NOT_BETTER if high <= 0 else INCONCLUSIVE


def _enough(values: NDArray[np.float64]) -> bool:
    """Whether as many images as a result needs, and half of them, have a value."""
    defined = np.isfinite(values)
    return bool(defined.sum() >= LEAST_IMAGES and defined.mean() >= 0.5)


def _mean(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, ...]:
    """The mean of the finite values, and its interval by Student's t over images."""
    known = values[np.isfinite(values)]
    if not len(known):
        return (np.nan, np.nan, np.nan)
    mean = float(known.mean())
    if len(known) < 2:
        return (mean, np.nan, np.nan)
    error = float(known.std(ddof=1)) / np.sqrt(len(known))
    half = float(stats.t.ppf((1 + confidence) / 2, len(known) - 1)) * error
    return (mean, mean - half, mean + half)


def _hit_rate(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, ...]:
    """The share of hits among the finite values, and its exact interval (Clopper-Pearson, 1934).

    Student's t would have no width where all are hits, or none.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return _mean(values)
    found = stats.binomtest(int(known.sum()), len(known)).proportion_ci(confidence)
    return (float(known.mean()), float(found.low), float(found.high))
