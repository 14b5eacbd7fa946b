"""Sound networks beside networks with a planted bug: conditions that compare their maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from saliency_bench.checks.base import LONGER, Retrained, least_accuracy
from saliency_bench.checks.composed import left_half
from saliency_bench.protocols import (
    Condition,
    Dataset,
    Network,
    NetworkName,
    NotApplicable,
    Rows,
    Scene,
    Study,
    TrainedNetwork,
)

SOUND, BUGGY = 1, 2
"""The stages that compare sound networks with one another, and those with the bug with them."""

NOTE = (
    "Would the map have shown the bug? Pass is yes, fail is no; inconclusive and undefined: this "
    "run cannot say (Adebayo et al., 2020)."
)


class Showing(Protocol):
    """What networks are shown, sound or not: plain data."""

    def __call__(self, scene: Scene, /) -> Scene:
        """The scene to explain, with the regions of a sound network."""
        ...


@dataclass(frozen=True)
class Told:
    """The images as they are; an oracle is told whether the network is sound, by its region."""

    def __call__(self, scene: Scene) -> Scene:
        """The scene with the left half of each image as the region of a sound network."""
        return replace(scene, regions=left_half(scene.images.shape))


@dataclass(frozen=True)
class Suspect(Retrained):
    """A condition that shows images to a sound network or to one with a planted bug.

    Attributes:
        shows: what it is shown.
        buggy: whether it has the bug; then its region is all that a sound network's is not.
    """

    shows: Showing
    _: KW_ONLY
    buggy: bool = False

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Put the network in; yields what it is shown.

        Raises:
            ProofError: if the stored weights are not those of the training.
        """
        shown = self.shows(scene)
        regions = ~np.asarray(shown.regions) if self.buggy else shown.regions
        with self.put_in(network):
            targets = self.targets(network, shown.images, shown.targets)
            yield replace(shown, targets=targets, keys=self.keys(scene), regions=regions)


def suspects(
    study: Study,
    shows: Showing,
    sound: Sequence[TrainedNetwork],
    buggy: Sequence[TrainedNetwork],
    *,
    name: str,
    foreign: bool = False,
) -> tuple[Condition, ...]:
    """The repeat, sound networks against one another, and each with the bug against a sound one.

    Args:
        study: says which class is explained.
        shows: what all of them are shown.
        sound: networks without the bug.
        buggy: as many with it.
        name: of the bug.
        foreign: explain the class that each network with the bug predicts, as the given one means
            nothing to it.
    """
    own, predicted = study.network.fingerprint(), study.target != "label"
    draws = range(len(sound))

    def make(name: str, draw: int, references: Iterable[int]) -> Suspect:
        return Suspect(
            name, SOUND, draw, sound[draw], shows,
            predicted=predicted,
            references=tuple((SOUND, other) for other in references),
            moves_output=sound[draw].fingerprint != own,
        )  # fmt: skip

    # Figures show the first network of each stage: so they show another sound one beside.
    last = make("repeat", draws[-1], [draws[-1]])
    twins = [make("other sound networks", draw, {*draws} - {draw}) for draw in draws]
    return (
        replace(last, stage=0, draw=0, repeats=True),
        *twins,
        *(
            replace(
                make(name, draw, [draw]), stage=BUGGY, network=network, buggy=True, depth=1.0,
                predicted=predicted or foreign, moves_output=network.fingerprint != own,
            )
            for draw, network in enumerate(buggy)
        ),
    )  # fmt: skip


class Labelled(NamedTuple):
    """The data set of a study, whose labels are all known.

    Attributes:
        dataset: the whole data set.
        train_pixels: its images to train on.
        train_labels: their classes.
        labels: the classes of its images to explain.
        explained: the classes of those that this study explains.
    """

    dataset: Dataset
    train_pixels: NDArray[np.float32] | Rows
    train_labels: NDArray[np.int64]
    labels: NDArray[np.int64]
    explained: NDArray[np.int64]


def labelled(study: Study) -> Labelled:
    """The data set of a study, with labels.

    Raises:
        NotApplicable: if there are no labelled images to explain and to train on.
    """
    explained = study.scene.labels
    if explained is None:
        raise NotApplicable("it needs labels of the images, to see what the networks learned")
    dataset = study.weights.dataset
    pixels, labels = dataset.train_pixels, dataset.train_labels
    if pixels is None or labels is None or dataset.labels is None:
        raise NotApplicable("it needs labelled images to train and to test on")
    return Labelled(dataset, pixels, labels, dataset.labels, explained)


def require_settings(networks: int, **shares: float) -> None:
    """Raise `ValueError` for fewer than 2 networks, or for a share that is none."""
    if networks < 2:
        raise ValueError(f"networks must be at least 2, for a repeat; got {networks}")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be in [0, 1]; got {share}")


def unplanted(
    trained: Mapping[NetworkName, TrainedNetwork],
    lesson: str,
    *,
    least: float,
    most: float,
) -> tuple[str, ...]:
    """A line for each network without its bug: it learned nothing, or what it should not have.

    Args:
        trained: networks by name; the test images of the lesson are those that the bug spoils.
        lesson: the labels of those with the bug.
        least: the accuracy that each must reach on the images it was trained on.
        most: the accuracy that each may reach on the test images.
    """
    own = {name: network for name, network in trained.items() if name.labels == lesson}
    unlearned = (
        f"the network of {name} learned {network.train_accuracy:.2f} of its labels; at least "
        f"{asked:.2f} (min_train_accuracy) is asked for: {LONGER}"
        for name, network in own.items()
        if not network.train_accuracy >= (asked := least_accuracy(network.train_chance, least))
    )
    sound = (
        f"the network of {name} names {network.test_accuracy:.2f} of the images that its bug must "
        f"spoil; at most {most:.2f} (max_test_accuracy) is expected, so the bug is not in it: "
        "train it for more epochs (model.training.epochs), or plant more of the bug"
        for name, network in own.items()
        if not network.test_accuracy <= most
    )
    return (*unlearned, *sound)
