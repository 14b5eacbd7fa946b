"""Whether a map lies in the images of its class, in a picture of several images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from saliency_bench.metrics.planes import Plane
from saliency_bench.metrics.regions import Localisation, Region, share_inside
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class GridPointing(Localisation):
    """The grid pointing game (Boehle et al., 2021; Rao et al., 2022).

    A picture is a grid of n x n images of distinct classes. The value is the share of the positive
    relevance for the class of one cell that lies in this cell. A constant map scores 1 / n^2. A map
    without positive relevance is undefined; the authors count it as 0. They take absolute values of
    gradients.

    The regions must be those of `dataset=mosaic`: one cell each.
    """

    papers: ClassVar[tuple[str, ...]] = ("boehle2021", "rao2022")
    unit: ClassVar[str] = "share of the positive relevance"
    words: ClassVar[str] = (
        "the share of a map's positive relevance that lies in the cell of its class"
    )
    remark: ClassVar[str] = "A constant map scores 1 / n^2 in a grid of n x n images."

    def of(self, relevance: Plane, region: Region, key: int) -> float:
        """The share, in [0, 1].

        Raises:
            NotApplicable: if the region is no cell of a grid.
        """
        cells = _side(region)
        if cells is None or _covered(region, cells) != 1:
            raise NotApplicable(
                "it needs pictures of n x n images (dataset=mosaic), with the region of one of them"
            )
        return share_inside(relevance, region)


@dataclass(frozen=True)
class Focus(Localisation):
    """Focus (Arias-Duart et al., 2022): the share of positive relevance in the class's images.

    A picture holds four images, two of them of the explained class. A constant map scores .5. A map
    without positive relevance is undefined.

    The regions must be those of `dataset=mosaic dataset.focus=true`: two of the four quadrants.
    """

    papers: ClassVar[tuple[str, ...]] = ("ariasduart2022",)
    unit: ClassVar[str] = "share of the positive relevance"
    words: ClassVar[str] = (
        "the share of a map's positive relevance that lies in the two images of its class"
    )
    remark: ClassVar[str] = "A constant map scores 0.5."

    def of(self, relevance: Plane, region: Region, key: int) -> float:
        """The share, in [0, 1].

        Raises:
            NotApplicable: if the region is not two of the four quadrants.
        """
        if _covered(region, 2) != 2:
            raise NotApplicable(
                "it needs pictures of 2x2 images, two of them of the explained class "
                "(dataset=mosaic dataset.focus=true)"
            )
        return share_inside(relevance, region)


def _side(region: Region) -> int | None:
    """The number of cells along a side, if the region is as high as one of them."""
    height = np.count_nonzero(region.any(axis=1))
    cells, rest = divmod(region.shape[0], height)
    return None if rest else cells


def _covered(region: Region, cells: int) -> int | None:
    """The number of cells that make up the region; None if it is none of whole cells."""
    height, width = region.shape
    if cells < 2 or height % cells or width % cells:
        return None
    inside = region.reshape(cells, height // cells, cells, width // cells)
    whole = inside.all(axis=(1, 3))
    return int(whole.sum()) if (whole == inside.any(axis=(1, 3))).all() else None
