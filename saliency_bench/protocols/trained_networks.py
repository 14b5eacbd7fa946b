"""Networks that a check trains, on true or on randomized labels, and their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from saliency_bench.protocols.errors import NotApplicable
from saliency_bench.protocols.scenes import Dataset

LabelStream = Literal["true", "permuted", "uniform"]

RANDOMIZED = ("permuted", "uniform")
"""The streams of labels that are randomized."""

Epoch = tuple[float, float]
"""Mean loss and accuracy of the training images during one pass over them."""


class NetworkName(NamedTuple):
    """Identifies a network by the labels that it learns and by its number within its kind.

    Attributes:
        labels: the stream its labels come from, a `LabelStream`; any other text is the name of
            the data set of another lesson, see `Networks.on`.
        fraction: share of the labels that are drawn from that stream, in [0, 1]; the others
            are true.
        draw: number within its kind; `NetworkName()` is the network under test.
    """

    labels: str = "true"
    fraction: float = 0.0
    draw: int = 0

    def __str__(self) -> str:
        """E.g. "true labels 0", "permuted labels 2", "25 % permuted labels 2"."""
        return f"{self.variant} {self.draw}"

    @property
    def variant(self) -> str:
        """The labels it learns: "true labels", "permuted labels", "25 % permuted labels"."""
        if self.fraction == 1 or self.labels not in RANDOMIZED:
            return f"{self.labels} labels"
        return f"{100 * self.fraction:.4g} % {self.labels} labels"


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network. Two are equal if their weights are.

    Attributes:
        fingerprint: hash of its weights, as returned by `Network.fingerprint`.
        file: its weights by position in `model.variables`: arrays "0", "1", ... of an .npz file.
        train_accuracy: on the images and labels it was trained on, in inference mode.
        test_accuracy: on all test images and their true labels, of which a run may explain fewer;
            NaN without labels.
        chance: share of the most frequent class among the test images; NaN without labels.
        train_chance: the same for the labels that it was trained on.
        seen: share of the images to explain that are among those it was trained on.
        history: an entry per epoch.
    """

    fingerprint: str
    file: Path = field(repr=False, compare=False)
    train_accuracy: float = field(repr=False, compare=False)
    test_accuracy: float = field(repr=False, compare=False)
    chance: float = field(repr=False, compare=False)
    train_chance: float = field(default=0.0, repr=False, compare=False)
    seen: float = field(default=0.0, repr=False, compare=False)
    history: tuple[Epoch, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Outstanding:
    """Trainings that a plan leaves to be done.

    Attributes:
        networks: how many are not trained.
        epochs: most epochs of each.
        seconds: of one epoch, compilation apart.
    """

    networks: int
    epochs: int
    seconds: float


class Networks(Protocol):
    """Trains networks of one architecture, or loads them from a cache."""

    @property
    def trained(self) -> Mapping[NetworkName, TrainedNetwork]:
        """The networks that were requested so far."""
        ...

    @property
    def regularizers(self) -> tuple[str, ...]:
        """Parts of the architecture or the training that hinder memorizing, in words."""
        ...

    @property
    def alike(self) -> tuple[str, ...]:
        """Variables that start equal in several networks, e.g. those of a pretrained part."""
        ...

    @property
    def outstanding(self) -> Outstanding | None:
        """Trainings of requested networks that a plan leaves to be done; None if there are none."""
        ...

    @property
    def dataset(self) -> Dataset:
        """The whole data set on which networks are trained and tested.

        Raises:
            NotApplicable: if networks cannot be trained here.
        """
        ...

    def on(self, dataset: Dataset) -> Networks:
        """Networks of the same architecture and training, on another data set.

        Its images have the same shape and preprocessing. Its name is the `labels` of their names.

        Raises:
            NotApplicable: if networks cannot be trained here.
        """
        ...

    def prepare(self, names: Sequence[NetworkName]) -> None:
        """Train the networks of these names that are missing, side by side where that is faster.

        Raises:
            NotApplicable: if networks cannot be trained here.
        """
        ...

    def __call__(self, name: NetworkName) -> TrainedNetwork:
        """The network of this name.

        Raises:
            NotApplicable: if networks cannot be trained here.
        """
        ...


@dataclass(frozen=True)
class Untrainable:
    """Takes the place of `Networks` if none can be trained.

    Attributes:
        reason: why none can be trained.
    """

    reason: str = "it needs the training data, and there is none"

    @property
    def trained(self) -> Mapping[NetworkName, TrainedNetwork]:
        """None."""
        return {}

    @property
    def regularizers(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def alike(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def outstanding(self) -> None:
        """None."""

    @property
    def dataset(self) -> Dataset:
        """Raises `NotApplicable`."""
        raise NotApplicable(self.reason)

    def on(self, dataset: Dataset) -> Networks:
        """Raises `NotApplicable` for every data set."""
        raise NotApplicable(self.reason)

    def prepare(self, names: Sequence[NetworkName]) -> None:
        """Raises `NotApplicable` for all names."""
        raise NotApplicable(self.reason)

    def __call__(self, name: NetworkName) -> TrainedNetwork:
        """Raises `NotApplicable` for every name."""
        raise NotApplicable(self.reason)
