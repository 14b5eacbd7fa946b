"""The small networks of Adebayo et al. (2018), trained on the run's dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from saliency_bench.datasets.content import digest
from saliency_bench.models.base import LoadedModel
from saliency_bench.models.trainer import Trainer
from saliency_bench.models.training import Training
from saliency_bench.protocols import Dataset
from saliency_bench.randomize import stream


@dataclass(frozen=True)
class CNN:
    """The convolutional network of (Adebayo et al., 2018, appendix B), ending in logits.

    Attributes:
        filters: number of filters of each convolution; a 2x2 max-pooling follows each.
        kernel: side of the convolution kernels, in pixels.
        units: size of the hidden dense layer.
        training: how it is trained.
    """

    trains: ClassVar[bool] = True

    filters: Sequence[int] = (32, 64)
    kernel: int = 5
    units: int = 1024
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", _widths("filters", self.filters))
        _widths("kernel and units", (self.kernel, self.units))

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
        return digest({"model": "cnn", **asdict(self)})

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.

        Raises:
            ValueError: if the pooling leaves nothing of the image.
        """
        import keras

        most = min(shape[:2]).bit_length() - 1
        if len(self.filters) > most:
            raise ValueError(
                f"filters must be at most {most} for images of {shape[0]}x{shape[1]}, as each "
                f"is followed by a pooling that halves them; got {len(self.filters)}"
            )
        start = _initializers(seed)
        layers = [keras.Input(shape)]
        for number, width in enumerate(self.filters, start=1):
            layers += [
                keras.layers.Conv2D(
                    width,
                    self.kernel,
                    padding="same",
                    activation="relu",
                    kernel_initializer=next(start),
                    name=f"conv{number}",
                ),
                keras.layers.MaxPooling2D(2, name=f"pool{number}"),
            ]
        return keras.Sequential(layers + _head([self.units], n_classes, start), name="cnn")


@dataclass(frozen=True)
class MLP:
    """The multilayer perceptron of (Adebayo et al., 2018, appendix B), ending in logits.

    Attributes:
        units: sizes of the hidden layers.
        training: how it is trained.
    """

    trains: ClassVar[bool] = True

    units: Sequence[int] = (2500, 1500, 500)
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _widths("units", self.units))

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
        return digest({"model": "mlp", **asdict(self)})

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.
        """
        import keras

        layers = _head(self.units, n_classes, _initializers(seed))
        return keras.Sequential([keras.Input(shape), *layers], name="mlp")


def _head(units: Sequence[int], n_classes: int, start: Iterator[Any]) -> list[Any]:
    from keras.layers import Dense, Flatten

    hidden = [
        Dense(width, activation="relu", kernel_initializer=next(start), name=f"fc{number}")
        for number, width in enumerate(units, start=1)
    ]
    logits = Dense(n_classes, kernel_initializer=next(start), name="logits")
    return [Flatten(name="flatten"), *hidden, logits]


def _initializers(seed: int) -> Iterator[Any]:
    """Glorot-uniform initialisers with different seeds: equal seeds would give equal weights."""
    from keras.initializers import GlorotUniform

    seeds = stream("first weights", seed)
    while True:
        yield GlorotUniform(seed=int(seeds.integers(2**31)))


def _widths(name: str, values: Sequence[int]) -> tuple[int, ...]:
    if not values or min(values) < 1:
        raise ValueError(f"{name} must be at least 1, got {list(values)}")
    return tuple(values)
