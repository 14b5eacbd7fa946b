"""Measures of where in the image a map lies: the share of its mass, and its mean importance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_bench.checks.composed import resized
from saliency_bench.protocols import Floats

CLIPPED = 99
"""Percentile above which a map is clipped before it is scaled to [0, 1]."""


@dataclass(frozen=True)
class MapsInRegions:
    """Maps with the regions of their scenes.

    Attributes:
        defined: `[N]` bool, False where a map says nothing about places.
        inside: `[N, h, w]` float64, the share of each value that lies inside the own region.
        values: `[N, h, w]` float64, non-negative; NaN where undefined.
    """

    defined: NDArray[np.bool_]
    inside: NDArray[np.float64]
    values: NDArray[np.float64]

    def mass(self, region: NDArray[np.float64]) -> NDArray[np.float64]:
        """`[N]` share of the sum of the values that lies in a region `[N, h, w]`."""
        return _over(self.values, region, self.values)

    def mean(self, region: NDArray[np.float64]) -> NDArray[np.float64]:
        """`[N]` mean of the values over a region `[N, h, w]`."""
        return _over(self.values, region, region)


def _over(
    values: NDArray[np.float64], region: NDArray[np.float64], by: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((values * region).sum(axis=(1, 2)) / by.sum(axis=(1, 2)))


@dataclass(frozen=True)
class MassKept:
    """The share of a map's mass that stays in the region of the reference: 1 - D.

    With M the share of the sum of `|map|`, summed over channels, that lies in the reference's
    region, D = M(reference) - M(changed) (Yona and Greenfeld, 2021). Maps that are the regions
    themselves have D = 1 if the regions are disjoint; equal maps have D = 0.

    Attributes:
        threshold: largest share that passes.
    """

    threshold: float | None = 0.9
    null: float = 0.0

    def prepare(self, maps: Floats, regions: NDArray[np.bool_]) -> MapsInRegions:
        """Magnitudes of maps `[N, h, w, C']` with regions `[N, H, W]`."""
        return _prepared(np.abs(maps, dtype=np.float64).sum(axis=-1), regions)

    def compare(self, reference: MapsInRegions, changed: MapsInRegions) -> NDArray[np.float64]:
        """`[N]` scores in [0, 2]: above 1 if mass moved towards the reference's region."""
        return 1 - (reference.mass(reference.inside) - changed.mass(reference.inside))


class _Importance:
    """Positive parts of a map, clipped at their 99th percentile and scaled to [0, 1]."""

    def prepare(self, maps: Floats, regions: NDArray[np.bool_]) -> MapsInRegions:
        """Importance of maps `[N, h, w, C']` with regions `[N, H, W]`."""
        values = np.maximum(maps, 0, dtype=np.float64).sum(axis=-1)
        highest = np.percentile(values, CLIPPED, axis=(1, 2), keepdims=True)
        # A map with few positive pixels keeps them: its percentile is 0.
        highest = np.where(highest > 0, highest, values.max(axis=(1, 2), keepdims=True))
        clipped = np.minimum(values, highest)
        lowest = clipped.min(axis=(1, 2), keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _prepared((clipped - lowest) / (highest - lowest), regions)


@dataclass(frozen=True)
class ContrastKept(_Importance):
    """1 - MCS, the model contrast score (Yang and Kim, 2019).

    With g the mean importance over the reference's region, MCS = g(reference) - g(changed).

    Attributes:
        threshold: largest share that passes.
    """

    threshold: float | None = 0.9
    null: float = 0.0

    def compare(self, reference: MapsInRegions, changed: MapsInRegions) -> NDArray[np.float64]:
        """`[N]` scores in [0, 2]."""
        return 1 - (reference.mean(reference.inside) - changed.mean(reference.inside))


@dataclass(frozen=True)
class NoMoreImportant(_Importance):
    """1 - IDR, the input dependence rate (Yang and Kim, 2019).

    An image scores 0 if what lies outside the reference's region is more important to the changed
    map than to the reference, and 1 otherwise.
    """

    threshold: float | None = None
    null: float = 0.0

    def compare(self, reference: MapsInRegions, changed: MapsInRegions) -> NDArray[np.float64]:
        """`[N]` scores, 0 or 1."""
        before, after = (maps.mean(1 - reference.inside) for maps in (reference, changed))
        return np.where(np.isfinite(before + after), after <= before, np.nan)


@dataclass(frozen=True)
class AsImportant(_Importance):
    """IIR, the input independence rate (Yang and Kim, 2019).

    An image scores 1 if what lies outside the changed map's region is as important to both maps,
    and 0 otherwise; equal maps score 1, also where they are 0 there.

    Attributes:
        tolerance: largest difference, as a share of the importance to the reference.
    """

    threshold: float | None = None
    null: float = 0.0
    tolerance: float = 0.1

    def compare(self, reference: MapsInRegions, changed: MapsInRegions) -> NDArray[np.float64]:
        """`[N]` scores, 0 or 1."""
        before, after = (maps.mean(1 - changed.inside) for maps in (reference, changed))
        near = np.abs(after - before) <= self.tolerance * before
        return np.where(np.isfinite(before + after), near, np.nan)


def _prepared(values: NDArray[np.float64], regions: NDArray[np.bool_]) -> MapsInRegions:
    # Coarse maps have their own grid: a cell may lie partly inside.
    inside = resized(regions[..., np.newaxis], values.shape[1:])[..., 0].astype(np.float64)
    lowest, highest = values.min(axis=(1, 2)), values.max(axis=(1, 2))
    defined = np.asarray(lowest < highest)
    # Divided by the largest value, tiny maps do not underflow.
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = values / highest[:, np.newaxis, np.newaxis]
    return MapsInRegions(defined, inside, np.where(defined[:, None, None], scaled, np.nan))
