"""Mean squared error of two maps, as a share of their mean squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.directions import Directions, cosine
from saliency_bench.similarities.prepared import check_threshold, scores


@dataclass(frozen=True)
class MSE:
    """`1 - mean((a - b)^2) / (mean(a^2) + mean(b^2))`: the mean squared error, without its unit.

    It is 1 for equal maps, 0 for maps with nothing in common, and -1 for a map and its negative.
    Unlike `Cosine` it sees the size of a map: it is `Cosine` times `2 / (r + 1 / r)`, where `r`
    is the ratio of the two root mean squares. So a redrawn network whose gradients are small scores
    near 0, whatever its map shows. Undefined for constant maps.

    Attributes:
        absolute: whether `|m|` is summed over the channels instead of `m`.
        threshold: largest `retained` that passes; None: no verdict.
    """

    papers: ClassVar[tuple[str, ...]] = ()

    absolute: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Directions:
        """Maps `[N, H, W, C']` as vectors of length 1, with their size."""
        return Directions.of(maps, absolute=self.absolute)

    def compare(self, reference: Directions, changed: Directions) -> NDArray[np.float64]:
        """`[N]` scores in [-1, 1], NaN where either map is undefined."""
        ratio = np.exp(-np.abs(reference.size - changed.size))
        return np.asarray(cosine(reference, changed) * (2 * ratio / (1 + ratio**2)))

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)
