"""Occlusion: what the output loses when a patch is covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method, pairs
from saliency_bench.protocols import Bound, Floats, Ints, Output


@dataclass(frozen=True)
class Occlusion(Method):
    """Drop of the target's score under a sliding patch (Zeiler & Fergus, 2014).

    Each pixel gets the mean drop over the patches that cover it; patches reach every border.

    Attributes:
        patch: side of the square patch in pixels; default a seventh of the image's short side.
        stride: step between patches in pixels; default half a patch.
        fill: value under the patch, model units.
        output: what is explained.
    """

    uses_gradients: ClassVar[bool] = False

    patch: int | None = None
    stride: int | None = None
    fill: float = 0.0
    output: Output = "logit"

    def __post_init__(self) -> None:
        for name, value in (("patch", self.patch), ("stride", self.stride)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        if self.patch is not None and self.stride is not None:
            _require_cover(self.patch, self.stride)

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; `ValueError` if the patch does not fit its images."""
        height, width = (network.input_shape(model) or (None, None))[:2]
        if height is not None and width is not None:
            self.patches(height, width)
        score = network.target_score(model, self.output)

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images = np.asarray(images, np.float32)
            whole = score(images, targets)
            patches = self.patches(images.shape[1], images.shape[2])
            totals = np.zeros((*images.shape[:3], 1))
            for batch in pairs(len(images), len(patches), score.batch):
                covered = np.take(images, batch.image, axis=0)
                for row, sample in zip(covered, batch.sample, strict=True):
                    row[patches[sample]] = self.fill
                drops = whole[batch.image] - score(covered, targets[batch.image])
                for image, sample, drop in zip(batch.image, batch.sample, drops, strict=True):
                    totals[image][patches[sample]] += drop
            return np.asarray(totals / self.times(patches, totals.shape[1:]), np.float32)

        return bound

    def patches(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """Rows and columns of every patch; the last ones end at the border.

        Raises:
            ValueError: if the patch is larger than the image, or the stride than the patch.
        """
        patch = self.patch or max(1, min(height, width) // 7)
        if patch > min(height, width):
            raise ValueError(f"patch must fit the image of {height}x{width}; got {patch}")
        stride = self.stride or max(1, patch // 2)
        _require_cover(patch, stride)
        across = _spans(width, patch, stride)
        return [(down, right) for down in _spans(height, patch, stride) for right in across]

    @staticmethod
    def times(patches: list[tuple[slice, slice]], shape: tuple[int, ...]) -> NDArray[np.float64]:
        """How many patches cover each pixel of `shape` `[H, W, 1]`."""
        counts = np.zeros(shape)
        for patch in patches:
            counts[patch] += 1
        return counts


def _require_cover(patch: int, stride: int) -> None:
    if stride > patch:
        raise ValueError(f"stride must be at most the patch of {patch}; got {stride}")


def _spans(size: int, patch: int, stride: int) -> list[slice]:
    """Where each patch lies along one axis; the last one ends at the border."""
    last = size - patch
    return [slice(start, start + patch) for start in sorted({*range(0, last, stride), last})]
