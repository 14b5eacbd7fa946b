"""A control that asks the network itself what each part of an image is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saliency_bench.explainers.controls.base import Control
from saliency_bench.explainers.occlusion import Occlusion


@dataclass(frozen=True)
class PatchOracle(Occlusion, Control):
    """Occlusion by patches that do not overlap: a control of metrics that hide parts of the image.

    It asks the network itself what each part of the image is worth, one part at a time. A metric by
    which it is not better than chance does not measure what it should on that network.

    Attributes:
        patch: side of the square patch in pixels; default a seventh of the image's short side.
        stride: default the patch.
        fill: value under the patch, model units.
        output: what is explained.
    """

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True

    def patches(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """As of `Occlusion`, side by side."""
        apart = self.stride or self.patch or max(1, min(height, width) // 7)
        return Occlusion(self.patch, apart).patches(height, width)
