"""Training a network, with everything around it, against a bare `fit`."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import keras
import numpy as np

from benchmarks.timing import alternate
from saliency_bench.datasets import Digits
from saliency_bench.models import CNN, MLP, Training
from saliency_bench.models.training import fit

RANDOM_IMAGES = 5000
WANTED = 1.1


def rows() -> list[dict[str, Any]]:
    """A row per network and data: epochs of `fit` as it is here over those of Keras alone."""
    digits = Digits().load(train=True)
    random = np.random.default_rng(0)
    images = random.random((RANDOM_IMAGES, 28, 28, 1), dtype=np.float32)
    data = {
        "digits": (digits.preprocessing(digits.train_pixels), digits.train_labels, 8),
        f"{RANDOM_IMAGES} random": (images, random.integers(10, size=RANDOM_IMAGES), 3),
    }
    return [
        _row(name, settings, source, *lesson)
        for name, settings in {"CNN": CNN(), "MLP": MLP()}.items()
        for source, lesson in data.items()
    ]


def _row(
    name: str, settings: CNN | MLP, source: str, images: Any, labels: Any, epochs: int
) -> dict[str, Any]:
    training = Training(epochs=epochs, stop_accuracy=None)

    def network() -> Any:
        return settings.network(images.shape[1:], 10, seed=0)

    def ours() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            fit(network(), images, labels, training, seed=0, name=name)

    def bare() -> None:
        model = network()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        model.fit(images, labels, batch_size=64, epochs=epochs, verbose=0)

    ratio = alternate(ours, bare, runs=3)
    return {
        "network": name,
        "images": source,
        "epochs": epochs,
        "wall": ratio.wall,
        "cpu": ratio.cpu,
        "seconds": ratio.seconds,
        "wanted": WANTED,
    }
