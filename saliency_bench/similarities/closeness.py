"""How little two maps differ, size included (Kindermans et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.prepared import PreparedMaps, check_threshold, scores
from saliency_bench.similarities.reduce import check_maps, varies


@dataclass(frozen=True)
class Raw(PreparedMaps):
    """Maps as they are.

    Attributes:
        value: `[N, H * W * C']` float64; NaN for a constant map, or one with NaN or infinity.
    """

    value: NDArray[np.float64]


@dataclass(frozen=True)
class Closeness:
    """`1 - ||b - a|| / ||a||`: 1 for equal maps only; `a` is the reference.

    It sees every value of every channel, and the size of the maps. Unrelated maps of one size score
    about -0.4, and there is no lower bound. Undefined for constant maps.

    Attributes:
        threshold: largest `retained` that passes; None: no verdict. A check that asks whether maps
            are kept takes its verdict on the score itself.
    """

    papers: ClassVar[tuple[str, ...]] = ("kindermans2017",)

    threshold: float | None = None

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Raw:
        """Maps `[N, H, W, C']` as rows."""
        check_maps(maps)
        rows = np.asarray(maps, np.float64).reshape(len(maps), -1)
        with np.errstate(invalid="ignore"):
            defined = varies(rows) & np.isfinite(rows).all(axis=1)
        return Raw(defined, np.where(defined[:, None], rows, np.nan))

    def compare(self, reference: Raw, changed: Raw) -> NDArray[np.float64]:
        """`[N]` scores of at most 1, NaN where either map is undefined."""
        peak = np.abs(reference.value).max(axis=1, keepdims=True)  # so that no square underflows
        own = reference.value / peak
        difference = changed.value / peak - own
        squares = (np.einsum("nd,nd->n", values, values) for values in (difference, own))
        distance, length = map(np.sqrt, squares)
        return np.asarray(1 - distance / length)

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']`: references, and changed ones."""
        return scores(self, maps, others)
