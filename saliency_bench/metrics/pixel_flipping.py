"""Deletion and insertion: the score while pixels go, or come, in the order of a map."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Metric, ranked, require_count
from saliency_bench.metrics.imputers import Blur, Fill, Imputer, require_imputer
from saliency_bench.metrics.perturbed import (
    Copies,
    Finish,
    Perturbing,
    Row,
    Scene,
    area,
    counts_of,
    hiding,
    places_of,
)
from saliency_bench.protocols import Output
from saliency_bench.protocols.metrics import CURVE, VALUE, BoundMetric
from saliency_bench.randomize import stream

REMARK = (
    "It depends on what stands in the place of hidden pixels: images that the network may never "
    "have seen."
)


@dataclass(frozen=True)
class PixelFlipping(Metric):
    """The mean score while pixels are hidden, or shown, from the highest value of a map down.

    The first and the last point of the curve are the whole image and none of it. Pixels with the
    same value lie in a random order, keyed by the image.

    Attributes:
        imputer: what stands in the place of hidden pixels.
        steps: number of times that pixels are hidden, or shown; the curve has one more point.
        output: what is explained.
    """

    family: ClassVar[Literal["faithfulness"]] = "faithfulness"
    unit: ClassVar[str] = "output"
    controls: ClassVar[Mapping[str, str]] = {"PatchOracle": "better", "RandomFresh": "not better"}

    imputer: Imputer = field(default_factory=Fill)
    steps: int = 50
    output: Output = "logit"

    def __post_init__(self) -> None:
        require_imputer(self.imputer)
        require_count("steps", self.steps, 1)

    @property
    def places(self) -> NDArray[np.float64]:
        """`[K]` the share of the pixels at each point of the curve."""
        return np.linspace(0, 1, self.steps + 1)

    @abstractmethod
    def rows(self, counts: NDArray[np.int64], pixels: int) -> list[Row]:
        """The copies after `counts` `[K]` of all pixels; order 0 falls, order 1 rises."""

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`."""
        return _BoundFlipping(self, network.target_score(model, self.output))


@dataclass(frozen=True)
class Deletion(PixelFlipping):
    """Area under the curve of the score while the highest pixels are hidden (Petsiuk et al., 2018).

    A map that finds the evidence makes the score fall soon.

    Attributes:
        imputer: what stands in the place of hidden pixels.
        steps: number of times that pixels are hidden.
        output: what is explained; in the paper the probability.
    """

    papers: ClassVar[tuple[str, ...]] = ("petsiuk2018",)
    direction: ClassVar[Literal["higher", "lower"]] = "lower"
    words: ClassVar[str] = "the mean score while the pixels of highest relevance are hidden"
    remark: ClassVar[str] = REMARK

    def rows(self, counts: NDArray[np.int64], pixels: int) -> list[Row]:
        """Hide the first pixels of the falling order."""
        return [Row(0, int(count)) for count in counts]


@dataclass(frozen=True)
class Insertion(PixelFlipping):
    """Area under the curve of the score while the highest pixels are shown (Petsiuk et al., 2018).

    It starts with an image that is hidden as a whole, by default a blurred one. A map that finds
    the evidence makes the score rise soon.

    Attributes:
        imputer: what stands in the place of hidden pixels.
        steps: number of times that pixels are shown.
        output: what is explained; in the paper the probability.
    """

    papers: ClassVar[tuple[str, ...]] = ("petsiuk2018",)
    words: ClassVar[str] = "the mean score while the pixels of highest relevance are shown"
    remark: ClassVar[str] = REMARK

    imputer: Imputer = field(default_factory=Blur)

    def rows(self, counts: NDArray[np.int64], pixels: int) -> list[Row]:
        """Hide all but the first pixels of the falling order."""
        return [Row(1, pixels - int(count)) for count in counts]


class _BoundFlipping(Perturbing):
    def __init__(self, metric: PixelFlipping, kernel: network.Kernel) -> None:
        super().__init__(kernel)
        self._metric = metric
        self.shapes = {VALUE: (), CURVE: self.places.shape}

    @property
    def places(self) -> NDArray[np.float64]:
        """As the metric."""
        return self._metric.places

    def copies(self, scene: Scene) -> tuple[Copies, Finish]:
        """The copies behind the curve of one image."""
        pixels, shape = scene.plane.size, scene.plane.shape
        counts, index = counts_of(self.places, pixels)
        falls = places_of(ranked(scene.plane, scene.key, "flipping")).reshape(shape)
        draw = stream("flipping imputer", scene.key)
        hides = [self._metric.imputer.of(scene.image, draw)]
        rows = self._metric.rows(counts, pixels)

        def finish(found: NDArray[np.float64]) -> Mapping[str, Any]:
            return {VALUE: area(found, counts / pixels), CURVE: found[index]}

        return hiding(scene.target, hides, [falls, pixels - 1 - falls], rows), finish
