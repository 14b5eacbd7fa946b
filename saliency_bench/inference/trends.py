"""How the change of maps is ordered along the depth of a check's stages."""

from __future__ import annotations

import numpy as np

from saliency_bench.inference.evidence import Case
from saliency_bench.inference.intervals import Interval, mean_interval
from saliency_bench.inference.orders import MIN_STAGES, order_of


def trend(case: Case) -> Interval | None:
    """The trend of a check; None if it has none of this similarity, or too few stages for one.

    A draw counts once: its scores are averaged over the images before they are ranked, and the
    interval is Student's over the draws. Maps that never change follow nothing: 0.
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
    return mean_interval(found[np.isfinite(found)])
