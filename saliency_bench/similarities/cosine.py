"""Cosine of the angle between two maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.directions import Directions, cosine
from saliency_bench.similarities.prepared import check_threshold, scores


@dataclass(frozen=True)
class Cosine:
    """Cosine of the angle between two maps as vectors of pixels; undefined for constant maps.

    Equal to `sklearn.metrics.pairwise.cosine_similarity` of the flattened maps. Unlike
    `Pearson` it keeps the mean: maps without negative values never score below 0.

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
        """Maps `[N, H, W, C']` as vectors of length 1."""
        return Directions.of(maps, absolute=self.absolute)

    def compare(self, reference: Directions, changed: Directions) -> NDArray[np.float64]:
        """`[N]` cosines in [-1, 1], NaN where either map is undefined."""
        return cosine(reference, changed)

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)
