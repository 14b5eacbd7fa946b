"""ROAD: remove the most, or the least, important pixels and debias what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Metric, ranked, rising
from saliency_bench.metrics.imputers import Neighbours
from saliency_bench.metrics.perturbed import (
    Copies,
    Finish,
    Perturbing,
    Row,
    Scene,
    hiding,
    places_of,
)
from saliency_bench.protocols import Output
from saliency_bench.protocols.metrics import CURVE, VALUE, BoundMetric
from saliency_bench.randomize import stream

MORF, LERF = 0, 1
"""Orders: most, and least, relevant pixels first."""


@dataclass(frozen=True)
class ROAD(Metric):
    """Half the score without the least relevant pixels minus that without the most relevant.

    (Remove and debias; Rong et al., 2022.) Removed pixels are interpolated linearly from their
    neighbours, so that the shape of what is removed tells little. The mean is taken over shares of
    removed pixels. Half the difference is what one order gains over an order that knows nothing.
    The paper's own curves, the accuracy after either order, are rows of `measure`.

    Attributes:
        shares: of the pixels that are removed, each above 0 and below 1, rising.
        noise: standard deviation of noise on interpolated pixels, model units.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("rong2022",)
    family: ClassVar[Literal["faithfulness"]] = "faithfulness"
    unit: ClassVar[str] = "output"
    words: ClassVar[str] = (
        "half of the score without the least relevant pixels minus that without the most relevant"
    )
    remark: ClassVar[str] = (
        "Removed pixels are interpolated from their neighbours; a large hole becomes a smooth "
        "surface, which is no natural image."
    )
    controls: ClassVar[Mapping[str, str]] = {"PatchOracle": "better", "RandomFresh": "not better"}

    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    noise: float = 0.01
    output: Output = "logit"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", rising(self.shares))
        Neighbours(self.noise)

    @property
    def places(self) -> NDArray[np.float64]:
        """`[K]` the share of the pixels that are removed at each point of the curves."""
        return np.array(self.shares)

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`; `measure` also gives what `_BoundROAD` lists."""
        return _BoundROAD(self, network.target_and_top(model, self.output))


class _BoundROAD(Perturbing):
    """Numbers of an image: its value; `CURVE`, half of `lerf` minus `morf`; these two.

    `morf_accuracy` and `lerf_accuracy` are 1 where the target's score is the highest, else 0.
    """

    def __init__(self, metric: ROAD, kernel: network.Kernel) -> None:
        super().__init__(kernel)
        self._metric = metric
        curves = (CURVE, "morf", "lerf", "morf_accuracy", "lerf_accuracy")
        self.shapes = {VALUE: (), **dict.fromkeys(curves, self.places.shape)}

    @property
    def places(self) -> NDArray[np.float64]:
        """As the metric."""
        return self._metric.places

    def copies(self, scene: Scene) -> tuple[Copies, Finish]:
        """Copies of one image without its most, then without its least relevant pixels."""
        plane, key, target = scene.plane, scene.key, scene.target
        counts = np.rint(self.places * plane.size).astype(np.int64)
        # Turned maps have turned orders, ties included.
        orders = [ranked(plane, key, "road"), ranked(-plane, key, "road")]
        ranks = [places_of(order).reshape(plane.shape) for order in orders]
        hide = Neighbours(self._metric.noise).of(scene.image, stream("road noise", key))
        rows = [Row(order, int(count)) for order in (MORF, LERF) for count in counts]

        def finish(found: NDArray[np.float64]) -> Mapping[str, Any]:
            (morf, lerf), tops = found[:, 0].reshape(2, -1), found[:, 1].reshape(2, -1)
            curve, right = (lerf - morf) / 2, tops == target
            named = {"morf": morf, "lerf": lerf, CURVE: curve, VALUE: curve.mean()}
            return {**named, "morf_accuracy": right[MORF], "lerf_accuracy": right[LERF]}

        return hiding(target, [hide], ranks, rows), finish
