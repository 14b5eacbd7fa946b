"""F-Fidelity: hide few pixels at random, among those a map marks and among the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.metrics.base import Metric, ranked, require_count, rising
from saliency_bench.metrics.imputers import Fill, Imputer, require_imputer
from saliency_bench.metrics.perturbed import Copies, Finish, Perturbing, Scene
from saliency_bench.protocols import FineTuning, Floats, Output
from saliency_bench.protocols.metrics import CURVE, VALUE, BoundMetric
from saliency_bench.randomize import stream

TOP, REST = 0, 1
"""The pixels that a map marks, and the others."""


@dataclass(frozen=True)
class RandomRemoval:
    """A network learns images without some of their pixels, a random share up to `most`.

    Attributes:
        most: largest share of the pixels that is removed.
        imputer: what stands in their place.
        epochs: how often each training image is learned, each time without other pixels.
        learning_rate: step size of Adam.
    """

    most: float = 0.1
    imputer: Imputer = field(default_factory=Fill)
    epochs: int = 5
    learning_rate: float = 1e-4

    def changed(self, image: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
        """A copy of an image `[H, W, C]` without some of its pixels."""
        pixels = image.shape[0] * image.shape[1]
        count = round(self.most * draw.random() * pixels)
        hidden = np.zeros(pixels, np.bool_)
        hidden[draw.permutation(pixels)[:count]] = True
        copies = self.imputer.of(image, draw)(hidden.reshape(1, *image.shape[:2]))
        return np.asarray(copies[0], np.float32)


@dataclass(frozen=True)
class FFidelity(Metric):
    """The score without some of the other pixels minus that without some of the marked ones.

    (F-Fidelity; Zheng et al., 2025.) A share s of the pixels is marked: those of the highest
    values. A random part of them is removed, and never more than the network was fine-tuned on, so
    that it is asked about images of a kind that it knows. FFid+ is the score of the image minus the
    mean over random parts of the marked pixels; FFid- is the same with the other pixels. The value
    is the mean of FFid+ minus FFid- over shares that lie symmetrically around a half: a map that
    knows nothing has 0, as its marked pixels are as good as the others, and a map with its sign
    turned has minus the value, exactly.

    Attributes:
        shares: of the pixels that are marked, rising and symmetric around .5.
        samples: random parts of each share.
        part: of the marked, or of the other, pixels that is removed (alpha in the paper).
        most: largest share of all pixels that is removed (beta); the network learns to do without.
        imputer: what stands in the place of removed pixels.
        epochs: of fine-tuning: how often each training image is learned.
        learning_rate: of fine-tuning: step size of Adam.
        output: what is explained.
    """

    papers: ClassVar[tuple[str, ...]] = ("zheng2025",)
    family: ClassVar[Literal["faithfulness"]] = "faithfulness"
    unit: ClassVar[str] = "output"
    words: ClassVar[str] = (
        "the score without some of the pixels that the map does not mark minus that without some "
        "of those it marks, by a network that was fine-tuned on images without random pixels"
    )
    remark: ClassVar[str] = (
        "It asks a fine-tuned network, which is no longer quite the one whose maps these are."
    )
    beside: ClassVar[Mapping[str, str]] = {
        "label": "the same number by the share of copies in which the explained class wins"
    }
    controls: ClassVar[Mapping[str, str]] = {"PatchOracle": "better", "RandomFresh": "not better"}

    shares: tuple[float, ...] = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
    samples: int = 50
    part: float = 0.5
    most: float = 0.1
    imputer: Imputer = field(default_factory=Fill)
    epochs: int = 5
    learning_rate: float = 1e-4
    output: Output = "logit"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", rising(self.shares))
        edges = np.array([0.0, *self.shares, 1.0])
        if not np.allclose(edges + edges[::-1], 1):
            raise ValueError(
                "shares must lie symmetrically around .5, so that a map that knows nothing has 0; "
                f"got {list(self.shares)}"
            )
        for name in ("part", "most"):
            if not 0 < getattr(self, name) <= 1:
                value = getattr(self, name)
                raise ValueError(f"{name} must lie above 0 and at most at 1; got {value}")
        require_count("samples", self.samples, 1)
        require_count("epochs", self.epochs, 1)
        if not 0 < self.learning_rate < np.inf:
            raise ValueError(f"learning_rate must be above 0 and finite; got {self.learning_rate}")
        require_imputer(self.imputer)

    @property
    def places(self) -> NDArray[np.float64]:
        """`[K]` the share of the pixels that are marked at each point of the curves."""
        return np.array(self.shares)

    @property
    def tuning(self) -> FineTuning:
        """What the network learns before it is asked."""
        return RandomRemoval(self.most, self.imputer, self.epochs, self.learning_rate)

    def bind(self, model: Any) -> BoundMetric:
        """Compile for `model`; `measure` also gives what `_BoundFidelity` lists.

        The weights that are in force when it is called are those that are asked: in a run those of
        the fine-tuned network.
        """
        return _BoundFidelity(self, network.target_and_top(model, self.output))


class _BoundFidelity(Perturbing):
    """Numbers of an image: its value; `CURVE`, that of `plus` minus `minus`; these; `label`.

    `plus_label` and `minus_label` are FFid+ and FFid- by the share of copies in which the target
    wins, as in the paper.
    """

    def __init__(self, metric: FFidelity, kernel: network.Kernel) -> None:
        super().__init__(kernel)
        self._metric = metric
        curves = (CURVE, "plus", "minus", "plus_label", "minus_label")
        self.shapes = {VALUE: (), "label": (), **dict.fromkeys(curves, self.places.shape)}

    @property
    def places(self) -> NDArray[np.float64]:
        """As the metric."""
        return self._metric.places

    def copies(self, scene: Scene) -> tuple[Copies, Finish]:
        """The whole image, and copies without some pixels: by sample, share, and side."""
        metric, plane, target = self._metric, scene.plane, scene.target
        # Turned maps have turned orders, ties included.
        orders = [ranked(plane, scene.key, "f_fidelity"), ranked(-plane, scene.key, "f_fidelity")]
        sizes = _sizes(self.places, plane.size)
        removed = np.minimum(np.rint(metric.part * sizes), np.rint(metric.most * plane.size))
        hide = metric.imputer.of(scene.image, stream("f_fidelity imputer", scene.key))
        shape = (metric.samples, *sizes.shape)
        luck = stream("f_fidelity", scene.key).random((metric.samples, plane.size), np.float32)

        def hidden(row: int) -> NDArray[np.bool_]:
            mask = np.zeros(plane.size, np.bool_)
            if row > 0:
                sample, share, side = np.unravel_index(row - 1, shape)
                own = orders[side][: sizes[share, side]]
                count = int(removed[share, side])
                # A sample's luck is the same for all sets, so that equal sets have equal parts.
                mask[own[np.argsort(luck[sample, own], kind="stable")[:count]]] = True
            return mask.reshape(plane.shape)

        def make(start: int, stop: int) -> Floats:
            return hide(np.stack([hidden(row) for row in range(start, stop)]))

        def finish(found: NDArray[np.float64]) -> Mapping[str, Any]:
            return _fidelities(found[:, 0], found[:, 1] == target, shape)

        return Copies(target, 1 + int(np.prod(shape)), make), finish


def _sizes(shares: NDArray[np.float64], pixels: int) -> NDArray[np.int64]:
    """`[K, 2]` how many pixels are marked, and how many are not; odd around the middle share."""
    low = np.rint(np.minimum(shares, 1 - shares) * pixels).astype(np.int64)
    marked = np.where(shares <= 0.5, low, pixels - low)
    return np.stack([marked, pixels - marked], axis=1)


def _fidelities(
    scores: NDArray[np.float64], wins: NDArray[np.bool_], shape: tuple[int, ...]
) -> Mapping[str, Any]:
    """The numbers of one image from those of its copies, the whole image first."""
    found: dict[str, Any] = {}
    for kind, own in (("", scores), ("_label", wins.astype(np.float64))):
        means = own[1:].reshape(shape).mean(axis=0)
        found[f"plus{kind}"], found[f"minus{kind}"] = (
            own[0] - means[:, TOP],
            own[0] - means[:, REST],
        )
        found[kind] = means[:, REST] - means[:, TOP]
    curve, label = found.pop(""), found.pop("_label")
    return {**found, CURVE: curve, VALUE: curve.mean(), "label": label.mean()}
