"""Infidelity: what a map cannot say about the change of the score under perturbations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Metric, require_count
from saliency_bench.metrics.perturbed import Copies, Finish, Perturbing, Scene
from saliency_bench.metrics.planes import enlarged
from saliency_bench.protocols import Floats, Output
from saliency_bench.protocols.metrics import VALUE, BoundMetric
from saliency_bench.randomize import stream

Attribution = Literal["local", "global", "either"]
"""What a map says of a pixel: how the score follows it, or what it adds to the score."""


@dataclass(frozen=True)
class Infidelity(Metric):
    """The share of the score's change under perturbations that a map does not explain.

    (Yeh et al., 2019.) A perturbation I sets a random square to `fill`. With d the drop of the
    score, it is the least of `E[(b I.map - d)^2] / E[d^2]` over scales b of at least 0: 1 minus the
    R^2 of a regression through 0. So it does not depend on the scale of the map, and lies between
    0 and 1, where a map stands that explains nothing or says the opposite. It is 0 for a linear
    network and its gradient. A map of one channel counts for each of the image's.

    Attributes:
        samples: squares for each image.
        largest: side of the largest square, as a share of the image's short side; sides are drawn
            from one pixel up to it, with equal chances.
        fill: value in the square, model units.
        attribution: how maps are read: "local", "global" or "either". A local map of one channel
            counts for each of the image's; one whose channels are others cannot be read so.
        seed: of the squares.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("yeh2019",)
    family: ClassVar[Literal["faithfulness"]] = "faithfulness"
    direction: ClassVar[Literal["higher", "lower"]] = "lower"
    unit: ClassVar[str] = "share of the change"
    words: ClassVar[str] = (
        "the share of the score's change, when squares are removed, that a map does not explain"
    )
    remark: ClassVar[str] = (
        "A map is read as a gradient or as contributions, whichever explains more. Removed squares "
        "are images that the network may never have seen."
    )
    controls: ClassVar[Mapping[str, str]] = {"PatchOracle": "better", "RandomFresh": "not better"}

    samples: int = 100
    largest: float = 0.3
    fill: float = 0.0
    attribution: Attribution = "either"
    seed: int = 0
    output: Output = "logit"

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 2)
        if not 0 < self.largest <= 1:
            raise ValueError(f"largest must lie above 0 and be at most 1; got {self.largest}")
        if not np.isfinite(self.fill):
            raise ValueError(f"fill must be finite; got {self.fill}")
        if self.attribution not in get_args(Attribution):
            known = ", ".join(get_args(Attribution))
            raise ValueError(f"attribution must be one of {known}; got {self.attribution!r}")

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`."""
        return _BoundInfidelity(self, network.target_score(model, self.output))


class _BoundInfidelity(Perturbing):
    shapes: Mapping[str, tuple[int, ...]] = {VALUE: ()}

    def __init__(self, metric: Infidelity, kernel: network.Kernel) -> None:
        super().__init__(kernel)
        self._metric = metric

    def copies(self, scene: Scene) -> tuple[Copies, Finish]:
        """The image itself, and copies of it without each square."""
        metric, image = self._metric, scene.image
        draw = stream("squares", metric.seed, scene.key)
        squares = _squares(image.shape[:2], metric.largest, metric.samples, draw)
        readings = [_sums(plane, squares) for plane in self._readings(scene)]
        fill = np.float32(metric.fill)

        def make(start: int, stop: int) -> Floats:
            copies = np.repeat(image[None], stop - start, axis=0)
            for copy, index in zip(copies, range(start, stop), strict=True):
                if index > 0:
                    top, left, side = squares[index - 1]
                    copy[top : top + side, left : left + side] = fill
            return copies

        def finish(found: NDArray[np.float64]) -> Mapping[str, Any]:
            drops = found[0] - found[1:]
            return {VALUE: min(_unexplained(predicted, drops) for predicted in readings)}

        return Copies(scene.target, metric.samples + 1, make), finish

    def _readings(self, scene: Scene) -> list[Floats]:
        """What the map says of each pixel's removal, `[H, W]`, in each way of reading it.

        Raises:
            ValueError: if maps are local, and their channels not those of the image.
        """
        asked = self._metric.attribution
        channels, own = scene.image.shape[-1], scene.map.shape[-1]
        fits = own in (1, channels)
        if asked == "local" and not fits:
            raise ValueError(
                f"maps must have one channel or the image's {channels} where attribution=local; "
                f"got {own}"
            )
        readings = [] if asked == "local" else [scene.plane]
        if asked != "global" and fits:
            size = scene.image.shape[:2]
            channels_first = np.moveaxis(scene.map.astype(np.float64), -1, 0)
            slopes = [enlarged(one, size) for one in channels_first]
            removed = scene.image.astype(np.float64) - self._metric.fill
            readings.append(np.asarray((removed * np.stack(slopes, axis=-1)).sum(axis=-1)))
        return readings


def _squares(
    size: tuple[int, ...], largest: float, samples: int, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Random squares within an image of `size` `(H, W)`: `[samples, 3]` of top, left and side."""
    height, width = size
    most = max(1, round(largest * min(height, width)))
    sides = draw.integers(1, most + 1, samples)
    tops = draw.integers(0, height - sides + 1)
    return np.stack([tops, draw.integers(0, width - sides + 1), sides], axis=1)


def _sums(plane: Floats, squares: NDArray[np.int64]) -> NDArray[np.float64]:
    """The sum of a plane `[H, W]` over each square."""
    corners = np.pad(plane.cumsum(axis=0).cumsum(axis=1), [(1, 0), (1, 0)])
    top, left, side = squares.T
    low, right = top + side, left + side
    inside = corners[low, right] - corners[top, right] - corners[low, left] + corners[top, left]
    return np.asarray(inside, np.float64)


def _unexplained(predicted: NDArray[np.float64], drops: NDArray[np.float64]) -> float:
    """1 - R^2 of a regression through 0 with a scale of at least 0; NaN if the drops are 0.

    It is 1 if all predictions are 0.
    """
    size, change = predicted @ predicted, drops @ drops
    if change == 0:
        return float("nan")
    if size == 0:
        return 1.0
    agreement = max(0.0, float(predicted @ drops))
    # Of two sums the second may be the larger one by rounding.
    return max(0.0, 1 - agreement**2 / float(size * change))
