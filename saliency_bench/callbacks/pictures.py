"""Images and maps as pictures that TensorBoard shows at a size people can see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from saliency_bench import plot
from saliency_bench.plot.scales import PERCENTILE
from saliency_bench.protocols import Floats, Preprocessing

ABOUT = (
    f"Colours end at the {PERCENTILE:.0f}th percentile of |map|, each map's own: compare places, "
    "not strengths. Hatched: constant, or nowhere finite."
)
"""How the colours of an overlay are to be read."""

SIDE = 160
"""Pixels: smaller pictures are enlarged by a whole number, so that none is shorter."""

NEARLY = 1e-3
"""How far rounding may take a pixel out of [0, 1]."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """Images in display units.

    Attributes:
        pixels: `[N, H, W, 1 or 3]` in [0, 1].
        about: how they came to be, where that is not plain.
    """

    pixels: NDArray[np.float32]
    about: str

    @classmethod
    def of(cls, images: Floats, preprocessing: Preprocessing) -> Shown:
        """Images `[N, H, W, C]` in model units; stretched if their pixels are not in [0, 1]."""
        pixels = preprocessing.inverse(images)
        about = ""
        low, high = float(pixels.min()), float(pixels.max())
        if low < -NEARLY or high > 1 + NEARLY:
            pixels = (pixels - low) / (high - low or 1)
            about = f"Pixels from {low:.3g} to {high:.3g}, stretched to the whole scale."
        # Anything but one or three channels has no colours of its own: shown as their mean.
        coloured = pixels.shape[-1] == 3
        grey = pixels if coloured else pixels.mean(axis=-1, keepdims=True)
        return cls(np.clip(grey, 0, 1), about)

    def images(self) -> list[Picture]:
        """The images themselves."""
        return [_bytes(self._enlarged(pixels)) for pixels in self.pixels]

    def overlays(self, maps: Floats) -> list[Picture]:
        """Maps `[N, h, w, C']` over their images; those of another size are brought to it."""
        return [
            _bytes(plot.overlay(self._enlarged(pixels), self._enlarged(self._fitted(attribution))))
            for pixels, attribution in zip(self.pixels, maps, strict=True)
        ]

    def _fitted(self, attribution: Floats) -> Floats:
        size = self.pixels.shape[1:3]
        if attribution.shape[:2] == size:
            return attribution
        return np.asarray(resize(attribution, size, order=1, preserve_range=True))

    def _enlarged(self, values: Floats) -> Floats:
        times = -(-SIDE // min(self.pixels.shape[1:3]))
        return values.repeat(times, axis=0).repeat(times, axis=1)


def _bytes(picture: Floats) -> Picture:
    return np.asarray(np.round(picture * 255), np.uint8)
