"""Models whose maps are known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def weights() -> np.ndarray:
    """The linear model's `[H, W, C, classes]` weights."""
    return np.random.default_rng(2).normal(size=(6, 7, 2, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def linear(weights: np.ndarray) -> Any:
    """Logits `sum(w x) + b` of images `[N, 6, 7, 2]`, with a softmax behind them."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((6, 7, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.set_weights([weights.reshape(-1, 3), np.array([1.0, -2.0, 0.5])])
    return model


@pytest.fixture(scope="session")
def scenes() -> tuple[np.ndarray, np.ndarray]:
    """Images and targets for the linear model."""
    images = np.random.default_rng(3).normal(size=(4, 6, 7, 2)).astype(np.float32)
    return images, np.array([2, 0, 1, 2])


@pytest.fixture(scope="session")
def slopes(weights: np.ndarray, scenes: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The linear model's gradient at each image."""
    return np.moveaxis(weights, -1, 0)[scenes[1]]
