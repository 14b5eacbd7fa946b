"""How often two maps have the same sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats
from saliency_bench.similarities.prepared import PreparedMaps, check_threshold, scores
from saliency_bench.similarities.reduce import planes, varies


@dataclass(frozen=True)
class Signs(PreparedMaps):
    """The signs of maps.

    Attributes:
        sign: `[N, D]` -1, 0 or 1; NaN for an undefined map.
    """

    sign: NDArray[np.float64]


@dataclass(frozen=True)
class SignAgreement:
    """Share of the pixels whose signs agree, minus the share of those whose signs differ.

    Pixels at which either map is 0 have no sign and do not count; without any other pixel the score
    is undefined, and so it is for constant maps. It is twice the accuracy of one map's signs as a
    prediction of the other's, minus 1: 0 where signs agree by chance and both are equally frequent.
    A map without negative values agrees with every other one: compare with the null.

    Attributes:
        threshold: largest `retained` that passes; None: no verdict.
    """

    papers: ClassVar[tuple[str, ...]] = ()

    threshold: float | None = None

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Signs:
        """Signs of maps `[N, H, W, C']`, summed over their channels."""
        flat = planes(maps, absolute=False).reshape(len(maps), -1)
        defined = varies(flat)
        return Signs(defined, np.where(defined[:, None], np.sign(flat), np.nan))

    def compare(self, reference: Signs, changed: Signs) -> NDArray[np.float64]:
        """`[N]` scores in [-1, 1], NaN where either map is undefined."""
        product = reference.sign * changed.sign
        count = np.abs(product).sum(axis=1)
        return np.asarray(product.sum(axis=1) / np.where(count == 0, np.nan, count))

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)
