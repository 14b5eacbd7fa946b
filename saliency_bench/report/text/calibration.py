"""Is `retained` calibrated? What is found of maps of which a known share survives, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from saliency_bench.protocols import AREA
from saliency_bench.report import view
from saliency_bench.results import Results

_ROUNDING = 1e-6  # an interval of maps that never change has no width


def doses(results: Results, check: str, similarity: str) -> pd.DataFrame:
    """What is retained over the cascade, by the known share: `retained`, `low` and `high`."""
    rows = results.summary
    rows = rows[(rows["check"] == check) & (rows["similarity"] == similarity)]
    rows = rows[(rows["stage"] == AREA) & rows["explainer"].isin(results.provenance["doses"])]
    shares = rows["explainer"].astype(str).map(results.provenance["doses"])
    names = {"retained_low": "low", "retained_high": "high"}
    found = rows[["retained", *names]].rename(columns=names).set_index(shares.rename("share"))
    return found.astype(float).sort_index()


def dose_sentences(results: Results, check: str) -> list[str]:
    """Whether retained rises with the known share and covers it, and where thresholds sit."""
    return [
        f"{check}, {similarity}: retained {'rises' if _rises(found) else 'does NOT rise'} "
        f"monotonically with the share that survives ({_listed(found)}); {_coverage(found)}. Its "
        f"threshold {threshold:g} sits at a share of {view.number(share_at(threshold, found))}."
        for similarity, threshold, found in judged_doses(results, check)
    ]


def judged_doses(results: Results, check: str) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """Each similarity that has a threshold and was measured, its threshold and its doses."""
    for similarity, threshold in results.provenance.get("thresholds", {}).items():
        found = doses(results, check, similarity)
        if threshold is not None and len(found):
            yield similarity, float(threshold), found


def _rises(found: pd.DataFrame) -> bool:
    return bool((np.diff(found["retained"]) > 0).all())


def share_at(retained: float, found: pd.DataFrame) -> float:
    """The share of which so much was found to be retained, on lines between doses; else NaN."""
    if not _rises(found):
        return np.nan
    return float(np.interp(retained, found["retained"], found.index, left=np.nan, right=np.nan))


def _coverage(found: pd.DataFrame) -> str:
    if found["low"].isna().all():
        return "there are no intervals"
    covered = (found["low"] <= found.index + _ROUNDING) & (found.index - _ROUNDING <= found["high"])
    if covered.all():
        return "every interval covers the known share"
    missed = ", ".join(f"{share:g}" for share in found.index[~covered])
    return f"the interval does NOT cover the known share of {missed}"


def _listed(found: pd.DataFrame) -> str:
    return ", ".join(
        f"{share:g}: {view.interval(*numbers)}"
        for share, numbers in zip(found.index, found.to_numpy(), strict=True)
    )
