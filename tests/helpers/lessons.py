"""Linear networks with known weights in the place of trained ones, by lesson."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from saliency_bench import network as networks
from saliency_bench.protocols import Dataset, NetworkName, TrainedNetwork

SIDE, CLASSES = 8, 3


def linear_model() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    layers = [keras.Input((SIDE, SIDE, 1)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
    return keras.Sequential(layers)


def images_and_labels(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright row of pixels whose place is the class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    pixels = random.random((count, SIDE, SIDE, 1)).astype(np.float32) / 4
    for image, label in zip(pixels, labels, strict=True):
        image[2 * label : 2 * label + 2] += 0.5
    return pixels, labels


def dataset(count: int = 12) -> Dataset:
    tested, learned = images_and_labels(count), images_and_labels(30, seed=1)
    return Dataset("rows", *tested, *learned, classes=("a", "b", "c"))


KINDS = np.arange(CLASSES)
COLUMNS = np.arange(SIDE)[:, np.newaxis] // 2 == KINDS
"""The columns that are bright in the scenes of a class, `[SIDE, CLASSES]`."""


def coloured(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects that are one colour each: their class."""
    labels = np.arange(count) % CLASSES
    pixels = np.zeros((count, SIDE, SIDE, CLASSES), np.float32)
    pixels[np.arange(count), :, :, labels] = 0.9
    pixels[:, 0, 0, 0] = np.linspace(0, 0.1, count)  # no two are equal
    return pixels, labels


def coloured_model() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    layers = [keras.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
    return keras.Sequential(layers)


@dataclass(frozen=True)
class Columns:
    """Grey scenes with two bright columns: their class."""

    labelled: bool = True
    dark: float = 0.0
    bright: float = 1.0

    def load(self, *, train: bool = True) -> Dataset:
        labels = np.arange(2 * CLASSES) % CLASSES
        pixels = np.full((len(labels), SIDE, SIDE, 3), self.dark, np.float32)
        pixels += (self.bright - self.dark) * COLUMNS.T[labels][:, np.newaxis, :, np.newaxis]
        learned = (pixels, labels) if self.labelled else (None, None)
        return Dataset("columns", pixels, labels, *learned)

    def fingerprint(self) -> str:
        return "columns"


def reader(of: str, seed: Sequence[int]) -> np.ndarray:
    """A kernel that reads the colour of an object, or the bright columns of a scene."""
    shape = (SIDE, SIDE, CLASSES, CLASSES)
    if of == "object":
        kernel = np.broadcast_to(np.eye(CLASSES) - 1 / CLASSES, shape)
    else:
        kernel = np.broadcast_to(COLUMNS[np.newaxis, :, np.newaxis], shape)
    other = 1e-3 * np.random.default_rng(seed).normal(size=shape)
    return (kernel + other).reshape(-1, CLASSES)


@dataclass
class Planted:
    """Networks whose weights a function gives; keeps what was asked for.

    Attributes:
        model: gets the weights.
        folder: where they are kept.
        dataset: the data set of the lesson.
        weights: from the name of a network to its kernel `[SIDE * SIDE, CLASSES]`.
        accuracy: test accuracy of every network, or a function of its name.
    """

    model: Any
    folder: Path
    dataset: Dataset
    weights: Callable[[NetworkName], np.ndarray]
    accuracy: float | Callable[[NetworkName], float] = 0.9
    trained: dict = field(default_factory=dict)
    lessons: dict = field(default_factory=dict)

    regularizers = alike = ()
    outstanding = None

    def prepare(self, names):
        """They are there."""

    def on(self, dataset):
        self.lessons[dataset.name] = dataset
        return Planted(
            self.model, self.folder, dataset, self.weights, self.accuracy, self.trained,
            self.lessons,
        )  # fmt: skip

    def __call__(self, name):
        if name not in self.trained:
            self.trained[name] = self.made(name)
        return self.trained[name]

    def made(self, name):
        own = self.model.get_weights()
        kernel = self.weights(name).astype(np.float32)
        values = [kernel, np.full(CLASSES, name.draw, np.float32)]
        file = self.folder / f"{name}.npz"
        np.savez(file, **{str(place): value for place, value in enumerate(values)})
        self.model.set_weights(values)
        fingerprint = networks.fingerprint(self.model)
        self.model.set_weights(own)
        accuracy = self.accuracy(name) if callable(self.accuracy) else self.accuracy
        return TrainedNetwork(fingerprint, file, 1.0, accuracy, 1 / CLASSES)
