"""The line of a verdict: in units of the number that decides, and of the scores behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from saliency_bench.report import view
from saliency_bench.report.scale import MOST
from saliency_bench.results import Results


def line(results: Results, check: str, similarity: str) -> float | None:
    """The line, in units of the number that decides; None if the similarity gives no verdict.

    Args:
        results: of the run.
        check: name of the check.
        similarity: name of the similarity.
    """
    expectation = view.expectation(results, check)
    threshold = results.provenance.get("thresholds", {}).get(similarity)
    number = expectation.number
    if expectation.decides not in ("", similarity) or expectation.no_verdict:
        return None
    if expectation.expects == "keep" and number is None:
        return MOST - expectation.tolerance
    return threshold if threshold is None or number is None or number.line is None else number.line


def with_line(results: Results, check: str, similarity: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the summary with `threshold`: the score on the line; NaN where no score lies on it.

    Args:
        results: of the run.
        check: name of the check.
        similarity: name of the similarity.
        table: rows of the summary, of this check and similarity.
    """
    expectation, own = view.expectation(results, check), line(results, check, similarity)
    if own is None or expectation.statistic == "order":
        return table.assign(threshold=np.nan)
    if expectation.is_scored:
        return table.assign(threshold=own)
    null, ceiling = (table[name].astype(float) for name in ("null", "ceiling"))
    return table.assign(threshold=null + own * (ceiling - null))
