"""Linear networks of several sizes, whose exact maps are known; and random numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

SHAPES = [(6, 7, 2), (28, 28, 1), (40, 30, 3)]


class Linear:
    """Logits `sum(w x) + b` of images, with a softmax behind them."""

    def __init__(self, shape: tuple[int, int, int], scale: float = 1.0) -> None:
        import keras

        rng = np.random.default_rng(sum(shape))
        self.weights = rng.normal(size=(*shape, 3)) * scale / np.sqrt(np.prod(shape))
        self.bias = np.array([1.0, -2.0, 0.5])
        self.images = rng.normal(size=(4, *shape)).astype(np.float32)
        self.targets = np.array([2, 0, 1, 2])
        self.model = keras.Sequential(
            [
                keras.Input(shape),
                keras.layers.Flatten(),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )
        self.model.set_weights([self.weights.reshape(-1, 3), self.bias])

    @property
    def slopes(self) -> np.ndarray:
        """`[N, H, W, C]` the gradient of each image's target."""
        return np.moveaxis(self.weights, -1, 0)[self.targets]

    def contributions(self, fill: float = 0.0) -> np.ndarray:
        """`[N, H, W, C]` what each value adds to the logit over that of the fill."""
        return self.slopes * (self.images - fill)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """`[N, 3]`."""
        return np.einsum("nhwc,hwck->nk", images.astype(np.float64), self.weights) + self.bias


@cache
def linear_of(shape: tuple[int, int, int]) -> Linear:
    return Linear(shape)


@pytest.fixture(scope="session", params=SHAPES, ids=str)
def linear(request: pytest.FixtureRequest) -> Linear:
    return linear_of(request.param)


@pytest.fixture(scope="session")
def small() -> Linear:
    """Of 6x7 pixels and two channels."""
    return linear_of((6, 7, 2))


@pytest.fixture(scope="session")
def adding() -> Any:
    """A network of 2x2 grey images whose only logits are minus the sum of the pixels, and it."""
    import keras

    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    model.set_weights([np.stack([-np.ones(4), np.ones(4)], axis=1), np.zeros(2)])
    return model


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
