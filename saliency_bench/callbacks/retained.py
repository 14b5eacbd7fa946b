"""From scores of maps to points of curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saliency_bench.inference.pairs import Pairs, count
from saliency_bench.protocols import OK

Columns = Mapping[str, NDArray[Any]]
"""Scores of a `Scorer`: by similarity, `[N]` of `scoring.PAIR`, or why there are none."""

ABOUT = {
    "retained": "Share of the similarity that is left: 0 as for maps of different images, "
    "1 as for equal maps.",
    "retained_low": "Lower end of the 95 % interval of `retained`, over draws and images.",
    "retained_high": "Upper end of the 95 % interval of `retained`, over draws and images.",
    "similarity": "Mean similarity of an image's two maps.",
    "similarity_null": "Mean similarity of maps of different images.",
    "similarity_floor": "Mean similarity of maps of two redrawn networks: what the image decides.",
    "undefined": "Share of the pairs of maps that cannot be compared: constant or not finite.",
}
"""Descriptions of the quantities."""


class Curve(NamedTuple):
    """A point of a curve."""

    quantity: str
    similarity: str
    value: float

    @property
    def about(self) -> str:
        """The description of the quantity, for TensorBoard."""
        return ABOUT[self.quantity]


def curves(columns: Sequence[Columns]) -> Iterator[Curve]:
    """Points for the similarities that apply to the maps; NaN if no score is defined.

    Args:
        columns: scores of each draw.
    """
    for similarity in columns[0]:
        draws = [column[similarity] for column in columns]
        if all(draw.dtype.names for draw in draws):
            for quantity, value in _quantities(np.stack(draws)).items():
                yield Curve(quantity, similarity, value)


def _quantities(pairs: NDArray[np.void]) -> dict[str, float]:
    """Quantities of pairs `[D, N]`; without an interval if there is only one draw."""
    kind = pairs["status"]
    values = {"undefined": float(np.mean(kind != OK))}
    score, null = pairs["score"], pairs["null"]
    stage = Pairs(np.ones(1, int), score[None], null[None], np.ones((1, *score.shape)), kind[None])
    result = count(stage)
    retained = result.retained
    values |= {
        "similarity": result.mean(result.score),
        "similarity_null": result.mean(result.null),
    }
    values |= {"retained": float(retained.value)}
    if len(pairs) > 1:
        values |= {"retained_low": float(retained.low), "retained_high": float(retained.high)}
    floors = pairs["floor"][np.isfinite(pairs["floor"])]
    return values | ({"similarity_floor": float(floors.mean())} if floors.size else {})
