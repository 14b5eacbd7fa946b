"""Training a network once: the same data, settings and seed are found again in the cache."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from saliency_bench.datasets.content import digest, digest_of_array
from saliency_bench.models.base import LoadedModel, fitting
from saliency_bench.models.saved import read
from saliency_bench.protocols import Dataset

FIRST_WEIGHTS, SHUFFLE = 0, 1
"""The purposes of the random streams of a seed."""


@dataclass(frozen=True)
class Training:
    """How a network is trained: cross-entropy, whole epochs, every epoch in a new order.

    Attributes:
        optimizer: the name of a Keras optimizer.
        learning_rate: its constant step size.
        epochs: passes over the images.
        batch_size: images per step.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    epochs: int = 12
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        if min(self.epochs, self.batch_size) < 1:
            raise ValueError(
                f"epochs and batch_size must be at least 1, got {self.epochs}, {self.batch_size}"
            )


class Trainable(Protocol):
    """The settings of a network that is trained here."""

    @property
    def training(self) -> Training:
        """How it is trained."""
        ...

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """The untrained Keras model for images `[H, W, C]`; its last layer gives logits."""
        ...

    def fingerprint(self) -> str:
        """Hash of all settings."""
        ...


def trained(
    settings: Trainable, dataset: Dataset, *, name: str, seed: int, cache: Path
) -> LoadedModel:
    """The trained network as the cache holds it, so that a first and a later run get the same.

    Raises:
        ValueError: the dataset has no labelled images to train on.
    """
    images, labels = _lessons(dataset)
    n_classes = _n_classes(dataset, labels)
    key = _key(settings, images, labels, n_classes, seed)
    file = Path(cache) / f"{key}.keras"
    console = Console(stderr=True, markup=False, soft_wrap=True)
    model = _cached(file, console)
    if model is None:
        file.parent.mkdir(parents=True, exist_ok=True)
        network = settings.network(images.shape[1:], n_classes, seed=seed)
        console.print(f"training {name} on {len(images)} images of {dataset.name}")
        fit(network, images, labels, settings.training, seed=seed, console=console)
        _save(network, file)
        model = read(file)
    facts = {"key": key, "parameters": model.count_params(), **asdict(settings.training)}
    return fitting(LoadedModel(model, None, name, facts), dataset)


def fit(
    network: Any,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    training: Training,
    *,
    seed: int,
    console: Console,
) -> None:
    """Train the network in place; a line per epoch goes to the console."""
    import keras

    # A wrapper is compiled, so that the network is saved without an optimizer and its moments.
    pupil = keras.Sequential([network])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    pupil.compile(optimizer=_optimizer(training), loss=loss, metrics=["accuracy"])
    # Keras would shuffle by the process's global random state.
    shuffle = np.random.default_rng([seed, SHUFFLE])
    for epoch in range(1, training.epochs + 1):
        order = shuffle.permutation(len(images))
        history = pupil.fit(
            images[order],
            labels[order],
            batch_size=training.batch_size,
            shuffle=False,
            verbose=0,
        ).history
        console.print(
            f"epoch {epoch}/{training.epochs}: loss {history['loss'][0]:.4f}, "
            f"accuracy {history['accuracy'][0]:.4f}"
        )


def _optimizer(training: Training) -> Any:
    import keras

    try:
        optimizer = keras.optimizers.get(training.optimizer)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"optimizer must be the name of a Keras optimizer, got {training.optimizer}"
        ) from error
    optimizer.learning_rate = training.learning_rate
    return optimizer


def _lessons(dataset: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if dataset.train_pixels is None or dataset.train_labels is None:
        raise ValueError(
            f"training needs labelled images to train on, dataset {dataset.name} has none; "
            "give dataset.train_path, or take model=saved or model=application"
        )
    return dataset.preprocessing(dataset.train_pixels), dataset.train_labels


def _n_classes(dataset: Dataset, labels: NDArray[np.int64]) -> int:
    explained = -1 if dataset.labels is None else int(dataset.labels.max())
    return max(len(dataset.classes), int(labels.max()) + 1, explained + 1)


def _key(
    settings: Trainable,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    seed: int,
) -> str:
    """Hash of all that decides the weights; the labels are part of it, permuted or not."""
    return digest(
        {
            "model": settings.fingerprint(),
            "images": [images.shape, digest_of_array(images)],
            "labels": digest_of_array(labels),
            "classes": n_classes,
            "seed": seed,
            "versions": [version("keras"), version("tensorflow")],
        }
    )


def _cached(file: Path, console: Console) -> Any | None:
    if not file.exists():
        return None
    try:
        return read(file)
    except ValueError as error:
        console.print(f"training again: {error}")
        return None


def _save(network: Any, file: Path) -> None:
    """A file of this name is always whole: it is written elsewhere and then renamed."""
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".") as folder:
        fresh = Path(folder) / file.name
        network.save(fresh)
        os.replace(fresh, file)
