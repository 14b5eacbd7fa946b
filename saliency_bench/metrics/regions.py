"""What all metrics of localisation share: a map and the region in which its evidence lies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench.metrics.base import Bound, Inputs, Metric
from saliency_bench.metrics.planes import Plane, plane
from saliency_bench.protocols import NotApplicable
from saliency_bench.protocols.metrics import CHANCE, VALUE, BoundMetric, Numbers

REGION_SHARE = "region_share"
"""Array of a bound metric: the share of each picture that its region covers, `[N]`."""

Region = NDArray[np.bool_]
"""`[H, W]`, neither empty nor the whole picture."""


@dataclass(frozen=True)
class Localisation(Metric):
    """Whether a map lies in the region of its image.

    A map's channels are summed, and a map smaller than its image is enlarged to its size, linearly
    between the centres of the map's pixels. An image is undefined if its region is empty or the
    whole picture, or if its map is not finite.

    Attributes:
        absolute: whether the absolute value is taken before channels are summed: for methods whose
            sign says nothing about the class. Otherwise only positive relevance is evidence.
    """

    family: ClassVar[Literal["localisation"]] = "localisation"
    direction: ClassVar[Literal["higher"]] = "higher"
    chance: ClassVar[bool] = True
    needs_regions: ClassVar[bool] = True
    beside: ClassVar[Mapping[str, str]] = MappingProxyType(
        {REGION_SHARE: "the share of the picture that the mask covers"}
    )
    controls: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"OwnRegion": "better", "RandomFresh": "not better"}
    )

    absolute: bool = field(default=False, kw_only=True)

    @abstractmethod
    def of(self, relevance: Plane, region: Region, key: int) -> float:
        """The value of one image; NaN where it is undefined.

        Args:
            relevance: `[H, W]`, finite.
            region: `[H, W]`.
            key: of the image; it seeds the order of ties.
        """

    def expected(self, region: Region) -> float:
        """The mean value over all shifts of a map around the edges of the picture.

        It is what a map scores that knows nothing of its image: the share that the region covers.

        Args:
            region: `[H, W]`.
        """
        return float(region.mean())

    def bind(self, model: Any) -> BoundMetric:
        """A metric of maps and regions; the model is not used."""
        return _InRegions(self)


@dataclass(frozen=True)
class _InRegions(Bound):
    metric: Localisation

    def numbers(self, given: Inputs) -> Numbers:
        if given.regions is None:
            raise NotApplicable("it needs masks of the images, and there are none")
        masks = given.regions.astype(bool)
        rows = zip(given.maps, masks, given.keys, strict=True)
        values = np.array([self._of(*row) for row in rows], np.float64)
        chance = np.array([self.metric.expected(mask) for mask in masks], np.float64)
        return {
            VALUE: values,
            CHANCE: np.where(np.isfinite(values), chance, np.nan),
            REGION_SHARE: masks.mean(axis=(1, 2)),
        }

    def _of(self, one: NDArray[np.float32], region: Region, key: int) -> float:
        if not region.any() or region.all():
            return np.nan
        relevance = plane(one, absolute=self.metric.absolute, size=region.shape)
        return self.metric.of(relevance, region, key) if np.isfinite(relevance).all() else np.nan


def share_inside(relevance: Plane, region: Region) -> float:
    """Share of the positive relevance that lies in the region; NaN where there is none."""
    positive = np.maximum(relevance, 0)
    total = positive.sum()
    return float(positive[region].sum() / total) if total > 0 else np.nan
