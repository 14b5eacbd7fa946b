"""Symmetric relevance gain: hide the least, and the most, relevant superpixels first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Metric, ranked, require_count
from saliency_bench.metrics.imputers import Imputer, Mean, require_imputer
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

LEAST, MOST, RANDOM = 0, 1, 2
"""Orders in which superpixels are hidden."""


@dataclass(frozen=True)
class SymmetricRelevanceGain(Metric):
    """The mean score if the least relevant parts are hidden first, minus that if the most are.

    (Blücher et al., 2024.) Parts are superpixels, with the mean value of the map in them; the mean
    is taken over the share of them that is hidden. A map of noise has 0 on average, and a map with
    its sign turned has minus the value of the map, exactly. It is the gain of both orders over a
    random one, which is evaluated too.

    Where hidden parts are imputed badly, the score says nothing about the network's work on
    images. So `measure` also gives `in_scope`, the share of the randomly occluded images in which
    the class that wins is the one that wins in the whole image: compare imputers by it.

    Attributes:
        segments: approximate number of superpixels.
        steps: number of times that superpixels are hidden; the curves have one more point.
        imputer: what stands in the place of hidden superpixels.
        draws: imputations that are averaged; more than one if they are random.
        output: what is explained; in the paper the probability.
    """

    papers: ClassVar[tuple[str, ...]] = ("bluecher2024",)
    family: ClassVar[Literal["faithfulness"]] = "faithfulness"
    unit: ClassVar[str] = "output"
    words: ClassVar[str] = (
        "the score if the least relevant superpixels are hidden first minus that if the most are"
    )
    remark: ClassVar[str] = (
        "What stands in the place of hidden superpixels may change the order of explainers: "
        "numbers of two imputers are not comparable."
    )
    beside: ClassVar[Mapping[str, str]] = {
        "in_scope": "the share of the randomly occluded images in which the same class wins"
    }
    controls: ClassVar[Mapping[str, str]] = {"PatchOracle": "better", "RandomFresh": "not better"}

    segments: int = 100
    steps: int = 25
    imputer: Imputer = field(default_factory=Mean)
    draws: int = 1
    output: Output = "logit"

    def __post_init__(self) -> None:
        require_imputer(self.imputer)
        require_count("segments", self.segments, 2)
        require_count("steps", self.steps, 1)
        require_count("draws", self.draws, 1)
        if self.draws > 1 and not self.imputer.random:
            raise ValueError(
                f"draws must be 1 with an imputer that is not random, such as {self.imputer}; "
                f"got {self.draws}"
            )

    @property
    def places(self) -> NDArray[np.float64]:
        """`[K]` the share of the superpixels that are hidden at each point of the curves."""
        return np.linspace(0, 1, self.steps + 1)

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`; `measure` also gives what `_BoundGain` lists."""
        return _BoundGain(self, network.target_and_top(model, self.output))


class _BoundGain(Perturbing):
    """Numbers of an image: its value; `CURVE`, that of `lif` minus that of `mif`; these; `random`.

    `in_scope` is a share of the randomly occluded images, and `in_scope_curve` that at each point.
    """

    def __init__(self, metric: SymmetricRelevanceGain, kernel: network.Kernel) -> None:
        super().__init__(kernel)
        self._metric = metric
        curves = (CURVE, "lif", "mif", "random", "in_scope_curve")
        self.shapes = {VALUE: (), "in_scope": (), **dict.fromkeys(curves, self.places.shape)}

    @property
    def places(self) -> NDArray[np.float64]:
        """As the metric."""
        return self._metric.places

    def copies(self, scene: Scene) -> tuple[Copies, Finish]:
        """The copies behind the curves of one image."""
        metric, key = self._metric, scene.key
        labels = network.superpixels(scene.image, metric.segments)
        parts = int(labels.max()) + 1
        counts, index = counts_of(self.places, parts)
        means = np.bincount(labels.ravel(), scene.plane.ravel()) / np.bincount(labels.ravel())
        # Turned maps have turned orders, ties included.
        orders = [ranked(-means, key, "superpixels"), ranked(means, key, "superpixels")]
        orders.append(stream("random superpixels", key).permutation(parts))
        ranks = [places_of(order)[labels] for order in orders]
        hides = [
            metric.imputer.of(scene.image, stream("superpixel imputer", key, draw))
            for draw in range(metric.draws)
        ]
        rows = _rows(counts, metric.draws)

        def finish(found: NDArray[np.float64]) -> Mapping[str, Any]:
            return _gains(_curves(found, len(counts), metric.draws), counts / parts, index)

        return hiding(scene.target, hides, ranks, rows), finish


def _rows(counts: NDArray[np.int64], draws: int) -> list[Row]:
    """The whole image once; for each draw the points between in all orders, and the end once."""
    between = [int(count) for count in counts[1:-1]]
    rows = [Row(LEAST, 0)]
    for draw in range(draws):
        rows += [Row(order, count, draw) for order in (LEAST, MOST, RANDOM) for count in between]
        rows.append(Row(LEAST, int(counts[-1]), draw))
    return rows


def _curves(found: NDArray[np.float64], points: int, draws: int) -> NDArray[np.float64]:
    """The rows of `_rows`, `[R, 2]`, as `[draws, 3, points, 2]`."""
    curves = np.empty((draws, 3, points, 2))
    each = found[1:].reshape(draws, -1, 2)
    curves[:, :, 0] = found[0]
    curves[:, :, 1:-1] = each[:, :-1].reshape(draws, 3, points - 2, 2)
    curves[:, :, -1] = each[:, -1:]
    return curves


def _gains(
    curves: NDArray[np.float64], shares: NDArray[np.float64], index: NDArray[np.int64]
) -> Mapping[str, Any]:
    """The numbers of one image from curves of the score and the winning class."""
    lif, mif, random = curves[..., 0].mean(axis=0)
    winners = curves[:, RANDOM, :, 1]
    scope = (winners == winners[0, 0]).mean(axis=0)
    named = {CURVE: lif - mif, "lif": lif, "mif": mif, "random": random, "in_scope_curve": scope}
    points = {name: curve[index] for name, curve in named.items()}
    return {VALUE: area(lif - mif, shares), "in_scope": area(scope, shares), **points}
