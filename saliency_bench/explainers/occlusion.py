"""Occlusion: the drop of the output when a patch is covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL
from saliency_bench.explainers.masking import Masking, Probe, require
from saliency_bench.protocols import Bound, Floats, SettingError


@dataclass(frozen=True)
class Occlusion(Masking):
    """Drop of the target's score under a sliding patch (Zeiler & Fergus, 2014).

    Each pixel gets the mean drop over the patches that cover it; patches reach every border.

    Attributes:
        patch: side of the square patch in pixels; default a seventh of the image's short side.
        stride: step between patches in pixels; default half a patch.
        fill: value under the patch, model units.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("zeiler2014",)
    stochastic: ClassVar[bool] = False
    axioms: ClassVar[frozenset[str]] = USUAL | {"linearity"}

    patch: int | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("patch", self.patch), ("stride", self.stride)):
            if value is not None:
                require(name, value, 1)
        if self.patch is not None and self.stride is not None:
            _require_cover(self.patch, self.stride)

    def compile(self, model: Any) -> Bound:
        """Compile for `model`.

        Raises:
            ValueError: if the patch does not fit its images.
        """
        height, width = (network.input_shape(model) or (None, None))[:2]
        if height is not None and width is not None:
            self.patches(height, width)
        return super().compile(model)

    def probe(self, image: NDArray[np.float32], key: int) -> Probe:
        """Masks that cover nothing, then each patch."""
        return _Patches(self.patches(*image.shape[:2]), image.shape[0], image.shape[1])

    def reach(self, height: int, width: int) -> float:
        """A patch that lies half beside what the network sees marks all that it covers."""
        rows, _ = self.patches(height, width)[0]
        return float(rows.stop - rows.start - 1)

    def patches(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """Rows and columns of every patch of an image; the last ones end at the border.

        Raises:
            ValueError: if the patch is larger than the image, or the stride larger than the patch.
        """
        patch = self.patch or max(1, min(height, width) // 7)
        if patch > min(height, width):
            raise SettingError(f"patch must fit the image of {height}x{width}; got {patch}")
        stride = self.stride or max(1, patch // 2)
        _require_cover(patch, stride)
        across = _spans(width, patch, stride)
        return [(down, right) for down in _spans(height, patch, stride) for right in across]


class _Patches(Probe):
    def __init__(self, patches: list[tuple[slice, slice]], height: int, width: int) -> None:
        self.count = 1 + len(patches)
        self._patches = patches
        self._whole = 0.0
        self._drops, self._times = np.zeros((height, width)), np.zeros((height, width))

    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        """The first mask covers nothing, the others a patch each."""
        masks = np.ones((stop - start, *self._drops.shape), np.float32)
        for mask, index in zip(masks, range(start, stop), strict=True):
            if index > 0:
                mask[self._patches[index - 1]] = 0
        return masks

    def add(self, start: int, masks: Floats, scores: Floats) -> None:
        """Add the drop from the score of the whole image to the pixels of each patch."""
        if start == 0:
            self._whole = float(scores[0])
        for index, score in enumerate(scores, start):
            if index > 0:
                self._drops[self._patches[index - 1]] += self._whole - float(score)
                self._times[self._patches[index - 1]] += 1

    def map(self) -> Floats:
        """The mean drop of each pixel."""
        return np.asarray(self._drops / self._times)


def _require_cover(patch: int, stride: int) -> None:
    if stride > patch:
        raise ValueError(f"stride must be at most the patch of {patch}; got {stride}")


def _spans(size: int, patch: int, stride: int) -> list[slice]:
    """The extent of each patch along one axis; the last one ends at the border."""
    last = size - patch
    return [slice(start, start + patch) for start in sorted({*range(0, last, stride), last})]
