"""Images and maps as pictures, large enough for TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from saliency_bench import plot
from saliency_bench.plot.scales import PERCENTILE
from saliency_bench.protocols import Floats, Preprocessing

ABOUT = (
    f"Colours end at the {PERCENTILE:.0f}th percentile of each map's |map|: compare positions, "
    "not strengths. Hatched: constant, or nowhere finite."
)
"""How to read the colours of an overlay."""

SIDE = 160
"""Least side of a picture in pixels; smaller ones are enlarged by a whole factor."""

TOLERANCE = 1e-3
"""How far rounding may move a pixel out of [0, 1]."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Display:
    """Images in display units.

    Attributes:
        pixels: `[N, H, W, 1 or 3]` in [0, 1].
        about: how they were scaled; empty if they were not.
    """

    pixels: NDArray[np.float32]
    about: str

    @classmethod
    def of(cls, images: Floats, preprocessing: Preprocessing) -> Display:
        """Display images `[N, H, W, C]` in model units; pixels outside [0, 1] are scaled."""
        pixels = preprocessing.inverse(images)
        about = ""
        low, high = float(pixels.min()), float(pixels.max())
        if low < -TOLERANCE or high > 1 + TOLERANCE:
            pixels = (pixels - low) / (high - low or 1)
            about = f"Pixels from {low:.3g} to {high:.3g}, scaled to [0, 1]."
        # Other numbers of channels have no colours: their mean is shown.
        coloured = pixels.shape[-1] == 3
        grey = pixels if coloured else pixels.mean(axis=-1, keepdims=True)
        return cls(np.clip(grey, 0, 1), about)

    def images(self) -> list[Picture]:
        """The images as pictures."""
        return [_bytes(self._enlarge(pixels)) for pixels in self.pixels]

    def overlays(self, maps: Floats) -> list[Picture]:
        """Maps `[N, h, w, C']` over their images; maps of another size are resized."""
        return [
            _bytes(plot.overlay(self._enlarge(pixels), self._enlarge(self._resize(attribution))))
            for pixels, attribution in zip(self.pixels, maps, strict=True)
        ]

    def _resize(self, attribution: Floats) -> Floats:
        size = self.pixels.shape[1:3]
        if attribution.shape[:2] == size:
            return attribution
        return np.asarray(resize(attribution, size, order=1, preserve_range=True))

    def _enlarge(self, values: Floats) -> Floats:
        times = -(-SIDE // min(self.pixels.shape[1:3]))
        return values.repeat(times, axis=0).repeat(times, axis=1)


def _bytes(picture: Floats) -> Picture:
    return np.asarray(np.round(picture * 255), np.uint8)
