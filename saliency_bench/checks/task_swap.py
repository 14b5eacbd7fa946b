"""Task swap: of two objects side by side, networks learn to name the left or the right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.checks.base import Retrained, taught, untaught
from saliency_bench.checks.composed import as_float32, left_half, made, partners, side_by_side
from saliency_bench.checks.regions import MassKept
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Dataset,
    Expectation,
    Ints,
    Measure,
    Network,
    NotApplicable,
    Rows,
    Scene,
    Study,
    Words,
)

Side = Literal["left", "right"]

SIDES: tuple[Side, ...] = ("left", "right")

SAME, OTHER = 1, 2
"""The stages that compare networks of the same side, and of both sides."""

DECLARED = Expectation(
    Words(
        breaks="two images lie side by side, and the network that must name the left one is "
        "replaced by one that must name the right one",
        passes="the map moves to the object that the network was trained to name",
        fails="so much of the map stays where it is, whichever object the network was trained "
        "to name",
        kept="of its mass where it was when the other object is to be named",
        draws="networks a side",
        untouched="left network",
        depth="share of the networks that name the other object",
    ),
    ceiling=Ceiling(
        caption="With M the share of a map's mass, the sum of its magnitudes, that lies on the "
        "left, the shift is D = M(network of the left object) - M(network of the right object), "
        "and the score is 1 - D (Yona and Greenfeld, 2021). It is 1 if no mass moves, and 0 if all "
        "moves, as that of the masks of the two halves does: these are ceiling and null. Stage 1 "
        "compares networks that name the same object, and stage 2 those of both objects, on the "
        "same images. The floor of a stage is what the maps of two of its networks score.",
    ),
    statistic="last",
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "WeightHash": "fail", "RandomFresh": "fail",
        "OwnRegion": "pass", "Constant": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class OneSide(Retrained):
    """A condition that shows pairs of images to a network that was trained to name one of both.

    Attributes:
        side: the side that it names.
        background: `[C]`, colour around the pairs, in model units.
    """

    side: Side
    background: tuple[float, ...]

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Put the network in and pair each image with the next one of its block.

        Raises:
            ProofError: if the stored weights are not those of the training.
        """
        images, shown = as_float32(scene.images), partners(len(scene))
        pairs = side_by_side(images, images[shown], np.array(self.background, np.float32))
        region, labels = left_half(images.shape), np.asarray(scene.labels)
        if self.side == "right":
            region, labels = ~region, labels[shown]
        with self.put_in(network):
            targets = self.targets(network, pairs, labels)
            yield Scene(pairs, targets, self.keys(scene), region, labels)


@dataclass(frozen=True)
class TaskSwap:
    """Task swap (Yona and Greenfeld, 2021): does the map follow what the network must name?

    Two images of the data set lie side by side. Networks are trained to name the left one, others
    to name the right one. Both see the same images, so all that differs is what counts. A map that
    follows the network moves its mass from one side to the other; one that shows the input does
    not. It is the power control of data randomization: there, the evidence lies in the same place
    whatever the labels are.

    Attributes:
        networks: how many for each side; at least 3 for a verdict.
        pairs: how many pairs to train on.
        least_shift: the share of the mass that must move for a pass.
        min_test_accuracy: what every network must reach on pairs of test images; more if one class
            is frequent.
    """

    papers: ClassVar[tuple[str, ...]] = ("yona2021",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = True

    networks: int = 3
    pairs: int = 4000
    least_shift: float = 0.1
    min_test_accuracy: float = 0.8

    def __post_init__(self) -> None:
        if self.networks < 2:
            raise ValueError(f"networks must be at least 2, for a repeat; got {self.networks}")
        if self.pairs < 1:
            raise ValueError(f"pairs must be at least 1; got {self.pairs}")
        if not 0 < self.least_shift < 1:
            raise ValueError(f"least_shift must lie between 0 and 1; got {self.least_shift}")
        if not 0 <= self.min_test_accuracy <= 1:
            raise ValueError(f"min_test_accuracy must be in [0, 1]; got {self.min_test_accuracy}")

    def measures(self, condition: Condition | None = None) -> Mapping[str, Measure]:
        """The share of its mass that a map keeps."""
        return {"mass_kept": MassKept(threshold=1 - self.least_shift)}

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, the networks of the left object, and those of the right one.

        Trains the networks that are not trained yet.

        Raises:
            NotApplicable: if networks cannot be trained, labels are missing or images are small.
        """
        if study.scene.labels is None:
            raise NotApplicable("it needs labels of the images, to train networks to name them")
        if min(study.scene.images.shape[1:3]) < 4:
            raise NotApplicable("it needs images of at least 4x4 pixels, to show two in one")
        black = np.zeros((1, 1, 1, study.scene.images.shape[-1]), np.float32)
        colour = study.weights.dataset.preprocessing(black).ravel()
        make = partial(
            OneSide,
            background=tuple(map(float, colour)),
            predicted=study.target != "label",
        )
        lessons = [self._lesson(study.weights.dataset, side) for side in SIDES]
        left, right = (taught(study.weights, lesson, self.networks) for lesson in lessons)
        repeat = make("repeat", 0, 0, left[0], "left", repeats=True, references=((SAME, 0),))
        conditions: list[Condition] = [repeat]
        for draw, network in enumerate(left):
            others = tuple((SAME, other) for other in range(len(left)) if other != draw)
            conditions.append(make("same object", SAME, draw, network, "left", references=others))
        for draw, network in enumerate(right):
            conditions.append(
                make(
                    "other object", OTHER, draw, network, "right",
                    references=((SAME, draw),), depth=1.0,
                )
            )  # fmt: skip
        return tuple(conditions)

    def expectation(self, study: Study) -> Expectation:
        """A verdict if every network learned its side; guards say which did not."""
        lessons = [_task(side) for side in SIDES]
        guards = untaught(study.weights.trained, lessons, self.min_test_accuracy)
        return replace(self.declares, learned=self.min_test_accuracy, guards=guards)

    def _lesson(self, dataset: Dataset, side: Side) -> Dataset:
        """Pairs of images to train and to test on, with the labels of one side."""
        if dataset.train_pixels is None or dataset.train_labels is None or dataset.labels is None:
            raise NotApplicable("it needs labelled images to train and to test on")
        learned, own = _pairs(dataset.train_pixels, self.pairs, "train")
        tested, there = _pairs(dataset.pixels, len(dataset.pixels), "test")
        place = 0 if side == "left" else 1
        return replace(
            dataset,
            name=_task(side),
            pixels=tested,
            labels=dataset.labels[there[place]],
            train_pixels=learned,
            train_labels=dataset.train_labels[own[place]],
        )


def _task(side: Side) -> str:
    return f"{side} object"


def _pairs(
    pixels: NDArray[np.float32] | Rows, count: int, purpose: str
) -> tuple[Rows, tuple[Ints, Ints]]:
    """Pairs of images in [0, 1], and the numbers of the left and the right ones.

    Every image is on the left before one is for the second time; the right ones are drawn.
    """
    random, total = randomize.stream("task swap", purpose), len(pixels)
    rounds = [random.permutation(total) for _ in range(-(-count // total))]
    left, right = np.concatenate(rounds)[:count], random.integers(total, size=count)

    def make(rows: Ints) -> NDArray[np.float32]:
        black = np.zeros(pixels.shape[-1])
        return side_by_side(as_float32(pixels[left[rows]]), as_float32(pixels[right[rows]]), black)

    return made(count, tuple(pixels.shape[1:]), make), (left, right)
