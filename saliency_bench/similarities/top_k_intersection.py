"""The share of the highest pixels that two maps have in common (Ghorbani et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats, NotApplicable
from saliency_bench.similarities.prepared import PreparedMaps, check_threshold, scores
from saliency_bench.similarities.reduce import planes, varies


@dataclass(frozen=True)
class Chosen(PreparedMaps):
    """How much of each pixel is among the highest ones.

    Attributes:
        share: `[N, D]` 1 for a pixel among them, 0 for one below; pixels that tie for the last
            places divide these among themselves. All is divided by k, so each row sums to 1.
    """

    share: NDArray[np.float64]


@dataclass(frozen=True)
class TopKIntersection:
    """`|top k of a and top k of b| / k`; unrelated maps of D pixels share `k / D`.

    Pixels that tie for the last places divide them, so that no order of the pixels decides: a pixel
    that is in one set by a share and in the other by another one is in both by the smaller one.
    Undefined for constant maps.

    Attributes:
        k: how many pixels count; a number below 1 is their share of the map, rounded, at least one.
        absolute: whether `|m|` is summed over the channels instead of `m`.
        threshold: largest `retained` that passes; None: no verdict.
    """

    papers: ClassVar[tuple[str, ...]] = ("ghorbani2019",)

    k: float = 0.1
    absolute: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not (0 < self.k < 1 or (self.k >= 1 and float(self.k).is_integer())):
            raise ValueError(f"k must be a share in (0, 1) or a number of pixels; got {self.k}")
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Chosen:
        """The highest pixels of maps `[N, H, W, C']`.

        Raises:
            NotApplicable: if a map has no more than k pixels.
        """
        flat = planes(maps, absolute=self.absolute).reshape(len(maps), -1)
        k = self._count(flat.shape[1])
        border = np.partition(flat, -k, axis=1)[:, -k, None]
        above, tied = flat > border, flat == border
        places = k - above.sum(axis=1, keepdims=True)
        defined = varies(flat)
        share = np.where(above, 1.0, tied * (places / np.maximum(1, tied.sum(1, keepdims=True))))
        return Chosen(defined, np.where(defined[:, None], share / k, np.nan))

    def compare(self, reference: Chosen, changed: Chosen) -> NDArray[np.float64]:
        """`[N]` shares in [0, 1], NaN where either map is undefined."""
        return np.asarray(np.minimum(reference.share, changed.share).sum(axis=1))

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)

    def _count(self, pixels: int) -> int:
        k = int(self.k) if self.k >= 1 else max(1, round(self.k * pixels))
        if k >= pixels:
            raise NotApplicable(f"k must be smaller than the map of {pixels} pixels; got {k}")
        return k
