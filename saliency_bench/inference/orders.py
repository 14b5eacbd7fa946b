"""Whether a map changes in step with something else, by the ranks of its changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from saliency_bench.protocols import Floats

MIN_STAGES = 3
"""Fewest stages whose order is compared."""


def order_of(change: Floats, shift: Floats, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Rank correlation (Spearman) over the stages of a map's change with the output's: `[D, I]`.

    A map that never changes follows nothing: 0. NaN if the output never changes, or if fewer than
    `MIN_STAGES` stages are known.

    Args:
        change: `[L, D, I]` of the map.
        shift: `[L, D, I]` of the output.
        known: `[L, D, I]` whether both are known.
    """
    known = known & np.isfinite(shift)
    ranks = [
        stats.rankdata(np.where(known, values, np.nan), axis=0, nan_policy="omit")
        for values in (change, shift)
    ]
    map_rank, output_rank = (_centred(rank, known) for rank in ranks)
    product = (map_rank * output_rank).sum(axis=0)
    of_map, of_output = ((rank**2).sum(axis=0) for rank in (map_rank, output_rank))
    judged = (known.sum(axis=0) >= MIN_STAGES) & (of_output > 0)
    size = np.sqrt(of_map * of_output)
    return np.where(judged, product / np.where(size > 0, size, 1.0), np.nan)


def _centred(ranks: Floats, known: NDArray[np.bool_]) -> Floats:
    """Ranks `[L, D, I]` minus their mean over the known stages; 0 elsewhere."""
    sums = np.where(known, ranks, 0.0).sum(axis=0)
    return np.where(known, ranks - sums / np.maximum(1, known.sum(axis=0)), 0.0)
