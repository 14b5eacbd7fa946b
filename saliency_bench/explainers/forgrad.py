"""A base explainer's maps without their high frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from saliency_bench.explainers.base import Wrapped
from saliency_bench.protocols import Bound, Floats, Ints


@dataclass(frozen=True)
class ForGrad(Wrapped):
    """Maps of which only the low frequencies are kept (Muzellec et al., 2023).

    Each channel's Fourier transform is cut off outside a square around the frequency 0. What the
    base's map sums to stays.

    Attributes:
        base: the explainer whose maps are filtered.
        sigma: half the side of the square that is kept, in cycles per map; from half the map's
            side on all is kept. Default: 15 for maps of 224 pixels, in proportion for others.
    """

    sigma: int | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None and self.sigma < 0:
            raise ValueError(f"sigma must be at least 0 or None; got {self.sigma}")

    def bind(self, model: Any) -> Bound:
        """Compile the base for `model`."""
        explain = self.base.bind(model)

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            maps = np.array(explain(images, targets, keys=keys), np.float32)
            usual = max(1, round(min(maps.shape[1:3]) * 15 / 224))
            for row in maps:
                row[...] = _low(row, usual if self.sigma is None else self.sigma)
            return maps

        return bound


def _low(one: Floats, sigma: int) -> NDArray[np.float64]:
    """The part of one map `[H, W, C]` up to a frequency, in cycles per map, on both axes."""
    height, width = one.shape[:2]
    spectrum = fft.rfft2(one.astype(np.float64), axes=(0, 1))
    spectrum[np.abs(fft.fftfreq(height, 1 / height)) > sigma] = 0
    spectrum[:, sigma + 1 :] = 0
    return np.asarray(fft.irfft2(spectrum, (height, width), axes=(0, 1)))
