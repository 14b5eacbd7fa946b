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

    def bind(self, model: Any) -> Bound:
        """Compile for `model`."""
        score = network.target_score(model, self.output)

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images = np.asarray(images, np.float32)
            whole = score(images, targets)
            covers = self.covers(images.shape[1], images.shape[2])
            totals = np.zeros((len(images), *covers.shape[1:], 1))
            for batch in pairs(len(images), len(covers), score.batch):
                cover = covers[batch.sample][..., None]
                covered = np.where(cover, np.float32(self.fill), images[batch.image])
                drops = whole[batch.image] - score(covered, targets[batch.image])
                batch.add_to(totals, cover * drops.reshape(-1, 1, 1, 1))
            return np.asarray(totals / covers.sum(axis=0)[..., None], np.float32)

        return bound

    def covers(self, height: int, width: int) -> NDArray[np.bool_]:
        """`[P, H, W]` where each of the P patches lies.

        Raises:
            ValueError: if the patch is larger than the image.
        """
        patch = self.patch or max(1, min(height, width) // 7)
        if patch > min(height, width):
            raise ValueError(f"patch must fit the image of {height}x{width}; got {patch}")
        stride = self.stride or max(1, patch // 2)
        tops, lefts = (_starts(size, patch, stride) for size in (height, width))
        covers = np.zeros((len(tops) * len(lefts), height, width), bool)
        for index, (top, left) in enumerate((t, s) for t in tops for s in lefts):
            covers[index, top : top + patch, left : left + patch] = True
        return covers


def _starts(size: int, patch: int, stride: int) -> list[int]:
    """Where patches begin along one axis; the last one ends at the border."""
    starts = list(range(0, size - patch + 1, stride))
    return starts if starts[-1] == size - patch else [*starts, size - patch]
