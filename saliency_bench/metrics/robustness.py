"""How much a map changes when its image changes so little that the class stays the same."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Bound, Inputs, Metric, require_count
from saliency_bench.protocols import Floats, NotApplicable, Output
from saliency_bench.protocols.metrics import VALUE, BoundMetric, Numbers
from saliency_bench.randomize import stream

LOST = "lost"
"""Array of a bound metric: the share of each image's samples that changed the class, `[N]`."""

LEAST = 1e-6
"""Smallest change by which a change of the map is divided (Agarwal et al., 2022)."""

REMARK = (
    "A map that never changes is the best map: a constant explainer, and any that does not look at "
    "the image, score 0. So robustness alone does not rank explainers."
)


@dataclass(frozen=True)
class Changes:
    """What samples around N images change, for each of S samples `[S, N]`.

    Attributes:
        kept: whether the predicted class is still the same.
        maps: `||E(x') - E(x)|| / ||E(x)||`; NaN where `E(x)` is 0 or a map is not finite.
        inputs: `||x' - x|| / ||x||`.
        score: `|f_c(x') - f_c(x)|` of the explained class.
        scores: `||f(x') - f(x)||` over all classes.
    """

    kept: NDArray[np.bool_]
    maps: NDArray[np.float64]
    inputs: NDArray[np.float64]
    score: NDArray[np.float64]
    scores: NDArray[np.float64]

    def largest(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest value of each image `[N]` among the samples kept; NaN without any."""
        highest = np.where(self.kept, values, -np.inf).max(axis=0)
        return np.where(self.kept.any(axis=0), highest, np.nan)


@dataclass(frozen=True)
class _Robustness(Metric):
    """The largest change of a map over samples around its image.

    Noise is uniform in [-r, r], with r a share of the range of the image's values, and depends on
    the image's key alone. The explainer gets the same target and the same key. Samples that the
    network puts into another class do not count, as their maps may well differ. An image is
    undefined if all its samples are lost, if its map is 0 or if the image is constant.

    Attributes:
        radius: r, as a share of the range of the image's values.
        samples: how many; the largest change grows with them.
        seed: of the samples.
        output: what the network's change is measured on.
    """

    family: ClassVar[Literal["robustness"]] = "robustness"
    direction: ClassVar[Literal["lower"]] = "lower"
    chance: ClassVar[bool] = False
    explains: ClassVar[bool] = True
    remark: ClassVar[str] = REMARK
    beside: ClassVar[Mapping[str, str]] = {
        LOST: "the share of the noisy images whose class changed, which do not count"
    }

    radius: float = 0.02
    samples: int = 10
    seed: int = 0
    output: Output = "logit"

    def __post_init__(self) -> None:
        if not 0 < self.radius < np.inf:
            raise ValueError(
                f"radius must be above 0, as a share of the image's range; got {self.radius}"
            )
        require_count("samples", self.samples, 1)

    @abstractmethod
    def of(self, changes: Changes) -> NDArray[np.float64]:
        """The values `[N]`; NaN where they are undefined."""

    def bind(self, model: Any) -> BoundMetric:
        """Compile the scores of all classes."""
        scores = network.Kernel(model, lambda traced: traced.scores, self.output)
        return _Around(self, scores, self.of)


@dataclass(frozen=True)
class MaxSensitivity(_Robustness):
    """Max-sensitivity (Yeh et al., 2019): the largest relative change of a map around its image.

    max ||E(x') - E(x)|| / ||E(x)||. Where it is matched, it is divided by the largest change of the
    explained class's logit over the same samples: a map may change as much as the prediction does.

    Attributes:
        matched: whether it is divided by the change of the logit; the authors' is not. An image
            whose logit does not change is undefined then.
    """

    papers: ClassVar[tuple[str, ...]] = ("yeh2019",)
    unit: ClassVar[str] = "relative change of the map (matched: per logit)"
    words: ClassVar[str] = (
        "the largest relative change of a map around its image; matched: divided by the largest "
        "change of the logit there"
    )

    matched: bool = True

    def of(self, changes: Changes) -> NDArray[np.float64]:
        """The largest change of the map, or its ratio to that of the logit."""
        largest = changes.largest(changes.maps)
        return _ratio(largest, changes.largest(changes.score)) if self.matched else largest


@dataclass(frozen=True)
class RelativeStability(_Robustness):
    """Relative stability (Agarwal et al., 2022): the map's change per change that causes it.

    max of (||E(x') - E(x)|| / ||E(x)||) / d over the samples. d is ||x' - x|| / ||x|| for the
    input, and ||f(x') - f(x)|| over all logits for the output, but at least 1e-6. The authors
    divide pixel by pixel, which grows without bound where a pixel of the map or the image is 0;
    here norms are divided.

    Attributes:
        wrt: the change by which the map's is divided: of the input, or of the output.
    """

    papers: ClassVar[tuple[str, ...]] = ("agarwal2022",)
    unit: ClassVar[str] = "relative change of the map per change of the input or the logits"
    words: ClassVar[str] = (
        "the largest relative change of a map around its image, per change of the input or of the "
        "logits"
    )

    wrt: Literal["input", "output"] = "input"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.wrt not in ("input", "output"):
            raise ValueError(f"wrt must be input or output; got {self.wrt!r}")

    def of(self, changes: Changes) -> NDArray[np.float64]:
        """The largest ratio."""
        causes = changes.inputs if self.wrt == "input" else changes.scores
        return changes.largest(changes.maps / np.maximum(causes, LEAST))


@dataclass(frozen=True)
class _Around(Bound):
    settings: _Robustness
    scores: Callable[[Floats], NDArray[np.float32]]
    of: Callable[[Changes], NDArray[np.float64]]

    def numbers(self, given: Inputs) -> Numbers:
        explain, images, targets = given.explain, given.images, given.targets
        if explain is None:
            raise NotApplicable("it explains changed images, and there is no explainer (explain=)")
        scores = self.scores(images)
        rows: list[tuple[NDArray[Any], ...]] = []
        for sample in range(self.settings.samples):
            others = _sample(images, given.keys, sample, self.settings)
            then, logits = explain(others, targets, given.keys), self.scores(others)
            own = np.arange(len(images)), targets
            rows.append((
                logits.argmax(axis=1) == scores.argmax(axis=1),
                _relative(given.maps, then),
                _relative(images, others),
                np.abs(logits[own].astype(np.float64) - scores[own]),
                _norms(logits.astype(np.float64) - scores),
            ))  # fmt: skip
        changes = Changes(*map(np.stack, zip(*rows, strict=True)))
        varies = np.ptp(images.reshape(len(images), -1), axis=1) > 0
        return {
            VALUE: np.where(varies, self.of(changes), np.nan),
            LOST: 1 - changes.kept.mean(axis=0),
        }


def _sample(
    images: NDArray[np.float32], keys: NDArray[np.int64], sample: int, settings: _Robustness
) -> NDArray[np.float32]:
    """Each image `[N, H, W, C]` with noise of its own."""
    others = np.empty_like(images)
    for place, (image, key) in enumerate(zip(images, keys, strict=True)):
        random = stream("neighbour", settings.seed, key, sample)
        others[place] = image + settings.radius * np.ptp(image) * random.uniform(-1, 1, image.shape)
    return others


def _relative(before: Floats, after: Floats) -> NDArray[np.float64]:
    """`||after - before|| / ||before||` of each row `[N]`; NaN where it is undefined."""
    if np.shape(after) != before.shape:
        raise ValueError(
            f"explain must return maps like those it explains, {before.shape}; got "
            f"{np.shape(after)}"
        )
    first = before.astype(np.float64)
    return _ratio(_norms(np.asarray(after, np.float64) - first), _norms(first))


def _norms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean norm of each row `[N]`."""
    return np.asarray(np.sqrt(np.square(rows.reshape(len(rows), -1)).sum(axis=1)))


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """`above / below`, NaN where `below` is 0 or either is not finite."""
    defined = (below > 0) & np.isfinite(above + below)
    return np.where(defined, above / np.where(defined, below, 1), np.nan)
