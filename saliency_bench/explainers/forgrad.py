"""A base explainer's maps without their high frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from saliency_bench.explainers.base import Wrapper
from saliency_bench.protocols import Bound, Floats, Ints


@dataclass(frozen=True)
class ForGrad(Wrapper):
    """Maps without their high frequencies (Muzellec et al., 2023).

    Each channel's Fourier transform is set to 0 outside a square around the frequency 0. The sum of
    the map does not change.

    Attributes:
        base: the explainer whose maps are filtered.
        sigma: half the side of that square, in cycles per map; half the map's side or more keeps
            every frequency. Default: 15 for maps of 224 pixels, in proportion for others.
    """

    papers: ClassVar[tuple[str, ...]] = ("muzellec2023",)

    sigma: int | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None and self.sigma < 0:
            raise ValueError(f"sigma must be at least 0 or None; got {self.sigma}")

    @property
    def axioms(self) -> frozenset[str]:  # type: ignore[override]
        """Those of the base that a filter keeps."""
        return super().axioms - {"confinement"}

    def reach(self, height: int, width: int) -> float:
        """Infinite: a low-pass filter spreads each value over the map."""
        return math.inf

    def compile(self, model: Any) -> Bound:
        """Compile the base for `model`."""
        base = self.base.bind(model)

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = np.array(base(images, targets, keys=keys), np.float32)
            usual = max(1, round(min(maps.shape[1:3]) * 15 / 224))
            for row in maps:
                row[...] = _low_pass(row, usual if self.sigma is None else self.sigma)
            return maps

        return explain


def _low_pass(attribution: Floats, sigma: int) -> NDArray[np.float64]:
    """A map `[H, W, C]` without frequencies above `sigma` cycles per map on either axis."""
    height, width = attribution.shape[:2]
    spectrum = fft.rfft2(attribution.astype(np.float64), axes=(0, 1))
    spectrum[np.abs(fft.fftfreq(height, 1 / height)) > sigma] = 0
    spectrum[:, sigma + 1 :] = 0
    return np.asarray(fft.irfft2(spectrum, (height, width), axes=(0, 1)))
