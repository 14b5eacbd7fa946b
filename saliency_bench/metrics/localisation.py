"""Whether a map lies in the mask of the object that its class names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage, stats

from saliency_bench.metrics.base import ranked
from saliency_bench.metrics.planes import Plane
from saliency_bench.metrics.regions import Localisation, Region, share_inside
from saliency_bench.randomize import stream


@dataclass(frozen=True)
class RelevanceMass(Localisation):
    """Relevance mass accuracy (Arras et al., 2022): the share of positive relevance in the mask.

    The mask itself scores 1. A constant map scores the share of the picture that the mask covers. A
    map without positive relevance is undefined.
    """

    papers: ClassVar[tuple[str, ...]] = ("arras2022",)
    unit: ClassVar[str] = "share of the positive relevance"
    words: ClassVar[str] = "the share of a map's positive relevance that lies in the mask"
    remark: ClassVar[str] = "A constant map scores the share of the picture that the mask covers."

    def of(self, relevance: Plane, region: Region, key: int) -> float:
        """The share, in [0, 1]."""
        return share_inside(relevance, region)


@dataclass(frozen=True)
class RelevanceRank(Localisation):
    """Relevance rank accuracy (Arras et al., 2022): how many of the first pixels lie in the mask.

    As many pixels are taken as the mask has, highest relevance first; ties are broken at random. So
    a constant map scores the share of the picture that the mask covers, on average.
    """

    papers: ClassVar[tuple[str, ...]] = ("arras2022",)
    unit: ClassVar[str] = "share of the mask"
    words: ClassVar[str] = (
        "the share of the pixels of highest relevance, as many as the mask has, that lie in it"
    )
    remark: ClassVar[str] = (
        "A constant map scores the share of the picture that the mask covers, on average."
    )

    def of(self, relevance: Plane, region: Region, key: int) -> float:
        """The share, in [0, 1]."""
        count = np.count_nonzero(region)
        first = ranked(relevance, key, "relevance rank")[:count]
        return float(region.ravel()[first].sum() / count)


@dataclass(frozen=True)
class PointingGame(Localisation):
    """The pointing game (Zhang et al., 2018): does the pixel of highest relevance hit the mask?

    Of several highest pixels one is drawn. So a constant map hits as often as the mask's share of
    the picture. An image whose mask cannot be missed, within the tolerance, is undefined.

    Attributes:
        tolerance: distance from the mask that is still a hit, in pixels; the authors take 15.
    """

    papers: ClassVar[tuple[str, ...]] = ("zhang2018",)
    unit: ClassVar[str] = "share of hits"
    words: ClassVar[str] = "whether the pixel of highest relevance lies in the mask"
    hits: ClassVar[bool] = True
    remark: ClassVar[str] = (
        "A constant map hits as often as the mask's share of the picture, on average."
    )

    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance must be at least 0 pixels, got {self.tolerance}")

    def of(self, relevance: Plane, region: Region, key: int) -> float:
        """1 for a hit, 0 for a miss."""
        near = self._near(region)
        if near.all():
            return np.nan
        highest = np.flatnonzero(relevance == relevance.max())
        drawn = highest[stream("pointing game", key).integers(len(highest))]
        return float(near.flat[drawn])

    def expected(self, region: Region) -> float:
        """The share of the picture that is a hit."""
        return float(self._near(region).mean())

    def _near(self, region: Region) -> Region:
        return np.asarray(ndimage.distance_transform_edt(~region) <= self.tolerance)


@dataclass(frozen=True)
class LocalizationAUC(Localisation):
    """Area under the ROC curve of the relevance as a detector of the mask's pixels.

    It is the chance that a pixel of the mask has more relevance than one outside, where equal ones
    count half: 1 for the mask itself, .5 for a constant map.
    """

    papers: ClassVar[tuple[str, ...]] = ()
    unit: ClassVar[str] = "area under the curve"
    words: ClassVar[str] = (
        "how often a pixel of the mask has more relevance than a pixel outside of it"
    )
    remark: ClassVar[str] = "A constant map scores 0.5."

    def of(self, relevance: Plane, region: Region, key: int) -> float:
        """The area, in [0, 1]."""
        inside = np.count_nonzero(region)
        ranks = stats.rankdata(relevance, axis=None).reshape(region.shape)[region]
        above = ranks.sum() - inside * (inside + 1) / 2
        return float(above / (inside * (region.size - inside)))

    def expected(self, region: Region) -> float:
        """A half: a shifted pixel of the mask is as often above a pixel outside as below it."""
        return 0.5
