"""Rank correlation over the pixels that differ from the baseline (Sundararajan and Taly, 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.correlation import average_ranks
from saliency_bench.similarities.prepared import PreparedMaps, check_threshold, scores
from saliency_bench.similarities.reduce import planes

LEAST = 30
"""Fewest pixels of a correlation."""


@dataclass(frozen=True)
class Values(PreparedMaps):
    """Maps with the pixels at which they are not 0.

    Attributes:
        value: `[N, D]`; infinity where every channel of the map is exactly 0, which ranks last.
    """

    value: NDArray[np.float64]


@dataclass(frozen=True)
class SpearmanOffBaseline:
    """Spearman rank correlation over the pixels at which neither map is exactly 0.

    A method that multiplies by `input - baseline` gives each pixel at the baseline the value 0,
    whatever the network is. These pixels rank alike in every such map, and on images with much
    background they decide the correlation (Sundararajan and Taly, 2018). Here they do not count.
    The maps themselves tell them, for any baseline. A map that does not multiply by the input has
    hardly any such pixel and scores as `Spearman`; from a map that is cut off at 0, as Grad-CAM's,
    the zeros are left out too.

    Undefined with fewer than `least` pixels, or if a map is constant over them.

    Attributes:
        absolute: whether `|m|` is summed over the channels instead of `m`.
        least: fewest pixels of a correlation.
        threshold: largest `retained` that passes; None: no verdict, as those of `Spearman` are
            calibrated with all pixels.
    """

    papers: ClassVar[tuple[str, ...]] = ("sundararajan2018",)

    absolute: bool = True
    least: int = LEAST
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.least < 2:
            raise ValueError(f"least must be at least 2 pixels; got {self.least}")
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Values:
        """Maps `[N, H, W, C']`, summed over their channels, with the pixels that count."""
        flat = planes(maps, absolute=self.absolute).reshape(len(maps), -1)
        counts = planes(maps, absolute=True).reshape(len(maps), -1) > 0
        lower = np.where(counts, flat, np.inf).min(axis=1)
        upper = np.where(counts, flat, -np.inf).max(axis=1)
        defined = (counts.sum(axis=1) >= self.least) & (lower < upper)
        value = np.where(counts, flat, np.inf)
        return Values(defined, np.where(defined[:, None], value, np.nan))

    def compare(self, reference: Values, changed: Values) -> NDArray[np.float64]:
        """`[N]` rank correlations in [-1, 1], NaN where they are undefined."""
        counts = np.isfinite(reference.value) & np.isfinite(changed.value)
        number = counts.sum(axis=1)
        ranks = [
            _centred(np.where(counts, maps.value, np.inf), counts, number)
            for maps in (reference, changed)
        ]
        covariance, *variances = (
            np.einsum("nd,nd->n", a, b)
            for a, b in ((ranks[0], ranks[1]), (ranks[0], ranks[0]), (ranks[1], ranks[1]))
        )
        spread = np.sqrt(np.prod(variances, axis=0))
        defined = (number >= self.least) & (spread > 0)
        return np.asarray(covariance / np.where(defined, spread, np.nan))

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)


def _centred(
    values: NDArray[np.float64], counts: NDArray[np.bool_], number: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Ranks within each row of `[N, D]`, minus their mean; 0 at pixels that do not count.

    Args:
        values: `[N, D]`, infinite at pixels that do not count, so that these rank last.
        counts: `[N, D]` which pixels count.
        number: `[N]` how many.
    """
    return np.asarray(np.where(counts, average_ranks(values) - (number[:, None] + 1) / 2, 0.0))
