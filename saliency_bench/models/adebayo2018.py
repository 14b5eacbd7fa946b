"""Small networks that are trained on the dataset of the run."""

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
        filters: of each convolution; every convolution is followed by a 2x2 max-pooling.
        kernel: side of the convolutions, in pixels.
        units: of the one hidden dense layer.
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
        """The network trained on the dataset, or found in `cache`."""
        return Trainer(self, dataset, seed=seed, cache=cache).load()

    def fingerprint(self) -> str:
        """Hash of all settings."""
        return digest({"model": "cnn", **asdict(self)})

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """The untrained network for images `[H, W, C]`."""
        import keras

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
        units: of each hidden layer.
        training: how it is trained.
    """

    trains: ClassVar[bool] = True

    units: Sequence[int] = (2500, 1500, 500)
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _widths("units", self.units))

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """The network trained on the dataset, or found in `cache`."""
        return Trainer(self, dataset, seed=seed, cache=cache).load()

    def fingerprint(self) -> str:
        """Hash of all settings."""
        return digest({"model": "mlp", **asdict(self)})

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """The untrained network for images `[H, W, C]`."""
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
    """Glorot-uniform initialisers, each with its own seed: equal ones give equal weights."""
    from keras.initializers import GlorotUniform

    drawn = stream("first weights", seed)
    while True:
        yield GlorotUniform(seed=int(drawn.integers(2**31)))


def _widths(name: str, values: Sequence[int]) -> tuple[int, ...]:
    if not values or min(values) < 1:
        raise ValueError(f"{name} must be at least 1, got {list(values)}")
    return tuple(values)
