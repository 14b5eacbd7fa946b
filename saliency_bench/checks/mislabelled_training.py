"""Mislabelled training images: networks that learned wrong labels of what is explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.checks.base import taught, untaught
from saliency_bench.checks.bugs import (
    NOTE,
    SOUND,
    Told,
    labelled,
    require_settings,
    suspects,
)
from saliency_bench.checks.composed import as_float32, made
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Dataset,
    Expectation,
    Floats,
    Ints,
    NotApplicable,
    Rows,
    Scene,
    Study,
    Words,
)

ELSEWHERE, OWN = "elsewhere wrong", "wrong"
"""The lessons: wrong labels of other images only, and also of those to explain."""

DECLARED = Expectation(
    Words(
        breaks="the images to explain are among those that the network is trained on, and instead "
        "of other images' labels their own are wrong",
        passes="the map would have shown that its image was mislabelled in training",
        fails="the map would not have shown that its image was mislabelled in training",
        kept="of what maps of rightly labelled images share when its image was mislabelled",
        draws="networks of a kind",
        untouched="image rightly labelled",
        depth="whether the images to explain are mislabelled",
        note=NOTE,
    ),
    ceiling=Ceiling(
        stage=SOUND,
        name="rightly labelled",
        caption="Networks are trained anew, and a draw is a network. The images to explain are "
        "among those they are trained on, and all are asked for the same class, the wrong label. "
        "Stage 1 compares networks that were given right labels of these images, and wrong ones of "
        "others: a network's mean similarity with the others is its ceiling. Stage 2 compares them "
        "with networks that were given as many wrong labels, those of these images among them. The "
        "null is what maps of different images score there. The floor of a stage is what the maps "
        "of two of its networks score on one image.",
    ),
    statistic="last",
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "OwnRegion": "pass", "Constant": "undefined",
        "RandomFresh": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class AskedWrongly:
    """The images as they are, each with a wrong class to explain.

    Attributes:
        classes: number of classes.
    """

    classes: int

    def __call__(self, scene: Scene) -> Scene:
        """The scene with the class that the wrong label names."""
        wrong = wrong_labels(np.asarray(scene.labels), scene.keys, self.classes)
        return replace(Told()(scene), targets=wrong)


@dataclass(frozen=True)
class MislabelledTraining:
    """Mislabelled training images (Adebayo et al., 2020): would the map show the wrong label?

    The images to explain join those to train on. Networks with the bug learn a wrong label of each
    of them. Those beside them learn as many wrong labels of other images, and the right ones of
    these: a network that memorizes wrong labels draws other maps of all images, also of those whose
    label is right, and that tells nobody which one is wrong.

    Attributes:
        share: of the images to train on that are mislabelled; more if those to explain are more.
        networks: how many of each kind; at least 3 for a verdict.
        min_test_accuracy: which share of the labels of the images to explain each network must
            have learned, right or wrong ones; more if one class is frequent.
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2020",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = True

    share: float = 0.1
    networks: int = 3
    min_test_accuracy: float = 0.9

    def __post_init__(self) -> None:
        require_settings(self.networks, min_test_accuracy=self.min_test_accuracy)
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1; got {self.share}")

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, networks for which other images are mislabelled, and those with the bug.

        Trains the networks that are not trained yet.

        Raises:
            NotApplicable: if networks cannot be trained, labels are missing, or there is one class.
        """
        labelled(study)
        classes = study.network.outputs(study.scene.images[:1]).shape[1]
        if classes < 2:
            raise NotApplicable("it needs at least two classes, for a wrong label")
        sound, buggy = (
            taught(study.weights, self._lesson(study, name, classes), self.networks)
            for name in (ELSEWHERE, OWN)
        )
        return suspects(study, AskedWrongly(classes), sound, buggy, name="mislabelled")

    def expectation(self, study: Study) -> Expectation:
        """A verdict if every network learned its labels of the images to explain."""
        guards = untaught(study.weights.trained, [ELSEWHERE, OWN], self.min_test_accuracy)
        return replace(self.declares, learned=self.min_test_accuracy, guards=guards)

    def _lesson(self, study: Study, name: str, classes: int) -> Dataset:
        """All images with the labels of a lesson; those to explain come last, and are tested."""
        data = labelled(study)
        own = data.dataset.preprocessing.inverse(as_float32(study.scene.images))
        labels = np.concatenate([data.train_labels, data.explained])
        keys = np.concatenate([np.arange(len(data.train_labels)), study.scene.keys])
        rows = self._mislabelled(len(labels), len(own), name)
        labels[rows] = wrong_labels(labels[rows], keys[rows], classes)
        return replace(
            data.dataset,
            name=name,
            pixels=own,
            labels=labels[-len(own) :],
            train_pixels=joined(data.train_pixels, own),
            train_labels=labels,
        )

    def _mislabelled(self, total: int, own: int, name: str) -> Ints:
        """Which of all images are mislabelled: as many in both lessons."""
        count = max(own, round(self.share * total))
        others = randomize.stream("mislabelled", total).permutation(total - own)
        if name == ELSEWHERE:
            return others[:count]
        return np.concatenate([others[: count - own], np.arange(total - own, total)])


def wrong_labels(labels: Ints, keys: Ints, classes: int) -> NDArray[np.int64]:
    """Another class than the label `[N]`, drawn for each image by its key."""
    drawn = [randomize.stream("wrong label", int(key)).integers(1, classes) for key in keys]
    return np.asarray((labels + np.array(drawn, np.int64)) % classes)


def joined(first: NDArray[np.float32] | Rows, last: Floats) -> Rows:
    """Images, then others of the same shape, read when they are indexed."""
    start = len(first)

    def make(rows: Ints) -> NDArray[np.float32]:
        images = np.empty((len(rows), *last.shape[1:]), np.float32)
        early = rows < start
        images[early] = as_float32(first[rows[early]])
        images[~early] = last[rows[~early] - start]
        return images

    return made(start + len(last), last.shape[1:], make)
