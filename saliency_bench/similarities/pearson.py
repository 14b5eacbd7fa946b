"""Pearson correlation of two maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.correlation import Vectors, correlate
from saliency_bench.similarities.prepared import check_threshold, scores
from saliency_bench.similarities.reduce import planes, unit_peak


@dataclass(frozen=True)
class Pearson:
    """Linear correlation over the pixels; undefined for constant maps.

    Equal to `scipy.stats.pearsonr` of the flattened maps. A positive factor on a map, or a number
    that is added to it, does not change it. Unlike the rank correlation, it may hang on a few large
    values.

    Attributes:
        absolute: whether `|m|` is summed over the channels instead of `m`.
        threshold: largest `retained` that passes; None: no verdict.
    """

    papers: ClassVar[tuple[str, ...]] = ()

    absolute: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Vectors:
        """Standardised maps `[N, H, W, C']`."""
        flat = unit_peak(planes(maps, absolute=self.absolute)).reshape(len(maps), -1)
        return Vectors.of(flat)

    def compare(self, reference: Vectors, changed: Vectors) -> NDArray[np.float64]:
        """`[N]` correlations in [-1, 1], NaN where either map is undefined."""
        return correlate(reference, changed)

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)
