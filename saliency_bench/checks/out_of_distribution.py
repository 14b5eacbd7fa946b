"""Out of distribution: networks of another domain that are shown the images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from saliency_bench.checks.base import taught, untaught
from saliency_bench.checks.bugs import (
    NOTE,
    SOUND,
    Told,
    labelled,
    require_settings,
    suspects,
    unplanted,
)
from saliency_bench.checks.composed import scenes_for
from saliency_bench.datasets import Source, Textures
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Dataset,
    Expectation,
    NetworkName,
    Study,
    Words,
)

OTHER = "another domain's"
"""The lesson of networks that learned other images."""

DECLARED = Expectation(
    Words(
        breaks="the images are shown to a network that was trained on another domain",
        passes="the map would have shown that the network knows nothing of such images",
        fails="the map would not have shown that the network knows nothing of such images",
        kept="of what the maps of networks of the images' own domain share when the network is one "
        "of another domain",
        draws="networks of a kind",
        untouched="network of the domain",
        depth="whether the network is one of another domain",
        note=NOTE,
    ),
    ceiling=Ceiling(
        stage=SOUND,
        name="networks of the domain",
        caption="Networks are trained anew, and a draw is a network. Stage 1 compares networks "
        "that were trained on images of the same domain: a network's mean similarity with the "
        "others is its ceiling. Stage 2 compares them with networks of another domain, for which "
        "the class that each predicts is explained, as the images' own classes mean nothing to "
        "them. The null is what maps of different images score there. The floor of a stage is what "
        "the maps of two of its networks score on one image.",
    ),
    statistic="last",
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "OwnRegion": "pass", "Constant": "undefined",
        "RandomFresh": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class OutOfDistribution:
    """Out-of-distribution test (Adebayo et al., 2020): would the map show a foreign network?

    Networks that were trained on the data set are compared with networks of the same architecture
    that were trained on another one. All see the same images of the data set.

    Attributes:
        domain: the other data set; as many of its classes are used as the images have.
        networks: how many of each kind; at least 3 for a verdict.
        min_test_accuracy: what networks of the images' own domain must reach on test images; more
            if one class is frequent.
        min_train_accuracy: what networks of the other domain must reach on the images they learned.
        max_test_accuracy: what these may reach on the test images of the data set.
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2020",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = True

    domain: Source = field(default_factory=Textures)
    networks: int = 3
    min_test_accuracy: float = 0.7
    min_train_accuracy: float = 0.95
    max_test_accuracy: float = 0.5

    def __post_init__(self) -> None:
        require_settings(
            self.networks,
            min_test_accuracy=self.min_test_accuracy,
            min_train_accuracy=self.min_train_accuracy,
            max_test_accuracy=self.max_test_accuracy,
        )

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, networks of the images' own domain, and those of the other one.

        Trains the networks that are not trained yet.

        Raises:
            NotApplicable: if networks cannot be trained, or labels are missing.
            SettingError: if the other data set has no labels, or nothing to train on.
        """
        data = labelled(study)
        sound = [study.weights(NetworkName(draw=draw)) for draw in range(self.networks)]
        other = taught(study.weights, self._lesson(data.dataset), self.networks)
        return suspects(study, Told(), sound, other, name="another domain", foreign=True)

    def expectation(self, study: Study) -> Expectation:
        """A verdict if networks know their own domain, and those of the other one only that."""
        trained = study.weights.trained
        guards = (
            *untaught(trained, [NetworkName().labels], self.min_test_accuracy),
            *unplanted(trained, OTHER, least=self.min_train_accuracy, most=self.max_test_accuracy),
        )
        return replace(self.declares, learned=self.min_train_accuracy, guards=guards)

    def _lesson(self, dataset: Dataset) -> Dataset:
        """The other domain to train on, in shape and colours of the images that are tested."""
        learned, _ = scenes_for(self.domain, dataset, "domain")
        labels = np.asarray(learned.labels, np.int64)
        return replace(dataset, name=OTHER, train_pixels=learned.pixels, train_labels=labels)
