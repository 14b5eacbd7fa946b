"""Where the numbers of a check end, and where the line of its verdict lies."""

from __future__ import annotations

import pandas as pd

from saliency_bench.protocols import Expectation

MOST = 1.0
"""The largest similarity and correlation, that of a map with itself."""


def bounded(expectation: Expectation, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the summary whose intervals end where their numbers do.

    Student's t knows no end, so the interval of a correlation of few networks may exceed 1.

    Args:
        expectation: of the check.
        rows: of the summary, of this check.
    """
    whole = expectation.ceiling.stage is None  # else a map may retain more than its ceiling
    ends = {"high": "mean"} | ({"retained_high": "retained"} if whole else {})
    if expectation.number is not None and not expectation.number.bounded:
        return rows
    clipped = {
        high: rows[high].astype(float).clip(upper=rows[value].astype(float).clip(lower=MOST))
        for high, value in ends.items()
    }
    return rows.assign(**clipped)
