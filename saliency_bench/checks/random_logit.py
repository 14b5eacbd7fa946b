"""Random logit: does the map answer why this class, and not another one of the same network?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network as networks
from saliency_bench import randomize
from saliency_bench.checks.base import Repeated
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Expectation,
    Network,
    NotApplicable,
    Place,
    Scene,
    Study,
    Words,
)

Other = Literal["same", "runner-up", "random"]

FEWEST = 3
"""Fewest classes: of two, the map of one is the negative of the other's."""

TOLERANCE = 1e-4
"""Largest error of the logits without their mean, as a share of the largest logit."""

CAPTION = (
    "A draw is a random other class for each image; the runner-up is the highest class besides "
    "the explained one: it may share evidence with it. The null is what the explained class's map "
    "of an image and the other class's map of another image score; the ceiling is 1, the same "
    "class. Below the null, down to -1, one class's evidence counts against the other. The floor "
    "is what the maps of two random classes score. A centred logit is a logit minus the mean of "
    "all logits: what all classes share is taken out, and the maps of a random class and of the "
    "explained one are compared once more."
)

DECLARED = Expectation(
    Words(
        breaks="another class of the same network is explained",
        passes="the map depends on the class that is asked about",
        fails="so much of the map does not depend on the class that is asked about",
        kept="of its map under a random other class",
        draws="random other classes",
        untouched="explained class",
        depth="whether the class is another one",
    ),
    ceiling=Ceiling(caption=CAPTION),
    statistic="last",
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "WeightHash": "fail", "InputNoise": "fail", "TargetHash": "pass",
        "Constant": "undefined", "RandomFresh": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class OtherClass:
    """A condition that explains another class, or what sets a class apart from all others.

    Attributes:
        name: which class, and of which logit.
        stage: place among the conditions.
        draw: number of the random class.
        other: which class is explained.
        classes: number of classes.
        seed: root of the random streams.
        head: positions in `model.variables` of the weights that make the logits; if there are any,
            the mean over the classes is taken out of them, and so out of the logits.
        references: see `Condition`.
    """

    name: str
    stage: int
    draw: int
    other: Other
    classes: int
    seed: int = 0
    head: tuple[int, ...] = ()
    references: tuple[Place, ...] = ()
    destroys: bool = False

    @property
    def depth(self) -> float:
        """1 for another class, else 0."""
        return float(self.other != "same")

    @property
    def moves_output(self) -> bool:
        """Whether the logits change."""
        return bool(self.head)

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Explain that class; yields the scene with its targets."""
        changed = network.changed(network.once(self, self._values)) if self.head else nullcontext()
        with changed:
            yield replace(scene, targets=self._targets(network, scene))

    def _values(self, model: Any) -> dict[int, NDArray[Any]]:
        return without_mean(model, self.head)

    def _targets(self, network: Network, scene: Scene) -> NDArray[np.int64]:
        if self.other == "same":
            return scene.targets
        if self.other == "random":
            return other_classes(scene, self.classes, seed=self.seed, draw=self.draw)
        scores = np.array(network.outputs(scene.images))
        scores[np.arange(len(scores)), scene.targets] = -np.inf
        return np.asarray(scores.argmax(axis=1), np.int64)


@dataclass(frozen=True)
class RandomLogit:
    """Random logit test (Sixt et al., 2020, section 4.2): another class of the same network.

    A map that answers why the network chose a class is another one for another class. Beside a
    random other class, which decides the verdict, it explains the runner-up, and each logit minus
    the mean of all logits: all classes may share a part, which then keeps maps alike.

    Attributes:
        draws: random other classes of each image; at least 3 for a verdict. With fewer other
            classes than draws, classes come again.
        centred: whether logits minus their mean are explained as well.
    """

    papers: ClassVar[tuple[str, ...]] = ("sixt2020",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = False

    draws: int = 3
    centred: bool = True

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, the logits minus their mean, the runner-up, and each random class.

        Raises:
            NotApplicable: if there are fewer than three classes.
        """
        classes = study.network.outputs(study.scene.images[:1]).shape[1]
        if classes < FEWEST:
            raise NotApplicable(
                f"it needs {FEWEST} classes, as of two the map of one is the negative of the "
                f"other's; the model has {classes}"
            )
        head = find_head(study) if self.centred else ()
        centred = [
            OtherClass("centred logit", 1, 0, "same", classes, head=head),
            OtherClass(
                "random, centred", 2, 0, "random", classes, study.seed, head, ((1, 0),)
            ),
        ] if head else []  # fmt: skip
        stage = len(centred) + 1
        return (
            Repeated(),
            *centred,
            OtherClass("runner-up class", stage, 0, "runner-up", classes),
            *(
                OtherClass("random class", stage + 1, draw, "random", classes, study.seed)
                for draw in range(self.draws)
            ),
        )

    def expectation(self, study: Study) -> Expectation:
        """A verdict on a random other class; it says if logits minus their mean are left out."""
        if not self.centred or find_head(study):
            return self.declares
        left_out = (
            " Centred logits are left out: no last layer of this model makes the explained scores "
            "by weights for each class."
        )
        return replace(self.declares, ceiling=Ceiling(caption=CAPTION + left_out))


def other_classes(scene: Scene, classes: int, *, seed: int, draw: int) -> NDArray[np.int64]:
    """A class `[N]` besides each image's target; an image's draws are different ones first.

    Args:
        scene: the images' keys and targets.
        classes: number of classes.
        seed: root of the streams.
        draw: number of the draw.
    """
    places = (
        randomize.stream("random_logit", seed, int(key)).permutation(classes - 1)
        for key in scene.keys
    )
    chosen = np.array([order[draw % (classes - 1)] for order in places], np.int64)
    return chosen + (chosen >= scene.targets)


def find_head(study: Study) -> tuple[int, ...]:
    """Positions in `model.variables` of the weights without whose mean the logits have none.

    They are those of the last layer, with a number for each class on the last axis. The logits of
    the first image prove it. Empty if there are none.
    """
    network, image = study.network, study.scene.images[:1]
    model, logits = network.model, network.outputs(image)
    positions = {id(variable): place for place, variable in enumerate(model.variables)}
    found = tuple(
        positions[id(variable)]
        for variable in networks.blocks(model)[0].variables
        if tuple(variable.shape)[-1:] == logits.shape[1:]
    )
    values = without_mean(model, found)
    if not values:
        return ()
    with network.changed(values):
        error = np.abs(network.outputs(image) - logits + logits.mean(axis=1, keepdims=True))
    return found if error.max() <= TOLERANCE * np.abs(logits).max() else ()


def without_mean(model: Any, positions: Sequence[int]) -> dict[int, NDArray[Any]]:
    """Weights minus their mean over the classes, the last axis; without those that keep theirs.

    Args:
        model: any built Keras model.
        positions: of the weights in `model.variables`.
    """
    old = {place: np.asarray(model.variables[place].numpy()) for place in positions}
    new = {
        place: (values - values.mean(axis=-1, keepdims=True, dtype=np.float64)).astype(values.dtype)
        for place, values in old.items()
    }
    return {place: v for place, v in new.items() if not np.array_equal(v, old[place])}
