"""Spearman rank correlation of two maps (Adebayo et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.correlation import Vectors, average_ranks, correlate
from saliency_bench.similarities.prepared import check_threshold, scores
from saliency_bench.similarities.reduce import planes


@dataclass(frozen=True)
class Spearman:
    """Rank correlation over the pixels, with average ranks for ties; undefined for constant maps.

    Equal to `scipy.stats.spearmanr` of the flattened maps. A positive factor on a map does not
    change it.

    Attributes:
        absolute: whether `|m|` ("ABS" in the paper) is summed over the channels instead of `m`.
        threshold: largest `retained` that passes; None: the calibrated one, 0.25 with absolute
            values and 0.15 without.
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2018",)

    absolute: bool = True
    threshold: float | None = None

    def __post_init__(self) -> None:
        check_threshold(self.threshold)
        if self.threshold is None:
            object.__setattr__(self, "threshold", 0.25 if self.absolute else 0.15)

    def prepare(self, maps: Floats) -> Vectors:
        """Standardised ranks of maps `[N, H, W, C']`."""
        flat = planes(maps, absolute=self.absolute).reshape(len(maps), -1)
        return Vectors.of(average_ranks(flat))

    def compare(self, reference: Vectors, changed: Vectors) -> NDArray[np.float64]:
        """`[N]` rank correlations in [-1, 1], NaN where either map is undefined."""
        return correlate(reference, changed)

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)
