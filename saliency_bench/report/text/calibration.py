"""Calibration of `retained` in words: maps of which a known share survives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from saliency_bench.protocols import AREA
from saliency_bench.report import view
from saliency_bench.results import Results

_ROUNDING = 1e-6  # an interval of maps that never change has no width


def dosed(results: Results) -> list[str]:
    """The checks that ran on explainers whose `retained` is known in advance."""
    has_thresholds = any(
        line is not None for line in results.provenance.get("thresholds", {}).values()
    )
    has_doses = has_thresholds and results.provenance.get("doses")
    # A measured ceiling itself holds only the share that surely survives: no dose stands out.
    return [
        check
        for check in view.ran(results)
        if has_doses and view.ceiling_stage(results, check) is None
    ]


def doses(results: Results, check: str, similarity: str) -> pd.DataFrame:
    """`retained`, `low` and `high` over the cascade, indexed by the share that survives.

    Args:
        results: of the run.
        check: name of the check.
        similarity: name of the similarity.
    """
    rows = results.summary
    rows = rows[(rows["check"] == check) & (rows["similarity"] == similarity)]
    rows = rows[(rows["stage"] == AREA) & rows["explainer"].isin(results.provenance["doses"])]
    shares = rows["explainer"].astype(str).map(results.provenance["doses"])
    names = {"retained_low": "low", "retained_high": "high"}
    table = rows[["retained", *names]].rename(columns=names).set_index(shares.rename("share"))
    return table.astype(float).sort_index()


def dose_sentences(results: Results, check: str) -> list[str]:
    """Whether `retained` rises with the known share and covers it, and the share of a threshold."""
    return [
        f"{check}, {similarity}: retained {'rises' if _rises(table) else 'does NOT rise'} "
        f"monotonically with the share that survives ({_list_doses(table)}); {_coverage(table)}. "
        f"Its threshold {threshold:g} sits at a share of {view.number(share_at(threshold, table))}."
        for similarity, threshold, table in judged_doses(results, check)
    ]


def judged_doses(results: Results, check: str) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """Each similarity with a threshold and scores, its threshold and its doses."""
    for similarity, threshold in results.provenance.get("thresholds", {}).items():
        table = doses(results, check, similarity)
        if threshold is not None and len(table):
            yield similarity, float(threshold), table


def _rises(table: pd.DataFrame) -> bool:
    return bool((np.diff(table["retained"]) > 0).all())


def share_at(retained: float, found: pd.DataFrame) -> float:
    """The share that yields this `retained`, interpolated between doses; NaN outside of them."""
    if not _rises(found):
        return np.nan
    return float(np.interp(retained, found["retained"], found.index, left=np.nan, right=np.nan))


def _coverage(table: pd.DataFrame) -> str:
    if table["low"].isna().all():
        return "there are no intervals"
    covered = (table["low"] <= table.index + _ROUNDING) & (table.index - _ROUNDING <= table["high"])
    if covered.all():
        return "every interval covers the known share"
    missed = ", ".join(f"{share:g}" for share in table.index[~covered])
    return f"the interval does NOT cover the known share of {missed}"


def _list_doses(table: pd.DataFrame) -> str:
    return ", ".join(
        f"{share:g}: {view.interval(*numbers)}"
        for share, numbers in zip(table.index, table.to_numpy(), strict=True)
    )
