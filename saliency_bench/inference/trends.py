"""How the change of maps is ordered along the depth of a check's stages."""

from __future__ import annotations

import numpy as np

from saliency_bench.inference.evidence import Case
from saliency_bench.inference.orders import MIN_STAGES, order_of


def trend(case: Case) -> float | None:
    """The trend of a check; None if it has none of this similarity, or too few stages for one.

    The scores of a draw are averaged over the images before they are ranked, and the trend is the
    mean over the draws. Maps that never change follow nothing: 0. It has no interval, as a few
    rank correlations of a few stages take a few values alone.
    """
    own, networks = case.expectation.trend, case.networks
    if own is None or case.key[2] != own.of or case.failure:
        return None
    depths = networks.drop_duplicates("stage").set_index("stage")["depth"]
    depth = depths.reindex(case.pairs.stages).to_numpy(float)
    counted = case.counted(case.pairs.take(depth > 0))
    if len(counted.score) < max(MIN_STAGES, (depth > 0).sum()):
        return None
    weights = counted.weights.sum(axis=2, keepdims=True)
    sums = (counted.weights * counted.score).sum(axis=2, keepdims=True)
    means = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    along = np.broadcast_to(depth[depth > 0][:, None, None], means.shape)
    found = order_of(1 - means, along, weights > 0)[:, 0]
    known = found[np.isfinite(found)]
    return float(known.mean()) if known.size else float("nan")
