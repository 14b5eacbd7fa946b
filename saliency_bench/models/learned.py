"""What all networks share that this package builds and trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from saliency_bench.datasets.content import digest
from saliency_bench.models.base import LoadedModel
from saliency_bench.models.trainer import Trainer
from saliency_bench.models.training import Training
from saliency_bench.protocols import Dataset


class Learned(ABC):
    """Settings of a network that is trained on the run's dataset and kept in the cache.

    A subclass is a frozen dataclass that names its kind and builds the network.

    Attributes:
        kind: tells its fingerprint from those of other networks.
        training: how it is trained.
    """

    trains: ClassVar[bool] = True
    kind: ClassVar[str]
    training: Training

    @abstractmethod
    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.

        Raises:
            ValueError: if images of this shape do not fit the settings.
        """

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """Train the network on the dataset, or read it from the cache.

        Args:
            dataset: the images to train on and to explain.
            seed: of the initial weights and the order of images.
            cache: folder of trained networks.

        Raises:
            ValueError: if the dataset has no training images, or does not fit the network.
        """
        return Trainer(self, dataset, seed=seed, cache=cache).load()

    def fingerprint(self) -> str:
        """Hash of all settings."""
        return digest({"model": self.kind, **asdict(self)})  # type: ignore[call-overload]
