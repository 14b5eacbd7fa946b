"""Relative importance: objects on scenes, and networks that name the object or the scene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

from saliency_bench.checks.base import taught, untaught
from saliency_bench.checks.composed import scenes_for
from saliency_bench.checks.objects_on_scenes import OnScenes
from saliency_bench.checks.regions import AsImportant, ContrastKept, NoMoreImportant
from saliency_bench.datasets import Source, Textures
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Dataset,
    Expectation,
    Measure,
    NotApplicable,
    Study,
    Trend,
    Words,
)

OBJECT, REMOVED, UNNOTICED, RARE = 1, 2, 3, 4
"""Stages: networks that name the object; scenes without one; with something that the network does
not notice; then the levels of `common`."""

DECLARED = Expectation(
    Words(
        breaks="objects lie on scenes, and the network that must name the object is replaced by "
        "one that must name the scene",
        passes="the object is more important to the map if the network must name it than if it "
        "must name the scene",
        fails="the object is about as important to the map, whether the network must name it or "
        "the scene",
        kept="of what a perfect map would lose on the object when the scene is to be named",
        draws="networks of a kind",
        untouched="object network",
        depth="share of the scenes that an object lies on",
    ),
    ceiling=Ceiling(
        caption="Importance is the positive part of a map, clipped at its 99th percentile and "
        "scaled to [0, 1]; g is its mean over the object. `one_minus_mcs` is 1 - MCS with the "
        "model contrast score MCS = g(object network) - g(scene network), on images that both name "
        "rightly. `one_minus_idr` is 1 - IDR: IDR is the share of images for which g of the scene "
        "network is higher if the object is taken away and the scene shows there (Yang and Kim, "
        "2019). `iir` is IIR, the share of images for which g of the scene network stays within a "
        "tenth if pixels that leave its logits as they are take the place of the object. Ceiling "
        "and null are 1 and 0, the scores of maps that never change and of the regions themselves. "
        "The rarer the scenes on which an object lies, the more it tells of the scene: then a "
        "scene network may use the object, and the score may rise. The floor of "
        "a stage is what the maps of two of its networks score.",
    ),
    statistic="last",
    trend=Trend(
        name="rmcs",
        of="one_minus_mcs",
        caption="`rmcs` is the rank correlation of MCS with the share of the scenes that an object "
        "lies on: 1 if the map gives an object the less, the less it tells of the scene.",
    ),
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "WeightHash": "fail", "RandomFresh": "fail",
        "OwnRegion": "pass", "Constant": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class RelativeImportance:
    """Relative importance of an object and the scene behind it (BAM; Yang and Kim, 2019).

    The images of the data set, made smaller, are objects that lie on scenes. Networks are trained
    to name the object, others to name the scene. The object must be more important to the first
    ones. Where an object lies on few of the scenes only, it tells of the scene as well.

    Attributes:
        scenes: a data set of scenes; as many of its classes are used as the images have.
        common: shares of the scenes that each object lies on, each a level; the last one is 1.
        networks: how many of each kind; at least 3 for a verdict.
        images: how many images to train on.
        size: side of an object, as a share of the image's.
        least_contrast: the MCS that passes.
        min_test_accuracy: what object networks must reach on test images; more if one class is
            frequent.
        min_scene_accuracy: what scene networks must reach, likewise.
    """

    papers: ClassVar[tuple[str, ...]] = ("yang2019",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = True

    scenes: Source = field(default_factory=Textures)
    common: Sequence[float] = (0.1, 0.5, 1.0)
    networks: int = 3
    images: int = 4000
    size: float = 0.5
    least_contrast: float = 0.1
    min_test_accuracy: float = 0.8
    min_scene_accuracy: float = 0.6

    def __post_init__(self) -> None:
        object.__setattr__(self, "common", tuple(sorted(set(map(float, self.common)))))
        if not self.common or self.common[0] <= 0 or self.common[-1] != 1:
            raise ValueError(f"common must lie above 0 and end with 1; got {list(self.common)}")
        if self.networks < 2:
            raise ValueError(f"networks must be at least 2, for a repeat; got {self.networks}")
        if self.images < 1:
            raise ValueError(f"images must be at least 1; got {self.images}")
        for name in ("size", "least_contrast"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1; got {getattr(self, name)}")
        for name in ("min_test_accuracy", "min_scene_accuracy"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1]; got {getattr(self, name)}")

    def measures(self, condition: Condition | None = None) -> Mapping[str, Measure]:
        """The contrast of two networks, or how one network depends on the input.

        They are scores of the paper, each so that a map that never changes scores 1.
        """
        contrast: dict[str, Measure] = {
            "one_minus_mcs": ContrastKept(threshold=1 - self.least_contrast)
        }
        of_one_network: dict[int, dict[str, Measure]] = {
            REMOVED: {"one_minus_idr": NoMoreImportant()},
            UNNOTICED: {"iir": AsImportant()},
        }
        if condition is None:
            return contrast | of_one_network[REMOVED] | of_one_network[UNNOTICED]
        return of_one_network.get(condition.stage, contrast)

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, object networks, scenes without objects, and scene networks by level.

        Trains the networks that are not trained yet.

        Raises:
            NotApplicable: if networks cannot be trained, or labels are missing.
        """
        if study.scene.labels is None:
            raise NotApplicable("it needs labels of the images, to train networks to name them")
        dataset = study.weights.dataset
        make = partial(
            OnScenes,
            scenes=scenes_for(self.scenes, dataset)[1],
            size=self.size,
            units=dataset.preprocessing,
            predicted=study.target != "label",
        )
        lessons = self._lessons(dataset)
        objects, *levels = (taught(study.weights, lesson, self.networks) for lesson in lessons)
        last = RARE + len(levels) - 1
        conditions: list[Condition] = [
            make("repeat", 0, 0, objects[0], "object", repeats=True, references=((OBJECT, 0),))
        ]
        for draw, network in enumerate(objects):
            others = tuple((OBJECT, other) for other in range(len(objects)) if other != draw)
            conditions.append(make("same task", OBJECT, draw, network, "object", references=others))
        for draw, network in enumerate(levels[-1]):
            conditions += [
                make(
                    "object taken away", REMOVED, draw, network, "scene", shown="scene alone",
                    references=((last, draw),),
                ),
                make(
                    "not noticed", UNNOTICED, draw, network, "scene", shown="unnoticed",
                    references=((REMOVED, draw),),
                ),
            ]  # fmt: skip
        for stage, (share, networks) in enumerate(zip(self.common, levels, strict=True), RARE):
            for draw, network in enumerate(networks):
                name = f"scene, objects on {100 * share:.4g}% of scenes"
                references = ((OBJECT, draw),)
                conditions.append(
                    make(name, stage, draw, network, "scene", references=references, depth=share)
                )
        return tuple(conditions)

    def expectation(self, study: Study) -> Expectation:
        """A verdict if every network learned its task; guards say which did not."""
        trained, scenes = study.weights.trained, [_scene_task(share) for share in self.common]
        least = self.min_scene_accuracy
        guards = (
            *untaught(trained, ["object"], self.min_test_accuracy),
            *untaught(trained, scenes, least, "min_scene_accuracy"),
        )
        return replace(self.declares, learned=self.min_test_accuracy, guards=guards)

    def _lessons(self, dataset: Dataset) -> Iterator[Dataset]:
        """What object networks learn, then what scene networks learn at each level."""
        if dataset.train_pixels is None or dataset.train_labels is None or dataset.labels is None:
            raise NotApplicable("it needs labelled images to train and to test on")
        learned, tested = scenes_for(self.scenes, dataset)
        tasks = [("object", 1.0), *((_scene_task(share), share) for share in self.common)]
        for name, share in tasks:
            train = learned.under(
                dataset.train_pixels, dataset.train_labels, self.images, share, self.size
            )
            test = tested.under(
                dataset.pixels, dataset.labels, len(dataset.labels), share, self.size
            )
            yield replace(
                dataset,
                name=name,
                pixels=test.images,
                labels=test.objects if name == "object" else test.scenes,
                train_pixels=train.images,
                train_labels=train.objects if name == "object" else train.scenes,
            )


def _scene_task(share: float) -> str:
    return "scene" if share == 1 else f"scene (objects on {100 * share:.4g}%)"
