"""Faithfulness correlation: does the map say how far the score falls without some pixels?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Metric, require_count
from saliency_bench.metrics.perturbed import Copies, Finish, Perturbing, Scene
from saliency_bench.protocols import Floats, Output
from saliency_bench.protocols.metrics import VALUE, BoundMetric
from saliency_bench.randomize import stream


@dataclass(frozen=True)
class FaithfulnessCorrelation(Metric):
    """Pearson correlation of a map's sum over pixels, and of the drop of the score without them.

    (Bhatt et al., 2020.) Over random subsets of the pixels, all of one size, whose values become
    `fill`. It is 1 for a linear network and a map of the contributions `w (x - fill)`. Subsets are
    parts of random divisions of the image: each pixel is in as many as any other, or one more.

    Attributes:
        subsets: number of subsets.
        share: of the pixels that are in a subset, above 0 and below 1.
        fill: value of the pixels of a subset, model units.
        seed: of the subsets.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("bhatt2020",)
    family: ClassVar[Literal["faithfulness"]] = "faithfulness"
    unit: ClassVar[str] = "correlation"
    words: ClassVar[str] = (
        "the correlation of a map's sum over random pixels and the drop of the score without them"
    )
    remark: ClassVar[str] = (
        "Scattered pixels of one value are images that the network may never have seen."
    )
    controls: ClassVar[Mapping[str, str]] = {"PatchOracle": "better", "RandomFresh": "not better"}

    subsets: int = 100
    share: float = 0.1
    fill: float = 0.0
    seed: int = 0
    output: Output = "logit"

    def __post_init__(self) -> None:
        require_count("subsets", self.subsets, 3)
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie above 0 and below 1; got {self.share}")
        if not np.isfinite(self.fill):
            raise ValueError(f"fill must be finite; got {self.fill}")

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`."""
        return _BoundCorrelation(self, network.target_score(model, self.output))


class _BoundCorrelation(Perturbing):
    shapes: Mapping[str, tuple[int, ...]] = {VALUE: ()}

    def __init__(self, metric: FaithfulnessCorrelation, kernel: network.Kernel) -> None:
        super().__init__(kernel)
        self._metric = metric

    def copies(self, scene: Scene) -> tuple[Copies, Finish]:
        """Copies of one image without each subset."""
        metric, image = self._metric, scene.image
        draw = stream("subsets", metric.seed, scene.key)
        divisions, each = _divisions(scene.plane.size, metric.share, metric.subsets, draw)
        parts = divisions.reshape(-1, *scene.plane.shape)
        sums = np.concatenate(
            [np.bincount(own, scene.plane.ravel(), each + 1)[:each] for own in divisions]
        )
        fill = np.float32(metric.fill)

        def make(start: int, stop: int) -> Floats:
            subset = np.arange(start, stop)
            hidden = parts[subset // each] == (subset % each)[:, None, None]
            return np.where(hidden[..., None], fill, image)

        def finish(found: NDArray[np.float64]) -> Mapping[str, Any]:
            return {VALUE: _pearson(sums[: metric.subsets], -found)}

        return Copies(scene.target, metric.subsets, make), finish


def _divisions(
    pixels: int, share: float, subsets: int, draw: np.random.Generator
) -> tuple[NDArray[np.int64], int]:
    """Random divisions of the pixels into subsets of equal size.

    Returns:
        `[D, pixels]` the number of each pixel's subset, and the number of subsets of a division; a
        pixel with this number is in none.
    """
    size = max(1, round(share * pixels))
    each = max(1, pixels // size)
    labels = np.minimum(np.arange(pixels) // size, each)
    return np.stack([draw.permutation(labels) for _ in range(-(-subsets // each))]), each


def _pearson(one: Floats, other: Floats) -> float:
    """The correlation of two rows; NaN if one of them is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))
