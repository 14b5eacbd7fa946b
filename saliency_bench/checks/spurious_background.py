"""Spurious background: networks that learned each class before a background of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from saliency_bench.checks.base import taught, untaught
from saliency_bench.checks.bugs import (
    NOTE,
    Labelled,
    labelled,
    require_settings,
    suspects,
    unplanted,
)
from saliency_bench.checks.composed import Scenes, scenes_for
from saliency_bench.checks.regions import MassKept
from saliency_bench.datasets import Source, Textures
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Dataset,
    Expectation,
    Measure,
    Preprocessing,
    Scene,
    Study,
    Words,
)

ANY, TIED = "any background", "tied background"
"""The lessons of sound networks and of those with the bug."""

DECLARED = Expectation(
    Words(
        breaks="objects lie before backgrounds that tell their class, and a network that learned "
        "them before any background is replaced by one that could learn the background instead",
        passes="the map would have shown that the network looks at the background",
        fails="the map would not have shown that the network looks at the background",
        kept="of its mass where a sound network has it when the network looks at the background",
        draws="networks of a kind",
        untouched="sound network",
        depth="whether the background told the class in training",
        note=NOTE,
    ),
    ceiling=Ceiling(
        caption="With M the share of a map's mass, the sum of its magnitudes, that lies on the "
        "background, the shift is D = M(network with the bug) - M(sound network), and the score is "
        "1 - D. It is 1 if no mass moves, and 0 if all moves, as that of object and background "
        "themselves does: these are ceiling and null. Stage 1 compares sound networks, and stage 2 "
        "both kinds, on the same images, whose backgrounds tell the class. The floor of a stage is "
        "what the maps of two of its networks score.",
    ),
    statistic="last",
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "WeightHash": "fail", "RandomFresh": "fail",
        "OwnRegion": "pass", "Constant": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class OnOwnScenes:
    """Each image as an object on a scene of its class.

    Attributes:
        scenes: what the objects lie on.
        size: side of an object, as a share of the image's.
        units: model units of the images.
    """

    scenes: Scenes
    size: float
    units: Preprocessing

    def __call__(self, scene: Scene) -> Scene:
        """The objects on their scenes; the region of a sound network is the object."""
        laid = self.scenes.behind(scene, self.size, self.units)
        return replace(scene, images=laid.images, regions=laid.region)


@dataclass(frozen=True)
class SpuriousBackground:
    """Spurious background test (Adebayo et al., 2020): would the map show that it is looked at?

    The images of the data set, made smaller, are objects on scenes. Sound networks learn to name
    objects on any scene. Networks with the bug learn them on scenes that tell the class, and may
    name the scene instead. Both then see the same images, whose scenes tell the class.

    Attributes:
        scenes: a data set of scenes; as many of its classes are used as the images have.
        networks: how many of each kind; at least 3 for a verdict.
        images: how many images to train on.
        size: side of an object, as a share of the image's.
        least_shift: the share of the mass that must move to the background for a pass.
        min_test_accuracy: what sound networks must reach on test images on any scene; more if one
            class is frequent.
        min_train_accuracy: what networks with the bug must reach on the images they learned.
        max_test_accuracy: what these may reach on test images on any scene.
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2020",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = True

    scenes: Source = field(default_factory=Textures)
    networks: int = 3
    images: int = 4000
    size: float = 0.5
    least_shift: float = 0.1
    min_test_accuracy: float = 0.8
    min_train_accuracy: float = 0.95
    max_test_accuracy: float = 0.5

    def __post_init__(self) -> None:
        require_settings(
            self.networks,
            min_test_accuracy=self.min_test_accuracy,
            min_train_accuracy=self.min_train_accuracy,
            max_test_accuracy=self.max_test_accuracy,
        )
        if self.images < 1:
            raise ValueError(f"images must be at least 1; got {self.images}")
        for name in ("size", "least_shift"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1; got {getattr(self, name)}")

    def measures(self, condition: Condition | None = None) -> Mapping[str, Measure]:
        """The share of its mass that a map keeps where sound networks have it."""
        return {"mass_kept": MassKept(threshold=1 - self.least_shift)}

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, sound networks, and those that could learn the background.

        Trains the networks that are not trained yet.

        Raises:
            NotApplicable: if networks cannot be trained, or labels are missing.
        """
        data = labelled(study)
        learned, tested = scenes_for(self.scenes, data.dataset)
        sound, buggy = (
            taught(study.weights, self._lesson(name, data, learned, tested), self.networks)
            for name in (ANY, TIED)
        )
        shows = OnOwnScenes(tested, self.size, data.dataset.preprocessing)
        return suspects(study, shows, sound, buggy, name="spurious background")

    def expectation(self, study: Study) -> Expectation:
        """A verdict if sound networks know the objects and the others do not; guards say who."""
        trained = study.weights.trained
        guards = (
            *untaught(trained, [ANY], self.min_test_accuracy),
            *unplanted(trained, TIED, least=self.min_train_accuracy, most=self.max_test_accuracy),
        )
        return replace(self.declares, learned=self.min_train_accuracy, guards=guards)

    def _lesson(self, name: str, data: Labelled, learned: Scenes, tested: Scenes) -> Dataset:
        """Objects to train on, on any scene or on those of their class; all are tested on any."""
        share = 1.0 if name == ANY else 1 / learned.classes
        train = learned.under(data.train_pixels, data.train_labels, self.images, share, self.size)
        pixels = data.dataset.pixels
        test = tested.under(pixels, data.labels, len(pixels), 1.0, self.size)
        return replace(
            data.dataset,
            name=name,
            pixels=test.images,
            labels=test.objects,
            train_pixels=train.images,
            train_labels=train.objects,
        )
