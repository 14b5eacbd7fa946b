"""Training a network, with everything around it, against a bare `fit`."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from benchmarks import networks  # noqa: F401 - starts TensorFlow as the command line does
from benchmarks.parts import Row
from benchmarks.timing import alternate
from saliency_bench.datasets import Digits
from saliency_bench.models import CNN, MLP, Training
from saliency_bench.models.training import fit

RANDOM_IMAGES = 5000
WANTED = 1.1

TITLE = "Training"
ABOUT = """Whole epochs with progress, an order of our own and the accuracy in the end, over a bare
`fit`."""
PACKAGES = ("tensorflow", "keras", "numpy")


def rows(quick: bool) -> Iterator[Row]:
    """A row per network and data: epochs of `fit` as it is here over those of Keras alone."""
    digits = Digits().load(train=True)
    random = np.random.default_rng(0)
    images = random.random((RANDOM_IMAGES, 28, 28, 1), dtype=np.float32)
    data = {
        "digits": (digits.preprocessing(digits.train_pixels), digits.train_labels, 8),
        f"{RANDOM_IMAGES} random": (images, random.integers(10, size=RANDOM_IMAGES), 3),
    }
    both: dict[str, CNN | MLP] = {"CNN": CNN(), "MLP": MLP()}
    for name, settings in both.items():
        for source, (images, labels, epochs) in data.items():
            epochs = 1 if quick else epochs
            pair = _pair(settings, images, labels, epochs)
            found = alternate(*pair, runs=1 if quick else 5)
            yield {
                "network": name,
                "images": source,
                "epochs": epochs,
                "wall": found.wall,
                "cpu": found.cpu,
                "seconds": found.seconds,
                "wanted": WANTED,
            }


def _pair(
    settings: CNN | MLP, images: Any, labels: Any, epochs: int
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Training as it is here, and as Keras does it alone."""
    training = Training(epochs=epochs, stop_accuracy=None)

    def network() -> Any:
        return settings.network(images.shape[1:], 10, seed=0)

    def ours() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            fit(network(), images, labels, training, seed=0, name="network")

    def bare() -> None:
        model = network()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        model.fit(images, labels, batch_size=64, epochs=epochs, verbose=0)

    return ours, bare
