"""Small networks with dropout and BatchNorm, as people train them, and what they train on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

SHAPE = (8, 8, 1)
CLASSES = 3


def _layers() -> list[Any]:
    from keras import layers

    return [
        layers.Conv2D(4, 3, activation="relu", name="first"),
        layers.BatchNormalization(name="norm"),
        layers.Conv2D(4, 3, activation="relu", name="second"),
        layers.Flatten(name="flatten"),
        layers.Dropout(0.3, name="dropout"),
        layers.Dense(CLASSES, name="head"),
    ]


def _functional(layers: list[Any]) -> Any:
    import keras

    images = hidden = keras.Input(SHAPE)
    for layer in layers:
        hidden = layer(hidden)
    return keras.Model(images, hidden)


def _subclassed() -> Any:
    """Not built: Keras does so when it sees the data."""
    import keras

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = _layers()

        def call(self, images: Any, training: bool = False) -> Any:
            for part in self.parts:
                images = part(images, training=training)
            return images

    return Net()


def _own_train_step() -> Any:
    import keras
    import tensorflow as tf

    class Net(keras.Sequential):
        def train_step(self, data: Any) -> dict[str, Any]:
            images, labels = data
            with tf.GradientTape() as tape:
                outputs = self(images, training=True)
                loss = self.compute_loss(images, labels, outputs)
            variables = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            return {"loss": loss} | self.compute_metrics(images, labels, outputs)

    return Net([keras.Input(SHAPE), *_layers()])


def _model(kind: str) -> Any:
    import keras

    if kind == "subclassed":
        return _subclassed()
    if kind == "train_step":
        return _own_train_step()
    if kind == "functional":
        return _functional(_layers())
    if kind == "nested":
        layers = _layers()
        return _functional([_functional(layers[:3]), *layers[3:]])
    return keras.Sequential([keras.Input(SHAPE), *_layers()])


def _compiled(kind: str, optimizer: str = "adam") -> Any:
    import keras

    if kind == "mixed":
        keras.mixed_precision.set_dtype_policy("mixed_float16")
    keras.utils.set_random_seed(3)
    model = _model(kind)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=kind == "eager")
    return model


@pytest.fixture(scope="session")
def _known() -> tuple[Any, list[tuple[Any, np.ndarray]]]:
    """The functional network, and each of its variables with what it holds before training."""
    model = _compiled("functional")
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return model, [(variable, variable.numpy()) for variable in variables]


@pytest.fixture
def known(_known: tuple[Any, list[tuple[Any, np.ndarray]]]) -> Any:
    """The functional network as it is at first, with what Keras traced of it in other tests."""
    model, state = _known
    for variable, value in state:
        variable.assign(value)
    return model


@pytest.fixture
def network() -> Iterator[Callable[..., Any]]:
    """A network of a kind, compiled; with the same first weights every time."""
    import keras

    policy = keras.mixed_precision.dtype_policy()
    yield _compiled
    keras.mixed_precision.set_dtype_policy(policy)


@pytest.fixture(scope="session")
def data() -> tuple[np.ndarray, np.ndarray]:
    """A bright bar in a noisy image: its place is the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 48)
    images = rng.uniform(0, 0.5, (48, *SHAPE)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 0.5
    return images, labels


@pytest.fixture(scope="session")
def images(data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return data[0][:6]


@pytest.fixture(scope="session")
def targets(data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return data[1][:6]
