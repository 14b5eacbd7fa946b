"""Ranks of explainers by a metric, with intervals by bootstrap over the images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

RANKS = ("metric", "explainer", "rank", "rank_low", "rank_high")
"""Columns of the table of ranks; 1 is the best."""

LEAST_IMAGES = 5
"""Fewest images with a value for a result, or for ranks."""

RESAMPLES = 1000
"""Bootstrap samples of the images."""

BOUNDS = (0.025, 0.975)
"""Quantiles of the ranks in all samples."""


def ranks(gains: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rank of each explainer by each metric.

    The same images are drawn for all explainers, as they share them. An image counts where every
    explainer has a value; a metric with fewer than `LEAST_IMAGES` of them has no ranks.

    Args:
        gains: by metric, a row per image and a column per explainer; larger is better.
    """
    tables = [pd.DataFrame(columns=list(RANKS))]
    for metric, table in gains.items():
        known = table.dropna()
        if len(known) < LEAST_IMAGES or known.shape[1] < 2:
            continue
        values = known.to_numpy(np.float64)
        # One stream for each metric: another one beside it changes nothing.
        random = np.random.default_rng(0)
        drawn = random.integers(len(values), size=(RESAMPLES, len(values)))
        low, high = np.quantile(_ranks(values[drawn].mean(axis=1)), BOUNDS, axis=0)
        own = _ranks(values.mean(axis=0)[None])[0]
        columns = (metric, list(known.columns), own, low, high)
        tables.append(pd.DataFrame(dict(zip(RANKS, columns, strict=True))))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def front(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows no other row beats: at least as good everywhere, and better somewhere.

    Args:
        table: a row per explainer, a column per number; larger is better. A row that lacks a number
            is on no front, and beats none.
    """
    values = table.to_numpy(np.float64)
    complete = np.isfinite(values).all(axis=1)
    as_good = (values[:, None] <= values[None]).all(axis=2)
    better = (values[:, None] < values[None]).any(axis=2)
    beaten = np.any(as_good & better, axis=1)
    return np.asarray(complete & ~beaten)


def _ranks(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks `[S, E]` of means `[S, E]`, 1 for the largest; ties share the mean of their ranks."""
    return np.asarray(stats.rankdata(-means, axis=1), np.float64)
