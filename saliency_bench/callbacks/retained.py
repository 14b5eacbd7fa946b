"""From compared maps to points of curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saliency_bench.inference.pairs import Pairs, count
from saliency_bench.protocols import OK

Columns = Mapping[str, NDArray[Any]]
"""A scorer's: by similarity, `[N]` of `scoring.PAIR`, or why there are none."""

ABOUT = {
    "retained": "Share of the maps that is left: 0 as much as maps of different images share, "
    "1 all of it.",
    "retained_low": "Lower end of the 95 % interval of `retained`, over draws and images.",
    "retained_high": "Upper end of the 95 % interval of `retained`, over draws and images.",
    "similarity": "Mean similarity of an image's two maps.",
    "similarity_null": "The same of maps of different images.",
    "similarity_floor": "The same of the maps of two redrawn networks: what the image dictates.",
    "undefined": "Share of the pairs of maps that cannot be compared: constant, or not finite.",
}
"""What the quantities are."""


class Curve(NamedTuple):
    """A point of a curve."""

    quantity: str
    similarity: str
    value: float

    @property
    def about(self) -> str:
        """What it is, for TensorBoard's reader."""
        return ABOUT[self.quantity]


def curves(columns: Sequence[Columns]) -> Iterator[Curve]:
    """Points for the similarities that can serve the maps; NaN where nothing is defined.

    Args:
        columns: one per draw.
    """
    for similarity in columns[0]:
        draws = [column[similarity] for column in columns]
        if all(draw.dtype.names for draw in draws):
            for quantity, value in _quantities(np.stack(draws)).items():
                yield Curve(quantity, similarity, value)


def _quantities(pairs: NDArray[np.void]) -> dict[str, float]:
    """Of pairs `[D, N]`; without an interval where there is but one draw."""
    kind = pairs["status"]
    found = {"undefined": float(np.mean(kind != OK))}
    score, null = pairs["score"], pairs["null"]
    stage = Pairs(np.ones(1, int), score[None], null[None], np.ones((1, *score.shape)), kind[None])
    counted = count(stage)
    retained = counted.retained
    found |= {
        "similarity": counted.mean(counted.score),
        "similarity_null": counted.mean(counted.null),
    }
    found |= {"retained": float(retained.value)}
    if len(pairs) > 1:
        found |= {"retained_low": float(retained.low), "retained_high": float(retained.high)}
    floors = pairs["floor"][np.isfinite(pairs["floor"])]
    return found | ({"similarity_floor": float(floors.mean())} if floors.size else {})
